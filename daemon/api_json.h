/*
 * api_json.h - the types of org.natd.NAT as JSON, one function per type.
 *
 * All return a new object (NULL when out of memory), to be owned by the caller.
 */
#pragma once

#include <cjson/cJSON.h>
#include <stdbool.h>

#include "daemon/behavior.h"
#include "daemon/engine.h"
#include "daemon/stun.h"

/* Who may see owner fields of a mapping. */
struct api_viewer {
	bool privileged;
	uid_t uid;
};

cJSON *api_mapping(const struct mapping *m, const struct api_viewer *viewer);
cJSON *api_gateway(const struct gateway *g);
/* One per family and gateway with a known or direct external address. */
cJSON *api_external_addresses(struct engine *e);
cJSON *api_external_address(const struct gateway *g); /* NULL: none is known */
/* The address that STUN servers say, as one of the default uplink; NULL: they say none,
 * or a router says the same. */
cJSON *api_external_by_stun(
    struct engine *e, const struct stun *stun, enum addr_family family);
cJSON *api_nat_behavior(const struct behavior_status *st);
cJSON *api_stun_server(const struct stun_server_status *st);
/* Adds an Endpoint to o, unless there is no address. */
void api_add_endpoint(cJSON *o, const char *key, const struct addr *a, uint16_t port);
cJSON *api_timestamp(int64_t realtime_us, int64_t boottime_us);
cJSON *api_finding(
    const char *severity, const char *code, const char *message, const char *hint);
/* Why no allowed service of this gateway serves the mapping: []TriedMethod. */
cJSON *api_tried(const struct mapping *m);
