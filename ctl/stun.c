/*
 * stun.c - "natctl stun SERVER": how this host looks from one server, without natd.
 */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "ctl/human.h"
#include "ctl/output.h"
#include "ctl/stun_ask.h"
#include "ctl/verbs.h"
#include "proto/json.h"
#include "proto/jsontext.h"

#define PATIENCE_MS (10 * MSEC_PER_SEC)
#define JSON_MAX 2048

/* NULL: it has none. */
static const char *
zone_of(const struct addr *a, char name[static IF_NAMESIZE])
{
	return a->scope ? if_indextoname(a->scope, name) : NULL;
}

static const char *
endpoint_text(const struct endpoint *e, char ret[static ENDPOINT_TEXT_MAX])
{
	char name[IF_NAMESIZE];

	return endpoint_format_zone(e, zone_of(&e->addr, name), ret);
}

static void
add_endpoint(cJSON *o, const char *key, const struct endpoint *e)
{
	cJSON *endpoint = json_add_object(o, key);
	char text[ADDR_TEXT_MAX], name[IF_NAMESIZE];

	json_add_string(endpoint, "address",
	    addr_format_zone(&e->addr, zone_of(&e->addr, name), text));
	json_add_int(endpoint, "port", e->port);
}

/* As GetReflexiveAddress() answers, and what only a single question tells. */
static enum exit_code
print_json(
    struct ctl *ctl, const struct stun_question *q, const struct stun_found *found)
{
	_cleanup_(json_freep) cJSON *o = cJSON_CreateObject();
	char text[JSON_MAX];
	ssize_t len;

	add_endpoint(o, "local", &found->local);
	add_endpoint(o, "reflexive", &found->reflexive);
	add_endpoint(o, "server", &found->server);
	json_add_string(o, "transport", stun_transport_name(q->transport));
	if (found->round_trip_ms >= 0)
		json_add_int(o, "roundTripUSec", found->round_trip_ms * 1000);
	if (found->other.addr.family != ADDR_NONE)
		add_endpoint(o, "otherAddress", &found->other);
	if (found->software[0])
		json_add_string(o, "software", found->software);
	if (found->rewritten)
		json_add_bool(o, "rewritten", true);
	len = json_print(o, text, sizeof(text));
	if (len < 0) {
		complain("out of memory");
		return CTL_FAILED;
	}
	json_text_write(stdout, text, (size_t)len, ctl->opt.json == JSON_PRETTY);
	putchar('\n');
	return fflush(stdout) == 0 ? CTL_DONE : CTL_FAILED;
}

static enum exit_code
print_text(
    struct ctl *ctl, const struct stun_question *q, const struct stun_found *found)
{
	char text[ENDPOINT_TEXT_MAX], span[HUMAN_MAX];
	struct page page;

	if (!page_open(&page))
		return CTL_FAILED;
	if (ctl->opt.quiet) {
		fprintf(page.out, "%s\n", endpoint_text(&found->reflexive, text));
		return page_show(ctl, &page);
	}
	block_key(page.out, "Reflexive");
	fprintf(page.out, "%s%s\n", endpoint_text(&found->reflexive, text),
	    endpoint_equal(&found->reflexive, &found->local) ? ", no NAT on the way"
							     : "");
	block_key(page.out, "Local");
	fprintf(page.out, "%s\n", endpoint_text(&found->local, text));
	block_key(page.out, "Server");
	fprintf(page.out, "%s by %s\n", endpoint_text(&found->server, text),
	    stun_transport_name(q->transport));
	if (found->round_trip_ms >= 0) {
		block_key(page.out, "Round trip");
		fprintf(page.out, "%s\n",
		    human_round_trip(found->round_trip_ms * 1000, span));
	}
	if (found->other.addr.family != ADDR_NONE) {
		block_key(page.out, "Also at");
		fprintf(page.out, "%s\n", endpoint_text(&found->other, text));
	}
	if (found->software[0]) {
		block_key(page.out, "Software");
		fprintf(page.out, "%s\n", found->software);
	}
	if (found->rewritten) {
		block_key(page.out, "Note");
		fputs("something on the way rewrites addresses inside packets\n",
		    page.out);
	}
	return page_show(ctl, &page);
}

enum exit_code
verb_stun(struct ctl *ctl, int argc, char **argv)
{
	struct stun_question q = {
		.family = ctl->opt.family == 4   ? ADDR_IPV4
			  : ctl->opt.family == 6 ? ADDR_IPV6
						 : ADDR_NONE,
		.patience_ms = ctl->opt.timeout_us < 0
				   ? PATIENCE_MS
				   : (ctl->opt.timeout_us + 999) / 1000,
	};
	struct stun_found found;
	char why[STUN_WHY_MAX] = "";
	int r;

	(void)argc;
	if (stun_uri_parse(argv[0], strlen(argv[0]), &q.server) < 0) {
		complain("'%s' is not a server: host, host:port, stun:host:port or "
			 "stuns:host:port",
		    argv[0]);
		return CTL_USAGE;
	}
	q.transport = ctl->opt.transport >= 0 ? (enum stun_transport)ctl->opt.transport
					      : q.server.transport;
	if (q.server.secure && !stun_transport_is_secure(q.transport)) {
		complain("stuns: is for tls and dtls, --transport %s has no protection",
		    stun_transport_name(q.transport));
		return CTL_USAGE;
	}
	r = stun_ask(&q, &found, why);
	if (r < 0) {
		complain("%s: %s", argv[0], why);
		return r == -ETIMEDOUT ? CTL_TIMEOUT : CTL_FAILED;
	}
	return ctl->opt.json == JSON_OFF ? print_text(ctl, &q, &found)
					 : print_json(ctl, &q, &found);
}
