/*
 * check.c - the verb check: natd's diagnosis step by step, the path as a picture, and
 * the verdict.
 */
#include <string.h>

#include "ctl/findings.h"
#include "ctl/model.h"
#include "ctl/options.h"
#include "ctl/output.h"
#include "ctl/path.h"
#include "ctl/verbs.h"
#include "proto/json.h"

static const struct verdict_row {
	const char *word; /* of ReachabilityVerdict */
	enum exit_code code;
	enum paint paint;
} verdicts[] = {
	{ "direct", CTL_DONE, PAINT_GOOD },
	{ "mapped", CTL_DONE, PAINT_GOOD },
	{ "punchable", CTL_PUNCHABLE, PAINT_WARNING },
	{ "mapped_behind_second_nat", CTL_SECOND_NAT, PAINT_BAD },
	{ "unreachable", CTL_NOT_REACHABLE, PAINT_BAD },
	{ "unknown", CTL_UNKNOWN, PAINT_WARNING },
};

static const struct verdict_row *
verdict_of(const char *word)
{
	size_t i = 0;

	/* What a newer natd may say is nothing that this natctl knows. */
	while (i + 1 < ARRAY_SIZE(verdicts) && strcmp(verdicts[i].word, word) != 0)
		i++;
	return &verdicts[i];
}

/* Of a step in natd's words; one of a newer natd keeps its own. */
static const char *
title_of(const char *step)
{
	static const char *const titles[][2] = {
		{ "network", "Network" },
		{ "router", "Router" },
		{ "outside", "Outside" },
		{ "address", "Address" },
		{ "nat", "NAT" },
		{ "ipv6", "IPv6" },
		{ "mappings", "Mappings" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(titles); i++)
		if (strcmp(titles[i][0], step) == 0)
			return titles[i][1];
	return step;
}

/* One step as soon as it is known. */
static enum exit_code
write_step(const struct ctl *ctl, const char *step, const cJSON *findings)
{
	_cleanup_(page_drop) struct page page = { 0 };
	bool path = strcmp(step, "path") == 0;
	enum exit_code code;

	if (!page_open(&page))
		return CTL_FAILED;
	code = path ? path_write(ctl, page.out, findings)
		    : findings_write(ctl, page.out, title_of(step), findings);
	if (!path)
		page_fold(ctl, &page, FINDINGS_FOLD);
	return code == CTL_DONE ? page_show(ctl, &page) : code;
}

static enum exit_code
write_verdict(const struct ctl *ctl, const char *word, const char *summary)
{
	_cleanup_(page_drop) struct page page = { 0 };
	const struct verdict_row *verdict = verdict_of(word);
	enum exit_code code;

	if (!page_open(&page))
		return CTL_FAILED;
	if (ctl->opt.quiet) {
		fprintf(page.out, "%s\n", word);
	} else {
		block_key(page.out, "Verdict");
		fprintf(page.out, "%s%s%s\n", term_paint(&ctl->term, verdict->paint),
		    summary ? summary : word, term_plain(&ctl->term));
		page_fold(ctl, &page, BLOCK_KEY + 4);
	}
	code = page_show(ctl, &page);
	return code == CTL_DONE ? verdict->code : code;
}

/* One reply; CTL_DONE also after the last one, whose code goes to *ret_verdict. */
static enum exit_code
take_reply(
    const struct ctl *ctl, const struct reply *reply, enum exit_code *ret_verdict)
{
	const char *bad = NULL, *step, *verdict, *summary;
	struct fields f = fields_of(reply->parameters, "parameters", &bad);
	const cJSON *findings;
	enum exit_code code = CTL_DONE;

	step = field_string_opt(&f, "step");
	findings = field_array_opt(&f, "findings");
	verdict = field_string_opt(&f, "verdict");
	summary = field_string_opt(&f, "summary");
	if (!verdict && !reply->continues)
		bad = "verdict";
	if (bad)
		return ctl_bad_reply(bad);
	if (findings && !ctl->opt.quiet && ctl->opt.json == JSON_OFF)
		code = write_step(ctl, step ? step : "", findings);
	if (code != CTL_DONE || !verdict)
		return code;
	if (output_reply(ctl, reply))
		*ret_verdict = verdict_of(verdict)->code;
	else
		*ret_verdict = write_verdict(ctl, verdict, summary);
	return CTL_DONE;
}

/* The router takes its time, and who waits should see that somebody works. */
static void
show_waiting(const struct ctl *ctl, bool waiting)
{
	if (!ctl->term.tty || !ctl->term.colour || ctl->opt.quiet ||
	    ctl->opt.json != JSON_OFF)
		return;
	if (waiting)
		printf("%*s  %slooking ...%s", BLOCK_KEY, "",
		    term_paint(&ctl->term, PAINT_DIM), term_plain(&ctl->term));
	else
		fputs("\r\033[K", stdout);
	fflush(stdout);
}

enum exit_code
verb_check(struct ctl *ctl, int argc, char **argv)
{
	_cleanup_(json_freep) cJSON *filter = cJSON_CreateObject();
	_cleanup_(reply_done) struct reply reply = { 0 };
	enum exit_code code, verdict = CTL_UNKNOWN;
	char parameters[256];
	bool more;

	(void)argc;
	(void)argv;
	json_add_string(filter, "family", family_word(ctl->opt.family));
	json_add_string(filter, "interface", ctl->opt.interface);
	if (json_print(filter, parameters, sizeof(parameters)) < 0) {
		complain(
		    "'%.32s...' is not the name of an interface", ctl->opt.interface);
		return CTL_USAGE;
	}
	/* Steps are shown as they come, which is not for a pager. */
	ctl->term.pager = false;
	more = ctl->opt.json == JSON_OFF;
	code = ctl_call(ctl, "Diagnose", parameters, more, &reply);
	while (code == CTL_DONE) {
		bool last = !reply.continues;

		code = take_reply(ctl, &reply, &verdict);
		if (code == CTL_DONE && last)
			return verdict;
		if (code != CTL_DONE)
			break;
		show_waiting(ctl, true);
		code = ctl_next(ctl, client_now() + ctl_patience(ctl), &reply);
		show_waiting(ctl, false);
	}
	return code;
}
