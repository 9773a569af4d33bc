/*
 * uplink.c - which interfaces lead out, through which router, from which address.
 *
 * The kernel is not asked per destination (RTM_GETROUTE): its rules and default routes
 * are all here, and computing from tables gives the same answer for a hand-made table
 * in a test as for a laptop with a VPN.
 */
#include "netmon/uplink.h"

#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

/* What a kernel without policy routing does. */
static const struct netmon_rule fixed_rules[] = {
	{ .action = NETMON_RULE_TABLE,
	    .priority = 32766,
	    .table = RT_TABLE_MAIN,
	    .suppress_prefix_len = -1 },
	{ .action = NETMON_RULE_TABLE,
	    .priority = 32767,
	    .table = RT_TABLE_DEFAULT,
	    .suppress_prefix_len = -1 },
};

/* Whether the first `bits` bits are the same. */
static bool
same_prefix(const struct netmon_ip *a, const struct netmon_ip *b, unsigned bits)
{
	unsigned bytes = bits / 8, rest = bits % 8;

	if (a->family != b->family || memcmp(a->bytes, b->bytes, bytes) != 0)
		return false;
	return rest == 0 || (a->bytes[bytes] ^ b->bytes[bytes]) >> (8 - rest) == 0;
}

static const struct netmon_link *
find_link(const struct netmon_tables *t, int ifindex)
{
	size_t count;
	const struct netmon_link *links = netmon_table_links(t, &count);

	for (size_t i = 0; i < count; i++)
		if (links[i].ifindex == ifindex)
			return &links[i];
	return NULL;
}

static const struct netmon_link *
find_link_named(const struct netmon_tables *t, const char *name)
{
	size_t count;
	const struct netmon_link *links = netmon_table_links(t, &count);

	for (size_t i = 0; i < count; i++)
		if (strncmp(links[i].name, name, sizeof(links[i].name)) == 0)
			return &links[i];
	return NULL;
}

static bool
is_usable_link(const struct netmon_link *link)
{
	return link && link->up && link->running && !link->loopback;
}

/* ---- the policy rules ---- */

/* The rules of the family; the fixed two if the kernel has none. */
static const struct netmon_rule *
rules_of(const struct netmon_tables *t, int family, size_t *ret_count)
{
	const struct netmon_rule *rules = netmon_table_rules(t, ret_count);

	for (size_t i = 0; i < *ret_count; i++)
		if (rules[i].family == family)
			return rules;
	*ret_count = sizeof(fixed_rules) / sizeof(fixed_rules[0]);
	return fixed_rules;
}

static bool
is_of_family(const struct netmon_rule *rule, int family)
{
	return rule->family == family || rule->family == AF_UNSPEC;
}

/* Whether the rule applies to local traffic that has no mark and nothing special. */
static bool
applies(const struct netmon_rule *rule)
{
	bool matches = (rule->mark & rule->mark_mask) == 0 && !rule->selective;

	return matches != rule->inverted;
}

static bool
is_suppressed(const struct netmon_rule *rule, const struct netmon_route *route)
{
	return route->prefix_len <= rule->suppress_prefix_len;
}

/* Whether the kernel would take a rather than b, both in one table; false if equal:
 * then the first in the kernel's order is taken. */
static bool
wins(const struct netmon_route *a, const struct netmon_route *b)
{
	if (a->prefix_len != b->prefix_len)
		return a->prefix_len > b->prefix_len;
	if (a->metric != b->metric)
		return a->metric < b->metric;
	return a->preference > b->preference;
}

static const struct netmon_route *
best_in_table(const struct netmon_tables *t, int family, uint32_t table)
{
	size_t count;
	const struct netmon_route *routes = netmon_table_routes(t, &count),
				  *best = NULL;

	for (size_t i = 0; i < count; i++) {
		const struct netmon_route *route = &routes[i];

		if (route->family != family || route->table != table)
			continue;
		if (route->kind == NETMON_ROUTE_OUT &&
		    !is_usable_link(find_link(t, route->ifindex)))
			continue;
		if (!best || wins(route, best))
			best = route;
	}
	return best;
}

const struct netmon_route *
netmon_default_route(const struct netmon_tables *t, int family)
{
	size_t count;
	const struct netmon_rule *rules = rules_of(t, family, &count);
	uint32_t from = 0; /* priority; a goto only ever leads onwards */

	for (size_t i = 0; i < count; i++) {
		const struct netmon_rule *rule = &rules[i];
		const struct netmon_route *route;

		if (!is_of_family(rule, family) || rule->priority < from ||
		    !applies(rule))
			continue;
		switch (rule->action) {
		case NETMON_RULE_NOP:
			break;
		case NETMON_RULE_GOTO:
			from = rule->target;
			break;
		case NETMON_RULE_REFUSES:
			return NULL;
		case NETMON_RULE_TABLE:
			route = best_in_table(t, family, rule->table);
			if (!route || route->kind == NETMON_ROUTE_THROWS ||
			    is_suppressed(rule, route))
				break;
			return route->kind == NETMON_ROUTE_OUT ? route : NULL;
		}
	}
	return NULL;
}

/* Whether any rule, selective or not, leads to the route. */
static bool
is_reached(const struct netmon_tables *t, const struct netmon_route *route)
{
	size_t count;
	const struct netmon_rule *rules = rules_of(t, route->family, &count);

	for (size_t i = 0; i < count; i++)
		if (is_of_family(&rules[i], route->family) &&
		    rules[i].action == NETMON_RULE_TABLE &&
		    rules[i].table == route->table && !is_suppressed(&rules[i], route))
			return true;
	return false;
}

/* ---- addresses ---- */

static bool
is_unique_local(const struct netmon_ip *ip) /* RFC 4193 section 3.1: fc00::/7 */
{
	return ip->family == AF_INET6 && (ip->bytes[0] & 0xfe) == 0xfc;
}

/* How good an address is to send from; 0: not at all. */
static int
rank(const struct netmon_addr *a, const struct netmon_ip *gateway)
{
	if (a->tentative || a->failed)
		return 0;
	if (a->ip.family == AF_INET)
		return 1 + (same_prefix(&a->ip, gateway, a->prefix_len) ? 4 : 0) +
		       (a->link_local ? 0 : 2) + (a->deprecated ? 0 : 1);
	if (a->link_local || a->deprecated)
		return 0;
	return 1 + (is_unique_local(&a->ip) ? 0 : 2) + (a->temporary ? 0 : 1);
}

static struct netmon_ip
choose_source(const struct netmon_tables *t, int ifindex, int family,
    const struct netmon_ip *gateway)
{
	size_t count;
	const struct netmon_addr *addrs = netmon_table_addrs(t, &count), *best = NULL;
	int best_rank = 0;

	for (size_t i = 0; i < count; i++) {
		int r;

		if (addrs[i].ifindex != ifindex || addrs[i].ip.family != family)
			continue;
		r = rank(&addrs[i], gateway);
		if (r > best_rank) {
			best = &addrs[i];
			best_rank = r;
		}
	}
	return best ? best->ip : (struct netmon_ip) { 0 };
}

/* The first host of the address's network, or the other end of a /31; none if that is
 * ourselves. */
static struct netmon_ip
first_host(const struct netmon_addr *a)
{
	struct netmon_ip host = a->ip;
	unsigned size = host.family == AF_INET ? 4 : 16, bits = a->prefix_len;

	if (bits == size * 8) {
		if (host.family != AF_INET6)
			bits = 24;
		else
			return (struct netmon_ip) { 0 }; /* no custom to lean on */
	}
	if (bits == size * 8 - 1) {
		host.bytes[size - 1] ^= 1;
		return host;
	}
	for (unsigned bit = bits; bit < size * 8; bit++)
		host.bytes[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
	host.bytes[size - 1] |= 1;
	return netmon_same_ip(&host, &a->ip) ? (struct netmon_ip) { 0 } : host;
}

/* The router of an interface for which nobody named one. */
static struct netmon_ip
derive_gateway(const struct netmon_tables *t, int ifindex, int family)
{
	static const struct netmon_ip none;
	struct netmon_ip source = choose_source(t, ifindex, family, &none);
	size_t count;
	const struct netmon_route *routes = netmon_table_routes(t, &count);
	const struct netmon_addr *addrs;

	for (size_t i = 0; i < count; i++)
		if (routes[i].ifindex == ifindex && routes[i].gateway.family == family)
			return routes[i].gateway;
	addrs = netmon_table_addrs(t, &count);
	for (size_t i = 0; i < count; i++) {
		const struct netmon_addr *a = &addrs[i];

		if (a->ifindex == ifindex && netmon_same_ip(&a->ip, &source))
			return a->peer.family == family ? a->peer : first_host(a);
	}
	return none;
}

/* ---- the list ---- */

static bool
comes_before(const struct netmon_uplink *a, const struct netmon_uplink *b)
{
	if (a->is_default != b->is_default)
		return a->is_default;
	if (a->metric != b->metric)
		return a->metric < b->metric;
	if (a->ifindex != b->ifindex)
		return a->ifindex < b->ifindex;
	return a->family < b->family;
}

/* The caller's array, kept sorted, one entry per (link, family). */
struct list {
	struct netmon_uplink *at;
	size_t count, max;
};

static struct netmon_uplink *
find_uplink(const struct list *list, int ifindex, int family)
{
	for (size_t i = 0; i < list->count; i++)
		if (list->at[i].ifindex == ifindex && list->at[i].family == family)
			return &list->at[i];
	return NULL;
}

/* Keeps the better of two entries of one (link, family); a full list loses its last. */
static void
place(struct list *list, const struct netmon_uplink *u)
{
	struct netmon_uplink *old = find_uplink(list, u->ifindex, u->family);
	size_t i;

	if (old && !comes_before(u, old))
		return;
	if (old) {
		memmove(old, old + 1,
		    (size_t)(list->at + list->count - old - 1) * sizeof(*u));
		list->count--;
	}
	for (i = 0; i < list->count && !comes_before(u, &list->at[i]);)
		i++;
	if (i == list->max)
		return;
	if (list->count == list->max)
		list->count--;
	memmove(&list->at[i + 1], &list->at[i], (list->count - i) * sizeof(*u));
	list->at[i] = *u;
	list->count++;
}

static void
fill_mac(const struct netmon_tables *t, struct netmon_uplink *u)
{
	size_t count;
	const struct netmon_neigh *neighs = netmon_table_neighs(t, &count);

	u->mac_len = 0;
	memset(u->mac, 0, sizeof(u->mac));
	for (size_t i = 0; i < count; i++) {
		if (neighs[i].ifindex != u->ifindex ||
		    !netmon_same_ip(&neighs[i].ip, &u->gateway))
			continue;
		memcpy(u->mac, neighs[i].mac, sizeof(u->mac));
		u->mac_len = neighs[i].mac_len;
	}
}

static struct netmon_uplink
uplink_on(const struct netmon_link *link, int family, uint32_t metric)
{
	struct netmon_uplink u = {
		.ifindex = link->ifindex,
		.family = family,
		.metric = metric,
	};

	memcpy(u.name, link->name, sizeof(u.name));
	return u;
}

static void
add_route(struct list *list, const struct netmon_tables *t,
    const struct netmon_route *route, bool is_default)
{
	const struct netmon_link *link = find_link(t, route->ifindex);
	struct netmon_uplink u;

	if (route->kind != NETMON_ROUTE_OUT || !is_usable_link(link))
		return;
	u = uplink_on(link, route->family, route->metric);
	u.is_default = is_default;
	u.gateway = route->gateway;
	u.source = route->source.family != AF_UNSPEC
		       ? route->source
		       : choose_source(t, u.ifindex, u.family, &u.gateway);
	fill_mac(t, &u);
	place(list, &u);
}

/* Gives the entry its router, as named or derived, and the address that fits to it. */
static void
name_gateway(const struct netmon_tables *t, const struct netmon_named *named,
    struct netmon_uplink *u)
{
	if (named->gateway.family == u->family)
		u->gateway = named->gateway;
	else if (u->gateway.family == AF_UNSPEC)
		u->gateway = derive_gateway(t, u->ifindex, u->family);
	else
		return;
	if (u->source.family == AF_UNSPEC)
		u->source = choose_source(t, u->ifindex, u->family, &u->gateway);
	fill_mac(t, u);
}

static void
add_named(struct list *list, const struct netmon_tables *t,
    const struct netmon_named *named, int family)
{
	const struct netmon_link *link = find_link_named(t, named->name);
	struct netmon_uplink u, *known;
	bool wanted = named->gateway.family == family;

	if (!is_usable_link(link))
		return;
	known = find_uplink(list, link->ifindex, family);
	if (known) {
		name_gateway(t, named, known);
		return;
	}
	u = uplink_on(link, family, UINT32_MAX);
	name_gateway(t, named, &u);
	if (named->gateway.family == AF_UNSPEC)
		wanted = u.source.family != AF_UNSPEC;
	if (wanted)
		place(list, &u);
}

size_t
netmon_uplinks_from(const struct netmon_tables *t, const struct netmon_named *named,
    size_t named_count, struct netmon_uplink *ret, size_t max)
{
	static const int families[] = { AF_INET, AF_INET6 };
	struct list list = { .at = ret, .max = max };
	const struct netmon_route *routes, *route;
	size_t count;

	for (size_t f = 0; f < 2; f++) {
		route = netmon_default_route(t, families[f]);
		if (route)
			add_route(&list, t, route, true);
	}
	routes = netmon_table_routes(t, &count);
	for (size_t i = 0; i < count; i++)
		if (is_reached(t, &routes[i]))
			add_route(&list, t, &routes[i], false);
	for (size_t i = 0; i < named_count; i++)
		for (size_t f = 0; f < 2; f++)
			add_named(&list, t, &named[i], families[f]);
	return list.count;
}
