/*
 * behavior_hairpin.c - whether two sockets of this host reach each other by the
 * addresses they have outside.
 *
 * The way to the translator and back is short, so a few calls follow closely, in both
 * directions, as the filter of each has to be opened by the other.  One question to a
 * server goes before them and one behind: only if both were answered did the path work
 * all the time, and is no call still on its way.  Else all is done again.
 */
#include "proto/behavior_private.h"

#define CALLS 6
#define CALL_MS 15
#define GRACE_MS 25
#define AGAIN_MS 150

enum { FROM_MAIN, FROM_HAIRPIN };
enum { BEFORE, BEHIND };

void
behavior_hairpin_ends(struct behavior_machine *b, int8_t verdict)
{
	b->hairpinning = verdict;
	b->hairpin_over = true;
	behavior_ask_stop(&b->outside, b->outside.state);
	for (unsigned i = 0; i < 2; i++) {
		behavior_ask_stop(&b->calls[i], BEHAVIOR_SILENT);
		behavior_ask_stop(&b->barriers[i], BEHAVIOR_SILENT);
	}
}

static void
begin(struct behavior_machine *b, msec_t now)
{
	for (unsigned i = 0; i < 2; i++) {
		behavior_ask_init(&b->calls[i]);
		behavior_ask_init(&b->barriers[i]);
		behavior_ask_from(&b->calls[i], now);
	}
	behavior_ask_from(&b->barriers[BEFORE], now);
}

static bool
send_call(struct behavior_machine *b, const struct behavior_server *near, unsigned i,
    const struct stun_chance *chance, msec_t now, struct behavior_send *ret)
{
	struct behavior_ask *a = &b->calls[i];

	ret->socket = i == FROM_MAIN ? BEHAVIOR_MAIN : BEHAVIOR_HAIRPIN;
	ret->to = i == FROM_MAIN ? b->outside.seen : near->asks[BEHAVIOR_PLAIN].seen;
	if (!behavior_send_ask(a, chance, 0, CALL_MS, now, ret))
		return false;
	/* The jitter would add up to more than the way takes. */
	a->due_at = a->sends < CALLS ? now + CALL_MS : MSEC_NEVER;
	return true;
}

static bool
send_barrier(struct behavior_machine *b, const struct behavior_server *near, unsigned i,
    const struct stun_chance *chance, msec_t now, struct behavior_send *ret)
{
	struct behavior_ask *a = &b->barriers[i];

	ret->socket = BEHAVIOR_MAIN;
	ret->to = near->primary;
	if (!behavior_send_ask(a, chance, 0, 0, now, ret))
		return false;
	/* Once: a second answer would prove another time. */
	a->due_at = MSEC_NEVER;
	return true;
}

static bool
send_due(struct behavior_machine *b, const struct behavior_server *near,
    const struct stun_chance *chance, msec_t now, struct behavior_send *ret)
{
	if (b->barriers[BEFORE].due_at <= now)
		return send_barrier(b, near, BEFORE, chance, now, ret);
	for (unsigned i = 0; i < 2; i++)
		if (b->calls[i].due_at <= now)
			return send_call(b, near, i, chance, now, ret);
	if (b->calls[FROM_MAIN].sends == CALLS && b->calls[FROM_HAIRPIN].sends == CALLS)
		behavior_ask_from(&b->barriers[BEHIND], now);
	return b->barriers[BEHIND].due_at <= now &&
	       send_barrier(b, near, BEHIND, chance, now, ret);
}

/* When it shows what the calls were worth. */
static msec_t
judged_at(const struct behavior_machine *b, const struct behavior_server *near)
{
	if (b->barriers[BEHIND].sends == 0)
		return MSEC_NEVER;
	if (b->barriers[BEFORE].state == BEHAVIOR_ANSWERED &&
	    b->barriers[BEHIND].state == BEHAVIOR_ANSWERED)
		return b->calls[FROM_HAIRPIN].last_at + near->rtt_ms + GRACE_MS;
	return b->barriers[BEHIND].last_at + near->rtt_ms + near->rtt_ms / 4 + AGAIN_MS;
}

bool
behavior_hairpin_next(struct behavior_machine *b, const struct stun_chance *chance,
    msec_t now, struct behavior_send *ret)
{
	const struct behavior_server *near = behavior_nearest(b);

	if (b->hairpin_over || b->servers_count == 0)
		return false;
	if (b->outside.due_at <= now) {
		/* Any server will do, so a dead one is asked once. */
		ret->socket = BEHAVIOR_HAIRPIN;
		ret->to = near
			      ? near->primary
			      : b->servers[b->outside.sends % b->servers_count].primary;
		return behavior_send_ask(
		    &b->outside, chance, 0, BEHAVIOR_ROUND_MS, now, ret);
	}
	if (!near)
		return false;
	/* Without translation there is nothing to turn round at. */
	if (endpoint_equal(
		&near->asks[BEHAVIOR_PLAIN].seen, &b->local[BEHAVIOR_MAIN])) {
		behavior_hairpin_ends(b, -1);
		return false;
	}
	if (b->outside.state != BEHAVIOR_ANSWERED)
		return false;
	if (b->calls[FROM_MAIN].state == BEHAVIOR_UNASKED)
		begin(b, now);
	if (now >= judged_at(b, near)) {
		if (b->barriers[BEFORE].state == BEHAVIOR_ANSWERED &&
		    b->barriers[BEHIND].state == BEHAVIOR_ANSWERED) {
			behavior_hairpin_ends(b, 0);
			return false;
		}
		begin(b, now);
	}
	return send_due(b, near, chance, now, ret);
}

msec_t
behavior_hairpin_wake(const struct behavior_machine *b)
{
	const struct behavior_server *near = behavior_nearest(b);
	msec_t at = b->outside.due_at;

	for (unsigned i = 0; i < 2; i++)
		at = MIN(at, MIN(b->calls[i].due_at, b->barriers[i].due_at));
	return near && !b->hairpin_over ? MIN(at, judged_at(b, near)) : at;
}
