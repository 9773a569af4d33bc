/*
 * verify.c - the verb verify: whether a mapping forwards, proven from outside.
 *
 * What is proven of another port says nothing about a rule that the router has lost, so
 * while no program has the mapping's own port natctl takes it for the time of the
 * proof.
 */
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ctl/findings.h"
#include "ctl/model.h"
#include "ctl/output.h"
#include "ctl/show.h"
#include "ctl/verbs.h"
#include "proto/json.h"

static const struct result_row {
	const char *word; /* of Reachability */
	enum exit_code code;
	enum paint paint;
} results[] = {
	{ "open", CTL_DONE, PAINT_GOOD },
	{ "closed", CTL_NOT_REACHABLE, PAINT_BAD },
	{ "unknown", CTL_UNKNOWN, PAINT_WARNING },
};

static const struct result_row *
result_of(const char *word)
{
	size_t i = 0;

	while (i + 1 < ARRAY_SIZE(results) && strcmp(results[i].word, word) != 0)
		i++;
	return &results[i];
}

static enum exit_code
write_result(
    const struct ctl *ctl, const char *id, const char *word, const cJSON *findings)
{
	_cleanup_(page_drop) struct page page = { 0 };
	enum exit_code code = CTL_DONE;

	if (!page_open(&page))
		return CTL_FAILED;
	if (ctl->opt.quiet) {
		fprintf(page.out, "%s\n", word);
	} else {
		block_key(page.out, id);
		fprintf(page.out, "%s%s%s\n",
		    term_paint(&ctl->term, result_of(word)->paint), word,
		    term_plain(&ctl->term));
		code = findings_write(ctl, page.out, NULL, findings);
		page_fold(ctl, &page, FINDINGS_FOLD);
	}
	return code == CTL_DONE ? page_show(ctl, &page) : code;
}

/* A UDP socket on this address of this host; -1: another has it, or we may not. */
static int
bind_to(const struct peer *p)
{
	const struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
		.ai_socktype = SOCK_DGRAM };
	struct addrinfo *found;
	char port[16];
	int fd;

	snprintf(port, sizeof(port), "%u", p->port);
	if (!p->address || getaddrinfo(p->address, port, &hints, &found) != 0)
		return -1;
	fd = socket(found->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && bind(fd, found->ai_addr, found->ai_addrlen) < 0) {
		close(fd);
		fd = -1;
	}
	freeaddrinfo(found);
	return fd;
}

/* *ret_fd: a socket on the port that the mapping leads to; -1: there is none to have.
 */
static enum exit_code
take_port(struct ctl *ctl, const char *parameters, int *ret_fd)
{
	_cleanup_(reply_done) struct reply reply = { 0 };
	_cleanup_(freep) struct mapping *m = NULL;
	enum exit_code code;
	size_t count = 0;

	*ret_fd = -1;
	code = mappings_fetch(ctl, parameters, &reply, &m, &count);
	if (code == CTL_DONE && client_is_local(ctl->client) && count == 1 &&
	    mapping_is_held(&m[0]) && strstr(m[0].protocols, "udp"))
		*ret_fd = bind_to(&m[0].internal);
	return code;
}

/* Adds to call, which has the mapping's id, as filter has. */
static enum exit_code
ask(struct ctl *ctl, cJSON *call, const char *filter, struct reply *ret)
{
	/* natd keeps to the time itself; a little is for the way. */
	const msec_t patience_ms = ctl_patience(ctl) + MSEC_PER_SEC;
	char without[384], parameters[sizeof(without)];
	enum exit_code code;
	int fd;

	code = take_port(ctl, filter, &fd);
	if (code != CTL_DONE)
		return code;
	if (ctl->opt.timeout_us >= 0)
		json_add_int(call, "timeoutUSec", ctl->opt.timeout_us);
	json_print(call, without, sizeof(without));
	if (fd < 0)
		return ctl_call_within(
		    ctl, "VerifyMapping", without, false, patience_ms, ret);
	json_add_int(call, "socketFileDescriptor", 0);
	json_print(call, parameters, sizeof(parameters));
	code = ctl_call_passing(
	    ctl, "VerifyMapping", parameters, without, fd, patience_ms, ret);
	close(fd);
	return code;
}

enum exit_code
verb_verify(struct ctl *ctl, int argc, char **argv)
{
	_cleanup_(json_freep) cJSON *call = cJSON_CreateObject();
	_cleanup_(reply_done) struct reply reply = { 0 };
	const char *bad = NULL, *word;
	const cJSON *findings;
	char filter[256];
	enum exit_code code;
	struct fields f;

	(void)argc;
	json_add_string(call, "id", argv[0]);
	if (json_print(call, filter, sizeof(filter)) < 0) {
		complain("'%.32s...' is not the id of a mapping", argv[0]);
		return CTL_USAGE;
	}
	code = ask(ctl, call, filter, &reply);
	if (code != CTL_DONE)
		return code;
	f = fields_of(reply.parameters, "parameters", &bad);
	word = field_string(&f, "reachability");
	findings = field_array(&f, "findings");
	if (bad)
		return ctl_bad_reply(bad);
	if (!output_reply(ctl, &reply))
		code = write_result(ctl, argv[0], word, findings);
	return code == CTL_DONE ? result_of(word)->code : code;
}
