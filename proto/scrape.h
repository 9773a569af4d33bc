/*
 * scrape.h - what Prometheus asks over HTTP, and the two formats it may be answered in.
 *
 * One request per connection: GET /metrics, at most SCRAPE_REQUEST_MAX bytes with all
 * headers, no body.  The text format 0.0.4 is what natd writes; OpenMetrics 1.0.0 is
 * made from it for who asks for it by Accept.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define SCRAPE_REQUEST_MAX 4096
#define SCRAPE_HEAD_MAX 512

enum scrape_format { SCRAPE_TEXT, SCRAPE_OPEN_METRICS };

/*
 * Reads a request as far as it came.  0: more is needed; else the HTTP status to
 * answer: 200 with *ret_format, 400, 404, 405 (not GET), or 431 (too long).
 */
int scrape_decode(const char *request, size_t len, enum scrape_format *ret_format);

/* The head of the answer to that status, for a body of that length.  Length or
 * -ENOBUFS.
 */
ssize_t scrape_encode_head(
    char *buf, size_t size, int status, enum scrape_format format, size_t body_len);

/* "text/plain; version=0.0.4; charset=utf-8" */
const char *scrape_content_type(enum scrape_format format);

/* Text format 0.0.4, whose counters all end in _total, as OpenMetrics: families of
 * counters without _total, "# EOF" at the end.  To be freed; NULL: out of memory. */
char *scrape_open_metrics(const char *text);
