/*
 * client.h - a Varlink client for natd: connect, call, read replies, strictly.
 *
 * One connection, one call at a time.  A reply is at most CLIENT_REPLY_MAX bytes; what
 * is not a reply of the protocol (other members, "continues" to a call without "more",
 * "error" together with "continues") is refused.  Nothing here prints.
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

#define CLIENT_REPLY_MAX (2 * 1024 * 1024) /* natd never sends half as much */
#define CLIENT_DEFAULT_SOCKET "/run/natd/org.natd.NAT"
#define CLIENT_SSH_PREFIX "ssh:"

struct client; /* opaque */

struct reply {
	const char *error;       /* full name, printable; NULL: no error */
	const cJSON *parameters; /* an object, never NULL */
	bool continues;
	/* As they came, inside text: "{}" if there were none. */
	const char *parameters_text;
	size_t parameters_len;

	cJSON *root; /* owned */
	char *text;  /* owned: the whole message */
	size_t len;
};

/* Now, CLOCK_BOOTTIME. */
msec_t client_now(void);

/* Connects; waits at most patience_ms.  0 or -errno of connect(2); -EINVAL: not a
 * usable address; -ENAMETOOLONG: no Unix socket can have this path. */
int client_open(const char *socket, msec_t patience_ms, struct client **ret);
struct client *client_close(struct client *c);
void client_closep(struct client **c);

/* Sends one call.  method: full name; parameters: JSON text of an object.  0 or -errno;
 * a peer that went away shows when the reply is read. */
int
client_call(struct client *c, const char *method, const char *parameters, bool more);

/*
 * Waits for the next reply until the deadline (MSEC_NEVER: forever).
 * 0, -ETIMEDOUT, -ECONNRESET (closed before a whole reply came), -EBADMSG (not a
 * reply), -EMSGSIZE (longer than CLIENT_REPLY_MAX), -ENOMEM, or -errno of the socket.
 */
int client_receive(struct client *c, msec_t deadline, struct reply *ret);

/* For a loop of one's own: poll client_fd() for input, client_fill() what there is,
 * client_take() until it returns 0.  client_take: 1 a reply, 0 none yet. */
int client_fd(const struct client *c);
int client_fill(struct client *c);
int client_take(struct client *c, struct reply *ret);

void reply_done(struct reply *reply);

/* ssh: the child's exit status (waits for it), -1 if it was killed by a signal or the
 * socket is a local one. */
int client_ssh_status(struct client *c);
