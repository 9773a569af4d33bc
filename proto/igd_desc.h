/*
 * igd_desc.h - UPnP device descriptions: the services of an Internet gateway.
 *
 * expat behind a guard: no DOCTYPE, no entities, bounded depth, elements, tokens and
 * memory.  Of every URL only port and path survive; the caller connects to the gateway.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/url.h"

#define IGD_SERVICES_MAX 8

enum igd_service_kind {
	IGD_WAN_IP,        /* WANIPConnection */
	IGD_WAN_PPP,       /* WANPPPConnection */
	IGD_WAN_COMMON,    /* WANCommonInterfaceConfig */
	IGD_IPV6_FIREWALL, /* WANIPv6FirewallControl */
};

struct igd_service {
	enum igd_service_kind kind;
	unsigned version;   /* 1, 2; above 2 counts as 2 */
	char urn[96];       /* exactly as the description spells it: SOAP needs it */
	struct url control; /* resolved against URLBase or the description's own URL */
	struct url event;   /* path "" if there is none */
};

struct igd_desc {
	unsigned version; /* of InternetGatewayDevice: 1 or 2; 0 if not said */
	char friendly_name[64], manufacturer[64], model[64], udn[96]; /* printable */
	unsigned services;
	struct igd_service
	    service[IGD_SERVICES_MAX]; /* document order, duplicates dropped */
};

/*
 * Read one description of len bytes that was fetched from location.  Returns 0 with at
 * least one service of IGD_WAN_IP, IGD_WAN_PPP or IGD_IPV6_FIREWALL; -ENOENT: valid,
 * but no such service; -EBADMSG: not well-formed or refused by the guard; -EMSGSIZE:
 * over a limit; -ENOMEM.
 */
int igd_desc_parse(
    const char *xml, size_t len, const struct url *location, struct igd_desc *ret);
