/*
 * stun.h - STUN messages (RFC 8489 sections 5 and 14): header, reading, writing,
 * FINGERPRINT and message integrity; the frames that share a socket with them.
 *
 * Reading is one pass: stun_decode() checks the whole message, refuses what is no STUN,
 * and notes which attributes count.  That is decided here for everybody: none behind
 * MESSAGE-INTEGRITY but its stronger sister and FINGERPRINT (section 9), none of a
 * length it cannot have, and of a kind the first.  Values are read when they are asked
 * for (stun_attr.h).
 *
 * TURN (RFC 8656) shares methods, attributes and frames with STUN, and natd reads them,
 * for it must not stumble over them; but it allocates no relay.  So there is no
 * allocation that a server's restart could take (F59), and nothing that is sent after a
 * Refresh of zero (F60).
 *
 * Pure: no socket, clock, random source, allocation or log.  Integers are host order.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "proto/addr.h"
#include "proto/crypto.h"
#include "proto/wire.h"

#define STUN_PORT 3478
#define STUN_TLS_PORT 5349
#define STUN_HEADER_LEN 20
#define STUN_COOKIE UINT32_C(0x2112a442)
#define STUN_ID_LEN 12
#define STUN_MESSAGE_MAX (STUN_HEADER_LEN + 0xfffc)

enum stun_class {
	STUN_REQUEST = 0,
	STUN_INDICATION = 1,
	STUN_SUCCESS = 2,
	STUN_ERROR = 3,
};

/* Any number to 0xfff may come; these have a name. */
enum stun_method {
	STUN_BINDING = 0x001,
	STUN_ALLOCATE = 0x003, /* from here RFC 8656 */
	STUN_REFRESH = 0x004,
	STUN_SEND = 0x006,
	STUN_DATA_INDICATION = 0x007,
	STUN_CREATE_PERMISSION = 0x008,
	STUN_CHANNEL_BIND = 0x009,
};

/* Attributes in the order of their codes; the table is in stun_attr.c. */
enum stun_attr {
	STUN_ATTR_UNKNOWN = 0,
	STUN_MAPPED_ADDRESS,
	STUN_CHANGE_REQUEST,  /* RFC 5780 */
	STUN_SOURCE_ADDRESS,  /* RFC 3489; since RFC 5780 RESPONSE-ORIGIN */
	STUN_CHANGED_ADDRESS, /* RFC 3489; since RFC 5780 OTHER-ADDRESS */
	STUN_USERNAME,
	STUN_MESSAGE_INTEGRITY,
	STUN_ERROR_CODE,
	STUN_UNKNOWN_ATTRIBUTES,
	STUN_REFLECTED_FROM,   /* RFC 3489 */
	STUN_CHANNEL_NUMBER,   /* RFC 8656 */
	STUN_LIFETIME,         /* RFC 8656 */
	STUN_XOR_PEER_ADDRESS, /* RFC 8656 */
	STUN_DATA,             /* RFC 8656 */
	STUN_REALM,
	STUN_NONCE,
	STUN_XOR_RELAYED_ADDRESS,      /* RFC 8656 */
	STUN_REQUESTED_ADDRESS_FAMILY, /* RFC 8656 */
	STUN_EVEN_PORT,                /* RFC 8656 */
	STUN_REQUESTED_TRANSPORT,      /* RFC 8656 */
	STUN_DONT_FRAGMENT,            /* RFC 8656 */
	STUN_MESSAGE_INTEGRITY_SHA256,
	STUN_PASSWORD_ALGORITHM,
	STUN_USERHASH,
	STUN_XOR_MAPPED_ADDRESS,
	STUN_RESERVATION_TOKEN,         /* RFC 8656 */
	STUN_PRIORITY,                  /* RFC 8445 */
	STUN_USE_CANDIDATE,             /* RFC 8445 */
	STUN_PADDING,                   /* RFC 5780 */
	STUN_RESPONSE_PORT,             /* RFC 5780 */
	STUN_ADDITIONAL_ADDRESS_FAMILY, /* RFC 8656; from here optional */
	STUN_ADDRESS_ERROR_CODE,        /* RFC 8656 */
	STUN_PASSWORD_ALGORITHMS,
	STUN_ALTERNATE_DOMAIN,
	STUN_ICMP, /* RFC 8656 */
	STUN_SOFTWARE,
	STUN_ALTERNATE_SERVER,
	STUN_CACHE_TIMEOUT, /* RFC 5780, which gives it a code only: seconds */
	STUN_FINGERPRINT,
	STUN_ICE_CONTROLLED,  /* RFC 8445 */
	STUN_ICE_CONTROLLING, /* RFC 8445 */
	STUN_RESPONSE_ORIGIN, /* RFC 5780 */
	STUN_OTHER_ADDRESS,   /* RFC 5780 */
	STUN_ATTR_MAX
};

/* A set of attributes. */
#define STUN_BIT(attr) (UINT64_C(1) << (attr))

struct stun_id {
	uint8_t bytes[STUN_ID_LEN];
};

/* A message that was read; everything points into the caller's bytes. */
struct stun_msg {
	const uint8_t *bytes;
	/* Class and method apart: who asks for both would else get one load, which
	 * waits for two stores. */
	enum stun_class class;
	size_t len;       /* with header */
	uint64_t present; /* STUN_BIT() of each attribute that counts; that of
			   * STUN_ATTR_UNKNOWN: one of those is required */
	uint16_t method;
	bool rfc3489; /* no magic cookie: all 16 bytes are the id */
};

/* One attribute as it lies in the message. */
struct stun_raw {
	const uint8_t *value; /* NULL: there is none */
	uint16_t len;         /* without padding */
	uint16_t code;
	enum stun_attr attr; /* STUN_ATTR_UNKNOWN: only code tells what it is */
};

/* A place between two attributes; see stun_next(). */
struct stun_cursor {
	const uint8_t *at, *end;
	uint64_t heeded; /* what may still count */
};

/* A message being written; see stun_begin().  Errors are sticky until stun_end(). */
struct stun_out {
	struct wire_out wire;
	uint64_t allowed; /* which attributes may still come */
	int err;
};

/* ---- reading ---- */

/* What else stun_decode() is to take. */
enum { STUN_TAKE_RFC3489 = 1 /* messages without magic cookie */ };

/*
 * Checks buf[0..len) from end to end: top bits, magic cookie, length (a multiple of 4,
 * nothing behind it), every attribute within the message, known ones of a length they
 * may have, FINGERPRINT right and last if it is there.  A known attribute that is
 * optional (0x8000 and above) and of a wrong length is taken for absent, as one that we
 * do not understand.  Integrity is not checked: stun_verify().  Returns 0 or -EBADMSG.
 */
int stun_decode(const uint8_t *buf, size_t len, unsigned take, struct stun_msg *ret);

/* Whether the message has this attribute, and it counts. */
static inline bool
stun_has(const struct stun_msg *m, enum stun_attr attr)
{
	return m->present & STUN_BIT(attr);
}

/* The 12 bytes of the transaction id. */
static inline const uint8_t *
stun_msg_id(const struct stun_msg *m)
{
	return m->bytes + STUN_HEADER_LEN - STUN_ID_LEN;
}

/* Whether this answers the request with that id: a success or an error with the same
 * cookie and id (constant time is not needed, the id goes over the wire in the clear).
 */
static inline bool
stun_answers(const struct stun_msg *m, uint16_t method, const struct stun_id *id)
{
	return (m->class == STUN_SUCCESS || m->class == STUN_ERROR) &&
	       m->method == method && !m->rfc3489 &&
	       memcmp(stun_msg_id(m), id->bytes, STUN_ID_LEN) == 0;
}

/*
 * All attributes that count, in the order of the message, those that repeat (a
 * CreatePermission request has many XOR-PEER-ADDRESS) and unknown ones too:
 *	struct stun_cursor c = stun_cursor(m);
 *	for (struct stun_raw raw; (raw = stun_next(&c)).value;)
 */
struct stun_cursor stun_cursor(const struct stun_msg *m);
struct stun_raw stun_next(struct stun_cursor *c);

/*
 * The codes of comprehension-required attributes (below 0x8000) that count and are not
 * in understood, each once, in the order of the message; what UNKNOWN-ATTRIBUTES of a
 * 420 answer is made of (RFC 8489 section 6.3.1).  A client passes STUN_UNDERSTOOD_ALL:
 * it ignores what it knows and did not expect.  Returns their number, at most max.
 */
size_t
stun_unknown(const struct stun_msg *m, uint64_t understood, uint16_t *ret, size_t max);

#define STUN_UNDERSTOOD_ALL (~STUN_BIT(STUN_ATTR_UNKNOWN))

/* Whether it has one, as most messages have not. */
static inline bool
stun_has_unknown(const struct stun_msg *m)
{
	return stun_has(m, STUN_ATTR_UNKNOWN);
}

/*
 * Whether MESSAGE-INTEGRITY-SHA256 (mac of SHA-256) or MESSAGE-INTEGRITY (mac of SHA-1)
 * is right.  A value of SHA-256 cut short (RFC 8489 section 14.6) is taken if it has at
 * least min_len bytes; without a usage that says otherwise that is CRYPTO_SHA256_LEN.
 * Returns 0; -ENODATA: not there; -EBADMSG: wrong, or too short; -EIO.
 */
int stun_verify(const struct stun_msg *m, struct crypto_mac *sha1);
int
stun_verify_sha256(const struct stun_msg *m, struct crypto_mac *sha256, size_t min_len);

/* ---- writing ---- */

/* The first two bytes of a message (section 5). */
static inline uint16_t
stun_type(enum stun_class class, uint16_t method)
{
	return (uint16_t)((method & 0xf80) << 2 | (method & 0x70) << 1 |
			  (method & 0xf) | ((unsigned)class & 2) << 7 |
			  ((unsigned)class & 1) << 4);
}

/* For stun_begin() and stun_begin_answer(): the header but for its length, cookie and
 * id; NULL: no room. */
static inline uint8_t *
stun_begin_header(struct stun_out *out, uint8_t *buf, size_t size, uint16_t type)
{
	uint8_t *header;

	out->wire.start = out->wire.at = buf;
	out->wire.end = buf + (size < STUN_MESSAGE_MAX ? size : STUN_MESSAGE_MAX);
	out->wire.bad = false;
	out->allowed = UINT64_MAX;
	out->err = 0;
	header = wire_room(&out->wire, STUN_HEADER_LEN);
	if (header)
		wire_set_u16(header, type);
	return header;
}

/* Starts a message in buf; it is whole when stun_end() has returned its length. */
static inline void
stun_begin(struct stun_out *out, uint8_t *buf, size_t size, enum stun_class class,
    uint16_t method, const struct stun_id *id)
{
	uint8_t *header = stun_begin_header(out, buf, size, stun_type(class, method));

	if (!header)
		return;
	wire_set_u32(header + 4, STUN_COOKIE);
	memcpy(header + 8, id->bytes, STUN_ID_LEN);
}

/* Starts the answer to a request: its method and id, and cookie or what was in its
 * place (section 11). */
static inline void
stun_begin_answer(struct stun_out *out, uint8_t *buf, size_t size,
    enum stun_class class, const struct stun_msg *request)
{
	/* The bits of the method as they came. */
	uint16_t type = (wire_get_u16(request->bytes) & 0x3eef) | stun_type(class, 0);
	uint8_t *header = stun_begin_header(out, buf, size, type);

	if (!header)
		return;
	memcpy(header + 4, request->bytes + 4, 4);
	memcpy(header + 8, stun_msg_id(request), STUN_ID_LEN);
}

/*
 * Room for the value of an attribute; header and zeroed padding are written, the value
 * is the caller's to fill.  NULL and a sticky error: no room, a length the attribute
 * may not have when it is sent, or one that may not come any more (behind an
 * integrity attribute or FINGERPRINT).
 */
uint8_t *stun_put(struct stun_out *out, enum stun_attr attr, size_t len);

/* Any code, known or not, any length: for messages that a test wants to be wrong, and
 * to hand on what one does not know. */
void stun_put_raw(struct stun_out *out, uint16_t code, const void *value, size_t len);

/* MESSAGE-INTEGRITY and MESSAGE-INTEGRITY-SHA256 over all that is written so far
 * (14.5, 14.6; both: in this order); len: CRYPTO_SHA256_LEN, or less if the usage
 * allows it. */
void stun_put_integrity(struct stun_out *out, struct crypto_mac *sha1);
void
stun_put_integrity_sha256(struct stun_out *out, struct crypto_mac *sha256, size_t len);

/* FINGERPRINT (14.7); after it nothing can be written. */
void stun_put_fingerprint(struct stun_out *out);

/* The length field, for what is written so far. */
static inline void
stun_set_length(struct stun_out *out)
{
	uint8_t *start = out->wire.start;

	/* Both halves at once: who reads the word next would wait for two stores. */
	wire_set_u32(start, (uint32_t)wire_get_u16(start) << 16 |
				(uint32_t)(wire_written(&out->wire) - STUN_HEADER_LEN));
}

/* The length of the message; -ENOBUFS: no room, or longer than 65 KiB; -EINVAL: an
 * attribute that may not be so or there; -EIO. */
static inline ssize_t
stun_end(struct stun_out *out)
{
	ssize_t n = wire_finish(&out->wire);

	if (out->err != 0)
		return out->err;
	if (n > 0)
		stun_set_length(out);
	return n;
}

/* ---- beside STUN ---- */

/* The value of FINGERPRINT for a message up to that attribute. */
uint32_t stun_fingerprint(const uint8_t *bytes, size_t len);

enum stun_frame { STUN_FRAME_OTHER, STUN_FRAME_MESSAGE, STUN_FRAME_CHANNEL };

/* What a datagram can be, by its first byte (RFC 7983). */
enum stun_frame stun_frame(const uint8_t *buf, size_t len);

/*
 * The length of the first frame in a stream (RFC 8489 section 6.2.2, RFC 8656 section
 * 12.5), padding of ChannelData included: read so many bytes, at most STUN_MESSAGE_MAX,
 * before decoding.  0: too early to tell; -EBADMSG: framing is lost, close.
 */
ssize_t stun_stream_frame(const uint8_t *buf, size_t len);

/* ChannelData (RFC 8656 section 12.4) in a datagram, where padding may be absent, or
 * one frame of a stream. */
struct stun_channel_data {
	uint16_t channel; /* 0x4000 to 0x4fff */
	uint16_t len;
	const uint8_t *data; /* borrowed */
};

/* 0 or -EBADMSG: short, a channel out of range, more behind the data than padding.  No
 * program relays yet; captured dialogues with TURN servers cannot be read without it.
 */
int
stun_channel_data_decode(const uint8_t *buf, size_t len, struct stun_channel_data *ret);
