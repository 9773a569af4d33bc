/*
 * state_line.h - lines of the state file: records <-> text with checksums.  Pure.
 *
 *     {"crc":"2f1c09a4","natd":1,"records":2}
 *     {"crc":"91e2d0c7","kind":"lease","data":{...}}
 *     {"crc":"0b5fa2c1","kind":"lease","data":{...}}      added later: not counted
 *
 * The checksum is CRC-32 (IEEE 802.3) of what follows its comma up to the end of the
 * line, as the bytes stand.  That of a record starts from the version, so that records
 * of another version never pass for ours when the first line is lost; that of an added
 * one from another number, so that it never makes up for one that was lost.
 */
#pragma once

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STATE_VERSION 1
#define STATE_KIND_MAX 32 /* with NUL */

/* The text of a file while it is put together; error is sticky: -ENOMEM, -EFBIG. */
struct state_text {
	char *buf; /* owned: free() */
	size_t len, room;
	int error;
};

void state_put_header(struct state_text *t, size_t records);
/* In t->error -EINVAL: not a kind, or an array; -ENOMEM: an object that was spoiled
 * when memory was short (proto/json.h), or does not fit a line. */
void state_put_record(struct state_text *t, const char *kind, const cJSON *object);
/* The same for a record behind those that the header counts. */
void state_put_added(struct state_text *t, const char *kind, const cJSON *object);
/* A line as it was read, without its newline. */
void state_put_raw(struct state_text *t, const char *line, size_t len);

struct state_header {
	int64_t version, records;
};

struct state_line {
	cJSON *tree;      /* owned: cJSON_Delete() */
	const char *kind; /* in the tree */
	cJSON *object;    /* in the tree */
	bool added;
};

/* One line without its newline.  0, -EBADMSG or -ENOMEM. */
int state_read_header(const char *line, size_t len, struct state_header *ret);
int state_read_record(const char *line, size_t len, struct state_line *ret);
