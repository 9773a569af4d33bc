/*
 * test_twin.c - a second socket beside an application's, on the loopback interface: who
 * gets which datagram, also while twins come and go.
 */
#include "daemon/twin.h"

#include <errno.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/sock.h"
#include "proto/util.h"

#define DATAGRAMS 10000
#define WINDOW 64 /* under way at most: nothing is dropped for want of room */

/* How the application bound its socket. */
struct way {
	const char *what;
	int domain;
	const char *bound; /* NULL: any */
	bool v6only, reuseport, reuseaddr, connected;
	const char *server; /* the family to be asked */
};

static const struct way ways[] = {
	{ "IPv4, any", AF_INET, NULL, false, false, false, false, "127.0.0.1" },
	{ "IPv4, address", AF_INET, "127.0.0.1", false, false, false, false,
	    "127.0.0.1" },
	{ "IPv4, any, SO_REUSEADDR", AF_INET, NULL, false, false, true, false,
	    "127.0.0.1" },
	{ "IPv4, address, SO_REUSEPORT", AF_INET, "127.0.0.1", false, true, false,
	    false, "127.0.0.1" },
	{ "IPv4, any, connected", AF_INET, NULL, false, false, false, true,
	    "127.0.0.1" },
	{ "IPv6, any", AF_INET6, NULL, true, false, false, false, "::1" },
	{ "IPv6, address", AF_INET6, "::1", true, false, false, false, "::1" },
	{ "both, asked by IPv4", AF_INET6, NULL, false, false, false, false,
	    "127.0.0.1" },
	{ "both, asked by IPv6", AF_INET6, NULL, false, false, false, false, "::1" },
	{ "IPv4 in IPv6", AF_INET6, "::ffff:127.0.0.1", false, false, false, false,
	    "127.0.0.1" },
};

static struct endpoint
name_of(int fd)
{
	struct endpoint e;

	assert_int_equal(sock_name(fd, &e), 0);
	return e;
}

static void
set_on(int fd, int level, int name, int value)
{
	assert_int_equal(setsockopt(fd, level, name, &value, sizeof(value)), 0);
}

static int
bound_udp(int domain, const char *text, int extra)
{
	int fd = socket(domain, SOCK_DGRAM | SOCK_CLOEXEC | extra, 0);
	struct endpoint e = { .addr = { .family = domain == AF_INET ? ADDR_IPV4
								    : ADDR_IPV6 } };
	struct sockaddr_storage ss;
	socklen_t len;

	assert_true(fd >= 0);
	if (text && strncmp(text, "::ffff:", 7) == 0) {
		assert_int_equal(addr_parse(text + 7, &e.addr), 0);
		addr_to_ipv6_bytes(&e.addr, e.addr.bytes);
		e.addr.family = ADDR_IPV6;
	} else if (text) {
		assert_int_equal(addr_parse(text, &e.addr), 0);
	}
	len = sock_addr(&e, &ss);
	assert_int_equal(bind(fd, (struct sockaddr *)&ss, len), 0);
	return fd;
}

static int
open_app(const struct way *w)
{
	int fd = socket(w->domain, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
	struct sockaddr_in in = { .sin_family = AF_INET };

	assert_true(fd >= 0);
	if (w->domain == AF_INET6)
		set_on(fd, IPPROTO_IPV6, IPV6_V6ONLY, w->v6only);
	if (w->reuseport)
		set_on(fd, SOL_SOCKET, SO_REUSEPORT, 1);
	if (w->reuseaddr)
		set_on(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (w->domain == AF_INET) {
		if (w->bound)
			in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof(in)), 0);
		return fd;
	}
	if (w->bound && strcmp(w->bound, "::1") == 0)
		in6.sin6_addr = in6addr_loopback;
	else if (w->bound)
		memcpy(in6.sin6_addr.s6_addr,
		    (uint8_t[16]) { [10] = 0xff, 0xff, 127, 0, 0, 1 }, 16);
	assert_int_equal(bind(fd, (struct sockaddr *)&in6, sizeof(in6)), 0);
	return fd;
}

/* ---- an application with much traffic ---- */

struct traffic {
	int app, peer;
	struct endpoint to;
	atomic_uint received;
	atomic_bool wrong;
	uint8_t seen[DATAGRAMS];
};

static void *
send_all(void *ctx)
{
	struct traffic *t = ctx;
	struct sockaddr_storage ss;
	socklen_t len = sock_addr(&t->to, &ss);

	for (uint32_t i = 0; i < DATAGRAMS; i++) {
		for (unsigned waited = 0; i - atomic_load(&t->received) >= WINDOW;
		     waited++) {
			if (waited > 2000000 || atomic_load(&t->wrong))
				return NULL; /* one is lost for good */
			sched_yield();
		}
		sendto(t->peer, &i, sizeof(i), 0, (struct sockaddr *)&ss, len);
	}
	return NULL;
}

static void *
receive_all(void *ctx)
{
	struct traffic *t = ctx;

	while (atomic_load(&t->received) < DATAGRAMS) {
		struct pollfd p = { .fd = t->app, .events = POLLIN };
		uint32_t i;

		if (poll(&p, 1, 30000) <= 0 ||
		    recv(t->app, &i, sizeof(i), 0) != sizeof(i) || i >= DATAGRAMS ||
		    t->seen[i]++) {
			atomic_store(&t->wrong, true);
			return NULL;
		}
		atomic_fetch_add(&t->received, 1);
	}
	return NULL;
}

/* Where the application's peer is: not on the server's address, see twin.h.  Without
 * another IPv6 address on this machine it is, and fewer twins are made. */
static bool
peer_address(bool ipv6, char ret[static ADDR_TEXT_MAX])
{
	struct ifaddrs *list;
	bool found = false;

	strcpy(ret, ipv6 ? "::1" : "127.0.0.2");
	if (!ipv6 || getifaddrs(&list) < 0)
		return !ipv6;
	for (struct ifaddrs *i = list; i && !found; i = i->ifa_next) {
		struct sockaddr_storage ss = { .ss_family = AF_UNSPEC };
		struct endpoint e;

		if (!i->ifa_addr || i->ifa_addr->sa_family != AF_INET6)
			continue;
		memcpy(&ss, i->ifa_addr, sizeof(struct sockaddr_in6));
		e = sock_endpoint(&ss);
		found = addr_classify(&e.addr) == ADDR_CLASS_PRIVATE ||
			addr_classify(&e.addr) == ADDR_CLASS_GLOBAL;
		if (found)
			addr_format(&e.addr, ret);
	}
	freeifaddrs(list);
	return found;
}

#define FEW 50

/* A twin hears its server, and nothing else. */
static void
use_twin(const struct twin_app *a, int server, bool *ret_foreign)
{
	struct endpoint to = name_of(server), local;
	struct sockaddr_storage ss;
	int twin = twin_open(a, &to, &local);
	char c = 0;
	socklen_t len;

	assert_true(twin >= 0);
	assert_int_equal(local.port, a->local.port);
	assert_int_equal(local.addr.family, to.addr.family);
	assert_int_equal(send(twin, "?", 1, 0), 1);
	len = sizeof(ss);
	assert_int_equal(recvfrom(server, &c, 1, 0, (struct sockaddr *)&ss, &len), 1);
	assert_true(endpoint_equal(
	    &(struct endpoint) { sock_endpoint(&ss).addr, sock_endpoint(&ss).port },
	    &local));
	assert_int_equal(sendto(server, "!", 1, 0, (struct sockaddr *)&ss, len), 1);
	for (int i = 0; i < 100; i++) {
		struct pollfd p = { .fd = twin, .events = POLLIN };
		uint8_t buf[16];

		assert_int_equal(poll(&p, 1, 10000), 1);
		if (recv(twin, buf, sizeof(buf), 0) == 1 && buf[0] == '!')
			break;
		*ret_foreign = true;
	}
	assert_int_equal(recv(twin, &c, 1, 0), -1);
	close(twin);
}

static void
check_way(const struct way *w)
{
	static struct traffic t;
	int server =
	    bound_udp(strchr(w->server, ':') ? AF_INET6 : AF_INET, w->server, 0);
	struct twin_app a;
	enum twin_problem problem;
	pthread_t sender, receiver;
	unsigned twins = 0;
	bool foreign = false, ipv6 = strchr(w->server, ':'), apart;
	char peer[ADDR_TEXT_MAX];
	int flag;
	socklen_t len = sizeof(flag);

	memset(&t, 0, sizeof(t));
	apart = peer_address(ipv6, peer);
	t.app = open_app(w);
	t.peer = bound_udp(ipv6 ? AF_INET6 : AF_INET, peer, 0);
	t.to = name_of(server);
	t.to.port = name_of(t.app).port;
	if (w->connected) {
		struct sockaddr_storage ss;
		struct endpoint to = name_of(t.peer);

		assert_int_equal(
		    connect(t.app, (struct sockaddr *)&ss, sock_addr(&to, &ss)), 0);
	}
	if (twin_look(t.app, &a, &problem) != 0)
		fail_msg("%s: %s", w->what, twin_problem_name(problem));
	assert_int_equal(pthread_create(&receiver, NULL, receive_all, &t), 0);
	assert_int_equal(pthread_create(&sender, NULL, send_all, &t), 0);
	while (atomic_load(&t.received) < DATAGRAMS && !atomic_load(&t.wrong)) {
		if (apart || twins < FEW) {
			use_twin(&a, server, &foreign);
			twins++;
		}
	}
	pthread_join(sender, NULL);
	pthread_join(receiver, NULL);
	if (atomic_load(&t.wrong) || foreign)
		fail_msg("%s: with %u twins %u of %d came%s", w->what, twins,
		    atomic_load(&t.received), DATAGRAMS,
		    foreign ? ", some elsewhere" : "");
	assert_in_range(twins, 20, UINT32_MAX);
	/* The socket is as it was. */
	assert_int_equal(getsockopt(t.app, SOL_SOCKET, SO_REUSEADDR, &flag, &len), 0);
	assert_int_equal(flag, w->reuseaddr);
	close(t.app);
	close(t.peer);
	close(server);
}

static void
test_nothing_lost_stolen_or_twice(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++)
		check_way(&ways[i]);
}

/* ---- what is refused ---- */

static void
test_problems(void **state)
{
	enum twin_problem problem = TWIN_PROBLEM_MAX;
	struct twin_app a;
	int fds[2], fd;

	(void)state;
	assert_int_equal(twin_look(-1, &a, &problem), 1);
	assert_string_equal(twin_problem_name(problem), "missing");
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(twin_look(fds[0], &a, &problem), 1);
	assert_string_equal(twin_problem_name(problem), "not_a_socket");
	close(fds[0]);
	close(fds[1]);
	fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	assert_int_equal(twin_look(fd, &a, &problem), 1);
	assert_string_equal(twin_problem_name(problem), "wrong_family");
	close(fd);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(twin_look(fd, &a, &problem), 1);
	assert_string_equal(twin_problem_name(problem), "not_udp");
	close(fd);
	fd = socket(AF_INET6, SOCK_DGRAM, 0);
	assert_int_equal(twin_look(fd, &a, &problem), 1);
	assert_string_equal(twin_problem_name(problem), "not_bound");
	close(fd);
}

static void
test_families(void **state)
{
	static const struct {
		const char *server;
		int domain;
		const char *bound;
		bool fits;
	} rows[] = {
		{ "127.0.0.1", AF_INET, NULL, true },
		{ "::1", AF_INET, NULL, false },
		{ "::1", AF_INET6, "::1", true },
		{ "127.0.0.1", AF_INET6, "::1", false },
		{ "::1", AF_INET6, "::ffff:127.0.0.1", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct way w = { .domain = rows[i].domain,
			.bound = rows[i].bound };
		struct endpoint to = { .port = 3478 }, local;
		int app = open_app(&w), twin;
		enum twin_problem problem;
		struct twin_app a;

		assert_int_equal(addr_parse(rows[i].server, &to.addr), 0);
		assert_int_equal(twin_look(app, &a, &problem), 0);
		twin = twin_open(&a, &to, &local);
		assert_int_equal(rows[i].fits ? twin >= 0 : twin == -EAFNOSUPPORT, 1);
		if (twin >= 0)
			close(twin);
		close(app);
	}
}

/* A twin is found again by whoever is passed it, by nobody else's socket. */
static void
test_of_another_process(void **state)
{
	static const struct {
		struct way twin, asked;
		bool same_port, fits;
	} rows[] = {
		{ { .domain = AF_INET }, { .domain = AF_INET }, true, true },
		{ { .domain = AF_INET }, { .domain = AF_INET }, false, false },
		{ { .domain = AF_INET, .bound = "127.0.0.1" },
		    { .domain = AF_INET, .bound = "127.0.0.1" }, true, true },
		{ { .domain = AF_INET6 }, { .domain = AF_INET6 }, true, true },
		{ { .domain = AF_INET6 }, { .domain = AF_INET6, .v6only = true }, true,
		    false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		int server = bound_udp(AF_INET, "127.0.0.1", 0);
		int app = open_app(&rows[i].twin), other = open_app(&rows[i].asked);
		struct endpoint to = name_of(server), local, here, there;
		enum twin_problem problem;
		struct twin_app a, b;
		int twin;

		assert_int_equal(twin_look(app, &a, &problem), 0);
		assert_int_equal(twin_look(other, &b, &problem), 0);
		twin = twin_open(&a, &to, &local);
		assert_true(twin >= 0);
		if (rows[i].same_port)
			b.local.port = a.local.port;
		assert_int_equal(twin_is_of(twin, &b, &here, &there), rows[i].fits);
		if (rows[i].fits) {
			assert_true(endpoint_equal(&here, &local));
			assert_true(endpoint_equal(&there, &to));
		}
		/* The application's own is none, it has no server. */
		assert_false(twin_is_of(app, &a, &here, &there));
		strcpy(a.ifname, "lo");
		assert_false(twin_is_of(twin, &a, &here, &there));
		close(twin);
		close(app);
		close(other);
		close(server);
	}
}

/* A copy that is still open somewhere takes nothing, not even from the server. */
static void
test_deaf(void **state)
{
	const struct way ways_[] = { { .domain = AF_INET }, { .domain = AF_INET6 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(ways_); i++) {
		int server = bound_udp(AF_INET, "127.0.0.1", 0), app, twin, next;
		struct endpoint to = name_of(server), local;
		struct sockaddr_storage ss;
		enum twin_problem problem;
		struct twin_app a;
		socklen_t len;
		char c;

		app = open_app(&ways_[i]);
		assert_int_equal(twin_look(app, &a, &problem), 0);
		twin = twin_open(&a, &to, &local);
		assert_true(twin >= 0);
		len = sock_addr(&local, &ss);
		twin_deafen(twin);
		next = twin_open(&a, &to, &local);
		assert_true(next >= 0);
		assert_int_equal(
		    sendto(server, "!", 1, 0, (struct sockaddr *)&ss, len), 1);
		assert_int_equal(recv(next, &c, 1, 0), 1);
		assert_int_equal(recv(twin, &c, 1, 0), -1);
		close(next);
		/* Without another twin it is the application's. */
		assert_int_equal(
		    sendto(server, "!", 1, 0, (struct sockaddr *)&ss, len), 1);
		assert_int_equal(recv(app, &c, 1, MSG_DONTWAIT), 1);
		close(twin);
		close(app);
		close(server);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_problems),
		cmocka_unit_test(test_families),
		cmocka_unit_test(test_of_another_process),
		cmocka_unit_test(test_deaf),
		cmocka_unit_test(test_nothing_lost_stolen_or_twice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
