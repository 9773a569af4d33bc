/*
 * test_natctl_human.c - durations and times as people write and read them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include <errno.h>

#include "ctl/human.h"
#include "proto/util.h"

#define S USEC_PER_SEC
#define MIN_S (60 * S)
#define H (60 * MIN_S)
#define D (24 * H)

static void
test_spans_are_read(void **state)
{
	static const struct {
		const char *text;
		int64_t usec; /* -1: refused */
	} rows[] = {
		{ "0", 0 },
		{ "90", 90 * S },
		{ "90s", 90 * S },
		{ "90sec", 90 * S },
		{ "5m", 5 * MIN_S },
		{ "5min", 5 * MIN_S },
		{ "1h", H },
		{ "1h30min", 90 * MIN_S },
		{ "1h 30min", 90 * MIN_S },
		{ "30min1h", 90 * MIN_S },
		{ "2d", 2 * D },
		{ "1w", 7 * D },
		{ "500ms", S / 2 },
		{ "7us", 7 },
		{ "36525d", 36525 * D },
		{ "36526d", -1 },
		{ "", -1 },
		{ " ", -1 },
		{ "h", -1 },
		{ "1h30", -1 },
		{ "30 1h", -1 },
		{ "-1", -1 },
		{ "+1s", -1 },
		{ "1.5h", -1 },
		{ "1H", -1 },
		{ "1 h", -1 },
		{ "1parsec", -1 },
		{ "18446744073709551615", -1 },
		{ "18446744073709551616s", -1 },
		{ "9999999999999w", -1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		int64_t usec = 42;
		int r = human_parse_span(rows[i].text, &usec);

		if (r != (rows[i].usec < 0 ? -EINVAL : 0) ||
		    usec != (rows[i].usec < 0 ? 42 : rows[i].usec))
			fail_msg("'%s': %d, %lld", rows[i].text, r, (long long)usec);
	}
}

static void
test_spans_are_written(void **state)
{
	static const struct {
		int64_t usec;
		const char *span, *relative, *past;
	} rows[] = {
		{ 0, "0s", "now", "now" },
		{ 1, "1ms", "now", "now" },
		{ S / 2, "500ms", "now", "now" },
		{ S, "1s", "in 1s", "1s ago" },
		{ MIN_S - 1, "59s", "in 59s", "59s ago" },
		{ MIN_S + 5 * S, "1min", "in 1min", "1min ago" },
		{ 29 * MIN_S + 59 * S, "29min", "in 29min", "29min ago" },
		{ H, "1h", "in 1h", "1h ago" },
		{ H + 59 * S, "1h", "in 1h", "1h ago" },
		{ 3 * H + 12 * MIN_S, "3h12min", "in 3h12min", "3h12min ago" },
		{ 5 * D + 4 * H, "5d4h", "in 5d4h", "5d4h ago" },
		{ 5 * D + 4 * MIN_S, "5d", "in 5d", "5d ago" },
	};
	char buf[HUMAN_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_string_equal(human_span(rows[i].usec, buf), rows[i].span);
		assert_string_equal(
		    human_relative(rows[i].usec, buf), rows[i].relative);
		assert_string_equal(human_relative(-rows[i].usec, buf), rows[i].past);
	}
	assert_string_equal(human_relative(INT64_MIN, buf), "106751991d4h ago");
}

static void
test_round_trips_are_written(void **state)
{
	char buf[HUMAN_MAX];

	(void)state;
	assert_string_equal(human_round_trip(0, buf), "<1ms");
	assert_string_equal(human_round_trip(850, buf), "850us");
	assert_string_equal(human_round_trip(1240, buf), "1.2ms");
	assert_string_equal(human_round_trip(2500000, buf), "2.50s");
}

static void
test_times_are_local(void **state)
{
	const int64_t t = INT64_C(1795163185) * S;
	char buf[HUMAN_MAX];

	(void)state;
	setenv("TZ", "UTC", 1);
	tzset();
	assert_string_equal(human_date(t, buf), "Fri 2026-11-20 08:26:25 UTC");
	assert_string_equal(human_clock(t, buf), "08:26:25");
	setenv("TZ", "CET-1", 1);
	tzset();
	assert_string_equal(human_date(t, buf), "Fri 2026-11-20 09:26:25 CET");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_spans_are_read),
		cmocka_unit_test(test_spans_are_written),
		cmocka_unit_test(test_round_trips_are_written),
		cmocka_unit_test(test_times_are_local),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
