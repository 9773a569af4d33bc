/*
 * jsontext.h - JSON as text: shown as it came, only the white space is ours.
 *
 * Numbers and strings of a reply are never taken apart and put together again, so an
 * integer beyond 2^53 or an escape sequence arrives as natd wrote it.  Everything here
 * expects text that the strict reader (proto/json.h) has accepted.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* The value of a member of the outermost object, as a part of text; the name is
 * compared as it is written there.  0 or -ENOENT. */
int json_text_member(const char *text, size_t len, const char *name,
    const char **ret_value, size_t *ret_len);

/*
 * Writes one JSON value: pretty (two spaces, several lines) or on one line, without a
 * newline at the end.  Characters that drive a terminal and that JSON allows as they
 * are (DEL, C1) come out as escape sequences of the same value.
 */
void json_text_write(FILE *out, const char *text, size_t len, bool pretty);
