/*
 * router_igd.c - UPnP: search, descriptions, which service is connected, polls.
 *
 * One HTTP exchange at a time per router: old ones fail when asked in parallel, and
 * five SOAP requests a second are all that is sent anyway.  The first description that
 * fits is used at once; the search window is not waited out.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "proto/router_private.h"
#include "proto/text.h"

/* Quirk 4: some routers break when searches come at once. */
#define SEARCH_SPACING_MS 40
#define SEARCH_ROUNDS 3
#define SEARCH_ROUND_MS INT64_C(900)
/* Unicast too: UDA 1.0 devices drop a search without it. */
#define SEARCH_MX_S 1
#define SEARCH_SLOTS (2 * SSDP_TARGETS)
/* F12: a storm of NOTIFY must not become a storm of ours. */
#define HINT_MS (INT64_C(10) * MSEC_PER_SEC)
#define UPTIME_SLACK_S 5

static bool
wants_ipv6(const struct router *r)
{
	return r->settings.local.family == ADDR_IPV6;
}

static enum router_service
igd_service_of(const struct router *r)
{
	return wants_ipv6(r) ? ROUTER_PINHOLE : ROUTER_IGD;
}

/* What the Host header says: without scope, without port 80. */
static void
igd_host(const struct router *r, uint16_t port, char *ret, size_t size)
{
	struct addr shown = r->settings.gateway;
	char text[ADDR_TEXT_MAX];
	bool ipv6 = shown.family == ADDR_IPV6;

	shown.scope = 0;
	addr_format(&shown, text);
	if (port == 80)
		snprintf(ret, size, ipv6 ? "[%s]" : "%s", text);
	else
		snprintf(ret, size, ipv6 ? "[%s]:%u" : "%s:%u", text, port);
}

/* ---- search ---- */

void
igd_search(struct router *r, msec_t now)
{
	struct igd *g = &r->igd;

	if (g->searching)
		return;
	g->searching = true;
	g->search_slot = g->search_rounds = 0;
	g->search_next = now;
	g->search_ends = now + RETRY_VERDICT_MS;
	for (unsigned i = 0; i < g->candidates; i++)
		g->candidate[i].tried = false;
	g->described = false;
	g->wan = g->pinhole = -1;
}

void
igd_moved(struct router *r, msec_t now)
{
	enum router_service s = igd_service_of(r);

	r->igd.candidates = 0;
	r->igd.todo = 0;
	r->service[s].state = SERVICE_PROBING;
	r->services_changed = true;
	igd_search(r, now);
}

static bool
next_search(struct router *r, msec_t now, struct router_action *ret)
{
	struct igd *g = &r->igd;
	bool unicast = g->search_slot % 2 == 0;
	char host[ADDR_TEXT_MAX + 16];
	ssize_t len;

	if (!g->searching || g->search_next > now || g->search_rounds >= SEARCH_ROUNDS)
		return false;
	if (unicast)
		igd_host(r, SSDP_PORT, host, sizeof(host));
	else
		snprintf(host, sizeof(host), "%s",
		    wants_ipv6(r) ? "[ff02::c]:1900" : "239.255.255.250:1900");
	len = ssdp_encode_search(r->out.text, sizeof(r->out.text), host,
	    ssdp_target(g->search_slot / 2), SEARCH_MX_S);
	g->search_slot++;
	/* Unicast and multicast of one target leave together, the next target later. */
	if (g->search_slot % 2 == 0)
		g->search_next = now + SEARCH_SPACING_MS;
	if (g->search_slot == SEARCH_SLOTS) {
		g->search_slot = 0;
		g->search_rounds++;
		g->search_next =
		    now + SEARCH_ROUND_MS - SSDP_TARGETS * SEARCH_SPACING_MS;
	}
	if (len < 0)
		return false;
	*ret = (struct router_action) {
		.kind = unicast ? ROUTER_SEARCH_UNICAST : ROUTER_SEARCH_MULTICAST,
		.buf = r->out.text,
		.len = (size_t)len,
	};
	return true;
}

static bool
untried(const struct router *r)
{
	for (unsigned i = 0; i < r->igd.candidates; i++)
		if (!r->igd.candidate[i].tried)
			return true;
	return false;
}

/* The window closed, or the last description was no use: is there anything left? */
static void
maybe_give_up(struct router *r, msec_t now)
{
	enum router_service s = igd_service_of(r);
	char why[ROUTER_TEXT_MAX];

	if (r->service[s].state != SERVICE_PROBING &&
	    r->service[s].circuit != CIRCUIT_HALF_OPEN)
		return;
	if (r->igd.searching || r->igd.described || r->igd.job != JOB_NONE ||
	    untried(r))
		return;
	if (r->igd.candidates == 0) {
		service_absent(r, s, now, "no answer to the UPnP search");
		return;
	}
	memcpy(why, r->service[s].reason, sizeof(why));
	service_absent(r, s, now, "%s", why[0] ? why : "no usable UPnP description");
}

static void
add_candidate(struct router *r, const struct url *location)
{
	struct igd *g = &r->igd;

	for (unsigned i = 0; i < g->candidates; i++)
		if (g->candidate[i].location.port == location->port &&
		    strcmp(g->candidate[i].location.path, location->path) == 0)
			return;
	if (g->candidates < CANDIDATES_MAX)
		g->candidate[g->candidates++] =
		    (struct candidate) { .location = *location };
}

/* From the gateway itself; or about it, by a box that answers for a shared address
 * (VRRP): its LOCATION then names the gateway. */
static bool
believable(const struct router *r, const struct addr *from, const struct url *location)
{
	struct addr named;

	if (addr_equal(from, &r->settings.gateway))
		return true;
	/* An IPv6 router answers from any of its addresses.  What others say costs us a
	 * question to the gateway itself, at most. */
	if (wants_ipv6(r) && from->family == ADDR_IPV6)
		return true;
	return addr_parse(location->host, &named) == 0 &&
	       addr_equal(&named, &r->settings.gateway);
}

static void
ssdp_hint(struct router *r, const struct ssdp_message *msg, msec_t now)
{
	struct igd *g = &r->igd;
	bool restarted = msg->kind == SSDP_BYEBYE ||
			 (msg->has_bootid && g->has_bootid && msg->bootid != g->bootid);

	if (msg->has_bootid) {
		g->has_bootid = true;
		g->bootid = msg->bootid;
	}
	if (!restarted || r->lease_count == 0 ||
	    (g->hint_at && now - g->hint_at < HINT_MS))
		return;
	g->hint_at = now;
	router_hint(r, now);
}

void
router_ssdp(
    struct router *r, const struct addr *from, const char *buf, size_t len, msec_t now)
{
	struct ssdp_message msg;

	if (ssdp_decode(buf, len, &msg) < 0 || msg.kind == SSDP_SEARCH ||
	    !ssdp_target_is_gateway(msg.target))
		return;
	if (msg.kind == SSDP_ANSWER) {
		if (!r->igd.searching || !believable(r, from, &msg.location))
			return;
		if (msg.has_bootid) {
			r->igd.has_bootid = true;
			r->igd.bootid = msg.bootid;
		}
		add_candidate(r, &msg.location);
	} else if (addr_equal(from, &r->settings.gateway)) {
		ssdp_hint(r, &msg, now);
	}
}

/* ---- descriptions ---- */

static bool
fetch_description(struct router *r, msec_t now, struct router_action *ret)
{
	struct igd *g = &r->igd;
	struct candidate *c = NULL;
	char host[ADDR_TEXT_MAX + 16];
	ssize_t len;

	for (unsigned i = 0; i < g->candidates && !c; i++)
		if (!g->candidate[i].tried)
			c = &g->candidate[i];
	if (g->described || !c)
		return false;
	c->tried = true;
	g->location = c->location;
	igd_host(r, c->location.port, host, sizeof(host));
	len = http_encode_get(r->out.text, sizeof(r->out.text), host, c->location.path);
	if (len < 0)
		return false;
	g->job = JOB_DESCRIPTION;
	g->job_sent_at = now;
	*ret = (struct router_action) {
		.kind = ROUTER_HTTP,
		.buf = r->out.text,
		.len = (size_t)len,
		.port = c->location.port,
		.id = ++g->job_id,
	};
	return true;
}

static bool
is_wan(const struct igd_service *s)
{
	return s->kind == IGD_WAN_IP || s->kind == IGD_WAN_PPP;
}

/* The next WAN service to ask for its status: newer versions first, then as listed. */
static int
next_wan(const struct igd *g)
{
	int best = -1;

	for (unsigned i = 0; i < g->desc.services; i++) {
		const struct igd_service *s = &g->desc.service[i];

		if (!is_wan(s) || g->status_tried & 1u << i)
			continue;
		if (best < 0 || s->version > g->desc.service[best].version)
			best = (int)i;
	}
	return best;
}

static void
no_description(struct router *r, msec_t now, const char *why)
{
	snprintf(r->service[igd_service_of(r)].reason, ROUTER_TEXT_MAX, "%s", why);
	maybe_give_up(r, now);
}

static void
described(struct router *r, int error, const struct http_response *resp, msec_t now)
{
	struct igd *g = &r->igd;
	const char *body;
	size_t len;
	int ret;

	if (error < 0) {
		no_description(r, now,
		    error == -ECONNREFUSED
			? "the port of the UPnP description is closed"
			: "the UPnP description could not be fetched");
		return;
	}
	if (http_response_status(resp) != 200) {
		no_description(
		    r, now, "the router has no UPnP description where it says");
		return;
	}
	body = http_response_body(resp, &len);
	ret = igd_desc_parse(body, len, &g->location, &g->desc);
	if (ret < 0) {
		no_description(r, now,
		    ret == -ENOENT ? "the UPnP device is no Internet gateway"
				   : "the UPnP description is broken");
		return;
	}
	g->status_tried = 0;
	g->wan = next_wan(g);
	for (unsigned i = 0; i < g->desc.services; i++)
		if (g->desc.service[i].kind == IGD_IPV6_FIREWALL && g->pinhole < 0)
			g->pinhole = (int)i;
	if (wants_ipv6(r) ? g->pinhole < 0 : g->wan < 0) {
		g->wan = g->pinhole = -1;
		no_description(r, now,
		    wants_ipv6(r) ? "the router offers no IPv6 pinholes over UPnP"
				  : "the router has no WAN connection service");
		return;
	}
	g->described = true;
	g->has_uptime = false;
	g->todo =
	    wants_ipv6(r) ? 1u << JOB_FIREWALL : 1u << JOB_STATUS | 1u << JOB_ADDRESS;
	r->services_changed = true;
}

/* ---- what the router says of itself ---- */

bool
igd_send_soap(struct router *r, enum igd_job job, int service, enum igd_action a,
    const struct igd_args *args, msec_t now, struct router_action *ret)
{
	struct igd *g = &r->igd;
	const struct igd_service *s = &g->desc.service[service];
	char host[ADDR_TEXT_MAX + 16];
	ssize_t len;

	igd_host(r, s->control.port, host, sizeof(host));
	len = igd_soap_encode(r->out.text, sizeof(r->out.text), host, s, a, args);
	if (len < 0)
		return false;
	retry_pace_use(&g->pace, now);
	g->job = job;
	g->job_service = service;
	g->job_action = a;
	g->job_sent_at = now;
	*ret = (struct router_action) {
		.kind = ROUTER_HTTP,
		.buf = r->out.text,
		.len = (size_t)len,
		.port = s->control.port,
		.id = ++g->job_id,
	};
	return true;
}

void
igd_poll(struct router *r, msec_t now)
{
	(void)now;
	if (r->igd.described)
		r->igd.todo |= wants_ipv6(r) ? 1u << JOB_FIREWALL
					     : 1u << JOB_STATUS | 1u << JOB_ADDRESS;
}

static bool
next_question(struct router *r, msec_t now, struct router_action *ret)
{
	static const struct {
		enum igd_job job;
		enum igd_action action;
	} questions[] = {
		{ JOB_STATUS, IGD_GET_STATUS_INFO },
		{ JOB_ADDRESS, IGD_GET_EXTERNAL_IP_ADDRESS },
		{ JOB_FIREWALL, IGD_GET_FIREWALL_STATUS },
	};
	const struct igd_args none = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(questions); i++) {
		enum igd_job job = questions[i].job;

		if (!(r->igd.todo & 1u << job))
			continue;
		r->igd.todo &= ~(1u << job);
		if (igd_send_soap(r, job,
			job == JOB_FIREWALL ? r->igd.pinhole : r->igd.wan,
			questions[i].action, &none, now, ret))
			return true;
	}
	return false;
}

/* Quirk 10: of several connections the connected one; if none says so, the first. */
static void
status_answered(struct router *r, const struct igd_answer *ans, msec_t now)
{
	struct igd *g = &r->igd;
	uint64_t uptime;

	g->status_tried |= 1u << g->job_service;
	if (r->service[ROUTER_IGD].state == SERVICE_PROBING && ans->error == 0 &&
	    !igd_answer_connected(ans)) {
		int next = next_wan(g);

		if (next >= 0) {
			g->wan = next;
			g->todo |= 1u << JOB_STATUS;
			return;
		}
		for (unsigned i = g->desc.services; i-- > 0;)
			if (is_wan(&g->desc.service[i]))
				g->wan = (int)i;
	}
	if (ans->error || igd_answer_uint(ans, IGD_ARG_UPTIME, UINT32_MAX, &uptime) < 0)
		return;
	/* It counts the connection, not the router: read back before anything is said.
	 */
	if (g->has_uptime && uptime + UPTIME_SLACK_S < g->uptime_s)
		for (struct lease *l = r->leases; l; l = l->next)
			if (l->is_held && l->service == ROUTER_IGD)
				l->verify_at = now;
	g->has_uptime = true;
	g->uptime_s = uptime;
}

static void
address_answered(struct router *r, const struct igd_answer *ans, msec_t now)
{
	struct addr external = { .family = ADDR_NONE };

	if (ans->error == 0)
		igd_answer_addr(ans, IGD_ARG_EXTERNAL_IP_ADDRESS, &external);
	if (external.family == ADDR_IPV6)
		external.family = ADDR_NONE;
	if (ans->error == 0)
		router_set_external(r, &external, service_method(r, ROUTER_IGD));
	r->service[ROUTER_IGD].round_trip_ms = now - r->igd.job_sent_at;
	r->igd.searching = false;
	service_answered(r, ROUTER_IGD, now);
}

static void
firewall_answered(struct router *r, const struct igd_answer *ans, msec_t now)
{
	bool enabled = true, allowed = true;

	if (ans->error == 0) {
		igd_answer_bool(ans, IGD_ARG_FIREWALL_ENABLED, &enabled);
		igd_answer_bool(ans, IGD_ARG_INBOUND_PINHOLE_ALLOWED, &allowed);
	}
	r->igd.searching = false;
	r->service[ROUTER_PINHOLE].round_trip_ms = now - r->igd.job_sent_at;
	if (!enabled)
		service_absent(
		    r, ROUTER_PINHOLE, now, "the router's IPv6 firewall is off");
	else if (!allowed)
		service_absent(
		    r, ROUTER_PINHOLE, now, "the router allows no IPv6 pinholes");
	else
		service_answered(r, ROUTER_PINHOLE, now);
}

static void
question_answered(struct router *r, enum igd_job job, int error,
    const struct http_response *resp, msec_t now)
{
	enum router_service s = igd_service_of(r);
	struct igd_answer ans;
	const char *body;
	size_t len;

	if (error == 0) {
		body = http_response_body(resp, &len);
		error = igd_soap_decode(
		    r->igd.job_action, http_response_status(resp), body, len, &ans);
	}
	if (error == -ECONNREFUSED && r->service[s].state == SERVICE_AVAILABLE) {
		igd_moved(r, now);
		return;
	}
	if (error < 0 && r->service[s].state == SERVICE_AVAILABLE) {
		service_silent(r, s, now);
		return;
	}
	/* While looking, a status that can't be read is no reason to give up. */
	if (error < 0)
		ans = (struct igd_answer) { .error = -1 };
	if (job == JOB_STATUS) {
		status_answered(r, &ans, now);
	} else if (error < 0) {
		r->igd.described = false;
		no_description(r, now, "the router's UPnP control does not answer");
	} else if (job == JOB_ADDRESS) {
		address_answered(r, &ans, now);
	} else {
		firewall_answered(r, &ans, now);
	}
}

void
router_http(struct router *r, unsigned id, int error,
    const struct http_response *response, msec_t now)
{
	struct igd *g = &r->igd;
	enum igd_job job = g->job;
	struct lease *l = g->job_lease;

	if (job == JOB_NONE || id != g->job_id)
		return;
	g->job = JOB_NONE;
	g->job_lease = NULL;
	switch (job) {
	case JOB_NONE:
		break;
	case JOB_DESCRIPTION:
		described(r, error, response, now);
		break;
	case JOB_STATUS:
	case JOB_ADDRESS:
	case JOB_FIREWALL:
		question_answered(r, job, error, response, now);
		break;
	case JOB_LEASE:
		if (l)
			soap_answer(r, l, error, response, now);
		break;
	}
}

/* ---- what is next ---- */

static bool
soap_in_line(const struct router *r, const struct lease *l)
{
	return l->op != OP_NONE && !l->started && !pxp_is(l->service) &&
	       l->phase != LEASE_GONE &&
	       r->service[l->service].state == SERVICE_AVAILABLE;
}

static bool
anything_in_line(const struct router *r)
{
	if (r->igd.described && r->igd.todo)
		return true;
	for (const struct lease *l = r->leases; l; l = l->next)
		if (soap_in_line(r, l))
			return true;
	return false;
}

bool
igd_next(struct router *r, msec_t now, struct router_action *ret)
{
	struct igd *g = &r->igd;

	if (next_search(r, now, ret))
		return true;
	if (g->job != JOB_NONE)
		return false;
	if (fetch_description(r, now, ret))
		return true;
	if (!g->described || retry_pace_at(&g->pace, now) > now)
		return false;
	for (struct lease *l = r->leases; l; l = l->next) {
		if (!soap_in_line(r, l))
			continue;
		if (soap_next(r, l, now, ret)) {
			l->started = true;
			g->job_lease = l;
			return true;
		}
	}
	return next_question(r, now, ret);
}

void
igd_timer(struct router *r, msec_t now)
{
	struct igd *g = &r->igd;

	if (g->searching && now >= g->search_ends) {
		g->searching = false;
		maybe_give_up(r, now);
	}
	/* The service went away under what was in line for it. */
	for (struct lease *l = r->leases; l; l = l->next)
		if (l->op != OP_NONE && !pxp_is(l->service) && !l->started &&
		    r->service[l->service].state == SERVICE_ABSENT)
			lease_silence(l, "NO_SERVICE", now);
}

msec_t
igd_deadline(const struct router *r)
{
	const struct igd *g = &r->igd;
	msec_t at = MSEC_NEVER;

	if (g->searching) {
		at = g->search_ends;
		if (g->search_rounds < SEARCH_ROUNDS)
			at = MIN(at, g->search_next);
	}
	if (g->job == JOB_NONE && anything_in_line(r))
		at = MIN(at, retry_pace_at(&g->pace, 0));
	return at;
}
