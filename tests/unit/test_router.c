/*
 * test_router.c - leases on a simulated router: granted, silence, loss, restarts.
 */
#include "tests/unit/sim.h"

/* Quirk 47, too: renewed by itself, long before the end. */
static void
test_pcp_granted(void **state)
{
	struct sim s;
	struct lease_want w = sim_want(8080, TCP);
	struct lease *l;
	struct lease_status st;

	(void)state;
	sim_init(&s, 1);
	s.pcp = s.natpmp = true;
	l = lease_new(s.router, &w, NULL, &s, s.now);
	sim_turn(&s);
	st = sim_status(l);
	assert_int_equal(st.state, MAPPING_ACTIVE);
	assert_true(st.verdict);
	assert_int_equal(st.held.method, METHOD_PCP);
	assert_int_equal(st.held.external_port, 8080);
	assert_true(addr_equal(&st.held.external, &s.external));
	assert_int_equal(sim_entries(&s), 1);
	assert_int_equal(s.maps, 1);
	/* Renewed between half and five eighths of the lifetime, once. */
	assert_in_range(st.renew_at - s.now, 3600000, 4500000);
	sim_pass(&s, 4500000);
	assert_int_equal(s.maps, 2);
	assert_int_equal(sim_status(l).renewals, 1);
	lease_release(l, s.now);
	sim_turn(&s);
	assert_int_equal(sim_entries(&s), 0);
	assert_int_equal(s.deletes, 1);
	assert_int_equal(s.gone, 1);
	assert_int_equal(s.unconfirmed, 0);
	/* Nobody wants anything: nothing is due. */
	sim_pass(&s, 10000);
	assert_true(router_deadline(s.router) == MSEC_NEVER);
	sim_done(&s);
}

static void
test_natpmp_only(void **state)
{
	struct sim s;
	struct lease_want w = sim_want(5000, UDP);
	struct lease *l;

	(void)state;
	sim_init(&s, 2);
	s.natpmp = true;
	s.chosen_port = 40000;
	l = lease_new(s.router, &w, NULL, &s, s.now);
	sim_turn(&s);
	assert_int_equal(sim_status(l).state, MAPPING_ACTIVE);
	assert_int_equal(sim_status(l).held.method, METHOD_NAT_PMP);
	assert_int_equal(sim_status(l).held.external_port, 40000);
	lease_release(l, s.now);
	sim_turn(&s);
	assert_int_equal(sim_entries(&s), 0);
	sim_done(&s);
}

/* Ask 10, one number as a unit: TCP and UDP get the same although the router would give
 * two. */
static void
test_pair_one_number(void **state)
{
	struct sim s;
	struct lease_want w = sim_want(6000, UDP | TCP);
	struct lease *l;
	struct lease_status st;

	(void)state;
	for (int pcp = 0; pcp < 2; pcp++) {
		sim_init(&s, 3);
		s.pcp = pcp;
		s.natpmp = true;
		/* UDP 6000 is somebody else's: UDP would become 6001, TCP 6000. */
		s.entry[0] = (struct sim_entry) { .used = true,
			.protocol = 17,
			.internal_port = 1,
			.external_port = 6000,
			.expires = INT64_MAX };
		l = lease_new(s.router, &w, NULL, &s, s.now);
		sim_pass(&s, 1000);
		st = sim_status(l);
		assert_int_equal(st.state, MAPPING_ACTIVE);
		assert_int_equal(st.held.external_port, 6001);
		assert_non_null(sim_find(&s, 6, 6001, true));
		assert_non_null(sim_find(&s, 17, 6001, true));
		assert_int_equal(sim_entries(&s), 3);
		lease_release(l, s.now);
		sim_turn(&s);
		assert_int_equal(sim_entries(&s), 1);
		sim_done(&s);
	}
}

/* The router chooses one number for inside and outside. */
static void
test_router_chooses(void **state)
{
	struct sim s;
	struct lease_want w = sim_want(0, UDP | TCP);
	struct lease *l;
	struct lease_status st;

	(void)state;
	sim_init(&s, 4);
	s.natpmp = true;
	s.foreign_port = 0;
	l = lease_new(s.router, &w, NULL, &s, s.now);
	sim_pass(&s, 1000);
	st = sim_status(l);
	assert_int_equal(st.state, MAPPING_ACTIVE);
	assert_int_equal(st.held.external_port, st.held.internal_port);
	assert_int_equal(sim_entries(&s), 2);
	sim_done(&s);
}

static void
test_prefer_failure(void **state)
{
	struct sim s;
	struct lease_want w = sim_want(443, TCP);
	struct lease *l;
	struct lease_status st;

	(void)state;
	sim_init(&s, 5);
	s.natpmp = true;
	s.foreign_port = 443;
	w.external_port = 443;
	w.prefer_failure = true;
	l = lease_new(s.router, &w, NULL, &s, s.now);
	/* The search by UPnP is still on when NAT-PMP has said no. */
	sim_pass(&s, 3000);
	st = sim_status(l);
	assert_int_equal(st.state, MAPPING_FAILED);
	assert_true(st.verdict);
	assert_string_equal(st.problem.name, "PORT_TAKEN");
	assert_int_equal(st.problem.offered_port, 444);
	assert_int_equal(sim_entries(&s), 0);
	sim_done(&s);
}

/* Nothing there: said within 3 s, and tried again for as long as it is wanted. */
static void
test_nothing_there(void **state)
{
	struct sim s;
	struct lease_want w = sim_want(8080, TCP);
	struct lease *l;

	(void)state;
	sim_init(&s, 6);
	l = lease_new(s.router, &w, NULL, &s, s.now);
	sim_pass(&s, 2800);
	assert_false(sim_status(l).verdict);
	sim_pass(&s, 200);
	assert_true(sim_status(l).verdict);
	assert_int_equal(sim_status(l).state, MAPPING_FAILED);
	assert_string_equal(sim_status(l).problem.name, "NO_SERVICE");
	/* It comes to life: found by the background search, capped at 5 minutes. */
	s.pcp = s.natpmp = true;
	sim_pass(&s, 310000);
	assert_int_equal(sim_status(l).state, MAPPING_ACTIVE);
	sim_done(&s);
}

static void
test_port_closed(void **state)
{
	struct sim s;
	struct lease_want w = sim_want(8080, TCP);
	struct service_status st;

	(void)state;
	sim_init(&s, 7);
	s.unreachable = true;
	lease_new(s.router, &w, NULL, &s, s.now);
	sim_turn(&s);
	router_service_status(s.router, ROUTER_PCP, &st);
	assert_int_equal(st.state, SERVICE_ABSENT);
	router_service_status(s.router, ROUTER_NAT_PMP, &st);
	assert_int_equal(st.state, SERVICE_ABSENT);
	assert_string_equal(st.reason, "port 5351 is closed on the router");
	sim_done(&s);
}

/* 30 % loss each way, cold: at least 98.5 % have it within 3 s, all within 30 s. */
static void
test_loss(void **state)
{
	struct lease_want w = sim_want(8080, TCP);

	(void)state;
	for (int pcp = 0; pcp < 2; pcp++) {
		unsigned quick = 0, slow = 0, runs = 2000;

		for (unsigned i = 0; i < runs; i++) {
			struct sim s;
			struct lease *l;

			sim_init(&s, i * 7919 + 1);
			s.loss_percent = 30;
			s.pcp = pcp;
			s.natpmp = !pcp;
			l = lease_new(s.router, &w, NULL, &s, s.now);
			sim_pass(&s, 3000);
			quick += sim_status(l).state == MAPPING_ACTIVE;
			sim_pass(&s, 27000);
			slow += sim_status(l).state == MAPPING_ACTIVE;
			sim_done(&s);
		}
		printf("30 %% loss, %s: %u of %u within 3 s, %u within 30 s\n",
		    pcp ? "PCP" : "NAT-PMP", quick, runs, slow);
		assert_true(quick * 1000 >= runs * 985);
		assert_true(slow * 1000 >= runs * 998);
	}
}

/* A restart is seen by the epoch in the next answer; the same numbers are asked. */
static void
test_restart_epoch(void **state)
{
	struct sim s;
	struct lease *l[20];

	(void)state;
	for (int pcp = 0; pcp < 2; pcp++) {
		sim_init(&s, 8);
		s.pcp = pcp;
		s.natpmp = true;
		for (uint16_t i = 0; i < 20; i++) {
			struct lease_want w = sim_want((uint16_t)(7000 + i), TCP);

			l[i] = lease_new(s.router, &w, NULL, &s, s.now);
		}
		sim_pass(&s, 10000);
		assert_int_equal(sim_entries(&s), 20);
		sim_reboot(&s, true);
		assert_int_equal(sim_entries(&s), 0);
		/* Silent gateway: seen at the next look, within a minute. */
		sim_pass(&s, 61000);
		assert_int_equal(s.restarts, 1);
		assert_int_equal(sim_entries(&s), 20);
		/* Once, although both protocols show it (and PCP renews to look). */
		assert_in_range(s.maps, 40, 43);
		for (uint16_t i = 0; i < 20; i++)
			assert_int_equal(sim_status(l[i]).held.external_port, 7000 + i);
		/* With a hint (announcement, carrier): at once. */
		sim_reboot(&s, true);
		router_hint(s.router, s.now);
		sim_pass(&s, 1000);
		assert_int_equal(s.restarts, 2);
		assert_int_equal(sim_entries(&s), 20);
		sim_done(&s);
	}
}

/* F04: an epoch that stands still is a broken clock, not a restart at every look. */
static void
test_epoch_stands_still(void **state)
{
	struct sim s;
	struct lease *l[20];

	(void)state;
	for (int pcp = 0; pcp < 2; pcp++) {
		sim_init(&s, 80);
		s.pcp = pcp;
		s.natpmp = true;
		s.drift = -1;
		for (uint16_t i = 0; i < 20; i++) {
			struct lease_want w = sim_want((uint16_t)(7000 + i), TCP);

			l[i] = lease_new(s.router, &w, NULL, &s, s.now);
		}
		sim_pass(&s, INT64_C(1800) * 1000);
		assert_in_range(s.restarts, 0, pcp + 1);
		assert_in_range(s.maps, 20, 20 + 20 * (pcp + 1u));
		for (uint16_t i = 0; i < 20; i++)
			assert_int_equal(sim_status(l[i]).state, MAPPING_ACTIVE);
		sim_done(&s);
	}
}

/* Silence while a lease is held: degraded, then lost at its end, then back again. */
static void
test_silence_then_back(void **state)
{
	struct sim s;
	struct lease_want w = sim_want(8080, TCP);
	struct lease *l;

	(void)state;
	sim_init(&s, 12);
	s.natpmp = true;
	l = lease_new(s.router, &w, NULL, &s, s.now);
	sim_turn(&s);
	s.silent = true;
	sim_pass(&s, 4600000);
	assert_int_equal(sim_status(l).state, MAPPING_DEGRADED);
	assert_true(sim_status(l).is_held);
	sim_pass(&s, 2700000);
	assert_int_equal(sim_status(l).state, MAPPING_FAILED);
	assert_false(sim_status(l).is_held);
	s.silent = false;
	sim_pass(&s, 400000);
	assert_int_equal(sim_status(l).state, MAPPING_ACTIVE);
	assert_int_equal(sim_status(l).held.external_port, 8080);
	sim_done(&s);
}

/* The external address changes: seen within a minute, by PCP alone, too. */
static void
test_external_change(void **state)
{
	(void)state;
	for (int pcp = 0; pcp < 2; pcp++) {
		struct sim s;
		struct lease_want w = sim_want(8080, TCP);
		struct lease *l;

		sim_init(&s, 13);
		s.pcp = pcp;
		s.natpmp = !pcp;
		l = lease_new(s.router, &w, NULL, &s, s.now);
		sim_pass(&s, 300000);
		assert_int_equal(s.externals, 1);
		unsigned changes = s.changes;
		s.external = addr_ipv4(198, 0, 2, 99);
		/* Told in the turn in which the answer is read. */
		sim_pass(&s, 60000);
		assert_int_equal(s.externals, 2);
		assert_true(s.changes > changes);
		struct addr external = sim_status(l).held.external;
		assert_true(addr_equal(&external, &s.external));
		assert_int_equal(s.restarts, 0);
		sim_done(&s);
	}
}

/* After a restart of natd: the same number with the same nonce, nothing asked twice. */
static void
test_adopt(void **state)
{
	struct sim s;
	struct lease_want w = sim_want(8080, TCP | UDP);
	struct lease_held held;
	struct lease *l;

	(void)state;
	sim_init(&s, 14);
	s.pcp = true;
	l = lease_new(s.router, &w, NULL, &s, s.now);
	sim_turn(&s);
	held = sim_status(l).held;
	lease_forget(l);
	struct sim_entry before[2] = { s.entry[0], s.entry[1] };
	struct router_settings settings = { .gateway = addr_ipv4(192, 168, 1, 1),
		.local = addr_ipv4(192, 168, 1, 20),
		.seed = 77,
		.methods = METHODS_ALL,
		.probe_ms = 60000 };
	router_free(s.router);
	s.router = router_new(&settings, s.now);
	s.maps = 0;
	s.now += 5000;
	l = lease_new(s.router, &w, &held, &s, s.now);
	sim_turn(&s);
	assert_int_equal(sim_status(l).state, MAPPING_ACTIVE);
	assert_int_equal(s.maps, 2);
	assert_int_equal(sim_entries(&s), 2);
	assert_int_equal(s.entry[0].external_port, before[0].external_port);
	sim_done(&s);
}

/* From the next renewal on; which transports it is, and of which port inside, stays. */
static void
test_another_wish(void **state)
{
	struct sim s;
	struct lease_want w = sim_want(8080, TCP), other = sim_want(9090, UDP);
	struct lease *l;
	unsigned maps;

	(void)state;
	sim_init(&s, 16);
	s.natpmp = true;
	l = lease_new(s.router, &w, NULL, &s, s.now);
	sim_pass(&s, 5000);
	maps = s.maps;
	other.lifetime_s = 600;
	lease_set_want(l, &other);
	sim_pass(&s, 5000);
	assert_int_equal(s.maps, maps);
	lease_renew(l, s.now);
	sim_pass(&s, 5000);
	assert_int_equal(sim_status(l).held.lifetime_s, 600);
	lease_set_lifetime(l, 900);
	lease_renew(l, s.now);
	sim_pass(&s, 5000);
	assert_int_equal(sim_status(l).held.lifetime_s, 900);
	assert_int_equal(sim_status(l).held.internal_port, 8080);
	assert_int_equal(lease_wanted(l)->transports, TCP);
	assert_int_equal(lease_wanted(l)->internal_port, 8080);
	assert_int_equal(sim_entries(&s), 1);
	sim_done(&s);
}

/* 200 leases come back after a restart paced, the first at once. */
static void
test_paced(void **state)
{
	struct sim s;
	unsigned after_1s;

	(void)state;
	sim_init(&s, 15);
	s.pcp = s.natpmp = true;
	for (uint16_t i = 0; i < 200; i++) {
		struct lease_want w = sim_want((uint16_t)(7000 + i), TCP);

		lease_new(s.router, &w, NULL, &s, s.now);
	}
	sim_pass(&s, 30000);
	assert_int_equal(sim_entries(&s), 200);
	sim_reboot(&s, true);
	router_hint(s.router, s.now);
	sim_turn(&s);
	assert_true(sim_entries(&s) >= 1);
	sim_pass(&s, 990);
	after_1s = sim_entries(&s);
	assert_in_range(after_1s, 1, 51);
	sim_pass(&s, 5000);
	assert_int_equal(sim_entries(&s), 200);
	assert_int_equal(s.restarts, 1);
	sim_done(&s);
}

/* A host with a global address and no router that translates: nothing to ask. */
static void
test_direct(void **state)
{
	struct sim s;
	struct lease_want w = sim_want(8080, TCP);
	struct router_settings settings = { .gateway = addr_ipv4(5, 5, 5, 1),
		.local = addr_ipv4(5, 5, 5, 5),
		.seed = 1,
		.methods = METHODS_ALL,
		.probe_ms = 60000 };
	struct lease *l;

	(void)state;
	sim_init(&s, 16);
	router_free(s.router);
	s.router = router_new(&settings, s.now);
	w.internal = settings.local;
	l = lease_new(s.router, &w, NULL, &s, s.now);
	sim_pass(&s, 3000);
	assert_int_equal(sim_status(l).state, MAPPING_ACTIVE);
	assert_int_equal(sim_status(l).held.method, METHOD_DIRECT);
	assert_int_equal(sim_status(l).held.external_port, 8080);
	lease_release(l, s.now);
	sim_turn(&s);
	assert_int_equal(s.gone, 1);
	assert_int_equal(s.deletes, 0);
	/* Without a router nobody is asked. */
	settings.gateway = (struct addr) { 0 };
	router_free(s.router);
	s.router = router_new(&settings, s.now);
	s.datagrams = s.searches = 0;
	l = lease_new(s.router, &w, NULL, &s, s.now);
	sim_turn(&s);
	assert_int_equal(sim_status(l).held.method, METHOD_DIRECT);
	assert_int_equal(s.datagrams + s.searches, 0);
	struct service_status service;
	router_service_status(s.router, ROUTER_PCP, &service);
	assert_string_equal(service.reason, "there is no router on this interface");
	sim_done(&s);
}

/* Three exchanges in silence open the circuit; one probe a minute goes through. */
static void
test_breaker(void **state)
{
	struct sim s;
	struct service_status st;
	struct lease *l[4];

	(void)state;
	sim_init(&s, 17);
	s.natpmp = true;
	for (uint16_t i = 0; i < 4; i++) {
		struct lease_want w = sim_want((uint16_t)(7000 + i), TCP);

		l[i] = lease_new(s.router, &w, NULL, &s, s.now);
		sim_turn(&s);
	}
	s.silent = true;
	for (unsigned i = 0; i < 3; i++) {
		router_service_status(s.router, ROUTER_NAT_PMP, &st);
		assert_int_equal(st.circuit, CIRCUIT_CLOSED);
		s.services = 0;
		lease_renew(l[i], s.now);
		sim_pass(&s, 5000);
	}
	router_service_status(s.router, ROUTER_NAT_PMP, &st);
	assert_int_equal(st.circuit, CIRCUIT_OPEN);
	assert_string_equal(st.reason, "no answer to 3 requests in a row");
	assert_true(s.services > 0);
	struct lease_want w = sim_want(7100, TCP);
	struct lease *late = lease_new(s.router, &w, NULL, &s, s.now);
	/* Nothing new is asked with the look, either, which is in vain. */
	sim_pass(&s, 56500);
	router_service_status(s.router, ROUTER_NAT_PMP, &st);
	assert_int_equal(st.circuit, CIRCUIT_OPEN);
	sim_pass(&s, 2000);
	router_service_status(s.router, ROUTER_NAT_PMP, &st);
	assert_int_equal(st.circuit, CIRCUIT_HALF_OPEN);
	assert_false(late->started);
	sim_pass(&s, 5000);
	router_service_status(s.router, ROUTER_NAT_PMP, &st);
	assert_int_equal(st.circuit, CIRCUIT_OPEN);
	s.silent = false;
	sim_turn(&s);
	assert_int_equal(sim_status(late).is_held, false);
	sim_pass(&s, 61000);
	router_service_status(s.router, ROUTER_NAT_PMP, &st);
	assert_int_equal(st.circuit, CIRCUIT_CLOSED);
	assert_int_equal(sim_status(late).state, MAPPING_ACTIVE);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(sim_status(l[i]).state, MAPPING_ACTIVE);
	sim_done(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pcp_granted),
		cmocka_unit_test(test_natpmp_only),
		cmocka_unit_test(test_pair_one_number),
		cmocka_unit_test(test_router_chooses),
		cmocka_unit_test(test_prefer_failure),
		cmocka_unit_test(test_nothing_there),
		cmocka_unit_test(test_port_closed),
		cmocka_unit_test(test_loss),
		cmocka_unit_test(test_restart_epoch),
		cmocka_unit_test(test_epoch_stands_still),
		cmocka_unit_test(test_silence_then_back),
		cmocka_unit_test(test_external_change),
		cmocka_unit_test(test_adopt),
		cmocka_unit_test(test_another_wish),
		cmocka_unit_test(test_paced),
		cmocka_unit_test(test_direct),
		cmocka_unit_test(test_breaker),
	};

	return cmocka_run_group_tests_name("router", tests, NULL, NULL);
}
