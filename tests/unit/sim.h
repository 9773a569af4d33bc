/*
 * sim.h - a router and its NAT gateway in one process, on a simulated clock.
 *
 * The gateway speaks PCP and NAT-PMP from a table with leases; datagrams are lost from
 * a seed, time jumps from deadline to deadline, so a month takes milliseconds.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* after setjmp.h and friends */
#include <cmocka.h>

#include "proto/natpmp.h"
#include "proto/pcp.h"
#include "proto/rng.h"
#include "proto/router_private.h"
#include "proto/wire.h"

#define SIM_ENTRIES 512
#define UDP (1u << TRANSPORT_UDP)
#define TCP (1u << TRANSPORT_TCP)

struct sim_entry {
	bool used;
	uint8_t protocol;
	uint16_t internal_port, external_port;
	uint8_t nonce[PCP_NONCE_LEN];
	msec_t expires;
};

struct sim;

/* What else is on the wire: UPnP (sim_igd.h). */
struct sim_peer {
	void (*action)(struct sim *s, const struct router_action *a);
	msec_t (*at)(const struct sim *s); /* its next event */
	void (*run)(struct sim *s);
	void (*done)(struct sim *s);
};

struct sim {
	struct router *router;
	const struct sim_peer *peer;
	void *igd;
	void (*on_asks)(struct sim *s, const struct lease *l, void *owner);
	void (*on_changed)(struct sim *s, const struct lease *l, void *owner);
	void (*on_gone)(struct sim *s, void *owner, bool confirmed);
	msec_t now;
	struct rng rng;

	/* The gateway's ways. */
	bool pcp, natpmp;
	bool silent, unreachable;
	unsigned loss_percent; /* each way */
	unsigned copy_percent; /* of the answers come again, after a later one */
	uint8_t copy[PCP_MESSAGE_MAX];
	size_t copy_len;
	double drift; /* its clock runs at 1 + drift */
	msec_t boot;
	struct addr external;
	uint16_t pool_from;    /* PCP: ports inside from here on ... */
	uint8_t pool_protocol; /* ... (0: of any protocol) have ... */
	struct addr pool;      /* ... that address outside; 0: there is one for all */
	uint32_t lifetime_max_s, error_lifetime_s;
	int pcp_result, natpmp_result; /* of MAP requests; 0: as the table says */
	uint16_t chosen_port; /* it grants this one and counts up; 0: as asked */
	uint16_t only_port;   /* it grants nothing but this one (a VPN) */
	bool echo_no_port;    /* answers leave the internal port out */
	bool grants_nothing;  /* success with a lifetime of 0 */

	struct sim_entry entry[SIM_ENTRIES];
	uint16_t foreign_port; /* taken by another host */

	/* What was seen. */
	unsigned third_parties, prefer_failures;
	uint8_t sent[PCP_MESSAGE_MAX]; /* the last datagram */
	size_t sent_len;
	unsigned datagrams, lost, maps, deletes, probes, searches, https;
	unsigned restarts, changes, gone, unconfirmed, unheard, externals, services;
	unsigned unheld; /* changes to a lease that holds nothing */
	unsigned lapses; /* entries whose lease ended */
	msec_t last_map;
};

static inline bool
sim_lost(struct sim *s)
{
	bool lost = rng_below(&s->rng, 100) < s->loss_percent;

	s->lost += lost;
	return lost;
}

static inline uint32_t
sim_epoch(const struct sim *s)
{
	return (uint32_t)((double)(s->now - s->boot) * (1 + s->drift) / 1000);
}

static inline struct sim_entry *
sim_find(struct sim *s, uint8_t protocol, uint16_t port, bool external)
{
	for (unsigned i = 0; i < SIM_ENTRIES; i++) {
		struct sim_entry *e = &s->entry[i];

		if (e->used && e->expires <= s->now) {
			e->used = false;
			s->lapses++;
		}
		if (e->used && e->protocol == protocol &&
		    (external ? e->external_port : e->internal_port) == port)
			return e;
	}
	return NULL;
}

static inline unsigned
sim_entries(struct sim *s)
{
	unsigned n = 0;

	for (unsigned i = 0; i < SIM_ENTRIES; i++)
		n += s->entry[i].used && s->entry[i].expires > s->now;
	return n;
}

/* Returns the entry that now serves the request, NULL: table full. */
static inline struct sim_entry *
sim_map(struct sim *s, uint8_t protocol, uint16_t internal, uint16_t external,
    uint32_t *lifetime_s)
{
	struct sim_entry *e = sim_find(s, protocol, internal, false);

	if (s->lifetime_max_s && *lifetime_s > s->lifetime_max_s)
		*lifetime_s = s->lifetime_max_s;
	for (unsigned i = 0; !e && i < SIM_ENTRIES; i++) {
		if (s->entry[i].used)
			continue;
		e = &s->entry[i];
		if (s->chosen_port)
			external = s->chosen_port++;
		if (s->only_port)
			external = s->only_port;
		while (external == 0 || external == s->foreign_port ||
		       sim_find(s, protocol, external, true))
			external++;
		*e = (struct sim_entry) { .used = true,
			.protocol = protocol,
			.internal_port = internal,
			.external_port = external };
	}
	if (e)
		e->expires = s->now + (msec_t)*lifetime_s * 1000;
	return e;
}

static inline void
sim_answer(struct sim *s, const uint8_t *buf, size_t len)
{
	if (rng_below(&s->rng, 100) < s->copy_percent) {
		memcpy(s->copy, buf, len);
		s->copy_len = len;
	}
	if (!sim_lost(s))
		router_datagram(s->router, buf, len, s->now);
}

static inline void
sim_natpmp(struct sim *s, const uint8_t *req, size_t len)
{
	uint8_t buf[16];
	struct wire_out out = wire_out(buf, sizeof(buf));
	struct wire_in in = wire_in(req + 2, len - 2);
	uint8_t op = req[1];

	wire_put_u8(&out, 0);
	wire_put_u8(&out, op | 0x80);
	if (op == 0) {
		s->probes++;
		wire_put_u16(&out, 0);
		wire_put_u32(&out, sim_epoch(s));
		wire_put_bytes(&out, s->external.bytes, 4);
		sim_answer(s, buf, (size_t)wire_finish(&out));
		return;
	}
	(void)wire_u16(&in);
	uint16_t internal = wire_u16(&in), external = wire_u16(&in);
	uint32_t lifetime = wire_u32(&in);
	uint8_t protocol = op == 1 ? 17 : 6;
	struct sim_entry *e = NULL;

	assert_false(in.bad);
	if (lifetime == 0) {
		s->deletes++;
		e = sim_find(s, protocol, internal, false);
		if (e)
			e->used = false;
		external = 0;
	} else {
		s->maps++;
		s->last_map = s->now;
		if (!s->natpmp_result) {
			e = sim_map(s, protocol, internal, external, &lifetime);
			assert_non_null(e);
			external = e->external_port;
		}
	}
	wire_put_u16(&out, lifetime ? (uint16_t)s->natpmp_result : 0);
	wire_put_u32(&out, sim_epoch(s));
	wire_put_u16(&out, s->echo_no_port ? 0 : internal);
	wire_put_u16(&out, external);
	wire_put_u32(&out, s->grants_nothing ? 0 : lifetime);
	sim_answer(s, buf, (size_t)wire_finish(&out));
}

static inline void
sim_pcp_head(const struct sim *s, struct wire_out *out, uint8_t op, int result,
    uint32_t lifetime)
{
	wire_put_u8(out, 2);
	wire_put_u8(out, op | 0x80);
	wire_put_u8(out, 0);
	wire_put_u8(out, (uint8_t)result);
	wire_put_u32(out, result              ? s->error_lifetime_s
			  : s->grants_nothing ? 0
					      : lifetime);
	wire_put_u32(out, sim_epoch(s));
	wire_put_zeros(out, 12);
}

static inline void
sim_pcp_map(struct sim *s, struct wire_in *in, uint32_t lifetime)
{
	uint8_t buf[PCP_MESSAGE_MAX], nonce[PCP_NONCE_LEN], protocol, ext[16];
	struct wire_out out = wire_out(buf, sizeof(buf));
	int result = 0;

	wire_bytes(in, nonce, sizeof(nonce));
	protocol = wire_u8(in);
	(void)wire_take(in, 3);
	uint16_t internal = wire_u16(in), external = wire_u16(in);
	struct sim_entry *e = sim_find(s, protocol, internal, false);

	(void)wire_take(in, 16);
	assert_false(in->bad);
	uint8_t option = wire_left(in) >= 4 ? wire_u8(in) : 0;
	s->third_parties += option == PCP_OPTION_THIRD_PARTY;
	s->prefer_failures += option == PCP_OPTION_PREFER_FAILURE;
	if (e && memcmp(e->nonce, nonce, sizeof(nonce)) != 0) {
		result = PCP_NOT_AUTHORIZED;
	} else if (lifetime == 0) {
		s->deletes++;
		if (e)
			e->used = false;
	} else {
		s->maps++;
		s->last_map = s->now;
		result = s->pcp_result;
		if (!result) {
			e = sim_map(s, protocol, internal, external, &lifetime);
			assert_non_null(e);
			memcpy(e->nonce, nonce, sizeof(nonce));
			external = e->external_port;
		}
	}
	sim_pcp_head(s, &out, PCP_OP_MAP, result, lifetime);
	wire_put_bytes(&out, nonce, sizeof(nonce));
	wire_put_u8(&out, protocol);
	wire_put_zeros(&out, 3);
	wire_put_u16(&out, internal);
	wire_put_u16(&out, external);
	addr_to_ipv6_bytes(s->pool_from && internal >= s->pool_from &&
				   (!s->pool_protocol || s->pool_protocol == protocol)
			       ? &s->pool
			       : &s->external,
	    ext);
	wire_put_bytes(&out, ext, 16);
	sim_answer(s, buf, (size_t)wire_finish(&out));
}

static inline void
sim_pcp(struct sim *s, const uint8_t *req, size_t len)
{
	uint8_t buf[PCP_MESSAGE_MAX];
	struct wire_out out = wire_out(buf, sizeof(buf));
	struct wire_in in = wire_in(req, len);
	uint32_t lifetime;
	uint8_t op;

	(void)wire_u8(&in);
	op = wire_u8(&in);
	(void)wire_u16(&in);
	lifetime = wire_u32(&in);
	(void)wire_take(&in, 16);
	if (op == PCP_OP_ANNOUNCE) {
		s->probes++;
		sim_pcp_head(s, &out, op, 0, 0);
		sim_answer(s, buf, (size_t)wire_finish(&out));
	} else {
		sim_pcp_map(s, &in, lifetime);
	}
}

static inline void
sim_unsupported(struct sim *s, uint8_t version, uint8_t op)
{
	uint8_t buf[24];
	struct wire_out out = wire_out(buf, sizeof(buf));

	if (version == 0) { /* NAT-PMP server, PCP request */
		wire_put_u8(&out, 0);
		wire_put_u8(&out, 0x80);
		wire_put_u16(&out, 1);
		wire_put_u32(&out, sim_epoch(s));
	} else {
		wire_put_u8(&out, 2);
		wire_put_u8(&out, op | 0x80);
		wire_put_u16(&out, 1);
		wire_put_u32(&out, 0);
		wire_put_u32(&out, sim_epoch(s));
		wire_put_zeros(&out, 12);
	}
	sim_answer(s, buf, (size_t)wire_finish(&out));
}

static inline void
sim_datagram(struct sim *s, const uint8_t *req, size_t len)
{
	s->datagrams++;
	memcpy(s->sent, req, len);
	s->sent_len = len;
	if (s->unreachable) {
		router_unreachable(s->router, s->now);
		return;
	}
	if (s->silent || sim_lost(s))
		return;
	if (req[0] == 0 && s->natpmp)
		sim_natpmp(s, req, len);
	else if (req[0] == 2 && s->pcp)
		sim_pcp(s, req, len);
	else if (req[0] == 2 && s->natpmp)
		sim_unsupported(s, 0, req[1]);
	else if (req[0] == 0 && s->pcp)
		sim_unsupported(s, 2, req[1]);
}

/* In line for a service from which an answer may come. */
static inline bool
sim_moves(const struct lease *l)
{
	const struct service *svc = &l->router->service[l->service];

	return l->started || svc->state == SERVICE_PROBING ||
	       (svc->state == SERVICE_AVAILABLE &&
		   (svc->circuit != CIRCUIT_OPEN || l->is_held || l->op != OP_ASK));
}

static inline void
sim_show(const struct sim *s, const struct lease *l)
{
	const struct service *svc = &l->router->service[l->service];

	printf("phase %d op %d leg %d started %d overdue %d service %d state %d "
	       "circuit %d at %lld held %d pending %d verdict %d problem %s\n",
	    l->phase, l->op, l->leg_now, l->started, l->overdue, l->service, svc->state,
	    svc->circuit, (long long)(l->at - s->now), l->is_held, l->pending,
	    l->verdict, l->problem.present ? l->problem.name : "-");
}

static inline void
sim_assert_moves(const struct sim *s, const struct lease *l)
{
	if (sim_moves(l))
		return;
	sim_show(s, l);
	fail();
}

/* No wait without an end: at rest, each lease has a deadline or an event to come. */
static inline void
sim_check_lease(const struct sim *s, const struct lease *l)
{
	switch (l->phase) {
	case LEASE_WAITING:
		assert_int_equal(l->op, OP_NONE);
		assert_true(l->at > s->now);
		if (l->pending)
			assert_true(choose_may_turn_up(l));
		else if (l->at == MSEC_NEVER)
			assert_true(choose_again_at(l) == MSEC_NEVER);
		assert_true(l->pending || l->problem.present);
		break;
	case LEASE_HELD:
		assert_true(l->is_held);
		assert_true(l->held.expires_at > s->now);
		if (l->op == OP_NONE && l->held.expires_at != MSEC_NEVER)
			assert_true(l->at > s->now && l->at != MSEC_NEVER);
		if (!l->direct && l->op == OP_NONE)
			assert_true(MIN(l->at, l->verify_at) > s->now);
		if (l->op != OP_NONE)
			sim_assert_moves(s, l);
		break;
	case LEASE_ASKING:
	case LEASE_RELEASING:
		assert_int_not_equal(l->op, OP_NONE);
		sim_assert_moves(s, l);
		break;
	case LEASE_GONE:
		fail();
	}
}

static inline void
sim_check(const struct sim *s)
{
	const struct router *r = s->router;
	enum router_service igd = igd_service_of(r);
	unsigned exchanges = 0, overdue = 0;

	for (const struct lease *l = r->leases; l; l = l->next) {
		sim_check_lease(s, l);
		if (l->started && pxp_is(l->service))
			l->overdue ? overdue++ : exchanges++;
	}
	assert_int_equal(exchanges, r->exchanges);
	assert_int_equal(overdue, r->overdue);
	if (r->service[igd].state == SERVICE_AVAILABLE)
		assert_non_null(r->igd.desc);
	if (r->service[igd].state == SERVICE_PROBING)
		assert_true(r->igd.searching || r->igd.desc || r->igd.job != JOB_NONE);
}

/* Do all that is to be done at this instant. */
static inline void
sim_turn(struct sim *s)
{
	struct router_action a;
	struct lease_status st;
	uint8_t copy[HTTP_REQUEST_MAX];

	if (s->peer)
		s->peer->run(s);
	router_timer(s->router, s->now);
	for (unsigned guard = 0; router_next(s->router, s->now, &a); guard++) {
		assert_true(guard < 100000); /* it must come to rest */
		if (a.asks && s->on_asks)
			s->on_asks(s, a.lease, a.owner);
		switch (a.kind) {
		case ROUTER_SEND:
			memcpy(copy, a.buf, a.len);
			sim_datagram(s, copy, a.len);
			if (s->copy_len && rng_below(&s->rng, 2)) {
				router_datagram(
				    s->router, s->copy, s->copy_len, s->now);
				s->copy_len = 0;
			}
			break;
		case ROUTER_SEARCH_UNICAST:
		case ROUTER_SEARCH_MULTICAST:
			s->searches++;
			if (s->peer)
				s->peer->action(s, &a);
			break;
		case ROUTER_HTTP:
			s->https++;
			if (s->peer)
				s->peer->action(s, &a);
			else
				fail();
			break;
		case ROUTER_LEASE_CHANGED:
			s->changes++;
			lease_status(a.lease, &st);
			s->unheld += !st.is_held;
			if (s->on_changed)
				s->on_changed(s, a.lease, a.owner);
			break;
		case ROUTER_LEASE_GONE:
			s->gone++;
			s->unconfirmed += !a.confirmed;
			s->unheard += !a.confirmed && a.unheard;
			if (s->on_gone)
				s->on_gone(s, a.owner, a.confirmed);
			break;
		case ROUTER_SERVICES_CHANGED:
			s->services++;
			break;
		case ROUTER_EXTERNAL_CHANGED:
			s->externals++;
			break;
		case ROUTER_RESTARTED:
			s->restarts++;
			break;
		}
	}
	sim_check(s);
}

static inline msec_t
sim_next_at(const struct sim *s)
{
	msec_t at = router_deadline(s->router);

	return s->peer ? MIN(at, s->peer->at(s)) : at;
}

/* Let time pass until then. */
static inline void
sim_until(struct sim *s, msec_t then)
{
	unsigned late = 0;

	sim_turn(s);
	for (;;) {
		msec_t at = sim_next_at(s);

		if (at > then)
			break;
		/* A deadline in the past is served at once, but only once. */
		late = at > s->now ? 0 : late + 1;
		assert_true(late < 3);
		s->now = at > s->now ? at : s->now + 1;
		sim_turn(s);
	}
	s->now = then;
	sim_turn(s);
}

static inline void
sim_pass(struct sim *s, msec_t ms)
{
	sim_until(s, s->now + ms);
}

static inline void
sim_init(struct sim *s, uint64_t seed)
{
	const struct router_settings settings = {
		.gateway = addr_ipv4(192, 168, 1, 1),
		.local = addr_ipv4(192, 168, 1, 20),
		.seed = seed,
		.methods = METHODS_ALL,
		.probe_ms = 60000,
	};

	memset(s, 0, sizeof(*s));
	s->now = 1000000;
	s->rng.state = seed;
	s->boot = s->now - 5000000;
	s->external = addr_ipv4(198, 0, 2, 7);
	s->error_lifetime_s = 30;
	s->router = router_new(&settings, s->now);
	assert_non_null(s->router);
}

static inline void
sim_done(struct sim *s)
{
	if (s->peer)
		s->peer->done(s);
	s->router = router_free(s->router);
}

static inline struct lease_want
sim_want(uint16_t port, unsigned transports)
{
	struct lease_want w = {
		.transports = transports,
		.internal = addr_ipv4(192, 168, 1, 20),
		.internal_port = port,
		.lifetime_s = 7200,
		.methods = METHODS_ALL,
		.order = { METHOD_PCP, METHOD_IGD2, METHOD_NAT_PMP, METHOD_IGD1,
		    METHOD_IGD_PINHOLE, METHOD_DIRECT },
		.order_count = METHOD_MAX,
		.nonce = { (uint8_t)(port >> 8), (uint8_t)port, 3, 4, 5 },
		.description = "test",
	};

	return w;
}

static inline struct lease_status
sim_status(const struct lease *l)
{
	struct lease_status st;

	lease_status(l, &st);
	return st;
}

/* The router forgets everything; reset: its epoch starts anew. */
static inline void
sim_reboot(struct sim *s, bool reset)
{
	memset(s->entry, 0, sizeof(s->entry));
	if (reset)
		s->boot = s->now;
}
