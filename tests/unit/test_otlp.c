/*
 * test_otlp.c - spans and batches, as opentelemetry-proto writes them in JSON.
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

#include "proto/json.h"
#include "proto/otlp.h"
#include "proto/text.h"
#include "proto/version.h"

static const struct otlp_span root = {
	.trace = { 0x5b, 0x8e, 0xff, 0xf7, 0x98, 0x03, 0x81, 0x03, 0xd2, 0x69, 0xb6,
	    0x33, 0x81, 0x3f, 0xc6, 0x0c },
	.id = { 0xee, 0xe1, 0x9b, 0x7e, 0xc3, 0xc1, 0xb1, 0x74 },
	.name = "org.natd.NAT.Status",
	.kind = OTLP_SERVER,
	.start_ns = UINT64_C(1544712660000000000),
	.end_ns = UINT64_C(1544712661000000001),
};

static void
test_a_span_without_anything(void **state)
{
	char text[OTLP_SPAN_MAX];

	(void)state;
	assert_true(otlp_encode_span(text, sizeof(text), &root) > 0);
	/* Ids in hexadecimal, times as text, no parent. */
	assert_string_equal(text,
	    "{\"traceId\":\"5b8efff798038103d269b633813fc60c\","
	    "\"spanId\":\"eee19b7ec3c1b174\",\"name\":\"org.natd.NAT.Status\","
	    "\"kind\":2,\"startTimeUnixNano\":\"1544712660000000000\","
	    "\"endTimeUnixNano\":\"1544712661000000001\",\"attributes\":[],"
	    "\"events\":[],\"status\":{}}");
}

static void
test_a_span_with_everything(void **state)
{
	const struct otlp_attribute of_span[] = { { "natd.method", "pcp", 0 },
		{ "natd.code", NULL, INT64_C(-9007199254740993) } };
	const struct otlp_attribute of_event[] = { { "natd.sends", NULL, 2 } };
	const struct otlp_event events[] = {
		{ UINT64_C(1544712660500000000), "retransmission", of_event, 1 },
		{ UINT64_C(1544712660600000000), "failure", NULL, 0 },
	};
	struct otlp_span span = root;
	char text[OTLP_SPAN_MAX];

	(void)state;
	span.parent[7] = 1;
	span.kind = OTLP_CLIENT;
	span.attributes = of_span;
	span.attributes_count = 2;
	span.events = events;
	span.events_count = 2;
	span.events_dropped = 3;
	span.failed = true;
	span.message = "no \"answer\"";
	assert_true(otlp_encode_span(text, sizeof(text), &span) > 0);
	assert_non_null(strstr(text, "\"parentSpanId\":\"0000000000000001\""));
	assert_non_null(strstr(text,
	    "\"attributes\":[{\"key\":\"natd.method\",\"value\":{\"stringValue\":"
	    "\"pcp\"}},{\"key\":\"natd.code\",\"value\":{\"intValue\":"
	    "\"-9007199254740993\"}}],"));
	assert_non_null(strstr(text,
	    "\"events\":[{\"timeUnixNano\":\"1544712660500000000\",\"name\":"
	    "\"retransmission\",\"attributes\":[{\"key\":\"natd.sends\",\"value\":"
	    "{\"intValue\":\"2\"}}]},{\"timeUnixNano\":\"1544712660600000000\","
	    "\"name\":\"failure\",\"attributes\":[]}],\"droppedEventsCount\":3,"
	    "\"status\":{\"code\":2,\"message\":\"no \\\"answer\\\"\"}}"));
}

static void
test_a_span_that_does_not_fit(void **state)
{
	char text[200];

	(void)state;
	assert_int_equal(otlp_encode_span(text, sizeof(text), &root), -ENOBUFS);
}

/* NULL: refused. */
static const struct {
	const char *service, *attributes, *expected;
} scopes[] = {
	{ NULL, NULL,
	    "[{\"key\":\"service.name\",\"value\":{\"stringValue\":\"natd\"}}," },
	{ "edge", NULL,
	    "[{\"key\":\"service.name\",\"value\":{\"stringValue\":\"edge\"}}," },
	{ NULL, "service.name=a b,host=x%2Cy%20z",
	    "[{\"key\":\"host\",\"value\":{\"stringValue\":\"x,y z\"}},"
	    "{\"key\":\"service.name\",\"value\":{\"stringValue\":\"a b\"}}," },
	{ "edge", "service.name=other",
	    "[{\"key\":\"service.name\",\"value\":{\"stringValue\":\"edge\"}}," },
	{ NULL, " a = 1 ,, ", "[{\"key\":\"a\",\"value\":{\"stringValue\":\"1\"}}," },
	{ NULL, "a=\xff", "\"stringValue\":\"?\"" },
	{ NULL, "a", NULL },
	{ NULL, "=1", NULL },
	{ NULL, "a=%2", NULL },
	{ NULL, "a=%zz", NULL },
	{ NULL, "a=%00", NULL },
	{ NULL, "a=x\ny", NULL },
};

static void
test_scopes(void **state)
{
	char scope[OTLP_SCOPE_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(scopes); i++) {
		ssize_t n = otlp_encode_scope(
		    scope, sizeof(scope), scopes[i].service, scopes[i].attributes);

		if (!scopes[i].expected)
			assert_int_equal(n, -EINVAL);
		else if (n < 0 || !strstr(scope, scopes[i].expected))
			fail_msg("%s: %s", scopes[i].attributes, scope);
	}
}

/* r 0: where the spans go. */
static const struct {
	const char *endpoint;
	bool whole;
	const char *headers;
	int r;
	const char *host;
	unsigned port;
	const char *path, *lines;
} targets[] = {
	{ "http://127.0.0.1:4318", false, NULL, 0, "127.0.0.1", 4318, "/v1/traces",
	    "" },
	{ "http://collector:4318/", false, NULL, 0, "collector", 4318, "/v1/traces",
	    "" },
	{ "http://[::1]:4318/otlp", false, NULL, 0, "::1", 4318, "/otlp/v1/traces",
	    "" },
	{ "http://c/otlp/", false, "", 0, "c", 80, "/otlp/v1/traces", "" },
	{ "http://c:1/own/path", true, NULL, 0, "c", 1, "/own/path", "" },
	{ "http://c:1", true, NULL, 0, "c", 1, "/", "" },
	{ "http://c:1", false, "api-key=a%20b, X=y", 0, "c", 1, "/v1/traces",
	    "api-key: a b\r\nX: y\r\n" },
	{ .endpoint = "https://c:4318", .r = -EPROTONOSUPPORT },
	{ .endpoint = "HTTPS://c", .r = -EPROTONOSUPPORT },
	{ .endpoint = "c:4318", .r = -EINVAL },
	{ .endpoint = "grpc://c:4317", .r = -EINVAL },
	{ .endpoint = "http://", .r = -EINVAL },
	{ .endpoint = "http://user@c", .r = -EINVAL },
	{ .endpoint = "http://c", .headers = "novalue", .r = -EBADMSG },
	{ .endpoint = "http://c", .headers = "a b=c", .r = -EBADMSG },
	{ .endpoint = "http://c", .headers = "a=b%0d%0aEvil: 1", .r = -EBADMSG },
};

static void
test_targets(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(targets); i++) {
		struct otlp_target t;

		assert_int_equal(otlp_target(targets[i].endpoint, targets[i].whole,
				     targets[i].headers, &t),
		    targets[i].r);
		if (targets[i].r < 0)
			continue;
		assert_string_equal(t.url.host, targets[i].host);
		assert_int_equal(t.url.port, targets[i].port);
		assert_string_equal(t.url.path, targets[i].path);
		assert_string_equal(t.headers, targets[i].lines);
	}
}

static void
test_a_post(void **state)
{
	struct otlp_target t;
	char scope[OTLP_SCOPE_MAX], span[OTLP_SPAN_MAX], *post, *body, *length;
	const char *spans[] = { span, span };
	cJSON *tree, *list;
	uint64_t said;
	size_t len;

	(void)state;
	assert_int_equal(otlp_target("http://[::1]:4318", false, "a=b", &t), 0);
	assert_true(otlp_encode_scope(scope, sizeof(scope), NULL, NULL) > 0);
	assert_true(otlp_encode_span(span, sizeof(span), &root) > 0);
	post = otlp_encode_post(&t, scope, spans, 2, &len);
	assert_non_null(post);
	assert_int_equal(strlen(post), len);
	assert_ptr_equal(strstr(post, "POST /v1/traces HTTP/1.1\r\n"
				      "Host: [::1]:4318\r\n"),
	    post);
	assert_non_null(strstr(post, "\r\nContent-Type: application/json\r\n"));
	assert_non_null(strstr(post, "\r\na: b\r\n\r\n{\"resourceSpans\":"));
	body = strstr(post, "\r\n\r\n") + 4;
	length = strstr(post, "Content-Length: ") + 16;
	assert_int_equal(
	    text_to_uint(length, strcspn(length, "\r"), UINT32_MAX, &said), 0);
	assert_int_equal(said, strlen(body));
	assert_int_equal(json_parse(body, strlen(body), &tree), 0);
	list = cJSON_GetArrayItem(json_get(tree, "resourceSpans"), 0);
	list = cJSON_GetArrayItem(json_get(list, "scopeSpans"), 0);
	assert_string_equal(
	    json_get_string(json_get(list, "scope"), "version"), NATD_VERSION);
	assert_int_equal(cJSON_GetArraySize(json_get(list, "spans")), 2);
	cJSON_Delete(tree);
	free(post);
}

static void
test_answers(void **state)
{
	static const struct {
		int status;
		enum otlp_verdict verdict;
	} statuses[] = { { 200, OTLP_TAKEN }, { 202, OTLP_TAKEN },
		{ 302, OTLP_REFUSED }, { 400, OTLP_REFUSED }, { 404, OTLP_REFUSED },
		{ 429, OTLP_AGAIN }, { 500, OTLP_REFUSED }, { 502, OTLP_AGAIN },
		{ 503, OTLP_AGAIN }, { 504, OTLP_AGAIN } };
	static const struct {
		const char *body;
		uint64_t rejected;
	} bodies[] = { { "", 0 }, { "{}", 0 }, { "<html>", 0 },
		{ "{\"partialSuccess\":{}}", 0 },
		{ "{\"partialSuccess\":{\"rejectedSpans\":\"3\"}}", 3 },
		{ "{\"partialSuccess\":{\"rejectedSpans\":4,\"errorMessage\":\"x\"}}",
		    4 },
		{ "{\"partialSuccess\":{\"rejectedSpans\":\"-4\"}}", 0 },
		{ "{\"partialSuccess\":[1]}", 0 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(statuses); i++)
		assert_int_equal(otlp_verdict(statuses[i].status), statuses[i].verdict);
	for (size_t i = 0; i < ARRAY_SIZE(bodies); i++)
		assert_int_equal(
		    otlp_decode_rejected(bodies[i].body, strlen(bodies[i].body)),
		    bodies[i].rejected);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_span_without_anything),
		cmocka_unit_test(test_a_span_with_everything),
		cmocka_unit_test(test_a_span_that_does_not_fit),
		cmocka_unit_test(test_scopes),
		cmocka_unit_test(test_targets),
		cmocka_unit_test(test_a_post),
		cmocka_unit_test(test_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
