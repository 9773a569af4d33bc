/*
 * stun_watch.c - one binding with its sockets: twins of an application's socket, or
 * sockets of our own for a second opinion.
 */
#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/stun_private.h"

#define DATAGRAMS_PER_TURN 16
#define ANSWER_MAX 1500
#define OWN_SERVER 0xff
#define SENDS_IN_VAIN 3 /* 1.5 s */

static void pump(struct stun_watch *w);

/* ---- sockets ---- */

static void
close_slot(struct stun_slot *slot)
{
	const struct stun_watch *w = slot->watch;

	/* Where nobody answers nobody will, and the port is wanted elsewhere. */
	if (slot->fd >= 0 && w->app.fd >= 0 && !slot->kept &&
	    w->binding.reflexive.addr.family != ADDR_NONE)
		stun_late_keep(w->stun->late, slot);
	slot->owed = 0;
	stun_keep_drop(slot);
	sock_close(&slot->fd, &slot->event);
}

static bool
is_pooled(const struct stun_watch *w)
{
	return w->own == NULL;
}

/* The one that is found there; OWN_SERVER: none that is configured. */
static unsigned
server_at(const struct stun *s, const struct endpoint *e)
{
	for (unsigned i = 0; i < s->pool.count; i++)
		for (size_t k = 0; k < s->servers[i].count; k++)
			if (endpoint_equal(&s->servers[i].list[k], e))
				return i;
	return OWN_SERVER;
}

static void
take_outcome(struct stun_watch *w, unsigned slot, enum stun_client_outcome outcome,
    const struct stun_client_answer *answer)
{
	struct stun *s = w->stun;
	const struct endpoint *from = &w->binding.attempts[slot].client.server;
	unsigned server = w->binding.attempts[slot].server;
	bool recovered;

	if (outcome != STUN_CLIENT_ANSWERED)
		return;
	s->counters.answers++;
	stun_keep_put(w, &w->slots[slot]);
	if (is_pooled(w) && server == OWN_SERVER)
		server = server_at(s, from);
	if (server == OWN_SERVER)
		return;
	stun_udp_answers(s, w->slots[slot].family);
	recovered =
	    stun_pool_circuit(&s->pool, server, loop_now()) != STUN_CIRCUIT_CLOSED;
	stun_pool_answered(&s->pool, server, answer->round_trip_ms, loop_now());
	/* Those that rest because of it need not rest to the end. */
	for (struct stun_watch *o = s->watches; o && recovered; o = o->next)
		stun_watch_more(o);
	stun_said(s, server, from, &answer->mapped.addr);
}

static void
on_readable(evutil_socket_t fd, short what, void *ctx)
{
	struct stun_slot *slot = ctx;
	struct stun_watch *w = slot->watch;
	unsigned at = (unsigned)(slot - w->slots);
	uint8_t buf[ANSWER_MAX];

	(void)what;
	for (unsigned i = 0; i < DATAGRAMS_PER_TURN; i++) {
		struct stun_client_answer answer;
		ssize_t n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			break;
		stun_late_heard(slot);
		if (n < 0)
			stun_binding_error(&w->binding, at, -errno, loop_now());
		else
			take_outcome(w, at,
			    stun_binding_receive(&w->binding, at, &w->stun->chance, buf,
				(size_t)n, loop_now(), &answer),
			    &answer);
	}
	pump(w);
}

static int
socket_to(struct stun_watch *w, const struct endpoint *to, struct endpoint *ret_local)
{
	struct sock_from from;
	int fd;

	if (w->app.fd >= 0) {
		stun_late_end(w->stun->late, &w->app, to);
		return twin_open(&w->app, to, ret_local);
	}
	stun_source(w->stun, to->addr.family, &from);
	fd = sock_connected_udp(&from, to);
	if (fd >= 0)
		(void)sock_name(fd, ret_local);
	return fd;
}

/* Listens at the socket of the slot, and tells the machine of it. */
static int
begin_slot(
    struct stun_watch *w, unsigned at, unsigned server, const struct endpoint *to)
{
	struct stun *s = w->stun;
	struct stun_slot *slot = &w->slots[at];
	const struct stun_rtt *rtt =
	    server == OWN_SERVER ? NULL : &s->pool.servers[server].rtt;
	int r;

	slot->family = (uint8_t)stun_row(to->addr.family);
	r = loop_watch(s->loop, slot->fd, EV_READ, on_readable, slot, &slot->event);
	if (r == 0)
		r = stun_binding_opened(
		    &w->binding, &s->chance, at, server, to, rtt, loop_now());
	if (r < 0)
		close_slot(slot);
	return r;
}

static int
open_slot(struct stun_watch *w, unsigned at, unsigned server, const struct endpoint *to)
{
	struct stun_slot *slot = &w->slots[at];

	slot->fd = socket_to(w, to, &slot->local);
	return slot->fd < 0 ? slot->fd : begin_slot(w, at, server, to);
}

/* The first is the one that a natd before us had. */
static bool
open_kept(struct stun_watch *w, unsigned at)
{
	struct stun_slot *slot = &w->slots[at];
	struct endpoint to;

	if (w->opens > 0)
		return false;
	slot->fd = stun_keep_claim(w, &to, &slot->local);
	if (slot->fd < 0)
		return false;
	slot->kept = true;
	if (begin_slot(w, at, OWN_SERVER, &to) < 0)
		return false;
	stun_binding_held(&w->binding, loop_now());
	w->opens++;
	return true;
}

/* ---- choice ---- */

static bool
speaks(const struct stun_watch *w, unsigned row)
{
	return row ? w->app.ipv6 : w->app.ipv4;
}

/* Those of the family that are resolved and were not tried. */
static uint32_t
candidates(const struct stun_watch *w, unsigned row)
{
	uint32_t mask = 0;
	struct endpoint e;

	if (!speaks(w, row))
		return 0;
	if (!is_pooled(w))
		return !(w->tried[row] & 1) && stun_server_address(w->own, row, &e);
	for (unsigned i = 0; i < w->stun->pool.count; i++)
		if (stun_server_is_udp(w->stun, i) &&
		    stun_server_address(&w->stun->servers[i], row, &e))
			mask |= 1u << i;
	return mask & ~w->tried[row];
}

/* The next to be asked, IPv6 and IPv4 in turn (RFC 8305 section 4); false: none. */
static bool
choose(struct stun_watch *w, unsigned *ret_server, unsigned *ret_row)
{
	unsigned first = w->opens % 2 ? 0 : 1;

	for (unsigned i = 0; i < STUN_FAMILIES; i++) {
		unsigned row = i ? 1 - first : first;
		uint32_t mask = candidates(w, row);
		int server = 0;

		if (mask && is_pooled(w))
			server = stun_pool_choose(
			    &w->stun->pool, mask, &w->stun->rng, loop_now());
		if (!mask || server < 0)
			continue;
		w->tried[row] |= 1u << server;
		*ret_server = (unsigned)server;
		*ret_row = row;
		return true;
	}
	return false;
}

static void
open_next(struct stun_watch *w, unsigned slot)
{
	unsigned server, row;

	if (open_kept(w, slot))
		return;
	while (choose(w, &server, &row)) {
		const struct stun_server *of =
		    is_pooled(w) ? &w->stun->servers[server] : w->own;
		struct endpoint to;
		int r = -ENOENT;

		if (stun_server_address(of, row, &to))
			r = open_slot(w, slot, is_pooled(w) ? server : OWN_SERVER, &to);
		if (r >= 0) {
			w->opens++;
			return;
		}
		w->error = r;
		/* No way there is the network's fault, not the server's. */
		if (is_pooled(w))
			stun_pool_unused(&w->stun->pool, server);
	}
	stun_binding_none(&w->binding, slot, loop_now());
}

static void
reopen(struct stun_watch *w, const struct stun_binding_step *step)
{
	close_slot(&w->slots[step->slot]);
	if (open_slot(w, step->slot, step->server, &step->to) < 0)
		stun_binding_none(&w->binding, step->slot, loop_now());
}

/* ---- what the machine says ---- */

static void
send_request(struct stun_watch *w, const struct stun_binding_step *step)
{
	w->stun->counters.requests++;
	stun_late_asked(
	    &w->slots[step->slot], w->binding.attempts[step->slot].client.sends > 1);
	/* A send may deliver the error of an earlier one; a full queue is a loss. */
	if (send(w->slots[step->slot].fd, step->buf, sizeof(step->buf), MSG_NOSIGNAL) <
		0 &&
	    errno != EAGAIN)
		stun_binding_error(&w->binding, step->slot, -errno, loop_now());
	/* By now those that joined after this one would have answered. */
	if (is_pooled(w) && w->binding.reflexive.addr.family == ADDR_NONE &&
	    w->binding.attempts[step->slot].client.sends == SENDS_IN_VAIN)
		stun_udp_silent(w->stun, w->slots[step->slot].family);
}

static void
close_one(struct stun_watch *w, const struct stun_binding_step *step)
{
	struct stun *s = w->stun;
	unsigned row = w->slots[step->slot].family;

	close_slot(&w->slots[step->slot]);
	s->counters.failures += step->failed;
	if (!is_pooled(w))
		w->own->next[row] += step->failed;
	if (step->server == OWN_SERVER)
		return;
	s->servers[step->server].next[row] += step->failed;
	if (step->failed)
		stun_pool_failed(&s->pool, step->server, loop_now());
	else
		stun_pool_unused(&s->pool, step->server);
}

static bool
names_pending(struct stun_watch *w)
{
	bool pending = false;

	if (!is_pooled(w))
		return stun_server_resolve(w->own);
	for (unsigned i = 0; i < w->stun->pool.count; i++)
		if (stun_server_is_udp(w->stun, i))
			pending |= stun_server_resolve(&w->stun->servers[i]);
	return pending;
}

static const char *
reason_of(const struct stun_watch *w)
{
	bool any = false;

	for (unsigned i = 0; i < w->stun->pool.count && is_pooled(w); i++)
		any |= stun_server_is_udp(w->stun, i) && w->stun->servers[i].count > 0;
	if (!is_pooled(w))
		any = w->own->count > 0;
	if (!any)
		return !is_pooled(w) && w->own->error == -ENOENT
			   ? "there is no such name"
			   : "no name of a server could be resolved";
	switch (-w->error) {
	case 0:
		return "no server answered";
	case EADDRINUSE:
		return "another socket has the port, too";
	case EACCES:
		return "the port is a privileged one";
	default: /* of errno */
		return strerror(-w->error);
	}
}

static void
tell_found(struct stun_watch *w)
{
	const struct stun_slot *slot = &w->slots[w->binding.holder];
	struct stun_report r = {
		.local = slot->local,
		.reflexive = w->binding.reflexive,
		.server = w->binding.server,
		.keepalive_ms = w->binding.interval_ms,
	};
	bool same = endpoint_equal(&r.local, &w->told.local) &&
		    endpoint_equal(&r.reflexive, &w->told.reflexive);
	unsigned server;

	memset(w->tried, 0, sizeof(w->tried));
	server = w->binding.attempts[w->binding.holder].server;
	if (server != OWN_SERVER)
		w->tried[slot->family] = 1u << server;
	w->error = 0;
	if (!w->fixed_interval) {
		stun_binding_set_interval(
		    &w->binding, stun_interval(w->stun, slot->family));
		r.keepalive_ms = w->binding.interval_ms;
	}
	if (same)
		return;
	w->stun->counters.changes += w->told.local.addr.family != ADDR_NONE;
	w->told = r;
	w->hooks.found(&r, w->hooks.ctx);
	/* Who wanted it once only has it now, and is gone. */
	if (!w->stopped && !w->fixed_interval && w->app.fd >= 0)
		stun_kept(w->stun, stun_row(r.reflexive.addr.family));
}

static void
tell_lost(struct stun_watch *w)
{
	bool offline = w->error == -ENETUNREACH || w->error == -EADDRNOTAVAIL ||
		       w->error == -ENETDOWN;

	memset(w->tried, 0, sizeof(w->tried));
	w->hooks.lost(reason_of(w), offline, w->hooks.ctx);
}

/* Whether to go on. */
static bool
act(struct stun_watch *w, enum stun_binding_act what,
    const struct stun_binding_step *step)
{
	switch (what) {
	case STUN_BINDING_WAIT:
		timer_set(&w->timer, w->binding.wake_at);
		return false;
	case STUN_BINDING_OPEN:
		open_next(w, step->slot);
		break;
	case STUN_BINDING_REOPEN:
		reopen(w, step);
		break;
	case STUN_BINDING_SEND:
		send_request(w, step);
		break;
	case STUN_BINDING_CLOSE:
		close_one(w, step);
		break;
	case STUN_BINDING_FOUND:
		tell_found(w);
		break;
	case STUN_BINDING_LOST:
		/* While names are under way nobody has been asked in vain. */
		if (!names_pending(w))
			tell_lost(w);
		break;
	}
	return true;
}

/* Does what there is to do; the owner may stop the watch meanwhile. */
static void
pump(struct stun_watch *w)
{
	w->running = true;
	while (!w->stopped) {
		struct stun_binding_step step;
		enum stun_binding_act what =
		    stun_binding_next(&w->binding, &w->stun->chance, loop_now(), &step);

		/* Names are wanted when somebody is to be asked, not before. */
		if (what == STUN_BINDING_OPEN)
			names_pending(w);
		if (!act(w, what, &step))
			break;
	}
	w->running = false;
	if (w->stopped)
		free(w);
}

static void
on_timer(void *ctx)
{
	pump(ctx);
}

void
stun_watch_kick(struct stun_watch *w)
{
	timer_set(&w->timer, loop_now());
}

void
stun_watch_restart(struct stun_watch *w)
{
	memset(w->tried, 0, sizeof(w->tried));
	w->error = 0;
	stun_binding_restart(&w->binding, loop_now());
	stun_watch_kick(w);
}

void
stun_watch_more(struct stun_watch *w)
{
	stun_binding_more(&w->binding, loop_now());
	stun_watch_kick(w);
}

void
stun_watch_retime(struct stun_watch *w)
{
	msec_t interval;

	if (w->fixed_interval || w->binding.holder < 0 ||
	    w->told.local.addr.family == ADDR_NONE)
		return;
	interval = stun_interval(w->stun, w->slots[w->binding.holder].family);
	stun_binding_set_interval(&w->binding, interval);
	if (w->binding.interval_ms == w->told.keepalive_ms)
		return;
	/* A shorter one cannot wait for the end of the longer one. */
	if (w->binding.interval_ms < w->told.keepalive_ms)
		stun_watch_hurry(w);
	w->told.keepalive_ms = w->binding.interval_ms;
	w->hooks.found(&w->told, w->hooks.ctx);
}

void
stun_watch_hurry(struct stun_watch *w)
{
	stun_binding_hurry(&w->binding, loop_now());
	stun_watch_kick(w);
}

/* ---- life ---- */

int
stun_watch_new(struct stun *s, const struct twin_app *app, struct stun_watch **ret)
{
	struct stun_watch *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return -ENOMEM;
	w->stun = s;
	w->app = *app;
	for (unsigned i = 0; i < STUN_BINDING_ATTEMPTS; i++) {
		w->slots[i].watch = w;
		w->slots[i].fd = -1;
	}
	stun_binding_init(&w->binding, stun_interval(s, !app->ipv4), loop_now());
	r = timer_init(&w->timer, s->loop, on_timer, w);
	if (r < 0) {
		free(w);
		return r;
	}
	stun_watch_kick(w);
	*ret = w;
	return 0;
}

int
stun_watch_start(struct stun *s, const struct twin_app *app,
    const struct stun_uri *server, msec_t keepalive_ms,
    const struct stun_watch_hooks *hooks, struct stun_watch **ret)
{
	struct stun_watch *w = NULL;
	bool any = server != NULL;
	int r;

	for (unsigned i = 0; i < s->pool.count; i++)
		any |= stun_server_is_udp(s, i);
	r = any ? stun_watch_new(s, app, &w) : -ENODATA;
	/* This socket cannot be told, but the address of this host can be. */
	if (!any && app->ipv4)
		stun_ask_others(s, 0);
	if (!any && app->ipv6)
		stun_ask_others(s, 1);
	if (r < 0) {
		close(app->fd);
		return r;
	}
	w->hooks = *hooks;
	if (server) {
		w->own = calloc(1, sizeof(*w->own));
		if (!w->own) {
			stun_watch_stop(w);
			return -ENOMEM;
		}
		w->own->stun = s;
		w->own->uri = *server;
		stun_uri_format(server, w->own->name);
	}
	w->fixed_interval = keepalive_ms > 0;
	if (keepalive_ms > 0)
		stun_binding_set_interval(&w->binding, keepalive_ms);
	w->next = s->watches;
	s->watches = w;
	s->counters.watches++;
	*ret = w;
	return 0;
}

struct stun_watch *
stun_watch_stop(struct stun_watch *w)
{
	if (!w)
		return NULL;
	for (struct stun_watch **at = &w->stun->watches; *at; at = &(*at)->next)
		if (*at == w) {
			*at = w->next;
			w->stun->counters.watches--;
			break;
		}
	for (unsigned i = 0; i < STUN_BINDING_ATTEMPTS; i++) {
		struct stun_attempt *a = &w->binding.attempts[i];

		if (a->open && a->server != OWN_SERVER)
			stun_pool_unused(&w->stun->pool, a->server);
		close_slot(&w->slots[i]);
	}
	if (w->own)
		stun_server_done(w->own);
	free(w->own);
	timer_done(&w->timer);
	if (w->app.fd >= 0)
		close(w->app.fd);
	w->stopped = true;
	if (!w->running)
		free(w);
	return NULL;
}
