/*
 * test_uplink_named.c - tunnels that configuration names, source addresses, bounds.
 */
#include "tests/unit/uplink_tables.h"

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
	EXPECT_NAMED(&h, &named, NULL);
	h.links[4].up = true;
	h.links[4].running = false;
	EXPECT_NAMED(&h, &named, NULL);
	h.links[4].running = true;
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

/* F63: deprecated, temporary, tentative and failed IPv6 addresses. */
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_named_tunnel),
		cmocka_unit_test(test_derived_gateway),
		cmocka_unit_test(test_named_takes_unreached_route),
		cmocka_unit_test(test_named_overrides_gateway),
		cmocka_unit_test(test_ipv4_source),
		cmocka_unit_test(test_ipv6_source),
		cmocka_unit_test(test_ipv6_router_preference),
		cmocka_unit_test(test_both_families),
		cmocka_unit_test(test_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
