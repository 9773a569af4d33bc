/*
 * test_url.c - http URLs of routers: what is split, what is refused, what a reference
 * means.  Expected values are written from RFC 3986 and from what real routers send.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/url.h"
#include "proto/util.h"

/* host NULL: must be refused. */
static const struct {
	const char *text, *host;
	uint16_t port;
	const char *path;
} urls[] = {
	{ "http://192.168.1.1:5000/rootDesc.xml", "192.168.1.1", 5000,
	    "/rootDesc.xml" },
	{ "http://192.168.1.1/r.xml", "192.168.1.1", 80, "/r.xml" },
	{ "http://192.168.1.1", "192.168.1.1", 80, "/" },
	{ "http://192.168.1.1:5000", "192.168.1.1", 5000, "/" },
	{ "HTTP://Router.LAN:1/", "Router.LAN", 1, "/" },
	{ "http://r:65535/", "r", 65535, "/" },
	{ "http://r:080/", "r", 80, "/" },
	{ "http://r:/x", "r", 80, "/x" },
	{ "http://my_router-2.lan/x", "my_router-2.lan", 80, "/x" },
	{ "http://r?a=b", "r", 80, "/?a=b" },
	{ "http://r/a?b=/../c", "r", 80, "/a?b=/../c" },
	{ "http://r/a#frag", "r", 80, "/a" },
	{ "http://r#frag", "r", 80, "/" },
	{ "http://r:81?q#f", "r", 81, "/?q" },
	{ " \r\n\thttp://r/a\n ", "r", 80, "/a" },
	{ "http://[fe80::2]:80/RootDevice.xml", "fe80::2", 80, "/RootDevice.xml" },
	{ "http://[fe80::1%25eth0]:5000/r.xml", "fe80::1%25eth0", 5000, "/r.xml" },
	{ "http://[::ffff:203.0.113.5]", "::ffff:203.0.113.5", 80, "/" },
	{ "http://r/a/./b/../c", "r", 80, "/a/c" },
	{ "http://r/../../x", "r", 80, "/x" },
	{ "http://r/a/..", "r", 80, "/" },
	{ "http://r/a/.", "r", 80, "/a/" },
	{ "http://r/a/b/..?q", "r", 80, "/a/?q" },
	{ "http://r//a///b", "r", 80, "//a///b" },
	{ "http://r/...", "r", 80, "/..." },
	{ "http://r/.a/..b", "r", 80, "/.a/..b" },
	{ "http://r/\xc3\xbc", "r", 80, "/%C3%BC" },
	{ "http://r/\xff\x80", "r", 80, "/%FF%80" },
	{ "http://r/%2e%2E/a%20b", "r", 80, "/%2e%2E/a%20b" },
	{ "http://r/a@b:c", "r", 80, "/a@b:c" },
	{ "http://r/soap.cgi?service=WANIPConn1", "r", 80,
	    "/soap.cgi?service=WANIPConn1" },
	/* no http URL */
	{ .text = "" },
	{ .text = " " },
	{ .text = "/rootDesc.xml" },
	{ .text = "//r/x" },
	{ .text = "http:" },
	{ .text = "http:/" },
	{ .text = "http:/r/x" },
	{ .text = "http//r/x" },
	{ .text = "https://r/x" },
	{ .text = "ftp://r/x" },
	{ .text = "file:///etc/passwd" },
	{ .text = "gopher://r:70/_" },
	{ .text = "xhttp://r/" },
	/* no host, or none that can be one */
	{ .text = "http://" },
	{ .text = "http:///x" },
	{ .text = "http://?x" },
	{ .text = "http://#x" },
	{ .text = "http://:80/x" },
	{ .text = "http://[]/x" },
	{ .text = "http://[]:80/x" },
	{ .text = "http://[r]/x" },
	{ .text = "http://[::1/x" },
	{ .text = "http://[::1]80/x" },
	{ .text = "http://[::1]r/x" },
	{ .text = "http://[::1" },
	{ .text = "http://::1/x" },
	{ .text = "http://fe80::1:80/x" },
	{ .text = "http://%s:%d/upnp.xml" },
	{ .text = "http://%s/upnp.xml" },
	{ .text = "http://r r/x" },
	{ .text = "http://r\tr/x" },
	{ .text = "http://r\\evil/x" },
	{ .text = "http://r\xc3\xbc/x" },
	{ .text = "http://<r>/x" },
	/* user information */
	{ .text = "http://u@r/x" },
	{ .text = "http://u:p@r/x" },
	{ .text = "http://192.168.1.1@203.0.113.5/x" },
	{ .text = "http://192.168.1.1:80@203.0.113.5/x" },
	{ .text = "http://192.168.1.1\\@203.0.113.5/x" },
	{ .text = "http://@r/x" },
	/* port */
	{ .text = "http://r:0/x" },
	{ .text = "http://r:00/x" },
	{ .text = "http://r:65536/x" },
	{ .text = "http://r:99999/x" },
	{ .text = "http://r:4294967376/x" },
	{ .text = "http://r:18446744073709551696/x" },
	{ .text = "http://r:-1/x" },
	{ .text = "http://r:+80/x" },
	{ .text = "http://r:0x50/x" },
	{ .text = "http://r:8e1/x" },
	{ .text = "http://r: 80/x" },
	{ .text = "http://r:80:80/x" },
	/* bytes that would end the request line, or hide from people */
	{ .text = "http://r/a b" },
	{ .text = "http://r/a\r\nX-Injected: 1" },
	{ .text = "http://r/a\nb" },
	{ .text = "http://r/a\tb" },
	{ .text = "http://r/a\x7f" },
	{ .text = "http://r/\x1b[2J" },
	{ .text = "http://r/?a b" },
};

static const struct url root = { "192.168.1.1", 5000, "/upnp/desc.xml?v=1/2" };

/* Against root; path NULL: must be refused; host NULL: that of root. */
static const struct {
	const char *reference, *path, *host;
	uint16_t port;
} references[] = {
	{ "", "/upnp/desc.xml?v=1/2", NULL, 0 },
	{ "#top", "/upnp/desc.xml?v=1/2", NULL, 0 },
	{ "?control=WANIPConn1", "/upnp/desc.xml?control=WANIPConn1", NULL, 0 },
	{ "/ctl/IPConn", "/ctl/IPConn", NULL, 0 },
	{ "/", "/", NULL, 0 },
	{ "ctl/IPConn", "/upnp/ctl/IPConn", NULL, 0 },
	{ "\n ctl/IPConn \n", "/upnp/ctl/IPConn", NULL, 0 },
	{ "../../../ctl/IPConn", "/ctl/IPConn", NULL, 0 },
	{ "./ctl", "/upnp/ctl", NULL, 0 },
	{ ".", "/upnp/", NULL, 0 },
	{ "..", "/", NULL, 0 },
	{ "a/b/../../../../c?../d", "/c?../d", NULL, 0 },
	{ "/soap.cgi?service=WANIPConn1", "/soap.cgi?service=WANIPConn1", NULL, 0 },
	{ "ctl#x", "/upnp/ctl", NULL, 0 },
	{ "uuid:1234/ctl", "/upnp/uuid:1234/ctl", NULL, 0 },
	{ "uuid:0012-1707/WANIPConnection:1", "/upnp/uuid:0012-1707/WANIPConnection:1",
	    NULL, 0 },
	{ "http:/ctl", "/upnp/http:/ctl", NULL, 0 },
	{ "/ctl/Verbindung-\xc3\xbc", "/ctl/Verbindung-%C3%BC", NULL, 0 },
	{ "http://10.9.8.7/ctl", "/ctl", "10.9.8.7", 80 },
	{ "http://192.168.1.1:5431/ctl/../x", "/x", "192.168.1.1", 5431 },
	{ "HTTP://r", "/", "r", 80 },
	{ "//r:81/ctl", "/ctl", "r", 81 },
	{ "//[fe80::1]", "/", "fe80::1", 80 },
	{ .reference = "ftp://192.168.1.1/ctl" },
	{ .reference = "https://192.168.1.1/ctl" },
	{ .reference = "file:///etc/passwd" },
	{ .reference = "http://192.168.1.1@10.9.8.7/ctl" },
	{ .reference = "http://192.168.1.1:0/x" },
	{ .reference = "http://192.168.1.1:65536/x" },
	{ .reference = "http:///x" },
	{ .reference = "//" },
	{ .reference = "///x" },
	{ .reference = "/ctl\r\nX-Injected: 1" },
	{ .reference = "ctl ctl" },
};

static void
each_url_is_split_or_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(urls); i++) {
		struct url u, before;
		int r;

		memset(&u, 0xa5, sizeof(u));
		before = u;
		r = url_parse(urls[i].text, strlen(urls[i].text), &u);
		if (r != (urls[i].host ? 0 : -EINVAL))
			fail_msg("%s: %d", urls[i].text, r);
		if (!urls[i].host) {
			assert_memory_equal(&u, &before, sizeof(u));
			continue;
		}
		assert_string_equal(u.host, urls[i].host);
		assert_int_equal(u.port, urls[i].port);
		assert_string_equal(u.path, urls[i].path);
	}
}

static void
each_reference_is_resolved_or_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(references); i++) {
		const char *text = references[i].reference;
		const char *host = references[i].host ? references[i].host : root.host;
		uint16_t port = references[i].host ? references[i].port : root.port;
		struct url u = root;
		int r = url_resolve(&u, text, strlen(text), &u);

		if (r != (references[i].path ? 0 : -EINVAL))
			fail_msg("%s: %d", text, r);
		if (!references[i].path) {
			assert_memory_equal(&u, &root, sizeof(u));
			continue;
		}
		assert_string_equal(u.host, host);
		assert_int_equal(u.port, port);
		assert_string_equal(u.path, references[i].path);
	}
}

/* Each length around a limit, in a buffer of exactly that size for the sanitizer. */
static int
parse_padded(const char *before, size_t pad, const char *after, struct url *ret)
{
	size_t a = strlen(before), b = strlen(after);
	_cleanup_(freep) char *text = malloc(a + pad + b);

	assert_non_null(text);
	memcpy(text, before, a);
	memset(text + a, 'a', pad);
	memcpy(text + a + pad, after, b);
	return url_parse(text, a + pad + b, ret);
}

static void
lengths_are_limited_and_never_cut(void **state)
{
	struct url u;

	(void)state;
	assert_int_equal(parse_padded("http://", URL_HOST_MAX - 1, "/x", &u), 0);
	assert_int_equal(strlen(u.host), URL_HOST_MAX - 1);
	assert_int_equal(parse_padded("http://", URL_HOST_MAX, "/x", &u), -EINVAL);
	assert_int_equal(parse_padded("http://r/", URL_PATH_MAX - 2, "", &u), 0);
	assert_int_equal(strlen(u.path), URL_PATH_MAX - 1);
	assert_int_equal(parse_padded("http://r/", URL_PATH_MAX - 1, "", &u), -EINVAL);
	assert_int_equal(parse_padded("http://r/", 8192, "", &u), -EINVAL);
	/* Three letters for a byte that has to be encoded. */
	assert_int_equal(parse_padded("http://r/", URL_PATH_MAX - 5, "\xff", &u), 0);
	assert_int_equal(
	    parse_padded("http://r/", URL_PATH_MAX - 4, "\xff", &u), -EINVAL);
}

static void
a_nul_is_refused_everywhere(void **state)
{
	static const char good[] = "http://r.lan:80/a?b";
	struct url u;

	(void)state;
	for (size_t i = 0; i < sizeof(good) - 1; i++) {
		char text[sizeof(good)];

		memcpy(text, good, sizeof(good));
		text[i] = '\0';
		assert_int_equal(url_parse(text, sizeof(good) - 1, &u), -EINVAL);
	}
	assert_int_equal(url_resolve(&root, "/a\0b", 4, &u), -EINVAL);
	assert_int_equal(url_resolve(&root, "a\0://", 5, &u), -EINVAL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_url_is_split_or_refused),
		cmocka_unit_test(each_reference_is_resolved_or_refused),
		cmocka_unit_test(lengths_are_limited_and_never_cut),
		cmocka_unit_test(a_nul_is_refused_everywhere),
	};

	return cmocka_run_group_tests_name("url", tests, NULL, NULL);
}
