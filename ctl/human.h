/*
 * human.h - durations, times and round trips as people write and read them.
 *
 * Pure: the clock and the time zone are the caller's.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define HUMAN_MAX 48

#define USEC_PER_SEC INT64_C(1000000)

/*
 * A span of time: decimal numbers, each with a unit (us, ms, s, sec, min, m, h, d, w),
 * largest first or in any order, added up: "90", "1h30min", "500ms", "1h 30min".  A
 * number without a unit is seconds, and then it stands alone.  At most 100 years.
 * Returns 0 or -EINVAL.
 */
int human_parse_span(const char *text, int64_t *ret_usec);

/* "45s", "29min", "3h12min", "5d4h": at most two units, the second only if it is not
 * zero; under a second "120ms".  Returns buf. */
const char *human_span(int64_t usec, char buf[static HUMAN_MAX]);

/* "in 29min", "2min ago", "now". */
const char *human_relative(int64_t from_now_usec, char buf[static HUMAN_MAX]);

/* "1.2ms", "850us", "2.50s"; 0 is less than natd can tell: "<1ms". */
const char *human_round_trip(int64_t usec, char buf[static HUMAN_MAX]);

/* "Fri 2026-11-20 08:26:25 UTC" in the local time zone. */
const char *human_date(int64_t realtime_usec, char buf[static HUMAN_MAX]);

/* "08:26:25" in the local time zone. */
const char *human_clock(int64_t realtime_usec, char buf[static HUMAN_MAX]);
