/*
 * resolve.h - from the name of a server to its addresses, without ever waiting.
 *
 * c-ares on the event loop: SRV records first where the name has no port (RFC 8489
 * section 8.1), then A and AAAA side by side.  What has come is handed out 50 ms after
 * the first family (RFC 8305 section 3), and SRV records are waited for half a second,
 * so that a resolver that swallows one kind of question delays nobody much.  The
 * system's resolv.conf and hosts file are read for each resolution anew.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/loop.h"
#include "proto/addr.h"

#define RESOLVE_MAX 16                 /* addresses, in the order to be tried */
#define RESOLVE_MS (10 * MSEC_PER_SEC) /* then what there is has to do */

struct resolve; /* opaque: one resolution under way */

struct resolve_question {
	const char *host; /* copied; a name, or a literal, perhaps with a zone */
	uint16_t port;    /* 0: by SRV, else default_port */
	uint16_t default_port;
	const char *service; /* "_stun._udp"; NULL: no SRV */
	const char *servers; /* "192.0.2.1:53,..." in place of the system's; or NULL */
	msec_t limit_ms;     /* 0: RESOLVE_MS */
};

/*
 * error 0: n addresses are known so far; last: no more will come, and the resolution is
 * gone.  With last and none: -ENOENT: there is no such name, or it has no address;
 * -ETIMEDOUT: no answer; -EIO: an answer of no use.  Never called from
 * resolve_start().
 */
typedef void (*resolve_done)(
    int error, const struct endpoint *list, size_t n, bool last, void *ctx);

/* 0 with *ret, or -errno. */
int resolve_start(struct loop *loop, const struct resolve_question *q,
    resolve_done done, void *ctx, struct resolve **ret);

/* Ends it without calling done.  NULL is fine; returns NULL. */
struct resolve *resolve_cancel(struct resolve *r);
