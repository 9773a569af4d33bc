/*
 * test_judge.c - what facts about a way out mean: the findings by their codes, and the
 * verdict.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/findings.h"
#include "daemon/judge.h"
#include "proto/json.h"

/* A home as it should be: private inside, PCP, the same global address everywhere. */
static struct facts
home(void)
{
	struct facts f = {
		.any_uplink = true,
		.has_uplink = true,
		.family = ADDR_IPV4,
		.ifname = "eth0",
		.local = addr_ipv4(192, 168, 1, 20),
		.gateway = addr_ipv4(192, 168, 1, 1),
		.is_default = true,
		.realtime_us = INT64_C(1795163185000000),
		.services = { { .title = "PCP",
		    .state = SERVICE_AVAILABLE,
		    .version = "2",
		    .round_trip_us = 1200 } },
		.services_count = 1,
		.external = addr_ipv4(11, 22, 33, 44),
		.stun = FACTS_STUN_ANSWERED,
		.reflexive = addr_ipv4(11, 22, 33, 44),
		.server = addr_ipv4(11, 22, 33, 1),
		.nat = FACTS_NAT_INDEPENDENT,
	};

	return f;
}

static struct addr
ipv6(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(text, &a), 0);
	return a;
}

static void
no_router_help(struct facts *f)
{
	f->services[0].state = SERVICE_ABSENT;
	strcpy(f->services[0].reason, "no answer within 2.9 s");
	f->external = (struct addr) { .family = ADDR_NONE };
}

static void
silent(struct facts *f, enum facts_stun why)
{
	f->stun = why;
	f->reflexive = f->server = (struct addr) { .family = ADDR_NONE };
	f->nat = FACTS_NAT_UNKNOWN;
}

/* ---- situations ---- */

static void
nothing(struct facts *f)
{
	(void)f;
}

static void
offline(struct facts *f)
{
	*f = (struct facts) { .realtime_us = f->realtime_us };
}

static void
other_interface(struct facts *f)
{
	*f = (struct facts) { .any_uplink = true,
		.wanted_family = ADDR_IPV6,
		.wanted_ifname = "wlan0",
		.realtime_us = f->realtime_us };
}

static void
router_dead(struct facts *f)
{
	no_router_help(f);
	silent(f, FACTS_STUN_SILENT);
	f->router_silent = true;
}

static void
carrier(struct facts *f)
{
	f->external = addr_ipv4(100, 72, 3, 9);
}

static void
carrier_unseen(struct facts *f)
{
	carrier(f);
	silent(f, FACTS_STUN_SILENT);
}

static void
carrier_mapped(struct facts *f)
{
	carrier(f);
	f->held_global = true;
}

static void
second_router(struct facts *f)
{
	f->external = addr_ipv4(192, 168, 178, 2);
}

static void
other_address(struct facts *f)
{
	f->external = addr_ipv4(11, 22, 33, 99);
}

static void
one_of_several(struct facts *f)
{
	other_address(f);
	f->several = true;
}

static void
unmapped_cone(struct facts *f)
{
	no_router_help(f);
}

static void
unmapped_symmetric(struct facts *f)
{
	no_router_help(f);
	f->nat = FACTS_NAT_DEPENDENT;
}

static void
unmapped_blocked(struct facts *f)
{
	no_router_help(f);
	silent(f, FACTS_STUN_SILENT);
}

static void
unmapped_unmeasured(struct facts *f)
{
	no_router_help(f);
	silent(f, FACTS_STUN_NO_NAMES);
	strcpy(f->first_name, "stun.example.org");
}

static void
mapped_unseen(struct facts *f)
{
	silent(f, FACTS_STUN_NO_SERVER);
}

static void
address_hidden(struct facts *f)
{
	f->external = (struct addr) { .family = ADDR_NONE };
}

static void
address_one_hop_away(struct facts *f)
{
	address_hidden(f);
	f->translators = 1;
}

static void
carrier_by_hops(struct facts *f)
{
	address_hidden(f);
	f->translators = 2;
	f->carrier = true;
}

static void
unmapped_carrier(struct facts *f)
{
	no_router_help(f);
	carrier_by_hops(f);
}

static void
address_proven(struct facts *f)
{
	address_hidden(f);
	f->proven_open = true;
}

static void
on_the_internet(struct facts *f)
{
	no_router_help(f);
	f->local = f->reflexive;
	f->nat = FACTS_NAT_UNKNOWN;
}

static void
public_but_translated(struct facts *f)
{
	no_router_help(f);
	f->local = addr_ipv4(11, 99, 0, 1);
}

static void
behind_a_firewall(struct facts *f)
{
	on_the_internet(f);
	f->nat = FACTS_NAT_NONE;
	f->filter = FACTS_FILTER_CLOSED;
}

static void
server_at_home(struct facts *f)
{
	f->reflexive = f->local;
	f->server = addr_ipv4(192, 168, 1, 5);
	f->nat = FACTS_NAT_NONE;
}

static void
ipv6_pinholes(struct facts *f)
{
	f->family = ADDR_IPV6;
	f->local = f->reflexive = ipv6("2a10:50::20");
	f->gateway = ipv6("fe80::1");
	f->external = (struct addr) { .family = ADDR_NONE };
	f->nat = FACTS_NAT_UNKNOWN;
}

static void
ipv6_asked(struct facts *f)
{
	ipv6_pinholes(f);
	f->nat = FACTS_NAT_NONE;
	f->filter = FACTS_FILTER_CLOSED;
}

static void
ipv6_closed(struct facts *f)
{
	ipv6_pinholes(f);
	no_router_help(f);
}

static void
ipv6_open(struct facts *f)
{
	ipv6_closed(f);
	f->nat = FACTS_NAT_NONE;
	f->filter = FACTS_FILTER_OPEN;
}

static void
ipv6_unserved(struct facts *f)
{
	ipv6_closed(f);
	silent(f, FACTS_STUN_NO_FAMILY);
}

static void
quirks(struct facts *f)
{
	f->habits = (struct router_habits) { 2, true, true };
	f->disagree = true;
	f->realtime_us = 1000000;
	f->is_default = false;
	f->services[0].paused = true;
}

static const struct {
	void (*stage)(struct facts *f);
	enum judgement verdict;
	const char *codes; /* of all steps but the path, in order */
} situations[] = {
	{ nothing, JUDGED_MAPPED,
	    "uplink method_available seen_as external_matches nat_independent" },
	{ offline, JUDGED_UNREACHABLE, "offline" },
	{ other_interface, JUDGED_UNREACHABLE, "no_uplink_here" },
	{ router_dead, JUDGED_UNREACHABLE,
	    "uplink router_silent udp_blocked external_unknown" },
	{ carrier, JUDGED_MAPPED_BEHIND_SECOND_NAT,
	    "uplink method_available seen_as cgnat nat_independent" },
	{ carrier_unseen, JUDGED_MAPPED_BEHIND_SECOND_NAT,
	    "uplink method_available udp_blocked cgnat" },
	{ carrier_mapped, JUDGED_MAPPED,
	    "uplink method_available seen_as cgnat nat_independent" },
	{ second_router, JUDGED_MAPPED_BEHIND_SECOND_NAT,
	    "uplink method_available seen_as double_nat nat_independent" },
	{ other_address, JUDGED_MAPPED_BEHIND_SECOND_NAT,
	    "uplink method_available seen_as external_mismatch nat_independent" },
	{ one_of_several, JUDGED_MAPPED,
	    "uplink method_available seen_as external_global nat_independent" },
	{ unmapped_cone, JUDGED_PUNCHABLE,
	    "uplink method_absent no_method seen_as external_unknown nat_independent" },
	{ unmapped_symmetric, JUDGED_UNREACHABLE,
	    "uplink method_absent no_method seen_as external_unknown nat_symmetric" },
	{ unmapped_blocked, JUDGED_UNREACHABLE,
	    "uplink method_absent no_method udp_blocked external_unknown" },
	{ unmapped_unmeasured, JUDGED_UNKNOWN,
	    "uplink method_absent no_method dns_failing external_unknown" },
	{ mapped_unseen, JUDGED_MAPPED,
	    "uplink method_available no_stun_server external_global" },
	{ address_hidden, JUDGED_UNKNOWN,
	    "uplink method_available seen_as external_unknown nat_independent" },
	{ address_one_hop_away, JUDGED_MAPPED,
	    "uplink method_available seen_as external_own nat_independent" },
	{ carrier_by_hops, JUDGED_MAPPED_BEHIND_SECOND_NAT,
	    "uplink method_available seen_as cgnat nat_independent" },
	{ unmapped_carrier, JUDGED_PUNCHABLE,
	    "uplink method_absent no_method seen_as cgnat nat_independent" },
	{ address_proven, JUDGED_MAPPED,
	    "uplink method_available seen_as external_unknown nat_independent" },
	{ on_the_internet, JUDGED_DIRECT,
	    "uplink method_absent seen_as address_global nat_none" },
	{ public_but_translated, JUDGED_PUNCHABLE,
	    "uplink method_absent no_method seen_as external_unknown nat_independent" },
	{ behind_a_firewall, JUDGED_PUNCHABLE,
	    "uplink method_absent seen_as address_global nat_none firewall" },
	{ server_at_home, JUDGED_MAPPED,
	    "uplink method_available server_inside external_global" },
	{ ipv6_pinholes, JUDGED_MAPPED,
	    "uplink method_available seen_as address_global nat_none" },
	{ ipv6_asked, JUDGED_MAPPED,
	    "uplink method_available seen_as address_global nat_none firewall_opened" },
	{ ipv6_closed, JUDGED_UNKNOWN,
	    "uplink method_absent seen_as address_global nat_none no_pinholes" },
	{ ipv6_open, JUDGED_DIRECT,
	    "uplink method_absent seen_as address_global nat_none" },
	{ ipv6_unserved, JUDGED_UNKNOWN,
	    "uplink method_absent no_stun_family address_global nat_none no_pinholes" },
	{ quirks, JUDGED_MAPPED,
	    "uplink not_default clock_wrong method_paused quirk_same_port quirk_lease "
	    "quirk_any_port seen_as servers_disagree external_matches "
	    "nat_independent" },
};

static void
codes_of(const cJSON *findings, char *ret, size_t size)
{
	const cJSON *item;
	size_t n = 0;

	ret[0] = '\0';
	cJSON_ArrayForEach(item, findings)
	{
		n += (size_t)snprintf(ret + n, size - n, "%s%s", n ? " " : "",
		    json_get_string(item, "code"));
		assert_true(n < size);
	}
}

static void
test_situations(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(situations); i++) {
		struct facts f = home();
		cJSON *findings = cJSON_CreateArray();
		char codes[512], summary[JUDGE_SUMMARY_MAX];

		situations[i].stage(&f);
		judge_network(&f, findings);
		if (f.has_uplink) {
			judge_router(&f, findings);
			judge_outside(&f, findings);
			judge_addresses(&f, findings);
			judge_nat(&f, findings);
		}
		codes_of(findings, codes, sizeof(codes));
		if (strcmp(codes, situations[i].codes) != 0)
			fail_msg("situation %zu: %s", i, codes);
		if (judge_verdict(&f, summary) != situations[i].verdict)
			fail_msg("situation %zu: %s", i, summary);
		/* One line of a terminal, behind "     Verdict: ". */
		assert_in_range(strlen(summary), 10, 79 - 14);
		cJSON_Delete(findings);
	}
}

/* ---- the path ---- */

static const struct {
	void (*stage)(struct facts *f);
	const char *hops; /* codes without "hop_" and texts */
} paths[] = {
	{ nothing, "host=192.168.1.20 host=eth0 router=192.168.1.1 router=11.22.33.44 "
		   "internet=11.22.33.1 internet=sees 11.22.33.44" },
	{ carrier, "host=192.168.1.20 host=eth0 router=192.168.1.1 router=100.72.3.9 "
		   "carrier=? carrier=11.22.33.44 internet=11.22.33.1 "
		   "internet=sees 11.22.33.44" },
	{ carrier_unseen,
	    "host=192.168.1.20 host=eth0 router=192.168.1.1 router=100.72.3.9 "
	    "carrier=? internet=no answer" },
	{ second_router,
	    "host=192.168.1.20 host=eth0 router=192.168.1.1 router=192.168.178.2 "
	    "nat=? nat=11.22.33.44 internet=11.22.33.1 internet=sees 11.22.33.44" },
	/* It may be the router's, or that of a NAT behind it. */
	{ unmapped_cone,
	    "host=192.168.1.20 host=eth0 router=192.168.1.1 internet=11.22.33.1 "
	    "internet=sees 11.22.33.44" },
	{ mapped_unseen,
	    "host=192.168.1.20 host=eth0 router=192.168.1.1 router=11.22.33.44 "
	    "internet=not asked" },
	{ ipv6_pinholes,
	    "host=2a10:50::20 host=eth0 router=fe80::1 internet=11.22.33.1 "
	    "internet=sees 2a10:50::20" },
	{ offline, "" },
};

static void
test_paths(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		struct facts f = home();
		cJSON *findings = cJSON_CreateArray();
		char hops[512] = "";
		const cJSON *item;
		size_t n = 0;

		paths[i].stage(&f);
		if (f.gateway.family == ADDR_IPV6)
			f.gateway.scope = 2;
		judge_path(&f, findings);
		cJSON_ArrayForEach(item, findings) n +=
		    (size_t)snprintf(hops + n, sizeof(hops) - n, "%s%s=%s",
			n ? " " : "", json_get_string(item, "code") + strlen("hop_"),
			json_get_string(item, "message"));
		assert_string_equal(hops, paths[i].hops);
		cJSON_Delete(findings);
	}
}

static void
test_other_family(void **state)
{
	static const struct {
		const char *address, *code;
		bool pinholes, ipv6;
	} rows[] = {
		{ NULL, "ipv6_none", false, false },
		{ NULL, "ipv4_none", false, true },
		{ "2a10:50::20", "ipv6_firewall", false, false },
		{ "2a10:50::20", "ipv6_pinholes", true, false },
		{ "fd00::20", "other_family", true, false },
		{ "192.168.1.20", "other_family", false, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct facts f = home();
		cJSON *findings = cJSON_CreateArray();

		f.other_pinholes = rows[i].pinholes;
		if (rows[i].ipv6)
			f.family = ADDR_IPV6;
		if (rows[i].address)
			f.other = ipv6(rows[i].address);
		judge_other_family(&f, findings);
		assert_string_equal(
		    json_get_string(findings->child, "code"), rows[i].code);
		cJSON_Delete(findings);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_situations),
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_other_family),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
