/*
 * request.c - RequestMapping and ReleaseMapping: calls that wait for a router.
 *
 * A call waits for the first verdict of its mapping or for its own deadline.  Without
 * "more" it is then over; with "more" it stays and hears of every change.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/api_private.h"
#include "daemon/log.h"
#include "daemon/sock.h"
#include "proto/json.h"

#define TIMEOUT_DEFAULT_US INT64_C(3000000)
#define TIMEOUT_MAX_US INT64_C(40000000) /* clients give up at 45 s */
#define LIFETIME_MAX_S (INT64_C(365) * 86400)
/* Room to compute the answer before the caller's deadline. */
#define ANSWER_EARLY_MS 5
#define AGAIN_MS 100

enum request_param {
	P_PROTOCOLS,
	P_INTERNAL_PORT,
	P_INTERNAL_ADDRESS,
	P_FAMILY,
	P_INTERFACE,
	P_GATEWAY,
	P_EXTERNAL_PORT,
	P_PREFER_FAILURE,
	P_LIFETIME,
	P_PERSISTENCE,
	P_DESCRIPTION,
	P_METHODS,
	P_TIMEOUT,
};

const struct varlink_param request_params[] = {
	[P_PROTOCOLS] = { .name = "protocols",
	    .type = VARLINK_ENUMS,
	    .required = true,
	    .values = api_transport_values },
	[P_INTERNAL_PORT] = { .name = "internalPort",
	    .type = VARLINK_INT,
	    .min = 1,
	    .max = UINT16_MAX },
	[P_INTERNAL_ADDRESS] = { .name = "internalAddress",
	    .type = VARLINK_STRING,
	    .max = ADDR_TEXT_MAX - 1 },
	[P_FAMILY] = { .name = "family",
	    .type = VARLINK_ENUM,
	    .values = api_family_values },
	[P_INTERFACE] = { .name = "interface",
	    .type = VARLINK_STRING,
	    .max = IF_NAMESIZE - 1 },
	[P_GATEWAY] = { .name = "gateway",
	    .type = VARLINK_STRING,
	    .max = ADDR_TEXT_MAX - 1 },
	[P_EXTERNAL_PORT] = { .name = "suggestedExternalPort",
	    .type = VARLINK_INT,
	    .min = 1,
	    .max = UINT16_MAX },
	[P_PREFER_FAILURE] = { .name = "preferFailure", .type = VARLINK_BOOL },
	[P_LIFETIME] = { .name = "lifetimeSeconds",
	    .type = VARLINK_INT,
	    .min = 1,
	    .max = LIFETIME_MAX_S },
	[P_PERSISTENCE] = { .name = "persistence",
	    .type = VARLINK_ENUM,
	    .values = api_persistence_values },
	[P_DESCRIPTION] = { .name = "description",
	    .type = VARLINK_STRING,
	    .max = MAPPING_DESCRIPTION_MAX - 1 },
	[P_METHODS] = { .name = "methods",
	    .type = VARLINK_ENUMS,
	    .values = api_method_values },
	[P_TIMEOUT] = { .name = "timeoutUSec",
	    .type = VARLINK_INT,
	    .min = 0,
	    .max = INT64_MAX },
	{ .name = NULL },
};

/* A call that waits for or follows a mapping. */
struct waiter {
	struct mapping_watcher watcher;
	struct api *api;
	struct varlink_call *call;
	struct mapping *mapping; /* NULL: it was removed */
	struct api_viewer viewer;
	struct timer timer;
	msec_t asked_at;
	bool more, answered;
	bool holds;         /* the connection keeps the mapping alive */
	bool stale;         /* news that did not fit into the queue */
	bool one_shot_wish; /* a failure ends the wish, too */
	bool renews;        /* asked for another lifetime: the renewal is the verdict */
	unsigned renewals;  /* before that */
};

static void
waiter_free(struct waiter *w)
{
	struct mapping *m = w->mapping;

	timer_done(&w->timer);
	if (m) {
		mapping_unwatch(m, &w->watcher);
		if (w->holds)
			engine_unhold(w->api->engine, m);
	}
	free(w);
}

static void
on_call_end(struct varlink_call *call, void *ctx)
{
	(void)call;
	waiter_free(ctx);
}

/* ---- errors ---- */

static void
fail_no_method(struct waiter *w)
{
	cJSON *o = cJSON_CreateObject();

	json_add_item(o, "tried", api_tried(w->mapping));
	varlink_error(w->call, NATD_ERROR("NoMethodAvailable"), o);
}

static void
fail_port(struct waiter *w, const struct lease_status *st)
{
	cJSON *o = cJSON_CreateObject();

	json_add_int(o, "requestedPort",
	    w->mapping->context.external_port ? w->mapping->context.external_port
					      : w->mapping->context.internal_port);
	if (st->problem.offered_port)
		json_add_int(o, "offeredPort", st->problem.offered_port);
	varlink_error(w->call, NATD_ERROR("ExternalPortUnavailable"), o);
}

static void
add_gateway_and_method(cJSON *o, const struct mapping *m, const struct lease_problem *p)
{
	const struct netmon_uplink *u = gateway_uplink(m->gateway);
	struct addr gateway = gateway_addr(&u->gateway, u->ifindex);
	char text[ADDR_TEXT_MAX];

	json_add_string(o, "gateway", sock_addr_format(&gateway, text));
	json_add_string(o, "method", method_name(p->method));
}

static void
fail_timeout(struct waiter *w, const struct lease_status *st)
{
	cJSON *o = cJSON_CreateObject();

	add_gateway_and_method(o, w->mapping, &st->problem);
	json_add_int(o, "elapsedUSec", (loop_now() - w->asked_at) * 1000);
	varlink_error(w->call, NATD_ERROR("GatewayTimeout"), o);
}

static void
fail_refused(struct waiter *w, const struct lease_status *st)
{
	cJSON *o = cJSON_CreateObject();

	add_gateway_and_method(o, w->mapping, &st->problem);
	json_add_int(o, "resultCode", st->problem.code);
	json_add_string(o, "resultName", st->problem.name);
	if (st->problem.hint)
		json_add_string(o, "hint", st->problem.hint);
	varlink_error(w->call, NATD_ERROR("GatewayRefused"), o);
}

static void
fail_no_gateway(struct waiter *w)
{
	const struct mapping_context *c = &w->mapping->context;
	enum addr_family family = c->family;
	cJSON *o;

	if (!engine_has_uplink(w->api->engine, ADDR_NONE, "")) {
		varlink_error(w->call, NATD_ERROR("NotOnline"), NULL);
		return;
	}
	o = cJSON_CreateObject();
	if (c->ifname[0])
		json_add_string(o, "interface", c->ifname);
	if (family != ADDR_NONE)
		json_add_string(o, "family", family == ADDR_IPV6 ? "ipv6" : "ipv4");
	varlink_error(w->call, NATD_ERROR("NoGateway"), o);
}

/* Ends the call with the error that says why; its own wish ends with it. */
static void
fail(struct waiter *w, const struct lease_status *st)
{
	struct engine *engine = w->api->engine;
	struct mapping *m = w->mapping;
	const struct lease_problem *p = &st->problem;
	/* What is permanent, or what a connection holds, or what it had before and has
	 * still, is not this call's to end. */
	bool release = w->one_shot_wish && m->holders == 0 && !m->lost.present &&
		       m->context.persistence == PERSISTENCE_LEASE;

	if (!m->gateway)
		fail_no_gateway(w);
	else if (strcmp(p->name, "NO_SERVICE") == 0)
		fail_no_method(w);
	else if (strcmp(p->name, "PORT_TAKEN") == 0 ||
		 (m->context.prefer_failure && p->remedy == REMEDY_OTHER_PORT))
		fail_port(w, st);
	else if (p->code == 0 && p->remedy == REMEDY_RETRY)
		fail_timeout(w, st);
	else
		fail_refused(w, st);
	/* w is gone by now. */
	if (release)
		engine_withdraw(engine, m);
}

/* ---- answers ---- */

static cJSON *
mapping_reply(const struct waiter *w)
{
	cJSON *o = cJSON_CreateObject();

	json_add_item(o, "mapping", api_mapping(w->mapping, &w->viewer));
	return o;
}

/* The first answer, or one more of a call with "more". */
static void
answer(struct waiter *w)
{
	int r;

	w->answered = true;
	timer_clear(&w->timer);
	if (!w->more) {
		varlink_reply(w->call, mapping_reply(w));
		return;
	}
	/* Too slow to hear of each change: the latest counts, once there is room. */
	r = varlink_reply_continues(w->call, mapping_reply(w));
	w->stale = r == -ENOBUFS;
	/* No memory for it. */
	if (r == -EMSGSIZE)
		timer_set(&w->timer, loop_now() + AGAIN_MS);
}

static void
on_drain(struct varlink_call *call, void *ctx)
{
	struct waiter *w = ctx;

	(void)call;
	if (w->stale && w->mapping)
		answer(w);
}

/* Who holds a mapping asks again after a restart, but not when somebody released it. */
static void
tell_removed(struct waiter *w)
{
	cJSON *o = cJSON_CreateObject();

	if (!engine_is_stopping(w->api->engine))
		json_add_string(o, "id", w->mapping->id);
	mapping_unwatch(w->mapping, &w->watcher);
	w->mapping = NULL;
	varlink_error(w->call,
	    engine_is_stopping(w->api->engine) ? NATD_ERROR("ShuttingDown")
					       : NATD_ERROR("NoSuchMapping"),
	    o);
}

/* What the router said before this call is no answer to it. */
static bool
is_verdict(const struct waiter *w, const struct lease_status *st)
{
	if (!st->verdict)
		return false;
	return !w->renews || !st->is_held || st->problem.present ||
	       st->renewals != w->renewals;
}

static void
on_changed(struct mapping_watcher *watcher, bool removed)
{
	struct waiter *w = (struct waiter *)watcher;
	struct lease_status st;

	if (removed) {
		tell_removed(w);
		return;
	}
	mapping_status(w->mapping, &st);
	if (!w->answered && w->mapping->lost.present) {
		st.problem = w->mapping->lost;
		fail(w, &st);
		return;
	}
	if (!w->answered && !is_verdict(w, &st))
		return;
	if (!w->answered && !st.is_held && !w->more && w->one_shot_wish) {
		fail(w, &st);
		return;
	}
	answer(w);
}

static void
on_timeout(void *ctx)
{
	struct waiter *w = ctx;

	if (w->mapping)
		answer(w);
}

/* ---- the request ---- */

static int
read_addr(struct varlink_call *call, const struct varlink_value *v, const char *name,
    bool (*is_usable)(const struct addr *a), struct addr *ret)
{
	if (!v->present || (sock_addr_parse(v->s, ret) == 0 && is_usable(ret)))
		return 0;
	varlink_error_invalid_parameter(call, name);
	return -EINVAL;
}

/* 0, or -EINVAL after having answered the call. */
static int
read_context(struct varlink_call *call, const struct varlink_value *v,
    struct mapping_context *ret)
{
	struct mapping_context c = {
		.router_chooses = !v[P_INTERNAL_PORT].present,
		.internal_port = (uint16_t)v[P_INTERNAL_PORT].i,
		.family = api_family(&v[P_FAMILY]),
		.external_port = (uint16_t)v[P_EXTERNAL_PORT].i,
		.prefer_failure = v[P_PREFER_FAILURE].i,
		.lifetime_s = (uint32_t)v[P_LIFETIME].i,
		.persistence = v[P_PERSISTENCE].present
				   ? (enum persistence)v[P_PERSISTENCE].i
			       : varlink_call_more(call) ? PERSISTENCE_CONNECTION
							 : PERSISTENCE_LEASE,
		.methods_count = v[P_METHODS].count,
	};
	const char *wrong = NULL;

	for (unsigned i = 0; i < v[P_PROTOCOLS].count; i++)
		c.transports |= 1u << v[P_PROTOCOLS].list[i];
	for (unsigned i = 0; i < v[P_METHODS].count; i++)
		c.methods[i] = (enum method)v[P_METHODS].list[i];
	if (v[P_INTERFACE].present)
		snprintf(c.ifname, sizeof(c.ifname), "%s", v[P_INTERFACE].s);
	if (v[P_DESCRIPTION].present)
		snprintf(
		    c.description, sizeof(c.description), "%s", v[P_DESCRIPTION].s);
	if (read_addr(call, &v[P_INTERNAL_ADDRESS], "internalAddress", addr_is_mappable,
		&c.internal) < 0 ||
	    read_addr(call, &v[P_GATEWAY], "gateway", addr_is_host, &c.gateway) < 0)
		return -EINVAL;
	if (c.transports == 0)
		wrong = "protocols";
	else if (v[P_METHODS].present && c.methods_count == 0)
		wrong = "methods";
	else if (c.internal.family != ADDR_NONE && c.family != ADDR_NONE &&
		 c.internal.family != c.family)
		wrong = "family";
	else if ((c.gateway.family != ADDR_NONE && c.internal.family != ADDR_NONE &&
		     c.gateway.family != c.internal.family) ||
		 sock_take_zone(&c.gateway, c.ifname) < 0)
		wrong = "gateway";
	else if (c.persistence == PERSISTENCE_CONNECTION && !varlink_call_more(call))
		wrong = "persistence"; /* it would end with this very call */
	if (wrong) {
		varlink_error_invalid_parameter(call, wrong);
		return -EINVAL;
	}
	*ret = c;
	return 0;
}

/* What only root, natd's own user and the admin group may ask. */
static bool
permitted(const struct varlink_call *call, const struct api *a,
    const struct mapping_context *c)
{
	bool foreign = c->internal.family != ADDR_NONE &&
		       !engine_has_address(a->engine, &c->internal);

	return varlink_call_privileged(call) ||
	       !((!c->router_chooses && c->internal_port < 1024) || foreign ||
		   c->persistence == PERSISTENCE_PERMANENT);
}

static void
refuse(struct varlink_call *call, enum engine_refusal refusal,
    const struct mapping_context *c, const struct mapping *m,
    const struct engine_refused *refused)
{
	cJSON *o = cJSON_CreateObject();

	switch (refusal) {
	case ENGINE_ACCEPTED:
		break;
	case ENGINE_QUOTA:
		json_add_int(o, "limit", refused->limit);
		json_add_int(o, "current", refused->current);
		varlink_error(call, NATD_ERROR("QuotaExceeded"), o);
		return;
	case ENGINE_CONFLICT:
		json_add_string(o, "id", m->id);
		varlink_error(call, NATD_ERROR("MappingConflict"), o);
		return;
	case ENGINE_NO_INTERFACE:
		json_add_string(o, "interface", c->ifname);
		varlink_error(call, NATD_ERROR("NoSuchInterface"), o);
		return;
	/* No error is about memory; this one is tried again by who can wait. */
	case ENGINE_NO_MEMORY:
	case ENGINE_SHUTTING_DOWN:
		varlink_error(call, NATD_ERROR("ShuttingDown"), o);
		return;
	}
	cJSON_Delete(o);
}

static struct waiter *
waiter_new(
    struct api *a, struct varlink_call *call, const struct varlink_value *timeout)
{
	struct waiter *w = calloc(1, sizeof(*w));
	int64_t us =
	    timeout->present ? MIN(timeout->i, TIMEOUT_MAX_US) : TIMEOUT_DEFAULT_US;

	if (!w)
		return NULL;
	w->watcher.changed = on_changed;
	w->api = a;
	w->call = call;
	w->more = varlink_call_more(call);
	w->asked_at = loop_now();
	api_viewer_of(call, &w->viewer);
	if (timer_init(&w->timer, a->loop, on_timeout, w) < 0) {
		free(w);
		return NULL;
	}
	timer_set(&w->timer, w->asked_at + MAX(us / 1000 - ANSWER_EARLY_MS, 0));
	return w;
}

/* Held and next in line to be renewed with another lifetime. */
static bool
renewal_is_news(const struct mapping *m, const struct lease_status *st)
{
	return m->lease && st->is_held && !st->problem.present &&
	       st->held.method != METHOD_DIRECT && st->renew_at <= loop_now() &&
	       lease_wanted(m->lease)->lifetime_s != st->held.lifetime_s;
}

void
request_mapping(
    struct varlink_call *call, const struct varlink_value *values, void *ctx)
{
	struct api *a = ctx;
	struct mapping_context c = { 0 };
	struct engine_refused refused = { 0 };
	struct mapping *m = NULL;
	enum engine_refusal refusal;
	struct lease_status st;
	struct waiter *w;

	if (read_context(call, values, &c) < 0)
		return;
	if (!permitted(call, a, &c)) {
		varlink_error_permission_denied(call);
		return;
	}
	w = waiter_new(a, call, &values[P_TIMEOUT]);
	refusal =
	    w ? engine_request(a->engine, &c, varlink_call_uid(call),
		    varlink_call_pid(call), varlink_call_privileged(call), &m, &refused)
	      : ENGINE_NO_MEMORY;
	if (refusal != ENGINE_ACCEPTED) {
		if (w)
			waiter_free(w);
		refuse(call, refusal, &c, m, &refused);
		return;
	}
	trace_mapping(a->hooks.trace, call, m);
	w->mapping = m;
	w->holds = c.persistence == PERSISTENCE_CONNECTION;
	mapping_status(m, &st);
	w->one_shot_wish =
	    !w->more && c.persistence == PERSISTENCE_LEASE && (!st.is_held || m->bid);
	w->renews = renewal_is_news(m, &st);
	w->renewals = st.renewals;
	if (w->holds)
		engine_hold(a->engine, m);
	mapping_watch(m, &w->watcher);
	varlink_call_on_end(call, on_call_end, w);
	varlink_call_on_drain(call, on_drain, w);
	/* It may be held already, or there may be nobody to ask. */
	on_changed(&w->watcher, false);
}

/* ---- release ---- */

const struct varlink_param release_params[] = {
	{ .name = "id",
	    .type = VARLINK_STRING,
	    .required = true,
	    .max = MAPPING_ID_MAX },
	{ .name = NULL },
};

static cJSON *
released_reply(const struct mapping *m)
{
	cJSON *o = cJSON_CreateObject();

	if (m->origin == MAPPING_BY_CONFIG)
		json_add_string(o, "configured", m->name);
	return o;
}

static void
on_released(struct mapping_watcher *watcher, bool removed)
{
	struct waiter *w = (struct waiter *)watcher;
	cJSON *reply;

	if (!removed)
		return;
	reply = released_reply(w->mapping);
	mapping_unwatch(w->mapping, watcher);
	w->mapping = NULL;
	varlink_reply(w->call, reply);
}

void
release_mapping(
    struct varlink_call *call, const struct varlink_value *values, void *ctx)
{
	struct api *a = ctx;
	struct mapping *m = engine_find(a->engine, values[0].s);
	const struct varlink_value no_timeout = { 0 };
	struct waiter *w;

	if (!m) {
		cJSON *o = cJSON_CreateObject();

		json_add_string(o, "id", values[0].s);
		varlink_error(call, NATD_ERROR("NoSuchMapping"), o);
		return;
	}
	if (m->uid != varlink_call_uid(call) && !varlink_call_privileged(call)) {
		varlink_error_permission_denied(call);
		return;
	}
	if (m->origin == MAPPING_BY_CONFIG)
		log_notice("mapping %s is released until the next start or reload: it "
			   "is configured as [Mapping %s]",
		    m->id, m->name);
	trace_mapping(a->hooks.trace, call, m);
	engine_release(a->engine, m, MAPPING_END_RELEASED);
	w = waiter_new(a, call, &no_timeout);
	if (!w) {
		varlink_reply(call, released_reply(m));
		return;
	}
	/* Removed at the latest when the deletion was given up. */
	timer_clear(&w->timer);
	w->watcher.changed = on_released;
	w->mapping = m;
	mapping_watch(m, &w->watcher);
	varlink_call_on_end(call, on_call_end, w);
}
