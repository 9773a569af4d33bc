/*
 * fuzz_gena.c - one request to the callback as it arrives, byte by byte and whole: its
 * length is known from the head alone, and what is accepted is bounded and printable.
 */
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <string.h>

#include "proto/gena.h"
#include "proto/util.h"

#define CUTS 64

static void
check_visible(const char *text, size_t size)
{
	size_t len = strnlen(text, size);

	MUST(len > 0 && len < size);
	for (; *text; text++)
		MUST(*text > ' ' && *text <= '~');
}

/* More of the same bytes never changes what was said of them. */
static void
check_pieces(const char *data, size_t size)
{
	ssize_t known = 0;

	for (size_t n = 0; n <= size; n += size / CUTS + 1) {
		ssize_t r = gena_request_len(data, n);

		MUST(known == 0 || r == known);
		MUST(r <= GENA_HEAD_MAX + GENA_BODY_MAX);
		known = r;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct gena_notify n;
	char buf[4096];
	int r = gena_decode_notify((const char *)data, size, &n);

	check_pieces((const char *)data, MIN(size, (size_t)32 * 1024));
	MUST(gena_encode_answer(buf, GENA_ANSWER_MAX, gena_status(r)) > 0);
	if (r < 0)
		return 0;
	check_visible(n.path, sizeof(n.path));
	check_visible(n.sid, sizeof(n.sid));
	MUST(n.external.family == ADDR_IPV4 || n.external.family == ADDR_NONE);
	/* A name that was accepted can be said again. */
	MUST(gena_encode_renew(buf, sizeof(buf), "h", n.path, n.sid) > 0);
	return 0;
}
