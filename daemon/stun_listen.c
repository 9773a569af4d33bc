/*
 * stun_listen.c - sockets of the STUN server, new ones and those from before.
 */
#include "daemon/stun_listen.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <unistd.h>

#include "daemon/sock.h"
#include "proto/stun_server.h"
#include "proto/util.h"

#define BACKLOG 64
#define USE "server"
/* UDP and TCP, IPv4 and IPv6. */
#define SOCKETS_MAX (STUN_SERVER_SOCKETS * 2 * 2)

struct stun_listen {
	struct fdstore *store;
	int parked[SOCKETS_MAX]; /* -1: none */
};

static void
discard(struct stun_listen *l, int fd)
{
	(void)fdstore_drop(l->store, fd);
	close(fd);
}

void
stun_listen_park(struct stun_listen *l, int fd)
{
	for (size_t i = 0; i < ARRAY_SIZE(l->parked); i++)
		if (l->parked[i] < 0) {
			l->parked[i] = fd;
			return;
		}
	discard(l, fd);
}

void
stun_listen_clear(struct stun_listen *l)
{
	for (size_t i = 0; i < ARRAY_SIZE(l->parked); i++)
		if (l->parked[i] >= 0) {
			discard(l, l->parked[i]);
			l->parked[i] = -1;
		}
}

int
stun_listen_new(struct fdstore *store, struct stun_listen **ret)
{
	struct stun_listen *l = calloc(1, sizeof(*l));
	uint64_t number;
	int fd;

	if (!l)
		return -ENOMEM;
	l->store = store;
	for (size_t i = 0; i < ARRAY_SIZE(l->parked); i++)
		l->parked[i] = -1;
	while ((fd = fdstore_take(store, USE, &number)) >= 0)
		stun_listen_park(l, fd);
	*ret = l;
	return 0;
}

struct stun_listen *
stun_listen_free(struct stun_listen *l)
{
	if (!l)
		return NULL;
	stun_listen_clear(l);
	free(l);
	return NULL;
}

static int
open_new(int type, const struct endpoint *at)
{
	struct sockaddr_storage ss;
	socklen_t len = sock_addr(at, &ss);
	int on = 1, fd, r;

	fd = socket(ss.ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (at->addr.family == ADDR_IPV6)
		r = setsockopt(fd, IPPROTO_IPV6, IPV6_FREEBIND, &on, sizeof(on));
	else
		r = setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &on, sizeof(on));
	if (r == 0 && type == SOCK_STREAM)
		r = setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (r == 0)
		r = bind(fd, (struct sockaddr *)&ss, len);
	if (r == 0 && type == SOCK_STREAM)
		r = listen(fd, BACKLOG);
	if (r == 0)
		return fd;
	r = -errno;
	close(fd);
	return r;
}

static bool
is_at(int fd, int type, const struct endpoint *at)
{
	socklen_t type_len = sizeof(int);
	struct endpoint here;
	int got;

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &got, &type_len) == 0 &&
	       got == type && sock_name(fd, &here) == 0 && endpoint_equal(&here, at);
}

static int
open_parked(struct stun_listen *l, int type, const struct endpoint *at)
{
	for (size_t i = 0; i < ARRAY_SIZE(l->parked); i++) {
		int fd = l->parked[i];

		if (fd >= 0 && is_at(fd, type, at)) {
			l->parked[i] = -1;
			return fd;
		}
	}
	return -ENOENT;
}

int
stun_listen_open(struct stun_listen *l, int type, const struct endpoint *at)
{
	int fd = open_parked(l, type, at);

	if (fd >= 0)
		return fd;
	fd = open_new(type, at);
	if (fd == -EADDRINUSE) {
		/* By one of ours, perhaps, on all addresses. */
		stun_listen_clear(l);
		fdstore_settle(l->store);
		fd = open_new(type, at);
	}
	if (fd >= 0)
		(void)fdstore_put(l->store, USE, fd, 0);
	return fd;
}
