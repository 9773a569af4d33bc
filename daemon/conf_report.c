/*
 * conf_report.c - what differs between two configurations, what the defaults are; and
 * the list of errors, told and freed.
 */
#include "daemon/conf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/conf_table.h"
#include "proto/util.h"

#define WIDTH 78

void
conf_errors_done(struct conf_errors *errors)
{
	for (size_t i = 0; i < errors->count; i++) {
		free(errors->list[i].file);
		free(errors->list[i].message);
	}
	free(errors->list);
	*errors = (struct conf_errors) { 0 };
}

/* "FILE:LINE: MESSAGE", or without a line; as snprintf() does. */
static int
write_error(const struct conf_error *e, const char *before, char *ret, size_t size)
{
	char line[16] = "";

	if (e->line)
		snprintf(line, sizeof(line), ":%u", e->line);
	return snprintf(ret, size, "%s%s%s: %s", before, e->file, line, e->message);
}

void
conf_errors_log(
    const struct conf_errors *errors, size_t max, const struct log_field *fields)
{
	for (size_t i = 0; i < MIN(errors->count, max); i++) {
		char text[LOG_LINE_MAX];

		write_error(&errors->list[i], "", text, sizeof(text));
		log_error_always(fields, "%s", text);
	}
	if (errors->count > max)
		log_error_always(fields, "and %zu more", errors->count - max);
}

void
conf_errors_text(const struct conf_errors *errors, char *ret, size_t size)
{
	const size_t more = sizeof("\nand 18446744073709551615 more");
	size_t used = 0;

	ret[0] = '\0';
	for (size_t i = 0; i < errors->count; i++) {
		const struct conf_error *e = &errors->list[i];
		size_t left = errors->count - i;
		size_t room = size - used - (left > 1 ? more : 0);
		int len = i > 0 ? write_error(e, "\n", ret + used, room)
				: snprintf(ret, room, "%s", e->message);

		if ((size_t)len >= room) {
			snprintf(ret + used, size - used, "%sand %zu more",
			    i > 0 ? "\n" : "", left);
			return;
		}
		used += (size_t)len;
	}
}

void
conf_changes_done(struct conf_changes *changes)
{
	free(changes->list);
	*changes = (struct conf_changes) { 0 };
}

/* "Uplink wg0.Gateway"; key NULL: the whole section. */
static int
add_change(struct conf_changes *changes, enum conf_section section, const char *name,
    const struct conf_key *key)
{
	struct conf_change *list =
	    realloc(changes->list, (changes->count + 1) * sizeof(*list));
	struct conf_change *c;

	if (!list)
		return -ENOMEM;
	changes->list = list;
	c = &list[changes->count++];
	snprintf(c->name, sizeof(c->name), "%s%s%s%s%s", conf_sections[section].word,
	    name[0] ? " " : "", name, key ? "." : "", key ? key->name : "");
	c->restart = key && (key->flags & CONF_RESTART);
	return 0;
}

/* The keys of one section that differ. */
static int
diff_object(struct conf_changes *changes, enum conf_section section, const char *name,
    const void *a, const void *b)
{
	for (size_t i = 0; i < conf_keys_count; i++) {
		const struct conf_key *key = &conf_keys[i];

		if (key->section == section &&
		    memcmp((const char *)a + key->offset, (const char *)b + key->offset,
			key->type->size) != 0 &&
		    add_change(changes, section, name, key) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* The sections that are in struct conf itself. */
static int
diff_whole(const struct conf *a, const struct conf *b, struct conf_changes *changes)
{
	for (int s = 0; s < CONF_SECTION_MAX; s++)
		if (!conf_sections[s].argument &&
		    diff_object(changes, (enum conf_section)s, "", a, b) < 0)
			return -ENOMEM;
	return 0;
}

const struct conf_mapping *
conf_find_mapping(const struct conf *c, const char *name)
{
	for (size_t i = 0; i < c->mappings_count; i++)
		if (strcmp(c->mappings[i].name, name) == 0)
			return &c->mappings[i];
	return NULL;
}

static int
diff_uplinks(const struct conf *a, const struct conf *b, struct conf_changes *changes)
{
	for (size_t i = 0; i < a->uplinks_count; i++) {
		const struct conf_uplink *old = &a->uplinks[i];
		const struct conf_uplink *new = conf_find_uplink(b, old->ifname);
		int err = new ? diff_object(changes, CONF_UPLINK, old->ifname, old, new)
			      : add_change(changes, CONF_UPLINK, old->ifname, NULL);

		if (err < 0)
			return err;
	}
	for (size_t i = 0; i < b->uplinks_count; i++)
		if (!conf_find_uplink(a, b->uplinks[i].ifname) &&
		    add_change(changes, CONF_UPLINK, b->uplinks[i].ifname, NULL) < 0)
			return -ENOMEM;
	return 0;
}

static int
diff_mappings(const struct conf *a, const struct conf *b, struct conf_changes *changes)
{
	for (size_t i = 0; i < a->mappings_count; i++) {
		const struct conf_mapping *old = &a->mappings[i];
		const struct conf_mapping *new = conf_find_mapping(b, old->name);
		int err = new ? diff_object(changes, CONF_MAPPING, old->name, old, new)
			      : add_change(changes, CONF_MAPPING, old->name, NULL);

		if (err < 0)
			return err;
	}
	for (size_t i = 0; i < b->mappings_count; i++)
		if (!conf_find_mapping(a, b->mappings[i].name) &&
		    add_change(changes, CONF_MAPPING, b->mappings[i].name, NULL) < 0)
			return -ENOMEM;
	return 0;
}

int
conf_diff(const struct conf *a, const struct conf *b, struct conf_changes *ret)
{
	struct conf_changes changes = { 0 };

	if (diff_whole(a, b, &changes) < 0 || diff_uplinks(a, b, &changes) < 0 ||
	    diff_mappings(a, b, &changes) < 0) {
		conf_changes_done(&changes);
		return -ENOMEM;
	}
	*ret = changes;
	return 0;
}

/* As a comment, broken between words. */
static void
print_wrapped(FILE *out, const char *text)
{
	size_t column = 0;

	while (*text) {
		size_t word = strcspn(text, " ");

		if (column > 0 && column + 1 + word > WIDTH) {
			fputc('\n', out);
			column = 0;
		}
		column += (size_t)fprintf(
		    out, "%s%.*s", column > 0 ? " " : "# ", (int)word, text);
		text += word;
		text += strspn(text, " ");
	}
	fputc('\n', out);
}

void
conf_print_defaults(FILE *out)
{
	print_wrapped(out, "The configuration of natd with its defaults; see "
			   "natd.conf(5). Changes are "
			   "better put into a file of your own, natd.conf.d/NAME.conf. "
			   "They take effect "
			   "with \"natctl reload\".");
	for (int s = 0; s < CONF_SECTION_MAX; s++) {
		const struct conf_section_row *section = &conf_sections[s];

		fputc('\n', out);
		if (section->help)
			print_wrapped(out, section->help);
		if (section->argument)
			fprintf(out, "#[%s %s]\n", section->word, section->argument);
		else
			fprintf(out, "[%s]\n", section->word);
		for (size_t i = 0; i < conf_keys_count; i++) {
			if ((int)conf_keys[i].section != s)
				continue;
			fputc('\n', out);
			print_wrapped(out, conf_keys[i].help);
			if (conf_keys[i].flags & CONF_RESTART)
				print_wrapped(out, "Takes effect at the next start.");
			fprintf(out, "#%s=%s\n", conf_keys[i].name, conf_keys[i].def);
		}
	}
}
