/*
 * test_state.c - the state file against everything that happens to files.
 *
 * On a tmpfs where there is one (/dev/shm), for the file is written very often.
 */
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

static const char *
path_of(const char *name)
{
	static char paths[2][128];
	static int turn;

	turn = !turn;
	snprintf(paths[turn], sizeof(paths[turn]), "%s/%s", dir, name);
	return paths[turn];
}

static int
make_dir(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "%s/natd-state-XXXXXX",
	    access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	return mkdtemp(dir) ? 0 : -1;
}

static int
remove_dir(void **state)
{
	static const char *const names[] = { STATE_FILE, STATE_FILE_BAD, STATE_FILE_NEW,
		"victim", ("sub/" STATE_FILE), "sub" };

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		(void)remove(path_of(names[i]));
	return rmdir(dir) < 0 && errno != ENOENT ? -1 : 0;
}

static void
put_file(const char *name, const char *bytes, size_t len)
{
	int fd = open(path_of(name), O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_return_code(fd, errno);
	assert_int_equal(write(fd, bytes, len), len);
	close(fd);
}

static size_t
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

static void
text_of(int64_t number, char ret[static 64])
{
	snprintf(ret, 64, "nonce-%016llx \"\xc3\xa4\"", (long long)(number * 7919));
}

static cJSON *
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
static bool
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

static int
save_numbers(struct state *s, const char *kind, int64_t first, size_t count)
{
	struct state_record records[RECORDS_MAX] = { 0 };
	int r;

	for (size_t i = 0; i < count; i++)
		records[i] = (struct state_record) {
			.kind = kind,
			.object = make_object(first + (int64_t)i),
		};
	r = state_save(s, records, count);
	for (size_t i = 0; i < count; i++)
		cJSON_Delete((cJSON *)records[i].object);
	return r;
}

static void
expect_numbers(struct state *s, int expected, int64_t first, size_t count)
{
	struct seen seen = { 0 };

	assert_int_equal(state_load(s, take, &seen), expected);
	assert_int_equal(seen.count, count);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(seen.numbers[i], first + (int64_t)i);
}

static struct state *
opened(void)
{
	struct state *s;

	assert_int_equal(state_open(dir, &s), 0);
	return s;
}

/* ---- the usual ---- */

static void
test_round_trip(void **state)
{
	struct state *s = opened();
	struct stat st;

	(void)state;
	expect_numbers(s, 0, 0, 0);
	assert_string_equal(state_error(s), "");
	assert_int_equal(save_numbers(s, "lease", 5, 3), 0);
	assert_int_equal(stat(path_of(STATE_FILE), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	s = state_free(s);
	s = opened();
	expect_numbers(s, 0, 5, 3);
	assert_int_equal(save_numbers(s, "lease", 0, 0), 0);
	expect_numbers(s, 0, 0, 0);
	assert_int_equal(access(path_of(STATE_FILE_BAD), F_OK), -1);
	assert_int_equal(access(path_of(STATE_FILE_NEW), F_OK), -1);
	s = state_free(s);
}

/* The format is a promise to the next version: CRC-32 as everybody computes it. */
static void
test_format(void **state)
{
	static const char expected[] =
	    "{\"crc\":\"cafcd32c\",\"natd\":1,\"records\":1}\n"
	    "{\"crc\":\"e875cab9\",\"kind\":\"lease\",\"data\":{\"a\":[1,true]}}\n";
	struct state *s = opened();
	struct state_record record = { .kind = "lease" };
	cJSON *object;
	char text[512];
	size_t len;

	(void)state;
	assert_int_equal(json_parse("{\"a\":[1,true]}", 14, &object), 0);
	record.object = object;
	assert_int_equal(state_save(s, &record, 1), 0);
	cJSON_Delete(object);
	len = get_file(STATE_FILE, text, sizeof(text) - 1);
	text[len] = '\0';
	assert_string_equal(text, expected);
	s = state_free(s);
}

static void
test_unknown_kinds_are_kept(void **state)
{
	struct state *s = opened();

	(void)state;
	assert_int_equal(save_numbers(s, "relay", 1, 2), 0);
	expect_numbers(s, 0, 0, 0);
	assert_int_equal(save_numbers(s, "lease", 7, 2), 0);
	assert_int_equal(save_numbers(s, "lease", 7, 3), 0);
	expect_numbers(s, 0, 7, 3);
	expect_numbers(s, 0, 7, 3);
	s = state_free(s);
	/* Still there: a natd that knows no leases, only relays, sees both. */
	s = opened();
	expect_numbers(s, 0, 7, 3);
	assert_int_equal(save_numbers(s, "lease", 0, 0), 0);
	s = state_free(s);
	{
		char text[1024];
		size_t len = get_file(STATE_FILE, text, sizeof(text) - 1);

		text[len] = '\0';
		assert_non_null(strstr(text, "\"records\":2"));
		assert_non_null(strstr(text, "\"relay\""));
		assert_null(strstr(text, "\"lease\""));
	}
}

static void
test_refused_records(void **state)
{
	static const char *const kinds[] = { "", "Lease", "a\"b", "a b",
		"a2345678901234567890123456789012" };
	struct state *s = opened();
	struct state_record record = { 0 };
	cJSON *object = make_object(1), *array = cJSON_CreateArray();
	char *large = test_malloc(STATE_LINE_MAX);

	(void)state;
	assert_int_equal(save_numbers(s, "lease", 1, 2), 0);
	record.object = object;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		record.kind = kinds[i];
		assert_int_equal(state_save(s, &record, 1), -EINVAL);
	}
	record = (struct state_record) { .kind = "lease", .object = array };
	assert_int_equal(state_save(s, &record, 1), -EINVAL);
	memset(large, 'x', STATE_LINE_MAX - 1);
	large[STATE_LINE_MAX - 1] = '\0';
	json_add_string(object, "large", large);
	record.object = object;
	assert_int_equal(state_save(s, &record, 1), -EINVAL);
	assert_string_not_equal(state_error(s), "");
	expect_numbers(s, 0, 1, 2);
	test_free(large);
	cJSON_Delete(object);
	cJSON_Delete(array);
	s = state_free(s);
}

/* ---- damage ---- */

/* A file of about 4 KiB, and where its lines end. */
struct sample {
	char text[FILE_BYTES_MAX];
	size_t len, count;
};

static void
make_sample(struct sample *f)
{
	struct state *s = opened();

	f->count = 42;
	assert_int_equal(save_numbers(s, "lease", 100, f->count), 0);
	f->len = get_file(STATE_FILE, f->text, sizeof(f->text));
	assert_in_range(f->len, 4000, 4500);
	s = state_free(s);
}

static size_t
lines_within(const struct sample *f, size_t len)
{
	size_t count = 0;

	for (size_t i = 0; i < f->len; i++)
		if (f->text[i] == '\n' && i <= len)
			count++;
	return count;
}

static void
test_truncated_everywhere(void **state)
{
	struct sample f;
	struct state *s;

	(void)state;
	make_sample(&f);
	s = opened();
	for (size_t len = 0; len < f.len; len++) {
		size_t lines = lines_within(&f, len);
		bool whole =
		    lines == f.count + 1; /* only the last newline is missing */

		put_file(STATE_FILE, f.text, len);
		expect_numbers(s, whole ? 0 : 1, 100, lines > 0 ? lines - 1 : 0);
		assert_int_equal(strcmp(state_error(s), "") == 0, whole);
	}
	s = state_free(s);
}

/* What is given is what was saved, in its order, less at most the lines that were hit.
 */
static void
expect_most(struct state *s, const struct sample *f, size_t lost_max)
{
	struct seen seen = { 0 };

	assert_int_equal(state_load(s, take, &seen), 1);
	assert_in_range(seen.count, f->count - lost_max, f->count);
	for (size_t i = 1; i < seen.count; i++)
		assert_true(seen.numbers[i] > seen.numbers[i - 1]);
	assert_in_range(seen.numbers[0], 100, 100 + lost_max);
	assert_in_range(seen.numbers[seen.count - 1], 100, 100 + f->count - 1);
}

static void
test_flipped_everywhere(void **state)
{
	struct sample f;
	struct state *s;

	(void)state;
	make_sample(&f);
	s = opened();
	for (size_t bit = 0; bit < f.len * 8 - 8; bit++) {
		char *byte = &f.text[bit / 8], before = *byte;

		*byte = (char)(before ^ (1 << bit % 8));
		put_file(STATE_FILE, f.text, f.len);
		/* A newline that goes joins two lines. */
		expect_most(s, &f, before == '\n' ? 2 : 1);
		*byte = before;
	}
	s = state_free(s);
}

static void
test_damage_is_put_aside(void **state)
{
	struct sample f;
	struct state *s;
	char bad[FILE_BYTES_MAX];

	(void)state;
	make_sample(&f);
	s = opened();
	put_file(STATE_FILE, f.text, f.len / 2);
	assert_int_equal(state_load(s, take, &(struct seen) { 0 }), 1);
	assert_non_null(strstr(state_error(s), "kept as leases.json.bad"));
	/* Under both names until something is saved. */
	assert_int_equal(get_file(STATE_FILE_BAD, bad, sizeof(bad)), f.len / 2);
	assert_memory_equal(bad, f.text, f.len / 2);
	assert_int_equal(get_file(STATE_FILE, bad, sizeof(bad)), f.len / 2);
	assert_int_equal(save_numbers(s, "lease", 1, 1), 0);
	assert_int_equal(get_file(STATE_FILE_BAD, bad, sizeof(bad)), f.len / 2);
	expect_numbers(s, 0, 1, 1);
	s = state_free(s);
}

static void
test_strange_files(void **state)
{
	static const char *const texts[] = { "", "\n", "\n\n\n", "null", "{}", "[]",
		"{\"natd\":1,\"records\":0}", "{\"crc\":\"9581d8c9\",\"natd\":1}",
		"\xff\xfe" };
	struct state *s = opened();

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		put_file(STATE_FILE, texts[i], strlen(texts[i]));
		expect_numbers(s, 1, 0, 0);
	}
	put_file(STATE_FILE, "\0\0\0\0", 4);
	expect_numbers(s, 1, 0, 0);
	s = state_free(s);
}

/* A valid line of another version, as that version would write it. */
static void
test_newer_version(void **state)
{
	static const char newer[] =
	    "{\"crc\":\"76686607\",\"natd\":2,\"how\":\"otherwise\"}\n";
	struct sample f;
	struct state *s;
	char text[FILE_BYTES_MAX];
	size_t head, len;

	(void)state;
	make_sample(&f);
	s = opened();
	head = (size_t)((char *)memchr(f.text, '\n', f.len) - f.text) + 1;
	len = (size_t)snprintf(text, sizeof(text), "%s", newer);
	memcpy(text + len, f.text + head, f.len - head);
	len += f.len - head;
	put_file(STATE_FILE, text, len);
	expect_numbers(s, -EPROTONOSUPPORT, 0, 0);
	assert_non_null(strstr(state_error(s), "version 2"));
	assert_int_equal(get_file(STATE_FILE_BAD, text, sizeof(text)), len);
	s = state_free(s);
}

static void
test_too_large(void **state)
{
	struct sample f;
	struct state *s;
	struct timespec begin, end;

	(void)state;
	make_sample(&f);
	s = opened();
	put_file(STATE_FILE, f.text, f.len);
	assert_int_equal(truncate(path_of(STATE_FILE), 10 << 20), 0);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	expect_numbers(s, 1, 100, f.count);
	clock_gettime(CLOCK_MONOTONIC, &end);
	assert_in_range(end.tv_sec - begin.tv_sec, 0, 1);
	assert_non_null(strstr(state_error(s), "too large"));
	s = state_free(s);
}

static void
test_too_much_to_save(void **state)
{
	struct state *s = opened();
	struct state_record *records = test_calloc(100, sizeof(*records));
	char *text = test_malloc(60000);
	cJSON *object = cJSON_CreateObject();

	(void)state;
	assert_int_equal(save_numbers(s, "lease", 1, 2), 0);
	memset(text, 'x', 59999);
	text[59999] = '\0';
	json_add_string(object, "text", text);
	for (size_t i = 0; i < 100; i++)
		records[i] =
		    (struct state_record) { .kind = "lease", .object = object };
	assert_int_equal(state_save(s, records, 69), 0);
	assert_int_equal(save_numbers(s, "lease", 1, 2), 0);
	assert_int_equal(state_save(s, records, 70), -EFBIG);
	expect_numbers(s, 0, 1, 2);
	cJSON_Delete(object);
	test_free(text);
	test_free(records);
	s = state_free(s);
}

/* ---- the directory and its inhabitants ---- */

static void
test_second_opener(void **state)
{
	struct state *s = opened(), *other;
	int status;
	pid_t pid;

	(void)state;
	assert_int_equal(state_open(dir, &other), -EBUSY);
	pid = fork();
	if (pid == 0)
		_exit(state_open(dir, &other) == -EBUSY ? 0 : 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	s = state_free(s);
	s = opened();
	s = state_free(s);
}

static void
test_missing_directory(void **state)
{
	struct state *s;
	char sub[128];

	(void)state;
	/* Only itself missing: made. */
	snprintf(sub, sizeof(sub), "%s/sub", dir);
	assert_int_equal(state_open(sub, &s), 0);
	assert_int_equal(save_numbers(s, "lease", 1, 1), 0);
	/* Removed under us, and made again. */
	assert_int_equal(remove(path_of("sub/" STATE_FILE)), 0);
	assert_int_equal(rmdir(sub), 0);
	assert_int_equal(save_numbers(s, "lease", 1, 1), 0);
	expect_numbers(s, 0, 1, 1);
	s = state_free(s);

	/* More is missing: told at each use, and well as soon as it is there. */
	assert_int_equal(remove(path_of("sub/" STATE_FILE)), 0);
	assert_int_equal(rmdir(sub), 0);
	snprintf(sub, sizeof(sub), "%s/sub/%s", dir, STATE_FILE);
	assert_int_equal(state_open(sub, &s), 0);
	expect_numbers(s, -ENOENT, 0, 0);
	assert_int_equal(save_numbers(s, "lease", 1, 1), -ENOENT);
	assert_non_null(strstr(state_error(s), "cannot open"));
	assert_int_equal(mkdir(path_of("sub"), 0700), 0);
	assert_int_equal(save_numbers(s, "lease", 1, 1), 0);
	assert_string_equal(state_error(s), "");
	s = state_free(s);
	snprintf(sub, sizeof(sub), "rm -r %s/sub", dir);
	assert_int_equal(system(sub), 0);

	assert_int_equal(state_open(NULL, &s), 0);
	assert_int_equal(save_numbers(s, "lease", 1, 1), -ENOENT);
	s = state_free(s);
	/* A file where the directory should be. */
	put_file("victim", "", 0);
	assert_int_equal(state_open(path_of("victim"), &s), 0);
	assert_int_equal(save_numbers(s, "lease", 1, 1), -ENOTDIR);
	s = state_free(s);
}

static void
test_symbolic_links(void **state)
{
	struct sample f;
	struct state *s;
	struct stat st;
	char text[64];

	(void)state;
	make_sample(&f);
	s = opened();
	/* In place of the file: not followed, moved away. */
	put_file("victim", f.text, f.len);
	assert_int_equal(unlink(path_of(STATE_FILE)), 0);
	assert_int_equal(symlink("victim", path_of(STATE_FILE)), 0);
	expect_numbers(s, -EBADMSG, 0, 0);
	assert_int_equal(lstat(path_of(STATE_FILE_BAD), &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(unlink(path_of(STATE_FILE_BAD)), 0);
	/* In place of the temporary file, and of the one to be replaced: not written
	 * to. */
	put_file("victim", "precious", 8);
	assert_int_equal(symlink("victim", path_of(STATE_FILE_NEW)), 0);
	assert_int_equal(symlink("victim", path_of(STATE_FILE)), 0);
	assert_int_equal(save_numbers(s, "lease", 1, 2), 0);
	assert_int_equal(get_file("victim", text, sizeof(text)), 8);
	assert_memory_equal(text, "precious", 8);
	assert_int_equal(lstat(path_of(STATE_FILE), &st), 0);
	assert_true(S_ISREG(st.st_mode));
	expect_numbers(s, 0, 1, 2);
	s = state_free(s);
}

static void
test_no_file_at_all(void **state)
{
	struct state *s = opened();

	(void)state;
	assert_int_equal(mkfifo(path_of(STATE_FILE), 0600), 0);
	expect_numbers(s, -EBADMSG, 0, 0); /* and does not wait for a writer */
	assert_int_equal(unlink(path_of(STATE_FILE_BAD)), 0);
	assert_int_equal(mkdir(path_of(STATE_FILE), 0700), 0);
	expect_numbers(s, -EBADMSG, 0, 0);
	assert_int_equal(save_numbers(s, "lease", 1, 2), 0);
	s = state_free(s);
	assert_int_equal(rmdir(path_of(STATE_FILE_BAD)), 0);
}

static void
test_foreign_owner(void **state)
{
	struct sample f;
	struct state *s;

	(void)state;
	if (geteuid() != 0) {
		print_message("skipped: not root\n");
		skip();
	}
	make_sample(&f);
	s = opened();
	assert_int_equal(chown(path_of(STATE_FILE), 65534, 65534), 0);
	expect_numbers(s, -EBADMSG, 0, 0);
	s = state_free(s);
}

/* ---- disks ---- */

/* In a child, which has mounts of its own: what happens to a small disk.  0, or the
 * number of the line that was not as expected. */
#define EXPECT(condition)                \
	do {                             \
		if (!(condition))        \
			return __LINE__; \
	} while (0)

static int
count_leases(struct state *s, size_t *ret)
{
	struct seen seen = { 0 };
	int r = state_load(s, take, &seen);

	*ret = seen.count;
	return r;
}

static int
small_disk(void)
{
	struct state_record large = { .kind = "lease" };
	struct state *s;
	char text[40000];
	size_t count;

	EXPECT(mount("natd-test", dir, "tmpfs", 0, "size=16k") == 0);
	EXPECT(state_open(dir, &s) == 0);
	EXPECT(save_numbers(s, "lease", 1, 5) == 0);
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	large.object = make_object(1);
	json_add_string((cJSON *)large.object, "more", text);
	EXPECT(state_save(s, &large, 1) == -ENOSPC);
	EXPECT(strstr(state_error(s), "No space left"));
	EXPECT(access(path_of(STATE_FILE_NEW), F_OK) < 0);
	EXPECT(count_leases(s, &count) == 0 && count == 5);
	EXPECT(save_numbers(s, "lease", 1, 7) == 0);
	cJSON_Delete((cJSON *)large.object);

	/* Read-only: reading and locking work, damage is told. */
	EXPECT(mount(NULL, dir, NULL, MS_REMOUNT | MS_RDONLY, "size=16k") == 0);
	EXPECT(save_numbers(s, "lease", 1, 1) == -EROFS);
	s = state_free(s);
	EXPECT(state_open(dir, &s) == 0);
	EXPECT(count_leases(s, &count) == 0 && count == 7);
	EXPECT(mount(NULL, dir, NULL, MS_REMOUNT, "size=16k") == 0);
	EXPECT(truncate(path_of(STATE_FILE), 300) == 0);
	EXPECT(mount(NULL, dir, NULL, MS_REMOUNT | MS_RDONLY, "size=16k") == 0);
	EXPECT(count_leases(s, &count) == 1 && count > 0 && count < 7);
	EXPECT(strstr(state_error(s), "cannot be put aside"));
	s = state_free(s);
	EXPECT(umount2(dir, MNT_DETACH) == 0);
	return 0;
}

static void
test_disks(void **state)
{
	int status, pipes[2], line = -1;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(pipes), 0);
	pid = fork();
	if (pid == 0) {
		if (unshare(CLONE_NEWNS) < 0 ||
		    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
			_exit(77);
		line = small_disk();
		_exit(write(pipes[1], &line, sizeof(line)) == sizeof(line) ? 0 : 1);
	}
	close(pipes[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
		close(pipes[0]);
		print_message("skipped: no mounts of our own\n");
		skip();
	}
	assert_int_equal(read(pipes[0], &line, sizeof(line)), sizeof(line));
	close(pipes[0]);
	if (line != 0)
		fail_msg("line %d", line);
}

/* ---- SIGKILL ---- */

/* Generation g is g % 20 + 1 records from g * 100 on. */
static void
write_for_ever(int started)
{
	struct state *s;

	if (state_open(dir, &s) < 0)
		_exit(1);
	for (int64_t g = 1;; g++) {
		if (save_numbers(s, "lease", g * 100, (size_t)(g % 20) + 1) < 0)
			_exit(2);
		if (g == 1 && write(started, "", 1) != 1)
			_exit(3);
	}
}

static void
test_killed_writer(void **state)
{
	unsigned seed = 20261120;
	size_t caught_writing = 0;

	(void)state;
	for (int i = 0; i < 200; i++) {
		struct seen seen = { 0 };
		struct timespec wait = { 0 };
		struct state *s;
		int started[2], status;
		char byte;
		pid_t pid;

		assert_int_equal(pipe(started), 0);
		pid = fork();
		if (pid == 0)
			write_for_ever(started[1]);
		close(started[1]);
		assert_int_equal(read(started[0], &byte, 1), 1);
		close(started[0]);
		wait.tv_nsec = rand_r(&seed) % 1000000;
		nanosleep(&wait, NULL);
		assert_int_equal(kill(pid, SIGKILL), 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status));

		caught_writing += access(path_of(STATE_FILE_NEW), F_OK) == 0;
		s = opened();
		assert_int_equal(state_load(s, take, &seen), 0);
		assert_true(seen.count > 0);
		assert_int_equal(seen.count, seen.numbers[0] / 100 % 20 + 1);
		for (size_t k = 0; k < seen.count; k++)
			assert_int_equal(seen.numbers[k], seen.numbers[0] + (int64_t)k);
		s = state_free(s);
	}
	/* Else the kills missed what they were to hit. */
	assert_true(caught_writing > 0);
}

int
main(void)
{
#define WITH(test) cmocka_unit_test_setup_teardown(test, make_dir, remove_dir)
	const struct CMUnitTest tests[] = {
		WITH(test_round_trip),
		WITH(test_format),
		WITH(test_unknown_kinds_are_kept),
		WITH(test_refused_records),
		WITH(test_truncated_everywhere),
		WITH(test_flipped_everywhere),
		WITH(test_damage_is_put_aside),
		WITH(test_strange_files),
		WITH(test_newer_version),
		WITH(test_too_large),
		WITH(test_too_much_to_save),
		WITH(test_second_opener),
		WITH(test_missing_directory),
		WITH(test_symbolic_links),
		WITH(test_no_file_at_all),
		WITH(test_foreign_owner),
		WITH(test_disks),
		WITH(test_killed_writer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
