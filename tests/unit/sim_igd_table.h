/*
 * sim_igd_table.h - the table of a simulated UPnP gateway, and the actions on it.
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
	SIM_404,
	SIM_NO_MEMORY,     /* for the request, on our side */
	SIM_DONE_NO_MEMORY /* for the answer */
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
	bool forgotten;    /* ours, and natd cannot know of it */
	unsigned protocol; /* 6, 17 */
	uint16_t external, internal;
	char client[ADDR_TEXT_MAX], description[64];
	uint32_t lease_s, id;
	msec_t expires; /* MSEC_NEVER: permanent */
};

struct sim_igd {
	struct sim *s;
	void (*on_search)(struct sim_igd *g, const struct router_action *a);

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
	double drift; /* its uptime runs at 1 + drift */
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
	uint16_t closed_port;  /* 728 for it, whoever asks; 0: none */
	bool endless;          /* its table has no end */
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
	unsigned unicasts, multicasts;
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
	while (any && !g->makes_same_port &&
	       (m = sim_igd_find(g, number, external)) &&
	       strcmp(m->client, client) != 0)
		external++;
	m = sim_igd_find(g, number, external);
	if (m && m->by_hand)
		return 729;
	if (g->closed_port && external == g->closed_port)
		return 728;
	if (m && !g->overwrites &&
	    (strcmp(m->client, client) != 0 || m->internal != internal ||
		g->own_conflict))
		return 718;
	m = sim_igd_put(g, number, external, internal, client, lease);
	if (m)
		sim_igd_arg(req, "NewPortMappingDescription", m->description,
		    sizeof(m->description));
	*ret_port = external;
	return 0;
}

static inline void
sim_igd_entry(
    const struct sim_igd *g, const struct sim_mapping *m, struct text_out *out)
{
	text_printf(out,
	    "<NewInternalPort>%u</NewInternalPort><NewInternalClient>%s"
	    "</NewInternalClient><NewEnabled>1</NewEnabled>"
	    "<NewPortMappingDescription>%s</NewPortMappingDescription>"
	    "<NewLeaseDuration>%u</NewLeaseDuration>",
	    m->internal, m->client, m->description,
	    m->expires == MSEC_NEVER || g->zero_lease_shown
		? 0
		: (unsigned)((m->expires - g->s->now) / 1000));
}

/* The entry of that index: the free ones are not counted. */
static inline int
sim_igd_generic(struct sim_igd *g, unsigned index, struct text_out *out)
{
	for (unsigned i = 0; i < SIM_IGD_ENTRIES; i++) {
		const struct sim_mapping *m = &g->entry[i];

		if (!sim_mapping_live(g, m) || (index-- > 0 && !g->endless))
			continue;
		text_printf(out,
		    "<NewExternalPort>%u</NewExternalPort><NewProtocol>%s"
		    "</NewProtocol>",
		    m->external, m->protocol == 17 ? "UDP" : "TCP");
		sim_igd_entry(g, m, out);
		return 0;
	}
	return 713;
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
		    (unsigned)((double)(g->s->now - g->boot) * (1 + g->drift) / 1000));
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
		sim_igd_entry(g, m, out);
		return 0;
	case IGD_GET_GENERIC_PORT_MAPPING_ENTRY:
		return sim_igd_generic(g, sim_igd_num(req, "NewPortMappingIndex"), out);
	default:
		return 401;
	}
}

static inline int
sim_igd_firewall(
    struct sim_igd *g, enum igd_action a, const char *req, struct text_out *out)
{
	struct sim_mapping *m = sim_igd_find_id(g, sim_igd_num(req, "UniqueID"));
	uint32_t lease_s = sim_igd_num(req, "LeaseTime"), id;
	uint16_t port = (uint16_t)sim_igd_num(req, "InternalPort");
	char client[ADDR_TEXT_MAX];

	switch (a) {
	case IGD_GET_FIREWALL_STATUS:
		text_printf(out,
		    "<FirewallEnabled>%d</FirewallEnabled>"
		    "<InboundPinholeAllowed>%d</InboundPinholeAllowed>",
		    g->firewall_on, g->inbound_allowed);
		return 0;
	case IGD_GET_OUTBOUND_PINHOLE_TIMEOUT:
		assert_non_null(strstr(req, "<Protocol>17</Protocol>"));
		text_put(out, "<OutboundPinholeTimeout>120</OutboundPinholeTimeout>");
		return 0;
	case IGD_ADD_PINHOLE:
		sim_igd_arg(req, "InternalClient", client, sizeof(client));
		/* The same one again keeps its id. */
		m = sim_igd_find(g, sim_igd_num(req, "Protocol"), port);
		id = m ? m->id : 0;
		m = sim_igd_put(
		    g, sim_igd_num(req, "Protocol"), port, port, client, lease_s);
		if (!m)
			return 701;
		m->id = id ? id : m->id;
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
