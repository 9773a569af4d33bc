/*
 * test_conf_values.c - every key with values at its bounds and values in error.
 */
#include "daemon/conf_table.h"
#include "tests/unit/conf_files.h"

enum kind { U32, U16, BOOL, ENUM, TEXT, ADDR, METHODS, ADDRS, SERVERS, LISTEN };

#define D(field) CONF_DAEMON, offsetof(struct conf, field)
#define S(field) CONF_STUN, offsetof(struct conf, field)
#define V(field) CONF_STUN_SERVER, offsetof(struct conf, stun_server.field)
#define U(field) CONF_UPLINK, offsetof(struct conf_uplink, field)
#define M(field) CONF_MAPPING, offsetof(struct conf_mapping, field)

#define HERE " is not an address of this host, with or without port"
#define HOST "not the address of another host or a router"
#define ZONE                                                                     \
	"behind % an interface's name is needed: its number may be another one " \
	"tomorrow"

static const struct value {
	enum conf_section section;
	size_t offset;
	enum kind kind;
	const char *line;
	const char *want;  /* the value as text, when good */
	const char *error; /* behind "Key=value: ", when bad */
} values[] = {
	{ D(log_level), ENUM, "LogLevel=debug", "4", NULL },
	{ D(log_level), ENUM, "LogLevel=error", "0", NULL },
	{ D(log_level), ENUM, "LogLevel=", "3", NULL },
	{ D(log_level), ENUM, "LogLevel=Debug", NULL,
	    "not error, warning, notice, info or debug" },
	{ D(methods), METHODS, "Methods=nat_pmp pcp", "nat_pmp pcp", NULL },
	{ D(methods), METHODS, "Methods=direct", "direct", NULL },
	{ D(methods), METHODS, "Methods=nat_pmp,pcp, igd1\tigd2 ,",
	    "nat_pmp pcp igd1 igd2", NULL },
	{ D(methods), METHODS, "Methods=pcp,upnp", NULL, "\"upnp\"" METHOD },
	{ D(methods), METHODS, "Methods=pcp upnp", NULL, "\"upnp\"" METHOD },
	{ D(methods), METHODS, "Methods=pcp igd1 pcp", NULL, "pcp twice" },
	{ D(methods), METHODS, "Methods=PCP", NULL, "\"PCP\"" METHOD },
	{ D(lease_s), U32, "LeaseSec=120", "120", NULL },
	{ D(lease_s), U32, "LeaseSec=86400", "86400", NULL },
	{ D(lease_s), U32, "LeaseSec=86400s", "86400", NULL },
	{ D(lease_s), U32, "LeaseSec=2min", "120", NULL },
	{ D(lease_s), U32, "LeaseSec=90 min", "5400", NULL },
	{ D(lease_s), U32, "LeaseSec=24h", "86400", NULL },
	{ D(lease_s), U32, "LeaseSec=1d", "86400", NULL },
	{ D(lease_s), U32, "LeaseSec = 2h", "7200", NULL },
	{ D(lease_s), U32, "LeaseSec=2h ; a comment", "7200", NULL },
	{ D(lease_s), U32, "LeaseSec=", "7200", NULL },
	{ D(lease_s), U32, "LeaseSec=119", NULL, TIME(120, 86400) },
	{ D(lease_s), U32, "LeaseSec=1min", NULL, TIME(120, 86400) },
	{ D(lease_s), U32, "LeaseSec=86401", NULL, TIME(120, 86400) },
	{ D(lease_s), U32, "LeaseSec=25h", NULL, TIME(120, 86400) },
	{ D(lease_s), U32, "LeaseSec=2d", NULL, TIME(120, 86400) },
	{ D(lease_s), U32, "LeaseSec=0", NULL, TIME(120, 86400) },
	{ D(lease_s), U32, "LeaseSec=h", NULL, TIME(120, 86400) },
	{ D(lease_s), U32, "LeaseSec=-7200", NULL, TIME(120, 86400) },
	{ D(lease_s), U32, "LeaseSec=1.5h", NULL, TIME(120, 86400) },
	{ D(lease_s), U32, "LeaseSec=1h30min", NULL, TIME(120, 86400) },
	{ D(lease_s), U32, "LeaseSec=2m", NULL, TIME(120, 86400) },
	{ D(lease_s), U32, "LeaseSec=2H", NULL, TIME(120, 86400) },
	{ D(lease_s), U32, "LeaseSec=0x1000", NULL, TIME(120, 86400) },
	{ D(lease_s), U32, "LeaseSec=18446744073709551616d", NULL, TIME(120, 86400) },
	{ D(quota_per_user), U32, "QuotaPerUser=1", "1", NULL },
	{ D(quota_per_user), U32, "QuotaPerUser=10000", "10000", NULL },
	{ D(quota_per_user), U32, "QuotaPerUser=0", NULL, NUMBER(1, 10000) },
	{ D(quota_per_user), U32, "QuotaPerUser=10001", NULL, NUMBER(1, 10000) },
	{ D(quota_per_user), U32, "QuotaPerUser=ten", NULL, NUMBER(1, 10000) },
	{ D(mappings_max), U32, "MappingsMax=1", "1", NULL },
	{ D(mappings_max), U32, "MappingsMax=65536", "65536", NULL },
	{ D(mappings_max), U32, "MappingsMax=0", NULL, NUMBER(1, 65536) },
	{ D(mappings_max), U32, "MappingsMax=65537", NULL, NUMBER(1, 65536) },
	{ D(connections_max), U32, "ConnectionsMax=64", "64", NULL },
	{ D(connections_max), U32, "ConnectionsMax=65536", "65536", NULL },
	{ D(connections_max), U32, "ConnectionsMax=15", NULL, NUMBER(16, 65536) },
	{ D(connections_max), U32, "ConnectionsMax=65537", NULL, NUMBER(16, 65536) },
	{ D(connections_per_user), U32, "ConnectionsPerUser=1", "1", NULL },
	{ D(connections_per_user), U32, "ConnectionsPerUser=2048", "2048", NULL },
	{ D(connections_per_user), U32, "ConnectionsPerUser=0", NULL,
	    NUMBER(1, 65536) },
	{ D(connections_per_user), U32, "ConnectionsPerUser=1 ", "1", NULL },
	{ D(probe_s), U32, "ProbeSec=10", "10", NULL },
	{ D(probe_s), U32, "ProbeSec=1h", "3600", NULL },
	{ D(probe_s), U32, "ProbeSec=9", NULL, TIME(10, 3600) },
	{ D(probe_s), U32, "ProbeSec=3601", NULL, TIME(10, 3600) },
	{ D(events), BOOL, "Events=yes", "1", NULL },
	{ D(events), BOOL, "Events=TRUE", "1", NULL },
	{ D(events), BOOL, "Events=on", "1", NULL },
	{ D(events), BOOL, "Events=1", "1", NULL },
	{ D(events), BOOL, "Events=off", "0", NULL },
	{ D(events), BOOL, "Events=maybe", NULL, "not yes or no" },
	{ D(events), BOOL, "Events=2", NULL, "not yes or no" },
	{ D(pcp_servers), ADDRS, "PcpServers=", "", NULL },
	{ D(pcp_servers), ADDRS, "PcpServers=10.0.0.1", "10.0.0.1", NULL },
	{ D(pcp_servers), ADDRS, "PcpServers=10.0.0.1  fe80::1", "10.0.0.1 fe80::1",
	    NULL },
	{ D(pcp_servers), ADDRS, "PcpServers=10.0.0.1,fe80::1", "10.0.0.1 fe80::1",
	    NULL },
	{ D(pcp_servers), ADDRS, "PcpServers=pcp.example", NULL,
	    "\"pcp.example\" is not the address of a server" },
	{ D(pcp_servers), ADDRS, "PcpServers=10.0.0.1 ::1", NULL,
	    "\"::1\" is not the address of a server" },
	{ D(pcp_servers), ADDRS,
	    "PcpServers=10.0.0.1 10.0.0.2 10.0.0.3 10.0.0.4 10.0.0.5 10.0.0.6 10.0.0.7 "
	    "10.0.0.8",
	    "10.0.0.1 10.0.0.2 10.0.0.3 10.0.0.4 10.0.0.5 10.0.0.6 10.0.0.7 10.0.0.8",
	    NULL },
	{ D(pcp_servers), ADDRS,
	    "PcpServers=1.0.0.1 1.0.0.2 1.0.0.3 1.0.0.4 1.0.0.5 1.0.0.6 1.0.0.7 "
	    "1.0.0.8 1.0.0.9",
	    NULL, "more than 8 addresses" },
	{ D(admin_group), TEXT, "AdminGroup=wheel", "wheel", NULL },
	{ D(admin_group), TEXT, "AdminGroup=", "natd", NULL },
	{ D(admin_group), TEXT, "AdminGroup=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
	    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", NULL },
	{ D(admin_group), TEXT, "AdminGroup=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", NULL,
	    "longer than 32 bytes" },

	{ S(stun_servers), SERVERS, "Servers=", "", NULL },
	{ S(stun_servers), SERVERS, "Servers=stun.example", "stun:stun.example", NULL },
	{ S(stun_servers), SERVERS,
	    "Servers=stun.example:19302, stun:b.example:1,192.0.2.1  [fe80::1%eth0]:2",
	    "stun:stun.example:19302 stun:b.example:1 stun:192.0.2.1 "
	    "stun:[fe80::1%eth0]:2",
	    NULL },
	{ S(stun_servers), SERVERS, "Servers=a b c d e f g h i j k l m n o p",
	    "stun:a stun:b stun:c stun:d stun:e stun:f stun:g stun:h stun:i stun:j "
	    "stun:k stun:l stun:m stun:n stun:o stun:p",
	    NULL },
	{ S(stun_servers), SERVERS, "Servers=a b c d e f g h i j k l m n o p q", NULL,
	    "more than 16 servers" },
	{ S(stun_servers), SERVERS, "Servers=stun.example:port", NULL,
	    "\"stun.example:port\" is not host, host:port or a stun: or stuns: URI" },
	{ S(stun_servers), SERVERS, "Servers=turn:a", NULL,
	    "\"turn:a\" is not host, host:port or a stun: or stuns: URI" },
	{ S(stun_servers), SERVERS,
	    "Servers=stun:a?transport=tcp stuns:b stuns:c:1?transport=udp",
	    "stun:a?transport=tcp stuns:b stuns:c:1?transport=udp", NULL },

	{ V(listen), LISTEN, "Listen=", "", NULL },
	{ V(listen), LISTEN, "Listen=192.0.2.1", "192.0.2.1:3478", NULL },
	{ V(listen), LISTEN, "Listen=192.0.2.1:1,[2001:db8::1]:99",
	    "192.0.2.1:1 [2001:db8::1]:99", NULL },
	{ V(listen), LISTEN, "Listen=fe80::1%2", "[fe80::1%2]:3478", NULL },
	{ V(listen), LISTEN, "Listen=192.0.2.1 192.0.2.2", NULL,
	    "more than one address of a family" },
	{ V(listen), LISTEN, "Listen=192.0.2.1 2001:db8::1 2001:db8::2", NULL,
	    "more than one address of a family" },
	{ V(listen), LISTEN, "Listen=0.0.0.0", NULL, "\"0.0.0.0\"" HERE },
	{ V(listen), LISTEN, "Listen=224.0.0.1", NULL, "\"224.0.0.1\"" HERE },
	{ V(listen), LISTEN, "Listen=host.example", NULL, "\"host.example\"" HERE },
	{ V(listen), LISTEN, "Listen=stuns:192.0.2.1", NULL,
	    "\"stuns:192.0.2.1\"" HERE },
	{ V(alternate), LISTEN, "AlternateListen=", "", NULL },
	{ V(alternate), LISTEN, "AlternateListen=[::]:3479", NULL,
	    "\"[::]:3479\"" HERE },
	{ V(credentials), TEXT, "Credentials=/etc/natd/stun", "/etc/natd/stun", NULL },
	{ V(credentials), TEXT, "Credentials=stun", "stun", NULL },
	{ V(credentials), TEXT, "Credentials=../stun", NULL,
	    "neither a path that begins with / nor the name of a credential" },
	{ V(credentials), TEXT, "Credentials=..", NULL,
	    "neither a path that begins with / nor the name of a credential" },
	{ V(realm), TEXT, "Realm=", "", NULL },
	{ V(realm), TEXT, "Realm=" X63 X63 "xx", NULL, "longer than 127 bytes" },
	{ V(rate_limit), U32, "RateLimit=0", "0", NULL },
	{ V(rate_limit), U32, "RateLimit=100000", "100000", NULL },
	{ V(rate_limit), U32, "RateLimit=", "10", NULL },
	{ V(rate_limit), U32, "RateLimit=100001", NULL, NUMBER(0, 100000) },
	{ V(software), BOOL, "Software=yes", "1", NULL },
	{ V(software), BOOL, "Software=natd", NULL, "not yes or no" },

	{ U(gateway), ADDR, "Gateway=10.2.0.1", "10.2.0.1", NULL },
	{ U(gateway), ADDR, "Gateway=fe80::1%3", NULL, ZONE },
	{ U(gateway), ADDR, "Gateway=fe80::1%wg0", "fe80::1", NULL },
	{ U(gateway), ADDR, "Gateway=2001:db8::1%wg0", NULL, ADDRESS },
	{ U(gateway), ADDR, "Gateway=fe80::1%", NULL, ADDRESS },
	{ U(gateway), ADDR, "Gateway=", "-", NULL },
	{ U(gateway), ADDR, "Gateway=router", NULL, ADDRESS },
	{ U(gateway), ADDR, "Gateway=10.2.0.1/24", NULL, ADDRESS },
	{ U(gateway), ADDR, "Gateway=0.0.0.0", NULL, HOST },
	{ U(gateway), ADDR, "Gateway=127.0.0.1", NULL, HOST },
	{ U(gateway), ADDR, "Gateway=224.0.0.1", NULL, HOST },
	{ U(lease_s), U32, "LeaseSec=30", "30", NULL },
	{ U(lease_s), U32, "LeaseSec=1d", "86400", NULL },
	{ U(lease_s), U32, "LeaseSec=29", NULL, TIME(30, 86400) },
	{ U(lease_s), U32, "LeaseSec=86401", NULL, TIME(30, 86400) },
	{ U(methods), METHODS, "Methods=nat_pmp", "nat_pmp", NULL },
	{ U(methods), METHODS, "Methods=", "pcp igd2 nat_pmp igd1 igd_pinhole direct",
	    NULL },
	{ U(methods), METHODS, "Methods=pmp", NULL, "\"pmp\"" METHOD },

	{ M(transports), U32, "Protocols=udp", "3", NULL },
	{ M(transports), U32, "Protocols=tcp\ttcp", "2", NULL },
	{ M(transports), U32, "Protocols=tcp,udp", "3", NULL },
	{ M(transports), U32, "Protocols=sctp", NULL, "\"sctp\" is not tcp or udp" },
	{ M(internal_port), U16, "InternalPort=0", "0", NULL },
	{ M(internal_port), U16, "InternalPort=65535", "65535", NULL },
	{ M(internal_port), U16, "InternalPort=65536", NULL, NUMBER(0, 65535) },
	{ M(internal_port), U16, "InternalPort=http", NULL, NUMBER(0, 65535) },
	{ M(internal), ADDR, "InternalAddress=192.168.1.7", "192.168.1.7", NULL },
	{ M(internal), ADDR, "InternalAddress=nas", NULL, ADDRESS },
	{ M(internal), ADDR, "InternalAddress=::1", NULL, HOST },
	{ M(internal), ADDR, "InternalAddress=fe80::1", NULL,
	    "a link-local address, which no router maps to" },
	{ M(family), ENUM, "Family=ipv4", "4", NULL },
	{ M(family), ENUM, "Family=ipv6", "6", NULL },
	{ M(family), ENUM, "Family=inet", NULL, "not ipv4 or ipv6" },
	{ M(ifname), TEXT, "Interface=enp0s31f6.10", "enp0s31f6.10", NULL },
	{ M(ifname), TEXT, "Interface=xxxxxxxxxxxxxxx", "xxxxxxxxxxxxxxx", NULL },
	{ M(ifname), TEXT, "Interface=xxxxxxxxxxxxxxxx", NULL,
	    "not the name of an interface" },
	{ M(ifname), TEXT, "Interface=a/b", NULL, "not the name of an interface" },
	{ M(ifname), TEXT, "Interface=..", NULL, "not the name of an interface" },
	{ M(ifname), TEXT, "Interface=eth0 eth1", NULL,
	    "not the name of an interface" },
	{ M(gateway), ADDR, "Gateway=192.168.1.1", "192.168.1.1", NULL },
	{ M(gateway), ADDR, "Gateway=default", NULL, ADDRESS },
	{ M(external_port), U16, "ExternalPort=1", "1", NULL },
	{ M(external_port), U16, "ExternalPort=65535", "65535", NULL },
	{ M(external_port), U16, "ExternalPort=0", NULL, NUMBER(1, 65535) },
	{ M(external_port), U16, "ExternalPort=65536", NULL, NUMBER(1, 65535) },
	{ M(prefer_failure), BOOL, "PreferFailure=yes", "1", NULL },
	{ M(prefer_failure), BOOL, "PreferFailure=y", NULL, "not yes or no" },
	{ M(lease_s), U32, "LeaseSec=30", "30", NULL },
	{ M(lease_s), U32, "LeaseSec=29s", NULL, TIME(30, 86400) },
	{ M(methods), METHODS, "Methods=igd2 igd1", "igd2 igd1", NULL },
	{ M(methods), METHODS, "Methods=all", NULL, "\"all\"" METHOD },
	{ M(description), TEXT, "Description=M\xc3\xbcller's \"web\"",
	    "M\xc3\xbcller's \"web\"", NULL },
	{ M(description), TEXT, "Description=" X63 "x" X63, X63 "x" X63, NULL },
	{ M(description), TEXT, "Description=" X63 "xx" X63, NULL,
	    "longer than 127 bytes" },
};

static void
text_of(const struct value *v, const void *field, char *ret, size_t size)
{
	const struct conf_addrs *addrs = field;
	const struct conf_stun_servers *servers = field;
	const struct conf_listen *listen = field;
	char text[ADDR_TEXT_MAX], uri[STUN_URI_MAX], at[ENDPOINT_TEXT_MAX];

	ret[0] = '\0';
	switch (v->kind) {
	case U32:
		snprintf(ret, size, "%u", *(const uint32_t *)field);
		break;
	case U16:
		snprintf(ret, size, "%u", *(const uint16_t *)field);
		break;
	case BOOL:
		snprintf(ret, size, "%d", *(const bool *)field);
		break;
	case ENUM:
		snprintf(ret, size, "%d", *(const int *)field);
		break;
	case TEXT:
		snprintf(ret, size, "%s", (const char *)field);
		break;
	case ADDR:
		snprintf(ret, size, "%s", addr_format(field, text));
		break;
	case METHODS:
		break; /* assert_methods() */
	case ADDRS:
		for (unsigned i = 0; i < addrs->count; i++)
			snprintf(ret + strlen(ret), size - strlen(ret), "%s%s",
			    i ? " " : "", addr_format(&addrs->list[i], text));
		break;
	case LISTEN:
		for (unsigned i = 0; i < listen->count; i++)
			snprintf(ret + strlen(ret), size - strlen(ret), "%s%s",
			    i ? " " : "", endpoint_format(&listen->list[i], at));
		break;
	case SERVERS:
		for (unsigned i = 0; i < servers->count; i++)
			snprintf(ret + strlen(ret), size - strlen(ret), "%s%s",
			    i ? " " : "", stun_uri_format(&servers->list[i], uri));
		break;
	}
}

static const char *const frames[] = {
	[CONF_DAEMON] = "[Daemon]\n",
	[CONF_STUN] = "[Stun]\n",
	[CONF_STUN_SERVER] = "[StunServer]\n",
	[CONF_UPLINK] = "[Uplink wg0]\n",
	[CONF_MAPPING] = "[Mapping m]\nInternalPort=80\nProtocols=tcp\n",
};
static const unsigned line_of_frame[] = { 2, 2, 2, 2, 4 };

static void
check_good(const struct value *v, const char *text)
{
	struct conf *c = load_text(text);
	const char *object = v->section == CONF_UPLINK    ? (const char *)c->uplinks
			     : v->section == CONF_MAPPING ? (const char *)c->mappings
							  : (const char *)c;
	char got[256];

	if (v->kind == METHODS) {
		assert_methods((const void *)(object + v->offset), v->want);
	} else {
		text_of(v, object + v->offset, got, sizeof(got));
		if (strcmp(got, v->want) != 0)
			fail_msg("%s: \"%s\"", v->line, got);
	}
	conf_free(c);
}

static void
test_values(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		const struct value *v = &values[i];
		char text[512], want[512];

		snprintf(text, sizeof(text), "%s%s\n", frames[v->section], v->line);
		if (v->want) {
			check_good(v, text);
			continue;
		}
		snprintf(want, sizeof(want), "natd.conf:%u: %.*s=%.80s: %s\n",
		    line_of_frame[v->section], (int)strcspn(v->line, "="), v->line,
		    strchr(v->line, '=') + 1, v->error);
		assert_string_equal(errors_of(text), want);
	}
}

/* No key without a good and a bad value above. */
static void
test_every_key_is_tested(void **state)
{
	(void)state;
	assert_in_range(conf_keys_count, 1, 64); /* bits of struct place */
	for (size_t k = 0; k < conf_keys_count; k++) {
		bool good = false, bad = false;

		for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
			size_t len = strlen(conf_keys[k].name);

			if (values[i].section != conf_keys[k].section ||
			    strncmp(values[i].line, conf_keys[k].name, len) != 0 ||
			    !strchr("= ", values[i].line[len]))
				continue;
			assert_int_equal(values[i].offset, conf_keys[k].offset);
			good |= values[i].want != NULL;
			bad |= values[i].error != NULL;
		}
		if (!good || !bad)
			fail_msg("%s is not tested", conf_keys[k].name);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_values, setup),
		cmocka_unit_test_setup(test_every_key_is_tested, setup),
	};

	return cmocka_run_group_tests_name(
	    "conf_values", tests, conf_group_setup, conf_group_teardown);
}
