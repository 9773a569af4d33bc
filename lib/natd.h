/*
 * natd.h - libnatd: asks natd for port mappings, and follows what becomes of them.
 *
 * A struct natd is one connection to natd with one call at a time and its last reply.
 * What a getter returns is borrowed from it and stays until the next call of a function
 * that takes the same struct natd, not const.  There is no state elsewhere, no thread
 * and no signal: any thread may use a struct natd, two not at once.
 *
 * The blocking way, for a mapping that outlives the program:
 *
 *	natd_open(NULL, 5000, &natd);
 *	request = natd_request_new(NATD_TCP, 8080);
 *	natd_request_mapping(natd, request, &mapping);
 *	printf("%s\n", natd_mapping_external_address(mapping));
 *
 * The way for an event loop, for a mapping that lives as long as the connection:
 *
 *	natd_follow_mapping(natd, request);
 *	(then, whenever natd_fd() is readable)
 *	while ((r = natd_process(natd)) > 0)
 *		the mapping is now natd_mapping(natd, 0)
 *
 * Functions return 0 or a count, or -errno.  When it was natd that refused,
 *natd_error() is the name of its error in the interface and natd_error_string() and
 *natd_error_int() are its fields; when the connection failed, natd_error() is NULL.  A
 *natd that was restarted or upgraded ends the connection: -ECONNRESET.  Wait a moment,
 *open a new one and ask again; a program that wants its port for long does so in a
 *loop.
 *
 * Strings are UTF-8; those that name things (a gateway, a description, a problem) come
 * from other machines and other users, so filter control characters before a terminal
 * sees them.  The interface in full: org.natd.NAT.varlink; here are the parts of it
 *that programs want, and natd_send() and natd_parameters() for the others.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define NATD_DEFAULT_SOCKET "/run/natd/org.natd.NAT"
/* Bytes of one reply; natd never sends half as much. */
#define NATD_REPLY_MAX (16 * 1024 * 1024)
/* Bytes of one call that natd takes. */
#define NATD_CALL_MAX (64 * 1024)

struct natd;
struct natd_request;
struct natd_mapping;

/* ---- the connection ---- */

/*
 * Connects to the socket; NULL: $NATD_SOCKET if that is set, or else the default one,
 * and where nobody listens there $XDG_RUNTIME_DIR/natd/org.natd.NAT, that of this
 * user's own natd.
 * timeout_ms is the patience of this and of all later blocking calls with *ret, -1: for
 * ever; natd itself answers a request by 3 s unless asked otherwise.
 * 0 or -errno of connect(2): -ENOENT and -ECONNREFUSED (natd does not run), -EACCES;
 * -EINVAL: no path; -ENAMETOOLONG: no socket can have this path; -ETIMEDOUT; -ENOMEM.
 */
int natd_open(const char *socket, int timeout_ms, struct natd **ret);

/* The same with a connected stream socket, which is then the library's; on failure it
 * is still the caller's.  0 or -ENOMEM. */
int natd_open_fd(int fd, int timeout_ms, struct natd **ret);

/* Ends the connection, and with it the mappings that were followed.  Takes NULL,
 * returns NULL. */
struct natd *natd_close(struct natd *natd);

/* For poll(2) and its kin: wait for input (POLLIN), never for output. */
int natd_fd(const struct natd *natd);

/*
 * Takes the next reply, if it is there; never blocks.  1: a reply, see the getters
 * below; 0: none yet; otherwise natd_error() tells whether it is one of natd:
 * -errno of natd's error as in natd_error_number(), or
 * -ECONNRESET: natd closed the connection; -EBADMSG: that is no reply, or nobody asked
 * for it; -EMSGSIZE: longer than NATD_REPLY_MAX; -ENOMEM.  Only natd_close() helps
 * after those four.  Call it until it returns 0: several replies may have come at once.
 */
int natd_process(struct natd *natd);

/* natd_process() that waits timeout_ms for the reply, -1: for ever; -ETIMEDOUT, after
 * which one may wait again.  A signal's handler doesn't end it. */
int natd_receive(struct natd *natd, int timeout_ms);

/* ---- mappings ---- */

/* Bits: one mapping may be of both, with the same port. */
enum natd_protocol { NATD_TCP = 1, NATD_UDP = 2 };

enum natd_persistence {
	NATD_CONNECTION, /* ends with the connection; the default of
			    natd_follow_mapping() */
	NATD_LEASE, /* ends after its lifetime; the default of natd_request_mapping() */
	NATD_PERMANENT, /* until it is released, also after a restart; for the
			   privileged */
};

enum natd_state {
	NATD_REQUESTING,
	NATD_ACTIVE,
	NATD_RENEWING,  /* still held, a renewal is on its way */
	NATD_DEGRADED,  /* still held, the last renewal failed */
	NATD_SUSPENDED, /* its interface or gateway is away, asked for again when it
			   returns */
	NATD_FAILED,    /* natd goes on trying */
	NATD_RELEASING,
	NATD_STATE_OTHER, /* of a natd that is newer than this library */
};

/* What is wanted: NATD_TCP, NATD_UDP or both, for a port of this host; 0: the gateway
 * chooses one number for inside and outside.  NULL: no memory.  Whatever a setter
 * cannot do is reported when the request is used. */
struct natd_request *natd_request_new(unsigned protocols, uint16_t internal_port);
/* Takes NULL, returns NULL. */
struct natd_request *natd_request_free(struct natd_request *request);

/* For people, shown in lists; NULL takes it back, as in every setter. */
void natd_request_set_description(struct natd_request *request, const char *text);
/* The port outside; exact: rather fail with ExternalPortUnavailable than get another.
 */
void
natd_request_set_external_port(struct natd_request *request, uint16_t port, bool exact);
void natd_request_set_lifetime(struct natd_request *request, uint32_t seconds);
void natd_request_set_persistence(
    struct natd_request *request, enum natd_persistence persistence);
/* AF_INET or AF_INET6 of <sys/socket.h>. */
void natd_request_set_family(struct natd_request *request, int family);
void natd_request_set_interface(struct natd_request *request, const char *name);
/* Addresses as text.  Of another host inside: for the privileged. */
void natd_request_set_gateway(struct natd_request *request, const char *address);
void
natd_request_set_internal_address(struct natd_request *request, const char *address);
/* An allowed method, the preferred one first: pcp, nat_pmp, igd2, igd1, igd_pinhole,
 * direct.  NULL: all again. */
void natd_request_add_method(struct natd_request *request, const char *method);
/* The first answer by then, if need be with the state NATD_REQUESTING. */
void natd_request_set_timeout(struct natd_request *request, uint32_t milliseconds);

/* The parameters of RequestMapping() as JSON.  Their length without the NUL; -EINVAL: a
 * setter got what cannot be; -ENOBUFS: too long, or no memory. */
ssize_t natd_request_print(const struct natd_request *request, char *ret, size_t size);

/*
 * Asks for the mapping, or refreshes it: the same caller asks for the same port again.
 * Waits for natd's first verdict.  0: *ret (may be NULL) is the mapping, not always one
 * that is held: see its state.  -EBUSY: a call is under way; -ETIMEDOUT: no answer;
 * others as natd_request_print(), natd_process() and natd_error_number().
 */
int natd_request_mapping(struct natd *natd, const struct natd_request *request,
    const struct natd_mapping **ret);

/*
 * Asks for the mapping and subscribes to it: its first verdict and each change of it is
 * one reply of natd_process() or natd_receive() from now on, with natd_mapping(natd,
 * 0). It ends with natd_close(), or by an error of natd such as NoSuchMapping: somebody
 * released it.  Nothing else can be asked through this connection meanwhile.
 * 0 or as natd_request_mapping().
 */
int natd_follow_mapping(struct natd *natd, const struct natd_request *request);

/* 0 or as natd_request_mapping(); -ENOENT: there is none. */
int natd_release_mapping(struct natd *natd, const char *id);

/* Renews one of the caller's mappings, NULL: all, now.  How many, or as above. */
int natd_renew_mapping(struct natd *natd, const char *id);

/* All mappings that the caller may see: natd_mapping(natd, 0) and so on.  How many, or
 * as above. */
int natd_list_mappings(struct natd *natd);

/* The mappings in the last reply: of the calls above, of a Monitor() event. */
size_t natd_mapping_count(struct natd *natd);
/* NULL: the last reply has none with this index. */
const struct natd_mapping *natd_mapping(struct natd *natd, size_t index);

/* ---- one mapping ---- */

const char *natd_mapping_id(const struct natd_mapping *mapping);
unsigned natd_mapping_protocols(const struct natd_mapping *mapping);
enum natd_state natd_mapping_state(const struct natd_mapping *mapping);
/* The word of the interface: "active". */
const char *natd_mapping_state_name(const struct natd_mapping *mapping);
/* Packets from outside arrive, as far as the gateway's word goes: it is active,
 * renewing or degraded and has an external address. */
bool natd_mapping_is_held(const struct natd_mapping *mapping);

/* NULL and 0 where it has none (yet).  Addresses are valid, IPv6 without brackets. */
const char *natd_mapping_external_address(const struct natd_mapping *mapping);
uint16_t natd_mapping_external_port(const struct natd_mapping *mapping);
const char *natd_mapping_internal_address(const struct natd_mapping *mapping);
uint16_t natd_mapping_internal_port(const struct natd_mapping *mapping);
/* 1: reachable from everywhere; 0: itself private (a second NAT); -1: not known. */
int natd_mapping_external_is_global(const struct natd_mapping *mapping);

/* NULL where there is none. */
const char *natd_mapping_method(const struct natd_mapping *mapping);
const char *natd_mapping_gateway(const struct natd_mapping *mapping);
const char *natd_mapping_interface(const struct natd_mapping *mapping);
const char *natd_mapping_description(const struct natd_mapping *mapping);
/* When it ends unless natd renews it, microseconds of CLOCK_REALTIME; -1: not known. */
int64_t natd_mapping_expires(const struct natd_mapping *mapping);

/* Why it is not held, or held and of no use: a stable word such as "double_nat" or
 * "gateway_refused", a sentence, and what a person can do (may be NULL); all NULL: all
 * is well. */
const char *natd_mapping_problem(const struct natd_mapping *mapping);
const char *natd_mapping_problem_message(const struct natd_mapping *mapping);
const char *natd_mapping_problem_hint(const struct natd_mapping *mapping);

/* ---- what natd refused ---- */

/* The full name, "org.natd.NAT.NoGateway", if the last reply was an error; or NULL. */
const char *natd_error(const struct natd *natd);
/*
 * Its errno, positive; 0: none.
 *	NotOnline ENETDOWN              NoGateway ENETUNREACH
 *	NoSuchInterface ENODEV          NoSuchMapping ENOENT
 *	NoMethodAvailable EOPNOTSUPP    GatewayTimeout EHOSTUNREACH
 *	GatewayRefused EPERM            ExternalPortUnavailable EADDRINUSE
 *	MappingConflict EEXIST          QuotaExceeded EDQUOT
 *	InvalidSocket ENOTSOCK          StunFailed EHOSTDOWN
 *	ConfigurationInvalid EDOM       ShuttingDown ESHUTDOWN
 *	InvalidParameter EINVAL         PermissionDenied EACCES
 *	MethodNotFound ENOSYS           InterfaceNotFound EPFNOSUPPORT
 *	ExpectedMore EPROTO             any other EREMOTEIO
 */
int natd_error_number(const struct natd *natd);
/* A field of it: natd_error_int(natd, "offeredPort", &port).  NULL or -ENOENT: it is
 * not there, or of another type. */
const char *natd_error_string(const struct natd *natd, const char *field);
int natd_error_int(const struct natd *natd, const char *field, int64_t *ret);

/* ---- every other method ---- */

#define NATD_MORE 1u /* several replies */

/*
 * Sends a call.  method: "Status" of org.natd.NAT, or a full name with its interface;
 * parameters: JSON text of an object, NULL: none; flags: 0 or NATD_MORE; fd: goes with
 * the message (GetReflexiveAddress(), VerifyMapping()) and stays the caller's, -1:
 * none. 0; -EBUSY: the replies to the last call have not all come; -EINVAL: that is no
 * name or no object; -EMSGSIZE: longer than NATD_CALL_MAX; -ETIMEDOUT; or -errno of
 * sendmsg(2). A natd that went away shows when the reply is read.
 */
int natd_send(struct natd *natd, const char *method, const char *parameters,
    unsigned flags, int fd);

/* natd_send() and the one reply to it.  0 or as natd_send() and natd_process(). */
int natd_call(struct natd *natd, const char *method, const char *parameters);

/* The parameters of the last reply, JSON text of an object as it came, NUL-terminated;
 * NULL: the last call of natd_process() gave none. */
const char *natd_parameters(const struct natd *natd);
/* The whole message. */
const char *natd_message(const struct natd *natd);
/* More replies to the same call follow. */
bool natd_continues(const struct natd *natd);

#ifdef __cplusplus
}
#endif
