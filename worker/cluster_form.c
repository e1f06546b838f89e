/* SPDX-License-Identifier: MIT */
/*
 * What an entity must have and may have, whoever wrote it last: its owner can put anything that VCD
 * lets pass. One odd entity breaks the list of clusters for everybody, and one that VCD cannot
 * resolve cannot even be deleted.
 */
#include "worker/cluster.h"

#include "common/json.h"
#include "common/str.h"

#include <string.h>

#define ENTITY "entity."

/* Members without which VCD or a client refuses the entity, and what stands for a lost one. */
static const struct {
	const char *path;
	enum json_type type;
	const char *text;
	int64_t number;
} needed[] = {
	{ENTITY "kind", json_type_string, "TKGm", 0},
	{ENTITY "metadata.cluster_name", json_type_string, "", 0},
	{ENTITY "metadata.org_name", json_type_string, "", 0},
	{ENTITY "metadata.ovdc_name", json_type_string, "", 0},
	{ENTITY "spec.settings.network", json_type_string, "", 0},
	{ENTITY "spec.k8_distribution.template_name", json_type_string, "", 0},
	{ENTITY "spec.k8_distribution.template_revision", json_type_int, NULL, 0},
	{ENTITY "spec.control_plane.count", json_type_int, NULL, 1},
	{ENTITY "spec.workers.count", json_type_int, NULL, 0},
	{ENTITY "status.phase", json_type_string, "UNKNOWN:UNKNOWN", 0},
	{ENTITY "status.nodes.control_plane.name", json_type_string, "", 0},
	{ENTITY "status.nodes.control_plane.ip", json_type_string, "", 0},
	{ENTITY "status.nodes.workers", json_type_array, NULL, 0},
	{ENTITY "status.nodes.nfs", json_type_array, NULL, 0},
};

/* Members that may be there; keys between blanks. */
static const struct {
	const char *path, *keys;
} known[] = {
	{"entity", " metadata spec status kind api_version "},
	{ENTITY "metadata", " cluster_name org_name ovdc_name "},
	{ENTITY "spec", " settings k8_distribution control_plane workers nfs expose "},
	{ENTITY "spec.settings", " network ssh_key rollback_on_failure "},
	{ENTITY "spec.k8_distribution", " template_name template_revision "},
	{ENTITY "spec.control_plane", " sizing_class storage_profile count "},
	{ENTITY "spec.workers", " sizing_class storage_profile count "},
	{ENTITY "spec.nfs", " sizing_class storage_profile count "},
	{ENTITY "status", " phase cni task_href kubernetes docker_version os nodes exposed "},
	{ENTITY "status.nodes", " control_plane workers nfs "},
	{ENTITY "status.nodes.control_plane", " name ip sizing_class "},
};

static bool is_word_of(const char *keys, const char *key)
{
	size_t len = strlen(key);
	const char *at = keys;

	while ((at = strstr(at, key)) != NULL) {
		if (at[-1] == ' ' && at[len] == ' ')
			return true;
		at++;
	}
	return false;
}

static void keep_known(struct json_object *object, const char *keys)
{
	if (!json_object_is_type(object, json_type_object))
		return;
	json_object_object_foreach(object, key, member)
	{
		(void)member;
		if (*key == '\0' || strchr(key, ' ') || !is_word_of(keys, key))
			json_object_object_del(object, key);
	}
}

/* Nodes of a list, each whole; what is no node is left out. */
static void complete_list(struct json_object *document, const char *path, const char *keys)
{
	static const char *const texts[] = {"name", "ip"};
	struct json_object *list = json_at(document, path), *whole = json_object_new_array();

	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *node = json_object_array_get_idx(list, i);

		if (!json_object_is_type(node, json_type_object))
			continue;
		keep_known(node, keys);
		for (size_t j = 0; j < ARRAY_LEN(texts); j++)
			json_set_str(node, texts[j], json_str(node, texts[j], ""));
		json_object_array_add(whole, json_object_get(node));
	}
	json_set(document, path, whole);
}

static struct json_object *stand_in(size_t i)
{
	if (needed[i].type == json_type_array)
		return json_object_new_array();
	return needed[i].text ? json_object_new_string(needed[i].text)
			      : json_object_new_int64(needed[i].number);
}

void cluster_complete(struct json_object *document)
{
	json_drop_nulls(json_at(document, "entity"));
	for (size_t i = 0; i < ARRAY_LEN(needed); i++) {
		if (!json_object_is_type(json_at(document, needed[i].path), needed[i].type))
			json_set(document, needed[i].path, stand_in(i));
	}
	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		keep_known(json_at(document, known[i].path), known[i].keys);
	complete_list(document, ENTITY "status.nodes.workers", " name ip sizing_class ");
	complete_list(document, ENTITY "status.nodes.nfs", " name ip sizing_class exports ");
	if (json_str(document, ENTITY "metadata.cluster_name", "")[0] == '\0')
		json_set_str(
			document, ENTITY "metadata.cluster_name", json_str(document, "name", ""));
	if (json_str(document, ENTITY "metadata.org_name", "")[0] == '\0')
		json_set_str(
			document, ENTITY "metadata.org_name", json_str(document, "org.name", ""));
}
