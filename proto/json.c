/*
 * json.c - checks that text is JSON and nothing else, then lets cJSON build the tree.
 *
 * The check is a scanner with one bit per open container, so nesting costs no stack.
 * What only shows in the tree (equal keys after unescaping, numbers that became
 * infinite) is checked in a second walk, again without recursion.
 */
#include "proto/json.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/text.h"

/* ---- the scanner ---- */

struct scan {
	const char *p, *end;
	uint64_t objects; /* bit 0: the innermost container is an object */
	unsigned depth;
};

enum expect {
	EXPECT_VALUE,
	EXPECT_VALUE_OR_END,
	EXPECT_KEY,
	EXPECT_KEY_OR_END,
	EXPECT_NEXT
};

static bool
next_is(const struct scan *s, char c)
{
	return s->p < s->end && *s->p == c;
}

static bool
take(struct scan *s, char c)
{
	if (!next_is(s, c))
		return false;
	s->p++;
	return true;
}

static void
skip_space(struct scan *s)
{
	while (
	    next_is(s, ' ') || next_is(s, '\t') || next_is(s, '\n') || next_is(s, '\r'))
		s->p++;
}

static bool
take_word(struct scan *s, const char *word)
{
	size_t len = strlen(word);

	if ((size_t)(s->end - s->p) < len || memcmp(s->p, word, len) != 0)
		return false;
	s->p += len;
	return true;
}

static bool
take_digits(struct scan *s)
{
	const char *start = s->p;

	while (s->p < s->end && *s->p >= '0' && *s->p <= '9')
		s->p++;
	return s->p > start;
}

static bool
take_number(struct scan *s)
{
	const char *start = s->p;

	(void)take(s, '-');
	if (!take(s, '0') && !take_digits(s))
		return false;
	if (take(s, '.') && !take_digits(s))
		return false;
	if (take(s, 'e') || take(s, 'E')) {
		if (!take(s, '+'))
			(void)take(s, '-');
		if (!take_digits(s))
			return false;
	}
	return s->p - start <= JSON_NUMBER_MAX;
}

/* The four digits after \u; -1: they are not. */
static int
take_hex4(struct scan *s)
{
	int v = 0;

	if (s->end - s->p < 4)
		return -1;
	for (unsigned i = 0; i < 4; i++) {
		char c = *s->p++;

		if (c >= '0' && c <= '9')
			v = v * 16 + (c - '0');
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			v = v * 16 + ((c | 0x20) - 'a' + 10);
		else
			return -1;
	}
	return v;
}

static bool
take_escape(struct scan *s)
{
	int low, unit;

	if (s->p == s->end)
		return false;
	if (*s->p != 'u')
		return strchr("\"\\/bfnrt", *s->p++) != NULL;
	s->p++;
	unit = take_hex4(s);
	if (unit <= 0 || (unit >= 0xdc00 && unit <= 0xdfff))
		return false;
	if (unit < 0xd800 || unit > 0xdbff)
		return true;
	if (!take(s, '\\') || !take(s, 'u'))
		return false;
	low = take_hex4(s);
	return low >= 0xdc00 && low <= 0xdfff;
}

/* UTF-8 was checked for the whole text before. */
static bool
take_string(struct scan *s)
{
	if (!take(s, '"'))
		return false;
	while (s->p < s->end) {
		unsigned char c = (unsigned char)*s->p++;

		if (c == '"')
			return true;
		if (c < 0x20 || (c == '\\' && !take_escape(s)))
			return false;
	}
	return false;
}

static bool
take_scalar(struct scan *s)
{
	if (next_is(s, '"'))
		return take_string(s);
	return take_word(s, "true") || take_word(s, "false") || take_word(s, "null") ||
	       take_number(s);
}

static bool
take_key(struct scan *s)
{
	if (!take_string(s))
		return false;
	skip_space(s);
	return take(s, ':');
}

static bool
open_container(struct scan *s, bool object)
{
	s->objects = s->objects << 1 | object;
	return ++s->depth <= JSON_DEPTH_MAX;
}

static bool
close_container(struct scan *s)
{
	if (!take(s, (s->objects & 1) != 0 ? '}' : ']'))
		return false;
	s->objects >>= 1;
	s->depth--;
	return true;
}

/* One token with what must follow it; false: not JSON. */
static bool
scan_step(struct scan *s, enum expect *expect)
{
	switch (*expect) {
	case EXPECT_KEY_OR_END:
	case EXPECT_VALUE_OR_END:
		if (close_container(s)) {
			*expect = EXPECT_NEXT;
			return true;
		}
		*expect = *expect == EXPECT_KEY_OR_END ? EXPECT_KEY : EXPECT_VALUE;
		return true;
	case EXPECT_KEY:
		*expect = EXPECT_VALUE;
		return take_key(s);
	case EXPECT_VALUE:
		if (take(s, '{')) {
			*expect = EXPECT_KEY_OR_END;
			return open_container(s, true);
		}
		if (take(s, '[')) {
			*expect = EXPECT_VALUE_OR_END;
			return open_container(s, false);
		}
		*expect = EXPECT_NEXT;
		return take_scalar(s);
	case EXPECT_NEXT:
		if (s->depth > 0 && take(s, ',')) {
			*expect = (s->objects & 1) != 0 ? EXPECT_KEY : EXPECT_VALUE;
			return true;
		}
		return close_container(s);
	}
	return false;
}

static bool
is_json(const char *text, size_t len)
{
	struct scan s = { .p = text, .end = text + len };
	enum expect expect = EXPECT_VALUE;

	if (!text_is_utf8(text, len))
		return false;
	for (;;) {
		skip_space(&s);
		if (s.depth == 0 && expect == EXPECT_NEXT)
			return s.p == s.end;
		if (!scan_step(&s, &expect))
			return false;
	}
}

/* ---- the walk through the tree ---- */

static int
compare_keys(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static size_t
count_children(const cJSON *parent)
{
	size_t n = 0;

	for (const cJSON *c = parent->child; c != NULL; c = c->next)
		n++;
	return n;
}

static int
check_keys(const cJSON *object)
{
	const char *few[16];
	_cleanup_(freep) const char **many = NULL;
	const char **keys = few;
	size_t n = count_children(object), i = 0;

	if (n > ARRAY_SIZE(few)) {
		many = reallocarray(NULL, n, sizeof(*many));
		if (many == NULL)
			return -ENOMEM;
		keys = many;
	}
	for (const cJSON *c = object->child; c != NULL; c = c->next)
		keys[i++] = c->string;
	qsort(keys, n, sizeof(*keys), compare_keys);
	for (i = 1; i < n; i++)
		if (strcmp(keys[i - 1], keys[i]) == 0)
			return -EBADMSG;
	return 0;
}

static int
check_item(const cJSON *item)
{
	if (cJSON_IsNumber(item) && !isfinite(item->valuedouble))
		return -EBADMSG;
	return cJSON_IsObject(item) ? check_keys(item) : 0;
}

static int
check_tree(const cJSON *root)
{
	const cJSON *parents[JSON_DEPTH_MAX];
	const cJSON *item = root;
	unsigned depth = 0;

	for (;;) {
		int r = check_item(item);

		if (r < 0)
			return r;
		if (item->child != NULL) {
			parents[depth++] = item;
			item = item->child;
			continue;
		}
		while (depth > 0 && item->next == NULL)
			item = parents[--depth];
		if (depth == 0)
			return 0;
		item = item->next;
	}
}

int
json_parse(const char *text, size_t len, cJSON **ret)
{
	_cleanup_(json_freep) cJSON *tree = NULL;
	int r;

	if (!is_json(text, len))
		return -EBADMSG;
	tree = cJSON_ParseWithLengthOpts(text, len, NULL, false);
	if (tree == NULL)
		return -ENOMEM;
	r = check_tree(tree);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(tree);
	return 0;
}

void
json_freep(cJSON **tree)
{
	cJSON_Delete(*tree);
}

/* ---- reading ---- */

cJSON *
json_get(const cJSON *object, const char *key)
{
	cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);

	return cJSON_IsNull(item) ? NULL : item;
}

int
json_to_int(const cJSON *item, int64_t *ret)
{
	if (cJSON_IsNumber(item)) {
		double v = item->valuedouble;

		if (!(fabs(v) <= (double)JSON_INT_EXACT_MAX) || v != trunc(v))
			return -EINVAL;
		*ret = (int64_t)v;
		return 0;
	}
	if (cJSON_IsString(item)) {
		const char *s = item->valuestring;
		bool minus = *s == '-';
		uint64_t v;

		s += minus;
		if (text_to_uint(s, strlen(s), (uint64_t)INT64_MAX + minus, &v) < 0)
			return -EINVAL;
		*ret = minus ? (int64_t)(0 - v) : (int64_t)v;
		return 0;
	}
	return -EINVAL;
}

int
json_get_int(const cJSON *object, const char *key, int64_t *ret)
{
	const cJSON *item = json_get(object, key);

	return item == NULL ? -ENOENT : json_to_int(item, ret);
}

int
json_get_bool(const cJSON *object, const char *key, bool *ret)
{
	const cJSON *item = json_get(object, key);

	if (item == NULL)
		return -ENOENT;
	if (!cJSON_IsBool(item))
		return -EINVAL;
	*ret = cJSON_IsTrue(item);
	return 0;
}

const char *
json_get_string(const cJSON *object, const char *key)
{
	return cJSON_GetStringValue(json_get(object, key));
}

/* ---- writing ---- */

/* cJSON does not print items of this type, and so none they belong to. */
static void
spoil(cJSON *container)
{
	if (container != NULL)
		container->type = cJSON_Invalid;
}

/* The item, now the object's; NULL: it could not be added and is gone. */
static cJSON *
add(cJSON *object, const char *key, cJSON *item)
{
	if (cJSON_AddItemToObject(object, key, item))
		return item;
	spoil(object);
	cJSON_Delete(item);
	return NULL;
}

void
json_add_item(cJSON *object, const char *key, cJSON *item)
{
	(void)add(object, key, item);
}

void
json_append_item(cJSON *array, cJSON *item)
{
	if (cJSON_AddItemToArray(array, item))
		return;
	spoil(array);
	cJSON_Delete(item);
}

void
json_add_int(cJSON *object, const char *key, int64_t value)
{
	char digits[24];

	(void)snprintf(digits, sizeof(digits), "%" PRIi64, value);
	json_add_item(object, key, cJSON_CreateRaw(digits));
}

void
json_add_bool(cJSON *object, const char *key, bool value)
{
	json_add_item(object, key, cJSON_CreateBool(value));
}

static cJSON *
create_string(const char *value)
{
	_cleanup_(freep) char *printable = NULL;
	size_t len = strlen(value);

	if (text_is_utf8(value, len))
		return cJSON_CreateString(value);
	printable = malloc(len + 1);
	if (printable == NULL)
		return NULL;
	text_copy_printable(printable, len + 1, value, len);
	return cJSON_CreateString(printable);
}

void
json_add_string(cJSON *object, const char *key, const char *value)
{
	if (value != NULL)
		json_add_item(object, key, create_string(value));
}

void
json_append_string(cJSON *array, const char *value)
{
	if (value != NULL)
		json_append_item(array, create_string(value));
}

cJSON *
json_add_object(cJSON *object, const char *key)
{
	return add(object, key, cJSON_CreateObject());
}

cJSON *
json_add_array(cJSON *object, const char *key)
{
	return add(object, key, cJSON_CreateArray());
}

ssize_t
json_print(const cJSON *tree, char *buf, size_t size)
{
	if (tree == NULL || !cJSON_PrintPreallocated((cJSON *)tree, buf,
				(int)MIN(size, (size_t)INT32_MAX), false))
		return -ENOBUFS;
	return (ssize_t)strlen(buf);
}
