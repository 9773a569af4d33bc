/*
 * path.h - the way from this host to the Internet as a small picture.
 */
#pragma once

#include <cjson/cJSON.h>
#include <stdio.h>

#include "ctl/ctl.h"

/* From findings whose codes are hops: side by side where the terminal is wide enough,
 * else one below the other.  CTL_DONE, or a code after a message. */
enum exit_code path_write(const struct ctl *ctl, FILE *out, const cJSON *findings);
