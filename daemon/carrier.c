/*
 * carrier.c - PCP servers of the carrier, behind the uplink's own router (RFC 7723).
 *
 * A mapping needs one in two cases.  Behind: the router holds it, but the router's
 * external address is itself translated.  Then the number it has there is mapped once
 * more, at the carrier's server, and both together lead from the Internet to this host.
 * Directly: the router offers nothing, because it only routes to the carrier's NAT.
 *
 * A server compares the client address in the request with the source it sees (RFC 6887
 * section 8.1, ADDRESS_MISMATCH), to find a NAT that the client does not know of.  The
 * one behind which natd is in the first case it does know: it asked it for its address,
 * and says that one.  The server maps to that very address, as it would for a client
 * on the router itself, so that nobody gets a mapping to anything but his own line.
 * Where the router told a wrong address, or a third NAT is in between, the answer is
 * ADDRESS_MISMATCH and nothing is mapped.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/engine_private.h"
#include "daemon/log.h"
#include "daemon/random.h"

/* The router goes first: it answers in less than that, or most likely not at all. */
#define GRACE_MS 500
/* How long an application's first answer waits for the carrier's. */
#define PATIENCE_MS 500
/* A carrier's server is looked at less often than one's own router. */
#define PROBE_MIN_S 300

/* What a mapping needs there. */
struct plan {
	bool behind;
	bool map; /* false: look whether a server is there */
	struct gateway *carrier;
	struct addr client;
	uint16_t internal_port;
};

/* ---- servers ---- */

static void
services_changed(struct gateway *g, void *ctx)
{
	(void)g;
	engine_wake(ctx);
}

static void
external_changed(struct gateway *g, void *ctx)
{
	const struct addr *external = router_external(gateway_router(g));
	char text[ADDR_TEXT_MAX];

	(void)ctx;
	log_info("the carrier's PCP server %s: external address %s", gateway_name(g),
	    addr_format(external, text));
}

static void
restarted(struct gateway *g, void *ctx)
{
	struct engine *e = ctx;

	e->counters.gateway_restarts++;
	log_notice("the carrier's PCP server %s restarted; mappings are asked again",
	    gateway_name(g));
}

static struct carrier *
carrier_new(struct engine *e, struct gateway *inner, const struct addr *server,
    const struct addr *client)
{
	const struct router_settings settings = {
		.gateway = *server,
		.local = *client,
		.seed = random_u64(),
		.methods = METHOD_BIT(METHOD_PCP),
		.probe_ms = MAX(e->conf->probe_s, PROBE_MIN_S) * MSEC_PER_SEC,
	};
	struct netmon_uplink uplink = *gateway_uplink(inner);
	struct gateway_hooks hooks = holding_hooks;
	struct carrier *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	uplink.gateway = gateway_ip(server);
	uplink.mac_len = 0;
	hooks.services_changed = services_changed;
	hooks.external_changed = external_changed;
	hooks.restarted = restarted;
	hooks.ctx = e;
	if (gateway_new(e->loop, &uplink, &settings, &hooks, &c->gateway) < 0) {
		free(c);
		return NULL;
	}
	engine_trace_gateway(e, c->gateway);
	c->inner = inner;
	c->next = e->carriers;
	e->carriers = c;
	return c;
}

/* The server as it is asked through this uplink for that client; NULL: no memory. */
static struct carrier *
get_carrier(struct engine *e, struct gateway *inner, const struct addr *server,
    const struct addr *client)
{
	struct carrier *c = e->carriers;
	struct gateway_identity on;

	for (; c; c = c->next) {
		identity_of(c->gateway, &on);
		if (c->inner == inner && addr_equal(&on.gateway, server) &&
		    addr_equal(&on.local, client))
			break;
	}
	if (!c)
		c = carrier_new(e, inner, server, client);
	if (c)
		c->used = true;
	else
		e->no_memory = true;
	return c;
}

static enum service_state
state_of(const struct gateway *carrier)
{
	struct service_status st;

	router_service_status(gateway_router(carrier), ROUTER_PCP, &st);
	return st.state;
}

/* The first configured server of the family that is not known to be absent; if all are,
 * the first.  NULL: none is configured. */
static struct gateway *
choose_server(struct engine *e, struct gateway *inner, const struct addr *client)
{
	struct gateway *first = NULL;

	for (unsigned i = 0; i < e->conf->pcp_servers.count; i++) {
		const struct addr *server = &e->conf->pcp_servers.list[i];
		struct carrier *c;

		if (server->family != client->family)
			continue;
		c = get_carrier(e, inner, server, client);
		if (!c)
			break;
		if (state_of(c->gateway) != SERVICE_ABSENT)
			return c->gateway;
		if (!first)
			first = c->gateway;
	}
	return first;
}

void
carrier_begin(struct engine *e)
{
	for (struct carrier *c = e->carriers; c; c = c->next)
		c->used = false;
}

static struct carrier *
carrier_free(struct carrier *c)
{
	gateway_free(c->gateway);
	free(c);
	return NULL;
}

bool
carrier_is_server(const struct engine *e, const struct addr *a)
{
	for (unsigned i = 0; i < e->conf->pcp_servers.count; i++)
		if (addr_equal(a, &e->conf->pcp_servers.list[i]))
			return true;
	return false;
}

/* Asked through this router, from the address it has now, or may have. */
static bool
is_behind(const struct holding *h, const struct gateway *g)
{
	const struct addr *external = router_external(gateway_router(g));

	return strcmp(h->on.ifname, gateway_uplink(g)->name) == 0 &&
	       (external->family == ADDR_NONE || addr_equal(&h->on.local, external) ||
		   addr_equal(&h->on.local, gateway_local(g)));
}

/* A server that still has something of an earlier life of natd. */
static void
find_left_behind(struct engine *e, msec_t now)
{
	for (const struct holding *h = e->holdings; h; h = h->next) {
		if (h->gateway || h->again_at > now ||
		    !carrier_is_server(e, &h->on.gateway))
			continue;
		for (size_t i = 0; i < e->gateways_count; i++)
			if (is_behind(h, e->gateways[i]))
				get_carrier(
				    e, e->gateways[i], &h->on.gateway, &h->on.local);
	}
}

void
carrier_end(struct engine *e, msec_t now)
{
	if (!e->stopping)
		find_left_behind(e, now);
	for (struct carrier *c = e->carriers; c; c = c->next)
		holding_clean(e, c->gateway, GATEWAY_CARRIER, now);
	for (struct carrier **at = &e->carriers; *at;) {
		struct carrier *c = *at;

		if (c->used || router_leases(gateway_router(c->gateway)) > 0) {
			at = &c->next;
			continue;
		}
		*at = c->next;
		carrier_free(c);
	}
}

void
carrier_abandon(struct engine *e, const struct gateway *inner)
{
	for (struct carrier **at = &e->carriers; *at;) {
		struct carrier *c = *at;

		if (c->inner != inner) {
			at = &c->next;
			continue;
		}
		holding_abandon(e, c->gateway);
		*at = c->next;
		carrier_free(c);
	}
}

void
carrier_free_all(struct engine *e)
{
	for (struct carrier *c = e->carriers, *next; c; c = next) {
		next = c->next;
		carrier_free(c);
	}
	e->carriers = NULL;
}

/* ---- what is held there ---- */

void
carrier_detach(struct mapping *m)
{
	m->outer = NULL;
	m->carrier = NULL;
	m->awaited = false;
}

/* What an earlier life of natd held there for the same endpoint. */
static struct holding *
find_tombstone(struct engine *e, const struct holding *like)
{
	for (struct holding *h = e->holdings; h; h = h->next)
		if (!h->gateway && identity_matches(&h->on, &like->on) &&
		    memcmp(h->want.nonce, like->want.nonce, PCP_NONCE_LEN) == 0 &&
		    h->want.transports == like->want.transports &&
		    h->want.internal_port == like->want.internal_port)
			return h;
	return NULL;
}

static int
hold(struct engine *e, struct mapping *m, struct gateway *g,
    const struct lease_want *want, msec_t now)
{
	struct holding *h = holding_new(e), *before;

	if (!h)
		return -ENOMEM;
	h->outer = true;
	h->gateway = g;
	h->want = *want;
	identity_of(g, &h->on);
	before = find_tombstone(e, h);
	if (before)
		h->held = before->held;
	h->lease = lease_new(gateway_router(g), want,
	    before && !before->held.guess ? &before->held : NULL, h, now);
	if (!h->lease) {
		holding_free(h);
		return -ENOMEM;
	}
	if (before)
		holding_free(before);
	h->mapping = m;
	m->outer = h->lease;
	m->carrier = g;
	gateway_kick(g);
	return 0;
}

void
carrier_renew(struct mapping *m)
{
	if (!m->outer)
		return;
	lease_renew(m->outer, loop_now());
	gateway_kick(m->carrier);
}

void
carrier_release(struct engine *e, struct mapping *m, msec_t now)
{
	struct holding *h = m->outer ? lease_owner(m->outer) : NULL;

	if (!h)
		return;
	h->mapping = NULL;
	lease_release(h->lease, now);
	gateway_kick(h->gateway);
	carrier_detach(m);
	persist_later(e);
}

/* ---- what a mapping needs ---- */

static bool
is_translated(const struct lease_held *held)
{
	return held->method != METHOD_DIRECT && held->external.family == ADDR_IPV4 &&
	       !addr_is_global(&held->external);
}

/* True: *ret is what it needs.  *again: when to look again.  Asked of each mapping in
 * each turn, so that it has to be cheap. */
static bool
make_plan(struct engine *e, const struct mapping *m, const struct lease_status *st,
    msec_t now, struct plan *ret, msec_t *again)
{
	const struct lease_want *want = lease_wanted(m->lease);
	const struct addr *local = gateway_local(m->gateway);
	struct plan p = { .behind = st->is_held };

	if (!(want->methods & METHOD_BIT(METHOD_PCP)))
		return false;
	if (st->is_held) {
		if (!is_translated(&st->held))
			return false;
		p.client = st->held.external;
		p.internal_port = st->held.external_port;
		p.map = true;
	} else {
		if ((local->family == ADDR_IPV4 && addr_is_global(local)) ||
		    !addr_equal(&want->internal, local))
			return false;
		if (now < m->asked_at + GRACE_MS) {
			*again = m->asked_at + GRACE_MS;
			return false;
		}
		p.client = *local;
		p.internal_port = want->internal_port;
		p.map = st->verdict && st->problem.present &&
			strcmp(st->problem.name, "NO_SERVICE") == 0;
	}
	p.carrier = choose_server(e, m->gateway, &p.client);
	*ret = p;
	return p.carrier != NULL;
}

/* Held, or asked for, as it is needed now.  Another wish of the program's has let it go
 * together with what the router held. */
static bool
fits(const struct mapping *m, const struct plan *p)
{
	return p->map && m->behind == p->behind && m->carrier == p->carrier &&
	       lease_wanted(m->outer)->internal_port == p->internal_port;
}

static void
take(struct engine *e, struct mapping *m, const struct plan *p, msec_t now)
{
	enum service_state state = state_of(p->carrier);
	struct lease_want want;

	want_of(e, m, m->gateway, &want);
	want.internal = p->client;
	want.internal_port = p->internal_port;
	want.methods = METHOD_BIT(METHOD_PCP);
	want.order[0] = METHOD_PCP;
	want.order_count = 1;
	if (!want.external_port)
		want.external_port = m->outer_port;
	if (holding_busy(e, &want, p->carrier))
		return;
	if (hold(e, m, p->carrier, &want, now) < 0) {
		e->no_memory = true;
		return;
	}
	m->behind = p->behind;
	/* Who has waited for the router in vain waits no longer for a mere chance. */
	m->awaited = p->behind ? state != SERVICE_ABSENT : state == SERVICE_AVAILABLE;
	m->awaited_until = now + PATIENCE_MS;
}

msec_t
carrier_follow(struct engine *e, struct mapping *m, msec_t now)
{
	msec_t again = MSEC_NEVER;
	struct plan plan = { 0 };
	struct lease_status st;
	bool needed;

	if (m->releasing || !m->lease) {
		carrier_release(e, m, now);
		return MSEC_NEVER;
	}
	if (e->stopping)
		return MSEC_NEVER;
	lease_status(m->lease, &st);
	/* The router lost it, or its address, for a moment: both will be the same. */
	if (m->outer && m->behind &&
	    (!st.is_held || st.held.external.family == ADDR_NONE))
		return MSEC_NEVER;
	needed = make_plan(e, m, &st, now, &plan, &again);
	if (m->outer && !(needed && fits(m, &plan)))
		carrier_release(e, m, now);
	if (!needed)
		return again;
	if (!m->outer && plan.map) {
		take(e, m, &plan, now);
	} else if (!m->outer && state_of(plan.carrier) == SERVICE_UNKNOWN) {
		router_discover(gateway_router(plan.carrier), now);
		gateway_kick(plan.carrier);
	}
	if (m->awaited && m->awaited_until <= now) {
		m->awaited = false;
		holding_tell(e, m);
	}
	return m->awaited ? m->awaited_until : again;
}
