/*
 * run_corpus.c - main() for a fuzz harness without libFuzzer: eats files and folders.
 *
 *     fuzz_pxp FILE|FOLDER...
 *
 * Each file is given whole, then cut short at a few places: a peer may stop sending
 * anywhere.  Every input is a heap block of its exact size, so that the address
 * sanitizer sees the first byte read beyond it (attack 1), as the other one sees what
 * another compiler or machine would make something else of (attack 32).
 */
#include <errno.h>
#include <ftw.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util.h"

#define INPUT_MAX (1024 * 1024)
#define CUTS 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned inputs;

static void
run(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);

	if (!copy)
		abort();
	if (size)
		memcpy(copy, data, size);
	LLVMFuzzerTestOneInput(copy, size);
	free(copy);
	inputs++;
}

static int
eat(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	static uint8_t data[INPUT_MAX];
	size_t size, cut;
	FILE *file;

	(void)st;
	(void)ftw;
	if (type == FTW_D)
		return 0;
	file = type == FTW_F ? fopen(path, "rb") : NULL;
	if (!file) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno ? errno : EINVAL));
		return 1;
	}
	size = fread(data, 1, sizeof(data), file);
	fclose(file);

	run(data, size);
	for (size_t i = 0; i < CUTS; i++) {
		cut = size <= CUTS ? i : size * i / CUTS;
		if (cut < size)
			run(data, cut);
	}
	return 0;
}

int
main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		errno = 0;
		if (nftw(argv[i], eat, 16, FTW_PHYS) != 0) {
			fprintf(stderr, "%s: cannot be read\n", argv[i]);
			return 1;
		}
	}
	printf("%s: %u inputs\n", argv[0], inputs);
	return inputs == 0;
}
