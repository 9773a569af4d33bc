/*
 * otlp.c - spans and batches of them in OTLP/HTTP's JSON.
 */
#include "proto/otlp.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/json.h"
#include "proto/text.h"
#include "proto/util.h"
#include "proto/version.h"

#define TRACES_PATH "/v1/traces"
#define SUFFIX "]}]}]}"

/* ---- spans ---- */

static void
add_hex(cJSON *object, const char *key, const uint8_t *bytes, size_t len)
{
	char text[2 * OTLP_TRACE_ID_LEN + 1] = "";

	for (size_t i = 0; i < len; i++)
		snprintf(text + 2 * i, 3, "%02x", bytes[i]);
	json_add_string(object, key, text);
}

/* 64-bit integers are text in the JSON of protobuf. */
static void
add_long(cJSON *object, const char *key, int64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRId64, value);
	json_add_string(object, key, text);
}

static void
add_attribute(cJSON *list, const char *key, const char *text, int64_t number)
{
	cJSON *o = cJSON_CreateObject(), *value;

	json_add_string(o, "key", key);
	value = json_add_object(o, "value");
	if (text)
		json_add_string(value, "stringValue", text);
	else
		add_long(value, "intValue", number);
	json_append_item(list, o);
}

static void
add_attributes(cJSON *object, const struct otlp_attribute *attributes, size_t count)
{
	cJSON *list = json_add_array(object, "attributes");

	for (size_t i = 0; i < count; i++)
		add_attribute(
		    list, attributes[i].key, attributes[i].text, attributes[i].number);
}

static cJSON *
event(const struct otlp_event *e)
{
	cJSON *o = cJSON_CreateObject();

	add_long(o, "timeUnixNano", (int64_t)e->at_ns);
	json_add_string(o, "name", e->name);
	add_attributes(o, e->attributes, e->attributes_count);
	return o;
}

ssize_t
otlp_encode_span(char *buf, size_t size, const struct otlp_span *span)
{
	static const uint8_t none[OTLP_SPAN_ID_LEN];
	_cleanup_(json_freep) cJSON *o = cJSON_CreateObject();
	cJSON *list, *status;

	add_hex(o, "traceId", span->trace, sizeof(span->trace));
	add_hex(o, "spanId", span->id, sizeof(span->id));
	if (memcmp(span->parent, none, sizeof(none)) != 0)
		add_hex(o, "parentSpanId", span->parent, sizeof(span->parent));
	json_add_string(o, "name", span->name);
	json_add_int(o, "kind", span->kind);
	add_long(o, "startTimeUnixNano", (int64_t)span->start_ns);
	add_long(o, "endTimeUnixNano", (int64_t)span->end_ns);
	add_attributes(o, span->attributes, span->attributes_count);
	list = json_add_array(o, "events");
	for (size_t i = 0; i < span->events_count; i++)
		json_append_item(list, event(&span->events[i]));
	if (span->events_dropped)
		json_add_int(o, "droppedEventsCount", (int64_t)span->events_dropped);
	status = json_add_object(o, "status");
	if (span->failed) {
		json_add_int(status, "code", 2); /* STATUS_CODE_ERROR */
		json_add_string(status, "message", span->message);
	}
	return json_print(o, buf, size);
}

/* ---- lists of the environment ---- */

static int
hex_digit(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
				      : -1;
}

/* Percent-decodes; 0, or -EINVAL: broken, too long, or with a control character. */
static int
decode(const char *text, size_t len, char *ret, size_t size)
{
	size_t n = 0;

	text_trim(&text, &len);
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c == '%') {
			int high = i + 2 < len ? hex_digit(text[i + 1]) : -1;
			int low = i + 2 < len ? hex_digit(text[i + 2]) : -1;

			if (high < 0 || low < 0)
				return -EINVAL;
			c = (unsigned char)(high << 4 | low);
			i += 2;
		}
		if (c < ' ' || c == 0x7f || n + 1 >= size)
			return -EINVAL;
		ret[n++] = (char)c;
	}
	ret[n] = '\0';
	return 0;
}

/* The next "key=value" of a list.  1; 0: no more; -EINVAL: it is none. */
static int
next_pair(const char **at, char *key, size_t key_size, char *value, size_t value_size)
{
	const char *equals;
	size_t len;

	while (**at == ',' || **at == ' ')
		(*at)++;
	if (**at == '\0')
		return 0;
	len = strcspn(*at, ",");
	equals = memchr(*at, '=', len);
	if (!equals || decode(*at, (size_t)(equals - *at), key, key_size) < 0 ||
	    decode(equals + 1, (size_t)(*at + len - equals - 1), value, value_size) <
		0 ||
	    key[0] == '\0')
		return -EINVAL;
	*at += len;
	return 1;
}

ssize_t
otlp_encode_scope(char *buf, size_t size, const char *service, const char *attributes)
{
	_cleanup_(json_freep) cJSON *resource = cJSON_CreateObject();
	cJSON *list = json_add_array(resource, "attributes");
	char key[128], value[256], name[256] = "natd", text[OTLP_SCOPE_MAX];
	struct text_out out = text_out(buf, size);
	int r = 0;

	for (const char *at = attributes ? attributes : "";
	     (r = next_pair(&at, key, sizeof(key), value, sizeof(value))) > 0;) {
		if (strcmp(key, "service.name") == 0)
			snprintf(name, sizeof(name), "%s", value);
		else
			add_attribute(list, key, value, 0);
	}
	if (r < 0)
		return r;
	add_attribute(list, "service.name", service && *service ? service : name, 0);
	add_attribute(list, "service.version", NATD_VERSION, 0);
	if (json_print(resource, text, sizeof(text)) < 0)
		return -ENOBUFS;
	text_printf(&out,
	    "{\"resourceSpans\":[{\"resource\":%s,\"scopeSpans\":[{\"scope\":"
	    "{\"name\":\"natd\",\"version\":\"" NATD_VERSION "\"},\"spans\":[",
	    text);
	return text_finish(&out);
}

/* ---- the target ---- */

/* RFC 9110 5.6.2 */
static bool
is_token(const char *text)
{
	return *text && text[strspn(text, "!#$%&'*+-.^_`|~0123456789"
					  "abcdefghijklmnopqrstuvwxyz"
					  "ABCDEFGHIJKLMNOPQRSTUVWXYZ")] == '\0';
}

static int
read_headers(const char *headers, char *ret, size_t size)
{
	struct text_out out = text_out(ret, size);
	char key[128], value[1024];
	int r;

	while ((r = next_pair(&headers, key, sizeof(key), value, sizeof(value))) > 0) {
		if (!is_token(key))
			return -EBADMSG;
		text_printf(&out, "%s: %s\r\n", key, value);
	}
	return r < 0 || text_finish(&out) < 0 ? -EBADMSG : 0;
}

int
otlp_target(
    const char *endpoint, bool whole, const char *headers, struct otlp_target *ret)
{
	struct otlp_target t = { .headers = "" };
	size_t len = strlen(endpoint);
	int r;

	if (text_starts(endpoint, len, "https://"))
		return -EPROTONOSUPPORT;
	r = url_parse(endpoint, len, &t.url);
	if (r < 0)
		return r;
	if (!whole) {
		len = strlen(t.url.path);
		if (t.url.path[len - 1] == '/')
			len--;
		if (len + sizeof(TRACES_PATH) > sizeof(t.url.path))
			return -EINVAL;
		memcpy(t.url.path + len, TRACES_PATH, sizeof(TRACES_PATH));
	}
	if (headers && read_headers(headers, t.headers, sizeof(t.headers)) < 0)
		return -EBADMSG;
	*ret = t;
	return 0;
}

char *
otlp_encode_post(const struct otlp_target *target, const char *scope,
    const char *const *spans, size_t count, size_t *ret_len)
{
	const struct url *url = &target->url;
	bool literal = strchr(url->host, ':') != NULL;
	size_t len = strlen(scope) + strlen(SUFFIX) + (count ? count - 1 : 0), room;
	struct text_out out;
	char *buf;

	for (size_t i = 0; i < count; i++)
		len += strlen(spans[i]);
	room = len + strlen(target->headers) + sizeof(*url) + 512;
	buf = malloc(room);
	if (!buf)
		return NULL;
	out = text_out(buf, room);
	text_printf(&out,
	    "POST %s HTTP/1.1\r\n"
	    "Host: %s%s%s:%u\r\n"
	    "User-Agent: natd/" NATD_VERSION "\r\n"
	    "Content-Type: application/json\r\n"
	    "Content-Length: %zu\r\n"
	    "Connection: close\r\n"
	    "%s\r\n",
	    url->path, literal ? "[" : "", url->host, literal ? "]" : "", url->port,
	    len, target->headers);
	text_put(&out, scope);
	for (size_t i = 0; i < count; i++) {
		text_put(&out, i ? "," : "");
		text_put(&out, spans[i]);
	}
	text_put(&out, SUFFIX);
	if (text_finish(&out) < 0) {
		free(buf);
		return NULL;
	}
	*ret_len = out.len;
	return buf;
}

/* ---- answers ---- */

enum otlp_verdict
otlp_verdict(int status)
{
	switch (status) {
	case 429:
	case 502:
	case 503:
	case 504:
		return OTLP_AGAIN;
	}
	return status >= 200 && status < 300 ? OTLP_TAKEN : OTLP_REFUSED;
}

uint64_t
otlp_decode_rejected(const char *body, size_t len)
{
	_cleanup_(json_freep) cJSON *tree = NULL;
	int64_t rejected;

	if (json_parse(body, len, &tree) < 0 ||
	    json_get_int(json_get(tree, "partialSuccess"), "rejectedSpans", &rejected) <
		0)
		return 0;
	return rejected > 0 ? (uint64_t)rejected : 0;
}
