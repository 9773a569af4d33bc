/*
 * pcp.c - PCP messages (RFC 6887, DESCRIPTION of RFC 7220): bytes <-> structs.
 *
 * A message is a 24-byte header, the data of its opcode, and options.  Each option we
 * know is a row of one table: which opcodes may carry it, how long it is, how it is
 * written and read.  Options we don't know are skipped; the 1100 bytes of a message
 * bound the work.
 */
#include "proto/pcp.h"

#include <errno.h>

#include "proto/text.h"
#include "proto/util.h"
#include "proto/wire.h"

#define HEADER_LEN 24
#define DESCRIPTION_LEN_MAX 1016 /* RFC 7220 section 3 */

#define OP_BIT(op) (1u << (op))

struct option_row {
	enum pcp_option code;
	unsigned ops;              /* mask of OP_BIT(): who may carry it */
	uint16_t len_min, len_max; /* of the data, without padding */
	bool many;                 /* may appear more than once */
	unsigned (*count)(const struct pcp_options *o);
	uint16_t (*len)(const struct pcp_options *o, unsigned i);
	void (*write)(struct wire_out *out, const struct pcp_options *o, unsigned i);
	/* 0 or -EBADMSG; in holds exactly the data. */
	int (*read)(struct wire_in *in, struct pcp_options *o);
};

/* Section 5: without an address of its own, an IPv4 client says ::ffff:0.0.0.0. */
static void
put_addr(struct wire_out *out, const struct addr *a, enum addr_family family)
{
	struct addr any = { .family = family };
	uint8_t bytes[16];

	addr_to_ipv6_bytes(a->family == ADDR_NONE ? &any : a, bytes);
	wire_put_bytes(out, bytes, sizeof(bytes));
}

static struct addr
get_addr(struct wire_in *in)
{
	uint8_t bytes[16];

	wire_bytes(in, bytes, sizeof(bytes));
	return addr_from_ipv6_bytes(bytes);
}

static unsigned
third_party_count(const struct pcp_options *o)
{
	return o->third_party.family != ADDR_NONE;
}

static void
third_party_write(struct wire_out *out, const struct pcp_options *o, unsigned i)
{
	(void)i;
	put_addr(out, &o->third_party, ADDR_IPV6);
}

static int
third_party_read(struct wire_in *in, struct pcp_options *o)
{
	o->third_party = get_addr(in);
	return 0;
}

static unsigned
prefer_failure_count(const struct pcp_options *o)
{
	return o->prefer_failure;
}

static void
prefer_failure_write(struct wire_out *out, const struct pcp_options *o, unsigned i)
{
	(void)out, (void)o, (void)i;
}

static int
prefer_failure_read(struct wire_in *in, struct pcp_options *o)
{
	(void)in;
	o->prefer_failure = true;
	return 0;
}

static unsigned
filter_count(const struct pcp_options *o)
{
	return o->filters;
}

static void
filter_write(struct wire_out *out, const struct pcp_options *o, unsigned i)
{
	const struct pcp_filter *f = &o->filter[i];

	wire_put_u8(out, 0); /* Reserved */
	wire_put_u8(out, f->prefix_len);
	wire_put_u16(out, f->remote_port);
	put_addr(out, &f->remote, ADDR_IPV6);
}

static int
filter_read(struct wire_in *in, struct pcp_options *o)
{
	struct pcp_filter f = { 0 };

	wire_u8(in); /* Reserved */
	f.prefix_len = wire_u8(in);
	f.remote_port = wire_u16(in);
	f.remote = get_addr(in);
	if (f.prefix_len > 128 || o->filters == PCP_FILTERS_MAX)
		return -EBADMSG;
	o->filter[o->filters++] = f;
	return 0;
}

static unsigned
description_count(const struct pcp_options *o)
{
	return o->description[0] != '\0';
}

static uint16_t
description_len(const struct pcp_options *o, unsigned i)
{
	(void)i;
	return (uint16_t)strlen(o->description);
}

static void
description_write(struct wire_out *out, const struct pcp_options *o, unsigned i)
{
	wire_put_bytes(out, o->description, description_len(o, i));
}

static int
description_read(struct wire_in *in, struct pcp_options *o)
{
	size_t len = wire_left(in);
	const char *text = (const char *)wire_take(in, len);

	if (!text_is_utf8(text, len))
		return -EBADMSG;
	/* A longer one is not the one we sent: not worth losing the mapping for. */
	if (len < sizeof(o->description)) {
		memcpy(o->description, text, len);
		o->description[len] = '\0';
	}
	return 0;
}

/* In the order they are sent. */
static const struct option_row options_table[] = {
	{ .code = PCP_OPTION_THIRD_PARTY,
	    .ops = OP_BIT(PCP_OP_MAP) | OP_BIT(PCP_OP_PEER),
	    .len_min = 16,
	    .len_max = 16,
	    .count = third_party_count,
	    .write = third_party_write,
	    .read = third_party_read },
	{ .code = PCP_OPTION_PREFER_FAILURE,
	    .ops = OP_BIT(PCP_OP_MAP),
	    .count = prefer_failure_count,
	    .write = prefer_failure_write,
	    .read = prefer_failure_read },
	{ .code = PCP_OPTION_FILTER,
	    .ops = OP_BIT(PCP_OP_MAP),
	    .len_min = 20,
	    .len_max = 20,
	    .many = true,
	    .count = filter_count,
	    .write = filter_write,
	    .read = filter_read },
	{ .code = PCP_OPTION_DESCRIPTION,
	    .ops = OP_BIT(PCP_OP_MAP) | OP_BIT(PCP_OP_PEER),
	    .len_max = DESCRIPTION_LEN_MAX,
	    .count = description_count,
	    .len = description_len,
	    .write = description_write,
	    .read = description_read },
};

static size_t
padding(size_t len)
{
	return -len & 3; /* section 7.3: to a multiple of 4 */
}

static int
put_options(struct wire_out *out, enum pcp_op op, const struct pcp_options *o)
{
	for (size_t r = 0; r < ARRAY_SIZE(options_table); r++) {
		const struct option_row *row = &options_table[r];
		unsigned count = row->count(o);

		if (count > 0 && !(row->ops & OP_BIT(op)))
			return -EINVAL;
		for (unsigned i = 0; i < count; i++) {
			uint16_t len = row->len ? row->len(o, i) : row->len_max;

			wire_put_u8(out, (uint8_t)row->code);
			wire_put_u8(out, 0); /* Reserved */
			wire_put_u16(out, len);
			row->write(out, o, i);
			wire_put_zeros(out, padding(len));
		}
	}
	return 0;
}

static const struct option_row *
find_option(uint8_t code, uint8_t op)
{
	for (size_t r = 0; r < ARRAY_SIZE(options_table); r++)
		if (options_table[r].code == code &&
		    (options_table[r].ops & OP_BIT(op)))
			return &options_table[r];
	return NULL;
}

static int
get_options(struct wire_in *in, uint8_t op, struct pcp_options *o)
{
	while (wire_left(in) > 0) {
		uint8_t code = wire_u8(in);
		uint16_t len;
		struct wire_in data;
		const struct option_row *row = find_option(code, op);

		wire_u8(in); /* Reserved */
		len = wire_u16(in);
		data = wire_sub(in, len);
		wire_take(in, padding(len));
		if (in->bad)
			return -EBADMSG;
		if (!row)
			continue;
		if (len < row->len_min || len > row->len_max ||
		    (!row->many && row->count(o) > 0))
			return -EBADMSG;
		if (row->read(&data, o) < 0)
			return -EBADMSG;
	}
	return 0;
}

/* Section 11.1, and 12.1 for PEER. */
static void
put_map(struct wire_out *out, const struct pcp_request *req)
{
	const struct pcp_map *map = &req->map;

	wire_put_bytes(out, map->nonce, sizeof(map->nonce));
	wire_put_u8(out, map->protocol);
	wire_put_zeros(out, 3); /* Reserved */
	wire_put_u16(out, map->internal_port);
	wire_put_u16(out, map->external_port);
	put_addr(out, &map->external, req->client.family);
	if (req->op != PCP_OP_PEER)
		return;
	wire_put_u16(out, map->remote_port);
	wire_put_zeros(out, 2); /* Reserved */
	put_addr(out, &map->remote, req->client.family);
}

static void
get_map(struct wire_in *in, uint8_t op, struct pcp_map *map)
{
	wire_bytes(in, map->nonce, sizeof(map->nonce));
	map->protocol = wire_u8(in);
	wire_take(in, 3); /* Reserved */
	map->internal_port = wire_u16(in);
	map->external_port = wire_u16(in);
	map->external = get_addr(in);
	if (op != PCP_OP_PEER)
		return;
	map->remote_port = wire_u16(in);
	wire_take(in, 2); /* Reserved */
	map->remote = get_addr(in);
}

ssize_t
pcp_encode_request(uint8_t *buf, size_t size, const struct pcp_request *req)
{
	struct wire_out out = wire_out(buf, size);
	const struct pcp_options *o = &req->options;

	if (req->op > PCP_OP_PEER || o->filters > PCP_FILTERS_MAX ||
	    strnlen(o->description, sizeof(o->description)) == sizeof(o->description))
		return -EINVAL;
	wire_put_u8(&out, PCP_VERSION);
	wire_put_u8(&out, (uint8_t)req->op);
	wire_put_u16(&out, 0); /* Reserved */
	wire_put_u32(&out, req->lifetime_s);
	put_addr(&out, &req->client, ADDR_IPV6);
	if (req->op != PCP_OP_ANNOUNCE)
		put_map(&out, req);
	if (put_options(&out, req->op, o) < 0)
		return -EINVAL;
	return wire_finish(&out);
}

/* The part behind the header of a version 2 answer. */
static int
decode_body(struct wire_in *in, struct pcp_response *r)
{
	if (r->op == PCP_OP_MAP || r->op == PCP_OP_PEER) {
		struct wire_in at = *in;

		get_map(&at, r->op, &r->map);
		if (!at.bad) {
			r->has_map = true;
			*in = at;
		} else if (r->result == PCP_SUCCESS) {
			return -EBADMSG;
		} else {
			r->map = (struct pcp_map) { 0 };
		}
	}
	/* An error answer echoes our options; none was processed. */
	if (r->result != PCP_SUCCESS || r->op > PCP_OP_PEER)
		return 0;
	return get_options(in, r->op, &r->options);
}

int
pcp_decode_response(const uint8_t *buf, size_t len, struct pcp_response *ret)
{
	struct wire_in in = wire_in(buf, len);
	struct pcp_response r = { 0 };
	uint8_t op;
	int err;

	if (len < HEADER_LEN || len > PCP_MESSAGE_MAX || len % 4 != 0)
		return -EBADMSG;
	r.version = wire_u8(&in);
	op = wire_u8(&in);
	r.op = (uint8_t)(op & ~PCP_RESPONSE);
	wire_u8(&in); /* Reserved */
	r.result = wire_u8(&in);
	r.lifetime_s = wire_u32(&in);
	r.epoch_s = wire_u32(&in);
	wire_take(&in, 12); /* Reserved */
	if (!(op & PCP_RESPONSE))
		return -EBADMSG;
	if (r.version != PCP_VERSION) {
		/* What follows the header is laid out in a version we don't know. */
		if (r.version == 0 || r.result != PCP_UNSUPP_VERSION)
			return -EPROTONOSUPPORT;
	} else {
		err = decode_body(&in, &r);
		if (err < 0)
			return err;
	}
	*ret = r;
	return 0;
}
