/*
 * stun_look.c - what several STUN servers say our address is.
 *
 * An answer to anybody makes us ask one more server, until two agree or all were asked:
 * first over UDP, from a socket of our own, then those that are reached another way.
 * Where nobody answers over UDP, servers of UDP are asked over TCP, too (RFC 8489
 * section 6.2.2 has them listen there).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/log.h"
#include "daemon/stun_private.h"

#define AGAIN_MS (60 * MSEC_PER_SEC) /* between two questions to one server */

static const char *const family_names[STUN_FAMILIES] = { "IPv4", "IPv6" };

static void look(struct stun *s, unsigned row);

bool
stun_server_is_udp(const struct stun *s, unsigned server)
{
	return s->servers[server].uri.transport == STUN_UDP;
}

/* Those that said something lately.  Of those that differ one may have changed its mind
 * before its opinion is too old to count. */
static uint32_t
who_said(const struct stun *s, unsigned row)
{
	bool differ = s->looks[row].agreed == STUN_UNCERTAIN;
	msec_t now = loop_now(), lately = differ ? AGAIN_MS : STUN_OPINION_MS;
	uint32_t said = 0;

	for (unsigned i = 0; i < s->pool.count; i++) {
		const struct stun_opinion *o = &s->pool.opinions[row][i];

		if (o->seen.family != ADDR_NONE && now - o->at <= lately)
			said |= 1u << i;
	}
	return said;
}

/* ---- over TCP, TLS and DTLS ---- */

/* What to check certificates with: read when it is needed, so that it takes no memory
 * when it is not. */
static struct tls_trust *
trust(struct stun *s)
{
	const char *file = getenv("SSL_CERT_FILE");

	if (!file || !*file)
		file = TLS_AUTHORITIES;
	if (!s->trust && tls_trust_load(file, &s->trust) < 0)
		log_warning(
		    "no authorities to check certificates of STUN servers with in %s",
		    file);
	return s->trust;
}

static void
forget_trust(struct stun *s)
{
	for (unsigned row = 0; row < STUN_FAMILIES; row++)
		for (unsigned i = 0; i < STUN_ASKS; i++)
			if (s->looks[row].asks[i].query)
				return;
	s->trust = tls_trust_free(s->trust);
}

static void
on_answer(int error, const char *why, const struct stun_query_answer *answer, void *ctx)
{
	struct stun_ask *ask = ctx;
	struct stun *s = ask->stun;
	unsigned server = ask->server, row = ask->row;
	/* That a server of UDP has no TCP is no failure of it. */
	bool own = ask->transport == s->servers[server].uri.transport;

	ask->query = NULL;
	forget_trust(s);
	if (error == 0) {
		s->counters.answers++;
		if (own)
			stun_pool_answered(
			    &s->pool, server, answer->round_trip_ms, loop_now());
		else
			stun_pool_unused(&s->pool, server);
		stun_said(s, server, &answer->server, &answer->mapped.addr);
		return;
	}
	log_info("STUN server %s by %s: %s", s->servers[server].name,
	    stun_transport_name(ask->transport), why);
	s->counters.failures++;
	s->servers[server].next[row]++;
	if (own)
		stun_pool_failed(&s->pool, server, loop_now());
	else
		stun_pool_unused(&s->pool, server);
	stun_ask_others(s, row);
}

/* The addresses of the family, another one first after a failure. */
static size_t
addresses(const struct stun_server *server, unsigned row,
    struct endpoint ret[static STUN_QUERY_ADDRESSES])
{
	struct endpoint all[RESOLVE_MAX];
	size_t n = 0;

	for (size_t i = 0; i < server->count; i++)
		if (stun_row(server->list[i].addr.family) == row)
			all[n++] = server->list[i];
	for (size_t i = 0; i < MIN(n, STUN_QUERY_ADDRESSES); i++)
		ret[i] = all[(i + server->next[row]) % n];
	return MIN(n, STUN_QUERY_ADDRESSES);
}

static int
ask(struct stun *s, struct stun_ask *place, unsigned server, unsigned row)
{
	const struct stun_server *of = &s->servers[server];
	enum stun_transport transport =
	    of->uri.transport == STUN_UDP ? STUN_TCP : of->uri.transport;
	struct endpoint list[STUN_QUERY_ADDRESSES];
	struct stun_query_params p = {
		.transport = transport,
		.host = of->uri.host,
		.list = list,
		.count = addresses(of, row, list),
	};

	if (stun_transport_is_secure(transport)) {
		p.trust = trust(s);
		if (!p.trust)
			return -ENOENT;
	}
	stun_source(s, row ? ADDR_IPV6 : ADDR_IPV4, &p.from);
	*place = (struct stun_ask) {
		.stun = s,
		.server = (uint8_t)server,
		.row = (uint8_t)row,
		.transport = transport,
	};
	return stun_query_start(
	    s->loop, &s->chance, &p, on_answer, place, &place->query);
}

/* Those that can be asked now another way than by UDP, as they are configured or
 * instead. */
static uint32_t
others(struct stun *s, unsigned row, bool instead)
{
	struct stun_look *l = &s->looks[row];
	uint32_t mask = 0;
	msec_t now = loop_now();
	struct endpoint e;

	for (unsigned i = 0; i < s->pool.count; i++) {
		enum stun_transport t = s->servers[i].uri.transport;

		if ((t == STUN_UDP) != instead || (t == STUN_DTLS && l->udp_silent) ||
		    (l->asked_at[i] && now - l->asked_at[i] < AGAIN_MS))
			continue;
		l->waiting |= stun_server_resolve(&s->servers[i]);
		if (stun_server_address(&s->servers[i], row, &e))
			mask |= 1u << i;
	}
	return mask & ~who_said(s, row);
}

/* One of the mask, or -1: the circuits of these are about UDP. */
static int
any_of(uint32_t mask, struct rng *rng)
{
	uint64_t skip = rng_below(rng, (uint64_t)__builtin_popcount(mask));

	while (skip-- > 0)
		mask &= mask - 1;
	return mask ? __builtin_ctz(mask) : -1;
}

void
stun_ask_others(struct stun *s, unsigned row)
{
	struct stun_look *l = &s->looks[row];

	l->waiting = false;
	for (unsigned i = 0; i < STUN_ASKS && l->agreed != STUN_AGREED; i++) {
		uint32_t mask;
		int server = -1;

		if (l->asks[i].query)
			continue;
		mask = others(s, row, false);
		if (mask)
			server = stun_pool_choose(&s->pool, mask, &s->rng, loop_now());
		if (server < 0 && l->udp_silent) {
			mask = others(s, row, true);
			server = any_of(mask, &s->rng);
		}
		if (server < 0)
			return;
		s->counters.requests++;
		l->asked_at[server] = loop_now();
		if (ask(s, &l->asks[i], (unsigned)server, row) < 0)
			stun_pool_unused(&s->pool, (unsigned)server);
	}
}

void
stun_udp_silent(struct stun *s, unsigned row)
{
	struct stun_look *l = &s->looks[row];

	if (!l->udp_silent)
		log_info("no STUN server answers over UDP (%s)", family_names[row]);
	l->udp_silent = true;
	stun_ask_others(s, row);
}

void
stun_blocked(struct stun *s, enum addr_family family)
{
	stun_udp_silent(s, stun_row(family));
}

void
stun_udp_answers(struct stun *s, unsigned row)
{
	s->looks[row].udp_silent = false;
}

/* ---- over UDP ---- */

static void
look_found(const struct stun_report *r, void *ctx)
{
	struct stun *s = ctx;
	unsigned row = stun_row(r->reflexive.addr.family);

	s->looks[row].watch = stun_watch_stop(s->looks[row].watch);
	look(s, row);
}

static void
look_lost(struct stun *s, unsigned row)
{
	s->looks[row].watch = stun_watch_stop(s->looks[row].watch);
	stun_ask_others(s, row);
}

static void
look_lost4(const char *reason, bool offline, void *ctx)
{
	(void)reason;
	(void)offline;
	look_lost(ctx, 0);
}

static void
look_lost6(const char *reason, bool offline, void *ctx)
{
	(void)reason;
	(void)offline;
	look_lost(ctx, 1);
}

/* Asks one more server than those that said something lately. */
static void
look(struct stun *s, unsigned row)
{
	const struct twin_app none = { .fd = -1, .ipv4 = row == 0, .ipv6 = row == 1 };
	struct stun_look *l = &s->looks[row];
	uint32_t said = who_said(s, row), left = 0;

	if (l->agreed == STUN_AGREED || l->watch)
		return;
	for (unsigned i = 0; i < s->pool.count; i++)
		if (stun_server_is_udp(s, i) && !(said & 1u << i))
			left |= 1u << i;
	if (left == 0 || l->udp_silent) {
		stun_ask_others(s, row);
		return;
	}
	if (stun_watch_new(s, &none, &l->watch) < 0)
		return;
	l->watch->tried[row] = ~left;
	l->watch->hooks = (struct stun_watch_hooks) {
		.found = look_found, .lost = row ? look_lost6 : look_lost4, .ctx = s
	};
}

void
stun_look_more(struct stun *s)
{
	for (unsigned row = 0; row < STUN_FAMILIES; row++) {
		if (s->looks[row].watch)
			stun_watch_more(s->looks[row].watch);
		if (s->looks[row].waiting)
			stun_ask_others(s, row);
	}
}

void
stun_look_stop(struct stun *s)
{
	for (unsigned row = 0; row < STUN_FAMILIES; row++) {
		struct stun_look *l = &s->looks[row];

		stun_watch_stop(l->watch);
		for (unsigned i = 0; i < STUN_ASKS; i++)
			stun_query_cancel(l->asks[i].query);
		*l = (struct stun_look) { .agreed = STUN_UNKNOWN };
	}
	forget_trust(s);
}

/* ---- what they say ---- */

void
stun_observe(struct stun *s, struct stun_observer *o)
{
	o->next = s->observers;
	s->observers = o;
}

void
stun_unobserve(struct stun *s, struct stun_observer *o)
{
	for (struct stun_observer **at = &s->observers; *at; at = &(*at)->next)
		if (*at == o) {
			*at = o->next;
			return;
		}
}

static void
log_agreement(unsigned row, enum stun_agreement before, enum stun_agreement now,
    const struct addr *address)
{
	char text[ADDR_TEXT_MAX];

	if (now == STUN_AGREED)
		log_info("%s address outside: %s, say two independent STUN servers",
		    family_names[row], addr_format(address, text));
	else if (before == STUN_AGREED)
		log_notice("STUN servers no longer agree on our %s address outside",
		    family_names[row]);
}

void
stun_said(struct stun *s, unsigned server, const struct endpoint *from,
    const struct addr *seen)
{
	unsigned row = stun_row(seen->family);
	struct stun_look *l = &s->looks[row];
	enum stun_agreement before = l->agreed;
	struct addr address = { .family = ADDR_NONE };

	stun_pool_opinion(&s->pool, server, &from->addr, seen, loop_now());
	l->agreed = stun_pool_agreement(&s->pool, seen->family, loop_now(), &address);
	if (l->agreed != before || !addr_equal(&address, &l->external)) {
		l->external = address;
		log_agreement(row, before, l->agreed, &address);
		for (struct stun_observer *o = s->observers, *next; o; o = next) {
			next = o->next;
			o->external(o, seen->family);
		}
	}
	look(s, row);
}

enum stun_agreement
stun_external(const struct stun *s, enum addr_family family, struct addr *ret)
{
	return stun_pool_agreement(&s->pool, family, loop_now(), ret);
}
