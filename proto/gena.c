/*
 * gena.c - events of UPnP devices (UPnP Device Architecture 2.0, section 4).
 *
 * Whoever sends a NOTIFY may be anybody who reaches the port, so it is read as strictly
 * as an answer of a router that natd asked; what it says is a reason to look, not a
 * fact.
 */
#include "proto/gena.h"

#include <errno.h>
#include <string.h>

#include "proto/head.h"
#include "proto/text.h"
#include "proto/util.h"
#include "proto/version.h"
#include "proto/xml.h"

/* What ends in a header or in "<URL>" must not end it early. */
static bool
is_plain(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (text[i] <= ' ' || text[i] > '~' || text[i] == '>')
			return false;
	return len > 0;
}

static ssize_t
encode(char *buf, size_t size, const char *method, const char *host, const char *path,
    const char *fields, const char *value)
{
	struct text_out out = text_out(buf, size);

	if (!is_plain(host, strlen(host)) || !is_plain(path, strlen(path)) ||
	    !is_plain(value, strlen(value)))
		return -EINVAL;
	text_printf(&out,
	    "%s %s HTTP/1.1\r\n"
	    "HOST: %s\r\n"
	    "USER-AGENT: Linux UPnP/1.1 natd/" NATD_VERSION "\r\n"
	    "CONNECTION: close\r\n",
	    method, path, host);
	text_put(&out, fields);
	text_put(&out, value);
	text_put(&out, strchr(fields, '<') ? ">\r\n\r\n" : "\r\n\r\n");
	return text_finish(&out);
}

#define STRING_(x) #x
#define STRING(x) STRING_(x)
#define TIMEOUT_FIELD "TIMEOUT: Second-" STRING(GENA_TIMEOUT_S) "\r\n"

ssize_t
gena_encode_subscribe(
    char *buf, size_t size, const char *host, const char *path, const char *callback)
{
	return encode(buf, size, "SUBSCRIBE", host, path,
	    "NT: upnp:event\r\n" TIMEOUT_FIELD "CALLBACK: <", callback);
}

/* Section 4.1.2: a SID together with NT or CALLBACK is an error. */
ssize_t
gena_encode_renew(
    char *buf, size_t size, const char *host, const char *path, const char *sid)
{
	return encode(buf, size, "SUBSCRIBE", host, path, TIMEOUT_FIELD "SID: ", sid);
}

ssize_t
gena_encode_unsubscribe(
    char *buf, size_t size, const char *host, const char *path, const char *sid)
{
	return encode(buf, size, "UNSUBSCRIBE", host, path, "SID: ", sid);
}

/* ---- the answer ---- */

static int
copy_sid(char ret[static GENA_SID_MAX], const char *sid, size_t len)
{
	if (len >= GENA_SID_MAX || !is_plain(sid, len))
		return -EBADMSG;
	memcpy(ret, sid, len);
	ret[len] = '\0';
	return 0;
}

/* "Second-1800"; "Second-infinite" and "infinite" are of version 1.0. */
static uint32_t
read_timeout(const char *text)
{
	static const char prefix[] = "Second-";
	size_t len = text ? strlen(text) : 0;
	uint64_t timeout_s;

	if (len == 0)
		return GENA_TIMEOUT_S;
	if (text_starts(text, len, prefix)) {
		text += strlen(prefix);
		len -= strlen(prefix);
	}
	if (text_is(text, len, "infinite"))
		return GENA_TIMEOUT_MAX_S;
	if (text_to_uint_clamped(text, len, GENA_TIMEOUT_MAX_S, &timeout_s) < 0)
		return GENA_TIMEOUT_S;
	return (uint32_t)MAX(timeout_s, GENA_TIMEOUT_MIN_S);
}

int
gena_decode_subscribed(
    const struct http_response *response, struct gena_subscription *ret)
{
	int status = http_response_status(response);
	const char *sid = http_response_header(response, "SID");
	struct gena_subscription s;

	if (status != 200)
		return status == 412 ? -ENOENT : -EACCES;
	if (!sid || copy_sid(s.sid, sid, strlen(sid)) < 0)
		return -EBADMSG;
	s.timeout_s = read_timeout(http_response_header(response, "TIMEOUT"));
	*ret = s;
	return 0;
}

/* ---- NOTIFY ---- */

/* The length of the head with its blank line; 0 if that is not there. */
static size_t
head_len(const char *buf, size_t len)
{
	const char *at = buf, *lf;

	while ((lf = memchr(at, '\n', len - (size_t)(at - buf)))) {
		bool blank = lf == at || (lf == at + 1 && *at == '\r');

		at = lf + 1;
		if (blank)
			return (size_t)(at - buf);
		if (at == buf + len)
			break;
	}
	return 0;
}

static int
body_len(struct head head, size_t *ret)
{
	struct head_field f;
	const char *line;
	size_t line_len;
	bool known = false;
	uint64_t length = 0, again;

	if (!head_line(&head, &line, &line_len))
		return -EBADMSG;
	while (head_field(&head, &f)) {
		/* Whoever sends both lengths and chunks wants two readers to disagree.
		 */
		if (text_is(f.name, f.name_len, "Transfer-Encoding"))
			return -EOPNOTSUPP;
		if (!text_is(f.name, f.name_len, "Content-Length"))
			continue;
		if (text_to_uint_clamped(f.value, f.value_len, UINT64_MAX, &again) < 0)
			return -EBADMSG;
		if (known && again != length)
			return -EBADMSG;
		known = true;
		length = again;
	}
	if (!known)
		return -EOPNOTSUPP;
	if (length > GENA_BODY_MAX)
		return -EMSGSIZE;
	*ret = (size_t)length;
	return 0;
}

ssize_t
gena_request_len(const char *buf, size_t len)
{
	size_t head, body;
	int r;

	/* A method is a word: what starts otherwise is told at its first byte. */
	if (len > 0 && (buf[0] < 'A' || buf[0] > 'Z'))
		return -EBADMSG;
	head = len > 0 ? head_len(buf, MIN(len, (size_t)GENA_HEAD_MAX)) : 0;
	if (head == 0)
		return len < GENA_HEAD_MAX ? 0 : -EMSGSIZE;
	r = body_len(head_open(buf, head), &body);
	return r < 0 ? r : (ssize_t)(head + body);
}

static int
read_request_line(struct head *head, struct gena_notify *n)
{
	static const char method[] = "NOTIFY ";
	const char *line, *space;
	size_t len, path_len;

	if (!head_line(head, &line, &len) || !text_starts(line, len, method))
		return -EBADMSG;
	line += strlen(method);
	len -= strlen(method);
	space = memchr(line, ' ', len);
	path_len = space ? (size_t)(space - line) : len;
	if (!space || !text_starts(space + 1, len - path_len - 1, "HTTP/1.") ||
	    !is_plain(line, path_len))
		return -EBADMSG;
	/* A path that is too long is none of ours. */
	path_len = MIN(path_len, sizeof(n->path) - 1);
	memcpy(n->path, line, path_len);
	n->path[path_len] = '\0';
	return 0;
}

enum field { NT, NTS, SID, SEQ, FIELDS };

static int
read_fields(struct head *head, struct gena_notify *n)
{
	static const char *const names[FIELDS] = { "NT", "NTS", "SID", "SEQ" };
	struct head_field field[FIELDS] = { 0 }, f;
	uint64_t seq;

	while (head_field(head, &f))
		for (unsigned i = 0; i < FIELDS; i++)
			if (!field[i].name && text_is(f.name, f.name_len, names[i]))
				field[i] = f;
	for (unsigned i = 0; i < FIELDS; i++)
		if (!field[i].name)
			return i == SID ? -ENOENT : i == SEQ ? -EBADMSG : -EINVAL;
	if (!text_is(field[NT].value, field[NT].value_len, "upnp:event") ||
	    !text_is(field[NTS].value, field[NTS].value_len, "upnp:propchange"))
		return -EINVAL;
	if (copy_sid(n->sid, field[SID].value, field[SID].value_len) < 0)
		return -ENOENT;
	if (text_to_uint(field[SEQ].value, field[SEQ].value_len, UINT32_MAX, &seq) < 0)
		return -EBADMSG;
	n->seq = (uint32_t)seq;
	return 0;
}

static void
read_external(struct gena_notify *n, const struct xml_element *e)
{
	char text[ADDR_TEXT_MAX];
	struct addr a = { .family = ADDR_NONE };

	if (e->len >= sizeof(text))
		return;
	memcpy(text, e->text, e->len);
	text[e->len] = '\0';
	/* Routers without a connection say "" or 0.0.0.0. */
	if (e->len > 0 && (addr_parse(text, &a) < 0 || a.family != ADDR_IPV4))
		return;
	if (addr_is_unspecified(&a))
		a = (struct addr) { .family = ADDR_NONE };
	n->external = a;
	n->has_external = true;
}

static void
on_start(void *user, const char *name, unsigned depth)
{
	(void)user;
	(void)name;
	(void)depth;
}

static void
on_end(void *user, const struct xml_element *e)
{
	struct gena_notify *n = user;
	size_t name_len = strlen(e->name);
	uint64_t entries;

	if (!e->leaf)
		return;
	if (text_is(e->name, name_len, "ExternalIPAddress")) {
		read_external(n, e);
	} else if (text_is(e->name, name_len, "ConnectionStatus")) {
		n->has_status = true;
		n->connected = text_is(e->text, e->len, "Connected");
	} else if (text_is(e->name, name_len, "PortMappingNumberOfEntries") &&
		   text_to_uint(e->text, e->len, UINT32_MAX, &entries) == 0) {
		n->has_entries = true;
		n->entries = (uint32_t)entries;
	}
}

int
gena_decode_notify(const char *buf, size_t len, struct gena_notify *ret)
{
	ssize_t whole = gena_request_len(buf, len);
	struct gena_notify n = { 0 };
	struct xml_reader reader = { .start = on_start, .end = on_end, .user = &n };
	struct head head;
	size_t body;
	int r;

	if (whole <= 0 || (size_t)whole > len)
		return whole < 0 ? (int)whole : -EBADMSG;
	body = head_len(buf, len);
	head = head_open(buf, body);
	r = read_request_line(&head, &n);
	if (r == 0)
		r = read_fields(&head, &n);
	if (r == 0)
		r = xml_read(buf + body, (size_t)whole - body, GENA_BODY_MAX, &reader);
	if (r == 0)
		*ret = n;
	return r;
}

/* ---- our answer ---- */

static const struct {
	int error, status;
	const char *reason;
} answers[] = {
	{ 0, 200, "OK" },
	{ -EBADMSG, 400, "Bad Request" },
	{ -EINVAL, 400, "Bad Request" },
	{ 0, 404, "Not Found" },
	{ -EOPNOTSUPP, 411, "Length Required" },
	{ -ENOENT, 412, "Precondition Failed" },
	{ -EMSGSIZE, 413, "Content Too Large" },
	{ -ENOMEM, 503, "Service Unavailable" },
};

int
gena_status(int error)
{
	for (size_t i = 0; i < ARRAY_SIZE(answers); i++)
		if (answers[i].error == error)
			return answers[i].status;
	return 400;
}

ssize_t
gena_encode_answer(char *buf, size_t size, int status)
{
	struct text_out out = text_out(buf, size);
	const char *reason = "";

	for (size_t i = 0; i < ARRAY_SIZE(answers); i++)
		if (answers[i].status == status)
			reason = answers[i].reason;
	text_printf(&out,
	    "HTTP/1.1 %d %s\r\n"
	    "Content-Length: 0\r\n"
	    "Connection: close\r\n\r\n",
	    status, reason);
	return text_finish(&out);
}
