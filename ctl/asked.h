/*
 * asked.h - the call that was refused, in the words of the command line.
 *
 * natd names parameters of its interface; people gave options.  And "permission denied"
 * has one reason at a time, which only the call tells.
 */
#pragma once

#include <cjson/cJSON.h>
#include <stdio.h>

struct asked {
	const char *method;     /* with or without its interface; NULL: not known */
	const char *parameters; /* JSON text */
};

/* "--for (lifetimeSeconds): it takes 1s to 365d", or "the value of NAME" of one that
 * no option stands for. */
void asked_write_parameter(FILE *out, const char *name);

/* What of this call is a privilege: "open ports below 1024 or map to other hosts".
 * parameters: those of the call, or NULL. */
void asked_write_privilege(FILE *out, const char *method, const cJSON *parameters);
