/*
 * stun_prove.h - whether a port outside leads to a socket inside, proven by a STUN
 * server that sends its answer there (RESPONSE-PORT of RFC 5780 section 7.5).
 *
 * What a NAT lets in depends on what went out, so three sockets have their parts:
 *
 *   ASK      asks the server
 *   CONTROL  has spoken to the place the answers come from, so that the NAT lets them
 *            in: the same question for its port is answered if server and path are fine
 *   TARGET   is what the port should lead to; it has never sent anything there
 *
 * Each round puts the question for the port and the same question for CONTROL's.  One
 * answer at the target proves that the port is open.  That it is closed is believed
 * after eight rounds, when most of the controls came: silence is what loss looks like,
 * too.
 *
 * The kernel of a router goes on letting in what it let in once, though the mapping is
 * gone (30 seconds with Linux).  So who proves the same port again takes answers from
 * another of the server's four places.
 *
 * Pure: time and random bytes are arguments.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/addr.h"
#include "proto/stun.h"
#include "proto/stun_binding.h"
#include "proto/util.h"

#define STUN_PROVE_ROUNDS 8
#define STUN_PROVE_CONTROLS 5    /* of them, to believe in silence */
#define STUN_PROVE_ROUND_MS 300  /* RFC 5780 section 5: ten requests per second */
#define STUN_PROVE_LEARN_MS 1500 /* for the first answer of each place */
#define STUN_PROVE_AGAIN_MS 250
#define STUN_PROVE_LAST_MS 600
#define STUN_PROVE_MESSAGE_MAX 40

enum stun_prove_socket { STUN_PROVE_ASK, STUN_PROVE_CONTROL, STUN_PROVE_TARGET };

/* Where answers come from: bits of CHANGE-REQUEST. */
enum stun_prove_place {
	STUN_PROVE_SAME = 0,
	STUN_PROVE_OTHER_PORT = 2,
	STUN_PROVE_OTHER_ADDRESS = 4,
	STUN_PROVE_OTHER_BOTH = 6,
};

enum stun_prove_verdict {
	STUN_PROVE_PENDING,
	STUN_PROVE_OPEN,
	STUN_PROVE_CLOSED,
	STUN_PROVE_UNSURE,      /* too much was lost */
	STUN_PROVE_SILENT,      /* the server does not answer at all */
	STUN_PROVE_UNSUPPORTED, /* it does not do RFC 5780, or not RESPONSE-PORT */
};

/* Members are for reading. */
struct stun_prove {
	struct endpoint server;
	struct endpoint place; /* answers come from there; ADDR_NONE: not known yet */
	enum stun_prove_place where;
	uint16_t port; /* to be proven */
	enum stun_prove_verdict verdict;
	struct endpoint seen;  /* ASK, by the server; ADDR_NONE: no answer yet */
	uint16_t control_port; /* CONTROL, as the place sees it; 0: no answer yet */
	bool ready;            /* the target's socket is there */
	unsigned rounds, controls;
	unsigned due; /* questions of this round that are still to be sent */
	msec_t phase_at, wake_at;
	struct stun_id learn, learn_place;
	struct stun_id ids[STUN_PROVE_ROUNDS][2]; /* control, target */
	bool heard[STUN_PROVE_ROUNDS];            /* controls */
};

struct stun_prove_send {
	enum stun_prove_socket socket;
	struct endpoint to;
	size_t len;
	uint8_t buf[STUN_PROVE_MESSAGE_MAX];
};

void stun_prove_init(struct stun_prove *p, const struct endpoint *server,
    enum stun_prove_place where, uint16_t port, msec_t now);

/* The place is known: from now on the target can be told apart.  To be called once
 * p->place is set and TARGET's socket is there to hear it. */
void stun_prove_begin(struct stun_prove *p, msec_t now);

/* Whether there is a datagram to be sent now; else what there is to do comes until
 * p->wake_at, or the verdict is there. */
bool stun_prove_next(struct stun_prove *p, const struct stun_chance *chance, msec_t now,
    struct stun_prove_send *ret);

/* What came on a socket.  All that came is handed in before stun_prove_next() at
 * wake_at. */
void stun_prove_receive(struct stun_prove *p, enum stun_prove_socket socket,
    const struct endpoint *from, const uint8_t *buf, size_t len, msec_t now);
