/*
 * netmon.h - what the kernel says about links, addresses, routes, rules, neighbours.
 *
 * Keeps a copy of the kernel's tables by rtnetlink (libnl-3) and says when something
 * that matters changed.  After ENOBUFS or an interrupted dump it reads everything anew;
 * the reader sees the difference only.  Never logs; needs no privilege.
 */
#pragma once

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define NETMON_LINKS_MAX 1024
#define NETMON_ADDRS_MAX 4096
#define NETMON_ROUTES_MAX 256 /* default routes only */
#define NETMON_RULES_MAX 256
#define NETMON_NEIGHS_MAX 256 /* gateways only */
#define NETMON_NAMED_MAX 64

struct netmon; /* opaque */

/* An address as the kernel gives it: AF_INET 4 bytes, AF_INET6 16 bytes. */
struct netmon_ip {
	int family; /* AF_INET, AF_INET6, AF_UNSPEC: none */
	uint8_t bytes[16];
};

static inline bool
netmon_same_ip(const struct netmon_ip *a, const struct netmon_ip *b)
{
	return a->family == b->family &&
	       memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

struct netmon_link {
	int ifindex;
	char name[IF_NAMESIZE];
	bool up;      /* IFF_UP */
	bool running; /* carrier: IFF_LOWER_UP or operstate up or unknown */
	bool loopback, point_to_point;
	unsigned mtu;
};

struct netmon_addr {
	int ifindex;
	struct netmon_ip ip, peer; /* peer: point-to-point only */
	uint8_t prefix_len;
	bool temporary, deprecated, tentative, failed; /* IFA_F_x; failed: DADFAILED */
	bool link_local;                               /* scope link or narrower */
};

enum netmon_route_kind {
	NETMON_ROUTE_OUT,
	NETMON_ROUTE_REFUSES, /* unreachable, prohibit, blackhole: the lookup ends here
			       */
	NETMON_ROUTE_THROWS,  /* the lookup goes on with the next rule */
};

/*
 * A default route, one per next hop, in the kernel's order.  "Default" is any route
 * that takes traffic to the internet at large: prefix length 0, and the wide halves and
 * eighths (0.0.0.0/1, 0.0.0.0/5, 2000::/3) with which VPN clients overrule it.
 */
struct netmon_route {
	enum netmon_route_kind kind;
	int family, ifindex;      /* ifindex 0: not NETMON_ROUTE_OUT */
	struct netmon_ip gateway; /* AF_UNSPEC: on-link, or of the other family */
	struct netmon_ip source;  /* RTA_PREFSRC or none */
	uint32_t table, metric;
	uint8_t prefix_len;
	int8_t preference; /* of the router, RFC 4191 section 2.1: -1, 0, 1 */
};

enum netmon_rule_action {
	NETMON_RULE_TABLE,
	NETMON_RULE_GOTO, /* the first rule of priority `target` or later */
	NETMON_RULE_NOP,
	NETMON_RULE_REFUSES, /* unreachable, prohibit, blackhole */
};

/* A policy rule, in the order in which the kernel asks the rules of the family. */
struct netmon_rule {
	int family;
	enum netmon_rule_action action;
	uint32_t priority, table, target, mark, mark_mask;
	int suppress_prefix_len; /* skips routes no longer than this; -1: none */
	bool selective; /* has a from, to, iif, oif, uid, port or protocol selector */
	bool inverted;  /* "not": applies to what mark and selectors do not match */
};

struct netmon_neigh {
	int ifindex;
	struct netmon_ip ip;
	uint8_t mac[8];  /* of longer addresses (InfiniBand) the last 8 bytes */
	uint8_t mac_len; /* 0: not resolved, or failed */
};

/* What changed since the last dispatch, as a mask. */
enum netmon_change {
	NETMON_LINKS = 1 << 0,
	NETMON_ADDRS = 1 << 1,
	NETMON_ROUTES = 1 << 2,
	NETMON_RULES = 1 << 3,
	NETMON_NEIGHS = 1 << 4,
	NETMON_RESYNCED = 1 << 5, /* an overrun was healed by reading everything anew */
};

/*
 * Open, subscribe, read all tables (synchronous, local, milliseconds).  0 or -errno.
 */
int netmon_open(struct netmon **ret);
struct netmon *netmon_free(struct netmon *n);

/* Non-blocking descriptor (an epoll set); readable: call netmon_dispatch(). */
int netmon_fd(const struct netmon *n);

/*
 * Read what is there, at most a bounded number of messages per call.  Returns a mask of
 * enum netmon_change (0: nothing that matters), or -errno when even a resync failed:
 * the old tables stay, and the descriptor becomes readable again when the next attempt
 * is due.  Resyncs are at least a second apart.
 */
int netmon_dispatch(struct netmon *n);

/* An interface that configuration names although no default route leads through it. */
struct netmon_named {
	char name[IF_NAMESIZE];
	struct netmon_ip gateway; /* AF_UNSPEC: derive it */
};

/*
 * Neighbours are kept of the gateways of default routes, and of those of the interfaces
 * named here (copied; replaces the earlier list).  0, -E2BIG beyond NETMON_NAMED_MAX,
 * or -errno of reading the neighbours.
 */
int netmon_watch(struct netmon *n, const struct netmon_named *named, size_t count);

/* The tables, borrowed until the next dispatch.  Of the neighbours there are those that
 * are a gateway: that no others are kept shows here only. */
const struct netmon_link *netmon_links(const struct netmon *n, size_t *ret_count);
const struct netmon_addr *netmon_addrs(const struct netmon *n, size_t *ret_count);
const struct netmon_route *netmon_routes(const struct netmon *n, size_t *ret_count);
const struct netmon_neigh *netmon_neighs(const struct netmon *n, size_t *ret_count);

/* Counters for metrics. */
uint64_t netmon_events(const struct netmon *n);
uint64_t netmon_overruns(const struct netmon *n);

/* One way out: interface, family, router, and our address towards it. */
struct netmon_uplink {
	int ifindex, family;
	char name[IF_NAMESIZE];
	struct netmon_ip gateway; /* AF_UNSPEC: none known, not even derived */
	struct netmon_ip source;  /* the address to send from and to map to */
	uint8_t mac[8], mac_len;  /* of the gateway, if the kernel knows it */
	uint32_t metric;
	bool is_default; /* what unmarked traffic of this family takes now */
};

/*
 * Compute the uplinks from the tables: every running link with a default route of the
 * family in any table that a rule reaches, plus the named ones that run.  Best metric
 * per (link, family); is_default on exactly one per family as the policy rules decide.
 * source: preferred source of the route; else for IPv4 the address whose prefix holds
 * the gateway, else the first; for IPv6 a global address that is neither deprecated,
 * tentative nor failed: public before unique local, stable before temporary.  A named
 * interface without a gateway gets that of any default route through it, its
 * point-to-point peer, the first host of its prefix, or for /32 that of the enclosing
 * /24 (10.2.0.2/32: 10.2.0.1); without a route its metric is UINT32_MAX.  is_default
 * follows the rules for locally generated traffic without a mark.  Sorted: is_default
 * first, then by metric, ifindex, family. Fills ret[0..max) and returns the count (at
 * most max).
 */
size_t netmon_uplinks(const struct netmon *n, const struct netmon_named *named,
    size_t named_count, struct netmon_uplink *ret, size_t max);
