/*
 * natctl - asks natd how this host is reachable, and to change that.
 *
 * Knows the control protocol and the terminal, nothing of gateways: what natd says is
 * shown, what people want is passed on.  One verb does without natd, and is for the
 * time when there is none: "stun" (ctl/stun*.c) asks a server over UDP, TCP or TLS
 * itself; and "verify" lends natd a socket on the port that it is to prove.
 */
#include <stdio.h>

#include "ctl/ctl.h"
#include "ctl/options.h"
#include "ctl/verbs.h"
#include "proto/version.h"

static enum exit_code
run(struct ctl *ctl, const struct command_line *line)
{
	char *name;

	if (ctl->opt.version) {
		printf("natctl %s\n", NATD_VERSION);
		return CTL_DONE;
	}
	if (ctl->opt.help) {
		name = line->verb ? (char *)line->verb->name : NULL;
		return verb_help(ctl, name ? 1 : 0, &name);
	}
	return line->verb->run(ctl, line->argc, (char **)line->argv);
}

int
main(int argc, char **argv)
{
	struct command_line line;
	struct ctl ctl = { 0 };
	enum exit_code code = options_parse(argc, argv, &line);

	if (code != CTL_DONE)
		return (int)code;
	ctl.opt = line.opt;
	term_init(&ctl.term, ctl.opt.colour, !ctl.opt.no_pager);
	code = run(&ctl, &line);
	ctl.client = client_close(ctl.client);
	return (int)code;
}
