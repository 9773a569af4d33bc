/*
 * bid.c - another number for a mapping that is held: asked for beside the one it has,
 * which goes only when the other one is granted.
 *
 * An IGD keeps two entries for one port inside.  PCP and NAT-PMP have one mapping for
 * it and do not change its number (RFC 6887 section 11.3, RFC 6886 section 3.3); to ask
 * for the other there would mean to delete the one.  So a scout finds out whether it is
 * to be had, under a port inside that is nobody's; only then the mapping lets go of its
 * number, the scout of the other, and that is asked for in its place.
 */
#include <string.h>

#include "daemon/engine_private.h"
#include "daemon/random.h"

#define SCOUT_FIRST 20000
#define SCOUT_COUNT 40000
#define SCOUT_TRIES 16

static bool
is_igd(enum method m)
{
	return m == METHOD_IGD1 || m == METHOD_IGD2;
}

static bool
is_spare(const struct engine *e, uint16_t port)
{
	for (const struct mapping *m = e->mappings; m; m = m->next)
		if (m->context.internal_port == port)
			return false;
	for (const struct holding *h = e->holdings; h; h = h->next)
		if (h->want.internal_port == port || h->held.internal_port == port)
			return false;
	return true;
}

/* 0: none was found. */
static uint16_t
choose_spare(const struct engine *e)
{
	for (unsigned i = 0; i < SCOUT_TRIES; i++) {
		uint16_t port = (uint16_t)(SCOUT_FIRST + random_u64() % SCOUT_COUNT);

		if (is_spare(e, port))
			return port;
	}
	return 0;
}

/* The number the mapping is to have; 0: any. */
static uint16_t
wanted_number(const struct mapping_context *c)
{
	return c->external_port    ? c->external_port
	       : c->prefer_failure ? c->internal_port
				   : 0;
}

/* The same, of the same service, with a nonce of its own: what a crash leaves of it is
 * nobody's.  False: no port inside is to be had for it. */
static bool
want_bid(const struct engine *e, enum method method, uint16_t number,
    struct lease_want *want)
{
	want->external_port = number;
	want->prefer_failure = true;
	want->order[0] = method;
	want->order_count = 1;
	want->methods = METHOD_BIT(method);
	random_fill(want->nonce, sizeof(want->nonce));
	if (!is_igd(method))
		want->internal_port = choose_spare(e);
	return want->internal_port != 0;
}

static bool
ask(struct engine *e, struct mapping *m, const struct lease_want *want, msec_t now)
{
	struct holding *h = holding_new(e);

	if (!h)
		return false;
	h->bid = true;
	h->gateway = m->gateway;
	h->want = *want;
	identity_of(m->gateway, &h->on);
	h->lease = lease_new(gateway_router(m->gateway), want, NULL, h, now);
	if (!h->lease) {
		holding_free(h);
		return false;
	}
	h->mapping = m;
	m->bid = h->lease;
	gateway_kick(m->gateway);
	return true;
}

/* What the mapping holds is what it is to have, or the next best. */
static void
settle(struct engine *e, struct mapping *m)
{
	struct lease_want want;

	want_of(e, m, m->gateway, &want);
	lease_set_want(m->lease, &want);
	m->before.known = false;
}

bool
bid_begin(struct engine *e, struct mapping *m, msec_t now)
{
	uint16_t number = wanted_number(&m->context);
	struct lease_status st;
	struct lease_want want;
	bool translated;

	lease_status(m->lease, &st);
	want_of(e, m, m->gateway, &want);
	/* What it has at the carrier's server too has two numbers, of which the one
	 * outside leads to the other: neither can be asked for without the other. */
	if (!st.is_held || m->outer)
		return false;
	/* Where nothing is translated there is no other number to be had. */
	translated =
	    want.internal.family == ADDR_IPV4 && st.held.method != METHOD_DIRECT;
	if (number == 0 || number == st.held.external_port ||
	    (!translated && !m->context.prefer_failure)) {
		settle(e, m);
		return true;
	}
	return translated && want_bid(e, st.held.method, number, &want) &&
	       ask(e, m, &want, now);
}

void
bid_end(struct mapping *m, msec_t now)
{
	struct holding *h = m->bid ? lease_owner(m->bid) : NULL;

	if (!h)
		return;
	h->mapping = NULL;
	m->bid = NULL;
	lease_release(h->lease, now);
	gateway_kick(h->gateway);
}

static void
take_place(struct engine *e, struct holding *h, struct mapping *m, msec_t now)
{
	struct holding *old = lease_owner(m->lease);

	old->mapping = NULL;
	lease_release(old->lease, now);
	h->bid = false;
	m->bid = NULL;
	m->lease = h->lease;
	settle(e, m);
	h->want = *lease_wanted(m->lease);
	gateway_kick(m->gateway);
}

static void
make_way(struct engine *e, struct mapping *m, msec_t now)
{
	bid_end(m, now);
	holding_release(e, m, now);
	m->last.expires_at = 0; /* deleted: nothing to adopt */
	m->waits = true;
	engine_wake(e);
}

static void
lose(struct engine *e, struct mapping *m, const struct lease_problem *why, msec_t now)
{
	bid_end(m, now);
	if (!m->context.prefer_failure) {
		settle(e, m);
		holding_tell(e, m);
		return;
	}
	m->lost = *why;
	mapping_tell(m, false);
	if (m->before.known)
		engine_withdraw(e, m);
	m->lost = (struct lease_problem) { 0 };
}

/* 718 of a number that no entry has: the router knows one for each port inside only. */
static bool
is_in_its_own_way(const struct lease_problem *p)
{
	return is_igd(p->method) && p->code == 718 && p->holder.family == ADDR_NONE;
}

bool
bid_won(struct holding *h)
{
	struct engine *e = h->engine;
	struct mapping *m = h->mapping;
	uint8_t nonce[PCP_NONCE_LEN];
	struct lease_status st;
	msec_t now = loop_now();

	lease_status(h->lease, &st);
	if (!st.verdict)
		return false;
	if (st.is_held && is_igd(st.held.method)) {
		memcpy(nonce, h->want.nonce, sizeof(nonce));
		take_place(e, h, m, now);
		persist_forget(e, nonce);
		return true;
	}
	if (st.is_held || is_in_its_own_way(&st.problem))
		make_way(e, m, now);
	else
		lose(e, m, &st.problem, now);
	return false;
}
