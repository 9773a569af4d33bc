/*
 * rng.h - jitter and port choice that a test can replay: splitmix64 over a given seed.
 *
 * Not for secrets: nonces and transaction ids come as arguments, from getrandom().
 */
#pragma once

#include <stdint.h>

struct rng {
	uint64_t state;
};

static inline uint64_t
rng_next(struct rng *r)
{
	uint64_t z = r->state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

/* Evenly in [0, limit); 0 when limit is 0. */
static inline uint64_t
rng_below(struct rng *r, uint64_t limit)
{
	return limit ? rng_next(r) % limit : 0;
}
