/*
 * text.c - strict numbers, bounded builder, text of peers made printable.
 */
#include "proto/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void
freep(void *pointer_to_pointer)
{
	free(*(void **)pointer_to_pointer);
}

struct text_out
text_out(char *buf, size_t size)
{
	if (size > 0)
		buf[0] = '\0';
	return (struct text_out) { .buf = buf, .size = size, .bad = size == 0 };
}

void
text_put_n(struct text_out *out, const char *bytes, size_t len)
{
	if (out->bad || len >= out->size - out->len) {
		out->bad = true;
		return;
	}
	memcpy(out->buf + out->len, bytes, len);
	out->len += len;
	out->buf[out->len] = '\0';
}

void
text_put(struct text_out *out, const char *text)
{
	text_put_n(out, text, strlen(text));
}

void
text_printf(struct text_out *out, const char *format, ...)
{
	va_list ap;
	int n;

	if (out->bad)
		return;
	va_start(ap, format);
	n = vsnprintf(out->buf + out->len, out->size - out->len, format, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= out->size - out->len) {
		out->buf[out->len] = '\0';
		out->bad = true;
		return;
	}
	out->len += (size_t)n;
}

ssize_t
text_finish(const struct text_out *out)
{
	return out->bad ? -ENOBUFS : (ssize_t)out->len;
}

int
text_to_uint(const char *text, size_t len, uint64_t max, uint64_t *ret)
{
	uint64_t v = 0;

	if (len == 0)
		return -EINVAL;
	for (size_t i = 0; i < len; i++) {
		unsigned digit = (unsigned)(unsigned char)text[i] - '0';

		if (digit > 9 || v > (UINT64_MAX - digit) / 10)
			return -EINVAL;
		v = v * 10 + digit;
		if (v > max)
			return -EINVAL;
	}
	*ret = v;
	return 0;
}

int
text_to_uint_clamped(const char *text, size_t len, uint64_t max, uint64_t *ret)
{
	if (len == 0)
		return -EINVAL;
	for (size_t i = 0; i < len; i++)
		if (text[i] < '0' || text[i] > '9')
			return -EINVAL;
	if (text_to_uint(text, len, max, ret) < 0)
		*ret = max;
	return 0;
}

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

void
text_trim(const char **text, size_t *len)
{
	while (*len > 0 && is_space(**text)) {
		(*text)++;
		(*len)--;
	}
	while (*len > 0 && is_space((*text)[*len - 1]))
		(*len)--;
}

bool
text_is(const char *text, size_t len, const char *word)
{
	return strlen(word) == len && strncasecmp(text, word, len) == 0;
}

bool
text_starts(const char *text, size_t len, const char *word)
{
	size_t n = strlen(word);

	return len >= n && strncasecmp(text, word, n) == 0;
}

/* Length of the UTF-8 character at text[0..len), 0 if it is none (RFC 3629 section 4).
 */
static size_t
utf8_char(const char *text, size_t len)
{
	const unsigned char *s = (const unsigned char *)text;
	size_t n = s[0] < 0x80                    ? 1
		   : s[0] >= 0xc2 && s[0] <= 0xdf ? 2
		   : s[0] >= 0xe0 && s[0] <= 0xef ? 3
		   : s[0] >= 0xf0 && s[0] <= 0xf4 ? 4
						  : 0;

	if (n == 0 || n > len)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	/* No overlong form, no surrogate, nothing above U+10FFFF. */
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
	    (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return n;
}

bool
text_is_utf8(const char *text, size_t len)
{
	for (size_t n; len > 0; text += n, len -= n)
		if (*text == '\0' || (n = utf8_char(text, len)) == 0)
			return false;
	return true;
}

void
text_copy_printable(char *ret, size_t size, const char *text, size_t len)
{
	size_t at = 0;

	while (len > 0 && size > 0) {
		size_t n = utf8_char(text, len);
		/* C0 and C1 controls and DEL could drive a terminal. */
		bool good =
		    n > 0 && (unsigned char)text[0] >= 0x20 && text[0] != 0x7f &&
		    !((unsigned char)text[0] == 0xc2 && (unsigned char)text[1] < 0xa0);

		n = n ? n : 1;
		if (at + (good ? n : 1) >= size)
			break;
		if (good)
			memcpy(ret + at, text, n);
		else
			ret[at] = '?';
		at += good ? n : 1;
		text += n;
		len -= n;
	}
	if (size > 0)
		ret[at] = '\0';
}
