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
start_with(struct sim *s, enum spoken spoken, unsigned leases)
{
	if (spoken == IGD) {
		sim_igd_init(s, 1, 60);
	} else {
		sim_init(s, 60);
		s->pcp = spoken == PCP;
		s->natpmp = spoken == NATPMP;
	}
	for (uint16_t i = 0; i < leases; i++) {
		struct lease_want w = sim_want((uint16_t)(7000 + i), TCP);

		lease_new(s->router, &w, NULL, s, s->now);
	}
	sim_pass(s, 200000);
	assert_int_equal(held(s), leases);
}

static void
start(struct sim *s, enum spoken spoken)
{
	start_with(s, spoken, LEASES);
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

/* ---- again and again ---- */

/* UDA 1.0: no BOOTID. */
static void
goodbye_and_hallo(struct sim *s)
{
	igd_of(s)->bootid = 0;
	sim_igd_notify(igd_of(s), false);
	sim_pass(s, 300);
	lose(s, false);
	sim_igd_notify(igd_of(s), true);
}

static void
port_moved(struct sim *s)
{
	lose(s, false);
	igd_of(s)->port++;
	igd_poll(s->router);
}

/* It restarts again while what the last restart cost is hardly made good: each time it
 * is the restart that lost the table, never a router that forgets. */
static void
test_again_and_again(void **state)
{
	static const struct signal signals[] = {
		{ "announcement, epoch from 0", PCP, announcement, SOON_MS },
		{ "announcement, epoch from 0", NATPMP, announcement, SOON_MS },
		{ "hint", IGD, hint_without_epoch, SOON_MS },
		{ "byebye", IGD, goodbye_and_hallo, SOON_MS },
		{ "alive with another BOOTID", IGD, alive_with_another_bootid,
		    SOON_MS },
		{ "port moved", IGD, port_moved, SOON_MS },
	};
	/* After the first one: seconds, half a minute, while it is looked at again. */
	static const msec_t pauses[] = { 3500, 15000, 30000, 95000 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		const struct signal *row = &signals[i];
		struct sim s;

		/* With one the pace of SOAP delays nothing. */
		start_with(&s, row->spoken, 1);
		for (size_t k = 0; k < ARRAY_SIZE(pauses); k++) {
			row->give(&s);
			sim_pass(&s, row->soon_ms);
			if (held(&s) != 1)
				fail_msg("%s, %zu: not asked again", row->what, k + 1);
			sim_pass(&s, pauses[k] - row->soon_ms);
			if (sim_status(s.router->leases).state != MAPPING_ACTIVE)
				fail_msg("%s, %zu: not active", row->what, k + 1);
		}
		/* Told once each, by UPnP too.  An epoch that is 0 for the third time
		 * may stand still: then it is the renewal that repairs it. */
		assert_in_range(s.restarts, ARRAY_SIZE(pauses) - (row->spoken != IGD),
		    ARRAY_SIZE(pauses));
		sim_done(&s);
	}
}

/* What the router forgets after a restart, with no sign of another one, is made again
 * once, then the router is named. */
static void
test_forgets_after_restart(void **state)
{
	struct sim s;

	(void)state;
	start_with(&s, IGD, 1);
	alive_with_another_bootid(&s);
	sim_pass(&s, 1000);
	assert_int_equal(held(&s), 1);
	igd_of(&s)->room = 1;
	lose(&s, false);
	sim_igd_foreign(igd_of(&s), 17, 1);
	sim_pass(&s, 60000);
	assert_int_equal(s.restarts, 1);
	assert_string_equal(sim_status(s.router->leases).problem.name, "VANISHED");
	sim_done(&s);
}

/* It restarted without a word, and for longer than it had been on when it was last
 * looked at. */
static void
test_uptime_grew_beyond(void **state)
{
	struct sim s;

	(void)state;
	start_with(&s, IGD, 1);
	lose(&s, false);
	igd_of(&s)->boot = s.now;
	sim_pass(&s, 61000);
	assert_int_equal(held(&s), 1);
	while (s.now - s.router->igd.uptime_at > 10)
		sim_pass(&s, 10);
	igd_of(&s)->boot = s.now - 30000;
	s.router->igd.uptime_s = 30;
	sim_pass(&s, 15000);
	lose(&s, false);
	igd_of(&s)->boot = s.now;
	sim_pass(&s, 60000);
	assert_int_equal(held(&s), 1);
	assert_int_equal(s.restarts, 2);
	sim_done(&s);
}

/* ---- what waits ---- */

static const struct refusal {
	const char *what;
	int code;      /* of UPnP; PCP and NAT-PMP have no resources */
	bool vanishes; /* success, but nothing is there */
} refusals[] = { { "denied", 606, false }, { "full", 728, false },
	{ "forgotten", 0, true } };

static void
refuse(struct sim *s, const struct refusal *r, bool on)
{
	s->pcp_result = on ? PCP_NO_RESOURCES : 0;
	s->natpmp_result = on ? NATPMP_OUT_OF_RESOURCES : 0;
	if (!s->igd)
		return;
	igd_of(s)->fault[0] = (struct sim_fault) { .action = IGD_ADD_PORT_MAPPING,
		.code = on ? r->code : 0 };
	igd_of(s)->room = on && r->vanishes ? 1 : 0;
}

/* What was refused may be granted by a router that restarted. */
static void
test_what_waits_is_asked_again(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct signal *row = &rows[i];
		unsigned ways = row->spoken == IGD ? ARRAY_SIZE(refusals) : 1;

		/* These are seen in an answer that a waiting lease does not ask for. */
		if (row->give == epoch_in_a_reply || row->give == connection_refused ||
		    row->give == nothing)
			continue;
		for (unsigned k = 0; k < ways; k++) {
			struct sim s;
			struct lease_want w = sim_want(8080, TCP);
			struct lease *l;

			start_with(&s, row->spoken, 1);
			s.error_lifetime_s = 1800;
			if (s.igd)
				sim_igd_foreign(igd_of(&s), 17, 1);
			lease_forget(s.router->leases);
			lose(&s, false);
			if (s.igd)
				sim_igd_foreign(igd_of(&s), 17, 1);
			refuse(&s, &refusals[k], true);
			l = lease_new(s.router, &w, NULL, &s, s.now);
			sim_pass(&s, 130000);
			assert_int_equal(sim_status(l).state, MAPPING_FAILED);
			refuse(&s, &refusals[k], false);
			row->give(&s);
			sim_pass(&s, SOON_MS);
			if (sim_status(l).state != MAPPING_ACTIVE)
				fail_msg("%s: %s is not asked again", row->what,
				    refusals[k].what);
			sim_done(&s);
		}
	}
}

/* ---- the limit ---- */

/* More hints than may cost something: the last one is heeded, too, but later. */
static void
test_postponed(void **state)
{
	(void)state;
	for (enum spoken spoken = PCP; spoken <= IGD; spoken++) {
		struct sim s;

		start_with(&s, spoken, 1);
		for (unsigned i = 0; i < 6; i++) {
			router_hint(s.router, s.now);
			sim_pass(&s, 400);
		}
		lose(&s, false);
		router_hint(s.router, s.now);
		if (s.igd) {
			/* Not by another way: nothing else tells of it. */
			sim_pass(&s, 1000);
			assert_int_equal(held(&s), 0);
		}
		sim_pass(&s, 6000);
		assert_int_equal(held(&s), 1);
		sim_done(&s);
	}
}

/* A minute of forged hints, hundreds in each second: four looks at once, then one each
 * five seconds, and what is due in that minute. */
static void
test_flood(void **state)
{
	enum { LOOKS = 4 + 60 / 5 + 1 };

	(void)state;
	for (enum spoken spoken = PCP; spoken <= IGD; spoken++) {
		struct sim s;
		unsigned https, datagrams, searches;

		start_with(&s, spoken, 1);
		https = s.https;
		datagrams = s.datagrams;
		searches = s.searches;
		for (unsigned i = 0; i < 6000; i++) {
			router_hint(s.router, s.now);
			if (s.igd) {
				igd_of(&s)->bootid++;
				sim_igd_notify(igd_of(&s), i % 2);
			}
			sim_pass(&s, 10);
		}
		/* Status, address and the lease; a probe and the lease, by both
		 * protocols where one is not known to be absent. */
		assert_in_range(s.https - https, 0, LOOKS * 3);
		assert_in_range(s.datagrams - datagrams, 0,
		    LOOKS * (s.igd ? 2 * RETRY_BURST_SENDS : 3));
		assert_in_range(s.searches - searches, 0, LOOKS * 3 * 2 * SSDP_TARGETS);
		assert_int_equal(s.restarts, 0);
		assert_int_equal(held(&s), 1);
		sim_done(&s);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_signals),
		cmocka_unit_test(test_address_of_a_silent_router),
		cmocka_unit_test(test_again_and_again),
		cmocka_unit_test(test_forgets_after_restart),
		cmocka_unit_test(test_uptime_grew_beyond),
		cmocka_unit_test(test_what_waits_is_asked_again),
		cmocka_unit_test(test_postponed),
		cmocka_unit_test(test_flood),
		cmocka_unit_test(test_stranger),
	};

	return cmocka_run_group_tests_name("router_signals", tests, NULL, NULL);
}
