/*
 * fuzz_router.c - bytes as a history of one router: wishes, datagrams, SSDP, HTTP,
 * time.
 *
 * Raw bytes are fed to each entry, but an answer that fits the last question is one
 * command, so that the fuzzer gets deep.  After each event the router must come to rest
 * within a bound, ask for one HTTP exchange at a time, and be due later than now.
 */
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/igd_soap.h"
#include "proto/router.h"
#include "proto/text.h"

#define LEASES_MAX 6
#define EVENTS_MAX 400
#define ACTIONS_MAX 3000

struct world {
	const uint8_t *at, *end;
	struct router *router;
	msec_t now;
	bool ipv6;
	struct lease *lease[LEASES_MAX];
	uint8_t sent[1200];
	size_t sent_len;
	bool http;
	unsigned http_id;
	char request[HTTP_REQUEST_MAX + 1];
};

static uint8_t
take(struct world *w)
{
	return w->at < w->end ? *w->at++ : 0;
}

static uint16_t
take_u16(struct world *w)
{
	uint8_t high = take(w);

	return (uint16_t)(high << 8 | take(w));
}

/* Up to max bytes, as many as the next byte says. */
static const uint8_t *
take_bytes(struct world *w, size_t max, size_t *ret_len)
{
	size_t want = (size_t)take(w) * 4, left = (size_t)(w->end - w->at);
	const uint8_t *at = w->at;

	*ret_len = MIN(MIN(want, left), max);
	w->at += *ret_len;
	return at;
}

static struct addr
literal(const char *text)
{
	struct addr a;

	MUST(addr_parse(text, &a) == 0);
	return a;
}

static struct addr
gateway(const struct world *w)
{
	return literal(w->ipv6 ? "2a10::1" : "192.168.1.1");
}

static struct addr
local(const struct world *w)
{
	return literal(w->ipv6 ? "2a10::20" : "192.168.1.20");
}

/* ---- rest ---- */

static void
remember(struct world *w, const struct router_action *a)
{
	switch (a->kind) {
	case ROUTER_SEND:
		MUST(a->len > 0 && a->len <= sizeof(w->sent));
		memcpy(w->sent, a->buf, a->len);
		w->sent_len = a->len;
		break;
	case ROUTER_HTTP:
		MUST(!w->http && a->len > 0 && a->len < sizeof(w->request) && a->port);
		memcpy(w->request, a->buf, a->len);
		w->request[a->len] = '\0';
		w->http = true;
		w->http_id = a->id;
		break;
	case ROUTER_SEARCH_UNICAST:
	case ROUTER_SEARCH_MULTICAST:
		MUST(a->len > 0);
		break;
	case ROUTER_LEASE_GONE:
		for (unsigned i = 0; i < LEASES_MAX; i++)
			if (w->lease[i] == a->lease)
				w->lease[i] = NULL;
		break;
	case ROUTER_LEASE_CHANGED:
		MUST(a->owner == w);
		break;
	case ROUTER_SERVICES_CHANGED:
	case ROUTER_EXTERNAL_CHANGED:
	case ROUTER_RESTARTED:
		break;
	}
}

static void
drain(struct world *w)
{
	struct router_action a;

	for (unsigned i = 0; router_next(w->router, w->now, &a); i++) {
		struct lease_held asked;

		MUST(i < ACTIONS_MAX);
		if (a.asks) {
			MUST(a.owner == w);
			lease_asking(a.lease, w->now, &asked);
			MUST(asked.guess && asked.external_port && asked.internal_port);
		}
		remember(w, &a);
	}
}

static void
look(const struct world *w)
{
	struct service_status service;
	struct lease_status st;

	for (enum router_service s = 0; s < ROUTER_SERVICES; s++) {
		router_service_status(w->router, s, &service);
		MUST(memchr(service.reason, '\0', sizeof(service.reason)));
	}
	for (unsigned i = 0; i < LEASES_MAX; i++) {
		if (!w->lease[i])
			continue;
		lease_status(w->lease[i], &st);
		MUST(st.state != MAPPING_ACTIVE || st.is_held);
		if (st.state != MAPPING_RELEASING && st.is_held)
			MUST(st.held.expires_at > w->now && st.held.external_port);
		MUST(!st.problem.present || st.problem.name);
	}
}

static void
rest(struct world *w)
{
	drain(w);
	for (unsigned i = 0; router_deadline(w->router) <= w->now; i++) {
		MUST(i < 4);
		router_timer(w->router, w->now);
		drain(w);
	}
	look(w);
}

/* ---- wishes ---- */

static void
new_lease(struct world *w)
{
	struct lease_want want = {
		.transports = 1 + take(w) % 3,
		.internal = local(w),
		.internal_port = take_u16(w),
		.external_port = take_u16(w),
		.lifetime_s = 1u << take(w) % 32,
		.methods = METHODS_ALL,
		.order = { METHOD_PCP, METHOD_IGD2, METHOD_NAT_PMP, METHOD_IGD1,
		    METHOD_IGD_PINHOLE, METHOD_DIRECT },
		.order_count = METHOD_MAX,
		.description = "fuzz <&>",
	};
	struct lease_held held = {
		.internal_port = (uint16_t)(want.internal_port | 1),
		.external_port = (uint16_t)(want.external_port | 1),
	};
	uint8_t flags = take(w);
	unsigned i = take(w) % LEASES_MAX;

	if (w->lease[i])
		return;
	want.port_seed = flags;
	want.nonce[0] = (uint8_t)i;
	if (want.external_port && flags & 1)
		want.prefer_failure = true;
	if (flags & 2)
		want.methods = take(w) % METHODS_ALL;
	held.method = take(w) % METHOD_MAX;
	held.lifetime_s = take_u16(w);
	held.expires_at =
	    held.lifetime_s ? w->now + held.lifetime_s * MSEC_PER_SEC : MSEC_NEVER;
	/* A guess is adopted to be let go of. */
	held.guess = flags & 8;
	w->lease[i] = lease_new(w->router, &want, flags & 4 ? &held : NULL, w, w->now);
	MUST(w->lease[i]);
	if (flags & 4 && flags & 8)
		lease_release(w->lease[i], w->now);
}

static void
change_lease(struct world *w)
{
	uint8_t how = take(w);
	struct lease **l = &w->lease[how % LEASES_MAX];

	if (!*l)
		return;
	switch (how / LEASES_MAX % 5) {
	case 0:
		lease_release(*l, w->now);
		break;
	case 1:
		lease_renew(*l, w->now);
		break;
	case 4:
		(void)lease_remake(*l, w->now);
		break;
	case 2:
		lease_set_lifetime(*l, take_u16(w));
		break;
	case 3:
		lease_forget(*l);
		*l = NULL;
		break;
	}
}

/* ---- what comes from the network ---- */

/* An answer to the last request, with a result, lifetime and epoch of choice. */
static void
answer_datagram(struct world *w)
{
	uint8_t buf[1200];
	uint8_t result = take(w), shift = take(w);
	uint16_t epoch = take_u16(w), port = take_u16(w);
	size_t len = w->sent_len;

	if (len < 2)
		return;
	memset(buf, 0, sizeof(buf));
	memcpy(buf, w->sent, len);
	buf[1] |= 0x80;
	buf[3] = result & 1 ? 0 : result / 2 % 16;
	if (buf[0] == 2) {
		buf[4 + shift % 4] = (uint8_t)(shift / 4);
		buf[8] = buf[9] = 0;
		buf[10] = (uint8_t)(epoch >> 8);
		buf[11] = (uint8_t)epoch;
		if (port && len >= 44) {
			buf[42] = (uint8_t)(port >> 8);
			buf[43] = (uint8_t)port;
		}
	} else {
		len = len == 2 ? 12 : 16;
		if (len == 16) {
			memcpy(buf + 8, w->sent + 4, 4);
			buf[12 + shift % 4] = (uint8_t)(shift / 4);
			if (port) {
				buf[10] = (uint8_t)(port >> 8);
				buf[11] = (uint8_t)port;
			}
		} else {
			buf[8] = 198;
			buf[11] = shift;
		}
		buf[2] = 0;
		buf[4] = buf[5] = 0;
		buf[6] = (uint8_t)(epoch >> 8);
		buf[7] = (uint8_t)epoch;
	}
	router_datagram(w->router, buf, len, w->now);
}

static void
ssdp(struct world *w)
{
	static const char *const starts[] = { "HTTP/1.1 200 OK\r\nST",
		"NOTIFY * HTTP/1.1\r\nNTS: ssdp:alive\r\nNT",
		"NOTIFY * HTTP/1.1\r\nNTS: ssdp:byebye\r\nNT" };
	uint8_t how = take(w);
	struct addr from = how & 64 ? local(w) : gateway(w);
	char text[512];

	if (how & 128) {
		size_t len;
		const uint8_t *raw = take_bytes(w, 1020, &len);

		router_ssdp(w->router, &from, (const char *)raw, len, w->now);
		return;
	}
	snprintf(text, sizeof(text),
	    "%s: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\n"
	    "LOCATION: http://x:%u/%u\r\nBOOTID.UPNP.ORG: %u\r\n\r\n",
	    starts[how % 3], 1 + how / 3 % 4, take(w) % 4, take(w) % 3);
	router_ssdp(w->router, &from, text, strlen(text), w->now);
}

static void
put_description(struct world *w, struct text_out *out)
{
	static const char *const types[] = { "WANIPConnection:1", "WANIPConnection:2",
		"WANPPPConnection:1", "WANIPv6FirewallControl:1" };
	uint8_t which = take(w);

	text_put(out, "<root><device><serviceList>");
	for (unsigned i = 0; i < 4; i++)
		if (which & 1u << i)
			text_printf(out,
			    "<service><serviceType>urn:schemas-upnp-org:service:%s"
			    "</serviceType><controlURL>/%u</controlURL>"
			    "<eventSubURL>/e</eventSubURL></service>",
			    types[i], i);
	text_put(out, "</serviceList></device></root>");
}

static void
put_value(struct world *w, struct text_out *out, const char *name)
{
	static const char *const words[] = { "1", "0", "Connected", "192.168.1.20",
		"192.168.1.33", "8080", "198.0.2.9", "", "4294967295" };

	text_printf(out, "<%s>", name);
	if (strstr(name, "Port") && take(w) % 4)
		text_printf(out, "%u", take_u16(w));
	else
		text_put(out, words[take(w) % ARRAY_SIZE(words)]);
	text_printf(out, "</%s>", name);
}

/* The answer to the SOAP request under way: success, or an error code. */
static void
put_soap(struct world *w, struct text_out *out)
{
	const char *hash = strchr(w->request, '#');
	uint8_t code = take(w);

	text_put(out, "<Envelope><Body>");
	for (enum igd_action a = 0; hash && a < IGD_ACTION_MAX; a++) {
		size_t len = strlen(igd_action_name(a));

		if (strncmp(hash + 1, igd_action_name(a), len) != 0 ||
		    hash[1 + len] != '"')
			continue;
		if (code & 1) {
			text_printf(out, "<Fault><errorCode>%d</errorCode></Fault>",
			    code < 16 ? 400 + code : 590 + code);
			continue;
		}
		text_printf(out, "<%sResponse>", igd_action_name(a));
		for (unsigned i = 0; igd_action_out(a, i); i++)
			put_value(w, out, igd_action_out(a, i));
		text_printf(out, "</%sResponse>", igd_action_name(a));
	}
	text_put(out, "</Body></Envelope>");
}

static void
http(struct world *w)
{
	static const int errors[] = { -ECONNREFUSED, -ECONNRESET, -ETIMEDOUT,
		-EBADMSG };
	static const int statuses[] = { 200, 500, 404, 302 };
	uint8_t how = take(w);
	struct http_response *resp;
	char body[4096] = "", head[160];
	struct text_out out = text_out(body, sizeof(body));
	unsigned id = w->http_id + (how & 128 ? 1 : 0);

	/* An answer nobody waits for changes nothing. */
	if (!(how & 128) && !w->http)
		return;
	if (!(how & 128))
		w->http = false;
	if (how % 8 == 7) {
		router_http(w->router, id, errors[how / 8 % 4], NULL, w->now);
		return;
	}
	if (how % 8 == 6) {
		size_t len;
		const uint8_t *raw = take_bytes(w, 1020, &len);

		text_put_n(&out, (const char *)raw, len);
	} else if (strncmp(w->request, "GET", 3) == 0) {
		put_description(w, &out);
	} else {
		put_soap(w, &out);
	}
	resp = http_response_new(HTTP_BODY_MAX);
	MUST(resp);
	snprintf(head, sizeof(head),
	    "HTTP/1.1 %d X\r\nSID: uuid:%u\r\nTIMEOUT: Second-%u\r\n"
	    "Content-Length: %zu\r\n\r\n",
	    how % 8 == 5 ? statuses[how / 8 % 4] : 200, how / 8 % 2, how * 20, out.len);
	http_response_feed(resp, head, strlen(head));
	MUST(http_response_feed(resp, body, out.len) == 1 || out.len == 0);
	router_http(w->router, id, 0, resp, w->now);
	http_response_free(resp);
}

/* GENA: wanted or not, a listener, and what comes to it. */
static void
events(struct world *w)
{
	uint8_t how = take(w);
	char text[512];
	int status;

	if (how & 1) {
		router_want_events(w->router, how & 2, w->now);
		router_set_callback(w->router, 4000, how / 4 % 2, w->now);
		return;
	}
	if (how & 128) {
		size_t len;
		const uint8_t *raw = take_bytes(w, 1020, &len);

		status = router_event(w->router, (const char *)raw, len, w->now);
	} else {
		snprintf(text, sizeof(text),
		    "NOTIFY /%016x HTTP/1.1\r\nNT: upnp:event\r\n"
		    "NTS: upnp:propchange\r\nSID: uuid:%u\r\nSEQ: %u\r\n"
		    "Content-Length: 98\r\n\r\n<propertyset><property>"
		    "<ExternalIPAddress>198.0.2.%03u</ExternalIPAddress>"
		    "</property></propertyset>",
		    how / 2 % 2, how / 4 % 2, take(w) % 4, take(w));
		status = router_event(w->router, text, strlen(text), w->now);
	}
	MUST(status >= 200 && status < 600);
}

static void
event(struct world *w)
{
	const uint8_t *raw;
	size_t len;
	uint8_t what = take(w);

	switch (what % 13) {
	case 0:
		new_lease(w);
		break;
	case 1:
		change_lease(w);
		break;
	case 2:
		raw = take_bytes(w, 1020, &len);
		router_datagram(w->router, raw, len, w->now);
		break;
	case 3:
	case 4:
		answer_datagram(w);
		break;
	case 5:
		ssdp(w);
		break;
	case 6:
	case 7:
	case 8:
		http(w);
		break;
	case 9:
		w->now += INT64_C(1) << take(w) % 36;
		router_timer(w->router, w->now);
		break;
	case 10:
		/* To the next deadline, as an owner does. */
		if (router_deadline(w->router) != MSEC_NEVER)
			w->now = MAX(w->now, router_deadline(w->router));
		router_timer(w->router, w->now);
		break;
	case 12:
		events(w);
		break;
	case 11:
		if (what & 128)
			router_unreachable(w->router, w->now);
		else if (what & 64)
			router_hint(w->router, w->now);
		else
			router_discover(w->router, w->now);
		break;
	}
}

/* Everything is released and nothing answers: the end comes by itself. */
static void
wind_up(struct world *w)
{
	for (unsigned i = 0; i < LEASES_MAX; i++)
		if (w->lease[i])
			lease_release(w->lease[i], w->now);
	rest(w);
	for (unsigned i = 0; router_leases(w->router) > 0; i++) {
		MUST(i < 2000);
		if (w->http) {
			w->http = false;
			router_http(w->router, w->http_id, -ETIMEDOUT, NULL, w->now);
		} else {
			MUST(router_deadline(w->router) != MSEC_NEVER);
			w->now = MAX(w->now, router_deadline(w->router));
			router_timer(w->router, w->now);
		}
		rest(w);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world w = { .at = data, .end = data + size, .now = 1000 };
	struct router_settings settings = { .probe_ms = 60000 };
	uint8_t first = take(&w);

	w.ipv6 = first & 1;
	settings.gateway = gateway(&w);
	settings.local = local(&w);
	settings.seed = first;
	settings.methods = first & 2 ? METHODS_ALL : METHODS_ALL & ~take(&w);
	settings.habits.lease_rung = first / 4 % 4;
	settings.habits.no_add_any = first & 16;
	settings.habits.same_port = first & 32;
	w.router = router_new(&settings, w.now);
	MUST(w.router);
	for (unsigned i = 0; i < EVENTS_MAX && w.at < w.end; i++) {
		event(&w);
		rest(&w);
	}
	wind_up(&w);
	router_free(w.router);
	return 0;
}
