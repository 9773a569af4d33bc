/*
 * random.c - unpredictable bytes, and numbers derived from the machine's identity.
 */
#include "daemon/random.h"

#include <errno.h>
#include <mbedtls/md.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "daemon/log.h"

#define MACHINE_ID_PATH "/etc/machine-id"

void
random_fill(void *buf, size_t len)
{
	uint8_t *at = buf;

	while (len > 0) {
		ssize_t n = getrandom(at, len, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			log_error("no random bytes from the kernel: %m");
			abort();
		}
		at += n;
		len -= (size_t)n;
	}
}

uint64_t
random_u64(void)
{
	uint64_t v;

	random_fill(&v, sizeof(v));
	return v;
}

static size_t
read_machine_id(uint8_t *buf, size_t size)
{
	FILE *f = fopen(MACHINE_ID_PATH, "re");
	size_t n = 0;

	if (f) {
		n = fread(buf, 1, size, f);
		fclose(f);
	}
	return n;
}

uint64_t
random_derived(uint64_t a, uint64_t b)
{
	uint8_t id[64], input[2 * sizeof(uint64_t)], digest[32];
	size_t id_len = read_machine_id(id, sizeof(id));
	uint64_t v;

	memcpy(input, &a, sizeof(a));
	memcpy(input + sizeof(a), &b, sizeof(b));
	mbedtls_md_hmac(mbedtls_md_info_from_type(MBEDTLS_MD_SHA256), id, id_len, input,
	    sizeof(input), digest);
	memcpy(&v, digest, sizeof(v));
	return v;
}
