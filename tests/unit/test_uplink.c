/*
 * test_uplink.c - the ways out, computed from tables made by hand: each test is one
 * host, written down as `ip` would show it.
 */
#include "tests/unit/uplink_tables.h"

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

/* F27: equal-cost default routes. */
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

/* F27: a VPN's tunnel takes the default route by policy rules. */
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

/* F27: default routes by policy. */
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
