/*
 * text.h - text from and to peers who are not trusted: strict numbers, bounded builder.
 *
 * The only number parser and the only formatter of messages in the house; a field that
 * does not fit makes the whole message fail, it is never cut silently.
 */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "proto/util.h"

/* Builds text in the caller's buffer, always NUL-terminated; bad is sticky. */
struct text_out {
	char *buf; /* borrowed */
	size_t size, len;
	bool bad;
};

struct text_out text_out(char *buf, size_t size);
void text_put(struct text_out *out, const char *text);
void text_put_n(struct text_out *out, const char *bytes, size_t len);
_printf_(2, 3) void text_printf(struct text_out *out, const char *format, ...);

/* Length without the NUL, or -ENOBUFS if anything did not fit. */
ssize_t text_finish(const struct text_out *out);

/*
 * Decimal digits only, the whole of text[0..len): no sign, no space, no leading "0x",
 * no value above max.  Returns 0 or -EINVAL.
 */
int text_to_uint(const char *text, size_t len, uint64_t max, uint64_t *ret);

/* The same, but a value above max, however many digits it has, becomes max. */
int text_to_uint_clamped(const char *text, size_t len, uint64_t max, uint64_t *ret);

/* Moves *text and *len to what is left without white space of XML and HTTP (space, tab,
 * CR, LF) at both ends. */
void text_trim(const char **text, size_t *len);

/* ASCII case-insensitive: text[0..len) is exactly the NUL-terminated word. */
bool text_is(const char *text, size_t len, const char *word);
/* text[0..len) starts with the word, ASCII case-insensitive. */
bool text_starts(const char *text, size_t len, const char *word);

/* Copies peer text for people: printable ASCII and valid UTF-8 stay, every other byte
 * becomes '?'; cut to fit at a character's boundary; always NUL-terminated. */
void text_copy_printable(char *ret, size_t size, const char *text, size_t len);

/* Whether text[0..len) is valid UTF-8 (RFC 3629) without NUL. */
bool text_is_utf8(const char *text, size_t len);
