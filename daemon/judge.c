/*
 * judge.c - what the facts about the way out mean.
 */
#include "daemon/judge.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "daemon/findings.h"
#include "proto/util.h"

/* No clock that was ever set shows less: the year in which this was written. */
#define CLOCK_MIN_US (INT64_C(1767225600) * 1000000)

const char *
judgement_name(enum judgement j)
{
	static const char *const names[JUDGED_MAX] = {
		[JUDGED_UNKNOWN] = "unknown",
		[JUDGED_DIRECT] = "direct",
		[JUDGED_MAPPED] = "mapped",
		[JUDGED_MAPPED_BEHIND_SECOND_NAT] = "mapped_behind_second_nat",
		[JUDGED_PUNCHABLE] = "punchable",
		[JUDGED_UNREACHABLE] = "unreachable",
	};

	return names[j];
}

/* ---- what follows from the facts ---- */

/* The address the Internet sees, if somebody on the Internet was asked. */
static bool
knows_outside(const struct facts *f)
{
	return f->stun == FACTS_STUN_ANSWERED && addr_is_global(&f->reflexive);
}

/* A server of the same network sees a private address as it is. */
static enum facts_nat
nat_of(const struct facts *f)
{
	return f->nat == FACTS_NAT_NONE && !addr_is_global(&f->local)
		   ? FACTS_NAT_UNKNOWN
		   : f->nat;
}

static bool
without_nat(const struct facts *f)
{
	if (nat_of(f) != FACTS_NAT_UNKNOWN)
		return nat_of(f) == FACTS_NAT_NONE;
	return addr_is_global(&f->local) &&
	       (!knows_outside(f) || addr_equal(&f->local, &f->reflexive));
}

/* The router's own address is translated once more. */
static bool
second_nat(const struct facts *f)
{
	if (without_nat(f))
		return false;
	if (f->external.family == ADDR_NONE)
		return f->translators > 1;
	/* Of a pool, it is no matter which of them is seen. */
	return !addr_is_global(&f->external) ||
	       (knows_outside(f) && !f->several &&
		   !addr_equal(&f->external, &f->reflexive));
}

static bool
by_carrier(const struct facts *f)
{
	if (f->external.family == ADDR_NONE)
		return second_nat(f) && f->carrier;
	return addr_classify(&f->external) == ADDR_CLASS_CGN;
}

/* The router does not say so, but it is the only translator. */
static bool
is_routers_own(const struct facts *f)
{
	return f->external.family == ADDR_NONE && f->translators == 1 &&
	       knows_outside(f) && !without_nat(f);
}

static bool
any_method(const struct facts *f)
{
	for (size_t i = 0; i < f->services_count; i++)
		if (f->services[i].state == SERVICE_AVAILABLE)
			return true;
	return false;
}

static const char *
family_text(enum addr_family family)
{
	return family == ADDR_IPV6 ? "IPv6" : family == ADDR_IPV4 ? "IPv4" : "";
}

/* For people: the interface is named beside it. */
static const char *
text_of(const struct addr *a, char ret[static ADDR_TEXT_MAX])
{
	return addr_format_zone(a, "", ret);
}

/* ---- steps ---- */

static void
judge_clock(const struct facts *f, cJSON *findings)
{
	time_t seconds = (time_t)(f->realtime_us / 1000000);
	char text[32];
	struct tm utc;

	if (f->realtime_us >= CLOCK_MIN_US || !gmtime_r(&seconds, &utc))
		return;
	strftime(text, sizeof(text), "%Y-%m-%d %H:%M UTC", &utc);
	finding_add(findings, FINDING_CLOCK_WRONG, text, NULL, NULL);
}

void
judge_network(const struct facts *f, cJSON *findings)
{
	char local[ADDR_TEXT_MAX], gateway[ADDR_TEXT_MAX], on[IF_NAMESIZE + 8];

	if (!f->any_uplink) {
		finding_add(findings, FINDING_OFFLINE, NULL, NULL, NULL);
	} else if (!f->has_uplink) {
		snprintf(on, sizeof(on), "%s%s", f->wanted_ifname[0] ? " on " : "",
		    f->wanted_ifname);
		finding_add(findings, FINDING_NO_UPLINK_HERE,
		    f->wanted_family == ADDR_NONE ? "usable"
						  : family_text(f->wanted_family),
		    on, NULL);
	} else {
		text_of(&f->local, local);
		text_of(&f->gateway, gateway);
		finding_add(findings,
		    f->gateway.family == ADDR_NONE ? FINDING_NO_ROUTER : FINDING_UPLINK,
		    f->ifname, local, gateway);
		if (!f->is_default)
			finding_add(
			    findings, FINDING_NOT_DEFAULT, f->ifname, NULL, NULL);
	}
	judge_clock(f, findings);
}

static void
judge_service(const struct facts_service *s, cJSON *findings)
{
	char name[64], time[48] = "";

	/* "UPnP IGD:2" says it already, and there is only one NAT-PMP. */
	const bool has_version =
	    s->version[0] && !strchr(s->title, ':') && strcmp(s->version, "0") != 0;

	snprintf(name, sizeof(name), "%s%s%s", s->title, has_version ? " " : "",
	    has_version ? s->version : "");
	if (s->round_trip_us > 0)
		snprintf(time, sizeof(time), " within %.1f ms",
		    (double)s->round_trip_us / 1000);
	if (s->paused)
		finding_add(findings, FINDING_METHOD_PAUSED, name, s->reason, NULL);
	else if (s->state == SERVICE_AVAILABLE)
		finding_add(findings, FINDING_METHOD_AVAILABLE, name, time, NULL);
	else if (s->state == SERVICE_ABSENT)
		finding_add(findings, FINDING_METHOD_ABSENT, s->title,
		    s->reason[0] ? s->reason : "not there", NULL);
	else
		finding_add(findings, FINDING_METHOD_PENDING, s->title, NULL, NULL);
}

void
judge_router(const struct facts *f, cJSON *findings)
{
	char gateway[ADDR_TEXT_MAX], seconds[16];

	text_of(&f->gateway, gateway);
	if (f->router_silent) {
		finding_add(findings, FINDING_ROUTER_SILENT, gateway, f->ifname, NULL);
		return;
	}
	for (size_t i = 0; i < f->services_count; i++)
		judge_service(&f->services[i], findings);
	if (f->gateway.family != ADDR_NONE && f->family != ADDR_IPV6 &&
	    !any_method(f) && !without_nat(f))
		finding_add(findings, FINDING_NO_METHOD, gateway, NULL, NULL);
	if (f->outbound_s) {
		snprintf(seconds, sizeof(seconds), "%" PRIu32, f->outbound_s);
		finding_add(findings, FINDING_FIREWALL_TIMEOUT, seconds, NULL, NULL);
	}
	if (f->habits.same_port)
		finding_add(findings, FINDING_QUIRK_SAME_PORT, NULL, NULL, NULL);
	if (f->habits.lease_rung)
		finding_add(findings, FINDING_QUIRK_LEASE, NULL, NULL, NULL);
	if (f->habits.no_add_any)
		finding_add(findings, FINDING_QUIRK_ANY_PORT, NULL, NULL, NULL);
}

void
judge_outside(const struct facts *f, cJSON *findings)
{
	char seen[ADDR_TEXT_MAX], server[ADDR_TEXT_MAX];

	switch (f->stun) {
	case FACTS_STUN_ANSWERED:
		text_of(&f->reflexive, seen);
		text_of(&f->server, server);
		finding_add(findings,
		    knows_outside(f) ? FINDING_SEEN_AS : FINDING_SERVER_INSIDE, seen,
		    server, NULL);
		if (f->disagree)
			finding_add(
			    findings, FINDING_SERVERS_DISAGREE, NULL, NULL, NULL);
		break;
	case FACTS_STUN_NO_SERVER:
		finding_add(findings, FINDING_NO_STUN_SERVER, NULL, NULL, NULL);
		break;
	case FACTS_STUN_NO_NAMES:
		finding_add(findings, FINDING_DNS_FAILING, f->first_name, NULL, NULL);
		break;
	case FACTS_STUN_NO_FAMILY:
		finding_add(findings, FINDING_NO_STUN_FAMILY, family_text(f->family),
		    NULL, NULL);
		break;
	case FACTS_STUN_NO_ROUTE:
		finding_add(findings, FINDING_NO_WAY_OUT, NULL, NULL, NULL);
		break;
	case FACTS_STUN_PENDING:
	case FACTS_STUN_SILENT:
		finding_add(findings, FINDING_UDP_BLOCKED, NULL, NULL, NULL);
		break;
	}
}

void
judge_addresses(const struct facts *f, cJSON *findings)
{
	char external[ADDR_TEXT_MAX], seen[ADDR_TEXT_MAX], local[ADDR_TEXT_MAX];
	char also[ADDR_TEXT_MAX + 32] = "";

	text_of(&f->external, external);
	text_of(&f->reflexive, seen);
	if (knows_outside(f))
		snprintf(also, sizeof(also), "; the Internet sees %s", seen);
	if (without_nat(f)) {
		finding_add(findings, FINDING_ADDRESS_GLOBAL, text_of(&f->local, local),
		    NULL, NULL);
	} else if (is_routers_own(f)) {
		finding_add(findings, FINDING_EXTERNAL_OWN, seen, NULL, NULL);
	} else if (f->external.family == ADDR_NONE && by_carrier(f)) {
		finding_add(
		    findings, FINDING_CGNAT, "of the carrier's network", also, NULL);
	} else if (f->external.family == ADDR_NONE) {
		if (f->gateway.family != ADDR_NONE)
			finding_add(
			    findings, FINDING_EXTERNAL_UNKNOWN, NULL, NULL, NULL);
	} else if (by_carrier(f)) {
		finding_add(findings, FINDING_CGNAT, external, also, NULL);
	} else if (!addr_is_global(&f->external)) {
		finding_add(findings, FINDING_DOUBLE_NAT, external, also, NULL);
	} else if (second_nat(f)) {
		finding_add(findings, FINDING_EXTERNAL_MISMATCH, external, seen, NULL);
	} else {
		finding_add(findings,
		    knows_outside(f) && addr_equal(&f->external, &f->reflexive)
			? FINDING_EXTERNAL_MATCHES
			: FINDING_EXTERNAL_GLOBAL,
		    external, NULL, NULL);
	}
}

/* Who is let in where nobody translates, and whether natd can change it. */
static void
judge_firewall(const struct facts *f, cJSON *findings)
{
	bool opens = f->family == ADDR_IPV6 && any_method(f);
	char gateway[ADDR_TEXT_MAX];

	if (f->filter == FACTS_FILTER_CLOSED)
		finding_add(findings,
		    opens ? FINDING_FIREWALL_OPENED : FINDING_FIREWALL, NULL, NULL,
		    NULL);
	if (f->family == ADDR_IPV6 && f->gateway.family != ADDR_NONE && !opens &&
	    f->filter != FACTS_FILTER_OPEN)
		finding_add(findings, FINDING_NO_PINHOLES,
		    text_of(&f->gateway, gateway), NULL, NULL);
}

void
judge_nat(const struct facts *f, cJSON *findings)
{
	static const enum finding_code codes[] = {
		[FACTS_NAT_UNKNOWN] = FINDING_NAT_UNKNOWN,
		[FACTS_NAT_NONE] = FINDING_NAT_NONE,
		[FACTS_NAT_INDEPENDENT] = FINDING_NAT_INDEPENDENT,
		[FACTS_NAT_DEPENDENT] = FINDING_NAT_SYMMETRIC,
	};
	const bool none = without_nat(f);

	/* Why it is not known was said where nobody answered. */
	if (!none && nat_of(f) == FACTS_NAT_UNKNOWN && !knows_outside(f))
		return;
	finding_add(
	    findings, none ? FINDING_NAT_NONE : codes[nat_of(f)], NULL, NULL, NULL);
	if (none)
		judge_firewall(f, findings);
}

void
judge_other_family(const struct facts *f, cJSON *findings)
{
	char text[ADDR_TEXT_MAX];

	text_of(&f->other, text);
	if (f->other.family == ADDR_NONE)
		finding_add(findings,
		    f->family == ADDR_IPV6 ? FINDING_IPV4_NONE : FINDING_IPV6_NONE,
		    NULL, NULL, NULL);
	else if (f->other.family == ADDR_IPV4 || !addr_is_global(&f->other))
		finding_add(
		    findings, FINDING_OTHER_FAMILY, text, f->other_ifname, NULL);
	else
		finding_add(findings,
		    f->other_pinholes ? FINDING_IPV6_PINHOLES : FINDING_IPV6_FIREWALL,
		    text, NULL, NULL);
}

/* ---- the path ---- */

static void
add_hop(cJSON *findings, enum finding_code hop, const struct addr *a)
{
	char text[ADDR_TEXT_MAX];

	if (a->family != ADDR_NONE)
		finding_add(findings, hop, text_of(a, text), NULL, NULL);
}

void
judge_path(const struct facts *f, cJSON *findings)
{
	const enum finding_code nat =
	    by_carrier(f) ? FINDING_HOP_CARRIER : FINDING_HOP_NAT;
	const struct addr none = { .family = ADDR_NONE };
	const struct addr *outside = knows_outside(f) ? &f->reflexive : &none;
	char seen[ADDR_TEXT_MAX], sees[ADDR_TEXT_MAX + 8];

	if (!f->has_uplink)
		return;
	add_hop(findings, FINDING_HOP_HOST, &f->local);
	finding_add(findings, FINDING_HOP_HOST, f->ifname, NULL, NULL);
	add_hop(findings, FINDING_HOP_ROUTER, &f->gateway);
	if (!without_nat(f))
		add_hop(findings, FINDING_HOP_ROUTER,
		    is_routers_own(f) ? outside : &f->external);
	if (second_nat(f)) {
		/* Nobody tells its address inside. */
		finding_add(findings, nat, "?", NULL, NULL);
		add_hop(findings, nat, outside);
	}
	if (f->stun == FACTS_STUN_ANSWERED) {
		add_hop(findings, FINDING_HOP_INTERNET, &f->server);
		snprintf(sees, sizeof(sees), "sees %s", text_of(&f->reflexive, seen));
		finding_add(findings, FINDING_HOP_INTERNET, sees, NULL, NULL);
	} else {
		finding_add(findings, FINDING_HOP_INTERNET,
		    f->stun == FACTS_STUN_SILENT ? "no answer" : "not asked", NULL,
		    NULL);
	}
}

/* ---- the verdict ---- */

/* A reason in words; %s, if there is one, is the address. */
static enum judgement
say(char ret[static JUDGE_SUMMARY_MAX], enum judgement j, const char *words,
    const struct addr *address)
{
	char text[ADDR_TEXT_MAX] = "";

	if (address)
		text_of(address, text);
	snprintf(ret, JUDGE_SUMMARY_MAX, "%s%s", words, text);
	return j;
}

static enum judgement
without_nat_verdict(const struct facts *f, char ret[static JUDGE_SUMMARY_MAX])
{
	if (f->filter == FACTS_FILTER_OPEN)
		return say(ret, JUDGED_DIRECT, "reachable directly, at ", &f->local);
	if (any_method(f) && f->family == ADDR_IPV6)
		return say(ret, JUDGED_MAPPED,
		    "reachable where natd opens the router's firewall, at ", &f->local);
	if (f->filter == FACTS_FILTER_CLOSED)
		return say(ret, JUDGED_PUNCHABLE,
		    "a firewall lets only answers in; UDP hole punching works", NULL);
	/* Every home router has a firewall for IPv6. */
	if (f->family == ADDR_IPV6)
		return say(ret, JUDGED_UNKNOWN,
		    "unknown, a firewall may stand in front of ", &f->local);
	return say(ret, JUDGED_DIRECT, "reachable directly, at ", &f->local);
}

static enum judgement
second_nat_verdict(const struct facts *f, char ret[static JUDGE_SUMMARY_MAX])
{
	if (f->held_global)
		return say(ret, JUDGED_MAPPED,
		    "reachable through mappings of both NATs, at ", &f->reflexive);
	return say(ret, JUDGED_MAPPED_BEHIND_SECOND_NAT,
	    by_carrier(f)
		? "behind carrier-grade NAT: no incoming TCP over IPv4"
		: "behind a second NAT: a mapping on the router is not enough",
	    NULL);
}

/* The router maps nothing. */
static enum judgement
unmapped_verdict(const struct facts *f, char ret[static JUDGE_SUMMARY_MAX])
{
	if (f->nat == FACTS_NAT_INDEPENDENT && by_carrier(f))
		return say(ret, JUDGED_PUNCHABLE,
		    "behind carrier-grade NAT, but UDP hole punching works", NULL);
	if (f->nat == FACTS_NAT_DEPENDENT && by_carrier(f))
		return say(ret, JUDGED_UNREACHABLE,
		    "unreachable: symmetric carrier-grade NAT", NULL);
	if (f->nat == FACTS_NAT_INDEPENDENT)
		return say(ret, JUDGED_PUNCHABLE,
		    "the router opens no ports, but UDP hole punching works", NULL);
	if (f->nat == FACTS_NAT_DEPENDENT)
		return say(ret, JUDGED_UNREACHABLE,
		    "unreachable: symmetric NAT, and the router opens no ports", NULL);
	if (f->stun == FACTS_STUN_SILENT)
		return say(ret, JUDGED_UNREACHABLE,
		    "unreachable: UDP is blocked, and the router opens no ports", NULL);
	return say(ret, JUDGED_UNKNOWN,
	    "unknown: the router opens no ports, the NAT was not measured", NULL);
}

enum judgement
judge_verdict(const struct facts *f, char ret_summary[static JUDGE_SUMMARY_MAX])
{
	char *ret = ret_summary;

	if (!f->any_uplink)
		return say(ret, JUDGED_UNREACHABLE, "unreachable: offline", NULL);
	if (!f->has_uplink)
		return say(
		    ret, JUDGED_UNREACHABLE, "unreachable: no such way out", NULL);
	if (f->router_silent && !any_method(f) && f->stun != FACTS_STUN_ANSWERED)
		return say(ret, JUDGED_UNREACHABLE,
		    "unreachable: the router does not answer", NULL);
	if (without_nat(f))
		return without_nat_verdict(f, ret);
	if (f->proven_open)
		return say(ret, JUDGED_MAPPED,
		    "reachable through mappings, as proven from outside", NULL);
	if (!any_method(f))
		return unmapped_verdict(f, ret);
	if (second_nat(f))
		return second_nat_verdict(f, ret);
	if (is_routers_own(f))
		return say(ret, JUDGED_MAPPED, "reachable through mappings, at ",
		    &f->reflexive);
	if (f->external.family == ADDR_NONE)
		return say(ret, JUDGED_UNKNOWN,
		    "unknown: the router maps ports, but hides where", NULL);
	return say(ret, JUDGED_MAPPED, "reachable through mappings, at ", &f->external);
}
