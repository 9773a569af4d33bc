/*
 * show.h - a mapping in one line, as "map", "status" and "monitor" say it.
 */
#pragma once

#include <stdio.h>

#include "ctl/ctl.h"
#include "ctl/model.h"

/* "203.0.113.7:8080 -> 192.168.1.20:8080 tcp, PCP, 1h, id m3" */
void mapping_write_line(FILE *out, const struct mapping *m);

/* Why it is not active or active but useless, "" if there is nothing to say; and with
 * the hint what a person can do. */
void mapping_write_problem(FILE *out, const struct mapping *m, bool hint);

/* "renews in 29min" or "next try in 4min" behind separator, as far as it is planned. */
void mapping_write_next(
    const struct ctl *ctl, FILE *out, const char *separator, const struct mapping *m);

/* "endpoint_independent" is a word of the interface; people read "-". */
void word_write(FILE *out, const char *word);

/* "mapping endpoint-independent, filtering address-dependent (2min ago)" */
void nat_behavior_write(const struct ctl *ctl, FILE *out, const struct nat_behavior *n);

/* ListMappings() with a filter: JSON text of its parameters.  The structs borrow from
 * the reply; the caller frees both. */
enum exit_code mappings_fetch(struct ctl *ctl, const char *parameters,
    struct reply *ret_reply, struct mapping **ret, size_t *ret_count);

/* Whether a word looks like the id of a mapping: people give one where a protocol is
 * expected. */
bool mapping_is_id(const char *word);

/* The filter for "PROTO [PORT]" of the command line.  CTL_DONE, or a code after a
 * message. */
enum exit_code
mappings_filter(int argc, char **argv, int64_t owner_uid, char *ret, size_t size);

/* -4, -6 and -i leave out what natd's reply has, which --json prints as it is: both
 * together are refused.  CTL_DONE, or CTL_USAGE after a message. */
enum exit_code filter_allowed(const struct ctl *ctl);

/* Moves the mappings that -4, -6 and -i ask for to the front; how many. */
size_t mappings_select(const struct ctl *ctl, struct mapping *mappings, size_t count);
