/*
 * asked.c - two tables: parameters and their options, privileges and what needs them.
 */
#include "ctl/asked.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "proto/json.h"
#include "proto/util.h"

void
asked_write_parameter(FILE *out, const char *name)
{
	static const struct {
		const char *parameter, *option, *takes;
	} rows[] = {
		{ "protocols", "PROTO", "tcp, udp or tcp+udp" },
		{ "internalPort", "PORT", "1 to 65535, or auto" },
		{ "internalAddress", "--internal-address",
		    "the address of a host that a router can map to, no link-local or "
		    "multicast one" },
		{ "family", "-4 and -6", "the family of --internal-address" },
		{ "interface", "--interface", "a name of at most 15 bytes" },
		{ "gateway", "--gateway",
		    "the address of a router, of the family of --internal-address and "
		    "on an "
		    "interface of this host" },
		{ "suggestedExternalPort", "--external", "1 to 65535" },
		{ "lifetimeSeconds", "--for", "1s to 365d" },
		{ "description", "--name",
		    "at most 127 bytes of text without control characters" },
		{ "methods", "--method",
		    "pcp, nat_pmp, igd2, igd1, igd_pinhole and direct, each once" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (strcmp(rows[i].parameter, name) == 0) {
			fprintf(out, "%s (%s): it takes %s", rows[i].option, name,
			    rows[i].takes);
			return;
		}
	fprintf(out, "the value of %s", name);
}

static bool
is_low_port(const cJSON *parameters)
{
	int64_t port;

	return json_get_int(parameters, "internalPort", &port) == 0 && port < 1024;
}

static bool
is_permanent(const cJSON *parameters)
{
	const char *word = json_get_string(parameters, "persistence");

	return word && strcmp(word, "permanent") == 0;
}

static bool
is_elsewhere(const cJSON *parameters)
{
	return json_get_string(parameters, "internalAddress");
}

void
asked_write_privilege(FILE *out, const char *method, const cJSON *parameters)
{
	static const struct {
		const char *method;
		bool (*applies)(const cJSON *parameters); /* NULL: always */
		const char *words;
	} rows[] = {
		{ "RequestMapping", is_low_port, "open ports below 1024" },
		{ "RequestMapping", is_permanent, "make permanent mappings" },
		{ "RequestMapping", is_elsewhere, "map to other hosts" },
		{ "ReleaseMapping", NULL, "release mappings of others" },
		{ "RenewMapping", NULL, "renew mappings of others" },
		{ "VerifyMapping", NULL, "verify mappings of others" },
		{ "Reload", NULL, "reload the configuration" },
		{ "SetLogLevel", NULL, "set the log level" },
	};
	const char *separator = "", *dot = method ? strrchr(method, '.') : NULL;

	if (dot)
		method = dot + 1;
	for (size_t i = 0; method && i < ARRAY_SIZE(rows); i++) {
		if (strcmp(rows[i].method, method) != 0 ||
		    (rows[i].applies && !(parameters && rows[i].applies(parameters))))
			continue;
		fprintf(out, "%s%s", separator, rows[i].words);
		separator = " or ";
	}
	if (!*separator)
		fputs("do this", out);
}
