/*
 * behavior_answer.c - what the datagrams are that come while a NAT is looked at.
 */
#include <string.h>

#include "proto/behavior_private.h"
#include "proto/stun_attr.h"

/* Where a server may send us on to: not to another's door.  A server on a private
 * network may have its other address there, too. */
static bool
is_other(const struct endpoint *primary, const struct endpoint *other)
{
	return other->addr.family == primary->addr.family && other->port >= 1024 &&
	       other->port != primary->port &&
	       !addr_equal(&other->addr, &primary->addr) &&
	       (addr_is_global(&other->addr) ||
		   (addr_is_mappable(&other->addr) &&
		       addr_classify(&other->addr) == addr_classify(&primary->addr)));
}

/* Whether both are one: asking one opens the filter for the other. */
static bool
same_machine(const struct behavior_server *a, const struct behavior_server *b)
{
	return addr_equal(&a->primary.addr, &b->primary.addr) ||
	       addr_equal(&a->primary.addr, &b->other.addr) ||
	       addr_equal(&a->other.addr, &b->primary.addr);
}

/* It has two addresses: now everything can be asked. */
static void
ask_all(struct behavior_machine *b, struct behavior_server *s, msec_t now)
{
	if (b->full == BEHAVIOR_FULL)
		return;
	for (unsigned i = 0; i < b->servers_count; i++)
		if (b->servers[i].filter >= 0 && same_machine(&b->servers[i], s))
			return;
	s->filter = (int8_t)b->full++;
	/* Those about filtering go by rounds. */
	s->asks[BEHAVIOR_FILTER_PORT].state = BEHAVIOR_ASKING;
	s->asks[BEHAVIOR_FILTER_BOTH].state = BEHAVIOR_ASKING;
	s->round_at = now;
}

static void
learn_other(struct behavior_machine *b, struct behavior_server *s,
    const struct stun_msg *m, msec_t now)
{
	struct endpoint other;

	if (stun_get_address(m, STUN_OTHER_ADDRESS, &other) < 0 &&
	    stun_get_address(m, STUN_CHANGED_ADDRESS, &other) < 0)
		return;
	if (!is_other(&s->primary, &other))
		return;
	s->other = other;
	ask_all(b, s, now);
}

static void
break_off(struct behavior_server *s, msec_t now)
{
	s->broken = true;
	behavior_ask_stop(&s->asks[BEHAVIOR_FILTER_PORT], BEHAVIOR_SILENT);
	behavior_ask_stop(&s->asks[BEHAVIOR_FILTER_BOTH], BEHAVIOR_SILENT);
	behavior_open(s, now);
}

/* Which time it was sent the message answers; what is none has no number that was. */
static unsigned
plain_number(const struct behavior_ask *a, const struct stun_msg *m)
{
	return stun_msg_id(m)[STUN_ID_LEN - 1] ^ a->id.bytes[STUN_ID_LEN - 1];
}

static bool
answers_plain(const struct stun_msg *m, const struct behavior_ask *a)
{
	struct stun_id id = a->id;

	id.bytes[STUN_ID_LEN - 1] = stun_msg_id(m)[STUN_ID_LEN - 1];
	return a->state == BEHAVIOR_ASKING && plain_number(a, m) < a->sends &&
	       stun_answers(m, STUN_BINDING, &id);
}

static void
take_rtt(struct behavior_server *s, msec_t since, msec_t now)
{
	msec_t rtt = MAX(0, now - since);

	if (s->rtt_ms < 0 || rtt < s->rtt_ms)
		s->rtt_ms = rtt;
}

/* The address in a success that may be one; else false. */
static bool
seen_in(const struct stun_msg *m, const struct endpoint *primary, struct endpoint *ret)
{
	return m->class == STUN_SUCCESS && !stun_has_unknown(m) &&
	       stun_get_mapped(m, ret) == 0 && ret->port != 0 &&
	       ret->addr.family == primary->addr.family && addr_is_host(&ret->addr);
}

/* Whether the server sent it from there.  A router that lets everybody in may put its
 * own address in place of the sender's: then the server's word for it counts. */
static bool
comes_from(const struct behavior_server *s, const struct endpoint *from,
    const struct endpoint *expected, const struct stun_msg *m)
{
	struct endpoint origin;

	if (endpoint_equal(from, expected))
		return true;
	return !endpoint_equal(from, &s->primary) &&
	       (stun_get_address(m, STUN_RESPONSE_ORIGIN, &origin) == 0 ||
		   stun_get_address(m, STUN_SOURCE_ADDRESS, &origin) == 0) &&
	       endpoint_equal(&origin, expected);
}

static void
answered(struct behavior_machine *b, struct behavior_server *s, unsigned q,
    const struct endpoint *from, const struct stun_msg *m, msec_t now)
{
	struct behavior_ask *a = &s->asks[q];
	struct endpoint expected =
	    behavior_endpoint(s, behavior_rows[q].to ^ behavior_rows[q].change);
	struct endpoint seen;

	if (!comes_from(s, from, &expected, m)) {
		/* It did not understand, or not do what it was asked. */
		if (behavior_rows[q].change && endpoint_equal(from, &s->primary))
			break_off(s, now);
		return;
	}
	if (!seen_in(m, &s->primary, &seen)) {
		if (q == BEHAVIOR_PLAIN)
			behavior_ask_stop(a, BEHAVIOR_SILENT);
		return;
	}
	a->seen = seen;
	behavior_ask_stop(a, BEHAVIOR_ANSWERED);
	take_rtt(s, q == BEHAVIOR_PLAIN ? s->plain_at[plain_number(a, m)] : a->first_at,
	    now);
	if (q == BEHAVIOR_PLAIN)
		learn_other(b, s, m, now);
	if (s->opened && behavior_mapping_vote(b, s) != BEHAVIOR_UNKNOWN)
		s->round_at = MIN(s->round_at, now);
	/* If everybody may send here, so may other ports. */
	if (q == BEHAVIOR_FILTER_BOTH) {
		behavior_ask_stop(&s->asks[BEHAVIOR_FILTER_PORT], BEHAVIOR_SILENT);
		behavior_open(s, now);
	}
}

static bool
is_answer_to(const struct stun_msg *m, const struct behavior_ask *a)
{
	return a->sends > 0 && a->state == BEHAVIOR_ASKING &&
	       stun_answers(m, STUN_BINDING, &a->id);
}

static void
control_answered(struct behavior_server *s, struct behavior_control *c,
    const struct endpoint *from, const struct stun_msg *m, msec_t now)
{
	struct endpoint expected = behavior_endpoint(s, c->change), seen;

	if (!comes_from(s, from, &expected, m) || !seen_in(m, &s->primary, &seen)) {
		if (c->change && endpoint_equal(from, &s->primary))
			break_off(s, now);
		return;
	}
	c->answered = true;
	take_rtt(s, c->at, now);
}

static void
server_receives(struct behavior_machine *b, struct behavior_server *s, unsigned socket,
    const struct endpoint *from, const struct stun_msg *m, msec_t now)
{
	for (unsigned q = 0; q < BEHAVIOR_QUESTIONS; q++) {
		bool on_main = socket == BEHAVIOR_MAIN;
		bool on_filter = (int)socket == BEHAVIOR_FILTER + s->filter;

		if ((behavior_rows[q].filter ? on_filter : on_main) &&
		    (q == BEHAVIOR_PLAIN ? answers_plain(m, &s->asks[q])
					 : is_answer_to(m, &s->asks[q])))
			answered(b, s, q, from, m, now);
	}
	for (unsigned i = 0; i < s->controls_sent && socket == BEHAVIOR_MAIN; i++)
		if (!s->controls[i].answered &&
		    stun_answers(m, STUN_BINDING, &s->controls[i].id))
			control_answered(s, &s->controls[i], from, m, now);
}

/* The servers that were asked are the only ones who know the id. */
static void
helper_answered(struct behavior_machine *b, struct behavior_ask *a,
    const struct endpoint *from, const struct stun_msg *m)
{
	for (unsigned i = 0; i < b->servers_count; i++)
		if (endpoint_equal(from, &b->servers[i].primary) &&
		    seen_in(m, from, &a->seen))
			behavior_ask_stop(a, BEHAVIOR_ANSWERED);
}

/* Our own question, back from outside. */
static bool
is_call(const struct behavior_machine *b, const struct stun_msg *m, unsigned socket)
{
	const struct behavior_ask *a = &b->calls[socket == BEHAVIOR_MAIN];

	return socket <= BEHAVIOR_HAIRPIN && m->class == STUN_REQUEST && a->sends > 0 &&
	       memcmp(stun_msg_id(m), a->id.bytes, STUN_ID_LEN) == 0;
}

void
behavior_receive(struct behavior_machine *b, unsigned socket,
    const struct endpoint *from, const uint8_t *buf, size_t len, msec_t now)
{
	struct stun_msg m;

	if (b->over || stun_decode(buf, len, 0, &m) < 0)
		return;
	if (is_call(b, &m, socket)) {
		behavior_hairpin_ends(b, 1);
		return;
	}
	if (socket == BEHAVIOR_HAIRPIN && is_answer_to(&m, &b->outside))
		helper_answered(b, &b->outside, from, &m);
	for (unsigned i = 0; i < 2 && socket == BEHAVIOR_MAIN; i++)
		if (is_answer_to(&m, &b->barriers[i]))
			helper_answered(b, &b->barriers[i], from, &m);
	for (unsigned i = 0; i < b->servers_count; i++)
		server_receives(b, &b->servers[i], socket, from, &m, now);
}
