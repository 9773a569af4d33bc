/*
 * test_igd_desc.c - device descriptions: types, limits, documents that break off.
 */
#include "proto/igd_desc.h"

#include <errno.h>

#include "proto/text.h"
#include "proto/util.h"
#include "tests/unit/document.h"

#define LOCATION "http://192.168.1.1:49152/rootDesc.xml"

static struct url
location(void)
{
	struct url url;

	assert_int_equal(url_parse(LOCATION, strlen(LOCATION), &url), 0);
	return url;
}

static int
parse(const char *xml, size_t len, struct igd_desc *ret)
{
	struct url url = location();

	return igd_desc_parse(xml, len, &url, ret);
}

static int
parse_services(const char *services, struct igd_desc *ret)
{
	char xml[16384];
	int n =
	    snprintf(xml, sizeof(xml), "<root><device>%s</device></root>", services);

	assert_in_range(n, 1, sizeof(xml) - 1);
	return parse(xml, (size_t)n, ret);
}

static void
at_most_eight_without_duplicates(void **state)
{
	char services[16000];
	struct text_out out = text_out(services, sizeof(services));
	struct igd_desc d;

	(void)state;
	for (unsigned i = 0; i < 120; i++)
		text_printf(&out,
		    "<service><serviceType>urn:x:service:WANIPConnection:1</"
		    "serviceType>"
		    "<controlURL>/c%u</controlURL></service>",
		    i / 3);
	assert_false(out.bad);
	assert_int_equal(parse_services(services, &d), 0);
	assert_int_equal(d.services, IGD_SERVICES_MAX);
	for (unsigned i = 0; i < IGD_SERVICES_MAX; i++) {
		char path[] = { '/', 'c', (char)('0' + i), '\0' };

		assert_string_equal(d.service[i].control.path, path);
	}
}

static const struct {
	const char *type;
	unsigned version; /* 0: not ours */
	enum igd_service_kind kind;
} types[] = {
	{ "urn:schemas-upnp-org:service:WANIPConnection:1", 1, IGD_WAN_IP },
	{ "urn:schemas-upnp-org:service:WANIPConnection:2", 2, IGD_WAN_IP },
	{ "urn:schemas-upnp-org:service:WANIPConnection:9", 2, IGD_WAN_IP },
	{ "urn:dslforum-org:service:WANPPPConnection:1", 1, IGD_WAN_PPP },
	{ "  urn:x:service:WANPPPConnection:1\n", 1, IGD_WAN_PPP },
	{ "urn:x:service:wanipv6firewallcontrol:1", 1, IGD_IPV6_FIREWALL },
	{ ":WANIPConnection:1", 1, IGD_WAN_IP },
	{ "WANIPConnection:1", 0, 0 },
	{ "urn:x:service:WANIPConnection", 0, 0 },
	{ "urn:x:service:WANIPConnection:", 0, 0 },
	{ "urn:x:service:WANIPConnection:0", 0, 0 },
	{ "urn:x:service:WANIPConnection:-1", 0, 0 },
	{ "urn:x:service:WANIPConnection:1a", 0, 0 },
	{ "urn:x:service:WANIPConnection:65536", 0, 0 },
	{ "urn:x:service:XWANIPConnection:1", 0, 0 },
	{ "urn:x y:service:WANIPConnection:1", 0, 0 },
	{ "urn:x&quot;y:service:WANIPConnection:1", 0, 0 },
	{ "urn:x#y:service:WANIPConnection:1", 0, 0 },
	{ "urn:x&#13;&#10;y:service:WANIPConnection:1", 0, 0 },
	{ "urn:\xc3\xa9:service:WANIPConnection:1", 0, 0 },
	{ "", 0, 0 },
	{ ":", 0, 0 },
	{ "::", 0, 0 },
};

static void
types_are_known_by_their_end(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		char service[512];
		struct igd_desc d;
		int r;

		snprintf(service, sizeof(service),
		    "<service><serviceType>%s</serviceType>"
		    "<controlURL>/c</controlURL></service>",
		    types[i].type);
		r = parse_services(service, &d);
		if (r != (types[i].version ? 0 : -ENOENT))
			fail_msg("%s: %d", types[i].type, r);
		if (r < 0)
			continue;
		assert_int_equal(d.service[0].version, types[i].version);
		assert_int_equal(d.service[0].kind, types[i].kind);
		/* As it is spelt, but for white space around it. */
		assert_non_null(strstr(types[i].type, d.service[0].urn));
	}
}

/* A type one byte too long is dropped whole: cut, it would be another. */
static void
longest_type(void **state)
{
	struct igd_desc d;

	(void)state;
	for (size_t len = 90; len < 100; len++) {
		char type[128], service[512];
		int n =
		    snprintf(type, sizeof(type), "urn:%0*u:service:WANPPPConnection:1",
			(int)(len - strlen("urn::service:WANPPPConnection:1")), 0u);

		assert_int_equal(n, len);
		snprintf(service, sizeof(service),
		    "<service><serviceType>%s</serviceType>"
		    "<controlURL>/c</controlURL></service>",
		    type);
		if (len < sizeof(d.service[0].urn)) {
			assert_int_equal(parse_services(service, &d), 0);
			assert_string_equal(d.service[0].urn, type);
		} else {
			assert_int_equal(parse_services(service, &d), -ENOENT);
		}
	}
}

#define OPEN "<service><serviceType>urn:x:service:WANIPConnection:1</serviceType>"

static const struct {
	const char *services, *path; /* NULL: no service */
} shapes[] = {
	{ OPEN "<controlURL>/c</controlURL></service>", "/c" },
	{ OPEN "<controlURL>/c</controlURL><controlURL>/d</controlURL></service>",
	    "/c" },
	{ OPEN "<x><controlURL>/evil</controlURL></x></service>", NULL },
	{ OPEN "<service><controlURL>/evil</controlURL></service></service>", NULL },
	{ OPEN "<controlURL>/c</controlURL>" OPEN
	       "<controlURL>/evil</controlURL></service></service>",
	    "/c" },
	{ OPEN OPEN "<controlURL>/evil</controlURL></service></service>", NULL },
	{ OPEN "<controlURL>/c<x/></controlURL></service>", NULL },
	{ OPEN "</service><controlURL>/evil</controlURL>", NULL },
	{ "<controlURL>/evil</controlURL>" OPEN "</service>", NULL },
};

static void
services_of_any_shape(void **state)
{
	char service[8192];
	struct igd_desc d;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(shapes); i++) {
		int r = parse_services(shapes[i].services, &d);

		if (r != (shapes[i].path ? 0 : -ENOENT))
			fail_msg("%s: %d", shapes[i].services, r);
		if (r == 0)
			assert_string_equal(d.service[0].control.path, shapes[i].path);
	}
	/* Half a value is none, even if the rest seems to be white space. */
	snprintf(service, sizeof(service),
	    OPEN "<controlURL>/c%4000s</controlURL></service>", "d");
	assert_int_equal(parse_services(service, &d), -ENOENT);
}

static void
inner_devices_give_no_names(void **state)
{
	struct igd_desc d;

	(void)state;
	assert_int_equal(
	    parse_services(
		"<friendlyName>outer</friendlyName><deviceList><device>"
		"<friendlyName>inner</friendlyName><modelName>inner</modelName>"
		"<serviceList>" OPEN "<controlURL>/c</controlURL></service>"
		"</serviceList></device></deviceList>",
		&d),
	    0);
	assert_string_equal(d.friendly_name, "outer");
	assert_string_equal(d.model, "");
}

/* Counters of the link are no way to map a port. */
static void
common_config_alone_is_no_gateway(void **state)
{
	struct igd_desc d;

	(void)state;
	assert_int_equal(
	    parse_services(
		"<service><serviceType>urn:x:service:WANCommonInterfaceConfig:1"
		"</serviceType><controlURL>/c</controlURL></service>",
		&d),
	    -ENOENT);
}

/* A connection that breaks off says nothing, however much came before. */
static void
cut_anywhere_is_refused(void **state)
{
	size_t len;
	char *xml = recorded_read("tests/data/igd-desc", "syn-baseline-v1.xml", &len);
	struct igd_desc d, before;

	(void)state;
	memset(&d, 0x5a, sizeof(d));
	before = d;
	while (len > 0 && xml[len - 1] != '>')
		len--;
	for (size_t n = 0; n < len; n++)
		assert_int_equal(parse(xml, n, &d), -EBADMSG);
	assert_memory_equal(&d, &before, sizeof(d));
	assert_int_equal(parse(xml, len, &d), 0);
	free(xml);
}

/*
 * Three recorded documents are too large for files here; each is built anew: one of a
 * router, with copies of a filler before its end.  As large as recorded it is refused
 * unread; its first part, as long as natd takes, by the bound it goes beyond; with few
 * copies the first two are descriptions like others.
 */
static const struct {
	const char *stands_for;
	const char *before, *filler, *after;
	size_t copies;
	int whole, first_part, few;
} huge[] = {
	{ "syn-huge-1MiB.xml.gz", "<!--", "x", "-->", 1048576, -EMSGSIZE, -EMSGSIZE,
	    0 },
	{ "syn-huge-10MB.xml.gz", "",
	    "<service><serviceType>urn:x:service:Filler:1</serviceType>"
	    "<controlURL>/filler/ctl</controlURL></service>",
	    "", 110000, -EMSGSIZE, -EMSGSIZE, 0 },
	{ "syn-nested-1M.xml.gz", "", "<a>", "", 1000000, -EMSGSIZE, -EMSGSIZE,
	    -EBADMSG },
};

static char *
put(char *at, const char *text, size_t len)
{
	memcpy(at, text, len);
	return at + len;
}

/* To be freed. */
static char *
build_huge(size_t row, size_t copies, size_t *ret_len)
{
	const char *filler = huge[row].filler, *end;
	size_t len, unit = strlen(filler);
	char *base = recorded_read("tests/data/igd-desc", "syn-baseline-v1.xml", &len);
	char *xml = malloc(len + copies * unit + 16), *at = xml;

	assert_non_null(xml);
	end = memmem(base, len, "</device>", 9);
	assert_non_null(end);
	at = put(at, base, (size_t)(end - base));
	at = put(at, huge[row].before, strlen(huge[row].before));
	for (size_t i = 0; i < copies; i++)
		at = put(at, filler, unit);
	at = put(at, huge[row].after, strlen(huge[row].after));
	at = put(at, end, len - (size_t)(end - base));
	free(base);
	*ret_len = (size_t)(at - xml);
	return xml;
}

static void
huge_documents_are_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(huge); i++) {
		struct igd_desc d;
		size_t len;
		char *xml = build_huge(i, huge[i].copies, &len);
		double before = document_cpu_ms();

		print_message("%s: %zu bytes\n", huge[i].stands_for, len);
		assert_int_equal(parse(xml, len, &d), huge[i].whole);
		assert_int_equal(parse(xml, HTTP_BODY_MAX, &d), huge[i].first_part);
		assert_true(document_cpu_ms() - before < DOCUMENT_CPU_MS + 30);
		free(xml);
		xml = build_huge(i, 10, &len);
		assert_int_equal(parse(xml, len, &d), huge[i].few);
		free(xml);
	}
}

static void
longest_document(void **state)
{
	char *xml = malloc(HTTP_BODY_MAX + 1);
	struct igd_desc d;

	(void)state;
	assert_non_null(xml);
	memset(xml, ' ', HTTP_BODY_MAX + 1);
	memcpy(xml, "<root>", 6);
	assert_int_equal(parse(xml, HTTP_BODY_MAX, &d), -EBADMSG);
	assert_int_equal(parse(xml, HTTP_BODY_MAX + 1, &d), -EMSGSIZE);
	free(xml);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(at_most_eight_without_duplicates),
		cmocka_unit_test(types_are_known_by_their_end),
		cmocka_unit_test(longest_type),
		cmocka_unit_test(services_of_any_shape),
		cmocka_unit_test(inner_devices_give_no_names),
		cmocka_unit_test(common_config_alone_is_no_gateway),
		cmocka_unit_test(cut_anywhere_is_refused),
		cmocka_unit_test(huge_documents_are_refused),
		cmocka_unit_test(longest_document),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
