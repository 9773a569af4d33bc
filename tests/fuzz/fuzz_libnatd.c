/*
 * fuzz_libnatd.c - any bytes as what natd sends to a program that follows a mapping.
 *
 * Every reply that is taken can be read with every getter; after the first one that is
 * not taken nothing is taken any more.
 */
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/natd.h"

static void
read_mapping(const struct natd_mapping *m)
{
	const char *texts[] = { natd_mapping_method(m), natd_mapping_gateway(m),
		natd_mapping_interface(m), natd_mapping_description(m),
		natd_mapping_problem(m), natd_mapping_problem_message(m),
		natd_mapping_problem_hint(m), natd_mapping_internal_address(m) };

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		MUST(!texts[i] || strlen(texts[i]) <= NATD_REPLY_MAX);
	MUST(natd_mapping_id(m) && natd_mapping_state_name(m));
	MUST(natd_mapping_state(m) <= NATD_STATE_OTHER);
	MUST(natd_mapping_protocols(m) >= 1 && natd_mapping_protocols(m) <= 3);
	MUST(!natd_mapping_is_held(m) || natd_mapping_external_address(m));
}

/* 1: go on. */
static int
take_reply(struct natd *natd)
{
	int64_t number;
	int r = natd_process(natd);

	MUST((natd_parameters(natd) != NULL) == (r > 0 || natd_error(natd) != NULL));
	if (natd_error(natd)) {
		MUST(r == -natd_error_number(natd) && !natd_mapping(natd, 0));
		MUST(natd_error_int(natd, "limit", &number) <= 0);
		(void)natd_error_string(natd, "gateway");
		return 1;
	}
	if (r > 0) {
		MUST(natd_mapping_count(natd) == 1);
		read_mapping(natd_mapping(natd, 0));
		return 1;
	}
	MUST(r == 0 || r == -EBADMSG || r == -ECONNRESET);
	return r == 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct natd_request *request = natd_request_new(NATD_TCP, 8080);
	struct natd *natd;
	int ends[2];
	ssize_t n;

	MUST(request && socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
	MUST(natd_open_fd(ends[0], 1000, &natd) == 0);
	MUST(natd_follow_mapping(natd, request) == 0);
	/* What doesn't fit into the socket is not of interest. */
	n = send(ends[1], data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
	MUST(n >= 0 || errno == EAGAIN);
	close(ends[1]);
	while (take_reply(natd))
		continue;
	MUST(natd_process(natd) < 0 && !natd_parameters(natd));
	natd_close(natd);
	natd_request_free(request);
	return 0;
}
