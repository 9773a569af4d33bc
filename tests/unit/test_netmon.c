/*
 * test_netmon.c - netmon against the kernel, in a network namespace of this process.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <sched.h>
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

#include "netmon/dump.h"
#include "netmon/open.h"
#include "netmon/parse.h"
#include "tests/unit/namespace.h"

#define PATIENCE_MS 10000

static void
run(const char *command)
{
	int status = system(command);

	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		fail_msg("%s: %d", command, status);
}

static int64_t
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* The changes of all dispatches until `done` says so; fails after the deadline. */
static int
until(struct netmon *n, bool (*done)(struct netmon *n))
{
	int64_t deadline = now_ms() + PATIENCE_MS;
	int changed = 0;

	while (!done(n)) {
		struct pollfd p = { .fd = netmon_fd(n), .events = POLLIN };
		int r;

		if (now_ms() > deadline)
			fail_msg("nothing happened; changes %x", changed);
		poll(&p, 1, 1000);
		r = netmon_dispatch(n);
		assert_return_code(r, -r);
		changed |= r;
	}
	return changed;
}

/* Until nothing comes for a while: the kernel finishes with IPv6 addresses (duplicate
 * detection) when it likes, later on a busy machine. */
static void
come_to_rest(struct netmon *n)
{
	struct pollfd p = { .fd = netmon_fd(n), .events = POLLIN };
	int64_t end = now_ms() + PATIENCE_MS;

	while (poll(&p, 1, 300) == 1) {
		int r = netmon_dispatch(n);

		assert_return_code(r, -r);
		assert_true(now_ms() < end);
	}
}

static const struct netmon_link *
link_named(struct netmon *n, const char *name)
{
	size_t count;
	const struct netmon_link *links = netmon_links(n, &count);

	for (size_t i = 0; i < count; i++)
		if (strcmp(links[i].name, name) == 0)
			return &links[i];
	return NULL;
}

static const struct netmon_addr *
addr_of(struct netmon *n, const char *text)
{
	size_t count;
	const struct netmon_addr *addrs = netmon_addrs(n, &count);
	uint8_t bytes[16] = { 0 };

	inet_pton(strchr(text, ':') ? AF_INET6 : AF_INET, text, bytes);
	for (size_t i = 0; i < count; i++)
		if (memcmp(addrs[i].ip.bytes, bytes, sizeof(bytes)) == 0)
			return &addrs[i];
	return NULL;
}

/* "va 10.0.0.1" of the default uplink, or "none". */
static const char *
way_out(struct netmon *n, int family)
{
	static char text[128];
	struct netmon_uplink u[8];
	size_t count = netmon_uplinks(n, NULL, 0, u, 8);

	for (size_t i = 0; i < count; i++) {
		char gateway[64] = "-";

		if (!u[i].is_default || u[i].family != family)
			continue;
		if (u[i].gateway.family != AF_UNSPEC)
			inet_ntop(family, u[i].gateway.bytes, gateway, sizeof(gateway));
		snprintf(text, sizeof(text), "%s %s", u[i].name, gateway);
		return text;
	}
	return "none";
}

static int
mac_of_default(struct netmon *n)
{
	struct netmon_uplink u[8];

	return netmon_uplinks(n, NULL, 0, u, 8) > 0 && u[0].mac_len == 6 ? u[0].mac[5]
									 : -1;
}

#define BECOMES(name, expression)          \
	static bool name(struct netmon *n) \
	{                                  \
		return expression;         \
	}

BECOMES(va_is_up, link_named(n, "va") && link_named(n, "va")->up)
BECOMES(va_runs, link_named(n, "va")->running)
BECOMES(va_is_dead, !link_named(n, "va")->running)
BECOMES(va_is_down, !link_named(n, "va")->up)
BECOMES(va_is_gone, !link_named(n, "va"))
BECOMES(has_address, addr_of(n, "10.0.0.2"))
BECOMES(lacks_address, !addr_of(n, "10.0.0.2"))
BECOMES(has_v6, addr_of(n, "2001:db8::2"))
BECOMES(v6_is_deprecated, addr_of(n, "2001:db8::2")->deprecated)
BECOMES(out_by_va, strcmp(way_out(n, AF_INET), "va 10.0.0.1") == 0)
BECOMES(out_by_vc, strcmp(way_out(n, AF_INET), "vc 10.1.0.1") == 0)
BECOMES(out_by_none, strcmp(way_out(n, AF_INET), "none") == 0)
BECOMES(out_by_tunnel, strcmp(way_out(n, AF_INET), "tn -") == 0)
BECOMES(v6_out_by_va, strcmp(way_out(n, AF_INET6), "va fe80::1") == 0)
BECOMES(mac_is_1, mac_of_default(n) == 1)
BECOMES(mac_is_2, mac_of_default(n) == 2)
BECOMES(mac_is_unknown, mac_of_default(n) == -1)

/* Each test in a namespace of its own: two pairs, va-vb and vc-vd, and a monitor. */
static int
setup(void **state)
{
	(void)state;
	if (unshare(CLONE_NEWNET) < 0)
		return -1;
	/* No link-local addresses, which come when they like. */
	run("ip link set lo up; ip link add va type veth peer name vb;"
	    "ip link add vc type veth peer name vd;"
	    "for v in va vb vc vd; do ip link set $v addrgenmode none; done;"
	    "ip link set vb up; ip link set vd up");
	assert_int_equal(netmon_open(&netmon), 0);
	return 0;
}

static int
setup_routed(void **state)
{
	if (setup(state) < 0)
		return -1;
	run("ip link set va up; ip link set vc up; ip addr add 10.0.0.2/24 dev va;"
	    "ip addr add 10.1.0.2/24 dev vc; ip route add default via 10.0.0.1 dev va;"
	    "ip route add default via 10.1.0.1 dev vc metric 500");
	until(netmon, out_by_va);
	return 0;
}

static void
test_descriptor(void **state)
{
	(void)state;
	for (int fd = 3; fd < 64; fd++) {
		int flags = fcntl(fd, F_GETFL);
		struct sockaddr_nl name;
		socklen_t len = sizeof(name);

		if (getsockname(fd, (struct sockaddr *)&name, &len) < 0 ||
		    name.nl_family != AF_NETLINK)
			continue;
		assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
		/* The other one asks, and is never left with an answer to wait for. */
		assert_true(name.nl_groups == 0 || flags & O_NONBLOCK);
	}
	assert_true(fcntl(netmon_fd(netmon), F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(netmon_fd(netmon), F_GETFL) & O_NONBLOCK);
	assert_int_equal(netmon_dispatch(netmon), 0);
	assert_non_null(link_named(netmon, "lo"));
	assert_true(link_named(netmon, "lo")->loopback);
	assert_null(link_named(netmon, "eth7"));
}

static void
test_unprivileged(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	pid = fork();
	if (pid == 0) {
		struct netmon *n;
		size_t count = 0;

		if (setresuid(65534, 65534, 65534) < 0 || netmon_open(&n) < 0)
			_exit(1);
		netmon_links(n, &count);
		netmon_free(n);
		_exit(count == 5 ? 0 : 2);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void
test_links(void **state)
{
	(void)state;
	assert_false(link_named(netmon, "va")->up);
	run("ip link set va up");
	assert_true(until(netmon, va_is_up) & NETMON_LINKS);
	until(netmon, va_runs);
	run("ip link set vb down");
	assert_true(until(netmon, va_is_dead) & NETMON_LINKS);
	assert_true(link_named(netmon, "va")->up);
	run("ip link set va down");
	assert_true(until(netmon, va_is_down) & NETMON_LINKS);
	/* Leaving a bridge is told by a "gone" that is not of the link. */
	run("ip link add name brg type bridge; ip link set va master brg;"
	    "ip link set va nomaster; ip link set va up");
	until(netmon, va_is_up);
	run("ip link del va");
	assert_true(until(netmon, va_is_gone) & NETMON_LINKS);
}

static void
test_addresses(void **state)
{
	(void)state;
	run("ip link set va up; ip addr add 10.0.0.2/24 dev va");
	assert_true(until(netmon, has_address) & NETMON_ADDRS);
	assert_int_equal(
	    addr_of(netmon, "10.0.0.2")->ifindex, link_named(netmon, "va")->ifindex);
	run("ip addr del 10.0.0.2/24 dev va");
	assert_true(until(netmon, lacks_address) & NETMON_ADDRS);
	run("ip addr add 2001:db8::2/64 dev va nodad");
	until(netmon, has_v6);
	run("ip addr change 2001:db8::2/64 dev va valid_lft 600 preferred_lft 0");
	assert_true(until(netmon, v6_is_deprecated) & NETMON_ADDRS);
}

static void
test_default_route_moves(void **state)
{
	struct netmon_uplink u[4];

	(void)state;
	assert_int_equal(netmon_uplinks(netmon, NULL, 0, u, 4), 2);
	assert_string_equal(u[1].name, "vc");
	assert_int_equal(u[1].metric, 500);
	run("ip route replace default via 10.1.0.1 dev vc");
	assert_true(until(netmon, out_by_vc) & NETMON_ROUTES);
	run("ip route replace default via 10.0.0.1 dev va");
	until(netmon, out_by_va);
	/* The kernel takes the routes of a link that goes down away without a word. */
	run("ip link set va down");
	assert_true(until(netmon, out_by_vc) & NETMON_ROUTES);
	run("ip link set va up; ip route add default via 10.0.0.1 dev va");
	until(netmon, out_by_va);
	/* And so it does when the last address goes. */
	run("ip addr flush dev va");
	assert_true(until(netmon, out_by_vc) & NETMON_ROUTES);
	run("ip route del default");
	until(netmon, out_by_none);
}

static void
test_multipath_hop_revives(void **state)
{
	struct netmon_uplink u[4];

	(void)state;
	run("ip route flush default; ip route add default nexthop via 10.0.0.1 dev va "
	    "nexthop via 10.1.0.1 dev vc");
	until(netmon, out_by_va);
	assert_int_equal(netmon_uplinks(netmon, NULL, 0, u, 4), 2);
	run("ip link set va down");
	until(netmon, out_by_vc);
	assert_int_equal(netmon_uplinks(netmon, NULL, 0, u, 4), 1);
	run("ip link set va up");
	until(netmon, out_by_va);
}

static void
test_ipv6_default(void **state)
{
	(void)state;
	run("ip -6 route add default via fe80::1 dev va metric 1024");
	assert_true(until(netmon, v6_out_by_va) & NETMON_ROUTES);
}

static void
test_rules(void **state)
{
	(void)state;
	run("ip tuntap add mode tun name tn; ip link set tn up; ip addr add 10.2.0.2 "
	    "dev tn;"
	    "ip route add default dev tn table 51820;"
	    "ip rule add not fwmark 51820 table 51820;"
	    "ip rule add table main suppress_prefixlength 0");
	settle(netmon);
	/* A tunnel that nobody has opened has no carrier, so it leads nowhere yet. */
	assert_string_equal(way_out(netmon, AF_INET), "va 10.0.0.1");
	run("ip link del tn; ip link add name tn type veth peer name tp; ip link set "
	    "tp up;"
	    "ip link set tn up; ip route add default dev tn table 51820");
	until(netmon, out_by_tunnel);
	run("ip rule del table 51820");
	assert_true(until(netmon, out_by_va) & NETMON_RULES);
}

static void
test_neighbours(void **state)
{
	struct netmon_named named = { .name = "vc" };
	struct netmon_uplink u[4];
	size_t count;

	(void)state;
	run("ip neigh replace 10.0.0.1 lladdr 02:00:00:00:00:01 dev va");
	assert_true(until(netmon, mac_is_1) & NETMON_NEIGHS);
	run("ip neigh replace 10.0.0.1 lladdr 02:00:00:00:00:02 dev va");
	assert_int_equal(until(netmon, mac_is_2), NETMON_NEIGHS);
	/* Somebody else's address is nobody's business. */
	run("ip neigh replace 10.0.0.9 lladdr 02:00:00:00:00:09 dev va");
	assert_int_equal(settle(netmon), 0);
	netmon_neighs(netmon, &count);
	assert_int_equal(count, 1);
	/* Until it is named; the kernel knows it already. */
	run("ip neigh replace 10.1.0.77 lladdr 02:00:00:00:00:77 dev vc");
	named.gateway.family = AF_INET;
	inet_pton(AF_INET, "10.1.0.77", named.gateway.bytes);
	assert_int_equal(netmon_watch(netmon, &named, 1), 0);
	count = netmon_uplinks(netmon, &named, 1, u, 4);
	assert_int_equal(count, 2);
	assert_string_equal(u[1].name, "vc");
	assert_int_equal(u[1].mac[5], 0x77);
	assert_int_equal(netmon_watch(netmon, &named, NETMON_NAMED_MAX + 1), -E2BIG);
	run("ip neigh del 10.0.0.1 dev va");
	assert_true(until(netmon, mac_is_unknown) & NETMON_NEIGHS);
}

/* What does not matter costs no change: narrow routes, repeated news. */
static void
test_quiet(void **state)
{
	uint64_t before;

	(void)state;
	come_to_rest(netmon);
	before = netmon_events(netmon);
	run("for i in 1 2 3 4 5 6 7 8 9; do echo route add 192.0.$i.0/24 via 10.0.0.1;"
	    "done | ip -batch -");
	assert_int_equal(settle(netmon), 0);
	/* Not even seen. */
	assert_int_equal(netmon_events(netmon), before);
}

static bool
has_all(struct netmon *n)
{
	return addr_of(n, "10.99.7.208") && netmon_overruns(n) > 0;
}

/* `seq` of 10.99.0.1 .. 10.99.7.208: 2000 addresses. */
#define BATCH(verb)                                  \
	"i=0; while [ $i -lt 2000 ]; do i=$((i+1));" \
	"echo addr " verb " 10.99.$((i/256)).$((i%256))/32 dev vc; done | ip -batch -"

/* F38: netlink ENOBUFS. */
static void
test_overrun(void **state)
{
	struct netmon *small, *other;
	size_t count, routes, other_count;
	int changed;

	(void)state;
	assert_int_equal(netmon_open_sized(4096, &small), 0);
	run(BATCH("add") "; ip route replace default via 10.1.0.1 dev vc");
	changed = until(small, has_all);
	assert_true(changed & NETMON_RESYNCED);
	assert_true(changed & NETMON_ADDRS);
	assert_true(changed & NETMON_ROUTES);
	assert_string_equal(way_out(small, AF_INET), "vc 10.1.0.1");

	/* It comes to rest, and knows the same as somebody who comes only now. */
	come_to_rest(small);
	assert_int_equal(netmon_open(&other), 0);
	netmon_addrs(small, &count);
	netmon_addrs(other, &other_count);
	assert_int_equal(count, other_count);
	netmon_routes(small, &routes);
	assert_int_equal(routes, 2);
	other = netmon_free(other);
	small = netmon_free(small);

	/* The usual buffer heard it all; its order of rows is another one maybe. */
	until(netmon, out_by_vc);
	netmon_addrs(netmon, &count);
	assert_int_equal(count, other_count);
}

static bool
va_is_renamed(struct netmon *n)
{
	return link_named(n, "veth-x");
}

/* A second overrun soon after the first waits its second; then it is healed as well. */
static void
test_overrun_twice(void **state)
{
	struct netmon *small;
	int64_t first;

	(void)state;
	assert_int_equal(netmon_open_sized(4096, &small), 0);
	run(BATCH("add"));
	until(small, has_all);
	first = now_ms();
	run(BATCH("del") "; ip link set va down; ip link set va name veth-x");
	assert_true(until(small, va_is_renamed) & NETMON_RESYNCED);
	assert_in_range(now_ms() - first, 900, PATIENCE_MS);
	assert_int_equal(netmon_overruns(small), 2);
	assert_null(addr_of(small, "10.99.7.208"));
	small = netmon_free(small);
}

static void
flood(const char *verb, int from, int to)
{
	char command[256];

	snprintf(command, sizeof(command),
	    "i=%d; while [ $i -lt %d ]; do i=$((i+1));"
	    "echo addr %s 10.98.$((i/256)).$((i%%256))/32 dev vc; done | ip -batch -",
	    from, to, verb);
	run(command);
	settle(netmon);
}

static bool
has_the_last(struct netmon *n)
{
	return addr_of(n, "10.100.0.1");
}

/* More addresses than there is room for; when the flood is over, all are known. */
static void
test_too_many(void **state)
{
	size_t count;

	(void)state;
	for (int i = 0; i < 4200; i += 600)
		flood("add", i, i + 600);
	run("ip addr add 10.100.0.1/24 dev va");
	settle(netmon);
	netmon_addrs(netmon, &count);
	assert_int_equal(count, NETMON_ADDRS_MAX);
	assert_null(addr_of(netmon, "10.100.0.1"));
	flood("del", 0, 600);
	until(netmon, has_the_last);
	netmon_addrs(netmon, &count);
	/* Beside them one of each pair, and two of lo. */
	assert_int_equal(count, 3600 + 1 + 2 + 2);
	assert_int_equal(netmon_overruns(netmon), 0);
}

int
main(void)
{
#define WITH(test, before) cmocka_unit_test_setup_teardown(test, before, teardown)
	const struct CMUnitTest tests[] = {
		WITH(test_descriptor, setup),
		WITH(test_unprivileged, setup),
		WITH(test_links, setup),
		WITH(test_addresses, setup),
		WITH(test_default_route_moves, setup_routed),
		WITH(test_multipath_hop_revives, setup_routed),
		WITH(test_ipv6_default, setup_routed),
		WITH(test_rules, setup_routed),
		WITH(test_neighbours, setup_routed),
		WITH(test_quiet, setup_routed),
		WITH(test_overrun, setup_routed),
		WITH(test_overrun_twice, setup_routed),
		WITH(test_too_many, setup_routed),
	};

	if (unshare(CLONE_NEWNET) < 0)
		return run_without_namespace();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
