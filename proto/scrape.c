/*
 * scrape.c - HTTP and OpenMetrics as far as Prometheus needs them.
 */
#include "proto/scrape.h"

#include <stdlib.h>
#include <string.h>

#include "proto/text.h"

#define Q_ONE 1000

/* ---- the request ---- */

struct slice {
	const char *at;
	size_t len;
};

/* The part of *rest before the separator, trimmed; *rest moves behind it. */
static struct slice
next_part(struct slice *rest, char separator)
{
	const char *end = memchr(rest->at, separator, rest->len);
	struct slice part = { rest->at, end ? (size_t)(end - rest->at) : rest->len };
	size_t taken = part.len + (end != NULL);

	rest->at += taken;
	rest->len -= taken;
	text_trim(&part.at, &part.len);
	return part;
}

/* "0.5" in thousandths; what is no quality value of RFC 9110 section 12.4.2 counts as
 * 0. */
static unsigned
quality(struct slice value)
{
	unsigned q, digit = Q_ONE / 10;

	if (value.len == 0 || (value.at[0] != '0' && value.at[0] != '1'))
		return 0;
	q = value.at[0] == '1' ? Q_ONE : 0;
	if (value.len > 1 && value.at[1] != '.')
		return 0;
	for (size_t i = 2; i < value.len; i++, digit /= 10) {
		if (value.at[i] < '0' || value.at[i] > '9' || digit == 0)
			return 0;
		q += (unsigned)(value.at[i] - '0') * digit;
	}
	return MIN(q, Q_ONE);
}

/* Raises *open or *plain to what one range of Accept wishes. */
static void
weigh(struct slice range, unsigned *open, unsigned *plain)
{
	struct slice type = next_part(&range, ';');
	unsigned q = Q_ONE;
	bool other_version = false;

	while (range.len > 0) {
		struct slice parameter = next_part(&range, ';');
		struct slice name = next_part(&parameter, '=');

		if (text_is(name.at, name.len, "q"))
			q = quality(parameter);
		else if (text_is(name.at, name.len, "version"))
			other_version = !text_is(parameter.at, parameter.len, "1.0.0");
	}
	if (text_is(type.at, type.len, "application/openmetrics-text") &&
	    !other_version)
		*open = MAX(*open, q);
	else if (text_is(type.at, type.len, "text/plain"))
		*plain = MAX(*plain, q);
}

/* The headers between the request line and the empty line; false: malformed. */
static bool
read_headers(struct slice rest, enum scrape_format *ret)
{
	unsigned open = 0, plain = 0;

	while (rest.len > 0) {
		struct slice line = next_part(&rest, '\n');
		struct slice name;

		if (line.len == 0)
			break;
		if (!memchr(line.at, ':', line.len))
			return false;
		name = next_part(&line, ':');
		if (!text_is(name.at, name.len, "accept"))
			continue;
		while (line.len > 0)
			weigh(next_part(&line, ','), &open, &plain);
	}
	*ret = open > 0 && open >= plain ? SCRAPE_OPEN_METRICS : SCRAPE_TEXT;
	return true;
}

/* Whether the empty line has come. */
static bool
is_whole(const char *request, size_t len)
{
	for (size_t i = 0; i + 1 < len; i++)
		if (request[i] == '\n' &&
		    (request[i + 1] == '\n' || (request[i + 1] == '\r' && i + 2 < len &&
						   request[i + 2] == '\n')))
			return true;
	return false;
}

int
scrape_decode(const char *request, size_t len, enum scrape_format *ret_format)
{
	struct slice rest = { request, len };
	struct slice line, method, target;
	const char *query;

	if (!is_whole(request, MIN(len, SCRAPE_REQUEST_MAX)))
		return len >= SCRAPE_REQUEST_MAX ? 431 : 0;
	if (memchr(request, '\0', len))
		return 400;
	line = next_part(&rest, '\n');
	method = next_part(&line, ' ');
	target = next_part(&line, ' ');
	if (method.len == 0 || target.len == 0 || target.at[0] != '/' ||
	    !text_starts(line.at, line.len, "HTTP/1."))
		return 400;
	/* Methods are case-sensitive. */
	if (method.len != 3 || memcmp(method.at, "GET", 3) != 0)
		return 405;
	query = memchr(target.at, '?', target.len);
	if (query)
		target.len = (size_t)(query - target.at);
	if (target.len != strlen("/metrics") ||
	    memcmp(target.at, "/metrics", target.len) != 0)
		return 404;
	return read_headers(rest, ret_format) ? 200 : 400;
}

/* ---- the answer ---- */

const char *
scrape_content_type(enum scrape_format format)
{
	return format == SCRAPE_OPEN_METRICS
		   ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
		   : "text/plain; version=0.0.4; charset=utf-8";
}

static const char *
reason(int status)
{
	static const struct {
		int status;
		const char *reason;
	} rows[] = {
		{ 200, "OK" },
		{ 400, "Bad Request" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 431, "Request Header Fields Too Large" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].status == status)
			return rows[i].reason;
	return "Service Unavailable";
}

ssize_t
scrape_encode_head(
    char *buf, size_t size, int status, enum scrape_format format, size_t body_len)
{
	struct text_out out = text_out(buf, size);

	text_printf(&out, "HTTP/1.1 %d %s\r\n", status, reason(status));
	if (status == 200)
		text_printf(&out, "Content-Type: %s\r\n", scrape_content_type(format));
	if (status == 405)
		text_put(&out, "Allow: GET\r\n");
	text_printf(&out, "Content-Length: %zu\r\nConnection: close\r\n\r\n", body_len);
	return text_finish(&out);
}

/* ---- OpenMetrics ---- */

/* Whether the line is HELP or TYPE of a counter, and where the name in it ends. */
static bool
names_counter(const char *line, size_t len, size_t *ret_name_end)
{
	static const char suffix[] = "_total";
	const char *space;
	size_t name_end;

	if (!text_starts(line, len, "# HELP ") && !text_starts(line, len, "# TYPE "))
		return false;
	space = memchr(line + 7, ' ', len - 7);
	name_end = space ? (size_t)(space - line) : len;
	if (name_end < 7 + strlen(suffix) ||
	    memcmp(line + name_end - strlen(suffix), suffix, strlen(suffix)) != 0)
		return false;
	*ret_name_end = name_end;
	return true;
}

char *
scrape_open_metrics(const char *text)
{
	static const char end[] = "# EOF\n";
	char *copy = malloc(strlen(text) + sizeof(end)), *to = copy;

	if (!copy)
		return NULL;
	while (*text) {
		size_t len = strcspn(text, "\n"), name_end;

		if (names_counter(text, len, &name_end)) {
			size_t kept = name_end - strlen("_total");

			memcpy(to, text, kept);
			to += kept;
			text += name_end;
			len -= name_end;
		}
		len += text[len] == '\n';
		memcpy(to, text, len);
		to += len;
		text += len;
	}
	memcpy(to, end, sizeof(end));
	return copy;
}
