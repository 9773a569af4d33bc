/*
 * model.c - the objects of org.natd.NAT as structs.
 */
#include "ctl/model.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/ctl.h"
#include "proto/addr.h"
#include "proto/types.h"
#include "proto/util.h"

#define PORT_MAX 65535

struct stamp
stamp_decode(struct fields f)
{
	return (struct stamp) {
		.realtime_us = field_int_opt(&f, "realtime", 0, FIELD_INT_MAX, 0),
		.boottime_us =
		    field_int_opt(&f, "boottime", -FIELD_INT_MAX, FIELD_INT_MAX, 0),
	};
}

static struct peer
peer_decode(struct fields f)
{
	struct peer p = { 0 };
	char zone[ADDR_ZONE_MAX];
	struct addr address;

	if (!f.object)
		return p;
	p.address = field_string(&f, "address");
	p.port = (unsigned)field_int(&f, "port", 0, PORT_MAX);
	/* It goes into other programs' environment. */
	if (addr_parse_zone(p.address, &address, zone) < 0 && !*f.ret_bad)
		*f.ret_bad = "address";
	return p;
}

static struct finding
finding_of(struct fields f)
{
	if (!f.object)
		return (struct finding) { 0 };
	return (struct finding) {
		.severity = field_string(&f, "severity"),
		.code = field_string(&f, "code"),
		.message = field_string(&f, "message"),
		.hint = field_string_opt(&f, "hint"),
	};
}

int
finding_decode(const cJSON *json, struct finding *ret, const char **ret_bad)
{
	const char *bad = NULL;
	struct finding finding = finding_of(fields_of(json, "findings", &bad));

	if (bad) {
		*ret_bad = bad;
		return -EBADMSG;
	}
	*ret = finding;
	return 0;
}

int
protocols_text(const cJSON *array, char ret[static PROTOCOLS_MAX])
{
	bool seen[TRANSPORT_MAX] = { 0 };
	const cJSON *item;
	enum transport t;

	cJSON_ArrayForEach(item, array)
	{
		if (!cJSON_IsString(item) ||
		    transport_from_name(item->valuestring, &t) < 0 || seen[t])
			return -EINVAL;
		seen[t] = true;
	}
	if (!seen[TRANSPORT_TCP] && !seen[TRANSPORT_UDP])
		return -EINVAL;
	snprintf(ret, PROTOCOLS_MAX, "%s%s%s", seen[TRANSPORT_TCP] ? "tcp" : "",
	    seen[TRANSPORT_TCP] && seen[TRANSPORT_UDP] ? "+" : "",
	    seen[TRANSPORT_UDP] ? "udp" : "");
	return 0;
}

static void
context_decode(struct fields f, struct mapping *m)
{
	const cJSON *protocols = field_array(&f, "protocols");

	if (protocols && protocols_text(protocols, m->protocols) < 0 && !*f.ret_bad)
		*f.ret_bad = "protocols";
	m->internal_port = field_int_opt(&f, "internalPort", 0, PORT_MAX, -1);
	m->internal_address = field_string_opt(&f, "internalAddress");
	m->suggested_port = field_int_opt(&f, "suggestedExternalPort", 0, PORT_MAX, -1);
	m->lifetime_s = field_int_opt(&f, "lifetimeSeconds", 0, FIELD_INT_MAX, -1);
	m->persistence = field_string_opt(&f, "persistence");
	m->family = field_string_opt(&f, "family");
	m->interface = field_string_opt(&f, "interface");
	m->description = field_string_opt(&f, "description");
}

static const char *
family_of(const char *address)
{
	return !address ? NULL : strchr(address, ':') ? "ipv6" : "ipv4";
}

static void
runtime_decode(struct fields f, struct mapping *m)
{
	const char *on = field_string_opt(&f, "interface");

	m->state = field_string(&f, "state");
	m->method = field_string_opt(&f, "method");
	m->gateway = field_string_opt(&f, "gateway");
	m->interface = on ? on : m->interface;
	m->internal = peer_decode(field_object_opt(&f, "internal"));
	m->external = peer_decode(field_object_opt(&f, "external"));
	m->external_is_global = field_bool_opt(&f, "externalIsGlobal");
	m->reachability = field_string(&f, "reachability");
	m->granted_s =
	    field_int_opt(&f, "grantedLifetimeSeconds", 0, FIELD_INT_MAX, -1);
	m->created = stamp_decode(field_object_opt(&f, "created"));
	m->expires = stamp_decode(field_object_opt(&f, "expires"));
	m->next_renewal = stamp_decode(field_object_opt(&f, "nextRenewal"));
	m->renewals = field_int(&f, "renewals", 0, FIELD_INT_MAX);
	m->owner_uid = field_int_opt(&f, "ownerUserId", 0, UINT32_MAX, -1);
	m->owner_pid = field_int_opt(&f, "ownerProcessId", 0, INT32_MAX, -1);
	m->problem = finding_of(field_object_opt(&f, "problem"));
	if (!m->family)
		m->family = family_of(m->internal.address   ? m->internal.address
				      : m->internal_address ? m->internal_address
							    : m->gateway);
}

int
mapping_decode(const cJSON *json, struct mapping *ret, const char **ret_bad)
{
	const char *bad = NULL;
	struct fields f = fields_of(json, "mapping", &bad);
	struct mapping m = { .id = field_string(&f, "id") };

	context_decode(field_object(&f, "context"), &m);
	runtime_decode(field_object(&f, "runtime"), &m);
	if (bad) {
		*ret_bad = bad;
		return -EBADMSG;
	}
	*ret = m;
	return 0;
}

int
mappings_decode(const cJSON *array, struct mapping **ret, const char **ret_bad)
{
	int count = cJSON_GetArraySize(array), at = 0;
	_cleanup_(freep) struct mapping *list =
	    calloc((size_t)count + 1, sizeof(*list));
	const cJSON *item;

	if (!list)
		return -ENOMEM;
	cJSON_ArrayForEach(item, array)
	{
		int r = mapping_decode(item, &list[at++], ret_bad);

		if (r < 0)
			return r;
	}
	*ret = TAKE_PTR(list);
	return count;
}

int
service_decode(const cJSON *json, struct service *ret, const char **ret_bad)
{
	const char *bad = NULL;
	struct fields f = fields_of(json, "services", &bad);
	struct service s = {
		.method = field_string(&f, "method"),
		.available = field_bool(&f, "available"),
		.version = field_string_opt(&f, "version"),
		.control_address = field_string_opt(&f, "controlAddress"),
		.round_trip_us =
		    field_int_opt(&f, "roundTripUSec", 0, FIELD_INT_MAX, -1),
		.circuit = field_string(&f, "circuit"),
		.problem = finding_of(field_object_opt(&f, "problem")),
	};

	if (bad) {
		*ret_bad = bad;
		return -EBADMSG;
	}
	*ret = s;
	return 0;
}

int
gateway_decode(const cJSON *json, struct gateway *ret, const char **ret_bad)
{
	const char *bad = NULL;
	struct fields f = fields_of(json, "gateway", &bad);
	struct gateway g = {
		.address = field_string(&f, "address"),
		.interface = field_string(&f, "interface"),
		.family = field_string(&f, "family"),
		.is_default = field_bool(&f, "isDefaultRoute"),
		.name = field_string_opt(&f, "name"),
		.external_address = field_string_opt(&f, "externalAddress"),
		.services = field_array(&f, "services"),
	};

	if (bad) {
		*ret_bad = bad;
		return -EBADMSG;
	}
	*ret = g;
	return 0;
}

int
external_address_decode(
    const cJSON *json, struct external_address *ret, const char **ret_bad)
{
	const char *bad = NULL;
	struct fields f = fields_of(json, "externalAddress", &bad);
	struct external_address e = {
		.family = field_string(&f, "family"),
		.address = field_string(&f, "address"),
		.is_global = field_bool(&f, "isGlobal"),
		.interface = field_string(&f, "interface"),
		.source = field_string(&f, "source"),
	};

	if (bad) {
		*ret_bad = bad;
		return -EBADMSG;
	}
	*ret = e;
	return 0;
}

int
nat_behavior_decode(const cJSON *json, struct nat_behavior *ret, const char **ret_bad)
{
	const char *bad = NULL;
	struct fields f = fields_of(json, "natBehavior", &bad);
	struct nat_behavior n = {
		.family = field_string(&f, "family"),
		.interface = field_string(&f, "interface"),
		.mapping = field_string(&f, "mapping"),
		.filtering = field_string(&f, "filtering"),
		.server = peer_decode(field_object_opt(&f, "server")),
		.reflexive = peer_decode(field_object_opt(&f, "reflexive")),
		.hairpinning = field_bool_opt(&f, "hairpinning"),
		.port_preservation = field_bool_opt(&f, "portPreservation"),
		.carrier_grade = field_bool_opt(&f, "carrierGradeNat"),
		.binding_lifetime_s =
		    field_int_opt(&f, "bindingLifetimeSeconds", 0, FIELD_INT_MAX, -1),
		.translators = field_int_opt(&f, "translators", 0, FIELD_INT_MAX, -1),
		.measured = stamp_decode(field_object(&f, "measured")),
	};

	if (bad) {
		*ret_bad = bad;
		return -EBADMSG;
	}
	*ret = n;
	return 0;
}

int
status_decode(const cJSON *json, struct status *ret, const char **ret_bad)
{
	const char *bad = NULL;
	struct fields f = fields_of(json, "parameters", &bad);
	struct status s = {
		.state = field_string(&f, "state"),
		.version = field_string(&f, "version"),
		.started = stamp_decode(field_object(&f, "started")),
		.external_addresses = field_array(&f, "externalAddresses"),
		.gateways = field_array(&f, "gateways"),
		.nat_behaviors = field_array(&f, "natBehaviors"),
		.active = field_int(&f, "mappingsActive", 0, FIELD_INT_MAX),
		.failed = field_int(&f, "mappingsFailed", 0, FIELD_INT_MAX),
	};

	if (bad) {
		*ret_bad = bad;
		return -EBADMSG;
	}
	*ret = s;
	return 0;
}

bool
model_is_wanted(const struct ctl *ctl, const char *family, const char *interface)
{
	const struct options *o = &ctl->opt;

	if (o->interface && (!interface || strcmp(interface, o->interface) != 0))
		return false;
	return o->family == 0 ||
	       (family && strcmp(family, o->family == 4 ? "ipv4" : "ipv6") == 0);
}

bool
mapping_is_held(const struct mapping *m)
{
	static const char *const held[] = { "active", "renewing", "degraded" };

	for (size_t i = 0; m->external.address && i < ARRAY_SIZE(held); i++)
		if (strcmp(m->state, held[i]) == 0)
			return true;
	return false;
}

bool
mapping_is_closed(const struct mapping *m)
{
	return mapping_is_held(m) && strcmp(m->reachability, "closed") == 0;
}

const char *
peer_text(const struct peer *p, char buf[static PEER_MAX])
{
	if (!p->address)
		snprintf(buf, PEER_MAX, "-");
	else
		snprintf(buf, PEER_MAX,
		    strchr(p->address, ':') ? "[%.64s]:%u" : "%.64s:%u", p->address,
		    p->port);
	return buf;
}

const char *
mapping_external(const struct mapping *m, char buf[static PEER_MAX])
{
	int64_t port = m->suggested_port > 0 ? m->suggested_port : m->internal_port;

	if (m->external.address || port <= 0)
		return peer_text(&m->external, buf);
	snprintf(buf, PEER_MAX, ":%" PRIi64, port);
	return buf;
}

const char *
mapping_internal(const struct mapping *m, char buf[static PEER_MAX])
{
	struct peer asked = {
		.address = m->internal_address ? m->internal_address : "*",
		.port = (unsigned)m->internal_port,
	};

	if (m->internal.address || m->internal_port < 0)
		return peer_text(&m->internal, buf);
	return peer_text(&asked, buf);
}

const char *
method_label(const char *method)
{
	enum method known;

	if (!method)
		return "-";
	if (strncmp(method, "stun", strlen("stun")) == 0)
		return "STUN";
	return method_from_name(method, &known) == 0 ? method_title(known) : method;
}

const char *
external_doubt(const struct external_address *e)
{
	if (strcmp(e->source, "stun_uncertain") == 0)
		return " (uncertain: no two STUN servers say so)";
	return e->is_global ? "" : " (not global)";
}
