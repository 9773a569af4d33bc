/*
 * stun_private.h - how an attribute lies in a message: for stun.c and stun_attr.c only.
 *
 * Unchecked reads and writes; who calls them has checked, or stun_decode() has.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/stun_attr.h"

#define ATTR_HEADER_LEN 4

static inline size_t
padded(size_t len)
{
	return (len + 3) & ~(size_t)3;
}

static inline bool
length_fits(enum stun_attr attr, size_t len)
{
	const struct stun_attr_row *row = &stun_attr_rows[attr];

	return len >= row->min && len <= row->max &&
	       (attr != STUN_MESSAGE_INTEGRITY_SHA256 || len % 4 == 0);
}

/* at: the header of an attribute that is in the message whole. */
static inline struct stun_raw
read_raw(const uint8_t *at)
{
	uint16_t code = wire_get_u16(at);

	return (struct stun_raw) { .value = at + ATTR_HEADER_LEN,
		.len = wire_get_u16(at + 2),
		.code = code,
		.attr = stun_attr_from_code(code) };
}

/* What is behind an attribute. */
static inline const uint8_t *
next_of(const struct stun_raw *raw)
{
	return raw->value + padded(raw->len);
}
