/*
 * state_line.c - lines of the state file: records <-> text with checksums.
 */
#include "daemon/state_line.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/state.h"
#include "proto/json.h"
#include "proto/util.h"

#define CRC_DIGITS 8
#define BEFORE_CRC "{\"crc\":\""
#define AFTER_CRC "\","
#define PREFIX_LEN (sizeof(BEFORE_CRC) - 1 + CRC_DIGITS + sizeof(AFTER_CRC) - 1)

/* Headers are checked the same whatever the version, for it is in them. */
#define HEADER_SEED 0
#define ADDED_SEED (0x10000 + STATE_VERSION)

/* Half a byte at a time: 16 words of table, and fast enough for 4 MiB at a start. */
static uint32_t
crc32(uint32_t crc, const char *bytes, size_t len)
{
	static const uint32_t table[16] = { 0x00000000, 0x1db71064, 0x3b6e20c8,
		0x26d930ac, 0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c, 0xedb88320,
		0xf00f9344, 0xd6d6a3e8, 0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4, 0xa00ae278,
		0xbdbdf21c };

	crc = ~crc;
	for (size_t i = 0; i < len; i++) {
		crc ^= (uint8_t)bytes[i];
		crc = table[crc & 15] ^ crc >> 4;
		crc = table[crc & 15] ^ crc >> 4;
	}
	return ~crc;
}

static void
write_prefix(char ret[static PREFIX_LEN + 1], uint32_t crc)
{
	snprintf(ret, PREFIX_LEN + 1, BEFORE_CRC "%08x" AFTER_CRC, crc);
}

/* ---- writing ---- */

/* Room for a line, its newline and a NUL; NULL and error if there is none. */
static char *
room_for(struct state_text *t, size_t len)
{
	size_t room = t->room ? t->room : 2 * STATE_LINE_MAX;
	char *buf;

	if (t->error)
		return NULL;
	while (room - t->len < len + 2)
		room *= 2;
	if (room != t->room) {
		buf = realloc(t->buf, room);
		if (!buf) {
			t->error = -ENOMEM;
			return NULL;
		}
		t->buf = buf;
		t->room = room;
	}
	return t->buf + t->len;
}

/* The line of this length, its prefix included, is written; the prefix now can be. */
static void
finish_line(struct state_text *t, uint32_t seed, size_t len)
{
	char *line = t->buf + t->len, prefix[PREFIX_LEN + 1];

	write_prefix(prefix, crc32(seed, line + PREFIX_LEN, len - PREFIX_LEN));
	memcpy(line, prefix, PREFIX_LEN);
	line[len] = '\n';
	t->len += len + 1;
	if (t->len > STATE_SIZE_MAX)
		t->error = -EFBIG;
}

void
state_put_header(struct state_text *t, size_t records)
{
	char *line = room_for(t, STATE_LINE_MAX);
	int len;

	if (!line)
		return;
	len = snprintf(line + PREFIX_LEN, STATE_LINE_MAX - PREFIX_LEN,
	    "\"natd\":%d,\"records\":%zu}", STATE_VERSION, records);
	finish_line(t, HEADER_SEED, PREFIX_LEN + (size_t)len);
}

static bool
is_kind(const char *kind)
{
	size_t len = strlen(kind);

	return len > 0 && len < STATE_KIND_MAX &&
	       strspn(kind, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

static void
put_record(struct state_text *t, uint32_t seed, const char *kind, const cJSON *object)
{
	char *line = room_for(t, STATE_LINE_MAX);
	size_t len = PREFIX_LEN;
	ssize_t n;

	if (!line)
		return;
	if (!is_kind(kind) || cJSON_IsArray(object)) {
		t->error = -EINVAL;
		return;
	}
	len += (size_t)snprintf(
	    line + len, STATE_LINE_MAX - len, "\"kind\":\"%s\",\"data\":", kind);
	n = json_print(object, line + len, STATE_LINE_MAX - len);
	if (n < 0) { /* far shorter than a line, unless memory for a part was refused */
		t->error = -ENOMEM;
		return;
	}
	len += (size_t)n;
	line[len++] = '}'; /* json_print() leaves 8 bytes */
	finish_line(t, seed, len);
}

void
state_put_record(struct state_text *t, const char *kind, const cJSON *object)
{
	put_record(t, STATE_VERSION, kind, object);
}

void
state_put_added(struct state_text *t, const char *kind, const cJSON *object)
{
	put_record(t, ADDED_SEED, kind, object);
}

void
state_put_raw(struct state_text *t, const char *line, size_t len)
{
	char *room = room_for(t, len);

	if (!room)
		return;
	memcpy(room, line, len);
	room[len] = '\n';
	t->len += len + 1;
	if (t->len > STATE_SIZE_MAX)
		t->error = -EFBIG;
}

/* ---- reading ---- */

static int
read_line(const char *line, size_t len, uint32_t seed, cJSON **ret)
{
	char prefix[PREFIX_LEN + 1];

	if (len <= PREFIX_LEN || len > STATE_LINE_MAX)
		return -EBADMSG;
	write_prefix(prefix, crc32(seed, line + PREFIX_LEN, len - PREFIX_LEN));
	if (memcmp(line, prefix, PREFIX_LEN) != 0)
		return -EBADMSG;
	return json_parse(line, len, ret);
}

int
state_read_header(const char *line, size_t len, struct state_header *ret)
{
	_cleanup_(json_freep) cJSON *tree = NULL;
	struct state_header header;
	int r = read_line(line, len, HEADER_SEED, &tree);

	if (r < 0)
		return r;
	if (json_get_int(tree, "natd", &header.version) < 0 || header.version < 1)
		return -EBADMSG;
	/* Another version may do without. */
	if (json_get_int(tree, "records", &header.records) < 0 || header.records < 0) {
		if (header.version == STATE_VERSION)
			return -EBADMSG;
		header.records = 0;
	}
	*ret = header;
	return 0;
}

int
state_read_record(const char *line, size_t len, struct state_line *ret)
{
	_cleanup_(json_freep) cJSON *tree = NULL;
	const char *kind;
	cJSON *object;
	bool added = false;
	int r = read_line(line, len, STATE_VERSION, &tree);

	if (r == -EBADMSG) {
		added = true;
		r = read_line(line, len, ADDED_SEED, &tree);
	}
	if (r < 0)
		return r;
	kind = json_get_string(tree, "kind");
	object = json_get(tree, "data");
	if (!kind || !is_kind(kind) || !cJSON_IsObject(object))
		return -EBADMSG;
	*ret = (struct state_line) {
		.tree = TAKE_PTR(tree),
		.kind = kind,
		.object = object,
		.added = added,
	};
	return 0;
}
