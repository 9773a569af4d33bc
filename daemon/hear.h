/*
 * hear.h - what routers say unasked: announcements on 224.0.0.1:5350 and [ff02::1]:5350
 * (RFC 6886 3.2.1, RFC 6887 14.1.3), and SSDP NOTIFY on port 1900.
 *
 * Everything heard is a hint from a network nobody trusts: the sender must be the
 * gateway of the interface it came in by, and the gateway is then asked itself.  The
 * sockets are open only while a lease is held somewhere; nothing is ever answered.
 */
#pragma once

#include "daemon/loop.h"
#include "proto/addr.h"

struct hear; /* opaque */

struct hear_hooks {
	void (*announced)(unsigned ifindex, const struct addr *from, void *ctx);
	void (*ssdp)(unsigned ifindex, const struct addr *from, const char *buf,
	    size_t len, void *ctx);
	void *ctx;
};

int hear_new(struct loop *loop, const struct hear_hooks *hooks, struct hear **ret);
struct hear *hear_free(struct hear *h);

/* Listen on exactly these interfaces, each named once or more; count 0 closes the
 * sockets.  What cannot be opened is done without (quirk 43).  False: call it again in
 * a while, it may be possible then (F32). */
bool hear_on(struct hear *h, const unsigned *ifindexes, size_t count);
