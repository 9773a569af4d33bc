/*
 * fdstore.c - FDSTORE=1 and FDSTOREREMOVE=1 of sd_notify(3), and what they left behind.
 *
 * A socket is known by the number the kernel gave it (SO_COOKIE), which no other one
 * gets before the machine is started again; its name is "natd-USE-COOKIE-NUMBER".
 */
#include "daemon/fdstore.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "daemon/loop.h"
#include "proto/util.h"

#ifndef SO_COOKIE
#define SO_COOKIE 57
#endif

#define OURS "natd-" /* begins each name: the others are for socket activation */
#define NAME_MAX_LEN 64
#define SETTLE_USEC 500000
/* Any user can have bindings come and go: that must not keep the manager busy. */
#define PUTS_AT_ONCE (2 * FDSTORE_MAX)
#define PUT_MS 30

struct kept {
	uint64_t cookie;
	int fd; /* of a natd before us, and not yet taken; -1 */
	char name[NAME_MAX_LEN];
};

struct fdstore {
	bool frozen;
	size_t count, max;
	msec_t paced_at; /* when PUTS_AT_ONCE would be free again */
	struct kept list[FDSTORE_MAX];
};

static size_t
most(void)
{
	const char *said = getenv("FDSTORE"), *manager = getenv("NOTIFY_SOCKET");
	unsigned long n = FDSTORE_MAX;

	if (!manager || !manager[0])
		return 0;
	if (said && said[0])
		n = strtoul(said, NULL, 10);
	return MIN(n, FDSTORE_MAX);
}

static uint64_t
cookie_of(int fd)
{
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);

	return getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len) < 0 ? 0 : cookie;
}

static void
tell_drop(const char *name)
{
	(void)sd_notifyf(0, "FDSTOREREMOVE=1\nFDNAME=%s", name);
}

static void
forget(struct fdstore *s, struct kept *k)
{
	tell_drop(k->name);
	if (k->fd >= 0)
		close(k->fd);
	*k = s->list[--s->count];
}

static void
take_over(struct fdstore *s, int fd, const char *name)
{
	struct kept *k = &s->list[s->count];
	uint64_t cookie = cookie_of(fd);

	if (s->count == FDSTORE_MAX || strlen(name) >= NAME_MAX_LEN || cookie == 0) {
		tell_drop(name);
		close(fd);
		return;
	}
	k->cookie = cookie;
	k->fd = fd;
	strcpy(k->name, name);
	s->count++;
}

static void
free_names(char ***names)
{
	for (char **name = *names; name && *name; name++)
		free(*name);
	free(*names);
}

int
fdstore_new(struct fdstore **ret)
{
	_cleanup_(free_names) char **names = NULL;
	struct fdstore *s = calloc(1, sizeof(*s));
	int n;

	if (!s)
		return -ENOMEM;
	s->max = most();
	n = sd_listen_fds_with_names(0, &names);
	for (int i = 0; i < n; i++)
		if (strncmp(names[i], OURS, strlen(OURS)) == 0)
			take_over(s, SD_LISTEN_FDS_START + i, names[i]);
	*ret = s;
	return 0;
}

struct fdstore *
fdstore_free(struct fdstore *s)
{
	for (size_t i = 0; s && i < s->count; i++)
		if (s->list[i].fd >= 0)
			close(s->list[i].fd);
	free(s);
	return NULL;
}

static bool
is_for(const struct kept *k, const char *use)
{
	const char *word = k->name + strlen(OURS);
	size_t len = strlen(use);

	return strncmp(word, use, len) == 0 && word[len] == '-';
}

int
fdstore_take(struct fdstore *s, const char *use, uint64_t *ret_number)
{
	for (size_t i = 0; s && i < s->count; i++) {
		struct kept *k = &s->list[i];
		int fd = k->fd;

		if (fd < 0 || !is_for(k, use))
			continue;
		k->fd = -1;
		*ret_number = strtoull(strrchr(k->name, '-') + 1, NULL, 16);
		return fd;
	}
	return -ENOENT;
}

void
fdstore_sweep(struct fdstore *s)
{
	/* Backwards: the last one takes the place of one that goes. */
	for (size_t i = s ? s->count : 0; i-- > 0;)
		if (s->list[i].fd >= 0)
			forget(s, &s->list[i]);
}

static struct kept *
find(struct fdstore *s, uint64_t cookie)
{
	for (size_t i = 0; i < s->count; i++)
		if (s->list[i].cookie == cookie)
			return &s->list[i];
	return NULL;
}

static bool
is_in_pace(struct fdstore *s)
{
	msec_t now = loop_now(), at = MAX(s->paced_at, now) + PUT_MS;

	if (at > now + (msec_t)PUTS_AT_ONCE * PUT_MS)
		return false;
	s->paced_at = at;
	return true;
}

bool
fdstore_put(struct fdstore *s, const char *use, int fd, uint64_t number)
{
	char state[NAME_MAX_LEN + 64];
	struct kept k = { .fd = -1 };

	if (!s || s->frozen || s->count >= s->max)
		return false;
	k.cookie = cookie_of(fd);
	if (k.cookie == 0 || find(s, k.cookie))
		return k.cookie != 0;
	if (!is_in_pace(s))
		return false;
	snprintf(k.name, sizeof(k.name), OURS "%.16s-%" PRIx64 "-%" PRIx64, use,
	    k.cookie, number);
	/* The manager does not poll it: an ICMP error would have it thrown away. */
	snprintf(state, sizeof(state), "FDSTORE=1\nFDPOLL=0\nFDNAME=%s", k.name);
	if (sd_pid_notify_with_fds(0, 0, state, &fd, 1) <= 0)
		return false;
	s->list[s->count++] = k;
	return true;
}

bool
fdstore_drop(struct fdstore *s, int fd)
{
	struct kept *k = s && !s->frozen ? find(s, cookie_of(fd)) : NULL;

	if (k)
		forget(s, k);
	return k != NULL;
}

void
fdstore_settle(struct fdstore *s)
{
	if (s && !s->frozen && s->max > 0)
		(void)sd_notify_barrier(0, SETTLE_USEC);
}

void
fdstore_freeze(struct fdstore *s)
{
	if (s)
		s->frozen = true;
}
