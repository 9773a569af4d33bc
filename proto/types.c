/*
 * types.c - names of the words in types.h.
 */
#include "proto/types.h"

#include <errno.h>
#include <string.h>

#include "proto/util.h"

static const char *const transport_names[] = {
	[TRANSPORT_UDP] = "udp",
	[TRANSPORT_TCP] = "tcp",
};

static const char *const method_names[] = {
	[METHOD_PCP] = "pcp",
	[METHOD_IGD2] = "igd2",
	[METHOD_NAT_PMP] = "nat_pmp",
	[METHOD_IGD1] = "igd1",
	[METHOD_IGD_PINHOLE] = "igd_pinhole",
	[METHOD_DIRECT] = "direct",
};

static const char *const method_titles[] = {
	[METHOD_PCP] = "PCP",
	[METHOD_IGD2] = "UPnP IGD:2",
	[METHOD_NAT_PMP] = "NAT-PMP",
	[METHOD_IGD1] = "UPnP IGD:1",
	[METHOD_IGD_PINHOLE] = "UPnP pinhole",
	[METHOD_DIRECT] = "direct",
};

static const char *const mapping_state_names[] = {
	[MAPPING_REQUESTING] = "requesting",
	[MAPPING_ACTIVE] = "active",
	[MAPPING_RENEWING] = "renewing",
	[MAPPING_DEGRADED] = "degraded",
	[MAPPING_SUSPENDED] = "suspended",
	[MAPPING_FAILED] = "failed",
	[MAPPING_RELEASING] = "releasing",
};

static const char *const persistence_names[] = {
	[PERSISTENCE_CONNECTION] = "connection",
	[PERSISTENCE_LEASE] = "lease",
	[PERSISTENCE_PERMANENT] = "permanent",
};

static const char *const severity_names[] = {
	[SEVERITY_INFO] = "info",
	[SEVERITY_WARNING] = "warning",
	[SEVERITY_ERROR] = "error",
};

static int
find_name(const char *const *names, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(names[i], name) == 0)
			return (int)i;
	return -EINVAL;
}

uint8_t
transport_number(enum transport t)
{
	return t == TRANSPORT_TCP ? 6 : 17;
}

const char *
transport_name(enum transport v)
{
	return transport_names[v];
}

const char *
method_name(enum method v)
{
	return method_names[v];
}

const char *
method_title(enum method v)
{
	return method_titles[v];
}

const char *
mapping_state_name(enum mapping_state v)
{
	return mapping_state_names[v];
}

const char *
persistence_name(enum persistence v)
{
	return persistence_names[v];
}

const char *
severity_name(enum severity v)
{
	return severity_names[v];
}

int
transport_from_name(const char *name, enum transport *ret)
{
	int i = find_name(transport_names, ARRAY_SIZE(transport_names), name);

	if (i < 0)
		return i;
	*ret = (enum transport)i;
	return 0;
}

int
method_from_name(const char *name, enum method *ret)
{
	int i = find_name(method_names, ARRAY_SIZE(method_names), name);

	if (i < 0)
		return i;
	*ret = (enum method)i;
	return 0;
}

int
persistence_from_name(const char *name, enum persistence *ret)
{
	int i = find_name(persistence_names, ARRAY_SIZE(persistence_names), name);

	if (i < 0)
		return i;
	*ret = (enum persistence)i;
	return 0;
}
