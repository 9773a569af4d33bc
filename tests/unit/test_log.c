/*
 * test_log.c - where lines go, what is in them, and how many there may be.
 */
#include "daemon/log.h"

#include <dirent.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/loop.h"

/* What the sink got: "MESSAGE=...|PRIORITY=...|...\n" per line. */
static struct {
	char text[64 * 1024];
	size_t len;
	unsigned lines;
	msec_t now;
} got;

static void
sink(void *ctx, const struct iovec *entries, size_t count)
{
	assert_ptr_equal(ctx, &got);
	for (size_t i = 0; i < count; i++) {
		assert_true(got.len + entries[i].iov_len + 2 < sizeof(got.text));
		memcpy(got.text + got.len, entries[i].iov_base, entries[i].iov_len);
		got.len += entries[i].iov_len;
		got.text[got.len++] = i + 1 < count ? '|' : '\n';
	}
	got.text[got.len] = '\0';
	got.lines++;
	errno = EIO; /* as a failing write would */
}

static void
forget(void)
{
	got.len = got.lines = 0;
	got.text[0] = '\0';
}

static msec_t
test_now(void)
{
	return got.now;
}

static int
setup(void **state)
{
	(void)state;
	got.now += 3600 * MSEC_PER_SEC;
	log_redirect(sink, &got, test_now);
	log_set_level(LOG_LEVEL_INFO);
	log_close();
	forget();
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	log_redirect(NULL, NULL, NULL);
	return 0;
}

static void
test_levels(void **state)
{
	static const struct {
		enum log_level level;
		const char *name;
		const char *lines;
	} rows[] = {
		{ LOG_LEVEL_ERROR, "error", "3" },
		{ LOG_LEVEL_WARNING, "warning", "34" },
		{ LOG_LEVEL_NOTICE, "notice", "345" },
		{ LOG_LEVEL_INFO, "info", "3456" },
		{ LOG_LEVEL_DEBUG, "debug", "34567" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		enum log_level level = LOG_LEVEL_MAX;
		char want[256] = "";

		for (const char *p = rows[i].lines; *p; p++)
			snprintf(want + strlen(want), sizeof(want) - strlen(want),
			    "MESSAGE=%c|PRIORITY=%c\n", *p, *p);
		assert_string_equal(log_level_name(rows[i].level), rows[i].name);
		assert_int_equal(log_level_from_name(rows[i].name, &level), 0);
		assert_int_equal(level, rows[i].level);
		assert_int_equal(log_level_from_priority((int)i + 3, &level), 0);
		assert_int_equal(level, rows[i].level);
		forget();
		log_set_level(level);
		assert_int_equal(log_get_level(), level);
		log_error("%d", 3);
		log_warning("%d", 4);
		log_notice("%d", 5);
		log_info("%d", 6);
		log_debug("%d", 7);
		assert_string_equal(got.text, want);
	}
}

static void
test_level_words(void **state)
{
	enum log_level level = LOG_LEVEL_MAX;

	(void)state;
	assert_int_equal(log_level_from_name("Info", &level), -EINVAL);
	assert_int_equal(log_level_from_name("", &level), -EINVAL);
	assert_int_equal(log_level_from_priority(-1, &level), -EINVAL);
	assert_int_equal(log_level_from_priority(8, &level), -EINVAL);
	assert_int_equal(level, LOG_LEVEL_MAX);
	for (int priority = 0; priority < 3; priority++) {
		assert_int_equal(log_level_from_priority(priority, &level), 0);
		assert_int_equal(level, LOG_LEVEL_ERROR);
	}
}

static void
test_fields(void **state)
{
	(void)state;
	log_info_with(LOG_FIELDS({ LOG_MAPPING_ID, "m7" }, { LOG_METHOD, NULL },
			  { LOG_GATEWAY, "192.168.1.1\nPRIORITY=0" }),
	    "port %d open", 80);
	assert_string_equal(got.text,
	    "MESSAGE=port 80 open|PRIORITY=6|NATD_MAPPING_ID=m7|"
	    "NATD_GATEWAY=192.168.1.1?PRIORITY=0\n");
	forget();
	log_error_with(
	    LOG_FIELDS({ LOG_MESSAGE_ID, "0123" }, { LOG_INTERNAL, "a" },
		{ LOG_EXTERNAL, "b" }, { LOG_PROTOCOL, "c" }, { LOG_OWNER_UID, "d" }),
	    "x");
	assert_string_equal(got.text,
	    "MESSAGE=x|PRIORITY=3|MESSAGE_ID=0123|NATD_INTERNAL=a|"
	    "NATD_EXTERNAL=b|NATD_PROTOCOL=c|NATD_OWNER_UID=d\n");
}

static void
test_more_fields_than_there_is_room_for(void **state)
{
	struct log_field fields[LOG_FIELDS_MAX + 2] = { { NULL, NULL } };
	char value[1000];

	(void)state;
	memset(value, 'v', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	for (int i = 0; i <= LOG_FIELDS_MAX; i++)
		fields[i] = (struct log_field) { LOG_GATEWAY, value };
	log_info_with(fields, "x");
	assert_int_equal(got.lines, 1);
	assert_int_equal(
	    got.len, strlen("MESSAGE=x|PRIORITY=6\n") + LOG_FIELDS_MAX * 256);
}

/* Attack 28: a line of the log stays one line. */
static void
test_printable_and_bounded(void **state)
{
	char longer[2 * LOG_LINE_MAX];

	(void)state;
	log_info("model %s", "X\033[2J\r\n\xff\xc3\xbc");
	assert_string_equal(got.text, "MESSAGE=model X?[2J???\xc3\xbc|PRIORITY=6\n");
	forget();
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	log_info("%s", longer);
	assert_int_equal(
	    got.len, strlen("MESSAGE=") + LOG_LINE_MAX - 1 + strlen("|PRIORITY=6\n"));
}

static void
test_errno(void **state)
{
	(void)state;
	errno = ENOENT;
	log_warning("cannot open: %m");
	assert_int_equal(errno, ENOENT);
	assert_string_equal(
	    got.text, "MESSAGE=cannot open: No such file or directory|PRIORITY=4\n");
}

static void
flood(unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		log_warning("refused %u", i);
}

/* F71: a flood of log lines. */
static void
test_rate_limit(void **state)
{
	(void)state;
	flood(50);
	assert_int_equal(got.lines, LOG_BURST);
	got.now += 999;
	flood(1);
	assert_int_equal(got.lines, LOG_BURST);
	forget();
	log_info("another place");
	assert_string_equal(got.text, "MESSAGE=another place|PRIORITY=6\n");
	/* The second is over: what is owed comes first, whoever speaks. */
	forget();
	got.now += 1;
	log_info("a third");
	assert_string_equal(got.text,
	    "MESSAGE=suppressed 41 more like: refused 0|PRIORITY=4\n"
	    "MESSAGE=a third|PRIORITY=6\n");
	forget();
	flood(LOG_BURST + 2);
	assert_int_equal(got.lines, LOG_BURST);
	assert_null(strstr(got.text, "suppressed"));
	forget();
	log_close();
	assert_string_equal(
	    got.text, "MESSAGE=suppressed 2 more like: refused 11|PRIORITY=4\n");
	forget();
	log_close();
	assert_int_equal(got.lines, 0);
}

static void
test_ten_per_second_are_never_suppressed(void **state)
{
	(void)state;
	for (int second = 0; second < 60; second++) {
		flood(LOG_BURST);
		got.now += MSEC_PER_SEC;
	}
	log_close();
	assert_int_equal(got.lines, 60 * LOG_BURST);
	assert_null(strstr(got.text, "suppressed"));
}

/* Everybody's mappings, when their router comes back. */
static void
test_mappings_have_a_far_higher_limit(void **state)
{
	(void)state;
	for (int i = 0; i < 2000; i++)
		log_mapping(LOG_LEVEL_INFO, LOG_FIELDS({ LOG_MAPPING_ID, "m1" }),
		    "mapping %d open", i);
	assert_int_equal(got.lines, LOG_BURST_MAPPINGS);
	assert_non_null(strstr(
	    got.text, "MESSAGE=mapping 999 open|PRIORITY=6|NATD_MAPPING_ID=m1\n"));
	forget();
	log_close();
	assert_string_equal(got.text,
	    "MESSAGE=suppressed 1000 more like: mapping 1999 open|PRIORITY=6\n");
}

/* How long the process would sleep, in ms; 0: until something happens. */
static long
timer_left_ms(void)
{
	DIR *dir = opendir("/proc/self/fdinfo");
	long seconds = -1, nanoseconds = 0;
	struct dirent *e;

	assert_non_null(dir);
	while ((e = readdir(dir))) {
		char path[300], line[200];
		FILE *f;

		snprintf(path, sizeof(path), "/proc/self/fdinfo/%s", e->d_name);
		f = fopen(path, "re");
		while (f && fgets(line, sizeof(line), f))
			(void)sscanf(
			    line, "it_value: (%ld, %ld)", &seconds, &nanoseconds);
		if (f)
			fclose(f);
	}
	closedir(dir);
	assert_true(seconds >= 0);
	return seconds * 1000 + nanoseconds / 1000000;
}

struct look {
	struct loop *loop;
	long left_ms;
};

static void
look_and_stop(int fd, short what, void *ctx)
{
	struct look *look = ctx;

	(void)fd, (void)what;
	look->left_ms = timer_left_ms();
	loop_stop(look->loop);
}

static void
sink_and_stop(void *ctx, const struct iovec *entries, size_t count)
{
	struct look *look = ctx;

	sink(&got, entries, count);
	if (strstr(got.text, "suppressed"))
		loop_stop(look->loop);
}

/* A place of its own, whose second is one of the loop's clock. */
static void
flood_real(unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		log_warning("refused %u", i);
}

/* Nobody says anything for days; nothing wakes the process when nothing is owed. */
static void
test_the_loop_tells_what_is_owed(void **state)
{
	struct look look = { 0 };
	struct event *event = NULL;
	msec_t began;
	int ends[2];

	(void)state;
	assert_int_equal(loop_new(&look.loop), 0);
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], "x", 1), 1);
	assert_int_equal(
	    loop_watch(look.loop, ends[0], EV_READ, look_and_stop, &look, &event), 0);
	log_redirect(sink_and_stop, &look, NULL);
	assert_int_equal(log_use_loop(look.loop), 0);
	flood_real(LOG_BURST);
	assert_int_equal(loop_run(look.loop), 0);
	assert_int_equal(look.left_ms, 0);
	flood_real(1);
	began = loop_now();
	assert_int_equal(loop_run(look.loop), 0);
	assert_in_range(look.left_ms, 1, MSEC_PER_SEC);
	event_free(event);
	event = NULL;
	assert_int_equal(loop_run(look.loop), 0);
	assert_in_range(loop_now() - began, MSEC_PER_SEC / 2, 10 * MSEC_PER_SEC);
	assert_non_null(strstr(got.text, "suppressed 1 more like: refused 0"));
	/* It is paid. */
	assert_int_equal(
	    loop_watch(look.loop, ends[0], EV_READ, look_and_stop, &look, &event), 0);
	assert_int_equal(loop_run(look.loop), 0);
	assert_int_equal(look.left_ms, 0);
	event_free(event);
	assert_int_equal(log_use_loop(NULL), 0);
	loop_free(look.loop);
	close(ends[0]);
	close(ends[1]);
}

static void
flood_too(unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		log_warning("refused, too %u", i);
}

/* Who owes not as long is not forgotten when another has paid. */
static void
test_the_loop_tells_of_the_next_one(void **state)
{
	struct look look = { 0 };
	struct event *event = NULL;
	int ends[2];

	(void)state;
	assert_int_equal(loop_new(&look.loop), 0);
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], "x", 1), 1);
	log_redirect(sink_and_stop, &look, test_now);
	assert_int_equal(log_use_loop(look.loop), 0);
	flood(LOG_BURST + 1);
	got.now += MSEC_PER_SEC - 1;
	flood_too(LOG_BURST + 1);
	got.now++;
	assert_int_equal(loop_run(look.loop), 0);
	assert_non_null(strstr(got.text, "suppressed 1 more"));
	assert_null(strstr(got.text, "more like: refused, too"));
	assert_int_equal(
	    loop_watch(look.loop, ends[0], EV_READ, look_and_stop, &look, &event), 0);
	assert_int_equal(loop_run(look.loop), 0);
	assert_in_range(look.left_ms, 1, MSEC_PER_SEC);
	event_free(event);
	assert_int_equal(log_use_loop(NULL), 0);
	loop_free(look.loop);
	close(ends[0]);
	close(ends[1]);
}

/* A mistake of the configuration, of which each is another. */
static void
test_lines_without_a_limit(void **state)
{
	(void)state;
	for (int i = 0; i < 6 * LOG_BURST; i++)
		log_error_always(LOG_FIELDS({ LOG_MESSAGE_ID, "01" }), "line %d", i);
	assert_int_equal(got.lines, 6 * LOG_BURST);
	assert_non_null(strstr(got.text, "MESSAGE=line 59|PRIORITY=3|MESSAGE_ID=01\n"));
	log_close();
	assert_int_equal(got.lines, 6 * LOG_BURST);
}

/* A line below the level neither counts nor is owed. */
static void
test_silent_lines_do_not_count(void **state)
{
	(void)state;
	for (int i = 0; i < 100; i++)
		log_debug("exchange %d", i);
	log_close();
	assert_int_equal(got.lines, 0);
}

/* Runs log_open() and one line with stderr at fd; what the reader end gets. */
static enum log_target
log_to(int fd, int reader, char *ret, size_t size)
{
	int saved = dup(STDERR_FILENO);
	enum log_target target;
	ssize_t n;

	assert_true(saved >= 0 && dup2(fd, STDERR_FILENO) >= 0);
	log_redirect(NULL, NULL, NULL);
	target = log_open();
	log_warning("to stderr");
	dup2(saved, STDERR_FILENO);
	close(saved);
	n = read(reader, ret, size - 1);
	ret[n > 0 ? n : 0] = '\0';
	return target;
}

static void
test_prefixed(void **state)
{
	int fds[2];
	char text[128];

	(void)state;
	unsetenv("JOURNAL_STREAM");
	assert_int_equal(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
	/* A pipe of a shell is read by people. */
	unsetenv("INVOCATION_ID");
	assert_int_equal(log_to(fds[1], fds[0], text, sizeof(text)), LOG_TARGET_PLAIN);
	assert_string_equal(text, "to stderr\n");
	setenv("INVOCATION_ID", "b0b0", 1);
	assert_int_equal(
	    log_to(fds[1], fds[0], text, sizeof(text)), LOG_TARGET_PREFIXED);
	assert_string_equal(text, "<4>to stderr\n");
	unsetenv("INVOCATION_ID");
	/* The stream of another process, or of before a redirection. */
	setenv("JOURNAL_STREAM", "1:1", 1);
	assert_int_equal(
	    log_to(fds[1], fds[0], text, sizeof(text)), LOG_TARGET_PREFIXED);
	assert_string_equal(text, "<4>to stderr\n");
	unsetenv("JOURNAL_STREAM");
	close(fds[0]);
	close(fds[1]);
}

static void
test_terminal(void **state)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY), slave;
	char text[128];

	(void)state;
	if (master < 0)
		skip();
	assert_int_equal(grantpt(master), 0);
	assert_int_equal(unlockpt(master), 0);
	slave = open(ptsname(master), O_RDWR | O_NOCTTY);
	assert_true(slave >= 0);
	assert_int_equal(log_to(slave, master, text, sizeof(text)), LOG_TARGET_PLAIN);
	assert_string_equal(text, "to stderr\r\n");
	close(slave);
	close(master);
}

static void
test_journal_stream(void **state)
{
	int fds[2];
	char text[128], stream[64];
	struct stat st;

	(void)state;
	assert_int_equal(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
	assert_int_equal(fstat(fds[1], &st), 0);
	snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)st.st_dev,
	    (uintmax_t)st.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	assert_int_equal(
	    log_to(fds[1], fds[0], text, sizeof(text)), LOG_TARGET_JOURNAL);
	/* libsystemd drops the line without an error where no journal runs; where its
	 * socket refuses, the line comes out of the stream. */
	if (text[0] != '\0')
		assert_string_equal(text, "<4>to stderr\n");
	unsetenv("JOURNAL_STREAM");
	close(fds[0]);
	close(fds[1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_levels, setup, teardown),
		cmocka_unit_test_setup_teardown(test_level_words, setup, teardown),
		cmocka_unit_test_setup_teardown(test_fields, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_more_fields_than_there_is_room_for, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_printable_and_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(test_errno, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rate_limit, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_ten_per_second_are_never_suppressed, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_mappings_have_a_far_higher_limit, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_the_loop_tells_what_is_owed, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_the_loop_tells_of_the_next_one, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_lines_without_a_limit, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_silent_lines_do_not_count, setup, teardown),
		cmocka_unit_test_setup_teardown(test_prefixed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_terminal, setup, teardown),
		cmocka_unit_test_setup_teardown(test_journal_stream, setup, teardown),
	};

	return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
