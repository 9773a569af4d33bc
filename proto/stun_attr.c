/*
 * stun_attr.c - what the attributes of STUN mean: the table, and how each kind of value
 * is read and written; stun_print.c prints them.
 */
#include "proto/stun_attr.h"

#include <errno.h>

#include "proto/stun_private.h"
#include "proto/util.h"

#define FAMILY_IPV4 1
#define FAMILY_IPV6 2
#define ADDRESS_HEADER_LEN 4
#define ERROR_HEADER_LEN 4
#define ICMP_LEN 8

/* Texts: what RFC 8489 lets us write in 127 characters, and what to expect of peers
 * who count six bytes to a character, as RFC 5389 did. */
#define SENT 509
#define LONG 763
#define ANY UINT16_MAX
#define WHOLE UINT32_MAX

/* R: name, code, kind, lengths: least, most, most when sent.  N, a number: name, code,
 * lengths, how many bytes of it there are, which bits of these count. */
#define ROWS(R, N)                                                                     \
	R(MAPPED_ADDRESS, "MAPPED-ADDRESS", 0x0001, ADDRESS, 8, 20, 20)                \
	N(CHANGE_REQUEST, "CHANGE-REQUEST", 0x0003, 4, 4, 4, 0x6)                      \
	R(SOURCE_ADDRESS, "SOURCE-ADDRESS", 0x0004, ADDRESS, 8, 20, 20)                \
	R(CHANGED_ADDRESS, "CHANGED-ADDRESS", 0x0005, ADDRESS, 8, 20, 20)              \
	R(USERNAME, "USERNAME", 0x0006, TEXT, 0, LONG, 508)                            \
	R(MESSAGE_INTEGRITY, "MESSAGE-INTEGRITY", 0x0008, BYTES, 20, 20, 20)           \
	R(ERROR_CODE, "ERROR-CODE", 0x0009, ERROR, 4, 4 + LONG, 4 + SENT)              \
	R(UNKNOWN_ATTRIBUTES, "UNKNOWN-ATTRIBUTES", 0x000a, CODES, 0, ANY, ANY)        \
	R(REFLECTED_FROM, "REFLECTED-FROM", 0x000b, ADDRESS, 8, 20, 20)                \
	N(CHANNEL_NUMBER, "CHANNEL-NUMBER", 0x000c, 4, 4, 2, 0xffff)                   \
	N(LIFETIME, "LIFETIME", 0x000d, 4, 4, 4, WHOLE)                                \
	R(XOR_PEER_ADDRESS, "XOR-PEER-ADDRESS", 0x0012, XOR_ADDRESS, 8, 20, 20)        \
	R(DATA, "DATA", 0x0013, BYTES, 0, ANY, ANY)                                    \
	R(REALM, "REALM", 0x0014, TEXT, 0, LONG, SENT)                                 \
	R(NONCE, "NONCE", 0x0015, TEXT, 0, LONG, SENT)                                 \
	R(XOR_RELAYED_ADDRESS, "XOR-RELAYED-ADDRESS", 0x0016, XOR_ADDRESS, 8, 20, 20)  \
	N(REQUESTED_ADDRESS_FAMILY, "REQUESTED-ADDRESS-FAMILY", 0x0017, 4, 4, 1, 0xff) \
	N(EVEN_PORT, "EVEN-PORT", 0x0018, 1, 1, 1, 0x80)                               \
	N(REQUESTED_TRANSPORT, "REQUESTED-TRANSPORT", 0x0019, 4, 4, 1, 0xff)           \
	R(DONT_FRAGMENT, "DONT-FRAGMENT", 0x001a, FLAG, 0, 0, 0)                       \
	R(MESSAGE_INTEGRITY_SHA256, "MESSAGE-INTEGRITY-SHA256", 0x001c, BYTES, 16, 32, \
	    32)                                                                        \
	R(PASSWORD_ALGORITHM, "PASSWORD-ALGORITHM", 0x001d, ALGORITHMS, 4, LONG, LONG) \
	R(USERHASH, "USERHASH", 0x001e, BYTES, 32, 32, 32)                             \
	R(XOR_MAPPED_ADDRESS, "XOR-MAPPED-ADDRESS", 0x0020, XOR_ADDRESS, 8, 20, 20)    \
	R(RESERVATION_TOKEN, "RESERVATION-TOKEN", 0x0022, BYTES, 8, 8, 8)              \
	N(PRIORITY, "PRIORITY", 0x0024, 4, 4, 4, WHOLE)                                \
	R(USE_CANDIDATE, "USE-CANDIDATE", 0x0025, FLAG, 0, 0, 0)                       \
	R(PADDING, "PADDING", 0x0026, BYTES, 0, ANY, ANY)                              \
	N(RESPONSE_PORT, "RESPONSE-PORT", 0x0027, 2, 4, 2, 0xffff)                     \
	N(ADDITIONAL_ADDRESS_FAMILY, "ADDITIONAL-ADDRESS-FAMILY", 0x8000, 4, 4, 1,     \
	    0xff)                                                                      \
	R(ADDRESS_ERROR_CODE, "ADDRESS-ERROR-CODE", 0x8001, ERROR, 4, 4 + LONG,        \
	    4 + SENT)                                                                  \
	R(PASSWORD_ALGORITHMS, "PASSWORD-ALGORITHMS", 0x8002, ALGORITHMS, 4, LONG,     \
	    LONG)                                                                      \
	R(ALTERNATE_DOMAIN, "ALTERNATE-DOMAIN", 0x8003, TEXT, 1, 255, 255)             \
	R(ICMP, "ICMP", 0x8004, ICMP, 8, 8, 8)                                         \
	R(SOFTWARE, "SOFTWARE", 0x8022, TEXT, 0, LONG, SENT)                           \
	R(ALTERNATE_SERVER, "ALTERNATE-SERVER", 0x8023, ADDRESS, 8, 20, 20)            \
	N(CACHE_TIMEOUT, "CACHE-TIMEOUT", 0x8027, 4, 4, 4, WHOLE)                      \
	R(FINGERPRINT, "FINGERPRINT", 0x8028, BYTES, 4, 4, 4)                          \
	N(ICE_CONTROLLED, "ICE-CONTROLLED", 0x8029, 8, 8, 8, WHOLE)                    \
	N(ICE_CONTROLLING, "ICE-CONTROLLING", 0x802a, 8, 8, 8, WHOLE)                  \
	R(RESPONSE_ORIGIN, "RESPONSE-ORIGIN", 0x802b, ADDRESS, 8, 20, 20)              \
	R(OTHER_ADDRESS, "OTHER-ADDRESS", 0x802c, ADDRESS, 8, 20, 20)

#define ROW(name_, text_, code_, kind_, min_, max_, sent_) \
	[STUN_##name_] = { .code = code_,                  \
		.min = min_,                               \
		.max = max_,                               \
		.max_sent = sent_,                         \
		.kind = STUN_KIND_##kind_,                 \
		.name = text_ },
#define NUMBER(name_, text_, code_, min_, max_, digits_, mask_) \
	[STUN_##name_] = { .code = code_,                       \
		.min = min_,                                    \
		.max = max_,                                    \
		.max_sent = max_,                               \
		.kind = STUN_KIND_NUMBER,                       \
		.digits = digits_,                              \
		.mask = mask_,                                  \
		.name = text_ },
#define CODE(name_, text_, code_, ...) [STUN_CODE_INDEX(code_)] = STUN_##name_,

const struct stun_attr_row stun_attr_rows[STUN_ATTR_MAX] = {
	/* No length is right for what we do not know: it cannot be sent by mistake. */
	[STUN_ATTR_UNKNOWN] = { .min = 1, .max = 0, .name = "" },
	ROWS(ROW, NUMBER)
};

const uint8_t stun_attr_codes[128] = { ROWS(CODE, CODE) };

/* RFC 8489 section 14.8, RFC 8656 section 19, RFC 8445 section 16.2. */
static const struct {
	uint16_t code;
	const char *reason;
} reasons[] = {
	{ 300, "Try Alternate" },
	{ 400, "Bad Request" },
	{ 401, "Unauthenticated" },
	{ 403, "Forbidden" },
	{ 420, "Unknown Attribute" },
	{ 437, "Allocation Mismatch" },
	{ 438, "Stale Nonce" },
	{ 440, "Address Family not Supported" },
	{ 441, "Wrong Credentials" },
	{ 442, "Unsupported Transport Protocol" },
	{ 443, "Peer Address Family Mismatch" },
	{ 486, "Allocation Quota Reached" },
	{ 487, "Role Conflict" },
	{ 500, "Server Error" },
	{ 508, "Insufficient Capacity" },
};

const char *
stun_error_reason(uint16_t code)
{
	for (size_t i = 0; i < ARRAY_SIZE(reasons); i++)
		if (reasons[i].code == code)
			return reasons[i].reason;
	return "Error";
}

/* The message was checked: what is said to be present will be met. */
static inline struct stun_raw
find(const struct stun_msg *m, enum stun_attr attr)
{
	struct stun_raw raw = { .value = m->bytes + STUN_HEADER_LEN, .attr = attr };

	if (!stun_has(m, attr))
		return (struct stun_raw) { .value = NULL };
	for (;;) {
		raw.code = wire_get_u16(raw.value);
		raw.len = wire_get_u16(raw.value + 2);
		raw.value += ATTR_HEADER_LEN;
		if (raw.code == stun_attr_rows[attr].code && length_fits(attr, raw.len))
			return raw;
		raw.value = next_of(&raw);
	}
}

struct stun_raw
stun_find(const struct stun_msg *m, enum stun_attr attr)
{
	return find(m, attr);
}

/* ---- addresses ---- */

static inline void
xor_words(uint8_t *ret, const uint8_t *a, const uint8_t *b, size_t len)
{
	for (size_t i = 0; i < len; i += 4) {
		uint32_t x, y;

		memcpy(&x, a + i, 4);
		memcpy(&y, b + i, 4);
		x ^= y;
		memcpy(ret + i, &x, 4);
	}
}

/* key: the 16 bytes of cookie and id, or zeros. */
static inline int
read_address(const struct stun_raw *raw, const uint8_t *key, struct endpoint *ret)
{
	const uint8_t *v = raw->value;
	size_t len;

	/* v[0] is to be ignored (14.1). */
	if (v[1] != FAMILY_IPV4 && v[1] != FAMILY_IPV6)
		return -EAFNOSUPPORT;
	len = v[1] == FAMILY_IPV4 ? 4 : 16;
	if (raw->len != ADDRESS_HEADER_LEN + len)
		return -EBADMSG;
	*ret = (struct endpoint) {
		.addr.family = len == 4 ? ADDR_IPV4 : ADDR_IPV6,
		.port = wire_get_u16(v + 2) ^ wire_get_u16(key),
	};
	xor_words(ret->addr.bytes, v + ADDRESS_HEADER_LEN, key, len);
	return 0;
}

static const uint8_t no_key[16];

static const uint8_t *
key_of(enum stun_attr attr, const uint8_t *message)
{
	return stun_attr_rows[attr].kind == STUN_KIND_XOR_ADDRESS ? message + 4
								  : no_key;
}

int
stun_get_address(const struct stun_msg *m, enum stun_attr attr, struct endpoint *ret)
{
	struct stun_raw raw = find(m, attr);

	return raw.value ? read_address(&raw, key_of(attr, m->bytes), ret) : -ENODATA;
}

int
stun_get_mapped(const struct stun_msg *m, struct endpoint *ret)
{
	return stun_get_address(m,
	    stun_has(m, STUN_XOR_MAPPED_ADDRESS) ? STUN_XOR_MAPPED_ADDRESS
						 : STUN_MAPPED_ADDRESS,
	    ret);
}

void
stun_put_address(struct stun_out *out, enum stun_attr attr, const struct endpoint *e)
{
	size_t len = e->addr.family == ADDR_IPV4   ? 4
		     : e->addr.family == ADDR_IPV6 ? 16
						   : 0;
	uint8_t *v = stun_put(out, attr, ADDRESS_HEADER_LEN + len);
	const uint8_t *key;

	if (!v)
		return;
	key = key_of(attr, out->wire.start);
	wire_set_u32(v, (len == 4 ? FAMILY_IPV4 : FAMILY_IPV6) << 16 |
			    (uint32_t)(e->port ^ wire_get_u16(key)));
	xor_words(v + ADDRESS_HEADER_LEN, e->addr.bytes, key, len);
}

/* ---- numbers ---- */

static uint64_t
mask_of(const struct stun_attr_row *row)
{
	return row->digits > 4 ? UINT64_MAX : row->mask;
}

static uint64_t
read_number(const struct stun_raw *raw)
{
	const struct stun_attr_row *row = &stun_attr_rows[raw->attr];
	uint64_t number = 0;

	for (size_t i = 0; i < row->digits; i++)
		number = number << 8 | raw->value[i];
	return number & mask_of(row);
}

int
stun_get_number(const struct stun_msg *m, enum stun_attr attr, uint64_t *ret)
{
	struct stun_raw raw = find(m, attr);

	if (!raw.value)
		return -ENODATA;
	*ret = read_number(&raw);
	return 0;
}

void
stun_put_number(struct stun_out *out, enum stun_attr attr, uint64_t number)
{
	const struct stun_attr_row *row = &stun_attr_rows[attr];
	uint8_t *v = stun_put(out, attr, row->max_sent);

	if (!v)
		return;
	number &= mask_of(row);
	for (size_t i = row->digits; i-- > 0; number >>= 8)
		v[i] = (uint8_t)number;
	memset(v + row->digits, 0, row->max_sent - (size_t)row->digits);
}

/* ---- texts and bytes ---- */

int
stun_get_bytes(
    const struct stun_msg *m, enum stun_attr attr, const uint8_t **ret, size_t *ret_len)
{
	struct stun_raw raw = find(m, attr);

	if (!raw.value)
		return -ENODATA;
	*ret = raw.value;
	*ret_len = raw.len;
	return 0;
}

void
stun_put_bytes(struct stun_out *out, enum stun_attr attr, const void *bytes, size_t len)
{
	uint8_t *v = stun_put(out, attr, len);

	if (v && len > 0)
		memcpy(v, bytes, len);
}

void
stun_put_text(struct stun_out *out, enum stun_attr attr, const char *text)
{
	stun_put_bytes(out, attr, text, strlen(text));
}

/* ---- errors ---- */

static int
read_error(const struct stun_raw *raw, struct stun_error *ret)
{
	const uint8_t *v = raw->value;
	unsigned class, number;

	if (raw->len < ERROR_HEADER_LEN)
		return -EBADMSG;
	class = v[2] & 7;
	number = v[3];
	if (class < 3 || class > 6 || number > 99)
		return -EBADMSG;
	*ret = (struct stun_error) {
		.code = (uint16_t)(class * 100 + number),
		.family = raw->attr == STUN_ADDRESS_ERROR_CODE ? v[0] : 0,
		.reason_len = (uint16_t)(raw->len - ERROR_HEADER_LEN),
		.reason = (const char *)v + ERROR_HEADER_LEN,
	};
	return 0;
}

int
stun_get_error(const struct stun_msg *m, enum stun_attr attr, struct stun_error *ret)
{
	struct stun_raw raw = find(m, attr);

	return raw.value ? read_error(&raw, ret) : -ENODATA;
}

static void
put_error(struct stun_out *out, enum stun_attr attr, const struct stun_error *e)
{
	uint8_t *v = stun_put(out, attr, ERROR_HEADER_LEN + (size_t)e->reason_len);

	if (!v)
		return;
	v[0] = e->family;
	v[1] = 0;
	v[2] = (uint8_t)(e->code / 100);
	v[3] = (uint8_t)(e->code % 100);
	if (e->reason_len > 0)
		memcpy(v + ERROR_HEADER_LEN, e->reason, e->reason_len);
}

void
stun_put_error(struct stun_out *out, uint16_t code)
{
	const char *reason = stun_error_reason(code);

	put_error(out, STUN_ERROR_CODE,
	    &(struct stun_error) { code, 0, (uint16_t)strlen(reason), reason });
}

void
stun_put_codes(struct stun_out *out, const uint16_t *codes, size_t n)
{
	uint8_t *v = stun_put(out, STUN_UNKNOWN_ATTRIBUTES, 2 * n);

	for (size_t i = 0; v && i < n; i++) {
		v[2 * i] = (uint8_t)(codes[i] >> 8);
		v[2 * i + 1] = (uint8_t)codes[i];
	}
}

/* ---- ICMP (RFC 8656 section 18.13) ----
 * The figure there has seven bits of type and nine of code; ICMPv6 needs eight of type,
 * and so relays write two bytes. */

static uint64_t
read_icmp(const uint8_t *v)
{
	uint64_t number = 0;

	for (size_t i = 2; i < ICMP_LEN; i++)
		number = number << 8 | v[i];
	return number;
}

static void
put_icmp(struct stun_out *out, uint64_t number)
{
	uint8_t *v = stun_put(out, STUN_ICMP, ICMP_LEN);

	if (!v)
		return;
	for (size_t i = ICMP_LEN; i-- > 2; number >>= 8)
		v[i] = (uint8_t)number;
	v[0] = v[1] = 0;
}

/* ---- any attribute ---- */

int
stun_value_read(
    const struct stun_msg *m, const struct stun_raw *raw, struct stun_value *ret)
{
	struct stun_value v = { .attr = raw->attr, .code = raw->code };
	int r = 0;

	switch ((enum stun_kind)stun_attr_rows[raw->attr].kind) {
	case STUN_KIND_NUMBER:
		v.number = read_number(raw);
		break;
	case STUN_KIND_ICMP:
		v.number = read_icmp(raw->value);
		break;
	case STUN_KIND_ADDRESS:
	case STUN_KIND_XOR_ADDRESS:
		r = read_address(raw, key_of(raw->attr, m->bytes), &v.endpoint);
		break;
	case STUN_KIND_ERROR:
		r = read_error(raw, &v.error);
		break;
	case STUN_KIND_TEXT:
	case STUN_KIND_NONE:
	case STUN_KIND_FLAG:
	case STUN_KIND_BYTES:
	case STUN_KIND_CODES:
	case STUN_KIND_ALGORITHMS:
	case STUN_KIND_MAX:
		v.raw.bytes = raw->value;
		v.raw.len = raw->len;
		break;
	}
	if (r == 0)
		*ret = v;
	return r;
}

void
stun_value_write(struct stun_out *out, const struct stun_value *v)
{
	switch ((enum stun_kind)stun_attr_rows[v->attr].kind) {
	case STUN_KIND_NUMBER:
		stun_put_number(out, v->attr, v->number);
		break;
	case STUN_KIND_ICMP:
		put_icmp(out, v->number);
		break;
	case STUN_KIND_ADDRESS:
	case STUN_KIND_XOR_ADDRESS:
		stun_put_address(out, v->attr, &v->endpoint);
		break;
	case STUN_KIND_ERROR:
		put_error(out, v->attr, &v->error);
		break;
	case STUN_KIND_NONE:
		stun_put_raw(out, v->code, v->raw.bytes, v->raw.len);
		break;
	case STUN_KIND_TEXT:
	case STUN_KIND_FLAG:
	case STUN_KIND_BYTES:
	case STUN_KIND_CODES:
	case STUN_KIND_ALGORITHMS:
	case STUN_KIND_MAX:
		stun_put_bytes(out, v->attr, v->raw.bytes, v->raw.len);
		break;
	}
}
