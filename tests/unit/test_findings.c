/*
 * test_findings.c - the table of findings, and the page that lists it.
 *
 * "test_findings page" writes the text that man/natd-findings.7 should be.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/findings.h"
#include "daemon/tried.h"
#include "proto/json.h"

static void
test_every_finding_is_told_apart_and_has_advice(void **state)
{
	(void)state;
	for (int i = 0; i < FINDING_CODES; i++) {
		const struct finding_row *row = &finding_rows[i];

		assert_non_null(row->code);
		assert_non_null(row->message);
		assert_int_equal(
		    strspn(row->code, "abcdefghijklmnopqrstuvwxyz_0123456789"),
		    strlen(row->code));
		for (int k = 0; k < i; k++)
			assert_string_not_equal(finding_rows[k].code, row->code);
		/* What is no trouble may have advice, what is one must. */
		if (row->severity != SEVERITY_INFO)
			assert_non_null(row->hint);
	}
}

static void
test_words_fill_the_sentence(void **state)
{
	cJSON *list = cJSON_CreateArray();
	char text[FINDING_TEXT_MAX], word[2 * FINDING_TEXT_MAX];

	(void)state;
	assert_string_equal(
	    finding_text(FINDING_UPLINK, "eth0", "{c}", "192.0.2.1", text),
	    "{c} on eth0, router 192.0.2.1");
	assert_string_equal(
	    finding_text(FINDING_UPLINK, NULL, NULL, NULL, text), " on , router ");
	memset(word, 'x', sizeof(word));
	word[sizeof(word) - 1] = '\0';
	assert_int_equal(strlen(finding_text(FINDING_UPLINK, word, word, word, text)),
	    FINDING_TEXT_MAX - 1);
	finding_add(list, FINDING_DNS_FAILING, "stun.example.org", NULL, NULL);
	assert_string_equal(json_get_string(list->child, "severity"), "error");
	assert_string_equal(json_get_string(list->child, "hint"),
	    "is the DNS working? Try: getent hosts stun.example.org, and look at "
	    "/etc/resolv.conf");
	cJSON_Delete(list);
}

/* ---- the page ---- */

#define PAGE "man/natd-findings.7"

static const char head[] =
    ".Dd November 20, 2026\n"
    ".Dt NATD-FINDINGS 7\n"
    ".Os\n"
    ".Sh NAME\n"
    ".Nm natd-findings\n"
    ".Nd what natd finds out about the way to the Internet, by its codes\n"
    ".Sh DESCRIPTION\n"
    ".Nm natctl Cm check ,\n"
    ".Nm natctl Cm verify\n"
    "and the methods Diagnose() and VerifyMapping() of the control interface tell "
    "what\n"
    "they find with a code, a severity, a sentence and, where there is something to "
    "be\n"
    "done, advice.\n"
    "The codes are for scripts: what a code means does not change.\n"
    "New ones may come; the words of the sentences may change.\n"
    "In the sentences below dots stand for addresses, names and numbers.\n"
    ".Bl -tag -width Ds\n";

static const char middle[] = ".El\n"
			     ".Pp\n"
			     "The problem of a mapping has one of these codes, or\n"
			     ".Cm no_uplink , cgnat\n"
			     "or\n"
			     ".Cm double_nat :\n"
			     ".Bl -item -compact\n";

static const char tail[] = ".El\n"
			   ".Sh SEE ALSO\n"
			   ".Xr natctl 1 ,\n"
			   ".Xr natd 8\n";

/* A sentence or less per line, dots for what is filled in. */
static void
write_text(FILE *out, const char *text)
{
	size_t column = 0;

	fputs("\\&", out); /* a dot there would be a macro */
	for (; *text; text++) {
		const bool ends = text[0] == ' ' && strchr("?.", text[-1]);
		const bool full =
		    text[0] == ' ' && column + strcspn(text + 1, " ") > 72;

		if (ends || full) {
			fputs("\n\\&", out);
			column = 0;
		} else if (text[0] == '{') {
			fputs("...", out);
			text += 2;
			column += 3;
		} else {
			putc(*text, out);
			column++;
		}
	}
	putc('\n', out);
}

static void
write_page(FILE *out)
{
	fputs(head, out);
	for (int i = 0; i < FINDING_CODES; i++) {
		const struct finding_row *row = &finding_rows[i];

		fprintf(
		    out, ".It Cm %s Pq %s\n", row->code, severity_name(row->severity));
		if (strcmp(row->message, "{a}") == 0)
			fputs("one line of the picture of the path\n", out);
		else
			write_text(out, row->message);
		if (row->hint) {
			fputs(".br\n", out);
			write_text(out, row->hint);
		}
	}
	fputs(middle, out);
	for (enum problem_code c = 0; c < PROBLEM_CODES; c++)
		fprintf(out, ".It\n.Cm %s\n", problem_code_name(c));
	fputs(tail, out);
}

/* After a change: build/tests/unit/test_findings page >man/natd-findings.7 */
static void
test_the_page_is_as_the_table(void **state)
{
	char *page = NULL, *made = NULL;
	size_t len, page_len = 0;
	FILE *out = open_memstream(&made, &len), *in = fopen(PAGE, "r");

	(void)state;
	assert_non_null(out);
	assert_non_null(in);
	write_page(out);
	fclose(out);
	assert_true(getdelim(&page, &page_len, '\0', in) > 0);
	fclose(in);
	assert_string_equal(page, made);
	free(page);
	free(made);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_finding_is_told_apart_and_has_advice),
		cmocka_unit_test(test_words_fill_the_sentence),
		cmocka_unit_test(test_the_page_is_as_the_table),
	};

	if (argc == 2 && strcmp(argv[1], "page") == 0) {
		write_page(stdout);
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
