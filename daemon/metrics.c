/*
 * metrics.c - Prometheus text format 0.0.4.
 *
 * Base units, counters end in _total, labels of low cardinality only: no mapping ids,
 * ports, users or addresses.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <mbedtls/version.h>

#include "daemon/api_private.h"
#include "proto/version.h"

static void
family(FILE *f, const char *name, const char *type, const char *help)
{
	fprintf(f, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void
build_info(struct api *a, FILE *f)
{
	char mbedtls[18];

	mbedtls_version_get_string(mbedtls);
	family(f, "natd_build_info", "gauge", "Version of natd and of its libraries.");
	fprintf(f, "natd_build_info{version=\"%s\",mbedtls=\"%s\"} 1\n", NATD_VERSION,
	    mbedtls);
	family(
	    f, "natd_start_time_seconds", "gauge", "When natd started, in Unix time.");
	fprintf(
	    f, "natd_start_time_seconds %.3f\n", (double)a->started_realtime_us / 1e6);
}

static void
state(struct api *a, FILE *f)
{
	family(f, "natd_state", "gauge", "Operational state, 1 for the present one.");
	for (enum engine_state s = ENGINE_STARTING; s <= ENGINE_ONLINE; s++)
		fprintf(f, "natd_state{state=\"%s\"} %d\n", engine_state_name(s),
		    engine_get_state(a->engine) == s);
}

static void
mappings(struct api *a, FILE *f)
{
	unsigned count[METHOD_MAX + 1][TRANSPORT_MAX][MAPPING_STATE_MAX] = { 0 };
	msec_t earliest = MSEC_NEVER;

	for (const struct mapping *m = engine_mappings(a->engine); m; m = m->next) {
		struct lease_status st;

		mapping_status(m, &st);
		for (enum transport t = 0; t < TRANSPORT_MAX; t++)
			if (m->context.transports & 1u << t)
				count[st.is_held ? st.held.method : METHOD_MAX][t]
				     [st.state]++;
		if (st.is_held)
			earliest = MIN(earliest, st.held.expires_at);
	}
	family(f, "natd_mappings", "gauge", "Mappings by protocol, method and state.");
	for (unsigned i = 0; i <= METHOD_MAX; i++)
		for (enum transport t = 0; t < TRANSPORT_MAX; t++)
			for (enum mapping_state s = 0; s < MAPPING_STATE_MAX; s++)
				if (count[i][t][s])
					fprintf(f,
					    "natd_mappings{protocol=\"%s\",method=\"%"
					    "s\","
					    "state=\"%s\"} %u\n",
					    transport_name(t),
					    i == METHOD_MAX
						? "none"
						: method_name((enum method)i),
					    mapping_state_name(s), count[i][t][s]);
	if (earliest == MSEC_NEVER)
		return;
	family(f, "natd_mapping_expiry_timestamp_seconds", "gauge",
	    "When the first lease ends unless it is renewed, in Unix time.");
	fprintf(f, "natd_mapping_expiry_timestamp_seconds %.3f\n",
	    (double)(loop_realtime_usec() + earliest * 1000 - loop_boottime_usec()) /
		1e6);
}

static void
per_method(FILE *f, const char *name, const char *help, const uint64_t *values)
{
	family(f, name, "counter", help);
	for (enum method m = 0; m < METHOD_MAX; m++)
		fprintf(f, "%s{method=\"%s\"} %" PRIu64 "\n", name, method_name(m),
		    values[m]);
}

static void
counter(FILE *f, const char *name, const char *help, uint64_t value)
{
	family(f, name, "counter", help);
	fprintf(f, "%s %" PRIu64 "\n", name, value);
}

static void
failures(FILE *f, const struct engine_counters *c)
{
	const char *name = "natd_mapping_request_failures_total";

	family(f, name, "counter",
	    "Requests that were refused or not answered, by the problem's code.");
	for (enum method m = 0; m < METHOD_MAX; m++)
		for (enum problem_code p = 0; p < PROBLEM_CODES; p++)
			fprintf(f, "%s{method=\"%s\",reason=\"%s\"} %" PRIu64 "\n",
			    name, method_name(m), problem_code_name(p),
			    c->failures[m][p]);
}

static void
events(struct api *a, FILE *f)
{
	const struct engine_counters *c = engine_get_counters(a->engine);

	per_method(f, "natd_mapping_requests_total", "Requests that a router granted.",
	    c->requests);
	failures(f, c);
	per_method(f, "natd_mapping_renewals_total", "Renewals granted.", c->renewals);
	per_method(f, "natd_mapping_renewal_failures_total",
	    "Renewals that were refused or not answered.", c->renewal_failures);
	family(f, "natd_external_address_changes_total", "counter",
	    "Changes of a router's external address, after it was first known.");
	for (unsigned v6 = 0; v6 < 2; v6++)
		fprintf(f,
		    "natd_external_address_changes_total{family=\"%s\"} %" PRIu64 "\n",
		    v6 ? "ipv6" : "ipv4", c->external_changes[v6]);
	counter(f, "natd_gateway_restarts_total",
	    "Restarts of routers that lost their mappings.", c->gateway_restarts);
	counter(f, "natd_netlink_errors_total",
	    "Times the kernel's tables could not be read.", c->netlink_errors);
	counter(f, "natd_netlink_events_total", "Messages from the kernel.",
	    engine_netlink_events(a->engine));
	counter(f, "natd_netlink_overruns_total",
	    "Times the kernel had more news than fit, healed by reading all anew.",
	    engine_netlink_overruns(a->engine));
}

static void
stun(struct api *a, FILE *f)
{
	const struct stun_counters *c = stun_get_counters(a->stun);

	family(f, "natd_stun_bindings", "gauge", "Sockets watched by STUN.");
	fprintf(f, "natd_stun_bindings %u\n", c->watches);
	counter(f, "natd_stun_requests_total", "Requests sent to STUN servers.",
	    c->requests);
	counter(f, "natd_stun_answers_total", "Answers of STUN servers.", c->answers);
	counter(f, "natd_stun_failures_total",
	    "STUN servers that did not answer in time, or refused.", c->failures);
	counter(f, "natd_stun_address_changes_total",
	    "Watched sockets that were seen at another address.", c->changes);
	family(f, "natd_stun_server_up", "gauge",
	    "Whether the circuit breaker of a STUN server is closed.");
	for (size_t i = 0; i < stun_servers(a->stun); i++) {
		struct stun_server_status st;

		stun_server_status(a->stun, i, &st);
		fprintf(f, "natd_stun_server_up{server=\"%s\"} %d\n", st.name,
		    st.circuit == STUN_CIRCUIT_CLOSED);
	}
}

/* ---- routers ---- */

#define LABELS_MAX 96

static const char *
labels_of(const struct gateway *g, char ret[static LABELS_MAX])
{
	const struct netmon_uplink *u = gateway_uplink(g);

	snprintf(ret, LABELS_MAX, "interface=\"%s\",family=\"%s\"", u->name,
	    u->family == AF_INET6 ? "ipv6" : "ipv4");
	return ret;
}

static void
round_trips(FILE *f, const struct gateway *g, enum router_service s)
{
	const struct router_trips *t = router_trips(gateway_router(g), s);
	const char *name = "natd_gateway_round_trip_seconds";
	char of_router[LABELS_MAX], labels[LABELS_MAX + 32];
	struct service_status st;
	uint64_t count = 0;

	router_service_status(gateway_router(g), s, &st);
	snprintf(labels, sizeof(labels), "%s,method=\"%s\"", labels_of(g, of_router),
	    method_name(st.method));
	for (size_t i = 0; i < ROUTER_TRIPS; i++) {
		count += t->count[i];
		fprintf(f, "%s_bucket{%s,le=\"%.3f\"} %" PRIu64 "\n", name, labels,
		    (double)router_trip_bounds_ms[i] / 1000, count);
	}
	count += t->count[ROUTER_TRIPS];
	fprintf(f, "%s_bucket{%s,le=\"+Inf\"} %" PRIu64 "\n", name, labels, count);
	fprintf(f, "%s_sum{%s} %.3f\n", name, labels, (double)t->sum_ms / 1000);
	fprintf(f, "%s_count{%s} %" PRIu64 "\n", name, labels, count);
}

static void
each_router(struct api *a, FILE *f, const char *name,
    uint64_t (*value)(const struct gateway *g))
{
	char labels[LABELS_MAX];

	for (size_t i = 0; i < engine_gateways(a->engine); i++) {
		const struct gateway *g = engine_gateway(a->engine, i);

		fprintf(
		    f, "%s{%s} %" PRIu64 "\n", name, labels_of(g, labels), value(g));
	}
}

static void
each_service(struct api *a, FILE *f, const char *name,
    bool (*value)(const struct service_status *st))
{
	char labels[LABELS_MAX];

	for (size_t i = 0; i < engine_gateways(a->engine); i++) {
		const struct gateway *g = engine_gateway(a->engine, i);

		for (enum router_service s = 0; s < ROUTER_SERVICES; s++) {
			struct service_status st;

			router_service_status(gateway_router(g), s, &st);
			fprintf(f, "%s{%s,method=\"%s\"} %d\n", name,
			    labels_of(g, labels), method_name(st.method), value(&st));
		}
	}
}

static bool
is_available(const struct service_status *st)
{
	return st->state == SERVICE_AVAILABLE;
}

static bool
is_open(const struct service_status *st)
{
	return st->circuit != CIRCUIT_CLOSED;
}

static uint64_t
under_way(const struct gateway *g)
{
	return router_exchanges(gateway_router(g));
}

static void
gateways(struct api *a, FILE *f)
{
	family(f, "natd_gateway_up", "gauge", "Whether the router offers the method.");
	each_service(a, f, "natd_gateway_up", is_available);
	family(f, "natd_gateway_round_trip_seconds", "histogram",
	    "How long answers to questions that were sent once took.");
	for (size_t i = 0; i < engine_gateways(a->engine); i++)
		for (enum router_service s = 0; s < ROUTER_SERVICES; s++)
			if (gateway_may_offer(engine_gateway(a->engine, i), s))
				round_trips(f, engine_gateway(a->engine, i), s);
	family(f, "natd_gateway_requests_under_way", "gauge",
	    "Requests waiting for an answer, at most 50 per router and 1 for UPnP.");
	each_router(a, f, "natd_gateway_requests_under_way", under_way);
	family(f, "natd_gateway_soap_requests_total", "counter",
	    "SOAP requests sent to the router, at most 5 in any second.");
	each_router(a, f, "natd_gateway_soap_requests_total", gateway_soap_requests);
	family(f, "natd_gateway_circuit_open", "gauge",
	    "Whether the circuit breaker of a service is open or half open.");
	each_service(a, f, "natd_gateway_circuit_open", is_open);
}

/* ---- the rest ---- */

static void
traces(struct api *a, FILE *f)
{
	const struct trace_counters c = trace_get_counters(a->hooks.trace);
	const char *lost = "natd_trace_spans_dropped_total";

	counter(f, "natd_trace_spans_total", "Spans that the trace collector took.",
	    c.exported);
	family(f, lost, "counter",
	    "Spans lost: the queue was full, or the collector did not want them.");
	fprintf(f, "%s{reason=\"queue_full\"} %" PRIu64 "\n", lost, c.overflowed);
	fprintf(f, "%s{reason=\"refused\"} %" PRIu64 "\n", lost, c.refused);
}

static void
nats(struct api *a, FILE *f)
{
	struct behavior_status st;

	family(f, "natd_nat_behavior", "gauge",
	    "How the NAT on the way out behaves, in the terms of RFC 4787.");
	for (size_t i = 0; behaviors_get(a->behaviors, i, &st); i++)
		fprintf(f,
		    "natd_nat_behavior{interface=\"%s\",family=\"%s\",mapping=\"%s\","
		    "filtering=\"%s\"} 1\n",
		    st.ifname, st.family == ADDR_IPV6 ? "ipv6" : "ipv4",
		    behavior_name(st.result.mapping),
		    behavior_name(st.result.filtering));
	family(f, "natd_nat_fragments", "gauge",
	    "Whether UDP datagrams in fragments come through there.");
	for (size_t i = 0; behaviors_get(a->behaviors, i, &st); i++)
		if (st.fragments >= 0)
			fprintf(f,
			    "natd_nat_fragments{interface=\"%s\",family=\"%s\"} %d\n",
			    st.ifname, st.family == ADDR_IPV6 ? "ipv6" : "ipv4",
			    st.fragments);
	family(f, "natd_nat_binding_lifetime_seconds", "gauge",
	    "How long an idle UDP binding lives there.");
	for (size_t i = 0; behaviors_get(a->behaviors, i, &st); i++)
		if (st.lifetime_s > 0)
			fprintf(f,
			    "natd_nat_binding_lifetime_seconds{interface=\"%s\",family="
			    "\"%s\"} %u\n",
			    st.ifname, st.family == ADDR_IPV6 ? "ipv6" : "ipv4",
			    st.lifetime_s);
}

struct each {
	FILE *f;
	const char *kind, *name, *label;
};

static void
each_counter(const char *kind, const char *name, uint64_t count, void *ctx)
{
	const struct each *e = ctx;

	if (strcmp(kind, e->kind) == 0)
		fprintf(e->f, "%s{%s=\"%s\"} %" PRIu64 "\n", e->name, e->label, name,
		    count);
}

static void
connections_refused(const char *kind, const char *name, uint64_t count, void *ctx)
{
	if (strcmp(kind, "connection") == 0 && strcmp(name, "refused") == 0)
		fprintf(ctx, "natd_connections_refused_total %" PRIu64 "\n", count);
}

static void
clients(struct api *a, FILE *f)
{
	struct each calls = { f, "method", "natd_client_calls_total", "method" };
	struct each errors = { f, "error", "natd_client_errors_total", "error" };

	family(f, "natd_clients", "gauge", "Connections to the control socket.");
	fprintf(f, "natd_clients %u\n", varlink_server_connections(a->server));
	family(f, "natd_connections_refused_total", "counter",
	    "Connections to the control socket over a limit.");
	varlink_server_counters(a->server, connections_refused, f);
	family(f, calls.name, "counter", "Calls by method.");
	varlink_server_counters(a->server, each_counter, &calls);
	family(f, errors.name, "counter", "Calls answered with an error.");
	varlink_server_counters(a->server, each_counter, &errors);
}

static void
process(struct api *a, FILE *f)
{
	struct rusage usage;
	msec_t longest, total;
	long pages = 0;
	FILE *statm = fopen("/proc/self/statm", "re");

	getrusage(RUSAGE_SELF, &usage);
	loop_lag(a->loop, &longest, &total);
	family(f, "natd_event_loop_lag_seconds", "gauge",
	    "The longest time one turn of the event loop took.");
	fprintf(f, "natd_event_loop_lag_seconds %.3f\n", (double)longest / 1000);
	family(f, "process_cpu_seconds_total", "counter", "Processor time used.");
	fprintf(f, "process_cpu_seconds_total %.3f\n",
	    (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
		(double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6);
	if (statm) {
		if (fscanf(statm, "%*d %ld", &pages) != 1)
			pages = 0;
		fclose(statm);
	}
	family(f, "process_resident_memory_bytes", "gauge", "Resident memory.");
	fprintf(
	    f, "process_resident_memory_bytes %ld\n", pages * sysconf(_SC_PAGESIZE));
}

char *
metrics_text(struct api *a)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return NULL;
	build_info(a, f);
	state(a, f);
	mappings(a, f);
	events(a, f);
	gateways(a, f);
	stun(a, f);
	nats(a, f);
	clients(a, f);
	traces(a, f);
	process(a, f);
	if (fclose(f) != 0) {
		free(text);
		return NULL;
	}
	return text;
}
