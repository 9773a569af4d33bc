/*
 * stun_tls.c - TLS and DTLS over a connected socket, by mbedTLS 2.28 and 3.6.
 */
#include "ctl/stun_tls.h"

#include <errno.h>
#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/net_sockets.h>
#include <mbedtls/ssl.h>
#include <mbedtls/timing.h>
#include <mbedtls/version.h>
#include <mbedtls/x509_crt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
#include <psa/crypto.h>
#endif

#include "ctl/client.h"

#define AUTHORITIES "/etc/ssl/certs/ca-certificates.crt"
#define RETRANSMIT_MIN_MS 250
#define RETRANSMIT_MAX_MS 4000

struct stun_tls {
	int fd;
	msec_t deadline; /* of what is under way */
	mbedtls_ssl_context ssl;
	mbedtls_ssl_config conf;
	mbedtls_entropy_context entropy;
	mbedtls_ctr_drbg_context random;
	mbedtls_x509_crt authorities;
	mbedtls_timing_delay_context delay;
};

static char trouble[200];

const char *
stun_tls_trouble(void)
{
	return trouble;
}

/* ---- the socket ---- */

static int
wait_for(struct stun_tls *t, short what, msec_t most_ms)
{
	struct pollfd p = { .fd = t->fd, .events = what };
	msec_t left = MIN(t->deadline - client_now(), most_ms);

	return left > 0 && poll(&p, 1, (int)MIN(left, 60 * MSEC_PER_SEC)) > 0;
}

static int
on_send(void *ctx, const unsigned char *buf, size_t len)
{
	struct stun_tls *t = ctx;
	ssize_t n = send(t->fd, buf, len, MSG_NOSIGNAL);

	if (n < 0 && errno == EAGAIN && wait_for(t, POLLOUT, MSEC_NEVER))
		n = send(t->fd, buf, len, MSG_NOSIGNAL);
	if (n >= 0)
		return (int)n;
	return errno == EAGAIN ? MBEDTLS_ERR_SSL_WANT_WRITE
			       : MBEDTLS_ERR_NET_SEND_FAILED;
}

/* timeout_ms 0: as long as the deadline allows. */
static int
on_receive(void *ctx, unsigned char *buf, size_t size, uint32_t timeout_ms)
{
	struct stun_tls *t = ctx;
	ssize_t n;

	if (!wait_for(t, POLLIN, timeout_ms ? (msec_t)timeout_ms : MSEC_NEVER))
		return MBEDTLS_ERR_SSL_TIMEOUT;
	n = recv(t->fd, buf, size, 0);
	if (n > 0)
		return (int)n;
	if (n == 0)
		return MBEDTLS_ERR_SSL_CONN_EOF;
	return errno == EAGAIN ? MBEDTLS_ERR_SSL_WANT_READ
			       : MBEDTLS_ERR_NET_RECV_FAILED;
}

/* ---- setting up ---- */

static int
set_versions(struct stun_tls *t)
{
#if MBEDTLS_VERSION_NUMBER >= 0x03020000
	mbedtls_ssl_conf_min_tls_version(&t->conf, MBEDTLS_SSL_VERSION_TLS1_2);
	/* TLS 1.3 of mbedTLS works through PSA only. */
	return psa_crypto_init() == PSA_SUCCESS ? 0 : -EIO;
#else
	mbedtls_ssl_conf_min_version(
	    &t->conf, MBEDTLS_SSL_MAJOR_VERSION_3, MBEDTLS_SSL_MINOR_VERSION_3);
	return 0;
#endif
}

static int
set_authorities(struct stun_tls *t)
{
	const char *file = getenv("SSL_CERT_FILE");

	if (!file || !*file)
		file = AUTHORITIES;
	if (mbedtls_x509_crt_parse_file(&t->authorities, file) < 0 ||
	    t->authorities.version == 0) {
		snprintf(trouble, sizeof(trouble),
		    "there are no authorities to check its certificate with in %s",
		    file);
		return -ENOENT;
	}
	mbedtls_ssl_conf_ca_chain(&t->conf, &t->authorities, NULL);
	return 0;
}

static int
set_up(struct stun_tls *t, bool datagrams, const char *host)
{
	int r;

	if (mbedtls_ctr_drbg_seed(
		&t->random, mbedtls_entropy_func, &t->entropy, NULL, 0) != 0 ||
	    mbedtls_ssl_config_defaults(&t->conf, MBEDTLS_SSL_IS_CLIENT,
		datagrams ? MBEDTLS_SSL_TRANSPORT_DATAGRAM
			  : MBEDTLS_SSL_TRANSPORT_STREAM,
		MBEDTLS_SSL_PRESET_DEFAULT) != 0)
		return -EIO;
	mbedtls_ssl_conf_rng(&t->conf, mbedtls_ctr_drbg_random, &t->random);
	mbedtls_ssl_conf_authmode(&t->conf, MBEDTLS_SSL_VERIFY_REQUIRED);
	mbedtls_ssl_conf_handshake_timeout(
	    &t->conf, RETRANSMIT_MIN_MS, RETRANSMIT_MAX_MS);
	r = set_versions(t);
	if (r == 0)
		r = set_authorities(t);
	if (r < 0)
		return r;
	/* Without a name mbedTLS would take anybody's certificate. */
	if (mbedtls_ssl_setup(&t->ssl, &t->conf) != 0 ||
	    mbedtls_ssl_set_hostname(&t->ssl, host) != 0)
		return -EIO;
	mbedtls_ssl_set_bio(&t->ssl, t, on_send, NULL, on_receive);
	mbedtls_ssl_set_timer_cb(
	    &t->ssl, &t->delay, mbedtls_timing_set_delay, mbedtls_timing_get_delay);
	return 0;
}

/* ---- what went wrong ---- */

static int
bad_certificate(struct stun_tls *t)
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
	snprintf(trouble, sizeof(trouble), "its certificate %s", text);
	return -EBADE;
}

static int
handshake_error(struct stun_tls *t, int r)
{
	switch (r) {
	case MBEDTLS_ERR_SSL_TIMEOUT:
		return -ETIMEDOUT;
	case MBEDTLS_ERR_X509_CERT_VERIFY_FAILED:
		return bad_certificate(t);
	case MBEDTLS_ERR_NET_SEND_FAILED:
	case MBEDTLS_ERR_NET_RECV_FAILED:
		return errno ? -errno : -EIO;
	case MBEDTLS_ERR_SSL_CONN_EOF:
		snprintf(trouble, sizeof(trouble), "it closed the connection");
		return -ECONNRESET;
	default: /* of mbedTLS */
		snprintf(trouble, sizeof(trouble),
		    "no agreement on a protected connection (mbedTLS -0x%04x)",
		    (unsigned)-r);
		return -EPROTO;
	}
}

static bool
goes_on(int r)
{
	return r == MBEDTLS_ERR_SSL_WANT_READ || r == MBEDTLS_ERR_SSL_WANT_WRITE;
}

int
stun_tls_open(
    int fd, bool datagrams, const char *host, msec_t deadline, struct stun_tls **ret)
{
	struct stun_tls *t = calloc(1, sizeof(*t));
	int r;

	if (!t)
		return -ENOMEM;
	trouble[0] = '\0';
	t->fd = fd;
	t->deadline = deadline;
	mbedtls_ssl_init(&t->ssl);
	mbedtls_ssl_config_init(&t->conf);
	mbedtls_entropy_init(&t->entropy);
	mbedtls_ctr_drbg_init(&t->random);
	mbedtls_x509_crt_init(&t->authorities);
	r = set_up(t, datagrams, host);
	if (r == 0) {
		do
			r = mbedtls_ssl_handshake(&t->ssl);
		while (goes_on(r) && client_now() < deadline);
		if (goes_on(r))
			r = MBEDTLS_ERR_SSL_TIMEOUT;
		if (r != 0)
			r = handshake_error(t, r);
	}
	if (r < 0) {
		stun_tls_close(t);
		return r;
	}
	*ret = t;
	return 0;
}

struct stun_tls *
stun_tls_close(struct stun_tls *t)
{
	if (!t)
		return NULL;
	t->deadline = 0; /* nobody waits for the goodbye */
	mbedtls_ssl_close_notify(&t->ssl);
	mbedtls_ssl_free(&t->ssl);
	mbedtls_ssl_config_free(&t->conf);
	mbedtls_x509_crt_free(&t->authorities);
	mbedtls_ctr_drbg_free(&t->random);
	mbedtls_entropy_free(&t->entropy);
	free(t);
	return NULL;
}

int
stun_tls_send(struct stun_tls *t, const uint8_t *buf, size_t len)
{
	int n;

	/* One small message is one record. */
	do
		n = mbedtls_ssl_write(&t->ssl, buf, len);
	while (goes_on(n) && client_now() < t->deadline);
	return n < 0 ? -ECONNRESET : 0;
}

ssize_t
stun_tls_receive(struct stun_tls *t, uint8_t *buf, size_t size, msec_t deadline)
{
	int n;

	t->deadline = deadline;
	do
		n = mbedtls_ssl_read(&t->ssl, buf, size);
	while (goes_on(n) && client_now() < deadline);
	if (n > 0)
		return n;
	if (n == MBEDTLS_ERR_SSL_TIMEOUT || goes_on(n))
		return -ETIMEDOUT;
	return -ECONNRESET;
}
