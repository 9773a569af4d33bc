/*
 * trace.h - what each request cost and why: spans to an OpenTelemetry collector.
 *
 * Off unless the environment names a collector.  A span for each call to the control
 * socket, and below those that ask a router one for each method that was tried, with
 * every datagram and request as an event.  The queue is bounded: what does not fit is
 * counted and lost.  Nothing waits for the collector.
 */
#pragma once

#include <stdint.h>

#include "daemon/engine.h"
#include "daemon/varlink.h"

struct trace; /* opaque */

struct trace_counters {
	uint64_t exported;   /* spans that the collector took */
	uint64_t overflowed; /* lost: the queue was full, or there was no memory */
	uint64_t refused;    /* lost: the collector did not want them */
};

/*
 * By OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, OTEL_EXPORTER_OTLP_ENDPOINT,
 * OTEL_EXPORTER_OTLP_HEADERS, OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES.  NULL:
 * not asked for, or not possible, then with a line in the log that says why.
 */
struct trace *trace_new(struct loop *loop);
struct trace *trace_free(struct trace *t);

/* Send what there is; done is called when that is over, after a second at the latest.
 * For a NULL trace at once. */
void trace_flush(struct trace *t, void (*done)(void *ctx), void *ctx);

/* What sees the calls and the routers; NULL for a NULL trace, or nothing done. */
const struct varlink_observer *trace_observer(const struct trace *t);
void trace_engine(struct trace *t, struct engine *e);

/* The open call is about this mapping.  A NULL trace is fine. */
void trace_mapping(
    struct trace *t, const struct varlink_call *call, const struct mapping *m);

/* All 0 for a NULL trace. */
struct trace_counters trace_get_counters(const struct trace *t);
