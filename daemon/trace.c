/*
 * trace.c - the spans of calls, and of what the routers were asked for them.
 *
 * A call is a root.  Once it is about a mapping, the steps of the router that serves
 * the mapping become its children, one per method; what was already under way when the
 * call came belongs to it from then on.  The first answer ends it all.
 */
#include "daemon/trace.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "daemon/log.h"
#include "daemon/random.h"
#include "daemon/trace_export.h"
#include "proto/text.h"

/* Calls that are waiting for an answer; more are not traced. */
#define OPEN_MAX 256
#define EVENTS_MAX 24
#define METHOD_NAME_MAX 96

struct event {
	uint64_t at_ns;
	struct router_step step;
};

/* One method tried for one call. */
struct attempt {
	uint8_t id[OTLP_SPAN_ID_LEN];
	uint64_t start_ns, end_ns;
	struct router_step last; /* the last one that ended something */
	bool waits;              /* a question is under way */
	char gateway[64];
	size_t count, dropped;
	struct event events[EVENTS_MAX];
};

struct request {
	LIST_ENTRY(request) link;
	const struct varlink_call *call;
	const struct mapping *mapping; /* NULL: it is about none */
	char method[METHOD_NAME_MAX], mapping_id[MAPPING_ID_MAX];
	int64_t uid;
	uint8_t trace[OTLP_TRACE_ID_LEN], id[OTLP_SPAN_ID_LEN];
	uint64_t start_ns;
	struct attempt *attempt[ROUTER_SERVICES];
};

struct trace {
	struct trace_export *export;
	struct varlink_observer observer;
	LIST_HEAD(requests, request) requests;
	unsigned open;
	uint64_t untraced;
};

static uint64_t
now_ns(void)
{
	return (uint64_t)loop_realtime_usec() * 1000;
}

static void
put(struct trace *t, const struct otlp_span *span)
{
	char text[OTLP_SPAN_MAX];

	trace_export_put(t->export,
	    otlp_encode_span(text, sizeof(text), span) < 0 ? NULL : strdup(text));
}

/* ---- attempts ---- */

static size_t
describe(const struct event *e, struct otlp_attribute ret[static 3])
{
	const struct router_step *s = &e->step;
	size_t n = 0;

	if (s->kind == STEP_SENT) {
		ret[n++] = (struct otlp_attribute) { "natd.question", s->question, 0 };
		ret[n++] = (struct otlp_attribute) { "natd.sends", NULL, s->sends };
	} else if (!s->found) {
		ret[n++] = (struct otlp_attribute) { "natd.problem", s->problem, 0 };
		if (s->code)
			ret[n++] =
			    (struct otlp_attribute) { "natd.code", NULL, s->code };
	}
	return n;
}

static const char *
event_name(const struct router_step *s)
{
	return s->kind == STEP_ENDED ? s->found ? "answer" : "failure"
	       : s->sends > 1        ? "retransmission"
				     : "request";
}

static void
end_attempt(struct trace *t, const struct request *r, const struct attempt *a)
{
	struct otlp_attribute of_event[EVENTS_MAX][3];
	struct otlp_event events[EVENTS_MAX];
	const struct otlp_attribute attributes[] = {
		{ "natd.method", method_name(a->last.method), 0 },
		{ "natd.gateway", a->gateway, 0 },
	};
	struct otlp_span span = {
		.name = method_name(a->last.method),
		.kind = OTLP_CLIENT,
		.start_ns = a->start_ns,
		.end_ns = a->waits ? now_ns() : a->end_ns,
		.attributes = attributes,
		.attributes_count = ARRAY_SIZE(attributes),
		.events = events,
		.events_count = a->count,
		.events_dropped = a->dropped,
		.failed = !a->last.found,
		.message = a->last.problem[0] ? a->last.problem : "no answer yet",
	};

	memcpy(span.trace, r->trace, sizeof(span.trace));
	memcpy(span.parent, r->id, sizeof(span.parent));
	memcpy(span.id, a->id, sizeof(span.id));
	for (size_t i = 0; i < a->count; i++)
		events[i] = (struct otlp_event) {
			.at_ns = a->events[i].at_ns,
			.name = event_name(&a->events[i].step),
			.attributes = of_event[i],
			.attributes_count = describe(&a->events[i], of_event[i]),
		};
	put(t, &span);
}

static struct attempt *
attempt_new(uint64_t start_ns, const struct gateway *g)
{
	struct attempt *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	random_fill(a->id, sizeof(a->id));
	a->start_ns = start_ns;
	snprintf(a->gateway, sizeof(a->gateway), "%s", gateway_name(g));
	return a;
}

static void
add_step(struct request *r, const struct gateway *g, const struct router_step *step)
{
	struct attempt *a = r->attempt[step->service];
	uint64_t now = now_ns();

	if (!a)
		a = r->attempt[step->service] = attempt_new(now, g);
	if (!a)
		return;
	if (a->count < EVENTS_MAX)
		a->events[a->count++] = (struct event) { now, *step };
	else
		a->dropped++;
	a->end_ns = now;
	a->waits = step->kind == STEP_SENT;
	a->last.method = step->method;
	if (step->kind == STEP_ENDED)
		a->last = *step;
}

static void
on_step(const struct mapping *m, const struct gateway *g,
    const struct router_step *step, void *ctx)
{
	struct trace *t = ctx;
	struct request *r;

	LIST_FOREACH(r, &t->requests, link)
	{
		if (!r->mapping)
			continue;
		/* What finds out what the router speaks is for all who wait for it. */
		if (m ? r->mapping == m
		      : r->mapping->gateway == g || r->mapping->carrier == g)
			add_step(r, g, step);
	}
}

/* ---- calls ---- */

static void
on_called(const struct varlink_call *call, const char *method, void *ctx)
{
	struct trace *t = ctx;
	struct request *r =
	    t->open < OPEN_MAX ? calloc(1, sizeof(struct request)) : NULL;

	if (!r) {
		t->untraced++;
		return;
	}
	r->call = call;
	r->uid = varlink_call_uid(call);
	text_copy_printable(r->method, sizeof(r->method), method, strlen(method));
	random_fill(r->trace, sizeof(r->trace));
	random_fill(r->id, sizeof(r->id));
	r->start_ns = now_ns();
	LIST_INSERT_HEAD(&t->requests, r, link);
	t->open++;
}

static struct request *
find(struct trace *t, const struct varlink_call *call)
{
	struct request *r;

	LIST_FOREACH(r, &t->requests, link)
	if (r->call == call)
		return r;
	return NULL;
}

static void
request_free(struct trace *t, struct request *r)
{
	for (size_t i = 0; i < ARRAY_SIZE(r->attempt); i++)
		free(r->attempt[i]);
	LIST_REMOVE(r, link);
	t->open--;
	free(r);
}

static void
on_answered(const struct varlink_call *call, const char *error, void *ctx)
{
	struct trace *t = ctx;
	struct request *r = find(t, call);
	struct otlp_attribute attributes[5] = {
		{ "rpc.system", "varlink", 0 },
		{ "rpc.method", r ? r->method : NULL, 0 },
		{ "natd.uid", NULL, r ? r->uid : 0 },
	};
	size_t count = 3;
	struct otlp_span span;

	if (!r)
		return;
	if (error)
		attributes[count++] =
		    (struct otlp_attribute) { "error.type", error, 0 };
	if (r->mapping_id[0])
		attributes[count++] =
		    (struct otlp_attribute) { "natd.mapping.id", r->mapping_id, 0 };
	for (size_t i = 0; i < ARRAY_SIZE(r->attempt); i++)
		if (r->attempt[i])
			end_attempt(t, r, r->attempt[i]);
	span = (struct otlp_span) {
		.name = r->method,
		.kind = OTLP_SERVER,
		.start_ns = r->start_ns,
		.end_ns = now_ns(),
		.attributes = attributes,
		.attributes_count = count,
		.failed = error != NULL,
		.message = error,
	};
	memcpy(span.trace, r->trace, sizeof(span.trace));
	memcpy(span.id, r->id, sizeof(span.id));
	put(t, &span);
	request_free(t, r);
}

void
trace_mapping(struct trace *t, const struct varlink_call *call, const struct mapping *m)
{
	struct request *r = t ? find(t, call) : NULL;

	if (!r)
		return;
	r->mapping = m;
	snprintf(r->mapping_id, sizeof(r->mapping_id), "%s", m->id);
}

/* ---- life ---- */

const struct varlink_observer *
trace_observer(const struct trace *t)
{
	return t ? &t->observer : NULL;
}

void
trace_engine(struct trace *t, struct engine *e)
{
	const struct engine_tracer tracer = { .step = on_step, .ctx = t };

	if (t)
		engine_trace(e, &tracer);
}

static const char *
env(const char *name)
{
	const char *value = getenv(name);

	return value && *value ? value : NULL;
}

/* 0; -ENOENT: nobody asked for traces; another -errno after a message. */
static int
read_environment(struct otlp_target *ret_target, char *ret_scope, size_t size)
{
	const char *whole = env("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT");
	const char *endpoint = whole ? whole : env("OTEL_EXPORTER_OTLP_ENDPOINT");
	const char *why = NULL;
	int r;

	if (!endpoint)
		return -ENOENT;
	r = otlp_target(
	    endpoint, whole != NULL, env("OTEL_EXPORTER_OTLP_HEADERS"), ret_target);
	if (r == -EPROTONOSUPPORT)
		why = "natd speaks plain http only: name a collector on this host";
	else if (r == -EBADMSG)
		why = "OTEL_EXPORTER_OTLP_HEADERS is no list of NAME=VALUE";
	else if (r < 0)
		why = "the endpoint is no http://HOST:PORT";
	else if (otlp_encode_scope(ret_scope, size, env("OTEL_SERVICE_NAME"),
		     env("OTEL_RESOURCE_ATTRIBUTES")) < 0)
		why = "OTEL_RESOURCE_ATTRIBUTES is no list of NAME=VALUE";
	if (!why)
		return 0;
	log_warning("no traces to %s: %s", endpoint, why);
	return -EINVAL;
}

struct trace *
trace_new(struct loop *loop)
{
	struct otlp_target target;
	char scope[OTLP_SCOPE_MAX];
	struct trace *t;

	if (read_environment(&target, scope, sizeof(scope)) < 0)
		return NULL;
	t = calloc(1, sizeof(*t));
	if (!t || trace_export_new(loop, &target, scope, &t->export) < 0) {
		free(t);
		log_warning("no traces: %s", strerror(ENOMEM));
		return NULL;
	}
	t->observer = (struct varlink_observer) { on_called, on_answered, t };
	return t;
}

struct trace *
trace_free(struct trace *t)
{
	struct request *r;

	if (!t)
		return NULL;
	while ((r = LIST_FIRST(&t->requests)) != NULL)
		request_free(t, r);
	trace_export_free(t->export);
	free(t);
	return NULL;
}

void
trace_flush(struct trace *t, void (*done)(void *ctx), void *ctx)
{
	if (t)
		trace_export_flush(t->export, done, ctx);
	else
		done(ctx);
}

struct trace_counters
trace_get_counters(const struct trace *t)
{
	struct trace_counters c = { 0 };

	if (t) {
		c = *trace_export_counters(t->export);
		c.overflowed += t->untraced;
	}
	return c;
}
