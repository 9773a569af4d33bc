/*
 * stun_ask.h - one question to a STUN server from here, without natd.
 */
#pragma once

#include "proto/stun_client.h"
#include "proto/stun_uri.h"

#define STUN_SOFTWARE_MAX 128
#define STUN_WHY_MAX 160

struct stun_question {
	struct stun_uri server;
	enum stun_transport transport;
	enum addr_family family; /* ADDR_NONE: both, the first to answer */
	msec_t patience_ms;
};

struct stun_found {
	struct endpoint server, local, reflexive;
	struct endpoint other; /* OTHER-ADDRESS (RFC 5780), or ADDR_NONE */
	msec_t round_trip_ms;  /* -1: not known */
	bool rewritten;
	char software[STUN_SOFTWARE_MAX]; /* printable, or "" */
};

/* 0; -ETIMEDOUT: no answer in time; or another -errno.  With an error why says what is
 * the matter, as the end of a sentence. */
int stun_ask(const struct stun_question *q, struct stun_found *ret,
    char why[static STUN_WHY_MAX]);
