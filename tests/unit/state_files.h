/*
 * state_files.h - a directory per test and records to save in it, for the tests of the
 * state file.
 *
 * On a tmpfs where there is one (/dev/shm), for the file is written very often.
 */
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/state.h"
#include "daemon/state_line.h"
#include "proto/json.h"

#define RECORDS_MAX 64
#define STATE_FILE_NEW "leases.json.new"
#define FILE_BYTES_MAX 8192

/* ---- a directory per test ---- */

static char dir[64];

static inline const char *
path_of(const char *name)
{
	static char paths[2][128];
	static int turn;

	turn = !turn;
	snprintf(paths[turn], sizeof(paths[turn]), "%s/%s", dir, name);
	return paths[turn];
}

static inline int
make_dir(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "%s/natd-state-XXXXXX",
	    access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	return mkdtemp(dir) ? 0 : -1;
}

static inline int
remove_dir(void **state)
{
	static const char *const names[] = { STATE_FILE, STATE_FILE_BAD, STATE_FILE_NEW,
		"victim", ("sub/" STATE_FILE), "sub" };

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		(void)remove(path_of(names[i]));
	return rmdir(dir) < 0 && errno != ENOENT ? -1 : 0;
}

static inline void
put_file(const char *name, const char *bytes, size_t len)
{
	int fd = open(path_of(name), O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_return_code(fd, errno);
	assert_int_equal(write(fd, bytes, len), len);
	close(fd);
}

static inline size_t
get_file(const char *name, char *ret, size_t size)
{
	int fd = open(path_of(name), O_RDONLY);
	ssize_t n;

	assert_return_code(fd, errno);
	n = read(fd, ret, size);
	assert_return_code(n, errno);
	close(fd);
	return (size_t)n;
}

/* ---- records: "lease" with a number and a text that depends on it ---- */

struct seen {
	size_t count;
	int64_t numbers[RECORDS_MAX];
};

static inline void
text_of(int64_t number, char ret[static 64])
{
	snprintf(ret, 64, "nonce-%016llx \"\xc3\xa4\"", (long long)(number * 7919));
}

static inline cJSON *
make_object(int64_t number)
{
	cJSON *object = cJSON_CreateObject();
	char text[64];

	text_of(number, text);
	json_add_int(object, "number", number);
	json_add_string(object, "nonce", text);
	return object;
}

/* Takes leases, and only such as make_object() makes. */
static inline bool
take(void *ctx, const char *kind, cJSON *object)
{
	struct seen *seen = ctx;
	char text[64];
	int64_t number;

	if (strcmp(kind, "lease") != 0)
		return false;
	assert_int_equal(json_get_int(object, "number", &number), 0);
	text_of(number, text);
	assert_string_equal(json_get_string(object, "nonce"), text);
	assert_in_range(seen->count, 0, RECORDS_MAX - 1);
	seen->numbers[seen->count++] = number;
	return true;
}

struct state_record {
	const char *kind;
	const cJSON *object; /* borrowed */
};

struct record_list {
	const struct state_record *records;
	size_t count;
};

static inline void
fill(void *ctx, struct state_records *to)
{
	const struct record_list *list = ctx;

	for (size_t i = 0; i < list->count; i++)
		state_put(to, list->records[i].kind,
		    cJSON_Duplicate(list->records[i].object, true));
}

static inline int
save_records(struct state *s, const struct state_record *records, size_t count)
{
	return state_save(s, fill, &(struct record_list) { records, count });
}

static inline int
add_record(struct state *s, const struct state_record *record)
{
	return state_add(s, fill, &(struct record_list) { record, 1 });
}

static inline int
save_numbers(struct state *s, const char *kind, int64_t first, size_t count)
{
	struct state_record records[RECORDS_MAX] = { 0 };
	int r;

	for (size_t i = 0; i < count; i++)
		records[i] = (struct state_record) {
			.kind = kind,
			.object = make_object(first + (int64_t)i),
		};
	r = save_records(s, records, count);
	for (size_t i = 0; i < count; i++)
		cJSON_Delete((cJSON *)records[i].object);
	return r;
}

static inline void
expect_numbers(struct state *s, int expected, int64_t first, size_t count)
{
	struct seen seen = { 0 };

	assert_int_equal(state_load(s, take, &seen), expected);
	assert_int_equal(seen.count, count);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(seen.numbers[i], first + (int64_t)i);
}

static inline struct state *
opened(void)
{
	struct state *s;

	assert_int_equal(state_open(dir, &s), 0);
	return s;
}

/* A file of about 4 KiB, and where its lines end. */
struct sample {
	char text[FILE_BYTES_MAX];
	size_t len, count;
};

static inline void
make_sample(struct sample *f)
{
	struct state *s = opened();

	f->count = 42;
	assert_int_equal(save_numbers(s, "lease", 100, f->count), 0);
	f->len = get_file(STATE_FILE, f->text, sizeof(f->text));
	assert_in_range(f->len, 4000, 4500);
	s = state_free(s);
}

static inline size_t
lines_within(const struct sample *f, size_t len)
{
	size_t count = 0;

	for (size_t i = 0; i < f->len; i++)
		if (f->text[i] == '\n' && i <= len)
			count++;
	return count;
}
