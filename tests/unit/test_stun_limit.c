/*
 * test_stun_limit.c - token buckets: what each source gets, and that many sources cost
 * no more than a few.
 */
#include "proto/stun_limit.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define NOW 100000

static unsigned
taken(struct stun_limit *l, const struct addr *from, msec_t now, unsigned tries)
{
	unsigned n = 0;

	while (tries--)
		n += stun_limit_take(l, from, now);
	return n;
}

static void
test_limit(void **state)
{
	static const uint64_t secret[2] = { 1, 2 };
	const struct addr one = addr_ipv4(192, 0, 2, 1), two = addr_ipv4(192, 0, 2, 2);
	struct addr six = { .family = ADDR_IPV6, .bytes = { 0x20, 1, 0xd, 0xb8 } };
	struct stun_limit *l;

	(void)state;
	assert_int_equal(stun_limit_new(0, secret, &l), -EINVAL);
	assert_int_equal(stun_limit_new(STUN_LIMIT_MAX + 1, secret, &l), -EINVAL);
	assert_int_equal(stun_limit_new(10, secret, &l), 0);
	assert_int_equal(taken(l, &one, NOW, 100), 10);
	assert_int_equal(taken(l, &two, NOW, 100), 10);
	assert_int_equal(taken(l, &one, NOW + 99, 100), 0);
	assert_int_equal(taken(l, &one, NOW + 100, 100), 1);
	assert_int_equal(taken(l, &one, NOW + 600, 100), 5);
	assert_int_equal(taken(l, &one, NOW + 60000, 100), 10);
	/* The rest of a /64 is the same source, its neighbour another one. */
	assert_int_equal(taken(l, &six, NOW, 100), 10);
	six.bytes[15] = 9;
	assert_int_equal(taken(l, &six, NOW, 100), 0);
	six.bytes[7] = 9;
	assert_int_equal(taken(l, &six, NOW, 100), 10);
	stun_limit_free(l);
}

/* A flood of sources: the table neither grows nor locks anybody out. */
static void
test_limit_flood(void **state)
{
	static const uint64_t secret[2] = { 1, 2 };
	struct stun_limit *l;

	(void)state;
	assert_int_equal(stun_limit_new(10, secret, &l), 0);
	for (uint32_t i = 0; i < 10 * STUN_LIMIT_ENTRIES; i++) {
		struct addr a =
		    addr_ipv4(10, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i);

		assert_true(stun_limit_take(l, &a, NOW));
	}
	stun_limit_free(l);
}

/* Who is served keeps his count while few others are there, whatever the secret. */
static void
test_places(void **state)
{
	enum { OTHERS = STUN_LIMIT_ENTRIES / 8 };
	unsigned forgotten[2] = { 0 };

	(void)state;
	for (uint64_t which = 0; which < 2; which++) {
		const uint64_t secret[2] = { which, 2 };
		struct stun_limit *l;

		assert_int_equal(stun_limit_new(1, secret, &l), 0);
		for (uint32_t i = 0; i < OTHERS; i++) {
			struct addr a = addr_ipv4(10, 1, (uint8_t)(i >> 8), (uint8_t)i);

			assert_true(stun_limit_take(l, &a, NOW + i % 2));
		}
		for (uint32_t i = 0; i < OTHERS; i++) {
			struct addr a = addr_ipv4(10, 1, (uint8_t)(i >> 8), (uint8_t)i);

			forgotten[which] += stun_limit_take(l, &a, NOW + 2);
		}
		stun_limit_free(l);
	}
	assert_in_range(forgotten[0], 0, OTHERS / 100);
	assert_in_range(forgotten[1], 0, OTHERS / 100);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_limit_flood),
		cmocka_unit_test(test_places),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
