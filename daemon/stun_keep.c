/*
 * stun_keep.c - twins that outlive a restart of natd: the service manager has a copy of
 * each that holds a lasting binding, and passes it to the next natd.
 *
 * The NAT's binding is the application's socket's and needs nobody to be there.  But
 * behind a NAT that gives each server another port the next natd has to go on with the
 * same server, or the application's port outside changes.  So a twin that was passed is
 * taken again, with its server, when the application asks again for its socket; those
 * nobody asks for are closed soon: they occupy a port.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "daemon/stun_private.h"

#define USE "twin"
#define CLAIM_MS (5 * MSEC_PER_SEC)

struct orphan {
	int fd; /* -1: claimed */
	uint64_t servers;
};

struct stun_keep {
	struct fdstore *store;
	struct timer timer;
	size_t count;
	struct orphan list[FDSTORE_MAX];
};

/* ---- those of a natd before us ---- */

static void
drop(struct fdstore *store, int fd)
{
	/* Until the manager has closed its copy that must not hear what another twin
	 * asks the same server. */
	if (fdstore_drop(store, fd))
		twin_deafen(fd);
}

static void
discard(struct stun_keep *k, struct orphan *o)
{
	drop(k->store, o->fd);
	close(o->fd);
	o->fd = -1;
}

static void
on_over(void *ctx)
{
	struct stun_keep *k = ctx;

	for (size_t i = 0; i < k->count; i++)
		if (k->list[i].fd >= 0)
			discard(k, &k->list[i]);
	k->count = 0;
}

/* Those that are asked settle whose server may be gone on with. */
static uint64_t
digest_text(uint64_t sum, const char *text)
{
	/* FNV-1a: only a difference counts. */
	do
		sum = (sum ^ (uint8_t)*text) * UINT64_C(0x100000001b3);
	while (*text++);
	return sum;
}

static uint64_t
digest_servers(const struct stun_watch *w)
{
	uint64_t sum = UINT64_C(0xcbf29ce484222325);

	if (w->own)
		return digest_text(sum, w->own->name);
	for (unsigned i = 0; i < w->stun->pool.count; i++)
		sum = digest_text(sum, w->stun->servers[i].name);
	return sum;
}

int
stun_keep_claim(
    struct stun_watch *w, struct endpoint *ret_server, struct endpoint *ret_local)
{
	struct stun_keep *k = w->stun->keep;
	uint64_t servers = digest_servers(w);

	for (size_t i = 0; i < k->count && w->app.fd >= 0; i++) {
		struct orphan *o = &k->list[i];
		int fd = o->fd;

		if (fd < 0 || !twin_is_of(fd, &w->app, ret_local, ret_server))
			continue;
		if (o->servers == servers) {
			o->fd = -1;
			return fd;
		}
		discard(k, o);
	}
	return -ENOENT;
}

/* ---- ours ---- */

void
stun_keep_put(struct stun_watch *w, struct stun_slot *slot)
{
	if (w->app.fd < 0 || !w->hooks.lasting || slot->kept)
		return;
	slot->kept =
	    fdstore_put(w->stun->keep->store, USE, slot->fd, digest_servers(w));
}

void
stun_keep_drop(struct stun_slot *slot)
{
	if (slot->kept)
		drop(slot->watch->stun->keep->store, slot->fd);
	slot->kept = false;
}

/* ---- life ---- */

int
stun_keep_new(struct loop *loop, struct fdstore *store, struct stun_keep **ret)
{
	struct stun_keep *k = calloc(1, sizeof(*k));
	int fd;

	if (!k || timer_init(&k->timer, loop, on_over, k) < 0) {
		free(k);
		return -ENOMEM;
	}
	k->store = store;
	while (k->count < ARRAY_SIZE(k->list) &&
	       (fd = fdstore_take(store, USE, &k->list[k->count].servers)) >= 0)
		k->list[k->count++].fd = fd;
	if (k->count > 0)
		timer_set(&k->timer, loop_now() + CLAIM_MS);
	*ret = k;
	return 0;
}

struct stun_keep *
stun_keep_free(struct stun_keep *k)
{
	if (!k)
		return NULL;
	timer_done(&k->timer);
	for (size_t i = 0; i < k->count; i++)
		if (k->list[i].fd >= 0)
			close(k->list[i].fd);
	free(k);
	return NULL;
}
