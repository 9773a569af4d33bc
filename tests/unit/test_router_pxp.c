/*
 * test_router_pxp.c - leases on a simulated router: what PCP and NAT-PMP in particular
 * ask for.
 */
#include "tests/unit/sim.h"

/* ProtonVPN: 60 s leases at 5 % loss; never a lapse. */
static void
vpn_cycles(unsigned cycles, uint64_t seed)
{
	struct sim s;
	struct lease_want w = sim_want(0, UDP | TCP);
	struct lease *l;
	unsigned unheld;

	sim_init(&s, seed);
	s.natpmp = true;
	s.lifetime_max_s = 60;
	s.loss_percent = 5;
	w.lifetime_s = 60;
	l = lease_new(s.router, &w, NULL, &s, s.now);
	sim_pass(&s, 20000);
	unheld = s.unheld;
	sim_pass(&s, (msec_t)cycles * 34000);
	printf("%u cycles of a 60 s lease at 5 %% loss: %u renewals, %u lapses\n",
	    cycles, sim_status(l).renewals, s.lapses);
	assert_int_equal(s.lapses, 0);
	assert_int_equal(s.unheld, unheld);
	assert_int_equal(sim_entries(&s), 2);
	assert_true(sim_status(l).renewals >= cycles * 9 / 10);
	sim_done(&s);
}

static void
test_vpn(void **state)
{
	(void)state;
	vpn_cycles(1000000, 9);
}

/* Refused by one protocol, granted by the other. */
static void
test_other_method(void **state)
{
	struct sim s;
	struct lease_want w = sim_want(8080, TCP);
	struct lease *l;

	(void)state;
	sim_init(&s, 10);
	s.pcp = s.natpmp = true;
	s.pcp_result = PCP_NOT_AUTHORIZED;
	l = lease_new(s.router, &w, NULL, &s, s.now);
	sim_pass(&s, 100);
	assert_int_equal(sim_status(l).held.method, METHOD_NAT_PMP);
	sim_done(&s);
}

/* Denied by all: once per hour, no more. */
static void
test_denied_hourly(void **state)
{
	struct sim s;
	struct lease_want w = sim_want(8080, TCP);
	struct lease *l;
	unsigned maps;

	(void)state;
	sim_init(&s, 11);
	s.pcp = s.natpmp = true;
	s.pcp_result = PCP_NOT_AUTHORIZED;
	s.natpmp_result = NATPMP_NOT_AUTHORIZED;
	l = lease_new(s.router, &w, NULL, &s, s.now);
	sim_pass(&s, 3000);
	assert_int_equal(sim_status(l).state, MAPPING_FAILED);
	assert_int_equal(sim_status(l).problem.code, 2);
	maps = s.maps;
	assert_int_equal(maps, 2);
	sim_pass(&s, 10 * 3600000);
	assert_in_range(s.maps - maps, 18, 20);
	sim_done(&s);
}

/* RFC 6886 3.1: NAT-PMP requests one at a time while the gateway is slow. */
static void
test_natpmp_in_turn(void **state)
{
	struct sim s;
	struct lease_want first = sim_want(6999, TCP);

	(void)state;
	sim_init(&s, 19);
	s.natpmp = true;
	lease_new(s.router, &first, NULL, &s, s.now);
	sim_pass(&s, 5000);
	s.silent = true;
	for (uint16_t i = 0; i < 20; i++) {
		struct lease_want w = sim_want((uint16_t)(7000 + i), TCP);

		lease_new(s.router, &w, NULL, &s, s.now);
	}
	sim_pass(&s, 990);
	assert_int_equal(router_exchanges(s.router), 4);
	/* It answers: all of them in no time, in turn. */
	s.silent = false;
	sim_pass(&s, 1000);
	assert_int_equal(sim_entries(&s), 21);
	/* Whoever leaves has no time. */
	for (struct lease *l = s.router->leases; l; l = l->next)
		lease_release(l, s.now);
	sim_turn(&s);
	assert_int_equal(s.gone, 21);
	assert_int_equal(s.unconfirmed, 0);
	sim_done(&s);
}

/* F20: answers come twice, the copy after a later one. */
static void
test_copies(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 200; i++) {
		struct sim s;
		struct lease_want w = sim_want(6000, UDP | TCP);
		struct lease *l;

		sim_init(&s, 1000 + i);
		s.pcp = i % 2;
		s.natpmp = true;
		s.copy_percent = 60;
		/* UDP 6000 is somebody else's: asked, deleted, asked again. */
		s.entry[0] = (struct sim_entry) { .used = true,
			.protocol = 17,
			.internal_port = 1,
			.external_port = 6000,
			.expires = INT64_MAX };
		l = lease_new(s.router, &w, NULL, &s, s.now);
		sim_pass(&s, 3000);
		assert_int_equal(sim_status(l).state, MAPPING_ACTIVE);
		assert_false(sim_status(l).problem.present);
		assert_non_null(
		    sim_find(&s, 6, sim_status(l).held.external_port, true));
		assert_non_null(
		    sim_find(&s, 17, sim_status(l).held.external_port, true));
		lease_release(l, s.now);
		sim_pass(&s, 3000);
		assert_int_equal(s.gone, 1);
		assert_int_equal(sim_entries(&s), 1);
		assert_int_equal(s.restarts, 0);
		sim_done(&s);
	}
}

/* RFC 6886 3.5: a refused opcode comes back as the request, which has no epoch. */
static void
test_unsupported_opcode(void **state)
{
	struct sim s;
	struct lease_want w = sim_want(8080, TCP);
	static const uint8_t answer[12] = { 0, 0x82, 0, 5, 0x1f, 0x90, 0x1f, 0x90, 0, 0,
		0x1c, 0x20 };
	struct lease *l;

	(void)state;
	sim_init(&s, 20);
	s.natpmp = true;
	l = lease_new(s.router, &w, NULL, &s, s.now);
	sim_pass(&s, 5000);
	s.silent = true;
	lease_renew(l, s.now);
	sim_turn(&s);
	router_datagram(s.router, answer, sizeof(answer), s.now);
	s.silent = false;
	sim_pass(&s, 100000);
	assert_int_equal(s.restarts, 0);
	assert_int_equal(sim_status(l).state, MAPPING_ACTIVE);
	sim_done(&s);
}

/* RFC 6887 15: an error's lifetime is how long it is not asked again. */
static void
test_error_lifetime(void **state)
{
	struct sim s;
	struct lease_want w = sim_want(8080, TCP);
	unsigned maps;

	(void)state;
	sim_init(&s, 21);
	s.pcp = true;
	s.pcp_result = PCP_NETWORK_FAILURE;
	s.error_lifetime_s = 600;
	lease_new(s.router, &w, NULL, &s, s.now);
	sim_pass(&s, 5000);
	assert_int_equal(s.maps, 1);
	sim_pass(&s, 590000);
	assert_int_equal(s.maps, 1);
	sim_pass(&s, 10000);
	assert_int_equal(s.maps, 2);
	/* What is not plausible is not believed for ever. */
	s.error_lifetime_s = UINT32_MAX;
	sim_pass(&s, 600000);
	maps = s.maps;
	sim_pass(&s, 1900000);
	assert_true(s.maps > maps);
	sim_done(&s);
}

/* What is wrong with the port is said, whichever of the services said it. */
static void
test_most_telling(void **state)
{
	static const struct {
		int pcp, natpmp;
		const char *name;
	} rows[] = {
		{ PCP_CANNOT_PROVIDE_EXTERNAL, NATPMP_NOT_AUTHORIZED,
		    "CANNOT_PROVIDE_EXTERNAL" },
		{ PCP_NOT_AUTHORIZED, NATPMP_UNSUPP_OPCODE, "NOT_AUTHORIZED" },
		{ PCP_UNSUPP_PROTOCOL, NATPMP_NOT_AUTHORIZED, "NOT_AUTHORIZED" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct sim s;
		struct lease_want w = sim_want(443, TCP);
		struct lease_status st;
		struct lease *l;

		w.prefer_failure = true;
		sim_init(&s, 23);
		s.pcp = s.natpmp = true;
		s.pcp_result = rows[i].pcp;
		s.natpmp_result = rows[i].natpmp;
		l = lease_new(s.router, &w, NULL, &s, s.now);
		sim_pass(&s, 5000);
		st = sim_status(l);
		assert_int_equal(st.state, MAPPING_FAILED);
		assert_string_equal(st.problem.name, rows[i].name);
		sim_done(&s);
	}
}

/* A VPN that has one number for this client, whatever is asked; some say internal port
 * 0 for "the same". */
static void
test_only_port(void **state)
{
	(void)state;
	for (int echo = 0; echo < 2; echo++) {
		struct sim s;
		struct lease_want w = sim_want(0, UDP | TCP);
		struct lease_status st;
		struct lease *l;

		sim_init(&s, 22);
		s.natpmp = true;
		s.only_port = 41234;
		s.echo_no_port = echo;
		l = lease_new(s.router, &w, NULL, &s, s.now);
		sim_pass(&s, 1000);
		st = sim_status(l);
		assert_int_equal(st.state, MAPPING_ACTIVE);
		assert_int_equal(st.held.external_port, 41234);
		assert_int_equal(st.held.internal_port, 41234);
		/* "The same" is believed; else it is asked for by its number. */
		assert_int_equal(s.deletes, echo ? 0 : 1);
		sim_done(&s);
	}
}

/* F07: success without anything in it is a refusal, and no reason to hurry. */
static void
test_grants_nothing(void **state)
{
	(void)state;
	for (int pcp = 0; pcp < 2; pcp++) {
		struct sim s;
		struct lease_want w = sim_want(8080, TCP);
		struct lease *l;

		sim_init(&s, 23);
		s.pcp = pcp;
		s.natpmp = !pcp;
		s.grants_nothing = true;
		l = lease_new(s.router, &w, NULL, &s, s.now);
		sim_pass(&s, 4000);
		assert_int_equal(sim_status(l).state, MAPPING_FAILED);
		assert_string_equal(sim_status(l).problem.name, "NOTHING_GRANTED");
		assert_int_equal(s.maps, 1);
		sim_pass(&s, 3600000);
		assert_in_range(s.maps, 10, 13);
		sim_done(&s);
	}
}

/* Another host's port by PCP's THIRD_PARTY; NAT-PMP has no word for that. */
static void
test_third_party(void **state)
{
	struct sim s;
	struct lease_want w = sim_want(8080, TCP);
	struct lease *l;

	(void)state;
	for (int pcp = 0; pcp < 2; pcp++) {
		sim_init(&s, 24);
		s.pcp = pcp;
		s.natpmp = true;
		w.internal = addr_ipv4(192, 168, 1, 77);
		l = lease_new(s.router, &w, NULL, &s, s.now);
		sim_pass(&s, 4000);
		assert_int_equal(
		    sim_status(l).state, pcp ? MAPPING_ACTIVE : MAPPING_FAILED);
		assert_int_equal(s.third_parties, pcp);
		sim_done(&s);
	}
}

/* RFC 6887 13.2: asked with the option, renewed with it, and deleted without. */
static void
test_prefer_failure(void **state)
{
	struct sim s;
	struct lease_want w = sim_want(443, TCP);
	struct lease *l;

	(void)state;
	for (unsigned prefer = 0; prefer < 2; prefer++) {
		sim_init(&s, 26);
		s.pcp = true;
		w.external_port = 443;
		w.prefer_failure = prefer;
		l = lease_new(s.router, &w, NULL, &s, s.now);
		sim_pass(&s, 4000);
		assert_int_equal(sim_status(l).state, MAPPING_ACTIVE);
		lease_renew(l, s.now);
		sim_pass(&s, 1000);
		assert_int_equal(s.maps, 2);
		lease_release(l, s.now);
		sim_pass(&s, 1000);
		assert_int_equal(s.deletes, 1);
		assert_int_equal(s.prefer_failures, 2 * prefer);
		sim_done(&s);
	}
}

/* F09: a renewal that is refused takes nothing away; right before the end the mapping
 * is made anew (quirk 39: some cannot renew). */
static void
test_renewal_refused(void **state)
{
	struct sim s;
	struct lease_want w = sim_want(8080, TCP);
	struct lease *l;

	(void)state;
	sim_init(&s, 25);
	s.pcp = true;
	l = lease_new(s.router, &w, NULL, &s, s.now);
	sim_pass(&s, 5000);
	s.pcp_result = PCP_NO_RESOURCES;
	s.error_lifetime_s = 600;
	sim_pass(&s, 6200000);
	assert_int_equal(sim_status(l).state, MAPPING_DEGRADED);
	assert_string_equal(sim_status(l).problem.name, "NO_RESOURCES");
	assert_int_equal(s.deletes, 0);
	assert_int_equal(sim_entries(&s), 1);
	assert_in_range(s.maps, 5, 13);
	sim_pass(&s, 1000000);
	assert_int_equal(s.deletes, 1);
	s.pcp_result = 0;
	sim_pass(&s, 310000);
	assert_int_equal(sim_status(l).state, MAPPING_ACTIVE);
	assert_int_equal(sim_status(l).held.external_port, 8080);
	assert_memory_equal(
	    sim_find(&s, 6, 8080, true)->nonce, w.nonce, sizeof(w.nonce));
	sim_done(&s);
}

/* The host slept while the answer waited to be read: the lease has run since it was
 * asked for, and an hour of it is gone. */
static void
test_answer_read_late(void **state)
{
	struct lease_want first = sim_want(8080, UDP), w = sim_want(8081, UDP);
	uint8_t answer[16] = { 0, 128 + 1, 0, 0, 0, 0, 0, 0, 8081 >> 8, 8081 & 0xff,
		8081 >> 8, 8081 & 0xff, 0, 0, 7200 >> 8, 7200 & 0xff };
	struct lease *l;
	struct sim s;
	msec_t asked;

	(void)state;
	sim_init(&s, 91);
	s.natpmp = true;
	lease_new(s.router, &first, NULL, &s, s.now);
	sim_pass(&s, 5000);
	s.natpmp = false;
	asked = s.now;
	l = lease_new(s.router, &w, NULL, &s, s.now);
	sim_pass(&s, 1);
	s.now += 3600000;
	router_datagram(s.router, answer, sizeof(answer), s.now);
	assert_true(sim_status(l).is_held);
	assert_in_range(
	    sim_status(l).held.expires_at, asked + 7200000, asked + 7201000);
	sim_done(&s);
}

/* Silent while it was looked for, then it renews: its address is asked for at once, and
 * not again and again while it has none. */
static void
test_address_after_silence(void **state)
{
	(void)state;
	for (int offline = 0; offline < 2; offline++) {
		struct lease_want w = sim_want(8080, UDP | TCP);
		struct lease_held held = { .method = METHOD_NAT_PMP,
			.external_port = 8080,
			.internal_port = 8080,
			.lifetime_s = 7200 };
		struct lease_status st;
		struct lease *l;
		struct sim s;
		unsigned probes;

		sim_init(&s, 90);
		s.natpmp = s.silent = true;
		if (offline)
			s.external = addr_ipv4(0, 0, 0, 0);
		held.expires_at = s.now + 7200 * MSEC_PER_SEC;
		l = lease_new(s.router, &w, &held, &s, s.now);
		sim_pass(&s, 5000);
		s.silent = false;
		sim_pass(&s, 10000);
		st = sim_status(l);
		assert_int_equal(st.state, MAPPING_ACTIVE);
		if (offline)
			assert_int_equal(st.held.external.family, ADDR_NONE);
		else
			assert_true(addr_equal(&st.held.external, &s.external));
		probes = s.probes;
		sim_pass(&s, 30000);
		assert_in_range(s.probes, probes, probes + 1);
		sim_done(&s);
	}
}

/* Each protocol gets another number, whatever is asked: said, and nothing kept. */
static void
test_no_common_port(void **state)
{
	(void)state;
	for (int pcp = 0; pcp < 2; pcp++) {
		struct sim s;
		struct lease_want w = sim_want(8080, UDP | TCP);
		struct lease *l;

		sim_init(&s, 92);
		s.pcp = pcp;
		s.natpmp = true;
		s.chosen_port = 40000;
		w.methods = pcp ? METHOD_BIT(METHOD_PCP) : METHOD_BIT(METHOD_NAT_PMP);
		l = lease_new(s.router, &w, NULL, &s, s.now);
		sim_pass(&s, 10000);
		assert_int_equal(sim_status(l).state, MAPPING_FAILED);
		assert_string_equal(sim_status(l).problem.name, "NO_COMMON_PORT");
		assert_int_equal(sim_entries(&s), 0);
		s.chosen_port = 0;
		sim_pass(&s, 301000);
		assert_int_equal(sim_status(l).state, MAPPING_ACTIVE);
		sim_done(&s);
	}
}

/* Refused for an hour, and then the router is silent for a minute: the hour goes on. */
static void
test_refusal_beyond_silence(void **state)
{
	struct sim s;
	struct lease_want w = sim_want(8080, TCP);
	struct service *svc;
	struct lease *l;

	(void)state;
	sim_init(&s, 93);
	s.pcp = true;
	s.pcp_result = PCP_NOT_AUTHORIZED;
	l = lease_new(s.router, &w, NULL, &s, s.now);
	sim_pass(&s, 10000);
	assert_int_equal(sim_status(l).state, MAPPING_FAILED);
	svc = &s.router->service[ROUTER_PCP];
	svc->circuit = CIRCUIT_OPEN;
	svc->again_at = s.now + ROUTER_BREAKER_MS;
	l->at = s.now;
	sim_pass(&s, 70000);
	assert_int_equal(svc->circuit, CIRCUIT_CLOSED);
	s.pcp_result = 0;
	sim_pass(&s, 3600000);
	assert_int_equal(sim_status(l).state, MAPPING_ACTIVE);
	sim_done(&s);
}

/* Quirk 28: listed, renewed, but it forwards nothing: deleted and made again, with the
 * same number and nonce. */
static void
test_remake(void **state)
{
	(void)state;
	for (int pcp = 0; pcp < 2; pcp++) {
		struct sim s;
		struct lease_want w = sim_want(8080, UDP | TCP);
		struct lease *l;

		sim_init(&s, 91);
		s.pcp = pcp;
		s.natpmp = true;
		l = lease_new(s.router, &w, NULL, &s, s.now);
		assert_false(lease_remake(l, s.now)); /* not yet */
		sim_pass(&s, 10000);
		s.maps = s.deletes = 0;
		assert_true(lease_remake(l, s.now));
		assert_false(lease_remake(l, s.now)); /* it is on its way */
		assert_int_equal(sim_status(l).state, MAPPING_REQUESTING);
		sim_pass(&s, 1000);
		assert_int_equal(s.deletes, 2);
		assert_int_equal(s.maps, 2);
		assert_int_equal(sim_status(l).state, MAPPING_ACTIVE);
		assert_int_equal(sim_status(l).held.external_port, 8080);
		assert_int_equal(sim_entries(&s), 2);
		sim_done(&s);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vpn),
		cmocka_unit_test(test_other_method),
		cmocka_unit_test(test_denied_hourly),
		cmocka_unit_test(test_no_common_port),
		cmocka_unit_test(test_refusal_beyond_silence),
		cmocka_unit_test(test_remake),
		cmocka_unit_test(test_natpmp_in_turn),
		cmocka_unit_test(test_address_after_silence),
		cmocka_unit_test(test_copies),
		cmocka_unit_test(test_unsupported_opcode),
		cmocka_unit_test(test_error_lifetime),
		cmocka_unit_test(test_only_port),
		cmocka_unit_test(test_grants_nothing),
		cmocka_unit_test(test_third_party),
		cmocka_unit_test(test_prefer_failure),
		cmocka_unit_test(test_most_telling),
		cmocka_unit_test(test_renewal_refused),
		cmocka_unit_test(test_answer_read_late),
	};

	return cmocka_run_group_tests_name("router_pxp", tests, NULL, NULL);
}
