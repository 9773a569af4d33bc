/*
 * report.c - the lines of the log that tell how this host is reachable.
 */
#include "daemon/report.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "daemon/log.h"
#include "daemon/message.h"
#include "daemon/sock.h"
#include "daemon/tried.h"

/* ---- mappings ---- */

struct texts {
	char internal[ENDPOINT_TEXT_MAX], external[ENDPOINT_TEXT_MAX], uid[12];
	const char *protocol;
};

static void
texts_of(const struct mapping *m, const struct lease_status *st, struct texts *ret)
{
	struct endpoint internal = { m->context.internal, m->context.internal_port };
	const struct endpoint external = { st->held.external, st->held.external_port };
	const unsigned both = 1u << TRANSPORT_TCP | 1u << TRANSPORT_UDP;

	if (m->lease || m->outer)
		internal.addr = lease_wanted(m->lease ? m->lease : m->outer)->internal;
	else
		(void)mapping_left(m, &internal);
	if (st->is_held)
		internal.port = st->held.internal_port;
	sock_endpoint_format(&internal, ret->internal);
	if (st->is_held)
		endpoint_format(&external, ret->external);
	else
		ret->external[0] = '\0';
	snprintf(ret->uid, sizeof(ret->uid), "%" PRIu32, (uint32_t)m->uid);
	ret->protocol = m->context.transports == both
			    ? "tcp+udp"
			    : transport_name(m->context.transports & 1u << TRANSPORT_TCP
						 ? TRANSPORT_TCP
						 : TRANSPORT_UDP);
}

#define MAPPING_FIELDS(m, st, t, message)                                          \
	LOG_FIELDS({ LOG_MESSAGE_ID, message }, { LOG_MAPPING_ID, (m)->id },       \
	    { LOG_PROTOCOL, (t)->protocol }, { LOG_INTERNAL, (t)->internal },      \
	    { LOG_EXTERNAL, (t)->external[0] ? (t)->external : NULL },             \
	    { LOG_METHOD, (st)->is_held ? method_name((st)->held.method) : NULL }, \
	    { LOG_GATEWAY, (m)->gateway ? gateway_name((m)->gateway) : NULL },     \
	    { LOG_OWNER_UID, (t)->uid },                                           \
	    { LOG_PROBLEM, (st)->problem.present ? (st)->problem.name : NULL },    \
	    { LOG_HINT, (st)->problem.present ? (st)->problem.hint : NULL })

enum how_open { OPEN, OPEN_AGAIN, OPEN_CHANGED };

static void
report_open(const struct mapping *m, const struct lease_status *st, enum how_open how)
{
	static const char *const suffix[] = {
		[OPEN] = "",
		[OPEN_AGAIN] = ", again",
		[OPEN_CHANGED] = ", changed",
	};
	struct texts t;

	texts_of(m, st, &t);
	log_mapping(LOG_LEVEL_INFO,
	    MAPPING_FIELDS(m, st, &t,
		how == OPEN_CHANGED ? MESSAGE_MAPPING_CHANGED : MESSAGE_MAPPING_ACTIVE),
	    "mapping %s: %s %s -> %s by %s%s", m->id, t.protocol, t.external,
	    t.internal, method_title(st->held.method), suffix[how]);
}

#define TRIED_TEXT_MAX 320

/* "; PCP: no answer; NAT-PMP: no answer; PCP at 192.0.0.9: no answer" */
static void
write_tried(const struct mapping *m, char ret[static TRIED_TEXT_MAX])
{
	struct tried tried[TRIED_MAX];
	size_t count = tried_of(m, tried), n = 0;

	for (size_t i = 0; i < count && n < TRIED_TEXT_MAX; i++) {
		bool other = !addr_equal(&tried[i].gateway, &tried[0].gateway);
		char at[ADDR_TEXT_MAX] = "";

		if (other)
			sock_addr_format(&tried[i].gateway, at);
		n += (size_t)snprintf(ret + n, TRIED_TEXT_MAX - n, "; %s%s%s: %s",
		    method_title(tried[i].method), other ? " at " : "", at,
		    tried[i].reason);
	}
}

static void
report_problem(const struct mapping *m, const struct lease_status *st)
{
	const bool no_method = strcmp(st->problem.name, "NO_SERVICE") == 0;
	const char *hint = st->problem.hint;
	const char *router = m->gateway ? router_name(gateway_router(m->gateway)) : "";
	char tried[TRIED_TEXT_MAX] = "", holder[ADDR_TEXT_MAX] = "";
	struct texts t;

	texts_of(m, st, &t);
	if (no_method)
		write_tried(m, tried);
	if (st->problem.holder.family != ADDR_NONE)
		addr_format(&st->problem.holder, holder);
	log_mapping(LOG_LEVEL_WARNING,
	    MAPPING_FIELDS(m, st, &t,
		st->is_held ? MESSAGE_MAPPING_DEGRADED
		: no_method ? MESSAGE_NO_METHOD
			    : MESSAGE_MAPPING_FAILED),
	    "mapping %s: %s %s %s: %s%s%s%s%s%s%s%s", m->id, t.protocol, t.internal,
	    st->is_held ? "is not renewed" : "failed", no_method ? "" : router,
	    no_method || !router[0] ? ""
	    : st->problem.code      ? " says "
				    : ": ",
	    no_method ? "no router opens the port" : st->problem.name, tried,
	    holder[0] ? ", the port belongs to " : "", holder, hint ? ", " : "",
	    hint ? hint : "");
}

/* What a reader of the log takes for open. */
static bool
said_open(const struct mapping *m)
{
	return m->reported.any && (m->reported.state == MAPPING_ACTIVE ||
				      m->reported.state == MAPPING_DEGRADED);
}

/* Lost and asked for anew: nothing of it may be seen in what comes of it. */
static bool
is_lost(const struct mapping *m, const struct lease_status *st)
{
	return st->verdict && said_open(m) &&
	       (st->state == MAPPING_REQUESTING || st->losses > m->reported.losses);
}

void
report_mapping(struct mapping *m, const struct lease_status *st)
{
	struct reported now = { .state = st->state,
		.external = { st->held.external, st->held.external_port },
		.losses = st->losses };
	struct reported said;
	bool moved;

	m->reported.again |= is_lost(m, st);
	m->reported.losses = st->losses;
	said = m->reported;
	/* On the way: what comes of it is told. */
	if (!st->verdict ||
	    (st->state != MAPPING_ACTIVE && st->state != MAPPING_FAILED &&
		st->state != MAPPING_DEGRADED))
		return;
	if (!st->is_held)
		now.external = said.external;
	moved = said.external.addr.family != ADDR_NONE &&
		!endpoint_equal(&said.external, &now.external);
	if (said.any && said.state == now.state && !moved && !said.again)
		return;
	now.any = true;
	m->reported = now;
	if (st->state == MAPPING_ACTIVE)
		report_open(m, st,
		    moved        ? OPEN_CHANGED
		    : said.again ? OPEN_AGAIN
				 : OPEN);
	else
		report_problem(m, st);
}

void
report_gone(const struct mapping *m)
{
	static const char *const why[] = {
		[MAPPING_END_RELEASED] = "",
		[MAPPING_END_OWNER] = ", its program ended",
		[MAPPING_END_LIFETIME] = ", its lifetime ended",
		[MAPPING_END_CONFIG] = ", its configuration changed",
	};
	struct lease_status st = { .is_held = true, .held = m->last };
	struct texts t;

	if (!said_open(m)) {
		if (m->end == MAPPING_END_LIFETIME)
			log_mapping(LOG_LEVEL_INFO, NULL,
			    "mapping %s: its lifetime ended", m->id);
		return;
	}
	st.held.external = m->reported.external.addr;
	st.held.external_port = m->reported.external.port;
	texts_of(m, &st, &t);
	log_mapping(LOG_LEVEL_INFO,
	    MAPPING_FIELDS(m, &st, &t, MESSAGE_MAPPING_RELEASED),
	    "mapping %s: %s %s released%s", m->id, t.protocol, t.external, why[m->end]);
}

void
report_leaving(const struct mapping *mappings)
{
	unsigned released = 0, left = 0;

	for (const struct mapping *m = mappings; m; m = m->next) {
		if (!said_open(m))
			continue;
		if (mapping_outlives_natd(m))
			left++;
		else
			released++;
	}
	if (released || left)
		log_info("%u open mapping%s released, %u left for the next start",
		    released, released == 1 ? "" : "s", left);
}

/* ---- routers ---- */

void
report_external(const struct gateway *g, const struct addr *external)
{
	char text[ADDR_TEXT_MAX];
	const char *name = gateway_name(g);

	if (external->family == ADDR_NONE) {
		log_warning_with(LOG_FIELDS({ LOG_MESSAGE_ID, MESSAGE_ADDRESS_LOST },
				     { LOG_GATEWAY, name }),
		    "%s: external address lost", name);
		return;
	}
	addr_format(external, text);
	if (external->family == ADDR_IPV4 && !addr_is_global(external))
		log_warning_with(LOG_FIELDS({ LOG_MESSAGE_ID, MESSAGE_BEHIND_NAT },
				     { LOG_GATEWAY, name }, { LOG_EXTERNAL, text }),
		    "%s: external address %s is not global (%s), the router is behind "
		    "another NAT",
		    name, text, addr_class_name(addr_classify(external)));
	else
		log_info_with(LOG_FIELDS({ LOG_MESSAGE_ID, MESSAGE_ADDRESS_CHANGED },
				  { LOG_GATEWAY, name }, { LOG_EXTERNAL, text }),
		    "%s: external address %s", name, text);
}

void
report_restarted(const struct gateway *g)
{
	log_notice_with(LOG_FIELDS({ LOG_MESSAGE_ID, MESSAGE_GATEWAY_RESTARTED },
			    { LOG_GATEWAY, gateway_name(g) }),
	    "%s restarted; mappings are asked again", gateway_name(g));
}

void
report_no_uplink(void)
{
	log_notice_with(LOG_FIELDS({ LOG_MESSAGE_ID, MESSAGE_NO_UPLINK }),
	    "no uplink with a router; mappings wait for one");
}
