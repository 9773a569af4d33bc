/*
 * behavior_socket.c - sockets that nothing was sent from yet, bound to an uplink.
 */
#include <event2/event.h>
#include <sys/socket.h>

#include "daemon/behavior_private.h"
#include "daemon/sock.h"

#define DATAGRAMS_PER_TURN 32
#define ANSWER_MAX 4096 /* padded ones come in fragments */

void
look_socket_close(struct look_socket *s)
{
	sock_close(&s->fd, &s->event);
}

void
look_socket_read(struct look_socket *s)
{
	uint8_t buf[ANSWER_MAX];

	for (unsigned i = 0; i < DATAGRAMS_PER_TURN && s->fd >= 0; i++) {
		struct endpoint from;
		unsigned ifindex;
		ssize_t n = sock_receive(s->fd, buf, sizeof(buf), &from, &ifindex);

		if (n < 0)
			break;
		s->received(s->look, s->number, &from, buf, (size_t)n);
	}
}

static void
on_readable(evutil_socket_t fd, short what, void *ctx)
{
	struct look_socket *s = ctx;

	(void)fd;
	(void)what;
	look_socket_read(s);
	s->after(s->look);
}

int
look_socket_open(struct look_socket *s, struct endpoint *ret_local)
{
	const struct look *l = s->look;
	const struct sock_from from = { l->source, l->uplink.name,
		(unsigned)l->uplink.ifindex };
	int r;

	s->fd = sock_open(SOCK_DGRAM, &from);
	if (s->fd < 0)
		return s->fd;
	r = loop_watch(l->all->loop, s->fd, EV_READ, on_readable, s, &s->event);
	if (r == 0)
		r = sock_name(s->fd, ret_local);
	if (r < 0)
		look_socket_close(s);
	return r;
}
