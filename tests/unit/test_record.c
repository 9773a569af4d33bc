/*
 * test_record.c - what goes into the state file comes out of it again.
 */
#include "daemon/record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/loop.h"
#include "proto/json.h"

/* Printed and parsed, as the file does it. */
static cJSON *
over_the_disk(cJSON *tree)
{
	char text[4096];
	ssize_t len = json_print(tree, text, sizeof(text));
	cJSON *again = NULL;

	assert_true(len > 0);
	assert_int_equal(json_parse(text, (size_t)len, &again), 0);
	cJSON_Delete(tree);
	return again;
}

static void
test_held(void **state)
{
	static const enum method methods[] = { METHOD_PCP, METHOD_NAT_PMP, METHOD_IGD1,
		METHOD_IGD2, METHOD_IGD_PINHOLE };
	const msec_t now = loop_now();

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(methods); i++) {
		struct lease_held held = {
			.method = methods[i],
			.external = addr_ipv4(11, 22, 33, 44),
			.external_port = 65535,
			.internal_port = 1,
			.lifetime_s = 7200,
			.expires_at = now + 3600 * MSEC_PER_SEC,
		};
		struct lease_held got;
		cJSON *o;

		if (methods[i] == METHOD_IGD_PINHOLE) {
			held.pinhole_id[TRANSPORT_UDP] = 4711;
			held.pinhole_id[TRANSPORT_TCP] = 65535;
		}
		o = over_the_disk(record_held_json(&held));
		memset(&got, 0xff, sizeof(got));
		assert_int_equal(record_held_read(o, now, &got), 0);
		cJSON_Delete(o);
		assert_int_equal(got.method, held.method);
		assert_true(addr_equal(&got.external, &held.external));
		assert_int_equal(got.external_port, 65535);
		assert_int_equal(got.internal_port, 1);
		assert_int_equal(got.lifetime_s, 7200);
		assert_int_equal(got.expires_at, held.expires_at);
		for (enum transport t = 0; t < TRANSPORT_MAX; t++)
			assert_int_equal(got.pinhole_id[t], held.pinhole_id[t]);
	}
}

static void
test_identity(void **state)
{
	const struct gateway_identity on = {
		.gateway = addr_ipv4(192, 168, 1, 1),
		.local = addr_ipv4(192, 168, 1, 20),
		.ifname = "enp0s31f6",
		.mac = { 2, 0, 0xff, 0x10, 0, 1 },
		.mac_len = 6,
	};
	struct gateway_identity got;
	cJSON *o;

	(void)state;
	o = over_the_disk(record_identity_json(&on));
	assert_int_equal(record_identity_read(o, &got), 0);
	cJSON_Delete(o);
	assert_true(addr_equal(&got.gateway, &on.gateway));
	assert_true(addr_equal(&got.local, &on.local));
	assert_string_equal(got.ifname, on.ifname);
	assert_int_equal(got.mac_len, 6);
	assert_memory_equal(got.mac, on.mac, 6);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_held),
		cmocka_unit_test(test_identity),
	};

	return cmocka_run_group_tests_name("record", tests, NULL, NULL);
}
