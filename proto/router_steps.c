/*
 * router_steps.c - what was asked of the router and how it ended, for traces; how long
 * its answers took.
 *
 * A ring that nobody pays for who does not trace; when it is not emptied in time the
 * oldest steps are lost, never the router's work.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/router_private.h"

#define STEPS_MAX 64

struct steps {
	struct router_step list[STEPS_MAX];
	unsigned first, count;
};

int
router_trace(struct router *r)
{
	if (!r->steps)
		r->steps = calloc(1, sizeof(*r->steps));
	return r->steps ? 0 : -ENOMEM;
}

bool
router_next_step(struct router *r, struct router_step *ret)
{
	struct steps *steps = r->steps;

	if (!steps || steps->count == 0)
		return false;
	*ret = steps->list[steps->first];
	steps->first = (steps->first + 1) % STEPS_MAX;
	steps->count--;
	return true;
}

static void
add(struct router *r, struct router_step step, const struct lease *l)
{
	struct steps *steps = r->steps;

	step.method = service_method(r, step.service);
	step.owner = l ? l->owner : NULL;
	if (steps->count == STEPS_MAX) {
		steps->first = (steps->first + 1) % STEPS_MAX;
		steps->count--;
	}
	steps->list[(steps->first + steps->count++) % STEPS_MAX] = step;
}

void
step_sent(struct router *r, enum router_service s, const struct lease *l,
    const char *question, unsigned sends)
{
	const struct router_step step = {
		.kind = STEP_SENT,
		.service = s,
		.question = question,
		.sends = sends,
	};

	if (r->steps)
		add(r, step, l);
}

/* ---- how long answers take ---- */

const msec_t router_trip_bounds_ms[ROUTER_TRIPS] = { 1, 3, 10, 30, 100, 300, 1000,
	3000 };

const struct router_trips *
router_trips(const struct router *r, enum router_service s)
{
	return &r->service[s].trips;
}

/* Karn's rule; -1: not to be told. */
static msec_t
trip_of(
    const struct router *r, enum router_service s, const struct lease *l, msec_t now)
{
	const struct service *svc = &r->service[s];

	if (!pxp_is(s))
		return now - r->igd.job_sent_at;
	if (l)
		return l->sends == 1 ? now - l->started_at : -1;
	return svc->sends == 1 ? now - svc->sent_at : -1;
}

static void
count_trip(struct service *svc, msec_t ms)
{
	size_t i = 0;

	if (ms < 0)
		return;
	while (i < ROUTER_TRIPS && ms > router_trip_bounds_ms[i])
		i++;
	svc->trips.count[i]++;
	svc->trips.sum_ms += (uint64_t)ms;
}

void
step_found(struct router *r, enum router_service s, const struct lease *l, msec_t now)
{
	const struct router_step step = {
		.kind = STEP_ENDED,
		.service = s,
		.found = true,
	};

	count_trip(&r->service[s], trip_of(r, s, l, now));
	if (r->steps)
		add(r, step, l);
}

void
step_failed(struct router *r, enum router_service s, const struct lease *l, int code,
    const char *problem)
{
	struct router_step step = { .kind = STEP_ENDED, .service = s, .code = code };

	if (!r->steps)
		return;
	snprintf(step.problem, sizeof(step.problem), "%s", problem);
	add(r, step, l);
}

void
steps_forget(struct router *r, const void *owner)
{
	struct steps *steps = r->steps;
	unsigned kept = 0;

	for (unsigned i = 0; steps && i < steps->count; i++) {
		const struct router_step *step =
		    &steps->list[(steps->first + i) % STEPS_MAX];

		if (step->owner != owner)
			steps->list[(steps->first + kept++) % STEPS_MAX] = *step;
	}
	if (steps)
		steps->count = kept;
}
