/*
 * loop.h - the event loop: libevent for descriptors, CLOCK_BOOTTIME for every deadline.
 *
 * Deadlines are kept in one heap and served by one timerfd of CLOCK_BOOTTIME, so that
 * suspend counts and wall-clock steps do not, and so that nothing wakes the process
 * when no deadline is due.  The only file that reads the clock.
 */
#pragma once

#include <stdbool.h>

#include "proto/util.h"

struct event;
struct event_base;
struct loop; /* opaque */

/* Embedded in its owner, filled by timer_init().  fire runs once per
 * timer_set(), from the loop, with the timer already cleared; it may set it again, free
 * its owner, or set and clear any other timer. */
struct timer {
	void (*fire)(void *ctx);
	void *ctx;
	struct loop *loop;
	msec_t at;
	msec_t due;  /* at, or when it was set if that was later */
	size_t slot; /* 1-based place in the heap, 0: not set */
};

int loop_new(struct loop **ret);
/* All timers are done and all events freed before. */
struct loop *loop_free(struct loop *l);

/* Calls ready in each turn in which fd is `what`, EV_READ or EV_WRITE; *event, in place
 * of the one there was, is for event_free() or sock_close().  0, or -ENOMEM and *event
 * is NULL. */
int loop_watch(struct loop *l, int fd, short what,
    void (*ready)(int fd, short what, void *ctx), void *ctx, struct event **event);
/* For signals, and what is ready once. */
struct event_base *loop_base(struct loop *l);

/* Runs until loop_stop(), also one that came before; may be run again.  0 or -errno. */
int loop_run(struct loop *l);
void loop_stop(struct loop *l);

/* Milliseconds of CLOCK_BOOTTIME, and microseconds of both clocks for timestamps. */
msec_t loop_now(void);
int64_t loop_boottime_usec(void);
int64_t loop_realtime_usec(void);

/* Fills *t and reserves its place in the heap.  0 or -ENOMEM. */
int timer_init(struct timer *t, struct loop *l, void (*fire)(void *ctx), void *ctx);
/* Set (or move) the deadline; MSEC_NEVER clears.  Never fails: room was reserved by
 * timer_init().  From within fire, a deadline already past means the next turn. */
void timer_set(struct timer *t, msec_t at);
void timer_clear(struct timer *t);
/* Clears and gives the reserved room back; nothing happens to a zeroed timer. */
void timer_done(struct timer *t);

/* Longest and summed time one turn of the loop kept everybody else waiting, for
 * metrics: the processor time of the turn, or how late a deadline was served,
 * whichever is longer (libevent does not tell when its wait ended).  Suspend is not
 * counted. */
void loop_lag(const struct loop *l, msec_t *ret_longest_ms, msec_t *ret_total_ms);
