/*
 * random.c - unpredictable bytes, and numbers derived from the machine's identity.
 */
#include "daemon/random.h"

#include <errno.h>
#include <fcntl.h>
#include <mbedtls/md.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

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

/* Read once: without a descriptor or memory to spare later it would be another one. */
static size_t
machine_id(const uint8_t **ret)
{
	static uint8_t id[64];
	static size_t len;
	static bool known;
	int fd;

	if (!known) {
		ssize_t n = 0;

		fd = open(MACHINE_ID_PATH, O_RDONLY | O_CLOEXEC);
		if (fd >= 0) {
			n = read(fd, id, sizeof(id));
			close(fd);
		}
		known = true;
		len = n > 0 ? (size_t)n : 0;
	}
	*ret = id;
	return len;
}

uint64_t
random_derived(uint64_t a, uint64_t b)
{
	uint8_t input[2 * sizeof(uint64_t)], digest[32] = { 0 };
	const uint8_t *id;
	size_t id_len = machine_id(&id);
	uint64_t v;

	memcpy(input, &a, sizeof(a));
	memcpy(input + sizeof(a), &b, sizeof(b));
	mbedtls_md_hmac(mbedtls_md_info_from_type(MBEDTLS_MD_SHA256), id, id_len, input,
	    sizeof(input), digest);
	memcpy(&v, digest, sizeof(v));
	return v;
}
