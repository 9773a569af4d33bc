/*
 * test_state.c - the state file in its directory, on its disk, and under SIGKILL.
 */
#include "tests/unit/state_files.h"

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
	assert_int_equal(save_records(s, &record, 1), 0);
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

static int
add_number(struct state *s, const char *kind, int64_t number)
{
	cJSON *object = make_object(number);
	int r = add_record(s, &(struct state_record) { kind, object });

	cJSON_Delete(object);
	return r;
}

/* F48: what is added to the file is there for the next start, without a save. */
static void
test_added(void **state)
{
	struct state *s = opened();
	char text[FILE_BYTES_MAX];
	size_t len;

	(void)state;
	assert_int_equal(add_number(s, "lease", 1), -ESTALE); /* not loaded */
	expect_numbers(s, 0, 0, 0);
	assert_int_equal(add_number(s, "lease", 1), 0); /* no file yet */
	assert_int_equal(add_number(s, "lease", 2), 0);
	s = state_free(s);
	s = opened();
	expect_numbers(s, 0, 1, 2);
	assert_int_equal(add_number(s, "lease", 3), 0);
	expect_numbers(s, 0, 1, 3);
	assert_int_equal(save_numbers(s, "lease", 1, 3), 0);
	assert_int_equal(add_number(s, "lease", 4), 0);
	expect_numbers(s, 0, 1, 4);
	/* Of a kind that nobody here knows: kept by a save, as if it had been saved. */
	assert_int_equal(add_number(s, "relay", 9), 0);
	expect_numbers(s, 0, 1, 4);
	assert_int_equal(save_numbers(s, "lease", 1, 2), 0);
	expect_numbers(s, 0, 1, 2);
	len = get_file(STATE_FILE, text, sizeof(text) - 1);
	text[len] = '\0';
	assert_non_null(strstr(text, "\"records\":3"));
	assert_non_null(strstr(text, "\"relay\""));
	s = state_free(s);
}

static char *
line_after(char *text)
{
	return strchr(text, '\n') + 1;
}

static void
test_added_to_what_is_not_whole(void **state)
{
	struct state *s = opened();
	char text[FILE_BYTES_MAX], *lost, *behind;
	size_t len;

	(void)state;
	assert_int_equal(save_numbers(s, "lease", 1, 2), 0);
	assert_int_equal(add_number(s, "lease", 3), 0);
	len = get_file(STATE_FILE, text, sizeof(text));
	/* Cut within the added line: that one is lost, and nothing goes behind it. */
	put_file(STATE_FILE, text, len - 3);
	expect_numbers(s, 1, 1, 2);
	assert_int_equal(add_number(s, "lease", 4), -ESTALE);
	/* Only the newline is missing: a line behind it would spoil both. */
	put_file(STATE_FILE, text, len - 1);
	expect_numbers(s, 0, 1, 3);
	assert_int_equal(add_number(s, "lease", 4), -ESTALE);
	/* An added record does not make up for one that the header counts. */
	lost = line_after(line_after(text));
	behind = line_after(lost);
	len -= (size_t)(behind - lost);
	memmove(lost, behind, len - (size_t)(lost - text));
	put_file(STATE_FILE, text, len);
	assert_int_equal(state_load(s, take, &(struct seen) { 0 }), 1);
	assert_int_equal(save_numbers(s, "lease", 1, 1), 0);
	assert_int_equal(add_number(s, "lease", 2), 0);
	expect_numbers(s, 0, 1, 2);
	s = state_free(s);
}

static size_t living;

static void *
count_alloc(size_t size)
{
	living++;
	return malloc(size);
}

static void
count_free(void *p)
{
	living -= p != NULL;
	free(p);
}

static void
put_and_look(void *ctx, struct state_records *to)
{
	for (int64_t number = 1; number <= 100; number++) {
		state_put(to, ctx, make_object(number));
		assert_int_equal(living, 0);
	}
}

/* A thousand mappings are some hundred KiB of text, but megabytes of trees. */
static void
test_one_tree_at_a_time(void **state)
{
	cJSON_Hooks hooks = { count_alloc, count_free };
	struct state *s = opened();

	(void)state;
	cJSON_InitHooks(&hooks);
	assert_int_equal(state_save(s, put_and_look, "lease"), 0);
	assert_int_equal(state_add(s, put_and_look, "lease"), 0);
	cJSON_InitHooks(NULL);
	s = state_free(s);
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
		assert_int_equal(save_records(s, &record, 1), -EINVAL);
	}
	record = (struct state_record) { .kind = "lease", .object = array };
	assert_int_equal(save_records(s, &record, 1), -EINVAL);
	memset(large, 'x', STATE_LINE_MAX - 1);
	large[STATE_LINE_MAX - 1] = '\0';
	json_add_string(object, "large", large);
	record.object = object;
	assert_int_equal(save_records(s, &record, 1), -ENOMEM);
	record.object = NULL;
	assert_int_equal(save_records(s, &record, 1), -ENOMEM);
	assert_string_not_equal(state_error(s), "");
	expect_numbers(s, 0, 1, 2);
	test_free(large);
	cJSON_Delete(object);
	cJSON_Delete(array);
	s = state_free(s);
}

/* ---- the directory and its inhabitants ---- */

/* F51: two daemons, one state directory. */
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

/* Attack 29: what somebody put in the place of the state file. */
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
	EXPECT(save_records(s, &large, 1) == -ENOSPC);
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

/* F46: a disk that is full, read-only or gone. */
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

/* F48: SIGKILL while the state file is written. */
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
		WITH(test_added),
		WITH(test_added_to_what_is_not_whole),
		WITH(test_one_tree_at_a_time),
		WITH(test_refused_records),
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
