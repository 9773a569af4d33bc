/*
 * stun_again.h - what counts in a STUN message that was decoded, written once more.
 */
#pragma once

#include <errno.h>
#include <stdint.h>
#include <sys/types.h>

#include "proto/stun_attr.h"

/* The length, -EBADMSG if a value in it is broken, or -ENOBUFS. */
static inline ssize_t
stun_write_again(const struct stun_msg *m, uint8_t *buf, size_t size)
{
	struct stun_cursor c = stun_cursor(m);
	struct stun_out out;

	stun_begin_answer(&out, buf, size, m->class, m);
	for (struct stun_raw raw; (raw = stun_next(&c)).value;) {
		struct stun_value v;

		if (stun_value_read(m, &raw, &v) != 0)
			return -EBADMSG;
		if (raw.attr == STUN_FINGERPRINT)
			stun_put_fingerprint(&out);
		else if (raw.len > stun_attr_rows[raw.attr].max_sent)
			stun_put_raw(&out, raw.code, raw.value, raw.len);
		else
			stun_value_write(&out, &v);
	}
	return stun_end(&out);
}
