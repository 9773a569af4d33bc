/*
 * varlink_internal.h - what the files of the Varlink server share.
 *
 *   varlink.c          server, interfaces, accepted peers and their limits, work list
 *   varlink_listen.c   listening sockets and their files
 *   varlink_conn.c     one connection: bytes in, messages out, when it ends
 *   varlink_call.c     one call: header, parameters, dispatch, replies
 *   varlink_service.c  the interfaces that are built in
 *
 * A connection is worked on in one place only, conn_work(), and only conn_work() and
 * the end of the server close it.  All else (descriptor ready, a late reply, a broken
 * pipe) puts it on the server's work list; so no method finds its call gone under its
 * hands.
 */
#pragma once

#include <event2/event.h>
#include <event2/event_struct.h>
#include <sys/queue.h>
#include <sys/stat.h>

#include "daemon/varlink.h"

#define VARLINK_INTERFACES_MAX 8
#define VARLINK_ERRORS_MAX 64
/* Privileged peers may have these above connections_max, so that root gets in. */
#define VARLINK_RESERVE 16

struct conn;

struct peer {
	uid_t uid;
	pid_t pid;
	bool privileged;
};

struct registered_interface {
	const struct varlink_interface *interface;
	uint64_t *calls; /* per method */
};

struct error_count {
	char *name;
	uint64_t count;
};

struct listener {
	LIST_ENTRY(listener) link;
	struct varlink_server *server;
	int fd;
	struct event readable;
	struct timer pause;
	char *path; /* NULL: not ours to remove */
	struct stat file;
};

LIST_HEAD(listeners, listener);
TAILQ_HEAD(conns, conn);

struct varlink_server {
	struct loop *loop;
	struct varlink_settings settings;
	gid_t admin_gid; /* -1: no such group */

	struct registered_interface interfaces[VARLINK_INTERFACES_MAX];
	unsigned n_interfaces;
	struct varlink_interface service, systemd_service; /* built in */

	struct listeners listeners;
	struct conns conns;
	unsigned n_conns;

	struct conns work; /* connections that can go on */
	struct event work_event;
	int work_fd; /* eventfd: work is left for the next turn of the loop */
	bool work_left, working;

	size_t waiting; /* bytes of output, of all connections */
	uint64_t accepted, refused;
	msec_t refused_told_at; /* when the log heard of it last */
	struct error_count errors[VARLINK_ERRORS_MAX];
	unsigned n_errors;
};

struct varlink_call {
	struct conn *conn;
	cJSON *parameters; /* what values[].s point into */
	struct varlink_value values[VARLINK_PARAMS_MAX];
	int fd;
	bool more, oneway;
	bool starved; /* got -ENOBUFS, waits for on_drain */
	bool over;    /* on_end is running or has run */
	bool told;    /* the observer knows that it was answered */
	void (*on_end)(struct varlink_call *c, void *ctx);
	void *on_end_ctx;
	void (*on_drain)(struct varlink_call *c, void *ctx);
	void *on_drain_ctx;
};

/* A descriptor that rode on the message which begins at this place of the input. */
struct passed_fd {
	int fd;
	size_t at;
};

struct conn {
	TAILQ_ENTRY(conn) link, work_link;
	struct varlink_server *server;
	struct peer peer;
	int fd;
	bool queued; /* on the server's work list */
	bool corked; /* in conn_work(), which will write what is put */

	struct event readable, writable;
	bool may_read; /* the socket has not said EAGAIN since it was ready */
	bool blocked;  /* output waits for writable */
	bool eof;      /* the peer sends no more */
	bool broken;   /* to be closed at once */

	char *in; /* [0, in_len), of which [0, in_start) is done with */
	size_t in_start, in_len, in_room;
	size_t in_scanned; /* no NUL in [in_start, in_scanned) */
	struct passed_fd passed[2];
	unsigned n_passed;
	struct timer half; /* runs while the rest of a message is awaited */

	char *out; /* [out_start, out_len) is still to be written */
	size_t out_start, out_len, out_room;

	struct varlink_call *call; /* being answered */
};

/* varlink.c */
void server_queue_work(struct varlink_server *s, struct conn *c);
void server_count_error(struct varlink_server *s, const char *name);

/* varlink_conn.c */
/* Takes fd on success. */
int conn_new(struct varlink_server *s, int fd, const struct peer *peer);
void conn_close(struct conn *c);
/* Goes on with a connection for a bounded while; returns how many steps it took. */
unsigned conn_work(struct conn *c);
/* Appends head, parameters, "}" and a NUL to the output.  limit: for all that waits in
 * the output.  0 or -ENOBUFS: it does not fit, nothing was appended. */
int conn_put_message(
    struct conn *c, const char *head, const cJSON *parameters, size_t limit);
size_t conn_waiting(const struct conn *c);

/* varlink_call.c */
/* One message without its NUL; takes fd (or -1). */
void call_receive(struct conn *c, const char *text, size_t len, int fd);
void call_end(struct varlink_call *call);
void call_drained(struct varlink_call *call);

/* varlink_service.c: org.varlink.service and io.systemd.service */
int service_add_interfaces(struct varlink_server *s);
