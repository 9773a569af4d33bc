/*
 * router_private.h - the structs behind router.h, shared by the router_*.c files.
 *
 *   router.c        construction, services, choice of a service, actions, deadlines
 *   router_lease.c  the life of a lease: asked, granted, renewed, refused, lost, gone
 *   router_pxp.c    PCP and NAT-PMP: probes and leases as datagrams
 *   router_igd.c    UPnP: search, descriptions, which service is connected
 *   router_soap.c   leases as SOAP dialogues
 *
 * Nobody else includes this.
 */
#pragma once

#include <stdarg.h>

#include "proto/epoch.h"
#include "proto/igd_desc.h"
#include "proto/igd_soap.h"
#include "proto/natpmp.h"
#include "proto/retry.h"
#include "proto/router.h"
#include "proto/ssdp.h"

#define PORT_TRIES_MAX 16

/* ---- services ---- */

struct service {
	enum service_state state;
	enum circuit circuit;
	unsigned failures; /* consecutive exchanges without an answer */
	unsigned rounds;   /* consecutive discoveries without success, for back-off */
	msec_t
	    again_at; /* next discovery while it is needed; or end of an open circuit */
	msec_t seen_at; /* last answer */
	msec_t poll_at; /* next look while leases are held here */
	char reason[ROUTER_TEXT_MAX];

	/* The stateless probe of PCP and NAT-PMP. */
	bool probing;
	unsigned sends;
	msec_t next_send, sent_at;
	msec_t round_trip_ms; /* -1: not measured */
	struct epoch epoch;
	char version[32];
};

/* ---- leases ---- */

enum lease_phase {
	LEASE_WAITING, /* for a service, or for the time to try again */
	LEASE_ASKING,
	LEASE_HELD, /* a renewal may be under way */
	LEASE_RELEASING,
	LEASE_GONE, /* freed by the next call */
};

/* One exchange with the router for one transport. */
enum lease_op {
	OP_NONE,
	OP_ASK,    /* create or renew */
	OP_DELETE, /* what the leg holds */
	OP_VERIFY, /* IGD: read back, change nothing */
	OP_OWNER,  /* IGD: who holds the port that was refused as taken? */
};

/* What one transport holds on the router. */
struct leg {
	bool held;
	uint16_t internal_port, external_port;
	uint32_t lifetime_s;
	msec_t granted_at;
	uint32_t pinhole_id;
};

struct lease {
	struct router *router;
	struct lease *next, *prev;
	struct lease_want want;
	void *owner;

	enum lease_phase phase;
	enum router_service service; /* of the exchange, and of what is held */
	bool is_held;                /* all legs, with one number */
	bool direct;                 /* held without any router */
	bool confirmed;              /* GONE: nothing of ours is left on the router */
	struct lease_held held;
	struct leg leg[TRANSPORT_MAX];

	bool verdict, changed;
	bool pending; /* WAITING for services that are being looked for */
	bool quiet;   /* this renewal only looks: no news unless something differs */
	struct lease_problem problem;
	unsigned renewals;
	unsigned refused; /* mask of services that failed it in this round */
	unsigned attempt; /* rounds that failed, for back-off */
	msec_t at;        /* WAITING: try again; HELD: renew */
	msec_t verify_at; /* HELD by IGD: read back */
	bool healed;      /* re-made once after it vanished by itself */
	unsigned rungs;   /* of the lease ladder tried in this round */

	/* The round: which transports still have to be deleted, asked; with which
	 * numbers. */
	unsigned drop, todo;
	uint16_t internal_port, external_port;
	unsigned port_tries;

	/* The exchange. */
	enum lease_op op;
	enum transport leg_now;
	bool started; /* op is under way, not just next in line */
	bool overdue; /* its first verdict was silence */
	unsigned sends;
	msec_t next_send, started_at;
};

/* ---- UPnP ---- */

#define CANDIDATES_MAX 8

enum igd_job {
	JOB_NONE,
	JOB_DESCRIPTION,
	JOB_STATUS,
	JOB_ADDRESS,
	JOB_FIREWALL,
	JOB_LEASE
};

struct candidate {
	struct url location;
	bool tried;
};

struct igd {
	/* The search. */
	bool searching;
	unsigned search_slot; /* of the round: target and unicast or multicast */
	unsigned search_rounds;
	msec_t search_next, search_ends;
	unsigned candidates;
	struct candidate candidate[CANDIDATES_MAX];
	bool has_bootid;
	uint32_t bootid;
	msec_t hint_at; /* last NOTIFY that was acted on */

	/* What was found: indexes into desc.service, -1: none. */
	bool described;
	struct url location;
	struct igd_desc desc;
	int wan, pinhole;
	unsigned todo;         /* mask of 1 << enum igd_job, apart from leases */
	unsigned status_tried; /* mask of WAN services asked for their status */
	bool has_uptime;
	uint64_t uptime_s;
	msec_t uptime_at;

	/* The one HTTP exchange under way. */
	enum igd_job job;
	unsigned job_id;
	int job_service; /* index of the service that was asked */
	enum igd_action job_action;
	struct lease *job_lease; /* JOB_LEASE; NULL if the lease went away meanwhile */
	msec_t job_sent_at;
	struct retry_pace pace;
};

/* ---- the router ---- */

struct router {
	struct router_settings settings;
	struct rng rng;
	struct router_habits habits;
	struct service service[ROUTER_SERVICES];
	struct lease *leases; /* newest first */
	size_t lease_count;
	struct lease *gone; /* reported as gone, to be freed */

	struct retry_pace pace; /* first sends to port 5351 */
	msec_t hint_again_at;
	unsigned exchanges; /* of leases over 5351, started and not overdue */
	unsigned overdue;   /* those whose first verdict was silence */
	struct igd igd;

	struct addr external;
	enum method external_source;
	bool services_changed, external_changed, restarted;

	union {
		uint8_t datagram[PCP_MESSAGE_MAX];
		char text[HTTP_REQUEST_MAX];
	} out;
};

/* router.c */
bool service_usable(const struct router *r, enum router_service s);
enum method service_method(const struct router *r, enum router_service s);
void service_answered(struct router *r, enum router_service s, msec_t now);
_printf_(4, 5) void service_absent(
    struct router *r, enum router_service s, msec_t now, const char *format, ...);
/* An exchange ended in silence: count it, maybe open the circuit. */
void service_silent(struct router *r, enum router_service s, msec_t now);
/* Start looking for it, unless that is going on. */
void service_probe(struct router *r, enum router_service s, msec_t now);
void
router_set_external(struct router *r, const struct addr *external, enum method source);
/* The router lost its table, as service s shows. */
void router_lost(struct router *r, enum router_service s, msec_t now);
bool router_holds(const struct router *r, enum router_service s);

/* router_lease.c */
unsigned lease_transports(const struct lease *l);
/* Choose a service and begin, or say why not; for a lease in WAITING. */
void lease_try(struct lease *l, msec_t now);
/* The exchange under way brought this; all of them may start the next exchange. */
void lease_granted(struct lease *l, uint16_t internal_port, uint16_t external_port,
    uint32_t lifetime_s, uint32_t pinhole_id, msec_t now);
void lease_deleted(struct lease *l, msec_t now);
/* code with its verdict; hold_ms: the router's own wish when to ask again, 0: none. */
void lease_refused(
    struct lease *l, int code, const struct verdict *v, msec_t hold_ms, msec_t now);
/* No answer until the verdict is due, or the connection failed. */
void lease_silence(struct lease *l, const char *name, msec_t now);
/* The service moved: go on when it is found again, or with another one. */
void lease_wait(struct lease *l, msec_t now);
/* The router does not have it any more. */
void lease_lost(struct lease *l, msec_t now);
void lease_timer(struct lease *l, msec_t now);
msec_t lease_deadline(const struct lease *l);
/* The exchange is over (answered, abandoned): give its place back. */
void lease_end_exchange(struct lease *l);
/* Next in line for this operation on that leg. */
void lease_begin(struct lease *l, enum lease_op op, enum transport t);

/* router_pxp.c */
bool pxp_is(enum router_service s);
/* The next datagram that is due, if any. */
bool pxp_next(struct router *r, msec_t now, struct router_action *ret);
void pxp_timer(struct router *r, msec_t now);
msec_t pxp_deadline(const struct router *r);
void pxp_probe(struct router *r, enum router_service s, msec_t now);
/* Look for a restart and another external address, with leases held by PCP. */
void pxp_poll(struct router *r, enum router_service s, msec_t now);

/* router_igd.c */
bool igd_next(struct router *r, msec_t now, struct router_action *ret);
void igd_timer(struct router *r, msec_t now);
msec_t igd_deadline(const struct router *r);
void igd_search(struct router *r, msec_t now);
void igd_poll(struct router *r, msec_t now);
/* Nobody answers at the known place any more: search anew. */
void igd_moved(struct router *r, msec_t now);
/* Fill ret with the SOAP request; false if it cannot be encoded. */
bool igd_send_soap(struct router *r, enum igd_job job, int service, enum igd_action a,
    const struct igd_args *args, msec_t now, struct router_action *ret);

/* router_soap.c */
/* The request for what the lease has next in line. */
bool
soap_next(struct router *r, struct lease *l, msec_t now, struct router_action *ret);
/* The answer to it; error as in router_http(). */
void soap_answer(struct router *r, struct lease *l, int error,
    const struct http_response *response, msec_t now);
