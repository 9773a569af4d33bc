/*
 * stun_binding.h - one STUN binding: found by asking a few servers, kept alive by
 * asking the one that answered, found again when that one falls silent.
 *
 * Servers join one after the other, 250 ms apart (RFC 8305 section 5: a family or a
 * server that is dead costs no more than that), and the first answer wins.  A keepalive
 * that is not answered for 2 s lets others join in the same way.  Whoever owns the
 * machine has the sockets: it does what stun_binding_next() says until that is
 * STUN_BINDING_WAIT, then sleeps until wake_at.  Every wake-up sends something, but the
 * last one of a search that nobody answers.
 *
 * Pure: time and random bytes are arguments.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/addr.h"
#include "proto/crypto.h"
#include "proto/rng.h"
#include "proto/stun_client.h"
#include "proto/util.h"

#define STUN_BINDING_ATTEMPTS 3
#define STUN_JOIN_MS 250        /* RFC 8305: Connection Attempt Delay */
#define STUN_SILENT_MS 2000     /* of a keepalive, until others are asked, too */
#define STUN_KEEPALIVE_MS 15000 /* while the lifetime of bindings is not known */
#define STUN_KEEPALIVE_MIN_MS 1000
#define STUN_KEEPALIVE_MAX_MS (10 * 60 * MSEC_PER_SEC)
#define STUN_SEARCH_MIN_MS (30 * MSEC_PER_SEC) /* between searches in vain */
#define STUN_SEARCH_MAX_MS (10 * 60 * MSEC_PER_SEC)

/* What all bindings share; borrowed. */
struct stun_chance {
	struct crypto_rng *ids;
	struct rng *rng; /* jitter */
};

enum stun_binding_phase {
	STUN_BINDING_SEARCHING, /* the keepalive is under way, or nothing is known */
	STUN_BINDING_KEPT,
	STUN_BINDING_RESTING, /* nobody answered */
};

struct stun_attempt {
	struct stun_client client;
	uint8_t server; /* the owner's number for it */
	bool open;      /* the owner has a socket for it */
	bool asking;
	bool leaving;  /* to be closed */
	bool failed;   /* to be told with closing */
	bool redirect; /* to be opened anew, to client.server */
};

/* Members are for reading. */
struct stun_binding {
	struct stun_attempt attempts[STUN_BINDING_ATTEMPTS];
	struct endpoint reflexive; /* ADDR_NONE: not known */
	struct endpoint server;    /* who said so */
	int8_t holder;             /* the attempt of that server, -1: none */
	uint8_t phase;
	uint8_t searches; /* in vain, in a row */
	bool told, lost;
	uint32_t interval_ms;
	msec_t due_at;  /* the next keepalive or search */
	msec_t join_at; /* when one more may join */
	msec_t wake_at;
};

enum stun_binding_act {
	STUN_BINDING_WAIT, /* until wake_at */
	/* Choose a server, open a socket to it, and say stun_binding_opened() or
	 * stun_binding_none(). */
	STUN_BINDING_OPEN,
	/* The same with the given server: another one sent us there.  The socket the
	 * slot has is closed before. */
	STUN_BINDING_REOPEN,
	STUN_BINDING_SEND,  /* buf on the socket of the slot */
	STUN_BINDING_CLOSE, /* the socket of the slot */
	STUN_BINDING_FOUND, /* reflexive is known, or another one */
	STUN_BINDING_LOST,  /* nobody answered; it is tried again later */
};

struct stun_binding_step {
	unsigned slot;
	unsigned server;    /* REOPEN, CLOSE: the owner's number */
	bool failed;        /* CLOSE: that server did not answer */
	struct endpoint to; /* REOPEN */
	uint8_t buf[STUN_HEADER_LEN];
};

/* interval_ms of keepalives is bounded to STUN_KEEPALIVE_MIN_MS..MAX_MS. */
void stun_binding_init(struct stun_binding *b, msec_t interval_ms, msec_t now);
void stun_binding_set_interval(struct stun_binding *b, msec_t interval_ms);

/* Something may have changed that the next keepalive would show: it is sent now. */
void stun_binding_hurry(struct stun_binding *b, msec_t now);

/* The network changed: everything is closed, found anew and told. */
void stun_binding_restart(struct stun_binding *b, msec_t now);

enum stun_binding_act stun_binding_next(struct stun_binding *b,
    const struct stun_chance *chance, msec_t now, struct stun_binding_step *ret);

/* There is a socket connected to this server; rtt may be NULL.  0, or -EIO: no random
 * bytes. */
int stun_binding_opened(struct stun_binding *b, const struct stun_chance *chance,
    unsigned slot, unsigned server, const struct endpoint *to,
    const struct stun_rtt *rtt, msec_t now);
/* The one that was just opened had the binding before: the others have the patience
 * with it that they have with a keepalive. */
void stun_binding_held(struct stun_binding *b, msec_t now);
/* No server is left to ask, or the one of REOPEN cannot be reached. */
void stun_binding_none(struct stun_binding *b, unsigned slot, msec_t now);
/* One that could not be asked before can be asked now: a name was resolved.  If others
 * are asked already it joins when the next one would. */
void stun_binding_more(struct stun_binding *b, msec_t now);

/* What came on the socket of the slot.  As stun_client_receive(). */
enum stun_client_outcome stun_binding_receive(struct stun_binding *b, unsigned slot,
    const struct stun_chance *chance, const uint8_t *buf, size_t len, msec_t now,
    struct stun_client_answer *ret);
/* The socket of the slot reported error. */
void stun_binding_error(struct stun_binding *b, unsigned slot, int error, msec_t now);
