/*
 * test_stun_keepalive.c - how often a binding is kept alive, by how long one lives.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/stun_private.h"

/* 0.7 of what was measured, of that family only. */
static void
test_of_the_lifetime(void **state)
{
	static struct stun nobody_asks;
	unsigned v4 = stun_row(ADDR_IPV4), v6 = stun_row(ADDR_IPV6);
	struct stun *s = &nobody_asks;

	(void)state;
	assert_int_equal(stun_interval(s, v4), 15000);
	stun_set_lifetime(s, ADDR_IPV4, 120);
	assert_int_equal(stun_interval(s, v4), 84000);
	assert_int_equal(stun_interval(s, v6), 15000);
	stun_set_lifetime(s, ADDR_IPV4, 31);
	assert_int_equal(stun_interval(s, v4), 21700);
	stun_set_lifetime(s, ADDR_IPV4, 0);
	assert_int_equal(stun_interval(s, v4), 15000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_of_the_lifetime),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
