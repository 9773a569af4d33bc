/*
 * stun_stream.h - the TCP connections of the STUN server: a few, none for long.
 *
 * When all places are taken, the connection that was silent longest makes room: a
 * client needs one round trip, who only sits there loses its place.
 */
#pragma once

#include "daemon/loop.h"
#include "proto/addr.h"
#include "proto/stun_server.h"

#define STUN_STREAMS_MAX 64
#define STUN_STREAM_IDLE_MS (10 * MSEC_PER_SEC)

struct stun_streams;

/* Answers one frame into out, which may hold STUN_SERVER_MESSAGE_MAX bytes; 0: not
 * answered. */
typedef size_t stun_stream_serve(void *listener, const struct endpoint *from,
    const uint8_t *frame, size_t len, uint8_t *out);

/* 0 or -ENOMEM. */
int stun_streams_new(
    struct loop *loop, stun_stream_serve *serve, struct stun_streams **ret);
struct stun_streams *stun_streams_free(struct stun_streams *s);

/* Accepts what waits on fd; listener goes to serve().  0, or -errno if there are no
 * descriptors or no memory for more. */
int stun_streams_accept(struct stun_streams *s, int fd, void *listener);
