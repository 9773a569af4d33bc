/*
 * stun_limit.h - how many requests of one source are answered (a token bucket each).
 *
 * A source is an IPv4 address or an IPv6 /64: who has one address of that has all.  The
 * table has a fixed size; when it is full, of the few entries a source may take the one
 * that was idle longest is forgotten.  Which those are depends on a secret, so nobody
 * can aim at another's.
 *
 * Pure: time and the secret are arguments.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "proto/addr.h"
#include "proto/util.h"

#define STUN_LIMIT_ENTRIES 8192
#define STUN_LIMIT_MAX 100000 /* per second */

struct stun_limit;

/* A bucket holds what comes in one second, per_second (1 to STUN_LIMIT_MAX).  secret:
 * random.  0; -EINVAL; -ENOMEM. */
int stun_limit_new(
    unsigned per_second, const uint64_t secret[static 2], struct stun_limit **ret);

/* NULL is fine.  Returns NULL. */
struct stun_limit *stun_limit_free(struct stun_limit *l);

/* Whether a request from there may be answered; if so, it is counted. */
bool stun_limit_take(struct stun_limit *l, const struct addr *from, msec_t now);
