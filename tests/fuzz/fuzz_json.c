/*
 * fuzz_json.c - any text.
 *
 * What the reader takes cJSON takes too, has no key twice, keeps its depth, and means
 * the same when it is printed and read again.
 */
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/json.h"
#include "proto/text.h"

/* Recursion is fine here: the reader promised its depth. */
static void
check(const cJSON *item, unsigned depth)
{
	int64_t i = 0;

	if (json_to_int(item, &i) == 0 && cJSON_IsNumber(item))
		MUST(i >= -JSON_INT_EXACT_MAX && i <= JSON_INT_EXACT_MAX &&
		     (double)i == item->valuedouble);
	if (cJSON_IsString(item))
		MUST(text_is_utf8(item->valuestring, strlen(item->valuestring)));
	MUST(item->child == NULL || depth < JSON_DEPTH_MAX);
	for (const cJSON *c = item->child; c != NULL; c = c->next) {
		if (c->string != NULL)
			MUST(cJSON_IsNull(c) ? json_get(item, c->string) == NULL
					     : json_get(item, c->string) == c);
		check(c, depth + 1);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cJSON *tree = NULL, *again = NULL;
	size_t room = size * 8 + 256;
	char *text, *second;
	ssize_t n;
	int r = json_parse((const char *)data, size, &tree);

	MUST(r == 0 || r == -EBADMSG);
	MUST((r == 0) == (tree != NULL));
	if (r < 0)
		return 0;
	check(tree, 0);
	text = malloc(room);
	MUST(text != NULL);
	n = json_print(tree, text, room);
	MUST(n >= 0 && (size_t)n == strlen(text));
	MUST(json_parse(text, (size_t)n, &again) == 0);
	/* Not cJSON_Compare(), which takes twice as long for each level of objects. */
	second = malloc(room);
	MUST(second != NULL);
	MUST(json_print(again, second, room) == n &&
	     memcmp(text, second, (size_t)n) == 0);
	free(second);
	cJSON_Delete(again);
	cJSON_Delete(tree);
	free(text);
	return 0;
}
