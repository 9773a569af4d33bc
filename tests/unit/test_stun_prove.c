/*
 * test_stun_prove.c - a port is proven open or closed, or nothing is said: with our own
 * server and with those that do other things than RFC 5780 says.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "proto/crypto.h"
#include "proto/stun_attr.h"
#include "proto/stun_prove.h"
#include "proto/stun_server.h"

#define PORT 40000    /* outside, to be proven */
#define ASKER 50001   /* as which ASK is seen */
#define CONTROL 50002 /* as which CONTROL is seen */

enum manner {
	HONEST,
	ONE_ADDRESS, /* a server of RFC 8489 */
	IGNORES,     /* answers where the question came from */
	REFUSES,     /* RESPONSE-PORT is not understood: 420 */
	SILENT,
	LIES,       /* its other address is not there */
	SAME_OTHER, /* OTHER-ADDRESS is its own */
};

struct world {
	enum manner manner;
	bool open;              /* the mapping forwards */
	unsigned lose_controls; /* of the first so many rounds */
	bool forged;            /* a stranger sends what the server would */
	enum stun_prove_place where;
	struct stun_responder server;
	struct stun_prove p;
	struct crypto_rng *ids;
	struct rng rng;
	msec_t now, spent;
	unsigned sent, controls;
	unsigned from_place; /* answers that came from where they should */
};

static struct endpoint
at(uint8_t last, uint16_t port)
{
	return (struct endpoint) { addr_ipv4(11, 22, 33, last), port };
}

static void
deliver(struct world *w, enum stun_prove_socket socket, unsigned from,
    const uint8_t *buf, size_t len)
{
	struct endpoint source = w->server.local[from];

	if (w->forged && socket == STUN_PROVE_TARGET)
		source.port = 9;
	stun_prove_receive(&w->p, socket, &source, buf, len, w->now);
}

/* The server's answer, through a NAT that lets in what is answered and what is mapped.
 */
static void
answer(struct world *w, const struct stun_prove_send *s)
{
	uint8_t out[STUN_SERVER_MESSAGE_MAX];
	struct stun_arrival arrival = {
		.from = at(44, s->socket == STUN_PROVE_CONTROL ? CONTROL : ASKER),
	};
	struct stun_reply reply;
	const bool plain = s->len == STUN_HEADER_LEN;

	for (unsigned i = 0; i < STUN_SERVER_SOCKETS; i++)
		if (endpoint_equal(&s->to, &w->server.local[i]))
			arrival.socket = i;
	if (w->manner == SILENT ||
	    (w->manner == LIES && s->socket == STUN_PROVE_CONTROL && arrival.socket))
		return;
	if (!stun_responder_answer(&w->server, &arrival, s->buf, s->len, out, &reply))
		return;
	if (w->manner == IGNORES || plain || reply.to.port == ASKER) {
		deliver(w, s->socket, w->manner == IGNORES ? 0 : reply.socket, out,
		    reply.len);
	} else if (reply.to.port == CONTROL) {
		if (++w->controls > w->lose_controls)
			deliver(w, STUN_PROVE_CONTROL, reply.socket, out, reply.len);
	} else if (reply.to.port == PORT && w->open) {
		w->from_place +=
		    endpoint_equal(&w->server.local[reply.socket], &w->p.place);
		deliver(w, STUN_PROVE_TARGET, reply.socket, out, reply.len);
	}
}

static enum stun_prove_verdict
run(struct world *w)
{
	const uint8_t seed[CRYPTO_RNG_SEED_LEN] = { 1 };
	const struct endpoint main_ = at(1, 3478), alternate = at(2, 3479);
	struct stun_chance chance;
	struct stun_prove_send s;

	assert_int_equal(crypto_rng_new(seed, &w->ids), 0);
	chance = (struct stun_chance) { w->ids, &w->rng };
	stun_responder_init(
	    &w->server, &main_, w->manner == ONE_ADDRESS ? NULL : &alternate);
	if (w->manner == SAME_OTHER)
		w->server.local[3] = main_;
	w->now = 1000;
	stun_prove_init(&w->p, &main_, w->where, PORT, w->now);
	w->now += 3; /* nobody is called in the very millisecond */
	while (w->p.verdict == STUN_PROVE_PENDING) {
		assert_true(w->now < 20000);
		while (stun_prove_next(&w->p, &chance, w->now, &s)) {
			w->sent++;
			if (w->manner == REFUSES && s.len > STUN_HEADER_LEN)
				w->server.two_addresses = false;
			answer(w, &s);
		}
		if (!w->p.ready && w->p.place.addr.family != ADDR_NONE &&
		    w->p.verdict == STUN_PROVE_PENDING)
			stun_prove_begin(&w->p, w->now);
		else if (w->p.verdict == STUN_PROVE_PENDING && w->p.wake_at > w->now)
			w->now = w->p.wake_at;
	}
	w->spent = w->now - 1003;
	w->ids = crypto_rng_free(w->ids);
	return w->p.verdict;
}

static const struct {
	struct world world;
	enum stun_prove_verdict verdict;
	msec_t most_ms;
} rows[] = {
	{ { HONEST, .open = true }, STUN_PROVE_OPEN, 0 },
	{ { HONEST, .open = true, .where = STUN_PROVE_OTHER_BOTH }, STUN_PROVE_OPEN,
	    0 },
	{ { HONEST, .open = true, .where = STUN_PROVE_OTHER_PORT }, STUN_PROVE_OPEN,
	    0 },
	{ { HONEST, .open = true, .where = STUN_PROVE_OTHER_ADDRESS }, STUN_PROVE_OPEN,
	    0 },
	{ { HONEST, .open = false }, STUN_PROVE_CLOSED, 2700 },
	{ { HONEST, .where = STUN_PROVE_OTHER_BOTH }, STUN_PROVE_CLOSED, 2700 },
	/* Open is proven by one answer, whatever else is lost. */
	{ { HONEST, .open = true, .lose_controls = 8 }, STUN_PROVE_OPEN, 0 },
	{ { HONEST, .lose_controls = 3 }, STUN_PROVE_CLOSED, 2700 },
	{ { HONEST, .lose_controls = 4 }, STUN_PROVE_UNSURE, 2700 },
	{ { HONEST, .lose_controls = 8 }, STUN_PROVE_UNSUPPORTED, 2700 },
	{ { HONEST, .open = true, .forged = true }, STUN_PROVE_CLOSED, 2700 },
	{ { ONE_ADDRESS, .open = true }, STUN_PROVE_UNSUPPORTED, 0 },
	{ { IGNORES, .open = true }, STUN_PROVE_UNSUPPORTED, 0 },
	{ { IGNORES, .open = false }, STUN_PROVE_UNSUPPORTED, 0 },
	{ { REFUSES, .open = false }, STUN_PROVE_UNSUPPORTED, 0 },
	{ { SILENT, .open = true }, STUN_PROVE_SILENT, 1500 },
	{ { LIES, .where = STUN_PROVE_OTHER_BOTH }, STUN_PROVE_UNSUPPORTED, 1500 },
	{ { LIES, .open = true }, STUN_PROVE_OPEN, 0 },
	{ { SAME_OTHER, .where = STUN_PROVE_OTHER_BOTH }, STUN_PROVE_UNSUPPORTED, 0 },
};

static void
test_verdicts(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct world w = rows[i].world;

		if (run(&w) != rows[i].verdict || w.spent > rows[i].most_ms)
			fail_msg("row %zu: verdict %d after %d ms", i, (int)w.p.verdict,
			    (int)w.spent);
		/* Ten requests per second at most (RFC 5780 section 5), and a few. */
		assert_in_range(w.sent, 1, 4 + (unsigned)w.spent / 100);
		if (w.p.verdict == STUN_PROVE_OPEN)
			assert_int_equal(w.from_place, 1);
	}
}

/* The target is never the one who asks: what it sent would open the NAT for it. */
static void
test_the_target_is_silent(void **state)
{
	const uint8_t seed[CRYPTO_RNG_SEED_LEN] = { 2 };
	struct world w = { .manner = HONEST };
	const struct endpoint server = at(1, 3478);
	struct stun_prove_send s;
	struct crypto_rng *ids;
	struct stun_chance chance;

	(void)state;
	assert_int_equal(crypto_rng_new(seed, &ids), 0);
	chance = (struct stun_chance) { ids, &w.rng };
	stun_prove_init(&w.p, &server, STUN_PROVE_SAME, PORT, 0);
	for (msec_t now = 0; w.p.verdict == STUN_PROVE_PENDING; now += 10)
		while (stun_prove_next(&w.p, &chance, now, &s))
			assert_int_not_equal(s.socket, STUN_PROVE_TARGET);
	crypto_rng_free(ids);
}

static void
test_noise_is_no_answer(void **state)
{
	static const uint8_t noise[64] = { 1, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42 };
	const struct endpoint server = at(1, 3478);
	struct stun_prove p;

	(void)state;
	stun_prove_init(&p, &server, STUN_PROVE_SAME, PORT, 0);
	for (size_t len = 0; len <= sizeof(noise); len++)
		for (enum stun_prove_socket s = STUN_PROVE_ASK; s <= STUN_PROVE_TARGET;
		     s++)
			stun_prove_receive(&p, s, &server, noise, len, 1);
	assert_int_equal(p.verdict, STUN_PROVE_PENDING);
	assert_int_equal(p.place.addr.family, ADDR_NONE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_verdicts),
		cmocka_unit_test(test_the_target_is_silent),
		cmocka_unit_test(test_noise_is_no_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
