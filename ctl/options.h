/*
 * options.h - the command line as struct options.
 */
#pragma once

#include "ctl/ctl.h"
#include "ctl/verbs.h"
#include "lib/natd.h"

#define OPTIONS_ARGUMENTS_MAX 16

struct command_line {
	struct options opt;
	const struct verb *verb; /* NULL only with --help or --version */
	int argc;                /* arguments of the verb */
	char *argv[OPTIONS_ARGUMENTS_MAX];
};

/* Options may stand anywhere before "--".  CTL_DONE, or CTL_USAGE after a message. */
enum exit_code options_parse(int argc, char **argv, struct command_line *ret);

/* The socket of "natd --user", or NULL without an absolute $XDG_RUNTIME_DIR. */
const char *options_user_socket(void);

/* Words of MappingMethod with commas between, "-" for "_" allowed; added to the request
 * if there is one.  0 or -EINVAL. */
int options_methods(const char *list, struct natd_request *request);

/* "80" or "auto" (0); at most 65535.  0 or -EINVAL. */
int options_port(const char *text, int64_t *ret);

/* "ipv4", "ipv6" or NULL. */
const char *family_word(unsigned family);
