/*
 * metrics_http.c - a listener that serves one page.
 */
#include "daemon/metrics_http.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/sock.h"
#include "proto/scrape.h"

#define PAUSE_MS MSEC_PER_SEC
#define DRAINS 16

struct connection {
	struct metrics_http *server;
	int fd; /* -1: this place is free */
	struct event *event;
	struct timer timer;
	char request[SCRAPE_REQUEST_MAX];
	size_t len;
	char *answer; /* NULL: still reading */
	size_t answer_len, sent;
};

struct metrics_http {
	struct loop *loop;
	int fd;
	struct event *event;
	struct timer pause;
	char *(*text)(void *ctx);
	void *ctx;
	unsigned busy;
	struct connection connection[METRICS_HTTP_CONNECTIONS_MAX];
};

static void
hang_up(struct connection *k)
{
	if (k->fd < 0)
		return;
	sock_close(&k->fd, &k->event);
	timer_done(&k->timer);
	free(k->answer);
	*k = (struct connection) { .server = k->server, .fd = -1 };
	/* There is a place again. */
	if (k->server->busy-- == METRICS_HTTP_CONNECTIONS_MAX)
		timer_set(&k->server->pause, loop_now());
}

static void
on_timeout(void *ctx)
{
	hang_up(ctx);
}

static void on_ready(evutil_socket_t fd, short what, void *ctx);

static bool
wait_for(struct connection *k, short what)
{
	return loop_watch(k->server->loop, k->fd, what, on_ready, k, &k->event) == 0;
}

static bool
prepare(struct connection *k, int status, enum scrape_format format)
{
	char head[SCRAPE_HEAD_MAX];
	char *body = NULL, *text;
	size_t body_len;
	ssize_t head_len;

	if (status == 200) {
		body = k->server->text(k->server->ctx);
		if (body && format == SCRAPE_OPEN_METRICS) {
			text = scrape_open_metrics(body);
			free(body);
			body = text;
		}
		if (!body)
			status = 503;
	}
	body_len = body ? strlen(body) : 0;
	head_len = scrape_encode_head(head, sizeof(head), status, format, body_len);
	if (head_len >= 0)
		k->answer = malloc((size_t)head_len + body_len);
	if (k->answer) {
		memcpy(k->answer, head, (size_t)head_len);
		if (body)
			memcpy(k->answer + head_len, body, body_len);
		k->answer_len = (size_t)head_len + body_len;
	}
	free(body);
	return k->answer != NULL;
}

/* Whether the connection goes on. */
static bool
receive(struct connection *k)
{
	ssize_t n = recv(k->fd, k->request + k->len, sizeof(k->request) - k->len, 0);
	enum scrape_format format = SCRAPE_TEXT;
	int status;

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if (n == 0)
		return false;
	k->len += (size_t)n;
	status = scrape_decode(k->request, k->len, &format);
	return status == 0 || (prepare(k, status, format) && wait_for(k, EV_WRITE));
}

static bool
transmit(struct connection *k)
{
	ssize_t n =
	    send(k->fd, k->answer + k->sent, k->answer_len - k->sent, MSG_NOSIGNAL);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	k->sent += (size_t)n;
	if (k->sent < k->answer_len)
		return true;
	/* What is not read when the socket is closed would reset the connection, and
	 * the answer might be lost. */
	(void)shutdown(k->fd, SHUT_WR);
	for (unsigned i = 0; i < DRAINS; i++)
		if (recv(k->fd, k->request, sizeof(k->request), 0) <= 0)
			break;
	return false;
}

static void
on_ready(evutil_socket_t fd, short what, void *ctx)
{
	struct connection *k = ctx;

	(void)fd;
	(void)what;
	if (!(k->answer ? transmit(k) : receive(k)))
		hang_up(k);
}

/* ---- the listener ---- */

/* Takes fd. */
static void
serve(struct metrics_http *h, int fd)
{
	struct connection *k = h->connection;

	while (k->fd >= 0)
		k++;
	if (timer_init(&k->timer, h->loop, on_timeout, k) < 0) {
		close(fd);
		return;
	}
	k->fd = fd;
	h->busy++;
	if (wait_for(k, EV_READ))
		timer_set(&k->timer, loop_now() + METRICS_HTTP_MS);
	else
		hang_up(k);
}

static void
on_connection(evutil_socket_t fd, short what, void *ctx)
{
	struct metrics_http *h = ctx;

	(void)what;
	while (h->busy < METRICS_HTTP_CONNECTIONS_MAX) {
		int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (peer >= 0) {
			serve(h, peer);
			continue;
		}
		if (errno == ECONNABORTED || errno == EINTR)
			continue;
		if (errno == EAGAIN)
			return;
		/* No descriptors left: asking again at once would burn time. */
		timer_set(&h->pause, loop_now() + PAUSE_MS);
		break;
	}
	(void)event_del(h->event);
}

static void
on_pause_over(void *ctx)
{
	struct metrics_http *h = ctx;

	if (event_add(h->event, NULL) < 0)
		timer_set(&h->pause, loop_now() + PAUSE_MS);
}

static int
check_socket(int fd)
{
	int listens = 0, type = 0, flags = fcntl(fd, F_GETFL);
	socklen_t size = sizeof(int);

	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0 || !listens ||
	    type != SOCK_STREAM)
		return -EINVAL;
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return -errno;
	return 0;
}

int
metrics_http_new(struct loop *loop, int fd, char *(*text)(void *ctx), void *ctx,
    struct metrics_http **ret)
{
	struct metrics_http *h;
	int r = check_socket(fd);

	if (r < 0)
		return r;
	h = calloc(1, sizeof(*h));
	if (!h)
		return -ENOMEM;
	h->loop = loop;
	h->fd = -1;
	h->text = text;
	h->ctx = ctx;
	for (size_t i = 0; i < ARRAY_SIZE(h->connection); i++) {
		h->connection[i].server = h;
		h->connection[i].fd = -1;
	}
	if (timer_init(&h->pause, loop, on_pause_over, h) < 0 ||
	    loop_watch(loop, fd, EV_READ, on_connection, h, &h->event) < 0) {
		metrics_http_free(h);
		return -ENOMEM;
	}
	h->fd = fd;
	*ret = h;
	return 0;
}

struct metrics_http *
metrics_http_free(struct metrics_http *h)
{
	if (!h)
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(h->connection); i++)
		hang_up(&h->connection[i]);
	sock_close(&h->fd, &h->event);
	timer_done(&h->pause);
	free(h);
	return NULL;
}
