/*
 * varlink_toy.h - a toy interface, a server for it and a client beside it in one
 * process.
 *
 * The client's reads run the server's loop until a whole message, the end of the
 * connection or a deadline, which fails the test: nothing here waits for luck.
 */
#pragma once

#include <dirent.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/varlink.h"

#define TOY "org.example.Toy"
#define TOY_GUARD_MS 20000
#define TOY_HELD_MAX 4096

static struct loop *toy_loop;
static struct varlink_server *toy_server;
static struct timer toy_guard;

/* Calls of Later and Watch that wait for the test to answer them. */
static struct varlink_call *toy_held[TOY_HELD_MAX];
static unsigned toy_n_held, toy_ended, toy_echoed;

/* ---- the methods ---- */

static inline void
toy_on_end(struct varlink_call *c, void *ctx)
{
	(void)ctx;
	toy_ended++;
	for (unsigned i = 0; i < toy_n_held; i++)
		if (toy_held[i] == c) {
			toy_held[i] = toy_held[--toy_n_held];
			return;
		}
	fail_msg("a call ended twice");
}

static inline void
toy_hold(struct varlink_call *c, const struct varlink_value *v, void *ctx)
{
	(void)v;
	(void)ctx;
	assert_true(toy_n_held < TOY_HELD_MAX);
	toy_held[toy_n_held++] = c;
	varlink_call_on_end(c, toy_on_end, NULL);
}

static inline void
toy_echo(struct varlink_call *c, const struct varlink_value *v, void *ctx)
{
	cJSON *reply = cJSON_CreateObject();

	(void)ctx;
	toy_echoed++;
	json_add_string(reply, "text", v[0].present ? v[0].s : NULL);
	varlink_reply(c, reply);
}

/* What the server made of each kind of parameter. */
static inline void
toy_kinds(struct varlink_call *c, const struct varlink_value *v, void *ctx)
{
	cJSON *reply = cJSON_CreateObject(), *list;

	(void)ctx;
	if (v[0].present)
		json_add_int(reply, "int", v[0].i);
	if (v[1].present)
		json_add_int(reply, "bool", v[1].i);
	if (v[2].present)
		json_add_string(reply, "string", v[2].s);
	if (v[3].present)
		json_add_int(reply, "enum", v[3].i);
	if (v[4].present) {
		list = json_add_array(reply, "enums");
		for (unsigned i = 0; i < v[4].count; i++)
			json_append_item(list, cJSON_CreateNumber(v[4].list[i]));
	}
	varlink_reply(c, reply);
}

/* n replies, the last one without continues; without more only that one. */
static inline void
toy_count(struct varlink_call *c, const struct varlink_value *v, void *ctx)
{
	cJSON *reply;

	(void)ctx;
	for (int64_t i = 1; i < v[0].i; i++) {
		reply = cJSON_CreateObject();
		json_add_int(reply, "i", i);
		assert_int_equal(varlink_reply_continues(c, reply),
		    varlink_call_more(c) ? 0 : -EOPNOTSUPP);
	}
	reply = cJSON_CreateObject();
	json_add_int(reply, "i", v[0].i);
	varlink_reply(c, reply);
}

static inline void
toy_fail(struct varlink_call *c, const struct varlink_value *v, void *ctx)
{
	cJSON *parameters = cJSON_CreateObject();

	(void)v;
	(void)ctx;
	json_add_string(parameters, "why", "because");
	varlink_error(c, TOY ".Failed", parameters);
}

static inline void
toy_secret(struct varlink_call *c, const struct varlink_value *v, void *ctx)
{
	(void)v;
	(void)ctx;
	varlink_reply_empty(c);
}

static inline void
toy_big(struct varlink_call *c, const struct varlink_value *v, void *ctx)
{
	cJSON *reply = cJSON_CreateObject();
	char *text = malloc((size_t)v[0].i + 1);

	(void)ctx;
	assert_non_null(text);
	memset(text, 'x', (size_t)v[0].i);
	text[v[0].i] = '\0';
	json_add_string(reply, "text", text);
	free(text);
	varlink_reply(c, reply);
}

/* Inode of the passed descriptor, 0: none.  keep: the server is to close it. */
static inline void
toy_inode(struct varlink_call *c, const struct varlink_value *v, void *ctx)
{
	cJSON *reply = cJSON_CreateObject();
	struct stat st = { 0 };
	int fd = -1;

	(void)ctx;
	if (!v[0].i) {
		fd = varlink_call_take_fd(c);
		assert_int_equal(varlink_call_take_fd(c), -1);
	}
	if (fd >= 0) {
		assert_int_equal(fstat(fd, &st), 0);
		assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
		(void)close(fd);
	}
	json_add_int(reply, "inode", (int64_t)st.st_ino);
	varlink_reply(c, reply);
}

static inline void
toy_who(struct varlink_call *c, const struct varlink_value *v, void *ctx)
{
	cJSON *reply = cJSON_CreateObject();

	(void)v;
	(void)ctx;
	json_add_int(reply, "uid", varlink_call_uid(c));
	json_add_int(reply, "pid", varlink_call_pid(c));
	json_add_bool(reply, "privileged", varlink_call_privileged(c));
	varlink_reply(c, reply);
}

static const char *const toy_colours[] = { "red", "green", "blue", NULL };
static const struct varlink_param toy_none[] = { { .name = NULL } };
static const struct varlink_param toy_echo_params[] = {
	{ .name = "text", .type = VARLINK_STRING, .max = VARLINK_INPUT_MAX },
	{ .name = NULL },
};
static const struct varlink_param toy_kinds_params[] = {
	{ "int", VARLINK_INT, true, INT64_MIN, INT64_MAX, NULL },
	{ "bool", VARLINK_BOOL, false, 0, 0, NULL },
	{ "string", VARLINK_STRING, false, 1, 8, NULL },
	{ "enum", VARLINK_ENUM, false, 0, 0, toy_colours },
	{ "enums", VARLINK_ENUMS, false, 1, 0, toy_colours },
	{ "small", VARLINK_INT, false, -5, 5, NULL },
	{ .name = NULL },
};
static const struct varlink_param toy_number_params[] = {
	{ "n", VARLINK_INT, true, 0, INT_MAX, NULL },
	{ .name = NULL },
};
static const struct varlink_param toy_inode_params[] = {
	{ "keep", VARLINK_BOOL, false, 0, 0, NULL },
	{ .name = NULL },
};

static const struct varlink_method toy_methods[] = {
	{ "Echo", 0, toy_echo_params, toy_echo },
	{ "Kinds", 0, toy_kinds_params, toy_kinds },
	{ "Count", VARLINK_MORE_SUPPORTED, toy_number_params, toy_count },
	{ "Later", 0, toy_none, toy_hold },
	{ "Watch", VARLINK_MORE_REQUIRED, toy_none, toy_hold },
	{ "Fail", 0, toy_none, toy_fail },
	{ "Secret", VARLINK_PRIVILEGED, toy_number_params, toy_secret },
	{ "Big", 0, toy_number_params, toy_big },
	{ "Inode", VARLINK_TAKES_FD, toy_inode_params, toy_inode },
	{ "Who", 0, toy_none, toy_who },
	{ "Unfinished", 0, toy_none, NULL },
	{ .name = NULL },
};
static const struct varlink_interface toy_interface = {
	.name = TOY,
	.description = "# Toy \"interface\"\ninterface " TOY "\nmethod Echo() -> ()\n",
	.methods = toy_methods,
};

/* ---- the server ---- */

static inline void
toy_on_guard(void *ctx)
{
	(void)ctx;
	fail_msg("nothing happened for %d ms", TOY_GUARD_MS);
}

static inline struct varlink_settings
toy_settings(void)
{
	return (struct varlink_settings) {
		.vendor = "Example",
		.product = "Toy",
		.version = "1.0",
		.url = "https://example.org/",
		.connections_max = 64,
		.connections_per_uid_max = 8,
		.own_uid = getuid(),
	};
}

static inline void
toy_start(const struct varlink_settings *settings)
{
	toy_n_held = toy_ended = toy_echoed = 0;
	assert_int_equal(loop_new(&toy_loop), 0);
	assert_int_equal(timer_init(&toy_guard, toy_loop, toy_on_guard, NULL), 0);
	assert_int_equal(varlink_server_new(toy_loop, settings, &toy_server), 0);
	assert_int_equal(varlink_server_add_interface(toy_server, &toy_interface), 0);
}

static inline int
toy_setup(void **state)
{
	struct varlink_settings settings = toy_settings();

	(void)state;
	toy_start(&settings);
	return 0;
}

static inline int
toy_teardown(void **state)
{
	(void)state;
	toy_server = varlink_server_free(toy_server);
	timer_done(&toy_guard);
	toy_loop = loop_free(toy_loop);
	return 0;
}

/* ---- the client ---- */

struct client {
	int fd;
	char buf[VARLINK_MESSAGE_MAX + VARLINK_OUTPUT_MAX];
	size_t len;
	bool ended;
};

static inline struct client *
client_of(int fd)
{
	struct client *c = malloc(sizeof(*c));

	assert_non_null(c);
	c->fd = fd;
	c->len = 0;
	c->ended = false;
	return c;
}

/* Connected by socketpair(). */
static inline struct client *
client_new(void)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(varlink_server_serve_fd(toy_server, fds[1]), 0);
	return client_of(fds[0]);
}

static inline void
client_free(struct client *c)
{
	(void)close(c->fd);
	free(c);
}

/* All of it at once, or the test fails; the NUL is the caller's. */
static inline void
client_send(struct client *c, const char *bytes, size_t len)
{
	assert_int_equal(send(c->fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT), len);
}

static inline void
client_call(struct client *c, const char *message)
{
	client_send(c, message, strlen(message) + 1);
}

static inline void
client_read(struct client *c)
{
	ssize_t n = recv(c->fd, c->buf + c->len, sizeof(c->buf) - c->len, MSG_DONTWAIT);

	if (n > 0)
		c->len += (size_t)n;
	else if (n == 0 || errno != EAGAIN)
		c->ended = true;
}

static inline void
client_on_readable(evutil_socket_t fd, short what, void *ctx)
{
	struct client *c = ctx;

	(void)fd;
	(void)what;
	client_read(c);
	if (c->ended || memchr(c->buf, '\0', c->len) != NULL)
		loop_stop(toy_loop);
}

/* The next message, valid until the next call; NULL: the connection ended. */
static inline const char *
client_receive(struct client *c)
{
	static char message[sizeof(c->buf)];
	struct event *e;
	const char *nul = memchr(c->buf, '\0', c->len);
	size_t size;

	if (nul == NULL && !c->ended) {
		e = event_new(loop_base(toy_loop), c->fd, EV_READ | EV_PERSIST,
		    client_on_readable, c);
		assert_non_null(e);
		assert_int_equal(event_add(e, NULL), 0);
		timer_set(&toy_guard, loop_now() + TOY_GUARD_MS);
		assert_int_equal(loop_run(toy_loop), 0);
		timer_clear(&toy_guard);
		event_free(e);
		nul = memchr(c->buf, '\0', c->len);
	}
	if (nul == NULL)
		return NULL;
	size = (size_t)(nul - c->buf) + 1;
	memcpy(message, c->buf, size);
	c->len -= size;
	memmove(c->buf, c->buf + size, c->len);
	return message;
}

static inline void
client_expect(struct client *c, const char *want)
{
	const char *got = client_receive(c);

	if (want == NULL ? got != NULL : got == NULL || strcmp(got, want) != 0)
		fail_msg("%s, not %s", got != NULL ? got : "(end)",
		    want != NULL ? want : "(end)");
}

/* Whether the server still answers this client. */
static inline void
client_expect_alive(struct client *c)
{
	client_call(
	    c, "{\"method\":\"" TOY ".Echo\",\"parameters\":{\"text\":\"alive\"}}");
	client_expect(c, "{\"parameters\":{\"text\":\"alive\"}}");
}

/* Turns of the loop, none of which waits. */
static inline void
toy_turns(unsigned n)
{
	while (n-- > 0)
		assert_true(event_base_loop(loop_base(toy_loop),
				EVLOOP_ONCE | EVLOOP_NONBLOCK) >= 0);
}

/* Such turns until the condition holds. */
static inline void
toy_turn_until(bool (*condition)(void *ctx), void *ctx)
{
	msec_t end = loop_now() + TOY_GUARD_MS;

	while (!condition(ctx)) {
		assert_true(loop_now() < end);
		toy_turns(1);
	}
}

static inline bool
toy_has_connections(void *ctx)
{
	return varlink_server_connections(toy_server) == *(const unsigned *)ctx;
}

static inline bool
toy_holds(void *ctx)
{
	return toy_n_held == *(const unsigned *)ctx;
}

static inline void
toy_turn_until_connections(unsigned n)
{
	toy_turn_until(toy_has_connections, &n);
}

static inline void
toy_turn_until_held(unsigned n)
{
	toy_turn_until(toy_holds, &n);
}

static inline unsigned
toy_open_descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	assert_non_null(d);
	while (readdir(d) != NULL)
		n++;
	(void)closedir(d);
	return n;
}
