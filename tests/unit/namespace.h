/*
 * namespace.h - tests of netmon in network namespaces of their own; skipped, with a
 * message, where none can be made (root, or a user namespace, may).
 */
#pragma once

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "netmon/netmon.h"

static struct netmon *netmon;

/* Everything the kernel has queued until now; it is told in order, so that a change
 * made last and seen shows that all before were seen. */
static inline int
settle(struct netmon *n)
{
	struct pollfd p = { .fd = netmon_fd(n), .events = POLLIN };
	int changed = 0;

	while (poll(&p, 1, 0) == 1) {
		int r = netmon_dispatch(n);

		assert_return_code(r, -r);
		changed |= r;
	}
	return changed;
}

static inline int
teardown(void **state)
{
	(void)state;
	netmon = netmon_free(netmon);
	return 0;
}

/* Stands for all the others where they cannot run. */
static inline void
test_without_namespace(void **state)
{
	(void)state;
	print_message("skipped: no network namespace: %s\n", strerror(errno));
	skip();
}

static inline int
run_without_namespace(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_without_namespace),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
