/*
 * test_retry.c - when to send again: bursts, the schedules of the RFCs, back-off, pace.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
/* after setjmp.h and friends */
#include <cmocka.h>

#include "proto/retry.h"

/* The burst is over when the verdict is due: 11 sends, none of them late. */
static void
test_burst(void **state)
{
	(void)state;
	for (int schedule = RETRY_NAT_PMP; schedule <= RETRY_PCP; schedule++) {
		struct rng rng = { 1 };
		msec_t at = 0, gap, last = 0;

		assert_int_equal(
		    retry_interval((enum retry_schedule)schedule, 0, &rng), 0);
		for (unsigned sends = 1; sends < RETRY_BURST_SENDS; sends++) {
			gap =
			    retry_interval((enum retry_schedule)schedule, sends, &rng);
			assert_in_range(gap, 100, 300);
			assert_true(gap >= last);
			last = gap;
			at += gap;
		}
		assert_true(at < RETRY_VERDICT_MS);
		gap = retry_interval(
		    (enum retry_schedule)schedule, RETRY_BURST_SENDS, &rng);
		assert_int_equal(at + gap, RETRY_VERDICT_MS);
	}
}

/* RFC 6886 3.1: doubling up to 64 s, then for as long as it is wanted. */
static void
test_natpmp_tail(void **state)
{
	static const msec_t expected[] = { 4000, 8000, 16000, 32000, 64000, 64000,
		64000 };
	struct rng rng = { 2 };

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(expected); i++)
		assert_int_equal(
		    retry_interval(RETRY_NAT_PMP, RETRY_BURST_SENDS + 1 + i, &rng),
		    expected[i]);
	assert_int_equal(retry_interval(RETRY_NAT_PMP, UINT32_MAX, &rng), 64000);
}

/* RFC 6887 8.1.1: IRT 3 s, MRT 1024 s, RAND evenly in +-10 %. */
static void
test_pcp_tail(void **state)
{
	struct rng rng = { 3 };
	msec_t base = 3000;

	(void)state;
	for (unsigned i = 0; i < 14; i++) {
		msec_t low = INT64_MAX, high = 0;

		for (unsigned k = 0; k < 2000; k++) {
			msec_t gap =
			    retry_interval(RETRY_PCP, RETRY_BURST_SENDS + 1 + i, &rng);

			low = MIN(low, gap);
			high = MAX(high, gap);
		}
		assert_in_range(low, base * 90 / 100, base * 91 / 100);
		assert_in_range(high, base * 109 / 100, base * 110 / 100);
		base = MIN(base * 2, 1024000);
	}
	assert_in_range(
	    retry_interval(RETRY_PCP, UINT32_MAX, &rng), 1024000 * 0.9, 1024000 * 1.1);
}

static void
test_backoff(void **state)
{
	static const struct {
		unsigned attempt;
		msec_t limit;
	} rows[] = { { 0, 5000 }, { 1, 10000 }, { 3, 40000 }, { 6, 300000 },
		{ UINT32_MAX, 300000 } };
	struct rng rng = { 4 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		msec_t low = INT64_MAX, high = 0;

		for (unsigned k = 0; k < 5000; k++) {
			msec_t wait =
			    retry_backoff(rows[i].attempt, 5000, 300000, &rng);

			low = MIN(low, wait);
			high = MAX(high, wait);
		}
		/* Full jitter: from nothing to the limit, never 0. */
		assert_in_range(low, 1, rows[i].limit / 100);
		assert_in_range(high, rows[i].limit * 98 / 100, rows[i].limit);
	}
}

/* Whatever asks and when: no more than the limit in any second. */
static void
test_pace(void **state)
{
	static const unsigned limits[] = { 1, 5, RETRY_PACE_MAX };
	static msec_t used[20000];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		struct retry_pace pace;
		struct rng rng = { 5 };
		msec_t now = 0;
		unsigned n = 0;

		retry_pace_init(&pace, limits[i]);
		assert_int_equal(retry_pace_at(&pace, 0), 0);
		while (n < ARRAY_SIZE(used)) {
			msec_t at = retry_pace_at(&pace, now);

			assert_true(at >= now && at <= now + 1000);
			now = at + (msec_t)rng_below(&rng, 60);
			retry_pace_use(&pace, now);
			used[n++] = now;
			if (n > limits[i])
				assert_true(
				    used[n - 1] - used[n - 1 - limits[i]] >= 1000);
			/* The last of a second's share waits, none before it does. */
			if (n == 1 && limits[i] > 1)
				assert_int_equal(retry_pace_at(&pace, now), now);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_burst),
		cmocka_unit_test(test_natpmp_tail),
		cmocka_unit_test(test_pcp_tail),
		cmocka_unit_test(test_backoff),
		cmocka_unit_test(test_pace),
	};

	return cmocka_run_group_tests_name("retry", tests, NULL, NULL);
}
