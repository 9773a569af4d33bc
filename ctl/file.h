/*
 * file.h - files that others read: replaced in one step, never half written.
 */
#pragma once

#include <stddef.h>

/* Replaces path by a file with this text, mode 0644, through a temporary file in the
 * same directory.  0 or -errno; on failure path is as it was. */
int file_replace(const char *path, const char *text, size_t len);
