/*
 * fuzz_stun.c - a STUN message, ChannelData, and the start of a stream of both.
 *
 * Whatever is taken for a message can be printed and written again, and the second one
 * says the same; a stream is never cut into a frame that is longer than one can be.
 */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "tests/unit/stun_again.h"

#define AGAIN_MAX (2 * STUN_MESSAGE_MAX)

static void
check_order(const struct stun_msg *m)
{
	static const uint64_t last = STUN_BIT(STUN_MESSAGE_INTEGRITY) |
				     STUN_BIT(STUN_MESSAGE_INTEGRITY_SHA256) |
				     STUN_BIT(STUN_FINGERPRINT);
	struct stun_cursor c = stun_cursor(m);
	uint64_t met = 0;

	for (struct stun_raw raw; (raw = stun_next(&c)).value;) {
		MUST(raw.value + raw.len <= m->bytes + m->len);
		/* Nothing under integrity comes behind it. */
		MUST(!(met & last) || STUN_BIT(raw.attr) & last);
		if (raw.attr != STUN_ATTR_UNKNOWN && !(met & STUN_BIT(raw.attr)))
			MUST(stun_find(m, raw.attr).value == raw.value);
		met |= STUN_BIT(raw.attr);
	}
	met &= ~STUN_BIT(STUN_ATTR_UNKNOWN);
	MUST(met == (m->present & ~STUN_BIT(STUN_ATTR_UNKNOWN)));
}

static void
check_message(const struct stun_msg *m)
{
	static uint8_t again[AGAIN_MAX], third[AGAIN_MAX];
	static char text[4096], text_again[sizeof(text)];
	struct text_out out = text_out(text, sizeof(text));
	uint16_t codes[8];
	struct endpoint e;
	struct stun_error error;
	struct stun_msg n;
	ssize_t len;

	check_order(m);
	MUST(stun_unknown(m, STUN_UNDERSTOOD_ALL, codes, 8) <= 8);
	if (stun_get_mapped(m, &e) == 0)
		MUST(addr_len(e.addr.family) > 0);
	if (stun_get_error(m, STUN_ERROR_CODE, &error) == 0)
		MUST(error.code >= 300 && error.code <= 699);
	stun_msg_print(m, &out);

	len = stun_write_again(m, again, AGAIN_MAX);
	/* A broken value; or, as a RESPONSE-PORT of two bytes is written with four, no
	 * room. */
	if (len == -EBADMSG || len == -ENOBUFS)
		return;
	MUST(len >= STUN_HEADER_LEN);
	MUST(stun_decode(again, (size_t)len, STUN_TAKE_RFC3489, &n) == 0);
	MUST(n.present == m->present && n.class == m->class && n.method == m->method);
	MUST(stun_write_again(&n, third, AGAIN_MAX) == len);
	MUST(memcmp(again, third, (size_t)len) == 0);
	if (!stun_has(m, STUN_FINGERPRINT) && !out.bad) {
		out = text_out(text_again, sizeof(text_again));
		stun_msg_print(&n, &out);
		MUST(strcmp(text, text_again) == 0);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct stun_channel_data channel;
	struct stun_msg m;
	ssize_t frame;

	if (stun_decode(data, size, STUN_TAKE_RFC3489, &m) == 0) {
		MUST(stun_frame(data, size) != STUN_FRAME_CHANNEL);
		MUST(m.rfc3489 == (stun_decode(data, size, 0, &m) != 0));
		check_message(&m);
	}
	if (stun_channel_data_decode(data, size, &channel) == 0)
		MUST(channel.data + channel.len <= data + size);
	frame = stun_stream_frame(data, size);
	MUST(frame <= STUN_MESSAGE_MAX && (frame >= 0 || frame == -EBADMSG));
	return 0;
}
