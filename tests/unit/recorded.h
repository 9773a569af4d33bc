/*
 * recorded.h - recorded messages in a folder of tests/data/, read into memory of
 * exactly their size, so that a sanitizer sees each read behind the end.
 */
#pragma once

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The whole of folder/name, to be freed; fails the test if it cannot be read. */
static inline char *
recorded_read(const char *folder, const char *name, size_t *ret_len)
{
	char path[512];
	char *bytes;
	FILE *file;
	long len;

	assert_in_range(snprintf(path, sizeof(path), "%s/%s", folder, name), 1, 511);
	file = fopen(path, "rb");
	if (!file)
		fail_msg("cannot open %s", path);
	assert_int_equal(fseek(file, 0, SEEK_END), 0);
	len = ftell(file);
	assert_in_range(len, 0, 1 << 24);
	rewind(file);
	bytes = malloc(len > 0 ? (size_t)len : 1);
	assert_non_null(bytes);
	assert_int_equal(fread(bytes, 1, (size_t)len, file), (size_t)len);
	fclose(file);
	*ret_len = (size_t)len;
	return bytes;
}

/* Every file of the folder whose name ends so has a row.  That every row has its file
 * recorded_read() sees. */
static inline void
recorded_check(
    const char *folder, const char *ending, bool (*has_row)(const char *name))
{
	DIR *dir = opendir(folder);

	if (!dir)
		fail_msg("cannot open %s", folder);
	for (struct dirent *e; (e = readdir(dir));) {
		size_t len = strlen(e->d_name), n = strlen(ending);

		if (len < n || strcmp(e->d_name + len - n, ending) != 0)
			continue;
		if (!has_row(e->d_name))
			fail_msg("%s/%s has no row", folder, e->d_name);
	}
	closedir(dir);
}
