/*
 * jsontext.c - JSON as text: shown as it came, only the white space is ours.
 */
#include "proto/jsontext.h"

#include <errno.h>
#include <string.h>

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static const char *
skip_space(const char *at, const char *end)
{
	while (at < end && is_space(*at))
		at++;
	return at;
}

/* at is the opening quote; the result is behind the closing one. */
static const char *
skip_string(const char *at, const char *end)
{
	for (at++; at < end && *at != '"'; at++)
		if (*at == '\\')
			at++;
	return at < end ? at + 1 : end;
}

/* Behind the value that starts at at: the next comma or closing bracket of its level.
 */
static const char *
skip_value(const char *at, const char *end)
{
	unsigned depth = 0;

	while (at < end) {
		if (*at == '"') {
			at = skip_string(at, end);
			continue;
		}
		if (depth == 0 && (*at == ',' || *at == '}' || *at == ']'))
			break;
		if (*at == '{' || *at == '[')
			depth++;
		if (*at == '}' || *at == ']')
			depth--;
		at++;
	}
	return at;
}

int
json_text_member(const char *text, size_t len, const char *name, const char **ret_value,
    size_t *ret_len)
{
	const char *end = text + len;
	const char *at = skip_space(text, end);
	size_t name_len = strlen(name);

	while (at < end && *at != '}') {
		const char *key = skip_space(at + 1, end);
		const char *behind = skip_string(key, end);
		const char *value;

		if (key >= end || *key != '"')
			return -ENOENT;
		value = skip_space(behind, end);
		if (value < end)
			value = skip_space(value + 1, end);
		at = skip_value(value, end);
		if ((size_t)(behind - key) != name_len + 2 ||
		    memcmp(key + 1, name, name_len) != 0)
			continue;
		for (end = at; end > value && is_space(end[-1]);)
			end--;
		*ret_value = value;
		*ret_len = (size_t)(end - value);
		return 0;
	}
	return -ENOENT;
}

static void
write_string(FILE *out, const char *at, const char *end)
{
	for (; at < end; at++) {
		const unsigned char *c = (const unsigned char *)at;

		if (*c == 0x7f) {
			fputs("\\u007f", out);
		} else if (*c == 0xc2 && at + 1 < end && c[1] < 0xa0) {
			fprintf(out, "\\u00%02x", c[1]);
			at++;
		} else {
			putc(*c, out);
		}
	}
}

static void
new_line(FILE *out, bool pretty, unsigned depth)
{
	if (pretty)
		fprintf(out, "\n%*s", (int)depth * 2, "");
}

static bool
is_empty(const char *at, const char *end)
{
	at = skip_space(at + 1, end);
	return at < end && (*at == '}' || *at == ']');
}

void
json_text_write(FILE *out, const char *text, size_t len, bool pretty)
{
	const char *at = text, *end = text + len;
	unsigned depth = 0;
	bool empty = false;

	while ((at = skip_space(at, end)) < end) {
		char c = *at;

		if (c == '"') {
			const char *behind = skip_string(at, end);

			write_string(out, at, behind);
			at = behind;
			continue;
		}
		if ((c == '}' || c == ']') && !empty)
			new_line(out, pretty, --depth);
		putc(c, out);
		if (c == '{' || c == '[') {
			empty = is_empty(at, end);
			if (!empty)
				new_line(out, pretty, ++depth);
		} else {
			empty = false;
		}
		if (c == ',')
			new_line(out, pretty, depth);
		if (c == ':' && pretty)
			putc(' ', out);
		at++;
	}
}
