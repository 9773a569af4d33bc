/*
 * stun_link.h - one connection to a STUN server: UDP, TCP, TLS or DTLS, message by
 * message.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "proto/addr.h"
#include "proto/stun_uri.h"
#include "proto/util.h"

struct stun_link; /* opaque */

/* A socket connected to the address, or being so (of TCP and TLS); -errno. */
int stun_link_socket(enum stun_transport transport, const struct endpoint *to);

/* Takes the connected socket, in any case.  host is what the certificate of TLS and
 * DTLS must be for.  Waits for the handshake until the deadline.  0; -ETIMEDOUT;
 * -EBADE: the certificate is not right; -EPROTO: no agreement; or another -errno. */
int stun_link_open(int fd, enum stun_transport transport, const char *host,
    msec_t deadline, struct stun_link **ret);
struct stun_link *stun_link_close(struct stun_link *l);
void stun_link_closep(struct stun_link **l);

int stun_link_send(struct stun_link *l, const uint8_t *buf, size_t len);
/* One whole message.  Its length; -ETIMEDOUT: not until the deadline; -EBADMSG: no
 * frame of STUN; -ECONNRESET: closed; or another -errno. */
ssize_t
stun_link_receive(struct stun_link *l, uint8_t *buf, size_t size, msec_t deadline);
struct endpoint stun_link_local(const struct stun_link *l);
/* What the last error of TLS means, for people; "" if nothing more is known. */
const char *stun_link_trouble(void);
