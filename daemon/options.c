/*
 * options.c - the command line of natd, and the paths it means.
 */
#include "daemon/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "proto/version.h"

enum option_id {
	OPT_USER = 256,
	OPT_CONFIG,
	OPT_SOCKET,
	OPT_STATE_DIR,
	OPT_LOG_LEVEL,
	OPT_CHECK
};

static const struct {
	struct option option;
	const char *help;
} option_rows[] = {
	{ { "user", no_argument, NULL, OPT_USER },
	    "             serve one user: paths below $XDG_RUNTIME_DIR and $HOME" },
	{ { "config", required_argument, NULL, OPT_CONFIG },
	    "=FILE      configuration, default " CONF_PATH },
	{ { "socket", required_argument, NULL, OPT_SOCKET },
	    "=PATH      control socket, default " PATHS_SYSTEM_SOCKET },
	{ { "state-dir", required_argument, NULL, OPT_STATE_DIR },
	    "=DIR    state, default $STATE_DIRECTORY or " PATHS_SYSTEM_STATE },
	{ { "log-level", required_argument, NULL, OPT_LOG_LEVEL },
	    "=LEVEL  error, warning, notice, info or debug" },
	{ { "check-config", no_argument, NULL, OPT_CHECK },
	    "     read the configuration, say what is wrong with it, exit" },
	{ { "version", no_argument, NULL, 'V' }, "          show the version" },
	{ { "help", no_argument, NULL, 'h' }, "             show this" },
};

static int
usage(FILE *f, int code)
{
	fprintf(f,
	    "usage: natd [OPTION...]\n\n"
	    "Keeps port mappings alive and answers on a control socket; see natd(8).\n"
	    "Stays in the foreground.\n\n");
	for (size_t i = 0; i < ARRAY_SIZE(option_rows); i++)
		fprintf(
		    f, "  --%s%s\n", option_rows[i].option.name, option_rows[i].help);
	return code;
}

int
options_parse(int argc, char **argv, struct options *ret)
{
	struct option list[ARRAY_SIZE(option_rows) + 1] = { 0 };
	int c;

	for (size_t i = 0; i < ARRAY_SIZE(option_rows); i++)
		list[i] = option_rows[i].option;
	while ((c = getopt_long(argc, argv, "hV", list, NULL)) != -1) {
		switch (c) {
		case OPT_USER:
			ret->user = true;
			break;
		case OPT_CONFIG:
			ret->config = optarg;
			break;
		case OPT_SOCKET:
			ret->socket = optarg;
			break;
		case OPT_STATE_DIR:
			ret->state_dir = optarg;
			break;
		case OPT_LOG_LEVEL:
			if (log_level_from_name(optarg, &ret->log_level) < 0) {
				fprintf(
				    stderr, "natd: \"%s\" is no log level\n", optarg);
				return EX_USAGE;
			}
			ret->has_log_level = true;
			break;
		case OPT_CHECK:
			ret->check_config = true;
			break;
		case 'V':
			printf("natd %s\n", NATD_VERSION);
			return 0;
		case 'h':
			return usage(stdout, 0);
		default:
			return usage(stderr, EX_USAGE);
		}
	}
	if (optind < argc) {
		fprintf(stderr, "natd: unexpected \"%s\"\n", argv[optind]);
		return EX_USAGE;
	}
	return -1;
}

int
options_paths(const struct options *o, struct paths *ret)
{
	const struct {
		const char *given;
		char *path;
	} rows[] = {
		{ o->config, ret->config },
		{ o->socket, ret->socket },
		{ o->state_dir, ret->state },
	};
	const char *missing = NULL;
	int r = 0;

	if (!o->user)
		paths_system(ret);
	else
		r = paths_user(ret, &missing);
	if (r == -ENOENT)
		log_error(
		    "$%s is not set to an absolute path, which --user needs", missing);
	for (size_t i = 0; i < ARRAY_SIZE(rows) && r == 0; i++)
		if (rows[i].given &&
		    snprintf(rows[i].path, PATH_MAX, "%s", rows[i].given) >= PATH_MAX)
			r = -ENAMETOOLONG;
	if (r == -ENAMETOOLONG)
		log_error("a path is too long");
	return r;
}

void
options_make_directories(const struct paths *paths)
{
	int r = paths_make_parent(paths->socket);

	/* Who uses them says what is wrong. */
	if (r == 0)
		r = paths_make(paths->state);
	if (r < 0)
		log_debug("cannot make a directory: %s", strerror(-r));
}
