/*
 * fdstore.h - sockets that the service manager keeps while natd is restarted
 * (FileDescriptorStoreMax= in systemd.service(5)).
 *
 * The manager holds a copy from fdstore_put() until fdstore_drop(), and passes it to
 * the next natd, also after a crash; a natd that stops for good need not clean up.
 * What a socket is good for is in its name, all else can be read from the socket
 * itself.  Without a manager all of this does nothing; nor does it with NULL.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* As in the unit; $FDSTORE, where the manager sets it (systemd 254), may say less. */
#define FDSTORE_MAX 512

struct fdstore; /* opaque */

/* Takes over what the manager kept.  0 or -ENOMEM. */
int fdstore_new(struct fdstore **ret);
/* The manager keeps what it has.  Returns NULL. */
struct fdstore *fdstore_free(struct fdstore *s);

/* The next socket that was kept for this use, with the number it was put there with.  A
 * descriptor, of which the manager still has a copy; or -ENOENT. */
int fdstore_take(struct fdstore *s, const char *use, uint64_t *ret_number);
/* Drops and closes what nobody has taken: an older natd had a use for it. */
void fdstore_sweep(struct fdstore *s);

/* Whether the manager has a copy now; false: it takes no more, or not now, for there
 * were too many lately, or there is none.  use: a word of at most 16 letters. */
bool fdstore_put(struct fdstore *s, const char *use, int fd, uint64_t number);
/* The manager closes its copy, soon; the caller's is the caller's.  Whether it has one
 * that is to be closed. */
bool fdstore_drop(struct fdstore *s, int fd);
/* Waits, not for long, until it has. */
void fdstore_settle(struct fdstore *s);

/* natd ends: from now on fdstore_drop() does nothing, all else is closed as ever. */
void fdstore_freeze(struct fdstore *s);
