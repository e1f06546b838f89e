/* SPDX-License-Identifier: MIT */
#include "tests/vcdsim/entity_schema.h"

#include "common/json.h"
#include "common/str.h"

#include <stdio.h>
#include <string.h>

struct check {
	bool nulls_strict;
	struct error *err;
	char path[256]; /* "#/spec/workers" */
};

static int check_value(struct check *check, struct json_object *schema, struct json_object *value);

static bool type_is(const char *type, struct json_object *value)
{
	static const struct {
		const char *name;
		enum json_type type;
	} types[] = {
		{"object", json_type_object},
		{"array", json_type_array},
		{"string", json_type_string},
		{"integer", json_type_int},
		{"number", json_type_double},
		{"boolean", json_type_boolean},
		{"null", json_type_null},
	};

	if (str_eq(type, "number") && json_object_is_type(value, json_type_int))
		return true;
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		if (str_eq(type, types[i].name))
			return json_object_is_type(value, types[i].type);
	}
	return true;
}

/* `type` is a name or an array of names. */
static bool type_allowed(struct json_object *type, struct json_object *value)
{
	if (json_object_is_type(type, json_type_string))
		return type_is(json_object_get_string(type), value);
	if (!json_object_is_type(type, json_type_array))
		return true;
	for (size_t i = 0; i < json_object_array_length(type); i++) {
		if (type_is(json_object_get_string(json_object_array_get_idx(type, i)), value))
			return true;
	}
	return false;
}

static int check_scalar(struct check *check, struct json_object *schema, struct json_object *value)
{
	struct json_object *allowed = json_at(schema, "enum");

	if (!type_allowed(json_at(schema, "type"), value))
		return error_set(check->err, ERR_INVALID, "%s: expected type: %s, found: %s",
			check->path, json_object_get_string(json_at(schema, "type")),
			json_type_to_name(json_object_get_type(value)));
	if (json_object_is_type(allowed, json_type_array)) {
		size_t i = 0, len = json_object_array_length(allowed);

		while (i < len && !json_object_equal(json_object_array_get_idx(allowed, i), value))
			i++;
		if (i == len)
			return error_set(check->err, ERR_INVALID,
				"%s: %s is not a valid enum value", check->path,
				json_object_get_string(value));
	}
	if (!json_object_is_type(value, json_type_int))
		return 0;
	if (json_object_get_int64(value) < json_int(schema, "minimum", INT64_MIN) ||
		json_object_get_int64(value) > json_int(schema, "maximum", INT64_MAX))
		return error_set(check->err, ERR_INVALID, "%s: %s is out of range", check->path,
			json_object_get_string(value));
	return 0;
}

static int check_required(
	struct check *check, struct json_object *schema, struct json_object *value)
{
	struct json_object *required = json_at(schema, "required");

	if (!json_object_is_type(required, json_type_array))
		return 0;
	for (size_t i = 0; i < json_object_array_length(required); i++) {
		const char *key = json_object_get_string(json_object_array_get_idx(required, i));

		if (!json_object_object_get_ex(value, key, NULL))
			return error_set(check->err, ERR_INVALID, "%s: required key [%s] not found",
				check->path, key);
	}
	return 0;
}

/* Goes one level down with the path that belongs to it. */
static int check_member(struct check *check, const char *name, struct json_object *schema,
	struct json_object *value)
{
	size_t len = strlen(check->path);
	int status;

	snprintf(check->path + len, sizeof(check->path) - len, "/%s", name);
	status = check_value(check, schema, value);
	check->path[len] = '\0';
	return status;
}

static int check_object(struct check *check, struct json_object *schema, struct json_object *value)
{
	struct json_object *properties = json_at(schema, "properties");

	if (check_required(check, schema, value) < 0)
		return -1;
	json_object_object_foreach(value, key, member)
	{
		struct json_object *of_member = NULL;

		if (json_object_object_get_ex(properties, key, &of_member) &&
			check_member(check, key, of_member, member) < 0)
			return -1;
	}
	return 0;
}

static int check_array(struct check *check, struct json_object *schema, struct json_object *value)
{
	struct json_object *items = json_at(schema, "items");

	for (size_t i = 0; items && i < json_object_array_length(value); i++) {
		char index[24];

		snprintf(index, sizeof(index), "%zu", i);
		if (check_member(check, index, items, json_object_array_get_idx(value, i)) < 0)
			return -1;
	}
	return 0;
}

static int check_value(struct check *check, struct json_object *schema, struct json_object *value)
{
	if (!json_object_is_type(schema, json_type_object))
		return 0;
	if (!value && !check->nulls_strict)
		return 0;
	if (check_scalar(check, schema, value) < 0)
		return -1;
	if (json_object_is_type(value, json_type_object))
		return check_object(check, schema, value);
	if (json_object_is_type(value, json_type_array))
		return check_array(check, schema, value);
	return 0;
}

int schema_check(
	struct json_object *schema, struct json_object *value, bool nulls_strict, struct error *err)
{
	struct check check = {.nulls_strict = nulls_strict, .err = err, .path = "#"};

	return check_value(&check, schema, value);
}
