/*
 * tls.h - the client's side of TLS and DTLS, 1.2 and above, without sockets.
 *
 * mbedTLS 2.28 and 3.6 by the same source.  Bytes that came are fed in, bytes that are
 * to go are taken out; between them the machine does what it can and never waits.  The
 * certificate is always checked, against the name that was asked for.
 *
 * Pure: time and the random generator are arguments.  Two things are the library's own:
 * it looks at the calendar for the days of a certificate, and TLS 1.3 of mbedTLS 3.6
 * draws from the generator of its PSA part.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "proto/crypto.h"
#include "proto/util.h"

#define TLS_WHY_MAX 128
#define TLS_INPUT_MAX 8192 /* bytes to be fed at a time */

/* Where Debian has the authorities of the system. */
#define TLS_AUTHORITIES "/etc/ssl/certs/ca-certificates.crt"

struct tls;       /* opaque: one connection */
struct tls_trust; /* opaque: the authorities a certificate is checked with */

/* From a file of PEM certificates; those that cannot be read do not count.  0;
 * -ENODATA: there is no such file, or nothing in it; -ENOMEM. */
int tls_trust_load(const char *path, struct tls_trust **ret);
/* NULL is fine; returns NULL.  All connections that use it are gone before. */
struct tls_trust *tls_trust_free(struct tls_trust *t);
DEFINE_FREEP(tls_trust)

struct tls_params {
	struct tls_trust *trust; /* borrowed for as long as the connection lives */
	struct crypto_rng *rng;  /* borrowed, too */
	const char *host;        /* what the certificate must be for; copied */
	bool datagrams;          /* DTLS */
};

/* The first flight waits in tls_output().  0, -ENOMEM or -EIO. */
int tls_new(const struct tls_params *p, msec_t now, struct tls **ret);
struct tls *tls_free(struct tls *t);
DEFINE_FREEP(tls)

/*
 * What came: a piece of the stream, or one datagram, of at most TLS_INPUT_MAX bytes;
 * copied.  tls_read() until it returns 0 before feeding more.  0; -EBADE: not the right
 * certificate; -EPROTO: no agreement on anything secure; -ECONNRESET: the other side
 * ended it; -ENOBUFS: nobody read.  After an error tls_why() says more, and what waits
 * in tls_output() (an alert) should still go.
 */
int tls_feed(struct tls *t, const void *bytes, size_t len, msec_t now);

/* When tls_tick() wants to be called, for a flight of DTLS that may be lost;
 * MSEC_NEVER: not.  tls_tick() returns as tls_feed(), or -ETIMEDOUT. */
msec_t tls_due(const struct tls *t);
int tls_tick(struct tls *t, msec_t now);

/* Whether the handshake is over. */
bool tls_is_open(const struct tls *t);

/* One message, once it is open: one record, one datagram.  0, -ENOBUFS or -EPROTO. */
int tls_write(struct tls *t, const void *bytes, size_t len);
/* Some bytes, of DTLS one datagram's; 0: nothing more for now; -ECONNRESET, -EPROTO. */
ssize_t tls_read(struct tls *t, void *buf, size_t size);
/* Says goodbye, into tls_output(). */
void tls_goodbye(struct tls *t);

/* What is to be sent, of DTLS one datagram; 0: nothing.  Valid until the next call. */
size_t tls_output(const struct tls *t, const uint8_t **ret);
/* So many of these bytes were sent; of a datagram: it was. */
void tls_sent(struct tls *t, size_t n);

/* What the last error means, as the end of a sentence for people; "": nothing more. */
const char *tls_why(const struct tls *t);
