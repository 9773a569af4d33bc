/*
 * twin.c - a second socket on the address and port of an application's UDP socket.
 *
 * Between its bind() and its connect() a twin would be as good a match for any datagram
 * as the application's socket.  What keeps it from winning (udp4_lib_lookup2(),
 * udp6_lib_lookup2()): the twin is of AF_INET6, which for IPv4 counts less than
 * AF_INET; and with SO_REUSEPORT a socket of AF_INET6 goes to the end of its chain, and
 * of equals the first wins.
 */
#include "daemon/twin.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/sock.h"
#include "proto/util.h"

#define DISCARD_PORT 9 /* RFC 863: nothing comes from there */

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71 /* Linux 5.14 */
#endif

static void
closep(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

const char *
twin_problem_name(enum twin_problem p)
{
	static const char *const names[TWIN_PROBLEM_MAX] = {
		[TWIN_MISSING] = "missing",
		[TWIN_NOT_A_SOCKET] = "not_a_socket",
		[TWIN_NOT_UDP] = "not_udp",
		[TWIN_NOT_BOUND] = "not_bound",
		[TWIN_WRONG_FAMILY] = "wrong_family",
		[TWIN_WRONG_NAMESPACE] = "wrong_namespace",
	};

	return names[p];
}

/* ---- looking ---- */

static int
option(int fd, int level, int name, int fallback)
{
	int value;
	socklen_t len = sizeof(value);

	return getsockopt(fd, level, name, &value, &len) < 0 ? fallback : value;
}

static uint64_t
namespace_of(int fd)
{
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);

	/* Kernels before 5.14 do not tell: taken for ours. */
	return getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &len) < 0 ? 0
									      : cookie;
}

static bool
in_our_namespace(int fd)
{
	_cleanup_(closep) int own = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	return own >= 0 && namespace_of(own) == namespace_of(fd);
}

/* Whether a twin with SO_REUSEPORT would join the application's own group, which the
 * kernel allows to the same user, and take its share. */
static bool
would_join(int fd)
{
	struct stat st;

	return option(fd, SOL_SOCKET, SO_REUSEPORT, 0) &&
	       (fstat(fd, &st) < 0 || st.st_uid == geteuid());
}

static int
refuse(enum twin_problem problem, enum twin_problem *ret)
{
	*ret = problem;
	return 1;
}

/* An IPv4 address in a socket of AF_INET6 is one. */
static struct addr
unmapped(const struct addr *a)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	return a->family == ADDR_IPV6 && memcmp(a->bytes, mapped, sizeof(mapped)) == 0
		   ? addr_from_bytes(ADDR_IPV4, a->bytes + sizeof(mapped))
		   : *a;
}

static struct endpoint
endpoint_of(const struct sockaddr_storage *ss)
{
	struct endpoint e = sock_endpoint(ss);

	e.addr = unmapped(&e.addr);
	return e;
}

static void
look_at_address(const struct sockaddr_storage *ss, struct twin_app *a)
{
	a->local = endpoint_of(ss);
	a->v6_socket = ss->ss_family == AF_INET6;
	a->ipv4 = !a->v6_socket;
	a->ipv6 = a->v6_socket;
	if (!a->v6_socket)
		return;
	if (a->local.addr.family == ADDR_IPV4) {
		a->ipv4 = true;
		a->ipv6 = false;
	} else if (addr_is_unspecified(&a->local.addr)) {
		a->ipv4 = !option(a->fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	}
}

int
twin_look(int fd, struct twin_app *ret, enum twin_problem *ret_problem)
{
	struct twin_app a = { .fd = fd };
	struct sockaddr_storage ss = { .ss_family = AF_UNSPEC };
	socklen_t len = sizeof(ss);
	struct stat st;
	int domain;

	if (fd < 0)
		return refuse(TWIN_MISSING, ret_problem);
	if (fstat(fd, &st) < 0 || !S_ISSOCK(st.st_mode))
		return refuse(TWIN_NOT_A_SOCKET, ret_problem);
	domain = option(fd, SOL_SOCKET, SO_DOMAIN, AF_UNSPEC);
	if (domain != AF_INET && domain != AF_INET6)
		return refuse(TWIN_WRONG_FAMILY, ret_problem);
	if (option(fd, SOL_SOCKET, SO_TYPE, 0) != SOCK_DGRAM ||
	    option(fd, SOL_SOCKET, SO_PROTOCOL, 0) != IPPROTO_UDP)
		return refuse(TWIN_NOT_UDP, ret_problem);
	if (!in_our_namespace(fd))
		return refuse(TWIN_WRONG_NAMESPACE, ret_problem);
	if (getsockname(fd, (struct sockaddr *)&ss, &len) < 0)
		return -errno;
	look_at_address(&ss, &a);
	if (a.local.port == 0)
		return refuse(TWIN_NOT_BOUND, ret_problem);
	a.alone = !would_join(fd);
	a.mark = option(fd, SOL_SOCKET, SO_MARK, 0);
	len = sizeof(a.ifname);
	if (getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, a.ifname, &len) < 0)
		return -errno;
	*ret = a;
	return 0;
}

/* ---- twins ---- */

/* The address as a socket of AF_INET6 has it. */
static void
as_ipv6(const struct endpoint *e, struct sockaddr_storage *ret)
{
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret;

	memset(ret, 0, sizeof(*ret));
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(e->port);
	in6->sin6_scope_id = e->addr.scope;
	addr_to_ipv6_bytes(&e->addr, in6->sin6_addr.s6_addr);
}

static socklen_t
address_for(bool v6, const struct endpoint *e, struct sockaddr_storage *ret)
{
	if (!v6)
		return sock_addr(e, ret);
	as_ipv6(e, ret);
	return sizeof(struct sockaddr_in6);
}

static int
set_on(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) < 0 ? -errno : 0;
}

static int
prepare(int fd, bool v6, const struct twin_app *app)
{
	int r = set_on(fd, SOL_SOCKET, SO_REUSEADDR, 1);

	if (r == 0 && v6)
		r = set_on(fd, IPPROTO_IPV6, IPV6_V6ONLY, !app->ipv4);
	if (r == 0 && v6 && app->alone)
		r = set_on(fd, SOL_SOCKET, SO_REUSEPORT, 1);
	if (r == 0 && app->ifname[0] &&
	    setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, app->ifname,
		(socklen_t)strlen(app->ifname)) < 0)
		r = -errno;
	/* Not without CAP_NET_ADMIN; then the answer may come by another way. */
	if (r == 0 && app->mark)
		(void)set_on(fd, SOL_SOCKET, SO_MARK, app->mark);
	return r;
}

/* bind() while the application's socket allows it. */
static int
bind_beside(int fd, const struct twin_app *app, const struct sockaddr_storage *ss,
    socklen_t len)
{
	int before = option(app->fd, SOL_SOCKET, SO_REUSEADDR, 0);
	int r = before ? 0 : set_on(app->fd, SOL_SOCKET, SO_REUSEADDR, 1);

	if (r < 0)
		return r;
	r = bind(fd, (const struct sockaddr *)ss, len) < 0 ? -errno : 0;
	if (!before)
		(void)set_on(app->fd, SOL_SOCKET, SO_REUSEADDR, 0);
	return r;
}

int
twin_open(
    const struct twin_app *app, const struct endpoint *to, struct endpoint *ret_local)
{
	_cleanup_(closep) int fd = -1;
	struct sockaddr_storage ss;
	struct endpoint local = app->local;
	socklen_t len;
	bool v6 = true;
	int r;

	if (to->addr.family == ADDR_IPV4 ? !app->ipv4 : !app->ipv6)
		return -EAFNOSUPPORT;
	fd = socket(AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	/* A kernel without IPv6. */
	if (fd < 0 && errno == EAFNOSUPPORT && !app->v6_socket) {
		v6 = false;
		fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	}
	if (fd < 0)
		return -errno;
	/* Any address of a socket of both families is "::". */
	if (v6 && app->v6_socket && addr_is_unspecified(&local.addr))
		local.addr = (struct addr) { .family = ADDR_IPV6 };
	r = prepare(fd, v6, app);
	len = address_for(v6, &local, &ss);
	if (r == 0)
		r = bind_beside(fd, app, &ss, len);
	len = address_for(v6, to, &ss);
	if (r == 0 && connect(fd, (struct sockaddr *)&ss, len) < 0)
		r = -errno;
	if (r < 0)
		return r;
	len = sizeof(ss);
	if (getsockname(fd, (struct sockaddr *)&ss, &len) < 0)
		return -errno;
	*ret_local = endpoint_of(&ss);
	r = fd;
	fd = -1;
	return r;
}

/* ---- twins of another process ---- */

bool
twin_is_of(int fd, const struct twin_app *app, struct endpoint *ret_local,
    struct endpoint *ret_server)
{
	struct sockaddr_storage here = { .ss_family = AF_UNSPEC }, there = here;
	socklen_t len = sizeof(here);
	char ifname[IF_NAMESIZE] = "";
	struct endpoint local, server;
	bool ipv4;

	if (getsockname(fd, (struct sockaddr *)&here, &len) < 0)
		return false;
	len = sizeof(there);
	if (getpeername(fd, (struct sockaddr *)&there, &len) < 0)
		return false;
	len = sizeof(ifname);
	if (getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, ifname, &len) < 0)
		return false;
	local = endpoint_of(&here);
	server = endpoint_of(&there);
	ipv4 = server.addr.family == ADDR_IPV4;
	if (local.port != app->local.port || strcmp(ifname, app->ifname) != 0 ||
	    !(ipv4 ? app->ipv4 : app->ipv6))
		return false;
	if (!addr_is_unspecified(&app->local.addr) &&
	    !addr_equal(&local.addr, &app->local.addr))
		return false;
	*ret_local = local;
	*ret_server = server;
	return true;
}

/* Without a connection it would hear all that the application should. */
void
twin_deafen(int fd)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);

	if (getpeername(fd, (struct sockaddr *)&ss, &len) < 0)
		return;
	/* Both families have the port in the same place. */
	((struct sockaddr_in *)&ss)->sin_port = htons(DISCARD_PORT);
	(void)connect(fd, (struct sockaddr *)&ss, len);
}
