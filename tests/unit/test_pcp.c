/*
 * test_pcp.c - the PCP codec against recorded and written datagrams.
 */
#include "proto/pcp.h"

#include <errno.h>

#include "proto/util.h"
#include "tests/unit/corpus.h"

#define IPV4(a, b, c, d)                                     \
	{                                                    \
		.family = ADDR_IPV4, .bytes = { a, b, c, d } \
	}
#define IPV6(...)                                             \
	{                                                     \
		.family = ADDR_IPV6, .bytes = { __VA_ARGS__ } \
	}

#define TCP 6
#define UDP 17

/* The nonces of the recordings. */
#define NONCE_BC                                                                       \
	{                                                                              \
		0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc \
	}
#define NONCE_LV                                     \
	{                                            \
		0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 \
	}
#define NONCE_OTHER               \
	{                         \
		[0 ... 11] = 0xee \
	}
#define NONCE_TS                                                                       \
	{                                                                              \
		0x81, 0x70, 0x09, 0x18, 0xf1, 0xd0, 0xfb, 0x2d, 0x9d, 0x4c, 0x0a, 0xbc \
	}

#define WAN IPV4(11, 22, 33, 44)
#define MAP(nonce_, protocol_, in, ext, ...)       \
	.has_map = true, .map = { .nonce = nonce_, \
		.protocol = protocol_,             \
		.internal_port = in,               \
		.external_port = ext,              \
		.external = __VA_ARGS__ }
#define BAD(err)  \
	err,      \
	{         \
		0 \
	}

static const struct row {
	const char *file;
	int err; /* 0: the rest is expected */
	struct pcp_response r;
} rows[] = {
#define OK(result_, life, epoch, ...)                                         \
	0,                                                                    \
	{                                                                     \
		.version = 2, .op = 1, .result = result_, .lifetime_s = life, \
		.epoch_s = epoch, __VA_ARGS__                                 \
	}
	{ "bc-map4-no-resources.bin",
	    OK(8, 0, 0, MAP(NONCE_BC, TCP, 1234, 0, IPV6(0))) },
	{ "bc-map4-response.bin",
	    OK(0, 500, 0, MAP(NONCE_BC, TCP, 1234, 1234, IPV4(1, 2, 3, 4))) },
	{ "bc-map4-result-0x42.bin",
	    OK(0x42, 500, 0, MAP(NONCE_BC, TCP, 1234, 1234, IPV4(1, 2, 3, 4))) },
	{ "lv-mu231-igd2-map-all-protocols-resp.bin",
	    OK(3, 0, 3053, MAP(NONCE_LV, 0, 0, 0, WAN)) },
	{ "lv-mu231-igd2-map-delete-resp.bin",
	    OK(2, 0, 2989, MAP(NONCE_LV, TCP, 42001, 0, WAN)) },
	{ "lv-mu231-igd2-map-filter-resp.bin",
	    OK(0, 3600, 2989, MAP(NONCE_LV, UDP, 42008, 42008, WAN),
		.options = { .filters = 1,
		    .filter = { { 128, 1234, IPV4(198, 51, 100, 1) } } }) },
	{ "lv-mu231-igd2-map-other-nonce-resp.bin",
	    OK(0, 3600, 2989, MAP(NONCE_OTHER, TCP, 42001, 42001, WAN)) },
	{ "lv-mu231-igd2-map-prefer-failure-conflict-resp.bin",
	    OK(0, 3600, 2989, MAP(NONCE_LV, TCP, 42005, 42002, WAN),
		.options = { .prefer_failure = true }) },
	{ "lv-mu231-igd2-map-tcp-resp.bin",
	    OK(0, 3600, 2989, MAP(NONCE_LV, TCP, 42001, 42001, WAN)) },
	/* a refusal echoes our options: none was processed */
	{ "lv-mu231-igd2-map-third-party-resp.bin",
	    OK(5, 0, 2989, MAP(NONCE_LV, TCP, 42006, 42006, IPV4(0, 0, 0, 0))) },
	{ "lv-mu231-igd2-map-udp-resp.bin",
	    OK(0, 3600, 2989, MAP(NONCE_LV, UDP, 42002, 42002, WAN)) },
	{ "lv-mu231-igd2-map-unknown-mandatory-option-resp.bin",
	    OK(5, 0, 2989, MAP(NONCE_LV, TCP, 42007, 42007, IPV4(0, 0, 0, 0))) },
	{ "lv-mu231-igd2-map6-tcp-resp.bin",
	    OK(0, 3600, 2989,
		MAP(NONCE_LV, TCP, 42020, 42020,
		    IPV6(0x2a, 0x10, 0, 0x50, [15] = 0x10))) },
	{ "lv-mu231-igd2-unsupp-opcode-resp.bin", 0,
	    { .version = 2, .op = 0x55, .result = 4, .epoch_s = 2989 } },
	{ "syn-announce-60B.bin", 0, { .version = 2, .epoch_s = 1000 } },
	{ "syn-announce-ok.bin", 0, { .version = 2, .epoch_s = 5 } },
	{ "syn-announce-rc-nonzero.bin", 0,
	    { .version = 2, .result = 7, .epoch_s = 5 } },
	{ "syn-epoch-back.bin", OK(0, 3600, 10, MAP(NONCE_BC, TCP, 4001, 4001, WAN)) },
	{ "syn-epoch-fast.bin",
	    OK(0, 3600, 900000, MAP(NONCE_BC, TCP, 4001, 4001, WAN)) },
	{ "syn-epoch-same.bin",
	    OK(0, 3600, 1000, MAP(NONCE_BC, TCP, 4001, 4001, WAN)) },
	{ "syn-epoch-wrap.bin", OK(0, 3600, 3, MAP(NONCE_BC, TCP, 4001, 4001, WAN)) },
	{ "syn-map-error-lifetime0.bin",
	    OK(8, 0, 1000, MAP(NONCE_BC, TCP, 4001, 4001, WAN)) },
	{ "syn-map-ext-private.bin",
	    OK(0, 3600, 1000, MAP(NONCE_BC, TCP, 4001, 4001, IPV4(10, 1, 1, 1))) },
	{ "syn-map-ext-unspecified.bin",
	    OK(0, 3600, 1000, MAP(NONCE_BC, TCP, 4001, 4001, IPV6(0))) },
	{ "syn-map-ext-v6-for-v4.bin",
	    OK(0, 3600, 1000,
		MAP(NONCE_BC, TCP, 4001, 4001, IPV6(0x20, 1, 0xd, 0xb8, [15] = 1))) },
	{ "syn-map-extport0.bin", OK(0, 3600, 1000, MAP(NONCE_BC, TCP, 4001, 0, WAN)) },
	{ "syn-map-internal-port-mismatch.bin",
	    OK(0, 3600, 1000, MAP(NONCE_BC, TCP, 4002, 4001, WAN)) },
	{ "syn-map-lifetime-max.bin",
	    OK(0, UINT32_MAX, 1000, MAP(NONCE_BC, TCP, 4001, 4001, WAN)) },
	{ "syn-map-proto-mismatch.bin",
	    OK(0, 3600, 1000, MAP(NONCE_BC, UDP, 4001, 4001, WAN)) },
#define REFUSED(code) OK(code, 30, 1000, MAP(NONCE_BC, TCP, 4001, 0, IPV4(0, 0, 0, 0)))
	{ "syn-map-rc10-user-ex-quota.bin", REFUSED(10) },
	{ "syn-map-rc11-cannot-provide-external.bin", REFUSED(11) },
	{ "syn-map-rc12-address-mismatch.bin", REFUSED(12) },
	{ "syn-map-rc14-unknown-14.bin", REFUSED(14) },
	{ "syn-map-rc2-not-authorized.bin", REFUSED(2) },
	{ "syn-map-rc255-unknown-255.bin", REFUSED(255) },
	{ "syn-map-rc3-malformed-request.bin", REFUSED(3) },
	{ "syn-map-rc4-unsupp-opcode.bin", REFUSED(4) },
	{ "syn-map-rc6-malformed-option.bin", REFUSED(6) },
	{ "syn-map-rc7-network-failure.bin", REFUSED(7) },
	{ "syn-map-rc8-no-resources.bin", REFUSED(8) },
	{ "syn-map-rc9-unsupp-protocol.bin", REFUSED(9) },
	{ "syn-map6-ext-differs.bin",
	    OK(0, 3600, 1000,
		MAP(NONCE_BC, TCP, 4001, 4001,
		    IPV6(0x20, 1, 0xd, 0xb8, 0xff, 0xff, [15] = 9))) },
	{ "syn-opt-prefer-failure.bin",
	    OK(0, 3600, 1000, MAP(NONCE_BC, TCP, 4001, 4001, WAN),
		.options = { .prefer_failure = true }) },
	{ "syn-opt-unknown-mandatory.bin",
	    OK(0, 3600, 1000, MAP(NONCE_BC, TCP, 4001, 4001, WAN)) },
	{ "syn-opt-zero-loop.bin",
	    OK(0, 3600, 1000, MAP(NONCE_BC, TCP, 4001, 4001, WAN)) },
	{ "syn-peer-ok.bin", 0,
	    { .version = 2,
		.op = 2,
		.lifetime_s = 3600,
		.epoch_s = 1000,
		.has_map = true,
		.map = { .nonce = NONCE_BC,
		    .protocol = TCP,
		    .internal_port = 4001,
		    .external_port = 4001,
		    .external = WAN,
		    .remote_port = 9999,
		    .remote = IPV4(198, 51, 100, 1) } } },
	{ "syn-reserved-nonzero.bin",
	    OK(0, 3600, 1000, MAP(NONCE_BC, TCP, 4001, 4001, WAN)) },
	{ "ts-map-response-real.bin",
	    OK(0, 7200, 0x29bed,
		MAP(NONCE_TS, UDP, 1234, 1234, IPV4(135, 180, 175, 246))) },
	{ "syn-version-1.bin", 0,
	    { .version = 1, .op = 1, .result = 1, .epoch_s = 1000 } },
	/* another version without saying so in the result */
	{ "lv-mu231-igd2-unsupp-version-1-resp.bin", BAD(-EPROTONOSUPPORT) },
	{ "lv-mu231-igd2-short-20B-resp.bin", BAD(-EPROTONOSUPPORT) },
	/* the answer of a NAT-PMP gateway */
	{ "bc-unsupp-version-8B.bin", BAD(-EBADMSG) },
	/* requests */
	{ "bc-map4-request.bin", BAD(-EBADMSG) },
	{ "bc-map6-request.bin", BAD(-EBADMSG) },
	{ "lv-mu231-igd2-announce-req.bin", BAD(-EBADMSG) },
	{ "lv-mu231-igd2-map-all-protocols-req.bin", BAD(-EBADMSG) },
	{ "lv-mu231-igd2-map-delete-req.bin", BAD(-EBADMSG) },
	{ "lv-mu231-igd2-map-filter-req.bin", BAD(-EBADMSG) },
	{ "lv-mu231-igd2-map-prefer-failure-conflict-req.bin", BAD(-EBADMSG) },
	{ "lv-mu231-igd2-map-tcp-req.bin", BAD(-EBADMSG) },
	{ "lv-mu231-igd2-map-udp-req.bin", BAD(-EBADMSG) },
	{ "lv-mu231-igd2-map-unknown-mandatory-option-req.bin", BAD(-EBADMSG) },
	{ "lv-mu231-igd2-map-unknown-optional-option-req.bin", BAD(-EBADMSG) },
	{ "lv-mu231-igd2-map6-tcp-req.bin", BAD(-EBADMSG) },
	{ "lv-mu231-igd2-peer-tcp-req.bin", BAD(-EBADMSG) },
	{ "lv-mu231-igd2-unaligned-61B-req.bin", BAD(-EBADMSG) },
	{ "lv-mu231-igd2-unsupp-opcode-req.bin", BAD(-EBADMSG) },
	{ "syn-request-bit.bin", BAD(-EBADMSG) },
	/* broken */
	{ "syn-len-1104.bin", BAD(-EBADMSG) },
	{ "syn-len-61.bin", BAD(-EBADMSG) },
	{ "syn-short-23.bin", BAD(-EBADMSG) },
	{ "syn-short-59.bin", BAD(-EBADMSG) },
};

#define LAN IPV4(192, 168, 50, 10)

/* Requests as natd sends them. */
static const struct {
	const char *file;
	struct pcp_request req;
} requests[] = {
#define REQ(life, client_, nonce_, protocol_, in, ext, ...)              \
	{                                                                \
		.op = PCP_OP_MAP, .lifetime_s = life, .client = client_, \
		.map = { .nonce = nonce_,                                \
			.protocol = protocol_,                           \
			.internal_port = in,                             \
			.external_port = ext },                          \
		__VA_ARGS__                                              \
	}
	{ "bc-map4-request.bin",
	    REQ(1000, IPV4(192, 168, 0, 6), NONCE_BC, TCP, 1234, 1234, ) },
	/* For a pinhole the suggestion is our own address. */
	{ "bc-map6-request.bin",
	    { .op = PCP_OP_MAP,
		.lifetime_s = 1000,
		.client = IPV6(0x2a, 0x10, 0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde,
		    0xf0, 0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc),
		.map = { .nonce = NONCE_BC,
		    .protocol = TCP,
		    .internal_port = 1234,
		    .external_port = 1234,
		    .external = IPV6(0x2a, 0x10, 0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc,
			0xde, 0xf0, 0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc) } } },
	{ "lv-mu231-igd2-map6-tcp-req.bin",
	    { .op = PCP_OP_MAP,
		.lifetime_s = 3600,
		.client = IPV6(0x2a, 0x10, 0, 0x50, [15] = 0x10),
		.map = { .nonce = NONCE_LV,
		    .protocol = TCP,
		    .internal_port = 42020,
		    .external_port = 42020,
		    .external = IPV6(0x2a, 0x10, 0, 0x50, [15] = 0x10) } } },
	{ "lv-mu231-igd2-announce-req.bin", { .op = PCP_OP_ANNOUNCE, .client = LAN } },
	{ "lv-mu231-igd2-map-all-protocols-req.bin",
	    REQ(3600, LAN, NONCE_LV, 0, 0, 0, ) },
	{ "lv-mu231-igd2-map-delete-req.bin", REQ(0, LAN, NONCE_LV, TCP, 42001, 0, ) },
	{ "lv-mu231-igd2-map-tcp-req.bin",
	    REQ(3600, LAN, NONCE_LV, TCP, 42001, 42001, ) },
	{ "lv-mu231-igd2-map-udp-req.bin", REQ(3600, LAN, NONCE_LV, UDP, 42002, 0, ) },
	{ "lv-mu231-igd2-map-filter-req.bin",
	    REQ(3600, LAN, NONCE_LV, UDP, 42008, 42008,
		.options = { .filters = 1,
		    .filter = { { 128, 1234, IPV4(198, 51, 100, 1) } } }) },
	{ "lv-mu231-igd2-map-prefer-failure-conflict-req.bin",
	    REQ(3600, LAN, NONCE_LV, TCP, 42005, 42002,
		.options = { .prefer_failure = true }) },
	{ "lv-mu231-igd2-peer-tcp-req.bin", { .op = PCP_OP_PEER,
						.lifetime_s = 3600,
						.client = LAN,
						.map = { .nonce = NONCE_LV,
						    .protocol = UDP,
						    .internal_port = 42011,
						    .remote_port = 9999,
						    .remote = IPV4(11, 22, 33, 1) } } },
};

static int
known(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (strcmp(rows[i].file, name) == 0)
			return 1;
	return 0;
}

static void
assert_map(const char *what, const struct pcp_map *got, const struct pcp_map *want)
{
	if (memcmp(got->nonce, want->nonce, PCP_NONCE_LEN) != 0 ||
	    got->protocol != want->protocol ||
	    got->internal_port != want->internal_port ||
	    got->external_port != want->external_port ||
	    !addr_equal(&got->external, &want->external) ||
	    got->remote_port != want->remote_port ||
	    !addr_equal(&got->remote, &want->remote)) {
		char text[ADDR_TEXT_MAX];

		fail_msg("%s: protocol %u, ports %u %u, external %s", what,
		    got->protocol, got->internal_port, got->external_port,
		    addr_format(&got->external, text));
	}
}

static void
assert_options(const struct pcp_options *got, const struct pcp_options *want)
{
	assert_true(addr_equal(&got->third_party, &want->third_party));
	assert_int_equal(got->prefer_failure, want->prefer_failure);
	assert_int_equal(got->filters, want->filters);
	for (unsigned i = 0; i < got->filters; i++) {
		assert_int_equal(got->filter[i].prefix_len, want->filter[i].prefix_len);
		assert_int_equal(
		    got->filter[i].remote_port, want->filter[i].remote_port);
		assert_true(
		    addr_equal(&got->filter[i].remote, &want->filter[i].remote));
	}
	assert_string_equal(got->description, want->description);
}

static void
assert_response(
    const char *what, const struct pcp_response *got, const struct pcp_response *want)
{
	if (got->version != want->version || got->op != want->op ||
	    got->result != want->result || got->lifetime_s != want->lifetime_s ||
	    got->epoch_s != want->epoch_s || got->has_map != want->has_map)
		fail_msg("%s: version %u op %u result %u lifetime %u epoch %u map %d",
		    what, got->version, got->op, got->result, got->lifetime_s,
		    got->epoch_s, got->has_map);
	assert_map(what, &got->map, &want->map);
	assert_options(&got->options, &want->options);
}

static void
test_corpus(void **state)
{
	(void)state;
	assert_int_equal(corpus_count("pcp", known), ARRAY_SIZE(rows));
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint8_t buf[CORPUS_FILE_MAX];
		size_t len = corpus_read("pcp", rows[i].file, buf);
		struct pcp_response r = { .op = 77 };
		int err = pcp_decode_response(buf, len, &r);

		if (err != rows[i].err)
			fail_msg("%s: %d, not %d", rows[i].file, err, rows[i].err);
		if (err == 0)
			assert_response(rows[i].file, &r, &rows[i].r);
		else
			assert_int_equal(r.op, 77); /* untouched */
	}
}

/* Quirk 45: byte by byte, the lifetime in network order: 7200 s are not 17 years. */
static void
test_encode_requests(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
		uint8_t want[CORPUS_FILE_MAX], got[PCP_MESSAGE_MAX];
		size_t len = corpus_read("pcp", requests[i].file, want);

		if (pcp_encode_request(got, sizeof(got), &requests[i].req) !=
			(ssize_t)len ||
		    memcmp(got, want, len) != 0)
			fail_msg("%s: other bytes", requests[i].file);
		assert_int_equal(
		    pcp_encode_request(got, len - 1, &requests[i].req), -ENOBUFS);
	}
}

static const struct pcp_request full = {
	.op = PCP_OP_MAP,
	.lifetime_s = 7200,
	.client = LAN,
	.map = { .nonce = NONCE_BC, .protocol = TCP, .internal_port = 80,
	    .external_port = 8080, .external = WAN },
	.options = {
	    .third_party = IPV4(192, 168, 50, 77),
	    .prefer_failure = true,
	    .filters = PCP_FILTERS_MAX,
	    .filter = { { 128, 1, IPV4(11, 0, 0, 1) }, { 96, 0, IPV4(0, 0, 0, 0) },
		{ 0, 0, IPV6(0) }, { 64, 65535, IPV6(0x20, 1) } },
	    .description = "w\xc3\xb6rt",
	},
};

/* The answer to a request repeats it, with the response bit and the epoch in place of
 * our address. */
static size_t
answer_to(const struct pcp_request *req, uint8_t ret[static PCP_MESSAGE_MAX])
{
	ssize_t n = pcp_encode_request(ret, PCP_MESSAGE_MAX, req);

	assert_true(n > 0);
	ret[1] |= PCP_RESPONSE;
	memset(ret + 8, 0, 16);
	return (size_t)n;
}

static void
test_options_both_ways(void **state)
{
	uint8_t buf[PCP_MESSAGE_MAX];
	size_t len = answer_to(&full, buf);
	struct pcp_response r;

	(void)state;
	/* 24 + 36, then 20 + 4 + 4 * 24 + (4 + 5, padded) */
	assert_int_equal(len, 60 + 20 + 4 + 96 + 12);
	assert_int_equal(pcp_decode_response(buf, len, &r), 0);
	assert_map("full", &r.map, &full.map);
	assert_options(&r.options, &full.options);
	/* Cut anywhere, it must not be taken for whole; at the end of an option it is
	 * a shorter message. */
	for (size_t cut = 4; cut < len; cut += 4) {
		static const size_t whole[] = { 60, 80, 84, 108, 132, 156, 180 };
		int want = -EBADMSG;

		for (size_t i = 0; i < ARRAY_SIZE(whole); i++)
			if (cut == whole[i])
				want = 0;
		if (pcp_decode_response(buf, cut, &r) != want)
			fail_msg("cut to %zu", cut);
	}
}

static void
test_encode_refuses(void **state)
{
	uint8_t buf[PCP_MESSAGE_MAX];
	struct pcp_request req = full;

	(void)state;
	req.options.filters = PCP_FILTERS_MAX + 1;
	assert_int_equal(pcp_encode_request(buf, sizeof(buf), &req), -EINVAL);
	req = full;
	memset(req.options.description, 'x', sizeof(req.options.description));
	assert_int_equal(pcp_encode_request(buf, sizeof(buf), &req), -EINVAL);
	req.options.description[PCP_DESCRIPTION_MAX - 1] = '\0';
	assert_true(pcp_encode_request(buf, sizeof(buf), &req) > 0);
	req = full;
	req.op = 3;
	assert_int_equal(pcp_encode_request(buf, sizeof(buf), &req), -EINVAL);
	/* Section 13.2, 13.3: PREFER_FAILURE and FILTER belong to MAP. */
	req = full;
	req.op = PCP_OP_PEER;
	assert_int_equal(pcp_encode_request(buf, sizeof(buf), &req), -EINVAL);
	req.options.filters = 0;
	req.options.prefer_failure = false;
	assert_true(pcp_encode_request(buf, sizeof(buf), &req) > 0);
	req.op = PCP_OP_ANNOUNCE;
	assert_int_equal(pcp_encode_request(buf, sizeof(buf), &req), -EINVAL);
}

/* One option behind a MAP answer of 60 bytes. */
static const struct {
	const char *what;
	uint8_t result;
	uint8_t bytes[64];
	size_t len;
	int err;
} options[] = {
	{ "none", 0, { 0 }, 0, 0 },
	{ "unknown, padded", 0, { 0x7f, 0, 0, 1, 'x', 0, 0, 0 }, 8, 0 },
	{ "unknown, padding missing", 0, { 0x7f, 0, 0, 5, 'x', 0, 0, 0 }, 8, -EBADMSG },
	{ "longer than the message", 0, { 0x7f, 0, 0xff, 0xff }, 4, -EBADMSG },
	{ "the same in a refusal, which is heard", 8, { 0x7f, 0, 0xff, 0xff }, 4, 0 },
	{ "PREFER_FAILURE with data", 0, { 2, 0, 0, 4, 1, 2, 3, 4 }, 8, -EBADMSG },
	{ "PREFER_FAILURE twice", 0, { 2, 0, 0, 0, 2, 0, 0, 0 }, 8, -EBADMSG },
	{ "THIRD_PARTY of 12", 0, { 1, 0, 0, 12 }, 16, -EBADMSG },
	{ "THIRD_PARTY of 20", 0, { 1, 0, 0, 20 }, 24, -EBADMSG },
	{ "THIRD_PARTY", 0, { 1, 0, 0, 16 }, 20, 0 },
	{ "FILTER of 16", 0, { 3, 0, 0, 16 }, 20, -EBADMSG },
	{ "FILTER of 24", 0, { 3, 0, 0, 24 }, 28, -EBADMSG },
	{ "FILTER prefix 128", 0, { 3, 0, 0, 20, 0, 128 }, 24, 0 },
	{ "FILTER prefix 129", 0, { 3, 0, 0, 20, 0, 129 }, 24, -EBADMSG },
	{ "DESCRIPTION", 0, { 128, 0, 0, 2, 'o', 'k' }, 8, 0 },
	{ "DESCRIPTION that is no UTF-8", 0, { 128, 0, 0, 2, 'o', 0xff }, 8, -EBADMSG },
	{ "DESCRIPTION with NUL", 0, { 128, 0, 0, 2, 0, 'k' }, 8, -EBADMSG },
	{ "DESCRIPTION twice", 0, { 128, 0, 0, 1, 'a', 0, 0, 0, 128, 0, 0, 1, 'b' }, 16,
	    -EBADMSG },
};

/* Attack 31: lengths of options that lie. */
static void
test_option_shapes(void **state)
{
	struct pcp_request req = full;
	uint8_t buf[PCP_MESSAGE_MAX];

	(void)state;
	req.options = (struct pcp_options) { 0 };
	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		size_t len = answer_to(&req, buf);
		struct pcp_response r;
		int err;

		assert_int_equal(len, 60);
		buf[3] = options[i].result;
		memcpy(buf + len, options[i].bytes, options[i].len);
		err = pcp_decode_response(buf, len + options[i].len, &r);
		if (err != options[i].err)
			fail_msg("%s: %d", options[i].what, err);
	}
}

static void
test_long_description_is_left_out(void **state)
{
	struct pcp_request req = full;
	struct pcp_response r;
	uint8_t buf[PCP_MESSAGE_MAX];
	size_t len;

	(void)state;
	req.options = (struct pcp_options) { 0 };
	len = answer_to(&req, buf);
	memset(buf + len, 'x', 4 + PCP_DESCRIPTION_MAX);
	memcpy(buf + len, (uint8_t[]) { 128, 0, 0, PCP_DESCRIPTION_MAX }, 4);
	assert_int_equal(
	    pcp_decode_response(buf, len + 4 + PCP_DESCRIPTION_MAX, &r), 0);
	assert_string_equal(r.options.description, "");
	buf[len + 3] = PCP_DESCRIPTION_MAX - 1; /* the last x is padding */
	assert_int_equal(
	    pcp_decode_response(buf, len + 4 + PCP_DESCRIPTION_MAX, &r), 0);
	assert_int_equal(strlen(r.options.description), PCP_DESCRIPTION_MAX - 1);
}

static void
test_five_filters(void **state)
{
	struct pcp_request req = full;
	struct pcp_response r;
	uint8_t buf[PCP_MESSAGE_MAX] = { 0 };
	size_t len;

	(void)state;
	req.options = (struct pcp_options) { .filters = PCP_FILTERS_MAX };
	len = answer_to(&req, buf);
	assert_int_equal(pcp_decode_response(buf, len, &r), 0);
	assert_int_equal(r.options.filters, PCP_FILTERS_MAX);
	memcpy(buf + len, buf + len - 24, 24);
	assert_int_equal(pcp_decode_response(buf, len + 24, &r), -EBADMSG);
}

/* A refusal may end after the header; a success may not. */
static void
test_header_only(void **state)
{
	uint8_t buf[PCP_MESSAGE_MAX];
	struct pcp_response r;

	(void)state;
	answer_to(&full, buf);
	assert_int_equal(pcp_decode_response(buf, 24, &r), -EBADMSG);
	buf[3] = PCP_NOT_AUTHORIZED;
	assert_int_equal(pcp_decode_response(buf, 24, &r), 0);
	assert_false(r.has_map);
	assert_int_equal(r.map.internal_port, 0);
	assert_int_equal(pcp_decode_response(buf, 56, &r), 0);
	assert_false(r.has_map);
	assert_int_equal(r.map.internal_port, 0);
	assert_int_equal(pcp_decode_response(buf, 58, &r), -EBADMSG);
	/* A later version says so. */
	buf[0] = 3;
	assert_int_equal(pcp_decode_response(buf, 60, &r), -EPROTONOSUPPORT);
	buf[3] = PCP_UNSUPP_VERSION;
	assert_int_equal(pcp_decode_response(buf, 60, &r), 0);
	assert_int_equal(r.version, 3);
	assert_false(r.has_map);
	buf[0] = 0;
	assert_int_equal(pcp_decode_response(buf, 60, &r), -EPROTONOSUPPORT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_corpus),
		cmocka_unit_test(test_encode_requests),
		cmocka_unit_test(test_options_both_ways),
		cmocka_unit_test(test_encode_refuses),
		cmocka_unit_test(test_option_shapes),
		cmocka_unit_test(test_long_description_is_left_out),
		cmocka_unit_test(test_five_filters),
		cmocka_unit_test(test_header_only),
	};

	return cmocka_run_group_tests_name("pcp", tests, NULL, NULL);
}
