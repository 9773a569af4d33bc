/*
 * libnice.h - the rounds of bench_stun.c, done by libnice.
 *
 * A file of its own: its header and ours use the same names.
 */
#pragma once

#include <stdbool.h>

/* 0, or -ENOSYS: libnice was not there when this was built. */
int peer_libnice_setup(const char *software);

/* One transaction in memory, with an id from libnice's own source: it cannot be given
 * another. */
bool peer_libnice_bare(void);
bool peer_libnice_full(void); /* with SOFTWARE and FINGERPRINT */
