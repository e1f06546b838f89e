/* SPDX-License-Identifier: MIT */
#include "common/clock.h"
#include "common/json.h"
#include "common/str.h"
#include "tests/vcdsim/objects.h"
#include "tests/vcdsim/query.h"
#include "tests/vcdsim/render.h"

#include <stdio.h>

static bool is_admin(const struct sim_request *req)
{
	return session_is_system(req->session) && str_starts(sim_query(req, "type"), "admin");
}

/* A tenant's type shows the objects of the session's own org, an admin type those of all orgs. */
static bool is_in_reach(const struct sim_request *req, const struct sim_org *org)
{
	return is_admin(req) || req->session->user->org == org;
}

/* A new record in the list, with its reference. */
static struct json_object *add_record(
	struct json_object *records, const char *name, const char *href)
{
	struct json_object *record = json_object_new_object();

	json_set_str(record, "name", name);
	json_set_str(record, "href", href);
	json_object_array_add(records, record);
	return record;
}

static void set_bool(struct json_object *record, const char *name, bool value)
{
	json_set_str(record, name, value ? "true" : "false");
}

static void set_count(struct json_object *record, const char *name, size_t count)
{
	char text[24];

	snprintf(text, sizeof(text), "%zu", count);
	json_set_str(record, name, text);
}

static void rows_org(struct sim *sim, const struct sim_request *req, struct json_object *records)
{
	for (const struct sim_org *org = sim->orgs; org != NULL; org = org->next) {
		if (!session_sees_org(req->session, org))
			continue;
		struct json_object *record =
			add_record(records, org->name, href_of(req, "org/", org->uuid));

		json_set_str(record, "displayName", org->name);
		set_bool(record, "isEnabled", true);
		set_bool(record, "isReadOnly", false);
	}
}

static void rows_vdc(struct sim *sim, const struct sim_request *req, struct json_object *records)
{
	for (const struct sim_vdc *vdc = sim->vdcs; vdc != NULL; vdc = vdc->next) {
		if (!is_in_reach(req, vdc->org))
			continue;
		struct json_object *record =
			add_record(records, vdc->name, href_of(req, "vdc/", vdc->uuid));

		json_set_str(record, "orgName", vdc->org->name);
		json_set_str(record, "status", "READY");
		json_set_str(record, "providerVdcName", "pvdc");
		set_bool(record, "isEnabled", true);
		set_bool(record, "isBusy", false);
		if (!is_admin(req))
			continue;
		json_set_str(record, "org", href_of(req, "org/", vdc->org->uuid));
		json_set_str(record, "networkProviderType", "NSX_T");
	}
}

/* Filters may ask for metadata: the keys that a filter names for them. */
static void add_metadata(
	const struct sim_request *req, struct json_object *record, const struct sim_metadata *list)
{
	struct json_object *found = json_object_new_object();

	for (; list != NULL; list = list->next) {
		if (str_eq(list->visibility, "PRIVATE") && !session_is_system(req->session))
			continue;
		const char *key = arena_printf(req->arena, "metadata%s:%s",
			str_eq(list->domain, "SYSTEM") ? "@SYSTEM" : "", list->key);

		json_object_object_add(found, key,
			json_object_new_string(arena_printf(req->arena, "STRING:%s", list->value)));
	}
	json_object_object_add(record, "_metadata", found);
}

static void rows_vapp(struct sim *sim, const struct sim_request *req, struct json_object *records)
{
	for (struct sim_vapp *vapp = sim->vapps; vapp != NULL; vapp = vapp->next) {
		size_t count = 0;

		if (!is_in_reach(req, vapp->vdc->org) || !session_sees_vapp(req->session, vapp))
			continue;
		for (const struct sim_vm *vm = vapp->vms; vm != NULL; vm = vm->next)
			count++;
		struct json_object *record =
			add_record(records, vapp->name, href_of(req, "vApp/vapp-", vapp->uuid));

		json_set_str(record, "vdc", href_of(req, "vdc/", vapp->vdc->uuid));
		json_set_str(record, "vdcName", vapp->vdc->name);
		json_set_str(record, "description", vapp->description);
		json_set_str(record, "ownerName", vapp->owner->name);
		json_set_str(record, "status", status_word(vapp_status_now(vapp)));
		set_bool(record, "isBusy", lock_holder(sim, vapp->uuid) != NULL);
		set_bool(record, "isDeployed", vapp->deployed);
		set_bool(record, "isEnabled", true);
		set_bool(record, "isExpired", false);
		add_metadata(req, record, vapp->metadata);
		if (!is_admin(req))
			continue;
		json_set_str(record, "org", href_of(req, "org/", vapp->vdc->org->uuid));
		set_count(record, "numberOfVMs", count);
	}
}

static void add_vm(struct sim *sim, const struct sim_request *req, struct json_object *records,
	const struct sim_vm *vm)
{
	const struct sim_vapp *vapp = vm->vapp;
	struct json_object *record =
		add_record(records, vm->name, href_of(req, "vApp/vm-", vm->uuid));

	json_set_str(record, "container", href_of(req, "vApp/vapp-", vapp->uuid));
	json_set_str(record, "containerName", vapp->name);
	json_set_str(record, "vdc", href_of(req, "vdc/", vapp->vdc->uuid));
	json_set_str(record, "status", status_word((int)vm->status));
	json_set_str(record, "networkName", vm->network);
	json_set_str(record, "ipAddress", vm->ip[0] == '\0' ? NULL : vm->ip);
	json_set_str(record, "storageProfileName", vm->storage_profile);
	json_set_str(record, "vmSizingPolicyId", vm->sizing_policy);
	set_bool(record, "isVAppTemplate", false);
	set_bool(record, "isDeleted", false);
	set_bool(record, "isDeployed", vm->deployed);
	if (!is_admin(req)) {
		set_bool(record, "isBusy", lock_holder(sim, vm->uuid) != NULL);
		json_set_str(record, "ownerName", vapp->owner->name);
		return;
	}
	json_set_str(record, "org", href_of(req, "org/", vapp->vdc->org->uuid));
	json_set_str(record, "moref", arena_printf(req->arena, "vm-%.8s", vm->uuid));
	json_set_str(record, "vc", href_of(req, "admin/extension/vimServer/", sim->orgs->uuid));
}

static void rows_vm(struct sim *sim, const struct sim_request *req, struct json_object *records)
{
	for (struct sim_vapp *vapp = sim->vapps; vapp != NULL; vapp = vapp->next) {
		if (!is_in_reach(req, vapp->vdc->org) || !session_sees_vapp(req->session, vapp))
			continue;
		for (const struct sim_vm *vm = vapp->vms; vm != NULL; vm = vm->next)
			add_vm(sim, req, records, vm);
	}
}

/* A tenant does not find another org's catalogs by query, shared or not. */
static bool sees_catalog(
	struct sim *sim, const struct sim_request *req, const struct sim_template *item)
{
	return is_in_reach(req, find_org_named(sim, item->catalog_org));
}

static bool is_first_of_catalog(struct sim *sim, const struct sim_template *item)
{
	for (const struct sim_template *other = sim->templates; other != item;
		other = other->next) {
		if (str_eq(other->catalog_uuid, item->catalog_uuid))
			return false;
	}
	return true;
}

static void rows_catalog(
	struct sim *sim, const struct sim_request *req, struct json_object *records)
{
	for (const struct sim_template *item = sim->templates; item != NULL; item = item->next) {
		if (!sees_catalog(sim, req, item) || !is_first_of_catalog(sim, item))
			continue;
		struct json_object *record = add_record(
			records, item->catalog, href_of(req, "catalog/", item->catalog_uuid));

		json_set_str(record, "orgName", item->catalog_org);
		set_bool(record, "isShared", true);
		set_bool(record, "isPublished", false);
		json_set_str(record, "status", "READY");
	}
}

static void rows_item(struct sim *sim, const struct sim_request *req, struct json_object *records)
{
	for (const struct sim_template *item = sim->templates; item != NULL; item = item->next) {
		if (!sees_catalog(sim, req, item))
			continue;
		struct json_object *record = add_record(
			records, item->name, href_of(req, "catalogItem/", item->item_uuid));

		json_set_str(
			record, "entity", href_of(req, "vAppTemplate/vappTemplate-", item->uuid));
		json_set_str(record, "entityName", item->name);
		json_set_str(record, "entityType", "vapptemplate");
		json_set_str(record, "catalog", href_of(req, "catalog/", item->catalog_uuid));
		json_set_str(record, "catalogName", item->catalog);
		json_set_str(record, "status", "RESOLVED");
		set_bool(record, "isExpired", false);
		if (is_admin(req))
			json_set_str(record, "org",
				href_of(req, "org/", find_org_named(sim, item->catalog_org)->uuid));
	}
}

static void rows_template(
	struct sim *sim, const struct sim_request *req, struct json_object *records)
{
	for (const struct sim_template *item = sim->templates; item != NULL; item = item->next) {
		if (!sees_catalog(sim, req, item))
			continue;
		struct json_object *record = add_record(records, item->name,
			href_of(req, "vAppTemplate/vappTemplate-", item->uuid));

		json_set_str(record, "catalogName", item->catalog);
		json_set_str(record, "org",
			href_of(req, "org/", find_org_named(sim, item->catalog_org)->uuid));
		json_set_str(record, "status", "RESOLVED");
		set_bool(record, "isExpired", false);
	}
}

static void rows_user(struct sim *sim, const struct sim_request *req, struct json_object *records)
{
	for (const struct sim_user *user = sim->users; user != NULL; user = user->next) {
		if (!is_in_reach(req, user->org))
			continue;
		struct json_object *record =
			add_record(records, user->name, href_of(req, "admin/user/", user->uuid));

		json_set_str(record, "fullName", user->name);
		set_bool(record, "isEnabled", true);
		if (is_admin(req))
			json_set_str(record, "org", href_of(req, "org/", user->org->uuid));
		else
			json_set_str(record, "roleNames", user->role);
	}
}

static void set_time(struct json_object *record, const char *name, int64_t wall_ms)
{
	char text[CLOCK_ISO_SIZE];

	if (wall_ms == 0)
		return;
	clock_iso(text, wall_ms);
	json_set_str(record, name, text);
}

static void rows_task(struct sim *sim, const struct sim_request *req, struct json_object *records)
{
	for (const struct sim_task *task = sim->tasks; task != NULL; task = task->next) {
		if (task->org == NULL ? !is_admin(req) : !is_in_reach(req, task->org))
			continue;
		struct json_object *record = add_record(
			records, task->operation_name, href_of(req, "task/", task->uuid));

		json_set_str(record, "operationFull", task->operation);
		json_set_str(record, "status", task->status);
		json_set_str(record, "serviceNamespace", task->service_namespace);
		json_set_str(record, "object", task->owner_href);
		json_set_str(record, "objectName", task->owner_name);
		json_set_str(record, "ownerName",
			task->user_name[0] != '\0' ? task->user_name
			: task->user != NULL	   ? task->user->name
						   : NULL);
		set_time(record, "startDate", task->started_wall_ms);
		set_time(record, "endDate", task->ended_wall_ms);
		set_count(record, "progress", task->progress < 0 ? 0 : (size_t)task->progress);
		if (task->org != NULL) {
			json_set_str(record, "org", href_of(req, "org/", task->org->uuid));
			json_set_str(record, "orgName", task->org->name);
		}
	}
}

static void rows_storage(
	struct sim *sim, const struct sim_request *req, struct json_object *records)
{
	for (const struct sim_vdc *vdc = sim->vdcs; vdc != NULL; vdc = vdc->next) {
		if (!is_in_reach(req, vdc->org))
			continue;
		for (size_t i = 0; i < json_object_array_length(vdc->storage_profiles); i++) {
			struct json_object *profile =
				json_object_array_get_idx(vdc->storage_profiles, i);
			struct json_object *record =
				add_record(records, json_str(profile, "name", ""),
					href_of(req, "vdcStorageProfile/",
						str_urn_uuid(json_str(profile, "id", ""))));

			json_set_str(record, "vdc", href_of(req, "vdc/", vdc->uuid));
			json_set_str(record, "vdcName", vdc->name);
			set_bool(record, "isEnabled", true);
		}
	}
}

static void rows_network(
	struct sim *sim, const struct sim_request *req, struct json_object *records)
{
	for (size_t i = 0; i < json_object_array_length(sim->networks); i++) {
		struct json_object *network = json_object_array_get_idx(sim->networks, i);
		struct sim_org *org =
			find_org(sim, str_urn_uuid(json_str(network, "orgRef.id", "")));

		if (org == NULL || !session_sees_org(req->session, org))
			continue;
		struct json_object *record = add_record(records, json_str(network, "name", ""),
			href_of(req, "network/", str_urn_uuid(json_str(network, "id", ""))));

		json_set_str(record, "vdc",
			href_of(req, "vdc/", str_urn_uuid(json_str(network, "ownerRef.id", ""))));
		json_set_str(record, "vdcName", json_str(network, "ownerRef.name", ""));
		json_set_str(record, "connectedTo",
			json_str(network, "connection.routerRef.name", NULL));
		set_bool(record, "isBusy", false);
	}
}

#define ADMIN " org"
#define VDC_ATTRS "name orgName status providerVdcName isEnabled isBusy description"
#define VAPP_ATTRS                                                                                 \
	"name vdc vdcName description ownerName status isBusy isDeployed isEnabled isExpired"
#define VM_ATTRS                                                                                   \
	"name container containerName vdc status networkName ipAddress storageProfileName "        \
	"vmSizingPolicyId vmPlacementPolicyId isVAppTemplate isDeleted isDeployed"
#define CATALOG_ATTRS "name orgName isShared isPublished status ownerName"
#define ITEM_ATTRS                                                                                 \
	"name entity entityName entityType catalog catalogName status isExpired vdc vdcName"
#define TEMPLATE_ATTRS "name catalogName org status isExpired vdc vdcName"
#define TASK_ATTRS                                                                                 \
	"name operationFull status serviceNamespace object objectName objectType ownerName "       \
	"startDate endDate progress org orgName"
#define STORAGE_ATTRS "name vdc vdcName isEnabled"

const struct query_type query_types[] = {
	{"organization", "OrgRecord", false, "name displayName isEnabled isReadOnly", rows_org},
	{"orgVdc", "OrgVdcRecord", false, VDC_ATTRS, rows_vdc},
	{"adminOrgVdc", "AdminVdcRecord", true, VDC_ATTRS ADMIN " networkProviderType", rows_vdc},
	{"vApp", "VAppRecord", false, VAPP_ATTRS, rows_vapp},
	{"adminVApp", "AdminVAppRecord", true, VAPP_ATTRS ADMIN " numberOfVMs", rows_vapp},
	{"vm", "VMRecord", false, VM_ATTRS " isBusy ownerName", rows_vm},
	{"adminVM", "AdminVMRecord", true, VM_ATTRS ADMIN " moref vc", rows_vm},
	{"catalog", "CatalogRecord", false, CATALOG_ATTRS, rows_catalog},
	{"adminCatalog", "AdminCatalogRecord", true, CATALOG_ATTRS ADMIN, rows_catalog},
	{"catalogItem", "CatalogItemRecord", false, ITEM_ATTRS, rows_item},
	{"adminCatalogItem", "AdminCatalogItemRecord", true, ITEM_ATTRS ADMIN, rows_item},
	{"vAppTemplate", "VAppTemplateRecord", false, TEMPLATE_ATTRS, rows_template},
	{"adminVAppTemplate", "AdminVAppTemplateRecord", true, TEMPLATE_ATTRS " catalog",
		rows_template},
	{"user", "UserRecord", false, "name fullName isEnabled roleNames", rows_user},
	{"adminUser", "AdminUserRecord", true, "name fullName isEnabled" ADMIN, rows_user},
	{"task", "TaskRecord", false, TASK_ATTRS, rows_task},
	{"adminTask", "AdminTaskRecord", true, TASK_ATTRS " owner", rows_task},
	{"orgVdcStorageProfile", "OrgVdcStorageProfileRecord", false, STORAGE_ATTRS, rows_storage},
	{"adminOrgVdcStorageProfile", "AdminOrgVdcStorageProfileRecord", true, STORAGE_ATTRS ADMIN,
		rows_storage},
	{"orgVdcNetwork", "OrgVdcNetworkRecord", false, "name vdc vdcName connectedTo isBusy",
		rows_network},
	{0},
};
