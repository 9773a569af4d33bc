/*
 * wish.c - what calls change in the wanted state: request, release, renew, hold.
 *
 * One internal endpoint is one mapping.  Asking again refreshes it; a request that
 * would take away what somebody else relies on is refused instead.
 */
#include <string.h>

#include "daemon/engine_private.h"
#include "daemon/log.h"
#include "daemon/random.h"

/* Where it is to be mapped to, on which router; NULL and ADDR_NONE without an uplink.
 */
static struct addr
internal_address(struct engine *e, const struct mapping *m, struct gateway **ret)
{
	const struct netmon_uplink *u;

	*ret = reconcile_choose(e, m);
	if (m->context.internal.family != ADDR_NONE || !*ret)
		return m->context.internal;
	u = gateway_uplink(*ret);
	return gateway_addr(&u->source, u->ifindex);
}

/* The living mapping with this internal endpoint, whoever owns it: "eth0" and "the
 * default" are the same place if that is where the default route leads. */
static struct mapping *
find_same(struct engine *e, const struct mapping_context *context)
{
	const struct mapping wanted = { .context = *context };
	struct gateway *there, *here;
	struct addr address = internal_address(e, &wanted, &there);

	for (struct mapping *m = e->mappings; m; m = m->next) {
		struct addr other;

		if (m->releasing || !mapping_same_port(&m->context, context))
			continue;
		other = internal_address(e, m, &here);
		if (here == there && addr_equal(&other, &address) &&
		    (here || mapping_same_place(&m->context, context)))
			return m;
	}
	return NULL;
}

static unsigned
count_mappings(const struct engine *e, bool of_user, uid_t uid)
{
	unsigned n = 0;

	for (const struct mapping *m = e->mappings; m; m = m->next)
		n += !m->releasing && (!of_user || m->uid == uid);
	return n;
}

static void
set_wanted_until(const struct engine *e, struct mapping *m)
{
	uint32_t lifetime_s =
	    m->context.lifetime_s ? m->context.lifetime_s : e->conf->lease_s;

	m->wanted_until = m->context.persistence == PERSISTENCE_LEASE
			      ? loop_now() + lifetime_s * MSEC_PER_SEC
			      : MSEC_NEVER;
}

/* Others rely on it as it is: the configuration, a connection, whoever wanted it for
 * good.  A request that would change it is refused. */
static bool
relied_upon(const struct mapping *m)
{
	return m->origin == MAPPING_BY_CONFIG || m->holders > 0 ||
	       m->context.persistence == PERSISTENCE_PERMANENT;
}

static void
keep_before(struct mapping *m)
{
	struct lease_status st;

	mapping_status(m, &st);
	if (st.is_held)
		m->before = (struct mapping_before) { .known = true,
			.context = m->context,
			.wanted_until = m->wanted_until };
}

/* Another number is asked for beside the one that is held, where that can be; whatever
 * else is another wish is asked for when the old one is gone. */
static void
change(struct engine *e, struct mapping *m, const struct mapping_context *old)
{
	msec_t now = loop_now();

	if (old->transports == m->context.transports &&
	    mapping_same_methods(old, &m->context) && bid_begin(e, m, now))
		return;
	holding_release(e, m, now);
	m->last.expires_at = 0; /* deleted: nothing to adopt */
}

/* What is being asked for is not wanted any more, before it is decided. */
static void
take_back(struct mapping *m)
{
	bid_end(m, loop_now());
	m->context = m->before.context;
	m->before.known = false;
}

/* The same user asked again: what may change changes, the number stays. */
static void
refresh(struct engine *e, struct mapping *m, const struct mapping_context *context)
{
	unsigned transports = m->context.transports | context->transports;
	struct mapping_context old;
	bool same;

	if (m->bid && (m->context.transports != transports ||
			  !mapping_same_number(&m->context, context)))
		take_back(m);
	old = m->context;
	same = old.transports == transports && mapping_same_number(&old, context);
	/* A connection that refreshes somebody's longer wish does not shorten it. */
	enum persistence kept = MAX(m->context.persistence, context->persistence);

	if (!same && m->lease)
		keep_before(m);
	/* What the configuration says is not changed by asking for the same. */
	if (m->origin != MAPPING_BY_CONFIG)
		m->context = *context;
	m->context.transports = transports;
	m->context.persistence = kept;
	if (old.description[0] && !context->description[0])
		memcpy(
		    m->context.description, old.description, sizeof(old.description));
	set_wanted_until(e, m);
	if (!same && m->lease)
		change(e, m, &old);
	if (m->lease && !m->bid) {
		struct lease_want want;

		want_of(e, m, m->gateway, &want);
		lease_set_lifetime(m->lease, want.lifetime_s);
		if (m->outer)
			lease_set_lifetime(m->outer, want.lifetime_s);
		lease_renew(m->lease, loop_now());
		gateway_kick(m->gateway);
	}
}

enum engine_refusal
engine_request(struct engine *e, const struct mapping_context *context, uid_t uid,
    pid_t pid, bool privileged, struct mapping **ret,
    struct engine_refused *ret_refused)
{
	struct mapping *m;
	enum engine_event event = ENGINE_MAPPING_CHANGED;

	if (e->stopping)
		return ENGINE_SHUTTING_DOWN;
	if (context->ifname[0] && !engine_has_interface(e, context->ifname))
		return ENGINE_NO_INTERFACE;
	m = find_same(e, context);
	if (!m) {
		*ret_refused =
		    (struct engine_refused) { .limit = e->conf->quota_per_user,
			    .current = count_mappings(e, true, uid) };
		if (!privileged && ret_refused->current >= ret_refused->limit)
			return ENGINE_QUOTA;
		*ret_refused = (struct engine_refused) { .limit = e->conf->mappings_max,
			.current = count_mappings(e, false, 0) };
		if (ret_refused->current >= ret_refused->limit)
			return ENGINE_QUOTA;
	} else if (m->uid != uid ||
		   (relied_upon(m) && !mapping_same_number(&m->context, context))) {
		*ret = m;
		return ENGINE_CONFLICT;
	}
	if (m) {
		refresh(e, m, context);
	} else {
		m = engine_add_mapping(e, NULL);
		if (!m)
			return ENGINE_NO_MEMORY;
		event = ENGINE_MAPPING_ADDED;
		m->context = *context;
		m->uid = uid;
		random_fill(m->nonce, sizeof(m->nonce));
		set_wanted_until(e, m);
	}
	m->pid = pid;
	/* The nonce is in the state file before the router sees it: a crash can't lose
	 * the rule.  What is wanted for good is not lost by a power cut either. */
	m->unnoted = true;
	if (m->context.persistence == PERSISTENCE_PERMANENT)
		persist_now(e);
	/* At once, so that the caller finds the mapping already on its way. */
	reconcile(e, loop_now());
	engine_tell(e, event, m, NULL);
	*ret = m;
	return ENGINE_ACCEPTED;
}

void
engine_release(struct engine *e, struct mapping *m, enum mapping_end why)
{
	if (m->releasing)
		return;
	m->releasing = true;
	m->end = why;
	m->wanted_until = loop_now() + RELEASE_MS;
	bid_end(m, loop_now());
	if (m->lease) {
		lease_release(m->lease, loop_now());
		gateway_kick(m->gateway);
		engine_tell(e, ENGINE_MAPPING_CHANGED, m, NULL);
	}
	persist_later(e);
	engine_wake(e);
}

void
engine_withdraw(struct engine *e, struct mapping *m)
{
	if (!m->before.known) {
		engine_release(e, m, MAPPING_END_RELEASED);
		return;
	}
	m->before.known = false;
	m->context = m->before.context;
	m->wanted_until = m->before.wanted_until;
	/* A lost bid has left it as it was. */
	if (m->lease && !m->lost.present)
		holding_release(e, m, loop_now());
	log_debug("mapping %s: wanted again as it was before the last request", m->id);
	engine_tell(e, ENGINE_MAPPING_CHANGED, m, NULL);
	persist_later(e);
	engine_wake(e);
}

bool
engine_remake(struct engine *e, struct mapping *m)
{
	(void)e;
	if (!m->lease || m->outer || m->releasing || m->proof.made_anew ||
	    !lease_remake(m->lease, loop_now()))
		return false;
	m->proof.made_anew = true;
	log_notice("mapping %s: its router forwards nothing; deleted there and made "
		   "again",
	    m->id);
	gateway_kick(m->gateway);
	return true;
}

void
engine_renew(struct engine *e, struct mapping *m)
{
	(void)e;
	if (!m->lease || m->releasing)
		return;
	lease_renew(m->lease, loop_now());
	gateway_kick(m->gateway);
	carrier_renew(m);
}

void
engine_hold(struct engine *e, struct mapping *m)
{
	(void)e;
	m->holders++;
}

void
engine_unhold(struct engine *e, struct mapping *m)
{
	if (--m->holders > 0)
		return;
	if (m->context.persistence == PERSISTENCE_CONNECTION)
		engine_release(e, m, MAPPING_END_OWNER);
	else
		engine_wake(e); /* its time may have passed meanwhile */
}
