/*
 * verdict.c - what every "no" of a router means.
 *
 * UPnP error codes overlap: 701 to 709 mean one thing to WANIPConnection and
 * WANPPPConnection and another to WANIPv6FirewallControl, so the service that answered
 * is looked up first; all other codes mean the same to all of them.
 */
#include "proto/verdict.h"

#include <stddef.h>

#include "proto/util.h"

#define HINT_DENIED                                                          \
	"the router refuses port mappings for this host: allow them in its " \
	"settings (on a FRITZ!Box: \"Permit independent port sharing\")"
#define HINT_NO_WAN                                                       \
	"the router has no usable Internet connection: check its status " \
	"page and cable"
#define HINT_FULL                                                       \
	"the router's table of port mappings is full: delete old ones " \
	"in its settings, or restart it"
#define HINT_BUG                                                                   \
	"the router finds fault with natd's request: please report this with its " \
	"model"
#define HINT_OFF "switch UPnP, NAT-PMP or PCP on in the router's settings"
#define HINT_TAKEN                                                            \
	"the external port belongs to another host or rule: ask for another " \
	"port, or delete the old rule in the router's settings"

static const struct verdict pcp_table[] = {
	{ 0, "SUCCESS", REMEDY_NONE, NULL },
	{ 1, "UNSUPP_VERSION", REMEDY_NEXT_METHOD, NULL },
	{ 2, "NOT_AUTHORIZED", REMEDY_RETRY_HOURLY, HINT_DENIED },
	{ 3, "MALFORMED_REQUEST", REMEDY_GIVE_UP, HINT_BUG },
	{ 4, "UNSUPP_OPCODE", REMEDY_NEXT_METHOD, NULL },
	{ 5, "UNSUPP_OPTION", REMEDY_NEXT_METHOD, NULL },
	{ 6, "MALFORMED_OPTION", REMEDY_GIVE_UP, HINT_BUG },
	{ 7, "NETWORK_FAILURE", REMEDY_WAIT_WAN, HINT_NO_WAN },
	{ 8, "NO_RESOURCES", REMEDY_RETRY_SLOW, HINT_FULL },
	{ 9, "UNSUPP_PROTOCOL", REMEDY_NEXT_METHOD, NULL },
	{ 10, "USER_EX_QUOTA", REMEDY_RETRY_SLOW,
	    "the router allows no more port mappings to this host: release some" },
	{ 11, "CANNOT_PROVIDE_EXTERNAL", REMEDY_OTHER_PORT, HINT_TAKEN },
	{ 12, "ADDRESS_MISMATCH", REMEDY_NEXT_METHOD,
	    "there is another NAT between this host and the PCP server: map the port "
	    "on that router too" },
	{ 13, "EXCESSIVE_REMOTE_PEERS", REMEDY_GIVE_UP,
	    "the router takes fewer remote peers in a filter than were asked for" },
};

static const struct verdict natpmp_table[] = {
	{ 0, "SUCCESS", REMEDY_NONE, NULL },
	{ 1, "UNSUPP_VERSION", REMEDY_NEXT_METHOD, NULL },
	{ 2, "NOT_AUTHORIZED", REMEDY_RETRY_HOURLY, HINT_DENIED },
	{ 3, "NETWORK_FAILURE", REMEDY_WAIT_WAN, HINT_NO_WAN },
	{ 4, "OUT_OF_RESOURCES", REMEDY_RETRY_SLOW, HINT_FULL },
	{ 5, "UNSUPP_OPCODE", REMEDY_NEXT_METHOD, NULL },
};

static const struct verdict upnp_table[] = {
	/* TP-Link's answer to a lease other than 0. */
	{ -911, "VendorError911", REMEDY_NEXT_LEASE, NULL },
	{ 0, "Success", REMEDY_NONE, NULL },
	/* UPnP Device Architecture, section 3.2.2 (1.0) and 3.1.4 (1.1). */
	{ 401, "InvalidAction", REMEDY_NEXT_METHOD, NULL },
	{ 402, "InvalidArgs", REMEDY_NEXT_LEASE, NULL },
	{ 404, "InvalidVar", REMEDY_NEXT_METHOD, NULL },
	{ 501, "ActionFailed", REMEDY_WAIT_WAN,
	    "the router failed without a reason; most often it has no public address "
	    "or lost its Internet connection: restart it if this lasts" },
	{ 600, "ArgumentValueInvalid", REMEDY_NEXT_LEASE, NULL },
	{ 601, "ArgumentValueOutOfRange", REMEDY_NEXT_LEASE, NULL },
	{ 602, "OptionalActionNotImplemented", REMEDY_NEXT_METHOD, NULL },
	{ 603, "OutOfMemory", REMEDY_RETRY_SLOW, HINT_FULL },
	{ 604, "HumanInterventionRequired", REMEDY_RETRY_HOURLY,
	    "the router waits for a person: look at its settings page" },
	{ 605, "StringArgumentTooLong", REMEDY_GIVE_UP, HINT_BUG },
	{ 606, "ActionNotAuthorized", REMEDY_RETRY_HOURLY, HINT_DENIED },
	/* DeviceSecurity:1, which natd does not speak. */
	{ 607, "SignatureFailure", REMEDY_NEXT_METHOD, HINT_DENIED },
	{ 608, "SignatureMissing", REMEDY_NEXT_METHOD, HINT_DENIED },
	{ 609, "NotEncrypted", REMEDY_NEXT_METHOD, HINT_DENIED },
	{ 610, "InvalidSequence", REMEDY_NEXT_METHOD, HINT_DENIED },
	{ 611, "InvalidControlURL", REMEDY_REDISCOVER, NULL },
	{ 612, "NoSuchSession", REMEDY_NEXT_METHOD, HINT_DENIED },
	/* WANIPConnection:1 and :2. */
	{ 710, "InvalidConnectionType", REMEDY_NEXT_METHOD, NULL },
	{ 711, "ConnectionAlreadyTerminated", REMEDY_WAIT_WAN, HINT_NO_WAN },
	{ 713, "SpecifiedArrayIndexInvalid", REMEDY_GONE, NULL },
	{ 714, "NoSuchEntryInArray", REMEDY_GONE, NULL },
	{ 715, "WildCardNotPermittedInSrcIP", REMEDY_NEXT_METHOD, NULL },
	{ 716, "WildCardNotPermittedInExtPort", REMEDY_GIVE_UP, HINT_BUG },
	{ 718, "ConflictInMappingEntry", REMEDY_OTHER_PORT, HINT_TAKEN },
	{ 724, "SamePortValuesRequired", REMEDY_SAME_PORT,
	    "the router maps a port only to the same number: ask for an external port "
	    "equal to the internal one" },
	{ 725, "OnlyPermanentLeasesSupported", REMEDY_NEXT_LEASE, NULL },
	{ 726, "RemoteHostOnlySupportsWildcard", REMEDY_NEXT_METHOD, NULL },
	{ 727, "ExternalPortOnlySupportsWildcard", REMEDY_NEXT_METHOD, NULL },
	{ 728, "NoPortMapsAvailable", REMEDY_RETRY_SLOW,
	    "the router's table of port mappings is full, or it does not open this "
	    "port: delete old ones in its settings, or ask for another port" },
	{ 729, "ConflictWithOtherMechanisms", REMEDY_OTHER_PORT,
	    "the external port is used by the router itself, a static rule or DMZ: ask "
	    "for another port" },
	{ 730, "PortMappingNotFound", REMEDY_GONE, NULL },
	{ 731, "ReadOnly", REMEDY_OTHER_PORT,
	    "the entry of this port was made by hand in the router's settings: "
	    "delete it there, or ask for another port" },
	{ 732, "WildCardNotPermittedInIntPort", REMEDY_GIVE_UP,
	    "the router opens single ports only: name an internal port" },
	{ 733, "InconsistentParameters", REMEDY_GIVE_UP, HINT_BUG },
};

/* WANIPConnection:1 and :2, WANPPPConnection:1: what keeps the connection from being
 * one. */
static const struct verdict wan_table[] = {
	{ 703, "InactiveConnectionStateRequired", REMEDY_NEXT_METHOD, NULL },
	{ 704, "ConnectionSetupFailed", REMEDY_WAIT_WAN, HINT_NO_WAN },
	{ 705, "ConnectionSetupInProgress", REMEDY_WAIT_WAN, HINT_NO_WAN },
	{ 706, "ConnectionNotConfigured", REMEDY_WAIT_WAN,
	    "the router's Internet connection is not set up: look at its settings "
	    "page" },
	{ 707, "DisconnectInProgress", REMEDY_WAIT_WAN, HINT_NO_WAN },
	{ 708, "InvalidLayer2Address", REMEDY_NEXT_METHOD, NULL },
	{ 709, "InternetAccessDisabled", REMEDY_WAIT_WAN,
	    "the router's Internet access is switched off: switch it on in its "
	    "settings" },
};

/* WANIPv6FirewallControl:1. */
static const struct verdict firewall_table[] = {
	{ 701, "PinholeSpaceExhausted", REMEDY_RETRY_SLOW,
	    "the router's table of IPv6 pinholes is full: delete old ones in its "
	    "settings, or restart it" },
	{ 702, "FirewallDisabled", REMEDY_NEXT_METHOD,
	    "the router's IPv6 firewall is off: the port needs no pinhole" },
	{ 703, "InboundPinholeNotAllowed", REMEDY_RETRY_HOURLY,
	    "the router forbids IPv6 pinholes: allow them in its settings" },
	{ 704, "NoSuchEntry", REMEDY_GONE, NULL },
	{ 705, "ProtocolNotSupported", REMEDY_NEXT_METHOD, NULL },
	{ 706, "InternalPortWildcardingNotAllowed", REMEDY_GIVE_UP,
	    "the router opens single ports only: name an internal port" },
	{ 707, "ProtocolWildcardingNotAllowed", REMEDY_GIVE_UP,
	    "the router opens TCP or UDP only: name a protocol" },
	{ 708, "WildCardNotPermittedInSrcIP", REMEDY_NEXT_METHOD, NULL },
	{ 709, "NoTrafficReceived", REMEDY_RETRY, NULL },
};

/* RFC 6886 section 3.5 and RFC 6887 section 7.4: an undefined code is fatal for the
 * request.  Unknown UPnP codes were seen where another lease helped (TP-Link). */
static const struct verdict unknown_result = { -1, "UNKNOWN", REMEDY_NEXT_METHOD,
	HINT_OFF };
static const struct verdict unknown_upnp = { -1, "Unknown", REMEDY_NEXT_LEASE, NULL };

struct table {
	const struct verdict *rows;
	size_t count;
};

#define TABLE(t)                   \
	{                          \
		(t), ARRAY_SIZE(t) \
	}

static const struct {
	struct table own, shared;
	const struct verdict *unknown;
} families[] = {
	[VERDICT_PCP] = { TABLE(pcp_table), { NULL, 0 }, &unknown_result },
	[VERDICT_NAT_PMP] = { TABLE(natpmp_table), { NULL, 0 }, &unknown_result },
	[VERDICT_UPNP_WAN] = { TABLE(wan_table), TABLE(upnp_table), &unknown_upnp },
	[VERDICT_UPNP_FIREWALL] = { TABLE(firewall_table), TABLE(upnp_table),
	    &unknown_upnp },
};

static const struct verdict *
find_row(const struct table *t, int code)
{
	for (size_t i = 0; i < t->count; i++)
		if (t->rows[i].code == code)
			return &t->rows[i];
	return NULL;
}

const struct verdict *
verdict_find(enum verdict_family family, int code)
{
	const struct verdict *v = find_row(&families[family].own, code);

	if (!v)
		v = find_row(&families[family].shared, code);
	return v ? v : families[family].unknown;
}
