/* SPDX-License-Identifier: MIT */
#include "worker/accept.h"

#include "common/str.h"

#include <string.h>

enum { PIECES = 3 };

static char *lower_case(struct arena *arena, const char *text)
{
	char *copy = arena_strdup(arena, text);

	for (char *c = copy; *c; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c - 'A' + 'a');
	return copy;
}

static const char *trimmed(struct arena *arena, const char *text, size_t len)
{
	while (len && strchr(" \t", *text)) {
		text++;
		len--;
	}
	while (len && strchr(" \t", text[len - 1]))
		len--;
	return arena_strndup(arena, text, len);
}

/* Cuts at `separator`; returns how many pieces there are, keeps the first PIECES of them. */
static size_t split(struct arena *arena, const char *text, char separator, const char *out[PIECES])
{
	const char *rest = text, *piece;
	size_t count = 0, len;

	while ((piece = str_next(&rest, separator, &len))) {
		if (count < PIECES)
			out[count] = trimmed(arena, piece, len);
		count++;
	}
	return count;
}

/* application/json in one of the spellings that wildcards allow. */
static bool means_json(struct arena *arena, const char *type)
{
	const char *half[PIECES];
	const char *second;

	if (split(arena, str_eq(type, "*") ? "*/*" : type, '/', half) != 2)
		return false;
	second = str_starts(half[1], "*+") ? half[1] + 2 : half[1];
	return (str_eq(half[0], "application") || str_eq(half[0], "*")) &&
	       (str_eq(second, "json") || str_eq(second, "*"));
}

/* The version this part asks for; NULL when the part is not usable. */
static const char *part_version(struct arena *arena, const char *part)
{
	const char *piece[PIECES], *half[PIECES];
	size_t count = split(arena, part, ';', piece);

	if (count < 2 || !means_json(arena, piece[0]))
		return NULL;
	if (split(arena, piece[1], '=', half) != 2 || !str_eq(half[0], "version"))
		return NULL;
	return count == 2 ? half[1] : "0.0";
}

int accept_version(const char **out, struct arena *arena, const char *header, struct error *err)
{
	const char *rest = header ? lower_case(arena, header) : NULL;
	const char *part;
	size_t len;

	while ((part = str_next(&rest, ',', &len))) {
		*out = part_version(arena, trimmed(arena, part, len));
		if (*out)
			return 0;
	}
	return error_set(err, ERR_FORMAT, "CSE can only serve response as json.");
}
