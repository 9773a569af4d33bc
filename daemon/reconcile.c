/*
 * reconcile.c - compare wanted with held, and move what differs.
 *
 * Uplinks first (gateways come and go), then each mapping: the gateway it should be on
 * against the one it is on; then what nobody wants any more.  Runs at most once per
 * turn of the loop, whatever the reason.
 */
#include <string.h>

#include "daemon/engine_private.h"
#include "daemon/log.h"
#include "daemon/random.h"
#include "daemon/report.h"

#define HEAR_AGAIN_MS (60 * MSEC_PER_SEC)

/* ---- uplinks ---- */

static enum addr_family
family_of(const struct netmon_uplink *u)
{
	return u->family == AF_INET ? ADDR_IPV4 : ADDR_IPV6;
}

/* The same router as seen from the same address; a MAC that was not known yet or is not
 * known for the moment is no other router. */
static bool
same_uplink(const struct netmon_uplink *a, const struct netmon_uplink *b)
{
	if (!leaving_same_place(a, b) || a->family != b->family ||
	    strcmp(a->name, b->name) != 0)
		return false;
	if (a->mac_len == 0 || b->mac_len == 0)
		return true;
	return a->mac_len == b->mac_len && memcmp(a->mac, b->mac, a->mac_len) == 0;
}

/* up: the uplinks there are. */
static void
drop_gateway(struct engine *e, size_t i, const struct netmon_uplink *up, size_t count)
{
	struct gateway *g = e->gateways[i];

	log_info("uplink %s is gone", gateway_name(g));
	persist_learn(e, g);
	carrier_abandon(e, g);
	memmove(&e->gateways[i], &e->gateways[i + 1],
	    (e->gateways_count - i - 1) * sizeof(e->gateways[0]));
	e->gateways_count--;
	leaving_take(e, g, up, count);
	engine_tell(e, ENGINE_GATEWAY_CHANGED, NULL, NULL);
}

struct gateway *
reconcile_new_gateway(struct engine *e, const struct netmon_uplink *u)
{
	const struct conf_uplink *named = conf_find_uplink(e->conf, u->name);
	struct router_settings settings = {
		.gateway = gateway_addr(&u->gateway, u->ifindex),
		.local = gateway_addr(&u->source, u->ifindex),
		.seed = random_u64(),
		.methods =
		    conf_methods_mask(named ? &named->methods : &e->conf->methods),
		.probe_ms = e->conf->probe_s * MSEC_PER_SEC,
	};
	struct gateway_hooks hooks = holding_hooks;
	struct gateway_identity on;
	struct gateway *g;

	hooks.ctx = e;
	if (gateway_new(e->loop, u, &settings, &hooks, &g) < 0) {
		e->uplinks_dirty = e->no_memory = true;
		return NULL;
	}
	identity_of(g, &on);
	settings.habits = persist_habits(e, &on);
	router_set_habits(gateway_router(g), &settings.habits);
	engine_trace_gateway(e, g);
	return g;
}

static void
add_gateway(struct engine *e, const struct netmon_uplink *u)
{
	struct gateway *g;

	if (u->source.family == AF_UNSPEC || e->gateways_count == GATEWAYS_MAX)
		return;
	g = reconcile_new_gateway(e, u);
	if (!g)
		return;
	e->gateways[e->gateways_count++] = g;
	leaving_end(e, g);
	log_info("uplink %s", gateway_name(g));
	engine_tell(e, ENGINE_GATEWAY_CHANGED, NULL, g);
}

size_t
reconcile_named(
    const struct engine *e, struct netmon_named ret[static CONF_UPLINKS_MAX])
{
	size_t count = 0;

	for (size_t i = 0; i < e->conf->uplinks_count; i++) {
		const struct conf_uplink *c = &e->conf->uplinks[i];
		struct netmon_named *n = &ret[count++];

		*n = (struct netmon_named) { .gateway = { .family = AF_UNSPEC } };
		memcpy(n->name, c->ifname, sizeof(n->name));
		if (c->gateway.addr.family != ADDR_NONE) {
			n->gateway.family =
			    c->gateway.addr.family == ADDR_IPV4 ? AF_INET : AF_INET6;
			memcpy(n->gateway.bytes, c->gateway.addr.bytes, 16);
		}
	}
	return count;
}

static void
follow_uplinks(struct engine *e, msec_t now)
{
	struct netmon_named named[CONF_UPLINKS_MAX];
	struct netmon_uplink up[GATEWAYS_MAX];
	size_t count =
	    netmon_uplinks(e->net, named, reconcile_named(e, named), up, GATEWAYS_MAX);
	bool known[GATEWAYS_MAX] = { false };

	for (size_t i = 0; i < e->gateways_count;) {
		const struct gateway *g = e->gateways[i];
		size_t k = 0;

		while (
		    k < count && (known[k] || !same_uplink(&up[k], gateway_uplink(g))))
			k++;
		if (k == count) {
			drop_gateway(e, i, up, count);
			continue;
		}
		known[k] = true;
		gateway_update_uplink(e->gateways[i++], &up[k]);
	}
	for (size_t k = 0; k < count; k++)
		if (!known[k])
			add_gateway(e, &up[k]);
	leaving_find(e, up, count);
	/* Now it is known which mappings have another way. */
	for (size_t i = 0; i < e->leaving_count; i++)
		holding_retire(e, e->leaving[i], now);
}

/* ---- mappings ---- */

static bool
is_loopback(const struct engine *e, int ifindex)
{
	size_t count;
	const struct netmon_link *links = netmon_links(e->net, &count);

	for (size_t i = 0; i < count; i++)
		if (links[i].ifindex == ifindex)
			return links[i].loopback;
	return false;
}

/* An address of this host is reached by its own link, also while that leads nowhere;
 * another host's may be behind any. */
static bool
is_on_another_link(const struct engine *e, const struct addr *a, int ifindex)
{
	struct netmon_ip ip = gateway_ip(a);
	size_t count;
	const struct netmon_addr *addrs = netmon_addrs(e->net, &count);
	bool other = false;

	for (size_t i = 0; i < count; i++) {
		if (!netmon_same_ip(&addrs[i].ip, &ip))
			continue;
		if (addrs[i].ifindex == ifindex || is_loopback(e, addrs[i].ifindex))
			return false;
		other = true;
	}
	return other;
}

static bool
uplink_fits(const struct engine *e, const struct mapping *m, const struct gateway *g,
    enum addr_family family)
{
	const struct netmon_uplink *u = gateway_uplink(g);
	struct addr gateway = gateway_addr(&u->gateway, 0);
	struct addr wanted = m->context.gateway;

	if (family_of(u) != family)
		return false;
	if (is_on_another_link(e, &m->context.internal, u->ifindex))
		return false;
	if (m->context.ifname[0] && strcmp(m->context.ifname, u->name) != 0)
		return false;
	return wanted.family == ADDR_NONE || addr_equal(&wanted, &gateway);
}

static struct gateway *
choose_in_family(struct engine *e, const struct mapping *m, enum addr_family family)
{
	struct gateway *best = NULL;

	for (size_t i = 0; i < e->gateways_count; i++) {
		struct gateway *g = e->gateways[i];

		if (!uplink_fits(e, m, g, family))
			continue;
		if (!best || gateway_uplink(g)->is_default)
			best = g;
	}
	return best;
}

/* The IPv4 of a host that has none (464XLAT): the addresses of RFC 7335 are made by
 * this host itself, and nobody can be asked to map to them (F62). */
static bool
is_translated_here(const struct gateway *g)
{
	const struct addr *local = gateway_local(g);

	return local->family == ADDR_IPV4 && local->bytes[0] == 192 &&
	       local->bytes[1] == 0 && local->bytes[2] == 0 && local->bytes[3] < 8;
}

struct gateway *
reconcile_choose(struct engine *e, const struct mapping *m)
{
	enum addr_family family = m->context.family;
	struct gateway *g, *other;

	if (m->context.internal.family != ADDR_NONE)
		family = m->context.internal.family;
	if (family == ADDR_NONE && m->context.gateway.family != ADDR_NONE)
		family = m->context.gateway.family;
	if (family != ADDR_NONE)
		return choose_in_family(e, m, family);
	g = choose_in_family(e, m, ADDR_IPV4);
	other = g && !is_translated_here(g) ? NULL : choose_in_family(e, m, ADDR_IPV6);
	return other ? other : g;
}

static void
follow_mapping(struct engine *e, struct mapping *m, msec_t now)
{
	bool abandoned = m->abandoned;
	struct gateway *wanted;
	struct lease_want want;

	if (m->wanted_until <= now && !m->releasing && m->holders == 0)
		engine_release(e, m, MAPPING_END_LIFETIME);
	/* The deletion goes on without it. */
	if (m->wanted_until <= now && m->releasing && m->lease)
		holding_release(e, m, now);
	m->waits = m->abandoned = false;
	if (m->releasing || e->stopping)
		return;
	wanted = reconcile_choose(e, m);
	if (wanted == m->gateway && (m->lease || (!wanted && !abandoned)))
		return;
	if (m->lease)
		holding_release(e, m, now);
	if (!wanted) {
		engine_tell(e, ENGINE_MAPPING_CHANGED, m, NULL);
		return;
	}
	/* What is being deleted there with the same port must be gone first. */
	want_of(e, m, wanted, &want);
	m->waits = holding_busy(e, &want, wanted);
	if (m->waits)
		return;
	if (holding_take(e, m, wanted, now) < 0)
		e->no_memory = true;
}

/* Mappings whose release is complete, or that were never anywhere. */
static void
drop_released(struct engine *e)
{
	bool permanent = false;

	for (struct mapping *m = e->mappings, *next; m; m = next) {
		next = m->next;
		if (!m->releasing || m->lease)
			continue;
		permanent |= m->context.persistence == PERSISTENCE_PERMANENT;
		persist_gone(e, m);
		if (!e->stopping)
			report_gone(m);
		engine_drop_mapping(e, m);
	}
	/* Before anybody is told: it must not come back with the next start. */
	if (permanent)
		persist_now(e);
}

static void
heard_announcement(unsigned ifindex, const struct addr *from, void *ctx)
{
	struct engine *e = ctx;

	for (size_t i = 0; i < e->gateways_count; i++) {
		const struct netmon_uplink *u = gateway_uplink(e->gateways[i]);
		struct addr gateway = gateway_addr(&u->gateway, u->ifindex);

		if ((unsigned)u->ifindex == ifindex && addr_equal(&gateway, from))
			gateway_announced(e->gateways[i]);
	}
}

static void
heard_ssdp(
    unsigned ifindex, const struct addr *from, const char *buf, size_t len, void *ctx)
{
	struct engine *e = ctx;

	/* Whom to believe is up to the router: it hears answers to its own searches,
	 * too.
	 */
	for (size_t i = 0; i < e->gateways_count; i++)
		if ((unsigned)gateway_uplink(e->gateways[i])->ifindex == ifindex)
			gateway_ssdp(e->gateways[i], from, buf, len);
}

int
reconcile_listen(struct engine *e)
{
	const struct hear_hooks hooks = {
		.announced = heard_announcement,
		.ssdp = heard_ssdp,
		.ctx = e,
	};

	return hear_new(e->loop, &hooks, &e->hear);
}

/* When to try again what another program keeps us from hearing. */
static msec_t
follow_listeners(struct engine *e, msec_t now)
{
	unsigned ifindexes[GATEWAYS_MAX];
	size_t count = 0;

	for (size_t i = 0; i < e->gateways_count; i++) {
		const struct gateway *g = e->gateways[i];

		if (router_leases(gateway_router(g)) > 0)
			ifindexes[count++] = (unsigned)gateway_uplink(g)->ifindex;
	}
	return hear_on(e->hear, ifindexes, count) ? MSEC_NEVER : now + HEAR_AGAIN_MS;
}

static void
follow_events(struct engine *e)
{
	for (size_t i = 0; i < e->gateways_count; i++)
		gateway_want_events(e->gateways[i], e->conf->events && !e->stopping);
}

bool
reconcile_is_leaving(const struct engine *e)
{
	for (size_t i = 0; i < e->gateways_count; i++)
		if (gateway_has_events(e->gateways[i]))
			return true;
	return holding_any_releasing(e);
}

void
reconcile_state(struct engine *e)
{
	enum engine_state was = e->state_now;
	bool failed = false;

	for (const struct mapping *m = e->mappings; m; m = m->next) {
		struct lease_status st;

		/* Before its first verdict, and once nobody wants it, it says nothing
		 * about this host. */
		mapping_status(m, &st);
		failed |= st.verdict &&
			  (st.state == MAPPING_FAILED || st.state == MAPPING_DEGRADED);
	}
	e->state_now = e->gateways_count == 0 ? ENGINE_OFFLINE
		       : failed               ? ENGINE_DEGRADED
					      : ENGINE_ONLINE;
	if (e->state_now != was) {
		log_debug("state: %s", engine_state_name(e->state_now));
		if (e->state_now == ENGINE_OFFLINE)
			report_no_uplink();
		engine_tell(e, ENGINE_STATE_CHANGED, NULL, NULL);
	}
}

void
reconcile(struct engine *e, msec_t now)
{
	msec_t next = holding_expire(e, now);

	e->no_memory = false;
	if (e->conf_dirty)
		engine_follow_conf(e);
	if (e->uplinks_dirty) {
		e->uplinks_dirty = false;
		follow_uplinks(e, now);
	}
	for (size_t i = 0; i < e->gateways_count; i++)
		holding_clean(e, e->gateways[i], GATEWAY_UPLINK, now);
	for (size_t i = 0; i < e->leaving_count; i++)
		holding_clean(e, e->leaving[i], GATEWAY_LEFT, now);
	carrier_begin(e);
	for (struct mapping *m = e->mappings; m; m = m->next) {
		follow_mapping(e, m, now);
		next = MIN(next, carrier_follow(e, m, now));
	}
	carrier_end(e, now);
	drop_released(e);
	leaving_end(e, NULL);
	for (const struct mapping *m = e->mappings; m; m = m->next)
		if (m->holders == 0 || m->releasing)
			next = MIN(next, m->wanted_until);
	persist_notes(e);
	next = MIN(next, follow_listeners(e, now));
	follow_events(e);
	reconcile_state(e);
	if (e->no_memory) {
		log_error("out of memory, trying again");
		next = MIN(next, now + NO_MEMORY_MS);
	}
	if (e->reconcile_timer.slot == 0 || e->reconcile_timer.at > next)
		timer_set(&e->reconcile_timer, next);
}
