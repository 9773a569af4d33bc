/*
 * test_router_forged.c - leases on a simulated router, and somebody who answers in its
 * place.
 */
#include "tests/unit/sim.h"

/* Attacks 13 and 14: answers nobody asked for, with wrong nonces, or cut short change
 * nothing. */
static void
test_forged(void **state)
{
	struct sim s;
	struct lease_want w = sim_want(8080, TCP);
	struct lease *l;
	uint8_t forged[60];

	(void)state;
	sim_init(&s, 18);
	s.pcp = s.natpmp = true;
	l = lease_new(s.router, &w, NULL, &s, s.now);
	sim_pass(&s, 5000);
	unsigned changes = s.changes;
	for (unsigned i = 0; i < 200000; i++) {
		for (size_t b = 0; b < sizeof(forged); b++)
			forged[b] = (uint8_t)rng_next(&s.rng);
		forged[0] = i % 2 ? 2 : 0;
		forged[1] = (uint8_t)(0x80 | i % 3);
		router_datagram(s.router, forged, 1 + rng_below(&s.rng, 60), s.now);
	}
	sim_turn(&s);
	assert_int_equal(s.changes, changes);
	assert_int_equal(s.restarts, 0);
	assert_int_equal(sim_status(l).state, MAPPING_ACTIVE);
	sim_done(&s);
}

/* A grant in PCP as the router would say it, for TCP 8080. */
static void
forge_grant(struct sim *s, const uint8_t *nonce, uint16_t external_port)
{
	uint8_t buf[PCP_MESSAGE_MAX], external[16];
	struct wire_out out = wire_out(buf, sizeof(buf));

	sim_pcp_head(s, &out, PCP_OP_MAP, PCP_SUCCESS, 7200);
	wire_put_bytes(&out, nonce, PCP_NONCE_LEN);
	wire_put_u8(&out, 6);
	wire_put_zeros(&out, 3);
	wire_put_u16(&out, 8080);
	wire_put_u16(&out, external_port);
	addr_to_ipv6_bytes(&s->external, external);
	wire_put_bytes(&out, external, sizeof(external));
	router_datagram(s->router, buf, (size_t)wire_finish(&out), s->now);
	sim_turn(s);
}

/* Attack 14, while a request is open: nobody grants it who does not know its nonce. */
static void
test_forged_grant(void **state)
{
	struct lease_want first = sim_want(9000, TCP), w = sim_want(8080, TCP);

	(void)state;
	for (int zero = 0; zero < 2; zero++) {
		uint8_t nonce[PCP_NONCE_LEN];
		struct lease *l;
		struct sim s;

		sim_init(&s, 94);
		s.pcp = true;
		lease_new(s.router, &first, NULL, &s, s.now);
		sim_pass(&s, 5000);
		s.silent = true;
		l = lease_new(s.router, &w, NULL, &s, s.now);
		sim_pass(&s, 50);
		for (unsigned i = 0; i < PCP_NONCE_LEN; i++) {
			memcpy(nonce, w.nonce, sizeof(nonce));
			nonce[i] ^= 1;
			forge_grant(&s, nonce, zero ? 0 : 8080);
			assert_int_equal(sim_status(l).state, MAPPING_REQUESTING);
		}
		/* It was open all the time. */
		forge_grant(&s, w.nonce, zero ? 0 : 8080);
		assert_int_equal(
		    sim_status(l).state, zero ? MAPPING_FAILED : MAPPING_ACTIVE);
		assert_int_equal(sim_status(l).is_held, !zero);
		sim_done(&s);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forged),
		cmocka_unit_test(test_forged_grant),
	};

	return cmocka_run_group_tests_name("router_forged", tests, NULL, NULL);
}
