/*
 * mapping.c - mappings in the replies of natd, and the calls about them.
 *
 * A mapping is read once, strictly; its strings stay in the tree of the reply.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/natd.h"
#include "lib/private.h"
#include "proto/json.h"
#include "proto/util.h"

/* RequestMapping() with every member, several times over. */
#define PARAMETERS_MAX (16 * 1024)

struct endpoint {
	const char *address; /* NULL: none */
	uint16_t port;
};

struct natd_mapping {
	const char *id, *state_name, *method, *gateway, *interface, *description;
	const char *problem, *problem_message, *problem_hint;
	enum natd_state state;
	unsigned protocols;
	int external_is_global;
	struct endpoint external, internal;
	int64_t expires_us;
};

/* ---- reading; bad is sticky ---- */

static const cJSON *
get_object(const cJSON *parent, const char *name, bool *bad)
{
	const cJSON *item = json_get(parent, name);

	if (item && !cJSON_IsObject(item))
		*bad = true;
	return item;
}

static const char *
get_string(const cJSON *parent, const char *name, bool *bad)
{
	const cJSON *item = json_get(parent, name);

	if (item && !cJSON_IsString(item))
		*bad = true;
	return cJSON_GetStringValue(item);
}

static int64_t
get_int(const cJSON *parent, const char *name, int64_t absent, bool *bad)
{
	int64_t value = absent;

	if (json_get_int(parent, name, &value) == -EINVAL)
		*bad = true;
	return value;
}

static bool
is_address(const char *text)
{
	struct in6_addr buf;

	return inet_pton(AF_INET, text, &buf) == 1 ||
	       inet_pton(AF_INET6, text, &buf) == 1;
}

static struct endpoint
get_endpoint(const cJSON *parent, const char *name, bool *bad)
{
	const cJSON *object = get_object(parent, name, bad);
	const char *address = get_string(object, "address", bad);
	int64_t port = get_int(object, "port", 0, bad);

	if (!object)
		return (struct endpoint) { 0 };
	/* It goes into other programs' configuration. */
	if (!address || !is_address(address) || port < 0 || port > UINT16_MAX)
		*bad = true;
	return (struct endpoint) { .address = address, .port = (uint16_t)port };
}

static unsigned
get_protocols(const cJSON *context, bool *bad)
{
	const cJSON *array = json_get(context, "protocols"), *item;
	unsigned protocols = 0;

	cJSON_ArrayForEach(item, array)
	{
		const char *word = cJSON_GetStringValue(item);

		if (word && strcmp(word, "tcp") == 0)
			protocols |= NATD_TCP;
		else if (word && strcmp(word, "udp") == 0)
			protocols |= NATD_UDP;
		else
			*bad = true;
	}
	if (protocols == 0)
		*bad = true;
	return protocols;
}

static enum natd_state
state_of(const char *word)
{
	static const char *const words[NATD_STATE_OTHER] = {
		[NATD_REQUESTING] = "requesting",
		[NATD_ACTIVE] = "active",
		[NATD_RENEWING] = "renewing",
		[NATD_DEGRADED] = "degraded",
		[NATD_SUSPENDED] = "suspended",
		[NATD_FAILED] = "failed",
		[NATD_RELEASING] = "releasing",
	};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strcmp(words[i], word) == 0)
			return (enum natd_state)i;
	return NATD_STATE_OTHER;
}

static int
decode_mapping(const cJSON *json, struct natd_mapping *ret)
{
	bool bad = !cJSON_IsObject(json);
	const cJSON *context = get_object(json, "context", &bad);
	const cJSON *runtime = get_object(json, "runtime", &bad);
	const cJSON *problem = get_object(runtime, "problem", &bad);
	const cJSON *expires = get_object(runtime, "expires", &bad);
	const cJSON *is_global = json_get(runtime, "externalIsGlobal");
	struct natd_mapping m = {
		.id = get_string(json, "id", &bad),
		.state_name = get_string(runtime, "state", &bad),
		.method = get_string(runtime, "method", &bad),
		.gateway = get_string(runtime, "gateway", &bad),
		.interface = get_string(runtime, "interface", &bad),
		.description = get_string(context, "description", &bad),
		.problem = get_string(problem, "code", &bad),
		.problem_message = get_string(problem, "message", &bad),
		.problem_hint = get_string(problem, "hint", &bad),
		.protocols = get_protocols(context, &bad),
		.external_is_global = is_global ? cJSON_IsTrue(is_global) : -1,
		.external = get_endpoint(runtime, "external", &bad),
		.internal = get_endpoint(runtime, "internal", &bad),
		.expires_us = get_int(expires, "realtime", -1, &bad),
	};

	if (bad || !m.id || !m.state_name)
		return -EBADMSG;
	m.state = state_of(m.state_name);
	*ret = m;
	return 0;
}

int
reply_decode_mappings(struct natd *natd)
{
	const cJSON *parameters = reply_parameters(natd), *item;
	const cJSON *one = json_get(parameters, "mapping");
	const cJSON *all = json_get(parameters, "mappings");
	_cleanup_(freep) struct natd_mapping *list = NULL;
	size_t count = 0;
	int r;

	if (natd->decoded)
		return 0;
	list = calloc((size_t)cJSON_GetArraySize(all) + 1, sizeof(*list));
	if (!list)
		return -ENOMEM;
	if (one && (r = decode_mapping(one, &list[count++])) < 0)
		return r;
	if (!one)
		cJSON_ArrayForEach(item, all)
		{
			r = decode_mapping(item, &list[count++]);
			if (r < 0)
				return r;
		}
	natd->mappings = TAKE_PTR(list);
	natd->mapping_count = count;
	natd->decoded = true;
	return 0;
}

_public_ size_t
natd_mapping_count(struct natd *natd)
{
	return reply_decode_mappings(natd) < 0 ? 0 : natd->mapping_count;
}

_public_ const struct natd_mapping *
natd_mapping(struct natd *natd, size_t index)
{
	return index < natd_mapping_count(natd) ? &natd->mappings[index] : NULL;
}

/* ---- calls ---- */

static int
send_request(struct natd *natd, const struct natd_request *request, unsigned flags)
{
	char parameters[PARAMETERS_MAX];
	ssize_t len = natd_request_print(request, parameters, sizeof(parameters));

	return len < 0 ? (int)len
		       : natd_send(natd, "RequestMapping", parameters, flags, -1);
}

_public_ int
natd_request_mapping(struct natd *natd, const struct natd_request *request,
    const struct natd_mapping **ret)
{
	int r = send_request(natd, request, 0);

	if (r < 0)
		return r;
	natd->one_mapping = true;
	r = natd_receive(natd, natd->patience_ms);
	if (r < 0)
		return r;
	if (ret)
		*ret = &natd->mappings[0];
	return 0;
}

_public_ int
natd_follow_mapping(struct natd *natd, const struct natd_request *request)
{
	int r = send_request(natd, request, NATD_MORE);

	if (r == 0)
		natd->one_mapping = true;
	return r;
}

/* A method that takes only "id"; NULL leaves it out. */
static int
call_with_id(struct natd *natd, const char *method, const char *id)
{
	_cleanup_(json_freep) cJSON *parameters = cJSON_CreateObject();
	char text[512];

	json_add_string(parameters, "id", id);
	/* No mapping has such an id. */
	if (json_print(parameters, text, sizeof(text)) < 0)
		return -EINVAL;
	return natd_call(natd, method, text);
}

_public_ int
natd_release_mapping(struct natd *natd, const char *id)
{
	return call_with_id(natd, "ReleaseMapping", id);
}

_public_ int
natd_renew_mapping(struct natd *natd, const char *id)
{
	int r = call_with_id(natd, "RenewMapping", id);
	int64_t renewed;

	if (r < 0)
		return r;
	if (json_get_int(reply_parameters(natd), "renewed", &renewed) < 0 ||
	    renewed < 0 || renewed > INT32_MAX)
		return -EBADMSG;
	return (int)renewed;
}

_public_ int
natd_list_mappings(struct natd *natd)
{
	int r = natd_call(natd, "ListMappings", NULL);

	if (r == 0)
		r = reply_decode_mappings(natd);
	return r < 0 ? r : (int)natd->mapping_count;
}

/* ---- one mapping ---- */

_public_ const char *
natd_mapping_id(const struct natd_mapping *mapping)
{
	return mapping->id;
}

_public_ unsigned
natd_mapping_protocols(const struct natd_mapping *mapping)
{
	return mapping->protocols;
}

_public_ enum natd_state
natd_mapping_state(const struct natd_mapping *mapping)
{
	return mapping->state;
}

_public_ const char *
natd_mapping_state_name(const struct natd_mapping *mapping)
{
	return mapping->state_name;
}

_public_ bool
natd_mapping_is_held(const struct natd_mapping *mapping)
{
	return mapping->external.address &&
	       (mapping->state == NATD_ACTIVE || mapping->state == NATD_RENEWING ||
		   mapping->state == NATD_DEGRADED);
}

_public_ const char *
natd_mapping_external_address(const struct natd_mapping *mapping)
{
	return mapping->external.address;
}

_public_ uint16_t
natd_mapping_external_port(const struct natd_mapping *mapping)
{
	return mapping->external.port;
}

_public_ const char *
natd_mapping_internal_address(const struct natd_mapping *mapping)
{
	return mapping->internal.address;
}

_public_ uint16_t
natd_mapping_internal_port(const struct natd_mapping *mapping)
{
	return mapping->internal.port;
}

_public_ int
natd_mapping_external_is_global(const struct natd_mapping *mapping)
{
	return mapping->external_is_global;
}

_public_ const char *
natd_mapping_method(const struct natd_mapping *mapping)
{
	return mapping->method;
}

_public_ const char *
natd_mapping_gateway(const struct natd_mapping *mapping)
{
	return mapping->gateway;
}

_public_ const char *
natd_mapping_interface(const struct natd_mapping *mapping)
{
	return mapping->interface;
}

_public_ const char *
natd_mapping_description(const struct natd_mapping *mapping)
{
	return mapping->description;
}

_public_ int64_t
natd_mapping_expires(const struct natd_mapping *mapping)
{
	return mapping->expires_us;
}

_public_ const char *
natd_mapping_problem(const struct natd_mapping *mapping)
{
	return mapping->problem;
}

_public_ const char *
natd_mapping_problem_message(const struct natd_mapping *mapping)
{
	return mapping->problem_message;
}

_public_ const char *
natd_mapping_problem_hint(const struct natd_mapping *mapping)
{
	return mapping->problem_hint;
}
