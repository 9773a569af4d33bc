/*
 * fetch.h - one HTTP exchange with a router: connect, one write, one response.
 *
 * Bounded in time (2 s to connect, 5 s in all) and in bytes; the connection closes with
 * the exchange.  Connects to the given address only; nothing in the response leads
 * anywhere.
 */
#pragma once

#include "daemon/loop.h"
#include "daemon/sock.h"
#include "proto/http.h"

struct fetch; /* opaque */

/* error 0: response is complete, borrowed for the call; else -errno: -ECONNREFUSED,
 * -ECONNRESET, -ETIMEDOUT, -EBADMSG, -EMSGSIZE, ...  The fetch is gone afterwards. */
typedef void (*fetch_done)(int error, const struct http_response *response, void *ctx);

/* request is copied.  0 with *ret, or -errno without having called done. */
int fetch_start(struct loop *loop, const struct sock_from *from,
    const struct endpoint *to, const void *request, size_t len, size_t body_max,
    fetch_done done, void *ctx, struct fetch **ret);

/* Ends it without calling done.  NULL is fine; returns NULL. */
struct fetch *fetch_cancel(struct fetch *f);
