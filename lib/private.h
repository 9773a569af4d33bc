/*
 * private.h - what the files of libnatd share; nothing of it is exported.
 */
#pragma once

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

#include "lib/natd.h"

/* Everything else is hidden, lib/natd.map gives it its version. */
#define _public_ __attribute__((visibility("default")))

#define INTERFACE "org.natd.NAT"

struct natd {
	int fd;
	int patience_ms;  /* -1: for ever */
	int broken;       /* -errno of what ended it, 0: alive */
	bool pending;     /* a reply is owed to us */
	bool more;        /* of the call under way */
	bool one_mapping; /* is in each reply of the call under way */

	char *in;
	size_t len, size;

	/* The last reply. */
	char *message;    /* NULL: there is none */
	char *parameters; /* text */
	cJSON *root;
	const char *error; /* in root */
	bool continues;

	/* What is in it, once somebody asked. */
	bool decoded;
	struct natd_mapping *mappings;
	size_t mapping_count;
};

/* Of the last reply, an object. */
const cJSON *reply_parameters(const struct natd *natd);

/* Reads "mapping" or "mappings" of the last reply; 0, -EBADMSG or -ENOMEM. */
int reply_decode_mappings(struct natd *natd);

/* The errno, positive, for the full name of an error. */
int error_number(const char *name);
