/*
 * url.c - http URLs: split, checked, references resolved (RFC 3986).
 *
 * A path goes into a request line and a host before the eyes of people, so both end up
 * as visible ASCII whatever the router wrote.  Everything else is refused, not
 * repaired: a URL that needs repair is more often an attack than a router.
 */
#include "proto/url.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "proto/text.h"

static bool
is_alnum(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
	       (c >= 'a' && c <= 'z');
}

/* Names are taken as DNS writes them; a literal in brackets may have a zone (RFC 6874).
 */
static bool
is_host(const char *host, size_t len, bool literal)
{
	const char *more = literal ? ":.%-_" : ".-_";

	if (len == 0 || len >= URL_HOST_MAX || (literal && !memchr(host, ':', len)))
		return false;
	for (size_t i = 0; i < len; i++)
		if (!is_alnum(host[i]) && (host[i] == '\0' || !strchr(more, host[i])))
			return false;
	return true;
}

/* text[0..len) is what stands between "//" and the path. */
static int
parse_authority(const char *text, size_t len, struct url *ret)
{
	bool literal = len > 0 && text[0] == '[';
	const char *host = literal ? text + 1 : text;
	const char *end = len > 0 ? memchr(text, literal ? ']' : ':', len) : NULL;
	uint64_t port = 80;
	size_t host_len;

	if (literal && !end)
		return -EINVAL;
	end = end ? end : text + len;
	host_len = (size_t)(end - host);
	if (!is_host(host, host_len, literal))
		return -EINVAL;
	end += literal;
	len -= (size_t)(end - text);
	if (len > 0 && end[0] != ':')
		return -EINVAL;
	/* "host:" with nothing behind is the default port (section 3.2.3). */
	if (len > 1 &&
	    (text_to_uint(end + 1, len - 1, UINT16_MAX, &port) < 0 || port == 0))
		return -EINVAL;

	memcpy(ret->host, host, host_len);
	ret->host[host_len] = '\0';
	ret->port = (uint16_t)port;
	return 0;
}

/* RFC 3986 section 5.2.4, in place; the path starts with "/", a query is left alone. */
static void
remove_dot_segments(char *path)
{
	size_t end = strcspn(path, "?"), from = 0, to = 0;

	while (from < end) {
		const char *segment = path + from;
		size_t len = 1 + strcspn(segment + 1, "/?");
		bool dot = len == 2 && memcmp(segment, "/.", 2) == 0;
		bool dots = len == 3 && memcmp(segment, "/..", 3) == 0;

		from += len;
		if (!dot && !dots) {
			memmove(path + to, segment, len);
			to += len;
			continue;
		}
		while (dots && to > 0 && path[--to] != '/')
			;
		if (from == end)
			path[to++] = '/';
	}
	memmove(path + to, path + end, strlen(path + end) + 1);
}

/* The path becomes base[0..base_len) and behind it text[0..len). */
static int
put_path(
    struct url *url, const char *base, size_t base_len, const char *text, size_t len)
{
	char buf[URL_PATH_MAX];
	struct text_out out = text_out(buf, sizeof(buf));

	text_put_n(&out, base, base_len);
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c <= ' ' || c == 0x7f)
			return -EINVAL;
		if (c < 0x80)
			text_put_n(&out, text + i, 1);
		else
			text_printf(&out, "%%%02X", c);
	}
	if (out.bad)
		return -EINVAL;
	remove_dot_segments(buf);
	memcpy(url->path, buf, strlen(buf) + 1);
	return 0;
}

/* text[0..len) starts with "//", its fragment is gone. */
static int
parse_network_path(const char *text, size_t len, struct url *ret)
{
	size_t authority_len = 0;
	struct url url = { 0 };
	int r;

	text += 2;
	len -= 2;
	while (authority_len < len && !memchr("/?", text[authority_len], 2))
		authority_len++;
	r = parse_authority(text, authority_len, &url);
	if (r < 0)
		return r;
	text += authority_len;
	len -= authority_len;
	r = put_path(&url, "/", len == 0 || text[0] != '/', text, len);
	if (r < 0)
		return r;
	*ret = url;
	return 0;
}

static void
trim_reference(const char **text, size_t *len)
{
	const char *fragment;

	text_trim(text, len);
	fragment = *len > 0 ? memchr(*text, '#', *len) : NULL;
	if (fragment)
		*len = (size_t)(fragment - *text);
}

int
url_parse(const char *text, size_t len, struct url *ret)
{
	trim_reference(&text, &len);
	if (!text_starts(text, len, "http://"))
		return -EINVAL;
	return parse_network_path(text + strlen("http:"), len - strlen("http:"), ret);
}

/* Real routers write "uuid:1234/ctl" and mean a path; "scheme://" is no path. */
static bool
has_scheme(const char *text, size_t len)
{
	size_t n = 0;

	while (n < len &&
	       (is_alnum(text[n]) || (n > 0 && text[n] && strchr("+-.", text[n]))))
		n++;
	return n > 0 && text_starts(text + n, len - n, "://");
}

int
url_resolve(const struct url *base, const char *text, size_t len, struct url *ret)
{
	size_t base_len = strcspn(base->path, "?");
	struct url url = *base;
	int r;

	trim_reference(&text, &len);
	if (has_scheme(text, len))
		return url_parse(text, len, ret);
	if (text_starts(text, len, "//"))
		return parse_network_path(text, len, ret);

	/* Section 5.2.3: how much of the base's path stays depends on the first letter.
	 */
	if (len == 0)
		base_len = strlen(base->path);
	else if (text[0] == '/')
		base_len = 0;
	else if (text[0] != '?')
		while (base_len > 0 && base->path[base_len - 1] != '/')
			base_len--;
	r = put_path(&url, base->path, base_len, text, len);
	if (r < 0)
		return r;
	*ret = url;
	return 0;
}
