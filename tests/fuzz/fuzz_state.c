/*
 * fuzz_state.c - the state file: raw lines, and records of any content behind a right
 * checksum, through the readers that a start of natd uses.
 */
#include <stdlib.h>
#include <string.h>

#include "daemon/record.h"
#include "daemon/state_line.h"
#include "proto/json.h"
#include "tests/fuzz/fuzz.h"

static void
read_parts(const cJSON *o)
{
	struct gateway_identity on;
	struct mapping_context context;
	struct lease_held held;

	if (record_context_read(o, &context) == 0)
		MUST(context.transports != 0 && context.methods_count <= METHOD_MAX);
	if (record_held_read(o, 1000, &held) == 0)
		MUST(held.external_port != 0 && held.method < METHOD_MAX);
	if (record_identity_read(o, &on) == 0)
		MUST(on.mac_len <= sizeof(on.mac));
}

static void
round_trip(const cJSON *o, bool added)
{
	struct state_text text = { 0 };
	struct state_line line;

	if (added)
		state_put_added(&text, "mapping", o);
	else
		state_put_record(&text, "mapping", o);
	if (text.error == 0) {
		MUST(text.len > 0 && text.buf[text.len - 1] == '\n');
		MUST(state_read_record(text.buf, text.len - 1, &line) == 0);
		MUST(strcmp(line.kind, "mapping") == 0 && line.added == added);
		read_parts(line.object);
		cJSON_Delete(line.tree);
	}
	free(text.buf);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct state_header header;
	struct state_line line;
	cJSON *tree;

	(void)state_read_header((const char *)data, size, &header);
	if (state_read_record((const char *)data, size, &line) == 0)
		cJSON_Delete(line.tree);
	if (json_parse((const char *)data, size, &tree) < 0)
		return 0;
	if (cJSON_IsObject(tree))
		for (int added = 0; added < 2; added++)
			round_trip(tree, added);
	cJSON_Delete(tree);
	return 0;
}
