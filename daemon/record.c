/*
 * record.c - the parts of records in the state file: addresses, deadlines, identities,
 * leases, contexts.
 */
#include "daemon/record.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/loop.h"
#include "proto/json.h"

#define BOOT_ID_PATH "/proc/sys/kernel/random/boot_id"

/* ---- words ---- */

void
record_add_hex(cJSON *o, const char *key, const uint8_t *bytes, size_t len)
{
	char text[2 * 32 + 1];

	for (size_t i = 0; i < len; i++)
		snprintf(text + 2 * i, 3, "%02x", bytes[i]);
	text[2 * len] = '\0';
	json_add_string(o, key, text);
}

static int
hex_digit(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
				      : -1;
}

/* At most max bytes; how many, or -EINVAL. */
int
record_get_hex(const cJSON *o, const char *key, uint8_t *ret, size_t max)
{
	const char *text = json_get_string(o, key);
	size_t len = text ? strlen(text) : 0;

	if (!text || len % 2 || len / 2 > max)
		return -EINVAL;
	for (size_t i = 0; i < len / 2; i++) {
		int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return -EINVAL;
		ret[i] = (uint8_t)(high << 4 | low);
	}
	return (int)(len / 2);
}

void
record_add_addr(cJSON *o, const char *key, const struct addr *a)
{
	char text[ADDR_TEXT_MAX];

	if (a->family != ADDR_NONE)
		json_add_string(o, key, addr_format(a, text));
}

/* Absent is ADDR_NONE; false: there, but no address. */
bool
record_get_addr(const cJSON *o, const char *key, struct addr *ret)
{
	const char *text = json_get_string(o, key);

	*ret = (struct addr) { .family = ADDR_NONE };
	return !text || addr_parse(text, ret) == 0;
}

/* Absent is 0; false: there, but not in [0, max]. */
bool
record_get_uint(const cJSON *o, const char *key, int64_t max, int64_t *ret)
{
	int r = json_get_int(o, key, ret);

	if (r == -ENOENT)
		*ret = 0;
	return r == -ENOENT || (r == 0 && *ret >= 0 && *ret <= max);
}

/* ---- time ---- */

static const char *
boot_id(void)
{
	static char id[64];
	FILE *f;

	if (id[0])
		return id;
	f = fopen(BOOT_ID_PATH, "re");
	if (f) {
		if (!fgets(id, sizeof(id), f))
			id[0] = '\0';
		fclose(f);
	}
	id[strcspn(id, "\n")] = '\0';
	return id;
}

void
record_add_deadline(cJSON *o, const char *key, msec_t at)
{
	cJSON *d;

	if (at == MSEC_NEVER)
		return;
	d = json_add_object(o, key);
	json_add_string(d, "boot", boot_id());
	json_add_int(d, "boottimeMSec", at);
	json_add_int(d, "realtimeMSec",
	    loop_realtime_usec() / 1000 + at - loop_boottime_usec() / 1000);
}

/* Absent is MSEC_NEVER.  After a reboot never farther away than longest_ms. */
msec_t
record_get_deadline(const cJSON *o, const char *key, msec_t longest_ms, msec_t now)
{
	const cJSON *d = json_get(o, key);
	const char *boot = json_get_string(d, "boot");
	int64_t boottime, realtime, left;

	if (!d)
		return MSEC_NEVER;
	if (json_get_int(d, "boottimeMSec", &boottime) < 0 ||
	    json_get_int(d, "realtimeMSec", &realtime) < 0)
		return now;
	if (boot && strcmp(boot, boot_id()) == 0)
		return MIN(boottime, now + longest_ms);
	left = realtime - loop_realtime_usec() / 1000;
	return now + MAX(0, MIN(left, longest_ms));
}

/* ---- parts of records ---- */

cJSON *
record_identity_json(const struct gateway_identity *on)
{
	cJSON *o = cJSON_CreateObject();
	struct addr gateway = on->gateway;

	gateway.scope = 0; /* interface indexes do not survive a reboot */
	record_add_addr(o, "gateway", &gateway);
	record_add_addr(o, "local", &on->local);
	json_add_string(o, "interface", on->ifname);
	if (on->mac_len)
		record_add_hex(o, "mac", on->mac, on->mac_len);
	return o;
}

int
record_identity_read(const cJSON *o, struct gateway_identity *ret)
{
	const char *ifname = json_get_string(o, "interface");
	struct gateway_identity on = { 0 };
	int len = record_get_hex(o, "mac", on.mac, sizeof(on.mac));

	if (!record_get_addr(o, "gateway", &on.gateway) ||
	    !record_get_addr(o, "local", &on.local) || !ifname ||
	    strlen(ifname) >= sizeof(on.ifname))
		return -EINVAL;
	memcpy(on.ifname, ifname, strlen(ifname) + 1);
	on.mac_len = len > 0 ? (uint8_t)len : 0;
	*ret = on;
	return 0;
}

static const char *const pinhole_keys[TRANSPORT_MAX] = { "udpPinhole", "tcpPinhole" };

cJSON *
record_held_json(const struct lease_held *held)
{
	cJSON *o = cJSON_CreateObject();

	json_add_string(o, "method", method_name(held->method));
	record_add_addr(o, "externalAddress", &held->external);
	json_add_int(o, "externalPort", held->external_port);
	json_add_int(o, "internalPort", held->internal_port);
	json_add_int(o, "lifetimeSeconds", held->lifetime_s);
	record_add_deadline(o, "expires", held->expires_at);
	if (held->guess)
		json_add_bool(o, "guess", true);
	if (held->method == METHOD_IGD_PINHOLE)
		for (enum transport t = 0; t < TRANSPORT_MAX; t++)
			json_add_int(o, pinhole_keys[t], held->pinhole_id[t]);
	return o;
}

int
record_held_read(const cJSON *o, msec_t now, struct lease_held *ret)
{
	const char *method = json_get_string(o, "method");
	struct lease_held held = { 0 };
	int64_t external, internal, lifetime, id;

	if (!method || method_from_name(method, &held.method) < 0 ||
	    !record_get_addr(o, "externalAddress", &held.external) ||
	    !record_get_uint(o, "externalPort", UINT16_MAX, &external) ||
	    !record_get_uint(o, "internalPort", UINT16_MAX, &internal) ||
	    !record_get_uint(o, "lifetimeSeconds", UINT32_MAX, &lifetime) ||
	    external == 0)
		return -EINVAL;
	held.external_port = (uint16_t)external;
	held.internal_port = (uint16_t)internal;
	held.lifetime_s = (uint32_t)lifetime;
	held.expires_at =
	    lifetime ? record_get_deadline(o, "expires", lifetime * MSEC_PER_SEC, now)
		     : MSEC_NEVER;
	(void)json_get_bool(o, "guess", &held.guess);
	for (enum transport t = 0; t < TRANSPORT_MAX; t++)
		if (record_get_uint(o, pinhole_keys[t], UINT32_MAX, &id))
			held.pinhole_id[t] = (uint32_t)id;
	*ret = held;
	return 0;
}

cJSON *
record_transports_json(unsigned transports)
{
	cJSON *list = cJSON_CreateArray();

	for (enum transport t = 0; t < TRANSPORT_MAX; t++)
		if (transports & 1u << t)
			json_append_string(list, transport_name(t));
	return list;
}

unsigned
record_transports_read(const cJSON *list)
{
	unsigned mask = 0;
	const cJSON *item;

	cJSON_ArrayForEach(item, list)
	{
		enum transport t;

		if (cJSON_IsString(item) &&
		    transport_from_name(item->valuestring, &t) == 0)
			mask |= 1u << t;
	}
	return mask;
}

cJSON *
record_context_json(const struct mapping_context *c)
{
	cJSON *o = cJSON_CreateObject(), *list;

	json_add_item(o, "protocols", record_transports_json(c->transports));
	if (!c->router_chooses)
		json_add_int(o, "internalPort", c->internal_port);
	record_add_addr(o, "internalAddress", &c->internal);
	if (c->family != ADDR_NONE)
		json_add_int(o, "family", c->family);
	json_add_string(o, "interface", c->ifname);
	record_add_addr(o, "gateway", &c->gateway);
	json_add_int(o, "externalPort", c->external_port);
	json_add_bool(o, "preferFailure", c->prefer_failure);
	json_add_int(o, "lifetimeSeconds", c->lifetime_s);
	json_add_string(o, "persistence", persistence_name(c->persistence));
	json_add_string(o, "description", c->description);
	list = json_add_array(o, "methods");
	for (unsigned i = 0; i < c->methods_count; i++)
		json_append_string(list, method_name(c->methods[i]));
	return o;
}

static void
methods_read(const cJSON *list, struct mapping_context *c)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, list)
	{
		enum method m;

		if (cJSON_IsString(item) &&
		    method_from_name(item->valuestring, &m) == 0 &&
		    c->methods_count < METHOD_MAX)
			c->methods[c->methods_count++] = m;
	}
}

int
record_context_read(const cJSON *o, struct mapping_context *ret)
{
	const char *ifname = json_get_string(o, "interface");
	const char *persistence = json_get_string(o, "persistence");
	const char *description = json_get_string(o, "description");
	struct mapping_context c = {
		.transports = record_transports_read(json_get(o, "protocols")),
		.router_chooses = !json_get(o, "internalPort"),
	};
	int64_t internal, external, family, lifetime;

	if (!c.transports || !persistence ||
	    persistence_from_name(persistence, &c.persistence) < 0 ||
	    !record_get_uint(o, "internalPort", UINT16_MAX, &internal) ||
	    !record_get_uint(o, "externalPort", UINT16_MAX, &external) ||
	    !record_get_uint(o, "family", ADDR_IPV6, &family) ||
	    !record_get_uint(o, "lifetimeSeconds", UINT32_MAX, &lifetime) ||
	    !record_get_addr(o, "internalAddress", &c.internal) ||
	    !record_get_addr(o, "gateway", &c.gateway) ||
	    (!c.router_chooses && internal == 0))
		return -EINVAL;
	c.gateway.scope = 0; /* of an earlier boot, perhaps */
	c.internal_port = (uint16_t)internal;
	c.external_port = (uint16_t)external;
	c.family = family == ADDR_IPV4 || family == ADDR_IPV6 ? (enum addr_family)family
							      : ADDR_NONE;
	c.lifetime_s = (uint32_t)lifetime;
	(void)json_get_bool(o, "preferFailure", &c.prefer_failure);
	snprintf(c.ifname, sizeof(c.ifname), "%s", ifname ? ifname : "");
	snprintf(
	    c.description, sizeof(c.description), "%s", description ? description : "");
	methods_read(json_get(o, "methods"), &c);
	*ret = c;
	return 0;
}
