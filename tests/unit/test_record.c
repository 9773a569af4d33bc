/*
 * test_record.c - what goes into the state file comes out of it again.
 */
#include "daemon/record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
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

/* What is left of a deadline that says so in both clocks, for a lease of an hour. */
static msec_t
left_of(const char *boot, msec_t boottime_ms, msec_t realtime_ms, msec_t now)
{
	cJSON *o = cJSON_CreateObject(), *d = json_add_object(o, "expires");
	msec_t at;

	json_add_string(d, "boot", boot);
	json_add_int(d, "boottimeMSec", boottime_ms);
	json_add_int(d, "realtimeMSec", realtime_ms);
	o = over_the_disk(o);
	at = record_get_deadline(o, "expires", 3600 * MSEC_PER_SEC, now);
	cJSON_Delete(o);
	return at - now;
}

/* F31: the host was rebooted: the clock since boot is another one, the wall clock tells
 * what is left, and never more than the lease was long. */
static void
test_rebooted(void **state)
{
	const msec_t now = loop_now(), wall = loop_realtime_usec() / 1000;
	const msec_t hour = 3600 * MSEC_PER_SEC, year = 8766 * hour;
	const char *other = "00000000-1111-2222-3333-444444444444";
	cJSON *o = cJSON_CreateObject(), *d;
	char boot[64];

	(void)state;
	assert_in_range(left_of(other, now + 5, wall + 600000, now), 598000, 600000);
	assert_in_range(left_of(other, 5, wall + 600000, now), 598000, 600000);
	/* The wall clock was wrong then, or is now. */
	assert_int_equal(left_of(other, now + 5, wall - 10 * year, now), 0);
	assert_int_equal(left_of(other, now + 5, wall + 10 * year, now), hour);
	assert_int_equal(left_of("", now + 5, wall + 10 * year, now), hour);
	/* The same boot: only its own clock counts (F30). */
	record_add_deadline(o, "expires", now + 1000);
	d = json_get(o, "expires");
	snprintf(boot, sizeof(boot), "%s", json_get_string(d, "boot"));
	cJSON_Delete(o);
	assert_int_equal(left_of(boot, now + 1000, wall - 10 * year, now), 1000);
	assert_int_equal(left_of(boot, now + 1000, wall + 10 * year, now), 1000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_held),
		cmocka_unit_test(test_identity),
		cmocka_unit_test(test_rebooted),
	};

	return cmocka_run_group_tests_name("record", tests, NULL, NULL);
}
