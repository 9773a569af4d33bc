/*
 * pcp.h - PCP messages (RFC 6887, DESCRIPTION of RFC 7220): bytes <-> structs.
 *
 * Pure: no socket, clock, allocation or log.  Integers are host order, addresses
 * struct addr (IPv4 from and to ::ffff:0:0/96), lifetimes and epochs seconds.
 *
 * natd asks with MAP and ANNOUNCE, THIRD_PARTY and PREFER_FAILURE alone.  PEER, FILTER
 * and DESCRIPTION are written and read here but never sent: natd opens ports to
 * everybody and has no use for the mapping of one connection, and the name of a mapping
 * would change nothing but a line on some router's page, at the price of one more
 * option that an old server may refuse the whole request for.  They are here because an
 * answer may carry them (section 8.3 has each option of it checked) and because the
 * captured requests of other clients that the tests compare byte by byte do.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "proto/addr.h"

#define PCP_PORT 5351
#define PCP_VERSION 2
#define PCP_MESSAGE_MAX 1100 /* RFC 6887 section 7 */
#define PCP_NONCE_LEN 12
#define PCP_FILTERS_MAX 4
#define PCP_DESCRIPTION_MAX 128 /* ours; RFC 7220 allows 1016 */
#define PCP_RESPONSE 0x80

enum pcp_op { PCP_OP_ANNOUNCE = 0, PCP_OP_MAP = 1, PCP_OP_PEER = 2 };

/* RFC 6887 section 7.4. */
enum pcp_result {
	PCP_SUCCESS = 0,
	PCP_UNSUPP_VERSION = 1,
	PCP_NOT_AUTHORIZED = 2,
	PCP_MALFORMED_REQUEST = 3,
	PCP_UNSUPP_OPCODE = 4,
	PCP_UNSUPP_OPTION = 5,
	PCP_MALFORMED_OPTION = 6,
	PCP_NETWORK_FAILURE = 7,
	PCP_NO_RESOURCES = 8,
	PCP_UNSUPP_PROTOCOL = 9,
	PCP_USER_EX_QUOTA = 10,
	PCP_CANNOT_PROVIDE_EXTERNAL = 11,
	PCP_ADDRESS_MISMATCH = 12,
	PCP_EXCESSIVE_REMOTE_PEERS = 13,
};

enum pcp_option {
	PCP_OPTION_THIRD_PARTY = 1,
	PCP_OPTION_PREFER_FAILURE = 2,
	PCP_OPTION_FILTER = 3,
	PCP_OPTION_DESCRIPTION = 128, /* RFC 7220 */
};

struct pcp_filter {
	uint8_t prefix_len; /* of the 128-bit form; 0 with op MAP removes all filters */
	uint16_t remote_port; /* 0: all */
	struct addr remote;
};

/* The options of one message; absent ones are zero. */
struct pcp_options {
	struct addr third_party; /* ADDR_NONE: absent */
	bool prefer_failure;
	unsigned filters;
	struct pcp_filter filter[PCP_FILTERS_MAX];
	char description[PCP_DESCRIPTION_MAX]; /* UTF-8, "": absent */
};

/* MAP (section 11.1) and PEER (section 12.1) in both directions. */
struct pcp_map {
	uint8_t nonce[PCP_NONCE_LEN];
	uint8_t protocol; /* 6, 17; 0: all */
	uint16_t internal_port, external_port;
	struct addr external; /* suggested (ADDR_NONE: any) or assigned */
	uint16_t remote_port; /* PEER only */
	struct addr remote;   /* PEER only */
};

struct pcp_request {
	enum pcp_op op;
	uint32_t lifetime_s;
	struct addr client; /* source address the request is sent from (section 8.1) */
	struct pcp_map map; /* not for ANNOUNCE */
	struct pcp_options options;
};

struct pcp_response {
	uint8_t version; /* what the server speaks; with UNSUPP_VERSION its best */
	uint8_t op;      /* without the response bit */
	uint8_t result;
	uint32_t lifetime_s; /* of the mapping, or of the error */
	uint32_t epoch_s;
	bool has_map; /* op MAP or PEER and long enough */
	struct pcp_map map;
	struct pcp_options options; /* those the server processed */
};

/* Whole request with padding.  Its length, -ENOBUFS, or -EINVAL for an op we don't
 * know, an option that may not go with the op (section 13), more than PCP_FILTERS_MAX
 * filters or a description without end. */
ssize_t pcp_encode_request(uint8_t *buf, size_t size, const struct pcp_request *req);

/*
 * Read one response (section 8.3 order of checks).  Returns 0; -EBADMSG: shorter than
 * 24, longer than 1100, not a multiple of 4, no R bit, a success of MAP or PEER without
 * its data, broken option (options of a refusal are not looked at); -EPROTONOSUPPORT:
 * version other than 2, unless it is a well-formed UNSUPP_VERSION answer (returned as 0
 * with version as sent).  A NAT-PMP answer (version 0) is not for this decoder.
 */
int pcp_decode_response(const uint8_t *buf, size_t len, struct pcp_response *ret);
