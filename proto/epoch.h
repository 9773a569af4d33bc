/*
 * epoch.h - has the gateway lost its table?  The epoch rules of NAT-PMP and PCP.
 *
 * Both compare the new value with the *previous* one and our own clock.  Fed with every
 * answer of a gateway, in order; time is the caller's.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "proto/util.h"

struct epoch {
	bool known;
	uint32_t epoch_s; /* last value seen */
	msec_t at;        /* when */
};

/* RFC 6886 section 3.6: true if the gateway lost its state; remembers the value. */
bool epoch_natpmp(struct epoch *e, uint32_t epoch_s, msec_t now);

/* RFC 6887 section 8.5: the same for PCP. */
bool epoch_pcp(struct epoch *e, uint32_t epoch_s, msec_t now);
