/*
 * model.h - the objects of org.natd.NAT as structs: what the printers read.
 *
 * Decoded strictly from a reply and borrowed from it: a struct here lives as long as
 * the JSON it came from.  Words that may grow in later versions of natd (states,
 * methods, reasons) stay text.  Absent: NULL, 0 for times, -1 for numbers.
 */
#pragma once

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ctl/fields.h"

/* A boottime before this boot is negative: of what natd found in its state. */
struct stamp {
	int64_t realtime_us, boottime_us;
};

struct peer {
	const char *address; /* NULL: absent */
	unsigned port;
};

struct finding {
	const char *severity, *code, *message; /* code NULL: absent */
	const char *hint;                      /* may be NULL */
};

#define PROTOCOLS_MAX 8 /* "tcp+udp" and NUL */

struct mapping {
	const char *id;
	/* context */
	char protocols[PROTOCOLS_MAX]; /* "tcp", "udp", "tcp+udp" */
	int64_t internal_port, suggested_port, lifetime_s;
	const char *internal_address, *persistence, *description;
	const char *family; /* as asked for, or of its addresses; NULL: not known */
	/* runtime */
	const char *state, *method, *gateway, *interface, *reachability;
	struct peer internal, external;
	int external_is_global;
	int64_t granted_s, renewals, owner_uid, owner_pid;
	struct stamp created, expires, next_renewal;
	struct finding problem;
};

struct service {
	const char *method, *version, *control_address, *circuit;
	bool available;
	int64_t round_trip_us;
	struct finding problem;
};

struct gateway {
	const char *address, *interface, *family, *name, *external_address;
	bool is_default;
	const cJSON *services; /* array */
};

struct external_address {
	const char *family, *address, *interface, *source;
	bool is_global;
};

struct nat_behavior {
	const char *family, *interface, *mapping, *filtering;
	struct peer reflexive, server;
	int hairpinning, port_preservation, carrier_grade;
	int64_t binding_lifetime_s, translators;
	struct stamp measured;
};

struct status {
	const char *state, *version;
	struct stamp started;
	const cJSON *external_addresses, *gateways, *nat_behaviors; /* arrays */
	int64_t active, failed;
};

/* Each returns 0, or -EBADMSG with the first bad member's name in *ret_bad. */
int finding_decode(const cJSON *json, struct finding *ret, const char **ret_bad);
int mapping_decode(const cJSON *json, struct mapping *ret, const char **ret_bad);
int gateway_decode(const cJSON *json, struct gateway *ret, const char **ret_bad);
int service_decode(const cJSON *json, struct service *ret, const char **ret_bad);
int external_address_decode(
    const cJSON *json, struct external_address *ret, const char **ret_bad);
int
nat_behavior_decode(const cJSON *json, struct nat_behavior *ret, const char **ret_bad);
int status_decode(const cJSON *json, struct status *ret, const char **ret_bad);

struct stamp stamp_decode(struct fields f);

/* An array of mappings or gateways as structs: count, or -EBADMSG, or -ENOMEM.  The
 * caller frees *ret. */
int mappings_decode(const cJSON *array, struct mapping **ret, const char **ret_bad);

/* The family and interface that -4, -6 and -i ask for; NULL: it has none. */
struct ctl;
bool model_is_wanted(const struct ctl *ctl, const char *family, const char *interface);

/* Whether the mapping is held: it has an external endpoint and its state says so. */
bool mapping_is_held(const struct mapping *m);

/* Held, and proven closed from outside. */
bool mapping_is_closed(const struct mapping *m);

/* "192.0.2.1:80", "[2001:db8::1]:80", "-" if there is none. */
#define PEER_MAX 96
const char *peer_text(const struct peer *p, char buf[static PEER_MAX]);

/* The external endpoint; while there is none the port that is hoped for: ":8080", "-"
 * if the gateway is to choose. */
const char *mapping_external(const struct mapping *m, char buf[static PEER_MAX]);

/* The internal endpoint as far as it is known: before a method has answered only the
 * request says it. */
const char *mapping_internal(const struct mapping *m, char buf[static PEER_MAX]);

/* What people call a method ("PCP"); a word this natctl doesn't know is its own title.
 */
const char *method_label(const char *method);

/* Counts protocols given as an array of words; 0 or -EINVAL.  Order does not matter. */
int protocols_text(const cJSON *array, char ret[static PROTOCOLS_MAX]);

/* " (not global)", " (uncertain: ...)" or "". */
const char *external_doubt(const struct external_address *e);
