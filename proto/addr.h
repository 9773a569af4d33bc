/*
 * addr.h - IP addresses and endpoints as values: text, classes, the 16-byte form of
 * PCP.
 *
 * Bytes are in network order, ports in host order.  No sockaddr here: daemon/sock.h
 * converts.  addr_parse() accepts literals only, never a name.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum addr_family { ADDR_NONE = 0, ADDR_IPV4 = 4, ADDR_IPV6 = 6 };

struct addr {
	enum addr_family family;
	uint8_t bytes[16]; /* IPv4: the first four, the rest zero */
	uint32_t scope;    /* interface index of an IPv6 link-local address, else 0 */
};

struct endpoint {
	struct addr addr;
	uint16_t port;
};

/* Where an address can be reached from; the special-purpose registries of RFC 6890. */
enum addr_class {
	ADDR_CLASS_UNSPECIFIED, /* 0.0.0.0/8, :: */
	ADDR_CLASS_LOOPBACK,
	ADDR_CLASS_LINK_LOCAL,
	ADDR_CLASS_PRIVATE, /* RFC 1918, fc00::/7 */
	ADDR_CLASS_CGN,     /* 100.64.0.0/10, RFC 6598 */
	ADDR_CLASS_MULTICAST,
	ADDR_CLASS_RESERVED, /* documentation, benchmarking, 240/4, 192.0.0.0/24, ... */
	ADDR_CLASS_GLOBAL,
};

#define ADDR_ZONE_MAX 16     /* an interface's name and NUL, as IFNAMSIZ */
#define ADDR_TEXT_MAX 64     /* with %zone and NUL */
#define ENDPOINT_TEXT_MAX 72 /* [address%zone]:port and NUL */

/* The only way to write an address down without a text that may be wrong: no program
 * has one in it, tests and their gateways do. */
struct addr addr_ipv4(uint8_t a, uint8_t b, uint8_t c, uint8_t d);

/* family: ADDR_IPV4 reads 4 bytes, ADDR_IPV6 reads 16. */
struct addr addr_from_bytes(enum addr_family family, const void *bytes);

/* 4, 16 or 0. */
size_t addr_len(enum addr_family family);

/* Compares family, bytes and scope. */
bool addr_equal(const struct addr *a, const struct addr *b);
bool endpoint_equal(const struct endpoint *a, const struct endpoint *b);

/* 0.0.0.0, :: or ADDR_NONE. */
bool addr_is_unspecified(const struct addr *a);

enum addr_class addr_classify(const struct addr *a);
const char *addr_class_name(enum addr_class c);

/* Globally reachable by RFC 6890; an IPv4-mapped address is never. */
bool addr_is_global(const struct addr *a);

/* One host or router on a network can have it: not unspecified, loopback, multicast or
 * broadcast. */
bool addr_is_host(const struct addr *a);
/* A router can lead from outside to it: addr_is_host(), and no link-local of IPv6. */
bool addr_is_mappable(const struct addr *a);

/* A literal without brackets; "%" and a decimal interface index for link-local IPv6.
 * Returns 0 or -EINVAL. */
int addr_parse(const char *text, struct addr *ret);

/* The same, and behind "%" also what may be an interface's name (RFC 4007 section 11,
 * of the characters of RFC 6874): it is in ret_zone, "" if there is none, and scope is
 * 0; whose it is the caller looks up. */
int addr_parse_zone(
    const char *text, struct addr *ret, char ret_zone[static ADDR_ZONE_MAX]);

/* Writes the canonical text (RFC 5952) into buf and returns buf; "-" for ADDR_NONE. */
const char *addr_format(const struct addr *a, char buf[static ADDR_TEXT_MAX]);

/* "192.0.2.1:80", "[2001:db8::1]:80". */
const char *
endpoint_format(const struct endpoint *e, char buf[static ENDPOINT_TEXT_MAX]);

/* The same with zone, an interface's name, for the index, if it can be read again.
 * NULL: the index; "": neither. */
const char *addr_format_zone(
    const struct addr *a, const char *zone, char buf[static ADDR_TEXT_MAX]);
const char *endpoint_format_zone(
    const struct endpoint *e, const char *zone, char buf[static ENDPOINT_TEXT_MAX]);

/* The 16-byte form of RFC 6887 section 5: IPv4 as ::ffff:a.b.c.d. */
void addr_to_ipv6_bytes(const struct addr *a, uint8_t ret[static 16]);
struct addr addr_from_ipv6_bytes(const uint8_t bytes[static 16]);

/* The families in turn (RFC 8305 section 4), beginning with that of the first; each
 * family stays in its order.  At most ENDPOINTS_IN_TURN_MAX of them are moved. */
#define ENDPOINTS_IN_TURN_MAX 32
void endpoints_in_turn(struct endpoint *list, size_t n);
