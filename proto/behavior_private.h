/*
 * behavior_private.h - shared by behavior.c (what is asked when), behavior_answer.c
 * (what comes) and behavior_verdict.c (what it means).  Nobody else includes this.
 */
#pragma once

#include "proto/behavior.h"

/* Of a server's four endpoints. */
#define BIT_IP 1
#define BIT_PORT 2

struct behavior_row {
	bool filter;        /* from the FILTER socket */
	uint8_t to, change; /* bits; the answer comes from the one with both turned */
};

extern const struct behavior_row behavior_rows[BEHAVIOR_QUESTIONS];

struct endpoint behavior_endpoint(const struct behavior_server *s, unsigned bits);

/* The nearest server that answered, or NULL. */
const struct behavior_server *behavior_nearest(const struct behavior_machine *b);

void behavior_ask_init(struct behavior_ask *a);
/* Fills *ret, and says when it is due again.  False: there is no id to be had. */
bool behavior_send_ask(struct behavior_ask *a, const struct stun_chance *chance,
    unsigned change, msec_t again_ms, msec_t now, struct behavior_send *ret);
/* Asked from now on; of one that was asked before nothing changes. */
void behavior_ask_from(struct behavior_ask *a, msec_t now);
void behavior_ask_stop(struct behavior_ask *a, enum behavior_ask_state state);

void behavior_write_request(
    struct behavior_send *ret, const struct stun_id *id, unsigned change);

/* behavior_filter.c */
/* A question that is due; BEHAVIOR_QUESTIONS: *ret is filled with something else; -1:
 * nothing now. */
int behavior_filter_next(struct behavior_machine *b, struct behavior_server *s,
    const struct stun_chance *chance, msec_t now, struct behavior_send *ret);
/* When to look again. */
msec_t behavior_filter_wake(
    const struct behavior_machine *b, const struct behavior_server *s, msec_t now);
/* Nothing more depends on the filter being closed. */
void behavior_open(struct behavior_server *s, msec_t now);

/* behavior_hairpin.c */
bool behavior_hairpin_next(struct behavior_machine *b, const struct stun_chance *chance,
    msec_t now, struct behavior_send *ret);
msec_t behavior_hairpin_wake(const struct behavior_machine *b);
void behavior_hairpin_ends(struct behavior_machine *b, int8_t verdict);

/* What one server's answers say. */
enum behavior behavior_mapping_vote(
    const struct behavior_machine *b, const struct behavior_server *s);
enum behavior behavior_filtering_vote(const struct behavior_server *s);
