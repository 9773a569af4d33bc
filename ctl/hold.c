/*
 * hold.c - "map --hold": one connection, whose end is the end of the mapping.
 *
 * A loop over three things: signals and ended children, replies of natd, and the time
 * to connect again.  When natd is restarted the mapping is gone until it is asked for
 * anew, and everybody who was told of it is told so.
 */
#include "ctl/hold.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ctl/errors.h"
#include "ctl/map.h"
#include "ctl/output.h"
#include "ctl/show.h"
#include "ctl/tell.h"

/* A restart of natd takes well under a second; an upgrade some more. */
#define RETRY_BASE_MS 250
#define RETRY_CAP_MS (10 * MSEC_PER_SEC)
#define RETRY_SHIFT_MAX 6
#define CONNECT_MS MSEC_PER_SEC

/* What was held is not there any more: somebody released it. */
#define NO_SUCH_MAPPING CTL_INTERFACE ".NoSuchMapping"

#define NOT_REACHABLE "natd is not reachable, trying again"

/* As the shell counts a death by signal. */
#define SIGNAL_EXIT 128

struct hold {
	struct ctl *ctl;
	const char *parameters;
	struct tell tell;
	int signals;   /* signalfd */
	pid_t command; /* 0: not running */
	bool command_started;
	bool had_verdict; /* natd took the request once: from then on we go on trying */
	bool given_up;    /* there will be no mapping any more */
	unsigned attempt;
	msec_t retry_at, answer_by;
	char *line; /* the last one shown, owned */
	bool done;
	int code;
};

static void
end(struct hold *h, int code)
{
	h->done = true;
	h->code = code;
}

/* There will be no mapping any more.  A command that runs goes on without it, its
 * status is still the result. */
static void
give_up(struct hold *h, int code)
{
	h->given_up = true;
	h->ctl->client = client_close(h->ctl->client);
	h->retry_at = h->answer_by = MSEC_NEVER;
	tell_update(&h->tell, NULL);
	if (h->command == 0)
		end(h, code);
}

/* Shows a line unless it says what the last one said. */
static void
show_line(struct hold *h, const char *text)
{
	_cleanup_(freep) char *line = NULL;

	if (h->line && strcmp(h->line, text) == 0)
		return;
	free(h->line);
	h->line = strdup(text);
	if (h->ctl->opt.json != JSON_OFF)
		return;
	if (h->ctl->opt.command) {
		/* stdout is the command's. */
		if (!h->ctl->opt.quiet)
			complain("%s", text);
		return;
	}
	if (asprintf(&line, "%s\n", text) < 0) {
		line = NULL;
		return;
	}
	/* Nobody reads any more. */
	if (term_show(&h->ctl->term, line) < 0)
		end(h, CTL_FAILED);
}

static void
show_json(struct hold *h, const struct reply *reply)
{
	if (output_reply_line(h->ctl, reply) && ferror(stdout))
		end(h, CTL_FAILED);
}

static void
show_mapping(struct hold *h, const struct mapping *m)
{
	char external[PEER_MAX];
	struct page page;

	if (!page_open(&page))
		return;
	if (h->ctl->opt.quiet) {
		fputs(mapping_is_held(m) ? peer_text(&m->external, external) : "-",
		    page.out);
	} else {
		mapping_write_line(page.out, m);
		if (!mapping_is_held(m))
			fprintf(page.out, ": %s", m->state);
		if (m->problem.code || m->external_is_global == 0)
			fputs(", ", page.out);
		mapping_write_problem(page.out, m, false);
	}
	fflush(page.out);
	show_line(h, page.text);
	page_drop(&page);
}

static void
tell_now(struct hold *h, const struct reach *now)
{
	int r = tell_update(&h->tell, now);

	if (r == 0)
		return;
	complain("cannot write %s: %s", h->tell.port_file, strerror(-r));
	give_up(h, CTL_FAILED);
}

static void
retry_later(struct hold *h)
{
	unsigned shift = MIN(h->attempt, RETRY_SHIFT_MAX);
	msec_t cap = MIN(RETRY_CAP_MS, (msec_t)RETRY_BASE_MS << shift);
	uint32_t dice = 0;

	if (getrandom(&dice, sizeof(dice), GRND_NONBLOCK) != sizeof(dice))
		dice = (uint32_t)getpid() * 2654435761u;
	h->attempt++;
	h->ctl->client = client_close(h->ctl->client);
	h->answer_by = MSEC_NEVER;
	/* Full jitter: a restarted natd is not met by all its clients at once. */
	h->retry_at = client_now() + (msec_t)(dice % (uint64_t)(cap + 1));
}

/* It passes by itself; until then the port is closed. */
static void
wait_for_natd(struct hold *h, const char *why)
{
	char line[512];

	tell_now(h, NULL);
	if (h->given_up)
		return;
	snprintf(line, sizeof(line), "- %s", why);
	show_line(h, h->ctl->opt.quiet ? "-" : line);
	retry_later(h);
}

/* The connection or the answer failed. */
static void
lost(struct hold *h, int error)
{
	if (h->had_verdict && error != -EBADMSG && error != -EMSGSIZE)
		wait_for_natd(h, NOT_REACHABLE);
	else
		give_up(h, (int)ctl_failure(h->ctl, error));
}

static void
ask(struct hold *h)
{
	int r = client_open(h->ctl->opt.socket, CONNECT_MS, &h->ctl->client);

	h->retry_at = MSEC_NEVER;
	if (r == 0)
		r = client_call(
		    h->ctl->client, "RequestMapping", h->parameters, true, -1);
	h->answer_by = client_now() + map_patience(h->ctl);
	if (r < 0)
		lost(h, r);
}

static void
start_command(struct hold *h)
{
	char **command = h->ctl->opt.command;
	pid_t pid;

	if (!command || h->command_started)
		return;
	h->command_started = true;
	pid = fork();
	if (pid == 0) {
		tell_reset_signals();
		tell_export(&h->tell.now);
		execvp(command[0], command);
		complain("cannot run %s: %s", command[0], strerror(errno));
		_exit(errno == ENOENT ? 127 : 126);
	}
	if (pid < 0) {
		complain("cannot run %s: %s", command[0], strerror(errno));
		end(h, CTL_FAILED);
		return;
	}
	h->command = pid;
}

static void
take_error(struct hold *h, const struct reply *reply)
{
	enum exit_code code;
	_cleanup_(freep) char *sentence = error_sentence(
	    reply, &(struct asked) { "RequestMapping", h->parameters }, &code);

	show_json(h, reply);
	if (error_is_transient(reply->error) &&
	    (h->had_verdict || code == CTL_UNREACHABLE)) {
		wait_for_natd(
		    h, code == CTL_UNREACHABLE || !sentence ? NOT_REACHABLE : sentence);
		return;
	}
	/* Even before the first verdict: the call names no mapping, it makes one. */
	if (strcmp(reply->error, NO_SUCH_MAPPING) == 0)
		complain("the mapping was released");
	else
		complain("%s", sentence ? sentence : reply->error);
	give_up(h, (int)code);
}

static void
take_mapping(struct hold *h, const struct reply *reply)
{
	struct reach now = { .up = true };
	struct mapping m;

	if (map_read(reply, &m) != CTL_DONE) {
		give_up(h, CTL_FAILED);
		return;
	}
	h->had_verdict = true;
	h->attempt = 0;
	show_json(h, reply);
	show_mapping(h, &m);
	if (!reply->continues) {
		/* natd will say no more of it. */
		complain("the mapping was released");
		give_up(h, CTL_FAILED);
		return;
	}
	if (!mapping_is_held(&m)) {
		tell_now(h, NULL);
		return;
	}
	snprintf(now.address, sizeof(now.address), "%s", m.external.address);
	memcpy(now.protocols, m.protocols, sizeof(now.protocols));
	now.port = m.external.port;
	now.internal_port =
	    m.internal.address ? m.internal.port : (unsigned)MAX(m.internal_port, 0);
	tell_now(h, &now);
	if (!h->given_up)
		start_command(h);
}

static void
take_replies(struct hold *h)
{
	int taken = 1;

	while (!h->done && h->ctl->client && taken > 0) {
		_cleanup_(reply_done) struct reply reply = { 0 };

		taken = client_take(h->ctl->client, &reply);
		if (taken <= 0)
			break;
		h->answer_by = MSEC_NEVER;
		if (reply.error)
			take_error(h, &reply);
		else
			take_mapping(h, &reply);
	}
	if (!h->done && h->ctl->client && taken < 0)
		lost(h, taken);
}

static void
reap(struct hold *h)
{
	int status;

	if (h->command > 0 && waitpid(h->command, &status, WNOHANG) == h->command) {
		h->command = 0;
		end(h, WIFEXITED(status) ? WEXITSTATUS(status)
					 : SIGNAL_EXIT + WTERMSIG(status));
	}
	if (h->tell.running > 0 &&
	    waitpid(h->tell.running, &status, WNOHANG) == h->tell.running)
		tell_reaped(&h->tell, h->tell.running, status);
}

static void
take_signal(struct hold *h)
{
	struct signalfd_siginfo info;

	if (read(h->signals, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo == SIGCHLD)
		reap(h);
	else if (h->command > 0) {
		/* What the terminal sends goes to the command without us. */
		if (info.ssi_code != SI_KERNEL)
			kill(h->command, (int)info.ssi_signo);
	} else
		end(h,
		    h->ctl->opt.command ? SIGNAL_EXIT + (int)info.ssi_signo : CTL_DONE);
}

static void
take_time(struct hold *h)
{
	msec_t now = client_now();

	if (h->retry_at <= now)
		ask(h);
	else if (h->answer_by <= now)
		lost(h, -ETIMEDOUT);
}

static void
turn(struct hold *h)
{
	struct pollfd p[] = {
		{ .fd = h->signals, .events = POLLIN },
		{ .fd = h->ctl->client ? client_fd(h->ctl->client) : -1,
		    .events = POLLIN },
	};
	msec_t next = MIN(h->retry_at, h->answer_by);
	msec_t left = next == MSEC_NEVER ? -1 : MAX(next - client_now(), 0);

	if (poll(p, ARRAY_SIZE(p), (int)MIN(left, INT32_MAX)) < 0 && errno != EINTR) {
		end(h, (int)ctl_failure(h->ctl, -errno));
		return;
	}
	if (p[0].revents)
		take_signal(h);
	if (!h->done && p[1].revents)
		take_replies(h);
	if (!h->done)
		take_time(h);
}

/* Gives the mapping back, and lets the last --on-change command end; a further signal
 * ends it. */
static void
finish(struct hold *h)
{
	tell_now(h, NULL);
	h->ctl->client = client_close(h->ctl->client);
	while (h->tell.running > 0) {
		struct signalfd_siginfo info;

		if (read(h->signals, &info, sizeof(info)) != sizeof(info))
			continue;
		if (info.ssi_signo != SIGCHLD) {
			h->tell.on_change = NULL;
			kill(h->tell.running, SIGTERM);
		}
		reap(h);
	}
}

static int
watch_signals(void)
{
	static const int ends[] = { SIGTERM, SIGINT, SIGHUP };
	struct sigaction before;
	sigset_t set;

	sigemptyset(&set);
	/* Under nohup, or behind a script's "&", one that was ignored stays so. */
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
		if (sigaction(ends[i], NULL, &before) == 0 &&
		    before.sa_handler != SIG_IGN)
			sigaddset(&set, ends[i]);
	/* Ignored by who started us, it would never tell of the command's end. */
	signal(SIGCHLD, SIG_DFL);
	sigaddset(&set, SIGCHLD);
	/* A closed stdout must not leave a port file behind. */
	signal(SIGPIPE, SIG_IGN);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	return signalfd(-1, &set, SFD_CLOEXEC);
}

enum exit_code
hold_run(struct ctl *ctl, const char *parameters)
{
	struct hold h = { .ctl = ctl,
		.parameters = parameters,
		.retry_at = MSEC_NEVER,
		.answer_by = MSEC_NEVER };
	int code, r;

	if (ctl->opt.command && ctl->opt.json != JSON_OFF) {
		complain("--json and a command exclude each other: stdout is the "
			 "command's");
		return CTL_USAGE;
	}
	r = tell_init(&h.tell, ctl->opt.port_file, ctl->opt.on_change);
	if (r < 0) {
		complain("cannot remove %s: %s", ctl->opt.port_file, strerror(-r));
		return CTL_FAILED;
	}
	h.signals = watch_signals();
	if (h.signals < 0) {
		complain("cannot watch signals: %s", strerror(errno));
		return CTL_FAILED;
	}
	ask(&h);
	while (!h.done)
		turn(&h);
	code = h.code;
	finish(&h);
	close(h.signals);
	free(h.line);
	return (enum exit_code)code;
}
