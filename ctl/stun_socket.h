/*
 * stun_socket.h - a socket to a STUN server and the link over it, for somebody who has
 * time to wait.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "proto/addr.h"
#include "proto/stun_link.h"
#include "proto/util.h"

struct stun_socket; /* opaque */

/* Begins to connect, and to shake hands with TLS and DTLS; never waits.  What p points
 * to is borrowed.  0 or -errno. */
int stun_socket_new(const struct endpoint *to, const struct stun_link_params *p,
    struct stun_socket **ret);
struct stun_socket *stun_socket_close(struct stun_socket *s);
void stun_socket_closep(struct stun_socket **s);

/* For somebody who waits for several: what poll() is to wait for, and until when; then
 * what is to be done.  0, or an error as of tls_feed() or the socket. */
int stun_socket_fd(const struct stun_socket *s);
short stun_socket_events(const struct stun_socket *s);
msec_t stun_socket_due(const struct stun_socket *s);
int stun_socket_turn(struct stun_socket *s, short revents);

/* Whether it is connected and the handshake over. */
bool stun_socket_is_open(const struct stun_socket *s);
/* What an error means, as the end of a sentence; "": nothing more than that. */
const char *stun_socket_why(const struct stun_socket *s);

int stun_socket_send(struct stun_socket *s, const uint8_t *buf, size_t len);
/* One whole message.  Its length; -ETIMEDOUT: not until the deadline; -EBADMSG: no
 * frame of STUN; -ECONNRESET: closed; or another -errno. */
ssize_t
stun_socket_receive(struct stun_socket *s, uint8_t *buf, size_t size, msec_t deadline);
struct endpoint stun_socket_local(const struct stun_socket *s);
