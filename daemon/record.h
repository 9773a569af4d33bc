/*
 * record.h - the parts of records in the state file: addresses, deadlines, identities
 * of routers, leases, contexts; each printed and read in one place.
 *
 * _json() returns a new object (spoiled when out of memory); _read() and _get() take
 * what they understand, and never trust: the file may be damaged or of another version.
 */
#pragma once

#include <cjson/cJSON.h>

#include "daemon/mapping.h"

void record_add_hex(cJSON *o, const char *key, const uint8_t *bytes, size_t len);
/* At most max bytes; how many, or -EINVAL. */
int record_get_hex(const cJSON *o, const char *key, uint8_t *ret, size_t max);

void record_add_addr(cJSON *o, const char *key, const struct addr *a);
/* Absent is ADDR_NONE; false: there, but no address. */
bool record_get_addr(const cJSON *o, const char *key, struct addr *ret);

/* Absent is 0; false: there, but not in [0, max]. */
bool record_get_uint(const cJSON *o, const char *key, int64_t max, int64_t *ret);

/* In both clocks: CLOCK_BOOTTIME counts within one boot, the wall clock over a reboot.
 * MSEC_NEVER is left out. */
void record_add_deadline(cJSON *o, const char *key, msec_t at);
/* Absent is MSEC_NEVER.  Never farther away than longest_ms. */
msec_t
record_get_deadline(const cJSON *o, const char *key, msec_t longest_ms, msec_t now);

cJSON *record_identity_json(const struct gateway_identity *on);
int record_identity_read(const cJSON *o, struct gateway_identity *ret);

cJSON *record_held_json(const struct lease_held *held);
int record_held_read(const cJSON *o, msec_t now, struct lease_held *ret);

/* Masks of 1 << enum transport. */
cJSON *record_transports_json(unsigned transports);
unsigned record_transports_read(const cJSON *list);

cJSON *record_context_json(const struct mapping_context *c);
int record_context_read(const cJSON *o, struct mapping_context *ret);
