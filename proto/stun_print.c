/*
 * stun_print.c - STUN messages for people: natctl stun, logs, tests.
 */
#include <inttypes.h>

#include "proto/stun_attr.h"
#include "proto/util.h"

#define BYTES_SHOWN 32
#define TEXT_SHOWN 128

static const struct {
	uint16_t method;
	const char *name;
} methods[] = {
	{ STUN_BINDING, "Binding" },
	{ STUN_ALLOCATE, "Allocate" },
	{ STUN_REFRESH, "Refresh" },
	{ STUN_SEND, "Send" },
	{ STUN_DATA_INDICATION, "Data" },
	{ STUN_CREATE_PERMISSION, "CreatePermission" },
	{ STUN_CHANNEL_BIND, "ChannelBind" },
};

static const char *const classes[] = {
	[STUN_REQUEST] = "request",
	[STUN_INDICATION] = "indication",
	[STUN_SUCCESS] = "success",
	[STUN_ERROR] = "error",
};

/* RFC 8489 section 18.5. */
static const char *const algorithms[] = { [1] = "MD5", [2] = "SHA-256" };

const char *
stun_method_name(uint16_t method)
{
	for (size_t i = 0; i < ARRAY_SIZE(methods); i++)
		if (methods[i].method == method)
			return methods[i].name;
	return NULL;
}

static void
print_bytes(const uint8_t *bytes, size_t len, struct text_out *out)
{
	text_put(out, " ");
	for (size_t i = 0; i < MIN(len, BYTES_SHOWN); i++)
		text_printf(out, "%02x", bytes[i]);
	if (len > BYTES_SHOWN)
		text_printf(out, "... (%zu bytes)", len);
}

static void
print_text(const char *text, size_t len, struct text_out *out)
{
	char printable[TEXT_SHOWN];

	/* coturn counts its padding. */
	while (len > 0 && text[len - 1] == '\0')
		len--;
	text_copy_printable(printable, sizeof(printable), text, len);
	text_printf(out, " \"%s\"", printable);
}

static void
print_code(uint16_t code, struct text_out *out)
{
	enum stun_attr attr = stun_attr_from_code(code);

	if (attr == STUN_ATTR_UNKNOWN)
		text_printf(out, "0x%04x", code);
	else
		text_put(out, stun_attr_rows[attr].name);
}

static void
print_codes(const uint8_t *bytes, size_t len, struct text_out *out)
{
	struct wire_in in = wire_in(bytes, len);

	while (wire_left(&in) >= 2) {
		text_put(out, " ");
		print_code(wire_u16(&in), out);
	}
}

/* Number, length of its parameters, these padded (14.11). */
static void
print_algorithms(const uint8_t *bytes, size_t len, struct text_out *out)
{
	struct wire_in in = wire_in(bytes, len);

	while (wire_left(&in) >= 4) {
		uint16_t number = wire_u16(&in), parameters = wire_u16(&in);

		if (number < ARRAY_SIZE(algorithms) && algorithms[number])
			text_printf(out, " %s", algorithms[number]);
		else
			text_printf(out, " 0x%04x", number);
		wire_take(&in, MIN(wire_left(&in), ((size_t)parameters + 3) & ~3u));
	}
}

void
stun_value_print(const struct stun_value *v, struct text_out *out)
{
	char text[ENDPOINT_TEXT_MAX];

	print_code(v->code, out);
	switch ((enum stun_kind)stun_attr_rows[v->attr].kind) {
	case STUN_KIND_FLAG:
		break;
	case STUN_KIND_NUMBER:
		text_printf(out, " %" PRIu64, v->number);
		break;
	case STUN_KIND_ADDRESS:
	case STUN_KIND_XOR_ADDRESS:
		text_printf(out, " %s", endpoint_format(&v->endpoint, text));
		break;
	case STUN_KIND_ERROR:
		text_printf(out, " %u", v->error.code);
		print_text(v->error.reason, v->error.reason_len, out);
		break;
	case STUN_KIND_TEXT:
		print_text((const char *)v->raw.bytes, v->raw.len, out);
		break;
	case STUN_KIND_CODES:
		print_codes(v->raw.bytes, v->raw.len, out);
		break;
	case STUN_KIND_ALGORITHMS:
		print_algorithms(v->raw.bytes, v->raw.len, out);
		break;
	case STUN_KIND_ICMP:
		text_printf(out, " type %u code %u data %" PRIu32,
		    (unsigned)(v->number >> 40), (unsigned)(v->number >> 32 & 255),
		    (uint32_t)v->number);
		break;
	case STUN_KIND_NONE:
	case STUN_KIND_BYTES:
	case STUN_KIND_MAX:
		print_bytes(v->raw.bytes, v->raw.len, out);
		break;
	}
}

void
stun_msg_print(const struct stun_msg *m, struct text_out *out)
{
	const char *method = stun_method_name(m->method);
	struct stun_cursor c = stun_cursor(m);

	if (method)
		text_put(out, method);
	else
		text_printf(out, "method 0x%03x", m->method);
	text_printf(out, " %s", classes[m->class]);
	for (struct stun_raw raw; (raw = stun_next(&c)).value;) {
		struct stun_value v;

		text_put(out, ", ");
		if (stun_value_read(m, &raw, &v) == 0) {
			stun_value_print(&v, out);
		} else {
			print_code(raw.code, out);
			print_bytes(raw.value, raw.len, out);
		}
	}
}
