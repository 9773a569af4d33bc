/*
 * test_router_igd.c - leases on a simulated UPnP gateway: granted, for how long,
 * refused.
 */
#include "tests/unit/igd_cases.h"

/* ---- granted ---- */

static void
test_granted(void **state)
{
	static const struct {
		unsigned version;
		enum method method;
		enum igd_action action;
	} rows[] = {
		{ 1, METHOD_IGD1, IGD_ADD_PORT_MAPPING },
		{ 2, METHOD_IGD2, IGD_ADD_ANY_PORT_MAPPING },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct sim s;
		struct sim_igd *g = sim_igd_init(&s, rows[i].version, 1);
		struct lease *l = want(&s, 8080, TCP);
		struct service_status service;

		/* The first answer is used at once: the window is not waited out. */
		sim_pass(&s, 100);
		unsigned searches = s.searches;
		assert_state(l, MAPPING_ACTIVE);
		assert_int_equal(sim_status(l).held.method, rows[i].method);
		assert_port(l, 8080);
		struct addr external = sim_status(l).held.external;
		assert_true(addr_equal(&external, &g->external));
		assert_int_equal(g->count[rows[i].action], 1);
		assert_int_equal(sim_igd_entries(g), 1);
		assert_int_equal(g->entry[0].lease_s, 7200);
		assert_non_null(strstr(g->last[rows[i].action],
		    "<NewInternalClient>192.168.1.20</NewInternalClient>"));
		assert_string_equal(router_name(s.router), "Sim");
		router_service_status(s.router, ROUTER_IGD, &service);
		assert_string_equal(service.control, ":5000/ctl/0");
		/* Nobody looks for the others while nothing is missing. */
		sim_pass(&s, 10000);
		unsigned datagrams = s.datagrams;
		/* A renewal names the port. */
		sim_pass(&s, 4600000);
		assert_int_equal(s.datagrams, datagrams);
		assert_int_equal(s.searches, searches);
		assert_int_equal(sim_status(l).renewals, 1);
		assert_int_equal(g->count[IGD_ADD_PORT_MAPPING], 1 + (i == 0));
		assert_int_equal(sim_igd_entries(g), 1);
		release_all_and_done(&s, 0);
	}
}

/* TCP and UDP are a unit with one number. */
static void
test_pair(void **state)
{
	(void)state;
	for (unsigned version = 1; version <= 2; version++) {
		for (unsigned taken = 6; taken <= 17; taken += 11) {
			struct sim s;
			struct sim_igd *g = sim_igd_init(&s, version, 2);
			struct lease *l;
			uint16_t port;

			sim_igd_foreign(g, taken, 6000);
			l = want(&s, 6000, UDP | TCP);
			sim_pass(&s, 10000);
			assert_state(l, MAPPING_ACTIVE);
			port = sim_status(l).held.external_port;
			assert_int_not_equal(port, 6000);
			assert_non_null(sim_igd_find(g, 6, port));
			assert_non_null(sim_igd_find(g, 17, port));
			assert_int_equal(sim_igd_entries(g), 3);
			release_all_and_done(&s, 1);
		}
	}
}

/* No internal port wanted: one number for inside and outside, from the seed. */
static void
test_router_chooses(void **state)
{
	uint16_t first = 0;

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		struct sim s;
		struct sim_igd *g = sim_igd_init(&s, 1 + i % 2, i);
		struct lease_want w = sim_want(0, UDP | TCP);
		struct lease_held held;
		struct lease *l;

		w.port_seed = 12345;
		l = want_as(&s, &w);
		sim_pass(&s, 5000);
		held = sim_status(l).held;
		assert_int_equal(held.external_port, held.internal_port);
		assert_in_range(held.external_port, 20000, 59999);
		assert_int_equal(sim_igd_entries(g), 2);
		/* Another run, another router's jitter: the same number. */
		if (first)
			assert_int_equal(held.external_port, first);
		first = held.external_port;
		sim_done(&s);
	}
}

/* ---- lifetimes ---- */

/* Quirk 19: 7200 -> 3600 -> 0 -> 604800, remembered per router; 725 leads to 0 at once.
 */
static void
test_ladder(void **state)
{
	static const struct {
		uint32_t accepts;
		unsigned rung, adds;
	} rows[] = { { 7200, 0, 1 }, { 3600, 1, 2 }, { 0, 2, 2 }, { 604800, 3, 4 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct sim s;
		struct sim_igd *g = sim_igd_init(&s, 1, 3);
		struct lease *l, *second;

		g->lease_only = rows[i].accepts;
		g->permanent_only = rows[i].accepts == 0;
		l = want(&s, 8080, TCP);
		sim_pass(&s, 5000);
		assert_state(l, MAPPING_ACTIVE);
		assert_int_equal(sim_status(l).held.lifetime_s, rows[i].accepts);
		assert_int_equal(g->count[IGD_ADD_PORT_MAPPING], rows[i].adds);
		assert_int_equal(router_habits(s.router)->lease_rung, rows[i].rung);
		/* The second one asks right away for what is known to work. */
		second = want(&s, 8081, TCP);
		sim_pass(&s, 5000);
		assert_state(second, MAPPING_ACTIVE);
		assert_int_equal(g->count[IGD_ADD_PORT_MAPPING], rows[i].adds + 1);
		release_all_and_done(&s, 0);
	}
}

/* No rung helps: the code is reported, what was remembered stays. */
static void
test_ladder_fails(void **state)
{
	(void)state;
	for (uint8_t rung = 0; rung < 4; rung++) {
		struct sim s;
		struct sim_igd *g = sim_igd_init(&s, 1, 4);
		struct lease *l;

		s.router->habits.lease_rung = rung;
		g->fault[0] = code(IGD_ADD_PORT_MAPPING, -911, 0);
		l = want(&s, 8080, TCP);
		sim_pass(&s, 10000);
		assert_state(l, MAPPING_FAILED);
		assert_problem(l, "VendorError911", -911);
		assert_int_equal(g->count[IGD_ADD_PORT_MAPPING], 4);
		assert_int_equal(router_habits(s.router)->lease_rung, rung);
		/* Hourly from then on, by the whole ladder. */
		sim_pass(&s, 3700000);
		assert_int_equal(g->count[IGD_ADD_PORT_MAPPING], 8);
		g->fault[0] = (struct sim_fault) { 0 };
		lease_renew(l, s.now);
		sim_pass(&s, 5000);
		assert_state(l, MAPPING_ACTIVE);
		sim_done(&s);
	}
}

/* Quirks 18 and 47: 725 is answered by a request for a permanent lease, not by the same
 * again. Such an entry is never renewed, but looked at. */
static void
test_permanent(void **state)
{
	struct sim s;
	struct sim_igd *g = sim_igd_init(&s, 1, 5);
	struct lease *l;

	(void)state;
	g->permanent_only = true;
	l = want(&s, 8080, TCP);
	sim_pass(&s, 10000);
	assert_int_equal(sim_status(l).held.lifetime_s, 0);
	assert_true(sim_status(l).held.expires_at == MSEC_NEVER);
	assert_true(sim_status(l).renew_at == MSEC_NEVER);
	assert_non_null(strstr(
	    g->last[IGD_ADD_PORT_MAPPING], "<NewLeaseDuration>0</NewLeaseDuration>"));
	unsigned adds = g->count[IGD_ADD_PORT_MAPPING];
	/* Once without a sensible answer: looked at all the same. */
	g->fault[0] = code(IGD_GET_SPECIFIC_PORT_MAPPING_ENTRY, 501, 1);
	sim_pass(&s, 24 * 3600000);
	assert_int_equal(g->count[IGD_ADD_PORT_MAPPING], adds);
	assert_true(g->count[IGD_GET_SPECIFIC_PORT_MAPPING_ENTRY] >= 24 * 12);
	assert_int_equal(sim_igd_entries(g), 1);
	release_all_and_done(&s, 0);
}

/* Quirk 30: "for ever" is a week on some, and others show 0 for every lease. */
static void
test_week(void **state)
{
	struct sim s;
	struct sim_igd *g = sim_igd_init(&s, 2, 6);
	struct lease *l;

	(void)state;
	g->permanent_only = true;
	g->week = 604800;
	l = want(&s, 8080, TCP);
	for (unsigned day = 0; day < 30; day++) {
		sim_pass(&s, 24 * 3600000);
		assert_int_equal(sim_igd_entries(g), 1);
		assert_state(l, MAPPING_ACTIVE);
	}
	assert_int_equal(s.restarts, 0);
	sim_done(&s);

	g = sim_igd_init(&s, 1, 7);
	g->zero_lease_shown = true;
	l = want(&s, 8080, TCP);
	sim_pass(&s, 2 * 3600000);
	assert_int_equal(sim_status(l).held.lifetime_s, 7200);
	assert_in_range(sim_status(l).renewals, 1, 2);
	sim_done(&s);
}

/* F10: the entry lapses earlier than it was granted for. */
static void
test_short_lease(void **state)
{
	struct sim s;
	struct sim_igd *g = sim_igd_init(&s, 1, 8);
	struct lease *l = want(&s, 8080, TCP);

	(void)state;
	sim_pass(&s, 5000);
	g->entry[0].expires = s.now + 600000;
	sim_pass(&s, 590000);
	assert_int_equal(sim_status(l).renewals, 1);
	assert_true(g->entry[0].expires > s.now + 3600000);
	sim_done(&s);
}

/* ---- conflicts ---- */

/* Quirk 22: our own entry of an earlier life is replaced. */
static void
test_own_stale(void **state)
{
	(void)state;
	for (int exact = 0; exact < 2; exact++) {
		struct sim s;
		struct sim_igd *g = sim_igd_init(&s, 1, 9);
		struct lease *l;

		g->own_conflict = true;
		sim_igd_put(g, 6, 8080, 8080, "192.168.1.20", 0);
		l = exact ? want_exact(&s, 8080, 8080) : want(&s, 8080, TCP);
		sim_pass(&s, 10000);
		assert_state(l, MAPPING_ACTIVE);
		assert_port(l, 8080);
		assert_int_equal(g->count[IGD_DELETE_PORT_MAPPING], 1);
		assert_int_equal(sim_igd_entries(g), 1);
		assert_int_equal(g->entry[0].lease_s, 7200);
		/* Its renewals are conflicts, too. */
		sim_pass(&s, 24 * 3600000);
		assert_state(l, MAPPING_ACTIVE);
		assert_port(l, 8080);
		release_all_and_done(&s, 0);
	}
}

/* A delete that is refused does not make it ask for ever. */
static void
test_own_stale_undeletable(void **state)
{
	struct sim s;
	struct sim_igd *g = sim_igd_init(&s, 1, 10);
	struct lease *l;

	(void)state;
	g->own_conflict = true;
	g->fault[0] = code(IGD_DELETE_PORT_MAPPING, 606, 0);
	sim_igd_put(g, 6, 8080, 8080, "192.168.1.20", 0);
	l = want(&s, 8080, TCP);
	sim_pass(&s, 10000);
	assert_state(l, MAPPING_ACTIVE);
	assert_int_not_equal(sim_status(l).held.external_port, 8080);
	assert_int_equal(g->count[IGD_ADD_PORT_MAPPING], 3);
	sim_done(&s);
}

static void
test_foreign(void **state)
{
	struct sim s;
	struct sim_igd *g = sim_igd_init(&s, 1, 11);
	struct lease *l, *exact;

	(void)state;
	sim_igd_foreign(g, 6, 8080);
	l = want(&s, 8080, TCP);
	sim_pass(&s, 5000);
	assert_state(l, MAPPING_ACTIVE);
	assert_in_range(sim_status(l).held.external_port, 20000, 59999);
	assert_int_equal(sim_status(l).held.internal_port, 8080);
	exact = want_exact(&s, 8081, 8080);
	sim_pass(&s, 5000);
	assert_state(exact, MAPPING_FAILED);
	assert_problem(exact, "ConflictInMappingEntry", 718);
	assert_int_equal(sim_status(exact).problem.remedy, REMEDY_OTHER_PORT);
	assert_int_equal(sim_status(exact).problem.offered_port, 0);
	const struct addr holder = addr_ipv4(192, 168, 1, 33);
	struct lease_status st = sim_status(exact);
	assert_true(addr_equal(&st.problem.holder, &holder));
	assert_int_equal(g->count[IGD_DELETE_PORT_MAPPING], 0);
	release_all_and_done(&s, 1);
}

/* 729: a static rule or the router itself; another number. */
static void
test_static_rule(void **state)
{
	struct sim s;
	struct sim_igd *g = sim_igd_init(&s, 1, 12);
	struct lease *l;

	(void)state;
	sim_igd_foreign(g, 6, 8080)->by_hand = true;
	l = want(&s, 8080, TCP);
	sim_pass(&s, 5000);
	assert_state(l, MAPPING_ACTIVE);
	assert_int_not_equal(sim_status(l).held.external_port, 8080);
	sim_done(&s);
}

/* 724: outside must be the number inside; remembered. */
static void
test_same_port(void **state)
{
	struct sim s;
	struct sim_igd *g = sim_igd_init(&s, 1, 13);
	struct lease_want w = sim_want(8080, TCP | UDP);
	struct lease *l, *exact, *taken;

	(void)state;
	g->same_port_only = true;
	w.external_port = 9000;
	l = want_as(&s, &w);
	sim_pass(&s, 5000);
	assert_state(l, MAPPING_ACTIVE);
	assert_port(l, 8080);
	assert_true(router_habits(s.router)->same_port);
	exact = want_exact(&s, 8081, 9001);
	sim_pass(&s, 5000);
	assert_state(exact, MAPPING_FAILED);
	assert_problem(exact, "SamePortValuesRequired", 724);
	/* The one number there is, is taken: said, not tried for ever. */
	sim_igd_foreign(g, 6, 8082);
	unsigned adds = g->count[IGD_ADD_PORT_MAPPING];
	taken = want(&s, 8082, TCP);
	sim_pass(&s, 5000);
	assert_state(taken, MAPPING_FAILED);
	assert_problem(taken, "ConflictInMappingEntry", 718);
	assert_int_equal(g->count[IGD_ADD_PORT_MAPPING], adds + 1);
	release_all_and_done(&s, 1);
}

/* It begins to insist on that with a renewal: the old number does not stay behind. */
static void
test_same_port_later(void **state)
{
	struct sim s;
	struct sim_igd *g = sim_igd_init(&s, 1, 43);
	struct lease_want w = sim_want(8080, TCP | UDP);
	struct lease *l;

	(void)state;
	w.external_port = 9000;
	l = want_as(&s, &w);
	sim_pass(&s, 5000);
	assert_port(l, 9000);
	g->same_port_only = true;
	lease_renew(l, s.now);
	sim_pass(&s, 5000);
	assert_port(l, 8080);
	assert_int_equal(sim_igd_entries(g), 2);
	release_all_and_done(&s, 0);
}

/* ---- refusals: how often it is asked again ---- */

/* Quirks 23 and 24, among others. */
static void
test_refusals(void **state)
{
	static const struct {
		int code;
		const char *name;
		unsigned first, in_an_hour; /* Adds at once, and in the hour after */
		unsigned slack;
	} rows[] = {
		{ 715, "WildCardNotPermittedInSrcIP", 1, 0, 1 },
		{ 716, "WildCardNotPermittedInExtPort", 1, 0, 1 },
		{ 726, "RemoteHostOnlySupportsWildcard", 1, 0, 1 },
		{ 727, "ExternalPortOnlySupportsWildcard", 1, 0, 1 },
		{ 728, "NoPortMapsAvailable", 2, 22, 2 },
		{ 732, "WildCardNotPermittedInIntPort", 1, 0, 1 },
		{ 606, "ActionNotAuthorized", 1, 0, 1 },
		{ 501, "ActionFailed", 1, 20, 40 },
		{ 402, "InvalidArgs", 4, 0, 4 },
		{ -7, "Unknown", 4, 0, 4 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct sim s;
		struct sim_igd *g = sim_igd_init(&s, 1, 14);
		struct lease *l;
		unsigned changes;

		g->fault[0] = code(IGD_ADD_PORT_MAPPING, rows[i].code, 0);
		l = want(&s, 8080, TCP);
		sim_pass(&s, 3000);
		assert_state(l, MAPPING_FAILED);
		assert_problem(l, rows[i].name, rows[i].code);
		assert_int_equal(g->count[IGD_ADD_PORT_MAPPING], rows[i].first);
		changes = s.changes;
		sim_pass(&s, 3600000);
		assert_in_range(g->count[IGD_ADD_PORT_MAPPING] - rows[i].first,
		    rows[i].in_an_hour, rows[i].in_an_hour + rows[i].slack);
		assert_true(
		    s.changes - changes <= 4 * (rows[i].in_an_hour + rows[i].slack));
		g->fault[0] = (struct sim_fault) { 0 };
		sim_pass(&s, 3700000);
		assert_state(l, MAPPING_ACTIVE);
		sim_done(&s);
	}
}

/* 728 of a number that is opened to nobody: another one is, and a full table does not
 * take away what is held. */
static void
test_closed_port(void **state)
{
	(void)state;
	for (unsigned version = 1; version <= 2; version++) {
		struct sim s;
		struct sim_igd *g = sim_igd_init(&s, version, 47);
		struct lease *l, *exact;

		g->closed_port = 443;
		l = want(&s, 443, TCP);
		sim_pass(&s, 3000);
		exact = want_exact(&s, 8443, 443);
		sim_pass(&s, 3000);
		assert_state(l, MAPPING_ACTIVE);
		assert_int_not_equal(sim_status(l).held.external_port, 443);
		assert_state(exact, MAPPING_FAILED);
		assert_problem(exact, "NoPortMapsAvailable", 728);
		g->closed_port = sim_status(l).held.external_port;
		lease_renew(l, s.now);
		sim_pass(&s, 5000);
		assert_state(l, MAPPING_DEGRADED);
		assert_port(l, g->closed_port);
		assert_int_equal(sim_igd_entries(g), 1);
		sim_done(&s);
	}
}

/* Quirk 21: error 501 with the WAN down: the address is looked at, and the lease comes
 * by itself. */
static void
test_wan_down(void **state)
{
	struct sim s;
	struct sim_igd *g = sim_igd_init(&s, 1, 15);
	struct lease *l;

	(void)state;
	g->external = addr_ipv4(0, 0, 0, 0);
	g->connected = 0;
	g->fault[0] = code(IGD_ADD_PORT_MAPPING, 501, 0);
	l = want(&s, 8080, TCP);
	sim_pass(&s, 5000);
	assert_problem(l, "ActionFailed", 501);
	assert_int_equal(router_external(s.router)->family, ADDR_NONE);
	assert_true(g->count[IGD_GET_EXTERNAL_IP_ADDRESS] >= 2);
	g->external = addr_ipv4(198, 0, 2, 7);
	g->connected = 1;
	g->fault[0] = (struct sim_fault) { 0 };
	sim_pass(&s, 310000);
	assert_state(l, MAPPING_ACTIVE);
	struct addr external = sim_status(l).held.external;
	assert_true(addr_equal(&external, &g->external));
	/* It goes down while held: nowhere else to look. */
	unsigned searches = s.searches;
	g->connected = 0;
	sim_pass(&s, 200000);
	assert_int_equal(s.searches, searches);
	assert_state(l, MAPPING_ACTIVE);
	sim_done(&s);
}

/* Quirk 25: AddAny closed or unknown: the other action, remembered. */
static void
test_no_add_any(void **state)
{
	const struct sim_fault faults[] = {
		how(IGD_ADD_ANY_PORT_MAPPING, SIM_RESET, 0),
		how(IGD_ADD_ANY_PORT_MAPPING, SIM_GARBAGE, 0),
		code(IGD_ADD_ANY_PORT_MAPPING, 401, 0),
		code(IGD_ADD_ANY_PORT_MAPPING, 602, 0),
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(faults); i++) {
		struct sim s;
		struct sim_igd *g = sim_igd_init(&s, 2, 16);

		g->fault[0] = faults[i];
		assert_state(want(&s, 8080, TCP), MAPPING_REQUESTING);
		sim_pass(&s, 5000);
		assert_state(s.router->leases, MAPPING_ACTIVE);
		assert_true(router_habits(s.router)->no_add_any);
		want(&s, 8081, TCP);
		sim_pass(&s, 5000);
		assert_state(s.router->leases->next, MAPPING_ACTIVE);
		assert_int_equal(g->count[IGD_ADD_ANY_PORT_MAPPING], 1);
		release_all_and_done(&s, 0);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_granted),
		cmocka_unit_test(test_pair),
		cmocka_unit_test(test_router_chooses),
		cmocka_unit_test(test_ladder),
		cmocka_unit_test(test_ladder_fails),
		cmocka_unit_test(test_permanent),
		cmocka_unit_test(test_week),
		cmocka_unit_test(test_short_lease),
		cmocka_unit_test(test_own_stale),
		cmocka_unit_test(test_own_stale_undeletable),
		cmocka_unit_test(test_foreign),
		cmocka_unit_test(test_static_rule),
		cmocka_unit_test(test_same_port),
		cmocka_unit_test(test_same_port_later),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_closed_port),
		cmocka_unit_test(test_wan_down),
		cmocka_unit_test(test_no_add_any),
	};

	return cmocka_run_group_tests_name("router_igd", tests, NULL, NULL);
}
