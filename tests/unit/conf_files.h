/*
 * conf_files.h - configuration files for tests, in a folder that goes with them.
 */
#pragma once

#include <errno.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/conf.h"

/* Reasons that many keys share. */
#define NUMBER(min, max) "not a number from " #min " to " #max
#define TIME(min, max) \
	"not a time from " #min " to " #max " s (90, 90s, 2min, 1h or 1d)"
#define ADDRESS "not an IPv4 or IPv6 address"
#define METHOD " is not pcp, igd2, nat_pmp, igd1, igd_pinhole or direct"
#define X63 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

static char dir[] = "/tmp/natd-test-conf-XXXXXX";
static char path[64];

static inline void
write_file(const char *name, const void *bytes, size_t len)
{
	char file[128];
	FILE *f;

	snprintf(file, sizeof(file), "%s/%s", dir, name);
	f = fopen(file, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

static inline void
write_text(const char *name, const char *text)
{
	write_file(name, text, strlen(text));
}

static inline int
remove_one(const char *file, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type;
	return ftw->level > 0 ? remove(file) : 0;
}

/* An empty folder with an empty natd.conf.d. */
static inline int
setup(void **state)
{
	char drop_ins[128];

	(void)state;
	nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	snprintf(path, sizeof(path), "%s/natd.conf", dir);
	snprintf(drop_ins, sizeof(drop_ins), "%s.d", path);
	return mkdir(drop_ins, 0700);
}

static inline struct conf *
load(void)
{
	struct conf_errors errors;
	struct conf *c = NULL;

	if (conf_load(path, &c, &errors) < 0)
		fail_msg("%s:%u: %s", errors.list[0].file, errors.list[0].line,
		    errors.list[0].message);
	assert_int_equal(errors.count, 0);
	conf_errors_done(&errors);
	return c;
}

static inline struct conf *
load_text(const char *text)
{
	write_text("natd.conf", text);
	return load();
}

/* The errors as "natd.conf:2: message\n"... without the folder. */
static inline const char *
errors_of_files(void)
{
	static char text[16384];
	struct conf_errors errors;
	struct conf *untouched = (struct conf *)text, *c = untouched;

	text[0] = '\0';
	assert_int_equal(conf_load(path, &c, &errors), -EINVAL);
	assert_ptr_equal(c, untouched);
	for (size_t i = 0; i < errors.count; i++) {
		size_t len = strlen(text);
		const char *file = errors.list[i].file;

		assert_int_equal(strncmp(file, dir, strlen(dir)), 0);
		snprintf(text + len, sizeof(text) - len, "%s:%u: %s\n",
		    file + strlen(dir) + 1, errors.list[i].line,
		    errors.list[i].message);
	}
	conf_errors_done(&errors);
	assert_null(errors.list);
	return text;
}

static inline const char *
errors_of(const char *text)
{
	write_text("natd.conf", text);
	return errors_of_files();
}

static inline void
assert_addr(const struct addr *a, const char *text)
{
	char buf[ADDR_TEXT_MAX];

	assert_string_equal(addr_format(a, buf), text);
}

static inline void
assert_methods(const struct conf_methods *m, const char *text)
{
	char names[128] = "";

	for (unsigned i = 0; i < m->count; i++)
		snprintf(names + strlen(names), sizeof(names) - strlen(names), "%s%s",
		    i ? " " : "", method_name(m->list[i]));
	assert_string_equal(names, text);
}

static inline void
assert_defaults(const struct conf *c)
{
	assert_int_equal(c->log_level, LOG_LEVEL_INFO);
	assert_methods(&c->methods, "pcp igd2 nat_pmp igd1 igd_pinhole direct");
	assert_int_equal(c->lease_s, 7200);
	assert_int_equal(c->quota_per_user, 64);
	assert_int_equal(c->mappings_max, 4096);
	assert_int_equal(c->connections_max, 2048);
	assert_int_equal(c->connections_per_user, 64);
	assert_int_equal(c->probe_s, 60);
	assert_false(c->events);
	assert_int_equal(c->pcp_servers.count, 2);
	assert_addr(&c->pcp_servers.list[0], "192.0.0.9");
	assert_addr(&c->pcp_servers.list[1], "2001:1::1");
	assert_string_equal(c->admin_group, "natd");
	assert_int_equal(c->stun_servers.count, 3);
	assert_string_equal(c->stun_servers.list[0].host, "stun.l.google.com");
	assert_int_equal(c->stun_servers.list[0].port, 19302);
	assert_int_equal(c->uplinks_count, 0);
	assert_int_equal(c->mappings_count, 0);
}

static inline int
conf_group_setup(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static inline int
conf_group_teardown(void **state)
{
	(void)state;
	nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	return rmdir(dir);
}
