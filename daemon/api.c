/*
 * api.c - the methods of org.natd.NAT: one row and one function each.
 */
#include "daemon/api.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/api_private.h"
#include "daemon/log.h"
#include "proto/idl.h"
#include "proto/json.h"
#include "proto/version.h"

const char *const api_family_values[] = { "ipv4", "ipv6", NULL };
const char *const api_transport_values[] = { "udp", "tcp", NULL };
const char *const api_method_values[] = { "pcp", "igd2", "nat_pmp", "igd1",
	"igd_pinhole", "direct", NULL };
const char *const api_persistence_values[] = { "connection", "lease", "permanent",
	NULL };
const char *const api_event_values[] = { "snapshot", "mapping_added", "mapping_changed",
	"mapping_removed", "gateway_changed", "external_address_changed",
	"nat_behavior_changed", "state_changed", "overrun", NULL };

void
api_viewer_of(const struct varlink_call *c, struct api_viewer *ret)
{
	*ret = (struct api_viewer) {
		.privileged = varlink_call_privileged(c),
		.uid = varlink_call_uid(c),
	};
}

enum addr_family
api_family(const struct varlink_value *v)
{
	return !v->present ? ADDR_NONE : v->i == 0 ? ADDR_IPV4 : ADDR_IPV6;
}

/* ---- looking ---- */

static const struct varlink_param no_params[] = { { .name = NULL } };

static void
count_mappings(struct engine *e, cJSON *o)
{
	int64_t total = 0, active = 0, failed = 0;

	for (const struct mapping *m = engine_mappings(e); m; m = m->next) {
		struct lease_status st;

		mapping_status(m, &st);
		total++;
		active += st.is_held;
		failed += st.state == MAPPING_FAILED;
	}
	json_add_int(o, "mappingsTotal", total);
	json_add_int(o, "mappingsActive", active);
	json_add_int(o, "mappingsFailed", failed);
}

static cJSON *
gateways_json(struct engine *e, const char *ifname, enum addr_family family)
{
	cJSON *list = cJSON_CreateArray();

	for (size_t i = 0; i < engine_gateways(e); i++) {
		const struct gateway *g = engine_gateway(e, i);
		const struct netmon_uplink *u = gateway_uplink(g);
		enum addr_family f = u->family == AF_INET6 ? ADDR_IPV6 : ADDR_IPV4;

		if ((ifname && strcmp(ifname, u->name) != 0) ||
		    (family != ADDR_NONE && family != f))
			continue;
		json_append_item(list, api_gateway(g));
	}
	return list;
}

/* Those of gateways, and what STUN servers say that no gateway has said. */
static cJSON *
external_addresses_json(struct api *a)
{
	static const enum addr_family families[] = { ADDR_IPV4, ADDR_IPV6 };
	cJSON *list = api_external_addresses(a->engine), *item;

	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		item = api_external_by_stun(a->engine, a->stun, families[i]);
		if (item)
			json_append_item(list, item);
	}
	return list;
}

static cJSON *
stun_servers_json(const struct stun *s)
{
	cJSON *list = cJSON_CreateArray();

	for (size_t i = 0; i < stun_servers(s); i++) {
		struct stun_server_status st;

		stun_server_status(s, i, &st);
		json_append_item(list, api_stun_server(&st));
	}
	return list;
}

static void
status(struct varlink_call *call, const struct varlink_value *values, void *ctx)
{
	struct api *a = ctx;
	const struct behavior_query all = { .family = ADDR_NONE };
	cJSON *o = cJSON_CreateObject();

	(void)values;
	json_add_string(o, "state", engine_state_name(engine_get_state(a->engine)));
	json_add_string(o, "version", NATD_VERSION);
	json_add_item(o, "started",
	    api_timestamp(a->started_realtime_us, a->started_boottime_us));
	json_add_item(o, "externalAddresses", external_addresses_json(a));
	json_add_item(o, "gateways", gateways_json(a->engine, NULL, ADDR_NONE));
	json_add_item(o, "natBehaviors", nat_behaviors_json(a, &all));
	json_add_item(o, "stunServers", stun_servers_json(a->stun));
	count_mappings(a->engine, o);
	varlink_reply(call, o);
}

static const struct varlink_param list_params[] = {
	{ .name = "id", .type = VARLINK_STRING, .max = MAPPING_ID_MAX },
	{ .name = "protocol", .type = VARLINK_ENUM, .values = api_transport_values },
	{ .name = "internalPort", .type = VARLINK_INT, .min = 0, .max = UINT16_MAX },
	{ .name = "ownerUserId", .type = VARLINK_INT, .min = 0, .max = UINT32_MAX },
	{ .name = NULL },
};

static bool
listed(const struct mapping *m, const struct varlink_value *v,
    const struct api_viewer *viewer)
{
	struct lease_status st;

	mapping_status(m, &st);
	if (v[0].present && strcmp(v[0].s, m->id) != 0)
		return false;
	if (v[1].present && !(m->context.transports & 1u << v[1].i))
		return false;
	if (v[2].present &&
	    v[2].i != (st.is_held ? st.held.internal_port : m->context.internal_port))
		return false;
	/* Whose a mapping is can't be found out by asking for it either. */
	if (v[3].present &&
	    (v[3].i != m->uid || (!viewer->privileged && viewer->uid != m->uid)))
		return false;
	return true;
}

static void
list_mappings(struct varlink_call *call, const struct varlink_value *values, void *ctx)
{
	struct api *a = ctx;
	struct api_viewer viewer;
	cJSON *o = cJSON_CreateObject(), *list = json_add_array(o, "mappings");
	unsigned count = 0;

	api_viewer_of(call, &viewer);
	for (const struct mapping *m = engine_mappings(a->engine); m; m = m->next) {
		if (!listed(m, values, &viewer))
			continue;
		json_append_item(list, api_mapping(m, &viewer));
		count++;
	}
	if (values[0].present && count == 0) {
		cJSON_Delete(o);
		o = cJSON_CreateObject();
		json_add_string(o, "id", values[0].s);
		varlink_error(call, NATD_ERROR("NoSuchMapping"), o);
		return;
	}
	varlink_reply(call, o);
}

static const struct varlink_param look_params[] = {
	{ .name = "interface", .type = VARLINK_STRING, .max = IF_NAMESIZE - 1 },
	{ .name = "family", .type = VARLINK_ENUM, .values = api_family_values },
	{ .name = NULL },
};

static void
list_gateways(struct varlink_call *call, const struct varlink_value *values, void *ctx)
{
	struct api *a = ctx;
	const char *ifname = values[0].present ? values[0].s : NULL;
	cJSON *o = cJSON_CreateObject();

	if (ifname && !engine_has_interface(a->engine, ifname)) {
		json_add_string(o, "interface", ifname);
		varlink_error(call, NATD_ERROR("NoSuchInterface"), o);
		return;
	}
	json_add_item(
	    o, "gateways", gateways_json(a->engine, ifname, api_family(&values[1])));
	/* Someone looks: what is not known yet is looked for, stateless on the router.
	 */
	engine_discover(a->engine);
	varlink_reply(call, o);
}

static void
get_metrics(struct varlink_call *call, const struct varlink_value *values, void *ctx)
{
	struct api *a = ctx;
	_cleanup_(freep) char *text = metrics_text(a);
	cJSON *o = cJSON_CreateObject();

	(void)values;
	json_add_string(o, "contentType", "text/plain; version=0.0.4; charset=utf-8");
	/* Metrics have line feeds, which json_add_string() would keep, too. */
	json_add_string(o, "text", text ? text : "");
	varlink_reply(call, o);
}

/* ---- doing ---- */

static const struct varlink_param renew_params[] = {
	{ .name = "id", .type = VARLINK_STRING, .max = MAPPING_ID_MAX },
	{ .name = NULL },
};

static void
renew_mapping(struct varlink_call *call, const struct varlink_value *values, void *ctx)
{
	struct api *a = ctx;
	uid_t uid = varlink_call_uid(call);
	int64_t renewed = 0;
	bool found = false;
	cJSON *o = cJSON_CreateObject();

	for (struct mapping *m = engine_mappings(a->engine); m; m = m->next) {
		if (values[0].present && strcmp(values[0].s, m->id) != 0)
			continue;
		found = true;
		if (m->uid != uid &&
		    (!varlink_call_privileged(call) || !values[0].present)) {
			if (!values[0].present)
				continue;
			cJSON_Delete(o);
			varlink_error_permission_denied(call);
			return;
		}
		engine_renew(a->engine, m);
		renewed++;
	}
	if (values[0].present && !found) {
		json_add_string(o, "id", values[0].s);
		varlink_error(call, NATD_ERROR("NoSuchMapping"), o);
		return;
	}
	json_add_int(o, "renewed", renewed);
	varlink_reply(call, o);
}

static void
reload(struct varlink_call *call, const struct varlink_value *values, void *ctx)
{
	struct api *a = ctx;
	cJSON *changed = NULL, *restart = NULL, *o = cJSON_CreateObject();
	char file[256], message[RELOAD_MESSAGE_MAX];
	unsigned line = 0;

	(void)values;
	if (a->hooks.reload(a->hooks.ctx, &changed, &restart, file, &line, message) <
	    0) {
		json_add_string(o, "file", file);
		if (line)
			json_add_int(o, "line", line);
		json_add_string(o, "message", message);
		varlink_error(call, NATD_ERROR("ConfigurationInvalid"), o);
		return;
	}
	json_add_item(o, "changed", changed);
	json_add_item(o, "restartRequired", restart);
	varlink_reply(call, o);
}

/* In the order of the interface definition. */
static const struct varlink_method methods[] = {
	{ "Status", 0, no_params, status },
	{ "ListMappings", 0, list_params, list_mappings },
	{ "RequestMapping", VARLINK_MORE_SUPPORTED, request_params, request_mapping },
	{ "ReleaseMapping", 0, release_params, release_mapping },
	{ "RenewMapping", 0, renew_params, renew_mapping },
	{ "Monitor", VARLINK_MORE_REQUIRED, monitor_params, monitor },
	{ "ListGateways", 0, look_params, list_gateways },
	{ "GetNatBehavior", 0, nat_behavior_params, get_nat_behavior },
	{ "GetReflexiveAddress", VARLINK_MORE_SUPPORTED | VARLINK_TAKES_FD,
	    reflexive_params, get_reflexive_address },
	{ "VerifyMapping", VARLINK_MORE_SUPPORTED | VARLINK_TAKES_FD, verify_params,
	    verify_mapping },
	{ "Diagnose", VARLINK_MORE_SUPPORTED, diagnose_params, diagnose },
	{ "GetMetrics", 0, no_params, get_metrics },
	{ "Reload", VARLINK_PRIVILEGED, no_params, reload },
	{ NULL, 0, NULL, NULL },
};

/* ---- io.systemd.service ---- */

static void
service_reload(struct varlink_call *call, const struct varlink_value *values, void *ctx)
{
	struct api *a = ctx;
	cJSON *changed = NULL, *restart = NULL;
	char file[256], message[RELOAD_MESSAGE_MAX];
	unsigned line = 0;

	(void)values;
	if (a->hooks.reload(a->hooks.ctx, &changed, &restart, file, &line, message) <
	    0) {
		varlink_error(call, "io.systemd.service.InconsistentState", NULL);
		return;
	}
	cJSON_Delete(changed);
	cJSON_Delete(restart);
	varlink_reply_empty(call);
}

static const struct varlink_param log_level_params[] = {
	{ .name = "level", .type = VARLINK_INT, .required = true, .min = 0, .max = 7 },
	{ .name = NULL },
};

static void
set_log_level(struct varlink_call *call, const struct varlink_value *values, void *ctx)
{
	enum log_level level;

	(void)ctx;
	if (log_level_from_priority((int)values[0].i, &level) < 0) {
		varlink_error_invalid_parameter(call, "level");
		return;
	}
	log_set_level(level);
	varlink_reply_empty(call);
}

static const struct varlink_method service_methods[] = {
	{ "Reload", VARLINK_PRIVILEGED, no_params, service_reload },
	{ "SetLogLevel", VARLINK_PRIVILEGED, log_level_params, set_log_level },
	{ NULL, 0, NULL, NULL },
};

static const char service_description[] = "# Common methods of services\n"
					  "interface io.systemd.service\n"
					  "\n"
					  "method Ping() -> ()\n"
					  "method Reload() -> ()\n"
					  "method SetLogLevel(level: int) -> ()\n"
					  "\n"
					  "error InconsistentState()\n";

int
api_new(struct loop *loop, struct engine *engine, struct stun *stun,
    struct behaviors *behaviors, struct varlink_server *server,
    const struct api_hooks *hooks, struct api **ret)
{
	struct api *a = calloc(1, sizeof(*a));
	int r;

	if (!a)
		return -ENOMEM;
	a->loop = loop;
	a->engine = engine;
	a->stun = stun;
	a->behaviors = behaviors;
	a->server = server;
	a->hooks = *hooks;
	a->started_realtime_us = loop_realtime_usec();
	a->started_boottime_us = loop_boottime_usec();
	a->interface = (struct varlink_interface) { .name = "org.natd.NAT",
		.description = org_natd_NAT_idl,
		.methods = methods,
		.ctx = a };
	a->service_interface =
	    (struct varlink_interface) { .name = "io.systemd.service",
		    .description = service_description,
		    .methods = service_methods,
		    .ctx = a };
	r = varlink_server_add_interface(server, &a->interface);
	if (r == 0)
		r = varlink_server_add_interface(server, &a->service_interface);
	if (r < 0) {
		free(a);
		return r;
	}
	*ret = a;
	return 0;
}

struct api *
api_free(struct api *a)
{
	free(a);
	return NULL;
}
