/*
 * show.c - the verbs about mappings that change nothing: list, show.
 */
#include "ctl/show.h"

#include <inttypes.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/fold.h"
#include "ctl/human.h"
#include "ctl/options.h"
#include "ctl/output.h"
#include "ctl/verbs.h"
#include "proto/json.h"
#include "proto/types.h"

#define PARAMETERS_MAX 512

/* Routers have a least lifetime; natd gives the mapping back before it ends. */
static bool
is_shorter_than_lease(const struct mapping *m)
{
	return m->lifetime_s > 0 && m->lifetime_s < m->granted_s && m->persistence &&
	       strcmp(m->persistence, "lease") == 0;
}

void
mapping_write_line(FILE *out, const struct mapping *m)
{
	char external[PEER_MAX], internal[PEER_MAX];
	char lifetime[HUMAN_MAX], wanted[HUMAN_MAX];

	fprintf(out, "%s -> %s %s", mapping_external(m, external),
	    mapping_internal(m, internal), m->protocols);
	if (m->method)
		fprintf(out, ", %s", method_label(m->method));
	if (is_shorter_than_lease(m))
		fprintf(out, ", %s (the router grants %s)",
		    human_span(m->lifetime_s * USEC_PER_SEC, wanted),
		    human_span(m->granted_s * USEC_PER_SEC, lifetime));
	else if (m->granted_s > 0)
		fprintf(out, ", %s", human_span(m->granted_s * USEC_PER_SEC, lifetime));
	fprintf(out, ", id %s", m->id);
}

void
mapping_write_problem(FILE *out, const struct mapping *m, bool hint)
{
	if (m->problem.code && hint)
		finding_write(out, &m->problem);
	else if (m->problem.code)
		fputs(m->problem.message, out);
	else if (m->external.address && m->external_is_global == 0)
		fprintf(
		    out, "%s cannot be reached from the internet", m->external.address);
	else if (mapping_is_closed(m))
		fprintf(out, "proven closed from outside: natctl verify %s", m->id);
}

void
mapping_write_next(
    const struct ctl *ctl, FILE *out, const char *separator, const struct mapping *m)
{
	bool held = mapping_is_held(m);
	char buf[HUMAN_MAX];
	int64_t from_now;

	if (!ctl_until(ctl, &m->next_renewal, &from_now))
		return;
	fputs(separator, out);
	if (from_now < USEC_PER_SEC)
		fold_value(out, "%s now", held ? "renewing" : "trying again");
	else
		fold_value(out, "%s %s", held ? "renews" : "next try",
		    human_relative(from_now, buf));
}

void
word_write(FILE *out, const char *word)
{
	for (; *word; word++)
		putc(*word == '_' ? '-' : *word, out);
}

void
nat_behavior_write(const struct ctl *ctl, FILE *out, const struct nat_behavior *n)
{
	char buf[HUMAN_MAX];
	int64_t from_now;

	if (strcmp(n->mapping, "none") == 0) {
		fprintf(out, "none on %s", n->interface);
	} else {
		fprintf(out, "mapping%c", FOLD_GLUE);
		word_write(out, n->mapping);
		fprintf(out, ", filtering%c", FOLD_GLUE);
		word_write(out, n->filtering);
		if (n->hairpinning >= 0)
			fprintf(out, ", hairpinning%c%s", FOLD_GLUE,
			    n->hairpinning ? "yes" : "no");
		if (n->carrier_grade == 1)
			fputs(", carrier-grade", out);
	}
	if (ctl_until(ctl, &n->measured, &from_now)) {
		putc(' ', out);
		fold_value(out, "(%s)", human_relative(from_now, buf));
	}
}

enum exit_code
mappings_fetch(struct ctl *ctl, const char *parameters, struct reply *ret_reply,
    struct mapping **ret, size_t *ret_count)
{
	struct reply reply;
	enum exit_code code = ctl_call(ctl, "ListMappings", parameters, false, &reply);
	const char *bad = NULL;
	struct fields f;
	const cJSON *array;
	int count;

	if (code != CTL_DONE)
		return code;
	f = fields_of(reply.parameters, "parameters", &bad);
	array = field_array(&f, "mappings");
	count = array ? mappings_decode(array, ret, &bad) : -1;
	if (count < 0) {
		reply_done(&reply);
		return ctl_bad_reply(bad ? bad : "mappings");
	}
	*ret_reply = reply;
	*ret_count = (size_t)count;
	return CTL_DONE;
}

bool
mapping_is_id(const char *word)
{
	size_t digits = *word == 'm' ? strspn(word + 1, "0123456789") : 0;

	return digits > 0 && word[1 + digits] == '\0';
}

enum exit_code
mappings_filter(int argc, char **argv, int64_t owner_uid, char *ret, size_t size)
{
	_cleanup_(json_freep) cJSON *filter = cJSON_CreateObject();
	enum transport transport;
	int64_t port = 0;

	if (argc > 0 && transport_from_name(argv[0], &transport) < 0) {
		if (mapping_is_id(argv[0]))
			complain(
			    "'%s' is not a protocol but a mapping. Try: natctl show "
			    "%s",
			    argv[0], argv[0]);
		else
			complain("'%s' is not a protocol: tcp or udp", argv[0]);
		return CTL_USAGE;
	}
	if (argc > 1 && (options_port(argv[1], &port) < 0 || port == 0)) {
		complain("'%s' is not a port number, 1 to 65535", argv[1]);
		return CTL_USAGE;
	}
	if (argc > 0)
		json_add_string(filter, "protocol", argv[0]);
	if (argc > 1)
		json_add_int(filter, "internalPort", port);
	if (owner_uid >= 0)
		json_add_int(filter, "ownerUserId", owner_uid);
	if (json_print(filter, ret, size) >= 0)
		return CTL_DONE;
	complain("out of memory");
	return CTL_FAILED;
}

enum exit_code
filter_allowed(const struct ctl *ctl)
{
	if (ctl->opt.json == JSON_OFF || (ctl->opt.family == 0 && !ctl->opt.interface))
		return CTL_DONE;
	complain("--json prints natd's reply as it is: not with -4, -6 or -i");
	return CTL_USAGE;
}

size_t
mappings_select(const struct ctl *ctl, struct mapping *mappings, size_t count)
{
	size_t n = 0;

	for (size_t i = 0; i < count; i++)
		if (model_is_wanted(ctl, mappings[i].family, mappings[i].interface))
			mappings[n++] = mappings[i];
	return n;
}

/* The owner's name, unless names are of another machine or not wanted. */
static const char *
owner_text(const struct ctl *ctl, int64_t uid, char buf[static HUMAN_MAX])
{
	const struct passwd *user = NULL;

	if (uid < 0)
		return "-";
	if (!ctl->opt.numeric && !ctl_is_remote(ctl))
		user = getpwuid((uid_t)uid);
	if (user)
		snprintf(buf, HUMAN_MAX, "%s", user->pw_name);
	else
		snprintf(buf, HUMAN_MAX, "%" PRIi64, uid);
	return buf;
}

static const char *
expires_text(const struct ctl *ctl, const struct mapping *m, char buf[static HUMAN_MAX])
{
	int64_t left;

	if (!ctl_until(ctl, &m->expires, &left))
		return "-";
	return human_span(MAX(left, 0), buf);
}

static const struct column list_columns[] = {
	{ "ID", 0, false, false },
	{ "PROTO", 0, false, false },
	{ "EXTERNAL", 0, false, false },
	{ "INTERNAL", 1, false, false },
	{ "METHOD", 3, false, false },
	{ "STATE", 0, false, false },
	{ "EXPIRES", 2, false, false },
	{ "OWNER", 4, false, false },
	{ "NAME", 0, true, false },
};

#define LIST_STATE 5

static void
list_line(const struct ctl *ctl, struct table *table, const struct mapping *m)
{
	char external[PEER_MAX], internal[PEER_MAX];
	char expires[HUMAN_MAX], owner[HUMAN_MAX];
	const char *const cells[] = {
		m->id,
		m->protocols,
		peer_text(&m->external, external),
		mapping_internal(m, internal),
		m->method,
		m->state,
		expires_text(ctl, m, expires),
		owner_text(ctl, m->owner_uid, owner),
		m->description,
	};

	table_line(table, cells, ARRAY_SIZE(cells));
	table_paint(table, LIST_STATE, state_paint(m->state));
}

static const char *
or_dash(const char *text)
{
	return text && *text ? text : "-";
}

/* The columns are a promise to scripts: natctl(1) lists them, new ones go to the end.
 */
static void
list_porcelain(FILE *out, const struct mapping *m)
{
	fprintf(
	    out, "%s\t%s\t%s\t%s\t", m->id, m->protocols, m->state, or_dash(m->method));
	fprintf(out, "%s\t%u\t", or_dash(m->external.address), m->external.port);
	if (m->internal.address)
		fprintf(out, "%s\t%u\t", m->internal.address, m->internal.port);
	else
		fprintf(out, "%s\t%" PRIi64 "\t", or_dash(m->internal_address),
		    MAX(m->internal_port, 0));
	fprintf(out, "%s\t%s\t%s\t", or_dash(m->interface), or_dash(m->gateway),
	    m->reachability);
	if (m->expires.realtime_us > 0)
		fprintf(out, "%" PRIi64 "\t", m->expires.realtime_us / USEC_PER_SEC);
	else
		fputs("-\t", out);
	if (m->owner_uid >= 0)
		fprintf(out, "%" PRIi64 "\t", m->owner_uid);
	else
		fputs("-\t", out);
	fprintf(out, "%s\t%s\n", or_dash(m->persistence), or_dash(m->description));
}

static enum exit_code
list_write(
    const struct ctl *ctl, FILE *out, const struct mapping *mappings, size_t count)
{
	_cleanup_(table_freep) struct table *table = NULL;

	if (!ctl->opt.porcelain && !ctl->opt.quiet) {
		table = table_new(ctl, list_columns, ARRAY_SIZE(list_columns));
		if (!table) {
			complain("out of memory");
			return CTL_FAILED;
		}
	}
	for (size_t i = 0; i < count; i++)
		if (ctl->opt.porcelain)
			list_porcelain(out, &mappings[i]);
		else if (ctl->opt.quiet)
			fprintf(out, "%s\n", mappings[i].id);
		else
			list_line(ctl, table, &mappings[i]);
	if (table)
		table_write(table, out, "mapping");
	return CTL_DONE;
}

enum exit_code
verb_list(struct ctl *ctl, int argc, char **argv)
{
	_cleanup_(freep) struct mapping *mappings = NULL;
	_cleanup_(reply_done) struct reply reply = { 0 };
	_cleanup_(page_drop) struct page page = { 0 };
	char filter[PARAMETERS_MAX];
	size_t count;
	enum exit_code code = filter_allowed(ctl);

	if (code == CTL_DONE)
		code = mappings_filter(argc, argv, -1, filter, sizeof(filter));
	if (code == CTL_DONE)
		code = mappings_fetch(ctl, filter, &reply, &mappings, &count);
	if (code != CTL_DONE || output_reply(ctl, &reply))
		return code;
	count = mappings_select(ctl, mappings, count);
	if (!page_open(&page))
		return CTL_FAILED;
	code = list_write(ctl, page.out, mappings, count);
	return code == CTL_DONE ? page_show(ctl, &page) : code;
}

static void
show_lifetime(const struct ctl *ctl, FILE *out, const struct mapping *m)
{
	char buf[HUMAN_MAX];
	int64_t left;

	block_key(out, "Lifetime");
	if (m->granted_s < 0)
		fputs("none granted", out);
	else if (m->granted_s == 0)
		fputs("no end", out);
	else
		fputs(human_span(m->granted_s * USEC_PER_SEC, buf), out);
	if (ctl_until(ctl, &m->expires, &left)) {
		fputs(", ", out);
		fold_value(out, "expires %s", human_relative(MAX(left, 0), buf));
	}
	mapping_write_next(ctl, out, ", ", m);
	fputs(", ", out);
	fold_value(
	    out, "%" PRIi64 " renewal%s\n", m->renewals, m->renewals == 1 ? "" : "s");
}

static void
show_origin(const struct ctl *ctl, FILE *out, const struct mapping *m)
{
	char date[HUMAN_MAX], ago[HUMAN_MAX], owner[HUMAN_MAX];
	int64_t from_now;

	if (m->created.realtime_us > 0 && ctl_until(ctl, &m->created, &from_now)) {
		block_key(out, "Created");
		fold_value(out, "%s;", human_date(m->created.realtime_us, date));
		putc(' ', out);
		fold_value(out, "%s\n", human_relative(from_now, ago));
	}
	if (m->owner_uid >= 0) {
		block_key(out, "Owner");
		fputs(owner_text(ctl, m->owner_uid, owner), out);
		if (m->owner_pid > 0)
			fprintf(out, ", process %" PRIi64, m->owner_pid);
		putc('\n', out);
	}
	block_key(out, "Persistence");
	fprintf(out, "%s", m->persistence ? m->persistence : "lease");
	if (m->lifetime_s > 0)
		fprintf(out, ", asked for %s",
		    human_span(m->lifetime_s * USEC_PER_SEC, ago));
	putc('\n', out);
}

static void
show_path(FILE *out, const struct mapping *m)
{
	char buf[PEER_MAX];

	block_key(out, "External");
	fprintf(out, "%s%s\n", peer_text(&m->external, buf),
	    m->external.address && m->external_is_global == 0 ? " (not global)" : "");
	block_key(out, "Internal");
	fprintf(out, "%s\n", mapping_internal(m, buf));
	block_key(out, "Method");
	fputs(method_label(m->method), out);
	if (m->gateway)
		fprintf(out, ", gateway %s", m->gateway);
	if (m->interface)
		fprintf(out, " on %s", m->interface);
	putc('\n', out);
}

static void
show_write(const struct ctl *ctl, FILE *out, const struct mapping *m)
{
	fprintf(out, "%s%s%s %s", term_paint(&ctl->term, state_paint(m->state)),
	    ctl->term.utf8 ? "●" : "*", term_plain(&ctl->term), m->id);
	fprintf(out, "%s%s\n", m->description ? ": " : "",
	    m->description ? m->description : "");
	block_key(out, "State");
	fprintf(out, "%s%s%s, reachability %s\n",
	    term_paint(&ctl->term, state_paint(m->state)), m->state,
	    term_plain(&ctl->term), m->reachability);
	block_key(out, "Protocol");
	fprintf(out, "%s\n", m->protocols);
	show_path(out, m);
	show_lifetime(ctl, out, m);
	show_origin(ctl, out, m);
	if (m->problem.code) {
		block_key(out, "Problem");
		fprintf(out, "%s (%s)\n", m->problem.message, m->problem.code);
	}
	if (m->problem.hint) {
		block_key(out, NULL);
		fprintf(out, "%s\n", m->problem.hint);
	}
}

enum exit_code
verb_show(struct ctl *ctl, int argc, char **argv)
{
	_cleanup_(json_freep) cJSON *filter = cJSON_CreateObject();
	_cleanup_(freep) struct mapping *mappings = NULL;
	_cleanup_(reply_done) struct reply reply = { 0 };
	char parameters[PARAMETERS_MAX], external[PEER_MAX];
	struct page page;
	size_t count = 0;
	enum exit_code code;

	(void)argc;
	json_add_string(filter, "id", argv[0]);
	if (json_print(filter, parameters, sizeof(parameters)) < 0) {
		complain("'%.32s...' is not the id of a mapping", argv[0]);
		return CTL_USAGE;
	}
	code = mappings_fetch(ctl, parameters, &reply, &mappings, &count);
	if (code != CTL_DONE)
		return code;
	if (count != 1) {
		complain("there is no mapping %s. Try: natctl list", argv[0]);
		return CTL_FAILED;
	}
	if (output_reply(ctl, &reply))
		return CTL_DONE;
	if (!page_open(&page))
		return CTL_FAILED;
	if (ctl->opt.quiet)
		fprintf(page.out, "%s\n", peer_text(&mappings[0].external, external));
	else
		show_write(ctl, page.out, &mappings[0]);
	page_fold(ctl, &page, BLOCK_KEY + 4);
	return page_show(ctl, &page);
}
