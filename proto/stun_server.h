/*
 * stun_server.h - the Binding service of STUN (RFC 8489), with the NAT behaviour usage
 * (RFC 5780) where there are two addresses: one request in, at most one answer out.
 *
 * With two addresses A1, A2 and two ports P1, P2 there are four sockets, numbered by
 * two bits, so that what CHANGE-REQUEST asks for is a number's bits turned over.  With
 * one address there is one socket, and whatever belongs to RFC 5780 is not understood:
 * the answer to a plain request is then 32 bytes.  Clients of RFC 3489 are answered in
 * their own terms (RFC 8489 section 11).
 *
 * Pure: no socket, clock, random source, allocation, and nothing is remembered.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/stun_server_auth.h"

#define STUN_SERVER_SOCKETS 4
#define STUN_SERVER_MESSAGE_MAX 2048 /* what a request or an answer may have */

/* The bits of a socket's number. */
enum { STUN_SERVER_PORT = 1, STUN_SERVER_ADDRESS = 2 };

struct stun_responder {
	struct endpoint local[STUN_SERVER_SOCKETS]; /* one family */
	bool two_addresses;                         /* RFC 5780; else local[0] only */
	struct stun_server_auth *auth; /* borrowed; NULL: everybody is answered */
	const char *software;          /* borrowed; NULL: no SOFTWARE */
};

struct stun_arrival {
	unsigned socket; /* it came to */
	struct endpoint from;
	bool stream; /* TCP: the answer goes back on the connection */
	msec_t now;
};

struct stun_reply {
	size_t len;
	unsigned socket; /* to send it from */
	struct endpoint to;
};

/* A responder at main, and with alternate (or NULL), which differs in address and port,
 * at four sockets. */
void stun_responder_init(struct stun_responder *r, const struct endpoint *main_,
    const struct endpoint *alternate);

/*
 * Answers one datagram or one frame of a stream into out.  Whether there is an answer:
 * what is no request for a Binding, or broken, gets none (section 6.3).  PADDING comes
 * back as long as it went: an answer is no amplifier.
 */
bool stun_responder_answer(const struct stun_responder *r,
    const struct stun_arrival *arrival, const uint8_t *buf, size_t len,
    uint8_t out[static STUN_SERVER_MESSAGE_MAX], struct stun_reply *ret);
