/*
 * stun_client.c - one request to a STUN server and what becomes of it.
 */
#include "proto/stun_client.h"

#include <errno.h>
#include <string.h>

#include "proto/stun_attr.h"
#include "proto/text.h"

#define RTT_STALE_MS (10 * 60 * MSEC_PER_SEC)
#define GRANULARITY_US 1000

/* ---- RFC 6298 ---- */

void
stun_rtt_add(struct stun_rtt *r, msec_t sample_ms, msec_t now)
{
	int64_t sample_us = sample_ms * 1000, off;

	if (r->at == 0 || now - r->at > RTT_STALE_MS) {
		r->smoothed_us = sample_us;
		r->deviation_us = sample_us / 2;
	} else {
		off = r->smoothed_us - sample_us;
		r->deviation_us += ((off < 0 ? -off : off) - r->deviation_us) / 4;
		r->smoothed_us -= off / 8;
	}
	r->at = MAX(now, 1);
}

msec_t
stun_rtt_timeout(const struct stun_rtt *r, msec_t now)
{
	msec_t rto;

	if (r->at == 0 || now - r->at > RTT_STALE_MS)
		return STUN_RTO_MS;
	rto = (r->smoothed_us + MAX(GRANULARITY_US, 4 * r->deviation_us)) / 1000;
	return MAX(STUN_RTO_MS, MIN(rto, STUN_RTO_MAX_MS));
}

/* ---- out ---- */

void
stun_client_begin(struct stun_client *c, const struct stun_id *id, uint16_t method,
    const struct endpoint *server, bool reliable, const struct stun_rtt *rtt,
    msec_t now)
{
	*c = (struct stun_client) {
		.id = *id,
		.method = method,
		.reliable = reliable,
		.rto_ms = (uint32_t)(rtt ? stun_rtt_timeout(rtt, now) : STUN_RTO_MS),
		.server = *server,
		.began_at = now,
		.due_at = now,
	};
}

/* When the next send is due, or after the last one the end; counted from the beginning,
 * so that neither jitter nor a late timer adds up. */
static msec_t
next_due(const struct stun_client *c, struct rng *rng)
{
	msec_t sum = ((msec_t)1 << MIN(c->sends, STUN_SENDS_MAX - 1)) - 1;

	if (c->reliable)
		return c->began_at + STUN_RELIABLE_MS;
	if (c->sends == STUN_SENDS_MAX)
		return c->began_at + (sum + STUN_LAST_WAIT) * c->rto_ms;
	return c->began_at + sum * c->rto_ms - STUN_RTO_JITTER_MS +
	       (msec_t)rng_below(rng, 2 * STUN_RTO_JITTER_MS + 1);
}

enum stun_client_act
stun_client_poll(struct stun_client *c, struct rng *rng, msec_t now)
{
	unsigned most = c->reliable ? 1 : STUN_SENDS_MAX;

	if (c->over || now < c->due_at)
		return STUN_CLIENT_WAIT;
	if (c->sends == most) {
		c->over = true;
		c->due_at = MSEC_NEVER;
		return STUN_CLIENT_TIMED_OUT;
	}
	c->sends++;
	c->due_at = next_due(c, rng);
	/* After a suspend all sends are due: they keep their distance. */
	if (c->due_at <= now) {
		c->began_at += now - c->due_at + c->rto_ms;
		c->due_at = now + c->rto_ms;
	}
	return STUN_CLIENT_SEND;
}

ssize_t
stun_client_binding(const struct stun_client *c, uint8_t *buf, size_t size)
{
	struct stun_out out;

	stun_begin(&out, buf, size, STUN_REQUEST, c->method, &c->id);
	return stun_end(&out);
}

/* ---- in ---- */

bool
stun_client_may_follow(const struct endpoint *asked, const struct endpoint *alternate)
{
	bool usual = alternate->port == STUN_PORT || alternate->port == STUN_TLS_PORT ||
		     alternate->port == 443;

	return alternate->addr.family == asked->addr.family &&
	       !endpoint_equal(asked, alternate) && addr_is_global(&alternate->addr) &&
	       (usual || alternate->port >= 1024);
}

static enum stun_client_outcome
refused(struct stun_client_answer *a, const char *why)
{
	a->code = 0;
	text_copy_printable(a->reason, sizeof(a->reason), why, strlen(why));
	return STUN_CLIENT_REFUSED;
}

static enum stun_client_outcome
read_success(const struct stun_client *c, struct stun_client_answer *a)
{
	struct endpoint plain;
	int r = stun_get_mapped(&a->msg, &a->mapped);

	if (r < 0)
		a->mapped = (struct endpoint) { .addr = { .family = ADDR_NONE } };
	if (c->method == STUN_BINDING && r < 0)
		return refused(a, "the answer has no address");
	/* Nobody's address: a number to publish is never made of it. */
	if (r == 0 && (addr_is_unspecified(&a->mapped.addr) || a->mapped.port == 0))
		return refused(a, "the address in the answer is none");
	a->rewritten = r == 0 && stun_has(&a->msg, STUN_XOR_MAPPED_ADDRESS) &&
		       stun_get_address(&a->msg, STUN_MAPPED_ADDRESS, &plain) == 0 &&
		       !endpoint_equal(&plain, &a->mapped);
	return STUN_CLIENT_ANSWERED;
}

static enum stun_client_outcome
read_error(const struct stun_client *c, struct stun_client_answer *a)
{
	struct stun_error e;

	if (stun_get_error(&a->msg, STUN_ERROR_CODE, &e) < 0)
		return refused(a, "an error without a code");
	a->code = e.code;
	text_copy_printable(a->reason, sizeof(a->reason), e.reason, e.reason_len);
	if (e.code != 300 || c->redirected ||
	    stun_get_address(&a->msg, STUN_ALTERNATE_SERVER, &a->alternate) < 0 ||
	    !stun_client_may_follow(&c->server, &a->alternate))
		return STUN_CLIENT_REFUSED;
	return STUN_CLIENT_TRY_OTHER;
}

bool
stun_client_domain(const struct stun_client_answer *a, char ret[static STUN_HOST_MAX])
{
	const uint8_t *bytes;
	size_t len;

	if (stun_get_bytes(&a->msg, STUN_ALTERNATE_DOMAIN, &bytes, &len) < 0 ||
	    len >= STUN_HOST_MAX || memchr(bytes, '\0', len))
		return false;
	memcpy(ret, bytes, len);
	ret[len] = '\0';
	return true;
}

enum stun_client_outcome
stun_client_receive(struct stun_client *c, const uint8_t *buf, size_t len,
    const struct endpoint *from, msec_t now, struct stun_client_answer *ret)
{
	struct stun_client_answer a = { .round_trip_ms = -1 };
	enum stun_client_outcome outcome;
	uint16_t unknown;

	if (c->over || c->sends == 0 || (from && !endpoint_equal(from, &c->server)) ||
	    stun_decode(buf, len, 0, &a.msg) < 0 ||
	    !stun_answers(&a.msg, c->method, &c->id))
		return STUN_CLIENT_IGNORED;
	if (c->sends == 1)
		a.round_trip_ms = MAX(0, now - c->began_at);
	/* RFC 8489 sections 6.3.3 and 6.3.4: discarded, and the end. */
	if (stun_unknown(&a.msg, STUN_UNDERSTOOD_ALL, &unknown, 1) > 0)
		outcome = refused(&a, "the answer demands what is not known here");
	else if (a.msg.class == STUN_SUCCESS)
		outcome = read_success(c, &a);
	else
		outcome = read_error(c, &a);
	c->over = true;
	c->due_at = MSEC_NEVER;
	*ret = a;
	return outcome;
}

bool
stun_client_error(struct stun_client *c, int error)
{
	/* Port or protocol unreachable; an unreachable host or network may come back.
	 */
	bool hard = error == -ECONNREFUSED || error == -ENOPROTOOPT ||
		    error == -EPROTONOSUPPORT;

	if (c->over || !(hard || c->reliable))
		return false;
	c->over = true;
	c->due_at = MSEC_NEVER;
	return true;
}
