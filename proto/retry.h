/*
 * retry.h - when to send again: retransmission schedules as data, back-off, pacing.
 */
#pragma once

#include <stdbool.h>

#include "proto/rng.h"
#include "proto/util.h"

/*
 * Two clocks of patience.  An exchange starts with a burst that gives an honest verdict
 * within 3 s even at 30 % loss each way (0.51^11 = 0.06 % of being wrong), then goes on
 * by the schedule of its RFC for as long as it is wanted.
 */
enum retry_schedule {
	RETRY_NAT_PMP, /* RFC 6886 3.1: doubling, here from 4 s on, up to 64 s */
	RETRY_PCP, /* RFC 6887 8.1.1: IRT 3 s, doubling up to MRT 1024 s, RAND +-10 % */
};

/* Length of the burst: the time of the first verdict. */
#define RETRY_VERDICT_MS INT64_C(2900)
#define RETRY_BURST_SENDS 11

/* Milliseconds from send number sends (1: the first) to the next one. */
msec_t retry_interval(enum retry_schedule schedule, unsigned sends, struct rng *rng);

/* Full jitter: random(0, min(cap, base * 2^attempt)), at least 1 ms. */
msec_t retry_backoff(unsigned attempt, msec_t base_ms, msec_t cap_ms, struct rng *rng);

/* At most limit events in any second (limit <= RETRY_PACE_MAX). */
#define RETRY_PACE_MAX 50

struct retry_pace {
	unsigned limit, next;
	msec_t last[RETRY_PACE_MAX]; /* of the last limit events */
};

void retry_pace_init(struct retry_pace *p, unsigned limit);
/* When the next event may be: now or later. */
msec_t retry_pace_at(const struct retry_pace *p, msec_t now);
void retry_pace_use(struct retry_pace *p, msec_t now);
