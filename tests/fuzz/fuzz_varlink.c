/*
 * fuzz_varlink.c - what a client does: bytes, and behind a byte 0xfe (which no message
 * may hold) one thing that is no byte.
 *
 * Whatever it is, each answer is a well-formed reply, held calls end exactly once, the
 * connection is gone after the client, and no descriptor is left.
 */
#include "tests/fuzz/fuzz.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/varlink.h"

#define ESCAPE 0xfe
#define TURNS_MAX 100000

static struct loop *loop;
static struct varlink_server *server;
static struct varlink_call *held; /* one client holds one call at most */

/* ---- the service ---- */

static void
on_end(struct varlink_call *c, void *ctx)
{
	(void)ctx;
	MUST(held == c);
	held = NULL;
}

static void
hold(struct varlink_call *c, const struct varlink_value *v, void *ctx)
{
	(void)v;
	(void)ctx;
	MUST(held == NULL);
	held = c;
	varlink_call_on_end(c, on_end, NULL);
}

static void
echo(struct varlink_call *c, const struct varlink_value *v, void *ctx)
{
	cJSON *reply = cJSON_CreateObject(), *list = json_add_array(reply, "list");
	int fd = v[1].i ? varlink_call_take_fd(c) : -1;

	(void)ctx;
	MUST(!v[2].present || (v[2].i >= -5 && v[2].i <= 5));
	MUST(!v[3].present || (v[3].i >= 0 && v[3].i <= 1));
	MUST(v[4].count <= 2);
	json_add_string(reply, "text", v[0].present ? v[0].s : NULL);
	for (unsigned i = 0; i < v[4].count; i++)
		json_append_item(list, cJSON_CreateNumber(v[4].list[i]));
	json_add_bool(reply, "descriptor", fd >= 0);
	if (fd >= 0)
		(void)close(fd);
	varlink_reply(c, reply);
}

static const char *const words[] = { "a", "b", NULL };
static const struct varlink_param echo_params[] = {
	{ "t", VARLINK_STRING, false, 0, 100, NULL },
	{ "f", VARLINK_BOOL, false, 0, 0, NULL },
	{ "i", VARLINK_INT, false, -5, 5, NULL },
	{ "e", VARLINK_ENUM, false, 0, 0, words },
	{ "l", VARLINK_ENUMS, false, 1, 0, words },
	{ .name = NULL },
};
static const struct varlink_param no_params[] = { { .name = NULL } };
static const struct varlink_method methods[] = {
	{ "E", VARLINK_TAKES_FD, echo_params, echo },
	{ "L", 0, no_params, hold },
	{ "W", VARLINK_MORE_REQUIRED, no_params, hold },
	{ "M", VARLINK_MORE_SUPPORTED, no_params, hold },
	{ "P", VARLINK_PRIVILEGED, no_params, hold },
	{ "N", 0, no_params, NULL },
	{ .name = NULL },
};
static const struct varlink_interface interface = {
	.name = "x.y",
	.description = "interface x.y\n",
	.methods = methods,
};

static void
start(void)
{
	static const struct varlink_settings settings = { .vendor = "v",
		.product = "p",
		.version = "1",
		.url = "u",
		.connections_max = 1 };

	MUST(loop_new(&loop) == 0);
	MUST(varlink_server_new(loop, &settings, &server) == 0);
	MUST(varlink_server_add_interface(server, &interface) == 0);
}

static void
turn(void)
{
	MUST(event_base_loop(loop_base(loop), EVLOOP_ONCE | EVLOOP_NONBLOCK) >= 0);
}

/* ---- the client ---- */

static char answers[4 * 1024 * 1024];
static size_t answers_len;

static void
check_answer(const char *text, size_t len)
{
	cJSON *reply = NULL;
	const cJSON *key;

	MUST(json_parse(text, len, &reply) == 0);
	MUST(cJSON_IsObject(reply) && cJSON_IsObject(json_get(reply, "parameters")));
	cJSON_ArrayForEach(key, reply)
	{
		MUST(strcmp(key->string, "parameters") == 0 ||
		     (strcmp(key->string, "error") == 0 && cJSON_IsString(key)) ||
		     (strcmp(key->string, "continues") == 0 && cJSON_IsTrue(key)));
	}
	MUST(!json_get(reply, "error") || !json_get(reply, "continues"));
	cJSON_Delete(reply);
}

static void
read_answers(int fd)
{
	ssize_t n;
	char *nul;

	while (answers_len < sizeof(answers) &&
	       (n = recv(fd, answers + answers_len, sizeof(answers) - answers_len,
		    MSG_DONTWAIT)) > 0)
		answers_len += (size_t)n;
	while ((nul = memchr(answers, '\0', answers_len)) != NULL) {
		size_t size = (size_t)(nul - answers) + 1;

		check_answer(answers, size - 1);
		answers_len -= size;
		memmove(answers, nul + 1, answers_len);
	}
}

static void
send_with_fds(int fd, const uint8_t *bytes, size_t len, unsigned n)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(3 * sizeof(int))];
	} control = { 0 };
	struct iovec iov = { .iov_base = (void *)bytes, .iov_len = len };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	int any = STDIN_FILENO; /* not the client's own end: that would keep it open */

	if (len == 0)
		return;
	if (n > 0) {
		struct cmsghdr *h;

		m.msg_control = &control;
		m.msg_controllen = CMSG_SPACE(n * sizeof(int));
		h = CMSG_FIRSTHDR(&m);
		h->cmsg_level = SOL_SOCKET;
		h->cmsg_type = SCM_RIGHTS;
		h->cmsg_len = CMSG_LEN(n * sizeof(int));
		for (unsigned i = 0; i < n; i++)
			memcpy(CMSG_DATA(h) + i * sizeof(int), &any, sizeof(int));
	}
	(void)!sendmsg(fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void
answer_held(unsigned how)
{
	if (held == NULL)
		return;
	switch (how % 3) {
	case 0:
		varlink_reply_empty(held);
		return;
	case 1:
		varlink_error(held, "x.y.Failed", NULL);
		return;
	case 2:
		(void)varlink_reply_continues(held, cJSON_CreateObject());
		return;
	}
}

/* What 0xfe and the byte behind it stand for. */
static void
do_other(int fd, uint8_t what)
{
	switch (what % 4) {
	case 0:
		turn();
		return;
	case 1:
		answer_held(what / 4);
		return;
	case 2:
		read_answers(fd);
		return;
	case 3:
		(void)shutdown(fd, what % 8 == 3 ? SHUT_WR : SHUT_RD);
		return;
	}
}

static int
lowest_free_descriptor(void)
{
	int fd = dup(0);

	MUST(fd >= 0);
	(void)close(fd);
	return fd;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *p = data, *end = data + size;
	int fds[2], free_before;

	if (server == NULL)
		start();
	free_before = lowest_free_descriptor();
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
	MUST(varlink_server_serve_fd(server, fds[1]) == 0);
	answers_len = 0;
	while (p < end) {
		const uint8_t *escape = memchr(p, ESCAPE, (size_t)(end - p));
		size_t len = (size_t)((escape != NULL ? escape : end) - p);
		uint8_t what = escape != NULL && escape + 1 < end ? escape[1] : 0;

		/* 0xf0..: the bytes before carry 0 to 3 descriptors */
		send_with_fds(fds[0], p, len, what >= 0xf0 ? what % 4 : 0);
		if (escape == NULL)
			break;
		if (what < 0xf0)
			do_other(fds[0], what);
		p = MIN(escape + 2, end);
	}
	for (unsigned i = 0; i < 4; i++)
		turn();
	read_answers(fds[0]);
	(void)close(fds[0]);
	for (unsigned i = 0; varlink_server_connections(server) > 0; i++) {
		MUST(i < TURNS_MAX);
		turn();
	}
	MUST(held == NULL);
	MUST(lowest_free_descriptor() == free_before);
	return 0;
}
