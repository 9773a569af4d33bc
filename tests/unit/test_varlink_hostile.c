/*
 * test_varlink_hostile.c - clients that harm nobody but themselves.
 *
 * What is measured: other clients get their answers within bounded work, memory and
 * descriptors return to what they were.
 */
#include "tests/unit/varlink_toy.h"

#include <malloc.h>
#include <sys/resource.h>

#define ECHO_CALL "{\"method\":\"" TOY ".Echo\",\"parameters\":{\"text\":\"x\"}}"
#define ECHO_REPLY "{\"parameters\":{\"text\":\"x\"}}"
#define BIG_REPLY "{\"parameters\":{\"text\":\"\"}}"
#define WATCH "{\"method\":\"" TOY ".Watch\",\"more\":true}"
#define LATER "{\"method\":\"" TOY ".Later\"}"

static size_t
heap_bytes(void)
{
	struct mallinfo2 m = mallinfo2();

	return m.uordblks + m.hblkhd;
}

/* n calls in one piece; the caller frees it. */
static char *
many_calls(unsigned n, size_t *ret_len)
{
	char *text = malloc(n * sizeof(ECHO_CALL));

	assert_non_null(text);
	for (unsigned i = 0; i < n; i++)
		memcpy(text + i * sizeof(ECHO_CALL), ECHO_CALL, sizeof(ECHO_CALL));
	*ret_len = n * sizeof(ECHO_CALL);
	return text;
}

static void
client_that_pipelines_thousands_does_not_delay_another(void **state)
{
	struct client *greedy = client_new(), *modest = client_new();
	size_t len;
	char *calls = many_calls(1000, &len);

	(void)state;
	client_send(greedy, calls, len);
	client_send(greedy, calls, len);
	toy_turns(1);
	assert_in_range(toy_echoed, 1, 300); /* one turn is bounded */
	client_call(modest, LATER);
	toy_turn_until_held(1);
	assert_in_range(toy_echoed, 1, 600);
	varlink_reply_empty(toy_held[0]);
	client_expect(modest, "{\"parameters\":{}}");
	assert_in_range(toy_echoed, 1, 900);
	for (unsigned i = 0; i < 2000; i++)
		client_expect(greedy, ECHO_REPLY);
	client_free(greedy);
	client_free(modest);
	free(calls);
}

/* Timers too get their turn while work is left. */
static void
timers_are_served_between_the_turns_of_a_busy_client(void **state)
{
	struct client *greedy = client_new();
	struct timer soon = { 0 };
	size_t len;
	char *calls = many_calls(1000, &len);

	(void)state;
	client_send(greedy, calls, len);
	assert_int_equal(
	    timer_init(&soon, toy_loop, (void (*)(void *))loop_stop, toy_loop), 0);
	timer_set(&soon, loop_now());
	assert_int_equal(loop_run(toy_loop), 0);
	assert_in_range(toy_echoed, 0, 999);
	timer_done(&soon);
	client_free(greedy);
	free(calls);
}

/* F41, attack 23: a client that never reads. */
static void
client_that_never_reads_is_stopped_by_its_own_socket(void **state)
{
	struct client *deaf = client_new(), *other = client_new();
	char call[256];
	size_t before = heap_bytes();
	unsigned sent = 0;

	(void)state;
	(void)snprintf(call, sizeof(call),
	    "{\"method\":\"" TOY ".Big\",\"parameters\":{\"n\":%d}}", 100000);
	for (unsigned stuck = 0; stuck < 50; toy_turns(1)) {
		if (send(deaf->fd, call, strlen(call) + 1,
			MSG_DONTWAIT | MSG_NOSIGNAL) > 0) {
			sent++;
			stuck = 0;
		} else {
			stuck++;
		}
		assert_true(sent < 10000);
	}
	assert_true(heap_bytes() - before < 2 * VARLINK_OUTPUT_MAX);
	client_expect_alive(other);
	/* nothing is lost, once it reads */
	for (unsigned i = 0; i < sent; i++)
		assert_int_equal(
		    strlen(client_receive(deaf)), 100000 + strlen(BIG_REPLY));
	client_expect_alive(deaf);
	toy_turns(2);
	assert_true(heap_bytes() - before < 20000);
	client_free(deaf);
	client_free(other);
}

static unsigned drained;

static void
on_drain(struct varlink_call *c, void *ctx)
{
	(void)c;
	(void)ctx;
	drained++;
}

static cJSON *
event_of_size(size_t size)
{
	static char text[VARLINK_MESSAGE_MAX + 1];
	cJSON *event = cJSON_CreateObject();

	assert_true(size < sizeof(text));
	memset(text, 'x', size);
	text[size] = '\0';
	json_add_string(event, "text", text);
	return event;
}

static void
monitor_that_does_not_read_gets_enobufs_and_is_told_when_there_is_room(void **state)
{
	struct client *c = client_new();
	unsigned sent = 0, seen = 0;
	const char *got;
	int r;

	(void)state;
	drained = 0;
	client_call(c, WATCH);
	toy_turn_until_held(1);
	varlink_call_on_drain(toy_held[0], on_drain, NULL);
	assert_int_equal(
	    varlink_reply_continues(toy_held[0], event_of_size(VARLINK_MESSAGE_MAX)),
	    -EMSGSIZE);
	while ((r = varlink_reply_continues(toy_held[0], event_of_size(1000))) == 0) {
		sent++;
		toy_turns(1);
		assert_true(sent < 10000);
	}
	assert_int_equal(r, -ENOBUFS);
	assert_int_equal(
	    varlink_reply_continues(toy_held[0], event_of_size(1000)), -ENOBUFS);
	toy_turns(20);
	assert_int_equal(drained, 0);
	assert_int_equal(toy_ended, 0); /* slow is not dead */
	while (drained == 0) {
		got = client_receive(c);
		assert_non_null(got);
		assert_memory_equal(got, "{\"continues\":true,", 18);
		seen++;
	}
	assert_int_equal(drained, 1);
	assert_in_range(seen, 400, sent); /* not at the first byte that left */
	assert_int_equal(varlink_reply_continues(toy_held[0], event_of_size(1000)), 0);
	/* the last one fits however full the queue is */
	while (varlink_reply_continues(toy_held[0], event_of_size(1000)) == 0)
		sent++;
	varlink_reply(toy_held[0], event_of_size(VARLINK_OUTPUT_MAX / 5));
	for (sent++; seen < sent; seen++)
		assert_memory_equal(client_receive(c), "{\"continues\":true,", 18);
	assert_memory_equal(client_receive(c), "{\"parameters\":{\"text\":\"x", 23);
	assert_int_equal(drained, 1);
	client_free(c);
}

/* Each alone is within its limit; together they would hold 75 MiB. */
static void
hundred_monitors_that_do_not_read_share_a_limit(void **state)
{
	enum { N = 100 };
	struct varlink_settings settings = toy_settings();
	static struct client *c[N];
	size_t before;

	(void)state;
	(void)toy_teardown(NULL);
	settings.connections_max = N;
	toy_start(&settings);
	for (unsigned i = 0; i < N; i++) {
		c[i] = client_new();
		client_call(c[i], WATCH);
	}
	toy_turn_until_held(N);
	before = heap_bytes();
	for (unsigned i = 0; i < N; i++)
		while (varlink_reply_continues(toy_held[i], event_of_size(10000)) == 0)
			toy_turns(1);
	assert_true(heap_bytes() - before < 48 * 1024 * 1024);
	for (unsigned i = 0; i < N; i++) {
		assert_non_null(client_receive(c[i]));
		client_free(c[i]);
	}
	toy_turn_until_connections(0);
	/* and it is theirs only as long as they wait */
	c[0] = client_new();
	client_call(c[0], WATCH);
	toy_turn_until_held(1);
	for (unsigned i = 0; i < 30; i++)
		assert_int_equal(
		    varlink_reply_continues(toy_held[0], event_of_size(10000)), 0);
	client_free(c[0]);
}

static struct timer drip;

static void
on_drip(void *ctx)
{
	struct client *c = ctx;

	(void)send(c->fd, " ", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
	timer_set(&drip, loop_now() + 10);
}

static void
half_message_is_awaited_for_a_while_and_idleness_for_ever(void **state)
{
	struct varlink_settings settings = toy_settings();
	struct client *idle, *half, *slow, *waiting;
	msec_t start;

	(void)state;
	(void)toy_teardown(NULL);
	settings.half_message_ms = 100;
	toy_start(&settings);
	idle = client_new();
	half = client_new();
	slow = client_new();
	waiting = client_new();
	client_expect_alive(idle);
	client_expect_alive(half);
	start = loop_now();
	client_send(half, "{", 1);
	/* a byte now and then does not help */
	assert_int_equal(timer_init(&drip, toy_loop, on_drip, slow), 0);
	timer_set(&drip, start);
	client_call(waiting, LATER);
	client_send(waiting, "{", 1); /* it is the server that keeps this one waiting */
	client_expect(half, NULL);
	assert_true(loop_now() - start >= 100);
	client_expect(slow, NULL);
	timer_done(&drip);
	client_expect_alive(idle);
	assert_int_equal(toy_n_held, 1);
	varlink_reply_empty(toy_held[0]);
	client_expect(waiting, "{\"parameters\":{}}");
	client_expect(waiting, NULL);
	client_free(idle);
	client_free(half);
	client_free(slow);
	client_free(waiting);
}

/* Messages that follow each other closely are not one half message. */
static void
busy_client_is_not_taken_for_one_with_half_a_message(void **state)
{
	struct varlink_settings settings = toy_settings();
	struct client *c;
	msec_t start;

	(void)state;
	(void)toy_teardown(NULL);
	settings.half_message_ms = 1500;
	toy_start(&settings);
	c = client_new();
	client_send(c, ECHO_CALL, 5);
	for (start = loop_now(); loop_now() - start < 3200;) {
		client_send(c, &(ECHO_CALL "\0" ECHO_CALL)[5], sizeof(ECHO_CALL));
		client_expect(c, ECHO_REPLY);
	}
	client_free(c);
}

#define THOUSAND 1000

/* F42, attack 23: a thousand clients.  Connects them, has each answered once, lets them
 * stay, and closes them. */
static void
a_thousand_come_and_go(struct client *other)
{
	static int fds[THOUSAND];
	unsigned echoed = toy_echoed;
	size_t before = heap_bytes();
	char byte;

	for (unsigned i = 0; i < THOUSAND; i++) {
		int pair[2];

		assert_int_equal(
		    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
		assert_int_equal(varlink_server_serve_fd(toy_server, pair[1]), 0);
		fds[i] = pair[0];
		assert_int_equal(
		    send(fds[i], ECHO_CALL, sizeof(ECHO_CALL), MSG_NOSIGNAL),
		    sizeof(ECHO_CALL));
	}
	client_expect_alive(other);
	while (toy_echoed < echoed + THOUSAND + 1)
		toy_turns(1);
	client_expect_alive(other);
	assert_true(heap_bytes() - before < 12 * 1024 * THOUSAND);
	/* descriptors above 1023 work like any */
	assert_true(fds[THOUSAND - 1] > 1024);
	assert_int_equal(recv(fds[THOUSAND - 1], &byte, 1, MSG_DONTWAIT), 1);
	for (unsigned i = 0; i < THOUSAND; i++)
		(void)close(fds[i]);
	client_expect_alive(other);
	toy_turn_until_connections(1);
}

static void
thousand_idle_clients_cost_little_and_disturb_nobody(void **state)
{
	struct varlink_settings settings = toy_settings();
	struct client *c;
	struct rlimit limit;
	size_t before;

	(void)state;
	(void)toy_teardown(NULL);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = limit.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	settings.connections_max = THOUSAND + 1;
	toy_start(&settings);
	c = client_new();
	client_expect_alive(c);
	a_thousand_come_and_go(c);
	/* what the loop keeps per descriptor it has now; nothing else may grow */
	before = heap_bytes();
	a_thousand_come_and_go(c);
	assert_true(heap_bytes() - before < 16 * 1024);
	client_free(c);
}

static void
garbage_of_any_kind_ends_only_its_own_connection(void **state)
{
	struct client *good = client_new();
	unsigned before = toy_open_descriptors();
	uint32_t x = 1;

	(void)state;
	for (unsigned round = 0; round < 300; round++) {
		struct client *bad = client_new();
		char bytes[3000];
		size_t len = round * 10 + 1;

		for (size_t i = 0; i < len; i++)
			bytes[i] = (char)((x = x * 1664525 + 1013904223) >> 24);
		client_send(bad, bytes, len);
		client_send(bad, "\0\0", 2);
		client_expect(bad, NULL);
		client_free(bad);
	}
	client_expect_alive(good);
	assert_int_equal(toy_open_descriptors(), before);
	client_free(good);
}

#define TEST(function) \
	cmocka_unit_test_setup_teardown(function, toy_setup, toy_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(client_that_pipelines_thousands_does_not_delay_another),
		TEST(timers_are_served_between_the_turns_of_a_busy_client),
		TEST(client_that_never_reads_is_stopped_by_its_own_socket),
		TEST(
		    monitor_that_does_not_read_gets_enobufs_and_is_told_when_there_is_room),
		TEST(hundred_monitors_that_do_not_read_share_a_limit),
		TEST(half_message_is_awaited_for_a_while_and_idleness_for_ever),
		TEST(busy_client_is_not_taken_for_one_with_half_a_message),
		TEST(thousand_idle_clients_cost_little_and_disturb_nobody),
		TEST(garbage_of_any_kind_ends_only_its_own_connection),
	};

	return cmocka_run_group_tests_name("varlink_hostile", tests, NULL, NULL);
}
