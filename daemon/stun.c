/*
 * stun.c - the configured STUN servers: their names, their health, what they agree on,
 * and when all that has to be found out anew.
 */
#include "daemon/stun.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/log.h"
#include "daemon/random.h"
#include "daemon/stun_private.h"

#define NAME_FRESH_MS (3600 * MSEC_PER_SEC)
#define NAME_GOOD_MS (24 * 3600 * MSEC_PER_SEC) /* when the DNS is down */
#define NAME_RETRY_MS (10 * MSEC_PER_SEC)

/* ---- names ---- */

/* Watches that have no server yet may have one now. */
static void
tell_watches(struct stun *s)
{
	for (struct stun_watch *w = s->watches; w; w = w->next)
		stun_watch_more(w);
	stun_look_more(s);
	if (s->listener.resolved)
		s->listener.resolved(s->listener.ctx);
}

static void
on_resolved(int error, const struct endpoint *list, size_t n, bool last, void *ctx)
{
	struct stun_server *server = ctx;

	if (last)
		server->resolve = NULL;
	server->more_to_come = !last;
	server->error = error;
	if (error == 0) {
		memcpy(server->list, list, n * sizeof(*list));
		server->count = n;
		server->resolved_at = loop_now();
		server->failed_at = 0;
	} else {
		server->failed_at = loop_now();
		log_info("STUN server %s: %s", server->uri.host,
		    error == -ENOENT ? "no such name" : "its name is not resolved");
	}
	tell_watches(server->stun);
}

bool
stun_server_resolve(struct stun_server *server)
{
	const struct resolve_question q = {
		.host = server->uri.host,
		.port = server->uri.port,
		.default_port = stun_transport_port(server->uri.transport),
		.service = stun_transport_service(server->uri.transport),
	};
	msec_t now = loop_now();

	if (server->count && now - server->resolved_at > NAME_GOOD_MS)
		server->count = 0;
	if (server->resolve)
		return server->count == 0;
	if (server->count && now - server->resolved_at < NAME_FRESH_MS)
		return false;
	if (server->failed_at && now - server->failed_at < NAME_RETRY_MS)
		return false;
	server->error = resolve_start(
	    server->stun->loop, &q, on_resolved, server, &server->resolve);
	if (server->error < 0) {
		server->resolve = NULL;
		server->failed_at = now;
	}
	return server->resolve && server->count == 0;
}

bool
stun_server_address(
    const struct stun_server *server, unsigned row, struct endpoint *ret)
{
	unsigned count = 0, at;

	for (size_t i = 0; i < server->count; i++)
		count += stun_row(server->list[i].addr.family) == row;
	if (count == 0)
		return false;
	at = server->next[row] % count;
	for (size_t i = 0; i < server->count; i++)
		if (stun_row(server->list[i].addr.family) == row && at-- == 0) {
			*ret = server->list[i];
			return true;
		}
	return false;
}

void
stun_server_done(struct stun_server *server)
{
	server->resolve = resolve_cancel(server->resolve);
}

/* ---- the network ---- */

static void
digest(uint64_t *sum, const void *bytes, size_t len)
{
	const uint8_t *b = bytes;

	/* FNV-1a: only a difference counts. */
	while (len--)
		*sum = (*sum ^ *b++) * UINT64_C(0x100000001b3);
}

static uint64_t
network_digest(const struct engine *e)
{
	uint64_t sum = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < engine_gateways(e); i++) {
		const struct netmon_uplink *u = gateway_uplink(engine_gateway(e, i));

		digest(&sum, &u->ifindex, sizeof(u->ifindex));
		digest(&sum, &u->family, sizeof(u->family));
		digest(&sum, u->gateway.bytes, sizeof(u->gateway.bytes));
		digest(&sum, u->source.bytes, sizeof(u->source.bytes));
		digest(&sum, &u->is_default, sizeof(u->is_default));
	}
	return sum;
}

static void
network_changed(struct stun *s)
{
	stun_pool_network_changed(&s->pool);
	stun_look_stop(s);
	memset(s->lifetime_s, 0, sizeof(s->lifetime_s));
	for (unsigned i = 0; i < s->pool.count; i++)
		s->servers[i].failed_at = 0;
	for (struct stun_watch *w = s->watches; w; w = w->next) {
		if (w->own)
			w->own->failed_at = 0;
		stun_watch_restart(w);
	}
}

static void
on_engine_event(struct engine_observer *o, enum engine_event event,
    const struct mapping *m, const struct gateway *g)
{
	struct stun *s = (struct stun *)((char *)o - offsetof(struct stun, observer));
	uint64_t now;

	(void)m;
	(void)g;
	switch (event) {
	case ENGINE_GATEWAY_CHANGED:
	case ENGINE_STATE_CHANGED:
		now = network_digest(s->engine);
		if (now != s->network)
			network_changed(s);
		s->network = now;
		break;
	case ENGINE_EXTERNAL_CHANGED:
		/* The router has another address: so have all bindings. */
		for (struct stun_watch *w = s->watches; w; w = w->next)
			stun_watch_hurry(w);
		break;
	case ENGINE_MAPPING_ADDED:
	case ENGINE_MAPPING_CHANGED:
	case ENGINE_MAPPING_REMOVED:
		break;
	}
}

void
stun_source(const struct stun *s, enum addr_family family, struct sock_from *ret)
{
	*ret = (struct sock_from) { .local = { .family = family } };
	for (size_t i = 0; i < engine_gateways(s->engine); i++) {
		const struct netmon_uplink *u =
		    gateway_uplink(engine_gateway(s->engine, i));
		struct addr source = gateway_addr(&u->source, u->ifindex);

		if (u->is_default && source.family == family) {
			*ret = (struct sock_from) { source, u->name,
				(unsigned)u->ifindex };
			return;
		}
	}
}

bool
stun_speaks(const struct stun *s, enum addr_family family)
{
	struct endpoint e;

	for (unsigned i = 0; i < s->pool.count; i++)
		if (stun_server_is_udp(s, i) &&
		    stun_server_address(&s->servers[i], stun_row(family), &e))
			return true;
	return false;
}

bool
stun_disagree(const struct stun *s, enum addr_family family)
{
	const struct addr *first = NULL;
	msec_t now = loop_now();

	for (unsigned i = 0; i < s->pool.count; i++) {
		const struct stun_opinion *o = &s->pool.opinions[stun_row(family)][i];

		if (o->seen.family == ADDR_NONE || now - o->at > STUN_OPINION_MS)
			continue;
		if (first && !addr_equal(first, &o->seen))
			return true;
		first = &o->seen;
	}
	return false;
}

/* ---- settings ---- */

msec_t
stun_interval(const struct stun *s, unsigned row)
{
	if (s->lifetime_s[row] == 0)
		return STUN_KEEPALIVE_MS;
	return (msec_t)s->lifetime_s[row] * MSEC_PER_SEC * 7 / 10;
}

void
stun_set_lifetime(struct stun *s, enum addr_family family, unsigned lifetime_s)
{
	if (s->lifetime_s[stun_row(family)] == lifetime_s)
		return;
	s->lifetime_s[stun_row(family)] = lifetime_s;
	for (struct stun_watch *w = s->watches, *next; w; w = next) {
		next = w->next;
		stun_watch_retime(w);
	}
}

static bool
same_servers(const struct stun *s, const struct conf_stun_servers *conf)
{
	if (s->pool.count != conf->count)
		return false;
	for (unsigned i = 0; i < conf->count; i++)
		if (strcmp(s->servers[i].uri.host, conf->list[i].host) != 0 ||
		    s->servers[i].uri.port != conf->list[i].port ||
		    s->servers[i].uri.transport != conf->list[i].transport)
			return false;
	return true;
}

void
stun_set_conf(struct stun *s, const struct conf *conf)
{
	const struct conf_stun_servers *servers = &conf->stun_servers;

	if (same_servers(s, servers))
		return;
	for (unsigned i = 0; i < s->pool.count; i++)
		stun_server_done(&s->servers[i]);
	/* Those who ask have pointers to servers. */
	stun_look_stop(s);
	memset(s->servers, 0, sizeof(s->servers));
	stun_pool_init(&s->pool, servers->count);
	for (unsigned i = 0; i < s->pool.count; i++) {
		s->servers[i].stun = s;
		s->servers[i].uri = servers->list[i];
		stun_uri_format(&servers->list[i], s->servers[i].name);
	}
	s->generation++;
	network_changed(s);
}

/* ---- for others ---- */

size_t
stun_choose(struct stun *s, enum addr_family family, struct stun_choice *ret,
    size_t max, bool *ret_pending)
{
	const unsigned count = s->pool.count;
	unsigned start = (unsigned)rng_below(&s->rng, count);
	msec_t now = loop_now();
	size_t n = 0;

	*ret_pending = false;
	for (unsigned i = 0; i < count; i++) {
		struct endpoint e;

		if (!stun_server_is_udp(s, i))
			continue;
		stun_server_resolve(&s->servers[i]);
		*ret_pending |=
		    s->servers[i].resolve &&
		    !stun_server_address(&s->servers[i], stun_row(family), &e);
	}
	for (unsigned i = 0; i < 2 * count && n < max; i++) {
		unsigned server = (start + i) % count;
		bool closed =
		    stun_pool_circuit(&s->pool, server, now) == STUN_CIRCUIT_CLOSED;

		if (!stun_server_is_udp(s, server) || closed != (i < count) ||
		    !stun_server_address(
			&s->servers[server], stun_row(family), &ret[n].endpoint))
			continue;
		ret[n++].server = server;
	}
	return n;
}

bool
stun_unresolved(const struct stun *s)
{
	for (unsigned i = 0; i < s->pool.count; i++)
		if (stun_server_is_udp(s, i) && s->servers[i].failed_at &&
		    s->servers[i].count == 0)
			return true;
	return false;
}

void
stun_heard(struct stun *s, unsigned server, msec_t round_trip_ms)
{
	if (server >= s->pool.count)
		return;
	s->counters.requests++;
	if (round_trip_ms < 0) {
		s->counters.failures++;
		stun_pool_failed(&s->pool, server, loop_now());
	} else {
		s->counters.answers++;
		stun_pool_answered(&s->pool, server, round_trip_ms, loop_now());
	}
}

unsigned
stun_generation(const struct stun *s)
{
	return s->generation;
}

void
stun_listen(struct stun *s, const struct stun_listener *listener)
{
	s->listener = listener ? *listener : (struct stun_listener) { 0 };
}

void
stun_kept(struct stun *s, unsigned row)
{
	if (s->lifetime_s[row] == 0 && s->listener.kept)
		s->listener.kept(row ? ADDR_IPV6 : ADDR_IPV4, s->listener.ctx);
}

/* ---- what is known ---- */

size_t
stun_servers(const struct stun *s)
{
	return s->pool.count;
}

void
stun_server_status(const struct stun *s, size_t i, struct stun_server_status *ret)
{
	const struct stun_server *server = &s->servers[i];
	const struct stun_health *h = &s->pool.servers[i];

	*ret = (struct stun_server_status) {
		.name = server->name,
		.round_trip_us = h->rtt.at ? h->rtt.smoothed_us : -1,
		.success_rate = stun_pool_success_rate(&s->pool, (unsigned)i),
		.failures_in_a_row = h->failures_in_a_row,
		.circuit = stun_pool_circuit(&s->pool, (unsigned)i, loop_now()),
	};
	if (!stun_server_address(server, 0, &ret->endpoint) &&
	    !stun_server_address(server, 1, &ret->endpoint))
		ret->endpoint = (struct endpoint) { .addr = { .family = ADDR_NONE } };
}

const struct stun_counters *
stun_get_counters(const struct stun *s)
{
	return &s->counters;
}

/* ---- life ---- */

int
stun_new(struct loop *loop, const struct conf *conf, struct engine *engine,
    struct fdstore *store, struct stun **ret)
{
	struct stun *s = calloc(1, sizeof(*s));
	uint8_t seed[CRYPTO_RNG_SEED_LEN];
	int r;

	if (!s)
		return -ENOMEM;
	random_fill(seed, sizeof(seed));
	r = crypto_rng_new(seed, &s->ids);
	crypto_wipe(seed, sizeof(seed));
	if (r == 0)
		r = stun_keep_new(loop, store, &s->keep);
	if (r == 0)
		r = stun_late_new(loop, &s->late);
	if (r < 0) {
		stun_keep_free(s->keep);
		crypto_rng_free(s->ids);
		free(s);
		return r;
	}
	s->loop = loop;
	s->engine = engine;
	s->rng.state = random_u64();
	s->chance = (struct stun_chance) { s->ids, &s->rng };
	s->network = network_digest(engine);
	s->observer.event = on_engine_event;
	engine_observe(engine, &s->observer);
	stun_set_conf(s, conf);
	*ret = s;
	return 0;
}

struct stun *
stun_free(struct stun *s)
{
	if (!s)
		return NULL;
	engine_unobserve(s->engine, &s->observer);
	stun_look_stop(s);
	for (unsigned i = 0; i < s->pool.count; i++)
		stun_server_done(&s->servers[i]);
	stun_keep_free(s->keep);
	stun_late_free(s->late);
	crypto_rng_free(s->ids);
	free(s);
	return NULL;
}
