/*
 * crypto.c - digests, message authentication with a saved key, a generator of
 * unpredictable bytes, comparing and forgetting secrets.
 *
 * HMAC hashes one block made of the key before the message and one before the inner
 * digest.  Both are hashed once per key and the states cloned for each message, which
 * saves half of the work on messages as short as ours.
 */
#include "proto/crypto.h"

#include <errno.h>
#include <limits.h>
#include <mbedtls/ctr_drbg.h>
#include <mbedtls/md.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util.h"

/* Of MD5, SHA-1 and SHA-256 alike. */
#define BLOCK_LEN 64
#define POOL_LEN MBEDTLS_CTR_DRBG_MAX_REQUEST

struct crypto_mac {
	enum crypto_hash hash;
	mbedtls_md_context_t inner, outer; /* with their key block hashed */
	mbedtls_md_context_t work;
};

struct crypto_rng {
	mbedtls_ctr_drbg_context drbg;
	struct crypto_part entropy; /* what is left of the seed */
	uint8_t pool[POOL_LEN];
	size_t left; /* bytes at the end of the pool that are still unused */
};

static const struct {
	mbedtls_md_type_t type;
	size_t len;
} hashes[CRYPTO_HASH_MAX] = {
	[CRYPTO_MD5] = { MBEDTLS_MD_MD5, 16 },
	[CRYPTO_SHA1] = { MBEDTLS_MD_SHA1, CRYPTO_SHA1_LEN },
	[CRYPTO_SHA256] = { MBEDTLS_MD_SHA256, CRYPTO_SHA256_LEN },
};

size_t
crypto_hash_len(enum crypto_hash hash)
{
	return hashes[hash].len;
}

/* Ready for mbedtls_md_update(). */
static int
md_open(mbedtls_md_context_t *md, enum crypto_hash hash)
{
	const mbedtls_md_info_t *info = mbedtls_md_info_from_type(hashes[hash].type);

	if (!info)
		return -EIO;
	if (mbedtls_md_setup(md, info, 0) != 0)
		return -ENOMEM;
	return mbedtls_md_starts(md) == 0 ? 0 : -EIO;
}

/* The library's errors, but not what made them, are lost: hardware that fails. */
static int
md_parts(
    mbedtls_md_context_t *md, const struct crypto_part *parts, size_t n, uint8_t *ret)
{
	for (size_t i = 0; i < n; i++)
		if (parts[i].len > 0 &&
		    mbedtls_md_update(md, parts[i].bytes, parts[i].len) != 0)
			return -EIO;
	return mbedtls_md_finish(md, ret) == 0 ? 0 : -EIO;
}

int
crypto_hash_parts(
    enum crypto_hash hash, const struct crypto_part *parts, size_t n, uint8_t *ret)
{
	mbedtls_md_context_t md;
	uint8_t digest[CRYPTO_HASH_LEN_MAX];
	int r;

	mbedtls_md_init(&md);
	r = md_open(&md, hash);
	if (r == 0)
		r = md_parts(&md, parts, n, digest);
	mbedtls_md_free(&md);
	if (r == 0)
		memcpy(ret, digest, hashes[hash].len);
	crypto_wipe(digest, sizeof(digest));
	return r;
}

/* Hashes the key block, each byte changed by pad (RFC 2104 section 2). */
static int
md_open_key(mbedtls_md_context_t *md, enum crypto_hash hash,
    const uint8_t key[static BLOCK_LEN], uint8_t pad)
{
	uint8_t block[BLOCK_LEN];
	int r = md_open(md, hash);

	for (size_t i = 0; i < sizeof(block); i++)
		block[i] = key[i] ^ pad;
	if (r == 0 && mbedtls_md_update(md, block, sizeof(block)) != 0)
		r = -EIO;
	crypto_wipe(block, sizeof(block));
	return r;
}

int
crypto_mac_new(
    enum crypto_hash hash, const void *key, size_t len, struct crypto_mac **ret)
{
	_cleanup_(crypto_mac_freep) struct crypto_mac *mac = calloc(1, sizeof(*mac));
	uint8_t block[BLOCK_LEN] = { 0 };
	int r = 0;

	if (!mac)
		return -ENOMEM;
	mac->hash = hash;
	mbedtls_md_init(&mac->inner);
	mbedtls_md_init(&mac->outer);
	mbedtls_md_init(&mac->work);

	if (len > sizeof(block))
		r = crypto_hash_parts(
		    hash, &(struct crypto_part) { key, len }, 1, block);
	else if (len > 0)
		memcpy(block, key, len);
	if (r == 0)
		r = md_open_key(&mac->inner, hash, block, 0x36);
	if (r == 0)
		r = md_open_key(&mac->outer, hash, block, 0x5c);
	if (r == 0)
		r = md_open(&mac->work, hash);
	crypto_wipe(block, sizeof(block));
	if (r != 0)
		return r;
	*ret = TAKE_PTR(mac);
	return 0;
}

struct crypto_mac *
crypto_mac_free(struct crypto_mac *mac)
{
	if (!mac)
		return NULL;
	mbedtls_md_free(&mac->inner);
	mbedtls_md_free(&mac->outer);
	mbedtls_md_free(&mac->work);
	free(mac);
	return NULL;
}

int
crypto_mac_parts(
    struct crypto_mac *mac, const struct crypto_part *parts, size_t n, uint8_t *ret)
{
	uint8_t digest[CRYPTO_HASH_LEN_MAX];
	struct crypto_part inner = { digest, hashes[mac->hash].len };
	int r;

	if (mbedtls_md_clone(&mac->work, &mac->inner) != 0)
		return -EIO;
	r = md_parts(&mac->work, parts, n, digest);
	if (r != 0)
		return r;
	if (mbedtls_md_clone(&mac->work, &mac->outer) != 0)
		return -EIO;
	r = md_parts(&mac->work, &inner, 1, digest);
	if (r == 0)
		memcpy(ret, digest, inner.len);
	return r;
}

/* mbedTLS asks for entropy: when it is seeded we have it, later there is none left. */
static int
give_seed(void *ctx, unsigned char *ret, size_t len)
{
	struct crypto_part *seed = ctx;

	if (len > seed->len)
		return MBEDTLS_ERR_CTR_DRBG_ENTROPY_SOURCE_FAILED;
	memcpy(ret, seed->bytes, len);
	seed->bytes = (const uint8_t *)seed->bytes + len;
	seed->len -= len;
	return 0;
}

int
crypto_rng_new(const uint8_t seed[static CRYPTO_RNG_SEED_LEN], struct crypto_rng **ret)
{
	_cleanup_(crypto_rng_freep) struct crypto_rng *rng = calloc(1, sizeof(*rng));

	if (!rng)
		return -ENOMEM;
	rng->entropy = (struct crypto_part) { seed, CRYPTO_RNG_SEED_LEN };
	mbedtls_ctr_drbg_init(&rng->drbg);
	mbedtls_ctr_drbg_set_entropy_len(&rng->drbg, CRYPTO_RNG_SEED_LEN);
	/* The seed is as long as the state: there is nothing for a nonce to add. */
	if (mbedtls_ctr_drbg_set_nonce_len(&rng->drbg, 0) != 0 ||
	    mbedtls_ctr_drbg_seed(&rng->drbg, give_seed, &rng->entropy, NULL, 0) != 0)
		return -EIO;
	mbedtls_ctr_drbg_set_reseed_interval(&rng->drbg, INT_MAX);
	*ret = TAKE_PTR(rng);
	return 0;
}

struct crypto_rng *
crypto_rng_free(struct crypto_rng *rng)
{
	if (!rng)
		return NULL;
	mbedtls_ctr_drbg_free(&rng->drbg);
	crypto_wipe(rng, sizeof(*rng));
	free(rng);
	return NULL;
}

int
crypto_rng_id(struct crypto_rng *rng, uint8_t ret[static CRYPTO_RNG_ID_LEN])
{
	uint8_t *at = rng->pool + POOL_LEN - rng->left;

	if (rng->left < CRYPTO_RNG_ID_LEN)
		return crypto_rng_fill(rng, ret, CRYPTO_RNG_ID_LEN);
	memcpy(ret, at, CRYPTO_RNG_ID_LEN);
	memset(at, 0, CRYPTO_RNG_ID_LEN);
	rng->left -= CRYPTO_RNG_ID_LEN;
	return 0;
}

int
crypto_rng_fill(struct crypto_rng *rng, uint8_t *ret, size_t len)
{
	while (len > 0) {
		size_t n = MIN(len, rng->left);
		uint8_t *at = rng->pool + POOL_LEN - rng->left;

		memcpy(ret, at, n);
		memset(at, 0, n);
		rng->left -= n;
		ret += n;
		len -= n;
		if (len == 0)
			break;
		if (mbedtls_ctr_drbg_random(&rng->drbg, rng->pool, POOL_LEN) != 0)
			return -EIO;
		rng->left = POOL_LEN;
	}
	return 0;
}

bool
crypto_equal(const void *a, const void *b, size_t len)
{
	const volatile uint8_t *x = a, *y = b;
	uint8_t differ = 0;

	for (size_t i = 0; i < len; i++)
		differ |= x[i] ^ y[i];
	return differ == 0;
}

void
crypto_wipe(void *bytes, size_t len)
{
	explicit_bzero(bytes, len);
}
