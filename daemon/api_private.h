/*
 * api_private.h - shared by api.c (methods), request.c (RequestMapping), monitor.c and
 * metrics.c.  Nobody else includes this.
 */
#pragma once

#include "daemon/api.h"
#include "daemon/api_json.h"

#define NATD_ERROR(name) "org.natd.NAT." name

struct api {
	struct loop *loop;
	struct engine *engine;
	struct stun *stun;
	struct behaviors *behaviors;
	struct varlink_server *server;
	struct api_hooks hooks;
	int64_t started_realtime_us, started_boottime_us;
	struct varlink_interface interface, service_interface;
	unsigned verifications, diagnoses; /* under way */
};

extern const char *const api_family_values[], *const api_transport_values[],
						  *const api_method_values[],
						      *const api_persistence_values[],
							  *const api_event_values[];

void api_viewer_of(const struct varlink_call *c, struct api_viewer *ret);
/* From a family parameter: absent is ADDR_NONE. */
enum addr_family api_family(const struct varlink_value *v);

/* request.c */
extern const struct varlink_param request_params[];
void request_mapping(
    struct varlink_call *call, const struct varlink_value *values, void *ctx);
extern const struct varlink_param release_params[];
void release_mapping(
    struct varlink_call *call, const struct varlink_value *values, void *ctx);

/* nat_method.c */
extern const struct varlink_param nat_behavior_params[];
void get_nat_behavior(
    struct varlink_call *call, const struct varlink_value *values, void *ctx);
/* Those that are known, of what q names: []NatBehavior. */
cJSON *nat_behaviors_json(struct api *a, const struct behavior_query *q);

/* reflexive.c */
extern const struct varlink_param reflexive_params[];
void get_reflexive_address(
    struct varlink_call *call, const struct varlink_value *values, void *ctx);

/* diagnose.c */
extern const struct varlink_param diagnose_params[];
void diagnose(struct varlink_call *call, const struct varlink_value *values, void *ctx);

/* verify.c */
extern const struct varlink_param verify_params[];
void verify_mapping(
    struct varlink_call *call, const struct varlink_value *values, void *ctx);

/* monitor.c */
extern const struct varlink_param monitor_params[];
void monitor(struct varlink_call *call, const struct varlink_value *values, void *ctx);
