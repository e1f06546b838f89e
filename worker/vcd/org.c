/* SPDX-License-Identifier: MIT */
#include "worker/vcd/org.h"

#include "common/json.h"
#include "common/str.h"
#include "worker/vcd/query.h"
#include "worker/vcd/ref.h"

#include <string.h>

enum { PAGE_SIZE = 128 };

static const char *copy_member(struct arena *arena, struct json_object *object, const char *path)
{
	return arena_strdup(arena, json_str(object, path, ""));
}

static void read_roles(struct arena *arena, struct json_object *body, struct vcd_session *out)
{
	struct json_object *refs = json_at(body, "roleRefs");
	size_t count =
		json_object_is_type(refs, json_type_array) ? json_object_array_length(refs) : 0;

	out->role_urns = arena_alloc(arena, (count + 1) * sizeof(*out->role_urns));
	out->role_names = arena_alloc(arena, (count + 1) * sizeof(*out->role_names));
	for (size_t i = 0; i < count; i++) {
		struct json_object *ref = json_object_array_get_idx(refs, i);
		const char *urn = copy_member(arena, ref, "id");

		if (!*urn)
			continue;
		out->role_names[out->role_count] = copy_member(arena, ref, "name");
		out->role_urns[out->role_count++] = urn;
	}
}

int vcd_session_current(
	struct vcd *vcd, struct vcd_as as, struct vcd_session *out, struct error *err)
{
	static const char what[] = "caller's session: read";
	CLEANUP(json_release)
	struct json_object *body = NULL;
	struct arena *arena = vcd_arena(vcd);

	*out = (struct vcd_session){0};
	if (vcd_json(vcd, as, "GET", "/cloudapi/1.0.0/sessions/current", NULL, what, NULL, &body,
		    err) < 0)
		return -1;
	out->user_urn = copy_member(arena, body, "user.id");
	out->user_name = copy_member(arena, body, "user.name");
	out->org_urn = copy_member(arena, body, "org.id");
	out->org_name = copy_member(arena, body, "org.name");
	read_roles(arena, body, out);
	if (!*out->user_urn || !*out->user_name || !*out->org_urn || !*out->org_name)
		return error_set(err, ERR_TRANSIENT, "%s: the answer names no user or org", what);
	return 0;
}

int vcd_role_rights(struct vcd *vcd, const char *role_urn, const char ***names, size_t *count,
	struct error *err)
{
	CLEANUP(json_release)
	struct json_object *values = NULL;
	struct arena *arena = vcd_arena(vcd);
	const char *path = arena_printf(
		arena, "/cloudapi/1.0.0/roles/%s/rights", path_segment(arena, role_urn));
	const char *what = arena_printf(arena, "role %s: read its rights", role_urn);

	if (list_pages(vcd, VCD_SERVICE, path, NULL, PAGE_SIZE, what, &values, err) < 0)
		return -1;
	*count = json_object_array_length(values);
	*names = arena_alloc(arena, (*count + 1) * sizeof(**names));
	for (size_t i = 0; i < *count; i++)
		(*names)[i] = copy_member(arena, json_object_array_get_idx(values, i), "name");
	return 0;
}

int vcd_org_find(
	struct vcd *vcd, struct vcd_as as, const char *name, const char **uuid, struct error *err)
{
	CLEANUP(xml_free)
	struct xml_doc *records = NULL;
	struct arena *arena = vcd_arena(vcd);
	const char *what = arena_printf(arena, "org %s: find", name);
	struct xml_node *record;

	if (query_records(vcd, as, "organization", filter_term(arena, "name", name), what, &records,
		    err) < 0)
		return -1;
	record = record_named(arena, records, name);
	if (!record)
		return error_set(err, ERR_GONE, "org %s does not exist or is not visible", name);
	*uuid = href_uuid(arena, xml_attr(arena, record, "href"), "");
	return 0;
}

void ref_read(struct arena *arena, const struct xml_node *node, struct vcd_ref *out)
{
	out->name = str_or(xml_attr(arena, node, "name"), "");
	out->href = str_or(xml_attr(arena, node, "href"), "");
	out->id = str_or(xml_attr(arena, node, "id"), "");
}

struct vcd_ref *refs_read(
	struct arena *arena, const struct xml_node *parent, const char *element, size_t *count)
{
	struct xml_node *node = xml_child(parent, XML_VCLOUD, element);
	struct vcd_ref *refs;
	size_t at = 0;

	for (*count = 0; node; node = xml_next(node, XML_VCLOUD, element))
		++*count;
	refs = arena_alloc(arena, (*count + 1) * sizeof(*refs));
	for (node = xml_child(parent, XML_VCLOUD, element); node;
		node = xml_next(node, XML_VCLOUD, element))
		ref_read(arena, node, &refs[at++]);
	return refs;
}

void vdc_read(struct arena *arena, const struct xml_node *root, struct vcd_vdc *out)
{
	*out = (struct vcd_vdc){
		.name = str_or(xml_attr(arena, root, "name"), ""),
		.uuid = href_uuid(arena, xml_attr(arena, root, "href"), ""),
		.enabled = !str_eq(xml_text(arena, xml_path(root, "IsEnabled")), "false"),
	};
	out->urn = arena_printf(arena, "urn:vcloud:vdc:%s", out->uuid);
	out->networks = refs_read(
		arena, xml_path(root, "AvailableNetworks"), "Network", &out->network_count);
	out->storage_profiles = refs_read(arena, xml_path(root, "VdcStorageProfiles"),
		"VdcStorageProfile", &out->storage_profile_count);
}

/* GET /api/vdc/{uuid} */
static int get_vdc(struct vcd *vcd, struct vcd_as as, const char *uuid, const char *what,
	struct vcd_vdc *out, struct error *err)
{
	CLEANUP(xml_free)
	struct xml_doc *doc = NULL;
	struct arena *arena = vcd_arena(vcd);
	const char *path = arena_printf(arena, "/api/vdc/%s", path_segment(arena, uuid));

	if (vcd_get_xml(vcd, as, path, what, &doc, err) < 0)
		return -1;
	vdc_read(arena, xml_root(doc), out);
	return 0;
}

int vcd_vdc_find(struct vcd *vcd, struct vcd_as as, const char *name, const char *org_uuid,
	bool as_admin, struct vcd_vdc *out, struct error *err)
{
	CLEANUP(xml_free)
	struct xml_doc *records = NULL;
	struct arena *arena = vcd_arena(vcd);
	const char *what = arena_printf(arena, "VDC %s: find", name);
	const char *org = as_admin && org_uuid ? filter_term(arena, "org",
							 vcd_href(vcd, "/api/org/%s", org_uuid))
					       : NULL;
	const char *filter = filter_and(arena, filter_term(arena, "name", name), org);
	struct xml_node *record;

	if (query_records(
		    vcd, as, as_admin ? "adminOrgVdc" : "orgVdc", filter, what, &records, err) < 0)
		return -1;
	record = record_named(arena, records, name);
	if (!record)
		return error_set(err, ERR_GONE, "VDC %s does not exist or is not visible", name);
	return get_vdc(vcd, as, href_uuid(arena, xml_attr(arena, record, "href"), ""),
		arena_printf(arena, "VDC %s: read", name), out, err);
}

int vcd_vdc_sizing_policies(struct vcd *vcd, struct vcd_as as, const char *vdc_urn,
	struct vcd_ref **out, size_t *count, struct error *err)
{
	CLEANUP(json_release)
	struct json_object *values = NULL;
	struct arena *arena = vcd_arena(vcd);
	const char *path = arena_printf(
		arena, "/cloudapi/2.0.0/vdcs/%s/computePolicies", path_segment(arena, vdc_urn));
	const char *what = arena_printf(arena, "VDC %s: list sizing policies", vdc_urn);

	if (list_pages(vcd, as, path, query_filter(arena, "isSizingOnly==true"), PAGE_SIZE, what,
		    &values, err) < 0)
		return -1;
	*count = json_object_array_length(values);
	*out = arena_alloc(arena, (*count + 1) * sizeof(**out));
	for (size_t i = 0; i < *count; i++) {
		struct json_object *value = json_object_array_get_idx(values, i);
		struct vcd_ref *ref = &(*out)[i];

		ref->name = copy_member(arena, value, "name");
		ref->id = copy_member(arena, value, "id");
		ref->href = vcd_href(vcd, "/cloudapi/1.0.0/vdcComputePolicies/%s", ref->id);
	}
	return 0;
}
