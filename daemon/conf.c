/*
 * conf.c - reads the configuration files.
 *
 * libinih splits a line into key and value.  Its limits (names of 50 bytes, lines of
 * 200, both cut without a word; a section without keys is not reported; an indented
 * line continues the one before) are kept away from the admin by the reader that feeds
 * it: it counts lines, takes the section headers itself and refuses what is too long.
 */
#include "daemon/conf.h"

#include <dirent.h>
#include <errno.h>
#include <ini.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "daemon/conf_place.h"
#include "daemon/conf_table.h"
#include "proto/text.h"
#include "proto/util.h"

/* Instead of an index of places: keys are in error, or behind a section that is. */
#define BEFORE_SECTIONS (SIZE_MAX - 1)
#define BAD_SECTION SIZE_MAX

/* A drop-in adds to a section of the files before it.  Within one file a mapping's
 * second section is another mapping that was given the same name. */
static void
enter_again(struct conf_loader *l, size_t index)
{
	struct conf_place *p = &l->places[index];

	l->current = index;
	if (p->last.file != l->at.file) {
		p->last = l->at;
	} else if (p->section == CONF_MAPPING) {
		conf_complain(l, l->at, "[Mapping %s]: the name is taken, by line %u",
		    conf_argument_of(l, p), p->last.line);
	}
}

static void
enter_section(struct conf_loader *l, enum conf_section section, const char *argument)
{
	const struct conf_section_row *row = &conf_sections[section];

	if (row->argument ? !row->fits(argument) : argument[0] != '\0') {
		conf_complain(l, l->at, "[%s %s]: not [%s%s%s]", row->word, argument,
		    row->word, row->argument ? " " : "",
		    row->argument ? row->argument : "");
		return;
	}
	for (size_t i = 0; i < l->places_count; i++)
		if (l->places[i].section == section &&
		    strcmp(conf_argument_of(l, &l->places[i]), argument) == 0) {
			enter_again(l, i);
			return;
		}
	if (l->conf->uplinks_count + l->conf->mappings_count >= CONF_OBJECTS_MAX)
		conf_complain(l, l->at, "more than %d sections", CONF_OBJECTS_MAX);
	else if (section == CONF_UPLINK && l->conf->uplinks_count >= CONF_UPLINKS_MAX)
		conf_complain(
		    l, l->at, "more than %d [Uplink] sections", CONF_UPLINKS_MAX);
	else if (conf_add_place(l, section, argument) < 0)
		l->err = -ENOMEM;
}

/* line: "[...]", without white space at its ends. */
static void
take_section(struct conf_loader *l, char *line)
{
	size_t len = strlen(line), word;
	char *argument;

	l->current = BAD_SECTION;
	if (line[len - 1] != ']') {
		conf_complain(l, l->at, "%.80s: \"]\" is missing", line);
		return;
	}
	do
		line[--len] = '\0';
	while (len > 1 && strchr(" \t", line[len - 1]));
	line++;
	word = strcspn(line, " \t");
	argument = line + word + strspn(line + word, " \t");
	for (int s = 0; s < CONF_SECTION_MAX; s++)
		if (strlen(conf_sections[s].word) == word &&
		    strncmp(line, conf_sections[s].word, word) == 0) {
			enter_section(l, (enum conf_section)s, argument);
			return;
		}
	conf_complain(l, l->at, "[%.80s]: unknown section", line);
}

static void
take_value(struct conf_loader *l, const struct conf_key *key, struct conf_place *p,
    const char *value)
{
	void *object = conf_object_of(l, p);
	void *field = (char *)object + key->offset;
	uint64_t bit = UINT64_C(1) << (key - conf_keys);
	char why[CONF_WHY_MAX] = "";

	p->keys[key - conf_keys] = l->at;
	if (value[0] == '\0') {
		conf_key_reset(key, object);
		p->given &= ~bit;
		if (key->type->list) {
			memset(field, 0, key->type->size);
			p->given |= bit;
		}
		return;
	}
	/* The first value of a list replaces its default, the next ones append. */
	if (key->type->list && !(p->given & bit))
		memset(field, 0, key->type->size);
	p->given |= bit;
	if (key->type->parse(key, value, field, why) < 0) {
		/* What follows is checked as if this line were not there. */
		conf_key_reset(key, object);
		p->bad |= bit;
		conf_complain(l, l->at, "%s=%.80s: %s", key->name, value, why);
	}
}

static void
unknown_key(struct conf_loader *l, const struct conf_place *p, const char *name)
{
	char title[CONF_MESSAGE_MAX];

	conf_title_of(l, p, title);
	for (size_t i = 0; i < conf_keys_count; i++)
		if (conf_keys[i].section == p->section &&
		    strcasecmp(conf_keys[i].name, name) == 0) {
			conf_complain(l, l->at,
			    "%s: unknown key in [%s], it is written %s", name, title,
			    conf_keys[i].name);
			return;
		}
	conf_complain(l, l->at, "%.80s: unknown key in [%s]", name, title);
}

/* libinih's handler; the section it knows is not ours. */
static int
take_key(void *ctx, const char *section, const char *name, const char *value)
{
	struct conf_loader *l = ctx;
	struct conf_place *p;

	(void)section;
	l->key_expected = false;
	if (l->current == BEFORE_SECTIONS)
		conf_complain(l, l->at, "%.80s: before the first [Section]", name);
	if (l->current >= BEFORE_SECTIONS)
		return 1;
	p = &l->places[l->current];
	for (size_t i = 0; i < conf_keys_count; i++)
		if (conf_keys[i].section == p->section &&
		    strcmp(conf_keys[i].name, name) == 0) {
			take_value(l, &conf_keys[i], p, value);
			return 1;
		}
	unknown_key(l, p, name);
	return 1;
}

static void
missing_key(struct conf_loader *l)
{
	if (l->key_expected)
		conf_complain(l, l->at, "neither [Section] nor Key=value");
	l->key_expected = false;
}

/* What remains of the line in l->text for libinih, or NULL: nothing. */
static const char *
look_at_line(struct conf_loader *l, size_t len, size_t room)
{
	static const char bom[] = "\xef\xbb\xbf";
	char *line = l->text;

	if (!text_is_utf8(line, len)) {
		conf_complain(l, l->at, "not UTF-8 text");
		return NULL;
	}
	if (l->at.line == 1 && strncmp(line, bom, strlen(bom)) == 0)
		line += strlen(bom);
	len = strlen(line);
	while (len > 0 && strchr(" \t\r\n", line[len - 1]))
		line[--len] = '\0';
	line += strspn(line, " \t");
	if (strchr("#;", line[0])) /* and the end */
		return NULL;
	if (line[0] == '[') {
		take_section(l, line);
		return NULL;
	}
	if (strlen(line) >= room) {
		conf_complain(l, l->at, "longer than %zu bytes", room - 1);
		return NULL;
	}
	l->key_expected = true;
	return line;
}

/* libinih's reader, in place of fgets(). */
static char *
next_line(char *str, int num, void *ctx)
{
	struct conf_loader *l = ctx;
	ssize_t len;
	const char *line;

	missing_key(l);
	len = getline(&l->text, &l->text_size, l->stream);
	if (len < 0 || num < 2) {
		l->err = feof(l->stream) ? l->err : -ENOMEM;
		return NULL;
	}
	l->at.line++;
	line = look_at_line(l, (size_t)len, (size_t)num - 1);
	snprintf(str, (size_t)num, "%s\n", line ? line : "");
	return str;
}

static void
load_text(struct conf_loader *l, char *text, size_t len)
{
	l->stream = fmemopen(text, len, "r");
	if (!l->stream || ini_parse_stream(next_line, l, take_key, l) < 0)
		l->err = -ENOMEM;
	if (l->stream)
		fclose(l->stream);
}

/* From here on path is what is read: 0, or -ENOMEM. */
static int
begin_file(struct conf_loader *l, const char *path)
{
	char **files = conf_with_room(l->files, l->files_count, sizeof(*files));
	char *copy = strdup(path);

	if (files)
		l->files = files;
	if (!files || !copy) {
		free(copy);
		return -ENOMEM;
	}
	l->at = (struct conf_spot) { .file = (unsigned)l->files_count };
	l->files[l->files_count++] = copy;
	l->current = BEFORE_SECTIONS;
	return 0;
}

/* Memory may be there the next time; all else is for the administrator to mend. */
static void
unreadable(struct conf_loader *l, int error)
{
	if (error == ENOMEM)
		l->err = -ENOMEM;
	else
		conf_complain(l, l->at, "cannot be read: %s", strerror(error));
}

static void
load_file(struct conf_loader *l, const char *path)
{
	_cleanup_(freep) char *text =
	    begin_file(l, path) == 0 ? malloc(CONF_FILE_MAX + 1) : NULL;
	FILE *file = text ? fopen(path, "re") : NULL;
	size_t len = file ? fread(text, 1, CONF_FILE_MAX + 1, file) : 0;

	if (!text)
		l->err = -ENOMEM;
	else if (file ? ferror(file) : errno != ENOENT)
		unreadable(l, errno);
	else if (len > CONF_FILE_MAX)
		conf_complain(l, l->at, "longer than %d bytes", CONF_FILE_MAX);
	else if (len > 0)
		load_text(l, text, len);
	if (file)
		fclose(file);
}

static int
is_drop_in(const struct dirent *e)
{
	size_t len = strlen(e->d_name);

	return e->d_name[0] != '.' && len > 5 &&
	       strcmp(e->d_name + len - 5, ".conf") == 0;
}

/* By bytes: alphasort() would depend on the locale. */
static int
by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static void
load_drop_ins(struct conf_loader *l, const char *path)
{
	char dir[512], file[1024];
	struct dirent **names = NULL;
	int n, error;

	if (snprintf(dir, sizeof(dir), "%s.d", path) >= (int)sizeof(dir)) {
		conf_complain(l, (struct conf_spot) { 0 }, "path too long");
		return;
	}
	n = scandir(dir, &names, is_drop_in, by_name);
	error = n < 0 ? errno : 0;
	if (error && error != ENOENT) {
		l->err = begin_file(l, dir);
		if (l->err == 0)
			unreadable(l, error);
	}
	for (int i = 0; i < n; i++) {
		snprintf(file, sizeof(file), "%s/%s", dir, names[i]->d_name);
		if (l->err == 0)
			load_file(l, file);
		free(names[i]);
	}
	free(names);
}

int
conf_load(const char *path, struct conf **ret, struct conf_errors *ret_errors)
{
	_cleanup_(conf_freep) struct conf *c = calloc(1, sizeof(*c));
	struct conf_loader l = { .conf = c, .errors = ret_errors };

	*ret_errors = (struct conf_errors) { 0 };
	if (!c)
		l.err = -ENOMEM;
	/* [Daemon] is the first. */
	for (int s = 0; s < CONF_SECTION_MAX && l.err == 0; s++)
		if (!conf_sections[s].argument &&
		    conf_add_place(&l, (enum conf_section)s, "") < 0)
			l.err = -ENOMEM;
	if (l.err == 0)
		load_file(&l, path);
	if (l.err == 0)
		load_drop_ins(&l, path);
	if (l.err == 0)
		conf_check(&l);
	conf_loader_done(&l);
	if (l.err < 0)
		return l.err;
	if (ret_errors->count > 0)
		return -EINVAL;
	*ret = TAKE_PTR(c);
	return 0;
}
