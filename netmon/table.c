/*
 * table.c - bounded arrays of rows, with the kernel's idea of which rows are the same.
 *
 * Linear searches: the usual host has a handful of rows, and at the limits a search is
 * still cheaper than the system call that brought the message.
 */
#include "netmon/table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static bool
same_link(const void *a, const void *b)
{
	const struct netmon_link *x = a, *y = b;

	return x->ifindex == y->ifindex;
}

static bool
same_addr(const void *a, const void *b)
{
	const struct netmon_addr *x = a, *y = b;

	if (x->ifindex != y->ifindex || !netmon_same_ip(&x->ip, &y->ip))
		return false;
	/* IPv4 knows one address several times, told apart by prefix and peer. */
	return x->ip.family != AF_INET ||
	       (x->prefix_len == y->prefix_len && netmon_same_ip(&x->peer, &y->peer));
}

static bool
same_route(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct netmon_route)) == 0;
}

static bool
same_rule(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct netmon_rule)) == 0;
}

static bool
same_neigh(const void *a, const void *b)
{
	const struct netmon_neigh *x = a, *y = b;

	return x->ifindex == y->ifindex && netmon_same_ip(&x->ip, &y->ip);
}

static const struct {
	size_t size, max;
	bool (*same)(const void *a, const void *b);
	bool ordered; /* another order is another meaning */
} kinds[NETMON_SUBJECTS] = {
	[NETMON_LINK] = { sizeof(struct netmon_link), NETMON_LINKS_MAX, same_link,
	    false },
	[NETMON_ADDR] = { sizeof(struct netmon_addr), NETMON_ADDRS_MAX, same_addr,
	    false },
	[NETMON_ROUTE] = { sizeof(struct netmon_route), NETMON_ROUTES_MAX, same_route,
	    true },
	[NETMON_RULE] = { sizeof(struct netmon_rule), NETMON_RULES_MAX, same_rule,
	    true },
	[NETMON_NEIGH] = { sizeof(struct netmon_neigh), NETMON_NEIGHS_MAX, same_neigh,
	    false },
};

static uint8_t *
row_at(const struct netmon_table *t, enum netmon_subject subject, size_t i)
{
	return (uint8_t *)t->rows + i * kinds[subject].size;
}

void
netmon_table_clear(struct netmon_table *t)
{
	free(t->rows);
	*t = (struct netmon_table) { 0 };
}

void
netmon_tables_clear(struct netmon_tables *t)
{
	for (size_t i = 0; i < NETMON_SUBJECTS; i++)
		netmon_table_clear(&t->of[i]);
}

/* The index of the row with this key, looked for from `start` on and round; count:
 * none. */
static size_t
find(const struct netmon_table *t, enum netmon_subject subject, const void *row,
    size_t start)
{
	for (size_t i = 0; i < t->count; i++) {
		size_t at = (start + i) % t->count;

		if (kinds[subject].same(row_at(t, subject, at), row))
			return at;
	}
	return t->count;
}

const void *
netmon_table_find(
    const struct netmon_tables *t, enum netmon_subject subject, const void *row)
{
	size_t i = find(&t->of[subject], subject, row, 0);

	return i < t->of[subject].count ? row_at(&t->of[subject], subject, i) : NULL;
}

int
netmon_table_append(
    struct netmon_tables *tables, enum netmon_subject subject, const void *row)
{
	struct netmon_table *t = &tables->of[subject];
	size_t size = kinds[subject].size;

	if (t->count == kinds[subject].max) {
		t->full = true;
		return 0;
	}
	if (t->count == t->room) {
		size_t room = t->room ? t->room * 2 : 16;
		void *rows = reallocarray(t->rows, room, size);

		if (!rows)
			return -ENOMEM;
		t->rows = rows;
		t->room = room;
	}
	memcpy(row_at(t, subject, t->count++), row, size);
	return 1;
}

int
netmon_table_put(
    struct netmon_tables *tables, enum netmon_subject subject, const void *row)
{
	struct netmon_table *t = &tables->of[subject];
	size_t i = find(t, subject, row, 0), size = kinds[subject].size;

	if (i == t->count)
		return netmon_table_append(tables, subject, row);
	if (memcmp(row_at(t, subject, i), row, size) == 0)
		return 0;
	memcpy(row_at(t, subject, i), row, size);
	return 1;
}

static void
remove_at(struct netmon_table *t, enum netmon_subject subject, size_t i)
{
	/* The order stays: the first address of a link is its primary one. */
	memmove(row_at(t, subject, i), row_at(t, subject, i + 1),
	    (t->count - i - 1) * kinds[subject].size);
	t->count--;
}

bool
netmon_table_drop(
    struct netmon_tables *tables, enum netmon_subject subject, const void *row)
{
	struct netmon_table *t = &tables->of[subject];
	size_t i = find(t, subject, row, 0);

	if (i == t->count)
		return false;
	remove_at(t, subject, i);
	return true;
}

bool
netmon_table_drop_link(
    struct netmon_tables *tables, enum netmon_subject subject, int ifindex)
{
	struct netmon_table *t = &tables->of[subject];
	size_t before = t->count;

	for (size_t i = t->count; i-- > 0;) {
		int of = subject == NETMON_ADDR
			     ? ((const struct netmon_addr *)t->rows)[i].ifindex
			     : ((const struct netmon_neigh *)t->rows)[i].ifindex;

		if (of == ifindex)
			remove_at(t, subject, i);
	}
	return t->count != before;
}

/* Same rows, any order.  Each search starts behind the last hit, so that one list with
 * some rows added to or taken from the other costs one pass. */
static bool
same_rows(const struct netmon_table *a, const struct netmon_table *b,
    enum netmon_subject subject)
{
	size_t size = kinds[subject].size, hint = 0;

	if (a->count != b->count)
		return false;
	if (a->count == 0 || memcmp(a->rows, b->rows, a->count * size) == 0)
		return true;
	if (kinds[subject].ordered)
		return false;
	for (size_t i = 0; i < a->count; i++) {
		size_t at = find(b, subject, row_at(a, subject, i), hint);

		if (at == b->count ||
		    memcmp(row_at(a, subject, i), row_at(b, subject, at), size) != 0)
			return false;
		hint = at + 1;
	}
	return true;
}

bool
netmon_table_take(struct netmon_tables *tables, enum netmon_subject subject,
    struct netmon_tables *fresh)
{
	struct netmon_table *t = &tables->of[subject], *f = &fresh->of[subject];
	bool differs = !same_rows(t, f, subject);

	netmon_table_clear(t);
	*t = *f;
	*f = (struct netmon_table) { 0 };
	return differs;
}
