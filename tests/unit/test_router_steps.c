/*
 * test_router_steps.c - what a router was asked, as a trace shows it.
 */
#include "tests/unit/sim.h"

#define STEPS_MAX 64

/* All steps so far of one service. */
static unsigned
steps_of(struct sim *s, enum router_service service, struct router_step *ret)
{
	struct router_step step;
	unsigned n = 0;

	while (router_next_step(s->router, &step))
		if (step.service == service && n < STEPS_MAX)
			ret[n++] = step;
	return n;
}

static void
check_sent(const struct router_step *step, const char *question, unsigned sends)
{
	assert_int_equal(step->kind, STEP_SENT);
	assert_string_equal(step->question, question);
	assert_int_equal(step->sends, sends);
}

static void
test_granted(void **state)
{
	struct sim s;
	struct lease_want w = sim_want(8080, TCP);
	struct router_step steps[STEPS_MAX];

	(void)state;
	sim_init(&s, 1);
	s.pcp = true;
	assert_int_equal(router_trace(s.router), 0);
	lease_new(s.router, &w, NULL, &s, s.now);
	sim_pass(&s, 100);
	assert_int_equal(steps_of(&s, ROUTER_PCP, steps), 4);
	check_sent(&steps[0], "ANNOUNCE", 1);
	assert_null(steps[0].owner);
	assert_int_equal(steps[1].kind, STEP_ENDED);
	assert_true(steps[1].found);
	check_sent(&steps[2], "MAP", 1);
	assert_ptr_equal(steps[2].owner, &s);
	assert_true(steps[3].found);
	assert_ptr_equal(steps[3].owner, &s);
	assert_int_equal(steps[3].method, METHOD_PCP);
	/* Two answers, at once in this simulation. */
	assert_int_equal(router_trips(s.router, ROUTER_PCP)->count[0], 2);
	assert_int_equal(router_trips(s.router, ROUTER_PCP)->sum_ms, 0);
	assert_int_equal(router_trips(s.router, ROUTER_NAT_PMP)->count[0], 0);
	sim_done(&s);
}

static void
test_silent(void **state)
{
	struct sim s;
	struct lease_want w = sim_want(8080, TCP);
	struct router_step steps[STEPS_MAX];
	unsigned n;

	(void)state;
	sim_init(&s, 2);
	s.silent = true;
	assert_int_equal(router_trace(s.router), 0);
	lease_new(s.router, &w, NULL, &s, s.now);
	sim_pass(&s, RETRY_VERDICT_MS);
	n = steps_of(&s, ROUTER_NAT_PMP, steps);
	assert_in_range(n, 6, RETRY_BURST_SENDS + 1);
	for (unsigned i = 0; i + 1 < n; i++)
		check_sent(&steps[i], "external address", i + 1);
	assert_int_equal(steps[n - 1].kind, STEP_ENDED);
	assert_false(steps[n - 1].found);
	assert_non_null(strstr(steps[n - 1].problem, "no answer within"));
	sim_done(&s);
}

static void
test_refused(void **state)
{
	struct sim s;
	struct lease_want w = sim_want(8080, TCP);
	struct router_step steps[STEPS_MAX];
	unsigned n;

	(void)state;
	sim_init(&s, 3);
	s.pcp = true;
	s.pcp_result = PCP_NOT_AUTHORIZED;
	assert_int_equal(router_trace(s.router), 0);
	lease_new(s.router, &w, NULL, &s, s.now);
	sim_pass(&s, 100);
	n = steps_of(&s, ROUTER_PCP, steps);
	assert_int_equal(n, 4);
	assert_int_equal(steps[3].code, PCP_NOT_AUTHORIZED);
	assert_string_equal(steps[3].problem, "NOT_AUTHORIZED");
	sim_done(&s);
}

/* Which of its copies the router answered is not known. */
static void
test_round_trips_after_loss(void **state)
{
	struct sim s;
	struct lease_want w = sim_want(8080, TCP);

	(void)state;
	sim_init(&s, 5);
	s.pcp = s.silent = true;
	lease_new(s.router, &w, NULL, &s, s.now);
	sim_pass(&s, 1000);
	s.silent = false;
	sim_pass(&s, 1000);
	assert_int_equal(s.maps, 1);
	/* The probe was repeated, the request was not. */
	assert_int_equal(router_trips(s.router, ROUTER_PCP)->count[0], 1);
	for (unsigned i = 1; i <= ROUTER_TRIPS; i++)
		assert_int_equal(router_trips(s.router, ROUTER_PCP)->count[i], 0);
	sim_done(&s);
}

/* The ring keeps the latest; nothing is kept for who went away, or who does not trace.
 */
static void
test_bounded(void **state)
{
	struct sim s;
	struct lease_want w = sim_want(8080, TCP);
	struct lease *l;
	struct router_step step;
	unsigned n = 0;

	(void)state;
	sim_init(&s, 4);
	s.pcp = true;
	l = lease_new(s.router, &w, NULL, &s, s.now);
	sim_pass(&s, 100);
	assert_false(router_next_step(s.router, &step));
	assert_int_equal(router_trace(s.router), 0);
	for (unsigned i = 0; i < 100; i++) {
		lease_renew(l, s.now);
		sim_pass(&s, 10);
	}
	while (router_next_step(s.router, &step))
		n++;
	assert_int_equal(n, STEPS_MAX);
	assert_true(step.found);
	lease_renew(l, s.now);
	sim_pass(&s, 10);
	lease_forget(l);
	assert_false(router_next_step(s.router, &step));
	sim_done(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_granted),
		cmocka_unit_test(test_silent),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_round_trips_after_loss),
		cmocka_unit_test(test_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
