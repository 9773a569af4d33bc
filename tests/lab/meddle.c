/*
 * meddle.c - preloaded into a program under test: refuses memory, shifts the wall
 * clock, puts the machine to sleep, and refuses socket filters, as a file that is
 * mapped by the test and by the program says.
 *
 * After a sleep CLOCK_BOOTTIME is later, CLOCK_MONOTONIC is not, and a timer whose time
 * has come meanwhile fires: as a kernel does it, but not before the program next waits.
 *
 * One thread is enough to count for: natd has no other.  The file is one struct orders;
 * its path is in MEDDLE.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

struct orders {
	int64_t refuse_in;   /* the n-th request from now on is refused, 0: none */
	int64_t refuse_more; /* and as many behind it */
	int64_t requests;    /* since the start */
	int64_t refused;
	int64_t living; /* blocks not freed yet */
	int64_t realtime_shift_s;
	int64_t asleep_s;   /* of CLOCK_BOOTTIME, so far */
	int64_t no_filters; /* no socket gets one */
};

/* glibc's own, under the names it keeps for those who replace malloc. */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);
extern void __libc_free(void *p);

static struct orders *orders;
static bool excused;

__attribute__((constructor)) static void
map_orders(void)
{
	const char *path = getenv("MEDDLE");
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *p;

	if (fd < 0)
		return;
	p = mmap(NULL, sizeof(*orders), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (p != MAP_FAILED)
		orders = p;
}

static bool
refuse(void)
{
	if (!orders || excused)
		return false;
	orders->requests++;
	if (orders->refuse_in == 0 || --orders->refuse_in > 0)
		return false;
	if (orders->refuse_more > 0) {
		orders->refuse_more--;
		orders->refuse_in = 1;
	}
	orders->refused++;
	errno = ENOMEM;
	return true;
}

static void *
count(void *p)
{
	if (p && orders)
		orders->living++;
	return p;
}

void *
malloc(size_t size)
{
	return refuse() ? NULL : count(__libc_malloc(size));
}

void *
calloc(size_t n, size_t size)
{
	return refuse() ? NULL : count(__libc_calloc(n, size));
}

void *
realloc(void *old, size_t size)
{
	void *p;

	if (refuse())
		return NULL;
	p = __libc_realloc(old, size);
	return old ? p : count(p);
}

void *
aligned_alloc(size_t alignment, size_t size)
{
	return refuse() ? NULL : count(__libc_memalign(alignment, size));
}

int
posix_memalign(void **ret, size_t alignment, size_t size)
{
	void *p = aligned_alloc(alignment, size);

	if (!p)
		return ENOMEM;
	*ret = p;
	return 0;
}

void
free(void *p)
{
	if (p && orders)
		orders->living--;
	__libc_free(p);
}

/* Without memory the name service of glibc 2.36 asserts or crashes, whoever calls. */
int
getgrnam_r(
    const char *name, struct group *group, char *buf, size_t size, struct group **ret)
{
	int (*real)(const char *, struct group *, char *, size_t, struct group **) =
	    (int (*)(const char *, struct group *, char *, size_t,
		struct group **))dlsym(RTLD_NEXT, "getgrnam_r");
	int r;

	excused = true;
	r = real(name, group, buf, size, ret);
	excused = false;
	return r;
}

int
clock_gettime(clockid_t clock, struct timespec *ts)
{
	static int (*real)(clockid_t clock, struct timespec * ts);
	int r;

	if (!real)
		real = (int (*)(clockid_t, struct timespec *))dlsym(
		    RTLD_NEXT, "clock_gettime");
	r = real(clock, ts);
	if (r == 0 && orders && clock == CLOCK_REALTIME)
		ts->tv_sec += orders->realtime_shift_s;
	if (r == 0 && orders && clock == CLOCK_BOOTTIME)
		ts->tv_sec += orders->asleep_s;
	return r;
}

/* The one timer with a date, as it was set. */
static struct itimerspec date;
static int64_t date_asleep_s;
static int date_fd = -1;

static int
set_date(void)
{
	static int (*real)(int, int, const struct itimerspec *, struct itimerspec *);
	struct itimerspec when = date;

	if (!real)
		real = (int (*)(int, int, const struct itimerspec *,
		    struct itimerspec *))dlsym(RTLD_NEXT, "timerfd_settime");
	date_asleep_s = orders ? orders->asleep_s : 0;
	if (when.it_value.tv_sec > date_asleep_s)
		when.it_value.tv_sec -= date_asleep_s;
	else if (when.it_value.tv_sec > 0)
		when.it_value = (struct timespec) { .tv_nsec = 1 };
	return real(date_fd, TFD_TIMER_ABSTIME, &when, NULL);
}

int
timerfd_settime(
    int fd, int flags, const struct itimerspec *value, struct itimerspec *old)
{
	int (*real)(int, int, const struct itimerspec *, struct itimerspec *) =
	    (int (*)(int, int, const struct itimerspec *, struct itimerspec *))dlsym(
		RTLD_NEXT, "timerfd_settime");

	if (flags != TFD_TIMER_ABSTIME)
		return real(fd, flags, value, old);
	date = *value;
	date_fd = fd;
	return set_date();
}

int
epoll_wait(int fd, struct epoll_event *events, int max, int timeout_ms)
{
	static int (*real)(int, struct epoll_event *, int, int);

	if (!real)
		real = (int (*)(int, struct epoll_event *, int, int))dlsym(
		    RTLD_NEXT, "epoll_wait");
	if (orders && date_fd >= 0 && orders->asleep_s != date_asleep_s)
		(void)set_date();
	return real(fd, events, max, timeout_ms);
}

int
setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	static int (*real)(int, int, int, const void *, socklen_t);

	if (!real)
		real = (int (*)(int, int, int, const void *, socklen_t))dlsym(
		    RTLD_NEXT, "setsockopt");
	if (orders && orders->no_filters && level == SOL_SOCKET &&
	    name == SO_ATTACH_FILTER) {
		errno = ENOPROTOOPT;
		return -1;
	}
	return real(fd, level, name, value, len);
}
