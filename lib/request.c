/*
 * request.c - what is wanted, as the parameters of RequestMapping().
 *
 * The request is the JSON object that is sent: a setter replaces its member.  What a
 * setter cannot do is remembered and told when the request is printed.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "lib/natd.h"
#include "lib/private.h"
#include "proto/json.h"
#include "proto/util.h"

#define USEC_PER_MSEC 1000

struct natd_request {
	cJSON *parameters;
	bool invalid;
};

_public_ struct natd_request *
natd_request_free(struct natd_request *request)
{
	if (!request)
		return NULL;
	cJSON_Delete(request->parameters);
	free(request);
	return NULL;
}

_public_ struct natd_request *
natd_request_new(unsigned protocols, uint16_t internal_port)
{
	struct natd_request *request = calloc(1, sizeof(*request));
	cJSON *array;

	if (!request)
		return NULL;
	request->parameters = cJSON_CreateObject();
	array = json_add_array(request->parameters, "protocols");
	if (!array)
		return natd_request_free(request);
	if (protocols & NATD_TCP)
		json_append_string(array, "tcp");
	if (protocols & NATD_UDP)
		json_append_string(array, "udp");
	if (protocols == 0 || protocols & ~(unsigned)(NATD_TCP | NATD_UDP))
		request->invalid = true;
	if (internal_port > 0)
		json_add_int(request->parameters, "internalPort", internal_port);
	return request;
}

static void
drop(struct natd_request *request, const char *name)
{
	cJSON_DeleteItemFromObjectCaseSensitive(request->parameters, name);
}

static void
set_string(struct natd_request *request, const char *name, const char *value)
{
	drop(request, name);
	json_add_string(request->parameters, name, value);
}

static void
set_int(struct natd_request *request, const char *name, int64_t value)
{
	drop(request, name);
	json_add_int(request->parameters, name, value);
}

_public_ void
natd_request_set_description(struct natd_request *request, const char *text)
{
	set_string(request, "description", text);
}

_public_ void
natd_request_set_external_port(struct natd_request *request, uint16_t port, bool exact)
{
	drop(request, "suggestedExternalPort");
	drop(request, "preferFailure");
	if (port > 0)
		json_add_int(request->parameters, "suggestedExternalPort", port);
	if (exact)
		json_add_bool(request->parameters, "preferFailure", true);
}

_public_ void
natd_request_set_lifetime(struct natd_request *request, uint32_t seconds)
{
	set_int(request, "lifetimeSeconds", seconds);
}

_public_ void
natd_request_set_persistence(
    struct natd_request *request, enum natd_persistence persistence)
{
	switch (persistence) {
	case NATD_CONNECTION:
		set_string(request, "persistence", "connection");
		return;
	case NATD_LEASE:
		set_string(request, "persistence", "lease");
		return;
	case NATD_PERMANENT:
		set_string(request, "persistence", "permanent");
		return;
	}
	request->invalid = true;
}

_public_ void
natd_request_set_family(struct natd_request *request, int family)
{
	if (family == AF_INET)
		set_string(request, "family", "ipv4");
	else if (family == AF_INET6)
		set_string(request, "family", "ipv6");
	else
		request->invalid = true;
}

_public_ void
natd_request_set_interface(struct natd_request *request, const char *name)
{
	set_string(request, "interface", name);
}

_public_ void
natd_request_set_gateway(struct natd_request *request, const char *address)
{
	set_string(request, "gateway", address);
}

_public_ void
natd_request_set_internal_address(struct natd_request *request, const char *address)
{
	set_string(request, "internalAddress", address);
}

_public_ void
natd_request_add_method(struct natd_request *request, const char *method)
{
	cJSON *array = json_get(request->parameters, "methods");

	if (!method) {
		drop(request, "methods");
		return;
	}
	if (!array)
		array = json_add_array(request->parameters, "methods");
	if (array)
		json_append_string(array, method);
}

_public_ void
natd_request_set_timeout(struct natd_request *request, uint32_t milliseconds)
{
	set_int(request, "timeoutUSec", (int64_t)milliseconds * USEC_PER_MSEC);
}

_public_ ssize_t
natd_request_print(const struct natd_request *request, char *ret, size_t size)
{
	if (request->invalid)
		return -EINVAL;
	return json_print(request->parameters, ret, size);
}
