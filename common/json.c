/* SPDX-License-Identifier: MIT */
#include "common/json.h"

#include "common/str.h"

#include <stdlib.h>
#include <string.h>

enum { KEY_MAX = 128 };

void json_release(struct json_object **object)
{
	json_object_put(*object);
	*object = NULL;
}

static void free_tokener(struct json_tokener **tokener)
{
	json_tokener_free(*tokener);
}

/* Only blanks may stand behind the value. */
static bool only_blanks(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (!strchr(" \t\r\n", text[i]))
			return false;
	}
	return true;
}

struct json_object *json_parse(const char *text, size_t len, int depth, struct error *err)
{
	CLEANUP(free_tokener)
	struct json_tokener *tokener = json_tokener_new_ex(depth);
	CLEANUP(json_release)
	struct json_object *object = NULL;
	enum json_tokener_error status;
	size_t end;

	if (!tokener)
		abort();
	if (!str_is_utf8(text, len)) {
		error_set(err, ERR_INVALID, "JSON text is not UTF-8 or holds a NUL byte");
		return NULL;
	}
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT);
	object = json_tokener_parse_ex(tokener, text, (int)len);
	status = json_tokener_get_error(tokener);
	end = json_tokener_get_parse_end(tokener);
	if (status == json_tokener_continue) {
		/* A number or word at the very end is complete only when a NUL follows it. */
		object = json_tokener_parse_ex(tokener, "", 1);
		status = json_tokener_get_error(tokener);
		end = len;
	}
	if (status != json_tokener_success) {
		error_set(err, ERR_INVALID, "JSON text is malformed at byte %zu: %s", end,
			json_tokener_error_desc(status));
		return NULL;
	}
	if (!only_blanks(text + end, len - end)) {
		error_set(err, ERR_INVALID, "JSON text goes on at byte %zu", end);
		return NULL;
	}
	if (!object)
		error_set(err, ERR_INVALID, "JSON text is null");
	return STEAL(object);
}

/* Copies the next key of a dotted path; false at the end. */
static bool next_key(const char **path, char key[KEY_MAX])
{
	size_t len;
	const char *start = str_next(path, '.', &len);

	if (!start || len >= KEY_MAX)
		return false;
	memcpy(key, start, len);
	key[len] = '\0';
	return true;
}

struct json_object *json_at(struct json_object *object, const char *path)
{
	char key[KEY_MAX];

	while (object && next_key(&path, key)) {
		struct json_object *member = NULL;

		if (!json_object_is_type(object, json_type_object))
			return NULL;
		json_object_object_get_ex(object, key, &member);
		object = member;
	}
	return object;
}

const char *json_str(struct json_object *object, const char *path, const char *fallback)
{
	struct json_object *member = json_at(object, path);

	if (!json_object_is_type(member, json_type_string))
		return fallback;
	return json_object_get_string(member);
}

int64_t json_int(struct json_object *object, const char *path, int64_t fallback)
{
	struct json_object *member = json_at(object, path);

	return json_object_is_type(member, json_type_int) ? json_object_get_int64(member)
							  : fallback;
}

bool json_flag(struct json_object *object, const char *path, bool fallback)
{
	struct json_object *member = json_at(object, path);

	return json_object_is_type(member, json_type_boolean) ? json_object_get_boolean(member)
							      : fallback;
}

int json_need_str(struct json_object *object, const char *path, const char **out, struct error *err)
{
	struct json_object *member = json_at(object, path);

	if (!member)
		return error_set(err, ERR_INVALID, "%s is missing", path);
	if (!json_object_is_type(member, json_type_string))
		return error_set(err, ERR_INVALID, "%s must be a string", path);
	*out = json_object_get_string(member);
	if (strlen(*out) != (size_t)json_object_get_string_len(member))
		return error_set(err, ERR_INVALID, "%s holds a NUL byte", path);
	return 0;
}

int json_need_int(struct json_object *object, const char *path, int64_t min, int64_t max,
	int64_t *out, struct error *err)
{
	struct json_object *member = json_at(object, path);

	if (!member)
		return error_set(err, ERR_INVALID, "%s is missing", path);
	if (!json_object_is_type(member, json_type_int))
		return error_set(err, ERR_INVALID, "%s must be a whole number, not %s", path,
			json_object_to_json_string(member));
	*out = json_object_get_int64(member);
	if (*out < min || *out > max)
		return error_set(err, ERR_INVALID, "%s must be %lld to %lld, not %lld", path,
			(long long)min, (long long)max, (long long)*out);
	return 0;
}

void json_set(struct json_object *object, const char *path, struct json_object *value)
{
	char key[KEY_MAX];

	while (next_key(&path, key) && path) {
		struct json_object *member = NULL;

		json_object_object_get_ex(object, key, &member);
		if (!json_object_is_type(member, json_type_object)) {
			member = json_object_new_object();
			json_object_object_add(object, key, member);
		}
		object = member;
	}
	json_object_object_add(object, key, value);
}

void json_set_str(struct json_object *object, const char *path, const char *text)
{
	if (text)
		json_set(object, path, json_object_new_string(text));
}

void json_set_int(struct json_object *object, const char *path, int64_t number)
{
	json_set(object, path, json_object_new_int64(number));
}

void json_set_bool(struct json_object *object, const char *path, bool value)
{
	json_set(object, path, json_object_new_boolean(value));
}

void json_remove(struct json_object *object, const char *path)
{
	char key[KEY_MAX];

	while (object && next_key(&path, key) && path) {
		struct json_object *member = NULL;

		json_object_object_get_ex(object, key, &member);
		object = json_object_is_type(member, json_type_object) ? member : NULL;
	}
	if (object)
		json_object_object_del(object, key);
}

void json_drop_nulls(struct json_object *object)
{
	if (json_object_is_type(object, json_type_array)) {
		for (size_t i = 0; i < json_object_array_length(object); i++)
			json_drop_nulls(json_object_array_get_idx(object, i));
		return;
	}
	if (!json_object_is_type(object, json_type_object))
		return;
	json_object_object_foreach(object, key, member)
	{
		if (member)
			json_drop_nulls(member);
		else
			json_object_object_del(object, key);
	}
}

char *json_text(struct arena *arena, struct json_object *object)
{
	return arena_strdup(
		arena, json_object_to_json_string_ext(
			       object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
}

struct json_object *json_copy(struct json_object *object)
{
	struct json_object *copy = NULL;

	if (json_object_deep_copy(object, &copy, NULL) < 0)
		abort();
	return copy;
}
