/*
 * human.c - durations and times as people write and read them.
 */
#include "ctl/human.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "proto/text.h"
#include "proto/util.h"

#define SPAN_MAX (INT64_C(36525) * 24 * 3600 * USEC_PER_SEC)

static const struct unit {
	const char *name;
	int64_t usec;
} units[] = {
	{ "us", 1 },
	{ "ms", 1000 },
	{ "s", USEC_PER_SEC },
	{ "sec", USEC_PER_SEC },
	{ "m", 60 * USEC_PER_SEC },
	{ "min", 60 * USEC_PER_SEC },
	{ "h", 3600 * USEC_PER_SEC },
	{ "d", 24 * 3600 * USEC_PER_SEC },
	{ "w", 7 * 24 * 3600 * USEC_PER_SEC },
};

static const struct unit *
find_unit(const char *text, size_t len)
{
	for (size_t i = 0; i < ARRAY_SIZE(units); i++)
		if (strlen(units[i].name) == len &&
		    memcmp(units[i].name, text, len) == 0)
			return &units[i];
	return NULL;
}

int
human_parse_span(const char *text, int64_t *ret_usec)
{
	int64_t total = 0;
	bool any = false;

	for (const char *at = text; *at; at += strspn(at, " ")) {
		size_t digits = strspn(at, "0123456789");
		size_t letters = strspn(at + digits, "abcdefghijklmnopqrstuvwxyz");
		const struct unit *unit = find_unit(at + digits, letters);
		uint64_t number;

		if (letters == 0 && !any && at[digits] == '\0')
			unit = find_unit("s", 1);
		if (!unit || text_to_uint(at, digits, SPAN_MAX, &number) < 0 ||
		    (int64_t)number > (SPAN_MAX - total) / unit->usec)
			return -EINVAL;
		total += (int64_t)number * unit->usec;
		any = true;
		at += digits + letters;
	}
	if (!any)
		return -EINVAL;
	*ret_usec = total;
	return 0;
}

/* What people read; the rest of the units is for writing only. */
static const struct unit shown[] = {
	{ "d", 24 * 3600 * USEC_PER_SEC },
	{ "h", 3600 * USEC_PER_SEC },
	{ "min", 60 * USEC_PER_SEC },
	{ "s", USEC_PER_SEC },
};

const char *
human_span(int64_t usec, char buf[static HUMAN_MAX])
{
	if (usec > 0 && usec < USEC_PER_SEC) {
		snprintf(buf, HUMAN_MAX, "%" PRIi64 "ms", (usec + 999) / 1000);
		return buf;
	}
	for (size_t i = 0; i < ARRAY_SIZE(shown); i++) {
		int64_t count = usec / shown[i].usec;
		int64_t rest = usec % shown[i].usec;
		/* "29min 12s" says more than anybody wants to know. */
		bool second = i < 2 && rest / shown[i + 1].usec > 0;

		if (count == 0)
			continue;
		if (second)
			snprintf(buf, HUMAN_MAX, "%" PRIi64 "%s%" PRIi64 "%s", count,
			    shown[i].name, rest / shown[i + 1].usec, shown[i + 1].name);
		else
			snprintf(buf, HUMAN_MAX, "%" PRIi64 "%s", count, shown[i].name);
		return buf;
	}
	snprintf(buf, HUMAN_MAX, "0s");
	return buf;
}

const char *
human_relative(int64_t from_now_usec, char buf[static HUMAN_MAX])
{
	char amount[HUMAN_MAX];
	bool past = from_now_usec < 0;
	int64_t distance = past && from_now_usec > INT64_MIN ? -from_now_usec
			   : past                            ? INT64_MAX
							     : from_now_usec;

	if (distance < USEC_PER_SEC)
		snprintf(buf, HUMAN_MAX, "now");
	else
		snprintf(buf, HUMAN_MAX, past ? "%s ago" : "in %s",
		    human_span(distance, amount));
	return buf;
}

const char *
human_round_trip(int64_t usec, char buf[static HUMAN_MAX])
{
	if (usec <= 0)
		snprintf(buf, HUMAN_MAX, "<1ms");
	else if (usec < 1000)
		snprintf(buf, HUMAN_MAX, "%" PRIi64 "us", usec);
	else if (usec < USEC_PER_SEC)
		snprintf(buf, HUMAN_MAX, "%.1fms", (double)usec / 1e3);
	else
		snprintf(buf, HUMAN_MAX, "%.2fs", (double)usec / 1e6);
	return buf;
}

/* false: no calendar has such a time. */
static bool
local_time(int64_t realtime_usec, struct tm *ret)
{
	time_t seconds = (time_t)(realtime_usec / USEC_PER_SEC);

	return localtime_r(&seconds, ret);
}

const char *
human_date(int64_t realtime_usec, char buf[static HUMAN_MAX])
{
	struct tm local;

	if (!local_time(realtime_usec, &local) ||
	    strftime(buf, HUMAN_MAX, "%a %Y-%m-%d %H:%M:%S %Z", &local) == 0)
		snprintf(buf, HUMAN_MAX, "-");
	return buf;
}

const char *
human_clock(int64_t realtime_usec, char buf[static HUMAN_MAX])
{
	struct tm local;

	if (!local_time(realtime_usec, &local) ||
	    strftime(buf, HUMAN_MAX, "%H:%M:%S", &local) == 0)
		snprintf(buf, HUMAN_MAX, "-");
	return buf;
}
