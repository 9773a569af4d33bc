/*
 * test_stund.c - the STUN server with its sockets, on the loopback interface: how it
 * answers many at once, and that it asks nobody for memory meanwhile.
 */
#include "daemon/stun_server.h"

#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/sock.h"
#include "proto/stun_attr.h"
#include "proto/stun_server.h"
#include "proto/util.h"

/* ---- memory that is asked for ---- */

static unsigned long asked;

/* Sanitizers have their own in this place. */
#ifndef __SANITIZE_ADDRESS__
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);

void *
malloc(size_t n)
{
	asked++;
	return __libc_malloc(n);
}

void *
calloc(size_t n, size_t size)
{
	asked++;
	return __libc_calloc(n, size);
}

void *
realloc(void *p, size_t n)
{
	asked++;
	return __libc_realloc(p, n);
}
#endif

/* ---- a server and its client ---- */

struct place {
	struct loop *loop;
	struct stund *server;
	struct sockaddr_storage to;
	socklen_t to_len;
	int client;
};

/* A port that was free a moment ago. */
static uint16_t
free_port(enum addr_family family)
{
	struct endpoint any = { .addr = { .family = family } };
	struct sockaddr_storage ss;
	socklen_t len = sock_addr(&any, &ss);
	int fd = socket(ss.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&ss, len), 0);
	assert_int_equal(sock_name(fd, &any), 0);
	close(fd);
	return any.port;
}

static void
open_place(struct place *p, struct conf *conf, const char *address)
{
	struct endpoint *at = &conf->stun_server.listen.list[0];
	struct timeval patience = { .tv_sec = 5 };

	assert_int_equal(addr_parse(address, &at->addr), 0);
	at->port = free_port(at->addr.family);
	conf->stun_server.listen.count = 1;
	assert_int_equal(loop_new(&p->loop), 0);
	assert_int_equal(stund_new(p->loop, conf, NULL, &p->server), 0);
	p->to_len = sock_addr(at, &p->to);
	p->client = socket(p->to.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_true(p->client >= 0);
	assert_int_equal(
	    setsockopt(p->client, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)),
	    0);
	assert_int_equal(connect(p->client, (struct sockaddr *)&p->to, p->to_len), 0);
}

static void
close_place(struct place *p)
{
	close(p->client);
	stund_free(p->server);
	loop_free(p->loop);
}

static struct endpoint
name_of(int fd)
{
	struct endpoint e;

	assert_int_equal(sock_name(fd, &e), 0);
	return e;
}

static size_t
request(unsigned number, bool sealed, uint8_t *buf, size_t size)
{
	struct stun_id id = { { 0 } };
	struct stun_out out;

	memcpy(id.bytes, &number, sizeof(number));
	stun_begin(&out, buf, size, STUN_REQUEST, STUN_BINDING, &id);
	if (sealed)
		stun_put_fingerprint(&out);
	return (size_t)stun_end(&out);
}

#define MANY 100 /* more than a batch */

static void
exchange(struct place *p, bool sealed, size_t answer_len)
{
	struct endpoint here = name_of(p->client);
	bool came[MANY] = { false };

	for (unsigned i = 0; i < MANY; i++) {
		uint8_t buf[64];
		size_t len = request(i, sealed, buf, sizeof(buf));

		assert_int_equal(send(p->client, buf, len, 0), len);
	}
	/* A turn takes a few batches. */
	for (unsigned turn = 0; turn < MANY; turn++)
		assert_true(event_base_loop(loop_base(p->loop),
				EVLOOP_ONCE | EVLOOP_NONBLOCK) >= 0);
	for (unsigned i = 0; i < MANY; i++) {
		struct endpoint mapped;
		struct stun_msg m;
		uint8_t buf[128];
		unsigned number;
		ssize_t n = recv(p->client, buf, sizeof(buf), 0);

		assert_int_equal(n, answer_len);
		assert_int_equal(stun_decode(buf, (size_t)n, 0, &m), 0);
		assert_int_equal(m.class, STUN_SUCCESS);
		assert_int_equal(stun_get_mapped(&m, &mapped), 0);
		assert_true(endpoint_equal(&mapped, &here));
		memcpy(&number, stun_msg_id(&m), sizeof(number));
		assert_true(number < MANY && !came[number]);
		came[number] = true;
	}
}

/* ---- tests ---- */

static void
test_answers_without_memory(void **state)
{
	static const struct {
		const char *address;
		uint32_t rate_limit;
		bool sealed;
		size_t answer_len;
	} rows[] = {
		{ "127.0.0.1", 0, false, 32 },
		{ "127.0.0.1", 100000, false, 32 },
		{ "127.0.0.1", 100000, true, 40 },
		{ "::1", 100000, false, 44 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct conf conf = { .stun_server.rate_limit = rows[i].rate_limit };
		struct place p;
		unsigned long before;

		open_place(&p, &conf, rows[i].address);
		exchange(&p, rows[i].sealed, rows[i].answer_len);
		before = asked;
		exchange(&p, rows[i].sealed, rows[i].answer_len);
		assert_int_equal(asked, before);
		close_place(&p);
	}
#ifndef __SANITIZE_ADDRESS__
	/* It does count. */
	assert_true(asked > 0);
#endif
}

/* What is no request takes nobody's place in a batch. */
static void
test_noise_between(void **state)
{
	struct conf conf = { .stun_server.rate_limit = 0 };
	struct place p;
	uint8_t noise[STUN_SERVER_MESSAGE_MAX + 100] = { 0 };

	(void)state;
	open_place(&p, &conf, "127.0.0.1");
	for (unsigned i = 0; i < 10; i++) {
		assert_true(send(p.client, noise, i * 100, 0) >= 0);
		assert_true(send(p.client, noise, sizeof(noise), 0) >= 0);
	}
	exchange(&p, false, 32);
	close_place(&p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers_without_memory),
		cmocka_unit_test(test_noise_between),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
