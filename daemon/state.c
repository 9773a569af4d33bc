/*
 * state.c - the state file: taken, read, put aside, replaced.
 *
 * Everything is relative to the descriptor of the directory, which is also what is
 * locked: a lock file could not be made on a full or read-only disk, where two daemons
 * would be just as wrong.
 */
#include "daemon/state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/state_line.h"
#include "proto/text.h"
#include "proto/util.h"

#define STATE_FILE_NEW "leases.json.new"

struct state {
	char *dir; /* NULL: none is to be had */
	int dir_fd;
	struct state_text kept; /* lines nobody here knows, for the next file */
	size_t kept_count;
	bool addable; /* the file is whole, or there is none */
	char error[256];
};

/* ---- small things ---- */

static void
close_fdp(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

_printf_(3, 4) static int failed(struct state *s, int r, const char *format, ...)
{
	char what[160];
	struct text_out out = text_out(s->error, sizeof(s->error));
	va_list ap;

	va_start(ap, format);
	vsnprintf(what, sizeof(what), format, ap);
	va_end(ap);
	text_put(&out, what);
	if (r < 0)
		text_printf(&out, ": %s", strerrordesc_np(-r));
	return r;
}

const char *
state_error(const struct state *s)
{
	return s->error;
}

/* ---- the directory ---- */

static int
open_dir(struct state *s)
{
	_cleanup_(close_fdp) int fd = -1;

	if (s->dir_fd >= 0)
		return 0;
	if (!s->dir)
		return failed(s, -ENOENT, "no state directory is set");
	fd = open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT && mkdir(s->dir, 0700) == 0)
		fd = open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return failed(s, -errno, "cannot open %.100s", s->dir);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno == EWOULDBLOCK)
			return failed(s, -EBUSY, "another natd uses %.100s", s->dir);
		return failed(s, -errno, "cannot lock %.100s", s->dir);
	}
	s->dir_fd = fd;
	fd = -1;
	return 0;
}

int
state_open(const char *dir, struct state **ret)
{
	_cleanup_(state_freep) struct state *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	s->dir_fd = -1;
	if (dir) {
		s->dir = strdup(dir);
		if (!s->dir)
			return -ENOMEM;
	}
	r = open_dir(s);
	if (r == -EBUSY)
		return r;
	*ret = TAKE_PTR(s);
	return 0;
}

struct state *
state_free(struct state *s)
{
	if (!s)
		return NULL;
	close_fdp(&s->dir_fd);
	free(s->kept.buf);
	free(s->dir);
	free(s);
	return NULL;
}

/* ---- reading ---- */

/* Puts the file aside.  A second name for it where that is possible: should nothing be
 * saved before the next start, the good records are still found under the first. */
static const char *
put_aside(struct state *s, bool is_ours)
{
	(void)unlinkat(s->dir_fd, STATE_FILE_BAD, 0);
	if (is_ours && linkat(s->dir_fd, STATE_FILE, s->dir_fd, STATE_FILE_BAD, 0) == 0)
		return ", kept as " STATE_FILE_BAD;
	if (renameat(s->dir_fd, STATE_FILE, s->dir_fd, STATE_FILE_BAD) == 0)
		return ", moved to " STATE_FILE_BAD;
	return ", and cannot be put aside";
}

static int
open_file(struct state *s, int *ret)
{
	_cleanup_(close_fdp) int fd = openat(s->dir_fd, STATE_FILE,
	    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 && errno == ENOENT)
		return -ENOENT;
	if (fd < 0 && (errno == ELOOP || errno == EACCES || errno == ENXIO))
		return failed(s, -EBADMSG, "%s is not a file of natd%s", STATE_FILE,
		    put_aside(s, false));
	if (fd < 0 || fstat(fd, &st) < 0)
		return failed(s, -errno, "cannot open %s", STATE_FILE);
	if (!S_ISREG(st.st_mode) || (st.st_uid != geteuid() && st.st_uid != 0))
		return failed(s, -EBADMSG, "%s is not a file of natd%s", STATE_FILE,
		    put_aside(s, false));
	*ret = fd;
	fd = -1;
	return 0;
}

/* At most STATE_SIZE_MAX bytes; *ret_more: there are others. */
static int
read_file(int fd, char **ret, size_t *ret_len, bool *ret_more)
{
	_cleanup_(freep) char *buf = NULL;
	struct stat st;
	size_t size, len = 0;

	if (fstat(fd, &st) < 0)
		return -errno;
	size = (size_t)MIN(st.st_size, (off_t)STATE_SIZE_MAX);
	buf = malloc(size + 1);
	if (!buf)
		return -ENOMEM;
	while (len < size) {
		ssize_t n = read(fd, buf + len, size - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	*ret_more = st.st_size > (off_t)size;
	*ret_len = len;
	*ret = TAKE_PTR(buf);
	return 0;
}

/* What was found in a file. */
struct findings {
	struct state_header header;
	bool has_header;
	int64_t good, bad; /* records, lines */
};

static int
take_line(struct state *s, const char *line, size_t len, state_each each, void *ctx,
    struct findings *f)
{
	struct state_line record;
	int r = state_read_record(line, len, &record);

	if (r == -EBADMSG) {
		f->bad++;
		return 0;
	}
	if (r < 0)
		return r;
	f->good += !record.added;
	if (!each(ctx, record.kind, record.object)) {
		if (record.added) /* the next header counts it */
			state_put_record(&s->kept, record.kind, record.object);
		else
			state_put_raw(&s->kept, line, len);
		s->kept_count++;
	}
	cJSON_Delete(record.tree);
	return s->kept.error;
}

static int
take_lines(struct state *s, const char *text, size_t len, state_each each, void *ctx,
    struct findings *f)
{
	const char *end = text + len;

	for (bool first = true; text < end; first = false) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		size_t line = (size_t)((newline ? newline : end) - text);
		int r = first ? state_read_header(text, line, &f->header) : -EBADMSG;

		if (r == 0) {
			f->has_header = true;
			if (f->header.version != STATE_VERSION)
				return -EPROTONOSUPPORT;
		} else if (r == -EBADMSG) {
			r = take_line(s, text, line, each, ctx, f);
		}
		if (r < 0)
			return r;
		text = newline ? newline + 1 : end;
	}
	return 0;
}

/* 0: the file is whole; 1: it is not, which is told and the file put aside. */
static int
judge(struct state *s, const struct findings *f, bool more)
{
	if (more)
		return failed(s, 1, "%s is too large, %lld records were read%s",
		    STATE_FILE, (long long)f->good, put_aside(s, true));
	if (!f->has_header)
		return failed(s, 1,
		    "%s has lost its first line, %lld records were read%s", STATE_FILE,
		    (long long)f->good, put_aside(s, true));
	if (f->bad > 0 || f->good != f->header.records)
		return failed(s, 1, "%s is damaged, %lld of %lld records were read%s",
		    STATE_FILE, (long long)f->good, (long long)f->header.records,
		    put_aside(s, true));
	return 0;
}

int
state_load(struct state *s, state_each each, void *ctx)
{
	_cleanup_(close_fdp) int fd = -1;
	_cleanup_(freep) char *text = NULL;
	struct findings f = { 0 };
	size_t len = 0;
	bool more = false;
	int r = open_dir(s);

	if (r < 0)
		return r;
	s->error[0] = '\0';
	s->kept.len = s->kept_count = 0;
	r = open_file(s, &fd);
	s->addable = r == -ENOENT;
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	r = read_file(fd, &text, &len, &more);
	if (r < 0)
		return failed(s, r, "cannot read %s", STATE_FILE);
	r = take_lines(s, text, len, each, ctx, &f);
	if (r == -EPROTONOSUPPORT)
		return failed(s, r, "%s is of version %lld, natd knows %d%s",
		    STATE_FILE, (long long)f.header.version, STATE_VERSION,
		    put_aside(s, true));
	if (r < 0)
		return failed(s, r, "cannot read %s", STATE_FILE);
	r = judge(s, &f, more);
	s->addable = r == 0 && len > 0 && text[len - 1] == '\n';
	return r;
}

/* ---- writing ---- */

static int
write_all(int fd, const char *bytes, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, bytes, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		bytes += n;
		len -= (size_t)n;
	}
	return 0;
}

static int
write_new(int dir_fd, const struct state_text *head, const struct state_text *t)
{
	_cleanup_(close_fdp) int fd = -1;
	int r;

	/* Whatever has the name now was left by a crash, or put there by somebody. */
	if (unlinkat(dir_fd, STATE_FILE_NEW, 0) < 0 && errno != ENOENT)
		return -errno;
	fd = openat(dir_fd, STATE_FILE_NEW,
	    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	r = write_all(fd, head->buf, head->len);
	if (r == 0)
		r = write_all(fd, t->buf, t->len);
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	return r;
}

static int
replace_file(int dir_fd, const struct state_text *head, const struct state_text *t)
{
	int r = write_new(dir_fd, head, t);

	if (r == 0 && renameat(dir_fd, STATE_FILE_NEW, dir_fd, STATE_FILE) < 0)
		r = -errno;
	if (r < 0) {
		(void)unlinkat(dir_fd, STATE_FILE_NEW, 0);
		return r;
	}
	return fsync(dir_fd) < 0 ? -errno : 0;
}

struct state_records {
	struct state_text text;
	size_t count;
	bool added; /* behind those that the header counts */
};

static void
free_textp(struct state_text *t)
{
	free(t->buf);
}

static void
free_recordsp(struct state_records *records)
{
	free_textp(&records->text);
}

void
state_put(struct state_records *to, const char *kind, cJSON *object)
{
	if (to->added)
		state_put_added(&to->text, kind, object);
	else
		state_put_record(&to->text, kind, object);
	to->count++;
	cJSON_Delete(object);
}

static void
put_kept(const struct state *s, struct state_text *t)
{
	if (s->kept.len > 0)
		state_put_raw(t, s->kept.buf, s->kept.len - 1); /* its newline is put */
}

int
state_save(struct state *s, state_fill fill, void *ctx)
{
	_cleanup_(free_textp) struct state_text head = { 0 };
	_cleanup_(free_recordsp) struct state_records records = { 0 };
	struct state_text *t = &records.text;
	int r;

	fill(ctx, &records);
	put_kept(s, t);
	state_put_header(&head, records.count + s->kept_count);
	if (!t->error && head.len + t->len > STATE_SIZE_MAX)
		t->error = -EFBIG;
	if (t->error || head.error)
		return failed(
		    s, t->error ? t->error : head.error, "cannot write the records");
	r = open_dir(s);
	if (r < 0)
		return r;
	s->addable = false;
	r = replace_file(s->dir_fd, &head, t);
	if (r == -ENOENT) {
		/* The directory was removed under us; perhaps there is a new one. */
		close_fdp(&s->dir_fd);
		r = open_dir(s);
		if (r < 0)
			return r;
		r = replace_file(s->dir_fd, &head, t);
	}
	if (r < 0)
		return failed(s, r, "cannot write %s", STATE_FILE);
	s->error[0] = '\0';
	s->addable = true;
	return 0;
}

/* The file to add to; without one, a new one with all that every file begins with. */
static int
open_to_add(const struct state *s, int *ret)
{
	_cleanup_(free_textp) struct state_text t = { 0 };
	_cleanup_(close_fdp) int fd =
	    openat(s->dir_fd, STATE_FILE, O_WRONLY | O_APPEND | O_NOFOLLOW | O_CLOEXEC);
	int r = fd < 0 ? -errno : 0;

	if (r == -ENOENT) {
		state_put_header(&t, s->kept_count);
		put_kept(s, &t);
		fd = openat(s->dir_fd, STATE_FILE,
		    O_WRONLY | O_APPEND | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		    0600);
		r = t.error ? t.error : fd < 0 ? -errno : write_all(fd, t.buf, t.len);
	}
	if (r < 0)
		return r;
	*ret = fd;
	fd = -1;
	return 0;
}

static int
add_line(const struct state *s, const struct state_text *t)
{
	_cleanup_(close_fdp) int fd = -1;
	struct stat st;
	int r = open_to_add(s, &fd);

	if (r == 0 && fstat(fd, &st) < 0)
		r = -errno;
	if (r == 0 && st.st_size + (off_t)t->len > STATE_SIZE_MAX)
		return -EFBIG;
	if (r == 0)
		r = write_all(fd, t->buf, t->len);
	return r;
}

int
state_add(struct state *s, state_fill fill, void *ctx)
{
	_cleanup_(free_recordsp) struct state_records records = { .added = true };
	int r;

	if (!s->addable || s->dir_fd < 0)
		return -ESTALE;
	fill(ctx, &records);
	if (records.text.error)
		return records.text.error;
	r = add_line(s, &records.text);
	/* Half a line may stand there now: only a whole new file is good again. */
	s->addable = r == 0;
	return r;
}
