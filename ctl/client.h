/*
 * client.h - natctl's connection: libnatd, through ssh where natd is elsewhere.
 *
 * One connection, one call at a time; libnatd speaks the protocol.  Nothing here
 * prints.
 *
 * A socket is a path, or "ssh:HOST": then "ssh -T -- HOST natctl bridge" runs as a
 * child and its stdin and stdout are the connection.
 */
#pragma once

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/util.h"

#define CLIENT_SSH_PREFIX "ssh:"

struct client; /* opaque */

struct reply {
	char *error;       /* full name; NULL: no error */
	cJSON *parameters; /* an object, never NULL */
	bool continues;
	/* As they came: the parameters ("{}" if there were none), the whole message. */
	char *parameters_text, *text;
};

/* Now, CLOCK_BOOTTIME. */
msec_t client_now(void);

/* Connects; waits at most patience_ms.  0 or -errno of connect(2); -EINVAL: not a
 * usable address; -ENAMETOOLONG: no Unix socket can have this path. */
int client_open(const char *socket, msec_t patience_ms, struct client **ret);
struct client *client_close(struct client *c);
void client_closep(struct client **c);

/* Sends one call.  method: of org.natd.NAT, or a full name; parameters: JSON text of an
 * object; fd: goes with it and stays the caller's, -1: none.  0 or -errno; a peer that
 * went away shows when the reply is read. */
int client_call(
    struct client *c, const char *method, const char *parameters, bool more, int fd);

/* natd is on this host, not behind ssh. */
bool client_is_local(const struct client *c);

/*
 * Waits for the next reply until the deadline (MSEC_NEVER: forever).
 * 0, -ETIMEDOUT, -ECONNRESET (closed before a whole reply came), -EBADMSG (not a
 * reply), -EMSGSIZE (longer than NATD_REPLY_MAX), -ENOMEM, or -errno of the socket.
 */
int client_receive(struct client *c, msec_t deadline, struct reply *ret);

/* For a loop of one's own: poll client_fd() for input, then client_take() until it
 * returns 0.  1: a reply; 0: none yet; or as client_receive(). */
int client_fd(const struct client *c);
int client_take(struct client *c, struct reply *ret);

void reply_done(struct reply *reply);

/* ssh: the child's exit status (waits for it), -1 if it was killed by a signal or the
 * socket is a local one. */
int client_ssh_status(struct client *c);
