/*
 * test_router_signals.c - a router that lost its table: each signal of that, alone, and
 * how soon the first mapping is asked again, how fast the rest.
 */
#include "tests/unit/sim_igd.h"

#define LEASES 20u
#define SOON_MS 1000

enum spoken { PCP, NATPMP, IGD };

/* The table is lost; the epoch starts anew only if that is the signal. */
static void
lose(struct sim *s, bool reset)
{
	if (s->igd)
		memset(igd_of(s)->entry, 0, sizeof(igd_of(s)->entry));
	sim_reboot(s, reset);
}

static unsigned
held(struct sim *s)
{
	return s->igd ? sim_igd_entries(igd_of(s)) : sim_entries(s);
}

/* Another answer than to a look: that to a renewal shows the epoch. */
static void
epoch_in_a_reply(struct sim *s)
{
	lose(s, true);
	lease_renew(s->router->leases, s->now);
}

/* Multicast announcement; also carrier, another MAC, waking up: whatever hints. */
static void
announcement(struct sim *s)
{
	lose(s, true);
	router_hint(s->router, s->now);
}

static void
hint_without_epoch(struct sim *s)
{
	lose(s, false);
	router_hint(s->router, s->now);
}

static void
byebye(struct sim *s)
{
	lose(s, false);
	sim_igd_notify(igd_of(s), false);
}

static void
alive_with_another_bootid(struct sim *s)
{
	lose(s, false);
	igd_of(s)->bootid++;
	sim_igd_notify(igd_of(s), true);
}

static void
connection_refused(struct sim *s)
{
	lose(s, false);
	igd_of(s)->port++;
	lease_renew(s->router->leases, s->now);
}

/* Seen by the look that it asks for. */
static void
uptime_went_down(struct sim *s)
{
	lose(s, false);
	igd_of(s)->boot = s->now;
	igd_poll(s->router);
}

/* The worst instant of the minute: the router has just been looked at. */
static void
until_looked_at(struct sim *s)
{
	const unsigned asked = s->https + s->datagrams;

	while (s->https + s->datagrams == asked)
		sim_pass(s, 1);
}

/* It says nothing; it is looked at each minute. */
static void
nothing(struct sim *s)
{
	until_looked_at(s);
	lose(s, true);
	if (s->igd)
		igd_of(s)->boot = s->now;
}

static const struct signal {
	const char *what;
	enum spoken spoken;
	void (*give)(struct sim *s);
	msec_t soon_ms;
} rows[] = {
	{ "epoch in a reply", PCP, epoch_in_a_reply, SOON_MS },
	{ "epoch in a reply", NATPMP, epoch_in_a_reply, SOON_MS },
	{ "announcement", PCP, announcement, SOON_MS },
	{ "announcement", NATPMP, announcement, SOON_MS },
	{ "hint, the epoch goes on", PCP, hint_without_epoch, SOON_MS },
	{ "hint, the epoch goes on", NATPMP, hint_without_epoch, SOON_MS },
	{ "hint", IGD, hint_without_epoch, SOON_MS },
	{ "byebye", IGD, byebye, SOON_MS },
	{ "alive with another BOOTID", IGD, alive_with_another_bootid, SOON_MS },
	{ "connection refused", IGD, connection_refused, SOON_MS },
	{ "uptime went down", IGD, uptime_went_down, SOON_MS },
	{ "nothing", PCP, nothing, 60000 },
	{ "nothing", NATPMP, nothing, 60000 },
	{ "nothing", IGD, nothing, 60000 },
};

static void
start(struct sim *s, enum spoken spoken)
{
	if (spoken == IGD) {
		sim_igd_init(s, 1, 60);
	} else {
		sim_init(s, 60);
		s->pcp = spoken == PCP;
		s->natpmp = spoken == NATPMP;
	}
	for (uint16_t i = 0; i < LEASES; i++) {
		struct lease_want w = sim_want((uint16_t)(7000 + i), TCP);

		lease_new(s->router, &w, NULL, s, s->now);
	}
	sim_pass(s, 200000);
	assert_int_equal(held(s), LEASES);
}

static void
test_signals(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct signal *row = &rows[i];
		struct sim s;
		msec_t began;

		start(&s, row->spoken);
		row->give(&s);
		assert_int_equal(held(&s), 0);
		began = s.now;
		while (held(&s) == 0 && s.now - began <= row->soon_ms)
			sim_pass(&s, 10);
		if (s.now - began > row->soon_ms)
			fail_msg("%s: not asked again within %lld ms", row->what,
			    (long long)row->soon_ms);
		/* 50 a second; by UPnP 5, each read back before it is made again. */
		sim_pass(&s, row->spoken == IGD ? (LEASES * 2 / 5 + 2) * 1000 : 1000);
		if (held(&s) != LEASES)
			fail_msg("%s: %u of %u are back", row->what, held(&s), LEASES);
		for (struct lease *l = s.router->leases; l; l = l->next)
			assert_int_equal(sim_status(l).held.external_port,
			    sim_status(l).held.internal_port);
		sim_done(&s);
	}
}

/* A router that says nothing of its new address is asked each minute, and what it
 * answers is told in the same turn. */
static void
test_address_of_a_silent_router(void **state)
{
	const struct addr changed = addr_ipv4(198, 0, 2, 99);

	(void)state;
	for (unsigned spoken = PCP; spoken <= IGD; spoken++) {
		struct addr external;
		struct sim s;
		unsigned told;

		start(&s, spoken);
		until_looked_at(&s);
		told = s.externals;
		*(s.igd ? &igd_of(&s)->external : &s.external) = changed;
		sim_pass(&s, 60000);
		assert_int_equal(s.externals, told + 1);
		for (struct lease *l = s.router->leases; l; l = l->next) {
			external = sim_status(l).held.external;
			assert_true(addr_equal(&external, &changed));
		}
		sim_done(&s);
	}
}

/* Whoever is not the router costs us no packet with what it announces; the same from
 * the router does. */
static void
test_stranger(void **state)
{
	(void)state;
	for (unsigned alive = 0; alive < 2; alive++) {
		struct sim s;
		unsigned asked;

		start(&s, IGD);
		asked = s.https + s.searches;
		igd_of(&s)->ssdp_from = addr_ipv4(192, 168, 1, 66);
		igd_of(&s)->bootid++;
		sim_igd_notify(igd_of(&s), alive);
		sim_pass(&s, 100);
		assert_int_equal(s.https + s.searches, asked);
		igd_of(&s)->ssdp_from = s.router->settings.gateway;
		sim_igd_notify(igd_of(&s), alive);
		sim_pass(&s, 100);
		assert_true(s.https + s.searches > asked);
		sim_done(&s);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_signals),
		cmocka_unit_test(test_address_of_a_silent_router),
		cmocka_unit_test(test_stranger),
	};

	return cmocka_run_group_tests_name("router_signals", tests, NULL, NULL);
}
