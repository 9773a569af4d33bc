/*
 * engine_conf.c - static mappings follow the configuration.
 */
#include <stdio.h>
#include <string.h>

#include "daemon/engine_private.h"
#include "daemon/log.h"
#include "daemon/random.h"

static void
context_of(const struct conf_mapping *c, struct mapping_context *ret)
{
	*ret = (struct mapping_context) {
		.transports = c->transports,
		.router_chooses = c->internal_port == 0,
		.internal_port = c->internal_port,
		.internal = c->internal,
		.family = c->family,
		.gateway = c->gateway.addr,
		.external_port = c->external_port,
		.prefer_failure = c->prefer_failure,
		.lifetime_s = c->lease_s,
		.persistence = PERSISTENCE_PERMANENT,
		.methods_count = c->methods.count,
	};
	memcpy(ret->methods, c->methods.list, sizeof(ret->methods));
	memcpy(ret->ifname, c->ifname, sizeof(ret->ifname));
	snprintf(ret->description, sizeof(ret->description), "%s", c->description);
}

static bool
same_context(const struct mapping_context *a, const struct mapping_context *b)
{
	return a->transports == b->transports &&
	       a->router_chooses == b->router_chooses &&
	       a->internal_port == b->internal_port && mapping_same_place(a, b) &&
	       mapping_same_number(a, b) && a->lifetime_s == b->lifetime_s &&
	       strcmp(a->description, b->description) == 0;
}

static struct mapping *
find_configured(struct engine *e, const char *name)
{
	for (struct mapping *m = e->mappings; m; m = m->next)
		if (m->origin == MAPPING_BY_CONFIG && !m->releasing &&
		    strcmp(m->name, name) == 0)
			return m;
	return NULL;
}

bool
engine_has_configured(struct engine *e, const char *name)
{
	return find_configured(e, name) != NULL;
}

static void
follow_conf_mapping(struct engine *e, const struct conf_mapping *c)
{
	struct mapping *m = find_configured(e, c->name);
	struct mapping_context context;

	context_of(c, &context);
	if (m && same_context(&m->context, &context))
		return;
	if (m)
		engine_release(e, m, MAPPING_END_CONFIG);
	m = engine_add_mapping(e, NULL);
	if (!m) {
		e->conf_dirty = e->no_memory = true;
		return;
	}
	m->origin = MAPPING_BY_CONFIG;
	snprintf(m->name, sizeof(m->name), "%s", c->name);
	m->context = context;
	random_fill(m->nonce, sizeof(m->nonce));
	engine_tell(e, ENGINE_MAPPING_ADDED, m, NULL);
}

static bool
in_conf(const struct conf *c, const char *name)
{
	for (size_t i = 0; i < c->mappings_count; i++)
		if (strcmp(c->mappings[i].name, name) == 0)
			return true;
	return false;
}

void
engine_follow_conf(struct engine *e)
{
	e->conf_dirty = false;
	for (struct mapping *m = e->mappings; m; m = m->next)
		if (m->origin == MAPPING_BY_CONFIG && !in_conf(e->conf, m->name))
			engine_release(e, m, MAPPING_END_CONFIG);
	for (size_t i = 0; i < e->conf->mappings_count; i++)
		follow_conf_mapping(e, &e->conf->mappings[i]);
	persist_now(e);
}

/* Leases that run follow the new methods and lifetimes: at once where the method they
 * are held by is not allowed any more, else with a renewal. */
static void
follow_conf_lease(struct engine *e, struct mapping *m, msec_t now)
{
	const struct lease_want *was;
	struct lease_status st;
	struct lease_want want;

	if (!m->lease || m->releasing)
		return;
	lease_status(m->lease, &st);
	if (st.is_held && !holding_may_use(e, m, m->gateway, st.held.method)) {
		holding_release(e, m, now);
		m->last.expires_at = 0; /* deleted: nothing to adopt */
		return;
	}
	was = lease_wanted(m->lease);
	want_of(e, m, m->gateway, &want);
	if (was->lifetime_s == want.lifetime_s &&
	    was->order_count == want.order_count &&
	    memcmp(was->order, want.order, sizeof(want.order)) == 0)
		return;
	lease_set_methods(m->lease, &want);
	lease_set_lifetime(m->lease, want.lifetime_s);
	lease_renew(m->lease, now);
	gateway_kick(m->gateway);
}

static void
follow_conf_uplinks(struct engine *e)
{
	msec_t now = loop_now();

	for (size_t i = 0; i < e->gateways_count; i++) {
		struct gateway *g = e->gateways[i];
		const struct conf_uplink *named =
		    conf_find_uplink(e->conf, gateway_uplink(g)->name);

		router_configure(gateway_router(g),
		    conf_methods_mask(named ? &named->methods : &e->conf->methods),
		    e->conf->probe_s * MSEC_PER_SEC, now);
		gateway_kick(g);
	}
	for (struct mapping *m = e->mappings; m; m = m->next)
		follow_conf_lease(e, m, now);
}

void
engine_set_conf(struct engine *e, const struct conf *conf)
{
	struct netmon_named named[CONF_UPLINKS_MAX];
	int r;

	e->conf = conf;
	r = netmon_watch(e->net, named, reconcile_named(e, named));
	if (r < 0)
		log_warning("cannot watch the named uplinks: %s", strerror(-r));
	engine_follow_conf(e);
	follow_conf_uplinks(e);
	e->uplinks_dirty = true;
	engine_wake(e);
}

const struct conf *
engine_conf(const struct engine *e)
{
	return e->conf;
}
