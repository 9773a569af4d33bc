/*
 * stun_pool.h - the health of several STUN servers, which of them to ask, and what they
 * agree on.
 *
 * A server is a number from 0 on, given by who has the list.  No single server is
 * believed: an address is published when two that are independent say the same.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/addr.h"
#include "proto/rng.h"
#include "proto/stun_client.h"
#include "proto/util.h"

#define STUN_POOL_MAX 16
#define STUN_HISTORY 100 /* requests that count for the rate of success */
#define STUN_BREAK_AFTER 3
#define STUN_BREAK_MS (60 * MSEC_PER_SEC)
#define STUN_BREAK_MAX_MS (600 * MSEC_PER_SEC)
#define STUN_OPINION_MS (300 * MSEC_PER_SEC) /* how long an opinion counts */

enum stun_circuit {
	STUN_CIRCUIT_CLOSED,
	STUN_CIRCUIT_OPEN,      /* not asked */
	STUN_CIRCUIT_HALF_OPEN, /* one may ask */
};

/* "closed", ... */
const char *stun_circuit_name(enum stun_circuit c);

struct stun_health {
	struct stun_rtt rtt;
	uint64_t history[2]; /* a bit per request, the last one lowest: 1 answered */
	unsigned requests;   /* in history, at most STUN_HISTORY */
	unsigned failures_in_a_row;
	msec_t open_until; /* 0: closed */
	unsigned opened;   /* times in a row */
	bool probing;      /* the one of a half open circuit is under way */
};

/* What one server said about our address. */
struct stun_opinion {
	struct addr seen;   /* ADDR_NONE: nothing */
	struct addr server; /* who said it: two on one address are not independent */
	msec_t at;
};

struct stun_pool {
	unsigned count;
	struct stun_health servers[STUN_POOL_MAX];
	struct stun_opinion opinions[2][STUN_POOL_MAX]; /* IPv4, IPv6 */
};

/* count servers (at most STUN_POOL_MAX) of which nothing is known. */
void stun_pool_init(struct stun_pool *p, unsigned count);

/* Another network: failures and opinions of the old one mean nothing, round trips
 * neither.  The rate of success stays, for people. */
void stun_pool_network_changed(struct stun_pool *p);

/*
 * A server of the mask (bit i: server i) to ask now, or -1.  Those whose circuit is
 * closed first, of two drawn at random the nearer: hosts that start at the same time do
 * not all fall on one.  A server that is chosen counts as being asked until
 * stun_pool_answered() or stun_pool_failed(), or stun_pool_unused().
 */
int stun_pool_choose(struct stun_pool *p, uint32_t mask, struct rng *rng, msec_t now);

/* round_trip_ms -1: not known. */
void stun_pool_answered(
    struct stun_pool *p, unsigned server, msec_t round_trip_ms, msec_t now);
void stun_pool_failed(struct stun_pool *p, unsigned server, msec_t now);
/* It was chosen and then not needed; says nothing about it. */
void stun_pool_unused(struct stun_pool *p, unsigned server);

enum stun_circuit
stun_pool_circuit(const struct stun_pool *p, unsigned server, msec_t now);
/* Percent of the last STUN_HISTORY, -1: never asked. */
int stun_pool_success_rate(const struct stun_pool *p, unsigned server);

enum stun_agreement {
	STUN_UNKNOWN,   /* nobody said anything lately */
	STUN_UNCERTAIN, /* only one did, or they differ */
	STUN_AGREED,
};

/* A server, found at address from, says that ours is seen. */
void stun_pool_opinion(struct stun_pool *p, unsigned server, const struct addr *from,
    const struct addr *seen, msec_t now);

/* What the servers agree on: the address that most say and at least two do, on
 * different addresses themselves; a tie is none.  With STUN_UNCERTAIN *ret is what was
 * said last of what most say. */
enum stun_agreement stun_pool_agreement(
    const struct stun_pool *p, enum addr_family family, msec_t now, struct addr *ret);
