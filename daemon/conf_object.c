/*
 * conf_object.c - a configuration that was read: what is in it, and its end.
 */
#include <stdlib.h>
#include <string.h>

#include "daemon/conf.h"

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
