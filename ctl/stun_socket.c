/*
 * stun_socket.c - a socket to a STUN server and the link over it.
 */
#include "ctl/stun_socket.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ctl/client.h"

struct stun_socket {
	int fd;
	struct stun_link_params p;
	struct stun_link *link; /* NULL: not connected yet */
};

static socklen_t
address_of(const struct endpoint *e, struct sockaddr_storage *ret)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6,
		.sin6_port = htons(e->port),
		.sin6_scope_id = e->addr.scope };
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(e->port) };

	if (e->addr.family == ADDR_IPV6) {
		memcpy(&in6.sin6_addr, e->addr.bytes, 16);
		memcpy(ret, &in6, sizeof(in6));
		return sizeof(in6);
	}
	memcpy(&in.sin_addr, e->addr.bytes, 4);
	memcpy(ret, &in, sizeof(in));
	return sizeof(in);
}

struct stun_socket *
stun_socket_close(struct stun_socket *s)
{
	const uint8_t *bytes;
	size_t len;

	if (!s)
		return NULL;
	if (s->link) {
		stun_link_goodbye(s->link);
		/* Nobody waits for the goodbye to arrive. */
		while ((len = stun_link_output(s->link, &bytes)) > 0) {
			if (send(s->fd, bytes, len, MSG_NOSIGNAL) < 0)
				break;
			stun_link_sent(s->link, len);
		}
	}
	stun_link_free(s->link);
	if (s->fd >= 0)
		close(s->fd);
	free(s);
	return NULL;
}

void
stun_socket_closep(struct stun_socket **s)
{
	*s = stun_socket_close(*s);
}

struct endpoint
stun_socket_local(const struct stun_socket *s)
{
	struct sockaddr_storage ss = { .ss_family = AF_UNSPEC };
	socklen_t len = sizeof(ss);
	struct endpoint e = { .addr = { .family = ADDR_NONE } };
	struct sockaddr_in6 in6;
	struct sockaddr_in in;

	if (getsockname(s->fd, (struct sockaddr *)&ss, &len) < 0)
		return e;
	if (ss.ss_family == AF_INET6) {
		memcpy(&in6, &ss, sizeof(in6));
		e.addr = addr_from_bytes(ADDR_IPV6, &in6.sin6_addr);
		e.addr.scope = in6.sin6_scope_id;
		e.port = ntohs(in6.sin6_port);
	} else {
		memcpy(&in, &ss, sizeof(in));
		e.addr = addr_from_bytes(ADDR_IPV4, &in.sin_addr);
		e.port = ntohs(in.sin_port);
	}
	return e;
}

/* ---- bytes ---- */

/* Writes what there is; what does not fit now goes later. */
static int
write_some(struct stun_socket *s)
{
	const uint8_t *bytes;
	size_t len;

	while ((len = stun_link_output(s->link, &bytes)) > 0) {
		ssize_t n = send(s->fd, bytes, len, MSG_NOSIGNAL);

		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		stun_link_sent(s->link, (size_t)n);
	}
	return 0;
}

static int
read_some(struct stun_socket *s)
{
	uint8_t buf[STUN_LINK_FEED_MAX];
	ssize_t n = recv(s->fd, buf, sizeof(buf), 0);

	if (n < 0)
		return errno == EAGAIN ? 0 : -errno;
	if (n == 0 && stun_transport_is_stream(s->p.transport))
		return -ECONNRESET;
	return stun_link_feed(s->link, buf, (size_t)n, client_now());
}

/* Whether it is connected, once poll() says that something happened. */
static int
speak(struct stun_socket *s)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		return -errno;
	return error ? -error : stun_link_new(&s->p, client_now(), &s->link);
}

int
stun_socket_new(const struct endpoint *to, const struct stun_link_params *p,
    struct stun_socket **ret)
{
	_cleanup_(stun_socket_closep) struct stun_socket *s = calloc(1, sizeof(*s));
	bool stream = stun_transport_is_stream(p->transport);
	struct sockaddr_storage ss;
	socklen_t len = address_of(to, &ss);
	int r = 0;

	if (!s)
		return -ENOMEM;
	s->p = *p;
	s->fd = socket(to->addr.family == ADDR_IPV6 ? AF_INET6 : AF_INET,
	    (stream ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (s->fd < 0 ||
	    (connect(s->fd, (struct sockaddr *)&ss, len) < 0 && errno != EINPROGRESS))
		return -errno;
	if (!stream)
		r = speak(s);
	if (r == 0 && s->link)
		r = write_some(s);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(s);
	return 0;
}

int
stun_socket_fd(const struct stun_socket *s)
{
	return s->fd;
}

short
stun_socket_events(const struct stun_socket *s)
{
	const uint8_t *bytes;

	if (!s->link)
		return POLLOUT;
	return stun_link_output(s->link, &bytes) > 0 ? POLLIN | POLLOUT : POLLIN;
}

msec_t
stun_socket_due(const struct stun_socket *s)
{
	return s->link ? stun_link_due(s->link) : MSEC_NEVER;
}

int
stun_socket_turn(struct stun_socket *s, short revents)
{
	int r = 0, w;

	if (!s->link && revents)
		r = speak(s);
	else if (revents & ~POLLOUT)
		r = read_some(s);
	if (!s->link)
		return r;
	if (r == 0 && client_now() >= stun_link_due(s->link))
		r = stun_link_tick(s->link, client_now());
	/* An alert goes, whatever else is the matter. */
	w = write_some(s);
	return r < 0 ? r : w;
}

bool
stun_socket_is_open(const struct stun_socket *s)
{
	return s->link && stun_link_is_open(s->link);
}

const char *
stun_socket_why(const struct stun_socket *s)
{
	return s->link ? stun_link_why(s->link) : "";
}

/* ---- messages ---- */

int
stun_socket_send(struct stun_socket *s, const uint8_t *buf, size_t len)
{
	int r = stun_link_send(s->link, buf, len);

	return r < 0 ? r : write_some(s);
}

/* Waits for the socket and serves it once. */
static int
serve(struct stun_socket *s, msec_t deadline)
{
	msec_t left = MIN(deadline, stun_socket_due(s)) - client_now();
	struct pollfd p = { .fd = s->fd, .events = stun_socket_events(s) };
	int n = poll(&p, 1, (int)MAX(0, MIN(left, 60 * MSEC_PER_SEC)));

	if (n <= 0 && client_now() >= deadline)
		return -ETIMEDOUT;
	return stun_socket_turn(s, n > 0 ? p.revents : 0);
}

ssize_t
stun_socket_receive(struct stun_socket *s, uint8_t *buf, size_t size, msec_t deadline)
{
	for (;;) {
		ssize_t n = stun_link_receive(s->link, buf, size);

		if (n == 0)
			n = serve(s, deadline);
		if (n != 0)
			return n;
	}
}
