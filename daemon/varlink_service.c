/*
 * varlink_service.c - what every Varlink service answers: who it is and what it serves.
 */
#include <stdlib.h>
#include <string.h>

#include "daemon/varlink_internal.h"

static const char org_varlink_service_idl[] =
    "# What every Varlink service answers: who it is, and which interfaces it has\n"
    "interface org.varlink.service\n"
    "\n"
    "# Facts about the service, and the names of its interfaces, sorted\n"
    "method GetInfo() -> (vendor: string, product: string, version: string, url: "
    "string,\n"
    "  interfaces: []string)\n"
    "\n"
    "# The definition of one interface, in this language\n"
    "method GetInterfaceDescription(interface: string) -> (description: string)\n"
    "\n"
    "error InterfaceNotFound (interface: string)\n"
    "error MethodNotFound (method: string)\n"
    "# The method is defined, and not implemented by this service\n"
    "error MethodNotImplemented (method: string)\n"
    "# Unknown, missing, of the wrong type or out of range\n"
    "error InvalidParameter (parameter: string)\n"
    "error PermissionDenied ()\n"
    "# The method must be called with 'more'\n"
    "error ExpectedMore ()\n";

static const char io_systemd_service_idl[] =
    "# What system services answer to those who manage them\n"
    "interface io.systemd.service\n"
    "\n"
    "# Answers as soon as the service gets to it\n"
    "method Ping() -> ()\n";

/* Interfaces of one name count once; the last one added describes them. */
static const struct varlink_interface *
interface_by_name(const struct varlink_server *s, const char *name)
{
	const struct varlink_interface *found = NULL;

	for (unsigned i = 0; i < s->n_interfaces; i++)
		if (strcmp(s->interfaces[i].interface->name, name) == 0)
			found = s->interfaces[i].interface;
	return found;
}

static int
compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void
get_info(struct varlink_call *call, const struct varlink_value *values, void *ctx)
{
	const struct varlink_server *s = ctx;
	const struct varlink_settings *about = &s->settings;
	const char *names[VARLINK_INTERFACES_MAX];
	cJSON *reply = cJSON_CreateObject(), *list;

	(void)values;
	for (unsigned i = 0; i < s->n_interfaces; i++)
		names[i] = s->interfaces[i].interface->name;
	qsort(names, s->n_interfaces, sizeof(names[0]), compare_names);
	json_add_string(reply, "vendor", about->vendor);
	json_add_string(reply, "product", about->product);
	json_add_string(reply, "version", about->version);
	json_add_string(reply, "url", about->url);
	list = json_add_array(reply, "interfaces");
	for (unsigned i = 0; i < s->n_interfaces; i++)
		if (i == 0 || strcmp(names[i - 1], names[i]) != 0)
			json_append_string(list, names[i]);
	varlink_reply(call, reply);
}

static void
get_interface_description(
    struct varlink_call *call, const struct varlink_value *values, void *ctx)
{
	const struct varlink_interface *found = interface_by_name(ctx, values[0].s);
	cJSON *reply = cJSON_CreateObject();

	if (found != NULL) {
		json_add_string(reply, "description", found->description);
		varlink_reply(call, reply);
	} else {
		json_add_string(reply, "interface", values[0].s);
		varlink_error(call, "org.varlink.service.InterfaceNotFound", reply);
	}
}

static void
ping(struct varlink_call *call, const struct varlink_value *values, void *ctx)
{
	(void)values;
	(void)ctx;
	varlink_reply_empty(call);
}

static const struct varlink_param no_params[] = { { .name = NULL } };
static const struct varlink_param description_params[] = {
	{ .name = "interface", .type = VARLINK_STRING, .required = true, .max = 255 },
	{ .name = NULL },
};

static const struct varlink_method org_varlink_service_methods[] = {
	{ "GetInfo", 0, no_params, get_info },
	{ "GetInterfaceDescription", 0, description_params, get_interface_description },
	{ .name = NULL },
};
static const struct varlink_method io_systemd_service_methods[] = {
	{ "Ping", 0, no_params, ping },
	{ .name = NULL },
};

int
service_add_interfaces(struct varlink_server *s)
{
	int r;

	s->service = (struct varlink_interface) {
		.name = "org.varlink.service",
		.description = org_varlink_service_idl,
		.methods = org_varlink_service_methods,
		.ctx = s,
	};
	s->systemd_service = (struct varlink_interface) {
		.name = "io.systemd.service",
		.description = io_systemd_service_idl,
		.methods = io_systemd_service_methods,
	};
	r = varlink_server_add_interface(s, &s->service);
	return r < 0 ? r : varlink_server_add_interface(s, &s->systemd_service);
}
