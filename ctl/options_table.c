/*
 * options_table.c - the table of options: one row each, and what it sets.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "ctl/human.h"
#include "ctl/options.h"
#include "proto/addr.h"
#include "proto/stun_uri.h"
#include "proto/text.h"
#include "proto/types.h"

static int
set_help(struct options *o, const char *value)
{
	(void)value;
	o->help = true;
	return 0;
}

static int
set_version(struct options *o, const char *value)
{
	(void)value;
	o->version = true;
	return 0;
}

static int
set_socket(struct options *o, const char *value)
{
	o->socket = value;
	o->fallback = NULL;
	return *value ? 0 : -EINVAL;
}

const char *
options_user_socket(void)
{
	static char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
	const char *dir = getenv("XDG_RUNTIME_DIR");
	int n;

	if (!dir || dir[0] != '/')
		return NULL;
	n = snprintf(path, sizeof(path), "%s/natd/org.natd.NAT", dir);
	return n < (int)sizeof(path) ? path : NULL;
}

static int
set_user(struct options *o, const char *value)
{
	(void)value;
	o->socket = options_user_socket();
	o->fallback = NULL;
	if (o->socket)
		return 0;
	complain("--user needs $XDG_RUNTIME_DIR, an absolute path");
	return -ENOENT;
}

static enum json_mode
json_default(void)
{
	return isatty(STDOUT_FILENO) ? JSON_PRETTY : JSON_SHORT;
}

static int
set_j(struct options *o, const char *value)
{
	(void)value;
	o->json = json_default();
	return 0;
}

static int
set_json(struct options *o, const char *value)
{
	static const char *const modes[] = {
		[JSON_OFF] = "off",
		[JSON_PRETTY] = "pretty",
		[JSON_SHORT] = "short",
	};

	for (size_t i = 0; i < ARRAY_SIZE(modes); i++)
		if (strcmp(value, modes[i]) == 0) {
			o->json = (enum json_mode)i;
			return 0;
		}
	return -EINVAL;
}

static int
set_color(struct options *o, const char *value)
{
	static const char *const whens[] = {
		[TERM_AUTO] = "auto",
		[TERM_ALWAYS] = "always",
		[TERM_NEVER] = "never",
	};

	for (size_t i = 0; i < ARRAY_SIZE(whens); i++)
		if (strcmp(value, whens[i]) == 0) {
			o->colour = (enum term_when)i;
			return 0;
		}
	return -EINVAL;
}

static int
set_quiet(struct options *o, const char *value)
{
	(void)value;
	o->quiet = true;
	return 0;
}

static int
set_numeric(struct options *o, const char *value)
{
	(void)value;
	o->numeric = true;
	return 0;
}

static int
set_no_pager(struct options *o, const char *value)
{
	(void)value;
	o->no_pager = true;
	return 0;
}

static int
set_no_legend(struct options *o, const char *value)
{
	(void)value;
	o->no_legend = true;
	return 0;
}

static int
set_timeout(struct options *o, const char *value)
{
	return human_parse_span(value, &o->timeout_us) < 0 || o->timeout_us == 0
		   ? -EINVAL
		   : 0;
}

static int
set_ipv4(struct options *o, const char *value)
{
	(void)value;
	o->family = 4;
	return 0;
}

static int
set_ipv6(struct options *o, const char *value)
{
	(void)value;
	o->family = 6;
	return 0;
}

static int
set_interface(struct options *o, const char *value)
{
	o->interface = value;
	return *value ? 0 : -EINVAL;
}

int
options_port(const char *text, int64_t *ret)
{
	uint64_t port;

	if (strcmp(text, "auto") == 0) {
		*ret = 0;
		return 0;
	}
	if (text_to_uint(text, strlen(text), UINT16_MAX, &port) < 0)
		return -EINVAL;
	*ret = (int64_t)port;
	return 0;
}

static int
set_external(struct options *o, const char *value)
{
	return options_port(value, &o->external) < 0 || o->external == 0 ? -EINVAL : 0;
}

static int
set_exact(struct options *o, const char *value)
{
	(void)value;
	o->exact = true;
	return 0;
}

static int
set_for(struct options *o, const char *value)
{
	int64_t usec;

	if (human_parse_span(value, &usec) < 0 || usec < USEC_PER_SEC ||
	    usec / USEC_PER_SEC > UINT32_MAX)
		return -EINVAL;
	o->lifetime_s = usec / USEC_PER_SEC;
	return 0;
}

static int
set_permanent(struct options *o, const char *value)
{
	(void)value;
	o->permanent = true;
	return 0;
}

/* As natd takes it. */
#define NAME_MAX_BYTES 127

static int
set_name(struct options *o, const char *value)
{
	size_t len = strlen(value);
	_cleanup_(freep) char *copy = NULL;

	if (len > NAME_MAX_BYTES)
		return -EINVAL;
	copy = malloc(len + 1);
	if (!copy)
		return -ENOMEM;
	text_copy_printable(copy, len + 1, value, len);
	if (strcmp(copy, value) != 0)
		return -EINVAL;
	o->name = value;
	return 0;
}

static int
set_internal_address(struct options *o, const char *value)
{
	struct addr address;

	if (addr_parse(value, &address) < 0 || address.scope != 0)
		return -EINVAL;
	o->internal_address = value;
	return 0;
}

/* As "gateways" shows them: a link-local one with its interface, which natd looks up.
 */
static int
set_gateway(struct options *o, const char *value)
{
	char zone[ADDR_ZONE_MAX];
	struct addr address;

	if (addr_parse_zone(value, &address, zone) < 0)
		return -EINVAL;
	o->gateway = value;
	return 0;
}

static int
set_method(struct options *o, const char *value)
{
	o->methods = value;
	return options_methods(value, NULL) < 0 ? -EINVAL : 0;
}

static int
set_hold(struct options *o, const char *value)
{
	(void)value;
	o->hold = true;
	return 0;
}

static int
set_port_file(struct options *o, const char *value)
{
	o->port_file = value;
	o->hold = true;
	return *value ? 0 : -EINVAL;
}

static int
set_on_change(struct options *o, const char *value)
{
	o->on_change = value;
	o->hold = true;
	return *value ? 0 : -EINVAL;
}

static int
set_porcelain(struct options *o, const char *value)
{
	(void)value;
	o->porcelain = true;
	return 0;
}

static int
set_write(struct options *o, const char *value)
{
	o->write = value;
	return *value ? 0 : -EINVAL;
}

static int
set_transport(struct options *o, const char *value)
{
	for (int t = 0; t < STUN_TRANSPORT_MAX; t++)
		if (strcmp(value, stun_transport_name((enum stun_transport)t)) == 0) {
			o->transport = t;
			return 0;
		}
	return -EINVAL;
}

static int
set_refresh(struct options *o, const char *value)
{
	(void)value;
	o->refresh = true;
	return 0;
}

static int
set_more(struct options *o, const char *value)
{
	(void)value;
	o->more = true;
	return 0;
}

#define LOOKING "status list map gateways check nat"
#define SPAN "a span of time such as 90, 30s, 5min, 1h30min"

const struct option_row option_rows[] = {
	{ "help", 'h', NULL, NULL, set_help, NULL, "what natctl or the verb can do" },
	{ "version", 0, NULL, NULL, set_version, NULL, "print the version" },
	{ "socket", 'H', "PATH|ssh:HOST", NULL, set_socket, "a path or ssh:HOST",
	    "where natd listens ($NATD_SOCKET)" },
	{ "user", 0, NULL, NULL, set_user, NULL,
	    "ask this user's own natd, not the system's" },
	{ "json", 0, "MODE", NULL, set_json, "pretty, short or off",
	    "print natd's reply as it is: pretty, short, off" },
	{ NULL, 'j', NULL, NULL, set_j, NULL,
	    "--json=pretty on a terminal, else --json=short" },
	{ "quiet", 'q', NULL, NULL, set_quiet, NULL, "print only what scripts need" },
	{ "numeric", 'n', NULL, NULL, set_numeric, NULL, "user ids instead of names" },
	{ "no-pager", 0, NULL, NULL, set_no_pager, NULL, "no pager for long output" },
	{ "no-legend", 0, NULL, NULL, set_no_legend, NULL,
	    "tables without heading and count" },
	{ "color", 0, "WHEN", NULL, set_color, "auto, always or never",
	    "colours: auto, always, never" },
	{ "timeout", 0, "TIME", NULL, set_timeout, SPAN, "how long to wait for natd" },
	{ "ipv4", '4', NULL, LOOKING " stun", set_ipv4, NULL, "IPv4 only" },
	{ "ipv6", '6', NULL, LOOKING " stun", set_ipv6, NULL, "IPv6 only" },
	{ "interface", 'i', "IF", LOOKING, set_interface, "the name of an interface",
	    "only this network interface" },
	{ "external", 0, "PORT", "map", set_external, "a port number, 1 to 65535",
	    "the external port to ask for" },
	{ "exact", 0, NULL, "map", set_exact, NULL,
	    "fail rather than accept another external port" },
	{ "for", 0, "TIME", "map", set_for, SPAN ", at least 1s",
	    "how long the mapping is wanted" },
	{ "permanent", 0, NULL, "map", set_permanent, NULL,
	    "until unmapped, across restarts (privileged)" },
	{ "name", 0, "TEXT", "map", set_name,
	    "at most 127 bytes of text without control characters", "a description" },
	{ "internal-address", 0, "ADDRESS", "map", set_internal_address,
	    "an IP address", "map to another host (privileged)" },
	{ "gateway", 0, "ADDRESS", "map", set_gateway, "an IP address",
	    "only this gateway" },
	{ "method", 0, "METHOD,...", "map", set_method,
	    "a list of pcp, nat_pmp, igd2, igd1, igd_pinhole, direct",
	    "only these methods, the best first" },
	{ "hold", 0, NULL, "map", set_hold, NULL,
	    "keep the mapping while natctl or COMMAND runs" },
	{ "port-file", 0, "FILE", "map", set_port_file, "the name of a file",
	    "hold, and keep the external port in FILE" },
	{ "on-change", 0, "COMMAND", "map", set_on_change, "a shell command",
	    "hold, and run COMMAND at each change" },
	{ "porcelain", 0, NULL, "list help", set_porcelain, NULL,
	    "lines of tab separated fields that stay the same" },
	{ "refresh", 0, NULL, "nat", set_refresh, NULL,
	    "measure anew, not what was measured last" },
	{ "transport", 0, "TRANSPORT", "stun", set_transport, "udp, tcp, tls or dtls",
	    "how to reach the server: udp, tcp, tls, dtls" },
	{ "write", 0, "FILE", "metrics", set_write, "the name of a file",
	    "replace FILE in one step (node_exporter)" },
	{ "more", 0, NULL, "call", set_more, NULL, "print every reply of the method" },
};

const size_t option_rows_count = ARRAY_SIZE(option_rows);
_Static_assert(ARRAY_SIZE(option_rows) <= OPTION_ROWS_MAX, "room in options_parse()");

int
options_methods(const char *list, struct natd_request *request)
{
	for (const char *at = list;;) {
		size_t len = strcspn(at, ",");
		char word[32];
		enum method method;

		if (len >= sizeof(word))
			return -EINVAL;
		memcpy(word, at, len);
		word[len] = '\0';
		for (char *c = word; *c; c++)
			*c = *c == '-' ? '_' : *c;
		if (method_from_name(word, &method) < 0)
			return -EINVAL;
		if (request)
			natd_request_add_method(request, word);
		if (at[len] == '\0')
			return 0;
		at += len + 1;
	}
}
