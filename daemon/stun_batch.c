/*
 * stun_batch.c - takes and answers datagrams in batches.
 *
 * Next to the kernel's work for a datagram ours is little, unless it misses the cache
 * or calls the kernel once more.  So answers lie close together, requests not a power
 * of two apart (which would have them compete for the same lines), the sender's address
 * goes back as it came, and the clock is read once for all.
 *
 * While somebody waits at a socket, if only epoll for something to read, the kernel
 * wakes him for each datagram that has left, too: that costs more than all we do for
 * it.  So in a flood the event is taken away until the datagrams at hand are answered.
 */
#include "daemon/stun_batch.h"

#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/loop.h"
#include "daemon/sock.h"

#define BATCH 32
#define BATCHES 8 /* then the others of the loop have their turn */
#define FLOOD 8   /* at once: enough to pay for two calls of the kernel */
#define LINE 64   /* of the cache */
#define APART (STUN_SERVER_MESSAGE_MAX + LINE)

union address {
	struct sockaddr generic;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

struct stun_batch {
	struct mmsghdr in[BATCH], out[BATCH];
	struct iovec in_iov[BATCH], out_iov[BATCH];
	union address from[BATCH];
	unsigned count; /* of out */
	size_t used;    /* of answers */
	uint8_t requests[BATCH][APART];
	uint8_t answers[BATCH * STUN_SERVER_MESSAGE_MAX];
};

int
stun_batch_new(struct stun_batch **ret)
{
	struct stun_batch *b = calloc(1, sizeof(*b));

	if (!b)
		return -ENOMEM;
	for (unsigned i = 0; i < BATCH; i++) {
		b->in_iov[i] =
		    (struct iovec) { b->requests[i], STUN_SERVER_MESSAGE_MAX };
		b->in[i].msg_hdr = (struct msghdr) { .msg_name = &b->from[i],
			.msg_iov = &b->in_iov[i],
			.msg_iovlen = 1 };
		b->out[i].msg_hdr =
		    (struct msghdr) { .msg_iov = &b->out_iov[i], .msg_iovlen = 1 };
	}
	*ret = b;
	return 0;
}

struct stun_batch *
stun_batch_free(struct stun_batch *b)
{
	free(b);
	return NULL;
}

static struct endpoint
endpoint_of(const union address *a)
{
	struct sockaddr_storage ss;

	if (a->generic.sa_family == AF_INET)
		return (struct endpoint) {
			.addr = addr_from_bytes(ADDR_IPV4, &a->in.sin_addr),
			.port = ntohs(a->in.sin_port),
		};
	memcpy(&ss, &a->in6, sizeof(a->in6));
	return sock_endpoint(&ss);
}

/* Both families have it in the same place. */
static void
set_port(union address *a, uint16_t port)
{
	a->in.sin_port = htons(port);
}

/* Answers the i-th of the batch; its answer joins those that are to be sent. */
static void
serve_one(
    struct stun_batch *b, unsigned i, msec_t now, stun_batch_serve *serve, void *ctx)
{
	const struct msghdr *in = &b->in[i].msg_hdr;
	struct msghdr *out = &b->out[b->count].msg_hdr;
	struct endpoint from = endpoint_of(&b->from[i]);
	uint16_t port = from.port;
	size_t len;

	if (in->msg_flags & MSG_TRUNC)
		return;
	len = serve(ctx, &from, now, b->requests[i], b->in[i].msg_len,
	    b->answers + b->used, &port);
	if (len == 0)
		return;
	if (port != from.port)
		set_port(&b->from[i], port);
	out->msg_name = in->msg_name;
	out->msg_namelen = in->msg_namelen;
	b->out_iov[b->count] = (struct iovec) { b->answers + b->used, len };
	b->count++;
	b->used += len;
}

/* A datagram that cannot be sent is left out. */
static void
send_all(struct stun_batch *b, int fd)
{
	unsigned sent = 0;

	while (sent < b->count) {
		int n = sendmmsg(fd, b->out + sent, b->count - sent, MSG_DONTWAIT);

		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0 && errno == EINTR)
			continue;
		sent += n > 0 ? (unsigned)n : 1;
	}
}

/* Takes and answers one batch; how many there were. */
static unsigned
run_one(struct stun_batch *b, struct event *event, bool *flooded,
    stun_batch_serve *serve, void *ctx)
{
	int fd = event_get_fd(event), n;
	msec_t now;

	for (unsigned i = 0; i < BATCH; i++)
		b->in[i].msg_hdr.msg_namelen = sizeof(b->from[i]);
	n = recvmmsg(fd, b->in, BATCH, MSG_DONTWAIT, NULL);
	if (n <= 0)
		return 0;
	b->count = 0;
	b->used = 0;
	now = loop_now();
	for (unsigned i = 0; i < (unsigned)n; i++)
		serve_one(b, i, now, serve, ctx);
	if (n >= FLOOD && !*flooded)
		*flooded = event_del(event) == 0;
	send_all(b, fd);
	return (unsigned)n;
}

int
stun_batch_run(
    struct stun_batch *b, struct event *event, stun_batch_serve *serve, void *ctx)
{
	bool flooded = false;

	/* Where several came at once the next are there already, and to look is cheaper
	 * than to hear it from the loop. */
	for (unsigned k = 0; k < BATCHES; k++)
		if (run_one(b, event, &flooded, serve, ctx) < 2)
			break;
	return flooded && event_add(event, NULL) < 0 ? -ENOMEM : 0;
}
