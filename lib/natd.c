/*
 * natd.c - the connection: calls out, replies in, strictly.
 *
 * Varlink: a message is one JSON object and one NUL.  What is not a reply of the
 * protocol (other members, "continues" to a call without "more", "error" together with
 * "continues") is refused, and ends the connection for good.
 */
#include "lib/natd.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "lib/private.h"
#include "proto/json.h"
#include "proto/jsontext.h"
#include "proto/util.h"

#define READ_SIZE ((size_t)64 * 1024)

/* ---- open and close ---- */

static msec_t
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return (msec_t)t.tv_sec * MSEC_PER_SEC + t.tv_nsec / 1000000;
}

static int
connect_unix(const char *path, int timeout_ms)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	/* 0 would be "for ever" to the socket, and is the kernel's default. */
	msec_t patience_ms = MAX(timeout_ms, 1);
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
	if (timeout_ms >= 0)
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

/* The system's natd, or this user's where nobody listens there. */
static int
connect_default(int timeout_ms)
{
	const char *folder = secure_getenv("XDG_RUNTIME_DIR");
	char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
	int fd = connect_unix(NATD_DEFAULT_SOCKET, timeout_ms), own;

	if ((fd != -ENOENT && fd != -ECONNREFUSED) || !folder || folder[0] != '/' ||
	    snprintf(path, sizeof(path), "%s/natd/org.natd.NAT", folder) >=
		(int)sizeof(path))
		return fd;
	own = connect_unix(path, timeout_ms);
	/* Where neither runs, what is wrong with the system's is what matters. */
	return own < 0 ? fd : own;
}

_public_ int
natd_open_fd(int fd, int timeout_ms, struct natd **ret)
{
	struct natd *natd = calloc(1, sizeof(*natd));

	if (!natd)
		return -ENOMEM;
	natd->fd = fd;
	natd->patience_ms = MAX(timeout_ms, -1);
	*ret = natd;
	return 0;
}

_public_ int
natd_open(const char *socket, int timeout_ms, struct natd **ret)
{
	const char *set = secure_getenv("NATD_SOCKET");
	int fd, r;

	if (socket)
		fd = connect_unix(socket, timeout_ms);
	else if (set && *set)
		fd = connect_unix(set, timeout_ms);
	else
		fd = connect_default(timeout_ms);
	if (fd < 0)
		return fd;
	r = natd_open_fd(fd, timeout_ms, ret);
	if (r < 0)
		close(fd);
	return r;
}

static void
forget_reply(struct natd *natd)
{
	cJSON_Delete(natd->root);
	free(natd->message);
	free(natd->parameters);
	free(natd->mappings);
	natd->root = NULL;
	natd->message = natd->parameters = NULL;
	natd->mappings = NULL;
	natd->mapping_count = 0;
	natd->error = NULL;
	natd->continues = natd->decoded = false;
}

_public_ struct natd *
natd_close(struct natd *natd)
{
	if (!natd)
		return NULL;
	close(natd->fd);
	forget_reply(natd);
	free(natd->in);
	free(natd);
	return NULL;
}

_public_ int
natd_fd(const struct natd *natd)
{
	return natd->fd;
}

/* ---- out ---- */

/* Only what a name consists of: nothing in it could be JSON. */
static bool
is_name(const char *text)
{
	size_t len = strlen(text);

	return len > 0 && len < 256 &&
	       strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
			    "0123456789.-") == len;
}

static bool
is_object(const char *text)
{
	_cleanup_(json_freep) cJSON *tree = NULL;

	return json_parse(text, strlen(text), &tree) == 0 && cJSON_IsObject(tree);
}

/* The descriptor belongs to the first byte. */
static ssize_t
send_some(int socket, const char *bytes, size_t len, int fd)
{
	struct iovec part = { .iov_base = (void *)bytes, .iov_len = len };
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };

	if (fd >= 0) {
		message.msg_control = &control;
		message.msg_controllen = sizeof(control);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	}
	return sendmsg(socket, &message, MSG_NOSIGNAL);
}

static int
send_all(int socket, const char *bytes, size_t len, int fd)
{
	while (len > 0) {
		ssize_t n = send_some(socket, bytes, len, fd);

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
		fd = -1;
	}
	return 0;
}

static int
send_call(struct natd *natd, const char *method, const char *parameters, unsigned flags,
    int fd)
{
	_cleanup_(freep) char *message = NULL;
	int len = asprintf(&message, "{\"method\":\"%s%s\",\"parameters\":%s%s}",
	    strchr(method, '.') ? "" : INTERFACE ".", method, parameters,
	    flags & NATD_MORE ? ",\"more\":true" : "");

	if (len < 0) {
		message = NULL;
		return -ENOMEM;
	}
	if (len >= NATD_CALL_MAX)
		return -EMSGSIZE;
	/* The NUL is the end of the message. */
	return send_all(natd->fd, message, (size_t)len + 1, fd);
}

_public_ int
natd_send(struct natd *natd, const char *method, const char *parameters, unsigned flags,
    int fd)
{
	int r;

	if (!parameters)
		parameters = "{}";
	if (!is_name(method) || !is_object(parameters) || flags & ~NATD_MORE)
		return -EINVAL;
	if (natd->broken < 0)
		return natd->broken;
	if (natd->pending)
		return -EBUSY;
	/* Something came that nobody asked for. */
	if (natd->len > 0)
		return natd->broken = -EBADMSG;
	forget_reply(natd);
	r = send_call(natd, method, parameters, flags, fd);
	if (r == -ENOMEM || r == -EMSGSIZE)
		return r;
	/* Half a message may be on its way: nothing can follow it. */
	if (r < 0)
		return natd->broken = r;
	natd->pending = true;
	natd->more = flags & NATD_MORE;
	natd->one_mapping = false;
	return 0;
}

/* ---- in ---- */

static int
fill(struct natd *natd)
{
	ssize_t n;

	if (natd->len >= NATD_REPLY_MAX)
		return -EMSGSIZE;
	if (natd->size - natd->len < READ_SIZE) {
		char *in = realloc(natd->in, natd->size + 4 * READ_SIZE);

		if (!in)
			return -ENOMEM;
		natd->in = in;
		natd->size += 4 * READ_SIZE;
	}
	n = recv(natd->fd, natd->in + natd->len, READ_SIZE, MSG_DONTWAIT);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (n == 0)
		return -ECONNRESET;
	natd->len += (size_t)n;
	return 1;
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
			if (!cJSON_IsString(item) || !is_name(item->valuestring))
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

/* natd->message becomes the last reply. */
static int
decode(struct natd *natd, size_t len)
{
	const char *parameters = "{}";
	size_t parameters_len = 2;
	int r = json_parse(natd->message, len, &natd->root);

	if (r == 0 && !header_is_valid(natd->root, natd->more))
		r = -EBADMSG;
	if (r < 0)
		return r;
	if (json_get(natd->root, "parameters"))
		r = json_text_member(
		    natd->message, len, "parameters", &parameters, &parameters_len);
	/* The name is there, but written with escapes. */
	if (r < 0)
		return -EBADMSG;
	natd->parameters = strndup(parameters, parameters_len);
	natd->error = json_get_string(natd->root, "error");
	natd->continues = cJSON_IsTrue(json_get(natd->root, "continues"));
	return natd->parameters ? 0 : -ENOMEM;
}

/* 1: a whole message became the last reply; 0: there is none yet. */
static int
take(struct natd *natd)
{
	char *end = natd->len > 0 ? memchr(natd->in, '\0', natd->len) : NULL;
	size_t len;
	int r;

	if (natd->len > 0 && !natd->pending)
		return -EBADMSG;
	if (!end)
		return 0;
	len = (size_t)(end - natd->in);
	natd->message = strndup(natd->in, len);
	if (!natd->message)
		return -ENOMEM;
	natd->len -= len + 1;
	memmove(natd->in, end + 1, natd->len);
	r = decode(natd, len);
	if (r == 0 && natd->one_mapping && !natd->error) {
		r = reply_decode_mappings(natd);
		if (r == 0 && natd->mapping_count != 1)
			r = -EBADMSG;
	}
	if (r < 0)
		return r;
	natd->pending = natd->continues;
	return 1;
}

_public_ int
natd_process(struct natd *natd)
{
	int r;

	forget_reply(natd);
	if (natd->broken < 0)
		return natd->broken;
	r = take(natd);
	/* What came before the end counts. */
	if (r == 0) {
		r = fill(natd);
		if (r > 0)
			r = take(natd);
	}
	if (r < 0) {
		forget_reply(natd);
		return natd->broken = r;
	}
	return natd->error ? -natd_error_number(natd) : r;
}

_public_ int
natd_receive(struct natd *natd, int timeout_ms)
{
	msec_t deadline = timeout_ms < 0 ? MSEC_NEVER : now_ms() + timeout_ms;

	for (;;) {
		struct pollfd p = { .fd = natd->fd, .events = POLLIN };
		int r = natd_process(natd);
		msec_t left = deadline == MSEC_NEVER ? -1 : deadline - now_ms();

		if (r != 0)
			return r;
		if (deadline != MSEC_NEVER && left <= 0)
			return -ETIMEDOUT;
		if (poll(&p, 1, (int)left) < 0 && errno != EINTR)
			return -errno;
	}
}

_public_ int
natd_call(struct natd *natd, const char *method, const char *parameters)
{
	int r = natd_send(natd, method, parameters, 0, -1);

	if (r == 0)
		r = natd_receive(natd, natd->patience_ms);
	return MIN(r, 0);
}

/* ---- the last reply ---- */

const cJSON *
reply_parameters(const struct natd *natd)
{
	return json_get(natd->root, "parameters");
}

_public_ const char *
natd_parameters(const struct natd *natd)
{
	return natd->parameters;
}

_public_ const char *
natd_message(const struct natd *natd)
{
	return natd->message;
}

_public_ bool
natd_continues(const struct natd *natd)
{
	return natd->continues;
}
