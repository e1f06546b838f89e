/* SPDX-License-Identifier: MIT */
/* Application port profiles: the system's own, and those that tenants make for a VDC. */
#include "common/json.h"
#include "common/str.h"
#include "tests/vcdsim/cloud.h"
#include "tests/vcdsim/edge.h"

#include <string.h>

struct in_context {
	struct json_object *profile;
	const char *context;
};

static const char *context_value(void *object, const char *key)
{
	const struct in_context *in = object;
	const char *scope = json_str(in->profile, "scope", "");

	if (!str_eq(key, "_context"))
		return filter_json_value(in->profile, key);
	if (str_eq(scope, "SYSTEM") ||
		str_eq(json_str(in->profile, "contextEntityId", ""), in->context))
		return in->context;
	return NULL;
}

void profile_list(struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	static const char *const keys[] = {"id", "name", "scope", "_context", NULL};
	struct json_object *values;
	struct filter *filter;

	if (!list_filter(req, reply, keys, &filter))
		return;
	values = json_object_new_array();
	for (size_t i = 0; i < json_object_array_length(sim->port_profiles); i++) {
		struct in_context in = {
			.profile = json_object_array_get_idx(sim->port_profiles, i),
			.context = filter_demands(filter, "_context"),
		};

		if (doc_visible(sim, req->session, in.profile) &&
			filter_match(filter, &in, context_value))
			json_object_array_add(values, doc_shown(in.profile));
	}
	list_sort(req, values);
	reply_page(req, reply, values, 25, 128);
}

static struct json_object *need_profile(
	struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	struct json_object *profile = find_doc(sim->port_profiles, req->tokens[0]);

	if (profile && doc_visible(sim, req->session, profile))
		return profile;
	reply_no_access(req, reply, "applicationPortProfile", str_urn_uuid(req->tokens[0]));
	return NULL;
}

void profile_get(struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	struct json_object *profile = need_profile(sim, req, reply);

	if (profile)
		reply_json(req, reply, 200, doc_shown(profile));
}

/* The ports of a body: at least one entry, each with a protocol and ports as texts. */
static bool ports_ok(struct json_object *ports)
{
	if (!json_object_is_type(ports, json_type_array) || json_object_array_length(ports) == 0)
		return false;
	for (size_t i = 0; i < json_object_array_length(ports); i++) {
		struct json_object *entry = json_object_array_get_idx(ports, i);
		struct json_object *list = json_at(entry, "destinationPorts");
		const char *protocol = json_str(entry, "protocol", "");

		if (!str_eq(protocol, "TCP") && !str_eq(protocol, "UDP") &&
			!str_starts(protocol, "ICMP"))
			return false;
		if (list && !json_object_is_type(list, json_type_array))
			return false;
		for (size_t j = 0; list && j < json_object_array_length(list); j++) {
			if (!json_object_is_type(
				    json_object_array_get_idx(list, j), json_type_string))
				return false;
		}
	}
	return true;
}

static bool one_port(struct json_object *ports)
{
	struct json_object *first = json_object_array_get_idx(ports, 0);
	struct json_object *list = json_at(first, "destinationPorts");

	return json_object_array_length(ports) == 1 && list && json_object_array_length(list) == 1;
}

/* The org of the VDC or of the VDC group's edge that a profile is made for. */
static struct json_object *context_org(
	struct sim *sim, const struct sim_request *req, const char *id)
{
	const struct sim_vdc *vdc = find_vdc(sim, str_urn_uuid(id));

	if (vdc && session_sees_org(req->session, vdc->org))
		return reference(vdc->org->name,
			arena_printf(req->arena, "urn:vcloud:org:%s", vdc->org->uuid));
	for (size_t i = 0; i < json_object_array_length(sim->edges); i++) {
		struct json_object *edge = json_object_array_get_idx(sim->edges, i);

		if (str_eq(json_str(edge, "ownerRef.id", ""), id) &&
			doc_visible(sim, req->session, edge))
			return json_copy(json_at(edge, "orgRef"));
	}
	return NULL;
}

static struct json_object *profile_new(const struct sim_request *req, struct json_object *org)
{
	struct json_object *body = req->json;
	struct json_object *profile = json_object_new_object();
	char uuid[SIM_ID];

	uuid_make(uuid);
	json_set_str(profile, "id",
		arena_printf(req->arena, "urn:vcloud:applicationPortProfile:%s", uuid));
	json_set_str(profile, "name", json_str(body, "name", ""));
	json_set_str(profile, "description", json_str(body, "description", ""));
	json_set_str(profile, "status", "REALIZED");
	json_set_str(profile, "scope", "TENANT");
	json_set(profile, "applicationPorts", json_copy(json_at(body, "applicationPorts")));
	json_set_bool(profile, "usableForNAT", one_port(json_at(body, "applicationPorts")));
	json_set(profile, "orgRef", org);
	json_set_str(profile, "contextEntityId", json_str(body, "contextEntityId", ""));
	return profile;
}

/* Starts the work, whose operation is only a verb yet, and answers with its task. */
static void profile_task(struct sim *sim, const struct sim_request *req, struct sim_reply *reply,
	const struct cloud_work *work)
{
	struct cloud_work all = *work;

	all.delay_ms = sim->options.task_ms;
	all.operation =
		arena_printf(req->arena, "%s Application Port Profile %s(%s)", work->operation,
			json_str(work->owner, "name", ""), json_str(work->owner, "id", ""));
	reply_task(req, reply, cloud_task(sim, req, &all));
}

static void created(struct sim *sim, struct sim_task *task)
{
	json_object_array_add(sim->port_profiles, task_note(task));
}

void profile_create(struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	static const char *const members[] = {"id", "name", "description", "scope",
		"applicationPorts", "orgRef", "contextEntityId", "networkProviderId",
		"usableForNAT", "status", NULL};
	struct json_object *org, *profile;

	if (!body_ok(req, reply, members))
		return;
	if (str_empty(json_str(req->json, "name", NULL)) ||
		!ports_ok(json_at(req->json, "applicationPorts"))) {
		reply_error(req, reply, 400, "BAD_REQUEST",
			"Invalid application port profile: name and applicationPorts must be set.");
		return;
	}
	org = context_org(sim, req, json_str(req->json, "contextEntityId", ""));
	if (!org) {
		reply_error(req, reply, 400, "BAD_REQUEST",
			"Invalid application port profile: contextEntityId is not valid.");
		return;
	}
	profile = profile_new(req, org);
	profile_task(sim, req, reply,
		&(struct cloud_work){.name = "applicationPortProfileCreate",
			.operation = "Creating",
			.owner = profile,
			.done = created,
			.note = profile});
	json_object_put(profile);
}

static void deleted(struct sim *sim, struct sim_task *task)
{
	CLEANUP(json_release)
	struct json_object *note = task_note(task);
	const char *id = json_str(note, "id", "");

	for (size_t i = 0; i < json_object_array_length(sim->nat_rules); i++) {
		if (str_eq(json_str(json_object_array_get_idx(sim->nat_rules, i),
				   "applicationPortProfile.id", ""),
			    id)) {
			task_fail(task, "BAD_REQUEST",
				"Application port profile %s is in use by a NAT rule.", id);
			return;
		}
	}
	for (size_t i = 0; i < json_object_array_length(sim->port_profiles); i++) {
		if (str_eq(json_str(json_object_array_get_idx(sim->port_profiles, i), "id", ""),
			    id)) {
			json_object_array_del_idx(sim->port_profiles, i, 1);
			return;
		}
	}
}

void profile_delete(struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	struct json_object *profile = need_profile(sim, req, reply), *note;

	if (!profile)
		return;
	if (!str_eq(json_str(profile, "scope", ""), "TENANT")) {
		reply_error(req, reply, 403, "ACCESS_TO_RESOURCE_IS_FORBIDDEN",
			"This operation is denied.");
		return;
	}
	note = reference(json_str(profile, "name", ""), req->tokens[0]);
	profile_task(sim, req, reply,
		&(struct cloud_work){.name = "applicationPortProfileDelete",
			.operation = "Deleting",
			.owner = profile,
			.done = deleted,
			.note = note});
	json_object_put(note);
}
