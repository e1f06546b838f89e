/* SPDX-License-Identifier: MIT */
/*
 * Attributes and small macros that every other file may use. Nothing here has state or code that
 * could fail.
 */
#ifndef COMMON_BASE_H
#define COMMON_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define ARRAY_LEN(array) (sizeof(array) / sizeof((array)[0]))

/*
 * Scope clean-up: CLEANUP(free_str) char *name = ...; runs free_str(&name) when the scope ends.
 * Define and initialise in one statement, and never mix it with goto in one function.
 */
#define CLEANUP(function) __attribute__((cleanup(function)))

/* Takes the value out of a variable that would otherwise be cleaned up. */
#define STEAL(pointer)                                                                             \
	({                                                                                         \
		__typeof__(pointer) stolen_ = (pointer);                                           \
		(pointer) = NULL;                                                                  \
		stolen_;                                                                           \
	})

#endif
