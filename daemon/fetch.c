/*
 * fetch.c - one HTTP exchange with a router.
 */
#include "daemon/fetch.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#define CONNECT_MS (2 * MSEC_PER_SEC)
#define TOTAL_MS (5 * MSEC_PER_SEC)
#define READ_CHUNK 8192
#define READS_PER_TURN 8 /* a fast endless answer must not hold up the loop */

struct fetch {
	struct loop *loop;
	int fd;
	struct event *event;
	struct timer timer;
	struct http_response *response;
	fetch_done done;
	void *ctx;
	bool connected;
	size_t len, sent;
	char request[];
};

struct fetch *
fetch_cancel(struct fetch *f)
{
	if (!f)
		return NULL;
	sock_close(&f->fd, &f->event);
	timer_done(&f->timer);
	http_response_free(f->response);
	free(f);
	return NULL;
}

/* Tell the owner last: it may start the next fetch at once. */
static void
finish(struct fetch *f, int error)
{
	fetch_done done = f->done;
	void *ctx = f->ctx;
	struct http_response *response = TAKE_PTR(f->response);

	fetch_cancel(f);
	done(error, error ? NULL : response, ctx);
	http_response_free(response);
}

static void
on_timeout(void *ctx)
{
	finish(ctx, -ETIMEDOUT);
}

static void on_ready(evutil_socket_t fd, short what, void *ctx);

static int
wait_for(struct fetch *f, short what)
{
	return loop_watch(f->loop, f->fd, what, on_ready, f, &f->event);
}

/* 1: all is written; 0: more to write; -errno. */
static int
write_request(struct fetch *f)
{
	ssize_t n = send(f->fd, f->request + f->sent, f->len - f->sent, MSG_NOSIGNAL);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	f->sent += (size_t)n;
	return f->sent == f->len;
}

/* 1: complete; 0: more; -errno. */
static int
read_response(struct fetch *f)
{
	char buf[READ_CHUNK];

	for (unsigned i = 0; i < READS_PER_TURN; i++) {
		ssize_t n = recv(f->fd, buf, sizeof(buf), 0);
		int r;

		if (n < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : -errno;
		if (n == 0)
			return http_response_eof(f->response);
		r = http_response_feed(f->response, buf, (size_t)n);
		if (r != 0)
			return r;
	}
	return 0;
}

static int
connected(struct fetch *f)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (getsockopt(f->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		return -errno;
	return -error;
}

static void
on_ready(evutil_socket_t fd, short what, void *ctx)
{
	struct fetch *f = ctx;
	int r = 0;

	(void)fd;
	if (!f->connected) {
		r = connected(f);
		if (r < 0) {
			finish(f, r);
			return;
		}
		f->connected = true;
		timer_set(&f->timer, f->timer.at + TOTAL_MS - CONNECT_MS);
	}
	if (what & EV_WRITE && f->sent < f->len) {
		r = write_request(f);
		if (r == 1)
			r = wait_for(f, EV_READ);
	} else {
		r = read_response(f);
	}
	if (r > 0)
		finish(f, 0);
	else if (r < 0)
		finish(f, r);
}

static struct fetch *
fetch_new(struct loop *loop, const void *request, size_t len, size_t body_max)
{
	struct fetch *f = calloc(1, sizeof(*f) + len);

	if (!f)
		return NULL;
	f->loop = loop;
	f->fd = -1;
	if (timer_init(&f->timer, loop, on_timeout, f) < 0) {
		free(f);
		return NULL;
	}
	f->response = http_response_new(body_max);
	if (!f->response)
		return fetch_cancel(f);
	f->len = len;
	memcpy(f->request, request, len);
	return f;
}

int
fetch_start(struct loop *loop, const struct sock_from *from, const struct endpoint *to,
    const void *request, size_t len, size_t body_max, fetch_done done, void *ctx,
    struct fetch **ret)
{
	struct fetch *f = fetch_new(loop, request, len, body_max);
	struct sockaddr_storage ss;
	socklen_t ss_len = sock_addr(to, &ss);
	int r;

	if (!f)
		return -ENOMEM;
	f->done = done;
	f->ctx = ctx;
	f->fd = r = sock_open(SOCK_STREAM, from);
	if (r >= 0 && connect(f->fd, (struct sockaddr *)&ss, ss_len) < 0 &&
	    errno != EINPROGRESS)
		r = -errno;
	if (r >= 0)
		r = wait_for(f, EV_WRITE);
	if (r < 0) {
		fetch_cancel(f);
		return r;
	}
	timer_set(&f->timer, loop_now() + CONNECT_MS);
	*ret = f;
	return 0;
}
