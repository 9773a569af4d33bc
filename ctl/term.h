/*
 * term.h - the terminal: what it can show, colours, the pager, messages for people.
 *
 * Results go to stdout through term_show(), everything else to stderr through
 * complain().  Text that came from the daemon has passed text_copy_printable() before
 * it gets here (ctl/fields.h); in a locale that is not UTF-8 term_show() and complain()
 * replace what remains beyond ASCII, as an 8-bit terminal obeys 0x9b.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "proto/util.h"

enum term_when { TERM_AUTO, TERM_ALWAYS, TERM_NEVER };

enum paint {
	PAINT_NONE,
	PAINT_GOOD,
	PAINT_WARNING,
	PAINT_BAD,
	PAINT_HEADER,
	PAINT_DIM
};

struct term {
	bool tty;        /* stdout is a terminal */
	bool colour;     /* stdout takes escape sequences */
	bool utf8;       /* the locale is UTF-8 */
	bool pager;      /* a pager may be used */
	unsigned width;  /* columns; 0: no limit */
	unsigned height; /* lines; 0: unknown */
};

/* Reads the locale, NO_COLOR, CLICOLOR_FORCE, TERM, COLUMNS and the window size. */
void term_init(struct term *term, enum term_when colour, bool pager);

/* The sequence that starts a colour, and "" where colours are off. */
const char *term_paint(const struct term *term, enum paint paint);
/* The sequence that ends it, or "". */
const char *term_plain(const struct term *term);

/* Writes finished text to stdout, through $PAGER if it is longer than the screen.
 * Changes text (see above).  0, or -errno of the write. */
int term_show(const struct term *term, char *text);

/* "natctl: MESSAGE" and a newline, on stderr; on a terminal in lines that fit it. Keeps
 * errno. */
_printf_(1, 2) void complain(const char *format, ...);

/* The same without the name in front: notes that are no errors. */
_printf_(1, 2) void remark(const char *format, ...);
