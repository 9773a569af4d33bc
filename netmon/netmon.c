/*
 * netmon.c - keeps the tables: applies notifications, reads anew what they cannot tell.
 *
 * Links, addresses and neighbours carry their identity, so their messages are applied
 * as they come.  Routes and rules do not (which of two equal next hops went?), and the
 * kernel removes IPv4 routes without a word when their link goes down: a message about
 * them, or such an event, only marks the table stale, and it is read anew once at the
 * end of the dispatch.  After an overrun everything is stale.
 *
 * What is stale waits while the timer runs, which is set after each reading to a time
 * in proportion to its cost: a flapping route on a host with a million others cannot
 * eat the processor.
 */
#include "netmon/netmon.h"

#include <errno.h>
#include <fcntl.h>
#include <netlink/msg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "netmon/dump.h"
#include "netmon/open.h"
#include "netmon/parse.h"
#include "netmon/table.h"
#include "netmon/uplink.h"

#define RECEIVE_BYTES (1 << 20)
#define MESSAGE_BYTES 32768
#define DATAGRAMS_PER_DISPATCH 512
#define DISCARDS_PER_DISPATCH 65536

#define RESYNC_REST_MS 1000
#define ROWS_FREE_OF_REST 1000
#define ROWS_PER_REST_MS 100

#define ALL_SUBJECTS ((1u << NETMON_SUBJECTS) - 1)
#define BIT(subject) (1u << (subject))

_Static_assert(NETMON_LINKS == BIT(NETMON_LINK) && NETMON_ADDRS == BIT(NETMON_ADDR) &&
		   NETMON_ROUTES == BIT(NETMON_ROUTE) &&
		   NETMON_RULES == BIT(NETMON_RULE) &&
		   NETMON_NEIGHS == BIT(NETMON_NEIGH),
    "enum netmon_change and enum netmon_subject go together");

struct watched {
	int ifindex;
	struct netmon_ip ip;
};

struct netmon {
	int events, asker, timer, epoll;
	uint32_t seq;
	struct netmon_tables now;
	unsigned changed; /* enum netmon_change, not yet told */
	unsigned stale;   /* BIT(subject): to be read anew */
	bool overrun;     /* messages were lost: nothing from the queue counts */
	bool resting;     /* the timer runs */
	struct netmon_named named[NETMON_NAMED_MAX];
	size_t named_count;
	struct watched watched[NETMON_NEIGHS_MAX];
	size_t watched_count;
	uint64_t events_seen, overruns;
};

static void
freep_netmon(struct netmon **n)
{
	netmon_free(*n);
}

/* ---- which neighbours matter ---- */

static bool
is_watched(const struct netmon *n, const struct netmon_neigh *neigh)
{
	for (size_t i = 0; i < n->watched_count; i++)
		if (n->watched[i].ifindex == neigh->ifindex &&
		    netmon_same_ip(&n->watched[i].ip, &neigh->ip))
			return true;
	return false;
}

static size_t
add_watched(struct watched *list, size_t count, int ifindex, const struct netmon_ip *ip)
{
	if (ip->family == AF_UNSPEC || count == NETMON_NEIGHS_MAX)
		return count;
	list[count] = (struct watched) { .ifindex = ifindex, .ip = *ip };
	return count + 1;
}

/* Marks the neighbours stale if other gateways matter now. */
static void
rewatch(struct netmon *n)
{
	struct netmon_uplink uplinks[2 * NETMON_NAMED_MAX];
	struct watched list[NETMON_NEIGHS_MAX];
	size_t routes_count, uplinks_count, count = 0;
	const struct netmon_route *routes = netmon_routes(n, &routes_count);

	memset(list, 0, sizeof(list));
	uplinks_count = netmon_uplinks_from(&n->now, n->named, n->named_count, uplinks,
	    sizeof(uplinks) / sizeof(uplinks[0]));
	for (size_t i = 0; i < uplinks_count; i++)
		count =
		    add_watched(list, count, uplinks[i].ifindex, &uplinks[i].gateway);
	for (size_t i = 0; i < routes_count; i++)
		count = add_watched(list, count, routes[i].ifindex, &routes[i].gateway);
	if (count == n->watched_count && memcmp(list, n->watched, sizeof(list)) == 0)
		return;
	memcpy(n->watched, list, sizeof(list));
	n->watched_count = count;
	n->stale |= BIT(NETMON_NEIGH);
}

/* ---- reading tables anew ---- */

static bool
is_wanted(void *ctx, const struct netmon_report *report)
{
	return report->subject != NETMON_NEIGH || is_watched(ctx, &report->neigh);
}

static int
read_anew(struct netmon *n, enum netmon_subject subject, size_t *seen)
{
	struct netmon_tables fresh = { 0 };
	int r;

	if (n->asker < 0) {
		n->asker = netmon_asker();
		if (n->asker < 0)
			return n->asker;
	}
	r = netmon_dump(n->asker, &n->seq, subject, is_wanted, n, &fresh, seen);
	if (r == 0) {
		n->stale &= ~BIT(subject);
		if (netmon_table_take(&n->now, subject, &fresh))
			n->changed |= BIT(subject);
	} else if (r != -EINTR) {
		/* Parts of the answer may still come; a new socket never sees them. */
		close(n->asker);
		n->asker = -1;
	}
	netmon_tables_clear(&fresh);
	return r;
}

static void
rest(struct netmon *n, uint64_t ms)
{
	struct itimerspec when = {
		.it_value = {
			.tv_sec = (time_t)(ms / 1000),
			.tv_nsec = (long)(ms % 1000) * 1000000,
		},
	};

	n->resting = ms > 0 && timerfd_settime(n->timer, 0, &when, NULL) == 0;
}

static uint64_t
rest_after(size_t rows)
{
	return rows < ROWS_FREE_OF_REST ? 0 : rows / ROWS_PER_REST_MS;
}

/*
 * Reads what is stale, neighbours last: which ones matter depends on all the others.
 * 0, or the first -errno; what could not be read stays as it was, and stale.
 */
static int
refresh(struct netmon *n)
{
	bool resync = n->overrun;
	size_t seen = 0;
	int first = 0;

	for (enum netmon_subject s = NETMON_LINK; s < NETMON_SUBJECTS; s++) {
		int r;

		if (s == NETMON_NEIGH)
			rewatch(n);
		r = n->stale & BIT(s) ? read_anew(n, s, &seen) : 0;
		if (r < 0 && first == 0)
			first = r;
	}
	if (resync && first < 0) {
		/* Messages are still thrown away, so what was read grows old at once.
		 */
		n->stale = ALL_SUBJECTS;
	} else if (resync) {
		n->overrun = false;
		n->changed |= NETMON_RESYNCED;
	}
	rest(n, resync || first < 0 ? RESYNC_REST_MS : rest_after(seen));
	return first;
}

/* ---- notifications ---- */

static bool
leads_out(const struct netmon *n, int ifindex)
{
	size_t count;
	const struct netmon_route *routes = netmon_routes(n, &count);

	for (size_t i = 0; i < count; i++)
		if (routes[i].ifindex == ifindex)
			return true;
	return false;
}

/* Puts or drops the row.  1: this changed something, 0: not, or -ENOMEM. */
static int
apply_row(struct netmon *n, const struct netmon_report *report, const void *row)
{
	enum netmon_subject subject = report->subject;
	int r = report->gone ? netmon_table_drop(&n->now, subject, row)
			     : netmon_table_put(&n->now, subject, row);

	if (r > 0) {
		n->changed |= BIT(subject);
		/* There is room now for a row that was refused. */
		if (report->gone && n->now.of[subject].full)
			n->stale |= BIT(subject);
	}
	return r;
}

static int
apply_link(struct netmon *n, const struct netmon_report *report)
{
	const struct netmon_link *link = &report->link;
	const struct netmon_link *old = netmon_table_find(&n->now, NETMON_LINK, link);
	bool up = !report->gone && link->up, running = up && link->running;

	/* Next hops die and revive with their link, mostly without a message. */
	if (up != (old && old->up) || running != (old && old->up && old->running))
		n->stale |= BIT(NETMON_ROUTE);
	if (report->gone) {
		if (netmon_table_drop_link(&n->now, NETMON_ADDR, link->ifindex))
			n->changed |= NETMON_ADDRS;
		if (netmon_table_drop_link(&n->now, NETMON_NEIGH, link->ifindex))
			n->changed |= NETMON_NEIGHS;
	}
	return apply_row(n, report, link);
}

static int
apply(struct netmon *n, const struct nlmsghdr *msg)
{
	struct netmon_report report;
	int r;

	n->events_seen++;
	if (netmon_parse(msg, &report) < 0)
		return 0;
	switch (report.subject) {
	case NETMON_LINK:
		return apply_link(n, &report);
	case NETMON_ADDR:
		r = apply_row(n, &report, &report.addr);
		/* IPv4 routes go silently with the last address, or their source. */
		if (r > 0 && report.gone && leads_out(n, report.addr.ifindex))
			n->stale |= BIT(NETMON_ROUTE);
		return r;
	case NETMON_ROUTE:
	case NETMON_RULE:
		n->stale |= BIT(report.subject);
		return 0;
	case NETMON_NEIGH:
		return is_watched(n, &report.neigh)
			   ? apply_row(n, &report, &report.neigh)
			   : 0;
	case NETMON_SUBJECTS:
		break;
	}
	return 0;
}

static void
note_overrun(struct netmon *n)
{
	n->overrun = true;
	n->overruns++;
	n->stale = ALL_SUBJECTS;
}

/*
 * Empties the queue unread: what it says is older than the dump to come, and a "gone"
 * whose "back again" was lost must not be applied after that.  0, or -EBUSY when the
 * queue does not get empty.
 */
static int
discard(struct netmon *n)
{
	for (int i = 0; i < DISCARDS_PER_DISPATCH; i++) {
		if (recv(n->events, NULL, 0, MSG_TRUNC) >= 0)
			n->events_seen++;
		else if (errno == EAGAIN)
			return 0;
		else if (errno != EINTR && errno != ENOBUFS)
			return -errno;
	}
	return -EBUSY;
}

/* One datagram.  0; -EAGAIN: none is there; -ENOBUFS: some were lost; other -errno. */
static int
receive_one(struct netmon *n)
{
	_Alignas(struct nlmsghdr) uint8_t buf[MESSAGE_BYTES];
	struct sockaddr_nl from;
	struct iovec room = { .iov_base = buf, .iov_len = sizeof(buf) };
	struct msghdr envelope = {
		.msg_name = &from,
		.msg_namelen = sizeof(from),
		.msg_iov = &room,
		.msg_iovlen = 1,
	};
	ssize_t len = recvmsg(n->events, &envelope, 0);
	struct nlmsghdr *msg = (struct nlmsghdr *)buf;

	if (len < 0)
		return errno == EINTR ? 0 : -errno;
	if (envelope.msg_flags & MSG_TRUNC)
		return -ENOBUFS;
	if (envelope.msg_namelen != sizeof(from) || from.nl_pid != 0)
		return 0; /* not from the kernel */
	for (int left = (int)len; nlmsg_ok(msg, left); msg = nlmsg_next(msg, &left)) {
		int r = apply(n, msg);

		if (r < 0)
			return r;
	}
	return 0;
}

static int
receive(struct netmon *n)
{
	for (int i = 0; i < DATAGRAMS_PER_DISPATCH; i++) {
		int r = receive_one(n);

		if (r == -EAGAIN)
			return 0;
		if (r == -ENOBUFS || r == -ENOMEM) {
			/* Out of memory here means a message is lost just as well. */
			note_overrun(n);
			return discard(n);
		}
		if (r < 0)
			return r;
	}
	return 0;
}

int
netmon_dispatch(struct netmon *n)
{
	uint64_t ticks;
	int r;

	if (read(n->timer, &ticks, sizeof(ticks)) == sizeof(ticks))
		n->resting = false;
	r = n->overrun ? discard(n) : receive(n);
	if (r == -EBUSY) {
		/* More comes in than can be thrown away: let the storm pass by. */
		if (!n->resting)
			rest(n, RESYNC_REST_MS);
		r = 0;
	}
	if (r < 0)
		return r;
	if (n->changed & (NETMON_LINKS | NETMON_ADDRS))
		rewatch(n);
	if (n->stale != 0 && !n->resting) {
		r = refresh(n);
		if (r < 0)
			return r;
	}
	r = (int)n->changed;
	n->changed = 0;
	return r;
}

int
netmon_watch(struct netmon *n, const struct netmon_named *named, size_t count)
{
	size_t seen = 0;
	int r;

	if (count > NETMON_NAMED_MAX)
		return -E2BIG;
	if (count > 0)
		memcpy(n->named, named, count * sizeof(*named));
	n->named_count = count;
	rewatch(n);
	if (!(n->stale & BIT(NETMON_NEIGH)))
		return 0;
	r = read_anew(n, NETMON_NEIGH, &seen);
	if (r < 0 && !n->resting)
		rest(n, RESYNC_REST_MS);
	return r;
}

/* ---- opening ---- */

static int
add_to_set(int epoll, int fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

	return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static int
open_set(struct netmon *n)
{
	int r;

	n->timer = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	if (n->timer < 0)
		return -errno;
	n->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (n->epoll < 0 || fcntl(n->epoll, F_SETFL, O_NONBLOCK) < 0)
		return -errno;
	r = add_to_set(n->epoll, n->timer);
	return r < 0 ? r : add_to_set(n->epoll, n->events);
}

int
netmon_open_sized(int receive_bytes, struct netmon **ret)
{
	__attribute__((cleanup(freep_netmon))) struct netmon *n = calloc(1, sizeof(*n));
	int r;

	if (!n)
		return -ENOMEM;
	n->asker = n->timer = n->epoll = -1;
	/* Listen first: what changes during the dumps is then told behind them. */
	n->events = netmon_listen(receive_bytes);
	if (n->events < 0)
		return n->events;
	r = open_set(n);
	if (r < 0)
		return r;
	n->stale = ALL_SUBJECTS;
	r = refresh(n);
	/* Interrupted: links are just being made by the dozen; the timer tries again.
	 */
	if (r < 0 && r != -EINTR)
		return r;
	n->changed = 0;
	*ret = n;
	n = NULL;
	return 0;
}

int
netmon_open(struct netmon **ret)
{
	return netmon_open_sized(RECEIVE_BYTES, ret);
}

static void
close_if_open(int fd)
{
	if (fd >= 0)
		close(fd);
}

struct netmon *
netmon_free(struct netmon *n)
{
	if (!n)
		return NULL;
	close_if_open(n->events);
	close_if_open(n->asker);
	close_if_open(n->timer);
	close_if_open(n->epoll);
	netmon_tables_clear(&n->now);
	free(n);
	return NULL;
}

/* ---- what is there ---- */

int
netmon_fd(const struct netmon *n)
{
	return n->epoll;
}

const struct netmon_link *
netmon_links(const struct netmon *n, size_t *ret_count)
{
	return netmon_table_links(&n->now, ret_count);
}

const struct netmon_addr *
netmon_addrs(const struct netmon *n, size_t *ret_count)
{
	return netmon_table_addrs(&n->now, ret_count);
}

const struct netmon_route *
netmon_routes(const struct netmon *n, size_t *ret_count)
{
	return netmon_table_routes(&n->now, ret_count);
}

const struct netmon_neigh *
netmon_neighs(const struct netmon *n, size_t *ret_count)
{
	return netmon_table_neighs(&n->now, ret_count);
}

uint64_t
netmon_events(const struct netmon *n)
{
	return n->events_seen;
}

uint64_t
netmon_overruns(const struct netmon *n)
{
	return n->overruns;
}

size_t
netmon_uplinks(const struct netmon *n, const struct netmon_named *named,
    size_t named_count, struct netmon_uplink *ret, size_t max)
{
	return netmon_uplinks_from(&n->now, named, named_count, ret, max);
}
