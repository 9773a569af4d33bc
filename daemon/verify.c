/*
 * verify.c - VerifyMapping: proves from outside that a mapping forwards.
 *
 * With the caller's socket this very port is proven: its twin (daemon/twin.h) hears
 * what the server sends, the application nothing of it.  Without, a scratch port is
 * wanted as any mapping is, on the same router and by the same method: it counts in the
 * user's quota, belongs to this call's connection, and is cleaned up after a crash as
 * they are.
 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/api_private.h"
#include "daemon/findings.h"
#include "daemon/prove.h"
#include "daemon/sock.h"
#include "proto/json.h"

#define TIMEOUT_MS (10 * MSEC_PER_SEC)
#define TIMEOUT_MAX_MS (40 * MSEC_PER_SEC) /* clients give up at 45 s */
#define SCRATCH_LIFETIME_S 120             /* many routers take no less */
/* How long a router may go on letting in what it let in. */
#define LET_IN_MS (120 * MSEC_PER_SEC)
#define AT_ONCE_MAX 8

struct verification {
	struct mapping_watcher watcher, scratch_watcher;
	struct api *api;
	struct varlink_call *call;
	struct mapping *mapping, *scratch; /* scratch NULL: none, or gone */
	struct twin_app app;               /* fd -1: none was passed */
	int scratch_fd;                    /* until the proof begins */
	struct timer timer;
	msec_t deadline;
	bool removed; /* the mapping */
	bool direct;  /* no router maps it */
	char ifname[IF_NAMESIZE];
	struct sock_from from;
	struct endpoint external; /* what is proven */
	enum stun_prove_place place;
	struct prove *prove; /* NULL: not yet */
	struct prove_result result;
};

const struct varlink_param verify_params[] = {
	{ .name = "id",
	    .type = VARLINK_STRING,
	    .required = true,
	    .max = MAPPING_ID_MAX },
	{ .name = "socketFileDescriptor", .type = VARLINK_INT, .min = 0, .max = 253 },
	{ .name = "timeoutUSec", .type = VARLINK_INT, .min = 0, .max = INT64_MAX },
	{ .name = NULL },
};

/* ---- answers ---- */

static cJSON *
reply_of(enum reachability r, cJSON **ret_findings)
{
	cJSON *o = cJSON_CreateObject();

	json_add_string(o, "reachability", reachability_name(r));
	*ret_findings = json_add_array(o, "findings");
	return o;
}

/* The call is over with this. */
static void
finish_unknown(
    struct verification *v, enum finding_code code, const char *a, const char *b)
{
	cJSON *findings, *o = reply_of(REACHABILITY_UNKNOWN, &findings);

	finding_add(findings, code, a, b, NULL);
	varlink_reply(v->call, o);
}

static bool
is_udp(const struct mapping *m)
{
	return m->context.transports & 1u << TRANSPORT_UDP;
}

static bool
is_tcp(const struct mapping *m)
{
	return m->context.transports & 1u << TRANSPORT_TCP;
}

static void
remember(struct verification *v, enum reachability r)
{
	struct proof *proof = &v->mapping->proof;
	struct lease_status st;
	bool news;

	mapping_status(v->mapping, &st);
	news = mapping_reachability(v->mapping, &st) != r;
	proof->reachability = r;
	proof->external = (struct endpoint) { st.held.external, st.held.external_port };
	/* Without this call, which is about to end. */
	mapping_unwatch(v->mapping, &v->watcher);
	if (news)
		engine_changed(v->api->engine, v->mapping);
	mapping_watch(v->mapping, &v->watcher);
}

static void
add_open(const struct verification *v, cJSON *findings)
{
	char external[ADDR_TEXT_MAX], port[8], server[ADDR_TEXT_MAX];
	struct lease_status st;

	snprintf(port, sizeof(port), "%u", v->external.port);
	finding_add(findings, FINDING_PROVEN_OPEN,
	    sock_addr_format(&v->result.place.addr, server), port, NULL);
	if (!is_udp(v->mapping)) {
		mapping_status(v->mapping, &st);
		snprintf(port, sizeof(port), "%u", st.held.external_port);
		finding_add(findings, FINDING_TCP_UNPROVEN,
		    addr_format(&st.held.external, external), port, NULL);
		return;
	}
	if (v->app.fd < 0)
		finding_add(findings, FINDING_PROVEN_BY_SCRATCH, NULL, NULL, NULL);
	if (is_tcp(v->mapping))
		finding_add(findings, FINDING_HALF_PROVEN, NULL, NULL, NULL);
}

/* Why nothing arrives: another NAT, as the addresses tell, or the router itself. */
static void
add_closed(const struct verification *v, cJSON *findings)
{
	char external[ENDPOINT_TEXT_MAX], port[8], server[ADDR_TEXT_MAX];
	char seen[ADDR_TEXT_MAX], said[ADDR_TEXT_MAX], also[ADDR_TEXT_MAX + 32];
	const struct addr *router = &v->external.addr;

	snprintf(port, sizeof(port), "%u", v->external.port);
	finding_add(findings, FINDING_NOTHING_ARRIVED,
	    sock_addr_format(&v->result.place.addr, server), port, NULL);
	addr_format(&v->result.seen, seen);
	addr_format(router, said);
	snprintf(also, sizeof(also), "; the Internet sees %s", seen);
	if (v->direct)
		finding_add(findings, FINDING_FIREWALL, NULL, NULL, NULL);
	else if (addr_equal(router, &v->result.seen) || router->family == ADDR_NONE)
		finding_add(findings, FINDING_NOT_FORWARDED,
		    endpoint_format(&v->external, external), v->mapping->id, NULL);
	else if (addr_classify(router) == ADDR_CLASS_CGN)
		finding_add(findings, FINDING_CGNAT, said, also, NULL);
	else if (!addr_is_global(router))
		finding_add(findings, FINDING_DOUBLE_NAT, said, also, NULL);
	else
		finding_add(findings, FINDING_EXTERNAL_MISMATCH, said, seen, NULL);
}

/* Quirk 28: proven of this very port, and nobody but the router can be the reason. */
static bool
blames_the_router(const struct verification *v)
{
	return v->app.fd >= 0 && addr_equal(&v->external.addr, &v->result.seen);
}

static void
finish_proven(struct verification *v, bool open)
{
	enum reachability r = !open                ? REACHABILITY_CLOSED
			      : is_udp(v->mapping) ? REACHABILITY_OPEN
						   : REACHABILITY_UNKNOWN;
	cJSON *findings, *o = reply_of(r, &findings);

	if (open)
		add_open(v, findings);
	else
		add_closed(v, findings);
	if (open && v->app.fd >= 0)
		v->mapping->proof.let_in_at[v->place / 2] = loop_now();
	/* What a scratch port shows is no proof of this one: its rule may be gone. */
	if (r != REACHABILITY_UNKNOWN && v->app.fd >= 0)
		remember(v, r);
	if (open)
		v->mapping->proof.made_anew = false;
	else if (blames_the_router(v) && engine_remake(v->api->engine, v->mapping))
		finding_add(findings, FINDING_MADE_ANEW, NULL, NULL, NULL);
	varlink_reply(v->call, o);
}

static void
finish_removed(struct verification *v)
{
	cJSON *o = cJSON_CreateObject();

	if (engine_is_stopping(v->api->engine)) {
		varlink_error(v->call, NATD_ERROR("ShuttingDown"), o);
		return;
	}
	json_add_string(o, "id", v->mapping->id);
	varlink_error(v->call, NATD_ERROR("NoSuchMapping"), o);
}

/* ---- the proof ---- */

static void
finish_useless(struct verification *v)
{
	const struct stun *s = v->api->stun;
	const bool ipv6 = v->from.local.family == ADDR_IPV6;

	switch (v->result.verdict) {
	case STUN_PROVE_PENDING:
		if (stun_servers(s) == 0)
			finish_unknown(v, FINDING_NO_STUN_SERVER, NULL, NULL);
		else if (!stun_speaks(s, ADDR_IPV4) && !stun_speaks(s, ADDR_IPV6))
			finish_unknown(v, FINDING_DNS_FAILING, "NAME", NULL);
		else if (!stun_speaks(s, v->from.local.family))
			finish_unknown(
			    v, FINDING_NO_STUN_FAMILY, ipv6 ? "IPv6" : "IPv4", NULL);
		else
			finish_unknown(v, FINDING_NO_WAY_OUT, NULL, NULL);
		break;
	case STUN_PROVE_SILENT:
		finish_unknown(v, FINDING_UDP_BLOCKED, NULL, NULL);
		break;
	case STUN_PROVE_UNSURE:
		finish_unknown(v, FINDING_TOO_LOSSY, NULL, NULL);
		break;
	case STUN_PROVE_UNSUPPORTED:
	case STUN_PROVE_OPEN:
	case STUN_PROVE_CLOSED:
		finish_unknown(v, FINDING_NO_RFC5780, NULL, NULL);
		break;
	}
}

static void
on_done(const struct prove_result *r, void *ctx)
{
	struct verification *v = ctx;

	v->result = *r;
	if (r->verdict == STUN_PROVE_OPEN || r->verdict == STUN_PROVE_CLOSED)
		finish_proven(v, r->verdict == STUN_PROVE_OPEN);
	else
		finish_useless(v);
}

static void
on_asking(const struct endpoint *server, void *ctx)
{
	struct verification *v = ctx;
	char text[ENDPOINT_TEXT_MAX], port[8];
	cJSON *findings, *o;

	if (!varlink_call_more(v->call))
		return;
	o = reply_of(REACHABILITY_UNKNOWN, &findings);
	snprintf(port, sizeof(port), "%u", v->external.port);
	finding_add(
	    findings, FINDING_ASKING, sock_endpoint_format(server, text), port, NULL);
	/* Only how far it is: who does not read it misses nothing. */
	(void)varlink_reply_continues(v->call, o);
}

/* Of the places this port's answers have come from, the one longest ago; false: all of
 * them lately. */
static bool
choose_place(struct verification *v)
{
	static const enum stun_prove_place places[] = { STUN_PROVE_OTHER_BOTH,
		STUN_PROVE_OTHER_PORT, STUN_PROVE_OTHER_ADDRESS };
	const msec_t *at = v->mapping->proof.let_in_at;
	enum stun_prove_place best = places[0];

	v->place = STUN_PROVE_SAME;
	/* A scratch port is new: nobody was ever let in there.  With an application's
	 * it may be the application who has spoken to the server. */
	if (v->app.fd < 0)
		return true;
	for (size_t i = 1; i < ARRAY_SIZE(places); i++)
		if (at[places[i] / 2] < at[best / 2])
			best = places[i];
	v->place = best;
	return at[best / 2] == 0 || loop_now() - at[best / 2] >= LET_IN_MS;
}

static void
begin(struct verification *v)
{
	const struct prove_settings settings = {
		.from = v->from,
		.port = v->external.port,
		.app = v->app.fd >= 0 ? &v->app : NULL,
		.fd = v->scratch_fd,
		.place = v->place,
	};
	const struct prove_hooks hooks = { on_asking, on_done, v };

	v->scratch_fd = -1;
	if (prove_start(v->api->loop, v->api->stun, &settings, &hooks, &v->prove) < 0)
		finish_unknown(v, FINDING_NO_WAY_OUT, NULL, NULL);
	else
		timer_set(&v->timer, v->deadline);
}

/* ---- the scratch port ---- */

static void
look_at_scratch(struct verification *v)
{
	struct lease_status st;

	if (!v->scratch) {
		finish_unknown(v, FINDING_SCRATCH_REFUSED, "it was released", NULL);
		return;
	}
	mapping_status(v->scratch, &st);
	if (st.is_held) {
		v->external =
		    (struct endpoint) { st.held.external, st.held.external_port };
		begin(v);
	} else if (st.verdict && st.problem.present) {
		finish_unknown(v, FINDING_SCRATCH_REFUSED, st.problem.name, NULL);
	} else {
		timer_set(&v->timer, v->deadline);
	}
}

static void
on_timer(void *ctx)
{
	struct verification *v = ctx;

	if (v->removed)
		finish_removed(v);
	else if (loop_now() >= v->deadline)
		finish_unknown(v, FINDING_TOO_LATE, NULL, NULL);
	else if (v->prove)
		timer_set(&v->timer, v->deadline);
	else if (v->app.fd >= 0)
		begin(v);
	else
		look_at_scratch(v);
}

/* Never from within the engine: what is told ends the call. */
static void
on_changed(struct mapping_watcher *w, bool removed)
{
	struct verification *v = (struct verification *)w;

	if (!removed)
		return;
	v->removed = true;
	timer_set(&v->timer, loop_now());
}

static void
on_scratch_changed(struct mapping_watcher *w, bool removed)
{
	struct verification *v =
	    (struct verification *)((char *)w -
				    offsetof(struct verification, scratch_watcher));

	if (removed) {
		mapping_unwatch(v->scratch, w);
		v->scratch = NULL;
	}
	if (!v->prove)
		timer_set(&v->timer, loop_now());
}

/* False: the call is over. */
static bool
want_scratch(struct verification *v, const struct lease_status *st)
{
	const struct netmon_uplink *u = gateway_uplink(v->mapping->gateway);
	struct engine_refused refused = { 0 };
	struct mapping_context c = {
		.transports = 1u << TRANSPORT_UDP,
		.family = v->from.local.family,
		.gateway = gateway_addr(&u->gateway, 0),
		.lifetime_s = SCRATCH_LIFETIME_S,
		.persistence = PERSISTENCE_CONNECTION,
		.description = "natd verify",
		.methods_count = 1,
		.methods = { st->held.method },
	};
	struct endpoint scratch;
	struct mapping *m = NULL;

	v->scratch_fd = sock_open(SOCK_DGRAM, &v->from);
	if (v->scratch_fd < 0 || sock_name(v->scratch_fd, &scratch) < 0) {
		finish_unknown(v, FINDING_NO_WAY_OUT, NULL, NULL);
		return false;
	}
	c.internal_port = scratch.port;
	memcpy(c.ifname, v->ifname, sizeof(c.ifname));
	switch (engine_request(v->api->engine, &c, varlink_call_uid(v->call),
	    varlink_call_pid(v->call), varlink_call_privileged(v->call), &m,
	    &refused)) {
	case ENGINE_ACCEPTED:
		break;
	case ENGINE_QUOTA:
		finish_unknown(
		    v, FINDING_SCRATCH_REFUSED, "the quota is used up", NULL);
		return false;
	case ENGINE_CONFLICT:
	case ENGINE_NO_INTERFACE:
	case ENGINE_SHUTTING_DOWN:
	case ENGINE_NO_MEMORY:
		finish_unknown(v, FINDING_SCRATCH_REFUSED, "not now", NULL);
		return false;
	}
	engine_hold(v->api->engine, m);
	v->scratch = m;
	v->scratch_watcher.changed = on_scratch_changed;
	mapping_watch(m, &v->scratch_watcher);
	return true;
}

/* ---- the call ---- */

static void
on_end(struct varlink_call *call, void *ctx)
{
	struct verification *v = ctx;

	(void)call;
	v->api->verifications--;
	prove_stop(v->prove);
	mapping_unwatch(v->mapping, &v->watcher);
	if (v->scratch) {
		mapping_unwatch(v->scratch, &v->scratch_watcher);
		engine_unhold(v->api->engine, v->scratch);
	}
	timer_done(&v->timer);
	if (v->app.fd >= 0)
		close(v->app.fd);
	if (v->scratch_fd >= 0)
		close(v->scratch_fd);
	free(v);
}

static struct verification *
verification_new(struct api *a, struct varlink_call *call, struct mapping *m)
{
	struct verification *v = calloc(1, sizeof(*v));

	if (!v || timer_init(&v->timer, a->loop, on_timer, v) < 0) {
		free(v);
		return NULL;
	}
	v->api = a;
	v->call = call;
	v->mapping = m;
	v->app.fd = v->scratch_fd = -1;
	v->watcher.changed = on_changed;
	a->verifications++;
	mapping_watch(m, &v->watcher);
	varlink_call_on_end(call, on_end, v);
	return v;
}

static void
start(struct verification *v, const struct varlink_value *timeout)
{
	msec_t patience = timeout->present ? timeout->i / 1000 : TIMEOUT_MS;
	const struct netmon_uplink *u;
	struct lease_status st;

	mapping_status(v->mapping, &st);
	if (!st.is_held || !v->mapping->gateway) {
		finish_unknown(
		    v, FINDING_NOT_HELD, mapping_state_name(st.state), v->mapping->id);
		return;
	}
	if (v->api->verifications > AT_ONCE_MAX) {
		finish_unknown(v, FINDING_TOO_MANY, NULL, NULL);
		return;
	}
	u = gateway_uplink(v->mapping->gateway);
	memcpy(v->ifname, u->name, sizeof(v->ifname));
	v->from = (struct sock_from) { gateway_addr(&u->source, u->ifindex), v->ifname,
		(unsigned)u->ifindex };
	v->deadline = loop_now() + MIN(patience, TIMEOUT_MAX_MS);
	v->external = (struct endpoint) { st.held.external, st.held.external_port };
	v->direct = st.held.method == METHOD_DIRECT;
	if (!choose_place(v))
		finish_unknown(v, FINDING_TOO_SOON, NULL, NULL);
	else if (v->app.fd >= 0 || want_scratch(v, &st))
		timer_set(&v->timer, loop_now());
}

/* The caller's socket is of this mapping.  0, or 1 with the reason why it is of no use.
 */
static int
look_at_socket(const struct mapping *m, int fd, struct twin_app *ret,
    enum twin_problem *ret_problem)
{
	struct lease_status st;
	int r = twin_look(fd, ret, ret_problem);

	if (r != 0)
		return 1;
	mapping_status(m, &st);
	*ret_problem = is_udp(m) ? TWIN_NOT_BOUND : TWIN_NOT_UDP;
	return !is_udp(m) || (st.is_held && ret->local.port != st.held.internal_port);
}

void
verify_mapping(struct varlink_call *call, const struct varlink_value *values, void *ctx)
{
	struct api *a = ctx;
	struct mapping *m = engine_find(a->engine, values[0].s);
	enum twin_problem problem = TWIN_MISSING;
	struct twin_app app = { .fd = -1 };
	int fd = varlink_call_take_fd(call);
	cJSON *o = NULL;
	struct verification *v;

	/* One descriptor rides on a call, so its index is 0. */
	bool refused = m && values[1].present &&
		       (values[1].i != 0 || look_at_socket(m, fd, &app, &problem) != 0);
	bool denied =
	    m && m->uid != varlink_call_uid(call) && !varlink_call_privileged(call);

	if (!m || refused || denied || !values[1].present) {
		if (fd >= 0)
			close(fd);
		app.fd = -1;
	}
	if (!m || (refused && !denied)) {
		o = cJSON_CreateObject();
		json_add_string(o, m ? "reason" : "id",
		    m ? twin_problem_name(problem) : values[0].s);
		varlink_error(call,
		    m ? NATD_ERROR("InvalidSocket") : NATD_ERROR("NoSuchMapping"), o);
		return;
	}
	if (denied) {
		varlink_error_permission_denied(call);
		return;
	}
	v = verification_new(a, call, m);
	if (!v) {
		if (app.fd >= 0)
			close(app.fd);
		varlink_error(call, NATD_ERROR("ShuttingDown"), NULL);
		return;
	}
	v->app = app;
	start(v, &values[2]);
}
