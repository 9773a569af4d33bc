/*
 * head.c - start line and fields of HTTP (RFC 9112 sections 4, 5) and SSDP.
 */
#include "proto/head.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "proto/text.h"

struct head
head_open(const char *text, size_t len)
{
	return (struct head) { .at = text, .end = text + len };
}

/* The length of the line at the front with its LF. */
static size_t
line_len(const struct head *head)
{
	size_t left = (size_t)(head->end - head->at);
	const char *lf = left > 0 ? memchr(head->at, '\n', left) : NULL;

	return lf ? (size_t)(lf - head->at) + 1 : left;
}

static size_t
without_line_end(const char *line, size_t len)
{
	if (len > 0 && line[len - 1] == '\n')
		len--;
	if (len > 0 && line[len - 1] == '\r')
		len--;
	return len;
}

bool
head_line(struct head *head, const char **ret_line, size_t *ret_len)
{
	const char *line = head->at;
	size_t len;

	if (without_line_end(line, line_len(head)) == 0)
		return false;
	do
		head->at += line_len(head);
	while (head->at < head->end && (*head->at == ' ' || *head->at == '\t'));
	len = (size_t)(head->at - line);
	*ret_line = line;
	*ret_len = without_line_end(line, len);
	return true;
}

bool
head_field(struct head *head, struct head_field *ret)
{
	const char *line;
	size_t len;

	while (head_line(head, &line, &len)) {
		const char *colon = memchr(line, ':', len);
		struct head_field field = { .name = line };

		if (!colon)
			continue;
		field.name_len = (size_t)(colon - line);
		field.value = colon + 1;
		field.value_len = len - field.name_len - 1;
		text_trim(&field.name, &field.name_len);
		text_trim(&field.value, &field.value_len);
		if (field.name_len == 0)
			continue;
		*ret = field;
		return true;
	}
	return false;
}

int
head_status(const char *line, size_t len)
{
	const size_t version_len = strlen("HTTP/1.x");
	uint64_t status;

	if (!text_starts(line, len, "HTTP/1.") || len < version_len + 2 ||
	    line[version_len - 1] < '0' || line[version_len - 1] > '9' ||
	    line[version_len] != ' ')
		return -EBADMSG;
	line += version_len;
	len -= version_len;
	text_trim(&line, &len);
	if (len < 3 || (len > 3 && line[3] != ' ') ||
	    text_to_uint(line, 3, 599, &status) < 0 || status < 100)
		return -EBADMSG;
	return (int)status;
}
