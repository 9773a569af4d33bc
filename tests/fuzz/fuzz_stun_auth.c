/*
 * fuzz_stun_auth.c - any STUN message as a challenge to our client, as a request to our
 * server, and its texts as names and passwords.
 *
 * Nobody without the key is let in, and what the client makes of a challenge is a
 * message.
 */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "proto/precis.h"
#include "proto/stun_client_auth.h"
#include "proto/stun_server_auth.h"

static void
check_client(const struct stun_msg *m)
{
	static uint8_t buf[STUN_MESSAGE_MAX];
	struct stun_client_auth *client = NULL;
	struct stun_id id = { { 1 } };
	struct stun_out out;
	struct stun_msg request;
	ssize_t n;

	MUST(stun_client_auth_new_long_term("natd", "secret", &client) == 0);
	for (unsigned i = 0; i < 3; i++) {
		enum stun_auth_verdict verdict = stun_client_auth_check(client, m);

		MUST((verdict == STUN_AUTH_FAIL) ==
		     (stun_client_auth_why(client) != STUN_AUTH_FINE));
		/* The same challenge cannot be met twice for ever. */
		MUST(i < 2 || verdict != STUN_AUTH_RETRY || m->class == STUN_ERROR);
		if (verdict == STUN_AUTH_FAIL)
			break;
		stun_begin(&out, buf, sizeof(buf), STUN_REQUEST, STUN_BINDING, &id);
		stun_client_auth_put(client, &out);
		n = stun_end(&out);
		MUST(n > 0 && stun_decode(buf, (size_t)n, 0, &request) == 0);
	}
	stun_client_auth_free(client);
}

static void
check_server(struct stun_server_auth *server, const struct stun_msg *m)
{
	static const struct endpoint from = { .addr = { .family = ADDR_IPV4 } };
	struct stun_grant grant = { NULL, NULL };
	uint16_t code = stun_server_auth_check(server, m, &from, 1000, &grant);

	MUST(code == 400 || code == 401 || code == 438);
	MUST(!grant.sha1 && !grant.sha256);
}

static void
check_text(const char *text, size_t len)
{
	char once[PRECIS_INPUT_MAX + 1], twice[PRECIS_INPUT_MAX + 1];
	ssize_t n = precis_opaque_string(text, len, once, sizeof(once));

	if (n <= 0)
		return;
	MUST(strlen(once) == (size_t)n);
	MUST(precis_opaque_string(once, (size_t)n, twice, sizeof(twice)) == n);
	MUST(strcmp(once, twice) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t secret[STUN_NONCE_SECRET_LEN] = { 1 };
	static struct stun_server_auth *long_term, *short_term;
	enum stun_algorithm algorithm;
	unsigned features;
	struct stun_msg m;

	if (!long_term) {
		MUST(stun_server_auth_new_long_term(
			 "natd.test", secret, 600000, &long_term) == 0);
		MUST(stun_server_auth_add(long_term, "natd", "unguessable") == 0);
		MUST(stun_server_auth_new_short_term(&short_term) == 0);
		MUST(stun_server_auth_add(short_term, "natd", "unguessable") == 0);
	}
	check_text((const char *)data, size);
	(void)stun_algorithms_choose(data, size, &algorithm);
	(void)stun_algorithm_read(data, size, &algorithm);
	(void)stun_nonce_features(data, size, &features);
	if (stun_decode(data, size, 0, &m) == 0) {
		check_client(&m);
		check_server(long_term, &m);
		check_server(short_term, &m);
	}
	return 0;
}
