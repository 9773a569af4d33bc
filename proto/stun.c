/*
 * stun.c - STUN messages (RFC 8489 sections 5 and 14): header, reading, writing,
 * FINGERPRINT and message integrity; the frames that share a socket with them.
 *
 * Which attributes count depends on what came before, in reading and in writing alike:
 * a set of attributes shrinks at each integrity attribute and is empty behind
 * FINGERPRINT.
 */
#include "proto/stun.h"

#include <errno.h>

#include "proto/crc32.h"
#include "proto/stun_private.h"
#include "proto/util.h"

#define FINGERPRINT_LEN 4
#define FINGERPRINT_XOR UINT32_C(0x5354554e) /* "STUN" */
#define OPTIONAL 0x8000                      /* and above: comprehension-optional */
#define CHANNEL_MIN 0x4000
#define CHANNEL_MAX 0x4fff

#define SEALS \
	(STUN_BIT(STUN_MESSAGE_INTEGRITY) | STUN_BIT(STUN_MESSAGE_INTEGRITY_SHA256))

/* What may follow an attribute, of what might come before it (section 9). */
static inline uint64_t
behind(uint64_t before, enum stun_attr attr)
{
	uint64_t bit = STUN_BIT(attr);

	if (!(bit & (SEALS | STUN_BIT(STUN_FINGERPRINT))))
		return before;
	if (attr == STUN_MESSAGE_INTEGRITY)
		return STUN_BIT(STUN_MESSAGE_INTEGRITY_SHA256) |
		       STUN_BIT(STUN_FINGERPRINT);
	return attr == STUN_MESSAGE_INTEGRITY_SHA256 ? STUN_BIT(STUN_FINGERPRINT) : 0;
}

/* ---- reading ---- */

uint32_t
stun_fingerprint(const uint8_t *bytes, size_t len)
{
	return crc32(bytes, len) ^ FINGERPRINT_XOR;
}

/* All attributes; what counts of them goes to the message if they are right. */
static inline int
decode_attrs(const uint8_t *buf, size_t len, struct stun_msg *ret)
{
	const uint8_t *at = buf + STUN_HEADER_LEN, *end = buf + len;
	uint64_t heeded = UINT64_MAX, present = 0;

	/* The length is a multiple of 4, and so is each step: a header always fits. */
	while (at < end) {
		struct stun_raw raw = read_raw(at);

		if (heeded == 0 || padded(raw.len) > (size_t)(end - raw.value))
			return -EBADMSG;
		at = next_of(&raw);
		if (!(heeded & STUN_BIT(raw.attr)))
			continue;
		if (raw.attr == STUN_ATTR_UNKNOWN) {
			present |= raw.code < OPTIONAL; /* its bit is the first */
			continue;
		}
		if (!length_fits(raw.attr, raw.len)) {
			if (raw.code < OPTIONAL || raw.attr == STUN_FINGERPRINT)
				return -EBADMSG;
			continue;
		}
		present |= STUN_BIT(raw.attr);
		heeded = behind(heeded, raw.attr);
	}
	/* It is the last one, or the loop had found what follows it. */
	if (present & STUN_BIT(STUN_FINGERPRINT)) {
		at = end - FINGERPRINT_LEN;
		if (wire_get_u32(at) !=
		    stun_fingerprint(buf, (size_t)(at - ATTR_HEADER_LEN - buf)))
			return -EBADMSG;
	}
	ret->present = present;
	return 0;
}

int
stun_decode(const uint8_t *buf, size_t len, unsigned take, struct stun_msg *ret)
{
	uint32_t start, type;
	bool rfc3489;

	if (len < STUN_HEADER_LEN || len % 4 != 0)
		return -EBADMSG;
	start = wire_get_u32(buf);
	type = start >> 16;
	if (type & 0xc000 || (start & 0xffff) != len - STUN_HEADER_LEN)
		return -EBADMSG;
	rfc3489 = wire_get_u32(buf + 4) != STUN_COOKIE;
	if (rfc3489 && !(take & STUN_TAKE_RFC3489))
		return -EBADMSG;
	if (decode_attrs(buf, len, ret) != 0)
		return -EBADMSG;
	ret->bytes = buf;
	ret->len = len;
	ret->class = (enum stun_class)((type >> 7 & 2) | (type >> 4 & 1));
	ret->method =
	    (uint16_t)((type >> 2 & 0xf80) | (type >> 1 & 0x70) | (type & 0xf));
	ret->rfc3489 = rfc3489;
	return 0;
}

struct stun_cursor
stun_cursor(const struct stun_msg *m)
{
	return (struct stun_cursor) { .at = m->bytes + STUN_HEADER_LEN,
		.end = m->bytes + m->len,
		.heeded = UINT64_MAX };
}

struct stun_raw
stun_next(struct stun_cursor *c)
{
	while (c->at < c->end) {
		struct stun_raw raw = read_raw(c->at);

		c->at = next_of(&raw);
		if (!(c->heeded & STUN_BIT(raw.attr)))
			continue;
		if (raw.attr != STUN_ATTR_UNKNOWN && !length_fits(raw.attr, raw.len))
			continue;
		c->heeded = behind(c->heeded, raw.attr);
		return raw;
	}
	return (struct stun_raw) { .value = NULL };
}

size_t
stun_unknown(const struct stun_msg *m, uint64_t understood, uint16_t *ret, size_t max)
{
	struct stun_cursor c = stun_cursor(m);
	size_t n = 0;

	if (!(m->present & (~understood | STUN_BIT(STUN_ATTR_UNKNOWN))))
		return 0;
	for (struct stun_raw raw; n < max && (raw = stun_next(&c)).value;) {
		bool listed = false;

		if (raw.code >= OPTIONAL ||
		    (raw.attr != STUN_ATTR_UNKNOWN && understood & STUN_BIT(raw.attr)))
			continue;
		for (size_t i = 0; i < n; i++)
			listed |= ret[i] == raw.code;
		if (!listed)
			ret[n++] = raw.code;
	}
	return n;
}

/* HMAC of the message before the attribute at that place, as if it ended with it. */
static int
hmac_until(const uint8_t *bytes, size_t at, size_t value_len, struct crypto_mac *mac,
    uint8_t ret[static CRYPTO_HASH_LEN_MAX])
{
	uint8_t header[STUN_HEADER_LEN];
	struct crypto_part parts[] = { { header, sizeof(header) },
		{ bytes + sizeof(header), at - sizeof(header) } };

	memcpy(header, bytes, sizeof(header));
	wire_set_u16(
	    header + 2, (uint16_t)(at + ATTR_HEADER_LEN + value_len - STUN_HEADER_LEN));
	return crypto_mac_parts(mac, parts, ARRAY_SIZE(parts), ret);
}

static int
verify(const struct stun_msg *m, enum stun_attr attr, struct crypto_mac *mac,
    size_t min_len)
{
	uint8_t want[CRYPTO_HASH_LEN_MAX];
	struct stun_raw raw = stun_find(m, attr);
	int r;

	if (!raw.value)
		return -ENODATA;
	if (raw.len < min_len)
		return -EBADMSG;
	r = hmac_until(m->bytes, (size_t)(raw.value - m->bytes) - ATTR_HEADER_LEN,
	    raw.len, mac, want);
	if (r != 0)
		return r;
	return crypto_equal(want, raw.value, raw.len) ? 0 : -EBADMSG;
}

int
stun_verify(const struct stun_msg *m, struct crypto_mac *sha1)
{
	return verify(m, STUN_MESSAGE_INTEGRITY, sha1, CRYPTO_SHA1_LEN);
}

int
stun_verify_sha256(const struct stun_msg *m, struct crypto_mac *sha256, size_t min_len)
{
	return verify(m, STUN_MESSAGE_INTEGRITY_SHA256, sha256, min_len);
}

/* ---- writing ---- */

static void
fail(struct stun_out *out, int err)
{
	if (out->err == 0)
		out->err = err;
}

/* Header and padding of an attribute; its value, or NULL. */
static uint8_t *
put(struct stun_out *out, uint16_t code, size_t len)
{
	uint8_t *room = wire_room(&out->wire, ATTR_HEADER_LEN + padded(len));

	if (!room)
		return NULL;
	wire_set_u32(room, (uint32_t)code << 16 | (uint32_t)len);
	room += ATTR_HEADER_LEN;
	if (len % 4 != 0)
		memset(room + len, 0, padded(len) - len);
	return room;
}

uint8_t *
stun_put(struct stun_out *out, enum stun_attr attr, size_t len)
{
	const struct stun_attr_row *row = &stun_attr_rows[attr];

	if (!(out->allowed & STUN_BIT(attr)) || !length_fits(attr, len) ||
	    len > row->max_sent) {
		fail(out, -EINVAL);
		return NULL;
	}
	out->allowed = behind(out->allowed, attr);
	return put(out, row->code, len);
}

void
stun_put_raw(struct stun_out *out, uint16_t code, const void *value, size_t len)
{
	uint8_t *room = len <= UINT16_MAX ? put(out, code, len) : NULL;

	if (len > UINT16_MAX)
		fail(out, -EINVAL);
	if (room && len > 0)
		memcpy(room, value, len);
}

static void
put_hmac(struct stun_out *out, enum stun_attr attr, struct crypto_mac *mac, size_t len)
{
	uint8_t hmac[CRYPTO_HASH_LEN_MAX], *value = stun_put(out, attr, len);
	size_t at;
	int r;

	if (!value)
		return;
	at = (size_t)(value - out->wire.start) - ATTR_HEADER_LEN;
	r = hmac_until(out->wire.start, at, len, mac, hmac);
	if (r != 0)
		fail(out, r);
	else
		memcpy(value, hmac, len);
}

void
stun_put_integrity(struct stun_out *out, struct crypto_mac *sha1)
{
	put_hmac(out, STUN_MESSAGE_INTEGRITY, sha1, CRYPTO_SHA1_LEN);
}

void
stun_put_integrity_sha256(struct stun_out *out, struct crypto_mac *sha256, size_t len)
{
	put_hmac(out, STUN_MESSAGE_INTEGRITY_SHA256, sha256, len);
}

void
stun_put_fingerprint(struct stun_out *out)
{
	uint8_t *value = stun_put(out, STUN_FINGERPRINT, FINGERPRINT_LEN);

	if (!value)
		return;
	stun_set_length(out);
	wire_set_u32(value, stun_fingerprint(out->wire.start,
				(size_t)(value - out->wire.start) - ATTR_HEADER_LEN));
}

/* ---- beside STUN ---- */

enum stun_frame
stun_frame(const uint8_t *buf, size_t len)
{
	if (len == 0)
		return STUN_FRAME_OTHER;
	if (buf[0] < 4)
		return STUN_FRAME_MESSAGE;
	return buf[0] >= CHANNEL_MIN >> 8 && buf[0] <= CHANNEL_MAX >> 8
		   ? STUN_FRAME_CHANNEL
		   : STUN_FRAME_OTHER;
}

ssize_t
stun_stream_frame(const uint8_t *buf, size_t len)
{
	enum stun_frame frame = stun_frame(buf, len);
	uint16_t body;

	if (len == 0)
		return 0;
	if (frame == STUN_FRAME_OTHER)
		return -EBADMSG;
	if (len < 4)
		return 0;
	body = wire_get_u16(buf + 2);
	if (frame == STUN_FRAME_CHANNEL)
		return 4 + (ssize_t)padded(body);
	/* What is no STUN shows here, not after 64 KiB of waiting. */
	if (body % 4 != 0 || (len >= 8 && wire_get_u32(buf + 4) != STUN_COOKIE))
		return -EBADMSG;
	return STUN_HEADER_LEN + body;
}

int
stun_channel_data_decode(const uint8_t *buf, size_t len, struct stun_channel_data *ret)
{
	struct wire_in in = wire_in(buf, len);
	uint16_t channel = wire_u16(&in), data_len = wire_u16(&in);
	const uint8_t *data = wire_take(&in, data_len);

	if (in.bad || channel < CHANNEL_MIN || channel > CHANNEL_MAX ||
	    wire_left(&in) > padded(data_len) - data_len)
		return -EBADMSG;
	*ret = (struct stun_channel_data) { channel, data_len, data };
	return 0;
}
