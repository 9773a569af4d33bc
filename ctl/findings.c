/*
 * findings.c - what natd found, as people read it.
 */
#include "ctl/findings.h"

#include <string.h>

#include "ctl/model.h"
#include "ctl/output.h"

struct mark {
	const char *severity, *utf8, *ascii;
	enum paint paint;
};

static const struct mark *
mark_of(const char *severity)
{
	static const struct mark marks[] = {
		{ "error", "✗", "x", PAINT_BAD },
		{ "warning", "!", "!", PAINT_WARNING },
		{ "info", "•", "-", PAINT_NONE },
	};
	size_t i = 0;

	while (i + 1 < ARRAY_SIZE(marks) && strcmp(marks[i].severity, severity) != 0)
		i++;
	return &marks[i];
}

static void
write_one(const struct ctl *ctl, FILE *out, const struct finding *f)
{
	const struct term *term = &ctl->term;
	const struct mark *mark = mark_of(f->severity);

	fprintf(out, "%s%s%s %s %s(%s)%s\n", term_paint(term, mark->paint),
	    term->utf8 ? mark->utf8 : mark->ascii, term_plain(term), f->message,
	    term_paint(term, PAINT_DIM), f->code, term_plain(term));
	if (f->hint) {
		block_key(out, NULL);
		fprintf(out, "  %s %s\n", term->utf8 ? "→" : ">", f->hint);
	}
}

enum exit_code
findings_write(const struct ctl *ctl, FILE *out, const char *key, const cJSON *findings)
{
	const char *bad = NULL;
	const cJSON *item;

	cJSON_ArrayForEach(item, findings)
	{
		struct finding f;

		if (finding_decode(item, &f, &bad) < 0)
			return ctl_bad_reply(bad);
		block_key(out, item == findings->child ? key : NULL);
		write_one(ctl, out, &f);
	}
	return CTL_DONE;
}
