/*
 * test_conf.c - configuration files: sections, errors, repeated keys, drop-ins.
 */
#include "tests/unit/conf_files.h"

static void
test_defaults(void **state)
{
	static const char *const texts[] = { "", "[Daemon]\n", "\n# nothing\n;\n",
		"[Daemon]", "\xef\xbb\xbf[Daemon]\n", "  [Daemon]  \r\n" };
	struct conf *c = load(); /* no file at all */

	(void)state;
	assert_defaults(c);
	conf_free(c);
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		c = load_text(texts[i]);
		assert_defaults(c);
		conf_free(c);
	}
}

static void
test_section_defaults(void **state)
{
	struct conf *c = load_text("[Daemon]\nLeaseSec=1h\nMethods=igd1 pcp\n"
				   "[Mapping web]\nProtocols=tcp\nInternalPort=0\n"
				   "[Uplink wg0]\n");

	(void)state;
	/* An uplink takes over what [Daemon] has, a section without keys counts. */
	assert_int_equal(c->uplinks_count, 1);
	assert_ptr_equal(conf_find_uplink(c, "wg0"), &c->uplinks[0]);
	assert_null(conf_find_uplink(c, "wg1"));
	assert_addr(&c->uplinks[0].gateway.addr, "-");
	assert_int_equal(c->uplinks[0].lease_s, 3600);
	assert_methods(&c->uplinks[0].methods, "igd1 pcp");
	/* A mapping says that nothing was said. */
	assert_int_equal(c->mappings_count, 1);
	assert_string_equal(c->mappings[0].name, "web");
	assert_string_equal(c->mappings[0].description, "web");
	assert_int_equal(c->mappings[0].transports, 1u << TRANSPORT_TCP);
	assert_int_equal(c->mappings[0].internal_port, 0);
	assert_int_equal(c->mappings[0].external_port, 0);
	assert_addr(&c->mappings[0].internal, "-");
	assert_int_equal(c->mappings[0].family, ADDR_NONE);
	assert_string_equal(c->mappings[0].ifname, "");
	assert_addr(&c->mappings[0].gateway.addr, "-");
	assert_false(c->mappings[0].prefer_failure);
	assert_int_equal(c->mappings[0].lease_s, 0);
	assert_methods(&c->mappings[0].methods, "");
	conf_free(c);
}

static void
test_all_errors_at_once(void **state)
{
	static const char text[] = "LogLevel=info\n"
				   "[Daemon]\n"
				   "LeaseSec=5\n"
				   "leasesec=1h\n"
				   "Frobnicate=1\n"
				   "nonsense\n"
				   "=1\n"
				   "[Router]\n"
				   "Anything=goes\n"
				   "[Daemon\n"
				   "[Daemon x]\n"
				   "[Uplink]\n"
				   "[Uplink a/b]\n"
				   "[Mapping]\n"
				   "[]\n"
				   "[Mapping web]\n"
				   "ExternalPort=http\n"
				   "[Uplink wg0]\n"
				   "Gateway=me\n"
				   "  Methods=carrier-pigeon\n"
				   "last";

	(void)state;
	write_text("natd.conf.d/a.conf", "[Daemon]\nEvents=perhaps\n");
	assert_string_equal(errors_of(text),
	    "natd.conf:1: LogLevel: before the first [Section]\n"
	    "natd.conf:3: LeaseSec=5: " TIME(120,
		86400) "\n"
		       "natd.conf:4: leasesec: unknown key in [Daemon], it is written "
		       "LeaseSec\n"
		       "natd.conf:5: Frobnicate: unknown key in [Daemon]\n"
		       "natd.conf:6: neither [Section] nor Key=value\n"
		       "natd.conf:7: : unknown key in [Daemon]\n"
		       "natd.conf:8: [Router]: unknown section\n"
		       "natd.conf:10: [Daemon: \"]\" is missing\n"
		       "natd.conf:11: [Daemon x]: not [Daemon]\n"
		       "natd.conf:12: [Uplink ]: not [Uplink IFNAME]\n"
		       "natd.conf:13: [Uplink a/b]: not [Uplink IFNAME]\n"
		       "natd.conf:14: [Mapping ]: not [Mapping NAME]\n"
		       "natd.conf:15: []: unknown section\n"
		       "natd.conf:17: ExternalPort=http: " NUMBER(1,
			   65535) "\n"
				  "natd.conf:19: Gateway=me: " ADDRESS "\n"
				  "natd.conf:20: Methods=carrier-pigeon: "
				  "\"carrier-pigeon\"" METHOD "\n"
				  "natd.conf:21: neither [Section] nor Key=value\n"
				  "natd.conf.d/a.conf:2: Events=perhaps: not yes or "
				  "no\n"
				  "natd.conf:16: [Mapping web]: Protocols= is missing\n"
				  "natd.conf:16: [Mapping web]: InternalPort= is "
				  "missing\n");
}

static void
test_too_many_sections(void **state)
{
	char *text = NULL;
	size_t len;
	struct conf *c;
	FILE *f = open_memstream(&text, &len);

	(void)state;
	assert_non_null(f);
	for (int i = 0; i < CONF_UPLINKS_MAX; i++)
		fprintf(f, "[Uplink wg%d]\n", i);
	fflush(f);
	c = load_text(text);
	assert_int_equal(c->uplinks_count, CONF_UPLINKS_MAX);
	conf_free(c);
	fprintf(f, "[Uplink one]\nGateway=me\n[Uplink wg0]\n[Uplink two]\n");
	assert_int_equal(fclose(f), 0);
	assert_string_equal(errors_of(text),
	    "natd.conf:65: more than 64 [Uplink] sections\n"
	    "natd.conf:68: more than 64 [Uplink] sections\n");
	free(text);
}

#define FAMILIES                                                              \
	"[Mapping a]: Family=, InternalAddress= and Gateway= are not of one " \
	"address family\n"

static const struct {
	const char *text, *error;
} wholes[] = {
	{ "[Mapping a]\nInternalPort=1\n",
	    "natd.conf:1: [Mapping a]: Protocols= is missing\n" },
	{ "[Mapping a]\nProtocols=tcp\n",
	    "natd.conf:1: [Mapping a]: InternalPort= is missing\n" },
	{ "\n[Mapping a]\nProtocols=tcp\nProtocols=\nInternalPort=1\n",
	    "natd.conf:2: [Mapping a]: Protocols= is missing\n" },
	{ "[Mapping a]\nProtocols=tcp\nInternalPort=1\nInternalPort=\n",
	    "natd.conf:1: [Mapping a]: InternalPort= is missing\n" },
	{ "[Mapping a]\nProtocols=tcp\nInternalPort=1\nFamily=ipv6\n"
	  "InternalAddress=10.0.0.1\nExternalPort=1\n",
	    "natd.conf:5: " FAMILIES },
	{ "[Mapping a]\nProtocols=tcp\nInternalPort=1\nGateway=fe80::1\nFamily=ipv4\n",
	    "natd.conf:5: " FAMILIES },
	{ "[Mapping a]\nProtocols=tcp\nGateway=fe80::1\nInternalAddress=10.0.0.1\n"
	  "InternalPort=1\n",
	    "natd.conf:4: " FAMILIES },
	{ "[Mapping a]\nProtocols=tcp\nPreferFailure=yes\nInternalPort=0\n",
	    "natd.conf:4: [Mapping a]: PreferFailure= without a port to insist on\n" },
	{ "[StunServer]\nRealm=a\n",
	    "natd.conf:2: [StunServer]: Realm= without Credentials=\n" },
	{ "[StunServer]\nRealm=a\nCredentials=b\nCredentials=\nRateLimit=1\n",
	    "natd.conf:4: [StunServer]: Realm= without Credentials=\n" },
	{ "[StunServer]\nListen=192.0.2.1\nAlternateListen=[2001:db8::1]:2\n",
	    "natd.conf:3: [StunServer]: AlternateListen= without Listen= of its "
	    "family\n" },
	{ "[StunServer]\nListen=192.0.2.1:1\nAlternateListen=192.0.2.1:2\n",
	    "natd.conf:3: [StunServer]: AlternateListen= must have another address and "
	    "another port than Listen=\n" },
	{ "[StunServer]\nAlternateListen=192.0.2.2:1\nListen=192.0.2.1:1\n",
	    "natd.conf:3: [StunServer]: AlternateListen= must have another address and "
	    "another port than Listen=\n" },
	{ "[Daemon]\nMethods=\nProbeSec=30\n",
	    "natd.conf:2: [Daemon]: Methods= is empty, nothing could be mapped\n" },
	{ "[Daemon]\nConnectionsMax=20\nConnectionsPerUser=21\n",
	    "natd.conf:3: [Daemon]: ConnectionsPerUser= is more than "
	    "ConnectionsMax=\n" },
	{ "[Daemon]\nConnectionsMax=20\n",
	    "natd.conf:2: [Daemon]: ConnectionsPerUser= is more than "
	    "ConnectionsMax=\n" },
};

static void
test_what_must_fit_together(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wholes); i++)
		assert_string_equal(errors_of(wholes[i].text), wholes[i].error);
}

/* The file that took the key says so, not the one that was right before. */
static void
test_what_a_drop_in_breaks_is_shown_there(void **state)
{
	(void)state;
	write_text("natd.conf",
	    "[Daemon]\nMethods=pcp\nConnectionsMax=20\nConnectionsPerUser=20\n"
	    "[StunServer]\nCredentials=a\nRealm=b\n"
	    "[Mapping a]\nProtocols=tcp\nInternalPort=1\nFamily=ipv6\n");
	write_text("natd.conf.d/1.conf", "[Daemon]\nProbeSec=30\n");
	conf_free(load());
	write_text("natd.conf.d/2.conf",
	    "[Daemon]\n\nMethods=\nConnectionsMax=16\n[StunServer]\nCredentials=\n"
	    "[Mapping a]\nGateway=192.0.2.1\n");
	write_text("natd.conf.d/3.conf", "[StunServer]\nSoftware=yes\n[Mapping a]\n");
	assert_string_equal(errors_of_files(),
	    "natd.conf.d/2.conf:3: [Daemon]: Methods= is empty, nothing could be "
	    "mapped\n"
	    "natd.conf.d/2.conf:4: [Daemon]: ConnectionsPerUser= is more than "
	    "ConnectionsMax=\n"
	    "natd.conf.d/2.conf:6: [StunServer]: Realm= without Credentials=\n"
	    "natd.conf.d/2.conf:8: " FAMILIES);
}

/* Lines that libinih would cut, join or overlook. */
static void
test_odd_lines(void **state)
{
	char text[600];
	struct conf *c;

	(void)state;
	snprintf(text, sizeof(text), "[Daemon]\n# %0300d\nProbeSec=30\n", 0);
	c = load_text(text);
	assert_int_equal(c->probe_s, 30);
	conf_free(c);
	snprintf(text, sizeof(text), "[Daemon]\nAdminGroup=%0300d\nProbeSec=5\n", 0);
	assert_string_equal(errors_of(text),
	    "natd.conf:2: longer than 198 bytes\n"
	    "natd.conf:3: ProbeSec=5: " TIME(10, 3600) "\n");
	snprintf(text, sizeof(text), "[Daemon]\nProbeSec=30 ;%0185d\n", 0); /* 198 */
	c = load_text(text);
	assert_int_equal(c->probe_s, 30);
	conf_free(c);
	snprintf(text, sizeof(text), "[Daemon]\nProbeSec=30 ;%0186d\n", 0);
	assert_string_equal(errors_of(text), "natd.conf:2: longer than 198 bytes\n");
	write_file("natd.conf", "[Daemon]\nProbe\0Sec=30\n", 22);
	assert_string_equal(errors_of_files(), "natd.conf:2: not UTF-8 text\n");
	assert_string_equal(errors_of("[Daemon]\nAdminGroup=\xff\n[Mapping \xc0]\n"),
	    "natd.conf:2: not UTF-8 text\nnatd.conf:3: not UTF-8 text\n");
	/* Indented lines are lines. */
	c = load_text("[Daemon]\n\tProbeSec=30\n\tEvents=yes\r\n");
	assert_int_equal(c->probe_s, 30);
	assert_true(c->events);
	conf_free(c);
	/* What an error quotes cannot drive a terminal. */
	assert_string_equal(errors_of("[Daemon]\nProbeSec=\033[2J\n"),
	    "natd.conf:2: ProbeSec=?[2J: " TIME(10, 3600) "\n");
}

static void
test_names(void **state)
{
	struct conf *c =
	    load_text("[Mapping " X63 "]\nProtocols=tcp\nInternalPort=1\n"
		      "[Mapping f\xc3\xbcr uns]\nProtocols=tcp\nInternalPort=2\n"
		      "[Uplink  wg0 ]\n"); /* white space does not count */

	(void)state;
	assert_int_equal(c->mappings_count, 2);
	assert_string_equal(c->mappings[0].name, X63);
	assert_string_equal(c->mappings[0].description, X63);
	assert_string_equal(c->mappings[1].name, "f\xc3\xbcr uns");
	assert_non_null(conf_find_uplink(c, "wg0"));
	conf_free(c);
	assert_string_equal(errors_of("[Mapping x" X63 "]\n[Mapping a\tb]\n"),
	    "natd.conf:1: [Mapping x" X63 "]: not [Mapping NAME]\n"
	    "natd.conf:2: [Mapping a?b]: not [Mapping NAME]\n");
}

static void
test_repeated(void **state)
{
	struct conf *c =
	    load_text("[Daemon]\nProbeSec=20\nProbeSec=30\n"
		      "Methods=igd1\nMethods=pcp direct\n"
		      "PcpServers=10.0.0.1\nPcpServers=\nPcpServers=10.0.0.2\n"
		      "[Mapping a]\nProtocols=tcp\nInternalPort=1\n"
		      "Protocols=udp\nInternalPort=2\n"
		      "[Uplink wg0]\nGateway=10.0.0.4\n"
		      "[Daemon]\nPcpServers=10.0.0.3\nLeaseSec=1h\nLeaseSec=\n"
		      "[Uplink wg0]\nLeaseSec=10min\n");

	(void)state;
	assert_int_equal(c->probe_s, 30);
	assert_int_equal(c->lease_s, 7200);
	assert_methods(&c->methods, "igd1 pcp direct");
	assert_int_equal(c->pcp_servers.count, 2);
	assert_addr(&c->pcp_servers.list[0], "10.0.0.2");
	assert_addr(&c->pcp_servers.list[1], "10.0.0.3");
	assert_int_equal(c->mappings_count, 1);
	assert_int_equal(c->mappings[0].internal_port, 2);
	assert_int_equal(
	    c->mappings[0].transports, 1u << TRANSPORT_TCP | 1u << TRANSPORT_UDP);
	assert_int_equal(c->uplinks_count, 1);
	assert_addr(&c->uplinks[0].gateway.addr, "10.0.0.4");
	assert_int_equal(c->uplinks[0].lease_s, 600);
	conf_free(c);
}

/* The interface behind % need not be there yet; it is one more way to name it. */
static void
test_gateway_with_interface(void **state)
{
#define TCP "Protocols=tcp\nInternalPort=1\n"
	struct conf *c = load_text("[Mapping a]\n" TCP "Gateway=fe80::1%wg0\n"
				   "[Mapping b]\nInterface=wg0\nGateway=fe80::1%wg0\n"
				   "Protocols=udp\nInternalPort=1\n"
				   "[Uplink wg0]\nGateway=fe80::1%wg0\n");

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		const char zone[ADDR_ZONE_MAX] = "wg0";

		assert_addr(&c->mappings[i].gateway.addr, "fe80::1");
		/* All of it is compared at a reload. */
		assert_memory_equal(c->mappings[i].gateway.zone, zone, sizeof(zone));
		assert_string_equal(c->mappings[i].ifname, "wg0");
	}
	assert_addr(&c->uplinks[0].gateway.addr, "fe80::1");
	conf_free(c);
	assert_string_equal(
	    errors_of("[Mapping a]\n" TCP "Interface=eth0\nGateway=fe80::1%wg0\n"
		      "[Uplink eth0]\nGateway=fe80::1%wg0\n"),
	    "natd.conf:5: [Mapping a]: Interface= and Gateway= name two interfaces\n"
	    "natd.conf:7: [Uplink eth0]: Gateway= is on another interface\n");
}

/* Copied, and the copy not renamed: the first would be lost without a word. */
static void
test_name_twice(void **state)
{
#define MAPPING(name) "[Mapping " name "]\nProtocols=tcp\nInternalPort=0\n"
	struct conf *c;

	(void)state;
	assert_string_equal(
	    errors_of(MAPPING("a") MAPPING("b") MAPPING("a") MAPPING("a")),
	    "natd.conf:7: [Mapping a]: the name is taken, by line 1\n"
	    "natd.conf:10: [Mapping a]: the name is taken, by line 1\n");
	/* A drop-in changes what is there, but it does so once. */
	write_text("natd.conf", MAPPING("a"));
	write_text("natd.conf.d/1.conf", "[Mapping a]\nInternalPort=2\n");
	write_text("natd.conf.d/2.conf", "\n[Mapping a]\nProtocols=udp\n");
	c = load();
	assert_int_equal(c->mappings_count, 1);
	assert_int_equal(c->mappings[0].internal_port, 2);
	assert_int_equal(
	    c->mappings[0].transports, 1u << TRANSPORT_TCP | 1u << TRANSPORT_UDP);
	conf_free(c);
	write_text("natd.conf.d/2.conf", "\n[Mapping a]\nProtocols=udp\n[Daemon]\n"
					 "[Mapping a]\nInternalPort=nil\n");
	assert_string_equal(errors_of_files(),
	    "natd.conf.d/2.conf:5: [Mapping a]: the name is taken, by line 2\n"
	    "natd.conf.d/2.conf:6: InternalPort=nil: " NUMBER(0, 65535) "\n");
}

/* What two sections say, and whether that is the same place. */
static const struct {
	const char *a, *b;
	bool twins;
} twins[] = {
	{ "Protocols=tcp\nInternalPort=8080\n", "Protocols=tcp\nInternalPort=8080\n",
	    true },
	{ "Protocols=tcp\nInternalPort=8080\n",
	    "Protocols=udp tcp\nInternalPort=8080\nExternalPort=80\n", true },
	{ "Protocols=tcp\nInternalPort=8080\n", "Protocols=udp\nInternalPort=8080\n",
	    false },
	{ "Protocols=tcp\nInternalPort=8080\n", "Protocols=tcp\nInternalPort=8081\n",
	    false },
	/* The router chooses a number for each. */
	{ "Protocols=tcp\nInternalPort=0\n", "Protocols=tcp\nInternalPort=0\n", false },
	{ "Protocols=tcp\nInternalPort=1\nInternalAddress=10.0.0.1\n",
	    "Protocols=tcp\nInternalPort=1\nInternalAddress=10.0.0.1\n", true },
	{ "Protocols=tcp\nInternalPort=1\nInternalAddress=10.0.0.1\n",
	    "Protocols=tcp\nInternalPort=1\nInternalAddress=10.0.0.2\n", false },
	{ "Protocols=tcp\nInternalPort=1\n",
	    "Protocols=tcp\nInternalPort=1\nFamily=ipv6\n", false },
	{ "Protocols=tcp\nInternalPort=1\n",
	    "Protocols=tcp\nInternalPort=1\nFamily=ipv4\n", true },
	{ "Protocols=tcp\nInternalPort=1\nInterface=wg0\n",
	    "Protocols=tcp\nInternalPort=1\nInterface=wg0\n", true },
	{ "Protocols=tcp\nInternalPort=1\nInterface=wg0\n",
	    "Protocols=tcp\nInternalPort=1\nInterface=wg1\n", false },
	{ "Protocols=tcp\nInternalPort=1\nInterface=wg0\nGateway=fe80::1\n",
	    "Protocols=tcp\nInternalPort=1\nGateway=fe80::1%wg0\n", true },
	{ "Protocols=tcp\nInternalPort=1\nGateway=10.0.0.1\n",
	    "Protocols=tcp\nInternalPort=1\nGateway=10.0.0.2\n", false },
};

static void
test_one_internal_endpoint_is_one_mapping(void **state)
{
	char text[512];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(twins); i++) {
		snprintf(text, sizeof(text),
		    "[Mapping web2]\n%s[Mapping web]\n%s[Daemon]\nLeaseSec=1\n",
		    twins[i].a, twins[i].b);
		if (!strstr(errors_of(text), "LeaseSec=1") ||
		    !strstr(errors_of(text), "internal endpoint") == twins[i].twins)
			fail_msg("%s", text);
	}
	assert_string_equal(
	    errors_of("[Mapping web]\nProtocols=tcp\nInternalPort=8080\n"
		      "[Mapping a]\nProtocols=tcp\nInternalPort=80\n"
		      "[Mapping web2]\nProtocols=tcp\nInternalPort=8080\n"
		      "[Mapping web3]\nProtocols=tcp\nInternalPort=8080\n"),
	    "natd.conf:7: [Mapping web2]: its internal endpoint is that of [Mapping "
	    "web], by line 1\n"
	    "natd.conf:10: [Mapping web3]: its internal endpoint is that of [Mapping "
	    "web], by line 1\n");
	write_text("natd.conf", "\n[Mapping web]\nProtocols=tcp\nInternalPort=8080\n");
	write_text("natd.conf.d/1.conf",
	    "\n\n[Mapping web2]\nProtocols=tcp\nInternalPort=8080\n");
	snprintf(text, sizeof(text),
	    "natd.conf.d/1.conf:3: [Mapping web2]: its internal endpoint is that of "
	    "[Mapping web], by %s:2\n",
	    path);
	assert_string_equal(errors_of_files(), text);
}

static void
test_drop_ins(void **state)
{
	struct conf *c;

	(void)state;
	write_text("natd.conf", "[Daemon]\nProbeSec=20\nLeaseSec=1h\nQuotaPerUser=1\n"
				"Methods=igd1\n[Mapping a]\nProtocols=tcp\n");
	write_text("natd.conf.d/90-late.conf", "[Daemon]\nProbeSec=90\n");
	write_text("natd.conf.d/10-early.conf",
	    "[Daemon]\nProbeSec=10\nLeaseSec=10min\nMethods=pcp\n");
	write_text("natd.conf.d/50.conf",
	    "[Daemon]\nProbeSec=50\n[Mapping a]\nInternalPort=80\n[Uplink wg0]\n");
	write_text("natd.conf.d/B.conf", "[Daemon]\nEvents=yes\n");
	write_text("natd.conf.d/a.conf", "[Daemon]\nEvents=no\n");
	/* Not drop-ins: editors' and packages' left-overs. */
	write_text("natd.conf.d/99.conf~", "[Daemon]\nProbeSec=1\n");
	write_text("natd.conf.d/99.conf.dpkg-old", "[Daemon]\nProbeSec=1\n");
	write_text("natd.conf.d/.99.conf", "[Daemon]\nProbeSec=1\n");
	write_text("natd.conf.d/.conf", "[Daemon]\nProbeSec=1\n");
	c = load();
	assert_int_equal(c->probe_s, 90);
	assert_int_equal(c->lease_s, 600);
	assert_int_equal(c->quota_per_user, 1);
	assert_methods(&c->methods, "igd1 pcp");
	assert_false(c->events); /* "B" before "a", in any locale */
	assert_int_equal(c->mappings[0].internal_port, 80);
	assert_int_equal(c->uplinks_count, 1);
	conf_free(c);
	write_text("natd.conf.d/95.conf", "ProbeSec=1\n");
	assert_string_equal(errors_of_files(),
	    "natd.conf.d/95.conf:1: ProbeSec: before the first [Section]\n");
}

static void
test_unreadable(void **state)
{
	char file[128];

	(void)state;
	assert_int_equal(mkdir(path, 0700), 0);
	assert_string_equal(
	    errors_of_files(), "natd.conf:0: cannot be read: Is a directory\n");
	assert_int_equal(rmdir(path), 0);
	snprintf(file, sizeof(file), "%s.d", path);
	assert_int_equal(rmdir(file), 0);
	conf_free(load()); /* neither file nor folder */
	write_text("natd.conf.d", "");
	assert_string_equal(
	    errors_of_files(), "natd.conf.d:0: cannot be read: Not a directory\n");
}

/* A file without end, or without end of line, is neither read nor taken in part. */
static void
test_too_long(void **state)
{
	static char text[CONF_FILE_MAX + 1];
	char file[128];

	(void)state;
	snprintf(file, sizeof(file), "%s/natd.conf", dir);
	memset(text, '\n', sizeof(text));
	memcpy(text, "x", 1);
	write_file("natd.conf", text, sizeof(text) - 1);
	assert_string_equal(
	    errors_of_files(), "natd.conf:1: neither [Section] nor Key=value\n");
	write_file("natd.conf", text, sizeof(text));
	assert_string_equal(
	    errors_of_files(), "natd.conf:0: longer than 1048576 bytes\n");
	assert_int_equal(unlink(file), 0);
	assert_int_equal(symlink("/dev/zero", file), 0);
	assert_string_equal(
	    errors_of_files(), "natd.conf:0: longer than 1048576 bytes\n");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_defaults, setup),
		cmocka_unit_test_setup(test_section_defaults, setup),
		cmocka_unit_test_setup(test_all_errors_at_once, setup),
		cmocka_unit_test_setup(test_what_must_fit_together, setup),
		cmocka_unit_test_setup(
		    test_what_a_drop_in_breaks_is_shown_there, setup),
		cmocka_unit_test_setup(test_too_many_sections, setup),
		cmocka_unit_test_setup(test_odd_lines, setup),
		cmocka_unit_test_setup(test_names, setup),
		cmocka_unit_test_setup(test_repeated, setup),
		cmocka_unit_test_setup(test_name_twice, setup),
		cmocka_unit_test_setup(test_gateway_with_interface, setup),
		cmocka_unit_test_setup(
		    test_one_internal_endpoint_is_one_mapping, setup),
		cmocka_unit_test_setup(test_drop_ins, setup),
		cmocka_unit_test_setup(test_unreadable, setup),
		cmocka_unit_test_setup(test_too_long, setup),
	};

	return cmocka_run_group_tests_name(
	    "conf", tests, conf_group_setup, conf_group_teardown);
}
