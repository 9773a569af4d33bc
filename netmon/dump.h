/*
 * dump.h - the rtnetlink sockets: one that listens, one that asks for whole tables.
 *
 * Two, so that an answer never has to be picked out of a storm of notifications.
 */
#pragma once

#include "netmon/netmon.h"
#include "netmon/table.h"

/* How often a dump that the kernel calls interrupted is asked for in a row. */
#define NETMON_DUMP_TRIES 3

/*
 * A non-blocking, close-on-exec socket that hears of links, addresses, routes, rules
 * and neighbours, less what a filter in the kernel drops unseen: routes that are not
 * wide, neighbours of bridges.  receive_bytes: best effort.  The descriptor or -errno.
 */
int netmon_listen(int receive_bytes);

/* A close-on-exec socket for netmon_dump(), which waits a bounded time.  Or -errno. */
int netmon_asker(void);

/*
 * Read one table anew and append its rows to `fresh` (emptied first), those which
 * `wanted` accepts.  *seq is counted on per request; *ret_seen is increased by the
 * number of rows the kernel sent.  0; -EINTR: interrupted NETMON_DUMP_TRIES times;
 * other -errno, after which the socket must be closed.
 */
int netmon_dump(int fd, uint32_t *seq, enum netmon_subject subject,
    bool (*wanted)(void *ctx, const struct netmon_report *report), void *ctx,
    struct netmon_tables *fresh, size_t *ret_seen);
