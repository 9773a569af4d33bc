/*
 * events.c - the events of Monitor() for people.
 */
#include "ctl/events.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/human.h"
#include "ctl/output.h"
#include "ctl/show.h"

static const char *const words[] = { "snapshot", "mapping_added", "mapping_changed",
	"mapping_removed", "gateway_changed", "external_address_changed",
	"nat_behavior_changed", "state_changed" };

_Static_assert(ARRAY_SIZE(words) <= EVENT_WORDS_MAX, "monitor takes each event once");

const char *
event_word(const char *text)
{
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		size_t at = 0;

		while (words[i][at] && (text[at] == words[i][at] ||
					   (text[at] == '-' && words[i][at] == '_')))
			at++;
		if (!words[i][at] && !text[at])
			return words[i];
	}
	return NULL;
}

/* So that whoever walks them later finds nothing new to complain about. */
static void
check_lists(const struct event *e, const char **ret_bad)
{
	const cJSON *item;
	struct mapping mapping;
	struct gateway gateway;

	cJSON_ArrayForEach(item, e->mappings) mapping_decode(item, &mapping, ret_bad);
	cJSON_ArrayForEach(item, e->gateways) gateway_decode(item, &gateway, ret_bad);
}

static void
decode_parts(struct fields *f, struct event *e, const char **ret_bad)
{
	struct fields part = field_object_opt(f, "mapping");

	if (part.object)
		e->has_mapping = mapping_decode(part.object, &e->mapping, ret_bad) == 0;
	part = field_object_opt(f, "gateway");
	if (part.object)
		e->has_gateway = gateway_decode(part.object, &e->gateway, ret_bad) == 0;
	part = field_object_opt(f, "natBehavior");
	if (part.object)
		e->has_behavior =
		    nat_behavior_decode(part.object, &e->behavior, ret_bad) == 0;
	part = field_object_opt(f, "externalAddress");
	if (part.object)
		e->has_address =
		    external_address_decode(part.object, &e->address, ret_bad) == 0;
}

int
event_decode(const cJSON *json, struct event *ret, const char **ret_bad)
{
	const char *bad = NULL;
	struct fields f = fields_of(json, "parameters", &bad);
	struct event e = {
		.sequence = field_int(&f, "sequence", 0, FIELD_INT_MAX),
		.lost = field_int_opt(&f, "lost", 0, FIELD_INT_MAX, -1),
		.word = field_string(&f, "event"),
		.timestamp = stamp_decode(field_object(&f, "timestamp")),
		.state = field_string_opt(&f, "state"),
		.mappings = field_array_opt(&f, "mappings"),
		.gateways = field_array_opt(&f, "gateways"),
	};

	decode_parts(&f, &e, &bad);
	check_lists(&e, &bad);
	if (bad) {
		*ret_bad = bad;
		return -EBADMSG;
	}
	*ret = e;
	return 0;
}

/* One thing that was told: a mapping by its id, an address by family and interface. */
struct memory {
	char key[64], value[PEER_MAX], state[32];
	int64_t renewals;
	uint64_t said; /* digest of the line, without time and word */
	char reachability[12];
};

struct events {
	struct memory *list;
	size_t count;
	int64_t next; /* sequence, -1: none yet */
};

struct events *
events_new(void)
{
	struct events *e = calloc(1, sizeof(*e));

	if (e)
		e->next = -1;
	return e;
}

struct events *
events_free(struct events *e)
{
	if (e)
		free(e->list);
	free(e);
	return NULL;
}

static struct memory *
recall(struct events *e, const char *key)
{
	for (size_t i = 0; i < e->count; i++)
		if (strcmp(e->list[i].key, key) == 0)
			return &e->list[i];
	return NULL;
}

static void
forget(struct events *e, const char *key)
{
	struct memory *m = recall(e, key);

	if (m)
		*m = e->list[--e->count];
}

static void
remember(struct events *e, const struct memory *what)
{
	struct memory *m = recall(e, what->key);

	if (!m) {
		struct memory *list =
		    realloc(e->list, (e->count + 1) * sizeof(*e->list));

		/* Without memory the next line says a little less. */
		if (!list)
			return;
		e->list = list;
		m = &list[e->count++];
	}
	*m = *what;
}

/* FNV-1a */
static uint64_t
digest(const struct page *page)
{
	uint64_t sum = UINT64_C(0xcbf29ce484222325);

	fflush(page->out);
	for (size_t i = 0; i < page->len; i++)
		sum = (sum ^ (unsigned char)page->text[i]) * UINT64_C(0x100000001b3);
	return sum;
}

static void
remember_mapping(struct events *e, const struct mapping *mapping, uint64_t said)
{
	struct memory m = { .renewals = mapping->renewals, .said = said };

	snprintf(m.key, sizeof(m.key), "%s", mapping->id);
	snprintf(m.state, sizeof(m.state), "%s", mapping->state);
	snprintf(m.reachability, sizeof(m.reachability), "%s", mapping->reachability);
	peer_text(&mapping->external, m.value);
	remember(e, &m);
}

static void
remember_address(
    struct events *e, const char *family, const char *interface, const char *address)
{
	struct memory m = { 0 };

	/* The space keeps it apart from the ids. */
	snprintf(m.key, sizeof(m.key), "%.8s %.48s", family, interface);
	snprintf(m.value, sizeof(m.value), "%.64s", address);
	remember(e, &m);
}

/* What became of a mapping, in one word. */
static const char *
change_word(struct events *e, const struct mapping *m)
{
	const struct memory *before = recall(e, m->id);
	char external[PEER_MAX];

	if (!before)
		return m->state;
	if (m->external.address &&
	    strcmp(before->value, peer_text(&m->external, external)) != 0)
		return strcmp(before->value, "-") == 0 ? m->state : "changed";
	if (strcmp(before->state, m->state) != 0 && strcmp(m->state, "active") != 0)
		return m->state;
	if (m->renewals > before->renewals)
		return "renewed";
	/* Proven from outside since. */
	if (strcmp(before->reachability, m->reachability) != 0 &&
	    strcmp(m->reachability, "unknown") != 0)
		return m->reachability;
	return strcmp(before->state, m->state) != 0 ? m->state : "changed";
}

static void
write_start(const struct ctl *ctl, FILE *out, const struct event *event, const char *id,
    const char *word, const char *state)
{
	char clock[HUMAN_MAX];

	fprintf(out, "%s %-3s %s%-10s%s ",
	    human_clock(event->timestamp.realtime_us, clock), id,
	    term_paint(&ctl->term, state_paint(state)), word, term_plain(&ctl->term));
}

static void
write_mapping(FILE *out, const struct mapping *m)
{
	char external[PEER_MAX], internal[PEER_MAX], lifetime[HUMAN_MAX];

	fprintf(out, "%s %s", m->protocols, mapping_external(m, external));
	if (!m->external.address)
		fprintf(out, " -> %s", mapping_internal(m, internal));
	if (m->method)
		fprintf(out, " (%s", method_label(m->method));
	if (m->method && m->granted_s > 0)
		fprintf(out, ", %s", human_span(m->granted_s * USEC_PER_SEC, lifetime));
	if (m->method)
		putc(')', out);
	if (m->description)
		fprintf(out, " %s", m->description);
	if (m->problem.code || mapping_is_closed(m))
		fputs(": ", out);
	mapping_write_problem(out, m, false);
}

static void
show_mapping(
    const struct ctl *ctl, FILE *out, struct events *e, const struct event *event)
{
	const struct mapping *m = &event->mapping;
	const struct memory *before = recall(e, m->id);
	_cleanup_(page_drop) struct page body = { 0 };
	const char *word = strcmp(event->word, "mapping_added") == 0 ? "added"
			   : strcmp(event->word, "mapping_removed") == 0
			       ? "removed"
			       : change_word(e, m);
	uint64_t said;

	if (!page_open(&body))
		return;
	write_mapping(body.out, m);
	said = digest(&body);
	/* Something changed, but nothing that this line could tell. */
	if (strcmp(word, "changed") != 0 || !before || before->said != said) {
		write_start(ctl, out, event, m->id, word, m->state);
		fputs(body.text, out);
	}
	if (strcmp(event->word, "mapping_removed") == 0)
		forget(e, m->id);
	else
		remember_mapping(e, m, said);
}

static void
show_snapshot(
    const struct ctl *ctl, FILE *out, struct events *e, const struct event *event)
{
	const char *bad = NULL;
	const cJSON *item;

	/* What an overrun swallowed is not known any more. */
	e->count = 0;
	cJSON_ArrayForEach(item, event->mappings)
	{
		struct mapping m;

		if (mapping_decode(item, &m, &bad) == 0)
			remember_mapping(e, &m, 0);
	}
	cJSON_ArrayForEach(item, event->gateways)
	{
		struct gateway g;

		if (gateway_decode(item, &g, &bad) == 0 && g.external_address)
			remember_address(e, g.family, g.interface, g.external_address);
	}
	if (ctl->opt.quiet)
		return;
	write_start(
	    ctl, out, event, "--", "snapshot", event->state ? event->state : "");
	fprintf(out, "%s, mappings: %d, gateways: %d",
	    event->state ? event->state : "-", cJSON_GetArraySize(event->mappings),
	    cJSON_GetArraySize(event->gateways));
}

static void
show_address(
    const struct ctl *ctl, FILE *out, struct events *e, const struct event *event)
{
	const struct external_address *a = &event->address;
	const struct memory *before;
	char key[64];

	snprintf(key, sizeof(key), "%.8s %.48s", a->family, a->interface);
	before = recall(e, key);
	write_start(ctl, out, event, "--", "address", "");
	if (before && strcmp(before->value, a->address) != 0)
		fprintf(out, "%s -> ", before->value);
	fprintf(out, "%s on %s%s", a->address, a->interface, external_doubt(a));
	remember_address(e, a->family, a->interface, a->address);
}

static void
write_gateway(FILE *out, const struct gateway *g)
{
	const char *bad = NULL, *separator = ": ";
	const cJSON *item;

	fprintf(out, "%s on %s", g->address, g->interface);
	cJSON_ArrayForEach(item, g->services)
	{
		struct service s;

		/* Without a reason it is still being looked for. */
		if (service_decode(item, &s, &bad) < 0 ||
		    (!s.available && !s.problem.code))
			continue;
		fprintf(out, "%s%s %s", separator, method_label(s.method),
		    s.available ? "yes" : "no");
		if (s.problem.code)
			fprintf(out, " (%s)", s.problem.message);
		separator = ", ";
	}
	if (*separator == ':')
		fputs(": not known yet", out);
}

static void
show_gateway(
    const struct ctl *ctl, FILE *out, struct events *e, const struct event *event)
{
	_cleanup_(page_drop) struct page body = { 0 };
	const struct memory *before;
	struct memory now = { 0 };

	if (!page_open(&body))
		return;
	write_gateway(body.out, &event->gateway);
	now.said = digest(&body);
	/* The star keeps it apart from ids and addresses. */
	snprintf(now.key, sizeof(now.key), "*%.45s %.15s", event->gateway.address,
	    event->gateway.interface);
	before = recall(e, now.key);
	if (!before || before->said != now.said) {
		write_start(ctl, out, event, "--", "gateway", "");
		fputs(body.text, out);
	}
	remember(e, &now);
}

static void
show_other(
    const struct ctl *ctl, FILE *out, struct events *e, const struct event *event)
{
	if (event->has_gateway) {
		show_gateway(ctl, out, e, event);
	} else if (event->has_behavior) {
		write_start(ctl, out, event, "--", "nat", "");
		fprintf(out, "%s: ", event->behavior.interface);
		nat_behavior_write(ctl, out, &event->behavior);
	} else if (strcmp(event->word, "external_address_changed") == 0) {
		write_start(ctl, out, event, "--", "address", "degraded");
		fputs("gone", out);
	} else if (strcmp(event->word, "overrun") == 0) {
		write_start(ctl, out, event, "--", "overrun", "degraded");
		fprintf(out, "%" PRIi64 " events were lost", MAX(event->lost, 0));
	} else if (event->state) {
		write_start(ctl, out, event, "--", "state", event->state);
		fputs(event->state, out);
	} else {
		write_start(ctl, out, event, "--", event->word, "");
	}
}

enum exit_code
events_show(const struct ctl *ctl, struct events *e, const struct event *event)
{
	struct page page;

	if (!page_open(&page))
		return CTL_FAILED;
	if (e->next >= 0 && event->sequence != e->next)
		complain("expected event %" PRIi64 ", got %" PRIi64, e->next,
		    event->sequence);
	e->next = event->sequence + 1;
	if (strcmp(event->word, "snapshot") == 0)
		show_snapshot(ctl, page.out, e, event);
	else if (event->has_mapping)
		show_mapping(ctl, page.out, e, event);
	else if (event->has_address)
		show_address(ctl, page.out, e, event);
	else
		show_other(ctl, page.out, e, event);
	if (ftell(page.out) > 0)
		putc('\n', page.out);
	return page_show(ctl, &page);
}
