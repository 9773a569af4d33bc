/*
 * behavior.c - one look at the NAT of each uplink that somebody asks about, with
 * sockets of its own.
 */
#include "daemon/behavior.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/log.h"
#include "daemon/random.h"
#include "daemon/sock.h"

#define DATAGRAMS_PER_TURN 32
#define ANSWER_MAX 1500
#define NAMES_MS 3000     /* to wait for the name of a server */
#define MORE_NAMES_MS 200 /* to wait for more of them */

struct look_socket {
	struct look *look;
	unsigned number;
	int fd; /* -1: closed */
	struct event *event;
};

enum look_phase { LOOK_IDLE, LOOK_NAMES, LOOK_MEASURING };

struct look {
	struct look *next;
	struct behaviors *all;
	struct netmon_uplink uplink;
	struct addr source;
	enum look_phase phase;
	const char *problem; /* why nothing is known; NULL */
	msec_t began_at;
	struct timer timer;
	struct look_socket sockets[BEHAVIOR_SOCKETS];
	unsigned servers[BEHAVIOR_SERVERS];
	struct behavior_machine machine;
	/* the last result */
	bool known;
	msec_t measured_at;
	struct behavior_status status, told;
};

struct behaviors {
	struct loop *loop;
	struct engine *engine;
	struct stun *stun;
	struct engine_observer engine_observer;
	struct behavior_observer *observers;
	struct behavior_query *queries;
	struct look *looks;
	struct crypto_rng *ids;
	struct rng rng;
	struct stun_chance chance;
	struct timer later; /* queries that are done */
};

/* ---- telling ---- */

static const struct gateway *
gateway_of(const struct look *l)
{
	const struct engine *e = l->all->engine;

	for (size_t i = 0; i < engine_gateways(e); i++) {
		const struct gateway *g = engine_gateway((struct engine *)e, i);
		const struct netmon_uplink *u = gateway_uplink(g);

		if (u->ifindex == l->uplink.ifindex && u->family == l->uplink.family &&
		    memcmp(&u->source, &l->uplink.source, sizeof(u->source)) == 0 &&
		    memcmp(&u->gateway, &l->uplink.gateway, sizeof(u->gateway)) == 0 &&
		    strcmp(u->name, l->uplink.name) == 0)
			return u->running ? g : NULL;
	}
	return NULL;
}

static void
follow_path(struct look *l)
{
	const struct gateway *g = gateway_of(l);
	const struct addr none = { .family = ADDR_NONE };

	behavior_path_of(&l->source, g ? router_external(gateway_router(g)) : &none,
	    &l->status.result.reflexive.addr, &l->status.path);
}

static bool
is_news(const struct behavior_status *a, const struct behavior_status *b)
{
	return a->result.mapping != b->result.mapping ||
	       a->result.filtering != b->result.filtering ||
	       a->result.hairpinning != b->result.hairpinning ||
	       a->result.port_preservation != b->result.port_preservation ||
	       /* The port is another one each time. */
	       !addr_equal(&a->result.reflexive.addr, &b->result.reflexive.addr) ||
	       a->path.translators != b->path.translators ||
	       a->path.carrier != b->path.carrier || a->lifetime_s != b->lifetime_s;
}

static void
tell(struct look *l)
{
	struct behaviors *b = l->all;

	follow_path(l);
	if (l->told.ifname && !is_news(&l->told, &l->status))
		return;
	l->told = l->status;
	for (struct behavior_observer *o = b->observers, *next; o; o = next) {
		next = o->next;
		o->changed(o, &l->status);
	}
}

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

/* ---- sockets ---- */

static void
close_sockets(struct look *l)
{
	for (unsigned i = 0; i < BEHAVIOR_SOCKETS; i++) {
		struct look_socket *s = &l->sockets[i];

		if (s->event)
			event_free(s->event);
		if (s->fd >= 0)
			close(s->fd);
		s->event = NULL;
		s->fd = -1;
	}
}

static void pump(struct look *l);

static void
read_socket(struct look_socket *s)
{
	uint8_t buf[ANSWER_MAX];

	for (unsigned i = 0; i < DATAGRAMS_PER_TURN; i++) {
		struct endpoint from;
		unsigned ifindex;
		ssize_t n = sock_receive(s->fd, buf, sizeof(buf), &from, &ifindex);

		if (n < 0)
			break;
		behavior_receive(
		    &s->look->machine, s->number, &from, buf, (size_t)n, loop_now());
	}
}

static void
on_readable(evutil_socket_t fd, short what, void *ctx)
{
	struct look_socket *s = ctx;

	(void)fd;
	(void)what;
	read_socket(s);
	pump(s->look);
}

static int
open_socket(struct look *l, unsigned i, const struct sock_from *from,
    struct endpoint *ret_local)
{
	struct look_socket *s = &l->sockets[i];
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);

	s->fd = sock_open(SOCK_DGRAM, from);
	if (s->fd < 0)
		return s->fd;
	if (getsockname(s->fd, (struct sockaddr *)&ss, &len) < 0)
		return -errno;
	*ret_local = sock_endpoint(&ss);
	s->event = event_new(
	    loop_base(l->all->loop), s->fd, EV_READ | EV_PERSIST, on_readable, s);
	return s->event && event_add(s->event, NULL) == 0 ? 0 : -ENOMEM;
}

/* ---- measuring ---- */

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
		.lifetime_s = l->status.lifetime_s,
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
	tell(l);
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
	const struct sock_from from = { l->source, l->uplink.name,
		(unsigned)l->uplink.ifindex };
	struct endpoint local[BEHAVIOR_SOCKETS], servers[BEHAVIOR_SERVERS];
	int r = 0;

	for (unsigned i = 0; i < BEHAVIOR_SOCKETS && r >= 0; i++)
		r = open_socket(l, i, &from, &local[i]);
	if (r < 0) {
		finish(l, "a socket cannot be opened");
		return;
	}
	for (unsigned i = 0; i < n; i++) {
		servers[i] = choices[i].endpoint;
		l->servers[i] = choices[i].server;
	}
	l->phase = LOOK_MEASURING;
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
			  : pending ? "no name of a server could be resolved"
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
		read_socket(&l->sockets[i]);
	pump(l);
}

static void
start(struct look *l)
{
	if (l->phase != LOOK_IDLE)
		return;
	l->phase = LOOK_NAMES;
	l->problem = NULL;
	l->began_at = loop_now();
	gather(l);
}

static void
on_resolved(void *ctx)
{
	struct behaviors *b = ctx;

	for (struct look *l = b->looks; l; l = l->next)
		if (l->phase == LOOK_NAMES)
			timer_set(&l->timer, loop_now());
}

/* ---- uplinks ---- */

static struct look *
look_free(struct look *l)
{
	close_sockets(l);
	timer_done(&l->timer);
	free(l);
	return NULL;
}

static struct look *
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
	for (unsigned i = 0; i < BEHAVIOR_SOCKETS; i++) {
		l->sockets[i].look = l;
		l->sockets[i].number = i;
		l->sockets[i].fd = -1;
	}
	l->next = b->looks;
	b->looks = l;
	return l;
}

static bool
has_look(const struct behaviors *b, const struct gateway *g)
{
	for (const struct look *l = b->looks; l; l = l->next)
		if (gateway_of(l) == g)
			return true;
	return false;
}

/* A look for each uplink; those of uplinks that are gone go with all they know. */
static void
follow_uplinks(struct behaviors *b)
{
	for (struct look **at = &b->looks; *at;) {
		struct look *l = *at;

		if (gateway_of(l)) {
			at = &l->next;
			continue;
		}
		*at = l->next;
		look_free(l);
		timer_set(&b->later, loop_now());
	}
	for (size_t i = 0; i < engine_gateways(b->engine); i++) {
		const struct gateway *g = engine_gateway(b->engine, i);

		if (gateway_uplink(g)->running &&
		    gateway_uplink(g)->source.family != AF_UNSPEC && !has_look(b, g))
			look_new(b, gateway_uplink(g));
	}
}

/* A router with another address may be another network. */
static void
external_changed(struct behaviors *b, const struct gateway *g)
{
	for (struct look *l = b->looks; l; l = l->next) {
		if (!l->known || gateway_of(l) != g)
			continue;
		tell(l);
		if (l->told.path.translators != 1)
			l->measured_at = 0;
	}
}

static void
on_engine_event(struct engine_observer *o, enum engine_event event,
    const struct mapping *m, const struct gateway *g)
{
	struct behaviors *b =
	    (struct behaviors *)((char *)o -
				 offsetof(struct behaviors, engine_observer));

	(void)m;
	switch (event) {
	case ENGINE_GATEWAY_CHANGED:
	case ENGINE_STATE_CHANGED:
		/* Without anybody who asked there is nothing to follow. */
		if (b->looks)
			follow_uplinks(b);
		break;
	case ENGINE_EXTERNAL_CHANGED:
		if (g)
			external_changed(b, g);
		break;
	case ENGINE_MAPPING_ADDED:
	case ENGINE_MAPPING_CHANGED:
	case ENGINE_MAPPING_REMOVED:
		break;
	}
}

/* ---- asking ---- */

static bool
is_meant(const struct behavior_query *q, const struct look *l)
{
	return (!q->ifname[0] || strcmp(q->ifname, l->uplink.name) == 0) &&
	       (q->family == ADDR_NONE || q->family == l->source.family);
}

static bool
is_busy(const struct behaviors *b, const struct behavior_query *q)
{
	for (const struct look *l = b->looks; l; l = l->next)
		if (l->phase != LOOK_IDLE && is_meant(q, l))
			return true;
	return false;
}

bool
behaviors_ask(struct behaviors *b, struct behavior_query *q, bool refresh)
{
	msec_t now = loop_now();

	follow_uplinks(b);
	for (struct look *l = b->looks; l; l = l->next)
		if (is_meant(q, l) && (refresh || !l->known || l->measured_at == 0 ||
					  now - l->measured_at > BEHAVIOR_FRESH_MS))
			start(l);
	q->waiting = is_busy(b, q);
	if (!q->waiting)
		return false;
	q->next = b->queries;
	b->queries = q;
	return true;
}

void
behaviors_forget(struct behaviors *b, struct behavior_query *q)
{
	for (struct behavior_query **at = &b->queries; *at; at = &(*at)->next)
		if (*at == q) {
			*at = q->next;
			break;
		}
	q->waiting = false;
}

static void
on_later(void *ctx)
{
	struct behaviors *b = ctx;

	for (struct behavior_query *q = b->queries; q;) {
		if (is_busy(b, q)) {
			q = q->next;
			continue;
		}
		behaviors_forget(b, q);
		q->done(q);
		/* It may have asked again, or made others leave. */
		q = b->queries;
	}
}

bool
behaviors_get(struct behaviors *b, size_t i, struct behavior_status *ret)
{
	for (struct look *l = b->looks; l; l = l->next)
		if (l->known && i-- == 0) {
			follow_path(l);
			*ret = l->status;
			return true;
		}
	return false;
}

const char *
behaviors_problem(const struct behaviors *b, const struct behavior_query *q)
{
	for (const struct look *l = b->looks; l; l = l->next)
		if (is_meant(q, l) && !l->known && l->problem)
			return l->problem;
	return NULL;
}

void
behaviors_observe(struct behaviors *b, struct behavior_observer *o)
{
	o->next = b->observers;
	b->observers = o;
}

void
behaviors_unobserve(struct behaviors *b, struct behavior_observer *o)
{
	for (struct behavior_observer **at = &b->observers; *at; at = &(*at)->next)
		if (*at == o) {
			*at = o->next;
			return;
		}
}

/* ---- life ---- */

int
behaviors_new(
    struct loop *loop, struct engine *engine, struct stun *stun, struct behaviors **ret)
{
	struct behaviors *b = calloc(1, sizeof(*b));
	uint8_t seed[CRYPTO_RNG_SEED_LEN];
	int r;

	if (!b)
		return -ENOMEM;
	random_fill(seed, sizeof(seed));
	r = crypto_rng_new(seed, &b->ids);
	crypto_wipe(seed, sizeof(seed));
	if (r >= 0)
		r = timer_init(&b->later, loop, on_later, b);
	if (r < 0) {
		crypto_rng_free(b->ids);
		free(b);
		return r;
	}
	b->loop = loop;
	b->engine = engine;
	b->stun = stun;
	b->rng.state = random_u64();
	b->chance = (struct stun_chance) { b->ids, &b->rng };
	b->engine_observer.event = on_engine_event;
	engine_observe(engine, &b->engine_observer);
	stun_on_resolved(stun, on_resolved, b);
	*ret = b;
	return 0;
}

struct behaviors *
behaviors_free(struct behaviors *b)
{
	if (!b)
		return NULL;
	engine_unobserve(b->engine, &b->engine_observer);
	stun_on_resolved(b->stun, NULL, NULL);
	while (b->looks) {
		struct look *l = b->looks;

		b->looks = l->next;
		look_free(l);
	}
	timer_done(&b->later);
	crypto_rng_free(b->ids);
	free(b);
	return NULL;
}
