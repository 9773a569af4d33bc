/*
 * json.h - the one strict reader of JSON (RFC 8259), and exact ways out of and into it.
 *
 * cJSON reads more than JSON is and writes less than an int64 needs, so nobody calls
 * its parser, its case-folding getter or its number writer but this file.  Text is
 * checked completely before cJSON sees it; a tree that json_parse() gives holds no
 * surprise.
 */
#pragma once

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "proto/util.h"

/* Objects and arrays within each other, the outermost included. */
#define JSON_DEPTH_MAX 32
/* cJSON cuts longer numbers silently. */
#define JSON_NUMBER_MAX 63
/* Integers beyond this are not exact in a double (RFC 7493, section 2.2). */
#define JSON_INT_EXACT_MAX INT64_C(9007199254740991)

/*
 * The whole of text[0..len) is one JSON value, white space around it allowed.  Refused
 * as -EBADMSG: everything RFC 8259 does not allow, a byte order mark, a NUL also as
 * \u0000, half surrogate pairs, deeper nesting and longer numbers than above, numbers
 * beyond the range of a double, the same key twice in an object (after unescaping).
 * Takes O(n log n) time and no recursion beyond JSON_DEPTH_MAX.
 * 0, -EBADMSG or -ENOMEM; the caller frees *ret with cJSON_Delete().
 */
int json_parse(const char *text, size_t len, cJSON **ret);

/* For _cleanup_(json_freep). */
void json_freep(cJSON **tree);

/* ---- reading; a NULL object or item is one without members ---- */

/* The member of exactly this name, NULL if it is missing or null. */
cJSON *json_get(const cJSON *object, const char *key);

/* An integral number of at most JSON_INT_EXACT_MAX either way, or a string of decimal
 * digits, perhaps with a minus, that fits an int64.  0 or -EINVAL. */
int json_to_int(const cJSON *item, int64_t *ret);

/* -ENOENT: missing or null; -EINVAL: of another type. */
int json_get_int(const cJSON *object, const char *key, int64_t *ret);
int json_get_bool(const cJSON *object, const char *key, bool *ret);
/* NULL: missing, null or no string; borrowed from the tree. */
const char *json_get_string(const cJSON *object, const char *key);

/*
 * ---- writing ----
 *
 * Nothing here can fail at once: when memory is short the object is spoiled, and
 * json_print() of the tree it belongs to fails.  A NULL object is left alone.
 */

void json_add_int(cJSON *object, const char *key, int64_t value);
void json_add_bool(cJSON *object, const char *key, bool value);
/* Text that is not valid UTF-8 is made printable; NULL adds nothing. */
void json_add_string(cJSON *object, const char *key, const char *value);
/* Takes the item; a NULL item (no memory for it) spoils the object. */
void json_add_item(cJSON *object, const char *key, cJSON *item);
void json_append_item(cJSON *array, cJSON *item);
void json_append_string(cJSON *array, const char *value);
/* The new member, borrowed; NULL when memory is short. */
cJSON *json_add_object(cJSON *object, const char *key);
cJSON *json_add_array(cJSON *object, const char *key);

/* Without white space, NUL-terminated.  Its length, or -ENOBUFS: it does not fit with 8
 * bytes to spare, or the tree is spoiled. */
ssize_t json_print(const cJSON *tree, char *buf, size_t size);
