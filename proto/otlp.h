/*
 * otlp.h - traces as OpenTelemetry's OTLP/HTTP has them, in JSON.
 *
 * A span becomes text when it ends, and a batch of texts one POST to the collector:
 * opentelemetry-proto 1.x, whose JSON has lowerCamelCase names, ids in hexadecimal,
 * 64-bit integers as decimal text and enums as numbers.  Nothing here knows where the
 * spans come from.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "proto/url.h"

#define OTLP_TRACE_ID_LEN 16
#define OTLP_SPAN_ID_LEN 8
/* Text of one span. */
#define OTLP_SPAN_MAX (8 * 1024)
/* What stands before the spans of a batch: resource and scope. */
#define OTLP_SCOPE_MAX 4096
#define OTLP_HEADERS_MAX 2048

struct otlp_attribute {
	const char *key;
	const char *text; /* NULL: number */
	int64_t number;
};

struct otlp_event {
	uint64_t at_ns; /* since 1970 */
	const char *name;
	const struct otlp_attribute *attributes;
	size_t attributes_count;
};

/* SpanKind of opentelemetry-proto. */
enum otlp_kind { OTLP_INTERNAL = 1, OTLP_SERVER = 2, OTLP_CLIENT = 3 };

/* All texts are borrowed; what is not UTF-8 in them is made printable. */
struct otlp_span {
	uint8_t trace[OTLP_TRACE_ID_LEN], id[OTLP_SPAN_ID_LEN];
	uint8_t parent[OTLP_SPAN_ID_LEN]; /* all 0: a root */
	const char *name;
	enum otlp_kind kind;
	uint64_t start_ns, end_ns; /* since 1970 */
	const struct otlp_attribute *attributes;
	size_t attributes_count;
	const struct otlp_event *events; /* oldest first */
	size_t events_count, events_dropped;
	bool failed;
	const char *message; /* of the failure, or NULL */
};

/* The span as an object.  Its length, or -ENOBUFS: it does not fit, or no memory. */
ssize_t otlp_encode_span(char *buf, size_t size, const struct otlp_span *span);

/*
 * All that stands before the spans.  attributes is OTEL_RESOURCE_ATTRIBUTES (NULL:
 * none), "key=value,..." with percent-encoded values; service is OTEL_SERVICE_NAME
 * (NULL: service.name of the attributes, else "natd").  Length, -EINVAL: the attributes
 * are none; -ENOBUFS.
 */
ssize_t
otlp_encode_scope(char *buf, size_t size, const char *service, const char *attributes);

/* Where the batches go. */
struct otlp_target {
	struct url url;
	char headers[OTLP_HEADERS_MAX]; /* lines that end with CR LF */
};

/*
 * endpoint is "http://HOST[:PORT][/PATH]"; whole: it is the address for traces (of
 * OTEL_EXPORTER_OTLP_TRACES_ENDPOINT), otherwise "/v1/traces" is appended.  headers is
 * OTEL_EXPORTER_OTLP_HEADERS or NULL.  0, -EPROTONOSUPPORT: https; -EINVAL: endpoint
 * is no URL; -EBADMSG: headers are none.
 */
int otlp_target(
    const char *endpoint, bool whole, const char *headers, struct otlp_target *ret);

/* One POST with the spans, of which each was made by otlp_encode_span().  To be freed,
 * NULL: no memory. */
char *otlp_encode_post(const struct otlp_target *target, const char *scope,
    const char *const *spans, size_t count, size_t *ret_len);

/* What the answer of a collector means. */
enum otlp_verdict { OTLP_TAKEN, OTLP_AGAIN, OTLP_REFUSED };

/* By the status; only 429, 502, 503 and 504 may be asked again. */
enum otlp_verdict otlp_verdict(int status);

/* How many spans a collector that took the rest did not want: partialSuccess of its
 * answer, 0 if it says nothing of it. */
uint64_t otlp_decode_rejected(const char *body, size_t len);
