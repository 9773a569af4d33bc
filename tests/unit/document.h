/*
 * document.h - recorded XML documents: taken out of their HTTP message, timed.
 */
#pragma once

#include <time.h>

#include "proto/http.h"
#include "tests/unit/recorded.h"

/* Every hostile document is refused, and every good one read, in less CPU time; a build
 * with sanitizers, or not optimized, is allowed more. */
#if defined(__SANITIZE_ADDRESS__) || !defined(__OPTIMIZE__)
#define DOCUMENT_CPU_MS 100
#else
#define DOCUMENT_CPU_MS 10
#endif

struct document {
	int http;   /* what the HTTP reader says: 1, or -errno */
	int status; /* of the HTTP response; 200 for a bare document */
	char *xml;  /* malloc */
	size_t len;
};

/* The body of a message that the HTTP reader refuses: what is behind the first empty
 * line, as it is. */
static inline const char *
document_behind_head(const char *message, size_t *len)
{
	const char *end = memmem(message, *len, "\r\n\r\n", 4);

	end = end ? end + 4 : message + *len;
	*len -= (size_t)(end - message);
	return end;
}

/* Leaves of a whole HTTP response its body. */
static inline void
document_from_http(struct document *d)
{
	struct http_response *response = http_response_new(HTTP_BODY_MAX);
	char *message = d->xml;
	const char *body;

	assert_non_null(response);
	d->http = http_response_feed(response, message, d->len);
	if (d->http == 0)
		d->http = http_response_eof(response);
	if (d->http == 1) {
		d->status = http_response_status(response);
		body = http_response_body(response, &d->len);
	} else {
		body = document_behind_head(message, &d->len);
	}
	d->xml = malloc(d->len ? d->len : 1);
	assert_non_null(d->xml);
	memcpy(d->xml, body, d->len);
	free(message);
	http_response_free(response);
}

static inline struct document
document_read(const char *folder, const char *name)
{
	struct document d = { .http = 1, .status = 200 };
	const char *ending = strrchr(name, '.');

	d.xml = recorded_read(folder, name, &d.len);
	if (ending && strcmp(ending, ".http") == 0)
		document_from_http(&d);
	return d;
}

static inline double
document_cpu_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}
