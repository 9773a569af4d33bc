/*
 * behavior_private.h - shared by behavior.c (who asks, what is known) and
 * behavior_look.c (one uplink's measurement).  Nobody else includes this.
 */
#pragma once

#include "daemon/behavior.h"
#include "proto/hops.h"

struct look;

/* A socket of a look that leaves by its uplink. */
struct look_socket {
	struct look *look;
	unsigned number;
	int fd; /* -1: closed */
	struct event *event;
	void (*received)(struct look *l, unsigned number, const struct endpoint *from,
	    const uint8_t *buf, size_t len);
	void (*after)(struct look *l); /* all that was there has been read */
};

enum look_phase { LOOK_IDLE, LOOK_NAMES, LOOK_MEASURING };

struct look {
	struct look *next;
	struct behaviors *all;
	struct netmon_uplink uplink;
	struct addr source;
	enum look_phase phase;
	const char *problem; /* why nothing is known; NULL */
	msec_t began_at;
	struct timer timer;
	struct look_socket sockets[BEHAVIOR_SOCKETS];
	unsigned servers[BEHAVIOR_SERVERS];
	struct behavior_machine machine;
	struct hop_watch *hop_watch; /* NULL: none is under way */
	bool hops_begun;             /* in this measurement */
	struct hops hops;            /* the last one that ended; seen ADDR_NONE: none */
	struct life *life;           /* the search for the lifetime of bindings; NULL */
	msec_t life_at;              /* when the last one began; 0: never */
	/* the last result */
	bool known;
	msec_t measured_at;
	unsigned generation; /* of the servers that were asked */
	struct behavior_status status, told;
};

struct behaviors {
	struct loop *loop;
	struct engine *engine;
	struct stun *stun;
	struct engine_observer engine_observer;
	struct behavior_observer *observers;
	struct behavior_query *queries;
	struct look *looks;
	struct crypto_rng *ids;
	struct rng rng;
	struct stun_chance chance;
	struct timer later; /* queries that are done; lifetimes anew */
};

/* behavior.c */

/* NULL: the uplink is gone. */
const struct gateway *look_gateway(const struct look *l);
/* Tells observers if there is news. */
void look_tell(struct look *l);
/* The watch is over; it is freed here. */
void hops_done(struct look *l, const struct hops *h);

/* behavior_look.c */
struct look *look_new(struct behaviors *b, const struct netmon_uplink *uplink);
struct look *look_free(struct look *l);
/* Measures, unless that is under way. */
void look_start(struct look *l);

/* behavior_socket.c */
/* 0 or -errno. */
int look_socket_open(struct look_socket *s, struct endpoint *ret_local);
void look_socket_close(struct look_socket *s);
/* What is there, at most. */
void look_socket_read(struct look_socket *s);

/* behavior_hops.c */
struct hop_watch; /* opaque */
/* Looks how far away the address is that a server sees.  What there is goes to
 * hops_done(). */
void hops_start(struct look *l, const struct addr *seen, const struct endpoint *server);
/* NULL is fine.  Returns NULL. */
struct hop_watch *hops_stop(struct hop_watch *w);

/* behavior_life.c */
struct life; /* opaque */
/* Begins the search behind a measurement, if there is something to find and the last
 * one was not lately. */
void life_start(struct look *l);
struct life *life_free(struct life *life);
/* The keepalives of bindings follow what is known of the way they take. */
void life_apply(const struct look *l);
