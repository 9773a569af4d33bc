/*
 * map.h - a request for a mapping, and what its answer means.
 */
#pragma once

#include <stddef.h>

#include "ctl/ctl.h"
#include "ctl/model.h"

#define MAP_PARAMETERS_MAX 4096

/* The parameters of RequestMapping() from the options and "PROTO PORT" as JSON text.
 * CTL_DONE, or CTL_USAGE after a message. */
enum exit_code map_parameters(struct ctl *ctl, char **argv, char *ret, size_t size);

/* How long natd may take for its first verdict. */
msec_t map_patience(const struct ctl *ctl);

/* Reads {"mapping": ...}.  CTL_DONE, or CTL_FAILED after a message. */
enum exit_code map_read(const struct reply *reply, struct mapping *ret);
