/*
 * test_router_igd_lost.c - a simulated UPnP gateway that forgets, moves and restarts,
 * and how it is found.
 */
#include "tests/unit/igd_cases.h"

/* ---- the router forgets, moves, restarts ---- */

static unsigned
readbacks(const struct sim_igd *g)
{
	return g->count[IGD_GET_SPECIFIC_PORT_MAPPING_ENTRY];
}

/* Read back within 2 minutes of the grant, then every 5 at most. */
static void
test_readback(void **state)
{
	struct sim s;
	struct sim_igd *g = sim_igd_init(&s, 1, 17);
	struct lease *l = want(&s, 8080, TCP | UDP);
	unsigned changes;

	(void)state;
	sim_pass(&s, 120000);
	assert_int_equal(readbacks(g), 2);
	changes = s.changes;
	sim_pass(&s, 3 * 300000);
	assert_in_range(readbacks(g), 8, 10);
	/* Looking is no news. */
	assert_int_equal(s.changes, changes);
	/* Lost silently: healed within 5 minutes, both transports. */
	sim_igd_find(g, 6, 8080)->used = false;
	sim_pass(&s, 300000);
	assert_int_equal(sim_igd_entries(g), 2);
	assert_state(l, MAPPING_ACTIVE);
	sim_done(&s);
}

/* F12: success, but no rule (quirk 27: the 33rd is dropped): healed once, then named.
 */
static void
test_vanishes(void **state)
{
	struct sim s;
	struct sim_igd *g = sim_igd_init(&s, 1, 18);
	struct lease *l;
	unsigned adds;

	(void)state;
	g->room = 1;
	sim_igd_foreign(g, 17, 1);
	l = want(&s, 8080, TCP);
	sim_pass(&s, 5000);
	assert_state(l, MAPPING_ACTIVE); /* so it says */
	/* What was made again is looked at soon. */
	sim_pass(&s, 100000);
	assert_state(l, MAPPING_FAILED);
	assert_problem(l, "VANISHED", 0);
	assert_int_equal(g->count[IGD_ADD_PORT_MAPPING], 2);
	assert_int_equal(sim_status(l).is_held, false);
	/* Slowly from then on, and healed when there is room. */
	adds = g->count[IGD_ADD_PORT_MAPPING];
	sim_pass(&s, 3600000);
	assert_in_range(g->count[IGD_ADD_PORT_MAPPING] - adds, 1, 20);
	g->room = 0;
	sim_pass(&s, 600000);
	assert_served(&s, l, 2);
	sim_done(&s);
}

/* Made again and there a moment later, but not for long: that is no healing. */
static void
test_vanishes_slowly(void **state)
{
	struct sim s;
	struct sim_igd *g = sim_igd_init(&s, 1, 48);
	struct lease *l = want(&s, 8080, TCP);

	(void)state;
	for (unsigned i = 0; i < 11; i++) {
		sim_pass(&s, 15000);
		if (i % 2)
			memset(g->entry, 0, sizeof(g->entry));
	}
	sim_pass(&s, 50000);
	assert_state(l, MAPPING_FAILED);
	assert_problem(l, "VANISHED", 0);
	assert_int_equal(g->count[IGD_ADD_PORT_MAPPING], 2);
	sim_done(&s);
}

/* F11: the table is purged each 10 minutes. */
static void
test_purged(void **state)
{
	struct sim s;
	struct sim_igd *g = sim_igd_init(&s, 1, 19);
	struct lease *l = want(&s, 8080, TCP);

	(void)state;
	for (unsigned i = 0; i < 20; i++) {
		sim_pass(&s, 300000);
		assert_served(&s, l, 1);
		sim_pass(&s, 300000);
		memset(g->entry, 0, sizeof(g->entry));
	}
	sim_done(&s);
}

/* F52: two hosts want one port.  Another host took the number: another one, and no
 * fight. */
static void
test_stolen(void **state)
{
	struct sim s;
	struct sim_igd *g = sim_igd_init(&s, 1, 20);
	struct lease *l, *exact;

	(void)state;
	g->overwrites = true;
	l = want(&s, 8080, TCP);
	exact = want_exact(&s, 8443, 8443);
	sim_pass(&s, 5000);
	sim_igd_foreign(g, 6, 8080);
	sim_igd_foreign(g, 6, 8443);
	sim_pass(&s, 120000);
	assert_state(l, MAPPING_ACTIVE);
	assert_int_not_equal(sim_status(l).held.external_port, 8080);
	assert_state(exact, MAPPING_FAILED);
	assert_problem(exact, "ConflictInMappingEntry", 718);
	assert_string_equal(sim_igd_find(g, 6, 8080)->client, "192.168.1.33");
	assert_string_equal(sim_igd_find(g, 6, 8443)->client, "192.168.1.33");
	assert_int_equal(sim_igd_entries(g), 3);
	release_all_and_done(&s, 2);
}

/* Quirk 29: maps external = internal whatever is asked: the actual number is told. */
static void
test_makes_same_port(void **state)
{
	(void)state;
	for (int exact = 0; exact < 2; exact++) {
		struct sim s;
		struct sim_igd *g = sim_igd_init(&s, 1, 21);
		struct lease_want w = sim_want(8080, TCP | UDP);
		struct lease *l;

		g->makes_same_port = true;
		w.external_port = 9000;
		w.prefer_failure = exact;
		l = want_as(&s, &w);
		sim_pass(&s, 5000);
		if (exact) {
			assert_state(l, MAPPING_FAILED);
			assert_int_equal(sim_status(l).problem.offered_port, 8080);
			assert_int_equal(sim_igd_entries(g), 0);
		} else {
			assert_state(l, MAPPING_ACTIVE);
			assert_port(l, 8080);
			assert_true(router_habits(s.router)->same_port);
			sim_pass(&s, 24 * 3600000);
			assert_served(&s, l, 2);
			assert_port(l, 8080);
		}
		release_all_and_done(&s, 0);
	}
}

/* F03: rebooted, on another HTTP port.  Quirk 6: restarted on another port, silently:
 * seen within a minute by the refused connection; found at once, asked at once. */
static void
test_port_moved(void **state)
{
	struct sim s;
	struct sim_igd *g = sim_igd_init(&s, 1, 22);
	struct lease *l = want(&s, 8080, TCP | UDP);

	(void)state;
	sim_pass(&s, 200000);
	sim_igd_reboot(g, 5001);
	sim_pass(&s, 61000);
	assert_served(&s, l, 2);
	assert_int_equal(g->refused, 1);
	/* With an exchange of its own it is not even a minute. */
	sim_pass(&s, 200000);
	sim_igd_reboot(g, 5002);
	lease_renew(l, s.now);
	sim_pass(&s, 1000);
	assert_served(&s, l, 2);
	/* Again right after it was found: at once, too, if not again and again. */
	sim_pass(&s, 1000);
	sim_igd_reboot(g, 5004);
	lease_renew(l, s.now);
	sim_pass(&s, 1000);
	assert_served(&s, l, 2);
	/* A new wish in that moment is served, too. */
	sim_pass(&s, 200000);
	sim_igd_reboot(g, 5003);
	struct lease *late = want(&s, 8081, TCP);
	sim_pass(&s, 1000);
	assert_state(late, MAPPING_ACTIVE);
	sim_pass(&s, 2000);
	assert_served(&s, l, 3);
	release_all_and_done(&s, 0);
}

/* The paths moved: the control URL is not found any more. */
static void
test_path_moved(void **state)
{
	struct sim s;
	struct sim_igd *g = sim_igd_init(&s, 1, 23);
	struct lease *l = want(&s, 8080, TCP);

	(void)state;
	sim_pass(&s, 200000);
	g->fault[0] = how(SIM_ANY_ACTION, SIM_404, 1);
	memset(g->entry, 0, sizeof(g->entry));
	g->description_path = "/other.xml";
	sim_pass(&s, 61000);
	assert_served(&s, l, 1);
	sim_done(&s);
}

/* A control that is broken for good does not make natd search without rest. */
static void
test_broken_control(void **state)
{
	const enum sim_how ways[] = { SIM_404, SIM_REFUSED, SIM_GARBAGE, SIM_TIMEOUT,
		SIM_RESET };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		struct sim s;
		struct sim_igd *g = sim_igd_init(&s, 1, 24);
		struct lease *l;

		g->fault[0] = how(IGD_ADD_PORT_MAPPING, ways[i], 0);
		l = want(&s, 8080, TCP);
		sim_pass(&s, 12000);
		assert_state(l, MAPPING_FAILED);
		assert_true(sim_status(l).verdict);
		unsigned searches = s.searches, https = s.https;
		sim_pass(&s, 3600000);
		assert_true(s.searches - searches <= 42 * 60);
		assert_true(s.https - https <= 400);
		g->fault[0] = (struct sim_fault) { 0 };
		sim_pass(&s, 400000);
		assert_state(l, MAPPING_ACTIVE);
		sim_done(&s);
	}
}

/* Uptime goes down: read back now. */
static void
test_uptime(void **state)
{
	struct sim s;
	struct sim_igd *g = sim_igd_init(&s, 1, 25);
	struct lease *l = want(&s, 8080, TCP);

	(void)state;
	sim_pass(&s, 400000);
	sim_igd_reboot(g, g->port);
	sim_pass(&s, 62000);
	assert_int_equal(sim_igd_entries(g), 1);
	assert_state(l, MAPPING_ACTIVE);
	sim_done(&s);
}

/* NOTIFY: byebye, alive with another BOOTID: asked again within a second. */
static void
test_notify(void **state)
{
	struct sim s;
	struct sim_igd *g = sim_igd_init(&s, 1, 26);
	struct lease *l = want(&s, 8080, TCP);
	unsigned before;

	(void)state;
	sim_pass(&s, 200000);
	sim_igd_notify(g, true); /* nothing new */
	before = readbacks(g);
	sim_pass(&s, 500);
	assert_int_equal(readbacks(g), before);
	/* Goodbye and, three seconds later, hallo on another port. */
	sim_igd_notify(g, false);
	g->port = 1; /* closed */
	g->deaf = true;
	sim_pass(&s, 3000);
	sim_igd_reboot(g, 5001);
	g->deaf = false;
	sim_igd_notify(g, true);
	sim_pass(&s, 1000);
	assert_served(&s, l, 1);
	/* Only the new BOOTID, the port stays. */
	sim_pass(&s, 200000);
	sim_igd_reboot(g, 5001);
	sim_igd_notify(g, true);
	sim_pass(&s, 1000);
	assert_int_equal(sim_igd_entries(g), 1);
	/* A storm of them costs no more than one look each 10 s. */
	before = s.https;
	for (unsigned i = 0; i < 6000; i++) {
		g->bootid++;
		sim_igd_notify(g, i % 2);
		sim_pass(&s, 10);
	}
	assert_true(s.https - before <= 60);
	release_all_and_done(&s, 0);
}

/* ---- discovery ---- */

/* Quirk 10: several WAN services; the connected one is used. */
static void
test_several_wans(void **state)
{
	static const struct {
		unsigned connected;
		const char *control;
	} rows[] = { { 1, ":5000/ctl/0" }, { 2, ":5000/ctl/1" }, { 4, ":5000/ctl/2" },
		{ 0, ":5000/ctl/0" } };

	(void)state;
	for (int ppp = 0; ppp < 2; ppp++) {
		for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
			struct sim s;
			struct sim_igd *g = sim_igd_init(&s, 1, 27);
			struct service_status service;

			g->wans = 3;
			g->ppp_first = ppp;
			g->connected = rows[i].connected;
			want(&s, 8080, TCP);
			sim_pass(&s, 3000);
			router_service_status(s.router, ROUTER_IGD, &service);
			assert_string_equal(service.control, rows[i].control);
			assert_state(s.router->leases, MAPPING_ACTIVE);
			/* Another connection takes over. */
			g->connected = 2;
			sim_pass(&s, 62000);
			router_service_status(s.router, ROUTER_IGD, &service);
			if (rows[i].connected)
				assert_string_equal(service.control, ":5000/ctl/1");
			sim_done(&s);
		}
	}
}

/* Quirk 8: a description that is not there; the next candidate. */
static void
test_candidates(void **state)
{
	struct sim s;
	struct sim_igd *g = sim_igd_init(&s, 2, 28);

	(void)state;
	g->decoy_path = "/nothing.xml";
	want(&s, 8080, TCP);
	sim_pass(&s, 200);
	assert_state(s.router->leases, MAPPING_ACTIVE);
	assert_int_equal(g->gets, 2);
	sim_done(&s);

	/* F22: answered by a box that shares the gateway's address. */
	g = sim_igd_init(&s, 2, 29);
	g->ssdp_from = addr_ipv4(192, 168, 1, 3);
	want(&s, 8080, TCP);
	sim_pass(&s, 200);
	assert_state(s.router->leases, MAPPING_ACTIVE);
	sim_done(&s);
}

/* A neighbour that answers for itself is not asked; one that floods with descriptions
 * has room for eight. */
static void
test_strangers(void **state)
{
	struct sim s;
	struct sim_igd *g = sim_igd_init(&s, 1, 46);
	const struct addr neighbour = addr_ipv4(192, 168, 1, 66);
	struct lease *l;
	char text[256];

	(void)state;
	g->ssdp_ms = 500;
	l = want(&s, 8080, TCP);
	sim_pass(&s, 10);
	for (unsigned i = 0; i < 2000; i++) {
		const struct addr *from =
		    i % 2 ? &neighbour : &s.router->settings.gateway;

		snprintf(text, sizeof(text),
		    "HTTP/1.1 200 OK\r\nST: upnp:rootdevice\r\n"
		    "LOCATION: http://%s:%u/%u\r\n\r\n",
		    i % 2 ? "192.168.1.66" : "192.168.1.1", i % 2 ? 666u : 5000u, i);
		router_ssdp(s.router, from, text, strlen(text), s.now);
	}
	sim_pass(&s, 2890);
	assert_state(l, MAPPING_FAILED);
	assert_int_equal(g->gets, 8);
	assert_int_equal(g->refused, 0);
	/* The next search is another chance. */
	sim_pass(&s, 10000);
	assert_state(l, MAPPING_ACTIVE);
	sim_done(&s);
}

/* No description fits: said within 3 s, with the reason. */
static void
test_useless(void **state)
{
	static const struct {
		const char *reason;
		bool wrong_path;
		unsigned wans;
		struct sim_fault fault;
	} rows[] = {
		{ "the router has no UPnP description where it says", true, 1, { 0 } },
		{ "the UPnP device is no Internet gateway", false, 0, { 0 } },
		{ "the router's UPnP control does not answer", false, 1,
		    { .action = SIM_ANY_ACTION, .how = SIM_GARBAGE } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct sim s;
		struct sim_igd *g = sim_igd_init(&s, 1, 30);
		struct service_status service;
		struct lease *l;

		g->wans = rows[i].wans;
		g->fault[0] = rows[i].fault;
		g->only_decoy = rows[i].wrong_path;
		l = want(&s, 8080, TCP);
		sim_pass(&s, 3000);
		assert_state(l, MAPPING_FAILED);
		assert_string_equal(sim_status(l).problem.name, "NO_SERVICE");
		router_service_status(s.router, ROUTER_IGD, &service);
		assert_int_equal(service.state, SERVICE_ABSENT);
		assert_string_equal(service.reason, rows[i].reason);
		sim_done(&s);
	}
}

/* ---- search ---- */

#define SEARCH_PACKETS (3 * 2 * SSDP_TARGETS)

static unsigned searched;
static msec_t searched_at;

/* Unicast and multicast of one target together, the next 40 ms later. */
static void
on_search(struct sim_igd *g, const struct router_action *a)
{
	bool unicast = a->kind == ROUTER_SEARCH_UNICAST, ipv6 = g->version == 6;
	struct ssdp_message msg;
	char text[1024], host[64];

	assert_true(a->len < sizeof(text));
	memcpy(text, a->buf, a->len);
	text[a->len] = '\0';
	assert_int_equal(ssdp_decode(text, a->len, &msg), 0);
	snprintf(host, sizeof(host), "HOST: %s\r\n",
	    unicast && ipv6 ? "[2a10::1]:1900"
	    : unicast       ? "192.168.1.1:1900"
	    : ipv6          ? "[ff02::c]:1900"
			    : "239.255.255.250:1900");
	assert_non_null(strstr(text, host));
	assert_non_null(strstr(text, "MX: 1\r\n"));
	assert_string_equal(msg.target, ssdp_target(searched / 2 % SSDP_TARGETS));
	assert_int_equal(unicast, searched % 2 == 0);
	if (searched % 2)
		assert_int_equal(g->s->now, searched_at);
	else if (searched)
		assert_true(g->s->now - searched_at >= 40);
	searched++;
	searched_at = g->s->now;
}

static void
test_search(void **state)
{
	(void)state;
	for (unsigned version = 1; version <= 6; version += 5) {
		struct sim s;
		struct sim_igd *g = sim_igd_init(&s, version, 44);
		struct lease_want w = sim_want(8080, TCP);
		msec_t began = s.now;

		searched = 0;
		g->deaf = true;
		g->on_search = on_search;
		w.internal = s.router->settings.local;
		w.methods &= ~METHOD_BIT(METHOD_DIRECT);
		want_as(&s, &w);
		sim_pass(&s, 2900);
		assert_int_equal(searched, SEARCH_PACKETS);
		assert_true(searched_at - began < 2900);
		assert_state(s.router->leases, MAPPING_FAILED);
		sim_done(&s);
	}
}

/* A search began while a lease's exchange was still out: its answer is good news, but
 * where the service is must be found first. */
static void
test_answer_during_search(void **state)
{
	struct sim s;
	struct sim_igd *g = sim_igd_init(&s, 1, 45);
	struct lease *l = want(&s, 8080, TCP);
	struct service_status service;

	(void)state;
	sim_pass(&s, 100000);
	g->fault[0] = how(SIM_ANY_ACTION, SIM_TIMEOUT, 0);
	for (unsigned i = 0; i < 3; i++) {
		lease_renew(l, s.now);
		sim_pass(&s, 6000);
	}
	router_service_status(s.router, ROUTER_IGD, &service);
	assert_int_equal(service.circuit, CIRCUIT_OPEN);
	g->fault[0] = (struct sim_fault) { 0 };
	g->http_ms = 500;
	s.router->service[ROUTER_IGD].again_at = s.now + 100;
	lease_renew(l, s.now);
	sim_pass(&s, 200);
	router_service_status(s.router, ROUTER_IGD, &service);
	assert_int_equal(service.circuit, CIRCUIT_HALF_OPEN);
	assert_int_equal(service.state, SERVICE_PROBING);
	sim_pass(&s, 400);
	assert_state(l, MAPPING_ACTIVE);
	router_service_status(s.router, ROUTER_IGD, &service);
	assert_int_equal(service.state, SERVICE_PROBING);
	sim_pass(&s, 4000);
	router_service_status(s.router, ROUTER_IGD, &service);
	assert_int_equal(service.state, SERVICE_AVAILABLE);
	assert_int_equal(service.circuit, CIRCUIT_CLOSED);
	release_all_and_done(&s, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_readback),
		cmocka_unit_test(test_vanishes),
		cmocka_unit_test(test_vanishes_slowly),
		cmocka_unit_test(test_purged),
		cmocka_unit_test(test_stolen),
		cmocka_unit_test(test_makes_same_port),
		cmocka_unit_test(test_port_moved),
		cmocka_unit_test(test_path_moved),
		cmocka_unit_test(test_broken_control),
		cmocka_unit_test(test_uptime),
		cmocka_unit_test(test_notify),
		cmocka_unit_test(test_several_wans),
		cmocka_unit_test(test_candidates),
		cmocka_unit_test(test_strangers),
		cmocka_unit_test(test_useless),
		cmocka_unit_test(test_search),
		cmocka_unit_test(test_answer_during_search),
	};

	return cmocka_run_group_tests_name("router_igd_lost", tests, NULL, NULL);
}
