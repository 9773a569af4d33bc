/*
 * varlink.h - Varlink server on Unix stream sockets: framing, limits, calls by table.
 *
 * Knows the protocol (one JSON object and one NUL per message, calls answered strictly
 * in order, more/continues/oneway/upgrade, org.varlink.service) and nothing of what the
 * methods do.  Hostile and slow clients cost a bounded amount of memory and never delay
 * another client: input at most 64 KiB per call, output at most 1 MiB per connection or
 * one answer of 8, and far less while 32 MiB wait for clients that do not read.
 *
 * Lifetime: a call is owned by the server.  It lives until it is answered for good
 * (varlink_reply(), varlink_error()) or its connection ends, whichever is first; a
 * method that answers later registers an on_end callback and forgets the call there.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/loop.h"
#include "proto/json.h"

struct varlink_server; /* opaque */
struct varlink_call;   /* opaque: one call being answered */

#define VARLINK_INPUT_MAX (64 * 1024)
#define VARLINK_OUTPUT_MAX (1024 * 1024)
/* One answer may be larger when nothing else waits: a list of all mappings. */
#define VARLINK_MESSAGE_MAX (8 * 1024 * 1024)

/* One named input parameter of a method. */
enum varlink_type {
	VARLINK_INT, /* int64 within [min, max]; decimal strings are accepted */
	VARLINK_BOOL,
	VARLINK_STRING, /* UTF-8 without control characters, of [min, max] bytes */
	VARLINK_ENUM,   /* string of values[], delivered as its index */
	VARLINK_ENUMS,  /* array of at least min of them, no duplicates: delivered in
			   order */
};

struct varlink_param {
	const char *name;
	enum varlink_type type;
	bool required; /* null or missing is InvalidParameter */
	int64_t min, max;
	const char *const *values; /* NULL-terminated; ENUM, ENUMS */
};

#define VARLINK_PARAMS_MAX 16
#define VARLINK_ENUMS_MAX 16

/* A checked value; present is false for null and for a missing parameter. */
struct varlink_value {
	bool present;
	int64_t i;      /* INT, ENUM index, BOOL 0/1 */
	const char *s;  /* STRING: borrowed until the call ends */
	unsigned count; /* ENUMS */
	uint8_t list[VARLINK_ENUMS_MAX];
};

enum varlink_method_flags {
	VARLINK_MORE_REQUIRED = 1 << 0,  /* without more: ExpectedMore */
	VARLINK_MORE_SUPPORTED = 1 << 1, /* otherwise "more" is ignored */
	VARLINK_PRIVILEGED = 1 << 2,     /* else PermissionDenied */
	VARLINK_TAKES_FD = 1 << 3,       /* one descriptor may ride on the call */
};

struct varlink_method {
	const char *name; /* "RequestMapping" */
	unsigned flags;
	const struct varlink_param *params; /* ends with name NULL */
	/* values[i] belongs to params[i].  Answers now or later, exactly once.
	 * NULL: MethodNotImplemented. */
	void (*handle)(
	    struct varlink_call *call, const struct varlink_value *values, void *ctx);
};

struct varlink_interface {
	const char *name;                     /* "org.natd.NAT" */
	const char *description;              /* the IDL text */
	const struct varlink_method *methods; /* ends with name NULL */
	void *ctx;
};

/* Sees each call once when it came and once when it was answered, for traces. */
struct varlink_observer {
	/* method: as the caller wrote it; borrowed. */
	void (*called)(const struct varlink_call *c, const char *method, void *ctx);
	/* By its first reply, or by nothing: the connection ended.  error: full name,
	 * NULL: a good reply. */
	void (*answered)(const struct varlink_call *c, const char *error, void *ctx);
	void *ctx;
};

struct varlink_settings {
	const char *vendor, *product, *version, *url; /* GetInfo; borrowed */
	unsigned connections_max; /* in all; privileged peers may have 16 more */
	unsigned connections_per_uid_max; /* not for privileged peers */
	msec_t
	    half_message_ms; /* the rest of a message must come within; 0: 5 minutes */
	uid_t own_uid;
	const char *admin_group; /* members are privileged; may not exist */
	const struct varlink_observer *observer; /* borrowed; NULL: none */
};

int varlink_server_new(struct loop *l, const struct varlink_settings *settings,
    struct varlink_server **ret);
/* Ends all connections; open calls get on_end. */
struct varlink_server *varlink_server_free(struct varlink_server *s);

/* The interface is borrowed for the server's life.  Built in are org.varlink.service
 * and io.systemd.service (Ping); an interface of the name of another adds its methods
 * to that one, and its description is the one shown.  0, -EINVAL: a method with too
 * many parameters or enum values; -ENOSPC: more than 8 interfaces; -ENOMEM. */
int varlink_server_add_interface(
    struct varlink_server *s, const struct varlink_interface *interface);

/* Bind and listen; mode of the socket file, e.g. 0666.  A socket file nobody listens on
 * is replaced by rename().  0, -EADDRINUSE: somebody listens; -ENOTSOCK: the file is no
 * socket; -ENOENT: no such directory; -ENAMETOOLONG: more than 103 bytes; -errno. */
int varlink_server_listen(struct varlink_server *s, const char *path, mode_t mode);
/* Take a listening descriptor (socket activation).  0, or -EINVAL if it is none: then
 * it stays the caller's. */
int varlink_server_listen_fd(struct varlink_server *s, int fd);
/* Serve a connected stream socket, within the limits.  Takes fd in any case.  0, or
 * -EUSERS: over a limit, or another -errno: closed at once. */
int varlink_server_serve_fd(struct varlink_server *s, int fd);
/* Stop accepting, and remove the socket file if listen() made it. */
void varlink_server_stop_listening(struct varlink_server *s);

/* Counters for metrics.  kind "method": full name and calls; "error": full name and how
 * often it was answered; "connection": "accepted", and "refused" (over a limit). */
unsigned varlink_server_connections(const struct varlink_server *s);
void varlink_server_counters(const struct varlink_server *s,
    void (*each)(const char *kind, const char *name, uint64_t count, void *ctx),
    void *ctx);

/* ---- inside a method ---- */

uid_t varlink_call_uid(const struct varlink_call *c);
pid_t varlink_call_pid(const struct varlink_call *c);
/* uid 0, the daemon's own uid, or a member of the admin group. */
bool varlink_call_privileged(const struct varlink_call *c);
bool varlink_call_more(const struct varlink_call *c);
/* The passed descriptor, -1 if none; the caller then owns it. */
int varlink_call_take_fd(struct varlink_call *c);

/* Called once when the call is over by any way, after the last reply: the connection
 * ended, the final reply was queued, the server is freed.  The call is dead afterwards,
 * and nothing can be answered from there. */
void varlink_call_on_end(struct varlink_call *c,
    void (*on_end)(struct varlink_call *c, void *ctx), void *ctx);

/* Final reply; takes parameters.  The call is dead afterwards.  A reply that is NULL or
 * spoiled (no memory) or larger than VARLINK_MESSAGE_MAX closes the connection. */
void varlink_reply(struct varlink_call *c, cJSON *parameters);
/* The same without parameters. */
void varlink_reply_empty(struct varlink_call *c);
/* One of several; takes parameters.  0; -ENOBUFS: the reader is too slow and nothing
 * was queued, ask again after on_drain or end the call; -EMSGSIZE: it can never fit;
 * -EOPNOTSUPP: the call came without "more".  Never ends the call. */
int varlink_reply_continues(struct varlink_call *c, cJSON *parameters);
/* Called each time the output queue of a call that got -ENOBUFS has room again. */
void varlink_call_on_drain(struct varlink_call *c,
    void (*on_drain)(struct varlink_call *c, void *ctx), void *ctx);

/* error: full name ("org.natd.NAT.NoGateway"); takes parameters (NULL: {}). */
void varlink_error(struct varlink_call *c, const char *error, cJSON *parameters);
void varlink_error_invalid_parameter(struct varlink_call *c, const char *name);
void varlink_error_permission_denied(struct varlink_call *c);
