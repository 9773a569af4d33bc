/*
 * stun.h - how this host looks from outside: the configured STUN servers, and the
 * sockets that are watched through them.
 *
 * Nothing is resolved or asked until somebody wants to know.  Then names are resolved
 * without waiting, servers join as in proto/stun_binding.h, and once one has answered a
 * second, independent one is asked from a socket of our own, so that two say the
 * address, or it is called uncertain.  Where UDP is not answered, servers are asked
 * over TCP, TLS and DTLS.
 */
#pragma once

#include "daemon/conf.h"
#include "daemon/engine.h"
#include "daemon/fdstore.h"
#include "daemon/loop.h"
#include "daemon/twin.h"
#include "proto/stun_pool.h"
#include "proto/stun_uri.h"

struct stun;       /* opaque: the service */
struct stun_watch; /* opaque: one application's socket */

/* conf, engine and store (NULL: there is none) are borrowed.  0 or -errno. */
int stun_new(struct loop *loop, const struct conf *conf, struct engine *engine,
    struct fdstore *store, struct stun **ret);
/* All watches are stopped before. */
struct stun *stun_free(struct stun *s);
void stun_set_conf(struct stun *s, const struct conf *conf);

/* How long a UDP binding lives on the way out, as measured; 0: not known.  Keepalives
 * that nobody asked another interval for come after 0.7 of that. */
void stun_set_lifetime(struct stun *s, enum addr_family family, unsigned lifetime_s);

/* ---- watching a socket ---- */

struct stun_report {
	struct endpoint local, reflexive, server;
	msec_t keepalive_ms;
};

/* The watch may be stopped from within. */
struct stun_watch_hooks {
	/* The first address, and each other one. */
	void (*found)(const struct stun_report *r, void *ctx);
	/* Nobody answered, or nobody could be asked: offline, there is no way to any
	 * server.  Later it is tried again. */
	void (*lost)(const char *reason, bool offline, void *ctx);
	void *ctx;
	bool lasting; /* wanted again after a restart of natd */
};

/*
 * Takes app->fd in any case.  server NULL: the configured ones.  keepalive_ms 0: as the
 * lifetime allows.  0 with *ret; -ENODATA: no server of UDP is configured; -errno.
 */
int stun_watch_start(struct stun *s, const struct twin_app *app,
    const struct stun_uri *server, msec_t keepalive_ms,
    const struct stun_watch_hooks *hooks, struct stun_watch **ret);
/* NULL is fine; returns NULL. */
struct stun_watch *stun_watch_stop(struct stun_watch *w);

/* ---- for those who ask servers themselves ---- */

struct stun_choice {
	unsigned server;
	struct endpoint endpoint;
};

/*
 * Up to max configured servers of the family that can be asked over UDP now, those that
 * answered last before those that did not, beginning anywhere.  Names that are not
 * known yet are asked for; *ret_pending: some may still come.
 */
size_t stun_choose(struct stun *s, enum addr_family family, struct stun_choice *ret,
    size_t max, bool *ret_pending);
/* A server's name could not be resolved the last time, and nothing is known of it. */
bool stun_unresolved(const struct stun *s);
/* It answered after so long, or (-1) did not while others did. */
void stun_heard(struct stun *s, unsigned server, msec_t round_trip_ms);
/* None answered over UDP: our address is asked for by other ways. */
void stun_blocked(struct stun *s, enum addr_family family);
/* Grows with each change of the configured servers. */
unsigned stun_generation(const struct stun *s);

/* What one listener is told of. */
struct stun_listener {
	void (*resolved)(void *ctx); /* a name was resolved, or cannot be */
	/* A binding is kept, but how long one lives is not known. */
	void (*kept)(enum addr_family family, void *ctx);
	void *ctx;
};
/* NULL: nobody listens any more. */
void stun_listen(struct stun *s, const struct stun_listener *listener);

/* ---- what is known ---- */

struct stun_server_status {
	const char *name;         /* as configured, borrowed */
	struct endpoint endpoint; /* ADDR_NONE: not resolved */
	int64_t round_trip_us;    /* -1: not known */
	int success_rate;         /* percent, -1: never asked */
	unsigned failures_in_a_row;
	enum stun_circuit circuit;
};

size_t stun_servers(const struct stun *s);
void stun_server_status(const struct stun *s, size_t i, struct stun_server_status *ret);

/* What independent servers agree on, or with STUN_UNCERTAIN what some say; see
 * stun_pool_agreement(). */
enum stun_agreement
stun_external(const struct stun *s, enum addr_family family, struct addr *ret);

/* Whether any server is known to have an address of the family. */
bool stun_speaks(const struct stun *s, enum addr_family family);

/* Whether two servers lately said different ones. */
bool stun_disagree(const struct stun *s, enum addr_family family);
/* Embedded in its owner, which is told when that is another address or of another
 * certainty. */
struct stun_observer {
	void (*external)(struct stun_observer *o, enum addr_family family);
	struct stun_observer *next;
};
void stun_observe(struct stun *s, struct stun_observer *o);
void stun_unobserve(struct stun *s, struct stun_observer *o);

struct stun_counters {
	uint64_t requests, answers, failures, changes;
	unsigned watches;
};
const struct stun_counters *stun_get_counters(const struct stun *s);
