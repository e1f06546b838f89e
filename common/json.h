/* SPDX-License-Identifier: MIT */
/*
 * Reading and building JSON on json-c, with limits and with errors that name the path.
 *
 * json_get_* borrow from the object; json_parse and json-c's own builders own what they return
 * (free with json_release). No json object crosses threads.
 */
#ifndef COMMON_JSON_H
#define COMMON_JSON_H

#include "common/arena.h"
#include "common/error.h"

#include <json-c/json.h>

/* For CLEANUP(): drops the reference. */
void json_release(struct json_object **object);

/*
 * Parses exactly one value: strict UTF-8, no NUL bytes, nothing behind it, nesting at most depth.
 * json-c's own leniencies stay (single quotes, NaN, Infinity): typed getters do not take them for
 * more than they are. INVALID with the parser's reason and the offset. The caller releases the
 * result.
 */
struct json_object *json_parse(
	const char *text, size_t len, int depth, struct error *err) MUST_CHECK;

/* Member lookup along a dotted path ("status.nodes.control_plane"); NULL when absent or null. */
struct json_object *json_at(struct json_object *object, const char *path) MUST_CHECK;

/* Typed members along a dotted path; the fallback when absent, null or of another type. */
const char *json_str(struct json_object *object, const char *path, const char *fallback);
int64_t json_int(struct json_object *object, const char *path, int64_t fallback);
bool json_flag(struct json_object *object, const char *path, bool fallback);

/*
 * Required members: INVALID "<path> is missing" or "<path> must be a string". A string with NUL
 * bytes inside is refused. Numbers must be JSON integers in range.
 */
int json_need_str(struct json_object *object, const char *path, const char **out,
	struct error *err) MUST_CHECK;
int json_need_int(struct json_object *object, const char *path, int64_t min, int64_t max,
	int64_t *out, struct error *err) MUST_CHECK;

/* Setters along a dotted path; objects on the way are made. A NULL text leaves the key out. */
void json_set_str(struct json_object *object, const char *path, const char *text);
void json_set_int(struct json_object *object, const char *path, int64_t number);
void json_set_bool(struct json_object *object, const char *path, bool value);
void json_set(
	struct json_object *object, const char *path, struct json_object *value); /* takes it */
void json_remove(struct json_object *object, const char *path);

/* Removes every member that is null, at every level. */
void json_drop_nulls(struct json_object *object);

/* Compact text without escaped slashes; lives in the arena. */
char *json_text(struct arena *arena, struct json_object *object) MUST_CHECK;

/* An independent copy; the caller releases it. */
struct json_object *json_copy(struct json_object *object) MUST_CHECK;

#endif
