/*
 * sim_igd.h - a UPnP Internet gateway for sim.h: SSDP answers, descriptions, SOAP.
 *
 * It keeps a table of port mappings or pinholes with leases; its bad habits are fields,
 * its faults are rows {action, answer, how often}.  It asserts what natd promises: one
 * HTTP exchange at a time, no more than five SOAP requests in any second.
 */
#pragma once

#include "tests/unit/sim_igd_table.h"

/* ---- search ---- */

static inline void
sim_igd_answer_search(struct sim_igd *g)
{
	const char *paths[] = { g->only_decoy ? "/no.xml" : g->decoy_path,
		g->only_decoy ? NULL : g->description_path };
	char text[512], addr[ADDR_TEXT_MAX], bootid[64] = "";

	addr_format(&g->s->router->settings.gateway, addr);
	if (g->bootid)
		snprintf(bootid, sizeof(bootid), "BOOTID.UPNP.ORG: %u\r\n", g->bootid);
	for (unsigned i = 0; i < 2; i++) {
		if (!paths[i])
			continue;
		snprintf(text, sizeof(text),
		    "HTTP/1.1 200 OK\r\nCACHE-CONTROL: max-age=120\r\n"
		    "ST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\n"
		    "USN: uuid:1::x\r\nEXT:\r\n%s"
		    "LOCATION: http://%s%s%s:%u%s\r\n\r\n",
		    bootid, g->version == 6 ? "[" : "", addr,
		    g->version == 6 ? "]" : "", g->port, paths[i]);
		router_ssdp(g->s->router, &g->ssdp_from, text, strlen(text), g->s->now);
	}
}

/* NOTIFY from where the answers come from. */
static inline void
sim_igd_notify(struct sim_igd *g, bool alive)
{
	char text[512], bootid[64] = "";

	if (g->bootid)
		snprintf(bootid, sizeof(bootid), "BOOTID.UPNP.ORG: %u\r\n", g->bootid);
	snprintf(text, sizeof(text),
	    "NOTIFY * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\n"
	    "NT: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\n"
	    "USN: uuid:1::x\r\nNTS: ssdp:%s\r\n%s%s\r\n",
	    alive ? "alive" : "byebye", bootid,
	    alive ? "LOCATION: http://192.168.1.1:5000/d.xml\r\n" : "");
	router_ssdp(g->s->router, &g->ssdp_from, text, strlen(text), g->s->now);
}

/* ---- description ---- */

static inline void
sim_igd_description(const struct sim_igd *g, struct text_out *out)
{
	text_put(out, "<?xml version=\"1.0\"?><root "
		      "xmlns=\"urn:schemas-upnp-org:device-1-0\"><device>");
	text_printf(out,
	    "<deviceType>urn:schemas-upnp-org:device:InternetGatewayDevice:%u"
	    "</deviceType><friendlyName>Sim</friendlyName><UDN>uuid:1</UDN>"
	    "<serviceList>",
	    g->version == 1 ? 1 : 2);
	for (unsigned i = 0; i < g->wans; i++) {
		bool ppp = g->ppp_first && i == 0;

		text_printf(out,
		    "<service><serviceType>urn:schemas-upnp-org:service:%s:%u"
		    "</serviceType><serviceId>x%u</serviceId><controlURL>/ctl/%u"
		    "</controlURL><eventSubURL>/e</eventSubURL><SCPDURL>/s</SCPDURL>"
		    "</service>",
		    ppp ? "WANPPPConnection" : "WANIPConnection",
		    g->version == 1 || ppp ? 1 : 2, i, i);
	}
	if (g->version == 6)
		text_put(out,
		    "<service><serviceType>urn:schemas-upnp-org:service:"
		    "WANIPv6FirewallControl:1</serviceType><serviceId>f</serviceId>"
		    "<controlURL>/fw</controlURL><eventSubURL>/e</eventSubURL>"
		    "<SCPDURL>/s</SCPDURL></service>");
	text_put(out, "</serviceList></device></root>");
}

/* ---- HTTP ---- */

static inline enum igd_action
sim_igd_action(const char *request)
{
	const char *at = strstr(request, "SOAPAction: \""), *end;
	char name[64];

	assert_non_null(at);
	at = strchr(at, '#') + 1;
	end = strchr(at, '"');
	snprintf(name, sizeof(name), "%.*s", (int)(end - at), at);
	for (enum igd_action a = 0; a < IGD_ACTION_MAX; a++)
		if (strcmp(igd_action_name(a), name) == 0)
			return a;
	fail();
	return IGD_ACTION_MAX;
}

static inline void
sim_igd_respond(struct sim_igd *g, int status, const char *body)
{
	struct http_response *resp = http_response_new(HTTP_BODY_MAX);
	char head[128];

	snprintf(head, sizeof(head),
	    "HTTP/1.1 %d X\r\nContent-Length: %zu\r\nContent-Type: text/xml\r\n\r\n",
	    status, strlen(body));
	http_response_feed(resp, head, strlen(head));
	assert_int_equal(http_response_feed(resp, body, strlen(body)), 1);
	g->busy = false;
	router_http(g->s->router, g->id, 0, resp, g->s->now);
	http_response_free(resp);
}

static inline void
sim_igd_fail(struct sim_igd *g, int error)
{
	g->busy = false;
	router_http(g->s->router, g->id, error, NULL, g->s->now);
}

static inline struct sim_fault *
sim_igd_fault(struct sim_igd *g, enum igd_action a)
{
	for (unsigned i = 0; i < SIM_IGD_FAULTS; i++) {
		struct sim_fault *f = &g->fault[i];

		if ((f->how == SIM_CODE && f->code == 0) ||
		    (f->action != a && f->action != SIM_ANY_ACTION))
			continue;
		if (f->percent && rng_below(&g->s->rng, 100) >= f->percent)
			continue;
		if (f->times && --f->times == 0) {
			static struct sim_fault last;

			last = *f;
			*f = (struct sim_fault) { 0 };
			return &last;
		}
		return f;
	}
	return NULL;
}

static inline void
sim_igd_soap(struct sim_igd *g)
{
	enum igd_action a = sim_igd_action(g->request);
	const struct sim_fault *f = sim_igd_fault(g, a);
	char body[4096], inner[2048];
	struct text_out out = text_out(body, sizeof(body));
	struct text_out args = text_out(inner, sizeof(inner));
	int code = 0;

	g->count[a]++;
	if (g->logged < SIM_IGD_LOG)
		g->log[g->logged++] = a;
	snprintf(g->last[a], sizeof(g->last[a]), "%s", g->request);
	if (f && f->how == SIM_CODE) {
		code = f->code;
	} else if (f && f->how == SIM_RESET) {
		sim_igd_fail(g, -ECONNRESET);
		return;
	} else if (f && f->how == SIM_NO_MEMORY) {
		sim_igd_fail(g, -ENOMEM);
		return;
	} else if (f && f->how == SIM_GARBAGE) {
		sim_igd_respond(g, 200, "<html>hello</html>");
		return;
	} else if (f && f->how == SIM_404) {
		sim_igd_respond(g, 404, "<html>no</html>");
		return;
	}
	if (!code && !(f && f->how == SIM_EMPTY))
		code = strstr(g->request, "POST /fw ")
			   ? sim_igd_firewall(g, a, g->request, &args)
			   : sim_igd_connection(g, a, g->request, &args);
	if (f && f->how == SIM_DONE_TIMEOUT) {
		g->lost_answers++;
		sim_igd_fail(g, -ETIMEDOUT);
		return;
	}
	if (f && f->how == SIM_DONE_NO_MEMORY) {
		sim_igd_fail(g, -ENOMEM);
		return;
	}
	text_put(&out, "<s:Envelope xmlns:s=\"x\"><s:Body>");
	if (code)
		text_printf(&out,
		    "<s:Fault><faultcode>s:Client</faultcode><detail><UPnPError>"
		    "<errorCode>%d</errorCode></UPnPError></detail></s:Fault>",
		    code);
	else
		text_printf(&out, "<u:%sResponse xmlns:u=\"y\">%s</u:%sResponse>",
		    igd_action_name(a), inner, igd_action_name(a));
	text_put(&out, "</s:Body></s:Envelope>");
	sim_igd_respond(g, code ? 500 : 200, body);
}

static inline void
sim_igd_get(struct sim_igd *g)
{
	char body[8192], line[128];
	struct text_out out = text_out(body, sizeof(body));

	g->gets++;
	snprintf(line, sizeof(line), "GET %s ", g->description_path);
	if (strncmp(g->request, line, strlen(line)) != 0) {
		sim_igd_respond(g, 404, "<html>no</html>");
		return;
	}
	sim_igd_description(g, &out);
	assert_true(text_finish(&out) > 0);
	sim_igd_respond(g, 200, body);
}

/* ---- on the wire ---- */

static inline msec_t
sim_igd_delay(const struct sim_igd *g, const char *request)
{
	if (strncmp(request, "POST", 4) != 0)
		return g->http_ms;
	for (unsigned i = 0; i < SIM_IGD_FAULTS; i++) {
		const struct sim_fault *f = &g->fault[i];
		enum igd_action a = sim_igd_action(request);

		if ((f->action == a || f->action == SIM_ANY_ACTION) &&
		    (f->how == SIM_TIMEOUT || f->how == SIM_DONE_TIMEOUT))
			return 5000;
	}
	return g->http_ms;
}

static inline void
sim_igd_act(struct sim *s, const struct router_action *a)
{
	struct sim_igd *g = s->igd;

	if (a->kind != ROUTER_HTTP) {
		if (g->unicasts + g->multicasts == 0)
			assert_int_equal(a->kind, ROUTER_SEARCH_UNICAST);
		a->kind == ROUTER_SEARCH_UNICAST ? g->unicasts++ : g->multicasts++;
		if (g->on_search)
			g->on_search(g, a);
		if (!g->deaf)
			g->ssdp_due = MIN(g->ssdp_due, s->now + g->ssdp_ms);
		return;
	}
	assert_false(g->busy); /* one at a time */
	g->busy = true;
	g->id = a->id;
	g->asked_port = a->port;
	assert_true(a->len < sizeof(g->request));
	memcpy(g->request, a->buf, a->len);
	g->request[a->len] = '\0';
	g->due = s->now + sim_igd_delay(g, g->request);
	if (strncmp(g->request, "POST", 4) == 0) {
		assert_true(s->now - g->posts[g->post] >= 1000);
		g->posts[g->post] = s->now;
		g->post = (g->post + 1) % ROUTER_SOAP_PER_S;
	}
}

static inline msec_t
sim_igd_at(const struct sim *s)
{
	const struct sim_igd *g = s->igd;

	return MIN(g->ssdp_due, g->busy ? g->due : MSEC_NEVER);
}

static inline void
sim_igd_run(struct sim *s)
{
	struct sim_igd *g = s->igd;

	if (g->ssdp_due <= s->now) {
		g->ssdp_due = MSEC_NEVER;
		sim_igd_answer_search(g);
	}
	if (!g->busy || g->due > s->now)
		return;
	if (g->asked_port != g->port) {
		g->refused++;
		sim_igd_fail(g, -ECONNREFUSED);
	} else if (strncmp(g->request, "GET", 3) == 0) {
		sim_igd_get(g);
	} else {
		enum igd_action a = sim_igd_action(g->request);
		bool refuse = false, silent = false;

		for (unsigned i = 0; i < SIM_IGD_FAULTS; i++) {
			struct sim_fault *f = &g->fault[i];

			if (f->action != a && f->action != SIM_ANY_ACTION)
				continue;
			refuse |= f->how == SIM_REFUSED;
			silent |= f->how == SIM_TIMEOUT;
		}
		if (refuse || silent) {
			sim_igd_fault(g, a);
			g->count[a]++;
			sim_igd_fail(g, refuse ? -ECONNREFUSED : -ETIMEDOUT);
		} else {
			sim_igd_soap(g);
		}
	}
}

static inline void
sim_igd_done(struct sim *s)
{
	free(s->igd);
}

static const struct sim_peer sim_igd_peer = { sim_igd_act, sim_igd_at, sim_igd_run,
	sim_igd_done };

static inline struct sim_igd *
sim_igd_init(struct sim *s, unsigned version, uint64_t seed)
{
	struct sim_igd *g = calloc(1, sizeof(*g));

	assert_non_null(g);
	sim_init(s, seed);
	if (version == 6) {
		struct router_settings settings = s->router->settings;

		assert_int_equal(addr_parse("2a10::1", &settings.gateway), 0);
		assert_int_equal(addr_parse("2a10::20", &settings.local), 0);
		router_free(s->router);
		s->router = router_new(&settings, s->now);
	}
	s->igd = g;
	s->peer = &sim_igd_peer;
	g->s = s;
	g->version = version;
	g->port = 5000;
	g->description_path = "/d.xml";
	g->wans = 1;
	g->connected = 1;
	g->ssdp_ms = 5;
	g->http_ms = 3;
	g->ssdp_from = s->router->settings.gateway;
	g->bootid = 1;
	g->boot = s->now - 100000000;
	g->external = addr_ipv4(198, 0, 2, 7);
	addr_format(&s->router->settings.local, g->client);
	g->firewall_on = g->inbound_allowed = true;
	g->ssdp_due = MSEC_NEVER;
	for (unsigned i = 0; i < ROUTER_SOAP_PER_S; i++)
		g->posts[i] = -1000000;
	return g;
}

/* Another host's entry. */
static inline struct sim_mapping *
sim_igd_foreign(struct sim_igd *g, unsigned protocol, uint16_t port)
{
	return sim_igd_put(g, protocol, port, port, "192.168.1.33", 0);
}

/* It restarts: the table is empty, the port another one. */
static inline void
sim_igd_reboot(struct sim_igd *g, uint16_t port)
{
	memset(g->entry, 0, sizeof(g->entry));
	g->boot = g->s->now;
	g->port = port;
	g->bootid += g->bootid != 0;
}
