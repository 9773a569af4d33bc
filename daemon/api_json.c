/*
 * api_json.c - the types of org.natd.NAT as JSON.
 */
#include "daemon/api_json.h"

#include <stdio.h>
#include <string.h>

#include "daemon/sock.h"
#include "daemon/tried.h"
#include "proto/json.h"

cJSON *
api_timestamp(int64_t realtime_us, int64_t boottime_us)
{
	cJSON *o = cJSON_CreateObject();

	json_add_int(o, "realtime", realtime_us);
	json_add_int(o, "boottime", boottime_us);
	return o;
}

/* A deadline of CLOCK_BOOTTIME. */
static void
add_deadline(cJSON *o, const char *key, msec_t at)
{
	int64_t boottime = at * 1000;

	if (at == MSEC_NEVER || at <= 0)
		return;
	json_add_item(o, key,
	    api_timestamp(
		loop_realtime_usec() + boottime - loop_boottime_usec(), boottime));
}

static void
add_addr(cJSON *o, const char *key, const struct addr *a)
{
	char text[ADDR_TEXT_MAX];

	if (a->family != ADDR_NONE)
		json_add_string(o, key, sock_addr_format(a, text));
}

void
api_add_endpoint(cJSON *o, const char *key, const struct addr *a, uint16_t port)
{
	cJSON *e;

	if (a->family == ADDR_NONE)
		return;
	e = cJSON_CreateObject();
	add_addr(e, "address", a);
	json_add_int(e, "port", port);
	json_add_item(o, key, e);
}

static const char *
family_name(enum addr_family f)
{
	return f == ADDR_IPV6 ? "ipv6" : "ipv4";
}

cJSON *
api_finding(
    const char *severity, const char *code, const char *message, const char *hint)
{
	cJSON *o = cJSON_CreateObject();

	json_add_string(o, "severity", severity);
	json_add_string(o, "code", code);
	json_add_string(o, "message", message);
	if (hint)
		json_add_string(o, "hint", hint);
	return o;
}

/* ---- mappings ---- */

static cJSON *
context_json(const struct mapping_context *c)
{
	cJSON *o = cJSON_CreateObject();
	cJSON *list = json_add_array(o, "protocols");

	for (enum transport t = 0; t < TRANSPORT_MAX; t++)
		if (c->transports & 1u << t)
			json_append_string(list, transport_name(t));
	if (!c->router_chooses)
		json_add_int(o, "internalPort", c->internal_port);
	add_addr(o, "internalAddress", &c->internal);
	if (c->family != ADDR_NONE)
		json_add_string(o, "family", family_name(c->family));
	if (c->ifname[0])
		json_add_string(o, "interface", c->ifname);
	add_addr(o, "gateway", &c->gateway);
	if (c->external_port)
		json_add_int(o, "suggestedExternalPort", c->external_port);
	json_add_bool(o, "preferFailure", c->prefer_failure);
	if (c->lifetime_s)
		json_add_int(o, "lifetimeSeconds", c->lifetime_s);
	json_add_string(o, "persistence", persistence_name(c->persistence));
	if (c->description[0])
		json_add_string(o, "description", c->description);
	if (c->methods_count) {
		list = json_add_array(o, "methods");
		for (unsigned i = 0; i < c->methods_count; i++)
			json_append_string(list, method_name(c->methods[i]));
	}
	return o;
}

#define OUTER_TEXT_MAX 256

/* What became of it at the carrier's server. */
static const char *
outer_text(const struct mapping *m, char ret[static OUTER_TEXT_MAX])
{
	const struct lease_problem *p;
	struct lease_status st;
	char address[ADDR_TEXT_MAX];

	lease_status(m->outer, &st);
	p = &st.problem;
	if (st.is_held)
		snprintf(ret, OUTER_TEXT_MAX,
		    "the carrier's NAT behind it (PCP server %s) gives %s, which is "
		    "not global either",
		    gateway_name(m->carrier), addr_format(&st.held.external, address));
	else if (!p->present)
		snprintf(ret, OUTER_TEXT_MAX,
		    "the carrier's PCP server %s has not answered yet",
		    gateway_name(m->carrier));
	else if (p->code)
		snprintf(ret, OUTER_TEXT_MAX,
		    "the carrier's PCP server %s refused: %s (%d)%s%s",
		    gateway_name(m->carrier), p->name, p->code, p->hint ? ", " : "",
		    p->hint ? p->hint : "");
	else
		snprintf(ret, OUTER_TEXT_MAX,
		    "the carrier's PCP server %s does not answer",
		    gateway_name(m->carrier));
	return ret;
}

#define WHERE_TEXT_MAX 160

/* "FRITZ!Box 7590 (192.168.1.1 on eth0)": as people know it, if it told its name. */
static const char *
where_text(const struct mapping *m, char ret[static WHERE_TEXT_MAX])
{
	const char *name = m->gateway ? router_name(gateway_router(m->gateway)) : "";

	snprintf(ret, WHERE_TEXT_MAX, name[0] ? "%s (%s)" : "%s%s", name,
	    m->gateway ? gateway_name(m->gateway) : "the network");
	return ret;
}

/* ": 192.168.1.77 has the port" */
static const char *
holder_text(const struct lease_problem *p, char ret[static WHERE_TEXT_MAX])
{
	char address[ADDR_TEXT_MAX];

	ret[0] = '\0';
	if (p->holder.family != ADDR_NONE)
		snprintf(ret, WHERE_TEXT_MAX, ": %s has the port",
		    addr_format(&p->holder, address));
	return ret;
}

/* What the router did where its answer, if there was one, has no code. */
static const char *
plain_problem(const char *name)
{
	static const struct {
		const char *name, *text;
	} rows[] = {
		{ "TIMEOUT", "no answer" },
		{ "PORT_UNREACHABLE", "its port is closed" },
		{ "CONNECTION_REFUSED", "it refuses connections" },
		{ "BAD_ANSWER", "its answer makes no sense" },
		{ "PORT_TAKEN", "it would give another port" },
		{ "VANISHED", "it says yes and forgets" },
		{ "NOTHING_GRANTED", "it says yes and grants nothing" },
		{ "NO_COMMON_PORT", "it gives no number that fits" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (strcmp(rows[i].name, name) == 0)
			return rows[i].text;
	return name;
}

static cJSON *
problem_json(const struct mapping *m, const struct lease_status *st)
{
	const struct lease_problem *p = &st->problem;
	char where[WHERE_TEXT_MAX], holder[WHERE_TEXT_MAX];
	char text[512], outer[OUTER_TEXT_MAX];

	if (!p->present)
		return NULL;
	where_text(m, where);
	if (strcmp(p->name, "NO_SERVICE") == 0 && m->outer && !m->behind)
		snprintf(text, sizeof(text), "%s offers no way to map ports, and %s",
		    where, outer_text(m, outer));
	else if (strcmp(p->name, "NO_SERVICE") == 0)
		snprintf(text, sizeof(text), "%s offers no way to map ports", where);
	else if (p->code)
		snprintf(text, sizeof(text), "%s refused by %s: %s (%d)%s", where,
		    method_title(p->method), p->name, p->code, holder_text(p, holder));
	else
		snprintf(text, sizeof(text), "%s, %s: %s%s", where,
		    method_title(p->method), plain_problem(p->name),
		    holder_text(p, holder));
	return api_finding(st->is_held ? "warning" : "error",
	    problem_code_name(problem_code(p)), text,
	    p->hint ? p->hint
		    : "look for UPnP, NAT-PMP or PCP in the router's settings and "
		      "switch it on");
}

/* Active, but of no use, or not active and nobody to ask. */
static cJSON *
situation_json(const struct mapping *m, const struct lease_status *st)
{
	const struct addr *external = &st->held.external;
	char text[512], address[ADDR_TEXT_MAX], outer[OUTER_TEXT_MAX];
	struct lease_status inner;

	if (st->state == MAPPING_SUSPENDED)
		return api_finding("warning", "no_uplink",
		    m->context.ifname[0] ? "the interface has no usable uplink"
					 : "there is no uplink with a router",
		    "the mapping is made as soon as there is one");
	if (!st->is_held || external->family != ADDR_IPV4 || addr_is_global(external))
		return NULL;
	lease_status(m->lease, &inner);
	if (inner.is_held)
		external = &inner.held.external;
	snprintf(text, sizeof(text),
	    "the router's external address %s is not global (%s)%s%s",
	    addr_format(external, address), addr_class_name(addr_classify(external)),
	    m->outer ? "; " : "", m->outer ? outer_text(m, outer) : "");
	if (addr_classify(external) == ADDR_CLASS_CGN)
		return api_finding("warning", "cgnat", text,
		    "the provider translates again: ask it for a public address, or "
		    "use IPv6");
	return api_finding("warning", "double_nat", text,
	    "another router stands in front of yours: map the port there, too, or make "
	    "yours a bridge");
}

static cJSON *
runtime_json(const struct mapping *m, const struct api_viewer *viewer)
{
	struct lease_status st;
	cJSON *o = cJSON_CreateObject(), *problem;
	struct addr internal = m->context.internal;
	struct endpoint left;

	mapping_status(m, &st);
	json_add_string(o, "state", mapping_state_name(st.state));
	if (st.is_held)
		json_add_string(o, "method", method_name(st.held.method));
	if (m->gateway) {
		bool direct = m->outer && !m->behind && st.is_held;
		const struct netmon_uplink *u =
		    gateway_uplink(direct ? m->carrier : m->gateway);
		struct addr gateway = gateway_addr(&u->gateway, u->ifindex);

		add_addr(o, "gateway", &gateway);
		json_add_string(o, "interface", u->name);
		if (internal.family == ADDR_NONE)
			internal = gateway_addr(&u->source, u->ifindex);
	}
	if (mapping_left(m, &left))
		api_add_endpoint(o, "internal", &left.addr, left.port);
	else if (st.is_held || !m->context.router_chooses)
		api_add_endpoint(o, "internal", &internal,
		    st.is_held ? st.held.internal_port : m->context.internal_port);
	if (st.is_held) {
		api_add_endpoint(
		    o, "external", &st.held.external, st.held.external_port);
		if (st.held.external.family != ADDR_NONE)
			json_add_bool(
			    o, "externalIsGlobal", addr_is_global(&st.held.external));
	}
	json_add_string(
	    o, "reachability", reachability_name(mapping_reachability(m, &st)));
	if (st.is_held) {
		json_add_int(o, "grantedLifetimeSeconds", st.held.lifetime_s);
		add_deadline(o, "expires", st.held.expires_at);
	}
	if (m->created_realtime_us)
		json_add_item(o, "created",
		    api_timestamp(m->created_realtime_us, m->created_boottime_us));
	add_deadline(o, "nextRenewal",
	    st.is_held           ? st.renew_at
	    : st.problem.present ? st.problem.retry_at
				 : MSEC_NEVER);
	json_add_int(o, "renewals", st.renewals);
	if (viewer->privileged || viewer->uid == m->uid) {
		json_add_int(o, "ownerUserId", m->uid);
		if (m->pid)
			json_add_int(o, "ownerProcessId", m->pid);
	}
	problem = problem_json(m, &st);
	if (!problem)
		problem = situation_json(m, &st);
	if (problem)
		json_add_item(o, "problem", problem);
	return o;
}

cJSON *
api_mapping(const struct mapping *m, const struct api_viewer *viewer)
{
	cJSON *o = cJSON_CreateObject();

	json_add_string(o, "id", m->id);
	json_add_item(o, "context", context_json(&m->context));
	json_add_item(o, "runtime", runtime_json(m, viewer));
	return o;
}

/* ---- gateways ---- */

static cJSON *
service_json(const struct gateway *g, enum router_service s)
{
	struct service_status st;
	cJSON *o = cJSON_CreateObject();
	const struct netmon_uplink *u = gateway_uplink(g);
	struct addr gateway = gateway_addr(&u->gateway, u->ifindex);
	char text[256], address[ADDR_TEXT_MAX];

	router_service_status(gateway_router(g), s, &st);
	json_add_string(o, "method", method_name(st.method));
	json_add_bool(o, "available", st.state == SERVICE_AVAILABLE);
	if (st.version[0])
		json_add_string(o, "version", st.version);
	if (st.control[0]) {
		snprintf(text, sizeof(text),
		    gateway.family == ADDR_IPV6 ? "http://[%s]%s" : "http://%s%s",
		    addr_format_zone(&gateway, "", address), st.control);
		json_add_string(o, "controlAddress", text);
	}
	if (st.has_epoch)
		json_add_int(o, "epochSeconds", st.epoch_s);
	if (st.round_trip_us >= 0)
		json_add_int(o, "roundTripUSec", st.round_trip_us);
	json_add_string(o, "circuit", circuit_name(st.circuit));
	if (st.reason[0])
		json_add_item(o, "problem",
		    api_finding("info",
			st.circuit == CIRCUIT_CLOSED ? "not_available" : "circuit_open",
			st.reason, NULL));
	return o;
}

cJSON *
api_gateway(const struct gateway *g)
{
	const struct netmon_uplink *u = gateway_uplink(g);
	const struct router *r = gateway_router(g);
	struct addr gateway = gateway_addr(&u->gateway, u->ifindex);
	cJSON *o = cJSON_CreateObject(), *services;

	add_addr(o, "address", &gateway);
	json_add_string(o, "interface", u->name);
	json_add_int(o, "interfaceIndex", u->ifindex);
	json_add_string(o, "family", u->family == AF_INET6 ? "ipv6" : "ipv4");
	json_add_bool(o, "isDefaultRoute", u->is_default);
	if (router_name(r)[0])
		json_add_string(o, "name", router_name(r));
	add_addr(o, "externalAddress", router_external(r));
	services = json_add_array(o, "services");
	for (enum router_service s = 0; s < ROUTER_SERVICES; s++)
		if (gateway_may_offer(g, s))
			json_append_item(services, service_json(g, s));
	json_add_int(o, "requestsUnderWay", (int64_t)router_exchanges(r));
	json_add_int(o, "soapRequests", (int64_t)gateway_soap_requests(g));
	return o;
}

cJSON *
api_external_address(const struct gateway *g)
{
	const struct netmon_uplink *u = gateway_uplink(g);
	const struct router *r = gateway_router(g);
	struct addr address = *router_external(r);
	struct addr local = gateway_addr(&u->source, u->ifindex);
	const char *source = method_name(router_external_source(r));
	char text[ADDR_TEXT_MAX];
	cJSON *o;

	/* A global address of our own is the external one. */
	if (address.family == ADDR_NONE && addr_is_global(&local)) {
		address = local;
		source = method_name(METHOD_DIRECT);
	}
	if (address.family == ADDR_NONE)
		return NULL;
	o = cJSON_CreateObject();
	json_add_string(o, "family", family_name(address.family));
	json_add_string(o, "address", addr_format(&address, text));
	json_add_bool(o, "isGlobal", addr_is_global(&address));
	json_add_string(o, "interface", u->name);
	json_add_string(o, "source", source);
	return o;
}

/* Whether a router, or an address of our own, says the same. */
static bool
gateway_says(struct engine *e, const struct addr *address)
{
	for (size_t i = 0; i < engine_gateways(e); i++) {
		const struct gateway *g = engine_gateway(e, i);
		const struct netmon_uplink *u = gateway_uplink(g);
		struct addr local = gateway_addr(&u->source, u->ifindex);

		if (addr_equal(router_external(gateway_router(g)), address) ||
		    (addr_is_global(&local) && addr_equal(&local, address)))
			return true;
	}
	return false;
}

cJSON *
api_external_by_stun(struct engine *e, const struct stun *stun, enum addr_family family)
{
	struct addr address;
	enum stun_agreement agreement = stun_external(stun, family, &address);
	const char *ifname = "";
	char text[ADDR_TEXT_MAX];
	cJSON *o;

	if (agreement == STUN_UNKNOWN || gateway_says(e, &address))
		return NULL;
	for (size_t i = 0; i < engine_gateways(e); i++) {
		const struct netmon_uplink *u = gateway_uplink(engine_gateway(e, i));

		if (u->is_default && (u->family == AF_INET6) == (family == ADDR_IPV6))
			ifname = u->name;
	}
	o = cJSON_CreateObject();
	json_add_string(o, "family", family_name(family));
	json_add_string(o, "address", addr_format(&address, text));
	json_add_bool(o, "isGlobal", addr_is_global(&address));
	json_add_string(o, "interface", ifname);
	json_add_string(
	    o, "source", agreement == STUN_AGREED ? "stun" : "stun_uncertain");
	return o;
}

cJSON *
api_nat_behavior(const struct behavior_status *st)
{
	const struct behavior_result *r = &st->result;
	cJSON *o = cJSON_CreateObject();

	json_add_string(o, "family", st->family == ADDR_IPV6 ? "ipv6" : "ipv4");
	json_add_string(o, "interface", st->ifname);
	api_add_endpoint(o, "server", &r->server.addr, r->server.port);
	api_add_endpoint(o, "reflexive", &r->reflexive.addr, r->reflexive.port);
	json_add_string(o, "mapping", behavior_name(r->mapping));
	json_add_string(o, "filtering", behavior_name(r->filtering));
	if (r->hairpinning >= 0)
		json_add_bool(o, "hairpinning", r->hairpinning);
	if (r->port_preservation >= 0)
		json_add_bool(o, "portPreservation", r->port_preservation);
	if (st->lifetime_s > 0)
		json_add_int(o, "bindingLifetimeSeconds", st->lifetime_s);
	if (st->path.carrier >= 0)
		json_add_bool(o, "carrierGradeNat", st->path.carrier);
	if (st->path.translators >= 0)
		json_add_int(o, "translators", st->path.translators);
	json_add_item(o, "measured", api_timestamp(st->realtime_us, st->boottime_us));
	return o;
}

cJSON *
api_stun_server(const struct stun_server_status *st)
{
	cJSON *o = cJSON_CreateObject();

	json_add_string(o, "name", st->name);
	api_add_endpoint(o, "endpoint", &st->endpoint.addr, st->endpoint.port);
	if (st->round_trip_us >= 0)
		json_add_int(o, "roundTripUSec", st->round_trip_us);
	if (st->success_rate >= 0)
		json_add_int(o, "successRate", st->success_rate);
	json_add_int(o, "consecutiveFailures", st->failures_in_a_row);
	json_add_string(o, "circuit", stun_circuit_name(st->circuit));
	return o;
}

cJSON *
api_external_addresses(struct engine *e)
{
	cJSON *list = cJSON_CreateArray();

	for (size_t i = 0; i < engine_gateways(e); i++) {
		cJSON *o = api_external_address(engine_gateway(e, i));

		if (o)
			json_append_item(list, o);
	}
	return list;
}

cJSON *
api_tried(const struct mapping *m)
{
	struct tried tried[TRIED_MAX];
	size_t count = tried_of(m, tried);
	cJSON *list = cJSON_CreateArray();

	for (size_t i = 0; i < count; i++) {
		cJSON *o = cJSON_CreateObject();

		json_add_string(o, "method", method_name(tried[i].method));
		add_addr(o, "gateway", &tried[i].gateway);
		json_add_string(o, "reason", tried[i].reason);
		json_append_item(list, o);
	}
	return list;
}
