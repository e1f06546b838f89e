/* SPDX-License-Identifier: MIT */
/* What all lists of the cloudapi do alike, and its small read-only parts: roles and policies. */
#include "common/json.h"
#include "common/str.h"
#include "tests/vcdsim/cloud.h"
#include "tests/vcdsim/entity_access.h"

#include <string.h>
#include <strings.h>

struct json_object *doc_shown(struct json_object *doc)
{
	struct json_object *copy = json_object_new_object();

	json_object_object_foreach(doc, key, member)
	{
		if (key[0] != '_')
			json_object_object_add(copy, key, member ? json_copy(member) : NULL);
	}
	return copy;
}

static bool key_allowed(const char *key, const char *const keys[])
{
	for (size_t i = 0; keys[i]; i++) {
		if (str_eq(key, keys[i]) || (str_ends(keys[i], ".") && str_starts(key, keys[i])))
			return true;
	}
	return false;
}

bool list_filter(const struct sim_request *req, struct sim_reply *reply, const char *const keys[],
	struct filter **out)
{
	const char *text = sim_query(req, "filter");
	struct error err = {0};

	*out = NULL;
	if (str_empty(text))
		return true;
	*out = filter_parse(req->arena, text, &err);
	if (!*out) {
		reply_error(req, reply, 400, "BAD_REQUEST", "%s", err.msg);
		return false;
	}
	for (size_t i = 0; filter_key(*out, i); i++) {
		if (!key_allowed(filter_key(*out, i), keys)) {
			reply_error(req, reply, 400, "BAD_REQUEST",
				"Invalid filter: property '%s' cannot be searched.",
				filter_key(*out, i));
			return false;
		}
	}
	return true;
}

static void swap(struct json_object *values, size_t a, size_t b)
{
	struct json_object *left = json_object_get(json_object_array_get_idx(values, a));
	struct json_object *right = json_object_get(json_object_array_get_idx(values, b));

	json_object_array_put_idx(values, a, right);
	json_object_array_put_idx(values, b, left);
}

static const char *sort_value(struct json_object *values, size_t index, const char *key)
{
	return str_or(filter_json_value(json_object_array_get_idx(values, index), key), "");
}

void list_sort(const struct sim_request *req, struct json_object *values)
{
	const char *up = sim_query(req, "sortAsc"), *key = up ? up : sim_query(req, "sortDesc");
	size_t len = json_object_array_length(values);

	for (size_t i = 0; !key && i < len / 2; i++)
		swap(values, i, len - 1 - i);
	/* Stable, in place and short; no list here is long. */
	for (size_t i = 1; key && i < len; i++) {
		for (size_t j = i; j > 0; j--) {
			int order = strcasecmp(
				sort_value(values, j - 1, key), sort_value(values, j, key));

			if ((up ? order : -order) <= 0)
				break;
			swap(values, j - 1, j);
		}
	}
}

struct json_object *reference(const char *name, const char *id)
{
	struct json_object *object = json_object_new_object();

	json_set_str(object, "name", name);
	json_set_str(object, "id", id);
	return object;
}

bool doc_visible(struct sim *sim, const struct sim_session *session, struct json_object *doc)
{
	const char *org = json_str(doc, "orgRef.id", json_str(doc, "org.id", NULL));
	const struct sim_org *owner = org ? find_org(sim, str_urn_uuid(org)) : NULL;

	return !org || (owner && session_sees_org(session, owner));
}

bool body_ok(const struct sim_request *req, struct sim_reply *reply, const char *const members[])
{
	if (!json_object_is_type(req->json, json_type_object)) {
		reply_error(req, reply, 400, "BAD_REQUEST", "The body is not a JSON object.");
		return false;
	}
	json_object_object_foreach(req->json, key, member)
	{
		(void)member;
		if (!key_allowed(key, members)) {
			reply_error(req, reply, 400, "BAD_REQUEST",
				"Unrecognized field \"%s\", not marked as ignorable", key);
			return false;
		}
	}
	return true;
}

static const char *collection(const char *urn)
{
	if (str_starts(urn, "urn:vcloud:gateway:"))
		return "edgeGateways";
	return str_starts(urn, "urn:vcloud:entity:") ? "entities" : "applicationPortProfiles";
}

struct sim_task *cloud_task(
	struct sim *sim, const struct sim_request *req, const struct cloud_work *work)
{
	const char *id = json_str(work->owner, "id", "");
	/* The note is kept as text: it then needs no owner when the simulator ends before the task.
	 */
	char *note = work->note ? keep(sim, json_text(req->arena, work->note)) : NULL;
	struct sim_task *task = task_start(
		sim, req->session, work->name, work->operation, work->delay_ms, work->done, note);

	task->owner_id = keep(sim, id);
	task->owner_name = keep(sim, json_str(work->owner, "name", ""));
	task->owner_type = "application/json";
	task->owner_href =
		keepf(sim, "%s/cloudapi/1.0.0/%s/%s", sim_base_url(sim), collection(id), id);
	if (work->lock)
		task->locks[0] = keep(sim, work->lock);
	return task;
}

struct json_object *task_note(const struct sim_task *task)
{
	struct error err = {0};
	const char *text = task->object;

	return text ? json_parse(text, strlen(text), 64, &err) : NULL;
}

static struct json_object *find_role(
	struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	struct json_object *role = find_doc(sim->roles, req->tokens[0]);
	const char *org = json_str(role, "_org", NULL);
	const struct sim_org *owner = org ? find_org(sim, org) : NULL;

	if (role && (!owner || session_sees_org(req->session, owner)))
		return role;
	reply_no_access(req, reply, "role", str_urn_uuid(req->tokens[0]));
	return NULL;
}

static void role_get(struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	struct json_object *role = find_role(sim, req, reply);

	if (role)
		reply_json(req, reply, 200, doc_shown(role));
}

static struct json_object *right_doc(const char *name)
{
	char urn[64];
	struct json_object *right;

	right_id(name, urn);
	right = reference(name, urn);
	json_set_str(right, "rightType", "MODIFY");
	return right;
}

static void role_rights(struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	static const char *const keys[] = {"name", "id", NULL};
	struct json_object *role = find_role(sim, req, reply), *names, *values;
	struct filter *filter;

	if (!role || !list_filter(req, reply, keys, &filter))
		return;
	names = json_at(role, "_rights");
	values = json_object_new_array();
	for (size_t i = 0; names && i < json_object_array_length(names); i++) {
		struct json_object *right =
			right_doc(json_object_get_string(json_object_array_get_idx(names, i)));

		if (filter_match(filter, right, filter_json_value))
			json_object_array_add(values, right);
		else
			json_object_put(right);
	}
	list_sort(req, values);
	reply_page(req, reply, values, 25, 128);
}

static void roles_list(struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	static const char *const keys[] = {"name", "id", NULL};
	struct json_object *values;
	struct filter *filter;

	if (!list_filter(req, reply, keys, &filter))
		return;
	values = json_object_new_array();
	for (size_t i = 0; i < json_object_array_length(sim->roles); i++) {
		struct json_object *role = json_object_array_get_idx(sim->roles, i);
		const char *org = json_str(role, "_org", NULL);
		const struct sim_org *owner = org ? find_org(sim, org) : NULL;

		if ((!owner || session_sees_org(req->session, owner)) &&
			filter_match(filter, role, filter_json_value))
			json_object_array_add(values, doc_shown(role));
	}
	list_sort(req, values);
	reply_page(req, reply, values, 25, 128);
}

static struct json_object *policy_doc(const struct sim_request *req, struct json_object *policy)
{
	struct json_object *doc = doc_shown(policy);

	if (strstr(req->path, "/2.0.0/"))
		json_set_str(doc, "policyType", "VdcVmPolicy");
	return doc;
}

static void add_policies(const struct sim_request *req, const struct sim_vdc *vdc,
	const struct filter *filter, struct json_object *values)
{
	for (size_t i = 0; vdc->policies && i < json_object_array_length(vdc->policies); i++) {
		struct json_object *policy = json_object_array_get_idx(vdc->policies, i);

		if (filter_match(filter, policy, filter_json_value) &&
			!find_doc(values, json_str(policy, "id", "")))
			json_object_array_add(values, policy_doc(req, policy));
	}
}

static const char *const policy_keys[] = {
	"name", "id", "isSizingOnly", "pvdcComputePolicy.id", "isAutoGenerated", NULL};

static void vdc_policies(struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	const struct sim_vdc *vdc = find_vdc(sim, str_urn_uuid(req->tokens[0]));
	struct json_object *values;
	struct filter *filter;

	if (!vdc || !session_sees_org(req->session, vdc->org)) {
		reply_no_access(req, reply, "vdc", str_urn_uuid(req->tokens[0]));
		return;
	}
	if (!list_filter(req, reply, policy_keys, &filter))
		return;
	values = json_object_new_array();
	add_policies(req, vdc, filter, values);
	list_sort(req, values);
	reply_page(req, reply, values, 25, 128);
}

static void all_policies(struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	struct json_object *values;
	struct filter *filter;

	if (!list_filter(req, reply, policy_keys, &filter))
		return;
	values = json_object_new_array();
	for (const struct sim_vdc *vdc = sim->vdcs; vdc; vdc = vdc->next) {
		if (session_sees_org(req->session, vdc->org))
			add_policies(req, vdc, filter, values);
	}
	list_sort(req, values);
	reply_page(req, reply, values, 25, 128);
}

/* The interface that every VCD 10.2 has; nobody here makes others. */
static struct json_object *kubernetes_interface(void)
{
	struct json_object *doc = reference("Kubernetes", "urn:vcloud:interface:vmware:k8s:1.0.0");

	json_set_str(doc, "vendor", "vmware");
	json_set_str(doc, "nss", "k8s");
	json_set_str(doc, "version", "1.0.0");
	json_set_bool(doc, "readonly", true);
	return doc;
}

static void interfaces_list(struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	struct json_object *values = json_object_new_array();

	(void)sim;
	json_object_array_add(values, kubernetes_interface());
	reply_page(req, reply, values, 25, 128);
}

static void interface_get(struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	struct json_object *doc = kubernetes_interface();

	(void)sim;
	if (str_eq(json_str(doc, "id", ""), req->tokens[0])) {
		reply_json(req, reply, 200, doc);
		return;
	}
	json_object_put(doc);
	reply_no_access(req, reply, "interface", req->tokens[0]);
}

static bool type_visible(const struct sim_session *session, struct json_object *type)
{
	return type_level(session, type, false) != LEVEL_NONE ||
	       type_level(session, type, true) != LEVEL_NONE;
}

static void types_list(struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	static const char *const keys[] = {"id", "name", "vendor", "nss", "version", NULL};
	struct json_object *values;
	struct filter *filter;

	if (!list_filter(req, reply, keys, &filter))
		return;
	values = json_object_new_array();
	for (size_t i = 0; i < json_object_array_length(sim->entity_types); i++) {
		struct json_object *type = json_object_array_get_idx(sim->entity_types, i);

		if (type_visible(req->session, type) &&
			filter_match(filter, type, filter_json_value))
			json_object_array_add(values, doc_shown(type));
	}
	list_sort(req, values);
	reply_page(req, reply, values, 25, 128);
}

static void type_get(struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	struct json_object *type = find_doc(sim->entity_types, req->tokens[0]);

	if (type && type_visible(req->session, type))
		reply_json(req, reply, 200, doc_shown(type));
	else
		reply_no_access(req, reply, "definedEntityType", req->tokens[0]);
}

static bool is_text_list(struct json_object *list)
{
	if (!json_object_is_type(list, json_type_array))
		return false;
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		if (!json_object_is_type(json_object_array_get_idx(list, i), json_type_string))
			return false;
	}
	return true;
}

static void type_create(struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	static const char *const members[] = {"id", "name", "description", "vendor", "nss",
		"version", "externalId", "interfaces", "schema", "readonly", NULL};
	static const char *const needed[] = {"name", "vendor", "nss", "version"};
	struct json_object *type;
	const char *id;

	if (!body_ok(req, reply, members))
		return;
	for (size_t i = 0; i < ARRAY_LEN(needed); i++) {
		if (str_empty(json_str(req->json, needed[i], NULL))) {
			reply_error(req, reply, 400, "BAD_REQUEST", "%s must be set.", needed[i]);
			return;
		}
	}
	if (!is_text_list(json_at(req->json, "interfaces")) ||
		!json_object_is_type(json_at(req->json, "schema"), json_type_object)) {
		reply_error(req, reply, 400, "BAD_REQUEST",
			"interfaces must be a list of ids, schema an object.");
		return;
	}
	id = arena_printf(req->arena, "urn:vcloud:type:%s:%s:%s", json_str(req->json, "vendor", ""),
		json_str(req->json, "nss", ""), json_str(req->json, "version", ""));
	if (find_doc(sim->entity_types, id)) {
		reply_error(req, reply, 400, "RDE_TYPE_ALREADY_EXISTS",
			"An entity type with the id %s already exists.", id);
		return;
	}
	type = json_copy(req->json);
	json_set_str(type, "id", id);
	json_object_array_add(sim->entity_types, type);
	reply_json(req, reply, 201, doc_shown(type));
}

#define POLICY_VIEW "Organization vDC Compute Policy: View"
#define V1 "/cloudapi/1.0.0"
#define V2 "/cloudapi/2.0.0"

const struct sim_route cloudapi_routes[] = {
	{"GET", V1 "/roles", ACCESS_SESSION, NULL, roles_list, false},
	{"GET", V1 "/roles/{id}", ACCESS_SESSION, NULL, role_get, false},
	{"GET", V1 "/roles/{id}/rights", ACCESS_SESSION, NULL, role_rights, false},
	{"GET", V1 "/vdcs/{id}/computePolicies", ACCESS_SESSION, POLICY_VIEW, vdc_policies, false},
	{"GET", V2 "/vdcs/{id}/computePolicies", ACCESS_SESSION, POLICY_VIEW, vdc_policies, false},
	{"GET", V1 "/vdcComputePolicies", ACCESS_SESSION, POLICY_VIEW, all_policies, false},
	{"GET", V2 "/vdcComputePolicies", ACCESS_SESSION, POLICY_VIEW, all_policies, false},
	{"GET", V1 "/interfaces", ACCESS_SESSION, NULL, interfaces_list, false},
	{"GET", V1 "/interfaces/{id}", ACCESS_SESSION, NULL, interface_get, false},
	{"GET", V1 "/entityTypes", ACCESS_SESSION, NULL, types_list, false},
	{"POST", V1 "/entityTypes", ACCESS_SYSTEM,
		"Custom entity: Create custom entity definitions", type_create, false},
	{"GET", V1 "/entityTypes/{id}", ACCESS_SESSION, NULL, type_get, false},
	{0},
};
