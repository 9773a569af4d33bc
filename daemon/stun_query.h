/*
 * stun_query.h - one Binding request over TCP, TLS or DTLS.
 *
 * The addresses of the server join 250 ms apart (RFC 8305 section 5), and the first
 * answer wins.  The request itself has the time of RFC 8489 section 6.2.2; what comes
 * before it, connecting and the handshake, has STUN_QUERY_MS.
 */
#pragma once

#include "daemon/loop.h"
#include "daemon/sock.h"
#include "proto/stun_binding.h"
#include "proto/stun_link.h"

#define STUN_QUERY_MS (10 * MSEC_PER_SEC)
#define STUN_QUERY_ADDRESSES 8

struct stun_query; /* opaque */

struct stun_query_params {
	enum stun_transport transport; /* but UDP */
	const char *host;              /* what the certificate must be for; borrowed */
	const struct endpoint *list;   /* of one family, in the order to be tried */
	size_t count;                  /* of which STUN_QUERY_ADDRESSES are */
	struct sock_from from;         /* ifname is borrowed until the end */
	struct tls_trust *trust;       /* borrowed, too; TCP: NULL */
};

struct stun_query_answer {
	struct endpoint server, local, mapped;
	msec_t round_trip_ms; /* -1: not known */
};

/* error 0 with the answer; or -errno, and why for people, as the end of a sentence. */
typedef void (*stun_query_done)(
    int error, const char *why, const struct stun_query_answer *answer, void *ctx);

/* 0 with *ret, or -errno.  done is never called from here; the query is gone when it
 * is. */
int stun_query_start(struct loop *loop, const struct stun_chance *chance,
    const struct stun_query_params *p, stun_query_done done, void *ctx,
    struct stun_query **ret);
/* Ends it without calling done.  NULL is fine; returns NULL. */
struct stun_query *stun_query_cancel(struct stun_query *q);
