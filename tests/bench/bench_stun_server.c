/*
 * bench_stun_server.c - what a request costs natd as a STUN server, beside an echo that
 * does nothing but recvmmsg() and sendmmsg(), coturn, and Debian's stun-server.
 *
 * The server has one processor, the clients another one; everything is on the loopback
 * interface of a network namespace of our own.  Processor time is the kernel's account
 * of all threads of the server.  Each server has its turn several times and the best
 * counts: on a busy machine the others say more about the machine.  Requests come from
 * one address, then from thousands, as a rate limit sees them.
 *
 *	bench_stun_server [--quick]	only echo and natd; the exit status is 1 if a
 *					target is not met, 77 if that may be for others
 *					who use the processor
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <ftw.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "proto/util.h"

#define RUNS 30
#define RUNS_QUICK 12
#define REQUESTS 20000
#define WINDOW 64 /* requests under way */
#define BATCH 32  /* of the echo */
#define REQUEST_LEN 20
#define ANSWER_LEN 32
#define SOURCES 4096
#define READY_MS 5000
#define LOST_MS 500

#define RATIO_MIN 0.97
#define ABOVE_MAX_NS 120
#define SHARE_MIN 0.8 /* of its processor that even the echo must get */
#define TOO_BUSY 77

/* ---- the servers ---- */

struct server {
	const char *name;
	void (*run)(const struct server *s); /* in the child; returns when it cannot */
	uint16_t port;
	unsigned sources;
	bool is_echo; /* answers are not looked into */
	bool judged;
	pid_t pid;
	bool gone;
	size_t answer_len;
	double best_rate, least_ns;
};

static const char *folder;

static void
run_echo(const struct server *s)
{
	static struct mmsghdr m[BATCH];
	static struct iovec iov[BATCH];
	static struct sockaddr_in from[BATCH];
	static uint8_t bytes[BATCH][64];
	struct sockaddr_in here = { .sin_family = AF_INET,
		.sin_port = htons(s->port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&here, sizeof(here)) < 0)
		return;
	for (;;) {
		int n;

		for (unsigned i = 0; i < BATCH; i++) {
			iov[i] = (struct iovec) { bytes[i], sizeof(bytes[i]) };
			m[i].msg_hdr = (struct msghdr) { .msg_name = &from[i],
				.msg_namelen = sizeof(from[i]),
				.msg_iov = &iov[i],
				.msg_iovlen = 1 };
		}
		n = recvmmsg(fd, m, BATCH, MSG_WAITFORONE, NULL);
		if (n <= 0)
			return;
		for (int i = 0; i < n; i++)
			iov[i].iov_len = ANSWER_LEN;
		if (sendmmsg(fd, m, (unsigned)n, 0) < 0)
			return;
	}
}

static void
run_natd_with(const struct server *s, const char *rate_limit)
{
	const char *natd = getenv("NATD") ? getenv("NATD") : "build/natd";
	char conf[256], state[256], options[3][300];
	FILE *f;

	snprintf(conf, sizeof(conf), "%s/%u.conf", folder, s->port);
	snprintf(state, sizeof(state), "%s/%u", folder, s->port);
	f = fopen(conf, "w");
	if (!f || mkdir(state, 0700) < 0)
		return;
	fprintf(f, "[StunServer]\nListen=127.0.0.1:%u\nRateLimit=%s\n", s->port,
	    rate_limit);
	fclose(f);
	snprintf(options[0], sizeof(options[0]), "--config=%s", conf);
	snprintf(options[1], sizeof(options[1]), "--state-dir=%s", state);
	snprintf(options[2], sizeof(options[2]), "--socket=%s.sock", state);
	execl(natd, natd, options[0], options[1], options[2], (char *)NULL);
}

static void
run_natd(const struct server *s)
{
	run_natd_with(s, "0");
}

static void
run_natd_limited(const struct server *s)
{
	run_natd_with(s, "10000");
}

static void
run_coturn(const struct server *s)
{
	char port[8], pidfile[256];

	snprintf(port, sizeof(port), "%u", s->port);
	snprintf(pidfile, sizeof(pidfile), "%s/coturn.pid", folder);
	execlp("turnserver", "turnserver", "-n", "-S", "-m", "1", "--no-cli",
	    "--no-tls", "--no-dtls", "-L", "127.0.0.1", "-p", port,
	    "--log-file=/dev/null", "--pidfile", pidfile, (char *)NULL);
}

static void
run_stund(const struct server *s)
{
	char port[8], other[8];

	snprintf(port, sizeof(port), "%u", s->port);
	snprintf(other, sizeof(other), "%u", s->port + 50);
	execlp("stund", "stund", "-h", "127.0.0.1", "-a", "127.0.0.2", "-p", port, "-o",
	    other, (char *)NULL);
}

static struct server servers[] = {
	{ "echo", run_echo, 4001, 1, true, false, .answer_len = ANSWER_LEN },
	{ "natd", run_natd, 4002, 1, false, true, .answer_len = ANSWER_LEN },
	{ "coturn", run_coturn, 4003, 1, false, false, .answer_len = 0 },
	{ "stun-server", run_stund, 4004, 1, false, false, .answer_len = 0 },
	{ "echo", run_echo, 4005, SOURCES, true, false, .answer_len = ANSWER_LEN },
	{ "natd", run_natd, 4006, SOURCES, false, false, .answer_len = ANSWER_LEN },
	{ "natd, RateLimit=10000", run_natd_limited, 4007, SOURCES, false, true,
	    .answer_len = ANSWER_LEN },
};

static int
processors(int ret[2])
{
	cpu_set_t set;
	int n = 0;

	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		return 0;
	for (int i = 0; i < CPU_SETSIZE && n < 2; i++)
		if (CPU_ISSET(i, &set))
			ret[n++] = i;
	return n;
}

static void
stay_on(int processor)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(processor, &set);
	(void)sched_setaffinity(0, sizeof(set), &set);
	/* Not everybody may; then others take more of the time. */
	(void)setpriority(PRIO_PROCESS, 0, -20);
}

static void
start(struct server *s, int processor)
{
	pid_t parent = getpid();

	s->pid = fork();
	if (s->pid != 0)
		return;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent || !freopen("/dev/null", "w", stdout) ||
	    !freopen("/dev/null", "w", stderr))
		_exit(1);
	stay_on(processor);
	s->run(s);
	_exit(127);
}

static void
stop(struct server *s)
{
	if (s->pid > 0) {
		(void)kill(s->pid, SIGKILL);
		(void)waitpid(s->pid, NULL, 0);
	}
}

/* Of all its threads, in nanoseconds. */
static int64_t
cpu_ns(pid_t pid)
{
	char path[64], file[350];
	struct dirent *entry;
	int64_t sum = 0;
	DIR *tasks;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	tasks = opendir(path);
	while (tasks && (entry = readdir(tasks))) {
		long long ns = 0;
		FILE *f;

		snprintf(file, sizeof(file), "%s/%s/schedstat", path, entry->d_name);
		f = entry->d_name[0] == '.' ? NULL : fopen(file, "r");
		if (f && fscanf(f, "%lld", &ns) == 1)
			sum += ns;
		if (f)
			fclose(f);
	}
	if (tasks)
		closedir(tasks);
	return sum;
}

/* ---- the clients ---- */

struct load {
	const struct server *server;
	int fd;
	struct sockaddr_in to;
	uint32_t sent, answered, wrong;
	uint16_t port; /* ours */
	size_t answer_len;
	struct mmsghdr out[WINDOW], in[WINDOW];
	struct iovec out_iov[WINDOW], in_iov[WINDOW];
	uint8_t request[WINDOW][REQUEST_LEN], answer[WINDOW][256];
	union {
		struct cmsghdr header;
		uint8_t bytes[CMSG_SPACE(sizeof(struct in_pktinfo))];
	} control[WINDOW];
};

static int64_t
now_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* 127.0.0.1, or one of 127.1.0.0/16. */
static uint32_t
source_of(const struct load *l, uint32_t number)
{
	return l->server->sources == 1 ? INADDR_LOOPBACK
				       : 0x7f010000 + number % l->server->sources;
}

static void
prepare(struct load *l, unsigned i, uint32_t number)
{
	static const uint8_t header[8] = { 0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42 };
	struct in_pktinfo info = { .ipi_spec_dst.s_addr = htonl(source_of(l, number)) };

	memset(l->request[i], 0x5a, REQUEST_LEN);
	memcpy(l->request[i], header, sizeof(header));
	memcpy(l->request[i] + sizeof(header), &number, sizeof(number));
	l->out_iov[i] = (struct iovec) { l->request[i], REQUEST_LEN };
	l->control[i].header = (struct cmsghdr) {
		.cmsg_len = CMSG_LEN(sizeof(info)),
		.cmsg_level = IPPROTO_IP,
		.cmsg_type = IP_PKTINFO,
	};
	memcpy(CMSG_DATA(&l->control[i].header), &info, sizeof(info));
	l->out[i].msg_hdr = (struct msghdr) { .msg_name = &l->to,
		.msg_namelen = sizeof(l->to),
		.msg_iov = &l->out_iov[i],
		.msg_iovlen = 1,
		.msg_control = &l->control[i],
		.msg_controllen = sizeof(l->control[i]) };
}

static void
send_some(struct load *l, unsigned count)
{
	count = MIN(count, REQUESTS - l->sent);
	for (unsigned i = 0; i < count; i++)
		prepare(l, i, l->sent++);
	for (unsigned done = 0; done < count;) {
		int n = sendmmsg(l->fd, l->out + done, count - done, 0);

		if (n <= 0)
			break;
		done += (unsigned)n;
	}
}

/* A success with our id, and where XOR-MAPPED-ADDRESS comes first as in natd's, with
 * the address the request came from. */
static bool
is_right(const struct load *l, const uint8_t *answer, size_t len)
{
	uint32_t number, address;
	uint16_t port;

	if (len < REQUEST_LEN)
		return false;
	memcpy(&number, answer + 8, sizeof(number));
	if (number >= l->sent)
		return false;
	if (l->server->is_echo)
		return len == ANSWER_LEN;
	if (answer[0] != 1 || answer[1] != 1)
		return false;
	if (len < ANSWER_LEN || answer[20] != 0 || answer[21] != 0x20)
		return true;
	memcpy(&port, answer + 26, sizeof(port));
	memcpy(&address, answer + 28, sizeof(address));
	return (ntohs(port) ^ 0x2112) == l->port &&
	       (ntohl(address) ^ 0x2112a442) == source_of(l, number);
}

/* How many came; 0: nothing comes any more. */
static unsigned
receive_some(struct load *l)
{
	int n;

	for (unsigned i = 0; i < WINDOW; i++) {
		l->in_iov[i] = (struct iovec) { l->answer[i], sizeof(l->answer[i]) };
		l->in[i].msg_hdr =
		    (struct msghdr) { .msg_iov = &l->in_iov[i], .msg_iovlen = 1 };
	}
	n = recvmmsg(l->fd, l->in, WINDOW, MSG_WAITFORONE, NULL);
	for (int i = 0; i < n; i++) {
		l->wrong += !is_right(l, l->answer[i], l->in[i].msg_len);
		l->answer_len = l->in[i].msg_len;
	}
	return n > 0 ? (unsigned)n : 0;
}

static bool
open_load(struct load *l, const struct server *s, int64_t timeout_ms)
{
	struct timeval tv = { timeout_ms / 1000, timeout_ms % 1000 * 1000 };
	struct sockaddr_in any = { .sin_family = AF_INET };
	socklen_t len = sizeof(any);

	memset(l, 0, sizeof(*l));
	l->server = s;
	l->to = (struct sockaddr_in) { .sin_family = AF_INET,
		.sin_port = htons(s->port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	l->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (l->fd < 0 || bind(l->fd, (struct sockaddr *)&any, sizeof(any)) < 0 ||
	    setsockopt(l->fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)) < 0 ||
	    getsockname(l->fd, (struct sockaddr *)&any, &len) < 0)
		return false;
	l->port = ntohs(any.sin_port);
	return true;
}

static struct load load;

/* Whether it answers before it has ended or the patience has. */
static bool
is_ready(struct server *s)
{
	for (int waited = 0; waited < READY_MS; waited += 50) {
		bool answers = open_load(&load, s, 50);

		if (answers) {
			send_some(&load, 1);
			answers = receive_some(&load) == 1;
		}
		if (load.fd >= 0)
			close(load.fd);
		if (answers)
			return true;
		if (waitpid(s->pid, NULL, WNOHANG) != 0) {
			s->pid = 0;
			return false;
		}
	}
	return false;
}

/* One turn; false: answers are wrong or too many of them are missing. */
static bool
measure(struct server *s)
{
	int64_t began, cpu;
	double ns, rate;

	if (!open_load(&load, s, LOST_MS))
		return false;
	cpu = cpu_ns(s->pid);
	began = now_ns();
	send_some(&load, WINDOW);
	while (load.answered < REQUESTS) {
		unsigned n = receive_some(&load);

		if (n == 0)
			break;
		load.answered += n;
		send_some(&load, n);
	}
	rate = load.answered * 1e9 / (double)(now_ns() - began);
	ns = (double)(cpu_ns(s->pid) - cpu) / MAX(load.answered, 1);
	close(load.fd);
	if (load.answered < REQUESTS || load.wrong > 0 ||
	    (s->answer_len && load.answer_len != s->answer_len)) {
		fprintf(stderr,
		    "bench_stun_server: %s: %u of %u answers, %u wrong, %zu bytes\n",
		    s->name, load.answered, REQUESTS, load.wrong, load.answer_len);
		return false;
	}
	s->answer_len = load.answer_len;
	s->best_rate = MAX(s->best_rate, rate);
	if (s->least_ns == 0 || ns < s->least_ns)
		s->least_ns = ns;
	return true;
}

/* ---- all of it ---- */

/* With its loopback interface up. */
static bool
own_network(void)
{
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	int fd;

	if (unshare(CLONE_NEWNET) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
		return false;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &lo) < 0)
		return false;
	close(fd);
	return true;
}

/* The exit status. */
static int
report(void)
{
	const struct server *echo = servers;
	double average[1] = { 0 };
	bool all_met = true;

	(void)getloadavg(average, 1);
	printf("\nSTUN server, one core, loopback; load average %.1f\n", average[0]);
	printf("%-24s sources  requests/s  of echo  CPU ns  above echo   met  answer\n",
	    "");
	for (size_t i = 0; i < ARRAY_SIZE(servers); i++) {
		const struct server *s = &servers[i];
		double ratio, above;
		bool met;

		if (s->is_echo)
			echo = s;
		if (s->gone) {
			printf("%-24s %s\n", s->name, "left out");
			continue;
		}
		ratio = s->best_rate / echo->best_rate;
		above = s->least_ns - echo->least_ns;
		met = ratio >= RATIO_MIN && above <= ABOVE_MAX_NS;
		printf("%-24s %7u  %10.0f  %7.3f  %6.0f  %10.0f  %4s  %4zu B\n",
		    s->name, s->sources, s->best_rate, ratio, s->least_ns, above,
		    !s->judged ? ""
		    : met      ? "yes"
			       : "NO",
		    s->answer_len);
		all_met &= met || !s->judged;
	}
	printf("targets: at least %.2f of the echo, at most %d ns above it, %d bytes\n",
	    RATIO_MIN, ABOVE_MAX_NS, ANSWER_LEN);
	if (all_met)
		return 0;
	return servers[0].best_rate * servers[0].least_ns < SHARE_MIN * 1e9 ? TOO_BUSY
									    : 1;
}

static bool
run_all(const int on[2], bool quick)
{
	bool good = true;

	for (size_t i = 0; i < ARRAY_SIZE(servers); i++) {
		servers[i].gone = quick && !servers[i].is_echo && !servers[i].judged;
		if (servers[i].gone)
			continue;
		start(&servers[i], on[0]);
		servers[i].gone = !is_ready(&servers[i]);
		if (servers[i].gone && servers[i].run == run_natd) {
			fprintf(stderr, "bench_stun_server: natd does not answer\n");
			return false;
		}
	}
	for (unsigned run = 0; run < (quick ? RUNS_QUICK : RUNS) && good; run++)
		for (size_t i = 0; i < ARRAY_SIZE(servers); i++)
			if (!servers[i].gone)
				good = good && measure(&servers[i]);
	return good;
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(path);
}

int
main(int argc, char **argv)
{
	bool quick = argc > 1 && strcmp(argv[1], "--quick") == 0;
	char path[] = "/tmp/bench-stun-XXXXXX";
	int on[2];
	bool good;
	int status;

	if (processors(on) < 2 || !own_network()) {
		printf("\nSTUN server: left out, it needs two processors and a network "
		       "namespace\n");
		return 0;
	}
	folder = mkdtemp(path);
	if (!folder)
		return 1;
	stay_on(on[1]);
	good = run_all(on, quick);
	for (size_t i = 0; i < ARRAY_SIZE(servers); i++)
		stop(&servers[i]);
	(void)nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	status = good ? report() : 1;
	return good && !quick ? 0 : status;
}
