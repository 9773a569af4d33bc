/*
 * test_natctl_fields.c - members of replies, read strictly and made printable.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

#include "ctl/fields.h"
#include "ctl/model.h"
#include "proto/json.h"

static cJSON *
parse(const char *text)
{
	cJSON *tree = NULL;

	assert_int_equal(json_parse(text, strlen(text), &tree), 0);
	return tree;
}

static void
test_the_first_bad_member_is_remembered(void **state)
{
	_cleanup_(json_freep) cJSON *tree =
	    parse("{\"s\":\"x\",\"i\":7,\"n\":null,\"b\":true,\"o\":{},\"a\":[]}");
	const char *bad = NULL;
	struct fields f = fields_of(tree, "tree", &bad);

	(void)state;
	assert_string_equal(field_string(&f, "s"), "x");
	assert_int_equal(field_int(&f, "i", 0, 7), 7);
	assert_true(field_bool(&f, "b"));
	assert_non_null(field_object(&f, "o").object);
	assert_non_null(field_array(&f, "a"));
	assert_null(field_string_opt(&f, "n"));
	assert_int_equal(field_int_opt(&f, "gone", 0, 1, -5), -5);
	assert_int_equal(field_bool_opt(&f, "n"), -1);
	assert_null(field_object_opt(&f, "n").object);
	assert_null(field_array_opt(&f, "gone"));
	assert_null(bad);

	assert_int_equal(field_int(&f, "i", 0, 6), 0);
	assert_string_equal(bad, "i");
	assert_string_equal(field_string(&f, "gone"), "");
	assert_string_equal(bad, "i");
}

static void
test_each_wrong_type_is_bad(void **state)
{
	static const char *const wrong[] = { "{\"v\":1.5}", "{\"v\":\"1x\"}",
		"{\"v\":1e300}", "{\"v\":{}}", "{\"v\":[]}", "{\"v\":true}",
		"{\"v\":null}", "{}" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		_cleanup_(json_freep) cJSON *tree = parse(wrong[i]);
		const char *bad = NULL;
		struct fields f = fields_of(tree, "tree", &bad);

		field_int(&f, "v", 0, 100);
		assert_non_null(bad);
		bad = NULL;
		if (!strstr(wrong[i], "true"))
			field_bool(&f, "v");
		else
			field_string(&f, "v");
		assert_non_null(bad);
		bad = NULL;
		if (!strstr(wrong[i], "{}}"))
			field_object(&f, "v");
		else
			field_array(&f, "v");
		assert_non_null(bad);
	}
}

static void
test_text_becomes_printable(void **state)
{
	_cleanup_(json_freep) cJSON *tree =
	    parse("{\"s\":\"a\\u001b[2J\\u009b\\u007f\\n\\t\xc3\xbc\",\"t\":"
		  "\"a\\u001b\\nb\\tc\"}");
	const char *bad = NULL;
	struct fields f = fields_of(tree, "tree", &bad);

	(void)state;
	/* Of the two bytes of U+009B one is left. */
	assert_string_equal(field_string(&f, "s"), "a?[2J??\?\?\xc3\xbc");
	assert_string_equal(field_string(&f, "s"), "a?[2J??\?\?\xc3\xbc");
	assert_string_equal(field_text(&f, "t"), "a?\nb\tc");
	assert_null(bad);
}

static void
test_protocols_have_one_text(void **state)
{
	static const struct {
		const char *json, *text; /* NULL: refused */
	} rows[] = {
		{ "[\"tcp\"]", "tcp" },
		{ "[\"udp\"]", "udp" },
		{ "[\"udp\",\"tcp\"]", "tcp+udp" },
		{ "[\"tcp\",\"udp\"]", "tcp+udp" },
		{ "[]", NULL },
		{ "[\"tcp\",\"tcp\"]", NULL },
		{ "[\"sctp\"]", NULL },
		{ "[6]", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_(json_freep) cJSON *tree = parse(rows[i].json);
		char text[PROTOCOLS_MAX] = "";
		int r = protocols_text(tree, text);

		assert_int_equal(r == 0, rows[i].text != NULL);
		assert_string_equal(text, rows[i].text ? rows[i].text : "");
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_first_bad_member_is_remembered),
		cmocka_unit_test(test_each_wrong_type_is_bad),
		cmocka_unit_test(test_text_becomes_printable),
		cmocka_unit_test(test_protocols_have_one_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
