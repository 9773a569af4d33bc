/*
 * behavior_private.h - shared by behavior.c (who asks, what is known) and
 * behavior_look.c (one uplink's measurement).  Nobody else includes this.
 */
#pragma once

#include "daemon/behavior.h"

struct look_socket {
	struct look *look;
	unsigned number;
	int fd; /* -1: closed */
	struct event *event;
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
	/* the last result */
	bool known;
	msec_t measured_at;
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
	struct timer later; /* queries that are done */
};

/* behavior.c */

/* NULL: the uplink is gone. */
const struct gateway *look_gateway(const struct look *l);
/* Tells observers if there is news. */
void look_tell(struct look *l);

/* behavior_look.c */
struct look *look_new(struct behaviors *b, const struct netmon_uplink *uplink);
struct look *look_free(struct look *l);
/* Measures, unless that is under way. */
void look_start(struct look *l);
