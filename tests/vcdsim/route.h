/* SPDX-License-Identifier: MIT */
/* Finding the row of a route table for a call. */
#ifndef VCDSIM_ROUTE_H
#define VCDSIM_ROUTE_H

#include "tests/vcdsim/http.h"

/* Does the path (still percent-encoded) fit the pattern? Fills tokens, decoded, in the arena. */
bool route_matches(const char *pattern, const char *path, struct arena *arena,
	const char *tokens[SIM_TOKENS_MAX]) MUST_CHECK;

/*
 * The row for a method and a path among several tables (NULL-terminated list), with its tokens.
 * NULL: *status is 404 or 405. Of several rows that fit the one with fewest tokens wins.
 */
const struct sim_route *route_find(const struct sim_route *const tables[], const char *method,
	const char *path, struct arena *arena, const char *tokens[SIM_TOKENS_MAX],
	int *status) MUST_CHECK;

#endif
