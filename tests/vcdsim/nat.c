/* SPDX-License-Identifier: MIT */
/*
 * NAT rules of an edge. Every change is a task that locks the whole edge; a new rule's id is told
 * nobody. Addresses that are not the edge's fail late, in the task, as NSX-T refuses them.
 */
#include "common/base64.h"
#include "common/json.h"
#include "common/str.h"
#include "tests/vcdsim/calls.h"
#include "tests/vcdsim/cloud.h"
#include "tests/vcdsim/edge.h"
#include "tests/vcdsim/guests.h"

#include <string.h>

/* Members of API 35.x; `type` came with 36.0 and is passed over, `internalPort` left with 35.0. */
static const char *const rule_members[] = {"id", "name", "description", "enabled", "ruleType",
	"type", "externalAddresses", "internalAddresses", "applicationPortProfile",
	"dnatExternalPort", "snatDestinationAddresses", "firewallMatch", "priority", "logging",
	"systemRule", "version", NULL};

static bool of_edge(struct json_object *rule, struct json_object *edge)
{
	return str_eq(json_str(rule, "_edge", ""), json_str(edge, "id", NULL));
}

/* The rule that the path names, NULL after a 404. */
static struct json_object *need_rule(struct sim *sim, const struct sim_request *req,
	struct sim_reply *reply, struct json_object *edge)
{
	struct json_object *rule = find_doc(sim->nat_rules, req->tokens[1]);

	if (rule && of_edge(rule, edge))
		return rule;
	reply_error(req, reply, 404, "RESOURCE_NOT_FOUND", "NAT rule %s does not exist.",
		req->tokens[1]);
	return NULL;
}

static struct json_object *rule_shown(const struct sim_request *req, struct json_object *rule)
{
	struct json_object *doc = doc_shown(rule);

	if (!session_is_system(req->session))
		json_set_bool(doc, "logging", false);
	if (req->api_version < 352) {
		json_remove(doc, "firewallMatch");
		json_remove(doc, "priority");
	}
	return doc;
}

/* Where the page begins: behind the cursor's rule, or at the start. False after a 400. */
static bool cursor_start(
	struct sim *sim, const struct sim_request *req, struct sim_reply *reply, size_t *start)
{
	const char *cursor = sim_query(req, "cursor"), *id;
	size_t len;

	*start = 0;
	if (!cursor)
		return true;
	id = base64_decode(req->arena, cursor, &len);
	for (size_t i = 0; id && len > 2 && i < json_object_array_length(sim->nat_rules); i++) {
		if (str_eq(json_str(json_object_array_get_idx(sim->nat_rules, i), "id", ""),
			    id + 2)) {
			*start = i;
			return true;
		}
	}
	reply_error(req, reply, 400, "BAD_REQUEST", "Invalid cursor.");
	return false;
}

static const char *cursor_link(
	const struct sim_request *req, int64_t size, struct json_object *next)
{
	struct arena *arena = req->arena;
	const char *id = arena_printf(arena, "r:%s", json_str(next, "id", ""));
	const char *cursor = str_percent_encode(arena, base64_encode(arena, id, strlen(id)));

	return arena_printf(arena,
		"<%s%s?pageSize=%lld&cursor=%s>;rel=\"nextPage\";type=\"application/json\";"
		"model=\"EdgeNatRules\"",
		sim_base_url(req->sim), req->path, (long long)size, cursor);
}

void nat_list(struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	struct json_object *edge = need_edge(sim, req, reply), *values, *body;
	const char *text = sim_query(req, "pageSize");
	int64_t size = 25, shown = 0;
	size_t start;

	if (!edge || !cursor_start(sim, req, reply, &start))
		return;
	if (text && !str_to_int(text, 1, 128, &size)) {
		reply_error(req, reply, 400, "BAD_REQUEST", "pageSize must be 1 to 128.");
		return;
	}
	values = json_object_new_array();
	for (size_t i = start; i < json_object_array_length(sim->nat_rules); i++) {
		struct json_object *rule = json_object_array_get_idx(sim->nat_rules, i);

		if (!of_edge(rule, edge))
			continue;
		if (shown++ == size) {
			reply->link = cursor_link(req, size, rule);
			break;
		}
		json_object_array_add(values, rule_shown(req, rule));
	}
	body = json_object_new_object();
	json_set_str(body, "status", "REALIZED");
	json_set(body, "values", values);
	reply_json(req, reply, 200, body);
}

void nat_get(struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	struct json_object *edge = need_edge(sim, req, reply);
	struct json_object *rule = edge ? need_rule(sim, req, reply, edge) : NULL;

	if (rule)
		reply_json(req, reply, 200, rule_shown(req, rule));
}

static bool port_ok(const char *text)
{
	size_t len;
	const char *rest = text, *field;
	int fields = 0;

	while ((field = str_next(&rest, '-', &len)) != NULL) {
		char number[8] = "";
		int64_t port;

		if (++fields > 2 || len == 0 || len >= sizeof(number))
			return false;
		memcpy(number, field, len);
		if (!str_to_int(number, 1, 65535, &port))
			return false;
	}
	return true;
}

static bool is_absent_or(struct json_object *body, const char *key, enum json_type type)
{
	struct json_object *member = json_at(body, key);

	return !member || json_object_is_type(member, type);
}

/* A profile that a rule of this edge may use: known there, and with one port. Else what is wrong.
 */
static const char *profile_problem(
	struct sim *sim, struct json_object *edge, struct json_object *body)
{
	const char *id = json_str(body, "applicationPortProfile.id", NULL), *context;
	struct json_object *profile;

	if (!json_at(body, "applicationPortProfile"))
		return NULL;
	profile = id ? find_doc(sim->port_profiles, id) : NULL;
	context = json_str(profile, "contextEntityId", NULL);
	if (!profile || (str_eq(json_str(profile, "scope", ""), "TENANT") &&
				!str_eq(context, json_str(edge, "ownerRef.id", ""))))
		return "the application port profile does not exist for this edge gateway";
	if (!json_flag(profile, "usableForNAT", false))
		return "the application port profile has more than one port or protocol";
	return NULL;
}

/* What is wrong with the body of a create or change, NULL when nothing is. */
static const char *rule_problem(struct sim *sim, struct json_object *edge, struct json_object *body)
{
	static const char *const types[] = {"DNAT", "SNAT", "NO_DNAT", "NO_SNAT"};
	const char *type = json_str(body, "ruleType", NULL);
	struct json_object *port = json_at(body, "dnatExternalPort");
	bool known = false;

	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		known = known || str_eq(type, types[i]);
	if (!known)
		return "ruleType must be DNAT, SNAT, NO_DNAT or NO_SNAT";
	if (str_empty(json_str(body, "name", NULL)))
		return "name must be set";
	if (!address_or_network(json_str(body, "externalAddresses", NULL)))
		return "externalAddresses must be one address or network";
	if (!address_or_network(json_str(body, "internalAddresses", NULL)))
		return "internalAddresses must be one address or network";
	if (port && !str_eq(type, "DNAT"))
		return "dnatExternalPort is for DNAT rules";
	if (port && (!json_object_is_type(port, json_type_string) ||
			    !port_ok(json_object_get_string(port))))
		return "dnatExternalPort must be the text of a port or a range";
	if (!is_absent_or(body, "enabled", json_type_boolean) ||
		!is_absent_or(body, "logging", json_type_boolean) ||
		!is_absent_or(body, "description", json_type_string))
		return "a member has the wrong type";
	return profile_problem(sim, edge, body);
}

/* True when the request may change the edge now; else it was answered. */
static bool may_change(struct sim *sim, const struct sim_request *req, struct sim_reply *reply,
	struct json_object *edge, bool with_body)
{
	const char *busy = lock_busy_text(sim, req->arena, "gateway", json_str(edge, "id", ""));
	const char *problem;

	if (with_body && !body_ok(req, reply, rule_members))
		return false;
	problem = with_body ? rule_problem(sim, edge, req->json) : NULL;
	if (problem) {
		reply_error(req, reply, 400, "BAD_REQUEST", "Invalid NAT rule: %s.", problem);
		return false;
	}
	if (busy)
		reply_error(req, reply, 400, "BUSY_ENTITY", "%s", busy);
	return !busy;
}

static void copy_member(struct json_object *to, struct json_object *from, const char *key)
{
	struct json_object *member = json_at(from, key);

	json_object_object_add(to, key, member ? json_copy(member) : NULL);
}

/* The document of a rule as it will be once its task has ended. */
static struct json_object *rule_new(const struct sim_request *req, struct json_object *edge)
{
	static const char *const copied[] = {"name", "ruleType", "externalAddresses",
		"internalAddresses", "applicationPortProfile", "dnatExternalPort",
		"snatDestinationAddresses"};
	struct json_object *rule = json_object_new_object();
	struct json_object *body = req->json;

	for (size_t i = 0; i < ARRAY_LEN(copied); i++)
		copy_member(rule, body, copied[i]);
	json_set_str(rule, "description", json_str(body, "description", ""));
	json_set_bool(rule, "enabled", json_flag(body, "enabled", true));
	json_set_bool(rule, "logging", json_flag(body, "logging", false));
	json_set_bool(rule, "systemRule", false);
	json_set_str(
		rule, "firewallMatch", json_str(body, "firewallMatch", "MATCH_INTERNAL_ADDRESS"));
	json_set_int(rule, "priority", json_int(body, "priority", 0));
	json_set_str(rule, "_edge", json_str(edge, "id", ""));
	return rule;
}

/* Starts the work on the edge, whose operation is only a verb yet, and answers with its task. */
static void rule_task(struct sim *sim, const struct sim_request *req, struct sim_reply *reply,
	const struct cloud_work *work)
{
	struct cloud_work all = *work;
	const char *id = json_str(work->note, "id", json_str(work->owner, "id", ""));

	all.lock = json_str(work->owner, "id", "");
	all.delay_ms = sim->options.task_ms;
	all.operation = arena_printf(req->arena, "%s NAT Rule %s(%s)", work->operation,
		json_str(work->note, "name", ""), id);
	path_add(sim, "nat", all.delay_ms);
	reply_task(req, reply, cloud_task(sim, req, &all));
	json_object_put(work->note);
}

/* False after the task was made to fail: the edge does not have the rule's external address. */
static bool address_allowed(struct sim *sim, struct sim_task *task, struct json_object *rule)
{
	struct json_object *edge = find_doc(sim->edges, json_str(rule, "_edge", ""));
	const char *address = json_str(rule, "externalAddresses", "");

	if (str_ends(json_str(rule, "ruleType", ""), "SNAT") || edge_has_address(edge, address))
		return true;
	task_fail(task, "INTERNAL_SERVER_ERROR",
		"Error: The external address %s is not allocated to edge gateway %s.", address,
		json_str(edge, "name", ""));
	return false;
}

static void created(struct sim *sim, struct sim_task *task)
{
	struct json_object *rule = task_note(task);
	char uuid[SIM_ID];

	if (!address_allowed(sim, task, rule)) {
		json_object_put(rule);
		return;
	}
	uuid_make(uuid);
	json_set_str(rule, "id", uuid);
	json_set_int(rule, "version.version", 1);
	json_object_array_add(sim->nat_rules, rule);
	relay_sync(sim);
}

void nat_create(struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	struct json_object *edge = need_edge(sim, req, reply);

	if (!edge || !may_change(sim, req, reply, edge, true))
		return;
	rule_task(sim, req, reply,
		&(struct cloud_work){.name = "edgeGatewayNatRuleCreate",
			.operation = "Creating",
			.owner = edge,
			.done = created,
			.note = rule_new(req, edge)});
}

static void changed(struct sim *sim, struct sim_task *task)
{
	CLEANUP(json_release)
	struct json_object *rule = task_note(task);
	struct json_object *old = find_doc(sim->nat_rules, json_str(rule, "id", ""));

	if (!old || !address_allowed(sim, task, rule))
		return;
	json_set_int(rule, "version.version", json_int(old, "version.version", 0) + 1);
	json_object_object_foreach(rule, key, member)
	{
		json_object_object_add(old, key, member ? json_copy(member) : NULL);
	}
	relay_sync(sim);
}

void nat_change(struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	struct json_object *edge = need_edge(sim, req, reply);
	struct json_object *rule = edge ? need_rule(sim, req, reply, edge) : NULL, *wanted;

	if (!rule || !may_change(sim, req, reply, edge, true))
		return;
	if (!str_eq(json_str(req->json, "id", ""), req->tokens[1]) ||
		json_int(req->json, "version.version", -1) !=
			json_int(rule, "version.version", 0)) {
		reply_error(req, reply, 400, "BAD_REQUEST",
			"id and version must be those of the rule as it is now.");
		return;
	}
	wanted = rule_new(req, edge);
	json_set_str(wanted, "id", req->tokens[1]);
	rule_task(sim, req, reply,
		&(struct cloud_work){.name = "edgeGatewayNatRuleUpdate",
			.operation = "Updating",
			.owner = edge,
			.done = changed,
			.note = wanted});
}

static void deleted(struct sim *sim, struct sim_task *task)
{
	CLEANUP(json_release)
	struct json_object *note = task_note(task);

	for (size_t i = 0; i < json_object_array_length(sim->nat_rules); i++) {
		struct json_object *rule = json_object_array_get_idx(sim->nat_rules, i);

		if (str_eq(json_str(rule, "id", ""), json_str(note, "id", NULL))) {
			json_object_array_del_idx(sim->nat_rules, i, 1);
			break;
		}
	}
	relay_sync(sim);
}

void nat_delete(struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	struct json_object *edge = need_edge(sim, req, reply);
	struct json_object *rule = edge ? need_rule(sim, req, reply, edge) : NULL;

	if (!rule || !may_change(sim, req, reply, edge, false))
		return;
	rule_task(sim, req, reply,
		&(struct cloud_work){.name = "edgeGatewayNatRuleDelete",
			.operation = "Deleting",
			.owner = edge,
			.done = deleted,
			.note = reference(json_str(rule, "name", ""), req->tokens[1])});
}
