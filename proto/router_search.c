/*
 * router_search.c - UPnP: the search, who answers it, and what NOTIFY hints at.
 *
 * Unicast and multicast searches leave together (some routers answer only one of them),
 * target by target (some break when searches come at once).  Answers become candidates;
 * the first description that fits ends the search, its window is not waited out.
 */
#include <stdio.h>
#include <string.h>

#include "proto/router_private.h"

/* Quirk 4: some routers break when searches come at once. */
#define SEARCH_SPACING_MS 40
#define SEARCH_ROUNDS 3
#define SEARCH_ROUND_MS INT64_C(900)
/* Unicast too: UDA 1.0 devices drop a search without it. */
#define SEARCH_MX_S 1
#define SEARCH_SLOTS (2 * SSDP_TARGETS)
/* Found at its place less than this ago (more than an exchange may take) and refused
 * there again, it may have moved at once, or what it says of itself is wrong: that is
 * looked into so often. */
#define MOVED_MS (INT64_C(10) * MSEC_PER_SEC)
#define MOVED_AGAIN_MS (INT64_C(60) * MSEC_PER_SEC)

enum router_service
igd_service_of(const struct router *r)
{
	return r->settings.local.family == ADDR_IPV6 ? ROUTER_PINHOLE : ROUTER_IGD;
}

void
igd_host(const struct router *r, uint16_t port, char ret[static IGD_HOST_MAX])
{
	struct addr shown = r->settings.gateway;
	char text[ADDR_TEXT_MAX];
	bool ipv6 = shown.family == ADDR_IPV6;

	shown.scope = 0;
	addr_format(&shown, text);
	if (port == 80)
		snprintf(ret, IGD_HOST_MAX, ipv6 ? "[%s]" : "%s", text);
	else
		snprintf(ret, IGD_HOST_MAX, ipv6 ? "[%s]:%u" : "%s:%u", text, port);
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

static void
start_search(struct router *r, msec_t now)
{
	struct igd *g = &r->igd;
	struct service *svc = &r->service[igd_service_of(r)];

	g->searching = true;
	g->search_slot = g->search_rounds = 0;
	g->search_next = now;
	g->search_ends = now + RETRY_VERDICT_MS;
	g->candidates = 0;
	g->todo = 0;
	g->job_old = g->job != JOB_NONE;
	igd_free(r);
	r->services_changed |= svc->state != SERVICE_PROBING;
	svc->state = SERVICE_PROBING;
}

void
igd_search(struct router *r, msec_t now)
{
	const struct url last = r->igd.location;

	if (r->igd.searching)
		return;
	start_search(r, now);
	/* It may serve where it did, and be slow to answer a search. */
	if (last.path[0])
		add_candidate(r, &last);
}

bool
igd_moved(struct router *r, msec_t now)
{
	bool searching = r->igd.searching;

	if (now - r->igd.found_at < MOVED_MS) {
		if (r->igd.moved_at && now - r->igd.moved_at < MOVED_AGAIN_MS)
			return false;
		r->igd.moved_at = now;
		/* The search that found it may be between two rounds. */
		searching = false;
	}
	r->igd.location.path[0] = '\0';
	if (!searching)
		start_search(r, now);
	return true;
}

bool
search_next(struct router *r, msec_t now, struct router_action *ret)
{
	struct igd *g = &r->igd;
	bool unicast = g->search_slot % 2 == 0;
	char host[IGD_HOST_MAX];
	ssize_t len;

	if (!g->searching || g->search_next > now || g->search_rounds >= SEARCH_ROUNDS)
		return false;
	if (unicast)
		igd_host(r, SSDP_PORT, host);
	else
		snprintf(host, sizeof(host), "%s",
		    r->settings.local.family == ADDR_IPV6 ? "[ff02::c]:1900"
							  : "239.255.255.250:1900");
	if (g->search_slot == 0)
		step_sent(r, igd_service_of(r), NULL, "M-SEARCH", g->search_rounds + 1);
	len = ssdp_encode_search(r->out.text, sizeof(r->out.text), host,
	    ssdp_target(g->search_slot / 2), SEARCH_MX_S);
	g->search_slot++;
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

msec_t
search_deadline(const struct router *r)
{
	const struct igd *g = &r->igd;

	if (!g->searching)
		return MSEC_NEVER;
	return g->search_rounds < SEARCH_ROUNDS ? MIN(g->search_next, g->search_ends)
						: g->search_ends;
}

/* ---- answers and announcements ---- */

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
	if (igd_service_of(r) == ROUTER_PINHOLE && from->family == ADDR_IPV6)
		return true;
	return addr_parse(location->host, &named) == 0 &&
	       addr_equal(&named, &r->settings.gateway);
}

/* The BOOTID changed (01-NLS in UDA 1.0). */
static bool
rebooted(struct igd *g, const struct ssdp_message *msg)
{
	bool differs = msg->has_bootid && g->has_bootid && msg->bootid != g->bootid;

	if (msg->has_bootid) {
		g->has_bootid = true;
		g->bootid = msg->bootid;
	}
	return differs;
}

static void
announced(struct router *r, const struct ssdp_message *msg, msec_t now)
{
	const struct service *svc = &r->service[igd_service_of(r)];
	bool bye = msg->kind == SSDP_BYEBYE;
	/* Each of its services says goodbye and hallo; UDA 1.0 has no more than that.
	 */
	bool restarted = rebooted(&r->igd, msg) || bye != r->igd.bye;

	r->igd.bye = bye;
	if (restarted)
		router_hint(r, now);
	else if (!bye && (svc->state == SERVICE_ABSENT || svc->circuit == CIRCUIT_OPEN))
		hint_take(r, HINT_LOOK, now);
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
		rebooted(&r->igd, &msg);
		add_candidate(r, &msg.location);
	} else if (addr_equal(from, &r->settings.gateway)) {
		announced(r, &msg, now);
	}
}
