/*
 * gena.h - events of UPnP devices: SUBSCRIBE, renewal, UNSUBSCRIBE out, NOTIFY in.
 *
 * A NOTIFY is an HTTP request whose body is a list of variables.  It has to say how
 * long it is (a chunked one is refused with 411), so that whoever reads the connection
 * knows from the head alone how much to wait for, and how much never to take.
 *
 * UPnP Device Architecture 2.0, section 4.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "proto/addr.h"
#include "proto/http.h"

#define GENA_SID_MAX 128 /* with NUL */
#define GENA_PATH_MAX 64 /* of our callback, with NUL */
#define GENA_HEAD_MAX (8 * 1024)
#define GENA_BODY_MAX (16 * 1024)
#define GENA_ANSWER_MAX 128
#define GENA_TIMEOUT_S 1800 /* asked for, and taken where none is granted in words */
#define GENA_TIMEOUT_MIN_S 20
#define GENA_TIMEOUT_MAX_S 86400 /* "infinite", too */

/*
 * host and path as for http_encode_get(); callback is the whole URL that is to be
 * notified, sid what gena_decode_subscribed() gave; visible ASCII without ">", else
 * -EINVAL.  Length or -ENOBUFS.
 */
ssize_t gena_encode_subscribe(
    char *buf, size_t size, const char *host, const char *path, const char *callback);
ssize_t gena_encode_renew(
    char *buf, size_t size, const char *host, const char *path, const char *sid);
ssize_t gena_encode_unsubscribe(
    char *buf, size_t size, const char *host, const char *path, const char *sid);

struct gena_subscription {
	char sid[GENA_SID_MAX]; /* visible ASCII, as it came */
	uint32_t timeout_s;     /* GENA_TIMEOUT_MIN_S to GENA_TIMEOUT_MAX_S */
};

/*
 * The answer to SUBSCRIBE or its renewal.  0; -ENOENT: 412, the device does not know
 * the subscription that was to be renewed; -EACCES: any other status than 200;
 * -EBADMSG: 200 without a usable SID.
 */
int gena_decode_subscribed(
    const struct http_response *response, struct gena_subscription *ret);

/* What a NOTIFY says; of the variables only those natd can use. */
struct gena_notify {
	char path[GENA_PATH_MAX];
	char sid[GENA_SID_MAX];
	uint32_t seq; /* 0: the first of a subscription */
	bool has_external, has_status, has_entries;
	struct addr external; /* IPv4; ADDR_NONE: the router has none */
	bool connected;       /* ConnectionStatus */
	uint32_t entries;     /* PortMappingNumberOfEntries */
};

/*
 * How many bytes the request has that begins with buf[0..len).  0: its head is not
 * complete yet; -EBADMSG: it is no HTTP request; -EOPNOTSUPP: it does not say how long
 * it is; -EMSGSIZE: head or body are over the limit.
 */
ssize_t gena_request_len(const char *buf, size_t len);

/*
 * Read one whole request.  0; -EBADMSG: no NOTIFY, or malformed; -EINVAL: NT or NTS are
 * missing or others; -ENOENT: no usable SID; or the error of gena_request_len().
 */
int gena_decode_notify(const char *buf, size_t len, struct gena_notify *ret);

/* The HTTP status that tells a peer of one of these errors; 200 for 0. */
int gena_status(int error);
/* The answer to a NOTIFY: a status of gena_status(), or 404.  Length or -ENOBUFS. */
ssize_t gena_encode_answer(char *buf, size_t size, int status);
