/*
 * behavior_world.h - a host behind a NAT of any behaviour, STUN servers of RFC 5780 on
 * the other side, and a path that loses packets; on a simulated clock.
 */
#pragma once

#include <assert.h>
#include <string.h>

#include "proto/behavior.h"
#include "proto/stun_attr.h"

#define T0 INT64_C(1000000)
#define WORLD_SOCKETS 64
#define WORLD_PACKETS 512
#define WORLD_BINDINGS 256
#define WORLD_MTU 1500

enum nat_hairpin { HAIRPIN_NO, HAIRPIN_FREE, HAIRPIN_FILTERED };

struct nat {
	enum behavior mapping, filtering;
	enum nat_hairpin hairpin;
	bool preserves;
	bool blocks;          /* all UDP */
	unsigned lifetime_ms; /* of a binding; 0: for ever */
	bool per_host;        /* the filter opens for all sockets at once */
	bool drops_fragments;
	bool masks; /* what comes in has the router's address */
};

enum server_manner {
	FULL,     /* RFC 5780 */
	SINGLE,   /* one address */
	DEAD,     /* never answers */
	DEAF,     /* takes CHANGE-REQUEST for nothing */
	MUTE,     /* what is to come from elsewhere never does */
	REFUSING, /* 420 to what it does not know, though it has OTHER-ADDRESS */
	LYING,    /* sees us elsewhere */
	PORTLESS, /* 420 to RESPONSE-PORT */
	CALLOUS,  /* takes RESPONSE-PORT for nothing */
	ONE_IP,   /* its other address is its own */
	ONE_PORT, /* its other port is its own */
	INSIDE,   /* its other address is one of ours */
};

struct world_server {
	enum server_manner manner;
	struct endpoint primary, other;
	msec_t rtt_ms;
};

struct binding {
	unsigned socket;
	struct endpoint to; /* as far as it counts for the mapping */
	uint16_t port;
	msec_t used_at;
};

struct packet {
	bool used, to_client;
	unsigned socket; /* it left from */
	struct endpoint from, to;
	msec_t at;
	size_t len;
	uint8_t buf[WORLD_MTU + 100];
};

struct world {
	struct nat nat;
	bool v6;
	unsigned loss; /* percent, each way */
	msec_t jitter_ms;
	msec_t dark_at, dark_ms;     /* nothing passes */
	msec_t frozen_at, frozen_ms; /* all that arrives waits for the end */
	unsigned limit;              /* what a server answers per second; 0: all */
	int64_t bucket;              /* in thousandths */
	msec_t filled_at;
	struct world_server servers[BEHAVIOR_SERVERS];
	unsigned servers_count;
	struct rng rng;
	struct crypto_rng *ids;
	struct stun_chance chance;
	struct endpoint local[WORLD_SOCKETS];
	struct binding bindings[WORLD_BINDINGS];
	unsigned bindings_count;
	struct {
		uint16_t port;
		struct endpoint remote;
		msec_t at;
	} permits[4 * WORLD_BINDINGS];
	unsigned permits_count;
	struct packet packets[WORLD_PACKETS];
	msec_t now;
	unsigned sent, to_servers;
};

static struct endpoint
world_endpoint(const struct world *w, uint8_t net, uint8_t host, uint16_t port)
{
	const uint8_t v6[16] = { 0x2a, 0x10, 0, net, [15] = host };
	struct endpoint e = { .port = port };

	e.addr = w->v6 ? addr_from_bytes(ADDR_IPV6, v6)
		 : net ? addr_ipv4(11, 22, net, host)
		       : addr_ipv4(192, 168, 1, host);
	return e;
}

static void
world_init(struct world *w, const struct nat *nat, bool v6, uint64_t seed)
{
	uint8_t bytes[CRYPTO_RNG_SEED_LEN] = { 0 };

	memset(w, 0, sizeof(*w));
	w->nat = *nat;
	w->v6 = v6;
	w->rng.state = seed;
	memcpy(bytes, &seed, sizeof(seed));
	if (crypto_rng_new(bytes, &w->ids) < 0)
		abort();
	w->chance = (struct stun_chance) { w->ids, &w->rng };
	w->now = T0;
	for (unsigned i = 0; i < WORLD_SOCKETS; i++)
		w->local[i] = world_endpoint(
		    w, 0, 20, (uint16_t)(40000 + 100 * i + rng_below(&w->rng, 100)));
}

static void
world_done(struct world *w)
{
	crypto_rng_free(w->ids);
}

static void
world_server(struct world *w, enum server_manner manner, msec_t rtt_ms)
{
	uint8_t net = (uint8_t)(33 + w->servers_count);
	struct world_server *s = &w->servers[w->servers_count++];

	*s = (struct world_server) { manner, world_endpoint(w, net, 1, 3478),
		world_endpoint(w, net, 2, 3479), rtt_ms };
	if (manner == ONE_IP)
		s->other.addr = s->primary.addr;
	if (manner == ONE_PORT)
		s->other.port = s->primary.port;
	if (manner == INSIDE)
		s->other = world_endpoint(w, 0, 1, 3479);
}

/* ---- NAT ---- */

static bool
same_for(enum behavior rule, const struct endpoint *a, const struct endpoint *b)
{
	if (rule == BEHAVIOR_ENDPOINT_INDEPENDENT || rule == BEHAVIOR_NONE)
		return true;
	return addr_equal(&a->addr, &b->addr) &&
	       (rule == BEHAVIOR_ADDRESS_DEPENDENT || a->port == b->port);
}

static bool
is_old(const struct world *w, msec_t used_at)
{
	return w->nat.lifetime_ms && w->now - used_at >= w->nat.lifetime_ms;
}

static bool
port_taken(const struct world *w, uint16_t port)
{
	for (unsigned i = 0; i < w->bindings_count; i++)
		if (w->bindings[i].port == port && !is_old(w, w->bindings[i].used_at))
			return true;
	return false;
}

/* The port may hear from there. */
static void
permit(struct world *w, uint16_t port, const struct endpoint *remote)
{
	unsigned i = 0;

	while (
	    i < w->permits_count && (w->permits[i].port != port ||
					!endpoint_equal(&w->permits[i].remote, remote)))
		i++;
	assert(i < ARRAY_SIZE(w->permits));
	w->permits_count = MAX(w->permits_count, i + 1);
	w->permits[i].at = w->now;
	w->permits[i].port = port;
	w->permits[i].remote = *remote;
}

/* The address outside for a packet of the socket; made if there is none. */
static struct endpoint
nat_out(struct world *w, unsigned socket, const struct endpoint *to)
{
	struct binding *b = NULL;
	uint16_t port = w->local[socket].port;

	if (w->nat.mapping != BEHAVIOR_NONE) {
		for (unsigned i = 0; i < w->bindings_count && !b; i++)
			if (w->bindings[i].socket == socket &&
			    !is_old(w, w->bindings[i].used_at) &&
			    same_for(w->nat.mapping, &w->bindings[i].to, to))
				b = &w->bindings[i];
		if (!b) {
			while (!w->nat.preserves || port_taken(w, port)) {
				port = (uint16_t)(1024 + rng_below(&w->rng, 60000));
				if (!port_taken(w, port))
					break;
			}
			assert(w->bindings_count < WORLD_BINDINGS);
			b = &w->bindings[w->bindings_count++];
			*b = (struct binding) { socket, *to, port, 0 };
		}
		b->used_at = w->now;
		port = b->port;
	}
	permit(w, port, to);
	return w->nat.mapping == BEHAVIOR_NONE ? w->local[socket]
					       : world_endpoint(w, 32, 44, port);
}

/* The socket behind a port outside, -1: none; not yet filtered. */
static int
nat_in(const struct world *w, uint16_t port)
{
	for (unsigned i = 0; i < w->bindings_count; i++)
		if (w->bindings[i].port == port && !is_old(w, w->bindings[i].used_at))
			return (int)w->bindings[i].socket;
	for (int i = 0; i < WORLD_SOCKETS && w->nat.mapping == BEHAVIOR_NONE; i++)
		if (w->local[i].port == port)
			return i;
	return -1;
}

static bool
nat_lets_in(const struct world *w, uint16_t port, const struct endpoint *from)
{
	for (unsigned i = 0; i < w->permits_count; i++)
		if ((w->permits[i].port == port || w->nat.per_host) &&
		    !is_old(w, w->permits[i].at) &&
		    same_for(w->nat.filtering, &w->permits[i].remote, from))
			return true;
	return w->nat.mapping == BEHAVIOR_NONE &&
	       w->nat.filtering == BEHAVIOR_ENDPOINT_INDEPENDENT;
}

/* ---- packets ---- */

static bool
lost(struct world *w)
{
	return rng_below(&w->rng, 100) < w->loss ||
	       (w->now >= w->dark_at && w->now < w->dark_at + w->dark_ms);
}

static void
travel(struct world *w, bool to_client, unsigned socket, const struct endpoint *from,
    const struct endpoint *to, const uint8_t *buf, size_t len, msec_t at)
{
	for (unsigned i = 0; i < WORLD_PACKETS; i++) {
		struct packet *p = &w->packets[i];

		if (p->used)
			continue;
		at += (msec_t)rng_below(&w->rng, (uint64_t)w->jitter_ms + 1);
		if (at >= w->frozen_at && at < w->frozen_at + w->frozen_ms)
			at = w->frozen_at + w->frozen_ms;
		*p = (struct packet) { true, to_client, socket, *from, *to, at, len,
			{ 0 } };
		assert(len <= sizeof(p->buf));
		memcpy(p->buf, buf, len);
		return;
	}
	abort();
}

static const struct world_server *
server_at(const struct world *w, const struct endpoint *e, unsigned *ret_bits)
{
	for (unsigned i = 0; i < w->servers_count; i++) {
		const struct world_server *s = &w->servers[i];
		bool ip = addr_equal(&e->addr, &s->other.addr);
		bool port = e->port == s->other.port;

		if ((ip || addr_equal(&e->addr, &s->primary.addr)) &&
		    (port || e->port == s->primary.port)) {
			*ret_bits = (unsigned)ip | (unsigned)port << 1;
			return s;
		}
	}
	return NULL;
}

static bool
limited(struct world *w)
{
	if (!w->limit)
		return false;
	if (w->filled_at == 0)
		w->bucket = 1000 * w->limit;
	else
		w->bucket = MIN(
		    1000 * w->limit, w->bucket + (w->now - w->filled_at) * w->limit);
	w->filled_at = w->now;
	if (w->bucket < 1000)
		return true;
	w->bucket -= 1000;
	return false;
}

static struct endpoint
server_endpoint(const struct world_server *s, unsigned bits)
{
	struct endpoint e = s->primary;

	if (bits & 1)
		e.addr = s->other.addr;
	if (bits & 2)
		e.port = s->other.port;
	return e;
}

static bool
has_one_address(const struct world_server *s)
{
	return s->manner == SINGLE || s->manner == LYING || s->manner == DEAD;
}

static void
world_answer(struct world *w, const struct packet *p)
{
	unsigned bits, change = 0;
	const struct world_server *s = server_at(w, &p->to, &bits);
	struct endpoint seen = p->from, from, to = p->from;
	uint64_t flags = 0, port = 0;
	struct stun_msg m;
	struct stun_out out;
	struct stun_raw padding;
	uint8_t buf[WORLD_MTU + 100];
	ssize_t n;

	w->to_servers++;
	if (!s || limited(w) || s->manner == DEAD || (has_one_address(s) && bits) ||
	    stun_decode(p->buf, p->len, 0, &m) < 0)
		return;
	stun_get_number(&m, STUN_CHANGE_REQUEST, &flags);
	change = (flags & 4 ? 1 : 0) | (flags & 2 ? 2 : 0);
	if (stun_get_number(&m, STUN_RESPONSE_PORT, &port) == 0 && s->manner == FULL)
		to.port = (uint16_t)port;
	if (s->manner == MUTE && change)
		return;
	if (s->manner == LYING)
		seen = world_endpoint(w, 99, 99, 9999);
	if ((change && (s->manner == REFUSING || has_one_address(s))) ||
	    (port && s->manner == PORTLESS)) {
		stun_begin_answer(&out, buf, sizeof(buf), STUN_ERROR, &m);
		stun_put_error(&out, 420);
		from = p->to;
	} else {
		if (s->manner == DEAF)
			change = 0;
		stun_begin_answer(&out, buf, sizeof(buf), STUN_SUCCESS, &m);
		stun_put_address(&out, STUN_XOR_MAPPED_ADDRESS, &seen);
		from = server_endpoint(s, bits ^ change);
		if (!has_one_address(s)) {
			struct endpoint other = server_endpoint(s, bits ^ 3);

			stun_put_address(&out, STUN_OTHER_ADDRESS, &other);
			stun_put_address(&out, STUN_RESPONSE_ORIGIN, &from);
		}
		padding = stun_find(&m, STUN_PADDING);
		if (padding.value && s->manner == FULL)
			stun_put_bytes(&out, STUN_PADDING, padding.value, padding.len);
	}
	n = stun_end(&out);
	assert(n > 0);
	if (!lost(w))
		travel(w, true, p->socket, &from, &to, buf, (size_t)n,
		    w->now + s->rtt_ms - s->rtt_ms / 2);
}

/* A packet leaves a socket. */
static void
world_send(struct world *w, unsigned socket, const struct endpoint *to,
    const uint8_t *buf, size_t len)
{
	struct endpoint from, outside = world_endpoint(w, 32, 44, to->port);
	unsigned bits;
	const struct world_server *s = server_at(w, to, &bits);

	w->sent++;
	if (lost(w) || w->nat.blocks || (w->nat.drops_fragments && len > WORLD_MTU))
		return;
	from = nat_out(w, socket, to);
	if (s)
		travel(w, false, socket, &from, to, buf, len, w->now + s->rtt_ms / 2);
	else if (endpoint_equal(to, &outside) && w->nat.hairpin != HAIRPIN_NO &&
		 !lost(w))
		travel(w, true, socket, &from, to, buf, len, w->now + 1);
}

/* Whether a packet that arrives is let in, and to which socket. */
static bool
world_arrives(const struct world *w, const struct packet *p, unsigned *ret_socket)
{
	int socket = nat_in(w, p->to.port);
	struct endpoint outside = world_endpoint(w, 32, 44, p->from.port);
	bool turned = endpoint_equal(&p->from, &outside);

	if (socket < 0)
		return false;
	*ret_socket = (unsigned)socket;
	if (turned && w->nat.hairpin == HAIRPIN_FREE)
		return true;
	return nat_lets_in(w, p->to.port, &p->from);
}

/* From where it seems to come: a router that masks puts itself in the place of those
 * that nobody wrote to. */
static struct endpoint
world_seen_from(const struct world *w, const struct packet *p)
{
	for (unsigned i = 0; i < w->permits_count; i++)
		if (w->permits[i].port == p->to.port &&
		    endpoint_equal(&w->permits[i].remote, &p->from))
			return p->from;
	return w->nat.masks ? world_endpoint(w, 0, 1, p->from.port) : p->from;
}

/* The next packet that is due by then: moves the clock to it; NULL: none. */
static struct packet *
world_next(struct world *w, msec_t until)
{
	struct packet *next = NULL;

	for (unsigned i = 0; i < WORLD_PACKETS; i++)
		if (w->packets[i].used && w->packets[i].at <= until &&
		    (!next || w->packets[i].at < next->at))
			next = &w->packets[i];
	if (next)
		w->now = MAX(w->now, next->at);
	return next;
}
