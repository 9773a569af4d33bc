/*
 * stun_prove.c - whether a port outside leads to a socket inside.
 */
#include "proto/stun_prove.h"

#include <string.h>

#include "proto/crypto.h"
#include "proto/stun_attr.h"

enum { CONTROL, TARGET };

#define DUE_CONTROL (1u << CONTROL)
#define DUE_TARGET (1u << TARGET)
#define DUE_LEARN (1u << 2)

void
stun_prove_init(struct stun_prove *p, const struct endpoint *server,
    enum stun_prove_place where, uint16_t port, msec_t now)
{
	*p = (struct stun_prove) {
		.server = *server,
		.where = where,
		.port = port,
		.due = DUE_LEARN,
		.phase_at = now,
		.wake_at = now,
	};
}

void
stun_prove_begin(struct stun_prove *p, msec_t now)
{
	p->ready = true;
	p->due = DUE_LEARN;
	p->phase_at = p->wake_at = now;
}

/* ---- sending ---- */

static size_t
encode(const struct stun_id *id, unsigned change, uint16_t port,
    uint8_t buf[static STUN_PROVE_MESSAGE_MAX])
{
	struct stun_out out;
	ssize_t n;

	stun_begin(&out, buf, STUN_PROVE_MESSAGE_MAX, STUN_REQUEST, STUN_BINDING, id);
	if (change)
		stun_put_number(&out, STUN_CHANGE_REQUEST, change);
	if (port)
		stun_put_number(&out, STUN_RESPONSE_PORT, port);
	n = stun_end(&out);
	return n > 0 ? (size_t)n : 0;
}

/* The plain question by which a socket learns what it is seen as, sent again and again
 * with the same id. */
static bool
learn(struct stun_prove *p, const struct stun_chance *chance, msec_t now,
    struct stun_prove_send *ret)
{
	const bool place = p->ready;
	struct stun_id *id = place ? &p->learn_place : &p->learn;

	if (now - p->phase_at >= STUN_PROVE_LEARN_MS) {
		/* A server that has two addresses in its answers only. */
		p->verdict = place ? STUN_PROVE_UNSUPPORTED : STUN_PROVE_SILENT;
		return false;
	}
	if (now < p->wake_at)
		return false;
	if (p->due & DUE_LEARN && crypto_rng_id(chance->ids, id->bytes) < 0) {
		p->verdict = STUN_PROVE_UNSURE;
		return false;
	}
	p->due = 0;
	p->wake_at = MIN(now + STUN_PROVE_AGAIN_MS, p->phase_at + STUN_PROVE_LEARN_MS);
	ret->socket = place ? STUN_PROVE_CONTROL : STUN_PROVE_ASK;
	ret->to = place ? p->place : p->server;
	ret->len = encode(id, 0, 0, ret->buf);
	return true;
}

static bool
ask(struct stun_prove *p, const struct stun_chance *chance, unsigned what,
    struct stun_prove_send *ret)
{
	struct stun_id *id = &p->ids[p->rounds - 1][what];

	p->due &= ~(1u << what);
	if (crypto_rng_id(chance->ids, id->bytes) < 0) {
		p->verdict = STUN_PROVE_UNSURE;
		return false;
	}
	ret->socket = STUN_PROVE_ASK;
	ret->to = p->server;
	ret->len =
	    encode(id, p->where, what == CONTROL ? p->control_port : p->port, ret->buf);
	return true;
}

static void
conclude(struct stun_prove *p)
{
	p->verdict = p->controls >= STUN_PROVE_CONTROLS ? STUN_PROVE_CLOSED
		     : p->controls > 0                  ? STUN_PROVE_UNSURE
							: STUN_PROVE_UNSUPPORTED;
}

bool
stun_prove_next(struct stun_prove *p, const struct stun_chance *chance, msec_t now,
    struct stun_prove_send *ret)
{
	if (p->verdict != STUN_PROVE_PENDING)
		return false;
	/* Until the target's socket is there. */
	if (!p->ready && p->place.addr.family != ADDR_NONE) {
		p->wake_at = MSEC_NEVER;
		return false;
	}
	if (p->control_port == 0)
		return learn(p, chance, now, ret);
	if (p->due == 0 && now >= p->wake_at) {
		if (p->rounds == STUN_PROVE_ROUNDS) {
			conclude(p);
			return false;
		}
		p->rounds++;
		p->due = DUE_CONTROL | DUE_TARGET;
		p->wake_at =
		    now + (p->rounds == STUN_PROVE_ROUNDS ? STUN_PROVE_LAST_MS
							  : STUN_PROVE_ROUND_MS);
	}
	if (p->due & DUE_CONTROL)
		return ask(p, chance, CONTROL, ret);
	return p->due & DUE_TARGET && ask(p, chance, TARGET, ret);
}

/* ---- receiving ---- */

/* The place answers come from, of a server with two addresses. */
static bool
place_of(const struct stun_prove *p, const struct endpoint *other, struct endpoint *ret)
{
	*ret = p->server;
	if (p->where & STUN_PROVE_OTHER_ADDRESS)
		ret->addr = other->addr;
	if (p->where & STUN_PROVE_OTHER_PORT)
		ret->port = other->port;
	return other->addr.family == p->server.addr.family &&
	       addr_is_host(&other->addr) && other->port != 0 &&
	       (!(p->where & STUN_PROVE_OTHER_ADDRESS) ||
		   !addr_equal(&other->addr, &p->server.addr)) &&
	       (!(p->where & STUN_PROVE_OTHER_PORT) || other->port != p->server.port);
}

static void
learnt(struct stun_prove *p, const struct stun_msg *m, msec_t now)
{
	struct endpoint other, place;

	if (p->seen.addr.family != ADDR_NONE)
		return;
	if (m->class == STUN_ERROR || stun_get_mapped(m, &p->seen) < 0 ||
	    stun_get_address(m, STUN_OTHER_ADDRESS, &other) < 0 ||
	    !place_of(p, &other, &place)) {
		p->verdict = STUN_PROVE_UNSUPPORTED;
		return;
	}
	p->place = place;
	p->wake_at = now;
}

static void
learnt_place(struct stun_prove *p, const struct stun_msg *m, msec_t now)
{
	struct endpoint seen;

	if (p->control_port || m->class != STUN_SUCCESS ||
	    stun_get_mapped(m, &seen) < 0 || seen.port == 0)
		return;
	p->control_port = seen.port;
	p->due = 0;
	p->wake_at = now;
}

/* An answer to a question of the rounds. */
static void
answered(struct stun_prove *p, enum stun_prove_socket socket, unsigned round,
    unsigned what, const struct stun_msg *m)
{
	/* It goes back where it came from when the server does not know what was asked
	 * for, and says so or not. */
	if (socket == STUN_PROVE_ASK) {
		p->verdict = STUN_PROVE_UNSUPPORTED;
	} else if (socket == STUN_PROVE_TARGET && what == TARGET &&
		   m->class == STUN_SUCCESS) {
		p->verdict = STUN_PROVE_OPEN;
	} else if (socket == STUN_PROVE_CONTROL && what == CONTROL &&
		   m->class == STUN_SUCCESS && !p->heard[round]) {
		p->heard[round] = true;
		p->controls++;
	}
}

void
stun_prove_receive(struct stun_prove *p, enum stun_prove_socket socket,
    const struct endpoint *from, const uint8_t *buf, size_t len, msec_t now)
{
	struct stun_msg m;

	/* Nobody has been asked yet, so nobody answers. */
	if (p->verdict != STUN_PROVE_PENDING || p->due & DUE_LEARN ||
	    stun_decode(buf, len, 0, &m) < 0)
		return;
	if (socket == STUN_PROVE_ASK && endpoint_equal(from, &p->server) &&
	    stun_answers(&m, STUN_BINDING, &p->learn)) {
		learnt(p, &m, now);
		return;
	}
	if (!endpoint_equal(from, socket == STUN_PROVE_ASK ? &p->server : &p->place) &&
	    !endpoint_equal(from, &p->place))
		return;
	if (socket == STUN_PROVE_CONTROL && p->ready &&
	    stun_answers(&m, STUN_BINDING, &p->learn_place)) {
		learnt_place(p, &m, now);
		return;
	}
	for (unsigned i = 0; i < p->rounds; i++)
		for (unsigned what = CONTROL; what <= TARGET; what++)
			if (stun_answers(&m, STUN_BINDING, &p->ids[i][what]))
				answered(p, socket, i, what, &m);
}
