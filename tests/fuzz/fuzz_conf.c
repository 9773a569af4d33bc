/*
 * fuzz_conf.c - the configuration file, from a descriptor: whatever it holds, it is
 * taken whole or every mistake is named.
 */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "daemon/conf.h"
#include "tests/fuzz/fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("natd.conf", MFD_CLOEXEC), r;
	struct conf_errors errors;
	struct conf *conf = NULL;
	char path[64];

	MUST(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	MUST(lseek(fd, 0, SEEK_SET) == 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	r = conf_load(path, &conf, &errors);
	close(fd);
	MUST((r == 0) == (conf != NULL));
	MUST((r == 0) == (errors.count == 0));
	for (size_t i = 0; i < errors.count; i++)
		MUST(errors.list[i].message[0] != '\0');
	conf_errors_done(&errors);
	conf_free(conf);
	return 0;
}
