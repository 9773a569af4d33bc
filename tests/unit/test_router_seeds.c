/*
 * test_router_seeds.c - random scenarios on both simulated gateways, from seeds.
 *
 * Leases come and go while the router restarts, moves, lies, falls silent and loses
 * packets, and natd itself restarts.  sim.h looks after each turn that no lease waits
 * without an end; here: each wish gets its verdict, each release its end, and when the
 * router is well again everything wanted is held, and held is what is in its table.
 *
 *     test_router_seeds [FIRST [COUNT]]     a failure names its seed
 */
#include "tests/unit/seeds_world.h"

#define STEPS 60
/* All numbers are tried, by a gateway that takes its time for each refusal. */
#define PATIENCE_MS 240000

/* ---- steps ---- */

static void
new_wish(struct world *w)
{
	struct wish *wish = &w->wish[pick(w, WISHES)];
	uint16_t port = ++w->next_port;

	if (wish->used)
		return;
	wish->want = sim_want(pick(w, 4) ? port : 0, 1 + pick(w, 3));
	wish->want.internal = w->s.router->settings.local;
	wish->want.nonce[0] = (uint8_t)(port >> 8);
	wish->want.nonce[1] = (uint8_t)port;
	wish->want.nonce[2] = 77;
	wish->want.port_seed = w->seed << 20 | port;
	if (wish->want.internal_port && pick(w, 5) == 0) {
		wish->want.external_port = (uint16_t)(port + 100 * pick(w, 2));
		wish->want.prefer_failure = pick(w, 2);
	}
	if (pick(w, 6) == 0)
		wish->want.lifetime_s = 60 + pick(w, 600);
	wish->since = w->s.now;
	wish->used = true;
	wish->released = wish->was_held = false;
	wish->of_connection = pick(w, 4) == 0;
	take_wish(w, wish);
}

static void
release_wish(struct world *w)
{
	struct wish *wish = &w->wish[pick(w, WISHES)];

	if (!wish->lease || wish->released)
		return;
	wish->released = true;
	wish->since = w->s.now;
	lease_release(wish->lease, w->s.now);
}

static void
renew_wish(struct world *w)
{
	struct wish *wish = &w->wish[pick(w, WISHES)];

	if (wish->lease && !wish->released)
		lease_renew(wish->lease, w->s.now);
}

static void
reboot_router(struct world *w)
{
	sim_igd_reboot(w->g, (uint16_t)(5000 + pick(w, 3)));
	w->g->makes_same_port = pick(w, 5) == 0; /* another firmware */
	sim_reboot(&w->s, pick(w, 4));
	if (pick(w, 2))
		sim_igd_notify(w->g, pick(w, 2));
	if (pick(w, 2))
		router_hint(w->s.router, w->s.now);
}

static void
new_fault(struct world *w)
{
	static const int codes[] = { 401, 402, 501, 606, 701, 704, 714, 718, 724, 725,
		728, 729, -911, 9999 };

	w->g->fault[pick(w, SIM_IGD_FAULTS)] = (struct sim_fault) {
		.action = pick(w, 3) ? (enum igd_action)pick(w, IGD_ACTION_MAX)
				     : SIM_ANY_ACTION,
		.how = (enum sim_how)pick(w, SIM_404 + 1),
		.code = codes[pick(w, ARRAY_SIZE(codes))],
		.times = pick(w, 6),
		.percent = pick(w, 2) ? 30 : 0,
	};
}

static void
new_manners(struct world *w)
{
	struct sim_igd *g = w->g;

	g->permanent_only = pick(w, 6) == 0;
	g->lease_only = pick(w, 8) == 0 ? 3600 : 0;
	g->same_port_only = pick(w, 8) == 0;
	g->overwrites = pick(w, 4) == 0;
	g->own_conflict = pick(w, 4) == 0;
	g->zero_lease_shown = pick(w, 2);
	g->room = pick(w, 6) == 0 ? 8 : 0;
	g->deaf = !w->calm && pick(w, 5) == 0;
	g->http_ms = 1 + pick(w, 400);
	w->s.loss_percent = pick(w, 2) * pick(w, 60);
	w->s.copy_percent = pick(w, 3) * 10;
	w->s.silent = pick(w, 5) == 0;
	w->s.pcp_result = pick(w, 5) == 0 ? (int)(1 + pick(w, 13)) : 0;
	w->s.natpmp_result = pick(w, 5) == 0 ? (int)(1 + pick(w, 5)) : 0;
	w->s.lifetime_max_s = pick(w, 5) == 0 ? 60 : 0;
	w->s.unreachable = pick(w, 8) == 0;
}

static void
well_again(struct world *w)
{
	struct sim_igd *g = w->g;

	memset(g->fault, 0, sizeof(g->fault));
	g->permanent_only = g->same_port_only = g->overwrites = g->own_conflict =
	    g->deaf = false;
	g->lease_only = g->room = 0;
	g->connected = 1;
	w->s.loss_percent = w->s.copy_percent = 0;
	w->s.copy_len = 0;
	w->s.silent = w->s.unreachable = false;
	w->s.pcp_result = w->s.natpmp_result = 0;
}

static void
disturb_table(struct world *w)
{
	struct sim_mapping *m = &w->g->entry[pick(w, SIM_IGD_ENTRIES)];

	if (m->used && pick(w, 2)) {
		m->used = false;
	} else if (m->used && w->g->version != 6) {
		snprintf(m->client, sizeof(m->client), "192.168.1.33");
		m->stolen = true;
	}
}

/* A number that natd may want, too. */
static void
other_host(struct world *w)
{
	uint16_t port = (uint16_t)(w->next_port + pick(w, 3) + 100 * pick(w, 2));
	enum transport t = pick(w, 2) ? TRANSPORT_TCP : TRANSPORT_UDP;
	struct sim_mapping *m;

	if (w->g->version == 6 || sim_igd_find(w->g, transport_number(t), port))
		return;
	m = sim_igd_foreign(w->g, transport_number(t), port);
	for (const struct lease *l = w->s.router->leases; m && l; l = l->next)
		m->stolen |= l->leg[t].held && l->leg[t].external_port == port;
}

/* Nobody waits while all sleep. */
static void
suspend(struct world *w, msec_t ms)
{
	/* What was sent is done before, and counts from then. */
	if (w->g->busy) {
		w->g->due = w->s.now;
		sim_igd_run(&w->s);
	}
	w->s.now += ms;
	for (unsigned i = 0; i < WISHES; i++)
		w->wish[i].since += ms;
}

static void
step(struct world *w)
{
	static const unsigned waits[] = { 0, 1, 50, 500, 3000, 20000, 90000, 600000,
		5000000 };

	switch (pick(w, 17)) {
	case 0 ... 4:
		new_wish(w);
		break;
	case 5:
	case 6:
		release_wish(w);
		break;
	case 7:
		renew_wish(w);
		break;
	case 8:
		restart_natd(w);
		break;
	case 9:
		reboot_router(w);
		break;
	case 10:
		if (!w->calm)
			new_fault(w);
		break;
	case 11:
		new_manners(w);
		break;
	case 12:
		well_again(w);
		break;
	case 13:
		disturb_table(w);
		break;
	case 14:
		suspend(w, waits[pick(w, ARRAY_SIZE(waits))]);
		break;
	case 15:
		w->s.external = w->g->external =
		    addr_ipv4(198, 0, 2, pick(w, 2) ? 9 : 0);
		w->g->connected = 1u << pick(w, 3);
		break;
	case 16:
		other_host(w);
		break;
	}
	sim_pass(&w->s, 1 + pick(w, 1 + waits[pick(w, ARRAY_SIZE(waits))]));
}

/* ---- what must be true ---- */

/* No two mappings of this host have one number: the gateway would let the later one
 * take it away. */
static void
check_numbers(const struct world *w)
{
	uint16_t number[TRANSPORT_MAX][2 * WISHES];
	unsigned count[TRANSPORT_MAX] = { 0 };

	for (const struct lease *l = w->s.router->leases; l; l = l->next) {
		if (l->phase != LEASE_HELD || l->direct || w->g->version == 6)
			continue;
		for (enum transport t = 0; t < TRANSPORT_MAX; t++) {
			if (!l->leg[t].held)
				continue;
			for (unsigned i = 0; i < count[t]; i++)
				assert_int_not_equal(
				    number[t][i], l->leg[t].external_port);
			number[t][count[t]++] = l->leg[t].external_port;
		}
	}
}

static void
check_wishes(struct world *w)
{
	for (unsigned i = 0; i < WISHES; i++) {
		const struct wish *wish = &w->wish[i];

		if (!wish->lease || w->s.now - wish->since < PATIENCE_MS)
			continue;
		assert_false(wish->released);
		if (!sim_status(wish->lease).verdict) {
			sim_show(&w->s, wish->lease);
			fail();
		}
	}
}

static bool
in_table(struct world *w, const struct lease_held *held, enum transport t)
{
	uint8_t protocol = transport_number(t);
	struct sim_mapping *m;
	struct sim_entry *e;

	switch (held->method) {
	case METHOD_PCP:
	case METHOD_NAT_PMP:
		e = sim_find(&w->s, protocol, held->external_port, true);
		return e && e->internal_port == held->internal_port;
	case METHOD_IGD_PINHOLE:
		m = sim_igd_find_id(w->g, held->pinhole_id[t]);
		return m && m->internal == held->internal_port;
	case METHOD_IGD1:
	case METHOD_IGD2:
		m = sim_igd_find(w->g, protocol, held->external_port);
		return m && m->internal == held->internal_port &&
		       strcmp(m->client, w->g->client) == 0;
	default:
		return true;
	}
}

static void
check_held(struct world *w)
{
	check_numbers(w);
	for (unsigned i = 0; i < WISHES; i++) {
		struct lease_status st;

		if (!w->wish[i].lease || w->wish[i].released)
			continue;
		st = sim_status(w->wish[i].lease);
		/* A wanted number may be another host's, and so may the only one. */
		if (st.state == MAPPING_FAILED &&
		    (w->wish[i].want.prefer_failure || w->g->makes_same_port))
			continue;
		if (st.state != MAPPING_ACTIVE && st.state != MAPPING_RENEWING) {
			sim_show(&w->s, w->wish[i].lease);
			fail();
		}
		for (enum transport t = 0; t < TRANSPORT_MAX; t++)
			if (w->wish[i].want.transports & 1u << t)
				assert_true(in_table(w, &st.held, t));
	}
}

static void
check_asked(const struct world *w, unsigned kept, unsigned ended)
{
	const unsigned *count = w->g->count;

	assert_int_equal(count[IGD_ADD_PORT_MAPPING] + count[IGD_ADD_ANY_PORT_MAPPING] +
			     count[IGD_ADD_PINHOLE] + count[IGD_UPDATE_PINHOLE],
	    kept);
	assert_int_equal(
	    count[IGD_DELETE_PORT_MAPPING] + count[IGD_DELETE_PINHOLE], ended);
}

/* Killed while all is well: each number stays; what is held by UPnP is asked for once
 * and not deleted, what a connection held is deleted and not asked for. */
static void
check_restart(struct world *w)
{
	uint16_t number[WISHES] = { 0 };
	unsigned kept = 0, ended = 0;
	bool others = false; /* denied so far, left behind, or free to move to UPnP */

	for (unsigned i = 0; i < WISHES; i++) {
		const struct wish *wish = &w->wish[i];

		if (!wish->used || wish->released)
			continue;
		if (!wish->lease || !sim_status(wish->lease).is_held ||
		    wish->last.method == METHOD_DIRECT) {
			others = true;
			continue;
		}
		number[i] = wish->last.external_port;
		others |= pxp_is(method_service(wish->last.method));
		*(wish->of_connection ? &ended : &kept) +=
		    wish->want.transports == 3 ? 2 : 1;
	}
	for (unsigned i = 0; i < TOMBSTONES; i++)
		others |= w->tombstone[i].used;
	restart_natd(w);
	memset(w->g->count, 0, sizeof(w->g->count));
	/* Shorter than until the first renewal. */
	sim_pass(&w->s, 25000);
	for (unsigned i = 0; i < WISHES; i++)
		if (w->wish[i].used && number[i])
			assert_int_equal(w->wish[i].last.external_port, number[i]);
	if (!others)
		check_asked(w, kept, ended);
}

static void
check_all_gone(struct world *w)
{
	for (unsigned i = 0; i < WISHES; i++) {
		struct wish *wish = &w->wish[i];

		if (wish->lease && !wish->released) {
			wish->released = true;
			wish->since = w->s.now;
			lease_release(wish->lease, w->s.now);
		}
	}
	reconcile(w);
	sim_pass(&w->s, 60000);
	assert_int_equal(router_leases(w->s.router), 0);
	assert_true(router_deadline(w->s.router) == MSEC_NEVER);
	check_table(w);
	/* What restarts and lost answers left lapses by itself. */
	sim_pass(&w->s, 8 * 24 * INT64_C(3600000));
	assert_int_equal(sim_entries(&w->s), 0);
	check_table(w);
}

static void
run_seed(uint64_t seed)
{
	static const unsigned versions[] = { 1, 2, 6 };
	struct world w = { .seed = seed, .next_port = 7000 };

	w.g = sim_igd_init(&w.s, versions[seed % 3], seed);
	w.s.on_gone = on_gone;
	w.s.on_changed = on_changed;
	w.s.on_asks = on_asks;
	w.s.pcp = pick(&w, 3) == 0;
	w.s.natpmp = w.g->version != 6 && pick(&w, 3) == 0;
	w.g->wans = 1 + pick(&w, 3);
	w.g->makes_same_port = pick(&w, 5) == 0;
	w.calm = seed % 2;
	w.g->deaf = !w.calm && pick(&w, 6) == 0;
	for (unsigned i = 0; i < STEPS; i++) {
		step(&w);
		reconcile(&w);
		check_table(&w);
		check_wishes(&w);
	}
	well_again(&w);
	sim_pass(&w.s, 120000);
	check_table(&w);
	/* Denied ones come back within the hour. */
	sim_pass(&w.s, 2 * 3700000);
	check_wishes(&w);
	check_held(&w);
	check_restart(&w);
	check_all_gone(&w);
	sim_done(&w.s);
}

static uint64_t first = 1, count = 500, at;

static void
test_seeds(void **state)
{
	(void)state;
	for (at = first; at < first + count; at++)
		run_seed(at);
}

static int
say_seed(void **state)
{
	(void)state;
	if (at < first + count)
		printf("failed with seed %llu\n", (unsigned long long)at);
	else
		printf("seeds %llu to %llu\n", (unsigned long long)first,
		    (unsigned long long)(at - 1));
	return 0;
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_seeds, say_seed),
	};

	if (argc > 1)
		first = strtoull(argv[1], NULL, 10);
	if (argc > 2)
		count = strtoull(argv[2], NULL, 10);
	return cmocka_run_group_tests_name("router_seeds", tests, NULL, NULL);
}
