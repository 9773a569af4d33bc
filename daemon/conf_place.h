/*
 * conf_place.h - the sections of a configuration while it is being read, and where each
 * of its keys stands: between conf.c, which reads, and conf_check.c, which compares.
 */
#pragma once

#include "daemon/conf_table.h"

#define CONF_MESSAGE_MAX 320

/* Where something stands. */
struct conf_spot {
	unsigned file; /* of loader.files, in the order they are read */
	unsigned line; /* 0: the file as a whole */
};

/* One section's object. */
struct conf_place {
	enum conf_section section;
	size_t index;           /* in conf->uplinks or conf->mappings */
	struct conf_spot first; /* where it was first named */
	struct conf_spot last;  /* where the last file that names it does so first */
	struct conf_spot *keys; /* where conf_keys[i] was set last; line 0: nowhere */
	uint64_t given;         /* bit i: conf_keys[i] */
	uint64_t bad;           /* the same, given with an error */
};

struct conf_loader {
	struct conf *conf;
	struct conf_errors *errors;
	struct conf_place *places; /* the first is [Daemon] */
	size_t places_count;
	size_t current; /* of places; conf.c says what else */
	char **files;   /* those that were begun */
	size_t files_count;
	struct conf_spot at; /* where the loader is */
	FILE *stream;
	bool key_expected; /* the line handed out must come back as key and value */
	char *text;        /* of getline() */
	size_t text_size;
	int err; /* -ENOMEM, sticky */
};

/* Frees what the loader has beside its results. */
void conf_loader_done(struct conf_loader *l);

/* One more error, made printable. */
_printf_(3, 4) void conf_complain(
    struct conf_loader *l, struct conf_spot at, const char *format, ...);

/* The list with room for one more, which doubles: a file of mistakes alone must not
 * cost their square.  NULL: out of memory. */
void *conf_with_room(void *list, size_t count, size_t size);

/* A new section with its defaults becomes the current one: 0, or -ENOMEM. */
int
conf_add_place(struct conf_loader *l, enum conf_section section, const char *argument);

/* The struct that holds its keys. */
void *conf_object_of(struct conf_loader *l, const struct conf_place *p);
/* "wg0" of [Uplink wg0], or "". */
const char *conf_argument_of(struct conf_loader *l, const struct conf_place *p);
/* "Uplink wg0" */
void conf_title_of(struct conf_loader *l, const struct conf_place *p,
    char ret[static CONF_MESSAGE_MAX]);

/* Compares what no single line can tell, and fills in what a section inherits. */
void conf_check(struct conf_loader *l);
