/*
 * test_text.c - strict numbers, the builder at its edges, peer text made printable.
 */
#include "proto/text.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define NUL_INSIDE "1\0002"

static const struct {
	const char *text;
	size_t len; /* 0: strlen */
	uint64_t max;
	int err, err_trimmed;
	uint64_t value;
} numbers[] = {
	{ "0", 0, 10, 0, 0, 0 },
	{ "7", 0, 10, 0, 0, 7 },
	{ "10", 0, 10, 0, 0, 10 },
	{ "11", 0, 10, -EINVAL, -EINVAL, 0 },
	{ "0", 0, 0, 0, 0, 0 },
	{ "1", 0, 0, -EINVAL, -EINVAL, 0 },
	{ "00", 0, 10, 0, 0, 0 },
	{ "007", 0, 10, 0, 0, 7 },
	{ "0000000000000000000000000000010", 0, 10, 0, 0, 10 },
	{ "65535", 0, 65535, 0, 0, 65535 },
	{ "65536", 0, 65535, -EINVAL, -EINVAL, 0 },
	{ "4294967295", 0, UINT32_MAX, 0, 0, UINT32_MAX },
	{ "4294967296", 0, UINT32_MAX, -EINVAL, -EINVAL, 0 },
	{ "4294967296", 0, UINT64_MAX, 0, 0, UINT64_C(4294967296) },
	{ "9223372036854775807", 0, INT64_MAX, 0, 0, INT64_MAX },
	{ "9223372036854775808", 0, INT64_MAX, -EINVAL, -EINVAL, 0 },
	{ "18446744073709551615", 0, UINT64_MAX, 0, 0, UINT64_MAX },
	{ "18446744073709551616", 0, UINT64_MAX, -EINVAL, -EINVAL, 0 },
	{ "18446744073709551620", 0, UINT64_MAX, -EINVAL, -EINVAL, 0 },
	{ "28446744073709551615", 0, UINT64_MAX, -EINVAL, -EINVAL, 0 },
	{ "99999999999999999999999999", 0, UINT64_MAX, -EINVAL, -EINVAL, 0 },
	{ "", 0, 10, -EINVAL, -EINVAL, 0 },
	{ "12", 1, 10, 0, 0, 1 },
	{ "1x", 1, 10, 0, 0, 1 },
	{ "-1", 0, 10, -EINVAL, -EINVAL, 0 },
	{ "-0", 0, 10, -EINVAL, -EINVAL, 0 },
	{ "+1", 0, 10, -EINVAL, -EINVAL, 0 },
	{ "--1", 0, 10, -EINVAL, -EINVAL, 0 },
	{ "-", 0, 10, -EINVAL, -EINVAL, 0 },
	{ "0x1", 0, 10, -EINVAL, -EINVAL, 0 },
	{ "0X1", 0, 10, -EINVAL, -EINVAL, 0 },
	{ "x1", 0, 10, -EINVAL, -EINVAL, 0 },
	{ "1a", 0, 100, -EINVAL, -EINVAL, 0 },
	{ "a", 0, 100, -EINVAL, -EINVAL, 0 },
	{ "f", 0, 100, -EINVAL, -EINVAL, 0 },
	{ "1.0", 0, 100, -EINVAL, -EINVAL, 0 },
	{ "1,0", 0, 100, -EINVAL, -EINVAL, 0 },
	{ "1'0", 0, 100, -EINVAL, -EINVAL, 0 },
	{ "1_0", 0, 100, -EINVAL, -EINVAL, 0 },
	{ "1e1", 0, 100, -EINVAL, -EINVAL, 0 },
	{ "1 0", 0, 100, -EINVAL, -EINVAL, 0 },
	{ "1\t0", 0, 100, -EINVAL, -EINVAL, 0 },
	{ "1\n0", 0, 100, -EINVAL, -EINVAL, 0 },
	{ ".", 0, 100, -EINVAL, -EINVAL, 0 },
	{ "/", 0, 100, -EINVAL, -EINVAL, 0 }, /* '0' - 1 */
	{ ":", 0, 100, -EINVAL, -EINVAL, 0 }, /* '9' + 1 */
	{ "\xb2", 0, 100, -EINVAL, -EINVAL, 0 },
	{ "\xff", 0, 100, -EINVAL, -EINVAL, 0 },
	{ "\xd9\xa1", 0, 100, -EINVAL, -EINVAL, 0 }, /* Arabic-Indic 1 */
	{ NUL_INSIDE, 3, 100, -EINVAL, -EINVAL, 0 },
	{ "\0001", 2, 100, -EINVAL, -EINVAL, 0 },
	{ "1\0", 2, 100, -EINVAL, -EINVAL, 0 },
	{ "inf", 0, 100, -EINVAL, -EINVAL, 0 },
	{ "nan", 0, 100, -EINVAL, -EINVAL, 0 },
	{ "true", 0, 100, -EINVAL, -EINVAL, 0 },
	/* white space: of XML and HTTP, at the ends, when asked for */
	{ " 1", 0, 10, -EINVAL, 0, 1 },
	{ "1 ", 0, 10, -EINVAL, 0, 1 },
	{ "\r\n\t 1\t\r\n", 0, 10, -EINVAL, 0, 1 },
	{ " ", 0, 10, -EINVAL, -EINVAL, 0 },
	{ "\r\n", 0, 10, -EINVAL, -EINVAL, 0 },
	{ "\v1", 0, 10, -EINVAL, -EINVAL, 0 },
	{ "\f1", 0, 10, -EINVAL, -EINVAL, 0 },
	{ "\xc2\xa0"
	  "1",
	    0, 10, -EINVAL, -EINVAL, 0 },
	{ " -1 ", 0, 10, -EINVAL, -EINVAL, 0 },
	{ " 11 ", 0, 10, -EINVAL, -EINVAL, 0 },
	{ "1 \0", 3, 10, -EINVAL, -EINVAL, 0 },
};

typedef int (*parser)(const char *text, size_t len, uint64_t max, uint64_t *ret);

static void
check_number(parser parse, size_t i, int err)
{
	size_t len = numbers[i].len ? numbers[i].len : strlen(numbers[i].text);
	uint64_t v = 424242;

	if (parse(numbers[i].text, len, numbers[i].max, &v) != err ||
	    v != (err ? 424242 : numbers[i].value))
		fail_msg("\"%s\", at most %ju: %ju", numbers[i].text,
		    (uintmax_t)numbers[i].max, (uintmax_t)v);
}

static int
trimmed(const char *text, size_t len, uint64_t max, uint64_t *ret)
{
	text_trim(&text, &len);
	return text_to_uint(text, len, max, ret);
}

/* Attack 6: numbers cut, signed, too large, with something behind. */
static void
test_numbers(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		check_number(text_to_uint, i, numbers[i].err);
		check_number(trimmed, i, numbers[i].err_trimmed);
	}
}

static void
test_clamped_numbers(void **state)
{
	static const struct {
		const char *text;
		uint64_t max, value;
	} clamped[] = {
		{ "10", 10, 10 },
		{ "11", 10, 10 },
		{ "1", 0, 0 },
		{ "99999999999999999999999999", 86400, 86400 },
		{ "18446744073709551616", UINT64_MAX, UINT64_MAX },
	};
	static const char *const bad[] = { "", "-1", "11x", "1 1", "0x11" };
	uint64_t v;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(clamped); i++) {
		const char *text = clamped[i].text;

		assert_int_equal(
		    text_to_uint_clamped(text, strlen(text), clamped[i].max, &v), 0);
		assert_int_equal(v, clamped[i].value);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(
		    text_to_uint_clamped(bad[i], strlen(bad[i]), 10, &v), -EINVAL);
}

/* Attack 7: a buffer for a text of 5 and its NUL, one smaller, one larger. */
static void
test_builder_edges(void **state)
{
	char buf[8];

	(void)state;
	for (size_t size = 5; size <= 7; size++)
		for (int how = 0; how < 3; how++) {
			struct text_out out = text_out(buf, size);

			memset(buf + 1, '#', sizeof(buf) - 1);
			if (how == 0)
				text_put(&out, "abcde");
			else if (how == 1)
				text_put_n(&out, "abcdefgh", 5);
			else
				text_printf(&out, "%s%d", "abcd", 5);
			assert_int_equal(text_finish(&out), size == 5 ? -ENOBUFS : 5);
			assert_int_equal(strlen(buf), size == 5 ? 0 : 5);
			assert_int_equal(buf[size], '#');
		}
}

static void
test_builder_is_sticky(void **state)
{
	char buf[6];
	struct text_out out = text_out(buf, sizeof(buf));

	(void)state;
	assert_string_equal(buf, "");
	text_put(&out, "abc");
	text_put(&out, "def");
	text_put(&out, "g"); /* would fit */
	text_printf(&out, "h");
	text_put_n(&out, "", 0);
	assert_int_equal(text_finish(&out), -ENOBUFS);
	assert_string_equal(buf, "abc");

	out = text_out(buf, sizeof(buf));
	text_printf(&out, "%s", "abc");
	text_printf(&out, "%s", "def");
	text_printf(&out, "g");
	assert_int_equal(text_finish(&out), -ENOBUFS);
	assert_string_equal(buf, "abc");

	out = text_out(buf, sizeof(buf));
	text_put(&out, "abc");
	text_put_n(&out, "de", 2);
	text_put(&out, "");
	assert_int_equal(text_finish(&out), 5);
	assert_string_equal(buf, "abcde");
}

static void
test_builder_without_room(void **state)
{
	char c = '#';
	struct text_out out = text_out(&c, 0);

	(void)state;
	text_put(&out, "");
	text_printf(&out, "%s", "");
	assert_int_equal(text_finish(&out), -ENOBUFS);
	assert_int_equal(c, '#');
	out = text_out(&c, 1);
	text_put(&out, "");
	assert_int_equal(text_finish(&out), 0);
	assert_int_equal(c, '\0');
	text_put(&out, "x");
	assert_int_equal(text_finish(&out), -ENOBUFS);
}

static const struct {
	const char *text;
	size_t len; /* 0: strlen */
	bool utf8;
	const char *printable;
} texts[] = {
	{ "", 0, true, "" }, { "plain ~!", 0, true, "plain ~!" },
	{ "\x7f", 0, true, "?" }, { "a\033[31mb", 0, true, "a?[31mb" },
	{ "a\r\nb\t", 0, true, "a??b?" }, { "a\0b", 3, false, "a?b" },
	{ "gr\xc3\xbc\xc3\x9f", 0, true, "gr\xc3\xbc\xc3\x9f" },
	{ "\xc2\x80", 0, true, "?" }, /* C1 controls, 0x9b is CSI */
	{ "\xc2\x9b", 0, true, "?" }, { "\xc2\x9f", 0, true, "?" },
	{ "\xc2\xa0", 0, true, "\xc2\xa0" }, { "\xdf\xbf", 0, true, "\xdf\xbf" },
	{ "\xe2\x82\xac", 0, true, "\xe2\x82\xac" },
	{ "\xef\xbf\xbd", 0, true, "\xef\xbf\xbd" },
	{ "\xed\x9f\xbf", 0, true, "\xed\x9f\xbf" }, /* before the surrogates */
	{ "\xee\x80\x80", 0, true, "\xee\x80\x80" }, /* behind them */
	{ "\xe0\xa0\x80", 0, true, "\xe0\xa0\x80" },
	{ "\xf0\x90\x80\x80", 0, true, "\xf0\x90\x80\x80" },
	{ "\xf4\x8f\xbf\xbf", 0, true, "\xf4\x8f\xbf\xbf" }, /* U+10FFFF */
	/* RFC 3629 section 4 */
	{ "\xf4\x90\x80\x80", 0, false, "????" },
	{ "\xf5\x80\x80\x80", 0, false, "????" },
	{ "\xc0\x80", 0, false, "??" }, /* overlong */
	{ "\xc1\xbf", 0, false, "??" }, { "\xe0\x9f\xbf", 0, false, "???" },
	{ "\xf0\x8f\xbf\xbf", 0, false, "????" },
	{ "\xed\xa0\x80", 0, false, "???" },                            /* surrogate */
	{ "\xed\xbf\xbf", 0, false, "???" }, { "\x80", 0, false, "?" }, /* lone bytes */
	{ "\xbf", 0, false, "?" }, { "\xfe\xff", 0, false, "??" },
	{ "\xc3", 0, false, "?" }, /* cut */
	{ "\xe2\x82", 0, false, "??" }, { "\xf0\x90\x80", 0, false, "???" },
	{ "\xe2\x82z", 0, false, "??z" }, { "\xc3\xc3\xbc", 0, false, "?\xc3\xbc" },
	{ "Router \xfc", 0, false, "Router ?" }, /* Latin-1 */
};

/* Attack 28: what a router calls itself, on a terminal and in JSON. */
static void
test_utf8_and_printable(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		const char *text = texts[i].text;
		size_t len = texts[i].len ? texts[i].len : strlen(text);
		char got[64];

		if (text_is_utf8(text, len) != texts[i].utf8)
			fail_msg("row %zu: UTF-8", i);
		text_copy_printable(got, sizeof(got), text, len);
		if (strcmp(got, texts[i].printable) != 0)
			fail_msg("row %zu: \"%s\"", i, got);
		assert_true(text_is_utf8(got, strlen(got)));
	}
}

/* Cut at a character's boundary, never inside. */
static void
test_printable_cut(void **state)
{
	static const char *const want[] = { "", "a", "a", "a", "a\xe2\x82\xac",
		"a\xe2\x82\xac"
		"b",
		"a\xe2\x82\xac"
		"b" };
	static const char text[] = "a\xe2\x82\xac"
				   "b";
	char buf[8];

	(void)state;
	memset(buf, '#', sizeof(buf));
	text_copy_printable(buf, 0, text, strlen(text));
	assert_int_equal(buf[0], '#');
	for (size_t size = 1; size <= 7; size++) {
		memset(buf, '#', sizeof(buf));
		text_copy_printable(buf, size, text, strlen(text));
		assert_string_equal(buf, want[size - 1]);
		assert_int_equal(buf[size], '#');
	}
}

static void
test_words(void **state)
{
	const char *text = " \t\r\n Upnp:RootDevice\n ";
	size_t len = strlen(text);

	(void)state;
	text_trim(&text, &len);
	assert_int_equal(len, strlen("Upnp:RootDevice"));
	assert_true(text_is(text, len, "upnp:rootdevice"));
	assert_true(text_is(text, len, "UPNP:ROOTDEVICE"));
	assert_false(text_is(text, len, "upnp:rootdevic"));
	assert_false(text_is(text, len, "upnp:rootdevices"));
	assert_false(text_is(text, len - 1, "upnp:rootdevice"));
	assert_true(text_starts(text, len, "UPNP:"));
	assert_true(text_starts(text, len, "upnp:rootdevice"));
	assert_true(text_starts(text, len, ""));
	assert_false(text_starts(text, len, "upnp:rootdevices"));
	assert_false(text_starts(text, 3, "upnp"));
	assert_true(text_is("", 0, ""));
	text = " \n";
	len = 2;
	text_trim(&text, &len);
	assert_int_equal(len, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_clamped_numbers),
		cmocka_unit_test(test_builder_edges),
		cmocka_unit_test(test_builder_is_sticky),
		cmocka_unit_test(test_builder_without_room),
		cmocka_unit_test(test_utf8_and_printable),
		cmocka_unit_test(test_printable_cut),
		cmocka_unit_test(test_words),
	};

	return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
