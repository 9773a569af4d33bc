/*
 * test_stun_dialogue.c - authentication of STUN between our client and our server, and
 * between our client and servers that cheat.
 */
#include <errno.h>

#include "proto/stun_client_auth.h"
#include "proto/stun_server_auth.h"
#include "tests/unit/recorded.h"
#include "tests/unit/stun_bytes.h"

#define LIFE (600 * MSEC_PER_SEC)

static const uint8_t secret[STUN_NONCE_SECRET_LEN] = { 1, 2, 3 };
static const struct endpoint here = {
	.addr = { .family = ADDR_IPV4, .bytes = { 192, 0, 2, 1 } }, .port = 4000
};
static uint32_t id_number;

struct packet {
	uint8_t buf[2048];
	size_t len;
	struct stun_msg m;
};

static void
packet_end(struct packet *p, struct stun_out *out)
{
	ssize_t n = stun_end(out);

	assert_true(n > 0);
	p->len = (size_t)n;
	assert_int_equal(stun_decode(p->buf, p->len, 0, &p->m), 0);
}

static void
ask(struct stun_client_auth *client, struct packet *ret)
{
	struct stun_id id = { { 0 } };
	struct stun_out out;

	id_number++;
	memcpy(id.bytes, &id_number, sizeof(id_number));
	stun_begin(&out, ret->buf, sizeof(ret->buf), STUN_REQUEST, STUN_BINDING, &id);
	stun_client_auth_put(client, &out);
	stun_put_fingerprint(&out);
	packet_end(ret, &out);
}

/* What our server does; returns the code of its error, 0 for success. */
static uint16_t
answer(struct stun_server_auth *server, const struct packet *request,
    const struct endpoint *from, msec_t now, struct packet *ret)
{
	struct stun_grant grant = { NULL, NULL };
	uint16_t code = stun_server_auth_check(server, &request->m, from, now, &grant);
	struct stun_out out;

	stun_begin_answer(&out, ret->buf, sizeof(ret->buf),
	    code ? STUN_ERROR : STUN_SUCCESS, &request->m);
	if (code)
		stun_put_error(&out, code);
	else
		stun_put_address(&out, STUN_XOR_MAPPED_ADDRESS, from);
	if (code == 401 || code == 438)
		stun_server_auth_put_challenge(server, &out, from, now);
	stun_grant_put(&grant, &out);
	stun_put_fingerprint(&out);
	packet_end(ret, &out);
	return code;
}

static struct stun_client_auth *
client_new(bool long_term, const char *username, const char *password)
{
	struct stun_client_auth *c;

	assert_int_equal(
	    (long_term ? stun_client_auth_new_long_term
		       : stun_client_auth_new_short_term)(username, password, &c),
	    0);
	return c;
}

static struct stun_server_auth *
server_new(bool long_term)
{
	struct stun_server_auth *s;

	if (long_term)
		assert_int_equal(
		    stun_server_auth_new_long_term("example.org", secret, LIFE, &s), 0);
	else
		assert_int_equal(stun_server_auth_new_short_term(&s), 0);
	assert_int_equal(stun_server_auth_add(s, "bob", "builder"), 0);
	assert_int_equal(stun_server_auth_add(s, "alic\xc3\xa9", "secret"), 0);
	assert_int_equal(stun_server_auth_add(s, "carol", "sing"), 0);
	assert_int_equal(stun_server_auth_add(s, "bob", "other"), -EEXIST);
	assert_int_equal(stun_server_auth_add(s, "", "other"), -EINVAL);
	return s;
}

#define CLIENT _cleanup_(stun_client_auth_freep) struct stun_client_auth *
#define SERVER _cleanup_(stun_server_auth_freep) struct stun_server_auth *

/* ---- our client and our server ---- */

static void
test_short_term(void **state)
{
	SERVER server = server_new(false);
	CLIENT client = client_new(false, "alice\xcc\x81", "secret"); /* not form C */
	CLIENT stranger = client_new(false, "bob", "wrong");
	CLIENT nobody = client_new(false, "nobody", "secret");
	struct packet q, a;

	(void)state;
	ask(client, &q);
	assert_true(stun_has(&q.m, STUN_USERNAME));
	assert_true(stun_has(&q.m, STUN_MESSAGE_INTEGRITY));
	assert_true(stun_has(&q.m, STUN_MESSAGE_INTEGRITY_SHA256));
	assert_int_equal(answer(server, &q, &here, 0, &a), 0);
	assert_false(stun_has(&a.m, STUN_MESSAGE_INTEGRITY));
	assert_int_equal(stun_client_auth_check(client, &a.m), STUN_AUTH_ACCEPT);
	/* 9.1.5: from now on the one that was in the answer. */
	ask(client, &q);
	assert_false(stun_has(&q.m, STUN_MESSAGE_INTEGRITY));
	assert_true(stun_has(&q.m, STUN_MESSAGE_INTEGRITY_SHA256));

	ask(stranger, &q);
	assert_int_equal(answer(server, &q, &here, 0, &a), 401);
	assert_int_equal(stun_client_auth_check(stranger, &a.m), STUN_AUTH_IGNORE);
	ask(nobody, &q);
	assert_int_equal(answer(server, &q, &here, 0, &a), 401);
	assert_false(stun_has(&a.m, STUN_NONCE));
}

static void
test_long_term(void **state)
{
	SERVER server = server_new(true);
	CLIENT client = client_new(true, "alic\xc3\xa9", "secret");
	struct packet q, a;

	(void)state;
	ask(client, &q);
	assert_int_equal(q.m.present, STUN_BIT(STUN_FINGERPRINT));
	assert_int_equal(answer(server, &q, &here, 5000, &a), 401);
	assert_int_equal(stun_client_auth_check(client, &a.m), STUN_AUTH_RETRY);

	ask(client, &q);
	/* Our server offers all there is: so nobody sees the name, nor SHA-1 and MD5.
	 */
	assert_int_equal(q.m.present,
	    STUN_BIT(STUN_USERHASH) | STUN_BIT(STUN_REALM) | STUN_BIT(STUN_NONCE) |
		STUN_BIT(STUN_PASSWORD_ALGORITHMS) | STUN_BIT(STUN_PASSWORD_ALGORITHM) |
		STUN_BIT(STUN_MESSAGE_INTEGRITY_SHA256) | STUN_BIT(STUN_FINGERPRINT));
	assert_int_equal(answer(server, &q, &here, 5100, &a), 0);
	assert_true(stun_has(&a.m, STUN_MESSAGE_INTEGRITY_SHA256));
	assert_int_equal(stun_client_auth_check(client, &a.m), STUN_AUTH_ACCEPT);

	/* The nonce is good for its life, then there is another; for ever. */
	for (msec_t now = 5000; now < 5000 + 6 * LIFE;) {
		ask(client, &q);
		assert_int_equal(answer(server, &q, &here, now + LIFE, &a), 0);
		now += LIFE + 1000;
		assert_int_equal(answer(server, &q, &here, now, &a), 438);
		assert_int_equal(stun_client_auth_check(client, &a.m), STUN_AUTH_RETRY);
		ask(client, &q);
		assert_int_equal(answer(server, &q, &here, now, &a), 0);
		assert_int_equal(
		    stun_client_auth_check(client, &a.m), STUN_AUTH_ACCEPT);
	}
	assert_int_equal(stun_client_auth_why(client), STUN_AUTH_FINE);
}

/* A nonce is for one address and port, and for nobody from the future. */
static void
test_nonce_is_bound(void **state)
{
	SERVER server = server_new(true);
	CLIENT client = client_new(true, "bob", "builder");
	struct endpoint other = here;
	struct packet q, a;

	(void)state;
	ask(client, &q);
	answer(server, &q, &here, 5000, &a);
	stun_client_auth_check(client, &a.m);
	ask(client, &q);
	assert_int_equal(answer(server, &q, &here, 5000, &a), 0);
	other.port++;
	assert_int_equal(answer(server, &q, &other, 5000, &a), 438);
	other = here;
	other.addr.bytes[3]++;
	assert_int_equal(answer(server, &q, &other, 5000, &a), 438);
	assert_int_equal(answer(server, &q, &here, 4000, &a), 438);
}

static void
test_wrong_password(void **state)
{
	SERVER server = server_new(true);
	CLIENT client = client_new(true, "bob", "wrong");
	struct packet q, a;

	(void)state;
	ask(client, &q);
	assert_int_equal(answer(server, &q, &here, 0, &a), 401);
	assert_int_equal(stun_client_auth_check(client, &a.m), STUN_AUTH_RETRY);
	ask(client, &q);
	assert_int_equal(answer(server, &q, &here, 0, &a), 401);
	assert_int_equal(stun_client_auth_check(client, &a.m), STUN_AUTH_FAIL);
	assert_int_equal(stun_client_auth_why(client), STUN_AUTH_REFUSED);
	for (enum stun_auth_why why = 0; why < STUN_AUTH_WHY_MAX; why++)
		assert_true(strlen(stun_auth_why_text(why)) > 5);
}

static void
test_credentials_that_cannot_be(void **state)
{
	char name[STUN_USERNAME_MAX + 2] = "";
	CLIENT c = NULL;
	struct stun_server_auth *s = NULL;

	(void)state;
	assert_int_equal(stun_client_auth_new_long_term("a\tb", "x", &c), -EINVAL);
	assert_int_equal(stun_client_auth_new_long_term("a", "", &c), -EINVAL);
	assert_int_equal(stun_client_auth_new_short_term("a", "\xff", &c), -EILSEQ);
	assert_int_equal(stun_server_auth_new_long_term("", secret, LIFE, &s), -EINVAL);
	memset(name, 'x', sizeof(name) - 1);
	assert_int_equal(stun_client_auth_new_long_term(name, "x", &c), -ENOBUFS);
	assert_null(c);
	name[STUN_USERNAME_MAX] = '\0';
	assert_int_equal(stun_client_auth_new_long_term(name, "x", &c), 0);
}

/* ---- requests that are wrong in one thing (9.2.4) ---- */

enum {
	ALL,
	NO_USERNAME,
	NO_REALM,
	NO_NONCE,
	NO_LIST,
	NO_ALGORITHM,
	NO_NEITHER,
	OTHER_LIST,
	LONGER_LIST,
	OTHER_ALGORITHM,
	OTHER_REALM,
	OTHER_NONCE,
	OTHER_USER,
	OTHER_KEY,
	NO_INTEGRITY,
	PLAIN_NAME,
	WRONG_MAX
};

static const uint16_t wrong_codes[WRONG_MAX] = {
	[NO_USERNAME] = 400,
	[NO_REALM] = 400,
	[NO_NONCE] = 400,
	[NO_LIST] = 400,
	[NO_ALGORITHM] = 400,
	[OTHER_LIST] = 400,
	[LONGER_LIST] = 400,
	[OTHER_ALGORITHM] = 400,
	/* Neither list nor algorithm is MD5, and this one was signed otherwise. */
	[NO_NEITHER] = 401,
	[OTHER_REALM] = 401,
	[OTHER_USER] = 401,
	[OTHER_KEY] = 401,
	[NO_INTEGRITY] = 401,
	[OTHER_NONCE] = 438,
};

static void
put_wrong(struct stun_out *out, unsigned wrong, const struct stun_raw *nonce,
    struct stun_key *key)
{
	uint8_t hash[STUN_USERHASH_LEN];
	uint8_t text[256], longer[STUN_ALGORITHMS_LEN + 4] = { 0 };

	/* It begins like ours. */
	memcpy(longer, stun_algorithms, STUN_ALGORITHMS_LEN);
	memcpy(text, nonce->value, nonce->len);
	if (wrong == OTHER_NONCE)
		text[nonce->len - 1] ^= 1;
	assert_int_equal(stun_userhash("bob", "example.org", 11, hash), 0);
	if (wrong == OTHER_USER)
		hash[31] ^= 1;
	if (wrong == PLAIN_NAME)
		stun_put_text(out, STUN_USERNAME, "bob");
	else if (wrong != NO_USERNAME)
		stun_put_bytes(out, STUN_USERHASH, hash, sizeof(hash));
	if (wrong != NO_REALM)
		stun_put_text(out, STUN_REALM,
		    wrong == OTHER_REALM ? "example.net" : "example.org");
	if (wrong != NO_NONCE)
		stun_put_bytes(out, STUN_NONCE, text, nonce->len);
	if (wrong == OTHER_LIST)
		stun_put_bytes(out, STUN_PASSWORD_ALGORITHMS, "\0\1\0\0\0\2\0\0",
		    STUN_ALGORITHMS_LEN);
	else if (wrong == LONGER_LIST)
		stun_put_bytes(out, STUN_PASSWORD_ALGORITHMS, longer, sizeof(longer));
	else if (wrong != NO_LIST && wrong != NO_NEITHER)
		stun_put_bytes(out, STUN_PASSWORD_ALGORITHMS, stun_algorithms,
		    STUN_ALGORITHMS_LEN);
	if (wrong == OTHER_ALGORITHM)
		stun_put_bytes(out, STUN_PASSWORD_ALGORITHM, "\0\3\0\0", 4);
	else if (wrong != NO_ALGORITHM && wrong != NO_NEITHER)
		stun_put_algorithm(out, STUN_ALGORITHM_SHA256);
	if (wrong != NO_INTEGRITY)
		stun_put_integrity_sha256(out, key->sha256, CRYPTO_SHA256_LEN);
}

static void
test_wrong_requests(void **state)
{
	SERVER server = server_new(true);
	struct stun_id id = { { 9 } };
	struct packet q, challenge, a;
	struct stun_key key = STUN_KEY_NONE;
	struct stun_raw nonce;
	struct stun_out out;

	(void)state;
	stun_begin(&out, q.buf, sizeof(q.buf), STUN_REQUEST, STUN_BINDING, &id);
	packet_end(&q, &out);
	assert_int_equal(answer(server, &q, &here, 0, &challenge), 401);
	nonce = stun_find(&challenge.m, STUN_NONCE);
	for (unsigned wrong = ALL; wrong < WRONG_MAX; wrong++) {
		assert_int_equal(
		    stun_key_long_term(STUN_ALGORITHM_SHA256, "bob", "example.org", 11,
			wrong == OTHER_KEY ? "other" : "builder", &key),
		    0);
		stun_begin(&out, q.buf, sizeof(q.buf), STUN_REQUEST, STUN_BINDING, &id);
		put_wrong(&out, wrong, &nonce, &key);
		packet_end(&q, &out);
		if (answer(server, &q, &here, 0, &a) != wrong_codes[wrong])
			fail_msg("%u", wrong);
		stun_key_done(&key);
	}
}

/* ---- servers of RFC 5389 and servers that cheat ---- */

struct challenge {
	uint16_t code;
	const char *realm, *nonce, *algorithms; /* NULL: absent */
};

static enum stun_auth_verdict
challenge(struct stun_client_auth *client, const struct challenge *c)
{
	struct packet q, a;
	uint8_t list[64];
	struct stun_out out;

	ask(client, &q);
	stun_begin_answer(&out, a.buf, sizeof(a.buf), STUN_ERROR, &q.m);
	stun_put_error(&out, c->code);
	if (c->realm)
		stun_put_text(&out, STUN_REALM, c->realm);
	if (c->nonce)
		stun_put_text(&out, STUN_NONCE, c->nonce);
	if (c->algorithms)
		stun_put_bytes(&out, STUN_PASSWORD_ALGORITHMS, list,
		    stun_bytes(c->algorithms, list, sizeof(list)));
	packet_end(&a, &out);
	return stun_client_auth_check(client, &a.m);
}

#define OLD                                  \
	{                                    \
		401, "natd.test", "n1", NULL \
	}
#define NEW                                                    \
	{                                                      \
		401, "natd.test", "obMatJos2AAABn", "00020000" \
	}
#define STALE                                \
	{                                    \
		438, "natd.test", "n2", NULL \
	}

static const struct {
	const char *what;
	struct challenge steps[6]; /* all but the last are answered */
	enum stun_auth_verdict verdict;
	enum stun_auth_why why;
} dialogues[] = {
	{ "RFC 5389", { OLD }, STUN_AUTH_RETRY, 0 },
	{ "RFC 8489", { NEW }, STUN_AUTH_RETRY, 0 },
	{ "empty realm", { { 401, "", "n", NULL } }, STUN_AUTH_RETRY, 0 },
	{ "no nonce", { { 401, "natd.test", NULL, NULL } }, STUN_AUTH_FAIL,
	    STUN_AUTH_INCOMPLETE },
	{ "no realm", { { 401, NULL, "n", NULL } }, STUN_AUTH_FAIL,
	    STUN_AUTH_INCOMPLETE },
	{ "438 first", { { 438, NULL, "n", NULL } }, STUN_AUTH_FAIL,
	    STUN_AUTH_INCOMPLETE },
	{ "401 twice", { OLD, OLD }, STUN_AUTH_FAIL, STUN_AUTH_REFUSED },
	{ "401 for another realm", { OLD, { 401, "other", "n", NULL } },
	    STUN_AUTH_RETRY, 0 },
	{ "stale nonce", { OLD, STALE }, STUN_AUTH_RETRY, 0 },
	{ "stale nonce without realm", { OLD, { 438, NULL, "n2", NULL } },
	    STUN_AUTH_RETRY, 0 },
	{ "stale nonces without end", { OLD, STALE, STALE, STALE }, STUN_AUTH_FAIL,
	    STUN_AUTH_TOO_OFTEN },
	{ "realms without end",
	    { { 401, "a", "n", NULL }, { 401, "b", "n", NULL }, { 401, "a", "n", NULL },
		{ 401, "b", "n", NULL } },
	    STUN_AUTH_FAIL, STUN_AUTH_TOO_OFTEN },
	{ "list cut out", { { 401, "natd.test", "obMatJos2AAABn", NULL } },
	    STUN_AUTH_FAIL, STUN_AUTH_BID_DOWN },
	{ "list cut out, other order", { { 401, "natd.test", "obMatJos2gAAAn", NULL } },
	    STUN_AUTH_FAIL, STUN_AUTH_BID_DOWN },
	{ "list and cookie cut out later", { NEW, STALE }, STUN_AUTH_FAIL,
	    STUN_AUTH_BID_DOWN },
	{ "no algorithm we know",
	    { { 401, "natd.test", "obMatJos2AAABn", "00070000" } }, STUN_AUTH_FAIL,
	    STUN_AUTH_NO_ALGORITHM },
	{ "broken list", { { 401, "natd.test", "obMatJos2AAABn", "00020009" } },
	    STUN_AUTH_FAIL, STUN_AUTH_NO_ALGORITHM },
	{ "realm that is no text", { { 401, "a\tb", "n", NULL } }, STUN_AUTH_FAIL,
	    STUN_AUTH_BROKEN },
	/* Not signed, as nothing was asked to be. */
	{ "400 to the first", { { 400, NULL, NULL, NULL } }, STUN_AUTH_ACCEPT, 0 },
	{ "400 unsigned", { OLD, { 400, NULL, NULL, NULL } }, STUN_AUTH_IGNORE, 0 },
	{ "300 unsigned", { OLD, { 300, NULL, NULL, NULL } }, STUN_AUTH_IGNORE, 0 },
	{ "500 with a promising nonce", { { 500, NULL, "obMatJos2AAAB", NULL } },
	    STUN_AUTH_IGNORE, 0 },
};

/* Attack 19: a server, or who is in between, that asks for less. */
static void
test_dialogues(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(dialogues); i++) {
		CLIENT client = client_new(true, "natd", "secret");
		enum stun_auth_verdict verdict = STUN_AUTH_RETRY;

		for (size_t k = 0; dialogues[i].steps[k].code; k++) {
			if (verdict != STUN_AUTH_RETRY)
				fail_msg("%s: step %zu", dialogues[i].what, k);
			verdict = challenge(client, &dialogues[i].steps[k]);
		}
		if (verdict != dialogues[i].verdict ||
		    stun_client_auth_why(client) != dialogues[i].why)
			fail_msg("%s: %d %d", dialogues[i].what, (int)verdict,
			    (int)stun_client_auth_why(client));
	}
}

/* What the server said comes back to it as it came; MD5 and SHA-1 if it said nothing.
 */
static void
test_answers_to_challenges(void **state)
{
	CLIENT client = client_new(true, "natd", "secret");
	struct stun_key key;
	struct packet q;
	struct stun_raw raw;

	(void)state;
	assert_int_equal(challenge(client, &(struct challenge)OLD), STUN_AUTH_RETRY);
	ask(client, &q);
	assert_int_equal(q.m.present,
	    STUN_BIT(STUN_USERNAME) | STUN_BIT(STUN_REALM) | STUN_BIT(STUN_NONCE) |
		STUN_BIT(STUN_MESSAGE_INTEGRITY) | STUN_BIT(STUN_FINGERPRINT));
	assert_int_equal(stun_key_long_term(STUN_ALGORITHM_MD5, "natd", "natd.test", 9,
			     "secret", &key),
	    0);
	assert_int_equal(stun_verify(&q.m, key.sha1), 0);
	stun_key_done(&key);

	client = stun_client_auth_free(client);
	client = client_new(true, "natd", "secret");
	assert_int_equal(
	    challenge(client, &(struct challenge) { 401, "\"natd.test\"",
				  "obMatJos2gAAAn", "00070001 01000000 00010000" }),
	    STUN_AUTH_RETRY);
	ask(client, &q);
	raw = stun_find(&q.m, STUN_REALM);
	assert_int_equal(raw.len, 11);
	assert_memory_equal(raw.value, "\"natd.test\"", 11);
	raw = stun_find(&q.m, STUN_PASSWORD_ALGORITHMS);
	assert_int_equal(raw.len, 12);
	assert_memory_equal(raw.value, "\0\7\0\1\1\0\0\0\0\1\0\0", 12);
	raw = stun_find(&q.m, STUN_PASSWORD_ALGORITHM);
	assert_memory_equal(raw.value, "\0\1\0\0", 4);
	assert_true(stun_has(&q.m, STUN_USERNAME));
	assert_int_equal(stun_key_long_term(STUN_ALGORITHM_MD5, "natd", "natd.test", 9,
			     "secret", &key),
	    0);
	assert_int_equal(stun_verify_sha256(&q.m, key.sha256, CRYPTO_SHA256_LEN), 0);
	stun_key_done(&key);
}

/* A signature of another kind than the request's, or of nobody, is none. */
static void
test_signatures(void **state)
{
	CLIENT client = client_new(true, "natd", "secret");
	struct stun_key key, other;
	struct packet q, a;
	struct stun_out out;

	(void)state;
	assert_int_equal(stun_key_long_term(STUN_ALGORITHM_SHA256, "natd", "natd.test",
			     9, "secret", &key),
	    0);
	assert_int_equal(stun_key_long_term(STUN_ALGORITHM_SHA256, "natd", "natd.test",
			     9, "secret2", &other),
	    0);
	assert_int_equal(challenge(client, &(struct challenge)NEW), STUN_AUTH_RETRY);
	ask(client, &q);
	for (unsigned kind = 0; kind < 4; kind++) {
		stun_begin_answer(&out, a.buf, sizeof(a.buf), STUN_SUCCESS, &q.m);
		stun_put_address(&out, STUN_XOR_MAPPED_ADDRESS, &here);
		if (kind == 1)
			stun_put_integrity(&out, key.sha1);
		if (kind == 2)
			stun_put_integrity_sha256(
			    &out, other.sha256, CRYPTO_SHA256_LEN);
		if (kind == 3)
			stun_put_integrity_sha256(&out, key.sha256, 16);
		packet_end(&a, &out);
		if (stun_client_auth_check(client, &a.m) != STUN_AUTH_IGNORE)
			fail_msg("%u", kind);
	}
	stun_begin_answer(&out, a.buf, sizeof(a.buf), STUN_SUCCESS, &q.m);
	stun_put_integrity_sha256(&out, key.sha256, CRYPTO_SHA256_LEN);
	packet_end(&a, &out);
	assert_int_equal(stun_client_auth_check(client, &a.m), STUN_AUTH_ACCEPT);
	stun_key_done(&key);
	stun_key_done(&other);
}

/* ---- recorded challenges ---- */

static const struct {
	const char *file;
	enum stun_auth_verdict verdict;
	enum stun_auth_why why;
} recorded[] = {
	{ "lv-ct461-allocate-badpw-401-resp.bin", STUN_AUTH_RETRY, 0 },
	{ "pt-chrome-2-0113.bin", STUN_AUTH_RETRY, 0 },
	{ "syn-allocate-401-twice.bin", STUN_AUTH_RETRY, 0 },
	{ "syn-438-loop.bin", STUN_AUTH_RETRY, 0 },
	{ "syn-allocate-401-no-nonce.bin", STUN_AUTH_FAIL, STUN_AUTH_INCOMPLETE },
	{ "syn-allocate-401-no-realm.bin", STUN_AUTH_FAIL, STUN_AUTH_INCOMPLETE },
	{ "syn-bid-down-nonce-cookie.bin", STUN_AUTH_FAIL, STUN_AUTH_BID_DOWN },
};

static void
test_recorded(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(recorded); i++) {
		CLIENT client = client_new(true, "natd", "secret");
		struct stun_msg m;
		size_t len;
		char *buf = recorded_read("tests/data/turn", recorded[i].file, &len);

		assert_int_equal(stun_decode((uint8_t *)buf, len, 0, &m), 0);
		if (stun_client_auth_check(client, &m) != recorded[i].verdict ||
		    stun_client_auth_why(client) != recorded[i].why)
			fail_msg("%s", recorded[i].file);
		free(buf);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_short_term),
		cmocka_unit_test(test_long_term),
		cmocka_unit_test(test_nonce_is_bound),
		cmocka_unit_test(test_wrong_password),
		cmocka_unit_test(test_credentials_that_cannot_be),
		cmocka_unit_test(test_wrong_requests),
		cmocka_unit_test(test_dialogues),
		cmocka_unit_test(test_answers_to_challenges),
		cmocka_unit_test(test_signatures),
		cmocka_unit_test(test_recorded),
	};

	return cmocka_run_group_tests_name("stun_dialogue", tests, NULL, NULL);
}
