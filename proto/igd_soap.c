/*
 * igd_soap.c - SOAP of the IGD services: actions by table, both directions.
 *
 * What old stacks want is what is written here: one line, prefixes s and u, every
 * argument present and in SCPD order.  What they send is taken as it comes: any prefix,
 * any case, the response element with or without its suffix.
 */
#include "proto/igd_soap.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <strings.h>

#include "proto/http.h"
#include "proto/text.h"
#include "proto/util.h"
#include "proto/xml.h"

#define ERROR_UNKNOWN (-1)

struct argument {
	const char *name;
	enum igd_arg arg;
};

struct action {
	const char *name;
	unsigned kinds; /* KIND() of the services that offer it */
	unsigned min_version;
	struct argument in[IGD_ARGS_MAX], out[IGD_ARGS_MAX]; /* name NULL ends */
};

#define KIND(k) (1u << (k))
#define CONNECTION (KIND(IGD_WAN_IP) | KIND(IGD_WAN_PPP))

/* clang-format off */
#define ENTRY_KEY                                       \
	{ "NewRemoteHost", IGD_ARG_REMOTE_HOST },       \
	{ "NewExternalPort", IGD_ARG_EXTERNAL_PORT },   \
	{ "NewProtocol", IGD_ARG_PROTOCOL }
#define ENTRY_VALUE                                             \
	{ "NewInternalPort", IGD_ARG_INTERNAL_PORT },           \
	{ "NewInternalClient", IGD_ARG_INTERNAL_CLIENT },       \
	{ "NewEnabled", IGD_ARG_ENABLED },                      \
	{ "NewPortMappingDescription", IGD_ARG_DESCRIPTION },   \
	{ "NewLeaseDuration", IGD_ARG_LEASE_DURATION }
#define PORT_RANGE                              \
	{ "NewStartPort", IGD_ARG_START_PORT }, \
	{ "NewEndPort", IGD_ARG_END_PORT },     \
	{ "NewProtocol", IGD_ARG_PROTOCOL },    \
	{ "NewManage", IGD_ARG_MANAGE }
#define PINHOLE                                         \
	{ "RemoteHost", IGD_ARG_REMOTE_HOST },          \
	{ "RemotePort", IGD_ARG_REMOTE_PORT },          \
	{ "InternalClient", IGD_ARG_INTERNAL_CLIENT },  \
	{ "InternalPort", IGD_ARG_INTERNAL_PORT },      \
	{ "Protocol", IGD_ARG_PROTOCOL }
#define UNIQUE_ID { "UniqueID", IGD_ARG_UNIQUE_ID }

static const struct action actions[IGD_ACTION_MAX] = {
	[IGD_GET_EXTERNAL_IP_ADDRESS] = { "GetExternalIPAddress", CONNECTION, 1,
	    .out = { { "NewExternalIPAddress", IGD_ARG_EXTERNAL_IP_ADDRESS } } },
	[IGD_GET_STATUS_INFO] = { "GetStatusInfo", CONNECTION, 1,
	    .out = { { "NewConnectionStatus", IGD_ARG_CONNECTION_STATUS },
		     { "NewLastConnectionError", IGD_ARG_LAST_CONNECTION_ERROR },
		     { "NewUptime", IGD_ARG_UPTIME } } },
	[IGD_ADD_PORT_MAPPING] = { "AddPortMapping", CONNECTION, 1,
	    .in = { ENTRY_KEY, ENTRY_VALUE } },
	[IGD_ADD_ANY_PORT_MAPPING] = { "AddAnyPortMapping", KIND(IGD_WAN_IP), 2,
	    .in = { ENTRY_KEY, ENTRY_VALUE },
	    .out = { { "NewReservedPort", IGD_ARG_RESERVED_PORT } } },
	[IGD_DELETE_PORT_MAPPING] = { "DeletePortMapping", CONNECTION, 1,
	    .in = { ENTRY_KEY } },
	[IGD_GET_SPECIFIC_PORT_MAPPING_ENTRY] = { "GetSpecificPortMappingEntry",
	    CONNECTION, 1,
	    .in = { ENTRY_KEY },
	    .out = { ENTRY_VALUE } },
	[IGD_GET_GENERIC_PORT_MAPPING_ENTRY] = { "GetGenericPortMappingEntry",
	    CONNECTION, 1,
	    .in = { { "NewPortMappingIndex", IGD_ARG_INDEX } },
	    .out = { ENTRY_KEY, ENTRY_VALUE } },
	[IGD_GET_LIST_OF_PORT_MAPPINGS] = { "GetListOfPortMappings", KIND(IGD_WAN_IP), 2,
	    .in = { PORT_RANGE, { "NewNumberOfPorts", IGD_ARG_NUMBER_OF_PORTS } },
	    .out = { { "NewPortListing", IGD_ARG_PORT_LISTING } } },
	[IGD_DELETE_PORT_MAPPING_RANGE] = { "DeletePortMappingRange", KIND(IGD_WAN_IP), 2,
	    .in = { PORT_RANGE } },
	[IGD_GET_COMMON_LINK_PROPERTIES] = { "GetCommonLinkProperties",
	    KIND(IGD_WAN_COMMON), 1,
	    .out = { { "NewWANAccessType", IGD_ARG_WAN_ACCESS_TYPE },
		     { "NewLayer1UpstreamMaxBitRate", IGD_ARG_UPSTREAM_BIT_RATE },
		     { "NewLayer1DownstreamMaxBitRate", IGD_ARG_DOWNSTREAM_BIT_RATE },
		     { "NewPhysicalLinkStatus", IGD_ARG_PHYSICAL_LINK_STATUS } } },
	[IGD_GET_FIREWALL_STATUS] = { "GetFirewallStatus", KIND(IGD_IPV6_FIREWALL), 1,
	    .out = { { "FirewallEnabled", IGD_ARG_FIREWALL_ENABLED },
		     { "InboundPinholeAllowed", IGD_ARG_INBOUND_PINHOLE_ALLOWED } } },
	[IGD_GET_OUTBOUND_PINHOLE_TIMEOUT] = { "GetOutboundPinholeTimeout",
	    KIND(IGD_IPV6_FIREWALL), 1,
	    .in = { PINHOLE },
	    .out = { { "OutboundPinholeTimeout", IGD_ARG_OUTBOUND_PINHOLE_TIMEOUT } } },
	[IGD_ADD_PINHOLE] = { "AddPinhole", KIND(IGD_IPV6_FIREWALL), 1,
	    .in = { PINHOLE, { "LeaseTime", IGD_ARG_LEASE_TIME } },
	    .out = { UNIQUE_ID } },
	[IGD_UPDATE_PINHOLE] = { "UpdatePinhole", KIND(IGD_IPV6_FIREWALL), 1,
	    .in = { UNIQUE_ID, { "NewLeaseTime", IGD_ARG_LEASE_TIME } } },
	[IGD_DELETE_PINHOLE] = { "DeletePinhole", KIND(IGD_IPV6_FIREWALL), 1,
	    .in = { UNIQUE_ID } },
	[IGD_CHECK_PINHOLE_WORKING] = { "CheckPinholeWorking", KIND(IGD_IPV6_FIREWALL), 1,
	    .in = { UNIQUE_ID },
	    .out = { { "IsWorking", IGD_ARG_IS_WORKING } } },
	[IGD_GET_PINHOLE_PACKETS] = { "GetPinholePackets", KIND(IGD_IPV6_FIREWALL), 1,
	    .in = { UNIQUE_ID },
	    .out = { { "PinholePackets", IGD_ARG_PINHOLE_PACKETS } } },
};
/* clang-format on */

const char *
igd_action_name(enum igd_action a)
{
	return actions[a].name;
}

const char *
igd_action_in(enum igd_action a, unsigned i)
{
	return i < IGD_ARGS_MAX ? actions[a].in[i].name : NULL;
}

const char *
igd_action_out(enum igd_action a, unsigned i)
{
	return i < IGD_ARGS_MAX ? actions[a].out[i].name : NULL;
}

bool
igd_action_offered(enum igd_action a, enum igd_service_kind kind, unsigned version)
{
	return actions[a].kinds & KIND(kind) && version >= actions[a].min_version;
}

static int
put_body(struct text_out *out, const char *urn, const struct action *action,
    const struct igd_args *args)
{
	text_put(out, "<?xml version=\"1.0\"?><s:Envelope "
		      "xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\" "
		      "s:encodingStyle=\"http://schemas.xmlsoap.org/soap/encoding/\">"
		      "<s:Body>");
	text_printf(out, "<u:%s xmlns:u=\"", action->name);
	if (xml_put_escaped(out, urn) < 0)
		return -EINVAL;
	text_put(out, "\">");
	for (const struct argument *in = action->in; in->name; in++) {
		const char *value = args ? args->value[in->arg] : NULL;

		text_printf(out, "<%s>", in->name);
		if (value && xml_put_escaped(out, value) < 0)
			return -EINVAL;
		text_printf(out, "</%s>", in->name);
	}
	text_printf(out, "</u:%s></s:Body></s:Envelope>", action->name);
	return 0;
}

ssize_t
igd_soap_encode(char *buf, size_t size, const char *host,
    const struct igd_service *service, enum igd_action a, const struct igd_args *args)
{
	char body[HTTP_REQUEST_MAX], soap_action[sizeof(service->urn) + 64];
	struct text_out out = text_out(body, sizeof(body));
	struct text_out header = text_out(soap_action, sizeof(soap_action));
	ssize_t body_len;

	if (put_body(&out, service->urn, &actions[a], args) < 0)
		return -EINVAL;
	text_printf(&header, "%s#%s", service->urn, actions[a].name);
	body_len = text_finish(&out);
	if (body_len < 0 || text_finish(&header) < 0)
		return -ENOBUFS;
	return http_encode_soap(buf, size, host, service->control.path, soap_action,
	    body, (size_t)body_len);
}

struct decoder {
	const struct action *action;
	unsigned response_depth; /* of the response element, 0 before it */
	bool inside;             /* the response element is open */
	bool fault;
	struct igd_answer answer;
};

/* "AddPortMappingResponse"; some routers forget the suffix. */
static bool
is_response(const char *name, const struct action *action)
{
	size_t n = strlen(action->name);

	return strncasecmp(name, action->name, n) == 0 &&
	       (name[n] == '\0' || strcasecmp(name + n, "Response") == 0);
}

static int
error_code(const char *text, size_t len)
{
	bool negative = len > 0 && text[0] == '-';
	uint64_t code;

	if (text_to_uint(text + negative, len - negative, INT_MAX, &code) < 0)
		return ERROR_UNKNOWN;
	return negative ? -(int)code : (int)code;
}

/* The first of several arguments of one name counts. */
static void
take_argument(struct decoder *d, const struct xml_element *e)
{
	for (const struct argument *out = d->action->out; out->name; out++) {
		if (strcasecmp(e->name, out->name) != 0 || d->answer.present[out->arg])
			continue;
		d->answer.present[out->arg] = true;
		if (out->arg != IGD_ARG_PORT_LISTING)
			text_copy_printable(
			    d->answer.value[out->arg], IGD_VALUE_MAX, e->text, e->len);
	}
}

static void
on_start(void *user, const char *name, unsigned depth)
{
	struct decoder *d = user;

	if (strcasecmp(name, "Fault") == 0) {
		d->fault = true;
	} else if (d->response_depth == 0 && is_response(name, d->action)) {
		d->response_depth = depth;
		d->inside = true;
	}
}

static void
on_end(void *user, const struct xml_element *e)
{
	struct decoder *d = user;
	struct igd_answer *a = &d->answer;

	if (d->inside && e->depth == d->response_depth)
		d->inside = false;
	if (!e->leaf)
		return;
	if (strcasecmp(e->name, "errorCode") == 0) {
		d->fault = true;
		if (a->error == 0)
			a->error = error_code(e->text, e->len);
	} else if (strcasecmp(e->name, "errorDescription") == 0) {
		if (!a->description[0])
			text_copy_printable(
			    a->description, sizeof(a->description), e->text, e->len);
	} else if (d->inside && e->depth == d->response_depth + 1) {
		take_argument(d, e);
	}
}

int
igd_soap_decode(enum igd_action a, int http_status, const char *xml, size_t len,
    struct igd_answer *ret)
{
	struct decoder d = { .action = &actions[a] };
	struct xml_reader reader = { .start = on_start, .end = on_end, .user = &d };
	int r = xml_read(xml, len, IGD_SOAP_BODY_MAX, &reader);

	if (r < 0)
		return r;
	if (d.fault) {
		*ret = (struct igd_answer) {
			.error = d.answer.error ? d.answer.error : ERROR_UNKNOWN,
		};
		memcpy(
		    ret->description, d.answer.description, sizeof(ret->description));
		return 0;
	}
	if (d.response_depth == 0 || http_status < 200 || http_status > 299)
		return -EBADMSG;
	*ret = d.answer;
	return 0;
}

static const char *
value_of(const struct igd_answer *ans, enum igd_arg arg)
{
	return ans->present[arg] && ans->value[arg][0] ? ans->value[arg] : NULL;
}

int
igd_answer_uint(
    const struct igd_answer *ans, enum igd_arg arg, uint64_t max, uint64_t *ret)
{
	const char *value = value_of(ans, arg);

	return value ? text_to_uint(value, strlen(value), max, ret) : -ENOENT;
}

int
igd_answer_addr(const struct igd_answer *ans, enum igd_arg arg, struct addr *ret)
{
	const char *value = value_of(ans, arg);

	return value ? addr_parse(value, ret) : -ENOENT;
}

int
igd_answer_bool(const struct igd_answer *ans, enum igd_arg arg, bool *ret)
{
	static const char *const words[] = { "0", "1", "no", "yes", "false", "true" };
	const char *value = value_of(ans, arg);

	if (!value)
		return -ENOENT;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (strcasecmp(value, words[i]) != 0)
			continue;
		*ret = i % 2;
		return 0;
	}
	return -EINVAL;
}

bool
igd_answer_connected(const struct igd_answer *ans)
{
	const char *value = value_of(ans, IGD_ARG_CONNECTION_STATUS);

	return value &&
	       (strcasecmp(value, "Connected") == 0 || strcasecmp(value, "Up") == 0);
}
