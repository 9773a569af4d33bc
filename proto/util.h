/*
 * util.h - the few words every module shares: owners by scope, time, arrays.
 *
 * Time is msec_t: 64-bit milliseconds of CLOCK_BOOTTIME, read by daemon/ only and
 * handed to everybody else as an argument.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

typedef int64_t msec_t;

#define MSEC_NEVER INT64_MAX
#define MSEC_PER_SEC INT64_C(1000)

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

/* Runs function(&variable) when the variable leaves its scope. */
#define _cleanup_(function) __attribute__((cleanup(function)))
/* name_freep() for _cleanup_(), where name_free() takes NULL and returns it. */
#define DEFINE_FREEP(name)                                    \
	static inline void name##_freep(struct name **object) \
	{                                                     \
		*object = name##_free(*object);               \
	}
#define _printf_(text, first) __attribute__((format(printf, text, first)))

/* Hands the value on and forgets it, so that _cleanup_ has nothing to free. */
#define TAKE_PTR(pointer)                                      \
	({                                                     \
		__typeof__(pointer) *taken_from_ = &(pointer); \
		__typeof__(pointer) taken_ = *taken_from_;     \
		*taken_from_ = NULL;                           \
		taken_;                                        \
	})

/* For _cleanup_(freep): frees what the variable points to. */
void freep(void *pointer_to_pointer);
