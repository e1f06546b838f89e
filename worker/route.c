/* SPDX-License-Identifier: MIT */
#include "worker/route.h"

#include "common/str.h"

#include <string.h>

/* "/api/cse/<word>" or "/api/cse/3.0/<word>": where the resource word stands, counted from 0. */
enum { WORD_AT = 3, ENTITY_WORD_AT = 4 };

struct segment {
	const char *text;
	size_t len;
};

static bool segment_is(struct segment a, struct segment b)
{
	for (size_t i = 0; a.len == b.len && i < a.len; i++) {
		char x = a.text[i], y = b.text[i];

		if (x >= 'A' && x <= 'Z')
			x = (char)(x - 'A' + 'a');
		if (y >= 'A' && y <= 'Z')
			y = (char)(y - 'A' + 'a');
		if (x != y)
			return false;
	}
	return a.len == b.len;
}

/* Clients write cluster and clusters as they like: one trailing s does not count. */
static struct segment singular(struct segment word)
{
	if (word.len && (word.text[word.len - 1] | 0x20) == 's')
		word.len--;
	return word;
}

static bool is_parameter(struct segment row)
{
	return row.len && row.text[0] == '{';
}

static bool segment_matches(struct segment row, struct segment path, size_t index, size_t word_at)
{
	if (is_parameter(row))
		return path.len > 0;
	if (index < word_at)
		return row.len == path.len && memcmp(row.text, path.text, row.len) == 0;
	if (index == word_at)
		return segment_is(singular(row), singular(path));
	return segment_is(row, path);
}

static size_t word_index(const char *row_path)
{
	return str_starts(row_path, "/api/cse/3.0/") ? ENTITY_WORD_AT : WORD_AT;
}

/* Walks both paths; segments behind parameters go to `tokens` when it is not NULL. */
static bool walk(const struct route *route, const char *path, struct segment *tokens)
{
	const char *row_rest = route->path, *path_rest = path;
	size_t word_at = word_index(route->path);

	for (size_t i = 0;; i++) {
		struct segment row, got;

		row.text = str_next(&row_rest, '/', &row.len);
		got.text = str_next(&path_rest, '/', &got.len);
		if (!row.text || !got.text)
			return !row.text && !got.text;
		if (!segment_matches(row, got, i, word_at))
			return false;
		if (tokens && is_parameter(row))
			*tokens++ = got;
	}
}

bool route_matches(const struct route *route, const char *path)
{
	return walk(route, path, NULL);
}

static int set_tokens(
	const struct route *route, struct request *request, struct arena *arena, struct error *err)
{
	struct segment tokens[REQUEST_TOKENS_MAX] = {0};

	if (!walk(route, request->path, tokens))
		return error_set(err, ERR_INTERNAL, "route and path do not belong together");
	for (size_t i = 0; i < REQUEST_TOKENS_MAX && tokens[i].text; i++) {
		request->tokens[i] = str_percent_decode(arena, tokens[i].text, tokens[i].len);
		if (!request->tokens[i])
			return error_set(err, ERR_INVALID, "The path is not percent-encoded text.");
	}
	return 0;
}

/* A family of paths exists only for its versions; within them the server speaks exactly one. */
static int check_version(const struct route *route, const struct request *request,
	const char *server_version, struct error *err)
{
	const char *asked = request->api_version;

	if (route->version == ROUTE_ANY)
		return 0;
	if (route->version == ROUTE_ENTITIES && !str_eq(asked, "35.0"))
		return error_set(err, ERR_GONE, "Invalid url - not found");
	if (route->version == ROUTE_LEGACY && !str_eq(asked, "33.0") && !str_eq(asked, "34.0"))
		return error_set(err, ERR_GONE, "Invalid url - not found");
	if (!str_eq(asked, server_version))
		return error_set(err, ERR_FORMAT,
			"Invalid api version specified. Expected api version '%s'.",
			server_version);
	return 0;
}

const struct route *route_find(const struct route_table *table, struct request *request,
	const char *server_version, struct arena *arena, struct error *err)
{
	const struct route *same_path = NULL, *found = NULL;

	for (size_t i = 0; i < table->count && !found; i++) {
		const struct route *row = &table->rows[i];

		if (!route_matches(row, request->path))
			continue;
		same_path = row;
		if (str_eq(row->method, request->method))
			found = row;
	}
	if (!same_path) {
		error_set(err, ERR_GONE, "Invalid url - not found");
		return NULL;
	}
	if (!found) {
		/* A path that this version does not have has no methods either. */
		if (check_version(same_path, request, server_version, err) == 0)
			error_set(err, ERR_METHOD, "Method not allowed");
		return NULL;
	}
	if (check_version(found, request, server_version, err) ||
		set_tokens(found, request, arena, err))
		return NULL;
	return found;
}
