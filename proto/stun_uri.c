/*
 * stun_uri.c - how a STUN server is written.
 */
#include "proto/stun_uri.h"

#include <errno.h>
#include <string.h>

#include "proto/addr.h"
#include "proto/stun.h"
#include "proto/text.h"
#include "proto/util.h"

#define LABEL_MAX 63
#define ZONE_MAX 16

static const struct {
	const char *name;
	uint16_t port;
	bool stream, secure;
	const char *service;
} transports[] = {
	[STUN_UDP] = { "udp", STUN_PORT, false, false, "_stun._udp" },
	[STUN_TCP] = { "tcp", STUN_PORT, true, false, "_stun._tcp" },
	[STUN_TLS] = { "tls", STUN_TLS_PORT, true, true, "_stuns._tcp" },
	[STUN_DTLS] = { "dtls", STUN_TLS_PORT, false, true, "_stuns._udp" },
};

const char *
stun_transport_name(enum stun_transport t)
{
	return transports[t].name;
}

uint16_t
stun_transport_port(enum stun_transport t)
{
	return transports[t].port;
}

bool
stun_transport_is_stream(enum stun_transport t)
{
	return transports[t].stream;
}

bool
stun_transport_is_secure(enum stun_transport t)
{
	return transports[t].secure;
}

const char *
stun_transport_service(enum stun_transport t)
{
	return transports[t].service;
}

static bool
is_name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || c == '-' || c == '_';
}

/* Labels of letters, digits, hyphens; and not digits and dots only: 1.2.3 is a mistyped
 * address. */
static bool
is_name(const char *host, size_t len)
{
	size_t label = 0;
	bool letters = false;

	for (size_t i = 0; i < len; i++) {
		if (host[i] == '.') {
			if (label == 0)
				return false;
			label = 0;
			continue;
		}
		if (!is_name_char(host[i]) || ++label > LABEL_MAX)
			return false;
		letters |= host[i] < '0' || host[i] > '9';
	}
	return len > 0 && letters && host[0] != '-';
}

/* An IPv6 literal, perhaps with a zone: an interface name or number. */
static bool
is_ipv6(const char *host, size_t len)
{
	char text[ADDR_TEXT_MAX];
	const char *zone = memchr(host, '%', len);
	size_t bare = zone ? (size_t)(zone - host) : len;
	struct addr a;

	if (bare >= sizeof(text))
		return false;
	memcpy(text, host, bare);
	text[bare] = '\0';
	if (addr_parse(text, &a) < 0 || a.family != ADDR_IPV6)
		return false;
	if (!zone)
		return true;
	len -= bare + 1;
	if (len == 0 || len >= ZONE_MAX || addr_classify(&a) != ADDR_CLASS_LINK_LOCAL)
		return false;
	for (const char *c = zone + 1; c <= zone + len; c++)
		if (*c <= ' ' || *c > '~' || strchr("/:%[]", *c))
			return false;
	return true;
}

static bool
is_ipv4(const char *host, size_t len)
{
	char text[16];
	struct addr a;

	if (len >= sizeof(text))
		return false;
	memcpy(text, host, len);
	text[len] = '\0';
	return addr_parse(text, &a) == 0 && a.family == ADDR_IPV4;
}

static int
take_host(const char *host, size_t len, bool ipv6, struct stun_uri *ret)
{
	if (len >= sizeof(ret->host) ||
	    (ipv6 ? !is_ipv6(host, len) : !is_ipv4(host, len) && !is_name(host, len)))
		return -EINVAL;
	memcpy(ret->host, host, len);
	ret->host[len] = '\0';
	return 0;
}

/* rest: what stands behind the host, "" or ":port". */
static int
take_port(const char *rest, size_t len, struct stun_uri *ret)
{
	uint64_t port;

	ret->port = 0;
	if (len == 0)
		return 0;
	if (rest[0] != ':' || text_to_uint(rest + 1, len - 1, UINT16_MAX, &port) < 0 ||
	    port == 0)
		return -EINVAL;
	ret->port = (uint16_t)port;
	return 0;
}

/* Takes "?transport=" off the end: STUN_TCP, STUN_UDP, STUN_TRANSPORT_MAX if there is
 * none, or -EINVAL. */
static int
take_transport(const char *text, size_t *len)
{
	const char *query = memchr(text, '?', *len);
	size_t n = query ? *len - (size_t)(query - text) : 0;

	if (!query)
		return STUN_TRANSPORT_MAX;
	*len -= n;
	if (text_is(query, n, "?transport=tcp"))
		return STUN_TCP;
	return text_is(query, n, "?transport=udp") ? STUN_UDP : -EINVAL;
}

int
stun_uri_parse(const char *text, size_t len, struct stun_uri *ret)
{
	struct stun_uri u = { .port = 0 };
	const char *colon, *end;
	size_t host;
	bool bracket, ipv6;
	int r, asked;

	text_trim(&text, &len);
	asked = take_transport(text, &len);
	if (asked < 0)
		return -EINVAL;
	u.secure = text_starts(text, len, "stuns:");
	if (u.secure || text_starts(text, len, "stun:")) {
		size_t scheme = u.secure ? strlen("stuns:") : strlen("stun:");

		/* "stun:3478" is the host "stun" and a port. */
		if (text_to_uint(text + scheme, len - scheme, UINT16_MAX,
			&(uint64_t) { 0 }) < 0) {
			text += scheme;
			len -= scheme;
		}
	}
	if (u.secure)
		u.transport = asked == STUN_UDP ? STUN_DTLS : STUN_TLS;
	else
		u.transport = asked == STUN_TCP ? STUN_TCP : STUN_UDP;
	if (len == 0)
		return -EINVAL;
	bracket = text[0] == '[';
	if (bracket) {
		end = memchr(text, ']', len);
		if (!end)
			return -EINVAL;
		host = (size_t)(end - text) - 1;
		r = take_host(text + 1, host, true, &u);
		host += 2;
	} else {
		colon = memchr(text, ':', len);
		ipv6 =
		    colon && memchr(colon + 1, ':', len - (size_t)(colon + 1 - text));
		host = colon && !ipv6 ? (size_t)(colon - text) : len;
		r = take_host(text, host, ipv6, &u);
	}
	if (r == 0)
		r = take_port(text + host, len - host, &u);
	if (r < 0)
		return r;
	*ret = u;
	return 0;
}

const char *
stun_uri_format(const struct stun_uri *u, char buf[static STUN_URI_MAX])
{
	struct text_out out = text_out(buf, STUN_URI_MAX);
	bool ipv6 = strchr(u->host, ':');

	text_printf(&out, "%s:%s%s%s", u->secure ? "stuns" : "stun", ipv6 ? "[" : "",
	    u->host, ipv6 ? "]" : "");
	if (u->port)
		text_printf(&out, ":%u", u->port);
	if (u->transport == STUN_TCP || u->transport == STUN_DTLS)
		text_printf(
		    &out, "?transport=%s", u->transport == STUN_TCP ? "tcp" : "udp");
	return buf;
}
