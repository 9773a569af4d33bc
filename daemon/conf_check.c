/*
 * conf_check.c - what no single line of the configuration can tell: what is missing,
 * and what does not fit together.
 *
 * An error is shown where the last line stands that has a part in it: with the one
 * before, all was well.
 */
#include <errno.h>
#include <string.h>

#include "daemon/conf_place.h"
#include "proto/util.h"

static bool
is_later(struct conf_spot a, struct conf_spot b)
{
	return a.file != b.file ? a.file > b.file : a.line > b.line;
}

/* Where the last of these keys was set, names ending with NULL; if none was, where the
 * section begins. */
static struct conf_spot
last_of(const struct conf_place *p, const char *const *names)
{
	struct conf_spot last = { 0 };

	for (; *names; names++)
		for (size_t i = 0; i < conf_keys_count; i++)
			if (conf_keys[i].section == p->section &&
			    strcmp(conf_keys[i].name, *names) == 0 &&
			    is_later(p->keys[i], last))
				last = p->keys[i];
	return last.line ? last : p->first;
}

#define LAST_OF(p, ...) last_of((p), (const char *const[]) { __VA_ARGS__, NULL })

static bool
is_zero(const void *field, size_t size)
{
	const char *bytes = field;

	for (size_t i = 0; i < size; i++)
		if (bytes[i])
			return false;
	return true;
}

static void
check_required(struct conf_loader *l, const struct conf_place *p)
{
	const char *object = conf_object_of(l, p);
	char title[CONF_MESSAGE_MAX];

	conf_title_of(l, p, title);
	for (size_t i = 0; i < conf_keys_count; i++) {
		const struct conf_key *key = &conf_keys[i];

		if (key->section != p->section || !(key->flags & CONF_REQUIRED) ||
		    p->bad & UINT64_C(1) << i)
			continue;
		if (!(p->given & UINT64_C(1) << i) ||
		    (key->type->list && is_zero(object + key->offset, key->type->size)))
			conf_complain(
			    l, p->first, "[%s]: %s= is missing", title, key->name);
	}
}

static bool
families_differ(enum addr_family a, enum addr_family b)
{
	return a != ADDR_NONE && b != ADDR_NONE && a != b;
}

static bool
one_family(const struct conf_mapping *m)
{
	return !families_differ(m->family, m->internal.family) &&
	       !families_differ(m->family, m->gateway.addr.family) &&
	       !families_differ(m->internal.family, m->gateway.addr.family);
}

/* Gateway=fe80::1%eth0 means Interface=eth0, too: ifname is filled in if it is empty.
 * -EINVAL: it is another one. */
static int
settle_gateway(const struct conf_gateway *g, char ifname[static IF_NAMESIZE])
{
	_Static_assert(ADDR_ZONE_MAX <= IF_NAMESIZE, "a zone is an interface's name");

	if (!ifname[0])
		strcpy(ifname, g->zone);
	return g->zone[0] && strcmp(g->zone, ifname) != 0 ? -EINVAL : 0;
}

static enum addr_family
family_of(const struct conf_mapping *m)
{
	return m->family                ? m->family
	       : m->internal.family     ? m->internal.family
	       : m->gateway.addr.family ? m->gateway.addr.family
					: ADDR_IPV4;
}

/* One internal endpoint is one mapping: a router asked for a second one opens a second
 * port, or takes the first one's. */
static bool
same_endpoint(const struct conf_mapping *a, const struct conf_mapping *b)
{
	return a->internal_port != 0 && a->internal_port == b->internal_port &&
	       a->transports & b->transports &&
	       addr_equal(&a->internal, &b->internal) && family_of(a) == family_of(b) &&
	       strcmp(a->ifname, b->ifname) == 0 &&
	       addr_equal(&a->gateway.addr, &b->gateway.addr);
}

/* Of all [Mapping] sections before it, each already checked by itself. */
static void
check_twin(struct conf_loader *l, const struct conf_place *p)
{
	const struct conf_mapping *m = &l->conf->mappings[p->index];

	for (const struct conf_place *q = l->places; q < p; q++) {
		bool same_file = q->first.file == p->first.file;

		if (q->section != CONF_MAPPING ||
		    !same_endpoint(&l->conf->mappings[q->index], m))
			continue;
		conf_complain(l, p->first,
		    "[Mapping %s]: its internal endpoint is that of [Mapping %s], by "
		    "%s%s%u",
		    m->name, conf_argument_of(l, q),
		    same_file ? "line " : l->files[q->first.file], same_file ? "" : ":",
		    q->first.line);
		return;
	}
}

static void
check_mapping(struct conf_loader *l, const struct conf_place *p)
{
	struct conf_mapping *m = &l->conf->mappings[p->index];

	if (settle_gateway(&m->gateway, m->ifname) < 0)
		conf_complain(l, LAST_OF(p, "Interface", "Gateway"),
		    "[Mapping %s]: Interface= and Gateway= name two interfaces",
		    m->name);
	if (!one_family(m))
		conf_complain(l, LAST_OF(p, "Family", "InternalAddress", "Gateway"),
		    "[Mapping %s]: Family=, InternalAddress= and Gateway= are not of "
		    "one address family",
		    m->name);
	if (m->prefer_failure && m->internal_port == 0 && m->external_port == 0)
		conf_complain(l,
		    LAST_OF(p, "PreferFailure", "InternalPort", "ExternalPort"),
		    "[Mapping %s]: PreferFailure= without a port to insist on",
		    m->name);
	if (m->description[0] == '\0')
		strcpy(m->description, m->name);
	check_twin(l, p);
}

static void
check_uplink(struct conf_loader *l, const struct conf_place *p)
{
	struct conf_uplink *u = &l->conf->uplinks[p->index];

	if (settle_gateway(&u->gateway, u->ifname) < 0)
		conf_complain(l, LAST_OF(p, "Gateway"),
		    "[Uplink %s]: Gateway= is on another interface", u->ifname);
	if (u->lease_s == 0)
		u->lease_s = l->conf->lease_s;
	if (u->methods.count == 0)
		u->methods = l->conf->methods;
}

static void
check_daemon(struct conf_loader *l, const struct conf_place *p)
{
	const struct conf *c = l->conf;

	if (c->methods.count == 0)
		conf_complain(l, LAST_OF(p, "Methods"),
		    "[Daemon]: Methods= is empty, nothing could be mapped");
	if (c->connections_per_user > c->connections_max)
		conf_complain(l, LAST_OF(p, "ConnectionsPerUser", "ConnectionsMax"),
		    "[Daemon]: ConnectionsPerUser= is more than ConnectionsMax=");
}

static void
check_stun_server(struct conf_loader *l, const struct conf_place *p)
{
	char why[CONF_WHY_MAX];

	if (conf_check_stun_server(&l->conf->stun_server, why) < 0)
		conf_complain(l,
		    LAST_OF(p, "Listen", "AlternateListen", "Credentials", "Realm"),
		    "[StunServer]: %s", why);
}

void
conf_check(struct conf_loader *l)
{
	static void (*const checks[CONF_SECTION_MAX])(
	    struct conf_loader * l, const struct conf_place *p) = {
		[CONF_DAEMON] = check_daemon,
		[CONF_STUN_SERVER] = check_stun_server,
		[CONF_UPLINK] = check_uplink,
		[CONF_MAPPING] = check_mapping,
	};

	for (size_t i = 0; i < l->places_count; i++) {
		const struct conf_place *p = &l->places[i];

		check_required(l, p);
		if (checks[p->section])
			checks[p->section](l, p);
	}
}
