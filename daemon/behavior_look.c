/*
 * behavior_look.c - one look at the NAT of one uplink, with sockets of its own.
 */
#include <stdlib.h>
#include <string.h>

#include "daemon/behavior_private.h"
#include "daemon/log.h"
#include "daemon/sock.h"

#define NAMES_MS 3000     /* to wait for the name of a server */
#define MORE_NAMES_MS 200 /* to wait for more of them */

/* ---- sockets ---- */

static void
close_sockets(struct look *l)
{
	for (unsigned i = 0; i < BEHAVIOR_SOCKETS; i++)
		look_socket_close(&l->sockets[i]);
}

static void pump(struct look *l);

static void
received(struct look *l, unsigned number, const struct endpoint *from,
    const uint8_t *buf, size_t len)
{
	struct behavior_result r;

	behavior_receive(&l->machine, number, from, buf, len, loop_now());
	if (l->hops_begun)
		return;
	behavior_get_result(&l->machine, &r);
	l->hops_begun = r.reflexive.addr.family != ADDR_NONE;
	if (l->hops_begun && !l->hop_watch)
		hops_start(l, &r.reflexive.addr, &r.server);
}

/* ---- measuring ---- */

static void
log_result(const struct look *l)
{
	const struct behavior_result *r = &l->status.result;
	char text[ENDPOINT_TEXT_MAX];

	if (r->reflexive.addr.family == ADDR_NONE)
		log_info("%s: no STUN server answers over UDP", l->uplink.name);
	else
		log_info("%s: seen as %s; mapping %s, filtering %s", l->uplink.name,
		    endpoint_format(&r->reflexive, text), behavior_name(r->mapping),
		    behavior_name(r->filtering));
}

static void
finish(struct look *l, const char *problem)
{
	close_sockets(l);
	timer_clear(&l->timer);
	l->phase = LOOK_IDLE;
	l->problem = problem;
	timer_set(&l->all->later, loop_now());
}

/* Each server's health; that none answers is the path's fault. */
static void
tell_pool(const struct look *l)
{
	msec_t rtt;
	bool any = false;

	for (unsigned i = 0; i < l->machine.servers_count; i++)
		any |= behavior_heard(&l->machine, i, &rtt);
	if (!any)
		stun_blocked(l->all->stun, l->source.family);
	/* They may be others meanwhile. */
	any &= l->generation == stun_generation(l->all->stun);
	for (unsigned i = 0; i < l->machine.servers_count && any; i++)
		stun_heard(l->all->stun, l->servers[i],
		    behavior_heard(&l->machine, i, &rtt) ? rtt : -1);
}

static void
measured(struct look *l)
{
	struct behavior_status st = {
		.ifname = l->uplink.name,
		.family = l->source.family,
		/* Of the same network. */
		.lifetime_s = l->status.lifetime_s,
		.fragments = l->known ? l->status.fragments : -1,
		.realtime_us = loop_realtime_usec(),
		.boottime_us = loop_boottime_usec(),
	};

	behavior_get_result(&l->machine, &st.result);
	l->status = st;
	l->known = true;
	l->measured_at = loop_now();
	tell_pool(l);
	finish(l, NULL);
	log_result(l);
	look_tell(l);
	life_start(l);
}

static void
pump(struct look *l)
{
	struct behavior_send s;

	while (l->phase == LOOK_MEASURING)
		switch (behavior_next(&l->machine, &l->all->chance, loop_now(), &s)) {
		case BEHAVIOR_SEND:
			/* What cannot be sent is as good as lost. */
			(void)sock_send_to(
			    l->sockets[s.socket].fd, s.buf, s.len, &s.to);
			break;
		case BEHAVIOR_WAIT:
			timer_set(&l->timer, l->machine.wake_at);
			return;
		case BEHAVIOR_DONE:
			measured(l);
			return;
		}
}

static void
begin(struct look *l, const struct stun_choice *choices, unsigned n)
{
	struct endpoint local[BEHAVIOR_SOCKETS], servers[BEHAVIOR_SERVERS];
	int r = 0;

	for (unsigned i = 0; i < BEHAVIOR_SOCKETS && r >= 0; i++)
		r = look_socket_open(&l->sockets[i], &local[i]);
	if (r < 0) {
		finish(l, "a socket cannot be opened");
		return;
	}
	for (unsigned i = 0; i < n; i++) {
		servers[i] = choices[i].endpoint;
		l->servers[i] = choices[i].server;
	}
	l->generation = stun_generation(l->all->stun);
	l->phase = LOOK_MEASURING;
	l->hops_begun = false;
	behavior_init(&l->machine, servers, n, local, loop_now());
	pump(l);
}

/* Begins once there is somebody to ask. */
static void
gather(struct look *l)
{
	struct stun_choice choices[BEHAVIOR_SERVERS];
	msec_t now = loop_now();
	bool pending;
	size_t n = stun_choose(
	    l->all->stun, l->source.family, choices, BEHAVIOR_SERVERS, &pending);

	if (n > 0 && (!pending || now >= l->began_at + MORE_NAMES_MS)) {
		begin(l, choices, (unsigned)n);
		return;
	}
	if (n == 0 && (!pending || now >= l->began_at + NAMES_MS)) {
		finish(l, stun_servers(l->all->stun) == 0
			      ? "no STUN server is configured"
			  : pending || stun_unresolved(l->all->stun)
			      ? "no name of a server could be resolved"
			      : "no STUN server of the family is known");
		return;
	}
	timer_set(&l->timer, l->began_at + (n > 0 ? MORE_NAMES_MS : NAMES_MS));
}

static void
on_timer(void *ctx)
{
	struct look *l = ctx;

	if (l->phase == LOOK_NAMES) {
		gather(l);
		return;
	}
	/* What came in time counts, even if nobody had time to read it. */
	for (unsigned i = 0; i < BEHAVIOR_SOCKETS && l->phase == LOOK_MEASURING; i++)
		look_socket_read(&l->sockets[i]);
	pump(l);
}

void
look_start(struct look *l)
{
	if (l->phase != LOOK_IDLE)
		return;
	l->phase = LOOK_NAMES;
	l->problem = NULL;
	l->began_at = loop_now();
	gather(l);
}

/* ---- life ---- */

struct look *
look_free(struct look *l)
{
	close_sockets(l);
	hops_stop(l->hop_watch);
	life_free(l->life);
	timer_done(&l->timer);
	free(l);
	return NULL;
}

struct look *
look_new(struct behaviors *b, const struct netmon_uplink *uplink)
{
	struct look *l = calloc(1, sizeof(*l));

	if (!l || timer_init(&l->timer, b->loop, on_timer, l) < 0) {
		free(l);
		return NULL;
	}
	l->all = b;
	l->uplink = *uplink;
	l->source = gateway_addr(&uplink->source, uplink->ifindex);
	for (unsigned i = 0; i < BEHAVIOR_SOCKETS; i++)
		l->sockets[i] = (struct look_socket) { l, i, -1, NULL, received, pump };
	l->next = b->looks;
	b->looks = l;
	return l;
}
