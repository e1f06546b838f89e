/* SPDX-License-Identifier: MIT */
/* Orgs, VDCs, users and networks of the legacy API, and the table of its reading calls. */
#include "tests/vcdsim/legacy.h"

#include "common/json.h"
#include "common/str.h"
#include "tests/vcdsim/objects.h"
#include "tests/vcdsim/render.h"

static void get_orgs(struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	struct xml_writer *writer = doc_open("OrgList");

	xw_attr(writer, "href", href_of(req, "org", NULL));
	xw_attr(writer, "type", TYPE_VCLOUD "orgList+xml");
	for (const struct sim_org *org = sim->orgs; org != NULL; org = org->next) {
		if (session_sees_org(req->session, org))
			render_org_ref(req, writer, "Org", org);
	}
	doc_reply(req, reply, 200, TYPE_VCLOUD "orgList+xml", writer);
}

static struct sim_org *org_for(
	struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	struct sim_org *org = find_org(sim, req->tokens[0]);

	if (org != NULL && session_sees_org(req->session, org))
		return org;
	reply_no_access(req, reply, "org", req->tokens[0]);
	return NULL;
}

/* The query links by which clients find an org's VDCs, networks and catalogs since version 33. */
static void render_org_links(
	const struct sim_request *req, struct xml_writer *writer, const struct sim_org *org)
{
	static const char *const types[] = {"orgVdc", "orgVdcNetwork", "catalog", "vApp"};

	render_link(
		writer, "down", TYPE_VCLOUD "tasksList+xml", href_of(req, "tasksList/", org->uuid));
	render_link(writer, "down", TYPE_METADATA,
		arena_printf(req->arena, "%s/metadata", href_of(req, "org/", org->uuid)));
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		render_link(writer, "down", TYPE_VCLOUD "query.records+xml",
			arena_printf(req->arena, "%s?type=%s&filter=org==%s&format=records",
				href_of(req, "query", NULL), types[i],
				href_of(req, "org/", org->uuid)));
	if (session_is_system(req->session))
		render_link(writer, "alternate", "application/vnd.vmware.admin.organization+xml",
			href_of(req, "admin/org/", org->uuid));
}

static void get_org(struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	struct sim_org *org = org_for(sim, req, reply);

	if (org == NULL)
		return;
	struct xml_writer *writer = doc_open("Org");

	render_identity(writer, org->name, urn_of(req, "org", org->uuid),
		href_of(req, "org/", org->uuid), TYPE_ORG);
	render_org_links(req, writer, org);
	xw_leaf(writer, "Description", "");
	xw_leaf(writer, "FullName", org->name);
	xw_leaf(writer, "IsEnabled", "true");
	doc_reply(req, reply, 200, TYPE_ORG, writer);
}

static void render_admin_org_children(struct sim *sim, const struct sim_request *req,
	struct xml_writer *writer, const struct sim_org *org)
{
	xw_leaf(writer, "Description", "");
	xw_leaf(writer, "FullName", org->name);
	xw_leaf(writer, "IsEnabled", "true");
	xw_open(writer, "Settings");
	xw_close(writer);
	xw_open(writer, "Users");
	for (const struct sim_user *user = sim->users; user != NULL; user = user->next) {
		if (user->org == org)
			render_user_ref(req, writer, "UserReference", user);
	}
	xw_close(writer);
	xw_open(writer, "Groups");
	xw_close(writer);
	xw_open(writer, "Catalogs");
	for (const struct sim_template *item = sim->templates; item != NULL; item = item->next) {
		if (str_eq(item->catalog_org, org->name))
			render_ref(writer, "CatalogReference", item->catalog, NULL,
				href_of(req, "admin/catalog/", item->catalog_uuid),
				"application/vnd.vmware.admin.catalog+xml");
	}
	xw_close(writer);
	xw_open(writer, "Vdcs");
	for (const struct sim_vdc *vdc = sim->vdcs; vdc != NULL; vdc = vdc->next) {
		if (vdc->org == org)
			render_ref(writer, "Vdc", vdc->name, NULL,
				href_of(req, "admin/vdc/", vdc->uuid),
				"application/vnd.vmware.admin.vdc+xml");
	}
	xw_close(writer);
}

static void get_admin_org(struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	struct sim_org *org = org_for(sim, req, reply);

	if (org == NULL)
		return;
	struct xml_writer *writer = doc_open("AdminOrg");

	render_identity(writer, org->name, urn_of(req, "org", org->uuid),
		href_of(req, "admin/org/", org->uuid),
		"application/vnd.vmware.admin.organization+xml");
	render_link(writer, "task:create", TYPE_TASK, href_of(req, "tasksList/", org->uuid));
	render_link(
		writer, "down", TYPE_VCLOUD "tasksList+xml", href_of(req, "tasksList/", org->uuid));
	render_link(writer, "alternate", TYPE_ORG, href_of(req, "org/", org->uuid));
	render_admin_org_children(sim, req, writer, org);
	doc_reply(req, reply, 200, "application/vnd.vmware.admin.organization+xml", writer);
}

static void render_resources(struct sim *sim, const struct sim_request *req,
	struct xml_writer *writer, const struct sim_vdc *vdc)
{
	xw_open(writer, "ResourceEntities");
	for (const struct sim_vapp *vapp = sim->vapps; vapp != NULL; vapp = vapp->next) {
		if (vapp->vdc == vdc && session_sees_vapp(req->session, vapp))
			render_ref(writer, "ResourceEntity", vapp->name,
				urn_of(req, "vapp", vapp->uuid),
				href_of(req, "vApp/vapp-", vapp->uuid), TYPE_VAPP);
	}
	xw_close(writer);
}

static void render_networks(struct sim *sim, const struct sim_request *req,
	struct xml_writer *writer, const struct sim_vdc *vdc)
{
	xw_open(writer, "AvailableNetworks");
	for (size_t i = 0; i < json_object_array_length(sim->networks); i++) {
		struct json_object *network = json_object_array_get_idx(sim->networks, i);
		const char *urn = json_str(network, "id", "");

		if (str_eq(str_urn_uuid(json_str(network, "ownerRef.id", "")), vdc->uuid))
			render_ref(writer, "Network", json_str(network, "name", ""), urn,
				href_of(req, "network/", str_urn_uuid(urn)), TYPE_NETWORK);
	}
	xw_close(writer);
}

static void render_profiles(
	const struct sim_request *req, struct xml_writer *writer, const struct sim_vdc *vdc)
{
	xw_open(writer, "VdcStorageProfiles");
	for (size_t i = 0; i < json_object_array_length(vdc->storage_profiles); i++) {
		struct json_object *profile = json_object_array_get_idx(vdc->storage_profiles, i);
		const char *urn = json_str(profile, "id", "");

		render_ref(writer, "VdcStorageProfile", json_str(profile, "name", ""), urn,
			href_of(req, "vdcStorageProfile/", str_urn_uuid(urn)), TYPE_STORAGE);
	}
	xw_close(writer);
}

static void render_capacity(struct xml_writer *writer, const char *element, const char *units)
{
	xw_open(writer, element);
	xw_leaf(writer, "Units", units);
	xw_leaf(writer, "Allocated", "0");
	xw_leaf(writer, "Limit", "0");
	xw_leaf(writer, "Reserved", "0");
	xw_leaf(writer, "Used", "0");
	xw_close(writer);
}

static void render_vdc(struct sim *sim, const struct sim_request *req, struct xml_writer *writer,
	const struct sim_vdc *vdc)
{
	const char *href = href_of(req, "vdc/", vdc->uuid);

	render_link(writer, "up", TYPE_ORG, href_of(req, "org/", vdc->org->uuid));
	render_link(writer, "down", TYPE_METADATA, arena_printf(req->arena, "%s/metadata", href));
	if (session_has_right(req->session, "vApp: Create / Reconfigure")) {
		render_link(writer, "add", TYPE_VCLOUD "composeVAppParams+xml",
			arena_printf(req->arena, "%s/action/composeVApp", href));
		render_link(writer, "add", TYPE_VCLOUD "instantiateVAppTemplateParams+xml",
			arena_printf(req->arena, "%s/action/instantiateVAppTemplate", href));
	}
	xw_leaf(writer, "Description", "");
	xw_leaf(writer, "AllocationModel", "Flex");
	xw_open(writer, "ComputeCapacity");
	render_capacity(writer, "Cpu", "MHz");
	render_capacity(writer, "Memory", "MB");
	xw_close(writer);
	render_resources(sim, req, writer, vdc);
	render_networks(sim, req, writer, vdc);
	xw_open(writer, "Capabilities");
	xw_close(writer);
	xw_leaf(writer, "NicQuota", "0");
	xw_leaf(writer, "NetworkQuota", "100");
	xw_leaf(writer, "UsedNetworkCount", "3");
	xw_leaf(writer, "VmQuota", "0");
	xw_leaf(writer, "IsEnabled", "true");
	render_profiles(req, writer, vdc);
}

static struct sim_vdc *vdc_for(
	struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	struct sim_vdc *vdc = find_vdc(sim, req->tokens[0]);

	if (vdc != NULL && session_sees_org(req->session, vdc->org))
		return vdc;
	reply_no_access(req, reply, "vdc", req->tokens[0]);
	return NULL;
}

static void get_vdc(struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	struct sim_vdc *vdc = vdc_for(sim, req, reply);

	if (vdc == NULL)
		return;
	struct xml_writer *writer = doc_open("Vdc");

	xw_attr(writer, "status", "1");
	render_identity(writer, vdc->name, urn_of(req, "vdc", vdc->uuid),
		href_of(req, "vdc/", vdc->uuid), TYPE_VDC);
	render_vdc(sim, req, writer, vdc);
	doc_reply(req, reply, 200, TYPE_VDC, writer);
}

static void get_admin_vdc(struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	struct sim_vdc *vdc = vdc_for(sim, req, reply);

	if (vdc == NULL)
		return;
	struct xml_writer *writer = doc_open("AdminVdc");

	xw_attr(writer, "status", "1");
	render_identity(writer, vdc->name, urn_of(req, "vdc", vdc->uuid),
		href_of(req, "admin/vdc/", vdc->uuid), "application/vnd.vmware.admin.vdc+xml");
	render_vdc(sim, req, writer, vdc);
	doc_reply(req, reply, 200, "application/vnd.vmware.admin.vdc+xml", writer);
}

static void get_user(struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	struct sim_user *user = find_user(sim, req->tokens[0]);

	if (user == NULL || !session_sees_org(req->session, user->org)) {
		reply_no_access(req, reply, "user", req->tokens[0]);
		return;
	}
	struct xml_writer *writer = doc_open("User");

	render_identity(writer, user->name, urn_of(req, "user", user->uuid),
		href_of(req, "admin/user/", user->uuid), TYPE_USER);
	xw_leaf(writer, "Description", "");
	xw_leaf(writer, "FullName", user->name);
	xw_leaf(writer, "EmailAddress", "");
	xw_leaf(writer, "Telephone", "");
	xw_leaf(writer, "IsEnabled", "true");
	xw_leaf(writer, "IsLocked", "false");
	render_ref(writer, "Role", user->role, NULL, href_of(req, "admin/role/", user->role_uuid),
		"application/vnd.vmware.admin.role+xml");
	doc_reply(req, reply, 200, TYPE_USER, writer);
}

static void get_network(struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	struct json_object *network = find_network(sim, req->tokens[0]);
	struct sim_org *org = find_org(sim, str_urn_uuid(json_str(network, "orgRef.id", "")));

	if (network == NULL || org == NULL || !session_sees_org(req->session, org)) {
		reply_no_access(req, reply, "network", req->tokens[0]);
		return;
	}
	struct xml_writer *writer = doc_open("OrgVdcNetwork");

	render_identity(writer, json_str(network, "name", ""), json_str(network, "id", ""),
		href_of(req, "network/", req->tokens[0]), TYPE_VCLOUD "orgVdcNetwork+xml");
	xw_leaf(writer, "Description", "");
	xw_open(writer, "Configuration");
	xw_leaf(writer, "FenceMode",
		str_eq(json_str(network, "networkType", ""), "NAT_ROUTED") ? "natRouted"
									   : "isolated");
	xw_close(writer);
	xw_leaf(writer, "IsShared", "false");
	doc_reply(req, reply, 200, TYPE_VCLOUD "orgVdcNetwork+xml", writer);
}

#define SEE_TEMPLATES "vApp Template / Media: View"

const struct sim_route legacy_routes[] = {
	{"GET", "/api/org", ACCESS_SESSION, NULL, get_orgs, false},
	{"GET", "/api/org/{id}", ACCESS_SESSION, "Organization: View", get_org, false},
	{"GET", "/api/admin/org/{id}", ACCESS_SYSTEM, "Organization: View", get_admin_org, false},
	{"GET", "/api/vdc/{id}", ACCESS_SESSION, "Organization vDC: View", get_vdc, false},
	{"GET", "/api/admin/vdc/{id}", ACCESS_SYSTEM, "Organization vDC: View", get_admin_vdc,
		false},
	{"GET", "/api/admin/user/{id}", ACCESS_SYSTEM, "Group / User: View", get_user, false},
	{"GET", "/api/network/{id}", ACCESS_SESSION, "Organization vDC Network: View Properties",
		get_network, false},
	{"GET", "/api/query", ACCESS_SESSION, NULL, get_query, false},
	{"GET", "/api/catalog/{id}", ACCESS_SESSION, NULL, get_catalog, false},
	{"GET", "/api/admin/catalog/{id}", ACCESS_SYSTEM, NULL, get_catalog, false},
	{"GET", "/api/catalogItem/{id}", ACCESS_SESSION, NULL, get_catalog_item, false},
	{"GET", "/api/catalogItem/{id}/metadata", ACCESS_SESSION, NULL, get_item_metadata, false},
	{"GET", "/api/catalogItem/{id}/metadata/{*}", ACCESS_SESSION, NULL, get_item_metadata_key,
		false},
	{"GET", "/api/vAppTemplate/vappTemplate-{id}", ACCESS_SESSION, SEE_TEMPLATES, get_template,
		false},
	{"GET", "/api/vAppTemplate/vm-{id}", ACCESS_SESSION, SEE_TEMPLATES, get_template_vm, false},
	{0},
};
