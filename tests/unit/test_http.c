/*
 * test_http.c - requests to the byte; framing, limits and fields of written responses.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/http.h"
#include "proto/util.h"
#include "proto/version.h"
#include "tests/unit/http_cut.h"

/* Written messages: what the files have no room for.  body NULL: closed is an error. */
static const struct {
	const char *text;
	int fed, closed;
	const char *body;
} written[] = {
	/* status lines */
	{ "HTTP/1.1 200\r\n\r\nx", 0, 1, "x" },
	{ "http/1.0   200 OK\r\n\r\nx", 0, 1, "x" },
	{ "HTTP/1.1 200 \r\n\r\nx", 0, 1, "x" },
	{ "HTTP/1.1 20 OK\r\n\r\n", -EBADMSG, -EBADMSG, NULL },
	{ "HTTP/1.1 2000 OK\r\n\r\n", -EBADMSG, -EBADMSG, NULL },
	{ "HTTP/1.1 099 OK\r\n\r\n", -EBADMSG, -EBADMSG, NULL },
	{ "HTTP/1.1 600 OK\r\n\r\n", -EBADMSG, -EBADMSG, NULL },
	{ "HTTP/1.1 +20 OK\r\n\r\n", -EBADMSG, -EBADMSG, NULL },
	{ "HTTP/1.1200 OK\r\n\r\n", -EBADMSG, -EBADMSG, NULL },
	{ "HTTP/1.x 200 OK\r\n\r\n", -EBADMSG, -EBADMSG, NULL },
	{ "HTTP/2 200\r\n\r\n", -EBADMSG, -EBADMSG, NULL },
	{ "HTTP/1.1\r\n\r\n", -EBADMSG, -EBADMSG, NULL },
	{ "\r\nHTTP/1.1 200 OK\r\n\r\n", -EBADMSG, -EBADMSG, NULL },
	{ "<html></html>\n\n", -EBADMSG, -EBADMSG, NULL },
	{ "", 0, -EBADMSG, NULL },
	{ "HTTP/1.1 200 OK\r\nServer: x\r\n", 0, -EBADMSG, NULL },
	/* lengths */
	{ "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxyz", 1, 1, "x" },
	{ "HTTP/1.1 200 OK\r\nCONTENT-LENGTH:1 \r\n\r\nx", 1, 1, "x" },
	{ "HTTP/1.1 200 OK\r\nContent-Length : 1\r\n\r\nx", 1, 1, "x" },
	{ "HTTP/1.1 200 OK\r\nContent-Length: 01\r\ncontent-length: 1\r\n\r\nx", 1, 1,
	    "x" },
	{ "HTTP/1.1 200 OK\r\nContent-Length:\r\n 1\r\n\r\nx", 1, 1, "x" },
	{ "HTTP/1.1 200 OK\nContent-Length: 1\n\nx", 1, 1, "x" },
	{ "HTTP/1.1 200 OK\nContent-Length: 1\r\n\nx", 1, 1, "x" },
	{ "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n 2\r\n\r\nx", -EBADMSG, -EBADMSG,
	    NULL },
	{ "HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\nx", -EBADMSG, -EBADMSG,
	    NULL },
	{ "HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\nx", -EBADMSG, -EBADMSG, NULL },
	{ "HTTP/1.1 200 OK\r\nContent-Length: 0x1\r\n\r\nx", -EBADMSG, -EBADMSG, NULL },
	{ "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\nx", -EBADMSG, -EBADMSG, NULL },
	{ "HTTP/1.1 200 OK\r\nContent-Length: 262145\r\n\r\n", -EMSGSIZE, -EMSGSIZE,
	    NULL },
	{ "HTTP/1.1 200 OK\r\nContent-Length: 262144\r\n\r\n", 0, -EBADMSG, NULL },
	/* A line without a colon is no field, nor is its continuation. */
	{ "HTTP/1.1 200 OK\r\nX\r\n Content-Length: 9\r\n\r\nx", 0, 1, "x" },
	{ "HTTP/1.1 200 OK\r\n Content-Length: 9\r\n\r\nx", 0, 1, "x" },
	/* no body, whatever the fields say */
	{ "HTTP/1.1 204 No\r\nContent-Length: 3\r\n\r\nxyz", 1, 1, "" },
	{ "HTTP/1.1 304 No\r\nTransfer-Encoding: chunked\r\n\r\n", 1, 1, "" },
	/* codings */
	{ "HTTP/1.1 200 OK\r\nContent-Encoding: identity\r\n\r\nx", 0, 1, "x" },
	{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", -EBADMSG,
	    -EBADMSG, NULL },
	{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
	  "Transfer-Encoding: chunked\r\n\r\n",
	    -EBADMSG, -EBADMSG, NULL },
	/* interim responses: four, not five */
	{ "HTTP/1.1 100 a\n\nHTTP/1.1 199 b\nContent-Length: 7\n\nHTTP/1.1 103 c\n\n"
	  "HTTP/1.1 100 d\n\nHTTP/1.1 200 e\n\nx",
	    0, 1, "x" },
	{ "HTTP/1.1 100 a\n\nHTTP/1.1 100 b\n\nHTTP/1.1 100 c\n\nHTTP/1.1 100 d\n\n"
	  "HTTP/1.1 100 e\n\nHTTP/1.1 200 f\n\nx",
	    -EMSGSIZE, -EMSGSIZE, NULL },
};

#define CHUNKED "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

static const struct {
	const char *text;
	int fed, closed;
	const char *body;
} chunks[] = {
	{ "0\r\n\r\n", 1, 1, "" },
	{ "1\r\nx\r\n00000000\r\n\r\n", 1, 1, "x" },
	{ "a\r\n0123456789\r\nB\r\nabcdefghijk\r\n0\r\n\r\n", 1, 1,
	    "0123456789abcdefghijk" },
	{ "1\nx\n0\n\n", 1, 1, "x" },
	{ "1  \r\nx\r\n0;a=\"b\"\r\nX: y\r\nZ\r\n\r\nrest", 1, 1, "x" },
	{ "2\r\n\r\n\r\n0\r\n\r\n", 1, 1, "\r\n" },
	/* The peer closed behind the last chunk: nothing of the body is missing. */
	{ "1\r\nx\r\n0\r\n", 0, 1, "x" },
	{ "1\r\nx\r\n0\r\nX: y\r", 0, 1, "x" },
	{ "1\r\nx\r\n0", 0, -EBADMSG, NULL },
	{ "1\r\nx\r\n", 0, -EBADMSG, NULL },
	{ "1\r\nx", 0, -EBADMSG, NULL },
	{ "1\r\n", 0, -EBADMSG, NULL },
	{ "1", 0, -EBADMSG, NULL },
	{ "", 0, -EBADMSG, NULL },
	{ "\r\n", -EBADMSG, -EBADMSG, NULL },
	{ " 1\r\nx\r\n0\r\n\r\n", -EBADMSG, -EBADMSG, NULL },
	{ ";1\r\n", -EBADMSG, -EBADMSG, NULL },
	{ "1x\r\n", -EBADMSG, -EBADMSG, NULL },
	{ "+1\r\n", -EBADMSG, -EBADMSG, NULL },
	{ "000000001\r\n", -EBADMSG, -EBADMSG, NULL },
	{ "1\r\nxy\r\n0\r\n\r\n", -EBADMSG, -EBADMSG, NULL },
	{ "1\r\nx\r\r\n", -EBADMSG, -EBADMSG, NULL },
	{ "40001\r\n", -EMSGSIZE, -EMSGSIZE, NULL },
	{ "40000\r\n", 0, -EBADMSG, NULL },
	{ "80000000\r\n", -EMSGSIZE, -EMSGSIZE, NULL },
	{ "1\r\nx\r\n40000\r\n", -EMSGSIZE, -EMSGSIZE, NULL },
	{ "1\r\nx\r\nffffffff\r\n", -EMSGSIZE, -EMSGSIZE, NULL },
};

static void
check_text(const char *text, int want_fed, int want_closed, const char *want_body)
{
	cut *const ways[] = { cut_nowhere, cut_everywhere, cut_anywhere };

	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		_cleanup_(response_freep) struct http_response *r =
		    http_response_new(SIZE_MAX);
		int fed, closed;
		size_t len;

		assert_non_null(r);
		fed = feed_cut(r, text, strlen(text), ways[i]);
		closed = http_response_eof(r);
		if (fed != want_fed || closed != want_closed)
			fail_msg("%s: %d %d", text, fed, closed);
		if (!want_body)
			continue;
		assert_string_equal(http_response_body(r, &len), want_body);
		assert_int_equal(len, strlen(want_body));
	}
}

/* Attack 5: lengths that lie. */
static void
each_framing(void **state)
{
	char text[512];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(written); i++)
		check_text(written[i].text, written[i].fed, written[i].closed,
		    written[i].body);
	for (size_t i = 0; i < ARRAY_SIZE(chunks); i++) {
		snprintf(text, sizeof(text), CHUNKED "%s", chunks[i].text);
		check_text(text, chunks[i].fed, chunks[i].closed, chunks[i].body);
	}
}

/* before, n times repeated, after */
static int
feed_repeated(size_t body_max, const char *before, const char *repeated, size_t n,
    const char *after, cut *next)
{
	_cleanup_(response_freep) struct http_response *r = http_response_new(body_max);
	size_t a = strlen(before), b = strlen(repeated), c = strlen(after);
	_cleanup_(freep) char *text = malloc(a + b * n + c + 1);

	assert_non_null(r);
	assert_non_null(text);
	memcpy(text, before, a);
	for (size_t i = 0; i < n; i++)
		memcpy(text + a + b * i, repeated, b);
	memcpy(text + a + b * n, after, c);
	return feed_cut(r, text, a + b * n + c, next);
}

/* F36: endless headers and interim answers. */
static void
limits_are_exact_however_cut(void **state)
{
	static const char start[] = "HTTP/1.1 200 OK\r\n", empty[] = "\r\n";
	static const char none[] = "Content-Length: 0\r\n\r\n";
	const size_t rest =
	    HTTP_HEADER_MAX - strlen(start) - strlen("\r\n") - strlen(none);
	cut *const ways[] = { cut_nowhere, cut_everywhere, cut_anywhere };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		/* Fields: 63 and the length are 64. */
		assert_int_equal(
		    feed_repeated(9, start, "A: b\n", 63, none, ways[i]), 1);
		assert_int_equal(
		    feed_repeated(9, start, "A: b\n", 64, none, ways[i]), -EMSGSIZE);
		/* The head in bytes. */
		assert_int_equal(feed_repeated(9, start, "x", rest,
				     "\r\nContent-Length: 0\r\n\r\n", ways[i]),
		    1);
		assert_int_equal(feed_repeated(9, start, "x", rest + 1,
				     "\r\nContent-Length: 0\r\n\r\n", ways[i]),
		    -EMSGSIZE);
		/* A body without a length. */
		assert_int_equal(
		    feed_repeated(9, "HTTP/1.1 200 OK\r\n\r\n", "x", 9, "", ways[i]),
		    0);
		assert_int_equal(
		    feed_repeated(9, "HTTP/1.1 200 OK\r\n\r\n", "x", 10, "", ways[i]),
		    -EMSGSIZE);
		/* Chunks together, an endless size line, endless trailers. */
		assert_int_equal(
		    feed_repeated(9, CHUNKED, "1\r\nx\r\n", 9, "0\n\n", ways[i]), 1);
		assert_int_equal(
		    feed_repeated(9, CHUNKED, "1\r\nx\r\n", 10, "0\n\n", ways[i]),
		    -EMSGSIZE);
		assert_int_equal(
		    feed_repeated(9, CHUNKED "1;", "x", 20000, "", ways[i]), -EMSGSIZE);
		assert_int_equal(
		    feed_repeated(9, CHUNKED "0\n", "A: b\n", 100, empty, ways[i]),
		    -EMSGSIZE);
	}
}

/* F36: a description of megabytes. */
static void
a_body_of_megabytes_is_refused_early(void **state)
{
	_cleanup_(response_freep) struct http_response *r =
	    http_response_new(HTTP_BODY_MAX);
	static const char head[] = "HTTP/1.1 200 OK\r\n\r\n";
	static char zeros[4096];
	size_t taken = 0;

	(void)state;
	assert_int_equal(http_response_feed(r, head, strlen(head)), 0);
	while (http_response_feed(r, zeros, sizeof(zeros)) == 0)
		taken += sizeof(zeros);
	assert_int_equal(taken, HTTP_BODY_MAX);
	assert_int_equal(http_response_eof(r), -EMSGSIZE);
}

static void
headers_are_found_and_printable(void **state)
{
	static const char text[] = "HTTP/1.1 200 OK\r\nSID:  uuid:1 \r\nsid: uuid:2\r\n"
				   "Server: a\x1b[2Jb\0c\r\nTIMEOUT: Second-1800\r\n"
				   "X\xc2\x80Y: control\r\nX-Fold: a\r\n\tb\r\n"
				   "Location: http://r/\xff\xc3\xbc\r\nEmpty:\r\n"
				   "no field\r\n: no name\r\nLast: z\r\n\r\n";
	_cleanup_(response_freep) struct http_response *r = http_response_new(9);

	(void)state;
	assert_int_equal(http_response_feed(r, text, sizeof(text) - 1), 0);
	assert_int_equal(http_response_eof(r), 1);
	assert_string_equal(http_response_header(r, "SID"), "uuid:1");
	assert_string_equal(http_response_header(r, "server"), "a?[2Jb?c");
	assert_string_equal(http_response_header(r, "Timeout"), "Second-1800");
	assert_string_equal(http_response_header(r, "X?Y"), "control");
	assert_string_equal(http_response_header(r, "X-Fold"), "a???b");
	assert_string_equal(http_response_header(r, "Location"), "http://r/?\xc3\xbc");
	assert_string_equal(http_response_header(r, "Empty"), "");
	assert_string_equal(http_response_header(r, "Last"), "z");
	assert_null(http_response_header(r, "no field"));
	assert_null(http_response_header(r, ""));
	/* A value is not taken for a name. */
	assert_null(http_response_header(r, "control"));
}

/* What old routers insist on: names and their case, quotes, host as given. */
static void
requests_are_written_to_the_byte(void **state)
{
	static const char get[] = "GET /rootDesc.xml HTTP/1.1\r\n"
				  "Host: 192.168.1.1:5000\r\n"
				  "User-Agent: Linux UPnP/1.1 natd/" NATD_VERSION "\r\n"
				  "Connection: close\r\n\r\n";
	static const char soap_request[] =
	    "POST /ctl/IPConn?x HTTP/1.1\r\n"
	    "Host: [fe80::1]\r\n"
	    "User-Agent: Linux UPnP/1.1 natd/" NATD_VERSION "\r\n"
	    "Connection: close\r\n"
	    "Content-Type: text/xml; charset=\"utf-8\"\r\n"
	    "Content-Length: 11\r\n"
	    "SOAPAction: "
	    "\"urn:schemas-upnp-org:service:WANIPConnection:1#GetStatusInfo\"\r\n"
	    "\r\n"
	    "<Envelope/>";
	static const char action[] =
	    "urn:schemas-upnp-org:service:WANIPConnection:1#GetStatusInfo";
	char buf[HTTP_REQUEST_MAX];

	(void)state;
	assert_int_equal(
	    http_encode_get(buf, sizeof(buf), "192.168.1.1:5000", "/rootDesc.xml"),
	    strlen(get));
	assert_string_equal(buf, get);
	assert_int_equal(http_encode_soap(buf, sizeof(buf), "[fe80::1]",
			     "/ctl/IPConn?x", action, "<Envelope/>and more", 11),
	    strlen(soap_request));
	assert_string_equal(buf, soap_request);

	/* One byte for the NUL; nothing is cut. */
	assert_int_equal(
	    http_encode_get(buf, sizeof(get), "192.168.1.1:5000", "/rootDesc.xml"),
	    strlen(get));
	assert_int_equal(
	    http_encode_get(buf, sizeof(get) - 1, "192.168.1.1:5000", "/rootDesc.xml"),
	    -ENOBUFS);
	assert_int_equal(http_encode_soap(buf, sizeof(soap_request) - 1, "[fe80::1]",
			     "/ctl/IPConn?x", action, "<Envelope/>", 11),
	    -ENOBUFS);
}

static void
nothing_is_smuggled_into_a_request(void **state)
{
	static const char *const bad[] = { "", " ", "a b", "a\r\nX: y", "a\nb", "\x7f",
		"\x01", "\xc3\xbc" };
	char buf[512];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(
		    http_encode_get(buf, sizeof(buf), bad[i], "/"), -EINVAL);
		assert_int_equal(
		    http_encode_get(buf, sizeof(buf), "r", bad[i]), -EINVAL);
		assert_int_equal(
		    http_encode_soap(buf, sizeof(buf), bad[i], "/", "u#a", "", 0),
		    -EINVAL);
		assert_int_equal(
		    http_encode_soap(buf, sizeof(buf), "r", bad[i], "u#a", "", 0),
		    -EINVAL);
		assert_int_equal(
		    http_encode_soap(buf, sizeof(buf), "r", "/", bad[i], "", 0),
		    -EINVAL);
	}
	assert_int_equal(
	    http_encode_soap(buf, sizeof(buf), "r", "/", "u\"#a", "", 0), -EINVAL);
	assert_true(http_encode_soap(buf, sizeof(buf), "r", "/", "u#a", "", 0) > 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_framing),
		cmocka_unit_test(limits_are_exact_however_cut),
		cmocka_unit_test(a_body_of_megabytes_is_refused_early),
		cmocka_unit_test(headers_are_found_and_printable),
		cmocka_unit_test(requests_are_written_to_the_byte),
		cmocka_unit_test(nothing_is_smuggled_into_a_request),
	};

	return cmocka_run_group_tests_name("http", tests, NULL, NULL);
}
