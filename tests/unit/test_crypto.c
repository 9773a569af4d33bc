/*
 * test_crypto.c - digests and HMAC against published vectors, saved key state, the
 * generator.
 */
#include "proto/crypto.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "proto/util.h"

static void
assert_hex(const uint8_t *got, size_t len, const char *want)
{
	char text[2 * CRYPTO_HASH_LEN_MAX + 1] = "";

	assert_true(len <= CRYPTO_HASH_LEN_MAX);
	for (size_t i = 0; i < len; i++)
		snprintf(text + 2 * i, 3, "%02x", got[i]);
	assert_string_equal(text, want);
}

/* RFC 1321 appendix A.5, RFC 3174, FIPS 180. */
static const struct {
	enum crypto_hash hash;
	const char *text, *digest;
} digests[] = {
	{ CRYPTO_MD5, "", "d41d8cd98f00b204e9800998ecf8427e" },
	{ CRYPTO_MD5, "message digest", "f96b697d7cb7938d525a2f31aaf161d0" },
	{ CRYPTO_SHA1, "abc", "a9993e364706816aba3e25717850c26c9cd0d89d" },
	{ CRYPTO_SHA256, "",
	    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
	{ CRYPTO_SHA256, "abc",
	    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
};

static void
test_digests(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(digests); i++) {
		size_t len = strlen(digests[i].text);
		uint8_t got[CRYPTO_HASH_LEN_MAX];

		/* In one piece, and cut at every place. */
		for (size_t cut = 0; cut <= len; cut++) {
			struct crypto_part parts[] = { { digests[i].text, cut },
				{ NULL, 0 }, { digests[i].text + cut, len - cut } };

			assert_int_equal(crypto_hash_parts(digests[i].hash, parts,
					     ARRAY_SIZE(parts), got),
			    0);
			assert_hex(
			    got, crypto_hash_len(digests[i].hash), digests[i].digest);
		}
	}
}

/* RFC 2202 and RFC 4231: a short key, one of a whole digest, one longer than a block.
 */
static const struct {
	enum crypto_hash hash;
	uint8_t key_byte;
	size_t key_len;
	const char *key, *text, *mac;
} macs[] = {
	{ CRYPTO_MD5, 0x0b, 16, NULL, "Hi There", "9294727a3638bb1c13f48ef8158bfc9d" },
	{ CRYPTO_SHA1, 0x0b, 20, NULL, "Hi There",
	    "b617318655057264e28bc0b6fb378c8ef146be00" },
	{ CRYPTO_SHA1, 0, 4, "Jefe", "what do ya want for nothing?",
	    "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79" },
	{ CRYPTO_SHA1, 0xaa, 80, NULL,
	    "Test Using Larger Than Block-Size Key - Hash Key First",
	    "aa4ae5e15272d00e95705637ce8a3b55ed402112" },
	{ CRYPTO_SHA256, 0x0b, 20, NULL, "Hi There",
	    "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7" },
	{ CRYPTO_SHA256, 0, 4, "Jefe", "what do ya want for nothing?",
	    "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843" },
	{ CRYPTO_SHA256, 0xaa, 131, NULL,
	    "Test Using Larger Than Block-Size Key - Hash Key First",
	    "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54" },
	{ CRYPTO_SHA256, 0, 0, "", "",
	    "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad" },
};

static void
test_macs(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(macs); i++) {
		_cleanup_(crypto_mac_freep) struct crypto_mac *mac = NULL;
		uint8_t key[160], got[CRYPTO_HASH_LEN_MAX];
		size_t len = strlen(macs[i].text);

		memset(key, macs[i].key_byte, sizeof(key));
		if (macs[i].key)
			memcpy(key, macs[i].key, macs[i].key_len);
		assert_int_equal(
		    crypto_mac_new(macs[i].hash, key, macs[i].key_len, &mac), 0);
		memset(key, 0xee, sizeof(key)); /* it keeps no pointer */
		/* One key serves many messages, whatever came before. */
		for (size_t cut = 0; cut <= len; cut++) {
			struct crypto_part parts[] = { { macs[i].text, cut },
				{ macs[i].text + cut, len - cut } };

			assert_int_equal(crypto_mac_parts(mac, parts, 2, got), 0);
			assert_hex(got, crypto_hash_len(macs[i].hash), macs[i].mac);
			assert_int_equal(crypto_mac_parts(mac, parts, 1, got), 0);
		}
	}
}

static void
test_equal(void **state)
{
	uint8_t a[32], b[32];

	(void)state;
	memset(a, 7, sizeof(a));
	memcpy(b, a, sizeof(b));
	assert_true(crypto_equal(a, b, sizeof(a)));
	for (size_t i = 0; i < sizeof(a); i++) {
		b[i] ^= (uint8_t)(1 << i % 8);
		assert_false(crypto_equal(a, b, sizeof(a)));
		assert_true(crypto_equal(a, b, i));
		b[i] = a[i];
	}
	crypto_wipe(a, sizeof(a));
	memset(b, 0, sizeof(b));
	assert_memory_equal(a, b, sizeof(a));
}

static void
test_rng(void **state)
{
	_cleanup_(crypto_rng_freep) struct crypto_rng *a = NULL, *b = NULL, *c = NULL;
	static uint8_t x[5000], y[5000], z[5000];
	uint8_t seed[CRYPTO_RNG_SEED_LEN] = { 1 };
	unsigned ones = 0;

	(void)state;
	assert_int_equal(crypto_rng_new(seed, &a), 0);
	assert_int_equal(crypto_rng_new(seed, &b), 0);
	seed[CRYPTO_RNG_SEED_LEN - 1] ^= 1; /* each byte of the seed counts */
	assert_int_equal(crypto_rng_new(seed, &c), 0);

	/* How the bytes are asked for makes no difference. */
	for (size_t at = 0, n = 1; at < sizeof(x); at += n, n = n % 37 + 1) {
		n = MIN(n, sizeof(x) - at);
		assert_int_equal(n == CRYPTO_RNG_ID_LEN ? crypto_rng_id(a, x + at)
							: crypto_rng_fill(a, x + at, n),
		    0);
	}
	assert_int_equal(crypto_rng_fill(b, y, sizeof(y)), 0);
	assert_memory_equal(x, y, sizeof(x));
	assert_int_equal(crypto_rng_fill(c, z, sizeof(z)), 0);

	/* Another seed, other bytes; no 16 bytes come twice; half of the bits are set.
	 */
	for (size_t i = 0; i + 16 <= sizeof(x); i += 16) {
		assert_memory_not_equal(x + i, z + i, 16);
		for (size_t j = 0; j < i; j += 16)
			assert_memory_not_equal(x + i, x + j, 16);
	}
	for (size_t i = 0; i < sizeof(x); i++)
		ones += (unsigned)__builtin_popcount(x[i]);
	assert_in_range(ones, 8 * sizeof(x) * 48 / 100, 8 * sizeof(x) * 52 / 100);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_digests),
		cmocka_unit_test(test_macs),
		cmocka_unit_test(test_equal),
		cmocka_unit_test(test_rng),
	};

	return cmocka_run_group_tests_name("crypto", tests, NULL, NULL);
}
