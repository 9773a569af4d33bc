/*
 * stun_names.h - the addresses of a STUN server, by the system's resolver.
 */
#pragma once

#include <stddef.h>

#include "proto/addr.h"
#include "proto/stun_uri.h"
#include "proto/util.h" /* before <sys/param.h>, which has a MIN of its own */

#define STUN_NAMES_MAX 16

/* In the order to be tried, families in turn (RFC 8305 section 4); SRV records first
 * where the server has no port (RFC 8489 section 8.1).  Both families are asked for at
 * once; what has come 50 ms after the first has to do, and nobody waits for the
 * resolver beyond the deadline.  Returns how many, or 0 with *ret_why, static text, or
 * NULL: the deadline has passed. */
size_t stun_names(const struct stun_uri *server, enum stun_transport transport,
    enum addr_family family, msec_t deadline, struct endpoint *ret,
    const char **ret_why);
