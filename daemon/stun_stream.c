/*
 * stun_stream.c - reads frames, has them answered, hangs up.
 */
#include "daemon/stun_stream.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "daemon/sock.h"

struct stream {
	struct stun_streams *streams;
	void *listener;
	int fd; /* -1: this place is free */
	struct event *event;
	struct timer timer;
	struct endpoint from;
	msec_t heard_at;
	uint8_t buf[STUN_SERVER_MESSAGE_MAX];
	size_t len;
};

struct stun_streams {
	struct loop *loop;
	stun_stream_serve *serve;
	struct stream list[STUN_STREAMS_MAX];
};

static void
hang_up(struct stream *k)
{
	if (k->fd < 0)
		return;
	sock_close(&k->fd, &k->event);
	timer_done(&k->timer);
	k->len = 0;
}

static void
on_idle(void *ctx)
{
	hang_up(ctx);
}

/* The frames that are whole; whether the connection goes on.  Who does not read its
 * answers, so that they do not fit into the socket, is not waited for. */
static bool
serve_frames(struct stream *k)
{
	uint8_t out[STUN_SERVER_MESSAGE_MAX];

	for (;;) {
		ssize_t n = stun_stream_frame(k->buf, k->len);
		size_t answer;

		if (n < 0 || (size_t)n > sizeof(k->buf))
			return false;
		if (n == 0 || (size_t)n > k->len)
			return true;
		answer =
		    k->streams->serve(k->listener, &k->from, k->buf, (size_t)n, out);
		if (answer == 0 ||
		    send(k->fd, out, answer, MSG_NOSIGNAL) != (ssize_t)answer)
			return false;
		k->len -= (size_t)n;
		memmove(k->buf, k->buf + n, k->len);
	}
}

static void
on_readable(evutil_socket_t fd, short what, void *ctx)
{
	struct stream *k = ctx;
	ssize_t n = recv(fd, k->buf + k->len, sizeof(k->buf) - k->len, 0);

	(void)what;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	k->len += n > 0 ? (size_t)n : 0;
	if (n <= 0 || !serve_frames(k)) {
		hang_up(k);
		return;
	}
	/* A frame that trickles in does not hold its place longer than an idle one. */
	if (k->len == 0) {
		k->heard_at = loop_now();
		timer_set(&k->timer, k->heard_at + STUN_STREAM_IDLE_MS);
	}
}

static struct stream *
place(struct stun_streams *s)
{
	struct stream *oldest = s->list;

	for (size_t i = 0; i < ARRAY_SIZE(s->list); i++) {
		if (s->list[i].fd < 0)
			return &s->list[i];
		if (s->list[i].heard_at < oldest->heard_at)
			oldest = &s->list[i];
	}
	hang_up(oldest);
	return oldest;
}

/* Takes fd. */
static int
start(struct stun_streams *s, int fd, const struct endpoint *from, void *listener)
{
	struct stream *k = place(s);

	k->streams = s;
	k->listener = listener;
	k->from = *from;
	k->fd = fd;
	k->heard_at = loop_now();
	if (timer_init(&k->timer, s->loop, on_idle, k) < 0 ||
	    loop_watch(s->loop, fd, EV_READ, on_readable, k, &k->event) < 0) {
		hang_up(k);
		return -ENOMEM;
	}
	timer_set(&k->timer, k->heard_at + STUN_STREAM_IDLE_MS);
	return 0;
}

int
stun_streams_accept(struct stun_streams *s, int fd, void *listener)
{
	/* The others of the loop have their turn after so many. */
	for (unsigned i = 0; i < STUN_STREAMS_MAX; i++) {
		struct sockaddr_storage ss = { .ss_family = AF_UNSPEC };
		socklen_t len = sizeof(ss);
		int peer = accept4(
		    fd, (struct sockaddr *)&ss, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);
		struct endpoint from;
		int r;

		if (peer < 0 && (errno == ECONNABORTED || errno == EINTR))
			continue;
		if (peer < 0)
			return errno == EAGAIN ? 0 : -errno;
		from = sock_endpoint(&ss);
		r = start(s, peer, &from, listener);
		if (r < 0)
			return r;
	}
	return 0;
}

int
stun_streams_new(struct loop *loop, stun_stream_serve *serve, struct stun_streams **ret)
{
	struct stun_streams *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->loop = loop;
	s->serve = serve;
	for (size_t i = 0; i < ARRAY_SIZE(s->list); i++)
		s->list[i].fd = -1;
	*ret = s;
	return 0;
}

struct stun_streams *
stun_streams_free(struct stun_streams *s)
{
	if (!s)
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(s->list); i++)
		hang_up(&s->list[i]);
	free(s);
	return NULL;
}
