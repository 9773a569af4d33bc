/*
 * metrics_http.h - the metrics over HTTP, on a socket that systemd passes.
 *
 * natd opens no TCP port of its own accord: natd-metrics.socket does, on the loopback
 * interface.  One request per connection, METRICS_HTTP_CONNECTIONS_MAX at a time, each
 * for METRICS_HTTP_MS at most; who comes when all places are taken waits in the
 * kernel's queue.
 */
#pragma once

#include "daemon/loop.h"

#define METRICS_HTTP_CONNECTIONS_MAX 8
#define METRICS_HTTP_MS (10 * MSEC_PER_SEC)

struct metrics_http; /* opaque */

/* text(ctx): the metrics of now in the text format 0.0.4, to be freed; NULL: none.
 * Takes the listening stream socket fd on success.  0, -EINVAL: not such a socket,
 * -errno. */
int metrics_http_new(struct loop *loop, int fd, char *(*text)(void *ctx), void *ctx,
    struct metrics_http **ret);
struct metrics_http *metrics_http_free(struct metrics_http *h);
