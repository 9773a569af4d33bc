/*
 * behavior_filter.c - the questions about filtering: those that nobody may be asked
 * before, and what shows that silence is an answer.
 *
 * Closed: FILTER asks to be answered from elsewhere, while nothing was sent to the
 * server's other address yet from any socket, as there are filters that do not care
 * which one it was.  Then open: MAIN asks there, which tells the mapping; and asks the
 * server for the same answers, which now come through its filter if server and path do
 * what they should.
 */
#include "proto/behavior_private.h"

#define GRACE_MS 50 /* beyond the round trips seen, for an answer to come */
#define CLOSED_SENDS 8
#define CLOSED_LEAST 4
#define CLOSED_MS 160
#define CLOSED_FAST_MS 50 /* over a long way, where time is short */
#define FAR_MS 350
#define CONTROL_MS 125
/* How often in a million loss may look like a filter: when more can be learnt, and when
 * the time is over. */
#define DOUBT_EARLY 3
#define DOUBT_LAST 3000

static msec_t
grace(const struct behavior_server *s)
{
	return s->rtt_ms + s->rtt_ms / 4 + GRACE_MS;
}

/* Nobody would hear the answer to what is sent later. */
static msec_t
last_send(const struct behavior_machine *b, const struct behavior_server *s)
{
	return b->began_at + BEHAVIOR_LIMIT_MS - grace(s);
}

/* From now on MAIN asks the other address. */
void
behavior_open(struct behavior_server *s, msec_t now)
{
	if (s->filter < 0 || s->opened)
		return;
	s->opened = true;
	s->burst = 0;
	s->open_at = MSEC_NEVER;
	s->round_at = now + CONTROL_MS / 2;
	behavior_ask_from(&s->asks[BEHAVIOR_OTHER_IP], now);
	behavior_ask_from(&s->asks[BEHAVIOR_OTHER_PORT], now);
	behavior_ask_from(&s->asks[BEHAVIOR_OTHER_BOTH], now);
}

/* ---- what silence is worth ---- */

static bool
came_through(const struct behavior_server *s, uint8_t change)
{
	for (unsigned i = 0; i < s->controls_sent; i++)
		if (s->controls[i].answered && s->controls[i].change == change)
			return true;
	return false;
}

/* Whether the answers to MAIN's questions can come: all of a socket's traffic has one
 * address outside. */
static bool
can_come_through(const struct behavior_machine *b, const struct behavior_server *s)
{
	enum behavior mapping = behavior_mapping_vote(b, s);

	return mapping == BEHAVIOR_NONE || mapping == BEHAVIOR_ENDPOINT_INDEPENDENT;
}

/* How much the silence after so many questions says: the chance that all of them were
 * lost, as the loss of the controls lets expect, in millionths. */
static unsigned
chance_of_loss(const struct behavior_server *s, unsigned sends, msec_t now)
{
	unsigned settled = 0, lost = 0;
	double one, all = 1e6;

	for (unsigned i = 0; i < s->controls_sent; i++) {
		const struct behavior_control *c = &s->controls[i];

		settled += c->answered || now >= c->at + grace(s);
		lost += !c->answered && now >= c->at + grace(s);
	}
	/* One in five to begin with, and never less: a path is not known in two
	 * seconds. */
	one = (lost + 1.0) / (settled + 5.0);
	one = MAX(one, 0.2);
	for (unsigned i = 0; i < sends; i++)
		all *= one;
	return (unsigned)all;
}

static bool
is_believed(const struct behavior_machine *b, const struct behavior_server *s,
    unsigned q, msec_t now)
{
	uint8_t change = behavior_rows[q].change;

	if (behavior_mapping_vote(b, s) == BEHAVIOR_UNKNOWN)
		return false;
	/* If it cannot come through, that the other address lives has to do. */
	if (!came_through(s, can_come_through(b, s) ? change : 0))
		return false;
	return chance_of_loss(s, s->asks[q].sends, now) <
	       (now > last_send(b, s) ? DOUBT_LAST : DOUBT_EARLY);
}

static void
settle(struct behavior_machine *b, struct behavior_server *s, msec_t now)
{
	for (unsigned q = BEHAVIOR_FILTER_PORT; q <= BEHAVIOR_FILTER_BOTH; q++)
		if (s->opened && s->asks[q].state == BEHAVIOR_ASKING &&
		    is_believed(b, s, q, now))
			behavior_ask_stop(&s->asks[q], BEHAVIOR_SILENT);
}

/* ---- rounds ---- */

enum { BURST_PORT = 1, BURST_BOTH = 2, BURST_CONTROL = 4 };

/* FILTER asks, until that is enough or there is just time for the rest: for what it
 * asked last, then for the mapping, then for the controls, and for some of it twice. */
static void
round_closed(struct behavior_machine *b, struct behavior_server *s, msec_t now)
{
	unsigned sends = s->asks[BEHAVIOR_FILTER_BOTH].sends;
	msec_t latest = b->began_at + BEHAVIOR_LIMIT_MS - 3 * s->rtt_ms - 500;

	if (sends == CLOSED_SENDS || (sends >= CLOSED_LEAST && now > latest)) {
		s->round_at = MSEC_NEVER;
		s->open_at = s->asks[BEHAVIOR_FILTER_BOTH].last_at + s->rtt_ms +
			     s->rtt_ms / 8 + GRACE_MS / 2;
		return;
	}
	s->burst = BURST_BOTH | (s->round % 2 ? BURST_CONTROL : 0);
	if (s->asks[BEHAVIOR_FILTER_PORT].state == BEHAVIOR_ASKING)
		s->burst |= BURST_PORT;
	s->round_at = now + (s->rtt_ms > FAR_MS ? CLOSED_FAST_MS : CLOSED_MS);
}

static void
round_open(struct behavior_machine *b, struct behavior_server *s, msec_t now)
{
	bool asking = s->asks[BEHAVIOR_FILTER_PORT].state == BEHAVIOR_ASKING ||
		      s->asks[BEHAVIOR_FILTER_BOTH].state == BEHAVIOR_ASKING;

	if (!asking || now > last_send(b, s) || s->controls_sent == BEHAVIOR_CONTROLS) {
		s->round_at = MSEC_NEVER;
		return;
	}
	s->round_at = now + CONTROL_MS;
	if (behavior_mapping_vote(b, s) == BEHAVIOR_UNKNOWN)
		return;
	s->burst = BURST_CONTROL;
	/* One of each kind at once. */
	if (!s->controlled)
		s->round_at = now;
	s->controlled = true;
}

static uint8_t
control_change(const struct behavior_machine *b, const struct behavior_server *s)
{
	const uint8_t both = behavior_rows[BEHAVIOR_FILTER_BOTH].change;
	bool port_came = came_through(s, BIT_PORT), both_came = came_through(s, both);

	if (!s->opened || !can_come_through(b, s))
		return 0;
	if (port_came != both_came)
		return port_came ? both : BIT_PORT;
	return s->round % 2 ? BIT_PORT : both;
}

static bool
send_control(struct behavior_machine *b, struct behavior_server *s,
    const struct stun_chance *chance, msec_t now, struct behavior_send *ret)
{
	struct behavior_control *c = &s->controls[s->controls_sent];

	if (s->controls_sent == BEHAVIOR_CONTROLS ||
	    crypto_rng_id(chance->ids, c->id.bytes) < 0)
		return false;
	c->at = now;
	c->change = control_change(b, s);
	s->controls_sent++;
	ret->socket = BEHAVIOR_MAIN;
	ret->to = s->primary;
	behavior_write_request(ret, &c->id, c->change);
	return true;
}

int
behavior_filter_next(struct behavior_machine *b, struct behavior_server *s,
    const struct stun_chance *chance, msec_t now, struct behavior_send *ret)
{
	settle(b, s, now);
	if (s->round_at <= now) {
		if (s->opened)
			round_open(b, s, now);
		else
			round_closed(b, s, now);
		s->round++;
	}
	/* What MAIN has to ask then is what is due. */
	if (s->open_at <= now) {
		behavior_open(s, now);
		return BEHAVIOR_OTHER_IP;
	}
	/* Each round begins with another one, so that a server that answers so many per
	 * second does not always leave out the same. */
	for (unsigned i = 0; i < 3; i++) {
		unsigned bit = 1u << (i + s->round) % 3;

		if (!(s->burst & bit))
			continue;
		s->burst &= (uint8_t)~bit;
		if (bit != BURST_CONTROL)
			return bit == BURST_PORT ? BEHAVIOR_FILTER_PORT
						 : BEHAVIOR_FILTER_BOTH;
		if (send_control(b, s, chance, now, ret))
			return BEHAVIOR_QUESTIONS;
	}
	return -1;
}

msec_t
behavior_filter_wake(
    const struct behavior_machine *b, const struct behavior_server *s, msec_t now)
{
	msec_t at = MIN(s->round_at, s->open_at), last = last_send(b, s) + 1;

	/* Then less has to do. */
	if (s->opened && last > now)
		at = MIN(at, last);

	/* What is not answered by then is lost. */
	for (unsigned i = 0; i < s->controls_sent && s->opened; i++)
		if (!s->controls[i].answered && s->controls[i].at + grace(s) > now)
			at = MIN(at, s->controls[i].at + grace(s));
	return at;
}
