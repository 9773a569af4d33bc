/*
 * stun_names.c - the addresses of a STUN server, by the system's resolver.
 */
#include "ctl/stun_names.h"

#include <arpa/nameser.h>
#include <netdb.h>
#include <netinet/in.h>
#include <resolv.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "proto/util.h"

#define ANSWER_MAX 4096

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

	snprintf(name, sizeof(name), "%s.%s", stun_transport_service(transport), host);
	len = res_query(name, ns_c_in, ns_t_srv, answer, sizeof(answer));
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

/* The resolver's order, but the families in turn. */
static size_t
in_turn(const struct endpoint *list, size_t n, struct endpoint *ret)
{
	bool used[STUN_NAMES_MAX] = { false };
	enum addr_family want = n ? list[0].addr.family : ADDR_NONE;

	for (size_t count = 0; count < n; count++) {
		size_t pick = n;

		for (size_t i = n; i-- > 0;)
			if (!used[i] && (pick == n || list[i].addr.family == want ||
					    list[pick].addr.family != want))
				pick = i;
		used[pick] = true;
		ret[count] = list[pick];
		want = list[pick].addr.family == ADDR_IPV6 ? ADDR_IPV4 : ADDR_IPV6;
	}
	return n;
}

size_t
stun_names(const struct stun_uri *server, enum stun_transport transport,
    enum addr_family family, struct endpoint *ret, const char **ret_why)
{
	const struct addrinfo hints = {
		.ai_family = family == ADDR_IPV4   ? AF_INET
			     : family == ADDR_IPV6 ? AF_INET6
						   : AF_UNSPEC,
		.ai_socktype =
		    stun_transport_is_stream(transport) ? SOCK_STREAM : SOCK_DGRAM,
	};
	struct endpoint list[STUN_NAMES_MAX];
	uint16_t port = server->port ? server->port : stun_transport_port(transport);
	char host[STUN_HOST_MAX];
	struct addrinfo *found = NULL;
	struct addr literal;
	size_t n = 0;
	int r;

	strcpy(host, server->host);
	if (server->port == 0 && !strchr(host, ':') && addr_parse(host, &literal) < 0)
		look_up_srv(server->host, transport, host, &port);
	r = getaddrinfo(host, NULL, &hints, &found);
	for (struct addrinfo *i = found; i && r == 0 && n < STUN_NAMES_MAX;
	     i = i->ai_next) {
		list[n].port = port;
		n += endpoint_of(i, &list[n]);
	}
	if (r == 0)
		freeaddrinfo(found);
	*ret_why = r == EAI_NONAME                 ? "there is no such name"
		   : r == EAI_AGAIN                ? "the DNS does not answer"
		   : r == 0 || r == EAI_ADDRFAMILY ? "it has no such address"
						   : gai_strerror(r);
	return in_turn(list, n, ret);
}
