/* SPDX-License-Identifier: MIT */
/* Strict parsing and small questions about strings. No locale, no partial success. */
#ifndef COMMON_STR_H
#define COMMON_STR_H

#include "common/arena.h"

bool str_eq(const char *a, const char *b);    /* NULL equals only NULL */
bool str_eq_ci(const char *a, const char *b); /* ASCII case ignored */
bool str_empty(const char *text);	      /* NULL or "" */
bool str_starts(const char *text, const char *prefix);
bool str_ends(const char *text, const char *suffix);
const char *str_or(const char *text, const char *otherwise); /* otherwise when NULL */

/* The whole text must be a decimal number within [min, max]; no blanks, no '+'. */
bool str_to_int(const char *text, int64_t min, int64_t max, int64_t *out) MUST_CHECK;

/* Hex digits and dashes as long as a UUID: safe inside a path, whatever it names. */
bool str_is_uuid(const char *text);
/* Only characters of `allowed`, at least one, at most max bytes. */
bool str_is_made_of(const char *text, const char *allowed, size_t max);
bool str_is_utf8(const char *text, size_t len); /* well-formed, without NUL */

/* The text itself when it is UTF-8, else a copy with '?' for each byte that is not ASCII. */
const char *str_readable(struct arena *arena, const char *text);

/* Text after the last '/', never NULL: the id of an href. */
const char *str_last_segment(const char *path);
/* Text after the last ':', never NULL: the UUID of a URN. */
const char *str_urn_uuid(const char *urn);

/* Percent-encode everything but unreserved characters; decode, NULL when malformed or with NUL. */
char *str_percent_encode(struct arena *arena, const char *text) MUST_CHECK;
char *str_percent_decode(struct arena *arena, const char *text, size_t len) MUST_CHECK;

/*
 * Takes the next field off *rest, which ends at `separator` or at the end. Returns its start and
 * sets *len; NULL when *rest is NULL (all taken). Fields may be empty.
 */
const char *str_next(const char **rest, char separator, size_t *len) MUST_CHECK;

/* Lower-case hex of len bytes, NUL-terminated; out holds 2 * len + 1 bytes. */
void str_hex(char *out, const void *data, size_t len);

#endif
