/*
 * igd_cases.h - words that the tests of leases on a UPnP gateway share.
 */
#pragma once

#include "tests/unit/sim_igd.h"

static inline struct sim_fault
code(enum igd_action a, int number, unsigned times)
{
	return (struct sim_fault) {
		.action = a, .how = SIM_CODE, .code = number, .times = times
	};
}

static inline struct sim_fault
how(enum igd_action a, enum sim_how h, unsigned times)
{
	return (struct sim_fault) { .action = a, .how = h, .times = times };
}

static inline struct lease *
want_as(struct sim *s, const struct lease_want *w)
{
	struct lease *l = lease_new(s->router, w, NULL, s, s->now);

	assert_non_null(l);
	return l;
}

static inline struct lease *
want(struct sim *s, uint16_t port, unsigned transports)
{
	const struct lease_want w = sim_want(port, transports);

	return want_as(s, &w);
}

static inline struct lease *
want_at(struct sim *s, uint16_t internal, uint16_t external, unsigned transports)
{
	struct lease_want w = sim_want(internal, transports);

	w.external_port = external;
	w.port_seed = 7;
	return want_as(s, &w);
}

static inline struct lease *
want_exact(struct sim *s, uint16_t internal, uint16_t external)
{
	struct lease_want w = sim_want(internal, TCP);

	w.external_port = external;
	w.prefer_failure = true;
	return want_as(s, &w);
}

#define assert_state(l, wanted) assert_int_equal(sim_status(l).state, (wanted))
#define assert_port(l, wanted) \
	assert_int_equal(sim_status(l).held.external_port, (wanted))

static inline void
assert_problem(const struct lease *l, const char *name, int number)
{
	struct lease_status st = sim_status(l);

	assert_true(st.problem.present && st.verdict);
	assert_string_equal(st.problem.name, name);
	assert_int_equal(st.problem.code, number);
}

static inline struct lease *
want_pinhole(struct sim *s, uint16_t port, unsigned transports)
{
	struct lease_want w = sim_want(port, transports);

	w.internal = s->router->settings.local;
	return lease_new(s->router, &w, NULL, s, s->now);
}

/* It is there, and so many entries are in the gateway's table. */
static inline void
assert_served(struct sim *s, const struct lease *l, unsigned entries)
{
	assert_state(l, MAPPING_ACTIVE);
	assert_int_equal(sim_igd_entries(igd_of(s)), entries);
}

/* Released: the gateway's table has nothing of ours left, and natd knows. */
static inline void
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

static inline void
release_all_and_done(struct sim *s, unsigned entries_left)
{
	release_all(s, entries_left);
	sim_done(s);
}
