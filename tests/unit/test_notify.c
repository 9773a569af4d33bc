/*
 * test_notify.c - what the service manager would hear, at a datagram socket of ours.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/notify.h"
#include "tests/unit/manager.h"

/* F70: no systemd at all. */
static void
test_without(void **state)
{
	int fds[2] = { -7, -7 };

	(void)state;
	assert_false(notify_is_listened_to());
	assert_int_equal(notify_ready("x"), 0);
	assert_int_equal(notify_status("x"), 0);
	assert_int_equal(notify_reloading(), 0);
	assert_int_equal(notify_stopping(NULL), 0);
	assert_int_equal(notify_alive(), 0);
	assert_true(notify_watchdog_period_ms() == MSEC_NEVER);
	assert_int_equal(notify_listen_fds("varlink", fds, 2), 0);
	assert_int_equal(fds[0], -7);
	setenv("NOTIFY_SOCKET", "", 1);
	assert_false(notify_is_listened_to());
}

static void
test_words(void **state)
{
	(void)state;
	assert_true(notify_is_listened_to());
	assert_int_equal(notify_ready(NULL), 1);
	assert_string_equal(heard(), "READY=1");
	assert_int_equal(notify_ready("2 mappings active"), 1);
	assert_string_equal(heard(), "READY=1\nSTATUS=2 mappings active");
	assert_int_equal(notify_status("external 203.0.113.7"), 1);
	assert_string_equal(heard(), "STATUS=external 203.0.113.7");
	assert_int_equal(notify_alive(), 1);
	assert_string_equal(heard(), "WATCHDOG=1");
	assert_int_equal(notify_stopping("deleting 3 mappings"), 1);
	assert_string_equal(heard(), "STOPPING=1\nSTATUS=deleting 3 mappings");
	assert_string_equal(heard(), "");
}

static int64_t
monotonic_usec(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static void
test_reloading(void **state)
{
	static const char begin[] = "RELOADING=1\nMONOTONIC_USEC=";
	int64_t before = monotonic_usec();
	const char *text;
	char *end;

	(void)state;
	assert_int_equal(notify_reloading(), 1);
	text = heard();
	assert_memory_equal(text, begin, sizeof(begin) - 1);
	assert_in_range(
	    strtoll(text + sizeof(begin) - 1, &end, 10), before, monotonic_usec());
	assert_int_equal(*end, '\0');
}

/* A status quotes peers, who must not get to say READY=1 or MAINPID=1 in our name. */
static void
test_status_is_one_line(void **state)
{
	char large[1000];
	const char *text;

	(void)state;
	assert_int_equal(notify_status("router \"a\nMAINPID=1\x1b[2J\""), 1);
	assert_string_equal(heard(), "STATUS=router \"a?MAINPID=1?[2J\"");
	assert_int_equal(notify_ready("a\nSTOPPING=1"), 1);
	assert_string_equal(heard(), "READY=1\nSTATUS=a?STOPPING=1");
	memset(large, 'x', sizeof(large) - 1);
	large[sizeof(large) - 1] = '\0';
	assert_int_equal(notify_status(large), 1);
	text = heard();
	assert_int_equal(strlen(text), strlen("STATUS=") + 255);
}

static void
test_manager_is_gone(void **state)
{
	(void)state;
	close(manager);
	manager = -1;
	assert_true(notify_alive() < 0);
	assert_true(notify_ready("x") < 0);
}

/* F70: the watchdog is served from the loop. */
static void
test_watchdog(void **state)
{
	static const struct {
		const char *usec;
		msec_t period_ms;
	} rows[] = {
		{ "60000000", 30000 },
		{ "3000000", 1500 },
		{ "1000", 1 }, /* never 0: that would be a busy loop */
		{ "1", 1 },
		{ "0", MSEC_NEVER },
		{ "18446744073709551615", MSEC_NEVER },
		{ "soon", MSEC_NEVER },
		{ "", MSEC_NEVER },
	};
	char pid[32];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		setenv("WATCHDOG_USEC", rows[i].usec, 1);
		if (notify_watchdog_period_ms() != rows[i].period_ms)
			fail_msg("%s: %lld", rows[i].usec,
			    (long long)notify_watchdog_period_ms());
	}
	/* Meant for another process. */
	setenv("WATCHDOG_USEC", "60000000", 1);
	snprintf(pid, sizeof(pid), "%d", getppid());
	setenv("WATCHDOG_PID", pid, 1);
	assert_true(notify_watchdog_period_ms() == MSEC_NEVER);
}

/* In a child, whose descriptors from 3 on are ours to choose.  The number of the line
 * that was not as expected, at most 255, or 0. */
static int
passed_fds(void)
{
	int fds[4] = { -7, -7, -7, -7 };
	char pid[32];

	for (int fd = 3; fd < 7; fd++)
		if (dup2(0, fd) != fd)
			return 1;
	snprintf(pid, sizeof(pid), "%d", getpid());
	setenv("LISTEN_PID", pid, 1);
	setenv("LISTEN_FDS", "4", 1);
	setenv("LISTEN_FDNAMES", "varlink:metrics-http:varlink:other", 1);
	if (notify_listen_fds("varlink", fds, 4) != 2 || fds[0] != 3 || fds[1] != 5 ||
	    fds[2] != -7)
		return 2;
	if (!(fcntl(3, F_GETFD) & FD_CLOEXEC))
		return 3;
	/* Asked again, for others, and with too little room. */
	if (notify_listen_fds("metrics-http", fds, 4) != 1 || fds[0] != 4)
		return 4;
	fds[1] = -7;
	if (notify_listen_fds("varlink", fds, 1) != 2 || fds[0] != 3 || fds[1] != -7)
		return 5;
	if (notify_listen_fds("varlin", fds, 4) != 0)
		return 6;
	/* Without names nothing is ours; nor is what was meant for somebody else. */
	unsetenv("LISTEN_FDNAMES");
	if (notify_listen_fds("varlink", fds, 4) != 0)
		return 7;
	setenv("LISTEN_FDNAMES", "varlink:varlink:varlink:varlink", 1);
	setenv("LISTEN_PID", "1", 1);
	if (notify_listen_fds("varlink", fds, 4) != 0)
		return 8;
	/* Nonsense. */
	setenv("LISTEN_PID", pid, 1);
	setenv("LISTEN_FDS", "-4", 1);
	if (notify_listen_fds("varlink", fds, 4) != 0)
		return 9;
	setenv("LISTEN_FDS", "2", 1);
	if (notify_listen_fds("varlink", fds, 4) != 0) /* four names for two */
		return 10;
	return 0;
}

static void
test_listen_fds(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	if (pid == 0)
		_exit(passed_fds());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

int
main(void)
{
#define WITH(test, before) \
	cmocka_unit_test_setup_teardown(test, before, without_manager)
	const struct CMUnitTest tests[] = {
		WITH(test_without, without_manager),
		WITH(test_words, with_manager),
		WITH(test_reloading, with_manager),
		WITH(test_status_is_one_line, with_manager),
		WITH(test_manager_is_gone, with_manager),
		WITH(test_watchdog, without_manager),
		WITH(test_listen_fds, without_manager),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
