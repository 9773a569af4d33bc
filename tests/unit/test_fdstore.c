/*
 * test_fdstore.c - what is given to a service manager to keep, at a datagram socket of
 * ours, and what the next natd makes of it.
 */
#include "daemon/fdstore.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/sock.h"
#include "daemon/stun_listen.h"
#include "proto/util.h"
#include "tests/unit/manager.h"

#ifndef SO_COOKIE
#define SO_COOKIE 57
#endif

static uint64_t
cookie(int fd)
{
	uint64_t value = 0;
	socklen_t len = sizeof(value);

	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_COOKIE, &value, &len), 0);
	return value;
}

static int
udp(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	return fd;
}

static const char *
name_of(const char *use, int fd, const char *number)
{
	static char text[128];

	snprintf(text, sizeof(text), "natd-%s-%" PRIx64 "-%s", use, cookie(fd), number);
	return text;
}

/* ---- giving ---- */

static void
test_put_and_drop(void **state)
{
	struct fdstore *s;
	char want[256];
	int one = udp(), two = udp(), other = udp();

	(void)state;
	assert_int_equal(fdstore_new(&s), 0);
	assert_true(fdstore_put(s, "twin", one, UINT64_C(0xdeadbeef00000001)));
	snprintf(want, sizeof(want), "FDSTORE=1\nFDPOLL=0\nFDNAME=%s",
	    name_of("twin", one, "deadbeef00000001"));
	assert_string_equal(heard(), want);
	assert_true(cookie(passed) == cookie(one));
	/* It is there already. */
	assert_true(fdstore_put(s, "twin", one, 7));
	assert_string_equal(heard(), "");
	assert_true(fdstore_put(s, "server", two, 0));
	heard();
	/* What was not given is not taken back. */
	fdstore_drop(s, other);
	assert_string_equal(heard(), "");
	fdstore_drop(s, one);
	snprintf(want, sizeof(want), "FDSTOREREMOVE=1\nFDNAME=%s",
	    name_of("twin", one, "deadbeef00000001"));
	assert_string_equal(heard(), want);
	fdstore_drop(s, one);
	assert_string_equal(heard(), "");
	/* natd ends: what is kept stays kept. */
	fdstore_freeze(s);
	fdstore_drop(s, two);
	assert_false(fdstore_put(s, "twin", one, 0));
	fdstore_free(s);
	assert_string_equal(heard(), "");
	close(one);
	close(two);
	close(other);
}

static void
test_never_more_than_the_manager_takes(void **state)
{
	static const struct {
		const char *said;
		unsigned taken;
	} rows[] = { { NULL, FDSTORE_MAX }, { "3", 3 }, { "0", 0 },
		{ "99999999", FDSTORE_MAX }, { "nonsense", 0 } };
	static int fds[FDSTORE_MAX + 2];

	(void)state;
	for (size_t row = 0; row < ARRAY_SIZE(rows); row++) {
		unsigned taken = 0, messages = 0;
		struct fdstore *s;

		if (rows[row].said)
			setenv("FDSTORE", rows[row].said, 1);
		assert_int_equal(fdstore_new(&s), 0);
		for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
			fds[i] = udp();
			taken += fdstore_put(s, "twin", fds[i], 0);
			messages += heard()[0] != '\0';
		}
		assert_int_equal(taken, rows[row].taken);
		assert_int_equal(messages, rows[row].taken);
		/* There is room again. */
		if (taken > 0) {
			fdstore_drop(s, fds[0]);
			assert_true(
			    fdstore_put(s, "twin", fds[ARRAY_SIZE(fds) - 1], 0));
			assert_false(fdstore_put(s, "twin", fds[0], 0));
			heard();
			heard();
		}
		for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
			close(fds[i]);
		fdstore_free(s);
	}
}

/* The manager has other work, whatever natd's clients do. */
static void
test_not_more_often_than_is_good(void **state)
{
	struct fdstore *s;
	int fd = udp();
	unsigned taken = 0;

	(void)state;
	assert_int_equal(fdstore_new(&s), 0);
	for (unsigned i = 0; i < 20 * FDSTORE_MAX; i++)
		if (fdstore_put(s, "twin", fd, 0)) {
			taken++;
			heard();
			fdstore_drop(s, fd);
			heard();
		}
	/* Time goes by meanwhile, on a busy machine much of it. */
	assert_in_range(taken, 2 * FDSTORE_MAX, 4 * FDSTORE_MAX);
	fdstore_free(s);
	close(fd);
}

static void
test_without_manager(void **state)
{
	struct fdstore *s;
	uint64_t number;
	int fd = udp();

	(void)state;
	unsetenv("NOTIFY_SOCKET");
	assert_int_equal(fdstore_new(&s), 0);
	assert_false(fdstore_put(s, "twin", fd, 0));
	assert_int_equal(fdstore_take(s, "twin", &number), -ENOENT);
	fdstore_settle(s);
	fdstore_drop(s, fd);
	fdstore_sweep(s);
	fdstore_free(s);
	assert_false(fdstore_put(NULL, "twin", fd, 0));
	assert_int_equal(fdstore_take(NULL, "twin", &number), -ENOENT);
	fdstore_drop(NULL, fd);
	close(fd);
}

/* ---- the next natd ---- */

static int
bound(int type)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	if (bind(fd, (struct sockaddr *)&in, sizeof(in)) < 0 ||
	    (type == SOCK_STREAM && listen(fd, 1) < 0))
		return -1;
	return fd;
}

#define CHECK(condition)                                                        \
	do {                                                                    \
		if (!(condition)) {                                             \
			fprintf(stderr, "line %d: %s\n", __LINE__, #condition); \
			return 1;                                               \
		}                                                               \
	} while (0)

/* In a child, whose descriptors from 3 on are ours to choose: a socket of a program's,
 * two twins, the server's sockets, what is none of ours, and a name as no natd gives.
 */
static int
pass(void)
{
	static const char *const names[] = { "varlink", "natd-twin-1-a",
		"natd-server-2-0", "natd-server-3-0", "natd-twin-4-ffffffffffffffff",
		"natd-later-5-0", "natd-not-a-socket" };
	enum { N = ARRAY_SIZE(names) };
	char pid[32], count[8], all[512] = "";
	int mine[N];

	for (int i = 0; i < N; i++)
		mine[i] = fcntl(i == N - 1 ? 0
				: i == 3   ? bound(SOCK_STREAM)
					   : bound(SOCK_DGRAM),
		    F_DUPFD, 50);
	for (int i = 0; i < N; i++) {
		CHECK(dup2(mine[i], 3 + i) == 3 + i);
		close(mine[i]);
		sprintf(all + strlen(all), "%s%s", i ? ":" : "", names[i]);
	}
	snprintf(pid, sizeof(pid), "%d", getpid());
	snprintf(count, sizeof(count), "%d", N);
	setenv("LISTEN_PID", pid, 1);
	setenv("LISTEN_FDS", count, 1);
	setenv("LISTEN_FDNAMES", all, 1);
	return 0;
}

static int
next_natd(void)
{
	struct endpoint udp_at, tcp_at;
	struct stun_listen *listen_;
	struct fdstore *s;
	uint64_t number = 0, tcp_cookie;
	int twin, other;

	CHECK(pass() == 0);
	CHECK(sock_name(5, &udp_at) == 0 && sock_name(6, &tcp_at) == 0);
	tcp_cookie = cookie(6);
	CHECK(fdstore_new(&s) == 0);
	CHECK(strcmp(heard(), "FDSTOREREMOVE=1\nFDNAME=natd-not-a-socket") == 0);
	CHECK(fcntl(9, F_GETFD) < 0);
	twin = fdstore_take(s, "twin", &number);
	CHECK(twin == 4 && number == 0xa && fcntl(4, F_GETFD) & FD_CLOEXEC);
	CHECK(fdstore_take(s, "twi", &number) == -ENOENT);
	CHECK(fdstore_take(s, "twin", &number) == 7 && number == UINT64_MAX);
	CHECK(fdstore_take(s, "twin", &number) == -ENOENT);

	/* The server goes on with what fits, at once; and lets go of the rest. */
	CHECK(stun_listen_new(s, &listen_) == 0);
	other = stun_listen_open(listen_, SOCK_STREAM, &tcp_at);
	CHECK(other >= 0 && cookie(other) == tcp_cookie);
	CHECK(heard()[0] == '\0');
	stun_listen_clear(listen_);
	CHECK(strcmp(heard(), "FDSTOREREMOVE=1\nFDNAME=natd-server-2-0") == 0);
	CHECK(fcntl(5, F_GETFD) < 0);
	/* An address that is free is opened anew, and kept. */
	twin = stun_listen_open(listen_, SOCK_DGRAM, &udp_at);
	CHECK(twin >= 0 && strstr(heard(), "FDSTORE=1"));
	/* Another configuration: parked, and opened again. */
	stun_listen_park(listen_, twin);
	CHECK(stun_listen_open(listen_, SOCK_DGRAM, &udp_at) == twin);
	CHECK(heard()[0] == '\0');
	stun_listen_free(listen_);

	/* Nobody has a use for it any more; what is for others stays. */
	fdstore_sweep(s);
	CHECK(strcmp(heard(), "FDSTOREREMOVE=1\nFDNAME=natd-later-5-0") == 0);
	CHECK(heard()[0] == '\0');
	CHECK(fcntl(8, F_GETFD) < 0 && fcntl(3, F_GETFD) >= 0);
	fdstore_free(s);
	return 0;
}

static void
test_next_natd(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		/* The manager's socket is out of the way, and its name is kept. */
		manager = fcntl(manager, F_DUPFD_CLOEXEC, 40);
		_exit(next_natd());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    test_put_and_drop, with_manager, without_manager),
		cmocka_unit_test_setup_teardown(test_never_more_than_the_manager_takes,
		    with_manager, without_manager),
		cmocka_unit_test_setup_teardown(
		    test_not_more_often_than_is_good, with_manager, without_manager),
		cmocka_unit_test_setup_teardown(
		    test_without_manager, with_manager, without_manager),
		cmocka_unit_test_setup_teardown(
		    test_next_natd, with_manager, without_manager),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
