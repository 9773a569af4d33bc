/*
 * head.h - start line and fields of HTTP and SSDP messages, read where they lie.
 *
 * Lines end in LF or CR LF (old routers send the former).  A line that starts with
 * white space continues the one before; it stays one value with the line end inside,
 * so nothing is copied and no field can be hidden in a continuation.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct head {
	const char *at, *end; /* borrowed: what is not read yet */
};

struct head_field {
	const char *name, *value; /* borrowed, trimmed, without NUL */
	size_t name_len, value_len;
};

struct head head_open(const char *text, size_t len);

/* The next line with its continuations, without its end.  False at the blank line and
 * at the end of the text. */
bool head_line(struct head *head, const char **ret_line, size_t *ret_len);

/* The next field; a line without a name and a colon is no field and skipped.  False as
 * for head_line(). */
bool head_field(struct head *head, struct head_field *ret);

/* The status of "HTTP/1.1 200 OK", any 1.x, any case, reason optional: 100-599;
 * -EBADMSG if line[0..len) is no such line. */
int head_status(const char *line, size_t len);
