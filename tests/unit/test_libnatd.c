/*
 * test_libnatd.c - libnatd against the other end of a socket pair.
 *
 * The answer is written before the call is made: it waits in the socket.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/natd.h"

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static struct natd *natd;
static int peer = -1;

static int
set_up(void **state)
{
	int ends[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	assert_int_equal(natd_open_fd(ends[0], 5000, &natd), 0);
	peer = ends[1];
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	natd = natd_close(natd);
	if (peer >= 0)
		close(peer);
	peer = -1;
	return 0;
}

static void
answer_bytes(const char *bytes, size_t len)
{
	assert_int_equal(send(peer, bytes, len, MSG_NOSIGNAL), len);
}

static void
answer(const char *message)
{
	answer_bytes(message, strlen(message) + 1);
}

/* One message has come, and it is this. */
static void
expect_call(const char *message)
{
	char got[4096];
	ssize_t n = recv(peer, got, sizeof(got), MSG_DONTWAIT);

	assert_true(n > 0);
	assert_int_equal(got[n - 1], '\0');
	assert_int_equal(strlen(got), n - 1);
	assert_string_equal(got, message);
}

static void
hang_up(void)
{
	close(peer);
	peer = -1;
}

#define CONTEXT(protocols) \
	"\"context\":{\"protocols\":[" protocols "],\"description\":\"web\"}"
#define ACTIVE                                                                \
	"{\"id\":\"m1\",\"context\":{\"protocols\":[\"tcp\"],"                \
	"\"description\":\"web\"},\"runtime\":{\"state\":\"active\","         \
	"\"method\":\"pcp\",\"gateway\":\"192.168.1.1\","                     \
	"\"interface\":\"eth0\",\"internal\":{\"address\":\"192.168.1.20\","  \
	"\"port\":8080},\"external\":{\"address\":\"203.0.113.7\","           \
	"\"port\":9090},\"externalIsGlobal\":true,\"expires\":{\"realtime\":" \
	"1795163185000000},\"reachability\":\"unknown\",\"renewals\":0}}"
#define FAILED                                                           \
	"{\"id\":\"m2\",\"context\":{\"protocols\":[\"udp\",\"tcp\"]},"  \
	"\"runtime\":{\"state\":\"failed\",\"renewals\":0,\"problem\":{" \
	"\"severity\":\"error\",\"code\":\"no_method\","                 \
	"\"message\":\"no gateway\",\"hint\":\"switch on UPnP\"}}}"

/* ---- requests ---- */

static void
request_is_what_the_interface_says(void **state)
{
	struct natd_request *r = natd_request_new(NATD_TCP | NATD_UDP, 8080);
	char text[512];
	ssize_t len;

	(void)state;
	natd_request_set_description(r, "old");
	natd_request_set_description(r, "a \"web\" server");
	natd_request_set_external_port(r, 443, true);
	natd_request_set_lifetime(r, 3600);
	natd_request_set_persistence(r, NATD_PERMANENT);
	natd_request_set_family(r, AF_INET6);
	natd_request_set_interface(r, "eth0");
	natd_request_set_gateway(r, "fe80::1");
	natd_request_set_internal_address(r, "2001:db8::7");
	natd_request_add_method(r, "igd1");
	natd_request_add_method(r, NULL);
	natd_request_add_method(r, "pcp");
	natd_request_add_method(r, "nat_pmp");
	natd_request_set_timeout(r, 5000);
	len = natd_request_print(r, text, sizeof(text));
	assert_int_equal(len, strlen(text));
	assert_string_equal(text,
	    "{\"protocols\":[\"tcp\",\"udp\"],\"internalPort\":8080,"
	    "\"description\":\"a \\\"web\\\" server\",\"suggestedExternalPort\":443,"
	    "\"preferFailure\":true,\"lifetimeSeconds\":3600,"
	    "\"persistence\":\"permanent\",\"family\":\"ipv6\",\"interface\":\"eth0\","
	    "\"gateway\":\"fe80::1\",\"internalAddress\":\"2001:db8::7\","
	    "\"methods\":[\"pcp\",\"nat_pmp\"],\"timeoutUSec\":5000000}");
	assert_int_equal(natd_request_print(r, text, 100), -ENOBUFS);
	natd_request_free(r);

	r = natd_request_new(NATD_UDP, 0);
	natd_request_set_external_port(r, 443, true);
	natd_request_set_external_port(r, 0, false);
	len = natd_request_print(r, text, sizeof(text));
	assert_int_equal(len, strlen(text));
	assert_string_equal(text, "{\"protocols\":[\"udp\"]}");
	natd_request_free(r);
}

static void
request_that_cannot_be_is_refused(void **state)
{
	struct natd_request *requests[] = {
		natd_request_new(0, 8080),
		natd_request_new(4, 8080),
		natd_request_new(NATD_TCP, 8080),
		natd_request_new(NATD_TCP, 8080),
	};
	char text[512];

	(void)state;
	natd_request_set_family(requests[2], AF_UNIX);
	natd_request_set_persistence(requests[3], (enum natd_persistence)7);
	for (size_t i = 0; i < COUNT(requests); i++) {
		assert_int_equal(
		    natd_request_print(requests[i], text, sizeof(text)), -EINVAL);
		assert_int_equal(
		    natd_request_mapping(natd, requests[i], NULL), -EINVAL);
		natd_request_free(requests[i]);
	}
	/* Nothing was sent. */
	assert_int_equal(recv(peer, text, sizeof(text), MSG_DONTWAIT), -1);
	assert_null(natd_request_free(NULL));
}

/* ---- mappings ---- */

static void
mapping_is_asked_for_and_read(void **state)
{
	struct natd_request *request = natd_request_new(NATD_TCP, 8080);
	const struct natd_mapping *m;

	(void)state;
	answer("{\"parameters\":{\"mapping\":" ACTIVE "}}");
	assert_int_equal(natd_request_mapping(natd, request, &m), 0);
	expect_call("{\"method\":\"org.natd.NAT.RequestMapping\",\"parameters\":"
		    "{\"protocols\":[\"tcp\"],\"internalPort\":8080}}");
	assert_string_equal(natd_mapping_id(m), "m1");
	assert_int_equal(natd_mapping_protocols(m), NATD_TCP);
	assert_int_equal(natd_mapping_state(m), NATD_ACTIVE);
	assert_string_equal(natd_mapping_state_name(m), "active");
	assert_true(natd_mapping_is_held(m));
	assert_string_equal(natd_mapping_external_address(m), "203.0.113.7");
	assert_int_equal(natd_mapping_external_port(m), 9090);
	assert_string_equal(natd_mapping_internal_address(m), "192.168.1.20");
	assert_int_equal(natd_mapping_internal_port(m), 8080);
	assert_int_equal(natd_mapping_external_is_global(m), 1);
	assert_string_equal(natd_mapping_method(m), "pcp");
	assert_string_equal(natd_mapping_gateway(m), "192.168.1.1");
	assert_string_equal(natd_mapping_interface(m), "eth0");
	assert_string_equal(natd_mapping_description(m), "web");
	assert_int_equal(natd_mapping_expires(m), INT64_C(1795163185000000));
	assert_null(natd_mapping_problem(m));
	assert_null(natd_mapping_problem_message(m));
	assert_false(natd_continues(natd));
	natd_request_free(request);
}

static void
mapping_without_a_verdict_says_why(void **state)
{
	const struct natd_mapping *m;

	(void)state;
	answer("{\"parameters\":{\"mappings\":[" ACTIVE "," FAILED "]}}");
	assert_int_equal(natd_list_mappings(natd), 2);
	expect_call("{\"method\":\"org.natd.NAT.ListMappings\",\"parameters\":{}}");
	assert_int_equal(natd_mapping_count(natd), 2);
	m = natd_mapping(natd, 1);
	assert_int_equal(natd_mapping_state(m), NATD_FAILED);
	assert_int_equal(natd_mapping_protocols(m), NATD_TCP | NATD_UDP);
	assert_false(natd_mapping_is_held(m));
	assert_null(natd_mapping_external_address(m));
	assert_int_equal(natd_mapping_external_port(m), 0);
	assert_int_equal(natd_mapping_external_is_global(m), -1);
	assert_int_equal(natd_mapping_expires(m), -1);
	assert_string_equal(natd_mapping_problem(m), "no_method");
	assert_string_equal(natd_mapping_problem_message(m), "no gateway");
	assert_string_equal(natd_mapping_problem_hint(m), "switch on UPnP");
	assert_null(natd_mapping(natd, 2));
	answer("{\"parameters\":{\"mappings\":[]}}");
	assert_int_equal(natd_list_mappings(natd), 0);
	assert_null(natd_mapping(natd, 0));
}

static void
state_of_a_newer_natd_is_passed_on(void **state)
{
	(void)state;
	answer("{\"parameters\":{\"mappings\":[{\"id\":\"m1\"," CONTEXT(
	    "\"tcp\"") ",\"runtime\":{\"state\":\"asleep\"}}]}}");
	assert_int_equal(natd_list_mappings(natd), 1);
	assert_int_equal(natd_mapping_state(natd_mapping(natd, 0)), NATD_STATE_OTHER);
	assert_string_equal(natd_mapping_state_name(natd_mapping(natd, 0)), "asleep");
}

#define RUNTIME(members)           \
	"{\"id\":\"m1\"," CONTEXT( \
	    "\"tcp\"") ",\"runtime\":{\"state\":\"active\"," members "}}"

static void
mapping_that_is_none_is_refused(void **state)
{
	static const char *const bad[] = {
		"null",
		"[]",
		"{}",
		"{\"id\":1," CONTEXT("\"tcp\"") ",\"runtime\":{\"state\":\"active\"}}",
		"{\"id\":\"m1\"," CONTEXT("") ",\"runtime\":{\"state\":\"active\"}}",
		"{\"id\":\"m1\"," CONTEXT("1") ",\"runtime\":{\"state\":\"active\"}}",
		"{\"id\":\"m1\"," CONTEXT(
		    "\"sctp\"") ",\"runtime\":{\"state\":\"active\"}}",
		"{\"id\":\"m1\"," CONTEXT("\"tcp\"") ",\"runtime\":{}}",
		"{\"id\":\"m1\"," CONTEXT("\"tcp\"") ",\"runtime\":\"active\"}",
		RUNTIME("\"method\":1"),
		RUNTIME("\"problem\":\"why\""),
		RUNTIME("\"expires\":{\"realtime\":1.5}"),
		RUNTIME("\"external\":{\"port\":1}"),
		RUNTIME("\"external\":{\"address\":\"1.2.3\",\"port\":1}"),
		RUNTIME("\"external\":{\"address\":\"1.2.3.4;reboot\",\"port\":1}"),
		RUNTIME("\"external\":{\"address\":\"1.2.3.4\",\"port\":65536}"),
		RUNTIME("\"internal\":{\"address\":\"1.2.3.4\",\"port\":-1}"),
	};
	struct natd_request *request = natd_request_new(NATD_TCP, 8080);
	char text[1024];

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		snprintf(
		    text, sizeof(text), "{\"parameters\":{\"mapping\":%s}}", bad[i]);
		answer(text);
		assert_int_equal(natd_request_mapping(natd, request, NULL), -EBADMSG);
		assert_null(natd_error(natd));
		assert_null(natd_mapping(natd, 0));
		/* Nothing more can be believed. */
		assert_int_equal(natd_call(natd, "Status", NULL), -EBADMSG);
		tear_down(NULL);
		set_up(NULL);
	}
	natd_request_free(request);
}

static void
mapping_is_followed(void **state)
{
	struct natd_request *request = natd_request_new(NATD_TCP, 8080);
	struct pollfd p = { .fd = natd_fd(natd), .events = POLLIN };

	(void)state;
	assert_int_equal(natd_follow_mapping(natd, request), 0);
	expect_call("{\"method\":\"org.natd.NAT.RequestMapping\",\"parameters\":"
		    "{\"protocols\":[\"tcp\"],\"internalPort\":8080},\"more\":true}");
	assert_int_equal(natd_process(natd), 0);
	assert_int_equal(poll(&p, 1, 0), 0);
	assert_int_equal(natd_release_mapping(natd, "m1"), -EBUSY);

	/* One and a half, then the other half: as a stream may bring them. */
	answer("{\"parameters\":{\"mapping\":" FAILED "},\"continues\":true}");
	answer_bytes("{\"parameters\":{\"map", 19);
	assert_int_equal(poll(&p, 1, 0), 1);
	assert_int_equal(natd_process(natd), 1);
	assert_true(natd_continues(natd));
	assert_false(natd_mapping_is_held(natd_mapping(natd, 0)));
	assert_int_equal(natd_process(natd), 0);
	assert_null(natd_mapping(natd, 0));
	answer("ping\":" ACTIVE "},\"continues\":true}");
	assert_int_equal(natd_receive(natd, 0), 1);
	assert_true(natd_mapping_is_held(natd_mapping(natd, 0)));

	/* The end of the connection doesn't swallow what came before it. */
	answer("{\"error\":\"org.natd.NAT.NoSuchMapping\",\"parameters\":"
	       "{\"id\":\"m1\"}}");
	hang_up();
	assert_int_equal(natd_process(natd), -ENOENT);
	assert_string_equal(natd_error_string(natd, "id"), "m1");
	assert_int_equal(natd_process(natd), -ECONNRESET);
	assert_null(natd_error(natd));
	assert_int_equal(natd_process(natd), -ECONNRESET);
	natd_request_free(request);
}

static void
mapping_is_released_and_renewed(void **state)
{
	(void)state;
	answer("{\"parameters\":{}}");
	assert_int_equal(natd_release_mapping(natd, "m\"1"), 0);
	expect_call("{\"method\":\"org.natd.NAT.ReleaseMapping\",\"parameters\":"
		    "{\"id\":\"m\\\"1\"}}");
	answer("{\"parameters\":{\"renewed\":3}}");
	assert_int_equal(natd_renew_mapping(natd, NULL), 3);
	expect_call("{\"method\":\"org.natd.NAT.RenewMapping\",\"parameters\":{}}");
	answer("{\"parameters\":{\"renewed\":-1}}");
	assert_int_equal(natd_renew_mapping(natd, "m1"), -EBADMSG);
}

/* ---- errors ---- */

static void
error_has_a_name_a_number_and_fields(void **state)
{
	int64_t port = 0;

	(void)state;
	answer("{\"error\":\"org.natd.NAT.ExternalPortUnavailable\",\"parameters\":"
	       "{\"requestedPort\":443,\"offeredPort\":null}}");
	assert_int_equal(natd_call(natd, "RequestMapping", NULL), -EADDRINUSE);
	assert_string_equal(natd_error(natd), "org.natd.NAT.ExternalPortUnavailable");
	assert_int_equal(natd_error_number(natd), EADDRINUSE);
	assert_int_equal(natd_error_int(natd, "requestedPort", &port), 0);
	assert_int_equal(port, 443);
	assert_int_equal(natd_error_int(natd, "offeredPort", &port), -ENOENT);
	assert_null(natd_error_string(natd, "requestedPort"));

	/* The connection is as good as before. */
	answer("{\"error\":\"com.example.New\"}");
	assert_int_equal(natd_call(natd, "Status", NULL), -EREMOTEIO);
	assert_string_equal(natd_parameters(natd), "{}");
	answer("{\"parameters\":{\"state\":\"online\"}}");
	assert_int_equal(natd_call(natd, "Status", NULL), 0);
	assert_null(natd_error(natd));
	assert_int_equal(natd_error_number(natd), 0);
	assert_null(natd_error_string(natd, "state"));
}

static void
reply_that_is_none_ends_the_connection(void **state)
{
	static const struct {
		const char *reply;
		int error;
	} rows[] = {
		{ "", -EBADMSG },
		{ "[]", -EBADMSG },
		{ "HTTP/1.1 400 Bad Request\r\n\r\n", -EBADMSG },
		{ "{}{}", -EBADMSG },
		{ "{\"parameters\":null}", -EBADMSG },
		{ "{\"parameters\":[]}", -EBADMSG },
		{ "{\"parameters\":{},\"x\":1}", -EBADMSG },
		{ "{\"parameters\":{},\"parameters\":{}}", -EBADMSG },
		{ "{\"param\\u0065ters\":{}}", -EBADMSG },
		{ "{\"error\":null}", -EBADMSG },
		{ "{\"error\":\"\"}", -EBADMSG },
		{ "{\"error\":\"a.B\\u001b[2J\"}", -EBADMSG },
		{ "{\"error\":\"a.B\",\"continues\":true}", -EBADMSG },
		{ "{\"parameters\":{},\"continues\":true}", -EBADMSG },
		{ "{\"parameters\":{\"a\":\"\xff\"}}", -EBADMSG },
		{ "{\"parameters\":{},\"continues\":false}", 0 },
		{ " {\"parameters\":{}}\n", 0 },
		{ "{}", 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		answer(rows[i].reply);
		assert_int_equal(natd_call(natd, "Status", "{}"), rows[i].error);
		assert_null(natd_error(natd));
		if (rows[i].error < 0)
			assert_null(natd_parameters(natd));
		answer("{}");
		assert_int_equal(natd_call(natd, "Status", "{}"), rows[i].error);
		tear_down(NULL);
		set_up(NULL);
	}
}

static void
reply_nobody_asked_for_is_refused(void **state)
{
	(void)state;
	answer("{}");
	assert_int_equal(natd_process(natd), -EBADMSG);
	tear_down(NULL);
	set_up(NULL);
	answer("{}");
	answer("{}");
	assert_int_equal(natd_call(natd, "Status", NULL), 0);
	assert_int_equal(natd_call(natd, "Status", NULL), -EBADMSG);
}

static void
endless_reply_is_refused(void **state)
{
	static char spaces[64 * 1024];
	int r;

	(void)state;
	memset(spaces, ' ', sizeof(spaces));
	assert_int_equal(natd_send(natd, "Status", NULL, 0, -1), 0);
	do {
		answer_bytes(spaces, sizeof(spaces));
		r = natd_process(natd);
	} while (r == 0);
	assert_int_equal(r, -EMSGSIZE);
}

static void
patience_ends(void **state)
{
	(void)state;
	assert_int_equal(natd_send(natd, "Status", NULL, 0, -1), 0);
	assert_int_equal(natd_receive(natd, 10), -ETIMEDOUT);
	assert_null(natd_error(natd));
	/* Late is not lost. */
	assert_int_equal(natd_send(natd, "Status", NULL, 0, -1), -EBUSY);
	answer("{\"parameters\":{\"late\":true}}");
	assert_int_equal(natd_receive(natd, -1), 1);
	assert_string_equal(natd_parameters(natd), "{\"late\":true}");
	hang_up();
	assert_int_equal(natd_call(natd, "Status", NULL), -ECONNRESET);
}

/* ---- calls ---- */

static void
call_that_cannot_be_is_not_sent(void **state)
{
	static char big[NATD_CALL_MAX];
	char byte;

	(void)state;
	memset(big, ' ', sizeof(big));
	big[0] = '{';
	big[sizeof(big) - 2] = '}';
	big[sizeof(big) - 1] = '\0';
	assert_int_equal(natd_send(natd, "", NULL, 0, -1), -EINVAL);
	assert_int_equal(
	    natd_send(natd, "Status\",\"oneway\":\"", NULL, 0, -1), -EINVAL);
	assert_int_equal(natd_send(natd, "Status", "[]", 0, -1), -EINVAL);
	assert_int_equal(
	    natd_send(natd, "Status", "{},\"oneway\":true", 0, -1), -EINVAL);
	assert_int_equal(natd_send(natd, "Status", NULL, 2, -1), -EINVAL);
	assert_int_equal(natd_send(natd, "Status", big, 0, -1), -EMSGSIZE);
	assert_int_equal(recv(peer, &byte, 1, MSG_DONTWAIT), -1);
	answer("{}");
	assert_int_equal(natd_call(natd, "org.varlink.service.GetInfo", NULL), 0);
	expect_call("{\"method\":\"org.varlink.service.GetInfo\",\"parameters\":{}}");
}

static void
numbers_of_other_methods_arrive_as_they_were_written(void **state)
{
	(void)state;
	answer("{\"parameters\": {\"big\": 9223372036854775807, \"a\\u0041\": 1e2}}");
	assert_int_equal(natd_call(natd, "Status", NULL), 0);
	assert_string_equal(
	    natd_parameters(natd), "{\"big\": 9223372036854775807, \"a\\u0041\": 1e2}");
	assert_string_equal(natd_message(natd),
	    "{\"parameters\": {\"big\": 9223372036854775807, \"a\\u0041\": 1e2}}");
}

static void
descriptor_goes_with_the_first_byte(void **state)
{
	char first, control[CMSG_SPACE(sizeof(int))];
	struct iovec part = { .iov_base = &first, .iov_len = 1 };
	struct msghdr message = { .msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control) };
	struct stat ours, theirs;
	int pipes[2], fd;

	(void)state;
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(natd_send(natd, "GetReflexiveAddress",
			     "{\"socketFileDescriptor\":0}", NATD_MORE, pipes[0]),
	    0);
	assert_int_equal(recvmsg(peer, &message, MSG_CMSG_CLOEXEC), 1);
	assert_int_equal(first, '{');
	assert_non_null(CMSG_FIRSTHDR(&message));
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
	assert_int_equal(fstat(fd, &theirs), 0);
	assert_int_equal(fstat(pipes[0], &ours), 0);
	assert_int_equal(ours.st_ino, theirs.st_ino);
	close(fd);
	close(pipes[0]);
	close(pipes[1]);
}

static void
socket_that_is_not_there_is_told(void **state)
{
	struct natd *other = NULL;
	char path[200];

	(void)state;
	memset(path, 'x', sizeof(path));
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(natd_open("/nonexistent/natd", 100, &other), -ENOENT);
	assert_int_equal(natd_open(path, 100, &other), -ENAMETOOLONG);
	assert_int_equal(natd_open("", 100, &other), -EINVAL);
	assert_int_equal(setenv("NATD_SOCKET", "/etc/passwd", 1), 0);
	assert_int_equal(natd_open(NULL, 100, &other), -ECONNREFUSED);
	unsetenv("NATD_SOCKET");
	assert_null(other);
	assert_null(natd_close(NULL));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(request_is_what_the_interface_says),
		TEST(request_that_cannot_be_is_refused),
		TEST(mapping_is_asked_for_and_read),
		TEST(mapping_without_a_verdict_says_why),
		TEST(state_of_a_newer_natd_is_passed_on),
		TEST(mapping_that_is_none_is_refused),
		TEST(mapping_is_followed),
		TEST(mapping_is_released_and_renewed),
		TEST(error_has_a_name_a_number_and_fields),
		TEST(reply_that_is_none_ends_the_connection),
		TEST(reply_nobody_asked_for_is_refused),
		TEST(endless_reply_is_refused),
		TEST(patience_ends),
		TEST(call_that_cannot_be_is_not_sent),
		TEST(numbers_of_other_methods_arrive_as_they_were_written),
		TEST(descriptor_goes_with_the_first_byte),
		TEST(socket_that_is_not_there_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
