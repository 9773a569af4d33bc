/*
 * conf_table.h - the rows of the configuration, between conf.c and conf_table.c.
 */
#pragma once

#include "daemon/conf.h"

enum conf_section {
	CONF_DAEMON,
	CONF_STUN,
	CONF_STUN_SERVER,
	CONF_UPLINK,
	CONF_MAPPING,
	CONF_SECTION_MAX
};

#define CONF_WHY_MAX 160

struct conf_key;

/* How a value is read: 0, or -EINVAL with the reason in why.  A list type appends. */
struct conf_type {
	int (*parse)(const struct conf_key *key, const char *value, void *field,
	    char why[static CONF_WHY_MAX]);
	size_t size; /* of the field */
	bool list;
};

enum conf_key_flags {
	CONF_RESTART = 1 << 0,  /* a change needs a restart */
	CONF_REQUIRED = 1 << 1, /* must be given, and not empty */
};

struct conf_key {
	enum conf_section section;
	const char *name;
	const struct conf_type *type;
	size_t offset;
	const char *def;   /* read like any value; "": zero */
	uint64_t min, max; /* numbers: the value; text: bytes */
	const char *unit;  /* "s", or NULL */
	unsigned flags;
	const char *help; /* whole sentences */
};

extern const struct conf_key conf_keys[];
extern const size_t conf_keys_count;

struct conf_section_row {
	const char *word;     /* "Uplink" */
	const char *argument; /* what stands behind it, "IFNAME"; NULL: its keys are in
				 struct conf, whether the section is there or not */
	const char *help;     /* or NULL */
	bool (*fits)(const char *argument);
	size_t argument_at; /* offset, in the section's struct, of the string it is */
};

extern const struct conf_section_row conf_sections[CONF_SECTION_MAX];

/* What must fit together in [StunServer]: 0, or -EINVAL with the reason. */
int
conf_check_stun_server(const struct conf_stun_server *c, char why[static CONF_WHY_MAX]);

/* Set the field to its default. */
void conf_key_reset(const struct conf_key *key, void *object);

/* Interface names as the kernel takes them (dev_valid_name()). */
bool conf_is_ifname(const char *text);
/* Names of mappings: UTF-8 without control characters, 1 to CONF_NAME_MAX - 1 bytes. */
bool conf_is_name(const char *text);
