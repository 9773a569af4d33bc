/*
 * stun_server_auth.h - the server's side of STUN authentication (RFC 8489 sections 9.1
 * and 9.2), without state per client.
 *
 * A nonce is its time and an HMAC over it and the client's address, so a client who
 * sends one back proves that it receives at its address, and nothing is remembered.
 */
#pragma once

#include "proto/stun_auth.h"
#include "proto/util.h"

#define STUN_NONCE_SECRET_LEN 32

struct stun_server_auth;

/* How the answer to an authenticated request has to be signed; borrowed from the
 * server's credentials.  Of zeros: not at all. */
struct stun_grant {
	struct crypto_mac *sha1, *sha256; /* one of them, or none */
};

/* Short-term: names and passwords without realm.  0, -ENOMEM, -EIO. */
int stun_server_auth_new_short_term(struct stun_server_auth **ret);

/*
 * Long-term: for one realm, with nonces good for nonce_life.  secret: from
 * getrandom(2), the caller's to wipe.  Returns 0; -EINVAL, -EILSEQ, -ENOBUFS: a realm
 * that is no OpaqueString, or longer than may be sent; -ENOMEM; -EIO.
 */
int stun_server_auth_new_long_term(const char *realm,
    const uint8_t secret[static STUN_NONCE_SECRET_LEN], msec_t nonce_life,
    struct stun_server_auth **ret);

/* Wipes; NULL is fine.  Returns NULL. */
struct stun_server_auth *stun_server_auth_free(struct stun_server_auth *auth);
DEFINE_FREEP(stun_server_auth)

/* Returns 0; -EEXIST; -EINVAL, -EILSEQ, -ENOBUFS: a name or password that is no
 * OpaqueString, or a name longer than STUN_USERNAME_MAX; -ENOMEM; -EIO. */
int stun_server_auth_add(
    struct stun_server_auth *auth, const char *username, const char *password);

/*
 * Checks a request that came from there, in the order of 9.1.3 or 9.2.4.  Returns 0 and
 * what signs the answer, or the code of the error to answer an unsigned request with:
 * 400, 401 or 438.  An indication is discarded instead (9.1.3).
 */
uint16_t
stun_server_auth_check(struct stun_server_auth *auth, const struct stun_msg *request,
    const struct endpoint *from, msec_t now, struct stun_grant *ret);

/* What a 401 or 438 must have besides ERROR-CODE: REALM, NONCE, PASSWORD-ALGORITHMS.
 * Nothing for short-term credentials. */
void stun_server_auth_put_challenge(struct stun_server_auth *auth, struct stun_out *out,
    const struct endpoint *to, msec_t now);

/* Signs an answer: its last attribute but FINGERPRINT. */
void stun_grant_put(const struct stun_grant *grant, struct stun_out *out);
