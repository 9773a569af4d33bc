/*
 * ctl.h - what every verb of natctl has in its hands: options, terminal, connection.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "ctl/client.h"
#include "ctl/term.h"

/* The contract with scripts; natctl.1 and "natctl help" say the same. */
enum exit_code {
	CTL_DONE = 0,
	CTL_FAILED = 1,
	CTL_USAGE = 2,
	CTL_UNREACHABLE = 3,
	CTL_DENIED = 4,
	CTL_NO_GATEWAY = 5,
	CTL_PORT_TAKEN = 6,
	CTL_TIMEOUT = 7,
	/* check and verify: how this host can be reached */
	CTL_PUNCHABLE = 10,
	CTL_SECOND_NAT = 11,
	CTL_NOT_REACHABLE = 12,
	CTL_UNKNOWN = 13,
	CTL_EXIT_MAX
};

enum json_mode { JSON_OFF, JSON_PRETTY, JSON_SHORT };

struct options {
	const char *socket;
	const char *fallback; /* tried when nobody listens at socket, or NULL */
	enum json_mode json;
	enum term_when colour;
	bool help, version, quiet, numeric, no_pager, no_legend, porcelain, more;
	unsigned family;       /* 0, 4 or 6 */
	const char *interface; /* NULL: any */
	int64_t timeout_us;    /* -1: the verb's own */

	/* map */
	int64_t external; /* -1: not given */
	int64_t lifetime_s;
	bool exact, permanent, hold;
	const char *name, *internal_address, *gateway, *methods, *port_file, *on_change;

	const char *write; /* metrics */
	bool refresh;      /* nat */
	int transport;     /* stun: enum stun_transport, -1: as SERVER says */

	char **command; /* what follows "--"; NULL: nothing */
};

struct ctl {
	struct options opt;
	struct term term;
	struct client *client; /* NULL: not connected */
};

#define CTL_INTERFACE "org.natd.NAT"

/* How long a call may take where --timeout doesn't say otherwise. */
#define CTL_PATIENCE_MS (30 * MSEC_PER_SEC)

/* Connects if there is no connection.  CTL_DONE, or a code after a message. */
enum exit_code ctl_connect(struct ctl *ctl);

/* One call to org.natd.NAT (a method's name with a dot in it is a full name) and its
 * first reply.  CTL_DONE: *ret is a good reply.  Otherwise the message has been printed
 * and *ret is empty. */
enum exit_code ctl_call(struct ctl *ctl, const char *method, const char *parameters,
    bool more, struct reply *ret);

/* ctl_call() that waits patience_ms rather than as long as the options say. */
enum exit_code ctl_call_within(struct ctl *ctl, const char *method,
    const char *parameters, bool more, msec_t patience_ms, struct reply *ret);

/* ctl_call_within() with a socket, which stays the caller's; if natd cannot use it (it
 * may live in another network namespace), with the parameters that do without. */
enum exit_code
ctl_call_passing(struct ctl *ctl, const char *method, const char *parameters,
    const char *without, int fd, msec_t patience_ms, struct reply *ret);

/* The next reply of a call with "more", in place of the last one.  CTL_DONE, or a code
 * after a message. */
enum exit_code ctl_next(struct ctl *ctl, msec_t deadline, struct reply *reply);

/* ctl_next() that says nothing when no reply came: -errno, -ETIMEDOUT at the deadline.
 */
int ctl_try_next(
    struct ctl *ctl, msec_t deadline, struct reply *reply, enum exit_code *ret_code);

/* Prints what a failed client_open(), client_call() or client_receive() means. */
enum exit_code ctl_failure(struct ctl *ctl, int error);

/* The patience of the options in ms. */
msec_t ctl_patience(const struct ctl *ctl);

/* "systemctl" or "systemctl --user", for messages. */
const char *ctl_systemctl(const struct ctl *ctl);

/* Over ssh: users and CLOCK_BOOTTIME of natd are not ours. */
bool ctl_is_remote(const struct ctl *ctl);

struct stamp;
/* Microseconds from now until the time; false: there is none. */
bool ctl_until(const struct ctl *ctl, const struct stamp *stamp, int64_t *ret_usec);

/* The reply has a member that is missing or wrong. */
enum exit_code ctl_bad_reply(const char *member);
