/*
 * fuzz_url.c - a URL, or a base and behind a line feed a reference.
 *
 * What comes out can be written into a request, is without dot segments, and means the
 * same when it is read again.
 */
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <string.h>

#include "proto/http.h"
#include "proto/url.h"

static void
check(const struct url *url)
{
	char text[URL_HOST_MAX + URL_PATH_MAX + 32], request[HTTP_REQUEST_MAX];
	const char *literal = strchr(url->host, ':');
	size_t path_len = strcspn(url->path, "?");
	struct url again;

	snprintf(text, sizeof(text), "http://%s%s%s:%u%s", literal ? "[" : "",
	    url->host, literal ? "]" : "", url->port, url->path);
	MUST(url->port > 0 && url->path[0] == '/');
	MUST(http_encode_get(request, sizeof(request), url->host, url->path) > 0);
	/* A query may hold dots. */
	memset(request, 0, sizeof(request));
	memcpy(request, url->path, path_len);
	MUST(!strstr(request, "/../") && !strstr(request, "/./"));
	/* A fragment is gone, so nothing hides behind a "#" the second time. */
	MUST(url_parse(text, strlen(text), &again) == 0);
	MUST(strcmp(url->host, again.host) == 0 && url->port == again.port &&
	     strcmp(url->path, again.path) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	const char *lf = size > 0 ? memchr(text, '\n', size) : NULL;
	size_t len = lf ? (size_t)(lf - text) : size;
	struct url base = { "192.168.1.1", 5000, "/upnp/desc.xml?v=1" }, url;

	if (url_parse(text, len, &base) == 0)
		check(&base);
	if (lf)
		len++;
	if (url_resolve(&base, text + len, size - len, &url) == 0)
		check(&url);
	if (url_resolve(&base, text, size, &url) == 0)
		check(&url);
	return 0;
}
