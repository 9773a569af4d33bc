/*
 * test_stun_client.c - one STUN transaction on a simulated clock.
 */
#include "proto/stun_client.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "proto/stun_attr.h"

#define T0 INT64_C(1000000)

static const struct stun_id id = { "0123456789a" };
static const struct endpoint server = {
	.addr = { .family = ADDR_IPV4, .bytes = { 11, 22, 33, 1 } },
	.port = 3478,
};
static const struct endpoint me = {
	.addr = { .family = ADDR_IPV4, .bytes = { 11, 22, 33, 100 } },
	.port = 40000,
};

static void
begin(struct stun_client *c)
{
	stun_client_begin(c, &id, STUN_BINDING, &server, false, NULL, T0);
}

/* A transaction whose request is on its way. */
static void
begin_sent(struct stun_client *c, struct rng *rng)
{
	begin(c);
	assert_int_equal(stun_client_poll(c, rng, T0), STUN_CLIENT_SEND);
}

static size_t
answer(uint8_t *buf, size_t size, enum stun_class class, const struct stun_id *of,
    void (*fill)(struct stun_out *out))
{
	struct stun_out out;
	ssize_t len;

	stun_begin(&out, buf, size, class, STUN_BINDING, of);
	fill(&out);
	len = stun_end(&out);
	assert_true(len > 0);
	return (size_t)len;
}

static void
fill_mapped(struct stun_out *out)
{
	stun_put_address(out, STUN_XOR_MAPPED_ADDRESS, &me);
}

static void
fill_nothing(struct stun_out *out)
{
	(void)out;
}

static void
fill_rewritten(struct stun_out *out)
{
	stun_put_address(out, STUN_MAPPED_ADDRESS, &server);
	fill_mapped(out);
}

static void
fill_unspecified(struct stun_out *out)
{
	const struct endpoint none = { .addr = { .family = ADDR_IPV4 }, .port = 1 };

	stun_put_address(out, STUN_XOR_MAPPED_ADDRESS, &none);
}

static void
fill_unknown(struct stun_out *out)
{
	fill_mapped(out);
	stun_put_raw(out, 0x7ffe, "x", 1);
}

static void
fill_500(struct stun_out *out)
{
	stun_put_error(out, 500);
}

/* ---- when ---- */

static void
test_schedule(void **state)
{
	static const msec_t at[] = { 0, 500, 1500, 3500, 7500, 15500, 31500 };
	msec_t least = 0, most = 0;

	(void)state;
	for (uint64_t seed = 0; seed < 200; seed++) {
		struct rng rng = { seed };
		struct stun_client c;

		begin(&c);
		for (size_t i = 0; i < ARRAY_SIZE(at); i++) {
			msec_t off = c.due_at - T0 - at[i];

			assert_in_range(off + STUN_RTO_JITTER_MS, 0,
			    i ? 2 * STUN_RTO_JITTER_MS : STUN_RTO_JITTER_MS);
			least = MIN(least, off);
			most = MAX(most, off);
			assert_int_equal(
			    stun_client_poll(&c, &rng, c.due_at - 1), STUN_CLIENT_WAIT);
			assert_int_equal(
			    stun_client_poll(&c, &rng, c.due_at), STUN_CLIENT_SEND);
		}
		assert_int_equal(c.due_at, T0 + 39500);
		assert_int_equal(
		    stun_client_poll(&c, &rng, c.due_at), STUN_CLIENT_TIMED_OUT);
		assert_int_equal(c.due_at, MSEC_NEVER);
		assert_int_equal(
		    stun_client_poll(&c, &rng, T0 + 99999), STUN_CLIENT_WAIT);
	}
	/* The jitter is there, to both sides. */
	assert_in_range(-least, 45, 50);
	assert_in_range(most, 45, 50);
}

static void
test_reliable(void **state)
{
	struct rng rng = { 1 };
	struct stun_client c;

	(void)state;
	stun_client_begin(&c, &id, STUN_BINDING, &server, true, NULL, T0);
	assert_int_equal(stun_client_poll(&c, &rng, T0), STUN_CLIENT_SEND);
	assert_int_equal(c.due_at, T0 + 39500);
	assert_int_equal(stun_client_poll(&c, &rng, T0 + 39499), STUN_CLIENT_WAIT);
	assert_int_equal(stun_client_poll(&c, &rng, T0 + 39500), STUN_CLIENT_TIMED_OUT);
}

static void
test_suspend(void **state)
{
	struct rng rng = { 1 };
	struct stun_client c;
	msec_t now = T0 + 3600 * MSEC_PER_SEC;

	(void)state;
	begin_sent(&c, &rng);
	/* What was due meanwhile does not come in one burst. */
	assert_int_equal(stun_client_poll(&c, &rng, now), STUN_CLIENT_SEND);
	assert_int_equal(stun_client_poll(&c, &rng, now), STUN_CLIENT_WAIT);
	assert_in_range(c.due_at, now + 400, now + 600);
	assert_int_equal(stun_client_poll(&c, &rng, c.due_at), STUN_CLIENT_SEND);
	assert_in_range(c.due_at - now, 1400, 2600);
}

static void
test_round_trips(void **state)
{
	struct stun_rtt r = { 0 };
	struct stun_client c;

	(void)state;
	assert_int_equal(stun_rtt_timeout(&r, T0), 500);
	stun_rtt_add(&r, 20, T0);
	assert_int_equal(r.smoothed_us, 20000);
	assert_int_equal(r.deviation_us, 10000);
	assert_int_equal(stun_rtt_timeout(&r, T0), 500);
	/* RFC 6298 section 2: the first sample R gives R + 4 * R / 2 */
	r = (struct stun_rtt) { 0 };
	stun_rtt_add(&r, 600, T0);
	assert_int_equal(stun_rtt_timeout(&r, T0), 1800);
	stun_rtt_add(&r, 1000, T0 + 1000);
	/* RTTVAR = 3/4 * 300 + 1/4 * 400, SRTT = 7/8 * 600 + 1/8 * 1000 */
	assert_int_equal(r.deviation_us, 325000);
	assert_int_equal(r.smoothed_us, 650000);
	assert_int_equal(stun_rtt_timeout(&r, T0 + 1000), 1950);
	stun_client_begin(&c, &id, STUN_BINDING, &server, false, &r, T0 + 1000);
	assert_int_equal(c.rto_ms, 1950);
	stun_rtt_add(&r, 60000, T0 + 2000);
	assert_int_equal(stun_rtt_timeout(&r, T0 + 2000), STUN_RTO_MAX_MS);
	/* Stale after 10 minutes. */
	assert_int_equal(stun_rtt_timeout(&r, T0 + 602001), 500);
}

/* ---- what came ---- */

static void
test_answered(void **state)
{
	struct rng rng = { 1 };
	struct stun_client c;
	struct stun_client_answer a;
	uint8_t request[64], buf[256];
	size_t len = answer(buf, sizeof(buf), STUN_SUCCESS, &id, fill_mapped);
	struct stun_msg m;
	ssize_t n;

	(void)state;
	begin(&c);
	/* Nothing was asked yet. */
	assert_int_equal(
	    stun_client_receive(&c, buf, len, &server, T0, &a), STUN_CLIENT_IGNORED);
	assert_int_equal(stun_client_poll(&c, &rng, T0), STUN_CLIENT_SEND);
	n = stun_client_binding(&c, request, sizeof(request));
	assert_int_equal(n, 20);
	assert_int_equal(stun_decode(request, (size_t)n, 0, &m), 0);
	assert_int_equal(m.class, STUN_REQUEST);
	assert_memory_equal(stun_msg_id(&m), id.bytes, STUN_ID_LEN);
	assert_int_equal(stun_client_receive(&c, buf, len, &server, T0 + 30, &a),
	    STUN_CLIENT_ANSWERED);
	assert_true(endpoint_equal(&a.mapped, &me));
	assert_false(a.rewritten);
	assert_int_equal(a.round_trip_ms, 30);
	/* It is over: the same answer again is nobody's. */
	assert_int_equal(stun_client_receive(&c, buf, len, &server, T0 + 31, &a),
	    STUN_CLIENT_IGNORED);
	assert_int_equal(c.due_at, MSEC_NEVER);
}

static void
test_retransmitted_has_no_round_trip(void **state)
{
	struct rng rng = { 1 };
	struct stun_client c;
	struct stun_client_answer a;
	uint8_t buf[256];
	size_t len = answer(buf, sizeof(buf), STUN_SUCCESS, &id, fill_mapped);

	(void)state;
	begin_sent(&c, &rng);
	assert_int_equal(stun_client_poll(&c, &rng, c.due_at), STUN_CLIENT_SEND);
	assert_int_equal(stun_client_receive(&c, buf, len, NULL, T0 + 600, &a),
	    STUN_CLIENT_ANSWERED);
	assert_int_equal(a.round_trip_ms, -1);
}

static void
test_rewritten(void **state)
{
	struct rng rng = { 1 };
	struct stun_client c;
	struct stun_client_answer a;
	uint8_t buf[256];
	size_t len = answer(buf, sizeof(buf), STUN_SUCCESS, &id, fill_rewritten);

	(void)state;
	begin_sent(&c, &rng);
	assert_int_equal(
	    stun_client_receive(&c, buf, len, NULL, T0, &a), STUN_CLIENT_ANSWERED);
	assert_true(endpoint_equal(&a.mapped, &me));
	assert_true(a.rewritten);
}

/* Attack 15: another source, cookie or id, and what is cut short. */
static void
test_wrong_answers_do_not_end_it(void **state)
{
	struct rng rng = { 1 };
	struct stun_client c;
	struct stun_client_answer a;
	struct stun_id other = id;
	struct endpoint elsewhere = server;
	uint8_t buf[256];
	size_t len;

	(void)state;
	begin_sent(&c, &rng);
	len = answer(buf, sizeof(buf), STUN_SUCCESS, &id, fill_mapped);
	elsewhere.port++;
	assert_int_equal(
	    stun_client_receive(&c, buf, len, &elsewhere, T0, &a), STUN_CLIENT_IGNORED);
	elsewhere = server;
	elsewhere.addr.bytes[3]++;
	assert_int_equal(
	    stun_client_receive(&c, buf, len, &elsewhere, T0, &a), STUN_CLIENT_IGNORED);
	for (size_t i = 0; i < len; i++)
		assert_int_equal(stun_client_receive(&c, buf, i, &server, T0, &a),
		    STUN_CLIENT_IGNORED);
	buf[4] ^= 1; /* the cookie */
	assert_int_equal(
	    stun_client_receive(&c, buf, len, &server, T0, &a), STUN_CLIENT_IGNORED);
	for (uint32_t i = 0; i < 100000; i++) {
		memcpy(other.bytes, &i, sizeof(i));
		len = answer(buf, sizeof(buf), i % 2 ? STUN_SUCCESS : STUN_ERROR,
		    &other, i % 2 ? fill_mapped : fill_500);
		assert_int_equal(stun_client_receive(&c, buf, len, &server, T0, &a),
		    STUN_CLIENT_IGNORED);
	}
	len = answer(buf, sizeof(buf), STUN_REQUEST, &id, fill_nothing);
	assert_int_equal(
	    stun_client_receive(&c, buf, len, &server, T0, &a), STUN_CLIENT_IGNORED);
	len = answer(buf, sizeof(buf), STUN_SUCCESS, &id, fill_mapped);
	assert_int_equal(
	    stun_client_receive(&c, buf, len, &server, T0, &a), STUN_CLIENT_ANSWERED);
}

static void
test_refused(void **state)
{
	static const struct {
		enum stun_class class;
		void (*fill)(struct stun_out *out);
		uint16_t code;
		const char *reason;
	} rows[] = {
		{ STUN_ERROR, fill_500, 500, "Server Error" },
		{ STUN_ERROR, fill_nothing, 0, "an error without a code" },
		{ STUN_SUCCESS, fill_nothing, 0, "the answer has no address" },
		{ STUN_SUCCESS, fill_unspecified, 0,
		    "the address in the answer is none" },
		{ STUN_SUCCESS, fill_unknown, 0,
		    "the answer demands what is not known here" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct rng rng = { 1 };
		struct stun_client c;
		struct stun_client_answer a;
		uint8_t buf[256];
		size_t len = answer(buf, sizeof(buf), rows[i].class, &id, rows[i].fill);

		begin_sent(&c, &rng);
		assert_int_equal(stun_client_receive(&c, buf, len, &server, T0, &a),
		    STUN_CLIENT_REFUSED);
		assert_int_equal(a.code, rows[i].code);
		assert_string_equal(a.reason, rows[i].reason);
		assert_true(c.over);
	}
}

/* ---- to another server ---- */

static struct endpoint named;

static void
fill_alternate(struct stun_out *out)
{
	stun_put_error(out, 300);
	stun_put_address(out, STUN_ALTERNATE_SERVER, &named);
}

/* Attack 18: where a server may send us, and once only. */
static void
test_alternate(void **state)
{
	static const struct {
		const char *addr;
		uint16_t port;
		bool follow;
	} rows[] = {
		{ "11.22.33.2", 3478, true },
		{ "11.22.33.1", 3479, true },
		{ "11.22.33.2", 443, true },
		{ "11.22.33.2", 5349, true },
		{ "11.22.33.2", 20000, true },
		{ "11.22.33.1", 3478, false }, /* itself */
		{ "11.22.33.2", 53, false },
		{ "11.22.33.2", 0, false },
		{ "127.0.0.1", 3478, false },
		{ "10.0.0.1", 3478, false },
		{ "192.168.1.1", 3478, false },
		{ "172.16.0.1", 3478, false },
		{ "169.254.169.254", 3478, false },
		{ "100.64.0.1", 3478, false },
		{ "0.0.0.0", 3478, false },
		{ "224.0.0.1", 3478, false },
		{ "255.255.255.255", 3478, false },
		{ "2a00::1", 3478, false }, /* another family */
		{ "::ffff:11.22.33.2", 3478, false },
		{ "::1", 3478, false },
		{ "::", 3478, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		for (int redirected = 0; redirected < 2; redirected++) {
			struct rng rng = { 1 };
			struct stun_client c;
			struct stun_client_answer a;
			uint8_t buf[256];
			size_t len;

			assert_int_equal(addr_parse(rows[i].addr, &named.addr), 0);
			named.port = rows[i].port;
			len = answer(buf, sizeof(buf), STUN_ERROR, &id, fill_alternate);
			begin_sent(&c, &rng);
			c.redirected = redirected;
			assert_int_equal(
			    stun_client_receive(&c, buf, len, &server, T0, &a),
			    rows[i].follow && !redirected ? STUN_CLIENT_TRY_OTHER
							  : STUN_CLIENT_REFUSED);
			assert_int_equal(a.code, 300);
		}
}

static struct {
	const char *domain;
	size_t len;
} alternate_domain;

static void
fill_domain(struct stun_out *out)
{
	fill_alternate(out);
	if (alternate_domain.domain)
		stun_put_raw(
		    out, 0x8003, alternate_domain.domain, alternate_domain.len);
}

static void
test_alternate_domain(void **state)
{
	static const char longest[255] = { [0 ... 253] = 'a' };
	static const struct {
		const char *domain;
		size_t len;
		bool taken;
	} rows[] = {
		{ NULL, 0, false },
		{ "b.example", 9, true },
		{ "b.example\0.c", 12, false },
		{ longest, 253, true },
		{ longest, 254, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct rng rng = { 1 };
		struct stun_client c;
		struct stun_client_answer a;
		char got[STUN_HOST_MAX] = "as before";
		uint8_t buf[512];
		size_t len;

		named = (struct endpoint) { addr_ipv4(11, 22, 33, 2), 3478 };
		alternate_domain.domain = rows[i].domain;
		alternate_domain.len = rows[i].len;
		len = answer(buf, sizeof(buf), STUN_ERROR, &id, fill_domain);
		begin_sent(&c, &rng);
		assert_int_equal(stun_client_receive(&c, buf, len, &server, T0, &a),
		    STUN_CLIENT_TRY_OTHER);
		assert_int_equal(stun_client_domain(&a, got), rows[i].taken);
		assert_string_equal(got, !rows[i].taken     ? "as before"
					 : rows[i].len == 9 ? "b.example"
							    : longest + 1);
	}
}

/* ---- errors of the network ---- */

static void
test_errors(void **state)
{
	static const struct {
		int error;
		bool ends, ends_reliable;
	} rows[] = {
		{ -ECONNREFUSED, true, true },
		{ -ENOPROTOOPT, true, true },
		{ -EHOSTUNREACH, false, true },
		{ -ENETUNREACH, false, true },
		{ -EMSGSIZE, false, true },
		{ -ECONNRESET, false, true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		for (int reliable = 0; reliable < 2; reliable++) {
			struct stun_client c;

			stun_client_begin(
			    &c, &id, STUN_BINDING, &server, reliable, NULL, T0);
			assert_int_equal(stun_client_error(&c, rows[i].error),
			    reliable ? rows[i].ends_reliable : rows[i].ends);
			assert_int_equal(
			    c.over, reliable ? rows[i].ends_reliable : rows[i].ends);
			assert_false(c.over && stun_client_error(&c, rows[i].error));
		}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_schedule),
		cmocka_unit_test(test_reliable),
		cmocka_unit_test(test_suspend),
		cmocka_unit_test(test_round_trips),
		cmocka_unit_test(test_answered),
		cmocka_unit_test(test_retransmitted_has_no_round_trip),
		cmocka_unit_test(test_rewritten),
		cmocka_unit_test(test_wrong_answers_do_not_end_it),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_alternate),
		cmocka_unit_test(test_alternate_domain),
		cmocka_unit_test(test_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
