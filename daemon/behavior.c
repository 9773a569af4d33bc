/*
 * behavior.c - one look at the NAT of each uplink that somebody asks about, with
 * sockets of its own.
 */
#include "daemon/behavior.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "daemon/behavior_private.h"
#include "daemon/random.h"

/* ---- telling ---- */

const struct gateway *
look_gateway(const struct look *l)
{
	const struct engine *e = l->all->engine;

	for (size_t i = 0; i < engine_gateways(e); i++) {
		const struct gateway *g = engine_gateway((struct engine *)e, i);
		const struct netmon_uplink *u = gateway_uplink(g);

		if (u->ifindex == l->uplink.ifindex && u->family == l->uplink.family &&
		    memcmp(&u->source, &l->uplink.source, sizeof(u->source)) == 0 &&
		    memcmp(&u->gateway, &l->uplink.gateway, sizeof(u->gateway)) == 0 &&
		    strcmp(u->name, l->uplink.name) == 0)
			return g;
	}
	return NULL;
}

static void
follow_path(struct look *l)
{
	const struct gateway *g = look_gateway(l);
	const struct addr none = { .family = ADDR_NONE };

	behavior_path_of(&l->source, g ? router_external(gateway_router(g)) : &none,
	    &l->status.result.reflexive.addr, &l->status.path);
	if (addr_equal(&l->hops.seen, &l->status.result.reflexive.addr))
		hops_verdict(&l->hops, &l->source, &l->status.path);
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

void
look_tell(struct look *l)
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

void
hops_done(struct look *l, const struct hops *h)
{
	l->hops = *h;
	l->hop_watch = hops_stop(l->hop_watch);
	if (l->known)
		look_tell(l);
}

/* ---- news ---- */

static void
on_resolved(void *ctx)
{
	struct behaviors *b = ctx;

	for (struct look *l = b->looks; l; l = l->next)
		if (l->phase == LOOK_NAMES)
			timer_set(&l->timer, loop_now());
}

/* ---- uplinks ---- */

static bool
has_look(const struct behaviors *b, const struct gateway *g)
{
	for (const struct look *l = b->looks; l; l = l->next)
		if (look_gateway(l) == g)
			return true;
	return false;
}

/* A look for each uplink; those of uplinks that are gone go with all they know. */
static void
follow_uplinks(struct behaviors *b)
{
	for (struct look **at = &b->looks; *at;) {
		struct look *l = *at;

		if (look_gateway(l)) {
			at = &l->next;
			continue;
		}
		*at = l->next;
		look_free(l);
		timer_set(&b->later, loop_now());
	}
	for (size_t i = 0; i < engine_gateways(b->engine); i++) {
		const struct gateway *g = engine_gateway(b->engine, i);

		if (gateway_uplink(g)->source.family != AF_UNSPEC && !has_look(b, g))
			look_new(b, gateway_uplink(g));
	}
}

/* Somebody has a binding kept: how long it lives is worth to know, once per network. */
static void
on_kept(enum addr_family family, void *ctx)
{
	struct behaviors *b = ctx;

	follow_uplinks(b);
	for (struct look *l = b->looks; l; l = l->next)
		if (l->source.family == family && !l->known && !l->problem &&
		    gateway_uplink(look_gateway(l))->is_default)
			look_start(l);
}

/* A router with another address may be another network. */
static void
external_changed(struct behaviors *b, const struct gateway *g)
{
	for (struct look *l = b->looks; l; l = l->next) {
		if (!l->known || look_gateway(l) != g)
			continue;
		look_tell(l);
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
		if (!b->looks)
			break;
		follow_uplinks(b);
		/* Another way may be the usual one now. */
		timer_set(&b->later, loop_now());
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
			look_start(l);
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

	for (const struct look *l = b->looks; l; l = l->next)
		life_apply(l);
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
	struct stun_listener listener = { on_resolved, on_kept, NULL };
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
	listener.ctx = b;
	stun_listen(stun, &listener);
	*ret = b;
	return 0;
}

struct behaviors *
behaviors_free(struct behaviors *b)
{
	if (!b)
		return NULL;
	engine_unobserve(b->engine, &b->engine_observer);
	stun_listen(b->stun, NULL);
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
