/*
 * admin.c - the verbs about natd itself: metrics, reload, call, interface, bridge.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ctl/file.h"
#include "ctl/model.h"
#include "ctl/output.h"
#include "ctl/verbs.h"
#include "proto/idl.h"
#include "proto/json.h"
#include "proto/text.h"

enum exit_code
verb_metrics(struct ctl *ctl, int argc, char **argv)
{
	_cleanup_(reply_done) struct reply reply = { 0 };
	enum exit_code code = ctl_call(ctl, "GetMetrics", "{}", false, &reply);
	const char *bad = NULL, *text;
	struct fields f;
	int r;

	(void)argc;
	(void)argv;
	if (code != CTL_DONE)
		return code;
	f = fields_of(reply.parameters, "parameters", &bad);
	text = field_text(&f, "text");
	if (bad)
		return ctl_bad_reply(bad);
	if (ctl->opt.write) {
		r = file_replace(ctl->opt.write, text, strlen(text));
		if (r == 0)
			return CTL_DONE;
		complain("cannot write %s: %s", ctl->opt.write, strerror(-r));
		return CTL_FAILED;
	}
	if (output_reply(ctl, &reply))
		return CTL_DONE;
	return output_text(ctl, text);
}

/* "changed: a, b" from an array of words; nothing if it is empty. */
static enum exit_code
write_words(FILE *out, struct fields *f, const char *name, const char *title)
{
	const cJSON *array = field_array(f, name), *item;
	const char *separator = title;

	cJSON_ArrayForEach(item, array)
	{
		char word[128];

		if (!cJSON_IsString(item))
			return ctl_bad_reply(name);
		text_copy_printable(
		    word, sizeof(word), item->valuestring, strlen(item->valuestring));
		fprintf(out, "%s%s", separator, word);
		separator = ", ";
	}
	if (separator != title)
		putc('\n', out);
	return array ? CTL_DONE : ctl_bad_reply(name);
}

enum exit_code
verb_reload(struct ctl *ctl, int argc, char **argv)
{
	_cleanup_(reply_done) struct reply reply = { 0 };
	_cleanup_(page_drop) struct page page = { 0 };
	enum exit_code code = ctl_call(ctl, "Reload", "{}", false, &reply);
	const char *bad = NULL;
	struct fields f;

	(void)argc;
	(void)argv;
	if (code != CTL_DONE || output_reply(ctl, &reply))
		return code;
	if (!page_open(&page))
		return CTL_FAILED;
	f = fields_of(reply.parameters, "parameters", &bad);
	code = write_words(page.out, &f, "changed", "changed: ");
	if (code == CTL_DONE)
		code = write_words(page.out, &f, "restartRequired",
		    "in effect after a restart of natd only: ");
	if (code != CTL_DONE || ctl->opt.quiet)
		return code;
	if (ftell(page.out) == 0)
		fputs("nothing changed\n", page.out);
	return page_show(ctl, &page);
}

/* A name of a method, perhaps with its interface: nothing that could be JSON. */
static bool
is_method(const char *text)
{
	size_t len = strlen(text);

	return len > 0 && len < 200 &&
	       strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
			    "0123456789.-") == len;
}

static enum exit_code
check_call(const char *method, const char *parameters)
{
	_cleanup_(json_freep) cJSON *tree = NULL;

	if (!is_method(method)) {
		complain(
		    "'%s' is not the name of a method. Try: natctl interface", method);
		return CTL_USAGE;
	}
	if (json_parse(parameters, strlen(parameters), &tree) < 0 ||
	    !cJSON_IsObject(tree)) {
		complain("the parameters are not a JSON object: %s", parameters);
		return CTL_USAGE;
	}
	return CTL_DONE;
}

enum exit_code
verb_call(struct ctl *ctl, int argc, char **argv)
{
	const char *parameters = argc > 1 ? argv[1] : "{}";
	_cleanup_(reply_done) struct reply reply = { 0 };
	enum exit_code code = check_call(argv[0], parameters);

	if (code != CTL_DONE)
		return code;
	if (ctl->opt.json == JSON_OFF)
		ctl->opt.json = ctl->term.tty ? JSON_PRETTY : JSON_SHORT;
	code = ctl_call(ctl, argv[0], parameters, ctl->opt.more, &reply);
	if (code != CTL_DONE)
		return code;
	output_reply(ctl, &reply);
	while (reply.continues) {
		code = ctl_next(ctl, MSEC_NEVER, &reply);
		if (code != CTL_DONE)
			return code;
		output_reply(ctl, &reply);
	}
	return CTL_DONE;
}

enum exit_code
verb_interface(struct ctl *ctl, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return output_text(ctl, org_natd_NAT_idl);
}

static int
pass_on(int from, int to, bool to_socket)
{
	char buf[16 * 1024];
	ssize_t n = read(from, buf, sizeof(buf)), done = 0;

	if (n < 0)
		return errno == EINTR || errno == EAGAIN ? 1 : -errno;
	while (done < n) {
		ssize_t w = to_socket
				? send(to, buf + done, (size_t)(n - done), MSG_NOSIGNAL)
				: write(to, buf + done, (size_t)(n - done));

		if (w < 0 && errno != EINTR)
			return -errno;
		done += MAX(w, 0);
	}
	return n > 0;
}

/* Ends with natd's side: after the end of stdin its last answers are still passed on.
 */
static enum exit_code
bridge(struct ctl *ctl, int natd)
{
	struct pollfd p[] = {
		{ .fd = STDIN_FILENO, .events = POLLIN },
		{ .fd = natd, .events = POLLIN },
	};
	int r = 1;

	while (r > 0) {
		if (poll(p, ARRAY_SIZE(p), -1) < 0) {
			if (errno == EINTR)
				continue;
			return ctl_failure(ctl, -errno);
		}
		if (p[0].revents && pass_on(STDIN_FILENO, natd, true) <= 0) {
			shutdown(natd, SHUT_WR);
			p[0].fd = -1;
		}
		if (p[1].revents)
			r = pass_on(natd, STDOUT_FILENO, false);
	}
	return r == 0 ? CTL_DONE : ctl_failure(ctl, r);
}

enum exit_code
verb_bridge(struct ctl *ctl, int argc, char **argv)
{
	enum exit_code code;

	(void)argc;
	(void)argv;
	if (ctl_is_remote(ctl)) {
		complain("bridge connects to a socket of this host, not to %s",
		    ctl->opt.socket);
		return CTL_USAGE;
	}
	code = ctl_connect(ctl);
	return code == CTL_DONE ? bridge(ctl, client_fd(ctl->client)) : code;
}
