/*
 * paths.c - where natd finds its configuration, its socket and its state.
 */
#include "daemon/paths.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

void
paths_system(struct paths *ret)
{
	const char *state = getenv("STATE_DIRECTORY");

	snprintf(ret->config, sizeof(ret->config), "%s", CONF_PATH);
	snprintf(ret->socket, sizeof(ret->socket), "%s", PATHS_SYSTEM_SOCKET);
	snprintf(ret->state, sizeof(ret->state), "%s",
	    state && *state ? state : PATHS_SYSTEM_STATE);
}

/* XDG Base Directory Specification: relative paths are invalid and to be ignored. */
static const char *
absolute(const char *variable)
{
	const char *value = getenv(variable);

	return value && value[0] == '/' ? value : NULL;
}

static int
join(char ret[static PATH_MAX], const char *variable, const char *below_home,
    const char *rest, const char **ret_missing)
{
	const char *base = absolute(variable);
	int n;

	if (!base && below_home) {
		base = absolute("HOME");
		variable = "HOME";
	} else {
		below_home = "";
	}
	if (!base) {
		*ret_missing = variable;
		return -ENOENT;
	}
	n = snprintf(ret, PATH_MAX, "%s%s%s", base, below_home, rest);
	return n < PATH_MAX ? 0 : -ENAMETOOLONG;
}

int
paths_user(struct paths *ret, const char **ret_missing)
{
	struct paths paths;
	int r;

	r = join(
	    paths.socket, "XDG_RUNTIME_DIR", NULL, "/natd/org.natd.NAT", ret_missing);
	if (r == 0)
		r = join(paths.config, "XDG_CONFIG_HOME", "/.config", "/natd/natd.conf",
		    ret_missing);
	if (r == 0)
		r = join(paths.state, "XDG_STATE_HOME", "/.local/state", "/natd",
		    ret_missing);
	if (r == 0)
		*ret = paths;
	return r;
}

int
paths_credential(const char *value, char ret[static PATH_MAX])
{
	const char *folder = absolute("CREDENTIALS_DIRECTORY");
	int n;

	if (value[0] != '/' && !folder)
		return -ENOENT;
	n = value[0] == '/' ? snprintf(ret, PATH_MAX, "%s", value)
			    : snprintf(ret, PATH_MAX, "%s/%s", folder, value);
	return n < PATH_MAX ? 0 : -ENAMETOOLONG;
}

int
paths_make(const char *path)
{
	char part[PATH_MAX];
	size_t len = strlen(path);

	if (len >= sizeof(part))
		return -ENAMETOOLONG;
	memcpy(part, path, len + 1);
	for (char *end = part + 1;; end++) {
		char c = *end;

		if (c != '/' && c != '\0')
			continue;
		*end = '\0';
		if (mkdir(part, 0700) < 0 && errno != EEXIST)
			return -errno;
		*end = c;
		if (c == '\0')
			return 0;
	}
}

int
paths_make_parent(const char *path)
{
	char parent[PATH_MAX];
	const char *slash = strrchr(path, '/');

	if (!slash || slash == path)
		return 0;
	if ((size_t)(slash - path) >= sizeof(parent))
		return -ENAMETOOLONG;
	memcpy(parent, path, (size_t)(slash - path));
	parent[slash - path] = '\0';
	return paths_make(parent);
}
