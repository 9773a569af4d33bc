/*
 * stun_private.h - shared by stun.c (servers, their names), stun_watch.c (one binding
 * with its sockets) and stun_look.c (what several servers say).  Nobody else includes
 * this.
 */
#pragma once

#include "daemon/resolve.h"
#include "daemon/sock.h"
#include "daemon/stun.h"
#include "daemon/stun_query.h"
#include "proto/stun_binding.h"

#define STUN_FAMILIES 2 /* IPv4, IPv6 */
#define STUN_ASKS 2 /* servers asked over streams at a time: as many as must agree */

struct stun_server {
	struct stun *stun;
	struct stun_uri uri;
	char name[STUN_URI_MAX];
	struct resolve *resolve;
	bool more_to_come;                 /* another family of its addresses */
	struct endpoint list[RESOLVE_MAX]; /* the last good answer */
	size_t count;
	unsigned next[STUN_FAMILIES];  /* which address: another one after a failure */
	msec_t resolved_at, failed_at; /* 0: never */
	int error;
};

struct stun_keep; /* opaque */

struct stun_slot {
	struct stun_watch *watch;
	int fd; /* -1: closed */
	struct event *event;
	struct endpoint local;
	uint8_t family; /* its row */
	bool kept;      /* by the service manager, too */
	unsigned owed;  /* answers to the present request that may come */
	msec_t asked_at;
};

/* A watched socket; with app.fd -1 a look from a socket of our own. */
struct stun_watch {
	struct stun_watch *next;
	struct stun *stun;
	struct twin_app app;
	struct stun_watch_hooks hooks;
	struct stun_server *own; /* the one server the caller wants, or NULL */
	bool fixed_interval;
	bool running, stopped; /* freed when it is neither running nor wanted */
	struct stun_binding binding;
	struct stun_slot slots[STUN_BINDING_ATTEMPTS];
	struct timer timer;
	uint32_t tried[STUN_FAMILIES]; /* servers asked in this search */
	unsigned opens;
	int error; /* why the last one could not be asked */
	struct stun_report told;
};

/* One server asked over TCP, TLS or DTLS. */
struct stun_ask {
	struct stun *stun;
	struct stun_query *query; /* NULL: free */
	uint8_t server, row;
	enum stun_transport transport;
};

/* What is being found out about our address of one family. */
struct stun_look {
	struct stun_watch *watch; /* over UDP */
	struct stun_ask asks[STUN_ASKS];
	msec_t asked_at[STUN_POOL_MAX]; /* over something else; 0: never */
	bool udp_silent;                /* nobody answers over UDP on this network */
	bool waiting;                   /* for names of servers of something else */
	enum stun_agreement agreed;
	struct addr external;
};

struct stun {
	struct loop *loop;
	struct engine *engine;
	struct engine_observer observer;
	struct crypto_rng *ids;
	struct rng rng;
	struct stun_chance chance;
	struct stun_pool pool;
	struct stun_server servers[STUN_POOL_MAX];
	struct stun_watch *watches;
	struct stun_look looks[STUN_FAMILIES];
	struct stun_observer *observers;
	struct tls_trust *trust; /* while somebody is asked over TLS */
	unsigned lifetime_s[STUN_FAMILIES];
	uint64_t network; /* a digest of the uplinks */
	struct stun_keep *keep;
	struct stun_late *late;
	struct stun_counters counters;
	unsigned generation;
	struct stun_listener listener; /* zeroed: nobody listens */
};

static inline unsigned
stun_row(enum addr_family family)
{
	return family == ADDR_IPV6;
}

/* stun.c */

/* Asks for the addresses of a server if that is due.  Whether there may be news. */
bool stun_server_resolve(struct stun_server *server);
/* The address to ask now, of the family's row; false: it has none. */
bool stun_server_address(
    const struct stun_server *server, unsigned row, struct endpoint *ret);
/* Forgets names under way. */
void stun_server_done(struct stun_server *server);
/* The keepalive interval of a binding of the family. */
msec_t stun_interval(const struct stun *s, unsigned row);
/* A pooled server that is asked over UDP. */
bool stun_server_is_udp(const struct stun *s, unsigned server);
/* The source of a look of our own. */
void stun_source(const struct stun *s, enum addr_family family, struct sock_from *ret);

/* stun_look.c */

/* A configured server said what our address is. */
void stun_said(struct stun *s, unsigned server, const struct endpoint *from,
    const struct addr *seen);
/* Configured servers of the family were asked over UDP in vain: others by other ways.
 */
void stun_udp_silent(struct stun *s, unsigned row);
/* Those that are asked another way: up to two at a time, until two agree. */
void stun_ask_others(struct stun *s, unsigned row);
/* One answered over UDP. */
void stun_udp_answers(struct stun *s, unsigned row);
/* A name was resolved. */
void stun_look_more(struct stun *s);
/* Nobody is asked any more, and nothing known: another network, other servers. */
void stun_look_stop(struct stun *s);

/* Somebody keeps a binding as long as the lifetime allows. */
void stun_kept(struct stun *s, unsigned row);

/* stun_watch.c */
int stun_watch_new(struct stun *s, const struct twin_app *app, struct stun_watch **ret);
/* In the next turn. */
void stun_watch_kick(struct stun_watch *w);
/* Another network. */
void stun_watch_restart(struct stun_watch *w);
/* A name was resolved. */
void stun_watch_more(struct stun_watch *w);
void stun_watch_hurry(struct stun_watch *w);
/* Bindings live longer or shorter than was known; may tell its owner. */
void stun_watch_retime(struct stun_watch *w);

/* stun_keep.c */

/* Takes the twins that the store (NULL: there is none; borrowed) kept.  0 or -ENOMEM.
 */
int stun_keep_new(struct loop *loop, struct fdstore *store, struct stun_keep **ret);
struct stun_keep *stun_keep_free(struct stun_keep *k);
/* The twin that a natd before us had of the watched socket, to a server that may still
 * be asked.  A descriptor, or -ENOENT. */
int stun_keep_claim(
    struct stun_watch *w, struct endpoint *ret_server, struct endpoint *ret_local);
/* The twin of the slot holds the binding: if that is to last, it is kept. */
void stun_keep_put(struct stun_watch *w, struct stun_slot *slot);
/* The twin is about to be closed. */
void stun_keep_drop(struct stun_slot *slot);

/* stun_late.c */

int stun_late_new(struct loop *loop, struct stun_late **ret);
struct stun_late *stun_late_free(struct stun_late *l);
/* A request went out, or one more time; something came back. */
void stun_late_asked(struct stun_slot *slot, bool again);
void stun_late_heard(struct stun_slot *slot);
/* The twin of the slot is about to be closed: if answers may still come they find it
 * open for a moment. */
void stun_late_keep(struct stun_late *l, const struct stun_slot *slot);
/* Another twin of the application's socket is to hear that server. */
void stun_late_end(
    struct stun_late *l, const struct twin_app *app, const struct endpoint *server);
