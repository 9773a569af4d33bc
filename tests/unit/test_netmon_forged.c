/*
 * test_netmon_forged.c - netmon and messages that are not of the kernel, or are too
 * long, in a network namespace of this process.
 */
#include <arpa/inet.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/namespace.h"

#define TOO_LONG 40000

/* The socket that listens is the one with groups. */
static struct sockaddr_nl
listener(void)
{
	for (int fd = 3; fd < 64; fd++) {
		struct sockaddr_nl name = { 0 };
		socklen_t len = sizeof(name);

		if (getsockname(fd, (struct sockaddr *)&name, &len) == 0 &&
		    name.nl_family == AF_NETLINK && name.nl_groups != 0)
			return name;
	}
	fail();
	return (struct sockaddr_nl) { 0 };
}

/* The news of 10.0.0.2 on the loopback interface, with zeros behind it up to `len`. */
static void
send_forged(size_t len)
{
	static union {
		struct nlmsghdr head;
		uint8_t bytes[TOO_LONG];
	} m;
	struct ifaddrmsg *addr = NLMSG_DATA(&m.head);
	struct rtattr *local = IFA_RTA(addr);
	struct sockaddr_nl to = listener();
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	to.nl_groups = 0;
	m.head.nlmsg_len = NLMSG_LENGTH(sizeof(*addr) + RTA_LENGTH(4));
	m.head.nlmsg_type = RTM_NEWADDR;
	addr->ifa_family = AF_INET;
	addr->ifa_prefixlen = 24;
	addr->ifa_index = 1;
	local->rta_type = IFA_LOCAL;
	local->rta_len = RTA_LENGTH(4);
	inet_pton(AF_INET, "10.0.0.2", RTA_DATA(local));
	if (len < m.head.nlmsg_len)
		len = m.head.nlmsg_len;
	assert_int_equal(
	    sendto(fd, &m, len, 0, (struct sockaddr *)&to, sizeof(to)), (ssize_t)len);
	close(fd);
}

static void
test_not_from_the_kernel(void **state)
{
	size_t count;

	(void)state;
	send_forged(0);
	assert_int_equal(settle(netmon), 0);
	assert_int_equal(netmon_events(netmon), 0);
	netmon_addrs(netmon, &count);
	assert_int_equal(count, 0);
}

/* What does not fit may have been anything: all is read anew. */
static void
test_cut_short(void **state)
{
	(void)state;
	send_forged(TOO_LONG);
	assert_true(settle(netmon) & NETMON_RESYNCED);
	assert_int_equal(netmon_overruns(netmon), 1);
}

static int
setup(void **state)
{
	(void)state;
	return unshare(CLONE_NEWNET) < 0 ? -1 : netmon_open(&netmon);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    test_not_from_the_kernel, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cut_short, setup, teardown),
	};

	if (unshare(CLONE_NEWNET) < 0)
		return run_without_namespace();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
