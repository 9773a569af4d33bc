/*
 * test_stun_link.c - STUN messages through streams, TLS and DTLS: against a server of
 * mbedTLS in memory, with datagrams that are lost, and a clock that is a number.
 */
#include "proto/stun_link.h"

#include <errno.h>
#include <mbedtls/ctr_drbg.h>
#include <mbedtls/ssl.h>
#include <mbedtls/version.h>
#include <mbedtls/x509_crt.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define T0 INT64_C(1000000)
#define TLS_DATA "tests/data/tls/"
#define PIPE_MAX 32

/* One way between the two: pieces of a stream, or datagrams. */
struct way {
	struct {
		uint8_t bytes[16384];
		size_t len;
	} pieces[PIPE_MAX];
	unsigned first, count;
	unsigned sent;
	uint32_t lose; /* bit i: the i-th that is sent */
};

static struct {
	struct way up, down;
	struct crypto_rng *rng;
	struct tls_trust *trust;
	msec_t now;
	bool datagrams;
	mbedtls_ssl_context ssl;
	mbedtls_ssl_config conf;
	mbedtls_x509_crt crt;
	mbedtls_pk_context key;
	msec_t half_at, due_at;
	int handshake; /* of the server: the last it said */
	struct stun_link *link;
	int error; /* of the link */
} f;

static void
put(struct way *w, const void *bytes, size_t len)
{
	unsigned at = (w->first + w->count) % PIPE_MAX;
	bool lost = w->sent < 32 && w->lose >> w->sent & 1;

	w->sent++;
	if (lost)
		return;
	assert_true(w->count < PIPE_MAX && len <= sizeof(w->pieces[0].bytes));
	memcpy(w->pieces[at].bytes, bytes, len);
	w->pieces[at].len = len;
	w->count++;
}

/* Of a stream as much as fits, of datagrams one, which may be cut. */
static size_t
get(struct way *w, void *bytes, size_t size)
{
	size_t len;

	if (w->count == 0)
		return 0;
	len = MIN(size, w->pieces[w->first].len);
	memcpy(bytes, w->pieces[w->first].bytes, len);
	w->pieces[w->first].len -= len;
	memmove(w->pieces[w->first].bytes, w->pieces[w->first].bytes + len,
	    w->pieces[w->first].len);
	if (f.datagrams || w->pieces[w->first].len == 0) {
		w->first = (w->first + 1) % PIPE_MAX;
		w->count--;
	}
	return len;
}

/* ---- the server ---- */

static int
server_random(void *ctx, unsigned char *ret, size_t len)
{
	return crypto_rng_fill(ctx, ret, len);
}

static int
server_send(void *ctx, const unsigned char *bytes, size_t len)
{
	(void)ctx;
	put(&f.down, bytes, len);
	return (int)len;
}

static int
server_receive(void *ctx, unsigned char *ret, size_t size)
{
	size_t n = get(&f.up, ret, size);

	(void)ctx;
	return n ? (int)n : MBEDTLS_ERR_SSL_WANT_READ;
}

static void
server_set_timer(void *ctx, uint32_t half_ms, uint32_t whole_ms)
{
	(void)ctx;
	f.half_at = f.now + half_ms;
	f.due_at = whole_ms ? f.now + whole_ms : MSEC_NEVER;
}

static int
server_get_timer(void *ctx)
{
	(void)ctx;
	if (f.due_at == MSEC_NEVER)
		return -1;
	return f.now >= f.due_at ? 2 : f.now >= f.half_at;
}

static void
only_tls_1_1(void)
{
#if MBEDTLS_VERSION_NUMBER < 0x03000000
	mbedtls_ssl_conf_min_version(
	    &f.conf, MBEDTLS_SSL_MAJOR_VERSION_3, MBEDTLS_SSL_MINOR_VERSION_2);
	mbedtls_ssl_conf_max_version(
	    &f.conf, MBEDTLS_SSL_MAJOR_VERSION_3, MBEDTLS_SSL_MINOR_VERSION_2);
#endif
}

static int
parse_key(void)
{
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
	return mbedtls_pk_parse_keyfile(
	    &f.key, TLS_DATA "server.key", NULL, server_random, f.rng);
#else
	return mbedtls_pk_parse_keyfile(&f.key, TLS_DATA "server.key", NULL);
#endif
}

static void
server_start(const char *certificate, bool old)
{
	char path[64];

	snprintf(path, sizeof(path), TLS_DATA "%s.pem", certificate);
	mbedtls_ssl_init(&f.ssl);
	mbedtls_ssl_config_init(&f.conf);
	mbedtls_x509_crt_init(&f.crt);
	mbedtls_pk_init(&f.key);
	f.due_at = MSEC_NEVER;
	assert_int_equal(mbedtls_x509_crt_parse_file(&f.crt, path), 0);
	assert_int_equal(parse_key(), 0);
	assert_int_equal(mbedtls_ssl_config_defaults(&f.conf, MBEDTLS_SSL_IS_SERVER,
			     f.datagrams ? MBEDTLS_SSL_TRANSPORT_DATAGRAM
					 : MBEDTLS_SSL_TRANSPORT_STREAM,
			     MBEDTLS_SSL_PRESET_DEFAULT),
	    0);
	mbedtls_ssl_conf_rng(&f.conf, server_random, f.rng);
	assert_int_equal(mbedtls_ssl_conf_own_cert(&f.conf, &f.crt, &f.key), 0);
	if (f.datagrams)
		mbedtls_ssl_conf_dtls_cookies(&f.conf, NULL, NULL, NULL);
	if (old)
		only_tls_1_1();
	assert_int_equal(mbedtls_ssl_setup(&f.ssl, &f.conf), 0);
	mbedtls_ssl_set_bio(&f.ssl, NULL, server_send, server_receive, NULL);
	mbedtls_ssl_set_timer_cb(&f.ssl, NULL, server_set_timer, server_get_timer);
	f.handshake = MBEDTLS_ERR_SSL_WANT_READ;
}

static void
server_stop(void)
{
	mbedtls_ssl_free(&f.ssl);
	mbedtls_ssl_config_free(&f.conf);
	mbedtls_x509_crt_free(&f.crt);
	mbedtls_pk_free(&f.key);
}

/* ---- both ---- */

/* What the socket's owner does. */
static void
link_turn(void)
{
	uint8_t buf[STUN_LINK_FEED_MAX];
	const uint8_t *bytes;
	size_t len;

	if (f.error == 0 && f.down.count > 0) {
		len = get(&f.down, buf, sizeof(buf));
		f.error = stun_link_feed(f.link, buf, len, f.now);
	}
	if (f.error == 0 && f.now >= stun_link_due(f.link))
		f.error = stun_link_tick(f.link, f.now);
	while ((len = stun_link_output(f.link, &bytes)) > 0) {
		put(&f.up, bytes, len);
		stun_link_sent(f.link, len);
	}
}

static void
server_turn(void)
{
	uint8_t buf[64];

	/* Its last flight was lost: it hears the one before again. */
	if (f.handshake == 0 && !stun_link_is_open(f.link))
		mbedtls_ssl_read(&f.ssl, buf, sizeof(buf));
	if (f.handshake == MBEDTLS_ERR_SSL_WANT_READ)
		f.handshake = mbedtls_ssl_handshake(&f.ssl);
}

/* Until both are quiet; then to the next deadline, at most limit_ms. */
static void
shake_hands(msec_t limit_ms)
{
	msec_t end = f.now + limit_ms;

	while (f.error == 0 && !(stun_link_is_open(f.link) && f.handshake == 0)) {
		link_turn();
		server_turn();
		if (f.down.count || f.up.count)
			continue;
		if (f.handshake != MBEDTLS_ERR_SSL_WANT_READ && f.handshake != 0)
			return;
		if (stun_link_is_open(f.link) && f.handshake == 0)
			return;
		f.now = MIN(stun_link_due(f.link), f.due_at);
		if (f.now >= end)
			return;
	}
}

static void
begin(
    enum stun_transport transport, const char *certificate, const char *host, bool old)
{
	const struct stun_link_params p = { transport, host, f.trust, f.rng };

	memset(&f.up, 0, sizeof(f.up));
	memset(&f.down, 0, sizeof(f.down));
	f.now = T0;
	f.error = 0;
	f.datagrams = transport == STUN_DTLS || transport == STUN_UDP;
	server_start(certificate, old);
	assert_int_equal(stun_link_new(&p, f.now, &f.link), 0);
}

static void
end(void)
{
	f.link = stun_link_free(f.link);
	server_stop();
}

static int
setup(void **state)
{
	uint8_t seed[CRYPTO_RNG_SEED_LEN] = { 7 };

	(void)state;
	assert_int_equal(crypto_rng_new(seed, &f.rng), 0);
	assert_int_equal(tls_trust_load(TLS_DATA "authority.pem", &f.trust), 0);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	tls_trust_free(f.trust);
	crypto_rng_free(f.rng);
	return 0;
}

/* ---- tests ---- */

static const uint8_t request[20] = { 0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5,
	6, 7, 8, 9, 10, 11, 12 };

static void
goes_through(enum stun_transport transport)
{
	uint8_t answer[48] = { 1, 1, 0, 12, 0x21, 0x12, 0xa4, 0x42 }, buf[2048];

	/* Before the handshake is over a message waits for its end. */
	begin(transport, "right", "localhost", false);
	assert_false(stun_link_is_open(f.link));
	assert_int_equal(stun_link_send(f.link, request, sizeof(request)), 0);
	shake_hands(10000);
	link_turn();
	assert_int_equal(f.error, 0);
	assert_true(stun_link_is_open(f.link));
	assert_int_equal(mbedtls_ssl_read(&f.ssl, buf, sizeof(buf)), sizeof(request));
	assert_memory_equal(buf, request, sizeof(request));

	/* Two answers: in a stream in three records that know no borders. */
	if (f.datagrams) {
		for (int i = 0; i < 2; i++)
			assert_int_equal(mbedtls_ssl_write(&f.ssl, answer, 32), 32);
	} else {
		uint8_t both[64];

		memcpy(both, answer, 32);
		memcpy(both + 32, answer, 32);
		assert_int_equal(mbedtls_ssl_write(&f.ssl, both, 5), 5);
		assert_int_equal(mbedtls_ssl_write(&f.ssl, both + 5, 40), 40);
		assert_int_equal(mbedtls_ssl_write(&f.ssl, both + 45, 19), 19);
	}
	for (unsigned got = 0; got < 2;) {
		ssize_t n = stun_link_receive(f.link, buf, sizeof(buf));

		if (n == 0) {
			assert_true(f.down.count > 0);
			link_turn();
			continue;
		}
		assert_int_equal(n, 32);
		assert_memory_equal(buf, answer, 32);
		got++;
	}
	assert_int_equal(stun_link_receive(f.link, buf, sizeof(buf)), 0);
	assert_int_equal(stun_link_send(f.link, request, sizeof(request)), 0);
	link_turn();
	assert_int_equal(mbedtls_ssl_read(&f.ssl, buf, sizeof(buf)), sizeof(request));

	stun_link_goodbye(f.link);
	link_turn();
	assert_int_equal(mbedtls_ssl_read(&f.ssl, buf, sizeof(buf)),
	    MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY);
	end();
}

static void
test_tls(void **state)
{
	(void)state;
	goes_through(STUN_TLS);
}

static void
test_dtls(void **state)
{
	(void)state;
	goes_through(STUN_DTLS);
}

static void
test_the_other_side_ends_it(void **state)
{
	uint8_t buf[64];

	(void)state;
	begin(STUN_TLS, "right", "localhost", false);
	shake_hands(10000);
	assert_int_equal(mbedtls_ssl_close_notify(&f.ssl), 0);
	while (f.down.count && f.error == 0) {
		link_turn();
		f.error = (int)stun_link_receive(f.link, buf, sizeof(buf));
	}
	assert_int_equal(f.error, -ECONNRESET);
	assert_string_equal(stun_link_why(f.link), "it closed the connection");
	end();
}

/* Each of the first datagrams lost, either way: it takes longer, and works. */
static void
test_dtls_with_losses(void **state)
{
	(void)state;
	for (unsigned lost = 0; lost < 4; lost++) {
		for (int up = 0; up < 2; up++) {
			begin(STUN_DTLS, "right", "localhost", false);
			*(up ? &f.up.lose : &f.down.lose) = 1u << lost;
			shake_hands(20000);
			if (f.error != 0 || !stun_link_is_open(f.link))
				fail_msg(
				    "%s %u: %d", up ? "up" : "down", lost, f.error);
			assert_in_range(f.now - T0, 0, 3000);
			end();
		}
	}
	/* The first flight: again after 500 ms. */
	begin(STUN_DTLS, "right", "localhost", false);
	f.up.lose = 1;
	shake_hands(20000);
	assert_int_equal(f.now - T0, 500);
	end();
}

/* Nobody there: it is over in bounded time, after sends that are further apart. */
static void
test_dtls_nobody(void **state)
{
	static const msec_t at[] = { 0, 500, 1500, 3500 };
	unsigned sent = 0;

	(void)state;
	begin(STUN_DTLS, "right", "localhost", false);
	f.up.lose = UINT32_MAX;
	while (f.error == 0) {
		link_turn();
		if (f.error == 0 && f.up.sent > sent) {
			assert_true(sent < ARRAY_SIZE(at));
			assert_int_equal(f.now - T0, at[sent]);
			sent = f.up.sent;
		}
		if (f.error == 0)
			f.now = MAX(f.now, stun_link_due(f.link));
	}
	assert_int_equal(f.error, -ETIMEDOUT);
	assert_int_equal(f.now - T0, 7500);
	assert_int_equal(sent, ARRAY_SIZE(at));
	end();
}

/* Attack 21: a server that is not the one that was named. */
static void
test_certificates(void **state)
{
	static const struct {
		const char *certificate, *host, *why;
	} rows[] = {
		{ "wrong-name", "localhost", "its certificate is for another name" },
		{ "right", "example.org", "its certificate is for another name" },
		{ "right", "127.0.0.1", "its certificate is for another name" },
		{ "expired", "localhost", "its certificate has expired" },
		{ "self-signed", "localhost",
		    "its certificate is not signed by an authority that is trusted "
		    "here" },
	};
	static const enum stun_transport transports[] = { STUN_TLS, STUN_DTLS };

	(void)state;
	for (size_t i = 0; i < 2 * ARRAY_SIZE(rows); i++) {
		begin(transports[i % 2], rows[i / 2].certificate, rows[i / 2].host,
		    false);
		shake_hands(20000);
		if (f.error != -EBADE || strcmp(stun_link_why(f.link), rows[i / 2].why))
			fail_msg("%s for %s: %d %s", rows[i / 2].certificate,
			    rows[i / 2].host, f.error, stun_link_why(f.link));
		assert_false(stun_link_is_open(f.link));
		end();
	}
}

static void
test_nothing_below_1_2(void **state)
{
	(void)state;
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
	skip(); /* this mbedTLS has no server of it */
#endif
	begin(STUN_TLS, "right", "localhost", true);
	shake_hands(10000);
	assert_false(stun_link_is_open(f.link));
	assert_int_not_equal(f.handshake, 0);
	end();
}

static void
test_authorities(void **state)
{
	struct tls_trust *t = NULL;

	(void)state;
	assert_int_equal(tls_trust_load("tests/data/tls/none.pem", &t), -ENODATA);
	assert_int_equal(tls_trust_load("tests/data/tls/server.key", &t), -ENODATA);
	assert_null(t);
	assert_null(tls_trust_free(NULL));
	assert_null(stun_link_free(NULL));
}

/* What is no TLS, at every length, and bytes of a handshake that are wrong. */
static void
test_nonsense(void **state)
{
	uint8_t buf[STUN_LINK_FEED_MAX];

	(void)state;
	for (size_t len = 1; len < sizeof(buf); len += 1 + len / 2) {
		begin(STUN_TLS, "right", "localhost", false);
		memset(buf, 'H', len);
		f.error = stun_link_feed(f.link, buf, len, f.now);
		if (len >= 5)
			assert_int_equal(f.error, -EPROTO);
		assert_false(stun_link_is_open(f.link));
		end();
		/* Of DTLS it may be anybody's. */
		begin(STUN_DTLS, "right", "localhost", false);
		assert_int_equal(stun_link_feed(f.link, buf, len, f.now), 0);
		shake_hands(10000);
		assert_true(stun_link_is_open(f.link));
		end();
	}
}

/* ---- in clear ---- */

static void
test_stream_in_clear(void **state)
{
	const struct stun_link_params p = { .transport = STUN_TCP };
	uint8_t answer[32] = { 1, 1, 0, 12, 0x21, 0x12, 0xa4, 0x42 }, buf[2048];
	const uint8_t *out = NULL;

	(void)state;
	for (size_t cut = 1; cut < 64; cut++) {
		uint8_t both[64];
		struct stun_link *l = NULL;
		unsigned got = 0;

		memcpy(both, answer, 32);
		memcpy(both + 32, answer, 32);
		assert_int_equal(stun_link_new(&p, T0, &l), 0);
		assert_true(stun_link_is_open(l));
		assert_int_equal(stun_link_due(l), MSEC_NEVER);
		assert_int_equal(stun_link_send(l, request, 20), 0);
		assert_int_equal(stun_link_output(l, &out), 20);
		stun_link_sent(l, 7); /* the socket takes what it can */
		assert_int_equal(stun_link_output(l, &out), 13);
		assert_memory_equal(out, request + 7, 13);
		stun_link_sent(l, 13);
		assert_int_equal(stun_link_output(l, &out), 0);
		assert_int_equal(stun_link_feed(l, both, cut, T0), 0);
		while (stun_link_receive(l, buf, sizeof(buf)) == 32)
			got++;
		assert_int_equal(got, cut / 32);
		assert_int_equal(stun_link_feed(l, both + cut, 64 - cut, T0), 0);
		while (stun_link_receive(l, buf, sizeof(buf)) == 32)
			got++;
		assert_int_equal(got, 2);
		/* HTTP, and a message longer than any answer. */
		assert_int_equal(stun_link_feed(l, "HTTP/1.1 400", 12, T0), 0);
		assert_int_equal(stun_link_receive(l, buf, sizeof(buf)), -EBADMSG);
		stun_link_free(l);
	}
}

static void
test_datagrams_in_clear(void **state)
{
	const struct stun_link_params p = { .transport = STUN_UDP };
	struct stun_link *l = NULL;
	const uint8_t *out = NULL;
	uint8_t buf[64];

	(void)state;
	assert_int_equal(stun_link_new(&p, T0, &l), 0);
	assert_int_equal(stun_link_send(l, request, 20), 0);
	assert_int_equal(stun_link_send(l, request, 20), 0); /* in its place */
	assert_int_equal(stun_link_output(l, &out), 20);
	stun_link_sent(l, 3);
	assert_int_equal(stun_link_output(l, &out), 0);
	assert_int_equal(stun_link_feed(l, "anything", 8, T0), 0);
	assert_int_equal(stun_link_receive(l, buf, sizeof(buf)), 8);
	assert_int_equal(stun_link_receive(l, buf, sizeof(buf)), 0);
	assert_int_equal(stun_link_feed(l, "", 0, T0), 0);
	assert_int_equal(stun_link_receive(l, buf, sizeof(buf)), 0);
	stun_link_free(l);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tls),
		cmocka_unit_test(test_dtls),
		cmocka_unit_test(test_the_other_side_ends_it),
		cmocka_unit_test(test_dtls_with_losses),
		cmocka_unit_test(test_dtls_nobody),
		cmocka_unit_test(test_certificates),
		cmocka_unit_test(test_nothing_below_1_2),
		cmocka_unit_test(test_authorities),
		cmocka_unit_test(test_nonsense),
		cmocka_unit_test(test_stream_in_clear),
		cmocka_unit_test(test_datagrams_in_clear),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
