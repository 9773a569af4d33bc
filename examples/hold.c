/* Keeps a TCP port open while it runs, and prints what becomes of it: hold 8080
 * cc -o hold hold.c $(pkg-config --cflags --libs libnatd) */
#include <errno.h>
#include <natd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int
follow(struct natd *natd, const struct natd_request *request)
{
	int r = natd_follow_mapping(natd, request);

	/* In an event loop: natd_process() whenever natd_fd() is readable. */
	while (r >= 0 && (r = natd_receive(natd, -1)) > 0) {
		const struct natd_mapping *m = natd_mapping(natd, 0);
		if (natd_mapping_is_held(m))
			printf("open %s:%u\n", natd_mapping_external_address(m),
			    natd_mapping_external_port(m));
		else
			printf("closed: %s\n", natd_mapping_state_name(m));
	}
	printf("closed: %s\n", natd_error(natd) ? natd_error(natd) : strerror(-r));
	return natd_error(natd) && r != -ESHUTDOWN;
}

int
main(int argc, char **argv)
{
	int port = atoi(argc > 1 ? argv[1] : "8080");
	struct natd_request *request = natd_request_new(NATD_TCP, (uint16_t)port);
	struct natd *natd = NULL;

	setlinebuf(stdout);
	/* natd may be restarted meanwhile: the port is asked for again. */
	for (; natd_open(NULL, 5000, &natd) < 0 || !follow(natd, request); sleep(1))
		natd = natd_close(natd);
	return 1;
}
