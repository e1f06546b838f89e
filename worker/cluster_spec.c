/* SPDX-License-Identifier: MIT */
/*
 * Reading what a tenant asked for. One table names every key that clients' models know; whatever is
 * not in it is refused, because one unknown key in a stored entity breaks the lists of all clients.
 */
#include "worker/cluster.h"

#include "common/json.h"
#include "common/str.h"
#include "worker/names.h"

#include <stdio.h>
#include <string.h>

enum field_kind { FIELD_OBJECT, FIELD_TEXT, FIELD_INT, FIELD_FLAG, FIELD_ANY };

/* What an absent or null member means. */
enum field_need {
	NEED_NOT,   /* may be absent or null */
	NEED_KEY,   /* must be there, may be null */
	NEED_VALUE, /* must be there with a value */
};

struct field {
	const char *path;
	enum field_kind kind;
	enum field_need need;
	size_t offset;	  /* in struct cluster_spec; not for FIELD_OBJECT and FIELD_ANY */
	int64_t min, max; /* number, or bytes of a text */
	int64_t fallback; /* of an absent number or flag */
};

enum { TEXT_MAX = 128, SSH_KEY_MAX = 16384, WORKERS_MAX = 100, REVISION_MAX = 1000000000 };

#define NODES(name_, member, count_min, count_max, count_default)                                  \
	{"spec." name_, FIELD_OBJECT, NEED_NOT, 0, 0, 0, 0},                                       \
		{"spec." name_ ".count", FIELD_INT, NEED_NOT,                                      \
			offsetof(struct cluster_spec, member##s), count_min, count_max,            \
			count_default},                                                            \
		{"spec." name_ ".sizing_class", FIELD_TEXT, NEED_NOT,                              \
			offsetof(struct cluster_spec, member##_sizing), 0, TEXT_MAX, 0},           \
	{                                                                                          \
		"spec." name_ ".storage_profile", FIELD_TEXT, NEED_NOT,                            \
			offsetof(struct cluster_spec, member##_storage), 0, TEXT_MAX, 0            \
	}
#define TEXT(path_, member, need_, max_)                                                           \
	{                                                                                          \
		path_, FIELD_TEXT, need_, offsetof(struct cluster_spec, member), 0, max_, 0        \
	}
#define FLAG(path_, member, fallback_)                                                             \
	{                                                                                          \
		path_, FIELD_FLAG, NEED_NOT, offsetof(struct cluster_spec, member), 0, 1,          \
			fallback_                                                                  \
	}
#define OBJECT(path_, need_)                                                                       \
	{                                                                                          \
		path_, FIELD_OBJECT, need_, 0, 0, 0, 0                                             \
	}
/* Known to clients' models, of no meaning in a request. */
#define ANY(path_)                                                                                 \
	{                                                                                          \
		path_, FIELD_ANY, NEED_NOT, 0, 0, 0, 0                                             \
	}

static const struct field fields[] = {
	OBJECT("metadata", NEED_VALUE),
	TEXT("metadata.cluster_name", name, NEED_VALUE, TEXT_MAX),
	TEXT("metadata.org_name", org, NEED_VALUE, TEXT_MAX),
	TEXT("metadata.ovdc_name", vdc, NEED_VALUE, TEXT_MAX),
	OBJECT("spec", NEED_VALUE),
	NODES("control_plane", control_plane, 1, 1, 1),
	NODES("workers", worker, 0, WORKERS_MAX, 1),
	/* The member of NFS nodes has no plural. */
	OBJECT("spec.nfs", NEED_NOT),
	{"spec.nfs.count", FIELD_INT, NEED_NOT, offsetof(struct cluster_spec, nfs), 0, WORKERS_MAX,
		0},
	TEXT("spec.nfs.sizing_class", nfs_sizing, NEED_NOT, TEXT_MAX),
	TEXT("spec.nfs.storage_profile", nfs_storage, NEED_NOT, TEXT_MAX),
	OBJECT("spec.k8_distribution", NEED_VALUE),
	TEXT("spec.k8_distribution.template_name", template, NEED_KEY, TEXT_MAX),
	{"spec.k8_distribution.template_revision", FIELD_INT, NEED_KEY,
		offsetof(struct cluster_spec, revision), 0, REVISION_MAX, 0},
	OBJECT("spec.settings", NEED_VALUE),
	TEXT("spec.settings.network", network, NEED_VALUE, TEXT_MAX),
	TEXT("spec.settings.ssh_key", ssh_key, NEED_NOT, SSH_KEY_MAX),
	FLAG("spec.settings.rollback_on_failure", rollback, true),
	FLAG("spec.expose", expose, false),
	TEXT("kind", kind, NEED_VALUE, TEXT_MAX),
	TEXT("api_version", api_version, NEED_NOT, TEXT_MAX),
	OBJECT("status", NEED_NOT),
	ANY("status.phase"),
	ANY("status.cni"),
	ANY("status.task_href"),
	ANY("status.kubernetes"),
	ANY("status.docker_version"),
	ANY("status.os"),
	ANY("status.exposed"),
	OBJECT("status.nodes", NEED_NOT),
	ANY("status.nodes.control_plane"),
	ANY("status.nodes.workers"),
	ANY("status.nodes.nfs"),
};

/* A value as it came, short enough for a sentence. */
static const char *value_text(struct arena *arena, struct json_object *value)
{
	enum { SHOWN_MAX = 80 };
	const char *text = json_text(arena, value);

	if (strlen(text) <= SHOWN_MAX)
		return text;
	return arena_printf(arena, "%.*s...", SHOWN_MAX, text);
}

static int refuse(struct arena *arena, const struct field *field, struct json_object *value,
	const char *expected, struct error *err)
{
	return error_set(err, ERR_INVALID, "%s must be %s, not %s", field->path, expected,
		value_text(arena, value));
}

static int read_int(const struct field *field, struct arena *arena, struct json_object *value,
	int64_t *out, struct error *err)
{
	const char *expected;

	if (field->min == field->max)
		expected = arena_printf(arena, "%lld", (long long)field->min);
	else
		expected = arena_printf(arena, "a whole number from %lld to %lld",
			(long long)field->min, (long long)field->max);
	if (!json_object_is_type(value, json_type_int))
		return refuse(arena, field, value, expected, err);
	*out = json_object_get_int64(value);
	if (*out < field->min || *out > field->max)
		return refuse(arena, field, value, expected, err);
	return 0;
}

/* Control characters: a key file has line breaks and perhaps tabs, a name has none. */
static bool has_control(const char *text, bool many_lines)
{
	for (const char *c = text; *c; c++) {
		if (many_lines && (*c == '\n' || *c == '\r' || *c == '\t'))
			continue;
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			return true;
	}
	return false;
}

static int read_text(const struct field *field, struct arena *arena, struct json_object *value,
	const char **out, struct error *err)
{
	const char *text;

	if (!json_object_is_type(value, json_type_string))
		return refuse(arena, field, value, "a string", err);
	text = json_object_get_string(value);
	if (strlen(text) != (size_t)json_object_get_string_len(value) ||
		has_control(text, field->max == SSH_KEY_MAX))
		return refuse(arena, field, value, "text without control characters", err);
	if (strlen(text) > (size_t)field->max)
		return refuse(arena, field, value,
			arena_printf(arena, "at most %lld bytes", (long long)field->max), err);
	if (text[0] == '\0' && field->need == NEED_VALUE)
		return refuse(arena, field, value, "a name", err);
	*out = text[0] == '\0' ? NULL : text;
	return 0;
}

static int read_value(struct cluster_spec *out, const struct field *field, struct arena *arena,
	struct json_object *value, struct error *err)
{
	char *place = (char *)out + field->offset;

	switch (field->kind) {
	case FIELD_INT:
		return read_int(field, arena, value, (int64_t *)(void *)place, err);
	case FIELD_TEXT:
		return read_text(field, arena, value, (const char **)(void *)place, err);
	case FIELD_FLAG:
		if (!json_object_is_type(value, json_type_boolean))
			return refuse(arena, field, value, "true or false", err);
		*(bool *)(void *)place = json_object_get_boolean(value);
		return 0;
	case FIELD_OBJECT:
		if (!json_object_is_type(value, json_type_object))
			return refuse(arena, field, value, "an object", err);
		return 0;
	case FIELD_ANY:
		return 0;
	}
	return 0;
}

static void set_fallback(struct cluster_spec *out, const struct field *field)
{
	char *place = (char *)out + field->offset;

	if (field->kind == FIELD_INT)
		*(int64_t *)(void *)place = field->fallback;
	else if (field->kind == FIELD_FLAG)
		*(bool *)(void *)place = field->fallback;
}

/* The parent of a dotted path, and its last key. False when there is no such parent. */
static bool find_member(struct json_object *body, const char *path, struct json_object **out)
{
	const char *dot = strrchr(path, '.');
	char parent[64];

	*out = NULL;
	if (!dot)
		return json_object_object_get_ex(body, path, out);
	snprintf(parent, sizeof(parent), "%.*s", (int)(dot - path), path);
	body = json_at(body, parent);
	return body && json_object_object_get_ex(body, dot + 1, out);
}

static int read_field(struct cluster_spec *out, const struct field *field, struct arena *arena,
	struct json_object *body, struct error *err)
{
	struct json_object *value;
	bool present = find_member(body, field->path, &value);

	if (value)
		return read_value(out, field, arena, value, err);
	if (field->need == NEED_VALUE || (field->need == NEED_KEY && !present))
		return error_set(err, ERR_INVALID, "%s is missing", field->path);
	set_fallback(out, field);
	return 0;
}

static const struct field *find_field(const char *path)
{
	for (size_t i = 0; i < ARRAY_LEN(fields); i++)
		if (str_eq(fields[i].path, path))
			return &fields[i];
	return NULL;
}

/* Unknown keys of one object and of the objects below it that the table describes. */
static int refuse_unknown(struct arena *arena, struct json_object *object, const char *prefix,
	unsigned depth, struct error *err)
{
	enum { DEPTH_MAX = 4 };

	if (depth > DEPTH_MAX || !json_object_is_type(object, json_type_object))
		return 0;
	json_object_object_foreach(object, key, member)
	{
		const char *path = arena_printf(arena, "%s%s", prefix, key);
		/* A dot inside a key would look like a path of the table. */
		const struct field *field = strchr(key, '.') ? NULL : find_field(path);

		if (!field)
			return error_set(err, ERR_INVALID, "unknown key '%.80s'", path);
		if (field->kind == FIELD_OBJECT &&
			refuse_unknown(
				arena, member, arena_printf(arena, "%s.", path), depth + 1, err))
			return -1;
	}
	return 0;
}

/* What one field alone cannot tell. */
static int check_whole(const struct cluster_spec *spec, struct error *err)
{
	static const char *const kinds[] = {"native", "TKGm", "TKG+"};
	bool known = false;

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		known = known || str_eq(spec->kind, kinds[i]);
	if (!known)
		return error_set(err, ERR_INVALID, "kind must be native, TKGm or TKG+, not '%s'",
			spec->kind);
	if (!cluster_name_valid(spec->name))
		return error_set(err, ERR_INVALID,
			"Invalid cluster name '%s': a letter, then letters, digits and '-', at "
			"most %d characters",
			spec->name, CLUSTER_NAME_MAX);
	if ((spec->template == NULL) != (spec->revision == 0))
		return error_set(err, ERR_INVALID,
			"If template revision is specified, then template name must also be "
			"specified (and vice versa): template_name '%s', template_revision %lld",
			str_or(spec->template, ""), (long long)spec->revision);
	return 0;
}

int cluster_spec_read(
	struct cluster_spec *out, struct arena *arena, struct json_object *body, struct error *err)
{
	*out = (struct cluster_spec){0};
	if (!json_object_is_type(body, json_type_object))
		return error_set(err, ERR_INVALID, "the cluster must be a JSON object");
	if (refuse_unknown(arena, body, "", 0, err))
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(fields); i++)
		if (read_field(out, &fields[i], arena, body, err))
			return -1;
	out->api_version = str_or(out->api_version, "");
	return check_whole(out, err);
}

static bool known_keys_only(struct json_object *object, const char *prefix, unsigned depth)
{
	char path[128];
	bool all = true;

	json_object_object_foreach(object, key, member)
	{
		const struct field *field;

		snprintf(path, sizeof(path), "%s%s", prefix, key);
		field = strlen(key) < 64 && !strchr(key, '.') ? find_field(path) : NULL;
		if (!field) {
			json_object_object_del(object, key);
			all = false;
		} else if (field->kind == FIELD_OBJECT && depth < 4 &&
			   json_object_is_type(member, json_type_object)) {
			strncat(path, ".", sizeof(path) - strlen(path) - 1);
			all = known_keys_only(member, path, depth + 1) && all;
		}
	}
	return all;
}

bool cluster_drop_unknown(struct json_object *entity)
{
	return !json_object_is_type(entity, json_type_object) || known_keys_only(entity, "", 0);
}

/* Members that no update may change, by the names that clients know; sorted. */
#define SAME_TEXT(name, member) (str_eq(a->member, b->member) ? NULL : name)
#define SAME(name, member) (a->member == b->member ? NULL : name)

int cluster_spec_compare(const struct cluster_spec *a, const struct cluster_spec *b,
	struct arena *arena, struct error *err)
{
	/* Who names no template wants the one the cluster has. */
	bool same_template = !b->template || !a->template ||
			     (str_eq(a->template, b->template) && a->revision == b->revision);
	const char *const changed[] = {
		SAME("control_plane.count", control_planes),
		SAME_TEXT("control_plane.sizing_class", control_plane_sizing),
		SAME_TEXT("control_plane.storage_profile", control_plane_storage),
		same_template ? NULL : SAME_TEXT("k8_distribution.template_name", template),
		same_template ? NULL : SAME("k8_distribution.template_revision", revision),
		SAME_TEXT("nfs.sizing_class", nfs_sizing),
		SAME_TEXT("nfs.storage_profile", nfs_storage),
		SAME_TEXT("settings.network", network),
		SAME("settings.rollback_on_failure", rollback),
		SAME_TEXT("settings.ssh_key", ssh_key),
		SAME_TEXT("workers.sizing_class", worker_sizing),
		SAME_TEXT("workers.storage_profile", worker_storage),
	};
	const char *list = "";

	for (size_t i = 0; i < ARRAY_LEN(changed); i++)
		if (changed[i])
			list = arena_printf(
				arena, "%s%s'%s'", list, list[0] ? ", " : "", changed[i]);
	if (list[0])
		return error_set(err, ERR_INVALID, "Invalid input values found in [%s]", list);
	return 0;
}
