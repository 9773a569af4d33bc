/*
 * stun_ask.c - one question to a STUN server from here.
 *
 * Addresses are tried 250 ms apart, families in turn (RFC 8305): over UDP each gets
 * its request, over TCP its connect(), and the first that answers wins.
 */
#include "ctl/stun_ask.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "ctl/client.h"
#include "ctl/stun_names.h"
#include "ctl/stun_socket.h"
#include "proto/crypto.h"
#include "proto/stun_attr.h"
#include "proto/stun_binding.h"
#include "proto/text.h"

#define MESSAGE_MAX 2048

struct ask {
	const struct stun_question *q;
	struct endpoint list[STUN_NAMES_MAX];
	size_t count;
	msec_t deadline;
	struct crypto_rng *ids;
	struct rng rng;
	struct tls_trust *trust;
	char host[STUN_HOST_MAX];  /* what the certificate must be for */
	char trouble[TLS_WHY_MAX]; /* of TLS, or "" */
	char *why;
};

static int
fail(struct ask *a, int error, const char *why)
{
	snprintf(a->why, STUN_WHY_MAX, "%s", why);
	return error;
}

static int
fail_errno(struct ask *a, int error)
{
	if (error == -ETIMEDOUT)
		return fail(a, error, "no answer in time");
	if (error == -ECONNREFUSED)
		return fail(a, error, "nobody listens there");
	if (error == -EBADMSG)
		return fail(a, error, "what answers there does not speak STUN");
	return fail(a, error, a->trouble[0] ? a->trouble : strerror(-error));
}

/* ---- connecting ---- */

static int
poll_until(struct pollfd *fds, size_t n, msec_t deadline)
{
	msec_t left = deadline - client_now();

	return poll(fds, n, (int)MAX(0, MIN(left, 60 * MSEC_PER_SEC)));
}

static int
new_socket(struct ask *a, const struct endpoint *to, enum stun_transport transport,
    struct stun_socket **ret)
{
	const struct stun_link_params p = {
		.transport = transport,
		.host = a->host,
		.trust = a->trust,
		.rng = a->ids,
	};

	return stun_socket_new(to, &p, ret);
}

/* Connections that are tried at the same time. */
struct race {
	struct stun_socket *sockets[STUN_NAMES_MAX]; /* NULL: failed, or not begun */
	size_t tried, left;
	int error; /* of the last one that failed */
};

static void
race_done(struct race *r)
{
	for (size_t i = 0; i < r->tried; i++)
		stun_socket_close(r->sockets[i]);
}

static void
race_join(struct ask *a, struct race *r)
{
	int err =
	    new_socket(a, &a->list[r->tried], a->q->transport, &r->sockets[r->tried]);

	r->tried++;
	if (err == 0)
		r->left++;
	else
		r->error = err;
}

/* Waits until something happens, and serves it. */
static void
race_turn(struct ask *a, struct race *r, msec_t until)
{
	struct pollfd polls[STUN_NAMES_MAX];

	for (size_t i = 0; i < r->tried; i++) {
		struct stun_socket *s = r->sockets[i];

		polls[i].fd = s ? stun_socket_fd(s) : -1;
		polls[i].events = s ? stun_socket_events(s) : 0;
		until = s ? MIN(until, stun_socket_due(s)) : until;
	}
	if (poll_until(polls, r->tried, until) < 0)
		return;
	for (size_t i = 0; i < r->tried; i++) {
		struct stun_socket *s = r->sockets[i];
		int err = s ? stun_socket_turn(s, polls[i].revents) : 0;

		if (err == 0)
			continue;
		r->error = err;
		snprintf(a->trouble, sizeof(a->trouble), "%s", stun_socket_why(s));
		r->sockets[i] = stun_socket_close(s);
		r->left--;
	}
}

/* The first connection that is open, of those begun 250 ms apart (RFC 8305). */
static int
open_first(struct ask *a, struct endpoint *ret_server, struct stun_socket **ret)
{
	_cleanup_(race_done) struct race r = { .error = -ETIMEDOUT };
	msec_t next = client_now();

	for (;;) {
		bool more = r.tried < a->count;

		if (more && (client_now() >= next || r.left == 0)) {
			race_join(a, &r);
			next = client_now() + STUN_JOIN_MS;
			continue;
		}
		if (r.left == 0)
			return r.error;
		if (client_now() >= a->deadline)
			return -ETIMEDOUT;
		race_turn(a, &r, more ? MIN(next, a->deadline) : a->deadline);
		for (size_t i = 0; i < r.tried; i++) {
			if (!r.sockets[i] || !stun_socket_is_open(r.sockets[i]))
				continue;
			*ret_server = a->list[i];
			*ret = TAKE_PTR(r.sockets[i]);
			return 0;
		}
	}
}

/* ---- one connection ---- */

static void
take(const struct stun_client_answer *answer, const struct endpoint *server,
    const struct endpoint *local, struct stun_found *ret)
{
	const uint8_t *software;
	size_t len;

	*ret = (struct stun_found) {
		.server = *server,
		.local = *local,
		.reflexive = answer->mapped,
		.round_trip_ms = answer->round_trip_ms,
		.rewritten = answer->rewritten,
	};
	if (stun_get_address(&answer->msg, STUN_OTHER_ADDRESS, &ret->other) < 0)
		ret->other.addr.family = ADDR_NONE;
	if (stun_get_bytes(&answer->msg, STUN_SOFTWARE, &software, &len) == 0)
		text_copy_printable(
		    ret->software, sizeof(ret->software), (const char *)software, len);
}

static int
refused(struct ask *a, const struct stun_client_answer *answer)
{
	if (answer->code)
		snprintf(a->why, STUN_WHY_MAX, "it answered with error %u %s",
		    answer->code, answer->reason);
	else
		snprintf(a->why, STUN_WHY_MAX, "%s", answer->reason);
	return -EPROTO;
}

/* 0; 1: asked to go to *ret_alternate; -errno. */
static int
exchange(struct ask *a, struct stun_socket *l, const struct endpoint *server,
    bool redirected, struct stun_found *ret, struct endpoint *ret_alternate)
{
	struct endpoint local = stun_socket_local(l);
	struct stun_client_answer answer;
	struct stun_client c;
	struct stun_id id;
	uint8_t buf[MESSAGE_MAX];

	if (crypto_rng_fill(a->ids, id.bytes, sizeof(id.bytes)) < 0)
		return fail(a, -EIO, "no random numbers");
	stun_client_begin(&c, &id, STUN_BINDING, server,
	    stun_transport_is_stream(a->q->transport), NULL, client_now());
	c.redirected = redirected;
	for (;;) {
		enum stun_client_act act = stun_client_poll(&c, &a->rng, client_now());
		ssize_t n = 0;

		if (act == STUN_CLIENT_TIMED_OUT || client_now() >= a->deadline)
			return fail_errno(a, -ETIMEDOUT);
		if (act == STUN_CLIENT_SEND) {
			n = stun_client_binding(&c, buf, sizeof(buf));
			n = stun_socket_send(l, buf, (size_t)n);
		}
		if (n >= 0)
			n = stun_socket_receive(
			    l, buf, sizeof(buf), MIN(c.due_at, a->deadline));
		if (n == -ETIMEDOUT)
			continue;
		if (n < 0)
			return fail_errno(a, (int)n);
		switch (stun_client_receive(
		    &c, buf, (size_t)n, NULL, client_now(), &answer)) {
		case STUN_CLIENT_IGNORED:
			break;
		case STUN_CLIENT_ANSWERED:
			take(&answer, server, &local, ret);
			return 0;
		case STUN_CLIENT_TRY_OTHER:
			*ret_alternate = answer.alternate;
			stun_client_domain(&answer, a->host);
			return 1;
		case STUN_CLIENT_REFUSED:
			return refused(a, &answer);
		}
	}
}

/* TCP, TLS and DTLS: connect, ask; sent elsewhere once at most. */
static int
ask_connected(struct ask *a, struct stun_found *ret)
{
	struct endpoint server, alternate;
	int r = 1;

	for (bool redirected = false; r == 1; redirected = true) {
		_cleanup_(stun_socket_closep) struct stun_socket *l = NULL;

		r = open_first(a, &server, &l);
		if (r < 0)
			return fail_errno(a, r);
		r = exchange(a, l, &server, redirected, ret, &alternate);
		a->list[0] = alternate;
		a->count = 1;
	}
	return r;
}

/* ---- UDP ---- */

struct udp {
	struct stun_binding b;
	struct stun_chance chance;
	struct stun_socket *links[STUN_BINDING_ATTEMPTS];
	size_t next;
	int error;
	struct stun_client_answer answer;
	struct stun_found found;
	bool has_found;
};

static void
open_udp(struct ask *a, struct udp *u, unsigned slot, const struct endpoint *to)
{
	int r = new_socket(a, to, STUN_UDP, &u->links[slot]);

	if (r == 0)
		r = stun_binding_opened(
		    &u->b, &u->chance, slot, 0, to, NULL, client_now());
	if (r < 0) {
		u->error = r;
		u->links[slot] = stun_socket_close(u->links[slot]);
	}
}

/* What the machine says; true: the end. */
static bool
act_udp(struct ask *a, struct udp *u)
{
	struct stun_binding_step step;

	switch (stun_binding_next(&u->b, &u->chance, client_now(), &step)) {
	case STUN_BINDING_WAIT:
		return true;
	case STUN_BINDING_OPEN:
		if (u->next < a->count)
			open_udp(a, u, step.slot, &a->list[u->next++]);
		else
			stun_binding_none(&u->b, step.slot, client_now());
		break;
	case STUN_BINDING_REOPEN:
		u->links[step.slot] = stun_socket_close(u->links[step.slot]);
		open_udp(a, u, step.slot, &step.to);
		if (!u->links[step.slot])
			stun_binding_none(&u->b, step.slot, client_now());
		break;
	case STUN_BINDING_SEND:
		u->error =
		    stun_socket_send(u->links[step.slot], step.buf, sizeof(step.buf));
		if (u->error < 0)
			stun_binding_error(&u->b, step.slot, u->error, client_now());
		break;
	case STUN_BINDING_CLOSE:
		u->links[step.slot] = stun_socket_close(u->links[step.slot]);
		break;
	case STUN_BINDING_FOUND:
		u->has_found = true;
		return true;
	case STUN_BINDING_LOST:
		a->deadline = 0;
		return true;
	}
	return false;
}

static void
hear_udp(struct udp *u, unsigned slot)
{
	uint8_t buf[MESSAGE_MAX];
	ssize_t n = stun_socket_receive(u->links[slot], buf, sizeof(buf), client_now());
	struct stun_client_answer answer;

	if (n == -ETIMEDOUT)
		return;
	if (n < 0) {
		u->error = (int)n;
		stun_binding_error(&u->b, slot, (int)n, client_now());
		return;
	}
	switch (stun_binding_receive(
	    &u->b, slot, &u->chance, buf, (size_t)n, client_now(), &answer)) {
	case STUN_CLIENT_IGNORED:
	case STUN_CLIENT_TRY_OTHER:
		break;
	case STUN_CLIENT_ANSWERED: {
		struct endpoint local = stun_socket_local(u->links[slot]);

		take(&answer, &u->b.server, &local, &u->found);
		break;
	}
	case STUN_CLIENT_REFUSED:
		u->answer = answer;
		break;
	}
}

static int
run_udp(struct ask *a, struct udp *u)
{
	while (!u->has_found && client_now() < a->deadline) {
		struct pollfd polls[STUN_BINDING_ATTEMPTS];

		while (!act_udp(a, u))
			;
		if (u->has_found || a->deadline == 0)
			break;
		for (unsigned i = 0; i < STUN_BINDING_ATTEMPTS; i++)
			polls[i] = (struct pollfd) {
				.fd = u->links[i] ? stun_socket_fd(u->links[i]) : -1,
				.events = POLLIN
			};
		poll_until(
		    polls, STUN_BINDING_ATTEMPTS, MIN(u->b.wake_at, a->deadline));
		for (unsigned i = 0; i < STUN_BINDING_ATTEMPTS; i++)
			if (u->links[i] && polls[i].revents)
				hear_udp(u, i);
	}
	if (u->has_found)
		return 0;
	if (u->answer.code || u->answer.reason[0])
		return refused(a, &u->answer);
	return fail_errno(a, u->error < 0 ? u->error : -ETIMEDOUT);
}

static int
ask_udp(struct ask *a, struct stun_found *ret)
{
	struct udp u = { .chance = { a->ids, &a->rng } };
	int r;

	stun_binding_init(&u.b, STUN_KEEPALIVE_MS, client_now());
	r = run_udp(a, &u);
	for (unsigned i = 0; i < STUN_BINDING_ATTEMPTS; i++)
		stun_socket_close(u.links[i]);
	if (r == 0)
		*ret = u.found;
	return r;
}

static int
load_trust(struct ask *a, struct tls_trust **ret)
{
	const char *file = getenv("SSL_CERT_FILE");

	if (a->q->transport != STUN_TLS && a->q->transport != STUN_DTLS)
		return 0;
	if (!file || !*file)
		file = TLS_AUTHORITIES;
	if (tls_trust_load(file, ret) == 0) {
		a->trust = *ret;
		return 0;
	}
	snprintf(a->why, STUN_WHY_MAX,
	    "there are no authorities to check its certificate with in %s", file);
	return -ENOENT;
}

int
stun_ask(const struct stun_question *q, struct stun_found *ret,
    char why[static STUN_WHY_MAX])
{
	_cleanup_(crypto_rng_freep) struct crypto_rng *ids = NULL;
	_cleanup_(tls_trust_freep) struct tls_trust *trust = NULL;
	struct ask a = { .q = q, .why = why };
	uint8_t seed[CRYPTO_RNG_SEED_LEN];
	const char *reason;

	if (getrandom(seed, sizeof(seed), 0) != sizeof(seed) ||
	    crypto_rng_new(seed, &ids) < 0)
		return fail(&a, -EIO, "no random numbers");
	memcpy(&a.rng.state, seed, sizeof(a.rng.state));
	a.ids = ids;
	snprintf(a.host, sizeof(a.host), "%s", q->server.host);
	if (load_trust(&a, &trust) < 0)
		return -ENOENT;
	a.deadline = client_now() + q->patience_ms;
	a.count = stun_names(
	    &q->server, q->transport, q->family, a.deadline, a.list, &reason);
	if (a.count == 0)
		return fail(&a, reason ? -ENOENT : -ETIMEDOUT,
		    reason ? reason : "the DNS does not answer in time");
	return q->transport == STUN_UDP ? ask_udp(&a, ret) : ask_connected(&a, ret);
}
