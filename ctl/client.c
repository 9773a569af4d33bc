/*
 * client.c - natctl's connection: libnatd, through ssh where natd is elsewhere.
 */
#include "ctl/client.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/natd.h"
#include "proto/json.h"

struct client {
	struct natd *natd;
	pid_t ssh; /* 0: none */
};

msec_t
client_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return (msec_t)t.tv_sec * MSEC_PER_SEC + t.tv_nsec / 1000000;
}

static _Noreturn void
exec_ssh(const char *host, int fd)
{
	dup2(fd, STDIN_FILENO);
	dup2(fd, STDOUT_FILENO);
	execlp("ssh", "ssh", "-T", "--", host, "natctl", "bridge", (char *)NULL);
	_exit(127);
}

static int
connect_ssh(const char *host, pid_t *ret_pid)
{
	int ends[2];
	pid_t pid;

	/* ssh would take it for an option, and options run commands. */
	if (*host == '\0' || *host == '-')
		return -EINVAL;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return -errno;
	pid = fork();
	if (pid == 0)
		exec_ssh(host, ends[1]);
	close(ends[1]);
	if (pid < 0) {
		close(ends[0]);
		return -errno;
	}
	*ret_pid = pid;
	return ends[0];
}

static int
open_ssh(struct client *c, const char *host)
{
	int fd = connect_ssh(host, &c->ssh);
	int r = fd < 0 ? fd : natd_open_fd(fd, -1, &c->natd);

	if (fd >= 0 && r < 0)
		close(fd);
	return r;
}

int
client_open(const char *socket, msec_t patience_ms, struct client **ret)
{
	size_t prefix = strlen(CLIENT_SSH_PREFIX);
	_cleanup_(client_closep) struct client *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return -ENOMEM;
	if (strncmp(socket, CLIENT_SSH_PREFIX, prefix) == 0)
		r = open_ssh(c, socket + prefix);
	else
		r = natd_open(socket, (int)MIN(patience_ms, INT32_MAX), &c->natd);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(c);
	return 0;
}

struct client *
client_close(struct client *c)
{
	if (!c)
		return NULL;
	natd_close(c->natd);
	if (c->ssh > 0) {
		kill(c->ssh, SIGTERM);
		client_ssh_status(c);
	}
	free(c);
	return NULL;
}

void
client_closep(struct client **c)
{
	*c = client_close(*c);
}

int
client_ssh_status(struct client *c)
{
	int status = 0;
	pid_t pid = c->ssh;

	if (pid <= 0)
		return -1;
	c->ssh = 0;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int
client_call(
    struct client *c, const char *method, const char *parameters, bool more, int fd)
{
	return natd_send(c->natd, method, parameters, more ? NATD_MORE : 0, fd);
}

bool
client_is_local(const struct client *c)
{
	return c->ssh == 0;
}

int
client_fd(const struct client *c)
{
	return natd_fd(c->natd);
}

/* What natd_process() or natd_receive() returned, as a reply. */
static int
take(struct client *c, int r, struct reply *ret)
{
	const char *error = natd_error(c->natd);
	struct reply reply = { .continues = natd_continues(c->natd) };

	if (r == 0 || (r < 0 && !error))
		return r;
	reply.text = strdup(natd_message(c->natd));
	reply.parameters_text = strdup(natd_parameters(c->natd));
	reply.error = error ? strdup(error) : NULL;
	if (!reply.text || !reply.parameters_text || (error && !reply.error))
		r = -ENOMEM;
	else
		r = json_parse(reply.parameters_text, strlen(reply.parameters_text),
		    &reply.parameters);
	if (r < 0) {
		reply_done(&reply);
		return r;
	}
	*ret = reply;
	return 1;
}

int
client_take(struct client *c, struct reply *ret)
{
	return take(c, natd_process(c->natd), ret);
}

int
client_receive(struct client *c, msec_t deadline, struct reply *ret)
{
	msec_t left = deadline == MSEC_NEVER ? -1 : MAX(deadline - client_now(), 0);
	int r = natd_receive(c->natd, (int)MIN(left, INT32_MAX));

	return MIN(take(c, r, ret), 0);
}

void
reply_done(struct reply *reply)
{
	cJSON_Delete(reply->parameters);
	free(reply->parameters_text);
	free(reply->error);
	free(reply->text);
	*reply = (struct reply) { 0 };
}
