/*
 * test_resolve.c - names of servers, against a resolver in this process that answers,
 * is slow, lies or is dead.
 */
#include "daemon/resolve.h"

#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/sock.h"

enum { A = 1, AAAA = 28, SRV = 33 };
enum { NOERROR = 0, SERVFAIL = 2, NXDOMAIN = 3, SWALLOW = 100, GARBAGE };

/* What the resolver answers. */
struct record {
	const char *name; /* NULL: any */
	int type;
	int rcode;
	unsigned count;     /* of addresses */
	msec_t delay_ms;    /* of a late answer */
	const char *target; /* of SRV, port and priority before it */
	uint16_t port, priority;
};

struct late {
	struct timer timer;
	struct sockaddr_in to;
	uint8_t bytes[4096];
	size_t len;
	bool used;
};

struct fixture {
	struct loop *loop;
	int fd;
	struct event *event;
	char servers[32];
	const struct record *records;
	size_t records_count;
	struct late late[16];
	unsigned asked;

	struct resolve *resolve;
	struct timer beat, guard;
	msec_t beat_at, worst_beat, began_at, first_at, ended_at;
	int error;
	unsigned calls;
	size_t count, first_count;
	bool over, guarded;
	struct endpoint list[RESOLVE_MAX];
};

static struct fixture f;
static msec_t limit_ms = 700;

static void
put_name(uint8_t *buf, size_t *len, const char *name)
{
	while (*name) {
		size_t label = strcspn(name, ".");

		buf[(*len)++] = (uint8_t)label;
		memcpy(buf + *len, name, label);
		*len += label;
		name += label + (name[label] == '.');
	}
	buf[(*len)++] = 0;
}

static void
put16(uint8_t *buf, size_t *len, unsigned v)
{
	buf[(*len)++] = (uint8_t)(v >> 8);
	buf[(*len)++] = (uint8_t)v;
}

static void
put_answer(uint8_t *buf, size_t *len, const struct record *r, unsigned i)
{
	size_t at;

	put16(buf, len, 0xc00c);
	put16(buf, len, (unsigned)r->type);
	put16(buf, len, 1);
	put16(buf, len, 0);
	put16(buf, len, 60);
	at = *len;
	put16(buf, len, 0);
	switch (r->type) {
	case A:
		memcpy(buf + *len,
		    (uint8_t[]) { 11, 22, (uint8_t)(i >> 8), (uint8_t)(i + 1) }, 4);
		*len += 4;
		break;
	case AAAA:
		memset(buf + *len, 0, 16);
		buf[*len] = 0x2a;
		buf[*len + 15] = (uint8_t)(i + 1);
		*len += 16;
		break;
	case SRV:
		put16(buf, len, r->priority);
		put16(buf, len, 0);
		put16(buf, len, r->port);
		put_name(buf, len, r->target);
		break;
	}
	buf[at] = (uint8_t)((*len - at - 2) >> 8);
	buf[at + 1] = (uint8_t)(*len - at - 2);
}

static void
send_late(void *ctx)
{
	struct late *l = ctx;

	sendto(f.fd, l->bytes, l->len, 0, (struct sockaddr *)&l->to, sizeof(l->to));
	timer_done(&l->timer);
	l->used = false;
}

static void
answer_later(const uint8_t *buf, size_t len, const struct sockaddr_in *to, msec_t ms)
{
	for (size_t i = 0; i < ARRAY_SIZE(f.late); i++) {
		struct late *l = &f.late[i];

		if (l->used)
			continue;
		l->used = true;
		l->to = *to;
		l->len = len;
		memcpy(l->bytes, buf, len);
		assert_int_equal(timer_init(&l->timer, f.loop, send_late, l), 0);
		timer_set(&l->timer, loop_now() + ms);
		return;
	}
	fail_msg("too many answers on their way");
}

static void
read_question(const uint8_t *q, size_t len, char name[static 300], int *ret_type)
{
	size_t at = 12, to = 0;

	while (at < len && q[at]) {
		memcpy(name + to, q + at + 1, q[at]);
		to += q[at];
		name[to++] = '.';
		at += q[at] + 1u;
	}
	name[to ? to - 1 : 0] = '\0';
	*ret_type = q[at + 1] << 8 | q[at + 2];
}

static void
on_question(evutil_socket_t fd, short what, void *ctx)
{
	uint8_t q[1024], a[4096];
	struct sockaddr_in from;
	socklen_t from_len = sizeof(from);
	ssize_t n = recvfrom(fd, q, sizeof(q), 0, (struct sockaddr *)&from, &from_len);
	char name[300];
	const struct record *first = NULL;
	unsigned answers = 0;
	size_t len;
	int type;

	(void)what;
	(void)ctx;
	assert_true(n > 12);
	f.asked++;
	read_question(q, (size_t)n, name, &type);
	len = (size_t)12 + strlen(name) + 2 + 4;
	memcpy(a, q, len);
	a[2] = 0x81;
	memset(a + 6, 0, 6);
	for (size_t i = 0; i < f.records_count; i++) {
		const struct record *r = &f.records[i];

		if (r->type != type || (r->name && strcasecmp(r->name, name) != 0))
			continue;
		if (!first)
			first = r;
		for (unsigned j = 0; j < r->count; j++, answers++)
			put_answer(a, &len, r, j);
	}
	a[7] = (uint8_t)answers;
	a[6] = (uint8_t)(answers >> 8);
	a[3] = (uint8_t)(0x80 | (first ? first->rcode : NXDOMAIN));
	if (first && first->rcode == SWALLOW)
		return;
	if (first && first->rcode == GARBAGE) {
		memset(a + 2, 0xff, sizeof(a) - 2);
		len = 100;
	}
	if (first && first->delay_ms)
		answer_later(a, len, &from, first->delay_ms);
	else
		sendto(fd, a, len, 0, (struct sockaddr *)&from, from_len);
}

static void
on_done(int error, const struct endpoint *list, size_t n, bool last, void *ctx)
{
	assert_ptr_equal(ctx, &f);
	f.calls++;
	f.error = error;
	f.count = n;
	memcpy(f.list, list, n * sizeof(*list));
	if (f.calls == 1) {
		f.first_at = loop_now();
		f.first_count = n;
	}
	if (last) {
		f.ended_at = loop_now();
		f.over = true;
		f.resolve = NULL;
		loop_stop(f.loop);
	}
}

static void
on_beat(void *ctx)
{
	msec_t now = loop_now();

	(void)ctx;
	f.worst_beat = MAX(f.worst_beat, now - f.beat_at);
	f.beat_at = now;
	timer_set(&f.beat, now + 5);
}

static void
on_guard(void *ctx)
{
	(void)ctx;
	f.guarded = true;
	loop_stop(f.loop);
}

static void
ask_once(const char *host, uint16_t port, const char *service,
    const struct record *records, size_t count)
{
	const struct resolve_question q = {
		.host = host,
		.port = port,
		.default_port = 3478,
		.service = service,
		.servers = f.servers,
		.limit_ms = limit_ms,
	};

	f.records = records;
	f.records_count = count;
	f.calls = f.asked = 0;
	f.over = f.guarded = false;
	f.worst_beat = 0;
	f.count = 0;
	f.began_at = f.beat_at = loop_now();
	timer_set(&f.beat, f.began_at + 5);
	timer_set(&f.guard, f.began_at + 5000);
	assert_int_equal(resolve_start(f.loop, &q, on_done, &f, &f.resolve), 0);
	assert_int_equal(f.calls, 0);
	assert_int_equal(loop_run(f.loop), 0);
	assert_false(f.guarded);
}

/* Nobody else had to wait.  On a busy machine everybody has to, and then the times of
 * the answers are no longer those that were meant: it is asked once more. */
static void
ask(const char *host, uint16_t port, const char *service, const struct record *records,
    size_t count)
{
	for (unsigned tries = 0; tries == 0 || (tries < 5 && f.worst_beat > 30);
	     tries++)
		ask_once(host, port, service, records, count);
	assert_in_range(f.worst_beat, 0, 200);
}

static const char *
got(void)
{
	static char text[512];
	char e[ENDPOINT_TEXT_MAX];

	text[0] = '\0';
	for (size_t i = 0; i < f.count; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s",
		    i ? " " : "", endpoint_format(&f.list[i], e));
	return text;
}

static int
setup(void **state)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(in);

	(void)state;
	assert_int_equal(loop_new(&f.loop), 0);
	f.fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_true(f.fd >= 0);
	assert_int_equal(bind(f.fd, (struct sockaddr *)&in, len), 0);
	assert_int_equal(getsockname(f.fd, (struct sockaddr *)&in, &len), 0);
	snprintf(f.servers, sizeof(f.servers), "127.0.0.1:%u", ntohs(in.sin_port));
	f.event =
	    event_new(loop_base(f.loop), f.fd, EV_READ | EV_PERSIST, on_question, NULL);
	assert_int_equal(event_add(f.event, NULL), 0);
	assert_int_equal(timer_init(&f.beat, f.loop, on_beat, NULL), 0);
	assert_int_equal(timer_init(&f.guard, f.loop, on_guard, NULL), 0);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	resolve_cancel(f.resolve);
	for (size_t i = 0; i < ARRAY_SIZE(f.late); i++)
		if (f.late[i].used)
			timer_done(&f.late[i].timer);
	event_free(f.event);
	close(f.fd);
	timer_done(&f.beat);
	timer_done(&f.guard);
	loop_free(f.loop);
	memset(&f, 0, sizeof(f));
	return 0;
}

#define ASK(host, port, service, ...)                                     \
	do {                                                              \
		static const struct record records_[] = { __VA_ARGS__ };  \
		ask(host, port, service, records_, ARRAY_SIZE(records_)); \
	} while (0)

static void
test_both_families(void **state)
{
	(void)state;
	ASK("stun.test", 19302, "_stun._udp", { "stun.test", A, .count = 2 },
	    { "stun.test", AAAA, .count = 1 });
	assert_int_equal(f.error, 0);
	assert_int_equal(f.count, 3);
	assert_int_equal(f.asked, 2); /* with a port no SRV is asked for */
	assert_in_range(f.ended_at - f.began_at, 0, 600);
	assert_non_null(strstr(got(), "11.22.0.1:19302"));
	assert_non_null(strstr(got(), "[2a00::1]:19302"));
	/* In turn, whichever came first (RFC 8305 section 4). */
	assert_int_not_equal(f.list[0].addr.family, f.list[1].addr.family);
}

static void
test_srv(void **state)
{
	(void)state;
	ASK("stun.test", 0, "_stun._udp",
	    { "_stun._udp.stun.test", SRV, .count = 1, .target = "b.test", .port = 7,
		.priority = 20 },
	    { "_stun._udp.stun.test", SRV, .count = 1, .target = "a.test", .port = 5,
		.priority = 10 },
	    { "a.test", A, .count = 1 }, { "b.test", A, .count = 1 });
	assert_int_equal(f.error, 0);
	assert_string_equal(got(), "11.22.0.1:5 11.22.0.1:7");
}

static void
test_srv_says_no(void **state)
{
	(void)state;
	ASK("stun.test", 0, "_stun._udp",
	    { "_stun._udp.stun.test", SRV, .count = 1, .target = "", .port = 0 },
	    { "stun.test", A, .count = 1 });
	assert_int_equal(f.error, -ENOENT);
	assert_int_equal(f.count, 0);
}

static void
test_no_srv(void **state)
{
	(void)state;
	ASK("stun.test", 0, "_stun._udp", { "stun.test", A, .count = 1 });
	assert_int_equal(f.error, 0);
	assert_string_equal(got(), "11.22.0.1:3478");
}

/* F53: NXDOMAIN. */
static void
test_no_such_name(void **state)
{
	(void)state;
	ASK("stun.test", 0, "_stun._udp", { "other.test", A, .count = 1 });
	assert_int_equal(f.error, -ENOENT);
	assert_true(f.over);
	/* There is the name, but no address. */
	ASK("stun.test", 1, NULL, { NULL, A, NOERROR, .count = 0 },
	    { NULL, AAAA, NOERROR, .count = 0 });
	assert_int_equal(f.error, -ENOENT);
}

static void
test_one_family_is_swallowed(void **state)
{
	(void)state;
	ASK("stun.test", 1, NULL, { NULL, A, .count = 1 },
	    { NULL, AAAA, SWALLOW, .count = 0 });
	assert_int_equal(f.error, 0);
	assert_int_equal(f.first_count, 1);
	assert_in_range(f.first_at - f.began_at, 45, 600);
	assert_int_equal(f.calls, 2);
	assert_string_equal(got(), "11.22.0.1:1");
}

/* F53: a slow DNS. */
/* What some routers do with a question they do not know. */
static void
test_srv_is_swallowed(void **state)
{
	(void)state;
	ASK("stun.test", 0, "_stun._udp", { NULL, SRV, SWALLOW, .count = 0 },
	    { "stun.test", A, .count = 1 });
	assert_int_equal(f.error, 0);
	assert_string_equal(got(), "11.22.0.1:3478");
	assert_in_range(f.first_at - f.began_at, 500, 1500);
	limit_ms = 4000;
	/* They come late: their target first, nevertheless. */
	ASK("stun.test", 0, "_stun._udp",
	    { NULL, SRV, .count = 1, .target = "a.test", .port = 5, .delay_ms = 530 },
	    { "a.test", A, .count = 1 },
	    { "stun.test", A, .count = 1, .delay_ms = 60 });
	assert_int_equal(f.error, 0);
	assert_string_equal(got(), "11.22.0.1:5 11.22.0.1:3478");
	limit_ms = 700;
}

static void
test_slow(void **state)
{
	(void)state;
	ASK("stun.test", 1, NULL, { NULL, A, .count = 1, .delay_ms = 300 },
	    { NULL, AAAA, .count = 1, .delay_ms = 310 });
	assert_int_equal(f.error, 0);
	assert_int_equal(f.count, 2);
	assert_in_range(f.ended_at - f.began_at, 290, 650);
}

/* 30 s late or never is the same: it ends in time and delays nobody. */
static void
test_dead(void **state)
{
	(void)state;
	ASK("stun.test", 0, "_stun._udp", { NULL, SRV, SWALLOW, .count = 0 },
	    { NULL, A, SWALLOW, .count = 0 }, { NULL, AAAA, SWALLOW, .count = 0 });
	assert_int_equal(f.error, -ETIMEDOUT);
	assert_in_range(f.ended_at - f.began_at, 690, 1500);
	ASK("stun.test", 1, NULL, { NULL, A, .count = 1, .delay_ms = 30000 },
	    { NULL, AAAA, SWALLOW, .count = 0 });
	assert_int_equal(f.error, -ETIMEDOUT);
	assert_int_equal(f.count, 0);
}

/* Attack 26. */
static void
test_useless_answers(void **state)
{
	(void)state;
	ASK("stun.test", 1, NULL, { NULL, A, GARBAGE, .count = 0 },
	    { NULL, AAAA, GARBAGE, .count = 0 });
	assert_true(f.error < 0);
	assert_int_equal(f.count, 0);
	ASK("stun.test", 1, NULL, { NULL, A, SERVFAIL, .count = 0 },
	    { NULL, AAAA, SERVFAIL, .count = 0 });
	assert_true(f.error < 0);
}

/* F53, attack 26: an answer of very many addresses. */
static void
test_many_addresses(void **state)
{
	(void)state;
	ASK("stun.test", 1, NULL, { NULL, A, .count = 28 },
	    { NULL, AAAA, NOERROR, .count = 0 });
	assert_int_equal(f.error, 0);
	assert_int_equal(f.count, RESOLVE_MAX);
}

static void
test_literals(void **state)
{
	char text[ADDR_TEXT_MAX];
	struct addr a;

	(void)state;
	ASK("192.0.2.7", 0, "_stun._udp", { NULL, A, NOERROR, .count = 0 });
	assert_int_equal(f.asked, 0);
	assert_string_equal(got(), "192.0.2.7:3478");
	ASK("fe80::1%lo", 9, NULL, { NULL, A, NOERROR, .count = 0 });
	assert_int_equal(f.asked, 0);
	assert_int_equal(f.list[0].addr.scope, 1);
	assert_int_equal(sock_addr_parse("fe80::1%1", &a), 0);
	assert_int_equal(a.scope, 1);
	assert_string_equal(sock_addr_format(&a, text), "fe80::1%lo");
	a.scope = INT32_MAX;
	assert_string_equal(sock_addr_format(&a, text), "fe80::1%2147483647");
	assert_int_equal(sock_addr_parse("fe80::1%nosuch0", &a), -EINVAL);
	assert_int_equal(sock_addr_parse("2001:db8::1%lo", &a), -EINVAL);
	assert_int_equal(sock_addr_parse("example.org", &a), -EINVAL);
}

static void
test_cancel(void **state)
{
	const struct resolve_question q = {
		.host = "stun.test", .port = 1, .servers = f.servers
	};
	struct resolve *r;

	(void)state;
	f.calls = 0;
	assert_int_equal(resolve_start(f.loop, &q, on_done, &f, &r), 0);
	assert_null(resolve_cancel(r));
	assert_null(resolve_cancel(NULL));
	assert_int_equal(f.calls, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_families),
		cmocka_unit_test(test_srv),
		cmocka_unit_test(test_srv_says_no),
		cmocka_unit_test(test_no_srv),
		cmocka_unit_test(test_no_such_name),
		cmocka_unit_test(test_one_family_is_swallowed),
		cmocka_unit_test(test_srv_is_swallowed),
		cmocka_unit_test(test_slow),
		cmocka_unit_test(test_dead),
		cmocka_unit_test(test_useless_answers),
		cmocka_unit_test(test_many_addresses),
		cmocka_unit_test(test_literals),
		cmocka_unit_test(test_cancel),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
