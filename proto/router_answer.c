/*
 * router_answer.c - what the answers to a lease's exchanges mean: granted, refused,
 * silent, lost, and what reading back an IGD's table shows.
 */
#include <string.h>

#include "proto/router_private.h"

/* What a router says is left may be this much less than what we count. */
#define LEFT_SLACK_MS (INT64_C(60) * MSEC_PER_SEC)
/* What was seen in the router's table this long ago is not looked for once more because
 * another entry is gone. */
#define SEEN_MS (INT64_C(60) * MSEC_PER_SEC)
/* What was made again and is there a moment later is read back once more after this. */
#define SEEN_AGAIN_MS (INT64_C(90) * MSEC_PER_SEC)

/* How much a problem tells a person: silence and our own faults the least, then that a
 * service can't, then that the router won't, most what is wrong with the port. */
static int
telling(enum remedy remedy)
{
	static const int rank[] = {
		[REMEDY_NONE] = 0,
		[REMEDY_RETRY] = 1,
		[REMEDY_REDISCOVER] = 1,
		[REMEDY_GONE] = 1,
		[REMEDY_NEXT_LEASE] = 2,
		[REMEDY_NEXT_METHOD] = 2,
		[REMEDY_GIVE_UP] = 2,
		[REMEDY_RETRY_HOURLY] = 3,
		[REMEDY_RETRY_SLOW] = 3,
		[REMEDY_WAIT_WAN] = 3,
		[REMEDY_OTHER_PORT] = 4,
		[REMEDY_SAME_PORT] = 4,
	};

	return rank[remedy];
}

void
lease_set_problem(struct lease *l, int code, const struct verdict *v)
{
	const struct lease_problem was = l->problem;
	enum method method = service_method(l->router, l->service);

	/* Each service that was asked has its problem: the most telling one is named.
	 */
	if (was.present && was.method != method && !l->is_held &&
	    telling(v->remedy) < telling(was.remedy))
		return;
	l->problem = (struct lease_problem) {
		.present = true,
		.method = method,
		.code = code,
		.name = v->name,
		.remedy = v->remedy,
		.hint = v->hint,
		.offered_port = was.offered_port,
		.holder =
		    v->remedy == REMEDY_OTHER_PORT ? l->holder : (struct addr) { 0 },
		.retry_at = MSEC_NEVER,
	};
	l->changed = true;
}

/* This service does not grant it: the next one, or the verdict.  What half a round
 * brought is not kept. */
static void
next_service(struct lease *l, msec_t rest, msec_t now)
{
	l->again[l->service] = now + rest;
	lease_give_back(l, now);
}

/* A renewal failed: what is held stays held until it lapses (F09). */
static void
renewal_failed(struct lease *l, msec_t hold_ms, msec_t now)
{
	msec_t left = l->held.expires_at - now;
	msec_t rest = choose_rest(l, REMEDY_RETRY);

	lease_end_exchange(l);
	l->todo = 0;
	l->quiet = false;
	l->verdict = true;
	l->again[l->service] = now + hold_ms;
	l->at = now + MAX(hold_ms, MAX(RENEW_MIN_MS, MIN(rest, left / 4)));
	l->problem.retry_at = l->at;
	/* Quirk 39: some routers cannot renew, only make anew, with the same nonce.  It
	 * is the last resort before the end: fault 9 is refused in the same words for a
	 * while, and what is alive is not given away for a guess. */
	if (l->problem.code != 0 && left < l->held.lifetime_s * MSEC_PER_SEC / 8) {
		l->internal_port = l->held.internal_port;
		l->external_port = l->held.external_port;
		lease_renumber(l, now);
	}
}

/* ---- answers ---- */

void
lease_not_exact(struct lease *l, uint16_t offered, msec_t now)
{
	static const struct verdict taken = { 0, "PORT_TAKEN", REMEDY_OTHER_PORT,
		"another port would be granted: do not insist on this one" };

	l->problem.code = 0;
	l->problem.offered_port = offered;
	lease_set_problem(l, 0, &taken);
	/* Any service of the same router would say the same. */
	for (enum router_service s = 0; s < ROUTER_SERVICES; s++)
		l->again[s] = now + choose_rest(l, taken.remedy);
	lease_give_back(l, now);
}

static uint16_t
exact_port(const struct lease *l)
{
	return l->want.external_port ? l->want.external_port : l->want.internal_port;
}

/* Both transports must have one number, and so must both sides where none was wanted
 * inside. */
static bool
one_number(const struct lease *l)
{
	const struct leg *leg = &l->leg[l->leg_now], *other = &l->leg[!l->leg_now];
	bool other_done = other->held && !(l->todo & 1u << !l->leg_now);
	bool same_inside = l->want.internal_port == 0;

	return (!same_inside || leg->external_port == leg->internal_port) &&
	       (!other_done || other->external_port == leg->external_port);
}

/* The number granted last is free for this transport: try it for both.  If that leads
 * nowhere (each is another host's for the other transport), one of ours. */
static bool
choose_common_port(struct lease *l)
{
	const struct leg *leg = &l->leg[l->leg_now];

	if (l->port_tries % 2 && choose_other_ports(l))
		return true;
	if (l->port_tries++ >= PORT_TRIES_MAX)
		return false;
	l->external_port = leg->external_port;
	if (l->want.internal_port == 0)
		l->internal_port = leg->external_port;
	return !choose_is_siblings(l) || choose_other_ports(l);
}

static void
find_one_number(struct lease *l, msec_t now)
{
	static const struct verdict none = { 0, "NO_COMMON_PORT", REMEDY_RETRY_SLOW,
		"the router gives no number that serves both protocols and both sides: "
		"ask for one protocol, or name the internal port" };

	if (choose_common_port(l)) {
		lease_renumber(l, now);
		return;
	}
	lease_set_problem(l, 0, &none);
	next_service(l, choose_rest(l, none.remedy), now);
}

void
lease_granted(struct lease *l, uint16_t internal_port, uint16_t external_port,
    uint32_t lifetime_s, uint32_t pinhole_id, msec_t now)
{
	struct leg *leg = &l->leg[l->leg_now];

	if (l->want.internal_port == 0) {
		/* An answer with internal port 0 means "the same as outside"
		 * (ProtonVPN). */
		if (internal_port == 0)
			l->internal_port = external_port;
		internal_port = l->internal_port;
	}
	/* Counted from the question: the answer may have been waiting while this host
	 * slept. */
	*leg = (struct leg) { .held = true,
		.internal_port = internal_port,
		.external_port = external_port,
		.lifetime_s = lifetime_s,
		.granted_at = l->sent_at,
		.pinhole_id = pinhole_id };
	l->todo &= ~(1u << l->leg_now);
	l->dropped = false;
	step_found(l->router, l->service, l, now);
	service_alive(l->router, l->service, now);
	if (l->phase == LEASE_RELEASING) {
		lease_advance(l, now);
	} else if (l->want.prefer_failure && external_port != exact_port(l)) {
		lease_not_exact(l, external_port, now);
	} else if (!one_number(l)) {
		find_one_number(l, now);
	} else {
		l->external_port = external_port;
		lease_advance(l, now);
	}
}

/* The leg is not on the router any more, or never was. */
static void
clear_leg(struct lease *l)
{
	l->leg[l->leg_now] = (struct leg) { .held = false };
	l->drop &= ~(1u << l->leg_now);
	l->is_held = false;
	if (l->phase == LEASE_HELD)
		l->phase = LEASE_ASKING;
}

void
lease_remake_leg(struct lease *l, msec_t now)
{
	clear_leg(l);
	l->changed = true;
	l->quiet = false;
	l->verify_at = MSEC_NEVER;
	lease_advance(l, now);
}

void
lease_deleted(struct lease *l, msec_t now)
{
	clear_leg(l);
	l->dropped = true;
	lease_advance(l, now);
}

void
lease_refused(
    struct lease *l, int code, const struct verdict *v, msec_t hold_ms, msec_t now)
{
	step_failed(l->router, l->service, l, code, v->name);
	service_alive(l->router, l->service, now);
	if (l->op == OP_DELETE) {
		/* Whatever it says, asking again would not change it. */
		l->confirmed &= v->remedy == REMEDY_GONE;
		lease_deleted(l, now);
	} else if (l->phase == LEASE_RELEASING) {
		lease_advance(l, now);
	} else if (v->remedy == REMEDY_OTHER_PORT && choose_other_ports(l)) {
		lease_renumber(l, now);
	} else {
		lease_set_problem(l, code, v);
		if (l->is_held)
			renewal_failed(l, hold_ms, now);
		else
			next_service(l, MAX(hold_ms, choose_rest(l, v->remedy)), now);
	}
}

/* PCP and NAT-PMP go on by the schedule of the exchange, beyond its verdict. */
static void
go_on(struct lease *l)
{
	if (!l->overdue) {
		l->router->exchanges--;
		l->router->overdue++;
	}
	l->overdue = l->verdict = l->changed = true;
}

static void
ask_unanswered(struct lease *l, const char *name, msec_t now)
{
	const struct verdict silence = { 0, name, REMEDY_RETRY,
		"the router does not answer: is it there, and is its port mapping "
		"switched on?" };
	bool keeps_on = pxp_is(l->service) && l->started;

	if (l->started)
		lease_maybe_held(l);
	lease_set_problem(l, 0, &silence);
	if (l->is_held && keeps_on) {
		go_on(l);
	} else if (l->is_held) {
		renewal_failed(l, 0, now);
	} else {
		l->again[l->service] = now + choose_rest(l, REMEDY_RETRY);
		/* Another service first; with none left this exchange goes on. */
		if (keeps_on && choose_service(l, now) == ROUTER_SERVICES &&
		    !choose_may_turn_up(l)) {
			go_on(l);
			l->at = choose_again_at(l);
		} else {
			lease_give_back(l, now);
		}
	}
}

static void
owner_unknown(struct lease *l, msec_t now)
{
	/* A yes is believed. */
	if (l->op == OP_OWNER && !l->leg[l->leg_now].unsure) {
		lease_owned(l, now);
		return;
	}
	l->confirmed = false;
	lease_not_owned(l, true, now);
}

void
lease_no_answer(struct lease *l, const char *name, msec_t now)
{
	if (l->started)
		step_failed(l->router, l->service, l, 0, name);
	l->unheard |= l->phase == LEASE_RELEASING;
	switch (l->op) {
	case OP_NONE:
		break;
	case OP_ASK:
		if (l->phase == LEASE_RELEASING) {
			lease_maybe_held(l);
			/* Without its id a pinhole cannot be deleted; that it was
			 * asked for in vain shows once. */
			l->leg[l->leg_now].held = !l->leg[l->leg_now].nameless ||
						  !(l->id_asked & 1u << l->leg_now);
			l->confirmed &= l->leg[l->leg_now].held;
			lease_advance(l, now);
		} else {
			ask_unanswered(l, name, now);
		}
		break;
	case OP_DELETE:
		l->confirmed = false;
		lease_deleted(l, now);
		break;
	case OP_OWNER:
	case OP_SEARCH:
		owner_unknown(l, now);
		break;
	case OP_VERIFY:
	case OP_SAME:
		if (l->drop)
			owner_unknown(l, now);
		else
			lease_end_exchange(l);
		break;
	}
}

void
lease_silence(struct lease *l, const char *name, msec_t now)
{
	service_silent(l->router, l->service, now);
	lease_no_answer(l, name, now);
}

void
lease_lost(struct lease *l, msec_t now)
{
	bool asking = l->op == OP_ASK && l->started;

	if (l->phase != LEASE_HELD && l->phase != LEASE_ASKING)
		return;
	memset(l->leg, 0, sizeof(l->leg));
	l->losses += l->is_held;
	l->is_held = l->direct = false;
	l->changed = true;
	l->problem = (struct lease_problem) { 0 };
	l->verify_at = MSEC_NEVER;
	l->quiet = false;
	if (asking) {
		/* The answer to come makes it anew. */
		l->phase = LEASE_ASKING;
		l->todo = l->want.transports;
		return;
	}
	lease_end_exchange(l);
	lease_wait(l, now);
}

void
lease_lapsed(struct lease *l, msec_t now)
{
	struct leg left[TRANSPORT_MAX] = { 0 };

	for (enum transport t = 0; t < TRANSPORT_MAX; t++)
		if (leg_ends(&l->leg[t]) > now)
			left[t] = l->leg[t];
	lease_lost(l, now);
	memcpy(l->leg, left, sizeof(left));
}

/* ---- what reading back an IGD's table shows ---- */

/* Quirk 29: then another host may have the leg's own number. */
bool
lease_perhaps_moved(const struct lease *l, enum transport t)
{
	const struct leg *leg = &l->leg[t];

	return l->service == ROUTER_IGD && !leg->exact &&
	       leg->external_port != leg->internal_port;
}

static void
port_taken(struct lease *l, msec_t now)
{
	lease_refused(l, 718, verdict_find(VERDICT_UPNP_WAN, 718), 0, now);
}

void
lease_taken(struct lease *l, msec_t now)
{
	struct leg *leg = &l->leg[l->leg_now];

	if (l->replaced & 1u << l->leg_now || l->phase == LEASE_RELEASING) {
		port_taken(l, now);
		return;
	}
	/* Perhaps it is our own entry of an earlier life (quirk 22). */
	l->replaced |= 1u << l->leg_now;
	*leg = (struct leg) { .held = true,
		.unsure = true,
		.exact = !leg->held || leg->exact,
		.internal_port = l->internal_port,
		.external_port = l->external_port };
	l->drop |= 1u << l->leg_now;
	lease_advance(l, now);
}

void
lease_owned(struct lease *l, msec_t now)
{
	struct leg *leg = &l->leg[l->leg_now];

	leg->unsure = false;
	leg->exact = true;
	lease_advance(l, now);
}

void
lease_not_owned(struct lease *l, bool nobody, msec_t now)
{
	bool wanted = l->op != OP_OWNER || l->todo & 1u << l->leg_now;

	clear_leg(l);
	if (wanted && !nobody)
		port_taken(l, now);
	else
		lease_advance(l, now);
}

void
lease_verified(struct lease *l, uint32_t left_s, msec_t now)
{
	struct leg *leg = &l->leg[l->leg_now];
	bool more = l->leg_now == TRANSPORT_UDP && l->leg[TRANSPORT_TCP].held;
	msec_t left = left_s * MSEC_PER_SEC;

	leg->unsure = false;
	leg->exact = true;
	l->seen_at = now;
	/* It lapses earlier than it was granted for (F10), or "for ever" is a week
	 * (quirk 30; 0 is not believed, some say so of every entry). */
	if (left && (!leg->lifetime_s || left + LEFT_SLACK_MS < lease_ends(l) - now)) {
		leg->lifetime_s = left_s;
		leg->granted_at = now;
		lease_publish(l);
		l->at = MIN(l->at, lease_renewal_at(l, now));
	}
	lease_end_exchange(l);
	if (more) {
		lease_begin(l, OP_VERIFY, TRANSPORT_TCP);
	} else if (l->heal == HEAL_AGAIN) {
		l->heal = HEAL_SEEN;
		l->verify_at = MIN(l->verify_at, now + SEEN_AGAIN_MS);
	} else {
		l->heal = HEAL_NONE;
	}
}

void
lease_moved(struct lease *l, msec_t now)
{
	struct leg *leg = &l->leg[l->leg_now];

	lease_end_exchange(l);
	l->router->habits.same_port = true;
	if (l->drop & 1u << l->leg_now) {
		leg->external_port = leg->internal_port;
		lease_owned(l, now);
		return;
	}
	for (enum transport t = 0; t < TRANSPORT_MAX; t++)
		l->leg[t].external_port = l->leg[t].internal_port;
	l->external_port = l->internal_port;
	lease_publish(l);
	l->verify_at = now;
	if (l->want.prefer_failure && l->held.external_port != exact_port(l))
		lease_not_exact(l, l->held.external_port, now);
}

void
router_verify_all(struct router *r, msec_t now)
{
	for (struct lease *l = r->leases; l; l = l->next)
		if (l->is_held && !l->direct && !pxp_is(l->service))
			l->verify_at = now;
}

void
lease_doubt(struct lease *l, msec_t now)
{
	bool any = l->is_held || l->started || lease_held_legs(l);

	if ((l->phase != LEASE_HELD && l->phase != LEASE_ASKING) || !any) {
		l->heal = HEAL_NONE;
		return;
	}
	l->heal = HEAL_DOUBTED;
	l->verify_at = now;
	l->router->igd.doubted = true;
}

void
router_verify_rest(struct router *r, msec_t now)
{
	for (struct lease *l = r->leases; l; l = l->next)
		if (l->is_held && !l->direct && !pxp_is(l->service) &&
		    now - l->seen_at > SEEN_MS)
			l->verify_at = now;
}

void
lease_vanished(struct lease *l, msec_t now)
{
	static const struct verdict drops = { 0, "VANISHED", REMEDY_RETRY_SLOW,
		"the router says yes and forgets: its table may be full" };
	enum heal heal = l->heal;

	clear_leg(l);
	l->verify_at = MSEC_NEVER;
	if (heal == HEAL_AGAIN || heal == HEAL_SEEN) {
		l->heal = HEAL_NONE;
		l->op = OP_ASK;
		lease_refused(l, 0, &drops, 0, now);
	} else {
		/* Made again, with the other leg; once, then the router is named. */
		l->heal = heal == HEAL_DOUBTED ? HEAL_REMADE : HEAL_AGAIN;
		l->changed = true;
		lease_wait(l, now);
		lease_end_exchange(l);
		router_verify_rest(l->router, now);
	}
	if (heal == HEAL_DOUBTED) {
		l->router->restarted |= l->router->igd.doubted;
		l->router->igd.doubted = false;
	} else {
		/* Perhaps it restarted: its uptime shows. */
		igd_poll(l->router);
	}
}
