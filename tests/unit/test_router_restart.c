/*
 * test_router_restart.c - what hangs on the signs of a restart: what is made anew, what
 * is told, and how much many of them may cost.
 */
#include "tests/unit/igd_cases.h"

/* The table is lost; nothing says so. */
static void
lose(struct sim *s)
{
	memset(igd_of(s)->entry, 0, sizeof(igd_of(s)->entry));
}

static struct sim_igd *
start(struct sim *s, unsigned leases)
{
	struct sim_igd *g = sim_igd_init(s, 1, 70);

	for (uint16_t i = 0; i < leases; i++)
		want(s, (uint16_t)(8080 + i), TCP);
	sim_pass(s, 200000);
	assert_int_equal(sim_igd_entries(g), leases);
	return g;
}

/* What hints is acted on when it comes: nobody has to set a timer for that. */
static void
test_hint_at_once(void **state)
{
	struct router_action a;
	struct sim s;

	(void)state;
	start(&s, 1);
	assert_false(router_next(s.router, s.now, &a));
	router_hint(s.router, s.now);
	assert_true(router_next(s.router, s.now, &a));
	assert_true(a.kind == ROUTER_HTTP || a.kind == ROUTER_SEND ||
		    a.kind == ROUTER_SEARCH_UNICAST ||
		    a.kind == ROUTER_SEARCH_MULTICAST);
	sim_done(&s);
}

/* One restart is told once, however much it took, and whoever shows it, too. */
static void
test_told_once(void **state)
{
	struct sim s;
	struct sim_igd *g = start(&s, 5);
	struct lease_want w = sim_want(9000, TCP);

	(void)state;
	lose(&s);
	g->bootid++;
	sim_igd_notify(g, true);
	sim_pass(&s, 5000);
	assert_int_equal(sim_igd_entries(g), 5);
	assert_int_equal(s.restarts, 1);
	/* PCP tells it by its epoch. */
	for (struct lease *l = s.router->leases; l; l = l->next)
		l->want.methods = METHOD_BIT(METHOD_IGD1);
	s.pcp = true;
	w.methods = METHOD_BIT(METHOD_PCP);
	lease_new(s.router, &w, NULL, &s, s.now);
	s.router->service[ROUTER_PCP].again_at = s.now;
	sim_pass(&s, 10000);
	assert_int_equal(sim_entries(&s), 1);
	lose(&s);
	sim_reboot(&s, true);
	g->bootid++;
	sim_igd_notify(g, true);
	sim_pass(&s, 5000);
	assert_int_equal(sim_igd_entries(g), 5);
	assert_int_equal(sim_entries(&s), 1);
	assert_int_equal(s.restarts, 2);
	sim_done(&s);
}

/* Between the grants of its two transports. */
static void
test_half_granted(void **state)
{
	struct sim s;
	struct sim_igd *g = start(&s, 1);
	struct lease *l;

	(void)state;
	g->http_ms = 200;
	l = want(&s, 9000, TCP | UDP);
	while (!sim_igd_find(g, 17, 9000))
		sim_pass(&s, 1);
	lose(&s);
	g->bootid++;
	sim_igd_notify(g, true);
	sim_pass(&s, 4000);
	assert_served(&s, l, 3);
	sim_done(&s);
}

/* Seen by reading back, before the look of that minute: the router is asked at once how
 * long it has been on, so that a second time is no forgetting. */
static void
test_reading_back_asks_for_the_uptime(void **state)
{
	struct sim s;
	struct sim_igd *g = start(&s, 1);
	struct lease *l = s.router->leases;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		lose(&s);
		g->boot = s.now;
		sim_pass(&s, 1000 * (i + 1));
		l->verify_at = s.now;
		sim_pass(&s, 1000);
		assert_served(&s, l, 1);
		sim_pass(&s, 20000);
	}
	sim_done(&s);
}

/* It went down a moment after it was asked for: less than the time that passed. */
static void
test_uptime_a_moment_later(void **state)
{
	struct sim s;
	struct sim_igd *g = start(&s, 1);

	(void)state;
	igd_poll(s.router);
	sim_pass(&s, 3000);
	lose(&s);
	g->boot = s.now;
	igd_poll(s.router);
	sim_pass(&s, 1000);
	assert_int_equal(sim_igd_entries(g), 1);
	sim_done(&s);
}

/* It forgot once, then refused, then restarted: what was before does not count. */
static void
test_forgot_before(void **state)
{
	struct sim s;
	struct sim_igd *g = start(&s, 1);
	struct lease *l = s.router->leases;

	(void)state;
	g->fault[0] = code(IGD_ADD_PORT_MAPPING, 606, 0);
	lose(&s);
	l->verify_at = s.now;
	sim_pass(&s, 5000);
	assert_state(l, MAPPING_FAILED);
	g->fault[0] = (struct sim_fault) { 0 };
	g->bootid++;
	sim_igd_notify(g, true);
	sim_pass(&s, 1000);
	assert_state(l, MAPPING_ACTIVE);
	lose(&s);
	l->verify_at = s.now;
	sim_pass(&s, 1000);
	assert_served(&s, l, 1);
	sim_done(&s);
}

/* What held nothing when the router restarted is forgotten by the router itself. */
static void
test_forgot_after(void **state)
{
	struct sim s;
	struct sim_igd *g = start(&s, 0);
	struct lease *l;

	(void)state;
	g->fault[0] = code(IGD_ADD_PORT_MAPPING, 606, 0);
	l = want(&s, 8080, TCP);
	sim_pass(&s, 5000);
	assert_state(l, MAPPING_FAILED);
	g->fault[0] = (struct sim_fault) { 0 };
	g->bootid++;
	sim_igd_notify(g, true);
	for (unsigned i = 0; i < 1000 && !sim_status(l).is_held; i++)
		sim_pass(&s, 1);
	assert_state(l, MAPPING_ACTIVE);
	lose(&s);
	l->verify_at = s.now;
	sim_pass(&s, 5000);
	assert_served(&s, l, 1);
	assert_int_equal(s.restarts, 0);
	sim_done(&s);
}

/* PCP and NAT-PMP have one table: what the epoch of one has shown is no news by that of
 * the other. */
static void
test_told_by_both(void **state)
{
	struct sim s;
	struct lease_want w = sim_want(8080, TCP);

	(void)state;
	sim_init(&s, 72);
	s.pcp = s.natpmp = true;
	want_as(&s, &w);
	sim_pass(&s, 700000);
	sim_reboot(&s, true);
	lease_renew(s.router->leases, s.now);
	sim_pass(&s, 5000);
	assert_int_equal(sim_entries(&s), 1);
	assert_int_equal(s.restarts, 1);
	/* NAT-PMP is looked at now and then. */
	sim_pass(&s, 700000);
	assert_true(s.router->service[ROUTER_NAT_PMP].epoch.known);
	assert_int_equal(s.restarts, 1);
	sim_done(&s);
}

/* An uptime that jumps about, and a refusal that makes natd ask for it: no storm. */
static void
test_uptime_jumps(void **state)
{
	struct sim s;
	struct sim_igd *g = start(&s, 1);
	unsigned before;

	(void)state;
	g->fault[0] = code(IGD_ADD_PORT_MAPPING, 501, 0);
	want(&s, 9000, TCP);
	before = g->count[IGD_ADD_PORT_MAPPING];
	for (unsigned i = 0; i < 600; i++) {
		g->boot = s.now - (i % 2 ? 100000 : 900000);
		igd_poll(s.router);
		sim_pass(&s, 100);
	}
	assert_in_range(g->count[IGD_ADD_PORT_MAPPING] - before, 2, 1 + 60 / 5 + 2);
	sim_done(&s);
}

/* UDA 1.0 has no BOOTID: whoever was given up and says hallo is looked for. */
static void
test_hallo_of_who_was_away(void **state)
{
	static const struct {
		enum sim_how how;
		bool absent;
	} rows[] = { { SIM_404, true }, { SIM_TIMEOUT, false } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct sim s;
		struct sim_igd *g = start(&s, 1);
		const struct service *svc = &s.router->service[ROUTER_IGD];

		g->bootid = 0;
		g->deaf = true;
		if (rows[i].absent)
			g->port = 1; /* closed */
		else
			g->fault[0] = how(SIM_ANY_ACTION, rows[i].how, 0);
		while (rows[i].absent ? svc->state != SERVICE_ABSENT
				      : svc->circuit != CIRCUIT_OPEN)
			sim_pass(&s, 1000);
		sim_pass(&s, 100);
		g->port = 5000;
		g->deaf = false;
		g->fault[0] = (struct sim_fault) { 0 };
		lose(&s);
		sim_igd_notify(g, true);
		/* The last exchange may be out still. */
		sim_pass(&s, rows[i].absent ? 1000 : 6000);
		assert_int_equal(svc->circuit, CIRCUIT_CLOSED);
		assert_int_equal(sim_igd_entries(g), 1);
		sim_done(&s);
	}
}

/* Said again and again by one that is there, it costs nothing. */
static void
test_hallo_of_who_is_there(void **state)
{
	struct sim s;
	struct sim_igd *g = start(&s, 1);
	unsigned https, searches;

	(void)state;
	sim_igd_notify(g, true);
	sim_pass(&s, 30000);
	https = s.https;
	searches = s.searches;
	for (unsigned i = 0; i < 20; i++) {
		sim_igd_notify(g, true);
		sim_pass(&s, 1000);
	}
	/* The lease is read back. */
	assert_in_range(s.https - https, 0, 2);
	assert_int_equal(s.searches, searches);
	sim_done(&s);
}

/* ---- the limit ---- */

/* Each service of the router says the same within milliseconds. */
static void
test_together(void **state)
{
	struct sim s;
	struct sim_igd *g = start(&s, 1);

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		lose(&s);
		for (unsigned k = 0; k < 9; k++) {
			router_hint(s.router, s.now);
			sim_pass(&s, 1);
		}
		sim_pass(&s, 1000);
		assert_int_equal(sim_igd_entries(g), 1);
		/* For what came with the first one there is one look more. */
		sim_pass(&s, 6000);
	}
	sim_done(&s);
}

/* One that has to wait is not made less by a lesser one behind it. */
static void
test_postponed_with_another(void **state)
{
	struct sim s;
	struct sim_igd *g = start(&s, 1);
	struct lease *l;

	(void)state;
	g->fault[0] = code(IGD_ADD_PORT_MAPPING, 606, 0);
	l = want(&s, 9000, TCP);
	for (unsigned i = 0; i < 6; i++) {
		router_hint(s.router, s.now);
		sim_pass(&s, 1000);
	}
	assert_state(l, MAPPING_FAILED);
	g->fault[0] = (struct sim_fault) { 0 };
	router_hint(s.router, s.now);
	hint_take(s.router, HINT_READ_BACK, s.now);
	sim_pass(&s, 6000);
	assert_served(&s, l, 2);
	sim_done(&s);
}

/* What PCP and NAT-PMP hold is renewed at once for a hint, then each five seconds while
 * there are more, and once for the last one. */
static void
test_renewals(void **state)
{
	struct lease_want w = sim_want(8080, TCP);

	(void)state;
	for (int pcp = 0; pcp < 2; pcp++) {
		struct sim s;
		unsigned maps, changes;

		sim_init(&s, 71);
		s.pcp = pcp;
		s.natpmp = !pcp;
		lease_new(s.router, &w, NULL, &s, s.now);
		sim_pass(&s, 70000);
		maps = s.maps;
		changes = s.changes;
		for (unsigned i = 0; i < 4; i++) {
			router_hint(s.router, s.now);
			sim_pass(&s, 1000);
			assert_int_equal(s.maps, maps + 1);
		}
		sim_pass(&s, 2000);
		assert_int_equal(s.maps, maps + 2);
		sim_pass(&s, 5000);
		router_hint(s.router, s.now);
		sim_pass(&s, 100);
		assert_int_equal(s.maps, maps + 3);
		sim_pass(&s, 35000);
		assert_int_equal(s.maps, maps + 3);
		/* Looking is no news. */
		assert_int_equal(s.changes, changes);
		sim_done(&s);
	}
}

/* A table that is lost without a sign: the first entry that is missed has the others
 * read back at once, each of which would have its turn much later. */
static void
test_one_missed_and_all_are_looked_for(void **state)
{
	struct sim s;
	struct sim_igd *g = sim_igd_init(&s, 1, 73);

	(void)state;
	for (uint16_t i = 0; i < 3; i++) {
		want(&s, (uint16_t)(8080 + i), TCP);
		sim_pass(&s, 80000);
	}
	sim_pass(&s, 600000);
	lose(&s);
	for (unsigned i = 0; i < 300 && sim_igd_entries(g) == 0; i++)
		sim_pass(&s, 1000);
	assert_true(sim_igd_entries(g) > 0);
	sim_pass(&s, 5000);
	assert_int_equal(sim_igd_entries(g), 3);
	sim_done(&s);
}

/* PCP tells its epoch with a renewal only: one each minute, of which nobody hears. */
static void
test_looks_each_minute(void **state)
{
	struct lease_want w = sim_want(8080, TCP);
	struct sim s;
	unsigned maps, changes;

	(void)state;
	sim_init(&s, 72);
	s.pcp = true;
	lease_new(s.router, &w, NULL, &s, s.now);
	sim_pass(&s, 10000);
	maps = s.maps;
	changes = s.changes;
	sim_pass(&s, 10 * 60000);
	assert_int_equal(s.maps, maps + 10);
	assert_int_equal(s.changes, changes);
	sim_done(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hint_at_once),
		cmocka_unit_test(test_told_once),
		cmocka_unit_test(test_half_granted),
		cmocka_unit_test(test_reading_back_asks_for_the_uptime),
		cmocka_unit_test(test_uptime_a_moment_later),
		cmocka_unit_test(test_forgot_before),
		cmocka_unit_test(test_forgot_after),
		cmocka_unit_test(test_told_by_both),
		cmocka_unit_test(test_uptime_jumps),
		cmocka_unit_test(test_hallo_of_who_was_away),
		cmocka_unit_test(test_hallo_of_who_is_there),
		cmocka_unit_test(test_together),
		cmocka_unit_test(test_postponed_with_another),
		cmocka_unit_test(test_renewals),
		cmocka_unit_test(test_looks_each_minute),
		cmocka_unit_test(test_one_missed_and_all_are_looked_for),
	};

	return cmocka_run_group_tests_name("router_restart", tests, NULL, NULL);
}
