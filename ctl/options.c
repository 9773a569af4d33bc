/*
 * options.c - the table of options, and the command line read by it.
 */
#include "ctl/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "ctl/human.h"
#include "proto/addr.h"
#include "proto/stun_uri.h"
#include "proto/text.h"
#include "proto/types.h"

static int
set_help(struct options *o, const char *value)
{
	(void)value;
	o->help = true;
	return 0;
}

static int
set_version(struct options *o, const char *value)
{
	(void)value;
	o->version = true;
	return 0;
}

static int
set_socket(struct options *o, const char *value)
{
	o->socket = value;
	o->fallback = NULL;
	return *value ? 0 : -EINVAL;
}

const char *
options_user_socket(void)
{
	static char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
	const char *dir = getenv("XDG_RUNTIME_DIR");
	int n;

	if (!dir || dir[0] != '/')
		return NULL;
	n = snprintf(path, sizeof(path), "%s/natd/org.natd.NAT", dir);
	return n < (int)sizeof(path) ? path : NULL;
}

static int
set_user(struct options *o, const char *value)
{
	(void)value;
	o->socket = options_user_socket();
	o->fallback = NULL;
	if (o->socket)
		return 0;
	complain("--user needs $XDG_RUNTIME_DIR, an absolute path");
	return -ENOENT;
}

static enum json_mode
json_default(void)
{
	return isatty(STDOUT_FILENO) ? JSON_PRETTY : JSON_SHORT;
}

static int
set_j(struct options *o, const char *value)
{
	(void)value;
	o->json = json_default();
	return 0;
}

static int
set_json(struct options *o, const char *value)
{
	static const char *const modes[] = {
		[JSON_OFF] = "off",
		[JSON_PRETTY] = "pretty",
		[JSON_SHORT] = "short",
	};

	for (size_t i = 0; i < ARRAY_SIZE(modes); i++)
		if (strcmp(value, modes[i]) == 0) {
			o->json = (enum json_mode)i;
			return 0;
		}
	return -EINVAL;
}

static int
set_color(struct options *o, const char *value)
{
	static const char *const whens[] = {
		[TERM_AUTO] = "auto",
		[TERM_ALWAYS] = "always",
		[TERM_NEVER] = "never",
	};

	for (size_t i = 0; i < ARRAY_SIZE(whens); i++)
		if (strcmp(value, whens[i]) == 0) {
			o->colour = (enum term_when)i;
			return 0;
		}
	return -EINVAL;
}

static int
set_quiet(struct options *o, const char *value)
{
	(void)value;
	o->quiet = true;
	return 0;
}

static int
set_numeric(struct options *o, const char *value)
{
	(void)value;
	o->numeric = true;
	return 0;
}

static int
set_no_pager(struct options *o, const char *value)
{
	(void)value;
	o->no_pager = true;
	return 0;
}

static int
set_no_legend(struct options *o, const char *value)
{
	(void)value;
	o->no_legend = true;
	return 0;
}

static int
set_timeout(struct options *o, const char *value)
{
	return human_parse_span(value, &o->timeout_us) < 0 || o->timeout_us == 0
		   ? -EINVAL
		   : 0;
}

static int
set_ipv4(struct options *o, const char *value)
{
	(void)value;
	o->family = 4;
	return 0;
}

static int
set_ipv6(struct options *o, const char *value)
{
	(void)value;
	o->family = 6;
	return 0;
}

static int
set_interface(struct options *o, const char *value)
{
	o->interface = value;
	return *value ? 0 : -EINVAL;
}

int
options_port(const char *text, int64_t *ret)
{
	uint64_t port;

	if (strcmp(text, "auto") == 0) {
		*ret = 0;
		return 0;
	}
	if (text_to_uint(text, strlen(text), UINT16_MAX, &port) < 0)
		return -EINVAL;
	*ret = (int64_t)port;
	return 0;
}

static int
set_external(struct options *o, const char *value)
{
	return options_port(value, &o->external) < 0 || o->external == 0 ? -EINVAL : 0;
}

static int
set_exact(struct options *o, const char *value)
{
	(void)value;
	o->exact = true;
	return 0;
}

static int
set_for(struct options *o, const char *value)
{
	int64_t usec;

	if (human_parse_span(value, &usec) < 0 || usec < USEC_PER_SEC ||
	    usec / USEC_PER_SEC > UINT32_MAX)
		return -EINVAL;
	o->lifetime_s = usec / USEC_PER_SEC;
	return 0;
}

static int
set_permanent(struct options *o, const char *value)
{
	(void)value;
	o->permanent = true;
	return 0;
}

/* As natd takes it. */
#define NAME_MAX_BYTES 127

static int
set_name(struct options *o, const char *value)
{
	size_t len = strlen(value);
	_cleanup_(freep) char *copy = NULL;

	if (len > NAME_MAX_BYTES)
		return -EINVAL;
	copy = malloc(len + 1);
	if (!copy)
		return -ENOMEM;
	text_copy_printable(copy, len + 1, value, len);
	if (strcmp(copy, value) != 0)
		return -EINVAL;
	o->name = value;
	return 0;
}

static int
check_address(const char *value, const char **ret)
{
	struct addr address;

	if (addr_parse(value, &address) < 0 || address.scope != 0)
		return -EINVAL;
	*ret = value;
	return 0;
}

static int
set_internal_address(struct options *o, const char *value)
{
	return check_address(value, &o->internal_address);
}

static int
set_gateway(struct options *o, const char *value)
{
	return check_address(value, &o->gateway);
}

static int
set_method(struct options *o, const char *value)
{
	o->methods = value;
	return options_methods(value, NULL) < 0 ? -EINVAL : 0;
}

static int
set_hold(struct options *o, const char *value)
{
	(void)value;
	o->hold = true;
	return 0;
}

static int
set_port_file(struct options *o, const char *value)
{
	o->port_file = value;
	o->hold = true;
	return *value ? 0 : -EINVAL;
}

static int
set_on_change(struct options *o, const char *value)
{
	o->on_change = value;
	o->hold = true;
	return *value ? 0 : -EINVAL;
}

static int
set_porcelain(struct options *o, const char *value)
{
	(void)value;
	o->porcelain = true;
	return 0;
}

static int
set_write(struct options *o, const char *value)
{
	o->write = value;
	return *value ? 0 : -EINVAL;
}

static int
set_transport(struct options *o, const char *value)
{
	for (int t = 0; t < STUN_TRANSPORT_MAX; t++)
		if (strcmp(value, stun_transport_name((enum stun_transport)t)) == 0) {
			o->transport = t;
			return 0;
		}
	return -EINVAL;
}

static int
set_more(struct options *o, const char *value)
{
	(void)value;
	o->more = true;
	return 0;
}

#define SPAN "a span of time such as 90, 30s, 5min, 1h30min"

const struct option_row option_rows[] = {
	{ "help", 'h', NULL, NULL, set_help, NULL, "what natctl or the verb can do" },
	{ "version", 0, NULL, NULL, set_version, NULL, "print the version" },
	{ "socket", 'H', "PATH|ssh:HOST", NULL, set_socket, "a path or ssh:HOST",
	    "where natd listens ($NATD_SOCKET)" },
	{ "user", 0, NULL, NULL, set_user, NULL,
	    "ask this user's own natd, not the system's" },
	{ "json", 0, "MODE", NULL, set_json, "pretty, short or off",
	    "print natd's reply as it is: pretty, short, off" },
	{ NULL, 'j', NULL, NULL, set_j, NULL,
	    "--json=pretty on a terminal, else --json=short" },
	{ "quiet", 'q', NULL, NULL, set_quiet, NULL, "print only what scripts need" },
	{ "numeric", 'n', NULL, NULL, set_numeric, NULL, "user ids instead of names" },
	{ "no-pager", 0, NULL, NULL, set_no_pager, NULL, "no pager for long output" },
	{ "no-legend", 0, NULL, NULL, set_no_legend, NULL,
	    "tables without heading and count" },
	{ "color", 0, "WHEN", NULL, set_color, "auto, always or never",
	    "colours: auto, always, never" },
	{ "timeout", 0, "TIME", NULL, set_timeout, SPAN, "how long to wait for natd" },
	{ "ipv4", '4', NULL, "map gateways stun", set_ipv4, NULL, "IPv4 only" },
	{ "ipv6", '6', NULL, "map gateways stun", set_ipv6, NULL, "IPv6 only" },
	{ "interface", 'i', "IF", "map gateways", set_interface,
	    "the name of an interface", "only this network interface" },
	{ "external", 0, "PORT", "map", set_external, "a port number, 1 to 65535",
	    "the external port to ask for" },
	{ "exact", 0, NULL, "map", set_exact, NULL,
	    "fail rather than accept another external port" },
	{ "for", 0, "TIME", "map", set_for, SPAN ", at least 1s",
	    "how long the mapping is wanted" },
	{ "permanent", 0, NULL, "map", set_permanent, NULL,
	    "until unmapped, across restarts (privileged)" },
	{ "name", 0, "TEXT", "map", set_name,
	    "at most 127 bytes of text without control characters", "a description" },
	{ "internal-address", 0, "ADDRESS", "map", set_internal_address,
	    "an IP address", "map to another host (privileged)" },
	{ "gateway", 0, "ADDRESS", "map", set_gateway, "an IP address",
	    "only this gateway" },
	{ "method", 0, "METHOD,...", "map", set_method,
	    "a list of pcp, nat_pmp, igd2, igd1, igd_pinhole, direct",
	    "only these methods, the best first" },
	{ "hold", 0, NULL, "map", set_hold, NULL,
	    "keep the mapping while natctl or COMMAND runs" },
	{ "port-file", 0, "FILE", "map", set_port_file, "the name of a file",
	    "hold, and keep the external port in FILE" },
	{ "on-change", 0, "COMMAND", "map", set_on_change, "a shell command",
	    "hold, and run COMMAND at each change" },
	{ "porcelain", 0, NULL, "list help", set_porcelain, NULL,
	    "lines of tab separated fields that stay the same" },
	{ "transport", 0, "TRANSPORT", "stun", set_transport, "udp, tcp, tls or dtls",
	    "how to reach the server: udp, tcp, tls, dtls" },
	{ "write", 0, "FILE", "metrics", set_write, "the name of a file",
	    "replace FILE in one step (node_exporter)" },
	{ "more", 0, NULL, "call", set_more, NULL, "print every reply of the method" },
};

const size_t option_rows_count = ARRAY_SIZE(option_rows);

int
options_methods(const char *list, struct natd_request *request)
{
	for (const char *at = list;;) {
		size_t len = strcspn(at, ",");
		char word[32];
		enum method method;

		if (len >= sizeof(word))
			return -EINVAL;
		memcpy(word, at, len);
		word[len] = '\0';
		for (char *c = word; *c; c++)
			*c = *c == '-' ? '_' : *c;
		if (method_from_name(word, &method) < 0)
			return -EINVAL;
		if (request)
			natd_request_add_method(request, word);
		if (at[len] == '\0')
			return 0;
		at += len + 1;
	}
}

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
	struct option longs[ARRAY_SIZE(option_rows) + 1] = { 0 };
	char letters[2 * ARRAY_SIZE(option_rows) + 3];
	bool given[ARRAY_SIZE(option_rows)] = { 0 };
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
