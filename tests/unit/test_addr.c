/*
 * test_addr.c - literals, canonical text, classes, the 16-byte form.
 */
#include "proto/addr.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "proto/util.h"

static struct addr
parse(const char *text)
{
	struct addr a;

	if (addr_parse(text, &a) < 0)
		fail_msg("%s is no address", text);
	return a;
}

/* RFC 5952 section 4, and what comes out of other spellings. */
static const struct {
	const char *in, *out;
} canonical[] = {
	{ "0.0.0.0", "0.0.0.0" },
	{ "192.0.2.1", "192.0.2.1" },
	{ "255.255.255.255", "255.255.255.255" },
	{ "::", "::" },
	{ "::1", "::1" },
	{ "0:0:0:0:0:0:0:1", "::1" },
	{ "2001:0db8::0001", "2001:db8::1" },               /* 4.1 */
	{ "2001:db8:0:0:0:0:2:1", "2001:db8::2:1" },        /* 4.2.1 */
	{ "2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1" }, /* 4.2.2 */
	{ "2001:db8::1:1:1:1:1", "2001:db8:0:1:1:1:1:1" },  /* 4.2.2 */
	{ "2001:0:0:1:0:0:0:1", "2001:0:0:1::1" },          /* 4.2.3, the longest */
	{ "2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1" },    /* 4.2.3, the first */
	{ "2001:DB8::ABCD", "2001:db8::abcd" },             /* 4.3 */
	{ "2001:db8:1:2:3:4:5:0", "2001:db8:1:2:3:4:5:0" },
	{ "::ffff:192.0.2.1", "::ffff:192.0.2.1" }, /* 5 */
	{ "::ffff:c000:201", "::ffff:192.0.2.1" },
	{ "fe80::1", "fe80::1" },
	{ "fe80::1%7", "fe80::1%7" },
	{ "fe80::1%4294967295", "fe80::1%4294967295" },
	{ "febf::%1", "febf::%1" },
	{ "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
	    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" },
};

static void
test_canonical_text(void **state)
{
	char text[ADDR_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(canonical); i++) {
		struct addr a = parse(canonical[i].in), b;

		assert_string_equal(addr_format(&a, text), canonical[i].out);
		b = parse(text);
		assert_true(addr_equal(&a, &b));
	}
	assert_string_equal(addr_format(&(struct addr) { 0 }, text), "-");
}

static const char *const no_literals[] = {
	"",
	" ",
	"localhost",
	"router.lan",
	"1",
	"1.2.3",
	"1.2.3.4.5",
	"1.2.3.256",
	"1.2.3.-1",
	"01.2.3.4",
	"1.2.3.04",
	"0x1.2.3.4",
	"0x7f000001",
	"2130706433",
	" 1.2.3.4",
	"1.2.3.4 ",
	"1.2.3.4\n",
	"1.2.3.4:80",
	"1.2.3.4/24",
	"1.2.3.4%1",
	"[::1]",
	"::1]",
	":::",
	":",
	"1:2:3:4:5:6:7",
	"1:2:3:4:5:6:7:8:9",
	"1::2::3",
	"12345::",
	"g::",
	"::1.2.3",
	"::1.2.3.256",
	"::1%1",
	"2001:db8::1%1",
	"ff02::1%1",
	"fec0::1%1",
	"fe80::1%",
	"fe80::1%eth0",
	"fe80::1%-1",
	"fe80::1% 1",
	"fe80::1%4294967296",
	"fe80::1%1%2",
	"%1",
	"1111111111111111111111111111111111111111111111111111111111111111111111111111",
};

static void
test_no_literals(void **state)
{
	struct addr a = addr_ipv4(9, 9, 9, 9), before = a;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(no_literals); i++) {
		if (addr_parse(no_literals[i], &a) != -EINVAL)
			fail_msg("\"%s\" was taken", no_literals[i]);
		assert_true(addr_equal(&a, &before));
	}
}

/* First and last of each range, and the neighbours outside. */
static const struct {
	const char *text;
	enum addr_class class;
} classes[] = {
	{ "0.0.0.0", ADDR_CLASS_UNSPECIFIED },
	{ "0.255.255.255", ADDR_CLASS_UNSPECIFIED },
	{ "1.0.0.0", ADDR_CLASS_GLOBAL },
	{ "9.255.255.255", ADDR_CLASS_GLOBAL },
	{ "10.0.0.0", ADDR_CLASS_PRIVATE },
	{ "10.255.255.255", ADDR_CLASS_PRIVATE },
	{ "11.0.0.0", ADDR_CLASS_GLOBAL },
	{ "100.63.255.255", ADDR_CLASS_GLOBAL },
	{ "100.64.0.0", ADDR_CLASS_CGN },
	{ "100.127.255.255", ADDR_CLASS_CGN },
	{ "100.128.0.0", ADDR_CLASS_GLOBAL },
	{ "126.255.255.255", ADDR_CLASS_GLOBAL },
	{ "127.0.0.0", ADDR_CLASS_LOOPBACK },
	{ "127.255.255.255", ADDR_CLASS_LOOPBACK },
	{ "128.0.0.0", ADDR_CLASS_GLOBAL },
	{ "169.253.255.255", ADDR_CLASS_GLOBAL },
	{ "169.254.0.0", ADDR_CLASS_LINK_LOCAL },
	{ "169.254.255.255", ADDR_CLASS_LINK_LOCAL },
	{ "169.255.0.0", ADDR_CLASS_GLOBAL },
	{ "172.15.255.255", ADDR_CLASS_GLOBAL },
	{ "172.16.0.0", ADDR_CLASS_PRIVATE },
	{ "172.31.255.255", ADDR_CLASS_PRIVATE },
	{ "172.32.0.0", ADDR_CLASS_GLOBAL },
	{ "192.0.0.0", ADDR_CLASS_RESERVED },
	{ "192.0.0.8", ADDR_CLASS_RESERVED },
	{ "192.0.0.9", ADDR_CLASS_GLOBAL },
	{ "192.0.0.10", ADDR_CLASS_GLOBAL },
	{ "192.0.0.11", ADDR_CLASS_RESERVED },
	{ "192.0.0.255", ADDR_CLASS_RESERVED },
	{ "192.0.1.0", ADDR_CLASS_GLOBAL },
	{ "192.0.2.0", ADDR_CLASS_RESERVED },
	{ "192.0.2.255", ADDR_CLASS_RESERVED },
	{ "192.88.99.1", ADDR_CLASS_RESERVED },
	{ "192.167.255.255", ADDR_CLASS_GLOBAL },
	{ "192.168.0.0", ADDR_CLASS_PRIVATE },
	{ "192.168.255.255", ADDR_CLASS_PRIVATE },
	{ "192.169.0.0", ADDR_CLASS_GLOBAL },
	{ "198.17.255.255", ADDR_CLASS_GLOBAL },
	{ "198.18.0.0", ADDR_CLASS_RESERVED },
	{ "198.19.255.255", ADDR_CLASS_RESERVED },
	{ "198.20.0.0", ADDR_CLASS_GLOBAL },
	{ "198.51.100.7", ADDR_CLASS_RESERVED },
	{ "203.0.113.7", ADDR_CLASS_RESERVED },
	{ "203.0.114.0", ADDR_CLASS_GLOBAL },
	{ "223.255.255.255", ADDR_CLASS_GLOBAL },
	{ "224.0.0.0", ADDR_CLASS_MULTICAST },
	{ "239.255.255.255", ADDR_CLASS_MULTICAST },
	{ "240.0.0.0", ADDR_CLASS_RESERVED },
	{ "255.255.255.255", ADDR_CLASS_RESERVED },
	{ "::", ADDR_CLASS_UNSPECIFIED },
	{ "::1", ADDR_CLASS_LOOPBACK },
	{ "::2", ADDR_CLASS_RESERVED },
	{ "::ffff:8.8.8.8", ADDR_CLASS_RESERVED },
	{ "64:ff9b::808:808", ADDR_CLASS_RESERVED },
	{ "64:ff9b:1::1", ADDR_CLASS_RESERVED },
	{ "100::1", ADDR_CLASS_RESERVED },
	{ "1fff::1", ADDR_CLASS_RESERVED },
	{ "2000::1", ADDR_CLASS_GLOBAL },
	{ "2001::1", ADDR_CLASS_RESERVED },
	{ "2001:1::1", ADDR_CLASS_GLOBAL },
	{ "2001:1::2", ADDR_CLASS_GLOBAL },
	{ "2001:1::3", ADDR_CLASS_RESERVED },
	{ "2001:1ff:ffff::1", ADDR_CLASS_RESERVED },
	{ "2001:200::1", ADDR_CLASS_GLOBAL },
	{ "2001:db7::1", ADDR_CLASS_GLOBAL },
	{ "2001:db8::1", ADDR_CLASS_RESERVED },
	{ "2001:db9::1", ADDR_CLASS_GLOBAL },
	{ "2a00:1450::1", ADDR_CLASS_GLOBAL },
	{ "3fff::1", ADDR_CLASS_RESERVED },
	{ "3fff:1000::1", ADDR_CLASS_GLOBAL },
	{ "4000::1", ADDR_CLASS_RESERVED },
	{ "fbff::1", ADDR_CLASS_RESERVED },
	{ "fc00::1", ADDR_CLASS_PRIVATE },
	{ "fdff::1", ADDR_CLASS_PRIVATE },
	{ "fe7f::1", ADDR_CLASS_RESERVED },
	{ "fe80::1", ADDR_CLASS_LINK_LOCAL },
	{ "febf::1", ADDR_CLASS_LINK_LOCAL },
	{ "fec0::1", ADDR_CLASS_RESERVED },
	{ "ff02::1", ADDR_CLASS_MULTICAST },
};

static void
test_classes(void **state)
{
	const struct addr none = { 0 };
	unsigned seen = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(classes); i++) {
		struct addr a = parse(classes[i].text);

		if (addr_classify(&a) != classes[i].class)
			fail_msg("%s is %s", classes[i].text,
			    addr_class_name(addr_classify(&a)));
		assert_int_equal(
		    addr_is_global(&a), classes[i].class == ADDR_CLASS_GLOBAL);
		seen |= 1u << classes[i].class;
	}
	assert_int_equal(seen, (1u << (ADDR_CLASS_GLOBAL + 1)) - 1);
	assert_int_equal(addr_classify(&none), ADDR_CLASS_UNSPECIFIED);
	assert_string_equal(addr_class_name(ADDR_CLASS_CGN), "carrier-grade NAT");
	for (int c = 0; c <= ADDR_CLASS_GLOBAL; c++)
		assert_non_null(addr_class_name((enum addr_class)c));
}

static void
test_equal(void **state)
{
	struct addr a = parse("fe80::1%2"), b = parse("fe80::1%3"),
		    c = parse("fe80::1%2"), none = { 0 }, any = parse("0.0.0.0");
	struct endpoint e = { a, 80 }, f = { c, 80 }, g = { c, 81 }, h = { b, 80 };

	(void)state;
	assert_true(addr_equal(&a, &c));
	assert_false(addr_equal(&a, &b));      /* the scope */
	assert_false(addr_equal(&none, &any)); /* the family */
	assert_true(endpoint_equal(&e, &f));
	assert_false(endpoint_equal(&e, &g));
	assert_false(endpoint_equal(&e, &h));
	assert_true(addr_is_unspecified(&none));
	assert_true(addr_is_unspecified(&any));
	any = parse("::");
	assert_true(addr_is_unspecified(&any));
	assert_false(addr_is_unspecified(&a));
}

static void
test_bytes(void **state)
{
	static const uint8_t mapped[16] = { [10] = 0xff, 0xff, 192, 0, 2, 1 };
	struct addr v4 = addr_ipv4(192, 0, 2, 1), v6 = parse("2001:db8::1"), back;
	uint8_t bytes[16];

	(void)state;
	addr_to_ipv6_bytes(&v4, bytes);
	assert_memory_equal(bytes, mapped, 16);
	back = addr_from_ipv6_bytes(bytes);
	assert_true(addr_equal(&back, &v4));
	addr_to_ipv6_bytes(&v6, bytes);
	assert_memory_equal(bytes, v6.bytes, 16);
	back = addr_from_ipv6_bytes(bytes);
	assert_true(addr_equal(&back, &v6));
	back = addr_from_bytes(ADDR_IPV4, mapped + 12);
	assert_true(addr_equal(&back, &v4));
	back = addr_from_bytes(ADDR_IPV6, v6.bytes);
	assert_true(addr_equal(&back, &v6));
	back = parse("192.0.2.1");
	assert_true(addr_equal(&back, &v4)); /* no rest behind the four bytes */
	assert_int_equal(addr_len(ADDR_IPV4), 4);
	assert_int_equal(addr_len(ADDR_IPV6), 16);
	assert_int_equal(addr_len(ADDR_NONE), 0);
}

static void
test_hosts(void **state)
{
	static const struct {
		const char *text;
		bool host, mappable;
	} rows[] = {
		{ "192.168.1.1", true, true },
		{ "169.254.1.1", true, true },
		{ "203.0.113.1", true, true },
		{ "0.0.0.0", false, false },
		{ "127.0.0.1", false, false },
		{ "224.0.0.1", false, false },
		{ "255.255.255.255", false, false },
		{ "2001:db8::1", true, true },
		{ "fe80::1", true, false },
		{ "::", false, false },
		{ "::1", false, false },
		{ "ff02::1", false, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct addr a = parse(rows[i].text);

		if (addr_is_host(&a) != rows[i].host ||
		    addr_is_mappable(&a) != rows[i].mappable)
			fail_msg("%s", rows[i].text);
	}
}

static void
test_endpoint_text(void **state)
{
	static const struct {
		const char *addr;
		uint16_t port;
		const char *text;
	} rows[] = {
		{ "192.0.2.1", 80, "192.0.2.1:80" },
		{ "2001:db8::1", 65535, "[2001:db8::1]:65535" },
		{ "fe80::1%3", 0, "[fe80::1%3]:0" },
	};
	char text[ENDPOINT_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct endpoint e = { parse(rows[i].addr), rows[i].port };

		assert_string_equal(endpoint_format(&e, text), rows[i].text);
	}
}

/* Behind "%" an interface's name; what is written with one is read again. */
static void
test_zones(void **state)
{
	static const struct {
		const char *text, *addr, *zone; /* zone NULL: no literal */
	} rows[] = {
		{ "fe80::1%eth0", "fe80::1", "eth0" },
		{ "fe80::1%br-lan.100", "fe80::1", "br-lan.100" },
		{ "fe80::1%6to4", "fe80::1", "6to4" },
		{ "fe80::1%fifteen_letters", "fe80::1", "fifteen_letters" },
		{ "fe80::1%7", "fe80::1%7", "" },
		{ "fe80::1", "fe80::1", "" },
		{ "192.0.2.1", "192.0.2.1", "" },
		{ "fe80::1%sixteen__letters", "", NULL },
		{ "fe80::1%", "", NULL },
		{ "fe80::1%eth0%eth1", "", NULL },
		{ "fe80::1%$(reboot)", "", NULL },
		{ "fe80::1%a b", "", NULL },
		{ "fe80::1%4294967296", "", NULL },
		{ "2001:db8::1%eth0", "", NULL },
		{ "192.0.2.1%eth0", "", NULL },
	};
	struct endpoint e = { parse("fe80::1%7"), 80 };
	char text[ENDPOINT_TEXT_MAX], zone[ADDR_ZONE_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		int r = addr_parse_zone(rows[i].text, &e.addr, zone);

		if ((r < 0) != !rows[i].zone)
			fail_msg("%s: %d", rows[i].text, r);
		if (r < 0)
			continue;
		assert_string_equal(addr_format(&e.addr, text), rows[i].addr);
		assert_string_equal(zone, rows[i].zone);
	}
	e.addr = parse("fe80::1%7");
	assert_string_equal(addr_format_zone(&e.addr, "eth0", text), "fe80::1%eth0");
	assert_string_equal(
	    endpoint_format_zone(&e, "eth0", text), "[fe80::1%eth0]:80");
	assert_string_equal(addr_format_zone(&e.addr, NULL, text), "fe80::1%7");
	assert_string_equal(addr_format_zone(&e.addr, "a b", text), "fe80::1%7");
	assert_string_equal(addr_format_zone(&e.addr, "", text), "fe80::1");
	e.addr = parse("2001:db8::1");
	assert_string_equal(addr_format_zone(&e.addr, "eth0", text), "2001:db8::1");
	memset(e.addr.bytes, 0xfe, sizeof(e.addr.bytes));
	e.addr.scope = 1;
	e.port = 65535;
	endpoint_format_zone(&e, "fifteen_letters", text);
	assert_string_equal(text + strlen(text) - 23, "%fifteen_letters]:65535");
}

/* 4 and 6: families; the number behind: which one of it. */
static void
test_endpoints_in_turn(void **state)
{
	static const struct {
		const char *before, *after;
	} rows[] = {
		{ "", "" },
		{ "41", "41" },
		{ "41 42 43", "41 42 43" },
		{ "41 42 61", "41 61 42" },
		{ "61 62 63 41", "61 41 62 63" },
		{ "61 62 41 42", "61 41 62 42" },
		{ "41 61 62 63 42", "41 61 42 62 63" },
	};
	struct endpoint list[8];
	char text[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		size_t n = 0, len = 0;

		for (const char *at = rows[i].before; *at; at += 2 + (at[2] == ' ')) {
			list[n++] = (struct endpoint) {
				.addr.family = at[0] == '4' ? ADDR_IPV4 : ADDR_IPV6,
				.port = (uint16_t)(at[1] - '0'),
			};
		}
		endpoints_in_turn(list, n);
		text[0] = '\0';
		for (size_t j = 0; j < n; j++)
			len += (size_t)snprintf(text + len, sizeof(text) - len,
			    "%s%d%u", j ? " " : "", list[j].addr.family, list[j].port);
		assert_string_equal(text, rows[i].after);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_canonical_text),
		cmocka_unit_test(test_no_literals),
		cmocka_unit_test(test_classes),
		cmocka_unit_test(test_equal),
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_hosts),
		cmocka_unit_test(test_endpoint_text),
		cmocka_unit_test(test_zones),
		cmocka_unit_test(test_endpoints_in_turn),
	};

	return cmocka_run_group_tests_name("addr", tests, NULL, NULL);
}
