/*
 * facts.h - what the engine and the STUN servers know of a way out, for daemon/judge.c.
 */
#pragma once

#include "daemon/behavior.h"
#include "daemon/engine.h"
#include "daemon/judge.h"
#include "daemon/stun.h"

/* Fills in all but what was asked for and when, and what a STUN server said (stun,
 * server; and reflexive if it answered). */
void facts_gather(
    struct facts *f, struct engine *e, const struct stun *s, struct behaviors *b);

/* The way out that was asked for: IPv4 if any family will do.  NULL: there is none. */
struct gateway *facts_gateway(const struct facts *f, const struct engine *e);
/* That of the other family, where none was asked for; NULL: there is none. */
struct gateway *facts_other_gateway(const struct facts *f, const struct engine *e);

/* Whether one of its services is still being looked for.  g may be NULL. */
bool facts_is_asking(const struct gateway *g);
/* Whether it serves by any method. */
bool facts_opens_ports(const struct gateway *g);
