/*
 * loop.c - the event loop: a heap of deadlines on one timerfd, libevent for the rest.
 *
 * timer_set() only moves the timer in the heap; the kernel's timer is set once before
 * each wait, if the earliest deadline is another than the one it is set for.  A timer
 * that is set again while deadlines are served waits for the next turn, so a chain of
 * timers due at once cannot keep descriptors waiting.
 */
#include "daemon/loop.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define NSEC_PER_MSEC INT64_C(1000000)
#define NSEC_PER_SEC INT64_C(1000000000)
#define HEAP_MIN 64

struct loop {
	struct event_base *base;
	struct event *timer_event;
	int timer_fd;
	bool stop;

	struct timer **heap; /* heap[0] is the earliest; timer->slot is index + 1 */
	size_t set, reserved, room;
	msec_t armed; /* what timer_fd is set for, MSEC_NEVER: nothing */
	bool firing;
	msec_t firing_now;

	int64_t asleep_ns; /* how long the machine was suspended since it was booted */
	msec_t late_ms;    /* how late this turn served a deadline, at most */
	int64_t longest_ns, total_ns;
};

static int64_t
clock_ns(clockid_t clock)
{
	struct timespec ts;

	(void)clock_gettime(clock, &ts);
	return (int64_t)ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

msec_t
loop_now(void)
{
	return clock_ns(CLOCK_BOOTTIME) / NSEC_PER_MSEC;
}

int64_t
loop_boottime_usec(void)
{
	return clock_ns(CLOCK_BOOTTIME) / 1000;
}

int64_t
loop_realtime_usec(void)
{
	return clock_ns(CLOCK_REALTIME) / 1000;
}

static void
heap_put(struct loop *l, size_t i, struct timer *t)
{
	l->heap[i] = t;
	t->slot = i + 1;
}

static void
heap_up(struct loop *l, size_t i, struct timer *t)
{
	while (i > 0 && l->heap[(i - 1) / 2]->at > t->at) {
		heap_put(l, i, l->heap[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	heap_put(l, i, t);
}

static void
heap_down(struct loop *l, size_t i, struct timer *t)
{
	for (size_t child; (child = 2 * i + 1) < l->set; i = child) {
		if (child + 1 < l->set && l->heap[child + 1]->at < l->heap[child]->at)
			child++;
		if (l->heap[child]->at >= t->at)
			break;
		heap_put(l, i, l->heap[child]);
	}
	heap_put(l, i, t);
}

/* t belongs near slot i: settles it upwards or downwards. */
static void
heap_settle(struct loop *l, size_t i, struct timer *t)
{
	if (i > 0 && l->heap[(i - 1) / 2]->at > t->at)
		heap_up(l, i, t);
	else
		heap_down(l, i, t);
}

int
timer_init(struct timer *t, struct loop *l, void (*fire)(void *ctx), void *ctx)
{
	if (l->reserved == l->room) {
		size_t room = l->room > 0 ? l->room * 2 : HEAP_MIN;
		struct timer **heap = reallocarray(l->heap, room, sizeof(*heap));

		if (heap == NULL)
			return -ENOMEM;
		l->heap = heap;
		l->room = room;
	}
	l->reserved++;
	*t = (struct timer) { .fire = fire, .ctx = ctx, .loop = l, .at = MSEC_NEVER };
	return 0;
}

void
timer_clear(struct timer *t)
{
	struct loop *l = t->loop;
	size_t i;

	t->at = MSEC_NEVER;
	if (t->slot == 0)
		return;
	i = t->slot - 1;
	t->slot = 0;
	l->set--;
	if (i < l->set)
		heap_settle(l, i, l->heap[l->set]);
}

void
timer_set(struct timer *t, msec_t at)
{
	struct loop *l = t->loop;

	if (at == MSEC_NEVER) {
		timer_clear(t);
		return;
	}
	if (l->firing && at <= l->firing_now)
		at = l->firing_now + 1;
	t->at = at;
	t->due = MAX(at, loop_now());
	if (t->slot == 0) {
		l->set++;
		heap_up(l, l->set - 1, t);
	} else {
		heap_settle(l, t->slot - 1, t);
	}
}

void
timer_done(struct timer *t)
{
	if (t->loop == NULL)
		return;
	timer_clear(t);
	t->loop->reserved--;
	t->loop = NULL;
}

static void
on_timer_fd(evutil_socket_t fd, short what, void *ctx)
{
	struct loop *l = ctx;
	uint64_t expirations;

	(void)what;
	(void)!read(fd, &expirations, sizeof(expirations));
	l->armed = MSEC_NEVER;
	l->firing = true;
	l->firing_now = loop_now();
	while (l->set > 0 && l->heap[0]->at <= l->firing_now) {
		struct timer *t = l->heap[0];

		l->late_ms = MAX(l->late_ms, l->firing_now - t->due);
		timer_clear(t);
		t->fire(t->ctx);
	}
	l->firing = false;
}

/* Sets the kernel's timer to the earliest deadline, or clears it. */
static int
loop_arm(struct loop *l)
{
	struct itimerspec when = { 0 };
	msec_t at = l->set > 0 ? MAX(l->heap[0]->at, 0) : MSEC_NEVER;

	if (at == l->armed)
		return 0;
	if (at != MSEC_NEVER) {
		when.it_value.tv_sec = (time_t)(at / MSEC_PER_SEC);
		/* all zero would clear it */
		when.it_value.tv_nsec = (long)(at % MSEC_PER_SEC * NSEC_PER_MSEC) + 1;
	}
	if (timerfd_settime(l->timer_fd, TFD_TIMER_ABSTIME, &when, NULL) < 0)
		return -errno;
	l->armed = at;
	return 0;
}

static void
loop_account(struct loop *l, int64_t cpu_ns)
{
	int64_t asleep_ns = clock_ns(CLOCK_BOOTTIME) - clock_ns(CLOCK_MONOTONIC);
	int64_t turn_ns = cpu_ns;

	/* After a suspend every deadline is late, and the loop is not to blame. */
	if (asleep_ns - l->asleep_ns < NSEC_PER_SEC / 10)
		turn_ns = MAX(cpu_ns, l->late_ms * NSEC_PER_MSEC);
	l->asleep_ns = asleep_ns;
	l->late_ms = 0;
	l->total_ns += turn_ns;
	l->longest_ns = MAX(l->longest_ns, turn_ns);
}

int
loop_run(struct loop *l)
{
	int64_t before = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	int r = 0;

	while (!l->stop && r == 0) {
		int64_t after;

		r = loop_arm(l);
		if (r == 0 && event_base_loop(l->base, EVLOOP_ONCE) < 0)
			r = -EIO;
		after = clock_ns(CLOCK_THREAD_CPUTIME_ID);
		loop_account(l, after - before);
		before = after;
	}
	/* Cleared here and not at the start: a stop that came before the run counts. */
	l->stop = false;
	return r;
}

void
loop_stop(struct loop *l)
{
	l->stop = true;
	(void)event_base_loopbreak(l->base);
}

struct event_base *
loop_base(struct loop *l)
{
	return l->base;
}

void
loop_lag(const struct loop *l, msec_t *ret_longest_ms, msec_t *ret_total_ms)
{
	*ret_longest_ms = l->longest_ns / NSEC_PER_MSEC;
	*ret_total_ms = l->total_ns / NSEC_PER_MSEC;
}

static struct event_base *
base_new(void)
{
	struct event_config *config = event_config_new();
	struct event_base *base = NULL;

	/* select() cannot watch descriptors above 1023; only epoll may be taken. */
	if (config != NULL && event_config_avoid_method(config, "poll") == 0 &&
	    event_config_avoid_method(config, "select") == 0 &&
	    event_config_set_flag(
		config, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_IGNORE_ENV) == 0)
		base = event_base_new_with_config(config);
	if (config != NULL)
		event_config_free(config);
	return base;
}

int
loop_watch(struct loop *l, int fd, short what,
    void (*ready)(int fd, short what, void *ctx), void *ctx, struct event **event)
{
	if (*event)
		event_free(*event);
	*event = event_new(l->base, fd, (short)(what | EV_PERSIST), ready, ctx);
	if (*event && event_add(*event, NULL) == 0)
		return 0;
	if (*event)
		event_free(*event);
	*event = NULL;
	return -ENOMEM;
}

DEFINE_FREEP(loop)

int
loop_new(struct loop **ret)
{
	_cleanup_(loop_freep) struct loop *l = calloc(1, sizeof(*l));
	int r;

	if (l == NULL)
		return -ENOMEM;
	l->armed = MSEC_NEVER;
	l->timer_fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	if (l->timer_fd < 0)
		return -errno;
	l->base = base_new();
	if (l->base == NULL)
		return -ENOMEM;
	r = loop_watch(l, l->timer_fd, EV_READ, on_timer_fd, l, &l->timer_event);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(l);
	return 0;
}

struct loop *
loop_free(struct loop *l)
{
	if (l == NULL)
		return NULL;
	if (l->timer_event != NULL)
		event_free(l->timer_event);
	if (l->base != NULL)
		event_base_free(l->base);
	if (l->timer_fd >= 0)
		(void)close(l->timer_fd);
	free(l->heap);
	free(l);
	return NULL;
}
