/*
 * fold.h - text in the columns of a terminal: how wide it is, and where a line breaks.
 *
 * A line breaks at spaces.  The words of one value ("renews in 1h7min") are written by
 * fold_value() and stay together as long as the value fits a line; until fold_plain()
 * has seen the text, the spaces within are FOLD_GLUE.
 */
#pragma once

#include <stddef.h>
#include <stdio.h>

#include "proto/util.h"

/* No text of natd has it, it would not be printable. */
#define FOLD_GLUE '\037'

/* Columns of a text; escape sequences of ours take none. */
unsigned fold_width(const char *text);

/* How many bytes of it fit so many columns. */
size_t fold_cut(const char *text, unsigned columns);

/* Writes a value that should not be broken. */
_printf_(2, 3) void fold_value(FILE *out, const char *format, ...);

/* Writes text with lines of at most width columns, if its words allow; what goes on
 * starts indent columns from the left.  width > indent. */
void fold_text(FILE *out, const char *text, unsigned width, unsigned indent);

/* What held values together becomes a space. */
void fold_plain(char *text);
