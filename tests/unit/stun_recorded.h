/*
 * stun_recorded.h - recorded STUN and TURN datagrams as the text they print as.
 */
#pragma once

#include "proto/stun_attr.h"
#include "tests/unit/recorded.h"

#define STUN_TEXT_MAX 8192

/* What a message, or ChannelData, prints as, "3489 " in front if it has no magic
 * cookie; NULL: refused. */
static inline const char *
stun_recorded_text(const uint8_t *buf, size_t len, struct stun_msg *ret)
{
	static char text[STUN_TEXT_MAX];
	struct text_out out = text_out(text, sizeof(text));
	struct stun_channel_data data;

	if (stun_frame(buf, len) == STUN_FRAME_CHANNEL) {
		if (stun_channel_data_decode(buf, len, &data) != 0)
			return NULL;
		text_printf(&out, "channel 0x%04x, %u bytes", data.channel, data.len);
		return text;
	}
	if (stun_decode(buf, len, 0, ret) != 0) {
		if (stun_decode(buf, len, STUN_TAKE_RFC3489, ret) != 0)
			return NULL;
		text_put(&out, "3489 ");
	}
	stun_msg_print(ret, &out);
	assert_true(text_finish(&out) > 0);
	return text;
}

/* want: may end in '*', then the rest does not matter; NULL: refused. */
static inline void
stun_recorded_check(const char *file, const char *got, const char *want)
{
	size_t len = want ? strlen(want) : 0;
	bool open = len > 0 && want[len - 1] == '*';

	if (!got && !want)
		return;
	if (!got || !want || (open ? strncmp(got, want, len - 1) : strcmp(got, want)))
		fail_msg("%s: %s, not %s", file, got ? got : "refused",
		    want ? want : "refused");
}
