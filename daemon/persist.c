/*
 * persist.c - mappings, tombstones and habits of routers as records of the state file.
 *
 * What a crash must not lose: the wish of a permanent mapping, the nonce that renews or
 * deletes it, the number it has, and on which router.  Deadlines are kept in both
 * clocks: CLOCK_BOOTTIME counts within one boot, the wall clock over a reboot, where it
 * is believed only as far as the lease was long.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/engine_private.h"
#include "daemon/log.h"
#include "daemon/random.h"
#include "proto/json.h"

#define BOOT_ID_PATH "/proc/sys/kernel/random/boot_id"

/* ---- words ---- */

static void
add_hex(cJSON *o, const char *key, const uint8_t *bytes, size_t len)
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
static int
get_hex(const cJSON *o, const char *key, uint8_t *ret, size_t max)
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

static void
add_addr(cJSON *o, const char *key, const struct addr *a)
{
	char text[ADDR_TEXT_MAX];

	if (a->family != ADDR_NONE)
		json_add_string(o, key, addr_format(a, text));
}

/* Absent is ADDR_NONE; false: there, but no address. */
static bool
get_addr(const cJSON *o, const char *key, struct addr *ret)
{
	const char *text = json_get_string(o, key);

	*ret = (struct addr) { .family = ADDR_NONE };
	return !text || addr_parse(text, ret) == 0;
}

/* Absent is 0; false: there, but not in [0, max]. */
static bool
get_uint(const cJSON *o, const char *key, int64_t max, int64_t *ret)
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

static void
add_deadline(cJSON *o, const char *key, msec_t at)
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
static msec_t
get_deadline(const cJSON *o, const char *key, msec_t longest_ms, msec_t now)
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

static cJSON *
identity_json(const struct gateway_identity *on)
{
	cJSON *o = cJSON_CreateObject();
	struct addr gateway = on->gateway;

	gateway.scope = 0; /* interface indexes do not survive a reboot */
	add_addr(o, "gateway", &gateway);
	add_addr(o, "local", &on->local);
	json_add_string(o, "interface", on->ifname);
	if (on->mac_len)
		add_hex(o, "mac", on->mac, on->mac_len);
	return o;
}

static int
identity_read(const cJSON *o, struct gateway_identity *ret)
{
	const char *ifname = json_get_string(o, "interface");
	struct gateway_identity on = { 0 };
	int len = get_hex(o, "mac", on.mac, sizeof(on.mac));

	if (!get_addr(o, "gateway", &on.gateway) || !get_addr(o, "local", &on.local) ||
	    !ifname || strlen(ifname) >= sizeof(on.ifname))
		return -EINVAL;
	memcpy(on.ifname, ifname, strlen(ifname) + 1);
	on.mac_len = len > 0 ? (uint8_t)len : 0;
	*ret = on;
	return 0;
}

static const char *const pinhole_keys[TRANSPORT_MAX] = { "udpPinhole", "tcpPinhole" };

static cJSON *
held_json(const struct lease_held *held)
{
	cJSON *o = cJSON_CreateObject();

	json_add_string(o, "method", method_name(held->method));
	add_addr(o, "externalAddress", &held->external);
	json_add_int(o, "externalPort", held->external_port);
	json_add_int(o, "internalPort", held->internal_port);
	json_add_int(o, "lifetimeSeconds", held->lifetime_s);
	add_deadline(o, "expires", held->expires_at);
	if (held->method == METHOD_IGD_PINHOLE)
		for (enum transport t = 0; t < TRANSPORT_MAX; t++)
			json_add_int(o, pinhole_keys[t], held->pinhole_id[t]);
	return o;
}

static int
held_read(const cJSON *o, msec_t now, struct lease_held *ret)
{
	const char *method = json_get_string(o, "method");
	struct lease_held held = { 0 };
	int64_t external, internal, lifetime, id;

	if (!method || method_from_name(method, &held.method) < 0 ||
	    !get_addr(o, "externalAddress", &held.external) ||
	    !get_uint(o, "externalPort", UINT16_MAX, &external) ||
	    !get_uint(o, "internalPort", UINT16_MAX, &internal) ||
	    !get_uint(o, "lifetimeSeconds", UINT32_MAX, &lifetime) || external == 0)
		return -EINVAL;
	held.external_port = (uint16_t)external;
	held.internal_port = (uint16_t)internal;
	held.lifetime_s = (uint32_t)lifetime;
	held.expires_at = lifetime
			      ? get_deadline(o, "expires", lifetime * MSEC_PER_SEC, now)
			      : MSEC_NEVER;
	for (int t = 0; t < TRANSPORT_MAX; t++)
		if (json_to_int(
			cJSON_GetArrayItem(json_get(o, "pinholeIds"), t), &id) == 0 &&
		    id >= 0 && id <= UINT32_MAX)
			held.pinhole_id[t] = (uint32_t)id;
	*ret = held;
	return 0;
}

static cJSON *
transports_json(unsigned transports)
{
	cJSON *list = cJSON_CreateArray();

	for (enum transport t = 0; t < TRANSPORT_MAX; t++)
		if (transports & 1u << t)
			json_append_string(list, transport_name(t));
	return list;
}

static unsigned
transports_read(const cJSON *list)
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

static cJSON *
context_json(const struct mapping_context *c)
{
	cJSON *o = cJSON_CreateObject(), *list;

	json_add_item(o, "protocols", transports_json(c->transports));
	if (!c->router_chooses)
		json_add_int(o, "internalPort", c->internal_port);
	add_addr(o, "internalAddress", &c->internal);
	if (c->family != ADDR_NONE)
		json_add_int(o, "family", c->family);
	json_add_string(o, "interface", c->ifname);
	add_addr(o, "gateway", &c->gateway);
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

static int
context_read(const cJSON *o, struct mapping_context *ret)
{
	const char *ifname = json_get_string(o, "interface");
	const char *persistence = json_get_string(o, "persistence");
	const char *description = json_get_string(o, "description");
	struct mapping_context c = {
		.transports = transports_read(json_get(o, "protocols")),
		.router_chooses = !json_get(o, "internalPort"),
	};
	int64_t internal, external, family, lifetime;

	if (!c.transports || !persistence ||
	    persistence_from_name(persistence, &c.persistence) < 0 ||
	    !get_uint(o, "internalPort", UINT16_MAX, &internal) ||
	    !get_uint(o, "externalPort", UINT16_MAX, &external) ||
	    !get_uint(o, "family", ADDR_IPV6, &family) ||
	    !get_uint(o, "lifetimeSeconds", UINT32_MAX, &lifetime) ||
	    !get_addr(o, "internalAddress", &c.internal) ||
	    !get_addr(o, "gateway", &c.gateway) || (!c.router_chooses && internal == 0))
		return -EINVAL;
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

/* ---- writing ---- */

static cJSON *
mapping_json(const struct mapping *m)
{
	cJSON *o = cJSON_CreateObject();

	json_add_string(o, "id", m->id);
	if (m->origin == MAPPING_BY_CONFIG)
		json_add_string(o, "configured", m->name);
	json_add_int(o, "uid", m->uid);
	add_hex(o, "nonce", m->nonce, sizeof(m->nonce));
	json_add_item(o, "context", context_json(&m->context));
	add_deadline(o, "wantedUntil", m->wanted_until);
	if (m->was_held) {
		json_add_item(o, "on", identity_json(&m->last_on));
		json_add_item(o, "held", held_json(&m->last));
	}
	return o;
}

static cJSON *
tombstone_json(const struct holding *h)
{
	cJSON *o = cJSON_CreateObject();

	json_add_item(o, "protocols", transports_json(h->want.transports));
	add_addr(o, "internalAddress", &h->want.internal);
	add_hex(o, "nonce", h->want.nonce, sizeof(h->want.nonce));
	json_add_item(o, "on", identity_json(&h->on));
	json_add_item(o, "held", held_json(&h->held));
	return o;
}

static cJSON *
habit_json(const struct habit *h)
{
	cJSON *o = cJSON_CreateObject();

	json_add_item(o, "on", identity_json(&h->on));
	json_add_int(o, "leaseRung", h->habits.lease_rung);
	json_add_bool(o, "noAddAny", h->habits.no_add_any);
	json_add_bool(o, "samePort", h->habits.same_port);
	return o;
}

static size_t
count_records(const struct engine *e)
{
	size_t n = 0;

	for (const struct mapping *m = e->mappings; m; m = m->next)
		n++;
	for (const struct holding *h = e->holdings; h; h = h->next)
		n++;
	for (const struct habit *h = e->habits; h; h = h->next)
		n++;
	return n;
}

static size_t
fill_records(struct engine *e, struct state_record *records)
{
	size_t n = 0;

	for (const struct mapping *m = e->mappings; m; m = m->next)
		if (!m->releasing)
			records[n++] =
			    (struct state_record) { "mapping", mapping_json(m) };
	/* What is not anybody's any more and not known to be deleted. */
	for (const struct holding *h = e->holdings; h; h = h->next)
		if ((!h->mapping || h->mapping->releasing) && h->held.external_port &&
		    h->held.method != METHOD_DIRECT)
			records[n++] =
			    (struct state_record) { "tombstone", tombstone_json(h) };
	for (const struct habit *h = e->habits; h; h = h->next)
		records[n++] = (struct state_record) { "router", habit_json(h) };
	return n;
}

void
persist_now(struct engine *e)
{
	struct state_record *records;
	size_t count;
	int r;

	timer_clear(&e->save_timer);
	if (!e->state)
		return;
	records = calloc(count_records(e) + 1, sizeof(*records));
	if (!records) {
		persist_later(e);
		return;
	}
	count = fill_records(e, records);
	r = state_save(e->state, records, count);
	for (size_t i = 0; i < count; i++)
		cJSON_Delete((cJSON *)records[i].object);
	free(records);
	if (r < 0 && !e->save_failed)
		log_warning("cannot save what is held: %s", state_error(e->state));
	else if (r == 0 && e->save_failed)
		log_notice("what is held is saved again");
	e->save_failed = r < 0;
	if (r < 0)
		timer_set(&e->save_timer, loop_now() + SAVE_RETRY_MS);
}

void
persist_later(struct engine *e)
{
	if (e->state && e->save_timer.slot == 0)
		timer_set(&e->save_timer, loop_now() + SAVE_DELAY_MS);
}

/* ---- reading ---- */

struct loading {
	struct engine *engine;
	msec_t now;
};

/* A mapping that is not wanted any more, but may still be on the router. */
static void
bury(struct engine *e, const struct mapping_context *c, const uint8_t *nonce,
    const struct gateway_identity *on, const struct lease_held *held)
{
	struct lease_want want = {
		.transports = c->transports,
		.internal = c->internal.family == ADDR_NONE ? on->local : c->internal,
		.internal_port = held->internal_port,
		.external_port = held->external_port,
		.lifetime_s = held->lifetime_s,
		.methods = METHODS_ALL,
		.order = { held->method },
		.order_count = 1,
	};

	memcpy(want.nonce, nonce, sizeof(want.nonce));
	(void)holding_add_tombstone(e, on, &want, held);
}

static void
restore(struct loading *l, const cJSON *o, const struct mapping_context *c,
    const uint8_t *nonce, const struct gateway_identity *on,
    const struct lease_held *held, msec_t wanted_until)
{
	struct engine *e = l->engine;
	const char *id = json_get_string(o, "id");
	const char *configured = json_get_string(o, "configured");
	int64_t uid;
	struct mapping *m;

	if (!id || strlen(id) >= MAPPING_ID_MAX || engine_find(e, id) ||
	    !get_uint(o, "uid", UINT32_MAX, &uid))
		return;
	m = engine_add_mapping(e, id);
	if (!m)
		return;
	m->context = *c;
	m->uid = (uid_t)uid;
	memcpy(m->nonce, nonce, sizeof(m->nonce));
	m->wanted_until = wanted_until;
	if (configured) {
		m->origin = MAPPING_BY_CONFIG;
		snprintf(m->name, sizeof(m->name), "%s", configured);
	}
	if (held) {
		m->was_held = true;
		m->last = *held;
		m->last_on = *on;
	}
}

static bool
load_mapping(struct loading *l, const cJSON *o)
{
	struct mapping_context c;
	struct gateway_identity on;
	struct lease_held held;
	uint8_t nonce[PCP_NONCE_LEN];
	msec_t until =
	    get_deadline(o, "wantedUntil", INT64_C(366) * 86400 * MSEC_PER_SEC, l->now);
	bool is_held = json_get(o, "held") &&
		       identity_read(json_get(o, "on"), &on) == 0 &&
		       held_read(json_get(o, "held"), l->now, &held) == 0;

	if (context_read(json_get(o, "context"), &c) < 0 ||
	    get_hex(o, "nonce", nonce, sizeof(nonce)) != PCP_NONCE_LEN)
		return true; /* damaged: dropped */
	if (c.persistence == PERSISTENCE_CONNECTION || until <= l->now) {
		if (is_held && held.expires_at > l->now)
			bury(l->engine, &c, nonce, &on, &held);
	} else {
		restore(l, o, &c, nonce, &on, is_held ? &held : NULL, until);
	}
	return true;
}

static bool
load_tombstone(struct loading *l, const cJSON *o)
{
	struct mapping_context c = {
		.transports = transports_read(json_get(o, "protocols")),
	};
	struct gateway_identity on;
	struct lease_held held;
	uint8_t nonce[PCP_NONCE_LEN];

	if (c.transports && get_addr(o, "internalAddress", &c.internal) &&
	    get_hex(o, "nonce", nonce, sizeof(nonce)) == PCP_NONCE_LEN &&
	    identity_read(json_get(o, "on"), &on) == 0 &&
	    held_read(json_get(o, "held"), l->now, &held) == 0 &&
	    held.expires_at > l->now)
		bury(l->engine, &c, nonce, &on, &held);
	return true;
}

static bool
load_router(struct loading *l, const cJSON *o)
{
	struct gateway_identity on;
	struct habit *h;
	int64_t rung;

	if (identity_read(json_get(o, "on"), &on) < 0 ||
	    !get_uint(o, "leaseRung", 3, &rung))
		return true;
	h = calloc(1, sizeof(*h));
	if (!h)
		return true;
	h->on = on;
	h->habits.lease_rung = (uint8_t)rung;
	(void)json_get_bool(o, "noAddAny", &h->habits.no_add_any);
	(void)json_get_bool(o, "samePort", &h->habits.same_port);
	h->next = l->engine->habits;
	l->engine->habits = h;
	return true;
}

static bool
load_record(void *ctx, const char *kind, cJSON *object)
{
	static const struct {
		const char *kind;
		bool (*load)(struct loading *l, const cJSON *o);
	} kinds[] = {
		{ "mapping", load_mapping },
		{ "tombstone", load_tombstone },
		{ "router", load_router },
	};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (strcmp(kinds[i].kind, kind) == 0)
			return kinds[i].load(ctx, object);
	return false;
}

void
persist_load(struct engine *e, msec_t now)
{
	struct loading loading = { e, now };

	if (!e->state)
		return;
	if (state_load(e->state, load_record, &loading) != 0)
		log_warning("what was held before: %s", state_error(e->state));
}

/* ---- habits ---- */

static struct habit *
find_habit(struct engine *e, const struct gateway_identity *on)
{
	for (struct habit *h = e->habits; h; h = h->next)
		if (identity_matches(&h->on, on))
			return h;
	return NULL;
}

struct router_habits
persist_habits(struct engine *e, const struct gateway_identity *on)
{
	struct habit *h = find_habit(e, on);

	return h ? h->habits : (struct router_habits) { 0 };
}

void
persist_learn(struct engine *e, const struct gateway *g)
{
	const struct router_habits *habits = router_habits(gateway_router(g));
	const struct router_habits none = { 0 };
	struct gateway_identity on;
	struct habit *h;

	identity_of(g, &on);
	h = find_habit(e, &on);
	if (h && memcmp(&h->habits, habits, sizeof(*habits)) == 0)
		return;
	if (!h) {
		if (memcmp(&none, habits, sizeof(none)) == 0)
			return;
		h = calloc(1, sizeof(*h));
		if (!h)
			return;
		h->next = e->habits;
		e->habits = h;
	}
	h->on = on;
	h->habits = *habits;
	persist_later(e);
}
