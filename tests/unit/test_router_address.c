/*
 * test_router_address.c - the address outside: one for all, or one of several for each
 * lease (a PCP server with a pool of them).
 */
#include "tests/unit/sim_igd.h"

#define FIRST 8080
#define SECOND 9090
#define DAY_MS (INT64_C(86400) * MSEC_PER_SEC)

struct pair {
	struct sim s;
	struct lease *l[2];
};

static struct addr
was(void)
{
	return addr_ipv4(198, 0, 2, 7);
}

static struct addr
other(void)
{
	return addr_ipv4(198, 0, 2, 99);
}

static void
begin(struct pair *p, uint64_t seed)
{
	*p = (struct pair) { 0 };
	sim_init(&p->s, seed);
	p->s.pcp = true;
}

static void
want(struct pair *p, int i, unsigned transports)
{
	struct lease_want w = sim_want(i ? SECOND : FIRST, transports);

	p->l[i] = lease_new(p->s.router, &w, NULL, p, p->s.now);
	assert_non_null(p->l[i]);
	sim_turn(&p->s);
}

static void
begin_both(struct pair *p, uint64_t seed)
{
	begin(p, seed);
	want(p, 0, TCP);
	want(p, 1, TCP);
	sim_pass(&p->s, 10000);
	assert_int_equal(p->s.maps, 2);
	p->s.externals = p->s.changes = 0;
}

/* From now on ports from SECOND on have the other address. */
static void
begin_pool(struct sim *s)
{
	s->pool = other();
	s->pool_from = SECOND;
}

static void
check(const struct pair *p, struct addr router, struct addr first, struct addr second)
{
	const struct addr *expected[2] = { &first, &second };

	assert_true(addr_equal(router_external(p->s.router), &router));
	for (int i = 0; i < 2; i++) {
		struct lease_status st = sim_status(p->l[i]);

		assert_true(st.is_held);
		assert_int_equal(st.state, MAPPING_ACTIVE);
		assert_true(addr_equal(&st.held.external, expected[i]));
	}
}

static void
renew(struct pair *p, int i)
{
	lease_renew(p->l[i], p->s.now);
	sim_turn(&p->s);
}

/* Each has the one of its own grant, from the first moment; nothing goes to and fro. */
static void
test_a_pool_of_addresses(void **state)
{
	static const unsigned transports[] = { TCP, UDP, TCP | UDP };

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(transports); i++) {
		struct pair p;

		begin(&p, 1);
		begin_pool(&p.s);
		want(&p, 0, transports[i]);
		want(&p, 1, transports[i]);
		check(&p, was(), was(), other());
		assert_int_equal(p.s.externals, 1);
		unsigned maps = p.s.maps;
		p.s.changes = 0;
		sim_pass(&p.s, 10000);
		/* The first was asked once more whether it still has its own, which is
		 * no news. */
		assert_in_range(p.s.maps - maps, 1, 2);
		assert_int_equal(p.s.changes, 0);
		sim_pass(&p.s, DAY_MS);
		check(&p, was(), was(), other());
		assert_int_equal(p.s.externals, 1);
		/* Renewals are told as such. */
		assert_true(p.s.changes <= 4 * 24);
		sim_done(&p.s);
	}
}

/* One for each protocol, too: a mapping of both is told with the first's. */
static void
test_a_pool_for_each_protocol(void **state)
{
	struct pair p;

	(void)state;
	begin(&p, 15);
	begin_pool(&p.s);
	p.s.pool_protocol = 6;
	want(&p, 0, TCP | UDP);
	want(&p, 1, TCP | UDP);
	check(&p, was(), was(), was());
	sim_pass(&p.s, DAY_MS);
	check(&p, was(), was(), was());
	assert_int_equal(p.s.externals, 1);
	sim_done(&p.s);
}

/* One address for all: the first answer that shows another is enough. */
static void
test_one_answer_changes_all(void **state)
{
	struct pair p;

	(void)state;
	for (int i = 0; i < 2; i++) {
		begin_both(&p, 2);
		unsigned maps = p.s.maps;
		p.s.external = other();
		p.l[!i]->again[ROUTER_PCP] = MSEC_NEVER; /* it is not asked */
		renew(&p, i);
		assert_int_equal(p.s.maps, maps + 1);
		check(&p, other(), other(), other());
		assert_int_equal(p.s.externals, 1);
		sim_done(&p.s);
	}
}

/* One that is new shows nothing yet: who is held is asked, and that shows it. */
static void
test_a_new_lease_has_another(void **state)
{
	struct pair p;

	(void)state;
	begin(&p, 3);
	want(&p, 0, TCP);
	sim_pass(&p.s, 10000);
	p.s.external = other();
	want(&p, 1, TCP);
	check(&p, other(), other(), other());
	assert_int_equal(p.s.externals, 2);
	assert_int_equal(p.s.maps, 3);
	sim_done(&p.s);
}

/* RFC 6887 11.2.1: "renewal packets MUST NOT be sent less than four seconds apart". */
static void
test_not_asked_again_at_once(void **state)
{
	struct pair p;

	(void)state;
	begin(&p, 4);
	want(&p, 0, TCP);
	sim_pass(&p.s, 1000);
	begin_pool(&p.s);
	want(&p, 1, TCP);
	assert_int_equal(p.s.maps, 2);
	sim_pass(&p.s, 2900);
	assert_int_equal(p.s.maps, 2);
	sim_pass(&p.s, 200);
	assert_int_equal(p.s.maps, 3);
	check(&p, was(), was(), other());
	sim_done(&p.s);
}

/* Many at once that have another address ask the one that has the first once. */
static void
test_many_new_ones_ask_once(void **state)
{
	struct pair p;

	(void)state;
	begin(&p, 5);
	begin_pool(&p.s);
	want(&p, 0, TCP);
	sim_pass(&p.s, 10000);
	unsigned maps = p.s.maps;
	for (unsigned i = 0; i < 20; i++) {
		struct lease_want w = sim_want((uint16_t)(SECOND + i), TCP);

		assert_non_null(lease_new(p.s.router, &w, NULL, &p, p.s.now));
	}
	sim_pass(&p.s, 3500);
	assert_int_equal(p.s.maps, maps + 20 + 1);
	sim_pass(&p.s, 1000);
	assert_int_equal(p.s.maps, maps + 20 + 2);
	sim_done(&p.s);
}

static void
have_another(struct sim *s, const struct lease *l, void *owner)
{
	(void)l;
	(void)owner;
	s->external.bytes[3] = (uint8_t)(s->external.bytes[3] % 250 + 1);
}

/* A server that tells another one each time is asked at that pace, however many there
 * are. */
static void
test_another_each_time(void **state)
{
	struct pair p;

	(void)state;
	begin(&p, 16);
	p.s.on_asks = have_another;
	for (unsigned i = 0; i < SIM_ENTRIES; i++) {
		struct lease_want w = sim_want((uint16_t)(SECOND + i), TCP);

		assert_non_null(lease_new(p.s.router, &w, NULL, &p, p.s.now));
	}
	sim_pass(&p.s, 20000);
	unsigned maps = p.s.maps;
	sim_pass(&p.s, 600000);
	assert_true(p.s.maps - maps <= 600 / 4 + 1 + 600 / 60);
	sim_done(&p.s);
}

/* Only one of two that had the same moves: the other has it back with its own answer.
 */
static void
test_one_of_a_pool_moves(void **state)
{
	struct pair p;

	(void)state;
	begin_both(&p, 6);
	begin_pool(&p.s);
	renew(&p, 1);
	check(&p, other(), was(), other());
	assert_int_equal(p.s.externals, 1);
	p.s.changes = 0;
	sim_pass(&p.s, DAY_MS);
	check(&p, other(), was(), other());
	assert_int_equal(p.s.externals, 1);
	sim_done(&p.s);
}

/* All change and are back before the other was asked: its answer shows that, too. */
static void
test_there_and_back(void **state)
{
	struct pair p;

	(void)state;
	begin_both(&p, 7);
	p.s.external = other();
	p.l[1]->again[ROUTER_PCP] = MSEC_NEVER; /* it cannot be asked now */
	renew(&p, 0);
	check(&p, other(), other(), other());
	p.s.external = was();
	sim_pass(&p.s, 1000);
	renew(&p, 1);
	sim_pass(&p.s, 10000);
	check(&p, was(), was(), was());
	sim_done(&p.s);
}

/* What was wrongly taken for changed is taken back for all, not one by one. */
static void
test_taken_back_for_all(void **state)
{
	struct sim s;
	struct lease *l[5];

	(void)state;
	sim_init(&s, 8);
	s.pcp = true;
	for (unsigned i = 0; i < 5; i++) {
		struct lease_want w = sim_want((uint16_t)(SECOND - 4 + i), TCP);

		l[i] = lease_new(s.router, &w, NULL, &s, s.now);
	}
	sim_pass(&s, 10000);
	begin_pool(&s);
	unsigned maps = s.maps;
	lease_renew(l[4], s.now);
	sim_turn(&s);
	/* The one that moved, the one that was asked, the one that had moved again. */
	sim_pass(&s, 9000);
	assert_in_range(s.maps - maps, 2, 3);
	for (unsigned i = 0; i < 5; i++) {
		struct addr expected = i < 4 ? was() : other();
		struct lease_status st = sim_status(l[i]);

		assert_true(addr_equal(&st.held.external, &expected));
	}
	sim_done(&s);
}

/* Who had the address that is shown for the router is gone: then another's is. */
static void
test_the_routers_own_when_its_lease_is_gone(void **state)
{
	struct pair p;

	(void)state;
	begin(&p, 9);
	begin_pool(&p.s);
	want(&p, 0, TCP);
	want(&p, 1, TCP);
	lease_release(p.l[0], p.s.now);
	sim_pass(&p.s, 61000);
	const struct addr expected = other();
	assert_true(addr_equal(router_external(p.s.router), &expected));
	assert_int_equal(p.s.externals, 2);
	sim_done(&p.s);
}

/* The router restarts, with another address or with others for each. */
static void
test_restarted_with_others(void **state)
{
	(void)state;
	for (int pool = 0; pool < 2; pool++) {
		struct pair p;

		begin_both(&p, 10);
		sim_pass(&p.s, 100000);
		sim_reboot(&p.s, true);
		p.s.external = addr_ipv4(198, 0, 2, 50);
		if (pool)
			begin_pool(&p.s);
		renew(&p, 0);
		check(&p, p.s.external, p.s.external, pool ? other() : p.s.external);
		assert_int_equal(p.s.externals, 1);
		sim_pass(&p.s, DAY_MS);
		check(&p, p.s.external, p.s.external, pool ? other() : p.s.external);
		assert_int_equal(p.s.externals, 1);
		sim_done(&p.s);
	}
}

/* Adopted from an earlier life: the first answer shows that all changed meanwhile. */
static void
test_adopted(void **state)
{
	struct pair p;

	(void)state;
	begin(&p, 11);
	p.s.external = other();
	for (int i = 0; i < 2; i++) {
		struct lease_want w = sim_want(i ? SECOND : FIRST, TCP);
		const struct lease_held held = {
			.method = METHOD_PCP,
			.external = was(),
			.external_port = w.internal_port,
			.internal_port = w.internal_port,
			.lifetime_s = 7200,
			.expires_at = p.s.now + 3600000,
		};

		p.l[i] = lease_new(p.s.router, &w, &held, &p, p.s.now);
	}
	p.l[1]->again[ROUTER_PCP] = MSEC_NEVER;
	p.l[1]->at = p.s.now + 600000; /* its own renewal is late */
	sim_pass(&p.s, 1000);
	check(&p, other(), other(), other());
	sim_done(&p.s);
}

/* NAT-PMP tells the router's own address, PCP the carrier's, whose server it asks for
 * us (RFC 7648): nothing goes to and fro. */
static void
test_nat_pmp_knows_another(void **state)
{
	struct pair p;

	(void)state;
	begin(&p, 12);
	p.s.natpmp = true;
	p.s.pool = other();
	p.s.pool_from = 1;
	want(&p, 0, TCP);
	want(&p, 1, TCP);
	sim_pass(&p.s, 10000);
	check(&p, was(), other(), other());
	assert_int_equal(router_external_source(p.s.router), METHOD_NAT_PMP);
	assert_true(p.s.externals <= 2);
	p.s.externals = p.s.changes = 0;
	sim_pass(&p.s, DAY_MS);
	check(&p, was(), other(), other());
	assert_int_equal(p.s.externals, 0);
	/* The router's own changes: that is no news of theirs. */
	p.s.external = addr_ipv4(198, 0, 2, 50);
	sim_pass(&p.s, 61000);
	check(&p, p.s.external, other(), other());
	assert_int_equal(p.s.externals, 1);
	/* It happens to be the same, and moves on. */
	p.s.external = other();
	sim_pass(&p.s, 61000);
	check(&p, other(), other(), other());
	p.s.external = was();
	sim_pass(&p.s, 70000);
	check(&p, was(), other(), other());
	sim_done(&p.s);
}

/* PCP says that there is none, where another protocol of the router's tells one. */
static void
test_only_nat_pmp_knows(void **state)
{
	struct pair p;

	(void)state;
	begin(&p, 17);
	p.s.natpmp = true;
	p.s.pool = addr_ipv4(0, 0, 0, 0);
	p.s.pool_from = 1;
	want(&p, 0, TCP);
	want(&p, 1, TCP);
	sim_pass(&p.s, 61000);
	check(&p, was(), was(), was());
	sim_done(&p.s);
}

enum { NAT_PMP, UPNP, GONE };

/* One that is new has another than the one that NAT-PMP or UPnP told, or told while it
 * was there: who told it is asked at once, else a lease. */
static void
test_who_told_it_is_asked(void **state)
{
	(void)state;
	for (unsigned kind = NAT_PMP; kind <= GONE; kind++) {
		struct pair p = { 0 };

		if (kind == UPNP)
			sim_igd_init(&p.s, 1, 18);
		else
			sim_init(&p.s, 18);
		p.s.pcp = true;
		p.s.natpmp = kind != UPNP;
		want(&p, 0, TCP);
		sim_pass(&p.s, 10000);
		assert_int_equal(router_external_source(p.s.router),
		    kind == UPNP ? METHOD_IGD1 : METHOD_NAT_PMP);
		if (kind == GONE) {
			p.s.natpmp = false;
			p.s.router->service[ROUTER_NAT_PMP].state = SERVICE_ABSENT;
		}
		p.s.external = other();
		if (kind == UPNP)
			igd_of(&p.s)->external = other();
		want(&p, 1, TCP);
		sim_pass(&p.s, 500);
		check(&p, other(), other(), other());
		sim_done(&p.s);
	}
}

/* NAT-PMP shows it first: what PCP holds has it, too. */
static void
test_nat_pmp_shows_it_first(void **state)
{
	struct pair p;

	(void)state;
	begin(&p, 13);
	p.s.natpmp = true;
	want(&p, 0, TCP);
	want(&p, 1, TCP);
	sim_pass(&p.s, 10000);
	p.s.external = other();
	unsigned maps = p.s.maps;
	sim_pass(&p.s, 61000);
	check(&p, other(), other(), other());
	assert_true(p.s.maps <= maps + 1);
	sim_done(&p.s);
}

/* None for one of them, for a while. */
static void
test_none_for_one(void **state)
{
	struct pair p;

	(void)state;
	begin(&p, 14);
	begin_pool(&p.s);
	want(&p, 0, TCP);
	want(&p, 1, TCP);
	sim_pass(&p.s, 10000);
	p.s.pool = addr_ipv4(0, 0, 0, 0);
	renew(&p, 1);
	check(&p, was(), was(), (struct addr) { .family = ADDR_NONE });
	begin_pool(&p.s);
	sim_pass(&p.s, 5000);
	renew(&p, 1);
	check(&p, was(), was(), other());
	assert_int_equal(p.s.externals, 1);
	sim_done(&p.s);
}

/* None for the first of them: then the other's is the router's. */
static void
test_none_for_the_first(void **state)
{
	struct pair p;

	(void)state;
	begin(&p, 19);
	begin_pool(&p.s);
	p.s.external = addr_ipv4(0, 0, 0, 0);
	want(&p, 0, TCP);
	want(&p, 1, TCP);
	check(&p, other(), (struct addr) { .family = ADDR_NONE }, other());
	sim_done(&p.s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_pool_of_addresses),
		cmocka_unit_test(test_a_pool_for_each_protocol),
		cmocka_unit_test(test_one_answer_changes_all),
		cmocka_unit_test(test_a_new_lease_has_another),
		cmocka_unit_test(test_not_asked_again_at_once),
		cmocka_unit_test(test_many_new_ones_ask_once),
		cmocka_unit_test(test_one_of_a_pool_moves),
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_taken_back_for_all),
		cmocka_unit_test(test_the_routers_own_when_its_lease_is_gone),
		cmocka_unit_test(test_restarted_with_others),
		cmocka_unit_test(test_adopted),
		cmocka_unit_test(test_nat_pmp_knows_another),
		cmocka_unit_test(test_nat_pmp_shows_it_first),
		cmocka_unit_test(test_none_for_one),
		cmocka_unit_test(test_none_for_the_first),
		cmocka_unit_test(test_another_each_time),
		cmocka_unit_test(test_only_nat_pmp_knows),
		cmocka_unit_test(test_who_told_it_is_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
