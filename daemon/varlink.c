/*
 * varlink.c - the Varlink server: who may connect, what is served, whose turn it is.
 *
 * Work list: a connection that can go on waits here and gets its share in order, so one
 * that pipelines thousands of calls waits behind the others.  One turn of the loop does
 * a bounded number of steps; what is left makes an eventfd readable, so that timers and
 * other descriptors get their turn before it goes on.
 */
#include "daemon/varlink.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/log.h"
#include "daemon/varlink_internal.h"

#define STEPS_PER_TURN 128
#define HALF_MESSAGE_MS (300 * MSEC_PER_SEC)
#define NO_GROUP ((gid_t)-1)
#define REFUSED_QUIET_MS (60 * MSEC_PER_SEC)

/* ---- the work list ---- */

void
server_queue_work(struct varlink_server *s, struct conn *c)
{
	if (c->queued || c->corked)
		return;
	c->queued = true;
	TAILQ_INSERT_TAIL(&s->work, c, work_link);
	/* still in this turn, unless it has had its share */
	if (!s->working && !s->work_left)
		event_active(&s->work_event, EV_READ, 0);
}

static void
on_work(evutil_socket_t fd, short what, void *ctx)
{
	struct varlink_server *s = ctx;
	unsigned steps = 0;
	uint64_t one = 1;
	bool left;

	(void)what;
	s->working = true;
	while (steps < STEPS_PER_TURN && !TAILQ_EMPTY(&s->work)) {
		struct conn *c = TAILQ_FIRST(&s->work);

		TAILQ_REMOVE(&s->work, c, work_link);
		c->queued = false;
		steps += conn_work(c);
	}
	s->working = false;
	left = !TAILQ_EMPTY(&s->work);
	if (left && !s->work_left)
		(void)!write(fd, &one, sizeof(one));
	if (!left && s->work_left)
		(void)!read(fd, &one, sizeof(one));
	s->work_left = left;
}

/* ---- peers ---- */

/* Whether the peer is a member of the group, by its first or another group. */
static bool
peer_in_group(int fd, gid_t first, gid_t group)
{
	gid_t few[64];
	_cleanup_(freep) gid_t *many = NULL;
	gid_t *groups = few;
	socklen_t size = sizeof(few);

	if (group == NO_GROUP)
		return false;
	if (first == group)
		return true;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, few, &size) < 0) {
		if (errno != ERANGE)
			return false;
		groups = many = malloc(size);
		if (many == NULL ||
		    getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, many, &size) < 0)
			return false;
	}
	for (size_t i = 0; i < size / sizeof(gid_t); i++)
		if (groups[i] == group)
			return true;
	return false;
}

static int
peer_of(const struct varlink_server *s, int fd, struct peer *ret)
{
	struct ucred cred;
	socklen_t size = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &size) < 0)
		return -errno;
	*ret = (struct peer) {
		.uid = cred.uid,
		.pid = cred.pid,
		.privileged = cred.uid == 0 || cred.uid == s->settings.own_uid ||
			      peer_in_group(fd, cred.gid, s->admin_gid),
	};
	return 0;
}

/* The setting that keeps this peer out, or NULL. */
static const char *
peer_over_limit(const struct varlink_server *s, const struct peer *peer)
{
	unsigned reserve = peer->privileged ? VARLINK_RESERVE : 0;
	const struct conn *c;
	unsigned n = 0;

	if (s->n_conns >= s->settings.connections_max + reserve)
		return "ConnectionsMax";
	if (peer->privileged)
		return NULL;
	TAILQ_FOREACH(c, &s->conns, link)
	n += c->peer.uid == peer->uid;
	return n >= s->settings.connections_per_uid_max ? "ConnectionsPerUser" : NULL;
}

/* Who is over a limit tries again and again: one line a minute, the rest is counted. */
static void
refuse_peer(struct varlink_server *s, const struct peer *peer, const char *limit)
{
	char uid[16];

	s->refused++;
	if (s->refused > 1 && loop_now() < s->refused_told_at + REFUSED_QUIET_MS)
		return;
	s->refused_told_at = loop_now();
	(void)snprintf(uid, sizeof(uid), "%u", (unsigned)peer->uid);
	log_notice_with(LOG_FIELDS({ LOG_OWNER_UID, uid }),
	    "refused a connection of user %s: too many are open (%s in natd.conf)", uid,
	    limit);
}

int
varlink_server_serve_fd(struct varlink_server *s, int fd)
{
	const char *limit;
	struct peer peer;
	int r;

	r = fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 ? -errno : peer_of(s, fd, &peer);
	if (r == 0 && (limit = peer_over_limit(s, &peer)) != NULL) {
		refuse_peer(s, &peer, limit);
		r = -EUSERS;
	}
	if (r == 0)
		r = conn_new(s, fd, &peer);
	if (r < 0) {
		(void)close(fd);
		return r;
	}
	s->accepted++;
	return 0;
}

/* ---- interfaces ---- */

static bool
interface_fits(const struct varlink_interface *interface)
{
	for (const struct varlink_method *m = interface->methods; m->name != NULL;
	     m++) {
		unsigned n = 0;

		for (const struct varlink_param *p = m->params; p->name != NULL; p++)
			if (++n > VARLINK_PARAMS_MAX)
				return false;
	}
	return true;
}

int
varlink_server_add_interface(
    struct varlink_server *s, const struct varlink_interface *interface)
{
	size_t n = 0;
	uint64_t *calls;

	if (!interface_fits(interface))
		return -EINVAL;
	if (s->n_interfaces == VARLINK_INTERFACES_MAX)
		return -ENOSPC;
	while (interface->methods[n].name != NULL)
		n++;
	calls = calloc(MAX(n, 1), sizeof(*calls));
	if (calls == NULL)
		return -ENOMEM;
	s->interfaces[s->n_interfaces++] =
	    (struct registered_interface) { .interface = interface, .calls = calls };
	return 0;
}

/* ---- counters ---- */

void
server_count_error(struct varlink_server *s, const char *name)
{
	unsigned i = 0;

	while (i < s->n_errors && strcmp(s->errors[i].name, name) != 0)
		i++;
	if (i == VARLINK_ERRORS_MAX)
		return;
	if (i == s->n_errors) {
		s->errors[i].name = strdup(name);
		if (s->errors[i].name == NULL)
			return;
		s->n_errors++;
	}
	s->errors[i].count++;
}

unsigned
varlink_server_connections(const struct varlink_server *s)
{
	return s->n_conns;
}

void
varlink_server_counters(const struct varlink_server *s,
    void (*each)(const char *kind, const char *name, uint64_t count, void *ctx),
    void *ctx)
{
	char full[256];

	each("connection", "accepted", s->accepted, ctx);
	each("connection", "refused", s->refused, ctx);
	for (unsigned i = 0; i < s->n_interfaces; i++) {
		const struct varlink_interface *in = s->interfaces[i].interface;

		for (unsigned m = 0; in->methods[m].name != NULL; m++) {
			(void)snprintf(
			    full, sizeof(full), "%s.%s", in->name, in->methods[m].name);
			each("method", full, s->interfaces[i].calls[m], ctx);
		}
	}
	for (unsigned i = 0; i < s->n_errors; i++)
		each("error", s->errors[i].name, s->errors[i].count, ctx);
}

/* ---- the server ---- */

static gid_t
group_by_name(const char *name)
{
	char buf[16384];
	struct group entry, *found = NULL;

	if (name == NULL || getgrnam_r(name, &entry, buf, sizeof(buf), &found) != 0 ||
	    found == NULL)
		return NO_GROUP;
	return entry.gr_gid;
}

DEFINE_FREEP(varlink_server)

int
varlink_server_new(struct loop *l, const struct varlink_settings *settings,
    struct varlink_server **ret)
{
	_cleanup_(varlink_server_freep) struct varlink_server *s =
	    calloc(1, sizeof(*s));
	int r;

	if (s == NULL)
		return -ENOMEM;
	s->loop = l;
	s->settings = *settings;
	if (s->settings.half_message_ms == 0)
		s->settings.half_message_ms = HALF_MESSAGE_MS;
	s->admin_gid = group_by_name(settings->admin_group);
	LIST_INIT(&s->listeners);
	TAILQ_INIT(&s->conns);
	TAILQ_INIT(&s->work);
	s->work_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (s->work_fd < 0)
		return -errno;
	(void)event_assign(
	    &s->work_event, loop_base(l), s->work_fd, EV_READ | EV_PERSIST, on_work, s);
	if (event_add(&s->work_event, NULL) < 0)
		return -ENOMEM;
	r = service_add_interfaces(s);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(s);
	return 0;
}

struct varlink_server *
varlink_server_free(struct varlink_server *s)
{
	if (s == NULL)
		return NULL;
	varlink_server_stop_listening(s);
	while (!TAILQ_EMPTY(&s->conns))
		conn_close(TAILQ_FIRST(&s->conns));
	if (event_initialized(&s->work_event))
		(void)event_del(&s->work_event);
	if (s->work_fd >= 0)
		(void)close(s->work_fd);
	for (unsigned i = 0; i < s->n_interfaces; i++)
		free(s->interfaces[i].calls);
	for (unsigned i = 0; i < s->n_errors; i++)
		free(s->errors[i].name);
	free(s);
	return NULL;
}
