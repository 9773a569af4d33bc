/*
 * stun_client.h - one request to a STUN server and what becomes of it (RFC 8489
 * sections 6.2 and 6.3), and what a server's answers teach about its distance.
 *
 * The caller owns the message but for its id, so that any method and usage can be asked
 * this way; stun_client_binding() writes the common one.  Nothing that cannot be the
 * server's own answer ends a transaction: a wrong source, id or cookie, bytes that are
 * no STUN.  Only a waiting time out, or an error of the network, does.
 *
 * Pure: time and random bytes are arguments.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "proto/addr.h"
#include "proto/rng.h"
#include "proto/stun.h"
#include "proto/stun_uri.h"
#include "proto/util.h"

#define STUN_RTO_MS 500 /* to begin with, and the least (RFC 8489 section 6.2.1) */
#define STUN_RTO_MAX_MS 3000
#define STUN_RTO_JITTER_MS 50
#define STUN_SENDS_MAX 7       /* Rc */
#define STUN_LAST_WAIT 16      /* Rm: in RTO, after the last send */
#define STUN_RELIABLE_MS 39500 /* Ti */
#define STUN_REASON_MAX 64

/* Round trips to one server, by RFC 6298; zeroed: nothing is known. */
struct stun_rtt {
	int64_t smoothed_us, deviation_us;
	msec_t at; /* of the last sample */
};

/* Takes in a round trip of a request that was sent once (Karn's algorithm). */
void stun_rtt_add(struct stun_rtt *r, msec_t sample_ms, msec_t now);

/* STUN_RTO_MS to STUN_RTO_MAX_MS; what is older than 10 minutes does not count. */
msec_t stun_rtt_timeout(const struct stun_rtt *r, msec_t now);

/* One transaction; its members are for reading. */
struct stun_client {
	struct stun_id id;
	uint16_t method;
	uint8_t sends;
	bool reliable;
	bool redirected; /* the server is one that another server named */
	bool over;
	uint32_t rto_ms;
	struct endpoint server;
	msec_t began_at, due_at;
};

enum stun_client_act {
	STUN_CLIENT_WAIT, /* until due_at */
	STUN_CLIENT_SEND, /* the request, now; due_at is the next time */
	STUN_CLIENT_TIMED_OUT,
};

/* Begins a transaction that is due at once.  reliable: TCP or TLS, sent once.  rtt may
 * be NULL.  id comes from a generator that nobody can foresee. */
void stun_client_begin(struct stun_client *c, const struct stun_id *id, uint16_t method,
    const struct endpoint *server, bool reliable, const struct stun_rtt *rtt,
    msec_t now);

/* What to do now.  rng: for the jitter of the time after. */
enum stun_client_act
stun_client_poll(struct stun_client *c, struct rng *rng, msec_t now);

/* A Binding request without attributes (20 bytes): what the smallest answer answers. */
ssize_t stun_client_binding(const struct stun_client *c, uint8_t *buf, size_t size);

enum stun_client_outcome {
	STUN_CLIENT_IGNORED,   /* not this server's answer to this request */
	STUN_CLIENT_ANSWERED,  /* a success */
	STUN_CLIENT_TRY_OTHER, /* 300: alternate, which may be asked */
	STUN_CLIENT_REFUSED,   /* an error, or an answer that cannot be understood */
};

struct stun_client_answer {
	struct stun_msg msg;    /* borrows the caller's bytes */
	struct endpoint mapped; /* of a success; ADDR_NONE: it has none */
	/* An address in clear differs from the one under XOR: something on the path
	 * rewrites packets.  mapped is the one under XOR. */
	bool rewritten;
	struct endpoint alternate;
	uint16_t code;                /* of an error; 0: not understood */
	char reason[STUN_REASON_MAX]; /* printable */
	msec_t round_trip_ms;         /* -1: sent more than once, it may be either's */
};

/*
 * What a message from `from` (NULL: of a connected socket) means.  Anything but IGNORED
 * ends the transaction.  A success to a Binding request without an address is an answer
 * that cannot be understood.
 */
enum stun_client_outcome
stun_client_receive(struct stun_client *c, const uint8_t *buf, size_t len,
    const struct endpoint *from, msec_t now, struct stun_client_answer *ret);

/* ALTERNATE-DOMAIN beside it (RFC 8489 section 14.16): what the certificate of the
 * other server must be for.  False: there is none, it is that of this one. */
bool
stun_client_domain(const struct stun_client_answer *a, char ret[static STUN_HOST_MAX]);

/* The socket reported error (-errno).  Whether that ends the transaction: with a hard
 * error (RFC 1122 section 4.2.3.9), or any error of a reliable transport. */
bool stun_client_error(struct stun_client *c, int error);

/*
 * Whether a server at `asked` may send us to `alternate` (RFC 8489 section 10): same
 * family, another address, reachable on the internet, no port of another well-known
 * service.  A server cannot make us knock at our own or our neighbours' doors.
 */
bool
stun_client_may_follow(const struct endpoint *asked, const struct endpoint *alternate);
