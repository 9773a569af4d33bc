/*
 * http_cut.h - feeds the HTTP reader whole, byte by byte or cut at random().
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/http.h"
#include "proto/util.h"

/* One way of feeding: how many bytes come next, 1 to left. */
typedef size_t cut(size_t left);

static inline size_t
cut_nowhere(size_t left)
{
	return left;
}

static inline size_t
cut_everywhere(size_t left)
{
	(void)left;
	return 1;
}

static inline size_t
cut_anywhere(size_t left)
{
	return (size_t)random() % MIN(left, (size_t)700) + 1;
}

static inline void
response_freep(struct http_response **r)
{
	http_response_free(*r);
}

/* Feeds from memory of exactly the piece's size: nothing may be kept by address. */
static inline int
feed_cut(struct http_response *r, const char *bytes, size_t len, cut *next)
{
	int fed = 0;

	while (len > 0 && fed == 0) {
		size_t n = next(len);
		char *piece = malloc(n);

		assert_non_null(piece);
		memcpy(piece, bytes, n);
		fed = http_response_feed(r, piece, n);
		free(piece);
		bytes += n;
		len -= n;
	}
	return fed;
}
