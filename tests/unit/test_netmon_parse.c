/*
 * test_netmon_parse.c - recorded messages of the kernel, whole and spoiled.
 *
 * tests/data/netlink holds one message per file; what it must come out as stands here.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <netlink/msg.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "netmon/parse.h"
#include "netmon/table.h"

#define FILE_MAX 65536

struct row {
	const char *file, *expected;
};

/* expected NULL: nothing that netmon keeps. */
static const struct row rows[] = {
	{ "addr-4-gone", "gone addr 192.0.2.11/24" },
	{ "addr-4-link", "addr 169.254.3.4/16 link" },
	{ "addr-4-peer", "addr 10.64.1.2/32 peer 10.64.64.64" },
	{ "addr-4-secondary", "addr 192.0.2.11/24" },
	{ "addr-4", "addr 192.0.2.10/24" },
	{ "addr-6-deprecated", "addr 2001:db8:1::11/64 deprecated" },
	{ "addr-6-failed", "addr 2001:db8:4::10/64 tentative failed" },
	{ "addr-6-link", "addr fe80::6869:b0ff:fec2:e1b8/64 link" },
	{ "addr-6-peer", "addr fd00:1::1/128 peer fd00:1::2" },
	{ "addr-6-temporary", "addr 2001:db8:2:0:f630:9b70:bea2:dc29/64 temporary" },
	{ "addr-6-tentative", "addr 2001:db8:3::10/64 tentative" },
	{ "addr-6", "addr 2001:db8:1::10/64" },
	{ "link-gone", "gone link brg mtu 1500" },
	{ "link-left-bridge", NULL },
	{ "link-lo", "link lo mtu 65000 up running loopback" },
	{ "link-tun", "link tn mtu 1500 up p2p" },
	{ "link-veth-down", "link va mtu 1500" },
	{ "link-veth-no-carrier", "link va mtu 1400 up" },
	{ "link-veth-up", "link va mtu 1400 up running" },
	{ "neigh-4-failed", "neigh 192.0.2.1" },
	{ "neigh-4-gone", "gone neigh 192.0.2.1" },
	{ "neigh-4", "neigh 192.0.2.1 02:00:00:00:00:01" },
	{ "neigh-6", "neigh fe80::1 02:00:00:00:00:06" },
	{ "neigh-bridge", NULL },
	{ "route-4-gone", "gone route4 /0 out via 192.0.2.1 src 192.0.2.10 table 254 "
			  "metric 100 pref 0" },
	{ "route-4-half",
	    "route4 /1 out via 192.0.2.1 src - table 254 metric 0 pref 0" },
	{ "route-4-multipath",
	    "route4 /0 out via 192.0.2.1 src - table 254 metric 7 pref 0"
	    " + route4 /0 out via 192.0.2.2 src - table 254 metric 7 pref 0"
	    " + route4 /0 out via - src - table 254 metric 7 pref 0" },
	{ "route-4-narrow", NULL },
	{ "route-4-on-link", "route4 /0 out via - src - table 51820 metric 0 pref 0" },
	{ "route-4-other-half", NULL },
	{ "route-4-throw",
	    "route4 /0 throws via - src - table 100 metric 0 pref 0 nowhere" },
	{ "route-4-tos", NULL },
	{ "route-4-unreachable", "route4 /0 refuses via - src - table 254 metric "
				 "4278198272 pref 0 nowhere" },
	{ "route-4-via-6", "route4 /0 out via - src - table 254 metric 8 pref 0" },
	{ "route-4",
	    "route4 /0 out via 192.0.2.1 src 192.0.2.10 table 254 metric 100 pref 0" },
	{ "route-6-eighth", "route6 /3 out via - src - table 254 metric 1024 pref 0" },
	{ "route-6-low",
	    "route6 /0 out via fe80::2 src - table 254 metric 1025 pref -1" },
	{ "route-6-multipath",
	    "route6 /0 out via fe80::3 src - table 254 metric 7 pref 0"
	    " + route6 /0 out via fe80::4 src - table 254 metric 7 pref 0" },
	{ "route-6", "route6 /0 out via fe80::1 src - table 254 metric 1024 pref 1" },
	{ "rule-6-table", "rule6 114 table 70000" },
	{ "rule-from", "rule4 102 table 201 selective" },
	{ "rule-goto", "rule4 111 goto 32766" },
	{ "rule-iif-lo", "rule4 105 table 201" },
	{ "rule-iif", "rule4 104 table 201 selective" },
	{ "rule-main", "rule4 32766 table 254" },
	{ "rule-mark-mask", "rule4 100 table 201 mark 80000/ff0000" },
	{ "rule-mark-zero", "rule4 101 table 201 mark 0/ff" },
	{ "rule-nop", "rule4 113 nop 0" },
	{ "rule-not-mark-gone", "gone rule4 32765 table 51820 mark ca6c/ffffffff not" },
	{ "rule-not-mark", "rule4 32765 table 51820 mark ca6c/ffffffff not" },
	{ "rule-oif", "rule4 106 table 201 selective" },
	{ "rule-port", "rule4 109 table 201 selective" },
	{ "rule-suppress", "rule4 32764 table 254 suppress 0" },
	{ "rule-to", "rule4 103 table 201 selective not" },
	{ "rule-tos", "rule4 110 table 201 selective" },
	{ "rule-uid-all", "rule4 108 table 201" },
	{ "rule-uid", "rule4 107 table 201 selective" },
	{ "rule-unreachable", "rule4 112 refuses 0" },
};

static char text[8192];

static void __attribute__((format(printf, 1, 2))) say(const char *format, ...)
{
	size_t len = strlen(text);
	va_list ap;

	va_start(ap, format);
	assert_in_range(vsnprintf(text + len, sizeof(text) - len, format, ap), 0,
	    sizeof(text) - len - 1);
	va_end(ap);
}

static const char *
show_ip(const struct netmon_ip *ip)
{
	static char buf[2][64];
	static int turn;

	turn = !turn;
	if (ip->family == AF_UNSPEC)
		return "-";
	return inet_ntop(ip->family, ip->bytes, buf[turn], sizeof(buf[turn]));
}

static void
show_link(const struct netmon_link *l)
{
	say("link %s mtu %u%s%s%s%s", l->name, l->mtu, l->up ? " up" : "",
	    l->running ? " running" : "", l->loopback ? " loopback" : "",
	    l->point_to_point ? " p2p" : "");
}

static void
show_addr(const struct netmon_addr *a)
{
	say("addr %s/%u", show_ip(&a->ip), a->prefix_len);
	if (a->peer.family != AF_UNSPEC)
		say(" peer %s", show_ip(&a->peer));
	say("%s%s%s%s%s", a->temporary ? " temporary" : "",
	    a->deprecated ? " deprecated" : "", a->tentative ? " tentative" : "",
	    a->failed ? " failed" : "", a->link_local ? " link" : "");
}

static void
show_route(const struct netmon_route *r)
{
	static const char *const kinds[] = { "out", "refuses", "throws" };

	say("route%d /%u %s via %s src %s table %u metric %u pref %d%s",
	    r->family == AF_INET ? 4 : 6, r->prefix_len, kinds[r->kind],
	    show_ip(&r->gateway), show_ip(&r->source), r->table, r->metric,
	    r->preference, r->ifindex == 0 ? " nowhere" : "");
}

static void
show_rule(const struct netmon_rule *r)
{
	static const char *const actions[] = { "table", "goto", "nop", "refuses" };

	say("rule%d %u %s %u", r->family == AF_INET ? 4 : 6, r->priority,
	    actions[r->action], r->action == NETMON_RULE_GOTO ? r->target : r->table);
	if (r->mark != 0 || r->mark_mask != 0)
		say(" mark %x/%x", r->mark, r->mark_mask);
	if (r->suppress_prefix_len >= 0)
		say(" suppress %d", r->suppress_prefix_len);
	say("%s%s", r->selective ? " selective" : "", r->inverted ? " not" : "");
}

static void
show_neigh(const struct netmon_neigh *n)
{
	say("neigh %s", show_ip(&n->ip));
	for (size_t i = 0; i < n->mac_len; i++)
		say("%c%02x", i == 0 ? ' ' : ':', n->mac[i]);
}

static const char *
show(const struct netmon_report *r)
{
	text[0] = '\0';
	if (r->gone)
		say("gone ");
	switch (r->subject) {
	case NETMON_LINK:
		show_link(&r->link);
		break;
	case NETMON_ADDR:
		show_addr(&r->addr);
		break;
	case NETMON_ROUTE:
		for (size_t i = 0; i < r->count; i++) {
			if (i > 0)
				say(" + ");
			show_route(&r->routes[i]);
		}
		break;
	case NETMON_RULE:
		show_rule(&r->rule);
		break;
	case NETMON_NEIGH:
		show_neigh(&r->neigh);
		break;
	case NETMON_SUBJECTS:
		fail();
	}
	return text;
}

static size_t
load(const char *name, void *buf)
{
	char path[256];
	size_t len;
	FILE *f;

	snprintf(path, sizeof(path), "tests/data/netlink/%s.bin", name);
	f = fopen(path, "rb");
	if (!f)
		fail_msg("%s: %s", path, strerror(errno));
	len = fread(buf, 1, FILE_MAX, f);
	fclose(f);
	assert_in_range(len, 16, FILE_MAX - 1);
	return len;
}

#define HEAD NLMSG_HDRLEN

static void
test_recorded(void **state)
{
	_Alignas(8) static uint8_t buf[FILE_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct netmon_report report;
		struct nlmsghdr *msg = (struct nlmsghdr *)buf;
		size_t len = load(rows[i].file, buf);
		int r;

		assert_int_equal(msg->nlmsg_len, len);
		r = netmon_parse(msg, &report);
		if (!rows[i].expected && r == -ENOMSG)
			continue;
		if (r != 0)
			fail_msg("%s: %d", rows[i].file, r);
		if (strcmp(show(&report), rows[i].expected ? rows[i].expected : "") !=
		    0)
			fail_msg("%s: %s", rows[i].file, text);
	}
}

/* Whatever the bytes are: an answer of the three, and rows that can be shown. */
static void
parse_any(const uint8_t *bytes, size_t len)
{
	/* Of its own, so that the address sanitizer sees one byte too many. */
	uint8_t *buf = test_malloc(len ? len : 1);
	struct nlmsghdr *msg = (struct nlmsghdr *)buf;
	struct netmon_report report;

	memcpy(buf, bytes, len);
	for (int left = (int)len; nlmsg_ok(msg, left); msg = nlmsg_next(msg, &left)) {
		int r = netmon_parse(msg, &report);

		assert_true(r == 0 || r == -ENOMSG || r == -EBADMSG);
		if (r == 0)
			show(&report);
	}
	test_free(buf);
}

/* F40: netlink messages cut anywhere. */
static void
test_truncated(void **state)
{
	_Alignas(8) static uint8_t buf[FILE_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct nlmsghdr *msg = (struct nlmsghdr *)buf;
		size_t len = load(rows[i].file, buf);

		for (size_t cut = 0; cut < len; cut++) {
			struct netmon_report report;

			msg->nlmsg_len = (uint32_t)len;
			parse_any(buf, cut); /* the datagram is cut */
			msg->nlmsg_len = (uint32_t)cut;
			parse_any(buf, cut); /* the message is */
			/* The smallest fixed part has 8 bytes, struct ifaddrmsg. */
			if (cut >= HEAD && cut < HEAD + 8)
				assert_int_equal(netmon_parse(msg, &report), -EBADMSG);
		}
	}
}

static void
test_flipped(void **state)
{
	_Alignas(8) static uint8_t buf[FILE_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t len = load(rows[i].file, buf);

		for (size_t bit = 0; bit < len * 8; bit++) {
			buf[bit / 8] ^= (uint8_t)(1 << bit % 8);
			parse_any(buf, len);
			buf[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
	}
}

/* The bytes of an attribute that are wrong although they fit the message. */
static void
test_wrong_attributes(void **state)
{
	static const struct {
		const char *file;
		uint16_t attr, len; /* gets this length */
	} bad[] = {
		{ "link-lo", IFLA_IFNAME, 4 },
		{ "link-lo", IFLA_MTU, 4 + 3 },
		{ "addr-4", IFA_LOCAL, 4 + 3 },
		{ "addr-6", IFA_ADDRESS, 4 + 15 },
		{ "route-4", RTA_GATEWAY, 4 + 2 },
		{ "route-4", RTA_PREFSRC, 4 + 3 },
		{ "route-4", RTA_OIF, 4 + 2 },
		{ "neigh-4", NDA_DST, 4 + 2 },
	};
	_Alignas(8) static uint8_t buf[FILE_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		static const int headers[] = { sizeof(struct ifinfomsg),
			sizeof(struct ifaddrmsg), sizeof(struct rtmsg),
			sizeof(struct ndmsg) };
		struct nlmsghdr *msg = (struct nlmsghdr *)buf;
		struct netmon_report report;
		struct nlattr *attr;
		int kind;

		load(bad[i].file, buf);
		kind = msg->nlmsg_type == RTM_NEWNEIGH ? 3 : (msg->nlmsg_type - 16) / 4;
		attr = nlmsg_find_attr(msg, headers[kind], bad[i].attr);
		assert_non_null(attr);
		attr->nla_len = bad[i].len;
		if (netmon_parse(msg, &report) != -EBADMSG)
			fail_msg("%s attribute %u", bad[i].file, bad[i].attr);
	}
}

static size_t
make_hops(uint8_t *buf, size_t hops, uint8_t flags)
{
	struct nlmsghdr *msg = (struct nlmsghdr *)buf;
	struct rtmsg *route = (struct rtmsg *)(buf + HEAD);
	struct nlattr *attr = (struct nlattr *)(route + 1);
	struct rtnexthop *hop = (struct rtnexthop *)(attr + 1);

	memset(buf, 0, FILE_MAX);
	*msg = (struct nlmsghdr) { .nlmsg_type = RTM_NEWROUTE };
	*route = (struct rtmsg) {
		.rtm_family = AF_INET,
		.rtm_type = RTN_UNICAST,
		.rtm_table = RT_TABLE_MAIN,
	};
	attr->nla_type = RTA_MULTIPATH;
	attr->nla_len = (uint16_t)(4 + hops * sizeof(*hop));
	for (size_t i = 0; i < hops; i++)
		hop[i] = (struct rtnexthop) {
			.rtnh_len = sizeof(*hop),
			.rtnh_flags = i == 0 ? flags : 0,
			.rtnh_ifindex = (int)i + 1,
		};
	msg->nlmsg_len = (uint32_t)(HEAD + sizeof(*route) + attr->nla_len);
	return (size_t)((uint8_t *)hop - buf);
}

static void
test_hops(void **state)
{
	_Alignas(8) static uint8_t buf[FILE_MAX];
	struct nlmsghdr *msg = (struct nlmsghdr *)buf;
	struct netmon_report report;
	size_t first;

	(void)state;
	make_hops(buf, 3, RTNH_F_DEAD);
	assert_int_equal(netmon_parse(msg, &report), 0);
	assert_int_equal(report.count, 2);
	assert_int_equal(report.routes[0].ifindex, 2);
	make_hops(buf, NETMON_HOPS_MAX + 9, 0);
	assert_int_equal(netmon_parse(msg, &report), 0);
	assert_int_equal(report.count, NETMON_HOPS_MAX);
	assert_int_equal(report.routes[NETMON_HOPS_MAX - 1].ifindex, NETMON_HOPS_MAX);
	first = make_hops(buf, 3, 0);
	buf[first + sizeof(struct rtnexthop)] =
	    0; /* length of the second: no progress */
	assert_int_equal(netmon_parse(msg, &report), -EBADMSG);
	buf[first + sizeof(struct rtnexthop)] = 17; /* behind the end */
	assert_int_equal(netmon_parse(msg, &report), -EBADMSG);
}

static void
test_dump_steps(void **state)
{
	_Alignas(8) static uint8_t buf[FILE_MAX];
	struct nlmsghdr *msg = (struct nlmsghdr *)buf;
	size_t rows_seen = 0;
	bool interrupted = false;
	int error = 77, left = (int)load("dump-rules-6", buf), status = -EINVAL;

	(void)state;
	for (; nlmsg_ok(msg, left); msg = nlmsg_next(msg, &left)) {
		enum netmon_dump_step step =
		    netmon_parse_dump(msg, 7, &interrupted, &error);

		assert_int_equal(
		    netmon_parse_dump(msg, 8, &interrupted, &error), NETMON_DUMP_SKIP);
		if (step == NETMON_DUMP_DONE)
			break;
		assert_int_equal(step, NETMON_DUMP_ROW);
		rows_seen++;
	}
	assert_int_equal(rows_seen, 3);
	assert_int_equal(error, 0);
	assert_false(interrupted);

	msg->nlmsg_flags |= NLM_F_DUMP_INTR;
	assert_int_equal(
	    netmon_parse_dump(msg, 7, &interrupted, &error), NETMON_DUMP_DONE);
	assert_true(interrupted);
	memcpy(nlmsg_data(msg), &status, sizeof(status));
	assert_int_equal(
	    netmon_parse_dump(msg, 7, &interrupted, &error), NETMON_DUMP_DONE);
	assert_int_equal(error, -EINVAL);
	msg->nlmsg_type = NLMSG_ERROR;
	msg->nlmsg_len = HEAD + 3;
	assert_int_equal(
	    netmon_parse_dump(msg, 7, &interrupted, &error), NETMON_DUMP_DONE);
	assert_int_equal(error, -EBADMSG);
	msg->nlmsg_type = NLMSG_NOOP;
	assert_int_equal(
	    netmon_parse_dump(msg, 7, &interrupted, &error), NETMON_DUMP_SKIP);
}

static struct netmon_addr
table_addr(uint16_t number)
{
	struct netmon_addr a;

	memset(&a, 0, sizeof(a));
	a.ifindex = 1 + number % 3;
	a.ip.family = AF_INET;
	a.ip.bytes[0] = (uint8_t)(number >> 8);
	a.ip.bytes[1] = (uint8_t)number;
	return a;
}

static void
test_table(void **state)
{
	struct netmon_tables t = { 0 }, fresh = { 0 };
	struct netmon_addr a = table_addr(0);
	const struct netmon_addr *all;
	size_t count;

	(void)state;
	assert_int_equal(netmon_table_put(&t, NETMON_ADDR, &a), 1);
	assert_int_equal(netmon_table_put(&t, NETMON_ADDR, &a), 0);
	a.deprecated = true;
	assert_int_equal(netmon_table_put(&t, NETMON_ADDR, &a), 1);
	a.prefix_len = 9; /* another address to the kernel */
	assert_int_equal(netmon_table_put(&t, NETMON_ADDR, &a), 1);
	assert_true(netmon_table_drop(&t, NETMON_ADDR, &a));
	assert_false(netmon_table_drop(&t, NETMON_ADDR, &a));

	/* Full: refused, remembered, nothing lost. */
	for (uint16_t i = 1; i < NETMON_ADDRS_MAX; i++) {
		a = table_addr(i);
		assert_int_equal(netmon_table_put(&t, NETMON_ADDR, &a), 1);
	}
	assert_false(t.of[NETMON_ADDR].full);
	a = table_addr(NETMON_ADDRS_MAX);
	assert_int_equal(netmon_table_put(&t, NETMON_ADDR, &a), 0);
	assert_true(t.of[NETMON_ADDR].full);
	all = netmon_table_addrs(&t, &count);
	assert_int_equal(count, NETMON_ADDRS_MAX);
	assert_int_equal(all[4].ip.bytes[1], 4);

	/* The same rows in another order are no difference; one row is. */
	for (uint16_t i = NETMON_ADDRS_MAX; i-- > 0;) {
		a = table_addr(i);
		a.deprecated = i == 0;
		assert_int_equal(netmon_table_append(&fresh, NETMON_ADDR, &a), 1);
	}
	assert_false(netmon_table_take(&t, NETMON_ADDR, &fresh));
	assert_int_equal(fresh.of[NETMON_ADDR].count, 0);
	assert_true(netmon_table_drop_link(&t, NETMON_ADDR, 2));
	all = netmon_table_addrs(&t, &count);
	for (size_t i = 0; i < count; i++)
		assert_int_not_equal(all[i].ifindex, 2);
	assert_int_equal(count, NETMON_ADDRS_MAX - (NETMON_ADDRS_MAX + 1) / 3);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(netmon_table_append(&fresh, NETMON_ADDR, &all[i]), 1);
	((struct netmon_addr *)fresh.of[NETMON_ADDR].rows)[5].failed = true;
	assert_true(netmon_table_take(&t, NETMON_ADDR, &fresh));
	netmon_tables_clear(&t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_recorded),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_flipped),
		cmocka_unit_test(test_wrong_attributes),
		cmocka_unit_test(test_hops),
		cmocka_unit_test(test_dump_steps),
		cmocka_unit_test(test_table),
	};

	if (__BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__) {
		print_message(
		    "skipped: the messages were recorded in the other order\n");
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
