/*
 * fuzz_igd_desc.c - device descriptions: whatever is accepted can be used as it is.
 */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "proto/igd_desc.h"
#include "proto/text.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct url location = { "192.168.1.1", 49152, "/a/rootDesc.xml" };
	struct igd_desc d;

	if (igd_desc_parse((const char *)data, size, &location, &d) < 0)
		return 0;
	MUST(d.services >= 1 && d.services <= IGD_SERVICES_MAX && d.version <= 2);
	MUST(text_is_utf8(d.friendly_name, strlen(d.friendly_name)));
	for (unsigned i = 0; i < d.services; i++) {
		const struct igd_service *s = &d.service[i];

		MUST(s->version >= 1 && s->version <= 2);
		MUST(strlen(s->urn) > 0 &&
		     strcspn(s->urn, " \r\n\"<>&") == strlen(s->urn));
		MUST(strcmp(s->control.host, location.host) == 0);
		MUST(s->control.port > 0 && s->control.path[0] == '/');
		MUST(strcspn(s->control.path, " \r\n") == strlen(s->control.path));
		MUST(!s->event.path[0] || strcmp(s->event.host, location.host) == 0);
	}
	return 0;
}
