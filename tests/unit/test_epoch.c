/*
 * test_epoch.c - no reset is imagined and none is missed.
 */
#include "proto/epoch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

typedef bool (*epoch_rule)(struct epoch *e, uint32_t epoch_s, msec_t now);

#define HOUR_MS (3600 * MSEC_PER_SEC)
#define DAY_MS (24 * HOUR_MS)

/* From epoch first to epoch then, after ms of our clock. */
static const struct {
	const char *what;
	uint32_t first, then;
	msec_t ms;
	bool natpmp, pcp;
} rows[] = {
	{ "same second", 1000, 1000, 0, false, false },
	{ "3 s later, quirk of one library", 1000, 1003, 3000, false, false },
	{ "5 min later", 1000, 1300, 300000, false, false },
	{ "1 h later", 1000, 4600, HOUR_MS, false, false },
	{ "booted", 1000, 0, 60000, true, true },
	{ "booted at once", 1000, 0, 0, true, true },
	{ "stands still, within 2 s", 1000, 1000, 2000, false, false },
	{ "stands still for 16 s", 1000, 1000, 16000, true, true },
	/* RFC 6886: less than the estimate by more than 2 s. */
	{ "7/8 of 800 s", 1000, 1700, 800000, false, true },
	{ "and 2 s", 1000, 1698, 800000, false, true },
	{ "and 3 s", 1000, 1697, 800000, true, true },
	{ "back by 2 s", 1000, 998, 0, false, true },
	{ "back by 3 s", 1000, 997, 0, true, true },
	/* RFC 6887: back by more than one second. */
	{ "back by 1 s", 1000, 999, 0, false, false },
	/* client_delta 1600, 15/16 of it is 1500. */
	{ "slow, at the limit", 1000, 1000 + 1498, 1600000, false, false },
	{ "slow, beyond", 1000, 1000 + 1497, 1600000, false, true },
	/* server_delta 1600: client_delta + 2 against 1500. */
	{ "fast, at the limit", 1000, 2600, 1498000, false, false },
	{ "fast, beyond", 1000, 2600, 1497000, false, true },
	{ "wall clock set forward one hour", 1000, 4660, 60000, false, true },
	/* 2^32 seconds are over. */
	{ "wrap", UINT32_MAX - 15, 5, 21000, true, true },
	{ "from zero to the top", 0, UINT32_MAX, 60000, false, true },
	{ "our clock went backwards", 1000, 1000, -60000, false, false },
};

static void
check(const char *what, epoch_rule rule, size_t i, bool want)
{
	struct epoch e = { 0 };

	if (rule(&e, rows[i].first, 5 * HOUR_MS))
		fail_msg("%s: %s: the first value is no reset", what, rows[i].what);
	if (rule(&e, rows[i].then, 5 * HOUR_MS + rows[i].ms) != want)
		fail_msg("%s: %s", what, rows[i].what);
	if (rows[i].then == UINT32_MAX)
		return; /* what comes next wraps, which is a row of its own */
	if (rule(&e, rows[i].then + 60, 5 * HOUR_MS + rows[i].ms + 60000))
		fail_msg("%s: %s: seen twice", what, rows[i].what);
}

static void
test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		check("NAT-PMP", epoch_natpmp, i, rows[i].natpmp);
		check("PCP", epoch_pcp, i, rows[i].pcp);
	}
}

/* A small generator with a seed: the same month on every run. */
static uint32_t
draw(uint32_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	*seed ^= *seed << 5;
	return *seed;
}

struct month {
	epoch_rule rule;
	int drift_percent;
	msec_t poll_ms, reset_every_ms; /* 0: never */
	unsigned loss_percent;
};

/* The gateway restarts somewhere after reset_every_ms, at a random instant.  How many
 * resets there were, and how many were seen. */
static void
live_a_month(const struct month *m, unsigned *ret_resets, unsigned *ret_seen)
{
	struct epoch e = { 0 };
	uint32_t seed = 20261120;
	msec_t boot = -DAY_MS, next_boot = MSEC_NEVER;
	unsigned unseen = 0;

	*ret_resets = *ret_seen = 0;
	if (m->reset_every_ms)
		next_boot = m->reset_every_ms;
	for (msec_t now = 0; now < 30 * DAY_MS; now += m->poll_ms) {
		msec_t delay = draw(&seed) % 200, age;

		if (now >= next_boot) {
			boot = next_boot;
			next_boot += m->reset_every_ms + draw(&seed) % HOUR_MS;
			(*ret_resets)++;
			unseen++;
		}
		if (draw(&seed) % 100 < m->loss_percent)
			continue;
		age = (now - boot) * (100 + m->drift_percent) / 100;
		if (m->rule(&e, (uint32_t)(age / MSEC_PER_SEC), now + delay)) {
			assert_int_equal(unseen, 1);
			unseen = 0;
			(*ret_seen)++;
		}
	}
	*ret_seen += unseen; /* the last may have been lost with the month */
	assert_true(unseen <= 1);
}

static const msec_t polls_ms[] = { 60 * MSEC_PER_SEC, 300 * MSEC_PER_SEC, HOUR_MS };

static void
run_months(msec_t reset_every_ms, unsigned want_min)
{
	static const epoch_rule rules[] = { epoch_natpmp, epoch_pcp };
	static const int drifts[] = { -5, -2, 0, 2, 5 };
	static const unsigned losses[] = { 0, 5, 30 };

	for (unsigned r = 0; r < 2; r++)
		for (unsigned d = 0; d < 5; d++)
			for (unsigned p = 0; p < 3; p++)
				for (unsigned l = 0; l < 3; l++) {
					struct month m = { rules[r], drifts[d],
						polls_ms[p], reset_every_ms,
						losses[l] };
					unsigned resets, seen;

					live_a_month(&m, &resets, &seen);
					if (resets < want_min || seen != resets)
						fail_msg(
						    "rule %u, drift %d %%, poll %u "
						    "min, loss %u %%: %u of %u",
						    r, drifts[d],
						    (unsigned)(polls_ms[p] / 60000),
						    losses[l], seen, resets);
				}
}

static void
test_month_without_reset(void **state)
{
	(void)state;
	run_months(0, 0);
}

static void
test_month_with_resets(void **state)
{
	(void)state;
	run_months(DAY_MS, 28);
}

/* F04: how often a clock of this rate (percent), asked every ask_ms for an hour, is
 * taken for a restart. */
static unsigned
losses_of(epoch_rule rule, unsigned rate, msec_t ask_ms, struct epoch *e)
{
	unsigned losses = 0;

	for (msec_t now = 0; now <= HOUR_MS; now += ask_ms)
		losses += rule(e, (uint32_t)(7000 + now / 1000 * rate / 100), now);
	return losses;
}

static void
test_broken_clocks(void **state)
{
	static const epoch_rule rules[] = { epoch_natpmp, epoch_pcp };
	static const msec_t asks_ms[] = { 4000, 16000, 60000 };

	(void)state;
	for (unsigned r = 0; r < 2; r++)
		for (unsigned a = 0; a < 3; a++) {
			struct epoch still = { 0 }, slow = { 0 }, fast = { 0 };

			assert_int_equal(losses_of(rules[r], 0, asks_ms[a], &still), 1);
			/* Going back is a restart, for a clock of any kind... */
			assert_true(rules[r](&still, 0, HOUR_MS + 1000));
			assert_false(rules[r](&still, 0, HOUR_MS + 2000));
			/* ...and so is a value that says so, right after another. */
			assert_true(rules[r](&still, 5, HOUR_MS + 13000));
			assert_in_range(
			    losses_of(rules[r], 30, asks_ms[a], &slow), 30, 60);
			assert_in_range(losses_of(rules[r], 300, asks_ms[a], &fast),
			    r ? 30 : 0, r ? 60 : 0);
		}
}

/* A gateway that announces its boot is asked at once: two boots show the same value. */
static void
test_boots_in_a_row(void **state)
{
	static const epoch_rule rules[] = { epoch_natpmp, epoch_pcp };

	(void)state;
	for (unsigned r = 0; r < 2; r++) {
		struct epoch e = { 0 };

		rules[r](&e, 5000, 0);
		assert_true(rules[r](&e, 0, 60000));
		assert_true(rules[r](&e, 0, 63500));
		/* That may be one that stands still, until it goes on. */
		assert_false(rules[r](&e, 0, 67000));
		assert_false(rules[r](&e, 1, 68000));
		assert_true(rules[r](&e, 0, 72000));
		assert_true(rules[r](&e, 0, 75500));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_broken_clocks),
		cmocka_unit_test(test_boots_in_a_row),
		cmocka_unit_test(test_month_without_reset),
		cmocka_unit_test(test_month_with_resets),
	};

	return cmocka_run_group_tests_name("epoch", tests, NULL, NULL);
}
