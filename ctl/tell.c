/*
 * tell.c - what "map --hold" tells others about its mapping.
 */
#include "ctl/tell.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ctl/file.h"
#include "ctl/term.h"

bool
reach_equal(const struct reach *a, const struct reach *b)
{
	if (!a->up || !b->up)
		return a->up == b->up;
	return a->port == b->port && strcmp(a->address, b->address) == 0;
}

static int
drop_file(const char *path)
{
	return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
}

int
tell_init(struct tell *t, const char *port_file, const char *on_change)
{
	*t = (struct tell) { .port_file = port_file, .on_change = on_change };
	return port_file ? drop_file(port_file) : 0;
}

static int
update_file(struct tell *t)
{
	char text[16];
	int len, r;

	if (!t->port_file || reach_equal(&t->filed, &t->now))
		return 0;
	t->filed = t->now;
	if (!t->now.up)
		return drop_file(t->port_file);
	len = snprintf(text, sizeof(text), "%u\n", t->now.port);
	r = file_replace(t->port_file, text, (size_t)len);
	if (r < 0) {
		t->filed.up = false;
		drop_file(t->port_file);
	}
	return r;
}

void
tell_export(const struct reach *reach)
{
	char number[16];

	setenv("NATD_EXTERNAL_ADDRESS", reach->address, 1);
	snprintf(number, sizeof(number), "%u", reach->port);
	setenv("NATD_EXTERNAL_PORT", number, 1);
	snprintf(number, sizeof(number), "%u", reach->internal_port);
	setenv("NATD_INTERNAL_PORT", number, 1);
	setenv("NATD_PROTOCOL", reach->protocols, 1);
}

void
tell_reset_signals(void)
{
	sigset_t none;

	signal(SIGPIPE, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static _Noreturn void
exec_on_change(const struct tell *t, const char *event)
{
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	tell_reset_signals();
	if (null >= 0)
		dup2(null, STDIN_FILENO);
	tell_export(&t->now);
	setenv("NATD_EVENT", event, 1);
	execl("/bin/sh", "sh", "-c", t->on_change, (char *)NULL);
	_exit(127);
}

static void
run_on_change(struct tell *t)
{
	const char *event = !t->now.up ? "down" : t->told.up ? "changed" : "up";
	pid_t pid;

	if (!t->on_change || t->running > 0 || reach_equal(&t->told, &t->now))
		return;
	pid = fork();
	if (pid == 0)
		exec_on_change(t, event);
	if (pid < 0) {
		complain("cannot run --on-change: %s", strerror(errno));
		return;
	}
	t->running = pid;
	t->told = t->now;
}

int
tell_update(struct tell *t, const struct reach *now)
{
	int r;

	if (now)
		t->now = *now;
	else
		t->now.up = false;
	r = update_file(t);
	run_on_change(t);
	return r;
}

bool
tell_reaped(struct tell *t, pid_t pid, int status)
{
	if (pid != t->running)
		return false;
	t->running = 0;
	/* Without a command it was ended by us. */
	if (t->on_change && WIFSIGNALED(status))
		complain("the command of --on-change was ended by signal %d (%s)",
		    WTERMSIG(status), strsignal(WTERMSIG(status)));
	else if (t->on_change && WEXITSTATUS(status) != 0)
		complain("the command of --on-change failed with exit code %d",
		    WEXITSTATUS(status));
	run_on_change(t);
	return true;
}
