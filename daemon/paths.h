/*
 * paths.h - where natd finds its configuration, its socket and its state: of the
 * system, or of one user by the rules of XDG.
 */
#pragma once

#include <limits.h>

#include "daemon/conf.h"

#define PATHS_SYSTEM_SOCKET "/run/natd/org.natd.NAT"
#define PATHS_SYSTEM_STATE "/var/lib/natd"

struct paths {
	char config[PATH_MAX], socket[PATH_MAX], state[PATH_MAX];
};

/* $STATE_DIRECTORY has the word on the state. */
void paths_system(struct paths *ret);

/*
 * $XDG_RUNTIME_DIR/natd/org.natd.NAT, $XDG_CONFIG_HOME/natd/natd.conf and
 * $XDG_STATE_HOME/natd, below $HOME where the latter two are not set; a variable that
 * is no absolute path counts as not set.  0; -ENOENT with *ret_missing the variable
 * that is needed; -ENAMETOOLONG.
 */
int paths_user(struct paths *ret, const char **ret_missing);

/*
 * Where a secret is: value itself if it is a path, else the credential of that name
 * that systemd keeps in $CREDENTIALS_DIRECTORY (LoadCredential=).  0; -ENOENT: systemd
 * passed none; -ENAMETOOLONG.
 */
int paths_credential(const char *value, char ret[static PATH_MAX]);

/* Makes the directory of a file, and what is missing above it, for this user alone.  0
 * or -errno. */
int paths_make_parent(const char *path);
/* The same of a directory itself. */
int paths_make(const char *path);
