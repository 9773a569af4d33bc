/*
 * test_mapping.c - one mapping's state, made of what the router holds and of what the
 * carrier's server behind it holds.
 */
#include "tests/unit/sim.h"

#include "daemon/mapping.h"

/* Two routers on one clock: the home's, and the carrier's PCP server. */
struct two {
	struct sim home, carrier;
	struct mapping m;
	struct lease_status st;
};

static struct lease *
ask(struct sim *s, uint16_t port, struct addr internal)
{
	struct lease_want w = sim_want(port, TCP);
	struct lease *l;

	w.internal = internal;
	w.lifetime_s = 600;
	l = lease_new(s->router, &w, NULL, s, s->now);
	assert_non_null(l);
	return l;
}

/* carrier: whether it speaks PCP at all. */
static void
init(struct two *t, bool behind, bool carrier)
{
	memset(t, 0, sizeof(*t));
	sim_init(&t->home, 1);
	sim_init(&t->carrier, 2);
	t->home.pcp = behind;
	t->home.external = addr_ipv4(100, 64, 7, 2);
	t->carrier.pcp = carrier;
	t->carrier.chosen_port = 40000;
	t->carrier.lifetime_max_s = 300;
	t->m.lease = ask(&t->home, 8080, addr_ipv4(192, 168, 1, 20));
	t->m.outer = ask(&t->carrier, 8080, addr_ipv4(192, 168, 1, 20));
	t->m.behind = behind;
}

static void
done(struct two *t)
{
	sim_done(&t->home);
	sim_done(&t->carrier);
}

static void
pass(struct two *t, msec_t ms)
{
	sim_pass(&t->home, ms);
	sim_pass(&t->carrier, ms);
	mapping_status(&t->m, &t->st);
}

static void
test_behind(void **state)
{
	struct two t;

	(void)state;
	init(&t, true, true);
	sim_turn(&t.home);
	mapping_status(&t.m, &t.st);
	assert_true(t.st.is_held);
	assert_true(addr_equal(&t.st.held.external, &t.home.external));
	pass(&t, 100);
	/* What is outside of both, inside of the first, and what ends first. */
	assert_int_equal(t.st.state, MAPPING_ACTIVE);
	assert_true(addr_equal(&t.st.held.external, &t.carrier.external));
	assert_int_equal(t.st.held.external_port, 40000);
	assert_int_equal(t.st.held.internal_port, 8080);
	assert_int_equal(t.st.held.lifetime_s, 300);
	assert_in_range(t.st.renew_at - t.home.now, 100000, 200000);
	done(&t);
}

static void
test_behind_without_the_carrier(void **state)
{
	struct two t;

	(void)state;
	init(&t, true, false);
	pass(&t, 5000);
	assert_int_equal(t.st.state, MAPPING_ACTIVE);
	assert_true(addr_equal(&t.st.held.external, &t.home.external));
	assert_int_equal(t.st.held.external_port, 8080);
	assert_false(t.st.problem.present);
	done(&t);
}

/* The carrier's half alone leads nowhere. */
static void
test_behind_without_the_router(void **state)
{
	struct two t;

	(void)state;
	init(&t, true, true);
	pass(&t, 100);
	t.home.silent = true;
	/* Renewals fail: degraded; then the lease ends, while the carrier's goes on. */
	pass(&t, 2 * 600 * 1000);
	assert_true(sim_status(t.m.outer).is_held);
	assert_false(t.st.is_held);
	assert_int_not_equal(t.st.state, MAPPING_ACTIVE);
	done(&t);
}

static void
test_carrier_degraded(void **state)
{
	struct two t;

	(void)state;
	init(&t, true, true);
	pass(&t, 100);
	t.carrier.silent = true;
	pass(&t, 200000);
	assert_int_equal(sim_status(t.m.lease).state, MAPPING_ACTIVE);
	assert_int_equal(t.st.state, MAPPING_DEGRADED);
	assert_true(t.st.problem.present);
	assert_true(addr_equal(&t.st.held.external, &t.carrier.external));
	done(&t);
}

static void
test_directly(void **state)
{
	struct two t;

	(void)state;
	init(&t, false, true);
	pass(&t, 5000);
	assert_int_equal(sim_status(t.m.lease).state, MAPPING_FAILED);
	assert_int_equal(t.st.state, MAPPING_ACTIVE);
	assert_true(t.st.verdict && t.st.is_held);
	assert_int_equal(t.st.held.external_port, 40000);
	done(&t);

	/* Nobody there either: what is said of the router stands. */
	init(&t, false, false);
	pass(&t, 5000);
	assert_int_equal(t.st.state, MAPPING_FAILED);
	assert_string_equal(t.st.problem.name, "NO_SERVICE");
	assert_true(t.st.verdict);
	done(&t);
}

static void
test_first_answer_waits(void **state)
{
	struct two t;

	(void)state;
	init(&t, true, true);
	t.m.awaited = true;
	sim_turn(&t.home);
	mapping_status(&t.m, &t.st);
	assert_false(t.st.verdict);
	t.m.awaited = false;
	mapping_status(&t.m, &t.st);
	assert_true(t.st.verdict);
	t.m.releasing = true;
	mapping_status(&t.m, &t.st);
	assert_int_equal(t.st.state, MAPPING_RELEASING);
	done(&t);
}

/* What makes of a request another wish than the one before. */
static void
test_same_number(void **state)
{
	static const struct {
		struct mapping_context context;
		bool methods, number;
	} rows[] = {
		{ { .methods_count = 1, .methods = { METHOD_NAT_PMP } }, true, true },
		{ { .methods_count = 1, .methods = { METHOD_IGD1 } }, false, false },
		{ { .methods_count = 0 }, false, false },
		{ { .methods_count = 1,
		      .methods = { METHOD_NAT_PMP },
		      .external_port = 7 },
		    true, false },
		{ { .methods_count = 1,
		      .methods = { METHOD_NAT_PMP },
		      .prefer_failure = true },
		    true, false },
		{ { .methods_count = 1,
		      .methods = { METHOD_NAT_PMP },
		      .description = "web",
		      .lifetime_s = 60 },
		    true, true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct mapping_context *a = &rows[0].context,
					     *b = &rows[i].context;

		assert_int_equal(mapping_same_methods(a, b), rows[i].methods);
		assert_int_equal(mapping_same_number(b, a), rows[i].number);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_behind),
		cmocka_unit_test(test_behind_without_the_carrier),
		cmocka_unit_test(test_behind_without_the_router),
		cmocka_unit_test(test_carrier_degraded),
		cmocka_unit_test(test_directly),
		cmocka_unit_test(test_first_answer_waits),
		cmocka_unit_test(test_same_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
