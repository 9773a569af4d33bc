/*
 * engine.h - wanted against held: the one place that makes them the same.
 *
 * Wanted: the list of mappings, changed by calls, by configuration and by time.  Held:
 * leases on the gateways, one gateway object per uplink.  Whatever happens (a call, a
 * network change, a reload, a restart of a router or of natd), the engine compares the
 * two once per turn of the loop and moves what differs; there is no second path.
 *
 * Nothing is freed behind a caller's back within a turn: mappings and gateways go in
 * engine_reconcile() only, after their watchers and observers were told.
 */
#pragma once

#include "daemon/conf.h"
#include "daemon/gateway.h"
#include "daemon/loop.h"
#include "daemon/mapping.h"
#include "daemon/tried.h"
#include "netmon/netmon.h"

struct engine; /* opaque */
struct state;

enum engine_event {
	ENGINE_MAPPING_ADDED,
	ENGINE_MAPPING_CHANGED,
	ENGINE_MAPPING_REMOVED,
	ENGINE_GATEWAY_CHANGED,
	ENGINE_EXTERNAL_CHANGED,
	ENGINE_STATE_CHANGED,
};

struct engine_observer {
	struct engine_observer *next;
	/* m: of a MAPPING event; g: of GATEWAY_CHANGED and EXTERNAL_CHANGED; else NULL.
	 * g is NULL for a gateway that went away. */
	void (*event)(struct engine_observer *o, enum engine_event event,
	    const struct mapping *m, const struct gateway *g);
};

/* org.natd.NAT.OperationalState */
enum engine_state { ENGINE_STARTING, ENGINE_OFFLINE, ENGINE_DEGRADED, ENGINE_ONLINE };

/* Counters for metrics, since the start. */
struct engine_counters {
	uint64_t requests[METHOD_MAX], failures[METHOD_MAX][PROBLEM_CODES];
	uint64_t renewals[METHOD_MAX], renewal_failures[METHOD_MAX];
	uint64_t external_changes[2]; /* IPv4, IPv6 */
	uint64_t gateway_restarts, netlink_errors;
};

/*
 * conf, state and net are borrowed (state may be NULL: nothing is kept).  Reads the
 * records of state: permanent and unexpired mappings are wanted again, what else was
 * held is deleted on its router.  0 or -errno.
 */
int engine_new(struct loop *loop, const struct conf *conf, struct netmon *net,
    struct state *state, struct engine **ret);
struct engine *engine_free(struct engine *e);

/* A new configuration is in force: static mappings and uplinks follow it.  The old one
 * may be freed afterwards. */
void engine_set_conf(struct engine *e, const struct conf *conf);
const struct conf *engine_conf(const struct engine *e);
/* Whether the mapping of [Mapping name] is there: it may have been released. */
bool engine_has_configured(struct engine *e, const char *name);

/* ---- wishes ---- */

/* Why a request is refused before any network is asked. */
enum engine_refusal {
	ENGINE_ACCEPTED,
	ENGINE_QUOTA,    /* *ret_limit, *ret_current */
	ENGINE_CONFLICT, /* *ret: the mapping of another user */
	ENGINE_NO_INTERFACE,
	ENGINE_SHUTTING_DOWN,
	ENGINE_NO_MEMORY,
};

struct engine_refused {
	unsigned limit, current;
};

/*
 * Want a mapping, or refresh the one this user holds for the same internal endpoint.
 * The result is in *ret with ENGINE_ACCEPTED; it is asked for in this turn.
 */
enum engine_refusal engine_request(struct engine *e,
    const struct mapping_context *context, uid_t uid, pid_t pid, bool privileged,
    struct mapping **ret, struct engine_refused *ret_refused);

/* No longer wanted.  The mapping is removed when its router confirmed, or after 3 s. */
void engine_release(struct engine *e, struct mapping *m, enum mapping_end why);
/* The router refuses what the last request wants: what was held before it is wanted
 * again; nothing was: it is released. */
void engine_withdraw(struct engine *e, struct mapping *m);
/* Proven to forward nothing although its router holds it: deleted there and made again,
 * once.  False: that was done, or cannot be now. */
bool engine_remake(struct engine *e, struct mapping *m);
/* Renew now. */
void engine_renew(struct engine *e, struct mapping *m);

/* Something about it is news that no router told. */
void engine_changed(struct engine *e, struct mapping *m);

/* One connection more or less holds this mapping (persistence connection); without any
 * it is released. */
void engine_hold(struct engine *e, struct mapping *m);
void engine_unhold(struct engine *e, struct mapping *m);

/* Release what ends with natd, keep the rest for the next start; done is called when
 * that is finished, at the latest after 3 s. */
void engine_shutdown(struct engine *e, void (*done)(void *ctx), void *ctx);
bool engine_is_stopping(const struct engine *e);

/* ---- what is known ---- */

struct mapping *engine_find(struct engine *e, const char *id);
struct mapping *engine_mappings(struct engine *e); /* linked by next */
size_t engine_gateways(const struct engine *e);
struct gateway *engine_gateway(const struct engine *e, size_t i);
enum engine_state engine_get_state(const struct engine *e);
const char *engine_state_name(enum engine_state s);
const struct engine_counters *engine_get_counters(const struct engine *e);
/* Whether an uplink of the family (ADDR_NONE: any) exists on the interface ("": any).
 */
bool
engine_has_uplink(const struct engine *e, enum addr_family family, const char *ifname);
/* Whether the kernel knows this interface. */
bool engine_has_interface(const struct engine *e, const char *ifname);

uint64_t engine_netlink_events(const struct engine *e);
uint64_t engine_netlink_overruns(const struct engine *e);
/* Whether the address is one of this host's. */
bool engine_has_address(const struct engine *e, const struct addr *a);

void engine_observe(struct engine *e, struct engine_observer *o);
void engine_unobserve(struct engine *e, struct engine_observer *o);

/* Tell each step of every router from now on, with the mapping it is for (NULL: for
 * none), for traces. */
struct engine_tracer {
	void (*step)(const struct mapping *m, const struct gateway *g,
	    const struct router_step *step, void *ctx);
	void *ctx;
};
void engine_trace(struct engine *e, const struct engine_tracer *tracer);

/* Start discovery on all uplinks (someone wants to look). */
void engine_discover(struct engine *e);
