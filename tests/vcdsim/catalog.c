/* SPDX-License-Identifier: MIT */
/* Catalogs, their items and the templates behind them. */
#include "common/str.h"
#include "tests/vcdsim/legacy.h"
#include "tests/vcdsim/objects.h"
#include "tests/vcdsim/render.h"

static const char created[] = "2021-03-04T05:06:07.089Z";

/* The seed shares every catalog with all orgs. */
static struct sim_template *template_of(struct sim *sim, const struct sim_request *req,
	struct sim_reply *reply, const char *type, size_t offset)
{
	for (struct sim_template *item = sim->templates; item != NULL; item = item->next) {
		if (str_eq((const char *)item + offset, req->tokens[0]))
			return item;
	}
	reply_no_access(req, reply, type, req->tokens[0]);
	return NULL;
}

#define TEMPLATE_BY(member, type)                                                                  \
	template_of(sim, req, reply, type, offsetof(struct sim_template, member))

static void render_item_ref(
	const struct sim_request *req, struct xml_writer *writer, const struct sim_template *item)
{
	render_ref(writer, "CatalogItem", item->name, urn_of(req, "catalogitem", item->item_uuid),
		href_of(req, "catalogItem/", item->item_uuid), TYPE_CATALOG_ITEM);
}

void get_catalog(struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	struct sim_template *catalog = TEMPLATE_BY(catalog_uuid, "catalog");

	if (catalog == NULL)
		return;
	struct xml_writer *writer = doc_open("Catalog");

	render_identity(writer, catalog->catalog, urn_of(req, "catalog", catalog->catalog_uuid),
		href_of(req, "catalog/", catalog->catalog_uuid), TYPE_CATALOG);
	xw_leaf(writer, "Description", "");
	xw_open(writer, "CatalogItems");
	for (struct sim_template *item = sim->templates; item != NULL; item = item->next) {
		if (str_eq(item->catalog_uuid, catalog->catalog_uuid))
			render_item_ref(req, writer, item);
	}
	xw_close(writer);
	xw_leaf(writer, "IsPublished", "false");
	xw_leaf(writer, "DateCreated", created);
	xw_leaf(writer, "VersionNumber", "1");
	doc_reply(req, reply, 200, TYPE_CATALOG, writer);
}

void get_catalog_item(struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	struct sim_template *item = TEMPLATE_BY(item_uuid, "catalogitem");

	if (item == NULL)
		return;
	const char *href = href_of(req, "catalogItem/", item->item_uuid);
	struct xml_writer *writer = doc_open("CatalogItem");

	render_identity(writer, item->name, urn_of(req, "catalogitem", item->item_uuid), href,
		TYPE_CATALOG_ITEM);
	render_link(writer, "up", TYPE_CATALOG, href_of(req, "catalog/", item->catalog_uuid));
	render_link(writer, "down", TYPE_METADATA, arena_printf(req->arena, "%s/metadata", href));
	xw_leaf(writer, "Description", "");
	render_ref(writer, "Entity", item->name, urn_of(req, "vapptemplate", item->uuid),
		href_of(req, "vAppTemplate/vappTemplate-", item->uuid), TYPE_TEMPLATE);
	xw_leaf(writer, "DateCreated", created);
	xw_leaf(writer, "VersionNumber", "1");
	doc_reply(req, reply, 200, TYPE_CATALOG_ITEM, writer);
}

static void render_template_vm(
	const struct sim_request *req, struct xml_writer *writer, const struct sim_template *item)
{
	xw_attr(writer, "status", "8");
	render_identity(writer, item->name, urn_of(req, "vm", item->vm_uuid),
		href_of(req, "vAppTemplate/vm-", item->vm_uuid), TYPE_VM);
	xw_open(writer, "NetworkConnectionSection");
	xw_leaf(writer, "ovf:Info", "Specifies the available VM network connections");
	xw_leaf_int(writer, "PrimaryNetworkConnectionIndex", item->nic_index);
	render_network_connection(writer, "VM Network", NULL, item->nic_index, "DHCP");
	xw_close(writer);
	xw_open(writer, "GuestCustomizationSection");
	xw_leaf(writer, "ovf:Info", "Specifies Guest OS Customization Settings");
	xw_leaf(writer, "Enabled", "true");
	xw_leaf(writer, "ComputerName", "template");
	xw_close(writer);
	xw_leaf(writer, "VAppScopedLocalId", item->name);
}

void get_template(struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	struct sim_template *item = TEMPLATE_BY(uuid, "vapptemplate");

	if (item == NULL)
		return;
	struct xml_writer *writer = doc_open("VAppTemplate");

	doc_namespaces(writer);
	xw_attr(writer, "status", "8");
	xw_attr(writer, "ovfDescriptorUploaded", "true");
	render_identity(writer, item->name, urn_of(req, "vapptemplate", item->uuid),
		href_of(req, "vAppTemplate/vappTemplate-", item->uuid), TYPE_TEMPLATE);
	render_link(writer, "catalogItem", TYPE_CATALOG_ITEM,
		href_of(req, "catalogItem/", item->item_uuid));
	xw_leaf(writer, "Description", "");
	xw_open(writer, "Children");
	xw_open(writer, "Vm");
	render_template_vm(req, writer, item);
	xw_close(writer);
	xw_close(writer);
	xw_leaf(writer, "DateCreated", created);
	doc_reply(req, reply, 200, TYPE_TEMPLATE, writer);
}

void get_template_vm(struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	struct sim_template *item = TEMPLATE_BY(vm_uuid, "vm");

	if (item == NULL)
		return;
	struct xml_writer *writer = doc_open("Vm");

	doc_namespaces(writer);
	render_template_vm(req, writer, item);
	doc_reply(req, reply, 200, TYPE_VM, writer);
}

void get_item_metadata(struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	struct sim_template *item = TEMPLATE_BY(item_uuid, "catalogitem");

	if (item != NULL)
		metadata_render(req, reply, item->metadata,
			arena_printf(req->arena, "%s/metadata",
				href_of(req, "catalogItem/", item->item_uuid)));
}

void get_item_metadata_key(struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	struct sim_template *item = TEMPLATE_BY(item_uuid, "catalogitem");

	if (item != NULL)
		metadata_render_key(req, reply, item->metadata, req->tokens[1]);
}
