/*
 * uplink_tables.h - hand-made kernel tables for the tests of the ways out.
 */
#pragma once

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "netmon/uplink.h"

#define MAIN 254
#define HOST_MAX 32

struct host {
	struct netmon_tables t;
	struct netmon_link links[HOST_MAX];
	struct netmon_addr addrs[HOST_MAX];
	struct netmon_route routes[HOST_MAX];
	struct netmon_rule rules[HOST_MAX];
	struct netmon_neigh neighs[HOST_MAX];
};

static inline struct netmon_ip
ip(const char *text)
{
	struct netmon_ip r = { 0 };

	if (!text)
		return r;
	r.family = strchr(text, ':') ? AF_INET6 : AF_INET;
	assert_int_equal(inet_pton(r.family, text, r.bytes), 1);
	return r;
}

static inline void
host_init(struct host *h)
{
	memset(h, 0, sizeof(*h));
	h->t.of[NETMON_LINK].rows = h->links;
	h->t.of[NETMON_ADDR].rows = h->addrs;
	h->t.of[NETMON_ROUTE].rows = h->routes;
	h->t.of[NETMON_RULE].rows = h->rules;
	h->t.of[NETMON_NEIGH].rows = h->neighs;
}

static inline struct netmon_link *
link_add(struct host *h, int ifindex, const char *name)
{
	struct netmon_link *l = &h->links[h->t.of[NETMON_LINK].count++];

	l->ifindex = ifindex;
	snprintf(l->name, sizeof(l->name), "%s", name);
	l->up = l->running = true;
	l->mtu = 1500;
	return l;
}

static inline struct netmon_addr *
addr_add(struct host *h, int ifindex, const char *text, uint8_t prefix_len)
{
	struct netmon_addr *a = &h->addrs[h->t.of[NETMON_ADDR].count++];

	a->ifindex = ifindex;
	a->ip = ip(text);
	a->prefix_len = prefix_len;
	a->link_local =
	    strncmp(text, "fe80", 4) == 0 || strncmp(text, "169.254", 7) == 0;
	return a;
}

static inline struct netmon_route *
route_add(struct host *h, int ifindex, int family, const char *gateway, uint32_t table,
    uint32_t metric)
{
	struct netmon_route *r = &h->routes[h->t.of[NETMON_ROUTE].count++];

	r->family = family;
	r->ifindex = ifindex;
	r->gateway = ip(gateway);
	r->table = table;
	r->metric = metric;
	return r;
}

static inline struct netmon_rule *
rule_add(struct host *h, int family, uint32_t priority, uint32_t table)
{
	struct netmon_rule *r = &h->rules[h->t.of[NETMON_RULE].count++];

	r->family = family;
	r->priority = priority;
	r->table = table;
	r->suppress_prefix_len = -1;
	return r;
}

static inline void
usual_rules(struct host *h, int family)
{
	rule_add(h, family, 32766, MAIN);
	rule_add(h, family, 32767, 253);
}

static inline void
neigh_add(struct host *h, int ifindex, const char *text, uint8_t last)
{
	struct netmon_neigh *n = &h->neighs[h->t.of[NETMON_NEIGH].count++];

	*n = (struct netmon_neigh) {
		.ifindex = ifindex,
		.ip = ip(text),
		.mac = { 2, 0, 0, 0, 0, last },
		.mac_len = 6,
	};
}

/* One uplink as a line: "4 eth0 192.168.1.1 from 192.168.1.10 metric 100 default". */
static inline const char *
line(const struct netmon_uplink *u)
{
	static char buf[256];
	char gateway[64] = "-", source[64] = "-", mac[16] = "";

	if (u->gateway.family != AF_UNSPEC)
		inet_ntop(
		    u->gateway.family, u->gateway.bytes, gateway, sizeof(gateway));
	if (u->source.family != AF_UNSPEC)
		inet_ntop(u->source.family, u->source.bytes, source, sizeof(source));
	if (u->mac_len > 0)
		snprintf(mac, sizeof(mac), " mac %u", u->mac[u->mac_len - 1]);
	snprintf(buf, sizeof(buf), "%c %s %s from %s metric %u%s%s",
	    u->family == AF_INET ? '4' : '6', u->name, gateway, source, u->metric, mac,
	    u->is_default ? " default" : "");
	return buf;
}

static inline void
expect_named(const struct host *h, const struct netmon_named *named, size_t named_count,
    const char *const *lines)
{
	struct netmon_uplink u[HOST_MAX];
	size_t n = netmon_uplinks_from(&h->t, named, named_count, u, HOST_MAX), i;

	for (i = 0; i < n; i++) {
		if (!lines[i])
			fail_msg("unexpected uplink: %s", line(&u[i]));
		assert_string_equal(line(&u[i]), lines[i]);
	}
	if (lines[i])
		fail_msg("missing uplink: %s", lines[i]);
}

#define EXPECT(h, ...) \
	expect_named(h, NULL, 0, (const char *const[]) { __VA_ARGS__, NULL })
#define EXPECT_NAMED(h, named, ...) \
	expect_named(h, named, 1, (const char *const[]) { __VA_ARGS__, NULL })
#define EXPECT_NONE(h) expect_named(h, NULL, 0, (const char *const[]) { NULL })

static inline void
laptop(struct host *h)
{
	host_init(h);
	link_add(h, 1, "lo")->loopback = true;
	link_add(h, 2, "eth0");
	link_add(h, 3, "wlan0");
	link_add(h, 4, "docker0");
	addr_add(h, 1, "127.0.0.1", 8);
	addr_add(h, 4, "172.17.0.1", 16);
	addr_add(h, 2, "192.168.1.10", 24);
	addr_add(h, 3, "192.168.2.20", 24);
	route_add(h, 3, AF_INET, "192.168.2.1", MAIN, 600);
	route_add(h, 2, AF_INET, "192.168.1.1", MAIN, 100);
	usual_rules(h, AF_INET);
	neigh_add(h, 2, "192.168.1.1", 11);
	neigh_add(h, 3, "192.168.1.1", 99); /* same address, other link */
}

static inline void
wireguard(struct host *h)
{
	laptop(h);
	link_add(h, 5, "wg0")->point_to_point = true;
	addr_add(h, 5, "10.2.0.2", 32);
	route_add(h, 5, AF_INET, NULL, 51820, 0);
	h->t.of[NETMON_RULE].count = 0;
}
