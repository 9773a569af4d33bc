/*
 * test_state_damage.c - the state file cut at every byte, with every bit flipped, of
 * another version, too large.
 */
#include "tests/unit/state_files.h"

/* ---- damage ---- */

/* F47: the state file cut at every byte. */
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

/* F47: each bit of the state file flipped. */
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

/* F47: the state file of a newer version.  A valid line of another version, as that
 * version would write it. */
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

/* F47: a state file of 10 MiB. */
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
	assert_int_equal(save_records(s, records, 69), 0);
	assert_int_equal(save_numbers(s, "lease", 1, 2), 0);
	assert_int_equal(save_records(s, records, 70), -EFBIG);
	expect_numbers(s, 0, 1, 2);
	cJSON_Delete(object);
	test_free(text);
	test_free(records);
	s = state_free(s);
}

int
main(void)
{
#define WITH(test) cmocka_unit_test_setup_teardown(test, make_dir, remove_dir)
	const struct CMUnitTest tests[] = {
		WITH(test_truncated_everywhere),
		WITH(test_flipped_everywhere),
		WITH(test_damage_is_put_aside),
		WITH(test_strange_files),
		WITH(test_newer_version),
		WITH(test_too_large),
		WITH(test_too_much_to_save),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
