/*
 * tried.h - what was tried to open a port, for people.
 */
#pragma once

#include "daemon/mapping.h"

/* What a lease's problem is called for scripts and metrics. */
enum problem_code {
	PROBLEM_TIMEOUT,
	PROBLEM_BAD_ANSWER,
	PROBLEM_NO_METHOD,
	PROBLEM_PORT,
	PROBLEM_VANISHED,
	PROBLEM_NOT_AUTHORIZED,
	PROBLEM_REFUSED,
	PROBLEM_CODES
};

enum problem_code problem_code(const struct lease_problem *p);
const char *problem_code_name(enum problem_code code); /* "gateway_timeout" */

#define TRIED_MAX 16

struct tried {
	enum method method;
	struct addr gateway; /* ADDR_NONE: none is known */
	char reason[ROUTER_TEXT_MAX];
};

/* Each method that was allowed, on each router asked, and why it did not open the port;
 * the count.  Methods that make no sense on the router's family are listed only if the
 * request named them. */
size_t tried_of(const struct mapping *m, struct tried ret[static TRIED_MAX]);
