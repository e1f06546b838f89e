/* SPDX-License-Identifier: MIT */
/* NAT rules of an edge gateway, and the application port profile they need. */
#include "worker/vcd/network.h"

#include "common/json.h"
#include "common/str.h"
#include "worker/vcd/client.h"
#include "worker/vcd/network_json.h"
#include "worker/vcd/query.h"
#include "worker/vcd/task.h"

#include <stdio.h>
#include <string.h>

enum {
	RULE_PAGE = 128,
	RULE_PAGES_MAX = 100,
	PROFILE_PAGE = 128,
	PROFILE_PAUSE_MS = 1000,
	PROFILE_WAIT_MS = 20000
};

#define PROFILES "/cloudapi/1.0.0/applicationPortProfiles"

void nat_rule_read(struct arena *arena, struct json_object *document, struct vcd_nat_rule *out)
{
	const char *type = json_str(document, "type", json_str(document, "ruleType", ""));

	*out = (struct vcd_nat_rule){
		.id = arena_strdup(arena, json_str(document, "id", "")),
		.name = arena_strdup(arena, json_str(document, "name", "")),
		.type = arena_strdup(arena, type),
		.external = arena_strdup(arena, json_str(document, "externalAddresses", "")),
		.internal = arena_strdup(arena, json_str(document, "internalAddresses", "")),
		.external_port = arena_strdup(arena, json_str(document, "dnatExternalPort", "")),
		.profile_id =
			arena_strdup(arena, json_str(document, "applicationPortProfile.id", "")),
		.enabled = json_flag(document, "enabled", true),
	};
}

struct json_object *nat_rule_body(const struct vcd_nat_rule *rule, bool api_36)
{
	struct json_object *body = json_object_new_object();

	json_set_str(body, "name", rule->name);
	json_set_str(body, "description", "");
	json_set_bool(body, "enabled", rule->enabled);
	json_set_str(body, api_36 ? "type" : "ruleType", rule->type);
	json_set_str(body, "externalAddresses", rule->external);
	json_set_str(body, "internalAddresses", rule->internal);
	json_set_str(body, "dnatExternalPort", rule->external_port);
	json_set_str(body, "applicationPortProfile.id", rule->profile_id);
	json_set_bool(body, "logging", false);
	return body;
}

static const char *rules_path(struct vcd *vcd, const char *edge_urn, const char *rest)
{
	return arena_printf(vcd->arena, "/cloudapi/1.0.0/edgeGateways/%s/nat/rules%s",
		path_segment(vcd->arena, edge_urn), rest);
}

static const char *about_edge(struct vcd *vcd, const char *edge_urn, const char *verb)
{
	return arena_printf(vcd->arena, "edge gateway %s: %s", str_urn_uuid(edge_urn), verb);
}

/* Adds a page of rules to the list, which grows page by page. */
static void append_rules(
	struct arena *arena, struct json_object *page, struct vcd_nat_rule **rules, size_t *count)
{
	struct json_object *values = json_at(page, "values");
	size_t more =
		json_object_is_type(values, json_type_array) ? json_object_array_length(values) : 0;
	struct vcd_nat_rule *longer = arena_alloc(arena, (*count + more + 1) * sizeof(*longer));

	if (*count)
		memcpy(longer, *rules, *count * sizeof(*longer));
	for (size_t i = 0; i < more; i++)
		nat_rule_read(arena, json_object_array_get_idx(values, i), &longer[(*count)++]);
	*rules = longer;
}

int vcd_nat_list(struct vcd *vcd, struct vcd_as as, const char *edge_urn, struct vcd_nat_rule **out,
	size_t *count, struct error *err)
{
	const char *what = about_edge(vcd, edge_urn, "list NAT rules");
	const char *path =
		rules_path(vcd, edge_urn, arena_printf(vcd->arena, "?pageSize=%d", RULE_PAGE));

	*out = NULL;
	*count = 0;
	for (int pages = 0; path && pages < RULE_PAGES_MAX; pages++) {
		CLEANUP(json_release)
		struct json_object *page = NULL;
		struct vcd_answer answer;

		if (vcd_json(vcd, as, "GET", path, NULL, what, &answer, &page, err) < 0)
			return -1;
		append_rules(vcd->arena, page, out, count);
		path = link_next(vcd->arena, answer.link);
	}
	if (path)
		return error_set(
			err, ERR_INVALID, "%s: there are more than %d pages", what, RULE_PAGES_MAX);
	return 0;
}

int vcd_nat_create(struct vcd *vcd, struct vcd_as as, const char *edge_urn,
	const struct vcd_nat_rule *rule, const char **task, struct error *err)
{
	CLEANUP(json_release)
	struct json_object *body = nat_rule_body(rule, vcd_api_at_least(vcd, 36));
	const char *what = about_edge(vcd, edge_urn, "create NAT rule");
	struct vcd_answer answer;

	if (vcd_json(vcd, as, "POST", rules_path(vcd, edge_urn, ""), body, what, &answer, NULL,
		    err) < 0)
		return -1;
	*task = answer.location;
	return 0;
}

int vcd_nat_delete(struct vcd *vcd, struct vcd_as as, const char *edge_urn, const char *rule_id,
	const char **task, struct error *err)
{
	const char *rest = arena_printf(vcd->arena, "/%s", path_segment(vcd->arena, rule_id));
	const char *what = about_edge(vcd, edge_urn, "delete NAT rule");
	struct vcd_answer answer;

	if (vcd_json(vcd, as, "DELETE", rules_path(vcd, edge_urn, rest), NULL, what, &answer, NULL,
		    err) < 0)
		return -1;
	*task = answer.location;
	return 0;
}

/* Is this the profile for one TCP port and nothing else? */
static bool is_single_port(struct json_object *profile, const char *port)
{
	struct json_object *ports = json_at(profile, "applicationPorts");
	struct json_object *entry;
	struct json_object *destinations;

	if (!json_object_is_type(ports, json_type_array) || json_object_array_length(ports) != 1)
		return false;
	entry = json_object_array_get_idx(ports, 0);
	destinations = json_at(entry, "destinationPorts");
	return str_eq_ci(json_str(entry, "protocol", NULL), "TCP") &&
	       json_object_is_type(destinations, json_type_array) &&
	       json_object_array_length(destinations) == 1 &&
	       str_eq(json_object_get_string(json_object_array_get_idx(destinations, 0)), port);
}

const char *port_profile_pick(
	struct arena *arena, struct json_object *values, const char *name, int port)
{
	const char *best = NULL;
	char text[16];

	snprintf(text, sizeof(text), "%d", port);
	for (size_t i = 0; i < json_object_array_length(values); i++) {
		struct json_object *profile = json_object_array_get_idx(values, i);
		const char *id = json_str(profile, "id", NULL);

		if (!id || !str_eq(json_str(profile, "name", NULL), name) ||
			!is_single_port(profile, text) || !json_flag(profile, "usableForNAT", true))
			continue;
		if (!best || strcmp(id, best) < 0)
			best = id;
	}
	return arena_strdup(arena, best);
}

/* *id is NULL when no profile fits. */
static int find_profile(struct vcd *vcd, const char *owner_urn, const char *name, int port,
	const char **id, struct error *err)
{
	CLEANUP(json_release)
	struct json_object *values = NULL;
	const char *filter = filter_and(vcd->arena, filter_term(vcd->arena, "name", name),
		filter_term(vcd->arena, "_context", owner_urn));
	const char *what = arena_printf(vcd->arena, "port profile %s: find", name);

	if (list_pages(vcd, VCD_SERVICE, PROFILES, query_filter(vcd->arena, filter), PROFILE_PAGE,
		    what, &values, err) < 0)
		return -1;
	*id = port_profile_pick(vcd->arena, values, name, port);
	return 0;
}

static struct json_object *profile_body(
	const char *owner_urn, const char *org_urn, const char *name, int port)
{
	struct json_object *body = json_object_new_object();
	struct json_object *entry = json_object_new_object();
	struct json_object *destinations = json_object_new_array();
	struct json_object *ports = json_object_new_array();
	char text[16];

	snprintf(text, sizeof(text), "%d", port);
	json_object_array_add(destinations, json_object_new_string(text));
	json_set_str(entry, "protocol", "TCP");
	json_set(entry, "destinationPorts", destinations);
	json_object_array_add(ports, entry);
	json_set_str(body, "name", name);
	json_set_str(body, "description", "");
	json_set(body, "applicationPorts", ports);
	json_set_str(body, "orgRef.id", org_urn);
	json_set_str(body, "contextEntityId", owner_urn);
	return body;
}

static int make_profile(struct vcd *vcd, const char *owner_urn, const char *org_urn,
	const char *name, int port, struct error *err)
{
	CLEANUP(json_release)
	struct json_object *body = profile_body(owner_urn, org_urn, name, port);
	const char *what = arena_printf(vcd->arena, "port profile %s: create", name);
	struct vcd_answer answer;

	if (vcd_json(vcd, VCD_SERVICE, "POST", PROFILES, body, what, &answer, NULL, err) < 0)
		return -1;
	/* Asked at once, the task would only say that it runs. */
	if (!vcd_sleep(vcd, PROFILE_PAUSE_MS))
		return error_set(err, ERR_TRANSIENT, "%s: VCD's task is still running", what);
	return vcd_task_wait(vcd, answer.location, PROFILE_WAIT_MS, what, err);
}

int vcd_port_profile(struct vcd *vcd, const char *owner_urn, const char *org_urn, const char *name,
	int port, const char **id, struct error *err)
{
	if (find_profile(vcd, owner_urn, name, port, id, err) < 0)
		return -1;
	if (*id)
		return 0;
	if (make_profile(vcd, owner_urn, org_urn, name, port, err) < 0)
		return -1;
	/* Another worker may have made one at the same time: both take the lowest id. */
	if (find_profile(vcd, owner_urn, name, port, id, err) < 0)
		return -1;
	if (!*id)
		return error_set(err, ERR_TRANSIENT,
			"port profile %s: made, but VCD does not list it yet", name);
	return 1;
}
