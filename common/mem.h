/* SPDX-License-Identifier: MIT */
/*
 * Allocation that aborts when memory is out. Inputs are size-limited, so a peer cannot force it,
 * and work is never acknowledged before it is done, so dying is safe.
 */
#ifndef COMMON_MEM_H
#define COMMON_MEM_H

#include "common/base.h"

#include <stdio.h>

void *xcalloc(size_t count, size_t size) MUST_CHECK;
void *xrealloc(void *ptr, size_t size) MUST_CHECK;
char *xstrdup(const char *text) MUST_CHECK; /* NULL gives NULL */
char *xstrndup(const char *text, size_t len) MUST_CHECK;
char *xasprintf(const char *fmt, ...) MUST_CHECK PRINTF_LIKE(1, 2);

/* For CLEANUP(): free, close and forget. NULL and closed are allowed. */
void free_str(char **text);
void close_file(FILE **file);
void close_fd(int *fd); /* -1 is closed */

#endif
