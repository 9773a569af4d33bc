/*
 * fold.c - widths, and lines that are broken between words.
 */
#include "ctl/fold.h"

#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

static bool
is_gap(char c)
{
	return c == ' ' || c == FOLD_GLUE;
}

/* Behind the character at at, and how many columns it takes. */
static const char *
next_character(const char *at, unsigned *ret_columns)
{
	mbstate_t state = { 0 };
	wchar_t wide;
	size_t len;
	int columns;

	*ret_columns = 0;
	if (*at == '\033')
		return at + strcspn(at, "m") + 1;
	*ret_columns = 1;
	len = mbrtowc(&wide, at, MB_LEN_MAX, &state);
	if (len == 0 || len > MB_LEN_MAX) {
		/* Not of this locale: by the bytes of UTF-8. */
		for (at++; ((unsigned char)*at & 0xc0) == 0x80;)
			at++;
		return at;
	}
	columns = wcwidth(wide);
	if (columns >= 0)
		*ret_columns = (unsigned)columns;
	return at + len;
}

unsigned
fold_width(const char *text)
{
	unsigned width = 0, columns;

	while (*text) {
		text = next_character(text, &columns);
		width += columns;
	}
	return width;
}

size_t
fold_cut(const char *text, unsigned columns)
{
	const char *at = text;

	while (*at) {
		unsigned more;
		const char *next = next_character(at, &more);

		if (more > columns)
			break;
		columns -= more;
		at = next;
	}
	return (size_t)(at - text);
}

void
fold_value(FILE *out, const char *format, ...)
{
	char *text = NULL;
	va_list ap;
	int r;

	va_start(ap, format);
	r = vasprintf(&text, format, ap);
	va_end(ap);
	if (r < 0)
		return;
	for (const char *c = text; *c; c++)
		putc(*c == ' ' ? FOLD_GLUE : *c, out);
	free(text);
}

void
fold_plain(char *text)
{
	for (; *text; text++)
		if (*text == FOLD_GLUE)
			*text = ' ';
}

/* Whether the words from here to the next space fit a line of their own. */
static bool
value_fits(const char *value, const char *end, unsigned columns)
{
	unsigned more;

	while (value < end && *value != ' ') {
		value = next_character(value, &more);
		if (more > columns)
			return false;
		columns -= more;
	}
	return true;
}

/* As much of the line as fits in columns: up to a space behind its first word, or
 * within a value that does not fit the next line either; all of a word that is wider.
 */
static size_t
fitting(const char *line, size_t len, unsigned columns, unsigned next_columns)
{
	const char *at = line, *end = line + len, *gap = NULL, *glue = NULL;
	unsigned column = 0, more;

	while (at < end) {
		if (*at == ' ' && at > line && !is_gap(at[-1]))
			gap = at;
		if (*at == FOLD_GLUE && at > line)
			glue = at;
		if (column >= columns && gap &&
		    (!glue || glue < gap ||
			value_fits(gap + strspn(gap, " "), end, next_columns)))
			return (size_t)(gap - line);
		if (column >= columns && glue)
			return (size_t)(glue - line);
		at = next_character(at, &more);
		column += more;
	}
	return len;
}

static size_t
count_gaps(const char *line, size_t len)
{
	size_t n = 0;

	while (n < len && is_gap(line[n]))
		n++;
	return n;
}

static void
fold_line(FILE *out, const char *line, size_t len, unsigned width, unsigned indent)
{
	/* The margin is no place to break. */
	size_t margin = count_gaps(line, len);
	size_t part =
	    margin + fitting(line + margin, len - margin,
			 width - MIN(width, (unsigned)margin), width - indent);

	fwrite(line, 1, part, out);
	while (part < len) {
		line += part;
		len -= part;
		margin = count_gaps(line, len);
		line += margin;
		len -= margin;
		part = fitting(line, len, width - indent, width - indent);
		fprintf(out, "\n%*s", (int)indent, "");
		fwrite(line, 1, part, out);
	}
}

void
fold_text(FILE *out, const char *text, unsigned width, unsigned indent)
{
	while (*text) {
		size_t len = strcspn(text, "\n");

		fold_line(out, text, len, width, indent);
		if (text[len] == '\n')
			putc('\n', out);
		text += len + (text[len] == '\n');
	}
}
