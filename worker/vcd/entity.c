/* SPDX-License-Identifier: MIT */
#include "worker/vcd/entity.h"

#include "common/json.h"
#include "common/str.h"
#include "worker/vcd/query.h"
#include "worker/vcd/task.h"

#include <string.h>

enum { ENTITY_PAGE = 32 };

#define ENTITY_LIST "/cloudapi/1.0.0/entities/types/cse/nativeCluster/1.0.0"

static const char *entity_path(struct vcd *vcd, const char *urn, const char *rest)
{
	struct arena *arena = vcd_arena(vcd);

	return arena_printf(arena, "/cloudapi/1.0.0/entities/%s%s", path_segment(arena, urn), rest);
}

static const char *about(struct vcd *vcd, const char *urn, const char *verb)
{
	return arena_printf(vcd_arena(vcd), "entity %s: %s", str_urn_uuid(urn), verb);
}

/* VCD's task for a create: its owner is the entity; if not, its text ends in "(<urn>)". */
static const char *urn_of_task(struct arena *arena, const struct vcd_task *task)
{
	const char *open = strrchr(task->operation, '(');

	if (str_starts(task->owner_id, "urn:vcloud:entity:"))
		return task->owner_id;
	if (!open || !str_starts(open + 1, "urn:vcloud:entity:"))
		return NULL;
	return arena_strndup(arena, open + 1, strcspn(open + 1, ")"));
}

int vcd_entity_create(struct vcd *vcd, struct vcd_as as, const char *name, const char *external_id,
	struct json_object *entity, const char **urn, struct error *err)
{
	CLEANUP(json_release)
	struct json_object *body = json_object_new_object();
	const char *what = arena_printf(vcd_arena(vcd), "entity of cluster %s: create", name);
	struct vcd_answer answer;
	struct vcd_task task;

	json_set_str(body, "name", name);
	json_set_str(body, "externalId", external_id);
	json_set(body, "entity", json_object_get(entity));
	if (vcd_json(vcd, as, "POST", "/cloudapi/1.0.0/entityTypes/" ENTITY_TYPE, body, what,
		    &answer, NULL, err) < 0)
		return -1;
	/* The task runs until the entity is resolved: it is read once and not waited for. */
	if (vcd_task_get(vcd, str_last_segment(answer.location), &task, err) < 0)
		return -1;
	*urn = urn_of_task(vcd_arena(vcd), &task);
	if (!*urn)
		return error_set(
			err, ERR_TRANSIENT, "%s: VCD's task does not name the entity", what);
	return 0;
}

int vcd_entity_get(struct vcd *vcd, struct vcd_as as, const char *urn, struct json_object **out,
	struct error *err)
{
	const char *what = about(vcd, urn, "read");

	if (vcd_json(vcd, as, "GET", entity_path(vcd, urn, ""), NULL, what, NULL, out, err) < 0)
		return -1;
	return *out ? 0 : error_set(err, ERR_TRANSIENT, "%s: the answer is empty", what);
}

int vcd_entity_put(
	struct vcd *vcd, struct vcd_as as, struct json_object **document, struct error *err)
{
	struct json_object *answer = NULL;
	const char *urn;

	if (json_need_str(*document, "id", &urn, err) < 0)
		return error_wrap(err, "entity: update");
	if (vcd_json(vcd, as, "PUT", entity_path(vcd, urn, ""), *document,
		    about(vcd, urn, "update"), NULL, &answer, err) < 0)
		return -1;
	if (answer) {
		json_release(document);
		*document = answer;
	}
	return 0;
}

int vcd_entity_resolve(struct vcd *vcd, struct vcd_as as, const char *urn, struct error *err)
{
	CLEANUP(json_release)
	struct json_object *answer = NULL;
	const char *what = about(vcd, urn, "resolve");

	if (vcd_json(vcd, as, "POST", entity_path(vcd, urn, "/resolve"), NULL, what, NULL, &answer,
		    err) < 0)
		return -1;
	if (!str_eq(json_str(answer, "state", ""), "RESOLVED"))
		return error_set(err, ERR_INVALID, "%s: %.360s", what,
			json_str(answer, "message", "VCD gives no reason"));
	return 0;
}

int vcd_entity_delete(struct vcd *vcd, struct vcd_as as, const char *urn, struct error *err)
{
	return vcd_json(vcd, as, "DELETE", entity_path(vcd, urn, ""), NULL,
		about(vcd, urn, "delete"), NULL, NULL, err);
}

int vcd_entity_find(struct vcd *vcd, struct vcd_as as, const char *key, const char *value,
	struct json_object **values, struct error *err)
{
	struct arena *arena = vcd_arena(vcd);
	const char *filter = query_filter(arena, filter_term(arena, key, value));

	return list_pages(vcd, as, ENTITY_LIST, arena_printf(arena, "sortAsc=name&%s", filter),
		ENTITY_PAGE, arena_printf(arena, "entities with %s %s: find", key, value), values,
		err);
}
