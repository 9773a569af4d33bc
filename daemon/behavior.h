/*
 * behavior.h - how the NATs in front of this host behave: proto/behavior.h with
 * sockets, one measurement per uplink and family, kept for five minutes and until the
 * network changes.
 *
 * Nothing is measured until somebody asks.
 */
#pragma once

#include "daemon/engine.h"
#include "daemon/stun.h"
#include "proto/behavior.h"

struct behaviors; /* opaque: the service */

#define BEHAVIOR_FRESH_MS (300 * MSEC_PER_SEC)

struct behavior_status {
	const char *ifname; /* borrowed */
	enum addr_family family;
	struct behavior_result result;
	struct behavior_path path;
	unsigned lifetime_s; /* of a binding; 0: not known */
	int8_t fragments;    /* whether they pass: 1, 0; -1: not known */
	int64_t realtime_us, boottime_us;
};

/* Told of each that is new or has changed; may call anything here but free. */
struct behavior_observer {
	struct behavior_observer *next;
	void (*changed)(struct behavior_observer *o, const struct behavior_status *st);
};

/* Somebody who waits.  Lives in its owner; in no list while `waiting` is false. */
struct behavior_query {
	struct behavior_query *next;
	char ifname[IF_NAMESIZE]; /* "": any */
	enum addr_family family;  /* ADDR_NONE: any */
	bool waiting;
	/* All that was to be measured is; never called from behaviors_ask(). */
	void (*done)(struct behavior_query *q);
};

/* engine and stun are borrowed.  0 or -errno. */
int behaviors_new(struct loop *loop, struct engine *engine, struct stun *stun,
    struct behaviors **ret);
/* Nobody waits any more. */
struct behaviors *behaviors_free(struct behaviors *b);

/* Measures what q names if that is not known or old, or with refresh in any case.
 * Whether there is something to wait for: else done is not called. */
bool behaviors_ask(struct behaviors *b, struct behavior_query *q, bool refresh);
void behaviors_forget(struct behaviors *b, struct behavior_query *q);

/* The i-th that is known; false: there are no more. */
bool behaviors_get(struct behaviors *b, size_t i, struct behavior_status *ret);
/* Why one of those that q names is not known; NULL: all are. */
const char *
behaviors_problem(const struct behaviors *b, const struct behavior_query *q);

void behaviors_observe(struct behaviors *b, struct behavior_observer *o);
void behaviors_unobserve(struct behaviors *b, struct behavior_observer *o);
