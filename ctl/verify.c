/*
 * verify.c - the verb verify: whether a mapping forwards, proven from outside.
 */
#include <inttypes.h>
#include <string.h>

#include "ctl/findings.h"
#include "ctl/model.h"
#include "ctl/output.h"
#include "ctl/verbs.h"
#include "proto/json.h"

static const struct result_row {
	const char *word; /* of Reachability */
	enum exit_code code;
	enum paint paint;
} results[] = {
	{ "open", CTL_DONE, PAINT_GOOD },
	{ "closed", CTL_NOT_REACHABLE, PAINT_BAD },
	{ "unknown", CTL_UNKNOWN, PAINT_WARNING },
};

static const struct result_row *
result_of(const char *word)
{
	size_t i = 0;

	while (i + 1 < ARRAY_SIZE(results) && strcmp(results[i].word, word) != 0)
		i++;
	return &results[i];
}

static enum exit_code
write_result(
    const struct ctl *ctl, const char *id, const char *word, const cJSON *findings)
{
	_cleanup_(page_drop) struct page page = { 0 };
	enum exit_code code = CTL_DONE;

	if (!page_open(&page))
		return CTL_FAILED;
	if (ctl->opt.quiet) {
		fprintf(page.out, "%s\n", word);
	} else {
		block_key(page.out, id);
		fprintf(page.out, "%s%s%s\n",
		    term_paint(&ctl->term, result_of(word)->paint), word,
		    term_plain(&ctl->term));
		code = findings_write(ctl, page.out, NULL, findings);
		page_fold(ctl, &page, FINDINGS_FOLD);
	}
	return code == CTL_DONE ? page_show(ctl, &page) : code;
}

enum exit_code
verb_verify(struct ctl *ctl, int argc, char **argv)
{
	_cleanup_(json_freep) cJSON *call = cJSON_CreateObject();
	_cleanup_(reply_done) struct reply reply = { 0 };
	const char *bad = NULL, *word;
	const cJSON *findings;
	char parameters[256];
	enum exit_code code;
	struct fields f;

	(void)argc;
	json_add_string(call, "id", argv[0]);
	if (ctl->opt.timeout_us >= 0)
		json_add_int(call, "timeoutUSec", ctl->opt.timeout_us);
	if (json_print(call, parameters, sizeof(parameters)) < 0) {
		complain("'%.32s...' is not the id of a mapping", argv[0]);
		return CTL_USAGE;
	}
	/* natd keeps to the time itself; a little is for the way. */
	code = ctl_call_within(ctl, "VerifyMapping", parameters, false,
	    ctl_patience(ctl) + MSEC_PER_SEC, &reply);
	if (code != CTL_DONE)
		return code;
	f = fields_of(reply.parameters, "parameters", &bad);
	word = field_string(&f, "reachability");
	findings = field_array(&f, "findings");
	if (bad)
		return ctl_bad_reply(bad);
	if (!output_reply(ctl, &reply))
		code = write_result(ctl, argv[0], word, findings);
	return code == CTL_DONE ? result_of(word)->code : code;
}
