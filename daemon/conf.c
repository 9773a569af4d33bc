/*
 * conf.c - reads the configuration files and checks what no single line can tell.
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
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "daemon/conf_table.h"
#include "proto/text.h"
#include "proto/util.h"

#define MESSAGE_MAX 320

/* Instead of an index of places: keys are in error, or behind a section that is. */
#define BEFORE_SECTIONS (SIZE_MAX - 1)
#define BAD_SECTION SIZE_MAX

/* One section's object while it is being read. */
struct place {
	enum conf_section section;
	size_t index; /* in conf->uplinks or conf->mappings */
	char *file;   /* where it was first named */
	unsigned line;
	size_t last_file;   /* the last file that names it, */
	unsigned last_line; /* and where that does so first */
	uint64_t given;     /* bit i: conf_keys[i] */
	uint64_t bad;       /* the same, given with an error */
};

struct loader {
	struct conf *conf;
	struct conf_errors *errors;
	struct place *places; /* the first is [Daemon] */
	size_t places_count;
	size_t current;   /* of places, or one of the two above */
	const char *file; /* borrowed */
	size_t files;     /* how many were begun */
	FILE *stream;
	unsigned line;
	bool key_expected; /* the line handed out must come back as key and value */
	char *text;        /* of getline() */
	size_t text_size;
	int err; /* -ENOMEM, sticky */
};

/* The list with room for one more, which doubles: a file of mistakes alone must not
 * cost their square.  NULL: out of memory. */
static void *
with_room(void *list, size_t count, size_t size)
{
	return count & (count - 1) ? list : reallocarray(list, MAX(2 * count, 1), size);
}

_printf_(4, 5) static void complain(
    struct loader *l, const char *file, unsigned line, const char *format, ...)
{
	struct conf_errors *errors = l->errors;
	char text[MESSAGE_MAX], printable[MESSAGE_MAX];
	struct conf_error e = { .line = line };
	struct conf_error *list;
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	text_copy_printable(printable, sizeof(printable), text, strlen(text));
	list = with_room(errors->list, errors->count, sizeof(*list));
	if (list)
		errors->list = list;
	e.file = strdup(file);
	e.message = strdup(printable);
	if (!list || !e.file || !e.message) {
		free(e.file);
		free(e.message);
		l->err = -ENOMEM;
		return;
	}
	errors->list[errors->count++] = e;
}

static void *
object_of(struct loader *l, const struct place *p)
{
	switch (p->section) {
	case CONF_DAEMON:
	case CONF_STUN:
	case CONF_STUN_SERVER:
	case CONF_SECTION_MAX:
		break;
	case CONF_UPLINK:
		return &l->conf->uplinks[p->index];
	case CONF_MAPPING:
		return &l->conf->mappings[p->index];
	}
	return l->conf;
}

static const char *
argument_of(struct loader *l, const struct place *p)
{
	switch (p->section) {
	case CONF_DAEMON:
	case CONF_STUN:
	case CONF_STUN_SERVER:
	case CONF_SECTION_MAX:
		break;
	case CONF_UPLINK:
		return l->conf->uplinks[p->index].ifname;
	case CONF_MAPPING:
		return l->conf->mappings[p->index].name;
	}
	return "";
}

/* "Uplink wg0" */
static void
title_of(struct loader *l, const struct place *p, char ret[static MESSAGE_MAX])
{
	const char *argument = argument_of(l, p);

	snprintf(ret, MESSAGE_MAX, "%s%s%s", conf_sections[p->section].word,
	    argument[0] ? " " : "", argument);
}

/* Room for one more element of size, zeroed; its index, or -ENOMEM. */
static ssize_t
grow(void *array_pointer, size_t *count, size_t size)
{
	void **array = array_pointer;
	void *grown = with_room(*array, *count, size);

	if (!grown)
		return -ENOMEM;
	*array = grown;
	memset((char *)grown + *count * size, 0, size);
	return (ssize_t)(*count)++;
}

/* A new section with its defaults becomes the current one. */
static int
add_place(struct loader *l, enum conf_section section, const char *argument)
{
	struct conf *c = l->conf;
	ssize_t at = grow(&l->places, &l->places_count, sizeof(*l->places)), index = 0;
	struct place *p;

	if (at < 0)
		return -ENOMEM;
	p = &l->places[at];
	p->section = section;
	p->line = p->last_line = l->line;
	p->last_file = l->files;
	p->file = strdup(l->file);
	if (!p->file)
		return -ENOMEM;
	if (section == CONF_UPLINK)
		index = grow(&c->uplinks, &c->uplinks_count, sizeof(*c->uplinks));
	else if (section == CONF_MAPPING)
		index = grow(&c->mappings, &c->mappings_count, sizeof(*c->mappings));
	if (index < 0) {
		l->places_count--;
		free(p->file);
		return -ENOMEM;
	}
	p->index = (size_t)index;
	if (section == CONF_UPLINK)
		strcpy(c->uplinks[index].ifname, argument);
	else if (section == CONF_MAPPING)
		strcpy(c->mappings[index].name, argument);
	for (size_t i = 0; i < conf_keys_count; i++)
		if (conf_keys[i].section == section)
			conf_key_reset(&conf_keys[i], object_of(l, p));
	l->current = (size_t)at;
	return 0;
}

static bool
argument_fits(enum conf_section section, const char *argument)
{
	switch (section) {
	case CONF_DAEMON:
	case CONF_STUN:
	case CONF_STUN_SERVER:
	case CONF_SECTION_MAX:
		break;
	case CONF_UPLINK:
		return conf_is_ifname(argument);
	case CONF_MAPPING:
		return conf_is_name(argument);
	}
	return argument[0] == '\0';
}

/* A drop-in adds to a section of the files before it.  Within one file a mapping's
 * second section is another mapping that was given the same name. */
static void
enter_again(struct loader *l, size_t index)
{
	struct place *p = &l->places[index];

	l->current = index;
	if (p->last_file != l->files) {
		p->last_file = l->files;
		p->last_line = l->line;
	} else if (p->section == CONF_MAPPING) {
		complain(l, l->file, l->line,
		    "[Mapping %s]: the name is taken, by line %u", argument_of(l, p),
		    p->last_line);
	}
}

static void
enter_section(struct loader *l, enum conf_section section, const char *argument)
{
	if (!argument_fits(section, argument)) {
		const char *want = conf_sections[section].argument;

		complain(l, l->file, l->line, "[%s %s]: not [%s%s%s]",
		    conf_sections[section].word, argument, conf_sections[section].word,
		    want ? " " : "", want ? want : "");
		return;
	}
	for (size_t i = 0; i < l->places_count; i++)
		if (l->places[i].section == section &&
		    strcmp(argument_of(l, &l->places[i]), argument) == 0) {
			enter_again(l, i);
			return;
		}
	if (l->conf->uplinks_count + l->conf->mappings_count >= CONF_OBJECTS_MAX)
		complain(
		    l, l->file, l->line, "more than %d sections", CONF_OBJECTS_MAX);
	else if (add_place(l, section, argument) < 0)
		l->err = -ENOMEM;
}

/* line: "[...]", without white space at its ends. */
static void
take_section(struct loader *l, char *line)
{
	size_t len = strlen(line), word;
	char *argument;

	l->current = BAD_SECTION;
	if (line[len - 1] != ']') {
		complain(l, l->file, l->line, "%.80s: \"]\" is missing", line);
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
	complain(l, l->file, l->line, "[%.80s]: unknown section", line);
}

static void
take_value(
    struct loader *l, const struct conf_key *key, struct place *p, const char *value)
{
	void *object = object_of(l, p);
	void *field = (char *)object + key->offset;
	uint64_t bit = UINT64_C(1) << (key - conf_keys);
	char why[CONF_WHY_MAX] = "";

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
		complain(l, l->file, l->line, "%s=%.80s: %s", key->name, value, why);
	}
}

static void
unknown_key(struct loader *l, const struct place *p, const char *name)
{
	char title[MESSAGE_MAX];

	title_of(l, p, title);
	for (size_t i = 0; i < conf_keys_count; i++)
		if (conf_keys[i].section == p->section &&
		    strcasecmp(conf_keys[i].name, name) == 0) {
			complain(l, l->file, l->line,
			    "%s: unknown key in [%s], it is written %s", name, title,
			    conf_keys[i].name);
			return;
		}
	complain(l, l->file, l->line, "%.80s: unknown key in [%s]", name, title);
}

/* libinih's handler; the section it knows is not ours. */
static int
take_key(void *ctx, const char *section, const char *name, const char *value)
{
	struct loader *l = ctx;
	struct place *p;

	(void)section;
	l->key_expected = false;
	if (l->current == BEFORE_SECTIONS)
		complain(
		    l, l->file, l->line, "%.80s: before the first [Section]", name);
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
missing_key(struct loader *l)
{
	if (l->key_expected)
		complain(l, l->file, l->line, "neither [Section] nor Key=value");
	l->key_expected = false;
}

/* What remains of the line in l->text for libinih, or NULL: nothing. */
static const char *
look_at_line(struct loader *l, size_t len, size_t room)
{
	static const char bom[] = "\xef\xbb\xbf";
	char *line = l->text;

	if (!text_is_utf8(line, len)) {
		complain(l, l->file, l->line, "not UTF-8 text");
		return NULL;
	}
	if (l->line == 1 && strncmp(line, bom, strlen(bom)) == 0)
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
		complain(l, l->file, l->line, "longer than %zu bytes", room - 1);
		return NULL;
	}
	l->key_expected = true;
	return line;
}

/* libinih's reader, in place of fgets(). */
static char *
next_line(char *str, int num, void *ctx)
{
	struct loader *l = ctx;
	ssize_t len;
	const char *line;

	missing_key(l);
	len = getline(&l->text, &l->text_size, l->stream);
	if (len < 0 || num < 2) {
		l->err = feof(l->stream) ? l->err : -ENOMEM;
		return NULL;
	}
	l->line++;
	line = look_at_line(l, (size_t)len, (size_t)num - 1);
	snprintf(str, (size_t)num, "%s\n", line ? line : "");
	return str;
}

static void
load_text(struct loader *l, char *text, size_t len)
{
	l->stream = fmemopen(text, len, "r");
	if (!l->stream || ini_parse_stream(next_line, l, take_key, l) < 0)
		l->err = -ENOMEM;
	if (l->stream)
		fclose(l->stream);
}

static void
load_file(struct loader *l, const char *path)
{
	_cleanup_(freep) char *text = malloc(CONF_FILE_MAX + 1);
	FILE *file = text ? fopen(path, "re") : NULL;
	size_t len = file ? fread(text, 1, CONF_FILE_MAX + 1, file) : 0;

	l->file = path;
	l->files++;
	l->line = 0;
	l->current = BEFORE_SECTIONS;
	if (!text)
		l->err = -ENOMEM;
	else if (file ? ferror(file) : errno != ENOENT)
		complain(l, path, 0, "cannot be read: %m");
	else if (len > CONF_FILE_MAX)
		complain(l, path, 0, "longer than %d bytes", CONF_FILE_MAX);
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
load_drop_ins(struct loader *l, const char *path)
{
	char dir[512], file[1024];
	struct dirent **names = NULL;
	int n;

	if (snprintf(dir, sizeof(dir), "%s.d", path) >= (int)sizeof(dir)) {
		complain(l, path, 0, "path too long");
		return;
	}
	n = scandir(dir, &names, is_drop_in, by_name);
	if (n < 0 && errno != ENOENT)
		complain(l, dir, 0, "cannot be read: %m");
	for (int i = 0; i < n; i++) {
		snprintf(file, sizeof(file), "%s/%s", dir, names[i]->d_name);
		load_file(l, file);
		free(names[i]);
	}
	free(names);
	l->file = NULL; /* it was ours */
}

static bool
is_zero(const void *field, size_t size)
{
	const char *bytes = field;

	for (size_t i = 0; i < size; i++)
		if (bytes[i])
			return false;
	return true;
}

static void
check_required(struct loader *l, const struct place *p)
{
	const char *object = object_of(l, p);
	char title[MESSAGE_MAX];

	title_of(l, p, title);
	for (size_t i = 0; i < conf_keys_count; i++) {
		const struct conf_key *key = &conf_keys[i];

		if (key->section != p->section || !(key->flags & CONF_REQUIRED) ||
		    p->bad & UINT64_C(1) << i)
			continue;
		if (!(p->given & UINT64_C(1) << i) ||
		    (key->type->list && is_zero(object + key->offset, key->type->size)))
			complain(l, p->file, p->line, "[%s]: %s= is missing", title,
			    key->name);
	}
}

static void
check_mapping(struct loader *l, const struct place *p)
{
	struct conf_mapping *m = &l->conf->mappings[p->index];

	if (conf_settle_gateway(&m->gateway, m->ifname) < 0)
		complain(l, p->file, p->line,
		    "[Mapping %s]: Interface= and Gateway= name two interfaces",
		    m->name);
	if (!conf_one_family(m))
		complain(l, p->file, p->line,
		    "[Mapping %s]: Family=, InternalAddress= and Gateway= are not of "
		    "one address family",
		    m->name);
	if (m->prefer_failure && m->internal_port == 0 && m->external_port == 0)
		complain(l, p->file, p->line,
		    "[Mapping %s]: PreferFailure= without a port to insist on",
		    m->name);
	if (m->description[0] == '\0')
		strcpy(m->description, m->name);
}

static void
check_uplink(struct loader *l, const struct place *p)
{
	struct conf_uplink *u = &l->conf->uplinks[p->index];

	if (conf_settle_gateway(&u->gateway, u->ifname) < 0)
		complain(l, p->file, p->line,
		    "[Uplink %s]: Gateway= is on another interface", u->ifname);
	if (u->lease_s == 0)
		u->lease_s = l->conf->lease_s;
	if (u->methods.count == 0)
		u->methods = l->conf->methods;
}

/* What one section inherits from another, and what must fit together. */
static void
check_whole(struct loader *l)
{
	struct conf *c = l->conf;
	char why[CONF_WHY_MAX];

	if (conf_check_stun_server(&c->stun_server, why) < 0)
		complain(l, l->places[0].file, 0, "[StunServer]: %s", why);
	if (c->methods.count == 0)
		complain(l, l->places[0].file, 0,
		    "[Daemon]: Methods= is empty, nothing could be mapped");
	if (c->connections_per_user > c->connections_max)
		complain(l, l->places[0].file, 0,
		    "[Daemon]: ConnectionsPerUser= is more than ConnectionsMax=");
	for (size_t i = 0; i < l->places_count; i++) {
		check_required(l, &l->places[i]);
		if (l->places[i].section == CONF_MAPPING)
			check_mapping(l, &l->places[i]);
		if (l->places[i].section == CONF_UPLINK)
			check_uplink(l, &l->places[i]);
	}
}

int
conf_load(const char *path, struct conf **ret, struct conf_errors *ret_errors)
{
	_cleanup_(conf_freep) struct conf *c = calloc(1, sizeof(*c));
	struct loader l = { .conf = c, .errors = ret_errors, .file = path };

	*ret_errors = (struct conf_errors) { 0 };
	if (!c)
		l.err = -ENOMEM;
	/* [Daemon] is the first. */
	for (int s = 0; s < CONF_SECTION_MAX && l.err == 0; s++)
		if (!conf_sections[s].argument &&
		    add_place(&l, (enum conf_section)s, "") < 0)
			l.err = -ENOMEM;
	if (l.err == 0)
		load_file(&l, path);
	if (l.err == 0)
		load_drop_ins(&l, path);
	if (l.err == 0)
		check_whole(&l);
	for (size_t i = 0; i < l.places_count; i++)
		free(l.places[i].file);
	free(l.places);
	free(l.text);
	if (l.err < 0)
		return l.err;
	if (ret_errors->count > 0)
		return -EINVAL;
	*ret = TAKE_PTR(c);
	return 0;
}
