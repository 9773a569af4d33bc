/*
 * verdict.h - what every "no" of a router means: one table for PCP, NAT-PMP and UPnP.
 *
 * A row names the result, says what natd does about it and what a person can do.  UPnP
 * codes 701 to 709 mean what the service that answered means by them.
 */
#pragma once

#include "proto/types.h"

/* What natd does after a refusal. */
enum remedy {
	REMEDY_NONE,         /* no refusal */
	REMEDY_RETRY,        /* transient: again, with full jitter */
	REMEDY_RETRY_SLOW,   /* the router is out of room: not before 5 minutes */
	REMEDY_RETRY_HOURLY, /* the router denies this host: once per hour */
	REMEDY_WAIT_WAN,     /* the router has no external address: look, retry with
				back-off */
	REMEDY_OTHER_PORT,   /* the external port is taken: ask for another */
	REMEDY_SAME_PORT,    /* external must equal internal port */
	REMEDY_NEXT_LEASE,   /* the next rung of the lease ladder */
	REMEDY_NEXT_METHOD,  /* this service can't: permanent for this method */
	REMEDY_REDISCOVER,   /* the service moved or restarted: find it anew */
	REMEDY_GONE,         /* no such entry: fine for a delete, lost for a renewal */
	REMEDY_GIVE_UP,      /* our own request is wrong, repeating it is useless */
};

struct verdict {
	int code;         /* PCP or NAT-PMP result, or UPnP error code */
	const char *name; /* "NOT_AUTHORIZED", "ConflictInMappingEntry" */
	enum remedy remedy;
	const char *hint; /* what a person can do, or NULL */
};

enum verdict_family {
	VERDICT_PCP,
	VERDICT_NAT_PMP,
	VERDICT_UPNP_WAN,      /* WANIPConnection, WANPPPConnection */
	VERDICT_UPNP_FIREWALL, /* WANIPv6FirewallControl */
};

/* Never NULL: a code that is not in the table gets the row of unknown codes, whose
 * code is -1 (the caller keeps the number). */
const struct verdict *verdict_find(enum verdict_family family, int code);
