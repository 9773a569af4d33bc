/*
 * corpus.h - recorded messages under tests/data/<area>/, and the rule that every file
 * has a row in its test's table and every row a file.
 */
#pragma once

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define CORPUS_FILE_MAX 2048

/* Reads tests/data/area/name whole; its length.  Fails the test if it cannot. */
static inline size_t
corpus_read(const char *area, const char *name, uint8_t ret[static CORPUS_FILE_MAX])
{
	char path[512];
	FILE *f;
	size_t len;

	snprintf(path, sizeof(path), "tests/data/%s/%s", area, name);
	f = fopen(path, "rb");
	if (!f)
		fail_msg("cannot open %s", path);
	len = fread(ret, 1, CORPUS_FILE_MAX, f);
	assert_true(len < CORPUS_FILE_MAX && !ferror(f));
	fclose(f);
	return len;
}

/* Every file of the folder but NOTICE is known; known(name) says so.  Returns how many.
 */
static inline size_t
corpus_count(const char *area, int (*known)(const char *name))
{
	char path[512];
	DIR *dir;
	size_t n = 0;

	snprintf(path, sizeof(path), "tests/data/%s", area);
	dir = opendir(path);
	assert_non_null(dir);
	for (struct dirent *e; (e = readdir(dir));) {
		if (e->d_name[0] == '.' || strcmp(e->d_name, "NOTICE") == 0)
			continue;
		if (!known(e->d_name))
			fail_msg("%s/%s has no row", path, e->d_name);
		n++;
	}
	closedir(dir);
	return n;
}
