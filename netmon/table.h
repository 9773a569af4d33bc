/*
 * table.h - what is there now, and whether a message or a fresh dump changes it.
 *
 * A table is a plain array of rows in the kernel's order, bounded by the limits of
 * netmon.h.  Rows compare as bytes, so they must come zeroed from the parser.
 */
#pragma once

#include "netmon/netmon.h"
#include "netmon/parse.h"

struct netmon_table {
	void *rows; /* owned, except in tests that make their tables by hand */
	size_t count, room;
	bool full; /* a row was refused for want of room: the table is incomplete */
};

struct netmon_tables {
	struct netmon_table of[NETMON_SUBJECTS];
};

void netmon_table_clear(struct netmon_table *t);
void netmon_tables_clear(struct netmon_tables *t);

/* The row with this row's key; NULL: none.  Borrowed. */
const void *netmon_table_find(
    const struct netmon_tables *t, enum netmon_subject subject, const void *row);

/* Add the row at the end, or put it in place of the one with its key.  1: this changed
 * something, 0: not (or the table is full), -ENOMEM. */
int
netmon_table_put(struct netmon_tables *t, enum netmon_subject subject, const void *row);

/* Add at the end without looking for the key, as a dump does. */
int netmon_table_append(
    struct netmon_tables *t, enum netmon_subject subject, const void *row);

/* Remove the row with this row's key.  Whether there was one. */
bool netmon_table_drop(
    struct netmon_tables *t, enum netmon_subject subject, const void *row);

/* Remove the addresses or neighbours (subject) of a link.  Whether there were any. */
bool netmon_table_drop_link(
    struct netmon_tables *t, enum netmon_subject subject, int ifindex);

/* Take over the fresh table, which is left empty.  Whether it holds other rows than the
 * old one; for routes and rules, whose order means something, or another order. */
bool netmon_table_take(
    struct netmon_tables *t, enum netmon_subject subject, struct netmon_tables *fresh);

/* Typed views. */
static inline const struct netmon_link *
netmon_table_links(const struct netmon_tables *t, size_t *ret_count)
{
	*ret_count = t->of[NETMON_LINK].count;
	return t->of[NETMON_LINK].rows;
}

static inline const struct netmon_addr *
netmon_table_addrs(const struct netmon_tables *t, size_t *ret_count)
{
	*ret_count = t->of[NETMON_ADDR].count;
	return t->of[NETMON_ADDR].rows;
}

static inline const struct netmon_route *
netmon_table_routes(const struct netmon_tables *t, size_t *ret_count)
{
	*ret_count = t->of[NETMON_ROUTE].count;
	return t->of[NETMON_ROUTE].rows;
}

static inline const struct netmon_rule *
netmon_table_rules(const struct netmon_tables *t, size_t *ret_count)
{
	*ret_count = t->of[NETMON_RULE].count;
	return t->of[NETMON_RULE].rows;
}

static inline const struct netmon_neigh *
netmon_table_neighs(const struct netmon_tables *t, size_t *ret_count)
{
	*ret_count = t->of[NETMON_NEIGH].count;
	return t->of[NETMON_NEIGH].rows;
}
