/* SPDX-License-Identifier: MIT */
/*
 * The error value: a class that says what the caller should do, and a sentence for a person.
 *
 * It lives on the caller's stack and owns nothing, so it cannot leak. Fallible functions take it
 * last, return 0 or -1, and write it only when they fail. Nobody branches on the text.
 */
#ifndef COMMON_ERROR_H
#define COMMON_ERROR_H

#include "common/base.h"

enum err_code {
	ERR_NONE,
#define ERR(code, name, status, retry) ERR_##code,
#include "common/error.def"
#undef ERR
};

struct error {
	enum err_code code;
	char msg[512]; /* complete sentence part: step, object, cause, what to do; cut with "..." */
};

/* Sets class and text; always returns -1, so that failing is one line. */
int error_set(struct error *err, enum err_code code, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* As error_set, with ": <text of errno value>" appended. */
int error_sys(struct error *err, enum err_code code, int sys_errno, const char *fmt, ...)
	PRINTF_LIKE(4, 5);

/* Puts "<context>: " before the text and keeps the class; always returns -1. */
int error_wrap(struct error *err, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* The class's name ("busy"), its HTTP status, and whether the same work may succeed later. */
const char *error_name(enum err_code code);
int error_status(enum err_code code);
bool error_may_retry(enum err_code code);

#endif
