/*
 * router_events.c - UPnP: the subscription to the events of the WAN connection.
 *
 * Subscribed while leases are held and events are wanted.  An event is a reason to ask
 * the router at once, never a fact: what it says of the address is used only to see
 * whether there is anything to ask.  A subscription that the router does not know any
 * more, or that starts anew, shows a restart; one that skips a number hides something.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "proto/gena.h"
#include "proto/router_private.h"

#define AGAIN_BASE_MS (INT64_C(30) * MSEC_PER_SEC)
#define AGAIN_CAP_MS (INT64_C(3600) * MSEC_PER_SEC)
/* A renewal without an answer is tried again while the subscription lasts. */
#define RENEW_AGAIN_MS (INT64_C(15) * MSEC_PER_SEC)

/* Where the WAN service that is in use tells its events; NULL: nowhere, for now. */
static const struct url *
event_url(const struct router *r)
{
	const struct igd *g = &r->igd;

	if (!g->desc || g->wan < 0 || r->service[ROUTER_IGD].state != SERVICE_AVAILABLE)
		return NULL;
	return g->desc->service[g->wan].event.path[0] ? &g->desc->service[g->wan].event
						      : NULL;
}

static bool
subscribed(const struct events *e)
{
	return e->subscription.sid[0] != '\0';
}

/* Somebody holds something here and wants to hear of it. */
static bool
wanted(const struct router *r)
{
	return r->events.wanted && r->lease_count > 0;
}

static bool
same_place(const struct url *a, const struct url *b)
{
	return a->port == b->port && strcmp(a->path, b->path) == 0;
}

static void
forget(struct events *e)
{
	e->subscription.sid[0] = '\0';
	e->has_seq = e->disconnected = false;
}

/* The service moved: the old place knows nothing of us any more. */
static void
follow_place(struct router *r, msec_t now)
{
	struct events *e = &r->events;
	const struct url *url = event_url(r);

	if (!url || same_place(url, &e->url))
		return;
	e->url = *url;
	e->resting = false;
	e->at = now;
	e->failures = 0;
	if (e->job == EVENTS_IDLE)
		forget(e);
}

void
router_want_events(struct router *r, bool want, msec_t now)
{
	struct events *e = &r->events;

	if (want && !e->wanted) {
		e->resting = false;
		e->failures = 0;
		e->at = now;
	}
	e->wanted = want;
}

bool
router_expects_events(const struct router *r)
{
	const struct events *e = &r->events;

	return subscribed(e) || e->job != EVENTS_IDLE ||
	       (wanted(r) && event_url(r) && !e->resting);
}

void
router_set_callback(struct router *r, uint16_t port, uint64_t secret, msec_t now)
{
	struct events *e = &r->events;

	e->port = port;
	snprintf(e->path, sizeof(e->path), "/%016" PRIx64, secret);
	if (!subscribed(e) && !e->resting)
		e->at = now;
}

void
events_check(struct router *r, msec_t now)
{
	if (subscribed(&r->events))
		r->events.at = now;
}

/* ---- asking ---- */

static enum events_job
next_job(const struct router *r, msec_t now)
{
	const struct events *e = &r->events;

	if (subscribed(e)) {
		if (!wanted(r))
			return EVENTS_UNSUBSCRIBE;
		return e->at <= now ? EVENTS_RENEW : EVENTS_IDLE;
	}
	return wanted(r) && event_url(r) && e->port && !e->resting && e->at <= now
		   ? EVENTS_SUBSCRIBE
		   : EVENTS_IDLE;
}

static ssize_t
encode(struct router *r, enum events_job job)
{
	struct events *e = &r->events;
	const char *path = e->url.path, *sid = e->subscription.sid;
	const struct endpoint own = { r->settings.local, e->port };
	char host[IGD_HOST_MAX], text[ENDPOINT_TEXT_MAX];
	char callback[ENDPOINT_TEXT_MAX + GENA_PATH_MAX + sizeof("http://")];
	char *buf = r->out.text;
	size_t size = sizeof(r->out.text);

	igd_host(r, e->url.port, host);
	snprintf(callback, sizeof(callback), "http://%s%s", endpoint_format(&own, text),
	    e->path);
	switch (job) {
	case EVENTS_IDLE:
		break;
	case EVENTS_SUBSCRIBE:
		return gena_encode_subscribe(buf, size, host, path, callback);
	case EVENTS_RENEW:
		return gena_encode_renew(buf, size, host, path, sid);
	case EVENTS_UNSUBSCRIBE:
		return gena_encode_unsubscribe(buf, size, host, path, sid);
	}
	return -EINVAL;
}

/* Refused or silent: not again for a while; what was subscribed is over. */
static void
rest(struct router *r, msec_t now)
{
	struct events *e = &r->events;

	forget(e);
	e->resting = true;
	e->at = now + MSEC_PER_SEC +
		retry_backoff(e->failures++, AGAIN_BASE_MS, AGAIN_CAP_MS, &r->rng);
}

bool
events_next(struct router *r, msec_t now, struct router_action *ret)
{
	struct events *e = &r->events;
	enum events_job job;
	ssize_t len;

	follow_place(r, now);
	job = next_job(r, now);
	if (job == EVENTS_IDLE)
		return false;
	len = encode(r, job);
	if (len < 0) {
		rest(r, now);
		return false;
	}
	e->job = job;
	/* Of another subscription than what may come before the answer. */
	if (job == EVENTS_SUBSCRIBE)
		forget(e);
	r->igd.job = JOB_EVENTS;
	r->igd.job_sent_at = now;
	*ret = (struct router_action) {
		.kind = ROUTER_HTTP,
		.buf = r->out.text,
		.len = (size_t)len,
		.port = e->url.port,
		.id = ++r->igd.job_id,
	};
	return true;
}

static void
granted(struct router *r, const struct gena_subscription *s, bool renewed, msec_t now)
{
	struct events *e = &r->events;

	/* Events that overtook the answer were of this subscription, or of none. */
	if (!renewed && e->has_seq && strcmp(e->early_sid, s->sid) != 0)
		e->has_seq = false;
	/* Some give another name at a renewal; the numbers go on (quirk of 1.0). */
	e->subscription = *s;
	e->failures = 0;
	e->resting = false;
	e->expires_at = now + s->timeout_s * MSEC_PER_SEC;
	e->at = now + s->timeout_s * MSEC_PER_SEC / 2;
}

static void
renewal_failed(struct router *r, int error, msec_t now)
{
	struct events *e = &r->events;

	if (error == -ENOENT) {
		/* 412: it lost the subscription, so perhaps the mappings, too. */
		forget(e);
		e->at = now;
		hint_take(r, HINT_LOOK | HINT_RESTART, now);
	} else if (now + RENEW_AGAIN_MS < e->expires_at) {
		e->at = now + RENEW_AGAIN_MS;
	} else {
		rest(r, now);
	}
}

void
events_answered(
    struct router *r, int error, const struct http_response *response, msec_t now)
{
	struct events *e = &r->events;
	enum events_job job = e->job;
	struct gena_subscription s;

	e->job = EVENTS_IDLE;
	if (error == 0)
		error = gena_decode_subscribed(response, &s);
	switch (job) {
	case EVENTS_IDLE:
		break;
	case EVENTS_SUBSCRIBE:
		if (error == 0)
			granted(r, &s, false, now);
		else
			rest(r, now);
		break;
	case EVENTS_RENEW:
		if (error == 0)
			granted(r, &s, true, now);
		else
			renewal_failed(r, error, now);
		break;
	case EVENTS_UNSUBSCRIBE:
		/* Whatever it said: it ends by itself. */
		forget(e);
		e->at = now;
		break;
	}
}

void
events_timer(struct router *r, msec_t now)
{
	struct events *e = &r->events;

	if (e->resting && e->at <= now)
		e->resting = false;
}

msec_t
events_deadline(const struct router *r)
{
	const struct events *e = &r->events;

	if (r->igd.job != JOB_NONE)
		return MSEC_NEVER;
	if (subscribed(e))
		return wanted(r) ? e->at : 0;
	if (!wanted(r) || !event_url(r))
		return MSEC_NEVER;
	return e->resting || e->port ? e->at : MSEC_NEVER;
}

/* ---- what comes in ---- */

/* Whether it belongs to our subscription, or to the one that is being asked for. */
static bool
is_ours(struct events *e, const struct gena_notify *n)
{
	if (subscribed(e))
		return strcmp(n->sid, e->subscription.sid) == 0;
	if (e->job != EVENTS_SUBSCRIBE)
		return false;
	/* Section 4.1.2: the first event may overtake the answer. */
	if (!e->has_seq)
		memcpy(e->early_sid, n->sid, sizeof(e->early_sid));
	return strcmp(n->sid, e->early_sid) == 0;
}

enum sequence { SEQUENCE_NEXT, SEQUENCE_REPEATED, SEQUENCE_GAP, SEQUENCE_ANEW };

/* Section 4.3.2: 0 for the first, from the highest back to 1. */
static enum sequence
follow_sequence(struct events *e, uint32_t seq)
{
	uint32_t expected = e->seq == UINT32_MAX ? 1 : e->seq + 1;
	enum sequence s = SEQUENCE_NEXT;

	if (!e->has_seq)
		s = seq == 0 ? SEQUENCE_NEXT : SEQUENCE_GAP;
	else if (seq == e->seq)
		s = SEQUENCE_REPEATED;
	else if (seq == 0)
		s = SEQUENCE_ANEW;
	else if (seq != expected)
		s = SEQUENCE_GAP;
	e->has_seq = true;
	e->seq = seq;
	return s;
}

/* How many entries the router must have at least. */
static uint32_t
entries_held(const struct router *r)
{
	uint32_t n = 0;

	for (const struct lease *l = r->leases; l; l = l->next)
		for (enum transport t = 0; t < TRANSPORT_MAX; t++)
			n += l->is_held && l->service == ROUTER_IGD && l->leg[t].held;
	return n;
}

static void
act_on(
    struct router *r, const struct gena_notify *n, enum sequence sequence, msec_t now)
{
	struct events *e = &r->events;
	bool news = sequence != SEQUENCE_NEXT;

	news |= n->has_external && !addr_equal(&n->external, &r->external);
	news |= n->has_status && n->connected == e->disconnected;
	if (n->has_status)
		e->disconnected = !n->connected;
	if (news)
		igd_poll(r);
	if (sequence == SEQUENCE_ANEW)
		hint_take(r, HINT_LOOK | HINT_RESTART, now);
	else if (sequence == SEQUENCE_GAP ||
		 (n->has_entries && n->entries < entries_held(r)))
		hint_take(r, HINT_LOOK | HINT_READ_BACK, now);
}

int
router_event(struct router *r, const char *buf, size_t len, msec_t now)
{
	struct events *e = &r->events;
	struct gena_notify n;
	enum sequence sequence;
	int error = gena_decode_notify(buf, len, &n);

	if (error < 0)
		return gena_status(error);
	if (strcmp(n.path, e->path) != 0)
		return 404;
	if (!is_ours(e, &n))
		return gena_status(-ENOENT);
	sequence = follow_sequence(e, n.seq);
	if (sequence != SEQUENCE_REPEATED)
		act_on(r, &n, sequence, now);
	return gena_status(0);
}
