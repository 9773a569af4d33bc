/*
 * test_ssdp.c - what routers, scanners and attackers send to port 1900, and what natd
 * asks.
 */
#include "tests/unit/recorded.h"

#include <errno.h>

#include "proto/ssdp.h"
#include "proto/util.h"

#define SSDP "tests/data/ssdp"
#define IGD "urn:schemas-upnp-org:device:InternetGatewayDevice:"
#define WAN "urn:schemas-upnp-org:service:WAN"

static const struct row {
	const char *file;
	int r; /* and the rest if it is 0 */
	enum ssdp_kind kind;
	const char *target;
	bool gateway;
	const char *host; /* of the location; NULL: none is looked at */
	uint16_t port;
	const char *path;
	uint32_t max_age_s;
	int64_t bootid; /* -1: none */
} rows[] = {
	/* CACHE_CONTROL is another field */
	{ "ai-resp-dd-wrt-x86.txt", 0, SSDP_ANSWER, "upnp:rootdevice", true,
	    "192.168.1.1", 5431, "/dyndev/uuid:dead-beef-deadbeef2222", 0, -1 },
	/* no location */
	{ .file = "au-resp-4.txt", .r = -ENOENT },
	/* an empty location */
	{ .file = "au-resp-5.txt", .r = -ENOENT },
	/* no location */
	{ .file = "au-resp-6.txt", .r = -ENOENT },
	/* a USN that is no UUID */
	{ "au-resp-7.txt", 0, SSDP_ANSWER, WAN "CommonInterfaceConfig:1", true,
	    "fe80::2", 80, "/RootDevice.xml", 1900, -1 },
	/* the placeholder was never filled in */
	{ .file = "lt-resp-rootdevice-template.txt", .r = -ENOENT },
	{ "lv-mu231-igd1-notify-alive-1.txt", 0, SSDP_ALIVE, "upnp:rootdevice", true,
	    "192.168.50.1", 5555, "/rootDesc.xml", 10, 1795164576 },
	{ "lv-mu231-igd1-notify-alive-2.txt", 0, SSDP_ALIVE, IGD "2", true,
	    "192.168.50.1", 5555, "/rootDesc.xml", 10, 1795164576 },
	{ "lv-mu231-igd1-notify-alive-3.txt", 0, SSDP_ALIVE,
	    "uuid:00000000-1111-2222-3333-444444444444", false, "192.168.50.1", 5555,
	    "/rootDesc.xml", 10, 1795164576 },
	{ "lv-mu231-igd1-resp-all-0.txt", 0, SSDP_ANSWER, WAN "IPv6FirewallControl:1",
	    true, "192.168.50.1", 5555, "/rootDesc.xml", 120, 1795164576 },
	{ "lv-mu231-igd1-resp-all-11.txt", 0, SSDP_ANSWER, WAN "PPPConnection:1", true,
	    "192.168.50.1", 5555, "/rootDesc.xml", 120, 1795164576 },
	{ "lv-mu231-igd1-resp-all-5.txt", 0, SSDP_ANSWER, IGD "2", true, "192.168.50.1",
	    5555, "/rootDesc.xml", 120, 1795164576 },
	{ "lv-mu231-igd1-resp-igd1-1.txt", 0, SSDP_ANSWER, IGD "1", true,
	    "192.168.50.1", 5555, "/rootDesc.xml", 120, 1795164576 },
	{ "lv-mu231-igd1-resp-wanip1-1.txt", 0, SSDP_ANSWER, WAN "IPConnection:1", true,
	    "192.168.50.1", 5555, "/rootDesc.xml", 120, 1795164576 },
	{ "lv-mu231-igd2-notify-alive-1.txt", 0, SSDP_ALIVE, "upnp:rootdevice", true,
	    "192.168.50.1", 5555, "/rootDesc.xml", 10, 1795164636 },
	{ "lv-mu231-igd2-notify-alive-2.txt", 0, SSDP_ALIVE, IGD "2", true,
	    "192.168.50.1", 5555, "/rootDesc.xml", 10, 1795164636 },
	{ "lv-mu231-igd2-notify-alive-3.txt", 0, SSDP_ALIVE,
	    "uuid:00000000-1111-2222-3333-444444444444", false, "192.168.50.1", 5555,
	    "/rootDesc.xml", 10, 1795164636 },
	{ "lv-mu231-igd2-notify-alive-after-restart-2.txt", 0, SSDP_ALIVE, IGD "2",
	    true, "192.168.50.1", 5555, "/rootDesc.xml", 10, 1795164736 },
	{ "lv-mu231-igd2-notify-byebye-1.txt", 0, SSDP_BYEBYE, "upnp:rootdevice", true,
	    NULL, 0, NULL, 0, 1795164730 },
	{ "lv-mu231-igd2-notify-byebye-2.txt", 0, SSDP_BYEBYE, IGD "2", true, NULL, 0,
	    NULL, 0, 1795164730 },
	{ "lv-mu231-igd2-resp-all-0.txt", 0, SSDP_ANSWER, WAN "IPv6FirewallControl:1",
	    true, "192.168.50.1", 5555, "/rootDesc.xml", 120, 1795164636 },
	{ "lv-mu231-igd2-resp-all-11.txt", 0, SSDP_ANSWER, WAN "PPPConnection:1", true,
	    "192.168.50.1", 5555, "/rootDesc.xml", 120, 1795164636 },
	{ "lv-mu231-igd2-resp-igd1-1.txt", 0, SSDP_ANSWER, IGD "1", true,
	    "192.168.50.1", 5555, "/rootDesc.xml", 120, 1795164636 },
	{ "lv-mu231-igd2-resp-root-1.txt", 0, SSDP_ANSWER, "upnp:rootdevice", true,
	    "192.168.50.1", 5555, "/rootDesc.xml", 120, 1795164636 },
	{ "lv-mu231-igd2-resp-wanip1-1.txt", 0, SSDP_ANSWER, WAN "IPConnection:1", true,
	    "192.168.50.1", 5555, "/rootDesc.xml", 120, 1795164636 },
	/* no start line */
	{ .file = "ri-location-only-lower.txt", .r = -EBADMSG },
	{ "syn-msearch.txt", 0, SSDP_SEARCH, "ssdp:all", false, NULL, 0, NULL, 0, -1 },
	{ "syn-notify-alive.txt", 0, SSDP_ALIVE, IGD "2", true, "192.168.1.1", 5000,
	    "/rootDesc.xml", 1800, 7 },
	{ "syn-notify-byebye.txt", 0, SSDP_BYEBYE, "upnp:rootdevice", true, NULL, 0,
	    NULL, 0, -1 },
	{ .file = "syn-resp-404.txt", .r = -ENOENT },
	/* over SSDP_MESSAGE_MAX */
	{ .file = "syn-resp-65507.txt", .r = -EBADMSG },
	{ "syn-resp-colonless.txt", 0, SSDP_ANSWER, IGD "1", true, "192.168.1.1", 5000,
	    "/rootDesc.xml", 120, -1 },
	/* nothing is lost by reading it */
	{ "syn-resp-folded.txt", 0, SSDP_ANSWER, IGD "1", true, "192.168.1.1", 5000,
	    "/rootDesc.xml", 120, -1 },
	{ "syn-resp-format-string.txt", 0, SSDP_ANSWER, IGD "1", true, "192.168.1.1",
	    5000, "/rootDesc.xml", 120, -1 },
	{ "syn-resp-invalid-utf8.txt", 0, SSDP_ANSWER, IGD "1", true, "192.168.1.1",
	    5000, "/rootDesc.xml", 120, -1 },
	{ "syn-resp-lf-only.txt", 0, SSDP_ANSWER, IGD "1", true, "192.168.1.1", 5000,
	    "/rootDesc.xml", 120, -1 },
	/* over SSDP_MESSAGE_MAX */
	{ .file = "syn-resp-loc-4k.txt", .r = -EBADMSG },
	/* Hosts of locations, here and below: better than refusing some of them is
	 * never to connect to any; the port and path are asked of the sender.  Real
	 * routers do name another address of theirs, and names. */
	{ "syn-resp-loc-broadcast.txt", 0, SSDP_ANSWER, IGD "1", true,
	    "255.255.255.255", 80, "/x", 120, -1 },
	{ "syn-resp-loc-decimal.txt", 0, SSDP_ANSWER, IGD "1", true, "3232235777", 80,
	    "/x", 120, -1 },
	{ .file = "syn-resp-loc-empty.txt", .r = -ENOENT },
	{ .file = "syn-resp-loc-file.txt", .r = -ENOENT },
	{ "syn-resp-loc-fragment.txt", 0, SSDP_ANSWER, IGD "1", true, "192.168.1.1",
	    5000, "/r.xml", 120, -1 },
	{ "syn-resp-loc-hex.txt", 0, SSDP_ANSWER, IGD "1", true, "0xc0a80101", 80, "/x",
	    120, -1 },
	{ "syn-resp-loc-hostname.txt", 0, SSDP_ANSWER, IGD "1", true, "router.lan",
	    5000, "/r.xml", 120, -1 },
	{ "syn-resp-loc-ipv6-ll.txt", 0, SSDP_ANSWER, IGD "1", true, "fe80::1%25eth0",
	    5000, "/r.xml", 120, -1 },
	{ "syn-resp-loc-loopback.txt", 0, SSDP_ANSWER, IGD "1", true, "127.0.0.1", 9200,
	    "/", 120, -1 },
	{ "syn-resp-loc-metadata.txt", 0, SSDP_ANSWER, IGD "1", true, "169.254.169.254",
	    80, "/latest/meta-data/", 120, -1 },
	{ "syn-resp-loc-multicast.txt", 0, SSDP_ANSWER, IGD "1", true,
	    "239.255.255.250", 1900, "/x", 120, -1 },
	{ "syn-resp-loc-nopath.txt", 0, SSDP_ANSWER, IGD "1", true, "192.168.1.1", 5000,
	    "/", 120, -1 },
	{ "syn-resp-loc-noport.txt", 0, SSDP_ANSWER, IGD "1", true, "192.168.1.1", 80,
	    "/r.xml", 120, -1 },
	{ "syn-resp-loc-octal.txt", 0, SSDP_ANSWER, IGD "1", true, "0300.0250.1.1", 80,
	    "/x", 120, -1 },
	{ "syn-resp-loc-other-lan-host.txt", 0, SSDP_ANSWER, IGD "1", true,
	    "192.168.1.66", 5000, "/r.xml", 120, -1 },
	{ .file = "syn-resp-loc-port0.txt", .r = -ENOENT },
	{ .file = "syn-resp-loc-port99999.txt", .r = -ENOENT },
	{ "syn-resp-loc-privileged-port-22.txt", 0, SSDP_ANSWER, IGD "1", true,
	    "192.168.1.1", 22, "/", 120, -1 },
	{ "syn-resp-loc-public.txt", 0, SSDP_ANSWER, IGD "1", true, "203.0.113.5", 80,
	    "/r.xml", 120, -1 },
	{ .file = "syn-resp-loc-relative.txt", .r = -ENOENT },
	{ .file = "syn-resp-loc-space.txt", .r = -ENOENT },
	{ .file = "syn-resp-loc-userinfo.txt", .r = -ENOENT },
	{ "syn-resp-loc-v4mapped.txt", 0, SSDP_ANSWER, IGD "1", true,
	    "::ffff:203.0.113.5", 80, "/x", 120, -1 },
	/* case counts nowhere in SSDP */
	{ "syn-resp-lowercase.txt", 0, SSDP_ANSWER,
	    "urn:schemas-upnp-org:device:internetgatewaydevice:1", true, "192.168.1.1",
	    5000, "/rootdesc.xml", 120, -1 },
	{ "syn-resp-maxage-0.txt", 0, SSDP_ANSWER, IGD "1", true, "192.168.1.1", 5000,
	    "/rootDesc.xml", 0, -1 },
	{ "syn-resp-maxage-huge.txt", 0, SSDP_ANSWER, IGD "1", true, "192.168.1.1",
	    5000, "/rootDesc.xml", 86400, -1 },
	/* no number: as if absent */
	{ "syn-resp-maxage-negative.txt", 0, SSDP_ANSWER, IGD "1", true, "192.168.1.1",
	    5000, "/rootDesc.xml", 0, -1 },
	/* the end of the datagram ends the last field */
	{ "syn-resp-no-crlfcrlf.txt", 0, SSDP_ANSWER, IGD "1", true, "192.168.1.1",
	    5000, "/rootDesc.xml", 120, -1 },
	{ "syn-resp-no-usn.txt", 0, SSDP_ANSWER, IGD "1", true, "192.168.1.1", 5000,
	    "/rootDesc.xml", 120, -1 },
	/* the first counts */
	{ "syn-resp-two-locations.txt", 0, SSDP_ANSWER, IGD "1", true, "192.168.1.1",
	    5000, "/rootDesc.xml", 120, -1 },
	/* read, and said to be no gateway */
	{ "syn-resp-wrong-st.txt", 0, SSDP_ANSWER,
	    "urn:schemas-upnp-org:device:MediaServer:1", false, "192.168.1.1", 5000,
	    "/rootDesc.xml", 120, -1 },
	{ "ts-resp-google-wifi.txt", 0, SSDP_ANSWER, IGD "2", true, "192.168.86.1",
	    5000, "/rootDesc.xml", 120, 1 },
	/* an 01-NLS without a BOOTID */
	{ "ts-resp-huawei.txt", 0, SSDP_ANSWER, IGD "1", true, "192.168.1.1", 49652,
	    "/49652gatedesc.xml", 1800, 0x4441a14c },
	{ "zm-scan-msearch-all.txt", 0, SSDP_SEARCH, "ssdp:all", false, NULL, 0, NULL,
	    0, -1 },
	{ "zm-scan-msearch-rootdevice.txt", 0, SSDP_SEARCH, "upnp:rootdevice", true,
	    NULL, 0, NULL, 0, -1 },
};

static int
decode_file(const char *file, struct ssdp_message *ret)
{
	size_t len;
	_cleanup_(freep) char *bytes = recorded_read(SSDP, file, &len);

	return ssdp_decode(bytes, len, ret);
}

/* A copy of exactly the size for the sanitizer. */
static int
decode(const char *text, size_t len, struct ssdp_message *ret)
{
	_cleanup_(freep) char *bytes = malloc(len ? len : 1);

	assert_non_null(bytes);
	memcpy(bytes, text, len);
	return ssdp_decode(bytes, len, ret);
}

static int
decode_text(const char *text, struct ssdp_message *ret)
{
	return decode(text, strlen(text), ret);
}

static void
check_row(const struct row *row)
{
	struct ssdp_message m, before;
	int r;

	memset(&m, 0xa5, sizeof(m));
	before = m;
	r = decode_file(row->file, &m);
	if (r != row->r)
		fail_msg("%s: %d", row->file, r);
	if (r < 0) {
		assert_memory_equal(&m, &before, sizeof(m));
		return;
	}
	if (m.kind != row->kind)
		fail_msg("%s: kind %d", row->file, (int)m.kind);
	assert_string_equal(m.target, row->target);
	assert_int_equal(ssdp_target_is_gateway(m.target), row->gateway);
	assert_string_equal(m.location.host, row->host ? row->host : "");
	assert_int_equal(m.location.port, row->port);
	assert_string_equal(m.location.path, row->path ? row->path : "");
	if (m.max_age_s != row->max_age_s ||
	    (m.has_bootid ? (int64_t)m.bootid : -1) != row->bootid)
		fail_msg("%s: max-age %u bootid %d %#x", row->file, m.max_age_s,
		    m.has_bootid, m.bootid);
}

static void
every_file_is_decoded(void **state)
{
	(void)state;
	recorded_check(SSDP, ".txt", rows);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		check_row(&rows[i]);
}

static void
text_for_people_is_printable(void **state)
{
	static const char hostile[] = "NOTIFY * HTTP/1.1\nNTS:ssdp:byebye\n"
				      "NT:a\x1b[2J\0b\nSERVER:\x07\n\n";
	struct ssdp_message m;

	(void)state;
	assert_int_equal(decode_file("syn-resp-format-string.txt", &m), 0);
	assert_string_equal(m.server, "%s%n%x UPnP/1.1 syn/1");
	assert_int_equal(decode_file("syn-resp-invalid-utf8.txt", &m), 0);
	assert_string_equal(m.server, "?? UPnP/1.1 syn/1");
	assert_int_equal(decode_file("au-resp-7.txt", &m), 0);
	assert_string_equal(m.usn, "uuid:...::WANCommonInterfaceConfig:1");
	assert_int_equal(decode_file("syn-resp-no-usn.txt", &m), 0);
	assert_string_equal(m.usn, "");
	assert_int_equal(decode(hostile, sizeof(hostile) - 1, &m), 0);
	assert_string_equal(m.target, "a?[2J?b");
	assert_string_equal(m.server, "?");
}

#define OK "HTTP/1.1 200 OK\r\n"
#define AT "LOCATION: http://r/\r\n"

static const struct {
	const char *text;
	int r;
	enum ssdp_kind kind;
	uint32_t max_age_s;
	bool has_bootid;
	uint32_t bootid;
} written[] = {
	{ "", -EBADMSG, 0, 0, false, 0 },
	{ "\r\n" OK AT, -EBADMSG, 0, 0, false, 0 },
	{ "\r\n", -EBADMSG, 0, 0, false, 0 },
	{ "GET / HTTP/1.1\r\n" AT, -EBADMSG, 0, 0, false, 0 },
	{ "HTTP/2.0 200 OK\r\n" AT, -EBADMSG, 0, 0, false, 0 },
	{ "HTTP/1.1 301 Moved\r\n" AT, -ENOENT, 0, 0, false, 0 },
	{ OK, -ENOENT, 0, 0, false, 0 },
	{ OK AT, 0, SSDP_ANSWER, 0, false, 0 },
	/* The blank line ends the message. */
	{ OK "\r\n" AT, -ENOENT, 0, 0, false, 0 },
	/* The first location counts, good or bad. */
	{ OK "LOCATION: ftp://r/\r\n" AT, -ENOENT, 0, 0, false, 0 },
	{ OK "X: y\r\n " AT, -ENOENT, 0, 0, false, 0 },
	{ OK "AL: http://r/\r\nLOCATION2: http://r/\r\n", -ENOENT, 0, 0, false, 0 },
	{ OK "LOCATION: http://r/\r\n http://s/\r\n", -ENOENT, 0, 0, false, 0 },
	/* notifications */
	{ "NOTIFY * HTTP/1.1\r\nNTS: ssdp:alive\r\n" AT, 0, SSDP_ALIVE, 0, false, 0 },
	{ "NOTIFY * HTTP/1.1\r\nNTS: ssdp:alive\r\n", -ENOENT, 0, 0, false, 0 },
	{ "NOTIFY * HTTP/1.1\r\nNTS: ssdp:update\r\n" AT, 0, SSDP_UPDATE, 0, false, 0 },
	{ "NOTIFY * HTTP/1.1\r\nNTS: ssdp:update\r\n", -ENOENT, 0, 0, false, 0 },
	{ "notify * http/1.0\nnts:SSDP:BYEBYE\n", 0, SSDP_BYEBYE, 0, false, 0 },
	{ "NOTIFY * HTTP/1.1\r\nNTS: upnp:propchange\r\n" AT, -EBADMSG, 0, 0, false,
	    0 },
	{ "NOTIFY * HTTP/1.1\r\nNTS:\r\n" AT, -EBADMSG, 0, 0, false, 0 },
	{ "NOTIFY * HTTP/1.1\r\n" AT, -EBADMSG, 0, 0, false, 0 },
	{ "NOTIFY /evt HTTP/1.1\r\nNTS: ssdp:alive\r\n" AT, -EBADMSG, 0, 0, false, 0 },
	{ "M-SEARCH * HTTP/1.1\r\n", 0, SSDP_SEARCH, 0, false, 0 },
	{ "M-SEARCH /x HTTP/1.1\r\n", -EBADMSG, 0, 0, false, 0 },
	/* max-age */
	{ OK AT "CACHE-CONTROL: max-age = 1800\r\n", 0, SSDP_ANSWER, 1800, false, 0 },
	{ OK AT "Cache-Control:no-cache=\"x\" , MAX-AGE=7,max-age=8\r\n", 0,
	    SSDP_ANSWER, 7, false, 0 },
	{ OK AT "CACHE-CONTROL: max-age\r\n", 0, SSDP_ANSWER, 0, false, 0 },
	{ OK AT "CACHE-CONTROL: max-age=\r\n", 0, SSDP_ANSWER, 0, false, 0 },
	{ OK AT "CACHE-CONTROL: x-max-age=9\r\n", 0, SSDP_ANSWER, 0, false, 0 },
	{ OK AT "CACHE-CONTROL: max-age=1e3\r\n", 0, SSDP_ANSWER, 0, false, 0 },
	{ OK AT "CACHE-CONTROL: ,=,,max-age=86401,\r\n", 0, SSDP_ANSWER, 86400, false,
	    0 },
	/* boot ids: FNV-1a of "" is no id, of "a" 0xe40c292c */
	{ OK AT "BOOTID.UPNP.ORG: 4294967295\r\n", 0, SSDP_ANSWER, 0, true,
	    UINT32_MAX },
	{ OK AT "BOOTID.UPNP.ORG: 0\r\n01-NLS: a\r\n", 0, SSDP_ANSWER, 0, true, 0 },
	{ OK AT "BOOTID.UPNP.ORG: 4294967296\r\n", 0, SSDP_ANSWER, 0, false, 0 },
	{ OK AT "BOOTID.UPNP.ORG: -1\r\n01-NLS: a\r\n", 0, SSDP_ANSWER, 0, true,
	    0xe40c292c },
	{ OK AT "01-NLS: a\r\n", 0, SSDP_ANSWER, 0, true, 0xe40c292c },
	{ OK AT "01-NLS:\r\n", 0, SSDP_ANSWER, 0, false, 0 },
};

static void
each_start_line_and_field(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(written); i++) {
		struct ssdp_message m = { 0 };
		int r = decode_text(written[i].text, &m);

		if (r != written[i].r || m.kind != written[i].kind ||
		    m.max_age_s != written[i].max_age_s ||
		    m.has_bootid != written[i].has_bootid ||
		    m.bootid != written[i].bootid)
			fail_msg("%s: %d kind %d max-age %u bootid %#x",
			    written[i].text, r, (int)m.kind, m.max_age_s, m.bootid);
	}
}

static void
sizes_are_limited(void **state)
{
	static const char start[] = OK AT "X: ";
	char text[SSDP_MESSAGE_MAX + 1];
	struct ssdp_message m;

	(void)state;
	memset(text, 'x', sizeof(text));
	memcpy(text, start, strlen(start));
	assert_int_equal(decode(text, SSDP_MESSAGE_MAX, &m), 0);
	assert_int_equal(decode(text, SSDP_MESSAGE_MAX + 1, &m), -EBADMSG);

	/* Opaque text is cut, a target never. */
	snprintf(text, sizeof(text),
	    OK AT "USN: %0191d\r\nSERVER: %0127d\r\nST: %0127d\r\n", 7, 7, 7);
	assert_int_equal(decode_text(text, &m), 0);
	assert_int_equal(strlen(m.usn), 191);
	assert_int_equal(m.usn[190], '7');
	assert_int_equal(m.server[126], '7');
	assert_int_equal(m.target[126], '7');
	snprintf(text, sizeof(text), OK AT "USN: %0192d\r\nSERVER: %0128d\r\n", 7, 7);
	assert_int_equal(decode_text(text, &m), 0);
	assert_int_equal(strlen(m.usn), 191);
	assert_int_equal(strlen(m.server), 127);
	snprintf(text, sizeof(text), OK AT "ST: %0128d\r\n", 7);
	assert_int_equal(decode_text(text, &m), -EBADMSG);
}

/* However a datagram ends early, it is read without a byte more (sanitizer), and what
 * comes out has a location or none is needed. */
static void
every_prefix_of_every_file(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		size_t len;
		_cleanup_(freep) char *bytes = recorded_read(SSDP, rows[i].file, &len);

		for (size_t n = 0; n < MIN(len, (size_t)600); n++) {
			struct ssdp_message m;
			int r = decode(bytes, n, &m);

			assert_true(r == 0 || r == -EBADMSG || r == -ENOENT);
			if (r == 0 && m.kind != SSDP_SEARCH && m.kind != SSDP_BYEBYE)
				assert_true(m.location.port > 0 &&
					    m.location.host[0] != '\0' &&
					    m.location.path[0] == '/');
		}
	}
}

static void
searches_are_written_to_the_byte(void **state)
{
	static const char multicast[] = "M-SEARCH * HTTP/1.1\r\n"
					"HOST: 239.255.255.250:1900\r\n"
					"ST: " IGD "1\r\n"
					"MAN: \"ssdp:discover\"\r\n"
					"MX: 2\r\n\r\n";
	static const char unicast[] = "M-SEARCH * HTTP/1.1\r\n"
				      "HOST: 192.168.1.1:1900\r\n"
				      "ST: ssdp:all\r\n"
				      "MAN: \"ssdp:discover\"\r\n\r\n";
	char buf[256];

	(void)state;
	assert_int_equal(ssdp_encode_search(buf, sizeof(buf), "239.255.255.250:1900",
			     ssdp_target(0), 2),
	    strlen(multicast));
	assert_string_equal(buf, multicast);
	assert_int_equal(
	    ssdp_encode_search(buf, sizeof(buf), "192.168.1.1:1900", ssdp_target(6), 0),
	    strlen(unicast));
	assert_string_equal(buf, unicast);
	assert_int_equal(ssdp_encode_search(buf, sizeof(unicast), "192.168.1.1:1900",
			     ssdp_target(6), 0),
	    strlen(unicast));
	assert_int_equal(ssdp_encode_search(buf, sizeof(unicast) - 1,
			     "192.168.1.1:1900", ssdp_target(6), 0),
	    -ENOBUFS);
}

static void
every_search_reads_back(void **state)
{
	char buf[256];
	struct ssdp_message m;

	(void)state;
	for (unsigned i = 0; i < SSDP_TARGETS; i++) {
		ssize_t len = ssdp_encode_search(
		    buf, sizeof(buf), "[ff02::c]:1900", ssdp_target(i), 1);

		assert_true(len > 0);
		assert_int_equal(decode(buf, (size_t)len, &m), 0);
		assert_int_equal(m.kind, SSDP_SEARCH);
		assert_string_equal(m.target, ssdp_target(i));
		/* What is asked for is accepted when it is answered. */
		assert_true(ssdp_target_is_gateway(m.target) ||
			    strcmp(m.target, "ssdp:all") == 0);
	}
	assert_null(ssdp_target(SSDP_TARGETS));
}

static void
gateways_are_known_by_their_type(void **state)
{
	static const char *const good[] = { "upnp:rootdevice", "UPNP:RootDevice",
		IGD "1", IGD "2", IGD "3", WAN "IPConnection:1", WAN "IPConnection:2",
		WAN "PPPConnection:1", WAN "IPv6FirewallControl:1",
		WAN "CommonInterfaceConfig:1",
		"urn:schemas-upnp-org:service:Layer3Forwarding:1",
		"urn:schemas-upnp-org:device:WANDevice:1",
		"urn:schemas-upnp-org:device:WANConnectionDevice:2",
		"urn:dslforum-org:service:WANPPPConnection:1",
		"urn:dslforum-org:device:InternetGatewayDevice:1",
		"urn:schemas-upnp-org:device:internetgatewaydevice:1" };
	static const char *const bad[] = { "", "ssdp:all", "uuid:1", "upnp:rootdevice ",
		"urn:schemas-upnp-org:device:MediaServer:1",
		"urn:schemas-upnp-org:device:InternetGatewayDevice", IGD, IGD "0",
		IGD "x", IGD "1x", IGD "-1", IGD "65536", "x" IGD "1",
		"urn:schemas-upnp-org:service:InternetGatewayDevice:1",
		"urn:schemas-upnp-org:device:WANIPConnection:1",
		"urn:example-org:service:WANIPConnection:1", WAN "IPConnection2:1" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		if (!ssdp_target_is_gateway(good[i]))
			fail_msg("%s", good[i]);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (ssdp_target_is_gateway(bad[i]))
			fail_msg("%s", bad[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_file_is_decoded),
		cmocka_unit_test(text_for_people_is_printable),
		cmocka_unit_test(each_start_line_and_field),
		cmocka_unit_test(sizes_are_limited),
		cmocka_unit_test(every_prefix_of_every_file),
		cmocka_unit_test(searches_are_written_to_the_byte),
		cmocka_unit_test(every_search_reads_back),
		cmocka_unit_test(gateways_are_known_by_their_type),
	};

	return cmocka_run_group_tests_name("ssdp", tests, NULL, NULL);
}
