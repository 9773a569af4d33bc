/*
 * tombstone.c - what may still be on routers and is nobody's lease: found again by the
 * next start or when its router is back, deleted there, forgotten at its end.
 */
#include <string.h>

#include "daemon/engine_private.h"

/* After 1, 2, 4, ... minutes, at last once per hour. */
#define AGAIN_MIN_MS (60 * MSEC_PER_SEC)
#define AGAIN_DOUBLINGS 6

struct holding *
holding_add_tombstone(struct engine *e, const struct gateway_identity *on,
    const struct lease_want *want, const struct lease_held *held)
{
	struct holding *h;

	for (h = e->holdings; h; h = h->next)
		if (!h->gateway && h->held.external_port == held->external_port &&
		    h->held.internal_port == held->internal_port &&
		    h->held.method == held->method && h->held.guess == held->guess &&
		    memcmp(h->want.nonce, want->nonce, PCP_NONCE_LEN) == 0 &&
		    identity_matches(&h->on, on))
			return h;
	h = holding_new(e);
	if (!h)
		return NULL;
	h->on = *on;
	h->want = *want;
	h->held = *held;
	return h;
}

/* Asked for once more, it becomes what that brings: there is one for that port inside,
 * and one number on an IGD that gives none but the one asked; what was held there with
 * another is asked for with that one. */
static bool
asks_the_same(const struct mapping *m, const struct holding *h)
{
	return !m->context.router_chooses &&
	       m->context.internal_port == h->held.internal_port &&
	       h->held.method != METHOD_IGD2 &&
	       (h->held.method != METHOD_IGD1 || !m->was_held ||
		   m->last.external_port == h->held.external_port);
}

/* A mapping that is about to adopt what the tombstone stands for. */
static bool
still_wanted(struct engine *e, const struct holding *h, const struct gateway *g)
{
	for (const struct mapping *m = e->mappings; m; m = m->next) {
		bool same = h->held.guess
				? asks_the_same(m, h)
				: m->was_held &&
				      identity_matches(&m->last_on, &h->on) &&
				      m->last.external_port == h->held.external_port;

		if (same && !m->releasing &&
		    memcmp(m->nonce, h->want.nonce, PCP_NONCE_LEN) == 0 &&
		    (m->gateway == g || reconcile_choose(e, m) == g) &&
		    holding_may_use(e, m, g, h->held.method))
			return true;
	}
	return false;
}

/* Its mapping may need it once more as soon as its router has answered. */
static bool
outer_wanted(const struct engine *e, const struct holding *h)
{
	for (const struct mapping *m = e->mappings; m; m = m->next)
		if (!m->releasing && !m->outer &&
		    memcmp(m->nonce, h->want.nonce, PCP_NONCE_LEN) == 0)
			return !m->gateway ||
			       holding_may_use(e, m, m->gateway, METHOD_PCP);
	return false;
}

/* It may come back there, as long as it is not held elsewhere. */
static bool
may_come_back(const struct engine *e, const struct holding *h)
{
	struct lease_status st;

	for (const struct mapping *m = e->mappings; m; m = m->next) {
		if (m->releasing || memcmp(m->nonce, h->want.nonce, PCP_NONCE_LEN) != 0)
			continue;
		mapping_status(m, &st);
		if (!st.is_held)
			return true;
	}
	return false;
}

static bool
is_kept(struct engine *e, struct holding *h, struct gateway *g, enum gateway_role role)
{
	switch (role) {
	case GATEWAY_UPLINK:
		return still_wanted(e, h, g);
	case GATEWAY_LEFT:
		return may_come_back(e, h);
	case GATEWAY_CARRIER:
		return outer_wanted(e, h);
	}
	return false;
}

/* Of a mapping there: the same rule, or what the router takes for the same. */
static bool
is_in_its_place(
    const struct holding *h, const struct holding *t, const struct gateway *g)
{
	bool pxp = t->held.method == METHOD_PCP || t->held.method == METHOD_NAT_PMP;

	return h->mapping && h->gateway == g &&
	       h->want.transports & t->want.transports &&
	       addr_equal(&h->want.internal, &t->want.internal) &&
	       (pxp ? h->held.internal_port == t->held.internal_port
		    : h->held.external_port == t->held.external_port);
}

/* What a mapping holds in its place by now is not deleted under it; false: one is about
 * to get it, or not.  One that is refused perhaps is so because of this. */
static bool
may_delete(const struct engine *e, struct holding *t, const struct gateway *g)
{
	struct lease_status st;

	for (const struct holding *h = e->holdings; h; h = h->next) {
		if (!is_in_its_place(h, t, g))
			continue;
		lease_status(h->lease, &st);
		if (st.is_held)
			t->want.transports &= ~h->want.transports;
		else if (st.state != MAPPING_FAILED || st.problem.code == 0)
			return false;
	}
	return true;
}

void
holding_bury(struct holding *h, msec_t now)
{
	h->again_at = now + (AGAIN_MIN_MS << MIN(h->denials, AGAIN_DOUBLINGS));
	h->denials++;
}

void
holding_unbury(struct holding *h)
{
	h->denials = 0;
	h->again_at = 0;
}

void
holding_clean(struct engine *e, struct gateway *g, enum gateway_role role, msec_t now)
{
	struct gateway_identity on;

	identity_of(g, &on);
	for (struct holding *h = e->holdings, *next; h; h = next) {
		next = h->next;
		if (h->gateway || h->again_at > now || !identity_matches(&h->on, &on))
			continue;
		if (is_kept(e, h, g, role)) {
			/* The mapping has it now; but a guess is one until it is
			 * answered. */
			if (role == GATEWAY_UPLINK && !h->held.guess)
				holding_free(h);
			continue;
		}
		if (!may_delete(e, h, g)) {
			holding_bury(h, now);
			continue;
		}
		if (h->want.transports == 0) {
			holding_free(h);
			continue;
		}
		h->gateway = g;
		h->lease = lease_new(gateway_router(g), &h->want, &h->held, h, now);
		if (!h->lease) {
			h->gateway = NULL;
			e->no_memory = true;
			continue;
		}
		lease_release(h->lease, now);
		gateway_kick(g);
	}
}

bool
holding_any_left(const struct engine *e, const struct gateway *g)
{
	struct gateway_identity on;

	identity_of(g, &on);
	for (const struct holding *h = e->holdings; h; h = h->next)
		if (!h->gateway && identity_matches(&h->on, &on))
			return true;
	return false;
}

msec_t
holding_expire(struct engine *e, msec_t now)
{
	msec_t end = MSEC_NEVER;

	for (struct holding *h = e->holdings, *next; h; h = next) {
		next = h->next;
		if (h->gateway)
			continue;
		if (h->held.expires_at <= now)
			holding_free(h);
		else
			end = MIN(end, h->again_at > now
					   ? MIN(h->again_at, h->held.expires_at)
					   : h->held.expires_at);
	}
	return end;
}

bool
holding_busy(
    const struct engine *e, const struct lease_want *want, const struct gateway *g)
{
	for (const struct holding *h = e->holdings; h; h = h->next) {
		bool leaving = !h->mapping || h->mapping->releasing;

		if (leaving && h->gateway == g && h->lease &&
		    !lease_searches(h->lease) &&
		    h->want.transports & want->transports &&
		    h->want.internal_port == want->internal_port &&
		    addr_equal(&h->want.internal, &want->internal))
			return true;
	}
	return false;
}

bool
holding_is_left(const struct engine *e, const uint8_t *nonce)
{
	for (const struct holding *h = e->holdings; h; h = h->next)
		if (memcmp(h->want.nonce, nonce, PCP_NONCE_LEN) == 0)
			return true;
	return false;
}

void
holding_forget_guesses(
    struct engine *e, const uint8_t *nonce, const struct gateway_identity *on)
{
	for (struct holding *h = e->holdings, *next; h; h = next) {
		next = h->next;
		if (!h->gateway && h->held.guess && identity_matches(&h->on, on) &&
		    memcmp(h->want.nonce, nonce, PCP_NONCE_LEN) == 0)
			holding_free(h);
	}
}
