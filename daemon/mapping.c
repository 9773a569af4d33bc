/*
 * mapping.c - one wanted mapping.
 */
#include "daemon/mapping.h"

#include <string.h>

bool
mapping_same_port(const struct mapping_context *a, const struct mapping_context *b)
{
	return a->transports & b->transports && !a->router_chooses &&
	       !b->router_chooses && a->internal_port == b->internal_port;
}

bool
mapping_same_place(const struct mapping_context *a, const struct mapping_context *b)
{
	return addr_equal(&a->internal, &b->internal) && a->family == b->family &&
	       strcmp(a->ifname, b->ifname) == 0 &&
	       addr_equal(&a->gateway, &b->gateway);
}

bool
mapping_same_methods(const struct mapping_context *a, const struct mapping_context *b)
{
	return a->methods_count == b->methods_count &&
	       memcmp(a->methods, b->methods, sizeof(a->methods)) == 0;
}

bool
mapping_same_number(const struct mapping_context *a, const struct mapping_context *b)
{
	return a->external_port == b->external_port &&
	       a->prefer_failure == b->prefer_failure && mapping_same_methods(a, b);
}

/* Both NATs have to hold it. */
static void
add_behind(struct lease_status *ret, const struct lease_status *outer)
{
	if (!ret->is_held || !outer->is_held)
		return;
	ret->held.external = outer->held.external;
	ret->held.external_port = outer->held.external_port;
	if (outer->held.expires_at < ret->held.expires_at) {
		ret->held.expires_at = outer->held.expires_at;
		ret->held.lifetime_s = outer->held.lifetime_s;
	}
	ret->renew_at = MIN(ret->renew_at, outer->renew_at);
	if (ret->state == MAPPING_ACTIVE) {
		ret->state = outer->state;
		ret->problem = outer->problem;
	}
}

static void
add_outer(const struct mapping *m, struct lease_status *ret)
{
	struct lease_status outer;

	lease_status(m->outer, &outer);
	if (m->behind)
		add_behind(ret, &outer);
	else if (outer.is_held)
		*ret = outer;
	ret->verdict &= !m->awaited;
}

void
mapping_status(const struct mapping *m, struct lease_status *ret)
{
	if (m->lease) {
		lease_status(m->lease, ret);
	} else {
		*ret = (struct lease_status) {
			.state = m->waits ? MAPPING_REQUESTING : MAPPING_SUSPENDED,
			.verdict = !m->waits,
			.renew_at = MSEC_NEVER,
		};
	}
	if (m->outer)
		add_outer(m, ret);
	if (m->bid) {
		ret->state = MAPPING_REQUESTING;
		ret->verdict = false;
	}
	if (m->releasing)
		ret->state = MAPPING_RELEASING;
}

bool
mapping_outlives_natd(const struct mapping *m)
{
	return m->context.persistence == PERSISTENCE_PERMANENT && m->lease &&
	       !m->releasing && m->last.expires_at != MSEC_NEVER;
}

bool
mapping_left(const struct mapping *m, struct endpoint *ret)
{
	const struct mapping_context *c = &m->context;

	if (!m->releasing || m->lease || !m->was_held)
		return false;
	ret->addr = c->internal.family != ADDR_NONE ? c->internal : m->last_on.local;
	ret->port = m->last.internal_port;
	return true;
}

const char *
reachability_name(enum reachability r)
{
	static const char *const names[] = {
		[REACHABILITY_UNKNOWN] = "unknown",
		[REACHABILITY_OPEN] = "open",
		[REACHABILITY_CLOSED] = "closed",
	};

	return names[r];
}

enum reachability
mapping_reachability(const struct mapping *m, const struct lease_status *st)
{
	const struct endpoint now = { st->held.external, st->held.external_port };

	return st->is_held && endpoint_equal(&m->proof.external, &now)
		   ? m->proof.reachability
		   : REACHABILITY_UNKNOWN;
}

void
mapping_watch(struct mapping *m, struct mapping_watcher *w)
{
	w->next = m->watchers;
	w->untold = false;
	m->watchers = w;
}

void
mapping_unwatch(struct mapping *m, struct mapping_watcher *w)
{
	for (struct mapping_watcher **at = &m->watchers; *at; at = &(*at)->next)
		if (*at == w) {
			*at = w->next;
			return;
		}
}

void
mapping_tell(struct mapping *m, bool removed)
{
	struct mapping_watcher *w;

	for (w = m->watchers; w; w = w->next)
		w->untold = true;
	/* From the start again after each: being told, one may leave or end others. */
	for (w = m->watchers; w;) {
		if (!w->untold) {
			w = w->next;
			continue;
		}
		w->untold = false;
		w->changed(w, removed);
		w = m->watchers;
	}
}
