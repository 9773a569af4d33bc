/*
 * stun_server_auth.c - the server's side of STUN authentication (RFC 8489 sections 9.1
 * and 9.2), without state per client.
 */
#include "proto/stun_server_auth.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/precis.h"

#define FEATURES (STUN_FEATURE_ALGORITHMS | STUN_FEATURE_ANONYMITY)

/* A nonce: cookie, seconds and half an HMAC in hexadecimal digits. */
#define TIME_DIGITS 8
#define PROOF_LEN 16
#define NONCE_TIMED_LEN (STUN_NONCE_COOKIE_LEN + TIME_DIGITS)
#define NONCE_LEN (NONCE_TIMED_LEN + 2 * PROOF_LEN)

struct account {
	struct account *next;
	char username[STUN_USERNAME_MAX + 1];
	uint8_t userhash[STUN_USERHASH_LEN];
	struct stun_key md5, sha256; /* long-term, by algorithm */
	struct stun_key plain;       /* short-term */
};

struct stun_server_auth {
	bool long_term;
	char realm[PRECIS_INPUT_MAX + 1];
	struct crypto_mac *nonces;
	msec_t nonce_life;
	struct account *accounts;
};

static int
auth_new(struct stun_server_auth **ret)
{
	*ret = calloc(1, sizeof(**ret));
	return *ret ? 0 : -ENOMEM;
}

int
stun_server_auth_new_short_term(struct stun_server_auth **ret)
{
	struct stun_server_auth *auth;
	int r = auth_new(&auth);

	if (r == 0)
		*ret = auth;
	return r;
}

int
stun_server_auth_new_long_term(const char *realm,
    const uint8_t secret[static STUN_NONCE_SECRET_LEN], msec_t nonce_life,
    struct stun_server_auth **ret)
{
	_cleanup_(stun_server_auth_freep) struct stun_server_auth *auth = NULL;
	int r = auth_new(&auth);
	ssize_t n;

	if (r != 0)
		return r;
	auth->long_term = true;
	auth->nonce_life = nonce_life;
	n = precis_opaque_string(realm, strlen(realm), auth->realm,
	    stun_attr_rows[STUN_REALM].max_sent + 1u);
	if (n < 0)
		return (int)n;
	r = crypto_mac_new(CRYPTO_SHA256, secret, STUN_NONCE_SECRET_LEN, &auth->nonces);
	if (r != 0)
		return r;
	*ret = TAKE_PTR(auth);
	return 0;
}

static struct account *
account_free(struct account *a)
{
	if (!a)
		return NULL;
	stun_key_done(&a->md5);
	stun_key_done(&a->sha256);
	stun_key_done(&a->plain);
	free(a);
	return NULL;
}

DEFINE_FREEP(account)

struct stun_server_auth *
stun_server_auth_free(struct stun_server_auth *auth)
{
	if (!auth)
		return NULL;
	for (struct account *a = auth->accounts, *next; a; a = next) {
		next = a->next;
		account_free(a);
	}
	crypto_mac_free(auth->nonces);
	free(auth);
	return NULL;
}

/* ---- accounts ---- */

static const struct account *
find_by_name(const struct stun_server_auth *auth, const void *name, size_t len)
{
	for (const struct account *a = auth->accounts; a; a = a->next)
		if (strlen(a->username) == len && memcmp(a->username, name, len) == 0)
			return a;
	return NULL;
}

static const struct account *
find_by_hash(const struct stun_server_auth *auth, const uint8_t *hash)
{
	for (const struct account *a = auth->accounts; a; a = a->next)
		if (memcmp(a->userhash, hash, sizeof(a->userhash)) == 0)
			return a;
	return NULL;
}

static int
make_long_term(
    const struct stun_server_auth *auth, struct account *a, const char *password)
{
	size_t len = strlen(auth->realm);
	int r = stun_userhash(a->username, auth->realm, len, a->userhash);

	if (r == 0)
		r = stun_key_long_term(STUN_ALGORITHM_MD5, a->username, auth->realm,
		    len, password, &a->md5);
	if (r == 0)
		r = stun_key_long_term(STUN_ALGORITHM_SHA256, a->username, auth->realm,
		    len, password, &a->sha256);
	return r;
}

int
stun_server_auth_add(
    struct stun_server_auth *auth, const char *username, const char *password)
{
	_cleanup_(account_freep) struct account *a = calloc(1, sizeof(*a));
	ssize_t n;
	int r;

	if (!a)
		return -ENOMEM;
	n = precis_opaque_string(
	    username, strlen(username), a->username, sizeof(a->username));
	if (n < 0)
		return (int)n;
	if (find_by_name(auth, a->username, (size_t)n))
		return -EEXIST;
	r = auth->long_term ? make_long_term(auth, a, password)
			    : stun_key_short_term(password, &a->plain);
	if (r != 0)
		return r;
	a->next = auth->accounts;
	auth->accounts = TAKE_PTR(a);
	return 0;
}

/* ---- nonces ---- */

/* Proves that the first NONCE_TIMED_LEN bytes were ours, and for whom. */
static int
nonce_proof(struct stun_server_auth *auth, const char *nonce,
    const struct endpoint *client, uint8_t ret[static CRYPTO_SHA256_LEN])
{
	uint8_t address[1 + 16 + 2];
	struct crypto_part parts[] = { { nonce, NONCE_TIMED_LEN },
		{ address, sizeof(address) } };

	address[0] = (uint8_t)client->addr.family;
	memcpy(address + 1, client->addr.bytes, 16);
	address[17] = (uint8_t)(client->port >> 8);
	address[18] = (uint8_t)client->port;
	return crypto_mac_parts(auth->nonces, parts, ARRAY_SIZE(parts), ret);
}

static int
nonce_make(struct stun_server_auth *auth, const struct endpoint *client, msec_t time,
    char ret[static NONCE_LEN + 1])
{
	uint8_t proof[CRYPTO_SHA256_LEN] = { 0 };
	int r;

	stun_nonce_cookie(FEATURES, ret);
	snprintf(ret + STUN_NONCE_COOKIE_LEN, TIME_DIGITS + 1, "%08x",
	    (unsigned)(time / MSEC_PER_SEC));
	r = nonce_proof(auth, ret, client, proof);
	for (size_t i = 0; i < PROOF_LEN; i++)
		snprintf(ret + NONCE_TIMED_LEN + 2 * i, 3, "%02x", proof[i]);
	return r;
}

/* -1: no number */
static int64_t
nonce_time_s(const char *digits)
{
	int64_t time = 0;

	for (size_t i = 0; i < TIME_DIGITS; i++) {
		const char *all = "0123456789abcdef";
		const char *digit = digits[i] ? strchr(all, digits[i]) : NULL;

		if (!digit)
			return -1;
		time = time << 4 | (digit - all);
	}
	return time;
}

/* Made anew and compared: ours, for this client, and young enough. */
static bool
nonce_is_good(struct stun_server_auth *auth, const struct stun_raw *nonce,
    const struct endpoint *client, msec_t now)
{
	const char *text = (const char *)nonce->value;
	char want[NONCE_LEN + 1];
	msec_t time;

	if (nonce->len != NONCE_LEN)
		return false;
	time = nonce_time_s(text + STUN_NONCE_COOKIE_LEN) * MSEC_PER_SEC;
	return time >= 0 && time <= now && now - time <= auth->nonce_life &&
	       nonce_make(auth, client, time, want) == 0 &&
	       crypto_equal(want, text, NONCE_LEN);
}

/* ---- requests ---- */

/* 401 if the message is not signed with the key. */
static uint16_t
check_integrity(const struct stun_msg *m, const struct stun_key *key)
{
	int r = stun_verify_sha256(m, key->sha256, CRYPTO_SHA256_LEN);

	if (r == -ENODATA)
		r = stun_verify(m, key->sha1);
	return r == 0 ? 0 : 401;
}

static bool
is_signed(const struct stun_msg *m)
{
	return stun_has(m, STUN_MESSAGE_INTEGRITY) ||
	       stun_has(m, STUN_MESSAGE_INTEGRITY_SHA256);
}

static uint16_t
check_short_term(
    struct stun_server_auth *auth, const struct stun_msg *m, struct stun_grant *ret)
{
	struct stun_raw name = stun_find(m, STUN_USERNAME);
	const struct account *a;
	uint16_t code;

	if (!is_signed(m) || !name.value)
		return 400;
	a = find_by_name(auth, name.value, name.len);
	if (!a)
		return 401;
	code = check_integrity(m, &a->plain);
	if (code != 0)
		return code;
	/* The algorithm of the request, the stronger of two (9.1.3). */
	*ret = stun_has(m, STUN_MESSAGE_INTEGRITY_SHA256)
		   ? (struct stun_grant) { .sha256 = a->plain.sha256 }
		   : (struct stun_grant) { .sha1 = a->plain.sha1 };
	return 0;
}

/* Which algorithm a request goes by: 0, or 400.  Neither attribute: MD5, as ever. */
static uint16_t
read_algorithms(const struct stun_msg *m, bool *ret_named, enum stun_algorithm *ret)
{
	struct stun_raw list = stun_find(m, STUN_PASSWORD_ALGORITHMS);
	struct stun_raw one = stun_find(m, STUN_PASSWORD_ALGORITHM);
	struct stun_raw nonce = stun_find(m, STUN_NONCE);
	unsigned features = 0;

	*ret_named = false;
	*ret = STUN_ALGORITHM_MD5;
	if (stun_nonce_features(nonce.value, nonce.len, &features) != 0 ||
	    !(features & STUN_FEATURE_ALGORITHMS) || (!list.value && !one.value))
		return 0;
	if (!list.value || !one.value || list.len != STUN_ALGORITHMS_LEN ||
	    memcmp(list.value, stun_algorithms, STUN_ALGORITHMS_LEN) != 0 ||
	    stun_algorithm_read(one.value, one.len, ret) != 0)
		return 400;
	*ret_named = true;
	return 0;
}

static uint16_t
check_long_term(struct stun_server_auth *auth, const struct stun_msg *m,
    const struct endpoint *from, msec_t now, struct stun_grant *ret)
{
	struct stun_raw name = stun_find(m, STUN_USERNAME);
	struct stun_raw hash = stun_find(m, STUN_USERHASH);
	struct stun_raw realm = stun_find(m, STUN_REALM);
	struct stun_raw nonce = stun_find(m, STUN_NONCE);
	enum stun_algorithm algorithm;
	const struct account *a;
	const struct stun_key *key;
	bool named;
	uint16_t code;

	if (!is_signed(m))
		return 401;
	if ((!name.value && !hash.value) || !realm.value || !nonce.value)
		return 400;
	code = read_algorithms(m, &named, &algorithm);
	if (code != 0)
		return code;
	a = name.value ? find_by_name(auth, name.value, name.len)
		       : find_by_hash(auth, hash.value);
	if (!a || realm.len != strlen(auth->realm) ||
	    memcmp(realm.value, auth->realm, realm.len) != 0)
		return 401;
	key = algorithm == STUN_ALGORITHM_SHA256 ? &a->sha256 : &a->md5;
	code = check_integrity(m, key);
	if (code == 0 && !nonce_is_good(auth, &nonce, from, now))
		code = 438;
	if (code != 0)
		return code;
	*ret = named ? (struct stun_grant) { .sha256 = key->sha256 }
		     : (struct stun_grant) { .sha1 = key->sha1 };
	return 0;
}

uint16_t
stun_server_auth_check(struct stun_server_auth *auth, const struct stun_msg *request,
    const struct endpoint *from, msec_t now, struct stun_grant *ret)
{
	return auth->long_term ? check_long_term(auth, request, from, now, ret)
			       : check_short_term(auth, request, ret);
}

void
stun_server_auth_put_challenge(struct stun_server_auth *auth, struct stun_out *out,
    const struct endpoint *to, msec_t now)
{
	char nonce[NONCE_LEN + 1];

	if (!auth->long_term)
		return;
	/* Without its proof it is refused later, and the client asks again. */
	(void)nonce_make(auth, to, now, nonce);
	stun_put_text(out, STUN_REALM, auth->realm);
	stun_put_text(out, STUN_NONCE, nonce);
	stun_put_bytes(
	    out, STUN_PASSWORD_ALGORITHMS, stun_algorithms, STUN_ALGORITHMS_LEN);
}

void
stun_grant_put(const struct stun_grant *grant, struct stun_out *out)
{
	if (grant->sha256)
		stun_put_integrity_sha256(out, grant->sha256, CRYPTO_SHA256_LEN);
	else if (grant->sha1)
		stun_put_integrity(out, grant->sha1);
}
