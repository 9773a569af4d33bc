/*
 * sim_igd.h - a UPnP Internet gateway for sim.h: SSDP answers, descriptions, SOAP.
 *
 * It keeps a table of port mappings or pinholes with leases; its bad habits are fields,
 * its faults are rows {action, answer, how often}.  It asserts what natd promises: one
 * HTTP exchange at a time, no more than five SOAP requests in any second.
 */
#pragma once

#include <errno.h>

#include "proto/text.h"
#include "tests/unit/sim.h"

#define SIM_IGD_ENTRIES 128
#define SIM_IGD_FAULTS 8
#define SIM_IGD_LOG 64
#define SIM_ANY_ACTION IGD_ACTION_MAX

enum sim_how {
	SIM_CODE, /* a SOAP fault with that UPnP error code */
	SIM_REFUSED,
	SIM_RESET,
	SIM_TIMEOUT,      /* nothing happens */
	SIM_DONE_TIMEOUT, /* it is done, the answer is lost */
	SIM_GARBAGE,
	SIM_EMPTY, /* success without its arguments, and nothing is done */
	SIM_404
};

struct sim_fault {
	enum igd_action action; /* or SIM_ANY_ACTION */
	enum sim_how how;
	int code;
	unsigned times;   /* 0: always */
	unsigned percent; /* 0: each time */
};

struct sim_mapping {
	bool used, by_hand, stolen;
	unsigned protocol; /* 6, 17 */
	uint16_t external, internal;
	char client[ADDR_TEXT_MAX];
	uint32_t lease_s, id;
	msec_t expires; /* MSEC_NEVER: permanent */
};

struct sim_igd {
	struct sim *s;

	/* What it is. */
	unsigned version; /* 1, 2; 6: with WANIPv6FirewallControl */
	bool deaf;        /* answers no search */
	uint16_t port;
	const char *description_path, *decoy_path; /* the latter answers 404 */
	bool only_decoy;    /* announces nothing but a path that is not there */
	unsigned wans;      /* number of WAN services */
	unsigned connected; /* mask of those */
	bool ppp_first;
	msec_t ssdp_ms, http_ms;
	struct addr ssdp_from;
	uint32_t bootid; /* 0: says none */
	msec_t boot;
	struct addr external;
	char client[ADDR_TEXT_MAX]; /* natd's host */
	bool firewall_on, inbound_allowed;

	/* Its ways with mappings. */
	bool permanent_only;   /* 725 */
	uint32_t lease_only;   /* any other lease is 402; 0: not so */
	bool no_zero;          /* a lease of 0 is 402 */
	bool same_port_only;   /* 724 */
	bool makes_same_port;  /* maps external = internal whatever is asked */
	bool overwrites;       /* another host's entry, too */
	bool own_conflict;     /* 718 for one's own entry, too */
	bool zero_lease_shown; /* GetSpecific says 0 of every entry */
	uint32_t week;         /* what a lease of 0 becomes; 0: permanent */
	unsigned room;         /* entries it keeps; more are dropped silently */
	uint16_t any_port;     /* AddAny gives this one and counts up; 0: as asked */

	struct sim_mapping entry[SIM_IGD_ENTRIES];
	uint32_t next_id;
	struct sim_fault fault[SIM_IGD_FAULTS];

	/* The exchange under way, and the answer to a search. */
	bool busy;
	unsigned id;
	msec_t due;
	uint16_t asked_port;
	char request[HTTP_REQUEST_MAX];
	msec_t ssdp_due;

	/* What was seen. */
	unsigned count[IGD_ACTION_MAX], gets, refused, lost_answers;
	char last[IGD_ACTION_MAX][HTTP_REQUEST_MAX];
	msec_t posts[ROUTER_SOAP_PER_S];
	unsigned post;
	enum igd_action log[SIM_IGD_LOG];
	unsigned logged;
};

static inline struct sim_igd *
igd_of(const struct sim *s)
{
	return s->igd;
}

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

/* NOTIFY from the gateway. */
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
	router_ssdp(g->s->router, &g->s->router->settings.gateway, text, strlen(text),
	    g->s->now);
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

/* ---- SOAP ---- */

static inline void
sim_igd_arg(const char *request, const char *name, char *ret, size_t size)
{
	char open[64];
	const char *at, *end;

	snprintf(open, sizeof(open), "<%s>", name);
	at = strstr(request, open);
	ret[0] = '\0';
	if (!at)
		return;
	at += strlen(open);
	end = strchr(at, '<');
	assert_non_null(end);
	snprintf(ret, size, "%.*s", (int)(end - at), at);
}

static inline unsigned
sim_igd_num(const char *request, const char *name)
{
	char text[64];

	sim_igd_arg(request, name, text, sizeof(text));
	return (unsigned)strtoul(text, NULL, 10);
}

static inline bool
sim_mapping_live(const struct sim_igd *g, const struct sim_mapping *m)
{
	return m->used && m->expires > g->s->now;
}

static inline struct sim_mapping *
sim_igd_find(struct sim_igd *g, unsigned protocol, uint16_t external)
{
	for (unsigned i = 0; i < SIM_IGD_ENTRIES; i++)
		if (sim_mapping_live(g, &g->entry[i]) &&
		    g->entry[i].protocol == protocol &&
		    g->entry[i].external == external)
			return &g->entry[i];
	return NULL;
}

static inline struct sim_mapping *
sim_igd_find_id(struct sim_igd *g, uint32_t id)
{
	for (unsigned i = 0; i < SIM_IGD_ENTRIES; i++)
		if (sim_mapping_live(g, &g->entry[i]) && g->entry[i].id == id)
			return &g->entry[i];
	return NULL;
}

static inline unsigned
sim_igd_entries(struct sim_igd *g)
{
	unsigned n = 0;

	for (unsigned i = 0; i < SIM_IGD_ENTRIES; i++)
		n += sim_mapping_live(g, &g->entry[i]);
	return n;
}

static inline struct sim_mapping *
sim_igd_put(struct sim_igd *g, unsigned protocol, uint16_t external, uint16_t internal,
    const char *client, uint32_t lease_s)
{
	struct sim_mapping *m = sim_igd_find(g, protocol, external);

	if (!m && g->room && sim_igd_entries(g) >= g->room)
		return NULL;
	for (unsigned i = 0; !m && i < SIM_IGD_ENTRIES; i++)
		if (!sim_mapping_live(g, &g->entry[i]))
			m = &g->entry[i];
	assert_non_null(m);
	*m = (struct sim_mapping) { .used = true,
		.protocol = protocol,
		.external = external,
		.internal = internal,
		.lease_s = lease_s,
		.id = ++g->next_id,
		.expires = lease_s ? g->s->now + (msec_t)lease_s * 1000 : MSEC_NEVER };
	snprintf(m->client, sizeof(m->client), "%s", client);
	return m;
}

/* 0, or the UPnP error; *ret_port: what was mapped. */
static inline int
sim_igd_add(struct sim_igd *g, const char *req, bool any, uint16_t *ret_port)
{
	char client[ADDR_TEXT_MAX], protocol[8];
	uint16_t external = (uint16_t)sim_igd_num(req, "NewExternalPort");
	uint16_t internal = (uint16_t)sim_igd_num(req, "NewInternalPort");
	uint32_t lease = sim_igd_num(req, "NewLeaseDuration");
	struct sim_mapping *m;
	unsigned number;

	sim_igd_arg(req, "NewInternalClient", client, sizeof(client));
	sim_igd_arg(req, "NewProtocol", protocol, sizeof(protocol));
	assert_true(strcmp(protocol, "UDP") == 0 || strcmp(protocol, "TCP") == 0);
	assert_non_null(strstr(req, "<NewRemoteHost></NewRemoteHost>"));
	number = protocol[0] == 'U' ? 17 : 6;
	assert_int_not_equal(external, 0);
	assert_int_not_equal(internal, 0);
	if (g->permanent_only && lease)
		return 725;
	if ((g->lease_only && lease != g->lease_only) || (g->no_zero && !lease))
		return 402;
	if (lease == 0)
		lease = g->week;
	if (g->makes_same_port)
		external = internal;
	if (g->same_port_only && external != internal)
		return 724;
	if (any && g->any_port)
		external = g->any_port++;
	while (any && (m = sim_igd_find(g, number, external)) &&
	       strcmp(m->client, client) != 0)
		external++;
	m = sim_igd_find(g, number, external);
	if (m && m->by_hand)
		return 729;
	if (m && !g->overwrites &&
	    (strcmp(m->client, client) != 0 || m->internal != internal ||
		g->own_conflict))
		return 718;
	sim_igd_put(g, number, external, internal, client, lease);
	*ret_port = external;
	return 0;
}

static inline int
sim_igd_connection(
    struct sim_igd *g, enum igd_action a, const char *req, struct text_out *out)
{
	unsigned wan = (unsigned)(strchr(strstr(req, "/ctl/"), 'l')[2] - '0');
	char protocol[8], text[ADDR_TEXT_MAX];
	struct sim_mapping *m;
	uint16_t port;
	int code;

	sim_igd_arg(req, "NewProtocol", protocol, sizeof(protocol));
	m = sim_igd_find(g, protocol[0] == 'U' ? 17 : 6,
	    (uint16_t)sim_igd_num(req, "NewExternalPort"));
	switch (a) {
	case IGD_GET_STATUS_INFO:
		text_printf(out,
		    "<NewConnectionStatus>%s</NewConnectionStatus>"
		    "<NewLastConnectionError>ERROR_NONE</NewLastConnectionError>"
		    "<NewUptime>%u</NewUptime>",
		    g->connected & 1u << wan ? "Connected" : "Disconnected",
		    (unsigned)((g->s->now - g->boot) / 1000));
		return 0;
	case IGD_GET_EXTERNAL_IP_ADDRESS:
		text_printf(out, "<NewExternalIPAddress>%s</NewExternalIPAddress>",
		    g->external.family ? addr_format(&g->external, text) : "");
		return 0;
	case IGD_ADD_PORT_MAPPING:
		return sim_igd_add(g, req, false, &port);
	case IGD_ADD_ANY_PORT_MAPPING:
		code = sim_igd_add(g, req, true, &port);
		if (!code)
			text_printf(out, "<NewReservedPort>%u</NewReservedPort>", port);
		return code;
	case IGD_DELETE_PORT_MAPPING:
		if (!m)
			return 714;
		/* Nobody else's entry is ever deleted (unless it was ours until just
		 * now: the table is looked at every five minutes). */
		if (!m->stolen)
			assert_string_equal(m->client, g->client);
		m->used = false;
		return 0;
	case IGD_GET_SPECIFIC_PORT_MAPPING_ENTRY:
		if (!m)
			return 714;
		text_printf(out,
		    "<NewInternalPort>%u</NewInternalPort><NewInternalClient>%s"
		    "</NewInternalClient><NewEnabled>1</NewEnabled>"
		    "<NewPortMappingDescription>x</NewPortMappingDescription>"
		    "<NewLeaseDuration>%u</NewLeaseDuration>",
		    m->internal, m->client,
		    m->expires == MSEC_NEVER || g->zero_lease_shown
			? 0
			: (unsigned)((m->expires - g->s->now) / 1000));
		return 0;
	default:
		return 401;
	}
}

static inline int
sim_igd_firewall(
    struct sim_igd *g, enum igd_action a, const char *req, struct text_out *out)
{
	struct sim_mapping *m = sim_igd_find_id(g, sim_igd_num(req, "UniqueID"));
	uint16_t port = (uint16_t)sim_igd_num(req, "InternalPort");
	char client[ADDR_TEXT_MAX];

	switch (a) {
	case IGD_GET_FIREWALL_STATUS:
		text_printf(out,
		    "<FirewallEnabled>%d</FirewallEnabled>"
		    "<InboundPinholeAllowed>%d</InboundPinholeAllowed>",
		    g->firewall_on, g->inbound_allowed);
		return 0;
	case IGD_ADD_PINHOLE:
		sim_igd_arg(req, "InternalClient", client, sizeof(client));
		m = sim_igd_put(g, sim_igd_num(req, "Protocol"), port, port, client,
		    sim_igd_num(req, "LeaseTime"));
		if (!m)
			return 701;
		text_printf(out, "<UniqueID>%u</UniqueID>", m->id);
		return 0;
	case IGD_UPDATE_PINHOLE:
		if (!m)
			return 704;
		m->expires =
		    g->s->now + (msec_t)sim_igd_num(req, "NewLeaseTime") * 1000;
		return 0;
	case IGD_DELETE_PINHOLE:
		if (!m)
			return 704;
		m->used = false;
		return 0;
	case IGD_CHECK_PINHOLE_WORKING:
		if (!m)
			return 704;
		text_put(out, "<IsWorking>1</IsWorking>");
		return 0;
	default:
		return 401;
	}
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
