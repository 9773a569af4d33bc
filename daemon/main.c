/*
 * main.c - natd: start, signals, stop.
 */
#include <errno.h>
#include <event2/event.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "daemon/api.h"
#include "daemon/conf.h"
#include "daemon/engine.h"
#include "daemon/fdstore.h"
#include "daemon/log.h"
#include "daemon/loop.h"
#include "daemon/message.h"
#include "daemon/metrics_http.h"
#include "daemon/notify.h"
#include "daemon/options.h"
#include "daemon/state.h"
#include "daemon/stun.h"
#include "daemon/stun_server.h"
#include "daemon/trace.h"
#include "daemon/varlink.h"
#include "netmon/netmon.h"
#include "proto/json.h"
#include "proto/version.h"

struct natd {
	struct options options;
	struct paths paths;
	struct loop *loop;
	struct conf *conf;
	struct state *state;
	struct netmon *net;
	struct engine *engine;
	struct fdstore *store;
	struct stun *stun;
	struct behaviors *behaviors;
	struct stund *stund;
	struct varlink_server *server;
	struct api *api;
	struct trace *trace;
	struct metrics_http *metrics;
	struct timer watchdog, status_timer;
	struct event *signals[3];
	struct engine_observer observer;
};

/* ---- configuration ---- */

/* What a daemon says of a file that is none of its own, at most. */
#define MISTAKES_LOGGED_MAX 1000

/* Reads the configuration; says what is wrong with it, up to max mistakes. */
static int
load_conf(
    const struct natd *n, size_t max, struct conf **ret, struct conf_errors *ret_errors)
{
	const char *path = n->paths.config;
	int r;

	/* The default file may be missing, one that was named may not. */
	if (n->options.config && access(path, R_OK) < 0) {
		r = -errno;
		*ret_errors = (struct conf_errors) { 0 };
		log_error_with(MESSAGE(MESSAGE_CONFIGURATION), "%s: %m", path);
		return r;
	}
	r = conf_load(path, ret, ret_errors);
	conf_errors_log(ret_errors, max, MESSAGE(MESSAGE_CONFIGURATION));
	if (r < 0 && ret_errors->count == 0)
		log_error_with(MESSAGE(MESSAGE_CONFIGURATION),
		    "cannot read the configuration: %s", strerror(-r));
	return r;
}

static int
check_config(const struct natd *n)
{
	struct conf *conf = NULL;
	struct conf_errors errors;
	int r;

	log_plain();
	r = load_conf(n, SIZE_MAX, &conf, &errors);
	conf_errors_done(&errors);
	conf_free(conf);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* The first with its file and line; the message goes on with the others.  With none it
 * is error that stood in the way. */
static void
tell_errors(const struct natd *n, const struct conf_errors *errors, int error,
    char file[static 256], unsigned *ret_line, char message[static RELOAD_MESSAGE_MAX])
{
	bool any = errors->count > 0;

	snprintf(file, 256, "%.255s", any ? errors->list[0].file : n->paths.config);
	*ret_line = any ? errors->list[0].line : 0;
	if (any)
		conf_errors_text(errors, message, RELOAD_MESSAGE_MAX);
	else if (error == -ENOMEM)
		snprintf(message, RELOAD_MESSAGE_MAX, "there is not enough memory");
	else
		snprintf(message, RELOAD_MESSAGE_MAX, "the file cannot be read: %s",
		    strerror(-error));
}

static void
list_changes(
    const struct conf_changes *changes, cJSON **ret_changed, cJSON **ret_restart)
{
	*ret_changed = cJSON_CreateArray();
	*ret_restart = cJSON_CreateArray();
	for (size_t i = 0; i < changes->count; i++) {
		const struct conf_change *c = &changes->list[i];

		json_append_string(*ret_changed, c->name);
		if (c->restart)
			json_append_string(*ret_restart, c->name);
	}
}

/* What was released although it is configured comes back. */
static void
list_returning(const struct natd *n, const struct conf *conf, cJSON *changed)
{
	for (size_t i = 0; i < n->conf->mappings_count; i++) {
		const char *name = n->conf->mappings[i].name;
		char text[96];

		if (!conf_find_mapping(conf, name) ||
		    engine_has_configured(n->engine, name))
			continue;
		snprintf(text, sizeof(text), "Mapping %s", name);
		json_append_string(changed, text);
	}
}

/* A configuration with any error changes nothing. */
static int
reload(void *ctx, cJSON **ret_changed, cJSON **ret_restart, char file[static 256],
    unsigned *ret_line, char message[static RELOAD_MESSAGE_MAX])
{
	struct natd *n = ctx;
	struct conf *conf = NULL;
	struct conf_errors errors;
	struct conf_changes changes = { 0 };
	int r;

	notify_reloading();
	r = load_conf(n, MISTAKES_LOGGED_MAX, &conf, &errors);
	if (conf)
		r = conf_diff(n->conf, conf, &changes);
	if (!conf || r < 0) {
		tell_errors(n, &errors, r, file, ret_line, message);
		log_warning("the configuration stays as it was");
		conf_free(conf);
	} else {
		struct conf *old = n->conf;

		list_changes(&changes, ret_changed, ret_restart);
		list_returning(n, conf, *ret_changed);
		n->conf = conf;
		if (!n->options.has_log_level)
			log_set_level(conf->log_level);
		engine_set_conf(n->engine, conf);
		stun_set_conf(n->stun, conf);
		stund_set_conf(n->stund, conf);
		conf_free(old);
		log_notice(
		    "configuration read, %d changes", cJSON_GetArraySize(*ret_changed));
	}
	conf_changes_done(&changes);
	conf_errors_done(&errors);
	notify_ready(NULL);
	return r;
}

/* ---- signals ---- */

static void
on_flushed(void *ctx)
{
	struct natd *n = ctx;

	loop_stop(n->loop);
}

static void
on_stopped(void *ctx)
{
	struct natd *n = ctx;

	trace_flush(n->trace, on_flushed, n);
}

static void
on_stop_signal(evutil_socket_t sig, short what, void *ctx)
{
	struct natd *n = ctx;

	(void)what;
	log_notice("stopping on %s", sig == SIGTERM ? "SIGTERM" : "SIGINT");
	notify_stopping("releasing mappings");
	varlink_server_stop_listening(n->server);
	engine_shutdown(n->engine, on_stopped, n);
}

static void
on_reload_signal(evutil_socket_t sig, short what, void *ctx)
{
	cJSON *changed = NULL, *restart = NULL;
	char file[256], message[RELOAD_MESSAGE_MAX];
	unsigned line;

	(void)sig;
	(void)what;
	reload(ctx, &changed, &restart, file, &line, message);
	cJSON_Delete(changed);
	cJSON_Delete(restart);
}

static int
watch_signals(struct natd *n)
{
	static const struct {
		int signal;
		event_callback_fn handle;
	} rows[ARRAY_SIZE(n->signals)] = {
		{ SIGTERM, on_stop_signal },
		{ SIGINT, on_stop_signal },
		{ SIGHUP, on_reload_signal },
	};

	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		n->signals[i] =
		    evsignal_new(loop_base(n->loop), rows[i].signal, rows[i].handle, n);
		if (!n->signals[i] || event_add(n->signals[i], NULL) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* ---- the service manager ---- */

#define STATUS_MS MSEC_PER_SEC

static void
on_watchdog(void *ctx)
{
	struct natd *n = ctx;
	msec_t period = notify_watchdog_period_ms();

	if (period == MSEC_NEVER)
		return;
	notify_alive();
	timer_set(&n->watchdog, loop_now() + period);
}

/* "online, external 203.0.113.7, 2 of 3 mappings active" */
static void
status_text(const struct natd *n, char *ret, size_t size)
{
	unsigned active = 0, total = 0;
	char external[ADDR_TEXT_MAX] = "";

	for (const struct mapping *m = engine_mappings(n->engine); m; m = m->next) {
		struct lease_status st;

		mapping_status(m, &st);
		active += st.is_held;
		total++;
	}
	for (size_t i = 0; i < engine_gateways(n->engine) && !external[0]; i++) {
		const struct router *r = gateway_router(engine_gateway(n->engine, i));

		if (router_external(r)->family != ADDR_NONE)
			addr_format(router_external(r), external);
	}
	snprintf(ret, size, "%s%s%s, %u of %u mappings active",
	    engine_state_name(engine_get_state(n->engine)),
	    external[0] ? ", external " : "", external, active, total);
}

static void
on_status(void *ctx)
{
	struct natd *n = ctx;
	char text[160];

	status_text(n, text, sizeof(text));
	if (!engine_is_stopping(n->engine))
		notify_status(text);
}

static void
on_event(struct engine_observer *o, enum engine_event event, const struct mapping *m,
    const struct gateway *g)
{
	struct natd *n = (struct natd *)((char *)o - offsetof(struct natd, observer));

	(void)event;
	(void)m;
	(void)g;
	if (n->status_timer.slot == 0 && notify_is_listened_to())
		timer_set(&n->status_timer, loop_now() + STATUS_MS);
}

/* ---- start and stop ---- */

static int
listen_for_clients(struct natd *n)
{
	const char *path = n->paths.socket;
	int r, fd;

	if (notify_listen_fds("varlink", &fd, 1) > 0)
		return varlink_server_listen_fd(n->server, fd);
	r = varlink_server_listen(n->server, path, 0666);
	if (r == -EADDRINUSE)
		log_error_with(
		    MESSAGE(MESSAGE_CANNOT_START), "%s: another natd is running", path);
	else if (r == -ENOENT)
		log_error_with(MESSAGE(MESSAGE_CANNOT_START),
		    "%s: no such directory; make it, or use --socket=PATH", path);
	else if (r < 0)
		log_error_with(
		    MESSAGE(MESSAGE_CANNOT_START), "%s: %s", path, strerror(-r));
	return r;
}

static char *
metrics_of(void *ctx)
{
	struct natd *n = ctx;

	return metrics_text(n->api);
}

/* Metrics are no reason not to keep mappings. */
static void
listen_for_scrapes(struct natd *n)
{
	int fd, r;

	if (notify_listen_fds("metrics-http", &fd, 1) == 0)
		return;
	r = metrics_http_new(n->loop, fd, metrics_of, n, &n->metrics);
	if (r < 0)
		log_warning("no metrics over HTTP: %s", strerror(-r));
}

static int
cannot_start(int error)
{
	log_error_with(
	    MESSAGE(MESSAGE_CANNOT_START), "cannot start: %s", strerror(-error));
	return error;
}

static int
open_state(struct natd *n)
{
	const char *dir = n->paths.state;
	int r = state_open(dir, &n->state);

	if (r != -EBUSY)
		return r < 0 ? cannot_start(r) : r;
	log_error_with(
	    MESSAGE(MESSAGE_CANNOT_START), "%s: another natd is using it", dir);
	return r;
}

static int
open_netmon(struct natd *n)
{
	int r = netmon_open(&n->net);

	if (r < 0)
		log_error_with(MESSAGE(MESSAGE_CANNOT_START),
		    "cannot read the kernel's network tables: %s", strerror(-r));
	return r;
}

static int
start_loop(struct natd *n)
{
	int r = loop_new(&n->loop);

	if (r == 0)
		r = log_use_loop(n->loop);
	if (r == 0)
		r = watch_signals(n);
	if (r == 0)
		r = timer_init(&n->watchdog, n->loop, on_watchdog, n);
	if (r == 0)
		r = timer_init(&n->status_timer, n->loop, on_status, n);
	return r < 0 ? cannot_start(r) : r;
}

static int
start_parts(struct natd *n)
{
	const struct varlink_settings settings = {
		.vendor = "natd",
		.product = "natd",
		.version = NATD_VERSION,
		.url = "man:natd(8)",
		.connections_max = n->conf->connections_max,
		.connections_per_uid_max = n->conf->connections_per_user,
		.own_uid = getuid(),
		.admin_group = n->conf->admin_group,
		.observer = trace_observer(n->trace),
	};
	const struct api_hooks hooks = {
		.reload = reload, .ctx = n, .trace = n->trace
	};
	int r = varlink_server_new(n->loop, &settings, &n->server);

	if (r == 0)
		r = engine_new(n->loop, n->conf, n->net, n->state, &n->engine);
	if (r == 0)
		r = fdstore_new(&n->store);
	if (r == 0)
		r = stun_new(n->loop, n->conf, n->engine, n->store, &n->stun);
	if (r == 0)
		r = behaviors_new(n->loop, n->engine, n->stun, &n->behaviors);
	if (r == 0)
		r = stund_new(n->loop, n->conf, n->store, &n->stund);
	if (r == 0)
		r = api_new(n->loop, n->engine, n->stun, n->behaviors, n->server,
		    &hooks, &n->api);
	return r < 0 ? cannot_start(r) : r;
}

static int
start(struct natd *n)
{
	int r = start_loop(n);

	if (r == 0)
		r = open_state(n);
	if (r == 0)
		r = open_netmon(n);
	if (r < 0)
		return r;
	n->trace = trace_new(n->loop);
	r = start_parts(n);
	if (r < 0)
		return r;
	trace_engine(n->trace, n->engine);
	n->observer.event = on_event;
	engine_observe(n->engine, &n->observer);
	fdstore_sweep(n->store);
	listen_for_scrapes(n);
	return listen_for_clients(n);
}

static void
natd_done(struct natd *n)
{
	/* What is kept for the next natd is not dropped with its use here. */
	fdstore_freeze(n->store);
	/* The server first: its calls still know the engine. */
	n->server = varlink_server_free(n->server);
	n->metrics = metrics_http_free(n->metrics);
	n->api = api_free(n->api);
	n->stund = stund_free(n->stund);
	n->behaviors = behaviors_free(n->behaviors);
	n->stun = stun_free(n->stun);
	n->store = fdstore_free(n->store);
	n->engine = engine_free(n->engine);
	n->trace = trace_free(n->trace);
	n->net = netmon_free(n->net);
	n->state = state_free(n->state);
	for (size_t i = 0; i < ARRAY_SIZE(n->signals); i++)
		if (n->signals[i])
			event_free(n->signals[i]);
	if (n->loop) {
		log_use_loop(NULL);
		timer_done(&n->watchdog);
		timer_done(&n->status_timer);
	}
	n->loop = loop_free(n->loop);
	n->conf = conf_free(n->conf);
}

/* The exit status: natd.service does not try again what only the administrator can
 * mend. */
static int
run(struct natd *n)
{
	struct conf_errors errors;
	char status[160];
	int r = load_conf(n, MISTAKES_LOGGED_MAX, &n->conf, &errors);

	conf_errors_done(&errors);
	if (r < 0) /* memory may be there the next time, a mistake stays */
		return r == -ENOMEM ? EXIT_FAILURE : EX_CONFIG;
	log_set_level(
	    n->options.has_log_level ? n->options.log_level : n->conf->log_level);
	if (n->options.user)
		options_make_directories(&n->paths);
	r = start(n);
	if (r < 0)
		return EXIT_FAILURE;
	status_text(n, status, sizeof(status));
	notify_ready(status);
	on_watchdog(n);
	log_notice("natd %s is ready", NATD_VERSION);
	r = loop_run(n->loop);
	log_notice("natd is done");
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* natd lives for months and most of what it allocates for milliseconds.  Unless told,
 * glibc keeps what one large block took for good: after the first of 1 MiB, freed, it
 * gives back nothing below 2 MiB, and pads each growth by 128 KiB. */
static void
give_memory_back(void)
{
	(void)mallopt(M_TRIM_THRESHOLD, 64 * 1024);
	(void)mallopt(M_TOP_PAD, 16 * 1024);
}

int
main(int argc, char **argv)
{
	struct natd natd = { 0 };
	int r;

	give_memory_back();
	r = options_parse(argc, argv, &natd.options);
	if (r >= 0)
		return r;
	log_open();
	r = options_paths(&natd.options, &natd.paths);
	if (r < 0)
		return EXIT_FAILURE;
	if (natd.options.check_config)
		return check_config(&natd);
	r = run(&natd);
	natd_done(&natd);
	log_close();
	return r;
}
