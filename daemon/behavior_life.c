/*
 * behavior_life.c - how long a binding lives on the way out, searched for in the
 * background once an uplink's NAT was looked at; what the keepalives then follow.
 */
#include <stdlib.h>

#include "daemon/behavior_private.h"
#include "daemon/log.h"
#include "daemon/sock.h"
#include "proto/lifetime.h"

#define LIFE_FRESH_MS (3600 * MSEC_PER_SEC)

struct life {
	struct look *look;
	struct lifetime machine;
	struct look_socket sockets[LIFETIME_SOCKETS];
	struct timer timer;
};

struct life *
life_free(struct life *life)
{
	if (!life)
		return NULL;
	for (unsigned i = 0; i < LIFETIME_SOCKETS; i++)
		look_socket_close(&life->sockets[i]);
	timer_done(&life->timer);
	free(life);
	return NULL;
}

void
life_apply(const struct look *l)
{
	const struct gateway *g = look_gateway(l);

	if (l->status.lifetime_s > 0 && g && gateway_uplink(g)->is_default)
		stun_set_lifetime(l->all->stun, l->source.family, l->status.lifetime_s);
}

static void
found(struct look *l)
{
	unsigned s = lifetime_seconds(&l->life->machine);
	int8_t fragments = lifetime_fragments(&l->life->machine);

	l->life = life_free(l->life);
	if (fragments >= 0)
		l->status.fragments = fragments;
	if (fragments == 0)
		log_info("%s: UDP datagrams that need fragments do not come through",
		    l->uplink.name);
	if (s == 0)
		return;
	log_info("%s: an idle UDP binding lives %u s%s", l->uplink.name, s,
	    s == LIFETIME_MAX_S ? " or longer" : "");
	l->status.lifetime_s = s;
	life_apply(l);
	look_tell(l);
}

static void
pump(struct look *l)
{
	struct life *life = l->life;
	struct lifetime_send s;
	struct endpoint local;

	for (;;)
		switch (
		    lifetime_next(&life->machine, &l->all->chance, loop_now(), &s)) {
		case LIFETIME_FRESH:
			look_socket_close(&life->sockets[s.socket]);
			lifetime_opened(&life->machine, s.socket,
			    look_socket_open(&life->sockets[s.socket], &local) == 0);
			break;
		case LIFETIME_SEND:
			/* What cannot be sent is as good as lost. */
			(void)sock_send_to(
			    life->sockets[s.socket].fd, s.buf, s.len, &s.to);
			break;
		case LIFETIME_WAIT:
			timer_set(&life->timer, life->machine.wake_at);
			return;
		case LIFETIME_DONE:
			found(l);
			return;
		}
}

static void
received(struct look *l, unsigned number, const struct endpoint *from,
    const uint8_t *buf, size_t len)
{
	lifetime_receive(&l->life->machine, number, from, buf, len, loop_now());
}

static void
on_timer(void *ctx)
{
	struct life *life = ctx;

	/* What came in time counts, even if nobody had time to read it. */
	for (unsigned i = 0; i < LIFETIME_SOCKETS; i++)
		look_socket_read(&life->sockets[i]);
	pump(life->look);
}

void
life_start(struct look *l)
{
	const struct behavior_result *r = &l->status.result;
	msec_t now = loop_now();
	struct endpoint server;
	struct life *life;

	/* Where nothing is translated and everything let in, nothing can end. */
	if (l->life || !behavior_full_server(&l->machine, &server) ||
	    (r->mapping == BEHAVIOR_NONE &&
		r->filtering == BEHAVIOR_ENDPOINT_INDEPENDENT) ||
	    (l->life_at && now - l->life_at < LIFE_FRESH_MS))
		return;
	life = calloc(1, sizeof(*life));
	if (!life || timer_init(&life->timer, l->all->loop, on_timer, life) < 0) {
		free(life);
		return;
	}
	life->look = l;
	for (unsigned i = 0; i < LIFETIME_SOCKETS; i++)
		life->sockets[i] =
		    (struct look_socket) { l, i, -1, NULL, received, pump };
	l->life = life;
	l->life_at = now;
	lifetime_init(&life->machine, &server, now);
	pump(l);
}
