/*
 * router_lease.c - the life of a lease: wished, asked in rounds, held, renewed, gone.
 *
 * A lease is one wanted number on the router for one or two transports.  A round works
 * through two sets: legs to drop first, then transports to ask; each answer moves the
 * round on (router_answer.c).
 */
#include <stdlib.h>
#include <string.h>

#include "proto/router_private.h"

#define RENEW_MAX_MS (INT64_C(12) * 3600 * MSEC_PER_SEC)
/* Quirk 27: read back within 2 minutes of the grant, then every 5 at most. */
#define VERIFY_FIRST_MS (INT64_C(90) * MSEC_PER_SEC)
#define VERIFY_MS (INT64_C(290) * MSEC_PER_SEC)
/* Quirk 29: with unequal numbers at once, the router may have made them equal. */
#define VERIFY_UNEQUAL_MS (INT64_C(1) * MSEC_PER_SEC)
/* It forgot this one before. */
#define VERIFY_HEALED_MS (INT64_C(10) * MSEC_PER_SEC)

/* ---- wishes ---- */

static void
link_lease(struct router *r, struct lease *l)
{
	l->router = r;
	l->prev = r->last;
	*(l->prev ? &l->prev->next : &r->leases) = l;
	r->last = l;
	r->lease_count++;
}

struct lease *
lease_new(struct router *r, const struct lease_want *want,
    const struct lease_held *adopt, void *owner, msec_t now)
{
	struct lease *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->want = *want;
	l->owner = owner;
	l->at = l->wanted_at = now;
	l->verify_at = MSEC_NEVER;
	link_lease(r, l);
	if (adopt && adopt->method != METHOD_DIRECT)
		lease_adopt(l, adopt, now);
	router_discover(r, now);
	return l;
}

void
lease_end_exchange(struct lease *l)
{
	if (l->started && pxp_is(l->service))
		(l->overdue ? &l->router->overdue : &l->router->exchanges)[0]--;
	if (l->router->igd.job_lease == l)
		l->router->igd.job_lease = NULL;
	l->started = l->overdue = false;
	l->op = OP_NONE;
}

/* A number of ours is free: perhaps it is what another lease wants. */
static void
wake_siblings(struct router *r)
{
	for (struct lease *l = r->leases; l; l = l->next)
		if (l->phase == LEASE_WAITING &&
		    addr_equal(&l->problem.holder, &r->settings.local)) {
			memset(l->again, 0, sizeof(l->again));
			l->problem.holder = (struct addr) { 0 };
			l->at = 0;
		}
}

void
lease_forget(struct lease *l)
{
	struct router *r = l->router;

	steps_forget(r, l->owner);
	lease_end_exchange(l);
	*(l->prev ? &l->prev->next : &r->leases) = l->next;
	*(l->next ? &l->next->prev : &r->last) = l->prev;
	r->lease_count--;
	wake_siblings(r);
	/* The action that reports GONE still names it. */
	free(r->gone);
	r->gone = l;
}

void
lease_begin(struct lease *l, enum lease_op op, enum transport t)
{
	l->op = op;
	l->leg_now = t;
	l->started = l->overdue = false;
	l->sends = 0;
}

static enum transport
first_transport(unsigned mask)
{
	return mask & 1u << TRANSPORT_UDP ? TRANSPORT_UDP : TRANSPORT_TCP;
}

enum transport
lease_first_leg(const struct lease *l)
{
	return first_transport(l->want.transports);
}

unsigned
lease_held_legs(const struct lease *l)
{
	unsigned mask = 0;

	for (enum transport t = 0; t < TRANSPORT_MAX; t++)
		mask |= l->leg[t].held ? 1u << t : 0;
	return mask;
}

static void lease_complete(struct lease *l, msec_t now);

/* Look for a service at once. */
void
lease_wait(struct lease *l, msec_t now)
{
	l->phase = LEASE_WAITING;
	l->at = now;
}

/* Held, but to be asked with another number outside. */
static unsigned
misnumbered_legs(const struct lease *l)
{
	unsigned mask = 0;

	for (enum transport t = 0; t < TRANSPORT_MAX; t++)
		if (l->leg[t].external_port != l->external_port)
			mask |= 1u << t;
	return mask & l->todo;
}

void
lease_advance(struct lease *l, msec_t now)
{
	lease_end_exchange(l);
	if (l->phase == LEASE_RELEASING)
		l->drop = lease_held_legs(l);
	l->drop = (l->drop | misnumbered_legs(l)) & lease_held_legs(l);
	if (l->drop) {
		lease_begin_drop(l, first_transport(l->drop));
	} else if (l->phase == LEASE_RELEASING) {
		l->phase = LEASE_GONE;
	} else if (l->todo) {
		lease_begin(l, OP_ASK, first_transport(l->todo));
	} else if (lease_held_legs(l) == l->want.transports) {
		lease_complete(l, now);
	} else {
		lease_wait(l, now);
	}
}

/* What the service before it may have granted without an answer is left to its lease:
 * where both share one table, to delete it would delete what is asked for now. */
static void
begin_round(struct lease *l, enum router_service s, msec_t now)
{
	l->service = s;
	l->todo = l->want.transports;
	l->drop = 0;
	l->rungs = 0;
	l->replaced = 0;
	l->holder = (struct addr) { 0 };
	lease_advance(l, now);
}

/* The number asked may have been granted although no answer says so. */
void
lease_maybe_held(struct lease *l)
{
	struct leg *leg = &l->leg[l->leg_now];

	if (!leg->held)
		*leg = (struct leg) { .unsure = true,
			.nameless = l->service == ROUTER_PINHOLE,
			.internal_port = l->internal_port,
			.external_port = l->external_port };
}

void
lease_release(struct lease *l, msec_t now)
{
	if (l->phase == LEASE_RELEASING || l->phase == LEASE_GONE)
		return;
	l->phase = LEASE_RELEASING;
	l->confirmed = true;
	l->changed = true;
	l->todo = 0;
	l->at = l->verify_at = MSEC_NEVER;
	if (l->started && l->op == OP_ASK && pxp_is(l->service))
		lease_maybe_held(l);
	for (enum transport t = 0; t < TRANSPORT_MAX; t++)
		l->leg[t].held |= l->leg[t].unsure;
	/* An IGD's answer tells the number: it is waited for. */
	if (!l->started || l->op != OP_ASK || pxp_is(l->service))
		lease_advance(l, now);
	if (l->phase == LEASE_RELEASING)
		service_let_go(l->router, l->service, now);
}

void
lease_renew(struct lease *l, msec_t now)
{
	memset(l->again, 0, sizeof(l->again));
	l->attempt = 0;
	if (l->phase == LEASE_HELD || l->phase == LEASE_WAITING)
		l->at = now;
	if (l->started && l->overdue)
		l->next_send = now;
	if (!l->is_held)
		router_discover(l->router, now);
}

bool
lease_remake(struct lease *l, msec_t now)
{
	if (l->phase != LEASE_HELD || l->direct || l->op != OP_NONE)
		return false;
	l->internal_port = l->held.internal_port;
	l->external_port = l->held.external_port;
	l->port_tries = 0;
	l->changed = true;
	l->quiet = false;
	lease_renumber(l, now);
	return true;
}

void
lease_set_methods(struct lease *l, const struct lease_want *want)
{
	l->want.methods = want->methods;
	l->want.order_count = want->order_count;
	memcpy(l->want.order, want->order, sizeof(l->want.order));
}

void
lease_set_want(struct lease *l, const struct lease_want *want)
{
	const struct lease_want was = l->want;

	l->want = *want;
	l->want.transports = was.transports;
	l->want.internal = was.internal;
	l->want.internal_port = was.internal_port;
}

void
lease_set_lifetime(struct lease *l, uint32_t lifetime_s)
{
	l->want.lifetime_s = lifetime_s;
}

/* ---- rounds ---- */

/* Nobody translates and nobody needs to be asked: the address itself is reachable. */
static void
hold_direct(struct lease *l)
{
	uint16_t port =
	    l->want.internal_port ? l->want.internal_port : l->internal_port;

	l->phase = LEASE_HELD;
	l->is_held = l->direct = l->verdict = l->changed = true;
	l->problem = (struct lease_problem) { 0 };
	l->at = MSEC_NEVER;
	l->held = (struct lease_held) {
		.method = METHOD_DIRECT,
		.external = l->want.internal,
		.external_port = port,
		.internal_port = port,
		.expires_at = MSEC_NEVER,
	};
}

/* Nothing is held and nothing is left to try now. */
static void
fail_round(struct lease *l)
{
	static const struct verdict nothing = { 0, "NO_SERVICE", REMEDY_NONE, NULL };

	if (!l->problem.present)
		lease_set_problem(l, 0, &nothing);
	l->phase = LEASE_WAITING;
	l->at = choose_again_at(l);
	l->problem.retry_at = l->at != MSEC_NEVER ? l->at : choose_look_at(l);
	l->verdict = l->changed = true;
	if (!addr_equal(&l->problem.holder, &l->router->settings.local))
		wake_siblings(l->router);
}

/* Let go of what is held; then the lease looks for another service, or fails. */
void
lease_give_back(struct lease *l, msec_t now)
{
	l->is_held = false;
	l->phase = LEASE_ASKING;
	l->todo = 0;
	l->drop = lease_held_legs(l);
	lease_advance(l, now);
}

static void
lease_try(struct lease *l, msec_t now)
{
	enum router_service s = choose_service(l, now);
	const struct router *r = l->router;

	l->at = MSEC_NEVER;
	l->pending = false;
	if (s != ROUTER_SERVICES && s != l->service && lease_held_legs(l)) {
		/* Two services must not hold one port: the old one lets go first. */
		lease_give_back(l, now);
	} else if (s != ROUTER_SERVICES) {
		l->service = s;
		l->phase = LEASE_ASKING;
		l->changed |= l->verdict;
		if (choose_ports(l)) {
			begin_round(l, s, now);
		} else {
			l->holder = r->settings.local;
			lease_not_exact(l, 0, now);
		}
	} else if (choose_may_turn_up(l)) {
		l->pending = true; /* told when it does, or when it does not */
		if (l->problem.present && now - l->wanted_at >= RETRY_VERDICT_MS)
			l->verdict = l->changed = true;
	} else if (choose_direct(l, now)) {
		(void)choose_ports(l); /* nothing is translated */
		hold_direct(l);
	} else {
		fail_round(l);
	}
}

msec_t
leg_ends(const struct leg *leg)
{
	if (!leg->held || !leg->lifetime_s)
		return MSEC_NEVER;
	return leg->granted_at + leg->lifetime_s * MSEC_PER_SEC;
}

msec_t
lease_ends(const struct lease *l)
{
	msec_t ends = MSEC_NEVER;

	for (enum transport t = 0; t < TRANSPORT_MAX; t++)
		ends = MIN(ends, leg_ends(&l->leg[t]));
	return ends;
}

/* RFC 6887 11.2.1: at 1/2 to 5/8 of the lifetime; here never beyond 12 h (a lifetime
 * of 68 years is granted as asked). */
msec_t
lease_renewal_at(struct lease *l, msec_t now)
{
	msec_t life = MAX(l->held.expires_at - now, 0), half;

	if (l->held.expires_at == MSEC_NEVER)
		return MSEC_NEVER;
	half = life / 2 + (msec_t)rng_below(&l->router->rng, (uint64_t)(life / 8 + 1));
	return now + MAX(RENEW_MIN_MS, MIN(half, RENEW_MAX_MS));
}

/* What the legs hold becomes what the lease holds. */
void
lease_publish(struct lease *l)
{
	const struct leg *leg = &l->leg[lease_first_leg(l)];
	const struct lease_held was = l->held;

	l->held = (struct lease_held) {
		.method = service_method(l->router, l->service),
		.external = *lease_external(l),
		.external_port = leg->external_port,
		.internal_port = leg->internal_port,
		.lifetime_s = leg->lifetime_s,
		.expires_at = lease_ends(l),
	};
	for (enum transport t = 0; t < TRANSPORT_MAX; t++)
		l->held.pinhole_id[t] = l->leg[t].pinhole_id;
	l->changed |= l->held.external_port != was.external_port ||
		      l->held.method != was.method ||
		      !addr_equal(&l->held.external, &was.external);
}

/* How long after the grant it is read back. */
static msec_t
first_look_ms(const struct lease *l)
{
	if (l->service == ROUTER_IGD && l->held.external_port != l->held.internal_port)
		return VERIFY_UNEQUAL_MS;
	return l->heal ? VERIFY_HEALED_MS : VERIFY_FIRST_MS;
}

/* All legs of the round are granted with one number. */
static void
lease_complete(struct lease *l, msec_t now)
{
	lease_publish(l);
	l->renewals += l->is_held;
	l->changed |= !l->quiet || !l->is_held || l->problem.present;
	l->quiet = false;
	l->phase = LEASE_HELD;
	l->is_held = l->verdict = true;
	l->problem = (struct lease_problem) { 0 };
	l->attempt = 0;
	l->again[l->service] = 0;
	l->at = lease_renewal_at(l, now);
	l->seen_at = now;
	if (!pxp_is(l->service))
		l->verify_at = MIN(l->verify_at, now + first_look_ms(l));
}

/* The numbers of the lease for all transports: drop what is held, ask anew. */
void
lease_renumber(struct lease *l, msec_t now)
{
	l->drop = lease_held_legs(l);
	l->todo = l->want.transports;
	l->is_held = false;
	l->replaced = 0;
	l->phase = LEASE_ASKING;
	lease_advance(l, now);
}

/* ---- time ---- */

/* Start a renewal, by a better service if one turned up meanwhile. */
static void
start_renewal(struct lease *l, msec_t now)
{
	l->at = MSEC_NEVER;
	if (l->direct) {
		if (choose_service(l, now) != ROUTER_SERVICES)
			lease_lost(l, now);
		return;
	}
	l->changed |= !l->quiet;
	l->internal_port = l->held.internal_port;
	l->external_port = l->held.external_port;
	l->port_tries = 0;
	if (choose_better(l)) {
		l->problem = (struct lease_problem) { 0 };
		lease_give_back(l, now);
	} else {
		begin_round(l, l->service, now);
	}
}

/* In line at a service that is not there any more, or that rests. */
static bool
in_vain(const struct lease *l)
{
	const struct service *svc = &l->router->service[l->service];

	if (l->op == OP_NONE || l->started)
		return false;
	return svc->state == SERVICE_ABSENT ||
	       (svc->circuit == CIRCUIT_OPEN && l->op == OP_ASK && !l->is_held);
}

static void
held_timer(struct lease *l, msec_t now)
{
	if (l->held.expires_at <= now) {
		/* Lapsed (or slept through): asked again with the same number. */
		lease_end_exchange(l);
		lease_lapsed(l, now);
		router_discover(l->router, now);
	} else if (l->op == OP_NONE && l->at <= now) {
		start_renewal(l, now);
	} else if (l->op == OP_NONE && l->verify_at <= now) {
		l->verify_at = now + VERIFY_MS;
		lease_begin(l, OP_VERIFY, first_transport(l->want.transports));
	}
}

static void
do_what_is_due(struct lease *l, msec_t now)
{
	if (l->phase == LEASE_HELD)
		held_timer(l, now);
	if (l->phase == LEASE_ASKING && l->overdue && l->at <= now) {
		/* The silent service is left for one that may be asked again. */
		if (choose_service(l, now) != ROUTER_SERVICES)
			lease_give_back(l, now);
		else
			l->at = choose_again_at(l);
	}
	if (l->phase == LEASE_WAITING && l->at <= now)
		lease_try(l, now);
}

void
lease_timer(struct lease *l, msec_t now)
{
	do_what_is_due(l, now);
	while (in_vain(l)) {
		lease_no_answer(l, "NO_SERVICE", now);
		do_what_is_due(l, now);
	}
}

msec_t
lease_deadline(const struct lease *l)
{
	switch (l->phase) {
	case LEASE_WAITING:
		return l->at;
	case LEASE_HELD:
		if (l->op != OP_NONE)
			return l->held.expires_at;
		return MIN(l->at, MIN(l->verify_at, l->held.expires_at));
	case LEASE_ASKING:
		return l->overdue ? l->at : MSEC_NEVER;
	case LEASE_RELEASING:
	case LEASE_GONE:
		break;
	}
	return MSEC_NEVER;
}

void
lease_service_news(struct lease *l, enum router_service s, bool found, msec_t now)
{
	if (l->phase == LEASE_WAITING) {
		/* What it denied it goes on denying; silence is over. */
		if (found || l->problem.code == 0)
			l->again[s] = 0;
		l->at = l->pending ? now : MIN(l->at, MAX(now, l->again[s]));
	} else if (l->overdue && l->service == s) {
		l->next_send = now;
	} else if (l->overdue && !l->is_held) {
		l->at = now;
	} else if (l->direct) {
		/* A firewall turned out to be there after all. */
		l->at = now;
	} else if (l->is_held && l->service == s && !pxp_is(s)) {
		/* It was away: perhaps it restarted. */
		lease_doubt(l, now);
	}
}

/* ---- what is known ---- */

void
lease_status(const struct lease *l, struct lease_status *ret)
{
	*ret = (struct lease_status) {
		.verdict = l->verdict,
		.is_held = l->is_held,
		.held = l->held,
		.problem = l->problem,
		.renew_at = l->phase == LEASE_HELD ? l->at : MSEC_NEVER,
		.renewals = l->renewals,
		.losses = l->losses,
	};
	if (l->phase == LEASE_RELEASING || l->phase == LEASE_GONE)
		ret->state = MAPPING_RELEASING;
	else if (!l->is_held)
		ret->state = l->problem.present ? MAPPING_FAILED : MAPPING_REQUESTING;
	else if (l->problem.present)
		ret->state = MAPPING_DEGRADED;
	else
		ret->state =
		    l->op == OP_ASK && !l->quiet ? MAPPING_RENEWING : MAPPING_ACTIVE;
}

const struct lease_want *
lease_wanted(const struct lease *l)
{
	return &l->want;
}

void *
lease_owner(const struct lease *l)
{
	return l->owner;
}
