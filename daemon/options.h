/*
 * options.h - the command line of natd, and the paths it means.
 */
#pragma once

#include <stdbool.h>

#include "daemon/log.h"
#include "daemon/paths.h"

struct options {
	const char *config, *socket, *state_dir; /* NULL: not given */
	bool user, check_config;
	bool has_log_level;
	enum log_level log_level;
};

/* -1: go on, else the exit code, after what was asked for or a message. */
int options_parse(int argc, char **argv, struct options *ret);

/* What the options say, else the paths of the system or, with --user, of the user.  0
 * or -errno after a message. */
int options_paths(const struct options *o, struct paths *ret);

/* Nobody has made a user's directories. */
void options_make_directories(const struct paths *paths);
