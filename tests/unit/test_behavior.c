/*
 * test_behavior.c - every kind of NAT there can be, told right by its answers in the
 * time that is promised, and never told wrong, whatever is lost.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/unit/behavior_world.h"

#define LOSSY_RUNS 40 /* of each kind of NAT */

static const enum behavior rules[] = { BEHAVIOR_ENDPOINT_INDEPENDENT,
	BEHAVIOR_ADDRESS_DEPENDENT, BEHAVIOR_ADDRESS_AND_PORT_DEPENDENT };

struct outcome {
	struct behavior_result r;
	msec_t took_ms;
	unsigned least_sends; /* of a question that was not answered */
};

/* Runs the machine to its verdict. */
static void
run(struct world *w, struct outcome *ret)
{
	struct endpoint servers[BEHAVIOR_SERVERS];
	struct behavior_machine b;
	struct behavior_send send;
	enum behavior_act act;

	for (unsigned i = 0; i < w->servers_count; i++)
		servers[i] = w->servers[i].primary;
	behavior_init(&b, servers, w->servers_count, w->local, w->now);
	for (unsigned turns = 0;; turns++) {
		struct packet *p;
		unsigned socket;

		assert_true(turns < 5000);
		while ((act = behavior_next(&b, &w->chance, w->now, &send)) ==
		       BEHAVIOR_SEND) {
			assert_in_range(send.len, 20, sizeof(send.buf));
			world_send(w, send.socket, &send.to, send.buf, send.len);
		}
		if (act == BEHAVIOR_DONE)
			break;
		assert_true(b.wake_at > w->now && b.wake_at < MSEC_NEVER);
		p = world_next(w, b.wake_at);
		if (!p) {
			w->now = b.wake_at;
			continue;
		}
		p->used = false;
		if (!p->to_client)
			world_answer(w, p);
		else if (world_arrives(w, p, &socket) && socket < BEHAVIOR_SOCKETS) {
			struct endpoint from = world_seen_from(w, p);

			behavior_receive(&b, socket, &from, p->buf, p->len, w->now);
		}
	}
	*ret = (struct outcome) { .took_ms = w->now - b.began_at, .least_sends = 99 };
	behavior_get_result(&b, &ret->r);
	for (unsigned i = 0; i < b.servers_count; i++)
		for (unsigned q = 0; q < BEHAVIOR_QUESTIONS; q++)
			if (b.servers[i].asks[q].state == BEHAVIOR_SILENT &&
			    b.servers[i].asks[BEHAVIOR_FILTER_BOTH].state !=
				BEHAVIOR_ANSWERED)
				ret->least_sends =
				    MIN(ret->least_sends, b.servers[i].asks[q].sends);
	/* Nothing comes after the end. */
	assert_int_equal(
	    behavior_next(&b, &w->chance, w->now + 1, &send), BEHAVIOR_WAIT);
	assert_true(b.wake_at == MSEC_NEVER);
}

/* What is to be found; hairpinning -2: either unknown or as it is. */
static struct behavior_result
truth(const struct nat *nat)
{
	struct behavior_result r = {
		.mapping = nat->mapping,
		.filtering = nat->filtering,
		.hairpinning = nat->hairpin != HAIRPIN_NO,
		.port_preservation = nat->preserves,
	};

	if (nat->mapping == BEHAVIOR_NONE)
		r.hairpinning = r.port_preservation = -1;
	else if (nat->mapping != BEHAVIOR_ENDPOINT_INDEPENDENT &&
		 nat->filtering != BEHAVIOR_ENDPOINT_INDEPENDENT)
		r.hairpinning = nat->hairpin == HAIRPIN_FREE ? 1 : -1;
	return r;
}

static void
expect(const struct nat *nat, const struct outcome *o)
{
	struct behavior_result t = truth(nat);

	if (o->r.mapping == t.mapping && o->r.filtering == t.filtering &&
	    o->r.hairpinning == t.hairpinning &&
	    o->r.port_preservation == t.port_preservation)
		return;
	fail_msg("mapping %s is %s, filtering %s is %s, hairpin %d (%d) is %d, "
		 "preserves %d is %d",
	    behavior_name(t.mapping), behavior_name(o->r.mapping),
	    behavior_name(t.filtering), behavior_name(o->r.filtering), t.hairpinning,
	    nat->hairpin, o->r.hairpinning, t.port_preservation,
	    o->r.port_preservation);
}

/* Calls back for each kind of NAT. */
static unsigned
each_nat(void (*call)(const struct nat *nat, void *ctx), void *ctx)
{
	unsigned n = 0;

	for (unsigned m = 0; m < ARRAY_SIZE(rules); m++)
		for (unsigned f = 0; f < ARRAY_SIZE(rules); f++)
			for (enum nat_hairpin h = 0; h <= HAIRPIN_FILTERED; h++)
				for (unsigned p = 0; p < 2; p++, n++) {
					struct nat nat = { .mapping = rules[m],
						.filtering = rules[f],
						.hairpin = h,
						.preserves = p };

					call(&nat, ctx);
				}
	for (unsigned f = 0; f < ARRAY_SIZE(rules); f++, n++) {
		struct nat nat = { .mapping = BEHAVIOR_NONE, .filtering = rules[f] };

		call(&nat, ctx);
	}
	return n;
}

/* ---- right ---- */

struct setup {
	bool v6;
	enum server_manner servers[BEHAVIOR_SERVERS];
	unsigned count;
	msec_t rtt_ms;
};

static void
ask_setup(const struct setup *setup, const struct nat *nat, uint64_t seed,
    unsigned loss, struct outcome *ret)
{
	struct world w;

	world_init(&w, nat, setup->v6, seed);
	w.loss = loss;
	for (unsigned i = 0; i < setup->count; i++)
		world_server(&w, setup->servers[i], setup->rtt_ms);
	run(&w, ret);
	world_done(&w);
}

static void
check_one(const struct nat *nat, void *ctx)
{
	const struct setup *setup = ctx;
	msec_t rtt = setup->rtt_ms;
	struct outcome o;

	ask_setup(setup, nat, 1, 0, &o);
	expect(nat, &o);
	assert_true(o.took_ms <= 3000);
	assert_true(o.least_sends >= 3);
	if (nat->filtering == BEHAVIOR_ENDPOINT_INDEPENDENT)
		assert_true(o.took_ms <= 3 * rtt + 100);
}

/* F57: each kind of NAT is named as it is. */
static void
test_all(void **state)
{
	static const struct setup setups[] = {
		{ false, { FULL }, 1, 40 },
		{ true, { FULL }, 1, 40 },
		{ false, { FULL, FULL, SINGLE }, 3, 120 },
		{ false, { FULL }, 1, 0 },
		{ false, { SINGLE, FULL, SINGLE, FULL }, 4, 300 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(setups); i++)
		assert_int_equal(each_nat(check_one, (void *)&setups[i]), 57);
}

/* A satellite: fewer questions fit in, and still nothing wrong. */
static void
check_slow(const struct nat *nat, void *ctx)
{
	static const struct setup slow = { false, { FULL }, 1, 600 };
	struct outcome o;

	(void)ctx;
	ask_setup(&slow, nat, 1, 0, &o);
	expect(nat, &o);
	assert_true(o.took_ms <= 3000);
}

static void
test_slow(void **state)
{
	(void)state;
	each_nat(check_slow, NULL);
}

/* ---- loss ---- */

struct tally {
	const struct setup *setup;
	unsigned runs, right;
	msec_t longest_ms;
};

static bool
wrong_word(enum behavior said, enum behavior is)
{
	return said != is && said != BEHAVIOR_UNKNOWN;
}

static void
check_lossy(const struct nat *nat, void *ctx)
{
	struct tally *t = ctx;
	struct behavior_result is = truth(nat);

	for (unsigned i = 0; i < LOSSY_RUNS; i++) {
		uint64_t seed = ((uint64_t)t->runs << 8) + 77;
		struct outcome o;

		ask_setup(t->setup, nat, seed, 10, &o);
		t->runs++;
		t->longest_ms = MAX(t->longest_ms, o.took_ms);
		if (wrong_word(o.r.mapping, is.mapping) ||
		    wrong_word(o.r.filtering, is.filtering) ||
		    (o.r.hairpinning >= 0 && o.r.hairpinning != is.hairpinning) ||
		    (o.r.port_preservation >= 0 &&
			o.r.port_preservation != is.port_preservation)) {
			print_message("seed %llu\n", (unsigned long long)seed);
			expect(nat, &o);
		}
		if (o.r.mapping == is.mapping && o.r.filtering == is.filtering)
			t->right++;
		else
			print_message("unknown with seed %llu: %s, %s\n",
			    (unsigned long long)seed, behavior_name(o.r.mapping),
			    behavior_name(o.r.filtering));
	}
}

static void
test_loss(void **state)
{
	static const struct setup setups[] = {
		{ false, { FULL }, 1, 50 },
		{ false, { FULL, FULL, SINGLE }, 3, 80 },
		{ true, { SINGLE, FULL }, 2, 20 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(setups); i++) {
		struct tally t = { .setup = &setups[i] };

		each_nat(check_lossy, &t);
		print_message(
		    "%u of %u right at 10 %% loss each way, longest %lld ms\n", t.right,
		    t.runs, (long long)t.longest_ms);
		assert_true(t.runs >= 2000);
		assert_true(t.right * 1000 >= t.runs * 999);
		assert_true(t.longest_ms <= 3000);
	}
}

/* Answers that overtake each other. */
static void
check_jitter(const struct nat *nat, void *ctx)
{
	static const struct setup one = { false, { FULL }, 1, 60 };
	struct behavior_result is = truth(nat);
	unsigned *known = ctx;

	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct outcome o;
		struct world w;

		world_init(&w, nat, false, seed);
		world_server(&w, one.servers[0], one.rtt_ms);
		w.jitter_ms = 80;
		w.loss = 2;
		run(&w, &o);
		world_done(&w);
		if (wrong_word(o.r.mapping, is.mapping) ||
		    wrong_word(o.r.filtering, is.filtering) ||
		    (o.r.hairpinning >= 0 && o.r.hairpinning != is.hairpinning)) {
			print_message("seed %llu\n", (unsigned long long)seed);
			expect(nat, &o);
		}
		*known += o.r.filtering != BEHAVIOR_UNKNOWN;
	}
}

static void
test_jitter(void **state)
{
	unsigned known = 0;

	(void)state;
	each_nat(check_jitter, &known);
	print_message("%u of 1140 known with 80 ms of jitter\n", known);
	assert_true(known > 1130);
}

/* The path is dark for a second, or holds everything back for a while, at any time. */
static void
check_dark(const struct nat *nat, void *ctx)
{
	struct behavior_result is = truth(nat);
	unsigned *known = ctx;

	for (unsigned at = 0; at < 3000; at += 25) {
		struct outcome o;
		struct world w;

		world_init(&w, nat, false, at);
		world_server(&w, FULL, 50);
		if (at % 100) {
			w.dark_at = T0 + at;
			w.dark_ms = 1000;
		} else {
			w.frozen_at = T0 + at;
			w.frozen_ms = 300;
		}
		run(&w, &o);
		world_done(&w);
		if (wrong_word(o.r.mapping, is.mapping) ||
		    wrong_word(o.r.filtering, is.filtering) ||
		    (o.r.hairpinning >= 0 && o.r.hairpinning != is.hairpinning)) {
			print_message("dark or frozen after %u ms\n", at);
			expect(nat, &o);
		}
		*known += o.r.filtering != BEHAVIOR_UNKNOWN;
	}
}

static void
test_dark(void **state)
{
	unsigned known = 0;

	(void)state;
	each_nat(check_dark, &known);
	print_message("%u of 6840 known with a second of darkness\n", known);
}

/* What no test can tell any more is unknown. */
static void
check_heavy(const struct nat *nat, void *ctx)
{
	static const struct setup one = { false, { FULL }, 1, 50 };
	struct behavior_result is = truth(nat);
	unsigned *known = ctx;

	for (uint64_t seed = 1; seed <= 5; seed++) {
		struct outcome o;

		ask_setup(&one, nat, seed, 25, &o);
		if (wrong_word(o.r.mapping, is.mapping) ||
		    wrong_word(o.r.filtering, is.filtering)) {
			print_message("seed %llu\n", (unsigned long long)seed);
			expect(nat, &o);
		}
		*known += o.r.filtering != BEHAVIOR_UNKNOWN;
	}
}

static void
test_heavy_loss(void **state)
{
	unsigned known = 0;

	(void)state;
	each_nat(check_heavy, &known);
	print_message("%u of 285 known at 25 %% loss each way\n", known);
}

/* ---- servers ---- */

#define EI BEHAVIOR_ENDPOINT_INDEPENDENT
#define AD BEHAVIOR_ADDRESS_DEPENDENT
#define APD BEHAVIOR_ADDRESS_AND_PORT_DEPENDENT
#define UNKNOWN BEHAVIOR_UNKNOWN
#define NO_NAT BEHAVIOR_NONE
#define BEHIND(m, f, p, b)                                                \
	{                                                                 \
		.mapping = m, .filtering = f, .preserves = p, .blocks = b \
	}
static const struct {
	struct nat nat;
	struct setup setup;
	enum behavior mapping, filtering;
} of_servers[] = {
	/* One address: by comparing. */
	{ BEHIND(EI, APD, 1, 0), { 0, { SINGLE, SINGLE }, 2, 40 }, EI, UNKNOWN },
	{ BEHIND(APD, APD, 1, 0), { 0, { SINGLE, SINGLE }, 2, 40 }, UNKNOWN, UNKNOWN },
	{ BEHIND(EI, APD, 1, 0), { 0, { SINGLE }, 1, 40 }, UNKNOWN, UNKNOWN },
	{ BEHIND(NO_NAT, APD, 1, 0), { 0, { SINGLE }, 1, 40 }, NO_NAT, UNKNOWN },
	{ BEHIND(EI, EI, 1, 0), { 0, { SINGLE, DEAD, SINGLE }, 3, 40 }, EI, UNKNOWN },
	/* Some are dead. */
	{ BEHIND(EI, APD, 1, 0), { 0, { DEAD, FULL }, 2, 40 }, EI, APD },
	{ BEHIND(EI, EI, 1, 0), { 0, { DEAD, DEAD, DEAD, FULL }, 4, 40 }, EI, EI },
	{ BEHIND(AD, AD, 0, 0), { 0, { FULL, DEAD }, 2, 40 }, AD, AD },
	/* Some do not what they say: no verdict from their silence. */
	{ BEHIND(EI, EI, 1, 0), { 0, { MUTE }, 1, 40 }, EI, UNKNOWN },
	{ BEHIND(EI, EI, 1, 0), { 0, { DEAF }, 1, 40 }, EI, UNKNOWN },
	{ BEHIND(EI, APD, 1, 0), { 0, { REFUSING }, 1, 40 }, EI, UNKNOWN },
	{ BEHIND(EI, AD, 1, 0), { 0, { MUTE, FULL }, 2, 40 }, EI, AD },
	{ BEHIND(EI, EI, 1, 0), { 0, { ONE_IP }, 1, 40 }, UNKNOWN, UNKNOWN },
	{ BEHIND(EI, EI, 1, 0), { 0, { ONE_PORT }, 1, 40 }, UNKNOWN, UNKNOWN },
	{ BEHIND(EI, EI, 1, 0), { 0, { INSIDE }, 1, 40 }, UNKNOWN, UNKNOWN },
	/* Of two minds. */
	{ BEHIND(EI, EI, 1, 0), { 0, { SINGLE, LYING }, 2, 40 }, UNKNOWN, UNKNOWN },
	{ BEHIND(EI, EI, 1, 0), { 0, { FULL, LYING }, 2, 40 }, UNKNOWN, EI },
	/* Nobody. */
	{ BEHIND(EI, EI, 1, 0), { 0, { DEAD, DEAD }, 2, 40 }, UNKNOWN, UNKNOWN },
	{ BEHIND(EI, EI, 1, 1), { 0, { FULL, FULL }, 2, 40 }, UNKNOWN, UNKNOWN },
	{ BEHIND(EI, EI, 1, 1), { 1, { FULL, SINGLE }, 2, 40 }, UNKNOWN, UNKNOWN },
};

/* F58: STUN servers of one address only, or with another that is none. */
static void
test_servers(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(of_servers); i++) {
		bool nobody =
		    of_servers[i].nat.blocks || of_servers[i].setup.servers[0] == DEAD;
		struct outcome o;

		ask_setup(&of_servers[i].setup, &of_servers[i].nat, i, 0, &o);
		if (o.r.mapping != of_servers[i].mapping ||
		    o.r.filtering != of_servers[i].filtering)
			fail_msg("row %zu: %s, %s", i, behavior_name(o.r.mapping),
			    behavior_name(o.r.filtering));
		assert_true(o.took_ms <= 3000);
		if (nobody && o.r.mapping == UNKNOWN)
			assert_int_equal(o.r.reflexive.addr.family, ADDR_NONE);
		else
			assert_int_equal(o.r.reflexive.addr.family, ADDR_IPV4);
	}
}

/* The filter opens for all of a host's sockets at once: who asks about it first finds
 * it as it is, closed to strangers. */
static void
test_filter_of_a_host(void **state)
{
	static const struct setup one = { false, { FULL }, 1, 40 };

	(void)state;
	for (unsigned f = 0; f < ARRAY_SIZE(rules); f++) {
		struct nat nat = {
			.mapping = EI, .filtering = rules[f], .per_host = true
		};
		struct outcome o;

		ask_setup(&one, &nat, 1, 0, &o);
		expect(&nat, &o);
	}
}

/* What nobody asked for comes with the router's own address. */
static void
test_masked(void **state)
{
	static const struct setup one = { false, { FULL }, 1, 40 };
	struct nat nat = {
		.mapping = EI, .filtering = EI, .hairpin = HAIRPIN_FREE, .masks = true
	};
	struct outcome o;

	(void)state;
	ask_setup(&one, &nat, 1, 0, &o);
	expect(&nat, &o);
}

/* Both of a server's addresses are configured as two servers. */
static void
test_same_machine(void **state)
{
	struct nat nat = { .mapping = EI, .filtering = AD, .preserves = true };
	struct outcome o;
	struct world w;

	(void)state;
	world_init(&w, &nat, false, 3);
	world_server(&w, FULL, 40);
	world_server(&w, FULL, 40);
	w.servers[1].primary = world_endpoint(&w, 33, 2, 3478);
	w.servers[1].other = world_endpoint(&w, 33, 1, 3479);
	/* It answers ten times a second, by either. */
	w.limit = 10;
	run(&w, &o);
	expect(&nat, &o);
	assert_true(w.to_servers <= 32);
	world_done(&w);
}

/* ---- how much ---- */

/* A server that answers ten a second to each source, as ours does, is enough. */
static void
check_limited(const struct nat *nat, void *ctx)
{
	unsigned *most = ctx;
	struct outcome o;
	struct world w;

	world_init(&w, nat, false, 3);
	world_server(&w, FULL, 40);
	w.limit = 10;
	run(&w, &o);
	expect(nat, &o);
	*most = MAX(*most, w.to_servers);
	world_done(&w);
}

static void
test_packets(void **state)
{
	unsigned most = 0;

	(void)state;
	each_nat(check_limited, &most);
	print_message("at most %u packets\n", most);
	assert_true(most <= 40);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all),
		cmocka_unit_test(test_slow),
		cmocka_unit_test(test_loss),
		cmocka_unit_test(test_heavy_loss),
		cmocka_unit_test(test_jitter),
		cmocka_unit_test(test_dark),
		cmocka_unit_test(test_servers),
		cmocka_unit_test(test_filter_of_a_host),
		cmocka_unit_test(test_masked),
		cmocka_unit_test(test_same_machine),
		cmocka_unit_test(test_packets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
