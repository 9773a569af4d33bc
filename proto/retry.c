/*
 * retry.c - when to send again.
 */
#include "proto/retry.h"

static const msec_t burst_ms[RETRY_BURST_SENDS] = { 100, 150, 250, 300, 300, 300, 300,
	300, 300, 300, 300 };

static const struct {
	msec_t first_ms, max_ms;
	unsigned rand_percent;
} tails[] = {
	[RETRY_NAT_PMP] = { 4000, 64000, 0 },
	[RETRY_PCP] = { 3000, 1024000, 10 },
};

/* value * 2^shift, at most max. */
static msec_t
doubled(msec_t value, unsigned shift, msec_t max)
{
	while (shift-- > 0 && value < max)
		value *= 2;
	return MIN(value, max);
}

msec_t
retry_interval(enum retry_schedule schedule, unsigned sends, struct rng *rng)
{
	msec_t interval, spread;

	if (sends == 0)
		return 0;
	if (sends <= RETRY_BURST_SENDS)
		return burst_ms[sends - 1];
	interval = doubled(tails[schedule].first_ms, sends - RETRY_BURST_SENDS - 1,
	    tails[schedule].max_ms);
	spread = interval * tails[schedule].rand_percent / 100;
	return interval - spread + (msec_t)rng_below(rng, (uint64_t)(2 * spread + 1));
}

msec_t
retry_backoff(unsigned attempt, msec_t base_ms, msec_t cap_ms, struct rng *rng)
{
	msec_t limit = doubled(base_ms, attempt, cap_ms);

	return 1 + (msec_t)rng_below(rng, (uint64_t)limit);
}

void
retry_pace_init(struct retry_pace *p, unsigned limit)
{
	*p = (struct retry_pace) { .limit = limit };
	for (unsigned i = 0; i < RETRY_PACE_MAX; i++)
		p->last[i] = INT64_MIN / 2;
}

msec_t
retry_pace_at(const struct retry_pace *p, msec_t now)
{
	return MAX(now, p->last[p->next] + MSEC_PER_SEC);
}

void
retry_pace_use(struct retry_pace *p, msec_t now)
{
	p->last[p->next] = now;
	p->next = (p->next + 1) % p->limit;
}
