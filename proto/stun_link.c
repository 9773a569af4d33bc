/*
 * stun_link.c - one connection to a STUN server, message by message, without the
 * socket.
 *
 * Two steps in either direction: TLS, where there is any, and frames, where there is a
 * stream.  `in` has what came out of the first and not yet out of the second.
 */
#include "proto/stun_link.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/stun.h"

struct stun_link {
	enum stun_transport transport;
	struct tls *tls; /* NULL: in clear */
	uint8_t in[STUN_LINK_MESSAGE_MAX + STUN_LINK_FEED_MAX];
	size_t in_len;
	uint8_t
	    out[STUN_LINK_MESSAGE_MAX]; /* in clear, or until the handshake is over */
	size_t out_len;
};

int
stun_link_new(const struct stun_link_params *p, msec_t now, struct stun_link **ret)
{
	_cleanup_(stun_link_freep) struct stun_link *l = calloc(1, sizeof(*l));
	const struct tls_params tls = {
		.trust = p->trust,
		.rng = p->rng,
		.host = p->host,
		.datagrams = p->transport == STUN_DTLS,
	};
	int r;

	if (!l)
		return -ENOMEM;
	l->transport = p->transport;
	if (p->transport == STUN_TLS || p->transport == STUN_DTLS) {
		r = tls_new(&tls, now, &l->tls);
		if (r < 0)
			return r;
	}
	*ret = TAKE_PTR(l);
	return 0;
}

struct stun_link *
stun_link_free(struct stun_link *l)
{
	if (!l)
		return NULL;
	tls_free(l->tls);
	free(l);
	return NULL;
}

bool
stun_link_is_open(const struct stun_link *l)
{
	return !l->tls || tls_is_open(l->tls);
}

/* ---- out ---- */

/* What waited for the end of the handshake. */
static int
flush(struct stun_link *l)
{
	int r;

	if (!l->tls || !tls_is_open(l->tls) || l->out_len == 0)
		return 0;
	r = tls_write(l->tls, l->out, l->out_len);
	l->out_len = 0;
	return r;
}

int
stun_link_send(struct stun_link *l, const uint8_t *buf, size_t len)
{
	bool whole = !stun_transport_is_stream(l->transport);

	if (l->tls && tls_is_open(l->tls))
		return tls_write(l->tls, buf, len);
	/* A datagram that could not go yet makes room for a newer one. */
	if (whole)
		l->out_len = 0;
	if (len > sizeof(l->out) - l->out_len)
		return -ENOBUFS;
	memcpy(l->out + l->out_len, buf, len);
	l->out_len += len;
	return 0;
}

size_t
stun_link_output(const struct stun_link *l, const uint8_t **ret)
{
	if (l->tls)
		return tls_output(l->tls, ret);
	*ret = l->out;
	return l->out_len;
}

void
stun_link_sent(struct stun_link *l, size_t n)
{
	if (l->tls) {
		tls_sent(l->tls, n);
		return;
	}
	n = stun_transport_is_stream(l->transport) ? MIN(n, l->out_len) : l->out_len;
	l->out_len -= n;
	memmove(l->out, l->out + n, l->out_len);
}

/* ---- in ---- */

/* Room for what a feed may bring was made by stun_link_receive(): what is left there is
 * less than one message. */
int
stun_link_feed(struct stun_link *l, const void *bytes, size_t len, msec_t now)
{
	int r;

	if (l->tls) {
		r = tls_feed(l->tls, bytes, len, now);
		return r < 0 ? r : flush(l);
	}
	if (!stun_transport_is_stream(l->transport))
		l->in_len = 0;
	if (len > sizeof(l->in) - l->in_len)
		return -ENOBUFS;
	memcpy(l->in + l->in_len, bytes, len);
	l->in_len += len;
	return 0;
}

/* What is decrypted goes behind what is there. */
static ssize_t
decrypt(struct stun_link *l)
{
	ssize_t n;

	if (!l->tls)
		return 0;
	n = tls_read(l->tls, l->in + l->in_len, sizeof(l->in) - l->in_len);
	l->in_len += n > 0 ? (size_t)n : 0;
	return n;
}

static ssize_t
next_frame(const struct stun_link *l)
{
	ssize_t n;

	if (!stun_transport_is_stream(l->transport))
		return (ssize_t)l->in_len;
	n = stun_stream_frame(l->in, l->in_len);
	if (n > STUN_LINK_MESSAGE_MAX)
		return -EBADMSG;
	return n > 0 && (size_t)n > l->in_len ? 0 : n;
}

ssize_t
stun_link_receive(struct stun_link *l, uint8_t *buf, size_t size)
{
	for (;;) {
		ssize_t n = next_frame(l);

		if (n < 0)
			return n;
		if (n > 0) {
			/* A datagram may be longer than any answer: it is cut. */
			size_t taken = MIN((size_t)n, size);

			memcpy(buf, l->in, taken);
			l->in_len -= (size_t)n;
			memmove(l->in, l->in + n, l->in_len);
			return (ssize_t)taken;
		}
		n = decrypt(l);
		if (n <= 0)
			return n;
	}
}

/* ---- time, the end ---- */

msec_t
stun_link_due(const struct stun_link *l)
{
	return l->tls ? tls_due(l->tls) : MSEC_NEVER;
}

int
stun_link_tick(struct stun_link *l, msec_t now)
{
	return l->tls ? tls_tick(l->tls, now) : 0;
}

void
stun_link_goodbye(struct stun_link *l)
{
	if (l->tls)
		tls_goodbye(l->tls);
}

const char *
stun_link_why(const struct stun_link *l)
{
	return l->tls ? tls_why(l->tls) : "";
}
