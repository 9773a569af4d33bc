/*
 * hear.c - listeners for announcements and SSDP NOTIFY.
 */
#include "daemon/hear.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/log.h"
#include "daemon/sock.h"
#include "proto/natpmp.h"
#include "proto/ssdp.h"

#define INTERFACES_MAX 64
#define DATAGRAMS_PER_TURN 64

enum ear_kind { EAR_ANNOUNCE, EAR_SSDP };

/* The four groups. */
static const struct {
	enum addr_family family;
	const char *group;
	unsigned short port;
	enum ear_kind kind;
} groups[] = {
	{ ADDR_IPV4, "224.0.0.1", NATPMP_ANNOUNCE_PORT, EAR_ANNOUNCE },
	{ ADDR_IPV6, "ff02::1", NATPMP_ANNOUNCE_PORT, EAR_ANNOUNCE },
	{ ADDR_IPV4, "239.255.255.250", SSDP_PORT, EAR_SSDP },
	{ ADDR_IPV6, "ff02::c", SSDP_PORT, EAR_SSDP },
};

struct ear {
	struct hear *hear;
	enum ear_kind kind;
	int fd;
	struct event *event;
};

struct hear {
	struct loop *loop;
	struct hear_hooks hooks;
	struct ear ear[ARRAY_SIZE(groups)];
	unsigned joined[INTERFACES_MAX];
	size_t joined_count;
	bool complained;
};

static void
on_heard(evutil_socket_t fd, short what, void *ctx)
{
	struct ear *e = ctx;
	struct hear_hooks *hooks = &e->hear->hooks;
	char buf[SSDP_MESSAGE_MAX + 1];
	struct endpoint from;
	unsigned ifindex;
	ssize_t n;

	(void)what;
	for (unsigned i = 0; i < DATAGRAMS_PER_TURN; i++) {
		n = sock_receive(fd, buf, sizeof(buf), &from, &ifindex);
		if (n == -EAGAIN)
			break;
		if (n <= 0)
			continue;
		if (e->kind == EAR_SSDP)
			hooks->ssdp(ifindex, &from.addr, buf, (size_t)n, hooks->ctx);
		else if (n >= 2 && (uint8_t)buf[1] == NATPMP_RESPONSE)
			hooks->announced(ifindex, &from.addr, hooks->ctx);
	}
}

/* False: somebody else has the port, or memory and descriptors are short: it may be
 * possible later. */
static bool
ear_open(struct hear *h, size_t i)
{
	struct ear *e = &h->ear[i];

	if (e->fd >= 0)
		return true;
	e->fd = sock_listen_multicast(groups[i].family, groups[i].port);
	if (e->fd >= 0) {
		if (loop_watch(h->loop, e->fd, EV_READ, on_heard, e, &e->event) < 0)
			sock_close(&e->fd, &e->event);
		h->joined_count = 0; /* the new socket joins everywhere */
		return e->fd >= 0;
	}
	if (!h->complained && groups[i].family == ADDR_IPV4) {
		h->complained = true;
		log_notice(
		    "cannot listen on UDP port %u (%s): restarts of the router are "
		    "noticed by asking only",
		    groups[i].port, strerror(-e->fd));
	}
	/* Not where the kernel has no IPv6. */
	return e->fd != -EADDRINUSE && e->fd != -EMFILE && e->fd != -ENFILE &&
	       e->fd != -ENOMEM && e->fd != -ENOBUFS;
}

int
hear_new(struct loop *loop, const struct hear_hooks *hooks, struct hear **ret)
{
	struct hear *h = calloc(1, sizeof(*h));

	if (!h)
		return -ENOMEM;
	h->loop = loop;
	h->hooks = *hooks;
	for (size_t i = 0; i < ARRAY_SIZE(groups); i++)
		h->ear[i] =
		    (struct ear) { .hear = h, .kind = groups[i].kind, .fd = -1 };
	*ret = h;
	return 0;
}

struct hear *
hear_free(struct hear *h)
{
	if (!h)
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(groups); i++)
		sock_close(&h->ear[i].fd, &h->ear[i].event);
	free(h);
	return NULL;
}

static bool
contains(const unsigned *list, size_t count, unsigned value)
{
	for (size_t i = 0; i < count; i++)
		if (list[i] == value)
			return true;
	return false;
}

static void
membership(struct hear *h, unsigned ifindex, bool join)
{
	for (size_t i = 0; i < ARRAY_SIZE(groups); i++) {
		struct addr group;

		if (h->ear[i].fd < 0 || addr_parse(groups[i].group, &group) < 0)
			continue;
		/* IGMP limits and vanished interfaces cost us hints, nothing else. */
		(void)sock_membership(h->ear[i].fd, &group, ifindex, join);
	}
}

bool
hear_on(struct hear *h, const unsigned *ifindexes, size_t count)
{
	unsigned wanted[INTERFACES_MAX];
	size_t wanted_count = 0;
	bool complete = true;

	for (size_t i = 0; i < count && wanted_count < INTERFACES_MAX; i++)
		if (!contains(wanted, wanted_count, ifindexes[i]))
			wanted[wanted_count++] = ifindexes[i];
	for (size_t i = 0; i < ARRAY_SIZE(groups); i++) {
		if (wanted_count > 0)
			complete &= ear_open(h, i);
		else
			sock_close(&h->ear[i].fd, &h->ear[i].event);
	}
	for (size_t i = 0; wanted_count > 0 && i < h->joined_count; i++)
		if (!contains(wanted, wanted_count, h->joined[i]))
			membership(h, h->joined[i], false);
	for (size_t i = 0; i < wanted_count; i++)
		if (!contains(h->joined, h->joined_count, wanted[i]))
			membership(h, wanted[i], true);
	memcpy(h->joined, wanted, wanted_count * sizeof(*wanted));
	h->joined_count = wanted_count;
	return complete;
}
