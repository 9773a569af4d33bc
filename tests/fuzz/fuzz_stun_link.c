/*
 * fuzz_stun_link.c - any bytes from the other side of a connection to a STUN server:
 * by UDP, TCP, TLS and DTLS, in pieces whose lengths are those of the input itself.
 *
 * Nothing that is no message of STUN comes out of a stream, nothing at all where there
 * was no handshake, and it ends.
 */
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <string.h>

#include "proto/stun.h"
#include "proto/stun_link.h"

static void
drain(struct stun_link *l)
{
	const uint8_t *bytes;
	size_t len, all = 0;

	while ((len = stun_link_output(l, &bytes)) > 0) {
		MUST((all += len) < 100000);
		stun_link_sent(l, len);
	}
}

/* 0, or the error that ended it. */
static int
take(struct stun_link *l, enum stun_transport transport)
{
	uint8_t buf[STUN_LINK_MESSAGE_MAX];
	ssize_t n;

	while ((n = stun_link_receive(l, buf, sizeof(buf))) > 0) {
		MUST((size_t)n <= sizeof(buf));
		MUST(!stun_transport_is_secure(transport));
		MUST(transport == STUN_UDP || stun_stream_frame(buf, (size_t)n) == n);
	}
	return (int)n;
}

static void
converse(const struct stun_link_params *p, const uint8_t *data, size_t size)
{
	_cleanup_(stun_link_freep) struct stun_link *l = NULL;
	msec_t now = 1000000;

	MUST(stun_link_new(p, now, &l) == 0);
	MUST(stun_link_send(l, (const uint8_t *)"request", 7) == 0);
	drain(l);
	for (size_t at = 0; at < size;) {
		size_t len = MIN(1 + data[at] * (size_t)16, size - at);

		if (stun_link_feed(l, data + at, len, now) < 0 ||
		    take(l, p->transport) < 0)
			break;
		drain(l);
		at += len;
		now += 100;
		if (stun_link_tick(l, now) < 0)
			break;
	}
	stun_link_goodbye(l);
	drain(l);
	MUST(strlen(stun_link_why(l)) < TLS_WHY_MAX);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t seed[CRYPTO_RNG_SEED_LEN] = { 1 };
	static struct crypto_rng *rng;
	static struct tls_trust *trust;

	if (!rng) {
		MUST(crypto_rng_new(seed, &rng) == 0);
		MUST(tls_trust_load("tests/data/tls/authority.pem", &trust) == 0);
	}
	for (int t = 0; t < STUN_TRANSPORT_MAX; t++) {
		const struct stun_link_params p = { (enum stun_transport)t, "localhost",
			trust, rng };

		converse(&p, data, size);
	}
	return 0;
}
