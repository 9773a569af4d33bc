/*
 * engine.c - the wanted state, who watches it, and when it is compared with what is
 * held.
 */
#include "daemon/engine.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/engine_private.h"
#include "daemon/log.h"
#include "daemon/report.h"

/* Netlink news come in bunches: a short wait makes one change of them. */
#define DEBOUNCE_MS 50
#define DEBOUNCE_MAX_MS 250
#define SHUTDOWN_MS (4 * MSEC_PER_SEC) /* of the 5 s that natd may take to leave */

const char *
engine_state_name(enum engine_state s)
{
	static const char *const names[] = {
		[ENGINE_STARTING] = "starting",
		[ENGINE_OFFLINE] = "offline",
		[ENGINE_DEGRADED] = "degraded",
		[ENGINE_ONLINE] = "online",
	};

	return names[s];
}

/* ---- observers ---- */

void
engine_tell(
    struct engine *e, enum engine_event event, struct mapping *m, struct gateway *g)
{
	if (m)
		mapping_tell(m, event == ENGINE_MAPPING_REMOVED);
	for (struct engine_observer *o = e->observers, *next; o; o = next) {
		next = o->next;
		o->event(o, event, m, g);
	}
}

void
engine_changed(struct engine *e, struct mapping *m)
{
	engine_tell(e, ENGINE_MAPPING_CHANGED, m, NULL);
}

void
engine_observe(struct engine *e, struct engine_observer *o)
{
	o->next = e->observers;
	e->observers = o;
}

void
engine_unobserve(struct engine *e, struct engine_observer *o)
{
	for (struct engine_observer **at = &e->observers; *at; at = &(*at)->next)
		if (*at == o) {
			*at = o->next;
			return;
		}
}

/* ---- traces ---- */

static void
on_step(struct gateway *g, const struct router_step *step, void *ctx)
{
	struct engine *e = ctx;
	const struct holding *h = step->owner;

	/* What nobody wants any more is deleted for nobody. */
	if (!h || h->mapping)
		e->tracer.step(h ? h->mapping : NULL, g, step, e->tracer.ctx);
}

/* A trace that memory is too short for is missed by nobody who needs a port. */
void
engine_trace_gateway(struct engine *e, struct gateway *g)
{
	if (e->tracer.step)
		(void)gateway_trace(g, on_step, e);
}

void
engine_trace(struct engine *e, const struct engine_tracer *tracer)
{
	e->tracer = *tracer;
	for (size_t i = 0; i < e->gateways_count; i++)
		engine_trace_gateway(e, e->gateways[i]);
	for (struct carrier *c = e->carriers; c; c = c->next)
		engine_trace_gateway(e, c->gateway);
}

/* ---- mappings ---- */

struct mapping *
engine_add_mapping(struct engine *e, const char *id)
{
	struct mapping *m = calloc(1, sizeof(*m)), **at = &e->mappings;

	if (!m)
		return NULL;
	if (id)
		snprintf(m->id, sizeof(m->id), "%s", id);
	else
		do
			snprintf(m->id, sizeof(m->id), "m%u", ++e->next_id);
		while (engine_find(e, m->id));
	m->wanted_until = MSEC_NEVER;
	while (*at)
		at = &(*at)->next;
	*at = m;
	return m;
}

void
engine_drop_mapping(struct engine *e, struct mapping *m)
{
	for (struct mapping **at = &e->mappings; *at; at = &(*at)->next)
		if (*at == m) {
			*at = m->next;
			break;
		}
	engine_tell(e, ENGINE_MAPPING_REMOVED, m, NULL);
	free(m);
	persist_later(e);
}

struct mapping *
engine_find(struct engine *e, const char *id)
{
	for (struct mapping *m = e->mappings; m; m = m->next)
		if (strcmp(m->id, id) == 0)
			return m;
	return NULL;
}

struct mapping *
engine_mappings(struct engine *e)
{
	return e->mappings;
}

/* ---- when ---- */

void
engine_wake(struct engine *e)
{
	timer_set(&e->reconcile_timer, loop_now());
}

static void
on_reconcile(void *ctx)
{
	struct engine *e = ctx;

	reconcile(e, loop_now());
	if (e->stopping && !reconcile_is_leaving(e) && e->stopped) {
		void (*stopped)(void *) = e->stopped;

		e->stopped = NULL;
		timer_clear(&e->shutdown_timer);
		persist_now(e);
		stopped(e->stopped_ctx);
	}
}

static void
on_debounced(void *ctx)
{
	struct engine *e = ctx;

	e->debounce_since = 0;
	engine_wake(e);
}

static void
on_net(evutil_socket_t fd, short what, void *ctx)
{
	struct engine *e = ctx;
	int changed = netmon_dispatch(e->net);
	msec_t now = loop_now();

	(void)fd;
	(void)what;
	if (changed < 0) {
		e->counters.netlink_errors++;
		log_warning("cannot read the kernel's tables: %s", strerror(-changed));
		changed = 0;
	}
	if (changed == 0)
		return;
	e->uplinks_dirty = true;
	/* The last event of a bunch decides, but the first waits for 250 ms at most. */
	if (e->debounce_since == 0)
		e->debounce_since = now;
	timer_set(&e->debounce_timer,
	    MIN(now + DEBOUNCE_MS, e->debounce_since + DEBOUNCE_MAX_MS));
}

static void
on_save(void *ctx)
{
	persist_now(ctx);
}

static void
on_shutdown_late(void *ctx)
{
	struct engine *e = ctx;
	void (*stopped)(void *) = e->stopped;

	e->stopped = NULL;
	log_notice(
	    "some routers did not answer in time; what is left there ends with its "
	    "lease, or at the next start");
	persist_now(e);
	if (stopped)
		stopped(e->stopped_ctx);
}

void
engine_shutdown(struct engine *e, void (*done)(void *ctx), void *ctx)
{
	if (e->stopping)
		return;
	e->stopping = true;
	e->stopped = done;
	e->stopped_ctx = ctx;
	report_leaving(e->mappings);
	/* Before anything is released: the next start wants the rest again. */
	persist_now(e);
	for (struct mapping *m = e->mappings; m; m = m->next) {
		if (mapping_outlives_natd(m))
			continue;
		if (m->lease)
			holding_release(e, m, loop_now());
		m->last.expires_at = 0; /* asked anew, with the same number */
		m->releasing |= m->context.persistence == PERSISTENCE_CONNECTION;
	}
	timer_set(&e->shutdown_timer, loop_now() + SHUTDOWN_MS);
	engine_wake(e);
}

bool
engine_is_stopping(const struct engine *e)
{
	return e->stopping;
}

/* ---- life ---- */

static int
start_timers(struct engine *e)
{
	const struct {
		struct timer *timer;
		void (*fire)(void *ctx);
	} timers[] = {
		{ &e->reconcile_timer, on_reconcile },
		{ &e->save_timer, on_save },
		{ &e->debounce_timer, on_debounced },
		{ &e->shutdown_timer, on_shutdown_late },
	};
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(timers) && r == 0; i++)
		r = timer_init(timers[i].timer, e->loop, timers[i].fire, e);
	return r;
}

int
engine_new(struct loop *loop, const struct conf *conf, struct netmon *net,
    struct state *state, struct engine **ret)
{
	struct engine *e = calloc(1, sizeof(*e));
	int r;

	if (!e)
		return -ENOMEM;
	e->loop = loop;
	e->conf = conf;
	e->net = net;
	e->state = state;
	r = start_timers(e);
	if (r == 0)
		r = reconcile_listen(e);
	if (r == 0)
		r = loop_watch(loop, netmon_fd(net), EV_READ, on_net, e, &e->net_event);
	if (r < 0) {
		engine_free(e);
		return r;
	}
	r = persist_load(e, loop_now());
	if (r < 0) {
		engine_free(e);
		return r;
	}
	e->uplinks_dirty = true;
	engine_set_conf(e, conf);
	reconcile(e, loop_now());
	*ret = e;
	return 0;
}

struct engine *
engine_free(struct engine *e)
{
	if (!e)
		return NULL;
	if (e->net_event)
		event_free(e->net_event);
	holding_free_all(e);
	carrier_free_all(e);
	for (size_t i = 0; i < e->gateways_count; i++)
		gateway_free(e->gateways[i]);
	for (size_t i = 0; i < e->leaving_count; i++)
		gateway_free(e->leaving[i]);
	for (struct mapping *m = e->mappings, *next; m; m = next) {
		next = m->next;
		free(m);
	}
	for (struct habit *h = e->habits, *next; h; h = next) {
		next = h->next;
		free(h);
	}
	hear_free(e->hear);
	timer_done(&e->reconcile_timer);
	timer_done(&e->save_timer);
	timer_done(&e->debounce_timer);
	timer_done(&e->shutdown_timer);
	free(e);
	return NULL;
}

/* ---- what is known ---- */

size_t
engine_gateways(const struct engine *e)
{
	return e->gateways_count;
}

struct gateway *
engine_gateway(const struct engine *e, size_t i)
{
	return e->gateways[i];
}

enum engine_state
engine_get_state(const struct engine *e)
{
	return e->state_now;
}

const struct engine_counters *
engine_get_counters(const struct engine *e)
{
	return &e->counters;
}

bool
engine_has_uplink(const struct engine *e, enum addr_family family, const char *ifname)
{
	for (size_t i = 0; i < e->gateways_count; i++) {
		const struct netmon_uplink *u = gateway_uplink(e->gateways[i]);
		enum addr_family f = u->family == AF_INET ? ADDR_IPV4 : ADDR_IPV6;

		if ((family == ADDR_NONE || family == f) &&
		    (ifname[0] == '\0' || strcmp(ifname, u->name) == 0))
			return true;
	}
	return false;
}

bool
engine_has_interface(const struct engine *e, const char *ifname)
{
	size_t count;
	const struct netmon_link *links = netmon_links(e->net, &count);

	for (size_t i = 0; i < count; i++)
		if (strcmp(links[i].name, ifname) == 0)
			return true;
	return conf_find_uplink(e->conf, ifname) != NULL;
}

uint64_t
engine_netlink_events(const struct engine *e)
{
	return netmon_events(e->net);
}

uint64_t
engine_netlink_overruns(const struct engine *e)
{
	return netmon_overruns(e->net);
}

bool
engine_has_address(const struct engine *e, const struct addr *a)
{
	size_t count;
	const struct netmon_addr *addrs = netmon_addrs(e->net, &count);

	for (size_t i = 0; i < count; i++) {
		struct addr own = gateway_addr(&addrs[i].ip, addrs[i].ifindex);

		if (addr_equal(&own, a))
			return true;
	}
	return false;
}

void
engine_discover(struct engine *e)
{
	for (size_t i = 0; i < e->gateways_count; i++) {
		router_discover(gateway_router(e->gateways[i]), loop_now());
		gateway_kick(e->gateways[i]);
	}
}
