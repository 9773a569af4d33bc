/*
 * epoch.c - the epoch rules of NAT-PMP and PCP.
 *
 * Epochs are widened to signed 64-bit milliseconds before any arithmetic: a counter
 * that wraps at 2^32 then simply goes backwards, which both rules call a loss, once.
 *
 * Some gateways answer with a constant, or with a clock that runs far too slowly (F04):
 * the rules would call every answer a loss.
 */
#include "proto/epoch.h"

/* Both RFCs forgive this much for rounding and delay. */
#define SLACK_MS (2 * MSEC_PER_SEC)
/* Whoever hears of a boot asks at once. */
#define BOOTED_S 5
/* RFC 6887 section 8.5: reordered answers may go back by up to one second. */
#define REORDER_MS (1 * MSEC_PER_SEC)

struct deltas {
	bool first;
	msec_t server_ms, client_ms; /* since the previous answer */
};

static struct deltas
epoch_deltas(const struct epoch *e, uint32_t epoch_s, msec_t now)
{
	return (struct deltas) {
		.first = !e->known,
		.server_ms = ((msec_t)epoch_s - (msec_t)e->epoch_s) * MSEC_PER_SEC,
		.client_ms = e->known ? MAX(now - e->at, 0) : 0,
	};
}

/* What the rule of the protocol found (lost), told only where it can be a restart. */
static bool
epoch_judge(
    struct epoch *e, uint32_t epoch_s, const struct deltas *d, bool lost, msec_t now)
{
	bool same = epoch_s == e->epoch_s, still = e->still && same;
	bool young = epoch_s * MSEC_PER_SEC <= d->client_ms + SLACK_MS;
	/* Two boots a moment apart may show the same value; one that stands still, at
	 * this or another, does so once. */
	bool sure = d->server_ms < 0 || (young && (!same || epoch_s <= BOOTED_S));

	lost = lost && !d->first && !still;
	/* Not now, but what was seen before stays: it is told later if it is still
	 * so. */
	if (lost && !sure && e->told && now - e->told_at < EPOCH_REBUILD_MS)
		return false;
	e->still = still || (same && lost);
	if (lost) {
		e->told = true;
		e->told_at = now;
	}
	e->known = true;
	e->epoch_s = epoch_s;
	e->at = now;
	return lost;
}

bool
epoch_natpmp(struct epoch *e, uint32_t epoch_s, msec_t now)
{
	struct deltas d = epoch_deltas(e, epoch_s, now);

	/* The conservative estimate is 7/8 of our own time. */
	return epoch_judge(e, epoch_s, &d,
	    d.server_ms + SLACK_MS < d.client_ms - d.client_ms / 8, now);
}

bool
epoch_pcp(struct epoch *e, uint32_t epoch_s, msec_t now)
{
	struct deltas d = epoch_deltas(e, epoch_s, now);

	return epoch_judge(e, epoch_s, &d,
	    d.server_ms < -REORDER_MS ||
		d.client_ms + SLACK_MS < d.server_ms - d.server_ms / 16 ||
		d.server_ms + SLACK_MS < d.client_ms - d.client_ms / 16,
	    now);
}
