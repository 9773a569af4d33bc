/*
 * gateway.h - one uplink's router: the sans-I/O machine of proto/router.h with sockets,
 * a timer and HTTP exchanges.
 *
 * Owned by the engine, one per {interface, family, router address, router MAC}; all
 * that was learnt through it goes with it.  Sockets are open only while an answer is
 * due.
 */
#pragma once

#include "daemon/loop.h"
#include "netmon/netmon.h"
#include "proto/router.h"

struct gateway; /* opaque */

/* Called from the loop, never from inside a gateway_*() call of the owner; the owner
 * may make and release leases in them, but not free the gateway. */
struct gateway_hooks {
	/* What it asks the router for is about to be sent. */
	void (*lease_asks)(void *owner, void *ctx);
	void (*lease_changed)(void *owner, void *ctx);
	/* The action: confirmed, or unheard, or neither. */
	void (*lease_gone)(void *owner, const struct router_action *action, void *ctx);
	void (*services_changed)(struct gateway *g, void *ctx);
	void (*external_changed)(struct gateway *g, void *ctx);
	void (*restarted)(struct gateway *g, void *ctx);
	/* gateway_want_events(g, false) is done: the router was told. */
	void (*events_ended)(struct gateway *g, void *ctx);
	void *ctx;
};

/* uplink->source is what the sockets are bound to.  0 or -errno. */
int gateway_new(struct loop *loop, const struct netmon_uplink *uplink,
    const struct router_settings *settings, const struct gateway_hooks *hooks,
    struct gateway **ret);
struct gateway *gateway_free(struct gateway *g);

struct router *gateway_router(const struct gateway *g);
/* Our address as the router sees it; the uplink's, unless there is a NAT between. */
const struct addr *gateway_local(const struct gateway *g);
const struct netmon_uplink *gateway_uplink(const struct gateway *g);
/* What changes without being another uplink: metric, is_default, running. */
void gateway_update_uplink(struct gateway *g, const struct netmon_uplink *uplink);
/* Whether the external address is another one than the one known before; to be asked
 * once per change. */
bool gateway_external_moved(struct gateway *g);
/* SOAP requests sent. */
uint64_t gateway_soap_requests(const struct gateway *g);

/* Whether the service can be on a router of this family at all. */
bool gateway_may_offer(const struct gateway *g, enum router_service s);
/* "192.168.1.1 on eth0". */
const char *gateway_name(const struct gateway *g);

/* Tell each step of the router from now on, as it is taken, for traces.  0 or -ENOMEM.
 */
typedef void (*gateway_step)(
    struct gateway *g, const struct router_step *step, void *ctx);
int gateway_trace(struct gateway *g, gateway_step step, void *ctx);

/* The router was given something to do: look at it in the next turn of the loop. */
void gateway_kick(struct gateway *g);

/* Whether to subscribe to the router's UPnP events while leases are held; not until
 * this is said.  That needs a TCP listener, open to the router only. */
void gateway_want_events(struct gateway *g, bool want);
/* Subscribed, or on the way there or back. */
bool gateway_has_events(const struct gateway *g);

/* What a listener heard: an announcement on port 5350, or SSDP NOTIFY. */
void gateway_announced(struct gateway *g);
void
gateway_ssdp(struct gateway *g, const struct addr *from, const char *buf, size_t len);

/* Converts a kernel address; scope: of link-local ones. */
struct addr gateway_addr(const struct netmon_ip *ip, int ifindex);
/* The other way round; the scope is lost. */
struct netmon_ip gateway_ip(const struct addr *a);
