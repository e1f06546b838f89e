/* SPDX-License-Identifier: MIT */
#include "worker/details.h"

#include "common/json.h"
#include "common/str.h"

#include <stddef.h>
#include <string.h>

static const char marker[] = "cse-worker/";
static const char version[] = "1 ";

static const char *const operation_names[] = {
	[OPERATION_CREATE] = "create",
	[OPERATION_UPDATE] = "update",
	[OPERATION_DELETE] = "delete",
};

const char *operation_name(enum operation op)
{
	return operation_names[op];
}

bool operation_parse(const char *name, enum operation *out)
{
	for (size_t i = 0; i < ARRAY_LEN(operation_names); i++) {
		if (str_eq(name, operation_names[i])) {
			*out = (enum operation)i;
			return true;
		}
	}
	return false;
}

/* One row per member besides op; unset is NULL, or the number in the row. */
enum kind { TEXT, NUMBER, FLAG };

struct member {
	const char *path;
	enum kind kind;
	size_t offset;
	int64_t unset;
};

#define MEMBER(path_, kind_, field_, unset_)                                                       \
	{                                                                                          \
		.path = (path_), .kind = (kind_), .offset = offsetof(struct details, field_),      \
		.unset = (unset_)                                                                  \
	}

static const struct member members[] = {
	MEMBER("request", TEXT, request, 0),
	MEMBER("cluster", TEXT, cluster, 0),
	MEMBER("vapp", TEXT, vapp, 0),
	MEMBER("vdc", TEXT, vdc, 0),
	MEMBER("network", TEXT, network, 0),
	MEMBER("edge", TEXT, edge, 0),
	MEMBER("supersedes", TEXT, supersedes, 0),
	MEMBER("wanted.workers", NUMBER, wanted.workers, -1),
	MEMBER("wanted.expose", NUMBER, wanted.expose, -1),
	MEMBER("wanted.template", TEXT, wanted.template, 0),
	MEMBER("wanted.revision", NUMBER, wanted.revision, 0),
	MEMBER("wanted.rollback", NUMBER, wanted.rollback, -1),
	MEMBER("wanted.ssh_sha256", TEXT, wanted.ssh_sha256, 0),
	MEMBER("claim.pass", NUMBER, claim.pass, 0),
	MEMBER("claim.nonce", TEXT, claim.nonce, 0),
	MEMBER("claim.worker", TEXT, claim.worker, 0),
	MEMBER("claim.at", TEXT, claim.at, 0),
	MEMBER("claim.ended", FLAG, claim.ended, 0),
	MEMBER("revivals", NUMBER, revivals, 0),
	MEMBER("doubt", NUMBER, doubt, 0),
	MEMBER("twin", TEXT, twin, 0),
	MEMBER("verdict.v", TEXT, verdict.kind, 0),
	MEMBER("verdict.step", TEXT, verdict.step, 0),
	MEMBER("verdict.cause", TEXT, verdict.cause, 0),
};

void details_doubt(struct details *details, int64_t at_ms)
{
	if (at_ms > details->doubt)
		details->doubt = at_ms;
}

static void *field_of(struct details *details, const struct member *member)
{
	return (char *)details + member->offset;
}

static const void *field_in(const struct details *details, const struct member *member)
{
	return (const char *)details + member->offset;
}

struct details details_new(const char *deployment, enum operation op, const char *request)
{
	struct details out = {.deployment = deployment, .op = op, .request = request};

	out.wanted.workers = out.wanted.expose = out.wanted.rollback = -1;
	return out;
}

static void member_write(
	struct json_object *object, const struct details *details, const struct member *member)
{
	const void *field = field_in(details, member);

	if (member->kind == TEXT) {
		json_set_str(object, member->path, *(const char *const *)field);
	} else if (member->kind == FLAG) {
		if (*(const bool *)field)
			json_set_bool(object, member->path, true);
	} else if (*(const int64_t *)field != member->unset) {
		json_set_int(object, member->path, *(const int64_t *)field);
	}
}

/* The text cut by `by` bytes or a little more, never inside a UTF-8 character. */
static const char *text_cut(struct arena *arena, const char *text, size_t by)
{
	size_t len = strlen(text);

	len = by < len ? len - by : 0;
	while (len && ((unsigned char)text[len] & 0xc0) == 0x80)
		len--;
	return arena_strndup(arena, text, len);
}

char *details_encode(struct arena *arena, const struct details *details, struct error *err)
{
	struct details copy = *details;

	for (;;) {
		CLEANUP(json_release)
		struct json_object *object = json_object_new_object();
		char *line;
		size_t len;

		json_set_str(object, "op", operation_name(copy.op));
		for (size_t i = 0; i < ARRAY_LEN(members); i++)
			member_write(object, &copy, &members[i]);
		line = arena_printf(arena, "%s%s%s %s", marker, version, copy.deployment,
			json_text(arena, object));
		len = strlen(line);
		if (len <= DETAILS_MAX_BYTES)
			return line;
		if (str_empty(copy.verdict.cause)) {
			error_set(err, ERR_INTERNAL,
				"The operation's record has %zu bytes, more than %d", len,
				DETAILS_MAX_BYTES);
			return NULL;
		}
		copy.verdict.cause = text_cut(arena, copy.verdict.cause, len - DETAILS_MAX_BYTES);
	}
}

static int member_read(struct details *out, struct arena *arena, struct json_object *object,
	const struct member *member, struct error *err)
{
	struct json_object *value = json_at(object, member->path);
	void *field = field_of(out, member);

	if (!value)
		return 0;
	if (member->kind == FLAG) {
		*(bool *)field = json_flag(object, member->path, false);
	} else if (member->kind == TEXT) {
		const char *text;

		if (json_need_str(object, member->path, &text, err))
			return -1;
		*(const char **)field = arena_strdup(arena, text);
	} else {
		return json_need_int(
			object, member->path, INT64_MIN, INT64_MAX, (int64_t *)field, err);
	}
	return 0;
}

int details_decode(struct details *out, struct arena *arena, const char *deployment,
	const char *text, struct error *err)
{
	CLEANUP(json_release)
	struct json_object *object = NULL;
	const char *rest, *op;
	size_t len = strlen(deployment);

	if (!str_starts(text, marker))
		return 0;
	rest = text + strlen(marker);
	if (!str_starts(rest, version))
		return error_set(err, ERR_FORMAT,
			"The task's record has a version this program does not know");
	rest += strlen(version);
	if (strncmp(rest, deployment, len) != 0 || rest[len] != ' ')
		return 0;
	rest += len + 1;
	object = json_parse(rest, strlen(rest), 8, err);
	if (!object || json_need_str(object, "op", &op, err))
		return error_wrap(err, "The task's record cannot be read");
	*out = details_new(arena_strdup(arena, deployment), OPERATION_CREATE, NULL);
	if (!operation_parse(op, &out->op))
		return error_set(err, ERR_INVALID,
			"The task's record cannot be read: operation '%s' is not known", op);
	for (size_t i = 0; i < ARRAY_LEN(members); i++) {
		if (member_read(out, arena, object, &members[i], err))
			return error_wrap(err, "The task's record cannot be read");
	}
	return 1;
}

const char *details_deployment(struct arena *arena, const char *text)
{
	const char *name = str_starts(text, marker) ? strchr(text, ' ') : NULL;

	return name ? arena_strndup(arena, name + 1, strcspn(name + 1, " ")) : NULL;
}
