/*
 * api.h - org.natd.NAT: every method of the interface, answered by the engine.
 */
#pragma once

#include "daemon/behavior.h"
#include "daemon/engine.h"
#include "daemon/stun.h"
#include "daemon/trace.h"
#include "daemon/varlink.h"

struct api; /* opaque */

#define RELOAD_MESSAGE_MAX 2048

/* What Reload does, given by main. */
struct api_hooks {
	/* Reads the configuration again.  0 with the names that changed in *ret_changed
	 * and those that need a restart in *ret_restart (arrays, taken); -EINVAL with
	 * the first error in file, line, message, which goes on with the others, one
	 * per line: "FILE:LINE: MESSAGE". */
	int (*reload)(void *ctx, cJSON **ret_changed, cJSON **ret_restart,
	    char file[static 256], unsigned *ret_line,
	    char message[static RELOAD_MESSAGE_MAX]);
	void *ctx;
	struct trace *trace; /* NULL: nobody traces */
};

int api_new(struct loop *loop, struct engine *engine, struct stun *stun,
    struct behaviors *behaviors, struct varlink_server *server,
    const struct api_hooks *hooks, struct api **ret);
struct api *api_free(struct api *a);

/* The metrics in Prometheus' text format 0.0.4, to be freed; NULL: out of memory. */
char *metrics_text(struct api *a);
