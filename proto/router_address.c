/*
 * router_address.c - the address outside: the router's own, and the one of each lease.
 *
 * NAT-PMP and UPnP know one address, the router's: all that they hold has it.  PCP
 * tells one with each mapping (RFC 6887 section 11.4), and a server with several may
 * give two leases two of them, although one for all is what it should try for (RFC
 * 4787, REQ-2). So each lease of PCP has the address of its own grant.
 *
 * That another one was told is either that, or all of them changed.  A lease whose own
 * address was replaced shows a change: who had the same has the new one at once, since
 * most servers have only one.  A lease that is new shows nothing yet.  Either way one
 * other is asked, whose answer settles it: it takes back what was wrong.
 */
#include "proto/router_private.h"

static bool
has_own(const struct lease *l)
{
	return !l->direct && l->service == ROUTER_PCP &&
	       l->want.internal.family != ADDR_IPV6;
}

const struct addr *
lease_external(const struct lease *l)
{
	const struct router *r = l->router;

	/* IPv6 is not translated: the address outside is the one inside. */
	if (l->want.internal.family == ADDR_IPV6)
		return &l->want.internal;
	/* PCP said none, but another one may know it. */
	if (has_own(l) &&
	    (l->external.family != ADDR_NONE || r->external_source == METHOD_PCP))
		return &l->external;
	return &r->external;
}

static void
show_all(struct router *r)
{
	for (struct lease *l = r->leases; l; l = l->next) {
		const struct addr *external = lease_external(l);

		if (!l->is_held || l->direct || addr_equal(&l->held.external, external))
			continue;
		l->held.external = *external;
		l->changed = true;
	}
}

static void
set_routers(struct router *r, const struct addr *external, enum method source)
{
	r->external_changed |= !addr_equal(&r->external, external);
	r->external = *external;
	r->external_source = source;
}

/* 0.0.0.0 and :: mean that there is none (quirk 33). */
static struct addr
meant(const struct addr *said)
{
	return addr_is_unspecified(said) ? (struct addr) { .family = ADDR_NONE }
					 : *said;
}

struct lease *
address_witness(
    struct router *r, const struct lease *but, const struct addr *external, msec_t now)
{
	struct lease *due = NULL;

	for (struct lease *l = r->leases; l; l = l->next)
		if (l != but && l->is_held && has_own(l) && l->op == OP_NONE &&
		    l->again[ROUTER_PCP] <= now &&
		    (!external || addr_equal(&l->held.external, external)) &&
		    (!due || l->at < due->at))
			due = l;
	return due;
}

/* Ask one that has this address, so that its grant tells whether it still has it. */
static void
ask_other(
    struct router *r, const struct lease *but, const struct addr *external, msec_t now)
{
	struct lease *l = address_witness(r, but, external, now);
	msec_t at;

	if (!l)
		return;
	at = MAX(MAX(now, r->witness_next_at), l->seen_at + RENEW_MIN_MS);
	if (l->at <= at)
		return;
	l->at = at;
	l->quiet = true;
	r->witness_next_at = at + RENEW_MIN_MS;
}

/* Who has the address was, and with only: was granted this one, has that one now. */
static bool
follow(struct router *r, const struct lease *but, const struct addr *was,
    const struct addr *only, const struct addr *now_has)
{
	bool any = false;

	for (struct lease *l = r->leases; l; l = l->next) {
		if (l == but || !addr_equal(&l->external, was) ||
		    (only && !addr_equal(&l->granted, only)))
			continue;
		l->external = *now_has;
		any = true;
	}
	return any;
}

void
router_set_external(
    struct router *r, const struct addr *said, enum method source, msec_t now)
{
	const struct addr was = r->external, external = meant(said);
	bool any = false;

	set_routers(r, &external, source);
	if (!addr_equal(&was, &external))
		any = follow(r, NULL, &was, NULL, &external);
	show_all(r);
	if (any)
		ask_other(r, NULL, &external, now);
}

/* Somebody else than this lease goes by the address that the router is said to have. */
static bool
is_vouched_for(const struct router *r, const struct lease *but)
{
	if (r->external_source != METHOD_PCP &&
	    service_usable(r, method_service(r->external_source)))
		return true;
	if (r->external.family == ADDR_NONE)
		return false;
	for (const struct lease *l = r->leases; l; l = l->next)
		if (l != but && l->is_held && !l->direct &&
		    addr_equal(&l->held.external, &r->external))
			return true;
	return false;
}

/* Whether the router still has the address that it is said to have. */
static void
ask_router(struct router *r, const struct lease *but, msec_t now)
{
	enum router_service s = method_service(r->external_source);

	if (s == ROUTER_PCP || !service_usable(r, s))
		ask_other(r, but, &r->external, now);
	else if (s == ROUTER_NAT_PMP)
		pxp_probe(r, s, now);
	else
		igd_poll(r);
}

void
address_granted(struct lease *l, const struct addr *said, msec_t now)
{
	struct router *r = l->router;
	const struct addr external = meant(said);
	const struct addr was = l->is_held ? l->external : r->external;
	bool replaced = l->is_held && addr_equal(&l->granted, &was);

	l->granted = l->external = external;
	if (!addr_equal(&was, &external))
		follow(r, l, &was, replaced ? NULL : &external, &external);
	if ((replaced && addr_equal(&r->external, &was)) || !is_vouched_for(r, l))
		set_routers(r, &external, METHOD_PCP);
	show_all(r);
	if (addr_equal(&was, &external))
		return;
	if (replaced)
		ask_other(r, l, &external, now);
	else if (l->is_held)
		ask_other(r, l, &was, now);
	else
		ask_router(r, l, now);
}

const struct addr *
router_external(const struct router *r)
{
	return &r->external;
}

enum method
router_external_source(const struct router *r)
{
	return r->external_source;
}
