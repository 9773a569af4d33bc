/*
 * stun_batch.h - the datagrams of the STUN server: taken and answered many at a time, a
 * system call for many of them.
 *
 * What comes over UDP does not wait for anything: an answer that the kernel has no room
 * for is lost, and the client asks again.
 */
#pragma once

#include "proto/addr.h"
#include "proto/stun_server.h"
#include "proto/util.h"

struct event;
struct stun_batch; /* opaque: room for one batch */

/*
 * Answers one datagram into out, which has room for STUN_SERVER_MESSAGE_MAX bytes.  The
 * length of what goes back by the socket it came by, to the address it came from and to
 * *port, which is the sender's to begin with; 0: nothing.
 */
typedef size_t stun_batch_serve(void *ctx, const struct endpoint *from, msec_t now,
    const uint8_t *request, size_t len, uint8_t *out, uint16_t *port);

/* 0 or -ENOMEM. */
int stun_batch_new(struct stun_batch **ret);
/* NULL is fine.  Returns NULL. */
struct stun_batch *stun_batch_free(struct stun_batch *b);

/*
 * Serves what waits at the descriptor of a persistent event, so much of it that others
 * have their turn, too.  0; or -ENOMEM: the event could not be added again, see
 * stun_batch.c, and is to be added later.
 */
int stun_batch_run(
    struct stun_batch *b, struct event *event, stun_batch_serve *serve, void *ctx);
