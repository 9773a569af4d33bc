/*
 * router.h - one router and all that this host holds on it, sans I/O.
 *
 * Finds out what the router speaks (PCP, NAT-PMP, UPnP IGD 1 and 2, IPv6 pinholes),
 * asks it for the wanted leases by the best service, renews them at half life, notices
 * when the router lost them, and deletes them when they are no longer wanted.
 *
 * Events go in by the functions below, each with the time; then the owner calls
 * router_next() until it returns false and does what the actions say; then it arms one
 * timer for router_deadline() and calls router_timer() when it fires.  Nothing is
 * called back, nothing is freed behind the owner's back.
 *
 * The life of a lease:
 *
 *   WAITING    for a service that is being looked for, or for the time when one may be
 *              asked again.  A service is there: ASKING.
 *   ASKING     granted: HELD.  Refused or silent: the next service; with none left the
 *              verdict, and WAITING (or, with PCP and NAT-PMP, on by their schedule).
 *   HELD       renewed at half life, read back where that is possible.  Refused or
 *              silent: degraded until it lapses, then WAITING with the same number.
 *              Lost by the router: ASKING with the same number.
 *   RELEASING  until the router confirmed it or was silent, then GONE.
 *
 * RFC 6886, RFC 6887, UPnP IGD:1 and IGD:2.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/addr.h"
#include "proto/http.h"
#include "proto/pcp.h"
#include "proto/types.h"
#include "proto/util.h"
#include "proto/verdict.h"

#define ROUTER_EXCHANGES_MAX 50 /* requests under way, all services of a router */
#define ROUTER_RESTORE_PER_S 50 /* first sends of PCP and NAT-PMP requests */
#define ROUTER_SOAP_PER_S 5     /* SOAP requests in any second */
#define ROUTER_BREAKER_FAILURES 3
#define ROUTER_BREAKER_MS INT64_C(60000)
#define ROUTER_TEXT_MAX 128

struct router; /* opaque */
struct lease;  /* opaque: one wanted mapping on this router */

/* What natd learnt of a router and keeps across restarts. */
struct router_habits {
	uint8_t lease_rung; /* of the ladder 7200, 3600, 0, 604800 that it accepts */
	bool no_add_any;    /* closes or refuses AddAnyPortMapping */
	bool same_port;     /* external must equal internal port */
};

struct router_settings {
	struct addr gateway; /* link-local IPv6: with its scope; ADDR_NONE: no router,
				only METHOD_DIRECT */
	struct addr local;   /* our address towards it */
	uint64_t seed;       /* of jitter and port choice */
	unsigned methods;    /* mask of METHOD_BIT() allowed here */
	msec_t probe_ms;     /* how often a silent router with leases is looked at */
	struct router_habits habits;
};

/* What is wanted; copied. */
struct lease_want {
	unsigned transports; /* mask of 1 << enum transport; both share one number */
	struct addr
	    internal; /* the address mapped to; settings.local unless third party */
	/* The address this host had when it held the number that is suggested,
	 * ADDR_NONE: the same; and when that lease ends.  An IGD's entry that still
	 * leads there is ours and may be replaced. */
	struct addr former;
	msec_t former_ends;
	uint16_t
	    internal_port; /* 0: one number for inside and outside, router's choice */
	uint16_t external_port; /* suggested; 0: internal_port, or any */
	bool prefer_failure;    /* external_port or nothing */
	uint32_t lifetime_s;
	unsigned methods;              /* mask of allowed ones */
	enum method order[METHOD_MAX]; /* the allowed ones, best first */
	unsigned order_count;
	uint8_t nonce[PCP_NONCE_LEN]; /* random, kept for the lease's life */
	uint64_t port_seed;   /* of the numbers suggested when none is wanted or one is
				 taken: the same seed asks for the same ones again */
	char description[64]; /* printable ASCII */
};

/* What is held. */
struct lease_held {
	enum method method;
	struct addr external; /* ADDR_NONE: not known yet; not the router's own where a
				 PCP server has several */
	uint16_t external_port, internal_port;
	uint32_t lifetime_s; /* granted; 0: until deleted */
	msec_t expires_at;   /* MSEC_NEVER if lifetime_s is 0 */
	uint32_t pinhole_id[TRANSPORT_MAX];
	bool guess; /* asked for, no answer known: the ports are those asked, there are
		       no ids */
};

/* Why a lease is not active, or active in name only. */
struct lease_problem {
	bool present;
	enum method method;
	int code;         /* of the router's answer; 0: none came */
	const char *name; /* "NOT_AUTHORIZED"; "TIMEOUT"; static */
	enum remedy remedy;
	const char *hint;      /* static, or NULL */
	uint16_t offered_port; /* with prefer_failure: what it would have given */
	struct addr holder;    /* of the port, as the router's table says; ADDR_NONE: it
				  does not say */
	msec_t retry_at;       /* MSEC_NEVER: not by itself */
};

struct lease_status {
	enum mapping_state state; /* never SUSPENDED */
	bool verdict;             /* the first answer for the application is there */
	bool is_held;
	struct lease_held held;
	struct lease_problem problem;
	msec_t renew_at; /* MSEC_NEVER if none is planned */
	unsigned renewals;
	unsigned losses; /* how often it was held and no longer is, as far as known: one
			  * answer may show that and make it anew */
};

enum service_state {
	SERVICE_UNKNOWN,
	SERVICE_PROBING,
	SERVICE_AVAILABLE,
	SERVICE_ABSENT
};
enum circuit { CIRCUIT_CLOSED, CIRCUIT_OPEN, CIRCUIT_HALF_OPEN };

struct service_status {
	enum method method; /* what it is or would be: igd1 until known */
	enum service_state state;
	enum circuit circuit;
	char version[32];  /* "2", "IGD:2 WANIPConnection:2" */
	char control[192]; /* ":port/path" of the control URL for IGD, else "" */
	char reason[ROUTER_TEXT_MAX]; /* why it is absent, "" */
	bool has_epoch;
	uint32_t epoch_s;
	msec_t round_trip_us; /* of the last probe; -1: none, or too short for a clock
			 of milliseconds */
};

enum router_service {
	ROUTER_PCP,
	ROUTER_NAT_PMP,
	ROUTER_IGD,
	ROUTER_PINHOLE,
	ROUTER_SERVICES
};

struct router *router_new(const struct router_settings *settings, msec_t now);
struct router *router_free(struct router *r); /* with all leases, nothing is sent */

/* What an earlier life learnt of this router. */
void router_set_habits(struct router *r, const struct router_habits *habits);

/*
 * Other methods and another interval of looking from now on.  What is held by a method
 * that is not allowed any more stays until it is renewed or released.
 */
void router_configure(struct router *r, unsigned methods, msec_t probe_ms, msec_t now);

/* ---- wishes ---- */

/* Look what the router speaks (again, where nothing was found). */
void router_discover(struct router *r, msec_t now);

/*
 * Want a lease.  adopt: held from an earlier life, renewed at once, NULL: none.  owner
 * is handed back in actions.  NULL when out of memory.  The lease lives until
 * ROUTER_LEASE_GONE was returned for it, lease_forget() or router_free().
 */
struct lease *lease_new(struct router *r, const struct lease_want *want,
    const struct lease_held *adopt, void *owner, msec_t now);

/*
 * Delete it on the router; ROUTER_LEASE_GONE follows, at the latest after the burst.
 * That is done by the method that made it, allowed or not (it is looked for first).  Of
 * one adopted as a guess it is found out first what the router made of it: PCP and
 * NAT-PMP delete by what was asked; an IGD is asked who has that number, and its table
 * is searched if that is not this host; a pinhole is asked for again, which tells its
 * id.
 */
void lease_release(struct lease *l, msec_t now);
/* The router's table is being searched for it, which may take a while; what asks for
 * another number meanwhile is left alone. */
bool lease_searches(const struct lease *l);
/* What the request that is under way asks for, as a guess. */
void lease_asking(const struct lease *l, msec_t now, struct lease_held *ret);
/* Free it without a word to the router. */
void lease_forget(struct lease *l);
/* Renew now. */
void lease_renew(struct lease *l, msec_t now);
/*
 * It is held and forwards nothing, as was proved from outside: deleted and made anew
 * with the same number, which repairs some routers (quirk 28).  False: not now,
 * something is asked for it anyway, or there is nothing to delete.
 */
bool lease_remake(struct lease *l, msec_t now);
/* Another lifetime from the next renewal on. */
void lease_set_lifetime(struct lease *l, uint32_t lifetime_s);
/* Another wish for what it holds, from the next renewal on; the transports and where
 * inside it leads to stay. */
void lease_set_want(struct lease *l, const struct lease_want *want);
/* Other methods, in another order, from the next renewal on: those of want. */
void lease_set_methods(struct lease *l, const struct lease_want *want);

void lease_status(const struct lease *l, struct lease_status *ret);
const struct lease_want *lease_wanted(const struct lease *l);
void *lease_owner(const struct lease *l);

/* ---- events ---- */

/* A datagram from gateway:5351 on the socket of ROUTER_SEND. */
void router_datagram(struct router *r, const uint8_t *buf, size_t len, msec_t now);
/* ICMP says nobody listens there. */
void router_unreachable(struct router *r, msec_t now);
/* Something hints at a restart (multicast announcement, new MAC, carrier, resume from
 * suspend): look now, or as soon as the limit for all hints allows.  Believed only as
 * far as the answers go. */
void router_hint(struct router *r, msec_t now);
/* An SSDP answer or NOTIFY that came from this address. */
void router_ssdp(
    struct router *r, const struct addr *from, const char *buf, size_t len, msec_t now);
/* The HTTP exchange of that id ended: error 0 with the response (borrowed), or
 * -ECONNREFUSED, -ECONNRESET, -ETIMEDOUT, -EBADMSG, ...  Unknown ids are ignored. */
void router_http(struct router *r, unsigned id, int error,
    const struct http_response *response, msec_t now);
void router_timer(struct router *r, msec_t now);

/* ---- events of UPnP (GENA), IPv4 only ---- */

/*
 * Whether the router's events are wanted while leases are held; not until this is said.
 * The owner then keeps a listener for as long as router_expects_events() is true, tells
 * where it is by router_set_callback(), and hands in what the gateway (nobody else)
 * sends there.  When they are not wanted any more, UNSUBSCRIBE is one of the next
 * actions.
 */
void router_want_events(struct router *r, bool want, msec_t now);
bool router_expects_events(const struct router *r);
/* TCP port on settings.local; secret: random, the path by which a NOTIFY is ours. */
void router_set_callback(struct router *r, uint16_t port, uint64_t secret, msec_t now);
/* One whole request.  Returns the HTTP status to answer, for gena_encode_answer(). */
int router_event(struct router *r, const char *buf, size_t len, msec_t now);

/* ---- actions ---- */

enum router_action_kind {
	ROUTER_SEND,             /* buf to gateway:5351 */
	ROUTER_SEARCH_UNICAST,   /* buf to gateway:1900 */
	ROUTER_SEARCH_MULTICAST, /* buf to 239.255.255.250:1900 or [ff02::c]:1900 */
	ROUTER_HTTP,             /* buf to gateway:port as one write; router_http(id) */
	ROUTER_LEASE_CHANGED,    /* lease_status() is new */
	ROUTER_LEASE_GONE,       /* the lease is freed by the next router call */
	ROUTER_SERVICES_CHANGED,
	ROUTER_EXTERNAL_CHANGED, /* router_external() is new */
	ROUTER_RESTARTED,        /* it lost its table; leases are being restored */
};

struct router_action {
	enum router_action_kind kind;
	const void *buf; /* borrowed until the next router call */
	size_t len;
	uint16_t port; /* HTTP */
	unsigned id;   /* HTTP */
	struct lease *lease;
	void *owner; /* of the lease */
	bool asks;   /* SEND, HTTP: this may make a rule, the one of lease_asking() */
	bool confirmed; /* GONE: the router said that it deleted it, or held nothing */
	bool unheard;   /* GONE, not confirmed: it was silent, and may say it later */
};

/* False: nothing to do now. */
bool router_next(struct router *r, msec_t now, struct router_action *ret);
/* MSEC_NEVER: nothing is due. */
msec_t router_deadline(const struct router *r);

/* ---- how long answers take ---- */

#define ROUTER_TRIPS 8
/* Bounds of a histogram, in milliseconds; a last bucket is for what takes longer. */
extern const msec_t router_trip_bounds_ms[ROUTER_TRIPS];

/* Answers that said yes to questions that were sent once: of another it is not known
 * which sending it answers. */
struct router_trips {
	uint64_t count[ROUTER_TRIPS + 1]; /* each answer in one bucket */
	uint64_t sum_ms;
};

const struct router_trips *router_trips(const struct router *r, enum router_service s);

/* ---- steps, for traces ---- */

enum router_step_kind {
	STEP_SENT,  /* a question; sends > 1: the same once more */
	STEP_ENDED, /* its answer, or the end of waiting for one */
};

/* What was asked of the router, for a lease or to find out what the router speaks. */
struct router_step {
	enum router_step_kind kind;
	enum router_service service;
	enum method method;
	void *owner;                   /* of the lease; NULL: for none */
	const char *question;          /* SENT: "MAP", "GetStatusInfo"; static */
	unsigned sends;                /* SENT: which time, from 1 */
	bool found;                    /* ENDED: the service is there, or said yes */
	int code;                      /* ENDED: of the answer; 0: none, or yes */
	char problem[ROUTER_TEXT_MAX]; /* ENDED, not found: its name or what it means */
};

/* Keep steps from now on.  0 or -ENOMEM. */
int router_trace(struct router *r);
/* The next one, oldest first; to be emptied before each action is carried out, else the
 * oldest are lost.  False: there is none. */
bool router_next_step(struct router *r, struct router_step *ret);

/* ---- what is known ---- */

/* True while an answer to ROUTER_SEND (or SSDP search) may come: keep the socket. */
bool router_expects_datagram(const struct router *r);
bool router_expects_ssdp(const struct router *r);
/*
 * The router's external IPv4 address; ADDR_NONE: not known.  It is what NAT-PMP or UPnP
 * says; where only PCP does, which tells one with each mapping, the first one told,
 * until a lease that has it is told another or none is left that has it.  Each lease
 * shows the one of its own grant (struct lease_held), of the first of its protocols.
 */
const struct addr *router_external(const struct router *r);
enum method router_external_source(const struct router *r);
void router_service_status(
    const struct router *r, enum router_service s, struct service_status *ret);
const char *router_name(const struct router *r); /* friendly name or "" */
/* How long the router's IPv6 firewall keeps open what a program opened by sending UDP,
 * as it says; 0: it does not say. */
uint32_t router_outbound_s(const struct router *r);
const struct router_habits *router_habits(const struct router *r);
size_t router_leases(const struct router *r);
unsigned router_exchanges(const struct router *r); /* under way now */
const char *circuit_name(enum circuit c);
