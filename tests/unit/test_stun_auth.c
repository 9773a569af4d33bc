/*
 * test_stun_auth.c - keys and integrity of STUN against RFC 5769, RFC 8489 appendix B.1
 * and captured messages, both ways; nonces, password algorithms.
 */
#include "proto/stun_auth.h"

#include <errno.h>

#include "proto/util.h"
#include "tests/unit/recorded.h"
#include "tests/unit/stun_bytes.h"

#define KATAKANA \
	"\xe3\x83\x9e\xe3\x83\x88\xe3\x83\xaa\xe3\x83\x83\xe3\x82\xaf\xe3\x82\xb9"
#define ICE_PASSWORD "VOkJxbRl1RmTxUk/WvJxBt"

/* RFC 5769 section 2.1; the others are in tests/data/stun. */
#define REQUEST                                       \
	"00010058 2112a442 b7e7a701bc34d686fa87dfae"  \
	"80220010 5354554e207465737420636c69656e74"   \
	"00240004 6e0001ff 80290008 932ff9b151263b36" \
	"00060009 6576746a3a68367659202020"           \
	"00080014 9aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2 80280004 e57a3bcf"

static const struct stun_id ice_id = { { 0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86,
    0xfa, 0x87, 0xdf, 0xae } };
static const struct stun_id long_id = { { 0x78, 0xad, 0x34, 0x33, 0xc6, 0xad, 0x72,
    0xc0, 0x29, 0xda, 0x41, 0x2e } };

static void
stun_key_cleanup(struct stun_key *key)
{
	stun_key_done(key);
}

/* The vectors of RFC 5769 pad with spaces, "the receiver must ignore it". */
static void
put_padded(struct stun_out *out, enum stun_attr attr, const char *text)
{
	size_t len = strlen(text);
	uint8_t *value = stun_put(out, attr, len);

	assert_non_null(value);
	memcpy(value, text, len);
	memset(value + len, ' ', -len & 3);
}

static void
check_end(const char *what, struct stun_out *out, const uint8_t *want, size_t len)
{
	ssize_t n = stun_end(out);

	assert_true(n > 0);
	assert_bytes(what, out->wire.start, (size_t)n, want, len);
}

static void
test_rfc5769_request(void **state)
{
	_cleanup_(stun_key_cleanup) struct stun_key key = STUN_KEY_NONE;
	uint8_t want[128], buf[128];
	size_t len = stun_bytes(REQUEST, want, sizeof(want));
	struct stun_out out;
	struct stun_msg m;
	uint64_t number;

	(void)state;
	assert_int_equal(len, 108);
	assert_int_equal(stun_key_short_term(ICE_PASSWORD, &key), 0);
	assert_int_equal(stun_decode(want, len, 0, &m), 0);
	assert_int_equal(stun_verify(&m, key.sha1), 0);
	assert_int_equal(
	    stun_verify_sha256(&m, key.sha256, CRYPTO_SHA256_LEN), -ENODATA);
	assert_int_equal(stun_get_number(&m, STUN_PRIORITY, &number), 0);
	assert_int_equal(number, 0x6e0001ff);
	assert_int_equal(stun_get_number(&m, STUN_ICE_CONTROLLED, &number), 0);
	assert_int_equal(number, 0x932ff9b151263b36);

	stun_begin(&out, buf, sizeof(buf), STUN_REQUEST, STUN_BINDING, &ice_id);
	stun_put_text(&out, STUN_SOFTWARE, "STUN test client");
	stun_put_number(&out, STUN_PRIORITY, 0x6e0001ff);
	stun_put_number(&out, STUN_ICE_CONTROLLED, 0x932ff9b151263b36);
	put_padded(&out, STUN_USERNAME, "evtj:h6vY");
	stun_put_integrity(&out, key.sha1);
	stun_put_fingerprint(&out);
	check_end("2.1", &out, want, len);
	/* Every byte under the HMAC counts but the length, which is computed. */
	for (size_t i = 0; i < 76; i++) {
		if (i == 2 || i == 3)
			continue;
		want[i] ^= 0x40;
		want[3] -= 8; /* without FINGERPRINT */
		if (stun_decode(want, len - 8, 0, &m) == 0 &&
		    stun_verify(&m, key.sha1) == 0)
			fail_msg("byte %zu", i);
		want[3] = 0x58;
		want[i] ^= 0x40;
	}
}

static const struct {
	const char *file, *mapped;
} responses[] = {
	{ "rfc5769-2.2-ipv4-response.bin", "192.0.2.1" },
	{ "rfc5769-2.3-ipv6-response.bin", "2001:db8:1234:5678:11:2233:4455:6677" },
};

static void
test_rfc5769_responses(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(responses); i++) {
		_cleanup_(stun_key_cleanup) struct stun_key key = STUN_KEY_NONE;
		size_t len;
		uint8_t buf[128];
		char *want = recorded_read("tests/data/stun", responses[i].file, &len);
		struct endpoint e = { .port = 32853 }, got;
		struct stun_out out;
		struct stun_msg m;

		assert_int_equal(addr_parse(responses[i].mapped, &e.addr), 0);
		assert_int_equal(stun_key_short_term(ICE_PASSWORD, &key), 0);
		assert_int_equal(stun_decode((uint8_t *)want, len, 0, &m), 0);
		assert_true(stun_answers(&m, STUN_BINDING, &ice_id));
		assert_int_equal(stun_verify(&m, key.sha1), 0);
		assert_int_equal(stun_get_mapped(&m, &got), 0);
		assert_true(endpoint_equal(&got, &e));

		stun_begin(&out, buf, sizeof(buf), STUN_SUCCESS, STUN_BINDING, &ice_id);
		put_padded(&out, STUN_SOFTWARE, "test vector");
		stun_put_address(&out, STUN_XOR_MAPPED_ADDRESS, &e);
		stun_put_integrity(&out, key.sha1);
		stun_put_fingerprint(&out);
		check_end(responses[i].file, &out, (uint8_t *)want, len);
		free(want);
	}
}

static void
test_rfc5769_long_term(void **state)
{
	_cleanup_(stun_key_cleanup) struct stun_key key = STUN_KEY_NONE;
	size_t len;
	uint8_t buf[128];
	char *want =
	    recorded_read("tests/data/stun", "rfc5769-2.4-longterm-request.bin", &len);
	struct stun_out out;
	struct stun_msg m;

	(void)state;
	assert_int_equal(stun_key_long_term(STUN_ALGORITHM_MD5, KATAKANA, "example.org",
			     11, "TheMatrIX", &key),
	    0);
	assert_int_equal(stun_decode((uint8_t *)want, len, 0, &m), 0);
	assert_int_equal(stun_verify(&m, key.sha1), 0);

	stun_begin(&out, buf, sizeof(buf), STUN_REQUEST, STUN_BINDING, &long_id);
	stun_put_text(&out, STUN_USERNAME, KATAKANA);
	stun_put_text(&out, STUN_NONCE, "f//499k954d6OL34oL9FSTvy64sA");
	stun_put_text(&out, STUN_REALM, "example.org");
	stun_put_integrity(&out, key.sha1);
	check_end("2.4", &out, (uint8_t *)want, len);
	free(want);
}

/* ---- RFC 8489 appendix B.1, corrected by erratum 6268; and without algorithm ---- */

#define B1_NONCE "obMatJos2AAACf//499k954d6OL34oL9FSTvy64sA"
#define B1_MD5_HMAC "fd8c273860d2e18ebca4c89b6973befa7ee8ecc69e9642db326fab65a0b955ba"

static void
begin_b1(struct stun_out *out, uint8_t *buf, size_t size)
{
	uint8_t userhash[STUN_USERHASH_LEN];

	assert_int_equal(stun_userhash(KATAKANA, "example.org", 11, userhash), 0);
	stun_begin(out, buf, size, STUN_REQUEST, STUN_BINDING, &long_id);
	stun_put_bytes(out, STUN_USERHASH, userhash, sizeof(userhash));
	stun_put_text(out, STUN_NONCE, B1_NONCE);
	stun_put_text(out, STUN_REALM, "example.org");
}

static void
test_rfc8489_b1(void **state)
{
	_cleanup_(stun_key_cleanup) struct stun_key key = STUN_KEY_NONE;
	size_t len;
	uint8_t buf[256];
	char *want =
	    recorded_read("tests/data/stun", "rfc8489-b.1-longterm-sha256.bin", &len);
	enum stun_algorithm algorithm;
	struct stun_out out;
	struct stun_raw raw;
	struct stun_msg m;

	(void)state;
	assert_int_equal(len, 164);
	assert_int_equal(stun_decode((uint8_t *)want, len, 0, &m), 0);
	raw = stun_find(&m, STUN_PASSWORD_ALGORITHM);
	assert_int_equal(stun_algorithm_read(raw.value, raw.len, &algorithm), 0);
	assert_int_equal(algorithm, STUN_ALGORITHM_SHA256);
	assert_int_equal(stun_key_long_term(
			     algorithm, KATAKANA, "example.org", 11, "TheMatrIX", &key),
	    0);
	assert_int_equal(stun_verify_sha256(&m, key.sha256, CRYPTO_SHA256_LEN), 0);

	begin_b1(&out, buf, sizeof(buf));
	stun_put_algorithm(&out, STUN_ALGORITHM_SHA256);
	stun_put_integrity_sha256(&out, key.sha256, CRYPTO_SHA256_LEN);
	check_end("B.1", &out, (uint8_t *)want, len);
	free(want);
}

static void
test_rfc8489_b1_md5(void **state)
{
	_cleanup_(stun_key_cleanup) struct stun_key key = STUN_KEY_NONE;
	uint8_t buf[256], hmac[32];
	struct stun_out out;
	struct stun_msg m;
	ssize_t n;

	(void)state;
	assert_int_equal(stun_key_long_term(STUN_ALGORITHM_MD5, KATAKANA, "example.org",
			     11, "TheMatrIX", &key),
	    0);
	begin_b1(&out, buf, sizeof(buf));
	stun_put_integrity_sha256(&out, key.sha256, CRYPTO_SHA256_LEN);
	n = stun_end(&out);
	assert_int_equal(n, 20 + 0x88);
	assert_int_equal(stun_bytes(B1_MD5_HMAC, hmac, sizeof(hmac)), sizeof(hmac));
	assert_bytes("HMAC", buf + n - 32, 32, hmac, 32);
	assert_int_equal(stun_decode(buf, (size_t)n, 0, &m), 0);
	assert_int_equal(stun_verify_sha256(&m, key.sha256, CRYPTO_SHA256_LEN), 0);
}

/* 14.6: shorter values only for a usage that says so, and never below its least. */
static void
test_truncated(void **state)
{
	_cleanup_(stun_key_cleanup) struct stun_key key = STUN_KEY_NONE;
	uint8_t buf[128];
	struct stun_out out;
	struct stun_msg m;

	(void)state;
	assert_int_equal(stun_key_short_term("secret", &key), 0);
	for (size_t len = 16; len <= 32; len += 4) {
		ssize_t n;

		stun_begin(&out, buf, sizeof(buf), STUN_REQUEST, 1, &ice_id);
		stun_put_integrity_sha256(&out, key.sha256, len);
		n = stun_end(&out);
		assert_int_equal(stun_decode(buf, (size_t)n, 0, &m), 0);
		for (size_t least = 16; least <= 32; least += 4)
			assert_int_equal(stun_verify_sha256(&m, key.sha256, least),
			    len >= least ? 0 : -EBADMSG);
		for (size_t i = 0; i < len; i++) {
			buf[24 + i] ^= 0x80;
			assert_int_equal(
			    stun_verify_sha256(&m, key.sha256, 16), -EBADMSG);
			buf[24 + i] ^= 0x80;
		}
	}
}

/* ---- keys ---- */

static bool
same_key(struct stun_key *a, struct stun_key *b)
{
	struct crypto_part part = { "message", 7 };
	uint8_t x[32], y[32], z[20], w[20];

	assert_int_equal(crypto_mac_parts(a->sha256, &part, 1, x), 0);
	assert_int_equal(crypto_mac_parts(b->sha256, &part, 1, y), 0);
	assert_int_equal(crypto_mac_parts(a->sha1, &part, 1, z), 0);
	assert_int_equal(crypto_mac_parts(b->sha1, &part, 1, w), 0);
	assert_int_equal(memcmp(x, y, 32) == 0, memcmp(z, w, 20) == 0);
	return memcmp(x, y, 32) == 0;
}

static void
test_keys(void **state)
{
	/* 8493fbc5...: "user:realm:pass" by MD5, from RFC 8489 section 9.2.2. */
	static const uint8_t digest[] = { 0x84, 0x93, 0xfb, 0xc5, 0x3b, 0xa5, 0x82,
		0xfb, 0x4c, 0x04, 0x4c, 0x45, 0x6b, 0xdc, 0x40, 0xeb };
	static const struct {
		const char *realm;
		size_t len;
		bool same;
	} realms[] = {
		{ "realm", 5, true },
		{ "\"realm\"", 7, true },
		{ "realm\0\0", 7, true },
		{ "\"realm\"\0", 8, true },
		{ "realm ", 6, false },
		{ "\"realm", 6, false },
		{ "", 0, false },
		{ "\0", 1, false },
	};
	_cleanup_(stun_key_cleanup) struct stun_key want = STUN_KEY_NONE;

	(void)state;
	assert_int_equal(
	    crypto_mac_new(CRYPTO_SHA1, digest, sizeof(digest), &want.sha1), 0);
	assert_int_equal(
	    crypto_mac_new(CRYPTO_SHA256, digest, sizeof(digest), &want.sha256), 0);
	for (size_t i = 0; i < ARRAY_SIZE(realms); i++) {
		_cleanup_(stun_key_cleanup) struct stun_key key = STUN_KEY_NONE;

		assert_int_equal(stun_key_long_term(STUN_ALGORITHM_MD5, "user",
				     realms[i].realm, realms[i].len, "pass", &key),
		    0);
		assert_int_equal(same_key(&key, &want), realms[i].same);
	}
	{
		struct stun_key key = STUN_KEY_NONE;

		assert_int_equal(stun_key_long_term(STUN_ALGORITHM_MD5, "user", "a\tb",
				     3, "pass", &key),
		    -EINVAL);
		assert_int_equal(stun_key_long_term(STUN_ALGORITHM_MD5, "user", "\xff",
				     1, "pass", &key),
		    -EILSEQ);
		assert_int_equal(stun_key_short_term("", &key), -EINVAL);
		assert_null(key.sha1);
		assert_null(key.sha256);
	}
}

/* One password, two ways to write it. */
static void
test_keys_are_opaque_strings(void **state)
{
	_cleanup_(stun_key_cleanup) struct stun_key a = STUN_KEY_NONE,
						    b = STUN_KEY_NONE,
						    c = STUN_KEY_NONE;

	(void)state;
	assert_int_equal(stun_key_short_term("A\xcc\x8a\xc2\xa0", &a), 0);
	assert_int_equal(stun_key_short_term("\xc3\x85 ", &b), 0);
	assert_int_equal(stun_key_short_term("\xc3\x85", &c), 0);
	assert_true(same_key(&a, &b));
	assert_false(same_key(&a, &c));
}

/* ---- captured messages ---- */

static const struct {
	const char *file, *username, *realm, *password;
	int want;
} signed_files[] = {
#define NATD(file_, want_)                                  \
	{                                                   \
		file_, "natd", "natd.test", "secret", want_ \
	}
	NATD("lv-ct461-allocate-req.bin", 0),
	NATD("lv-ct461-allocate-resp.bin", 0),
	NATD("lv-ct461-allocate-quota-0-resp.bin", 0),
	NATD("lv-ct461-channelbind-resp.bin", 0),
	NATD("lv-ct461-createperm-req.bin", 0),
	NATD("lv-ct461-createperm-forbidden-403-resp.bin", 0),
	NATD("lv-ct461-refresh-0-resp.bin", 0),
	NATD("lv-ct461-data-indication.bin", -ENODATA),
	NATD("lv-ct461-allocate-badpw-401-resp.bin", -ENODATA),
	NATD("syn-allocate-ok.bin", 0),
	NATD("syn-allocate-lifetime-max.bin", 0),
	NATD("syn-allocate-bad-mi.bin", -EBADMSG),
	NATD("syn-allocate-no-mi.bin", -ENODATA),
	{ "nt-restund-0.4.2-allocate-success.bin", "turnuser", "ice.qa", "turnpass",
	    0 },
	{ "nt-allocate-resp.bin", "pem", "medianetworkservices.com", "pem", 0 },
#undef NATD
};

static void
test_captured(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(signed_files); i++) {
		_cleanup_(stun_key_cleanup) struct stun_key key = STUN_KEY_NONE;
		size_t len;
		char *buf =
		    recorded_read("tests/data/turn", signed_files[i].file, &len);
		struct stun_msg m;
		int r;

		assert_int_equal(
		    stun_key_long_term(STUN_ALGORITHM_MD5, signed_files[i].username,
			signed_files[i].realm, strlen(signed_files[i].realm),
			signed_files[i].password, &key),
		    0);
		assert_int_equal(stun_decode((uint8_t *)buf, len, 0, &m), 0);
		r = stun_verify(&m, key.sha1);
		if (r != signed_files[i].want)
			fail_msg("%s: %d", signed_files[i].file, r);
		free(buf);
	}
}

/* ---- nonces and algorithms ---- */

static void
test_nonces(void **state)
{
	static const struct {
		const char *nonce;
		int err;
		unsigned features;
	} rows[] = {
		{ "obMatJos2AAAA", 0, 0 },
		/* from the right (erratum 6290, appendix B.1) */
		{ "obMatJos2AAAB", 0, STUN_FEATURE_ALGORITHMS },
		{ B1_NONCE, 0, STUN_FEATURE_ANONYMITY },
		{ "obMatJos2AAADrest", 0,
		    STUN_FEATURE_ALGORITHMS | STUN_FEATURE_ANONYMITY },
		/* from the left (section 18.1, examples of RFC 8656) */
		{ "obMatJos2gAAAadl7W7PeDU4hKE72jda", 0, STUN_FEATURE_ALGORITHMS },
		{ "obMatJos2QAAA", 0, STUN_FEATURE_ANONYMITY },
		{ "obMatJos2wAAA", 0,
		    STUN_FEATURE_ALGORITHMS | STUN_FEATURE_ANONYMITY },
		/* Features of a later day. */
		{ "obMatJos2P//8", 0, 0 },
		{ "obMatJos2////", 0,
		    STUN_FEATURE_ALGORITHMS | STUN_FEATURE_ANONYMITY },
		{ "obMatJos2AAA", -ENODATA, 7 },
		{ "obMatJos1AAAB", -ENODATA, 7 },
		{ "obMatJos2AA=B", -ENODATA, 7 },
		{ "xobMatJos2AAAB", -ENODATA, 7 },
		{ "", -ENODATA, 7 },
	};
	char cookie[STUN_NONCE_COOKIE_LEN];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		unsigned features = 7;

		if (stun_nonce_features(rows[i].nonce, strlen(rows[i].nonce),
			&features) != rows[i].err ||
		    features != rows[i].features)
			fail_msg("%s: %u", rows[i].nonce, features);
	}
	assert_int_equal(
	    stun_nonce_features("obMatJos2AA\0B", 13, &(unsigned) { 0 }), -ENODATA);
	stun_nonce_cookie(STUN_FEATURE_ALGORITHMS, cookie);
	assert_memory_equal(cookie, "obMatJos2AAAB", 13);
	stun_nonce_cookie(STUN_FEATURE_ANONYMITY, cookie);
	assert_memory_equal(cookie, "obMatJos2AAAC", 13);
	stun_nonce_cookie(0, cookie);
	assert_memory_equal(cookie, "obMatJos2AAAA", 13);
}

static void
test_algorithms(void **state)
{
	static const struct {
		const char *hex;
		int choose, read; /* what it is as a list, and as one */
	} rows[] = {
		{ "00020000 00010000", STUN_ALGORITHM_SHA256, -EBADMSG },
		{ "00010000 00020000", STUN_ALGORITHM_MD5, -EBADMSG },
		{ "00020000", STUN_ALGORITHM_SHA256, STUN_ALGORITHM_SHA256 },
		{ "00010000", STUN_ALGORITHM_MD5, STUN_ALGORITHM_MD5 },
		{ "00030000", -ENOTSUP, -ENOTSUP },
		{ "00030000 00020000", STUN_ALGORITHM_SHA256, -EBADMSG },
		{ "00030005 0102030405 000000 00020000", STUN_ALGORITHM_SHA256,
		    -EBADMSG },
		{ "00030005 0102030405 000000", -ENOTSUP, -ENOTSUP },
		{ "00030005 0102030405", -ENOTSUP, -ENOTSUP },
		/* Parameters nobody defined: not the algorithm we know. */
		{ "00020001 01000000 00010000", STUN_ALGORITHM_MD5, -EBADMSG },
		{ "00030005 01020304", -EBADMSG, -EBADMSG },
		{ "00020000 0001", -EBADMSG, -EBADMSG },
		{ "00020000 0001ffff", -EBADMSG, -EBADMSG },
		{ "0002", -EBADMSG, -EBADMSG },
		{ "", -ENOTSUP, -EBADMSG },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		enum stun_algorithm a = 7, b = 7;
		uint8_t bytes[32];
		size_t len = stun_bytes(rows[i].hex, bytes, sizeof(bytes));
		int r = stun_algorithms_choose(bytes, len, &a);
		int q = stun_algorithm_read(bytes, len, &b);

		if ((r == 0 ? (int)a : r) != rows[i].choose ||
		    (r != 0 && a != (enum stun_algorithm)7))
			fail_msg("%s: %d %d", rows[i].hex, r, (int)a);
		if ((q == 0 ? (int)b : q) != rows[i].read)
			fail_msg("%s: %d %d", rows[i].hex, q, (int)b);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rfc5769_request),
		cmocka_unit_test(test_rfc5769_responses),
		cmocka_unit_test(test_rfc5769_long_term),
		cmocka_unit_test(test_rfc8489_b1),
		cmocka_unit_test(test_rfc8489_b1_md5),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_keys_are_opaque_strings),
		cmocka_unit_test(test_captured),
		cmocka_unit_test(test_nonces),
		cmocka_unit_test(test_algorithms),
	};

	return cmocka_run_group_tests_name("stun_auth", tests, NULL, NULL);
}
