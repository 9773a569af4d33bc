/*
 * test_jsontext.c - JSON shown as it came.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/jsontext.h"
#include "proto/util.h"

static void
check_text(const char *text, bool pretty, const char *expected)
{
	char *written = NULL;
	size_t len;
	FILE *out = open_memstream(&written, &len);

	assert_non_null(out);
	json_text_write(out, text, strlen(text), pretty);
	assert_int_equal(fclose(out), 0);
	assert_string_equal(written, expected);
	free(written);
}

static void
test_text_keeps_its_values(void **state)
{
	static const struct {
		const char *text, *plain, *pretty;
	} rows[] = {
		{ "{}", "{}", "{}" },
		{ " [ ] ", "[]", "[]" },
		{ "18446744073709551615", "18446744073709551615",
		    "18446744073709551615" },
		{ "\"a b\\\" {,}:[\\\\\"", "\"a b\\\" {,}:[\\\\\"",
		    "\"a b\\\" {,}:[\\\\\"" },
		{ "{ \"a\" : 1.50e1 ,\n\"b\":[ true,null ] }",
		    "{\"a\":1.50e1,\"b\":[true,null]}",
		    "{\n  \"a\": 1.50e1,\n  \"b\": [\n    true,\n    null\n  ]\n}" },
		{ "[{},[[]],{\"c\":{ }}]", "[{},[[]],{\"c\":{}}]",
		    "[\n  {},\n  [\n    []\n  ],\n  {\n    \"c\": {}\n  }\n]" },
		/* DEL and C1 drive terminals; the same value without them. */
		{ "\"\x7f\xc2\x9b\xc2\xa0\xc3\x9b\"",
		    "\"\\u007f\\u009b\xc2\xa0\xc3\x9b\"",
		    "\"\\u007f\\u009b\xc2\xa0\xc3\x9b\"" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		check_text(rows[i].text, false, rows[i].plain);
		check_text(rows[i].text, true, rows[i].pretty);
	}
}

static void
test_a_member_is_found_in_the_text(void **state)
{
	static const struct {
		const char *text, *value; /* NULL: not found */
	} rows[] = {
		{ "{\"p\":1}", "1" },
		{ " { \"p\" : { \"a\" : [1,{}] } , \"x\" : 2 } ",
		    "{ \"a\" : [1,{}] }" },
		{ "{\"x\":{\"p\":3},\"p\":4}", "4" },
		{ "{\"x\":[\"p\",{\"p\":3}],\"p\":\"a,}\\\"\"}", "\"a,}\\\"\"" },
		{ "{\"x\":\"\\\"p\\\":5\",\"p\":6}", "6" },
		{ "{\"pp\":1,\"\":2}", NULL },
		{ "{}", NULL },
		{ "{\"x\":\"p\"}", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *value = NULL;
		size_t len = 0;
		int r = json_text_member(
		    rows[i].text, strlen(rows[i].text), "p", &value, &len);

		assert_int_equal(r, rows[i].value ? 0 : -ENOENT);
		if (!rows[i].value)
			continue;
		assert_int_equal(len, strlen(rows[i].value));
		assert_memory_equal(value, rows[i].value, len);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text_keeps_its_values),
		cmocka_unit_test(test_a_member_is_found_in_the_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
