/*
 * stun_auth.h - credentials of STUN (RFC 8489 section 9): keys, USERHASH, the features
 * in a nonce, password algorithms.
 *
 * What a client does with them is in stun_client_auth.h, a server in
 * stun_server_auth.h. Names and passwords go through OpaqueString (precis.h) here;
 * callers hand them over as people wrote them.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/crypto.h"
#include "proto/stun_attr.h"

#define STUN_USERNAME_MAX 508 /* bytes (14.3) */
#define STUN_REALM_MAX 763    /* bytes, as received (14.9) */
#define STUN_NONCE_MAX 763
#define STUN_USERHASH_LEN 32

/* RFC 8489 section 18.5. */
enum stun_algorithm {
	STUN_ALGORITHM_MD5 = 1,
	STUN_ALGORITHM_SHA256 = 2,
};

/* A password ready for both integrity attributes; owned. */
struct stun_key {
	struct crypto_mac *sha1, *sha256;
};

#define STUN_KEY_NONE     \
	(struct stun_key) \
	{                 \
		0         \
	}

/* The short-term key (9.1.1).  Returns 0; -EINVAL, -EILSEQ, -ENOBUFS: a password that
 * is no OpaqueString; -ENOMEM; -EIO. */
int stun_key_short_term(const char *password, struct stun_key *ret);

/*
 * The long-term key (9.2.2, 18.5.1).  realm as in REALM: quotes around it and zeros
 * behind it do not count; it may be empty, as some servers send it.  The same errors.
 */
int stun_key_long_term(enum stun_algorithm algorithm, const char *username,
    const void *realm, size_t realm_len, const char *password, struct stun_key *ret);

/* Wipes and frees; a key of zeros is fine. */
void stun_key_done(struct stun_key *key);

/* What USERHASH carries (14.4).  The same errors. */
int stun_userhash(const char *username, const void *realm, size_t realm_len,
    uint8_t ret[static STUN_USERHASH_LEN]);

/* ---- the nonce cookie (9.2, 18.1) ---- */

enum {
	STUN_FEATURE_ALGORITHMS = 1, /* password algorithms */
	STUN_FEATURE_ANONYMITY = 2,  /* USERHASH */
};

#define STUN_NONCE_COOKIE_LEN 13

/*
 * Which features the server has.  Section 18.1 counts bits from the left; erratum 6290
 * from the right, and servers of both kinds are out there: either is understood.
 * Returns 0, or -ENODATA: no cookie, the server is older than RFC 8489.
 */
int stun_nonce_features(const void *nonce, size_t len, unsigned *ret);

/* Writes the cookie, bits as in erratum 6290; not terminated. */
void stun_nonce_cookie(unsigned features, char ret[static STUN_NONCE_COOKIE_LEN]);

/* ---- PASSWORD-ALGORITHMS and PASSWORD-ALGORITHM (14.11, 14.12) ---- */

/* What we know, the better first. */
#define STUN_ALGORITHMS_LEN 8
extern const uint8_t stun_algorithms[STUN_ALGORITHMS_LEN];

/* The first in the list that we know.  0; -EBADMSG: the list is broken; -ENOTSUP: we
 * know none of them. */
int stun_algorithms_choose(const uint8_t *list, size_t len, enum stun_algorithm *ret);

/* PASSWORD-ALGORITHM: one of the list, with its parameters.  0, -EBADMSG, -ENOTSUP. */
int stun_algorithm_read(const uint8_t *value, size_t len, enum stun_algorithm *ret);
void stun_put_algorithm(struct stun_out *out, enum stun_algorithm algorithm);
