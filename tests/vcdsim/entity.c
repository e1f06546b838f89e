/* SPDX-License-Identifier: MIT */
/* Defined entities: create, read, change, resolve, delete, lists and grants. */
#include "common/json.h"
#include "common/str.h"
#include "tests/vcdsim/cloud.h"
#include "tests/vcdsim/entity_access.h"
#include "tests/vcdsim/entity_schema.h"

#include <string.h>

/* The task of a create runs until somebody resolves the entity; nothing ends it before. */
#define UNTIL_RESOLVED (-1)

static const char *const entity_members[] = {
	"id", "entityType", "name", "externalId", "entity", "state", "owner", "org", NULL};
static const char *const entity_keys[] = {
	"id", "entityType", "name", "externalId", "state", "entity.", NULL};

static bool is_uuid(const char *text)
{
	return strlen(text) == SIM_ID - 1 &&
	       str_is_made_of(text, "0123456789abcdefABCDEF-", SIM_ID - 1);
}

/* The org that an administrator acts for, else the session's own; NULL after an answer. */
static struct sim_org *acting_org(
	struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	const char *context = sim_header(req, "X-VMWARE-VCLOUD-TENANT-CONTEXT");
	struct sim_org *org;

	if (!context)
		return req->session->user->org;
	if (!is_uuid(context)) {
		reply_error(req, reply, 401, "UNAUTHORIZED", "Invalid tenant context.");
		return NULL;
	}
	org = find_org(sim, context);
	if (!org || !session_sees_org(req->session, org)) {
		reply_no_access(req, reply, "org", context);
		return NULL;
	}
	return org;
}

/* The entity of the path when the session has that level; NULL after a 403. */
static struct json_object *need_entity(struct sim *sim, const struct sim_request *req,
	struct sim_reply *reply, enum entity_level level)
{
	struct json_object *entity = find_doc(sim->entities, req->tokens[0]);
	enum entity_level has = entity ? entity_level(sim, req->session, entity) : LEVEL_NONE;

	if (entity && has >= level)
		return entity;
	if (has == LEVEL_NONE)
		reply_no_access(req, reply, "definedEntity", str_urn_uuid(req->tokens[0]));
	else
		reply_error(req, reply, 403, "ACCESS_TO_RESOURCE_IS_FORBIDDEN",
			"This operation is denied.");
	return NULL;
}

static bool text_or_null(struct json_object *object, const char *key)
{
	struct json_object *member = NULL;

	json_object_object_get_ex(object, key, &member);
	return !member || json_object_is_type(member, json_type_string);
}

/* Checks the body of a create or change: known members, a name, an object. */
static bool entity_body_ok(const struct sim_request *req, struct sim_reply *reply)
{
	const char *missing = NULL;

	if (!body_ok(req, reply, entity_members))
		return false;
	if (str_empty(json_str(req->json, "name", NULL)))
		missing = "name must be a text";
	else if (!json_object_is_type(json_at(req->json, "entity"), json_type_object))
		missing = "entity must be an object";
	else if (!text_or_null(req->json, "externalId"))
		missing = "externalId must be a text";
	if (missing)
		reply_error(req, reply, 400, "BAD_REQUEST", "Invalid entity: %s.", missing);
	return !missing;
}

static void set_content(struct json_object *entity, struct json_object *body)
{
	const char *external = json_str(body, "externalId", NULL);

	json_set_str(entity, "name", json_str(body, "name", ""));
	json_object_object_add(
		entity, "externalId", external ? json_object_new_string(external) : NULL);
	json_set(entity, "entity", json_copy(json_at(body, "entity")));
}

static struct json_object *entity_new(
	struct json_object *type, const struct sim_request *req, const struct sim_org *org)
{
	struct json_object *entity = json_object_new_object();
	const struct sim_user *user = req->session->user;
	struct arena *arena = req->arena;
	char uuid[SIM_ID];

	uuid_make(uuid);
	json_set_str(entity, "id",
		arena_printf(arena, "urn:vcloud:entity:%s:%s:%s:%s", json_str(type, "vendor", ""),
			json_str(type, "nss", ""), json_str(type, "version", ""), uuid));
	json_set_str(entity, "entityType", json_str(type, "id", ""));
	set_content(entity, req->json);
	json_set_str(entity, "state", "PRE_CREATED");
	json_set(entity, "owner",
		reference(user->name, arena_printf(arena, "urn:vcloud:user:%s", user->uuid)));
	json_set(entity, "org",
		reference(org->name, arena_printf(arena, "urn:vcloud:org:%s", org->uuid)));
	return entity;
}

static void entity_create(struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	struct json_object *type = find_doc(sim->entity_types, req->tokens[0]), *entity;
	struct sim_org *org = acting_org(sim, req, reply);
	struct sim_task *task;

	if (!org)
		return;
	if (!type || type_level(req->session, type, false) == LEVEL_NONE) {
		reply_no_access(req, reply, "definedEntityType", req->tokens[0]);
		return;
	}
	if (type_level(req->session, type, false) < LEVEL_FULL) {
		reply_error(req, reply, 403, "ACCESS_TO_RESOURCE_IS_FORBIDDEN",
			"Either you need some or all of the following rights [%s:%s: Full Access] "
			"to perform this operation or the target entity is invalid.",
			json_str(type, "vendor", ""), json_str(type, "nss", ""));
		return;
	}
	if (!entity_body_ok(req, reply))
		return;
	entity = entity_new(type, req, org);
	json_object_array_add(sim->entities, entity);
	task = cloud_task(sim, req,
		&(struct cloud_work){
			.name = "definedEntityCreate",
			.operation = arena_printf(req->arena, "Creating Defined Entity %s(%s)",
				json_str(entity, "name", ""), json_str(entity, "id", "")),
			.owner = entity,
			.delay_ms = UNTIL_RESOLVED,
		});
	task->org = org;
	task->progress = 1;
	json_set_str(entity, "_task", task->uuid);
	reply_task(req, reply, task);
}

static void entity_get(struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	struct json_object *entity = need_entity(sim, req, reply, LEVEL_VIEW);

	if (entity)
		reply_json(req, reply, 200, doc_shown(entity));
}

static int entity_check(
	struct sim *sim, struct json_object *entity, struct json_object *content, struct error *err)
{
	struct json_object *type = find_doc(sim->entity_types, json_str(entity, "entityType", ""));

	return schema_check(
		json_at(type, "schema"), content, sim->options.rde_nulls_strict != 0, err);
}

static void entity_put(struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	struct json_object *entity = need_entity(sim, req, reply, LEVEL_MODIFY);
	struct error err = {0};
	const char *state;

	if (!entity || !entity_body_ok(req, reply))
		return;
	state = json_str(entity, "state", "");
	if (str_eq(state, "RESOLVED") &&
		entity_check(sim, entity, json_at(req->json, "entity"), &err) < 0) {
		reply_error(req, reply, 400, "RDE_ENTITY_VALIDATION_FAILED",
			"Validation errors found in entity: [%s]", err.msg);
		return;
	}
	set_content(entity, req->json);
	if (str_eq(state, "RESOLUTION_ERROR"))
		json_set_str(entity, "state", "PRE_CREATED");
	reply_json(req, reply, 200, doc_shown(entity));
}

/* The create's task ends with the first resolve, whatever that finds. */
static void end_create(struct sim *sim, struct json_object *entity, const char *problem)
{
	struct sim_task *task = find_task(sim, json_str(entity, "_task", ""));

	json_remove(entity, "_task");
	if (!task)
		return;
	if (problem)
		task_fail(task, "RDE_ENTITY_VALIDATION_FAILED", "%s", problem);
	task->due_ms = 0;
}

static void entity_resolve(struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	struct json_object *entity = need_entity(sim, req, reply, LEVEL_MODIFY), *answer;
	const char *problem = NULL;
	struct error err = {0};

	if (!entity)
		return;
	if (entity_check(sim, entity, json_at(entity, "entity"), &err) < 0)
		problem = arena_printf(
			req->arena, "Validation errors found in entity: [%s]", err.msg);
	json_set_str(entity, "state", problem ? "RESOLUTION_ERROR" : "RESOLVED");
	end_create(sim, entity, problem);
	answer = doc_shown(entity);
	json_object_object_add(answer, "message", problem ? json_object_new_string(problem) : NULL);
	reply_json(req, reply, 200, answer);
}

static void remove_doc(struct json_object *array, struct json_object *doc)
{
	for (size_t i = 0; i < json_object_array_length(array); i++) {
		if (json_object_array_get_idx(array, i) == doc) {
			json_object_array_del_idx(array, i, 1);
			return;
		}
	}
}

static void entity_delete(struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	struct json_object *entity = need_entity(sim, req, reply, LEVEL_FULL);

	if (!entity)
		return;
	if (!str_eq(json_str(entity, "state", ""), "RESOLVED")) {
		reply_error(req, reply, 400, "RDE_ENTITY_NOT_RESOLVED",
			"Entity %s is in state %s; only resolved entities can be deleted.",
			json_str(entity, "id", ""), json_str(entity, "state", ""));
		return;
	}
	remove_doc(sim->entities, entity);
	reply->status = 204;
}

/* "1" and "1.0" also name "1.0.0". */
static bool version_covers(const char *wanted, const char *version)
{
	size_t len = strlen(wanted);

	return strncmp(version, wanted, len) == 0 && (version[len] == '\0' || version[len] == '.');
}

static bool type_is(struct json_object *type, char *const *parts)
{
	return str_eq(json_str(type, "vendor", ""), parts[0]) &&
	       str_eq(json_str(type, "nss", ""), parts[1]) &&
	       version_covers(parts[2], json_str(type, "version", ""));
}

static bool type_implements(struct json_object *type, char *const *parts)
{
	struct json_object *interfaces = json_at(type, "interfaces");

	for (size_t i = 0; interfaces && i < json_object_array_length(interfaces); i++) {
		const char *urn = json_object_get_string(json_object_array_get_idx(interfaces, i));
		const char *vendor = strlen(urn) > 21 ? urn + strlen("urn:vcloud:interface:") : "";
		size_t len = strlen(parts[0]), nss = strlen(parts[1]);

		if (strncmp(vendor, parts[0], len) == 0 && vendor[len] == ':' &&
			strncmp(vendor + len + 1, parts[1], nss) == 0 &&
			vendor[len + 1 + nss] == ':' &&
			version_covers(parts[2], vendor + len + nss + 2))
			return true;
	}
	return false;
}

static void entity_list(struct sim *sim, const struct sim_request *req, struct sim_reply *reply,
	bool (*selects)(struct json_object *type, char *const *parts))
{
	char *parts[] = {arena_strdup(req->arena, req->tokens[0]),
		arena_strdup(req->arena, req->tokens[1]), arena_strdup(req->arena, req->tokens[2])};
	struct json_object *values;
	struct filter *filter;
	/* An administrator in an org's context sees what is in that org. */
	bool narrowed = sim_header(req, "X-VMWARE-VCLOUD-TENANT-CONTEXT") != NULL;
	struct sim_org *org = acting_org(sim, req, reply);

	if (!org || !list_filter(req, reply, entity_keys, &filter))
		return;
	values = json_object_new_array();
	for (size_t i = 0; i < json_object_array_length(sim->entities); i++) {
		struct json_object *entity = json_object_array_get_idx(sim->entities, i);
		struct json_object *type =
			find_doc(sim->entity_types, json_str(entity, "entityType", ""));

		if (type && selects(type, parts) &&
			entity_level(sim, req->session, entity) >= LEVEL_VIEW &&
			(!narrowed ||
				str_eq(str_urn_uuid(json_str(entity, "org.id", "")), org->uuid)) &&
			filter_match(filter, entity, filter_json_value))
			json_object_array_add(values, doc_shown(entity));
	}
	list_sort(req, values);
	reply_page(req, reply, values, 25, 128);
}

static void entities_of_type(
	struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	entity_list(sim, req, reply, type_is);
}

static void entities_of_interface(
	struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	entity_list(sim, req, reply, type_implements);
}

/* The document whose grants are asked for: an entity, or a type for those who may define types. */
static struct json_object *need_grants(
	struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	struct json_object *type = find_doc(sim->entity_types, req->tokens[0]);

	if (type && session_is_system(req->session))
		return type;
	return need_entity(sim, req, reply, LEVEL_FULL);
}

static void grants_get(struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	struct json_object *doc = need_grants(sim, req, reply);
	struct json_object *grants = json_at(doc, "_acl");

	if (doc)
		reply_page(
			req, reply, grants ? json_copy(grants) : json_object_new_array(), 25, 128);
}

static void grants_add(struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	static const char *const members[] = {
		"id", "tenant", "grantType", "objectId", "accessLevelId", "memberId", NULL};
	struct json_object *doc = need_grants(sim, req, reply), *grant;
	char uuid[SIM_ID];

	if (!doc || !body_ok(req, reply, members))
		return;
	if (!str_eq(json_str(req->json, "grantType", ""), "MembershipAccessControlGrant") ||
		!str_starts(json_str(req->json, "accessLevelId", ""), "urn:vcloud:accessLevel:") ||
		!str_starts(json_str(req->json, "memberId", ""), "urn:vcloud:")) {
		reply_error(req, reply, 400, "BAD_REQUEST", "Invalid access control grant.");
		return;
	}
	uuid_make(uuid);
	grant = json_copy(req->json);
	json_set_str(grant, "id", arena_printf(req->arena, "urn:vcloud:accessControl:%s", uuid));
	json_set_str(grant, "objectId", json_str(doc, "id", ""));
	if (!json_at(doc, "_acl"))
		json_set(doc, "_acl", json_object_new_array());
	json_object_array_add(json_at(doc, "_acl"), grant);
	reply_json(req, reply, 201, json_copy(grant));
}

static void grant_delete(struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	struct json_object *doc = need_grants(sim, req, reply), *grants = json_at(doc, "_acl");
	struct json_object *grant = grants ? find_doc(grants, req->tokens[1]) : NULL;

	if (!doc)
		return;
	if (!grant) {
		reply_no_access(req, reply, "accessControl", str_urn_uuid(req->tokens[1]));
		return;
	}
	remove_doc(grants, grant);
	reply->status = 204;
}

#define ENTITIES "/cloudapi/1.0.0/entities"

const struct sim_route entity_routes[] = {
	{"POST", "/cloudapi/1.0.0/entityTypes/{id}", ACCESS_SESSION, NULL, entity_create, false},
	{"GET", ENTITIES "/types/{vendor}/{nss}/{version}", ACCESS_SESSION, NULL, entities_of_type,
		false},
	{"GET", ENTITIES "/interfaces/{vendor}/{nss}/{version}", ACCESS_SESSION, NULL,
		entities_of_interface, false},
	{"GET", ENTITIES "/{id}", ACCESS_SESSION, NULL, entity_get, false},
	{"PUT", ENTITIES "/{id}", ACCESS_SESSION, NULL, entity_put, false},
	{"DELETE", ENTITIES "/{id}", ACCESS_SESSION, NULL, entity_delete, false},
	{"POST", ENTITIES "/{id}/resolve", ACCESS_SESSION, NULL, entity_resolve, false},
	{"GET", ENTITIES "/{id}/accessControls", ACCESS_SESSION, NULL, grants_get, false},
	{"POST", ENTITIES "/{id}/accessControls", ACCESS_SESSION, NULL, grants_add, false},
	{"DELETE", ENTITIES "/{id}/accessControls/{acl}", ACCESS_SESSION, NULL, grant_delete,
		false},
	{"GET", "/cloudapi/1.0.0/entityTypes/{id}/accessControls", ACCESS_SESSION, NULL, grants_get,
		false},
	{"POST", "/cloudapi/1.0.0/entityTypes/{id}/accessControls", ACCESS_SESSION, NULL,
		grants_add, false},
	{0},
};
