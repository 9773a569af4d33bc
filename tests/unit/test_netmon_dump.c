/*
 * test_netmon_dump.c - the dialogue of a dump with answers that are interrupted,
 * refused or somebody else's, over a socket pair.
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
#include "netmon/netmon.h"
#include "netmon/open.h"
#include "netmon/parse.h"

/* A scripted kernel: answers queued beforehand on one end of a socket pair. */
static bool
want_all(void *ctx, const struct netmon_report *report)
{
	(void)ctx;
	(void)report;
	return true;
}

static void
queue(int fd, uint32_t seq, uint16_t type, uint16_t flags, int body)
{
	struct {
		struct nlmsghdr head;
		int body;
	} m = {
		.head = {
			.nlmsg_len = sizeof(m),
			.nlmsg_type = type,
			.nlmsg_flags = flags,
			.nlmsg_seq = seq,
		},
		.body = body,
	};

	assert_int_equal(send(fd, &m, sizeof(m), 0), sizeof(m));
}

/* F40: a netlink dump is interrupted. */
static void
test_interrupted_dump(void **state)
{
	static const struct {
		int interrupted; /* so many of the answers */
		int error;       /* of the last */
		int expected;
		uint32_t asked;
	} cases[] = {
		{ 0, 0, 0, 1 },
		{ 1, 0, 0, 2 },
		{ 2, 0, 0, 3 },
		{ 3, 0, -EINTR, 3 },
		{ 9, 0, -EINTR, 3 },
		{ 0, -EOPNOTSUPP, 0, 1 },
		{ 0, -EPERM, -EPERM, 1 },
		{ 1, -EPERM, -EPERM, 2 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct netmon_tables fresh = { 0 };
		uint32_t seq = 40;
		size_t seen = 0;
		int pair[2];

		assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
		queue(pair[1], 40, NLMSG_DONE, 0, 0); /* of an earlier request */
		for (int k = 0; k < 3; k++) {
			bool bad = k < cases[i].interrupted;
			uint16_t flags =
			    bad ? NLM_F_MULTI | NLM_F_DUMP_INTR : NLM_F_MULTI;

			queue(pair[1], 41 + (uint32_t)k, RTM_NEWLINK, flags, 0);
			queue(pair[1], 41 + (uint32_t)k, NLMSG_DONE, NLM_F_MULTI,
			    bad ? 0 : cases[i].error);
		}
		assert_int_equal(netmon_dump(pair[0], &seq, NETMON_LINK, want_all, NULL,
				     &fresh, &seen),
		    cases[i].expected);
		assert_int_equal(seq, 40 + cases[i].asked);
		assert_int_equal(seen, cases[i].asked);
		close(pair[0]);
		close(pair[1]);
		netmon_tables_clear(&fresh);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_interrupted_dump),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
