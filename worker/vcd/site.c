/* SPDX-License-Identifier: MIT */
#include "worker/vcd/site.h"

#include "common/json.h"
#include "common/str.h"
#include "worker/vcd/client.h"
#include "worker/vcd/query.h"

static const char version_element[] = "VersionInfo";

static void read_versions(
	struct arena *arena, const struct xml_node *root, struct vcd_version **out, size_t *count)
{
	const struct xml_node *node = xml_child(root, XML_VERSIONS, version_element);
	size_t max = 0;

	for (; node; node = xml_next(node, XML_VERSIONS, version_element))
		max++;
	*out = arena_alloc(arena, (max + 1) * sizeof(**out));
	*count = 0;
	node = xml_child(root, XML_VERSIONS, version_element);
	for (; node; node = xml_next(node, XML_VERSIONS, version_element))
		(*out)[(*count)++] = (struct vcd_version){
			.name = str_or(
				xml_text(arena, xml_child(node, XML_VERSIONS, "Version")), ""),
			.deprecated = str_eq(xml_attr(arena, node, "deprecated"), "true"),
		};
}

int vcd_versions(struct vcd *vcd, struct vcd_version **out, size_t *count, struct error *err)
{
	static const char what[] = "API versions: read";
	CLEANUP(xml_free)
	struct xml_doc *doc = NULL;
	struct http_request request = {.method = "GET", .accept = "application/*+xml"};
	struct http_response response;

	if (vcd_exchange(vcd, "/api/versions", &request, what, &response, err) < 0)
		return -1;
	if (vcd->fault.status)
		return fault_set(vcd, what, err);
	doc = xml_parse(response.body, response.body_len, err);
	if (!doc)
		return error_wrap(err, "%s: the answer cannot be read", what);
	if (!xml_is(xml_root(doc), XML_VERSIONS, "SupportedVersions"))
		return error_set(err, ERR_TRANSIENT, "%s: the answer is not VCD's", what);
	read_versions(vcd->arena, xml_root(doc), out, count);
	return 0;
}

int vcd_entity_type_get(
	struct vcd *vcd, const char *urn, struct vcd_entity_type *out, struct error *err)
{
	CLEANUP(json_release)
	struct json_object *body = NULL;
	struct arena *arena = vcd->arena;
	const char *path =
		arena_printf(arena, "/cloudapi/1.0.0/entityTypes/%s", path_segment(arena, urn));
	const char *what = arena_printf(arena, "entity type %s: read", urn);

	if (vcd_json(vcd, VCD_SERVICE, "GET", path, NULL, what, NULL, &body, err) < 0)
		return -1;
	*out = (struct vcd_entity_type){
		.name = arena_strdup(arena, json_str(body, "name", "")),
		.version = arena_strdup(arena, json_str(body, "version", "")),
		.vendor = arena_strdup(arena, json_str(body, "vendor", "")),
		.nss = arena_strdup(arena, json_str(body, "nss", "")),
		.readonly = json_flag(body, "readonly", false),
	};
	return 0;
}
