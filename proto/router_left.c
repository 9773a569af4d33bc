/*
 * router_left.c - what an earlier life of natd held on the router, or asked it for.
 *
 * What was held has its number, or its id.  Of what was asked for without an answer
 * only the question is known.  PCP and NAT-PMP delete by what the question says: nonce,
 * protocol and internal port.  An IGD may have given another number than the one asked
 * (AddAnyPortMapping), which its table tells.  A pinhole asked for again is the same
 * one, with its id in the answer (WANIPv6FirewallControl:1, 2.5.3).
 */
#include "proto/router_private.h"

/* Entries that are looked at, at the pace of all SOAP and behind what is wanted. */
#define SEARCH_MAX 256

void
lease_adopt(struct lease *l, const struct lease_held *held, msec_t now)
{
	msec_t life = held->lifetime_s * MSEC_PER_SEC;

	l->held = *held;
	l->is_held = true;
	l->phase = LEASE_HELD;
	l->service = method_service(held->method);
	l->granted = l->external = held->external;
	for (enum transport t = 0; t < TRANSPORT_MAX; t++)
		if (l->want.transports & 1u << t)
			l->leg[t] = (struct leg) {
				.held = true,
				.unsure = true,
				.nameless = held->guess && l->service == ROUTER_PINHOLE,
				.internal_port = held->internal_port,
				.external_port = held->external_port,
				.lifetime_s = held->lifetime_s,
				.granted_at = life ? held->expires_at - life : now,
				.pinhole_id = held->pinhole_id[t],
			};
}

void
lease_asking(const struct lease *l, msec_t now, struct lease_held *ret)
{
	uint32_t lifetime_s =
	    pxp_is(l->service) ? l->want.lifetime_s : soap_lifetime(l);

	*ret = (struct lease_held) {
		.method = service_method(l->router, l->service),
		.external_port = l->external_port,
		.internal_port = l->internal_port,
		.lifetime_s = lifetime_s,
		.expires_at = lifetime_s ? now + lifetime_s * MSEC_PER_SEC : MSEC_NEVER,
		.guess = true,
	};
}

void
lease_begin_drop(struct lease *l, enum transport t)
{
	struct leg *leg = &l->leg[t];

	if (leg->nameless) {
		l->internal_port = l->external_port = leg->internal_port;
		*leg = (struct leg) { .held = false };
		l->id_asked |= 1u << t;
		lease_begin(l, OP_ASK, t);
	} else {
		bool ask_first = l->service == ROUTER_IGD &&
				 (leg->unsure || lease_perhaps_moved(l, t));

		lease_begin(l, ask_first ? OP_OWNER : OP_DELETE, t);
	}
}

bool
lease_searches(const struct lease *l)
{
	return l->op == OP_SEARCH;
}

bool
lease_begin_search(struct lease *l)
{
	if (l->phase != LEASE_RELEASING || !l->held.guess)
		return false;
	l->index = 0;
	l->changed = true;
	lease_begin(l, OP_SEARCH, l->leg_now);
	return true;
}

/* What is wanted now has it, or asks for it: the rule left behind became that one. */
static bool
is_anothers(const struct lease *l, uint16_t external_port)
{
	for (const struct lease *o = l->router->leases; o; o = o->next)
		if (o != l && o->phase != LEASE_RELEASING && o->service == ROUTER_IGD &&
		    o->want.transports & 1u << l->leg_now &&
		    (o->external_port == external_port ||
			o->leg[l->leg_now].external_port == external_port))
			return true;
	return false;
}

void
lease_found(struct lease *l, uint16_t external_port, msec_t now)
{
	if (is_anothers(l, external_port)) {
		lease_not_found(l, now);
		return;
	}
	l->leg[l->leg_now].external_port = external_port;
	lease_owned(l, now);
}

void
lease_not_found(struct lease *l, msec_t now)
{
	if (++l->index < SEARCH_MAX) {
		lease_begin(l, OP_SEARCH, l->leg_now);
		return;
	}
	/* It would not be found the next time, either. */
	l->confirmed = false;
	lease_not_owned(l, true, now);
}
