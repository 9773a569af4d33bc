/*
 * router_pxp.c - PCP and NAT-PMP: probes and leases as datagrams to port 5351.
 *
 * Both protocols ask in one datagram and answer in one, on one port, told apart by the
 * version byte.  The probes (PCP ANNOUNCE, NAT-PMP external address) change nothing on
 * the router, so both may be sent in the same turn; a lease is then asked by the one
 * that answered.
 */
#include <stdio.h>
#include <string.h>

#include "proto/router_private.h"

/* While something is held, not slower than this share of the time that is left. */
#define HELD_SHARE 16
#define HELD_MIN_MS (INT64_C(2) * MSEC_PER_SEC)
/* RFC 6887 15: an error's lifetime says how long it lasts; we bound what we believe. */
#define HOLD_MAX_MS (INT64_C(1800) * MSEC_PER_SEC)
/* RFC 6886 3.1: one request after the other, at the pace of the gateway; one that is
 * silent holds up the rest no longer than this. */
#define NATPMP_TURN_MS INT64_C(250)

bool
pxp_is(enum router_service s)
{
	return s == ROUTER_PCP || s == ROUTER_NAT_PMP;
}

static enum retry_schedule
schedule_of(enum router_service s)
{
	return s == ROUTER_PCP ? RETRY_PCP : RETRY_NAT_PMP;
}

/* ---- probes ---- */

void
pxp_probe(struct router *r, enum router_service s, msec_t now)
{
	struct service *svc = &r->service[s];

	if (svc->probing)
		return;
	svc->probing = true;
	svc->sends = 0;
	svc->next_send = svc->sent_at = now;
}

void
pxp_poll(struct router *r, enum router_service s, msec_t now)
{
	struct lease *due;

	if (s == ROUTER_NAT_PMP || service_usable(r, ROUTER_NAT_PMP)) {
		/* Epoch by the service's own probe, the address by NAT-PMP's. */
		pxp_probe(r, s, now);
		pxp_probe(r, ROUTER_NAT_PMP, now);
		return;
	}
	/* PCP tells the external address with a mapping only: renew the one due next.
	 */
	due = address_witness(r, NULL, NULL, now);
	if (due) {
		due->at = now;
		due->quiet = true;
	}
}

/* The end of a probe without an answer. */
static void
probe_silent(struct router *r, enum router_service s, msec_t now)
{
	struct service *svc = &r->service[s];

	svc->probing = false;
	if (svc->state == SERVICE_PROBING)
		service_absent(r, s, now, "no answer within %.1f s",
		    (double)RETRY_VERDICT_MS / 1000);
	else {
		step_failed(r, s, NULL, 0, "TIMEOUT");
		service_silent(r, s, now);
	}
}

static void
probe_answered(struct router *r, enum router_service s, msec_t now)
{
	struct service *svc = &r->service[s];

	if (svc->probing)
		svc->round_trip_ms = now - svc->sent_at;
	svc->probing = false;
	step_found(r, s, NULL, now);
	service_found(r, s, now);
}

static ssize_t
encode_probe(struct router *r, enum router_service s)
{
	const struct pcp_request announce = {
		.op = PCP_OP_ANNOUNCE,
		.client = r->settings.local,
	};

	return s == ROUTER_PCP
		   ? pcp_encode_request(
			 r->out.datagram, sizeof(r->out.datagram), &announce)
		   : natpmp_encode_address(r->out.datagram, sizeof(r->out.datagram));
}

/* ---- leases ---- */

static ssize_t
encode_natpmp(struct router *r, const struct lease *l)
{
	const struct leg *leg = &l->leg[l->leg_now];
	struct natpmp_map map = {
		.op = natpmp_op_map(l->leg_now),
		.internal_port = l->internal_port,
		.external_port = l->external_port,
		.lifetime_s = l->want.lifetime_s,
	};

	/* RFC 6886 3.4: "The suggested external port MUST be set to zero". */
	if (l->op == OP_DELETE) {
		map.internal_port = leg->internal_port;
		map.external_port = 0;
		map.lifetime_s = 0;
	}
	return natpmp_encode_map(r->out.datagram, sizeof(r->out.datagram), &map);
}

static ssize_t
encode_pcp(struct router *r, const struct lease *l)
{
	const struct leg *leg = &l->leg[l->leg_now];
	bool deleting = l->op == OP_DELETE;
	struct pcp_request req = {
		.op = PCP_OP_MAP,
		.lifetime_s = deleting ? 0 : l->want.lifetime_s,
		.client = r->settings.local,
		.map = { .protocol = transport_number(l->leg_now),
		    .internal_port = deleting ? leg->internal_port : l->internal_port,
		    .external_port = deleting ? leg->external_port : l->external_port,
		    .external = { .family = l->want.internal.family } },
	};

	memcpy(req.map.nonce, l->want.nonce, PCP_NONCE_LEN);
	/* Quirk 37: a suggested address the router does not have is an error to some,
	 * so it is left unspecified; for IPv6 it is the address itself. */
	if (l->want.internal.family == ADDR_IPV6)
		req.map.external = l->want.internal;
	if (!addr_equal(&l->want.internal, &r->settings.local))
		req.options.third_party = l->want.internal;
	req.options.prefer_failure = l->want.prefer_failure && !deleting;
	return pcp_encode_request(r->out.datagram, sizeof(r->out.datagram), &req);
}

static bool
lease_on_wire(const struct lease *l)
{
	return l->op != OP_NONE && pxp_is(l->service) && l->phase != LEASE_GONE;
}

/* New requests rest while the circuit is open; what is held goes on being renewed. */
static bool
paused(const struct router *r, const struct lease *l)
{
	return r->service[l->service].circuit != CIRCUIT_CLOSED && !l->is_held &&
	       l->op == OP_ASK;
}

static msec_t
interval(struct router *r, const struct lease *l, msec_t now)
{
	msec_t wait = retry_interval(schedule_of(l->service), l->sends, &r->rng);

	if (l->is_held && l->held.expires_at != MSEC_NEVER)
		wait = MIN(
		    wait, MAX(HELD_MIN_MS, (l->held.expires_at - now) / HELD_SHARE));
	return wait;
}

static const char *
question_of(const struct lease *l)
{
	return l->op == OP_DELETE            ? "delete"
	       : l->service == ROUTER_PCP    ? "MAP"
	       : l->leg_now == TRANSPORT_TCP ? "map TCP"
					     : "map UDP";
}

static bool
send_lease(struct router *r, struct lease *l, msec_t now, struct router_action *ret)
{
	ssize_t len;

	if (!l->started) {
		if (l->op == OP_ASK)
			retry_pace_use(&r->pace, now);
		if (l->service == ROUTER_NAT_PMP)
			r->natpmp_turn_at = now + NATPMP_TURN_MS;
		r->exchanges++;
		l->started = true;
		l->overdue = false;
		l->sends = 0;
		l->started_at = now;
	}
	len = l->service == ROUTER_PCP ? encode_pcp(r, l) : encode_natpmp(r, l);
	l->sends++;
	l->sent_at = now;
	l->next_send = now + interval(r, l, now);
	step_sent(r, l->service, l, question_of(l), l->sends);
	*ret = (struct router_action) {
		.kind = ROUTER_SEND,
		.buf = r->out.datagram,
		.len = (size_t)len,
		.lease = l,
		.owner = l->owner,
		.asks = l->op == OP_ASK && l->sends == 1,
	};
	return len > 0;
}

/* When the lease has something to send: now or later.  Deletes are not paced: whoever
 * leaves has no time, and they cost the router nothing. */
static msec_t
send_at(const struct router *r, const struct lease *l)
{
	msec_t at;

	if (!lease_on_wire(l) || paused(r, l))
		return MSEC_NEVER;
	if (l->started)
		return l->next_send;
	if (r->exchanges >= ROUTER_EXCHANGES_MAX)
		return MSEC_NEVER;
	if (l->op == OP_DELETE)
		return 0;
	at = retry_pace_at(&r->pace, 0);
	return l->service == ROUTER_NAT_PMP ? MAX(at, r->natpmp_turn_at) : at;
}

bool
pxp_next(struct router *r, msec_t now, struct router_action *ret)
{
	for (enum router_service s = ROUTER_PCP; s <= ROUTER_NAT_PMP; s++) {
		struct service *svc = &r->service[s];
		ssize_t len;

		if (!svc->probing || svc->next_send > now ||
		    svc->sends >= RETRY_BURST_SENDS)
			continue;
		svc->sends++;
		svc->next_send =
		    now + retry_interval(schedule_of(s), svc->sends, &r->rng);
		len = encode_probe(r, s);
		if (len < 0)
			continue;
		step_sent(r, s, NULL, s == ROUTER_PCP ? "ANNOUNCE" : "external address",
		    svc->sends);
		*ret = (struct router_action) {
			.kind = ROUTER_SEND,
			.buf = r->out.datagram,
			.len = (size_t)len,
		};
		return true;
	}
	for (struct lease *l = r->leases; l; l = l->next)
		if (send_at(r, l) <= now && send_lease(r, l, now, ret))
			return true;
	return false;
}

void
pxp_timer(struct router *r, msec_t now)
{
	for (enum router_service s = ROUTER_PCP; s <= ROUTER_NAT_PMP; s++)
		if (r->service[s].probing &&
		    now >= r->service[s].sent_at + RETRY_VERDICT_MS)
			probe_silent(r, s, now);
	for (struct lease *l = r->leases; l; l = l->next)
		if (lease_on_wire(l) && l->started && !l->overdue &&
		    now >= l->started_at + RETRY_VERDICT_MS)
			lease_silence(l, "TIMEOUT", now);
}

msec_t
pxp_deadline(const struct router *r)
{
	msec_t at = MSEC_NEVER;

	for (enum router_service s = ROUTER_PCP; s <= ROUTER_NAT_PMP; s++) {
		const struct service *svc = &r->service[s];

		if (!svc->probing)
			continue;
		at = MIN(at, svc->sent_at + RETRY_VERDICT_MS);
		if (svc->sends < RETRY_BURST_SENDS)
			at = MIN(at, svc->next_send);
	}
	for (const struct lease *l = r->leases; l; l = l->next) {
		at = MIN(at, send_at(r, l));
		if (lease_on_wire(l) && l->started && !l->overdue)
			at = MIN(at, l->started_at + RETRY_VERDICT_MS);
	}
	return at;
}

/* ---- answers ---- */

/* Whether one packet may rule the service out. */
static bool
undecided(const struct router *r, enum router_service s)
{
	return r->service[s].state == SERVICE_PROBING ||
	       r->service[s].circuit == CIRCUIT_HALF_OPEN;
}

static bool
lease_awaits(const struct lease *l, enum router_service s, enum transport t)
{
	return lease_on_wire(l) && l->started && l->service == s && l->leg_now == t;
}

static uint16_t
asked_internal_port(const struct lease *l)
{
	return l->op == OP_DELETE ? l->leg[l->leg_now].internal_port : l->internal_port;
}

/*
 * The lease that a NAT-PMP answer belongs to: by internal port; an answer that leaves
 * it out (errors of some routers, quirk 36; ProtonVPN's 0) belongs to the oldest
 * request of that opcode.
 */
static struct lease *
natpmp_match(struct router *r, const struct natpmp_response *resp)
{
	enum transport t =
	    resp->op == NATPMP_OP_MAP_TCP ? TRANSPORT_TCP : TRANSPORT_UDP;
	struct lease *oldest = NULL;

	for (struct lease *l = r->leases; l; l = l->next) {
		if (!lease_awaits(l, ROUTER_NAT_PMP, t))
			continue;
		if (asked_internal_port(l) == resp->map.internal_port)
			return l;
		if (!oldest || l->started_at < oldest->started_at)
			oldest = l;
	}
	return resp->map.internal_port == 0 ? oldest : NULL;
}

/* Success of a MAP request, either protocol. */
static void
map_succeeded(struct lease *l, uint16_t internal_port, uint16_t external_port,
    uint32_t lifetime_s, msec_t now)
{
	static const struct verdict refused = { 0, "NOTHING_GRANTED", REMEDY_RETRY_SLOW,
		"the router answered with success but granted nothing" };

	if (l->op == OP_DELETE) {
		/* A late copy of the grant is no answer to the deletion, ... */
		if (lifetime_s != 0)
			return;
		step_found(l->router, l->service, l, now);
		service_alive(l->router, l->service, now);
		lease_deleted(l, now);
	} else if (lifetime_s == 0 && l->dropped) {
		/* ... and one of the deletion no refusal of what is asked after it. */
		return;
	} else if (lifetime_s == 0 || external_port == 0) {
		/* F07: no mapping exists behind such an answer. */
		lease_refused(l, 0, &refused, 0, now);
	} else {
		lease_granted(l, internal_port, external_port, lifetime_s, 0, now);
	}
}

static void
natpmp_mapped(struct router *r, const struct natpmp_response *resp, msec_t now)
{
	struct lease *l = natpmp_match(r, resp);

	if (!l)
		return;
	/* It tells the address to who asks for it only, and that answer is missing:
	 * the router was silent while it was looked for. */
	if (resp->result == NATPMP_SUCCESS && l->op == OP_ASK &&
	    r->external.family == ADDR_NONE)
		pxp_probe(r, ROUTER_NAT_PMP, now);
	if (resp->result == NATPMP_SUCCESS)
		map_succeeded(l, resp->map.internal_port, resp->map.external_port,
		    resp->map.lifetime_s, now);
	else
		lease_refused(l, resp->result,
		    verdict_find(VERDICT_NAT_PMP, resp->result), 0, now);
}

static void
natpmp_address(struct router *r, const struct natpmp_response *resp, msec_t now)
{
	if (!r->service[ROUTER_NAT_PMP].probing)
		return;
	probe_answered(r, ROUTER_NAT_PMP, now);
	snprintf(r->service[ROUTER_NAT_PMP].version,
	    sizeof(r->service[ROUTER_NAT_PMP].version), "%d", NATPMP_VERSION);
	if (resp->result == NATPMP_SUCCESS)
		router_set_external(r, &resp->external, METHOD_NAT_PMP, now);
	else if (resp->result == NATPMP_NETWORK_FAILURE)
		router_set_external(r, &(struct addr) { 0 }, METHOD_NAT_PMP, now);
}

static void
natpmp_datagram(struct router *r, const uint8_t *buf, size_t len, msec_t now)
{
	struct natpmp_response resp;

	if (natpmp_decode_response(buf, len, &resp) < 0)
		return;
	if (resp.result == NATPMP_UNSUPP_VERSION) {
		/* RFC 6887 9: a NAT-PMP server says so to a PCP request. */
		if (undecided(r, ROUTER_PCP))
			service_absent(
			    r, ROUTER_PCP, now, "the router speaks NAT-PMP, not PCP");
		return;
	}
	if (resp.op == NATPMP_OP_ADDRESS ? !r->service[ROUTER_NAT_PMP].probing
					 : !natpmp_match(r, &resp))
		return;
	r->natpmp_turn_at = now;
	/* RFC 6886 3.5: "the entire request MUST be returned", which has no epoch. */
	if (resp.result != NATPMP_UNSUPP_OPCODE &&
	    epoch_natpmp(&r->service[ROUTER_NAT_PMP].epoch, resp.epoch_s, now))
		router_restarted(r, ROUTER_NAT_PMP, now);
	if (resp.op == NATPMP_OP_ADDRESS)
		natpmp_address(r, &resp, now);
	else
		natpmp_mapped(r, &resp, now);
}

static struct lease *
pcp_match(struct router *r, const struct pcp_response *resp)
{
	enum transport t = resp->map.protocol == transport_number(TRANSPORT_TCP)
			       ? TRANSPORT_TCP
			       : TRANSPORT_UDP;

	if (resp->op != PCP_OP_MAP || !resp->has_map)
		return NULL;
	for (struct lease *l = r->leases; l; l = l->next)
		if (lease_awaits(l, ROUTER_PCP, t) &&
		    resp->map.protocol == transport_number(t) &&
		    resp->map.internal_port == asked_internal_port(l) &&
		    memcmp(resp->map.nonce, l->want.nonce, PCP_NONCE_LEN) == 0)
			return l;
	return NULL;
}

static void
pcp_mapped(struct lease *l, const struct pcp_response *resp, msec_t now)
{
	if (resp->result != PCP_SUCCESS) {
		msec_t hold = MIN(resp->lifetime_s * MSEC_PER_SEC, HOLD_MAX_MS);

		lease_refused(l, resp->result, verdict_find(VERDICT_PCP, resp->result),
		    hold, now);
		return;
	}
	/* A mapping of two protocols has one address in natd: the one of the first. */
	if (l->op == OP_ASK && l->leg_now == lease_first_leg(l) && resp->lifetime_s &&
	    resp->map.external.family == ADDR_IPV4 &&
	    l->want.internal.family == ADDR_IPV4)
		address_granted(l, &resp->map.external, now);
	map_succeeded(
	    l, resp->map.internal_port, resp->map.external_port, resp->lifetime_s, now);
}

static void
pcp_datagram(struct router *r, const uint8_t *buf, size_t len, msec_t now)
{
	struct service *svc = &r->service[ROUTER_PCP];
	struct pcp_response resp;
	struct lease *l;

	if (pcp_decode_response(buf, len, &resp) < 0)
		return;
	if (resp.result == PCP_UNSUPP_VERSION) {
		/* Version 2 answers this to NAT-PMP's version 0, others to our
		 * version 2. */
		enum router_service s =
		    resp.version == PCP_VERSION ? ROUTER_NAT_PMP : ROUTER_PCP;

		if (undecided(r, s))
			service_absent(r, s, now,
			    "the router speaks PCP version %u only", resp.version);
		return;
	}
	l = pcp_match(r, &resp);
	if (!l && !(resp.op == PCP_OP_ANNOUNCE && svc->probing))
		return;
	if (epoch_pcp(&svc->epoch, resp.epoch_s, now)) {
		router_restarted(r, ROUTER_PCP, now);
		l = pcp_match(r, &resp);
	}
	if (resp.op == PCP_OP_ANNOUNCE) {
		snprintf(svc->version, sizeof(svc->version), "%u", resp.version);
		probe_answered(r, ROUTER_PCP, now);
	} else if (l) {
		pcp_mapped(l, &resp, now);
	}
}

void
router_datagram(struct router *r, const uint8_t *buf, size_t len, msec_t now)
{
	if (len < 2)
		return;
	if (buf[0] == NATPMP_VERSION)
		natpmp_datagram(r, buf, len, now);
	else
		pcp_datagram(r, buf, len, now);
}

void
router_unreachable(struct router *r, msec_t now)
{
	/* It shortens the search; what is held is never given up for a forgeable
	 * packet. */
	for (enum router_service s = ROUTER_PCP; s <= ROUTER_NAT_PMP; s++)
		if (r->service[s].state == SERVICE_PROBING)
			service_absent(
			    r, s, now, "port %d is closed on the router", PCP_PORT);
	for (struct lease *l = r->leases; l; l = l->next)
		if (lease_on_wire(l) && l->started && !l->overdue && !l->is_held)
			lease_silence(l, "PORT_UNREACHABLE", now);
}
