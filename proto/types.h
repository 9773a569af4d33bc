/*
 * types.h - the words of the control interface that the whole house uses.
 *
 * Each enum has its name table: the names are those of org.natd.NAT, so that a log
 * line, natctl and the interface say the same.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum transport { TRANSPORT_UDP, TRANSPORT_TCP, TRANSPORT_MAX };

/* IP protocol number: 17 or 6. */
uint8_t transport_number(enum transport t);

/* In order of preference. */
enum method {
	METHOD_PCP,
	METHOD_IGD2,
	METHOD_NAT_PMP,
	METHOD_IGD1,
	METHOD_IGD_PINHOLE,
	METHOD_DIRECT,
	METHOD_MAX
};

#define METHOD_BIT(m) (1u << (m))
#define METHODS_ALL ((1u << METHOD_MAX) - 1)

enum mapping_state {
	MAPPING_REQUESTING,
	MAPPING_ACTIVE,
	MAPPING_RENEWING,
	MAPPING_DEGRADED,
	MAPPING_SUSPENDED,
	MAPPING_FAILED,
	MAPPING_RELEASING,
	MAPPING_STATE_MAX
};

enum persistence {
	PERSISTENCE_CONNECTION,
	PERSISTENCE_LEASE,
	PERSISTENCE_PERMANENT,
	PERSISTENCE_MAX
};

enum severity { SEVERITY_INFO, SEVERITY_WARNING, SEVERITY_ERROR, SEVERITY_MAX };

/* name(value): never NULL; from_name: 0 or -EINVAL. */
const char *transport_name(enum transport v);
const char *method_name(enum method v);
const char *mapping_state_name(enum mapping_state v);
const char *persistence_name(enum persistence v);
const char *severity_name(enum severity v);
int transport_from_name(const char *name, enum transport *ret);
int method_from_name(const char *name, enum method *ret);
int persistence_from_name(const char *name, enum persistence *ret);

/* What people call a method: "PCP", "UPnP IGD:2", ... */
const char *method_title(enum method v);
