/*
 * callback.h - the listener for events of a UPnP router: the only TCP port that natd
 * ever opens, and only where "Events=yes" is configured.
 *
 * Bound to one address of this host, open to one address: the kernel drops what others
 * send to the port, so that to them it does not exist, and what gets through all the
 * same is closed before a byte is read.  Bounded in connections, bytes and time.
 */
#pragma once

#include "daemon/loop.h"
#include "daemon/sock.h"

#define CALLBACK_CONNECTIONS_MAX 4
#define CALLBACK_MS (5 * MSEC_PER_SEC) /* for one request and its answer */

struct callback; /* opaque */

/* One whole request, as gena_request_len() counts it; returns the HTTP status to
 * answer.  The callback must not be closed in it. */
typedef int (*callback_request)(const char *request, size_t len, void *ctx);

/* Listens on from->local and a port of the kernel's choice for connections from peer
 * (IPv4).  0 with *ret, or -errno. */
int
callback_open(struct loop *loop, const struct sock_from *from, const struct addr *peer,
    callback_request request, void *ctx, struct callback **ret);
/* With all connections.  NULL is fine; returns NULL. */
struct callback *callback_close(struct callback *c);
uint16_t callback_port(const struct callback *c);
