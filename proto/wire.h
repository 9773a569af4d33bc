/*
 * wire.h - bounded reader and writer of network-order bytes.
 *
 * Errors are sticky: a read past the end returns zero and sets bad, a write past the
 * end writes nothing and sets bad; the caller tests once, before it believes anything.
 * The one file in which bounds of binary messages are checked.
 */
#pragma once

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

struct wire_in {
	const uint8_t *at, *end; /* borrowed */
	bool bad;
};

struct wire_out {
	uint8_t *start, *at, *end; /* borrowed */
	bool bad;
};

static inline struct wire_in
wire_in(const void *buf, size_t len)
{
	const uint8_t *bytes = buf;

	return (struct wire_in) { .at = bytes, .end = bytes + len };
}

static inline size_t
wire_left(const struct wire_in *in)
{
	return (size_t)(in->end - in->at);
}

/* The next len bytes, borrowed from the message; NULL and bad if there are fewer. */
static inline const uint8_t *
wire_take(struct wire_in *in, size_t len)
{
	const uint8_t *taken = in->at;

	if (in->bad || len > wire_left(in)) {
		in->bad = true;
		return NULL;
	}
	in->at += len;
	return taken;
}

static inline uint8_t
wire_u8(struct wire_in *in)
{
	const uint8_t *b = wire_take(in, 1);

	return b ? b[0] : 0;
}

static inline uint16_t
wire_u16(struct wire_in *in)
{
	const uint8_t *b = wire_take(in, 2);

	return (uint16_t)(b ? b[0] << 8 | b[1] : 0);
}

static inline uint32_t
wire_u32(struct wire_in *in)
{
	const uint8_t *b = wire_take(in, 4);

	return b ? (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 |
		       b[3]
		 : 0;
}

static inline void
wire_bytes(struct wire_in *in, void *ret, size_t len)
{
	const uint8_t *b = wire_take(in, len);

	if (b)
		memcpy(ret, b, len);
	else
		memset(ret, 0, len);
}

/* A reader over exactly the next len bytes; this one moves on behind them. */
static inline struct wire_in
wire_sub(struct wire_in *in, size_t len)
{
	const uint8_t *b = wire_take(in, len);

	return (struct wire_in) { .at = b, .end = b ? b + len : b, .bad = !b };
}

static inline struct wire_out
wire_out(void *buf, size_t size)
{
	uint8_t *bytes = buf;

	return (struct wire_out) { .start = bytes, .at = bytes, .end = bytes + size };
}

static inline size_t
wire_written(const struct wire_out *out)
{
	return (size_t)(out->at - out->start);
}

/* Room for len bytes; NULL and bad if there is less. */
static inline uint8_t *
wire_room(struct wire_out *out, size_t len)
{
	uint8_t *room = out->at;

	if (out->bad || !room || len > (size_t)(out->end - room)) {
		out->bad = true;
		return NULL;
	}
	out->at += len;
	return room;
}

static inline void
wire_put_u8(struct wire_out *out, uint8_t v)
{
	uint8_t *b = wire_room(out, 1);

	if (b)
		b[0] = v;
}

static inline void
wire_put_u16(struct wire_out *out, uint16_t v)
{
	uint8_t *b = wire_room(out, 2);

	if (b) {
		b[0] = (uint8_t)(v >> 8);
		b[1] = (uint8_t)v;
	}
}

static inline void
wire_put_u32(struct wire_out *out, uint32_t v)
{
	wire_put_u16(out, (uint16_t)(v >> 16));
	wire_put_u16(out, (uint16_t)v);
}

static inline void
wire_put_bytes(struct wire_out *out, const void *bytes, size_t len)
{
	uint8_t *b = wire_room(out, len);

	if (b && len > 0)
		memcpy(b, bytes, len);
}

static inline void
wire_put_zeros(struct wire_out *out, size_t len)
{
	uint8_t *b = wire_room(out, len);

	if (b && len > 0)
		memset(b, 0, len);
}

/* Bytes written, or -ENOBUFS if anything did not fit. */
static inline ssize_t
wire_finish(const struct wire_out *out)
{
	return out->bad ? -ENOBUFS : (ssize_t)wire_written(out);
}

/* Without bounds: for who has checked them, or took the bytes from here. */
static inline uint16_t
wire_get_u16(const uint8_t *b)
{
	return (uint16_t)(b[0] << 8 | b[1]);
}

static inline uint32_t
wire_get_u32(const uint8_t *b)
{
	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static inline void
wire_set_u16(uint8_t *b, uint16_t v)
{
	b[0] = (uint8_t)(v >> 8);
	b[1] = (uint8_t)v;
}

static inline void
wire_set_u32(uint8_t *b, uint32_t v)
{
	wire_set_u16(b, (uint16_t)(v >> 16));
	wire_set_u16(b + 2, (uint16_t)v);
}
