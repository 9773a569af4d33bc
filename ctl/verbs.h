/*
 * verbs.h - verbs and options as tables: parsing, usage, completion and the test of the
 * man page read the same rows.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "ctl/ctl.h"

struct verb {
	const char *name;
	const char *arguments; /* for the usage */
	int min, max;          /* arguments after the verb */
	bool command;          /* takes "-- COMMAND..." */
	enum exit_code (*run)(struct ctl *ctl, int argc, char **argv);
	const char *help;
};

struct option_row {
	const char *name;     /* long; NULL: letter only */
	char letter;          /* 0: long only */
	const char *argument; /* NULL: none */
	const char *verbs;    /* "map gateways"; NULL: all */
	/* 0 or -EINVAL; value is NULL without an argument. */
	int (*set)(struct options *o, const char *value);
	const char *expects; /* what a value must be, for the message */
	const char *help;
};

extern const struct verb verbs[];
extern const size_t verbs_count;
#define OPTION_ROWS_MAX 64
extern const struct option_row option_rows[];
extern const size_t option_rows_count;
/* By exit code; NULL: there is no such code. */
extern const char *const exit_texts[CTL_EXIT_MAX];

/* NULL: there is no such verb. */
const struct verb *verb_find(const char *name);
bool option_is_for(const struct option_row *row, const struct verb *verb);

/* The verbs.  Each gets its arguments without its own name. */
enum exit_code verb_status(struct ctl *ctl, int argc, char **argv);
enum exit_code verb_list(struct ctl *ctl, int argc, char **argv);
enum exit_code verb_show(struct ctl *ctl, int argc, char **argv);
enum exit_code verb_gateways(struct ctl *ctl, int argc, char **argv);
enum exit_code verb_map(struct ctl *ctl, int argc, char **argv);
enum exit_code verb_unmap(struct ctl *ctl, int argc, char **argv);
enum exit_code verb_renew(struct ctl *ctl, int argc, char **argv);
enum exit_code verb_nat(struct ctl *ctl, int argc, char **argv);
enum exit_code verb_check(struct ctl *ctl, int argc, char **argv);
enum exit_code verb_verify(struct ctl *ctl, int argc, char **argv);
enum exit_code verb_monitor(struct ctl *ctl, int argc, char **argv);
enum exit_code verb_wait(struct ctl *ctl, int argc, char **argv);
enum exit_code verb_stun(struct ctl *ctl, int argc, char **argv);
enum exit_code verb_metrics(struct ctl *ctl, int argc, char **argv);
enum exit_code verb_reload(struct ctl *ctl, int argc, char **argv);
enum exit_code verb_call(struct ctl *ctl, int argc, char **argv);
enum exit_code verb_interface(struct ctl *ctl, int argc, char **argv);
enum exit_code verb_bridge(struct ctl *ctl, int argc, char **argv);
enum exit_code verb_help(struct ctl *ctl, int argc, char **argv);
