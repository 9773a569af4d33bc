/*
 * output.h - the writers: JSON as it came, tables, blocks of "Key: value".
 *
 * Text for people is composed on a page first and shown in one go, so that the pager
 * knows how long it is and an error halfway leaves nothing half printed.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "ctl/ctl.h"
#include "ctl/model.h"
#include "proto/util.h"

/* --json is on: prints the parameters of a reply, or a whole error, and a newline;
 * true. Otherwise false and nothing happens. */
bool output_reply(const struct ctl *ctl, const struct reply *reply);
/* The same, always on one line: for streams. */
bool output_reply_line(const struct ctl *ctl, const struct reply *reply);

/* A page of text: write to out, then show it once, which also frees it. */
struct page {
	FILE *out;
	char *text;
	size_t len;
};

/* false: out of memory, told. */
bool page_open(struct page *page);
/* CTL_DONE, or CTL_FAILED after a message. */
enum exit_code page_show(const struct ctl *ctl, struct page *page);
/* Breaks lines that are wider than the terminal between words; what goes on starts
 * indent columns from the left.  The page is complete with that, and its text there. */
void page_fold(const struct ctl *ctl, struct page *page, unsigned indent);
/* Adds one page, folded, to another; out of memory is told. */
void page_add(const struct ctl *ctl, FILE *out, struct page *page, unsigned indent);
/* A whole text as a page. */
enum exit_code output_text(const struct ctl *ctl, const char *text);
/* For _cleanup_: nothing is shown. */
void page_drop(struct page *page);

/* "       Key: " with the colon in column BLOCK_KEY; a NULL key aligns a further line.
 */
#define BLOCK_KEY 12
void block_key(FILE *out, const char *key);

/* A finding's message and hint, as one sentence each. */
void finding_write(FILE *out, const struct finding *finding);

struct column {
	const char *name;
	/* When the terminal is too narrow for all, the highest goes first; 0: never. */
	unsigned spare;
	bool cut; /* may be cut when the terminal is narrow, to TABLE_CUT_MIN columns */
	bool right;
};

#define TABLE_CUT_MIN 10

#define TABLE_COLUMNS_MAX 12

struct table; /* opaque */

/* columns: the caller's, count <= TABLE_COLUMNS_MAX.  NULL: out of memory. */
struct table *
table_new(const struct ctl *ctl, const struct column *columns, size_t count);
struct table *table_free(struct table *t);
DEFINE_FREEP(table)

/* A new line with its cells from the left; NULL or "" becomes "-". */
void table_line(struct table *t, const char *const *cells, size_t count);
/* Paints one cell of the last line. */
void table_paint(struct table *t, size_t column, enum paint paint);
/* Writes it with its legend ("3 mappings listed.") as the options say; where the
 * terminal is too narrow even for the columns that are never spared, each line as a
 * block of "Key: value" with all columns. */
void table_write(struct table *t, FILE *out, const char *thing);

/* The colour of a mapping's or daemon's state. */
enum paint state_paint(const char *state);
