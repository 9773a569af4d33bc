/*
 * state.h - what survives a restart: records in $STATE_DIRECTORY/leases.json.
 *
 * The file is one JSON object per line, each with its own checksum, so that damage
 * costs the records it hits and no others; it is replaced whole (temporary file, fsync,
 * rename, fsync of the directory), so that a SIGKILL or a power cut leaves the old or
 * the new one.  Between two such saves single records are added at its end: that costs
 * microseconds, and is lost only with the power.  What the records mean is the
 * caller's: leases, tombstones, PCP nonces, habits of routers.  They hold secrets,
 * hence mode 0600.
 *
 * Trouble with the disk never stops natd: it runs on without, says so, and saves again
 * when the disk is well.
 */
#pragma once

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

#include "proto/util.h"

#define STATE_FILE "leases.json"
#define STATE_FILE_BAD \
	"leases.json.bad"        /* the last file in which something was wrong */
#define STATE_SIZE_MAX (4 << 20) /* bytes of the file */
#define STATE_LINE_MAX 65536     /* bytes of one record */

struct state; /* opaque */

/*
 * Records on their way into the file: each is text before the next one is made, for the
 * trees of a thousand together take megabytes.  kind: a word of a-z, 0-9 and -, at most
 * 31.  The object is taken; what is wrong with it is the result of the save.
 */
struct state_records; /* opaque */
void state_put(struct state_records *to, const char *kind, cJSON *object);
typedef void (*state_fill)(void *ctx, struct state_records *to);

/*
 * Take the directory, made if only it itself is missing, for this process alone
 * (flock). NULL: there is none to be had.  0; -EBUSY: another natd has it; -ENOMEM.  A
 * directory that cannot be used is no error here: state_load() and state_save() report
 * it, and the latter tries again each time.
 */
int state_open(const char *dir, struct state **ret);
struct state *state_free(struct state *s);
DEFINE_FREEP(state)

/*
 * Give each valid record to the callback, in the order they were saved; object is the
 * caller's to look at, and to detach members from, for the time of the call.  A record
 * it does not take (false), of a kind that another version of natd knows, is kept and
 * written again with each save.  Fields of an object that the caller does not know are
 * the caller's to keep.
 *
 * 0: all is well, or there is no file yet.  1: some of the file is damaged, missing or
 * too much; the rest was given.  -EPROTONOSUPPORT: written by a newer natd, nothing was
 * given.  -EBADMSG: no file of ours at all (a symbolic link, another owner).  Other
 * -errno: it could not be read.  In all cases but 0 state_error() tells what happened,
 * and where the content is bad it was put aside as STATE_FILE_BAD.
 */
typedef bool (*state_each)(void *ctx, const char *kind, cJSON *object);
int state_load(struct state *s, state_each each, void *ctx);

/*
 * Replace the file by these records, and those kept from the load.  Blocks for the
 * disk. 0, or -errno and state_error(): the old file is still there then (-EFBIG: too
 * much, -EINVAL: a kind cannot be written, -ENOMEM: nor can a spoiled object, -EBUSY as
 * with state_open()).
 */
int state_save(struct state *s, state_fill fill, void *ctx);

/*
 * Add records to the file, without waiting for the disk: a SIGKILL of natd does not
 * lose them, a power cut may.  state_load() gives them after the others.  0; -ESTALE:
 * the file is not such that anything can be added (it was damaged, or the state was not
 * loaded): save; -EFBIG, -EINVAL or another -errno as with state_save().
 */
int state_add(struct state *s, state_fill fill, void *ctx);

/* What went wrong at the last load or save; "" after one that went well.  Borrowed. */
const char *state_error(const struct state *s);
