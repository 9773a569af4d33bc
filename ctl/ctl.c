/*
 * ctl.c - calls to natd on behalf of the verbs, and what their failures mean.
 */
#include "ctl/ctl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "ctl/errors.h"
#include "ctl/human.h"
#include "ctl/model.h"
#include "ctl/options.h"
#include "ctl/output.h"
#include "lib/natd.h"

#define SSH_FAILED 255
#define SSH_NO_COMMAND 127

bool
ctl_is_remote(const struct ctl *ctl)
{
	return strncmp(ctl->opt.socket, CLIENT_SSH_PREFIX, strlen(CLIENT_SSH_PREFIX)) ==
	       0;
}

static int64_t
clock_usec(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (int64_t)t.tv_sec * USEC_PER_SEC + t.tv_nsec / 1000;
}

bool
ctl_until(const struct ctl *ctl, const struct stamp *stamp, int64_t *ret_usec)
{
	/* A step of the wall clock doesn't move what natd planned. */
	if (stamp->boottime_us != 0 && !ctl_is_remote(ctl))
		*ret_usec = stamp->boottime_us - clock_usec(CLOCK_BOOTTIME);
	else if (stamp->realtime_us > 0)
		*ret_usec = stamp->realtime_us - clock_usec(CLOCK_REALTIME);
	else
		return false;
	return true;
}

/* The exit code of a remote "natctl bridge" is one of ours and it has told why. */
static enum exit_code
ssh_failure(struct ctl *ctl)
{
	const char *host = ctl->opt.socket + strlen(CLIENT_SSH_PREFIX);
	int status = client_ssh_status(ctl->client);

	if (status > CTL_DONE && status < CTL_EXIT_MAX)
		return (enum exit_code)status;
	if (status == SSH_FAILED)
		complain("ssh to %s failed. Try: ssh %s true", host, host);
	else if (status == SSH_NO_COMMAND)
		complain("ssh or, at %s, natctl is not installed", host);
	else
		complain("the connection through ssh to %s ended", host);
	return CTL_UNREACHABLE;
}

const char *
ctl_systemctl(const struct ctl *ctl)
{
	const char *own = options_user_socket();

	return own && strcmp(ctl->opt.socket, own) == 0 ? "systemctl --user"
							: "systemctl";
}

static enum exit_code
timed_out(const struct ctl *ctl)
{
	complain("no answer from natd at %s in time. Is it stopped or overloaded? Try: "
		 "%s status natd",
	    ctl->opt.socket, ctl_systemctl(ctl));
	return CTL_TIMEOUT;
}

static enum exit_code
cannot_connect(const struct ctl *ctl, int error)
{
	const char *socket = ctl->opt.socket;

	switch (-error) {
	case EACCES:
		complain(
		    "cannot connect to %s: permission denied. Try as root, or look "
		    "at: ls -l %s",
		    socket, socket);
		return CTL_DENIED;
	case EINVAL:
		complain("%s is not a socket: a path or ssh:HOST is needed", socket);
		return CTL_USAGE;
	case ENAMETOOLONG:
		complain("%s is too long for the path of a socket", socket);
		return CTL_USAGE;
	case ENOENT:
		complain("cannot connect to %s: no such file. Is natd running? Try: "
			 "%s status natd, %s start natd.socket",
		    socket, ctl_systemctl(ctl), ctl_systemctl(ctl));
		return CTL_UNREACHABLE;
	case ECONNREFUSED:
		complain("cannot connect to %s: nobody listens there. Is natd running? "
			 "Try: %s status natd, %s start natd.socket",
		    socket, ctl_systemctl(ctl), ctl_systemctl(ctl));
		return CTL_UNREACHABLE;
	default:
		complain("cannot connect to %s: %s", socket, strerror(-error));
		return CTL_UNREACHABLE;
	}
}

enum exit_code
ctl_failure(struct ctl *ctl, int error)
{
	if (error == -ETIMEDOUT)
		return timed_out(ctl);
	if (!ctl->client)
		return cannot_connect(ctl, error);
	if (error == -ECONNRESET && ctl_is_remote(ctl))
		return ssh_failure(ctl);
	if (error == -ECONNRESET) {
		complain("natd closed the connection. Was it stopped, or has this user "
			 "too many open (ConnectionsPerUser in natd.conf)? Try: %s "
			 "status natd",
		    ctl_systemctl(ctl));
		return CTL_UNREACHABLE;
	}
	if (error == -EBADMSG)
		complain("what answers at %s does not speak the protocol of natd",
		    ctl->opt.socket);
	else if (error == -EMSGSIZE)
		complain("the reply is longer than %d bytes, natd sends no such thing",
		    NATD_REPLY_MAX);
	else
		complain("lost %s: %s", ctl->opt.socket, strerror(-error));
	return CTL_FAILED;
}

enum exit_code
ctl_bad_reply(const char *member)
{
	complain(
	    "natd's reply cannot be understood: '%s' is missing or wrong. Do natd and "
	    "natctl have the same version?",
	    member);
	return CTL_FAILED;
}

msec_t
ctl_patience(const struct ctl *ctl)
{
	return ctl->opt.timeout_us < 0 ? CTL_PATIENCE_MS
				       : (ctl->opt.timeout_us + 999) / 1000;
}

static int
connect_within(struct ctl *ctl, msec_t patience_ms)
{
	const char *fallback = ctl->opt.fallback;
	int r;

	if (ctl->client)
		return 0;
	/* 0 would be "for ever" to the socket. */
	r = client_open(ctl->opt.socket, MAX(patience_ms, 1), &ctl->client);
	if ((r == -ENOENT || r == -ECONNREFUSED) && fallback &&
	    client_open(fallback, MAX(patience_ms, 1), &ctl->client) == 0) {
		/* Messages name it, and whoever holds a mapping comes back to it. */
		ctl->opt.socket = fallback;
		ctl->opt.fallback = NULL;
		r = 0;
	}
	return r;
}

enum exit_code
ctl_connect(struct ctl *ctl)
{
	int r = connect_within(ctl, ctl_patience(ctl));

	return r < 0 ? ctl_failure(ctl, r) : CTL_DONE;
}

/* Takes the reply: hands on a good one, reports an error. */
static enum exit_code
good_reply(const struct ctl *ctl, const struct asked *asked, struct reply *reply,
    struct reply *ret)
{
	enum exit_code code;

	if (!reply->error) {
		*ret = *reply;
		return CTL_DONE;
	}
	code = error_report(reply, asked);
	output_reply(ctl, reply);
	reply_done(reply);
	return code;
}

enum exit_code
ctl_call_within(struct ctl *ctl, const char *method, const char *parameters, bool more,
    msec_t patience_ms, struct reply *ret)
{
	msec_t deadline = client_now() + patience_ms;
	struct reply reply;
	int r = connect_within(ctl, patience_ms);

	if (r == 0)
		r = client_call(ctl->client, method, parameters, more, -1);
	if (r == 0)
		r = client_receive(ctl->client, deadline, &reply);
	return r < 0 ? ctl_failure(ctl, r)
		     : good_reply(
			   ctl, &(struct asked) { method, parameters }, &reply, ret);
}

enum exit_code
ctl_call_passing(struct ctl *ctl, const char *method, const char *parameters,
    const char *without, int fd, msec_t patience_ms, struct reply *ret)
{
	msec_t deadline = client_now() + patience_ms;
	struct reply reply;
	int r = connect_within(ctl, patience_ms);

	if (r == 0)
		r = client_call(ctl->client, method, parameters, false, fd);
	if (r == 0)
		r = client_receive(ctl->client, deadline, &reply);
	if (r < 0)
		return ctl_failure(ctl, r);
	if (reply.error && strcmp(reply.error, "org.natd.NAT.InvalidSocket") == 0) {
		reply_done(&reply);
		return ctl_call_within(ctl, method, without, false, patience_ms, ret);
	}
	return good_reply(ctl, &(struct asked) { method, parameters }, &reply, ret);
}

enum exit_code
ctl_call(struct ctl *ctl, const char *method, const char *parameters, bool more,
    struct reply *ret)
{
	return ctl_call_within(ctl, method, parameters, more, ctl_patience(ctl), ret);
}

int
ctl_try_next(
    struct ctl *ctl, msec_t deadline, struct reply *reply, enum exit_code *ret_code)
{
	struct reply next;
	int r;

	reply_done(reply);
	r = client_receive(ctl->client, deadline, &next);
	if (r < 0)
		return r;
	*ret_code = good_reply(ctl, &(struct asked) { 0 }, &next, reply);
	return 0;
}

enum exit_code
ctl_next(struct ctl *ctl, msec_t deadline, struct reply *reply)
{
	enum exit_code code;
	int r = ctl_try_next(ctl, deadline, reply, &code);

	return r < 0 ? ctl_failure(ctl, r) : code;
}
