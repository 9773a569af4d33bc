/*
 * verbs.c - the table of verbs, and "help", which prints it.
 */
#include "ctl/verbs.h"

#include <stdio.h>
#include <string.h>

#include "ctl/output.h"

const struct verb verbs[] = {
	{ "status", "", 0, 0, false, verb_status,
	    "how this host is reachable (the default)" },
	{ "list", "[PROTO [PORT]]", 0, 2, false, verb_list, "the mappings" },
	{ "show", "ID", 1, 1, false, verb_show, "everything about one mapping" },
	{ "map", "PROTO[+PROTO] PORT [-- COMMAND...]", 2, 2, true, verb_map,
	    "open a port, or refresh the mapping there is" },
	{ "unmap", "ID | PROTO PORT", 1, 2, false, verb_unmap, "close a port" },
	{ "renew", "[ID]", 0, 1, false, verb_renew, "renew one or all mappings now" },
	{ "gateways", "", 0, 0, false, verb_gateways,
	    "the routers in front of this host and what they speak" },
	{ "check", "", 0, 0, false, verb_check,
	    "look at the way to the Internet and say what is wrong with it" },
	{ "nat", "", 0, 0, false, verb_nat,
	    "how the NAT in front of this host behaves" },
	{ "verify", "ID", 1, 1, false, verb_verify,
	    "prove from outside that a mapping forwards" },
	{ "monitor", "[EVENT...]", 0, 8, false, verb_monitor,
	    "print what happens until interrupted" },
	{ "wait", "[ID]", 0, 1, false, verb_wait,
	    "until this host is online, or until a mapping is active" },
	{ "stun", "SERVER", 1, 1, false, verb_stun,
	    "ask a STUN server how this host looks from outside (without natd)" },
	{ "metrics", "", 0, 0, false, verb_metrics, "metrics for Prometheus" },
	{ "reload", "", 0, 0, false, verb_reload, "let natd read its configuration" },
	{ "call", "METHOD [JSON]", 1, 2, false, verb_call,
	    "call any method of natd and print the reply" },
	{ "interface", "", 0, 0, false, verb_interface,
	    "print the definition of the control interface" },
	{ "bridge", "", 0, 0, false, verb_bridge,
	    "connect stdin and stdout with natd (the far end of ssh:HOST)" },
	{ "help", "[VERB]", 0, 1, false, verb_help, "this text, or that of one verb" },
};

const size_t verbs_count = ARRAY_SIZE(verbs);

const char *const exit_texts[CTL_EXIT_MAX] = {
	[CTL_DONE] = "done",
	[CTL_FAILED] = "failed",
	[CTL_USAGE] = "wrong usage",
	[CTL_UNREACHABLE] = "natd is not reachable",
	[CTL_DENIED] = "permission denied",
	[CTL_NO_GATEWAY] = "no gateway, or none that maps ports",
	[CTL_PORT_TAKEN] = "the external port is not available (--exact)",
	[CTL_TIMEOUT] = "time-out",
	[CTL_PUNCHABLE] = "no mapping, but UDP hole punching works (check)",
	[CTL_SECOND_NAT] = "behind a second NAT (check)",
	[CTL_NOT_REACHABLE] = "not reachable from outside (check, verify)",
	[CTL_UNKNOWN] = "it could not be found out (check, verify)",
};

const struct verb *
verb_find(const char *name)
{
	for (size_t i = 0; i < verbs_count; i++)
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	return NULL;
}

/* Whether the list of words, separated by spaces, has this one. */
static bool
has_word(const char *list, const char *word)
{
	size_t len = strlen(word);

	for (const char *at = list; at; at = strchr(at, ' ')) {
		at += strspn(at, " ");
		if (strncmp(at, word, len) == 0 && (at[len] == ' ' || !at[len]))
			return true;
	}
	return false;
}

bool
option_is_for(const struct option_row *row, const struct verb *verb)
{
	return !row->verbs || has_word(row->verbs, verb->name);
}

static void
write_option(FILE *out, const struct option_row *row)
{
	char letter[3] = { '-', row->letter, '\0' };
	char text[64];

	snprintf(text, sizeof(text), "%2s%s%s%s%s%s", row->letter ? letter : "",
	    row->letter && row->name ? ", " : "  ", row->name ? "--" : "",
	    row->name ? row->name : "", row->argument ? " " : "",
	    row->argument ? row->argument : "");
	fprintf(out, "  %-30s %s\n", text, row->help);
}

static void
write_options(FILE *out, const struct verb *verb)
{
	bool any = false;

	for (size_t i = 0; verb && i < option_rows_count; i++)
		if (option_rows[i].verbs && option_is_for(&option_rows[i], verb)) {
			fputs(any ? "" : "\nOptions of this verb:\n", out);
			any = true;
			write_option(out, &option_rows[i]);
		}
	fputs("\nOptions:\n", out);
	for (size_t i = 0; i < option_rows_count; i++)
		if (!option_rows[i].verbs)
			write_option(out, &option_rows[i]);
}

static void
write_overview(FILE *out)
{
	fputs("Usage: natctl [OPTION...] [VERB] [ARGUMENT...]\n\n"
	      "Opens ports in the routers in front of this host, and tells how it is "
	      "reachable.\n\nVerbs:\n",
	    out);
	for (size_t i = 0; i < verbs_count; i++)
		fprintf(out, "  %-10s %s\n", verbs[i].name, verbs[i].help);
	write_options(out, NULL);
	fputs("\nExit codes:\n", out);
	for (size_t i = 0; i < CTL_EXIT_MAX; i++)
		if (exit_texts[i])
			fprintf(out, "  %-10zu %s\n", i, exit_texts[i]);
	fputs("\nOptions of one verb: natctl help VERB.  More: man natctl\n", out);
}

static void
write_verb(FILE *out, const struct verb *verb)
{
	fprintf(out, "Usage: natctl %s%s%s [OPTION...]\n\n%s: %s.\n", verb->name,
	    *verb->arguments ? " " : "", verb->arguments, verb->name, verb->help);
	write_options(out, verb);
}

/* What may stand for an argument that the tables of verbs and options name. */
static const struct {
	const char *argument, *words;
} argument_words[] = {
	{ "PROTO", "tcp udp tcp+udp" },
	{ "EVENT", "snapshot mapping_added mapping_changed mapping_removed "
		   "gateway_changed external_address_changed nat_behavior_changed "
		   "state_changed" },
	{ "MODE", "pretty short off" },
	{ "WHEN", "auto always never" },
	{ "METHOD,...", "pcp nat_pmp igd2 igd1 igd_pinhole direct" },
	{ "TRANSPORT", "udp tcp tls dtls" },
};

/* For completion and tests: kind, name, and what belongs to it, separated by tabs. */
static void
write_porcelain(FILE *out)
{
	for (size_t i = 0; i < verbs_count; i++)
		fprintf(out, "verb\t%s\t%s\t%s\n", verbs[i].name,
		    *verbs[i].arguments ? verbs[i].arguments : "-", verbs[i].help);
	for (size_t i = 0; i < option_rows_count; i++) {
		const struct option_row *row = &option_rows[i];
		char letter[3] = { '-', row->letter, '\0' };

		fprintf(out, "option\t%s%s\t%s\t%s\t%s\t%s\n", row->name ? "--" : "-",
		    row->name ? row->name : "", letter,
		    row->argument ? row->argument : "-", row->verbs ? row->verbs : "*",
		    row->help);
	}
	for (size_t i = 0; i < ARRAY_SIZE(argument_words); i++)
		fprintf(out, "words\t%s\t%s\n", argument_words[i].argument,
		    argument_words[i].words);
	for (size_t i = 0; i < CTL_EXIT_MAX; i++)
		if (exit_texts[i])
			fprintf(out, "exit\t%zu\t%s\n", i, exit_texts[i]);
}

enum exit_code
verb_help(struct ctl *ctl, int argc, char **argv)
{
	const struct verb *verb = argc > 0 ? verb_find(argv[0]) : NULL;
	struct page page;

	if (argc > 0 && !verb) {
		complain("there is no verb '%s'. Try: natctl help", argv[0]);
		return CTL_USAGE;
	}
	if (!page_open(&page))
		return CTL_FAILED;
	if (ctl->opt.porcelain)
		write_porcelain(page.out);
	else if (verb)
		write_verb(page.out, verb);
	else
		write_overview(page.out);
	return page_show(ctl, &page);
}
