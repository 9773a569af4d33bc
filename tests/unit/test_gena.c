/*
 * test_gena.c - what routers and others send to the callback, and what natd asks.
 */
#include "tests/unit/recorded.h"

#include <errno.h>

#include "proto/gena.h"
#include "proto/util.h"
#include "proto/version.h"

#define GENA "tests/data/gena"
#define SID "uuid:11111111-2222-4333-8444-555555555555"
#define OURS "/0123456789abcdef"

static const struct row {
	const char *file;
	int r; /* and the rest if it is 0 */
	int status;
	const char *path, *sid;
	uint32_t seq;
	const char *external; /* NULL: not said; "-": none */
	int connected;        /* -1: not said */
	int entries;          /* -1: not said */
} rows[] = {
	{ "lv-mu231-first.http", 0, 200, "/e",
	    "uuid:b0000000-0000-4000-8000-775180506d50", 0, "11.22.33.44", 1, 0 },
	{ "lv-mu231-entry-added.http", 0, 200, "/e",
	    "uuid:b0000000-0000-4000-8000-775180506d50", 1, "11.22.33.44", 1, 1 },
	{ "lv-mu231-disconnected.http", 0, 200, "/e",
	    "uuid:b0000000-0000-4000-8000-775180506d50", 3, "-", 0, 1 },
	{ "syn-address.http", 0, 200, OURS, SID, 7, "11.22.33.55", -1, -1 },
	{ "syn-lf-only.http", 0, 200, OURS, SID, 7, "11.22.33.55", -1, -1 },
	{ "syn-lower-case.http", 0, 200, OURS, SID, 7, "11.22.33.55", -1, -1 },
	{ "syn-no-address.http", 0, 200, OURS, SID, 7, "-", -1, -1 },
	{ "syn-zero-address.http", 0, 200, OURS, SID, 7, "-", -1, -1 },
	{ "syn-name-for-address.http", 0, 200, OURS, SID, 7, NULL, -1, -1 },
	{ "syn-ipv6-address.http", 0, 200, OURS, SID, 7, NULL, -1, -1 },
	{ "syn-several.http", 0, 200, OURS, SID, UINT32_MAX, "11.22.33.55", 0, 12 },
	{ "syn-nothing-known.http", 0, 200, OURS, SID, 7, NULL, -1, -1 },
	{ .file = "syn-no-length.http", .r = -EOPNOTSUPP, .status = 411 },
	{ .file = "syn-chunked.http", .r = -EOPNOTSUPP, .status = 411 },
	{ .file = "syn-chunked-and-length.http", .r = -EOPNOTSUPP, .status = 411 },
	{ .file = "syn-two-lengths.http", .r = -EBADMSG, .status = 400 },
	{ .file = "syn-length-negative.http", .r = -EBADMSG, .status = 400 },
	{ .file = "syn-length-huge.http", .r = -EMSGSIZE, .status = 413 },
	{ .file = "syn-length-over.http", .r = -EMSGSIZE, .status = 413 },
	/* whoever reads the connection waits for the rest */
	{ .file = "syn-cut.http", .r = -EBADMSG, .status = 400 },
	{ .file = "syn-empty-body.http", .r = -EBADMSG, .status = 400 },
	{ .file = "syn-not-xml.http", .r = -EBADMSG, .status = 400 },
	{ .file = "syn-doctype.http", .r = -EBADMSG, .status = 400 },
	{ .file = "syn-get.http", .r = -EBADMSG, .status = 400 },
	{ .file = "syn-no-version.http", .r = -EBADMSG, .status = 400 },
	{ .file = "syn-no-sid.http", .r = -ENOENT, .status = 412 },
	{ .file = "syn-empty-sid.http", .r = -ENOENT, .status = 412 },
	{ .file = "syn-long-sid.http", .r = -ENOENT, .status = 412 },
	{ .file = "syn-no-seq.http", .r = -EBADMSG, .status = 400 },
	{ .file = "syn-seq-negative.http", .r = -EBADMSG, .status = 400 },
	{ .file = "syn-seq-over.http", .r = -EBADMSG, .status = 400 },
	{ .file = "syn-no-nt.http", .r = -EINVAL, .status = 400 },
	{ .file = "syn-other-nts.http", .r = -EINVAL, .status = 400 },
	/* cut, so that it can be no path of ours */
	{ "syn-long-path.http", 0, 200,
	    "/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", SID, 7,
	    "11.22.33.55", -1, -1 },
	{ .file = "syn-head-9k.http", .r = -EMSGSIZE, .status = 413 },
	{ .file = "syn-binary.http", .r = -EBADMSG, .status = 400 },
};

static void
check_row(const struct row *row, const struct gena_notify *n)
{
	char text[ADDR_TEXT_MAX];

	assert_string_equal(n->path, row->path);
	assert_string_equal(n->sid, row->sid);
	assert_int_equal(n->seq, row->seq);
	assert_int_equal(n->has_external, row->external != NULL);
	if (row->external)
		assert_string_equal(addr_format(&n->external, text), row->external);
	assert_int_equal(n->has_status, row->connected >= 0);
	if (row->connected >= 0)
		assert_int_equal(n->connected, row->connected);
	assert_int_equal(n->has_entries, row->entries >= 0);
	if (row->entries >= 0)
		assert_int_equal(n->entries, row->entries);
}

static void
test_notify(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct gena_notify n;
		size_t len;
		char *bytes = recorded_read(GENA, rows[i].file, &len);
		int r = gena_decode_notify(bytes, len, &n);

		if (r != rows[i].r)
			fail_msg("%s: %d", rows[i].file, r);
		assert_int_equal(gena_status(r), rows[i].status);
		if (r == 0)
			check_row(&rows[i], &n);
		free(bytes);
	}
}

static void
test_all_files(void **state)
{
	(void)state;
	recorded_check(GENA, ".http", rows);
}

/* Byte by byte: nothing is known before the head ends, and then all of the length. */
static void
test_request_len(void **state)
{
	size_t len, body = strlen("<e:propertyset xmlns:e=\"urn:schemas-upnp-org:event-"
				  "1-0\"><e:property><ExternalIPAddress>11.22.33.55"
				  "</ExternalIPAddress></e:property></e:propertyset>");
	char *bytes = recorded_read(GENA, "syn-address.http", &len);

	(void)state;
	for (size_t n = 0; n <= len; n++) {
		char *copy = malloc(n + 1);

		memcpy(copy, bytes, n);
		assert_int_equal(gena_request_len(copy, n), n < len - body ? 0 : len);
		free(copy);
	}
	free(bytes);
	assert_int_equal(gena_request_len("\x16", 1), -EBADMSG);
	assert_int_equal(gena_request_len("\r\n\r\n", 4), -EBADMSG);
	assert_int_equal(gena_request_len("NOTIFY / HTTP/1.1\n\n", 19), -EOPNOTSUPP);
}

/* A head that never ends is given up at the limit, not before, not later. */
static void
test_head_limit(void **state)
{
	char *bytes = malloc(GENA_HEAD_MAX);

	(void)state;
	memset(bytes, 'A', GENA_HEAD_MAX);
	assert_int_equal(gena_request_len(bytes, GENA_HEAD_MAX - 1), 0);
	assert_int_equal(gena_request_len(bytes, GENA_HEAD_MAX), -EMSGSIZE);
	free(bytes);
}

static void
test_encode(void **state)
{
	char buf[1024];
	ssize_t len;

	(void)state;
	len = gena_encode_subscribe(buf, sizeof(buf), "192.168.1.1:5000", "/evt/IPConn",
	    "http://192.168.1.20:40000/0123456789abcdef");
	assert_int_equal(len, strlen(buf));
	assert_string_equal(buf,
	    "SUBSCRIBE /evt/IPConn HTTP/1.1\r\n"
	    "HOST: 192.168.1.1:5000\r\n"
	    "USER-AGENT: Linux UPnP/1.1 natd/" NATD_VERSION "\r\n"
	    "CONNECTION: close\r\n"
	    "NT: upnp:event\r\n"
	    "TIMEOUT: Second-1800\r\n"
	    "CALLBACK: <http://192.168.1.20:40000/0123456789abcdef>\r\n"
	    "\r\n");
	len = gena_encode_renew(buf, sizeof(buf), "192.168.1.1", "/e", SID);
	assert_int_equal(len, strlen(buf));
	assert_non_null(
	    strstr(buf, "\r\nTIMEOUT: Second-1800\r\nSID: " SID "\r\n\r\n"));
	assert_null(strstr(buf, "\nNT:"));
	assert_null(strstr(buf, "CALLBACK:"));
	len = gena_encode_unsubscribe(buf, sizeof(buf), "192.168.1.1", "/e", SID);
	assert_int_equal(len, strlen(buf));
	assert_int_equal(strncmp(buf, "UNSUBSCRIBE /e HTTP/1.1\r\n", 25), 0);
	assert_non_null(strstr(buf, "\r\nSID: " SID "\r\n\r\n"));
	assert_int_equal(
	    gena_encode_renew(buf, 20, "192.168.1.1", "/e", SID), -ENOBUFS);
}

/* What a router made up must not become a header of ours. */
static void
test_encode_hostile(void **state)
{
	static const char *const bad[] = { "", "a b", "a\r\nX: y", "a>", "\x7f" };
	char buf[1024];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(
		    gena_encode_renew(buf, sizeof(buf), "h", "/", bad[i]), -EINVAL);
		assert_int_equal(
		    gena_encode_renew(buf, sizeof(buf), "h", bad[i], "s"), -EINVAL);
		assert_int_equal(
		    gena_encode_renew(buf, sizeof(buf), bad[i], "/", "s"), -EINVAL);
		assert_int_equal(
		    gena_encode_subscribe(buf, sizeof(buf), "h", "/", bad[i]), -EINVAL);
	}
}

static void
test_subscribed(void **state)
{
	static const struct {
		const char *status, *fields;
		int r;
		uint32_t timeout_s;
	} answers[] = {
		{ "200 OK", "SID: " SID "\r\nTIMEOUT: Second-300\r\n", 0, 300 },
		{ "200 OK", "sid: " SID "\r\nTimeout: second-1800\r\n", 0, 1800 },
		{ "200 OK", "SID: " SID "\r\nTIMEOUT: Second-infinite\r\n", 0, 86400 },
		{ "200 OK", "SID: " SID "\r\nTIMEOUT: infinite\r\n", 0, 86400 },
		{ "200 OK", "SID: " SID "\r\nTIMEOUT: Second-999999999999999999999\r\n",
		    0, 86400 },
		{ "200 OK", "SID: " SID "\r\nTIMEOUT: Second-0\r\n", 0, 20 },
		{ "200 OK", "SID: " SID "\r\nTIMEOUT: Second--5\r\n", 0, 1800 },
		{ "200 OK", "SID: " SID "\r\n", 0, 1800 },
		{ "200 OK", "TIMEOUT: Second-300\r\n", -EBADMSG, 0 },
		{ "200 OK", "SID:\r\n", -EBADMSG, 0 },
		{ "200 OK", "SID: a b\r\n", -EBADMSG, 0 },
		{ "412 Precondition Failed", "", -ENOENT, 0 },
		{ "404 Not Found", "SID: " SID "\r\n", -EACCES, 0 },
		{ "503 Busy", "", -EACCES, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
		struct http_response *r = http_response_new(1000);
		struct gena_subscription s;
		char text[512];

		snprintf(text, sizeof(text),
		    "HTTP/1.1 %s\r\n%sContent-Length: 0\r\n\r\n", answers[i].status,
		    answers[i].fields);
		assert_int_equal(http_response_feed(r, text, strlen(text)), 1);
		assert_int_equal(gena_decode_subscribed(r, &s), answers[i].r);
		if (answers[i].r == 0) {
			assert_string_equal(s.sid, SID);
			assert_int_equal(s.timeout_s, answers[i].timeout_s);
		}
		http_response_free(r);
	}
}

static void
test_answer(void **state)
{
	char buf[GENA_ANSWER_MAX];

	(void)state;
	assert_true(gena_encode_answer(buf, sizeof(buf), 412) > 0);
	assert_string_equal(buf, "HTTP/1.1 412 Precondition Failed\r\n"
				 "Content-Length: 0\r\n"
				 "Connection: close\r\n\r\n");
	assert_true(gena_encode_answer(buf, sizeof(buf), 200) > 0);
	assert_int_equal(strncmp(buf, "HTTP/1.1 200 OK\r\n", 17), 0);
	assert_true(gena_encode_answer(buf, sizeof(buf), 404) > 0);
	assert_int_equal(gena_status(-ENOMEM), 503);
	assert_int_equal(gena_status(-EIO), 400);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_notify),
		cmocka_unit_test(test_all_files),
		cmocka_unit_test(test_request_len),
		cmocka_unit_test(test_head_limit),
		cmocka_unit_test(test_encode),
		cmocka_unit_test(test_encode_hostile),
		cmocka_unit_test(test_subscribed),
		cmocka_unit_test(test_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
