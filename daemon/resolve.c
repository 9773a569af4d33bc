/*
 * resolve.c - from the name of a server to its addresses, by c-ares.
 *
 * One channel per resolution: it sees the resolv.conf of its time, and ends alone.
 * c-ares may not be destroyed from its own callbacks; these take notes only, settle()
 * acts on them afterwards.
 */
#include "daemon/resolve.h"

/* What replaced two functions in c-ares 1.28 is not in the 1.18 of Debian 12. */
#define CARES_NO_DEPRECATED
#include <ares.h>
#include <arpa/nameser.h>
#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/random.h"
#include "daemon/sock.h"
#include "proto/text.h"

#define QUERY_MS 1500 /* of the first try; c-ares doubles it */
#define TRIES 3
#define DELAY_MS 50 /* Resolution Delay, RFC 8305 section 8 */
#define SRV_MS 500  /* then the name itself is looked up, too */
#define TARGETS_MAX 4
#define NAME_MAX_LEN 256

struct resolve_socket {
	struct resolve_socket *next;
	struct resolve *r;
	int fd;
	struct event *event;
};

/* One question for addresses of one family. */
struct resolve_lookup {
	struct resolve *r;
	uint16_t port;
	unsigned rank; /* of the SRV record */
};

struct resolve {
	struct loop *loop;
	resolve_done done;
	void *ctx;
	ares_channel channel; /* NULL: a literal */
	struct timer timer;
	struct resolve_socket *sockets;
	unsigned pending;
	int error;
	bool ending;
	msec_t limit_at, tell_at;
	msec_t srv_at; /* when nobody waits for SRV records any more */
	uint16_t default_port;
	struct resolve_lookup lookups[2 * (TARGETS_MAX + 1)];
	size_t lookups_count, count;
	struct endpoint list[RESOLVE_MAX];
	unsigned ranks[RESOLVE_MAX];
	char host[NAME_MAX_LEN];
};

/* ---- sockets and time ---- */

static void settle(struct resolve *r);

static void
on_ready(evutil_socket_t fd, short what, void *ctx)
{
	struct resolve *r = ((struct resolve_socket *)ctx)->r;

	ares_process_fd(r->channel, what & EV_READ ? fd : ARES_SOCKET_BAD,
	    what & EV_WRITE ? fd : ARES_SOCKET_BAD);
	settle(r);
}

static void
forget_socket(struct resolve *r, int fd)
{
	for (struct resolve_socket **at = &r->sockets; *at; at = &(*at)->next)
		if ((*at)->fd == fd) {
			struct resolve_socket *s = *at;

			*at = s->next;
			event_free(s->event);
			free(s);
			return;
		}
}

static void
on_socket_state(void *ctx, ares_socket_t fd, int readable, int writable)
{
	struct resolve *r = ctx;
	struct resolve_socket *s;
	short what = (short)((readable ? EV_READ : 0) | (writable ? EV_WRITE : 0));

	forget_socket(r, fd);
	if (what == 0)
		return;
	s = calloc(1, sizeof(*s));
	if (!s)
		return; /* its query times out */
	s->r = r;
	s->fd = fd;
	if (loop_watch(r->loop, fd, what, on_ready, s, &s->event) < 0) {
		free(s);
		return;
	}
	s->next = r->sockets;
	r->sockets = s;
}

static void
schedule(struct resolve *r)
{
	struct timeval most = { .tv_sec = RESOLVE_MS / MSEC_PER_SEC }, tv;
	msec_t at = MIN(r->limit_at, MIN(r->tell_at, r->srv_at));

	ares_timeout(r->channel, &most, &tv);
	timer_set(
	    &r->timer, MIN(at, loop_now() + tv.tv_sec * 1000 + tv.tv_usec / 1000 + 1));
}

struct resolve *
resolve_cancel(struct resolve *r)
{
	if (!r)
		return NULL;
	r->ending = true;
	if (r->channel)
		ares_destroy(r->channel);
	while (r->sockets)
		forget_socket(r, r->sockets->fd);
	timer_done(&r->timer);
	free(r);
	return NULL;
}

/* The list to be tried: by the SRV records, and of each the families in turn. */
static size_t
sort_list(const struct resolve *r, struct endpoint ret[static RESOLVE_MAX])
{
	memcpy(ret, r->list, sizeof(r->list));
	for (size_t i = 0, n; i < r->count; i += n) {
		for (n = 1; i + n < r->count && r->ranks[i + n] == r->ranks[i]; n++)
			;
		endpoints_in_turn(ret + i, n);
	}
	return r->count;
}

/* The end: the owner is told last, it may start anew at once. */
static void
finish(struct resolve *r)
{
	struct endpoint list[RESOLVE_MAX];
	size_t n = sort_list(r, list);
	resolve_done done = r->done;
	void *ctx = r->ctx;
	int error = n ? 0 : r->error ? r->error : -ETIMEDOUT;

	resolve_cancel(r);
	done(error, list, n, true, ctx);
}

static void
settle(struct resolve *r)
{
	struct endpoint list[RESOLVE_MAX];
	msec_t now = loop_now();
	size_t n;

	if (r->pending == 0 || now >= r->limit_at) {
		finish(r);
		return;
	}
	if (now < r->tell_at) {
		schedule(r);
		return;
	}
	r->tell_at = MSEC_NEVER;
	schedule(r);
	n = sort_list(r, list);
	r->done(0, list, n, false, r->ctx);
}

static void look_up_host(struct resolve *r);

static void
on_timer(void *ctx)
{
	struct resolve *r = ctx;

	if (r->channel)
		ares_process_fd(r->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	if (loop_now() >= r->srv_at)
		look_up_host(r);
	settle(r);
}

/* ---- answers ---- */

static int
error_of(int status)
{
	switch (status) {
	case ARES_ENOTFOUND:
	case ARES_ENODATA:
	case ARES_EBADNAME:
		return -ENOENT;
	case ARES_ETIMEOUT:
	case ARES_ECONNREFUSED:
		return -ETIMEDOUT;
	case ARES_ENOMEM:
		return -ENOMEM;
	default: /* of c-ares: SERVFAIL, REFUSED, nonsense, ... */
		return -EIO;
	}
}

/* In the order of the SRV records, and as they came. */
static void
add_endpoint(struct resolve *r, const struct endpoint *e, unsigned rank)
{
	size_t at = r->count;

	if (addr_is_unspecified(&e->addr) ||
	    addr_classify(&e->addr) == ADDR_CLASS_MULTICAST || r->count == RESOLVE_MAX)
		return;
	while (at > 0 && r->ranks[at - 1] > rank) {
		r->list[at] = r->list[at - 1];
		r->ranks[at] = r->ranks[at - 1];
		at--;
	}
	r->list[at] = *e;
	r->ranks[at] = rank;
	r->count++;
}

static void
on_addresses(void *ctx, int status, int timeouts, struct ares_addrinfo *info)
{
	const struct resolve_lookup *l = ctx;
	struct resolve *r = l->r;

	(void)timeouts;
	r->pending--;
	if (r->ending) {
		ares_freeaddrinfo(info);
		return;
	}
	/* That one family has none is no news. */
	if (status != ARES_SUCCESS && (r->error == 0 || r->error == -ENOENT))
		r->error = error_of(status);
	if (status == ARES_SUCCESS && info) {
		for (struct ares_addrinfo_node *n = info->nodes; n; n = n->ai_next) {
			struct sockaddr_storage ss = { .ss_family = AF_UNSPEC };
			struct endpoint e;

			memcpy(&ss, n->ai_addr, MIN(n->ai_addrlen, sizeof(ss)));
			e = sock_endpoint(&ss);
			e.port = l->port;
			if (e.addr.family != ADDR_NONE)
				add_endpoint(r, &e, l->rank);
		}
		if (r->count && r->tell_at == MSEC_NEVER && r->pending > 0)
			r->tell_at = loop_now() + DELAY_MS;
	}
	ares_freeaddrinfo(info);
}

static void
look_up(struct resolve *r, const char *name, uint16_t port, unsigned rank)
{
	static const int families[] = { AF_INET6, AF_INET };

	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		const struct ares_addrinfo_hints hints = {
			.ai_flags = ARES_AI_NOSORT,
			.ai_family = families[i],
			.ai_socktype = SOCK_DGRAM,
		};
		struct resolve_lookup *l = &r->lookups[r->lookups_count++];

		*l = (struct resolve_lookup) { r, port, rank };
		r->pending++;
		ares_getaddrinfo(r->channel, name, NULL, &hints, on_addresses, l);
	}
}

/* Without SRV records, or while there is no answer about them: behind all of them. */
static void
look_up_host(struct resolve *r)
{
	if (r->srv_at == MSEC_NEVER)
		return;
	r->srv_at = MSEC_NEVER;
	look_up(r, r->host, r->default_port, TARGETS_MAX);
}

/* The next target by RFC 2782: lowest priority, among these at random by weight. */
static struct ares_srv_reply *
next_target(struct ares_srv_reply *list)
{
	struct ares_srv_reply *chosen = NULL;
	uint64_t sum = 0;

	for (struct ares_srv_reply *s = list; s; s = s->next)
		if (s->host && (!chosen || s->priority < chosen->priority))
			chosen = s;
	for (struct ares_srv_reply *s = list; s && chosen; s = s->next)
		if (s->host && s->priority == chosen->priority) {
			sum += s->weight + UINT64_C(1);
			if (random_u64() % sum < s->weight + UINT64_C(1))
				chosen = s;
		}
	return chosen;
}

static void
on_srv(void *ctx, int status, int timeouts, unsigned char *answer, int len)
{
	struct resolve *r = ctx;
	struct ares_srv_reply *list = NULL, *s;

	(void)timeouts;
	r->pending--;
	if (r->ending)
		return;
	if (status == ARES_SUCCESS)
		ares_parse_srv_reply(answer, len, &list);
	if (!list) {
		look_up_host(r);
		return;
	}
	r->srv_at = MSEC_NEVER;
	r->error = -ENOENT;
	for (unsigned rank = 0; rank < TARGETS_MAX && (s = next_target(list)); rank++) {
		/* "." says that there is no such service. */
		if (s->host[0] != '\0' && strcmp(s->host, ".") != 0)
			look_up(r, s->host, s->port, rank);
		ares_free_string(s->host);
		s->host = NULL;
	}
	ares_free_data(list);
}

/* ---- start ---- */

static int
open_channel(struct resolve *r, const struct resolve_question *q)
{
	struct ares_options options = {
		/* A name with a dot is whole; nobody's search list sees it. */
		.flags = strchr(q->host, '.') ? ARES_FLAG_NOSEARCH : 0,
		.timeout = QUERY_MS,
		.tries = TRIES,
		.sock_state_cb = on_socket_state,
		.sock_state_cb_data = r,
	};
	int status = ares_init_options(&r->channel, &options,
	    ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES |
		ARES_OPT_SOCK_STATE_CB);

	if (status != ARES_SUCCESS) {
		r->channel = NULL;
		return status == ARES_ENOMEM ? -ENOMEM : -EIO;
	}
	if (q->servers &&
	    ares_set_servers_ports_csv(r->channel, q->servers) != ARES_SUCCESS)
		return -EINVAL;
	return 0;
}

int
resolve_start(struct loop *loop, const struct resolve_question *q, resolve_done done,
    void *ctx, struct resolve **ret)
{
	struct resolve *r = calloc(1, sizeof(*r));
	struct endpoint e = { .port = q->port ? q->port : q->default_port };
	char name[NAME_MAX_LEN + 32];
	int err;

	if (!r)
		return -ENOMEM;
	r->loop = loop;
	r->done = done;
	r->ctx = ctx;
	r->tell_at = r->srv_at = MSEC_NEVER;
	r->limit_at = loop_now() + (q->limit_ms ? q->limit_ms : RESOLVE_MS);
	r->default_port = e.port;
	err = timer_init(&r->timer, loop, on_timer, r);
	if (err < 0) {
		free(r);
		return err;
	}
	if (sock_addr_parse(q->host, &e.addr) == 0) {
		add_endpoint(r, &e, 0);
		r->error = -ENOENT;
		timer_set(&r->timer, loop_now());
		*ret = r;
		return 0;
	}
	if (snprintf(r->host, sizeof(r->host), "%s", q->host) >= (int)sizeof(r->host))
		err = -EINVAL;
	else
		err = open_channel(r, q);
	if (err < 0) {
		resolve_cancel(r);
		return err;
	}
	if (q->service && q->port == 0) {
		snprintf(name, sizeof(name), "%s.%s", q->service, q->host);
		r->pending++;
		r->srv_at = loop_now() + SRV_MS;
		ares_query(r->channel, name, ns_c_in, ns_t_srv, on_srv, r);
	} else {
		look_up(r, r->host, e.port, 0);
	}
	/* In the next turn if all is known by now (from /etc/hosts). */
	if (r->pending == 0)
		timer_set(&r->timer, loop_now());
	else
		schedule(r);
	*ret = r;
	return 0;
}
