/*
 * crypto.h - digests, message authentication with a saved key, a generator of
 * unpredictable bytes, comparing and forgetting secrets.
 *
 * The one place that knows mbedTLS digests (2.28 and 3.6, the same source).  Pure: the
 * randomness of the generator is the seed its owner brings.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/util.h"

enum crypto_hash { CRYPTO_MD5, CRYPTO_SHA1, CRYPTO_SHA256, CRYPTO_HASH_MAX };

#define CRYPTO_HASH_LEN_MAX 32
#define CRYPTO_SHA1_LEN 20
#define CRYPTO_SHA256_LEN 32
#define CRYPTO_RNG_SEED_LEN 48
#define CRYPTO_RNG_ID_LEN 12

/* A message need not lie in one piece. */
struct crypto_part {
	const void *bytes; /* borrowed */
	size_t len;
};

/* A key ready for use: what HMAC (RFC 2104) makes of it is computed once.  Not to be
 * used by two threads at a time. */
struct crypto_mac;

/* A generator of unpredictable bytes (CTR_DRBG of NIST SP 800-90A, AES-256). */
struct crypto_rng;

/* 16, 20 or 32 bytes. */
size_t crypto_hash_len(enum crypto_hash hash);

/* The digest of all parts, one behind the other, into crypto_hash_len() bytes.
 * Returns 0, or -EIO if the library cannot. */
int crypto_hash_parts(
    enum crypto_hash hash, const struct crypto_part *parts, size_t n, uint8_t *ret);

/* Saves a key of any length, 0 too.  Returns 0, -ENOMEM or -EIO. */
int crypto_mac_new(
    enum crypto_hash hash, const void *key, size_t len, struct crypto_mac **ret);

/* Wipes; NULL is fine.  Returns NULL. */
struct crypto_mac *crypto_mac_free(struct crypto_mac *mac);
DEFINE_FREEP(crypto_mac)

/* HMAC of all parts, without allocation; writes crypto_hash_len() bytes.  0 or -EIO. */
int crypto_mac_parts(
    struct crypto_mac *mac, const struct crypto_part *parts, size_t n, uint8_t *ret);

/* The same seed gives the same bytes: it has to come from getrandom(2), and is the
 * caller's to wipe.  0, -ENOMEM or -EIO. */
int
crypto_rng_new(const uint8_t seed[static CRYPTO_RNG_SEED_LEN], struct crypto_rng **ret);
struct crypto_rng *crypto_rng_free(struct crypto_rng *rng);
DEFINE_FREEP(crypto_rng)

/* Bytes nobody has seen nor can compute; what was handed out is not kept.  Returns 0,
 * or -EIO after 2^31 KiB: time for a new seed.  Made for few bytes at a time. */
int crypto_rng_fill(struct crypto_rng *rng, uint8_t *ret, size_t len);

/* The same for a transaction id or nonce, many of which are wanted. */
int crypto_rng_id(struct crypto_rng *rng, uint8_t ret[static CRYPTO_RNG_ID_LEN]);

/* Takes as long for a difference in the first byte as for none. */
bool crypto_equal(const void *a, const void *b, size_t len);

/* Zeros that the compiler does not optimize away. */
void crypto_wipe(void *bytes, size_t len);
