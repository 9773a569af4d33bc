/*
 * stun_server.c - checks a Binding request and writes its answer.
 */
#include "proto/stun_server.h"

#define CHANGE_ADDRESS 4
#define CHANGE_PORT 2
/* Below are services that would take the answer for a request of their own. */
#define RESPONSE_PORT_MIN 1024
#define UNKNOWN_MAX (STUN_SERVER_MESSAGE_MAX / 4)

/* What RFC 8489 defines: used, or ignored where it is not expected (section 6.3). */
#define UNDERSTOOD_ALWAYS                                                  \
	(STUN_BIT(STUN_MAPPED_ADDRESS) | STUN_BIT(STUN_USERNAME) |         \
	    STUN_BIT(STUN_MESSAGE_INTEGRITY) | STUN_BIT(STUN_ERROR_CODE) | \
	    STUN_BIT(STUN_UNKNOWN_ATTRIBUTES) | STUN_BIT(STUN_REALM) |     \
	    STUN_BIT(STUN_NONCE) | STUN_BIT(STUN_XOR_MAPPED_ADDRESS) |     \
	    STUN_BIT(STUN_MESSAGE_INTEGRITY_SHA256) |                      \
	    STUN_BIT(STUN_PASSWORD_ALGORITHM) | STUN_BIT(STUN_USERHASH))

#define UNDERSTOOD_BEHAVIOUR                                            \
	(STUN_BIT(STUN_CHANGE_REQUEST) | STUN_BIT(STUN_RESPONSE_PORT) | \
	    STUN_BIT(STUN_PADDING))

/* Attributes are in the order of their codes. */
#define REQUIRED (STUN_BIT(STUN_ADDITIONAL_ADDRESS_FAMILY) - 1)

/* A request under way. */
struct service {
	const struct stun_responder *r;
	const struct stun_arrival *arrival;
	struct stun_msg request;
	struct stun_grant grant;
	struct stun_out out;
};

void
stun_responder_init(struct stun_responder *r, const struct endpoint *main_,
    const struct endpoint *alternate)
{
	*r = (struct stun_responder) { .two_addresses = alternate != NULL };
	for (unsigned i = 0; i < STUN_SERVER_SOCKETS; i++) {
		r->local[i] = *main_;
		if (alternate && i & STUN_SERVER_ADDRESS)
			r->local[i].addr = alternate->addr;
		if (alternate && i & STUN_SERVER_PORT)
			r->local[i].port = alternate->port;
	}
}

static void
begin(struct service *s, enum stun_class class, uint8_t *out)
{
	stun_begin_answer(&s->out, out, STUN_SERVER_MESSAGE_MAX, class, &s->request);
}

/* The attributes every answer ends with. */
static bool
finish(struct service *s, struct stun_reply *ret)
{
	ssize_t n;

	if (s->r->software)
		stun_put_text(&s->out, STUN_SOFTWARE, s->r->software);
	stun_grant_put(&s->grant, &s->out);
	if (stun_has(&s->request, STUN_FINGERPRINT))
		stun_put_fingerprint(&s->out);
	n = stun_end(&s->out);
	if (n <= 0)
		return false;
	ret->len = (size_t)n;
	return true;
}

static bool
refuse(struct service *s, uint16_t code, uint8_t *out, struct stun_reply *ret)
{
	begin(s, STUN_ERROR, out);
	stun_put_error(&s->out, code);
	if (s->r->auth && (code == 401 || code == 438))
		stun_server_auth_put_challenge(
		    s->r->auth, &s->out, &s->arrival->from, s->arrival->now);
	return finish(s, ret);
}

static bool
refuse_unknown(
    struct service *s, uint64_t understood, uint8_t *out, struct stun_reply *ret)
{
	uint16_t codes[UNKNOWN_MAX];
	size_t n = stun_unknown(&s->request, understood, codes, UNKNOWN_MAX);

	begin(s, STUN_ERROR, out);
	stun_put_error(&s->out, 420);
	stun_put_codes(&s->out, codes, n);
	return finish(s, ret);
}

/* From where and to where (RFC 5780 section 6.1); 0, or the code of an error. */
static uint16_t
take_behaviour(const struct stun_msg *m, struct stun_reply *reply)
{
	uint64_t flags = 0, port;

	if (stun_get_number(m, STUN_CHANGE_REQUEST, &flags) == -EBADMSG)
		return 400;
	if (flags & CHANGE_ADDRESS)
		reply->socket ^= STUN_SERVER_ADDRESS;
	if (flags & CHANGE_PORT)
		reply->socket ^= STUN_SERVER_PORT;
	if (!stun_has(m, STUN_RESPONSE_PORT))
		return 0;
	if (stun_has(m, STUN_PADDING) ||
	    stun_get_number(m, STUN_RESPONSE_PORT, &port) != 0 ||
	    port < RESPONSE_PORT_MIN)
		return 400;
	reply->to.port = (uint16_t)port;
	return 0;
}

static void
put_padding(struct service *s)
{
	struct stun_raw padding = stun_find(&s->request, STUN_PADDING);
	uint8_t *value;

	if (!padding.value)
		return;
	value = stun_put(&s->out, STUN_PADDING, padding.len);
	if (value)
		memset(value, 0, padding.len);
}

/* Clients of RFC 3489 know three attributes under other names, and no XOR. */
static void
put_addresses(struct service *s, const struct stun_reply *reply)
{
	const struct stun_responder *r = s->r;
	const struct endpoint *seen = &s->arrival->from;
	const struct endpoint *other =
	    &r->local[s->arrival->socket ^ STUN_SERVER_PORT ^ STUN_SERVER_ADDRESS];
	bool old = s->request.rfc3489;

	if (!old)
		stun_put_address(&s->out, STUN_XOR_MAPPED_ADDRESS, seen);
	if (old || r->two_addresses)
		stun_put_address(&s->out, STUN_MAPPED_ADDRESS, seen);
	if (old || r->two_addresses)
		stun_put_address(&s->out,
		    old ? STUN_SOURCE_ADDRESS : STUN_RESPONSE_ORIGIN,
		    &r->local[reply->socket]);
	if (r->two_addresses)
		stun_put_address(
		    &s->out, old ? STUN_CHANGED_ADDRESS : STUN_OTHER_ADDRESS, other);
}

static bool
serve(struct service *s, uint8_t *out, struct stun_reply *ret)
{
	bool behaves = s->r->two_addresses && !s->arrival->stream;
	uint64_t understood = UNDERSTOOD_ALWAYS | (behaves ? UNDERSTOOD_BEHAVIOUR : 0);
	uint64_t required = s->request.present & REQUIRED;
	struct stun_reply changed = *ret;
	uint16_t code = 0;

	if (s->r->auth)
		code = stun_server_auth_check(s->r->auth, &s->request,
		    &s->arrival->from, s->arrival->now, &s->grant);
	if (code != 0)
		return refuse(s, code, out, ret);
	if (required & ~understood)
		return refuse_unknown(s, understood, out, ret);
	if (required & UNDERSTOOD_BEHAVIOUR)
		code = take_behaviour(&s->request, &changed);
	if (code != 0)
		return refuse(s, code, out, ret);
	*ret = changed;
	begin(s, STUN_SUCCESS, out);
	put_addresses(s, ret);
	put_padding(s);
	return finish(s, ret);
}

bool
stun_responder_answer(const struct stun_responder *r,
    const struct stun_arrival *arrival, const uint8_t *buf, size_t len,
    uint8_t out[static STUN_SERVER_MESSAGE_MAX], struct stun_reply *ret)
{
	struct service s;
	struct stun_reply reply = { .socket = arrival->socket, .to = arrival->from };

	if (len > STUN_SERVER_MESSAGE_MAX ||
	    stun_decode(buf, len, STUN_TAKE_RFC3489, &s.request) != 0 ||
	    s.request.class != STUN_REQUEST || s.request.method != STUN_BINDING ||
	    arrival->from.port == 0)
		return false;
	s.r = r;
	s.arrival = arrival;
	s.grant = (struct stun_grant) { NULL, NULL };
	if (!serve(&s, out, &reply))
		return false;
	*ret = reply;
	return true;
}
