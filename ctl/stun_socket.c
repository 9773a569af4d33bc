/*
 * stun_socket.c - a socket to a STUN server and the link over it.
 */
#include "ctl/stun_socket.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ctl/client.h"

struct stun_socket {
	int fd;
	bool stream;
	struct stun_link *link;
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

int
stun_socket_connect(enum stun_transport transport, const struct endpoint *to)
{
	struct sockaddr_storage ss;
	socklen_t len = address_of(to, &ss);
	int type = stun_transport_is_stream(transport) ? SOCK_STREAM : SOCK_DGRAM;
	int fd = socket(to->addr.family == ADDR_IPV6 ? AF_INET6 : AF_INET,
	    type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&ss, len) < 0 && errno != EINPROGRESS) {
		int r = -errno;

		close(fd);
		return r;
	}
	return fd;
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

int
stun_socket_fd(const struct stun_socket *s)
{
	return s->fd;
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
	if (n == 0 && s->stream)
		return -ECONNRESET;
	return stun_link_feed(s->link, buf, (size_t)n, client_now());
}

/* Waits for the socket and serves it once. */
static int
serve(struct stun_socket *s, msec_t deadline)
{
	msec_t now = client_now(), due = stun_link_due(s->link);
	msec_t left = MIN(MIN(deadline, due) - now, 60 * MSEC_PER_SEC);
	struct pollfd p = { .fd = s->fd, .events = POLLIN };
	const uint8_t *bytes;
	int r;

	if (stun_link_output(s->link, &bytes) > 0)
		p.events |= POLLOUT;
	r = poll(&p, 1, (int)MAX(0, left));
	if (r == 0) {
		now = client_now();
		if (now >= deadline)
			return -ETIMEDOUT;
		r = stun_link_tick(s->link, now);
	} else if (r > 0) {
		r = p.revents & ~POLLOUT ? read_some(s) : 0;
	} else {
		r = errno == EINTR ? 0 : -errno;
	}
	/* An alert goes, whatever else is the matter. */
	return r < 0 ? (write_some(s), r) : write_some(s);
}

/* ---- messages ---- */

int
stun_socket_open(int fd, const struct stun_link_params *p, msec_t deadline,
    char why[static STUN_TROUBLE_MAX], struct stun_socket **ret)
{
	_cleanup_(stun_socket_closep) struct stun_socket *s = calloc(1, sizeof(*s));
	int r;

	why[0] = '\0';
	if (!s) {
		close(fd);
		return -ENOMEM;
	}
	s->fd = fd;
	s->stream = stun_transport_is_stream(p->transport);
	r = stun_link_new(p, client_now(), &s->link);
	if (r < 0)
		return r;
	r = write_some(s);
	while (r == 0 && !stun_link_is_open(s->link))
		r = serve(s, deadline);
	if (r < 0) {
		snprintf(why, STUN_TROUBLE_MAX, "%s", stun_link_why(s->link));
		return r;
	}
	*ret = TAKE_PTR(s);
	return 0;
}

int
stun_socket_send(struct stun_socket *s, const uint8_t *buf, size_t len)
{
	int r = stun_link_send(s->link, buf, len);

	return r < 0 ? r : write_some(s);
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
