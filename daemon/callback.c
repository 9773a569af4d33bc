/*
 * callback.c - the listener for events of a UPnP router.
 */
#include "daemon/callback.h"

#include <errno.h>
#include <event2/event.h>
#include <linux/filter.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/gena.h"
#include "proto/util.h"

#define ACCEPTS_PER_TURN 16

struct connection {
	struct callback *callback;
	int fd; /* -1: this place is free */
	struct event *event;
	struct timer timer;
	size_t len;
	char *request; /* GENA_HEAD_MAX + GENA_BODY_MAX; NULL: this place is free */
};

struct callback {
	struct loop *loop;
	struct addr peer;
	callback_request request;
	void *ctx;
	int fd;
	uint16_t port;
	struct event *event;
	struct connection connection[CALLBACK_CONNECTIONS_MAX];
};

/* ---- one connection ---- */

static void
hang_up(struct connection *k)
{
	sock_close(&k->fd, &k->event);
	timer_done(&k->timer);
	free(k->request);
	*k = (struct connection) { .callback = k->callback, .fd = -1 };
}

static void
on_timeout(void *ctx)
{
	hang_up(ctx);
}

static void
answer(struct connection *k, int status)
{
	char text[GENA_ANSWER_MAX];
	ssize_t len = gena_encode_answer(text, sizeof(text), status);

	/* An answer fits into an empty buffer; a peer that is gone misses nothing. */
	if (len > 0)
		(void)send(k->fd, text, (size_t)len, MSG_NOSIGNAL);
	(void)shutdown(k->fd, SHUT_WR);
	hang_up(k);
}

static void
on_readable(evutil_socket_t fd, short what, void *ctx)
{
	struct connection *k = ctx;
	struct callback *c = k->callback;
	size_t room = GENA_HEAD_MAX + GENA_BODY_MAX - k->len;
	ssize_t n = recv(fd, k->request + k->len, room, 0), whole;

	(void)what;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		hang_up(k);
		return;
	}
	k->len += (size_t)n;
	whole = gena_request_len(k->request, k->len);
	if (whole < 0)
		answer(k, gena_status((int)whole));
	else if (whole > 0 && k->len >= (size_t)whole)
		answer(k, c->request(k->request, (size_t)whole, c->ctx));
}

/* Takes fd. */
static void
pick_up(struct callback *c, int fd)
{
	struct connection *k = c->connection;

	while (k < c->connection + CALLBACK_CONNECTIONS_MAX && k->fd >= 0)
		k++;
	if (k == c->connection + CALLBACK_CONNECTIONS_MAX) {
		close(fd);
		return;
	}
	k->fd = fd;
	k->request = malloc(GENA_HEAD_MAX + GENA_BODY_MAX);
	if (!k->request ||
	    loop_watch(c->loop, fd, EV_READ, on_readable, k, &k->event) < 0 ||
	    timer_init(&k->timer, c->loop, on_timeout, k) < 0) {
		hang_up(k);
		return;
	}
	timer_set(&k->timer, loop_now() + CALLBACK_MS);
}

/* ---- the listener ---- */

static void
on_connection(evutil_socket_t listener, short what, void *ctx)
{
	struct callback *c = ctx;

	(void)what;
	for (unsigned i = 0; i < ACCEPTS_PER_TURN; i++) {
		struct sockaddr_storage ss = { .ss_family = AF_UNSPEC };
		socklen_t len = sizeof(ss);
		struct endpoint from;
		int fd = accept4(listener, (struct sockaddr *)&ss, &len,
		    SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0)
			return;
		from = sock_endpoint(&ss);
		if (addr_equal(&from.addr, &c->peer))
			pick_up(c, fd);
		else
			close(fd);
	}
}

/* Segments from others are dropped without an answer, as if nobody listened behind a
 * firewall.  A kernel that cannot do it leaves the check at accept(). */
static void
hide_from_others(int fd, const struct addr *peer)
{
	const uint8_t *b = peer->bytes;
	uint32_t ipv4 = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 |
			(uint32_t)b[2] << 8 | (uint32_t)b[3];
	struct sock_filter code[] = {
		/* The source address of the IPv4 header. */
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)SKF_NET_OFF + 12),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ipv4, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	const struct sock_fprog program = { ARRAY_SIZE(code), code };

	(void)setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
}

static int
start(struct callback *c, const struct sock_from *from)
{
	struct endpoint local;
	int r;

	c->fd = sock_open(SOCK_STREAM, from);
	if (c->fd < 0)
		return c->fd;
	hide_from_others(c->fd, &c->peer);
	if (listen(c->fd, CALLBACK_CONNECTIONS_MAX) < 0)
		return -errno;
	r = sock_name(c->fd, &local);
	if (r < 0)
		return r;
	c->port = local.port;
	return loop_watch(c->loop, c->fd, EV_READ, on_connection, c, &c->event);
}

int
callback_open(struct loop *loop, const struct sock_from *from, const struct addr *peer,
    callback_request request, void *ctx, struct callback **ret)
{
	struct callback *c;
	int r;

	if (peer->family != ADDR_IPV4 || from->local.family != ADDR_IPV4)
		return -EAFNOSUPPORT;
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	*c = (struct callback) {
		.loop = loop, .peer = *peer, .request = request, .ctx = ctx, .fd = -1
	};
	for (size_t i = 0; i < CALLBACK_CONNECTIONS_MAX; i++)
		c->connection[i] = (struct connection) { .callback = c, .fd = -1 };
	r = start(c, from);
	if (r < 0) {
		callback_close(c);
		return r;
	}
	*ret = c;
	return 0;
}

struct callback *
callback_close(struct callback *c)
{
	if (!c)
		return NULL;
	for (size_t i = 0; i < CALLBACK_CONNECTIONS_MAX; i++)
		hang_up(&c->connection[i]);
	sock_close(&c->fd, &c->event);
	free(c);
	return NULL;
}

uint16_t
callback_port(const struct callback *c)
{
	return c->port;
}
