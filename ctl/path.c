/*
 * path.c - the way from this host to the Internet as a small picture.
 *
 *	this host ──── router ──────── carrier ─────── internet
 *	192.168.1.20   192.168.1.1     ?               192.0.2.1
 *	eth0           100.64.7.2      198.51.100.23
 */
#include "ctl/path.h"

#include <string.h>

#include "ctl/model.h"
#include "ctl/output.h"

#define HOPS_MAX 6
#define LINES_MAX 3 /* below a hop's name */
#define MARGIN 2
#define LINK_MIN 3 /* the dashes between two names */
#define WIDTH 80   /* where nobody says how wide the output is */

struct hop {
	const char *name;
	enum paint paint;
	const char *lines[LINES_MAX];
	size_t count, width;
};

struct path {
	struct hop hops[HOPS_MAX];
	size_t count;
};

static const struct hop_row {
	const char *code, *name;
	enum paint paint;
} rows[] = {
	{ "hop_host", "this host", PAINT_NONE },
	{ "hop_router", "router", PAINT_NONE },
	{ "hop_carrier", "carrier", PAINT_WARNING },
	{ "hop_nat", "second NAT", PAINT_WARNING },
	{ "hop_internet", "internet", PAINT_NONE },
};

static const struct hop_row *
row_of(const char *code)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (strcmp(rows[i].code, code) == 0)
			return &rows[i];
	return NULL;
}

/* Findings of one hop stand beside each other. */
static void
take(struct path *p, const struct finding *f)
{
	const struct hop_row *row = row_of(f->code);
	struct hop *hop = p->count ? &p->hops[p->count - 1] : NULL;

	if (!row)
		return;
	if (!hop || strcmp(hop->name, row->name) != 0) {
		if (p->count == HOPS_MAX)
			return;
		hop = &p->hops[p->count++];
		*hop = (struct hop) {
			.name = row->name,
			.paint = row->paint,
			.width = strlen(row->name),
		};
	}
	if (hop->count == LINES_MAX)
		return;
	hop->lines[hop->count++] = f->message;
	hop->width = MAX(hop->width, strlen(f->message));
}

static size_t
width_of(const struct path *p)
{
	size_t width = MARGIN;

	for (size_t i = 0; i < p->count; i++)
		width += p->hops[i].width + (i + 1 < p->count ? LINK_MIN + 2 : 0);
	return width;
}

static void
write_name(const struct ctl *ctl, FILE *out, const struct hop *hop)
{
	fprintf(out, "%s%s%s", term_paint(&ctl->term, hop->paint), hop->name,
	    term_plain(&ctl->term));
}

/* Names with lines between them, then what belongs to each below it. */
static void
write_beside(const struct ctl *ctl, FILE *out, const struct path *p)
{
	size_t lines = 0;

	fprintf(out, "%*s", MARGIN, "");
	for (size_t i = 0; i < p->count; i++) {
		const struct hop *hop = &p->hops[i];
		size_t dashes = hop->width - strlen(hop->name) + LINK_MIN;

		lines = MAX(lines, hop->count);
		write_name(ctl, out, hop);
		if (i + 1 == p->count)
			break;
		putc(' ', out);
		while (dashes--)
			fputs(ctl->term.utf8 ? "─" : "-", out);
		putc(' ', out);
	}
	putc('\n', out);
	for (size_t k = 0; k < lines; k++) {
		size_t blank = MARGIN;

		for (size_t i = 0; i < p->count; i++) {
			const struct hop *hop = &p->hops[i];
			const char *text = k < hop->count ? hop->lines[k] : "";

			if (*text)
				fprintf(out, "%*s%s", (int)blank, "", text);
			else
				blank += hop->width + LINK_MIN + 2;
			if (*text)
				blank = hop->width - strlen(text) + LINK_MIN + 2;
		}
		putc('\n', out);
	}
}

#define NAME_WIDTH 12

static void
write_below(const struct ctl *ctl, FILE *out, const struct path *p)
{
	for (size_t i = 0; i < p->count; i++) {
		const struct hop *hop = &p->hops[i];
		const char *link = i + 1 == p->count ? " " : ctl->term.utf8 ? "│" : "|";
		int rest = NAME_WIDTH - (int)strlen(hop->name);

		fprintf(out, "%*s", MARGIN, "");
		write_name(ctl, out, hop);
		fprintf(out, "%*s%s\n", rest, "", hop->count ? hop->lines[0] : "");
		for (size_t k = 1; k < hop->count; k++)
			fprintf(out, "%*s%s%*s%s\n", MARGIN + 1, "", link,
			    NAME_WIDTH - 2, "", hop->lines[k]);
		if (hop->count < 2 && i + 1 < p->count)
			fprintf(out, "%*s%s\n", MARGIN + 1, "", link);
	}
}

enum exit_code
path_write(const struct ctl *ctl, FILE *out, const cJSON *findings)
{
	struct path path = { .count = 0 };
	const char *bad = NULL;
	const cJSON *item;

	cJSON_ArrayForEach(item, findings)
	{
		struct finding f;

		if (finding_decode(item, &f, &bad) < 0)
			return ctl_bad_reply(bad);
		take(&path, &f);
	}
	if (path.count == 0)
		return CTL_DONE;
	putc('\n', out);
	if (width_of(&path) <= (ctl->term.width ? ctl->term.width : WIDTH))
		write_beside(ctl, out, &path);
	else
		write_below(ctl, out, &path);
	putc('\n', out);
	return CTL_DONE;
}
