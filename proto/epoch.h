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
	bool still;       /* this very value was taken for a loss before */
	bool told;        /* a loss was told... */
	msec_t told_at;   /* ...then */
};

/* A clock that only goes wrong is no reason to rebuild more often than this; one that
 * went back, or says that the gateway booted after its last answer, always is. */
#define EPOCH_REBUILD_MS (INT64_C(60) * MSEC_PER_SEC)

/* RFC 6886 section 3.6: true if the gateway lost its state; remembers the value.  A
 * value that stands still is a loss once, then a broken clock. */
bool epoch_natpmp(struct epoch *e, uint32_t epoch_s, msec_t now);

/* RFC 6887 section 8.5: the same for PCP. */
bool epoch_pcp(struct epoch *e, uint32_t epoch_s, msec_t now);
