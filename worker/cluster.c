/* SPDX-License-Identifier: MIT */
/* Building and changing a cluster's entity; reading it is in cluster_spec.c. */
#include "worker/cluster.h"

#include "common/json.h"
#include "common/str.h"

#include <stdio.h>
#include <string.h>

static const char claim_prefix[] = "cse-request:";
static const char claim_again[] = ":again";

const char *cluster_claim(struct arena *arena, const char *request, bool again)
{
	return arena_printf(arena, "%s%s%s", claim_prefix, request, again ? claim_again : "");
}

bool cluster_is_claimed(const char *external_id)
{
	return str_starts(external_id, claim_prefix);
}

bool cluster_is_claimed_again(const char *external_id)
{
	size_t len = strlen(external_id), end = strlen(claim_again);

	return cluster_is_claimed(external_id) && len > end &&
	       str_eq(external_id + len - end, claim_again);
}

bool cluster_is_claimed_by(const char *external_id, const char *request)
{
	const char *rest;

	if (!request || !cluster_is_claimed(external_id))
		return false;
	rest = external_id + strlen(claim_prefix);
	if (!str_starts(rest, request))
		return false;
	rest += strlen(request);
	return !*rest || str_eq(rest, claim_again);
}

static void set_node_group(struct json_object *entity, const char *name, int64_t count,
	const char *sizing, const char *storage)
{
	struct json_object *group = json_object_new_object();

	json_set_str(group, "sizing_class", sizing);
	json_set_str(group, "storage_profile", storage);
	json_set_int(group, "count", count);
	json_object_object_add(json_at(entity, "spec"), name, group);
}

static struct json_object *node_object(const struct cluster_node *node)
{
	struct json_object *object = json_object_new_object();

	json_set_str(object, "name", str_or(node->name, ""));
	json_set_str(object, "ip", str_or(node->ip, ""));
	json_set_str(object, "sizing_class", node->sizing_class);
	return object;
}

void cluster_set_nodes(struct json_object *document, const struct cluster_node *control_plane,
	const struct cluster_node *workers, size_t worker_count)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < worker_count; i++)
		json_object_array_add(list, node_object(&workers[i]));
	json_remove(document, "entity.status.nodes");
	json_set(document, "entity.status.nodes.control_plane", node_object(control_plane));
	json_set(document, "entity.status.nodes.workers", list);
	json_set(document, "entity.status.nodes.nfs", json_object_new_array());
}

static void set_spec(struct json_object *entity, const struct cluster_spec *spec,
	const struct cluster_template *template)
{
	json_set(entity, "spec", json_object_new_object());
	set_node_group(entity, "control_plane", spec->control_planes, spec->control_plane_sizing,
		spec->control_plane_storage);
	set_node_group(entity, "workers", spec->workers, spec->worker_sizing, spec->worker_storage);
	set_node_group(entity, "nfs", spec->nfs, spec->nfs_sizing, spec->nfs_storage);
	json_set_str(entity, "spec.k8_distribution.template_name", template->name);
	json_set_int(entity, "spec.k8_distribution.template_revision", template->revision);
	json_set_str(entity, "spec.settings.network", spec->network);
	json_set_str(entity, "spec.settings.ssh_key", spec->ssh_key);
	json_set_bool(entity, "spec.settings.rollback_on_failure", spec->rollback);
	json_set_bool(entity, "spec.expose", spec->expose);
}

static void set_pair(
	struct json_object *entity, const char *path, const char *name, const char *version)
{
	char text[256];

	snprintf(text, sizeof(text), "%s %s", str_or(name, ""), str_or(version, ""));
	json_set_str(entity, path, text);
}

struct json_object *cluster_entity_new(const struct cluster_spec *spec,
	const struct cluster_template *template, const char *task_href)
{
	struct json_object *entity = json_object_new_object();
	struct json_object *document = json_object_new_object();
	const struct cluster_node unknown = {.name = "", .ip = ""};

	json_set_str(entity, "metadata.cluster_name", spec->name);
	json_set_str(entity, "metadata.org_name", spec->org);
	json_set_str(entity, "metadata.ovdc_name", spec->vdc);
	set_spec(entity, spec, template);
	json_set_str(entity, "status.phase", "CREATE:IN_PROGRESS");
	set_pair(entity, "status.cni", template->cni, template->cni_version);
	json_set_str(entity, "status.task_href", task_href);
	set_pair(entity, "status.kubernetes", template->kubernetes, template->kubernetes_version);
	json_set_str(entity, "status.docker_version", str_or(template->docker_version, ""));
	json_set_str(entity, "status.os", str_or(template->os, ""));
	json_set_bool(entity, "status.exposed", false);
	json_set_str(entity, "kind", spec->kind);
	json_set_str(entity, "api_version", str_or(spec->api_version, ""));
	json_set(document, "entity", json_object_get(entity));
	cluster_set_nodes(document, &unknown, NULL, 0);
	json_object_put(document);
	return entity;
}

bool cluster_is_made_for(struct json_object *document, const char *task, const char *user)
{
	const char *href = json_str(document, "entity.status.task_href", "");

	return str_eq(str_last_segment(href), task) &&
	       str_eq(str_urn_uuid(json_str(document, "owner.id", "-")), user);
}

const char *cluster_mark(const struct vcd_metadata *entries, size_t count, const char *key)
{
	for (size_t i = 0; i < count; i++) {
		if (str_eq(entries[i].domain, "SYSTEM") && str_eq(entries[i].key, key))
			return str_or(entries[i].value, "");
	}
	return "";
}

void cluster_apply(struct json_object *document, const struct cluster_change *change)
{
	json_set_str(document, "entity.status.phase", change->phase);
	json_set_str(document, "entity.status.task_href", change->task_href);
	json_set_str(document, "externalId", change->external_id);
	if (change->exposed >= 0)
		json_set_bool(document, "entity.status.exposed", change->exposed > 0);
	if (change->expose >= 0)
		json_set_bool(document, "entity.spec.expose", change->expose > 0);
	if (change->workers >= 0)
		json_set_int(document, "entity.spec.workers.count", change->workers);
	cluster_complete(document);
}
