/*
 * fuzz_pxp.c - answers of NAT-PMP and PCP servers through both decoders, and what was
 * understood of PCP through the encoder again.
 */
#include <errno.h>

#include "proto/natpmp.h"
#include "proto/pcp.h"
#include "tests/fuzz/fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct natpmp_response natpmp;
	struct pcp_response pcp;
	uint8_t buf[PCP_MESSAGE_MAX];

	(void)natpmp_decode_response(data, size, &natpmp);
	if (pcp_decode_response(data, size, &pcp) < 0 || !pcp.has_map)
		return 0;
	struct pcp_request req = {
		.op = (enum pcp_op)pcp.op,
		.lifetime_s = pcp.lifetime_s,
		.client = addr_ipv4(192, 168, 1, 20),
		.map = pcp.map,
		.options = pcp.options,
	};
	ssize_t len = pcp_encode_request(buf, sizeof(buf), &req);

	/* A request and its answer differ in the header only; what fits one fits both.
	 */
	MUST(len == -EINVAL || len == -ENOBUFS || (len >= 60 && len % 4 == 0));
	return 0;
}
