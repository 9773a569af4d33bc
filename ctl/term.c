/*
 * term.c - what stdout can show, and the way out for text.
 */
#include "ctl/term.h"

#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ctl/fold.h"
#include "proto/text.h"

static const char *const paints[] = {
	[PAINT_NONE] = "",
	[PAINT_GOOD] = "\033[32m",
	[PAINT_WARNING] = "\033[33m",
	[PAINT_BAD] = "\033[31m",
	[PAINT_HEADER] = "\033[4m",
	[PAINT_DIM] = "\033[2m",
};

static bool
locale_is_utf8(void)
{
	return strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

/* A variable counts when it is set and not empty (no-color.org, bixense.com/clicolors).
 */
static bool
env_set(const char *name)
{
	const char *value = getenv(name);

	return value && *value;
}

static bool
want_colour(enum term_when when, bool tty)
{
	const char *terminal = getenv("TERM");
	const char *force = getenv("CLICOLOR_FORCE");

	if (when != TERM_AUTO)
		return when == TERM_ALWAYS;
	if (env_set("NO_COLOR"))
		return false;
	if (force && *force && strcmp(force, "0") != 0)
		return true;
	return tty && terminal && *terminal && strcmp(terminal, "dumb") != 0;
}

static unsigned
env_number(const char *name)
{
	const char *value = getenv(name);
	uint64_t number;

	if (!value || text_to_uint(value, strlen(value), 10000, &number) < 0)
		return 0;
	return (unsigned)number;
}

void
term_init(struct term *term, enum term_when colour, bool pager)
{
	struct winsize size = { 0 };
	bool tty = isatty(STDOUT_FILENO);

	setlocale(LC_ALL, "");
	if (tty && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0)
		size = (struct winsize) { 0 };
	*term = (struct term) {
		.tty = tty,
		.colour = want_colour(colour, tty),
		.utf8 = locale_is_utf8(),
		.pager = pager && tty,
		.width = env_number("COLUMNS"),
		.height = env_number("LINES"),
	};
	if (term->width == 0 && tty)
		term->width = size.ws_col > 0 ? size.ws_col : 80;
	if (term->height == 0)
		term->height = size.ws_row;
}

const char *
term_paint(const struct term *term, enum paint paint)
{
	return term->colour ? paints[paint] : "";
}

const char *
term_plain(const struct term *term)
{
	return term->colour ? "\033[0m" : "";
}

static void
to_ascii(char *text)
{
	for (char *c = text; *c; c++)
		if ((unsigned char)*c >= 0x80)
			*c = '?';
}

static bool
needs_pager(const struct term *term, const char *text)
{
	const char *pager = getenv("PAGER");
	unsigned lines = 0;

	if (!term->pager || term->height == 0)
		return false;
	if (pager && (!*pager || strcmp(pager, "cat") == 0))
		return false;
	for (const char *c = text; *c; c++)
		lines += *c == '\n';
	return lines >= term->height;
}

static int
write_all(int fd, const char *text)
{
	for (size_t left = strlen(text); left > 0;) {
		ssize_t n = write(fd, text, left);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		text += n;
		left -= (size_t)n;
	}
	return 0;
}

static _Noreturn void
exec_pager(int from)
{
	const char *pager = env_set("PAGER") ? getenv("PAGER") : "less";

	dup2(from, STDIN_FILENO);
	close(from);
	/* F: leave at once if it fits, R: colours, S: no folding, X: keep the text on
	 * the screen.  Secure: a reader of a root shell's output gets no shell. */
	setenv("LESS", "FRSX", 0);
	setenv("LESSSECURE", "1", 0);
	execl("/bin/sh", "sh", "-c", pager, (char *)NULL);
	_exit(127);
}

static int
show_in_pager(const char *text)
{
	int ends[2], status = 0;
	pid_t pid;

	if (pipe(ends) < 0)
		return -errno;
	pid = fork();
	if (pid < 0) {
		close(ends[0]);
		close(ends[1]);
		return -errno;
	}
	if (pid == 0) {
		close(ends[1]);
		exec_pager(ends[0]);
	}
	close(ends[0]);
	/* The reader may leave early, that is no error; ^C is for the pager. */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	write_all(ends[1], text);
	close(ends[1]);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	signal(SIGINT, SIG_DFL);
	signal(SIGPIPE, SIG_DFL);
	return WIFEXITED(status) && WEXITSTATUS(status) == 127 ? -ENOENT : 0;
}

int
term_show(const struct term *term, char *text)
{
	fold_plain(text);
	if (!term->utf8 && term->tty)
		to_ascii(text);
	fflush(stdout);
	if (needs_pager(term, text) && show_in_pager(text) == 0)
		return 0;
	return write_all(STDOUT_FILENO, text);
}

/* The columns of a terminal at this descriptor; 0: it is none. */
static unsigned
columns_of(int fd)
{
	struct winsize size = { 0 };

	if (!isatty(fd))
		return 0;
	if (ioctl(fd, TIOCGWINSZ, &size) < 0 || size.ws_col == 0)
		return 80;
	return size.ws_col;
}

/* Narrower than this nothing helps. */
#define MESSAGE_MIN 20

_printf_(2, 0) static void say(const char *prefix, const char *format, va_list ap)
{
	int error = errno;
	unsigned width = columns_of(STDERR_FILENO);
	char *text = NULL, *line = NULL;
	va_list again;

	va_copy(again, ap);
	if (width > 0 && env_number("COLUMNS") > 0)
		width = env_number("COLUMNS");
	if (vasprintf(&text, format, ap) < 0)
		text = NULL;
	if (text && !locale_is_utf8())
		to_ascii(text);
	if (!text || asprintf(&line, "%s%s\n", prefix, text) < 0) {
		/* Without memory: as it is, which takes none. */
		line = NULL;
		fputs(prefix, stderr);
		vfprintf(stderr, format, again);
		fputc('\n', stderr);
	} else if (width < MESSAGE_MIN) {
		fputs(line, stderr);
	} else {
		fold_text(stderr, line, width, (unsigned)strlen(prefix));
	}
	va_end(again);
	free(line);
	free(text);
	errno = error;
}

void
complain(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	say("natctl: ", format, ap);
	va_end(ap);
}

void
remark(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	say("", format, ap);
	va_end(ap);
}
