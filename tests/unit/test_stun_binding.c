/*
 * test_stun_binding.c - STUN bindings on a simulated clock: servers that answer, are
 * silent, refuse, send elsewhere; ten thousand bindings at once.
 */
#include "proto/stun_binding.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/stun_attr.h"

#define T0 INT64_C(1000000)
#define SERVERS 4

enum manner { ANSWERS, SILENT, REFUSES, UNREACHABLE, REDIRECTS };

/* Servers, and one binding with its owner. */
struct world {
	enum manner manners[SERVERS];
	msec_t delay_ms[SERVERS];
	struct endpoint sees[SERVERS];
	unsigned usable; /* servers that can be chosen */
	bool no_reopen;
	bool held; /* the first server had the binding before */
	struct rng rng;
	struct crypto_rng *ids;
	struct stun_chance chance;

	struct stun_binding b;
	msec_t now;
	unsigned asked; /* servers chosen since the search began, as bits */
	bool is_open[STUN_BINDING_ATTEMPTS];
	unsigned server_of[STUN_BINDING_ATTEMPTS];
	struct {
		bool used;
		unsigned slot;
		enum manner manner;
		struct endpoint sees;
		msec_t at;
		struct stun_id id;
	} wire[64];

	/* what happened */
	unsigned sends, opens, founds, losts, wakes, idle_wakes, fails[SERVERS];
	msec_t found_at, last_send_at;
};

static const struct endpoint elsewhere = {
	.addr = { .family = ADDR_IPV4, .bytes = { 11, 22, 33, 99 } },
	.port = 3478,
};

static struct endpoint
server(unsigned i)
{
	return (struct endpoint) { .addr = addr_ipv4(11, 22, 33, (uint8_t)(1 + i)),
		.port = 3478 };
}

static struct endpoint
seen(uint16_t port)
{
	return (struct endpoint) { .addr = addr_ipv4(11, 22, 44, 1), .port = port };
}

static void
world_init(struct world *w, uint64_t seed)
{
	uint8_t bytes[CRYPTO_RNG_SEED_LEN] = { (uint8_t)seed };

	*w = (struct world) { .rng = { seed }, .now = T0, .usable = 2 };
	assert_int_equal(crypto_rng_new(bytes, &w->ids), 0);
	w->chance = (struct stun_chance) { .ids = w->ids, .rng = &w->rng };
	for (unsigned i = 0; i < SERVERS; i++) {
		w->delay_ms[i] = 20;
		w->sees[i] = seen(40000);
	}
	stun_binding_init(&w->b, STUN_KEEPALIVE_MS, w->now);
}

static void
world_done(struct world *w)
{
	crypto_rng_free(w->ids);
}

static void
put_on_wire(struct world *w, unsigned slot, const struct stun_binding_step *step)
{
	unsigned s = w->server_of[slot];
	struct stun_msg m;

	assert_int_equal(stun_decode(step->buf, sizeof(step->buf), 0, &m), 0);
	w->sends++;
	w->last_send_at = w->now;
	for (size_t i = 0; i < ARRAY_SIZE(w->wire); i++)
		if (!w->wire[i].used) {
			w->wire[i].used = true;
			w->wire[i].slot = slot;
			w->wire[i].at = w->now + (s == SERVERS ? 20 : w->delay_ms[s]);
			w->wire[i].manner = s == SERVERS ? ANSWERS : w->manners[s];
			w->wire[i].sees = s == SERVERS ? seen(40000) : w->sees[s];
			memcpy(w->wire[i].id.bytes, stun_msg_id(&m), STUN_ID_LEN);
			return;
		}
	fail_msg("too much on the wire");
}

static void
open_one(struct world *w, const struct stun_binding_step *step)
{
	assert_false(w->is_open[step->slot]);
	for (unsigned i = 0; i < w->usable; i++) {
		struct endpoint to = server(i);

		if (w->asked & 1u << i)
			continue;
		w->asked |= 1u << i;
		w->is_open[step->slot] = true;
		w->server_of[step->slot] = i;
		w->opens++;
		assert_int_equal(stun_binding_opened(&w->b, &w->chance, step->slot, i,
				     &to, NULL, w->now),
		    0);
		if (w->held && i == 0)
			stun_binding_held(&w->b, w->now);
		return;
	}
	stun_binding_none(&w->b, step->slot, w->now);
}

/* Does what the machine says; whether anything was sent. */
static bool
pump(struct world *w)
{
	struct stun_binding_step step;
	unsigned sends = w->sends;

	for (unsigned i = 0;; i++) {
		assert_in_range(i, 0, 100);
		switch (stun_binding_next(&w->b, &w->chance, w->now, &step)) {
		case STUN_BINDING_WAIT:
			return w->sends > sends;
		case STUN_BINDING_OPEN:
			open_one(w, &step);
			break;
		case STUN_BINDING_REOPEN:
			assert_true(w->is_open[step.slot]);
			assert_true(endpoint_equal(&step.to, &elsewhere));
			if (w->no_reopen) {
				w->is_open[step.slot] = false;
				stun_binding_none(&w->b, step.slot, w->now);
				break;
			}
			w->server_of[step.slot] = SERVERS;
			assert_int_equal(
			    stun_binding_opened(&w->b, &w->chance, step.slot,
				step.server, &step.to, NULL, w->now),
			    0);
			break;
		case STUN_BINDING_SEND:
			assert_true(w->is_open[step.slot]);
			put_on_wire(w, step.slot, &step);
			break;
		case STUN_BINDING_CLOSE:
			assert_true(w->is_open[step.slot]);
			w->is_open[step.slot] = false;
			w->fails[step.server] += step.failed;
			/* What is under way finds no socket. */
			for (size_t j = 0; j < ARRAY_SIZE(w->wire); j++)
				if (w->wire[j].slot == step.slot)
					w->wire[j].used = false;
			break;
		case STUN_BINDING_FOUND:
			w->founds++;
			w->found_at = w->now;
			w->asked = 0;
			break;
		case STUN_BINDING_LOST:
			w->losts++;
			w->asked = 0;
			break;
		}
	}
}

static void
deliver(struct world *w, size_t i)
{
	enum manner manner = w->wire[i].manner;
	struct stun_client_answer a;
	struct stun_out out;
	uint8_t buf[128];

	w->wire[i].used = false;
	if (manner == SILENT)
		return;
	if (manner == UNREACHABLE) {
		stun_binding_error(&w->b, w->wire[i].slot, -ECONNREFUSED, w->now);
		return;
	}
	stun_begin(&out, buf, sizeof(buf),
	    manner == ANSWERS ? STUN_SUCCESS : STUN_ERROR, STUN_BINDING,
	    &w->wire[i].id);
	if (manner == ANSWERS)
		stun_put_address(&out, STUN_XOR_MAPPED_ADDRESS, &w->wire[i].sees);
	else
		stun_put_error(&out, manner == REDIRECTS ? 300 : 500);
	if (manner == REDIRECTS)
		stun_put_address(&out, STUN_ALTERNATE_SERVER, &elsewhere);
	stun_binding_receive(&w->b, w->wire[i].slot, &w->chance, buf,
	    (size_t)stun_end(&out), w->now, &a);
}

static void
run_until(struct world *w, msec_t end)
{
	pump(w);
	for (;;) {
		msec_t next = w->b.wake_at;
		ssize_t arriving = -1;

		for (size_t i = 0; i < ARRAY_SIZE(w->wire); i++)
			if (w->wire[i].used && w->wire[i].at <= next) {
				next = w->wire[i].at;
				arriving = (ssize_t)i;
			}
		if (next > end) {
			w->now = end;
			return;
		}
		assert_true(next >= w->now);
		w->now = next;
		if (arriving >= 0) {
			deliver(w, (size_t)arriving);
			pump(w);
		} else {
			w->wakes++;
			w->idle_wakes += !pump(w);
		}
	}
}

/* ---- one binding ---- */

static void
test_found_and_kept(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, 1);
	run_until(&w, T0 + 20);
	assert_int_equal(w.founds, 1);
	assert_int_equal(w.found_at, T0 + 20);
	assert_true(endpoint_equal(
	    &w.b.reflexive, &(struct endpoint) { seen(40000).addr, 40000 }));
	assert_true(
	    endpoint_equal(&w.b.server, &(struct endpoint) { server(0).addr, 3478 }));
	run_until(&w, T0 + 3600 * MSEC_PER_SEC);
	/* An hour at 13.5 to 15 s; nothing is told that did not change. */
	assert_in_range(w.sends, 240, 268);
	assert_int_equal(w.founds, 1);
	assert_int_equal(w.opens, 1);
	assert_int_equal(w.idle_wakes, 0);
	world_done(&w);
}

static void
test_change_is_told_at_once(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, 2);
	run_until(&w, T0 + 1000);
	w.sees[0] = seen(40001);
	run_until(&w, T0 + 30000);
	assert_int_equal(w.founds, 2);
	/* With the packet that shows it. */
	assert_true(w.found_at - T0 <= 15040);
	assert_int_equal(w.b.reflexive.port, 40001);
	world_done(&w);
}

/* F56: the keepalive of a binding is within its bounds. */
static void
test_interval(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, 3);
	stun_binding_set_interval(&w.b, 84000); /* 0.7 of 120 s */
	run_until(&w, T0 + 1000);
	assert_in_range(w.b.due_at, T0 + 20 + 75600, T0 + 20 + 84000);
	stun_binding_set_interval(&w.b, 1);
	assert_int_equal(w.b.interval_ms, STUN_KEEPALIVE_MIN_MS);
	stun_binding_set_interval(&w.b, MSEC_NEVER);
	assert_int_equal(w.b.interval_ms, STUN_KEEPALIVE_MAX_MS);
	world_done(&w);
}

/* How soon a binding is found with the first server in some way useless. */
static void
test_first_server(void **state)
{
	static const struct {
		enum manner manner;
		msec_t found_after_ms;
		unsigned fails;
		bool held;
		msec_t delay_ms;
		bool more; /* soon there is another one, its name was resolved */
	} rows[] = {
		{ ANSWERS, 20, 0, false, 20, false },
		{ ANSWERS, 270, 0, false, 600, false }, /* 250 ms, then the other one */
		{ SILENT, 270, 0, false, 20, false },
		{ REFUSES, 40, 1, false, 20, false }, /* at once the other one */
		{ UNREACHABLE, 40, 1, false, 20, false },
		{ REDIRECTS, 40, 0, false, 20, false },
		/* One that had the binding before is waited for. */
		{ ANSWERS, 600, 0, true, 600, false },
		{ ANSWERS, 600, 0, true, 600, true },
		{ SILENT, 2020, 1, true, 20, true },
		{ SILENT, 270, 0, false, 20, true },
		{ SILENT, 2020, 1, true, 20, false },
		{ REFUSES, 40, 1, true, 20, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct world w;

		world_init(&w, i);
		w.manners[0] = rows[i].manner;
		w.held = rows[i].held;
		w.delay_ms[0] = rows[i].delay_ms;
		run_until(&w, T0 + 10);
		if (rows[i].more)
			stun_binding_more(&w.b, w.now);
		run_until(&w, T0 + 5000);
		assert_int_equal(w.founds, 1);
		assert_int_equal(w.found_at - T0, rows[i].found_after_ms);
		assert_int_equal(w.fails[0], rows[i].fails);
		/* Only the winner keeps its socket. */
		assert_int_equal(w.is_open[0] + w.is_open[1] + w.is_open[2], 1);
		world_done(&w);
	}
}

static void
test_redirect_leads_nowhere(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, 1);
	w.manners[0] = REDIRECTS;
	w.no_reopen = true;
	run_until(&w, T0 + 5000);
	assert_int_equal(w.founds, 1);
	assert_true(
	    endpoint_equal(&w.b.server, &(struct endpoint) { server(1).addr, 3478 }));
	world_done(&w);
}

/* The server of a kept binding dies: another one takes over within 2.3 s. */
static void
test_failover(void **state)
{
	struct world w;
	msec_t asked_at;

	(void)state;
	world_init(&w, 4);
	run_until(&w, T0 + 1000);
	w.manners[0] = SILENT;
	w.sees[1] = seen(50000);
	asked_at = w.b.due_at;
	w.asked = 1;
	run_until(&w, asked_at + 60000);
	assert_int_equal(w.founds, 2);
	assert_in_range(w.found_at, asked_at + 2000, asked_at + 2300);
	assert_int_equal(w.b.reflexive.port, 50000);
	assert_int_equal(w.fails[0], 1);
	world_done(&w);
}

/* One lost keepalive changes nothing. */
static void
test_loss(void **state)
{
	struct world w;
	msec_t asked_at;

	(void)state;
	world_init(&w, 5);
	run_until(&w, T0 + 1000);
	w.manners[0] = SILENT;
	asked_at = w.b.due_at;
	run_until(&w, asked_at + 300);
	w.manners[0] = ANSWERS;
	run_until(&w, asked_at + 10000);
	assert_int_equal(w.founds, 1);
	assert_int_equal(w.opens, 1);
	assert_int_equal(w.b.phase, STUN_BINDING_KEPT);
	world_done(&w);
}

/* F55: all STUN servers are dead. */
static void
test_all_dead(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, 6);
	w.manners[0] = w.manners[1] = SILENT;
	run_until(&w, T0 + 39900);
	assert_int_equal(w.losts, 1);
	assert_int_equal(w.sends, 14);
	assert_int_equal(w.fails[0] + w.fails[1], 2);
	assert_int_equal(w.b.phase, STUN_BINDING_RESTING);
	/* Less and less often: the eleventh day costs no more than 200 requests. */
	run_until(&w, T0 + 10 * 86400 * MSEC_PER_SEC);
	w.sends = 0;
	run_until(&w, w.now + 86400 * MSEC_PER_SEC);
	assert_in_range(w.sends, 14 * 100, 14 * 300);
	w.manners[1] = ANSWERS;
	run_until(&w, w.now + 11 * 60 * MSEC_PER_SEC);
	assert_int_equal(w.founds, 1);
	world_done(&w);
}

static void
test_no_server_then_one(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, 7);
	w.usable = 0;
	run_until(&w, T0 + 10);
	assert_int_equal(w.losts, 1);
	w.usable = 1; /* its name was resolved */
	stun_binding_more(&w.b, w.now);
	run_until(&w, T0 + 40);
	assert_int_equal(w.founds, 1);
	world_done(&w);
}

static void
test_network_change(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, 8);
	run_until(&w, T0 + 5000);
	w.asked = 0;
	w.sees[0] = seen(41000);
	stun_binding_restart(&w.b, w.now);
	run_until(&w, T0 + 5020);
	assert_int_equal(w.founds, 2);
	assert_int_equal(w.found_at, T0 + 5020);
	assert_int_equal(w.b.reflexive.port, 41000);
	/* The same address again is told, too: the caller's may be another. */
	w.asked = 0;
	stun_binding_restart(&w.b, w.now);
	run_until(&w, w.now + 20);
	assert_int_equal(w.founds, 3);
	world_done(&w);
}

static void
test_hurry(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, 10);
	run_until(&w, T0 + 5000);
	w.sees[0] = seen(42000);
	stun_binding_hurry(&w.b, w.now);
	run_until(&w, T0 + 5020);
	assert_int_equal(w.founds, 2);
	assert_int_equal(w.opens, 1);
	/* While it is asked nothing is asked twice. */
	w.sends = 0;
	stun_binding_hurry(&w.b, w.now);
	pump(&w);
	stun_binding_hurry(&w.b, w.now);
	pump(&w);
	assert_int_equal(w.sends, 1);
	world_done(&w);
}

static void
test_suspend(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, 9);
	run_until(&w, T0 + 5000);
	w.now += 8 * 3600 * MSEC_PER_SEC;
	w.sends = 0;
	pump(&w);
	assert_int_equal(w.sends, 1);
	run_until(&w, w.now + 10000);
	assert_int_equal(w.sends, 1);
	world_done(&w);
}

/* ---- ten thousand ---- */

static void
test_many(void **state)
{
	enum { MANY = 10000, MINUTES = 10 };
	struct world *all = calloc(MANY, sizeof(*all));
	unsigned sends = 0, wakes = 0, idle = 0, per_second[MINUTES * 60] = { 0 };
	unsigned busiest = 0;

	(void)state;
	assert_true(sizeof(struct stun_binding) <= 512);
	assert_non_null(all);
	for (unsigned i = 0; i < MANY; i++) {
		struct world *w = &all[i];

		world_init(w, i);
		for (unsigned s = 1; s < MINUTES * 60; s++) {
			unsigned before = w->sends;

			run_until(w, T0 + s * MSEC_PER_SEC);
			per_second[s] += w->sends - before;
		}
		assert_int_equal(w->founds, 1);
		sends += w->sends;
		wakes += w->wakes;
		idle += w->idle_wakes;
		world_done(w);
	}
	free(all);
	/* The first send needs no wake-up; each other one has its own. */
	assert_int_equal(idle, 0);
	assert_int_equal(wakes, sends - MANY);
	/* All began at once; after some minutes they are spread: never three times the
	 * mean of a second. */
	for (unsigned s = 300; s < MINUTES * 60; s++)
		busiest = MAX(busiest, per_second[s]);
	assert_in_range(busiest, MANY / 15, 3 * MANY / 15);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_found_and_kept),
		cmocka_unit_test(test_change_is_told_at_once),
		cmocka_unit_test(test_interval),
		cmocka_unit_test(test_first_server),
		cmocka_unit_test(test_redirect_leads_nowhere),
		cmocka_unit_test(test_failover),
		cmocka_unit_test(test_loss),
		cmocka_unit_test(test_all_dead),
		cmocka_unit_test(test_no_server_then_one),
		cmocka_unit_test(test_network_change),
		cmocka_unit_test(test_hurry),
		cmocka_unit_test(test_suspend),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
