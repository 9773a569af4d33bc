/*
 * stun_bytes.h - helpers of the STUN tests: hexadecimal text, printed seeds.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/rng.h"

/* The bytes of a text of hexadecimal digits; spaces do not count.  Returns how many. */
static inline size_t
stun_bytes(const char *hex, uint8_t *ret, size_t size)
{
	size_t n = 0;

	while (*hex) {
		unsigned byte;

		if (*hex == ' ') {
			hex++;
			continue;
		}
		assert_int_equal(sscanf(hex, "%2x", &byte), 1);
		assert_true(n < size);
		ret[n++] = (uint8_t)byte;
		hex += 2;
	}
	return n;
}

static inline void
assert_bytes(const char *what, const uint8_t *got, size_t len, const uint8_t *want,
    size_t want_len)
{
	if (len == want_len && memcmp(got, want, len) == 0)
		return;
	fprintf(stderr, "%s: %zu bytes, not %zu\n", what, len, want_len);
	for (size_t i = 0; i < len || i < want_len; i++)
		fprintf(stderr, "%02x%s", i < len ? got[i] : 0,
		    i < len && i < want_len && got[i] == want[i] ? "" : "!");
	fail_msg("%s: other bytes", what);
}

/* $SEED, to run again what failed, or one that differs each time; printed. */
static inline struct rng
stun_seed(const char *what)
{
	const char *text = getenv("SEED");
	uint64_t seed =
	    text ? strtoull(text, NULL, 0) : (uint64_t)(uintptr_t)&text >> 4;

	printf("%s: SEED=%llu\n", what, (unsigned long long)seed);
	return (struct rng) { seed };
}
