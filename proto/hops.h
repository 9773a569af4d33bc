/*
 * hops.h - how many translators there are, without asking any of them: packets that
 * live for one hop or two.
 *
 * The address that STUN servers see belongs to the last translator.  A packet to it
 * that lives for one hop arrives if that is the first router; else it ends there, as
 * one to anywhere else does, and the router says so by ICMP.  So the first case means
 * one translator; in the second one the next hop's address tells whether it is the
 * carrier who translates.  A router that ends packets without a word leaves it unknown.
 *
 * IPv4 only.  Pure: time is an argument.
 */
#pragma once

#include <stdbool.h>

#include "proto/addr.h"
#include "proto/behavior.h"
#include "proto/util.h"

#define HOPS_ROUNDS 6
#define HOPS_ROUND_MS 150
#define HOPS_GRACE_MS 300

/* In the order in which they are sent: what is compared comes after. */
enum hops_probe {
	HOPS_SEEN,   /* one hop, to the address that is seen */
	HOPS_FIRST,  /* one hop, to a server */
	HOPS_SECOND, /* two hops, to a server */
	HOPS_PROBES
};

/* 1 or 2. */
int hops_ttl(enum hops_probe probe);

/* What came back by ICMP. */
enum hops_answer {
	HOPS_ENDED,       /* time exceeded */
	HOPS_UNREACHABLE, /* it arrived, and nobody listens */
};

/* Members are for reading. */
struct hops {
	struct addr seen; /* the address in question */
	unsigned round, burst;
	bool arrived, over;
	unsigned ended[HOPS_PROBES]; /* how many of them */
	struct addr at[HOPS_PROBES]; /* where; ADDR_NONE: not known */
	msec_t next_at;
};

enum hops_act { HOPS_WAIT, HOPS_SEND, HOPS_DONE /* once */ };

void hops_init(struct hops *h, const struct addr *seen, msec_t now);

/* To be called until it is not HOPS_SEND, and again at h->next_at. */
enum hops_act hops_next(struct hops *h, msec_t now, enum hops_probe *ret);

/* from: who sent the ICMP error. */
void hops_heard(struct hops *h, enum hops_probe probe, enum hops_answer answer,
    const struct addr *from);

/* Fills in what is unknown in *path. */
void
hops_verdict(const struct hops *h, const struct addr *host, struct behavior_path *path);
