/*
 * test_scrape.c - requests of Prometheus and of others, and OpenMetrics.
 */
#include "proto/scrape.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define GET "GET /metrics HTTP/1.1\r\nHost: 127.0.0.1:9851\r\n"
#define OPEN "application/openmetrics-text"

static void
test_requests(void **state)
{
	static const struct {
		const char *request;
		int status;
	} rows[] = {
		{ "", 0 },
		{ "GET", 0 },
		{ GET, 0 },
		{ GET "\r", 0 },
		{ GET "\r\n", 200 },
		{ GET "\r\nbody is not read", 200 },
		{ "GET /metrics HTTP/1.0\n\n", 200 },
		{ "GET /metrics?collect=x HTTP/1.1\r\n\r\n", 200 },
		{ "GET / HTTP/1.1\r\n\r\n", 404 },
		{ "GET /metricsx HTTP/1.1\r\n\r\n", 404 },
		{ "GET /metric HTTP/1.1\r\n\r\n", 404 },
		{ "GET /Metrics HTTP/1.1\r\n\r\n", 404 },
		{ "GET http://h/metrics HTTP/1.1\r\n\r\n", 400 },
		{ "HEAD /metrics HTTP/1.1\r\n\r\n", 405 },
		{ "get /metrics HTTP/1.1\r\n\r\n", 405 },
		{ "POST /metrics HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", 405 },
		{ "GET /metrics\r\n\r\n", 400 },
		{ "GET /metrics HTTP/2\r\n\r\n", 400 },
		{ "GET /metrics GOPHER\r\n\r\n", 400 },
		{ " \r\n\r\n", 400 },
		{ "\r\n\r\n", 400 },
		{ "\n\n", 400 },
		{ "GET /metrics HTTP/1.1\r\nno colon\r\n\r\n", 400 },
	};
	static const char zero[] = GET "A: \0\r\n\r\n";
	enum scrape_format format = SCRAPE_TEXT;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int status =
		    scrape_decode(rows[i].request, strlen(rows[i].request), &format);

		if (status != rows[i].status || format != SCRAPE_TEXT)
			fail_msg(
			    "%s: %d, not %d", rows[i].request, status, rows[i].status);
	}
	assert_int_equal(scrape_decode(zero, sizeof(zero) - 1, &format), 400);
}

/* Fed in pieces, whole at its last byte and not before. */
static void
test_cut_anywhere(void **state)
{
	static const char request[] = GET "Accept: " OPEN "\r\n\r\n";
	enum scrape_format format = SCRAPE_TEXT;

	(void)state;
	for (size_t len = 0; len < sizeof(request) - 1; len++)
		assert_int_equal(scrape_decode(request, len, &format), 0);
	assert_int_equal(format, SCRAPE_TEXT);
	assert_int_equal(scrape_decode(request, sizeof(request) - 1, &format), 200);
	assert_int_equal(format, SCRAPE_OPEN_METRICS);
}

static void
test_too_long(void **state)
{
	static char request[SCRAPE_REQUEST_MAX + 100];
	enum scrape_format format = SCRAPE_TEXT;
	size_t head = strlen(GET "A: ");

	(void)state;
	memset(request, 'x', sizeof(request));
	memcpy(request, GET "A: ", head);
	assert_int_equal(scrape_decode(request, SCRAPE_REQUEST_MAX - 1, &format), 0);
	assert_int_equal(scrape_decode(request, SCRAPE_REQUEST_MAX, &format), 431);
	/* An end behind the limit does not count. */
	memcpy(request + SCRAPE_REQUEST_MAX - 2, "\r\n\r\n", 4);
	assert_int_equal(scrape_decode(request, SCRAPE_REQUEST_MAX + 2, &format), 431);
	memcpy(request + SCRAPE_REQUEST_MAX - 4, "\r\n\r\n", 4);
	assert_int_equal(scrape_decode(request, SCRAPE_REQUEST_MAX, &format), 200);
}

static void
test_accept(void **state)
{
	static const struct {
		const char *accept;
		enum scrape_format format;
	} rows[] = {
		/* Prometheus 2.42 */
		{ OPEN ";version=1.0.0," OPEN ";version=0.0.1;q=0.75,"
		       "text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
		    SCRAPE_OPEN_METRICS },
		/* Prometheus 2.20: a version that is not written */
		{ OPEN "; version=0.0.1,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
		    SCRAPE_TEXT },
		{ OPEN, SCRAPE_OPEN_METRICS },
		{ "Application/OpenMetrics-Text ; q=1", SCRAPE_OPEN_METRICS },
		{ "text/plain;version=0.0.4", SCRAPE_TEXT },
		{ "*/*", SCRAPE_TEXT },
		{ "", SCRAPE_TEXT },
		{ OPEN ";q=0", SCRAPE_TEXT },
		{ OPEN ";q=0.000", SCRAPE_TEXT },
		{ OPEN ";q=0.001", SCRAPE_OPEN_METRICS },
		{ OPEN ";q=0.0001", SCRAPE_TEXT },
		{ OPEN ";q=0.3, text/plain;q=0.4", SCRAPE_TEXT },
		{ OPEN ";q=0.4, text/plain;q=0.4", SCRAPE_OPEN_METRICS },
		{ OPEN ";q=1.000, text/plain", SCRAPE_OPEN_METRICS },
		{ OPEN ";q=x", SCRAPE_TEXT },
		{ OPEN ";q=", SCRAPE_TEXT },
		{ OPEN ";q=-1", SCRAPE_TEXT },
		{ "x" OPEN, SCRAPE_TEXT },
		{ ",,;;,=", SCRAPE_TEXT },
	};
	char request[1024];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		enum scrape_format format = SCRAPE_OPEN_METRICS;

		snprintf(
		    request, sizeof(request), GET "aCCEPT:%s\r\n\r\n", rows[i].accept);
		assert_int_equal(scrape_decode(request, strlen(request), &format), 200);
		if (format != rows[i].format)
			fail_msg("%s: %d", rows[i].accept, format);
	}
}

static void
test_heads(void **state)
{
	char buf[SCRAPE_HEAD_MAX];

	(void)state;
	assert_true(scrape_encode_head(buf, sizeof(buf), 200, SCRAPE_TEXT, 1234) > 0);
	assert_string_equal(buf,
	    "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4; "
	    "charset=utf-8\r\nContent-Length: 1234\r\nConnection: close\r\n\r\n");
	assert_true(
	    scrape_encode_head(buf, sizeof(buf), 405, SCRAPE_OPEN_METRICS, 0) > 0);
	assert_string_equal(buf,
	    "HTTP/1.1 405 Method Not Allowed\r\nAllow: GET\r\nContent-Length: 0\r\n"
	    "Connection: close\r\n\r\n");
	for (size_t size = 1; size < strlen(buf); size += 20)
		assert_true(scrape_encode_head(buf, size, 405, SCRAPE_TEXT, 0) < 0);
}

static void
test_open_metrics(void **state)
{
	static const struct {
		const char *text, *open;
	} rows[] = {
		{ "", "# EOF\n" },
		{ "# HELP a_total Help of a_total.\n# TYPE a_total counter\n"
		  "a_total{b=\"# TYPE x_total counter\"} 1\n",
		    "# HELP a Help of a_total.\n# TYPE a counter\n"
		    "a_total{b=\"# TYPE x_total counter\"} 1\n# EOF\n" },
		{ "# HELP total_bytes A gauge.\n# TYPE total_bytes gauge\n"
		  "total_bytes 1\n",
		    "# HELP total_bytes A gauge.\n# TYPE total_bytes gauge\n"
		    "total_bytes 1\n# EOF\n" },
		{ "# TYPE _total\n", "# TYPE \n# EOF\n" },
		{ "# TYPE\n", "# TYPE\n# EOF\n" },
		{ "# TYPE a_total counter", "# TYPE a counter# EOF\n" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *open = scrape_open_metrics(rows[i].text);

		assert_non_null(open);
		assert_string_equal(open, rows[i].open);
		free(open);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests),
		cmocka_unit_test(test_cut_anywhere),
		cmocka_unit_test(test_too_long),
		cmocka_unit_test(test_accept),
		cmocka_unit_test(test_heads),
		cmocka_unit_test(test_open_metrics),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
