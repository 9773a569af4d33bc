/*
 * parse.c - rtnetlink messages (rtnetlink(7)): bytes -> struct netmon_report.
 *
 * One function per message family.  Every attribute's length is checked by its policy
 * row, addresses in take_ip(); a message with one bad attribute is refused whole.
 */
#include "netmon/parse.h"

#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <string.h>

/* RFC 2863 ifOperStatus as the kernel numbers it; linux/if.h clashes with net/if.h. */
enum { OPERSTATE_UNKNOWN = 0, OPERSTATE_UP = 6, IFF_LOWER_UP_BIT = 1 << 16 };

/* RFC 4191 section 2.1, as RTA_PREF carries it. */
enum { ROUTER_PREF_HIGH = 1, ROUTER_PREF_LOW = 3 };

/* The internet at large: a route is wide if it holds this address. */
static const uint8_t far_ipv4[] = { 1, 1, 1, 1 };
static const uint8_t far_ipv6[] = { 0x26, 0x06, 0x47, 0x00 };

static bool
is_ip(int family)
{
	return family == AF_INET || family == AF_INET6;
}

/* An absent attribute leaves *ret alone; false: it has another length. */
static bool
take_ip(const struct nlattr *attr, int family, struct netmon_ip *ret)
{
	int len = family == AF_INET ? 4 : 16;

	if (!attr)
		return true;
	if (nla_len(attr) != len)
		return false;
	ret->family = family;
	memcpy(ret->bytes, nla_data(attr), (size_t)len);
	return true;
}

static uint32_t
take_u32(const struct nlattr *attr, uint32_t otherwise)
{
	return attr ? nla_get_u32(attr) : otherwise;
}

/* The fixed part of the message and its attributes; NULL: malformed. */
static const void *
open_message(const struct nlmsghdr *msg, size_t header, struct nlattr **attrs,
    int attr_max, const struct nla_policy *policy)
{
	if (nlmsg_parse((struct nlmsghdr *)msg, (int)header, attrs, attr_max, policy) <
	    0)
		return NULL;
	return nlmsg_data(msg);
}

static int
parse_link(const struct nlmsghdr *msg, struct netmon_link *ret)
{
	static const struct nla_policy policy[IFLA_OPERSTATE + 1] = {
		[IFLA_IFNAME] = { .type = NLA_STRING,
		    .minlen = 2,
		    .maxlen = IF_NAMESIZE },
		[IFLA_MTU] = { .type = NLA_U32 },
		[IFLA_OPERSTATE] = { .type = NLA_U8 },
	};
	struct nlattr *attrs[IFLA_OPERSTATE + 1];
	const struct ifinfomsg *info =
	    open_message(msg, sizeof(*info), attrs, IFLA_OPERSTATE, policy);
	uint8_t operstate;

	if (!info || info->ifi_index <= 0)
		return -EBADMSG;
	/* AF_BRIDGE tells of a port: its DELLINK means "left the bridge", no more. */
	if (info->ifi_family != AF_UNSPEC)
		return -ENOMSG;
	if (!attrs[IFLA_IFNAME])
		return -EBADMSG;
	operstate = attrs[IFLA_OPERSTATE] ? nla_get_u8(attrs[IFLA_OPERSTATE])
					  : OPERSTATE_UNKNOWN;
	ret->ifindex = info->ifi_index;
	nla_strlcpy(ret->name, attrs[IFLA_IFNAME], sizeof(ret->name));
	ret->up = info->ifi_flags & IFF_UP;
	ret->running = info->ifi_flags & IFF_LOWER_UP_BIT ||
		       operstate == OPERSTATE_UP || operstate == OPERSTATE_UNKNOWN;
	ret->loopback = info->ifi_flags & IFF_LOOPBACK;
	ret->point_to_point = info->ifi_flags & IFF_POINTOPOINT;
	ret->mtu = take_u32(attrs[IFLA_MTU], 0);
	return 0;
}

static int
parse_addr(const struct nlmsghdr *msg, struct netmon_addr *ret)
{
	static const struct nla_policy policy[IFA_FLAGS + 1] = {
		[IFA_FLAGS] = { .type = NLA_U32 },
	};
	struct nlattr *attrs[IFA_FLAGS + 1];
	const struct ifaddrmsg *info =
	    open_message(msg, sizeof(*info), attrs, IFA_FLAGS, policy);
	struct netmon_ip address = { 0 };
	uint32_t flags;
	int family;

	if (!info || info->ifa_index == 0 || info->ifa_index > INT32_MAX)
		return -EBADMSG;
	family = info->ifa_family;
	if (!is_ip(family))
		return -ENOMSG;
	if (!take_ip(attrs[IFA_ADDRESS], family, &address) ||
	    !take_ip(attrs[IFA_LOCAL], family, &ret->ip) ||
	    info->ifa_prefixlen > (family == AF_INET ? 32 : 128))
		return -EBADMSG;
	if (ret->ip.family == AF_UNSPEC)
		ret->ip = address;
	else if (address.family != AF_UNSPEC && !netmon_same_ip(&address, &ret->ip))
		ret->peer = address;
	if (ret->ip.family == AF_UNSPEC)
		return -EBADMSG;

	flags = take_u32(attrs[IFA_FLAGS], info->ifa_flags);
	ret->ifindex = (int)info->ifa_index;
	ret->prefix_len = info->ifa_prefixlen;
	/* The same bit says "secondary" of an IPv4 address, which is as good as any. */
	ret->temporary = family == AF_INET6 && flags & IFA_F_TEMPORARY;
	ret->deprecated = flags & IFA_F_DEPRECATED;
	/* RFC 4429 section 3.3: an optimistic address is used while it is tested. */
	ret->tentative = flags & IFA_F_TENTATIVE && !(flags & IFA_F_OPTIMISTIC);
	ret->failed = flags & IFA_F_DADFAILED;
	ret->link_local =
	    info->ifa_scope >= RT_SCOPE_LINK ||
	    (family == AF_INET && ret->ip.bytes[0] == 169 && ret->ip.bytes[1] == 254);
	return 0;
}

/* Whether the destination, given by its length and attribute, holds the far address. */
static bool
is_wide(const struct rtmsg *info, const struct nlattr *dst)
{
	const uint8_t *far = info->rtm_family == AF_INET ? far_ipv4 : far_ipv6;
	int bits = info->rtm_dst_len;
	uint8_t first;

	if (bits > NETMON_WIDE_PREFIX_MAX)
		return false;
	if (bits == 0)
		return true;
	if (!dst || nla_len(dst) < 1)
		return false;
	memcpy(&first, nla_data(dst), 1);
	return (uint8_t)(first ^ far[0]) >> (8 - bits) == 0;
}

static int
route_kind(uint8_t type, enum netmon_route_kind *ret)
{
	switch (type) {
	case RTN_UNICAST:
		*ret = NETMON_ROUTE_OUT;
		return 0;
	case RTN_BLACKHOLE:
	case RTN_UNREACHABLE:
	case RTN_PROHIBIT:
		*ret = NETMON_ROUTE_REFUSES;
		return 0;
	case RTN_THROW:
		*ret = NETMON_ROUTE_THROWS;
		return 0;
	default: /* local, broadcast, multicast ... */
		return -ENOMSG;
	}
}

/* Next hops that can carry nothing are left out; so are those beyond the room. */
static int
parse_hops(const struct nlattr *multipath, const struct netmon_route *common,
    struct netmon_report *ret)
{
	const struct rtnexthop *hop = nla_data(multipath);
	int left = nla_len(multipath);

	while (left > 0) {
		struct nlattr *attrs[RTA_GATEWAY + 1];
		struct netmon_route *route = &ret->routes[ret->count];
		int len = left >= (int)sizeof(*hop) ? hop->rtnh_len : 0;

		if (len < (int)sizeof(*hop) || len > left ||
		    nla_parse(attrs, RTA_GATEWAY, (struct nlattr *)(hop + 1),
			len - (int)sizeof(*hop), NULL) < 0)
			return -EBADMSG;
		if (!(hop->rtnh_flags & RTNH_F_DEAD) && ret->count < NETMON_HOPS_MAX) {
			memcpy(route, common, sizeof(*route));
			route->ifindex = hop->rtnh_ifindex;
			if (!take_ip(
				attrs[RTA_GATEWAY], common->family, &route->gateway))
				return -EBADMSG;
			ret->count++;
		}
		len = (int)RTNH_ALIGN(len);
		left -= len;
		hop = (const struct rtnexthop *)((const uint8_t *)hop + len);
	}
	return 0;
}

static int8_t
router_preference(const struct nlattr *attr)
{
	uint8_t pref = attr ? nla_get_u8(attr) : 0;

	return pref == ROUTER_PREF_HIGH ? 1 : pref == ROUTER_PREF_LOW ? -1 : 0;
}

static int
parse_route(const struct nlmsghdr *msg, struct netmon_report *ret)
{
	static const struct nla_policy policy[RTA_PREF + 1] = {
		[RTA_OIF] = { .type = NLA_U32 },
		[RTA_PRIORITY] = { .type = NLA_U32 },
		[RTA_TABLE] = { .type = NLA_U32 },
		[RTA_PREF] = { .type = NLA_U8 },
	};
	struct nlattr *attrs[RTA_PREF + 1];
	const struct rtmsg *info =
	    open_message(msg, sizeof(*info), attrs, RTA_PREF, policy);
	struct netmon_route route;
	int r;

	if (!info)
		return -EBADMSG;
	if (!is_ip(info->rtm_family) || info->rtm_flags & RTM_F_CLONED ||
	    info->rtm_tos != 0 || !is_wide(info, attrs[RTA_DST]))
		return -ENOMSG;
	memset(&route, 0, sizeof(route));
	r = route_kind(info->rtm_type, &route.kind);
	if (r < 0)
		return r;
	route.family = info->rtm_family;
	route.prefix_len = info->rtm_dst_len;
	route.table = take_u32(attrs[RTA_TABLE], info->rtm_table);
	route.metric = take_u32(attrs[RTA_PRIORITY], 0);
	route.preference = router_preference(attrs[RTA_PREF]);
	if (!take_ip(attrs[RTA_PREFSRC], route.family, &route.source))
		return -EBADMSG;
	if (route.kind == NETMON_ROUTE_OUT && attrs[RTA_MULTIPATH])
		return parse_hops(attrs[RTA_MULTIPATH], &route, ret);
	if (route.kind == NETMON_ROUTE_OUT) {
		route.ifindex = (int)take_u32(attrs[RTA_OIF], 0);
		if (!take_ip(attrs[RTA_GATEWAY], route.family, &route.gateway))
			return -EBADMSG;
		if (info->rtm_flags & RTNH_F_DEAD)
			return 0;
	}
	memcpy(&ret->routes[0], &route, sizeof(route));
	ret->count = 1;
	return 0;
}

/* "iif lo" is how one writes "made by this host", which is just what netmon asks for.
 */
static bool
selects_input(const struct nlattr *iif)
{
	return iif && strcmp(nla_get_string(iif), "lo") != 0;
}

static bool
selects_uid(const struct nlattr *attr)
{
	struct fib_rule_uid_range range;

	if (!attr)
		return false;
	memcpy(&range, nla_data(attr), sizeof(range));
	return range.start != 0 || range.end < UINT32_MAX - 1;
}

static bool
is_selective(const struct fib_rule_hdr *info, struct nlattr **attrs)
{
	return info->src_len > 0 || info->dst_len > 0 || info->tos != 0 ||
	       selects_input(attrs[FRA_IIFNAME]) || attrs[FRA_OIFNAME] ||
	       (attrs[FRA_TUN_ID] && nla_get_u64(attrs[FRA_TUN_ID]) != 0) ||
	       (attrs[FRA_L3MDEV] && nla_get_u8(attrs[FRA_L3MDEV]) != 0) ||
	       selects_uid(attrs[FRA_UID_RANGE]) ||
	       (attrs[FRA_IP_PROTO] && nla_get_u8(attrs[FRA_IP_PROTO]) != 0) ||
	       attrs[FRA_SPORT_RANGE] || attrs[FRA_DPORT_RANGE];
}

static int
rule_action(uint8_t action, enum netmon_rule_action *ret)
{
	switch (action) {
	case FR_ACT_TO_TBL:
		*ret = NETMON_RULE_TABLE;
		return 0;
	case FR_ACT_GOTO:
		*ret = NETMON_RULE_GOTO;
		return 0;
	case FR_ACT_NOP:
		*ret = NETMON_RULE_NOP;
		return 0;
	case FR_ACT_BLACKHOLE:
	case FR_ACT_UNREACHABLE:
	case FR_ACT_PROHIBIT:
		*ret = NETMON_RULE_REFUSES;
		return 0;
	default:
		return -ENOMSG;
	}
}

static int
parse_rule(const struct nlmsghdr *msg, struct netmon_rule *ret)
{
	static const struct nla_policy policy[FRA_DPORT_RANGE + 1] = {
		[FRA_IIFNAME] = { .type = NLA_STRING, .maxlen = IF_NAMESIZE },
		[FRA_GOTO] = { .type = NLA_U32 },
		[FRA_PRIORITY] = { .type = NLA_U32 },
		[FRA_FWMARK] = { .type = NLA_U32 },
		[FRA_TUN_ID] = { .type = NLA_U64 },
		[FRA_SUPPRESS_PREFIXLEN] = { .type = NLA_U32 },
		[FRA_TABLE] = { .type = NLA_U32 },
		[FRA_FWMASK] = { .type = NLA_U32 },
		[FRA_L3MDEV] = { .type = NLA_U8 },
		[FRA_UID_RANGE] = { .minlen = sizeof(struct fib_rule_uid_range) },
		[FRA_IP_PROTO] = { .type = NLA_U8 },
	};
	struct nlattr *attrs[FRA_DPORT_RANGE + 1];
	const struct fib_rule_hdr *info =
	    open_message(msg, sizeof(*info), attrs, FRA_DPORT_RANGE, policy);
	int r;

	if (!info)
		return -EBADMSG;
	if (!is_ip(info->family))
		return -ENOMSG;
	r = rule_action(info->action, &ret->action);
	if (r < 0)
		return r;
	ret->family = info->family;
	ret->priority = take_u32(attrs[FRA_PRIORITY], 0);
	ret->table = take_u32(attrs[FRA_TABLE], info->table);
	ret->target = take_u32(attrs[FRA_GOTO], 0);
	ret->mark = take_u32(attrs[FRA_FWMARK], 0);
	ret->mark_mask = take_u32(attrs[FRA_FWMASK], ret->mark ? UINT32_MAX : 0);
	ret->suppress_prefix_len =
	    (int)take_u32(attrs[FRA_SUPPRESS_PREFIXLEN], UINT32_MAX);
	ret->selective = is_selective(info, attrs);
	ret->inverted = info->flags & FIB_RULE_INVERT;
	return 0;
}

static int
parse_neigh(const struct nlmsghdr *msg, struct netmon_neigh *ret)
{
	const uint16_t resolved =
	    NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT;
	struct nlattr *attrs[NDA_LLADDR + 1];
	const struct ndmsg *info =
	    open_message(msg, sizeof(*info), attrs, NDA_LLADDR, NULL);

	if (!info)
		return -EBADMSG;
	if (!is_ip(info->ndm_family) || info->ndm_flags & NTF_PROXY)
		return -ENOMSG;
	if (info->ndm_ifindex <= 0 || !attrs[NDA_DST] ||
	    !take_ip(attrs[NDA_DST], info->ndm_family, &ret->ip))
		return -EBADMSG;
	ret->ifindex = info->ndm_ifindex;
	if (info->ndm_state & resolved && attrs[NDA_LLADDR]) {
		size_t len = (size_t)nla_len(attrs[NDA_LLADDR]);
		size_t kept = len < sizeof(ret->mac) ? len : sizeof(ret->mac);
		const uint8_t *mac = nla_data(attrs[NDA_LLADDR]);

		memcpy(ret->mac, mac + len - kept, kept);
		ret->mac_len = (uint8_t)kept;
	}
	return 0;
}

int
netmon_parse(const struct nlmsghdr *msg, struct netmon_report *ret)
{
	/* RTM_NEWx and RTM_DELx are neighbours, in groups of four (linux/rtnetlink.h).
	 */
	memset(ret, 0, sizeof(*ret));
	ret->gone = (msg->nlmsg_type & 3) == (RTM_DELLINK & 3);
	ret->count = 1;
	switch (msg->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		ret->subject = NETMON_LINK;
		return parse_link(msg, &ret->link);
	case RTM_NEWADDR:
	case RTM_DELADDR:
		ret->subject = NETMON_ADDR;
		return parse_addr(msg, &ret->addr);
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		ret->subject = NETMON_ROUTE;
		ret->count = 0;
		return parse_route(msg, ret);
	case RTM_NEWRULE:
	case RTM_DELRULE:
		ret->subject = NETMON_RULE;
		return parse_rule(msg, &ret->rule);
	case RTM_NEWNEIGH:
	case RTM_DELNEIGH:
		ret->subject = NETMON_NEIGH;
		return parse_neigh(msg, &ret->neigh);
	default:
		return -ENOMSG;
	}
}

enum netmon_dump_step
netmon_parse_dump(
    const struct nlmsghdr *msg, uint32_t seq, bool *interrupted, int *ret_error)
{
	int error = 0;

	if (msg->nlmsg_seq != seq)
		return NETMON_DUMP_SKIP;
	if (msg->nlmsg_flags & NLM_F_DUMP_INTR)
		*interrupted = true;
	switch (msg->nlmsg_type) {
	case NLMSG_NOOP:
		return NETMON_DUMP_SKIP;
	case NLMSG_DONE:
	case NLMSG_ERROR:
		/* Both begin with a status: 0, or -errno. */
		if (nlmsg_datalen(msg) >= (int)sizeof(error))
			memcpy(&error, nlmsg_data(msg), sizeof(error));
		else if (msg->nlmsg_type == NLMSG_ERROR)
			error = -EBADMSG;
		*ret_error = error > 0 || error < -4095 ? -EBADMSG : error;
		return NETMON_DUMP_DONE;
	default:
		return NETMON_DUMP_ROW;
	}
}
