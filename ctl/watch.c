/*
 * watch.c - the verbs that follow events: monitor, wait.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ctl/events.h"
#include "ctl/model.h"
#include "ctl/output.h"
#include "ctl/verbs.h"
#include "proto/json.h"

#define PARAMETERS_MAX 512

/* Monitor() with the events of these words, all if there are none. */
static enum exit_code
subscribe(struct ctl *ctl, int count, const char *const *words, struct reply *ret)
{
	_cleanup_(json_freep) cJSON *parameters = cJSON_CreateObject();
	cJSON *list = count > 0 ? json_add_array(parameters, "events") : NULL;
	char text[PARAMETERS_MAX];

	for (int i = 0; i < count; i++)
		json_append_string(list, words[i]);
	if (json_print(parameters, text, sizeof(text)) < 0) {
		complain("out of memory");
		return CTL_FAILED;
	}
	return ctl_call(ctl, "Monitor", text, true, ret);
}

static enum exit_code
follow(struct ctl *ctl, struct reply *reply, struct events *events)
{
	enum exit_code code = CTL_DONE;

	for (;;) {
		const char *bad = NULL;
		struct event event;

		if (event_decode(reply->parameters, &event, &bad) < 0)
			return ctl_bad_reply(bad);
		if (!output_reply_line(ctl, reply))
			code = events_show(ctl, events, &event);
		else if (ferror(stdout))
			code = CTL_FAILED;
		if (code != CTL_DONE)
			return code;
		if (!reply->continues)
			return CTL_DONE;
		code = ctl_next(ctl, MSEC_NEVER, reply);
		if (code != CTL_DONE)
			return code;
	}
}

enum exit_code
verb_monitor(struct ctl *ctl, int argc, char **argv)
{
	_cleanup_(reply_done) struct reply reply = { 0 };
	_cleanup_(events_freep) struct events *events = NULL;
	const char *words[EVENT_WORDS_MAX];
	enum exit_code code;

	for (int i = 0; i < argc; i++) {
		words[i] = event_word(argv[i]);
		if (!words[i]) {
			complain(
			    "there is no event '%s'. Try: natctl interface", argv[i]);
			return CTL_USAGE;
		}
	}
	events = events_new();
	if (!events) {
		complain("out of memory");
		return CTL_FAILED;
	}
	code = subscribe(ctl, argc, words, &reply);
	return code == CTL_DONE ? follow(ctl, &reply, events) : code;
}

/* What "wait" waits for: 1 it is so, 0 not yet, -ENOENT it can't be any more. */
static int
is_online(const struct event *event)
{
	/* With a mapping that failed this host is reachable by the others. */
	return event->state && (strcmp(event->state, "online") == 0 ||
				   strcmp(event->state, "degraded") == 0);
}

static int
is_active(const struct event *event, const char *id)
{
	const char *bad = NULL;
	const cJSON *item;
	struct mapping m;

	if (event->has_mapping && strcmp(event->mapping.id, id) == 0)
		return strcmp(event->word, "mapping_removed") == 0
			   ? -ENOENT
			   : mapping_is_held(&event->mapping);
	if (!event->mappings)
		return 0;
	cJSON_ArrayForEach(item,
	    event->mappings) if (mapping_decode(item, &m, &bad) == 0 &&
				 strcmp(m.id, id) == 0) return mapping_is_held(&m);
	return -ENOENT;
}

static enum exit_code
wait_until(struct ctl *ctl, struct reply *reply, msec_t deadline, const char *id)
{
	char state[32] = "not ready";

	for (;;) {
		enum exit_code code;
		const char *bad = NULL;
		struct event event;
		int r;

		if (event_decode(reply->parameters, &event, &bad) < 0)
			return ctl_bad_reply(bad);
		r = id ? is_active(&event, id) : is_online(&event);
		if (event.state)
			snprintf(state, sizeof(state), "%s", event.state);
		if (r < 0) {
			complain("there is no mapping %s. Try: natctl list", id);
			return CTL_FAILED;
		}
		if (r > 0) {
			output_reply(ctl, reply);
			return CTL_DONE;
		}
		r = ctl_try_next(ctl, deadline, reply, &code);
		if (r == -ETIMEDOUT && !id) {
			complain("natd is %s", state);
			return CTL_TIMEOUT;
		}
		if (r < 0)
			return ctl_failure(ctl, r);
		if (code != CTL_DONE)
			return code;
	}
}

enum exit_code
verb_wait(struct ctl *ctl, int argc, char **argv)
{
	static const char *const for_host[] = { "snapshot", "state_changed" };
	static const char *const for_mapping[] = { "snapshot", "mapping_added",
		"mapping_changed", "mapping_removed" };
	const char *id = argc > 0 ? argv[0] : NULL;
	_cleanup_(reply_done) struct reply reply = { 0 };
	msec_t deadline =
	    ctl->opt.timeout_us < 0 ? MSEC_NEVER : client_now() + ctl_patience(ctl);
	enum exit_code code =
	    subscribe(ctl, id ? ARRAY_SIZE(for_mapping) : ARRAY_SIZE(for_host),
		id ? for_mapping : for_host, &reply);

	return code == CTL_DONE ? wait_until(ctl, &reply, deadline, id) : code;
}
