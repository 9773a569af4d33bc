/*
 * conf_place.c - sections while they are read: their objects, names and errors.
 */
#include "daemon/conf_place.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "proto/text.h"
#include "proto/util.h"

void *
conf_with_room(void *list, size_t count, size_t size)
{
	return count & (count - 1) ? list : reallocarray(list, MAX(2 * count, 1), size);
}

void
conf_complain(struct conf_loader *l, struct conf_spot at, const char *format, ...)
{
	struct conf_errors *errors = l->errors;
	char text[CONF_MESSAGE_MAX], printable[CONF_MESSAGE_MAX];
	struct conf_error e = { .line = at.line };
	struct conf_error *list;
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	text_copy_printable(printable, sizeof(printable), text, strlen(text));
	list = conf_with_room(errors->list, errors->count, sizeof(*list));
	if (list)
		errors->list = list;
	e.file = strdup(l->files[at.file]);
	e.message = strdup(printable);
	if (!list || !e.file || !e.message) {
		free(e.file);
		free(e.message);
		l->err = -ENOMEM;
		return;
	}
	errors->list[errors->count++] = e;
}

void
conf_loader_done(struct conf_loader *l)
{
	for (size_t i = 0; i < l->places_count; i++)
		free(l->places[i].keys);
	for (size_t i = 0; i < l->files_count; i++)
		free(l->files[i]);
	free(l->places);
	free(l->files);
	free(l->text);
}

void *
conf_object_of(struct conf_loader *l, const struct conf_place *p)
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

/* NULL: its section has none. */
static char *
argument_of(struct conf_loader *l, const struct conf_place *p)
{
	const struct conf_section_row *row = &conf_sections[p->section];

	return row->argument ? (char *)conf_object_of(l, p) + row->argument_at : NULL;
}

const char *
conf_argument_of(struct conf_loader *l, const struct conf_place *p)
{
	const char *argument = argument_of(l, p);

	return argument ? argument : "";
}

void
conf_title_of(struct conf_loader *l, const struct conf_place *p,
    char ret[static CONF_MESSAGE_MAX])
{
	const char *argument = conf_argument_of(l, p);

	snprintf(ret, CONF_MESSAGE_MAX, "%s%s%s", conf_sections[p->section].word,
	    argument[0] ? " " : "", argument);
}

/* Room for one more element of size, zeroed; its index, or -ENOMEM. */
static ssize_t
grow(void *array_pointer, size_t *count, size_t size)
{
	void **array = array_pointer;
	void *grown = conf_with_room(*array, *count, size);

	if (!grown)
		return -ENOMEM;
	*array = grown;
	memset((char *)grown + *count * size, 0, size);
	return (ssize_t)(*count)++;
}

int
conf_add_place(struct conf_loader *l, enum conf_section section, const char *argument)
{
	struct conf *c = l->conf;
	ssize_t at = grow(&l->places, &l->places_count, sizeof(*l->places)), index = 0;
	struct conf_place *p;

	if (at < 0)
		return -ENOMEM;
	p = &l->places[at];
	p->section = section;
	p->first = p->last = l->at;
	p->keys = calloc(conf_keys_count, sizeof(*p->keys));
	if (!p->keys)
		index = -ENOMEM;
	else if (section == CONF_UPLINK)
		index = grow(&c->uplinks, &c->uplinks_count, sizeof(*c->uplinks));
	else if (section == CONF_MAPPING)
		index = grow(&c->mappings, &c->mappings_count, sizeof(*c->mappings));
	if (index < 0) {
		l->places_count--;
		free(p->keys);
		return -ENOMEM;
	}
	p->index = (size_t)index;
	if (argument_of(l, p))
		strcpy(argument_of(l, p), argument);
	for (size_t i = 0; i < conf_keys_count; i++)
		if (conf_keys[i].section == section)
			conf_key_reset(&conf_keys[i], conf_object_of(l, p));
	l->current = (size_t)at;
	return 0;
}
