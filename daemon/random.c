/*
 * random.c - unpredictable bytes, and numbers derived from the machine's identity.
 */
#include "daemon/random.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "daemon/log.h"
#include "proto/crypto.h"
#include "proto/util.h"

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

#define MACHINE_ID_DIGITS 32

/* machine-id(5): digits and a newline, not all of them 0.  Images have the file empty
 * or "uninitialized", which is the same text on every host. */
static bool
is_machine_id(const uint8_t *text, size_t len)
{
	bool zero = true;

	if (len == MACHINE_ID_DIGITS + 1 && text[MACHINE_ID_DIGITS] == '\n')
		len--;
	if (len != MACHINE_ID_DIGITS)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (!memchr("0123456789abcdef", text[i], 16))
			return false;
		zero &= text[i] == '0';
	}
	return !zero;
}

/* Read once: without a descriptor or memory to spare later it would be another one.
 * Where there is none, the numbers of another time are better than those of all
 * hosts. */
static size_t
machine_id(const uint8_t **ret)
{
	static uint8_t id[64];
	static size_t len;

	if (len == 0) {
		int fd = open(MACHINE_ID_PATH, O_RDONLY | O_CLOEXEC);
		ssize_t n = 0;

		if (fd >= 0) {
			n = read(fd, id, sizeof(id));
			close(fd);
		}
		if (n > 0 && is_machine_id(id, (size_t)n)) {
			len = (size_t)n;
		} else {
			random_fill(id, sizeof(id));
			len = sizeof(id);
		}
	}
	*ret = id;
	return len;
}

uint64_t
random_derived(uint64_t a, uint64_t b)
{
	const uint64_t input[] = { a, b };
	const struct crypto_part part = { input, sizeof(input) };
	uint8_t digest[CRYPTO_SHA256_LEN];
	_cleanup_(crypto_mac_freep) struct crypto_mac *mac = NULL;
	const uint8_t *id;
	size_t id_len = machine_id(&id);
	uint64_t v;
	int r = crypto_mac_new(CRYPTO_SHA256, id, id_len, &mac);

	if (r == 0)
		r = crypto_mac_parts(mac, &part, 1, digest);
	if (r < 0) {
		log_error("cannot derive a number from %s: %s", MACHINE_ID_PATH,
		    strerror(-r));
		return random_u64();
	}
	memcpy(&v, digest, sizeof(v));
	return v;
}
