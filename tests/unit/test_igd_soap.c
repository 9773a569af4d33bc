/*
 * test_igd_soap.c - the table of actions beside real service descriptions, requests to
 * the byte, arguments that come back as they were.
 */
#include "proto/igd_soap.h"

#include <errno.h>

#include "proto/text.h"
#include "proto/util.h"
#include "proto/xml.h"
#include "tests/unit/document.h"

#define SCPD "tests/data/scpd"

/* Each service description and how many of our actions it describes in full. */
static const struct {
	const char *file;
	unsigned actions;
} descriptions[] = {
	{ "ai-actiontec-gt784wn-dynsvc_WANCommonInterfaceConfig_1_xml.http", 1 },
	{ "ai-actiontec-gt784wn-dynsvc_WANPPPConnection_1_xml.http", 6 },
	{ "ai-dd-wrt-x86-dynsvc_WANIPConnection_1_xml.http", 6 },
	{ "ai-dd-wrt-x86-dynsvc_WANPPPConnection_1_xml.http", 6 },
	{ "ai-dlink-dir-890l-WANCommonInterfaceConfig.http", 1 },
	{ "ai-dlink-dir-890l-WANIPConnection.http", 6 },
	{ "ai-netgear-r7500v2-ac2350-WANCfg.http", 1 },
	{ "ai-netgear-r7500v2-ac2350-WANIPCn.http", 6 },
	{ "au-igd-WANIPConnection.xml", 6 },
	{ "fc-fritz-igdconnSCPD.xml", 6 },
	{ "gf-7590-wancommonifconfigSCPD.xml", 1 },
	{ "lv-mu231-igd2-WANCfg.http", 1 },
	{ "uc-WANCommonInterfaceConfig.xml", 1 },
};

struct scpd {
	const char *file;
	unsigned action_depth; /* of the open <action>, or 0 */
	char name[64];         /* of the action */
	char argument[64], direction[8];
	char in[512], out[512]; /* names, a space behind each */
	unsigned matched;
};

static void
scpd_start(void *user, const char *name, unsigned depth)
{
	struct scpd *s = user;

	if (s->action_depth == 0 && strcmp(name, "action") == 0) {
		s->action_depth = depth;
		s->name[0] = s->in[0] = s->out[0] = '\0';
	}
}

static void
expected(const char *(*argument)(enum igd_action a, unsigned i), enum igd_action a,
    char ret[static 512])
{
	struct text_out out = text_out(ret, 512);

	for (unsigned i = 0; argument(a, i); i++)
		text_printf(&out, "%s ", argument(a, i));
	assert_false(out.bad);
}

static void
scpd_compare(struct scpd *s)
{
	char in[512], out[512];

	for (unsigned a = 0; a < IGD_ACTION_MAX; a++) {
		if (strcmp(igd_action_name(a), s->name) != 0)
			continue;
		expected(igd_action_in, a, in);
		expected(igd_action_out, a, out);
		/* Vendors add results of their own, behind the standard ones. */
		if (strcmp(in, s->in) != 0 || strncmp(out, s->out, strlen(out)) != 0)
			fail_msg("%s: %s(%s) -> (%s)", s->file, s->name, s->in, s->out);
		s->matched++;
	}
}

static void
scpd_end(void *user, const struct xml_element *e)
{
	struct scpd *s = user;
	unsigned below = s->action_depth ? e->depth - s->action_depth : 0;

	if (s->action_depth == 0)
		return;
	if (below == 0) {
		s->action_depth = 0;
		scpd_compare(s);
	} else if (below == 1 && strcmp(e->name, "name") == 0) {
		snprintf(s->name, sizeof(s->name), "%.*s", (int)e->len, e->text);
	} else if (below == 3 && strcmp(e->name, "name") == 0) {
		snprintf(
		    s->argument, sizeof(s->argument), "%.*s", (int)e->len, e->text);
	} else if (below == 3 && strcmp(e->name, "direction") == 0) {
		snprintf(
		    s->direction, sizeof(s->direction), "%.*s", (int)e->len, e->text);
	} else if (below == 2 && strcmp(e->name, "argument") == 0) {
		char *list = strcmp(s->direction, "in") == 0 ? s->in : s->out;
		size_t at = strlen(list);

		snprintf(list + at, sizeof(s->in) - at, "%s ", s->argument);
	}
}

static void
table_agrees_with_service_descriptions(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(descriptions); i++) {
		struct document doc = document_read(SCPD, descriptions[i].file);
		struct scpd s = { .file = descriptions[i].file };
		struct xml_reader reader = { scpd_start, scpd_end, &s, 0 };

		assert_int_equal(xml_read(doc.xml, doc.len, doc.len, &reader), 0);
		if (s.matched != descriptions[i].actions)
			fail_msg("%s: %u actions", s.file, s.matched);
		free(doc.xml);
	}
}

/* Of the services that no recorded description shows: the texts of the UPnP Forum,
 * WANIPConnection:2 (2.5) and WANIPv6FirewallControl:1 (2.5). */
static const struct {
	enum igd_action action;
	const char *name, *in, *out;
} specified[] = {
	{ IGD_ADD_ANY_PORT_MAPPING, "AddAnyPortMapping",
	    "NewRemoteHost NewExternalPort NewProtocol NewInternalPort "
	    "NewInternalClient NewEnabled NewPortMappingDescription NewLeaseDuration ",
	    "NewReservedPort " },
	{ IGD_GET_LIST_OF_PORT_MAPPINGS, "GetListOfPortMappings",
	    "NewStartPort NewEndPort NewProtocol NewManage NewNumberOfPorts ",
	    "NewPortListing " },
	{ IGD_DELETE_PORT_MAPPING_RANGE, "DeletePortMappingRange",
	    "NewStartPort NewEndPort NewProtocol NewManage ", "" },
	{ IGD_GET_FIREWALL_STATUS, "GetFirewallStatus", "",
	    "FirewallEnabled InboundPinholeAllowed " },
	{ IGD_GET_OUTBOUND_PINHOLE_TIMEOUT, "GetOutboundPinholeTimeout",
	    "RemoteHost RemotePort InternalClient InternalPort Protocol ",
	    "OutboundPinholeTimeout " },
	{ IGD_ADD_PINHOLE, "AddPinhole",
	    "RemoteHost RemotePort InternalClient InternalPort Protocol LeaseTime ",
	    "UniqueID " },
	{ IGD_UPDATE_PINHOLE, "UpdatePinhole", "UniqueID NewLeaseTime ", "" },
	{ IGD_DELETE_PINHOLE, "DeletePinhole", "UniqueID ", "" },
	{ IGD_CHECK_PINHOLE_WORKING, "CheckPinholeWorking", "UniqueID ", "IsWorking " },
	{ IGD_GET_PINHOLE_PACKETS, "GetPinholePackets", "UniqueID ",
	    "PinholePackets " },
};

static void
table_agrees_with_the_specification(void **state)
{
	char in[512], out[512];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(specified); i++) {
		assert_string_equal(
		    igd_action_name(specified[i].action), specified[i].name);
		expected(igd_action_in, specified[i].action, in);
		expected(igd_action_out, specified[i].action, out);
		assert_string_equal(in, specified[i].in);
		assert_string_equal(out, specified[i].out);
	}
}

static const struct {
	enum igd_service_kind kind;
	unsigned version;
	enum igd_action action;
	bool offered;
} offers[] = {
	{ IGD_WAN_IP, 1, IGD_ADD_PORT_MAPPING, true },
	{ IGD_WAN_IP, 2, IGD_ADD_PORT_MAPPING, true },
	{ IGD_WAN_PPP, 1, IGD_ADD_PORT_MAPPING, true },
	{ IGD_WAN_IP, 1, IGD_ADD_ANY_PORT_MAPPING, false },
	{ IGD_WAN_IP, 2, IGD_ADD_ANY_PORT_MAPPING, true },
	{ IGD_WAN_PPP, 2, IGD_ADD_ANY_PORT_MAPPING, false },
	{ IGD_WAN_IP, 1, IGD_GET_LIST_OF_PORT_MAPPINGS, false },
	{ IGD_WAN_IP, 2, IGD_DELETE_PORT_MAPPING_RANGE, true },
	{ IGD_WAN_COMMON, 1, IGD_GET_COMMON_LINK_PROPERTIES, true },
	{ IGD_WAN_COMMON, 1, IGD_GET_STATUS_INFO, false },
	{ IGD_IPV6_FIREWALL, 1, IGD_ADD_PINHOLE, true },
	{ IGD_IPV6_FIREWALL, 1, IGD_ADD_PORT_MAPPING, false },
	{ IGD_WAN_IP, 2, IGD_ADD_PINHOLE, false },
};

static void
actions_are_offered(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(offers); i++)
		assert_int_equal(igd_action_offered(offers[i].action, offers[i].kind,
				     offers[i].version),
		    offers[i].offered);
}

static struct igd_service
service(void)
{
	return (struct igd_service) {
		.kind = IGD_WAN_IP,
		.version = 1,
		.urn = "urn:schemas-upnp-org:service:WANIPConnection:1",
		.control = { .host = "192.168.1.1",
		    .port = 5000,
		    .path = "/ctl/IPConn" },
	};
}

#define ENVELOPE                                                 \
	"<?xml version=\"1.0\"?><s:Envelope "                    \
	"xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\" " \
	"s:encodingStyle=\"http://schemas.xmlsoap.org/soap/encoding/\"><s:Body>"
#define WANIP "xmlns:u=\"urn:schemas-upnp-org:service:WANIPConnection:1\""
#define HOST "192.168.1.1:5000"

static const char *
body_of(const char *request)
{
	const char *body = strstr(request, "\r\n\r\n");

	assert_non_null(body);
	return body + 4;
}

static void
add_port_mapping_to_the_byte(void **state)
{
	struct igd_service s = service();
	struct igd_args args = { 0 };
	char buf[HTTP_REQUEST_MAX];
	ssize_t n;

	(void)state;
	args.value[IGD_ARG_EXTERNAL_PORT] = "4001";
	args.value[IGD_ARG_PROTOCOL] = "UDP";
	args.value[IGD_ARG_INTERNAL_PORT] = "4000";
	args.value[IGD_ARG_INTERNAL_CLIENT] = "192.168.1.10";
	args.value[IGD_ARG_ENABLED] = "1";
	args.value[IGD_ARG_DESCRIPTION] = "a <b> & 'c' \"d\"";
	args.value[IGD_ARG_LEASE_DURATION] = "7200";
	args.value[IGD_ARG_INDEX] = "not an argument of this action";
	n = igd_soap_encode(buf, sizeof(buf), HOST, &s, IGD_ADD_PORT_MAPPING, &args);
	assert_int_equal(n, strlen(buf));
	assert_non_null(strstr(buf, "POST /ctl/IPConn HTTP/1.1\r\n"));
	assert_non_null(strstr(buf, "\r\nHost: " HOST "\r\n"));
	assert_non_null(strstr(buf,
	    "\r\nSOAPAction: \"urn:schemas-upnp-org:service:WANIPConnection:1"
	    "#AddPortMapping\"\r\n"));
	assert_string_equal(body_of(buf),
	    ENVELOPE "<u:AddPortMapping " WANIP "><NewRemoteHost></NewRemoteHost>"
		     "<NewExternalPort>4001</NewExternalPort>"
		     "<NewProtocol>UDP</NewProtocol>"
		     "<NewInternalPort>4000</NewInternalPort>"
		     "<NewInternalClient>192.168.1.10</NewInternalClient>"
		     "<NewEnabled>1</NewEnabled>"
		     "<NewPortMappingDescription>a &lt;b&gt; &amp; &apos;c&apos; "
		     "&quot;d&quot;</NewPortMappingDescription>"
		     "<NewLeaseDuration>7200</NewLeaseDuration>"
		     "</u:AddPortMapping></s:Body></s:Envelope>");
}

static void
action_without_arguments(void **state)
{
	struct igd_service s = service();
	char buf[HTTP_REQUEST_MAX];

	(void)state;
	/* The type as the router spells it, in both places. */
	strcpy(s.urn, "urn:dslforum-org:service:WANPPPConnection:1");
	assert_true(igd_soap_encode(buf, sizeof(buf), HOST, &s,
			IGD_GET_EXTERNAL_IP_ADDRESS, NULL) > 0);
	assert_non_null(
	    strstr(buf, "\r\nSOAPAction: \"urn:dslforum-org:service:WANPPPConnection:1"
			"#GetExternalIPAddress\"\r\n"));
	assert_string_equal(body_of(buf),
	    ENVELOPE "<u:GetExternalIPAddress "
		     "xmlns:u=\"urn:dslforum-org:service:WANPPPConnection:1\">"
		     "</u:GetExternalIPAddress></s:Body></s:Envelope>");
}

static void
every_size_fits_or_fails(void **state)
{
	struct igd_service s = service();
	char whole[HTTP_REQUEST_MAX];
	ssize_t n = igd_soap_encode(
	    whole, sizeof(whole), HOST, &s, IGD_DELETE_PORT_MAPPING, NULL);

	(void)state;
	assert_true(n > 0);
	for (size_t size = 1; size <= (size_t)n + 2; size++) {
		char *buf = malloc(size);
		ssize_t r;

		assert_non_null(buf);
		r = igd_soap_encode(buf, size, HOST, &s, IGD_DELETE_PORT_MAPPING, NULL);
		assert_int_equal(r, size > (size_t)n ? n : -ENOBUFS);
		free(buf);
	}
}

static void
long_values_do_not_fit(void **state)
{
	static char value[HTTP_REQUEST_MAX + 1], buf[2 * HTTP_REQUEST_MAX];
	struct igd_service s = service();
	struct igd_args args = { .value[IGD_ARG_REMOTE_HOST] = value };

	(void)state;
	memset(value, 'x', sizeof(value) - 1);
	assert_int_equal(
	    igd_soap_encode(buf, sizeof(buf), HOST, &s, IGD_DELETE_PORT_MAPPING, &args),
	    -ENOBUFS);
}

struct collected {
	const char *wanted;
	char text[XML_TEXT_MAX + 1];
	unsigned found;
};

static void
collect_start(void *user, const char *name, unsigned depth)
{
	(void)user;
	(void)name;
	(void)depth;
}

static void
collect_end(void *user, const struct xml_element *e)
{
	struct collected *c = user;

	if (strcmp(e->name, c->wanted) != 0)
		return;
	assert_true(e->leaf);
	memcpy(c->text, e->text, e->len);
	c->text[e->len] = '\0';
	c->found++;
}

/* Sends value in one argument of an action and reads it as the router would. */
static int
round_trip(enum igd_action a, enum igd_arg arg, const char *name, const char *value)
{
	struct collected c = { .wanted = name };
	struct xml_reader reader = { collect_start, collect_end, &c, 0 };
	struct igd_service s = service();
	struct igd_args args = { 0 };
	char buf[HTTP_REQUEST_MAX];
	const char *body;
	ssize_t n;

	args.value[arg] = value;
	n = igd_soap_encode(buf, sizeof(buf), HOST, &s, a, &args);
	if (n < 0)
		return (int)n;
	body = body_of(buf);
	assert_int_equal(xml_read(body, strlen(body), SIZE_MAX, &reader), 0);
	assert_int_equal(c.found, 1);
	assert_string_equal(c.text, value);
	return 0;
}

/* Which argument of our vocabulary an element carries: the one whose value appears. */
static enum igd_arg
argument_of(enum igd_action a, const char *name)
{
	for (unsigned arg = 0; arg < IGD_ARG_MAX; arg++) {
		struct igd_service s = service();
		struct igd_args args = { 0 };
		char buf[HTTP_REQUEST_MAX], wanted[128];

		args.value[arg] = "marked";
		snprintf(wanted, sizeof(wanted), "<%s>marked</%s>", name, name);
		assert_true(igd_soap_encode(buf, sizeof(buf), HOST, &s, a, &args) > 0);
		if (strstr(buf, wanted))
			return arg;
	}
	fail_msg("%s is of no argument", name);
	return 0;
}

/* Attack 9: line ends and markup in what goes to the router. */
static void
every_byte_in_every_argument(void **state)
{
	(void)state;
	for (unsigned a = 0; a < IGD_ACTION_MAX; a++)
		for (unsigned i = 0; igd_action_in(a, i); i++) {
			const char *name = igd_action_in(a, i);
			enum igd_arg arg = argument_of(a, name);

			for (int c = 1; c < 256; c++) {
				char value[] = { 'x', (char)c, 'y', '\0' };

				assert_int_equal(round_trip(a, arg, name, value),
				    c < 0x20 || c > 0x7e ? -EINVAL : 0);
			}
			assert_int_equal(round_trip(a, arg, name, "caf\xc3\xa9"), 0);
			assert_int_equal(round_trip(a, arg, name, "]]>&#10;<!--"), 0);
		}
}

static void
hostile_type_is_refused(void **state)
{
	struct igd_service s = service();
	char buf[HTTP_REQUEST_MAX];

	(void)state;
	strcpy(s.urn, "urn:x\r\nX-Injected: 1:1");
	assert_int_equal(
	    igd_soap_encode(buf, sizeof(buf), HOST, &s, IGD_GET_STATUS_INFO, NULL),
	    -EINVAL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table_agrees_with_service_descriptions),
		cmocka_unit_test(table_agrees_with_the_specification),
		cmocka_unit_test(actions_are_offered),
		cmocka_unit_test(add_port_mapping_to_the_byte),
		cmocka_unit_test(action_without_arguments),
		cmocka_unit_test(every_size_fits_or_fails),
		cmocka_unit_test(long_values_do_not_fit),
		cmocka_unit_test(every_byte_in_every_argument),
		cmocka_unit_test(hostile_type_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
