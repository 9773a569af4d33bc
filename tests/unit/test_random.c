/*
 * test_random.c - numbers derived from the machine: the same ones again, others for
 * another user, another port and another machine.
 *
 * Other machines are processes with another /etc/machine-id, in a mount namespace;
 * skipped where none can be made (root, or a user namespace, may).
 */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/random.h"
#include "proto/crypto.h"
#include "proto/util.h"

static void
test_derived(void **state)
{
	(void)state;
	uint64_t v = random_derived(1000, 8080);

	assert_int_equal(random_derived(1000, 8080), v);
	assert_int_not_equal(random_derived(1001, 8080), v);
	assert_int_not_equal(random_derived(1000, 8081), v);
	assert_int_not_equal(random_derived(8080, 1000), v);
}

/* machine-id(5): keyed with it, so that nobody learns it and no two hosts agree. */
static void
test_keyed_by_the_machine(void **state)
{
	const uint64_t input[] = { 1000, 8080 };
	uint8_t digest[CRYPTO_SHA256_LEN];
	char id[64];
	uint64_t v;
	FILE *f = fopen("/etc/machine-id", "re");
	size_t len = f ? fread(id, 1, sizeof(id), f) : 0;

	(void)state;
	if (f)
		fclose(f);
	if (len < 32)
		skip();
	const struct crypto_part part = { input, sizeof(input) };
	_cleanup_(crypto_mac_freep) struct crypto_mac *mac = NULL;

	assert_int_equal(crypto_mac_new(CRYPTO_SHA256, id, len, &mac), 0);
	assert_int_equal(crypto_mac_parts(mac, &part, 1, digest), 0);
	memcpy(&v, digest, sizeof(v));
	assert_int_equal(random_derived(1000, 8080), v);
}

/* The number, twice, on a machine with this file; false: no such machine. */
static bool
derived_with(const char *text, uint64_t ret[static 2])
{
	char file[] = "/tmp/natd-test-random-XXXXXX";
	int fd = mkstemp(file), ends[2], status;
	ssize_t n;
	pid_t pid;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	assert_int_equal(pipe(ends), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		uint64_t v[2];

		if ((unshare(CLONE_NEWNS) < 0 &&
			unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0) ||
		    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		    mount(file, "/etc/machine-id", NULL, MS_BIND, NULL) < 0)
			_exit(1);
		v[0] = random_derived(1000, 8080);
		v[1] = random_derived(1000, 8080);
		_exit(write(ends[1], v, sizeof(v)) == sizeof(v) ? 0 : 2);
	}
	close(ends[1]);
	n = read(ends[0], ret, 2 * sizeof(ret[0]));
	close(ends[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	unlink(file);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) < 2);
	return WEXITSTATUS(status) == 0 && n == 2 * sizeof(ret[0]);
}

#define HEX31 "0123456789abcdef0123456789abcde"

static const struct {
	const char *text;
	bool is_id; /* else every machine has another number */
} ids[] = {
	{ HEX31 "1\n", true },
	{ HEX31 "1", true },
	{ "", false },
	{ "\n", false },
	{ "uninitialized\n", false },
	{ HEX31 "\n", false },
	{ HEX31 "12\n", false },
	{ HEX31 "12", false },
	{ HEX31, false },
	{ HEX31 "1\n\n", false },
	{ HEX31 "g\n", false },
	{ "0123456789ABCDEF0123456789ABCDEF\n", false },
	{ "00000000000000000000000000000000\n", false },
};

static void
test_no_two_machines_agree(void **state)
{
	uint64_t here[2], there[2], other[2];

	(void)state;
	if (access("/etc/machine-id", F_OK) < 0 || !derived_with("", here)) {
		print_message("skipped: no machine of another id\n");
		skip();
	}
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
		assert_true(derived_with(ids[i].text, here));
		assert_true(derived_with(ids[i].text, there));
		assert_int_equal(here[0], here[1]);
		assert_int_equal(there[0], there[1]);
		if ((here[0] == there[0]) != ids[i].is_id)
			fail_msg("\"%s\"", ids[i].text);
	}
	assert_true(derived_with(HEX31 "1\n", here));
	assert_true(derived_with(HEX31 "2\n", other));
	assert_int_not_equal(here[0], other[0]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_two_machines_agree), /* the id is kept */
		cmocka_unit_test(test_derived),
		cmocka_unit_test(test_keyed_by_the_machine),
	};

	return cmocka_run_group_tests_name("random", tests, NULL, NULL);
}
