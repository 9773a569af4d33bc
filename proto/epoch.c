/*
 * epoch.c - the epoch rules of NAT-PMP and PCP.
 *
 * Epochs are widened to signed 64-bit milliseconds before any arithmetic: a counter
 * that wraps at 2^32 then simply goes backwards, which both rules call a loss, once.
 */
#include "proto/epoch.h"

/* Both RFCs forgive this much for rounding and delay. */
#define SLACK_MS (2 * MSEC_PER_SEC)
/* RFC 6887 section 8.5: reordered answers may go back by up to one second. */
#define REORDER_MS (1 * MSEC_PER_SEC)

struct deltas {
	bool first;
	msec_t server_ms, client_ms; /* since the previous answer */
};

static struct deltas
epoch_take(struct epoch *e, uint32_t epoch_s, msec_t now)
{
	struct deltas d = {
		.first = !e->known,
		.server_ms = ((msec_t)epoch_s - (msec_t)e->epoch_s) * MSEC_PER_SEC,
		.client_ms = e->known ? MAX(now - e->at, 0) : 0,
	};

	*e = (struct epoch) { .known = true, .epoch_s = epoch_s, .at = now };
	return d;
}

bool
epoch_natpmp(struct epoch *e, uint32_t epoch_s, msec_t now)
{
	struct deltas d = epoch_take(e, epoch_s, now);

	/* The conservative estimate is 7/8 of our own time. */
	return !d.first && d.server_ms + SLACK_MS < d.client_ms - d.client_ms / 8;
}

bool
epoch_pcp(struct epoch *e, uint32_t epoch_s, msec_t now)
{
	struct deltas d = epoch_take(e, epoch_s, now);

	if (d.first)
		return false;
	if (d.server_ms < -REORDER_MS)
		return true;
	return d.client_ms + SLACK_MS < d.server_ms - d.server_ms / 16 ||
	       d.server_ms + SLACK_MS < d.client_ms - d.client_ms / 16;
}
