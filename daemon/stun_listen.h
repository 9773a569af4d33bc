/*
 * stun_listen.h - the sockets of the STUN server.  One that is parked is still bound:
 * who opens its address again gets it back, with what has come meanwhile.  So another
 * configuration, or another natd after a restart, goes on with the same sockets.
 */
#pragma once

#include "daemon/fdstore.h"
#include "proto/addr.h"

struct stun_listen; /* opaque */

/* Parks what the store kept (NULL: there is none; borrowed).  0 or -ENOMEM. */
int stun_listen_new(struct fdstore *store, struct stun_listen **ret);
/* Closes what is parked.  NULL is fine; returns NULL. */
struct stun_listen *stun_listen_free(struct stun_listen *l);

/* A bound socket, of SOCK_STREAM a listening one, or -errno.  The address may come
 * later than natd does, from DHCP. */
int stun_listen_open(struct stun_listen *l, int type, const struct endpoint *at);
void stun_listen_park(struct stun_listen *l, int fd);
/* Closes what is parked, for good. */
void stun_listen_clear(struct stun_listen *l);
