/*
 * test_behavior_path.c - how many translators there are, by comparing addresses.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "proto/behavior.h"

static void
test_path(void **state)
{
	static const struct {
		const char *host, *router, *reflexive;
		int translators, carrier;
	} rows[] = {
		{ "11.22.33.44", NULL, "11.22.33.44", 0, 0 },
		{ "192.168.1.2", "11.22.33.44", "11.22.33.44", 1, 0 },
		{ "192.168.1.2", "100.64.3.4", "11.22.33.44", 2, 1 },
		{ "192.168.1.2", "10.1.2.3", "11.22.33.44", 2, -1 },
		{ "192.168.1.2", "11.22.33.45", "11.22.33.44", 2, -1 },
		{ "192.168.1.2", NULL, "11.22.33.44", -1, -1 },
		{ "100.64.3.4", NULL, "11.22.33.44", -1, 1 },
		{ "100.64.3.4", "11.22.33.44", "11.22.33.44", 1, 1 },
		{ "192.168.1.2", "100.64.3.4", NULL, -1, 1 },
		{ "192.168.1.2", "11.22.33.44", NULL, -1, -1 },
		{ "2a10::1", NULL, "2a10::1", 0, 0 },
		{ "2a10::1", "11.22.33.44", "2a10::2", -1, -1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct addr host, router = { 0 }, reflexive = { 0 };
		struct behavior_path p;

		assert_int_equal(addr_parse(rows[i].host, &host), 0);
		if (rows[i].router)
			assert_int_equal(addr_parse(rows[i].router, &router), 0);
		if (rows[i].reflexive)
			assert_int_equal(addr_parse(rows[i].reflexive, &reflexive), 0);
		behavior_path_of(&host, &router, &reflexive, &p);
		if (p.translators != rows[i].translators ||
		    p.carrier != rows[i].carrier)
			fail_msg("row %zu: %d, %d", i, p.translators, p.carrier);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
