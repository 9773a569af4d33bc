/*
 * stun_pool.c - the health of several STUN servers, and what they agree on.
 */
#include "proto/stun_pool.h"

#include <string.h>

const char *
stun_circuit_name(enum stun_circuit c)
{
	static const char *const names[] = {
		[STUN_CIRCUIT_CLOSED] = "closed",
		[STUN_CIRCUIT_OPEN] = "open",
		[STUN_CIRCUIT_HALF_OPEN] = "half_open",
	};

	return names[c];
}

void
stun_pool_init(struct stun_pool *p, unsigned count)
{
	*p = (struct stun_pool) { .count = MIN(count, STUN_POOL_MAX) };
}

void
stun_pool_network_changed(struct stun_pool *p)
{
	memset(p->opinions, 0, sizeof(p->opinions));
	for (unsigned i = 0; i < p->count; i++) {
		struct stun_health *h = &p->servers[i];

		h->rtt = (struct stun_rtt) { 0 };
		h->failures_in_a_row = h->opened = 0;
		h->open_until = 0;
		h->probing = false;
	}
}

/* ---- health ---- */

enum stun_circuit
stun_pool_circuit(const struct stun_pool *p, unsigned server, msec_t now)
{
	const struct stun_health *h = &p->servers[server];

	if (h->open_until == 0)
		return STUN_CIRCUIT_CLOSED;
	return now < h->open_until ? STUN_CIRCUIT_OPEN : STUN_CIRCUIT_HALF_OPEN;
}

static void
remember(struct stun_health *h, bool answered)
{
	h->history[1] = h->history[1] << 1 | h->history[0] >> 63;
	h->history[0] = h->history[0] << 1 | answered;
	h->history[1] &= (UINT64_C(1) << (STUN_HISTORY - 64)) - 1;
	h->requests = MIN(h->requests + 1, STUN_HISTORY);
}

void
stun_pool_answered(
    struct stun_pool *p, unsigned server, msec_t round_trip_ms, msec_t now)
{
	struct stun_health *h = &p->servers[server];

	remember(h, true);
	if (round_trip_ms >= 0)
		stun_rtt_add(&h->rtt, round_trip_ms, now);
	h->failures_in_a_row = h->opened = 0;
	h->open_until = 0;
	h->probing = false;
}

void
stun_pool_failed(struct stun_pool *p, unsigned server, msec_t now)
{
	struct stun_health *h = &p->servers[server];
	bool half_open = stun_pool_circuit(p, server, now) == STUN_CIRCUIT_HALF_OPEN;

	remember(h, false);
	h->failures_in_a_row++;
	h->probing = false;
	/* Requests that were under way when it opened do not prolong it. */
	if (half_open ||
	    (h->open_until == 0 && h->failures_in_a_row >= STUN_BREAK_AFTER)) {
		msec_t wait = STUN_BREAK_MS << MIN(h->opened, 8u);

		h->open_until = now + MIN(wait, STUN_BREAK_MAX_MS);
		h->opened++;
	}
}

void
stun_pool_unused(struct stun_pool *p, unsigned server)
{
	p->servers[server].probing = false;
}

int
stun_pool_success_rate(const struct stun_pool *p, unsigned server)
{
	const struct stun_health *h = &p->servers[server];
	int answered =
	    __builtin_popcountll(h->history[0]) + __builtin_popcountll(h->history[1]);

	return h->requests ? answered * 100 / (int)h->requests : -1;
}

/* ---- choice ---- */

/* The nearer one first; of which nothing is known counts as near: it gets its turn. */
static bool
better(const struct stun_pool *p, int a, int b)
{
	return p->servers[a].rtt.smoothed_us < p->servers[b].rtt.smoothed_us;
}

int
stun_pool_choose(struct stun_pool *p, uint32_t mask, struct rng *rng, msec_t now)
{
	int healthy[STUN_POOL_MAX], recovering[STUN_POOL_MAX];
	unsigned n = 0, m = 0;
	uint64_t a, b;

	for (unsigned i = 0; i < p->count; i++) {
		if (!(mask & 1u << i))
			continue;
		switch (stun_pool_circuit(p, i, now)) {
		case STUN_CIRCUIT_CLOSED:
			healthy[n++] = (int)i;
			break;
		case STUN_CIRCUIT_HALF_OPEN:
			if (!p->servers[i].probing)
				recovering[m++] = (int)i;
			break;
		case STUN_CIRCUIT_OPEN:
			break;
		}
	}
	if (n == 0 && m > 0) {
		a = rng_below(rng, m);
		p->servers[recovering[a]].probing = true;
		return recovering[a];
	}
	if (n < 2)
		return n ? healthy[0] : -1;
	a = rng_below(rng, n);
	b = (a + 1 + rng_below(rng, n - 1)) % n;
	return better(p, healthy[b], healthy[a]) ? healthy[b] : healthy[a];
}

/* ---- agreement ---- */

static unsigned
row_of(enum addr_family family)
{
	return family == ADDR_IPV6;
}

void
stun_pool_opinion(struct stun_pool *p, unsigned server, const struct addr *from,
    const struct addr *seen, msec_t now)
{
	p->opinions[row_of(seen->family)][server] =
	    (struct stun_opinion) { .seen = *seen, .server = *from, .at = now };
}

static bool
counts(const struct stun_opinion *o, msec_t now)
{
	return o->seen.family != ADDR_NONE && now - o->at <= STUN_OPINION_MS;
}

/* How many independent servers say what o says. */
static unsigned
votes_for(const struct stun_pool *p, const struct stun_opinion *row,
    const struct stun_opinion *o, msec_t now)
{
	unsigned votes = 0;

	for (unsigned i = 0; i < p->count; i++) {
		bool first = counts(&row[i], now) && addr_equal(&row[i].seen, &o->seen);

		for (unsigned j = 0; first && j < i; j++)
			first = !counts(&row[j], now) ||
				!addr_equal(&row[j].seen, &o->seen) ||
				!addr_equal(&row[j].server, &row[i].server);
		votes += first;
	}
	return votes;
}

enum stun_agreement
stun_pool_agreement(
    const struct stun_pool *p, enum addr_family family, msec_t now, struct addr *ret)
{
	const struct stun_opinion *row = p->opinions[row_of(family)], *best = NULL;
	unsigned most = 0;
	bool tie = false;

	for (unsigned i = 0; i < p->count; i++) {
		unsigned votes;

		if (!counts(&row[i], now))
			continue;
		votes = votes_for(p, row, &row[i], now);
		if (!best || votes > most) {
			best = &row[i];
			most = votes;
			tie = false;
		} else if (votes == most) {
			tie |= !addr_equal(&row[i].seen, &best->seen);
			best = row[i].at > best->at ? &row[i] : best;
		}
	}
	if (!best)
		return STUN_UNKNOWN;
	*ret = best->seen;
	return most < 2 || tie ? STUN_UNCERTAIN : STUN_AGREED;
}
