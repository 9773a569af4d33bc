/*
 * test_lifetime.c - the lifetime of a binding found by waiting, on a simulated clock;
 * never longer than it is.
 */
#include "proto/lifetime.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/unit/behavior_world.h"

struct found {
	int fragments;
	unsigned seconds, wakes, fresh;
	msec_t took_ms, asked_ms; /* asked: until the asker's first answer */
};

static void
fresh_socket(struct world *w, unsigned socket)
{
	w->local[socket].port =
	    (uint16_t)(20000 + 700 * socket + rng_below(&w->rng, 700));
}

static void
act_on(struct world *w, struct lifetime *l, enum lifetime_act act,
    const struct lifetime_send *send, struct found *f)
{
	if (act == LIFETIME_FRESH) {
		f->fresh++;
		fresh_socket(w, send->socket);
		lifetime_opened(l, send->socket, true);
	} else {
		world_send(w, send->socket, &send->to, send->buf, send->len);
	}
}

static void
hear(struct world *w, struct lifetime *l, unsigned socket, const struct packet *p)
{
	struct endpoint from = world_seen_from(w, p);

	lifetime_receive(l, socket, &from, p->buf, p->len, w->now);
}

static struct found
find(struct world *w)
{
	struct found f = { 0 };
	struct lifetime l;
	struct lifetime_send send;
	enum lifetime_act act;
	msec_t began_at = w->now;

	lifetime_init(&l, &w->servers[0].primary, w->now);
	for (;;) {
		struct packet *p;
		unsigned socket;

		assert_true(f.wakes++ < 20000);
		while ((act = lifetime_next(&l, &w->chance, w->now, &send)) ==
			   LIFETIME_SEND ||
		       act == LIFETIME_FRESH)
			act_on(w, &l, act, &send, &f);
		if (act == LIFETIME_DONE)
			break;
		assert_true(l.wake_at > w->now && l.wake_at < MSEC_NEVER);
		p = world_next(w, l.wake_at);
		if (!p) {
			w->now = l.wake_at;
			continue;
		}
		p->used = false;
		if (!p->to_client)
			world_answer(w, p);
		else if (world_arrives(w, p, &socket) && socket < LIFETIME_SOCKETS)
			hear(w, &l, socket, p);
	}
	assert_int_equal(
	    lifetime_next(&l, &w->chance, w->now + 1, &send), LIFETIME_WAIT);
	f.seconds = lifetime_seconds(&l);
	f.fragments = lifetime_fragments(&l);
	f.took_ms = w->now - began_at;
	return f;
}

static struct found
find_behind(
    const struct nat *nat, enum server_manner manner, unsigned loss, uint64_t seed)
{
	struct found f;
	struct world w;

	world_init(&w, nat, false, seed);
	world_server(&w, manner, 60);
	w.loss = loss;
	f = find(&w);
	world_done(&w);
	return f;
}

static const unsigned lifetimes_s[] = { 3, 8, 20, 30, 60, 90, 120, 180, 300, 500 };

static struct nat
nat_of(unsigned lifetime_s, enum behavior mapping)
{
	return (struct nat) { .mapping = mapping,
		.filtering = BEHAVIOR_ADDRESS_AND_PORT_DEPENDENT,
		.preserves = true,
		.lifetime_ms = lifetime_s * 1000 };
}

static void
test_found(void **state)
{
	static const enum behavior mappings[] = { BEHAVIOR_NONE,
		BEHAVIOR_ENDPOINT_INDEPENDENT, BEHAVIOR_ADDRESS_AND_PORT_DEPENDENT };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lifetimes_s); i++)
		for (size_t k = 0; k < ARRAY_SIZE(mappings); k++) {
			unsigned is = lifetimes_s[i];
			struct nat nat = nat_of(is, mappings[k]);
			struct found f = find_behind(&nat, FULL, 0, 1);

			if (f.seconds > is || f.seconds + 2 + is / 12 < is)
				fail_msg("%u s is found as %u s", is, f.seconds);
			assert_true(f.took_ms <= 3 * is * 1000 + 20000);
		}
}

static void
test_loss(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lifetimes_s); i++)
		for (uint64_t seed = 1; seed <= 100; seed++) {
			unsigned is = lifetimes_s[i];
			struct nat nat = nat_of(is, BEHAVIOR_ENDPOINT_INDEPENDENT);
			struct found f = find_behind(&nat, FULL, 10, seed);

			if (f.seconds > is || f.seconds + 3 + is / 6 < is)
				fail_msg("seed %u: %u s is found as %u s",
				    (unsigned)seed, is, f.seconds);
		}
}

static void
test_for_ever(void **state)
{
	struct nat nat = nat_of(0, BEHAVIOR_ENDPOINT_INDEPENDENT);
	struct found f = find_behind(&nat, FULL, 0, 1);

	(void)state;
	assert_int_equal(f.seconds, LIFETIME_MAX_S);
	assert_int_equal(f.fresh, LIFETIME_SOCKETS);
	assert_true(f.took_ms < 610000);
	/* It sleeps: a packet out and in for each socket, twice. */
	assert_true(f.wakes < 150);
}

static void
test_not_known(void **state)
{
	struct nat nat = nat_of(20, BEHAVIOR_ENDPOINT_INDEPENDENT);
	static const enum server_manner manners[] = { PORTLESS, CALLOUS, DEAD };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(manners); i++) {
		struct found f = find_behind(&nat, manners[i], 0, 1);

		assert_int_equal(f.seconds, 0);
		assert_true(f.took_ms < 10000);
	}
	/* The path breaks for good while they age: no verdict is made of that. */
	nat.blocks = true;
	assert_int_equal(find_behind(&nat, FULL, 0, 1).seconds, 0);
}

/* A server that goes away is no binding that dies. */
static void
test_server_leaves(void **state)
{
	struct nat nat = nat_of(0, BEHAVIOR_ENDPOINT_INDEPENDENT);
	struct lifetime l;
	struct lifetime_send send;
	enum lifetime_act act;
	struct found f = { 0 };
	struct world w;

	(void)state;
	world_init(&w, &nat, false, 1);
	world_server(&w, FULL, 60);
	lifetime_init(&l, &w.servers[0].primary, w.now);
	for (;;) {
		struct packet *p;
		unsigned socket;

		while ((act = lifetime_next(&l, &w.chance, w.now, &send)) ==
			   LIFETIME_SEND ||
		       act == LIFETIME_FRESH)
			act_on(&w, &l, act, &send, &f);
		if (act == LIFETIME_DONE)
			break;
		p = world_next(&w, l.wake_at);
		if (!p)
			w.now = l.wake_at;
		else if ((p->used = false, !p->to_client))
			world_answer(&w, p);
		else if (world_arrives(&w, p, &socket))
			hear(&w, &l, socket, p);
		if (w.now > T0 + 100000)
			w.servers[0].manner = DEAD;
	}
	/* 80 s was the last that was proven, and none was disproven. */
	assert_int_equal(lifetime_seconds(&l), 80);
	world_done(&w);
}

static void
test_fragments(void **state)
{
	struct nat nat = nat_of(20, BEHAVIOR_ENDPOINT_INDEPENDENT);

	(void)state;
	for (uint64_t seed = 1; seed <= 200; seed++) {
		nat.drops_fragments = seed % 2;
		assert_int_equal(
		    find_behind(&nat, FULL, 10, seed).fragments, seed % 2 == 0);
	}
	/* A server that sends no padding back proves nothing. */
	nat.drops_fragments = false;
	assert_int_equal(find_behind(&nat, CALLOUS, 0, 1).fragments, -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_found),
		cmocka_unit_test(test_loss),
		cmocka_unit_test(test_for_ever),
		cmocka_unit_test(test_not_known),
		cmocka_unit_test(test_server_leaves),
		cmocka_unit_test(test_fragments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
