/*
 * trace_export.h - the queue of finished spans, and the way to the collector.
 */
#pragma once

#include "daemon/trace.h"
#include "proto/otlp.h"

#define TRACE_QUEUE_MAX 512
#define TRACE_BATCH_MAX 64
#define TRACE_BATCH_BYTES_MAX (192 * 1024)
/* How long the first span of a batch waits for others. */
#define TRACE_DELAY_MS (1 * MSEC_PER_SEC)
#define TRACE_FLUSH_MS (1 * MSEC_PER_SEC)

struct trace_export; /* opaque */

/* scope as of otlp_encode_scope(); both are copied.  0 or -ENOMEM. */
int trace_export_new(struct loop *loop, const struct otlp_target *target,
    const char *scope, struct trace_export **ret);
struct trace_export *trace_export_free(struct trace_export *x);

/* Takes a text of otlp_encode_span(); NULL counts as one that was lost. */
void trace_export_put(struct trace_export *x, char *span);

void trace_export_flush(struct trace_export *x, void (*done)(void *ctx), void *ctx);
const struct trace_counters *trace_export_counters(const struct trace_export *x);
