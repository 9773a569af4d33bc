/*
 * stun_tls.h - TLS and DTLS 1.2 and above over a connected socket, by mbedTLS 2.28 and
 * 3.6: the certificate is always checked, against the name that was asked for.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "proto/util.h"

struct stun_tls; /* opaque */

/* fd is borrowed and non-blocking.  The authorities are those of $SSL_CERT_FILE, or the
 * system's.  0; -ETIMEDOUT; -EBADE: no right certificate; -EPROTO: no agreement on
 * anything secure; -ENOENT: no authorities to check with; -errno of the socket. */
int stun_tls_open(
    int fd, bool datagrams, const char *host, msec_t deadline, struct stun_tls **ret);
struct stun_tls *stun_tls_close(struct stun_tls *t);

int stun_tls_send(struct stun_tls *t, const uint8_t *buf, size_t len);
/* Some bytes, or one datagram; -ETIMEDOUT, -ECONNRESET: closed, -errno. */
ssize_t
stun_tls_receive(struct stun_tls *t, uint8_t *buf, size_t size, msec_t deadline);

/* What the last failure means, for people; "" if it is one of the socket. */
const char *stun_tls_trouble(void);
