/*
 * holding.c - leases of mappings on gateways, and tombstones of what is left behind.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/engine_private.h"
#include "daemon/random.h"
#include "daemon/report.h"

void
identity_of(const struct gateway *g, struct gateway_identity *ret)
{
	const struct netmon_uplink *u = gateway_uplink(g);

	*ret = (struct gateway_identity) {
		.gateway = gateway_addr(&u->gateway, u->ifindex),
		.local = *gateway_local(g),
		.mac_len = u->mac_len,
	};
	memcpy(ret->ifname, u->name, sizeof(ret->ifname));
	memcpy(ret->mac, u->mac, sizeof(ret->mac));
}

bool
identity_matches(const struct gateway_identity *a, const struct gateway_identity *b)
{
	struct addr x = a->gateway, y = b->gateway;

	/* Interface indexes change over a restart; names stay. */
	x.scope = y.scope = 0;
	if (strcmp(a->ifname, b->ifname) != 0 || !addr_equal(&x, &y) ||
	    !addr_equal(&a->local, &b->local))
		return false;
	return a->mac_len == 0 || b->mac_len == 0 ||
	       (a->mac_len == b->mac_len && memcmp(a->mac, b->mac, a->mac_len) == 0);
}

/* ---- what to ask ---- */

static const struct conf_methods *
methods_on(const struct engine *e, const struct gateway *g)
{
	const struct conf_uplink *named =
	    conf_find_uplink(e->conf, gateway_uplink(g)->name);

	return named ? &named->methods : &e->conf->methods;
}

static void
methods_of(const struct engine *e, const struct mapping *m, const struct gateway *g,
    struct lease_want *ret)
{
	const struct conf_methods *methods = methods_on(e, g);
	const enum method *list = methods->list;
	unsigned count = methods->count;

	if (m->context.methods_count) {
		list = m->context.methods;
		count = m->context.methods_count;
	}
	ret->methods = 0;
	ret->order_count = 0;
	for (unsigned i = 0; i < count && ret->order_count < METHOD_MAX; i++) {
		ret->methods |= METHOD_BIT(list[i]);
		ret->order[ret->order_count++] = list[i];
	}
}

bool
holding_may_use(const struct engine *e, const struct mapping *m,
    const struct gateway *g, enum method method)
{
	struct lease_want want;

	methods_of(e, m, g, &want);
	return want.methods & conf_methods_mask(methods_on(e, g)) & METHOD_BIT(method);
}

/* Routers take short ASCII without XML's specials (quirk 17). */
static void
description_of(const struct mapping *m, char *ret, size_t size)
{
	const char *text = m->context.description[0] ? m->context.description : "natd";
	size_t n = 0;

	for (; *text && n + 1 < MIN(size, 33); text++) {
		unsigned char c = (unsigned char)*text;

		ret[n++] = c < 0x20 || c > 0x7e || strchr("<>&\"'", c) ? '_' : (char)c;
	}
	ret[n] = '\0';
}

/* The same numbers are suggested after a restart, and others for each of several
 * mappings that leave the number to the router. */
static uint64_t
port_seed_of(const struct engine *e, const struct mapping *m)
{
	uint64_t earlier = 0;

	if (!m->context.router_chooses)
		return random_derived(m->uid, m->context.internal_port);
	for (const struct mapping *i = e->mappings; i && i != m; i = i->next)
		earlier += i->uid == m->uid && i->context.router_chooses;
	return random_derived(m->uid, earlier << 16);
}

void
want_of(const struct engine *e, const struct mapping *m, const struct gateway *g,
    struct lease_want *ret)
{
	const struct mapping_context *c = &m->context;
	const struct netmon_uplink *u = gateway_uplink(g);
	const struct conf_uplink *named = conf_find_uplink(e->conf, u->name);
	uint32_t lease_s = named ? named->lease_s : e->conf->lease_s;

	*ret = (struct lease_want) {
		.transports = c->transports,
		.internal = c->internal.family == ADDR_NONE
				? gateway_addr(&u->source, u->ifindex)
				: c->internal,
		.internal_port = c->router_chooses ? 0 : c->internal_port,
		.external_port = c->external_port,
		.prefer_failure = c->prefer_failure,
		/* A short wish is kept; a long one is held by renewing. */
		.lifetime_s = c->lifetime_s ? MIN(c->lifetime_s, lease_s) : lease_s,
		.port_seed = port_seed_of(e, m),
	};
	memcpy(ret->nonce, m->nonce, sizeof(ret->nonce));
	methods_of(e, m, g, ret);
	description_of(m, ret->description, sizeof(ret->description));
}

/* ---- holdings ---- */

struct holding *
holding_new(struct engine *e)
{
	struct holding *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	h->engine = e;
	h->next = e->holdings;
	e->holdings = h;
	return h;
}

void
holding_free(struct holding *h)
{
	for (struct holding **at = &h->engine->holdings; *at; at = &(*at)->next)
		if (*at == h) {
			*at = h->next;
			break;
		}
	free(h);
}

void
holding_free_all(struct engine *e)
{
	while (e->holdings)
		holding_free(e->holdings);
}

static struct holding *
holding_of(struct engine *e, const struct mapping *m)
{
	for (struct holding *h = e->holdings; h; h = h->next)
		if (h->mapping == m && !h->outer && !h->bid)
			return h;
	return NULL;
}

/* Another router, another address of ours, or too late: the same number if it is free.
 */
static void
want_again(const struct mapping *m, struct holding *h)
{
	struct gateway_identity moved = m->last_on;

	if (!h->want.external_port)
		h->want.external_port = m->last.external_port;
	moved.local = h->on.local;
	if (m->context.internal.family == ADDR_NONE &&
	    identity_matches(&moved, &h->on) &&
	    h->want.external_port == m->last.external_port) {
		h->want.former = m->last_on.local;
		h->want.former_ends = m->last.expires_at;
	}
}

int
holding_take(struct engine *e, struct mapping *m, struct gateway *g, msec_t now)
{
	struct holding *h = holding_new(e);
	const struct lease_held *adopt = NULL;

	if (!h)
		return -ENOMEM;
	h->mapping = m;
	h->gateway = g;
	m->asked_at = now;
	identity_of(g, &h->on);
	want_of(e, m, g, &h->want);
	/* By a method that was configured away meanwhile nothing can be renewed. */
	if (m->was_held && identity_matches(&m->last_on, &h->on) &&
	    m->last.expires_at > now && holding_may_use(e, m, g, m->last.method))
		adopt = &m->last;
	else if (m->was_held)
		want_again(m, h);
	if (adopt)
		h->held = *adopt;
	h->lease = lease_new(gateway_router(g), &h->want, adopt, h, now);
	if (!h->lease) {
		holding_free(h);
		return -ENOMEM;
	}
	m->gateway = g;
	m->lease = h->lease;
	m->proof.reachability = REACHABILITY_UNKNOWN;
	gateway_kick(g);
	return 0;
}

void
holding_release(struct engine *e, struct mapping *m, msec_t now)
{
	struct holding *h = holding_of(e, m);

	bid_end(m, now);
	if (h) {
		h->mapping = NULL;
		lease_release(h->lease, now);
		gateway_kick(h->gateway);
	}
	m->lease = NULL;
	m->gateway = NULL;
	carrier_release(e, m, now);
}

static void
entomb(struct holding *h)
{
	h->mapping = NULL;
	h->gateway = NULL;
	h->lease = NULL;
}

/* Without a word to the router: what it holds becomes a tombstone. */
static void
abandon(struct holding *h)
{
	struct mapping *m = h->mapping;
	struct lease_status st;

	lease_status(h->lease, &st);
	lease_forget(h->lease);
	if (m && h->outer) {
		carrier_detach(m);
	} else if (m && h->bid) {
		m->bid = NULL;
	} else if (m) {
		m->lease = NULL;
		m->gateway = NULL;
		m->abandoned = true;
	}
	/* A mapping that is still wanted remembers what it held by itself, until it is
	 * taken elsewhere. */
	if (st.is_held)
		h->held = st.held;
	if (h->held.external_port && h->held.method != METHOD_DIRECT)
		entomb(h);
	else
		holding_free(h);
}

/* When the router is back, what it did not confirm is tried again. */
static void
unbury(struct engine *e, const struct gateway *g)
{
	struct gateway_identity on;

	identity_of(g, &on);
	for (struct holding *h = e->holdings; h; h = h->next)
		if (identity_matches(&h->on, &on))
			holding_unbury(h);
}

void
holding_abandon(struct engine *e, struct gateway *g)
{
	unbury(e, g);
	for (struct holding *h = e->holdings, *next; h; h = next) {
		next = h->next;
		if (h->gateway == g)
			abandon(h);
	}
}

void
holding_retire(struct engine *e, struct gateway *g, msec_t now)
{
	unbury(e, g);
	for (struct holding *h = e->holdings, *next; h; h = next) {
		next = h->next;
		if (h->gateway != g || !h->mapping)
			continue;
		if (reconcile_choose(e, h->mapping))
			holding_release(e, h->mapping, now);
		else
			abandon(h);
	}
}

bool
holding_any_releasing(const struct engine *e)
{
	for (const struct holding *h = e->holdings; h; h = h->next)
		if (h->lease && (!h->mapping || h->mapping->releasing))
			return true;
	return false;
}

/* ---- what gateways report ---- */

static void
count_change(struct engine *e, const struct lease_status *st, unsigned renewals_before,
    bool was_held)
{
	struct engine_counters *c = &e->counters;

	if (st->state == MAPPING_ACTIVE && !was_held)
		c->requests[st->held.method]++;
	else if (st->state == MAPPING_ACTIVE && st->renewals > renewals_before)
		c->renewals[st->held.method]++;
	else if (st->state == MAPPING_FAILED)
		c->failures[st->problem.method][problem_code(&st->problem)]++;
	else if (st->state == MAPPING_DEGRADED)
		c->renewal_failures[st->problem.method]++;
}

void
holding_tell(struct engine *e, struct mapping *m)
{
	struct lease_status st;

	mapping_status(m, &st);
	count_change(e, &st, m->told_renewals, m->told_held);
	m->told_renewals = st.renewals;
	m->told_held = st.is_held;
	if (st.is_held && m->created_realtime_us == 0) {
		m->created_realtime_us = loop_realtime_usec();
		m->created_boottime_us = loop_boottime_usec();
	}
	report_mapping(m, &st);
	engine_tell(e, ENGINE_MAPPING_CHANGED, m, NULL);
	reconcile_state(e);
}

/* To be found again by the next start. */
static void
remember(struct holding *h, struct mapping *m, const struct lease_held *held)
{
	bool answer = h->held.guess;
	bool outer_news = answer || h->held.external_port != held->external_port;
	bool news = answer || m->last.method != held->method ||
		    m->last.external_port != held->external_port;

	if (answer)
		holding_forget_guesses(h->engine, h->want.nonce, &h->on);
	h->held = *held;
	if (h->outer) {
		m->outer_port = held->external_port;
		if (outer_news)
			persist_holding(h->engine, h);
	} else {
		m->was_held = true;
		m->before.known &= m->bid != NULL;
		m->last = *held;
		identity_of(h->gateway, &m->last_on);
		persist_learn(h->engine, h->gateway);
		/* Before anybody is told.  Never one save per answer: a SIGKILL does
		 * not lose what is noted, and after a power cut the wish and its nonce
		 * are there, with which the router gives the same again. */
		m->unnoted |= news;
		persist_notes(h->engine);
	}
	persist_later(h->engine);
}

/* Noted before it is sent: from then on the router may have it. */
static void
lease_asks(void *owner, void *ctx)
{
	struct holding *h = owner;
	struct lease_held ask;
	bool same;

	if (!h->mapping)
		return;
	lease_asking(h->lease, loop_now(), &ask);
	same = h->held.method == ask.method &&
	       h->held.internal_port == ask.internal_port &&
	       h->held.external_port == ask.external_port &&
	       h->held.expires_at > loop_now();
	/* A pinhole that is made anew has another id. */
	if (same && (h->held.guess || ask.method != METHOD_IGD_PINHOLE))
		return;
	h->held = ask;
	persist_holding(ctx, h);
}

static void
lease_changed(void *owner, void *ctx)
{
	struct holding *h = owner;
	struct engine *e = ctx;
	struct mapping *m = h->mapping;
	struct lease_status st;

	if (!m) {
		engine_wake(e); /* who waits for it may do so no longer */
		return;
	}
	if (h->bid && !bid_won(h))
		return;
	lease_status(h->lease, &st);
	if (st.is_held)
		remember(h, m, &st.held);
	/* Before it is told: what the router holds may be half of the way only. */
	if (h->outer)
		m->awaited &= !st.verdict;
	else
		(void)carrier_follow(e, m, loop_now());
	/* That it is being released was told; the next news is that it is removed. */
	if (!m->releasing)
		holding_tell(e, m);
	if (m->outer || e->leaving_count > 0)
		engine_wake(e);
}

static void
lease_gone(void *owner, const struct router_action *action, void *ctx)
{
	struct holding *h = owner;
	struct engine *e = ctx;
	struct mapping *m = h->mapping;
	bool left;

	if (m && h->outer) {
		carrier_detach(m);
	} else if (m) {
		m->lease = NULL;
		m->gateway = NULL;
	}
	h->mapping = NULL;
	h->lease = NULL;
	h->gateway = NULL;
	/* Unconfirmed: tried again later, when the router comes back, or natd does; but
	 * of what was never granted a router that answers says the same each time. */
	left = !action->confirmed && (!h->held.guess || action->unheard);
	if (left && h->held.method != METHOD_DIRECT && h->held.external_port != 0)
		holding_bury(h, loop_now());
	else
		holding_free(h);
	persist_later(e);
	engine_wake(e);
}

/* What routers say that are no uplinks is no news of this host. */
static bool
is_uplink(const struct engine *e, const struct gateway *g)
{
	for (size_t i = 0; i < e->gateways_count; i++)
		if (e->gateways[i] == g)
			return true;
	return false;
}

static void
services_changed(struct gateway *g, void *ctx)
{
	if (is_uplink(ctx, g))
		engine_tell(ctx, ENGINE_GATEWAY_CHANGED, NULL, g);
}

static void
external_changed(struct gateway *g, void *ctx)
{
	struct engine *e = ctx;
	const struct addr *external = router_external(gateway_router(g));

	if (!is_uplink(e, g))
		return;
	if (gateway_external_moved(g))
		e->counters.external_changes[external->family == ADDR_IPV6]++;
	report_external(g, external);
	engine_tell(e, ENGINE_EXTERNAL_CHANGED, NULL, g);
	engine_tell(e, ENGINE_GATEWAY_CHANGED, NULL, g);
}

static void
restarted(struct gateway *g, void *ctx)
{
	struct engine *e = ctx;

	if (!is_uplink(e, g))
		return;
	e->counters.gateway_restarts++;
	report_restarted(g);
	engine_tell(e, ENGINE_GATEWAY_CHANGED, NULL, g);
}

static void
events_ended(struct gateway *g, void *ctx)
{
	(void)g;
	engine_wake(ctx);
}

const struct gateway_hooks holding_hooks = {
	.lease_asks = lease_asks,
	.lease_changed = lease_changed,
	.lease_gone = lease_gone,
	.services_changed = services_changed,
	.external_changed = external_changed,
	.restarted = restarted,
	.events_ended = events_ended,
};
