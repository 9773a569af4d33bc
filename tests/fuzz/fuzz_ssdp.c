/*
 * fuzz_ssdp.c - one datagram: what is accepted is printable and has its location.
 */
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <string.h>

#include "proto/ssdp.h"
#include "proto/text.h"

static void
check_printable(const char *text, size_t size)
{
	size_t len = strnlen(text, size);

	MUST(len < size && text_is_utf8(text, len));
	for (; *text; text++)
		MUST((unsigned char)*text >= ' ' && *text != 0x7f);
}

/* A type that counts can be asked for. */
static void
check_search(const char *target)
{
	char buf[256];
	struct ssdp_message m;
	ssize_t len = ssdp_encode_search(buf, sizeof(buf), "[ff02::c]:1900", target, 1);

	MUST(len > 0 && ssdp_decode(buf, (size_t)len, &m) == 0);
	MUST(m.kind == SSDP_SEARCH && strcmp(m.target, target) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ssdp_message m;
	int r = ssdp_decode((const char *)data, size, &m);

	MUST(r == 0 || r == -EBADMSG || r == -ENOENT);
	if (r < 0)
		return 0;
	MUST(size <= SSDP_MESSAGE_MAX && m.max_age_s <= 86400);
	check_printable(m.target, sizeof(m.target));
	check_printable(m.usn, sizeof(m.usn));
	check_printable(m.server, sizeof(m.server));
	if (m.kind != SSDP_BYEBYE && m.kind != SSDP_SEARCH)
		MUST(m.location.port > 0 && m.location.host[0] &&
		     m.location.path[0] == '/');
	if (ssdp_target_is_gateway(m.target))
		check_search(m.target);
	return 0;
}
