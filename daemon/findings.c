/*
 * findings.c - the table of what can be found, in words for people.
 */
#include "daemon/findings.h"

#include <string.h>

#include "proto/json.h"
#include "proto/util.h"

#define I SEVERITY_INFO
#define W SEVERITY_WARNING
#define E SEVERITY_ERROR

#define ASK_FOR_ADDRESS                                                              \
	"ask the provider for a public IPv4 address, use IPv6, or let the programs " \
	"punch holes (UDP)"

const struct finding_row finding_rows[FINDING_CODES] = {
	[FINDING_UPLINK] = { "uplink", I, "{b} on {a}, router {c}", NULL },
	[FINDING_OFFLINE] = { "offline", E,
	    "no interface has an address and a default route",
	    "plug in the cable or join the wireless network; then look at: ip "
	    "address, ip route" },
	[FINDING_NO_UPLINK_HERE] = { "no_uplink_here", E, "there is no {a} way out{b}",
	    "ask without -4, -6 and -i, or look at: ip route" },
	[FINDING_NOT_DEFAULT] = { "not_default", I,
	    "the default route leads through another interface than {a}", NULL },
	[FINDING_NO_ROUTER] = { "no_router", I, "{b} on {a}, without a router", NULL },
	[FINDING_ROUTER_SILENT] = { "router_silent", E,
	    "the router {a} does not answer on {b}, as if it was not there",
	    "is it switched on, and is its address right? Look at: ip neighbour" },
	[FINDING_CLOCK_WRONG] = { "clock_wrong", W, "this host's clock says {a}",
	    "set it (timedatectl): certificates cannot be checked with it" },

	[FINDING_METHOD_AVAILABLE] = { "method_available", I, "{a} answers{b}", NULL },
	[FINDING_METHOD_ABSENT] = { "method_absent", I, "{a}: {b}", NULL },
	[FINDING_METHOD_PAUSED] = { "method_paused", W,
	    "{a}: {b}; natd leaves it alone for a minute",
	    "if that goes on, restart the router" },
	[FINDING_METHOD_PENDING] = { "method_pending", I, "{a}: no answer yet", NULL },
	[FINDING_NO_METHOD] = { "no_method", E,
	    "the router {a} opens no ports by itself",
	    "switch on UPnP, NAT-PMP or PCP in its settings, or forward the ports "
	    "there by hand" },
	[FINDING_NO_PINHOLES] = { "no_pinholes", W,
	    "the router {a} cannot be asked to open its IPv6 firewall",
	    "allow incoming IPv6 to this host in its settings, or switch on PCP or "
	    "UPnP there" },
	[FINDING_FIREWALL_TIMEOUT] = { "firewall_timeout", I,
	    "its IPv6 firewall closes what a program opened by sending UDP {a} s after "
	    "the last packet",
	    NULL },
	[FINDING_QUIRK_SAME_PORT] = { "quirk_same_port", I,
	    "this router maps a port only to the same number inside", NULL },
	[FINDING_QUIRK_LEASE] = { "quirk_lease", I,
	    "this router takes other lifetimes than usual, natd keeps to them", NULL },
	[FINDING_QUIRK_ANY_PORT] = { "quirk_any_port", I,
	    "this router does not choose ports itself, natd tries them one by one",
	    NULL },

	[FINDING_SEEN_AS] = { "seen_as", I, "{a} is what {b} sees", NULL },
	[FINDING_NO_STUN_SERVER] = { "no_stun_server", W,
	    "no STUN server is configured, so nobody outside can be asked",
	    "name some in natd.conf: [Stun] Servers=" },
	[FINDING_NO_STUN_FAMILY] = { "no_stun_family", W,
	    "none of the configured STUN servers has an {a} address",
	    "name one in natd.conf: [Stun] Servers=" },
	[FINDING_DNS_FAILING] = { "dns_failing", E,
	    "the names of the STUN servers cannot be resolved",
	    "is the DNS working? Try: getent hosts {a}, and look at /etc/resolv.conf" },
	[FINDING_NO_WAY_OUT] = { "no_way_out", E,
	    "there is no route to the STUN servers", "look at: ip route" },
	[FINDING_UDP_BLOCKED] = { "udp_blocked", E, "no STUN server answers over UDP",
	    "a firewall may block UDP, or the router has no Internet: look there "
	    "first" },
	[FINDING_SERVER_INSIDE] = { "server_inside", W,
	    "{b} sees {a}: it is inside the same network, not on the Internet",
	    "name a server on the Internet in natd.conf: [Stun] Servers=" },
	[FINDING_SERVERS_DISAGREE] = { "servers_disagree", W,
	    "STUN servers do not agree on the address",
	    "the way out may change from one destination to another (two uplinks, "
	    "a pool of addresses)" },

	[FINDING_ADDRESS_GLOBAL] = { "address_global", I,
	    "{a} is this host's own and global: no NAT", NULL },
	[FINDING_EXTERNAL_MATCHES] = { "external_matches", I, "the router says {a} too",
	    NULL },
	[FINDING_EXTERNAL_GLOBAL] = { "external_global", I,
	    "the router says {a}, which is global", NULL },
	[FINDING_EXTERNAL_UNKNOWN] = { "external_unknown", I,
	    "the router does not say its address outside", NULL },
	[FINDING_EXTERNAL_OWN] = { "external_own", I,
	    "{a} is the router's own address, it is one hop away", NULL },
	[FINDING_CGNAT] = { "cgnat", W,
	    "the router's address outside is {a}, the carrier translates again{b}",
	    ASK_FOR_ADDRESS },
	[FINDING_DOUBLE_NAT] = { "double_nat", W,
	    "the router's address outside is {a}, not a global one: another NAT "
	    "follows{b}",
	    "map the port on that router too, or make one of the two a bridge" },
	[FINDING_EXTERNAL_MISMATCH] = { "external_mismatch", W,
	    "the router says {a}, but the Internet sees {b}: another NAT follows, or "
	    "another way out",
	    ASK_FOR_ADDRESS },

	[FINDING_NAT_NONE] = { "nat_none", I, "no NAT on the way", NULL },
	[FINDING_NAT_INDEPENDENT] = { "nat_independent", I,
	    "one port for all peers: hole punching works", NULL },
	[FINDING_NAT_SYMMETRIC] = { "nat_symmetric", W,
	    "another port for each peer: hole punching fails",
	    "this is a symmetric NAT: programs need a mapped port, or a relay (TURN)" },
	[FINDING_NAT_UNKNOWN] = { "nat_unknown", I,
	    "it could not be measured how the NAT behaves", NULL },
	[FINDING_FIREWALL] = { "firewall", W,
	    "a firewall lets in only what was asked for",
	    "open the port there: in the router's settings, or on this host" },
	[FINDING_FIREWALL_OPENED] = { "firewall_opened", I,
	    "a firewall lets in only what was asked for; natd opens it for mappings",
	    NULL },

	[FINDING_MAPPINGS_FINE] = { "mappings_fine", I, "{a} active", NULL },
	[FINDING_MAPPINGS_USELESS] = { "mappings_useless", W,
	    "{a} active, but at an address that the Internet cannot reach",
	    "see above what the address says" },
	[FINDING_NO_MAPPINGS] = { "no_mappings", I, "none is wanted", NULL },
	[FINDING_MAPPINGS_MORE] = { "mappings_more", W, "and {a} more with a problem",
	    "see all: natctl list" },
	[FINDING_MAPPING_CLOSED] = { "mapping_closed", W,
	    "{a}: proven closed from outside", "ask again: natctl verify {a}" },

	[FINDING_IPV6_NONE] = { "ipv6_none", I, "this host has no IPv6", NULL },
	[FINDING_IPV4_NONE] = { "ipv4_none", I, "this host has nothing else, no IPv4",
	    NULL },
	[FINDING_IPV6_PINHOLES] = { "ipv6_pinholes", I,
	    "{a} is global, and the router opens ports for it", NULL },
	[FINDING_IPV6_FIREWALL] = { "ipv6_firewall", I,
	    "{a} is global; whether the router lets connections in is not known",
	    "measure it: natctl check -6" },
	[FINDING_OTHER_FAMILY] = { "other_family", I, "{a} on {b}", NULL },

	[FINDING_ASKING] = { "asking", I, "asking {a} to answer to port {b} outside",
	    NULL },
	[FINDING_PROVEN_OPEN] = { "proven_open", I,
	    "what {a} sent to port {b} outside has arrived", NULL },
	[FINDING_PROVEN_BY_SCRATCH] = { "proven_by_scratch", I,
	    "proven with another port, mapped in the same way and given back",
	    "this very port can be proven by its program, which has the socket" },
	[FINDING_HALF_PROVEN] = { "half_proven", I,
	    "this is about UDP; TCP cannot be tried by STUN", NULL },
	[FINDING_TCP_UNPROVEN] = { "tcp_unproven", W,
	    "STUN can prove UDP only: that is open in the same way, TCP was not tried",
	    "try it from another network: nc -vz {a} {b}" },
	[FINDING_NOTHING_ARRIVED] = { "nothing_arrived", I,
	    "nothing that {a} sent to port {b} outside has arrived, the rest did",
	    NULL },
	[FINDING_NOT_FORWARDED] = { "not_forwarded", E,
	    "the router says that it maps {a}, but it does not forward",
	    "ask it again (natctl renew {b}), look for a firewall in its settings, or "
	    "restart it" },
	[FINDING_MADE_ANEW] = { "made_anew", W,
	    "natd has it deleted there and made again, which helps with some routers",
	    "prove it once more in a few seconds" },
	[FINDING_NOT_HELD] = { "not_held", W,
	    "the mapping is {a}: there is nothing to prove",
	    "see why: natctl show {b}" },
	[FINDING_SCRATCH_REFUSED] = { "scratch_refused", W,
	    "no other port could be mapped for the proof: {a}",
	    "try again later, or let the program prove it with its socket" },
	[FINDING_NO_RFC5780] = { "no_rfc5780", W,
	    "no STUN server that is configured sends its answer to another port "
	    "(RFC 5780)",
	    "name one in natd.conf: [Stun] Servers=; natd is one itself, see "
	    "[StunServer]" },
	[FINDING_TOO_LOSSY] = { "too_lossy", W, "too much is lost on the way to tell",
	    "try again" },
	[FINDING_TOO_SOON] = { "too_soon", W,
	    "this port was proven a moment ago: the router may still let in what it "
	    "let in then",
	    "try again in two minutes" },
	[FINDING_TOO_LATE] = { "too_late", W, "there was no verdict in time",
	    "give it more time (--timeout)" },
	[FINDING_TOO_MANY] = { "too_many", W, "too much is being looked at already",
	    "try again in a moment" },

	[FINDING_HOP_HOST] = { "hop_host", I, "{a}", NULL },
	[FINDING_HOP_ROUTER] = { "hop_router", I, "{a}", NULL },
	[FINDING_HOP_CARRIER] = { "hop_carrier", I, "{a}", NULL },
	[FINDING_HOP_NAT] = { "hop_nat", I, "{a}", NULL },
	[FINDING_HOP_INTERNET] = { "hop_internet", I, "{a}", NULL },
};

/* Copies template with {a}, {b}, {c} filled in. */
static const char *
fill(
    const char *template, const char *const words[3], char ret[static FINDING_TEXT_MAX])
{
	size_t n = 0;

	while (*template && n + 1 < FINDING_TEXT_MAX) {
		const char *word = NULL;

		if (template[0] == '{' && template[1] >= 'a' && template[1] <= 'c' &&
		    template[2] == '}')
			word = words[template[1] - 'a'] ? words[template[1] - 'a'] : "";
		if (!word) {
			ret[n++] = *template ++;
			continue;
		}
		while (*word && n + 1 < FINDING_TEXT_MAX)
			ret[n++] = *word++;
		template += 3;
	}
	ret[n] = '\0';
	return ret;
}

const char *
finding_text(enum finding_code code, const char *a, const char *b, const char *c,
    char ret[static FINDING_TEXT_MAX])
{
	return fill(
	    finding_rows[code].message, (const char *const[3]) { a, b, c }, ret);
}

void
finding_add(cJSON *findings, enum finding_code code, const char *a, const char *b,
    const char *c)
{
	const struct finding_row *row = &finding_rows[code];
	cJSON *o = cJSON_CreateObject();
	char text[FINDING_TEXT_MAX];

	json_add_string(o, "severity", severity_name(row->severity));
	json_add_string(o, "code", row->code);
	json_add_string(o, "message", finding_text(code, a, b, c, text));
	if (row->hint)
		json_add_string(o, "hint",
		    fill(row->hint, (const char *const[3]) { a, b, c }, text));
	json_append_item(findings, o);
}
