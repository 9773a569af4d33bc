/*
 * stun_server.h - natd as a STUN server for others ([StunServer]): sockets, rate
 * limit, credentials around proto/stun_server.h.
 *
 * Off as shipped.  What it cannot do (an address in use, a file of credentials that is
 * not fit) is said in the log and leaves it off: mappings do not depend on it.
 */
#pragma once

#include "daemon/conf.h"
#include "daemon/fdstore.h"
#include "daemon/loop.h"

struct stund;

/* Sockets that the store (NULL: there is none; borrowed) kept for these settings are
 * used again.  0 or -ENOMEM. */
int stund_new(struct loop *loop, const struct conf *conf, struct fdstore *store,
    struct stund **ret);

/* NULL is fine.  Returns NULL. */
struct stund *stund_free(struct stund *s);

/* Starts anew if something is different, or may be (the file of credentials). */
void stund_set_conf(struct stund *s, const struct conf *conf);
