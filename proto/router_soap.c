/*
 * router_soap.c - leases as SOAP dialogues: what is asked, and what the answers mean.
 *
 * IGD grants what was asked or says why not; the ways out (another lifetime, another
 * port, the same port, another action) are tried here before the lease hears a refusal.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "proto/router_private.h"

#define RUNGS 4
#define PINHOLE_LIFETIME_MAX_S 86400

/* Quirk 19: 7200 -> 3600 -> 0 -> 604800, from what was wanted. */
static uint32_t
rung_lifetime(const struct lease *l, unsigned rung)
{
	static const uint32_t ladder[RUNGS] = { 7200, 3600, 0, 604800 };

	return rung == 0   ? l->want.lifetime_s
	       : rung == 1 ? MIN(l->want.lifetime_s, ladder[1])
			   : ladder[rung];
}

/* Text of the arguments, alive until the request is encoded. */
struct texts {
	char external_port[8], internal_port[8], lifetime[16], client[ADDR_TEXT_MAX],
	    protocol[8], id[16];
};

static void
fill_args(const struct lease *l, struct texts *t, struct igd_args *args)
{
	const struct leg *leg = &l->leg[l->leg_now];
	bool asking = l->op == OP_ASK || l->op == OP_OWNER;
	bool pinhole = l->service == ROUTER_PINHOLE;
	struct addr client = l->want.internal;
	uint32_t lifetime_s = rung_lifetime(l, l->router->habits.lease_rung);

	if (pinhole)
		lifetime_s = MIN(l->want.lifetime_s, PINHOLE_LIFETIME_MAX_S);
	client.scope = 0;
	snprintf(t->external_port, sizeof(t->external_port), "%u",
	    asking ? l->external_port : leg->external_port);
	snprintf(t->internal_port, sizeof(t->internal_port), "%u",
	    asking ? l->internal_port : leg->internal_port);
	snprintf(t->lifetime, sizeof(t->lifetime), "%" PRIu32, lifetime_s);
	snprintf(t->id, sizeof(t->id), "%" PRIu32, leg->pinhole_id);
	snprintf(t->protocol, sizeof(t->protocol), "%u", transport_number(l->leg_now));
	addr_format(&client, t->client);
	*args = (struct igd_args) { .value = {
					[IGD_ARG_REMOTE_HOST] = "",
					[IGD_ARG_REMOTE_PORT] = "0",
					[IGD_ARG_EXTERNAL_PORT] = t->external_port,
					[IGD_ARG_INTERNAL_PORT] = t->internal_port,
					[IGD_ARG_INTERNAL_CLIENT] = t->client,
					/* Quirk 17: upper case. */
					[IGD_ARG_PROTOCOL] =
					    pinhole                       ? t->protocol
					    : l->leg_now == TRANSPORT_TCP ? "TCP"
									  : "UDP",
					[IGD_ARG_ENABLED] = "1",
					[IGD_ARG_DESCRIPTION] = l->want.description,
					[IGD_ARG_LEASE_DURATION] = t->lifetime,
					[IGD_ARG_LEASE_TIME] = t->lifetime,
					[IGD_ARG_UNIQUE_ID] = t->id,
				    } };
}

static enum igd_action
ask_action(const struct router *r, const struct lease *l)
{
	const struct igd_service *s = &r->igd.desc.service[r->igd.wan];

	/* A renewal and an insisted-on number name the port; a new one may let the
	 * router choose. */
	if (l->leg[l->leg_now].held || l->want.prefer_failure || r->habits.no_add_any ||
	    !igd_action_offered(IGD_ADD_ANY_PORT_MAPPING, s->kind, s->version))
		return IGD_ADD_PORT_MAPPING;
	return IGD_ADD_ANY_PORT_MAPPING;
}

static enum igd_action
lease_action(const struct router *r, const struct lease *l)
{
	bool pinhole = l->service == ROUTER_PINHOLE;

	switch (l->op) {
	case OP_NONE:
		break;
	case OP_ASK:
		if (!pinhole)
			return ask_action(r, l);
		return l->leg[l->leg_now].held ? IGD_UPDATE_PINHOLE : IGD_ADD_PINHOLE;
	case OP_DELETE:
		return pinhole ? IGD_DELETE_PINHOLE : IGD_DELETE_PORT_MAPPING;
	case OP_VERIFY:
	case OP_OWNER:
		return pinhole ? IGD_CHECK_PINHOLE_WORKING
			       : IGD_GET_SPECIFIC_PORT_MAPPING_ENTRY;
	}
	return IGD_GET_STATUS_INFO;
}

bool
soap_next(struct router *r, struct lease *l, msec_t now, struct router_action *ret)
{
	int service = l->service == ROUTER_PINHOLE ? r->igd.pinhole : r->igd.wan;
	struct igd_args args;
	struct texts texts;

	if (service < 0)
		return false;
	fill_args(l, &texts, &args);
	if (igd_send_soap(r, JOB_LEASE, service, lease_action(r, l), &args, now, ret))
		return true;
	lease_refused(l, 402, verdict_find(VERDICT_UPNP, 402), 0, now);
	return false;
}

/* The same question again, worded differently. */
static void
ask_again(struct lease *l)
{
	lease_begin(l, OP_ASK, l->leg_now);
}

/* The number is taken: another one, unless this very number is wanted. */
static void
port_taken(struct lease *l, msec_t now)
{
	lease_refused(l, 718, verdict_find(VERDICT_UPNP, 718), 0, now);
}

static void
next_rung(struct router *r, struct lease *l, const struct igd_answer *ans, msec_t now)
{
	if (++l->rungs < RUNGS && l->service == ROUTER_IGD) {
		r->habits.lease_rung = (uint8_t)((r->habits.lease_rung + 1) % RUNGS);
		ask_again(l);
		return;
	}
	/* All rungs failed: the code means what it says. */
	r->habits.lease_rung = (uint8_t)((r->habits.lease_rung + 1) % RUNGS);
	l->rungs = 0;
	lease_refused(l, ans->error, verdict_find(VERDICT_UPNP, ans->error), 0, now);
}

static void
ask_refused(struct router *r, struct lease *l, const struct igd_answer *ans, msec_t now)
{
	const struct verdict *v = verdict_find(VERDICT_UPNP, ans->error);
	bool any = r->igd.job_action == IGD_ADD_ANY_PORT_MAPPING;

	service_answered(r, l->service, now);
	if (any && (v->remedy == REMEDY_NEXT_METHOD || v->remedy == REMEDY_GIVE_UP)) {
		r->habits.no_add_any = true;
		ask_again(l);
	} else if (v->remedy == REMEDY_NEXT_LEASE) {
		next_rung(r, l, ans, now);
	} else if (v->remedy == REMEDY_SAME_PORT &&
		   l->external_port != l->internal_port && !l->want.prefer_failure) {
		r->habits.same_port = true;
		l->external_port = l->internal_port;
		ask_again(l);
	} else if (ans->error == 718 && !any) {
		/* Perhaps it is our own entry of an earlier life (quirk 22). */
		lease_begin(l, OP_OWNER, l->leg_now);
	} else if (v->remedy == REMEDY_GONE && l->is_held) {
		lease_lost(l, now); /* UpdatePinhole of what is not there */
	} else {
		if (v->remedy == REMEDY_WAIT_WAN)
			igd_poll(r, now);
		lease_refused(l, ans->error, v, 0, now);
	}
}

static void
ask_granted(struct router *r, struct lease *l, const struct igd_answer *ans, msec_t now)
{
	uint16_t external_port = l->external_port;
	uint64_t value = 0;

	l->rungs = 0;
	if (l->service == ROUTER_PINHOLE) {
		uint32_t id = l->leg[l->leg_now].pinhole_id;

		if (r->igd.job_action == IGD_ADD_PINHOLE) {
			if (igd_answer_uint(
				ans, IGD_ARG_UNIQUE_ID, UINT16_MAX, &value) < 0) {
				lease_silence(l, "BAD_ANSWER", now);
				return;
			}
			id = (uint32_t)value;
		}
		lease_granted(l, l->internal_port, l->internal_port,
		    MIN(l->want.lifetime_s, PINHOLE_LIFETIME_MAX_S), id, now);
		return;
	}
	if (r->igd.job_action == IGD_ADD_ANY_PORT_MAPPING &&
	    igd_answer_uint(ans, IGD_ARG_RESERVED_PORT, UINT16_MAX, &value) == 0 &&
	    value)
		external_port = (uint16_t)value;
	lease_granted(l, l->internal_port, external_port,
	    rung_lifetime(l, r->habits.lease_rung), 0, now);
}

/* Whether the entry that was read leads to our own endpoint. */
static bool
entry_is_ours(
    const struct lease *l, const struct igd_answer *ans, uint16_t internal_port)
{
	struct addr client, ours = l->want.internal;
	uint64_t port;

	ours.scope = 0;
	return igd_answer_addr(ans, IGD_ARG_INTERNAL_CLIENT, &client) == 0 &&
	       addr_equal(&client, &ours) &&
	       igd_answer_uint(ans, IGD_ARG_INTERNAL_PORT, UINT16_MAX, &port) == 0 &&
	       port == internal_port;
}

/* Who holds the port that was refused: our own stale entry is replaced, any other
 * host's is left alone. */
static void
owner_answered(struct lease *l, const struct igd_answer *ans, msec_t now)
{
	if (ans->error || !entry_is_ours(l, ans, l->internal_port) ||
	    l->port_tries++ >= PORT_TRIES_MAX) {
		port_taken(l, now);
		return;
	}
	l->leg[l->leg_now] = (struct leg) { .held = true,
		.internal_port = l->internal_port,
		.external_port = l->external_port };
	l->drop |= 1u << l->leg_now;
	lease_begin(l, OP_DELETE, l->leg_now);
}

/* It vanished: made again once, then the router is named. */
static void
vanished(struct lease *l, msec_t now)
{
	static const struct verdict drops = { 0, "VANISHED", REMEDY_RETRY_SLOW,
		"the router says yes and forgets: its table may be full" };

	if (!l->healed) {
		l->healed = true;
		lease_lost(l, now);
		return;
	}
	l->healed = false;
	l->op = OP_ASK;
	memset(l->leg, 0, sizeof(l->leg));
	l->is_held = false;
	lease_refused(l, 0, &drops, 0, now);
}

static void
verify_answered(struct lease *l, const struct igd_answer *ans, msec_t now)
{
	const struct verdict *v = verdict_find(VERDICT_UPNP, ans->error);
	const struct leg *leg = &l->leg[l->leg_now];
	bool more = l->leg_now == TRANSPORT_UDP && l->leg[TRANSPORT_TCP].held;

	service_answered(l->router, l->service, now);
	if (ans->error && v->remedy == REMEDY_GONE) {
		vanished(l, now);
		return;
	}
	if (ans->error == 0 && l->service == ROUTER_IGD &&
	    !entry_is_ours(l, ans, leg->internal_port)) {
		/* Another host has it now: asking again will find another number. */
		lease_lost(l, now);
		return;
	}
	if (ans->error)
		l->verify_at = MSEC_NEVER; /* it cannot be asked */
	lease_end_exchange(l);
	if (more)
		lease_begin(l, OP_VERIFY, TRANSPORT_TCP);
	else
		l->healed = false;
}

static void
soap_failed(struct router *r, struct lease *l, int error, msec_t now)
{
	/* Quirk 25: some close the connection on AddAnyPortMapping. */
	if (l->op == OP_ASK && r->igd.job_action == IGD_ADD_ANY_PORT_MAPPING &&
	    error != -ECONNREFUSED && error != -ETIMEDOUT) {
		r->habits.no_add_any = true;
		ask_again(l);
		return;
	}
	if (l->op == OP_VERIFY && error != -ECONNREFUSED) {
		lease_end_exchange(l);
		service_silent(r, l->service, now);
		return;
	}
	if (error == -ECONNREFUSED && l->op != OP_DELETE) {
		/* Quirk 6: the port moved at a restart; then the table may be gone,
		 * too. */
		igd_moved(r, now);
		lease_wait(l, now);
		return;
	}
	lease_silence(l,
	    error == -ECONNREFUSED ? "CONNECTION_REFUSED"
	    : error == -ETIMEDOUT  ? "TIMEOUT"
				   : "BAD_ANSWER",
	    now);
}

void
soap_answer(struct router *r, struct lease *l, int error,
    const struct http_response *response, msec_t now)
{
	struct igd_answer ans;
	const char *body;
	size_t len;

	if (error == 0) {
		body = http_response_body(response, &len);
		error = igd_soap_decode(
		    r->igd.job_action, http_response_status(response), body, len, &ans);
	}
	if (error < 0) {
		soap_failed(r, l, error, now);
		return;
	}
	switch (l->op) {
	case OP_NONE:
		break;
	case OP_ASK:
		if (ans.error)
			ask_refused(r, l, &ans, now);
		else
			ask_granted(r, l, &ans, now);
		break;
	case OP_DELETE:
		if (ans.error) {
			lease_refused(l, ans.error,
			    verdict_find(VERDICT_UPNP, ans.error), 0, now);
		} else {
			service_answered(r, l->service, now);
			lease_deleted(l, now);
		}
		break;
	case OP_VERIFY:
		verify_answered(l, &ans, now);
		break;
	case OP_OWNER:
		owner_answered(l, &ans, now);
		break;
	}
}
