/*
 * test_router.c - leases on a simulated router: PCP, NAT-PMP, silence, loss, restarts.
 */
#include "tests/unit/sim.h"

#define UDP (1u << TRANSPORT_UDP)
#define TCP (1u << TRANSPORT_TCP)

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

/* TCP and UDP get one number although the router would give two. */
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

/* 30 days, drift of 5 %, loss, suspend: no false alarm, no request too many. */
static void
test_month(void **state)
{
	static const double drifts[] = { 0, 0.05, -0.05 };
	const msec_t month = INT64_C(30) * 24 * 3600 * 1000;

	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		struct sim s;
		struct lease_want w = sim_want(8080, TCP);
		struct lease *l;

		sim_init(&s, 100 + i);
		s.boot = s.now - 3600000;
		s.pcp = i % 2;
		s.natpmp = true;
		s.drift = drifts[i / 2];
		s.loss_percent = i == 5 ? 5 : 0;
		l = lease_new(s.router, &w, NULL, &s, s.now);
		for (msec_t at = s.now, end = s.now + month; at < end; at += 86400000) {
			sim_until(&s, at + 80000000);
			/* Suspended for the rest of the day. */
			s.now += 6400000;
		}
		assert_int_equal(sim_status(l).state, MAPPING_ACTIVE);
		assert_int_equal(s.restarts, 0);
		/* Awake 80000 s of each day: a look a minute, a renewal each 1..1.25 h
		 * (and those that sleep made late). */
		if (!s.loss_percent) {
			unsigned looks = 30 * 80000 / 60 * (s.pcp ? 2 : 1);

			assert_in_range(s.probes, looks * 98 / 100, looks * 102 / 100);
			assert_in_range(
			    s.maps, 30 * 80000 / 4500, 30 * 80000 / 3600 + 90);
		}
		sim_done(&s);
	}
}

/* ProtonVPN: 60 s leases at 5 % loss; never a lapse. */
static void
vpn_cycles(unsigned cycles, uint64_t seed)
{
	struct sim s;
	struct lease_want w = sim_want(0, UDP | TCP);
	struct lease *l;
	unsigned lapses = 0;

	sim_init(&s, seed);
	s.natpmp = true;
	s.lifetime_max_s = 60;
	s.loss_percent = 5;
	w.lifetime_s = 60;
	l = lease_new(s.router, &w, NULL, &s, s.now);
	sim_pass(&s, 20000);
	for (msec_t end = s.now + (msec_t)cycles * 34000; s.now < end;) {
		sim_pass(&s, 34000);
		if (!sim_status(l).is_held || sim_entries(&s) != 2)
			lapses++;
	}
	printf("%u cycles of a 60 s lease at 5 %% loss: %u renewals, %u lapses\n",
	    cycles, sim_status(l).renewals, lapses);
	assert_int_equal(lapses, 0);
	assert_true(sim_status(l).renewals >= cycles * 9 / 10);
	sim_done(&s);
}

static void
test_vpn(void **state)
{
	(void)state;
	vpn_cycles(getenv("NATD_TEST_LONG") ? 1000000 : 20000, 9);
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
		sim_pass(&s, 61000);
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
	for (unsigned i = 0; i < 4; i++)
		lease_renew(l[i], s.now);
	sim_pass(&s, 10000);
	router_service_status(s.router, ROUTER_NAT_PMP, &st);
	assert_int_equal(st.circuit, CIRCUIT_OPEN);
	s.silent = false;
	s.datagrams = 0;
	struct lease_want w = sim_want(7100, TCP);
	struct lease *late = lease_new(s.router, &w, NULL, &s, s.now);
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

/* Answers nobody asked for, with wrong nonces, or cut short change nothing. */
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
		cmocka_unit_test(test_month),
		cmocka_unit_test(test_vpn),
		cmocka_unit_test(test_other_method),
		cmocka_unit_test(test_denied_hourly),
		cmocka_unit_test(test_silence_then_back),
		cmocka_unit_test(test_external_change),
		cmocka_unit_test(test_adopt),
		cmocka_unit_test(test_paced),
		cmocka_unit_test(test_direct),
		cmocka_unit_test(test_breaker),
		cmocka_unit_test(test_forged),
		cmocka_unit_test(test_natpmp_in_turn),
		cmocka_unit_test(test_copies),
		cmocka_unit_test(test_unsupported_opcode),
		cmocka_unit_test(test_error_lifetime),
		cmocka_unit_test(test_only_port),
		cmocka_unit_test(test_grants_nothing),
		cmocka_unit_test(test_third_party),
	};

	return cmocka_run_group_tests_name("router", tests, NULL, NULL);
}
