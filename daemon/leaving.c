/*
 * leaving.c - routers that are no uplinks, and have something of ours that is to go.
 *
 * The default route moved while natd ran, or while it was away: what is held on a
 * router that can still be spoken to is deleted there as soon as it has another place.
 * A tombstone says that there is something, and where; so it makes no difference
 * whether this natd put it there.
 */
#include <string.h>

#include "daemon/engine_private.h"
#include "daemon/log.h"

bool
leaving_same_place(const struct netmon_uplink *a, const struct netmon_uplink *b)
{
	return a->ifindex == b->ifindex && netmon_same_ip(&a->gateway, &b->gateway) &&
	       netmon_same_ip(&a->source, &b->source);
}

/* Whether the router can be spoken to from the address we had there: the route went,
 * the link and the address did not. */
static bool
is_reachable(const struct engine *e, const struct netmon_uplink *u)
{
	size_t count;
	const struct netmon_link *links = netmon_links(e->net, &count);
	const struct netmon_addr *addrs;
	bool running = false;

	for (size_t i = 0; i < count; i++)
		running |= links[i].ifindex == u->ifindex && links[i].running;
	addrs = netmon_addrs(e->net, &count);
	for (size_t i = 0; i < count; i++)
		if (addrs[i].ifindex == u->ifindex &&
		    netmon_same_ip(&addrs[i].ip, &u->source))
			return running;
	return false;
}

/* Another router has its address: what is sent there would reach that one. */
static bool
is_replaced(const struct netmon_uplink *u, const struct netmon_uplink *up, size_t count)
{
	for (size_t k = 0; k < count; k++)
		if (leaving_same_place(&up[k], u))
			return true;
	return false;
}

void
leaving_take(
    struct engine *e, struct gateway *g, const struct netmon_uplink *up, size_t count)
{
	const struct netmon_uplink *u = gateway_uplink(g);

	if (is_reachable(e, u) && !is_replaced(u, up, count) &&
	    e->leaving_count < LEAVING_MAX) {
		e->leaving[e->leaving_count++] = g;
		return;
	}
	holding_abandon(e, g);
	gateway_free(g);
}

/* ---- what tombstones tell of ---- */

static bool
is_known(const struct engine *e, const struct gateway_identity *on)
{
	struct gateway_identity known;

	for (size_t i = 0; i < e->gateways_count; i++) {
		identity_of(e->gateways[i], &known);
		if (identity_matches(&known, on))
			return true;
	}
	for (size_t i = 0; i < e->leaving_count; i++) {
		identity_of(e->leaving[i], &known);
		if (identity_matches(&known, on))
			return true;
	}
	return false;
}

/* False: there is no such interface. */
static bool
place_of(const struct engine *e, const struct gateway_identity *on,
    struct netmon_uplink *ret)
{
	size_t count;
	const struct netmon_link *links = netmon_links(e->net, &count);

	*ret = (struct netmon_uplink) {
		.gateway = gateway_ip(&on->gateway),
		.source = gateway_ip(&on->local),
		.mac_len = on->mac_len,
		.metric = UINT32_MAX,
	};
	ret->family = ret->source.family;
	memcpy(ret->name, on->ifname, sizeof(ret->name));
	memcpy(ret->mac, on->mac, sizeof(ret->mac));
	for (size_t i = 0; i < count && ret->ifindex == 0; i++)
		if (strcmp(links[i].name, on->ifname) == 0)
			ret->ifindex = links[i].ifindex;
	return ret->ifindex != 0;
}

void
leaving_find(struct engine *e, const struct netmon_uplink *up, size_t count)
{
	for (const struct holding *h = e->holdings; h; h = h->next) {
		struct netmon_uplink u;
		struct gateway *g;

		/* A server of the carrier's is asked through its uplink only. */
		if (h->gateway || e->leaving_count == LEAVING_MAX ||
		    h->on.gateway.family == ADDR_NONE || is_known(e, &h->on) ||
		    carrier_is_server(e, &h->on.gateway) || !place_of(e, &h->on, &u) ||
		    !is_reachable(e, &u) || is_replaced(&u, up, count))
			continue;
		g = reconcile_new_gateway(e, &u);
		if (!g)
			return;
		log_debug(
		    "%s is no uplink, and has something of ours", gateway_name(g));
		e->leaving[e->leaving_count++] = g;
	}
}

/* ---- the end ---- */

/* Nothing is left there, or nobody would hear of it; g: the one that comes instead. */
static bool
is_left_for_good(
    const struct engine *e, const struct gateway *old, const struct gateway *g)
{
	if (router_leases(gateway_router(old)) == 0 && !holding_any_left(e, old))
		return true;
	return !is_reachable(e, gateway_uplink(old)) ||
	       (g && leaving_same_place(gateway_uplink(old), gateway_uplink(g)));
}

void
leaving_end(struct engine *e, const struct gateway *g)
{
	for (size_t i = 0; i < e->leaving_count;) {
		struct gateway *old = e->leaving[i];

		if (!is_left_for_good(e, old, g)) {
			i++;
			continue;
		}
		holding_abandon(e, old);
		e->leaving[i] = e->leaving[--e->leaving_count];
		gateway_free(old);
	}
}
