/*
 * log.c - formats a line once, as journal entries, and hands it to one of three
 * targets.
 *
 * The limit per place keeps a peer that floods us from filling the disk or hiding the
 * one line that matters: other places are not affected.
 */
#include "daemon/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
/* The place of log.c in every entry would tell nothing. */
#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

#include "daemon/loop.h"
#include "proto/text.h"

#define FIELD_MAX 256
#define MESSAGE_KEY "MESSAGE="

static const struct {
	const char *name;
	int priority; /* of syslog(3) */
} levels[] = {
	[LOG_LEVEL_ERROR] = { "error", 3 },
	[LOG_LEVEL_WARNING] = { "warning", 4 },
	[LOG_LEVEL_NOTICE] = { "notice", 5 },
	[LOG_LEVEL_INFO] = { "info", 6 },
	[LOG_LEVEL_DEBUG] = { "debug", 7 },
};

static struct {
	enum log_level level;
	enum log_target target;
	log_sink sink;
	void *ctx;
	msec_t (*now)(void);
	struct log_place *owing; /* places with suppressed > 0 */
	struct timer timer; /* until the first of them may pay, if there is a loop */
} the_log = {
	.level = LOG_LEVEL_INFO,
	.target = LOG_TARGET_PLAIN,
	.now = loop_now,
};

const char *
log_level_name(enum log_level level)
{
	return levels[level].name;
}

int
log_level_from_name(const char *name, enum log_level *ret)
{
	for (int i = 0; i < LOG_LEVEL_MAX; i++)
		if (strcmp(levels[i].name, name) == 0) {
			*ret = (enum log_level)i;
			return 0;
		}
	return -EINVAL;
}

int
log_level_from_priority(int priority, enum log_level *ret)
{
	if (priority < 0 || priority > 7)
		return -EINVAL;
	/* emerg, alert and crit are more than we ever say: errors remain. */
	*ret = LOG_LEVEL_ERROR;
	for (int i = 0; i < LOG_LEVEL_MAX; i++)
		if (levels[i].priority <= priority)
			*ret = (enum log_level)i;
	return 0;
}

/* Whether fd is the stream that systemd connected to the journal (sd-journal(3),
 * systemd.exec(5)): a service may have redirected its stderr since. */
static bool
is_journal_stream(int fd)
{
	const char *stream = getenv("JOURNAL_STREAM");
	char own[64];
	struct stat st;

	if (!stream || fstat(fd, &st) < 0)
		return false;
	snprintf(
	    own, sizeof(own), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	return strcmp(own, stream) == 0;
}

enum log_target
log_open(void)
{
	if (is_journal_stream(STDERR_FILENO))
		the_log.target = LOG_TARGET_JOURNAL;
	else if (!isatty(STDERR_FILENO) &&
		 (getenv("JOURNAL_STREAM") || getenv("INVOCATION_ID")))
		the_log.target = LOG_TARGET_PREFIXED;
	else
		the_log.target = LOG_TARGET_PLAIN;
	return the_log.target;
}

void
log_plain(void)
{
	the_log.target = LOG_TARGET_PLAIN;
}

void
log_set_level(enum log_level level)
{
	the_log.level = level;
}

enum log_level
log_get_level(void)
{
	return the_log.level;
}

void
log_redirect(log_sink sink, void *ctx, msec_t (*now)(void))
{
	the_log.sink = sink;
	the_log.ctx = ctx;
	the_log.now = now ? now : loop_now;
}

/* One write per line, so that lines of several processes do not mix. */
static void
write_stderr(enum log_level level, const struct iovec *message, bool prefix)
{
	char number[8];
	struct iovec line[3] = {
		{ .iov_base = number },
		{ .iov_base = (char *)message->iov_base + strlen(MESSAGE_KEY),
		    .iov_len = message->iov_len - strlen(MESSAGE_KEY) },
		{ .iov_base = "\n", .iov_len = 1 },
	};
	ssize_t written;

	if (prefix)
		line[0].iov_len = (size_t)snprintf(
		    number, sizeof(number), "<%d>", levels[level].priority);
	do
		written = writev(STDERR_FILENO, line, ARRAY_SIZE(line));
	while (written < 0 && errno == EINTR);
}

static void
send_entries(enum log_level level, const struct iovec *entries, size_t count)
{
	if (the_log.sink) {
		the_log.sink(the_log.ctx, entries, count);
		return;
	}
	switch (the_log.target) {
	case LOG_TARGET_JOURNAL:
		/* Without a journal there is still the stream. */
		if (sd_journal_sendv(entries, (int)count) < 0)
			write_stderr(level, entries, true);
		break;
	case LOG_TARGET_PLAIN:
		write_stderr(level, entries, false);
		break;
	case LOG_TARGET_PREFIXED:
		write_stderr(level, entries, true);
		break;
	}
}

static void
emit(enum log_level level, const struct log_field *fields, const char *text)
{
	char message[sizeof(MESSAGE_KEY) + LOG_LINE_MAX] = MESSAGE_KEY;
	char priority[] = "PRIORITY=0";
	char extra[LOG_FIELDS_MAX][FIELD_MAX];
	struct iovec entries[2 + LOG_FIELDS_MAX];
	size_t count = 2, n = 0;

	text_copy_printable(
	    message + strlen(MESSAGE_KEY), LOG_LINE_MAX, text, strlen(text));
	entries[0] = (struct iovec) { .iov_base = message, .iov_len = strlen(message) };
	priority[strlen(priority) - 1] = (char)('0' + levels[level].priority);
	entries[1] =
	    (struct iovec) { .iov_base = priority, .iov_len = strlen(priority) };
	for (; fields && fields->key && n < LOG_FIELDS_MAX; fields++) {
		int key;

		if (!fields->value)
			continue;
		key = snprintf(extra[n], FIELD_MAX, "%s=", fields->key);
		text_copy_printable(extra[n] + key, (size_t)(FIELD_MAX - key),
		    fields->value, strlen(fields->value));
		entries[count++] = (struct iovec) { .iov_base = extra[n],
			.iov_len = strlen(extra[n]) };
		n++;
	}
	send_entries(level, entries, count);
}

static void
pay(struct log_place *place)
{
	char text[LOG_LINE_MAX];

	snprintf(text, sizeof(text), "suppressed %u more like: %s", place->suppressed,
	    place->last);
	place->suppressed = 0;
	emit(place->level, NULL, text);
}

/* Nothing wakes the process where nothing is owed. */
static void
plan(msec_t now)
{
	msec_t wait = MSEC_NEVER;

	if (!the_log.timer.loop)
		return;
	for (const struct log_place *p = the_log.owing; p; p = p->next)
		wait = MIN(wait, MAX(p->second_at + MSEC_PER_SEC - now, 0));
	timer_set(&the_log.timer, wait == MSEC_NEVER ? wait : loop_now() + wait);
}

/* Pay what is owed by places whose second is over. */
static void
pay_due(msec_t now)
{
	struct log_place **at = &the_log.owing;
	bool paid = false;

	while (*at) {
		struct log_place *place = *at;

		if (now - place->second_at < MSEC_PER_SEC) {
			at = &place->next;
			continue;
		}
		*at = place->next;
		pay(place);
		paid = true;
	}
	if (paid)
		plan(now);
}

static void
on_due(void *ctx)
{
	(void)ctx;
	pay_due(the_log.now());
}

int
log_use_loop(struct loop *l)
{
	timer_done(&the_log.timer);
	the_log.timer = (struct timer) { 0 };
	return l ? timer_init(&the_log.timer, l, on_due, NULL) : 0;
}

void
log_close(void)
{
	pay_due(MSEC_NEVER);
}

/* Whether the place has to be silent now; remembers what it wanted to say. */
static bool
suppress(struct log_place *place, enum log_level level, const char *text, msec_t now)
{
	if (place->lines == 0 || now - place->second_at >= MSEC_PER_SEC) {
		place->second_at = now;
		place->lines = 0;
	}
	if (place->lines < place->burst) {
		place->lines++;
		return false;
	}
	if (place->suppressed++ == 0) {
		place->next = the_log.owing;
		the_log.owing = place;
		plan(now);
	}
	place->level = level;
	text_copy_printable(place->last, sizeof(place->last), text, strlen(text));
	return true;
}

void
log_line(struct log_place *place, enum log_level level, const struct log_field *fields,
    const char *format, ...)
{
	int saved_errno = errno;
	char text[LOG_LINE_MAX];
	msec_t now;
	va_list ap;

	if (level > the_log.level)
		return;
	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	now = the_log.now();
	pay_due(now);
	if (!place || !suppress(place, level, text, now))
		emit(level, fields, text);
	errno = saved_errno;
}
