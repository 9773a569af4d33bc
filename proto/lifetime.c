/*
 * lifetime.c - the search for the lifetime of a UDP binding.
 */
#include "proto/lifetime.h"

#include <string.h>

#include "proto/stun_attr.h"

#define ASK_MS 250
#define OPENING_SENDS 8
#define STAGGER_MS 100 /* RFC 5780 section 5: ten transactions per second */
#define GRACE_MS 1000  /* for the last answer */

static const uint16_t ladder_s[LIFETIME_PROBES] = { 5, 7, 10, 13, 18, 24, 32, 45, 60,
	80, 110, 150, 200, 270, 400, LIFETIME_MAX_S };

static void
begin_probe(struct lifetime *l, unsigned i, msec_t age_ms, msec_t now)
{
	l->probes[i] = (struct lifetime_probe) {
		.state = LIFETIME_OPENING,
		.age_ms = age_ms,
		.due_at = now + (msec_t)i * STAGGER_MS,
	};
}

void
lifetime_init(struct lifetime *l, const struct endpoint *server, msec_t now)
{
	*l = (struct lifetime) { .server = *server };
	begin_probe(l, LIFETIME_ASKER, 0, now);
	for (unsigned i = 0; i < LIFETIME_PROBES; i++)
		begin_probe(l, i + 1, ladder_s[i] * MSEC_PER_SEC, now);
}

/* ---- asking ---- */

/* With a port the server is to answer to, or with padding. */
static bool
write_request(struct lifetime_send *ret, const struct lifetime *l, unsigned socket,
    const struct stun_id *id, unsigned response_port, size_t padding)
{
	struct stun_out out;
	ssize_t n;

	stun_begin(&out, ret->buf, sizeof(ret->buf), STUN_REQUEST, STUN_BINDING, id);
	if (response_port)
		stun_put_number(&out, STUN_RESPONSE_PORT, response_port);
	if (padding) {
		uint8_t *value = stun_put(&out, STUN_PADDING, padding);

		if (value)
			memset(value, 0, padding);
	}
	n = stun_end(&out);
	ret->len = n > 0 ? (size_t)n : 0;
	ret->socket = socket;
	ret->to = l->server;
	return n > 0;
}

static bool
new_id(struct lifetime_probe *p, const struct stun_chance *chance, struct stun_id *ret)
{
	if (crypto_rng_id(chance->ids, ret->bytes) == 0)
		return true;
	p->state = LIFETIME_VOID;
	return false;
}

static void
age(struct lifetime *l, struct lifetime_probe *p, msec_t now)
{
	/* From another address the server cannot be made to call it. */
	if (!addr_equal(&p->seen.addr, &l->seen.addr)) {
		p->state = LIFETIME_VOID;
		return;
	}
	p->state = LIFETIME_AGING;
	p->due_at = now + p->age_ms;
	p->sends = 0;
}

static bool
send_opening(struct lifetime *l, unsigned i, const struct stun_chance *chance,
    msec_t now, struct lifetime_send *ret)
{
	struct lifetime_probe *p = &l->probes[i];

	if (p->sends == OPENING_SENDS) {
		p->state = LIFETIME_VOID;
		return false;
	}
	if (p->sends++ == 0 && !new_id(p, chance, &p->id))
		return false;
	p->due_at = now + ASK_MS;
	return write_request(ret, l, i, &p->id, 0, 0);
}

/* Whether so much silence can no longer be loss; as in behavior.c. */
static bool
is_dead(const struct lifetime_probe *p)
{
	unsigned heard = (unsigned)__builtin_popcount(p->proven);
	double one = (p->proofs - heard + 1.0) / (p->proofs + 5.0), all = 1e6;

	one = MAX(one, 0.2);
	for (unsigned i = 0; i < p->sends; i++)
		all *= one;
	return heard >= 3 && all < 3;
}

/* The question and its proof in turn, both from the asker. */
static bool
send_asking(struct lifetime *l, unsigned i, const struct stun_chance *chance,
    msec_t now, struct lifetime_send *ret)
{
	struct lifetime_probe *p = &l->probes[i];

	if (p->sends > p->proofs) {
		struct stun_id *id = &p->proof_ids[p->proofs];

		if (!new_id(p, chance, id))
			return false;
		p->proofs++;
		/* The last ones may take longer. */
		p->due_at = now + (p->proofs % 8 ? ASK_MS : GRACE_MS);
		return write_request(ret, l, LIFETIME_ASKER, id, 0, 0);
	}
	if (p->sends >= 8 && is_dead(p)) {
		p->state = LIFETIME_DEAD;
		return false;
	}
	if (p->sends == LIFETIME_ASKS) {
		p->state = LIFETIME_VOID;
		return false;
	}
	if (p->sends++ == 0 && !new_id(p, chance, &p->id))
		return false;
	p->due_at = now;
	if (i == LIFETIME_FRAGMENTS)
		return write_request(
		    ret, l, LIFETIME_ASKER, &p->id, 0, LIFETIME_PADDING);
	return write_request(ret, l, LIFETIME_ASKER, &p->id, p->seen.port, 0);
}

/* ---- the search ---- */

static bool
is_active(const struct lifetime_probe *p)
{
	return p->state == LIFETIME_OPENING || p->state == LIFETIME_AGING ||
	       p->state == LIFETIME_ASKING;
}

/* What is known; older ones than the first that is dead need not be tried. */
static void
take_in(struct lifetime *l)
{
	for (unsigned i = 1; i < LIFETIME_SOCKETS; i++) {
		const struct lifetime_probe *p = &l->probes[i];

		if (p->state == LIFETIME_DEAD &&
		    (l->dead_ms == 0 || p->age_ms < l->dead_ms))
			l->dead_ms = p->age_ms;
	}
	for (unsigned i = 1; i < LIFETIME_SOCKETS; i++) {
		struct lifetime_probe *p = &l->probes[i];

		if (l->dead_ms && p->age_ms >= l->dead_ms && is_active(p))
			p->state = LIFETIME_UNUSED;
		/* A binding that lived longer than one that died proves nothing. */
		if (p->state == LIFETIME_ALIVE &&
		    (l->dead_ms == 0 || p->age_ms < l->dead_ms))
			l->alive_ms = MAX(l->alive_ms, p->age_ms);
	}
	if (l->dead_ms && l->alive_ms >= l->dead_ms)
		l->alive_ms = 0;
}

/* Tries the ages between.  False: there is nothing to be gained. */
static bool
next_round(struct lifetime *l, msec_t now)
{
	msec_t gap = l->dead_ms - l->alive_ms;
	msec_t step = MAX(MSEC_PER_SEC, l->alive_ms / 20);
	unsigned n = (unsigned)MIN((gap - 1) / step, LIFETIME_PROBES - 1);

	if (l->dead_ms == 0 || ++l->round == LIFETIME_ROUNDS || gap <= step)
		return false;
	for (unsigned i = 1; i < LIFETIME_SOCKETS; i++)
		l->probes[i].state = LIFETIME_UNUSED;
	for (unsigned i = 1; i <= n; i++)
		begin_probe(l, i, l->alive_ms + gap * i / (n + 1), now);
	return true;
}

static bool
probe_next(struct lifetime *l, unsigned i, const struct stun_chance *chance, msec_t now,
    struct lifetime_send *ret)
{
	struct lifetime_probe *p = &l->probes[i];

	if (!is_active(p) || now < p->due_at)
		return false;
	switch ((enum lifetime_state)p->state) {
	case LIFETIME_OPENING:
		/* What the others are compared with comes first. */
		if (i != LIFETIME_ASKER && l->seen.addr.family == ADDR_NONE) {
			p->due_at = now + ASK_MS;
			return false;
		}
		return send_opening(l, i, chance, now, ret);
	case LIFETIME_AGING:
		p->state = LIFETIME_ASKING;
		return send_asking(l, i, chance, now, ret);
	case LIFETIME_ASKING:
		return send_asking(l, i, chance, now, ret);
	case LIFETIME_UNUSED:
	case LIFETIME_ALIVE:
	case LIFETIME_DEAD:
	case LIFETIME_VOID:
		break;
	}
	return false;
}

/* Whether all is known that will be. */
static bool
settle(struct lifetime *l, msec_t now)
{
	bool active = false;

	if (l->unsupported || l->probes[LIFETIME_ASKER].state == LIFETIME_VOID)
		return true;
	take_in(l);
	for (unsigned i = 1; i < LIFETIME_SOCKETS; i++)
		active |= is_active(&l->probes[i]);
	return !active && !next_round(l, now);
}

enum lifetime_act
lifetime_next(struct lifetime *l, const struct stun_chance *chance, msec_t now,
    struct lifetime_send *ret)
{
	l->wake_at = MSEC_NEVER;
	if (l->over)
		return LIFETIME_WAIT;
	for (unsigned i = 0; i <= LIFETIME_FRAGMENTS; i++) {
		struct lifetime_probe *p = &l->probes[i];

		if (p->state == LIFETIME_OPENING && !p->fresh && now >= p->due_at) {
			ret->socket = i;
			return LIFETIME_FRESH;
		}
		if (probe_next(l, i, chance, now, ret))
			return LIFETIME_SEND;
	}
	if (settle(l, now)) {
		l->over = true;
		return LIFETIME_DONE;
	}
	for (unsigned i = 0; i <= LIFETIME_FRAGMENTS; i++)
		if (is_active(&l->probes[i]))
			l->wake_at = MIN(l->wake_at, l->probes[i].due_at);
	return LIFETIME_WAIT;
}

void
lifetime_opened(struct lifetime *l, unsigned socket, bool there)
{
	l->probes[socket].fresh = true;
	if (!there)
		l->probes[socket].state = LIFETIME_VOID;
}

/* ---- answers ---- */

static void
opening_answered(
    struct lifetime *l, unsigned socket, const struct stun_msg *m, msec_t now)
{
	struct lifetime_probe *p = &l->probes[socket];
	struct endpoint seen;

	if (m->class != STUN_SUCCESS || stun_get_mapped(m, &seen) < 0 ||
	    seen.port == 0 || seen.addr.family != l->server.addr.family) {
		p->state = LIFETIME_VOID;
		return;
	}
	p->seen = seen;
	if (socket != LIFETIME_ASKER) {
		age(l, p, now);
		return;
	}
	l->seen = seen;
	p->state = LIFETIME_UNUSED;
	/* When the others have begun. */
	l->probes[LIFETIME_FRAGMENTS] = (struct lifetime_probe) {
		.state = LIFETIME_ASKING,
		.due_at = now + LIFETIME_SOCKETS * STAGGER_MS,
	};
	for (unsigned i = 1; i < LIFETIME_SOCKETS; i++)
		l->probes[i].due_at = MIN(l->probes[i].due_at, now + i * STAGGER_MS);
}

/* The answer that was meant for the probe came to the asker. */
static void
came_back(struct lifetime *l, struct lifetime_probe *p, const struct stun_msg *m)
{
	struct stun_raw padding = stun_find(m, STUN_PADDING);

	if (p == &l->probes[LIFETIME_FRAGMENTS]) {
		p->state = m->class == STUN_SUCCESS && padding.value &&
				   padding.len >= LIFETIME_PADDING
			       ? LIFETIME_ALIVE
			       : LIFETIME_VOID;
		return;
	}
	/* The port has another owner now; else the server does not know what it was
	 * asked, or did not care. */
	if (m->class == STUN_SUCCESS && p->seen.port == l->seen.port)
		p->state = LIFETIME_DEAD;
	else
		l->unsupported = true;
}

static void
asker_receives(struct lifetime *l, const struct stun_msg *m)
{
	for (unsigned i = 1; i <= LIFETIME_FRAGMENTS; i++) {
		struct lifetime_probe *p = &l->probes[i];

		if (p->state != LIFETIME_ASKING)
			continue;
		if (p->sends > 0 && stun_answers(m, STUN_BINDING, &p->id))
			came_back(l, p, m);
		for (unsigned k = 0; k < p->proofs; k++)
			if (stun_answers(m, STUN_BINDING, &p->proof_ids[k]))
				p->proven |= (uint16_t)(1 << k);
	}
}

void
lifetime_receive(struct lifetime *l, unsigned socket, const struct endpoint *from,
    const uint8_t *buf, size_t len, msec_t now)
{
	struct lifetime_probe *p = &l->probes[socket];
	struct stun_msg m;

	if (l->over || !endpoint_equal(from, &l->server) ||
	    stun_decode(buf, len, 0, &m) < 0)
		return;
	if (p->state == LIFETIME_OPENING && p->sends > 0 &&
	    stun_answers(&m, STUN_BINDING, &p->id))
		opening_answered(l, socket, &m, now);
	else if (socket == LIFETIME_ASKER)
		asker_receives(l, &m);
	else if (p->state == LIFETIME_ASKING && p->sends > 0 &&
		 stun_answers(&m, STUN_BINDING, &p->id))
		p->state = LIFETIME_ALIVE;
}

int8_t
lifetime_fragments(const struct lifetime *l)
{
	switch ((enum lifetime_state)l->probes[LIFETIME_FRAGMENTS].state) {
	case LIFETIME_ALIVE:
		return 1;
	case LIFETIME_DEAD:
		return 0;
	case LIFETIME_UNUSED:
	case LIFETIME_OPENING:
	case LIFETIME_AGING:
	case LIFETIME_ASKING:
	case LIFETIME_VOID:
		break;
	}
	return -1;
}

unsigned
lifetime_seconds(const struct lifetime *l)
{
	unsigned s = (unsigned)(l->alive_ms / MSEC_PER_SEC);

	if (l->unsupported || (l->alive_ms == 0 && l->dead_ms == 0))
		return 0;
	return MAX(s, 1);
}
