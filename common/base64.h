/* SPDX-License-Identifier: MIT */
/* Base64 of RFC 4648 section 4: standard alphabet, padded, no line breaks. */
#ifndef COMMON_BASE64_H
#define COMMON_BASE64_H

#include "common/arena.h"

/* The encoded text. */
char *base64_encode(struct arena *arena, const void *data, size_t len) MUST_CHECK;

/*
 * The decoded bytes, NUL-terminated, with their number in *len; NULL when text is not strictly
 * Base64 (blank, missing padding, stray bits).
 */
char *base64_decode(struct arena *arena, const char *text, size_t *len) MUST_CHECK;

#endif
