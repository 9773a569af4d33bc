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

#define NETMON_LINKS_MAX 1024
#define NETMON_ADDRS_MAX 4096
#define NETMON_ROUTES_MAX 256 /* default routes only */
#define NETMON_RULES_MAX 256
#define NETMON_NEIGHS_MAX 256 /* gateways only */

struct netmon; /* opaque */

/* An address as the kernel gives it: AF_INET 4 bytes, AF_INET6 16 bytes. */
struct netmon_ip {
	int family; /* AF_INET, AF_INET6, AF_UNSPEC: none */
	uint8_t bytes[16];
};

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
	bool link_local;                               /* scope link */
};

/* A default route (prefix length 0), one per next hop. */
struct netmon_route {
	int family, ifindex;
	struct netmon_ip gateway; /* AF_UNSPEC: on-link (tunnels) */
	struct netmon_ip source;  /* RTA_PREFSRC or none */
	uint32_t table, metric;
};

struct netmon_rule {
	int family;
	uint32_t priority, table, mark, mark_mask;
	bool selective; /* has a from, to, iif, oif, uid, port or protocol selector */
	bool suppresses_default; /* suppress_prefixlength 0, as wg-quick makes it */
};

struct netmon_neigh {
	int ifindex;
	struct netmon_ip ip;
	uint8_t mac[8];
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

/* Non-blocking descriptor; readable: call netmon_dispatch(). */
int netmon_fd(const struct netmon *n);

/*
 * Read what is there, at most a bounded number of messages per call.  Returns a mask of
 * enum netmon_change (0: nothing that matters), or -errno when even a resync failed
 * (call again later).
 */
int netmon_dispatch(struct netmon *n);

/* The tables, borrowed until the next dispatch. */
const struct netmon_link *netmon_links(const struct netmon *n, size_t *ret_count);
const struct netmon_addr *netmon_addrs(const struct netmon *n, size_t *ret_count);
const struct netmon_route *netmon_routes(const struct netmon *n, size_t *ret_count);
const struct netmon_rule *netmon_rules(const struct netmon *n, size_t *ret_count);
const struct netmon_neigh *netmon_neighs(const struct netmon *n, size_t *ret_count);

/* Counters for metrics. */
uint64_t netmon_events(const struct netmon *n);
uint64_t netmon_overruns(const struct netmon *n);

/* An interface that configuration names although no default route leads through it. */
struct netmon_named {
	char name[IF_NAMESIZE];
	struct netmon_ip gateway; /* AF_UNSPEC: derive it */
};

/* One way out: interface, family, router, and our address towards it. */
struct netmon_uplink {
	int ifindex, family;
	char name[IF_NAMESIZE];
	struct netmon_ip gateway; /* AF_UNSPEC: none known, not even derived */
	struct netmon_ip source;  /* the address to send from and to map to */
	uint8_t mac[8], mac_len;  /* of the gateway, if the kernel knows it */
	uint32_t metric;
	bool is_default; /* what unmarked traffic of this family takes now */
	bool running;
};

/*
 * Compute the uplinks from the tables: every running link with a default route of the
 * family in any table that a rule reaches, plus the named ones.  Best metric per
 * (link, family); is_default on exactly one per family as the policy rules decide.
 * source: preferred source of the route; else for IPv4 the address whose prefix holds
 * the gateway, else the first; for IPv6 a global address that is neither temporary,
 * deprecated, tentative nor failed (stable first).  A named tunnel without a gateway
 * gets the first host of its prefix, or for /32 that of the enclosing /24
 * (10.2.0.2/32: 10.2.0.1). Sorted: is_default first, then by metric, ifindex, family.
 * Fills ret[0..max) and returns the count (at most max).
 */
size_t netmon_uplinks(const struct netmon *n, const struct netmon_named *named,
    size_t named_count, struct netmon_uplink *ret, size_t max);

/* All usable stable global IPv6 addresses (or IPv4 addresses) of a link, as netmon_addr
 * pointers borrowed until the next dispatch; fills ret[0..max), returns the count. */
size_t netmon_global_addrs(const struct netmon *n, int ifindex, int family,
    const struct netmon_addr **ret, size_t max);
