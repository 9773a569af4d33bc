/*
 * test_stun_server.c - the Binding service: 18 probes that servers get wrong, errors,
 * credentials, RFC 5780, clients of RFC 3489, the size of answers.
 */
#include "proto/stun_server.h"

#include <errno.h>

#include "proto/stun_client_auth.h"
#include "tests/unit/stun_bytes.h"

#define ID "112233445566778899aabbcc"
#define BINDING(len) "0001" len "2112a442" ID
#define NOW 100000

static const struct endpoint client = {
	.addr = { .family = ADDR_IPV4, .bytes = { 192, 0, 2, 7 } },
	.port = 40000,
};
static const struct endpoint here = {
	.addr = { .family = ADDR_IPV4, .bytes = { 198, 51, 100, 1 } },
	.port = 3478,
};
static const struct endpoint there = {
	.addr = { .family = ADDR_IPV4, .bytes = { 198, 51, 100, 2 } },
	.port = 3479,
};

static bool
ask(const struct stun_responder *r, unsigned socket, const uint8_t *buf, size_t len,
    uint8_t *out, struct stun_reply *reply)
{
	const struct stun_arrival arrival = {
		.socket = socket, .from = client, .now = NOW
	};

	return stun_responder_answer(r, &arrival, buf, len, out, reply);
}

/* ---- probes ---- */

enum want { SILENCE, PLAIN, PLAIN_FINGERPRINT, OLD, LIST };

/* Of a server with one address. */
static const struct {
	const char *name, *hex;
	enum want want;
	uint16_t listed;
} probes[] = {
	{ "plain", BINDING("0000"), PLAIN, 0 },
	{ "bad FINGERPRINT", BINDING("0008") "80280004 00000001", SILENCE, 0 },
	{ "good FINGERPRINT", "F" BINDING("0008"), PLAIN_FINGERPRINT, 0 },
	{ "unknown required", BINDING("0004") "7f000000", LIST, 0x7f00 },
	{ "unknown optional", BINDING("0004") "ff000000", PLAIN, 0 },
	{ "CHANGE-REQUEST", BINDING("0008") "00030004 00000006", LIST, 0x0003 },
	{ "RESPONSE-PORT", BINDING("0008") "00270004 9c410000", LIST, 0x0027 },
	{ "PADDING", BINDING("0008") "00260004 00000000", LIST, 0x0026 },
	{ "RESPONSE-ADDRESS", BINDING("000c") "00020008 0001115c 0a000001", LIST,
	    0x0002 },
	{ "indication", "00110000 2112a442" ID, SILENCE, 0 },
	{ "unknown method", "000f0000 2112a442" ID, SILENCE, 0 },
	{ "MI-SHA256 from a stranger",
	    BINDING("0024") "001c0020 00000000000000000000000000000000"
			    "00000000000000000000000000000000",
	    PLAIN, 0 },
	{ "RFC 3489", "00010000 01020304" ID, OLD, 0 },
	{ "behind FINGERPRINT", "G" BINDING("0010"), SILENCE, 0 },
	{ "length not of fours", BINDING("0002") "0000", SILENCE, 0 },
	{ "trailing bytes", BINDING("0000") "00000000", SILENCE, 0 },
	{ "success response", "01010000 2112a442" ID, SILENCE, 0 },
	{ "error response", "01110000 2112a442" ID, SILENCE, 0 },
	{ "attribute too long", BINDING("0004") "80220008", SILENCE, 0 },
	{ "header cut", "00010000 2112a442 112233", SILENCE, 0 },
};

/* F: with FINGERPRINT, G: and SOFTWARE behind it. */
static size_t
probe_bytes(const char *hex, uint8_t *buf, size_t size)
{
	bool sealed = hex[0] == 'F' || hex[0] == 'G';
	size_t len = stun_bytes(hex + sealed, buf, size);

	if (sealed) {
		uint32_t value;

		/* The length covers FINGERPRINT only when it is made. */
		wire_set_u16(buf + 2, 8);
		value = stun_fingerprint(buf, len);
		wire_set_u32(buf + len, UINT32_C(0x80280004));
		wire_set_u32(buf + len + 4, value);
		len += 8;
	}
	if (hex[0] == 'G') {
		wire_set_u16(buf + 2, 16);
		memcpy(buf + len, "\x80\x22\x00\x04natd", 8);
		len += 8;
	}
	return len;
}

static void
check_mapped(const struct stun_msg *m, const struct endpoint *want)
{
	struct endpoint got;

	assert_int_equal(m->class, STUN_SUCCESS);
	assert_int_equal(stun_get_mapped(m, &got), 0);
	assert_true(endpoint_equal(&got, want));
}

static void
check_list(const struct stun_msg *m, uint16_t code)
{
	struct stun_raw raw = stun_find(m, STUN_UNKNOWN_ATTRIBUTES);
	struct stun_error e;

	assert_int_equal(m->class, STUN_ERROR);
	assert_int_equal(stun_get_error(m, STUN_ERROR_CODE, &e), 0);
	assert_int_equal(e.code, 420);
	assert_int_equal(raw.len, 2);
	assert_int_equal(wire_get_u16(raw.value), code);
}

static void
test_probes(void **state)
{
	struct stun_responder r;

	(void)state;
	/* The 18 on which servers in the field differ, and two cut short. */
	assert_int_equal(ARRAY_SIZE(probes), 18 + 2);
	stun_responder_init(&r, &here, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(probes); i++) {
		uint8_t buf[128], out[STUN_SERVER_MESSAGE_MAX];
		size_t len = probe_bytes(probes[i].hex, buf, sizeof(buf));
		struct stun_reply reply = { .len = 0 };
		bool answered = ask(&r, 0, buf, len, out, &reply);
		struct stun_msg m;

		printf("%s\n", probes[i].name);
		assert_int_equal(answered, probes[i].want != SILENCE);
		if (!answered)
			continue;
		assert_int_equal(reply.socket, 0);
		assert_true(endpoint_equal(&reply.to, &client));
		assert_int_equal(stun_decode(out, reply.len, STUN_TAKE_RFC3489, &m), 0);
		assert_memory_equal(out + 4, buf + 4, 16);
		if (probes[i].want == LIST) {
			check_list(&m, probes[i].listed);
			continue;
		}
		check_mapped(&m, &client);
		assert_int_equal(
		    stun_has(&m, STUN_XOR_MAPPED_ADDRESS), probes[i].want != OLD);
		assert_int_equal(stun_has(&m, STUN_FINGERPRINT),
		    probes[i].want == PLAIN_FINGERPRINT);
		assert_int_equal(reply.len, probes[i].want == PLAIN ? 32
					    : probes[i].want == OLD ? 44
								    : 40);
	}
}

/* ---- RFC 5780 ---- */

static bool
behave(unsigned socket, const char *hex, bool stream, uint8_t *out, struct stun_msg *m,
    struct stun_reply *reply)
{
	struct stun_responder r;
	uint8_t buf[128];
	size_t len = stun_bytes(hex, buf, sizeof(buf));
	const struct stun_arrival arrival = {
		.socket = socket, .from = client, .stream = stream, .now = NOW
	};

	stun_responder_init(&r, &here, &there);
	return stun_responder_answer(&r, &arrival, buf, len, out, reply) &&
	       stun_decode(out, reply->len, STUN_TAKE_RFC3489, m) == 0;
}

static void
check_endpoint(const struct stun_msg *m, enum stun_attr attr, unsigned socket)
{
	struct endpoint got, want = { .addr = socket & 2 ? there.addr : here.addr,
		.port = socket & 1 ? there.port : here.port };

	assert_int_equal(stun_get_address(m, attr, &got), 0);
	assert_true(endpoint_equal(&got, &want));
}

/* Table 1 of section 6.1, for each socket. */
static void
test_change_request(void **state)
{
	static const struct {
		const char *hex;
		unsigned turned;
	} rows[] = {
		{ BINDING("0000"), 0 },
		{ BINDING("0008") "00030004 00000000", 0 },
		{ BINDING("0008") "00030004 00000002", 1 },
		{ BINDING("0008") "00030004 00000004", 2 },
		{ BINDING("0008") "00030004 00000006", 3 },
	};

	(void)state;
	for (unsigned socket = 0; socket < 4; socket++)
		for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
			uint8_t out[STUN_SERVER_MESSAGE_MAX];
			struct stun_reply reply;
			struct stun_msg m;

			assert_true(
			    behave(socket, rows[i].hex, false, out, &m, &reply));
			assert_int_equal(reply.socket, socket ^ rows[i].turned);
			check_mapped(&m, &client);
			assert_true(stun_has(&m, STUN_MAPPED_ADDRESS));
			check_endpoint(&m, STUN_RESPONSE_ORIGIN, reply.socket);
			check_endpoint(&m, STUN_OTHER_ADDRESS, socket ^ 3);
			assert_int_equal(reply.len, 68);
		}
}

static void
test_change_request_of_rfc3489(void **state)
{
	uint8_t out[STUN_SERVER_MESSAGE_MAX];
	struct stun_reply reply;
	struct stun_msg m;

	(void)state;
	assert_true(behave(
	    0, "00010008 01020304" ID "00030004 00000004", false, out, &m, &reply));
	assert_int_equal(reply.socket, 2);
	assert_true(m.rfc3489);
	check_mapped(&m, &client);
	check_endpoint(&m, STUN_SOURCE_ADDRESS, 2);
	check_endpoint(&m, STUN_CHANGED_ADDRESS, 3);
	assert_false(stun_has(&m, STUN_XOR_MAPPED_ADDRESS));
}

static uint16_t
error_of(const struct stun_msg *m)
{
	struct stun_error e;

	return stun_get_error(m, STUN_ERROR_CODE, &e) == 0 ? e.code : 0;
}

static void
test_response_port(void **state)
{
	static const struct {
		const char *hex;
		bool stream;
		uint16_t code, port;
	} rows[] = {
		{ BINDING("0008") "00270004 9c410000", false, 0, 40001 },
		{ BINDING("0008") "00270002 9c410000", false, 0, 40001 },
		{ BINDING("0008") "00270004 04000000", false, 0, 1024 },
		/* DNS would take it for a question. */
		{ BINDING("0008") "00270004 00350000", false, 400, 40000 },
		{ BINDING("0008") "00270004 00000000", false, 400, 40000 },
		{ BINDING("0010") "00270004 9c410000 00260004 00000000", false, 400,
		    40000 },
		{ BINDING("0008") "00270004 9c410000", true, 420, 40000 },
		{ BINDING("0008") "00030004 00000002", true, 420, 40000 },
		{ BINDING("0008") "00260004 00000000", true, 420, 40000 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint8_t out[STUN_SERVER_MESSAGE_MAX];
		struct stun_reply reply;
		struct stun_msg m;

		assert_true(behave(0, rows[i].hex, rows[i].stream, out, &m, &reply));
		assert_int_equal(error_of(&m), rows[i].code);
		assert_int_equal(reply.to.port, rows[i].port);
		assert_true(addr_equal(&reply.to.addr, &client.addr));
		assert_int_equal(reply.socket, 0);
	}
}

static void
test_padding_is_no_amplifier(void **state)
{
	static const size_t lengths[] = { 0, 4, 500, 1500, 1900 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		static const struct stun_id id = { { 1 } };
		uint8_t buf[STUN_SERVER_MESSAGE_MAX], out[STUN_SERVER_MESSAGE_MAX];
		struct stun_responder r;
		struct stun_reply reply;
		struct stun_out o;
		struct stun_msg m;
		uint8_t *value;
		ssize_t n;

		stun_responder_init(&r, &here, &there);
		stun_begin(&o, buf, sizeof(buf), STUN_REQUEST, STUN_BINDING, &id);
		value = stun_put(&o, STUN_PADDING, lengths[i]);
		assert_non_null(value);
		memset(value, 'x', lengths[i]);
		n = stun_end(&o);
		assert_true(n > 0);
		assert_true(ask(&r, 0, buf, (size_t)n, out, &reply));
		assert_int_equal(stun_decode(out, reply.len, 0, &m), 0);
		check_mapped(&m, &client);
		assert_int_equal(stun_find(&m, STUN_PADDING).len, lengths[i]);
		assert_int_equal(reply.len, (size_t)n + 48);
	}
}

/* Every one is named, once. */
static void
test_many_unknown(void **state)
{
	static const struct stun_id id = { { 1 } };
	uint8_t buf[STUN_SERVER_MESSAGE_MAX + 4], out[STUN_SERVER_MESSAGE_MAX];
	struct stun_responder r;
	struct stun_reply reply;
	struct stun_out o;
	struct stun_msg m;
	ssize_t n;

	(void)state;
	stun_responder_init(&r, &here, NULL);
	stun_begin(&o, buf, sizeof(buf), STUN_REQUEST, STUN_BINDING, &id);
	for (uint16_t i = 0; i < 507; i++)
		stun_put_raw(&o, 0x7000 + i % 500, NULL, 0);
	n = stun_end(&o);
	assert_int_equal(n, STUN_SERVER_MESSAGE_MAX);
	assert_true(ask(&r, 0, buf, (size_t)n, out, &reply));
	assert_int_equal(stun_decode(out, reply.len, 0, &m), 0);
	assert_int_equal(error_of(&m), 420);
	assert_int_equal(stun_find(&m, STUN_UNKNOWN_ATTRIBUTES).len, 1000);
	assert_true(reply.len < (size_t)n);
	wire_set_u16(buf + 2, STUN_SERVER_MESSAGE_MAX - 16);
	memset(buf + n, 0, 4);
	assert_false(ask(&r, 0, buf, sizeof(buf), out, &reply));
}

static void
test_software_and_ipv6(void **state)
{
	const struct endpoint six = {
		.addr = { .family = ADDR_IPV6, .bytes = { 0x20, 0x01, 0x0d, 0xb8 } },
		.port = 5000,
	};
	const struct stun_arrival arrival = { .from = six, .now = NOW };
	uint8_t buf[64], out[STUN_SERVER_MESSAGE_MAX];
	size_t len = stun_bytes(BINDING("0000"), buf, sizeof(buf));
	struct stun_responder r;
	struct stun_reply reply;
	struct stun_msg m;

	(void)state;
	stun_responder_init(&r, &six, NULL);
	assert_true(stun_responder_answer(&r, &arrival, buf, len, out, &reply));
	assert_int_equal(reply.len, 44);
	assert_int_equal(stun_decode(out, reply.len, 0, &m), 0);
	check_mapped(&m, &six);
	r.software = "natd";
	assert_true(stun_responder_answer(&r, &arrival, buf, len, out, &reply));
	assert_int_equal(stun_decode(out, reply.len, 0, &m), 0);
	assert_int_equal(stun_find(&m, STUN_SOFTWARE).len, 4);
}

/* ---- credentials ---- */

static size_t
signed_request(struct stun_client_auth *auth, bool unknown, uint8_t *buf, size_t size)
{
	static const struct stun_id id = { { 2 } };
	struct stun_out o;
	ssize_t n;

	stun_begin(&o, buf, size, STUN_REQUEST, STUN_BINDING, &id);
	if (unknown)
		stun_put_raw(&o, 0x7f01, NULL, 0);
	stun_client_auth_put(auth, &o);
	stun_put_fingerprint(&o);
	n = stun_end(&o);
	assert_true(n > 0);
	return (size_t)n;
}

/* What our client makes of the answer; its error code in *ret_code. */
static enum stun_auth_verdict
dialogue(struct stun_responder *r, struct stun_client_auth *auth, bool unknown,
    msec_t now, uint16_t *ret_code)
{
	const struct stun_arrival arrival = { .from = client, .now = now };
	uint8_t buf[512], out[STUN_SERVER_MESSAGE_MAX];
	size_t len = signed_request(auth, unknown, buf, sizeof(buf));
	struct stun_reply reply;
	struct stun_msg m;

	assert_true(stun_responder_answer(r, &arrival, buf, len, out, &reply));
	assert_int_equal(stun_decode(out, reply.len, 0, &m), 0);
	assert_true(stun_has(&m, STUN_FINGERPRINT));
	*ret_code = error_of(&m);
	return stun_client_auth_check(auth, &m);
}

static void
test_long_term(void **state)
{
	static const uint8_t secret[STUN_NONCE_SECRET_LEN] = { 7 };
	struct stun_client_auth *good, *bad;
	struct stun_responder r;
	uint16_t code;

	(void)state;
	stun_responder_init(&r, &here, NULL);
	assert_int_equal(
	    stun_server_auth_new_long_term("natd.test", secret, 600000, &r.auth), 0);
	assert_int_equal(stun_server_auth_add(r.auth, "ann", "secret"), 0);
	assert_int_equal(stun_client_auth_new_long_term("ann", "secret", &good), 0);
	assert_int_equal(stun_client_auth_new_long_term("ann", "wrong", &bad), 0);
	/* A challenge, then an answer that is signed. */
	assert_int_equal(dialogue(&r, good, false, NOW, &code), STUN_AUTH_RETRY);
	assert_int_equal(code, 401);
	assert_int_equal(dialogue(&r, good, false, NOW, &code), STUN_AUTH_ACCEPT);
	assert_int_equal(code, 0);
	/* Unknown attributes are told to whom we know, signed. */
	assert_int_equal(dialogue(&r, good, true, NOW, &code), STUN_AUTH_ACCEPT);
	assert_int_equal(code, 420);
	/* The nonce gets old. */
	assert_int_equal(
	    dialogue(&r, good, false, NOW + 700000, &code), STUN_AUTH_RETRY);
	assert_int_equal(code, 438);
	assert_int_equal(
	    dialogue(&r, good, false, NOW + 700000, &code), STUN_AUTH_ACCEPT);
	assert_int_equal(dialogue(&r, bad, false, NOW, &code), STUN_AUTH_RETRY);
	assert_int_equal(dialogue(&r, bad, false, NOW, &code), STUN_AUTH_FAIL);
	assert_int_equal(code, 401);
	stun_client_auth_free(good);
	stun_client_auth_free(bad);
	stun_server_auth_free(r.auth);
}

static void
test_short_term(void **state)
{
	uint8_t buf[64], out[STUN_SERVER_MESSAGE_MAX];
	size_t len = stun_bytes(BINDING("0000"), buf, sizeof(buf));
	struct stun_client_auth *good, *bad;
	struct stun_responder r;
	struct stun_reply reply;
	struct stun_msg m;
	uint16_t code;

	(void)state;
	stun_responder_init(&r, &here, NULL);
	assert_int_equal(stun_server_auth_new_short_term(&r.auth), 0);
	assert_int_equal(stun_server_auth_add(r.auth, "ann", "secret"), 0);
	assert_int_equal(stun_client_auth_new_short_term("ann", "secret", &good), 0);
	assert_int_equal(stun_client_auth_new_short_term("ann", "wrong", &bad), 0);
	assert_int_equal(dialogue(&r, good, false, NOW, &code), STUN_AUTH_ACCEPT);
	assert_int_equal(code, 0);
	dialogue(&r, bad, false, NOW, &code);
	assert_int_equal(code, 401);
	assert_true(ask(&r, 0, buf, len, out, &reply));
	assert_int_equal(stun_decode(out, reply.len, 0, &m), 0);
	assert_int_equal(error_of(&m), 400);
	stun_client_auth_free(good);
	stun_client_auth_free(bad);
	stun_server_auth_free(r.auth);
}

/* ---- sizes ---- */

#define WITHOUT_MTU                                                                 \
	548           /* RFC 8489 section 6.1: 576 less the headers of IPv4 and UDP \
		       */
#define REALM_LEN 127 /* as long as the configuration takes */

/* Everything an answer can have, to requests of every kind: none needs a fragment. */
static void
test_answers_fit(void **state)
{
	static const uint8_t secret[STUN_NONCE_SECRET_LEN] = { 7 };
	static const struct stun_id id = { { 3 } };
	const struct endpoint one = { .addr = { ADDR_IPV6, { 0x20, 1, 0xd, 0xb8 }, 0 },
		.port = 3478 },
			      two = { .addr = { ADDR_IPV6, { 0x20, 1, 0xd, 0xb9 }, 0 },
				      .port = 3479 };
	const struct stun_arrival arrival = { .from = one, .now = NOW };
	uint8_t buf[WITHOUT_MTU], out[STUN_SERVER_MESSAGE_MAX];
	char realm[REALM_LEN + 1] = "";
	struct stun_responder r;
	struct stun_reply reply;
	size_t largest = 0;

	(void)state;
	memset(realm, 'r', REALM_LEN);
	for (unsigned with = 0; with < 2; with++) {
		stun_responder_init(&r, &one, &two);
		r.software = "natd 100.100.100";
		if (with)
			assert_int_equal(stun_server_auth_new_long_term(
					     realm, secret, 600000, &r.auth),
			    0);
		/* From a plain request to one that is full of unknown attributes. */
		for (unsigned n = 0; n <= (WITHOUT_MTU - 28) / 4; n++) {
			struct stun_out o;
			ssize_t len;

			stun_begin(
			    &o, buf, sizeof(buf), STUN_REQUEST, STUN_BINDING, &id);
			for (unsigned i = 0; i < n; i++)
				stun_put_raw(&o, (uint16_t)(0x7000 + i), NULL, 0);
			stun_put_fingerprint(&o);
			len = stun_end(&o);
			assert_true(len > 0);
			assert_true(stun_responder_answer(
			    &r, &arrival, buf, (size_t)len, out, &reply));
			largest = MAX(largest, reply.len);
		}
		stun_server_auth_free(r.auth);
	}
	assert_in_range(largest, 300, WITHOUT_MTU);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_probes),
		cmocka_unit_test(test_change_request),
		cmocka_unit_test(test_change_request_of_rfc3489),
		cmocka_unit_test(test_response_port),
		cmocka_unit_test(test_padding_is_no_amplifier),
		cmocka_unit_test(test_many_unknown),
		cmocka_unit_test(test_software_and_ipv6),
		cmocka_unit_test(test_long_term),
		cmocka_unit_test(test_short_term),
		cmocka_unit_test(test_answers_fit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
