/*
 * uplink.h - the ways out, computed from the tables.  Pure; netmon.h says what comes
 * out.
 */
#pragma once

#include "netmon/netmon.h"
#include "netmon/table.h"

size_t
netmon_uplinks_from(const struct netmon_tables *t, const struct netmon_named *named,
    size_t named_count, struct netmon_uplink *ret, size_t max);

/* The route that unmarked traffic of this host takes to the internet at large, as the
 * rules decide; NULL: none.  Borrowed from the table. */
const struct netmon_route *
netmon_default_route(const struct netmon_tables *t, int family);
