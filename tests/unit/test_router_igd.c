/*
 * test_router_igd.c - leases on a simulated UPnP gateway: what it grants, refuses,
 * forgets and breaks, and what natd makes of it.
 */
#include "tests/unit/sim_igd.h"

#define UDP (1u << TRANSPORT_UDP)
#define TCP (1u << TRANSPORT_TCP)

static struct sim_fault
code(enum igd_action a, int number, unsigned times)
{
	return (struct sim_fault) {
		.action = a, .how = SIM_CODE, .code = number, .times = times
	};
}

static struct sim_fault
how(enum igd_action a, enum sim_how h, unsigned times)
{
	return (struct sim_fault) { .action = a, .how = h, .times = times };
}

static struct lease *
want(struct sim *s, uint16_t port, unsigned transports)
{
	struct lease_want w = sim_want(port, transports);
	struct lease *l = lease_new(s->router, &w, NULL, s, s->now);

	assert_non_null(l);
	return l;
}

static struct lease *
want_exact(struct sim *s, uint16_t internal, uint16_t external)
{
	struct lease_want w = sim_want(internal, TCP);

	w.external_port = external;
	w.prefer_failure = true;
	return lease_new(s->router, &w, NULL, s, s->now);
}

#define assert_state(l, wanted) assert_int_equal(sim_status(l).state, (wanted))
#define assert_port(l, wanted) \
	assert_int_equal(sim_status(l).held.external_port, (wanted))

static void
assert_problem(const struct lease *l, const char *name, int number)
{
	struct lease_status st = sim_status(l);

	assert_true(st.problem.present && st.verdict);
	assert_string_equal(st.problem.name, name);
	assert_int_equal(st.problem.code, number);
}

/* Released: the gateway's table has nothing of ours left, and natd knows. */
static void
release_all(struct sim *s, unsigned entries_left)
{
	unsigned unconfirmed = s->unconfirmed;

	for (struct lease *l = s->router->leases; l; l = l->next)
		lease_release(l, s->now);
	sim_pass(s, 30000);
	assert_int_equal(router_leases(s->router), 0);
	assert_int_equal(sim_igd_entries(igd_of(s)), entries_left);
	assert_int_equal(s->unconfirmed, unconfirmed);
	assert_true(router_deadline(s->router) == MSEC_NEVER);
}

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
		/* A renewal names the port. */
		sim_pass(&s, 4600000);
		assert_int_equal(sim_status(l).renewals, 1);
		assert_int_equal(g->count[IGD_ADD_PORT_MAPPING], 1 + (i == 0));
		assert_int_equal(sim_igd_entries(g), 1);
		release_all(&s, 0);
		sim_done(&s);
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
			release_all(&s, 1);
			sim_done(&s);
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
		l = lease_new(s.router, &w, NULL, &s, s.now);
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

/* Quirk 19: 7200 -> 3600 -> 0 -> 604800, remembered per router. */
static void
test_ladder(void **state)
{
	static const struct {
		uint32_t accepts;
		unsigned rung, adds;
	} rows[] = { { 7200, 0, 1 }, { 3600, 1, 2 }, { 0, 2, 3 }, { 604800, 3, 4 } };

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
		release_all(&s, 0);
		sim_done(&s);
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

/* A permanent entry is never renewed, but looked at. */
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
	unsigned adds = g->count[IGD_ADD_PORT_MAPPING];
	sim_pass(&s, 24 * 3600000);
	assert_int_equal(g->count[IGD_ADD_PORT_MAPPING], adds);
	assert_true(g->count[IGD_GET_SPECIFIC_PORT_MAPPING_ENTRY] >= 24 * 12);
	assert_int_equal(sim_igd_entries(g), 1);
	release_all(&s, 0);
	sim_done(&s);
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
		release_all(&s, 0);
		sim_done(&s);
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
	assert_int_equal(g->count[IGD_DELETE_PORT_MAPPING], 0);
	release_all(&s, 1);
	sim_done(&s);
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
	l = lease_new(s.router, &w, NULL, &s, s.now);
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
	release_all(&s, 1);
	sim_done(&s);
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
	l = lease_new(s.router, &w, NULL, &s, s.now);
	sim_pass(&s, 5000);
	assert_port(l, 9000);
	g->same_port_only = true;
	lease_renew(l, s.now);
	sim_pass(&s, 5000);
	assert_port(l, 8080);
	assert_int_equal(sim_igd_entries(g), 2);
	release_all(&s, 0);
	sim_done(&s);
}

/* ---- refusals: how often it is asked again ---- */

static void
test_refusals(void **state)
{
	static const struct {
		int code;
		const char *name;
		unsigned first, in_an_hour; /* Adds at once, and in the hour after */
		unsigned slack;
	} rows[] = {
		{ 726, "RemoteHostOnlySupportsWildcard", 1, 0, 1 },
		{ 727, "ExternalPortOnlySupportsWildcard", 1, 0, 1 },
		{ 728, "NoPortMapsAvailable", 1, 11, 1 },
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

/* 501 with the WAN down: the address is looked at, and the lease comes by itself. */
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
		release_all(&s, 0);
		sim_done(&s);
	}
}

/* ---- the router forgets, moves, restarts ---- */

static unsigned
readbacks(const struct sim_igd *g)
{
	return g->count[IGD_GET_SPECIFIC_PORT_MAPPING_ENTRY];
}

/* Read back within 2 minutes of the grant, then every 5 at most. */
static void
test_readback(void **state)
{
	struct sim s;
	struct sim_igd *g = sim_igd_init(&s, 1, 17);
	struct lease *l = want(&s, 8080, TCP | UDP);
	unsigned changes;

	(void)state;
	sim_pass(&s, 120000);
	assert_int_equal(readbacks(g), 2);
	changes = s.changes;
	sim_pass(&s, 3 * 300000);
	assert_in_range(readbacks(g), 8, 10);
	/* Looking is no news. */
	assert_int_equal(s.changes, changes);
	/* Lost silently: healed within 5 minutes, both transports. */
	sim_igd_find(g, 6, 8080)->used = false;
	sim_pass(&s, 300000);
	assert_int_equal(sim_igd_entries(g), 2);
	assert_state(l, MAPPING_ACTIVE);
	sim_done(&s);
}

/* Quirk 27: says yes to the 33rd and drops it: healed once, then named. */
static void
test_vanishes(void **state)
{
	struct sim s;
	struct sim_igd *g = sim_igd_init(&s, 1, 18);
	struct lease *l;
	unsigned adds;

	(void)state;
	g->room = 1;
	sim_igd_foreign(g, 17, 1);
	l = want(&s, 8080, TCP);
	sim_pass(&s, 5000);
	assert_state(l, MAPPING_ACTIVE); /* so it says */
	sim_pass(&s, 240000);
	assert_state(l, MAPPING_FAILED);
	assert_problem(l, "VANISHED", 0);
	assert_int_equal(g->count[IGD_ADD_PORT_MAPPING], 2);
	assert_int_equal(sim_status(l).is_held, false);
	/* Slowly from then on, and healed when there is room. */
	adds = g->count[IGD_ADD_PORT_MAPPING];
	sim_pass(&s, 3600000);
	assert_in_range(g->count[IGD_ADD_PORT_MAPPING] - adds, 1, 20);
	g->room = 0;
	sim_pass(&s, 600000);
	assert_state(l, MAPPING_ACTIVE);
	assert_int_equal(sim_igd_entries(g), 2);
	sim_done(&s);
}

/* F11: the table is purged each 10 minutes. */
static void
test_purged(void **state)
{
	struct sim s;
	struct sim_igd *g = sim_igd_init(&s, 1, 19);
	struct lease *l = want(&s, 8080, TCP);

	(void)state;
	for (unsigned i = 0; i < 20; i++) {
		sim_pass(&s, 300000);
		assert_state(l, MAPPING_ACTIVE);
		assert_int_equal(sim_igd_entries(g), 1);
		sim_pass(&s, 300000);
		memset(g->entry, 0, sizeof(g->entry));
	}
	sim_done(&s);
}

/* Another host took the number: another one, and no fight. */
static void
test_stolen(void **state)
{
	struct sim s;
	struct sim_igd *g = sim_igd_init(&s, 1, 20);
	struct lease *l, *exact;

	(void)state;
	g->overwrites = true;
	l = want(&s, 8080, TCP);
	exact = want_exact(&s, 8443, 8443);
	sim_pass(&s, 5000);
	sim_igd_foreign(g, 6, 8080);
	sim_igd_foreign(g, 6, 8443);
	sim_pass(&s, 120000);
	assert_state(l, MAPPING_ACTIVE);
	assert_int_not_equal(sim_status(l).held.external_port, 8080);
	assert_state(exact, MAPPING_FAILED);
	assert_problem(exact, "ConflictInMappingEntry", 718);
	assert_string_equal(sim_igd_find(g, 6, 8080)->client, "192.168.1.33");
	assert_string_equal(sim_igd_find(g, 6, 8443)->client, "192.168.1.33");
	assert_int_equal(sim_igd_entries(g), 3);
	release_all(&s, 2);
	sim_done(&s);
}

/* Quirk 29: maps external = internal whatever is asked: the actual number is told. */
static void
test_makes_same_port(void **state)
{
	(void)state;
	for (int exact = 0; exact < 2; exact++) {
		struct sim s;
		struct sim_igd *g = sim_igd_init(&s, 1, 21);
		struct lease_want w = sim_want(8080, TCP | UDP);
		struct lease *l;

		g->makes_same_port = true;
		w.external_port = 9000;
		w.prefer_failure = exact;
		l = lease_new(s.router, &w, NULL, &s, s.now);
		sim_pass(&s, 5000);
		if (exact) {
			assert_state(l, MAPPING_FAILED);
			assert_int_equal(sim_status(l).problem.offered_port, 8080);
			assert_int_equal(sim_igd_entries(g), 0);
		} else {
			assert_state(l, MAPPING_ACTIVE);
			assert_port(l, 8080);
			assert_true(router_habits(s.router)->same_port);
			sim_pass(&s, 24 * 3600000);
			assert_state(l, MAPPING_ACTIVE);
			assert_port(l, 8080);
			assert_int_equal(sim_igd_entries(g), 2);
		}
		release_all(&s, 0);
		sim_done(&s);
	}
}

/* Quirk 6: restarted on another port, silently: seen within a minute by the refused
 * connection; found at once, asked at once. */
static void
test_port_moved(void **state)
{
	struct sim s;
	struct sim_igd *g = sim_igd_init(&s, 1, 22);
	struct lease *l = want(&s, 8080, TCP | UDP);

	(void)state;
	sim_pass(&s, 200000);
	sim_igd_reboot(g, 5001);
	sim_pass(&s, 61000);
	assert_state(l, MAPPING_ACTIVE);
	assert_int_equal(sim_igd_entries(g), 2);
	assert_int_equal(g->refused, 1);
	/* With an exchange of its own it is not even a minute. */
	sim_pass(&s, 200000);
	sim_igd_reboot(g, 5002);
	lease_renew(l, s.now);
	sim_pass(&s, 1000);
	assert_state(l, MAPPING_ACTIVE);
	assert_int_equal(sim_igd_entries(g), 2);
	/* A new wish in that moment is served, too. */
	sim_pass(&s, 200000);
	sim_igd_reboot(g, 5003);
	struct lease *late = want(&s, 8081, TCP);
	sim_pass(&s, 1000);
	assert_state(late, MAPPING_ACTIVE);
	sim_pass(&s, 2000);
	assert_state(l, MAPPING_ACTIVE);
	assert_int_equal(sim_igd_entries(g), 3);
	release_all(&s, 0);
	sim_done(&s);
}

/* The paths moved: the control URL is not found any more. */
static void
test_path_moved(void **state)
{
	struct sim s;
	struct sim_igd *g = sim_igd_init(&s, 1, 23);
	struct lease *l = want(&s, 8080, TCP);

	(void)state;
	sim_pass(&s, 200000);
	g->fault[0] = how(SIM_ANY_ACTION, SIM_404, 1);
	memset(g->entry, 0, sizeof(g->entry));
	g->description_path = "/other.xml";
	sim_pass(&s, 61000);
	assert_state(l, MAPPING_ACTIVE);
	assert_int_equal(sim_igd_entries(g), 1);
	sim_done(&s);
}

/* A control that is broken for good does not make natd search without rest. */
static void
test_broken_control(void **state)
{
	const enum sim_how ways[] = { SIM_404, SIM_REFUSED, SIM_GARBAGE, SIM_TIMEOUT,
		SIM_RESET };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		struct sim s;
		struct sim_igd *g = sim_igd_init(&s, 1, 24);
		struct lease *l;

		g->fault[0] = how(IGD_ADD_PORT_MAPPING, ways[i], 0);
		l = want(&s, 8080, TCP);
		sim_pass(&s, 12000);
		assert_state(l, MAPPING_FAILED);
		assert_true(sim_status(l).verdict);
		unsigned searches = s.searches, https = s.https;
		sim_pass(&s, 3600000);
		assert_true(s.searches - searches <= 42 * 60);
		assert_true(s.https - https <= 400);
		g->fault[0] = (struct sim_fault) { 0 };
		sim_pass(&s, 400000);
		assert_state(l, MAPPING_ACTIVE);
		sim_done(&s);
	}
}

/* Uptime goes down: read back now. */
static void
test_uptime(void **state)
{
	struct sim s;
	struct sim_igd *g = sim_igd_init(&s, 1, 25);
	struct lease *l = want(&s, 8080, TCP);

	(void)state;
	sim_pass(&s, 400000);
	sim_igd_reboot(g, g->port);
	sim_pass(&s, 62000);
	assert_int_equal(sim_igd_entries(g), 1);
	assert_state(l, MAPPING_ACTIVE);
	sim_done(&s);
}

/* NOTIFY: byebye, alive with another BOOTID: asked again within a second. */
static void
test_notify(void **state)
{
	struct sim s;
	struct sim_igd *g = sim_igd_init(&s, 1, 26);
	struct lease *l = want(&s, 8080, TCP);
	unsigned before;

	(void)state;
	sim_pass(&s, 200000);
	sim_igd_notify(g, true); /* nothing new */
	before = readbacks(g);
	sim_pass(&s, 500);
	assert_int_equal(readbacks(g), before);
	/* Goodbye and, three seconds later, hallo on another port. */
	sim_igd_notify(g, false);
	g->port = 1; /* closed */
	g->deaf = true;
	sim_pass(&s, 3000);
	sim_igd_reboot(g, 5001);
	g->deaf = false;
	sim_igd_notify(g, true);
	sim_pass(&s, 1000);
	assert_state(l, MAPPING_ACTIVE);
	assert_int_equal(sim_igd_entries(g), 1);
	/* Only the new BOOTID, the port stays. */
	sim_pass(&s, 200000);
	sim_igd_reboot(g, 5001);
	sim_igd_notify(g, true);
	sim_pass(&s, 1000);
	assert_int_equal(sim_igd_entries(g), 1);
	/* A storm of them costs no more than one look each 10 s. */
	before = s.https;
	for (unsigned i = 0; i < 6000; i++) {
		g->bootid++;
		sim_igd_notify(g, i % 2);
		sim_pass(&s, 10);
	}
	assert_true(s.https - before <= 60);
	release_all(&s, 0);
	sim_done(&s);
}

/* ---- discovery ---- */

/* Quirk 10: several WAN services; the connected one is used. */
static void
test_several_wans(void **state)
{
	static const struct {
		unsigned connected;
		const char *control;
	} rows[] = { { 1, ":5000/ctl/0" }, { 2, ":5000/ctl/1" }, { 4, ":5000/ctl/2" },
		{ 0, ":5000/ctl/0" } };

	(void)state;
	for (int ppp = 0; ppp < 2; ppp++) {
		for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
			struct sim s;
			struct sim_igd *g = sim_igd_init(&s, 1, 27);
			struct service_status service;

			g->wans = 3;
			g->ppp_first = ppp;
			g->connected = rows[i].connected;
			want(&s, 8080, TCP);
			sim_pass(&s, 3000);
			router_service_status(s.router, ROUTER_IGD, &service);
			assert_string_equal(service.control, rows[i].control);
			assert_state(s.router->leases, MAPPING_ACTIVE);
			/* Another connection takes over. */
			g->connected = 2;
			sim_pass(&s, 62000);
			router_service_status(s.router, ROUTER_IGD, &service);
			if (rows[i].connected)
				assert_string_equal(service.control, ":5000/ctl/1");
			sim_done(&s);
		}
	}
}

/* Quirk 8: a description that is not there; the next candidate. */
static void
test_candidates(void **state)
{
	struct sim s;
	struct sim_igd *g = sim_igd_init(&s, 2, 28);

	(void)state;
	g->decoy_path = "/nothing.xml";
	want(&s, 8080, TCP);
	sim_pass(&s, 200);
	assert_state(s.router->leases, MAPPING_ACTIVE);
	assert_int_equal(g->gets, 2);
	sim_done(&s);

	/* F22: answered by a box that shares the gateway's address. */
	g = sim_igd_init(&s, 2, 29);
	g->ssdp_from = addr_ipv4(192, 168, 1, 3);
	want(&s, 8080, TCP);
	sim_pass(&s, 200);
	assert_state(s.router->leases, MAPPING_ACTIVE);
	sim_done(&s);
}

/* No description fits: said within 3 s, with the reason. */
static void
test_useless(void **state)
{
	static const struct {
		const char *reason;
		bool wrong_path;
		unsigned wans;
		struct sim_fault fault;
	} rows[] = {
		{ "the router has no UPnP description where it says", true, 1, { 0 } },
		{ "the UPnP device is no Internet gateway", false, 0, { 0 } },
		{ "the router's UPnP control does not answer", false, 1,
		    { .action = SIM_ANY_ACTION, .how = SIM_GARBAGE } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct sim s;
		struct sim_igd *g = sim_igd_init(&s, 1, 30);
		struct service_status service;
		struct lease *l;

		g->wans = rows[i].wans;
		g->fault[0] = rows[i].fault;
		g->only_decoy = rows[i].wrong_path;
		l = want(&s, 8080, TCP);
		sim_pass(&s, 3000);
		assert_state(l, MAPPING_FAILED);
		assert_string_equal(sim_status(l).problem.name, "NO_SERVICE");
		router_service_status(s.router, ROUTER_IGD, &service);
		assert_int_equal(service.state, SERVICE_ABSENT);
		assert_string_equal(service.reason, rows[i].reason);
		sim_done(&s);
	}
}

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
			release_all(&s, 1);
			sim_done(&s);
		}
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

/* ---- pinholes ---- */

static struct lease *
want_pinhole(struct sim *s, uint16_t port, unsigned transports)
{
	struct lease_want w = sim_want(port, transports);

	w.internal = s->router->settings.local;
	return lease_new(s->router, &w, NULL, s, s->now);
}

static void
test_pinhole(void **state)
{
	struct sim s;
	struct sim_igd *g = sim_igd_init(&s, 6, 40);
	struct lease *l = want_pinhole(&s, 8080, TCP | UDP);
	struct lease_held held;

	(void)state;
	sim_pass(&s, 3000);
	assert_state(l, MAPPING_ACTIVE);
	held = sim_status(l).held;
	assert_int_equal(held.method, METHOD_IGD_PINHOLE);
	assert_true(addr_equal(&held.external, &s.router->settings.local));
	assert_int_equal(held.pinhole_id[TRANSPORT_UDP], 1);
	assert_int_equal(held.pinhole_id[TRANSPORT_TCP], 2);
	assert_non_null(strstr(
	    g->last[IGD_ADD_PINHOLE], "<InternalClient>2a10::20</InternalClient>"));
	/* Updated by their ids, looked at meanwhile. */
	sim_pass(&s, 4600000);
	assert_int_equal(g->count[IGD_UPDATE_PINHOLE], 2);
	assert_int_equal(g->count[IGD_ADD_PINHOLE], 2);
	assert_true(g->count[IGD_CHECK_PINHOLE_WORKING] >= 20);
	/* Lost: 704 to the look, made again. */
	memset(g->entry, 0, sizeof(g->entry));
	sim_pass(&s, 300000);
	assert_state(l, MAPPING_ACTIVE);
	assert_int_equal(sim_igd_entries(g), 2);
	/* Lost right before a renewal: 704 to the update. */
	memset(g->entry, 0, sizeof(g->entry));
	lease_renew(l, s.now);
	sim_pass(&s, 2000);
	assert_state(l, MAPPING_ACTIVE);
	assert_int_equal(sim_igd_entries(g), 2);
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
	release_all(&s, 0);
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
		release_all(&s, 0);
		sim_done(&s);
	}
}

/* The firewall is off: the address is reachable as it is.  Forbidden: said so. */
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
		cmocka_unit_test(test_wan_down),
		cmocka_unit_test(test_no_add_any),
		cmocka_unit_test(test_readback),
		cmocka_unit_test(test_vanishes),
		cmocka_unit_test(test_purged),
		cmocka_unit_test(test_stolen),
		cmocka_unit_test(test_makes_same_port),
		cmocka_unit_test(test_port_moved),
		cmocka_unit_test(test_path_moved),
		cmocka_unit_test(test_broken_control),
		cmocka_unit_test(test_uptime),
		cmocka_unit_test(test_notify),
		cmocka_unit_test(test_several_wans),
		cmocka_unit_test(test_candidates),
		cmocka_unit_test(test_useless),
		cmocka_unit_test(test_release_in_flight),
		cmocka_unit_test(test_delete_714),
		cmocka_unit_test(test_adopt),
		cmocka_unit_test(test_adopt_silent),
		cmocka_unit_test(test_takeover),
		cmocka_unit_test(test_both),
		cmocka_unit_test(test_line_ends),
		cmocka_unit_test(test_pinhole),
		cmocka_unit_test(test_pinhole_refused),
		cmocka_unit_test(test_firewall_off),
	};

	return cmocka_run_group_tests_name("router_igd", tests, NULL, NULL);
}
