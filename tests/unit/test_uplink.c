/*
 * test_uplink.c - the ways out, computed from tables made by hand: each test is one
 * host, written down as `ip` would show it.
 */
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

static struct netmon_ip
ip(const char *text)
{
	struct netmon_ip r = { 0 };

	if (!text)
		return r;
	r.family = strchr(text, ':') ? AF_INET6 : AF_INET;
	assert_int_equal(inet_pton(r.family, text, r.bytes), 1);
	return r;
}

static void
host_init(struct host *h)
{
	memset(h, 0, sizeof(*h));
	h->t.of[NETMON_LINK].rows = h->links;
	h->t.of[NETMON_ADDR].rows = h->addrs;
	h->t.of[NETMON_ROUTE].rows = h->routes;
	h->t.of[NETMON_RULE].rows = h->rules;
	h->t.of[NETMON_NEIGH].rows = h->neighs;
}

static struct netmon_link *
link_add(struct host *h, int ifindex, const char *name)
{
	struct netmon_link *l = &h->links[h->t.of[NETMON_LINK].count++];

	l->ifindex = ifindex;
	snprintf(l->name, sizeof(l->name), "%s", name);
	l->up = l->running = true;
	l->mtu = 1500;
	return l;
}

static struct netmon_addr *
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

static struct netmon_route *
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

static struct netmon_rule *
rule_add(struct host *h, int family, uint32_t priority, uint32_t table)
{
	struct netmon_rule *r = &h->rules[h->t.of[NETMON_RULE].count++];

	r->family = family;
	r->priority = priority;
	r->table = table;
	r->suppress_prefix_len = -1;
	return r;
}

static void
usual_rules(struct host *h, int family)
{
	rule_add(h, family, 32766, MAIN);
	rule_add(h, family, 32767, 253);
}

static void
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
static const char *
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
	snprintf(buf, sizeof(buf), "%c %s %s from %s metric %u%s%s%s",
	    u->family == AF_INET ? '4' : '6', u->name, gateway, source, u->metric, mac,
	    u->is_default ? " default" : "", u->running ? "" : " down");
	return buf;
}

static void
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

static void
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

static void
test_two_uplinks(void **state)
{
	struct host h;

	(void)state;
	laptop(&h);
	EXPECT(&h, "4 eth0 192.168.1.1 from 192.168.1.10 metric 100 mac 11 default",
	    "4 wlan0 192.168.2.1 from 192.168.2.20 metric 600");

	/* The cable is pulled: its route may stay, but leads nowhere. */
	h.links[1].running = false;
	EXPECT(&h, "4 wlan0 192.168.2.1 from 192.168.2.20 metric 600 default");
	h.links[2].up = false;
	EXPECT_NONE(&h);
}

static void
test_no_rules_means_main_then_default(void **state)
{
	struct host h;

	(void)state;
	laptop(&h);
	h.t.of[NETMON_RULE].count = 0;
	h.routes[1].table = 253;
	EXPECT(&h, "4 wlan0 192.168.2.1 from 192.168.2.20 metric 600 default",
	    "4 eth0 192.168.1.1 from 192.168.1.10 metric 100 mac 11");
	h.routes[1].table = 77;
	EXPECT(&h, "4 wlan0 192.168.2.1 from 192.168.2.20 metric 600 default");
}

static void
test_best_metric_per_link(void **state)
{
	struct host h;

	(void)state;
	laptop(&h);
	route_add(&h, 3, AF_INET, "192.168.2.254", MAIN, 50);
	EXPECT(&h, "4 wlan0 192.168.2.254 from 192.168.2.20 metric 50 default",
	    "4 eth0 192.168.1.1 from 192.168.1.10 metric 100 mac 11");
}

static void
test_ecmp(void **state)
{
	struct host h;

	(void)state;
	laptop(&h);
	h.routes[0].metric = 100;
	/* Two next hops of one route: the first in the kernel's order is the default.
	 */
	EXPECT(&h, "4 wlan0 192.168.2.1 from 192.168.2.20 metric 100 default",
	    "4 eth0 192.168.1.1 from 192.168.1.10 metric 100 mac 11");
}

static void
wireguard(struct host *h)
{
	laptop(h);
	link_add(h, 5, "wg0")->point_to_point = true;
	addr_add(h, 5, "10.2.0.2", 32);
	route_add(h, 5, AF_INET, NULL, 51820, 0);
	h->t.of[NETMON_RULE].count = 0;
}

static void
test_wg_quick(void **state)
{
	struct netmon_named named = { .name = "wg0" };
	struct host h;
	struct netmon_rule *rule;

	(void)state;
	wireguard(&h);
	rule_add(&h, AF_INET, 0, 255);
	rule_add(&h, AF_INET, 32764, MAIN)->suppress_prefix_len = 0;
	rule = rule_add(&h, AF_INET, 32765, 51820);
	rule->mark = 0xca6c;
	rule->mark_mask = UINT32_MAX;
	rule->inverted = true;
	usual_rules(&h, AF_INET);

	EXPECT(&h, "4 wg0 - from 10.2.0.2 metric 0 default",
	    "4 eth0 192.168.1.1 from 192.168.1.10 metric 100 mac 11",
	    "4 wlan0 192.168.2.1 from 192.168.2.20 metric 600");
	EXPECT_NAMED(&h, &named, "4 wg0 10.2.0.1 from 10.2.0.2 metric 0 default",
	    "4 eth0 192.168.1.1 from 192.168.1.10 metric 100 mac 11",
	    "4 wlan0 192.168.2.1 from 192.168.2.20 metric 600");

	/* The tunnel's own packets carry the mark: were the rule not inverted, only
	 * they would take the tunnel. */
	h.rules[2].inverted = false;
	EXPECT(&h, "4 eth0 192.168.1.1 from 192.168.1.10 metric 100 mac 11 default",
	    "4 wg0 - from 10.2.0.2 metric 0",
	    "4 wlan0 192.168.2.1 from 192.168.2.20 metric 600");
}

static void
test_suppression_alone_reaches_nothing(void **state)
{
	struct host h;

	(void)state;
	laptop(&h);
	h.rules[0].suppress_prefix_len = 0;
	EXPECT_NONE(&h);
	/* A half of the internet is longer than the suppressed length. */
	h.routes[1].prefix_len = 1;
	EXPECT(&h, "4 eth0 192.168.1.1 from 192.168.1.10 metric 100 mac 11 default");
}

static void
test_openvpn_halves(void **state)
{
	struct host h;

	(void)state;
	laptop(&h);
	link_add(&h, 6, "tun0")->point_to_point = true;
	addr_add(&h, 6, "10.8.0.6", 24);
	route_add(&h, 6, AF_INET, "10.8.0.1", MAIN, 700)->prefix_len = 1;
	EXPECT(&h, "4 tun0 10.8.0.1 from 10.8.0.6 metric 700 default",
	    "4 eth0 192.168.1.1 from 192.168.1.10 metric 100 mac 11",
	    "4 wlan0 192.168.2.1 from 192.168.2.20 metric 600");
}

static void
test_policy_table_201(void **state)
{
	struct host h;
	struct netmon_rule *rule;

	(void)state;
	laptop(&h);
	h.t.of[NETMON_RULE].count = 0;
	h.t.of[NETMON_ROUTE].count = 0;
	route_add(&h, 2, AF_INET, "192.168.1.1", 201, 0);
	route_add(&h, 3, AF_INET, "192.168.2.1", 202, 0);
	rule_add(&h, AF_INET, 0, 255);
	rule = rule_add(&h, AF_INET, 32000, 202);
	rule->selective = true; /* from 192.168.2.0/24 */
	rule = rule_add(&h, AF_INET, 32500, 202);
	rule->mark = 0x1a0000;
	rule->mark_mask = 0x7e0000;
	usual_rules(&h, AF_INET);
	rule_add(&h, AF_INET, 32768, 201);
	EXPECT(&h, "4 eth0 192.168.1.1 from 192.168.1.10 metric 0 mac 11 default",
	    "4 wlan0 192.168.2.1 from 192.168.2.20 metric 0");
	/* No rule leads to table 201 any more. */
	h.t.of[NETMON_RULE].count--;
	EXPECT(&h, "4 wlan0 192.168.2.1 from 192.168.2.20 metric 0");
}

static void
test_rule_actions(void **state)
{
	struct host h;
	struct netmon_rule *rule;

	(void)state;
	laptop(&h);
	h.t.of[NETMON_RULE].count = 0;
	h.routes[0].table = 100; /* wlan0 */
	rule = rule_add(&h, AF_INET, 10, 0);
	rule->action = NETMON_RULE_NOP;
	rule = rule_add(&h, AF_INET, 20, 0);
	rule->action = NETMON_RULE_GOTO;
	rule->target = 40;
	rule_add(&h, AF_INET, 30, 100);
	rule_add(&h, AF_INET, 40, MAIN);
	EXPECT(&h, "4 eth0 192.168.1.1 from 192.168.1.10 metric 100 mac 11 default",
	    "4 wlan0 192.168.2.1 from 192.168.2.20 metric 600");
	h.rules[1].target = 5; /* backwards: no effect, and no endless loop */
	EXPECT(&h, "4 wlan0 192.168.2.1 from 192.168.2.20 metric 600 default",
	    "4 eth0 192.168.1.1 from 192.168.1.10 metric 100 mac 11");
	h.rules[0].action = NETMON_RULE_REFUSES;
	EXPECT(&h, "4 eth0 192.168.1.1 from 192.168.1.10 metric 100 mac 11",
	    "4 wlan0 192.168.2.1 from 192.168.2.20 metric 600");
	h.rules[0].selective = true; /* of somebody else's packets */
	EXPECT(&h, "4 wlan0 192.168.2.1 from 192.168.2.20 metric 600 default",
	    "4 eth0 192.168.1.1 from 192.168.1.10 metric 100 mac 11");
}

static void
test_inverted_selector(void **state)
{
	struct host h;
	struct netmon_rule *rule;

	(void)state;
	laptop(&h);
	h.t.of[NETMON_RULE].count = 0;
	h.routes[0].table = 100;
	rule = rule_add(&h, AF_INET, 10, 100); /* not to 192.168.0.0/16 lookup 100 */
	rule->selective = rule->inverted = true;
	usual_rules(&h, AF_INET);
	EXPECT(&h, "4 wlan0 192.168.2.1 from 192.168.2.20 metric 600 default",
	    "4 eth0 192.168.1.1 from 192.168.1.10 metric 100 mac 11");
}

static void
test_route_kinds(void **state)
{
	struct host h;
	struct netmon_route *route;

	(void)state;
	laptop(&h);
	/* A kill switch behind everything else does nothing yet ... */
	route = route_add(&h, 0, AF_INET, NULL, MAIN, 4278198272);
	route->kind = NETMON_ROUTE_REFUSES;
	EXPECT(&h, "4 eth0 192.168.1.1 from 192.168.1.10 metric 100 mac 11 default",
	    "4 wlan0 192.168.2.1 from 192.168.2.20 metric 600");
	/* ... and in front stops the lookup. */
	route->metric = 1;
	EXPECT(&h, "4 eth0 192.168.1.1 from 192.168.1.10 metric 100 mac 11",
	    "4 wlan0 192.168.2.1 from 192.168.2.20 metric 600");
	/* "throw" hands over to the next rule. */
	route->kind = NETMON_ROUTE_THROWS;
	h.routes[0].table = 253;
	EXPECT(&h, "4 wlan0 192.168.2.1 from 192.168.2.20 metric 600 default",
	    "4 eth0 192.168.1.1 from 192.168.1.10 metric 100 mac 11");
}

/* A tunnel that nothing routes to, as natpmpc's users have it. */
static void
test_named_tunnel(void **state)
{
	struct netmon_named named = { .name = "wg0" };
	struct host h;

	(void)state;
	wireguard(&h);
	h.t.of[NETMON_ROUTE].count = 0;
	usual_rules(&h, AF_INET);
	EXPECT_NONE(&h);
	EXPECT_NAMED(&h, &named, "4 wg0 10.2.0.1 from 10.2.0.2 metric 4294967295");
	named.gateway = ip("10.2.0.77");
	EXPECT_NAMED(&h, &named, "4 wg0 10.2.0.77 from 10.2.0.2 metric 4294967295");
	h.links[4].up = false;
	EXPECT_NAMED(
	    &h, &named, "4 wg0 10.2.0.77 from 10.2.0.2 metric 4294967295 down");
	/* Not there, or without an address and a gateway: nothing to say. */
	snprintf(named.name, sizeof(named.name), "wg9");
	EXPECT_NAMED(&h, &named, NULL);
	snprintf(named.name, sizeof(named.name), "wg0");
	named.gateway = ip(NULL);
	h.t.of[NETMON_ADDR].count--;
	EXPECT_NAMED(&h, &named, NULL);
}

static void
test_derived_gateway(void **state)
{
	static const struct {
		const char *addr, *peer, *gateway;
		uint8_t prefix_len;
	} rows[] = {
		{ "10.2.0.2", NULL, "10.2.0.1", 32 },
		{ "10.2.0.1", NULL, "-", 32 }, /* that is us */
		{ "10.8.0.6", NULL, "10.8.0.1", 24 },
		{ "10.96.130.7", NULL, "10.96.128.1", 20 },
		{ "10.8.0.6", NULL, "10.8.0.5", 30 },
		{ "10.8.0.6", NULL, "10.8.0.7", 31 },
		{ "10.8.0.7", NULL, "10.8.0.6", 31 },
		{ "100.64.1.2", "10.64.64.64", "10.64.64.64", 32 },
		{ "2a07:b944::2:2", NULL, "-", 128 },
		{ "2a07:b944::2:2", NULL, "2a07:b944::1", 64 },
		{ "2a07:b944::2:2", NULL, "2a07:b944::2:3", 127 },
	};
	struct netmon_named named = { .name = "tun0" };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct host h;
		char expected[256];

		host_init(&h);
		link_add(&h, 6, "tun0");
		addr_add(&h, 6, rows[i].addr, rows[i].prefix_len)->peer =
		    ip(rows[i].peer);
		snprintf(expected, sizeof(expected),
		    "%c tun0 %s from %s metric 4294967295",
		    strchr(rows[i].addr, ':') ? '6' : '4', rows[i].gateway,
		    rows[i].addr);
		EXPECT_NAMED(&h, &named, expected);
	}
}

/* `Table = 123` without any rule: not reached, but the route names the router. */
static void
test_named_takes_unreached_route(void **state)
{
	struct netmon_named named = { .name = "tun0" };
	struct host h;

	(void)state;
	laptop(&h);
	link_add(&h, 6, "tun0");
	addr_add(&h, 6, "10.8.0.6", 24);
	route_add(&h, 6, AF_INET, "10.8.0.254", 123, 5);
	EXPECT_NAMED(&h, &named,
	    "4 eth0 192.168.1.1 from 192.168.1.10 metric 100 mac 11 default",
	    "4 wlan0 192.168.2.1 from 192.168.2.20 metric 600",
	    "4 tun0 10.8.0.254 from 10.8.0.6 metric 4294967295");
}

static void
test_named_overrides_gateway(void **state)
{
	struct netmon_named named = { .name = "wlan0" };
	struct host h;

	(void)state;
	laptop(&h);
	named.gateway = ip("192.168.2.77");
	EXPECT_NAMED(&h, &named,
	    "4 eth0 192.168.1.1 from 192.168.1.10 metric 100 mac 11 default",
	    "4 wlan0 192.168.2.77 from 192.168.2.20 metric 600");
}

static void
test_ipv4_source(void **state)
{
	struct host h;

	(void)state;
	host_init(&h);
	link_add(&h, 2, "eth0");
	usual_rules(&h, AF_INET);
	route_add(&h, 2, AF_INET, "192.168.1.1", MAIN, 0);
	EXPECT(&h, "4 eth0 192.168.1.1 from - metric 0 default");
	addr_add(&h, 2, "169.254.7.7", 16);
	EXPECT(&h, "4 eth0 192.168.1.1 from 169.254.7.7 metric 0 default");
	addr_add(&h, 2, "10.0.0.5", 8);
	addr_add(&h, 2, "10.0.0.6", 8);
	EXPECT(&h, "4 eth0 192.168.1.1 from 10.0.0.5 metric 0 default");
	addr_add(&h, 2, "192.168.1.10", 24);
	addr_add(&h, 2, "192.168.1.11", 24);
	EXPECT(&h, "4 eth0 192.168.1.1 from 192.168.1.10 metric 0 default");
	h.addrs[3].deprecated = true; /* preferred lifetime over */
	EXPECT(&h, "4 eth0 192.168.1.1 from 192.168.1.11 metric 0 default");
	h.routes[0].source = ip("10.0.0.6");
	EXPECT(&h, "4 eth0 192.168.1.1 from 10.0.0.6 metric 0 default");
}

static void
ipv6_host(struct host *h)
{
	host_init(h);
	link_add(h, 2, "eth0");
	usual_rules(h, AF_INET6);
	route_add(h, 2, AF_INET6, "fe80::1", MAIN, 1024);
	neigh_add(h, 2, "fe80::1", 7);
	addr_add(h, 2, "fe80::5054:ff:fe12:3456", 64);
}

static void
test_ipv6_source(void **state)
{
	struct host h;

	(void)state;
	ipv6_host(&h);
	EXPECT(&h, "6 eth0 fe80::1 from - metric 1024 mac 7 default");
	addr_add(&h, 2, "2001:db8:1::dead", 64)->failed = true;
	addr_add(&h, 2, "2001:db8:1::0e1d", 64)->deprecated = true;
	addr_add(&h, 2, "2001:db8:1::7e57", 64)->tentative = true;
	EXPECT(&h, "6 eth0 fe80::1 from - metric 1024 mac 7 default");
	addr_add(&h, 2, "fd00:1::7e", 64)->temporary = true;
	EXPECT(&h, "6 eth0 fe80::1 from fd00:1::7e metric 1024 mac 7 default");
	addr_add(&h, 2, "fd00:1::1", 64);
	EXPECT(&h, "6 eth0 fe80::1 from fd00:1::1 metric 1024 mac 7 default");
	addr_add(&h, 2, "2001:db8:1::7e", 64)->temporary = true;
	EXPECT(&h, "6 eth0 fe80::1 from 2001:db8:1::7e metric 1024 mac 7 default");
	addr_add(&h, 2, "2001:db8:1::1", 64);
	EXPECT(&h, "6 eth0 fe80::1 from 2001:db8:1::1 metric 1024 mac 7 default");
}

static void
test_ipv6_router_preference(void **state)
{
	struct host h;

	(void)state;
	ipv6_host(&h);
	link_add(&h, 3, "wlan0");
	addr_add(&h, 2, "2001:db8:1::1", 64);
	addr_add(&h, 3, "2001:db8:2::1", 64);
	route_add(&h, 3, AF_INET6, "fe80::2", MAIN, 1024)->preference = 1;
	EXPECT(&h, "6 wlan0 fe80::2 from 2001:db8:2::1 metric 1024 default",
	    "6 eth0 fe80::1 from 2001:db8:1::1 metric 1024 mac 7");
}

static void
test_both_families(void **state)
{
	struct host h;

	(void)state;
	laptop(&h);
	usual_rules(&h, AF_INET6);
	route_add(&h, 2, AF_INET6, "fe80::1", MAIN, 100);
	route_add(&h, 3, AF_INET6, "fe80::2", MAIN, 600);
	addr_add(&h, 2, "2001:db8:1::1", 64);
	addr_add(&h, 3, "2001:db8:2::1", 64);
	EXPECT(&h, "4 eth0 192.168.1.1 from 192.168.1.10 metric 100 mac 11 default",
	    "6 eth0 fe80::1 from 2001:db8:1::1 metric 100 default",
	    "4 wlan0 192.168.2.1 from 192.168.2.20 metric 600",
	    "6 wlan0 fe80::2 from 2001:db8:2::1 metric 600");
}

/* Too little room: the defaults stay, the last ones go. */
static void
test_bounded(void **state)
{
	struct netmon_uplink u[3];
	struct host h;

	(void)state;
	laptop(&h);
	link_add(&h, 7, "eth7");
	route_add(&h, 7, AF_INET, "10.7.0.1", MAIN, 300);
	memset(u, 0x5a, sizeof(u));
	assert_int_equal(netmon_uplinks_from(&h.t, NULL, 0, u, 2), 2);
	assert_string_equal(u[0].name, "eth0");
	assert_string_equal(u[1].name, "eth7");
	assert_int_equal(u[2].ifindex, 0x5a5a5a5a);
	assert_int_equal(netmon_uplinks_from(&h.t, NULL, 0, u, 1), 1);
	assert_true(u[0].is_default);
	assert_int_equal(netmon_uplinks_from(&h.t, NULL, 0, u, 0), 0);
}

static void
test_global_addrs(void **state)
{
	const struct netmon_addr *got[8];
	struct host h;

	(void)state;
	laptop(&h);
	addr_add(&h, 2, "fe80::2", 64);
	addr_add(&h, 2, "2001:db8:1::1", 64);
	addr_add(&h, 2, "2001:db8:1::2", 64)->temporary = true;
	addr_add(&h, 2, "2001:db8:1::3", 64)->deprecated = true;
	addr_add(&h, 2, "2001:db8:1::4", 64)->tentative = true;
	addr_add(&h, 2, "2001:db8:1::5", 64)->failed = true;
	addr_add(&h, 2, "2001:db8:1::6", 64);
	addr_add(&h, 3, "2001:db8:1::7", 64);
	assert_int_equal(netmon_global_addrs_from(&h.t, 2, AF_INET6, got, 8), 2);
	assert_int_equal(got[0]->ip.bytes[15], 1);
	assert_int_equal(got[1]->ip.bytes[15], 6);
	assert_int_equal(netmon_global_addrs_from(&h.t, 2, AF_INET6, got, 1), 1);
	assert_int_equal(netmon_global_addrs_from(&h.t, 2, AF_INET, got, 8), 1);
	assert_int_equal(got[0]->ip.bytes[3], 10);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_two_uplinks),
		cmocka_unit_test(test_no_rules_means_main_then_default),
		cmocka_unit_test(test_best_metric_per_link),
		cmocka_unit_test(test_ecmp),
		cmocka_unit_test(test_wg_quick),
		cmocka_unit_test(test_suppression_alone_reaches_nothing),
		cmocka_unit_test(test_openvpn_halves),
		cmocka_unit_test(test_policy_table_201),
		cmocka_unit_test(test_rule_actions),
		cmocka_unit_test(test_inverted_selector),
		cmocka_unit_test(test_route_kinds),
		cmocka_unit_test(test_named_tunnel),
		cmocka_unit_test(test_derived_gateway),
		cmocka_unit_test(test_named_takes_unreached_route),
		cmocka_unit_test(test_named_overrides_gateway),
		cmocka_unit_test(test_ipv4_source),
		cmocka_unit_test(test_ipv6_source),
		cmocka_unit_test(test_ipv6_router_preference),
		cmocka_unit_test(test_both_families),
		cmocka_unit_test(test_bounded),
		cmocka_unit_test(test_global_addrs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
