/*
 * errors.h - what every error of the control interface means for people and scripts.
 */
#pragma once

#include <cjson/cJSON.h>
#include <stdbool.h>

#include "ctl/asked.h"
#include "ctl/client.h"
#include "ctl/ctl.h"

/* The sentence for an error reply to what was asked (a new string, or NULL when out of
 * memory), and the exit code it stands for. */
char *error_sentence(
    const struct reply *reply, const struct asked *asked, enum exit_code *ret_code);

/* Prints the sentence on stderr; the exit code. */
enum exit_code error_report(const struct reply *reply, const struct asked *asked);

/* Whether the same request may succeed later without anybody doing anything. */
bool error_is_transient(const char *error);
