/*
 * notify.h - what natd tells the service manager, and the sockets it is given by it.
 *
 * Without a manager ($NOTIFY_SOCKET, $WATCHDOG_USEC, $LISTEN_FDS) all of this does
 * nothing and says so by 0; nothing here can fail in a way that matters to natd.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "proto/util.h"

/* Whether somebody listens to the notifications. */
bool notify_is_listened_to(void);

/*
 * Each returns 1: told, 0: nobody listens, -errno.
 *
 * READY=1 ends start-up and every reload; status is the one human line that
 * `systemctl status` shows, made printable, at most 255 bytes (the caller keeps to one
 * a second); NULL leaves the last one.
 */
int notify_ready(const char *status);
int notify_status(const char *status);
int notify_reloading(void);
int notify_stopping(const char *status);
int notify_alive(void); /* WATCHDOG=1 */

/* How often notify_alive() is to be called: half the time after which the manager kills
 * natd; MSEC_NEVER: it does not watch. */
msec_t notify_watchdog_period_ms(void);

/*
 * The descriptors passed for socket activation under this name, close-on-exec.  Fills
 * ret[0..max) and returns how many there are (perhaps more than max), 0: none.
 */
size_t notify_listen_fds(const char *name, int *ret, size_t max);
