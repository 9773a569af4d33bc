/*
 * router_private.h - the structs behind router.h, shared by the router_*.c files.
 *
 *   router.c        construction, services, actions, deadlines
 *   router_lease.c  the life of a lease: wished, asked in rounds, held, renewed, gone
 *   router_answer.c what the answers mean for it: granted, refused, silent, lost
 *   router_left.c   what an earlier life asked for and held: adopted, found, let go
 *   router_choose.c what a lease asks next: of which service, which numbers, when
 *   router_pxp.c    PCP and NAT-PMP: probes and leases as datagrams
 *   router_address.c the address outside, the router's and that of each lease
 *   router_search.c UPnP: the search and what is announced
 *   router_igd.c    UPnP: descriptions, which service is connected, polls
 *   router_soap.c   leases as SOAP dialogues
 *   router_events.c the subscription to UPnP events
 *   router_restart.c signs of a restart, forgeable or not, and what follows
 *   router_steps.c  what was asked and answered, for traces
 *
 * Nobody else includes this.
 */
#pragma once

#include <stdarg.h>

#include "proto/epoch.h"
#include "proto/gena.h"
#include "proto/igd_desc.h"
#include "proto/igd_soap.h"
#include "proto/natpmp.h"
#include "proto/retry.h"
#include "proto/router.h"
#include "proto/ssdp.h"

/* RFC 6887 11.2.1: renewals MUST NOT be less than four seconds apart. */
#define RENEW_MIN_MS (INT64_C(4) * MSEC_PER_SEC)
#define PORT_TRIES_MAX 16 /* numbers tried in one round */

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
	struct router_trips trips;
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
	/* IGD only; these change nothing. */
	OP_VERIFY, /* read back what the leg holds */
	OP_OWNER,  /* is the entry at the leg's number ours? */
	OP_SAME,   /* is ours at the internal number, whatever was asked? */
	OP_SEARCH, /* is the next entry of the table ours? */
};

/* What one transport holds on the router. */
struct leg {
	bool held;
	bool unsure;   /* perhaps not ours, perhaps not there: an IGD is asked who owns
			  it before anything is deleted */
	bool nameless; /* perhaps a pinhole, whose id no answer told */
	bool exact;    /* an IGD has it at external_port or nowhere: read back there
			  since the grant, or not granted at all (quirk 29) */
	uint16_t internal_port, external_port;
	uint32_t lifetime_s;
	uint32_t pinhole_id;
	msec_t granted_at;
};

/* Of what an IGD held and has no more: whose doing it is. */
enum heal {
	HEAL_NONE,
	HEAL_DOUBTED, /* a restart was seen: if it is gone, that is why */
	HEAL_REMADE,  /* made again after a restart */
	HEAL_AGAIN,   /* made again after it vanished by itself, ... */
	HEAL_SEEN     /* ... and seen since */
};

struct lease {
	struct router *router;
	struct lease *next, *prev;
	void *owner;
	struct lease_want want;
	struct lease_held held;
	struct lease_problem problem;
	struct leg leg[TRANSPORT_MAX];
	/* PCP: the address outside that its own last grant told, and the one it has as
	 * far as is known. */
	struct addr granted, external;
	struct addr holder; /* of the entry at the number that was asked, if not we */

	/* A refusal or silence of a service: not asked again before. */
	msec_t again[ROUTER_SERVICES];
	msec_t at; /* WAITING: try again; HELD: renew; overdue: look for others */
	msec_t verify_at;                      /* HELD by IGD: read back */
	msec_t seen_at;                        /* granted or read back */
	msec_t next_send, started_at, sent_at; /* of the exchange */
	msec_t wanted_at;

	enum lease_phase phase;
	enum router_service service; /* of the exchange, and of what is held */
	enum lease_op op;            /* the exchange */
	enum transport leg_now;
	/* The round: which transports still have to be deleted, asked; with which
	 * numbers. */
	unsigned drop, todo;
	unsigned replaced; /* those whose entry in the way was looked at, and deleted if
			      it was our own */
	unsigned id_asked; /* RELEASING: those pinholes that were asked for to learn the
			      id */
	unsigned port_tries;
	unsigned attempt; /* rounds and renewals that failed, for back-off */
	unsigned renewals;
	unsigned losses; /* see struct lease_status */
	unsigned sends;
	unsigned index; /* of the table's entry, SEARCH */
	uint16_t internal_port, external_port;
	uint8_t rungs; /* of the lease ladder tried in this round */

	bool is_held;   /* all legs, with one number */
	bool direct;    /* held without any router */
	bool confirmed; /* GONE: nothing of ours is left on the router */
	bool unheard;   /* RELEASING, GONE: a question of that was not answered */
	bool verdict, changed;
	bool pending; /* WAITING for services that are being looked for */
	bool quiet;   /* this renewal only looks: no news unless something differs */
	enum heal heal;
	bool check_denied; /* 606, however fresh the pinhole */
	bool dropped; /* deleted since the last grant: a late copy may still come */
	bool started; /* op is under way, not just next in line */
	bool overdue; /* its first verdict was silence */
};

/* ---- UPnP ---- */

#define CANDIDATES_MAX 8

enum igd_job {
	JOB_NONE,
	JOB_DESCRIPTION,
	JOB_STATUS,
	JOB_ADDRESS,
	JOB_FIREWALL,
	JOB_OUTBOUND,
	JOB_LEASE,
	JOB_EVENTS
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
	bool bye;     /* its last NOTIFY said goodbye */
	bool doubted; /* it restarted and perhaps lost its table: not told yet */

	/* What was found; NULL while it is looked for.  Indexes into its services, -1:
	 * none. */
	struct igd_desc *desc;
	struct url location;
	int wan, pinhole;
	/* These stay while it is looked for again. */
	unsigned wan_version;
	char name[64];
	msec_t found_at;
	msec_t moved_at;       /* last searched again right after it was found */
	unsigned todo;         /* mask of 1 << enum igd_job, apart from leases */
	unsigned status_tried; /* mask of WAN services asked for their status */
	bool connected, has_uptime;
	bool outbound_asked;   /* once is enough */
	uint32_t outbound_s;   /* 0: it does not say */
	bool forbids_pinholes; /* its IPv6 firewall is on and stays closed */
	uint64_t uptime_s;
	msec_t uptime_at;      /* when it said so */
	msec_t uptime_less_at; /* last time it showed a restart */

	/* The one HTTP exchange under way. */
	enum igd_job job;
	unsigned job_id;
	int job_service; /* index of the service that was asked */
	bool job_old; /* asked before the search that is on now: the answer is void */
	enum igd_action job_action;
	struct lease *job_lease; /* JOB_LEASE; NULL if the lease went away meanwhile */
	msec_t job_sent_at;
	struct retry_pace pace;
};

/* ---- events ---- */

enum events_job { EVENTS_IDLE, EVENTS_SUBSCRIBE, EVENTS_RENEW, EVENTS_UNSUBSCRIBE };

struct events {
	bool wanted;
	uint16_t port; /* of the callback; 0: there is none yet */
	char path[GENA_PATH_MAX];
	struct url url; /* where we are, or will be, subscribed */
	struct gena_subscription subscription; /* sid "": none */
	enum events_job job;                   /* under way */
	msec_t at;         /* subscribe or renew; resting: until then */
	msec_t expires_at; /* of the subscription */
	bool resting;      /* was refused */
	unsigned failures;
	bool has_seq;
	uint32_t seq;                 /* of the last event */
	char early_sid[GENA_SID_MAX]; /* of events that came before the answer */
	bool disconnected;            /* as the last event said */
};

/* ---- the router ---- */

struct router {
	struct router_settings settings;
	struct rng rng;
	struct router_habits habits;
	struct service service[ROUTER_SERVICES];
	struct lease *leases, *last; /* oldest first */
	size_t lease_count;
	struct lease *gone; /* reported as gone, to be freed */

	struct retry_pace pace; /* first sends to port 5351 */
	unsigned hints;         /* mask of enum hint, not acted on yet */
	msec_t hint_next_at;    /* not before, whatever the credit */
	msec_t hint_paid_at;    /* when all that were acted on are paid for */
	msec_t hint_renew_at;  /* what PCP and NAT-PMP hold, for a hint: last or next */
	msec_t natpmp_turn_at; /* the next NAT-PMP request may be sent */
	unsigned exchanges;    /* of leases over 5351, started and not overdue */
	unsigned overdue;      /* those whose first verdict was silence */
	struct igd igd;
	struct events events;

	struct steps *steps; /* NULL: nobody traces */

	struct addr external;
	enum method external_source;
	msec_t witness_next_at; /* no lease is asked for its address again before */
	bool services_changed, external_changed, restarted;

	union {
		uint8_t datagram[PCP_MESSAGE_MAX];
		char text[HTTP_REQUEST_MAX];
	} out;
};

/* router.c */
bool service_usable(const struct router *r, enum router_service s);
enum method service_method(const struct router *r, enum router_service s);
/* A look at it succeeded: it is there. */
void service_found(struct router *r, enum router_service s, msec_t now);
/* It answered, whatever it said. */
void service_alive(struct router *r, enum router_service s, msec_t now);
_printf_(4, 5) void service_absent(
    struct router *r, enum router_service s, msec_t now, const char *format, ...);
/* An exchange ended in silence: count it, maybe open the circuit. */
void service_silent(struct router *r, enum router_service s, msec_t now);
/* Start looking for it, unless that is going on. */
void service_probe(struct router *r, enum router_service s, msec_t now);
/* It is to delete something, whether or not it may be asked for anything new. */
void service_let_go(struct router *r, enum router_service s, msec_t now);
bool router_holds(const struct router *r, enum router_service s);

/* router_choose.c */
/* The service of a method; ROUTER_SERVICES for METHOD_DIRECT. */
enum router_service method_service(enum method m);
/* The best usable service that may be asked now, or ROUTER_SERVICES. */
enum router_service choose_service(const struct lease *l, msec_t now);
/* Whether a better service than the one that holds it turned up. */
bool choose_better(const struct lease *l);
/* When a usable service may be asked again; MSEC_NEVER: none before news comes. */
msec_t choose_again_at(const struct lease *l);
/* When the next look for a service is planned. */
msec_t choose_look_at(const struct lease *l);
/* Whether an allowed service may still turn up. */
bool choose_may_turn_up(const struct lease *l);
bool choose_direct(const struct lease *l, msec_t now);
/* The numbers of the first request of a round; false: the only one that may be asked is
 * another lease's of ours. */
bool choose_ports(struct lease *l);
/* Another lease of ours has the number that l is about to ask for. */
bool choose_is_siblings(const struct lease *l);
/* Other numbers after these were taken; false: no others may be asked. */
bool choose_other_ports(struct lease *l);
/* How long to rest after a refusal with this remedy; counts the attempt. */
msec_t choose_rest(struct lease *l, enum remedy remedy);

/* router_lease.c */
/* What is due now. */
void lease_timer(struct lease *l, msec_t now);
msec_t lease_deadline(const struct lease *l);
/* Next in line for this operation on that leg. */
void lease_begin(struct lease *l, enum lease_op op, enum transport t);
/* The exchange is over (answered, abandoned): give its place back. */
void lease_end_exchange(struct lease *l);
/* The next step of the round. */
void lease_advance(struct lease *l, msec_t now);
/* The lease's numbers for all transports: drop what is held, ask anew. */
void lease_renumber(struct lease *l, msec_t now);
/* Let go of what is held; then the lease looks for another service, or fails. */
void lease_give_back(struct lease *l, msec_t now);
/* Look for a service at once. */
void lease_wait(struct lease *l, msec_t now);
/* The number asked may have been granted although no answer says so. */
void lease_maybe_held(struct lease *l);
/* What the legs hold becomes what the lease holds. */
void lease_publish(struct lease *l);
unsigned lease_held_legs(const struct lease *l);
/* The leg by which the lease's numbers and address are told. */
enum transport lease_first_leg(const struct lease *l);
msec_t leg_ends(const struct leg *leg);
msec_t lease_ends(const struct lease *l);
msec_t lease_renewal_at(struct lease *l, msec_t now);
/* A service was found or came back: leases that wait for it go on. */
void lease_service_news(struct lease *l, enum router_service s, bool found, msec_t now);

/* router_left.c */
/* What an earlier life held, or asked for, becomes the legs' state. */
void lease_adopt(struct lease *l, const struct lease_held *held, msec_t now);
/* Ask what it takes to delete the leg, or delete it. */
void lease_begin_drop(struct lease *l, enum transport t);
/* IGD: the entry at the number that was guessed is not ours.  False: that is all that
 * can be known. */
bool lease_begin_search(struct lease *l);
/* IGD: an entry that leads to us, at that number / another one / there are no more. */
void lease_found(struct lease *l, uint16_t external_port, msec_t now);
void lease_not_found(struct lease *l, msec_t now);

/* router_answer.c: the exchange under way brought this; all of them may begin the next
 * one */
void lease_granted(struct lease *l, uint16_t internal_port, uint16_t external_port,
    uint32_t lifetime_s, uint32_t pinhole_id, msec_t now);
void lease_deleted(struct lease *l, msec_t now);
/* Why it is not held, or not renewed; not if the problem it has tells more. */
void lease_set_problem(struct lease *l, int code, const struct verdict *v);
/* code with its verdict; hold_ms: the router's own wish when to ask again, 0: none. */
void lease_refused(
    struct lease *l, int code, const struct verdict *v, msec_t hold_ms, msec_t now);
/* It may have one number only, and that is not to be had; offered: another one, or 0.
 */
void lease_not_exact(struct lease *l, uint16_t offered, msec_t now);
/* No answer until the verdict is due, or the connection failed. */
void lease_silence(struct lease *l, const char *name, msec_t now);
/* The same, but nothing was sent. */
void lease_no_answer(struct lease *l, const char *name, msec_t now);
/* The router does not have it any more: ask again. */
void lease_lost(struct lease *l, msec_t now);
/* The router does not have the leg that was to be renewed: ask anew, for that one. */
void lease_remake_leg(struct lease *l, msec_t now);
/* What it held is over, of one leg at least. */
void lease_lapsed(struct lease *l, msec_t now);
/* IGD: the number that is asked is taken, perhaps by our own stale entry. */
void lease_taken(struct lease *l, msec_t now);
/* IGD: the entry at the leg's number is ours / somebody else's or nobody's. */
void lease_owned(struct lease *l, msec_t now);
void lease_not_owned(struct lease *l, bool nobody, msec_t now);
/* IGD: the leg may be at the number inside instead of its own. */
bool lease_perhaps_moved(const struct lease *l, enum transport t);
/* IGD: the leg was read back and is there, for left_s more (0: not said). */
void lease_verified(struct lease *l, uint32_t left_s, msec_t now);
/* IGD: the router mapped all legs to the internal number. */
void lease_moved(struct lease *l, msec_t now);
/* Read back now all that UPnP holds: it has no epoch. */
void router_verify_all(struct router *r, msec_t now);
/* The same for one, because the router restarted: if it is gone, that is why. */
void lease_doubt(struct lease *l, msec_t now);
/* Those that were not seen for a while: one is gone. */
void router_verify_rest(struct router *r, msec_t now);
/* IGD: the leg is not there although the router said yes. */
void lease_vanished(struct lease *l, msec_t now);

/* router_restart.c */
/*
 * The router restarted, as service s shows for sure: by its epoch, so that the table of
 * PCP and NAT-PMP is lost; UPnP has none, what it holds is read back.  What was refused
 * or forgotten before is asked again.
 */
void router_restarted(struct router *r, enum router_service s, msec_t now);
enum hint {
	HINT_LOOK = 1,      /* services that went away may be there again */
	HINT_READ_BACK = 2, /* something that is held may be gone */
	HINT_RESTART = 4,
	HINT_EVENTS = 8, /* it may not know the subscription any more */
};
/* What may be forged, or comes as often as the router likes: acted on now, or as soon
 * as the limit for all of them allows. */
void hint_take(struct router *r, unsigned hints, msec_t now);
void hint_timer(struct router *r, msec_t now);
msec_t hint_deadline(const struct router *r);

/* router_pxp.c */
bool pxp_is(enum router_service s);
/* The next datagram that is due, if any. */
bool pxp_next(struct router *r, msec_t now, struct router_action *ret);
void pxp_timer(struct router *r, msec_t now);
msec_t pxp_deadline(const struct router *r);
void pxp_probe(struct router *r, enum router_service s, msec_t now);
/* Look for a restart and another external address, with leases held by PCP. */
void pxp_poll(struct router *r, enum router_service s, msec_t now);

/* router_address.c */
/* NAT-PMP or UPnP told the router's address. */
void router_set_external(
    struct router *r, const struct addr *said, enum method source, msec_t now);
/* PCP told it of the leg that names the lease's. */
void address_granted(struct lease *l, const struct addr *said, msec_t now);
/* The address outside that it has, or would have. */
const struct addr *lease_external(const struct lease *l);
/* The lease held by PCP that is due next and may be asked now, of those that have this
 * address (NULL: any), without that one; NULL: none. */
struct lease *address_witness(
    struct router *r, const struct lease *but, const struct addr *external, msec_t now);

/* router_search.c */
#define IGD_HOST_MAX (ADDR_TEXT_MAX + 16)
/* The one service that UPnP has towards this router. */
enum router_service igd_service_of(const struct router *r);
/* What the Host header says: without scope, without port 80. */
void igd_host(const struct router *r, uint16_t port, char ret[static IGD_HOST_MAX]);
/* Search for it; the service is PROBING until that ends. */
void igd_search(struct router *r, msec_t now);
/* Nobody serves at the known place any more: search anew.  False if it was found there
 * just now, once too often. */
bool igd_moved(struct router *r, msec_t now);
bool search_next(struct router *r, msec_t now, struct router_action *ret);
msec_t search_deadline(const struct router *r);

/* router_igd.c */
bool igd_next(struct router *r, msec_t now, struct router_action *ret);
void igd_timer(struct router *r, msec_t now);
msec_t igd_deadline(const struct router *r);
/* Ask for status and address, or the firewall, soon. */
void igd_poll(struct router *r);
/* Forget the description. */
void igd_free(struct router *r);

/* router_soap.c */
/* What the lease asks for, or would. */
uint32_t soap_lifetime(const struct lease *l);
/* The request for what the lease has next in line. */
bool
soap_next(struct router *r, struct lease *l, msec_t now, struct router_action *ret);
/* The answer to it; error as in router_http(). */
void soap_answer(struct router *r, struct lease *l, int error,
    const struct http_response *response, msec_t now);
/* Fill ret with the SOAP request; false if it cannot be encoded. */
bool soap_send(struct router *r, enum igd_job job, int service, enum igd_action a,
    const struct igd_args *args, msec_t now, struct router_action *ret);
/* The answer to the exchange under way: 0, or -ENOENT: nothing serves there (closed
 * port, no such path), or any other error of transport or content. */
int soap_read(const struct router *r, int error, const struct http_response *response,
    struct igd_answer *ret);

/* router_events.c */
bool events_next(struct router *r, msec_t now, struct router_action *ret);
void events_answered(
    struct router *r, int error, const struct http_response *response, msec_t now);
void events_timer(struct router *r, msec_t now);
msec_t events_deadline(const struct router *r);
/* Renew now: a router that restarted does not know the subscription. */
void events_check(struct router *r, msec_t now);

/* router_steps.c; l NULL: for no lease */
void step_sent(struct router *r, enum router_service s, const struct lease *l,
    const char *question, unsigned sends);
void
step_found(struct router *r, enum router_service s, const struct lease *l, msec_t now);
void step_failed(struct router *r, enum router_service s, const struct lease *l,
    int code, const char *problem);
/* The owner goes away. */
void steps_forget(struct router *r, const void *owner);
