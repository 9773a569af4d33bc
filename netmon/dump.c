/*
 * dump.c - sockets of rtnetlink, the filter on the one, the dialogue on the other.
 */
#include "netmon/dump.h"

#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/filter.h>
#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netlink/msg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

/* The kernel fills at most 32 KiB, more only for a single larger row. */
#define DUMP_BYTES 65536

static int
open_socket(int type)
{
	struct sockaddr_nl any = { .nl_family = AF_NETLINK };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | type, NETLINK_ROUTE);

	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&any, sizeof(any)) < 0) {
		int r = -errno;

		close(fd);
		return r;
	}
	return fd;
}

/*
 * Drops what netmon_parse() would refuse anyway, before it costs a wakeup: a full table
 * of the internet's routes, or the stations behind a bridge.  The filter language loads
 * in network order, netlink is in the host's.
 */
static int
attach_filter(int fd)
{
	const uint32_t type = offsetof(struct nlmsghdr, nlmsg_type);
	const uint32_t dst_len = NLMSG_HDRLEN + offsetof(struct rtmsg, rtm_dst_len);
	const uint32_t family = NLMSG_HDRLEN + offsetof(struct ndmsg, ndm_family);
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, type),
		BPF_JUMP(
		    BPF_JMP | BPF_JEQ | BPF_K, __builtin_bswap16(RTM_NEWROUTE), 3, 0),
		BPF_JUMP(
		    BPF_JMP | BPF_JEQ | BPF_K, __builtin_bswap16(RTM_DELROUTE), 2, 0),
		BPF_JUMP(
		    BPF_JMP | BPF_JEQ | BPF_K, __builtin_bswap16(RTM_NEWNEIGH), 3, 0),
		BPF_JUMP(
		    BPF_JMP | BPF_JEQ | BPF_K, __builtin_bswap16(RTM_DELNEIGH), 2, 5),
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, dst_len),
		BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, NETMON_WIDE_PREFIX_MAX, 2, 3),
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, family),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_BRIDGE, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
	};
	struct sock_fprog program = {
		.len = sizeof(code) / sizeof(code[0]),
		.filter = code,
	};

	if (__BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__)
		for (size_t i = 1; i <= 4; i++)
			code[i].k = __builtin_bswap16((uint16_t)code[i].k);
	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0)
		return -errno;
	return 0;
}

static int
join_groups(int fd)
{
	static const int groups[] = { RTNLGRP_LINK, RTNLGRP_NEIGH, RTNLGRP_IPV4_IFADDR,
		RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV4_RULE, RTNLGRP_IPV6_IFADDR,
		RTNLGRP_IPV6_ROUTE, RTNLGRP_IPV6_RULE };

	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
		if (setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &groups[i],
			sizeof(groups[i])) < 0)
			return -errno;
	return 0;
}

int
netmon_listen(int receive_bytes)
{
	int fd = open_socket(SOCK_NONBLOCK), r;

	if (fd < 0)
		return fd;
	/* Beyond net.core.rmem_max with privilege only; a smaller buffer is no error.
	 */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &receive_bytes,
		sizeof(receive_bytes)) < 0)
		(void)setsockopt(
		    fd, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof(receive_bytes));
	r = attach_filter(fd);
	if (r == 0)
		r = join_groups(fd);
	if (r < 0) {
		close(fd);
		return r;
	}
	return fd;
}

int
netmon_asker(void)
{
	const struct timeval patience = { .tv_sec = 5 };
	int fd = open_socket(0);

	if (fd < 0)
		return fd;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0) {
		int r = -errno;

		close(fd);
		return r;
	}
	return fd;
}

/* What to ask for: AF_UNSPEC where one answer holds both families. */
static const struct {
	uint16_t type;
	size_t header;
	int families[2];
	size_t family_count;
} requests[NETMON_SUBJECTS] = {
	[NETMON_LINK] = { RTM_GETLINK, sizeof(struct ifinfomsg), { AF_UNSPEC }, 1 },
	[NETMON_ADDR] = { RTM_GETADDR, sizeof(struct ifaddrmsg), { AF_INET, AF_INET6 },
	    2 },
	[NETMON_ROUTE] = { RTM_GETROUTE, sizeof(struct rtmsg), { AF_INET, AF_INET6 },
	    2 },
	[NETMON_RULE] = { RTM_GETRULE, sizeof(struct fib_rule_hdr),
	    { AF_INET, AF_INET6 }, 2 },
	[NETMON_NEIGH] = { RTM_GETNEIGH, sizeof(struct ndmsg), { AF_INET, AF_INET6 },
	    2 },
};

static int
send_request(int fd, uint32_t seq, enum netmon_subject subject, int family)
{
	struct {
		struct nlmsghdr head;
		uint8_t body[sizeof(struct ifinfomsg)];
	} request = {
		.head = {
			.nlmsg_len = (uint32_t)NLMSG_LENGTH(requests[subject].header),
			.nlmsg_type = requests[subject].type,
			.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
			.nlmsg_seq = seq,
		},
		.body = { (uint8_t)family }, /* first byte of every one of them */
	};

	while (send(fd, &request, request.head.nlmsg_len, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

static ssize_t
receive(int fd, void *buf, size_t size)
{
	ssize_t n;

	do
		n = recv(fd, buf, size, MSG_TRUNC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? -ETIMEDOUT : -errno;
	return (size_t)n > size ? -EMSGSIZE : n;
}

struct asking {
	uint32_t seq;
	enum netmon_subject subject;
	int family;
	bool (*wanted)(void *ctx, const struct netmon_report *report);
	void *ctx;
	struct netmon_tables *fresh;
	size_t seen;
	bool interrupted;
};

static int
take_row(struct asking *a, const struct nlmsghdr *msg)
{
	struct netmon_report report;

	a->seen++;
	if (netmon_parse(msg, &report) < 0 || report.gone ||
	    report.subject != a->subject)
		return 0;
	if (!a->wanted(a->ctx, &report))
		return 0;
	if (report.subject != NETMON_ROUTE)
		return netmon_table_append(a->fresh, report.subject, &report.link);
	for (size_t i = 0; i < report.count; i++) {
		int r = netmon_table_append(a->fresh, NETMON_ROUTE, &report.routes[i]);

		if (r < 0)
			return r;
	}
	return 0;
}

/* Whether the row is of the family asked for: where a family is not compiled in, the
 * kernel answers for all the others instead. */
static bool
is_of_family(const struct asking *a, const struct nlmsghdr *msg)
{
	return a->family == AF_UNSPEC ||
	       (nlmsg_datalen(msg) > 0 && *(uint8_t *)nlmsg_data(msg) == a->family);
}

/* Reads one answer to its end.  0 or -errno. */
static int
read_answer(int fd, struct asking *a)
{
	_Alignas(struct nlmsghdr) uint8_t buf[DUMP_BYTES];

	for (;;) {
		ssize_t n = receive(fd, buf, sizeof(buf));
		struct nlmsghdr *msg = (struct nlmsghdr *)buf;
		int left = (int)n, error, r;

		if (n < 0)
			return (int)n;
		for (; nlmsg_ok(msg, left); msg = nlmsg_next(msg, &left)) {
			switch (
			    netmon_parse_dump(msg, a->seq, &a->interrupted, &error)) {
			case NETMON_DUMP_SKIP:
				break;
			case NETMON_DUMP_DONE:
				return error;
			case NETMON_DUMP_ROW:
				r = is_of_family(a, msg) ? take_row(a, msg) : 0;
				if (r < 0)
					return r;
				break;
			}
		}
	}
}

static int
ask(int fd, uint32_t *seq, struct asking *a)
{
	for (size_t i = 0; i < requests[a->subject].family_count; i++) {
		int r;

		a->family = requests[a->subject].families[i];
		a->seq = ++*seq;
		r = send_request(fd, a->seq, a->subject, a->family);
		if (r == 0)
			r = read_answer(fd, a);
		/* No IPv6, or no policy rules, in this kernel: nothing is there. */
		if (r < 0 && r != -EAFNOSUPPORT && r != -EOPNOTSUPP)
			return r;
	}
	return a->interrupted ? -EINTR : 0;
}

int
netmon_dump(int fd, uint32_t *seq, enum netmon_subject subject,
    bool (*wanted)(void *ctx, const struct netmon_report *report), void *ctx,
    struct netmon_tables *fresh, size_t *ret_seen)
{
	struct asking a = {
		.subject = subject,
		.wanted = wanted,
		.ctx = ctx,
		.fresh = fresh,
	};
	int r = -EINTR;

	for (int try = 0; try < NETMON_DUMP_TRIES && r == -EINTR; try++) {
		netmon_table_clear(&fresh->of[subject]);
		a.interrupted = false;
		r = ask(fd, seq, &a);
	}
	*ret_seen += a.seen;
	return r;
}
