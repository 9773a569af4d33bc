/*
 * errors.c - one row per error: exit code, whether waiting helps, and the sentence.
 *
 * In a sentence {field} is a parameter of the error; a part in [ ] is left out unless
 * all its fields are there.
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

static const struct error_row {
	const char *name;
	enum exit_code code;
	bool transient;
	const char *sentence;
} rows[] = {
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
	    "port {requestedPort} is taken on the gateway[, it offers {offeredPort}] "
	    "(use "
	    "without --exact to accept another)" },
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
	    "permission denied: reload, ports below 1024, other hosts, permanent "
	    "mappings and those of others are for root and the group natd" },
	{ VARLINK "InvalidParameter", CTL_USAGE, false,
	    "natd does not accept the value of {parameter}" },
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

static const struct error_row *
find_row(const char *error)
{
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

/* The value of one field by its type, and by the end of its name: as in the interface,
 * ...USec is a time and "method" a word of the enum.  false: it is not there. */
static bool
write_field(FILE *out, const cJSON *parameters, const char *name)
{
	const char *bad = NULL;
	struct fields f = { .object = parameters, .ret_bad = &bad };
	const cJSON *item = json_get(parameters, name);
	char buf[HUMAN_MAX];

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
write_stretch(FILE *out, const char *from, const char *end, const cJSON *parameters)
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
		if (!write_field(out, parameters, name)) {
			putc('?', out);
			complete = false;
		}
		from = close + 1;
	}
	return complete;
}

/* A stretch in brackets is written aside, and used if it is complete. */
static void
write_optional(FILE *out, const char *from, const char *end, const cJSON *parameters)
{
	_cleanup_(freep) char *text = NULL;
	size_t len;
	FILE *aside = open_memstream(&text, &len);
	bool complete;

	if (!aside)
		return;
	complete = write_stretch(aside, from, end, parameters);
	if (fclose(aside) == 0 && complete)
		fputs(text, out);
}

static void
write_sentence(FILE *out, const char *sentence, const cJSON *parameters)
{
	while (*sentence) {
		size_t plain = strcspn(sentence, "[");
		const char *close;

		write_stretch(out, sentence, sentence + plain, parameters);
		sentence += plain;
		if (!*sentence)
			break;
		close = strchr(sentence, ']');
		write_optional(out, sentence + 1, close, parameters);
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
error_sentence(const struct reply *reply, enum exit_code *ret_code)
{
	const struct error_row *row = find_row(reply->error);
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	*ret_code = row ? row->code : CTL_FAILED;
	if (!out)
		return NULL;
	if (row)
		write_sentence(out, row->sentence, reply->parameters);
	else
		write_unknown(out, reply);
	if (fclose(out) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

enum exit_code
error_report(const struct reply *reply)
{
	enum exit_code code;
	_cleanup_(freep) char *sentence = error_sentence(reply, &code);

	complain("%s", sentence ? sentence : reply->error);
	return code;
}

bool
error_is_transient(const char *error)
{
	const struct error_row *row = find_row(error);

	return row && row->transient;
}
