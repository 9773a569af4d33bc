/*
 * natpmp.h - NAT-PMP datagrams (RFC 6886 section 3): bytes <-> structs.
 *
 * Pure: no socket, clock, allocation or log.  Integers are host order, lifetimes and
 * epochs seconds.  A decoder writes *ret only when it returns 0.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "proto/addr.h"
#include "proto/types.h"

#define NATPMP_PORT 5351
#define NATPMP_ANNOUNCE_PORT 5350 /* multicast 224.0.0.1 (3.2.1) */
#define NATPMP_VERSION 0
#define NATPMP_REQUEST_MAX 12
#define NATPMP_RESPONSE 0x80

enum natpmp_op { NATPMP_OP_ADDRESS = 0, NATPMP_OP_MAP_UDP = 1, NATPMP_OP_MAP_TCP = 2 };

/* RFC 6886 section 3.5; codes not listed are kept as numbers. */
enum natpmp_result {
	NATPMP_SUCCESS = 0,
	NATPMP_UNSUPP_VERSION = 1,
	NATPMP_NOT_AUTHORIZED = 2,
	NATPMP_NETWORK_FAILURE = 3,
	NATPMP_OUT_OF_RESOURCES = 4,
	NATPMP_UNSUPP_OPCODE = 5,
};

struct natpmp_map {
	enum natpmp_op op; /* MAP_UDP or MAP_TCP */
	uint16_t internal_port, external_port;
	uint32_t lifetime_s; /* 0 deletes; with internal_port 0 too: all of this op */
};

struct natpmp_response {
	uint8_t op;      /* without the response bit */
	uint16_t result; /* enum natpmp_result or an unknown number */
	uint32_t epoch_s;
	struct addr external;  /* op ADDRESS with result SUCCESS, else ADDR_NONE */
	struct natpmp_map map; /* op MAP_x; all zero if an error answer was short */
};

enum natpmp_op natpmp_op_map(enum transport t);

/* "Public address request" (3.2).  2, or -ENOBUFS. */
ssize_t natpmp_encode_address(uint8_t *buf, size_t size);

/* Mapping request (3.3) or deletion (3.4).  12, or -ENOBUFS. */
ssize_t natpmp_encode_map(uint8_t *buf, size_t size, const struct natpmp_map *map);

/*
 * Read one response, already known to come from the gateway; trailing bytes are
 * ignored.  An error result may be short (8 bytes): then only op, result, epoch_s are
 * set.  Returns 0; -EBADMSG: short, or no response; -EPROTONOSUPPORT: version not 0;
 * -ENOTSUP: an opcode we never send (a result 1 or 5 answer is returned as 0 with
 * whatever op it has, see 3.5).  A refusal of 24 bytes is -EBADMSG too: it is a PCP
 * header under version 0, and no NAT-PMP refusal is that long.
 */
int natpmp_decode_response(const uint8_t *buf, size_t len, struct natpmp_response *ret);
