/*
 * output.c - JSON as it came, tables, blocks of "Key: value".
 */
#include "ctl/output.h"

#include <errno.h>
#include <libsmartcols/libsmartcols.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/fold.h"
#include "proto/jsontext.h"

static bool
write_reply(const struct ctl *ctl, const struct reply *reply, bool pretty)
{
	if (ctl->opt.json == JSON_OFF)
		return false;
	if (reply->error)
		json_text_write(stdout, reply->text, strlen(reply->text), pretty);
	else
		json_text_write(stdout, reply->parameters_text,
		    strlen(reply->parameters_text), pretty);
	putchar('\n');
	fflush(stdout);
	return true;
}

bool
output_reply(const struct ctl *ctl, const struct reply *reply)
{
	return write_reply(ctl, reply, ctl->opt.json == JSON_PRETTY);
}

bool
output_reply_line(const struct ctl *ctl, const struct reply *reply)
{
	return write_reply(ctl, reply, false);
}

bool
page_open(struct page *page)
{
	*page = (struct page) { 0 };
	page->out = open_memstream(&page->text, &page->len);
	if (!page->out)
		complain("out of memory");
	return page->out;
}

enum exit_code
page_show(const struct ctl *ctl, struct page *page)
{
	bool complete = (!page->out || fclose(page->out) == 0) && page->text;
	int r;

	page->out = NULL;
	r = complete ? term_show(&ctl->term, page->text) : -ENOMEM;
	page_drop(page);
	if (r == 0)
		return CTL_DONE;
	/* The reader of a pipe has seen enough: nothing to tell, but no reason to go
	 * on. */
	if (r != -EPIPE)
		complain("cannot write: %s", strerror(-r));
	return CTL_FAILED;
}

void
page_fold(const struct ctl *ctl, struct page *page, unsigned indent)
{
	struct page folded;

	fflush(page->out);
	/* Narrower than this nothing helps. */
	if (ctl->term.width < 2 * indent || !page_open(&folded))
		return;
	fold_text(folded.out, page->text, ctl->term.width, indent);
	page_drop(page);
	/* The stream knows where folded lies, so it ends here. */
	if (fclose(folded.out) == 0)
		page->text = folded.text;
	else
		free(folded.text);
}

void
page_add(const struct ctl *ctl, FILE *out, struct page *page, unsigned indent)
{
	page_fold(ctl, page, indent);
	if (page->text)
		fputs(page->text, out);
	else
		complain("out of memory");
}

enum exit_code
output_text(const struct ctl *ctl, const char *text)
{
	struct page page;

	if (!page_open(&page))
		return CTL_FAILED;
	fputs(text, page.out);
	return page_show(ctl, &page);
}

void
page_drop(struct page *page)
{
	if (page->out)
		fclose(page->out);
	free(page->text);
	*page = (struct page) { 0 };
}

void
block_key(FILE *out, const char *key)
{
	fprintf(out, "%*s%s", BLOCK_KEY, key ? key : "", key ? ": " : "  ");
}

void
finding_write(FILE *out, const struct finding *finding)
{
	fputs(finding->message, out);
	if (finding->hint)
		fprintf(out, "; %s", finding->hint);
}

enum paint
state_paint(const char *state)
{
	static const struct {
		const char *state;
		enum paint paint;
	} paints[] = {
		{ "active", PAINT_GOOD },
		{ "renewing", PAINT_GOOD },
		{ "online", PAINT_GOOD },
		{ "degraded", PAINT_WARNING },
		{ "suspended", PAINT_WARNING },
		{ "requesting", PAINT_WARNING },
		{ "starting", PAINT_WARNING },
		{ "failed", PAINT_BAD },
		{ "offline", PAINT_BAD },
	};

	for (size_t i = 0; i < ARRAY_SIZE(paints); i++)
		if (strcmp(paints[i].state, state) == 0)
			return paints[i].paint;
	return PAINT_NONE;
}

struct table {
	const struct ctl *ctl;
	struct libscols_table *scols;
	struct libscols_line *last;
	const struct column *column;
	size_t columns, lines;
	size_t widest[TABLE_COLUMNS_MAX];
	bool bad; /* out of memory on the way */
};

struct table *
table_free(struct table *t)
{
	if (t)
		scols_unref_table(t->scols);
	free(t);
	return NULL;
}

struct table *
table_new(const struct ctl *ctl, const struct column *columns, size_t count)
{
	_cleanup_(table_freep) struct table *t = calloc(1, sizeof(*t));

	if (!t || !(t->scols = scols_new_table()))
		return NULL;
	t->ctl = ctl;
	t->column = columns;
	t->columns = count;
	scols_table_enable_noheadings(t->scols, ctl->opt.no_legend);
	scols_table_enable_colors(t->scols, ctl->term.colour);
	/* The page is no terminal: the width is ours to say. */
	scols_table_set_termforce(t->scols,
	    ctl->term.width > 0 ? SCOLS_TERMFORCE_ALWAYS : SCOLS_TERMFORCE_NEVER);
	if (ctl->term.width > 0)
		scols_table_set_termwidth(t->scols, ctl->term.width);
	for (size_t i = 0; i < count; i++) {
		int flags = (columns[i].cut ? SCOLS_FL_TRUNC : 0) |
			    (columns[i].right ? SCOLS_FL_RIGHT : 0);
		struct libscols_column *c =
		    scols_table_new_column(t->scols, columns[i].name, 0, flags);

		if (!c)
			return NULL;
		t->widest[i] = ctl->opt.no_legend ? 0 : strlen(columns[i].name);
		if (ctl->term.colour)
			scols_cell_set_color(scols_column_get_header(c),
			    term_paint(&ctl->term, PAINT_HEADER));
	}
	return TAKE_PTR(t);
}

void
table_line(struct table *t, const char *const *cells, size_t count)
{
	t->last = scols_table_new_line(t->scols, NULL);
	if (!t->last) {
		t->bad = true;
		return;
	}
	t->lines++;
	for (size_t i = 0; i < count; i++) {
		const char *text = cells[i] && *cells[i] ? cells[i] : "-";

		t->widest[i] = MAX(t->widest[i], fold_width(text));
		if (scols_line_set_data(t->last, i, text) < 0)
			t->bad = true;
	}
}

static void
cut_cell(struct table *t, struct libscols_line *line, size_t column, unsigned room)
{
	const char *text = scols_cell_get_data(scols_line_get_cell(line, column));
	_cleanup_(freep) char *cut = NULL;

	if (!text || fold_width(text) <= room)
		return;
	if (asprintf(&cut, "%.*s%s", (int)fold_cut(text, room - 1), text,
		t->ctl->term.utf8 ? "\u2026" : "~") < 0)
		cut = NULL;
	if (!cut || scols_line_set_data(line, column, cut) < 0)
		t->bad = true;
}

/* Cuts the cells of a column to what the others leave. */
static void
table_cut(struct table *t, size_t column)
{
	size_t others = 0, room = t->ctl->term.width;
	struct libscols_line *line;

	for (size_t i = 0; i < t->columns; i++)
		if (i != column &&
		    !scols_column_is_hidden(scols_table_get_column(t->scols, i)))
			others += t->widest[i] + 1;
	/* The heading is never cut, and no table is narrower than the rest of it. */
	room = MAX(room - MIN(room, others),
	    MAX(t->ctl->opt.no_legend ? 1 : strlen(t->column[column].name), 2));
	for (size_t i = 0; scols_table_get_line(t->scols, i); i++) {
		line = scols_table_get_line(t->scols, i);
		cut_cell(t, line, column, (unsigned)room);
	}
}

/* Hides what can be spared until the rest fits the terminal.  False: it never does. */
static bool
table_fit(struct table *t)
{
	size_t needed = 0;

	for (size_t i = 0; i < t->columns; i++)
		needed += 1 + (t->column[i].cut ? MIN(t->widest[i], TABLE_CUT_MIN)
						: t->widest[i]);
	for (unsigned spare = TABLE_COLUMNS_MAX; spare > 0; spare--)
		for (size_t i = 0; i < t->columns && needed > t->ctl->term.width + 1;
		     i++)
			if (t->column[i].spare == spare) {
				struct libscols_column *c =
				    scols_table_get_column(t->scols, i);

				scols_column_set_flags(
				    c, scols_column_get_flags(c) | SCOLS_FL_HIDDEN);
				needed -= t->widest[i] + 1;
			}
	return needed <= t->ctl->term.width + 1;
}

/* Each line of the table as a block, with all its columns. */
static void
table_write_blocks(struct table *t, FILE *out)
{
	_cleanup_(page_drop) struct page page = { 0 };

	if (t->bad || !page_open(&page))
		return;
	for (size_t i = 0; i < t->lines; i++) {
		struct libscols_line *line = scols_table_get_line(t->scols, i);

		if (i > 0)
			putc('\n', page.out);
		for (size_t k = 0; k < t->columns; k++) {
			struct libscols_cell *cell = scols_line_get_cell(line, k);
			const char *paint = scols_cell_get_color(cell);

			block_key(page.out, t->column[k].name);
			fprintf(page.out, "%s%s%s\n", paint ? paint : "",
			    scols_cell_get_data(cell),
			    paint ? term_plain(&t->ctl->term) : "");
		}
	}
	page_add(t->ctl, out, &page, BLOCK_KEY + 4);
}

static void
table_write_lines(struct table *t, FILE *out)
{
	char *text = NULL;

	for (size_t i = 0; t->ctl->term.width > 0 && i < t->columns; i++)
		if (t->column[i].cut)
			table_cut(t, i);
	if (t->bad || scols_print_table_to_string(t->scols, &text) < 0)
		t->bad = true;
	else
		fprintf(out, "%s%s", text, text[strlen(text) - 1] == '\n' ? "" : "\n");
	free(text);
}

void
table_paint(struct table *t, size_t column, enum paint paint)
{
	struct libscols_cell *cell =
	    t->last ? scols_line_get_cell(t->last, column) : NULL;

	if (cell && t->ctl->term.colour && paint != PAINT_NONE)
		scols_cell_set_color(cell, term_paint(&t->ctl->term, paint));
}

void
table_write(struct table *t, FILE *out, const char *thing)
{
	if (t->lines > 0 && t->ctl->term.width > 0 && !table_fit(t))
		table_write_blocks(t, out);
	else if (t->lines > 0)
		table_write_lines(t, out);
	if (t->bad) {
		complain("out of memory");
		return;
	}
	if (!t->ctl->opt.no_legend && t->lines == 0)
		fprintf(out, "No %ss.\n", thing);
	else if (!t->ctl->opt.no_legend)
		fprintf(out, "%zu %s%s listed.\n", t->lines, thing,
		    t->lines == 1 ? "" : "s");
}
