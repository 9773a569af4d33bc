/*
 * notify.c - sd_notify(3), sd_watchdog_enabled(3), sd_listen_fds(3) in natd's words.
 */
#include "daemon/notify.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <time.h>

#include "proto/text.h"

#define STATUS_MAX 256

bool
notify_is_listened_to(void)
{
	const char *socket = getenv("NOTIFY_SOCKET");

	return socket && socket[0] != '\0';
}

/* A newline in the status would be taken for the next assignment. */
static int
tell(const char *state, const char *status)
{
	char text[STATUS_MAX];

	if (!status)
		return sd_notify(0, state);
	text_copy_printable(text, sizeof(text), status, strlen(status));
	return sd_notifyf(0, "%s\nSTATUS=%s", state, text);
}

int
notify_ready(const char *status)
{
	return tell("READY=1", status);
}

int
notify_status(const char *status)
{
	char text[STATUS_MAX];

	text_copy_printable(text, sizeof(text), status, strlen(status));
	return sd_notifyf(0, "STATUS=%s", text);
}

int
notify_reloading(void)
{
	struct timespec now;

	/* Not natd's clock: the manager compares this with its own CLOCK_MONOTONIC. */
	clock_gettime(CLOCK_MONOTONIC, &now);
	return sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%lld",
	    (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
}

int
notify_stopping(const char *status)
{
	return tell("STOPPING=1", status);
}

int
notify_alive(void)
{
	return sd_notify(0, "WATCHDOG=1");
}

msec_t
notify_watchdog_period_ms(void)
{
	uint64_t usec;

	if (sd_watchdog_enabled(0, &usec) <= 0 || usec / 2000 > INT32_MAX)
		return MSEC_NEVER;
	return MAX((msec_t)(usec / 2000), 1);
}

static void
free_names(char ***names)
{
	for (char **name = *names; name && *name; name++)
		free(*name);
	free(*names);
}

size_t
notify_listen_fds(const char *name, int *ret, size_t max)
{
	_cleanup_(free_names) char **names = NULL;
	int n = sd_listen_fds_with_names(0, &names);
	size_t count = 0;

	for (int i = 0; i < n; i++) {
		if (strcmp(names[i], name) != 0)
			continue;
		if (count < max)
			ret[count] = SD_LISTEN_FDS_START + i;
		count++;
	}
	return count;
}
