/* SPDX-License-Identifier: MIT */
/* The Accept header as this API's clients send it: it carries the API version. */
#ifndef WORKER_ACCEPT_H
#define WORKER_ACCEPT_H

#include "common/arena.h"
#include "common/error.h"

/*
 * The version of the first part that can mean JSON: "35.0", or "0.0" when that part has more
 * parameters than the version. FORMAT (406) when no part does, or the header is missing (NULL).
 * Blanks around the marks and case do not matter.
 */
int accept_version(
	const char **out, struct arena *arena, const char *header, struct error *err) MUST_CHECK;

#endif
