/*
 * sock.h - UDP and TCP sockets that leave by one interface from one address.
 *
 * Every socket is non-blocking, close-on-exec and bound to its interface, so that a
 * policy route or a VPN cannot carry a question to the wrong router.
 */
#pragma once

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "proto/addr.h"

struct event;

struct sock_from {
	struct addr local;  /* source address; ADDR_NONE: the kernel's choice */
	const char *ifname; /* NULL: any */
	unsigned ifindex;
};

/* Converts; returns the length of what was written. */
socklen_t sock_addr(const struct endpoint *e, struct sockaddr_storage *ret);
struct endpoint sock_endpoint(const struct sockaddr_storage *ss);

/* What a socket is bound to.  0 or -errno. */
int sock_name(int fd, struct endpoint *ret);

/* A literal with the zone as a name or number.  0 or -EINVAL: it is none, or there is
 * no such interface. */
int sock_addr_parse(const char *text, struct addr *ret);
/* Moves the zone of *a, if it has one, to the interface's name, which outlives a
 * reboot. -EINVAL: no such interface, or ifname is already another. */
int sock_take_zone(struct addr *a, char ifname[static IF_NAMESIZE]);
/* As addr_format() and endpoint_format(), with the name of the interface for its index
 * as long as there is one. */
const char *sock_addr_format(const struct addr *a, char buf[static ADDR_TEXT_MAX]);
const char *
sock_endpoint_format(const struct endpoint *e, char buf[static ENDPOINT_TEXT_MAX]);

/* A descriptor, or -errno.  type: SOCK_DGRAM or SOCK_STREAM. */
int sock_open(int type, const struct sock_from *from);

/* UDP connected to the peer, or -errno. */
int sock_connected_udp(const struct sock_from *from, const struct endpoint *to);

/* UDP that may send to the multicast groups of SSDP by its interface, or -errno. */
int sock_multicast_udp(const struct sock_from *from, enum addr_family family);

/* UDP bound to the port on all interfaces beside other programs, for multicast; tells
 * the receiving interface with each datagram.  A descriptor or -errno. */
int sock_listen_multicast(enum addr_family family, unsigned short port);
/* Join or leave group on the interface.  0 or -errno. */
int sock_membership(int fd, const struct addr *group, unsigned ifindex, bool join);

/* One datagram with its sender and interface.  Length, -EAGAIN, or -errno. */
ssize_t sock_receive(
    int fd, void *buf, size_t size, struct endpoint *ret_from, unsigned *ret_ifindex);

/* Ends listening and closes: *event becomes NULL, *fd -1; either may be that already.
 */
void sock_close(int *fd, struct event **event);

ssize_t sock_send_to(int fd, const void *buf, size_t len, const struct endpoint *to);
