/*
 * bench_stun.c - nanoseconds of a STUN message in memory, beside libnice if it was
 * there when this was built.
 *
 * A round is what one Binding transaction costs without the network: request written,
 * read and checked, answer with XOR-MAPPED-ADDRESS written, read, checked, matched and
 * its address taken.  Each row is the least of many short runs: on a busy machine the
 * others say more about the machine.  What a call of nothing takes is taken off.  Exit
 * code 0 only when each row meets its target.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "proto/stun_attr.h"
#include "proto/util.h"
#include "tests/bench/peer/libnice.h"

/* As in a caller that knows what it asks for. */
#define FORCED inline __attribute__((always_inline))

#define RUNS 4000
#define RUN_NS 50000

static const struct endpoint seen = {
	.addr = { .family = ADDR_IPV4, .bytes = { 192, 0, 2, 1 } }, .port = 32853
};
static const char software[] = "natd 0.1";

static struct crypto_mac *sha256;
static struct crypto_rng *rng;
static uint8_t request[256], answer[256];
static uint64_t counter;
static volatile unsigned failures;

static int64_t
now_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static void
must(bool good)
{
	if (!good)
		failures++;
}

/* Another one each time, as cheap as can be: ids have a row of their own. */
static struct stun_id
next_id(void)
{
	struct stun_id id = { .bytes = { 0 } };

	counter++;
	memcpy(id.bytes, &counter, sizeof(counter));
	return id;
}

/* ---- natd ---- */

static FORCED size_t
write_request(const struct stun_id *id, bool full)
{
	struct stun_out out;

	stun_begin(&out, request, sizeof(request), STUN_REQUEST, STUN_BINDING, id);
	if (full) {
		stun_put_bytes(&out, STUN_SOFTWARE, software, sizeof(software) - 1);
		stun_put_fingerprint(&out);
	}
	return (size_t)stun_end(&out);
}

static FORCED size_t
write_answer(const struct stun_msg *m, bool full, bool sign)
{
	struct stun_out out;

	stun_begin_answer(&out, answer, sizeof(answer), STUN_SUCCESS, m);
	stun_put_address(&out, STUN_XOR_MAPPED_ADDRESS, &seen);
	if (full)
		stun_put_bytes(&out, STUN_SOFTWARE, software, sizeof(software) - 1);
	if (sign)
		stun_put_integrity_sha256(&out, sha256, CRYPTO_SHA256_LEN);
	if (full)
		stun_put_fingerprint(&out);
	return (size_t)stun_end(&out);
}

static FORCED void
read_answer(const struct stun_id *id, size_t len, struct stun_msg *ret)
{
	struct endpoint mapped;

	must(stun_decode(answer, len, 0, ret) == 0 &&
	     stun_answers(ret, STUN_BINDING, id) && ret->class == STUN_SUCCESS &&
	     !stun_has_unknown(ret) && stun_get_mapped(ret, &mapped) == 0 &&
	     mapped.port == seen.port);
}

static FORCED void
round_trip(const struct stun_id *id, bool full)
{
	struct stun_msg m;

	must(stun_decode(request, write_request(id, full), 0, &m) == 0 &&
	     m.method == STUN_BINDING && m.class == STUN_REQUEST &&
	     !stun_has_unknown(&m));
	read_answer(id, write_answer(&m, full, false), &m);
}

static void
round_bare(void)
{
	struct stun_id id = next_id();

	round_trip(&id, false);
}

static void
round_full(void)
{
	struct stun_id id = next_id();

	round_trip(&id, true);
}

static struct stun_id
random_id(void)
{
	struct stun_id id;

	must(crypto_rng_id(rng, id.bytes) == 0);
	return id;
}

static void
own_id(void)
{
	(void)random_id();
}

static void
own_id_bare(void)
{
	struct stun_id id = random_id();

	round_trip(&id, false);
}

static void
own_id_full(void)
{
	struct stun_id id = random_id();

	round_trip(&id, true);
}

static struct stun_msg signed_request;
static struct stun_id signed_id;
static size_t signed_len;

static void
sign(void)
{
	signed_len = write_answer(&signed_request, true, true);
}

static void
verify(void)
{
	struct stun_msg m;

	read_answer(&signed_id, signed_len, &m);
	must(stun_verify_sha256(&m, sha256, CRYPTO_SHA256_LEN) == 0);
}

/* The request that sign() answers, and an answer for verify() to read. */
static bool
setup(void)
{
	static const uint8_t seed[CRYPTO_RNG_SEED_LEN] = { 1 };
	static uint8_t bytes[256];
	size_t len;

	if (crypto_mac_new(CRYPTO_SHA256, "secret", 6, &sha256) != 0 ||
	    crypto_rng_new(seed, &rng) != 0)
		return false;
	signed_id = next_id();
	len = write_request(&signed_id, true);
	memcpy(bytes, request, len);
	if (stun_decode(bytes, len, 0, &signed_request) != 0)
		return false;
	sign();
	return true;
}

/* ---- measuring ---- */

static double
least_ns(void (*what)(void))
{
	unsigned calls = 16;
	double least = 0;

	for (;; calls *= 2) {
		int64_t start = now_ns();

		for (unsigned i = 0; i < calls; i++)
			what();
		if (now_ns() - start > RUN_NS)
			break;
	}
	for (unsigned run = 0; run < RUNS; run++) {
		int64_t start = now_ns();
		double each;

		for (unsigned i = 0; i < calls; i++)
			what();
		each = (double)(now_ns() - start) / calls;
		if (run == 0 || each < least)
			least = each;
	}
	return least;
}

static bool (*libnice)(void);

static void
libnice_round(void)
{
	must(libnice());
}

static void
nothing(void)
{
	/* Not even this is left out by the compiler. */
	__asm__ volatile("");
}

static const struct {
	const char *what;
	double target_ns; /* 0: none, there to be compared */
	void (*natd)(void);
	bool (*libnice)(void);
} rows[] = {
	{ "transaction id", 25, own_id, NULL },
	{ "round, bare", 25, round_bare, NULL },
	{ "round, SOFTWARE + FINGERPRINT", 110, round_full, NULL },
	{ "answer signed with SHA-256", 600, sign, NULL },
	{ "answer read and verified", 600, verify, NULL },
	{ "round, bare, and its id", 0, own_id_bare, peer_libnice_bare },
	{ "round, S. + F., and its id", 0, own_id_full, peer_libnice_full },
};

int
main(void)
{
	bool with_libnice = peer_libnice_setup(software) == 0, missed = false;
	double empty = least_ns(nothing);

	if (!setup())
		return 1;
	printf("stun, ns%24s natd  target  met  libnice\n", "");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		double ns = least_ns(rows[i].natd) - empty, target = rows[i].target_ns;

		printf("%-29s %7.1f", rows[i].what, ns);
		if (target > 0)
			printf("  <=%4.0f  %3s", target, ns <= target ? "yes" : "NO");
		else
			printf("  %6s  %3s", "", "");
		missed |= target > 0 && ns > target;
		libnice = rows[i].libnice;
		if (libnice && with_libnice)
			printf("  %7.1f", least_ns(libnice_round) - empty);
		printf("\n");
	}
	crypto_mac_free(sha256);
	crypto_rng_free(rng);
	if (failures > 0)
		fprintf(stderr, "bench_stun: %u steps failed\n", failures);
	return missed || failures > 0;
}
