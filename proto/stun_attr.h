/*
 * stun_attr.h - what the attributes of STUN mean (RFC 8489, 5780, 8656, 8445, and what
 * servers of RFC 3489 send): one row each with code, name, lengths and kind of value.
 *
 * The kinds know how to read, write and print their values.  Use the typed functions
 * where one attribute is wanted, struct stun_value where any of them may come.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "proto/addr.h"
#include "proto/stun.h"
#include "proto/text.h"

enum stun_kind {
	STUN_KIND_NONE,    /* a code that is not in the table: bytes */
	STUN_KIND_FLAG,    /* no value */
	STUN_KIND_NUMBER,  /* some bytes, of which a mask counts; then reserved ones */
	STUN_KIND_ADDRESS, /* family, port, address */
	STUN_KIND_XOR_ADDRESS, /* the same under cookie and transaction id */
	STUN_KIND_TEXT,        /* UTF-8, for people */
	STUN_KIND_BYTES,
	STUN_KIND_ERROR,
	STUN_KIND_CODES,      /* of attributes */
	STUN_KIND_ALGORITHMS, /* numbers with parameters (14.11) */
	STUN_KIND_ICMP,
	STUN_KIND_MAX
};

struct stun_attr_row {
	uint16_t code;
	uint16_t min, max; /* of the value, when it is received */
	uint16_t max_sent;
	uint8_t kind;   /* enum stun_kind */
	uint8_t digits; /* bytes of a number */
	uint32_t mask;  /* of a number of up to four bytes */
	const char *name;
};

extern const struct stun_attr_row stun_attr_rows[STUN_ATTR_MAX];

/* By the top bit of a code and its last six; all others are 0. */
#define STUN_CODE_INDEX(code) (((code) >> 9 & 64) | ((code)&63))
extern const uint8_t stun_attr_codes[128];

/* STUN_ATTR_UNKNOWN if there is no row. */
static inline enum stun_attr
stun_attr_from_code(uint16_t code)
{
	return code & 0x7fc0 ? STUN_ATTR_UNKNOWN
			     : (enum stun_attr)stun_attr_codes[STUN_CODE_INDEX(code)];
}

struct stun_error {
	uint16_t code;       /* 300 to 699 */
	uint8_t family;      /* of ADDRESS-ERROR-CODE: 1 IPv4, 2 IPv6 */
	uint16_t reason_len; /* bytes, not characters */
	const char *reason;  /* borrowed, not terminated, as it came */
};

/* The value of one attribute; which member counts its row's kind tells. */
struct stun_value {
	enum stun_attr attr;
	uint16_t code;
	union {
		uint64_t number; /* NUMBER; ICMP: type << 40 | code << 32 | data */
		struct endpoint endpoint; /* ADDRESS, XOR_ADDRESS */
		struct stun_error error;
		struct {
			const uint8_t *bytes; /* borrowed */
			uint16_t len;
		} raw; /* all others */
	};
};

/* ---- one attribute ---- */

/* The first that counts; its value is NULL if there is none. */
struct stun_raw stun_find(const struct stun_msg *m, enum stun_attr attr);

/*
 * The readers return 0; -ENODATA: the message has none that counts; -EBADMSG: its value
 * is broken.  An address of a family that is neither IPv4 nor IPv6 is -EAFNOSUPPORT.
 */
int
stun_get_address(const struct stun_msg *m, enum stun_attr attr, struct endpoint *ret);
int stun_get_number(const struct stun_msg *m, enum stun_attr attr, uint64_t *ret);
int
stun_get_error(const struct stun_msg *m, enum stun_attr attr, struct stun_error *ret);

/* The bytes of an attribute of any kind, borrowed, as they came: a TEXT may not even be
 * UTF-8, for people it needs text_copy_printable().  0 or -ENODATA. */
int stun_get_bytes(const struct stun_msg *m, enum stun_attr attr, const uint8_t **ret,
    size_t *ret_len);

/* The address a server saw: XOR-MAPPED-ADDRESS, or MAPPED-ADDRESS of a server that
 * sends no other (RFC 8489 section 11).  A NAT that rewrites addresses in packets finds
 * the second only, so it never wins over the first. */
int stun_get_mapped(const struct stun_msg *m, struct endpoint *ret);

void
stun_put_address(struct stun_out *out, enum stun_attr attr, const struct endpoint *e);
void stun_put_number(struct stun_out *out, enum stun_attr attr, uint64_t number);
void stun_put_bytes(
    struct stun_out *out, enum stun_attr attr, const void *bytes, size_t len);
void stun_put_text(struct stun_out *out, enum stun_attr attr, const char *text);

/* ERROR-CODE with the phrase the RFCs recommend. */
void stun_put_error(struct stun_out *out, uint16_t code);

/* UNKNOWN-ATTRIBUTES. */
void stun_put_codes(struct stun_out *out, const uint16_t *codes, size_t n);

/* "Bad Request" for 400; "Error" for a code nobody defined. */
const char *stun_error_reason(uint16_t code);

/* ---- any attribute ---- */

/* The value of an attribute of the message, by its kind; one without a row, or that
 * breaks off inside, as bytes.  0; -EBADMSG, -EAFNOSUPPORT. */
int stun_value_read(
    const struct stun_msg *m, const struct stun_raw *raw, struct stun_value *ret);

/* Appends the attribute; integrity and fingerprint are written as the bytes they are.
 * The other half of stun_value_read(): what proves that nothing of a value is lost. */
void stun_value_write(struct stun_out *out, const struct stun_value *v);

/* "XOR-MAPPED-ADDRESS 192.0.2.1:32853"; bytes of other people are made printable. */
void stun_value_print(const struct stun_value *v, struct text_out *out);

/* "Binding success", then each attribute that counts behind a comma; a broken value
 * shows as its bytes. */
void stun_msg_print(const struct stun_msg *m, struct text_out *out);

/* "Binding", "Allocate", ...; NULL for a method without name. */
const char *stun_method_name(uint16_t method);
