/*
 * ssdp.c - SSDP messages (UPnP Device Architecture 2.0, section 1).
 *
 * A datagram is a start line and fields, no body.  Routers misspell, fold, repeat and
 * leave out; whatever can be read without guessing is read.  Anybody on the link can
 * send these bytes, so nothing here is more than a hint where to look.
 */
#include "proto/ssdp.h"

#include <errno.h>
#include <string.h>

#include "proto/head.h"
#include "proto/text.h"

#define MAX_AGE_MAX_S 86400

static const char *const targets[SSDP_TARGETS] = {
	"urn:schemas-upnp-org:device:InternetGatewayDevice:1",
	"urn:schemas-upnp-org:device:InternetGatewayDevice:2",
	"urn:schemas-upnp-org:service:WANIPConnection:1",
	"urn:schemas-upnp-org:service:WANIPConnection:2",
	"urn:schemas-upnp-org:service:WANPPPConnection:1",
	"urn:schemas-upnp-org:service:WANIPv6FirewallControl:1",
	"ssdp:all",
};

const char *
ssdp_target(unsigned i)
{
	return i < SSDP_TARGETS ? targets[i] : NULL;
}

/* What only an IGD announces: some answer ssdp:all with one of their parts alone. */
static const char *const gateway_types[] = {
	":device:InternetGatewayDevice:",
	":device:WANDevice:",
	":device:WANConnectionDevice:",
	":service:WANIPConnection:",
	":service:WANPPPConnection:",
	":service:WANIPv6FirewallControl:",
	":service:WANCommonInterfaceConfig:",
	":service:Layer3Forwarding:",
};

static const char *const gateway_domains[] = {
	"urn:schemas-upnp-org",
	"urn:dslforum-org",
};

/* Moves text behind the first of the words it starts with. */
static bool
skip_word(const char **text, const char *const words[], size_t n_words)
{
	for (size_t i = 0; i < n_words; i++)
		if (text_starts(*text, strlen(*text), words[i])) {
			*text += strlen(words[i]);
			return true;
		}
	return false;
}

bool
ssdp_target_is_gateway(const char *target)
{
	uint64_t version;

	if (text_is(target, strlen(target), "upnp:rootdevice"))
		return true;
	return skip_word(&target, gateway_domains, ARRAY_SIZE(gateway_domains)) &&
	       skip_word(&target, gateway_types, ARRAY_SIZE(gateway_types)) &&
	       text_to_uint(target, strlen(target), UINT16_MAX, &version) == 0 &&
	       version > 0;
}

ssize_t
ssdp_encode_search(
    char *buf, size_t size, const char *host, const char *target, unsigned mx_s)
{
	struct text_out out = text_out(buf, size);

	text_printf(&out,
	    "M-SEARCH * HTTP/1.1\r\n"
	    "HOST: %s\r\n"
	    "ST: %s\r\n"
	    "MAN: \"ssdp:discover\"\r\n",
	    host, target);
	if (mx_s > 0)
		text_printf(&out, "MX: %u\r\n", mx_s);
	text_put(&out, "\r\n");
	return text_finish(&out);
}

/* The fields that count, borrowed from the datagram; text NULL: not there. */
enum field { LOCATION, ST, NT, NTS, USN, SERVER, BOOTID, NLS, CACHE_CONTROL, FIELDS };

static const char *const field_names[FIELDS] = {
	[LOCATION] = "LOCATION",
	[ST] = "ST",
	[NT] = "NT",
	[NTS] = "NTS",
	[USN] = "USN",
	[SERVER] = "SERVER",
	[BOOTID] = "BOOTID.UPNP.ORG",
	[NLS] = "01-NLS",
	[CACHE_CONTROL] = "CACHE-CONTROL",
};

struct value {
	const char *text;
	size_t len;
};

static void
read_fields(struct head head, struct value ret[static FIELDS])
{
	struct head_field f;

	while (head_field(&head, &f))
		for (unsigned i = 0; i < FIELDS; i++)
			if (!ret[i].text &&
			    text_is(f.name, f.name_len, field_names[i])) {
				ret[i] = (struct value) { f.value, f.value_len };
				break;
			}
}

/* FNV-1a: an 01-NLS is any text, only its change matters. */
static uint32_t
hash(struct value value)
{
	uint32_t h = 2166136261;

	for (size_t i = 0; i < value.len; i++)
		h = (h ^ (unsigned char)value.text[i]) * 16777619;
	return h;
}

static void
read_bootid(const struct value fields[static FIELDS], struct ssdp_message *m)
{
	const struct value *id = &fields[BOOTID];
	uint64_t bootid;

	if (id->text && text_to_uint(id->text, id->len, UINT32_MAX, &bootid) == 0) {
		m->bootid = (uint32_t)bootid;
		m->has_bootid = true;
	} else if (fields[NLS].text && fields[NLS].len > 0) {
		m->bootid = hash(fields[NLS]);
		m->has_bootid = true;
	}
}

/* The number of max-age in "no-cache, max-age = 1800"; 0 if there is none. */
static uint32_t
max_age(const char *list, size_t len)
{
	while (len > 0) {
		const char *comma = memchr(list, ',', len), *name = list;
		size_t part_len = comma ? (size_t)(comma - list) : len;
		const char *equal = memchr(list, '=', part_len);
		size_t name_len = equal ? (size_t)(equal - list) : part_len;
		size_t value_len = equal ? part_len - name_len - 1 : 0;
		uint64_t age_s;

		list += part_len + (comma != NULL);
		len -= part_len + (comma != NULL);
		text_trim(&name, &name_len);
		if (!equal || !text_is(name, name_len, "max-age"))
			continue;
		equal++;
		text_trim(&equal, &value_len);
		if (text_to_uint_clamped(equal, value_len, MAX_AGE_MAX_S, &age_s) == 0)
			return (uint32_t)age_s;
	}
	return 0;
}

static const struct {
	const char *nts;
	enum ssdp_kind kind;
} notifications[] = {
	{ "ssdp:alive", SSDP_ALIVE },
	{ "ssdp:byebye", SSDP_BYEBYE },
	{ "ssdp:update", SSDP_UPDATE },
};

static int
read_kind(const char *line, size_t len, struct value nts, enum ssdp_kind *ret)
{
	int status = head_status(line, len);

	if (status >= 0) {
		*ret = SSDP_ANSWER;
		return status == 200 ? 0 : -ENOENT;
	}
	if (text_starts(line, len, "M-SEARCH * HTTP/1.")) {
		*ret = SSDP_SEARCH;
		return 0;
	}
	if (!text_starts(line, len, "NOTIFY * HTTP/1."))
		return -EBADMSG;
	for (size_t i = 0; i < ARRAY_SIZE(notifications); i++)
		if (text_is(nts.text, nts.len, notifications[i].nts)) {
			*ret = notifications[i].kind;
			return 0;
		}
	return -EBADMSG;
}

static void
copy_value(char *ret, size_t size, struct value value)
{
	if (value.text)
		text_copy_printable(ret, size, value.text, value.len);
}

int
ssdp_decode(const char *buf, size_t len, struct ssdp_message *ret)
{
	struct value fields[FIELDS] = { 0 }, target;
	struct head head = head_open(buf, len);
	struct ssdp_message m = { 0 };
	const char *line;
	size_t line_len;
	int r;

	if (len > SSDP_MESSAGE_MAX || !head_line(&head, &line, &line_len))
		return -EBADMSG;
	read_fields(head, fields);
	r = read_kind(line, line_len, fields[NTS], &m.kind);
	if (r < 0)
		return r;

	target = fields[m.kind == SSDP_ANSWER || m.kind == SSDP_SEARCH ? ST : NT];
	/* A name that is cut would be another name. */
	if (target.len >= sizeof(m.target))
		return -EBADMSG;
	copy_value(m.target, sizeof(m.target), target);
	copy_value(m.usn, sizeof(m.usn), fields[USN]);
	copy_value(m.server, sizeof(m.server), fields[SERVER]);
	read_bootid(fields, &m);
	m.max_age_s = max_age(fields[CACHE_CONTROL].text, fields[CACHE_CONTROL].len);
	if (m.kind != SSDP_BYEBYE && m.kind != SSDP_SEARCH &&
	    (!fields[LOCATION].text || url_parse(fields[LOCATION].text,
					   fields[LOCATION].len, &m.location) < 0))
		return -ENOENT;
	*ret = m;
	return 0;
}
