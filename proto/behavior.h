/*
 * behavior.h - how the NAT on one way out behaves (RFC 5780, in the terms of RFC 4787):
 * mapping, filtering, hairpinning, port preservation; found out from a few STUN servers
 * in at most three seconds.
 *
 * Whoever owns the machine has the sockets, which have numbers: nothing may have been
 * sent from them before, since what a NAT lets in depends on what went out.  All tests
 * that do not disturb each other run at once:
 *
 *   FILTER+i asks the i-th server with two addresses to be answered from elsewhere; no
 *            socket has sent anything there so far
 *   MAIN     asks every server, and then the other address and port of those that have
 *            one; what it is seen as tells the mapping
 *   HAIRPIN  is found by asking a server, too; then it and MAIN call each other by the
 *            addresses that are seen outside
 *
 * That nothing comes back is the answer to some questions, and what loss looks like. So
 * silence is believed after eight questions, when others at the same time and then the
 * same from a socket whose filter is open were answered: then server and path work. The
 * more of those are lost, the longer that goes on.  Servers that differ, or too little
 * that came back, make a verdict unknown, never wrong.  With servers of one address
 * mapping is found by comparing them, filtering cannot be.
 *
 * RFC 5780 section 5 asks for not more than ten transactions per second: the first
 * second has a few more, which is what a verdict in three round trips costs.
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

#define BEHAVIOR_SERVERS 4
#define BEHAVIOR_FULL 2        /* servers with two addresses that are asked all */
#define BEHAVIOR_LIMIT_MS 2950 /* then there is a verdict */
#define BEHAVIOR_ROUND_MS 250  /* between two times a question is sent */
#define BEHAVIOR_CONTROLS 24
#define BEHAVIOR_PLAIN_SENDS 12
#define BEHAVIOR_MESSAGE_MAX 28 /* a header and CHANGE-REQUEST */

enum {
	BEHAVIOR_MAIN,
	BEHAVIOR_HAIRPIN,
	BEHAVIOR_FILTER,
	BEHAVIOR_SOCKETS = BEHAVIOR_FILTER + BEHAVIOR_FULL,
};

/* org.natd.NAT.TranslationBehavior, in its order. */
enum behavior {
	BEHAVIOR_UNKNOWN,
	BEHAVIOR_NONE, /* mapping only: the address outside is our own */
	BEHAVIOR_ENDPOINT_INDEPENDENT,
	BEHAVIOR_ADDRESS_DEPENDENT,
	BEHAVIOR_ADDRESS_AND_PORT_DEPENDENT,
	BEHAVIOR_MAX
};

/* "unknown", ... */
const char *behavior_name(enum behavior b);

struct behavior_result {
	enum behavior mapping, filtering;
	int8_t hairpinning, port_preservation; /* -1: not known, or there is no NAT */
	struct endpoint reflexive;             /* of MAIN; ADDR_NONE: nobody answered */
	struct endpoint server;                /* who said so */
};

enum behavior_ask_state {
	BEHAVIOR_UNASKED,
	BEHAVIOR_ASKING,
	BEHAVIOR_ANSWERED,
	BEHAVIOR_SILENT
};

/* A question that is sent until it is answered. */
struct behavior_ask {
	struct stun_id id;
	uint8_t state; /* enum behavior_ask_state */
	uint8_t sends;
	msec_t first_at, last_at;
	msec_t due_at;        /* MSEC_NEVER: not by itself */
	struct endpoint seen; /* as which the server saw us */
};

/* The questions to one server; bits of where they go to, and come back from. */
enum behavior_question {
	BEHAVIOR_PLAIN,
	BEHAVIOR_OTHER_IP, /* the rest only with two addresses */
	BEHAVIOR_OTHER_PORT,
	BEHAVIOR_OTHER_BOTH,
	BEHAVIOR_FILTER_PORT,
	BEHAVIOR_FILTER_BOTH,
	BEHAVIOR_QUESTIONS
};

/* One of the questions for comparison, each sent once. */
struct behavior_control {
	struct stun_id id;
	msec_t at;
	uint8_t change;
	bool answered;
};

struct behavior_server {
	struct endpoint primary, other; /* other: ADDR_NONE: none, or not known */
	int8_t filter;                  /* which FILTER socket, -1: none */
	bool broken;                    /* it does not do what RFC 5780 says */
	bool opened;                    /* MAIN has asked its other address */
	bool controlled;                /* and then for what FILTER wanted */
	uint8_t round, burst;           /* of questions about filtering */
	uint8_t controls_sent;
	msec_t round_at; /* the next round */
	msec_t open_at;  /* when FILTER has heard enough */
	msec_t rtt_ms;   /* the shortest; -1: not known */
	msec_t plain_at[BEHAVIOR_PLAIN_SENDS];
	struct behavior_ask asks[BEHAVIOR_QUESTIONS];
	struct behavior_control controls[BEHAVIOR_CONTROLS];
};

/* Members are for reading. */
struct behavior_machine {
	unsigned servers_count, full;
	struct behavior_server servers[BEHAVIOR_SERVERS];
	struct endpoint local[BEHAVIOR_SOCKETS];
	struct behavior_ask outside;     /* what HAIRPIN is seen as */
	struct behavior_ask calls[2];    /* MAIN to HAIRPIN and back */
	struct behavior_ask barriers[2]; /* before and behind them */
	int8_t hairpinning;
	bool hairpin_over, over;
	msec_t began_at, wake_at;
};

enum behavior_act {
	BEHAVIOR_WAIT, /* until wake_at */
	BEHAVIOR_SEND,
	BEHAVIOR_DONE, /* the result is there; once */
};

struct behavior_send {
	unsigned socket;
	struct endpoint to;
	size_t len;
	uint8_t buf[BEHAVIOR_MESSAGE_MAX];
};

/* n servers, 1 to BEHAVIOR_SERVERS, all of one family; local: of the sockets. */
void behavior_init(struct behavior_machine *b, const struct endpoint *servers,
    unsigned n, const struct endpoint local[static BEHAVIOR_SOCKETS], msec_t now);

/* To be called until it is not BEHAVIOR_SEND. */
enum behavior_act behavior_next(struct behavior_machine *b,
    const struct stun_chance *chance, msec_t now, struct behavior_send *ret);

/* A datagram that came to a socket.  All that has come is handed in before
 * behavior_next() at wake_at: what came in time must not be taken for silence because
 * its reader was late. */
void behavior_receive(struct behavior_machine *b, unsigned socket,
    const struct endpoint *from, const uint8_t *buf, size_t len, msec_t now);

/* What is known so far. */
void behavior_get_result(const struct behavior_machine *b, struct behavior_result *ret);

/* Whether any server answered, and how long it took (rtt_ms -1: it did not). */
bool
behavior_heard(const struct behavior_machine *b, unsigned server, msec_t *ret_rtt_ms);

/* A server with two addresses that does what RFC 5780 says: *ret; false: none. */
bool behavior_full_server(const struct behavior_machine *b, struct endpoint *ret);

/* ---- how many translators ---- */

struct behavior_path {
	int translators; /* -1: not known */
	int8_t carrier;  /* carrier-grade NAT: 0, 1; -1: not known */
};

/*
 * By comparing the host's address, the one that the router says it has outside
 * (ADDR_NONE: not known) and the one that STUN servers see (ADDR_NONE: not known).
 */
void behavior_path_of(const struct addr *host, const struct addr *router_external,
    const struct addr *reflexive, struct behavior_path *ret);
