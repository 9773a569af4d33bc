/*
 * test_router_events.c - a subscription to the events of a simulated UPnP gateway: made
 * while leases are held, renewed, lost, given up; and what an event sets off.
 */
#include "tests/unit/sim_igd.h"

#include "proto/gena.h"

#define SECRET UINT64_C(0x0123456789abcdef)
#define OURS "/0123456789abcdef"
#define PORT 40000

/* The gateway's side of GENA beside its SOAP. */
static struct gena_sim {
	unsigned subscribes, renewals, unsubscribes;
	unsigned timeout_s;
	int status;      /* of SUBSCRIBE; 0: 200 */
	int error;       /* of all exchanges: -ETIMEDOUT, ... */
	bool early;      /* the first event comes before the answer */
	char sid[32];    /* "": nobody is subscribed */
	uint32_t number; /* of the subscription */
	bool busy;
	unsigned id;
	char request[1024];
} gena;

static int
event(struct sim *s, const char *sid, uint32_t seq, const char *variables)
{
	char body[512], text[1024];

	snprintf(body, sizeof(body), "<e:propertyset>%s</e:propertyset>", variables);
	snprintf(text, sizeof(text),
	    "NOTIFY " OURS " HTTP/1.1\r\nNT: upnp:event\r\nNTS: upnp:propchange\r\n"
	    "SID: %s\r\nSEQ: %u\r\nContent-Length: %zu\r\n\r\n%s",
	    sid, seq, strlen(body), body);
	return router_event(s->router, text, strlen(text), s->now);
}

#define ADDRESS(a)                                                 \
	"<e:property><ExternalIPAddress>" a "</ExternalIPAddress>" \
	"</e:property>"
#define STATUS(a) "<e:property><ConnectionStatus>" a "</ConnectionStatus></e:property>"
#define ENTRIES(n)                                   \
	"<e:property><PortMappingNumberOfEntries>" n \
	"</PortMappingNumberOfEntries></e:property>"

static void
answer(struct sim *s, int status)
{
	struct http_response *r = http_response_new(1000);
	char text[256];

	snprintf(text, sizeof(text),
	    "HTTP/1.1 %d X\r\nSID: %s\r\nTIMEOUT: Second-%u\r\nContent-Length: "
	    "0\r\n\r\n",
	    status, gena.sid, gena.timeout_s);
	assert_int_equal(http_response_feed(r, text, strlen(text)), 1);
	router_http(s->router, gena.id, 0, r, s->now);
	http_response_free(r);
}

static void
subscribe(struct sim *s)
{
	gena.subscribes++;
	assert_non_null(strstr(
	    gena.request, "\r\nCALLBACK: <http://192.168.1.20:40000" OURS ">\r\n"));
	assert_non_null(strstr(gena.request, "SUBSCRIBE /e HTTP/1.1\r\n"));
	assert_non_null(strstr(gena.request, "\r\nHOST: 192.168.1.1:5000\r\n"));
	if (gena.status) {
		answer(s, gena.status);
		return;
	}
	snprintf(gena.sid, sizeof(gena.sid), "uuid:%u", ++gena.number);
	if (gena.early)
		assert_int_equal(
		    event(s, gena.sid, 0, ADDRESS("198.0.2.7") STATUS("Connected")),
		    200);
	answer(s, 200);
}

static void
run(struct sim *s)
{
	char sid[64] = "";
	const char *at;

	if (gena.busy) {
		gena.busy = false;
		at = strstr(gena.request, "\r\nSID: ");
		if (at)
			sscanf(at, "\r\nSID: %63s", sid);
		if (gena.error) {
			router_http(s->router, gena.id, gena.error, NULL, s->now);
		} else if (strncmp(gena.request, "UNSUBSCRIBE", 11) == 0) {
			gena.unsubscribes++;
			assert_string_equal(sid, gena.sid);
			gena.sid[0] = '\0';
			answer(s, 200);
		} else if (sid[0]) {
			gena.renewals++;
			answer(s, strcmp(sid, gena.sid) == 0 ? 200 : 412);
		} else {
			subscribe(s);
		}
	}
	sim_igd_run(s);
}

static void
action(struct sim *s, const struct router_action *a)
{
	const char *text = a->buf;

	if (a->kind != ROUTER_HTTP ||
	    (strncmp(text, "SUBSCRIBE", 9) != 0 && strncmp(text, "UNSUB", 5) != 0)) {
		assert_false(a->kind == ROUTER_HTTP && gena.busy);
		sim_igd_act(s, a);
		return;
	}
	assert_false(gena.busy || igd_of(s)->busy); /* one at a time */
	assert_int_equal(a->port, igd_of(s)->port);
	gena.busy = true;
	gena.id = a->id;
	assert_true(a->len < sizeof(gena.request));
	memcpy(gena.request, text, a->len);
	gena.request[a->len] = '\0';
}

static msec_t
at(const struct sim *s)
{
	return gena.busy ? s->now + 2 : sim_igd_at(s);
}

static const struct sim_peer peer = { action, at, run, sim_igd_done };

static struct lease *
want(struct sim *s, uint16_t port)
{
	struct lease_want w = sim_want(port, TCP);
	struct lease *l = lease_new(s->router, &w, NULL, s, s->now);

	assert_non_null(l);
	return l;
}

static struct sim_igd *
init(struct sim *s, bool events)
{
	struct sim_igd *g = sim_igd_init(s, 1, 7);

	gena = (struct gena_sim) { .timeout_s = 1800 };
	s->peer = &peer;
	router_want_events(s->router, events, s->now);
	return g;
}

/* A lease is held and the events are subscribed. */
static struct sim_igd *
start(struct sim *s)
{
	struct sim_igd *g = init(s, true);

	want(s, 8080);
	sim_pass(s, 1000);
	assert_true(router_expects_events(s->router));
	assert_int_equal(gena.subscribes, 0); /* not without a callback */
	router_set_callback(s->router, PORT, SECRET, s->now);
	sim_pass(s, 1000);
	assert_int_equal(gena.subscribes, 1);
	return g;
}

static void
test_off(void **state)
{
	struct sim s;

	(void)state;
	init(&s, false);
	want(&s, 8080);
	sim_pass(&s, 5000);
	assert_false(router_expects_events(s.router));
	router_set_callback(s.router, PORT, SECRET, s.now);
	sim_pass(&s, 3600000);
	assert_int_equal(gena.subscribes, 0);
	assert_int_equal(event(&s, "", 0, ADDRESS("1.2.3.4")), 412);
	/* Without events another address is seen at the next look. */
	igd_of(&s)->external = addr_ipv4(198, 0, 2, 99);
	sim_pass(&s, 60000);
	assert_true(addr_equal(router_external(s.router), &igd_of(&s)->external));
	sim_done(&s);
}

static void
test_life(void **state)
{
	struct sim s;

	(void)state;
	init(&s, true);
	/* Nobody holds anything: nothing is listened to. */
	router_discover(s.router, s.now);
	sim_pass(&s, 5000);
	assert_false(router_expects_events(s.router));
	sim_done(&s);

	start(&s);
	/* Half of 1800 s. */
	sim_pass(&s, 895000);
	assert_int_equal(gena.renewals, 0);
	sim_pass(&s, 10000);
	assert_int_equal(gena.renewals, 1);
	sim_pass(&s, 895000);
	assert_int_equal(gena.renewals, 2);
	assert_int_equal(gena.subscribes, 1);
	lease_release(s.router->leases, s.now);
	sim_pass(&s, 3000);
	assert_int_equal(gena.unsubscribes, 1);
	assert_string_equal(gena.sid, "");
	assert_false(router_expects_events(s.router));
	assert_true(router_deadline(s.router) == MSEC_NEVER);
	sim_done(&s);
}

/* Switched off, or natd ends, while the lease stays. */
static void
test_not_wanted_any_more(void **state)
{
	struct sim s;

	(void)state;
	start(&s);
	router_want_events(s.router, false, s.now);
	sim_pass(&s, 1000);
	assert_int_equal(gena.unsubscribes, 1);
	assert_false(router_expects_events(s.router));
	assert_int_equal(router_leases(s.router), 1);
	router_want_events(s.router, true, s.now);
	sim_pass(&s, 1000);
	assert_int_equal(gena.subscribes, 2);
	/* No answer to UNSUBSCRIBE: that was it all the same. */
	gena.error = -ETIMEDOUT;
	router_want_events(s.router, false, s.now);
	sim_pass(&s, 1000);
	assert_false(router_expects_events(s.router));
	sim_done(&s);
}

/* The address is asked for, and what the router then says is believed. */
static void
test_address(void **state)
{
	struct sim s;
	struct sim_igd *g = start(&s);
	unsigned asked = g->count[IGD_GET_EXTERNAL_IP_ADDRESS];
	const struct addr other = addr_ipv4(198, 0, 2, 99);
	struct lease_status st;

	(void)state;
	/* The first event says what is known: nothing is asked. */
	assert_int_equal(event(&s, gena.sid, 0,
			     ADDRESS("198.0.2.7") STATUS("Connected") ENTRIES("1")),
	    200);
	sim_pass(&s, 1000);
	assert_int_equal(g->count[IGD_GET_EXTERNAL_IP_ADDRESS], asked);
	g->external = other;
	assert_int_equal(event(&s, gena.sid, 1, ADDRESS("198.0.2.99")), 200);
	sim_pass(&s, 1000);
	assert_int_equal(g->count[IGD_GET_EXTERNAL_IP_ADDRESS], asked + 1);
	assert_true(addr_equal(router_external(s.router), &other));
	st = sim_status(s.router->leases);
	assert_true(addr_equal(&st.held.external, &other));
	/* A lie is found out. */
	assert_int_equal(event(&s, gena.sid, 2, ADDRESS("6.6.6.6")), 200);
	sim_pass(&s, 1000);
	assert_int_equal(g->count[IGD_GET_EXTERNAL_IP_ADDRESS], asked + 2);
	assert_true(addr_equal(router_external(s.router), &other));
	/* The connection breaks. */
	g->external = (struct addr) { .family = ADDR_NONE };
	assert_int_equal(event(&s, gena.sid, 3, STATUS("Disconnected")), 200);
	sim_pass(&s, 1000);
	assert_int_equal(router_external(s.router)->family, ADDR_NONE);
	sim_done(&s);
}

static void
test_not_ours(void **state)
{
	struct sim s;
	struct sim_igd *g = start(&s);
	unsigned asked = g->count[IGD_GET_EXTERNAL_IP_ADDRESS];
	const char *const request =
	    "NOTIFY /other HTTP/1.1\r\nNT: upnp:event\r\nNTS: upnp:propchange\r\n"
	    "SID: uuid:1\r\nSEQ: 0\r\nContent-Length: 4\r\n\r\n<a/>";

	(void)state;
	assert_int_equal(event(&s, "uuid:77", 0, ADDRESS("6.6.6.6")), 412);
	assert_int_equal(router_event(s.router, request, strlen(request), s.now), 404);
	assert_int_equal(router_event(s.router, "GET", 3, s.now), 400);
	sim_pass(&s, 2000);
	assert_int_equal(g->count[IGD_GET_EXTERNAL_IP_ADDRESS], asked);
	sim_done(&s);
}

/* The first event overtakes the answer to SUBSCRIBE. */
static void
test_early(void **state)
{
	struct sim s;
	struct sim_igd *g;
	unsigned verified;

	(void)state;
	g = init(&s, true);
	gena.early = true;
	router_set_callback(s.router, PORT, SECRET, s.now);
	want(&s, 8080);
	sim_pass(&s, 2000);
	assert_int_equal(gena.subscribes, 1);
	verified = g->count[IGD_GET_SPECIFIC_PORT_MAPPING_ENTRY];
	/* It counted: 1 comes next, and is no gap. */
	assert_int_equal(event(&s, gena.sid, 1, ADDRESS("198.0.2.7")), 200);
	sim_pass(&s, 1000);
	assert_int_equal(g->count[IGD_GET_SPECIFIC_PORT_MAPPING_ENTRY], verified);
	sim_done(&s);
}

/* Each of these makes natd look whether its mappings are still there. */
static void
test_hints(void **state)
{
	static const struct {
		uint32_t last, seq;
		const char *variables;
		bool looks;
	} rows[] = {
		{ 4, 5, ADDRESS("198.0.2.7"), false },
		{ UINT32_MAX, 1, ADDRESS("198.0.2.7"), false },
		{ 4, 4, ADDRESS("198.0.2.7"), false }, /* repeated */
		{ 4, 0, ADDRESS("198.0.2.7"), true },  /* anew */
		{ 4, 6, ADDRESS("198.0.2.7"), true },  /* a gap */
		{ UINT32_MAX, 2, ADDRESS("198.0.2.7"), true },
		{ 4, 5, ENTRIES("0"), true }, /* somebody deleted ours */
		{ 4, 5, ENTRIES("1"), false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct sim s;
		struct sim_igd *g = start(&s);
		unsigned before;

		event(&s, gena.sid, 0, "");
		s.router->events.seq = rows[i].last;
		sim_pass(&s, 20000);
		before = g->count[IGD_GET_SPECIFIC_PORT_MAPPING_ENTRY];
		memset(g->entry, 0, sizeof(g->entry));
		assert_int_equal(
		    event(&s, gena.sid, rows[i].seq, rows[i].variables), 200);
		sim_pass(&s, 1000);
		assert_int_equal(sim_igd_entries(g), rows[i].looks);
		if ((g->count[IGD_GET_SPECIFIC_PORT_MAPPING_ENTRY] > before) !=
		    rows[i].looks)
			fail_msg("row %zu", i);
		sim_done(&s);
	}
}

/* It restarted and says nothing: the renewal is refused, the mapping restored. */
static void
test_restart(void **state)
{
	struct sim s;
	struct sim_igd *g = start(&s);

	(void)state;
	event(&s, gena.sid, 0, "");
	memset(g->entry, 0, sizeof(g->entry));
	gena.sid[0] = '\0';
	/* A hint from elsewhere makes it renew at once. */
	router_hint(s.router, s.now);
	sim_pass(&s, 3000);
	assert_int_equal(gena.renewals, 1);
	assert_int_equal(gena.subscribes, 2);
	assert_int_equal(sim_igd_entries(g), 1);
	sim_done(&s);
}

/* A count of entries that is too low is no restart: a router that says yes and forgets
 * is found out, however often it says so. */
static void
test_forgets(void **state)
{
	struct sim s;
	struct sim_igd *g = start(&s);
	unsigned adds = g->count[IGD_ADD_PORT_MAPPING];

	(void)state;
	event(&s, gena.sid, 0, "");
	g->room = 1;
	memset(g->entry, 0, sizeof(g->entry));
	sim_igd_foreign(g, 17, 1);
	for (uint32_t seq = 1; seq < 20; seq++) {
		event(&s, gena.sid, seq, ENTRIES("0"));
		sim_pass(&s, 3000);
	}
	assert_int_equal(g->count[IGD_ADD_PORT_MAPPING], adds + 1);
	assert_string_equal(sim_status(s.router->leases).problem.name, "VANISHED");
	assert_int_equal(s.restarts, 0);
	sim_done(&s);
}

/* Numbers that begin anew, or a subscription that is not known: it restarted, each time
 * anew. */
static void
test_restarts_in_a_row(void **state)
{
	struct sim s;
	struct sim_igd *g = start(&s);

	(void)state;
	event(&s, gena.sid, 0, "");
	for (unsigned i = 1; i <= 6; i++) {
		event(&s, gena.sid, 1, "");
		sim_pass(&s, 7000);
		memset(g->entry, 0, sizeof(g->entry));
		if (i % 2) {
			event(&s, gena.sid, 0, "");
		} else {
			gena.sid[0] = '\0';
			s.router->events.at = s.now;
		}
		sim_pass(&s, 1000);
		assert_int_equal(sim_igd_entries(g), 1);
		assert_int_equal(s.restarts, i);
	}
	sim_done(&s);
}

static void
test_lost_by_itself(void **state)
{
	struct sim s;
	struct sim_igd *g = start(&s);

	(void)state;
	sim_pass(&s, 890000);
	gena.sid[0] = '\0';
	memset(g->entry, 0, sizeof(g->entry));
	while (gena.renewals == 0)
		sim_pass(&s, 10);
	assert_int_equal(sim_igd_entries(g), 0);
	sim_pass(&s, 1000);
	assert_int_equal(gena.subscribes, 2);
	assert_int_equal(sim_igd_entries(g), 1);
	sim_done(&s);
}

/* Not offered, although the description says so: rarely asked, no listener meanwhile.
 */
static void
test_refused(void **state)
{
	struct sim s;
	unsigned after_hour;

	(void)state;
	init(&s, true);
	gena.status = 404;
	router_set_callback(s.router, PORT, SECRET, s.now);
	want(&s, 8080);
	sim_pass(&s, 2000);
	assert_true(gena.subscribes >= 1);
	assert_false(router_expects_events(s.router));
	sim_pass(&s, 3600000);
	after_hour = gena.subscribes;
	assert_in_range(after_hour, 3, 40);
	sim_pass(&s, 24 * 3600000);
	assert_in_range(gena.subscribes - after_hour, 24, 120);
	gena.status = 0;
	sim_pass(&s, 2 * 3600000);
	assert_string_not_equal(gena.sid, "");
	assert_int_equal(sim_status(s.router->leases).state, MAPPING_ACTIVE);
	sim_done(&s);
}

/* Silence: tried again while the subscription lasts, then subscribed anew. */
static void
test_silent(void **state)
{
	struct sim s;

	(void)state;
	start(&s);
	gena.error = -ETIMEDOUT;
	sim_pass(&s, 905000);
	gena.error = 0;
	sim_pass(&s, 60000);
	assert_int_equal(gena.subscribes, 1);
	assert_true(gena.renewals >= 1);
	gena.error = -ECONNREFUSED;
	sim_pass(&s, 2000000);
	gena.error = 0;
	sim_pass(&s, 2 * 3600000);
	assert_int_equal(gena.subscribes, 2);
	assert_true(router_expects_events(s.router));
	sim_done(&s);
}

/* A storm of events is bounded by the pace of SOAP; the simulation asserts it. */
static void
test_storm(void **state)
{
	struct sim s;
	struct sim_igd *g = start(&s);
	unsigned before = g->count[IGD_GET_EXTERNAL_IP_ADDRESS];

	(void)state;
	for (uint32_t i = 0; i < 10000; i++) {
		event(&s, gena.sid, i * 2,
		    i % 2 ? ADDRESS("6.6.6.6") : ADDRESS("6.6.6.7"));
		if (i % 10 == 0)
			sim_pass(&s, 1);
	}
	sim_pass(&s, 10000);
	assert_in_range(g->count[IGD_GET_EXTERNAL_IP_ADDRESS] - before, 1, 10);
	assert_int_equal(sim_status(s.router->leases).state, MAPPING_ACTIVE);
	sim_done(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_off),
		cmocka_unit_test(test_life),
		cmocka_unit_test(test_not_wanted_any_more),
		cmocka_unit_test(test_address),
		cmocka_unit_test(test_not_ours),
		cmocka_unit_test(test_early),
		cmocka_unit_test(test_hints),
		cmocka_unit_test(test_restart),
		cmocka_unit_test(test_forgets),
		cmocka_unit_test(test_restarts_in_a_row),
		cmocka_unit_test(test_lost_by_itself),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_silent),
		cmocka_unit_test(test_storm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
