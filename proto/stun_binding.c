/*
 * stun_binding.c - one STUN binding: found, kept alive, found again.
 */
#include "proto/stun_binding.h"

#include "proto/retry.h"

void
stun_binding_set_interval(struct stun_binding *b, msec_t interval_ms)
{
	b->interval_ms = (uint32_t)MAX(
	    STUN_KEEPALIVE_MIN_MS, MIN(interval_ms, STUN_KEEPALIVE_MAX_MS));
}

void
stun_binding_init(struct stun_binding *b, msec_t interval_ms, msec_t now)
{
	*b = (struct stun_binding) { .holder = -1 };
	stun_binding_set_interval(b, interval_ms);
	stun_binding_restart(b, now);
}

/* ---- attempts ---- */

static bool
any_asking(const struct stun_binding *b)
{
	for (unsigned i = 0; i < STUN_BINDING_ATTEMPTS; i++)
		if (b->attempts[i].asking || b->attempts[i].redirect)
			return true;
	return false;
}

static void
leave(struct stun_binding *b, unsigned slot, bool failed)
{
	struct stun_attempt *a = &b->attempts[slot];

	a->asking = a->redirect = false;
	a->leaving = a->open;
	a->failed = failed;
	if (b->holder == (int)slot)
		b->holder = -1;
}

/* This one will not answer: the next one need not wait. */
static void
fail(struct stun_binding *b, unsigned slot, msec_t now)
{
	leave(b, slot, true);
	if (b->phase == STUN_BINDING_SEARCHING)
		b->join_at = MIN(b->join_at, now);
}

static int
free_slot(const struct stun_binding *b)
{
	for (int i = 0; i < STUN_BINDING_ATTEMPTS; i++)
		if (!b->attempts[i].open)
			return i;
	return -1;
}

static void
search(struct stun_binding *b, msec_t join_at)
{
	b->phase = STUN_BINDING_SEARCHING;
	b->join_at = join_at;
	b->due_at = MSEC_NEVER;
}

void
stun_binding_restart(struct stun_binding *b, msec_t now)
{
	for (unsigned i = 0; i < STUN_BINDING_ATTEMPTS; i++)
		if (b->attempts[i].open)
			leave(b, i, false);
	b->reflexive = (struct endpoint) { .addr = { .family = ADDR_NONE } };
	b->searches = 0;
	b->lost = false;
	b->told = true;
	search(b, now);
}

void
stun_binding_hurry(struct stun_binding *b, msec_t now)
{
	if (b->phase != STUN_BINDING_SEARCHING)
		b->due_at = MIN(b->due_at, now);
}

int
stun_binding_opened(struct stun_binding *b, const struct stun_chance *chance,
    unsigned slot, unsigned server, const struct endpoint *to,
    const struct stun_rtt *rtt, msec_t now)
{
	struct stun_attempt *a = &b->attempts[slot];
	bool redirected = a->redirect;
	struct stun_id id;
	int r = crypto_rng_fill(chance->ids, id.bytes, sizeof(id.bytes));

	if (r < 0)
		return r;
	*a = (struct stun_attempt) {
		.server = (uint8_t)server,
		.open = true,
		.asking = true,
	};
	stun_client_begin(&a->client, &id, STUN_BINDING, to, false, rtt, now);
	a->client.redirected = redirected;
	if (!redirected)
		b->join_at = now + STUN_JOIN_MS;
	return 0;
}

void
stun_binding_held(struct stun_binding *b, msec_t now)
{
	b->join_at = now + STUN_SILENT_MS;
}

void
stun_binding_none(struct stun_binding *b, unsigned slot, msec_t now)
{
	if (b->attempts[slot].redirect) {
		b->attempts[slot].open = false; /* the owner closed it */
		fail(b, slot, now);
	} else {
		b->join_at = MSEC_NEVER;
	}
}

void
stun_binding_more(struct stun_binding *b, msec_t now)
{
	/* While there are others it waits for its turn, as they do. */
	if (b->phase == STUN_BINDING_SEARCHING && b->holder < 0 &&
	    b->join_at == MSEC_NEVER)
		b->join_at = now;
	else if (b->phase == STUN_BINDING_RESTING)
		search(b, now);
}

/* ---- what to do ---- */

/* Asks the holder again with a new id. */
static void
keep_alive(struct stun_binding *b, const struct stun_chance *chance, msec_t now)
{
	struct stun_attempt *a = &b->attempts[b->holder];
	struct endpoint to = a->client.server;
	bool redirected = a->client.redirected;
	msec_t rto_ms = a->client.rto_ms;
	struct stun_id id;

	if (crypto_rng_fill(chance->ids, id.bytes, sizeof(id.bytes)) < 0) {
		/* A request that can be foreseen is worse than a binding that ends. */
		b->due_at = now + b->interval_ms;
		return;
	}
	stun_client_begin(&a->client, &id, STUN_BINDING, &to, false, NULL, now);
	a->client.rto_ms = (uint32_t)rto_ms;
	a->client.redirected = redirected;
	a->asking = true;
	search(b, now + STUN_SILENT_MS);
}

static bool
next_closing(struct stun_binding *b, struct stun_binding_step *ret)
{
	for (unsigned i = 0; i < STUN_BINDING_ATTEMPTS; i++) {
		struct stun_attempt *a = &b->attempts[i];

		if (!a->leaving)
			continue;
		a->leaving = a->open = false;
		ret->slot = i;
		ret->server = a->server;
		ret->failed = a->failed;
		return true;
	}
	return false;
}

static bool
next_reopening(const struct stun_binding *b, struct stun_binding_step *ret)
{
	for (unsigned i = 0; i < STUN_BINDING_ATTEMPTS; i++) {
		const struct stun_attempt *a = &b->attempts[i];

		if (!a->redirect)
			continue;
		ret->slot = i;
		ret->server = a->server;
		ret->to = a->client.server;
		return true;
	}
	return false;
}

/* Whether a slot has a request to send; those that waited in vain leave. */
static bool
next_request(struct stun_binding *b, const struct stun_chance *chance, msec_t now,
    struct stun_binding_step *ret)
{
	for (unsigned i = 0; i < STUN_BINDING_ATTEMPTS; i++) {
		struct stun_attempt *a = &b->attempts[i];

		if (!a->asking)
			continue;
		switch (stun_client_poll(&a->client, chance->rng, now)) {
		case STUN_CLIENT_WAIT:
			break;
		case STUN_CLIENT_SEND:
			ret->slot = i;
			stun_client_binding(&a->client, ret->buf, sizeof(ret->buf));
			return true;
		case STUN_CLIENT_TIMED_OUT:
			fail(b, i, now);
			break;
		}
	}
	return false;
}

static void
give_up(struct stun_binding *b, const struct stun_chance *chance, msec_t now)
{
	b->phase = STUN_BINDING_RESTING;
	b->due_at = now + STUN_SEARCH_MIN_MS / 2 +
		    retry_backoff(b->searches, STUN_SEARCH_MIN_MS, STUN_SEARCH_MAX_MS,
			chance->rng);
	if (b->searches < UINT8_MAX)
		b->searches++;
	b->lost = true;
}

static msec_t
next_wake(const struct stun_binding *b)
{
	msec_t at = b->due_at;

	for (unsigned i = 0; i < STUN_BINDING_ATTEMPTS; i++)
		if (b->attempts[i].asking)
			at = MIN(at, b->attempts[i].client.due_at);
	if (b->phase == STUN_BINDING_SEARCHING && free_slot(b) >= 0)
		at = MIN(at, b->join_at);
	return at;
}

enum stun_binding_act
stun_binding_next(struct stun_binding *b, const struct stun_chance *chance, msec_t now,
    struct stun_binding_step *ret)
{
	int slot;

	*ret = (struct stun_binding_step) { .slot = 0 };
	if (b->phase == STUN_BINDING_KEPT && now >= b->due_at && b->holder >= 0)
		keep_alive(b, chance, now);
	else if (b->phase == STUN_BINDING_RESTING && now >= b->due_at)
		search(b, now);
	if (next_request(b, chance, now, ret))
		return STUN_BINDING_SEND;
	if (next_closing(b, ret))
		return STUN_BINDING_CLOSE;
	if (next_reopening(b, ret))
		return STUN_BINDING_REOPEN;
	if (!b->told) {
		b->told = true;
		return STUN_BINDING_FOUND;
	}
	slot = free_slot(b);
	if (b->phase == STUN_BINDING_SEARCHING && now >= b->join_at && slot >= 0) {
		ret->slot = (unsigned)slot;
		return STUN_BINDING_OPEN;
	}
	if (b->phase == STUN_BINDING_SEARCHING && b->join_at == MSEC_NEVER &&
	    !any_asking(b))
		give_up(b, chance, now);
	b->wake_at = next_wake(b);
	if (b->lost) {
		b->lost = false;
		return STUN_BINDING_LOST;
	}
	return STUN_BINDING_WAIT;
}

/* ---- what came ---- */

static void
won(struct stun_binding *b, unsigned slot, const struct stun_chance *chance,
    const struct endpoint *mapped, msec_t now)
{
	struct stun_attempt *a = &b->attempts[slot];

	a->asking = false;
	for (unsigned i = 0; i < STUN_BINDING_ATTEMPTS; i++)
		if (i != slot && b->attempts[i].open && !b->attempts[i].leaving)
			/* Who was silent while others were asked has failed. */
			leave(b, i, b->attempts[i].client.sends > 2);
	b->holder = (int8_t)slot;
	b->server = a->client.server;
	if (!endpoint_equal(&b->reflexive, mapped)) {
		b->reflexive = *mapped;
		b->told = false;
	}
	b->phase = STUN_BINDING_KEPT;
	b->searches = 0;
	b->join_at = MSEC_NEVER;
	/* Each binding at its own pace: many do not beat in time. */
	b->due_at =
	    now + b->interval_ms - (msec_t)rng_below(chance->rng, b->interval_ms / 10);
}

enum stun_client_outcome
stun_binding_receive(struct stun_binding *b, unsigned slot,
    const struct stun_chance *chance, const uint8_t *buf, size_t len, msec_t now,
    struct stun_client_answer *ret)
{
	struct stun_attempt *a = &b->attempts[slot];
	enum stun_client_outcome outcome;

	if (!a->open || !a->asking)
		return STUN_CLIENT_IGNORED;
	outcome = stun_client_receive(&a->client, buf, len, NULL, now, ret);
	switch (outcome) {
	case STUN_CLIENT_IGNORED:
		break;
	case STUN_CLIENT_ANSWERED:
		won(b, slot, chance, &ret->mapped, now);
		break;
	case STUN_CLIENT_TRY_OTHER:
		a->asking = false;
		a->redirect = true;
		a->client.server = ret->alternate;
		break;
	case STUN_CLIENT_REFUSED:
		fail(b, slot, now);
		break;
	}
	return outcome;
}

void
stun_binding_error(struct stun_binding *b, unsigned slot, int error, msec_t now)
{
	struct stun_attempt *a = &b->attempts[slot];

	if (a->open && a->asking && stun_client_error(&a->client, error))
		fail(b, slot, now);
}
