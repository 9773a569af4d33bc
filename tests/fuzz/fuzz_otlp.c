/*
 * fuzz_otlp.c - an endpoint, a list of headers, a list of attributes and the answer of
 * a collector, a line each; what goes out is strict JSON behind headers of ours.
 */
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "proto/json.h"
#include "proto/otlp.h"
#include "proto/util.h"

#define PARTS 4

static void
check_post(const struct otlp_target *target, const char *scope, const char *text)
{
	const struct otlp_attribute attribute = { "natd.problem", text, 0 };
	const struct otlp_event event = { 1, text, &attribute, 1 };
	const struct otlp_span span = { .name = text,
		.attributes = &attribute,
		.attributes_count = 1,
		.events = &event,
		.events_count = 1,
		.failed = true,
		.message = text };
	char encoded[OTLP_SPAN_MAX];
	const char *const spans[] = { encoded, encoded };
	_cleanup_(json_freep) cJSON *tree = NULL;
	char *post, *body;
	size_t len, lines = 0;

	if (otlp_encode_span(encoded, sizeof(encoded), &span) < 0)
		return;
	post = otlp_encode_post(target, scope, spans, 2, &len);
	MUST(post && strlen(post) == len);
	body = strstr(post, "\r\n\r\n");
	MUST(body && json_parse(body + 4, strlen(body + 4), &tree) == 0);
	/* A header in the environment is one line. */
	for (const char *at = target->headers; *at; at++)
		lines += *at == '\n';
	for (const char *at = post; at < body + 2; at++)
		lines -= *at == '\n';
	MUST(lines == (size_t)-6);
	free(post);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = malloc(size + 1), *part[PARTS] = { 0 }, *at = copy;
	struct otlp_target target;
	char scope[OTLP_SCOPE_MAX];

	MUST(copy);
	memcpy(copy, data, size);
	copy[size] = '\0';
	for (unsigned i = 0; i < PARTS; i++) {
		part[i] = at;
		at += strcspn(at, "\n");
		if (*at)
			*at++ = '\0';
	}
	(void)otlp_decode_rejected((const char *)data, size);
	if (otlp_target(part[0], size % 2, part[1], &target) == 0 &&
	    otlp_encode_scope(scope, sizeof(scope), part[3], part[2]) > 0)
		check_post(&target, scope, part[3]);
	free(copy);
	return 0;
}
