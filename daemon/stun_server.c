/*
 * stun_server.c - natd as a STUN server: its sockets, who is answered, how often.
 */
#include "daemon/stun_server.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon/log.h"
#include "daemon/paths.h"
#include "daemon/random.h"
#include "daemon/sock.h"
#include "daemon/stun_batch.h"
#include "daemon/stun_listen.h"
#include "daemon/stun_stream.h"
#include "proto/stun_limit.h"
#include "proto/stun_server.h"
#include "proto/version.h"

#define GROUPS 2 /* IPv4, IPv6 */
#define PAUSE_MS MSEC_PER_SEC
#define NONCE_LIFE_MS (600 * MSEC_PER_SEC)
#define LINE_MAX_LEN 1024

struct group;

struct door {
	struct group *group;
	unsigned socket; /* of the responder */
	int udp, tcp;    /* -1: not open */
	struct event *udp_event, *tcp_event;
};

struct group {
	struct stund *server;
	struct stun_responder responder;
	struct door doors[STUN_SERVER_SOCKETS];
};

struct stund {
	struct loop *loop;
	struct conf_stun_server conf;
	struct stun_server_auth *auth;
	struct stun_limit *limit; /* NULL: none */
	struct stun_listen *listen;
	struct stun_streams *streams;
	struct timer pause; /* no descriptors or no memory left */
	struct stun_batch *batch;
	struct group groups[GROUPS];
};

/* ---- requests ---- */

/* Whether there is something to send. */
static bool
answer(struct door *d, const struct stun_arrival *arrival, const uint8_t *buf,
    size_t len, uint8_t *out, struct stun_reply *ret)
{
	struct stund *s = d->group->server;

	return (!s->limit ||
		   stun_limit_take(s->limit, &arrival->from.addr, arrival->now)) &&
	       stun_responder_answer(&d->group->responder, arrival, buf, len, out, ret);
}

static size_t
serve_stream(void *listener, const struct endpoint *from, const uint8_t *frame,
    size_t len, uint8_t *out)
{
	struct door *d = listener;
	const struct stun_arrival arrival = {
		.socket = d->socket, .from = *from, .stream = true, .now = loop_now()
	};
	struct stun_reply reply;

	return answer(d, &arrival, frame, len, out, &reply) ? reply.len : 0;
}

static size_t
serve_datagram(void *ctx, const struct endpoint *from, msec_t now, const uint8_t *buf,
    size_t len, uint8_t *out, uint16_t *port)
{
	struct door *d = ctx;
	const struct stun_arrival arrival = {
		.socket = d->socket, .from = *from, .now = now
	};
	struct stun_reply reply;

	if (!answer(d, &arrival, buf, len, out, &reply))
		return 0;
	if (reply.socket != d->socket) {
		(void)sock_send_to(
		    d->group->doors[reply.socket].udp, out, reply.len, &reply.to);
		return 0;
	}
	*port = reply.to.port;
	return reply.len;
}

static void
on_datagrams(evutil_socket_t fd, short what, void *ctx)
{
	struct door *d = ctx;
	struct stund *s = d->group->server;

	(void)fd;
	(void)what;
	if (stun_batch_run(s->batch, d->udp_event, serve_datagram, d) < 0)
		timer_set(&s->pause, loop_now() + PAUSE_MS);
}

static void
on_connections(evutil_socket_t fd, short what, void *ctx)
{
	struct door *d = ctx;
	struct stund *s = d->group->server;

	(void)what;
	if (stun_streams_accept(s->streams, fd, d) == 0)
		return;
	/* Asking again at once would burn time. */
	(void)event_del(d->tcp_event);
	timer_set(&s->pause, loop_now() + PAUSE_MS);
}

static void
on_pause_over(void *ctx)
{
	struct stund *s = ctx;

	for (unsigned g = 0; g < GROUPS; g++)
		for (unsigned i = 0; i < STUN_SERVER_SOCKETS; i++) {
			const struct door *d = &s->groups[g].doors[i];

			if ((d->udp_event && event_add(d->udp_event, NULL) < 0) ||
			    (d->tcp_event && event_add(d->tcp_event, NULL) < 0))
				timer_set(&s->pause, loop_now() + PAUSE_MS);
		}
}

/* ---- sockets ---- */

static int
open_door(struct door *d)
{
	const struct endpoint *at = &d->group->responder.local[d->socket];
	struct stun_listen *listen = d->group->server->listen;
	char text[ENDPOINT_TEXT_MAX];
	struct loop *loop = d->group->server->loop;
	int r;

	d->udp = stun_listen_open(listen, SOCK_DGRAM, at);
	r = d->udp < 0
		? d->udp
		: loop_watch(loop, d->udp, EV_READ, on_datagrams, d, &d->udp_event);
	if (r == 0) {
		d->tcp = stun_listen_open(listen, SOCK_STREAM, at);
		r = d->tcp < 0 ? d->tcp
			       : loop_watch(loop, d->tcp, EV_READ, on_connections, d,
				     &d->tcp_event);
	}
	if (r < 0)
		log_error("no STUN server at %s: %s", sock_endpoint_format(at, text),
		    strerror(-r));
	else
		log_info("STUN server at %s", sock_endpoint_format(at, text));
	return r;
}

static const struct endpoint *
find_family(const struct conf_listen *l, enum addr_family family)
{
	for (unsigned i = 0; i < l->count; i++)
		if (l->list[i].addr.family == family)
			return &l->list[i];
	return NULL;
}

static int
open_group(struct stund *s, struct group *g, const struct endpoint *at)
{
	const struct endpoint *alternate =
	    find_family(&s->conf.alternate, at->addr.family);
	int r = 0;

	stun_responder_init(&g->responder, at, alternate);
	g->responder.auth = s->auth;
	g->responder.software = s->conf.software ? "natd " NATD_VERSION : NULL;
	for (unsigned i = 0; i < (alternate ? STUN_SERVER_SOCKETS : 1) && r == 0; i++)
		r = open_door(&g->doors[i]);
	return r;
}

static void
close_door(struct door *d)
{
	if (d->udp_event)
		event_free(d->udp_event);
	if (d->tcp_event)
		event_free(d->tcp_event);
	if (d->udp >= 0)
		stun_listen_park(d->group->server->listen, d->udp);
	if (d->tcp >= 0)
		stun_listen_park(d->group->server->listen, d->tcp);
	d->udp_event = d->tcp_event = NULL;
	d->udp = d->tcp = -1;
}

/* ---- credentials ---- */

static int
add_account(struct stun_server_auth *auth, char *line)
{
	char *password;

	line[strcspn(line, "\r\n")] = '\0';
	if (line[0] == '\0' || line[0] == '#')
		return 0;
	password = line + strcspn(line, " \t");
	if (*password == '\0')
		return -EINVAL;
	*password++ = '\0';
	password += strspn(password, " \t");
	return *password ? stun_server_auth_add(auth, line, password) : -EINVAL;
}

static int
read_accounts(struct stun_server_auth *auth, FILE *f, const char *path)
{
	char line[LINE_MAX_LEN];
	int r = 0;

	for (unsigned number = 1; r == 0 && fgets(line, sizeof(line), f); number++) {
		r = strlen(line) == sizeof(line) - 1 ? -ENOBUFS
						     : add_account(auth, line);
		if (r < 0)
			log_error(
			    "%s:%u: not a name, a blank and a password that are no "
			    "other line's: %s",
			    path, number, strerror(-r));
	}
	crypto_wipe(line, sizeof(line));
	return r == 0 && ferror(f) ? -EIO : r;
}

static int
new_auth(struct stund *s)
{
	uint8_t secret[STUN_NONCE_SECRET_LEN];
	int r;

	if (!s->conf.realm[0])
		return stun_server_auth_new_short_term(&s->auth);
	random_fill(secret, sizeof(secret));
	r = stun_server_auth_new_long_term(
	    s->conf.realm, secret, NONCE_LIFE_MS, &s->auth);
	crypto_wipe(secret, sizeof(secret));
	return r;
}

static int
load_credentials(struct stund *s)
{
	char path[PATH_MAX];
	struct stat st;
	FILE *f;
	int r;

	if (!s->conf.credentials[0])
		return 0;
	r = paths_credential(s->conf.credentials, path);
	if (r < 0) {
		log_error("no STUN server: systemd passed no credential %s: "
			  "LoadCredential= is missing",
		    s->conf.credentials);
		return r;
	}
	f = fopen(path, "re");
	if (!f || fstat(fileno(f), &st) < 0) {
		r = -errno;
		log_error("no STUN server: %s: %m", path);
	} else if (!S_ISREG(st.st_mode) || st.st_mode & S_IRWXO) {
		r = -EPERM;
		log_error(
		    "no STUN server: %s: not a file that others cannot read", path);
	} else {
		r = new_auth(s);
		if (r == 0)
			r = read_accounts(s->auth, f, path);
		if (r < 0)
			log_error("no STUN server: its credentials are not fit: %s",
			    strerror(-r));
	}
	if (f)
		fclose(f);
	return r;
}

/* ---- start and stop ---- */

static void
stop(struct stund *s)
{
	timer_clear(&s->pause);
	s->streams = stun_streams_free(s->streams);
	for (unsigned g = 0; g < GROUPS; g++)
		for (unsigned i = 0; i < STUN_SERVER_SOCKETS; i++)
			close_door(&s->groups[g].doors[i]);
	s->auth = stun_server_auth_free(s->auth);
	s->limit = stun_limit_free(s->limit);
	s->batch = stun_batch_free(s->batch);
}

static int
start(struct stund *s)
{
	uint64_t secret[2] = { random_u64(), random_u64() };
	int r = load_credentials(s);

	if (r == 0)
		r = stun_batch_new(&s->batch);
	if (r == 0 && s->conf.rate_limit > 0)
		r = stun_limit_new(s->conf.rate_limit, secret, &s->limit);
	if (r == 0)
		r = stun_streams_new(s->loop, serve_stream, &s->streams);
	for (unsigned i = 0; i < s->conf.listen.count && r == 0; i++)
		r = open_group(s, &s->groups[i], &s->conf.listen.list[i]);
	return r;
}

static void
apply(struct stund *s, const struct conf *conf)
{
	/* With its padding: it is compared. */
	memcpy(&s->conf, &conf->stun_server, sizeof(s->conf));
	if (s->conf.listen.count > 0 && start(s) < 0) {
		log_warning("natd is no STUN server");
		stop(s);
	}
	/* What the new settings have no use for. */
	stun_listen_clear(s->listen);
}

int
stund_new(struct loop *loop, const struct conf *conf, struct fdstore *store,
    struct stund **ret)
{
	struct stund *s = calloc(1, sizeof(*s));

	if (!s || stun_listen_new(store, &s->listen) < 0) {
		free(s);
		return -ENOMEM;
	}
	s->loop = loop;
	for (unsigned g = 0; g < GROUPS; g++) {
		s->groups[g].server = s;
		for (unsigned i = 0; i < STUN_SERVER_SOCKETS; i++)
			s->groups[g].doors[i] = (struct door) {
				.group = &s->groups[g],
				.socket = i,
				.udp = -1,
				.tcp = -1,
			};
	}
	if (timer_init(&s->pause, loop, on_pause_over, s) < 0) {
		stun_listen_free(s->listen);
		free(s);
		return -ENOMEM;
	}
	apply(s, conf);
	*ret = s;
	return 0;
}

struct stund *
stund_free(struct stund *s)
{
	if (!s)
		return NULL;
	stop(s);
	stun_listen_free(s->listen);
	timer_done(&s->pause);
	free(s);
	return NULL;
}

/* The file of credentials may have other contents than before, under the same name. */
void
stund_set_conf(struct stund *s, const struct conf *conf)
{
	if (!conf->stun_server.credentials[0] &&
	    memcmp(&conf->stun_server, &s->conf, sizeof(s->conf)) == 0)
		return;
	stop(s);
	apply(s, conf);
}
