/*
 * fields.c - reads the members of a JSON object from the daemon, strictly.
 */
#include "ctl/fields.h"

#include <stdlib.h>
#include <string.h>

#include "proto/json.h"
#include "proto/text.h"

static void
spoil(struct fields *f, const char *name)
{
	if (!*f->ret_bad)
		*f->ret_bad = name;
}

/* The member, NULL if it is null or missing (bad if it was required). */
static cJSON *
take(struct fields *f, const char *name, bool required)
{
	cJSON *item = json_get(f->object, name);

	if (!item && required)
		spoil(f, name);
	return item;
}

struct fields
fields_of(const cJSON *object, const char *what, const char **ret_bad)
{
	struct fields f = { .object = object, .ret_bad = ret_bad };

	if (!cJSON_IsObject(object)) {
		f.object = NULL;
		spoil(&f, what);
	}
	return f;
}

/* Length never grows, so the text stays where cJSON put it. */
static void
make_printable(char *text, bool lines)
{
	char *to = text;

	while (*text) {
		size_t len = lines ? strcspn(text, "\n\t") : strlen(text);
		char separator = text[len];
		_cleanup_(freep) char *copy = malloc(len + 1);

		if (!copy) {
			*to = '\0';
			return;
		}
		text_copy_printable(copy, len + 1, text, len);
		memcpy(to, copy, strlen(copy));
		to += strlen(copy);
		text += len;
		if (separator) {
			*to++ = separator;
			text++;
		}
	}
	*to = '\0';
}

static const char *
string_of(struct fields *f, const char *name, bool required, bool lines)
{
	cJSON *item = take(f, name, required);

	if (!item)
		return NULL;
	if (!cJSON_IsString(item)) {
		spoil(f, name);
		return NULL;
	}
	make_printable(item->valuestring, lines);
	return item->valuestring;
}

const char *
field_string(struct fields *f, const char *name)
{
	const char *value = string_of(f, name, true, false);

	return value ? value : "";
}

const char *
field_string_opt(struct fields *f, const char *name)
{
	return string_of(f, name, false, false);
}

const char *
field_text(struct fields *f, const char *name)
{
	const char *value = string_of(f, name, true, true);

	return value ? value : "";
}

static int64_t
int_of(struct fields *f, const char *name, bool required, int64_t min, int64_t max,
    int64_t absent)
{
	const cJSON *item = take(f, name, required);
	int64_t value;

	if (!item)
		return absent;
	if (json_to_int(item, &value) < 0 || value < min || value > max) {
		spoil(f, name);
		return absent;
	}
	return value;
}

int64_t
field_int(struct fields *f, const char *name, int64_t min, int64_t max)
{
	return int_of(f, name, true, min, max, 0);
}

int64_t
field_int_opt(
    struct fields *f, const char *name, int64_t min, int64_t max, int64_t absent)
{
	return int_of(f, name, false, min, max, absent);
}

static int
bool_of(struct fields *f, const char *name, bool required)
{
	const cJSON *item = take(f, name, required);

	if (!item)
		return -1;
	if (!cJSON_IsBool(item)) {
		spoil(f, name);
		return -1;
	}
	return cJSON_IsTrue(item);
}

bool
field_bool(struct fields *f, const char *name)
{
	return bool_of(f, name, true) == 1;
}

int
field_bool_opt(struct fields *f, const char *name)
{
	return bool_of(f, name, false);
}

static struct fields
object_of(struct fields *f, const char *name, bool required)
{
	const cJSON *item = take(f, name, required);

	if (!item)
		return (struct fields) { .ret_bad = f->ret_bad };
	return fields_of(item, name, f->ret_bad);
}

struct fields
field_object(struct fields *f, const char *name)
{
	return object_of(f, name, true);
}

struct fields
field_object_opt(struct fields *f, const char *name)
{
	return object_of(f, name, false);
}

static const cJSON *
array_of(struct fields *f, const char *name, bool required)
{
	const cJSON *item = take(f, name, required);

	if (!item)
		return NULL;
	if (!cJSON_IsArray(item)) {
		spoil(f, name);
		return NULL;
	}
	return item;
}

const cJSON *
field_array(struct fields *f, const char *name)
{
	return array_of(f, name, true);
}

const cJSON *
field_array_opt(struct fields *f, const char *name)
{
	return array_of(f, name, false);
}
