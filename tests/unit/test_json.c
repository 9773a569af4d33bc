/*
 * test_json.c - what is JSON, what is not, and that integers survive both ways.
 *
 * The rows are named as the public suites name theirs: y_ must be taken, n_ must be
 * refused.  Where RFC 8259 leaves the choice to the reader, natd's is written down
 * here.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/json.h"

#define ROW(name, text)                       \
	{                                     \
		name, text, sizeof(text) - 1, \
	}

static const struct row {
	const char *name, *text;
	size_t len;
} rows[] = {
	ROW("y_empty_object", "{}"),
	ROW("y_empty_array", "[]"),
	ROW("y_space_around", " \t\r\n{ \"a\" : [ 1 , 2 ] } \n"),
	ROW("y_scalar_number", "42"),
	ROW("y_scalar_string", "\"a\""),
	ROW("y_scalar_true", "true"),
	ROW("y_scalar_false", "false"),
	ROW("y_scalar_null", "null"),
	ROW("y_nested", "{\"a\":{\"b\":[{\"c\":[[]]}]},\"d\":null}"),
	ROW("y_empty_key", "{\"\":1}"),
	ROW("y_key_twice_in_two_objects", "[{\"a\":1},{\"a\":{\"a\":2}}]"),
	ROW("y_keys_differ_in_case", "{\"a\":1,\"A\":2}"),
	ROW("y_number_zero", "[0]"),
	ROW("y_number_minus_zero", "[-0]"),
	ROW("y_number_negative", "[-17]"),
	ROW("y_number_fraction", "[0.5]"),
	ROW("y_number_exponent", "[1e3,1E3,1e+3,1e-3,0e0,0e+1,-1.5E-2]"),
	ROW("y_number_zero_exponent_zero", "[1e00]"),
	ROW("y_number_tiny", "[1e-400]"),
	ROW("y_number_of_63_digits",
	    "[100000000000000000000000000000000000000000000000000000000000001]"),
	ROW("y_string_escapes", "[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"]"),
	ROW("y_string_unicode_escape", "[\"\\u0041\\u00e4\\u20AC\\uFFFF\"]"),
	ROW("y_string_surrogate_pair", "[\"\\ud83d\\uDE00\"]"),
	ROW("y_string_utf8", "[\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"]"),
	ROW("y_string_del", "[\"\x7f\"]"),
	ROW("y_string_noncharacter", "[\"\xef\xbf\xbf\"]"),
	ROW("y_string_looks_like_escape", "[\"\\\\u0000\"]"),
	ROW("y_string_with_structure", "[\"{[,:]}\"]"),
	ROW("y_string_bom_inside", "[\"\xef\xbb\xbf\"]"),

	ROW("n_nothing", ""),
	ROW("n_only_space", " \n"),
	ROW("n_bom", "\xef\xbb\xbf{}"),
	ROW("n_bom_alone", "\xef\xbb\xbf"),
	ROW("n_trailing_text", "{} x"),
	ROW("n_two_values", "{}{}"),
	ROW("n_two_scalars", "1 2"),
	ROW("n_trailing_comma_after", "[],"),
	ROW("n_trailing_brace", "{}}"),
	ROW("n_trailing_nul", "{}\0"),
	ROW("n_nul_inside", "{\0}"),
	ROW("n_nul_in_string", "[\"a\0b\"]"),
	ROW("n_comment", "{}/*x*/"),
	ROW("n_line_comment", "[1]//x"),
	ROW("n_hash_comment", "# x\n{}"),
	ROW("n_form_feed_as_space", "[\f]"),
	ROW("n_vertical_tab_as_space", "[\v1]"),
	ROW("n_no_break_space", "[\xc2\xa0]"),
	ROW("n_array_open", "["),
	ROW("n_array_open_value", "[1"),
	ROW("n_array_open_comma", "[1,"),
	ROW("n_array_trailing_comma", "[1,]"),
	ROW("n_array_leading_comma", "[,1]"),
	ROW("n_array_double_comma", "[1,,2]"),
	ROW("n_array_only_comma", "[,]"),
	ROW("n_array_no_comma", "[1 2]"),
	ROW("n_array_colon", "[1:2]"),
	ROW("n_array_closed_as_object", "[1}"),
	ROW("n_array_close_alone", "]"),
	ROW("n_object_closed_as_array", "{\"a\":1]"),
	ROW("n_object_open", "{"),
	ROW("n_object_key_only", "{\"a\"}"),
	ROW("n_object_key_open", "{\"a\""),
	ROW("n_object_no_value", "{\"a\":}"),
	ROW("n_object_value_open", "{\"a\":1"),
	ROW("n_object_trailing_comma", "{\"a\":1,}"),
	ROW("n_object_double_comma", "{\"a\":1,,\"b\":2}"),
	ROW("n_object_double_colon", "{\"a\"::1}"),
	ROW("n_object_comma_for_colon", "{\"a\",1}"),
	ROW("n_object_no_comma", "{\"a\":1 \"b\":2}"),
	ROW("n_object_bare_key", "{a:1}"),
	ROW("n_object_number_key", "{1:1}"),
	ROW("n_object_null_key", "{null:1}"),
	ROW("n_object_single_quotes", "{'a':1}"),
	ROW("n_object_value_without_key", "{[]}"),
	ROW("n_key_twice", "{\"a\":1,\"a\":1}"),
	ROW("n_key_twice_apart", "{\"a\":1,\"b\":2,\"c\":3,\"a\":4}"),
	ROW("n_key_twice_escaped", "{\"a\":1,\"\\u0061\":2}"),
	ROW("n_key_twice_deep", "[[{\"x\":{\"a\":1,\"a\":2}}]]"),
	ROW("n_key_twice_empty", "{\"\":1,\"\":2}"),
	ROW("n_key_twice_after_nested", "{\"a\":{\"b\":[{}]},\"a\":[]}"),
	ROW("n_number_leading_zero", "[01]"),
	ROW("n_number_leading_zeros", "[-00]"),
	ROW("n_number_plus", "[+1]"),
	ROW("n_number_minus_alone", "[-]"),
	ROW("n_number_minus_space", "[- 1]"),
	ROW("n_number_double_minus", "[--1]"),
	ROW("n_number_point_first", "[.5]"),
	ROW("n_number_point_last", "[5.]"),
	ROW("n_number_point_exponent", "[5.e1]"),
	ROW("n_number_two_points", "[1.2.3]"),
	ROW("n_number_exponent_empty", "[1e]"),
	ROW("n_number_exponent_sign_only", "[1e+]"),
	ROW("n_number_exponent_two_signs", "[1e+-1]"),
	ROW("n_number_exponent_fraction", "[1e1.5]"),
	ROW("n_number_hex", "[0x1f]"),
	ROW("n_number_nan", "[NaN]"),
	ROW("n_number_infinity", "[Infinity]"),
	ROW("n_number_minus_inf", "[-inf]"),
	ROW("n_number_overflow", "[1e999]"),
	ROW("n_number_negative_overflow", "[-1e999]"),
	ROW("n_number_full_width_digit", "[\xef\xbc\x91]"),
	ROW("n_number_underscore", "[1_000]"),
	ROW("n_number_of_64_digits",
	    "[1000000000000000000000000000000000000000000000000000000000000001]"),
	ROW("n_literal_capital", "[True]"),
	ROW("n_literal_cut", "[nul]"),
	ROW("n_literal_cut_at_end", "tru"),
	ROW("n_literal_longer", "[truex]"),
	ROW("n_literal_undefined", "[undefined]"),
	ROW("n_string_open", "\"a"),
	ROW("n_string_open_escape", "[\"\\\"]"),
	ROW("n_string_backslash_at_end", "\"\\"),
	ROW("n_string_single_quotes", "['a']"),
	ROW("n_string_raw_newline", "[\"a\nb\"]"),
	ROW("n_string_raw_tab", "[\"\t\"]"),
	ROW("n_string_raw_escape", "[\"\x1b\"]"),
	ROW("n_string_escape_x", "[\"\\x41\"]"),
	ROW("n_string_escape_a", "[\"\\a\"]"),
	ROW("n_string_escape_quote", "[\"\\'\"]"),
	ROW("n_string_escape_capital_u", "[\"\\U0041\"]"),
	ROW("n_string_escape_digit", "[\"\\0\"]"),
	ROW("n_string_escape_utf8", "[\"\\\xc3\xa4\"]"),
	ROW("n_string_unicode_short", "[\"\\u00e\"]"),
	ROW("n_string_unicode_at_end", "\"\\u00"),
	ROW("n_string_unicode_not_hex", "[\"\\u00g0\"]"),
	ROW("n_string_unicode_sign", "[\"\\u+041\"]"),
	ROW("n_string_unicode_nul", "[\"\\u0000\"]"),
	ROW("n_key_unicode_nul", "{\"a\\u0000b\":1}"),
	ROW("n_string_half_pair_high", "[\"\\ud83d\"]"),
	ROW("n_string_half_pair_low", "[\"\\ude00\"]"),
	ROW("n_string_two_high", "[\"\\ud83d\\ud83d\"]"),
	ROW("n_string_high_then_text", "[\"\\ud83dx\"]"),
	ROW("n_string_high_then_other_escape", "[\"\\ud83d\\n\"]"),
	ROW("n_string_latin1", "[\"\xe4\"]"),
	ROW("n_string_utf8_cut", "[\"\xe2\x82\"]"),
	ROW("n_string_utf8_overlong", "[\"\xc0\xaf\"]"),
	ROW("n_string_utf8_surrogate", "[\"\xed\xa0\x80\"]"),
	ROW("n_string_utf8_beyond", "[\"\xf4\x90\x80\x80\"]"),
	ROW("n_string_utf8_stray", "[\"\x80\"]"),
	ROW("n_invalid_utf8_outside", "[1]\xff"),
	ROW("n_utf16", "{\0}\0"),
};

/* In memory of exactly its size, so that a sanitizer sees a read beyond. */
static int
parse_exact(const char *text, size_t len, cJSON **ret)
{
	char *exact = malloc(len + (len == 0));
	int r;

	assert_non_null(exact);
	memcpy(exact, text, len);
	r = json_parse(exact, len, ret);
	free(exact);
	return r;
}

static void
every_row_is_taken_or_refused_as_named(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		cJSON *tree = NULL;
		int want = rows[i].name[0] == 'y' ? 0 : -EBADMSG;
		int r = parse_exact(rows[i].text, rows[i].len, &tree);

		if (r != want || (r == 0) != (tree != NULL))
			fail_msg("%s: %d, not %d", rows[i].name, r, want);
		cJSON_Delete(tree);
	}
}

static void
every_prefix_of_a_document_is_refused(void **state)
{
	static const char text[] =
	    "{\"a\":[1.5e+2,-0,\"\\ud83d\\ude00\\n\xc3\xa4\",true,"
	    "{\"b\":null,\"c\":false}],\"d\":{}}";
	cJSON *tree = NULL;

	(void)state;
	for (size_t len = 0; len < sizeof(text) - 1; len++)
		assert_int_equal(parse_exact(text, len, &tree), -EBADMSG);
	assert_int_equal(parse_exact(text, sizeof(text) - 1, &tree), 0);
	assert_string_equal(json_get(tree, "a")->child->next->next->valuestring,
	    "\xf0\x9f\x98\x80\n\xc3\xa4");
	cJSON_Delete(tree);
}

/* depth containers of both kinds in turn, around nothing. */
static char *
nested(unsigned depth, bool closed, size_t *ret_len)
{
	char *text = malloc((size_t)depth * 6 + 1), *p = text;

	assert_non_null(text);
	for (unsigned i = 0; i < depth; i++)
		p = i % 2 == 0 ? stpcpy(p, "[")
			       : stpcpy(p, i + 1 < depth ? "{\"\":" : "{");
	for (unsigned i = depth; closed && i > 0; i--)
		*p++ = i % 2 == 1 ? ']' : '}';
	*ret_len = (size_t)(p - text);
	return text;
}

/* Attack 22. */
static void
nesting_is_limited_without_using_the_stack(void **state)
{
	static const struct {
		unsigned depth;
		bool closed;
		int want;
	} depths[] = {
		{ 1, true, 0 },
		{ JSON_DEPTH_MAX - 1, true, 0 },
		{ JSON_DEPTH_MAX, true, 0 },
		{ JSON_DEPTH_MAX, false, -EBADMSG },
		{ JSON_DEPTH_MAX + 1, true, -EBADMSG },
		{ 64, true, -EBADMSG },
		{ 65, true, -EBADMSG },
		{ 100000, true, -EBADMSG },
		{ 1000000, false, -EBADMSG },
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(depths); i++) {
		cJSON *tree = NULL;
		size_t len;
		char *text = nested(depths[i].depth, depths[i].closed, &len);

		assert_int_equal(parse_exact(text, len, &tree), depths[i].want);
		cJSON_Delete(tree);
		free(text);
	}
}

/* One object with n keys; the last one again at the end if twice is set. */
static int
parse_many_keys(unsigned n, bool twice)
{
	char *text = malloc((size_t)n * 16 + 32), *p = text;
	cJSON *tree = NULL;
	int r;

	assert_non_null(text);
	*p++ = '{';
	for (unsigned i = 0; i < n; i++)
		p += sprintf(p, "\"k%u\":0,", i ^ 0x2a);
	p += sprintf(p, "\"%s\":0}", twice ? "k5" : "end");
	r = json_parse(text, (size_t)(p - text), &tree);
	cJSON_Delete(tree);
	free(text);
	return r;
}

static void
one_equal_key_is_found_among_many(void **state)
{
	(void)state;
	for (unsigned n = 6; n <= 40; n++) {
		assert_int_equal(parse_many_keys(n | 7, false), 0);
		assert_int_equal(parse_many_keys(n | 63, true), -EBADMSG);
	}
	/* quadratic work would take minutes here */
	assert_int_equal(parse_many_keys(200000, false), 0);
	assert_int_equal(parse_many_keys(200000, true), -EBADMSG);
}

static const struct {
	const char *text;
	int r;
	int64_t value;
} numbers[] = {
	{ "0", 0, 0 },
	{ "-0", 0, 0 },
	{ "1", 0, 1 },
	{ "-1", 0, -1 },
	{ "2147483647", 0, 2147483647 },
	{ "2147483648", 0, INT64_C(2147483648) },
	{ "-2147483649", 0, INT64_C(-2147483649) },
	{ "4294967296", 0, INT64_C(4294967296) },
	{ "1795163185000000", 0, INT64_C(1795163185000000) },
	{ "9007199254740991", 0, INT64_C(9007199254740991) },
	{ "-9007199254740991", 0, INT64_C(-9007199254740991) },
	{ "1e3", 0, 1000 },
	{ "2.0", 0, 2 },
	{ "9007199254740992", -EINVAL, 0 },
	{ "9007199254740993", -EINVAL, 0 }, /* reads as ...992 */
	{ "-9007199254740992", -EINVAL, 0 },
	{ "18446744073709551616", -EINVAL, 0 },
	{ "1e300", -EINVAL, 0 },
	{ "0.5", -EINVAL, 0 },
	{ "-1.25", -EINVAL, 0 },
	{ "1e-3", -EINVAL, 0 },
	{ "\"0\"", 0, 0 },
	{ "\"17\"", 0, 17 },
	{ "\"9223372036854775807\"", 0, INT64_MAX },
	{ "\"-9223372036854775808\"", 0, INT64_MIN },
	{ "\"-1\"", 0, -1 },
	{ "\"9223372036854775808\"", -EINVAL, 0 },
	{ "\"-9223372036854775809\"", -EINVAL, 0 },
	{ "\"18446744073709551616\"", -EINVAL, 0 },
	{ "\"\"", -EINVAL, 0 },
	{ "\"-\"", -EINVAL, 0 },
	{ "\"--1\"", -EINVAL, 0 },
	{ "\"+1\"", -EINVAL, 0 },
	{ "\" 1\"", -EINVAL, 0 },
	{ "\"1 \"", -EINVAL, 0 },
	{ "\"1e3\"", -EINVAL, 0 },
	{ "\"0x10\"", -EINVAL, 0 },
	{ "true", -EINVAL, 0 },
	{ "null", -EINVAL, 0 },
	{ "[1]", -EINVAL, 0 },
	{ "{}", -EINVAL, 0 },
};

static void
integers_are_exact_or_refused(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(numbers); i++) {
		cJSON *tree = NULL;
		int64_t value = 0;
		int r;

		assert_int_equal(
		    json_parse(numbers[i].text, strlen(numbers[i].text), &tree), 0);
		r = json_to_int(tree, &value);
		if (r != numbers[i].r || value != numbers[i].value)
			fail_msg("%s: %d, %lld", numbers[i].text, r, (long long)value);
		cJSON_Delete(tree);
	}
	assert_int_equal(json_to_int(NULL, &(int64_t) { 0 }), -EINVAL);
}

static void
members_are_found_by_their_exact_name_and_type(void **state)
{
	static const char text[] =
	    "{\"Port\":1,\"port\":2,\"none\":null,\"s\":\"x\",\"t\":true,\"f\":false}";
	cJSON *tree = NULL;
	int64_t i = -1;
	bool b = false;

	(void)state;
	assert_int_equal(json_parse(text, sizeof(text) - 1, &tree), 0);
	assert_int_equal(json_get_int(tree, "port", &i), 0);
	assert_int_equal(i, 2);
	assert_int_equal(json_get_int(tree, "PORT", &i), -ENOENT);
	assert_int_equal(json_get_int(tree, "none", &i), -ENOENT);
	assert_int_equal(json_get_int(tree, "t", &i), -EINVAL);
	assert_null(json_get(tree, "none"));
	assert_null(json_get(NULL, "none"));
	assert_string_equal(json_get_string(tree, "s"), "x");
	assert_null(json_get_string(tree, "port"));
	assert_int_equal(json_get_bool(tree, "t", &b), 0);
	assert_true(b);
	assert_int_equal(json_get_bool(tree, "f", &b), 0);
	assert_false(b);
	assert_int_equal(json_get_bool(tree, "s", &b), -EINVAL);
	assert_int_equal(json_get_bool(tree, "x", &b), -ENOENT);
	cJSON_Delete(tree);
}

static void
assert_prints(const cJSON *tree, const char *want)
{
	char buf[512];
	ssize_t n = json_print(tree, buf, sizeof(buf));

	assert_int_equal(n, strlen(want));
	assert_string_equal(buf, want);
}

static void
integers_are_written_as_integers(void **state)
{
	cJSON *object = cJSON_CreateObject();

	(void)state;
	json_add_int(object, "usec", INT64_C(1795163185000000));
	json_add_int(object, "max", INT64_MAX);
	json_add_int(object, "min", INT64_MIN);
	json_add_int(object, "zero", 0);
	assert_prints(object, "{\"usec\":1795163185000000,\"max\":9223372036854775807,"
			      "\"min\":-9223372036854775808,\"zero\":0}");
	cJSON_Delete(object);
}

static void
text_is_written_as_valid_utf8(void **state)
{
	cJSON *object = cJSON_CreateObject(), *array, *again = NULL;
	char buf[256];
	ssize_t n;

	(void)state;
	json_add_string(object, "good", "\xc3\xa4\n\"\x01");
	json_add_string(object, "latin1", "caf\xe9");
	json_add_string(object, "nothing", NULL);
	array = json_add_array(object, "list");
	json_append_string(array, "a");
	json_append_string(array, "\xff");
	json_append_string(array, NULL);
	json_add_bool(json_add_object(object, "o"), "b", true);
	n = json_print(object, buf, sizeof(buf));
	assert_true(n > 0);
	assert_string_equal(buf,
	    "{\"good\":\"\xc3\xa4\\n\\\"\\u0001\",\"latin1\":\"caf?\","
	    "\"list\":[\"a\",\"?\"],\"o\":{\"b\":true}}");
	assert_int_equal(json_parse(buf, (size_t)n, &again), 0);
	assert_true(cJSON_Compare(object, again, true));
	cJSON_Delete(again);
	cJSON_Delete(object);
}

static void
what_does_not_fit_is_not_printed(void **state)
{
	cJSON *object = cJSON_CreateObject();
	char buf[64];

	(void)state;
	json_add_int(object, "a", 1);
	assert_int_equal(json_print(object, buf, 3), -ENOBUFS);
	assert_int_equal(json_print(object, buf, 0), -ENOBUFS);
	assert_int_equal(json_print(object, buf, 7 + 8), 7);
	assert_int_equal(json_print(NULL, buf, sizeof(buf)), -ENOBUFS);
	cJSON_Delete(object);
}

static unsigned allocations_left;

static void *
failing_malloc(size_t size)
{
	if (allocations_left == 0)
		return NULL;
	allocations_left--;
	return malloc(size);
}

#define BUILD_REPLY_ALLOCATIONS 15

static cJSON *
build_reply(void)
{
	cJSON *object = cJSON_CreateObject();
	cJSON *inner = json_add_object(object, "inner");

	json_add_int(inner, "i", 1);
	json_add_string(inner, "s", "x");
	json_append_string(json_add_array(inner, "a"), "y");
	json_add_bool(object, "b", false);
	return object;
}

/* With the k-th allocation failing, the tree is whole or does not print. */
static void
short_memory_spoils_the_tree_instead_of_losing_members(void **state)
{
	cJSON_Hooks hooks = { .malloc_fn = failing_malloc, .free_fn = free };

	(void)state;
	cJSON_InitHooks(&hooks);
	for (unsigned k = 0; k <= BUILD_REPLY_ALLOCATIONS; k++) {
		char buf[128];
		cJSON *tree;

		allocations_left = k;
		tree = build_reply();
		assert_int_equal(allocations_left, 0);
		allocations_left = 1000;
		if (k == BUILD_REPLY_ALLOCATIONS)
			assert_prints(tree, "{\"inner\":{\"i\":1,\"s\":\"x\",\"a\":["
					    "\"y\"]},\"b\":false}");
		else
			assert_int_equal(json_print(tree, buf, sizeof(buf)), -ENOBUFS);
		cJSON_Delete(tree);
	}
	cJSON_InitHooks(NULL);
}

static void
array_that_lost_an_item_spoils_what_it_belongs_to(void **state)
{
	cJSON_Hooks hooks = { .malloc_fn = failing_malloc, .free_fn = free };
	cJSON *object = cJSON_CreateObject(), *array = json_add_array(object, "a");
	char buf[128];

	(void)state;
	assert_prints(object, "{\"a\":[]}");
	cJSON_InitHooks(&hooks);
	allocations_left = 0;
	json_append_string(array, "x");
	cJSON_InitHooks(NULL);
	assert_int_equal(json_print(object, buf, sizeof(buf)), -ENOBUFS);
	cJSON_Delete(object);
}

static void
short_memory_while_reading_is_told_apart_from_bad_text(void **state)
{
	cJSON_Hooks hooks = { .malloc_fn = failing_malloc, .free_fn = free };
	cJSON *tree = NULL;

	(void)state;
	cJSON_InitHooks(&hooks);
	for (unsigned k = 0; k < 5; k++) {
		allocations_left = k;
		assert_int_equal(
		    json_parse("{\"a\":\"x\"}", 9, &tree), k < 4 ? -ENOMEM : 0);
	}
	cJSON_InitHooks(NULL);
	cJSON_Delete(tree);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row_is_taken_or_refused_as_named),
		cmocka_unit_test(every_prefix_of_a_document_is_refused),
		cmocka_unit_test(nesting_is_limited_without_using_the_stack),
		cmocka_unit_test(one_equal_key_is_found_among_many),
		cmocka_unit_test(integers_are_exact_or_refused),
		cmocka_unit_test(members_are_found_by_their_exact_name_and_type),
		cmocka_unit_test(integers_are_written_as_integers),
		cmocka_unit_test(text_is_written_as_valid_utf8),
		cmocka_unit_test(what_does_not_fit_is_not_printed),
		cmocka_unit_test(
		    short_memory_spoils_the_tree_instead_of_losing_members),
		cmocka_unit_test(array_that_lost_an_item_spoils_what_it_belongs_to),
		cmocka_unit_test(
		    short_memory_while_reading_is_told_apart_from_bad_text),
	};

	_Static_assert(ARRAY_SIZE(rows) >= 80, "rows");
	return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
