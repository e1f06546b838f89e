/* SPDX-License-Identifier: MIT */
/*
 * Memory for the life of one message or one pass: strings are built here and freed together.
 *
 * One thread owns an arena. Each piece is its own allocation, so the address sanitizer sees
 * overruns and use after reset.
 */
#ifndef COMMON_ARENA_H
#define COMMON_ARENA_H

#include "common/base.h"

struct arena_piece;

struct arena {
	struct arena_piece *pieces; /* newest first */
	size_t bytes;		    /* handed out since the last reset */
};

/* Zeroed memory that lives until the reset. Never NULL. */
void *arena_alloc(struct arena *arena, size_t size) MUST_CHECK;
char *arena_strdup(struct arena *arena, const char *text) MUST_CHECK; /* NULL gives NULL */
char *arena_strndup(struct arena *arena, const char *text, size_t len) MUST_CHECK;
char *arena_printf(struct arena *arena, const char *fmt, ...) MUST_CHECK PRINTF_LIKE(2, 3);

/* Frees everything; the arena can be used again. */
void arena_reset(struct arena *arena);

#endif
