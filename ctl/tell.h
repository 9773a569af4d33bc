/*
 * tell.h - what "map --hold" tells others about its mapping: the port file, the command
 * of --on-change, the environment of COMMAND.
 *
 * A reconciler: it compares what is the case with what it last told, so whoever reads
 * always catches up with the latest state and never sees a queue of old ones.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "ctl/model.h"

#define TELL_ADDRESS_MAX 64

/* Where the port can be reached; up is false when it cannot. */
struct reach {
	bool up;
	char address[TELL_ADDRESS_MAX];
	unsigned port, internal_port;
	char protocols[PROTOCOLS_MAX];
};

struct tell {
	const char *port_file; /* borrowed; NULL: none */
	const char *on_change; /* borrowed; NULL: none */
	struct reach now;      /* what is the case, the last endpoint when not up */
	struct reach filed;    /* what the port file says */
	struct reach told;     /* what the last --on-change command was told */
	pid_t running;         /* of --on-change; 0: none */
};

/* A file left by somebody who was killed says nothing true: it is removed.
 * 0 or -errno. */
int tell_init(struct tell *t, const char *port_file, const char *on_change);

/* What is the case now: NULL is "not reachable".  0, or -errno of the port file, which
 * then is removed. */
int tell_update(struct tell *t, const struct reach *now);

/* A child ended, with this status of waitpid(); true if it was the one of --on-change.
 * Says so if it failed, and starts the next one if what is the case has changed
 * meanwhile. */
bool tell_reaped(struct tell *t, pid_t pid, int status);

/* Exports NATD_EXTERNAL_ADDRESS and the like in this process (a child about to exec).
 */
void tell_export(const struct reach *reach);

/* For a child: default signals, nothing blocked. */
void tell_reset_signals(void);

/* Whether the two are the same to a reader. */
bool reach_equal(const struct reach *a, const struct reach *b);
