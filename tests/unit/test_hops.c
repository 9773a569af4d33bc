/*
 * test_hops.c - what packets of few hops tell about translators, and when they are
 * sent.
 */
#include "proto/hops.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define SEEN "11.22.33.44"
#define ROUTER "192.168.1.1"

static struct addr
address(const char *text)
{
	struct addr a = { .family = ADDR_NONE };

	if (text)
		assert_int_equal(addr_parse(text, &a), 0);
	return a;
}

/* What each probe meets: nothing, an address where it ends, or "!" before the one where
 * it arrives. */
static const struct situation {
	const char *name, *meets[HOPS_PROBES], *host;
	int translators, carrier;
	unsigned sends;
} situations[] = {
	{ "the router has the address", { "!" SEEN, ROUTER, NULL }, "192.168.1.20", 1,
	    0, 1 },
	{ "it drops what is for itself", { NULL, ROUTER, NULL }, "192.168.1.20", 1, 0,
	    18 },
	{ "it drops that, and the next hop answers", { NULL, ROUTER, "11.22.33.1" },
	    "192.168.1.20", 1, 0, 18 },
	{ "a router that ends packets without a word", { NULL, NULL, "11.22.33.1" },
	    "192.168.1.20", -1, -1, 18 },
	{ "nothing comes back", { NULL, NULL, NULL }, "192.168.1.20", -1, -1, 18 },
	{ "the carrier's", { ROUTER, ROUTER, "100.64.7.1" }, "192.168.1.20", 2, 1, 3 },
	{ "another private network", { ROUTER, ROUTER, "10.7.0.1" }, "192.168.1.20", -1,
	    -1, 3 },
	{ "the second hop says nothing", { ROUTER, ROUTER, NULL }, "192.168.1.20", -1,
	    -1, 18 },
	{ "no router of one's own", { "!" SEEN, "100.64.7.1", NULL }, "100.64.7.20", 1,
	    1, 1 },
	{ "a firewall refuses in its own name", { "!" ROUTER, NULL, NULL },
	    "192.168.1.20", -1, -1, 18 },
	{ "two ways", { "192.168.1.2", ROUTER, "100.64.7.1" }, "192.168.1.20", -1, -1,
	    3 },
};

static void
meet(struct hops *h, enum hops_probe probe, const char *what)
{
	struct addr from = address(what && *what == '!' ? what + 1 : what);

	if (what)
		hops_heard(
		    h, probe, *what == '!' ? HOPS_UNREACHABLE : HOPS_ENDED, &from);
}

/* Until it is over; how many were sent. */
static unsigned
run(struct hops *h, const struct situation *s, msec_t now, msec_t *ret_end)
{
	enum hops_probe probe;
	unsigned sends = 0;

	for (;;)
		switch (hops_next(h, now, &probe)) {
		case HOPS_SEND:
			sends++;
			meet(h, probe, s->meets[probe]);
			break;
		case HOPS_WAIT:
			assert_true(h->next_at > now);
			now = h->next_at;
			break;
		case HOPS_DONE:
			*ret_end = now;
			assert_int_equal(hops_next(h, now, &probe), HOPS_WAIT);
			assert_int_equal(h->next_at, MSEC_NEVER);
			return sends;
		}
}

static void
test_situations(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(situations); i++) {
		const struct situation *s = &situations[i];
		struct behavior_path path = { .translators = -1, .carrier = -1 };
		struct addr seen = address(SEEN), host = address(s->host);
		msec_t began = 1000, end;
		struct hops h;

		print_message("%s\n", s->name);
		hops_init(&h, &seen, began);
		assert_int_equal(run(&h, s, began, &end), s->sends);
		assert_true(end - began <= HOPS_ROUNDS * HOPS_ROUND_MS + HOPS_GRACE_MS);
		hops_verdict(&h, &host, &path);
		assert_int_equal(path.translators, s->translators);
		assert_int_equal(path.carrier, s->carrier);
	}
}

static void
test_lost_words_are_no_silence(void **state)
{
	const struct addr seen = address(SEEN), router = address(ROUTER),
			  host = address("192.168.1.20");
	struct behavior_path path = { .translators = -1, .carrier = -1 };
	struct hops h;

	(void)state;
	hops_init(&h, &seen, 0);
	h.ended[HOPS_FIRST] = HOPS_ROUNDS - 2;
	h.at[HOPS_FIRST] = router;
	hops_verdict(&h, &host, &path);
	assert_int_equal(path.translators, -1);
	h.ended[HOPS_FIRST] = HOPS_ROUNDS - 1;
	hops_verdict(&h, &host, &path);
	assert_int_equal(path.translators, 1);
}

static void
test_what_is_known_stays(void **state)
{
	const struct addr seen = address(SEEN), host = address("192.168.1.20");
	struct behavior_path path = { .translators = 2, .carrier = -1 };
	struct hops h;

	(void)state;
	hops_init(&h, &seen, 0);
	hops_heard(&h, HOPS_SEEN, HOPS_UNREACHABLE, &seen);
	hops_verdict(&h, &host, &path);
	assert_int_equal(path.translators, 2);
	assert_int_equal(path.carrier, -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_situations),
		cmocka_unit_test(test_lost_words_are_no_silence),
		cmocka_unit_test(test_what_is_known_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
