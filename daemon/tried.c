/*
 * tried.c - what was tried to open a port, why it did not work, and what that is
 * called.
 */
#include "daemon/tried.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "daemon/gateway.h"

enum problem_code
problem_code(const struct lease_problem *p)
{
	static const struct {
		const char *name;
		enum problem_code code;
	} rows[] = {
		{ "TIMEOUT", PROBLEM_TIMEOUT },
		{ "PORT_UNREACHABLE", PROBLEM_TIMEOUT },
		{ "CONNECTION_REFUSED", PROBLEM_TIMEOUT },
		{ "BAD_ANSWER", PROBLEM_BAD_ANSWER },
		{ "NO_SERVICE", PROBLEM_NO_METHOD },
		{ "PORT_TAKEN", PROBLEM_PORT },
		{ "VANISHED", PROBLEM_VANISHED },
		{ "NOTHING_GRANTED", PROBLEM_REFUSED },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (strcmp(rows[i].name, p->name) == 0)
			return rows[i].code;
	return p->remedy == REMEDY_RETRY_HOURLY ? PROBLEM_NOT_AUTHORIZED
	       : p->remedy == REMEDY_OTHER_PORT ? PROBLEM_PORT
						: PROBLEM_REFUSED;
}

const char *
problem_code_name(enum problem_code code)
{
	static const char *const names[PROBLEM_CODES] = {
		[PROBLEM_TIMEOUT] = "gateway_timeout",
		[PROBLEM_BAD_ANSWER] = "gateway_bad_answer",
		[PROBLEM_NO_METHOD] = "no_method",
		[PROBLEM_PORT] = "external_port_unavailable",
		[PROBLEM_VANISHED] = "mapping_vanished",
		[PROBLEM_NOT_AUTHORIZED] = "not_authorized",
		[PROBLEM_REFUSED] = "gateway_refused",
	};

	return names[code];
}

struct list {
	struct tried *rows;
	size_t count;
};

static void
add(struct list *list, const struct gateway *g, enum method method, const char *reason)
{
	const struct netmon_uplink *u = gateway_uplink(g);
	struct tried *row = &list->rows[list->count];

	if (list->count == TRIED_MAX)
		return;
	list->count++;
	row->method = method;
	row->gateway = gateway_addr(&u->gateway, u->ifindex);
	snprintf(row->reason, sizeof(row->reason), "%s", reason);
}

/* Until it is found, an IGD counts as version 1. */
static unsigned
asked_as(enum method m)
{
	const unsigned igd = METHOD_BIT(METHOD_IGD1) | METHOD_BIT(METHOD_IGD2);

	return METHOD_BIT(m) & igd ? igd : METHOD_BIT(m);
}

static void
add_service(
    struct list *list, const struct gateway *g, enum router_service s, unsigned wanted)
{
	struct service_status st;
	bool other;

	router_service_status(gateway_router(g), s, &st);
	if (!(asked_as(st.method) & wanted))
		return;
	other = !(METHOD_BIT(st.method) & wanted);
	if (other)
		st.method = st.method == METHOD_IGD1 ? METHOD_IGD2 : METHOD_IGD1;
	add(list, g, st.method,
	    st.reason[0]                  ? st.reason
	    : st.state == SERVICE_PROBING ? "no answer yet"
	    : other && st.state == SERVICE_AVAILABLE
		? "not offered by this router"
		: "it does not serve this mapping");
}

static bool
is_listed(const struct list *list, enum method m)
{
	for (size_t i = 0; i < list->count; i++)
		if (asked_as(list->rows[i].method) & METHOD_BIT(m))
			return true;
	return false;
}

/* Why a method is none on this router at all. */
static const char *
why_not(const struct mapping *m, enum method method, bool ipv4)
{
	switch (method) {
	case METHOD_DIRECT:
		return addr_is_global(&lease_wanted(m->lease)->internal)
			   ? "the router has to open the port"
			   : "this host's address is not a global one";
	case METHOD_IGD_PINHOLE:
		return ipv4 ? "not on IPv4" : "not offered by this router";
	case METHOD_NAT_PMP:
	case METHOD_IGD1:
	case METHOD_IGD2:
		return ipv4 ? "not offered by this router" : "not on IPv6";
	case METHOD_PCP:
	case METHOD_MAX:
		break;
	}
	return "not offered by this router";
}

size_t
tried_of(const struct mapping *m, struct tried ret[static TRIED_MAX])
{
	struct list list = { .rows = ret };
	unsigned wanted;
	bool ipv4;

	if (!m->lease || !m->gateway)
		return 0;
	wanted = lease_wanted(m->lease)->methods;
	ipv4 = gateway_uplink(m->gateway)->family == AF_INET;
	for (enum router_service s = 0; s < ROUTER_SERVICES; s++)
		if (gateway_may_offer(m->gateway, s))
			add_service(&list, m->gateway, s, wanted);
	for (unsigned i = 0; i < m->context.methods_count; i++)
		if (!is_listed(&list, m->context.methods[i]))
			add(&list, m->gateway, m->context.methods[i],
			    why_not(m, m->context.methods[i], ipv4));
	if (m->carrier)
		add_service(&list, m->carrier, ROUTER_PCP, wanted);
	return list.count;
}
