/*
 * test_varlink.c - the rules of the protocol, each row a conversation to the byte.
 *
 * The rules are those that clients in the field hold a server to: systemd's and the
 * libraries in C, Python, Go and Rust.
 */
#include "tests/unit/varlink_toy.h"

#define CALL(method, parameters) \
	"{\"method\":\"" method "\",\"parameters\":" parameters "}"
#define ERROR(name, parameters) \
	"{\"error\":\"org.varlink.service." name "\",\"parameters\":" parameters "}"
#define INVALID(name) ERROR("InvalidParameter", "{\"parameter\":\"" name "\"}")
#define KINDS(parameters) CALL(TOY ".Kinds", parameters)
#define ALIVE "{\"parameters\":{\"text\":\"alive\"}}"
#define ENDS NULL

static const struct {
	const char *rule, *message,
	    *answer; /* ENDS: the connection is closed, no answer */
} rows[] = {
	{ "framing: white space around the object",
	    " \n{\"method\":\"" TOY ".Echo\"}\r\n\t", "{\"parameters\":{}}" },
	{ "header: invalid JSON closes", "{\"method\":\"" TOY ".Echo\"", ENDS },
	{ "header: empty message closes", "", ENDS },
	{ "header: trailing text closes", "{\"method\":\"" TOY ".Echo\"}x", ENDS },
	{ "header: no object closes", "[]", ENDS },
	{ "header: string closes", "\"method\"", ENDS },
	{ "header: no method closes", "{\"parameters\":{}}", ENDS },
	{ "header: method null closes", "{\"method\":null}", ENDS },
	{ "header: method number closes", "{\"method\":1}", ENDS },
	{ "header: Method of another case is no method",
	    "{\"Method\":\"" TOY ".Echo\"}", ENDS },
	{ "header: parameters array closes", CALL(TOY ".Echo", "[]"), ENDS },
	{ "header: parameters string closes", CALL(TOY ".Echo", "\"x\""), ENDS },
	{ "header: more must be a bool", "{\"method\":\"" TOY ".Echo\",\"more\":1}",
	    ENDS },
	{ "header: oneway must be a bool",
	    "{\"method\":\"" TOY ".Echo\",\"oneway\":\"\"}", ENDS },
	{ "header: upgrade must be a bool",
	    "{\"method\":\"" TOY ".Echo\",\"upgrade\":{}}", ENDS },
	{ "header: the same key twice closes",
	    "{\"method\":\"" TOY ".Echo\",\"method\":\"" TOY ".Fail\"}", ENDS },
	{ "header: oneway with more closes",
	    "{\"method\":\"" TOY ".Count\",\"parameters\":{\"n\":2},\"more\":true,"
	    "\"oneway\":true}",
	    ENDS },
	{ "header: upgrade is refused",
	    "{\"method\":\"" TOY ".Echo\",\"upgrade\":true}", INVALID("upgrade") },
	{ "header: flags may be false",
	    "{\"method\":\"" TOY
	    ".Echo\",\"more\":false,\"oneway\":false,\"upgrade\":false}",
	    "{\"parameters\":{}}" },
	{ "header: unknown keys are ignored",
	    "{\"method\":\"" TOY ".Echo\",\"com.vendor.x\":[{\"a\":1}],\"flags\":null}",
	    "{\"parameters\":{}}" },
	{ "parameters: missing is {}", "{\"method\":\"" TOY ".Echo\"}",
	    "{\"parameters\":{}}" },
	{ "parameters: null is {}", CALL(TOY ".Echo", "null"), "{\"parameters\":{}}" },
	{ "parameters: {}", CALL(TOY ".Echo", "{}"), "{\"parameters\":{}}" },
	{ "parameters: null and missing are equal",
	    CALL(TOY ".Echo", "{\"text\":null}"), "{\"parameters\":{}}" },
	{ "parameters: required may not be missing", KINDS("{}"), INVALID("int") },
	{ "parameters: required may not be null", KINDS("{\"int\":null}"),
	    INVALID("int") },
	{ "parameters: unknown is refused", KINDS("{\"int\":1,\"itn\":2}"),
	    INVALID("itn") },
	{ "parameters: unknown is refused even if null",
	    KINDS("{\"int\":1,\"x\":null}"), INVALID("x") },
	{ "parameters: case matters", KINDS("{\"int\":1,\"Bool\":true}"),
	    INVALID("Bool") },
	{ "int", KINDS("{\"int\":-7}"), "{\"parameters\":{\"int\":-7}}" },
	{ "int: beyond 32 bits", KINDS("{\"int\":1795163185000000}"),
	    "{\"parameters\":{\"int\":1795163185000000}}" },
	{ "int: decimal string", KINDS("{\"int\":\"9223372036854775807\"}"),
	    "{\"parameters\":{\"int\":9223372036854775807}}" },
	{ "int: beyond int64", KINDS("{\"int\":18446744073709551615}"),
	    INVALID("int") },
	{ "int: fraction", KINDS("{\"int\":1.5}"), INVALID("int") },
	{ "int: bool is none", KINDS("{\"int\":true}"), INVALID("int") },
	{ "int: least", KINDS("{\"int\":1,\"small\":-5}"),
	    "{\"parameters\":{\"int\":1}}" },
	{ "int: most", KINDS("{\"int\":1,\"small\":5}"),
	    "{\"parameters\":{\"int\":1}}" },
	{ "int: too small", KINDS("{\"int\":1,\"small\":-6}"), INVALID("small") },
	{ "int: too large", KINDS("{\"int\":1,\"small\":6}"), INVALID("small") },
	{ "bool", KINDS("{\"int\":1,\"bool\":true}"),
	    "{\"parameters\":{\"int\":1,\"bool\":1}}" },
	{ "bool: false is present", KINDS("{\"int\":1,\"bool\":false}"),
	    "{\"parameters\":{\"int\":1,\"bool\":0}}" },
	{ "bool: number is none", KINDS("{\"int\":1,\"bool\":1}"), INVALID("bool") },
	{ "string", KINDS("{\"int\":1,\"string\":\"\xc3\xa4\xe2\x82\xac\"}"),
	    "{\"parameters\":{\"int\":1,\"string\":\"\xc3\xa4\xe2\x82\xac\"}}" },
	{ "string: 8 bytes", KINDS("{\"int\":1,\"string\":\"12345678\"}"),
	    "{\"parameters\":{\"int\":1,\"string\":\"12345678\"}}" },
	{ "string: 9 bytes", KINDS("{\"int\":1,\"string\":\"123456789\"}"),
	    INVALID("string") },
	{ "string: shorter than min", KINDS("{\"int\":1,\"string\":\"\"}"),
	    INVALID("string") },
	{ "string: control", KINDS("{\"int\":1,\"string\":\"a\\nb\"}"),
	    INVALID("string") },
	{ "string: escape", KINDS("{\"int\":1,\"string\":\"\\u001b\"}"),
	    INVALID("string") },
	{ "string: DEL", KINDS("{\"int\":1,\"string\":\"\x7f\"}"), INVALID("string") },
	{ "string: C1", KINDS("{\"int\":1,\"string\":\"\xc2\x9b\"}"),
	    INVALID("string") },
	{ "string: no-break space is no control",
	    KINDS("{\"int\":1,\"string\":\"\xc2\xa0\"}"),
	    "{\"parameters\":{\"int\":1,\"string\":\"\xc2\xa0\"}}" },
	{ "string: number is none", KINDS("{\"int\":1,\"string\":1}"),
	    INVALID("string") },
	{ "enum", KINDS("{\"int\":1,\"enum\":\"blue\"}"),
	    "{\"parameters\":{\"int\":1,\"enum\":2}}" },
	{ "enum: unknown", KINDS("{\"int\":1,\"enum\":\"Blue\"}"), INVALID("enum") },
	{ "enum: index is none", KINDS("{\"int\":1,\"enum\":2}"), INVALID("enum") },
	{ "enums: in order", KINDS("{\"int\":1,\"enums\":[\"blue\",\"red\"]}"),
	    "{\"parameters\":{\"int\":1,\"enums\":[2,0]}}" },
	{ "enums: too few", KINDS("{\"int\":1,\"enums\":[]}"), INVALID("enums") },
	{ "enums: twice", KINDS("{\"int\":1,\"enums\":[\"red\",\"red\"]}"),
	    INVALID("enums") },
	{ "enums: unknown", KINDS("{\"int\":1,\"enums\":[\"red\",\"\"]}"),
	    INVALID("enums") },
	{ "enums: null element", KINDS("{\"int\":1,\"enums\":[null]}"),
	    INVALID("enums") },
	{ "enums: no array", KINDS("{\"int\":1,\"enums\":\"red\"}"), INVALID("enums") },
	{ "errors: of the interface", "{\"method\":\"" TOY ".Fail\"}",
	    "{\"error\":\"" TOY ".Failed\",\"parameters\":{\"why\":\"because\"}}" },
	{ "errors: unknown interface", "{\"method\":\"org.example.None.Echo\"}",
	    ERROR("InterfaceNotFound", "{\"interface\":\"org.example.None\"}") },
	{ "errors: prefix of an interface", "{\"method\":\"org.example.Echo\"}",
	    ERROR("InterfaceNotFound", "{\"interface\":\"org.example\"}") },
	{ "errors: unknown method by its full name", "{\"method\":\"" TOY ".echo\"}",
	    ERROR("MethodNotFound", "{\"method\":\"" TOY ".echo\"}") },
	{ "errors: interface alone", "{\"method\":\"" TOY ".\"}",
	    ERROR("MethodNotFound", "{\"method\":\"" TOY ".\"}") },
	{ "errors: no dot", "{\"method\":\"Echo\"}",
	    ERROR("MethodNotFound", "{\"method\":\"Echo\"}") },
	{ "errors: empty method", "{\"method\":\"\"}",
	    ERROR("MethodNotFound", "{\"method\":\"\"}") },
	{ "errors: not implemented", "{\"method\":\"" TOY ".Unfinished\"}",
	    ERROR("MethodNotImplemented", "{\"method\":\"" TOY ".Unfinished\"}") },
	{ "errors: more is required", "{\"method\":\"" TOY ".Watch\"}",
	    ERROR("ExpectedMore", "{}") },
	{ "more: ignored where it means nothing",
	    "{\"method\":\"" TOY ".Echo\",\"more\":true}", "{\"parameters\":{}}" },
	{ "more: without it one reply, without continues",
	    "{\"method\":\"" TOY ".Count\",\"parameters\":{\"n\":3}}",
	    "{\"parameters\":{\"i\":3}}" },
	{ "oneway: no reply", "{\"method\":\"" TOY ".Echo\",\"oneway\":true}", ALIVE },
	{ "oneway: no error either", "{\"method\":\"" TOY ".Fail\",\"oneway\":true}",
	    ALIVE },
	{ "oneway: unknown method", "{\"method\":\"x.y\",\"oneway\":true}", ALIVE },
	{ "oneway: bad parameters",
	    "{\"method\":\"" TOY ".Kinds\",\"parameters\":{},\"oneway\":true}", ALIVE },
	{ "oneway: upgrade", "{\"method\":\"x.y\",\"oneway\":true,\"upgrade\":true}",
	    ALIVE },
	{ "service: GetInfo, sorted, each name once",
	    "{\"method\":\"org.varlink.service.GetInfo\"}",
	    "{\"parameters\":{\"vendor\":\"Example\",\"product\":\"Toy\",\"version\":"
	    "\"1.0\","
	    "\"url\":\"https://example.org/"
	    "\",\"interfaces\":[\"io.systemd.service\",\"" TOY
	    "\",\"org.varlink.service\"]}}" },
	{ "service: GetInfo takes nothing",
	    CALL("org.varlink.service.GetInfo", "{\"interface\":\"x\"}"),
	    INVALID("interface") },
	{ "service: description as it is in the tree",
	    CALL("org.varlink.service.GetInterfaceDescription",
		"{\"interface\":\"" TOY "\"}"),
	    "{\"parameters\":{\"description\":\"# Toy "
	    "\\\"interface\\\"\\ninterface " TOY "\\nmethod Echo() -> ()\\n\"}}" },
	{ "service: description of an unknown interface",
	    CALL("org.varlink.service.GetInterfaceDescription",
		"{\"interface\":\"org.example.None\"}"),
	    ERROR("InterfaceNotFound", "{\"interface\":\"org.example.None\"}") },
	{ "service: description of nothing",
	    CALL("org.varlink.service.GetInterfaceDescription", "{}"),
	    INVALID("interface") },
	{ "service: Ping", "{\"method\":\"io.systemd.service.Ping\"}",
	    "{\"parameters\":{}}" },
};

/* After each row the connection answers as before, unless it had to end. */
static void
every_message_gets_the_answer_of_its_rule(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct client *c = client_new();
		const char *got, *want = rows[i].answer;

		client_call(c, rows[i].message);
		if (want != NULL && strcmp(want, ALIVE) == 0)
			client_call(c, CALL(TOY ".Echo", "{\"text\":\"alive\"}"));
		got = client_receive(c);
		if (want == NULL ? got != NULL : got == NULL || strcmp(got, want) != 0)
			fail_msg("%s: %s", rows[i].rule, got != NULL ? got : "(end)");
		if (want != NULL)
			client_expect_alive(c);
		client_free(c);
	}
	toy_turn_until_connections(0);
}

/* The same, one byte at a time and then many in one piece. */
static void
framing_does_not_depend_on_how_bytes_arrive(void **state)
{
	static const char call[] = CALL(TOY ".Echo", "{\"text\":\"\xc3\xa4\"}");
	struct client *c = client_new();
	char many[20 * sizeof(call)];

	(void)state;
	for (unsigned i = 0; i < sizeof(call); i++) {
		client_send(c, call + i, 1);
		toy_turns(3);
		assert_int_equal(toy_echoed, i + 1 == sizeof(call));
	}
	client_expect(c, "{\"parameters\":{\"text\":\"\xc3\xa4\"}}");
	for (unsigned i = 0; i < 20; i++)
		memcpy(many + i * sizeof(call), call, sizeof(call));
	client_send(c, many, sizeof(many));
	for (unsigned i = 0; i < 20; i++)
		client_expect(c, "{\"parameters\":{\"text\":\"\xc3\xa4\"}}");
	client_free(c);
}

static void
framing_newline_does_not_end_a_message(void **state)
{
	struct client *c = client_new();

	(void)state;
	client_send(c, "{\"method\":\"" TOY ".Echo\"}\n", 34);
	toy_turns(10);
	assert_int_equal(toy_echoed, 0);
	client_send(c, "", 1);
	client_expect(c, "{\"parameters\":{}}");
	client_free(c);
}

static void
pipelined_calls_are_answered_in_order_one_at_a_time(void **state)
{
	struct client *c = client_new();
	char text[128], want[128];

	(void)state;
	client_call(c, "{\"method\":\"" TOY ".Later\"}");
	for (unsigned i = 0; i < 150; i++) {
		(void)snprintf(
		    text, sizeof(text), CALL(TOY ".Echo", "{\"text\":\"%u\"}"), i);
		client_call(c, text);
	}
	toy_turn_until_held(1);
	toy_turns(10);
	assert_int_equal(toy_echoed, 0); /* not before the first is answered */
	varlink_reply_empty(toy_held[0]);
	assert_int_equal(toy_ended, 1);
	client_expect(c, "{\"parameters\":{}}");
	for (unsigned i = 0; i < 150; i++) {
		(void)snprintf(
		    want, sizeof(want), "{\"parameters\":{\"text\":\"%u\"}}", i);
		client_expect(c, want);
	}
	client_free(c);
}

static void
more_several_replies_the_last_without_continues(void **state)
{
	struct client *c = client_new();

	(void)state;
	client_call(
	    c, "{\"method\":\"" TOY ".Count\",\"parameters\":{\"n\":3},\"more\":true}");
	client_expect(c, "{\"continues\":true,\"parameters\":{\"i\":1}}");
	client_expect(c, "{\"continues\":true,\"parameters\":{\"i\":2}}");
	client_expect(c, "{\"parameters\":{\"i\":3}}");
	client_expect_alive(c);
	client_free(c);
}

static void
more_ends_with_an_error_without_continues(void **state)
{
	struct client *c = client_new();

	(void)state;
	client_call(c, "{\"method\":\"" TOY ".Watch\",\"more\":true}");
	toy_turn_until_held(1);
	assert_int_equal(varlink_reply_continues(toy_held[0], NULL), -EMSGSIZE);
	assert_int_equal(varlink_reply_continues(toy_held[0], cJSON_CreateObject()), 0);
	client_expect(c, "{\"continues\":true,\"parameters\":{}}");
	assert_int_equal(toy_ended, 0);
	varlink_error(toy_held[0], TOY ".Failed", NULL);
	assert_int_equal(toy_ended, 1);
	client_expect(c, "{\"error\":\"" TOY ".Failed\",\"parameters\":{}}");
	client_expect_alive(c);
	client_free(c);
}

static void
more_is_as_good_as_not_given_where_it_means_nothing(void **state)
{
	struct client *c = client_new();

	(void)state;
	client_call(c, "{\"method\":\"" TOY ".Later\",\"more\":true}");
	toy_turn_until_held(1);
	assert_false(varlink_call_more(toy_held[0]));
	assert_int_equal(
	    varlink_reply_continues(toy_held[0], cJSON_CreateObject()), -EOPNOTSUPP);
	varlink_reply_empty(toy_held[0]);
	client_expect(c, "{\"parameters\":{}}");
	client_free(c);
}

static void
monitors_on_their_own_connections_do_not_wait_for_each_other(void **state)
{
	struct client *c[3];

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		c[i] = client_new();
		client_call(c[i], "{\"method\":\"" TOY ".Watch\",\"more\":true}");
	}
	toy_turn_until_held(3);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(
		    varlink_reply_continues(toy_held[i], cJSON_CreateObject()), 0);
	for (unsigned i = 3; i-- > 0;)
		client_expect(c[i], "{\"continues\":true,\"parameters\":{}}");
	for (unsigned i = 0; i < 3; i++)
		client_free(c[i]);
	toy_turn_until_connections(0);
	assert_int_equal(toy_ended, 3);
	assert_int_equal(toy_n_held, 0);
}

static void
message_of_64_kib_is_taken_and_one_byte_more_closes(void **state)
{
	static const char head[] =
	    "{\"method\":\"" TOY ".Echo\",\"parameters\":{\"text\":\"";
	size_t fill = VARLINK_INPUT_MAX - strlen(head) - strlen("\"}}");
	char *message = malloc(VARLINK_INPUT_MAX + 2);

	(void)state;
	assert_non_null(message);
	for (unsigned more = 0; more < 2; more++) {
		struct client *c = client_new();
		const char *got;

		memset(stpcpy(message, head), 'x', fill + more);
		(void)strcpy(message + strlen(head) + fill + more, "\"}}");
		assert_int_equal(strlen(message), VARLINK_INPUT_MAX + more);
		client_call(c, message);
		got = client_receive(c);
		if (more == 0) {
			assert_non_null(got);
			assert_int_equal(strlen(got),
			    strlen("{\"parameters\":{\"text\":\"\"}}") + fill);
			client_expect_alive(c);
		} else {
			assert_null(got);
		}
		client_free(c);
	}
	free(message);
}

static void
replies_up_to_the_limit_arrive_and_larger_ones_close(void **state)
{
	static const struct {
		size_t size;
		bool arrives;
	} sizes[] = {
		{ 0, true },
		{ 4000, true },
		{ 4096, true },
		{ 300000, true },
		{ VARLINK_MESSAGE_MAX - 100, true },
		{ VARLINK_MESSAGE_MAX, false },
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct client *c = client_new();
		char call[128];
		const char *got;

		(void)snprintf(
		    call, sizeof(call), CALL(TOY ".Big", "{\"n\":%zu}"), sizes[i].size);
		client_call(c, call);
		got = client_receive(c);
		assert_int_equal(got != NULL, sizes[i].arrives);
		if (got != NULL) {
			assert_int_equal(strlen(got),
			    sizes[i].size + strlen("{\"parameters\":{\"text\":\"\"}}"));
			client_expect_alive(c);
		}
		client_free(c);
	}
}

/* Another interface of a built-in name adds its methods and describes both. */
static void
service_interface_can_be_extended(void **state)
{
	static const struct varlink_method methods[] = {
		{ "Reload", VARLINK_PRIVILEGED, toy_none, toy_secret },
		{ .name = NULL },
	};
	static const struct varlink_interface more = {
		.name = "io.systemd.service",
		.description = "interface io.systemd.service\n",
		.methods = methods,
	};
	struct client *c = client_new();
	const char *info;

	(void)state;
	assert_int_equal(varlink_server_add_interface(toy_server, &more), 0);
	client_call(c, "{\"method\":\"io.systemd.service.Reload\"}");
	client_expect(c, "{\"parameters\":{}}");
	client_call(c, "{\"method\":\"io.systemd.service.Ping\"}");
	client_expect(c, "{\"parameters\":{}}");
	client_call(c, "{\"method\":\"org.varlink.service.GetInfo\"}");
	info = client_receive(c);
	assert_non_null(info);
	assert_null(
	    strstr(strstr(info, "io.systemd.service") + 1, "io.systemd.service"));
	client_call(c, CALL("org.varlink.service.GetInterfaceDescription",
			   "{\"interface\":\"io.systemd.service\"}"));
	client_expect(c,
	    "{\"parameters\":{\"description\":\"interface io.systemd.service\\n\"}}");
	client_free(c);
}

static void
add_count(const char *kind, const char *name, uint64_t count, void *ctx)
{
	char *text = ctx;

	if (count > 0)
		(void)sprintf(
		    text + strlen(text), "%s %s %" PRIu64 "\n", kind, name, count);
}

static void
calls_errors_and_connections_are_counted(void **state)
{
	struct client *c = client_new();
	char text[1024] = "";

	(void)state;
	client_expect_alive(c);
	client_expect_alive(c);
	client_call(c, "{\"method\":\"" TOY ".Fail\"}");
	client_call(c, "{\"method\":\"x.y\"}");
	assert_non_null(client_receive(c));
	assert_non_null(client_receive(c));
	assert_int_equal(varlink_server_connections(toy_server), 1);
	varlink_server_counters(toy_server, add_count, text);
	assert_string_equal(text,
	    "connection accepted 1\nmethod " TOY ".Echo 2\nmethod " TOY
	    ".Fail 1\nerror " TOY
	    ".Failed 1\nerror org.varlink.service.InterfaceNotFound 1\n");
	client_free(c);
}

/* Shut down its sending side: still served; closed: the call ends at once. */
static void
half_closed_client_gets_its_answer(void **state)
{
	struct client *c = client_new();

	(void)state;
	client_call(c, "{\"method\":\"" TOY ".Later\"}");
	assert_int_equal(shutdown(c->fd, SHUT_WR), 0);
	toy_turn_until_held(1);
	toy_turns(10);
	assert_int_equal(toy_ended, 0);
	varlink_reply_empty(toy_held[0]);
	client_expect(c, "{\"parameters\":{}}");
	client_expect(c, NULL);
	client_free(c);
	toy_turn_until_connections(0);
}

static void
call_ends_when_its_client_closes(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		struct client *c = client_new();

		client_call(c, "{\"method\":\"" TOY ".Watch\",\"more\":true}");
		if (i == 1) /* bytes that nobody will read */
			client_send(c, "{\"method", 8);
		if (i == 2)
			assert_int_equal(shutdown(c->fd, SHUT_WR), 0);
		if (i != 3) /* 3: gone before the server looked */
			toy_turn_until_held(1);
		client_free(c);
		toy_turn_until_connections(0);
		assert_int_equal(toy_n_held, 0);
		assert_int_equal(toy_ended, i + 1);
	}
}

static void
oneway_call_is_done_although_the_client_left(void **state)
{
	struct client *c = client_new();

	(void)state;
	client_call(c, "{\"method\":\"" TOY ".Echo\",\"oneway\":true}");
	client_call(c, "{\"method\":\"" TOY ".Echo\",\"oneway\":true}");
	client_free(c);
	toy_turn_until_connections(0);
	assert_int_equal(toy_echoed, 2);
}

static void
freeing_the_server_ends_open_calls(void **state)
{
	struct client *c = client_new(), *d = client_new();

	(void)state;
	client_call(c, "{\"method\":\"" TOY ".Watch\",\"more\":true}");
	client_call(d, "{\"method\":\"" TOY ".Later\"}");
	toy_turn_until_held(2);
	toy_server = varlink_server_free(toy_server);
	assert_int_equal(toy_ended, 2);
	client_expect(c, NULL);
	client_expect(d, NULL);
	client_free(c);
	client_free(d);
}

#define TEST(function) \
	cmocka_unit_test_setup_teardown(function, toy_setup, toy_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_message_gets_the_answer_of_its_rule),
		TEST(framing_does_not_depend_on_how_bytes_arrive),
		TEST(framing_newline_does_not_end_a_message),
		TEST(pipelined_calls_are_answered_in_order_one_at_a_time),
		TEST(more_several_replies_the_last_without_continues),
		TEST(more_ends_with_an_error_without_continues),
		TEST(more_is_as_good_as_not_given_where_it_means_nothing),
		TEST(monitors_on_their_own_connections_do_not_wait_for_each_other),
		TEST(message_of_64_kib_is_taken_and_one_byte_more_closes),
		TEST(replies_up_to_the_limit_arrive_and_larger_ones_close),
		TEST(service_interface_can_be_extended),
		TEST(calls_errors_and_connections_are_counted),
		TEST(half_closed_client_gets_its_answer),
		TEST(call_ends_when_its_client_closes),
		TEST(oneway_call_is_done_although_the_client_left),
		TEST(freeing_the_server_ends_open_calls),
	};

	return cmocka_run_group_tests_name("varlink", tests, NULL, NULL);
}
