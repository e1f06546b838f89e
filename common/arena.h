/* SPDX-License-Identifier: MIT */
/*
 * Memory for the life of one message or one pass: strings are built here and freed together.
 *
 * One thread owns an arena. Strings stand one behind the other in blocks; under the address
 * sanitizer each is its own allocation, so that overruns and use after reset are seen.
 */
#ifndef COMMON_ARENA_H
#define COMMON_ARENA_H

#include "common/base.h"

struct arena_block;

struct arena {
	struct arena_block *blocks; /* newest first */
	size_t bytes;		    /* handed out since the last reset */
};

/* Zeroed memory that lives until the reset. Never NULL. */
void *arena_alloc(struct arena *arena, size_t size) MUST_CHECK;
char *arena_strdup(struct arena *arena, const char *text) MUST_CHECK; /* NULL gives NULL */
char *arena_strndup(struct arena *arena, const char *text, size_t len) MUST_CHECK;
char *arena_printf(struct arena *arena, const char *fmt, ...) MUST_CHECK PRINTF_LIKE(2, 3);

/* Frees everything; the arena can be used again. */
void arena_reset(struct arena *arena);

/* The same, but keeps one block for the next message; arena_reset must follow in the end. */
void arena_recycle(struct arena *arena);

#endif
