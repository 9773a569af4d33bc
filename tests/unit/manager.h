/*
 * manager.h - a service manager: the datagram socket it would listen on, what it is
 * told there and the descriptor that came with it.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "proto/util.h"

static int manager = -1, passed = -1;

/* Nor any word of one in the environment. */
static inline int
without_manager(void **state)
{
	static const char *const variables[] = { "NOTIFY_SOCKET", "FDSTORE",
		"WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID",
		"LISTEN_FDNAMES" };

	(void)state;
	if (manager >= 0)
		close(manager);
	if (passed >= 0)
		close(passed);
	manager = passed = -1;
	for (size_t i = 0; i < ARRAY_SIZE(variables); i++)
		unsetenv(variables[i]);
	return 0;
}

static inline int
with_manager(void **state)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	char variable[64];
	socklen_t len;

	without_manager(state);
	/* Abstract: nothing to remove afterwards. */
	snprintf(variable, sizeof(variable), "@natd-test-%d", getpid());
	len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(variable));
	memcpy(name.sun_path + 1, variable + 1, strlen(variable) - 1);
	manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (manager < 0 || bind(manager, (struct sockaddr *)&name, len) < 0)
		return -1;
	return setenv("NOTIFY_SOCKET", variable, 1);
}

/* The next message, "" if there is none; a descriptor with it in passed. */
static inline const char *
heard(void)
{
	static char text[2048];
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(16 * sizeof(int))];
	} control;
	struct iovec iov = { text, sizeof(text) - 1 };
	struct msghdr m = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(manager, &m, MSG_CMSG_CLOEXEC);

	text[MAX(n, 0)] = '\0';
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); n > 0 && c; c = CMSG_NXTHDR(&m, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
			if (passed >= 0)
				close(passed);
			memcpy(&passed, CMSG_DATA(c), sizeof(passed));
		}
	return text;
}
