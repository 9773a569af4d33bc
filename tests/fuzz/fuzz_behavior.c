/*
 * fuzz_behavior.c - servers and networks that answer the two machines of RFC 5780 as
 * they like: late, from elsewhere, with any address, with anything.
 *
 * The verdict comes in time, what is sent has a bound, and between two sends there is
 * time to sleep; a verdict is never made of nothing.
 */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "proto/behavior.h"
#include "proto/lifetime.h"
#include "proto/stun_attr.h"

#define T0 INT64_C(100000)
#define SENDS_KEPT 64
#define BEHAVIOR_SENDS_MAX 400
#define LIFETIME_SENDS_MAX 4000

/* What the input says, byte by byte; zeros behind its end. */
struct script {
	const uint8_t *at, *end;
};

static uint8_t
next(struct script *s)
{
	return s->at < s->end ? *s->at++ : 0;
}

/* The last requests that went out, to be answered. */
struct sent {
	unsigned socket;
	struct endpoint to;
	struct stun_id id;
};

struct fuzzed {
	struct script script;
	struct sent sent[SENDS_KEPT];
	unsigned sends;
	msec_t now;
};

static struct endpoint
endpoint_from(uint8_t b)
{
	static const uint16_t ports[] = { 3478, 3479, 40000, 0 };

	/* A few addresses, so that some are equal; the last is ours. */
	return (struct endpoint) { addr_ipv4(11, 22, 33, (uint8_t)(1 + (b & 7))),
		ports[b >> 3 & 3] };
}

static void
keep(struct fuzzed *f, unsigned socket, const struct endpoint *to, const uint8_t *buf,
    size_t len)
{
	struct sent *s = &f->sent[f->sends++ % SENDS_KEPT];
	struct stun_msg m;

	MUST(stun_decode(buf, len, 0, &m) == 0 && m.class == STUN_REQUEST);
	s->socket = socket;
	s->to = *to;
	memcpy(s->id.bytes, stun_msg_id(&m), STUN_ID_LEN);
}

/* Some message that came, with its length; *ret_socket, *ret_from. */
static size_t
arrive(struct fuzzed *f, uint8_t buf[static 128], unsigned sockets,
    unsigned *ret_socket, struct endpoint *ret_from)
{
	struct script *in = &f->script;
	const struct sent *s = &f->sent[next(in) % MAX(MIN(f->sends, SENDS_KEPT), 1)];
	uint8_t how = next(in), where = next(in);
	struct endpoint e = endpoint_from(next(in)), other = endpoint_from(next(in));
	struct stun_out out;
	ssize_t n;

	*ret_socket = how & 1 ? s->socket : where % sockets;
	*ret_from = how & 2 ? s->to : endpoint_from(where);
	if ((how >> 2 & 7) == 7) {
		/* Whatever the input has. */
		size_t len = MIN((size_t)(in->end - in->at), 128);

		memcpy(buf, in->at, len);
		return len;
	}
	stun_begin(&out, buf, 128,
	    (how >> 2 & 7) == 0   ? STUN_REQUEST
	    : (how >> 2 & 7) == 1 ? STUN_ERROR
				  : STUN_SUCCESS,
	    STUN_BINDING, &s->id);
	if (how & 32)
		stun_put_address(&out, STUN_XOR_MAPPED_ADDRESS, &e);
	if (how & 64)
		stun_put_address(&out, STUN_OTHER_ADDRESS, &other);
	if (how & 128)
		stun_put_address(&out, STUN_RESPONSE_ORIGIN, &other);
	n = stun_end(&out);
	return n > 0 ? (size_t)n : 0;
}

static void
look(struct fuzzed *f, const struct stun_chance *chance)
{
	const struct endpoint servers[] = { endpoint_from(0), endpoint_from(2) };
	struct endpoint local[BEHAVIOR_SOCKETS], from;
	struct behavior_machine b;
	struct behavior_result r;
	struct behavior_send send;
	enum behavior_act act;
	bool any = false;

	for (unsigned i = 0; i < BEHAVIOR_SOCKETS; i++)
		local[i] =
		    (struct endpoint) { endpoint_from(7).addr, (uint16_t)(40000 + i) };
	behavior_init(&b, servers, 1 + (next(&f->script) & 1), local, f->now);
	for (;;) {
		uint8_t buf[128], step;
		unsigned socket;
		size_t len;

		while (
		    (act = behavior_next(&b, chance, f->now, &send)) == BEHAVIOR_SEND) {
			MUST(send.socket < BEHAVIOR_SOCKETS);
			keep(f, send.socket, &send.to, send.buf, send.len);
			MUST(f->sends < BEHAVIOR_SENDS_MAX);
		}
		if (act == BEHAVIOR_DONE)
			break;
		MUST(b.wake_at > f->now && b.wake_at <= T0 + BEHAVIOR_LIMIT_MS);
		step = next(&f->script);
		f->now = step == 0 ? b.wake_at : MIN(f->now + step - 1, b.wake_at);
		len = arrive(f, buf, BEHAVIOR_SOCKETS, &socket, &from);
		any |= len > 0;
		behavior_receive(&b, socket, &from, buf, len, f->now);
	}
	MUST(f->now <= T0 + BEHAVIOR_LIMIT_MS);
	behavior_get_result(&b, &r);
	MUST(r.mapping < BEHAVIOR_MAX && r.filtering < BEHAVIOR_MAX);
	MUST(any || r.reflexive.addr.family == ADDR_NONE);
	MUST(r.reflexive.addr.family != ADDR_NONE ||
	     (r.mapping == BEHAVIOR_UNKNOWN && r.filtering == BEHAVIOR_UNKNOWN &&
		 r.hairpinning == -1));
	MUST(r.mapping != BEHAVIOR_NONE ||
	     (r.hairpinning == -1 && r.port_preservation == -1));
	MUST(behavior_next(&b, chance, f->now + 1, &send) == BEHAVIOR_WAIT);
}

static void
search(struct fuzzed *f, const struct stun_chance *chance)
{
	const struct endpoint server = endpoint_from(0);
	struct lifetime l;
	struct lifetime_send send;
	enum lifetime_act act;

	lifetime_init(&l, &server, f->now);
	for (;;) {
		struct endpoint from;
		uint8_t buf[128], step;
		unsigned socket;
		size_t len;

		while ((act = lifetime_next(&l, chance, f->now, &send)) ==
			   LIFETIME_FRESH ||
		       act == LIFETIME_SEND) {
			MUST(send.socket < LIFETIME_SOCKETS);
			if (act == LIFETIME_FRESH)
				lifetime_opened(&l, send.socket, true);
			else
				keep(f, send.socket, &send.to, send.buf, send.len);
			MUST(f->sends < LIFETIME_SENDS_MAX);
		}
		if (act == LIFETIME_DONE)
			break;
		MUST(l.wake_at > f->now && l.wake_at < MSEC_NEVER);
		step = next(&f->script);
		/* Small steps are fine ones, to the next wake-up is the usual. */
		f->now = step < 128 ? l.wake_at : MIN(f->now + step - 128, l.wake_at);
		len = arrive(f, buf, LIFETIME_SOCKETS, &socket, &from);
		lifetime_receive(&l, socket, &from, buf, len, f->now);
	}
	MUST(f->now < T0 + LIFETIME_ROUNDS * (LIFETIME_MAX_S + 60) * MSEC_PER_SEC);
	MUST(lifetime_seconds(&l) <= LIFETIME_MAX_S);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t seed[CRYPTO_RNG_SEED_LEN] = { 1 };
	static struct crypto_rng *ids;
	struct fuzzed f = { .script = { data, data + size }, .now = T0 };
	struct rng rng = { 1 };
	struct stun_chance chance;

	if (!ids)
		MUST(crypto_rng_new(seed, &ids) == 0);
	chance = (struct stun_chance) { ids, &rng };
	look(&f, &chance);
	f = (struct fuzzed) { .script = { data, data + size }, .now = T0 };
	search(&f, &chance);
	return 0;
}
