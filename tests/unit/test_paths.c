/*
 * test_paths.c - where natd looks, by the rules of XDG.
 */
#include "daemon/paths.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static void
set(const char *variable, const char *value)
{
	if (value)
		setenv(variable, value, 1);
	else
		unsetenv(variable);
}

static void
test_user(void **state)
{
	static const struct {
		const char *runtime, *config, *data, *home;
		int result;
		const char *missing, *want_config, *want_state;
	} rows[] = {
		{ "/run/user/7", NULL, NULL, "/home/j", 0, NULL,
		    "/home/j/.config/natd/natd.conf", "/home/j/.local/state/natd" },
		{ "/run/user/7", "/c", "/s", NULL, 0, NULL, "/c/natd/natd.conf",
		    "/s/natd" },
		{ "/run/user/7", "c", "", "/home/j", 0, NULL,
		    "/home/j/.config/natd/natd.conf", "/home/j/.local/state/natd" },
		{ NULL, "/c", "/s", "/home/j", -ENOENT, "XDG_RUNTIME_DIR", NULL, NULL },
		{ "run", "/c", "/s", "/home/j", -ENOENT, "XDG_RUNTIME_DIR", NULL,
		    NULL },
		{ "/run/user/7", NULL, "/s", NULL, -ENOENT, "HOME", NULL, NULL },
		{ "/run/user/7", "/c", NULL, "j", -ENOENT, "HOME", NULL, NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct paths paths = { .config = "untouched" };
		const char *missing = NULL;

		set("XDG_RUNTIME_DIR", rows[i].runtime);
		set("XDG_CONFIG_HOME", rows[i].config);
		set("XDG_STATE_HOME", rows[i].data);
		set("HOME", rows[i].home);
		assert_int_equal(paths_user(&paths, &missing), rows[i].result);
		if (rows[i].result < 0) {
			assert_string_equal(missing, rows[i].missing);
			assert_string_equal(paths.config, "untouched");
			continue;
		}
		assert_string_equal(paths.socket, "/run/user/7/natd/org.natd.NAT");
		assert_string_equal(paths.config, rows[i].want_config);
		assert_string_equal(paths.state, rows[i].want_state);
	}
}

static void
test_user_too_long(void **state)
{
	static char large[PATH_MAX + 1];
	struct paths paths;
	const char *missing;

	(void)state;
	memset(large, 'x', sizeof(large) - 1);
	large[0] = '/';
	set("XDG_RUNTIME_DIR", large);
	assert_int_equal(paths_user(&paths, &missing), -ENAMETOOLONG);
	assert_int_equal(paths_make(large), -ENAMETOOLONG);
}

static void
test_system(void **state)
{
	struct paths paths;

	(void)state;
	set("STATE_DIRECTORY", "/var/lib/private/natd");
	paths_system(&paths);
	assert_string_equal(paths.socket, PATHS_SYSTEM_SOCKET);
	assert_string_equal(paths.config, CONF_PATH);
	assert_string_equal(paths.state, "/var/lib/private/natd");
	set("STATE_DIRECTORY", NULL);
	paths_system(&paths);
	assert_string_equal(paths.state, PATHS_SYSTEM_STATE);
}

static void
test_credential(void **state)
{
	char path[PATH_MAX];

	(void)state;
	set("CREDENTIALS_DIRECTORY", NULL);
	assert_int_equal(paths_credential("/etc/secret", path), 0);
	assert_string_equal(path, "/etc/secret");
	assert_int_equal(paths_credential("secret", path), -ENOENT);
	set("CREDENTIALS_DIRECTORY", "/run/credentials/natd.service");
	assert_int_equal(paths_credential("secret", path), 0);
	assert_string_equal(path, "/run/credentials/natd.service/secret");
	assert_int_equal(paths_credential("/etc/secret", path), 0);
	assert_string_equal(path, "/etc/secret");
	set("CREDENTIALS_DIRECTORY", NULL);
}

static void
test_make(void **state)
{
	char top[] = "/tmp/natd-test-XXXXXX", path[64], file[80];
	struct stat st;

	(void)state;
	assert_non_null(mkdtemp(top));
	snprintf(path, sizeof(path), "%s/a/b", top);
	snprintf(file, sizeof(file), "%s/file", path);
	assert_int_equal(paths_make_parent(file), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(stat(file, &st), -1);
	assert_int_equal(paths_make(path), 0); /* again */
	fclose(fopen(file, "w"));
	assert_int_equal(paths_make_parent("relative"), 0);
	strcat(file, "/x/y");
	assert_int_equal(paths_make(file), -ENOTDIR);
	file[strlen(file) - 4] = '\0';
	unlink(file);
	rmdir(path);
	path[strlen(path) - 2] = '\0';
	rmdir(path);
	assert_int_equal(rmdir(top), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_user),
		cmocka_unit_test(test_user_too_long),
		cmocka_unit_test(test_system),
		cmocka_unit_test(test_credential),
		cmocka_unit_test(test_make),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
