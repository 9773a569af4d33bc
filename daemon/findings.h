/*
 * findings.h - what Diagnose and VerifyMapping can find: one table of code, severity,
 * sentence and advice.
 *
 * The codes are a promise to scripts: what a code means does not change, and none is
 * used for another thing.  man/natd-findings.7 is made of them:
 * tests/unit/test_findings.c.
 */
#pragma once

#include <cjson/cJSON.h>

#include "proto/types.h"

enum finding_code {
	/* this host */
	FINDING_UPLINK,
	FINDING_OFFLINE,
	FINDING_NO_UPLINK_HERE,
	FINDING_NOT_DEFAULT,
	FINDING_NO_ROUTER,
	FINDING_ROUTER_SILENT,
	FINDING_CLOCK_WRONG,
	/* the router */
	FINDING_METHOD_AVAILABLE,
	FINDING_METHOD_ABSENT,
	FINDING_METHOD_PAUSED,
	FINDING_METHOD_PENDING,
	FINDING_NO_METHOD,
	FINDING_NO_PINHOLES,
	FINDING_FIREWALL_TIMEOUT,
	FINDING_QUIRK_SAME_PORT,
	FINDING_QUIRK_LEASE,
	FINDING_QUIRK_ANY_PORT,
	/* seen from outside */
	FINDING_SEEN_AS,
	FINDING_NO_STUN_SERVER,
	FINDING_NO_STUN_FAMILY,
	FINDING_DNS_FAILING,
	FINDING_NO_WAY_OUT,
	FINDING_UDP_BLOCKED,
	FINDING_SERVER_INSIDE,
	FINDING_SERVERS_DISAGREE,
	/* addresses compared */
	FINDING_ADDRESS_GLOBAL,
	FINDING_EXTERNAL_MATCHES,
	FINDING_EXTERNAL_GLOBAL,
	FINDING_EXTERNAL_UNKNOWN,
	FINDING_EXTERNAL_OWN,
	FINDING_CGNAT,
	FINDING_DOUBLE_NAT,
	FINDING_EXTERNAL_MISMATCH,
	/* behaviour of the NAT */
	FINDING_NAT_NONE,
	FINDING_NAT_INDEPENDENT,
	FINDING_NAT_SYMMETRIC,
	FINDING_NAT_UNKNOWN,
	FINDING_FIREWALL,
	FINDING_FIREWALL_OPENED,
	/* mappings */
	FINDING_MAPPINGS_FINE,
	FINDING_MAPPINGS_USELESS,
	FINDING_NO_MAPPINGS,
	FINDING_MAPPINGS_MORE,
	FINDING_MAPPING_CLOSED,
	/* the other family */
	FINDING_IPV6_NONE,
	FINDING_IPV4_NONE,
	FINDING_IPV6_PINHOLES,
	FINDING_IPV6_FIREWALL,
	FINDING_OTHER_FAMILY,
	/* proofs from outside */
	FINDING_ASKING,
	FINDING_PROVEN_OPEN,
	FINDING_PROVEN_BY_SCRATCH,
	FINDING_HALF_PROVEN,
	FINDING_TCP_UNPROVEN,
	FINDING_NOTHING_ARRIVED,
	FINDING_NOT_FORWARDED,
	FINDING_MADE_ANEW,
	FINDING_NOT_HELD,
	FINDING_SCRATCH_REFUSED,
	FINDING_NO_RFC5780,
	FINDING_TOO_LOSSY,
	FINDING_TOO_SOON,
	FINDING_TOO_LATE,
	FINDING_TOO_MANY,
	/* the path, hop by hop */
	FINDING_HOP_HOST,
	FINDING_HOP_ROUTER,
	FINDING_HOP_CARRIER,
	FINDING_HOP_NAT,
	FINDING_HOP_INTERNET,
	FINDING_CODES
};

/* In message {a}, {b} and {c} are replaced. */
struct finding_row {
	const char *code;
	enum severity severity;
	const char *message, *hint; /* hint: what a person can do, or NULL */
};

extern const struct finding_row finding_rows[FINDING_CODES];

#define FINDING_TEXT_MAX 512

/* The sentence with its words; what does not fit is cut.  Returns ret. */
const char *finding_text(enum finding_code code, const char *a, const char *b,
    const char *c, char ret[static FINDING_TEXT_MAX]);

/* One more Finding in the array; words that the message lacks may be NULL. */
void finding_add(cJSON *findings, enum finding_code code, const char *a, const char *b,
    const char *c);
