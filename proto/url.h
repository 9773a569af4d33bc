/*
 * url.h - http URLs of routers, and references relative to them.
 *
 * Strict and small: scheme http only, no user information, port 1-65535, path and query
 * without control characters or spaces.  The host is kept for people: a description
 * could name any host, natd connects only to the address that it asked.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define URL_HOST_MAX 128
#define URL_PATH_MAX 1024

struct url {
	char host[URL_HOST_MAX]; /* as written, without brackets; any name or literal */
	uint16_t port;           /* 80 if absent */
	char path[URL_PATH_MAX]; /* starts with "/", query kept, fragment dropped */
};

/* text[0..len) is an absolute http URL, perhaps with white space around.  Bytes above
 * ASCII are percent-encoded, dot segments removed.  0 or -EINVAL. */
int url_parse(const char *text, size_t len, struct url *ret);

/* Resolve a reference against base (RFC 3986 section 5, without dot segments in the
 * result): absolute URL, "//host/path", "/path", "path", "?query", "".  A colon in the
 * first segment ("uuid:1234/ctl") is no scheme unless "//" follows; a scheme other than
 * http is refused.  ret may be base.  0 or -EINVAL. */
int url_resolve(const struct url *base, const char *text, size_t len, struct url *ret);
