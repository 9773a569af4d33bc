/*
 * behavior_hops.c - proto/hops.h with sockets: the kernel keeps what routers say by
 * ICMP in a socket's error queue, for which no privilege is needed.
 */
#include <errno.h>
#include <event2/event.h>
#include <linux/errqueue.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/behavior_private.h"
#include "daemon/sock.h"

#define NOBODY_PORT 33434 /* of traceroute */
#define ERRORS_PER_TURN 8

struct hop_watch;

struct probe {
	struct hop_watch *watch;
	int fd; /* -1: closed */
	struct event *event;
};

struct hop_watch {
	struct look *look;
	struct hops hops;
	struct timer timer;
	struct probe probes[HOPS_PROBES];
};

static void
pump(struct hop_watch *w)
{
	static const uint8_t nothing[8];
	enum hops_probe probe;

	for (;;)
		switch (hops_next(&w->hops, loop_now(), &probe)) {
		case HOPS_SEND:
			/* What cannot be sent is as good as lost. */
			(void)!send(w->probes[probe].fd, nothing, sizeof(nothing),
			    MSG_NOSIGNAL);
			break;
		case HOPS_WAIT:
			timer_set(&w->timer, w->hops.next_at);
			return;
		case HOPS_DONE:
			hops_done(w->look, &w->hops);
			return;
		}
}

static void
on_timer(void *ctx)
{
	pump(ctx);
}

/* One error of the queue. */
static void
heard(struct hop_watch *w, enum hops_probe probe, const struct sock_extended_err *error)
{
	const struct sockaddr_in *from =
	    (const struct sockaddr_in *)SO_EE_OFFENDER(error);
	struct addr addr;

	if (error->ee_origin != SO_EE_ORIGIN_ICMP || from->sin_family != AF_INET)
		return;
	addr = addr_from_bytes(ADDR_IPV4, &from->sin_addr);
	if (error->ee_type == ICMP_TIME_EXCEEDED)
		hops_heard(&w->hops, probe, HOPS_ENDED, &addr);
	else if (error->ee_type == ICMP_DEST_UNREACH &&
		 error->ee_code == ICMP_PORT_UNREACH)
		hops_heard(&w->hops, probe, HOPS_UNREACHABLE, &addr);
}

static bool
read_error(struct hop_watch *w, enum hops_probe probe)
{
	union {
		struct cmsghdr align;
		char bytes[512];
	} control;
	struct msghdr msg = { .msg_control = &control,
		.msg_controllen = sizeof(control) };

	if (recvmsg(w->probes[probe].fd, &msg, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
		return false;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c))
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR &&
		    c->cmsg_len >= CMSG_LEN(sizeof(struct sock_extended_err) +
					    sizeof(struct sockaddr_in)))
			heard(w, probe, (const struct sock_extended_err *)CMSG_DATA(c));
	return true;
}

static void
on_readable(evutil_socket_t fd, short what, void *ctx)
{
	struct probe *p = ctx;
	struct hop_watch *w = p->watch;
	uint8_t unwanted[64];

	(void)what;
	for (unsigned i = 0; i < ERRORS_PER_TURN; i++)
		if (!read_error(w, (enum hops_probe)(p - w->probes)))
			break;
	/* Two hops may be enough to reach the server. */
	(void)!recv(fd, unwanted, sizeof(unwanted), MSG_DONTWAIT);
	pump(w);
}

static int
probe_open(struct hop_watch *w, enum hops_probe number, const struct sock_from *from,
    const struct endpoint *to)
{
	struct probe *p = &w->probes[number];
	int ttl = hops_ttl(number), on = 1;

	p->fd = sock_connected_udp(from, to);
	if (p->fd < 0)
		return p->fd;
	if (setsockopt(p->fd, IPPROTO_IP, IP_TTL, &ttl, sizeof(ttl)) < 0 ||
	    setsockopt(p->fd, IPPROTO_IP, IP_RECVERR, &on, sizeof(on)) < 0)
		return -errno;
	return loop_watch(
	    w->look->all->loop, p->fd, EV_READ, on_readable, p, &p->event);
}

struct hop_watch *
hops_stop(struct hop_watch *w)
{
	if (!w)
		return NULL;
	for (unsigned i = 0; i < HOPS_PROBES; i++)
		sock_close(&w->probes[i].fd, &w->probes[i].event);
	timer_done(&w->timer);
	free(w);
	return NULL;
}

void
hops_start(struct look *l, const struct addr *seen, const struct endpoint *server)
{
	const struct sock_from from = { l->source, l->uplink.name,
		(unsigned)l->uplink.ifindex };
	const struct endpoint nobody = { *seen, NOBODY_PORT };
	struct hop_watch *w;
	int r;

	if (l->source.family != ADDR_IPV4 || addr_equal(seen, &l->source))
		return;
	w = calloc(1, sizeof(*w));
	if (!w)
		return;
	w->look = l;
	for (unsigned i = 0; i < HOPS_PROBES; i++)
		w->probes[i] = (struct probe) { w, -1, NULL };
	r = timer_init(&w->timer, l->all->loop, on_timer, w);
	for (unsigned i = 0; i < HOPS_PROBES && r >= 0; i++)
		r = probe_open(
		    w, (enum hops_probe)i, &from, i == HOPS_SEEN ? &nobody : server);
	if (r < 0) {
		hops_stop(w);
		return;
	}
	hops_init(&w->hops, seen, loop_now());
	l->hop_watch = w;
	pump(w);
}
