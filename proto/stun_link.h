/*
 * stun_link.h - one connection to a STUN server by UDP, TCP, TLS or DTLS, message by
 * message, without the socket (RFC 8489 section 6.2).
 *
 * Whoever has the connected socket writes what stun_link_output() gives, feeds what it
 * reads, and asks for messages after each feed.  A message that is sent before the
 * handshake is over waits for its end.
 *
 * Pure: time and the random generator are arguments.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "proto/crypto.h"
#include "proto/stun_uri.h"
#include "proto/tls.h"
#include "proto/util.h"

#define STUN_LINK_MESSAGE_MAX 2048
#define STUN_LINK_FEED_MAX TLS_INPUT_MAX

struct stun_link; /* opaque */

struct stun_link_params {
	enum stun_transport transport;
	/* For TLS and DTLS; see struct tls_params. */
	const char *host;
	struct tls_trust *trust;
	struct crypto_rng *rng;
};

/* For a socket that is connected.  0, -ENOMEM or -EIO. */
int stun_link_new(const struct stun_link_params *p, msec_t now, struct stun_link **ret);
struct stun_link *stun_link_free(struct stun_link *l);
DEFINE_FREEP(stun_link)

/* Whether messages go out at once: always but in a handshake. */
bool stun_link_is_open(const struct stun_link *l);

/* One message.  0; -ENOBUFS: others of it wait already; -EPROTO. */
int stun_link_send(struct stun_link *l, const uint8_t *buf, size_t len);
/* What is to be written: of UDP and DTLS one datagram; 0: nothing. */
size_t stun_link_output(const struct stun_link *l, const uint8_t **ret);
/* So many of these bytes were written; of a datagram: it was, or is lost. */
void stun_link_sent(struct stun_link *l, size_t n);

/* What was read, at most STUN_LINK_FEED_MAX bytes.  0, or an error as that of
 * tls_feed(). */
int stun_link_feed(struct stun_link *l, const void *bytes, size_t len, msec_t now);
/* The next whole message, at most STUN_LINK_MESSAGE_MAX bytes; its length; 0: none yet;
 * -EBADMSG: what came is no frame of STUN; -ECONNRESET, -EPROTO.  To be called until it
 * is 0. */
ssize_t stun_link_receive(struct stun_link *l, uint8_t *buf, size_t size);

/* As tls_due() and tls_tick(). */
msec_t stun_link_due(const struct stun_link *l);
int stun_link_tick(struct stun_link *l, msec_t now);

/* Says goodbye, into stun_link_output(). */
void stun_link_goodbye(struct stun_link *l);
/* See tls_why(). */
const char *stun_link_why(const struct stun_link *l);
