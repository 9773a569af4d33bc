/*
 * persist.c - mappings, tombstones and habits of routers as records of the state file.
 *
 * What a crash must not lose: the wish of a permanent mapping, the nonce that renews or
 * deletes it, the number it has, and on which router.  Deadlines are kept in both
 * clocks: CLOCK_BOOTTIME counts within one boot, the wall clock over a reboot, where it
 * is believed only as far as the lease was long.
 *
 * The file is written whole a tenth of a second after something changed.  What a router
 * or the carrier's server is asked in between, and what it grants, is added to the file
 * as a note: the question before it is sent, the answer before anybody is told.  So a
 * SIGKILL at any instant leaves no rule that nobody knows of.  A question without an
 * answer is a guess; the next start asks it again where that gives the same rule, or
 * has the router delete what became of it (proto/router_left.c).
 *
 * Three rules can't be named and end with their lease: on an IGD that gave another
 * number than the one asked and refuses to read out its table; a pinhole of a router
 * that gives each AddPinhole an id of its own, against WANIPv6FirewallControl:1; and
 * after a power cut that of the last moments, as notes do not wait for the disk.  So
 * does what UPnP was asked for without an answer when the next start gets it by PCP or
 * NAT-PMP: on many routers that is the same rule, which must not be deleted.
 */
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/engine_private.h"
#include "daemon/log.h"
#include "daemon/message.h"
#include "daemon/record.h"
#include "proto/json.h"

/* ---- writing ---- */

static cJSON *
mapping_json(const struct mapping *m)
{
	/* What the last request changes, but for a refusal, is not so yet. */
	const struct mapping_context *context =
	    m->before.known ? &m->before.context : &m->context;
	cJSON *o = cJSON_CreateObject();

	json_add_string(o, "id", m->id);
	if (m->origin == MAPPING_BY_CONFIG)
		json_add_string(o, "configured", m->name);
	json_add_int(o, "uid", m->uid);
	record_add_hex(o, "nonce", m->nonce, sizeof(m->nonce));
	json_add_item(o, "context", record_context_json(context));
	record_add_deadline(o, "wantedUntil",
	    m->before.known ? m->before.wanted_until : m->wanted_until);
	if (m->was_held) {
		json_add_item(o, "on", record_identity_json(&m->last_on));
		json_add_item(o, "held", record_held_json(&m->last));
	}
	return o;
}

static cJSON *
tombstone_json(const struct holding *h)
{
	cJSON *o = cJSON_CreateObject();

	json_add_item(o, "protocols", record_transports_json(h->want.transports));
	record_add_addr(o, "internalAddress", &h->want.internal);
	record_add_hex(o, "nonce", h->want.nonce, sizeof(h->want.nonce));
	json_add_item(o, "on", record_identity_json(&h->on));
	json_add_item(o, "held", record_held_json(&h->held));
	if (h->held.guess)
		json_add_string(o, "description", h->want.description);
	return o;
}

static cJSON *
habit_json(const struct habit *h)
{
	cJSON *o = cJSON_CreateObject();

	json_add_item(o, "on", record_identity_json(&h->on));
	json_add_int(o, "leaseRung", h->habits.lease_rung);
	json_add_bool(o, "noAddAny", h->habits.no_add_any);
	json_add_bool(o, "samePort", h->habits.same_port);
	return o;
}

/* An id that a program has written down never becomes another mapping's. */
static cJSON *
ids_json(const struct engine *e)
{
	cJSON *o = cJSON_CreateObject();

	json_add_int(o, "last", e->next_id);
	return o;
}

static void
fill_records(void *ctx, struct state_records *to)
{
	const struct engine *e = ctx;

	for (const struct mapping *m = e->mappings; m; m = m->next)
		if (!m->releasing)
			state_put(to, "mapping", mapping_json(m));
	/* What is not anybody's any more and not known to be deleted; what was asked
	 * for without an answer; what is held at the carrier's server is found again by
	 * its nonce. */
	for (const struct holding *h = e->holdings; h; h = h->next)
		if ((!h->mapping || h->mapping->releasing || h->outer || h->bid ||
			h->held.guess) &&
		    h->held.external_port && h->held.method != METHOD_DIRECT)
			state_put(to, "tombstone", tombstone_json(h));
	for (const struct habit *h = e->habits; h; h = h->next)
		state_put(to, "router", habit_json(h));
	state_put(to, "ids", ids_json(e));
}

void
persist_now(struct engine *e)
{
	int r;

	timer_clear(&e->save_timer);
	if (!e->state)
		return;
	r = state_save(e->state, fill_records, e);
	/* A change has settled, and this is where natd waits anyway: what the change
	 * took goes back also from below a block that stays. */
	(void)malloc_trim(0);
	if (r < 0 && !e->save_failed)
		log_warning_with(MESSAGE(MESSAGE_STATE_TROUBLE),
		    "cannot save what is held: %s", state_error(e->state));
	else if (r == 0 && e->save_failed)
		log_notice("what is held is saved again");
	e->save_failed = r < 0;
	for (struct mapping *m = e->mappings; m && r == 0; m = m->next)
		m->unnoted = false;
	if (r == -ENOMEM)
		timer_set(&e->save_timer, loop_now() + NO_MEMORY_MS);
	else if (r < 0)
		timer_set(&e->save_timer, loop_now() + SAVE_RETRY_MS);
}

void
persist_later(struct engine *e)
{
	if (e->state && e->save_timer.slot == 0)
		timer_set(&e->save_timer, loop_now() + SAVE_DELAY_MS);
}

struct note {
	const char *kind;
	cJSON *object;
};

static void
fill_note(void *ctx, struct state_records *to)
{
	struct note *n = ctx;

	state_put(to, n->kind, TAKE_PTR(n->object));
}

static void
note(struct engine *e, const char *kind, cJSON *object)
{
	struct note n = { kind, object };

	/* What cannot be noted is written with the next save. */
	(void)state_add(e->state, fill_note, &n);
	cJSON_Delete(n.object);
}

static bool
is_unnoted(const struct mapping *m)
{
	return m->unnoted && !m->releasing;
}

static void
fill_unnoted(void *ctx, struct state_records *to)
{
	const struct engine *e = ctx;

	for (const struct mapping *m = e->mappings; m; m = m->next)
		if (is_unnoted(m))
			state_put(to, "mapping", mapping_json(m));
}

void
persist_notes(struct engine *e)
{
	bool any = false;
	int r;

	for (const struct mapping *m = e->mappings; m && !any; m = m->next)
		any = is_unnoted(m);
	if (!any)
		return;
	persist_later(e);
	/* With a disk that is not well this is no time to wait for it again. */
	if (!e->state || e->save_failed)
		return;
	r = state_add(e->state, fill_unnoted, e);
	for (struct mapping *m = e->mappings; m; m = m->next)
		m->unnoted = false;
	if (r < 0)
		persist_now(e);
}

void
persist_holding(struct engine *e, const struct holding *h)
{
	if (e->state && !e->save_failed)
		note(e, "tombstone", tombstone_json(h));
	persist_later(e);
}

void
persist_forget(struct engine *e, const uint8_t *nonce)
{
	cJSON *o;

	if (!e->state || e->save_failed)
		return;
	o = cJSON_CreateObject();
	record_add_hex(o, "nonce", nonce, PCP_NONCE_LEN);
	json_add_bool(o, "confirmed", true);
	note(e, "gone", o);
}

void
persist_gone(struct engine *e, const struct mapping *m)
{
	cJSON *o;

	if (!e->state || e->save_failed)
		return;
	o = cJSON_CreateObject();
	json_add_string(o, "id", m->id);
	record_add_hex(o, "nonce", m->nonce, sizeof(m->nonce));
	json_add_bool(o, "confirmed", !holding_is_left(e, m->nonce));
	note(e, "gone", o);
}

/* ---- reading ---- */

struct loading {
	struct engine *engine;
	msec_t now;
	bool no_memory;
};

/* What names to the router that which is left there. */
static void
want_left(const struct mapping_context *c, const uint8_t *nonce,
    const struct gateway_identity *on, const struct lease_held *held,
    struct lease_want *ret)
{
	*ret = (struct lease_want) {
		.transports = c->transports,
		.internal = c->internal.family == ADDR_NONE ? on->local : c->internal,
		.internal_port = held->internal_port,
		.external_port = held->external_port,
		.lifetime_s = held->lifetime_s,
		.methods = METHODS_ALL,
		.order = { held->method },
		.order_count = 1,
	};

	memcpy(ret->nonce, nonce, sizeof(ret->nonce));
	snprintf(ret->description, sizeof(ret->description), "%.63s", c->description);
}

/* A mapping that is on the router, whether it is still wanted or not. */
static void
bury(struct loading *l, const struct mapping_context *c, const uint8_t *nonce,
    const struct gateway_identity *on, const struct lease_held *held)
{
	struct lease_want want;

	if (held->expires_at <= l->now)
		return;
	if (!held->guess)
		holding_forget_guesses(l->engine, nonce, on);
	want_left(c, nonce, on, held, &want);
	if (!holding_add_tombstone(l->engine, on, &want, held))
		l->no_memory = true;
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

	if (!id || strlen(id) >= MAPPING_ID_MAX ||
	    !record_get_uint(o, "uid", UINT32_MAX, &uid))
		return;
	m = engine_find(e, id); /* noted once more */
	if (!m)
		m = engine_add_mapping(e, id);
	if (!m) {
		l->no_memory = true;
		return;
	}
	m->context = *c;
	m->uid = (uid_t)uid;
	memcpy(m->nonce, nonce, sizeof(m->nonce));
	m->wanted_until = wanted_until;
	if (configured) {
		m->origin = MAPPING_BY_CONFIG;
		snprintf(m->name, sizeof(m->name), "%s", configured);
	}
	m->was_held = held != NULL;
	if (held) {
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
	msec_t until = record_get_deadline(
	    o, "wantedUntil", INT64_C(366) * 86400 * MSEC_PER_SEC, l->now);
	bool is_held = json_get(o, "held") &&
		       record_identity_read(json_get(o, "on"), &on) == 0 &&
		       record_held_read(json_get(o, "held"), l->now, &held) == 0;

	if (record_context_read(json_get(o, "context"), &c) < 0 ||
	    record_get_hex(o, "nonce", nonce, sizeof(nonce)) != PCP_NONCE_LEN)
		return true; /* damaged: dropped */
	/* What is wanted no more, by the configuration or by the time its uplink is
	 * there, is deleted; until then a mapping that takes it needs no tombstone. */
	if (is_held)
		bury(l, &c, nonce, &on, &held);
	if (c.persistence != PERSISTENCE_CONNECTION && until > l->now)
		restore(l, o, &c, nonce, &on, is_held ? &held : NULL, until);
	return true;
}

static void
forget(struct engine *e, const uint8_t *nonce)
{
	for (struct holding *h = e->holdings, *next; h; h = next) {
		next = h->next;
		if (memcmp(h->want.nonce, nonce, PCP_NONCE_LEN) == 0)
			holding_free(h);
	}
}

/* The end of a mapping that a record before this one, or a note, may tell of. */
static bool
load_gone(struct loading *l, const cJSON *o)
{
	const char *id = json_get_string(o, "id");
	struct mapping *m = id ? engine_find(l->engine, id) : NULL;
	uint8_t nonce[PCP_NONCE_LEN];
	bool confirmed = false;

	if (record_get_hex(o, "nonce", nonce, sizeof(nonce)) != PCP_NONCE_LEN)
		return true;
	(void)json_get_bool(o, "confirmed", &confirmed);
	if (m && memcmp(m->nonce, nonce, sizeof(nonce)) == 0)
		engine_drop_mapping(l->engine, m);
	if (confirmed)
		forget(l->engine, nonce);
	return true;
}

static bool
load_tombstone(struct loading *l, const cJSON *o)
{
	struct mapping_context c = {
		.transports = record_transports_read(json_get(o, "protocols")),
	};
	const char *description = json_get_string(o, "description");
	struct gateway_identity on;
	struct lease_held held;
	uint8_t nonce[PCP_NONCE_LEN];

	snprintf(
	    c.description, sizeof(c.description), "%s", description ? description : "");
	if (c.transports && record_get_addr(o, "internalAddress", &c.internal) &&
	    record_get_hex(o, "nonce", nonce, sizeof(nonce)) == PCP_NONCE_LEN &&
	    record_identity_read(json_get(o, "on"), &on) == 0 &&
	    record_held_read(json_get(o, "held"), l->now, &held) == 0)
		bury(l, &c, nonce, &on, &held);
	return true;
}

static bool
load_router(struct loading *l, const cJSON *o)
{
	struct gateway_identity on;
	struct habit *h;
	int64_t rung;

	if (record_identity_read(json_get(o, "on"), &on) < 0 ||
	    !record_get_uint(o, "leaseRung", 3, &rung))
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
load_ids(struct loading *l, const cJSON *o)
{
	int64_t last;

	if (record_get_uint(o, "last", UINT32_MAX, &last))
		l->engine->next_id = MAX(l->engine->next_id, (unsigned)last);
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
		{ "gone", load_gone },
		{ "tombstone", load_tombstone },
		{ "router", load_router },
		{ "ids", load_ids },
	};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (strcmp(kinds[i].kind, kind) == 0)
			return kinds[i].load(ctx, object);
	return false;
}

int
persist_load(struct engine *e, msec_t now)
{
	struct loading loading = { .engine = e, .now = now };
	int r;

	if (!e->state)
		return 0;
	r = state_load(e->state, load_record, &loading);
	if (r == -ENOMEM || loading.no_memory)
		return -ENOMEM;
	if (r != 0)
		log_warning_with(MESSAGE(MESSAGE_STATE_TROUBLE),
		    "what was held before: %s", state_error(e->state));
	return 0;
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
