/*
 * router_igd.c - UPnP: descriptions, which service is connected, polls, what is next.
 *
 * One HTTP exchange at a time per router: old ones fail when asked in parallel, and
 * five SOAP requests a second are all that is sent anyway.  The service is AVAILABLE
 * exactly while a description is there and its control answered.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/router_private.h"

#define UPTIME_SLACK_S 5
/* One that jumps about is no reason to ask for everything again more often. */
#define UPTIME_AGAIN_MS (INT64_C(5) * MSEC_PER_SEC)

static bool
wants_ipv6(const struct router *r)
{
	return r->settings.local.family == ADDR_IPV6;
}

void
igd_free(struct router *r)
{
	free(r->igd.desc);
	r->igd.desc = NULL;
	r->igd.wan = r->igd.pinhole = -1;
}

static bool
untried(const struct router *r)
{
	for (unsigned i = 0; i < r->igd.candidates; i++)
		if (!r->igd.candidate[i].tried)
			return true;
	return false;
}

/* The window closed, or the last candidate was no use: is there anything left? */
static void
maybe_give_up(struct router *r, msec_t now)
{
	const struct igd *g = &r->igd;
	enum router_service s = igd_service_of(r);
	char why[ROUTER_TEXT_MAX];

	if (r->service[s].state != SERVICE_PROBING || g->searching || g->desc ||
	    g->job != JOB_NONE || untried(r))
		return;
	memcpy(why, r->service[s].reason, sizeof(why));
	service_absent(r, s, now, "%s",
	    g->candidates == 0 ? "no answer to the UPnP search"
	    : why[0]           ? why
			       : "no usable UPnP description");
}

static void
no_use(struct router *r, const char *why)
{
	igd_free(r);
	snprintf(r->service[igd_service_of(r)].reason, ROUTER_TEXT_MAX, "%s", why);
}

/* ---- descriptions ---- */

static bool
fetch_description(struct router *r, msec_t now, struct router_action *ret)
{
	struct igd *g = &r->igd;
	const struct url *location;
	char host[IGD_HOST_MAX];
	unsigned i = 0;
	ssize_t len;

	while (i < g->candidates && g->candidate[i].tried)
		i++;
	if (g->desc || i == g->candidates)
		return false;
	g->candidate[i].tried = true;
	location = &g->candidate[i].location;
	igd_host(r, location->port, host);
	len = http_encode_get(r->out.text, sizeof(r->out.text), host, location->path);
	if (len < 0)
		return false;
	step_sent(r, igd_service_of(r), NULL, "description", 1);
	g->job = JOB_DESCRIPTION;
	g->job_service = (int)i;
	g->job_sent_at = now;
	*ret = (struct router_action) {
		.kind = ROUTER_HTTP,
		.buf = r->out.text,
		.len = (size_t)len,
		.port = location->port,
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

	for (unsigned i = 0; i < g->desc->services; i++) {
		const struct igd_service *s = &g->desc->service[i];

		if (!is_wan(s) || g->status_tried & 1u << i)
			continue;
		if (best < 0 || s->version > g->desc->service[best].version)
			best = (int)i;
	}
	return best;
}

static bool
has_other_wan(const struct igd *g)
{
	for (unsigned i = 0; i < g->desc->services; i++)
		if (is_wan(&g->desc->service[i]) && (int)i != g->wan)
			return true;
	return false;
}

static void
use_wan(struct igd *g, int index)
{
	g->wan = index;
	g->wan_version = g->desc->service[index].version;
	g->connected = g->has_uptime = false;
}

static int
find_pinhole(const struct igd_desc *desc)
{
	for (unsigned i = 0; i < desc->services; i++)
		if (desc->service[i].kind == IGD_IPV6_FIREWALL)
			return (int)i;
	return -1;
}

/* A description that fits: the questions that tell whether its services do. */
static void
take_description(struct router *r)
{
	struct igd *g = &r->igd;
	int wan;

	g->status_tried = 0;
	g->todo = 0;
	if (wants_ipv6(r)) {
		g->pinhole = find_pinhole(g->desc);
		if (g->pinhole < 0) {
			no_use(r, "the router offers no IPv6 pinholes over UPnP");
			return;
		}
		g->todo = 1u << JOB_FIREWALL;
	} else {
		wan = next_wan(g);
		if (wan < 0) {
			no_use(r, "the router has no WAN connection service");
			return;
		}
		use_wan(g, wan);
		g->todo = 1u << JOB_STATUS | 1u << JOB_ADDRESS;
	}
	g->location = g->candidate[g->job_service].location;
	memcpy(g->name, g->desc->friendly_name, sizeof(g->name));
	r->services_changed = true;
}

static void
described(struct router *r, int error, const struct http_response *resp)
{
	struct igd *g = &r->igd;
	const char *body;
	size_t len;
	int ret;

	if (error < 0) {
		no_use(r, error == -ECONNREFUSED
			      ? "the port of the UPnP description is closed"
			      : "the UPnP description could not be fetched");
		return;
	}
	if (http_response_status(resp) != 200) {
		no_use(r, "the router has no UPnP description where it says");
		return;
	}
	body = http_response_body(resp, &len);
	g->desc = calloc(1, sizeof(*g->desc));
	ret = g->desc ? igd_desc_parse(
			    body, len, &g->candidate[g->job_service].location, g->desc)
		      : -ENOMEM;
	if (ret == 0)
		take_description(r);
	else
		no_use(r, ret == -ENOENT ? "the UPnP device is no Internet gateway"
					 : "the UPnP description is broken");
}

/* ---- what the router says of itself ---- */

void
igd_poll(struct router *r)
{
	if (r->igd.desc)
		r->igd.todo |= wants_ipv6(r) ? 1u << JOB_FIREWALL
					     : 1u << JOB_STATUS | 1u << JOB_ADDRESS;
}

/* How long what a program of this host opened by sending UDP stays open.  The other
 * questions have no arguments. */
static struct igd_args
outbound_args(const struct router *r, char client[static ADDR_TEXT_MAX])
{
	struct addr own = r->settings.local;

	own.scope = 0;
	addr_format(&own, client);
	return (struct igd_args) { .value = {
				       [IGD_ARG_REMOTE_HOST] = "",
				       [IGD_ARG_REMOTE_PORT] = "0",
				       [IGD_ARG_INTERNAL_CLIENT] = client,
				       [IGD_ARG_INTERNAL_PORT] = "0",
				       [IGD_ARG_PROTOCOL] = "17",
				   } };
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
		{ JOB_OUTBOUND, IGD_GET_OUTBOUND_PINHOLE_TIMEOUT },
	};
	char client[ADDR_TEXT_MAX];
	const struct igd_args args = outbound_args(r, client);

	/* The status tells whom to ask for the address; where there is nobody else, the
	 * address is what applications wait for. */
	bool sure = r->service[ROUTER_IGD].state == SERVICE_AVAILABLE &&
		    !has_other_wan(&r->igd);
	size_t first = sure ? 1 : 0;

	for (size_t i = 0; i < ARRAY_SIZE(questions); i++) {
		size_t k = (first + i) % ARRAY_SIZE(questions);
		enum igd_job job = questions[k].job;

		if (!(r->igd.todo & 1u << job))
			continue;
		r->igd.todo &= ~(1u << job);
		r->igd.outbound_asked |= job == JOB_OUTBOUND;
		if (soap_send(r, job, wants_ipv6(r) ? r->igd.pinhole : r->igd.wan,
			questions[k].action, &args, now, ret)) {
			step_sent(r, igd_service_of(r), NULL,
			    igd_action_name(questions[k].action), 1);
			return true;
		}
	}
	return false;
}

/* Quirk 10: of several connections the connected one; if none says so, the first. */
static void
choose_wan(struct router *r, bool connected)
{
	struct igd *g = &r->igd;
	int next;

	g->status_tried |= 1u << g->job_service;
	if (connected)
		return;
	next = next_wan(g);
	if (next >= 0) {
		use_wan(g, next);
		g->todo |= 1u << JOB_STATUS;
		return;
	}
	g->status_tried = 0;
	use_wan(g, next_wan(g));
}

/* It went back; or began after the last look, though it grew beyond what it was then.
 * One that stands still counts nothing. */
static bool
shows_restart(const struct igd *g, uint64_t uptime_s, msec_t now)
{
	msec_t since = now - g->uptime_at;

	if (!g->has_uptime || uptime_s == g->uptime_s)
		return false;
	return uptime_s + UPTIME_SLACK_S < g->uptime_s ||
	       (msec_t)(uptime_s + UPTIME_SLACK_S) * MSEC_PER_SEC < since - since / 16;
}

static void
status_answered(struct router *r, int error, const struct igd_answer *ans, msec_t now)
{
	struct igd *g = &r->igd;
	bool understood = error == 0 && ans->error == 0;
	bool connected = understood && igd_answer_connected(ans);
	uint64_t uptime;

	/* While looking, a status that can't be read is no reason to give up. */
	if (r->service[ROUTER_IGD].state == SERVICE_PROBING) {
		choose_wan(r, connected);
	} else if (g->connected && understood && !connected && has_other_wan(g)) {
		/* Another connection may have taken over. */
		igd_moved(r, now);
		return;
	}
	g->connected = connected;
	/* Without a connection it counts nothing. */
	if (!connected || igd_answer_uint(ans, IGD_ARG_UPTIME, UINT32_MAX, &uptime) < 0)
		return;
	/* It counts the connection, not the router: read back before anything is said.
	 */
	if (shows_restart(g, uptime, now)) {
		if (now - g->uptime_less_at < UPTIME_AGAIN_MS)
			return;
		g->uptime_less_at = now;
		router_restarted(r, ROUTER_IGD, now);
	}
	g->has_uptime = true;
	g->uptime_s = uptime;
	g->uptime_at = now;
}

static void
control_answered(struct router *r, enum router_service s, msec_t now)
{
	r->igd.searching = false;
	r->igd.found_at = now;
	r->service[s].round_trip_ms = now - r->igd.job_sent_at;
	step_found(r, s, NULL, now);
	service_found(r, s, now);
}

static void
address_answered(struct router *r, const struct igd_answer *ans, msec_t now)
{
	struct addr external = { .family = ADDR_NONE };

	if (ans->error == 0) {
		igd_answer_addr(ans, IGD_ARG_EXTERNAL_IP_ADDRESS, &external);
		if (external.family == ADDR_IPV6)
			external.family = ADDR_NONE;
		router_set_external(r, &external, service_method(r, ROUTER_IGD), now);
	}
	control_answered(r, ROUTER_IGD, now);
}

static void
firewall_answered(struct router *r, const struct igd_answer *ans, msec_t now)
{
	bool enabled = true, allowed = true;

	if (ans->error == 0) {
		igd_answer_bool(ans, IGD_ARG_FIREWALL_ENABLED, &enabled);
		igd_answer_bool(ans, IGD_ARG_INBOUND_PINHOLE_ALLOWED, &allowed);
	}
	r->igd.forbids_pinholes = enabled && !allowed;
	if (enabled && allowed) {
		if (!r->igd.outbound_asked)
			r->igd.todo |= 1u << JOB_OUTBOUND;
		control_answered(r, ROUTER_PINHOLE, now);
		return;
	}
	igd_free(r);
	r->igd.searching = false;
	service_absent(r, ROUTER_PINHOLE, now,
	    enabled ? "the router allows no IPv6 pinholes"
		    : "the router's IPv6 firewall is off");
}

/* Few routers know it, and nothing hangs on it. */
static void
outbound_answered(struct router *r, int error, const struct igd_answer *ans)
{
	uint64_t seconds;

	if (error == 0 && ans->error == 0 &&
	    igd_answer_uint(
		ans, IGD_ARG_OUTBOUND_PINHOLE_TIMEOUT, UINT32_MAX, &seconds) == 0)
		r->igd.outbound_s = (uint32_t)seconds;
}

static void
question_answered(struct router *r, enum igd_job job, int error,
    const struct http_response *resp, msec_t now)
{
	enum router_service s = igd_service_of(r);
	struct igd_answer ans = { 0 };

	error = soap_read(r, error, resp, &ans);
	if (job == JOB_OUTBOUND) {
		outbound_answered(r, error, &ans);
	} else if (error < 0 && r->service[s].state == SERVICE_AVAILABLE) {
		if (error != -ENOENT || !igd_moved(r, now))
			service_silent(r, s, now);
	} else if (job == JOB_STATUS) {
		status_answered(r, error, &ans, now);
	} else if (error < 0) {
		no_use(r, "the router's UPnP control does not answer");
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
	bool void_answer = g->job_old;

	if (job == JOB_NONE || id != g->job_id)
		return;
	g->job = JOB_NONE;
	g->job_lease = NULL;
	g->job_old = false;
	switch (job) {
	case JOB_NONE:
		break;
	case JOB_DESCRIPTION:
		if (!void_answer)
			described(r, error, response);
		break;
	case JOB_STATUS:
	case JOB_ADDRESS:
	case JOB_FIREWALL:
	case JOB_OUTBOUND:
		if (!void_answer)
			question_answered(r, job, error, response, now);
		break;
	case JOB_LEASE:
		if (l)
			soap_answer(r, l, error, response, now);
		break;
	case JOB_EVENTS:
		events_answered(r, error, response, now);
		break;
	}
	maybe_give_up(r, now);
}

/* ---- what is next ---- */

static bool
in_line(const struct router *r, const struct lease *l)
{
	return l->op != OP_NONE && !l->started && !pxp_is(l->service) &&
	       l->phase != LEASE_GONE &&
	       r->service[l->service].state == SERVICE_AVAILABLE;
}

static bool
is_look(enum lease_op op)
{
	return op == OP_VERIFY || op == OP_SEARCH;
}

static bool
next_lease(struct router *r, bool looks, msec_t now, struct router_action *ret)
{
	for (struct lease *l = r->leases; l; l = l->next) {
		if (!in_line(r, l) || is_look(l->op) != looks)
			continue;
		if (soap_next(r, l, now, ret))
			return true;
	}
	return false;
}

static bool
anything_in_line(const struct router *r)
{
	if (r->igd.desc && r->igd.todo)
		return true;
	for (const struct lease *l = r->leases; l; l = l->next)
		if (in_line(r, l))
			return true;
	return false;
}

bool
igd_next(struct router *r, msec_t now, struct router_action *ret)
{
	struct igd *g = &r->igd;

	if (search_next(r, now, ret))
		return true;
	if (g->job != JOB_NONE)
		return false;
	if (fetch_description(r, now, ret))
		return true;
	if (!g->desc || retry_pace_at(&g->pace, now) > now)
		return events_next(r, now, ret);
	/* Reading back many must not delay what somebody waits for. */
	return next_lease(r, false, now, ret) || next_question(r, now, ret) ||
	       events_next(r, now, ret) || next_lease(r, true, now, ret);
}

void
igd_timer(struct router *r, msec_t now)
{
	if (r->igd.searching && now >= r->igd.search_ends) {
		r->igd.searching = false;
		maybe_give_up(r, now);
	}
	events_timer(r, now);
}

msec_t
igd_deadline(const struct router *r)
{
	const struct igd *g = &r->igd;
	msec_t at = search_deadline(r);

	if (g->job == JOB_NONE && anything_in_line(r))
		at = MIN(at, retry_pace_at(&g->pace, 0));
	return MIN(at, events_deadline(r));
}
