/*
 * behavior.c - what is asked when, to find out how a NAT behaves, and what the answers
 * are taken for.
 */
#include "proto/behavior.h"

#include <string.h>

#include "proto/behavior_private.h"
#include "proto/stun_attr.h"

#define JITTER_MS 10
#define OTHER_MS 125 /* there is less time left for these */

/* A server that is silent so long is not waited for if others have said it all, or then
 * at least the mapping. */
#define LATE_MS 600
#define VERY_LATE_MS 1250

const struct behavior_row behavior_rows[BEHAVIOR_QUESTIONS] = {
	[BEHAVIOR_PLAIN] = { false, 0, 0 },
	[BEHAVIOR_OTHER_IP] = { false, BIT_IP, 0 },
	[BEHAVIOR_OTHER_PORT] = { false, BIT_PORT, 0 },
	[BEHAVIOR_OTHER_BOTH] = { false, BIT_IP | BIT_PORT, 0 },
	[BEHAVIOR_FILTER_PORT] = { true, 0, BIT_PORT },
	[BEHAVIOR_FILTER_BOTH] = { true, 0, BIT_IP | BIT_PORT },
};

struct endpoint
behavior_endpoint(const struct behavior_server *s, unsigned bits)
{
	struct endpoint e = s->primary;

	if (bits & BIT_IP)
		e.addr = s->other.addr;
	if (bits & BIT_PORT)
		e.port = s->other.port;
	return e;
}

/* ---- asking ---- */

void
behavior_ask_from(struct behavior_ask *a, msec_t now)
{
	if (a->state != BEHAVIOR_UNASKED)
		return;
	a->state = BEHAVIOR_ASKING;
	a->due_at = now;
}

void
behavior_ask_stop(struct behavior_ask *a, enum behavior_ask_state state)
{
	a->state = (uint8_t)state;
	a->due_at = MSEC_NEVER;
}

void
behavior_ask_init(struct behavior_ask *a)
{
	*a = (struct behavior_ask) { .due_at = MSEC_NEVER };
}

void
behavior_init(struct behavior_machine *b, const struct endpoint *servers, unsigned n,
    const struct endpoint local[static BEHAVIOR_SOCKETS], msec_t now)
{
	*b = (struct behavior_machine) {
		.servers_count = MIN(n, BEHAVIOR_SERVERS),
		.hairpinning = -1,
		.began_at = now,
	};
	memcpy(b->local, local, sizeof(b->local));
	behavior_ask_init(&b->outside);
	for (unsigned i = 0; i < 2; i++) {
		behavior_ask_init(&b->calls[i]);
		behavior_ask_init(&b->barriers[i]);
	}
	behavior_ask_from(&b->outside, now);
	for (unsigned i = 0; i < b->servers_count; i++) {
		struct behavior_server *s = &b->servers[i];

		s->primary = servers[i];
		s->filter = -1;
		s->rtt_ms = -1;
		s->round_at = s->open_at = MSEC_NEVER;
		for (unsigned q = 0; q < BEHAVIOR_QUESTIONS; q++)
			behavior_ask_init(&s->asks[q]);
		behavior_ask_from(&s->asks[BEHAVIOR_PLAIN], now);
	}
}

void
behavior_write_request(
    struct behavior_send *ret, const struct stun_id *id, unsigned change)
{
	struct stun_out out;
	ssize_t n;

	stun_begin(&out, ret->buf, sizeof(ret->buf), STUN_REQUEST, STUN_BINDING, id);
	if (change)
		stun_put_number(&out, STUN_CHANGE_REQUEST,
		    (change & BIT_IP ? 4 : 0) | (change & BIT_PORT ? 2 : 0));
	n = stun_end(&out);
	ret->len = n > 0 ? (size_t)n : 0;
}

bool
behavior_send_ask(struct behavior_ask *a, const struct stun_chance *chance,
    unsigned change, msec_t again_ms, msec_t now, struct behavior_send *ret)
{
	if (a->sends == 0) {
		a->first_at = now;
		if (crypto_rng_id(chance->ids, a->id.bytes) < 0) {
			behavior_ask_stop(a, BEHAVIOR_SILENT);
			return false;
		}
	}
	a->sends++;
	a->last_at = now;
	if (a->due_at != MSEC_NEVER)
		a->due_at = now + again_ms - JITTER_MS +
			    (msec_t)rng_below(chance->rng, 2 * JITTER_MS + 1);
	behavior_write_request(ret, &a->id, change);
	return true;
}

/* Each time with another id, next to the first: the time that the rest needs depends on
 * how far the server is, and an answer to any of them would not tell. */
static bool
send_plain(struct behavior_server *s, const struct stun_chance *chance, msec_t now,
    struct behavior_send *ret)
{
	struct behavior_ask *a = &s->asks[BEHAVIOR_PLAIN];
	struct stun_id id;

	if (a->sends == BEHAVIOR_PLAIN_SENDS) {
		a->due_at = MSEC_NEVER;
		return false;
	}
	if (!behavior_send_ask(a, chance, 0, BEHAVIOR_ROUND_MS, now, ret))
		return false;
	s->plain_at[a->sends - 1] = now;
	id = a->id;
	id.bytes[STUN_ID_LEN - 1] ^= (uint8_t)(a->sends - 1);
	behavior_write_request(ret, &id, 0);
	return true;
}

static bool
send_question(struct behavior_machine *b, unsigned server, unsigned q,
    const struct stun_chance *chance, msec_t now, struct behavior_send *ret)
{
	struct behavior_server *s = &b->servers[server];

	ret->socket = behavior_rows[q].filter ? BEHAVIOR_FILTER + (unsigned)s->filter
					      : BEHAVIOR_MAIN;
	ret->to = behavior_endpoint(s, behavior_rows[q].to);
	if (q != BEHAVIOR_PLAIN)
		return behavior_send_ask(
		    &s->asks[q], chance, behavior_rows[q].change, OTHER_MS, now, ret);
	return send_plain(s, chance, now, ret);
}

/* ---- one server ---- */

static bool
server_next(struct behavior_machine *b, unsigned server,
    const struct stun_chance *chance, msec_t now, struct behavior_send *ret)
{
	struct behavior_server *s = &b->servers[server];

	for (;;) {
		int q;

		for (unsigned i = 0; i < BEHAVIOR_QUESTIONS; i++)
			if (s->asks[i].due_at <= now)
				return send_question(b, server, i, chance, now, ret);
		q = behavior_filter_next(b, s, chance, now, ret);
		if (q < 0)
			return false;
		if (q == BEHAVIOR_QUESTIONS ||
		    send_question(b, server, (unsigned)q, chance, now, ret))
			return true;
	}
}

/* A server that answered, the nearest. */
const struct behavior_server *
behavior_nearest(const struct behavior_machine *b)
{
	const struct behavior_server *nearest = NULL;

	for (unsigned i = 0; i < b->servers_count; i++) {
		const struct behavior_server *s = &b->servers[i];

		if (s->asks[BEHAVIOR_PLAIN].state == BEHAVIOR_ANSWERED &&
		    (!nearest || s->rtt_ms < nearest->rtt_ms))
			nearest = s;
	}
	return nearest;
}

/* ---- the end ---- */

static bool
filter_known(const struct behavior_server *s)
{
	const struct behavior_ask *port = &s->asks[BEHAVIOR_FILTER_PORT],
				  *both = &s->asks[BEHAVIOR_FILTER_BOTH];

	return both->state == BEHAVIOR_ANSWERED ||
	       (both->state == BEHAVIOR_SILENT && port->state != BEHAVIOR_ASKING);
}

static bool
server_is_done(const struct behavior_machine *b, const struct behavior_server *s)
{
	if (s->asks[BEHAVIOR_PLAIN].state == BEHAVIOR_SILENT)
		return true;
	if (s->asks[BEHAVIOR_PLAIN].state != BEHAVIOR_ANSWERED)
		return false;
	return s->filter < 0 || (behavior_mapping_vote(b, s) != BEHAVIOR_UNKNOWN &&
				    (s->broken || filter_known(s)));
}

static bool
is_over(const struct behavior_machine *b, msec_t now)
{
	msec_t since = now - b->began_at;
	bool pending = false;
	struct behavior_result r;

	if (since >= BEHAVIOR_LIMIT_MS)
		return true;
	for (unsigned i = 0; i < b->servers_count; i++) {
		const struct behavior_server *s = &b->servers[i];

		if (server_is_done(b, s))
			continue;
		if (since < LATE_MS ||
		    s->asks[BEHAVIOR_PLAIN].state == BEHAVIOR_ANSWERED)
			return false;
		pending = true;
	}
	if (!b->hairpin_over && behavior_nearest(b))
		return false;
	behavior_get_result(b, &r);
	return !pending ||
	       (r.mapping != BEHAVIOR_UNKNOWN &&
		   (r.filtering != BEHAVIOR_UNKNOWN || since >= VERY_LATE_MS));
}

static msec_t
next_wake(const struct behavior_machine *b, msec_t now)
{
	msec_t at = b->began_at + BEHAVIOR_LIMIT_MS;

	/* When those that are late are no longer waited for. */
	if (now < b->began_at + VERY_LATE_MS)
		at = b->began_at +
		     (now < b->began_at + LATE_MS ? LATE_MS : VERY_LATE_MS);
	for (unsigned i = 0; i < b->servers_count; i++) {
		const struct behavior_server *s = &b->servers[i];

		for (unsigned q = 0; q < BEHAVIOR_QUESTIONS; q++)
			at = MIN(at, s->asks[q].due_at);
		at = MIN(at, behavior_filter_wake(b, s, now));
	}
	return MIN(at, behavior_hairpin_wake(b));
}

enum behavior_act
behavior_next(struct behavior_machine *b, const struct stun_chance *chance, msec_t now,
    struct behavior_send *ret)
{
	if (b->over) {
		b->wake_at = MSEC_NEVER;
		return BEHAVIOR_WAIT;
	}
	if (now < b->began_at + BEHAVIOR_LIMIT_MS) {
		for (unsigned i = 0; i < b->servers_count; i++)
			if (server_next(b, i, chance, now, ret))
				return BEHAVIOR_SEND;
		if (behavior_hairpin_next(b, chance, now, ret))
			return BEHAVIOR_SEND;
	}
	if (is_over(b, now)) {
		b->over = true;
		return BEHAVIOR_DONE;
	}
	b->wake_at = next_wake(b, now);
	return BEHAVIOR_WAIT;
}
