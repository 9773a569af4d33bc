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

#include "proto/util.h"

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

/* Every file of the folder whose name ends so has a row: `files` is the first row's,
 * the others' are `stride` bytes apart.  That every row has its file recorded_read()
 * sees. */
static inline void
recorded_check_files(const char *folder, const char *ending, const char *const *files,
    size_t stride, size_t rows)
{
	DIR *dir = opendir(folder);

	if (!dir)
		fail_msg("cannot open %s", folder);
	for (struct dirent *e; (e = readdir(dir));) {
		size_t len = strlen(e->d_name), n = strlen(ending), i = 0;

		if (len < n || strcmp(e->d_name + len - n, ending) != 0)
			continue;
		while (i < rows &&
		       strcmp(*(const char *const *)((const char *)files + i * stride),
			   e->d_name) != 0)
			i++;
		if (i == rows)
			fail_msg("%s/%s has no row", folder, e->d_name);
	}
	closedir(dir);
}

#define recorded_check(folder, ending, rows) \
	recorded_check_files(                \
	    folder, ending, &(rows)[0].file, sizeof((rows)[0]), ARRAY_SIZE(rows))
