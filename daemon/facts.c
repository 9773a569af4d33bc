/*
 * facts.c - what the engine and the STUN servers know of a way out, for daemon/judge.c.
 */
#include "daemon/facts.h"

#include <string.h>

#define MAC_MS (2 * MSEC_PER_SEC)

static enum addr_family
family_of(const struct gateway *g)
{
	return gateway_uplink(g)->family == AF_INET6 ? ADDR_IPV6 : ADDR_IPV4;
}

/* The best way out of the family and interface ("": any), NULL: none.  The engine has
 * them in order, the default route's first. */
static struct gateway *
find_gateway(const struct engine *e, enum addr_family family, const char *ifname)
{
	for (size_t i = 0; i < engine_gateways(e); i++) {
		struct gateway *g = engine_gateway(e, i);

		if (family_of(g) == family &&
		    (!ifname[0] || strcmp(ifname, gateway_uplink(g)->name) == 0))
			return g;
	}
	return NULL;
}

struct gateway *
facts_gateway(const struct facts *f, const struct engine *e)
{
	struct gateway *g;

	if (f->wanted_family != ADDR_NONE)
		return find_gateway(e, f->wanted_family, f->wanted_ifname);
	g = find_gateway(e, ADDR_IPV4, f->wanted_ifname);
	return g ? g : find_gateway(e, ADDR_IPV6, f->wanted_ifname);
}

struct gateway *
facts_other_gateway(const struct facts *f, const struct engine *e)
{
	if (f->wanted_family != ADDR_NONE || !f->has_uplink)
		return NULL;
	return find_gateway(
	    e, f->family == ADDR_IPV4 ? ADDR_IPV6 : ADDR_IPV4, f->wanted_ifname);
}

static void
gather_services(struct facts *f, const struct gateway *g)
{
	f->services_count = 0;
	for (enum router_service s = 0; s < ROUTER_SERVICES; s++) {
		struct facts_service *out = &f->services[f->services_count];
		struct service_status st;

		if (!gateway_may_offer(g, s))
			continue;
		router_service_status(gateway_router(g), s, &st);
		*out = (struct facts_service) {
			.title = st.state != SERVICE_AVAILABLE && s == ROUTER_IGD
				     ? "UPnP IGD" /* of which version is not known */
				     : method_title(st.method),
			.state = st.state,
			.paused = st.circuit != CIRCUIT_CLOSED,
			.round_trip_us = st.round_trip_us,
		};
		memcpy(out->version, st.version, sizeof(out->version));
		memcpy(out->reason, st.reason, sizeof(out->reason));
		f->services_count++;
	}
}

bool
facts_opens_ports(const struct gateway *g)
{
	struct service_status st;

	for (enum router_service s = 0; s < ROUTER_SERVICES; s++) {
		if (!gateway_may_offer(g, s))
			continue;
		router_service_status(gateway_router(g), s, &st);
		if (st.state == SERVICE_AVAILABLE)
			return true;
	}
	return false;
}

static void
gather_main(struct facts *f, const struct gateway *g)
{
	const struct netmon_uplink *u = gateway_uplink(g);

	f->family = family_of(g);
	memcpy(f->ifname, u->name, sizeof(f->ifname));
	f->local = gateway_addr(&u->source, u->ifindex);
	f->gateway = u->gateway.family == AF_UNSPEC
			 ? (struct addr) { .family = ADDR_NONE }
			 : gateway_addr(&u->gateway, u->ifindex);
	f->is_default = u->is_default;
	f->habits = *router_habits(gateway_router(g));
	f->outbound_s = router_outbound_s(gateway_router(g));
	f->external = *router_external(gateway_router(g));
	gather_services(f, g);
	/* Asked long ago, it has told the kernel its MAC if it is there. */
	f->router_silent = f->asked_ms >= MAC_MS && f->gateway.family != ADDR_NONE &&
			   u->mac_len == 0 && !facts_opens_ports(g) &&
			   f->stun != FACTS_STUN_ANSWERED;
}

/* The router itself, not a NAT behind it, granted another address than its own. */
static bool
is_another(const struct lease_status *st, const struct addr *external)
{
	return st->is_held && st->held.method == METHOD_PCP &&
	       external->family == ADDR_IPV4 && addr_is_global(&st->held.external) &&
	       !addr_equal(&st->held.external, external);
}

/* What the mappings of this way out have shown. */
static void
gather_mappings(struct facts *f, struct engine *e, const struct gateway *g)
{
	f->held_global = f->proven_open = f->several = false;
	for (const struct mapping *m = engine_mappings(e); m; m = m->next) {
		struct lease_status st;

		if (m->gateway != g)
			continue;
		if (m->lease) {
			lease_status(m->lease, &st);
			f->several |= is_another(&st, &f->external);
		}
		mapping_status(m, &st);
		f->held_global |= f->stun == FACTS_STUN_ANSWERED && st.is_held &&
				  st.held.method != METHOD_DIRECT &&
				  addr_equal(&st.held.external, &f->reflexive);
		f->proven_open |= mapping_reachability(m, &st) == REACHABILITY_OPEN;
	}
}

static enum facts_nat
nat_of(enum behavior b)
{
	switch (b) {
	case BEHAVIOR_NONE:
		return FACTS_NAT_NONE;
	case BEHAVIOR_ENDPOINT_INDEPENDENT:
		return FACTS_NAT_INDEPENDENT;
	case BEHAVIOR_ADDRESS_DEPENDENT:
	case BEHAVIOR_ADDRESS_AND_PORT_DEPENDENT:
		return FACTS_NAT_DEPENDENT;
	case BEHAVIOR_UNKNOWN:
	case BEHAVIOR_MAX:
		break;
	}
	return FACTS_NAT_UNKNOWN;
}

static enum facts_filter
filter_of(enum behavior b)
{
	switch (b) {
	case BEHAVIOR_ENDPOINT_INDEPENDENT:
		return FACTS_FILTER_OPEN;
	case BEHAVIOR_ADDRESS_DEPENDENT:
	case BEHAVIOR_ADDRESS_AND_PORT_DEPENDENT:
		return FACTS_FILTER_CLOSED;
	case BEHAVIOR_NONE:
	case BEHAVIOR_UNKNOWN:
	case BEHAVIOR_MAX:
		break;
	}
	return FACTS_FILTER_UNKNOWN;
}

static void
gather_nat(struct facts *f, struct behaviors *b)
{
	struct behavior_status st;

	f->nat = FACTS_NAT_UNKNOWN;
	f->filter = FACTS_FILTER_UNKNOWN;
	f->translators = 0;
	f->carrier = false;
	for (size_t i = 0; behaviors_get(b, i, &st); i++) {
		if (st.family != f->family || strcmp(st.ifname, f->ifname) != 0)
			continue;
		f->nat = nat_of(st.result.mapping);
		f->filter = filter_of(st.result.filtering);
		f->translators = (unsigned)MAX(0, st.path.translators);
		f->carrier = st.path.carrier > 0;
	}
}

void
facts_gather(
    struct facts *f, struct engine *e, const struct stun *s, struct behaviors *b)
{
	const struct gateway *g = facts_gateway(f, e), *other;
	struct addr address;

	f->realtime_us = loop_realtime_usec();
	f->any_uplink = engine_gateways(e) > 0;
	f->has_uplink = g != NULL;
	if (!g)
		return;
	gather_main(f, g);
	gather_nat(f, b);
	f->disagree = stun_disagree(s, f->family);
	if (f->stun != FACTS_STUN_ANSWERED &&
	    stun_external(s, f->family, &address) == STUN_AGREED)
		f->reflexive = address;
	gather_mappings(f, e, g);
	other = facts_other_gateway(f, e);
	f->other = (struct addr) { .family = ADDR_NONE };
	if (other) {
		const struct netmon_uplink *u = gateway_uplink(other);

		f->other = gateway_addr(&u->source, u->ifindex);
		memcpy(f->other_ifname, u->name, sizeof(f->other_ifname));
		f->other_pinholes = facts_opens_ports(other);
	}
}

bool
facts_is_asking(const struct gateway *g)
{
	struct service_status st;

	for (enum router_service s = 0; g && s < ROUTER_SERVICES; s++) {
		if (!gateway_may_offer(g, s))
			continue;
		router_service_status(gateway_router(g), s, &st);
		if (st.state == SERVICE_UNKNOWN || st.state == SERVICE_PROBING)
			return true;
	}
	return false;
}
