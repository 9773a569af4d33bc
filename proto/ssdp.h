/*
 * ssdp.h - SSDP (UPnP Device Architecture 1.1 and 2.0): searches, answers, NOTIFY.
 *
 * Pure and bounded.  The location is split here: natd connects to the gateway's own
 * address only, so of a location it keeps the port and path and, for people, the host.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "proto/url.h"

#define SSDP_PORT 1900
#define SSDP_MESSAGE_MAX 2048
#define SSDP_TARGETS 7

enum ssdp_kind { SSDP_ANSWER, SSDP_ALIVE, SSDP_BYEBYE, SSDP_UPDATE, SSDP_SEARCH };

struct ssdp_message {
	enum ssdp_kind kind;
	struct url location; /* ANSWER, ALIVE, UPDATE: present and valid */
	char target[128];    /* ST or NT, printable, never cut; "" if absent */
	char usn[192];       /* opaque text, printable, cut to fit; "" if absent */
	char server[128];    /* SERVER, printable, cut to fit; "" if absent */
	bool has_bootid;
	uint32_t
	    bootid; /* BOOTID.UPNP.ORG, or a hash of 01-NLS if that is all there is */
	uint32_t max_age_s; /* CACHE-CONTROL max-age, 0 if absent; at most 86400 */
};

/* The search targets of the quirk list, in the order they are sent (i < SSDP_TARGETS):
 * IGD:1 and IGD:2 device, WANIPConnection:1 and :2, WANPPPConnection:1,
 * WANIPv6FirewallControl:1, ssdp:all. */
const char *ssdp_target(unsigned i);

/* Whether a target or device type announces something natd uses (an IGD or one of its
 * services, any version, upnp-org or dslforum-org; upnp:rootdevice counts too). */
bool ssdp_target_is_gateway(const char *target);

/* M-SEARCH for target, one of ssdp_target(); host: what the HOST header names
 * ("239.255.255.250:1900",
 * "[ff02::c]:1900", or the gateway for unicast); mx_s 0: no MX header (unicast).
 * Its length, or -ENOBUFS. */
ssize_t ssdp_encode_search(
    char *buf, size_t size, const char *host, const char *target, unsigned mx_s);

/* Read one datagram.  Of a field that comes twice the first counts.  0; -EBADMSG: not
 * SSDP, broken or over SSDP_MESSAGE_MAX; -ENOENT: an answer, alive or update without a
 * usable location, or an answer with a status other than 200. */
int ssdp_decode(const char *buf, size_t len, struct ssdp_message *ret);
