/*
 * test_router_guards.c - leases on a simulated router: the bytes and the times of what
 * is sent, and the one late or hostile answer that each guard is there for.
 */
#include "tests/unit/sim_igd.h"

#define UDP (1u << TRANSPORT_UDP)
#define TCP (1u << TRANSPORT_TCP)

/* One protocol only, and 8080 held by it. */
static struct lease *
hold(struct sim *s, enum method method, unsigned transports)
{
	struct lease_want w = sim_want(8080, transports);
	struct lease *l;

	sim_init(s, 120);
	s->pcp = method == METHOD_PCP;
	s->natpmp = method == METHOD_NAT_PMP;
	router_configure(s->router, METHOD_BIT(method), 60000, s->now);
	l = lease_new(s->router, &w, NULL, s, s->now);
	sim_pass(s, 5000);
	assert_int_equal(sim_status(l).state, MAPPING_ACTIVE);
	return l;
}

static msec_t
next_send(struct sim *s)
{
	unsigned before = s->datagrams;

	while (s->datagrams == before) {
		s->now = MAX(s->now + 1, sim_next_at(s));
		sim_turn(s);
	}
	return s->now;
}

static void
natpmp_says(struct sim *s, uint8_t op, uint16_t internal, uint16_t external,
    uint32_t lifetime_s)
{
	uint8_t buf[16];
	struct wire_out out = wire_out(buf, sizeof(buf));

	wire_put_u8(&out, 0);
	wire_put_u8(&out, op | 0x80);
	wire_put_u16(&out, NATPMP_SUCCESS);
	wire_put_u32(&out, sim_epoch(s));
	wire_put_u16(&out, internal);
	wire_put_u16(&out, external);
	wire_put_u32(&out, lifetime_s);
	router_datagram(s->router, buf, (size_t)wire_finish(&out), s->now);
	sim_turn(s);
}

static void
pcp_says(struct sim *s, const struct lease *l, uint8_t protocol, uint16_t internal_port,
    uint32_t lifetime_s)
{
	uint8_t buf[PCP_MESSAGE_MAX], external[16];
	struct wire_out out = wire_out(buf, sizeof(buf));

	sim_pcp_head(s, &out, PCP_OP_MAP, PCP_SUCCESS, lifetime_s);
	wire_put_bytes(&out, lease_wanted(l)->nonce, PCP_NONCE_LEN);
	wire_put_u8(&out, protocol);
	wire_put_zeros(&out, 3);
	wire_put_u16(&out, internal_port);
	wire_put_u16(&out, 8080);
	addr_to_ipv6_bytes(&s->external, external);
	wire_put_bytes(&out, external, sizeof(external));
	router_datagram(s->router, buf, (size_t)wire_finish(&out), s->now);
	sim_turn(s);
}

/* TCP by PCP or NAT-PMP, and from then on the router is silent. */
static struct lease *
hold_silent(struct sim *s, bool pcp)
{
	struct lease *l = hold(s, pcp ? METHOD_PCP : METHOD_NAT_PMP, TCP);

	s->silent = true;
	return l;
}

/* A grant of 8080, or, with lifetime 0, that it is deleted. */
static void
tcp_says(struct sim *s, const struct lease *l, uint32_t lifetime_s)
{
	if (s->pcp)
		pcp_says(s, l, 6, 8080, lifetime_s);
	else
		natpmp_says(
		    s, NATPMP_OP_MAP_TCP, 8080, lifetime_s ? 8080 : 0, lifetime_s);
}

static void
speak_again(struct sim *s)
{
	s->silent = false;
	sim_pass(s, 1000);
}

/* RFC 6886 3.4: "The suggested external port MUST be set to zero by the client". */
static void
test_natpmp_delete(void **state)
{
	static const uint8_t expected[] = { 0, 2, 0, 0, 8080 >> 8, 8080 & 0xff, 0, 0, 0,
		0, 0, 0 };
	struct lease *l;
	struct sim s;

	(void)state;
	l = hold(&s, METHOD_NAT_PMP, TCP);
	lease_release(l, s.now);
	sim_turn(&s);
	assert_int_equal(s.sent_len, sizeof(expected));
	assert_memory_equal(s.sent, expected, sizeof(expected));
	assert_int_equal(s.gone, 1);
	sim_done(&s);
}

/* Nobody answers: 12 sends within 3 s, then by RFC 6886 3.1 (doubling up to 64 s) and
 * RFC 6887 8.1.1 (3 s, doubling, a tenth more or less). */
static const struct {
	enum method method;
	msec_t gap_ms[6];
	unsigned spread_percent;
} schedules[] = {
	{ METHOD_NAT_PMP, { 4000, 8000, 16000, 32000, 64000, 64000 }, 0 },
	{ METHOD_PCP, { 3000, 6000, 12000, 24000, 48000, 96000 }, 10 },
};

static void
test_schedules(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(schedules); i++) {
		struct lease_want w = sim_want(9000, TCP);
		struct sim s;
		msec_t last = 0;

		lease_forget(hold(&s, schedules[i].method, TCP));
		s.silent = true;
		lease_new(s.router, &w, NULL, &s, s.now);
		s.datagrams = 0;
		sim_turn(&s);
		while (s.datagrams <= RETRY_BURST_SENDS)
			last = next_send(&s);
		for (size_t n = 0; n < ARRAY_SIZE(schedules[i].gap_ms); n++) {
			msec_t at = next_send(&s), gap = schedules[i].gap_ms[n];
			msec_t spread = gap * schedules[i].spread_percent / 100;

			assert_in_range(at - last, gap - spread, gap + spread);
			last = at;
		}
		sim_done(&s);
	}
}

/* A renewal that nobody answers: PCP would wait 17 minutes in the end; it is asked 16
 * times more often than what is left would allow, down to every 2 s. */
static void
test_renewal_in_silence(void **state)
{
	unsigned bounded = 0;
	struct lease *l;
	struct sim s;
	msec_t ends, last;

	(void)state;
	l = hold(&s, METHOD_PCP, TCP);
	ends = sim_status(l).held.expires_at;
	s.silent = true;
	lease_renew(l, s.now);
	for (last = next_send(&s); last < ends - 20000;) {
		msec_t left = ends - last, at = next_send(&s);

		assert_true(at - last <= MAX(2000, left / 16));
		bounded += at - last == left / 16;
		last = at;
	}
	assert_in_range(bounded, 50, 100);
	sim_done(&s);
}

/* RFC 6887 15.1 lets a router grant 136 years: it is asked once in half a day. */
static void
test_renewal_of_a_long_lease(void **state)
{
	struct lease_want w = sim_want(8080, TCP);
	struct lease *l;
	struct sim s;

	(void)state;
	sim_init(&s, 121);
	s.pcp = true;
	w.lifetime_s = UINT32_MAX;
	l = lease_new(s.router, &w, NULL, &s, s.now);
	sim_pass(&s, 5000);
	assert_int_equal(s.maps, 1);
	assert_in_range(
	    sim_status(l).renew_at - s.now, 12 * 3600000 - 5000, 12 * 3600000);
	sim_done(&s);
}

/* A copy of the grant comes when the deletion was sent: it is no answer to that. */
static void
test_late_grant(void **state)
{
	(void)state;
	for (unsigned pcp = 0; pcp < 2; pcp++) {
		struct sim s;
		struct lease *l = hold_silent(&s, pcp);

		lease_release(l, s.now);
		sim_turn(&s);
		tcp_says(&s, l, 7200);
		assert_int_equal(s.gone, 0);
		speak_again(&s);
		assert_int_equal(s.gone, 1);
		assert_int_equal(s.unconfirmed, 0);
		assert_int_equal(sim_entries(&s), 0);
		sim_done(&s);
	}
}

/* A copy of the deletion's answer comes when it is asked for anew: that is no refusal.
 */
static void
test_late_deletion(void **state)
{
	(void)state;
	for (unsigned pcp = 0; pcp < 2; pcp++) {
		struct sim s;
		struct lease *l = hold_silent(&s, pcp);

		assert_true(lease_remake(l, s.now));
		sim_turn(&s);
		for (unsigned i = 0; i < 2; i++) {
			tcp_says(&s, l, 0);
			assert_int_equal(sim_status(l).state, MAPPING_REQUESTING);
		}
		speak_again(&s);
		assert_int_equal(sim_status(l).state, MAPPING_ACTIVE);
		sim_done(&s);
	}
}

/* Somebody else's grant; port 0 is that of routers which leave it out. */
static void
test_natpmp_other_port(void **state)
{
	static const uint16_t ports[] = { 8081, 1, 65535, 8080 };
	struct lease *l;
	struct sim s;

	(void)state;
	l = hold(&s, METHOD_NAT_PMP, TCP);
	s.silent = true;
	assert_true(lease_remake(l, s.now));
	sim_turn(&s);
	natpmp_says(&s, NATPMP_OP_MAP_TCP, 8080, 0, 0);
	for (size_t i = 0; i < ARRAY_SIZE(ports); i++) {
		natpmp_says(&s, NATPMP_OP_MAP_TCP, ports[i], 9999, 7200);
		assert_int_equal(sim_status(l).is_held, ports[i] == 8080);
	}
	sim_done(&s);
}

/* The right nonce, and another protocol, SCTP, all (0), TCP, or another port. */
static void
test_pcp_other_protocol(void **state)
{
	static const struct {
		uint8_t protocol;
		uint16_t internal_port;
	} rows[] = { { 132, 8080 }, { 0, 8080 }, { 6, 8080 }, { 17, 8081 }, { 17, 0 },
		{ 17, 8080 } };
	struct lease *l;
	struct sim s;

	(void)state;
	l = hold(&s, METHOD_PCP, UDP);
	s.silent = true;
	assert_true(lease_remake(l, s.now));
	sim_turn(&s);
	pcp_says(&s, l, 17, 8080, 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		pcp_says(&s, l, rows[i].protocol, rows[i].internal_port, 7200);
		assert_int_equal(sim_status(l).is_held, i == ARRAY_SIZE(rows) - 1);
	}
	sim_done(&s);
}

/* Anybody can forge an ICMP error: what is held is not held in doubt for it. */
static void
test_unreachable_while_held(void **state)
{
	(void)state;
	for (unsigned pcp = 0; pcp < 2; pcp++) {
		struct sim s;
		struct lease *l = hold_silent(&s, pcp);

		lease_renew(l, s.now);
		sim_turn(&s);
		router_unreachable(s.router, s.now);
		sim_turn(&s);
		assert_int_equal(sim_status(l).state, MAPPING_RENEWING);
		assert_false(sim_status(l).problem.present);
		speak_again(&s);
		assert_int_equal(sim_status(l).state, MAPPING_ACTIVE);
		assert_int_equal(sim_status(l).renewals, 1);
		sim_done(&s);
	}
}

/* At our former address: what we left there is replaced, what says something else is
 * another host's that got the address after us. */
static void
test_entry_at_the_former_address(void **state)
{
	static const char *const said[] = { "test", "test2", "" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(said); i++) {
		bool ours = strcmp(said[i], "test") == 0;
		struct lease_want w = sim_want(8080, TCP);
		struct sim_mapping *left;
		struct sim_igd *g;
		struct lease *l;
		struct sim s;

		g = sim_igd_init(&s, 1, 122);
		w.former = addr_ipv4(192, 168, 1, 77);
		w.former_ends = s.now + 3600000;
		left = sim_igd_put(g, 6, 8080, 8080, "192.168.1.77", 600);
		left->stolen = true; /* it may be deleted */
		snprintf(left->description, sizeof(left->description), "%s", said[i]);
		l = lease_new(s.router, &w, NULL, &s, s.now);
		sim_pass(&s, 10000);
		assert_int_equal(sim_status(l).state, MAPPING_ACTIVE);
		assert_int_equal(sim_status(l).held.external_port == 8080, ours);
		assert_int_equal(g->count[IGD_DELETE_PORT_MAPPING], ours);
		assert_int_equal(sim_igd_entries(g), ours ? 1 : 2);
		sim_done(&s);
	}
}

/* One number, and what the service that says it means by it. */
static void
test_codes_of_the_service(void **state)
{
	static const struct {
		unsigned version;
		enum igd_action action;
		int code;
		const char *name;
	} rows[] = {
		{ 1, IGD_ADD_PORT_MAPPING, 705, "ConnectionSetupInProgress" },
		{ 6, IGD_ADD_PINHOLE, 703, "InboundPinholeNotAllowed" },
		{ 1, IGD_ADD_PORT_MAPPING, 709, "InternetAccessDisabled" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct lease_want w = sim_want(8080, TCP);
		struct sim_igd *g;
		struct lease *l;
		struct sim s;

		g = sim_igd_init(&s, rows[i].version, 123);
		g->fault[0] =
		    (struct sim_fault) { rows[i].action, SIM_CODE, rows[i].code, 0, 0 };
		w.internal = s.router->settings.local;
		w.methods = METHODS_ALL & ~METHOD_BIT(METHOD_DIRECT);
		l = lease_new(s.router, &w, NULL, &s, s.now);
		sim_pass(&s, 10000);
		assert_int_equal(sim_status(l).problem.code, rows[i].code);
		assert_string_equal(sim_status(l).problem.name, rows[i].name);
		sim_done(&s);
	}
}

/* What comes of an exchange that is not under way any more ends none. */
static void
test_outcome_of_an_earlier_exchange(void **state)
{
	struct lease_want w = sim_want(8080, TCP);
	struct sim_igd *g;
	struct lease *l;
	struct sim s;

	(void)state;
	g = sim_igd_init(&s, 1, 125);
	l = lease_new(s.router, &w, NULL, &s, s.now);
	while (!g->busy || !strstr(g->request, "#AddPortMapping"))
		sim_pass(&s, 1);
	router_http(s.router, g->id - 1, -ECONNREFUSED, NULL, s.now);
	router_http(s.router, g->id + 1, -ETIMEDOUT, NULL, s.now);
	sim_pass(&s, 5000);
	assert_int_equal(sim_status(l).state, MAPPING_ACTIVE);
	assert_int_equal(g->count[IGD_ADD_PORT_MAPPING], 1);
	assert_int_equal(g->gets, 1);
	sim_done(&s);
}

/* 704 of a WAN connection is no word about the entry that was asked for. */
static void
test_read_back_without_a_connection(void **state)
{
	struct lease_want w = sim_want(8080, TCP);
	struct sim_igd *g;
	struct lease *l;
	struct sim s;

	(void)state;
	g = sim_igd_init(&s, 1, 124);
	l = lease_new(s.router, &w, NULL, &s, s.now);
	sim_pass(&s, 10000);
	g->fault[0] = (struct sim_fault) { IGD_GET_SPECIFIC_PORT_MAPPING_ENTRY,
		SIM_CODE, 704, 0, 0 };
	router_hint(s.router, s.now);
	sim_pass(&s, 10000);
	assert_true(g->count[IGD_GET_SPECIFIC_PORT_MAPPING_ENTRY] > 0);
	assert_int_equal(g->count[IGD_ADD_PORT_MAPPING], 1);
	assert_int_equal(sim_status(l).state, MAPPING_ACTIVE);
	sim_done(&s);
}

/* Its answer may only be lost, or late: what was asked for is deleted. */
static void
test_released_before_the_answer(void **state)
{
	static const enum method methods[] = { METHOD_PCP, METHOD_NAT_PMP };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(methods); i++) {
		struct lease_want w = sim_want(8081, TCP);
		struct lease *l;
		struct sim s;

		(void)hold(&s, methods[i], TCP);
		s.silent = true;
		l = lease_new(s.router, &w, NULL, &s, s.now);
		sim_pass(&s, 1000);
		lease_release(l, s.now);
		s.silent = false;
		sim_pass(&s, 1000);
		assert_int_equal(s.deletes, 1);
		assert_int_equal(s.gone, 1);
		assert_int_equal(s.unconfirmed, 0);
		sim_done(&s);
	}
}

/* RFC 6886 3.5: "Network Failure (e.g., NAT box itself has not obtained a DHCP lease)":
 * the address that it had is not shown any more. */
static void
test_an_address_that_is_no_more(void **state)
{
	uint8_t answer[12] = { 0, 128, 0, NATPMP_NETWORK_FAILURE };
	struct sim s;
	struct lease *l = hold(&s, METHOD_NAT_PMP, TCP);

	(void)state;
	assert_int_equal(sim_status(l).held.external.family, ADDR_IPV4);
	s.silent = true;
	s.router->service[ROUTER_NAT_PMP].poll_at = s.now;
	sim_pass(&s, 10);
	s.externals = s.changes = 0;
	answer[6] = (uint8_t)(sim_epoch(&s) >> 8);
	answer[7] = (uint8_t)sim_epoch(&s);
	router_datagram(s.router, answer, sizeof(answer), s.now);
	sim_pass(&s, 0);
	assert_int_equal(router_external(s.router)->family, ADDR_NONE);
	assert_int_equal(sim_status(l).held.external.family, ADDR_NONE);
	assert_int_equal(s.externals, 1);
	assert_int_equal(s.changes, 1);
	sim_done(&s);
}

/* A router that stopped answering is not asked more than that at a time, however many
 * wait. */
static void
test_fifty_under_way(void **state)
{
	struct sim s;

	(void)state;
	(void)hold(&s, METHOD_PCP, TCP);
	s.silent = true;
	for (uint16_t i = 1; i <= 200; i++) {
		struct lease_want w = sim_want((uint16_t)(8080 + i), TCP);

		lease_new(s.router, &w, NULL, &s, s.now);
	}
	for (unsigned i = 0; i < 28; i++) {
		sim_pass(&s, 100);
		assert_in_range(router_exchanges(s.router), 0, 50);
	}
	assert_int_equal(router_exchanges(s.router), 50);
	/* Then it is left alone, and looked for first: the others wait for that. */
	sim_pass(&s, 1000);
	assert_int_equal(s.router->service[ROUTER_PCP].circuit, CIRCUIT_OPEN);
	s.datagrams = 0;
	while (s.router->service[ROUTER_PCP].circuit != CIRCUIT_HALF_OPEN)
		sim_pass(&s, 100);
	sim_pass(&s, 1000);
	assert_in_range(s.datagrams, 1, RETRY_BURST_SENDS);
	assert_int_equal(s.router->service[ROUTER_PCP].circuit, CIRCUIT_HALF_OPEN);
	assert_int_equal(router_exchanges(s.router), 0);
	s.silent = false;
	sim_pass(&s, 120000);
	assert_int_equal(sim_entries(&s), 201);
	sim_done(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_natpmp_delete),
		cmocka_unit_test(test_schedules),
		cmocka_unit_test(test_renewal_in_silence),
		cmocka_unit_test(test_renewal_of_a_long_lease),
		cmocka_unit_test(test_late_grant),
		cmocka_unit_test(test_late_deletion),
		cmocka_unit_test(test_natpmp_other_port),
		cmocka_unit_test(test_pcp_other_protocol),
		cmocka_unit_test(test_unreachable_while_held),
		cmocka_unit_test(test_entry_at_the_former_address),
		cmocka_unit_test(test_codes_of_the_service),
		cmocka_unit_test(test_outcome_of_an_earlier_exchange),
		cmocka_unit_test(test_read_back_without_a_connection),
		cmocka_unit_test(test_released_before_the_answer),
		cmocka_unit_test(test_an_address_that_is_no_more),
		cmocka_unit_test(test_fifty_under_way),
	};

	return cmocka_run_group_tests_name("router_guards", tests, NULL, NULL);
}
