/*
 * stun_late.c - twins whose server may answer once more.
 *
 * A server that is further away than was thought is asked again, and another one beside
 * it; the first answer is taken.  The second one is not the application's business: the
 * twin that it is for stays for a moment and takes it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "daemon/stun_private.h"

/* The port is the application's again soon, also where nothing comes. */
#define LATE_MS INT64_C(1500)
#define LATE_MAX 16

struct late {
	int fd;
	msec_t until;
};

struct stun_late {
	struct timer timer;
	size_t count;
	struct late list[LATE_MAX];
};

static void
remove_at(struct stun_late *l, size_t i)
{
	close(l->list[i].fd);
	l->list[i] = l->list[--l->count];
}

static void
on_timer(void *ctx)
{
	struct stun_late *l = ctx;
	msec_t now = loop_now(), next = now + LATE_MS;

	for (size_t i = l->count; i-- > 0;)
		if (l->list[i].until <= now)
			remove_at(l, i);
	for (size_t i = 0; i < l->count; i++)
		next = MIN(next, l->list[i].until);
	if (l->count > 0)
		timer_set(&l->timer, next);
}

void
stun_late_asked(struct stun_slot *slot, bool again)
{
	slot->owed = again ? slot->owed + 1 : 1;
	slot->asked_at = loop_now();
}

void
stun_late_heard(struct stun_slot *slot)
{
	slot->owed -= slot->owed > 0;
}

void
stun_late_keep(struct stun_late *l, const struct stun_slot *slot)
{
	struct late *to = &l->list[l->count];

	if (slot->owed == 0 || slot->asked_at + LATE_MS <= loop_now() ||
	    l->count == LATE_MAX)
		return;
	to->fd = fcntl(slot->fd, F_DUPFD_CLOEXEC, 0);
	to->until = slot->asked_at + LATE_MS;
	if (to->fd < 0)
		return;
	l->count++;
	on_timer(l);
}

void
stun_late_end(
    struct stun_late *l, const struct twin_app *app, const struct endpoint *server)
{
	for (size_t i = l->count; i-- > 0;) {
		struct endpoint local, of;

		if (twin_is_of(l->list[i].fd, app, &local, &of) &&
		    endpoint_equal(&of, server))
			remove_at(l, i);
	}
}

int
stun_late_new(struct loop *loop, struct stun_late **ret)
{
	struct stun_late *l = calloc(1, sizeof(*l));

	if (!l || timer_init(&l->timer, loop, on_timer, l) < 0) {
		free(l);
		return -ENOMEM;
	}
	*ret = l;
	return 0;
}

struct stun_late *
stun_late_free(struct stun_late *l)
{
	if (!l)
		return NULL;
	timer_done(&l->timer);
	while (l->count > 0)
		remove_at(l, l->count - 1);
	free(l);
	return NULL;
}
