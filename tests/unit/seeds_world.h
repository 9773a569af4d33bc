/*
 * seeds_world.h - the world of test_router_seeds.c: wishes on a simulated gateway, what
 * the daemon notes of them, and what its next start makes of the notes.
 *
 * The notes are those of daemon/holding.c and daemon/persist.c, what becomes of them is
 * as in daemon/tombstone.c.  At any time each entry of ours in the gateway's table must
 * be known to a lease or to a note.
 */
#pragma once

#include "tests/unit/sim_igd.h"

#define WISHES 24
#define TOMBSTONES 64
#define SAVE_DELAY_MS 100 /* as the daemon's */

/* A mapping, and what is noted of it. */
struct wish {
	bool used;
	struct lease *lease; /* NULL: waits for the deletion of what it left */
	struct lease_want want;
	msec_t since;
	bool released;
	bool of_connection; /* ends with natd */
	bool was_held;
	struct lease_held last;
	struct lease_held noted; /* granted last, or a guess: asked for */
};

/* What is to be deleted from an earlier life, if it is there. */
struct tombstone {
	bool used;
	struct lease *lease;
	bool buried; /* not confirmed: tried again by the next start */
	struct lease_want want;
	struct lease_held held;
};

struct world {
	struct sim s;
	struct sim_igd *g;
	struct wish wish[WISHES];
	struct tombstone tombstone[TOMBSTONES];
	uint64_t seed;
	uint16_t next_port;
	bool calm; /* UPnP always answers: then nothing may be left there */
};

static inline unsigned
pick(struct world *w, unsigned limit)
{
	return (unsigned)rng_below(&w->s.rng, limit);
}

static inline bool
same_nonce(const struct lease_want *a, const struct lease_want *b)
{
	return memcmp(a->nonce, b->nonce, PCP_NONCE_LEN) == 0;
}

/* ---- what is left of an earlier life ---- */

/* The gateway answered what was asked. */
static inline void
forget_guesses(struct world *w, const struct lease_want *want)
{
	for (struct tombstone *t = w->tombstone; t < w->tombstone + TOMBSTONES; t++)
		if (t->used && !t->lease && t->held.guess && same_nonce(&t->want, want))
			t->used = false;
}

static inline struct tombstone *
bury(struct world *w, const struct lease_want *want, const struct lease_held *held)
{
	struct tombstone *t = w->tombstone;

	if (!held->external_port || held->method == METHOD_DIRECT ||
	    held->expires_at <= w->s.now)
		return NULL;
	if (!held->guess)
		forget_guesses(w, want);
	for (struct tombstone *i = t; i < w->tombstone + TOMBSTONES; i++)
		if (i->used && !i->lease && same_nonce(&i->want, want) &&
		    i->held.method == held->method && i->held.guess == held->guess &&
		    i->held.internal_port == held->internal_port &&
		    i->held.external_port == held->external_port)
			return i;
	while (t->used)
		assert_true(++t < w->tombstone + TOMBSTONES);
	*t = (struct tombstone) { .used = true, .want = *want, .held = *held };
	t->want.internal_port = held->internal_port;
	t->want.external_port = held->external_port;
	t->want.former = (struct addr) { 0 };
	t->want.methods = METHODS_ALL;
	t->want.order[0] = held->method;
	t->want.order_count = 1;
	return t;
}

/* A wish that asks for it again, and so renews it, or adopts it. */
static inline bool
still_wanted(const struct world *w, const struct tombstone *t)
{
	for (const struct wish *i = w->wish; i < w->wish + WISHES; i++) {
		bool same =
		    t->held.guess
			? i->want.internal_port == t->held.internal_port &&
			      t->held.method != METHOD_IGD2 &&
			      (t->held.method != METHOD_IGD1 || !i->was_held ||
				  i->last.external_port == t->held.external_port)
			: i->was_held && i->last.external_port == t->held.external_port;

		if (i->used && !i->released && same && same_nonce(&i->want, &t->want))
			return true;
	}
	return false;
}

static inline void
take_tombstones(struct world *w)
{
	for (struct tombstone *t = w->tombstone; t < w->tombstone + TOMBSTONES; t++) {
		if (!t->used || t->lease || t->buried)
			continue;
		if (still_wanted(w, t)) {
			t->used = t->held.guess;
			continue;
		}
		t->lease = lease_new(w->s.router, &t->want, &t->held, t, w->s.now);
		lease_release(t->lease, w->s.now);
	}
}

/* ---- whose are the entries of the gateway ---- */

static inline enum transport
transport_of(const struct sim_mapping *m)
{
	return m->protocol == 17 ? TRANSPORT_UDP : TRANSPORT_TCP;
}

static inline bool
leads_to(const struct sim_mapping *m, uint16_t external, uint16_t internal, bool exact)
{
	return m->internal == internal &&
	       (m->external == external || (!exact && m->external == internal));
}

static inline bool
leg_leads_to(const struct world *w, const struct leg *leg, const struct sim_mapping *m)
{
	if (!leg->held && !leg->unsure)
		return false;
	if (w->g->version == 6)
		return leg->nameless ? leg->internal_port == m->internal
				     : leg->pinhole_id == m->id;
	return leads_to(m, leg->external_port, leg->internal_port, leg->exact);
}

static inline bool
lease_knows(const struct world *w, const struct lease *l, const struct sim_mapping *m)
{
	enum transport t = transport_of(m);

	if (pxp_is(l->service) || !(l->want.transports & 1u << t))
		return false;
	if (leg_leads_to(w, &l->leg[t], m))
		return true;
	/* It is being asked for once more, or looked for. */
	return ((l->todo & 1u << t || (l->op == OP_ASK && l->leg_now == t)) &&
		   leads_to(m, l->external_port, l->internal_port, false)) ||
	       (l->op == OP_SEARCH && m->internal == l->want.internal_port);
}

static inline bool
tombstone_knows(
    const struct world *w, const struct tombstone *t, const struct sim_mapping *m)
{
	enum router_service s = w->g->version == 6 ? ROUTER_PINHOLE : ROUTER_IGD;

	if (!t->used || method_service(t->held.method) != s ||
	    !(t->want.transports & 1u << transport_of(m)))
		return false;
	if (t->held.guess)
		return t->held.internal_port == m->internal;
	if (w->g->version == 6)
		return t->held.pinhole_id[transport_of(m)] == m->id;
	return leads_to(m, t->held.external_port, t->held.internal_port, false);
}

/* Somebody will renew or delete this entry of ours. */
static inline bool
is_known(const struct world *w, const struct sim_mapping *m)
{
	for (const struct lease *l = w->s.router->leases; l; l = l->next)
		if (lease_knows(w, l, m))
			return true;
	for (const struct tombstone *t = w->tombstone; t < w->tombstone + TOMBSTONES;
	     t++)
		if (tombstone_knows(w, t, m))
			return true;
	return false;
}

static inline bool
is_unknown(const struct world *w, const struct sim_mapping *m)
{
	return sim_mapping_live(w->g, m) && !m->forgotten &&
	       strcmp(m->client, w->g->client) == 0 && !is_known(w, m);
}

/* Held by another method now, what a guess stands for is left to its lease: it may be
 * the same entry. */
static inline void
forget_unknown(struct world *w)
{
	for (struct sim_mapping *m = w->g->entry; m < w->g->entry + SIM_IGD_ENTRIES;
	     m++)
		m->forgotten |= is_unknown(w, m);
}

static inline void
check_table(const struct world *w)
{
	for (unsigned i = 0; w->calm && i < SIM_IGD_ENTRIES; i++) {
		const struct sim_mapping *m = &w->g->entry[i];

		if (!is_unknown(w, m))
			continue;
		printf("nobody knows: protocol %u, %u to %u, lease %u\n", m->protocol,
		    m->external, m->internal, m->lease_s);
		fail();
	}
}

/* ---- wishes ---- */

static inline bool
is_busy(const struct world *w, const struct wish *wish)
{
	for (const struct tombstone *t = w->tombstone; t < w->tombstone + TOMBSTONES;
	     t++)
		if (t->used && t->lease && !lease_searches(t->lease) &&
		    t->want.transports & wish->want.transports &&
		    t->want.internal_port == wish->want.internal_port)
			return true;
	return false;
}

static inline void
take_wish(struct world *w, struct wish *wish)
{
	struct lease_want want = wish->want;
	const struct lease_held *adopt = NULL;

	wish->noted = (struct lease_held) { 0 };
	if (wish->was_held && wish->last.expires_at > w->s.now) {
		adopt = &wish->last;
		wish->noted = wish->last;
	} else if (wish->was_held) {
		if (!want.external_port)
			want.external_port = wish->last.external_port;
		if (want.external_port == wish->last.external_port) {
			want.former = want.internal;
			want.former_ends = wish->last.expires_at;
		}
	}
	wish->lease = lease_new(w->s.router, &want, adopt, wish, w->s.now);
}

static inline void
reconcile(struct world *w)
{
	take_tombstones(w);
	for (struct wish *i = w->wish; i < w->wish + WISHES; i++) {
		if (i->used && !i->lease && i->released)
			i->used = false;
		else if (i->used && !i->lease && !is_busy(w, i))
			take_wish(w, i);
	}
}

/* ---- what is noted ---- */

static inline struct tombstone *
tombstone_of(struct world *w, void *owner)
{
	struct tombstone *t = owner;

	return t >= w->tombstone && t < w->tombstone + TOMBSTONES ? t : NULL;
}

static inline void
on_asks(struct sim *s, const struct lease *l, void *owner)
{
	struct world *w = (struct world *)s;
	struct wish *wish = owner;
	struct lease_held ask;
	bool same;

	if (tombstone_of(w, owner))
		return;
	lease_asking(l, s->now, &ask);
	same = wish->noted.method == ask.method &&
	       wish->noted.internal_port == ask.internal_port &&
	       wish->noted.external_port == ask.external_port &&
	       wish->noted.expires_at > s->now;
	if (!same || (!wish->noted.guess && ask.method == METHOD_IGD_PINHOLE))
		wish->noted = ask;
}

static inline void
on_changed(struct sim *s, const struct lease *l, void *owner)
{
	struct world *w = (struct world *)s;
	struct lease_status st = sim_status(l);
	struct wish *wish = owner;

	if (tombstone_of(w, owner)) {
		reconcile(w); /* who waits for it may do so no longer */
		return;
	}
	if (!st.is_held)
		return;
	if (wish->noted.guess)
		forget_guesses(w, &wish->want);
	wish->was_held = true;
	wish->noted = wish->last = st.held;
	if (pxp_is(method_service(st.held.method)))
		forget_unknown(w);
}

static inline void
on_gone(struct sim *s, void *owner, bool confirmed)
{
	struct world *w = (struct world *)s;
	struct tombstone *t = tombstone_of(w, owner);
	struct wish *wish = owner;

	if (t) {
		t->lease = NULL;
		t->buried = !confirmed;
		t->used = t->buried && !t->held.guess;
		reconcile(w);
		return;
	}
	assert_true(wish->released);
	wish->used = false;
	wish->lease = NULL;
	if (!confirmed && !wish->noted.guess) {
		t = bury(w, &wish->want, &wish->noted);
		if (t)
			t->buried = true;
	}
}

/* ---- natd is killed ---- */

/* What is in the state file of it. */
static inline void
load_wish(struct world *w, struct wish *wish)
{
	bool saved = w->s.now - wish->since > SAVE_DELAY_MS;

	wish->lease = NULL;
	if (wish->released && saved) {
		wish->used = false;
		bury(w, &wish->want, &wish->noted);
		return;
	}
	if (wish->was_held)
		bury(w, &wish->want, &wish->last);
	if (wish->noted.guess)
		bury(w, &wish->want, &wish->noted);
	wish->used = !wish->of_connection;
	wish->released = false;
	wish->since = w->s.now;
}

/* It comes back with what it noted. */
static inline void
restart_natd(struct world *w)
{
	struct router_settings settings = w->s.router->settings;
	struct router *old = w->s.router;
	bool lapsed = false;

	/* The gateway does what was asked, and nobody hears its answer. */
	if (w->g->busy && pick(w, 2)) {
		w->g->due = w->s.now;
		sim_igd_run(&w->s);
	}
	settings.seed = w->s.rng.state;
	settings.habits = old->habits;
	w->s.router = router_new(&settings, w->s.now);
	w->g->busy = false;
	for (unsigned i = 0; i < ROUTER_SOAP_PER_S; i++)
		w->g->posts[i] = w->s.now - 1000;
	for (struct tombstone *t = w->tombstone; t < w->tombstone + TOMBSTONES; t++) {
		lapsed |= t->used && t->held.expires_at <= w->s.now;
		t->used &= t->held.expires_at > w->s.now;
		t->buried = false;
		t->lease = NULL;
	}
	for (unsigned i = 0; i < WISHES; i++)
		if (w->wish[i].used)
			load_wish(w, &w->wish[i]);
	reconcile(w);
	router_free(old);
	/* To tell its id, a pinhole was asked for once more, for two minutes. */
	if (lapsed)
		forget_unknown(w);
}
