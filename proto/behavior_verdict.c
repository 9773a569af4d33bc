/*
 * behavior_verdict.c - what the answers of STUN servers say about a NAT; what they are
 * not of one mind about is not known.
 */
#include "proto/behavior_private.h"

const char *
behavior_name(enum behavior b)
{
	static const char *const names[BEHAVIOR_MAX] = {
		[BEHAVIOR_UNKNOWN] = "unknown",
		[BEHAVIOR_NONE] = "none",
		[BEHAVIOR_ENDPOINT_INDEPENDENT] = "endpoint_independent",
		[BEHAVIOR_ADDRESS_DEPENDENT] = "address_dependent",
		[BEHAVIOR_ADDRESS_AND_PORT_DEPENDENT] = "address_and_port_dependent",
	};

	return names[b];
}

static const struct endpoint *
seen_by(const struct behavior_server *s)
{
	const struct behavior_ask *a = &s->asks[BEHAVIOR_PLAIN];

	return a->state == BEHAVIOR_ANSWERED ? &a->seen : NULL;
}

/* ---- mapping ---- */

enum behavior
behavior_mapping_vote(const struct behavior_machine *b, const struct behavior_server *s)
{
	const struct endpoint *plain = &s->asks[BEHAVIOR_PLAIN].seen,
			      *port = &s->asks[BEHAVIOR_OTHER_PORT].seen,
			      *ip = &s->asks[BEHAVIOR_OTHER_IP].seen,
			      *both = &s->asks[BEHAVIOR_OTHER_BOTH].seen;
	bool first, second;

	for (unsigned q = BEHAVIOR_PLAIN; q <= BEHAVIOR_OTHER_BOTH; q++)
		if (s->asks[q].state != BEHAVIOR_ANSWERED)
			return BEHAVIOR_UNKNOWN;
	first = endpoint_equal(plain, port);
	second = endpoint_equal(ip, both);
	if (endpoint_equal(plain, ip))
		return !first || !second ? BEHAVIOR_UNKNOWN
		       : endpoint_equal(plain, &b->local[BEHAVIOR_MAIN])
			   ? BEHAVIOR_NONE
			   : BEHAVIOR_ENDPOINT_INDEPENDENT;
	/* Each port of one address differs from the other, or none: else something else
	 * is at work than a rule. */
	if (first != second)
		return BEHAVIOR_UNKNOWN;
	return first ? BEHAVIOR_ADDRESS_DEPENDENT : BEHAVIOR_ADDRESS_AND_PORT_DEPENDENT;
}

/* Whether servers on at least two addresses answered, and whether we look the same to
 * all that did. */
static void
compare(const struct behavior_machine *b, bool *ret_several, bool *ret_same)
{
	const struct behavior_server *first = NULL;

	*ret_several = false;
	*ret_same = true;
	for (unsigned i = 0; i < b->servers_count; i++) {
		const struct behavior_server *s = &b->servers[i];

		if (!seen_by(s))
			continue;
		if (!first)
			first = s;
		*ret_several |= !addr_equal(&s->primary.addr, &first->primary.addr);
		*ret_same &= endpoint_equal(seen_by(s), seen_by(first));
	}
}

static enum behavior
mapping_without_votes(const struct behavior_machine *b, const struct endpoint *seen,
    bool several, bool same)
{
	if (!seen || !same)
		return BEHAVIOR_UNKNOWN;
	if (endpoint_equal(seen, &b->local[BEHAVIOR_MAIN]))
		return BEHAVIOR_NONE;
	return several ? BEHAVIOR_ENDPOINT_INDEPENDENT : BEHAVIOR_UNKNOWN;
}

static enum behavior
mapping_of(const struct behavior_machine *b, const struct endpoint *seen)
{
	enum behavior all = BEHAVIOR_UNKNOWN;
	bool several, same, alike;

	for (unsigned i = 0; i < b->servers_count; i++) {
		enum behavior vote = behavior_mapping_vote(b, &b->servers[i]);

		if (vote == BEHAVIOR_UNKNOWN)
			continue;
		if (all != BEHAVIOR_UNKNOWN && vote != all)
			return BEHAVIOR_UNKNOWN;
		all = vote;
	}
	compare(b, &several, &same);
	if (all == BEHAVIOR_UNKNOWN)
		return mapping_without_votes(b, seen, several, same);
	/* What servers at different addresses see has to fit to it. */
	alike = all == BEHAVIOR_NONE || all == BEHAVIOR_ENDPOINT_INDEPENDENT;
	return several && alike != same ? BEHAVIOR_UNKNOWN : all;
}

/* ---- filtering ---- */

enum behavior
behavior_filtering_vote(const struct behavior_server *s)
{
	const struct behavior_ask *port = &s->asks[BEHAVIOR_FILTER_PORT],
				  *both = &s->asks[BEHAVIOR_FILTER_BOTH];

	if (s->filter < 0 || s->broken)
		return BEHAVIOR_UNKNOWN;
	if (both->state == BEHAVIOR_ANSWERED)
		return BEHAVIOR_ENDPOINT_INDEPENDENT;
	if (both->state != BEHAVIOR_SILENT)
		return BEHAVIOR_UNKNOWN;
	if (port->state == BEHAVIOR_ANSWERED)
		return BEHAVIOR_ADDRESS_DEPENDENT;
	return port->state == BEHAVIOR_SILENT ? BEHAVIOR_ADDRESS_AND_PORT_DEPENDENT
					      : BEHAVIOR_UNKNOWN;
}

static enum behavior
filtering_of(const struct behavior_machine *b)
{
	enum behavior all = BEHAVIOR_UNKNOWN;

	for (unsigned i = 0; i < b->servers_count; i++) {
		enum behavior vote = behavior_filtering_vote(&b->servers[i]);

		if (vote == BEHAVIOR_UNKNOWN)
			continue;
		if (all != BEHAVIOR_UNKNOWN && vote != all)
			return BEHAVIOR_UNKNOWN;
		all = vote;
	}
	return all;
}

/* ---- the rest ---- */

/* How many sockets are seen, and with the port they have here. */
struct ports {
	unsigned all, kept;
};

static void
count_port(struct ports *p, const struct behavior_machine *b, unsigned socket,
    const struct behavior_ask *a)
{
	if (a->state != BEHAVIOR_ANSWERED)
		return;
	p->all++;
	p->kept += a->seen.port == b->local[socket].port;
}

static int8_t
preservation_of(const struct behavior_machine *b)
{
	struct ports main_ = { 0 }, p = { 0 };

	for (unsigned i = 0; i < b->servers_count; i++) {
		const struct behavior_server *s = &b->servers[i];

		count_port(&main_, b, BEHAVIOR_MAIN, &s->asks[BEHAVIOR_PLAIN]);
		if (s->filter >= 0)
			count_port(&p, b, BEHAVIOR_FILTER + (unsigned)s->filter,
			    &s->asks[BEHAVIOR_FILTER_BOTH]);
	}
	count_port(&p, b, BEHAVIOR_HAIRPIN, &b->outside);
	/* With a mapping per server only the first can have the port. */
	p.all += main_.all > 0;
	p.kept += main_.kept > 0;
	/* One that differs may have met another host's. */
	return p.all < 2 ? -1 : p.kept == p.all ? 1 : p.kept == 0 ? 0 : -1;
}

static int8_t
hairpinning_of(const struct behavior_machine *b, const struct behavior_result *r)
{
	if (b->hairpinning != 0)
		return b->hairpinning;
	/* If each peer sees another address, or a filter is closed to what none of ours
	 * called, silence has two reasons. */
	return r->mapping == BEHAVIOR_ENDPOINT_INDEPENDENT ||
		       r->filtering == BEHAVIOR_ENDPOINT_INDEPENDENT
		   ? 0
		   : -1;
}

void
behavior_get_result(const struct behavior_machine *b, struct behavior_result *ret)
{
	struct behavior_result r = { .hairpinning = -1, .port_preservation = -1 };
	const struct behavior_server *first = NULL;

	for (unsigned i = 0; i < b->servers_count; i++)
		if (seen_by(&b->servers[i]) &&
		    (!first || b->servers[i].filter > first->filter))
			first = &b->servers[i];
	if (first) {
		r.reflexive = *seen_by(first);
		r.server = first->primary;
		r.mapping = mapping_of(b, &r.reflexive);
		r.filtering = filtering_of(b);
	}
	if (first && r.mapping != BEHAVIOR_NONE) {
		r.hairpinning = hairpinning_of(b, &r);
		r.port_preservation = preservation_of(b);
	}
	*ret = r;
}

bool
behavior_heard(const struct behavior_machine *b, unsigned server, msec_t *ret_rtt_ms)
{
	const struct behavior_server *s = &b->servers[server];

	if (server >= b->servers_count || !seen_by(s))
		return false;
	*ret_rtt_ms = s->rtt_ms;
	return true;
}

bool
behavior_full_server(const struct behavior_machine *b, struct endpoint *ret)
{
	for (unsigned i = 0; i < b->servers_count; i++) {
		const struct behavior_server *s = &b->servers[i];

		if (s->filter < 0 || s->broken ||
		    behavior_mapping_vote(b, s) == BEHAVIOR_UNKNOWN)
			continue;
		*ret = s->primary;
		return true;
	}
	return false;
}

/* ---- how many translators ---- */

void
behavior_path_of(const struct addr *host, const struct addr *router_external,
    const struct addr *reflexive, struct behavior_path *ret)
{
	bool router_known = router_external->family == host->family;

	*ret = (struct behavior_path) { .translators = -1, .carrier = -1 };
	if (reflexive->family != host->family) {
		/* What the router has outside tells the carrier's NAT by itself. */
		if (router_known && addr_classify(router_external) == ADDR_CLASS_CGN)
			ret->carrier = 1;
		return;
	}
	if (addr_equal(reflexive, host)) {
		*ret = (struct behavior_path) { 0, 0 };
		return;
	}
	if (addr_classify(host) == ADDR_CLASS_CGN)
		ret->carrier = 1;
	if (!router_known)
		return;
	if (addr_equal(reflexive, router_external)) {
		*ret = (struct behavior_path) { 1, ret->carrier == 1 };
		return;
	}
	ret->translators = 2;
	/* A private address may be of a second router at home. */
	if (addr_classify(router_external) == ADDR_CLASS_CGN)
		ret->carrier = 1;
}
