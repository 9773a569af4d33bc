/*
 * stun_names.c - the addresses of a STUN server, by the system's resolver.
 */
#include "ctl/stun_names.h"

#include <arpa/nameser.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <resolv.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ctl/client.h"

#define ANSWER_MAX 4096
#define RESOLUTION_DELAY_MS 50 /* RFC 8305 section 3 */

/* The best SRV record: lowest priority, then highest weight.  false: there is none. */
static bool
look_up_srv(const char *host, enum stun_transport transport,
    char target[static STUN_HOST_MAX], uint16_t *ret_port)
{
	uint8_t answer[ANSWER_MAX];
	char name[STUN_HOST_MAX + 16], found[NS_MAXDNAME];
	unsigned best = UINT32_MAX;
	ns_msg msg;
	ns_rr rr;
	int len;

	/* Some routers swallow the question; the name itself is left then. */
	res_init();
	_res.retrans = _res.retry = 1;
	snprintf(name, sizeof(name), "%s.%s", stun_transport_service(transport), host);
	len = res_query(name, ns_c_in, ns_t_srv, answer, sizeof(answer));
	res_init();
	if (len < 0 || ns_initparse(answer, MIN(len, ANSWER_MAX), &msg) < 0)
		return false;
	for (int i = 0; i < ns_msg_count(msg, ns_s_an); i++) {
		const uint8_t *data;
		unsigned rank;

		if (ns_parserr(&msg, ns_s_an, i, &rr) < 0 ||
		    ns_rr_type(rr) != ns_t_srv || ns_rr_rdlen(rr) < 7)
			continue;
		data = ns_rr_rdata(rr);
		rank = ns_get16(data) << 16 | (0xffff - ns_get16(data + 2));
		if (rank >= best ||
		    ns_name_uncompress(ns_msg_base(msg), ns_msg_end(msg), data + 6,
			found, sizeof(found)) < 0 ||
		    strlen(found) >= STUN_HOST_MAX || strcmp(found, ".") == 0)
			continue;
		best = rank;
		*ret_port = (uint16_t)ns_get16(data + 4);
		strcpy(target, found);
	}
	return best != UINT32_MAX;
}

static bool
endpoint_of(const struct addrinfo *info, struct endpoint *ret)
{
	struct sockaddr_in6 in6;
	struct sockaddr_in in;

	if (info->ai_family == AF_INET && info->ai_addrlen == sizeof(in)) {
		memcpy(&in, info->ai_addr, sizeof(in));
		ret->addr = addr_from_bytes(ADDR_IPV4, &in.sin_addr);
	} else if (info->ai_family == AF_INET6 && info->ai_addrlen == sizeof(in6)) {
		memcpy(&in6, info->ai_addr, sizeof(in6));
		ret->addr = addr_from_bytes(ADDR_IPV6, &in6.sin6_addr);
		ret->addr.scope = in6.sin6_scope_id;
	} else {
		return false;
	}
	return true;
}

/* ---- in a process of its own ---- */

struct found {
	int error; /* of getaddrinfo() */
	unsigned count;
	struct endpoint list[STUN_NAMES_MAX];
};

static void
resolve(const struct stun_uri *server, enum stun_transport transport, int af,
    struct found *ret)
{
	const struct addrinfo hints = {
		.ai_family = af,
		.ai_socktype =
		    stun_transport_is_stream(transport) ? SOCK_STREAM : SOCK_DGRAM,
	};
	uint16_t port = server->port ? server->port : stun_transport_port(transport);
	char host[STUN_HOST_MAX];
	struct addrinfo *found = NULL;
	struct addr literal;

	strcpy(host, server->host);
	if (server->port == 0 && !strchr(host, ':') && addr_parse(host, &literal) < 0)
		look_up_srv(server->host, transport, host, &port);
	ret->error = getaddrinfo(host, NULL, &hints, &found);
	for (struct addrinfo *i = found;
	     i && ret->error == 0 && ret->count < STUN_NAMES_MAX; i = i->ai_next) {
		ret->list[ret->count].port = port;
		ret->count += endpoint_of(i, &ret->list[ret->count]);
	}
	if (ret->error == 0)
		freeaddrinfo(found);
}

/* The resolver cannot be interrupted: another process waits for it, which writes what
 * it found in one piece. */
struct helper {
	pid_t pid;
	int fd; /* -1: it has answered, or was not started */
};

static void
start(struct helper *h, const struct stun_uri *server, enum stun_transport transport,
    int af)
{
	struct found found = { .count = 0 };
	int fds[2];

	h->fd = -1;
	if (pipe2(fds, O_CLOEXEC) < 0)
		return;
	h->pid = fork();
	if (h->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		resolve(server, transport, af, &found);
		_exit(write(fds[1], &found, sizeof(found)) != sizeof(found));
	}
	close(fds[1]);
	if (h->pid > 0)
		h->fd = fds[0];
	else
		close(fds[0]);
}

static void
stop(struct helper *h)
{
	if (h->fd < 0)
		return;
	close(h->fd);
	h->fd = -1;
	kill(h->pid, SIGKILL);
	waitpid(h->pid, NULL, 0);
}

/* Adds what a helper says behind what is there. */
static void
take(struct helper *h, struct found *all)
{
	struct found one;
	bool whole = read(h->fd, &one, sizeof(one)) == sizeof(one);

	stop(h);
	if (!whole)
		return;
	for (unsigned i = 0; i < one.count && all->count < STUN_NAMES_MAX; i++)
		all->list[all->count++] = one.list[i];
	/* That one family has none is no news. */
	if (one.error != 0 && (all->error == 0 || all->error == EAI_NONAME))
		all->error = one.error;
}

/* Until all have answered, or some time after the first did. */
static void
wait_for(struct helper *helpers, size_t n, msec_t deadline, struct found *all)
{
	for (;;) {
		struct pollfd polls[2];
		bool any = false;
		msec_t left = MIN(deadline - client_now(), 60 * MSEC_PER_SEC);

		for (size_t i = 0; i < n; i++) {
			polls[i] =
			    (struct pollfd) { .fd = helpers[i].fd, .events = POLLIN };
			any |= helpers[i].fd >= 0;
		}
		if (!any || left <= 0)
			return;
		if (poll(polls, n, (int)left) <= 0)
			continue;
		for (size_t i = 0; i < n; i++)
			if (helpers[i].fd >= 0 && polls[i].revents)
				take(&helpers[i], all);
		if (all->count > 0)
			deadline = MIN(deadline, client_now() + RESOLUTION_DELAY_MS);
	}
}

size_t
stun_names(const struct stun_uri *server, enum stun_transport transport,
    enum addr_family family, msec_t deadline, struct endpoint *ret,
    const char **ret_why)
{
	struct found all = { .count = 0 };
	struct helper helpers[2] = { { .fd = -1 }, { .fd = -1 } };

	if (family != ADDR_IPV4)
		start(&helpers[0], server, transport, AF_INET6);
	if (family != ADDR_IPV6)
		start(&helpers[1], server, transport, AF_INET);
	wait_for(helpers, ARRAY_SIZE(helpers), deadline, &all);
	*ret_why = NULL;
	if (helpers[0].fd < 0 && helpers[1].fd < 0)
		*ret_why = all.error == EAI_NONAME  ? "there is no such name"
			   : all.error == EAI_AGAIN ? "the DNS does not answer"
			   : all.error == 0 || all.error == EAI_ADDRFAMILY ||
				   all.error == EAI_NODATA
			       ? "it has no such address"
			       : gai_strerror(all.error);
	stop(&helpers[0]);
	stop(&helpers[1]);
	endpoints_in_turn(all.list, all.count);
	memcpy(ret, all.list, all.count * sizeof(*ret));
	return all.count;
}
