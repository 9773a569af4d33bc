/*
 * addr.c - IP addresses and endpoints as values.
 */
#include "proto/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "proto/text.h"
#include "proto/util.h"

/* The special-purpose registries (RFC 6890 and its updates), most specific first. */
static const struct {
	enum addr_family family;
	uint8_t prefix[16];
	uint8_t len;
	enum addr_class class;
} special[] = {
	{ ADDR_IPV4, { 0 }, 8, ADDR_CLASS_UNSPECIFIED },
	{ ADDR_IPV4, { 127 }, 8, ADDR_CLASS_LOOPBACK },
	{ ADDR_IPV4, { 169, 254 }, 16, ADDR_CLASS_LINK_LOCAL },
	{ ADDR_IPV4, { 10 }, 8, ADDR_CLASS_PRIVATE },
	{ ADDR_IPV4, { 172, 16 }, 12, ADDR_CLASS_PRIVATE },
	{ ADDR_IPV4, { 192, 168 }, 16, ADDR_CLASS_PRIVATE },
	{ ADDR_IPV4, { 100, 64 }, 10, ADDR_CLASS_CGN },
	{ ADDR_IPV4, { 192, 0, 0, 9 }, 32, ADDR_CLASS_GLOBAL },  /* PCP anycast */
	{ ADDR_IPV4, { 192, 0, 0, 10 }, 32, ADDR_CLASS_GLOBAL }, /* TURN anycast */
	{ ADDR_IPV4, { 192, 0, 0 }, 24, ADDR_CLASS_RESERVED },
	{ ADDR_IPV4, { 192, 0, 2 }, 24, ADDR_CLASS_RESERVED },
	{ ADDR_IPV4, { 192, 88, 99 }, 24, ADDR_CLASS_RESERVED },
	{ ADDR_IPV4, { 198, 18 }, 15, ADDR_CLASS_RESERVED },
	{ ADDR_IPV4, { 198, 51, 100 }, 24, ADDR_CLASS_RESERVED },
	{ ADDR_IPV4, { 203, 0, 113 }, 24, ADDR_CLASS_RESERVED },
	{ ADDR_IPV4, { 224 }, 4, ADDR_CLASS_MULTICAST },
	{ ADDR_IPV4, { 240 }, 4, ADDR_CLASS_RESERVED },
	{ ADDR_IPV6, { 0 }, 128, ADDR_CLASS_UNSPECIFIED },
	{ ADDR_IPV6, { [15] = 1 }, 128, ADDR_CLASS_LOOPBACK },
	{ ADDR_IPV6, { 0 }, 8, ADDR_CLASS_RESERVED }, /* mapped, compatible */
	{ ADDR_IPV6, { 0x00, 0x64, 0xff, 0x9b }, 32, ADDR_CLASS_RESERVED },
	{ ADDR_IPV6, { 0x01 }, 64, ADDR_CLASS_RESERVED },
	{ ADDR_IPV6, { 0x20, 0x01, 0x00, 0x01, [15] = 1 }, 128, ADDR_CLASS_GLOBAL },
	{ ADDR_IPV6, { 0x20, 0x01, 0x00, 0x01, [15] = 2 }, 128, ADDR_CLASS_GLOBAL },
	{ ADDR_IPV6, { 0x20, 0x01 }, 23, ADDR_CLASS_RESERVED },
	{ ADDR_IPV6, { 0x20, 0x01, 0x0d, 0xb8 }, 32, ADDR_CLASS_RESERVED },
	{ ADDR_IPV6, { 0x3f, 0xff }, 20, ADDR_CLASS_RESERVED },
	{ ADDR_IPV6, { 0xfc }, 7, ADDR_CLASS_PRIVATE },
	{ ADDR_IPV6, { 0xfe, 0x80 }, 10, ADDR_CLASS_LINK_LOCAL },
	{ ADDR_IPV6, { 0xff }, 8, ADDR_CLASS_MULTICAST },
	{ ADDR_IPV6, { 0x20 }, 3,
	    ADDR_CLASS_GLOBAL }, /* 2000::/3, all that is given out */
	{ ADDR_IPV6, { 0 }, 0, ADDR_CLASS_RESERVED },
};

struct addr
addr_ipv4(uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
	return (struct addr) { .family = ADDR_IPV4, .bytes = { a, b, c, d } };
}

size_t
addr_len(enum addr_family family)
{
	switch (family) {
	case ADDR_NONE:
		return 0;
	case ADDR_IPV4:
		return 4;
	case ADDR_IPV6:
		return 16;
	}
	return 0;
}

struct addr
addr_from_bytes(enum addr_family family, const void *bytes)
{
	struct addr a = { .family = family };

	memcpy(a.bytes, bytes, addr_len(family));
	return a;
}

bool
addr_equal(const struct addr *a, const struct addr *b)
{
	return a->family == b->family && a->scope == b->scope &&
	       memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

bool
endpoint_equal(const struct endpoint *a, const struct endpoint *b)
{
	return a->port == b->port && addr_equal(&a->addr, &b->addr);
}

bool
addr_is_unspecified(const struct addr *a)
{
	static const uint8_t zero[16];

	return memcmp(a->bytes, zero, sizeof(zero)) == 0;
}

static bool
prefix_match(const uint8_t *a, const uint8_t *b, unsigned len)
{
	unsigned whole = len / 8, rest = len % 8;
	uint8_t mask = (uint8_t)(0xff00 >> rest);

	if (memcmp(a, b, whole) != 0)
		return false;
	return rest == 0 || (a[whole] & mask) == (b[whole] & mask);
}

enum addr_class
addr_classify(const struct addr *a)
{
	if (a->family == ADDR_NONE)
		return ADDR_CLASS_UNSPECIFIED;
	for (size_t i = 0; i < ARRAY_SIZE(special); i++)
		if (special[i].family == a->family &&
		    prefix_match(a->bytes, special[i].prefix, special[i].len))
			return special[i].class;
	return ADDR_CLASS_GLOBAL; /* IPv4 outside every special range */
}

const char *
addr_class_name(enum addr_class c)
{
	static const char *const names[] = {
		[ADDR_CLASS_UNSPECIFIED] = "unspecified",
		[ADDR_CLASS_LOOPBACK] = "loopback",
		[ADDR_CLASS_LINK_LOCAL] = "link-local",
		[ADDR_CLASS_PRIVATE] = "private",
		[ADDR_CLASS_CGN] = "carrier-grade NAT",
		[ADDR_CLASS_MULTICAST] = "multicast",
		[ADDR_CLASS_RESERVED] = "reserved",
		[ADDR_CLASS_GLOBAL] = "global",
	};

	return names[c];
}

bool
addr_is_global(const struct addr *a)
{
	return addr_classify(a) == ADDR_CLASS_GLOBAL;
}

bool
addr_is_host(const struct addr *a)
{
	static const uint8_t broadcast[4] = { 255, 255, 255, 255 };

	switch (addr_classify(a)) {
	case ADDR_CLASS_UNSPECIFIED:
	case ADDR_CLASS_LOOPBACK:
	case ADDR_CLASS_MULTICAST:
		return false;
	case ADDR_CLASS_LINK_LOCAL:
	case ADDR_CLASS_PRIVATE:
	case ADDR_CLASS_CGN:
	case ADDR_CLASS_RESERVED:
	case ADDR_CLASS_GLOBAL:
		break;
	}
	return a->family != ADDR_IPV4 || memcmp(a->bytes, broadcast, 4) != 0;
}

bool
addr_is_mappable(const struct addr *a)
{
	return addr_is_host(a) &&
	       (a->family != ADDR_IPV6 || addr_classify(a) != ADDR_CLASS_LINK_LOCAL);
}

/* An interface's name of unreserved characters (RFC 6874 section 2): others may get
 * into a shell. */
static bool
is_zone_name(const char *text)
{
	static const char digits[] = "0123456789",
			  unreserved[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
					 "abcdefghijklmnopqrstuvwxyz0123456789-._~";
	size_t len = strlen(text);

	return len > 0 && len < ADDR_ZONE_MAX && strspn(text, unreserved) == len &&
	       strspn(text, digits) < len;
}

int
addr_parse(const char *text, struct addr *ret)
{
	char zone[ADDR_ZONE_MAX];
	struct addr a;
	int r = addr_parse_zone(text, &a, zone);

	if (r < 0 || zone[0])
		return -EINVAL;
	*ret = a;
	return 0;
}

int
addr_parse_zone(const char *text, struct addr *ret, char ret_zone[static ADDR_ZONE_MAX])
{
	struct addr a = { .family = ADDR_IPV4 };
	const char *name = "";
	char literal[INET6_ADDRSTRLEN];
	const char *percent = strchr(text, '%');
	size_t len = percent ? (size_t)(percent - text) : strlen(text);
	uint64_t scope = 0;

	if (len >= sizeof(literal))
		return -EINVAL;
	memcpy(literal, text, len);
	literal[len] = '\0';
	if (!percent && inet_pton(AF_INET, literal, a.bytes) == 1) {
		*ret = a;
		ret_zone[0] = '\0';
		return 0;
	}
	a.family = ADDR_IPV6;
	if (inet_pton(AF_INET6, literal, a.bytes) != 1)
		return -EINVAL;
	if (percent) {
		if (addr_classify(&a) != ADDR_CLASS_LINK_LOCAL)
			return -EINVAL;
		if (is_zone_name(percent + 1))
			name = percent + 1;
		else if (text_to_uint(
			     percent + 1, strlen(percent + 1), UINT32_MAX, &scope) < 0)
			return -EINVAL;
		a.scope = (uint32_t)scope;
	}
	*ret = a;
	strcpy(ret_zone, name);
	return 0;
}

const char *
addr_format(const struct addr *a, char buf[static ADDR_TEXT_MAX])
{
	return addr_format_zone(a, NULL, buf);
}

const char *
addr_format_zone(const struct addr *a, const char *zone, char buf[static ADDR_TEXT_MAX])
{
	size_t len;

	if (a->family == ADDR_NONE)
		return strcpy(buf, "-");
	inet_ntop(
	    a->family == ADDR_IPV4 ? AF_INET : AF_INET6, a->bytes, buf, ADDR_TEXT_MAX);
	len = strlen(buf);
	if (a->scope && zone && is_zone_name(zone))
		snprintf(buf + len, ADDR_TEXT_MAX - len, "%%%s", zone);
	else if (a->scope && !(zone && zone[0] == '\0'))
		snprintf(buf + len, ADDR_TEXT_MAX - len, "%%%" PRIu32, a->scope);
	return buf;
}

const char *
endpoint_format(const struct endpoint *e, char buf[static ENDPOINT_TEXT_MAX])
{
	return endpoint_format_zone(e, NULL, buf);
}

const char *
endpoint_format_zone(
    const struct endpoint *e, const char *zone, char buf[static ENDPOINT_TEXT_MAX])
{
	char text[ADDR_TEXT_MAX];

	snprintf(buf, ENDPOINT_TEXT_MAX,
	    e->addr.family == ADDR_IPV6 ? "[%s]:%u" : "%s:%u",
	    addr_format_zone(&e->addr, zone, text), e->port);
	return buf;
}

static const uint8_t mapped_prefix[12] = { [10] = 0xff, [11] = 0xff };

void
addr_to_ipv6_bytes(const struct addr *a, uint8_t ret[static 16])
{
	if (a->family == ADDR_IPV4) {
		memcpy(ret, mapped_prefix, sizeof(mapped_prefix));
		memcpy(ret + sizeof(mapped_prefix), a->bytes, 4);
	} else {
		memcpy(ret, a->bytes, 16);
	}
}

struct addr
addr_from_ipv6_bytes(const uint8_t bytes[static 16])
{
	if (memcmp(bytes, mapped_prefix, sizeof(mapped_prefix)) == 0)
		return addr_from_bytes(ADDR_IPV4, bytes + sizeof(mapped_prefix));
	return addr_from_bytes(ADDR_IPV6, bytes);
}

void
endpoints_in_turn(struct endpoint *list, size_t n)
{
	struct endpoint sorted[ENDPOINTS_IN_TURN_MAX];
	size_t next[2] = { 0, 0 }; /* of the first's family, of the other */
	enum addr_family first;

	n = n < ENDPOINTS_IN_TURN_MAX ? n : ENDPOINTS_IN_TURN_MAX;
	first = n ? list[0].addr.family : ADDR_NONE;
	for (size_t i = 0; i < n; i++) {
		bool other = i % 2;

		for (int tries = 0; tries < 2; tries++, other = !other) {
			size_t *at = &next[other];

			while (*at < n && (list[*at].addr.family != first) != other)
				++*at;
			if (*at < n)
				break;
		}
		sorted[i] = list[next[other]++];
	}
	memcpy(list, sorted, n * sizeof(*list));
}
