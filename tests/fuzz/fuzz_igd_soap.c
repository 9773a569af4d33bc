/*
 * fuzz_igd_soap.c - answers to any action; and any text as an argument of a request,
 * which is refused or well-formed.
 *
 * The size chooses action and status, so that a document is an input as it is.
 */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "proto/http.h"
#include "proto/igd_soap.h"
#include "proto/text.h"

static void
decode(enum igd_action action, int status, const uint8_t *data, size_t size)
{
	struct igd_answer a;
	struct addr addr;
	uint64_t n;
	bool b;

	if (igd_soap_decode(action, status, (const char *)data, size, &a) < 0)
		return;
	MUST(a.error || status == 200);
	for (unsigned i = 0; i < IGD_ARG_MAX; i++) {
		MUST(!a.present[i] || !a.error);
		MUST(text_is_utf8(a.value[i], strlen(a.value[i])));
		MUST(igd_answer_uint(&a, i, UINT16_MAX, &n) < 0 || n <= UINT16_MAX);
		igd_answer_addr(&a, i, &addr);
		igd_answer_bool(&a, i, &b);
	}
	igd_answer_connected(&a);
}

/* Our own request is read back like an answer that lost its suffix. */
static void
encode(enum igd_action action, const uint8_t *data, size_t size)
{
	struct igd_service service = { .urn = "urn:x:service:WANIPConnection:1",
		.control.path = "/" };
	struct igd_args args;
	struct igd_answer answer;
	char text[1024], request[HTTP_REQUEST_MAX], *body;

	size = size < sizeof(text) ? size : sizeof(text) - 1;
	memcpy(text, data, size);
	text[size] = '\0';
	for (unsigned i = 0; i < IGD_ARG_MAX; i++)
		args.value[i] = text;
	if (igd_soap_encode(request, sizeof(request), "h", &service, action, &args) < 0)
		return;
	body = strstr(request, "\r\n\r\n");
	MUST(body && strpbrk(body + 4, "\r\n") == NULL);
	MUST(igd_soap_decode(action, 200, body + 4, strlen(body + 4), &answer) == 0);
	MUST(answer.error == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum igd_action action = (unsigned)(size % IGD_ACTION_MAX);

	decode(action, size / IGD_ACTION_MAX % 4 ? 200 : 500, data, size);
	encode(action, data, size);
	return 0;
}
