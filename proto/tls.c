/*
 * tls.c - the client's side of TLS and DTLS, by mbedTLS 2.28 and 3.6.
 *
 * mbedTLS reads and writes through two functions.  Here these end in two buffers: what
 * was fed, and what is to be taken out, where each datagram has its length before it.
 */
#include "proto/tls.h"

#include <errno.h>
#include <mbedtls/ssl.h>
#include <mbedtls/version.h>
#include <mbedtls/x509_crt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
#include <psa/crypto.h>
#endif

#include "proto/wire.h"

#define OUTPUT_MAX 4096
#define DATAGRAM_MAX 1400
#define RETRANSMIT_MIN_MS 500 /* RFC 8489 section 6.2.1, as other requests of ours */
#define RETRANSMIT_MAX_MS 4000
#define PREFIX 2

struct tls_trust {
	mbedtls_x509_crt list;
};

struct tls {
	mbedtls_ssl_context ssl;
	mbedtls_ssl_config conf;
	bool datagrams, open;
	msec_t now, half_at, due_at; /* of DTLS: see set_timer() */
	uint8_t in[TLS_INPUT_MAX];
	size_t in_at, in_len;
	uint8_t out[OUTPUT_MAX];
	size_t out_len;
	char why[TLS_WHY_MAX];
};

/* ---- authorities ---- */

int
tls_trust_load(const char *path, struct tls_trust **ret)
{
	struct tls_trust *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	mbedtls_x509_crt_init(&t->list);
	if (mbedtls_x509_crt_parse_file(&t->list, path) < 0) {
		tls_trust_free(t);
		return -ENODATA;
	}
	*ret = t;
	return 0;
}

struct tls_trust *
tls_trust_free(struct tls_trust *t)
{
	if (!t)
		return NULL;
	mbedtls_x509_crt_free(&t->list);
	free(t);
	return NULL;
}

/* ---- what mbedTLS calls ---- */

static int
on_random(void *ctx, unsigned char *ret, size_t len)
{
	return crypto_rng_fill(ctx, ret, len) < 0 ? MBEDTLS_ERR_SSL_INTERNAL_ERROR : 0;
}

static int
on_send(void *ctx, const unsigned char *bytes, size_t len)
{
	struct tls *t = ctx;
	size_t prefix = t->datagrams ? PREFIX : 0;

	if (len > INT32_MAX || prefix + len > sizeof(t->out) - t->out_len)
		return MBEDTLS_ERR_SSL_WANT_WRITE;
	if (prefix)
		wire_set_u16(t->out + t->out_len, (uint16_t)len);
	memcpy(t->out + t->out_len + prefix, bytes, len);
	t->out_len += prefix + len;
	return (int)len;
}

/* The rest of a datagram that is larger than what mbedTLS can take is lost with it. */
static int
on_receive(void *ctx, unsigned char *ret, size_t size)
{
	struct tls *t = ctx;
	size_t n = MIN(size, t->in_len - t->in_at);

	if (n == 0)
		return MBEDTLS_ERR_SSL_WANT_READ;
	memcpy(ret, t->in + t->in_at, n);
	t->in_at = t->datagrams ? t->in_len : t->in_at + n;
	return (int)n;
}

static void
set_timer(void *ctx, uint32_t half_ms, uint32_t whole_ms)
{
	struct tls *t = ctx;

	t->half_at = t->now + half_ms;
	t->due_at = whole_ms ? t->now + whole_ms : MSEC_NEVER;
}

static int
get_timer(void *ctx)
{
	const struct tls *t = ctx;

	if (t->due_at == MSEC_NEVER)
		return -1;
	if (t->now >= t->due_at)
		return 2;
	return t->now >= t->half_at;
}

/* ---- setting up ---- */

static int
set_versions(mbedtls_ssl_config *conf)
{
#if MBEDTLS_VERSION_NUMBER >= 0x03020000
	mbedtls_ssl_conf_min_tls_version(conf, MBEDTLS_SSL_VERSION_TLS1_2);
	/* TLS 1.3 of mbedTLS works through PSA only. */
	return psa_crypto_init() == PSA_SUCCESS ? 0 : -EIO;
#else
	mbedtls_ssl_conf_min_version(
	    conf, MBEDTLS_SSL_MAJOR_VERSION_3, MBEDTLS_SSL_MINOR_VERSION_3);
	return 0;
#endif
}

static int
set_up(struct tls *t, const struct tls_params *p)
{
	if (mbedtls_ssl_config_defaults(&t->conf, MBEDTLS_SSL_IS_CLIENT,
		p->datagrams ? MBEDTLS_SSL_TRANSPORT_DATAGRAM
			     : MBEDTLS_SSL_TRANSPORT_STREAM,
		MBEDTLS_SSL_PRESET_DEFAULT) != 0 ||
	    set_versions(&t->conf) < 0)
		return -EIO;
	mbedtls_ssl_conf_rng(&t->conf, on_random, p->rng);
	mbedtls_ssl_conf_authmode(&t->conf, MBEDTLS_SSL_VERIFY_REQUIRED);
	mbedtls_ssl_conf_ca_chain(&t->conf, &p->trust->list, NULL);
	mbedtls_ssl_conf_handshake_timeout(
	    &t->conf, RETRANSMIT_MIN_MS, RETRANSMIT_MAX_MS);
	/* Without a name mbedTLS would take anybody's certificate. */
	if (mbedtls_ssl_setup(&t->ssl, &t->conf) != 0 ||
	    mbedtls_ssl_set_hostname(&t->ssl, p->host) != 0)
		return -ENOMEM;
	mbedtls_ssl_set_bio(&t->ssl, t, on_send, on_receive, NULL);
	if (p->datagrams) {
		mbedtls_ssl_set_mtu(&t->ssl, DATAGRAM_MAX);
		mbedtls_ssl_set_timer_cb(&t->ssl, t, set_timer, get_timer);
	}
	return 0;
}

/* ---- what went wrong ---- */

static int
bad_certificate(struct tls *t)
{
	static const struct {
		uint32_t flag;
		const char *text;
	} rows[] = {
		{ MBEDTLS_X509_BADCERT_CN_MISMATCH, "is for another name" },
		{ MBEDTLS_X509_BADCERT_EXPIRED, "has expired" },
		{ MBEDTLS_X509_BADCERT_FUTURE, "is not valid yet" },
		{ MBEDTLS_X509_BADCERT_REVOKED, "was revoked" },
		{ MBEDTLS_X509_BADCERT_NOT_TRUSTED,
		    "is not signed by an authority that is trusted here" },
	};
	uint32_t flags = mbedtls_ssl_get_verify_result(&t->ssl);
	const char *text = "is not a right one";

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (flags & rows[i].flag) {
			text = rows[i].text;
			break;
		}
	snprintf(t->why, sizeof(t->why), "its certificate %s", text);
	return -EBADE;
}

/* Whether mbedTLS only wants to be called again. */
static bool
goes_on(int r)
{
#ifdef MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET
	if (r == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET)
		return true;
#endif
	return r == MBEDTLS_ERR_SSL_WANT_READ || r == MBEDTLS_ERR_SSL_WANT_WRITE;
}

static int
error_of(struct tls *t, int r)
{
	switch (r) {
	case 0:
		return 0;
	case MBEDTLS_ERR_SSL_TIMEOUT:
		return -ETIMEDOUT;
	case MBEDTLS_ERR_SSL_ALLOC_FAILED:
		return -ENOMEM;
	case MBEDTLS_ERR_X509_CERT_VERIFY_FAILED:
		return bad_certificate(t);
	case MBEDTLS_ERR_SSL_CONN_EOF:
	case MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY:
		snprintf(t->why, sizeof(t->why), "it closed the connection");
		return -ECONNRESET;
	default: /* of mbedTLS */
		snprintf(t->why, sizeof(t->why),
		    "no agreement on a protected connection (mbedTLS -0x%04x)",
		    (unsigned)-r);
		return -EPROTO;
	}
}

/* ---- the machine ---- */

static int
shake_hands(struct tls *t)
{
	int r;

	if (t->open)
		return 0;
	r = mbedtls_ssl_handshake(&t->ssl);
	t->open = r == 0;
	return goes_on(r) ? 0 : error_of(t, r);
}

int
tls_new(const struct tls_params *p, msec_t now, struct tls **ret)
{
	_cleanup_(tls_freep) struct tls *t = calloc(1, sizeof(*t));
	int r;

	if (!t)
		return -ENOMEM;
	t->datagrams = p->datagrams;
	t->now = now;
	t->due_at = MSEC_NEVER;
	mbedtls_ssl_init(&t->ssl);
	mbedtls_ssl_config_init(&t->conf);
	r = set_up(t, p);
	if (r == 0)
		r = shake_hands(t);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(t);
	return 0;
}

struct tls *
tls_free(struct tls *t)
{
	if (!t)
		return NULL;
	mbedtls_ssl_free(&t->ssl);
	mbedtls_ssl_config_free(&t->conf);
	crypto_wipe(t, sizeof(*t));
	free(t);
	return NULL;
}

int
tls_feed(struct tls *t, const void *bytes, size_t len, msec_t now)
{
	t->now = now;
	if (t->in_at < t->in_len || len > sizeof(t->in))
		return -ENOBUFS;
	memcpy(t->in, bytes, len);
	t->in_at = 0;
	t->in_len = len;
	return shake_hands(t);
}

msec_t
tls_due(const struct tls *t)
{
	return t->open ? MSEC_NEVER : t->due_at;
}

int
tls_tick(struct tls *t, msec_t now)
{
	t->now = now;
	return now < tls_due(t) ? 0 : shake_hands(t);
}

bool
tls_is_open(const struct tls *t)
{
	return t->open;
}

int
tls_write(struct tls *t, const void *bytes, size_t len)
{
	int n;

	/* A record is written whole or not at all: mbedTLS would want the same bytes
	 * again. */
	if (!t->open || len > OUTPUT_MAX / 2 || t->out_len > OUTPUT_MAX / 4)
		return -ENOBUFS;
	n = mbedtls_ssl_write(&t->ssl, bytes, len);
	return n == (int)len ? 0 : -EPROTO;
}

ssize_t
tls_read(struct tls *t, void *buf, size_t size)
{
	int n;

	if (!t->open)
		return 0;
	do
		n = mbedtls_ssl_read(&t->ssl, buf, size);
	while (goes_on(n) && t->in_at < t->in_len);
	if (n > 0)
		return n;
	if (n == 0) {
		snprintf(t->why, sizeof(t->why), "it closed the connection");
		return -ECONNRESET;
	}
	return goes_on(n) ? 0 : error_of(t, n);
}

void
tls_goodbye(struct tls *t)
{
	if (t->open)
		mbedtls_ssl_close_notify(&t->ssl);
}

size_t
tls_output(const struct tls *t, const uint8_t **ret)
{
	if (t->out_len == 0)
		return 0;
	*ret = t->out + (t->datagrams ? PREFIX : 0);
	return t->datagrams ? wire_get_u16(t->out) : t->out_len;
}

void
tls_sent(struct tls *t, size_t n)
{
	if (t->datagrams && t->out_len)
		n = (size_t)PREFIX + wire_get_u16(t->out);
	n = MIN(n, t->out_len);
	t->out_len -= n;
	memmove(t->out, t->out + n, t->out_len);
}

const char *
tls_why(const struct tls *t)
{
	return t->why;
}
