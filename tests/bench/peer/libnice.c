/*
 * libnice.c - the rounds of bench_stun.c, done by libnice.
 */
#include "tests/bench/peer/libnice.h"

#include <errno.h>
#include <stddef.h>

#if __has_include(<stun/stunagent.h>)

#include <netinet/in.h>
#include <stun/stunagent.h>
#include <stun/usages/bind.h>

static StunAgent bare, full;

int
peer_libnice_setup(const char *software)
{
	/* Any other that is required would be refused. */
	static const uint16_t known[] = { STUN_ATTRIBUTE_MAPPED_ADDRESS,
		STUN_ATTRIBUTE_XOR_MAPPED_ADDRESS, STUN_ATTRIBUTE_ERROR_CODE,
		STUN_ATTRIBUTE_UNKNOWN_ATTRIBUTES, 0 };

	stun_agent_init(&bare, known, STUN_COMPATIBILITY_RFC5389, 0);
	stun_agent_init(&full, known, STUN_COMPATIBILITY_RFC5389,
	    STUN_AGENT_USAGE_USE_FINGERPRINT | STUN_AGENT_USAGE_ADD_SOFTWARE);
	stun_agent_set_software(&full, software);
	return 0;
}

static bool
round_trip(StunAgent *agent)
{
	union {
		struct sockaddr any;
		struct sockaddr_storage storage;
		struct sockaddr_in in;
	} from = { .in = { .sin_family = AF_INET, .sin_port = 32853 } }, mapped, other;
	socklen_t mapped_len = sizeof(mapped), other_len = sizeof(other);
	uint8_t request[256], answer[256];
	StunMessage q, m, a;
	size_t len = stun_usage_bind_create(agent, &q, request, sizeof(request));

	if (stun_agent_validate(agent, &m, request, len, NULL, NULL) !=
	    STUN_VALIDATION_SUCCESS)
		return false;
	if (!stun_agent_init_response(agent, &a, answer, sizeof(answer), &m) ||
	    stun_message_append_xor_addr(&a, STUN_ATTRIBUTE_XOR_MAPPED_ADDRESS,
		&from.storage, sizeof(from.in)) != STUN_MESSAGE_RETURN_SUCCESS)
		return false;
	len = stun_agent_finish_message(agent, &a, NULL, 0);
	return stun_agent_validate(agent, &m, answer, len, NULL, NULL) ==
		   STUN_VALIDATION_SUCCESS &&
	       stun_usage_bind_process(&m, &mapped.any, &mapped_len, &other.any,
		   &other_len) == STUN_USAGE_BIND_RETURN_SUCCESS;
}

bool
peer_libnice_bare(void)
{
	return round_trip(&bare);
}

bool
peer_libnice_full(void)
{
	return round_trip(&full);
}

#else

int
peer_libnice_setup(const char *software)
{
	(void)software;
	return -ENOSYS;
}

bool
peer_libnice_bare(void)
{
	return false;
}

bool
peer_libnice_full(void)
{
	return false;
}

#endif
