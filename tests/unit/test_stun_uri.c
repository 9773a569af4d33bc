/*
 * test_stun_uri.c - how a STUN server is written.
 */
#include "proto/stun_uri.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "proto/util.h"

static const struct {
	const char *text;
	const char *host; /* NULL: refused */
	uint16_t port;
	bool secure;
	const char *printed;
} parsed[] = {
	/* RFC 7064 appendix A */
	{ "stun:example.org", "example.org", 0, false, "stun:example.org" },
	{ "stuns:example.org", "example.org", 0, true, "stuns:example.org" },
	{ "stun:example.org:8000", "example.org", 8000, false,
	    "stun:example.org:8000" },
	{ "STUNS:Example.org:1", "Example.org", 1, true, "stuns:Example.org:1" },
	{ "stun:192.0.2.1", "192.0.2.1", 0, false, "stun:192.0.2.1" },
	{ "stun:[2001:db8::1]:3478", "2001:db8::1", 3478, false,
	    "stun:[2001:db8::1]:3478" },
	{ "stuns:[2001:db8::1]", "2001:db8::1", 0, true, "stuns:[2001:db8::1]" },
	/* as people write it */
	{ "example.org", "example.org", 0, false, "stun:example.org" },
	{ " example.org:3478 ", "example.org", 3478, false, "stun:example.org:3478" },
	{ "stun", "stun", 0, false, "stun:stun" },
	{ "stun:3478", "stun", 3478, false, "stun:stun:3478" },
	{ "stun.l.google.com:19302", "stun.l.google.com", 19302, false,
	    "stun:stun.l.google.com:19302" },
	{ "_x-1.example.", "_x-1.example.", 0, false, "stun:_x-1.example." },
	{ "192.0.2.1:65535", "192.0.2.1", 65535, false, "stun:192.0.2.1:65535" },
	{ "2001:db8::1", "2001:db8::1", 0, false, "stun:[2001:db8::1]" },
	{ "fe80::1%eth0", "fe80::1%eth0", 0, false, "stun:[fe80::1%eth0]" },
	{ "[fe80::1%2]:99", "fe80::1%2", 99, false, "stun:[fe80::1%2]:99" },

	{ "", NULL, 0, false, NULL },
	{ "stun:", NULL, 0, false, NULL },
	{ "stuns:", NULL, 0, false, NULL },
	{ "stun://example.org", NULL, 0, false, NULL },
	{ "turn:example.org", NULL, 0, false, NULL },
	{ "http://example.org", NULL, 0, false, NULL },
	{ "stun:user@example.org", NULL, 0, false, NULL },
	{ "stun:example.org?transport=sctp", NULL, 0, false, NULL },
	{ "stun:example.org?transport=", NULL, 0, false, NULL },
	{ "stun:example.org?", NULL, 0, false, NULL },
	{ "stun:example.org?x=1&transport=udp", NULL, 0, false, NULL },
	{ "?transport=udp", NULL, 0, false, NULL },
	{ "stun:example.org/x", NULL, 0, false, NULL },
	{ "example.org:", NULL, 0, false, NULL },
	{ "example.org:0", NULL, 0, false, NULL },
	{ "example.org:65536", NULL, 0, false, NULL },
	{ "example.org:+1", NULL, 0, false, NULL },
	{ "example..org", NULL, 0, false, NULL },
	{ ".example.org", NULL, 0, false, NULL },
	{ "-example.org", NULL, 0, false, NULL },
	{ "exam ple.org", NULL, 0, false, NULL },
	{ "ex\xc3\xa4mple.org", NULL, 0, false, NULL },
	{ "192.0.2", NULL, 0, false, NULL },
	{ "192.0.2.256", NULL, 0, false, NULL },
	{ "[2001:db8::1", NULL, 0, false, NULL },
	{ "[2001:db8::1]3478", NULL, 0, false, NULL },
	{ "[192.0.2.1]:1", NULL, 0, false, NULL },
	{ "[example.org]", NULL, 0, false, NULL },
	{ "2001:db8::1%eth0", NULL, 0, false, NULL }, /* a zone of no use */
	{ "fe80::1%", NULL, 0, false, NULL },
	{ "fe80::1%an-interface-name", NULL, 0, false, NULL },
	{ "2001:db8::1::2", NULL, 0, false, NULL },
};

static void
test_parse(void **state)
{
	char buf[STUN_URI_MAX];
	struct stun_uri u, again;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(parsed); i++) {
		int r = stun_uri_parse(parsed[i].text, strlen(parsed[i].text), &u);

		if (r != (parsed[i].host ? 0 : -EINVAL))
			fail_msg("\"%s\": %d", parsed[i].text, r);
		if (!parsed[i].host)
			continue;
		assert_string_equal(u.host, parsed[i].host);
		assert_int_equal(u.port, parsed[i].port);
		assert_int_equal(u.secure, parsed[i].secure);
		assert_string_equal(stun_uri_format(&u, buf), parsed[i].printed);
		assert_int_equal(stun_uri_parse(buf, strlen(buf), &again), 0);
		assert_string_equal(again.host, u.host);
		assert_int_equal(again.port, u.port);
	}
}

static void
test_transport_of_uri(void **state)
{
	static const struct {
		const char *text;
		enum stun_transport transport;
		uint16_t port;
		const char *printed;
	} rows[] = {
		{ "a.example", STUN_UDP, 0, "stun:a.example" },
		{ "stun:a.example", STUN_UDP, 0, "stun:a.example" },
		{ "stun:a.example?transport=udp", STUN_UDP, 0, "stun:a.example" },
		{ "stun:a.example?transport=tcp", STUN_TCP, 0,
		    "stun:a.example?transport=tcp" },
		{ "a.example:5?TRANSPORT=TCP", STUN_TCP, 5,
		    "stun:a.example:5?transport=tcp" },
		{ "stun:3478?transport=tcp", STUN_TCP, 3478,
		    "stun:stun:3478?transport=tcp" },
		{ "stuns:a.example", STUN_TLS, 0, "stuns:a.example" },
		{ "stuns:a.example?transport=tcp", STUN_TLS, 0, "stuns:a.example" },
		{ "stuns:[2001:db8::1]:1?transport=udp", STUN_DTLS, 1,
		    "stuns:[2001:db8::1]:1?transport=udp" },
	};
	char buf[STUN_URI_MAX];
	struct stun_uri u, again;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (stun_uri_parse(rows[i].text, strlen(rows[i].text), &u) < 0)
			fail_msg("\"%s\"", rows[i].text);
		assert_int_equal(u.transport, rows[i].transport);
		assert_int_equal(u.port, rows[i].port);
		assert_string_equal(stun_uri_format(&u, buf), rows[i].printed);
		assert_int_equal(stun_uri_parse(buf, strlen(buf), &again), 0);
		assert_int_equal(again.transport, u.transport);
	}
}

static void
test_lengths(void **state)
{
	char text[400];
	struct stun_uri u;

	(void)state;
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = i % 50 == 49 ? '.' : 'a';
	assert_int_equal(stun_uri_parse(text, STUN_HOST_MAX - 1, &u), 0);
	assert_int_equal(strlen(u.host), STUN_HOST_MAX - 1);
	assert_int_equal(stun_uri_parse(text, STUN_HOST_MAX, &u), -EINVAL);
	memset(text, 'a', 64);
	assert_int_equal(stun_uri_parse(text, 63, &u), 0);
	assert_int_equal(stun_uri_parse(text, 64, &u), -EINVAL);
}

static void
test_transports(void **state)
{
	(void)state;
	assert_string_equal(stun_transport_name(STUN_DTLS), "dtls");
	assert_int_equal(stun_transport_port(STUN_UDP), 3478);
	assert_int_equal(stun_transport_port(STUN_TCP), 3478);
	assert_int_equal(stun_transport_port(STUN_TLS), 5349);
	assert_int_equal(stun_transport_port(STUN_DTLS), 5349);
	assert_true(stun_transport_is_stream(STUN_TLS));
	assert_false(stun_transport_is_stream(STUN_DTLS));
	assert_true(stun_transport_is_secure(STUN_DTLS));
	assert_false(stun_transport_is_secure(STUN_TCP));
	assert_string_equal(stun_transport_service(STUN_UDP), "_stun._udp");
	assert_string_equal(stun_transport_service(STUN_TCP), "_stun._tcp");
	assert_string_equal(stun_transport_service(STUN_TLS), "_stuns._tcp");
	assert_string_equal(stun_transport_service(STUN_DTLS), "_stuns._udp");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_transport_of_uri),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_transports),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
