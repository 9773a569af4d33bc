/*
 * router_lease.c - the life of a lease: asked, granted, renewed, refused, lost, gone.
 *
 * A lease is one wanted number on the router for one or two transports.  A round works
 * through two sets: legs to drop first, then transports to ask; each answer moves the
 * round on, and what an answer means is decided here and nowhere else.
 */
#include <stdlib.h>
#include <string.h>

#include "proto/router_private.h"

#define RETRY_BASE_MS (INT64_C(5) * MSEC_PER_SEC)
#define RETRY_CAP_MS (INT64_C(300) * MSEC_PER_SEC)
#define RETRY_SLOW_MS (INT64_C(300) * MSEC_PER_SEC)
#define RETRY_HOURLY_MS (INT64_C(3600) * MSEC_PER_SEC)
#define RENEW_MAX_MS (INT64_C(12) * 3600 * MSEC_PER_SEC)
#define RENEW_MIN_MS MSEC_PER_SEC
/* Quirk 27: read back once within 2 minutes of the grant, then every 5 at most. */
#define VERIFY_FIRST_MS (INT64_C(90) * MSEC_PER_SEC)
#define VERIFY_MS (INT64_C(290) * MSEC_PER_SEC)

static const enum router_service method_service[METHOD_MAX] = {
	[METHOD_PCP] = ROUTER_PCP,
	[METHOD_IGD2] = ROUTER_IGD,
	[METHOD_NAT_PMP] = ROUTER_NAT_PMP,
	[METHOD_IGD1] = ROUTER_IGD,
	[METHOD_IGD_PINHOLE] = ROUTER_PINHOLE,
	[METHOD_DIRECT] = ROUTER_SERVICES,
};

unsigned
lease_transports(const struct lease *l)
{
	return l->want.transports;
}

static void
set_problem(struct lease *l, enum method method, int code, const char *name,
    enum remedy remedy, const char *hint)
{
	l->problem = (struct lease_problem) {
		.present = true,
		.method = method,
		.code = code,
		.name = name,
		.remedy = remedy,
		.hint = hint,
		.offered_port = l->problem.offered_port,
		.retry_at = MSEC_NEVER,
	};
	l->changed = true;
}

/* ---- wishes ---- */

static void
link_lease(struct router *r, struct lease *l)
{
	l->router = r;
	l->next = r->leases;
	if (l->next)
		l->next->prev = l;
	r->leases = l;
	r->lease_count++;
}

/* What an earlier life held becomes the legs' state, renewed at once. */
static void
adopt_held(struct lease *l, const struct lease_held *held, msec_t now)
{
	l->held = *held;
	l->is_held = true;
	l->phase = LEASE_HELD;
	l->service = method_service[held->method];
	l->internal_port = held->internal_port;
	l->external_port = held->external_port;
	l->at = now;
	for (enum transport t = 0; t < TRANSPORT_MAX; t++)
		if (l->want.transports & 1u << t)
			l->leg[t] = (struct leg) {
				.held = true,
				.internal_port = held->internal_port,
				.external_port = held->external_port,
				.lifetime_s = held->lifetime_s,
				.granted_at = now,
				.pinhole_id = held->pinhole_id[t],
			};
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
	l->at = now;
	l->verify_at = MSEC_NEVER;
	link_lease(r, l);
	if (adopt && adopt->method != METHOD_DIRECT)
		adopt_held(l, adopt, now);
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

void
lease_forget(struct lease *l)
{
	struct router *r = l->router;

	lease_end_exchange(l);
	if (l->prev)
		l->prev->next = l->next;
	else
		r->leases = l->next;
	if (l->next)
		l->next->prev = l->prev;
	r->lease_count--;
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

static unsigned
held_legs(const struct lease *l)
{
	unsigned mask = 0;

	for (enum transport t = 0; t < TRANSPORT_MAX; t++)
		mask |= l->leg[t].held ? 1u << t : 0;
	return mask;
}

static void lease_complete(struct lease *l, msec_t now);

/* The next step of the round. */
static void
advance(struct lease *l, msec_t now)
{
	lease_end_exchange(l);
	l->drop &= held_legs(l);
	if (l->drop) {
		lease_begin(l, OP_DELETE, first_transport(l->drop));
	} else if (l->phase == LEASE_RELEASING) {
		l->phase = LEASE_GONE;
	} else if (l->todo) {
		lease_begin(l, OP_ASK, first_transport(l->todo));
	} else if (held_legs(l) == l->want.transports) {
		lease_complete(l, now);
	} else {
		l->phase = LEASE_WAITING;
		l->at = now;
	}
}

void
lease_release(struct lease *l, msec_t now)
{
	if (l->phase == LEASE_RELEASING || l->phase == LEASE_GONE)
		return;
	/* A request whose answer is still out may have been granted already. */
	if (l->started && l->op == OP_ASK && !l->leg[l->leg_now].held)
		l->leg[l->leg_now] = (struct leg) { .held = true,
			.internal_port = l->internal_port,
			.external_port = l->external_port };
	l->phase = LEASE_RELEASING;
	l->confirmed = true;
	l->changed = true;
	l->todo = 0;
	l->drop = l->direct ? 0 : held_legs(l);
	l->at = l->verify_at = MSEC_NEVER;
	advance(l, now);
}

void
lease_renew(struct lease *l, msec_t now)
{
	if (l->phase == LEASE_HELD || l->phase == LEASE_WAITING) {
		l->at = now;
		l->refused = 0;
		l->attempt = 0;
	}
	if (l->phase == LEASE_WAITING)
		router_discover(l->router, now);
}

void
lease_set_lifetime(struct lease *l, uint32_t lifetime_s)
{
	l->want.lifetime_s = lifetime_s;
}

/* ---- choosing a service ---- */

static bool
service_fits(const struct lease *l, enum method m)
{
	const struct router *r = l->router;
	enum router_service s = method_service[m];

	if (s == ROUTER_SERVICES || !(l->want.methods & METHOD_BIT(m)) ||
	    l->refused & 1u << s || !service_usable(r, s) || service_method(r, s) != m)
		return false;
	/* NAT-PMP has no way to ask for another host (RFC 6886 section 3.3). */
	return s != ROUTER_NAT_PMP || addr_equal(&l->want.internal, &r->settings.local);
}

/* The best usable service, or ROUTER_SERVICES. */
static enum router_service
best_service(const struct lease *l)
{
	for (unsigned i = 0; i < l->want.order_count; i++)
		if (service_fits(l, l->want.order[i]))
			return method_service[l->want.order[i]];
	return ROUTER_SERVICES;
}

/* Whether an allowed service may still turn up. */
static bool
may_turn_up(const struct lease *l)
{
	for (enum method m = 0; m < METHOD_MAX; m++) {
		enum router_service s = method_service[m];

		if (s == ROUTER_SERVICES || !(l->want.methods & METHOD_BIT(m)))
			continue;
		if (l->router->service[s].state == SERVICE_PROBING ||
		    l->router->service[s].state == SERVICE_UNKNOWN)
			return true;
	}
	return false;
}

/* Nobody translates and nobody needs to be asked: the address itself is reachable. */
static void
hold_direct(struct lease *l)
{
	uint16_t port =
	    l->want.internal_port ? l->want.internal_port : l->internal_port;

	l->phase = LEASE_HELD;
	l->is_held = l->direct = l->verdict = l->changed = true;
	l->problem.present = false;
	l->at = MSEC_NEVER;
	l->held = (struct lease_held) {
		.method = METHOD_DIRECT,
		.external = l->want.internal,
		.external_port = port,
		.internal_port = port,
		.expires_at = MSEC_NEVER,
	};
}

/* The n-th number to suggest: the same ones after a restart that lost all state. */
static uint16_t
suggested_port(const struct lease *l, unsigned n)
{
	struct rng rng = { .state = l->want.port_seed + n };

	return (uint16_t)(20000 + rng_below(&rng, 40000));
}

/* The numbers of the first request of a round. */
static void
choose_ports(struct lease *l)
{
	struct router *r = l->router;

	l->port_tries = 0;
	if (l->held.external_port) {
		/* The same number again after a loss. */
		l->internal_port = l->held.internal_port;
		l->external_port = l->held.external_port;
		return;
	}
	l->external_port = l->want.external_port;
	l->internal_port = l->want.internal_port;
	if (!l->internal_port)
		l->internal_port = l->external_port;
	if (!l->internal_port)
		l->internal_port = suggested_port(l, 0);
	/* Quirk 35: some routers refuse a suggested port of 0. */
	if (!l->external_port || r->habits.same_port)
		l->external_port = l->internal_port;
}

/* How long a refused lease rests; 0: full jitter with back-off; MSEC_NEVER: until a
 * service turns up. */
static const msec_t remedy_wait_ms[] = {
	[REMEDY_NONE] = MSEC_NEVER,
	[REMEDY_RETRY] = 0,
	[REMEDY_RETRY_SLOW] = RETRY_SLOW_MS,
	[REMEDY_RETRY_HOURLY] = RETRY_HOURLY_MS,
	[REMEDY_WAIT_WAN] = 0,
	[REMEDY_OTHER_PORT] = RETRY_HOURLY_MS,
	[REMEDY_SAME_PORT] = RETRY_HOURLY_MS,
	[REMEDY_NEXT_LEASE] = RETRY_HOURLY_MS,
	[REMEDY_NEXT_METHOD] = RETRY_HOURLY_MS,
	[REMEDY_REDISCOVER] = 0,
	[REMEDY_GONE] = 0,
	[REMEDY_GIVE_UP] = RETRY_HOURLY_MS,
};

/* Nothing is held and nothing is left to try now. */
static void
fail_round(struct lease *l, msec_t now)
{
	struct router *r = l->router;
	msec_t wait;

	if (!l->problem.present)
		set_problem(l, METHOD_DIRECT, 0, "NO_SERVICE", REMEDY_NONE, NULL);
	wait = remedy_wait_ms[l->problem.remedy];
	if (wait == 0)
		wait = MSEC_PER_SEC +
		       retry_backoff(l->attempt, RETRY_BASE_MS, RETRY_CAP_MS, &r->rng);
	l->attempt++;
	l->refused = 0;
	l->phase = LEASE_WAITING;
	if (wait == MSEC_NEVER)
		l->at = MSEC_NEVER;
	else if (l->problem.retry_at == MSEC_NEVER)
		l->at = now + wait;
	else
		l->at = MAX(now + wait, l->problem.retry_at);
	l->problem.retry_at = l->at;
	l->verdict = l->changed = true;
}

void
lease_try(struct lease *l, msec_t now)
{
	enum router_service s = best_service(l);

	l->at = MSEC_NEVER;
	l->pending = false;
	if (s != ROUTER_SERVICES) {
		choose_ports(l);
		l->phase = LEASE_ASKING;
		l->service = s;
		l->todo = l->want.transports;
		l->drop = 0;
		l->changed |= l->verdict;
		advance(l, now);
	} else if (may_turn_up(l)) {
		l->pending = true; /* kicked when it does, or when it does not */
	} else if (l->want.methods & METHOD_BIT(METHOD_DIRECT) &&
		   addr_is_global(&l->want.internal) && !l->refused) {
		choose_ports(l);
		hold_direct(l);
	} else {
		fail_round(l, now);
	}
}

/* ---- results ---- */

static msec_t
lease_ends(const struct lease *l)
{
	msec_t ends = MSEC_NEVER;

	for (enum transport t = 0; t < TRANSPORT_MAX; t++)
		if (l->leg[t].held && l->leg[t].lifetime_s)
			ends = MIN(ends,
			    l->leg[t].granted_at + l->leg[t].lifetime_s * MSEC_PER_SEC);
	return ends;
}

/* RFC 6887 11.2.1: at 1/2 to 5/8 of the lifetime; here never beyond 12 h (quirk: a
 * lifetime of 68 years is granted as asked). */
static msec_t
renewal_at(struct lease *l, msec_t now)
{
	msec_t life = l->held.expires_at - now;
	msec_t half;

	if (l->held.expires_at == MSEC_NEVER)
		return MSEC_NEVER;
	half = life / 2 + (msec_t)rng_below(&l->router->rng, (uint64_t)(life / 8 + 1));
	return now + MAX(RENEW_MIN_MS, MIN(half, RENEW_MAX_MS));
}

/* All legs of the round are granted with one number. */
static void
lease_complete(struct lease *l, msec_t now)
{
	struct router *r = l->router;
	enum transport t = first_transport(l->want.transports);
	const struct lease_held was = l->held;

	l->held = (struct lease_held) {
		.method = service_method(r, l->service),
		.external =
		    l->service == ROUTER_PINHOLE ? l->want.internal : r->external,
		.external_port = l->leg[t].external_port,
		.internal_port = l->leg[t].internal_port,
		.lifetime_s = l->leg[t].lifetime_s,
		.expires_at = lease_ends(l),
	};
	for (t = 0; t < TRANSPORT_MAX; t++)
		l->held.pinhole_id[t] = l->leg[t].pinhole_id;
	/* PCP over IPv6 tells each mapping's address; it is ours unless told otherwise.
	 */
	if (l->want.internal.family == ADDR_IPV6)
		l->held.external = l->want.internal;
	l->renewals += l->is_held;
	l->changed |= !l->quiet || !l->is_held || l->problem.present ||
		      l->held.external_port != was.external_port ||
		      l->held.method != was.method ||
		      !addr_equal(&l->held.external, &was.external);
	l->quiet = false;
	l->phase = LEASE_HELD;
	l->is_held = l->verdict = true;
	l->problem = (struct lease_problem) { 0 };
	l->attempt = 0;
	l->refused = 0;
	l->at = renewal_at(l, now);
	if (!pxp_is(l->service) && l->verify_at == MSEC_NEVER)
		l->verify_at = now + VERIFY_FIRST_MS;
}

/* Another number for all transports: drop what is held, ask anew. */
static void
renumber(struct lease *l, uint16_t internal_port, uint16_t external_port, msec_t now)
{
	l->internal_port = internal_port;
	l->external_port = external_port;
	l->drop = held_legs(l);
	l->todo = l->want.transports;
	l->is_held = false;
	if (l->phase == LEASE_HELD)
		l->phase = LEASE_ASKING;
	advance(l, now);
}

/* Let go of what is held; then the lease looks for another service, or fails. */
static void
give_back(struct lease *l, msec_t now)
{
	l->is_held = false;
	l->phase = LEASE_ASKING;
	l->todo = 0;
	l->drop = held_legs(l);
	advance(l, now);
}

/* Take no number but the wanted one. */
static void
fail_exact(struct lease *l, uint16_t offered, msec_t now)
{
	l->problem.offered_port = offered;
	set_problem(l, service_method(l->router, l->service), 0, "PORT_TAKEN",
	    REMEDY_OTHER_PORT,
	    "another port would be granted: do not insist on this one");
	l->refused = ~0u; /* any service of the same router would say the same */
	give_back(l, now);
}

void
lease_granted(struct lease *l, uint16_t internal_port, uint16_t external_port,
    uint32_t lifetime_s, uint32_t pinhole_id, msec_t now)
{
	struct leg *leg = &l->leg[l->leg_now];
	struct leg *other = &l->leg[!l->leg_now];
	bool one_number = l->want.internal_port == 0;

	*leg = (struct leg) { .held = true,
		.internal_port = one_number ? l->internal_port : internal_port,
		.external_port = external_port,
		.lifetime_s = lifetime_s,
		.granted_at = now,
		.pinhole_id = pinhole_id };
	l->todo &= ~(1u << l->leg_now);
	service_answered(l->router, l->service, now);
	if (l->want.prefer_failure && external_port != l->want.external_port) {
		fail_exact(l, external_port, now);
		return;
	}
	/* An answer with internal port 0 means "the same as outside" (ProtonVPN). */
	if (one_number && internal_port == 0)
		leg->internal_port = l->internal_port = external_port;
	if (one_number && external_port != leg->internal_port &&
	    l->port_tries++ < PORT_TRIES_MAX) {
		renumber(l, external_port, external_port, now);
		return;
	}
	if (other->held && other->external_port != external_port &&
	    !(l->todo & 1u << !l->leg_now) && l->port_tries++ < PORT_TRIES_MAX) {
		/* The number granted last is free for this transport: try it for both.
		 */
		renumber(l, one_number ? external_port : l->internal_port,
		    external_port, now);
		return;
	}
	l->external_port = external_port;
	advance(l, now);
}

void
lease_deleted(struct lease *l, msec_t now)
{
	l->leg[l->leg_now] = (struct leg) { .held = false };
	l->drop &= ~(1u << l->leg_now);
	advance(l, now);
}

/* This service does not grant it: the next one, or the verdict. */
static void
next_service(struct lease *l, msec_t now)
{
	l->refused |= 1u << l->service;
	give_back(l, now); /* what half a round brought is not kept */
}

/* A renewal failed: what is held stays held until it lapses (F09). */
static void
renewal_failed(struct lease *l, msec_t now)
{
	msec_t left = l->held.expires_at - now, wait;

	lease_end_exchange(l);
	l->todo = 0;
	wait = MSEC_PER_SEC + retry_backoff(l->attempt++, RETRY_BASE_MS, RETRY_CAP_MS,
				  &l->router->rng);
	l->at = now + MAX(RENEW_MIN_MS, MIN(wait, left / 4));
	l->problem.retry_at = l->at;
	/* Quirk 39: some routers cannot renew, only make anew; last resort before the
	 * end. */
	if (l->problem.code != 0 && left < l->held.lifetime_s * MSEC_PER_SEC / 8)
		renumber(l, l->held.internal_port, l->held.external_port, now);
}

void
lease_refused(
    struct lease *l, int code, const struct verdict *v, msec_t hold_ms, msec_t now)
{
	struct router *r = l->router;

	service_answered(r, l->service, now);
	if (l->op == OP_DELETE) {
		/* Whatever it says, asking again would not change it. */
		l->confirmed &= v->remedy == REMEDY_GONE;
		lease_deleted(l, now);
		return;
	}
	set_problem(
	    l, service_method(r, l->service), code, v->name, v->remedy, v->hint);
	if (hold_ms > 0)
		l->problem.retry_at = now + hold_ms;
	if (v->remedy == REMEDY_OTHER_PORT && !l->want.prefer_failure &&
	    l->port_tries++ < PORT_TRIES_MAX) {
		uint16_t port = suggested_port(l, l->port_tries);

		l->problem = (struct lease_problem) { 0 };
		renumber(l, l->want.internal_port ? l->internal_port : port, port, now);
		return;
	}
	if (l->is_held)
		renewal_failed(l, now);
	else
		next_service(l, now);
}

void
lease_silence(struct lease *l, const char *name, msec_t now)
{
	enum router_service s = l->service;

	service_silent(l->router, s, now);
	if (l->op == OP_DELETE) {
		l->confirmed = false;
		lease_deleted(l, now);
		return;
	}
	if (pxp_is(s) && !l->overdue) {
		l->router->exchanges--;
		l->router->overdue++;
	}
	l->overdue = true;
	set_problem(l, service_method(l->router, s), 0, name, REMEDY_RETRY,
	    "the router does not answer: is it there, and is its port mapping switched "
	    "on?");
	if (l->is_held) {
		/* PCP and NAT-PMP go on by the schedule of the exchange. */
		if (!pxp_is(s))
			renewal_failed(l, now);
		return;
	}
	/* Another service first; with none left this exchange goes on for ever. */
	l->refused |= 1u << s;
	if (best_service(l) != ROUTER_SERVICES || may_turn_up(l) || !pxp_is(s)) {
		next_service(l, now);
	} else {
		l->refused &= ~(1u << s);
		l->verdict = true;
	}
}

void
lease_wait(struct lease *l, msec_t now)
{
	lease_end_exchange(l);
	l->todo = 0;
	if (l->is_held) {
		l->verify_at = MSEC_NEVER; /* set when the service is found */
		l->at = MIN(l->held.expires_at, now + RETRY_BASE_MS);
		return;
	}
	memset(l->leg, 0, sizeof(l->leg));
	l->phase = LEASE_WAITING;
	l->at = now;
	if (l->attempt++ > 0)
		l->at += retry_backoff(
		    l->attempt, RETRY_BASE_MS, RETRY_CAP_MS, &l->router->rng);
}

void
lease_lost(struct lease *l, msec_t now)
{
	bool asking = l->op == OP_ASK && l->started;

	if (l->phase != LEASE_HELD && l->phase != LEASE_ASKING)
		return;
	memset(l->leg, 0, sizeof(l->leg));
	l->is_held = l->direct = false;
	l->changed = true;
	l->problem.present = false;
	l->verify_at = MSEC_NEVER;
	l->refused = 0;
	l->quiet = false;
	if (asking) {
		/* The answer to come makes it anew. */
		l->phase = LEASE_ASKING;
		l->todo = l->want.transports;
		return;
	}
	lease_end_exchange(l);
	l->phase = LEASE_WAITING;
	l->at = now;
}

/* ---- time ---- */

/* Start a renewal, by a better service if one turned up meanwhile. */
static void
start_renewal(struct lease *l, msec_t now)
{
	enum router_service best = best_service(l);

	l->at = MSEC_NEVER;
	if (l->direct) {
		if (best != ROUTER_SERVICES)
			lease_lost(l, now);
		return;
	}
	l->changed |= !l->quiet;
	l->todo = l->want.transports;
	l->drop = 0;
	l->internal_port = l->held.internal_port;
	l->external_port = l->held.external_port;
	l->port_tries = 0;
	if (best != ROUTER_SERVICES && best != l->service &&
	    service_usable(l->router, l->service)) {
		/* Two services must not hold one port: the old one lets go first. */
		l->problem.present = false;
		give_back(l, now);
		return;
	} else if (best != ROUTER_SERVICES && best != l->service) {
		lease_lost(l, now);
		return;
	}
	advance(l, now);
}

void
lease_timer(struct lease *l, msec_t now)
{
	if (l->phase != LEASE_HELD)
		return;
	if (l->is_held && l->held.expires_at <= now) {
		/* Lapsed (or slept through): asked again with the same number. */
		lease_end_exchange(l);
		lease_lost(l, now);
		router_discover(l->router, now);
	} else if (l->op == OP_NONE && l->at <= now) {
		start_renewal(l, now);
	} else if (l->op == OP_NONE && l->verify_at <= now) {
		l->verify_at = now + VERIFY_MS;
		lease_begin(l, OP_VERIFY, first_transport(l->want.transports));
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
	case LEASE_RELEASING:
	case LEASE_GONE:
		break;
	}
	return MSEC_NEVER;
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
