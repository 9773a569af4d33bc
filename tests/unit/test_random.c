/*
 * test_random.c - numbers derived from the machine: the same ones again, others for
 * another user, another port and another machine.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/random.h"
#include "proto/crypto.h"
#include "proto/util.h"

static void
test_derived(void **state)
{
	(void)state;
	uint64_t v = random_derived(1000, 8080);

	assert_int_equal(random_derived(1000, 8080), v);
	assert_int_not_equal(random_derived(1001, 8080), v);
	assert_int_not_equal(random_derived(1000, 8081), v);
	assert_int_not_equal(random_derived(8080, 1000), v);
}

/* machine-id(5): keyed with it, so that nobody learns it and no two hosts agree. */
static void
test_keyed_by_the_machine(void **state)
{
	const uint64_t input[] = { 1000, 8080 };
	uint8_t digest[CRYPTO_SHA256_LEN];
	char id[64];
	uint64_t v;
	FILE *f = fopen("/etc/machine-id", "re");
	size_t len = f ? fread(id, 1, sizeof(id), f) : 0;

	(void)state;
	if (f)
		fclose(f);
	if (len < 32)
		skip();
	const struct crypto_part part = { input, sizeof(input) };
	_cleanup_(crypto_mac_freep) struct crypto_mac *mac = NULL;

	assert_int_equal(crypto_mac_new(CRYPTO_SHA256, id, len, &mac), 0);
	assert_int_equal(crypto_mac_parts(mac, &part, 1, digest), 0);
	memcpy(&v, digest, sizeof(v));
	assert_int_equal(random_derived(1000, 8080), v);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_derived),
		cmocka_unit_test(test_keyed_by_the_machine),
	};

	return cmocka_run_group_tests_name("random", tests, NULL, NULL);
}
