/*
 * router_choose.c - what a lease asks next: of which service, with which numbers, when.
 *
 * Each lease remembers per service before when it must not ask again.  A refusal, a
 * silence and the router's own wish are then one thing, and a round that failed comes
 * back when the first of its services may be asked again.
 */
#include "proto/router_private.h"

#define PORT_FIRST 20000
#define PORT_COUNT 40000
#define RETRY_BASE_MS (INT64_C(5) * MSEC_PER_SEC)
#define RETRY_CAP_MS (INT64_C(300) * MSEC_PER_SEC)
#define RETRY_SLOW_MS (INT64_C(300) * MSEC_PER_SEC)
#define RETRY_HOURLY_MS (INT64_C(3600) * MSEC_PER_SEC)

/* ---- services ---- */

enum router_service
method_service(enum method m)
{
	static const enum router_service services[METHOD_MAX] = {
		[METHOD_PCP] = ROUTER_PCP,
		[METHOD_IGD2] = ROUTER_IGD,
		[METHOD_NAT_PMP] = ROUTER_NAT_PMP,
		[METHOD_IGD1] = ROUTER_IGD,
		[METHOD_IGD_PINHOLE] = ROUTER_PINHOLE,
		[METHOD_DIRECT] = ROUTER_SERVICES,
	};

	return services[m];
}

/* The service could be asked for this method, whatever it said before. */
static bool
may_ask(const struct lease *l, enum method m)
{
	const struct router *r = l->router;
	enum router_service s = method_service(m);

	if (s == ROUTER_SERVICES ||
	    !(l->want.methods & r->settings.methods & METHOD_BIT(m)) ||
	    !service_usable(r, s) || service_method(r, s) != m)
		return false;
	/* The one that is silent now is being asked all the time. */
	if (l->overdue && l->service == s)
		return false;
	/* NAT-PMP has no way to ask for another host (RFC 6886 section 3.3). */
	return s != ROUTER_NAT_PMP || addr_equal(&l->want.internal, &r->settings.local);
}

enum router_service
choose_service(const struct lease *l, msec_t now)
{
	for (unsigned i = 0; i < l->want.order_count; i++) {
		enum method m = l->want.order[i];

		if (may_ask(l, m) && l->again[method_service(m)] <= now)
			return method_service(m);
	}
	return ROUTER_SERVICES;
}

bool
choose_better(const struct lease *l)
{
	for (unsigned i = 0; i < l->want.order_count; i++) {
		enum method m = l->want.order[i];

		if (method_service(m) == l->service)
			break;
		/* One that refused this lease before is not worth a gap. */
		if (may_ask(l, m) && l->again[method_service(m)] == 0)
			return true;
	}
	return false;
}

msec_t
choose_again_at(const struct lease *l)
{
	msec_t at = MSEC_NEVER;

	for (unsigned i = 0; i < l->want.order_count; i++)
		if (may_ask(l, l->want.order[i]))
			at = MIN(at, l->again[method_service(l->want.order[i])]);
	return at;
}

msec_t
choose_look_at(const struct lease *l)
{
	msec_t at = MSEC_NEVER;

	for (enum method m = 0; m < METHOD_MAX; m++)
		if (method_service(m) != ROUTER_SERVICES &&
		    l->want.methods & METHOD_BIT(m))
			at = MIN(at, l->router->service[method_service(m)].again_at);
	return at;
}

bool
choose_may_turn_up(const struct lease *l)
{
	for (enum method m = 0; m < METHOD_MAX; m++) {
		enum router_service s = method_service(m);

		if (s != ROUTER_SERVICES && l->want.methods & METHOD_BIT(m) &&
		    l->router->service[s].state == SERVICE_PROBING)
			return true;
	}
	return false;
}

/* Nobody translates, and nobody who could be asked said no. */
bool
choose_direct(const struct lease *l, msec_t now)
{
	for (enum router_service s = 0; s < ROUTER_SERVICES; s++)
		if (l->again[s] > now)
			return false;
	if (l->want.internal.family == ADDR_IPV6 && l->router->igd.forbids_pinholes)
		return false;
	return l->want.methods & METHOD_BIT(METHOD_DIRECT) &&
	       addr_is_global(&l->want.internal);
}

/* ---- numbers ---- */

/* The n-th number to suggest: the same ones after a restart that lost all state. */
static uint16_t
suggested_port(const struct lease *l, unsigned n)
{
	struct rng rng = { .state = l->want.port_seed + n };

	return (uint16_t)(PORT_FIRST + rng_below(&rng, PORT_COUNT));
}

/* Quirk 29, and error 724: outside is the same number as inside. */
static bool
same_port(const struct lease *l)
{
	return l->service == ROUTER_IGD && l->router->habits.same_port;
}

/* Quirk 49: another lease of this host has the number, or asks for it; many routers
 * would let this one take it away.  Without a NAT it matters only where the number
 * inside is ours to choose. */
bool
choose_is_siblings(const struct lease *l)
{
	bool ipv4 = l->want.internal.family == ADDR_IPV4;

	if (!ipv4 && l->want.internal_port)
		return false;
	for (const struct lease *o = l->router->leases; o; o = o->next) {
		bool stays = o->phase == LEASE_HELD || o->phase == LEASE_ASKING;
		uint16_t port = o->is_held ? o->held.external_port : o->external_port;

		if (o != l && stays && !o->direct && port == l->external_port &&
		    o->want.transports & l->want.transports &&
		    (ipv4 || addr_equal(&o->want.internal, &l->want.internal)))
			return true;
	}
	return false;
}

static void
first_ports(struct lease *l)
{
	if (l->held.external_port) {
		/* The same number again after a loss. */
		l->internal_port = l->held.internal_port;
		l->external_port = l->held.external_port;
		return;
	}
	l->external_port = l->want.external_port;
	l->internal_port = l->want.internal_port;
	if (!l->internal_port)
		l->internal_port = l->external_port;
	if (!l->internal_port)
		l->internal_port = suggested_port(l, 0);
	/* Quirk 35: some routers refuse a suggested port of 0. */
	if (!l->external_port || (same_port(l) && !l->want.prefer_failure))
		l->external_port = l->internal_port;
}

bool
choose_ports(struct lease *l)
{
	l->port_tries = 0;
	first_ports(l);
	return !choose_is_siblings(l) || choose_other_ports(l);
}

bool
choose_other_ports(struct lease *l)
{
	bool fixed = l->want.internal_port != 0;

	if (l->want.prefer_failure || l->port_tries >= PORT_TRIES_MAX)
		return false;
	if (fixed && same_port(l)) {
		/* The one number there is, is taken.  The next round finds out whether
		 * the router still insists on it. */
		l->router->habits.same_port = false;
		return false;
	}
	while (l->port_tries < PORT_TRIES_MAX) {
		l->external_port = suggested_port(l, ++l->port_tries);
		if (!fixed)
			l->internal_port = l->external_port;
		if (!choose_is_siblings(l))
			return true;
	}
	return false;
}

/* ---- patience ---- */

msec_t
choose_rest(struct lease *l, enum remedy remedy)
{
	/* 0: full jitter with back-off. */
	static const msec_t rest_ms[] = {
		[REMEDY_NONE] = 0,
		[REMEDY_RETRY] = 0,
		[REMEDY_RETRY_SLOW] = RETRY_SLOW_MS,
		[REMEDY_RETRY_HOURLY] = RETRY_HOURLY_MS,
		[REMEDY_WAIT_WAN] = 0,
		[REMEDY_OTHER_PORT] = RETRY_HOURLY_MS,
		[REMEDY_SAME_PORT] = RETRY_HOURLY_MS,
		[REMEDY_NEXT_LEASE] = RETRY_HOURLY_MS,
		[REMEDY_NEXT_METHOD] = RETRY_HOURLY_MS,
		[REMEDY_REDISCOVER] = 0,
		[REMEDY_GONE] = 0,
		[REMEDY_GIVE_UP] = RETRY_HOURLY_MS,
	};
	msec_t rest = rest_ms[remedy];

	if (rest)
		return rest;
	return MSEC_PER_SEC + retry_backoff(l->attempt++, RETRY_BASE_MS, RETRY_CAP_MS,
				  &l->router->rng);
}
