/*
 * events.h - the events of Monitor(): decoded, remembered as far as the next one needs
 * it ("renewed" and "changed" are differences), and told in one line each.
 */
#pragma once

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#include "ctl/ctl.h"
#include "ctl/model.h"
#include "proto/util.h"

#define EVENT_WORDS_MAX 8

/* Borrowed from the reply. */
struct event {
	int64_t sequence, lost;
	const char *word; /* of EventType */
	struct stamp timestamp;
	const char *state;
	const cJSON *mappings, *gateways; /* arrays, NULL: not there */
	bool has_mapping, has_gateway, has_behavior, has_address;
	struct mapping mapping;
	struct gateway gateway;
	struct nat_behavior behavior;
	struct external_address address;
};

/* 0, or -EBADMSG with the first bad member's name in *ret_bad. */
int event_decode(const cJSON *json, struct event *ret, const char **ret_bad);

/* The word of EventType for what people write ("state-changed"); NULL: none. */
const char *event_word(const char *text);

struct events; /* opaque: what earlier events said */

struct events *events_new(void);
struct events *events_free(struct events *e);
DEFINE_FREEP(events)

/* Prints the event's line (a snapshot without -q), and remembers it. */
enum exit_code
events_show(const struct ctl *ctl, struct events *e, const struct event *event);
