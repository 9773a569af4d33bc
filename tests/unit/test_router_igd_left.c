/*
 * test_router_igd_left.c - a simulated UPnP gateway on which nothing of ours may be
 * left behind, and nothing of others be touched.
 */
#include "tests/unit/igd_cases.h"

/* Until it is granted, which is read back a second later. */
static void
pass_until_held(struct sim *s, const struct lease *l)
{
	for (unsigned i = 0; i < 500 && !sim_status(l).is_held; i++)
		sim_pass(s, 1);
	assert_true(sim_status(l).is_held);
}

/* Quirk 29: released, or forgotten by a natd that was killed, before it was seen where
 * the router has it. */
static void
test_moved_unseen(void **state)
{
	(void)state;
	for (int killed = 0; killed < 2; killed++) {
		struct sim s;
		struct sim_igd *g = sim_igd_init(&s, 1, 60);
		struct lease *l;

		g->makes_same_port = g->permanent_only = true;
		l = want_at(&s, 8080, 9000, TCP | UDP);
		pass_until_held(&s, l);
		assert_port(l, 9000);
		assert_int_equal(sim_igd_entries(g), 2);
		if (killed) {
			struct lease_held held = sim_status(l).held;
			struct lease_want w = *lease_wanted(l);

			lease_forget(l);
			(void)lease_new(s.router, &w, &held, &s, s.now);
		}
		release_all_and_done(&s, 0);
	}
}

/* The same where the number that was asked for is another host's: neither deleted nor
 * believed to be ours. */
static void
test_moved_away_from_another(void **state)
{
	(void)state;
	for (int released = 0; released < 2; released++) {
		struct sim s;
		struct sim_igd *g = sim_igd_init(&s, 1, 61);
		struct lease *l;

		g->makes_same_port = g->permanent_only = true;
		sim_igd_foreign(g, 6, 9000);
		l = want_at(&s, 8080, 9000, TCP);
		pass_until_held(&s, l);
		if (!released) {
			sim_pass(&s, 5000);
			assert_state(l, MAPPING_ACTIVE);
			assert_port(l, 8080);
		}
		release_all(&s, 1);
		assert_string_equal(sim_igd_find(g, 6, 9000)->client, "192.168.1.33");
		sim_done(&s);
	}
}

/* Another host took the number before that was seen, and it did not move: another
 * number, and no fight. */
static void
test_stolen_unseen(void **state)
{
	struct sim s;
	struct sim_igd *g = sim_igd_init(&s, 1, 72);
	struct lease *l;

	(void)state;
	g->overwrites = true;
	l = want_at(&s, 8080, 9000, TCP);
	pass_until_held(&s, l);
	sim_igd_foreign(g, 6, 9000);
	sim_pass(&s, 5000);
	assert_served(&s, l, 2);
	assert_int_not_equal(sim_status(l).held.external_port, 9000);
	assert_string_equal(sim_igd_find(g, 6, 9000)->client, "192.168.1.33");
	release_all_and_done(&s, 1);
}

/* Who had the number that was wished for is no reason to give up the one that was
 * granted instead, when the router forgets that. */
static void
test_forgotten_beside_another(void **state)
{
	struct sim s;
	struct sim_igd *g = sim_igd_init(&s, 1, 73);
	struct lease *l;
	uint16_t port;

	(void)state;
	sim_igd_foreign(g, 6, 9000);
	l = want_at(&s, 8080, 9000, TCP);
	pass_until_held(&s, l);
	port = sim_status(l).held.external_port;
	sim_igd_find(g, 6, port)->used = false;
	l->verify_at = s.now;
	sim_pass(&s, 5000);
	assert_served(&s, l, 2);
	assert_port(l, port);
	release_all_and_done(&s, 1);
}

/* It moved, one's own entry is a conflict, and it is renewed before it was read
 * back: what is in the way is not at the number that was asked. */
static void
test_moved_and_in_the_way(void **state)
{
	struct sim s;
	struct sim_igd *g = sim_igd_init(&s, 1, 70);
	struct lease *l;

	(void)state;
	g->makes_same_port = g->own_conflict = true;
	l = want_at(&s, 8080, 9000, TCP);
	pass_until_held(&s, l);
	lease_renew(l, s.now);
	sim_pass(&s, 5000);
	assert_served(&s, l, 1);
	assert_port(l, 8080);
	release_all_and_done(&s, 0);
}

/* The same, and the router falls silent before it has said whether it moved: it is over
 * all the same, unconfirmed. */
static void
test_moved_or_silent(void **state)
{
	struct sim s;
	struct sim_igd *g = sim_igd_init(&s, 1, 71);
	struct lease *l;

	(void)state;
	g->makes_same_port = g->permanent_only = true;
	l = want_at(&s, 8080, 9000, TCP);
	pass_until_held(&s, l);
	lease_release(l, s.now);
	for (unsigned i = 0; i < 5000 && l->op != OP_SAME; i++)
		sim_pass(&s, 1);
	assert_int_equal(l->op, OP_SAME);
	g->fault[0] = how(SIM_ANY_ACTION, SIM_TIMEOUT, 0);
	sim_pass(&s, 30000);
	assert_int_equal(router_leases(s.router), 0);
	assert_int_equal(s.unconfirmed, 1);
	sim_done(&s);
}

/* What cannot be read back is deleted where the router said it is. */
static void
test_unreadable(void **state)
{
	static const enum sim_how ways[] = { SIM_CODE, SIM_RESET };

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(ways); i++) {
		struct sim s;
		struct sim_igd *g = sim_igd_init(&s, 1, 62);
		struct lease *l;

		g->fault[0] = code(IGD_GET_SPECIFIC_PORT_MAPPING_ENTRY, 401, 0);
		g->fault[0].how = ways[i];
		l = want_at(&s, 8080, 9000, TCP);
		pass_until_held(&s, l);
		release_all_and_done(&s, 0);
	}
}

/* Read back where it should be, it is deleted there, without another question. */
static void
test_seen(void **state)
{
	struct sim s;
	struct sim_igd *g = sim_igd_init(&s, 1, 63);
	unsigned asked;

	(void)state;
	(void)want_at(&s, 8080, 9000, TCP);
	sim_pass(&s, 5000);
	asked = g->count[IGD_GET_SPECIFIC_PORT_MAPPING_ENTRY];
	assert_int_equal(asked, 1);
	release_all(&s, 0);
	assert_int_equal(g->count[IGD_GET_SPECIFIC_PORT_MAPPING_ENTRY], asked);
	sim_done(&s);
}

/* A number that was refused is nowhere else: whose it is is asked, and no more. */
static void
test_refused(void **state)
{
	struct sim s;
	struct sim_igd *g = sim_igd_init(&s, 1, 69);

	(void)state;
	sim_igd_foreign(g, 6, 9000);
	(void)want_at(&s, 8080, 9000, TCP);
	sim_pass(&s, 800);
	assert_int_equal(g->count[IGD_ADD_PORT_MAPPING], 2);
	assert_int_equal(g->count[IGD_GET_SPECIFIC_PORT_MAPPING_ENTRY], 1);
	release_all_and_done(&s, 1);
}

/* Quirk 49: of the numbers that are tried after a refusal, too, none is another
 * mapping's of this host, which the router would let it take away. */
static void
test_refused_beside_a_sibling(void **state)
{
	struct sim s;
	struct sim_igd *g = sim_igd_init(&s, 1, 64);
	struct lease *first, *second;

	(void)state;
	g->overwrites = true;
	sim_igd_foreign(g, 6, 8080)->by_hand = true;
	sim_igd_foreign(g, 6, 8081)->by_hand = true;
	first = want_at(&s, 8080, 0, TCP);
	sim_pass(&s, 5000);
	assert_state(first, MAPPING_ACTIVE);
	second = want_at(&s, 8081, 0, TCP);
	sim_pass(&s, 5000);
	assert_state(second, MAPPING_ACTIVE);
	assert_int_not_equal(sim_status(first).held.external_port,
	    sim_status(second).held.external_port);
	assert_int_equal(sim_igd_entries(g), 4);
	release_all_and_done(&s, 2);
}

/* The same where all that would be tried are: none is taken away. */
static void
test_only_siblings(void **state)
{
	struct sim s;
	struct sim_igd *g = sim_igd_init(&s, 1, 74);
	struct lease *last = NULL;

	(void)state;
	g->overwrites = true;
	for (uint16_t i = 0; i < PORT_TRIES_MAX + 2; i++)
		last = want_at(&s, (uint16_t)(8080 + i), 9000, TCP);
	sim_pass(&s, 20000);
	assert_state(last, MAPPING_FAILED);
	for (struct lease *l = s.router->leases; l != last; l = l->next)
		assert_state(l, MAPPING_ACTIVE);
	assert_int_equal(sim_igd_entries(g), PORT_TRIES_MAX + 1);
	release_all_and_done(&s, 0);
}

/* Quirk 22: another host has the number, and our own entry of an earlier life stands at
 * the one that is asked next: it is looked at, too. */
static void
test_stale_at_the_other_number(void **state)
{
	uint16_t other = 0;

	(void)state;
	for (int stale = 0; stale < 2; stale++) {
		struct sim s;
		struct sim_igd *g = sim_igd_init(&s, 1, 77);
		struct lease *l;

		g->own_conflict = true;
		sim_igd_foreign(g, 6, 8080);
		if (stale)
			sim_igd_put(g, 6, other, 8080, "192.168.1.20", 0);
		l = want(&s, 8080, TCP);
		sim_pass(&s, 10000);
		assert_state(l, MAPPING_ACTIVE);
		assert_int_equal(sim_igd_entries(g), 2);
		/* The same is asked next whenever the first is taken. */
		if (stale)
			assert_port(l, other);
		other = sim_status(l).held.external_port;
		release_all_and_done(&s, 1);
	}
}

/* Quirk 22: our own entries of an earlier life, of both transports. */
static void
test_stale_pair(void **state)
{
	struct sim s;
	struct sim_igd *g = sim_igd_init(&s, 1, 65);
	struct lease *l;

	(void)state;
	g->own_conflict = true;
	sim_igd_put(g, 17, 8080, 8080, g->client, 0);
	sim_igd_put(g, 6, 8080, 8080, g->client, 0);
	l = want_at(&s, 8080, 0, TCP | UDP);
	sim_pass(&s, 5000);
	assert_served(&s, l, 2);
	assert_port(l, 8080);
	release_all_and_done(&s, 0);
}

/* The host slept between the two grants until the first was over: the pinhole that was
 * made by the second is kept. */
static void
test_half_lapsed(void **state)
{
	struct sim s;
	struct sim_igd *g = sim_igd_init(&s, 6, 66);
	struct lease_want w = sim_want(8080, TCP | UDP);
	struct lease *l;

	(void)state;
	w.internal = s.router->settings.local;
	w.lifetime_s = 300;
	l = want_as(&s, &w);
	for (unsigned i = 0; i < 500 && !(l->leg[TRANSPORT_UDP].held && g->busy); i++)
		sim_pass(&s, 1);
	assert_int_equal(sim_igd_entries(g), 1);
	s.now = l->leg[TRANSPORT_UDP].granted_at + 300000;
	sim_pass(&s, 5000);
	assert_served(&s, l, 2);
	assert_int_equal(g->count[IGD_ADD_PINHOLE], 3);
	release_all_and_done(&s, 0);
}

static unsigned asked_for;

static void
count_asked(struct sim *s, const struct lease *l, void *owner)
{
	(void)s;
	(void)l;
	(void)owner;
	asked_for++;
}

/* Only one of its two pinholes is gone: the other is kept.  To renew one by its id asks
 * for nothing that a note would have to tell. */
static void
test_half_gone(void **state)
{
	struct sim s;
	struct sim_igd *g = sim_igd_init(&s, 6, 67);
	struct lease_want w = sim_want(8080, TCP | UDP);
	struct lease *l;

	(void)state;
	s.on_asks = count_asked;
	w.internal = s.router->settings.local;
	l = want_as(&s, &w);
	sim_pass(&s, 5000);
	assert_state(l, MAPPING_ACTIVE);
	sim_igd_find_id(g, sim_status(l).held.pinhole_id[TRANSPORT_UDP])->used = false;
	lease_renew(l, s.now);
	sim_pass(&s, 5000);
	assert_state(l, MAPPING_ACTIVE);
	assert_int_equal(g->count[IGD_ADD_PINHOLE], 3);
	assert_int_equal(sim_igd_entries(g), 2);
	/* Both: each is made anew. */
	memset(g->entry, 0, sizeof(g->entry));
	lease_renew(l, s.now);
	sim_pass(&s, 5000);
	assert_state(l, MAPPING_ACTIVE);
	assert_int_equal(g->count[IGD_ADD_PINHOLE], 5);
	assert_int_equal(asked_for, 5);
	release_all_and_done(&s, 0);
}

/* The router has lost all pinholes and given their ids to others, which it says. */
static void
give_ids_away(struct sim_igd *g)
{
	memset(g->entry, 0, sizeof(g->entry));
	g->fault[0] =
	    (struct sim_fault) { IGD_CHECK_PINHOLE_WORKING, SIM_CODE, 606, 0, 0 };
	g->fault[1] = (struct sim_fault) { IGD_UPDATE_PINHOLE, SIM_CODE, 606, 0, 0 };
}

/* It is made anew as soon as that shows, each time. */
static void
test_id_of_another(void **state)
{
	struct sim s;
	struct sim_igd *g = sim_igd_init(&s, 6, 68);
	struct lease_want w = sim_want(8080, TCP);
	struct lease *l;

	(void)state;
	w.internal = s.router->settings.local;
	l = want_as(&s, &w);
	sim_pass(&s, 5000);
	for (unsigned made = 1; made <= 3; made++) {
		assert_state(l, MAPPING_ACTIVE);
		assert_false(sim_status(l).problem.present);
		assert_int_equal(g->count[IGD_ADD_PINHOLE], made);
		assert_int_equal(sim_igd_entries(g), 1);
		g->fault[0] = g->fault[1] = (struct sim_fault) { 0 };
		sim_pass(&s, 200000); /* until it is read back */
		give_ids_away(g);
		router_hint(s.router, s.now);
		sim_pass(&s, 1000);
	}
	g->fault[0] = g->fault[1] = (struct sim_fault) { 0 };
	release_all_and_done(&s, 0);
}

/* A router that lets nobody check anything: that costs one renewal. */
static void
test_check_denied(void **state)
{
	struct sim s;
	struct sim_igd *g = sim_igd_init(&s, 6, 69);
	struct lease_want w = sim_want(8080, TCP);
	struct lease *l;

	(void)state;
	g->fault[0] =
	    (struct sim_fault) { IGD_CHECK_PINHOLE_WORKING, SIM_CODE, 606, 0, 0 };
	w.internal = s.router->settings.local;
	l = want_as(&s, &w);
	sim_pass(&s, 3500000);
	assert_state(l, MAPPING_ACTIVE);
	assert_int_equal(g->count[IGD_ADD_PINHOLE], 1);
	assert_int_equal(g->count[IGD_UPDATE_PINHOLE], 1);
	release_all_and_done(&s, 0);
}

/* Granted for good, so that no renewal looks after it, by a router that once said that
 * it cannot be asked what it has. */
static void
test_asked_again(void **state)
{
	struct sim s;
	struct sim_igd *g = sim_igd_init(&s, 1, 68);
	struct lease *l;

	(void)state;
	g->permanent_only = true;
	g->fault[0] = code(IGD_GET_SPECIFIC_PORT_MAPPING_ENTRY, 401, 1);
	l = want_at(&s, 8080, 0, TCP);
	sim_pass(&s, 600000);
	assert_int_equal(g->count[IGD_GET_SPECIFIC_PORT_MAPPING_ENTRY], 1);
	memset(g->entry, 0, sizeof(g->entry));
	sim_pass(&s, 3600000);
	assert_served(&s, l, 1);
	release_all_and_done(&s, 0);
}

/* An Add was granted, which no memory let us read, and its turn to be asked again has
 * not come: what is released then is deleted like what is under way.  How long that
 * takes is a matter of how much was asked within the same second. */
static void
release_unread(unsigned version, uint16_t siblings)
{
	struct sim s;
	struct sim_igd *g = sim_igd_init(&s, version, 33);
	struct lease *(*ask)(struct sim *, uint16_t, unsigned) =
	    version == 6 ? want_pinhole : want;
	struct lease *l;

	sim_pass(&s, 5000);
	for (uint16_t i = 0; i < siblings; i++)
		ask(&s, (uint16_t)(8000 + i), TCP);
	sim_pass(&s, 500);
	l = ask(&s, 8080, TCP);
	for (unsigned i = 0; i < 2000 && sim_igd_entries(g) < siblings; i++)
		sim_pass(&s, 1);
	g->fault[0] = how(SIM_ANY_ACTION, SIM_DONE_NO_MEMORY, 1);
	for (unsigned i = 0; i < 2000 && sim_igd_entries(g) == siblings; i++)
		sim_pass(&s, 1);
	sim_pass(&s, 20);
	lease_release(l, s.now);
	sim_pass(&s, 8000);
	assert_int_equal(sim_igd_entries(g), siblings);
	release_all_and_done(&s, 0);
}

static void
test_release_unread(void **state)
{
	(void)state;
	for (uint16_t siblings = 0; siblings < 6; siblings++) {
		release_unread(1, siblings);
		release_unread(2, siblings);
		release_unread(6, siblings);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_moved_unseen),
		cmocka_unit_test(test_moved_away_from_another),
		cmocka_unit_test(test_stolen_unseen),
		cmocka_unit_test(test_forgotten_beside_another),
		cmocka_unit_test(test_moved_and_in_the_way),
		cmocka_unit_test(test_moved_or_silent),
		cmocka_unit_test(test_unreadable),
		cmocka_unit_test(test_seen),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_refused_beside_a_sibling),
		cmocka_unit_test(test_only_siblings),
		cmocka_unit_test(test_stale_at_the_other_number),
		cmocka_unit_test(test_stale_pair),
		cmocka_unit_test(test_half_lapsed),
		cmocka_unit_test(test_half_gone),
		cmocka_unit_test(test_id_of_another),
		cmocka_unit_test(test_check_denied),
		cmocka_unit_test(test_asked_again),
		cmocka_unit_test(test_release_unread),
	};

	return cmocka_run_group_tests_name("router_igd_left", tests, NULL, NULL);
}
