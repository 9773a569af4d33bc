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
#include <strings.h>

#include "proto/router_private.h"

#define RUNGS 4
#define PINHOLE_LIFETIME_MAX_S 86400
/* Of one that is asked for only to be deleted. */
#define PINHOLE_LIFETIME_SHORT_S 120
/* A router that cannot be asked what it has, or cannot now. */
#define READ_AGAIN_MS (INT64_C(3600) * MSEC_PER_SEC)
/* Rounding of the router, and the way of its answer. */
#define FORMER_SLACK_MS (2 * MSEC_PER_SEC)

/* Quirk 19: 7200 -> 3600 -> 0 -> 604800, from what was wanted. */
static uint32_t
rung_lifetime(const struct lease *l, unsigned rung)
{
	static const uint32_t ladder[RUNGS] = { 7200, 3600, 0, 604800 };

	return rung == 0   ? l->want.lifetime_s
	       : rung == 1 ? MIN(l->want.lifetime_s, ladder[1])
			   : ladder[rung];
}

static uint32_t
pinhole_lifetime(const struct lease *l)
{
	return MIN(l->want.lifetime_s, l->phase == LEASE_RELEASING
					   ? PINHOLE_LIFETIME_SHORT_S
					   : PINHOLE_LIFETIME_MAX_S);
}

uint32_t
soap_lifetime(const struct lease *l)
{
	return l->service == ROUTER_PINHOLE
		   ? pinhole_lifetime(l)
		   : rung_lifetime(l, l->router->habits.lease_rung);
}

/* The numbers of one service mean other things to the other. */
static const struct verdict *
verdict_of(const struct lease *l, int code)
{
	return verdict_find(
	    l->service == ROUTER_PINHOLE ? VERDICT_UPNP_FIREWALL : VERDICT_UPNP_WAN,
	    code);
}

/* ---- exchanges ---- */

bool
soap_send(struct router *r, enum igd_job job, int service, enum igd_action a,
    const struct igd_args *args, msec_t now, struct router_action *ret)
{
	struct igd *g = &r->igd;
	const struct igd_service *s = &g->desc->service[service];
	char host[IGD_HOST_MAX];
	ssize_t len;

	igd_host(r, s->control.port, host);
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

int
soap_read(const struct router *r, int error, const struct http_response *response,
    struct igd_answer *ret)
{
	const char *body;
	size_t len;
	int status;

	if (error < 0)
		return error == -ECONNREFUSED ? -ENOENT : error;
	status = http_response_status(response);
	body = http_response_body(response, &len);
	error = igd_soap_decode(r->igd.job_action, status, body, len, ret);
	/* A restart may move the path instead of the port. */
	return error < 0 && status == 404 ? -ENOENT : error;
}

/* ---- requests ---- */

/* Text of the arguments, alive until the request is encoded. */
struct texts {
	char external_port[8], internal_port[8], lifetime[16], client[ADDR_TEXT_MAX],
	    protocol[8], id[16], index[16];
};

static void
fill_args(const struct lease *l, struct texts *t, struct igd_args *args)
{
	const struct leg *leg = &l->leg[l->leg_now];
	bool asking = l->op == OP_ASK;
	uint16_t external_port = asking             ? l->external_port
				 : l->op == OP_SAME ? leg->internal_port
						    : leg->external_port;
	bool pinhole = l->service == ROUTER_PINHOLE;
	struct addr client = l->want.internal;

	client.scope = 0;
	snprintf(t->external_port, sizeof(t->external_port), "%u", external_port);
	snprintf(t->internal_port, sizeof(t->internal_port), "%u",
	    asking ? l->internal_port : leg->internal_port);
	snprintf(t->lifetime, sizeof(t->lifetime), "%" PRIu32, soap_lifetime(l));
	snprintf(t->index, sizeof(t->index), "%u", l->index);
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
					[IGD_ARG_INDEX] = t->index,
				    } };
}

static enum igd_action
ask_action(const struct router *r, const struct lease *l)
{
	const struct igd_service *s = &r->igd.desc->service[r->igd.wan];

	/* A renewal and an insisted-on number name the port; a new one may let the
	 * router choose, except that it would not give us what it keeps for our former
	 * address. */
	bool regain =
	    l->want.former.family != ADDR_NONE && !(l->replaced & 1u << l->leg_now);

	if (l->leg[l->leg_now].held || l->want.prefer_failure || r->habits.no_add_any ||
	    regain ||
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
	case OP_SAME:
		return pinhole ? IGD_CHECK_PINHOLE_WORKING
			       : IGD_GET_SPECIFIC_PORT_MAPPING_ENTRY;
	case OP_SEARCH:
		return IGD_GET_GENERIC_PORT_MAPPING_ENTRY;
	}
	return IGD_GET_STATUS_INFO;
}

bool
soap_next(struct router *r, struct lease *l, msec_t now, struct router_action *ret)
{
	int service = l->service == ROUTER_PINHOLE ? r->igd.pinhole : r->igd.wan;
	struct igd_args args;
	struct texts texts;

	fill_args(l, &texts, &args);
	if (soap_send(r, JOB_LEASE, service, lease_action(r, l), &args, now, ret)) {
		l->started = true;
		l->sent_at = now;
		r->igd.job_lease = l;
		ret->lease = l;
		ret->owner = l->owner;
		ret->asks = l->op == OP_ASK && r->igd.job_action != IGD_UPDATE_PINHOLE;
		step_sent(r, l->service, l, igd_action_name(r->igd.job_action), 1);
		return true;
	}
	lease_refused(l, 402, verdict_of(l, 402), 0, now);
	return false;
}

/* ---- answers to what was asked ---- */

/* The next lifetime of the ladder, after 725 OnlyPermanentLeasesSupported at once the
 * permanent one; false: back at the one that was remembered. */
static bool
next_rung(struct router *r, struct lease *l, int code)
{
	uint32_t was = rung_lifetime(l, r->habits.lease_rung);
	bool permanent = code == 725 && was != 0;

	while (l->rungs < RUNGS) {
		l->rungs++;
		r->habits.lease_rung = (uint8_t)((r->habits.lease_rung + 1) % RUNGS);
		uint32_t next = rung_lifetime(l, r->habits.lease_rung);

		if (permanent ? next == 0 : next != was)
			break;
	}
	return l->rungs < RUNGS;
}

/* Whether the refusal has a way out that asks the same transport again. */
static bool
ask_otherwise(struct router *r, struct lease *l, int code, enum remedy remedy)
{
	if (r->igd.job_action == IGD_ADD_ANY_PORT_MAPPING &&
	    (remedy == REMEDY_NEXT_METHOD || remedy == REMEDY_GIVE_UP)) {
		r->habits.no_add_any = true;
		return true;
	}
	if (remedy == REMEDY_NEXT_LEASE && l->service == ROUTER_IGD)
		return next_rung(r, l, code);
	if (code == 724 && l->external_port != l->internal_port) {
		r->habits.same_port = true;
		l->external_port = l->internal_port;
		return !l->want.prefer_failure;
	}
	return false;
}

/* Ids begin anew when a router restarts: then ours may be another host's, which says
 * nothing about what we want. */
static bool
id_is_anothers(const struct lease *l, int error)
{
	return l->service == ROUTER_PINHOLE && error == 606 && l->leg[l->leg_now].held;
}

static void
ask_refused(struct router *r, struct lease *l, const struct igd_answer *ans, msec_t now)
{
	const struct verdict *v = verdict_of(l, ans->error);

	if (l->phase == LEASE_RELEASING) {
		lease_refused(l, ans->error, v, 0, now);
	} else if (ask_otherwise(r, l, ans->error, v->remedy)) {
		service_alive(r, l->service, now);
		lease_advance(l, now);
	} else if (ans->error == 718) {
		service_alive(r, l->service, now);
		lease_taken(l, now);
	} else if (ans->error == 728 && !l->is_held && !l->port_tries &&
		   choose_other_ports(l)) {
		/* Some say "full" of a number that they do not open to anybody: one
		 * other is tried before that is believed. */
		service_alive(r, l->service, now);
		lease_renumber(l, now);
	} else if ((v->remedy == REMEDY_GONE && l->leg[l->leg_now].held) ||
		   id_is_anothers(l, ans->error)) {
		service_alive(r, l->service, now);
		lease_remake_leg(l, now); /* UpdatePinhole of what is not there */
	} else {
		if (v->remedy == REMEDY_WAIT_WAN)
			igd_poll(r);
		lease_refused(l, ans->error, v, 0, now);
	}
}

static void
pinhole_granted(
    struct router *r, struct lease *l, const struct igd_answer *ans, msec_t now)
{
	uint64_t id = l->leg[l->leg_now].pinhole_id;

	if (r->igd.job_action == IGD_ADD_PINHOLE &&
	    igd_answer_uint(ans, IGD_ARG_UNIQUE_ID, UINT16_MAX, &id) < 0)
		lease_silence(l, "BAD_ANSWER", now);
	else
		lease_granted(l, l->internal_port, l->internal_port,
		    pinhole_lifetime(l), (uint32_t)id, now);
}

static void
ask_granted(struct router *r, struct lease *l, const struct igd_answer *ans, msec_t now)
{
	uint16_t external_port = l->external_port;
	uint64_t value;

	if (l->service == ROUTER_PINHOLE) {
		pinhole_granted(r, l, ans, now);
		return;
	}
	l->rungs = 0;
	if (r->igd.job_action == IGD_ADD_ANY_PORT_MAPPING &&
	    igd_answer_uint(ans, IGD_ARG_RESERVED_PORT, UINT16_MAX, &value) == 0 &&
	    value)
		external_port = (uint16_t)value;
	lease_granted(l, l->internal_port, external_port,
	    rung_lifetime(l, r->habits.lease_rung), 0, now);
}

/* ---- answers to what was read back ---- */

/* Whether the entry that was read leads to our port at that address. */
static bool
entry_leads_to(const struct lease *l, const struct igd_answer *ans, struct addr ours)
{
	struct addr client;
	uint64_t port;

	ours.scope = 0;
	return ans->error == 0 &&
	       igd_answer_addr(ans, IGD_ARG_INTERNAL_CLIENT, &client) == 0 &&
	       addr_equal(&client, &ours) &&
	       igd_answer_uint(ans, IGD_ARG_INTERNAL_PORT, UINT16_MAX, &port) == 0 &&
	       port == l->leg[l->leg_now].internal_port;
}

static bool
entry_is_ours(const struct lease *l, const struct igd_answer *ans)
{
	return entry_leads_to(l, ans, l->want.internal);
}

/*
 * What we left at our former address (DHCP renumbered this host).  If another host
 * lives there by now and asked for that number, it did so after us: its entry lasts
 * longer, or says something else.  Where the router does not tell, it is left alone.
 */
static bool
entry_was_ours(const struct lease *l, const struct igd_answer *ans, msec_t now)
{
	uint64_t left_s;

	return l->want.former.family != ADDR_NONE &&
	       entry_leads_to(l, ans, l->want.former) &&
	       strcmp(ans->value[IGD_ARG_DESCRIPTION], l->want.description) == 0 &&
	       igd_answer_uint(ans, IGD_ARG_LEASE_DURATION, UINT32_MAX, &left_s) == 0 &&
	       left_s > 0 &&
	       now + (msec_t)left_s * MSEC_PER_SEC <=
		   l->want.former_ends + FORMER_SLACK_MS;
}

/* Another host's: who that is, for people. */
static void
note_holder(struct lease *l, const struct igd_answer *ans)
{
	struct addr client;

	if (ans->error == 0 && !entry_is_ours(l, ans) &&
	    igd_answer_addr(ans, IGD_ARG_INTERNAL_CLIENT, &client) == 0)
		l->holder = client;
}

static bool
says_gone(const struct lease *l, const struct igd_answer *ans)
{
	return verdict_of(l, ans->error)->remedy == REMEDY_GONE;
}

/* Our own stale entry is replaced or deleted, any other host's is left alone. */
static void
owner_answered(struct lease *l, const struct igd_answer *ans, msec_t now)
{
	bool known = ans->error == 0 || says_gone(l, ans);
	/* To a question that it cannot answer it says the same each time: a yes is
	 * believed. */
	bool believed = !known && !l->leg[l->leg_now].unsure;

	if (believed || entry_is_ours(l, ans) || entry_was_ours(l, ans, now)) {
		lease_owned(l, now);
		return;
	}
	note_holder(l, ans);
	if (known && lease_begin_search(l))
		return;
	if (known && lease_perhaps_moved(l, l->leg_now)) {
		lease_begin(l, OP_SAME, l->leg_now);
		return;
	}
	l->confirmed &= known;
	lease_not_owned(l, says_gone(l, ans), now);
}

/* Of the same client and port inside there may be an entry of another program. */
static void
search_answered(struct lease *l, const struct igd_answer *ans, msec_t now)
{
	const char *protocol = l->leg_now == TRANSPORT_TCP ? "TCP" : "UDP";
	uint64_t port;

	if (ans->error) {
		l->confirmed &= says_gone(l, ans);
		lease_not_owned(l, true, now);
	} else if (entry_is_ours(l, ans) &&
		   strcasecmp(ans->value[IGD_ARG_PROTOCOL], protocol) == 0 &&
		   strcmp(ans->value[IGD_ARG_DESCRIPTION], l->want.description) == 0 &&
		   igd_answer_uint(ans, IGD_ARG_EXTERNAL_PORT, UINT16_MAX, &port) ==
		       0) {
		lease_found(l, (uint16_t)port, now);
	} else {
		lease_not_found(l, now);
	}
}

/* Not implemented, or not for us; anything else may be another answer next time. */
static bool
cannot_be_asked(const struct lease *l, const struct igd_answer *ans)
{
	enum remedy remedy = verdict_of(l, ans->error)->remedy;

	return remedy == REMEDY_NEXT_METHOD || remedy == REMEDY_GIVE_UP ||
	       remedy == REMEDY_RETRY_HOURLY;
}

static void
verify_answered(struct lease *l, const struct igd_answer *ans, msec_t now)
{
	const struct leg *leg = &l->leg[l->leg_now];
	bool pinhole = l->service == ROUTER_PINHOLE;
	uint64_t left_s = 0;

	l->holder = (struct addr) { 0 };
	if (says_gone(l, ans)) {
		if (!pinhole && leg->external_port != leg->internal_port)
			lease_begin(l, OP_SAME, l->leg_now);
		else
			lease_vanished(l, now);
	} else if (ans->error) {
		lease_end_exchange(l);
		if (cannot_be_asked(l, ans))
			l->verify_at = now + READ_AGAIN_MS;
		if (id_is_anothers(l, ans->error) && !l->check_denied) {
			/* Or nobody may check: renewing shows which. */
			l->check_denied = true;
			l->at = now;
			l->quiet = true;
		}
	} else if (pinhole || entry_is_ours(l, ans)) {
		igd_answer_uint(ans, IGD_ARG_LEASE_DURATION, UINT32_MAX, &left_s);
		l->check_denied = false;
		lease_verified(l, (uint32_t)left_s, now);
	} else {
		/* Another host has it now, or had it all the time. */
		note_holder(l, ans);
		if (lease_perhaps_moved(l, l->leg_now))
			lease_begin(l, OP_SAME, l->leg_now);
		else
			lease_not_owned(l, false, now);
	}
}

static void
same_answered(struct lease *l, const struct igd_answer *ans, msec_t now)
{
	bool known = ans->error == 0 || says_gone(l, ans);

	if (entry_is_ours(l, ans)) {
		lease_moved(l, now);
	} else if (l->drop) {
		l->confirmed &= known;
		lease_not_owned(l, true, now);
	} else if (l->holder.family != ADDR_NONE) {
		lease_not_owned(l, false, now);
	} else {
		lease_vanished(l, now);
	}
}

/* ---- answers ---- */

/* Says nothing of the router: the same is asked again, at the pace of all SOAP. */
static bool
is_our_own(int error)
{
	return error == -ENOMEM || error == -EMFILE || error == -ENFILE ||
	       error == -ENOBUFS;
}

static void
soap_failed(struct router *r, struct lease *l, int error, msec_t now)
{
	/* Until it is asked again nothing else would tell. */
	if (l->op == OP_ASK && error != -ENOENT)
		lease_maybe_held(l);
	if (is_our_own(error) && !(l->op == OP_ASK && l->phase == LEASE_RELEASING)) {
		lease_begin(l, l->op, l->leg_now);
	} else if (l->op == OP_ASK && r->igd.job_action == IGD_ADD_ANY_PORT_MAPPING &&
		   error != -ENOENT && error != -ETIMEDOUT &&
		   l->phase != LEASE_RELEASING) {
		/* Quirk 25: some close the connection on AddAnyPortMapping. */
		r->habits.no_add_any = true;
		lease_advance(l, now);
	} else if (error == -ENOENT && igd_moved(r, now)) {
		/* Quirk 6: the port moved at a restart.  Back in line, until it is
		 * found or given up. */
		lease_begin(l, l->op, l->leg_now);
	} else {
		lease_silence(l,
		    error == -ENOENT      ? "CONNECTION_REFUSED"
		    : error == -ETIMEDOUT ? "TIMEOUT"
					  : "BAD_ANSWER",
		    now);
	}
}

void
soap_answer(struct router *r, struct lease *l, int error,
    const struct http_response *response, msec_t now)
{
	struct igd_answer ans;

	error = soap_read(r, error, response, &ans);
	if (error < 0) {
		soap_failed(r, l, error, now);
		return;
	}
	l->started = false; /* what follows may begin the next exchange */
	switch (l->op) {
	case OP_NONE:
		break;
	case OP_ASK:
		if (ans.error)
			ask_refused(r, l, &ans, now);
		else
			ask_granted(r, l, &ans, now);
		return;
	case OP_DELETE:
		if (ans.error) {
			lease_refused(l, ans.error, verdict_of(l, ans.error), 0, now);
			return;
		}
		step_found(r, l->service, l, now);
		lease_deleted(l, now);
		break;
	case OP_VERIFY:
		verify_answered(l, &ans, now);
		break;
	case OP_OWNER:
		owner_answered(l, &ans, now);
		break;
	case OP_SAME:
		same_answered(l, &ans, now);
		break;
	case OP_SEARCH:
		search_answered(l, &ans, now);
		break;
	}
	service_alive(r, l->service, now);
}
