/*
 * random.h - unpredictable bytes, from getrandom(2).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Fills buf; ends the process if the kernel has no random bytes to give. */
void random_fill(void *buf, size_t len);
uint64_t random_u64(void);

/*
 * A number that is the same on this machine whenever the same three are given, and
 * tells nothing about the machine to who sees it (keyed by machine-id).  A machine
 * without a machine-id has the same number until natd ends.
 */
uint64_t random_derived(uint64_t a, uint64_t b);
