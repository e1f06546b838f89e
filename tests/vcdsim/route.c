/* SPDX-License-Identifier: MIT */
#include "tests/vcdsim/route.h"

#include "common/str.h"

#include <string.h>

/* One pattern segment against one path segment: literal, or literal start and a token. */
static bool segment_matches(const char *pattern, size_t pattern_len, const char *text, size_t len,
	struct arena *arena, const char **token)
{
	const char *brace = memchr(pattern, '{', pattern_len);

	*token = NULL;
	if (brace == NULL)
		return pattern_len == len && memcmp(pattern, text, len) == 0;
	size_t fixed = (size_t)(brace - pattern);

	if (len <= fixed || memcmp(pattern, text, fixed) != 0)
		return false;
	*token = str_percent_decode(arena, text + fixed, len - fixed);
	return *token != NULL;
}

static const char *skip_slash(const char *text)
{
	return *text == '/' ? text + 1 : text;
}

bool route_matches(const char *pattern, const char *path, struct arena *arena,
	const char *tokens[SIM_TOKENS_MAX])
{
	size_t used = 0;

	pattern = skip_slash(pattern);
	path = skip_slash(path);
	while (*pattern != '\0' && *path != '\0') {
		if (str_eq(pattern, "{*}")) {
			tokens[used] = str_percent_decode(arena, path, strlen(path));
			return tokens[used] != NULL;
		}
		size_t pattern_len = strcspn(pattern, "/"), len = strcspn(path, "/");
		const char *token;

		if (!segment_matches(pattern, pattern_len, path, len, arena, &token))
			return false;
		if (token != NULL && used < SIM_TOKENS_MAX)
			tokens[used++] = token;
		pattern = skip_slash(pattern + pattern_len);
		path = skip_slash(path + len);
	}
	return *pattern == '\0' && *path == '\0';
}

static size_t token_count(const char *pattern)
{
	size_t count = str_ends(pattern, "{*}") ? SIM_TOKENS_MAX : 0;

	for (; *pattern != '\0'; pattern++)
		count += *pattern == '{';
	return count;
}

const struct sim_route *route_find(const struct sim_route *const tables[], const char *method,
	const char *path, struct arena *arena, const char *tokens[SIM_TOKENS_MAX], int *status)
{
	const struct sim_route *best = NULL;

	*status = 404;
	for (; *tables != NULL; tables++) {
		for (const struct sim_route *row = *tables; row->method != NULL; row++) {
			const char *found[SIM_TOKENS_MAX] = {0};

			if (!route_matches(row->path, path, arena, found))
				continue;
			if (!str_eq(row->method, "*") && !str_eq(row->method, method)) {
				*status = 405;
				continue;
			}
			if (best == NULL || token_count(row->path) < token_count(best->path)) {
				best = row;
				memcpy(tokens, found, sizeof(found));
			}
		}
	}
	return best;
}
