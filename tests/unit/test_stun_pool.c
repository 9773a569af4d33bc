/*
 * test_stun_pool.c - health, choice and agreement of STUN servers.
 */
#include "proto/stun_pool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define T0 INT64_C(1000000)
#define MIN_MS (60 * MSEC_PER_SEC)
#define ALL UINT32_MAX

static void
fail_times(struct stun_pool *p, unsigned server, unsigned times, msec_t now)
{
	while (times--)
		stun_pool_failed(p, server, now);
}

static void
test_breaker(void **state)
{
	struct stun_pool p;
	struct rng rng = { 1 };

	(void)state;
	stun_pool_init(&p, 1);
	assert_int_equal(stun_pool_choose(&p, ALL, &rng, T0), 0);
	fail_times(&p, 0, 2, T0);
	assert_int_equal(stun_pool_circuit(&p, 0, T0), STUN_CIRCUIT_CLOSED);
	stun_pool_answered(&p, 0, 10, T0);
	fail_times(&p, 0, 2, T0);
	assert_int_equal(stun_pool_circuit(&p, 0, T0), STUN_CIRCUIT_CLOSED);
	fail_times(&p, 0, 1, T0);
	assert_int_equal(stun_pool_circuit(&p, 0, T0), STUN_CIRCUIT_OPEN);
	/* Late failures do not prolong. */
	fail_times(&p, 0, 5, T0 + 1000);
	assert_int_equal(stun_pool_choose(&p, ALL, &rng, T0 + 59999), -1);
	assert_int_equal(stun_pool_circuit(&p, 0, T0 + 60000), STUN_CIRCUIT_HALF_OPEN);
	/* One probe, not two. */
	assert_int_equal(stun_pool_choose(&p, ALL, &rng, T0 + 60000), 0);
	assert_int_equal(stun_pool_choose(&p, ALL, &rng, T0 + 60000), -1);
	stun_pool_unused(&p, 0);
	assert_int_equal(stun_pool_choose(&p, ALL, &rng, T0 + 60000), 0);
	stun_pool_failed(&p, 0, T0 + 60500);
	assert_int_equal(
	    stun_pool_circuit(&p, 0, T0 + 60500 + 2 * MIN_MS - 1), STUN_CIRCUIT_OPEN);
	assert_int_equal(
	    stun_pool_circuit(&p, 0, T0 + 60500 + 2 * MIN_MS), STUN_CIRCUIT_HALF_OPEN);
	stun_pool_answered(&p, 0, 10, T0 + 5 * MIN_MS);
	assert_int_equal(
	    stun_pool_circuit(&p, 0, T0 + 5 * MIN_MS), STUN_CIRCUIT_CLOSED);
	assert_string_equal(stun_circuit_name(STUN_CIRCUIT_HALF_OPEN), "half_open");
}

static void
test_breaker_waits_longer_each_time(void **state)
{
	static const msec_t waits[] = { 1, 2, 4, 8, 10, 10, 10 }; /* minutes */
	struct stun_pool p;
	msec_t now = T0;

	(void)state;
	stun_pool_init(&p, 1);
	fail_times(&p, 0, 2, now);
	for (size_t i = 0; i < ARRAY_SIZE(waits); i++) {
		stun_pool_failed(&p, 0, now);
		assert_int_equal(p.servers[0].open_until, now + waits[i] * MIN_MS);
		now = p.servers[0].open_until;
	}
	stun_pool_network_changed(&p);
	assert_int_equal(stun_pool_circuit(&p, 0, now), STUN_CIRCUIT_CLOSED);
	assert_int_equal(stun_pool_success_rate(&p, 0), 0);
}

static void
test_success_rate(void **state)
{
	struct stun_pool p;

	(void)state;
	stun_pool_init(&p, 1);
	assert_int_equal(stun_pool_success_rate(&p, 0), -1);
	for (int i = 0; i < 100; i++)
		stun_pool_answered(&p, 0, -1, T0);
	assert_int_equal(stun_pool_success_rate(&p, 0), 100);
	fail_times(&p, 0, 30, T0);
	assert_int_equal(stun_pool_success_rate(&p, 0), 70);
	fail_times(&p, 0, 70, T0);
	assert_int_equal(stun_pool_success_rate(&p, 0), 0);
	stun_pool_answered(&p, 0, -1, T0);
	assert_int_equal(stun_pool_success_rate(&p, 0), 1);
	assert_int_equal(p.servers[0].requests, 100);
}

/* Healthy first; all healthy ones are asked, the nearer ones more. */
static void
test_choice(void **state)
{
	unsigned chosen[4] = { 0 };
	struct stun_pool p;
	struct rng rng = { 7 };

	(void)state;
	stun_pool_init(&p, 4);
	for (unsigned i = 0; i < 4; i++)
		stun_pool_answered(&p, i, 10 + 10 * i, T0);
	fail_times(&p, 0, 3, T0); /* the nearest, but broken */
	for (int i = 0; i < 6000; i++) {
		int s = stun_pool_choose(&p, ALL, &rng, T0);

		assert_in_range(s, 1, 3);
		chosen[s]++;
	}
	/* Of two drawn at random the nearer: 2/3 and 1/3; the farthest only if alone.
	 */
	assert_in_range(chosen[1], 3800, 4200);
	assert_in_range(chosen[2], 1800, 2200);
	assert_int_equal(chosen[3], 0);
	assert_int_equal(stun_pool_choose(&p, 1u << 3, &rng, T0), 3);
	assert_int_equal(stun_pool_choose(&p, 1u << 0, &rng, T0), -1);
	assert_int_equal(stun_pool_choose(&p, 0, &rng, T0), -1);
	/* Half open: only if there is nothing else. */
	for (int i = 0; i < 100; i++)
		assert_int_not_equal(stun_pool_choose(&p, ALL, &rng, T0 + 61000), 0);
}

/* Many hosts that start at once do not fall on one server. */
static void
test_no_herd(void **state)
{
	unsigned chosen[3] = { 0 };

	(void)state;
	for (uint64_t host = 0; host < 3000; host++) {
		struct rng rng = { host };
		struct stun_pool p;

		stun_pool_init(&p, 3);
		chosen[stun_pool_choose(&p, ALL, &rng, T0)]++;
	}
	for (int i = 0; i < 3; i++)
		assert_in_range(chosen[i], 850, 1150);
}

/* F54: STUN servers that tell different addresses. */
static void
test_agreement(void **state)
{
	static const struct {
		const char *what;
		struct {
			uint8_t from, seen; /* the last byte; seen 0: says nothing */
			msec_t ago_ms;
		} says[4];
		enum stun_agreement agreement;
		uint8_t address;
	} rows[] = {
		{ "nobody", { { 0, 0, 0 } }, STUN_UNKNOWN, 0 },
		{ "one", { { 1, 7, 0 } }, STUN_UNCERTAIN, 7 },
		{ "two", { { 1, 7, 0 }, { 2, 7, 0 } }, STUN_AGREED, 7 },
		{ "two names of one host", { { 1, 7, 0 }, { 1, 7, 0 } }, STUN_UNCERTAIN,
		    7 },
		{ "they differ", { { 1, 7, 0 }, { 2, 8, 1 } }, STUN_UNCERTAIN, 7 },
		{ "the last one counts", { { 1, 7, 1 }, { 2, 8, 0 } }, STUN_UNCERTAIN,
		    8 },
		{ "one of three lies", { { 1, 7, 0 }, { 2, 8, 0 }, { 3, 7, 0 } },
		    STUN_AGREED, 7 },
		{ "two against two",
		    { { 1, 7, 3 }, { 2, 8, 2 }, { 3, 7, 1 }, { 4, 8, 0 } },
		    STUN_UNCERTAIN, 8 },
		{ "one is old", { { 1, 7, 0 }, { 2, 7, 300001 } }, STUN_UNCERTAIN, 7 },
		{ "just not", { { 1, 7, 0 }, { 2, 7, 300000 } }, STUN_AGREED, 7 },
		{ "all are old", { { 1, 7, 300001 }, { 2, 7, 300001 } }, STUN_UNKNOWN,
		    0 },
	};
	struct addr address;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct stun_pool p;

		stun_pool_init(&p, 4);
		for (unsigned s = 0; s < 4; s++) {
			struct addr from = addr_ipv4(11, 22, 33, rows[i].says[s].from);
			struct addr seen = addr_ipv4(11, 22, 44, rows[i].says[s].seen);

			if (rows[i].says[s].seen)
				stun_pool_opinion(
				    &p, s, &from, &seen, T0 - rows[i].says[s].ago_ms);
		}
		address = (struct addr) { .family = ADDR_NONE };
		if (stun_pool_agreement(&p, ADDR_IPV4, T0, &address) !=
		    rows[i].agreement)
			fail_msg("%s", rows[i].what);
		assert_int_equal(address.bytes[3], rows[i].address);
		assert_int_equal(
		    stun_pool_agreement(&p, ADDR_IPV6, T0, &address), STUN_UNKNOWN);
		stun_pool_network_changed(&p);
		assert_int_equal(
		    stun_pool_agreement(&p, ADDR_IPV4, T0, &address), STUN_UNKNOWN);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_breaker),
		cmocka_unit_test(test_breaker_waits_longer_each_time),
		cmocka_unit_test(test_success_rate),
		cmocka_unit_test(test_choice),
		cmocka_unit_test(test_no_herd),
		cmocka_unit_test(test_agreement),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
