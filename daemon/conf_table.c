/*
 * conf_table.c - one row per key: where it stands, how it is read, its bounds, its
 * default and what it is for.  etc/natd.conf is printed from here.
 */
#include "daemon/conf_table.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "proto/stun.h"
#include "proto/text.h"
#include "proto/util.h"

#define VALUE_MAX 256

static int
refuse(char why[static CONF_WHY_MAX], const char *reason)
{
	snprintf(why, CONF_WHY_MAX, "%s", reason);
	return -EINVAL;
}

static int
refuse_range(const struct conf_key *key, char why[static CONF_WHY_MAX])
{
	snprintf(why, CONF_WHY_MAX, "not a number from %" PRIu64 " to %" PRIu64 "%s%s",
	    key->min, key->max, key->unit ? " " : "", key->unit ? key->unit : "");
	return -EINVAL;
}

static int
parse_number(const struct conf_key *key, const char *value, uint64_t *ret,
    char why[static CONF_WHY_MAX])
{
	if (text_to_uint(value, strlen(value), key->max, ret) < 0 || *ret < key->min)
		return refuse_range(key, why);
	return 0;
}

static int
parse_u32(const struct conf_key *key, const char *value, void *field,
    char why[static CONF_WHY_MAX])
{
	uint64_t v;
	int err = parse_number(key, value, &v, why);

	if (err == 0)
		*(uint32_t *)field = (uint32_t)v;
	return err;
}

static int
parse_port(const struct conf_key *key, const char *value, void *field,
    char why[static CONF_WHY_MAX])
{
	uint64_t v;
	int err = parse_number(key, value, &v, why);

	if (err == 0)
		*(uint16_t *)field = (uint16_t)v;
	return err;
}

/* "90", "90s", "90 s", "2min", "2h", "1d". */
static int
parse_time(const struct conf_key *key, const char *value, void *field,
    char why[static CONF_WHY_MAX])
{
	static const struct {
		const char *suffix;
		uint64_t s;
	} units[] = { { "", 1 }, { "s", 1 }, { "min", 60 }, { "h", 3600 },
		{ "d", 86400 } };
	size_t digits = strspn(value, "0123456789");
	const char *suffix = value + digits;
	uint64_t v;

	suffix += strspn(suffix, " \t");
	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		if (strcmp(suffix, units[i].suffix) != 0)
			continue;
		if (text_to_uint(value, digits, key->max / units[i].s, &v) < 0 ||
		    v * units[i].s < key->min)
			break;
		*(uint32_t *)field = (uint32_t)(v * units[i].s);
		return 0;
	}
	snprintf(why, CONF_WHY_MAX,
	    "not a time from %" PRIu64 " to %" PRIu64 " s (90, 90s, 2min, 1h or 1d)",
	    key->min, key->max);
	return -EINVAL;
}

static int
parse_bool(const struct conf_key *key, const char *value, void *field,
    char why[static CONF_WHY_MAX])
{
	static const char *const words[] = { "no", "yes", "false", "true", "off", "on",
		"0", "1" };

	(void)key;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strcasecmp(value, words[i]) == 0) {
			*(bool *)field = i % 2;
			return 0;
		}
	return refuse(why, "not yes or no");
}

static int
parse_log_level(const struct conf_key *key, const char *value, void *field,
    char why[static CONF_WHY_MAX])
{
	(void)key;
	if (log_level_from_name(value, field) < 0)
		return refuse(why, "not error, warning, notice, info or debug");
	return 0;
}

static int
parse_family(const struct conf_key *key, const char *value, void *field,
    char why[static CONF_WHY_MAX])
{
	(void)key;
	if (strcmp(value, "ipv4") == 0)
		*(enum addr_family *)field = ADDR_IPV4;
	else if (strcmp(value, "ipv6") == 0)
		*(enum addr_family *)field = ADDR_IPV6;
	else
		return refuse(why, "not ipv4 or ipv6");
	return 0;
}

/* An address that one host can have. */
static int
parse_addr(const struct conf_key *key, const char *value, void *field,
    char why[static CONF_WHY_MAX])
{
	struct addr a;

	(void)key;
	if (addr_parse(value, &a) < 0)
		return refuse(why, "not an IPv4 or IPv6 address");
	if (!addr_is_host(&a))
		return refuse(why, "not the address of another host or a router");
	*(struct addr *)field = a;
	return 0;
}

static int
parse_gateway(const struct conf_key *key, const char *value, void *field,
    char why[static CONF_WHY_MAX])
{
	struct conf_gateway g = { .zone = "" };

	(void)key;
	if (addr_parse_zone(value, &g.addr, g.zone) < 0)
		return refuse(why, "not an IPv4 or IPv6 address");
	if (g.addr.scope)
		return refuse(why,
		    "behind % an interface's name is needed: its number may be another "
		    "one tomorrow");
	if (!addr_is_host(&g.addr))
		return refuse(why, "not the address of another host or a router");
	*(struct conf_gateway *)field = g;
	return 0;
}

static int
parse_internal(const struct conf_key *key, const char *value, void *field,
    char why[static CONF_WHY_MAX])
{
	struct addr a;
	int err = parse_addr(key, value, &a, why);

	if (err < 0)
		return err;
	if (!addr_is_mappable(&a))
		return refuse(why, "a link-local address, which no router maps to");
	*(struct addr *)field = a;
	return 0;
}

static int
parse_text(const struct conf_key *key, const char *value, void *field,
    char why[static CONF_WHY_MAX])
{
	size_t len = strlen(value);

	if (len > key->max) {
		snprintf(why, CONF_WHY_MAX, "longer than %" PRIu64 " bytes", key->max);
		return -EINVAL;
	}
	memset(field, 0, key->type->size);
	memcpy(field, value, len);
	return 0;
}

static int
parse_ifname(const struct conf_key *key, const char *value, void *field,
    char why[static CONF_WHY_MAX])
{
	if (!conf_is_ifname(value))
		return refuse(why, "not the name of an interface");
	return parse_text(key, value, field, why);
}

/* Calls one() for each word; stops at the first that is refused. */
static int
for_words(const char *value, void *field, char why[static CONF_WHY_MAX],
    int (*one)(const char *word, void *field, char why[static CONF_WHY_MAX]))
{
	static const char separators[] = " \t,";
	char copy[VALUE_MAX], *save = NULL;

	if (strlen(value) >= sizeof(copy))
		return refuse(why, "too long");
	strcpy(copy, value);
	for (char *word = strtok_r(copy, separators, &save); word;
	     word = strtok_r(NULL, separators, &save)) {
		int err = one(word, field, why);

		if (err < 0)
			return err;
	}
	return 0;
}

static int
add_method(const char *word, void *field, char why[static CONF_WHY_MAX])
{
	struct conf_methods *methods = field;
	enum method m;

	if (method_from_name(word, &m) < 0) {
		snprintf(why, CONF_WHY_MAX,
		    "\"%.40s\" is not pcp, igd2, nat_pmp, igd1, igd_pinhole or direct",
		    word);
		return -EINVAL;
	}
	for (unsigned i = 0; i < methods->count; i++)
		if (methods->list[i] == m) {
			snprintf(why, CONF_WHY_MAX, "%s twice", word);
			return -EINVAL;
		}
	methods->list[methods->count++] = m;
	return 0;
}

static int
parse_methods(const struct conf_key *key, const char *value, void *field,
    char why[static CONF_WHY_MAX])
{
	(void)key;
	return for_words(value, field, why, add_method);
}

static int
add_transport(const char *word, void *field, char why[static CONF_WHY_MAX])
{
	enum transport t;

	if (transport_from_name(word, &t) < 0) {
		snprintf(why, CONF_WHY_MAX, "\"%.40s\" is not tcp or udp", word);
		return -EINVAL;
	}
	*(unsigned *)field |= 1u << t;
	return 0;
}

static int
parse_transports(const struct conf_key *key, const char *value, void *field,
    char why[static CONF_WHY_MAX])
{
	(void)key;
	return for_words(value, field, why, add_transport);
}

static int
add_addr(const char *word, void *field, char why[static CONF_WHY_MAX])
{
	struct conf_addrs *addrs = field;

	if (addrs->count == CONF_PCP_SERVERS_MAX)
		return refuse(why, "more than 8 addresses");
	if (parse_addr(NULL, word, &addrs->list[addrs->count], why) < 0) {
		snprintf(why, CONF_WHY_MAX, "\"%.60s\" is not the address of a server",
		    word);
		return -EINVAL;
	}
	addrs->count++;
	return 0;
}

static int
parse_addrs(const struct conf_key *key, const char *value, void *field,
    char why[static CONF_WHY_MAX])
{
	(void)key;
	return for_words(value, field, why, add_addr);
}

static int
add_stun_server(const char *word, void *field, char why[static CONF_WHY_MAX])
{
	struct conf_stun_servers *servers = field;
	struct stun_uri u, *to = &servers->list[servers->count];

	if (servers->count == STUN_POOL_MAX)
		return refuse(why, "more than 16 servers");
	if (stun_uri_parse(word, strlen(word), &u) < 0) {
		snprintf(why, CONF_WHY_MAX,
		    "\"%.60s\" is not host, host:port or a stun: or stuns: "
		    "URI",
		    word);
		return -EINVAL;
	}
	/* By members: the padding of sections that are compared stays zero. */
	memcpy(to->host, u.host, sizeof(to->host));
	to->port = u.port;
	to->secure = u.secure;
	to->transport = u.transport;
	servers->count++;
	return 0;
}

static int
parse_stun_servers(const struct conf_key *key, const char *value, void *field,
    char why[static CONF_WHY_MAX])
{
	(void)key;
	return for_words(value, field, why, add_stun_server);
}

/* An address of this host, and the port, or 3478. */
static int
add_listen(const char *word, void *field, char why[static CONF_WHY_MAX])
{
	struct conf_listen *listen = field;
	struct stun_uri u;
	struct addr a;

	if (stun_uri_parse(word, strlen(word), &u) < 0 || u.transport != STUN_UDP ||
	    addr_parse(u.host, &a) < 0 || addr_is_unspecified(&a) ||
	    addr_classify(&a) == ADDR_CLASS_MULTICAST) {
		snprintf(why, CONF_WHY_MAX,
		    "\"%.60s\" is not an address of this host, with or without port",
		    word);
		return -EINVAL;
	}
	if (listen->count == ARRAY_SIZE(listen->list) ||
	    (listen->count == 1 && listen->list[0].addr.family == a.family))
		return refuse(why, "more than one address of a family");
	listen->list[listen->count].addr = a;
	listen->list[listen->count].port = u.port ? u.port : STUN_PORT;
	listen->count++;
	return 0;
}

static int
parse_listen(const struct conf_key *key, const char *value, void *field,
    char why[static CONF_WHY_MAX])
{
	(void)key;
	return for_words(value, field, why, add_listen);
}

static int
parse_path(const struct conf_key *key, const char *value, void *field,
    char why[static CONF_WHY_MAX])
{
	if (value[0] != '/' && (strchr(value, '/') || value[0] == '.'))
		return refuse(why, "neither a path that begins with / nor the name of "
				   "a credential");
	return parse_text(key, value, field, why);
}

/* RFC 5780: the other address has another port, too. */
int
conf_check_stun_server(const struct conf_stun_server *c, char why[static CONF_WHY_MAX])
{
	if (c->realm[0] && !c->credentials[0])
		return refuse(why, "Realm= without Credentials=");
	for (unsigned i = 0; i < c->alternate.count; i++) {
		const struct endpoint *e = &c->alternate.list[i];
		const struct endpoint *first = NULL;

		for (unsigned k = 0; k < c->listen.count; k++)
			if (c->listen.list[k].addr.family == e->addr.family)
				first = &c->listen.list[k];
		if (!first)
			return refuse(
			    why, "AlternateListen= without Listen= of its family");
		if (addr_equal(&first->addr, &e->addr) || first->port == e->port)
			return refuse(why,
			    "AlternateListen= must have another address and another "
			    "port than Listen=");
	}
	return 0;
}

static const struct conf_type u32 = { parse_u32, sizeof(uint32_t), false };
static const struct conf_type port = { parse_port, sizeof(uint16_t), false };
static const struct conf_type seconds = { parse_time, sizeof(uint32_t), false };
static const struct conf_type boolean = { parse_bool, sizeof(bool), false };
static const struct conf_type level = { parse_log_level, sizeof(enum log_level),
	false };
static const struct conf_type family = { parse_family, sizeof(enum addr_family),
	false };
static const struct conf_type gateway = { parse_gateway, sizeof(struct conf_gateway),
	false };
static const struct conf_type internal = { parse_internal, sizeof(struct addr), false };
static const struct conf_type addresses = { parse_addrs, sizeof(struct conf_addrs),
	true };
static const struct conf_type stun_servers = { parse_stun_servers,
	sizeof(struct conf_stun_servers), true };
static const struct conf_type methods = { parse_methods, sizeof(struct conf_methods),
	true };
static const struct conf_type transports = { parse_transports, sizeof(unsigned), true };
static const struct conf_type listen_on = { parse_listen, sizeof(struct conf_listen),
	true };
static const struct conf_type path = { parse_path, CONF_PATH_MAX, false };
static const struct conf_type realm = { parse_text, CONF_REALM_MAX, false };
static const struct conf_type ifname = { parse_ifname, IF_NAMESIZE, false };
static const struct conf_type group = { parse_text, CONF_GROUP_MAX, false };
static const struct conf_type description = { parse_text, CONF_DESCRIPTION_MAX, false };

#define DAEMON(name, type, field) CONF_DAEMON, name, &type, offsetof(struct conf, field)
#define STUN(name, type, field) CONF_STUN, name, &type, offsetof(struct conf, field)
#define STUNSERVER(name, type, field) \
	CONF_STUN_SERVER, name, &type, offsetof(struct conf, stun_server.field)
#define UPLINK(name, type, field) \
	CONF_UPLINK, name, &type, offsetof(struct conf_uplink, field)
#define MAPPING(name, type, field) \
	CONF_MAPPING, name, &type, offsetof(struct conf_mapping, field)

#define LEASE_MIN_S 120
#define LEASE_MAX_S 86400
/* VPN gateways grant 60 s and not more. */
#define UPLINK_LEASE_MIN_S 30

/* In the order they are printed. */
const struct conf_key conf_keys[] = {
	{ DAEMON("LogLevel", level, log_level), "info", 0, 0, NULL, 0,
	    "What is logged: error, warning, notice, info or debug." },
	{ DAEMON("Methods", methods, methods),
	    "pcp igd2 nat_pmp igd1 igd_pinhole direct", 0, 0, NULL, 0,
	    "How ports are opened, the preferred way first. What is not named is not "
	    "used, but to delete what it made before." },
	{ DAEMON("LeaseSec", seconds, lease_s), "2h", LEASE_MIN_S, LEASE_MAX_S, "s", 0,
	    "The lifetime asked for; mappings are renewed at half of what was "
	    "granted." },
	{ DAEMON("QuotaPerUser", u32, quota_per_user), "64", 1, 10000, NULL, 0,
	    "How many mappings a user without privilege may have." },
	{ DAEMON("MappingsMax", u32, mappings_max), "4096", 1, 65536, NULL, 0,
	    "How many mappings there may be in all." },
	{ DAEMON("ConnectionsMax", u32, connections_max), "2048", 16, 65536, NULL,
	    CONF_RESTART, "How many programs may be connected in all." },
	{ DAEMON("ConnectionsPerUser", u32, connections_per_user), "64", 1, 65536, NULL,
	    CONF_RESTART, "How many programs of one user may be connected." },
	{ DAEMON("ProbeSec", seconds, probe_s), "60", 10, 3600, "s", 0,
	    "How often a gateway that holds mappings and says nothing is looked at." },
	{ DAEMON("Events", boolean, events), "no", 0, 0, NULL, 0,
	    "Subscribe to the events of UPnP routers. natd then listens on a TCP port "
	    "for its gateways." },
	{ DAEMON("PcpServers", addresses, pcp_servers), "192.0.0.9 2001:1::1", 0, 0,
	    NULL, 0,
	    "PCP servers of the carrier, asked when the router is itself behind a NAT. "
	    "Empty: none." },
	{ DAEMON("AdminGroup", group, admin_group), "natd", 1, CONF_GROUP_MAX - 1, NULL,
	    CONF_RESTART, "Members of this group may do what root may." },

	{ STUN("Servers", stun_servers, stun_servers),
	    "stun.l.google.com:19302 stun.cloudflare.com:3478 stun.nextcloud.com:443",
	    0, 0, NULL, 0,
	    "STUN servers, as host, host:port, stun: or stuns: URI; several, of "
	    "different "
	    "operators: no single one is believed. They are asked only when a program "
	    "wants to know its address outside. Empty: none." },

	{ STUNSERVER("Listen", listen_on, listen), "", 0, 0, NULL, 0,
	    "Be a STUN server (RFC 8489) for others, over UDP and TCP, at this address "
	    "of the host, as address or address:port (3478); at most one IPv4 and one "
	    "IPv6 address. Empty: no server." },
	{ STUNSERVER("AlternateListen", listen_on, alternate), "", 0, 0, NULL, 0,
	    "A second address, on another port: clients can then find out how their "
	    "NAT "
	    "behaves (RFC 5780)." },
	{ STUNSERVER("Credentials", path, credentials), "", 1, CONF_PATH_MAX - 1, NULL,
	    0,
	    "A file with a name and a password per line, separated by a blank, that "
	    "nobody but natd can read; its path, or the name of a credential of "
	    "systemd (LoadCredential=). Only who has one of them is answered. Default: "
	    "everybody is." },
	{ STUNSERVER("Realm", realm, realm), "", 1, CONF_REALM_MAX - 1, NULL, 0,
	    "The realm of long-term credentials. Default: they are short-term ones." },
	{ STUNSERVER("RateLimit", u32, rate_limit), "10", 0, 100000, NULL, 0,
	    "How many requests of one address, or IPv6 /64, are answered per second. "
	    "0: "
	    "no limit." },
	{ STUNSERVER("Software", boolean, software), "no", 0, 0, NULL, 0,
	    "Say in every answer that this is natd." },

	{ UPLINK("Gateway", gateway, gateway), "", 0, 0, NULL, 0,
	    "The gateway's address. Default: the default route's, or the first address "
	    "of the interface's network." },
	{ UPLINK("LeaseSec", seconds, lease_s), "", UPLINK_LEASE_MIN_S, LEASE_MAX_S,
	    "s", 0, "As in [Daemon], for this uplink. VPN services often grant 60 s." },
	{ UPLINK("Methods", methods, methods), "", 0, 0, NULL, 0,
	    "As in [Daemon], for this uplink." },

	{ MAPPING("Protocols", transports, transports), "", 0, 0, NULL, CONF_REQUIRED,
	    "tcp, udp or both; both get the same external port." },
	{ MAPPING("InternalPort", port, internal_port), "", 0, 65535, NULL,
	    CONF_REQUIRED,
	    "The port the program listens on. 0: the router chooses, and the program "
	    "has to listen there." },
	{ MAPPING("InternalAddress", internal, internal), "", 0, 0, NULL, 0,
	    "The host the port is on. Default: this one." },
	{ MAPPING("Family", family, family), "", 0, 0, NULL, 0,
	    "ipv4 or ipv6. Default: what the network has." },
	{ MAPPING("Interface", ifname, ifname), "", 1, IF_NAMESIZE - 1, NULL, 0,
	    "The uplink. Default: the one with the default route." },
	{ MAPPING("Gateway", gateway, gateway), "", 0, 0, NULL, 0,
	    "Only through this gateway." },
	{ MAPPING("ExternalPort", port, external_port), "", 1, 65535, NULL, 0,
	    "The port wished for on the router. Default: the internal port." },
	{ MAPPING("PreferFailure", boolean, prefer_failure), "no", 0, 0, NULL, 0,
	    "Rather no mapping than another external port." },
	{ MAPPING("LeaseSec", seconds, lease_s), "", UPLINK_LEASE_MIN_S, LEASE_MAX_S,
	    "s", 0, "As in [Daemon], for this mapping." },
	{ MAPPING("Methods", methods, methods), "", 0, 0, NULL, 0,
	    "As in [Daemon], for this mapping." },
	{ MAPPING("Description", description, description), "", 1,
	    CONF_DESCRIPTION_MAX - 1, NULL, 0,
	    "What the router's list shows. Default: the section's name." },
};
const size_t conf_keys_count = ARRAY_SIZE(conf_keys);

const struct conf_section_row conf_sections[] = {
	[CONF_DAEMON] = { .word = "Daemon" },
	[CONF_STUN] = { .word = "Stun" },
	[CONF_STUN_SERVER] = { .word = "StunServer" },
	[CONF_UPLINK] = { "Uplink", "IFNAME",
	    "One section per interface that needs settings of its own. A VPN interface "
	    "without a default route is an uplink when it is named here.",
	    conf_is_ifname, offsetof(struct conf_uplink, ifname) },
	[CONF_MAPPING] = { "Mapping", "NAME",
	    "One section per mapping that is kept until the section goes. While natd "
	    "is stopped it stays open until its lease ends.",
	    conf_is_name, offsetof(struct conf_mapping, name) },
};

void
conf_key_reset(const struct conf_key *key, void *object)
{
	void *field = (char *)object + key->offset;
	char why[CONF_WHY_MAX];

	memset(field, 0, key->type->size);
	if (key->def[0] != '\0')
		key->type->parse(key, key->def, field, why);
}

bool
conf_is_ifname(const char *text)
{
	size_t len = strlen(text);

	if (len == 0 || len >= IF_NAMESIZE || strcmp(text, ".") == 0 ||
	    strcmp(text, "..") == 0)
		return false;
	for (size_t i = 0; i < len; i++)
		if (text[i] <= ' ' || text[i] > '~' || text[i] == '/' || text[i] == ':')
			return false;
	return true;
}

bool
conf_is_name(const char *text)
{
	char printable[CONF_NAME_MAX];
	size_t len = strlen(text);

	if (len == 0 || len >= CONF_NAME_MAX)
		return false;
	text_copy_printable(printable, sizeof(printable), text, len);
	return strcmp(printable, text) == 0;
}
