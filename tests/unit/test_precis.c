/*
 * test_precis.c - OpaqueString: examples of RFC 8265, rules of RFC 5892, form C.
 */
#include "proto/precis.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proto/util.h"

static const struct {
	const char *what, *text, *want; /* NULL: -EINVAL */
} rows[] = {
	/* RFC 8265 table 4, and what it says of it. */
	{ "spaces", "correct horse battery staple", "correct horse battery staple" },
	{ "case stays", "Correct Horse Battery Staple",
	    "Correct Horse Battery Staple" },
	{ "greek", "\xcf\x80\xc3\x9f\xc3\xa5", "\xcf\x80\xc3\x9f\xc3\xa5" },
	{ "symbol", "Jack of \xe2\x99\xa6s", "Jack of \xe2\x99\xa6s" },
	{ "ogham space",
	    "foo\xe1\x9a\x80"
	    "bar",
	    "foo bar" },
	{ "empty", "", NULL },
	{ "control", "my cat is a \tby", NULL },

	{ "no-break space", "a\xc2\xa0z", "a z" },
	{ "all ASCII", "!\"#$%&'()*+,-./09:;<=>?@AZ[\\]^_`az{|}~",
	    "!\"#$%&'()*+,-./09:;<=>?@AZ[\\]^_`az{|}~" },
	{ "DEL", "a\x7f", NULL },
	{ "form C", "A\xcc\x8a", "\xc3\x85" },
	{ "angstrom sign", "\xe2\x84\xab", "\xc3\x85" },
	{ "compatibility stays", "\xe2\x85\xa8\xc2\xaa\xef\xbc\xa1",
	    "\xe2\x85\xa8\xc2\xaa\xef\xbc\xa1" },
	/* What SASLprep dropped, this refuses: the password of RFC 5769. */
	{ "soft hyphen", "The\xc2\xadM", NULL },
	{ "katakana", "\xe3\x83\x9e\xe3\x83\x88\xe3\x83\xaa\xe3\x83\x83\xe3\x82\xaf",
	    "\xe3\x83\x9e\xe3\x83\x88\xe3\x83\xaa\xe3\x83\x83\xe3\x82\xaf" },
	{ "unassigned", "a\xcd\xb8", NULL },
	{ "noncharacter", "a\xef\xbf\xbe", NULL },
	{ "private use", "a\xee\x80\x80", NULL },
	{ "line separator", "a\xe2\x80\xa8", NULL },
	{ "old hangul jamo", "\xe1\x84\x80\xe1\x85\xa1", NULL },
	{ "hangul syllable", "\xea\xb0\x80", "\xea\xb0\x80" },
	{ "emoji", "\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80" },
	{ "hangul filler", "a\xe3\x85\xa4", NULL },
	{ "combining grapheme joiner", "a\xcd\x8f", NULL },
	{ "zero width space", "a\xe2\x80\x8b", NULL },
	{ "byte order mark", "\xef\xbb\xbfz", NULL },

	{ "middle dot in catalan", "l\xc2\xb7l", "l\xc2\xb7l" },
	{ "middle dot elsewhere", "a\xc2\xb7z", NULL },
	{ "middle dot at the end", "l\xc2\xb7", NULL },
	{ "ano teleia, which becomes one", "a\xce\x87z", NULL },
	{ "keraia", "\xcd\xb5\xce\xb1", "\xcd\xb5\xce\xb1" },
	{ "keraia before latin", "\xcd\xb5z", NULL },
	{ "geresh", "\xd7\x90\xd7\xb3", "\xd7\x90\xd7\xb3" },
	{ "geresh alone", "\xd7\xb3", NULL },
	{ "katakana middle dot", "\xe3\x83\xbb\xe6\xbc\xa2",
	    "\xe3\x83\xbb\xe6\xbc\xa2" },
	{ "katakana middle dot in latin", "a\xe3\x83\xbb", NULL },
	{ "arabic digits", "\xd9\xa0\xd9\xa9", "\xd9\xa0\xd9\xa9" },
	{ "extended digits", "\xdb\xb0\xdb\xb9", "\xdb\xb0\xdb\xb9" },
	{ "both digits", "\xd9\xa0\xdb\xb0", NULL },
	{ "tatweel", "\xd8\xa8\xd9\x80", NULL },
	{ "joiner behind virama", "\xe0\xa4\x95\xe0\xa5\x8d\xe2\x80\x8d",
	    "\xe0\xa4\x95\xe0\xa5\x8d\xe2\x80\x8d" },
	{ "joiner elsewhere", "a\xe2\x80\x8d", NULL },
	{ "non-joiner behind virama", "\xe0\xa4\x95\xe0\xa5\x8d\xe2\x80\x8c",
	    "\xe0\xa4\x95\xe0\xa5\x8d\xe2\x80\x8c" },
	{ "non-joiner between joining letters", "\xd8\xa8\xe2\x80\x8c\xd8\xa8",
	    "\xd8\xa8\xe2\x80\x8c\xd8\xa8" },
	{ "the same around marks", "\xd8\xa8\xd9\x8b\xe2\x80\x8c\xd9\x8b\xd8\xa8",
	    "\xd8\xa8\xd9\x8b\xe2\x80\x8c\xd9\x8b\xd8\xa8" },
	{ "non-joiner at the end", "\xd8\xa8\xe2\x80\x8c", NULL },
	{ "non-joiner in latin", "a\xe2\x80\x8cz", NULL },
};

static void
test_opaque_string(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char got[64] = "untouched", again[64];
		const char *want = rows[i].want;
		ssize_t n = precis_opaque_string(
		    rows[i].text, strlen(rows[i].text), got, sizeof(got));

		if (!want) {
			if (n != -EINVAL || strcmp(got, "untouched") != 0)
				fail_msg("%s: %zd %s", rows[i].what, n, got);
			continue;
		}
		if (n != (ssize_t)strlen(want) || strcmp(got, want) != 0)
			fail_msg("%s: %zd %s", rows[i].what, n, got);
		/* Once is enough. */
		assert_int_equal(
		    precis_opaque_string(got, (size_t)n, again, sizeof(again)), n);
		assert_string_equal(again, got);
		/* What comes out has to fit, with its NUL. */
		assert_int_equal(precis_opaque_string(rows[i].text,
				     strlen(rows[i].text), again, (size_t)n),
		    -ENOBUFS);
	}
}

static void
test_refused_input(void **state)
{
	static char text[PRECIS_INPUT_MAX + 1], got[PRECIS_INPUT_MAX + 1];

	(void)state;
	memset(text, 'x', sizeof(text));
	assert_int_equal(precis_opaque_string(text, PRECIS_INPUT_MAX, got, sizeof(got)),
	    PRECIS_INPUT_MAX);
	assert_int_equal(
	    precis_opaque_string(text, sizeof(text), got, sizeof(got)), -ENOBUFS);
	assert_int_equal(precis_opaque_string("a\xff", 2, got, sizeof(got)), -EILSEQ);
	assert_int_equal(precis_opaque_string("\xc3", 1, got, sizeof(got)), -EILSEQ);
	assert_int_equal(
	    precis_opaque_string("\xed\xa0\x80", 3, got, sizeof(got)), -EILSEQ);
	assert_int_equal(precis_opaque_string("a\0z", 3, got, sizeof(got)), -EINVAL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_opaque_string),
		cmocka_unit_test(test_refused_input),
	};

	return cmocka_run_group_tests_name("precis", tests, NULL, NULL);
}
