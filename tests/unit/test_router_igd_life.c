/*
 * test_router_igd_life.c - leases on a simulated UPnP gateway: released, adopted, taken
 * over; pinholes.
 */
#include "tests/unit/igd_cases.h"

/* ---- release ---- */

/* An Add is in flight: what it brings is deleted. */
static void
test_release_in_flight(void **state)
{
	(void)state;
	for (unsigned version = 1; version <= 2; version++) {
		for (int fault = 0; fault < 5; fault++) {
			struct sim s;
			struct sim_igd *g = sim_igd_init(&s, version, 31);
			struct lease *l;

			want(&s, 8000, TCP);
			sim_pass(&s, 5000);
			g->http_ms = 300;
			g->any_port = 30000;
			sim_igd_foreign(g, 6, 8080);
			if (fault == 1)
				g->fault[0] = how(SIM_ANY_ACTION, SIM_RESET, 1);
			if (fault == 2)
				g->fault[0] = code(IGD_ADD_PORT_MAPPING, 501, 0);
			if (fault == 3)
				g->fault[0] = how(SIM_ANY_ACTION, SIM_TIMEOUT, 1);
			if (fault == 4)
				g->fault[0] =
				    how(IGD_ADD_PORT_MAPPING, SIM_DONE_TIMEOUT, 1);
			l = want(&s, fault == 4 ? 8090 : 8080, UDP | TCP);
			sim_pass(&s, 100);
			lease_release(l, s.now);
			assert_state(l, MAPPING_RELEASING);
			sim_pass(&s, 8000);
			assert_int_equal(router_leases(s.router), 1);
			assert_int_equal(sim_igd_entries(g), 2);
			release_all_and_done(&s, 1);
		}
	}
}

/* No memory or no descriptor on our side says nothing of the router: each exchange is
 * done anyway, with the same numbers, and nothing is left over. */
static void
live_without_memory(unsigned version, enum sim_how what, unsigned nth)
{
	struct sim s;
	struct sim_igd *g = sim_igd_init(&s, version, 32);
	struct lease *l = want(&s, 8080, UDP | TCP);
	unsigned seen = 0, posts = 0;

	g->http_ms = 150;
	for (msec_t at = 0; at < 400000; at += 100) {
		if (at == 200000)
			lease_renew(l, s.now);
		if (at == 300000)
			lease_release(l, s.now);
		if (g->busy && g->id != seen && strncmp(g->request, "POST", 4) == 0) {
			seen = g->id;
			if (++posts == nth)
				g->fault[0] = how(SIM_ANY_ACTION, what, 1);
		}
		sim_pass(&s, 100);
		if (at > 20000 && at < 300000)
			assert_int_equal(sim_igd_entries(g), 2);
	}
	assert_true(posts >= nth);
	assert_int_equal(g->fault[0].times, 0);
	assert_int_equal(s.gone, 1);
	assert_int_equal(s.unconfirmed, 0);
	assert_int_equal(sim_igd_entries(g), 0);
	assert_false(router_habits(s.router)->no_add_any);
	sim_done(&s);
}

static void
test_no_memory(void **state)
{
	(void)state;
	for (unsigned version = 1; version <= 2; version++)
		for (unsigned nth = 1; nth < 20; nth++) {
			live_without_memory(version, SIM_NO_MEMORY, nth);
			live_without_memory(version, SIM_DONE_NO_MEMORY, nth);
		}
}

/* 714 to a delete is what was wanted. */
static void
test_delete_714(void **state)
{
	struct sim s;
	struct sim_igd *g = sim_igd_init(&s, 1, 32);
	struct lease *l = want(&s, 8080, TCP);

	(void)state;
	sim_pass(&s, 5000);
	memset(g->entry, 0, sizeof(g->entry));
	lease_release(l, s.now);
	sim_pass(&s, 1000);
	assert_int_equal(s.gone, 1);
	assert_int_equal(s.unconfirmed, 0);
	/* Refused or unanswered is not. */
	for (int i = 0; i < 2; i++) {
		l = want(&s, 8080, TCP);
		sim_pass(&s, 5000);
		g->fault[0] = i ? how(IGD_DELETE_PORT_MAPPING, SIM_TIMEOUT, 1)
				: code(IGD_DELETE_PORT_MAPPING, 606, 1);
		lease_release(l, s.now);
		sim_pass(&s, 6000);
		assert_int_equal(s.gone, 2 + i);
		assert_int_equal(s.unconfirmed, 1 + i);
	}
	sim_done(&s);
}

/* ---- restart of natd, other protocols ---- */

static struct lease *
adopt(struct sim *s, const struct lease_held *held, uint16_t port, unsigned transports)
{
	struct lease_want w = sim_want(port, transports);
	struct router_settings settings = s->router->settings;

	settings.habits = s->router->habits;
	router_free(s->router);
	s->router = router_new(&settings, s->now);
	return lease_new(s->router, &w, held, s, s->now);
}

static void
test_adopt(void **state)
{
	struct sim s;
	struct sim_igd *g = sim_igd_init(&s, 2, 33);
	struct lease_held held;
	struct lease *l = want(&s, 8080, TCP | UDP);

	(void)state;
	sim_pass(&s, 10000);
	held = sim_status(l).held;
	memset(g->count, 0, sizeof(g->count));
	l = adopt(&s, &held, 8080, TCP | UDP);
	sim_pass(&s, 3000);
	assert_state(l, MAPPING_ACTIVE);
	assert_port(l, 8080);
	assert_int_equal(g->count[IGD_ADD_PORT_MAPPING], 2);
	assert_int_equal(sim_igd_entries(g), 2);
	/* Meanwhile the entry became another host's: not deleted, another number. */
	held = sim_status(l).held;
	memset(g->entry, 0, sizeof(g->entry));
	sim_igd_foreign(g, 17, 8080);
	l = adopt(&s, &held, 8080, TCP | UDP);
	sim_pass(&s, 10000);
	assert_state(l, MAPPING_ACTIVE);
	assert_int_not_equal(sim_status(l).held.external_port, 8080);
	assert_int_equal(sim_igd_entries(g), 3);
	/* Adopted only to be deleted, the number another host's. */
	held = sim_status(l).held;
	memset(g->entry, 0, sizeof(g->entry));
	sim_igd_foreign(g, 17, held.external_port);
	l = adopt(&s, &held, 8080, TCP | UDP);
	lease_release(l, s.now);
	sim_pass(&s, 5000);
	assert_int_equal(s.gone, 1);
	assert_int_equal(s.unconfirmed, 0);
	assert_int_equal(sim_igd_entries(g), 1);
	sim_done(&s);
}

/* The router does not answer when natd comes back: what is held stays held. */
static void
test_adopt_silent(void **state)
{
	struct sim s;
	struct sim_igd *g = sim_igd_init(&s, 1, 34);
	struct lease_held held;
	struct lease *l = want(&s, 8080, TCP);

	(void)state;
	sim_pass(&s, 10000);
	held = sim_status(l).held;
	g->deaf = true;
	l = adopt(&s, &held, 8080, TCP);
	sim_pass(&s, 3100);
	assert_state(l, MAPPING_DEGRADED);
	assert_true(sim_status(l).verdict);
	g->deaf = false;
	sim_pass(&s, 301000);
	assert_state(l, MAPPING_ACTIVE);
	sim_done(&s);
}

/* PCP appears later: it takes over at a renewal, the old entry is deleted first. */
static void
test_takeover(void **state)
{
	struct sim s;
	struct sim_igd *g = sim_igd_init(&s, 1, 35);
	struct lease *l = want(&s, 8080, TCP | UDP);

	(void)state;
	sim_pass(&s, 10000);
	assert_int_equal(sim_status(l).held.method, METHOD_IGD1);
	s.pcp = true;
	router_discover(s.router, s.now);
	sim_pass(&s, 3000);
	assert_int_equal(sim_status(l).held.method, METHOD_IGD1);
	assert_int_equal(s.maps, 0);
	sim_pass(&s, 4600000);
	assert_state(l, MAPPING_ACTIVE);
	assert_int_equal(sim_status(l).held.method, METHOD_PCP);
	assert_port(l, 8080);
	assert_int_equal(g->count[IGD_DELETE_PORT_MAPPING], 2);
	assert_int_equal(sim_igd_entries(g), 0);
	assert_int_equal(sim_entries(&s), 2);
	sim_done(&s);

	/* One that denies it is tried once, not at each renewal. */
	g = sim_igd_init(&s, 1, 36);
	s.pcp = true;
	s.pcp_result = PCP_NOT_AUTHORIZED;
	l = want(&s, 8080, TCP);
	sim_pass(&s, 24 * 3600000);
	assert_state(l, MAPPING_ACTIVE);
	assert_int_equal(sim_status(l).held.method, METHOD_IGD1);
	assert_int_equal(g->count[IGD_DELETE_PORT_MAPPING], 0);
	assert_int_equal(s.maps, 1);
	sim_done(&s);
}

/* NAT-PMP and IGD both there: one of them, by order; NAT-PMP silent: the other. */
static void
test_both(void **state)
{
	struct sim s;
	struct sim_igd *g = sim_igd_init(&s, 1, 37);
	struct lease *l;

	(void)state;
	s.natpmp = true;
	l = want(&s, 8080, TCP);
	sim_pass(&s, 10000);
	assert_int_equal(sim_status(l).held.method, METHOD_NAT_PMP);
	assert_int_equal(sim_igd_entries(g), 0);
	s.silent = true;
	l = want(&s, 8081, TCP);
	sim_pass(&s, 4000);
	assert_state(l, MAPPING_ACTIVE);
	assert_int_equal(sim_status(l).held.method, METHOD_IGD1);
	sim_done(&s);

	/* Silent with nothing else there; then UPnP is switched on. */
	g = sim_igd_init(&s, 1, 38);
	g->deaf = true;
	s.natpmp = true;
	l = want(&s, 8080, TCP);
	lease_forget(l);
	sim_pass(&s, 5000);
	s.silent = true;
	l = want(&s, 8080, TCP);
	sim_pass(&s, 3000);
	assert_state(l, MAPPING_FAILED);
	g->deaf = false;
	sim_pass(&s, 310000);
	assert_state(l, MAPPING_ACTIVE);
	assert_int_equal(sim_status(l).held.method, METHOD_IGD1);
	sim_done(&s);
}

/* Fifty requests are under way, more in line; the router falls silent: each of them
 * gets its verdict. */
static void
test_line_ends(void **state)
{
	struct sim s;
	struct lease *l[120];

	(void)state;
	sim_igd_init(&s, 1, 39);
	igd_of(&s)->deaf = true;
	s.natpmp = true;
	lease_forget(want(&s, 1, TCP));
	sim_pass(&s, 5000);
	s.silent = true;
	for (uint16_t i = 0; i < ARRAY_SIZE(l); i++)
		l[i] = want(&s, (uint16_t)(7000 + i), TCP);
	sim_pass(&s, 7000);
	for (unsigned i = 0; i < ARRAY_SIZE(l); i++) {
		assert_true(sim_status(l[i]).verdict);
		assert_state(l[i], MAPPING_FAILED);
	}
	s.silent = false;
	sim_pass(&s, 120000);
	for (unsigned i = 0; i < ARRAY_SIZE(l); i++)
		assert_state(l[i], MAPPING_ACTIVE);
	sim_done(&s);
}

/* Quirk 49: two programs of this host want one number outside.  A router may let the
 * second take it from the first, so it is not even asked. */
static void
test_two_want_one(void **state)
{
	(void)state;
	for (unsigned version = 1; version <= 2; version++) {
		struct sim s;
		struct sim_igd *g = sim_igd_init(&s, version, 49);
		struct lease_want w = sim_want(8081, UDP | TCP);
		struct lease *first = want(&s, 8080, TCP), *second, *exact, *udp;

		g->overwrites = true;
		w.external_port = 8080;
		second = want_as(&s, &w);
		sim_pass(&s, 5000);
		assert_state(first, MAPPING_ACTIVE);
		assert_port(first, 8080);
		assert_state(second, MAPPING_ACTIVE);
		assert_int_not_equal(sim_status(second).held.external_port, 8080);
		exact = want_exact(&s, 8082, 8080);
		sim_pass(&s, 3000);
		assert_state(exact, MAPPING_FAILED);
		assert_problem(exact, "PORT_TAKEN", 0);
		/* The other transport is another matter. */
		w = sim_want(8083, UDP);
		w.external_port = 8080;
		udp = want_as(&s, &w);
		sim_pass(&s, 3000);
		assert_port(udp, 8080);
		assert_int_equal(sim_igd_find(g, 6, 8080)->internal, 8080);
		/* Its number is free again once it is released. */
		lease_release(first, s.now);
		sim_pass(&s, 3000);
		assert_state(exact, MAPPING_ACTIVE);
		assert_port(exact, 8080);
		sim_done(&s);

		/* The first is refused by the router: the second is not for long. */
		g = sim_igd_init(&s, version, 51);
		sim_igd_foreign(g, 17, 8080);
		w = sim_want(8080, UDP | TCP);
		w.prefer_failure = true;
		first = want_as(&s, &w);
		exact = want_exact(&s, 8082, 8080);
		sim_pass(&s, 5000);
		assert_state(first, MAPPING_FAILED);
		assert_state(exact, MAPPING_ACTIVE);
		assert_port(exact, 8080);
		sim_done(&s);
	}
}

/* ---- pinholes ---- */

static void
test_pinhole(void **state)
{
	struct sim s;
	struct sim_igd *g = sim_igd_init(&s, 6, 40);
	struct lease *l = want_pinhole(&s, 8080, TCP | UDP);
	struct lease_held held;
	struct service_status service;
	unsigned searches;

	(void)state;
	sim_pass(&s, 3000);
	assert_state(l, MAPPING_ACTIVE);
	held = sim_status(l).held;
	assert_int_equal(held.method, METHOD_IGD_PINHOLE);
	router_service_status(s.router, ROUTER_PINHOLE, &service);
	assert_string_equal(service.control, ":5000/fw");
	assert_int_equal(service.state, SERVICE_AVAILABLE);
	searches = s.searches;
	assert_true(addr_equal(&held.external, &s.router->settings.local));
	assert_int_equal(held.pinhole_id[TRANSPORT_UDP], 1);
	assert_int_equal(held.pinhole_id[TRANSPORT_TCP], 2);
	assert_non_null(strstr(
	    g->last[IGD_ADD_PINHOLE], "<InternalClient>2a10::20</InternalClient>"));
	/* From every port of everybody. */
	assert_non_null(strstr(g->last[IGD_ADD_PINHOLE], "<RemoteHost></RemoteHost>"));
	assert_non_null(strstr(g->last[IGD_ADD_PINHOLE], "<RemotePort>0</RemotePort>"));
	/* Updated by their ids, looked at meanwhile. */
	sim_pass(&s, 4600000);
	assert_int_equal(s.searches, searches);
	assert_int_equal(g->count[IGD_UPDATE_PINHOLE], 2);
	assert_int_equal(g->count[IGD_ADD_PINHOLE], 2);
	assert_true(g->count[IGD_CHECK_PINHOLE_WORKING] >= 20);
	/* Asked once. */
	assert_int_equal(g->count[IGD_GET_OUTBOUND_PINHOLE_TIMEOUT], 1);
	assert_int_equal(router_outbound_s(s.router), 120);
	/* Lost: 704 to the look, made again. */
	memset(g->entry, 0, sizeof(g->entry));
	sim_pass(&s, 300000);
	assert_served(&s, l, 2);
	/* Lost right before a renewal: 704 to the update. */
	memset(g->entry, 0, sizeof(g->entry));
	lease_renew(l, s.now);
	sim_pass(&s, 2000);
	assert_served(&s, l, 2);
	/* After a restart of natd the ids are known. */
	held = sim_status(l).held;
	struct lease_want w = *lease_wanted(l);
	struct router_settings settings = s.router->settings;
	router_free(s.router);
	s.router = router_new(&settings, s.now);
	unsigned updates = g->count[IGD_UPDATE_PINHOLE];
	l = lease_new(s.router, &w, &held, &s, s.now);
	sim_pass(&s, 3000);
	assert_state(l, MAPPING_ACTIVE);
	assert_int_equal(g->count[IGD_UPDATE_PINHOLE], updates + 2);
	release_all_and_done(&s, 0);
}

/* Quirk 32: CheckPinholeWorking is not implemented: the pinhole stays, nobody asks
 * again. */
static void
test_no_check(void **state)
{
	struct sim s;
	struct sim_igd *g = sim_igd_init(&s, 6, 50);
	struct lease *l;
	unsigned changes;

	(void)state;
	g->fault[0] = code(IGD_CHECK_PINHOLE_WORKING, 602, 0);
	g->fault[1] = how(IGD_GET_OUTBOUND_PINHOLE_TIMEOUT, SIM_RESET, 0);
	l = want_pinhole(&s, 8080, TCP);
	sim_pass(&s, 5000);
	changes = s.changes;
	sim_pass(&s, 3500000);
	assert_state(l, MAPPING_ACTIVE);
	assert_int_equal(s.changes, changes);
	assert_int_equal(g->count[IGD_CHECK_PINHOLE_WORKING], 1);
	assert_int_equal(g->count[IGD_GET_OUTBOUND_PINHOLE_TIMEOUT], 1);
	assert_int_equal(router_outbound_s(s.router), 0);
	assert_int_equal(g->count[IGD_ADD_PINHOLE], 1);
	assert_int_equal(sim_igd_entries(g), 1);
	sim_done(&s);
}

/* Two whose numbers are left to natd, from the same seed: one number each. */
static void
test_pinholes_differ(void **state)
{
	struct sim s;
	struct sim_igd *g = sim_igd_init(&s, 6, 52);
	struct lease *a = want_pinhole(&s, 0, UDP), *b = want_pinhole(&s, 0, UDP);

	(void)state;
	sim_pass(&s, 5000);
	assert_state(a, MAPPING_ACTIVE);
	assert_state(b, MAPPING_ACTIVE);
	assert_int_not_equal(
	    sim_status(a).held.internal_port, sim_status(b).held.internal_port);
	assert_int_equal(sim_igd_entries(g), 2);
	sim_done(&s);
}

static void
test_pinhole_refused(void **state)
{
	static const struct {
		struct sim_fault fault;
		const char *name;
		int code;
	} rows[] = {
		{ { IGD_ADD_PINHOLE, SIM_CODE, 701, 0, 0 }, "PinholeSpaceExhausted",
		    701 },
		{ { IGD_ADD_PINHOLE, SIM_CODE, 606, 0, 0 }, "ActionNotAuthorized",
		    606 },
		{ { IGD_ADD_PINHOLE, SIM_CODE, 402, 0, 0 }, "InvalidArgs", 402 },
		{ { IGD_ADD_PINHOLE, SIM_404, 0, 0, 0 }, "CONNECTION_REFUSED", 0 },
		{ { IGD_ADD_PINHOLE, SIM_GARBAGE, 0, 0, 0 }, "BAD_ANSWER", 0 },
		{ { IGD_ADD_PINHOLE, SIM_TIMEOUT, 0, 0, 0 }, "TIMEOUT", 0 },
		{ { IGD_ADD_PINHOLE, SIM_EMPTY, 0, 0, 0 }, "BAD_ANSWER", 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct sim s;
		struct sim_igd *g = sim_igd_init(&s, 6, 41);
		struct lease *l;

		g->fault[0] = rows[i].fault;
		l = want_pinhole(&s, 8080, TCP);
		sim_pass(&s, 10000);
		assert_state(l, MAPPING_FAILED);
		assert_problem(l, rows[i].name, rows[i].code);
		g->fault[0] = (struct sim_fault) { 0 };
		sim_pass(&s, 3700000);
		assert_state(l, MAPPING_ACTIVE);
		release_all_and_done(&s, 0);
	}
}

/* The firewall is off: the address is reachable as it is. */
static void
test_firewall_off(void **state)
{
	struct sim s;
	struct sim_igd *g = sim_igd_init(&s, 6, 42);
	struct service_status service;
	struct lease *l;

	(void)state;
	g->firewall_on = false;
	l = want_pinhole(&s, 8080, TCP);
	sim_pass(&s, 3000);
	assert_state(l, MAPPING_ACTIVE);
	assert_int_equal(sim_status(l).held.method, METHOD_DIRECT);
	router_service_status(s.router, ROUTER_PINHOLE, &service);
	assert_string_equal(service.reason, "the router's IPv6 firewall is off");
	/* It is switched on later: found at the next look, a pinhole is made. */
	g->firewall_on = true;
	router_discover(s.router, s.now);
	sim_pass(&s, 3000);
	assert_int_equal(sim_status(l).held.method, METHOD_IGD_PINHOLE);
	assert_int_equal(sim_igd_entries(g), 1);
	sim_done(&s);
}

/* The firewall is on and stays closed: no pinhole, and no word of "direct" either. */
static void
test_pinholes_forbidden(void **state)
{
	struct sim s;
	struct sim_igd *g = sim_igd_init(&s, 6, 43);
	struct service_status service;
	struct lease *l;

	(void)state;
	g->inbound_allowed = false;
	l = want_pinhole(&s, 8080, TCP);
	sim_pass(&s, 3000);
	assert_state(l, MAPPING_FAILED);
	router_service_status(s.router, ROUTER_PINHOLE, &service);
	assert_string_equal(service.reason, "the router allows no IPv6 pinholes");
	g->inbound_allowed = true;
	router_discover(s.router, s.now);
	sim_pass(&s, 3000);
	assert_int_equal(sim_status(l).held.method, METHOD_IGD_PINHOLE);
	sim_done(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_release_in_flight),
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_delete_714),
		cmocka_unit_test(test_adopt),
		cmocka_unit_test(test_adopt_silent),
		cmocka_unit_test(test_takeover),
		cmocka_unit_test(test_both),
		cmocka_unit_test(test_line_ends),
		cmocka_unit_test(test_two_want_one),
		cmocka_unit_test(test_pinhole),
		cmocka_unit_test(test_no_check),
		cmocka_unit_test(test_pinholes_differ),
		cmocka_unit_test(test_pinhole_refused),
		cmocka_unit_test(test_firewall_off),
		cmocka_unit_test(test_pinholes_forbidden),
	};

	return cmocka_run_group_tests_name("router_igd_life", tests, NULL, NULL);
}
