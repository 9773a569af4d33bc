/*
 * router_restart.c - signs that the router restarted, and what follows from them.
 *
 * An epoch or an uptime that an answer of the router shows is sure and is acted on when
 * it comes.  What anybody on the network can forge (announcements) or the router may
 * repeat as it likes (events) is a hint, and all of them share one limit: a few at
 * once, then one each five seconds.  One too many is postponed, never dropped: it may
 * be the only sign of a second restart.
 */
#include <string.h>

#include "proto/router_private.h"

/* A restart is told by up to four signs that are a moment apart: goodbye, hallo and
 * the announcements of PCP and NAT-PMP. */
#define HINT_BURST 4
#define HINT_MS (INT64_C(5) * MSEC_PER_SEC)
/* Each service of the router may announce itself: together they are one hint. */
#define HINT_TOGETHER_MS INT64_C(250)

void
router_restarted(struct router *r, enum router_service s, msec_t now)
{
	bool lost = pxp_is(s);

	for (struct lease *l = r->leases; l; l = l->next) {
		if (l->direct)
			continue;
		/* A full table is empty now, and who was denied may be allowed. */
		memset(l->again, 0, sizeof(l->again));
		if (!pxp_is(l->service))
			lease_doubt(l, now);
		if (l->phase == LEASE_WAITING)
			l->at = now;
		else if (lost && pxp_is(l->service))
			lease_lost(l, now);
	}
	if (!lost)
		return;
	/* PCP and NAT-PMP share one table; the other's epoch tells nothing new, nor
	 * does what UPnP lost. */
	r->service[s == ROUTER_PCP ? ROUTER_NAT_PMP : ROUTER_PCP].epoch.known = false;
	r->igd.doubted = false;
	r->restarted = true;
}

/* ---- hints ---- */

static void
look_for_services(struct router *r, msec_t now)
{
	for (enum router_service s = 0; s < ROUTER_SERVICES; s++) {
		const struct service *svc = &r->service[s];

		if (router_holds(r, s) || svc->state == SERVICE_ABSENT ||
		    svc->circuit == CIRCUIT_OPEN)
			service_probe(r, s, now);
	}
}

/* An epoch cannot show a restart right after the last one, and some routers keep
 * theirs: what is held is asked again, which changes nothing where it is still there.
 */
static void
renew_quietly(struct router *r, msec_t now)
{
	/* All of them, so not more often; unless that is still to come. */
	if (r->hint_renew_at <= now)
		r->hint_renew_at =
		    r->hint_renew_at ? MAX(now, r->hint_renew_at + HINT_MS) : now;
	for (struct lease *l = r->leases; l; l = l->next) {
		if (!l->is_held || l->direct || l->op != OP_NONE ||
		    !pxp_is(l->service) || l->at <= r->hint_renew_at)
			continue;
		l->at = r->hint_renew_at;
		l->quiet = true;
	}
}

static msec_t
hint_at(const struct router *r)
{
	return MAX(r->hint_next_at, r->hint_paid_at - (HINT_BURST - 1) * HINT_MS);
}

msec_t
hint_deadline(const struct router *r)
{
	return r->hints && r->lease_count > 0 ? hint_at(r) : MSEC_NEVER;
}

void
hint_timer(struct router *r, msec_t now)
{
	unsigned hints = r->hints;

	if (hint_deadline(r) > now)
		return;
	r->hints = 0;
	r->hint_next_at = now + HINT_TOGETHER_MS;
	r->hint_paid_at = MAX(r->hint_paid_at, now) + HINT_MS;
	if (hints & HINT_LOOK)
		look_for_services(r, now);
	if (hints & HINT_RESTART)
		router_restarted(r, igd_service_of(r), now);
	if (hints & (HINT_RESTART | HINT_READ_BACK)) {
		router_verify_all(r, now);
		renew_quietly(r, now);
	}
	if (hints & HINT_EVENTS)
		events_check(r, now);
}

void
hint_take(struct router *r, unsigned hints, msec_t now)
{
	if (r->lease_count == 0)
		return;
	r->hints |= hints;
	hint_timer(r, now);
}

void
router_hint(struct router *r, msec_t now)
{
	hint_take(r, HINT_LOOK | HINT_RESTART | HINT_EVENTS, now);
}
