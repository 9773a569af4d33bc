/*
 * errors.c - one row per error: exit code, whether waiting helps, and the sentence.
 *
 * In a sentence {field} is a parameter of the error, or of the call if it is no field
 * of the error; {privilege} is what was asked; a part in [ ] is left out unless all its
 * fields are there.
 */
#include "ctl/errors.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/fields.h"
#include "ctl/human.h"
#include "ctl/model.h"
#include "proto/jsontext.h"
#include "proto/text.h"
#include "proto/util.h"

#define OWN CTL_INTERFACE "."
#define VARLINK "org.varlink.service."

struct error_row {
	const char *name;
	enum exit_code code;
	bool transient;
	const char *sentence;
};

/* There are others, but not the one that was asked for. */
static const struct error_row no_such_gateway = { OWN "NoGateway", CTL_NO_GATEWAY, true,
	"this host has no gateway {gateway}[ on {interface}]. Try: natctl gateways" };

static const struct error_row rows[] = {
	{ OWN "NotOnline", CTL_NO_GATEWAY, true,
	    "this host is offline: no interface has an address and a route. natd goes "
	    "on "
	    "by itself when the network is back" },
	{ OWN "NoGateway", CTL_NO_GATEWAY, true,
	    "no gateway found[ on {interface}][ for {family}]. Is there a default "
	    "route? "
	    "Try: ip route, natctl gateways" },
	{ OWN "NoSuchInterface", CTL_FAILED, false,
	    "there is no interface {interface}. Try: ip link" },
	{ OWN "NoSuchMapping", CTL_FAILED, false,
	    "there is no mapping {id}. Try: natctl list" },
	{ OWN "NoMethodAvailable", CTL_NO_GATEWAY, true,
	    "no gateway here opens this port.{tried} Is UPnP or NAT-PMP "
	    "switched on in the router?" },
	{ OWN "GatewayTimeout", CTL_TIMEOUT, true,
	    "gateway {gateway} did not answer {method} within {elapsedUSec}. Is it "
	    "switched on in the router?" },
	{ OWN "GatewayRefused", CTL_FAILED, false,
	    "gateway {gateway} refused: {method} result {resultCode}, {resultName}[; "
	    "{hint}]" },
	{ OWN "ExternalPortUnavailable", CTL_PORT_TAKEN, false,
	    "port {requestedPort} cannot be had on the gateway: it is taken there or "
	    "not allowed[, it offers {offeredPort}] (use without --exact to accept "
	    "another)" },
	{ OWN "MappingConflict", CTL_FAILED, false,
	    "this port is mapped already, by another user or by natd.conf. Choose "
	    "another, or as root: natctl unmap {id}" },
	{ OWN "QuotaExceeded", CTL_FAILED, false,
	    "you hold {current} mappings, natd allows a user {limit}. Give some up "
	    "with: "
	    "natctl unmap ID" },
	{ OWN "InvalidSocket", CTL_FAILED, false,
	    "natd can't use the socket it was passed: {reason}" },
	{ OWN "StunFailed", CTL_FAILED, true,
	    "STUN failed[ with {server}]: {reason}. Try another server, or: natctl "
	    "check" },
	{ OWN "ConfigurationInvalid", CTL_FAILED, false,
	    "{file}[:{line}]: {message}\nnatd keeps the configuration it has" },
	{ OWN "ShuttingDown", CTL_UNREACHABLE, true,
	    "natd is shutting down. Try again in a moment" },
	{ VARLINK "PermissionDenied", CTL_DENIED, false,
	    "permission denied: only root and members of the group natd may "
	    "{privilege}. Try with sudo" },
	{ VARLINK "InvalidParameter", CTL_USAGE, false,
	    "natd does not accept {parameter}" },
	{ VARLINK "ExpectedMore", CTL_USAGE, false,
	    "this method answers more than once. Try: natctl call --more" },
	{ VARLINK "InterfaceNotFound", CTL_FAILED, false,
	    "natd does not know the interface {interface}. Is natd older than "
	    "natctl?" },
	{ VARLINK "MethodNotFound", CTL_FAILED, false,
	    "natd does not know the method {method}. Is natd older than natctl?" },
	{ VARLINK "MethodNotImplemented", CTL_FAILED, false,
	    "this natd has no {method}" },
};

/* What a sentence is made of. */
struct matter {
	const cJSON *said;  /* parameters of the error */
	const cJSON *asked; /* of the call; NULL: not known */
	const char *method;
};

static const struct error_row *
find_row(const char *error, const cJSON *asked)
{
	if (strcmp(error, no_such_gateway.name) == 0 && asked &&
	    json_get(asked, "gateway"))
		return &no_such_gateway;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (strcmp(rows[i].name, error) == 0)
			return &rows[i];
	return NULL;
}

static bool
ends_with(const char *text, const char *end)
{
	size_t a = strlen(text), b = strlen(end);

	return a >= b && strcmp(text + a - b, end) == 0;
}

/* The list of NoMethodAvailable: " PCP (192.0.2.1): no answer; UPnP IGD:1: ...." */
static void
write_tried(FILE *out, const cJSON *tried)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, tried)
	{
		const char *bad = NULL, *gateway;
		struct fields f = fields_of(item, "tried", &bad);

		fprintf(out, "%s %s", item == tried->child ? "" : ";",
		    method_label(field_string(&f, "method")));
		gateway = field_string_opt(&f, "gateway");
		if (gateway)
			fprintf(out, " at %s", gateway);
		fprintf(out, ": %s", field_string(&f, "reason"));
	}
	if (tried->child)
		putc('.', out);
}

/* Fields that are more than their value. */
static bool
write_special(FILE *out, const struct matter *m, const char *name)
{
	const char *bad = NULL;
	struct fields f = { .object = m->said, .ret_bad = &bad };

	if (strcmp(name, "privilege") == 0)
		asked_write_privilege(out, m->method, m->asked);
	else if (strcmp(name, "parameter") == 0 && json_get_string(m->said, name))
		asked_write_parameter(out, field_string(&f, name));
	else
		return false;
	return true;
}

/* The value of one field by its type, and by the end of its name: as in the interface,
 * ...USec is a time and "method" a word of the enum.  false: it is not there. */
static bool
write_field(FILE *out, const struct matter *m, const char *name)
{
	const char *bad = NULL;
	bool said = json_get(m->said, name) || !m->asked;
	struct fields f = { .object = said ? m->said : m->asked, .ret_bad = &bad };
	const cJSON *item = json_get(f.object, name);
	char buf[HUMAN_MAX];

	if (write_special(out, m, name))
		return true;
	if (cJSON_IsString(item)) {
		const char *text = strcmp(name, "message") == 0
				       ? field_text(&f, name)
				       : field_string(&f, name);

		fputs(strcmp(name, "method") == 0 ? method_label(text) : text, out);
	} else if (cJSON_IsNumber(item)) {
		int64_t number = field_int(&f, name, -FIELD_INT_MAX, FIELD_INT_MAX);

		if (ends_with(name, "USec"))
			fputs(human_span(number, buf), out);
		else
			fprintf(out, "%" PRIi64, number);
	} else if (cJSON_IsArray(item)) {
		write_tried(out, item);
	} else {
		return false;
	}
	return true;
}

/* One stretch of a sentence without brackets; false if a field was missing. */
static bool
write_stretch(FILE *out, const char *from, const char *end, const struct matter *m)
{
	bool complete = true;

	while (from < end) {
		size_t plain = strcspn(from, "{");
		char name[32] = "";
		const char *close;

		plain = MIN(plain, (size_t)(end - from));
		fwrite(from, 1, plain, out);
		from += plain;
		if (from == end)
			break;
		close = strchr(from, '}');
		snprintf(name, sizeof(name), "%.*s", (int)(close - from - 1), from + 1);
		if (!write_field(out, m, name)) {
			putc('?', out);
			complete = false;
		}
		from = close + 1;
	}
	return complete;
}

/* A stretch in brackets is written aside, and used if it is complete. */
static void
write_optional(FILE *out, const char *from, const char *end, const struct matter *m)
{
	_cleanup_(freep) char *text = NULL;
	size_t len;
	FILE *aside = open_memstream(&text, &len);
	bool complete;

	if (!aside)
		return;
	complete = write_stretch(aside, from, end, m);
	if (fclose(aside) == 0 && complete)
		fputs(text, out);
}

static void
write_sentence(FILE *out, const char *sentence, const struct matter *m)
{
	while (*sentence) {
		size_t plain = strcspn(sentence, "[");
		const char *close;

		write_stretch(out, sentence, sentence + plain, m);
		sentence += plain;
		if (!*sentence)
			break;
		close = strchr(sentence, ']');
		write_optional(out, sentence + 1, close, m);
		sentence = close + 1;
	}
}

/* An error of a natd that is newer than this natctl: the name and all it says. */
static void
write_unknown(FILE *out, const struct reply *reply)
{
	fprintf(out, "natd answered %s ", reply->error);
	json_text_write(
	    out, reply->parameters_text, strlen(reply->parameters_text), false);
}

char *
error_sentence(
    const struct reply *reply, const struct asked *asked, enum exit_code *ret_code)
{
	_cleanup_(json_freep) cJSON *call = NULL;
	const struct error_row *row;
	struct matter m = { .said = reply->parameters, .method = asked->method };
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (asked->parameters &&
	    json_parse(asked->parameters, strlen(asked->parameters), &call) == 0)
		m.asked = call;
	row = find_row(reply->error, call);
	*ret_code = row ? row->code : CTL_FAILED;
	if (!out)
		return NULL;
	if (row)
		write_sentence(out, row->sentence, &m);
	else
		write_unknown(out, reply);
	if (fclose(out) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

enum exit_code
error_report(const struct reply *reply, const struct asked *asked)
{
	enum exit_code code;
	_cleanup_(freep) char *sentence = error_sentence(reply, asked, &code);

	complain("%s", sentence ? sentence : reply->error);
	return code;
}

bool
error_is_transient(const char *error)
{
	const struct error_row *row = find_row(error, NULL);

	return row && row->transient;
}
