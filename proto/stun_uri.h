/*
 * stun_uri.h - how a STUN server is written: a URI of RFC 7064, or host:port as people
 * write it.
 *
 * RFC 7064 leaves the transport to the client; "?transport=" is that of turn: URIs
 * (RFC 7065), which people and configurations of others know.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STUN_HOST_MAX 254 /* a name of the DNS, with NUL */
#define STUN_URI_MAX (STUN_HOST_MAX + 32)

enum stun_transport {
	STUN_UDP,
	STUN_TCP,
	STUN_TLS,
	STUN_DTLS,
	STUN_TRANSPORT_MAX,
};

/* "udp", "tcp", "tls", "dtls" */
const char *stun_transport_name(enum stun_transport t);
/* 3478, or 5349 of the secure ones. */
uint16_t stun_transport_port(enum stun_transport t);
/* TCP and what runs over it: nothing is sent twice. */
bool stun_transport_is_stream(enum stun_transport t);
/* TLS and DTLS. */
bool stun_transport_is_secure(enum stun_transport t);
/* What its SRV records are under (RFC 8489 section 8.1): "_stun._udp", ... */
const char *stun_transport_service(enum stun_transport t);

struct stun_uri {
	char host[STUN_HOST_MAX]; /* a name, or a literal without brackets */
	uint16_t port;            /* 0: none given, the SRV records or the usual one */
	bool secure;              /* stuns: */
	/* stun: UDP, or TCP; stuns: TLS, or DTLS with "?transport=udp" */
	enum stun_transport transport;
};

/*
 * text[0..len): "stun:host", "stuns:host:port", "host", "host:port", "[::1]:port", a
 * bare IPv6 literal without port; with a zone ("fe80::1%eth0") in or without brackets;
 * and behind any of these "?transport=udp" or "?transport=tcp".  Scheme without regard
 * to case; no path, other query or user.  0 or -EINVAL.
 */
int stun_uri_parse(const char *text, size_t len, struct stun_uri *ret);

/* "stun:192.0.2.1:3478", "stuns:[2001:db8::1]", "stun:a.example?transport=tcp"; returns
 * buf. */
const char *stun_uri_format(const struct stun_uri *u, char buf[static STUN_URI_MAX]);
