/*
 * map.c - the verbs that change mappings: map, unmap, renew.
 */
#include "ctl/map.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ctl/hold.h"
#include "ctl/options.h"
#include "ctl/output.h"
#include "ctl/show.h"
#include "ctl/verbs.h"
#include "lib/natd.h"
#include "proto/json.h"

/* natd answers by its time-out; this is for the way and a busy machine. */
#define GRACE_MS (10 * MSEC_PER_SEC)

/* "tcp", "udp", "tcp+udp" as bits; 0 or -EINVAL. */
static int
parse_protocols(const char *text, unsigned *ret)
{
	unsigned bits = 0;

	for (const char *at = text;;) {
		size_t len = strcspn(at, "+");
		unsigned bit = strncmp(at, "tcp", MAX(len, 3)) == 0   ? NATD_TCP
			       : strncmp(at, "udp", MAX(len, 3)) == 0 ? NATD_UDP
								      : 0;

		if (bit == 0 || bits & bit)
			return -EINVAL;
		bits |= bit;
		if (at[len] == '\0')
			break;
		at += len + 1;
	}
	*ret = bits;
	return 0;
}

static struct natd_request *
make_request(unsigned protocols, uint16_t port, const struct options *o)
{
	struct natd_request *request = natd_request_new(protocols, port);

	if (!request)
		return NULL;
	natd_request_set_internal_address(request, o->internal_address);
	if (o->family != 0)
		natd_request_set_family(request, o->family == 6 ? AF_INET6 : AF_INET);
	natd_request_set_interface(request, o->interface);
	natd_request_set_gateway(request, o->gateway);
	natd_request_set_external_port(
	    request, (uint16_t)MAX(o->external, 0), o->exact);
	if (o->lifetime_s > 0)
		natd_request_set_lifetime(
		    request, (uint32_t)MIN(o->lifetime_s, UINT32_MAX));
	if (o->permanent)
		natd_request_set_persistence(request, NATD_PERMANENT);
	natd_request_set_description(request, o->name);
	if (o->methods)
		options_methods(o->methods, request);
	if (o->timeout_us >= 0)
		natd_request_set_timeout(
		    request, (uint32_t)MIN((o->timeout_us + 999) / 1000, UINT32_MAX));
	return request;
}

enum exit_code
map_parameters(struct ctl *ctl, char **argv, char *ret, size_t size)
{
	struct natd_request *request;
	unsigned protocols;
	int64_t port;
	ssize_t len;

	if (parse_protocols(argv[0], &protocols) < 0) {
		complain("'%s' is not a protocol: tcp, udp or tcp+udp", argv[0]);
		return CTL_USAGE;
	}
	if (options_port(argv[1], &port) < 0) {
		complain("'%s' is not a port number, 1 to 65535, or auto (or 0: the "
			 "router chooses)",
		    argv[1]);
		return CTL_USAGE;
	}
	if (port == 0 && ctl->opt.exact && ctl->opt.external < 0) {
		complain("--exact needs --external when the gateway chooses the port");
		return CTL_USAGE;
	}
	request = make_request(protocols, (uint16_t)port, &ctl->opt);
	len = request ? natd_request_print(request, ret, size) : -ENOMEM;
	natd_request_free(request);
	if (len >= 0)
		return CTL_DONE;
	complain("the request is too long. Is the name?");
	return CTL_USAGE;
}

msec_t
map_patience(const struct ctl *ctl)
{
	return MAX(CTL_PATIENCE_MS, ctl->opt.timeout_us / 1000 + GRACE_MS);
}

enum exit_code
map_read(const struct reply *reply, struct mapping *ret)
{
	const char *bad = NULL;
	struct fields f = fields_of(reply->parameters, "parameters", &bad);
	struct fields mapping = field_object(&f, "mapping");

	if (bad || mapping_decode(mapping.object, ret, &bad) < 0)
		return ctl_bad_reply(bad);
	return CTL_DONE;
}

static enum exit_code
print_mapping(const struct ctl *ctl, const struct mapping *m)
{
	char external[PEER_MAX];
	struct page page;

	if (!page_open(&page))
		return CTL_FAILED;
	if (ctl->opt.quiet)
		fputs(peer_text(&m->external, external), page.out);
	else
		mapping_write_line(page.out, m);
	putc('\n', page.out);
	return page_show(ctl, &page);
}

/* The first verdict where it is not a mapping that is held. */
static const struct verdict_row {
	const char *state;
	enum exit_code code;
	const char *is, *next;
} verdicts[] = {
	{ "requesting", CTL_TIMEOUT, "no gateway has answered yet",
	    "natd goes on trying" },
	{ "suspended", CTL_NO_GATEWAY, "the interface or gateway is away",
	    "natd asks again when it returns" },
	{ "failed", CTL_FAILED, "the mapping failed", "natd goes on trying" },
	{ "releasing", CTL_FAILED, "the mapping is being released", "Try again" },
};

/* A failure that has a code of its own. */
static enum exit_code
problem_code(const struct mapping *m, enum exit_code otherwise)
{
	static const struct {
		const char *code;
		enum exit_code exit;
	} rows[] = {
		{ "gateway_timeout", CTL_TIMEOUT },
		{ "no_method", CTL_NO_GATEWAY },
		{ "no_uplink", CTL_NO_GATEWAY },
		{ "external_port_unavailable", CTL_PORT_TAKEN },
	};

	for (size_t i = 0; m->problem.code && i < ARRAY_SIZE(rows); i++)
		if (strcmp(rows[i].code, m->problem.code) == 0)
			return rows[i].exit;
	return otherwise;
}

static enum exit_code
explain(const struct mapping *m)
{
	const struct verdict_row *row = NULL;
	struct page problem;

	for (size_t i = 0; i < ARRAY_SIZE(verdicts); i++)
		if (strcmp(verdicts[i].state, m->state) == 0)
			row = &verdicts[i];
	if (!page_open(&problem))
		return CTL_FAILED;
	mapping_write_problem(problem.out, m, true);
	fflush(problem.out);
	complain("%s%s%s. %s, see: natctl show %s", row ? row->is : m->state,
	    *problem.text ? ": " : "", problem.text,
	    row ? row->next : "natd may be newer than natctl", m->id);
	page_drop(&problem);
	return problem_code(m, row ? row->code : CTL_FAILED);
}

/* It is held, and yet of no use. */
static void
warn(const struct mapping *m)
{
	struct page problem;

	if (!page_open(&problem))
		return;
	mapping_write_problem(problem.out, m, true);
	if (ftell(problem.out) > 0) {
		fflush(problem.out);
		complain("mapped, but: %s", problem.text);
	}
	page_drop(&problem);
}

static enum exit_code
map_once(struct ctl *ctl, const char *parameters)
{
	_cleanup_(reply_done) struct reply reply = { 0 };
	struct mapping m;
	enum exit_code code = ctl_call_within(
	    ctl, "RequestMapping", parameters, false, map_patience(ctl), &reply);

	if (code == CTL_NO_GATEWAY)
		complain("natd keeps nothing of this request. With --hold or "
			 "--permanent it goes on trying");
	if (code == CTL_DONE)
		code = map_read(&reply, &m);
	if (code != CTL_DONE)
		return code;
	if (!mapping_is_held(&m)) {
		output_reply(ctl, &reply);
		return explain(&m);
	}
	warn(&m);
	return output_reply(ctl, &reply) ? CTL_DONE : print_mapping(ctl, &m);
}

enum exit_code
verb_map(struct ctl *ctl, int argc, char **argv)
{
	char parameters[MAP_PARAMETERS_MAX];
	enum exit_code code = map_parameters(ctl, argv, parameters, sizeof(parameters));

	(void)argc;
	if (code != CTL_DONE)
		return code;
	return ctl->opt.hold ? hold_run(ctl, parameters) : map_once(ctl, parameters);
}

/* A method that takes only "id"; NULL leaves it out. */
static enum exit_code
call_with_id(
    struct ctl *ctl, const char *method, const char *id, struct reply *ret_reply)
{
	_cleanup_(json_freep) cJSON *parameters = cJSON_CreateObject();
	char text[512];

	json_add_string(parameters, "id", id);
	if (json_print(parameters, text, sizeof(text)) < 0) {
		complain("'%.32s...' is not the id of a mapping", id ? id : "");
		return CTL_USAGE;
	}
	return ctl_call(ctl, method, text, false, ret_reply);
}

static enum exit_code
release(struct ctl *ctl, const char *id)
{
	_cleanup_(reply_done) struct reply reply = { 0 };
	enum exit_code code = call_with_id(ctl, "ReleaseMapping", id, &reply);
	const char *bad = NULL, *configured;
	struct fields f;
	char text[160];

	if (code != CTL_DONE || output_reply(ctl, &reply))
		return code;
	f = fields_of(reply.parameters, "parameters", &bad);
	configured = field_string_opt(&f, "configured");
	if (bad)
		return ctl_bad_reply(bad);
	if (configured)
		complain("%s is configured as [Mapping %s]: it comes back at the next "
			 "reload or start of natd. To be rid of it, take it out of "
			 "natd.conf",
		    id, configured);
	if (ctl->opt.quiet)
		return CTL_DONE;
	snprintf(text, sizeof(text), "released %.128s\n", id);
	return output_text(ctl, text);
}

/* What is about to be closed is looked at twice. */
static bool
is_of_port(const struct mapping *m, const char *port)
{
	int64_t wanted;

	return options_port(port, &wanted) == 0 &&
	       wanted == (m->internal.address ? m->internal.port : m->internal_port);
}

/* The caller's mappings of a port, each with exactly these protocols: the two of
 * "tcp+udp" go together, half of it cannot be given up. */
static enum exit_code
release_port(struct ctl *ctl, char **argv)
{
	_cleanup_(freep) struct mapping *mappings = NULL;
	_cleanup_(reply_done) struct reply reply = { 0 };
	unsigned bits;
	const char *protocols;
	char filter[512];
	const struct mapping *other = NULL;
	size_t count = 0, released = 0;
	enum exit_code code;

	if (mapping_is_id(argv[0])) {
		complain("natctl unmap takes one mapping at a time: natctl unmap %s",
		    argv[0]);
		return CTL_USAGE;
	}
	if (parse_protocols(argv[0], &bits) < 0) {
		complain("'%s' is not a protocol: tcp, udp or tcp+udp", argv[0]);
		return CTL_USAGE;
	}
	protocols = bits == NATD_TCP ? "tcp" : bits == NATD_UDP ? "udp" : "tcp+udp";
	code = mappings_filter(2,
	    (char *[]) { strncmp(protocols, "tcp", 3) == 0 ? "tcp" : "udp", argv[1] },
	    ctl_is_remote(ctl) ? -1 : (int64_t)getuid(), filter, sizeof(filter));
	if (code == CTL_DONE)
		code = mappings_fetch(ctl, filter, &reply, &mappings, &count);
	for (size_t i = 0; code == CTL_DONE && i < count; i++) {
		if (strcmp(mappings[i].protocols, protocols) != 0) {
			other = &mappings[i];
			continue;
		}
		if (!is_of_port(&mappings[i], argv[1]))
			continue;
		code = release(ctl, mappings[i].id);
		released++;
	}
	if (code != CTL_DONE || released > 0)
		return code;
	if (other)
		complain("%s maps %s together. Try: natctl unmap %s", other->id,
		    other->protocols, other->id);
	else
		complain("you hold no mapping of %s %s. Try: natctl list", protocols,
		    argv[1]);
	return CTL_FAILED;
}

enum exit_code
verb_unmap(struct ctl *ctl, int argc, char **argv)
{
	return argc == 1 ? release(ctl, argv[0]) : release_port(ctl, argv);
}

enum exit_code
verb_renew(struct ctl *ctl, int argc, char **argv)
{
	_cleanup_(reply_done) struct reply reply = { 0 };
	enum exit_code code =
	    call_with_id(ctl, "RenewMapping", argc > 0 ? argv[0] : NULL, &reply);
	const char *bad = NULL;
	struct fields f;
	int64_t renewed;
	char text[64];

	if (code != CTL_DONE || output_reply(ctl, &reply))
		return code;
	f = fields_of(reply.parameters, "parameters", &bad);
	renewed = field_int(&f, "renewed", 0, FIELD_INT_MAX);
	if (bad)
		return ctl_bad_reply(bad);
	if (ctl->opt.quiet)
		return CTL_DONE;
	snprintf(text, sizeof(text), "%" PRIi64 " mapping%s renewed\n", renewed,
	    renewed == 1 ? "" : "s");
	return output_text(ctl, text);
}
