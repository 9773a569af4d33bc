/*
 * test_natpmp.c - the NAT-PMP codec against recorded and written datagrams.
 */
#include "proto/natpmp.h"

#include <errno.h>

#include "proto/util.h"
#include "tests/unit/corpus.h"

#define IPV4(a, b, c, d)                                     \
	{                                                    \
		.family = ADDR_IPV4, .bytes = { a, b, c, d } \
	}
#define MAP(op_, in, ext, life)                    \
	{                                          \
		NATPMP_OP_MAP_##op_, in, ext, life \
	}

static const struct row {
	const char *file;
	int err; /* 0: the rest is expected */
	struct natpmp_response r;
} rows[] = {
	/* answers */
	{ "bc-extip-response.bin", 0,
	    { .epoch_s = 0x66fda1ee, .external = IPV4(1, 2, 3, 4) } },
	{ "bc-map-tcp-response.bin", 0,
	    { .op = 2, .epoch_s = 0x66fda1ee, .map = MAP(TCP, 1234, 1234, 500) } },
	{ "gn-02-resp-12B.bin", 0,
	    { .epoch_s = 1307215, .external = IPV4(73, 140, 54, 154) } },
	{ "gn-06-resp-16B.bin", 0,
	    { .op = 2, .epoch_s = 1311521, .map = MAP(TCP, 123, 456, 1200) } },
	{ "gn-08-resp-16B.bin", 0,
	    { .op = 1, .epoch_s = 1311701, .map = MAP(UDP, 123, 0, 0) } },
	{ "lv-mu231-igd2-delete-tcp-resp.bin", 0,
	    { .op = 2, .epoch_s = 2986, .map = MAP(TCP, 41002, 0, 0) } },
	{ "lv-mu231-igd2-map-conflict-resp.bin", 0,
	    { .op = 2, .epoch_s = 2986, .map = MAP(TCP, 41005, 41005, 3600) } },
	{ "lv-mu231-igd2-map-long-lifetime-resp.bin", 0,
	    { .op = 2, .epoch_s = 2986, .map = MAP(TCP, 41004, 41004, 0x7fffffff) } },
	{ "lv-mu231-igd2-map-refused-port-resp.bin", 0,
	    { .op = 2, .result = 2, .epoch_s = 2989, .map = MAP(TCP, 80, 80, 3600) } },
	{ "lv-mu231-igd2-map-short-lifetime-resp.bin", 0,
	    { .op = 2, .epoch_s = 2986, .map = MAP(TCP, 41003, 41003, 5) } },
	{ "lv-mu231-igd2-map-tcp-resp.bin", 0,
	    { .op = 2, .epoch_s = 2985, .map = MAP(TCP, 41002, 41002, 3600) } },
	{ "lv-mu231-igd2-map-udp-resp.bin", 0,
	    { .op = 1, .epoch_s = 2985, .map = MAP(UDP, 41001, 41001, 3600) } },
	{ "lv-mu231-igd2-unsupp-opcode-resp.bin", 0,
	    { .op = 127, .result = 5, .epoch_s = 2986 } },
	{ "syn-extip-0.0.0.0.bin", 0,
	    { .epoch_s = 1000, .external = IPV4(0, 0, 0, 0) } },
	{ "syn-extip-epoch-back-1.bin", 0,
	    { .epoch_s = 998, .external = IPV4(11, 22, 33, 44) } },
	{ "syn-extip-epoch-max.bin", 0,
	    { .epoch_s = UINT32_MAX, .external = IPV4(11, 22, 33, 44) } },
	{ "syn-extip-epoch-wrap.bin", 0,
	    { .epoch_s = 5, .external = IPV4(11, 22, 33, 44) } },
	{ "syn-extip-epoch0.bin", 0,
	    { .epoch_s = 0, .external = IPV4(11, 22, 33, 44) } },
	{ "syn-extip-private.bin", 0,
	    { .epoch_s = 1000, .external = IPV4(10, 0, 0, 5) } },
	{ "syn-long-1100.bin", 0,
	    { .epoch_s = 1000, .external = IPV4(11, 22, 33, 44) } },
	{ "syn-map-lifetime-1.bin", 0,
	    { .op = 2, .epoch_s = 1000, .map = MAP(TCP, 4001, 4001, 1) } },
	{ "syn-map-lifetime-max.bin", 0,
	    { .op = 2, .epoch_s = 1000, .map = MAP(TCP, 4001, 4001, UINT32_MAX) } },
	{ "syn-map-other-internal-port.bin", 0,
	    { .op = 2, .epoch_s = 1000, .map = MAP(TCP, 4002, 4002, 3600) } },
	{ "syn-map-rc2-not-authorized.bin", 0,
	    { .op = 2, .result = 2, .epoch_s = 1000, .map = MAP(TCP, 4001, 0, 0) } },
	{ "syn-map-rc3-network-failure.bin", 0,
	    { .op = 2, .result = 3, .epoch_s = 1000, .map = MAP(TCP, 4001, 0, 0) } },
	{ "syn-map-rc5-unsupp-opcode.bin", 0,
	    { .op = 2, .result = 5, .epoch_s = 1000, .map = MAP(TCP, 4001, 0, 0) } },
	{ "syn-map-rc6-unknown6.bin", 0,
	    { .op = 2, .result = 6, .epoch_s = 1000, .map = MAP(TCP, 4001, 0, 0) } },
	{ "syn-map-rc65535-unknown65535.bin", 0,
	    { .op = 2,
		.result = 65535,
		.epoch_s = 1000,
		.map = MAP(TCP, 4001, 0, 0) } },
	{ "syn-map-success-lifetime0.bin", 0,
	    { .op = 2, .epoch_s = 1000, .map = MAP(TCP, 4001, 4001, 0) } },
	{ "syn-map-success-port0.bin", 0,
	    { .op = 2, .epoch_s = 1000, .map = MAP(TCP, 4001, 0, 3600) } },
	{ "syn-map-udp-for-tcp.bin", 0,
	    { .op = 1, .epoch_s = 1000, .map = MAP(UDP, 4001, 4001, 3600) } },
	{ "syn-ver2-rc1-8B.bin", 0, { .result = 1, .epoch_s = 1000 } },
	/* an opcode we never send */
	{ "gn-13-resp-16B.bin", -ENOTSUP, { 0 } },
	/* another version */
	{ "gn-12-resp-16B.bin", -EPROTONOSUPPORT, { 0 } },
	{ "syn-ver1.bin", -EPROTONOSUPPORT, { 0 } },
	{ "syn-ver2-24B.bin", -EPROTONOSUPPORT, { 0 } },
	{ "lv-mu231-igd2-unsupp-version-req.bin", -EPROTONOSUPPORT, { 0 } },
	/* PCP's shape under version 0 */
	{ "lv-mu231-igd2-unsupp-version-resp.bin", -EBADMSG, { 0 } },
	/* requests */
	{ "gn-05-req-12B.bin", -EBADMSG, { 0 } },
	{ "gn-07-req-12B.bin", -EBADMSG, { 0 } },
	{ "gn-09-req-12B.bin", -EBADMSG, { 0 } },
	{ "gn-11-req-1B.bin", -EBADMSG, { 0 } },
	{ "lv-mu231-igd2-delete-all-tcp-req.bin", -EBADMSG, { 0 } },
	{ "lv-mu231-igd2-delete-tcp-req.bin", -EBADMSG, { 0 } },
	{ "lv-mu231-igd2-extip-req.bin", -EBADMSG, { 0 } },
	{ "lv-mu231-igd2-map-conflict-req.bin", -EBADMSG, { 0 } },
	{ "lv-mu231-igd2-map-long-lifetime-req.bin", -EBADMSG, { 0 } },
	{ "lv-mu231-igd2-map-refused-port-req.bin", -EBADMSG, { 0 } },
	{ "lv-mu231-igd2-map-short-lifetime-req.bin", -EBADMSG, { 0 } },
	{ "lv-mu231-igd2-map-tcp-req.bin", -EBADMSG, { 0 } },
	{ "lv-mu231-igd2-map-udp-req.bin", -EBADMSG, { 0 } },
	{ "lv-mu231-igd2-short-map-req.bin", -EBADMSG, { 0 } },
	{ "lv-mu231-igd2-unsupp-opcode-req.bin", -EBADMSG, { 0 } },
	{ "zm-scan-probe-4zero.bin", -EBADMSG, { 0 } },
	/* broken */
	{ "syn-empty.bin", -EBADMSG, { 0 } },
	{ "syn-resp-bit-missing.bin", -EBADMSG, { 0 } },
	{ "syn-short-11.bin", -EBADMSG, { 0 } },
};

/* Requests as natd sends them. */
static const struct {
	const char *file;
	bool address;
	struct natpmp_map map;
} requests[] = {
	{ "lv-mu231-igd2-extip-req.bin", .address = true },
	{ "gn-05-req-12B.bin", .map = MAP(TCP, 123, 456, 1200) },
	{ "gn-07-req-12B.bin", .map = MAP(UDP, 123, 0, 0) },
	{ "gn-09-req-12B.bin", .map = MAP(TCP, 123, 0, 0) },
	{ "lv-mu231-igd2-delete-all-tcp-req.bin", .map = MAP(TCP, 0, 0, 0) },
	{ "lv-mu231-igd2-delete-tcp-req.bin", .map = MAP(TCP, 41002, 0, 0) },
	{ "lv-mu231-igd2-map-conflict-req.bin", .map = MAP(TCP, 41005, 41002, 3600) },
	{ "lv-mu231-igd2-map-long-lifetime-req.bin",
	    .map = MAP(TCP, 41004, 41004, 0x7fffffff) },
	{ "lv-mu231-igd2-map-refused-port-req.bin", .map = MAP(TCP, 80, 80, 3600) },
	{ "lv-mu231-igd2-map-short-lifetime-req.bin",
	    .map = MAP(TCP, 41003, 41003, 5) },
	{ "lv-mu231-igd2-map-tcp-req.bin", .map = MAP(TCP, 41002, 41002, 3600) },
	{ "lv-mu231-igd2-map-udp-req.bin", .map = MAP(UDP, 41001, 41001, 3600) },
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
assert_response(const char *what, const struct natpmp_response *got,
    const struct natpmp_response *want)
{
	if (got->op != want->op || got->result != want->result ||
	    got->epoch_s != want->epoch_s ||
	    !addr_equal(&got->external, &want->external) ||
	    got->map.op != want->map.op ||
	    got->map.internal_port != want->map.internal_port ||
	    got->map.external_port != want->map.external_port ||
	    got->map.lifetime_s != want->map.lifetime_s)
		fail_msg("%s: op %u result %u epoch %u, map %d %u %u %u", what, got->op,
		    got->result, got->epoch_s, got->map.op, got->map.internal_port,
		    got->map.external_port, got->map.lifetime_s);
}

static void
test_corpus(void **state)
{
	(void)state;
	assert_int_equal(corpus_count("natpmp", known), ARRAY_SIZE(rows));
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint8_t buf[CORPUS_FILE_MAX];
		size_t len = corpus_read("natpmp", rows[i].file, buf);
		struct natpmp_response r = { .op = 77 };
		int err = natpmp_decode_response(buf, len, &r);

		if (err != rows[i].err)
			fail_msg("%s: %d, not %d", rows[i].file, err, rows[i].err);
		if (err == 0)
			assert_response(rows[i].file, &r, &rows[i].r);
		else
			assert_int_equal(r.op, 77); /* untouched */
	}
}

static void
test_encode_requests(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
		uint8_t want[CORPUS_FILE_MAX], got[NATPMP_REQUEST_MAX];
		size_t len = corpus_read("natpmp", requests[i].file, want);
		ssize_t n = requests[i].address
				? natpmp_encode_address(got, sizeof(got))
				: natpmp_encode_map(got, sizeof(got), &requests[i].map);

		assert_int_equal(n, len);
		assert_memory_equal(got, want, len);
	}
}

static void
test_encode_bounds(void **state)
{
	const struct natpmp_map map = MAP(UDP, 1, 2, 3);
	uint8_t buf[12];

	(void)state;
	assert_int_equal(natpmp_encode_address(buf, 1), -ENOBUFS);
	assert_int_equal(natpmp_encode_address(buf, 2), 2);
	assert_int_equal(natpmp_encode_map(buf, 11, &map), -ENOBUFS);
	assert_int_equal(natpmp_encode_map(buf, 12, &map), 12);
	assert_int_equal(natpmp_op_map(TRANSPORT_UDP), NATPMP_OP_MAP_UDP);
	assert_int_equal(natpmp_op_map(TRANSPORT_TCP), NATPMP_OP_MAP_TCP);
}

/* Shapes that no recording has. */
static const struct {
	const char *what;
	uint8_t bytes[24];
	size_t len;
	int err;
	struct natpmp_response r;
} shapes[] = {
	{ "RFC 6886 section 3.5: unsupported version without the response bit",
	    { 0, 0, 0, 1, 0, 0, 0, 9 }, 8, 0, { .result = 1, .epoch_s = 9 } },
	{ "the bit may be missing for that result only", { 0, 0, 0, 2, 0, 0, 0, 9 }, 8,
	    -EBADMSG, { 0 } },
	{ "and for that opcode only", { 0, 1, 0, 1, 0, 0, 0, 9 }, 8, -EBADMSG, { 0 } },
	{ "a short refusal of a mapping", { 0, 0x81, 0, 4, 0, 0, 0, 9 }, 8, 0,
	    { .op = 1, .result = 4, .epoch_s = 9 } },
	{ "cut in the middle of the mapping",
	    { 0, 0x81, 0, 4, 0, 0, 0, 9, 1, 2, 3, 4, 5, 6, 7 }, 15, 0,
	    { .op = 1, .result = 4, .epoch_s = 9 } },
	{ "success must not be short", { 0, 0x81, 0, 0, 0, 0, 0, 9 }, 8, -EBADMSG,
	    { 0 } },
	{ "an address refused carries none", { 0, 0x80, 0, 3, 0, 0, 0, 9, 1, 2, 3, 4 },
	    12, 0, { .result = 3, .epoch_s = 9 } },
	{ "7 bytes are never an answer", { 0, 0x80, 0, 3, 0, 0, 0 }, 7, -EBADMSG,
	    { 0 } },
};

static void
test_shapes(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(shapes); i++) {
		struct natpmp_response r = { 0 };
		int err = natpmp_decode_response(shapes[i].bytes, shapes[i].len, &r);

		if (err != shapes[i].err)
			fail_msg("%s: %d", shapes[i].what, err);
		if (err == 0)
			assert_response(shapes[i].what, &r, &shapes[i].r);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_corpus),
		cmocka_unit_test(test_encode_requests),
		cmocka_unit_test(test_encode_bounds),
		cmocka_unit_test(test_shapes),
	};

	return cmocka_run_group_tests_name("natpmp", tests, NULL, NULL);
}
