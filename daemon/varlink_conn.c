/*
 * varlink_conn.c - one connection: framing, bounded buffers, and when it is over.
 *
 * The socket is watched edge-triggered and read only when no complete message waits in
 * the buffer and no call is being answered, so a client that sends faster than it reads
 * is stopped by its own socket.  Nothing here closes a connection but conn_work():
 * every other place sets a flag and puts the connection on the work list.
 *
 * A peer that only shut down its sending side still gets its answers; one that is gone
 * altogether ends its call at once.  Both make the socket readable; poll() tells them
 * apart, since only the second is a hang-up.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/varlink_internal.h"

#define INPUT_FIRST ((size_t)4096)
#define INPUT_ROOM_MAX ((size_t)VARLINK_INPUT_MAX + 1) /* with the NUL */
#define OUTPUT_FIRST ((size_t)4096)
/* The next call is not read before less than this waits for the peer... */
#define OUTPUT_HIGH ((size_t)VARLINK_OUTPUT_MAX / 4)
/* ...and the buffer of an idle connection is no larger than this. */
#define OUTPUT_KEEP ((size_t)8192)
#define STEPS_AT_ONCE 16
/* json_print() wants 8 bytes to spare; "}" and NUL come behind it. */
#define PRINT_SPARE ((size_t)16)

/* ---- output ---- */

size_t
conn_waiting(const struct conn *c)
{
	return c->out_len - c->out_start;
}

static bool
output_reserve(struct conn *c, size_t room)
{
	char *out;

	if (c->out_room - c->out_len >= room)
		return true;
	if (c->out_start > 0) {
		memmove(c->out, c->out + c->out_start, conn_waiting(c));
		c->out_len -= c->out_start;
		c->out_start = 0;
		if (c->out_room - c->out_len >= room)
			return true;
	}
	room = MAX(c->out_len + room, MIN(c->out_room * 2, (size_t)VARLINK_OUTPUT_MAX));
	out = realloc(c->out, room);
	if (out == NULL)
		return false;
	c->out = out;
	c->out_room = room;
	return true;
}

int
conn_put_message(
    struct conn *c, const char *head, const cJSON *parameters, size_t limit)
{
	size_t head_len = strlen(head), waiting = conn_waiting(c);
	size_t room = MAX(OUTPUT_FIRST, head_len + 2 * PRINT_SPARE);

	for (;; room *= 2) {
		ssize_t n;
		char *p;

		/* the last try has exactly the room that is left */
		if (waiting + head_len + PRINT_SPARE >= limit)
			return -ENOBUFS;
		room = MIN(room, limit - waiting);
		if (!output_reserve(c, room))
			return -ENOBUFS;
		p = c->out + c->out_len;
		n = json_print(parameters, p + head_len, room - head_len - 2);
		if (n < 0 && room == limit - waiting)
			return -ENOBUFS;
		if (n < 0)
			continue;
		memcpy(p, head, head_len);
		memcpy(p + head_len + n, "}", 2);
		c->out_len += head_len + (size_t)n + 2;
		c->server->waiting += head_len + (size_t)n + 2;
		return 0;
	}
}

static void
output_write(struct conn *c)
{
	while (conn_waiting(c) > 0) {
		ssize_t n = send(c->fd, c->out + c->out_start, conn_waiting(c),
		    MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			c->blocked = errno == EAGAIN;
			c->broken = !c->blocked || event_add(&c->writable, NULL) < 0;
			return;
		}
		c->out_start += (size_t)n;
		c->server->waiting -= (size_t)n;
	}
	c->out_start = c->out_len = 0;
	if (c->out_room > OUTPUT_KEEP) {
		free(c->out);
		c->out = NULL;
		c->out_room = 0;
	}
}

static void
output_flush(struct conn *c)
{
	size_t before = conn_waiting(c);

	if (before == 0 || c->blocked || c->broken)
		return;
	output_write(c);
	if (c->call != NULL && c->call->starved && conn_waiting(c) < before &&
	    conn_waiting(c) <= OUTPUT_HIGH) {
		call_drained(c->call);
		if (!c->blocked && !c->broken)
			output_write(c);
	}
}

static void
on_writable(evutil_socket_t fd, short what, void *ctx)
{
	struct conn *c = ctx;

	(void)fd;
	(void)what;
	c->blocked = false;
	server_queue_work(c->server, c);
}

/* ---- input ---- */

/* Where the NUL of the first message is; NULL: it is not complete. */
static const char *
input_message_end(struct conn *c)
{
	const char *nul;

	if (c->in_scanned >= c->in_len)
		return NULL;
	nul = memchr(c->in + c->in_scanned, '\0', c->in_len - c->in_scanned);
	c->in_scanned = nul != NULL ? (size_t)(nul - c->in) : c->in_len;
	return nul;
}

static int
input_take_passed(struct conn *c)
{
	int fd;

	if (c->n_passed == 0 || c->passed[0].at != c->in_start)
		return -1;
	fd = c->passed[0].fd;
	c->passed[0] = c->passed[1];
	c->n_passed--;
	return fd;
}

static bool
input_take_message(struct conn *c)
{
	const char *nul = input_message_end(c), *text;
	size_t len;

	if (nul == NULL)
		return false;
	timer_clear(&c->half);
	text = c->in + c->in_start;
	len = (size_t)(nul - text);
	call_receive(c, text, len, input_take_passed(c));
	c->in_start += len + 1;
	c->in_scanned = c->in_start;
	if (c->in_start == c->in_len)
		c->in_start = c->in_len = c->in_scanned = 0;
	return true;
}

/* Makes room for at least one byte; false: the message is too long, or no memory. */
static bool
input_reserve(struct conn *c)
{
	size_t room = MIN(MAX(c->in_room * 2, INPUT_FIRST), INPUT_ROOM_MAX);
	char *in;

	if (c->in_start > 0) {
		memmove(c->in, c->in + c->in_start, c->in_len - c->in_start);
		for (unsigned i = 0; i < c->n_passed; i++)
			c->passed[i].at -= c->in_start;
		c->in_len -= c->in_start;
		c->in_scanned -= c->in_start;
		c->in_start = 0;
	}
	if (c->in_len < c->in_room)
		return true;
	if (c->in_len == INPUT_ROOM_MAX)
		return false;
	in = realloc(c->in, room);
	if (in == NULL)
		return false;
	c->in = in;
	c->in_room = room;
	return true;
}

/*
 * A descriptor comes with the first byte of what was sent together with it, and the
 * kernel ends a read behind that.  A client sends a message that carries one by itself,
 * so it belongs to the last message that begins in the n bytes just read.
 */
static bool
input_add_passed(struct conn *c, int fd, size_t n)
{
	const char *chunk = c->in + c->in_len;
	const char *nul = memrchr(chunk, '\0', n - 1);
	size_t at = nul != NULL ? (size_t)(nul + 1 - c->in) : c->in_len;

	if ((nul == NULL && c->in_len > 0) || c->n_passed == ARRAY_SIZE(c->passed))
		return false;
	c->passed[c->n_passed++] = (struct passed_fd) { .fd = fd, .at = at };
	return true;
}

/* Keeps the descriptor of a message; false (all closed): there was more than one. */
static bool
input_descriptors(struct conn *c, struct msghdr *m, size_t n)
{
	bool good = (m->msg_flags & MSG_CTRUNC) == 0;
	int only = -1;

	for (struct cmsghdr *h = CMSG_FIRSTHDR(m); h != NULL; h = CMSG_NXTHDR(m, h)) {
		size_t len = h->cmsg_len - CMSG_LEN(0);

		if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t at = 0; at + sizeof(int) <= len; at += sizeof(int)) {
			int fd;

			memcpy(&fd, CMSG_DATA(h) + at, sizeof(fd));
			if (only >= 0) {
				good = false;
				(void)close(fd);
			} else {
				only = fd;
			}
		}
	}
	if (only < 0)
		return good;
	if (good && n > 0 && input_add_passed(c, only, n))
		return true;
	(void)close(only);
	return false;
}

static void
input_read(struct conn *c)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(4 * sizeof(int))];
	} control;
	struct iovec iov;
	struct msghdr m = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control) };
	ssize_t n;

	if (!input_reserve(c)) {
		c->broken = true;
		return;
	}
	iov.iov_base = c->in + c->in_len;
	iov.iov_len = c->in_room - c->in_len;
	n = recvmsg(c->fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n < 0 && errno == EINTR)
		return;
	if (n < 0 && errno == EAGAIN) {
		c->may_read = false;
		return;
	}
	if (n <= 0) {
		c->eof = true;
		return;
	}
	c->broken = !input_descriptors(c, &m, (size_t)n);
	c->in_len += (size_t)n;
}

static void
on_readable(evutil_socket_t fd, short what, void *ctx)
{
	struct conn *c = ctx;

	(void)fd;
	(void)what;
	c->may_read = true;
	server_queue_work(c->server, c);
}

static void
on_half_message_too_old(void *ctx)
{
	struct conn *c = ctx;

	c->broken = true;
	server_queue_work(c->server, c);
}

/* ---- the connection ---- */

static bool
conn_may_step(struct conn *c)
{
	if (c->broken || c->call != NULL || conn_waiting(c) > OUTPUT_HIGH)
		return false;
	return (c->may_read && !c->eof) || input_message_end(c) != NULL;
}

static bool
conn_step(struct conn *c)
{
	if (!conn_may_step(c))
		return false;
	if (!input_take_message(c))
		input_read(c);
	return true;
}

/* Whether the peer neither sends nor receives any more.  Any event on the socket sets
 * may_read, and only reading clears it: so there is nothing to ask without it.  POLLHUP
 * and POLLERR are told without being asked for. */
static bool
conn_is_gone(const struct conn *c)
{
	struct pollfd p = { .fd = c->fd };

	if (!c->may_read || (c->call == NULL && conn_waiting(c) == 0))
		return false;
	return poll(&p, 1, 0) > 0;
}

static bool
conn_is_over(struct conn *c)
{
	if (c->broken || conn_is_gone(c))
		return true;
	return c->eof && c->call == NULL && conn_waiting(c) == 0 &&
	       input_message_end(c) == NULL;
}

unsigned
conn_work(struct conn *c)
{
	unsigned steps = 0;
	bool half;

	c->corked = true;
	while (steps < STEPS_AT_ONCE && conn_step(c))
		steps++;
	output_flush(c);
	c->corked = false;
	if (conn_is_over(c)) {
		conn_close(c);
		return steps + 1;
	}
	if (conn_may_step(c))
		server_queue_work(c->server, c);
	half = c->in_len > c->in_start && c->call == NULL &&
	       conn_waiting(c) <= OUTPUT_HIGH && input_message_end(c) == NULL;
	if (!half)
		timer_clear(&c->half);
	else if (c->half.slot == 0)
		timer_set(&c->half, loop_now() + c->server->settings.half_message_ms);
	return steps + 1;
}

void
conn_close(struct conn *c)
{
	struct varlink_server *s = c->server;

	if (c->call != NULL)
		call_end(c->call);
	if (c->queued)
		TAILQ_REMOVE(&s->work, c, work_link);
	TAILQ_REMOVE(&s->conns, c, link);
	s->n_conns--;
	s->waiting -= conn_waiting(c);
	(void)event_del(&c->readable);
	(void)event_del(&c->writable);
	timer_done(&c->half);
	for (unsigned i = 0; i < c->n_passed; i++)
		(void)close(c->passed[i].fd);
	(void)close(c->fd);
	free(c->in);
	free(c->out);
	free(c);
}

int
conn_new(struct varlink_server *s, int fd, const struct peer *peer)
{
	struct event_base *base = loop_base(s->loop);
	_cleanup_(freep) struct conn *c = calloc(1, sizeof(*c));

	if (c == NULL || timer_init(&c->half, s->loop, on_half_message_too_old, c) < 0)
		return -ENOMEM;
	c->server = s;
	c->peer = *peer;
	c->fd = fd;
	/* one socket's events are all edge-triggered or none is */
	(void)event_assign(
	    &c->readable, base, fd, EV_READ | EV_PERSIST | EV_ET, on_readable, c);
	(void)event_assign(&c->writable, base, fd, EV_WRITE | EV_ET, on_writable, c);
	if (event_add(&c->readable, NULL) < 0) {
		timer_done(&c->half);
		return -ENOMEM;
	}
	TAILQ_INSERT_TAIL(&s->conns, c, link);
	s->n_conns++;
	(void)TAKE_PTR(c);
	return 0;
}
