/*
 * conf.h - the configuration: /etc/natd/natd.conf and its drop-ins, as one immutable
 * struct.
 *
 * INI in systemd's manner: "[Section]" and "Key=value" lines, comments begin with "#"
 * or ";", a later value replaces an earlier one, a repeated list key appends, an empty
 * value goes back to the default, or empties a list; what stands in one is separated by
 * white space, commas or both.  Drop-ins are FILE.d/<name>.conf,
 * read after FILE in the order of their names; they add to sections that are there.  An
 * unknown section or key is an error, and a mapping named twice in one file, and any
 * error means that nothing is taken: a half-read configuration is worse than the old
 * one.  Keys, their bounds and defaults are rows of conf_table.c.
 */
#pragma once

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "daemon/log.h"
#include "proto/addr.h"
#include "proto/stun_pool.h"
#include "proto/stun_uri.h"
#include "proto/types.h"

#define CONF_PATH NATD_SYSCONFDIR "/natd/natd.conf"
#define CONF_NAME_MAX 64         /* of a mapping, with NUL */
#define CONF_DESCRIPTION_MAX 128 /* with NUL */
#define CONF_GROUP_MAX 33        /* with NUL */
#define CONF_PATH_MAX 200        /* with NUL */
#define CONF_REALM_MAX 128       /* with NUL */
#define CONF_PCP_SERVERS_MAX 8
#define CONF_FILE_MAX (1024 * 1024) /* a line of /dev/zero never ends */
#define CONF_OBJECTS_MAX 1024       /* [Uplink] and [Mapping] sections */
#define CONF_UPLINKS_MAX 64         /* [Uplink] sections */

/* In the order they are preferred; no method twice. */
struct conf_methods {
	unsigned count;
	enum method list[METHOD_MAX];
};

struct conf_addrs {
	unsigned count;
	struct addr list[CONF_PCP_SERVERS_MAX];
};

struct conf_stun_servers {
	unsigned count;
	struct stun_uri list[STUN_POOL_MAX];
};

/* At most one of each family. */
struct conf_listen {
	unsigned count;
	struct endpoint list[2];
};

/* [StunServer] */
struct conf_stun_server {
	struct conf_listen listen;       /* count 0: no server */
	struct conf_listen alternate;    /* count 0: RFC 8489 only */
	char credentials[CONF_PATH_MAX]; /* "": everybody is answered */
	char realm[CONF_REALM_MAX];      /* "": short-term credentials */
	uint32_t rate_limit;             /* requests per second and source; 0: none */
	bool software;
};

/* Gateway=: the interface may not be there yet, so its name stays a name. */
struct conf_gateway {
	struct addr addr;         /* without a scope */
	char zone[ADDR_ZONE_MAX]; /* behind "%"; "": there was none */
};

/* [Uplink IFNAME] */
struct conf_uplink {
	char ifname[IF_NAMESIZE];
	struct conf_gateway gateway; /* ADDR_NONE: found by natd */
	uint32_t lease_s;            /* [Daemon]'s unless given */
	struct conf_methods methods; /* the same */
};

/* [Mapping NAME] */
struct conf_mapping {
	char name[CONF_NAME_MAX];    /* UTF-8 without control characters */
	unsigned transports;         /* mask of 1 << enum transport */
	uint16_t internal_port;      /* 0: the router chooses, on both sides the same */
	uint16_t external_port;      /* 0: no wish */
	struct addr internal;        /* ADDR_NONE: this host */
	enum addr_family family;     /* ADDR_NONE: IPv4, and IPv6 with a pinhole */
	char ifname[IF_NAMESIZE];    /* "": the uplink with the default route */
	struct conf_gateway gateway; /* ADDR_NONE: the uplink's */
	bool prefer_failure;
	uint32_t lease_s;            /* 0: the uplink's */
	struct conf_methods methods; /* count 0: the uplink's */
	char description[CONF_DESCRIPTION_MAX];
};

struct conf {
	enum log_level log_level;
	struct conf_methods methods;
	uint32_t lease_s;
	uint32_t quota_per_user;
	uint32_t mappings_max;
	uint32_t connections_max;
	uint32_t connections_per_user;
	uint32_t probe_s;
	bool events;
	struct conf_addrs pcp_servers;
	char admin_group[CONF_GROUP_MAX];
	struct conf_stun_servers stun_servers; /* [Stun] */
	struct conf_stun_server stun_server;
	size_t uplinks_count, mappings_count;
	struct conf_uplink *uplinks;   /* in the order they were read */
	struct conf_mapping *mappings; /* the same */
};

struct conf_error {
	char *file;
	unsigned line; /* 0: the file as a whole */
	char *message; /* printable */
};

struct conf_errors {
	size_t count;
	struct conf_error *list;
};

/*
 * Read path and its drop-ins.  A file that does not exist is an empty one: the defaults
 * are a working configuration.  Returns 0 with *ret to be freed with conf_free();
 * -EINVAL with every error there is in *ret_errors; -ENOMEM.  *ret_errors is set in any
 * case, for conf_errors_done().
 */
int conf_load(const char *path, struct conf **ret, struct conf_errors *ret_errors);
struct conf *conf_free(struct conf *c);
void conf_freep(struct conf **c);
void conf_errors_done(struct conf_errors *errors);

/* A line of the log, with fields, for each of the first max errors, "FILE:LINE:
 * MESSAGE", and one that counts the rest. */
void conf_errors_log(
    const struct conf_errors *errors, size_t max, const struct log_field *fields);
/* The first error's message, and behind it the others, each on a line of its own with
 * its file and line; where size is not enough, as many as fit and "and N more". */
void conf_errors_text(const struct conf_errors *errors, char *ret, size_t size);

/* As a mask of METHOD_BIT(). */
unsigned conf_methods_mask(const struct conf_methods *methods);

/* [Uplink ifname], or NULL. */
const struct conf_uplink *conf_find_uplink(const struct conf *c, const char *ifname);

/* [Mapping name], or NULL. */
const struct conf_mapping *conf_find_mapping(const struct conf *c, const char *name);

struct conf_change {
	char name[96]; /* "Daemon.LeaseSec", "Uplink wg0.Gateway"; "Mapping web" when
			  the whole section came or went */
	bool restart;  /* takes effect at the next start only */
};

struct conf_changes {
	size_t count;
	struct conf_change *list;
};

/* What differs.  0 with *ret for conf_changes_done(), or -ENOMEM. */
int conf_diff(const struct conf *a, const struct conf *b, struct conf_changes *ret);
void conf_changes_done(struct conf_changes *changes);

/* The whole configuration with its defaults, commented out: etc/natd.conf. */
void conf_print_defaults(FILE *out);
