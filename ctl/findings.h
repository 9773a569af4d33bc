/*
 * findings.h - what natd found, as people read it: mark, sentence, code, advice.
 */
#pragma once

#include <cjson/cJSON.h>
#include <stdio.h>

#include "ctl/ctl.h"

/* Where a line that is too long goes on, for page_fold(). */
#define FINDINGS_FOLD 18

/* A block with this key of an array of Finding.  CTL_DONE, or a code after a message.
 */
enum exit_code findings_write(
    const struct ctl *ctl, FILE *out, const char *key, const cJSON *findings);
