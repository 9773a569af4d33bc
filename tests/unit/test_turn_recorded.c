/*
 * test_turn_recorded.c - recorded and written TURN messages and ChannelData: what they
 * say, and how a stream is cut into them.
 */
#include <errno.h>

#include "proto/util.h"
#include "tests/unit/stun_recorded.h"

#define FOLDER "tests/data/turn"

static const struct row {
	const char *file;
	const char *text; /* NULL: refused */
} rows[] = {
	{ "ct-seed_reservation_token.bin",
	    "Allocate success, RESERVATION-TOKEN deadbeefcafebabe" },
	{ "lv-ct461-allocate-again-437-req.bin",
	    "Allocate request, REQUESTED-TRANSPORT 17, USERNAME \"natd\", REALM "
	    "\"natd.test\", NONCE \"762d3a89da11c28b\", MESSAGE-INTEGRITY "
	    "3d9d582b32b0b901d8ee1f23ee9b1acd14ca9643" },
	{ "lv-ct461-allocate-badpw-401-resp.bin",
	    "Allocate error, ERROR-CODE 401 \"Unauthorized\", NONCE "
	    "\"1cb6c28316748b68\", REALM \"natd.test\", SOFTWARE \"Coturn-4.6.1 "
	    "'Gorst'\"" },
	{ "lv-ct461-allocate-df-quota-486-resp.bin",
	    "Allocate error, ERROR-CODE 486 \"Allocation Quota Reached\", "
	    "SOFTWARE \"Coturn-4.6.1 'Gorst'\", MESSAGE-INTEGRITY "
	    "455343e176b1488d28379015e1f7f57232165424" },
	{ "lv-ct461-allocate-df-req.bin",
	    "Allocate request, REQUESTED-TRANSPORT 17, DONT-FRAGMENT, USERNAME "
	    "\"natd\", REALM \"natd.test\", NONCE \"4070073e1ef8a805\", "
	    "MESSAGE-INTEGRITY a545e9e5d9d6d7e3ce26d28d8ac3772611047fa6" },
	{ "lv-ct461-allocate-ipv6-440-req.bin",
	    "Allocate request, REQUESTED-TRANSPORT 17, REQUESTED-ADDRESS-FAMILY "
	    "2, USERNAME \"natd\", REALM \"natd.test\", NONCE "
	    "\"4dd7fb1871f5adc8\", MESSAGE-INTEGRITY "
	    "cd8590c0615d9d15382c2a733346b67bffdb14a7" },
	{ "lv-ct461-allocate-no-transport-400-resp.bin",
	    "Allocate error, ERROR-CODE 400 \"Transport field missed or wrong\", "
	    "SOFTWARE \"Coturn-4.6.1 'Gorst'\", MESSAGE-INTEGRITY "
	    "ce905e47944c1ce8b995094e6eeb56801369b1c5" },
	{ "lv-ct461-allocate-noauth-req.bin",
	    "Allocate request, REQUESTED-TRANSPORT 17" },
	{ "lv-ct461-allocate-quota-0-req.bin",
	    "Allocate request, REQUESTED-TRANSPORT 17, USERNAME \"natd\", REALM "
	    "\"natd.test\", NONCE \"f80050546e6397c2\", MESSAGE-INTEGRITY "
	    "72a84c897faf2ed27a1553745aaa17fe7f036a40" },
	{ "lv-ct461-allocate-quota-0-resp.bin",
	    "Allocate error, ERROR-CODE 486 \"Allocation Quota Reached\", "
	    "SOFTWARE \"Coturn-4.6.1 'Gorst'\", MESSAGE-INTEGRITY "
	    "bdea0f05b0de7606f85c9de6a7244a9e409146b3" },
	{ "lv-ct461-allocate-req.bin",
	    "Allocate request, REQUESTED-TRANSPORT 17, LIFETIME 1200, USERNAME "
	    "\"natd\", REALM \"natd.test\", NONCE \"762d3a89da11c28b\", "
	    "MESSAGE-INTEGRITY d4f99ef018d78c88f017e7b7d06404e331a35b7c" },
	{ "lv-ct461-allocate-resp.bin",
	    "Allocate success, XOR-RELAYED-ADDRESS 11.22.33.1:64398, "
	    "XOR-MAPPED-ADDRESS 11.22.33.44:34333, LIFETIME 1200, SOFTWARE "
	    "\"Coturn-4.6.1 'Gorst'\", MESSAGE-INTEGRITY "
	    "d7dc237c2524ea94fc2ec6a25bf658dff96df638" },
	{ "lv-ct461-allocate-transport-0x84-req.bin",
	    "Allocate request, REQUESTED-TRANSPORT 132, USERNAME \"natd\", REALM "
	    "\"natd.test\", NONCE \"27ac93b0c719dd1a\", MESSAGE-INTEGRITY "
	    "a062dbefd1c967eb5ae0b7eb1110c20e67bba042" },
	{ "lv-ct461-allocate-transport-0x84-resp.bin",
	    "Allocate error, ERROR-CODE 400 \"Transport field missed or wrong\", "
	    "SOFTWARE \"Coturn-4.6.1 'Gorst'\", MESSAGE-INTEGRITY "
	    "264a0d379df88c65418c99b98d9e41a54b6bd44f" },
	{ "lv-ct461-channelbind-badchan-400-req.bin",
	    "ChannelBind request, CHANNEL-NUMBER 12288, XOR-PEER-ADDRESS "
	    "11.22.33.3:5000, USERNAME \"natd\", REALM \"natd.test\", NONCE "
	    "\"762d3a89da11c28b\", MESSAGE-INTEGRITY "
	    "5054803f40a15f981ad42a4e40a0d15214858e54" },
	{ "lv-ct461-channelbind-badchan-400-resp.bin",
	    "ChannelBind error, ERROR-CODE 400 \"Channel number cannot be zero "
	    "in this request\", SOFTWARE \"Coturn-4.6.1 'Gorst'\", "
	    "MESSAGE-INTEGRITY b3d0445f2f455e471ae30a51972e271aee9dafaf" },
	{ "lv-ct461-channelbind-otherpeer-400-req.bin",
	    "ChannelBind request, CHANNEL-NUMBER 16384, XOR-PEER-ADDRESS "
	    "11.22.33.3:5001, USERNAME \"natd\", REALM \"natd.test\", NONCE "
	    "\"762d3a89da11c28b\", MESSAGE-INTEGRITY "
	    "0e26f7d3c9772afe299f7260e03204fdfe1793fe" },
	{ "lv-ct461-channelbind-otherpeer-400-resp.bin",
	    "ChannelBind error, ERROR-CODE 400 \"You cannot use the same channel "
	    "number with different peer\", SOFTWARE \"Coturn-4.6.1 'Gorst'\", "
	    "MESSAGE-INTEGRITY c69e6710dac764ed19ffcc39dcab64a6f70a93f4" },
	{ "lv-ct461-channelbind-resp.bin",
	    "ChannelBind success, SOFTWARE \"Coturn-4.6.1 'Gorst'\", "
	    "MESSAGE-INTEGRITY 04ab296298bf8b79a0aad4a38e5f46939f6952aa" },
	{ "lv-ct461-channeldata-rx.bin", "channel 0x4000, 10 bytes" },
	{ "lv-ct461-createperm-forbidden-403-resp.bin",
	    "CreatePermission error, ERROR-CODE 403 \"Forbidden IP\", SOFTWARE "
	    "\"Coturn-4.6.1 'Gorst'\", MESSAGE-INTEGRITY "
	    "1d6220223a2a3aed5cea9391b3a3725e7ca3e6b6" },
	{ "lv-ct461-createperm-multi-resp.bin",
	    "CreatePermission success, SOFTWARE \"Coturn-4.6.1 'Gorst'\", "
	    "MESSAGE-INTEGRITY b652040f2fba118b974689085a04fb178f00f35a" },
	{ "lv-ct461-createperm-noaddr-400-req.bin",
	    "CreatePermission request, USERNAME \"natd\", REALM \"natd.test\", "
	    "NONCE \"762d3a89da11c28b\", MESSAGE-INTEGRITY "
	    "63cfa958462ae126675a5db5ae5a9270e8ebbd03" },
	{ "lv-ct461-createperm-noaddr-400-resp.bin",
	    "CreatePermission error, ERROR-CODE 400 \"No address found\", "
	    "SOFTWARE \"Coturn-4.6.1 'Gorst'\", MESSAGE-INTEGRITY "
	    "73837b0213bbad7a6b19e8c627899b6b954278f1" },
	{ "lv-ct461-createperm-req.bin",
	    "CreatePermission request, XOR-PEER-ADDRESS 11.22.33.3:5000, "
	    "USERNAME \"natd\", REALM \"natd.test\", NONCE \"762d3a89da11c28b\", "
	    "MESSAGE-INTEGRITY 1ffcc75c5fa53940878a44cc917eff73ad7a20b6" },
	{ "lv-ct461-createperm-resp.bin",
	    "CreatePermission success, SOFTWARE \"Coturn-4.6.1 'Gorst'\", "
	    "MESSAGE-INTEGRITY df925542d626ff97dae6bcfd0e2a742e1d34eee6" },
	{ "lv-ct461-data-after-send.bin", "channel 0x4000, 6 bytes" },
	{ "lv-ct461-data-indication.bin",
	    "Data indication, DATA 6563686f3a68656c6c6f2d646174612d696e64, "
	    "XOR-PEER-ADDRESS 11.22.33.3:5000, SOFTWARE \"Coturn-4.6.1 'Gorst'\"" },
	{ "lv-ct461-refresh-0-resp.bin",
	    "Refresh success, LIFETIME 0, SOFTWARE \"Coturn-4.6.1 'Gorst'\", "
	    "MESSAGE-INTEGRITY 0354a7e504fe63950a54ccc95599ff417ce7e969" },
	{ "lv-ct461-refresh-after-dealloc-resp.bin",
	    "Refresh success, LIFETIME 600, SOFTWARE \"Coturn-4.6.1 'Gorst'\", "
	    "MESSAGE-INTEGRITY 19a067832b8c579ca87b3daabdf4732945153c3e" },
	{ "lv-ct461-refresh-req.bin",
	    "Refresh request, LIFETIME 600, USERNAME \"natd\", REALM "
	    "\"natd.test\", NONCE \"762d3a89da11c28b\", MESSAGE-INTEGRITY "
	    "39b899ab863ec67967a72736fc157f5c9e5e3310" },
	{ "lv-ct461-refresh-tiny-resp.bin",
	    "Refresh success, LIFETIME 600, SOFTWARE \"Coturn-4.6.1 'Gorst'\", "
	    "MESSAGE-INTEGRITY b20b4ae91cc5d257276203ea43c7eb3dd962b64c" },
	{ "lv-ct461-stale-nonce-438-req.bin",
	    "Refresh request, LIFETIME 600, USERNAME \"natd\", REALM "
	    "\"natd.test\", NONCE \"0000000000000000\", MESSAGE-INTEGRITY "
	    "0eaeb25204ac3be98d3fee96cbf7ce4b8a35a637" },
	{ "nt-allocate-resp.bin",
	    "Allocate success, XOR-RELAYED-ADDRESS 93.93.96.202:53762, LIFETIME "
	    "600, XOR-MAPPED-ADDRESS 85.166.136.226:19608, SOFTWARE \"restund "
	    "v0.1.0 (x86_64/linux)\", MESSAGE-INTEGRITY "
	    "9d89b421265ce220d045c12c98bdcd2fceb48f50" },
	{ "nt-requested-addrfamilyreq-ipv6.bin",
	    "Allocate success, REQUESTED-ADDRESS-FAMILY 2, MESSAGE-INTEGRITY "
	    "fc8f304580068029976b5c90d219c0ba7c376eab, FINGERPRINT d36020f1" },
	{ "nt-restund-0.4.2-allocate-success.bin",
	    "Allocate success, XOR-RELAYED-ADDRESS 10.47.12.43:54677, LIFETIME "
	    "600, XOR-MAPPED-ADDRESS 10.54.90.29:55143, SOFTWARE \"restund "
	    "v0.4.2 (x86_64/linux)\", MESSAGE-INTEGRITY "
	    "86fa9269646480b8aff2ff06ef3d5c17d10df2a0" },
	{ "pt-channeldata-1.bin", "channel 0x4000, 100 bytes" },
	{ "pt-channeldata-2.bin", "channel 0x4000, 547 bytes" },
	{ "pt-chrome-1-0003.bin",
	    "Allocate request, 0x802f "
	    "687474703a2f2f6c6f63616c686f73743a333030302f, REQUESTED-TRANSPORT 17" },
	{ "pt-chrome-2-0113.bin",
	    "Allocate error, ERROR-CODE 401 \"Unauthorized\", NONCE "
	    "\"5a0209b5cb806106\", REALM \"a1.cydev.ru\", SOFTWARE "
	    "\"Coturn-4.5.0.3 'dan Eider'\"" },
	{ "pt-chrome-3-0003.bin",
	    "Allocate request, 0x802f "
	    "687474703a2f2f6c6f63616c686f73743a333030302f, REQUESTED-TRANSPORT "
	    "17, USERNAME \"ernado\", REALM \"a1.cydev.ru\", NONCE "
	    "\"5a0209b5cb806106\", MESSAGE-INTEGRITY "
	    "5c8743f3b64bec0880cdd8d476d37b801a6c3d33" },
	{ "pt-chrome-4-0103.bin",
	    "Allocate success, XOR-RELAYED-ADDRESS 10.8.22.83:55936, "
	    "XOR-MAPPED-ADDRESS 213.141.156.236:36000, LIFETIME 600, SOFTWARE "
	    "\"Coturn-4.5.0.3 'dan Eider'\", MESSAGE-INTEGRITY "
	    "5d7e85b767a519ffce91dbf0a96775e370db92e3" },
	{ "pt-fuzz-channeldata-1.bin", NULL },
	{ "pt-fuzz-channeldata-3.bin", NULL },
	{ "syn-300-redirect.bin",
	    "Allocate error, ERROR-CODE 300 \"\", ALTERNATE-SERVER "
	    "203.0.113.9:3478" },
	{ "syn-437.bin", "Refresh error, ERROR-CODE 437 \"\"" },
	{ "syn-438-loop.bin",
	    "Refresh error, ERROR-CODE 438 \"Stale\", REALM \"natd.test\", NONCE "
	    "\"fresh\"" },
	{ "syn-440.bin", "Allocate error, ERROR-CODE 440 \"\"" },
	{ "syn-441.bin", "Allocate error, ERROR-CODE 441 \"\"" },
	{ "syn-442.bin", "Allocate error, ERROR-CODE 442 \"\"" },
	{ "syn-508.bin", "Allocate error, ERROR-CODE 508 \"\"" },
	{ "syn-allocate-401-no-nonce.bin",
	    "Allocate error, ERROR-CODE 401 \"U\", REALM \"natd.test\"" },
	{ "syn-allocate-401-no-realm.bin",
	    "Allocate error, ERROR-CODE 401 \"U\", NONCE \"n\"" },
	{ "syn-allocate-401-nonce-900.bin", NULL },
	{ "syn-allocate-401-twice.bin",
	    "Allocate error, ERROR-CODE 401 \"U\", REALM \"natd.test\", NONCE "
	    "\"nonce2\"" },
	{ "syn-allocate-bad-mi.bin",
	    "Allocate success, XOR-RELAYED-ADDRESS 203.0.113.10:49152, "
	    "XOR-MAPPED-ADDRESS 11.22.33.44:50000, LIFETIME 600, "
	    "MESSAGE-INTEGRITY 0000000000000000000000000000000000000000" },
	{ "syn-allocate-lifetime-max.bin",
	    "Allocate success, XOR-RELAYED-ADDRESS 203.0.113.10:49152, "
	    "XOR-MAPPED-ADDRESS 11.22.33.44:50000, LIFETIME 4294967295, "
	    "MESSAGE-INTEGRITY 8788762520ab45e3b2cd68b29de597b6a65038ee" },
	{ "syn-allocate-no-lifetime.bin",
	    "Allocate success, XOR-RELAYED-ADDRESS 203.0.113.10:49152, "
	    "XOR-MAPPED-ADDRESS 11.22.33.44:50000, MESSAGE-INTEGRITY "
	    "055e42901040b41667084dacb2a0e743b053ca52" },
	{ "syn-allocate-no-mi.bin",
	    "Allocate success, XOR-RELAYED-ADDRESS 203.0.113.10:49152, "
	    "XOR-MAPPED-ADDRESS 11.22.33.44:50000, LIFETIME 600" },
	{ "syn-allocate-no-relay.bin",
	    "Allocate success, XOR-MAPPED-ADDRESS 11.22.33.44:50000, LIFETIME "
	    "600, MESSAGE-INTEGRITY b3ed346773f8e62cd6291761cf54ffb567526dfa" },
	{ "syn-allocate-ok.bin",
	    "Allocate success, XOR-RELAYED-ADDRESS 203.0.113.10:49152, "
	    "XOR-MAPPED-ADDRESS 11.22.33.44:50000, LIFETIME 600, "
	    "MESSAGE-INTEGRITY 48223a941285866df850c5ad012190af7599c8ed" },
	{ "syn-bid-down-nonce-cookie.bin",
	    "Allocate error, ERROR-CODE 401 \"U\", REALM \"natd.test\", NONCE "
	    "\"obMatJos2AAABnnnnnnnnnnnnnnnnnnnn\"" },
	{ "syn-chan-3fff.bin", NULL },
	{ "syn-chan-empty.bin", "channel 0x4000, 0 bytes" },
	{ "syn-chan-short3.bin", NULL },
	{ "syn-chan-unbound.bin", "channel 0x4001, 1 bytes" },
	{ "syn-chan-unpadded-udp.bin", "channel 0x4000, 1 bytes" },
	{ "syn-data-indication-no-data.bin",
	    "Data indication, XOR-PEER-ADDRESS 198.51.100.1:5" },
	{ "syn-data-indication-no-peer.bin", "Data indication, DATA 78" },
	{ "syn-data-indication-unpermitted.bin",
	    "Data indication, XOR-PEER-ADDRESS 198.51.100.66:5, DATA 78" },
	{ "syn-refresh-no-mi.bin", "Refresh success, LIFETIME 600" },
	{ "syn-tcp-chan-64k.bin", NULL },
	{ "syn-tcp-garbage.bin", NULL },
	{ "syn-tcp-partial-header.bin", NULL },
};

static void
test_recorded(void **state)
{
	(void)state;
	recorded_check(FOLDER, ".bin", rows);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct stun_msg m;
		size_t len;
		uint8_t *buf = (uint8_t *)recorded_read(FOLDER, rows[i].file, &len);

		stun_recorded_check(
		    rows[i].file, stun_recorded_text(buf, len, &m), rows[i].text);
		free(buf);
	}
}

/* All that was taken, in one stream that arrives byte by byte. */
static void
test_stream(void **state)
{
	static uint8_t stream[65536];
	size_t total = 0, at = 0, have = 0, frames = 0, taken = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		size_t len;
		char *buf = recorded_read(FOLDER, rows[i].file, &len);

		if (rows[i].text) {
			assert_true(total + len + 3 < sizeof(stream));
			memcpy(stream + total, buf, len);
			total += (len + 3) & ~(size_t)3; /* as a stream has it */
			taken++;
		}
		free(buf);
	}
	while (at < total) {
		ssize_t n = stun_stream_frame(stream + at, have - at);
		struct stun_msg m;

		assert_true(n >= 0);
		if (n == 0 || (size_t)n > have - at) {
			assert_true(have < total);
			have++;
			continue;
		}
		assert_non_null(stun_recorded_text(stream + at, (size_t)n, &m));
		at += (size_t)n;
		frames++;
	}
	assert_int_equal(frames, taken);
}

/* What a stream of each file that was refused comes to: >0 more bytes are awaited than
 * there are, 0 it cannot be told yet, else the stream is closed. */
static const struct {
	const char *file;
	ssize_t want;
} streams[] = {
	{ "syn-tcp-chan-64k.bin", 4 + 65536 },
	{ "syn-tcp-garbage.bin", -EBADMSG },
	{ "syn-tcp-partial-header.bin", 20 },
	{ "syn-chan-short3.bin", 0 },
	{ "syn-chan-3fff.bin", -EBADMSG },
	{ "syn-allocate-401-nonce-900.bin", 952 },
	{ "pt-fuzz-channeldata-3.bin", -EBADMSG },
};

/* Attack 20: framing over TCP that lies. */
static void
test_refused_streams(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(streams); i++) {
		size_t len;
		char *buf = recorded_read(FOLDER, streams[i].file, &len);
		ssize_t n = stun_stream_frame((const uint8_t *)buf, len);

		if (n != streams[i].want)
			fail_msg("%s: %zd", streams[i].file, n);
		free(buf);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_recorded),
		cmocka_unit_test(test_stream),
		cmocka_unit_test(test_refused_streams),
	};

	return cmocka_run_group_tests_name("turn_recorded", tests, NULL, NULL);
}
