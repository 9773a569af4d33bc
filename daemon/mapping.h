/*
 * mapping.h - one wanted mapping: what was asked, by whom, and where it is held.
 *
 * The wanted state of the daemon is the list of these.  Who asks or releases changes
 * only this list; the engine compares it with what gateways hold.
 */
#pragma once

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "proto/addr.h"
#include "proto/router.h"
#include "proto/types.h"

#define MAPPING_ID_MAX 24
#define MAPPING_DESCRIPTION_MAX 128

struct gateway;
struct engine;

/* What was asked: org.natd.NAT.MappingContext; absent values as in the comments. */
struct mapping_context {
	unsigned transports; /* mask of 1 << enum transport, not empty */
	bool router_chooses; /* internalPort null */
	uint16_t internal_port;
	struct addr internal;     /* ADDR_NONE: this host's address on the uplink */
	enum addr_family family;  /* ADDR_NONE: IPv4 where there is IPv4, else IPv6 */
	char ifname[IF_NAMESIZE]; /* "": the uplink with the default route */
	struct addr gateway;      /* ADDR_NONE: any; without a scope, which is ifname's:
				     it is compared with that of uplinks, and kept */
	uint16_t external_port;   /* 0: no wish */
	bool prefer_failure;
	uint32_t lifetime_s; /* 0: the configured one */
	enum persistence persistence;
	char description[MAPPING_DESCRIPTION_MAX];
	unsigned methods_count; /* 0: the configured ones */
	enum method methods[METHOD_MAX];
};

/* Which router, so that a lease found again is known to be the same one's. */
struct gateway_identity {
	struct addr gateway, local;
	char ifname[IF_NAMESIZE];
	uint8_t mac[8], mac_len;
};

/* Told of every change of one mapping, and at last of its removal. */
struct mapping_watcher {
	struct mapping_watcher *next;
	void (*changed)(struct mapping_watcher *w, bool removed);
	bool untold;
};

/* What the log said last. */
struct reported {
	bool any;
	enum mapping_state state;
	struct endpoint external;
	bool again; /* asked for anew since: that it is there again is to be said */
	unsigned losses; /* of the lease, so far */
};

/* What was wanted and held until a request changed it. */
struct mapping_before {
	bool known;
	struct mapping_context context;
	msec_t wanted_until;
};

/* org.natd.NAT.Reachability, in its order. */
enum reachability { REACHABILITY_UNKNOWN, REACHABILITY_OPEN, REACHABILITY_CLOSED };

const char *reachability_name(enum reachability r);

#define PROOF_PLACES 4 /* where a STUN server's answers come from */

/* What was proven from outside, and of which endpoint. */
struct proof {
	enum reachability reachability;
	struct endpoint external;
	msec_t let_in_at[PROOF_PLACES]; /* an answer from there; 0: never */
	bool made_anew; /* because it was closed; not again until it was open */
};

/* Why it is not wanted any more. */
enum mapping_end {
	MAPPING_END_RELEASED, /* somebody said so, or took back what was refused */
	MAPPING_END_OWNER,    /* the last connection that held it closed */
	MAPPING_END_LIFETIME,
	MAPPING_END_CONFIG, /* its section changed or went */
};

enum mapping_origin { MAPPING_BY_CALL, MAPPING_BY_CONFIG };

struct mapping {
	struct mapping *next;
	char id[MAPPING_ID_MAX];
	enum mapping_origin origin;
	char name[64]; /* of the [Mapping] section */
	struct mapping_context context;
	struct mapping_before before; /* wanted again if the change is refused */
	uid_t uid;
	pid_t pid;
	uint8_t nonce[PCP_NONCE_LEN];
	/* persistence lease; MSEC_NEVER: until released; releasing: until it is gone,
	 * confirmed or not */
	msec_t wanted_until;
	unsigned holders; /* connections that keep a connection mapping alive */
	bool releasing;
	enum mapping_end end; /* of one that is releasing */
	bool waits;     /* until what its router deletes of the same port is gone */
	bool abandoned; /* its router went away, nobody was told yet */
	int64_t created_realtime_us,
	    created_boottime_us; /* when first active; 0: never */

	/* Where it is, or was last. */
	struct gateway *gateway; /* NULL: suspended */
	struct lease *lease;
	msec_t asked_at;

	/* Another number is asked for while it keeps the one it has; then, while that
	 * is told, why it is not to be had. */
	struct lease *bid;
	struct lease_problem lost;

	/* The same at the carrier's PCP server: behind: of the number that lease has
	 * on the router, else instead of lease. */
	struct gateway *carrier; /* NULL: it needs none */
	struct lease *outer;
	bool behind;
	bool awaited; /* the first verdict waits for it ... */
	msec_t awaited_until;
	uint16_t outer_port; /* it had last, or 0 */

	bool was_held;
	struct lease_held
	    last; /* held, or held last: asked again with the same number */
	struct gateway_identity last_on;
	bool unnoted; /* what a crash must not lose is not in the state file yet */

	struct proof proof;

	/* What was told last, to tell news from repetition. */
	unsigned told_renewals;
	bool told_held;
	struct reported reported;
	struct mapping_watcher *watchers;
};

/* They share a transport and name the same port inside. */
bool
mapping_same_port(const struct mapping_context *a, const struct mapping_context *b);
/* The same address, family, interface and gateway were asked for. */
bool
mapping_same_place(const struct mapping_context *a, const struct mapping_context *b);

bool
mapping_same_methods(const struct mapping_context *a, const struct mapping_context *b);
/* The same number was wished for, by the same methods. */
bool
mapping_same_number(const struct mapping_context *a, const struct mapping_context *b);

/* SUSPENDED without a gateway, else as the lease says; with what the carrier's server
 * holds for it, the external endpoint is the one there. */
void mapping_status(const struct mapping *m, struct lease_status *ret);

/* What it holds is left on the router while natd is away, until its lease ends. */
bool mapping_outlives_natd(const struct mapping *m);

/* Where it led to inside, of one that is released and held by nobody any more; false:
 * it is another one, or was never held. */
bool mapping_left(const struct mapping *m, struct endpoint *ret);

/* As proven, if that was of what it holds now. */
enum reachability
mapping_reachability(const struct mapping *m, const struct lease_status *st);

void mapping_watch(struct mapping *m, struct mapping_watcher *w);
void mapping_unwatch(struct mapping *m, struct mapping_watcher *w);
/* Tells all watchers; they may leave meanwhile. */
void mapping_tell(struct mapping *m, bool removed);
