/*
 * conf_object.c - a configuration that was read: what is in it, and its end.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/conf_table.h"

struct conf *
conf_free(struct conf *c)
{
	if (c) {
		free(c->uplinks);
		free(c->mappings);
		free(c);
	}
	return NULL;
}

void
conf_freep(struct conf **c)
{
	*c = conf_free(*c);
}

const struct conf_uplink *
conf_find_uplink(const struct conf *c, const char *ifname)
{
	for (size_t i = 0; i < c->uplinks_count; i++)
		if (strcmp(c->uplinks[i].ifname, ifname) == 0)
			return &c->uplinks[i];
	return NULL;
}

unsigned
conf_methods_mask(const struct conf_methods *methods)
{
	unsigned mask = 0;

	for (unsigned i = 0; i < methods->count; i++)
		mask |= METHOD_BIT(methods->list[i]);
	return mask;
}

static bool
families_differ(enum addr_family a, enum addr_family b)
{
	return a != ADDR_NONE && b != ADDR_NONE && a != b;
}

bool
conf_one_family(const struct conf_mapping *m)
{
	return !families_differ(m->family, m->internal.family) &&
	       !families_differ(m->family, m->gateway.addr.family) &&
	       !families_differ(m->internal.family, m->gateway.addr.family);
}

int
conf_settle_gateway(const struct conf_gateway *g, char ifname[static IF_NAMESIZE])
{
	_Static_assert(ADDR_ZONE_MAX <= IF_NAMESIZE, "a zone is an interface's name");

	if (!ifname[0])
		strcpy(ifname, g->zone);
	return g->zone[0] && strcmp(g->zone, ifname) != 0 ? -EINVAL : 0;
}
