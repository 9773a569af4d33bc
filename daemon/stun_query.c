/*
 * stun_query.c - one Binding request over TCP, TLS or DTLS.
 *
 * Whatever happens to an attempt only notes what became of it; settle(), at the end of
 * each turn, acts on that: the next address, the next deadline, or the end.
 */
#include "daemon/stun_query.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ATTEMPTS 3
#define READS_PER_TURN 4
#define WHY_MAX 192

struct attempt {
	struct stun_query *query;
	int fd; /* -1: free */
	struct event *readable, *writable;
	struct stun_link *link; /* NULL: not connected yet */
	struct stun_client client;
	struct endpoint to;
	char host[STUN_HOST_MAX]; /* what the certificate must be for */
	bool redirected;
};

struct stun_query {
	struct loop *loop;
	const struct stun_chance *chance; /* borrowed */
	struct stun_query_params p;
	struct endpoint list[STUN_QUERY_ADDRESSES];
	size_t next; /* in list */
	struct attempt attempts[ATTEMPTS];
	struct timer timer;
	msec_t join_at, limit_at;
	stun_query_done done;
	void *ctx;
	bool answered;
	struct stun_query_answer answer;
	int error; /* of the last attempt that failed */
	char why[WHY_MAX];
};

/* ---- attempts ---- */

static void
hang_up(struct attempt *a)
{
	if (a->readable)
		event_free(a->readable);
	if (a->writable)
		event_free(a->writable);
	a->readable = a->writable = NULL;
	a->link = stun_link_free(a->link);
	if (a->fd >= 0)
		close(a->fd);
	a->fd = -1;
}

static const char *
words(int error)
{
	switch (-error) {
	case ETIMEDOUT:
		return "no answer in time";
	case ECONNREFUSED:
		return "nobody listens there";
	case EBADMSG:
		return "what answers there does not speak STUN";
	default: /* of errno */
		return strerror(-error);
	}
}

/* The next address need not wait for its turn. */
static void
fail(struct attempt *a, int error, const char *why)
{
	struct stun_query *q = a->query;

	q->error = error;
	snprintf(q->why, sizeof(q->why), "%s", why && *why ? why : words(error));
	hang_up(a);
	q->join_at = MIN(q->join_at, loop_now());
}

static int
write_some(struct attempt *a)
{
	const uint8_t *bytes;
	size_t len;

	while ((len = stun_link_output(a->link, &bytes)) > 0) {
		ssize_t n = send(a->fd, bytes, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN)
			return event_add(a->writable, NULL) == 0 ? 0 : -ENOMEM;
		if (n < 0)
			return -errno;
		stun_link_sent(a->link, (size_t)n);
	}
	return 0;
}

/* The request, when it is due; and what else there is to write. */
static int
send_due(struct attempt *a)
{
	const struct stun_chance *chance = a->query->chance;
	bool reliable = stun_transport_is_stream(a->query->p.transport);
	uint8_t buf[STUN_HEADER_LEN];
	msec_t now = loop_now();
	struct stun_id id;
	int r = stun_link_tick(a->link, now);

	if (r < 0)
		return r;
	if (stun_link_is_open(a->link)) {
		if (a->client.method == 0) {
			r = crypto_rng_fill(chance->ids, id.bytes, sizeof(id.bytes));
			if (r < 0)
				return r;
			stun_client_begin(
			    &a->client, &id, STUN_BINDING, &a->to, reliable, NULL, now);
			a->client.redirected = a->redirected;
		}
		switch (stun_client_poll(&a->client, chance->rng, now)) {
		case STUN_CLIENT_WAIT:
			break;
		case STUN_CLIENT_SEND:
			stun_client_binding(&a->client, buf, sizeof(buf));
			r = stun_link_send(a->link, buf, sizeof(buf));
			break;
		case STUN_CLIENT_TIMED_OUT:
			return -ETIMEDOUT;
		}
	}
	return r < 0 ? r : write_some(a);
}

/* An alert goes, if it can. */
static void
fail_link(struct attempt *a, int error)
{
	const char *why = error == -EBADMSG ? NULL : stun_link_why(a->link);
	char copy[WHY_MAX];

	snprintf(copy, sizeof(copy), "%s", why ? why : "");
	write_some(a);
	fail(a, error, copy);
}

static void start(struct attempt *a, const struct endpoint *to, bool redirected);

static void
refused(struct attempt *a, const struct stun_client_answer *answer)
{
	char why[WHY_MAX];

	if (answer->code)
		snprintf(why, sizeof(why), "it answered with error %u %s", answer->code,
		    answer->reason);
	else
		snprintf(why, sizeof(why), "%s", answer->reason);
	fail(a, -EPROTO, why);
}

static void
won(struct attempt *a, const struct stun_client_answer *answer)
{
	struct stun_query *q = a->query;
	struct endpoint local = { .port = 0 };

	(void)sock_name(a->fd, &local);
	q->answered = true;
	q->answer = (struct stun_query_answer) {
		.server = a->to,
		.local = local,
		.mapped = answer->mapped,
		.round_trip_ms = answer->round_trip_ms,
	};
	stun_link_goodbye(a->link);
	write_some(a);
}

/* Whether this attempt goes on. */
static bool
take_message(struct attempt *a, const uint8_t *buf, size_t len)
{
	struct stun_client_answer answer;

	if (a->client.method == 0)
		return true;
	switch (stun_client_receive(&a->client, buf, len, NULL, loop_now(), &answer)) {
	case STUN_CLIENT_IGNORED:
		return true;
	case STUN_CLIENT_ANSWERED:
		won(a, &answer);
		return false;
	case STUN_CLIENT_TRY_OTHER:
		stun_client_domain(&answer, a->host);
		hang_up(a);
		start(a, &answer.alternate, true);
		return false;
	case STUN_CLIENT_REFUSED:
		refused(a, &answer);
		return false;
	}
	return false;
}

/* What was read is fed, what is whole is taken.  Whether this attempt goes on. */
static bool
take_bytes(struct attempt *a, const uint8_t *bytes, size_t n)
{
	uint8_t buf[STUN_LINK_MESSAGE_MAX];
	int r = stun_link_feed(a->link, bytes, n, loop_now());
	ssize_t len = 0;

	while (r == 0 && (len = stun_link_receive(a->link, buf, sizeof(buf))) > 0)
		if (!take_message(a, buf, (size_t)len))
			return false;
	if (r == 0)
		r = len < 0 ? (int)len : send_due(a);
	if (r < 0)
		fail_link(a, r);
	return r == 0;
}

static void settle(struct stun_query *q);

static void
on_readable(evutil_socket_t fd, short what, void *ctx)
{
	struct attempt *a = ctx;
	struct stun_query *q = a->query;
	bool stream = stun_transport_is_stream(q->p.transport);
	uint8_t buf[STUN_LINK_FEED_MAX];

	(void)what;
	for (unsigned i = 0; i < READS_PER_TURN; i++) {
		ssize_t n = recv(fd, buf, sizeof(buf), 0);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			break;
		if (n < 0 || (n == 0 && stream)) {
			fail(a, n < 0 ? -errno : -ECONNRESET,
			    n < 0 ? NULL : "it closed the connection");
			break;
		}
		if (!take_bytes(a, buf, (size_t)n))
			break;
	}
	settle(q);
}

/* Connected: the link begins to speak. */
static void
speak(struct attempt *a)
{
	struct stun_query *q = a->query;
	const struct stun_link_params p = { q->p.transport, a->host, q->p.trust,
		q->chance->ids };
	int r = stun_link_new(&p, loop_now(), &a->link);

	if (r < 0) {
		fail(a, r, NULL);
		return;
	}
	r = event_add(a->readable, NULL) == 0 ? send_due(a) : -ENOMEM;
	if (r < 0)
		fail_link(a, r);
}

static void
on_writable(evutil_socket_t fd, short what, void *ctx)
{
	struct attempt *a = ctx;
	struct stun_query *q = a->query;
	int error = 0, r;
	socklen_t len = sizeof(error);

	(void)what;
	if (a->link) {
		r = write_some(a);
		if (r < 0)
			fail_link(a, r);
	} else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 || error) {
		fail(a, error ? -error : -errno, NULL);
	} else {
		speak(a);
	}
	settle(q);
}

static int
connect_to(const struct stun_query *q, const struct endpoint *to)
{
	struct sockaddr_storage ss;
	socklen_t len = sock_addr(to, &ss);
	int fd;

	if (!stun_transport_is_stream(q->p.transport))
		return sock_connected_udp(&q->p.from, to);
	fd = sock_open(SOCK_STREAM, &q->p.from);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&ss, len) < 0 &&
	    errno != EINPROGRESS) {
		int r = -errno;

		close(fd);
		return r;
	}
	return fd;
}

static void
start(struct attempt *a, const struct endpoint *to, bool redirected)
{
	struct stun_query *q = a->query;
	struct event_base *base = loop_base(q->loop);

	a->to = *to;
	a->redirected = redirected;
	a->client = (struct stun_client) { .method = 0 };
	a->fd = connect_to(q, to);
	if (a->fd < 0) {
		int error = a->fd;

		a->fd = -1;
		fail(a, error, NULL);
		return;
	}
	a->readable = event_new(base, a->fd, EV_READ | EV_PERSIST, on_readable, a);
	a->writable = event_new(base, a->fd, EV_WRITE, on_writable, a);
	/* A datagram socket is writable at once, so that all begin there. */
	if (!a->readable || !a->writable || event_add(a->writable, NULL) < 0)
		fail(a, -ENOMEM, NULL);
}

/* ---- all together ---- */

/* may_join() says that there is a place. */
static void
join(struct stun_query *q, const struct endpoint *to)
{
	struct attempt *a = q->attempts;

	while (a->fd >= 0)
		a++;
	snprintf(a->host, sizeof(a->host), "%s", q->p.host);
	start(a, to, false);
}

static unsigned
count_attempts(const struct stun_query *q, bool open)
{
	unsigned n = 0;

	for (unsigned i = 0; i < ATTEMPTS; i++) {
		const struct attempt *a = &q->attempts[i];

		n += a->fd >= 0 && (!open || (a->link && stun_link_is_open(a->link)));
	}
	return n;
}

static bool
may_join(const struct stun_query *q)
{
	return q->next < q->p.count && count_attempts(q, false) < ATTEMPTS;
}

static msec_t
next_deadline(const struct stun_query *q)
{
	msec_t at = may_join(q) ? q->join_at : MSEC_NEVER;

	for (unsigned i = 0; i < ATTEMPTS; i++) {
		const struct attempt *a = &q->attempts[i];

		if (a->fd < 0 || !a->link)
			continue;
		at = MIN(at, stun_link_due(a->link));
		if (a->client.method != 0)
			at = MIN(at, a->client.due_at);
	}
	return count_attempts(q, true) ? at : MIN(at, q->limit_at);
}

struct stun_query *
stun_query_cancel(struct stun_query *q)
{
	if (!q)
		return NULL;
	for (unsigned i = 0; i < ATTEMPTS; i++)
		hang_up(&q->attempts[i]);
	timer_done(&q->timer);
	free(q);
	return NULL;
}

/* The owner is told last, it may start the next query at once. */
static void
finish(struct stun_query *q)
{
	stun_query_done done = q->done;
	void *ctx = q->ctx;
	struct stun_query_answer answer = q->answer;
	int error = q->answered ? 0 : q->error ? q->error : -ETIMEDOUT;
	char why[WHY_MAX];

	snprintf(why, sizeof(why), "%s",
	    error == 0  ? ""
	    : q->why[0] ? q->why
			: words(error));
	stun_query_cancel(q);
	done(error, why, error == 0 ? &answer : NULL, ctx);
}

static void
settle(struct stun_query *q)
{
	msec_t now = loop_now();

	while (!q->answered && may_join(q) && now >= q->join_at) {
		q->join_at = now + STUN_JOIN_MS;
		join(q, &q->list[q->next++]);
	}
	if (q->answered || (count_attempts(q, false) == 0 && q->next == q->p.count) ||
	    (now >= q->limit_at && count_attempts(q, true) == 0)) {
		finish(q);
		return;
	}
	timer_set(&q->timer, next_deadline(q));
}

static void
on_timer(void *ctx)
{
	struct stun_query *q = ctx;
	msec_t now = loop_now();

	for (unsigned i = 0; i < ATTEMPTS; i++) {
		struct attempt *a = &q->attempts[i];
		int r = 0;

		if (a->fd < 0 || !a->link)
			continue;
		if (now >= stun_link_due(a->link) ||
		    (a->client.method != 0 && now >= a->client.due_at))
			r = send_due(a);
		if (r < 0)
			fail_link(a, r);
	}
	settle(q);
}

int
stun_query_start(struct loop *loop, const struct stun_chance *chance,
    const struct stun_query_params *p, stun_query_done done, void *ctx,
    struct stun_query **ret)
{
	struct stun_query *q = calloc(1, sizeof(*q));
	int r;

	if (!q)
		return -ENOMEM;
	r = timer_init(&q->timer, loop, on_timer, q);
	if (r < 0) {
		free(q);
		return r;
	}
	q->loop = loop;
	q->chance = chance;
	q->p = *p;
	q->p.count = MIN(p->count, STUN_QUERY_ADDRESSES);
	memcpy(q->list, p->list, q->p.count * sizeof(*q->list));
	for (unsigned i = 0; i < ATTEMPTS; i++) {
		q->attempts[i].query = q;
		q->attempts[i].fd = -1;
	}
	q->done = done;
	q->ctx = ctx;
	q->join_at = loop_now();
	q->limit_at = q->join_at + STUN_QUERY_MS;
	timer_set(&q->timer, q->join_at);
	*ret = q;
	return 0;
}
