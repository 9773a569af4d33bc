/*
 * stun_client_auth.c - the client's side of STUN authentication (RFC 8489 sections 9.1
 * and 9.2): what goes into a request, and what an answer is worth.
 */
#include "proto/stun_client_auth.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/precis.h"
#include "proto/util.h"

/* Challenges that are answered before one answer must have been good. */
#define ROUNDS_MAX 3

enum integrity { INTEGRITY_SHA1 = 1, INTEGRITY_SHA256 = 2, INTEGRITY_BOTH = 3 };

struct bytes {
	uint8_t bytes[STUN_NONCE_MAX];
	size_t len;
};

struct stun_client_auth {
	bool long_term;
	char username[PRECIS_INPUT_MAX + 1];
	char password[PRECIS_INPUT_MAX + 1];
	enum stun_auth_why why;

	/* From here on what the server said; long-term only, but integrity. */
	bool challenged; /* realm, nonce and key are there */
	unsigned rounds; /* challenges since the last good answer */
	struct bytes realm, nonce;
	struct bytes algorithms; /* PASSWORD-ALGORITHMS as received; none: len 0 */
	enum stun_algorithm algorithm;
	bool anonymous;
	uint8_t userhash[STUN_USERHASH_LEN];
	enum integrity integrity; /* what requests carry and answers must */
	struct stun_key key;
};

static const char *const whys[STUN_AUTH_WHY_MAX] = {
	[STUN_AUTH_FINE] = "no failure",
	[STUN_AUTH_REFUSED] = "the server refuses this user name and password",
	[STUN_AUTH_TOO_OFTEN] = "the server asks for a new nonce each time",
	[STUN_AUTH_INCOMPLETE] =
	    "the server asks for credentials without saying of what "
	    "realm, or without a nonce",
	[STUN_AUTH_BID_DOWN] = "the answer was tampered with: the server's password "
			       "algorithms are missing",
	[STUN_AUTH_NO_ALGORITHM] = "the server wants a password algorithm that is not "
				   "known here",
	[STUN_AUTH_BROKEN] = "no key can be made for the server's realm",
};

const char *
stun_auth_why_text(enum stun_auth_why why)
{
	return whys[why];
}

enum stun_auth_why
stun_client_auth_why(const struct stun_client_auth *auth)
{
	return auth->why;
}

static int
auth_new(const char *username, const char *password, struct stun_client_auth **ret)
{
	_cleanup_(stun_client_auth_freep) struct stun_client_auth *auth =
	    calloc(1, sizeof(*auth));
	ssize_t n;

	if (!auth)
		return -ENOMEM;
	n = precis_opaque_string(
	    username, strlen(username), auth->username, STUN_USERNAME_MAX + 1);
	if (n >= 0)
		n = precis_opaque_string(
		    password, strlen(password), auth->password, sizeof(auth->password));
	if (n < 0)
		return (int)n;
	*ret = TAKE_PTR(auth);
	return 0;
}

int
stun_client_auth_new_short_term(
    const char *username, const char *password, struct stun_client_auth **ret)
{
	_cleanup_(stun_client_auth_freep) struct stun_client_auth *auth = NULL;
	int r = auth_new(username, password, &auth);

	if (r == 0)
		r = stun_key_short_term(password, &auth->key);
	if (r != 0)
		return r;
	auth->integrity = INTEGRITY_BOTH;
	*ret = TAKE_PTR(auth);
	return 0;
}

int
stun_client_auth_new_long_term(
    const char *username, const char *password, struct stun_client_auth **ret)
{
	_cleanup_(stun_client_auth_freep) struct stun_client_auth *auth = NULL;
	int r = auth_new(username, password, &auth);

	if (r != 0)
		return r;
	auth->long_term = true;
	*ret = TAKE_PTR(auth);
	return 0;
}

struct stun_client_auth *
stun_client_auth_free(struct stun_client_auth *auth)
{
	if (!auth)
		return NULL;
	stun_key_done(&auth->key);
	crypto_wipe(auth, sizeof(*auth));
	free(auth);
	return NULL;
}

/* ---- requests ---- */

/* Of peers, so that longer ones than we would write ourselves are handed back. */
static void
put_received(struct stun_out *out, enum stun_attr attr, const struct bytes *b)
{
	stun_put_raw(out, stun_attr_rows[attr].code, b->bytes, b->len);
}

static void
put_long_term(const struct stun_client_auth *auth, struct stun_out *out)
{
	if (auth->anonymous)
		stun_put_bytes(
		    out, STUN_USERHASH, auth->userhash, sizeof(auth->userhash));
	else
		stun_put_text(out, STUN_USERNAME, auth->username);
	put_received(out, STUN_REALM, &auth->realm);
	put_received(out, STUN_NONCE, &auth->nonce);
	if (auth->algorithms.len > 0) {
		put_received(out, STUN_PASSWORD_ALGORITHMS, &auth->algorithms);
		stun_put_algorithm(out, auth->algorithm);
	}
}

void
stun_client_auth_put(struct stun_client_auth *auth, struct stun_out *out)
{
	if (auth->long_term && !auth->challenged)
		return;
	if (auth->long_term)
		put_long_term(auth, out);
	else
		stun_put_text(out, STUN_USERNAME, auth->username);
	if (auth->integrity & INTEGRITY_SHA1)
		stun_put_integrity(out, auth->key.sha1);
	if (auth->integrity & INTEGRITY_SHA256)
		stun_put_integrity_sha256(out, auth->key.sha256, CRYPTO_SHA256_LEN);
}

/* ---- answers ---- */

static enum stun_auth_verdict
give_up(struct stun_client_auth *auth, enum stun_auth_why why)
{
	auth->why = why;
	return STUN_AUTH_FAIL;
}

/* Whether the attribute is there; its bytes always fit, the table bounds them. */
static bool
take_bytes(const struct stun_msg *m, enum stun_attr attr, struct bytes *ret)
{
	struct stun_raw raw = stun_find(m, attr);

	ret->len = MIN(raw.len, sizeof(ret->bytes));
	if (ret->len > 0)
		memcpy(ret->bytes, raw.value, ret->len);
	return raw.value;
}

static bool
same_bytes(const struct bytes *a, const struct bytes *b)
{
	return a->len == b->len && memcmp(a->bytes, b->bytes, a->len) == 0;
}

/* Whether the nonce of an answer promises algorithms that are not in it (9.2.5). */
static bool
is_bid_down(const struct stun_msg *m, unsigned *ret_features)
{
	struct stun_raw nonce = stun_find(m, STUN_NONCE);

	*ret_features = 0;
	if (!nonce.value ||
	    stun_nonce_features(nonce.value, nonce.len, ret_features) != 0)
		return false;
	return *ret_features & STUN_FEATURE_ALGORITHMS &&
	       !stun_has(m, STUN_PASSWORD_ALGORITHMS);
}

/* Makes the key, and the name, that the challenge asks for. */
static int
answer_challenge(struct stun_client_auth *auth)
{
	struct stun_key key = STUN_KEY_NONE;
	int r = 0;

	if (auth->anonymous)
		r = stun_userhash(
		    auth->username, auth->realm.bytes, auth->realm.len, auth->userhash);
	if (r == 0)
		r = stun_key_long_term(auth->algorithm, auth->username,
		    auth->realm.bytes, auth->realm.len, auth->password, &key);
	if (r != 0)
		return r;
	stun_key_done(&auth->key);
	auth->key = key;
	return 0;
}

/* 401 and 438. */
static enum stun_auth_verdict
check_challenge(struct stun_client_auth *auth, const struct stun_msg *m, uint16_t code)
{
	struct bytes realm, nonce;
	bool has_realm = take_bytes(m, STUN_REALM, &realm);
	bool has_nonce = take_bytes(m, STUN_NONCE, &nonce);
	bool same_realm = !has_realm || same_bytes(&realm, &auth->realm);
	unsigned features;

	/* Once there were algorithms, there is no way back to MD5 (9.2.5). */
	if (is_bid_down(m, &features) ||
	    (auth->algorithms.len > 0 && !stun_has(m, STUN_PASSWORD_ALGORITHMS)))
		return give_up(auth, STUN_AUTH_BID_DOWN);
	/* A new nonce may come without its realm, a first challenge not. */
	if (!has_nonce || (!has_realm && !(code == 438 && auth->challenged)))
		return give_up(auth, STUN_AUTH_INCOMPLETE);
	if (code == 401 && auth->challenged && same_realm)
		return give_up(auth, STUN_AUTH_REFUSED);
	if (++auth->rounds > ROUNDS_MAX)
		return give_up(auth, STUN_AUTH_TOO_OFTEN);

	auth->algorithm = STUN_ALGORITHM_MD5;
	if (take_bytes(m, STUN_PASSWORD_ALGORITHMS, &auth->algorithms) &&
	    stun_algorithms_choose(
		auth->algorithms.bytes, auth->algorithms.len, &auth->algorithm) != 0)
		return give_up(auth, STUN_AUTH_NO_ALGORITHM);
	if (has_realm)
		auth->realm = realm;
	auth->nonce = nonce;
	auth->anonymous = features & STUN_FEATURE_ANONYMITY;
	auth->integrity = auth->algorithms.len > 0 ? INTEGRITY_SHA256 : INTEGRITY_SHA1;
	if (answer_challenge(auth) != 0)
		return give_up(auth, STUN_AUTH_BROKEN);
	auth->challenged = true;
	return STUN_AUTH_RETRY;
}

/* Whether the answer is signed, by what its request was (9.1.4, 9.2.5). */
static bool
is_signed(struct stun_client_auth *auth, const struct stun_msg *m)
{
	if (auth->integrity & INTEGRITY_SHA256 &&
	    stun_has(m, STUN_MESSAGE_INTEGRITY_SHA256)) {
		if (stun_verify_sha256(m, auth->key.sha256, CRYPTO_SHA256_LEN) != 0)
			return false;
		auth->integrity = INTEGRITY_SHA256;
		return true;
	}
	if (!(auth->integrity & INTEGRITY_SHA1) || stun_verify(m, auth->key.sha1) != 0)
		return false;
	auth->integrity = INTEGRITY_SHA1;
	return true;
}

enum stun_auth_verdict
stun_client_auth_check(struct stun_client_auth *auth, const struct stun_msg *answer)
{
	struct stun_error error = { .code = 0 };
	unsigned features;

	if (answer->class == STUN_ERROR &&
	    stun_get_error(answer, STUN_ERROR_CODE, &error) != 0)
		error.code = 0;
	if (auth->long_term && (error.code == 401 || error.code == 438))
		return check_challenge(auth, answer, error.code);
	if (auth->long_term && is_bid_down(answer, &features))
		return STUN_AUTH_IGNORE;
	/* The request asked for nothing to be signed: there is no key to look with. */
	if (auth->long_term && !auth->challenged)
		return STUN_AUTH_ACCEPT;
	if (!is_signed(auth, answer))
		return STUN_AUTH_IGNORE;
	auth->rounds = 0;
	return STUN_AUTH_ACCEPT;
}
