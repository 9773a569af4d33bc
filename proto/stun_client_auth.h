/*
 * stun_client_auth.h - the client's side of STUN authentication (RFC 8489 sections 9.1
 * and 9.2): what goes into a request, and what an answer is worth.
 *
 * One object per server ("same IP address and port number").  Around each request:
 *
 *	stun_begin(), the request's own attributes
 *	stun_client_auth_put()		USERNAME, NONCE, ..., integrity
 *	stun_put_fingerprint(), stun_end()
 *
 * and for each answer with the id of the request, stun_client_auth_check().
 */
#pragma once

#include "proto/stun_auth.h"
#include "proto/util.h"

enum stun_auth_verdict {
	/* The answer is the server's, as far as the mechanism can tell. */
	STUN_AUTH_ACCEPT,
	/* Make the request anew, with another id: there is a nonce for it now. */
	STUN_AUTH_RETRY,
	/* As if it had not come.  Over UDP go on waiting; if nothing better comes, or
	 * over TCP at once: "integrity protection was violated". */
	STUN_AUTH_IGNORE,
	/* Do not ask again: see stun_client_auth_why(). */
	STUN_AUTH_FAIL,
};

/* Why a client gave up, 0 before. */
enum stun_auth_why {
	STUN_AUTH_FINE = 0,
	STUN_AUTH_REFUSED,      /* the server does not know name and password */
	STUN_AUTH_TOO_OFTEN,    /* stale nonces without end */
	STUN_AUTH_INCOMPLETE,   /* a challenge without realm or nonce */
	STUN_AUTH_BID_DOWN,     /* somebody took the password algorithms out of it */
	STUN_AUTH_NO_ALGORITHM, /* the server wants one that we do not know */
	STUN_AUTH_BROKEN,       /* no key can be made of its realm, or out of memory */
	STUN_AUTH_WHY_MAX
};

struct stun_client_auth;

/* Short-term: the name as the peers agreed on it.  Returns 0; -EINVAL, -EILSEQ,
 * -ENOBUFS: a name or password that is no OpaqueString, or a name longer than
 * STUN_USERNAME_MAX; -ENOMEM; -EIO. */
int stun_client_auth_new_short_term(
    const char *username, const char *password, struct stun_client_auth **ret);

/* Long-term: starts without credentials, and waits to be asked for them. */
int stun_client_auth_new_long_term(
    const char *username, const char *password, struct stun_client_auth **ret);

/* Wipes; NULL is fine.  Returns NULL. */
struct stun_client_auth *stun_client_auth_free(struct stun_client_auth *auth);
DEFINE_FREEP(stun_client_auth)

/* The last attributes but FINGERPRINT; nothing in the first request of long-term
 * credentials. */
void stun_client_auth_put(struct stun_client_auth *auth, struct stun_out *out);

/* To be called once for each answer that was not heard before; keeps what it says of
 * realm, nonce and algorithms. */
enum stun_auth_verdict
stun_client_auth_check(struct stun_client_auth *auth, const struct stun_msg *answer);

enum stun_auth_why stun_client_auth_why(const struct stun_client_auth *auth);

/* In words. */
const char *stun_auth_why_text(enum stun_auth_why why);
