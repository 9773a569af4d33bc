/*
 * log.h - one line per state change, to the journal with fields or to stderr.
 *
 * Under systemd, when stderr is the journal's stream, lines go to the journal with
 * their fields.  On a terminal they are plain text, anywhere else they begin with <N>,
 * the syslog priority.  Every line is made printable (text of peers is quoted in them),
 * is at most LOG_LINE_MAX bytes, and each place in the code may say LOG_BURST of them
 * per second; what it was not allowed to say is counted, and told in one line as soon
 * as the second is over.  What becomes of our own mappings has a far higher limit: no
 * peer makes more of them.  The mistakes of the configuration have none.
 *
 * Logging keeps errno, never fails and never blocks for good; not for signal handlers
 * or a second thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

#include "proto/util.h"

struct loop;

#define LOG_LINE_MAX 1024
#define LOG_BURST 10
#define LOG_BURST_MAPPINGS 1000
#define LOG_FIELDS_MAX 12

enum log_level {
	LOG_LEVEL_ERROR,   /* natd cannot do its work, a person must act */
	LOG_LEVEL_WARNING, /* a mapping, a gateway or a setting does not work; natd goes
			      on trying */
	LOG_LEVEL_NOTICE, /* rare and worth knowing: start, stop, reload, a gateway that
			     restarted */
	LOG_LEVEL_INFO,   /* state of a mapping or gateway changed; silent when all is
			     steady */
	LOG_LEVEL_DEBUG,  /* each exchange with a peer */
	LOG_LEVEL_MAX
};

/* "error", ...; from_name: 0 or -EINVAL. */
const char *log_level_name(enum log_level level);
int log_level_from_name(const char *name, enum log_level *ret);
/* From a syslog priority, as io.systemd.service.SetLogLevel has it: 0 to 7.  The level
 * that shows lines of this priority, or -EINVAL. */
int log_level_from_priority(int priority, enum log_level *ret);

/* Names of journal fields. */
#define LOG_MAPPING_ID "NATD_MAPPING_ID"
#define LOG_METHOD "NATD_METHOD"
#define LOG_GATEWAY "NATD_GATEWAY"
#define LOG_INTERNAL "NATD_INTERNAL"
#define LOG_EXTERNAL "NATD_EXTERNAL"
#define LOG_PROTOCOL "NATD_PROTOCOL"
#define LOG_OWNER_UID "NATD_OWNER_UID"
#define LOG_PROBLEM "NATD_PROBLEM"
#define LOG_HINT "NATD_HINT"
#define LOG_MESSAGE_ID "MESSAGE_ID"

struct log_field {
	const char *key;   /* one of the above */
	const char *value; /* NULL: the field is left out */
};

/* Fields for log_*_with(): LOG_FIELDS({ LOG_GATEWAY, text }, { LOG_METHOD, "pcp" }). */
#define LOG_FIELDS(...) ((const struct log_field[]) { __VA_ARGS__, { NULL, NULL } })

/* log_error("cannot write %s: %m", path); the text has no full stop and no newline. */
#define log_error(...) log_at(LOG_LEVEL_ERROR, NULL, __VA_ARGS__)
#define log_warning(...) log_at(LOG_LEVEL_WARNING, NULL, __VA_ARGS__)
#define log_notice(...) log_at(LOG_LEVEL_NOTICE, NULL, __VA_ARGS__)
#define log_info(...) log_at(LOG_LEVEL_INFO, NULL, __VA_ARGS__)
#define log_debug(...) log_at(LOG_LEVEL_DEBUG, NULL, __VA_ARGS__)

/* The same with fields for the journal. */
#define log_error_with(fields, ...) log_at(LOG_LEVEL_ERROR, fields, __VA_ARGS__)
#define log_warning_with(fields, ...) log_at(LOG_LEVEL_WARNING, fields, __VA_ARGS__)
#define log_notice_with(fields, ...) log_at(LOG_LEVEL_NOTICE, fields, __VA_ARGS__)
#define log_info_with(fields, ...) log_at(LOG_LEVEL_INFO, fields, __VA_ARGS__)
#define log_debug_with(fields, ...) log_at(LOG_LEVEL_DEBUG, fields, __VA_ARGS__)

/* What became of one of our mappings. */
#define log_mapping(level, fields, ...) \
	log_limited(LOG_BURST_MAPPINGS, level, fields, __VA_ARGS__)

/* fields: NULL, or an array that ends with key NULL. */
#define log_at(level, fields, ...) log_limited(LOG_BURST, level, fields, __VA_ARGS__)

#define log_limited(lines_per_second, level, fields, ...)                           \
	do {                                                                        \
		static struct log_place log_place_ = { .burst = lines_per_second }; \
		log_line(&log_place_, (level), (fields), __VA_ARGS__);              \
	} while (0)

/* Without the limit: for what nobody but the administrator can make come often. */
#define log_error_always(fields, ...) \
	log_line(NULL, LOG_LEVEL_ERROR, (fields), __VA_ARGS__)

/* What one place in the code has said lately; static, made by log_at(). */
struct log_place {
	struct log_place *next; /* among those that owe a line */
	unsigned burst;         /* lines per second */
	msec_t second_at;       /* when the current second began */
	unsigned lines, suppressed;
	enum log_level level;
	char last[64]; /* the beginning of what was suppressed last */
};

/* place NULL: never suppressed. */
_printf_(4, 5) void log_line(struct log_place *place, enum log_level level,
    const struct log_field *fields, const char *format, ...);

enum log_target { LOG_TARGET_PLAIN, LOG_TARGET_PREFIXED, LOG_TARGET_JOURNAL };

/* Look at stderr and choose: the journal, or "<4>..." where systemd started natd
 * ($JOURNAL_STREAM, $INVOCATION_ID) and somebody else reads the stream, or the bare
 * line.  Without it: LOG_TARGET_PLAIN, level info. */
enum log_target log_open(void);
/* The bare lines on stderr, wherever it leads. */
void log_plain(void);

/* The loop tells what is owed of suppressed lines, even if nothing more is said; NULL:
 * no more, before it is freed.  0 or -ENOMEM. */
int log_use_loop(struct loop *l);
/* Tell what is still owed of them. */
void log_close(void);

void log_set_level(enum log_level level);
enum log_level log_get_level(void);

/* For tests: every line goes to sink as the entries "KEY=value" (not NUL-terminated)
 * that the journal would get, MESSAGE and PRIORITY first, and now replaces the clock
 * (NULL: keep it).  sink NULL: back to the target chosen. */
typedef void (*log_sink)(void *ctx, const struct iovec *entries, size_t count);
void log_redirect(log_sink sink, void *ctx, msec_t (*now)(void));
