/*
 * test_igd_soap_answer.c - answers of any shape, error codes, typed reading.
 */
#include "proto/igd_soap.h"

#include <errno.h>
#include <limits.h>

#include "proto/util.h"
#include "tests/unit/document.h"

static const struct {
	const char *code;
	int error;
} codes[] = {
	{ "718", 718 },
	{ " 725\r\n", 725 },
	{ "-911", -911 },
	{ "2147483647", INT_MAX },
	{ "-2147483647", -INT_MAX },
	{ "2147483648", -1 },
	{ "0", -1 },
	{ "-0", -1 },
	{ "", -1 },
	{ "-", -1 },
	{ "+718", -1 },
	{ "7 18", -1 },
	{ "718x", -1 },
	{ "0x2ce", -1 },
};

static void
error_codes(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(codes); i++) {
		struct igd_answer answer;
		char xml[512];

		snprintf(xml, sizeof(xml),
		    "<a><b><Fault/></b><c><d:errorCode>%s</d:errorCode></c></a>",
		    codes[i].code);
		assert_int_equal(igd_soap_decode(IGD_GET_STATUS_INFO, 500, xml,
				     strlen(xml), &answer),
		    0);
		if (answer.error != codes[i].error)
			fail_msg("\"%s\": %d", codes[i].code, answer.error);
	}
}

static void
first_error_counts(void **state)
{
	static const char xml[] =
	    "<a><errorCode>714</errorCode><errorDescription>one</errorDescription>"
	    "<errorCode>718</errorCode><errorDescription>two</errorDescription></a>";
	struct igd_answer answer;

	(void)state;
	assert_int_equal(
	    igd_soap_decode(IGD_GET_STATUS_INFO, 500, xml, strlen(xml), &answer), 0);
	assert_int_equal(answer.error, 714);
	assert_string_equal(answer.description, "one");
}

#define STATUS_INFO(x) "<q:GetStatusInfoResponse>" x "</q:GetStatusInfoResponse>"
#define STATUS(x) "<NewConnectionStatus>" x "</NewConnectionStatus>"

static const struct {
	int http_status;
	const char *xml;
	int r, error;
	const char *status; /* NULL: absent */
} answers[] = {
	{ 200, STATUS_INFO(STATUS("Connected")), 0, 0, "Connected" },
	{ 299, STATUS_INFO(STATUS("Up")), 0, 0, "Up" },
	{ 200, "\n<e>" STATUS_INFO(STATUS("\r\n Connected \t")) "</e>", 0, 0,
	    "Connected" },
	{ 200, "<GETSTATUSINFO>" STATUS("x") "</GETSTATUSINFO>", 0, 0, "x" },
	{ 200, STATUS_INFO(""), 0, 0, NULL },
	{ 200, STATUS_INFO("<in>" STATUS("x") "</in>"), 0, 0, NULL },
	{ 200, "<a>" STATUS_INFO("") STATUS("x") "</a>", 0, 0, NULL },
	{ 200, "<a>" STATUS("x") STATUS_INFO("") "</a>", 0, 0, NULL },
	{ 200, "<a>" STATUS_INFO("") "<b>" STATUS("x") "</b></a>", 0, 0, NULL },
	{ 200, STATUS_INFO(STATUS("x\x1b[31m")), -EBADMSG, 0, NULL },
	{ 200, STATUS_INFO(STATUS("x\xc2\x9b")), 0, 0, "x?" },
	/* A fault beside a success is a fault, and takes its values away. */
	{ 200, "<a>" STATUS_INFO(STATUS("x")) "<Fault/></a>", 0, -1, NULL },
	{ 200, "<a><errorCode>501</errorCode></a>", 0, 501, NULL },
	{ 500, STATUS_INFO(STATUS("Connected")), -EBADMSG, 0, NULL },
	{ 404, "<html>Not found</html>", -EBADMSG, 0, NULL },
	{ 200, "<GetStatusInfoResponseX/>", -EBADMSG, 0, NULL },
	{ 200, "<GetStatusInfoRes/>", -EBADMSG, 0, NULL },
	{ 200, "<GetStatusInf/>", -EBADMSG, 0, NULL },
	{ 200, "", -EBADMSG, 0, NULL },
};

static void
answers_of_any_shape(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
		const char *xml = answers[i].xml;
		struct igd_answer a;
		int r = igd_soap_decode(
		    IGD_GET_STATUS_INFO, answers[i].http_status, xml, strlen(xml), &a);

		if (r != answers[i].r)
			fail_msg("%s: %d", xml, r);
		if (r < 0)
			continue;
		assert_int_equal(a.error, answers[i].error);
		assert_int_equal(
		    a.present[IGD_ARG_CONNECTION_STATUS], answers[i].status != NULL);
		assert_string_equal(a.value[IGD_ARG_CONNECTION_STATUS],
		    answers[i].status ? answers[i].status : "");
	}
}

static void
answer_is_bounded(void **state)
{
	static char xml[IGD_SOAP_BODY_MAX + 1];
	struct igd_answer a;

	(void)state;
	memset(xml, ' ', sizeof(xml));
	memcpy(xml, STATUS_INFO(""), strlen(STATUS_INFO("")));
	assert_int_equal(
	    igd_soap_decode(IGD_GET_STATUS_INFO, 200, xml, IGD_SOAP_BODY_MAX, &a), 0);
	assert_int_equal(
	    igd_soap_decode(IGD_GET_STATUS_INFO, 200, xml, IGD_SOAP_BODY_MAX + 1, &a),
	    -EMSGSIZE);
}

static void
typed_reading(void **state)
{
	static const struct {
		const char *word;
		int r, value;
	} words[] = { { "1", 0, 1 }, { "0", 0, 0 }, { "yes", 0, 1 }, { "No", 0, 0 },
		{ "TRUE", 0, 1 }, { "false", 0, 0 }, { "", -ENOENT, 0 },
		{ "2", -EINVAL, 0 }, { "truely", -EINVAL, 0 } };
	struct igd_answer a = { .present[IGD_ARG_ENABLED] = true };
	uint64_t n = 7;
	bool b;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		strcpy(a.value[IGD_ARG_ENABLED], words[i].word);
		b = !words[i].value;
		assert_int_equal(igd_answer_bool(&a, IGD_ARG_ENABLED, &b), words[i].r);
		if (words[i].r == 0)
			assert_int_equal(b, words[i].value);
	}
	assert_int_equal(igd_answer_bool(&a, IGD_ARG_UPTIME, &b), -ENOENT);
	assert_int_equal(igd_answer_uint(&a, IGD_ARG_UPTIME, 1, &n), -ENOENT);
	strcpy(a.value[IGD_ARG_ENABLED], "65535");
	assert_int_equal(igd_answer_uint(&a, IGD_ARG_ENABLED, 65534, &n), -EINVAL);
	assert_int_equal(n, 7);
	assert_int_equal(igd_answer_uint(&a, IGD_ARG_ENABLED, 65535, &n), 0);
	assert_int_equal(n, 65535);
	assert_false(igd_answer_connected(&a));
	a.present[IGD_ARG_CONNECTION_STATUS] = true;
	strcpy(a.value[IGD_ARG_CONNECTION_STATUS], "up");
	assert_true(igd_answer_connected(&a));
	strcpy(a.value[IGD_ARG_CONNECTION_STATUS], "Connecting");
	assert_false(igd_answer_connected(&a));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(error_codes),
		cmocka_unit_test(first_error_counts),
		cmocka_unit_test(answers_of_any_shape),
		cmocka_unit_test(answer_is_bounded),
		cmocka_unit_test(typed_reading),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
