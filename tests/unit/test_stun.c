/*
 * test_stun.c - STUN messages: what is taken and refused, what counts, in what order it
 * is written.
 */
#include "proto/stun.h"

#include <errno.h>

#include "proto/crc32.h"
#include "proto/stun_attr.h"
#include "proto/util.h"
#include "tests/unit/stun_bytes.h"

static const struct stun_id id = { { 0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86,
    0xfa, 0x87, 0xdf, 0xae } };

/* ---- 28 answers, each with one thing to get right ---- */

#define XOR4 "0020 0008 0001 a147 e112a643" /* 192.0.2.1:32853 */
#define XOR4_OTHER "0020 0008 0001 a146 e112a640"
#define XOR6                                                                           \
	"0020 0014 0002 a147 0113a9fa b7e7a701 bc34d686 fa87dfaf" /* 2001:db8::1:32853 \
								   */
#define MAPPED4 "0001 0008 0001 8055 0a000001"
#define MI "0008 0014 0102030405060708090a0b0c0d0e0f1011121314"
#define FP "8028 0004 00000000"
#define REFUSED NULL

static const struct answer {
	const char *what, *attrs;
	const char *mapped; /* what the client learns; NULL: it goes on waiting */
	/* What is done to a header that would be right. */
	uint16_t type_xor, length_add;
	uint32_t cookie_xor;
	size_t trailing;
	/* Where FINGERPRINTs are to be filled in, 0: nowhere; and how wrong. */
	size_t fingerprint_at[2];
	uint32_t fingerprint_xor;
} answers[] = {
#define A(what_, attrs_, mapped_, ...)                                         \
	{                                                                      \
		.what = what_, .attrs = attrs_, .mapped = mapped_, __VA_ARGS__ \
	}
	A("IPv4", XOR4, "192.0.2.1:32853"),
	A("IPv6", XOR6, "[2001:db8::1]:32853"),
	A("MAPPED-ADDRESS alone", MAPPED4, "10.0.0.1:32853"),
	A("MAPPED-ADDRESS before XOR", MAPPED4 XOR4, "192.0.2.1:32853"),
	A("MAPPED-ADDRESS after XOR", XOR4 MAPPED4, "192.0.2.1:32853"),
	A("two XOR-MAPPED-ADDRESS", XOR4 XOR4_OTHER, "192.0.2.1:32853"),
	A("no address", "8022 0004 74657374", REFUSED),
	A("unknown, optional", "ffff 0004 00000000" XOR4, "192.0.2.1:32853"),
	A("unknown, required", XOR4 "7fff 0004 00000000", REFUSED),
	A("reserved byte not zero", "0020 0008 ff01 a147 e112a643", "192.0.2.1:32853"),
	A("padding not zero", "8022 0005 7465737421 ffffff" XOR4, "192.0.2.1:32853"),
	A("IPv4 of 16 bytes", "0020 0014 0001 a147 e112a643 00000000 00000000 00000000",
	    REFUSED),
	A("IPv6 of 4 bytes", "0020 0008 0002 a147 e112a643", REFUSED),
	A("family 3", "0020 0008 0003 a147 e112a643", REFUSED),
	A("address of 4 bytes", "0020 0004 0001 a147", REFUSED),
	A("attribute longer than the message", XOR4 "8022 0008 74657374", REFUSED),
	A("padding missing at the end", XOR4 "8022 0005 74657374", REFUSED),
	A("top bits", XOR4, REFUSED, .type_xor = 0x8000),
	A("wrong cookie", XOR4, REFUSED, .cookie_xor = 1),
	A("length beyond the datagram", XOR4, REFUSED, .length_add = 4),
	A("4 bytes behind the message", XOR4, REFUSED, .trailing = 4),
	A("length no multiple of 4", XOR4, REFUSED, .length_add = 2, .trailing = 2),
	A("FINGERPRINT", XOR4 FP, "192.0.2.1:32853", .fingerprint_at = { 32 }),
	A("wrong FINGERPRINT", XOR4 FP, REFUSED, .fingerprint_at = { 32 },
	    .fingerprint_xor = 1),
	A("attribute behind FINGERPRINT", FP XOR4, REFUSED, .fingerprint_at = { 20 }),
	A("two FINGERPRINTs", XOR4 FP FP, REFUSED, .fingerprint_at = { 32, 40 }),
	A("MESSAGE-INTEGRITY of 19 bytes",
	    XOR4 "0008 0013 0102030405060708090a0b0c0d0e0f1011121300", REFUSED),
	A("address behind MESSAGE-INTEGRITY", MI XOR4, REFUSED),
#undef A
};

static size_t
make_answer(const struct answer *a, uint8_t buf[static 256])
{
	size_t len = STUN_HEADER_LEN;
	struct wire_out header = wire_out(buf, STUN_HEADER_LEN);

	len += stun_bytes(a->attrs, buf + len, 200);
	wire_put_u16(&header, stun_type(STUN_SUCCESS, STUN_BINDING) ^ a->type_xor);
	wire_put_u16(&header, (uint16_t)(len - STUN_HEADER_LEN + a->length_add));
	wire_put_u32(&header, STUN_COOKIE ^ a->cookie_xor);
	wire_put_bytes(&header, id.bytes, sizeof(id.bytes));
	for (size_t i = 0; i < 2 && a->fingerprint_at[i] > 0; i++) {
		struct wire_out value =
		    wire_out(buf + a->fingerprint_at[i] + 4, sizeof(uint32_t));

		wire_put_u32(&value,
		    stun_fingerprint(buf, a->fingerprint_at[i]) ^ a->fingerprint_xor);
	}
	memset(buf + len, 0, a->trailing);
	return len + a->trailing;
}

/* What a client of the Binding method does (RFC 8489 section 6.3). */
static int
judge(const uint8_t *buf, size_t len, struct endpoint *ret)
{
	struct stun_msg m;
	uint16_t code;
	int r = stun_decode(buf, len, 0, &m);

	if (r != 0)
		return r;
	if (!stun_answers(&m, STUN_BINDING, &id) || m.class != STUN_SUCCESS)
		return -ENOMSG;
	if (stun_unknown(&m, STUN_UNDERSTOOD_ALL, &code, 1) > 0)
		return -EOPNOTSUPP;
	return stun_get_mapped(&m, ret);
}

static void
test_28_answers(void **state)
{
	(void)state;
	assert_int_equal(ARRAY_SIZE(answers), 28);
	for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
		uint8_t buf[256];
		size_t len = make_answer(&answers[i], buf);
		struct endpoint e;
		char text[ENDPOINT_TEXT_MAX] = "";
		int r = judge(buf, len, &e);

		if (r == 0)
			endpoint_format(&e, text);
		if ((r == 0) != (answers[i].mapped != REFUSED) ||
		    (r == 0 && strcmp(text, answers[i].mapped) != 0))
			fail_msg("%s: %d %s", answers[i].what, r, text);
	}
}

/* Behind a good answer no byte may be missing: it is whole, or nothing. */
static void
test_cut_anywhere(void **state)
{
	uint8_t buf[256];
	struct answer a = { .attrs = XOR4 MI FP, .fingerprint_at = { 56 } };
	size_t len = make_answer(&a, buf);
	struct stun_msg m = { .method = 77 };

	(void)state;
	assert_int_equal(stun_decode(buf, len, 0, &m), 0);
	assert_int_equal(m.method, STUN_BINDING);
	for (size_t cut = 0; cut < len; cut++) {
		m.method = 77;
		assert_int_equal(stun_decode(buf, cut, 0, &m), -EBADMSG);
		assert_int_equal(m.method, 77); /* untouched */
	}
	/* Each bit before the FINGERPRINT is under it. */
	for (size_t bit = 0; bit < 8 * (len - 8); bit++) {
		buf[bit / 8] ^= (uint8_t)(1 << bit % 8);
		if (stun_decode(buf, len, 0, &m) == 0)
			fail_msg("bit %zu", bit);
		buf[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}

/* ---- header ---- */

static void
test_types(void **state)
{
	uint8_t buf[STUN_HEADER_LEN];
	struct stun_out out;
	struct stun_msg m;

	(void)state;
	/* RFC 8489 section 5 and 18.2, RFC 8656 section 17. */
	assert_int_equal(stun_type(STUN_REQUEST, STUN_BINDING), 0x0001);
	assert_int_equal(stun_type(STUN_INDICATION, STUN_BINDING), 0x0011);
	assert_int_equal(stun_type(STUN_SUCCESS, STUN_BINDING), 0x0101);
	assert_int_equal(stun_type(STUN_ERROR, STUN_ALLOCATE), 0x0113);
	assert_int_equal(stun_type(STUN_INDICATION, STUN_DATA_INDICATION), 0x0017);
	assert_int_equal(stun_type(STUN_ERROR, 0xfff), 0x3fff);

	for (uint16_t method = 0; method <= 0xfff; method++)
		for (unsigned class = 0; class < 4; class ++) {
			stun_begin(&out, buf, sizeof(buf), class, method, &id);
			assert_int_equal(stun_end(&out), STUN_HEADER_LEN);
			assert_int_equal(stun_decode(buf, sizeof(buf), 0, &m), 0);
			assert_int_equal(m.method, method);
			assert_int_equal(m.class, class);
			assert_memory_equal(stun_msg_id(&m), id.bytes, STUN_ID_LEN);
		}
}

static void
test_answers_match(void **state)
{
	struct stun_id other = id;
	uint8_t buf[64];
	struct stun_out out;
	struct stun_msg m;

	(void)state;
	for (unsigned class = 0; class < 4; class ++) {
		stun_begin(&out, buf, sizeof(buf), class, STUN_BINDING, &id);
		assert_int_equal(stun_decode(buf, (size_t)stun_end(&out), 0, &m), 0);
		assert_int_equal(stun_answers(&m, STUN_BINDING, &id),
		    class == STUN_SUCCESS || class == STUN_ERROR);
		assert_false(stun_answers(&m, STUN_ALLOCATE, &id));
	}
	for (size_t i = 0; i < STUN_ID_LEN; i++) {
		other.bytes[i] ^= 0x10;
		assert_false(stun_answers(&m, STUN_BINDING, &other));
		other = id;
	}
}

/* RFC 8489 section 11: a client of RFC 3489 has 16 bytes of id and no cookie; the
 * answer repeats them, and a XOR address in it is under them. */
static void
test_rfc3489(void **state)
{
	struct endpoint e = { .addr = addr_ipv4(192, 0, 2, 1), .port = 32853 }, got;
	uint8_t request[64], answer[64];
	struct stun_out out;
	struct stun_msg m;
	ssize_t n;

	(void)state;
	stun_begin(&out, request, sizeof(request), STUN_REQUEST, STUN_BINDING, &id);
	n = stun_end(&out);
	request[4] ^= 0xff;
	assert_int_equal(stun_decode(request, (size_t)n, 0, &m), -EBADMSG);
	assert_int_equal(stun_decode(request, (size_t)n, STUN_TAKE_RFC3489, &m), 0);
	assert_true(m.rfc3489);

	stun_begin_answer(&out, answer, sizeof(answer), STUN_SUCCESS, &m);
	stun_put_address(&out, STUN_XOR_MAPPED_ADDRESS, &e);
	stun_put_address(&out, STUN_SOURCE_ADDRESS, &e);
	n = stun_end(&out);
	assert_memory_equal(answer + 4, request + 4, 16);
	assert_int_equal(stun_decode(answer, (size_t)n, STUN_TAKE_RFC3489, &m), 0);
	assert_int_equal(stun_get_mapped(&m, &got), 0);
	assert_true(endpoint_equal(&got, &e));
	assert_false(stun_answers(&m, STUN_BINDING, &id));
	assert_int_equal(
	    stun_unknown(&m, STUN_UNDERSTOOD_ALL, &(uint16_t) { 0 }, 1), 0);
}

/* ---- what counts ---- */

#define MI256 "001c 0010 000102030405060708090a0b0c0d0e0f"
#define SOFTWARE "8022 0004 74657374"
#define UNKNOWN "7ffe 0000"

static const struct {
	const char *attrs;
	int err;
	uint64_t present;
	uint16_t unknown[3];
} counting[] = {
#define GOOD(attrs_, present_, ...)                                              \
	{                                                                        \
		.attrs = attrs_, .present = present_, .unknown = { __VA_ARGS__ } \
	}
#define BAD(attrs_)                              \
	{                                        \
		.attrs = attrs_, .err = -EBADMSG \
	}
	GOOD(MI XOR4 SOFTWARE, STUN_BIT(STUN_MESSAGE_INTEGRITY), 0),
	GOOD(SOFTWARE MI MI256,
	    STUN_BIT(STUN_SOFTWARE) | STUN_BIT(STUN_MESSAGE_INTEGRITY) |
		STUN_BIT(STUN_MESSAGE_INTEGRITY_SHA256),
	    0),
	GOOD(MI XOR4 MI256 XOR4,
	    STUN_BIT(STUN_MESSAGE_INTEGRITY) | STUN_BIT(STUN_MESSAGE_INTEGRITY_SHA256),
	    0),
	/* The weaker one behind the stronger one is nothing. */
	GOOD(MI256 MI, STUN_BIT(STUN_MESSAGE_INTEGRITY_SHA256), 0),
	GOOD(MI256 SOFTWARE UNKNOWN, STUN_BIT(STUN_MESSAGE_INTEGRITY_SHA256), 0),
	GOOD(MI UNKNOWN, STUN_BIT(STUN_MESSAGE_INTEGRITY), 0),
	GOOD(UNKNOWN MI, STUN_BIT(STUN_MESSAGE_INTEGRITY), 0x7ffe),
	{ UNKNOWN "0002 0000" UNKNOWN "7fff 0000 8fff 0000", 0, 0,
	    { 0x7ffe, 0x0002, 0x7fff } },
	/* An optional one of a length it cannot have is not understood; the next is. */
	GOOD("8023 0004 00000000" SOFTWARE, STUN_BIT(STUN_SOFTWARE), 0),
	/* A required one of such a length is a broken message. */
	BAD("0024 0008 0000000000000000" SOFTWARE),
	BAD("8028 0008 0000000000000000"),
	BAD("8028 0000"),
	BAD("001c 000c 000102030405060708090a0b"),
	BAD("001c 0012 000102030405060708090a0b0c0d0e0f10110000"),
	BAD("001c 0024 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
	    "20212223"),
	/* Behind MESSAGE-INTEGRITY nobody looks at it, but it has to be whole. */
	GOOD(MI "0024 0008 0000000000000000", STUN_BIT(STUN_MESSAGE_INTEGRITY), 0),
	BAD(MI "0024 0008 00000000"),
#undef GOOD
#undef BAD
};

static void
test_what_counts(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(counting); i++) {
		struct answer a = { .attrs = counting[i].attrs };
		uint16_t unknown[4] = { 0 };
		uint64_t met = 0;
		uint8_t buf[256];
		size_t len = make_answer(&a, buf), n;
		struct stun_msg m;
		struct stun_cursor c;

		if (stun_decode(buf, len, 0, &m) != counting[i].err)
			fail_msg("%s", counting[i].attrs);
		if (counting[i].err != 0)
			continue;
		if ((m.present & ~STUN_BIT(STUN_ATTR_UNKNOWN)) != counting[i].present)
			fail_msg("%s: %llx", counting[i].attrs,
			    (unsigned long long)m.present);
		n = stun_unknown(&m, STUN_UNDERSTOOD_ALL, unknown, 4);
		assert_memory_equal(
		    unknown, counting[i].unknown, sizeof(counting[i].unknown));
		assert_int_equal(stun_has_unknown(&m), n > 0);
		c = stun_cursor(&m);
		for (struct stun_raw raw; (raw = stun_next(&c)).value;)
			met |= STUN_BIT(raw.attr);
		assert_int_equal(
		    met & ~STUN_BIT(STUN_ATTR_UNKNOWN), counting[i].present);
	}
}

/* A server names what it does not do, too, once, and no more than there is room for. */
static void
test_unknown_to_a_server(void **state)
{
	struct answer a = { .attrs = "0003 0004 00000006 0027 0004 12340000 7ffe 0000"
				     " 0003 0004 00000006 8027 0000" };
	uint64_t understood = STUN_UNDERSTOOD_ALL & ~STUN_BIT(STUN_CHANGE_REQUEST);
	uint16_t codes[4] = { 0 };
	uint8_t buf[256];
	struct stun_msg m;

	(void)state;
	assert_int_equal(stun_decode(buf, make_answer(&a, buf), 0, &m), 0);
	assert_int_equal(stun_unknown(&m, understood, codes, 4), 2);
	assert_int_equal(codes[0], 0x0003);
	assert_int_equal(codes[1], 0x7ffe);
	assert_int_equal(stun_unknown(&m, 0, codes, 4), 3);
	assert_int_equal(codes[1], 0x0027);
	codes[1] = 0;
	assert_int_equal(stun_unknown(&m, 0, codes, 1), 1);
	assert_int_equal(codes[1], 0);
	assert_int_equal(stun_unknown(&m, 0, NULL, 0), 0);
}

/* The first counts, others are met on the way. */
static void
test_repeated(void **state)
{
	struct answer a = { .attrs = "0012 0008 0001 a147 e112a643"
				     "0012 0008 0001 a146 e112a640" };
	struct stun_cursor c;
	struct stun_raw first;
	struct stun_msg m;
	uint8_t buf[256];

	(void)state;
	assert_int_equal(stun_decode(buf, make_answer(&a, buf), 0, &m), 0);
	first = stun_find(&m, STUN_XOR_PEER_ADDRESS);
	assert_ptr_equal(first.value, buf + 24);
	assert_null(stun_find(&m, STUN_XOR_MAPPED_ADDRESS).value);
	c = stun_cursor(&m);
	assert_ptr_equal(stun_next(&c).value, buf + 24);
	assert_ptr_equal(stun_next(&c).value, buf + 36);
	assert_null(stun_next(&c).value);
	assert_null(stun_next(&c).value);
}

/* ---- FINGERPRINT ---- */

static uint32_t
crc32_bitwise(const uint8_t *bytes, size_t len)
{
	uint32_t sum = UINT32_MAX;

	for (size_t i = 0; i < len; i++) {
		sum ^= bytes[i];
		for (unsigned bit = 0; bit < 8; bit++)
			sum = sum >> 1 ^ (sum & 1 ? UINT32_C(0xedb88320) : 0);
	}
	return ~sum;
}

static void
test_crc32(void **state)
{
	uint8_t bytes[100 + 8];

	(void)state;
	assert_int_equal(crc32("123456789", 9), UINT32_C(0xcbf43926));
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 151 + 7);
	for (size_t start = 0; start < 8; start++)
		for (size_t len = 0; len <= 100; len++)
			assert_int_equal(crc32(bytes + start, len),
			    crc32_bitwise(bytes + start, len));
	/* Every entry of every table: each value at each place of a block. */
	for (unsigned value = 0; value < 256; value++)
		for (size_t at = 0; at < 8; at++) {
			memset(bytes, 0, 8);
			bytes[at] = (uint8_t)value;
			assert_int_equal(crc32(bytes, 8), crc32_bitwise(bytes, 8));
		}
}

/* ---- writing ---- */

static void
test_order_of_writing(void **state)
{
	_cleanup_(crypto_mac_freep) struct crypto_mac *sha1 = NULL, *sha256 = NULL;
	struct endpoint e = { .addr = addr_ipv4(192, 0, 2, 1), .port = 32853 };
	struct stun_out out;
	uint8_t buf[256];

	(void)state;
	assert_int_equal(crypto_mac_new(CRYPTO_SHA1, "k", 1, &sha1), 0);
	assert_int_equal(crypto_mac_new(CRYPTO_SHA256, "k", 1, &sha256), 0);
#define BEGIN stun_begin(&out, buf, sizeof(buf), STUN_SUCCESS, STUN_BINDING, &id)
	BEGIN;
	stun_put_address(&out, STUN_XOR_MAPPED_ADDRESS, &e);
	stun_put_integrity(&out, sha1);
	stun_put_integrity_sha256(&out, sha256, CRYPTO_SHA256_LEN);
	stun_put_fingerprint(&out);
	assert_int_equal(stun_end(&out), 20 + 12 + 24 + 36 + 8);

	BEGIN;
	stun_put_integrity(&out, sha1);
	stun_put_address(&out, STUN_XOR_MAPPED_ADDRESS, &e);
	assert_int_equal(stun_end(&out), -EINVAL);
	BEGIN;
	stun_put_integrity_sha256(&out, sha256, CRYPTO_SHA256_LEN);
	stun_put_integrity(&out, sha1);
	assert_int_equal(stun_end(&out), -EINVAL);
	BEGIN;
	stun_put_fingerprint(&out);
	stun_put_fingerprint(&out);
	assert_int_equal(stun_end(&out), -EINVAL);
	/* Truncation (14.6): 16 to 32 bytes, a multiple of 4. */
	for (size_t len = 0; len <= 40; len++) {
		BEGIN;
		stun_put_integrity_sha256(&out, sha256, len);
		assert_int_equal(stun_end(&out), len >= 16 && len <= 32 && len % 4 == 0
						     ? 24 + (ssize_t)len
						     : -EINVAL);
	}
	BEGIN;
	assert_null(stun_put(&out, STUN_ATTR_UNKNOWN, 1));
	assert_int_equal(stun_end(&out), -EINVAL);
	BEGIN;
	stun_put_raw(&out, 0x7ffe, buf, 0x10000);
	assert_int_equal(stun_end(&out), -EINVAL);
#undef BEGIN
}

/* Too small a buffer by any number of bytes: an error, and nothing behind it. */
static void
test_no_room(void **state)
{
	_cleanup_(crypto_mac_freep) struct crypto_mac *sha1 = NULL;
	const size_t whole = 20 + 12 + 8 + 24 + 8;

	(void)state;
	assert_int_equal(crypto_mac_new(CRYPTO_SHA1, "k", 1, &sha1), 0);
	for (size_t size = 0; size <= whole; size++) {
		struct endpoint e = { .addr = addr_ipv4(1, 2, 3, 4), .port = 5 };
		uint8_t *buf = malloc(size + 1);
		struct stun_out out;

		assert_non_null(buf);
		buf[size] = 0xee;
		stun_begin(&out, buf, size, STUN_SUCCESS, STUN_BINDING, &id);
		stun_put_address(&out, STUN_XOR_MAPPED_ADDRESS, &e);
		stun_put_text(&out, STUN_SOFTWARE, "a");
		stun_put_integrity(&out, sha1);
		stun_put_fingerprint(&out);
		assert_int_equal(
		    stun_end(&out), size < whole ? -ENOBUFS : (ssize_t)whole);
		assert_int_equal(buf[size], 0xee);
		free(buf);
	}
}

/* 65 KiB is where the length field ends. */
static void
test_longest(void **state)
{
	static uint8_t buf[STUN_MESSAGE_MAX + 100];
	struct stun_out out;
	struct stun_msg m;

	(void)state;
	stun_begin(&out, buf, sizeof(buf), STUN_REQUEST, STUN_BINDING, &id);
	memset(stun_put(&out, STUN_PADDING, 0xfff8), 'x', 0xfff8);
	assert_int_equal(stun_end(&out), STUN_MESSAGE_MAX);
	assert_int_equal(stun_decode(buf, STUN_MESSAGE_MAX, 0, &m), 0);
	assert_int_equal(stun_find(&m, STUN_PADDING).len, 0xfff8);
	stun_begin(&out, buf, sizeof(buf), STUN_REQUEST, STUN_BINDING, &id);
	assert_null(stun_put(&out, STUN_PADDING, 0xfff9));
	assert_int_equal(stun_end(&out), -ENOBUFS);
}

/* Attack 17: what was in the buffer never leaves in the padding. */
static void
test_padding_is_zero(void **state)
{
	uint8_t buf[64];
	struct stun_out out;

	(void)state;
	for (size_t len = 1; len <= 4; len++) {
		memset(buf, 0xee, sizeof(buf));
		stun_begin(&out, buf, sizeof(buf), STUN_REQUEST, STUN_BINDING, &id);
		stun_put_bytes(&out, STUN_SOFTWARE, "test", len);
		assert_int_equal(stun_end(&out), 28);
		for (size_t i = len; i < 4; i++)
			assert_int_equal(buf[24 + i], 0);
		assert_int_equal(buf[28], 0xee);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_28_answers),
		cmocka_unit_test(test_cut_anywhere),
		cmocka_unit_test(test_types),
		cmocka_unit_test(test_answers_match),
		cmocka_unit_test(test_rfc3489),
		cmocka_unit_test(test_what_counts),
		cmocka_unit_test(test_unknown_to_a_server),
		cmocka_unit_test(test_repeated),
		cmocka_unit_test(test_crc32),
		cmocka_unit_test(test_order_of_writing),
		cmocka_unit_test(test_no_room),
		cmocka_unit_test(test_longest),
		cmocka_unit_test(test_padding_is_zero),
	};

	return cmocka_run_group_tests_name("stun", tests, NULL, NULL);
}
