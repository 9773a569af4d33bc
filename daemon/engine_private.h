/*
 * engine_private.h - the structs that the files of the engine share: engine.c (life,
 * observers), engine_conf.c (what natd.conf wants), wish.c (what calls want),
 * bid.c (another number for what is held), reconcile.c (wanted against held), holding.c
 * (leases), tombstone.c (what may be left), leaving.c (routers that are no uplinks),
 * carrier.c (PCP servers behind the uplink's own router), persist.c (the state file).
 */
#pragma once

#include "daemon/engine.h"
#include "daemon/hear.h"
#include "daemon/state.h"

/* Every named uplink with both families, and default routes. */
#define GATEWAYS_MAX (2 * CONF_UPLINKS_MAX + 32)
_Static_assert(CONF_UPLINKS_MAX <= NETMON_NAMED_MAX, "each [Uplink] can be watched");
#define LEAVING_MAX 16
#define SAVE_DELAY_MS 100
#define SAVE_RETRY_MS (60 * MSEC_PER_SEC)
/* Who released a mapping is not kept waiting longer for a router that does not answer.
 */
#define RELEASE_MS (3 * MSEC_PER_SEC)
/* What could not be done for lack of memory is tried again after this. */
#define NO_MEMORY_MS 100

/*
 * A lease on a gateway: of a mapping, or of nobody any more (then it is being deleted).
 * With lease NULL it is a tombstone: something of ours that may still be on a router
 * which is away; it is deleted when that router comes back, or forgotten at its end.
 */
struct holding {
	struct holding *next;
	struct engine *engine;
	struct mapping *mapping; /* NULL: nobody's */
	struct gateway *gateway; /* NULL: tombstone */
	struct lease *lease;
	struct gateway_identity on;
	struct lease_want want; /* tombstone: to delete with the same nonce */
	struct lease_held held; /* granted last; a guess: asked for, no answer yet */
	bool bid;         /* for another number of the mapping's, not what it holds */
	bool outer;       /* of the mapping's outer lease, at the carrier's server */
	unsigned denials; /* of a tombstone: how often the router did not confirm */
	msec_t again_at;  /* not tried again before, while it stays up */
};

/*
 * A PCP server of the carrier behind the router of an uplink, as a gateway of its own.
 * On demand: there while a mapping needs it or something is held there.
 */
struct carrier {
	struct carrier *next;
	struct gateway *inner, *gateway;
	bool used; /* in this turn */
};

enum gateway_role {
	GATEWAY_UPLINK,
	GATEWAY_LEFT, /* no uplink */
	GATEWAY_CARRIER,
};

/* What is kept about a router: by address and MAC. */
struct habit {
	struct habit *next;
	struct gateway_identity on;
	struct router_habits habits;
};

struct engine {
	struct loop *loop;
	const struct conf *conf;
	struct netmon *net;
	struct state *state;
	struct hear *hear;
	struct event *net_event;
	struct timer reconcile_timer, save_timer, debounce_timer, shutdown_timer;

	struct mapping *mappings;
	unsigned next_id;
	struct holding *holdings;
	struct habit *habits;
	struct gateway *gateways[GATEWAYS_MAX];
	size_t gateways_count;
	/* No uplinks, but they can be told to delete what moved on, or will be
	 * elsewhere. */
	struct gateway *leaving[LEAVING_MAX];
	size_t leaving_count;
	struct carrier *carriers;
	bool uplinks_dirty, conf_dirty;
	bool no_memory; /* something of this comparison is still to be done */
	msec_t debounce_since;

	enum engine_state state_now;
	struct engine_observer *observers;
	struct engine_counters counters;
	struct engine_tracer tracer; /* step NULL: none */

	bool save_failed;
	bool stopping;
	void (*stopped)(void *ctx);
	void *stopped_ctx;
};

/* engine.c */
void engine_tell(
    struct engine *e, enum engine_event event, struct mapping *m, struct gateway *g);
/* Compare wanted and held in the next turn. */
void engine_wake(struct engine *e);
struct mapping *engine_add_mapping(struct engine *e, const char *id);
/* A new gateway tells its steps, if somebody traces. */
void engine_trace_gateway(struct engine *e, struct gateway *g);
/* Out of the list, told, freed. */
void engine_drop_mapping(struct engine *e, struct mapping *m);

/* engine_conf.c */
/* Want what the configuration says; conf_dirty stays where memory was short. */
void engine_follow_conf(struct engine *e);

/* reconcile.c */
void reconcile(struct engine *e, msec_t now);
/* The uplink the mapping should be on, NULL: none. */
struct gateway *reconcile_choose(struct engine *e, const struct mapping *m);
void reconcile_state(struct engine *e);
/* Listen to what routers announce.  0 or -errno. */
int reconcile_listen(struct engine *e);
/* Something is still being deleted or unsubscribed. */
bool reconcile_is_leaving(const struct engine *e);
/* With its habits, in no list yet; NULL: memory is short, it is tried again. */
struct gateway *reconcile_new_gateway(struct engine *e, const struct netmon_uplink *u);
/* The [Uplink] sections as netmon takes them; how many. */
size_t reconcile_named(
    const struct engine *e, struct netmon_named ret[static CONF_UPLINKS_MAX]);

/* holding.c */
extern const struct gateway_hooks holding_hooks;
void identity_of(const struct gateway *g, struct gateway_identity *ret);
/* The same router as seen from the same address. */
bool
identity_matches(const struct gateway_identity *a, const struct gateway_identity *b);
void want_of(const struct engine *e, const struct mapping *m, const struct gateway *g,
    struct lease_want *ret);
/* Whether the mapping, and the configuration, allow the method there.  What is held by
 * another one is deleted by that one before it is asked for anew. */
bool holding_may_use(const struct engine *e, const struct mapping *m,
    const struct gateway *g, enum method method);
/* In the engine's list, NULL when out of memory; out of it and freed. */
struct holding *holding_new(struct engine *e);
void holding_free(struct holding *h);
/* Ask the gateway for the mapping.  0 or -ENOMEM. */
int holding_take(struct engine *e, struct mapping *m, struct gateway *g, msec_t now);
/* Let go: delete on the router if it is there, else leave a tombstone. */
void holding_release(struct engine *e, struct mapping *m, msec_t now);
/* The mapping's state may be another one: log it, tell it. */
void holding_tell(struct engine *e, struct mapping *m);
/* The gateway is going away without a chance to delete anything. */
void holding_abandon(struct engine *e, struct gateway *g);
/* The gateway is no uplink any more but can be reached: mappings that have another way
 * are released there, the others abandon it. */
void holding_retire(struct engine *e, struct gateway *g, msec_t now);
/* Delete what tombstones say is still on this gateway and is not needed there. */
void
holding_clean(struct engine *e, struct gateway *g, enum gateway_role role, msec_t now);
/* Whether a tombstone says that something is. */
bool holding_any_left(const struct engine *e, const struct gateway *g);
/* The router did not confirm that it is deleted. */
void holding_bury(struct holding *h, msec_t now);
/* When its router is back, it is tried again at once. */
void holding_unbury(struct holding *h);
/* Forget tombstones whose lease ended; the next end or try, or MSEC_NEVER. */
msec_t holding_expire(struct engine *e, msec_t now);
/* Whether something of ours with that internal endpoint is being deleted there. */
bool holding_busy(
    const struct engine *e, const struct lease_want *want, const struct gateway *g);
bool holding_any_releasing(const struct engine *e);
/* Whether something with this nonce may still be on a router. */
bool holding_is_left(const struct engine *e, const uint8_t *nonce);
/* The router has answered what was asked with this nonce. */
void holding_forget_guesses(
    struct engine *e, const uint8_t *nonce, const struct gateway_identity *on);
void holding_free_all(struct engine *e);
struct holding *
holding_add_tombstone(struct engine *e, const struct gateway_identity *on,
    const struct lease_want *want, const struct lease_held *held);

/* leaving.c; up: the uplinks there are */
/* The same address of a router as seen from the same address. */
bool leaving_same_place(const struct netmon_uplink *a, const struct netmon_uplink *b);
/* Takes the gateway, which is no uplink any more and in no list: it leaves, or goes at
 * once. */
void leaving_take(
    struct engine *e, struct gateway *g, const struct netmon_uplink *up, size_t count);
/* Routers that have something of ours, as tombstones say, and can be reached. */
void leaving_find(struct engine *e, const struct netmon_uplink *up, size_t count);
/* Free those that were only waited for; g: and those it takes the place of, NULL: none.
 */
void leaving_end(struct engine *e, const struct gateway *g);

/* carrier.c */
/* Whether it is a server of the carrier's, by the configuration. */
bool carrier_is_server(const struct engine *e, const struct addr *a);
/* Ask the carrier's server for what the mapping needs there, or let it go.  Returns
 * when to look again. */
msec_t carrier_follow(struct engine *e, struct mapping *m, msec_t now);
/* Let go what it holds there. */
void carrier_release(struct engine *e, struct mapping *m, msec_t now);
void carrier_renew(struct mapping *m);
/* Its outer lease is gone. */
void carrier_detach(struct mapping *m);
/* At the begin and the end of a turn: servers that nobody needs any more go. */
void carrier_begin(struct engine *e);
void carrier_end(struct engine *e, msec_t now);
/* The uplink is gone, and with it what is behind. */
void carrier_abandon(struct engine *e, const struct gateway *inner);
void carrier_free_all(struct engine *e);

/* bid.c */
/* Ask for the number that the mapping's context has now, while it keeps what it holds.
 * False: that cannot be, it has to let go first. */
bool bid_begin(struct engine *e, struct mapping *m, msec_t now);
/* Never mind, if it was asked. */
void bid_end(struct mapping *m, msec_t now);
/* The bid may be decided.  True: it is what the mapping holds now. */
bool bid_won(struct holding *h);

/* persist.c */
/* 0, or -ENOMEM: not all is known, and nothing may be saved over it. */
int persist_load(struct engine *e, msec_t now);
/* Write soon; now: in this turn, before anything is sent, and on the disk. */
void persist_later(struct engine *e);
void persist_now(struct engine *e);
/* Note this turn's mappings that are unnoted: not lost by a SIGKILL, and written soon
 * like all else. */
void persist_notes(struct engine *e);
/* Note what is about to be asked for, or what the carrier's server granted. */
void persist_holding(struct engine *e, const struct holding *h);
/* Nothing that was noted with this nonce is on any router. */
void persist_forget(struct engine *e, const uint8_t *nonce);
/* It is not wanted any more, and not to come back after a SIGKILL. */
void persist_gone(struct engine *e, const struct mapping *m);
struct router_habits
persist_habits(struct engine *e, const struct gateway_identity *on);
void persist_learn(struct engine *e, const struct gateway *g);
