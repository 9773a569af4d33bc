/*
 * nat_method.c - GetNatBehavior: how the NATs on the way out behave, measured if that
 * is not known.
 */
#include <stdio.h>
#include <stdlib.h>

#include "daemon/api_private.h"
#include "proto/json.h"

struct nat_call {
	struct behavior_query query; /* first: the call is found by it */
	struct api *api;
	struct varlink_call *call;
};

const struct varlink_param nat_behavior_params[] = {
	{ .name = "interface", .type = VARLINK_STRING, .max = IF_NAMESIZE - 1 },
	{ .name = "family", .type = VARLINK_ENUM, .values = api_family_values },
	{ .name = "refresh", .type = VARLINK_BOOL },
	{ .name = NULL },
};

cJSON *
nat_behaviors_json(struct api *a, const struct behavior_query *q)
{
	cJSON *list = cJSON_CreateArray();
	struct behavior_status st;

	for (size_t i = 0; behaviors_get(a->behaviors, i, &st); i++)
		if ((!q->ifname[0] || strcmp(q->ifname, st.ifname) == 0) &&
		    (q->family == ADDR_NONE || q->family == st.family))
			json_append_item(list, api_nat_behavior(&st));
	return list;
}

static void
answer(struct api *a, struct varlink_call *call, const struct behavior_query *q)
{
	cJSON *list = nat_behaviors_json(a, q), *o = cJSON_CreateObject();
	const char *problem = behaviors_problem(a->behaviors, q);

	if (cJSON_GetArraySize(list) > 0 || !problem) {
		json_add_item(o, "natBehaviors", list);
		varlink_reply(call, o);
		return;
	}
	cJSON_Delete(list);
	json_add_string(o, "reason", problem);
	varlink_error(call, NATD_ERROR("StunFailed"), o);
}

static void
on_done(struct behavior_query *q)
{
	struct nat_call *c = (struct nat_call *)q;

	answer(c->api, c->call, q);
}

static void
on_end(struct varlink_call *call, void *ctx)
{
	struct nat_call *c = ctx;

	(void)call;
	behaviors_forget(c->api->behaviors, &c->query);
	free(c);
}

/* Whether it was refused. */
static bool
refused(struct api *a, struct varlink_call *call, const char *ifname)
{
	cJSON *o;

	if (engine_is_stopping(a->engine)) {
		varlink_error(call, NATD_ERROR("ShuttingDown"), NULL);
		return true;
	}
	if (*ifname && !engine_has_interface(a->engine, ifname)) {
		o = cJSON_CreateObject();
		json_add_string(o, "interface", ifname);
		varlink_error(call, NATD_ERROR("NoSuchInterface"), o);
		return true;
	}
	if (!engine_has_uplink(a->engine, ADDR_NONE, "")) {
		varlink_error(call, NATD_ERROR("NotOnline"), NULL);
		return true;
	}
	return false;
}

void
get_nat_behavior(
    struct varlink_call *call, const struct varlink_value *values, void *ctx)
{
	struct api *a = ctx;
	const char *ifname = values[0].present ? values[0].s : "";
	struct nat_call *c;

	if (refused(a, call, ifname))
		return;
	c = calloc(1, sizeof(*c));
	if (!c) {
		varlink_error(call, NATD_ERROR("ShuttingDown"), NULL);
		return;
	}
	*c = (struct nat_call) { { .family = api_family(&values[1]), .done = on_done },
		a, call };
	snprintf(c->query.ifname, sizeof(c->query.ifname), "%s", ifname);
	/* The router's own word tells how many translators there are. */
	engine_discover(a->engine);
	if (behaviors_ask(a->behaviors, &c->query, values[2].present && values[2].i)) {
		varlink_call_on_end(call, on_end, c);
		return;
	}
	answer(a, call, &c->query);
	free(c);
}
