/*
 * natpmp.c - NAT-PMP datagrams (RFC 6886 section 3): bytes <-> structs.
 *
 * What real gateways do beyond the text: error answers cut after the epoch, the
 * Unsupported Version answer with or without the response bit, and answers in the shape
 * of PCP under version 0.
 */
#include "proto/natpmp.h"

#include <errno.h>

#include "proto/wire.h"

/* A PCP header, which some servers send under version 0 (see decode). */
#define PCP_HEADER_LEN 24

enum natpmp_op
natpmp_op_map(enum transport t)
{
	return t == TRANSPORT_TCP ? NATPMP_OP_MAP_TCP : NATPMP_OP_MAP_UDP;
}

ssize_t
natpmp_encode_address(uint8_t *buf, size_t size)
{
	struct wire_out out = wire_out(buf, size);

	wire_put_u8(&out, NATPMP_VERSION);
	wire_put_u8(&out, NATPMP_OP_ADDRESS);
	return wire_finish(&out);
}

ssize_t
natpmp_encode_map(uint8_t *buf, size_t size, const struct natpmp_map *map)
{
	struct wire_out out = wire_out(buf, size);

	wire_put_u8(&out, NATPMP_VERSION);
	wire_put_u8(&out, (uint8_t)map->op);
	wire_put_u16(&out, 0); /* Reserved: MUST be zero when sent. */
	wire_put_u16(&out, map->internal_port);
	wire_put_u16(&out, map->external_port);
	wire_put_u32(&out, map->lifetime_s);
	return wire_finish(&out);
}

/* What follows the epoch in an answer to the address request (3.2). */
static void
decode_address(struct wire_in *in, struct natpmp_response *r)
{
	uint8_t bytes[4];

	if (r->result != NATPMP_SUCCESS)
		return;
	wire_bytes(in, bytes, sizeof(bytes));
	r->external = addr_from_bytes(ADDR_IPV4, bytes);
}

/* The same for a mapping request (3.3). */
static void
decode_map(struct wire_in *in, struct natpmp_response *r)
{
	if (r->result != NATPMP_SUCCESS && wire_left(in) < 8)
		return;
	r->map.op = r->op;
	r->map.internal_port = wire_u16(in);
	r->map.external_port = wire_u16(in);
	r->map.lifetime_s = wire_u32(in);
}

int
natpmp_decode_response(const uint8_t *buf, size_t len, struct natpmp_response *ret)
{
	struct wire_in in = wire_in(buf, len);
	struct natpmp_response r = { 0 };
	uint8_t version = wire_u8(&in), op = wire_u8(&in);
	bool is_response = op & NATPMP_RESPONSE;

	r.op = (uint8_t)(op & ~NATPMP_RESPONSE);
	r.result = wire_u16(&in);
	r.epoch_s = wire_u32(&in);
	if (in.bad)
		return -EBADMSG;
	if (version != NATPMP_VERSION)
		return -EPROTONOSUPPORT;
	/* The drawing of section 3.5 has OP = 0, without the response bit. */
	if (!is_response && !(op == 0 && r.result == NATPMP_UNSUPP_VERSION))
		return -EBADMSG;
	/* miniupnpd answers a PCP request it cannot read so; in place of our epoch is
	 * PCP's lifetime. */
	if (r.result != NATPMP_SUCCESS && len == PCP_HEADER_LEN)
		return -EBADMSG;

	switch (r.op) {
	case NATPMP_OP_ADDRESS:
		decode_address(&in, &r);
		break;
	case NATPMP_OP_MAP_UDP:
	case NATPMP_OP_MAP_TCP:
		decode_map(&in, &r);
		break;
	default:
		if (r.result != NATPMP_UNSUPP_VERSION &&
		    r.result != NATPMP_UNSUPP_OPCODE)
			return -ENOTSUP;
	}
	if (in.bad)
		return -EBADMSG;
	*ret = r;
	return 0;
}
