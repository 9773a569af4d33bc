/*
 * test_router_month.c - 30 days with a router that is well: no restart is seen, and on
 * the wire is exactly what must be.
 *
 * The clocks of the C library are these here: they jump by an hour at each call, as an
 * NTP step does, and count who asks them.
 */
#include "tests/unit/sim_igd.h"

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
	unsigned looks, renewals, lapses, readbacks;
	msec_t look_at, renew_at, ends_at, verify_at;
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

/* UPnP: read back 90 s after each grant and 290 s after each reading, unless what was
 * held has lapsed. */
static void
keep_readbacks(struct calendar *c, const struct sim *s, unsigned lapses)
{
	msec_t at = c->lease->verify_at;

	if (c->lapses > lapses) {
		c->verify_at = MSEC_NEVER;
	} else if (c->verify_at <= s->now) {
		c->readbacks++;
		c->verify_at = MSEC_NEVER;
	}
	if (at <= s->now || at == c->verify_at || at == MSEC_NEVER)
		return;
	if (at < c->verify_at && c->verify_at != MSEC_NEVER)
		assert_true(at - s->now <= 90 * MSEC_PER_SEC);
	assert_true(at < c->verify_at && at - s->now <= 290 * MSEC_PER_SEC);
	c->verify_at = at;
}

/* As sim_until(), with the calendar beside it. */
static void
live_until(struct sim *s, struct calendar *c, msec_t then)
{
	msec_t at;

	for (;;) {
		unsigned lapses = c->lapses;

		sim_turn(s);
		keep_calendar(c, s);
		if (s->igd)
			keep_readbacks(c, s, lapses);
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

static void
live_an_igd_month(const char *what, double drift, uint64_t seed)
{
	struct sim s;
	struct sim_igd *g = sim_igd_init(&s, 1, seed);
	struct lease_want w = sim_want(8080, TCP);
	struct calendar c = { .renew_at = MSEC_NEVER, .verify_at = MSEC_NEVER };
	unsigned readings = clock_readings, gets, searches;

	/* The router was switched on together with this host. */
	g->boot = s.now;
	g->drift = drift;
	c.lease = lease_new(s.router, &w, NULL, &s, s.now);
	sim_pass(&s, 10000);
	assert_int_equal(sim_status(c.lease).state, MAPPING_ACTIVE);
	gets = g->gets;
	searches = s.searches;
	s.https = s.changes = 0;
	memset(g->count, 0, sizeof(g->count));
	c.look_at = s.router->service[ROUTER_IGD].poll_at;
	c.renew_at = sim_status(c.lease).renew_at;
	c.ends_at = sim_status(c.lease).held.expires_at;
	c.verify_at = c.lease->verify_at;
	for (unsigned day = 0; day < 30; day++) {
		s.now += DAY_MS - AWAKE_MS; /* suspended */
		live_until(&s, &c, s.now + AWAKE_MS);
	}
	live_until(&s, &c, s.now + 5000);
	printf("%s: %u looks, %u renewals, %u lapsed in sleep, %u read back, %u "
	       "requests\n",
	    what, c.looks, c.renewals, c.lapses, c.readbacks, s.https);
	assert_int_equal(s.restarts, 0);
	assert_int_equal(sim_status(c.lease).state, MAPPING_ACTIVE);
	assert_int_equal(g->count[IGD_GET_STATUS_INFO], c.looks);
	assert_int_equal(g->count[IGD_GET_EXTERNAL_IP_ADDRESS], c.looks);
	assert_int_equal(g->count[IGD_ADD_PORT_MAPPING], c.renewals + c.lapses);
	assert_int_equal(g->count[IGD_GET_SPECIFIC_PORT_MAPPING_ENTRY], c.readbacks);
	/* And nothing else. */
	assert_int_equal(s.https, 2 * c.looks + c.renewals + c.lapses + c.readbacks);
	assert_int_equal(g->gets, gets);
	assert_int_equal(s.searches, searches);
	assert_int_equal(clock_readings, readings);
	assert_in_range(c.looks, 30 * 80000 / 60, 30 * 80000 / 60 + 30);
	assert_in_range(c.readbacks, 30 * 80000 / 290, 30 * 80000 / 290 + 800);
	assert_true(c.lapses > 0 && c.lapses < 30);
	sim_done(&s);
}

/* UPnP has no epoch; its uptime is the sign of a restart that must not be imagined. */
static void
test_month_of_upnp(void **state)
{
	(void)state;
	live_an_igd_month("UPnP", 0, 120);
	live_an_igd_month("UPnP, its uptime 5 % fast", 0.05, 121);
	live_an_igd_month("UPnP, its uptime 5 % slow", -0.05, 122);
	live_an_igd_month("UPnP, its uptime stands still", -1, 123);
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
		cmocka_unit_test(test_month_of_upnp),
		cmocka_unit_test(test_idle),
	};

	return cmocka_run_group_tests_name("router_month", tests, NULL, NULL);
}
