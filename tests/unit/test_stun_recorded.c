/*
 * test_stun_recorded.c - recorded and written STUN messages: what they say, and what a
 * client that waits for them learns.
 */
#include <errno.h>

#include "proto/util.h"
#include "tests/unit/stun_recorded.h"

#define FOLDER "tests/data/stun"

static const struct row {
	const char *file;
	const char *text;   /* NULL: refused */
	const char *mapped; /* NULL: the client waits on, or has failed */
} rows[] = {
	{ "ct-1.bin", "Binding success, XOR-MAPPED-ADDRESS 172.23.68.230:56743",
	    "172.23.68.230:56743" },
	{ "ct-10.bin",
	    "Binding success, XOR-MAPPED-ADDRESS "
	    "[2401:fa00:4:1000:be30:5bff:fee5:c3]:59977",
	    "[2401:fa00:4:1000:be30:5bff:fee5:c3]:59977" },
	{ "ct-12.bin", "Binding request, USERNAME \"abcdefgh\"", NULL },
	{ "ct-14.bin", "Binding error, ERROR-CODE 401 \"Unauthorized\"", NULL },
	{ "ct-15.bin",
	    "Binding request, UNKNOWN-ATTRIBUTES MAPPED-ADDRESS 0x1000 0xab0c", NULL },
	{ "ct-16.bin", "Binding request, 0x00aa 61626364656667, USERNAME \"abc\"",
	    NULL },
	{ "ct-seed_http_get.bin", NULL, NULL },
	{ "ct-seed_http_post_clen.bin", NULL, NULL },
	{ "ct-seed_response_port.bin", "Binding request, RESPONSE-PORT 12345", NULL },
	{ "ct-validator-crash-1.bin", NULL, NULL },
	{ "js-binding-request.bin", "Binding request", NULL },
	{ "lv-ct461-binding-req.bin", "Binding request", NULL },
	{ "lv-ct461-binding-success.bin",
	    "Binding success, XOR-MAPPED-ADDRESS 11.22.33.44:48825, "
	    "MAPPED-ADDRESS 11.22.33.44:48825, RESPONSE-ORIGIN 11.22.33.1:3478, "
	    "OTHER-ADDRESS 11.22.33.3:3479, SOFTWARE \"Coturn-4.6.1 'Gorst'\"",
	    "11.22.33.44:48825" },
	{ "lv-ct461-rfc3489-no-cookie-resp.bin",
	    "3489 Binding success, MAPPED-ADDRESS 11.22.33.44:48825, "
	    "SOURCE-ADDRESS 11.22.33.1:3478, CHANGED-ADDRESS 11.22.33.3:3479, "
	    "SOFTWARE \"Coturn-4.6.1 'Gorst'\"",
	    NULL },
	{ "lv-ct461-rfc5780-change-ip-port-resp.bin",
	    "Binding success, XOR-MAPPED-ADDRESS 11.22.33.44:48825, "
	    "MAPPED-ADDRESS 11.22.33.44:48825, RESPONSE-ORIGIN 11.22.33.3:3479, "
	    "OTHER-ADDRESS 11.22.33.3:3479, SOFTWARE \"Coturn-4.6.1 'Gorst'\"",
	    "11.22.33.44:48825" },
	{ "lv-ct461-rfc5780-change-ip-req.bin", "Binding request, CHANGE-REQUEST 4",
	    NULL },
	{ "lv-ct461-rfc5780-change-ip-resp.bin",
	    "Binding success, XOR-MAPPED-ADDRESS 11.22.33.44:48825, "
	    "MAPPED-ADDRESS 11.22.33.44:48825, RESPONSE-ORIGIN 11.22.33.3:3478, "
	    "OTHER-ADDRESS 11.22.33.3:3479, SOFTWARE \"Coturn-4.6.1 'Gorst'\"",
	    "11.22.33.44:48825" },
	{ "lv-ct461-rfc5780-change-port-resp.bin",
	    "Binding success, XOR-MAPPED-ADDRESS 11.22.33.44:48825, "
	    "MAPPED-ADDRESS 11.22.33.44:48825, RESPONSE-ORIGIN 11.22.33.1:3479, "
	    "OTHER-ADDRESS 11.22.33.3:3479, SOFTWARE \"Coturn-4.6.1 'Gorst'\"",
	    "11.22.33.44:48825" },
	{ "lv-ct461-unknown-attr-420.bin",
	    "Binding error, ERROR-CODE 420 \"Unknown Attribute\", "
	    "UNKNOWN-ATTRIBUTES 0x7fff, SOFTWARE \"Coturn-4.6.1 'Gorst'\"",
	    NULL },
	{ "pi-browser-02-firefox-28B.bin", "Binding request, FINGERPRINT aa037e19",
	    NULL },
	{ "pi-browser-03-chrome-44B.bin",
	    "Binding request, 0x802f 68747470733a2f2f63796465762e72752f", NULL },
	{ "pi-ex1-chrome.bin",
	    "Binding request, 0x802f 687474703a2f2f6c6f63616c686f73743a333030302f",
	    NULL },
	{ "pi-fuzz-0e2295391b.bin", NULL, NULL },
	{ "pi-fuzz-27e983676c.bin", NULL, NULL },
	{ "pi-fuzz-40d19a226a.bin", NULL, NULL },
	{ "pi-fuzz-4e2d258e3a.bin", NULL, NULL },
	{ "pi-fuzz-66239baa53.bin", "3489 method 0xc10 indication", NULL },
	{ "pi-fuzz-6eb62aaac8.bin", NULL, NULL },
	{ "pi-fuzz-95d2ccdd00.bin", NULL, NULL },
	{ "pi-fuzz-9d01ca09c3.bin", NULL, NULL },
	{ "pi-fuzz-bea9013452.bin",
	    "3489 method 0xc11 error, 0xbdbf , 0x0000 , 0xbf00 , 0xbf00 , 0x00bf "
	    ", 0xbf00 , 0x00bf , 0x0000 ",
	    NULL },
	{ "rfc5769-2.2-ipv4-response.bin",
	    "Binding success, SOFTWARE \"test vector\", XOR-MAPPED-ADDRESS "
	    "192.0.2.1:32853, MESSAGE-INTEGRITY "
	    "2b91f599fd9e90c38c7489f92af9ba53f06be7d7, FINGERPRINT c07d4c96",
	    "192.0.2.1:32853" },
	{ "rfc5769-2.3-ipv6-response.bin",
	    "Binding success, SOFTWARE \"test vector\", XOR-MAPPED-ADDRESS "
	    "[2001:db8:1234:5678:11:2233:4455:6677]:32853, MESSAGE-INTEGRITY "
	    "a382954e4be67bf11784c97c8292c275bfe3ed41, FINGERPRINT c8fb0b4c",
	    "[2001:db8:1234:5678:11:2233:4455:6677]:32853" },
	{ "rfc5769-2.4-longterm-request.bin",
	    "Binding request, USERNAME \"マトリックス\", NONCE "
	    "\"f//499k954d6OL34oL9FSTvy64sA\", REALM \"example.org\", "
	    "MESSAGE-INTEGRITY f67024656dd64a3e02b8e0712e85c9a28ca89666",
	    NULL },
	{ "rfc8489-b.1-longterm-sha256.bin",
	    "Binding request, USERHASH "
	    "4a3cf38fef6992bda952c6780417da0f24819415569e60b205c46e41407f1704, "
	    "NONCE \"obMatJos2AAACf//499k954d6OL34oL9FSTvy64sA\", REALM "
	    "\"example.org\", PASSWORD-ALGORITHM SHA-256, "
	    "MESSAGE-INTEGRITY-SHA256 "
	    "b5c7bf005b6c52a21c51c5e892f81924136296cb927c43149309278cc6518e65",
	    NULL },
	{ "syn-attr-ffff.bin", NULL, NULL },
	{ "syn-attr-overrun-by-pad.bin", NULL, NULL },
	{ "syn-attr-overrun.bin", NULL, NULL },
	{ "syn-changed-address-3489.bin",
	    "Binding success, MAPPED-ADDRESS 11.22.33.44:5, SOURCE-ADDRESS "
	    "192.0.2.1:3478, CHANGED-ADDRESS 192.0.2.2:3479",
	    "11.22.33.44:5" },
	{ "syn-error-300-alternate.bin",
	    "Binding error, ERROR-CODE 300 \"try\", ALTERNATE-SERVER "
	    "203.0.113.9:3478",
	    NULL },
	{ "syn-error-300-self.bin",
	    "Binding error, ERROR-CODE 300 \"\", ALTERNATE-SERVER 192.0.2.1:3478",
	    NULL },
	{ "syn-error-400.bin", "Binding error, ERROR-CODE 400 \"Bad\"", NULL },
	{ "syn-error-class9.bin", "Binding error, ERROR-CODE 00000fff", NULL },
	{ "syn-error-none.bin", "Binding error", NULL },
	{ "syn-error-reason-763.bin",
	    "Binding error, ERROR-CODE 400 "
	    "\"rrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrr"
	    "rrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrr\"",
	    NULL },
	{ "syn-error-short.bin", NULL, NULL },
	{ "syn-fp-bad.bin", NULL, NULL },
	{ "syn-fp-good.bin",
	    "Binding success, XOR-MAPPED-ADDRESS 11.22.33.44:50000, FINGERPRINT "
	    "7e95753a",
	    "11.22.33.44:50000" },
	{ "syn-fp-not-last.bin", NULL, NULL },
	{ "syn-indication.bin", "Binding indication", NULL },
	{ "syn-len-ffff.bin", NULL, NULL },
	{ "syn-len-minus4.bin", NULL, NULL },
	{ "syn-len-unaligned.bin", NULL, NULL },
	{ "syn-len0.bin", NULL, NULL },
	{ "syn-len19.bin", NULL, NULL },
	{ "syn-mapped-and-xor-differ.bin",
	    "Binding success, MAPPED-ADDRESS 203.0.113.7:1, XOR-MAPPED-ADDRESS "
	    "11.22.33.44:50000",
	    "11.22.33.44:50000" },
	{ "syn-mapped-loopback.bin", "Binding success, XOR-MAPPED-ADDRESS 127.0.0.1:5",
	    "127.0.0.1:5" },
	{ "syn-mapped-multicast.bin", "Binding success, XOR-MAPPED-ADDRESS 239.1.1.1:5",
	    "239.1.1.1:5" },
	{ "syn-mapped-only.bin", "Binding success, MAPPED-ADDRESS 11.22.33.44:50000",
	    "11.22.33.44:50000" },
	{ "syn-mapped-private.bin", "Binding success, XOR-MAPPED-ADDRESS 10.1.2.3:5",
	    "10.1.2.3:5" },
	{ "syn-mapped-zero.bin", "Binding success, XOR-MAPPED-ADDRESS 0.0.0.0:5",
	    "0.0.0.0:5" },
	{ "syn-mi-without-key.bin",
	    "Binding success, XOR-MAPPED-ADDRESS 11.22.33.44:50000, "
	    "MESSAGE-INTEGRITY 0000000000000000000000000000000000000000",
	    "11.22.33.44:50000" },
	{ "syn-no-mapped.bin", "Binding success, SOFTWARE \"srv \"", NULL },
	{ "syn-ok.bin", "Binding success, XOR-MAPPED-ADDRESS 11.22.33.44:50000",
	    "11.22.33.44:50000" },
	{ "syn-other-address-ok.bin",
	    "Binding success, XOR-MAPPED-ADDRESS 11.22.33.44:50000, "
	    "RESPONSE-ORIGIN 192.0.2.1:3478, OTHER-ADDRESS 192.0.2.2:3479",
	    "11.22.33.44:50000" },
	{ "syn-other-address-private.bin",
	    "Binding success, XOR-MAPPED-ADDRESS 11.22.33.44:50000, "
	    "OTHER-ADDRESS 10.0.0.1:3479",
	    "11.22.33.44:50000" },
	{ "syn-other-address-same-ip.bin",
	    "Binding success, XOR-MAPPED-ADDRESS 11.22.33.44:50000, "
	    "RESPONSE-ORIGIN 192.0.2.1:3478, OTHER-ADDRESS 192.0.2.1:3479",
	    "11.22.33.44:50000" },
	{ "syn-other-address-victim.bin",
	    "Binding success, XOR-MAPPED-ADDRESS 11.22.33.44:50000, "
	    "OTHER-ADDRESS 198.51.100.99:53",
	    "11.22.33.44:50000" },
	{ "syn-request-to-client.bin", "Binding request", NULL },
	{ "syn-soft-bad-utf8.bin",
	    "Binding success, SOFTWARE \"?\??\?\", XOR-MAPPED-ADDRESS "
	    "11.22.33.44:50000",
	    "11.22.33.44:50000" },
	{ "syn-topbits.bin", NULL, NULL },
	{ "syn-two-xor.bin",
	    "Binding success, XOR-MAPPED-ADDRESS 11.22.33.44:50000, "
	    "XOR-MAPPED-ADDRESS 203.0.113.9:1",
	    "11.22.33.44:50000" },
	{ "syn-unknown-optional.bin",
	    "Binding success, 0xfffe 61626364, XOR-MAPPED-ADDRESS "
	    "11.22.33.44:50000",
	    "11.22.33.44:50000" },
	{ "syn-unknown-required.bin",
	    "Binding success, 0x7ffe 61626364, XOR-MAPPED-ADDRESS "
	    "11.22.33.44:50000",
	    NULL },
	{ "syn-wrong-cookie.bin",
	    "3489 Binding success, XOR-MAPPED-ADDRESS 11.22.133.110:50000", NULL },
	{ "syn-wrong-tid.bin", "Binding success, XOR-MAPPED-ADDRESS 11.22.33.44:50000",
	    NULL },
	{ "syn-xor-family-3.bin",
	    "Binding success, XOR-MAPPED-ADDRESS 000321132a04856e", NULL },
	{ "syn-xor-len0.bin", NULL, NULL },
	{ "syn-xor-len4.bin", NULL, NULL },
	{ "syn-xor-v4-len20.bin",
	    "Binding success, XOR-MAPPED-ADDRESS "
	    "000121132a04856e000000000000000000000000",
	    NULL },
	{ "syn-xor-v6-short.bin",
	    "Binding success, XOR-MAPPED-ADDRESS 000221132a04856e", NULL },
	{ "syn-zero-attrs-300.bin",
	    "Binding success, 0xfffe , 0xfffe , 0xfffe , 0xfffe , 0xff*",
	    "11.22.33.44:50000" },
};

/* The client of all files written for the tests waits for this. */
static const struct stun_id id = { { 0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86,
    0xfa, 0x87, 0xdf, 0xae } };

/* As RFC 8489 section 6.3 says; for a captured message, the client it was sent to. */
static const char *
learnt(const char *file, const struct stun_msg *m, char text[static ENDPOINT_TEXT_MAX])
{
	struct stun_id waiting = id;
	struct endpoint e;

	if (strncmp(file, "syn-", 4) != 0)
		memcpy(waiting.bytes, stun_msg_id(m), STUN_ID_LEN);
	if (!stun_answers(m, STUN_BINDING, &waiting) || m->class != STUN_SUCCESS ||
	    stun_unknown(m, STUN_UNDERSTOOD_ALL, &(uint16_t) { 0 }, 1) > 0 ||
	    stun_get_mapped(m, &e) != 0)
		return NULL;
	return endpoint_format(&e, text);
}

static void
test_recorded(void **state)
{
	(void)state;
	recorded_check(FOLDER, ".bin", rows);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row *row = &rows[i];
		char text[ENDPOINT_TEXT_MAX];
		const char *got, *mapped = NULL;
		struct stun_msg m;
		size_t len;
		uint8_t *buf = (uint8_t *)recorded_read(FOLDER, row->file, &len);

		got = stun_recorded_text(buf, len, &m);
		stun_recorded_check(row->file, got, row->text);
		if (got)
			mapped = learnt(row->file, &m, text);
		if ((mapped == NULL) != (row->mapped == NULL) ||
		    (mapped && strcmp(mapped, row->mapped) != 0))
			fail_msg("%s: %s", row->file, mapped ? mapped : "nothing");
		free(buf);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_recorded),
	};

	return cmocka_run_group_tests_name("stun_recorded", tests, NULL, NULL);
}
