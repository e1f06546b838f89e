/* SPDX-License-Identifier: MIT */
/*
 * Growing bytes with a maximum.
 *
 * Invariants: data is NUL-terminated whenever it is not NULL; len never exceeds max; once a write
 * did not fit, `overflow` stays set and the content is what fitted before that write.
 */
#ifndef COMMON_BUF_H
#define COMMON_BUF_H

#include "common/base.h"

struct buf {
	char *data;
	size_t len;
	size_t size; /* allocated */
	size_t max;  /* most bytes of content */
	bool overflow;
};

/* An empty buffer that holds at most max bytes; allocates nothing. */
void buf_init(struct buf *buf, size_t max);
void buf_release(struct buf *buf); /* frees; usable in CLEANUP(); may be repeated */
void buf_clear(struct buf *buf);   /* empty again, memory kept */

/* Append. False when it does not fit: the caller decides what too much means. */
bool buf_add(struct buf *buf, const void *data, size_t len);
bool buf_add_str(struct buf *buf, const char *text);
bool buf_printf(struct buf *buf, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* The content as a string, "" when nothing was written. Borrowed from the buffer. */
const char *buf_str(const struct buf *buf);

/* The content as a heap string that the caller frees; the buffer is empty afterwards. */
char *buf_detach(struct buf *buf) MUST_CHECK;

#endif
