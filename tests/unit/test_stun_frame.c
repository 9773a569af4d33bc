/*
 * test_stun_frame.c - what comes on a socket beside STUN, and how a stream is cut.
 */
#include <errno.h>

#include "proto/stun.h"
#include "proto/util.h"
#include "tests/unit/stun_bytes.h"

static void
test_stream(void **state)
{
	uint8_t bytes[32];
	static const struct {
		const char *hex;
		ssize_t want;
	} rows[] = {
		{ "", 0 },
		{ "00", 0 },
		{ "000100", 0 },
		{ "00010000", 20 },
		{ "0001fffc", 20 + 0xfffc },
		{ "00010002", -EBADMSG },
		{ "00010008 2112a4", 28 },
		{ "00010008 2112a442", 28 },
		{ "00010008 2112a443", -EBADMSG },
		{ "04", -EBADMSG },
		{ "3f", -EBADMSG },
		{ "40", 0 },
		{ "40000000", 4 },
		{ "40000001", 8 },
		{ "4fffffff", 4 + 0x10000 },
		{ "50", -EBADMSG },
		{ "47455420 2f", 4 + 0x5420 }, /* "GET /": nobody can know */
		{ "80", -EBADMSG },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (stun_stream_frame(bytes,
			stun_bytes(rows[i].hex, bytes, sizeof(bytes))) != rows[i].want)
			fail_msg("%s", rows[i].hex);
	for (unsigned first = 0; first < 256; first++) {
		bytes[0] = (uint8_t)first;
		assert_int_equal(stun_frame(bytes, 1), first < 4 ? STUN_FRAME_MESSAGE
						       : first >= 64 && first <= 79
							   ? STUN_FRAME_CHANNEL
							   : STUN_FRAME_OTHER);
	}
	assert_int_equal(stun_frame(bytes, 0), STUN_FRAME_OTHER);
}

static void
test_channel_data(void **state)
{
	static const struct {
		const char *hex;
		int want, channel, len;
	} rows[] = {
		{ "40000003 616263 00", 0, 0x4000, 3 },
		{ "40000003 616263", 0, 0x4000, 3 },
		{ "4fff0000", 0, 0x4fff, 0 },
		{ "40000003 6162", -EBADMSG, 0, 0 },
		{ "40000003 616263 0000", -EBADMSG, 0, 0 },
		{ "40000004 61626364 00", -EBADMSG, 0, 0 },
		{ "3fff0000", -EBADMSG, 0, 0 },
		{ "50000000", -EBADMSG, 0, 0 },
		{ "400000", -EBADMSG, 0, 0 },
		{ "", -EBADMSG, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct stun_channel_data d = { .channel = 7 };
		uint8_t bytes[32];
		size_t len = stun_bytes(rows[i].hex, bytes, sizeof(bytes));

		if (stun_channel_data_decode(bytes, len, &d) != rows[i].want)
			fail_msg("%s", rows[i].hex);
		assert_int_equal(d.channel, rows[i].want == 0 ? rows[i].channel : 7);
		if (rows[i].want != 0)
			continue;
		assert_int_equal(d.len, rows[i].len);
		assert_ptr_equal(d.data, bytes + 4);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stream),
		cmocka_unit_test(test_channel_data),
	};

	return cmocka_run_group_tests_name("stun_frame", tests, NULL, NULL);
}
