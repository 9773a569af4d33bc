/*
 * bench_varlink.c - how many small calls a second one connection gets answered.
 *
 * The server runs in a child, the client in the parent, with a reply of about 1.5 KiB
 * (one mapping and its runtime): first one call at a time, for the latency, then with
 * calls pipelined, for the throughput.  Prints one line for each.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "daemon/varlink.h"

#define CALLS 100000
#define PIPELINED 64

/* About what ListMappings answers for one user with three mappings. */
static void
list(struct varlink_call *call, const struct varlink_value *values, void *ctx)
{
	cJSON *reply = cJSON_CreateObject(), *all = json_add_array(reply, "mappings");

	(void)values;
	(void)ctx;
	for (unsigned i = 0; i < 3; i++) {
		cJSON *mapping = cJSON_CreateObject(), *context, *runtime, *endpoint;

		json_add_string(mapping, "id", "m17");
		context = json_add_object(mapping, "context");
		json_append_string(json_add_array(context, "protocols"), "udp");
		json_add_int(context, "internalPort", 51820);
		json_add_string(context, "persistence", "connection");
		json_add_string(context, "description", "a tunnel to somewhere else");
		runtime = json_add_object(mapping, "runtime");
		json_add_string(runtime, "state", "active");
		json_add_string(runtime, "method", "pcp");
		json_add_string(runtime, "gateway", "192.168.178.1");
		json_add_string(runtime, "interface", "enp0s31f6");
		endpoint = json_add_object(runtime, "internal");
		json_add_string(endpoint, "address", "192.168.178.20");
		json_add_int(endpoint, "port", 51820);
		endpoint = json_add_object(runtime, "external");
		json_add_string(endpoint, "address", "203.0.113.7");
		json_add_int(endpoint, "port", 51820);
		json_add_bool(runtime, "externalIsGlobal", true);
		json_add_string(runtime, "reachability", "unknown");
		json_add_int(runtime, "grantedLifetimeSeconds", 3600);
		json_add_int(runtime, "expires", INT64_C(1795163185000000));
		json_add_int(runtime, "renewals", 12);
		json_append_item(all, mapping);
	}
	varlink_reply(call, reply);
}

static const struct varlink_param list_params[] = {
	{ .name = "id", .type = VARLINK_STRING, .max = 64 },
	{ .name = NULL },
};
static const struct varlink_method methods[] = {
	{ "List", 0, list_params, list },
	{ .name = NULL },
};
static const struct varlink_interface interface = {
	.name = "org.example.Bench",
	.description = "interface org.example.Bench\n",
	.methods = methods,
};
static const char call_text[] =
    "{\"method\":\"org.example.Bench.List\",\"parameters\":{\"id\":\"m17\"}}";

static int
serve(int fd)
{
	static const struct varlink_settings settings = { .vendor = "",
		.product = "",
		.version = "",
		.url = "",
		.connections_max = 8 };
	struct varlink_server *server;
	struct loop *loop;

	if (loop_new(&loop) < 0 || varlink_server_new(loop, &settings, &server) < 0 ||
	    varlink_server_add_interface(server, &interface) < 0 ||
	    varlink_server_serve_fd(server, fd) < 0)
		return 1;
	return loop_run(loop) < 0;
}

static int64_t
now_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

static void
send_calls(int fd, unsigned n)
{
	char text[PIPELINED * sizeof(call_text)];

	for (unsigned i = 0; i < n; i++)
		memcpy(text + i * sizeof(call_text), call_text, sizeof(call_text));
	if (send(fd, text, n * sizeof(call_text), MSG_NOSIGNAL) !=
	    (ssize_t)(n * sizeof(call_text)))
		exit(1);
}

/* Reads until n more replies have ended; the size of the last one. */
static size_t
receive_replies(int fd, unsigned n)
{
	static char buf[256 * 1024];
	size_t size = 0;

	while (n > 0) {
		ssize_t got = recv(fd, buf, sizeof(buf), 0);

		if (got <= 0)
			exit(1);
		for (const char *p = buf, *end = buf + got; p < end;) {
			const char *nul = memchr(p, '\0', (size_t)(end - p));

			size += (size_t)((nul != NULL ? nul : end) - p);
			if (nul == NULL)
				break;
			p = nul + 1;
			if (--n > 0)
				size = 0;
		}
	}
	return size;
}

static int
compare_int64(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static void
measure(int fd, unsigned pipelined)
{
	static int64_t took[CALLS];
	int64_t start = now_ns(), total;
	unsigned rounds = CALLS / pipelined;
	size_t size = 0;

	for (unsigned i = 0; i < rounds; i++) {
		int64_t before = now_ns();

		send_calls(fd, pipelined);
		size = receive_replies(fd, pipelined);
		took[i] = now_ns() - before;
	}
	total = now_ns() - start;
	qsort(took, rounds, sizeof(took[0]), compare_int64);
	printf("varlink: %2u at a time, reply %zu bytes: %.0f calls/s, p50 %.1f us, "
	       "p99 %.1f us\n",
	    pipelined, size, (double)rounds * pipelined * 1e9 / (double)total,
	    (double)took[rounds / 2] / 1000, (double)took[rounds / 100 * 99] / 1000);
}

int
main(void)
{
	int fds[2];
	pid_t child;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return 1;
	child = fork();
	if (child < 0)
		return 1;
	if (child == 0) {
		(void)close(fds[0]);
		_exit(serve(fds[1]));
	}
	(void)close(fds[1]);
	measure(fds[0], 1);
	measure(fds[0], PIPELINED);
	(void)kill(child, SIGTERM);
	(void)waitpid(child, NULL, 0);
	return 0;
}
