/*
 * http.c - one UPnP request out, one response in.
 *
 * The reader is a row of takers, one per state; each looks at the next bytes, keeps
 * what it needs and says how many it took.  Decisions fall only at the byte that makes
 * them certain (an LF, the byte over a limit), which is why the cuts cannot matter.
 * Nothing is allocated for what a peer announces, only for what it has sent.
 */
#include "proto/http.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "proto/head.h"
#include "proto/text.h"
#include "proto/version.h"

/* A chunk of 2^32 bytes has nine digits; more are an attack, however many are zero. */
#define CHUNK_DIGITS_MAX 8

struct bytes {
	char *at; /* owned; NULL or NUL-terminated */
	size_t len, size;
};

enum state { HEAD, LENGTH, TO_CLOSE, CHUNK, CHUNK_DATA, CHUNK_END, TRAILER, COMPLETE };

struct http_response {
	enum state state;
	int error;
	size_t body_max;
	unsigned interim;  /* 1xx heads so far */
	struct bytes text; /* head, chunk line or trailers */
	size_t line;       /* where the last line of text starts */
	unsigned lines;    /* of text */
	size_t left;       /* of the body or chunk */
	struct bytes body;
	int status;
	char *fields; /* owned: name NUL value NUL, ... */
	size_t fields_len;
};

static bool
is_visible(const char *text)
{
	if (!*text)
		return false;
	for (; *text; text++)
		if (*text <= ' ' || *text > '~')
			return false;
	return true;
}

/* The spelling of the names matters to some routers; "close" matters because most of
 * those without a Content-Length would else leave the connection open. */
static void
put_request(
    struct text_out *out, const char *method, const char *host, const char *path)
{
	text_printf(out,
	    "%s %s HTTP/1.1\r\n"
	    "Host: %s\r\n"
	    "User-Agent: Linux UPnP/1.1 natd/" NATD_VERSION "\r\n"
	    "Connection: close\r\n",
	    method, path, host);
}

ssize_t
http_encode_get(char *buf, size_t size, const char *host, const char *path)
{
	struct text_out out = text_out(buf, size);

	if (!is_visible(host) || !is_visible(path))
		return -EINVAL;
	put_request(&out, "GET", host, path);
	text_put(&out, "\r\n");
	return text_finish(&out);
}

ssize_t
http_encode_soap(char *buf, size_t size, const char *host, const char *path,
    const char *action, const char *body, size_t body_len)
{
	struct text_out out = text_out(buf, size);

	if (!is_visible(host) || !is_visible(path) || !is_visible(action) ||
	    strchr(action, '"'))
		return -EINVAL;
	put_request(&out, "POST", host, path);
	text_printf(&out,
	    "Content-Type: text/xml; charset=\"utf-8\"\r\n"
	    "Content-Length: %zu\r\n"
	    "SOAPAction: \"%s\"\r\n"
	    "\r\n",
	    body_len, action);
	text_put_n(&out, body, body_len);
	return text_finish(&out);
}

static int
bytes_append(struct bytes *bytes, const char *from, size_t len)
{
	if (len >= bytes->size - bytes->len) {
		size_t size = MAX((bytes->len + len + 1) * 2, (size_t)1024);
		char *at = realloc(bytes->at, size);

		if (!at)
			return -ENOMEM;
		bytes->at = at;
		bytes->size = size;
	}
	memcpy(bytes->at + bytes->len, from, len);
	bytes->len += len;
	bytes->at[bytes->len] = '\0';
	return 0;
}

struct http_response *
http_response_new(size_t body_max)
{
	struct http_response *r = calloc(1, sizeof(*r));

	if (r)
		r->body_max = MIN(body_max, (size_t)HTTP_BODY_MAX);
	return r;
}

struct http_response *
http_response_free(struct http_response *r)
{
	if (!r)
		return NULL;
	free(r->text.at);
	free(r->body.at);
	free(r->fields);
	free(r);
	return NULL;
}

static void
start_text(struct http_response *r)
{
	r->text.len = r->line = r->lines = 0;
}

/* Adds the next line, or what there is of it, to the text.  A line that is complete
 * ends in LF. */
static ssize_t
take_line(struct http_response *r, const char *bytes, size_t len)
{
	const char *lf = memchr(bytes, '\n', len);
	size_t n = lf ? (size_t)(lf - bytes) + 1 : len;
	int error;

	if (r->text.len > 0 && r->text.at[r->text.len - 1] == '\n')
		r->line = r->text.len;
	if (n > HTTP_HEADER_MAX - r->text.len)
		return -EMSGSIZE;
	error = bytes_append(&r->text, bytes, n);
	if (error < 0)
		return error;
	/* One more for the start line, one for the blank line. */
	if (lf && ++r->lines > HTTP_HEADER_LINES_MAX + 2)
		return -EMSGSIZE;
	return (ssize_t)n;
}

/* The last line if it is complete, without its end; else NULL. */
static const char *
complete_line(const struct http_response *r, size_t *ret_len)
{
	size_t len = r->text.len - r->line;

	if (r->text.at[r->text.len - 1] != '\n')
		return NULL;
	len--;
	if (len > 0 && r->text.at[r->line + len - 1] == '\r')
		len--;
	*ret_len = len;
	return r->text.at + r->line;
}

/* Names and values for http_response_header(): the colon and the line end of each field
 * make room for the two NULs. */
static int
keep_fields(struct http_response *r, struct head head)
{
	struct head_field field;

	r->fields = malloc(r->text.len + 1);
	if (!r->fields)
		return -ENOMEM;
	while (head_field(&head, &field)) {
		char *at = r->fields + r->fields_len;

		/* A copy may be shorter: two bytes of a control become one '?'. */
		text_copy_printable(at, field.name_len + 1, field.name, field.name_len);
		at += strlen(at) + 1;
		text_copy_printable(
		    at, field.value_len + 1, field.value, field.value_len);
		at += strlen(at) + 1;
		r->fields_len = (size_t)(at - r->fields);
	}
	return 0;
}

/* What the head says of the body's end (RFC 9112 section 6.3). */
struct framing {
	bool chunked, has_length;
	uint64_t length;
};

static int
read_length(struct framing *framing, const char *text, size_t len)
{
	uint64_t length;

	/* More digits than fit are a length too: one that is over every limit. */
	if (text_to_uint_clamped(text, len, UINT64_MAX, &length) < 0)
		return -EBADMSG;
	if (framing->has_length && framing->length != length)
		return -EBADMSG;
	framing->has_length = true;
	framing->length = length;
	return 0;
}

static int
read_framing(struct head head, struct framing *framing)
{
	struct head_field f;

	while (head_field(&head, &f)) {
		int r = 0;

		if (text_is(f.name, f.name_len, "Content-Length")) {
			r = read_length(framing, f.value, f.value_len);
		} else if (text_is(f.name, f.name_len, "Transfer-Encoding")) {
			if (framing->chunked ||
			    !text_is(f.value, f.value_len, "chunked"))
				r = -EBADMSG;
			framing->chunked = true;
		} else if (text_is(f.name, f.name_len, "Content-Encoding")) {
			/* Nobody asked for one. */
			if (!text_is(f.value, f.value_len, "identity"))
				r = -EBADMSG;
		}
		if (r < 0)
			return r;
	}
	/* Whoever sends both wants two readers to disagree. */
	return framing->chunked && framing->has_length ? -EBADMSG : 0;
}

static int
end_head(struct http_response *r)
{
	struct head head = head_open(r->text.at, r->text.len);
	struct framing framing = { 0 };
	const char *line;
	size_t len;
	int error;

	if (!head_line(&head, &line, &len))
		return -EBADMSG;
	r->status = head_status(line, len);
	if (r->status < 0)
		return r->status;
	if (r->status < 200) {
		start_text(r);
		return ++r->interim > HTTP_INTERIM_MAX ? -EMSGSIZE : 0;
	}
	error = read_framing(head, &framing);
	if (error < 0)
		return error;
	if (framing.length > r->body_max)
		return -EMSGSIZE;
	error = keep_fields(r, head);
	if (error < 0)
		return error;

	start_text(r);
	r->left = (size_t)framing.length;
	if (r->status == 204 || r->status == 304)
		r->state = COMPLETE;
	else if (framing.chunked)
		r->state = CHUNK;
	else if (framing.has_length)
		r->state = r->left > 0 ? LENGTH : COMPLETE;
	else
		r->state = TO_CLOSE;
	return 0;
}

static ssize_t
take_head(struct http_response *r, const char *bytes, size_t len)
{
	ssize_t n = take_line(r, bytes, len);
	size_t left;
	int error;

	if (n < 0 || !complete_line(r, &left) || left > 0)
		return n;
	error = end_head(r);
	return error < 0 ? error : n;
}

static ssize_t
take_body(struct http_response *r, const char *bytes, size_t len)
{
	size_t n = MIN(len, r->left);
	int error = bytes_append(&r->body, bytes, n);

	if (error < 0)
		return error;
	r->left -= n;
	if (r->left == 0)
		r->state = r->state == LENGTH ? COMPLETE : CHUNK_END;
	return (ssize_t)n;
}

static ssize_t
take_to_close(struct http_response *r, const char *bytes, size_t len)
{
	int error;

	if (len > r->body_max - r->body.len)
		return -EMSGSIZE;
	error = bytes_append(&r->body, bytes, len);
	return error < 0 ? error : (ssize_t)len;
}

static int
hex_digit(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *at =
	    c ? strchr(digits, c >= 'A' && c <= 'F' ? c + ('a' - 'A') : c) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* "1f4", perhaps with padding or an extension behind it. */
static int
chunk_size(const char *line, size_t len, size_t *ret)
{
	size_t size = 0, i = 0;

	for (; i < len && hex_digit(line[i]) >= 0; i++) {
		if (i == CHUNK_DIGITS_MAX)
			return -EBADMSG;
		size = size << 4 | (size_t)hex_digit(line[i]);
	}
	if (i == 0 || (i < len && !memchr("; \t", line[i], 3)))
		return -EBADMSG;
	*ret = size;
	return 0;
}

static ssize_t
take_chunk(struct http_response *r, const char *bytes, size_t len)
{
	ssize_t n = take_line(r, bytes, len);
	size_t line_len;
	const char *line;
	int error;

	if (n < 0 || !(line = complete_line(r, &line_len)))
		return n;
	error = chunk_size(line, line_len, &r->left);
	if (error < 0)
		return error;
	if (r->left > r->body_max - r->body.len)
		return -EMSGSIZE;
	start_text(r);
	r->state = r->left > 0 ? CHUNK_DATA : TRAILER;
	return n;
}

static ssize_t
take_chunk_end(struct http_response *r, const char *bytes, size_t len)
{
	ssize_t n = take_line(r, bytes, len);
	size_t left;

	if (n < 0 || !complete_line(r, &left))
		return n;
	if (left > 0)
		return -EBADMSG;
	start_text(r);
	r->state = CHUNK;
	return n;
}

static ssize_t
take_trailer(struct http_response *r, const char *bytes, size_t len)
{
	ssize_t n = take_line(r, bytes, len);
	size_t left;

	if (n >= 0 && complete_line(r, &left) && left == 0)
		r->state = COMPLETE;
	return n;
}

int
http_response_feed(struct http_response *r, const void *bytes, size_t len)
{
	/* clang-format off */
	static ssize_t (*const takers[])(struct http_response *, const char *, size_t) = {
		[HEAD] = take_head,
		[LENGTH] = take_body,
		[TO_CLOSE] = take_to_close,
		[CHUNK] = take_chunk,
		[CHUNK_DATA] = take_body,
		[CHUNK_END] = take_chunk_end,
		[TRAILER] = take_trailer,
	};
	/* clang-format on */
	const char *at = bytes;

	while (r->error == 0 && r->state != COMPLETE && len > 0) {
		ssize_t n = takers[r->state](r, at, len);

		if (n < 0) {
			r->error = (int)n;
			break;
		}
		at += n;
		len -= (size_t)n;
	}
	return r->error < 0 ? r->error : r->state == COMPLETE;
}

int
http_response_eof(struct http_response *r)
{
	if (r->error < 0)
		return r->error;
	/* Behind the last chunk only trailers are missing: nothing that is used. */
	if (r->state == TO_CLOSE || r->state == TRAILER)
		r->state = COMPLETE;
	if (r->state != COMPLETE)
		r->error = -EBADMSG;
	return r->error < 0 ? r->error : 1;
}

int
http_response_status(const struct http_response *r)
{
	return r->status;
}

const char *
http_response_body(const struct http_response *r, size_t *ret_len)
{
	*ret_len = r->body.len;
	return r->body.at ? r->body.at : "";
}

const char *
http_response_header(const struct http_response *r, const char *name)
{
	const char *end = r->fields + r->fields_len;

	for (const char *at = r->fields; at < end; at += strlen(at) + 1) {
		const char *value = at + strlen(at) + 1;

		if (strcasecmp(at, name) == 0)
			return value;
		at = value;
	}
	return NULL;
}
