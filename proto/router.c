/*
 * router.c - one router: which services it has, and what is to be done next.
 */
#include "proto/router.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/router_private.h"

/* How long a service that answered once is taken to be there without asking again. */
#define TRUST_MS (INT64_C(10) * 60 * MSEC_PER_SEC)
#define AGAIN_BASE_MS (INT64_C(5) * MSEC_PER_SEC)
#define AGAIN_CAP_MS (INT64_C(300) * MSEC_PER_SEC)

static const char not_used[] = "not used on this uplink";

const char *
circuit_name(enum circuit c)
{
	static const char *const names[] = {
		[CIRCUIT_CLOSED] = "closed",
		[CIRCUIT_OPEN] = "open",
		[CIRCUIT_HALF_OPEN] = "half_open",
	};

	return names[c];
}

/* Whether this service can exist towards this router at all, with these methods. */
static bool
service_fits(const struct router *r, enum router_service s, unsigned methods)
{
	bool ipv4 = r->settings.local.family == ADDR_IPV4;

	if (r->settings.gateway.family == ADDR_NONE)
		return false;
	switch (s) {
	case ROUTER_PCP:
		return methods & METHOD_BIT(METHOD_PCP);
	case ROUTER_NAT_PMP: /* RFC 6886 knows IPv4 only. */
		return ipv4 && methods & METHOD_BIT(METHOD_NAT_PMP);
	case ROUTER_IGD:
		return ipv4 &&
		       methods & (METHOD_BIT(METHOD_IGD1) | METHOD_BIT(METHOD_IGD2));
	case ROUTER_PINHOLE:
		return !ipv4 && methods & METHOD_BIT(METHOD_IGD_PINHOLE);
	case ROUTER_SERVICES:
		break;
	}
	return false;
}

/* What is held by a method that is not allowed any more is deleted by it. */
static bool
service_lets_go(const struct router *r, enum router_service s)
{
	for (const struct lease *l = r->leases; l; l = l->next)
		if (l->phase == LEASE_RELEASING && l->service == s)
			return true;
	return false;
}

static bool
service_possible(const struct router *r, enum router_service s)
{
	return service_fits(r, s, r->settings.methods) ||
	       (service_lets_go(r, s) && service_fits(r, s, METHODS_ALL));
}

static void
rule_out(struct router *r, enum router_service s)
{
	r->service[s].state = SERVICE_ABSENT;
	r->service[s].probing = false;
	r->service[s].again_at = MSEC_NEVER;
	snprintf(r->service[s].reason, ROUTER_TEXT_MAX, "%s",
	    r->settings.gateway.family == ADDR_NONE
		? "there is no router on this interface"
		: not_used);
}

struct router *
router_new(const struct router_settings *settings, msec_t now)
{
	struct router *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->settings = *settings;
	r->habits = settings->habits;
	r->rng.state = settings->seed;
	r->igd.wan = r->igd.pinhole = -1;
	retry_pace_init(&r->pace, ROUTER_RESTORE_PER_S);
	retry_pace_init(&r->igd.pace, ROUTER_SOAP_PER_S);
	for (enum router_service s = 0; s < ROUTER_SERVICES; s++) {
		r->service[s].again_at = r->service[s].poll_at = MSEC_NEVER;
		r->service[s].round_trip_ms = -1;
		r->service[s].seen_at = now;
		if (!service_possible(r, s))
			rule_out(r, s);
	}
	return r;
}

void
router_configure(struct router *r, unsigned methods, msec_t probe_ms, msec_t now)
{
	bool was[ROUTER_SERVICES];

	for (enum router_service s = 0; s < ROUTER_SERVICES; s++)
		was[s] = service_possible(r, s);
	r->settings.methods = methods;
	r->settings.probe_ms = probe_ms;
	for (enum router_service s = 0; s < ROUTER_SERVICES; s++) {
		struct service *svc = &r->service[s];
		bool is = service_possible(r, s);

		svc->poll_at = MIN(svc->poll_at, now + probe_ms);
		if (was[s] && !is && svc->state != SERVICE_AVAILABLE) {
			rule_out(r, s);
		} else if (!was[s] && is && svc->state == SERVICE_ABSENT) {
			svc->state = SERVICE_UNKNOWN;
			svc->reason[0] = '\0';
		}
	}
	r->services_changed = true;
}

struct router *
router_free(struct router *r)
{
	if (!r)
		return NULL;
	for (struct lease *l = r->leases, *next; l; l = next) {
		next = l->next;
		free(l);
	}
	free(r->gone);
	free(r->steps);
	igd_free(r);
	free(r);
	return NULL;
}

/* ---- services ---- */

enum method
service_method(const struct router *r, enum router_service s)
{
	switch (s) {
	case ROUTER_PCP:
		return METHOD_PCP;
	case ROUTER_NAT_PMP:
		return METHOD_NAT_PMP;
	case ROUTER_IGD:
		return r->igd.wan_version >= 2 ? METHOD_IGD2 : METHOD_IGD1;
	case ROUTER_PINHOLE:
		return METHOD_IGD_PINHOLE;
	case ROUTER_SERVICES:
		break;
	}
	return METHOD_DIRECT;
}

bool
service_usable(const struct router *r, enum router_service s)
{
	return r->service[s].state == SERVICE_AVAILABLE &&
	       r->service[s].circuit == CIRCUIT_CLOSED;
}

bool
router_holds(const struct router *r, enum router_service s)
{
	for (const struct lease *l = r->leases; l; l = l->next)
		if (l->is_held && !l->direct && l->service == s)
			return true;
	return false;
}

/* Leases that wait for this service hear that it is there. */
static void
spread_news(struct router *r, enum router_service s, bool found, msec_t now)
{
	r->services_changed = true;
	r->service[s].poll_at = now + r->settings.probe_ms;
	for (struct lease *l = r->leases; l; l = l->next)
		lease_service_news(l, s, found, now);
}

void
service_found(struct router *r, enum router_service s, msec_t now)
{
	struct service *svc = &r->service[s];
	bool found = svc->state != SERVICE_AVAILABLE;
	bool news = found || svc->circuit != CIRCUIT_CLOSED;

	svc->seen_at = now;
	svc->failures = 0;
	svc->rounds = 0;
	svc->circuit = CIRCUIT_CLOSED;
	svc->state = SERVICE_AVAILABLE;
	svc->reason[0] = '\0';
	svc->again_at = MSEC_NEVER;
	if (news)
		spread_news(r, s, found, now);
}

void
service_alive(struct router *r, enum router_service s, msec_t now)
{
	struct service *svc = &r->service[s];

	if (pxp_is(s) || svc->state == SERVICE_AVAILABLE) {
		service_found(r, s, now);
	} else {
		/* An IGD that is being searched again is there when that is over. */
		svc->seen_at = now;
		svc->failures = 0;
		svc->circuit = CIRCUIT_CLOSED;
	}
}

void
service_absent(
    struct router *r, enum router_service s, msec_t now, const char *format, ...)
{
	struct service *svc = &r->service[s];
	va_list ap;

	va_start(ap, format);
	vsnprintf(svc->reason, sizeof(svc->reason), format, ap);
	va_end(ap);
	step_failed(r, s, NULL, 0, svc->reason);
	svc->probing = false;
	svc->state = SERVICE_ABSENT;
	svc->circuit = CIRCUIT_CLOSED;
	svc->again_at =
	    now + retry_backoff(svc->rounds++, AGAIN_BASE_MS, AGAIN_CAP_MS, &r->rng) +
	    MSEC_PER_SEC;
	svc->poll_at = MSEC_NEVER;
	r->services_changed = true;
	for (struct lease *l = r->leases; l; l = l->next)
		if (l->phase == LEASE_WAITING && l->pending)
			l->at = now;
}

void
service_silent(struct router *r, enum router_service s, msec_t now)
{
	struct service *svc = &r->service[s];

	if (svc->state != SERVICE_AVAILABLE)
		return;
	if (++svc->failures < ROUTER_BREAKER_FAILURES && svc->circuit == CIRCUIT_CLOSED)
		return;
	svc->circuit = CIRCUIT_OPEN;
	svc->again_at = now + ROUTER_BREAKER_MS;
	svc->poll_at = MSEC_NEVER;
	snprintf(svc->reason, sizeof(svc->reason), "no answer to %u requests in a row",
	    svc->failures);
	r->services_changed = true;
}

void
service_probe(struct router *r, enum router_service s, msec_t now)
{
	struct service *svc = &r->service[s];

	if (!service_possible(r, s)) {
		/* Nobody needs it any more. */
		if (svc->state != SERVICE_AVAILABLE)
			rule_out(r, s);
		svc->again_at = MSEC_NEVER;
		return;
	}
	svc->again_at = MSEC_NEVER;
	if (svc->state == SERVICE_UNKNOWN || svc->state == SERVICE_ABSENT) {
		svc->state = SERVICE_PROBING;
		r->services_changed = true;
	} else if (svc->circuit == CIRCUIT_OPEN) {
		svc->circuit = CIRCUIT_HALF_OPEN;
		r->services_changed = true;
	}
	if (pxp_is(s))
		pxp_probe(r, s, now);
	else if (svc->state == SERVICE_AVAILABLE && svc->circuit == CIRCUIT_CLOSED)
		igd_poll(r);
	else
		igd_search(r, now);
}

void
service_let_go(struct router *r, enum router_service s, msec_t now)
{
	if (r->service[s].state == SERVICE_ABSENT &&
	    !service_fits(r, s, r->settings.methods))
		service_probe(r, s, now);
}

static void
service_poll(struct router *r, enum router_service s, msec_t now)
{
	if (pxp_is(s))
		pxp_poll(r, s, now);
	else
		igd_poll(r);
}

void
router_discover(struct router *r, msec_t now)
{
	for (enum router_service s = 0; s < ROUTER_SERVICES; s++) {
		struct service *svc = &r->service[s];

		if (svc->state == SERVICE_UNKNOWN || svc->state == SERVICE_ABSENT ||
		    now - svc->seen_at > TRUST_MS)
			service_probe(r, s, now);
	}
}

/* ---- time ---- */

/* A lease that nothing serves yet: then the search goes on. */
static bool
unsatisfied(const struct router *r)
{
	for (const struct lease *l = r->leases; l; l = l->next)
		if (!l->is_held && l->phase != LEASE_RELEASING)
			return true;
	return false;
}

static bool
service_needed(const struct router *r, enum router_service s, bool any_unsatisfied)
{
	return any_unsatisfied || router_holds(r, s);
}

void
router_timer(struct router *r, msec_t now)
{
	bool needed = unsatisfied(r);

	hint_timer(r, now);
	for (enum router_service s = 0; s < ROUTER_SERVICES; s++) {
		struct service *svc = &r->service[s];

		if (svc->again_at <= now && service_needed(r, s, needed)) {
			service_probe(r, s, now);
		} else if (svc->poll_at <= now && router_holds(r, s)) {
			svc->poll_at = now + r->settings.probe_ms;
			service_poll(r, s, now);
		}
	}
	pxp_timer(r, now);
	igd_timer(r, now);
}

msec_t
router_deadline(const struct router *r)
{
	msec_t at = MIN(hint_deadline(r), MIN(pxp_deadline(r), igd_deadline(r)));
	bool needed = unsatisfied(r);

	for (enum router_service s = 0; s < ROUTER_SERVICES; s++) {
		const struct service *svc = &r->service[s];
		bool holds = router_holds(r, s);

		if (needed || holds)
			at = MIN(at, svc->again_at);
		if (holds)
			at = MIN(at, svc->poll_at);
	}
	for (const struct lease *l = r->leases; l; l = l->next)
		at = MIN(at, lease_deadline(l));
	return at;
}

/* ---- actions ---- */

static bool
take_flag(bool *flag)
{
	bool was = *flag;

	*flag = false;
	return was;
}

static bool
next_report(struct router *r, struct router_action *ret)
{
	*ret = (struct router_action) { 0 };
	if (take_flag(&r->restarted)) {
		ret->kind = ROUTER_RESTARTED;
		return true;
	}
	if (take_flag(&r->services_changed)) {
		ret->kind = ROUTER_SERVICES_CHANGED;
		return true;
	}
	if (take_flag(&r->external_changed)) {
		ret->kind = ROUTER_EXTERNAL_CHANGED;
		return true;
	}
	for (struct lease *l = r->leases; l; l = l->next) {
		if (l->phase == LEASE_GONE) {
			*ret = (struct router_action) { .kind = ROUTER_LEASE_GONE,
				.lease = l,
				.owner = l->owner,
				.confirmed = l->confirmed,
				.unheard = l->unheard };
			lease_forget(l);
			return true;
		}
		if (take_flag(&l->changed)) {
			*ret = (struct router_action) { .kind = ROUTER_LEASE_CHANGED,
				.lease = l,
				.owner = l->owner };
			return true;
		}
	}
	return false;
}

bool
router_next(struct router *r, msec_t now, struct router_action *ret)
{
	/* Leases first: they decide what the services have to do. */
	for (struct lease *l = r->leases; l; l = l->next)
		lease_timer(l, now);
	return pxp_next(r, now, ret) || igd_next(r, now, ret) || next_report(r, ret);
}

/* ---- what is known ---- */

bool
router_expects_datagram(const struct router *r)
{
	return r->exchanges > 0 || r->overdue > 0 || r->service[ROUTER_PCP].probing ||
	       r->service[ROUTER_NAT_PMP].probing;
}

bool
router_expects_ssdp(const struct router *r)
{
	return r->igd.searching;
}

const char *
router_name(const struct router *r)
{
	return r->igd.name;
}

uint32_t
router_outbound_s(const struct router *r)
{
	return r->igd.outbound_s;
}

const struct router_habits *
router_habits(const struct router *r)
{
	return &r->habits;
}

void
router_set_habits(struct router *r, const struct router_habits *habits)
{
	r->habits = *habits;
}

size_t
router_leases(const struct router *r)
{
	return r->lease_count;
}

unsigned
router_exchanges(const struct router *r)
{
	return r->exchanges + (r->igd.job != JOB_NONE);
}

void
router_service_status(
    const struct router *r, enum router_service s, struct service_status *ret)
{
	const struct service *svc = &r->service[s];
	int index = s == ROUTER_IGD       ? r->igd.wan
		    : s == ROUTER_PINHOLE ? r->igd.pinhole
					  : -1;

	*ret = (struct service_status) {
		.method = service_method(r, s),
		.state = svc->state,
		.circuit = svc->circuit,
		.has_epoch = svc->epoch.known,
		.epoch_s = svc->epoch.epoch_s,
		.round_trip_us =
		    svc->round_trip_ms <= 1 ? -1 : svc->round_trip_ms * 1000,
	};
	memcpy(ret->version, svc->version, sizeof(ret->version));
	memcpy(ret->reason, svc->reason, sizeof(ret->reason));
	if (svc->state == SERVICE_AVAILABLE && !router_holds(r, s) &&
	    !service_fits(r, s, r->settings.methods)) {
		ret->state = SERVICE_ABSENT;
		snprintf(ret->reason, sizeof(ret->reason), "%s", not_used);
	}
	if (index >= 0) {
		const struct igd_service *igd = &r->igd.desc->service[index];

		snprintf(ret->control, sizeof(ret->control), ":%u%.160s",
		    igd->control.port, igd->control.path);
		snprintf(ret->version, sizeof(ret->version), "%u", igd->version);
	}
}
