/*
 * lifetime.h - how long a NAT or firewall keeps a UDP binding that nobody uses (RFC
 * 5780 section 4.6); and, as there is time for it, whether fragments pass (3.5).
 *
 * Many sockets ask one server once and then keep still, each for another time; then an
 * asker has the server call each of them at the port it was seen at (RESPONSE-PORT).
 * So one wait tries a ladder of ages, and a second one the ages between the longest
 * that lived and the shortest that did not.  Who was not called is asked about eight
 * times, each with a question beside it that proves server and path; what is not sure
 * does not count.  The search takes some three times what it finds, in the background.
 *
 * Whoever owns the machine has the sockets, which have numbers.  Pure: time and random
 * bytes are arguments.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/addr.h"
#include "proto/stun.h"
#include "proto/stun_binding.h"
#include "proto/util.h"

#define LIFETIME_PROBES 16
#define LIFETIME_ASKER 0 /* sockets 1 to LIFETIME_PROBES are those that age */
#define LIFETIME_SOCKETS (1 + LIFETIME_PROBES)
#define LIFETIME_MAX_S 600 /* longer is as good as for ever */
#define LIFETIME_ASKS 16
#define LIFETIME_ROUNDS 3
#define LIFETIME_PADDING 1500 /* what has so much goes in fragments, there and back */
#define LIFETIME_MESSAGE_MAX (STUN_HEADER_LEN + 4 + LIFETIME_PADDING)
#define LIFETIME_FRAGMENTS LIFETIME_SOCKETS /* a probe of the asker's own */

enum lifetime_state {
	LIFETIME_UNUSED,
	LIFETIME_OPENING,
	LIFETIME_AGING,
	LIFETIME_ASKING,
	LIFETIME_ALIVE,
	LIFETIME_DEAD,
	LIFETIME_VOID, /* too little was heard */
};

struct lifetime_probe {
	uint8_t state; /* enum lifetime_state */
	bool fresh;    /* there is a socket for it */
	uint8_t sends, proofs;
	msec_t age_ms, due_at;
	struct stun_id id;
	struct endpoint seen;
	struct stun_id proof_ids[LIFETIME_ASKS];
	uint16_t proven; /* bits */
};

/* Members are for reading. */
struct lifetime {
	struct endpoint server, seen; /* seen: as what the asker is */
	struct lifetime_probe probes[LIFETIME_SOCKETS + 1];
	msec_t alive_ms, dead_ms; /* longest, shortest; dead 0: none */
	unsigned round;
	bool over, unsupported;
	msec_t wake_at;
};

enum lifetime_act {
	LIFETIME_WAIT,  /* until wake_at */
	LIFETIME_FRESH, /* a new socket for the number, from another port; then
			   lifetime_opened() */
	LIFETIME_SEND,
	LIFETIME_DONE, /* once */
};

struct lifetime_send {
	unsigned socket;
	struct endpoint to;
	size_t len;
	uint8_t buf[LIFETIME_MESSAGE_MAX];
};

/* server: does RFC 5780. */
void lifetime_init(struct lifetime *l, const struct endpoint *server, msec_t now);

/* To be called until it is LIFETIME_WAIT. */
enum lifetime_act lifetime_next(struct lifetime *l, const struct stun_chance *chance,
    msec_t now, struct lifetime_send *ret);

/* The socket is there, or cannot be had. */
void lifetime_opened(struct lifetime *l, unsigned socket, bool there);

/* All that has come is handed in before lifetime_next() at wake_at. */
void lifetime_receive(struct lifetime *l, unsigned socket, const struct endpoint *from,
    const uint8_t *buf, size_t len, msec_t now);

/* Whether fragments pass: 1, 0; -1: not known. */
int8_t lifetime_fragments(const struct lifetime *l);

/* Seconds a binding is sure to live, 1 to LIFETIME_MAX_S; 0: not known. */
unsigned lifetime_seconds(const struct lifetime *l);
