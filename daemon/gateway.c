/*
 * gateway.c - one uplink's router with its sockets, timer and HTTP exchange.
 */
#include "daemon/gateway.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/callback.h"
#include "daemon/fetch.h"
#include "daemon/log.h"
#include "daemon/random.h"
#include "daemon/sock.h"
#include "proto/natpmp.h"
#include "proto/ssdp.h"

#define DATAGRAMS_PER_TURN 64

struct channel {
	int fd; /* -1: closed */
	struct event *event;
};

struct gateway {
	struct loop *loop;
	struct netmon_uplink uplink;
	struct router *router;
	struct gateway_hooks hooks;
	struct sock_from from;
	struct addr address, local;
	char name[ADDR_TEXT_MAX + IF_NAMESIZE + 8];
	struct timer timer;
	struct channel pxp, ssdp;
	struct fetch *fetch;
	unsigned fetch_id;
	bool want_events;
	struct callback *callback; /* while the router may send events */
	struct addr external;      /* known last */
	uint64_t soap_requests;
	gateway_step step; /* NULL: nobody traces */
	void *step_ctx;
};

struct addr
gateway_addr(const struct netmon_ip *ip, int ifindex)
{
	struct addr a = { .family = ADDR_NONE };

	if (ip->family == AF_INET)
		a = addr_from_bytes(ADDR_IPV4, ip->bytes);
	else if (ip->family == AF_INET6)
		a = addr_from_bytes(ADDR_IPV6, ip->bytes);
	if (a.family == ADDR_IPV6 && addr_classify(&a) == ADDR_CLASS_LINK_LOCAL)
		a.scope = (uint32_t)ifindex;
	return a;
}

struct netmon_ip
gateway_ip(const struct addr *a)
{
	static const int families[] = {
		[ADDR_NONE] = AF_UNSPEC, [ADDR_IPV4] = AF_INET, [ADDR_IPV6] = AF_INET6
	};
	struct netmon_ip ip = { .family = families[a->family] };

	memcpy(ip.bytes, a->bytes, sizeof(ip.bytes));
	return ip;
}

static void
channel_close(struct channel *c)
{
	sock_close(&c->fd, &c->event);
	*c = (struct channel) { .fd = -1 };
}

/* Takes fd, which may be -errno. */
static int
channel_open(struct gateway *g, struct channel *c, int fd, event_callback_fn ready)
{
	int r;

	if (fd < 0)
		return fd;
	c->fd = fd;
	r = loop_watch(g->loop, fd, EV_READ, ready, g, &c->event);
	if (r < 0)
		channel_close(c);
	return r;
}

/* ---- in ---- */

static void pump(struct gateway *g);

static void
on_pxp(evutil_socket_t fd, short what, void *ctx)
{
	struct gateway *g = ctx;
	uint8_t buf[PCP_MESSAGE_MAX + 1];

	(void)what;
	for (unsigned i = 0; i < DATAGRAMS_PER_TURN; i++) {
		ssize_t n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);

		if (n < 0 && errno == ECONNREFUSED)
			router_unreachable(g->router, loop_now());
		else if (n < 0)
			break;
		else
			router_datagram(g->router, buf, (size_t)n, loop_now());
	}
	pump(g);
}

static void
on_ssdp(evutil_socket_t fd, short what, void *ctx)
{
	struct gateway *g = ctx;
	char buf[SSDP_MESSAGE_MAX + 1];
	struct endpoint from;
	unsigned ifindex;
	ssize_t n;

	(void)what;
	for (unsigned i = 0; i < DATAGRAMS_PER_TURN; i++) {
		n = sock_receive(fd, buf, sizeof(buf), &from, &ifindex);
		if (n == -EAGAIN)
			break;
		if (n > 0)
			router_ssdp(g->router, &from.addr, buf, (size_t)n, loop_now());
	}
	pump(g);
}

static void
on_fetched(int error, const struct http_response *response, void *ctx)
{
	struct gateway *g = ctx;

	g->fetch = NULL;
	router_http(g->router, g->fetch_id, error, response, loop_now());
	pump(g);
}

static void
on_timer(void *ctx)
{
	struct gateway *g = ctx;

	router_timer(g->router, loop_now());
	pump(g);
}

void
gateway_announced(struct gateway *g)
{
	router_hint(g->router, loop_now());
	gateway_kick(g);
}

void
gateway_ssdp(struct gateway *g, const struct addr *from, const char *buf, size_t len)
{
	router_ssdp(g->router, from, buf, len, loop_now());
	gateway_kick(g);
}

/* ---- out ---- */

static void
send_pxp(struct gateway *g, const struct router_action *a)
{
	const struct endpoint to = { .addr = g->address, .port = PCP_PORT };
	int r = 0;

	if (g->pxp.fd < 0)
		r = channel_open(g, &g->pxp, sock_connected_udp(&g->from, &to), on_pxp);
	/* The first send may deliver the error of an earlier one. */
	if (r == 0 && send(g->pxp.fd, a->buf, a->len, MSG_NOSIGNAL) < 0 &&
	    errno == ECONNREFUSED)
		router_unreachable(g->router, loop_now());
	else if (r < 0)
		log_debug(
		    "%s: no socket to port %d: %s", g->name, PCP_PORT, strerror(-r));
}

static void
send_search(struct gateway *g, const struct router_action *a)
{
	struct endpoint to = { .addr = g->address, .port = SSDP_PORT };
	int r = 0;

	if (g->ssdp.fd < 0)
		r = channel_open(g, &g->ssdp,
		    sock_multicast_udp(&g->from, g->address.family), on_ssdp);
	if (r < 0) {
		log_debug(
		    "%s: no socket for the UPnP search: %s", g->name, strerror(-r));
		return;
	}
	if (a->kind == ROUTER_SEARCH_MULTICAST) {
		addr_parse(
		    g->address.family == ADDR_IPV6 ? "ff02::c" : "239.255.255.250",
		    &to.addr);
		if (to.addr.family == ADDR_IPV6)
			to.addr.scope = (uint32_t)g->uplink.ifindex;
	}
	/* A lost search is repeated by the machine like any other lost datagram. */
	(void)sock_send_to(g->ssdp.fd, a->buf, a->len, &to);
}

static void
start_fetch(struct gateway *g, const struct router_action *a)
{
	const struct endpoint to = { .addr = g->address, .port = a->port };
	int r;

	g->fetch = fetch_cancel(g->fetch);
	g->fetch_id = a->id;
	g->soap_requests += a->len > 5 && memcmp(a->buf, "POST ", 5) == 0;
	r = fetch_start(g->loop, &g->from, &to, a->buf, a->len, HTTP_BODY_MAX,
	    on_fetched, g, &g->fetch);
	if (r < 0)
		router_http(g->router, a->id, r, NULL, loop_now());
}

static void
act(struct gateway *g, const struct router_action *a)
{
	if (a->asks)
		g->hooks.lease_asks(a->owner, g->hooks.ctx);
	switch (a->kind) {
	case ROUTER_SEND:
		send_pxp(g, a);
		break;
	case ROUTER_SEARCH_UNICAST:
	case ROUTER_SEARCH_MULTICAST:
		send_search(g, a);
		break;
	case ROUTER_HTTP:
		start_fetch(g, a);
		break;
	case ROUTER_LEASE_CHANGED:
		g->hooks.lease_changed(a->owner, g->hooks.ctx);
		break;
	case ROUTER_LEASE_GONE:
		g->hooks.lease_gone(a->owner, a, g->hooks.ctx);
		break;
	case ROUTER_SERVICES_CHANGED:
		g->hooks.services_changed(g, g->hooks.ctx);
		break;
	case ROUTER_EXTERNAL_CHANGED:
		g->hooks.external_changed(g, g->hooks.ctx);
		break;
	case ROUTER_RESTARTED:
		g->hooks.restarted(g, g->hooks.ctx);
		break;
	}
}

/* ---- events ---- */

static int
on_event(const char *request, size_t len, void *ctx)
{
	struct gateway *g = ctx;
	int status = router_event(g->router, request, len, loop_now());

	log_debug("%s: event, answered %d", g->name, status);
	gateway_kick(g);
	return status;
}

/* True: there is a listener now, and the router can be told of it. */
static bool
open_callback(struct gateway *g)
{
	int r =
	    callback_open(g->loop, &g->from, &g->address, on_event, g, &g->callback);

	if (r < 0) {
		log_warning("%s: no listener for events: %s", g->name, strerror(-r));
		router_want_events(g->router, false, loop_now());
		return false;
	}
	log_info("%s: events come to TCP port %u", g->name, callback_port(g->callback));
	router_set_callback(
	    g->router, callback_port(g->callback), random_u64(), loop_now());
	return true;
}

/* The listener is there exactly while something may come.  True: that changed what the
 * router has to do. */
static bool
follow_events(struct gateway *g)
{
	if (router_expects_events(g->router))
		return !g->callback && open_callback(g);
	if (g->callback) {
		g->callback = callback_close(g->callback);
		log_debug("%s: no events any more", g->name);
		g->hooks.events_ended(g, g->hooks.ctx);
	}
	return false;
}

void
gateway_want_events(struct gateway *g, bool want)
{
	if (want == g->want_events)
		return;
	g->want_events = want;
	router_want_events(g->router, want, loop_now());
	gateway_kick(g);
}

bool
gateway_has_events(const struct gateway *g)
{
	return g->callback != NULL;
}

static void
tell_steps(struct gateway *g)
{
	struct router_step step;

	while (g->step && router_next_step(g->router, &step))
		g->step(g, &step, g->step_ctx);
}

static void
pump(struct gateway *g)
{
	struct router_action a;

	do
		while (router_next(g->router, loop_now(), &a)) {
			/* Who is told of the outcome knows the way there. */
			tell_steps(g);
			act(g, &a);
		}
	while (follow_events(g));
	tell_steps(g);
	if (!router_expects_datagram(g->router))
		channel_close(&g->pxp);
	if (!router_expects_ssdp(g->router))
		channel_close(&g->ssdp);
	timer_set(&g->timer, router_deadline(g->router));
}

int
gateway_trace(struct gateway *g, gateway_step step, void *ctx)
{
	int r = router_trace(g->router);

	if (r < 0)
		return r;
	g->step = step;
	g->step_ctx = ctx;
	return 0;
}

void
gateway_kick(struct gateway *g)
{
	timer_set(&g->timer, loop_now());
}

/* ---- life ---- */

int
gateway_new(struct loop *loop, const struct netmon_uplink *uplink,
    const struct router_settings *settings, const struct gateway_hooks *hooks,
    struct gateway **ret)
{
	struct gateway *g = calloc(1, sizeof(*g));
	char text[ADDR_TEXT_MAX];
	int r;

	if (!g)
		return -ENOMEM;
	g->loop = loop;
	g->uplink = *uplink;
	g->hooks = *hooks;
	g->address = settings->gateway;
	g->local = settings->local;
	g->pxp.fd = g->ssdp.fd = -1;
	g->from = (struct sock_from) { .local = gateway_addr(
					   &uplink->source, uplink->ifindex),
		.ifname = g->uplink.name,
		.ifindex = (unsigned)uplink->ifindex };
	snprintf(g->name, sizeof(g->name), "%s on %s",
	    addr_format_zone(&g->address, "", text), uplink->name);
	r = timer_init(&g->timer, loop, on_timer, g);
	if (r < 0) {
		free(g);
		return r;
	}
	g->router = router_new(settings, loop_now());
	if (!g->router) {
		gateway_free(g);
		return -ENOMEM;
	}
	*ret = g;
	return 0;
}

struct gateway *
gateway_free(struct gateway *g)
{
	if (!g)
		return NULL;
	fetch_cancel(g->fetch);
	callback_close(g->callback);
	channel_close(&g->pxp);
	channel_close(&g->ssdp);
	timer_done(&g->timer);
	router_free(g->router);
	free(g);
	return NULL;
}

struct router *
gateway_router(const struct gateway *g)
{
	return g->router;
}

const struct addr *
gateway_local(const struct gateway *g)
{
	return &g->local;
}

const struct netmon_uplink *
gateway_uplink(const struct gateway *g)
{
	return &g->uplink;
}

void
gateway_update_uplink(struct gateway *g, const struct netmon_uplink *uplink)
{
	g->uplink.metric = uplink->metric;
	g->uplink.is_default = uplink->is_default;
	memcpy(g->uplink.mac, uplink->mac, sizeof(g->uplink.mac));
	g->uplink.mac_len = uplink->mac_len;
}

bool
gateway_external_moved(struct gateway *g)
{
	const struct addr was = g->external, *now = router_external(g->router);

	if (now->family == ADDR_NONE)
		return false;
	g->external = *now;
	return was.family != ADDR_NONE && !addr_equal(&was, now);
}

uint64_t
gateway_soap_requests(const struct gateway *g)
{
	return g->soap_requests;
}

bool
gateway_may_offer(const struct gateway *g, enum router_service s)
{
	bool ipv4 = g->uplink.family == AF_INET;

	return s == ROUTER_PCP || (s == ROUTER_PINHOLE) != ipv4;
}

const char *
gateway_name(const struct gateway *g)
{
	return g->name;
}
