/*
 * stun_auth.c - credentials of STUN (RFC 8489 section 9): keys, USERHASH, the features
 * in a nonce, password algorithms.
 */
#include "proto/stun_auth.h"

#include <errno.h>
#include <string.h>

#include "proto/precis.h"
#include "proto/util.h"

#define COOKIE_START "obMatJos2"
#define COOKIE_START_LEN (sizeof(COOKIE_START) - 1)
#define FEATURE_BITS 24

const uint8_t stun_algorithms[STUN_ALGORITHMS_LEN] = { 0, STUN_ALGORITHM_SHA256, 0, 0,
	0, STUN_ALGORITHM_MD5, 0, 0 };

/* A name, realm or password as it is hashed. */
struct prepared {
	char text[PRECIS_INPUT_MAX + 1];
	size_t len;
};

static int
prepare(const char *text, size_t len, struct prepared *ret)
{
	ssize_t n = precis_opaque_string(text, len, ret->text, sizeof(ret->text));

	if (n < 0)
		return (int)n;
	ret->len = (size_t)n;
	return 0;
}

/* "with any quotes and trailing nulls removed" (9.2.2) */
static int
prepare_realm(const char *realm, size_t len, struct prepared *ret)
{
	while (len > 0 && realm[len - 1] == '\0')
		len--;
	if (len >= 2 && realm[0] == '"' && realm[len - 1] == '"') {
		realm++;
		len -= 2;
	}
	ret->len = 0;
	/* OpaqueString refuses what is empty; servers with an empty realm exist. */
	return len == 0 ? 0 : prepare(realm, len, ret);
}

/* ---- keys ---- */

static int
key_new(const void *bytes, size_t len, struct stun_key *ret)
{
	struct stun_key key = STUN_KEY_NONE;
	int r = crypto_mac_new(CRYPTO_SHA1, bytes, len, &key.sha1);

	if (r == 0)
		r = crypto_mac_new(CRYPTO_SHA256, bytes, len, &key.sha256);
	if (r == 0)
		*ret = key;
	else
		stun_key_done(&key);
	return r;
}

int
stun_key_short_term(const char *password, struct stun_key *ret)
{
	struct prepared p;
	int r = prepare(password, strlen(password), &p);

	if (r == 0)
		r = key_new(p.text, p.len, ret);
	crypto_wipe(&p, sizeof(p));
	return r;
}

int
stun_key_long_term(enum stun_algorithm algorithm, const char *username,
    const void *realm, size_t realm_len, const char *password, struct stun_key *ret)
{
	enum crypto_hash hash =
	    algorithm == STUN_ALGORITHM_MD5 ? CRYPTO_MD5 : CRYPTO_SHA256;
	uint8_t digest[CRYPTO_HASH_LEN_MAX];
	struct prepared u, r, p;
	int err = prepare(username, strlen(username), &u);

	if (err == 0)
		err = prepare_realm(realm, realm_len, &r);
	if (err == 0)
		err = prepare(password, strlen(password), &p);
	if (err == 0) {
		struct crypto_part parts[] = { { u.text, u.len }, { ":", 1 },
			{ r.text, r.len }, { ":", 1 }, { p.text, p.len } };

		err = crypto_hash_parts(hash, parts, ARRAY_SIZE(parts), digest);
	}
	if (err == 0)
		err = key_new(digest, crypto_hash_len(hash), ret);
	crypto_wipe(&p, sizeof(p));
	crypto_wipe(digest, sizeof(digest));
	return err;
}

void
stun_key_done(struct stun_key *key)
{
	key->sha1 = crypto_mac_free(key->sha1);
	key->sha256 = crypto_mac_free(key->sha256);
}

int
stun_userhash(const char *username, const void *realm, size_t realm_len,
    uint8_t ret[static STUN_USERHASH_LEN])
{
	struct prepared u, r;
	int err = prepare(username, strlen(username), &u);

	if (err == 0)
		err = prepare_realm(realm, realm_len, &r);
	if (err == 0) {
		struct crypto_part parts[] = { { u.text, u.len }, { ":", 1 },
			{ r.text, r.len } };

		err = crypto_hash_parts(CRYPTO_SHA256, parts, ARRAY_SIZE(parts), ret);
	}
	return err;
}

/* ---- the nonce cookie ---- */

static const char base64[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* Bit number n of the registry, from either end. */
static bool
has_feature(uint32_t bits, unsigned n)
{
	return bits & (UINT32_C(1) << n | UINT32_C(1) << (FEATURE_BITS - 1 - n));
}

int
stun_nonce_features(const void *nonce, size_t len, unsigned *ret)
{
	const char *text = nonce;
	uint32_t bits = 0;

	if (len < STUN_NONCE_COOKIE_LEN ||
	    memcmp(text, COOKIE_START, COOKIE_START_LEN) != 0)
		return -ENODATA;
	for (size_t i = COOKIE_START_LEN; i < STUN_NONCE_COOKIE_LEN; i++) {
		const char *digit =
		    text[i] ? memchr(base64, text[i], sizeof(base64)) : NULL;

		if (!digit)
			return -ENODATA;
		bits = bits << 6 | (uint32_t)(digit - base64);
	}
	*ret = (has_feature(bits, 0) ? STUN_FEATURE_ALGORITHMS : 0u) |
	       (has_feature(bits, 1) ? STUN_FEATURE_ANONYMITY : 0u);
	return 0;
}

void
stun_nonce_cookie(unsigned features, char ret[static STUN_NONCE_COOKIE_LEN])
{
	uint32_t bits = (features & STUN_FEATURE_ALGORITHMS ? 1u : 0u) |
			(features & STUN_FEATURE_ANONYMITY ? 2u : 0u);

	memcpy(ret, COOKIE_START, COOKIE_START_LEN);
	for (size_t i = STUN_NONCE_COOKIE_LEN; i-- > COOKIE_START_LEN; bits >>= 6)
		ret[i] = base64[bits & 63];
}

/* ---- password algorithms ---- */

/* One of a list; known: 0 if it is one of ours, without parameters. */
static int
read_algorithm(struct wire_in *in, enum stun_algorithm *ret)
{
	uint16_t number = wire_u16(in), len = wire_u16(in);

	wire_take(in, len);
	/* The padding of the last one may be that of the attribute. */
	wire_take(in, MIN(wire_left(in), (size_t)(-len & 3)));
	if (in->bad)
		return -EBADMSG;
	if (len > 0 ||
	    (number != STUN_ALGORITHM_MD5 && number != STUN_ALGORITHM_SHA256))
		return -ENOTSUP;
	*ret = (enum stun_algorithm)number;
	return 0;
}

int
stun_algorithms_choose(const uint8_t *list, size_t len, enum stun_algorithm *ret)
{
	struct wire_in in = wire_in(list, len);
	enum stun_algorithm found = STUN_ALGORITHM_MD5, next;
	int chosen = -ENOTSUP;

	while (wire_left(&in) > 0) {
		int r = read_algorithm(&in, &next);

		if (r == -EBADMSG)
			return r;
		if (r == 0 && chosen != 0) {
			chosen = 0;
			found = next;
		}
	}
	if (chosen == 0)
		*ret = found;
	return chosen;
}

int
stun_algorithm_read(const uint8_t *value, size_t len, enum stun_algorithm *ret)
{
	struct wire_in in = wire_in(value, len);
	enum stun_algorithm algorithm = STUN_ALGORITHM_MD5;
	int r = read_algorithm(&in, &algorithm);

	if (r != -EBADMSG && wire_left(&in) > 0)
		return -EBADMSG;
	if (r == 0)
		*ret = algorithm;
	return r;
}

void
stun_put_algorithm(struct stun_out *out, enum stun_algorithm algorithm)
{
	uint8_t value[4] = { 0, (uint8_t)algorithm, 0, 0 };

	stun_put_bytes(out, STUN_PASSWORD_ALGORITHM, value, sizeof(value));
}
