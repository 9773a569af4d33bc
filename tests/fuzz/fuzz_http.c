/*
 * fuzz_http.c - one response, whole and in pieces whose sizes are its own bytes: the
 * result is the same.
 */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "proto/http.h"
#include "proto/text.h"
#include "proto/util.h"

/* Small, so that inputs of a few KiB reach it. */
#define BODY_MAX 2000

static struct http_response *
feed(const uint8_t *data, size_t size, bool cut, int *ret_fed, int *ret_closed)
{
	struct http_response *r = http_response_new(BODY_MAX);
	int fed = 0;

	MUST(r);
	for (size_t at = 0, n; at < size && fed == 0; at += n) {
		n = cut ? MIN((size_t)data[at] % 40 + 1, size - at) : size;
		fed = http_response_feed(r, data + at, n);
	}
	*ret_fed = fed;
	*ret_closed = http_response_eof(r);
	return r;
}

static void
same_header(struct http_response *a, struct http_response *b, const char *name)
{
	const char *x = http_response_header(a, name),
		   *y = http_response_header(b, name);

	MUST(!x == !y && (!x || strcmp(x, y) == 0));
	MUST(!x || text_is_utf8(x, strlen(x)));
}

static void
same(struct http_response *a, struct http_response *b)
{
	size_t a_len, b_len;
	const char *x = http_response_body(a, &a_len),
		   *y = http_response_body(b, &b_len);

	MUST(http_response_status(a) == http_response_status(b));
	MUST(http_response_status(a) >= 200 && http_response_status(a) <= 599);
	MUST(a_len == b_len && a_len <= BODY_MAX && memcmp(x, y, a_len) == 0);
	MUST(x[a_len] == '\0' && y[b_len] == '\0');
	same_header(a, b, "Server");
	same_header(a, b, "SID");
	same_header(a, b, "");
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fed, closed, cut_fed, cut_closed;
	struct http_response *whole = feed(data, size, false, &fed, &closed);
	struct http_response *cut = feed(data, size, true, &cut_fed, &cut_closed);

	MUST(fed == cut_fed && closed == cut_closed && (fed == 0 || fed == closed));
	if (closed == 1)
		same(whole, cut);
	http_response_free(whole);
	http_response_free(cut);
	return 0;
}
