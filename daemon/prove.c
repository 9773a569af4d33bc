/*
 * prove.c - a proof from outside: its sockets, and one server after the other.
 */
#include "daemon/prove.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/random.h"
#include "daemon/sock.h"

#define NAMES_MS (3 * MSEC_PER_SEC)
#define LOOK_AGAIN_MS 50
#define SERVERS_MAX 4
#define ANSWER_MAX 1500
#define DATAGRAMS_PER_TURN 32
#define SOCKETS (STUN_PROVE_TARGET + 1)

struct proving_socket {
	struct prove *of;
	int fd; /* -1: closed */
	struct event *event;
};

struct prove {
	struct loop *loop;
	struct stun *stun;
	struct prove_settings settings;
	struct prove_hooks hooks;
	struct timer timer;
	msec_t began_at;
	struct proving_socket sockets[SOCKETS];
	struct stun_choice servers[SERVERS_MAX];
	size_t count, next;
	bool proving; /* else names are waited for */
	struct crypto_rng *ids;
	struct rng rng;
	struct stun_prove machine;
	struct prove_result result;
};

/* ---- sockets ---- */

static void step(struct prove *p);

static void
read_socket(struct prove *p, enum stun_prove_socket which)
{
	int fd = p->sockets[which].fd;
	const bool twin = which == STUN_PROVE_TARGET && p->settings.app;
	uint8_t buf[ANSWER_MAX];

	for (unsigned i = 0; fd >= 0 && i < DATAGRAMS_PER_TURN; i++) {
		struct endpoint from = p->machine.place;
		unsigned ifindex;
		ssize_t n = twin ? recv(fd, buf, sizeof(buf), MSG_DONTWAIT)
				 : sock_receive(fd, buf, sizeof(buf), &from, &ifindex);

		if (n < 0)
			return;
		stun_prove_receive(
		    &p->machine, which, &from, buf, (size_t)n, loop_now());
	}
}

static void
on_readable(evutil_socket_t fd, short what, void *ctx)
{
	struct proving_socket *s = ctx;

	(void)fd;
	(void)what;
	read_socket(s->of, (enum stun_prove_socket)(s - s->of->sockets));
	step(s->of);
}

/* Takes fd.  0 or -errno. */
static int
take_socket(struct prove *p, enum stun_prove_socket which, int fd)
{
	struct proving_socket *s = &p->sockets[which];

	if (fd < 0)
		return fd;
	sock_close(&s->fd, &s->event);
	s->fd = fd;
	return loop_watch(p->loop, fd, EV_READ, on_readable, s, &s->event);
}

/* The socket at which the answers should arrive. */
static bool
open_target(struct prove *p)
{
	struct endpoint local;

	return !p->settings.app ||
	       take_socket(p, STUN_PROVE_TARGET,
		   twin_open(p->settings.app, &p->machine.place, &local)) == 0;
}

/* ---- one server after the other ---- */

static void
finish(struct prove *p)
{
	timer_clear(&p->timer);
	p->hooks.done(&p->result, p->hooks.ctx);
}

/* False: there is none, and it is over. */
static bool
next_server(struct prove *p)
{
	const struct sock_from *from = &p->settings.from;

	if (p->next == p->count ||
	    take_socket(p, STUN_PROVE_ASK, sock_open(SOCK_DGRAM, from)) < 0 ||
	    take_socket(p, STUN_PROVE_CONTROL, sock_open(SOCK_DGRAM, from)) < 0) {
		finish(p);
		return false;
	}
	stun_prove_init(&p->machine, &p->servers[p->next++].endpoint, p->settings.place,
	    p->settings.port, loop_now());
	p->proving = true;
	p->hooks.asking(&p->machine.server, p->hooks.ctx);
	timer_set(&p->timer, loop_now());
	return true;
}

static void
find_servers(struct prove *p)
{
	msec_t now = loop_now();
	bool pending;

	p->count = stun_choose(
	    p->stun, p->settings.from.local.family, p->servers, SERVERS_MAX, &pending);
	if (p->count == 0 && pending && now < p->began_at + NAMES_MS)
		timer_set(&p->timer, now + LOOK_AGAIN_MS);
	else
		next_server(p);
}

/* Of servers that were of no use, the most telling one. */
static void
take_verdict(struct prove *p)
{
	const struct stun_prove *m = &p->machine;
	const bool told = p->result.verdict == STUN_PROVE_UNSURE ||
			  p->result.verdict == STUN_PROVE_UNSUPPORTED;

	if (!told || m->verdict == STUN_PROVE_OPEN || m->verdict == STUN_PROVE_CLOSED)
		p->result.verdict = m->verdict;
	p->result.place = m->place;
	p->result.seen = m->seen.addr;
}

static void
prove(struct prove *p)
{
	const struct stun_chance chance = { p->ids, &p->rng };
	struct stun_prove *m = &p->machine;
	struct stun_prove_send s;

	for (;;) {
		while (stun_prove_next(m, &chance, loop_now(), &s))
			/* What cannot be sent is as good as lost. */
			(void)sock_send_to(
			    p->sockets[s.socket].fd, s.buf, s.len, &s.to);
		if (m->verdict != STUN_PROVE_PENDING || m->ready ||
		    m->place.addr.family == ADDR_NONE)
			break;
		if (open_target(p))
			stun_prove_begin(m, loop_now());
		else
			m->verdict = STUN_PROVE_UNSUPPORTED;
	}
	switch (m->verdict) {
	case STUN_PROVE_PENDING:
		timer_set(&p->timer, m->wake_at);
		break;
	case STUN_PROVE_OPEN:
	case STUN_PROVE_CLOSED:
		take_verdict(p);
		finish(p);
		break;
	case STUN_PROVE_UNSURE:
	case STUN_PROVE_SILENT:
	case STUN_PROVE_UNSUPPORTED:
		take_verdict(p);
		next_server(p);
		break;
	}
}

static void
step(struct prove *p)
{
	if (!p->proving) {
		find_servers(p);
		return;
	}
	/* What came in time counts, even if nobody had time to read it. */
	for (unsigned i = 0; i < SOCKETS; i++)
		read_socket(p, (enum stun_prove_socket)i);
	prove(p);
}

static void
on_timer(void *ctx)
{
	step(ctx);
}

/* ---- life ---- */

static int
prepare(struct prove *p)
{
	uint8_t seed[CRYPTO_RNG_SEED_LEN];
	int r = timer_init(&p->timer, p->loop, on_timer, p);

	if (r < 0)
		return r;
	random_fill(seed, sizeof(seed));
	r = crypto_rng_new(seed, &p->ids);
	crypto_wipe(seed, sizeof(seed));
	p->rng.state = random_u64();
	return r;
}

int
prove_start(struct loop *loop, struct stun *stun, const struct prove_settings *settings,
    const struct prove_hooks *hooks, struct prove **ret)
{
	struct prove *p = calloc(1, sizeof(*p));
	int r;

	if (!p) {
		if (settings->fd >= 0)
			close(settings->fd);
		return -ENOMEM;
	}
	p->loop = loop;
	p->stun = stun;
	p->settings = *settings;
	p->hooks = *hooks;
	p->began_at = loop_now();
	for (unsigned i = 0; i < SOCKETS; i++)
		p->sockets[i] = (struct proving_socket) { .of = p, .fd = -1 };
	r = settings->app ? 0 : take_socket(p, STUN_PROVE_TARGET, settings->fd);
	if (r == 0)
		r = prepare(p);
	if (r < 0) {
		prove_stop(p);
		return r;
	}
	timer_set(&p->timer, p->began_at);
	*ret = p;
	return 0;
}

struct prove *
prove_stop(struct prove *p)
{
	if (!p)
		return NULL;
	for (unsigned i = 0; i < SOCKETS; i++)
		sock_close(&p->sockets[i].fd, &p->sockets[i].event);
	timer_done(&p->timer);
	crypto_rng_free(p->ids);
	free(p);
	return NULL;
}
