/*
 * options.c - the command line, read by the table of options.
 */
#include "ctl/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Our rows as getopt_long() wants them; val is the row's number above the letters. */
#define ROW_BASE 256

static void
fill_getopt(struct option *longs, char *letters)
{
	/* '-': arguments come in order, ':' tells a missing value from a wrong option.
	 */
	*letters++ = '-';
	*letters++ = ':';
	for (size_t i = 0; i < option_rows_count; i++) {
		const struct option_row *row = &option_rows[i];

		if (row->name)
			*longs++ = (struct option) { .name = row->name,
				.has_arg =
				    row->argument ? required_argument : no_argument,
				.val = ROW_BASE + (int)i };
		if (row->letter)
			*letters++ = row->letter;
		if (row->letter && row->argument)
			*letters++ = ':';
	}
	*letters = '\0';
}

static const struct option_row *
row_of(int val)
{
	if (val >= ROW_BASE)
		return &option_rows[val - ROW_BASE];
	for (size_t i = 0; val > 0 && i < option_rows_count; i++)
		if (option_rows[i].letter == val)
			return &option_rows[i];
	return NULL;
}

static enum exit_code
set_option(struct options *o, const struct option_row *row, const char *value)
{
	int r = row->set(o, value);

	if (r == 0)
		return CTL_DONE;
	/* The option itself has said what is missing. */
	if (r == -ENOENT)
		return CTL_USAGE;
	complain("--%s: '%s' is not %s", row->name, value, row->expects);
	return CTL_USAGE;
}

/* The word getopt stumbled over; within "-xyz" the letter. */
static enum exit_code
wrong_option(char **argv, int val)
{
	const struct option_row *row = row_of(optopt);

	if (val == ':' && row)
		complain("--%s needs %s", row->name, row->expects);
	else if (optopt > 0 && optopt < ROW_BASE)
		complain("there is no option '-%c'. Try: natctl help", optopt);
	else if (row)
		complain("--%s takes no value", row->name);
	else
		complain("there is no option '%s', or it is not the only one that "
			 "starts so. Try: natctl help",
		    argv[optind - 1]);
	return CTL_USAGE;
}

static enum exit_code
take_argument(struct command_line *line, char *argument)
{
	if (!line->verb) {
		line->verb = verb_find(argument);
		if (line->verb)
			return CTL_DONE;
		complain("there is no verb '%s'. Try: natctl help", argument);
		return CTL_USAGE;
	}
	if (line->argc == OPTIONS_ARGUMENTS_MAX) {
		complain("too many arguments");
		return CTL_USAGE;
	}
	line->argv[line->argc++] = argument;
	return CTL_DONE;
}

/* What the table cannot say of one option alone. */
static enum exit_code
check_together(const struct command_line *line)
{
	const struct options *o = &line->opt;
	const char *wrong = NULL;

	if (o->permanent && o->lifetime_s > 0)
		wrong = "--permanent and --for exclude each other";
	else if (o->permanent && o->hold)
		wrong = "--permanent and --hold exclude each other: what is held ends "
			"with natctl";
	else if (o->command && !line->verb->command)
		wrong = "only 'map' takes a command after --";
	else if (o->command && !o->hold)
		wrong = "a command needs --hold: natctl map --hold PROTO PORT -- "
			"COMMAND";
	if (!wrong)
		return CTL_DONE;
	complain("%s", wrong);
	return CTL_USAGE;
}

static enum exit_code
check(const struct command_line *line, const bool *given)
{
	const struct verb *verb = line->verb;

	for (size_t i = 0; i < option_rows_count; i++)
		if (given[i] && !option_is_for(&option_rows[i], verb)) {
			complain("--%s is not for '%s' but for: %s",
			    option_rows[i].name, verb->name, option_rows[i].verbs);
			return CTL_USAGE;
		}
	if (line->argc < verb->min || line->argc > verb->max) {
		complain("usage: natctl %s%s%s", verb->name,
		    *verb->arguments ? " " : "", verb->arguments);
		return CTL_USAGE;
	}
	return check_together(line);
}

static struct options
options_default(void)
{
	const char *socket = getenv("NATD_SOCKET");
	bool given = socket && *socket;

	return (struct options) {
		.socket = given ? socket : NATD_DEFAULT_SOCKET,
		.fallback = given ? NULL : options_user_socket(),
		.timeout_us = -1,
		.external = -1,
		.transport = -1,
	};
}

enum exit_code
options_parse(int argc, char **argv, struct command_line *ret)
{
	struct command_line line = { .opt = options_default() };
	struct option longs[OPTION_ROWS_MAX + 1] = { 0 };
	char letters[2 * OPTION_ROWS_MAX + 3];
	bool given[OPTION_ROWS_MAX] = { 0 };
	enum exit_code code = CTL_DONE;
	int val;

	fill_getopt(longs, letters);
	opterr = 0;
	while (code == CTL_DONE &&
	       (val = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
		const struct option_row *row = row_of(val);

		if (val == 1)
			code = take_argument(&line, optarg);
		else if (!row)
			code = wrong_option(argv, val);
		else {
			given[row - option_rows] = true;
			code = set_option(&line.opt, row, optarg);
		}
	}
	if (code != CTL_DONE)
		return code;
	if (optind < argc)
		line.opt.command = argv + optind;
	if (!line.verb && !line.opt.help && !line.opt.version)
		line.verb = verb_find("status");
	if (!line.opt.help && !line.opt.version)
		code = check(&line, given);
	*ret = line;
	return code;
}

const char *
family_word(unsigned family)
{
	return family == 4 ? "ipv4" : family == 6 ? "ipv6" : NULL;
}
