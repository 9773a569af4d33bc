/*
 * stun_link.c - one connection to a STUN server, message by message.
 */
#include "ctl/stun_link.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ctl/client.h"
#include "ctl/stun_tls.h"
#include "proto/stun.h"

struct stun_link {
	int fd;
	enum stun_transport transport;
	struct stun_tls *tls; /* NULL: in clear */
	uint8_t buf[2048];    /* of a stream, what is there of a message */
	size_t len;
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
stun_link_socket(enum stun_transport transport, const struct endpoint *to)
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

int
stun_link_open(int fd, enum stun_transport transport, const char *host, msec_t deadline,
    struct stun_link **ret)
{
	struct stun_link *l = calloc(1, sizeof(*l));
	int r = 0;

	if (!l) {
		close(fd);
		return -ENOMEM;
	}
	l->fd = fd;
	l->transport = transport;
	if (transport == STUN_TLS || transport == STUN_DTLS)
		r = stun_tls_open(fd, transport == STUN_DTLS, host, deadline, &l->tls);
	if (r < 0) {
		stun_link_close(l);
		return r;
	}
	*ret = l;
	return 0;
}

struct stun_link *
stun_link_close(struct stun_link *l)
{
	if (!l)
		return NULL;
	stun_tls_close(l->tls);
	close(l->fd);
	free(l);
	return NULL;
}

void
stun_link_closep(struct stun_link **l)
{
	*l = stun_link_close(*l);
}

const char *
stun_link_trouble(void)
{
	return stun_tls_trouble();
}

struct endpoint
stun_link_local(const struct stun_link *l)
{
	struct sockaddr_storage ss = { .ss_family = AF_UNSPEC };
	socklen_t len = sizeof(ss);
	struct endpoint e = { .addr = { .family = ADDR_NONE } };
	struct sockaddr_in6 in6;
	struct sockaddr_in in;

	if (getsockname(l->fd, (struct sockaddr *)&ss, &len) < 0)
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
stun_link_send(struct stun_link *l, const uint8_t *buf, size_t len)
{
	if (l->tls)
		return stun_tls_send(l->tls, buf, len);
	/* The first of a new connection: 20 bytes always fit. */
	return send(l->fd, buf, len, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static ssize_t
receive_some(struct stun_link *l, uint8_t *buf, size_t size, msec_t deadline)
{
	struct pollfd p = { .fd = l->fd, .events = POLLIN };
	msec_t left = deadline - client_now();
	ssize_t n;

	if (l->tls)
		return stun_tls_receive(l->tls, buf, size, deadline);
	if (poll(&p, 1, (int)MAX(0, MIN(left, 60 * MSEC_PER_SEC))) <= 0)
		return -ETIMEDOUT;
	n = recv(l->fd, buf, size, 0);
	if (n < 0)
		return errno == EAGAIN ? -ETIMEDOUT : -errno;
	return n == 0 && stun_transport_is_stream(l->transport) ? -ECONNRESET : n;
}

ssize_t
stun_link_receive(struct stun_link *l, uint8_t *buf, size_t size, msec_t deadline)
{
	if (!stun_transport_is_stream(l->transport))
		return receive_some(l, buf, size, deadline);
	for (;;) {
		ssize_t n = stun_stream_frame(l->buf, l->len);

		if (n < 0 || (size_t)n > MIN(sizeof(l->buf), size))
			return -EBADMSG;
		if (n > 0 && (size_t)n <= l->len) {
			memcpy(buf, l->buf, (size_t)n);
			l->len -= (size_t)n;
			memmove(l->buf, l->buf + n, l->len);
			return n;
		}
		n = receive_some(l, l->buf + l->len, sizeof(l->buf) - l->len, deadline);
		if (n < 0)
			return n;
		l->len += (size_t)n;
	}
}
