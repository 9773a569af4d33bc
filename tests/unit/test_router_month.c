/*
 * test_router_month.c - 30 days with a router that is well: no restart is seen, and on
 * the wire is exactly what must be.
 *
 * The clocks of the C library are these here: they jump by an hour at each call, as an
 * NTP step does, and count who asks them.
 */
#include "tests/unit/sim.h"

#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define DAY_MS (INT64_C(24) * 3600 * MSEC_PER_SEC)
#define AWAKE_MS (INT64_C(80000) * MSEC_PER_SEC) /* of each day */
#define LOOK_MS (INT64_C(60) * MSEC_PER_SEC)
#define SEARCH_PACKETS (3 * 2 * SSDP_TARGETS)

/* ---- clocks ---- */

static unsigned clock_readings;

int
clock_gettime(clockid_t id, struct timespec *ret)
{
	int r = (int)syscall(SYS_clock_gettime, id, ret);

	clock_readings++;
	ret->tv_sec += clock_readings % 2 ? 3600 : -3600;
	return r;
}

time_t
time(time_t *ret)
{
	struct timespec ts = { 0 };

	clock_gettime(CLOCK_REALTIME, &ts);
	if (ret)
		*ret = ts.tv_sec;
	return ts.tv_sec;
}

int
gettimeofday(struct timeval *restrict ret, void *restrict zone)
{
	struct timespec ts = { 0 };

	(void)zone;
	clock_gettime(CLOCK_REALTIME, &ts);
	ret->tv_sec = ts.tv_sec;
	ret->tv_usec = ts.tv_nsec / 1000;
	return 0;
}

/* ---- a calendar of what must be sent ---- */

struct calendar {
	struct lease *lease;
	unsigned looks, renewals, lapses;
	msec_t look_at, renew_at, ends_at;
};

/* What is due at this instant, by the lease's own word for the renewal (random within
 * the bounds of RFC 6887) and by the minute for the look. */
static void
keep_calendar(struct calendar *c, const struct sim *s)
{
	struct lease_status st = sim_status(c->lease);

	if (c->look_at <= s->now) {
		c->looks++;
		c->look_at = s->now + LOOK_MS;
	}
	if (c->renew_at <= s->now) {
		*(c->ends_at <= s->now ? &c->lapses : &c->renewals) += 1;
		c->renew_at = MSEC_NEVER;
	}
	if (c->renew_at == MSEC_NEVER && st.renew_at != MSEC_NEVER) {
		assert_in_range(
		    st.renew_at - s->now, 3600 * MSEC_PER_SEC, 4500 * MSEC_PER_SEC);
		c->renew_at = st.renew_at;
		c->ends_at = st.held.expires_at;
	}
}

/* As sim_until(), with the calendar beside it. */
static void
live_until(struct sim *s, struct calendar *c, msec_t then)
{
	msec_t at;

	for (;;) {
		sim_turn(s);
		keep_calendar(c, s);
		at = MIN(sim_next_at(s), MIN(c->look_at, c->renew_at));
		if (at > then)
			break;
		s->now = MAX(at, s->now + 1);
	}
	s->now = then;
}

struct month {
	const char *what;
	bool pcp;
	double drift;
	unsigned loss_percent;
};

static void
live_a_month(const struct month *m, uint64_t seed)
{
	struct sim s;
	struct lease_want w = sim_want(8080, TCP);
	struct calendar c = { .renew_at = MSEC_NEVER };
	unsigned readings = clock_readings, exchanges;

	sim_init(&s, seed);
	s.boot = s.now - 3600000;
	s.pcp = m->pcp;
	s.natpmp = true;
	s.drift = m->drift;
	c.lease = lease_new(s.router, &w, NULL, &s, s.now);
	sim_pass(&s, 10000);
	assert_int_equal(sim_status(c.lease).state, MAPPING_ACTIVE);
	assert_int_equal(s.searches, SEARCH_PACKETS);
	s.datagrams = s.lost = s.maps = s.probes = s.changes = 0;
	s.loss_percent = m->loss_percent;
	c.look_at = s.now - 10000 + LOOK_MS;
	c.renew_at = sim_status(c.lease).renew_at;
	c.ends_at = sim_status(c.lease).held.expires_at;
	for (unsigned day = 0; day < 30; day++) {
		live_until(&s, &c, s.now + AWAKE_MS);
		s.now += DAY_MS - AWAKE_MS; /* suspended */
	}
	sim_turn(&s);
	keep_calendar(&c, &s);
	sim_pass(&s, 5000);
	/* Each look is one exchange by each protocol that is there, each renewal is one
	 * of the service that holds it; each loss is one more datagram.  What lapsed in
	 * sleep is asked as if it were new: what was not there is looked for, too. */
	exchanges =
	    c.looks * (m->pcp ? 2 : 1) + c.renewals + c.lapses * (m->pcp ? 1 : 2);
	printf("%s: %u looks, %u renewals, %u lapsed in sleep, %u lost, %u "
	       "datagrams\n",
	    m->what, c.looks, c.renewals, c.lapses, s.lost, s.datagrams);
	assert_int_equal(s.restarts, 0);
	assert_int_equal(sim_status(c.lease).state, MAPPING_ACTIVE);
	assert_int_equal(sim_status(c.lease).renewals, c.renewals);
	assert_int_equal(s.datagrams, exchanges + s.lost);
	assert_int_equal(s.searches, SEARCH_PACKETS * (1 + c.lapses));
	assert_int_equal(s.externals, 1);
	assert_in_range(c.looks, 30 * 80000 / 60, 30 * 80000 / 60 + 30);
	assert_true(c.lapses > 0 && c.lapses < 30);
	if (m->loss_percent)
		assert_true(s.lost > 30 * 80000 / 60 / 20);
	assert_int_equal(clock_readings, readings);
	sim_done(&s);
}

/* Quirk 48: a wall clock that NTP sets makes others miss a lease or start a storm; here
 * it is not even read. */
static void
test_month(void **state)
{
	static const struct month months[] = {
		{ "NAT-PMP", false, 0, 0 },
		{ "PCP", true, 0, 0 },
		{ "NAT-PMP, its clock 5 % fast", false, 0.05, 0 },
		{ "PCP, its clock 5 % fast", true, 0.05, 0 },
		{ "NAT-PMP, its clock 5 % slow", false, -0.05, 0 },
		{ "PCP, its clock 5 % slow", true, -0.05, 0 },
		{ "NAT-PMP, 5 % lost each way", false, -0.05, 5 },
		{ "PCP, 5 % lost each way", true, 0.05, 5 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(months); i++)
		live_a_month(&months[i], 100 + i);
}

/* Quirk 46: an epoch estimate that starts from the new value calls every pause a
 * restart.  Idle for 3 s, 5 minutes, an hour; then each mapping is deleted once. */
static void
test_idle(void **state)
{
	static const msec_t pauses[] = { 3000, 300000, 3600000 };

	(void)state;
	for (int pcp = 0; pcp < 2; pcp++) {
		struct sim s;
		struct lease *l[2];

		sim_init(&s, 46);
		s.pcp = pcp;
		s.natpmp = true;
		for (uint16_t i = 0; i < 2; i++) {
			struct lease_want w = sim_want((uint16_t)(8081 + i), UDP);

			w.lifetime_s = 86400;
			l[i] = lease_new(s.router, &w, NULL, &s, s.now);
		}
		sim_pass(&s, 10000);
		assert_int_equal(s.maps, 2);
		for (size_t i = 0; i < ARRAY_SIZE(pauses); i++) {
			sim_pass(&s, pauses[i]);
			assert_int_equal(s.restarts, 0);
			assert_int_equal(s.maps, 2);
		}
		for (size_t i = 0; i < ARRAY_SIZE(l); i++)
			lease_release(l[i], s.now);
		sim_pass(&s, 10000);
		assert_int_equal(s.deletes, 2);
		assert_int_equal(s.gone, 2);
		assert_int_equal(s.unconfirmed, 0);
		assert_int_equal(sim_entries(&s), 0);
		sim_done(&s);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_month),
		cmocka_unit_test(test_idle),
	};

	return cmocka_run_group_tests_name("router_month", tests, NULL, NULL);
}
