/*
 * twin.h - a second socket on the address and port of an application's UDP socket,
 * connected to one server.
 *
 * The kernel gives the twin what comes from that server and the application all else,
 * so a binding can be kept alive without reading the application's socket; not even
 * while the twin is made does it take a datagram that is not its own.  Three things are
 * impossible: the application cannot itself hear the server its twin is connected to;
 * the kernel writes address and port of a connection one after the other, so for
 * that nanosecond what comes from another port of the server's host is the twin's; and
 * what that server says when the twin is closed is the application's, see stun_late.c.
 */
#pragma once

#include <net/if.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "proto/addr.h"

/* org.natd.NAT.SocketProblem, in its order. */
enum twin_problem {
	TWIN_MISSING,
	TWIN_NOT_A_SOCKET,
	TWIN_NOT_UDP,
	TWIN_NOT_BOUND,
	TWIN_WRONG_FAMILY,
	TWIN_WRONG_NAMESPACE,
	TWIN_PROBLEM_MAX
};

/* "missing", ... */
const char *twin_problem_name(enum twin_problem p);

/* An application's socket as it was when it was looked at. */
struct twin_app {
	int fd;                   /* borrowed */
	struct endpoint local;    /* addr unspecified: any */
	bool ipv4, ipv6;          /* what it can speak */
	bool v6_socket;           /* of AF_INET6, for IPv4 too perhaps */
	bool alone;               /* no SO_REUSEPORT group of its own that a twin of the
				   * same user would fall into */
	int mark;                 /* SO_MARK */
	char ifname[IF_NAMESIZE]; /* SO_BINDTODEVICE, or "" */
};

/* 0; or 1 with the reason why there can be no twin in *ret_problem; or -errno. */
int twin_look(int fd, struct twin_app *ret, enum twin_problem *ret_problem);

/*
 * A non-blocking twin connected to the server, with what it is seen as here in
 * *ret_local.  The application's SO_REUSEADDR is set for the moment of the bind.
 * Returns a descriptor; -EAFNOSUPPORT: the socket does not speak the server's family;
 * -EADDRINUSE: somebody else made the port its own; -EACCES: a privileged port; or
 * another -errno.
 */
int twin_open(
    const struct twin_app *app, const struct endpoint *to, struct endpoint *ret_local);

/* Whether fd is such a twin of the application's socket, of whichever process; then
 * what it is seen as here, and the server it is connected to. */
bool twin_is_of(int fd, const struct twin_app *app, struct endpoint *ret_local,
    struct endpoint *ret_server);

/* A copy of the descriptor may live on elsewhere for a while: it hears the server no
 * longer. */
void twin_deafen(int fd);
