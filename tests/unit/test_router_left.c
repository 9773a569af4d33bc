/*
 * test_router_left.c - what was asked of a router before a crash, and never answered: a
 * guess, let go of without knowing what became of it.
 */
#include "tests/unit/igd_cases.h"

static struct lease_held
guessed(enum method method, uint16_t port)
{
	return (struct lease_held) {
		.method = method,
		.internal_port = port,
		.external_port = port,
		.lifetime_s = 7200,
		.expires_at = MSEC_NEVER,
		.guess = true,
	};
}

/* Adopted and released: true, the router confirmed that nothing is left. */
static bool
let_go(struct sim *s, enum method method, uint16_t port, unsigned transports)
{
	struct lease_want w = sim_want(port, transports);
	const struct lease_held held = guessed(method, port);
	unsigned unconfirmed = s->unconfirmed;
	struct lease *l = lease_new(s->router, &w, &held, s, s->now);

	assert_non_null(l);
	lease_release(l, s->now);
	sim_pass(s, 90000);
	assert_int_equal(router_leases(s->router), 0);
	assert_true(router_deadline(s->router) == MSEC_NEVER);
	return s->unconfirmed == unconfirmed;
}

static struct sim_mapping *
put_ours(struct sim_igd *g, unsigned protocol, uint16_t external, uint16_t internal,
    const char *description)
{
	struct sim_mapping *m =
	    sim_igd_put(g, protocol, external, internal, g->client, 7200);

	snprintf(m->description, sizeof(m->description), "%s", description);
	return m;
}

/* What was asked is told as it goes out, before anybody can have granted it, and what
 * is asked only to be deleted with it. */
static struct lease_held asked;
static unsigned asks;

static void
note_asked(struct sim *s, const struct lease *l, void *owner)
{
	assert_ptr_equal(owner, s);
	lease_asking(l, s->now, &asked);
	asks++;
}

static void
test_what_is_asked_is_told_before(void **state)
{
	static const struct {
		unsigned version;
		enum method method;
	} igds[] = { { 1, METHOD_IGD1 }, { 2, METHOD_IGD2 },
		{ 6, METHOD_IGD_PINHOLE } };
	struct sim s;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(igds); i++) {
		struct sim_igd *g = sim_igd_init(&s, igds[i].version, 60 + i);
		struct lease *l;

		s.on_asks = note_asked;
		asks = 0;
		g->any_port = igds[i].version == 2 ? 40000 : 0;
		l = want(&s, 8080, UDP);
		sim_pass(&s, 2000);
		assert_state(l, MAPPING_ACTIVE);
		assert_int_equal(asks, 1);
		assert_true(asked.guess);
		assert_int_equal(asked.method, igds[i].method);
		assert_int_equal(asked.internal_port, 8080);
		assert_int_equal(asked.external_port, 8080);
		assert_int_equal(asked.lifetime_s, 7200);
		sim_done(&s);
	}
}

/* PCP and NAT-PMP: the port inside is the name of it.  What is sent again, or deletes,
 * asks for nothing more. */
static void
test_pxp(void **state)
{
	static const enum method methods[] = { METHOD_PCP, METHOD_NAT_PMP };
	struct sim s;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(methods); i++) {
		struct lease_want w = sim_want(8080, UDP);
		struct lease *l;

		sim_init(&s, 70 + i);
		s.pcp = methods[i] == METHOD_PCP;
		s.natpmp = !s.pcp;
		want(&s, 9000, TCP);
		sim_pass(&s, 5000);
		s.chosen_port = 40000;
		s.silent = true;
		s.on_asks = note_asked;
		asks = 0;
		l = want_as(&s, &w);
		sim_pass(&s, 1000);
		assert_int_equal(asks, 1);
		s.silent = false;
		sim_pass(&s, 5000);
		assert_port(l, 40000);
		lease_forget(l); /* a crash */
		lease_forget(s.router->leases);
		assert_true(let_go(&s, methods[i], 8080, UDP));
		assert_int_equal(sim_entries(&s), 1);
		assert_int_equal(asks, 1);
		assert_int_equal(asked.method, methods[i]);
		sim_done(&s);
	}
}

static void
test_igd(void **state)
{
	static const struct {
		uint16_t udp, tcp; /* where the router has it; 0: nowhere */
		unsigned transports, searches;
	} cases[] = {
		{ 8080, 0, UDP, 0 },
		{ 40001, 0, UDP, 4 },
		{ 0, 0, UDP, 4 },
		{ 40001, 40002, UDP | TCP, 8 },
		{ 8080, 40002, UDP | TCP, 4 },
	};
	struct sim s;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct sim_igd *g = sim_igd_init(&s, 2, 80 + i);

		/* Another host's, another port's, another program's. */
		sim_igd_foreign(g, 17, 443);
		put_ours(g, 17, 444, 9090, "test");
		put_ours(g, 17, 445, 8080, "somebody else");
		if (cases[i].udp)
			put_ours(g, 17, cases[i].udp, 8080, "test");
		if (cases[i].tcp)
			put_ours(g, 6, cases[i].tcp, 8080, "test");
		assert_true(let_go(&s, METHOD_IGD2, 8080, cases[i].transports));
		assert_int_equal(sim_igd_entries(g), 3);
		assert_in_range(g->count[IGD_GET_GENERIC_PORT_MAPPING_ENTRY],
		    cases[i].searches, cases[i].searches + 1);
		sim_done(&s);
	}
}

/* It answers no questions, or is gone: what can't be known is not confirmed, and it is
 * told whether asking again would help. */
static void
test_igd_does_not_tell(void **state)
{
	static const struct {
		enum igd_action action;
		enum sim_how how;
		int code;
		bool unheard;
	} cases[] = {
		{ IGD_GET_SPECIFIC_PORT_MAPPING_ENTRY, SIM_CODE, 401, false },
		{ IGD_GET_GENERIC_PORT_MAPPING_ENTRY, SIM_CODE, 401, false },
		{ IGD_GET_GENERIC_PORT_MAPPING_ENTRY, SIM_TIMEOUT, 0, true },
		{ SIM_ANY_ACTION, SIM_REFUSED, 0, true },
	};
	struct sim s;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct sim_igd *g = sim_igd_init(&s, 2, 90 + i);

		put_ours(g, 17, 40001, 8080, "test");
		g->fault[0] = (struct sim_fault) { .action = cases[i].action,
			.how = cases[i].how,
			.code = cases[i].code };
		assert_false(let_go(&s, METHOD_IGD2, 8080, UDP));
		assert_int_equal(s.unheard, cases[i].unheard);
		assert_int_equal(sim_igd_entries(g), 1);
		sim_done(&s);
	}
}

/* The same port inside is wanted again before the search is over: what that got stays,
 * and its request was not kept waiting. */
static void
test_igd_wanted_meanwhile(void **state)
{
	static const uint16_t given[] = { 8080, 40001 }; /* the latter is left there */
	struct lease_want w = sim_want(8080, UDP);
	const struct lease_held held = guessed(METHOD_IGD2, 8080);
	struct sim s;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(given); i++) {
		struct sim_igd *g = sim_igd_init(&s, 2, 99);
		struct lease *left, *l;
		unsigned changes = 0;

		for (unsigned k = 0; k < 40; k++)
			sim_igd_foreign(g, 17, (uint16_t)(1000 + k));
		put_ours(g, 17, 40001, 8080, "test");
		g->any_port = given[i];
		left = lease_new(s.router, &w, &held, &s, s.now);
		lease_release(left, s.now);
		assert_false(lease_searches(left));
		for (unsigned k = 0; k < 2000 && !lease_searches(left); k++) {
			changes = s.changes;
			sim_pass(&s, 1);
		}
		assert_true(lease_searches(left));
		/* Told: who waits for it need not any more. */
		assert_int_equal(s.changes, changes + 1);
		l = want(&s, 8080, UDP);
		sim_pass(&s, 600);
		assert_state(l, MAPPING_ACTIVE);
		assert_port(l, given[i]);
		sim_pass(&s, 20000);
		assert_int_equal(router_leases(s.router), 1);
		assert_int_equal(sim_igd_entries(g), 41);
		assert_non_null(sim_igd_find(g, 17, given[i]));
		assert_state(l, MAPPING_ACTIVE);
		release_all_and_done(&s, 40);
	}
}

/* What was held and is another host's by now is not searched for: that it had this
 * number is known. */
static void
test_igd_no_guess(void **state)
{
	struct lease_want w = sim_want(8080, UDP);
	struct lease_held held = guessed(METHOD_IGD2, 8080);
	struct sim s;
	struct sim_igd *g = sim_igd_init(&s, 2, 98);

	(void)state;
	held.guess = false;
	sim_igd_foreign(g, 17, 8080);
	lease_release(lease_new(s.router, &w, &held, &s, s.now), s.now);
	sim_pass(&s, 20000);
	assert_int_equal(router_leases(s.router), 0);
	assert_int_equal(g->count[IGD_GET_GENERIC_PORT_MAPPING_ENTRY], 0);
	assert_int_equal(sim_igd_entries(g), 1);
	sim_done(&s);
}

/* However long the table, the search ends. */
static void
test_igd_endless(void **state)
{
	struct lease_want w = sim_want(8080, UDP);
	const struct lease_held held = guessed(METHOD_IGD2, 8080);
	struct sim s;
	struct sim_igd *g = sim_igd_init(&s, 2, 100);

	(void)state;
	/* An entry for whatever index is asked. */
	g->endless = true;
	sim_igd_foreign(g, 17, 1000);
	lease_release(lease_new(s.router, &w, &held, &s, s.now), s.now);
	sim_pass(&s, 60000);
	assert_int_equal(router_leases(s.router), 0);
	assert_int_equal(g->count[IGD_GET_GENERIC_PORT_MAPPING_ENTRY], 256);
	assert_int_equal(s.unconfirmed, 1);
	assert_int_equal(s.unheard, 0);
	sim_done(&s);
}

static void
test_pinhole(void **state)
{
	struct sim s;
	struct sim_igd *g = sim_igd_init(&s, 6, 101);

	(void)state;
	/* One is there, the other was never made. */
	g->next_id = 6;
	sim_igd_put(g, 17, 8080, 8080, g->client, 7200);
	assert_true(let_go(&s, METHOD_IGD_PINHOLE, 8080, UDP | TCP));
	assert_int_equal(sim_igd_entries(g), 0);
	assert_int_equal(g->count[IGD_ADD_PINHOLE], 2);
	assert_int_equal(g->count[IGD_DELETE_PINHOLE], 2);
	assert_non_null(strstr(g->last[IGD_ADD_PINHOLE], "<LeaseTime>120</LeaseTime>"));
	sim_done(&s);
}

/* No answer: there is no id to delete by, and none is made up. */
static void
test_pinhole_silent(void **state)
{
	struct sim s;
	struct sim_igd *g = sim_igd_init(&s, 6, 102);

	(void)state;
	g->fault[0] = how(IGD_ADD_PINHOLE, SIM_DONE_TIMEOUT, 0);
	assert_false(let_go(&s, METHOD_IGD_PINHOLE, 8080, UDP));
	assert_int_equal(g->count[IGD_ADD_PINHOLE], 1);
	assert_int_equal(g->count[IGD_DELETE_PINHOLE], 0);
	sim_done(&s);
}

/* The same without a crash: released when the answer had not come. */
static void
test_pinhole_released_unanswered(void **state)
{
	struct sim s;
	struct sim_igd *g = sim_igd_init(&s, 6, 103);

	(void)state;
	g->fault[0] = how(IGD_ADD_PINHOLE, SIM_DONE_TIMEOUT, 1);
	want(&s, 8080, UDP);
	sim_pass(&s, 5500);
	assert_int_equal(sim_igd_entries(g), 1);
	release_all(&s, 0);
	assert_int_equal(g->count[IGD_ADD_PINHOLE], 2);
	sim_done(&s);
}

/* Released while the answer is under way, which then cannot be read: the pinhole is
 * there, and its id has to be asked for. */
static void
test_pinhole_released_unread(void **state)
{
	static const enum sim_how lost[] = { SIM_DONE_NO_MEMORY, SIM_DONE_TIMEOUT };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lost); i++) {
		struct sim s;
		struct sim_igd *g = sim_igd_init(&s, 6, 104);

		g->fault[0] = how(IGD_ADD_PINHOLE, lost[i], 1);
		want(&s, 8080, UDP);
		for (unsigned t = 0; t < 5000 && !g->count[IGD_ADD_PINHOLE]; t++)
			sim_pass(&s, 1);
		assert_true(g->busy);
		release_all(&s, 0);
		assert_int_equal(g->count[IGD_ADD_PINHOLE], 2);
		assert_int_equal(g->count[IGD_DELETE_PINHOLE], 1);
		sim_done(&s);
	}
}

static void
assert_not_used(const struct sim *s, enum router_service service)
{
	struct service_status st;

	router_service_status(s->router, service, &st);
	assert_int_equal(st.state, SERVICE_ABSENT);
	assert_string_equal(st.reason, "not used on this uplink");
}

/* By a method that was forbidden since: it deletes, and is not used for anything else.
 */
static void
test_not_allowed_any_more(void **state)
{
	static const struct {
		enum method held, allowed;
	} cases[] = {
		{ METHOD_PCP, METHOD_IGD2 },
		{ METHOD_NAT_PMP, METHOD_PCP },
		{ METHOD_IGD2, METHOD_NAT_PMP },
		{ METHOD_IGD2, METHOD_IGD1 },
	};
	struct sim s;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		enum router_service service = method_service(cases[i].held);
		struct sim_igd *g = sim_igd_init(&s, 2, 110 + i);
		unsigned left = 0;

		s.pcp = cases[i].held == METHOD_PCP;
		s.natpmp = cases[i].held == METHOD_NAT_PMP;
		router_configure(s.router, METHOD_BIT(cases[i].allowed), 60000, s.now);
		if (pxp_is(service))
			s.entry[0] = (struct sim_entry) { .used = true,
				.protocol = 17,
				.internal_port = 8080,
				.external_port = 8080,
				.expires = MSEC_NEVER };
		else
			put_ours(g, 17, 8080, 8080, "test");
		memcpy(s.entry[0].nonce, sim_want(8080, UDP).nonce, PCP_NONCE_LEN);
		assert_true(let_go(&s, cases[i].held, 8080, UDP));
		assert_int_equal(sim_entries(&s) + sim_igd_entries(g), 0);
		if (service != method_service(cases[i].allowed))
			assert_not_used(&s, service);
		/* What is wanted now is not asked of it. */
		if (pxp_is(service)) {
			left = s.maps;
			want(&s, 9000, UDP);
			sim_pass(&s, 600000);
			assert_int_equal(s.maps, left);
		}
		sim_done(&s);
	}
}

/* Nobody there speaks it any more: found out once, and no more looked for. */
static void
test_not_allowed_and_not_there(void **state)
{
	static const enum method methods[] = { METHOD_PCP, METHOD_IGD2 };
	struct sim s;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(methods); i++) {
		enum method other = methods[!i];
		unsigned sent;

		sim_init(&s, 120 + i);
		s.silent = true;
		router_configure(s.router, METHOD_BIT(other), 60000, s.now);
		assert_false(let_go(&s, methods[i], 8080, UDP));
		assert_int_equal(s.unheard, 1);
		want(&s, 9000, UDP);
		sim_pass(&s, 5000);
		assert_not_used(&s, method_service(methods[i]));
		sent = methods[i] == METHOD_PCP ? s.datagrams : s.searches;
		sim_pass(&s, 600000);
		assert_int_equal(
		    methods[i] == METHOD_PCP ? s.datagrams : s.searches, sent);
		sim_done(&s);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_asked_is_told_before),
		cmocka_unit_test(test_pxp),
		cmocka_unit_test(test_igd),
		cmocka_unit_test(test_igd_does_not_tell),
		cmocka_unit_test(test_igd_wanted_meanwhile),
		cmocka_unit_test(test_igd_no_guess),
		cmocka_unit_test(test_igd_endless),
		cmocka_unit_test(test_pinhole),
		cmocka_unit_test(test_pinhole_silent),
		cmocka_unit_test(test_pinhole_released_unanswered),
		cmocka_unit_test(test_pinhole_released_unread),
		cmocka_unit_test(test_not_allowed_any_more),
		cmocka_unit_test(test_not_allowed_and_not_there),
	};

	return cmocka_run_group_tests_name("router_left", tests, NULL, NULL);
}
