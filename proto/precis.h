/*
 * precis.h - names and passwords that look the same are the same: the OpaqueString
 * profile of PRECIS (RFC 8265 section 4.2) over the FreeformClass (RFC 8264).
 *
 * The properties of characters are libunistring's; this is not for hot paths, it
 * allocates.
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

/* As long as STUN lets a name be when it is read. */
#define PRECIS_INPUT_MAX 763

/*
 * Writes text[0..len), UTF-8, as OpaqueString has it: other spaces become the ASCII
 * one, all in normal form C; NUL-terminated.  Returns the length; -EILSEQ: no UTF-8;
 * -EINVAL: empty, or with a character that may not be (control, unassigned, invisible,
 * out of its context); -ENOBUFS: longer than PRECIS_INPUT_MAX or than size; -ENOMEM.
 */
ssize_t precis_opaque_string(const char *text, size_t len, char *ret, size_t size);
