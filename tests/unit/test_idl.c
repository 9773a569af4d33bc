/*
 * test_idl.c - the interface text linked into the library is the file in the tree.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "proto/idl.h"
#include "proto/version.h"

static void
idl_is_the_file(void **state)
{
	static char text[128 * 1024];
	FILE *file = fopen("etc/org.natd.NAT.varlink", "r");
	size_t len;

	(void)state;
	assert_non_null(file);
	len = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	assert_in_range(len, 1000, sizeof(text) - 2);
	assert_string_equal(org_natd_NAT_idl, text);
}

static void
version_is_three_numbers(void **state)
{
	unsigned major, minor, patch;
	char rest;

	(void)state;
	assert_int_equal(
	    sscanf(NATD_VERSION, "%u.%u.%u%c", &major, &minor, &patch, &rest), 3);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(idl_is_the_file),
		cmocka_unit_test(version_is_three_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
