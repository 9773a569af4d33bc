/*
 * monitor.c - Monitor: a snapshot, then every change, numbered without gaps.
 *
 * A reader that is too slow loses events, is told how many, and gets a new snapshot: it
 * can always know the present, never only the past.
 */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

#include "daemon/api_private.h"
#include "proto/json.h"

#define AGAIN_MS 100

/* The order of EventType in the interface. */
enum event_type {
	EVENT_SNAPSHOT,
	EVENT_MAPPING_ADDED,
	EVENT_MAPPING_CHANGED,
	EVENT_MAPPING_REMOVED,
	EVENT_GATEWAY_CHANGED,
	EVENT_EXTERNAL_ADDRESS_CHANGED,
	EVENT_NAT_BEHAVIOR_CHANGED,
	EVENT_STATE_CHANGED,
	EVENT_OVERRUN,
};

const struct varlink_param monitor_params[] = {
	{ .name = "events", .type = VARLINK_ENUMS, .values = api_event_values },
	{ .name = NULL },
};

struct watch {
	struct engine_observer observer;
	struct behavior_observer behavior_observer;
	struct stun_observer stun_observer;
	struct api *api;
	struct varlink_call *call;
	struct api_viewer viewer;
	unsigned events; /* mask of 1 << enum event_type */
	int64_t sequence;
	int64_t lost; /* events that did not fit since the last that did */
	struct timer
	    again; /* when there was no memory, which no drain tells the end of */
};

static const enum event_type types[] = {
	[ENGINE_MAPPING_ADDED] = EVENT_MAPPING_ADDED,
	[ENGINE_MAPPING_CHANGED] = EVENT_MAPPING_CHANGED,
	[ENGINE_MAPPING_REMOVED] = EVENT_MAPPING_REMOVED,
	[ENGINE_GATEWAY_CHANGED] = EVENT_GATEWAY_CHANGED,
	[ENGINE_EXTERNAL_CHANGED] = EVENT_EXTERNAL_ADDRESS_CHANGED,
	[ENGINE_STATE_CHANGED] = EVENT_STATE_CHANGED,
};

static cJSON *
event_json(const struct watch *w, enum event_type type)
{
	cJSON *o = cJSON_CreateObject();

	json_add_int(o, "sequence", w->sequence);
	json_add_string(o, "event", api_event_values[type]);
	json_add_item(
	    o, "timestamp", api_timestamp(loop_realtime_usec(), loop_boottime_usec()));
	return o;
}

static const char *
state_name(const struct watch *w)
{
	return engine_state_name(engine_get_state(w->api->engine));
}

static cJSON *
snapshot_json(const struct watch *w)
{
	struct engine *e = w->api->engine;
	cJSON *o = event_json(w, EVENT_SNAPSHOT), *list;

	json_add_string(o, "state", state_name(w));
	list = json_add_array(o, "mappings");
	for (const struct mapping *m = engine_mappings(e); m; m = m->next)
		json_append_item(list, api_mapping(m, &w->viewer));
	list = json_add_array(o, "gateways");
	for (size_t i = 0; i < engine_gateways(e); i++)
		json_append_item(list, api_gateway(engine_gateway(e, i)));
	return o;
}

/* Takes o.  False: the queue is full or memory is short, the event is lost. */
static bool
push(struct watch *w, cJSON *o)
{
	int r = varlink_reply_continues(w->call, o);

	if (r == -EMSGSIZE)
		timer_set(&w->again, loop_now() + AGAIN_MS);
	if (r < 0)
		return false;
	w->sequence++;
	return true;
}

static void
on_event(struct engine_observer *observer, enum engine_event event,
    const struct mapping *m, const struct gateway *g)
{
	struct watch *w = (struct watch *)observer;
	enum event_type type = types[event];
	cJSON *o, *part = NULL;

	if (!(w->events & 1u << type))
		return;
	/* Once something was lost, only the overrun and a snapshot may follow. */
	if (w->lost > 0) {
		w->lost++;
		return;
	}
	o = event_json(w, type);
	if (m) {
		json_add_item(o, "mapping", api_mapping(m, &w->viewer));
	} else if (g && event == ENGINE_EXTERNAL_CHANGED) {
		part = api_external_address(g);
		if (part)
			json_add_item(o, "externalAddress", part);
	} else if (g) {
		json_add_item(o, "gateway", api_gateway(g));
	}
	if (event == ENGINE_STATE_CHANGED)
		json_add_string(o, "state", state_name(w));
	if (!push(w, o))
		w->lost = 1;
}

static void
on_behavior(struct behavior_observer *observer, const struct behavior_status *st)
{
	struct watch *w = (struct watch *)((char *)observer -
					   offsetof(struct watch, behavior_observer));
	cJSON *o;

	if (!(w->events & 1u << EVENT_NAT_BEHAVIOR_CHANGED))
		return;
	if (w->lost > 0) {
		w->lost++;
		return;
	}
	o = event_json(w, EVENT_NAT_BEHAVIOR_CHANGED);
	json_add_item(o, "natBehavior", api_nat_behavior(st));
	if (!push(w, o))
		w->lost = 1;
}

static void
on_stun_address(struct stun_observer *observer, enum addr_family family)
{
	struct watch *w =
	    (struct watch *)((char *)observer - offsetof(struct watch, stun_observer));
	cJSON *o, *part;

	if (!(w->events & 1u << EVENT_EXTERNAL_ADDRESS_CHANGED))
		return;
	part = api_external_by_stun(w->api->engine, w->api->stun, family);
	if (!part)
		return;
	if (w->lost > 0) {
		cJSON_Delete(part);
		w->lost++;
		return;
	}
	o = event_json(w, EVENT_EXTERNAL_ADDRESS_CHANGED);
	json_add_item(o, "externalAddress", part);
	if (!push(w, o))
		w->lost = 1;
}

static void
recover(void *ctx)
{
	struct watch *w = ctx;
	cJSON *o;

	if (w->lost == 0)
		return;
	o = event_json(w, EVENT_OVERRUN);
	json_add_int(o, "lost", w->lost);
	if (push(w, o) && push(w, snapshot_json(w)))
		w->lost = 0;
}

static void
on_drain(struct varlink_call *call, void *ctx)
{
	(void)call;
	recover(ctx);
}

static void
on_end(struct varlink_call *call, void *ctx)
{
	struct watch *w = ctx;

	(void)call;
	timer_done(&w->again);
	engine_unobserve(w->api->engine, &w->observer);
	behaviors_unobserve(w->api->behaviors, &w->behavior_observer);
	stun_unobserve(w->api->stun, &w->stun_observer);
	free(w);
}

void
monitor(struct varlink_call *call, const struct varlink_value *values, void *ctx)
{
	struct api *a = ctx;
	struct watch *w = calloc(1, sizeof(*w));

	if (!w || timer_init(&w->again, a->loop, recover, w) < 0) {
		free(w);
		varlink_error(call, NATD_ERROR("ShuttingDown"), NULL);
		return;
	}
	w->observer.event = on_event;
	w->behavior_observer.changed = on_behavior;
	w->api = a;
	w->call = call;
	api_viewer_of(call, &w->viewer);
	w->events = values[0].present ? 0 : ~0u;
	for (unsigned i = 0; i < values[0].count; i++)
		w->events |= 1u << values[0].list[i];
	engine_observe(a->engine, &w->observer);
	behaviors_observe(a->behaviors, &w->behavior_observer);
	w->stun_observer.external = on_stun_address;
	stun_observe(a->stun, &w->stun_observer);
	varlink_call_on_end(call, on_end, w);
	varlink_call_on_drain(call, on_drain, w);
	if (!push(w, snapshot_json(w)))
		w->lost = 1;
}
