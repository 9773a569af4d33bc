/*
 * http.h - bounded HTTP/1.1 client messages for UPnP: one request, one response.
 *
 * The request is one block of text (headers and body, one write, no chunking, no
 * Expect; header names in the exact case old routers want).  The response is fed in
 * pieces of any size and gives the same result however it is cut.  No redirects.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define HTTP_HEADER_MAX (16 * 1024)
#define HTTP_HEADER_LINES_MAX 64
#define HTTP_BODY_MAX (256 * 1024)
#define HTTP_INTERIM_MAX 4 /* 1xx responses before the real one */
#define HTTP_REQUEST_MAX (8 * 1024)

/* GET path; host is "192.168.1.1:5000" (port left out when it is 80).  Both are visible
 * ASCII, or the request would end where the peer likes: else -EINVAL.  Length or
 * -ENOBUFS. */
ssize_t http_encode_get(char *buf, size_t size, const char *host, const char *path);

/* POST of a SOAP body; action is "urn:...:WANIPConnection:1#AddPortMapping", written
 * quoted in a header spelt SOAPAction; visible ASCII without quotes, as host and path,
 * else -EINVAL.  Length or -ENOBUFS. */
ssize_t http_encode_soap(char *buf, size_t size, const char *host, const char *path,
    const char *action, const char *body, size_t body_len);

struct http_response; /* opaque: a reader that collects one response */

/* NULL when out of memory.  body_max: at most HTTP_BODY_MAX. */
struct http_response *http_response_new(size_t body_max);
/* Takes NULL; returns NULL. */
struct http_response *http_response_free(struct http_response *r);

/*
 * Feed the next bytes of the connection.  Returns 1: complete, bytes behind the end are
 * not looked at; 0: more is needed; -EBADMSG: malformed (two different lengths, length
 * and chunks, bad chunk, compressed, ...); -EMSGSIZE: over a limit; -ENOMEM.  Anything
 * but 0 is final: feeding on changes nothing and returns it again.
 */
int http_response_feed(struct http_response *r, const void *bytes, size_t len);

/* The peer closed: 1 if the response is complete by that (body without a length, only
 * trailers missing) or was before, else -EBADMSG or the error before. */
int http_response_eof(struct http_response *r);

/* Valid once complete: 100-599, redirects and errors are answers like any other. */
int http_response_status(const struct http_response *r);
/* Borrowed, NUL-terminated behind *ret_len bytes. */
const char *http_response_body(const struct http_response *r, size_t *ret_len);
/* Value of the first header of that name (case-insensitive), printable and trimmed, or
 * NULL: Server, SID, Timeout.  Borrowed. */
const char *http_response_header(const struct http_response *r, const char *name);
