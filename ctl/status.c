/*
 * status.c - the verbs about the host: status, gateways.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/fold.h"
#include "ctl/human.h"
#include "ctl/model.h"
#include "ctl/options.h"
#include "ctl/output.h"
#include "ctl/show.h"
#include "ctl/verbs.h"
#include "proto/json.h"

/* Behind the mark of a problem. */
#define PROBLEM_FOLD 2

/* What the mappings together prove; a grant alone proves nothing. */
static const char *
summary(const struct mapping *mappings, size_t count)
{
	bool held = false, global = false;

	for (size_t i = 0; i < count; i++) {
		if (!mapping_is_held(&mappings[i]))
			continue;
		if (strcmp(mappings[i].reachability, "open") == 0)
			return ", reachable through mappings";
		held = true;
		global = global || mappings[i].external_is_global != 0;
	}
	if (held && !global)
		return ", but no mapping has a global address";
	return "";
}

static void
write_head(const struct ctl *ctl, FILE *out, const struct status *s,
    const struct mapping *mappings, size_t count)
{
	char date[HUMAN_MAX], ago[HUMAN_MAX];
	int64_t from_now;

	fprintf(out, "%s%s%s natd %s: %s%s\n",
	    term_paint(&ctl->term, state_paint(s->state)), ctl->term.utf8 ? "●" : "*",
	    term_plain(&ctl->term), s->version, s->state, summary(mappings, count));
	if (s->started.realtime_us > 0 && ctl_until(ctl, &s->started, &from_now)) {
		block_key(out, "Since");
		fold_value(out, "%s;", human_date(s->started.realtime_us, date));
		putc(' ', out);
		fold_value(out, "%s\n", human_relative(from_now, ago));
	}
}

static enum exit_code
write_external(const struct ctl *ctl, FILE *out, const struct status *s)
{
	const char *bad = NULL, *key = "External";
	const cJSON *item;

	cJSON_ArrayForEach(item, s->external_addresses)
	{
		struct external_address e;

		if (external_address_decode(item, &e, &bad) < 0)
			return ctl_bad_reply(bad);
		if (!model_is_wanted(ctl, e.family, e.interface))
			continue;
		block_key(out, key);
		key = NULL;
		fprintf(out, "%s %s%s on %s%s\n", e.address,
		    strcmp(e.source, "direct") == 0 ? "" : "via ",
		    method_label(e.source), e.interface, external_doubt(&e));
	}
	return CTL_DONE;
}

/* What is not there and has no reason was not asked: natd asks a router when the first
 * mapping is wanted. */
static bool
is_known(const struct service *s)
{
	return s->available || s->problem.code;
}

/* The better of the two round trips; -1 is none. */
static int64_t
faster(int64_t best, const struct service *s)
{
	if (!s->available || s->round_trip_us < 0)
		return best;
	return best < 0 ? s->round_trip_us : MIN(best, s->round_trip_us);
}

/* "PCP yes, NAT-PMP no", and the fastest answer of them. */
static enum exit_code
write_services(FILE *out, const struct gateway *g)
{
	const char *bad = NULL, *separator = "  ";
	int64_t best = -1;
	const cJSON *item;
	char buf[HUMAN_MAX];

	cJSON_ArrayForEach(item, g->services)
	{
		struct service s;

		if (service_decode(item, &s, &bad) < 0)
			return ctl_bad_reply(bad);
		if (!is_known(&s))
			continue;
		fputs(separator, out);
		fold_value(out, "%s %s%s", method_label(s.method),
		    s.available ? "yes" : "no",
		    strcmp(s.circuit, "closed") != 0 ? " (paused)" : "");
		separator = ", ";
		best = faster(best, &s);
	}
	if (*separator == ' ')
		fputs("  not asked yet", out);
	if (best >= 0)
		fprintf(out, ", %s", human_round_trip(best, buf));
	return CTL_DONE;
}

static enum exit_code
write_gateways(const struct ctl *ctl, FILE *out, const struct status *s)
{
	const char *bad = NULL, *key = "Gateway";
	const cJSON *item;

	cJSON_ArrayForEach(item, s->gateways)
	{
		enum exit_code code;
		struct gateway g;

		if (gateway_decode(item, &g, &bad) < 0)
			return ctl_bad_reply(bad);
		if (!model_is_wanted(ctl, g.family, g.interface))
			continue;
		block_key(out, key);
		key = NULL;
		fprintf(out, "%s on %s", g.address, g.interface);
		if (g.name)
			fprintf(out, " (%s)", g.name);
		code = write_services(out, &g);
		if (code != CTL_DONE)
			return code;
		putc('\n', out);
	}
	return CTL_DONE;
}

static enum exit_code
write_behaviors(const struct ctl *ctl, FILE *out, const struct status *s)
{
	const char *bad = NULL, *key = "NAT";
	const cJSON *item;

	cJSON_ArrayForEach(item, s->nat_behaviors)
	{
		struct nat_behavior n;

		if (nat_behavior_decode(item, &n, &bad) < 0)
			return ctl_bad_reply(bad);
		if (!model_is_wanted(ctl, n.family, n.interface))
			continue;
		block_key(out, key);
		key = NULL;
		nat_behavior_write(ctl, out, &n);
		putc('\n', out);
	}
	return CTL_DONE;
}

/* What cannot be renewed works until then. */
static void
write_end(const struct ctl *ctl, FILE *out, const struct mapping *m)
{
	char buf[HUMAN_MAX];
	int64_t left;

	if (strcmp(m->state, "degraded") == 0 && ctl_until(ctl, &m->expires, &left))
		fprintf(out, ", held for %s", human_span(MAX(left, 0), buf));
}

static void
write_mapping(const struct ctl *ctl, FILE *out, const struct mapping *m)
{
	char external[PEER_MAX], internal[PEER_MAX];
	bool held = mapping_is_held(m);
	bool closed = mapping_is_closed(m);
	bool good = held && !m->problem.code && m->external_is_global != 0 && !closed;

	fprintf(out, "%*s%s%s%s %s %s -> %s  ", BLOCK_KEY, "",
	    good ? "" : term_paint(&ctl->term, PAINT_BAD), good ? " " : "!",
	    good ? "" : term_plain(&ctl->term), m->protocols,
	    mapping_external(m, external), mapping_internal(m, internal));
	if (good) {
		fold_value(out, "%s", method_label(m->method));
		mapping_write_next(ctl, out, "  ", m);
		if (m->description)
			fprintf(out, "  %s", m->description);
	} else {
		if (m->description)
			fprintf(out, "%s: ", m->description);
		if (!m->problem.code && !closed &&
		    (!held || m->external_is_global != 0))
			fputs(m->state, out);
		mapping_write_problem(out, m, false);
		if (!held)
			mapping_write_next(ctl, out, ", ", m);
		else if (m->problem.code)
			write_end(ctl, out, m);
	}
	putc('\n', out);
}

/* natd counts all; what was filtered is counted here. */
static void
count_mappings(const struct ctl *ctl, const struct status *s,
    const struct mapping *mappings, size_t count, int64_t *ret_active,
    int64_t *ret_failed)
{
	*ret_active = s->active;
	*ret_failed = s->failed;
	if (ctl->opt.family == 0 && !ctl->opt.interface)
		return;
	*ret_active = *ret_failed = 0;
	for (size_t i = 0; i < count; i++) {
		*ret_active += mapping_is_held(&mappings[i]);
		*ret_failed += strcmp(mappings[i].state, "failed") == 0;
	}
}

static enum exit_code
status_write(const struct ctl *ctl, FILE *out, const struct status *s,
    const struct mapping *mappings, size_t count)
{
	int64_t active, failed;
	enum exit_code code;

	write_head(ctl, out, s, mappings, count);
	code = write_external(ctl, out, s);
	if (code == CTL_DONE)
		code = write_gateways(ctl, out, s);
	if (code == CTL_DONE)
		code = write_behaviors(ctl, out, s);
	if (code != CTL_DONE)
		return code;
	block_key(out, "Mappings");
	count_mappings(ctl, s, mappings, count, &active, &failed);
	fprintf(out, "%" PRIi64 " active", active);
	if (failed > 0)
		fprintf(out, ", %" PRIi64 " failed", failed);
	putc('\n', out);
	for (size_t i = 0; i < count; i++)
		write_mapping(ctl, out, &mappings[i]);
	return CTL_DONE;
}

enum exit_code
verb_status(struct ctl *ctl, int argc, char **argv)
{
	_cleanup_(reply_done) struct reply reply = { 0 }, list = { 0 };
	_cleanup_(freep) struct mapping *mappings = NULL;
	_cleanup_(page_drop) struct page page = { 0 };
	const char *bad = NULL;
	struct status s;
	size_t count = 0;
	enum exit_code code = filter_allowed(ctl);

	(void)argc;
	(void)argv;
	if (code == CTL_DONE)
		code = ctl_call(ctl, "Status", "{}", false, &reply);
	if (code != CTL_DONE || output_reply(ctl, &reply))
		return code;
	if (status_decode(reply.parameters, &s, &bad) < 0)
		return ctl_bad_reply(bad);
	if (!ctl->opt.quiet)
		code = mappings_fetch(ctl, "{}", &list, &mappings, &count);
	if (code != CTL_DONE)
		return code;
	count = mappings_select(ctl, mappings, count);
	if (!page_open(&page))
		return CTL_FAILED;
	if (ctl->opt.quiet)
		fprintf(page.out, "%s\n", s.state);
	else
		code = status_write(ctl, page.out, &s, mappings, count);
	page_fold(ctl, &page, BLOCK_KEY + 4);
	return code == CTL_DONE ? page_show(ctl, &page) : code;
}

static const struct column gateway_columns[] = {
	{ "GATEWAY", 0, false, false },
	{ "IF", 0, false, false },
	{ "DEFAULT", 1, false, false },
	{ "EXTERNAL", 0, false, false },
	{ "SERVICES", 0, false, false },
	{ "RTT", 2, false, true },
	{ "NAME", 0, true, false },
};

/* The services that are there, with their versions, and what is wrong with the others.
 */
static enum exit_code
gather_services(const struct gateway *g, FILE *services, FILE *problems, int64_t *best)
{
	const char *bad = NULL, *separator = "";
	const cJSON *item;

	cJSON_ArrayForEach(item, g->services)
	{
		struct service s;

		if (service_decode(item, &s, &bad) < 0)
			return ctl_bad_reply(bad);
		if (s.problem.code) {
			/* That something is not there is no trouble. */
			fprintf(problems, "%s %s %s: ",
			    strcmp(s.problem.severity, "info") == 0 ? "-" : "!",
			    g->address, method_label(s.method));
			finding_write(problems, &s.problem);
			putc('\n', problems);
		}
		if (!s.available)
			continue;
		fprintf(services, "%s%s", separator, method_label(s.method));
		if (strcmp(s.circuit, "closed") != 0)
			fputs(" (paused)", services);
		separator = ", ";
		*best = faster(*best, &s);
	}
	return CTL_DONE;
}

static enum exit_code
gateway_line(struct table *table, FILE *problems, const struct gateway *g)
{
	_cleanup_(page_drop) struct page services = { 0 };
	char round_trip[HUMAN_MAX];
	int64_t best = -1;
	enum exit_code code;

	if (!page_open(&services))
		return CTL_FAILED;
	code = gather_services(g, services.out, problems, &best);
	if (code != CTL_DONE)
		return code;
	fflush(services.out);
	table_line(table,
	    (const char *const[]) {
		g->address,
		g->interface,
		g->is_default ? "yes" : "no",
		g->external_address,
		services.text,
		best >= 0 ? human_round_trip(best, round_trip) : NULL,
		g->name,
	    },
	    ARRAY_SIZE(gateway_columns));
	return CTL_DONE;
}

static enum exit_code
gateways_write(const struct ctl *ctl, FILE *out, const cJSON *gateways)
{
	_cleanup_(table_freep) struct table *table =
	    table_new(ctl, gateway_columns, ARRAY_SIZE(gateway_columns));
	_cleanup_(page_drop) struct page problems = { 0 };
	const char *bad = NULL;
	const cJSON *item;

	if (!table || !page_open(&problems))
		return CTL_FAILED;
	cJSON_ArrayForEach(item, gateways)
	{
		enum exit_code code = CTL_DONE;
		struct gateway g;

		if (gateway_decode(item, &g, &bad) < 0)
			return ctl_bad_reply(bad);
		if (ctl->opt.quiet)
			fprintf(out, "%s\n", g.address);
		else
			code = gateway_line(table, problems.out, &g);
		if (code != CTL_DONE)
			return code;
	}
	if (ctl->opt.quiet)
		return CTL_DONE;
	table_write(table, out, "gateway");
	page_add(ctl, out, &problems, PROBLEM_FOLD);
	return CTL_DONE;
}

enum exit_code
verb_gateways(struct ctl *ctl, int argc, char **argv)
{
	_cleanup_(json_freep) cJSON *filter = cJSON_CreateObject();
	_cleanup_(reply_done) struct reply reply = { 0 };
	_cleanup_(page_drop) struct page page = { 0 };
	const char *bad = NULL;
	const cJSON *gateways;
	char parameters[256];
	struct fields f;
	enum exit_code code;

	(void)argc;
	(void)argv;
	json_add_string(filter, "interface", ctl->opt.interface);
	json_add_string(filter, "family", family_word(ctl->opt.family));
	if (json_print(filter, parameters, sizeof(parameters)) < 0) {
		complain(
		    "'%.32s...' is not the name of an interface", ctl->opt.interface);
		return CTL_USAGE;
	}
	code = ctl_call(ctl, "ListGateways", parameters, false, &reply);
	if (code != CTL_DONE || output_reply(ctl, &reply))
		return code;
	f = fields_of(reply.parameters, "parameters", &bad);
	gateways = field_array(&f, "gateways");
	if (!gateways)
		return ctl_bad_reply(bad);
	if (!page_open(&page))
		return CTL_FAILED;
	code = gateways_write(ctl, page.out, gateways);
	return code == CTL_DONE ? page_show(ctl, &page) : code;
}
