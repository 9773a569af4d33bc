/*
 * fields.h - reads the members of a JSON object from the daemon, strictly.
 *
 * Errors are sticky, as in proto/wire.h: a member that is missing or has the wrong type
 * reads as nothing, its name is remembered, and the caller tests once, at the end.  An
 * optional member may be null or missing.  Every string comes out printable.
 */
#pragma once

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#include "proto/json.h"

struct fields {
	const cJSON *object;  /* borrowed; NULL: an optional object that is not there */
	const char **ret_bad; /* the first bad member's name, borrowed */
};

/* An object (anything else sets *ret_bad to what); *ret_bad is not reset. */
struct fields fields_of(const cJSON *object, const char *what, const char **ret_bad);

/* "" when bad. */
const char *field_string(struct fields *f, const char *name);
/* NULL when it is not there. */
const char *field_string_opt(struct fields *f, const char *name);
/* A string in which line ends and tabs stay. */
const char *field_text(struct fields *f, const char *name);

/* Exact integers as json_to_int() reads them; one outside [min, max] is bad. */
int64_t field_int(struct fields *f, const char *name, int64_t min, int64_t max);
/* absent when it is not there. */
int64_t field_int_opt(
    struct fields *f, const char *name, int64_t min, int64_t max, int64_t absent);

bool field_bool(struct fields *f, const char *name);
/* 0, 1, or -1 when it is not there. */
int field_bool_opt(struct fields *f, const char *name);

struct fields field_object(struct fields *f, const char *name);
struct fields field_object_opt(struct fields *f, const char *name);

/* An array, to be walked with cJSON_ArrayForEach; NULL when bad or not there. */
const cJSON *field_array(struct fields *f, const char *name);
const cJSON *field_array_opt(struct fields *f, const char *name);

#define FIELD_INT_MAX JSON_INT_EXACT_MAX
