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

#define STUN_TROUBLE_MAX TLS_WHY_MAX

struct stun_socket; /* opaque */

/* A socket connected to the address, or being so (of TCP and TLS); -errno. */
int stun_socket_connect(enum stun_transport transport, const struct endpoint *to);

/* Takes the connected socket, in any case; with TLS and DTLS waits for the handshake
 * until the deadline.  p->trust NULL: of UDP and TCP.  0; -ETIMEDOUT; or as
 * tls_feed(), with why the end of a sentence, or "". */
int stun_socket_open(int fd, const struct stun_link_params *p, msec_t deadline,
    char why[static STUN_TROUBLE_MAX], struct stun_socket **ret);
struct stun_socket *stun_socket_close(struct stun_socket *s);
void stun_socket_closep(struct stun_socket **s);

int stun_socket_send(struct stun_socket *s, const uint8_t *buf, size_t len);
/* One whole message.  Its length; -ETIMEDOUT: not until the deadline; -EBADMSG: no
 * frame of STUN; -ECONNRESET: closed; or another -errno. */
ssize_t
stun_socket_receive(struct stun_socket *s, uint8_t *buf, size_t size, msec_t deadline);
struct endpoint stun_socket_local(const struct stun_socket *s);
int stun_socket_fd(const struct stun_socket *s);
