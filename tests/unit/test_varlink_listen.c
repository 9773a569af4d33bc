/*
 * test_varlink_listen.c - socket files, accepted peers, and limits on both.
 *
 * Real sockets in a directory of this test's own.  As root, peers of another user are
 * made by changing the effective ids for the moment of connect(): that is what the
 * kernel reports as SO_PEERCRED and SO_PEERGROUPS.
 */
#include "tests/unit/varlink_toy.h"

#include <grp.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <sys/un.h>

#include "daemon/log.h"

#define NOBODY 65534
#define NOGROUP 65534
#define OTHER_UID 54321
#define OTHER_GID 54322
#define WHO "{\"method\":\"" TOY ".Who\"}"
#define SECRET "{\"method\":\"" TOY ".Secret\",\"parameters\":{\"n\":1}}"

static char directory[] = "/tmp/natd-test-varlink-XXXXXX";
static char path[sizeof(directory) + 16];

static int
make_directory(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(directory));
	assert_int_equal(chmod(directory, 0755), 0);
	(void)snprintf(path, sizeof(path), "%s/socket", directory);
	return 0;
}

static int
remove_directory(void **state)
{
	(void)state;
	(void)unlink(path);
	return rmdir(directory);
}

static int
raw_connect(const char *to)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	(void)strcpy(address.sun_path, to);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		int r = -errno;

		(void)close(fd);
		return r;
	}
	return fd;
}

static struct client *
client_connect(void)
{
	int fd = raw_connect(path);

	assert_true(fd >= 0);
	return client_of(fd);
}

/* Of the given ids; group2 is a supplementary one. */
static struct client *
client_connect_with(uid_t uid, gid_t group, gid_t group2)
{
	struct client *c;

	assert_int_equal(setgroups(1, &group2), 0);
	assert_int_equal(setegid(group), 0);
	assert_int_equal(seteuid(uid), 0);
	c = client_connect();
	assert_int_equal(seteuid(0), 0);
	assert_int_equal(setegid(0), 0);
	assert_int_equal(setgroups(0, NULL), 0);
	return c;
}

static struct client *
client_connect_as(uid_t uid)
{
	return client_connect_with(uid, NOGROUP, NOGROUP);
}

static ino_t
inode_of(const char *file)
{
	struct stat st;

	return lstat(file, &st) == 0 ? st.st_ino : 0;
}

/* A socket file that nobody listens on. */
static void
leave_stale_file(const char *file)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)strcpy(address.sun_path, file);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	(void)close(fd);
}

static void
socket_file_has_its_mode_and_goes_with_the_listener(void **state)
{
	mode_t old = umask(077);
	struct client *c;
	struct stat st;

	(void)state;
	assert_int_equal(varlink_server_listen(toy_server, path, 0666), 0);
	(void)umask(old);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode, S_IFSOCK | 0666);
	c = client_connect();
	client_expect_alive(c);
	varlink_server_stop_listening(toy_server);
	assert_int_equal(inode_of(path), 0);
	client_expect_alive(c); /* connections stay */
	client_free(c);
	/* and it may listen again */
	assert_int_equal(varlink_server_listen(toy_server, path, 0666), 0);
	c = client_connect();
	client_expect_alive(c);
	client_free(c);
}

static void
living_socket_is_in_use(void **state)
{
	struct varlink_settings settings = toy_settings();
	struct varlink_server *second;
	struct client *c;
	ino_t inode;

	(void)state;
	assert_int_equal(varlink_server_listen(toy_server, path, 0666), 0);
	inode = inode_of(path);
	assert_int_equal(varlink_server_new(toy_loop, &settings, &second), 0);
	assert_int_equal(varlink_server_listen(second, path, 0666), -EADDRINUSE);
	second = varlink_server_free(second);
	assert_int_equal(inode_of(path), inode);
	c = client_connect();
	client_expect_alive(c);
	client_free(c);
}

/* F51: the socket of a dead daemon. */
static void
stale_file_is_replaced_without_being_away(void **state)
{
	char events[4096] __attribute__((aligned(8)));
	int watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	struct client *c;
	ino_t stale;
	ssize_t n;

	(void)state;
	leave_stale_file(path);
	stale = inode_of(path);
	assert_int_equal(raw_connect(path), -ECONNREFUSED);
	assert_true(inotify_add_watch(watch, directory, IN_DELETE | IN_MOVED_TO) >= 0);
	assert_int_equal(varlink_server_listen(toy_server, path, 0600), 0);
	n = read(watch, events, sizeof(events));
	assert_true(n > 0);
	for (char *p = events; p < events + n;) {
		struct inotify_event *e = (struct inotify_event *)p;

		assert_true((e->mask & IN_MOVED_TO) != 0);
		assert_string_equal(e->name, "socket");
		p += sizeof(*e) + e->len;
	}
	(void)close(watch);
	assert_int_not_equal(inode_of(path), stale);
	c = client_connect();
	client_expect_alive(c);
	client_free(c);
}

/* Left by a daemon that was killed in the middle of replacing. */
static void
leftover_of_a_replacement_is_no_obstacle(void **state)
{
	char beside[sizeof(path) + 8];

	(void)state;
	(void)snprintf(beside, sizeof(beside), "%s.new", path);
	leave_stale_file(path);
	leave_stale_file(beside);
	assert_int_equal(varlink_server_listen(toy_server, path, 0600), 0);
	assert_int_equal(inode_of(beside), 0);
}

static void
file_of_another_kind_is_left_alone(void **state)
{
	int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	ino_t inode = inode_of(path);

	(void)state;
	assert_true(fd >= 0);
	(void)close(fd);
	assert_int_equal(varlink_server_listen(toy_server, path, 0666), -ENOTSOCK);
	assert_int_equal(inode_of(path), inode);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("/nowhere/socket", path), 0);
	assert_int_equal(varlink_server_listen(toy_server, path, 0666), -ENOTSOCK);
	assert_int_equal(unlink(path), 0);
}

static void
impossible_paths_are_told_apart(void **state)
{
	char missing[sizeof(path) + 8], longest[200];
	size_t len = (size_t)snprintf(longest, sizeof(longest), "%s/", directory);

	(void)state;
	(void)snprintf(missing, sizeof(missing), "%s/no/socket", directory);
	assert_int_equal(varlink_server_listen(toy_server, missing, 0666), -ENOENT);
	assert_int_equal(varlink_server_listen(toy_server, "", 0666), -EINVAL);
	memset(longest + len, 'x', sizeof(longest) - len);
	longest[104] = '\0';
	assert_int_equal(
	    varlink_server_listen(toy_server, longest, 0666), -ENAMETOOLONG);
	longest[103] = '\0';
	/* also when it must be replaced */
	leave_stale_file(longest);
	assert_int_equal(varlink_server_listen(toy_server, longest, 0666), 0);
	varlink_server_stop_listening(toy_server);
	assert_int_equal(inode_of(longest), 0);
}

static void
file_of_somebody_else_is_not_removed(void **state)
{
	(void)state;
	assert_int_equal(varlink_server_listen(toy_server, path, 0666), 0);
	assert_int_equal(unlink(path), 0);
	leave_stale_file(path);
	varlink_server_stop_listening(toy_server);
	assert_int_not_equal(inode_of(path), 0);
	assert_int_equal(unlink(path), 0);
}

static void
listening_descriptor_is_taken_and_its_file_left(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), pair[2];
	struct client *c;

	(void)state;
	(void)strcpy(address.sun_path, path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(varlink_server_listen_fd(toy_server, fd), -EINVAL);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(varlink_server_listen_fd(toy_server, pair[0]), -EINVAL);
	assert_int_equal(varlink_server_listen_fd(toy_server, -1), -EINVAL);
	(void)close(pair[0]);
	(void)close(pair[1]);
	assert_int_equal(listen(fd, 8), 0);
	assert_int_equal(varlink_server_listen_fd(toy_server, fd), 0);
	c = client_connect();
	client_expect_alive(c);
	client_free(c);
	varlink_server_stop_listening(toy_server);
	assert_int_not_equal(inode_of(path), 0);
	assert_int_equal(raw_connect(path), -ECONNREFUSED);
	assert_int_equal(unlink(path), 0);
}

/* ---- peers ---- */

static void
restart_with(const struct varlink_settings *settings)
{
	(void)toy_teardown(NULL);
	toy_start(settings);
	assert_int_equal(varlink_server_listen(toy_server, path, 0666), 0);
}

static void
expect_who(struct client *c, uid_t uid, bool privileged)
{
	char want[128];

	(void)snprintf(want, sizeof(want),
	    "{\"parameters\":{\"uid\":%u,\"pid\":%d,\"privileged\":%s}}", uid, getpid(),
	    privileged ? "true" : "false");
	client_call(c, WHO);
	client_expect(c, want);
	client_call(c, SECRET);
	client_expect(c, privileged
			     ? "{\"parameters\":{}}"
			     : "{\"error\":\"org.varlink.service.PermissionDenied\","
			       "\"parameters\":{}}");
	/* what is wrong with the call comes before who may do it */
	client_call(c, "{\"method\":\"" TOY ".Secret\"}");
	client_expect(c, "{\"error\":\"org.varlink.service.InvalidParameter\","
			 "\"parameters\":{\"parameter\":\"n\"}}");
	client_free(c);
}

static void
privilege_comes_from_uid_own_uid_or_admin_group(void **state)
{
	struct varlink_settings settings = toy_settings();
	gid_t group;

	(void)state;
	if (getuid() != 0)
		skip();
	settings.own_uid = OTHER_UID;
	settings.admin_group = "daemon";
	restart_with(&settings);
	expect_who(client_connect(), 0, true);
	expect_who(client_connect_as(OTHER_UID), OTHER_UID, true);
	expect_who(client_connect_as(NOBODY), NOBODY, false);
	group = getgrnam("daemon")->gr_gid;
	expect_who(client_connect_with(NOBODY, NOGROUP, group), NOBODY, true);
	expect_who(client_connect_with(NOBODY, group, NOGROUP), NOBODY, true);
	expect_who(client_connect_with(NOBODY, NOGROUP, OTHER_GID), NOBODY, false);
	settings.admin_group = "no-such-group-here";
	restart_with(&settings);
	expect_who(client_connect(), 0, true);
	expect_who(client_connect_with(NOBODY, group, group), NOBODY, false);
}

static void
admin_group_is_found_among_many(void **state)
{
	struct varlink_settings settings = toy_settings();
	gid_t groups[500];
	struct client *c;

	(void)state;
	if (getuid() != 0)
		skip();
	settings.admin_group = "daemon";
	restart_with(&settings);
	for (unsigned i = 0; i < ARRAY_SIZE(groups); i++)
		groups[i] = OTHER_GID + i;
	groups[7] = getgrnam("daemon")->gr_gid;
	assert_int_equal(setgroups(ARRAY_SIZE(groups), groups), 0);
	assert_int_equal(setegid(NOGROUP), 0);
	assert_int_equal(seteuid(NOBODY), 0);
	c = client_connect();
	assert_int_equal(seteuid(0), 0);
	assert_int_equal(setegid(0), 0);
	assert_int_equal(setgroups(0, NULL), 0);
	expect_who(c, NOBODY, true);
}

static struct {
	unsigned lines;
	char last[256];
} logged;

static void
on_log(void *ctx, const struct iovec *entries, size_t count)
{
	(void)ctx;
	assert_true(count > 0);
	logged.lines++;
	snprintf(logged.last, sizeof(logged.last), "%.*s", (int)entries[0].iov_len,
	    (const char *)entries[0].iov_base);
}

static void
expect_logged(unsigned lines, unsigned uid, const char *limit)
{
	char line[256];

	snprintf(line, sizeof(line),
	    "MESSAGE=refused a connection of user %u: too many are open (%s in "
	    "natd.conf)",
	    uid, limit);
	assert_int_equal(logged.lines, lines);
	assert_string_equal(logged.last, line);
}

static void
count_refused(const char *kind, const char *name, uint64_t count, void *ctx)
{
	if (strcmp(kind, "connection") == 0 && strcmp(name, "refused") == 0)
		*(uint64_t *)ctx = count;
}

static void
a_refused_connection_is_told_once_and_counted(void **state)
{
	struct varlink_settings settings = toy_settings();
	struct client *c[3];
	uint64_t refused = 0;

	(void)state;
	if (getuid() != 0)
		skip();
	settings.connections_max = 2;
	settings.connections_per_uid_max = 1;
	restart_with(&settings);
	log_redirect(on_log, NULL, NULL);
	c[0] = client_connect_as(NOBODY);
	client_expect_alive(c[0]);
	for (unsigned i = 0; i < 30; i++) {
		c[1] = client_connect_as(NOBODY);
		client_expect(c[1], NULL);
		client_free(c[1]);
	}
	expect_logged(1, NOBODY, "ConnectionsPerUser");
	varlink_server_counters(toy_server, count_refused, &refused);
	assert_int_equal(refused, 30);
	client_free(c[0]);
	toy_turn_until_connections(0);
	/* another server has not said it yet */
	restart_with(&settings);
	c[0] = client_connect_as(NOBODY);
	client_expect_alive(c[0]);
	c[1] = client_connect_as(OTHER_UID);
	client_expect_alive(c[1]);
	c[2] = client_connect_as(NOBODY);
	client_expect(c[2], NULL);
	for (unsigned i = 0; i < 3; i++)
		client_free(c[i]);
	expect_logged(2, NOBODY, "ConnectionsMax");
	toy_turn_until_connections(0);
	log_redirect(NULL, NULL, NULL);
}

static void
each_user_has_a_limit_and_all_together_have_one(void **state)
{
	struct varlink_settings settings = toy_settings();
	struct client *c[64];
	unsigned n = 0;

	(void)state;
	if (getuid() != 0)
		skip();
	settings.connections_max = 12;
	settings.connections_per_uid_max = 8;
	restart_with(&settings);
	while (n < 8) {
		c[n] = client_connect_as(NOBODY);
		client_expect_alive(c[n++]);
	}
	c[n] = client_connect_as(NOBODY);
	client_expect(c[n], NULL);
	client_free(c[n]);
	/* another user is not concerned, until all are too many */
	while (n < 12) {
		c[n] = client_connect_as(OTHER_UID);
		client_expect_alive(c[n++]);
	}
	c[n] = client_connect_as(OTHER_UID);
	client_expect(c[n], NULL);
	client_free(c[n]);
	/* root gets in, up to a limit too */
	while (n < 12 + 16) {
		c[n] = client_connect();
		client_expect_alive(c[n++]);
	}
	c[n] = client_connect();
	client_expect(c[n], NULL);
	client_free(c[n]);
	/* a place that was left is free */
	client_free(c[0]);
	for (unsigned i = 12; i < n; i++)
		client_free(c[i]);
	toy_turn_until_connections(11);
	c[0] = client_connect_as(NOBODY);
	client_expect_alive(c[0]);
	for (unsigned i = 0; i < 12; i++)
		client_free(c[i]);
	toy_turn_until_connections(0);
}

/* F42: clients that connect and leave in thousands. */
static void
connecting_and_leaving_in_thousands_leaves_nothing(void **state)
{
	struct client *good;

	(void)state;
	assert_int_equal(varlink_server_listen(toy_server, path, 0666), 0);
	good = client_connect();
	for (unsigned i = 0; i < 5000; i++) {
		int fd = raw_connect(path);

		if (fd == -EAGAIN) {
			toy_turns(1);
			continue;
		}
		assert_true(fd >= 0);
		if (i % 2 == 0)
			(void)send(fd, "{", 1, MSG_NOSIGNAL);
		(void)close(fd);
	}
	client_expect_alive(good);
	toy_turn_until_connections(1);
	client_free(good);
}

static int64_t
cpu_usec(void)
{
	struct rusage u;

	assert_int_equal(getrusage(RUSAGE_SELF, &u), 0);
	return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * INT64_C(1000000) +
	       u.ru_utime.tv_usec + u.ru_stime.tv_usec;
}

static struct rlimit usual_limit;

static void
on_enough(void *ctx)
{
	(void)ctx;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &usual_limit), 0);
}

/* F44: no descriptor is left.  Out of descriptors: accept() fails and the socket stays
 * readable. */
static void
running_out_of_descriptors_pauses_accepting_without_spinning(void **state)
{
	struct rlimit tight;
	struct timer enough = { 0 };
	struct client *old, *new;
	int64_t cpu;
	int next;

	(void)state;
	assert_int_equal(varlink_server_listen(toy_server, path, 0666), 0);
	old = client_connect();
	client_expect_alive(old);
	new = client_connect();
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &usual_limit), 0);
	next = dup(0);
	assert_true(next >= 0);
	(void)close(next);
	tight = usual_limit;
	tight.rlim_cur = (rlim_t)next;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
	client_expect_alive(old); /* who is in is served */
	assert_int_equal(timer_init(&enough, toy_loop, on_enough, NULL), 0);
	timer_set(&enough, loop_now() + 500);
	client_call(new, "{\"method\":\"" TOY ".Echo\"}");
	cpu = cpu_usec();
	client_expect(new, "{\"parameters\":{}}");
	assert_true(cpu_usec() - cpu < 250000);
	timer_done(&enough);
	client_free(old);
	client_free(new);
}

#define TEST(function) \
	cmocka_unit_test_setup_teardown(function, toy_setup, toy_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(socket_file_has_its_mode_and_goes_with_the_listener),
		TEST(living_socket_is_in_use),
		TEST(stale_file_is_replaced_without_being_away),
		TEST(leftover_of_a_replacement_is_no_obstacle),
		TEST(file_of_another_kind_is_left_alone),
		TEST(impossible_paths_are_told_apart),
		TEST(file_of_somebody_else_is_not_removed),
		TEST(listening_descriptor_is_taken_and_its_file_left),
		TEST(privilege_comes_from_uid_own_uid_or_admin_group),
		TEST(admin_group_is_found_among_many),
		TEST(each_user_has_a_limit_and_all_together_have_one),
		TEST(a_refused_connection_is_told_once_and_counted),
		TEST(connecting_and_leaving_in_thousands_leaves_nothing),
		TEST(running_out_of_descriptors_pauses_accepting_without_spinning),
	};

	return cmocka_run_group_tests_name(
	    "varlink_listen", tests, make_directory, remove_directory);
}
