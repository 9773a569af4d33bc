/*
 * igd_desc.c - UPnP device descriptions: the services of an Internet gateway.
 *
 * One pass collects text; URLs are resolved after it, because only then URLBase is
 * known.  Where in the tree of devices a service stands says nothing about it: routers
 * nest as they like, so its type alone decides.
 */
#include "proto/igd_desc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "proto/http.h"
#include "proto/text.h"
#include "proto/util.h"
#include "proto/xml.h"

#define URL_TEXT_MAX (URL_HOST_MAX + URL_PATH_MAX + sizeof("http://[]:65535"))

/* A service as it is written. */
struct draft {
	char type[sizeof(((struct igd_service *)0)->urn)];
	char control[URL_TEXT_MAX], event[URL_TEXT_MAX];
};

struct parser {
	struct igd_desc desc;
	unsigned device_depth;  /* of the first device; 0 before it */
	unsigned service_depth; /* of the service that is open, or 0 */
	char url_base[URL_TEXT_MAX];
	struct draft open, drafts[IGD_SERVICES_MAX];
	unsigned n_drafts;
};

static const struct {
	enum igd_service_kind kind;
	const char *name;
} kinds[] = {
	{ IGD_WAN_IP, "WANIPConnection" },
	{ IGD_WAN_PPP, "WANPPPConnection" },
	{ IGD_WAN_COMMON, "WANCommonInterfaceConfig" },
	{ IGD_IPV6_FIREWALL, "WANIPv6FirewallControl" },
};

/* A type goes into a header and into XML as it is, so it must need no quoting. */
static bool
is_plain(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (text[i] <= ' ' || text[i] > '~' || strchr("\"'<>&#", text[i]))
			return false;
	return len > 0;
}

/* "urn:whoever:service:NAME:VERSION" -> NAME and VERSION.  Only the end counts: the
 * front is schemas-upnp-org, dslforum-org, or worse. */
static bool
split_type(
    const char *type, const char **ret_name, size_t *ret_len, uint64_t *ret_version)
{
	const char *version = strrchr(type, ':'), *name = version;

	if (!version || !is_plain(type, strlen(type)))
		return false;
	while (name > type && name[-1] != ':')
		name--;
	if (name == type)
		return false;
	*ret_name = name;
	*ret_len = (size_t)(version - name);
	return text_to_uint(
		   version + 1, strlen(version + 1), UINT16_MAX, ret_version) == 0 &&
	       *ret_version > 0;
}

static bool
read_type(const char *type, enum igd_service_kind *ret_kind, unsigned *ret_version)
{
	const char *name;
	uint64_t version;
	size_t len;

	if (!split_type(type, &name, &len, &version))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (!text_is(name, len, kinds[i].name))
			continue;
		*ret_kind = kinds[i].kind;
		*ret_version = (unsigned)MIN(version, 2);
		return true;
	}
	return false;
}

/* The whole text or nothing: half an URL or type is another one. */
static void
keep_whole(char *ret, size_t size, const struct xml_element *e)
{
	if (ret[0] || e->cut || e->len >= size)
		return;
	memcpy(ret, e->text, e->len);
	ret[e->len] = '\0';
}

static void
keep_printable(char *ret, size_t size, const struct xml_element *e)
{
	if (!ret[0])
		text_copy_printable(ret, size, e->text, e->len);
}

static void
close_service(struct parser *p)
{
	const struct draft *d = &p->open;
	enum igd_service_kind kind;
	unsigned version;

	p->service_depth = 0;
	if (!d->control[0] || !read_type(d->type, &kind, &version))
		return;
	for (unsigned i = 0; i < p->n_drafts; i++)
		if (strcmp(p->drafts[i].type, d->type) == 0 &&
		    strcmp(p->drafts[i].control, d->control) == 0)
			return;
	if (p->n_drafts < ARRAY_SIZE(p->drafts))
		p->drafts[p->n_drafts++] = *d;
}

static void
service_leaf(struct draft *d, const struct xml_element *e)
{
	if (strcasecmp(e->name, "serviceType") == 0)
		keep_whole(d->type, sizeof(d->type), e);
	else if (strcasecmp(e->name, "controlURL") == 0)
		keep_whole(d->control, sizeof(d->control), e);
	else if (strcasecmp(e->name, "eventSubURL") == 0)
		keep_whole(d->event, sizeof(d->event), e);
}

static void
device_type(struct igd_desc *d, const struct xml_element *e)
{
	char type[sizeof(d->service[0].urn)] = "";
	const char *name;
	uint64_t version;
	size_t len;

	keep_whole(type, sizeof(type), e);
	if (d->version == 0 && split_type(type, &name, &len, &version) &&
	    text_is(name, len, "InternetGatewayDevice"))
		d->version = (unsigned)MIN(version, 2);
}

/* What people see of the gateway is said by its outermost device. */
static void
device_leaf(struct igd_desc *d, const struct xml_element *e)
{
	if (strcasecmp(e->name, "friendlyName") == 0)
		keep_printable(d->friendly_name, sizeof(d->friendly_name), e);
	else if (strcasecmp(e->name, "manufacturer") == 0)
		keep_printable(d->manufacturer, sizeof(d->manufacturer), e);
	else if (strcasecmp(e->name, "modelName") == 0)
		keep_printable(d->model, sizeof(d->model), e);
	else if (strcasecmp(e->name, "UDN") == 0)
		keep_printable(d->udn, sizeof(d->udn), e);
}

static void
on_start(void *user, const char *name, unsigned depth)
{
	struct parser *p = user;

	if (p->device_depth == 0 && strcasecmp(name, "device") == 0)
		p->device_depth = depth;
	if (p->service_depth == 0 && strcasecmp(name, "service") == 0) {
		p->service_depth = depth;
		p->open = (struct draft) { 0 };
	}
}

static void
on_end(void *user, const struct xml_element *e)
{
	struct parser *p = user;

	if (p->service_depth > 0) {
		if (e->depth == p->service_depth)
			close_service(p);
		else if (e->leaf && e->depth == p->service_depth + 1)
			service_leaf(&p->open, e);
		return;
	}
	if (!e->leaf)
		return;
	if (strcasecmp(e->name, "URLBase") == 0)
		keep_whole(p->url_base, sizeof(p->url_base), e);
	else if (strcasecmp(e->name, "deviceType") == 0)
		device_type(&p->desc, e);
	else if (p->device_depth > 0 && e->depth == p->device_depth + 1)
		device_leaf(&p->desc, e);
}

static int
resolve(const struct url *base, const char *text, struct url *ret)
{
	int r = url_resolve(base, text, strlen(text), ret);

	if (r < 0)
		return r;
	/* Whatever host the text names, the gateway is where the description came from
	 * (floating addresses, printf templates that nobody filled, attacks). */
	memcpy(ret->host, base->host, sizeof(ret->host));
	return 0;
}

static void
resolve_services(struct parser *p, const struct url *location)
{
	struct url base;

	if (!p->url_base[0] || resolve(location, p->url_base, &base) < 0)
		base = *location;
	for (unsigned i = 0; i < p->n_drafts; i++) {
		const struct draft *d = &p->drafts[i];
		struct igd_service *s = &p->desc.service[p->desc.services];

		if (!read_type(d->type, &s->kind, &s->version) ||
		    resolve(&base, d->control, &s->control) < 0)
			continue;
		memcpy(s->urn, d->type, sizeof(s->urn));
		if (!d->event[0] || resolve(&base, d->event, &s->event) < 0)
			s->event = (struct url) { 0 };
		p->desc.services++;
	}
}

static bool
has_gateway(const struct igd_desc *d)
{
	for (unsigned i = 0; i < d->services; i++)
		if (d->service[i].kind != IGD_WAN_COMMON)
			return true;
	return false;
}

int
igd_desc_parse(
    const char *xml, size_t len, const struct url *location, struct igd_desc *ret)
{
	_cleanup_(freep) struct parser *p = calloc(1, sizeof(*p));
	struct xml_reader reader = { .start = on_start, .end = on_end, .user = p };
	int r;

	if (!p)
		return -ENOMEM;
	r = xml_read(xml, len, HTTP_BODY_MAX, &reader);
	if (r < 0)
		return r;
	resolve_services(p, location);
	if (!has_gateway(&p->desc))
		return -ENOENT;
	*ret = p->desc;
	return 0;
}
