/*
 * reflexive.c - GetReflexiveAddress: the caller's own UDP socket as the network shows
 * it, once or for as long as the connection lasts.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/api_private.h"
#include "daemon/stun.h"
#include "proto/json.h"

#define TIMEOUT_MS (3 * MSEC_PER_SEC)
#define AGAIN_MS 100 /* what could not be told for lack of memory */

struct reflexive {
	struct varlink_call *call;
	struct stun_watch *watch;
	struct timer timer;
	bool told, untold; /* untold: the reader had no room for the last report */
	struct stun_report report;
	char server[STUN_URI_MAX]; /* as the caller wrote it, "" */
};

const struct varlink_param reflexive_params[] = {
	{ .name = "socketFileDescriptor",
	    .type = VARLINK_INT,
	    .required = true,
	    .min = 0,
	    .max = 253 },
	{ .name = "server", .type = VARLINK_STRING, .max = 255 },
	{ .name = "timeoutUSec", .type = VARLINK_INT, .min = 0, .max = INT64_MAX },
	{ .name = "keepAliveUSec", .type = VARLINK_INT, .min = 0, .max = INT64_MAX },
	{ .name = NULL },
};

/* ---- answers ---- */

static cJSON *
report_json(const struct stun_report *r, bool kept)
{
	cJSON *o = cJSON_CreateObject();

	api_add_endpoint(o, "local", &r->local.addr, r->local.port);
	api_add_endpoint(o, "reflexive", &r->reflexive.addr, r->reflexive.port);
	api_add_endpoint(o, "server", &r->server.addr, r->server.port);
	if (kept)
		json_add_int(o, "keepAliveUSec", r->keepalive_ms * 1000);
	return o;
}

static void
refuse_socket(struct varlink_call *call, enum twin_problem problem)
{
	cJSON *o = cJSON_CreateObject();

	json_add_string(o, "reason", twin_problem_name(problem));
	varlink_error(call, NATD_ERROR("InvalidSocket"), o);
}

static void
fail(struct varlink_call *call, const char *server, const char *reason)
{
	cJSON *o = cJSON_CreateObject();

	if (server[0])
		json_add_string(o, "server", server);
	json_add_string(o, "reason", reason);
	varlink_error(call, NATD_ERROR("StunFailed"), o);
}

static void
report(struct reflexive *x)
{
	int r = varlink_reply_continues(x->call, report_json(&x->report, true));

	/* Of several changes that a slow reader missed the last one counts. */
	x->untold = r == -ENOBUFS;
	x->told = true;
	/* No memory for it. */
	if (r == -EMSGSIZE)
		timer_set(&x->timer, loop_now() + AGAIN_MS);
}

static void
found(const struct stun_report *r, void *ctx)
{
	struct reflexive *x = ctx;

	timer_clear(&x->timer);
	x->report = *r;
	if (varlink_call_more(x->call))
		report(x);
	else
		varlink_reply(x->call, report_json(r, false));
}

static void
lost(const char *reason, bool offline, void *ctx)
{
	struct reflexive *x = ctx;

	/* Whoever has an address is told of the next one. */
	if (x->told)
		return;
	if (offline)
		varlink_error(x->call, NATD_ERROR("NotOnline"), NULL);
	else
		fail(x->call, x->server, reason);
}

static void
on_timeout(void *ctx)
{
	struct reflexive *x = ctx;

	if (x->told)
		report(x);
	else
		fail(x->call, x->server, "no answer in time");
}

static void
on_drain(struct varlink_call *call, void *ctx)
{
	struct reflexive *x = ctx;

	(void)call;
	if (x->untold)
		report(x);
}

static void
on_end(struct varlink_call *call, void *ctx)
{
	struct reflexive *x = ctx;

	(void)call;
	stun_watch_stop(x->watch);
	timer_done(&x->timer);
	free(x);
}

/* ---- the call ---- */

static msec_t
msec_of(const struct varlink_value *v, msec_t fallback)
{
	return v->present ? v->i / 1000 : fallback;
}

static void
start(struct api *a, struct varlink_call *call, const struct varlink_value *values,
    const struct twin_app *app, const struct stun_uri *server)
{
	struct reflexive *x = calloc(1, sizeof(*x));
	const struct stun_watch_hooks hooks = { found, lost, x,
		varlink_call_more(call) };
	msec_t timeout = msec_of(&values[2], TIMEOUT_MS), now = loop_now();
	msec_t keepalive = MAX(values[3].present, msec_of(&values[3], 0));
	int r = x ? timer_init(&x->timer, a->loop, on_timeout, x) : -ENOMEM;

	if (r < 0) {
		close(app->fd);
		free(x);
		fail(call, "", strerror(-r));
		return;
	}
	x->call = call;
	if (server)
		snprintf(x->server, sizeof(x->server), "%s", values[1].s);
	r = stun_watch_start(a->stun, app, server, keepalive, &hooks, &x->watch);
	if (r < 0) {
		timer_done(&x->timer);
		free(x);
		fail(call, "",
		    r != -ENODATA           ? strerror(-r)
		    : stun_servers(a->stun) ? "no STUN server of UDP is configured"
					    : "no STUN server is configured");
		return;
	}
	timer_set(&x->timer, timeout < INT64_MAX - now ? now + timeout : MSEC_NEVER);
	varlink_call_on_drain(call, on_drain, x);
	varlink_call_on_end(call, on_end, x);
}

void
get_reflexive_address(
    struct varlink_call *call, const struct varlink_value *values, void *ctx)
{
	struct api *a = ctx;
	struct stun_uri uri;
	struct twin_app app;
	enum twin_problem problem = TWIN_MISSING;
	/* One descriptor rides on a call, so its index is 0. */
	int fd = varlink_call_take_fd(call), r;

	if (engine_is_stopping(a->engine)) {
		if (fd >= 0)
			close(fd);
		varlink_error(call, NATD_ERROR("ShuttingDown"), NULL);
		return;
	}
	if (values[1].present &&
	    (stun_uri_parse(values[1].s, strlen(values[1].s), &uri) < 0 ||
		uri.transport != STUN_UDP)) {
		if (fd >= 0)
			close(fd);
		varlink_error_invalid_parameter(call, "server");
		return;
	}
	r = values[0].i == 0 ? twin_look(fd, &app, &problem) : 1;
	if (r == 0) {
		start(a, call, values, &app, values[1].present ? &uri : NULL);
		return;
	}
	if (fd >= 0)
		close(fd);
	if (r < 0)
		fail(call, "", strerror(-r));
	else
		refuse_socket(call, problem);
}
