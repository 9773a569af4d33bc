/*
 * sock.c - UDP and TCP sockets that leave by one interface from one address.
 */
#include "daemon/sock.h"

#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include "proto/util.h"

#define MULTICAST_HOPS \
	4 /* UPnP Device Architecture 2.0, 1.1.2: "SHOULD default to 2" */

static void
closep(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static int
take_fd(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

socklen_t
sock_addr(const struct endpoint *e, struct sockaddr_storage *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (e->addr.family == ADDR_IPV6) {
		struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret;

		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(e->port);
		in6->sin6_scope_id = e->addr.scope;
		memcpy(&in6->sin6_addr, e->addr.bytes, 16);
		return sizeof(*in6);
	}
	struct sockaddr_in *in = (struct sockaddr_in *)ret;

	in->sin_family = AF_INET;
	in->sin_port = htons(e->port);
	memcpy(&in->sin_addr, e->addr.bytes, 4);
	return sizeof(*in);
}

struct endpoint
sock_endpoint(const struct sockaddr_storage *ss)
{
	struct endpoint e = { .addr = { .family = ADDR_NONE } };

	if (ss->ss_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)ss;

		e.addr = addr_from_bytes(ADDR_IPV4, &in->sin_addr);
		e.port = ntohs(in->sin_port);
	} else if (ss->ss_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)ss;

		e.addr = addr_from_bytes(ADDR_IPV6, &in6->sin6_addr);
		if (addr_classify(&e.addr) == ADDR_CLASS_LINK_LOCAL)
			e.addr.scope = in6->sin6_scope_id;
		e.port = ntohs(in6->sin6_port);
	}
	return e;
}

int
sock_name(int fd, struct endpoint *ret)
{
	struct sockaddr_storage ss = { .ss_family = AF_UNSPEC };
	socklen_t len = sizeof(ss);

	if (getsockname(fd, (struct sockaddr *)&ss, &len) < 0)
		return -errno;
	*ret = sock_endpoint(&ss);
	return 0;
}

int
sock_addr_parse(const char *text, struct addr *ret)
{
	char zone[ADDR_ZONE_MAX];
	struct addr a;
	int r = addr_parse_zone(text, &a, zone);

	if (r < 0)
		return r;
	if (zone[0])
		a.scope = if_nametoindex(zone);
	if (zone[0] && a.scope == 0)
		return -EINVAL;
	*ret = a;
	return 0;
}

int
sock_take_zone(struct addr *a, char ifname[static IF_NAMESIZE])
{
	char name[IF_NAMESIZE];

	if (a->scope == 0)
		return 0;
	if (!if_indextoname(a->scope, name) || (ifname[0] && strcmp(ifname, name) != 0))
		return -EINVAL;
	a->scope = 0;
	strcpy(ifname, name);
	return 0;
}

/* NULL: it has none. */
static const char *
zone_of(const struct addr *a, char name[static IF_NAMESIZE])
{
	return a->scope ? if_indextoname(a->scope, name) : NULL;
}

const char *
sock_addr_format(const struct addr *a, char buf[static ADDR_TEXT_MAX])
{
	char name[IF_NAMESIZE];

	return addr_format_zone(a, zone_of(a, name), buf);
}

const char *
sock_endpoint_format(const struct endpoint *e, char buf[static ENDPOINT_TEXT_MAX])
{
	char name[IF_NAMESIZE];

	return endpoint_format_zone(e, zone_of(&e->addr, name), buf);
}

static int
af_of(enum addr_family family)
{
	return family == ADDR_IPV6 ? AF_INET6 : AF_INET;
}

int
sock_open(int type, const struct sock_from *from)
{
	_cleanup_(closep) int fd =
	    socket(af_of(from->local.family), type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	/* Unprivileged since Linux 5.7; without it the source address has to do. */
	if (from->ifname &&
	    setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, from->ifname,
		(socklen_t)strlen(from->ifname)) < 0 &&
	    errno != EPERM)
		return -errno;
	if (from->local.family != ADDR_NONE) {
		struct endpoint local = { .addr = from->local };
		struct sockaddr_storage ss;
		socklen_t len;

		if (addr_classify(&local.addr) == ADDR_CLASS_LINK_LOCAL)
			local.addr.scope = from->ifindex;
		len = sock_addr(&local, &ss);
		if (bind(fd, (struct sockaddr *)&ss, len) < 0)
			return -errno;
	}
	return take_fd(&fd);
}

int
sock_connected_udp(const struct sock_from *from, const struct endpoint *to)
{
	struct sockaddr_storage ss;
	socklen_t len = sock_addr(to, &ss);
	_cleanup_(closep) int fd = sock_open(SOCK_DGRAM, from);

	if (fd < 0)
		return take_fd(&fd);
	if (connect(fd, (struct sockaddr *)&ss, len) < 0)
		return -errno;
	return take_fd(&fd);
}

int
sock_multicast_udp(const struct sock_from *from, enum addr_family family)
{
	_cleanup_(closep) int fd = sock_open(SOCK_DGRAM, from);
	int hops = MULTICAST_HOPS, r;

	if (fd < 0)
		return take_fd(&fd);
	if (family == ADDR_IPV6) {
		int ifindex = (int)from->ifindex;

		r = setsockopt(
		    fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, &ifindex, sizeof(ifindex));
		if (r == 0)
			r = setsockopt(
			    fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, &hops, sizeof(hops));
	} else {
		struct ip_mreqn mreq = { .imr_ifindex = (int)from->ifindex };

		r = setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &mreq, sizeof(mreq));
		if (r == 0)
			r = setsockopt(
			    fd, IPPROTO_IP, IP_MULTICAST_TTL, &hops, sizeof(hops));
	}
	return r < 0 ? -errno : take_fd(&fd);
}

int
sock_listen_multicast(enum addr_family family, unsigned short port)
{
	const struct sock_from from = { .local = { .family = family } };
	struct endpoint any = { .addr = { .family = family }, .port = port };
	struct sockaddr_storage ss;
	socklen_t len = sock_addr(&any, &ss);
	_cleanup_(closep) int fd = socket(
	    af_of(from.local.family), SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int on = 1, r;

	if (fd < 0)
		return -errno;
	/* Quirk 43: another program may listen there, too. */
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
		return -errno;
	if (family == ADDR_IPV6) {
		r = setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
		if (r == 0)
			r = setsockopt(
			    fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on));
	} else {
		r = setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on));
	}
	if (r < 0 || bind(fd, (struct sockaddr *)&ss, len) < 0)
		return -errno;
	return take_fd(&fd);
}

int
sock_membership(int fd, const struct addr *group, unsigned ifindex, bool join)
{
	int r;

	if (group->family == ADDR_IPV6) {
		struct ipv6_mreq mreq = { .ipv6mr_interface = ifindex };

		memcpy(&mreq.ipv6mr_multiaddr, group->bytes, 16);
		r = setsockopt(fd, IPPROTO_IPV6,
		    join ? IPV6_ADD_MEMBERSHIP : IPV6_DROP_MEMBERSHIP, &mreq,
		    sizeof(mreq));
	} else {
		struct ip_mreqn mreq = { .imr_ifindex = (int)ifindex };

		memcpy(&mreq.imr_multiaddr, group->bytes, 4);
		r = setsockopt(fd, IPPROTO_IP,
		    join ? IP_ADD_MEMBERSHIP : IP_DROP_MEMBERSHIP, &mreq, sizeof(mreq));
	}
	return r < 0 ? -errno : 0;
}

static unsigned
receiving_interface(struct msghdr *msg)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			struct in_pktinfo info;

			memcpy(&info, CMSG_DATA(c), sizeof(info));
			return (unsigned)info.ipi_ifindex;
		}
		if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
			struct in6_pktinfo info;

			memcpy(&info, CMSG_DATA(c), sizeof(info));
			return info.ipi6_ifindex;
		}
	}
	return 0;
}

ssize_t
sock_receive(
    int fd, void *buf, size_t size, struct endpoint *ret_from, unsigned *ret_ifindex)
{
	struct sockaddr_storage from = { .ss_family = AF_UNSPEC };
	char control[256] __attribute__((aligned(sizeof(size_t))));
	struct iovec iov = { .iov_base = buf, .iov_len = size };
	struct msghdr msg = {
		.msg_name = &from,
		.msg_namelen = sizeof(from),
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	ssize_t n = recvmsg(fd, &msg, MSG_DONTWAIT);

	if (n < 0)
		return -errno;
	/* What does not fit is no message of ours. */
	if (msg.msg_flags & MSG_TRUNC)
		n = 0;
	*ret_from = sock_endpoint(&from);
	*ret_ifindex = receiving_interface(&msg);
	return n;
}

ssize_t
sock_send_to(int fd, const void *buf, size_t len, const struct endpoint *to)
{
	struct sockaddr_storage ss;
	socklen_t ss_len = sock_addr(to, &ss);
	ssize_t n = sendto(fd, buf, len, MSG_NOSIGNAL, (struct sockaddr *)&ss, ss_len);

	return n < 0 ? -errno : n;
}

void
sock_close(int *fd, struct event **event)
{
	if (*event)
		event_free(*event);
	if (*fd >= 0)
		close(*fd);
	*event = NULL;
	*fd = -1;
}
