/*
 * parse.h - rtnetlink messages: bytes -> the rows of netmon.h.  Pure.
 *
 * The kernel is trusted to tell the truth, not to be of the version these headers are
 * of: lengths are checked, unknown attributes and families are passed over.
 */
#pragma once

#include <linux/netlink.h>

#include "netmon/netmon.h"

#define NETMON_HOPS_MAX 32

/* Routes longer than this never take traffic to the internet at large. */
#define NETMON_WIDE_PREFIX_MAX 8

enum netmon_subject {
	NETMON_LINK,
	NETMON_ADDR,
	NETMON_ROUTE,
	NETMON_RULE,
	NETMON_NEIGH,
	NETMON_SUBJECTS, /* how many there are */
};

/* What one message says: the rows are there now, or (gone) no more. */
struct netmon_report {
	enum netmon_subject subject;
	bool gone;
	size_t count; /* rows: one, or of a multipath route one per usable next hop */
	union {
		struct netmon_link link;
		struct netmon_addr addr;
		struct netmon_route routes[NETMON_HOPS_MAX];
		struct netmon_rule rule;
		struct netmon_neigh neigh;
	};
};

/*
 * Read one message, whose nlmsg_len was checked against the buffer (nlmsg_ok).  Rows
 * are zeroed first, padding included, so that they compare with memcmp.  0; -ENOMSG:
 * nothing netmon keeps (other type, other family, narrow route); -EBADMSG: malformed.
 */
int netmon_parse(const struct nlmsghdr *msg, struct netmon_report *ret);

enum netmon_dump_step {
	NETMON_DUMP_ROW,  /* a part of the answer */
	NETMON_DUMP_SKIP, /* of another request, or nothing */
	NETMON_DUMP_DONE,
};

/*
 * What a message means to the reader of the dump that was asked for with seq;
 * *ret_error is set to the kernel's -errno at NETMON_DUMP_DONE (0: complete) and
 * *interrupted becomes true when the table changed under the dump (NLM_F_DUMP_INTR).
 */
enum netmon_dump_step netmon_parse_dump(
    const struct nlmsghdr *msg, uint32_t seq, bool *interrupted, int *ret_error);
