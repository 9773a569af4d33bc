/*
 * igd_soap.h - SOAP of the IGD services: actions by table, both directions.
 *
 * One row per action: name, the kinds of service that offer it, in-arguments in SCPD
 * order, out-arguments.  Values are text; the typed helpers below convert and check.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "proto/addr.h"
#include "proto/igd_desc.h"
#include "proto/types.h"

#define IGD_SOAP_BODY_MAX (16 * 1024) /* what we accept as an answer */
#define IGD_ARGS_MAX 10
#define IGD_VALUE_MAX 256

enum igd_action {
	/* WANIPConnection, WANPPPConnection */
	IGD_GET_EXTERNAL_IP_ADDRESS,
	IGD_GET_STATUS_INFO,
	IGD_ADD_PORT_MAPPING,
	IGD_ADD_ANY_PORT_MAPPING, /* version 2 of WANIPConnection */
	IGD_DELETE_PORT_MAPPING,
	IGD_GET_SPECIFIC_PORT_MAPPING_ENTRY,
	IGD_GET_GENERIC_PORT_MAPPING_ENTRY,
	/* Version 2.  Quirk 32: the range starts at 1; natd asks for no lists, only for
	 * its own entries. */
	IGD_GET_LIST_OF_PORT_MAPPINGS,
	IGD_DELETE_PORT_MAPPING_RANGE, /* version 2 */
	/* WANCommonInterfaceConfig */
	IGD_GET_COMMON_LINK_PROPERTIES,
	/* WANIPv6FirewallControl */
	IGD_GET_FIREWALL_STATUS,
	IGD_GET_OUTBOUND_PINHOLE_TIMEOUT,
	IGD_ADD_PINHOLE,
	IGD_UPDATE_PINHOLE,
	IGD_DELETE_PINHOLE,
	IGD_CHECK_PINHOLE_WORKING,
	IGD_GET_PINHOLE_PACKETS,
	IGD_ACTION_MAX
};

/* The arguments of all actions, in one vocabulary; text as it goes into the XML. */
enum igd_arg {
	IGD_ARG_REMOTE_HOST, /* NewRemoteHost, RemoteHost */
	IGD_ARG_EXTERNAL_PORT,
	IGD_ARG_PROTOCOL, /* "TCP"/"UDP"; for pinholes "6"/"17" */
	IGD_ARG_INTERNAL_PORT,
	IGD_ARG_INTERNAL_CLIENT,
	IGD_ARG_ENABLED,
	IGD_ARG_DESCRIPTION,
	IGD_ARG_LEASE_DURATION,
	IGD_ARG_RESERVED_PORT,
	IGD_ARG_INDEX,
	IGD_ARG_START_PORT,
	IGD_ARG_END_PORT,
	IGD_ARG_MANAGE,
	IGD_ARG_NUMBER_OF_PORTS,
	IGD_ARG_PORT_LISTING,
	IGD_ARG_EXTERNAL_IP_ADDRESS,
	IGD_ARG_CONNECTION_STATUS,
	IGD_ARG_LAST_CONNECTION_ERROR,
	IGD_ARG_UPTIME,
	IGD_ARG_WAN_ACCESS_TYPE,
	IGD_ARG_UPSTREAM_BIT_RATE,
	IGD_ARG_DOWNSTREAM_BIT_RATE,
	IGD_ARG_PHYSICAL_LINK_STATUS,
	IGD_ARG_FIREWALL_ENABLED,
	IGD_ARG_INBOUND_PINHOLE_ALLOWED,
	IGD_ARG_REMOTE_PORT,
	IGD_ARG_LEASE_TIME,
	IGD_ARG_UNIQUE_ID,
	IGD_ARG_OUTBOUND_PINHOLE_TIMEOUT,
	IGD_ARG_IS_WORKING,
	IGD_ARG_PINHOLE_PACKETS,
	IGD_ARG_MAX
};

/* Arguments by name; values NULL are absent.  Strings are borrowed. */
struct igd_args {
	const char *value[IGD_ARG_MAX];
};

const char *igd_action_name(enum igd_action a);

/* The i-th in- or out-argument as the service's description (SCPD) spells it, in that
 * order; NULL behind the last. */
const char *igd_action_in(enum igd_action a, unsigned i);
const char *igd_action_out(enum igd_action a, unsigned i);

/* Whether a service of this kind and version offers the action. */
bool
igd_action_offered(enum igd_action a, enum igd_service_kind kind, unsigned version);

/*
 * The whole HTTP request for the action on the service: host is the HTTP Host value
 * ("192.168.1.1:5000").  In-arguments missing in args are written empty; XML specials
 * are escaped.  Length, -ENOBUFS, or -EINVAL if a value has control characters or is
 * not UTF-8.
 */
ssize_t igd_soap_encode(char *buf, size_t size, const char *host,
    const struct igd_service *service, enum igd_action a, const struct igd_args *args);

/* A parsed answer owns its values. */
struct igd_answer {
	int error; /* 0: success; else the UPnP errorCode, may be negative; -1: a fault
		      without a usable code */
	char description[128]; /* errorDescription, printable */
	bool present[IGD_ARG_MAX];
	/* Trimmed, printable, cut to fit; PORT_LISTING is left out: it is a document.
	 */
	char value[IGD_ARG_MAX][IGD_VALUE_MAX];
};

/*
 * Read the body of the answer to action a; http_status tells success (200) from fault
 * (500), but a fault inside a 200 is a fault too.  Returns 0 (error may be set);
 * -EBADMSG: neither the action's response nor a fault; -EMSGSIZE; -ENOMEM.
 */
int igd_soap_decode(enum igd_action a, int http_status, const char *xml, size_t len,
    struct igd_answer *ret);

/* Typed reading: 0, -ENOENT (absent or empty), -EINVAL (out of range or no number). */
int igd_answer_uint(
    const struct igd_answer *ans, enum igd_arg arg, uint64_t max, uint64_t *ret);
int igd_answer_addr(const struct igd_answer *ans, enum igd_arg arg, struct addr *ret);
/* 1, 0, yes, no, true, false. */
int igd_answer_bool(const struct igd_answer *ans, enum igd_arg arg, bool *ret);
/* ConnectionStatus is "Connected" or "Up" (quirk 10). */
bool igd_answer_connected(const struct igd_answer *ans);
