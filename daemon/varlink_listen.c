/*
 * varlink_listen.c - listening sockets and the files that name them.
 *
 * A socket file outlives a daemon that was killed, so one that refuses connections is
 * replaced: by rename(), since a client must find either the old or the new one, and
 * under a lock on the directory, since two daemons may start at once.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/varlink_internal.h"

#define ACCEPTS_PER_TURN 64
#define BACKLOG 1024
#define PAUSE_MS MSEC_PER_SEC
#define NEW_SUFFIX ".new"

static void
closep(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
}

/* ---- accepting ---- */

static void
on_connection(evutil_socket_t fd, short what, void *ctx)
{
	struct listener *l = ctx;

	(void)what;
	for (unsigned i = 0; i < ACCEPTS_PER_TURN; i++) {
		int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (peer >= 0) {
			(void)varlink_server_serve_fd(l->server, peer);
			continue;
		}
		if (errno == ECONNABORTED || errno == EINTR)
			continue;
		if (errno == EAGAIN)
			return;
		/* No descriptors or no memory left: the connection stays in the queue
		 * and the socket readable, so to ask again at once would only burn
		 * time. */
		(void)event_del(&l->readable);
		timer_set(&l->pause, loop_now() + PAUSE_MS);
		return;
	}
}

static void
on_pause_over(void *ctx)
{
	struct listener *l = ctx;

	if (event_add(&l->readable, NULL) < 0)
		timer_set(&l->pause, loop_now() + PAUSE_MS);
}

/* Takes fd, and path, on success. */
static int
listener_new(struct varlink_server *s, int fd, char *path, const struct stat *file)
{
	_cleanup_(freep) struct listener *l = calloc(1, sizeof(*l));

	if (l == NULL || timer_init(&l->pause, s->loop, on_pause_over, l) < 0)
		return -ENOMEM;
	l->server = s;
	l->fd = fd;
	(void)event_assign(&l->readable, loop_base(s->loop), fd, EV_READ | EV_PERSIST,
	    on_connection, l);
	if (event_add(&l->readable, NULL) < 0) {
		timer_done(&l->pause);
		return -ENOMEM;
	}
	l->path = path;
	if (path != NULL)
		l->file = *file;
	LIST_INSERT_HEAD(&s->listeners, l, link);
	(void)TAKE_PTR(l);
	return 0;
}

static void
listener_free(struct listener *l)
{
	struct stat now;

	LIST_REMOVE(l, link);
	(void)event_del(&l->readable);
	timer_done(&l->pause);
	/* perhaps somebody else has put his own there meanwhile */
	if (l->path != NULL && lstat(l->path, &now) == 0 &&
	    now.st_dev == l->file.st_dev && now.st_ino == l->file.st_ino)
		(void)unlink(l->path);
	(void)close(l->fd);
	free(l->path);
	free(l);
}

void
varlink_server_stop_listening(struct varlink_server *s)
{
	while (!LIST_EMPTY(&s->listeners))
		listener_free(LIST_FIRST(&s->listeners));
}

/* ---- making ---- */

static int
address_of(const char *path, struct sockaddr_un *ret)
{
	size_t len = strlen(path);

	if (len == 0)
		return -EINVAL;
	if (len + sizeof(NEW_SUFFIX) > sizeof(ret->sun_path))
		return -ENAMETOOLONG;
	*ret = (struct sockaddr_un) { .sun_family = AF_UNIX };
	memcpy(ret->sun_path, path, len + 1);
	return 0;
}

/* 0: nothing is there; 1: a socket nobody listens on; -EADDRINUSE, -ENOTSOCK, -errno.
 */
static int
look_at(const struct sockaddr_un *address)
{
	_cleanup_(closep) int fd = -1;
	struct stat st;

	if (lstat(address->sun_path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -ENOTSOCK;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0) {
		if (errno == ECONNREFUSED)
			return 1;
		/* EAGAIN: its queue is full; EPROTOTYPE: of another type */
		if (errno != EAGAIN && errno != EPROTOTYPE)
			return -errno;
	}
	return -EADDRINUSE;
}

/* Locks the directory, as far as one can: anybody who may read it may hold the lock,
 * and must not be able to keep the daemon from starting.  The descriptor or -errno. */
static int
lock_directory_of(const char *path)
{
	_cleanup_(freep) char *directory = strdup(path);
	char *slash;
	int fd;

	if (directory == NULL)
		return -ENOMEM;
	slash = strrchr(directory, '/');
	if (slash != NULL)
		slash[slash == directory] = '\0';
	fd = open(slash != NULL ? directory : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	(void)flock(fd, LOCK_EX | LOCK_NB);
	return fd;
}

static int
bind_and_listen(int fd, const struct sockaddr_un *address, mode_t mode)
{
	if (bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0)
		return -errno;
	if (chmod(address->sun_path, mode) < 0 || listen(fd, BACKLOG) < 0) {
		int r = -errno;

		(void)unlink(address->sun_path);
		return r;
	}
	return 0;
}

/* Binds beside the stale file, then takes its place. */
static int
replace_and_listen(int fd, const struct sockaddr_un *address, mode_t mode)
{
	struct sockaddr_un beside = *address;
	int r;

	(void)stpcpy(beside.sun_path + strlen(beside.sun_path), NEW_SUFFIX);
	(void)unlink(beside.sun_path);
	r = bind_and_listen(fd, &beside, mode);
	if (r < 0)
		return r;
	if (rename(beside.sun_path, address->sun_path) < 0) {
		r = -errno;
		(void)unlink(beside.sun_path);
	}
	return r;
}

int
varlink_server_listen(struct varlink_server *s, const char *path, mode_t mode)
{
	_cleanup_(closep) int lock = -1;
	_cleanup_(closep) int fd = -1;
	_cleanup_(freep) char *own_path = NULL;
	struct sockaddr_un address;
	struct stat file;
	int r;

	r = address_of(path, &address);
	if (r < 0)
		return r;
	lock = lock_directory_of(path);
	if (lock < 0)
		return lock;
	r = look_at(&address);
	if (r < 0)
		return r;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	own_path = strdup(path);
	if (fd < 0 || own_path == NULL)
		return fd < 0 ? -errno : -ENOMEM;
	r = r > 0 ? replace_and_listen(fd, &address, mode)
		  : bind_and_listen(fd, &address, mode);
	if (r == 0 && lstat(path, &file) < 0)
		r = -errno;
	if (r == 0)
		r = listener_new(s, fd, own_path, &file);
	if (r < 0)
		return r;
	fd = -1;
	(void)TAKE_PTR(own_path);
	return 0;
}

static bool
socket_option_is(int fd, int option, int wanted)
{
	int value;
	socklen_t size = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, option, &value, &size) == 0 &&
	       value == wanted;
}

int
varlink_server_listen_fd(struct varlink_server *s, int fd)
{
	int flags;

	if (!socket_option_is(fd, SO_DOMAIN, AF_UNIX) ||
	    !socket_option_is(fd, SO_TYPE, SOCK_STREAM) ||
	    !socket_option_is(fd, SO_ACCEPTCONN, 1))
		return -EINVAL;
	flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
	    fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return -errno;
	return listener_new(s, fd, NULL, NULL);
}
