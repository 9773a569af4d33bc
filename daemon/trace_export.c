/*
 * trace_export.c - batches of spans, one POST at a time, to a collector that may be
 * slow, away or unwilling.
 *
 * A batch stays at the head of the queue until the collector took or refused it.  While
 * it cannot be reached the queue fills up, then new spans are lost and counted.
 */
#include "daemon/trace_export.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/fetch.h"
#include "daemon/log.h"
#include "daemon/random.h"
#include "daemon/resolve.h"
#include "proto/retry.h"
#include "proto/text.h"

#define ANSWER_MAX (64 * 1024)
#define RETRY_BASE_MS (1 * MSEC_PER_SEC)
#define RETRY_CAP_MS (60 * MSEC_PER_SEC)
#define RETRY_AFTER_MAX_S 300

struct trace_export {
	struct loop *loop;
	struct otlp_target target;
	char *scope;
	struct timer timer, flush_timer;
	struct rng rng;

	char *queue[TRACE_QUEUE_MAX];
	size_t first, count;
	size_t batch; /* of them, under way; 0: none is */

	struct resolve *resolve;
	struct endpoint address[RESOLVE_MAX];
	size_t addresses, tried;
	struct fetch *fetch;
	char *post;
	size_t post_len;
	unsigned failures; /* in a row */

	struct trace_counters counters;
	void (*flushed)(void *ctx);
	void *flushed_ctx;
};

static void start(struct trace_export *x);
static void try_next(struct trace_export *x);

static void
drop_batch(struct trace_export *x)
{
	for (; x->batch > 0; x->batch--, x->count--) {
		free(x->queue[x->first]);
		x->queue[x->first] = NULL;
		x->first = (x->first + 1) % TRACE_QUEUE_MAX;
	}
}

static void
tell_flushed(struct trace_export *x)
{
	void (*flushed)(void *) = x->flushed;

	x->flushed = NULL;
	timer_clear(&x->flush_timer);
	if (flushed)
		flushed(x->flushed_ctx);
}

/* The batch is over: gone, or waiting for its next chance. */
static void
finish(struct trace_export *x, msec_t again_ms)
{
	free(x->post);
	x->post = NULL;
	x->batch = 0;
	if (x->flushed && (x->count == 0 || again_ms > 0)) {
		tell_flushed(x);
		return;
	}
	if (x->count > 0)
		timer_set(&x->timer, loop_now() + again_ms);
}

static void
fail(struct trace_export *x, const char *why, msec_t after_ms)
{
	msec_t wait = retry_backoff(x->failures, RETRY_BASE_MS, RETRY_CAP_MS, &x->rng);

	if (x->failures++ == 0)
		log_warning("traces do not reach %s:%u: %s; natd goes on trying",
		    x->target.url.host, x->target.url.port, why);
	finish(x, MAX(wait, after_ms));
}

static void
taken(struct trace_export *x, const struct http_response *response)
{
	size_t len;
	const char *body = http_response_body(response, &len);
	uint64_t rejected = MIN(otlp_decode_rejected(body, len), x->batch);

	if (x->failures > 0)
		log_notice(
		    "traces reach %s:%u again", x->target.url.host, x->target.url.port);
	x->failures = 0;
	x->counters.exported += x->batch - rejected;
	x->counters.refused += rejected;
	drop_batch(x);
	finish(x, 0);
}

static msec_t
retry_after(const struct http_response *response)
{
	const char *text = http_response_header(response, "Retry-After");
	uint64_t seconds;

	/* A date is as good as none: then our own patience. */
	if (!text ||
	    text_to_uint_clamped(text, strlen(text), RETRY_AFTER_MAX_S, &seconds) < 0)
		return 0;
	return (msec_t)seconds * MSEC_PER_SEC;
}

static void
on_answer(int error, const struct http_response *response, void *ctx)
{
	struct trace_export *x = ctx;
	char why[32];
	int status;

	x->fetch = NULL;
	if (error < 0) {
		if (x->tried < x->addresses)
			try_next(x);
		else
			fail(x, strerror(-error), 0);
		return;
	}
	status = http_response_status(response);
	snprintf(why, sizeof(why), "HTTP status %d", status);
	switch (otlp_verdict(status)) {
	case OTLP_TAKEN:
		taken(x, response);
		break;
	case OTLP_AGAIN:
		fail(x, why, retry_after(response));
		break;
	case OTLP_REFUSED:
		x->counters.refused += x->batch;
		drop_batch(x);
		fail(x, why, 0);
		break;
	}
}

static void
try_next(struct trace_export *x)
{
	const struct endpoint *to = &x->address[x->tried++];
	const struct sock_from from = { .local = { .family = to->addr.family } };
	int r = fetch_start(x->loop, &from, to, x->post, x->post_len, ANSWER_MAX,
	    on_answer, x, &x->fetch);

	if (r < 0 && x->tried < x->addresses)
		try_next(x);
	else if (r < 0)
		fail(x, strerror(-r), 0);
}

static void
on_resolved(int error, const struct endpoint *list, size_t n, bool last, void *ctx)
{
	struct trace_export *x = ctx;

	if (!last)
		return;
	x->resolve = NULL;
	if (n == 0) {
		fail(x, error == -ENOENT ? "there is no such host" : strerror(-error),
		    0);
		return;
	}
	x->addresses = MIN(n, ARRAY_SIZE(x->address));
	memcpy(x->address, list, x->addresses * sizeof(*list));
	x->tried = 0;
	try_next(x);
}

/* Encodes the head of the queue.  False: no memory. */
static bool
encode(struct trace_export *x)
{
	const char *spans[TRACE_BATCH_MAX];
	size_t bytes = 0, n = 0;

	while (n < MIN(x->count, (size_t)TRACE_BATCH_MAX)) {
		spans[n] = x->queue[(x->first + n) % TRACE_QUEUE_MAX];
		bytes += strlen(spans[n]);
		if (n > 0 && bytes > TRACE_BATCH_BYTES_MAX)
			break;
		n++;
	}
	x->post = otlp_encode_post(&x->target, x->scope, spans, n, &x->post_len);
	x->batch = n;
	return x->post != NULL;
}

static void
start(struct trace_export *x)
{
	const struct resolve_question q = {
		.host = x->target.url.host,
		.port = x->target.url.port,
	};
	int r = -ENOMEM;

	if (x->batch > 0 || x->count == 0)
		return;
	/* The name anew each time: collectors move. */
	if (encode(x))
		r = resolve_start(x->loop, &q, on_resolved, x, &x->resolve);
	if (r < 0) {
		x->resolve = NULL;
		fail(x, strerror(-r), 0);
	}
}

static void
on_timer(void *ctx)
{
	start(ctx);
}

static void
on_flush_over(void *ctx)
{
	tell_flushed(ctx);
}

void
trace_export_put(struct trace_export *x, char *span)
{
	if (!span || x->count == TRACE_QUEUE_MAX) {
		free(span);
		x->counters.overflowed++;
		return;
	}
	x->queue[(x->first + x->count++) % TRACE_QUEUE_MAX] = span;
	if (x->batch > 0)
		return;
	if (x->count == TRACE_BATCH_MAX && x->failures == 0)
		timer_set(&x->timer, loop_now());
	else if (x->timer.slot == 0)
		timer_set(&x->timer, loop_now() + TRACE_DELAY_MS);
}

void
trace_export_flush(struct trace_export *x, void (*done)(void *ctx), void *ctx)
{
	x->flushed = done;
	x->flushed_ctx = ctx;
	/* From the loop also when there is nothing to do. */
	timer_set(&x->flush_timer, loop_now() + (x->count > 0 ? TRACE_FLUSH_MS : 0));
	if (x->batch == 0)
		timer_set(&x->timer, loop_now());
}

const struct trace_counters *
trace_export_counters(const struct trace_export *x)
{
	return &x->counters;
}

int
trace_export_new(struct loop *loop, const struct otlp_target *target, const char *scope,
    struct trace_export **ret)
{
	struct trace_export *x = calloc(1, sizeof(*x));
	int r;

	if (!x)
		return -ENOMEM;
	x->loop = loop;
	x->target = *target;
	x->rng.state = random_u64();
	x->scope = strdup(scope);
	r = x->scope ? 0 : -ENOMEM;
	if (r == 0)
		r = timer_init(&x->timer, loop, on_timer, x);
	if (r == 0)
		r = timer_init(&x->flush_timer, loop, on_flush_over, x);
	if (r < 0) {
		trace_export_free(x);
		return r;
	}
	*ret = x;
	return 0;
}

struct trace_export *
trace_export_free(struct trace_export *x)
{
	if (!x)
		return NULL;
	resolve_cancel(x->resolve);
	fetch_cancel(x->fetch);
	timer_done(&x->timer);
	timer_done(&x->flush_timer);
	free(x->post);
	x->batch = x->count;
	drop_batch(x);
	free(x->scope);
	free(x);
	return NULL;
}
