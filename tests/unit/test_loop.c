/*
 * test_loop.c - deadlines fire in order, once, not early; nothing wakes an idle loop.
 *
 * Runs on the real clock: every test ends by a condition, with one guard timer that
 * fails it after ten seconds.  No test depends on how fast the machine is.
 */
#include <dirent.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <malloc.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/loop.h"

#define GUARD_MS 10000

static struct loop *loop;
static struct timer guard;

static void
on_guard(void *ctx)
{
	(void)ctx;
	fail_msg("nothing happened for %d ms", GUARD_MS);
}

static int
setup(void **state)
{
	(void)state;
	assert_int_equal(loop_new(&loop), 0);
	assert_int_equal(timer_init(&guard, loop, on_guard, NULL), 0);
	timer_set(&guard, loop_now() + GUARD_MS);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	timer_done(&guard);
	loop = loop_free(loop);
	return 0;
}

struct ticker {
	struct timer timer;
	msec_t want;
	unsigned fired;
	bool early;
};

static msec_t last_at;
static unsigned out_of_order, to_go;

static void
on_tick(void *ctx)
{
	struct ticker *t = ctx;

	t->fired++;
	t->early = t->early || loop_now() < t->want;
	out_of_order += t->want < last_at;
	last_at = t->want;
	if (--to_go == 0)
		loop_stop(loop);
}

/* A linear congruential generator: the same order in every run. */
static unsigned
next_random(void)
{
	static uint32_t x = 20261120;

	x = x * 1664525 + 1013904223;
	return x >> 8;
}

static void
deadlines_fire_once_in_order_and_never_early(void **state)
{
	enum { N = 2000 };
	struct ticker *t = calloc(N, sizeof(*t));
	msec_t start = loop_now();

	(void)state;
	assert_non_null(t);
	last_at = 0;
	out_of_order = 0;
	to_go = N / 2;
	for (unsigned i = 0; i < N; i++) {
		assert_int_equal(timer_init(&t[i].timer, loop, on_tick, &t[i]), 0);
		timer_set(&t[i].timer, start + next_random() % 150);
	}
	/* half of them are moved (up and down the heap), the others cleared */
	for (unsigned i = 0; i < N; i++) {
		t[i].want = start + next_random() % 150;
		if (i % 2 == 0)
			timer_set(&t[i].timer, t[i].want);
		else
			timer_clear(&t[i].timer);
	}
	assert_int_equal(loop_run(loop), 0);
	assert_int_equal(out_of_order, 0);
	for (unsigned i = 0; i < N; i++) {
		assert_int_equal(t[i].fired, i % 2 == 0);
		assert_false(t[i].early);
		assert_int_equal(t[i].timer.slot, 0);
		timer_done(&t[i].timer);
	}
	free(t);
}

static struct ticker *victim, *freed;

static void
on_clear_victim_and_free_owner(void *ctx)
{
	struct ticker *t = ctx;

	assert_int_equal(t->timer.slot, 0);
	timer_clear(&victim->timer);
	timer_done(&t->timer);
	freed = t;
	free(t);
}

static void
fire_may_free_its_owner_and_clear_another_due_timer(void **state)
{
	struct ticker *owner = calloc(1, sizeof(*owner));
	struct ticker other = { 0 }, last = { 0 };
	msec_t now = loop_now();

	(void)state;
	assert_non_null(owner);
	freed = NULL;
	victim = &other;
	to_go = 1;
	assert_int_equal(
	    timer_init(&owner->timer, loop, on_clear_victim_and_free_owner, owner), 0);
	assert_int_equal(timer_init(&other.timer, loop, on_tick, &other), 0);
	assert_int_equal(timer_init(&last.timer, loop, on_tick, &last), 0);
	timer_set(&owner->timer, now - 3);
	timer_set(&other.timer, now - 2);
	timer_set(&last.timer, now - 1);
	assert_int_equal(loop_run(loop), 0);
	assert_ptr_equal(freed, owner);
	assert_int_equal(other.fired, 0);
	assert_int_equal(last.fired, 1);
	timer_done(&other.timer);
	timer_done(&last.timer);
}

static unsigned again;
static int wake_pipe[2];

static void
on_again(void *ctx)
{
	struct timer *t = ctx;

	again++;
	assert_true(again < 100);
	if (again == 1)
		assert_int_equal(write(wake_pipe[1], "x", 1), 1);
	timer_set(t, 0);
}

static void
on_pipe(evutil_socket_t fd, short what, void *ctx)
{
	char c;

	(void)what;
	(void)ctx;
	assert_int_equal(read(fd, &c, 1), 1);
	loop_stop(loop);
}

static void
timer_always_due_does_not_keep_descriptors_waiting(void **state)
{
	struct timer t = { 0 };
	struct event *e;

	(void)state;
	again = 0;
	assert_int_equal(pipe(wake_pipe), 0);
	e = event_new(
	    loop_base(loop), wake_pipe[0], EV_READ | EV_PERSIST, on_pipe, NULL);
	assert_non_null(e);
	assert_int_equal(event_add(e, NULL), 0);
	assert_int_equal(timer_init(&t, loop, on_again, &t), 0);
	timer_set(&t, 0);
	assert_int_equal(loop_run(loop), 0);
	assert_in_range(again, 1, 3);
	timer_done(&t);
	event_free(e);
	(void)close(wake_pipe[0]);
	(void)close(wake_pipe[1]);
}

static void
stop_before_run_is_not_lost_and_run_may_be_repeated(void **state)
{
	struct ticker t = { 0 };

	(void)state;
	loop_stop(loop);
	assert_int_equal(loop_run(loop), 0);
	to_go = 1;
	assert_int_equal(timer_init(&t.timer, loop, on_tick, &t), 0);
	t.want = loop_now() + 5;
	timer_set(&t.timer, t.want);
	assert_int_equal(loop_run(loop), 0);
	assert_int_equal(t.fired, 1);
	assert_false(t.early);
	timer_done(&t.timer);
}

static unsigned pipe_events;

static void
on_signal(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	(void)ctx;
	pipe_events++;
	loop_stop(loop);
}

/* Seconds for which the one timerfd of this process is set, as the kernel sees it. */
static double
timerfd_seconds(void)
{
	DIR *d = opendir("/proc/self/fdinfo");
	double found = -1;
	struct dirent *e;

	assert_non_null(d);
	while ((e = readdir(d)) != NULL) {
		char path[64], line[128];
		long long s, ns;
		FILE *f;

		(void)snprintf(
		    path, sizeof(path), "/proc/self/fdinfo/%.16s", e->d_name);
		f = fopen(path, "r");
		while (f != NULL && fgets(line, sizeof(line), f) != NULL)
			if (sscanf(line, "it_value: (%lld, %lld)", &s, &ns) == 2)
				found = (double)s + (double)ns / 1e9;
		if (f != NULL)
			(void)fclose(f);
	}
	(void)closedir(d);
	assert_true(found >= 0);
	return found;
}

static double seen_seconds;

static void
on_pipe_look(evutil_socket_t fd, short what, void *ctx)
{
	seen_seconds = timerfd_seconds();
	on_pipe(fd, what, ctx);
}

/* What the kernel's timer is set for while the loop waits. */
static double
seconds_while_waiting(void)
{
	assert_int_equal(write(wake_pipe[1], "x", 1), 1);
	assert_int_equal(loop_run(loop), 0);
	return seen_seconds;
}

static void
nothing_wakes_the_loop_when_nothing_is_due(void **state)
{
	struct ticker t = { 0 };
	struct event *e;

	(void)state;
	assert_int_equal(pipe(wake_pipe), 0);
	e = event_new(
	    loop_base(loop), wake_pipe[0], EV_READ | EV_PERSIST, on_pipe_look, NULL);
	assert_non_null(e);
	assert_int_equal(event_add(e, NULL), 0);
	timer_clear(&guard);
	assert_true(seconds_while_waiting() <= 0);
	assert_int_equal(timer_init(&t.timer, loop, on_tick, &t), 0);
	timer_set(&t.timer, loop_now() + 100000);
	assert_in_range(seconds_while_waiting(), 50, 100);
	timer_set(&t.timer, loop_now() + 900000); /* later than it was set for */
	assert_in_range(seconds_while_waiting(), 800, 900);
	timer_set(&guard, loop_now() + 300000);
	assert_in_range(seconds_while_waiting(), 200, 300);
	timer_clear(&guard);
	assert_in_range(seconds_while_waiting(), 800, 900);
	timer_set(&t.timer, MSEC_NEVER);
	assert_true(seconds_while_waiting() <= 0);
	timer_done(&t.timer);
	event_free(e);
	(void)close(wake_pipe[0]);
	(void)close(wake_pipe[1]);
}

static void
signals_reach_the_loop(void **state)
{
	struct event *e = event_new(
	    loop_base(loop), SIGUSR1, EV_SIGNAL | EV_PERSIST, on_signal, NULL);

	(void)state;
	pipe_events = 0;
	assert_non_null(e);
	assert_int_equal(event_add(e, NULL), 0);
	assert_int_equal(raise(SIGUSR1), 0);
	assert_int_equal(loop_run(loop), 0);
	assert_int_equal(pipe_events, 1);
	event_free(e);
}

static void
on_compute(void *ctx)
{
	struct rusage u;
	int64_t end = -1, now;

	(void)ctx;
	do {
		assert_int_equal(getrusage(RUSAGE_SELF, &u), 0);
		now = (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * INT64_C(1000000) +
		      u.ru_utime.tv_usec + u.ru_stime.tv_usec;
		if (end < 0)
			end = now + 60000;
	} while (now < end);
	loop_stop(loop);
}

static void
on_block(void *ctx)
{
	(void)ctx;
	(void)usleep(150000);
}

static msec_t
total_lag(void)
{
	msec_t longest = -1, total = -1;

	loop_lag(loop, &longest, &total);
	assert_in_range(longest, 0, total);
	return total;
}

static void
lag_counts_computing_and_blocking_and_not_waiting(void **state)
{
	struct timer busy = { 0 };
	struct ticker t = { 0 };
	msec_t before = 0;

	(void)state;
	assert_int_equal(timer_init(&t.timer, loop, on_tick, &t), 0);
	/* a deadline that was past when it was set is not late by that */
	to_go = 1;
	timer_set(&t.timer, loop_now() - 100000);
	assert_int_equal(loop_run(loop), 0);
	/* nor is the wait until a deadline; a loaded machine may be late, but not by so
	 * much each time */
	for (unsigned tries = 0;
	     tries == 0 || (tries < 5 && total_lag() - before > 200); tries++) {
		before = total_lag();
		to_go = 1;
		timer_set(&t.timer, loop_now() + 1000);
		assert_int_equal(loop_run(loop), 0);
	}
	assert_in_range(total_lag() - before, 0, 900);

	before = total_lag();
	assert_int_equal(timer_init(&busy, loop, on_compute, NULL), 0);
	timer_set(&busy, loop_now());
	assert_int_equal(loop_run(loop), 0);
	assert_true(total_lag() - before >= 50);

	/* due while another one blocks: late by what that one took */
	before = total_lag();
	to_go = 1;
	timer_done(&busy);
	assert_int_equal(timer_init(&busy, loop, on_block, NULL), 0);
	timer_set(&busy, loop_now());
	timer_set(&t.timer, loop_now() + 5);
	assert_int_equal(loop_run(loop), 0);
	assert_true(total_lag() - before >= 140);
	timer_done(&busy);
	timer_done(&t.timer);
}

static void
clocks_run_and_agree(void **state)
{
	msec_t now = loop_now();
	int64_t boot = loop_boottime_usec();
	struct timespec ts;

	(void)state;
	assert_in_range(boot / 1000 - now, 0, 1000);
	assert_int_equal(clock_gettime(CLOCK_BOOTTIME, &ts), 0);
	assert_in_range(
	    (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000 - now, 0, 1000);
	assert_in_range(loop_realtime_usec() / 1000000 - time(NULL) + 1, 0, 2);
}

static void
deadlines_at_the_ends_of_time_are_taken(void **state)
{
	struct ticker never = { 0 }, past = { 0 };

	(void)state;
	to_go = 1;
	assert_int_equal(timer_init(&never.timer, loop, on_tick, &never), 0);
	assert_int_equal(timer_init(&past.timer, loop, on_tick, &past), 0);
	timer_set(&never.timer, MSEC_NEVER - 1);
	timer_set(&past.timer, INT64_MIN);
	assert_int_equal(loop_run(loop), 0);
	assert_int_equal(past.fired, 1);
	assert_int_equal(never.fired, 0);
	/* alone in the heap, the far one is what the kernel's timer is set for */
	timer_clear(&guard);
	loop_stop(loop);
	assert_int_equal(loop_run(loop), 0);
	timer_done(&never.timer);
	timer_done(&past.timer);
}

static size_t
heap_bytes(void)
{
	struct mallinfo2 m = mallinfo2();

	return m.uordblks + m.hblkhd;
}

static void
done_timer_gives_its_place_back_and_zeroed_one_is_ignored(void **state)
{
	struct timer t = { 0 };
	size_t before = heap_bytes();

	(void)state;
	timer_done(&t);
	for (unsigned i = 0; i < 100000; i++) {
		assert_int_equal(timer_init(&t, loop, on_tick, NULL), 0);
		timer_set(&t, loop_now() + GUARD_MS);
		timer_done(&t);
	}
	assert_true(heap_bytes() - before < 10000);
	assert_null(t.loop);
	timer_done(&t);
}

struct watched {
	int fd;
	short what;
	unsigned calls;
};

static void
on_watched(int fd, short what, void *ctx)
{
	struct watched *w = ctx;

	*w = (struct watched) { fd, what, w->calls + 1 };
	loop_stop(loop);
}

/* Each turn, for as long as nobody reads; then another descriptor in its place. */
static void
a_descriptor_is_watched(void **state)
{
	struct watched first = { 0 }, second = { 0 };
	struct event *event = NULL;
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(write(fds[1], "x", 1), 1);
	assert_int_equal(
	    loop_watch(loop, fds[0], EV_READ, on_watched, &first, &event), 0);
	for (unsigned i = 1; i <= 2; i++) {
		assert_int_equal(loop_run(loop), 0);
		assert_int_equal(first.calls, i);
		assert_int_equal(first.fd, fds[0]);
		assert_int_equal(first.what, EV_READ);
	}
	assert_int_equal(
	    loop_watch(loop, fds[1], EV_WRITE, on_watched, &second, &event), 0);
	assert_int_equal(loop_run(loop), 0);
	assert_int_equal(first.calls, 2);
	assert_int_equal(second.fd, fds[1]);
	assert_int_equal(second.what, EV_WRITE);
	event_free(event);
	close(fds[0]);
	close(fds[1]);
}

/* Attack 25: select() writes beyond its set of 1024 descriptors. */
static void
a_high_descriptor_is_watched_whatever_the_environment_says(void **state)
{
	struct rlimit limit, high = { 2048, 2048 };
	struct watched w = { 0 };
	struct event *event = NULL;
	int fds[2], fd;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	high.rlim_max = MAX(high.rlim_max, limit.rlim_max);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &high), 0);
	assert_int_equal(pipe(fds), 0);
	fd = fcntl(fds[0], F_DUPFD, 1500);
	assert_true(fd >= 1500);
	assert_int_equal(write(fds[1], "x", 1), 1);
	assert_string_equal(event_base_get_method(loop_base(loop)), "epoll");
	assert_int_equal(loop_watch(loop, fd, EV_READ, on_watched, &w, &event), 0);
	assert_int_equal(loop_run(loop), 0);
	assert_int_equal(w.fd, fd);
	event_free(event);
	close(fd);
	close(fds[0]);
	close(fds[1]);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static int
setup_without_epoll(void **state)
{
	int r;

	setenv("EVENT_NOEPOLL", "1", 1);
	r = setup(state);
	unsetenv("EVENT_NOEPOLL");
	return r;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    deadlines_fire_once_in_order_and_never_early, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    fire_may_free_its_owner_and_clear_another_due_timer, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(
		    timer_always_due_does_not_keep_descriptors_waiting, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(
		    stop_before_run_is_not_lost_and_run_may_be_repeated, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(
		    nothing_wakes_the_loop_when_nothing_is_due, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    signals_reach_the_loop, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    lag_counts_computing_and_blocking_and_not_waiting, setup, teardown),
		cmocka_unit_test_setup_teardown(clocks_run_and_agree, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    a_descriptor_is_watched, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    a_high_descriptor_is_watched_whatever_the_environment_says,
		    setup_without_epoll, teardown),
		cmocka_unit_test_setup_teardown(
		    deadlines_at_the_ends_of_time_are_taken, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    done_timer_gives_its_place_back_and_zeroed_one_is_ignored, setup,
		    teardown),
	};

	return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
