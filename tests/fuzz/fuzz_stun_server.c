/*
 * fuzz_stun_server.c - any datagram to the STUN server, with one address and two, with
 * and without credentials.
 *
 * What it answers is a message with the id of the request, to the address it came from;
 * nobody gets a success without the key.
 */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "proto/stun_server.h"

static const struct endpoint from = {
	.addr = { .family = ADDR_IPV4, .bytes = { 192, 0, 2, 7 } },
	.port = 40000,
};
static const struct endpoint main_ = {
	.addr = { .family = ADDR_IPV4, .bytes = { 198, 51, 100, 1 } },
	.port = 3478,
};
static const struct endpoint alternate = {
	.addr = { .family = ADDR_IPV4, .bytes = { 198, 51, 100, 2 } },
	.port = 3479,
};

static void
check(const struct stun_responder *r, bool stream, const uint8_t *data, size_t size)
{
	const struct stun_arrival arrival = {
		.from = from, .stream = stream, .now = 100000
	};
	uint8_t out[STUN_SERVER_MESSAGE_MAX];
	struct stun_reply reply;
	struct stun_msg m;

	if (!stun_responder_answer(r, &arrival, data, size, out, &reply))
		return;
	MUST(reply.len <= sizeof(out));
	MUST(reply.socket < (r->two_addresses && !stream ? STUN_SERVER_SOCKETS : 1));
	MUST(addr_equal(&reply.to.addr, &from.addr));
	MUST(reply.to.port == from.port || (r->two_addresses && !stream));
	MUST(stun_decode(out, reply.len, STUN_TAKE_RFC3489, &m) == 0);
	MUST(m.class == STUN_ERROR || (m.class == STUN_SUCCESS && !r->auth));
	MUST(memcmp(out + 4, data + 4, 16) == 0);
	/* The largest answer to a small request is the challenge. */
	MUST(reply.len <= size + 180);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t secret[STUN_NONCE_SECRET_LEN] = { 1 };
	static struct stun_server_auth *auth;
	struct stun_responder one, two;

	if (!auth) {
		MUST(stun_server_auth_new_long_term(
			 "natd.test", secret, 600000, &auth) == 0);
		MUST(stun_server_auth_add(auth, "natd", "unguessable") == 0);
	}
	stun_responder_init(&one, &main_, NULL);
	stun_responder_init(&two, &main_, &alternate);
	for (int stream = 0; stream < 2; stream++) {
		check(&one, stream, data, size);
		check(&two, stream, data, size);
	}
	one.auth = auth;
	check(&one, false, data, size);
	return 0;
}
