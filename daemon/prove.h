/*
 * prove.h - proto/stun_prove.h with sockets: whether a port outside leads to a socket
 * of this host, by the first configured STUN server that can prove it.
 */
#pragma once

#include "daemon/loop.h"
#include "daemon/sock.h"
#include "daemon/stun.h"
#include "daemon/twin.h"
#include "proto/stun_prove.h"

struct prove; /* opaque: one proof under way */

struct prove_settings {
	struct sock_from from; /* ifname borrowed for the proof's life */
	uint16_t port;         /* outside */
	/* Where it should arrive: at a twin of this socket (borrowed), or at one of our
	 * own, which is taken in any case. */
	const struct twin_app *app;
	int fd; /* -1 with app */
	enum stun_prove_place place;
};

struct prove_result {
	/* What the last server said that was not of no use at all; PENDING: none could
	 * be asked. */
	enum stun_prove_verdict verdict;
	struct endpoint place; /* the answers were sent from there */
	struct addr seen;      /* as which we are seen; ADDR_NONE: not known */
};

struct prove_hooks {
	/* Another server is asked. */
	void (*asking)(const struct endpoint *server, void *ctx);
	/* The proof may be stopped from within; nothing more follows. */
	void (*done)(const struct prove_result *r, void *ctx);
	void *ctx;
};

/* loop, stun are borrowed.  Hooks are called from the loop only.  0 or -errno. */
int
prove_start(struct loop *loop, struct stun *stun, const struct prove_settings *settings,
    const struct prove_hooks *hooks, struct prove **ret);
/* NULL is fine; returns NULL. */
struct prove *prove_stop(struct prove *p);
