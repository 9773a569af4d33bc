/*
 * stun_limit.c - token buckets in one word: the time at which a bucket is full again.
 */
#include "proto/stun_limit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define WAYS 4
#define SETS (STUN_LIMIT_ENTRIES / WAYS)
#define USEC_PER_SEC INT64_C(1000000)
#define USEC_PER_MSEC INT64_C(1000)

struct entry {
	uint64_t source;
	int64_t full_at_us;
};

struct stun_limit {
	uint64_t secret[2];
	int64_t token_us;
	struct entry sets[SETS][WAYS];
};

int
stun_limit_new(
    unsigned per_second, const uint64_t secret[static 2], struct stun_limit **ret)
{
	struct stun_limit *l;

	if (per_second == 0 || per_second > STUN_LIMIT_MAX)
		return -EINVAL;
	l = calloc(1, sizeof(*l));
	if (!l)
		return -ENOMEM;
	memcpy(l->secret, secret, sizeof(l->secret));
	l->token_us = USEC_PER_SEC / per_second;
	*ret = l;
	return 0;
}

struct stun_limit *
stun_limit_free(struct stun_limit *l)
{
	free(l);
	return NULL;
}

/* The finalizer of splitmix64. */
static uint64_t
mix(uint64_t v)
{
	v = (v ^ v >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	v = (v ^ v >> 27) * UINT64_C(0x94d049bb133111eb);
	return v ^ v >> 31;
}

/* The first 64 bits are an IPv4 address and zeros, or the /64; the families differ. */
static uint64_t
source_of(const struct stun_limit *l, const struct addr *a)
{
	uint64_t prefix;

	memcpy(&prefix, a->bytes, sizeof(prefix));
	return mix(mix(prefix ^ l->secret[0]) ^ l->secret[1] ^ (uint64_t)a->family);
}

static struct entry *
find(struct stun_limit *l, uint64_t source)
{
	struct entry *set = l->sets[source % SETS], *oldest = set;

	for (unsigned i = 0; i < WAYS; i++) {
		if (set[i].source == source)
			return &set[i];
		if (set[i].full_at_us < oldest->full_at_us)
			oldest = &set[i];
	}
	*oldest = (struct entry) { .source = source };
	return oldest;
}

bool
stun_limit_take(struct stun_limit *l, const struct addr *from, msec_t now)
{
	struct entry *e = find(l, source_of(l, from));
	int64_t now_us = now * USEC_PER_MSEC, full_at = MAX(e->full_at_us, now_us);

	if (full_at + l->token_us > now_us + USEC_PER_SEC)
		return false;
	e->full_at_us = full_at + l->token_us;
	return true;
}
