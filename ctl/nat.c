/*
 * nat.c - the verb nat: how the NATs in front of this host behave, in the terms of
 * RFC 4787 and by the names that people search for.
 */
#include <inttypes.h>
#include <string.h>

#include "ctl/human.h"
#include "ctl/options.h"
#include "ctl/output.h"
#include "ctl/show.h"
#include "ctl/verbs.h"
#include "proto/json.h"

/* What each kind was called in RFC 3489, and what it is good for. */
static const struct kind {
	const char *mapping, *filtering; /* NULL: any */
	const char *name;
	enum paint paint;
	const char *meaning;
} kinds[] = {
	{ "none", "endpoint_independent", "open internet", PAINT_GOOD,
	    "anybody can reach this host" },
	{ "none", "unknown", "no NAT", PAINT_WARNING,
	    "whether a firewall is on the path is not known" },
	{ "none", NULL, "symmetric firewall", PAINT_WARNING,
	    "no NAT, but only those can reach this host that it has written to; hole "
	    "punching works" },
	{ "endpoint_independent", "endpoint_independent", "full cone", PAINT_GOOD,
	    "whoever knows address and port of a socket can reach it" },
	{ "endpoint_independent", "address_dependent", "restricted cone", PAINT_WARNING,
	    "hosts that a socket has written to can reach it; hole punching works" },
	{ "endpoint_independent", "address_and_port_dependent", "port restricted cone",
	    PAINT_WARNING,
	    "who a socket has written to can reach it; hole punching works, but not "
	    "with a peer behind a symmetric NAT" },
	{ "endpoint_independent", NULL, "cone", PAINT_WARNING,
	    "hole punching works; who is let in could not be found out" },
	{ "address_dependent", NULL, "symmetric", PAINT_BAD,
	    "each peer sees another port: hole punching fails with most peers, a "
	    "mapping or a relay is needed" },
	{ "address_and_port_dependent", NULL, "symmetric", PAINT_BAD,
	    "each peer sees another port: hole punching fails with most peers, a "
	    "mapping or a relay is needed" },
	{ "unknown", NULL, "unknown", PAINT_WARNING,
	    "the servers' answers do not tell; with more of them, or some that support "
	    "RFC 5780 ([Stun] Servers= in natd.conf), they may" },
};

static const struct kind blocked = { NULL, NULL, "UDP blocked", PAINT_BAD,
	"no STUN server answers over UDP: it is blocked on the way, or they are down" };

static const struct kind *
kind_of(const struct nat_behavior *n)
{
	size_t i = 0;

	if (!n->reflexive.address)
		return &blocked;
	/* The last row is for words of a newer natd, too. */
	while (
	    i + 1 < ARRAY_SIZE(kinds) &&
	    (strcmp(kinds[i].mapping, n->mapping) != 0 ||
		(kinds[i].filtering && strcmp(kinds[i].filtering, n->filtering) != 0)))
		i++;
	return &kinds[i];
}

static void
write_line(FILE *out, const char *key, const char *word)
{
	block_key(out, key);
	word_write(out, word);
	putc('\n', out);
}

static void
write_choice(FILE *out, const char *key, int is, const char *yes, const char *no)
{
	if (is < 0)
		return;
	block_key(out, key);
	fprintf(out, "%s\n", is ? yes : no);
}

static void
write_way(const struct ctl *ctl, FILE *out, const struct nat_behavior *n)
{
	char text[PEER_MAX], server[PEER_MAX], span[HUMAN_MAX];
	int64_t from_now;

	if (n->reflexive.address) {
		block_key(out, "Seen as");
		fprintf(out, "%s by %s\n", peer_text(&n->reflexive, text),
		    peer_text(&n->server, server));
		write_line(out, "Mapping", n->mapping);
		write_line(out, "Filtering", n->filtering);
	}
	write_choice(out, "Hairpinning", n->hairpinning, "yes", "no");
	write_choice(out, "Ports", n->port_preservation, "preserved", "not preserved");
	if (n->binding_lifetime_s > 0) {
		block_key(out, "Lifetime");
		fprintf(out, "%" PRIi64 "s of an idle UDP binding\n",
		    n->binding_lifetime_s);
	}
	if (n->translators >= 0) {
		block_key(out, "Translators");
		fprintf(out, "%" PRIi64 "%s\n", n->translators,
		    n->carrier_grade == 1 ? ", the carrier's among them" : "");
	} else if (n->carrier_grade == 1) {
		write_line(out, "Translators", "the carrier's, and perhaps others");
	}
	if (ctl_until(ctl, &n->measured, &from_now)) {
		block_key(out, "Measured");
		fprintf(out, "%s\n", human_relative(from_now, span));
	}
}

static void
write_behavior(const struct ctl *ctl, FILE *out, const struct nat_behavior *n)
{
	const struct kind *kind = kind_of(n);

	if (ctl->opt.quiet) {
		fprintf(out, "%s\n", kind->name);
		return;
	}
	fprintf(out, "%s%s%s %s %s: %s%s%s\n", term_paint(&ctl->term, kind->paint),
	    ctl->term.utf8 ? "●" : "*", term_plain(&ctl->term), n->interface,
	    strcmp(n->family, "ipv6") == 0 ? "IPv6" : "IPv4",
	    term_paint(&ctl->term, kind->paint), kind->name, term_plain(&ctl->term));
	write_way(ctl, out, n);
	block_key(out, "Meaning");
	fprintf(out, "%s\n", kind->meaning);
}

static enum exit_code
nat_write(const struct ctl *ctl, FILE *out, const cJSON *behaviors)
{
	const char *bad = NULL;
	const cJSON *item;

	cJSON_ArrayForEach(item, behaviors)
	{
		struct nat_behavior n;

		if (nat_behavior_decode(item, &n, &bad) < 0)
			return ctl_bad_reply(bad);
		if (item != behaviors->child && !ctl->opt.quiet)
			putc('\n', out);
		write_behavior(ctl, out, &n);
	}
	return CTL_DONE;
}

static const char *
family_title(unsigned family)
{
	return family == 6 ? "IPv6" : family == 4 ? "IPv4" : "";
}

/* CTL_DONE, or CTL_USAGE after a message. */
static enum exit_code
parameters_of(const struct options *opt, char *ret, size_t size)
{
	_cleanup_(json_freep) cJSON *o = cJSON_CreateObject();

	json_add_string(o, "interface", opt->interface);
	json_add_string(o, "family", family_word(opt->family));
	if (opt->refresh)
		json_add_bool(o, "refresh", true);
	if (json_print(o, ret, size) >= 0)
		return CTL_DONE;
	complain("'%.32s...' is not the name of an interface", opt->interface);
	return CTL_USAGE;
}

enum exit_code
verb_nat(struct ctl *ctl, int argc, char **argv)
{
	_cleanup_(reply_done) struct reply reply = { 0 };
	_cleanup_(page_drop) struct page page = { 0 };
	const cJSON *behaviors;
	const char *bad = NULL;
	char parameters[256];
	struct fields f;
	enum exit_code code;

	(void)argc;
	(void)argv;
	code = parameters_of(&ctl->opt, parameters, sizeof(parameters));
	if (code == CTL_DONE)
		code = ctl_call(ctl, "GetNatBehavior", parameters, false, &reply);
	if (code != CTL_DONE || output_reply(ctl, &reply))
		return code;
	f = fields_of(reply.parameters, "parameters", &bad);
	behaviors = field_array(&f, "natBehaviors");
	if (!behaviors)
		return ctl_bad_reply(bad);
	if (!behaviors->child) {
		complain("this host has no way out%s%s%s%s. Try: natctl gateways",
		    ctl->opt.family ? " over " : "", family_title(ctl->opt.family),
		    ctl->opt.interface ? " on " : "",
		    ctl->opt.interface ? ctl->opt.interface : "");
		return CTL_NO_GATEWAY;
	}
	if (!page_open(&page))
		return CTL_FAILED;
	code = nat_write(ctl, page.out, behaviors);
	page_fold(ctl, &page, BLOCK_KEY + 2);
	return code == CTL_DONE ? page_show(ctl, &page) : code;
}
