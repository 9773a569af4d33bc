/*
 * client.c - a Varlink client for natd.
 */
#include "ctl/client.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ctl/fields.h"
#include "ctl/jsontext.h"
#include "proto/json.h"

#define READ_SIZE ((size_t)64 * 1024)

struct client {
	int fd;
	pid_t ssh; /* 0: none */
	bool more; /* of the call under way */
	char *in;
	size_t len, size;
};

msec_t
client_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return (msec_t)t.tv_sec * MSEC_PER_SEC + t.tv_nsec / 1000000;
}

static int
connect_unix(const char *path, msec_t patience_ms)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct timeval patience = { .tv_sec = patience_ms / MSEC_PER_SEC,
		.tv_usec = patience_ms % MSEC_PER_SEC * 1000 };
	int fd;

	if (*path == '\0')
		return -EINVAL;
	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	/* It bounds connect() too: a daemon that is stopped leaves the queue full. */
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	while (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		int error = errno;

		if (error == EINTR)
			continue;
		close(fd);
		return error == EAGAIN ? -ETIMEDOUT : -error;
	}
	return fd;
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

int
client_open(const char *socket, msec_t patience_ms, struct client **ret)
{
	size_t prefix = strlen(CLIENT_SSH_PREFIX);
	_cleanup_(client_closep) struct client *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	if (strncmp(socket, CLIENT_SSH_PREFIX, prefix) == 0)
		c->fd = connect_ssh(socket + prefix, &c->ssh);
	else
		c->fd = connect_unix(socket, patience_ms);
	if (c->fd < 0)
		return c->fd;
	*ret = TAKE_PTR(c);
	return 0;
}

struct client *
client_close(struct client *c)
{
	if (!c)
		return NULL;
	if (c->fd >= 0)
		close(c->fd);
	if (c->ssh > 0) {
		kill(c->ssh, SIGTERM);
		client_ssh_status(c);
	}
	free(c->in);
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

static int
send_all(int fd, const char *bytes, size_t len)
{
	while (len > 0) {
		ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return -ETIMEDOUT;
		/* It may have answered before it closed: the reader finds out. */
		if (n < 0 && (errno == EPIPE || errno == ECONNRESET))
			return 0;
		if (n < 0)
			return -errno;
		bytes += n;
		len -= (size_t)n;
	}
	return 0;
}

int
client_call(struct client *c, const char *method, const char *parameters, bool more)
{
	_cleanup_(freep) char *message = NULL;
	int len = asprintf(&message, "{\"method\":\"%s\",\"parameters\":%s%s}", method,
	    parameters, more ? ",\"more\":true" : "");

	if (len < 0) {
		message = NULL;
		return -ENOMEM;
	}
	/* Something came that nobody asked for. */
	if (c->len > 0)
		return -EBADMSG;
	c->more = more;
	/* The NUL is the end of the message. */
	return send_all(c->fd, message, (size_t)len + 1);
}

int
client_fd(const struct client *c)
{
	return c->fd;
}

int
client_fill(struct client *c)
{
	ssize_t n;

	if (c->len >= CLIENT_REPLY_MAX)
		return -EMSGSIZE;
	if (c->size - c->len < READ_SIZE) {
		char *in = realloc(c->in, c->size + 4 * READ_SIZE);

		if (!in)
			return -ENOMEM;
		c->in = in;
		c->size += 4 * READ_SIZE;
	}
	n = recv(c->fd, c->in + c->len, READ_SIZE, MSG_DONTWAIT);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (n == 0)
		return -ECONNRESET;
	c->len += (size_t)n;
	return 0;
}

/* Only these members, each of its type; null is not "absent" in a header. */
static bool
header_is_valid(const cJSON *root, bool more)
{
	const cJSON *item;
	bool error = false, continues = false;

	if (!cJSON_IsObject(root))
		return false;
	cJSON_ArrayForEach(item, root)
	{
		if (strcmp(item->string, "parameters") == 0) {
			if (!cJSON_IsObject(item))
				return false;
		} else if (strcmp(item->string, "error") == 0) {
			if (!cJSON_IsString(item))
				return false;
			error = true;
		} else if (strcmp(item->string, "continues") == 0) {
			if (!cJSON_IsBool(item))
				return false;
			continues = cJSON_IsTrue(item);
		} else {
			return false;
		}
	}
	return !(continues && (error || !more));
}

/* Takes text. */
static int
reply_decode(char *text, size_t len, bool more, struct reply *ret)
{
	struct reply reply = {
		.text = text, .len = len, .parameters_text = "{}", .parameters_len = 2
	};
	const char *bad = NULL;
	struct fields header;
	int r = json_parse(text, len, &reply.root);

	if (r == 0 && !header_is_valid(reply.root, more))
		r = -EBADMSG;
	if (r == 0) {
		reply.parameters = json_get(reply.root, "parameters");
		if (!reply.parameters)
			reply.parameters = json_add_object(reply.root, "parameters");
		else
			r = json_text_member(text, len, "parameters",
			    &reply.parameters_text, &reply.parameters_len);
	}
	if (r < 0 || !reply.parameters) {
		reply_done(&reply);
		return r == -ENOMEM ? r : -EBADMSG;
	}
	header = fields_of(reply.root, "reply", &bad);
	reply.error = field_string_opt(&header, "error");
	reply.continues = field_bool_opt(&header, "continues") == 1;
	*ret = reply;
	return 0;
}

int
client_take(struct client *c, struct reply *ret)
{
	char *end = c->len > 0 ? memchr(c->in, '\0', c->len) : NULL;
	char *text;
	size_t len;
	int r;

	if (!end)
		return 0;
	len = (size_t)(end - c->in);
	text = strndup(c->in, len);
	if (!text)
		return -ENOMEM;
	c->len -= len + 1;
	memmove(c->in, end + 1, c->len);
	r = reply_decode(text, len, c->more, ret);
	return r < 0 ? r : 1;
}

int
client_receive(struct client *c, msec_t deadline, struct reply *ret)
{
	for (;;) {
		struct pollfd p = { .fd = c->fd, .events = POLLIN };
		int r = client_take(c, ret);
		msec_t left = deadline == MSEC_NEVER ? -1 : deadline - client_now();

		if (r != 0)
			return MIN(r, 0);
		if (deadline != MSEC_NEVER && left <= 0)
			return -ETIMEDOUT;
		r = poll(&p, 1, (int)MIN(left, INT32_MAX));
		if (r < 0 && errno != EINTR)
			return -errno;
		if (r > 0 && (r = client_fill(c)) < 0)
			return r;
	}
}

void
reply_done(struct reply *reply)
{
	cJSON_Delete(reply->root);
	free(reply->text);
	*reply = (struct reply) { 0 };
}
