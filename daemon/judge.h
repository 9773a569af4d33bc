/*
 * judge.h - from what was seen of a host's way to the Internet to findings and a
 * verdict.
 *
 * Pure: daemon/diagnose.c gathers the facts, this decides what they mean.  What is not
 * known is left open: an unknown address is no global one, and a verdict that would
 * need it is `unknown`.
 */
#pragma once

#include <cjson/cJSON.h>
#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/addr.h"
#include "proto/router.h"
#include "proto/types.h"

/* org.natd.NAT.ReachabilityVerdict */
enum judgement {
	JUDGED_UNKNOWN,
	JUDGED_DIRECT,
	JUDGED_MAPPED,
	JUDGED_MAPPED_BEHIND_SECOND_NAT,
	JUDGED_PUNCHABLE,
	JUDGED_UNREACHABLE,
	JUDGED_MAX
};

const char *judgement_name(enum judgement j);

/* What the STUN servers said. */
enum facts_stun {
	FACTS_STUN_PENDING, /* nothing yet */
	FACTS_STUN_ANSWERED,
	FACTS_STUN_SILENT,
	FACTS_STUN_NO_NAMES,
	FACTS_STUN_NO_FAMILY, /* none has an address of the family */
	FACTS_STUN_NO_ROUTE,
	FACTS_STUN_NO_SERVER, /* none is configured */
};

/* How the NAT behaves, as far as it decides what is possible. */
enum facts_nat {
	FACTS_NAT_UNKNOWN,
	FACTS_NAT_NONE,
	FACTS_NAT_INDEPENDENT,
	FACTS_NAT_DEPENDENT, /* on address, or address and port */
};

enum facts_filter {
	FACTS_FILTER_UNKNOWN,
	FACTS_FILTER_OPEN, /* endpoint-independent: everybody may send */
	FACTS_FILTER_CLOSED,
};

struct facts_service {
	const char *title; /* "PCP" */
	enum service_state state;
	bool paused;
	char version[32], reason[ROUTER_TEXT_MAX];
	msec_t round_trip_us; /* -1: not known */
};

struct facts {
	/* what was asked for */
	enum addr_family wanted_family; /* ADDR_NONE: any */
	char wanted_ifname[IF_NAMESIZE];
	msec_t asked_ms; /* ago */

	bool any_uplink; /* of whatever kind */
	bool has_uplink; /* of the wanted kind; the rest is about this one */
	enum addr_family family;
	char ifname[IF_NAMESIZE];
	struct addr local, gateway; /* gateway ADDR_NONE: there is no router */
	bool is_default, router_silent;
	int64_t realtime_us;

	struct facts_service services[ROUTER_SERVICES];
	size_t services_count;
	struct router_habits habits;
	uint32_t outbound_s;  /* of router_outbound_s() */
	struct addr external; /* as the router says; ADDR_NONE: not known */
	bool several;         /* it has mapped to other global addresses, too */

	enum facts_stun stun;
	struct addr reflexive, server;
	char first_name[64]; /* of a server, for advice */
	bool disagree;

	enum facts_nat nat;
	enum facts_filter filter;
	unsigned translators; /* on the way; 0: not known, or none */
	bool carrier;         /* the last one is the carrier's */

	bool held_global; /* a mapping is held at the address the Internet sees */
	bool proven_open; /* a mapping was, from outside */

	/* the other family's way out, when no family was asked for */
	struct addr other; /* ADDR_NONE: none */
	char other_ifname[IF_NAMESIZE];
	bool other_pinholes;
};

/* Each appends the findings of one step. */
void judge_network(const struct facts *f, cJSON *findings);
void judge_router(const struct facts *f, cJSON *findings);
void judge_outside(const struct facts *f, cJSON *findings);
void judge_addresses(const struct facts *f, cJSON *findings);
void judge_nat(const struct facts *f, cJSON *findings);
void judge_other_family(const struct facts *f, cJSON *findings);
/* The hops: those of one hop stand beside each other. */
void judge_path(const struct facts *f, cJSON *findings);

#define JUDGE_SUMMARY_MAX 128

/* The verdict, and what it means in less than a line. */
enum judgement
judge_verdict(const struct facts *f, char ret_summary[static JUDGE_SUMMARY_MAX]);
