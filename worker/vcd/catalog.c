/* SPDX-License-Identifier: MIT */
/* Catalogs, templates, and the metadata that says what is in them. */
#include "worker/vcd/org.h"

#include "common/str.h"
#include "common/xml_write.h"
#include "worker/vcd/query.h"
#include "worker/vcd/ref.h"
#include "worker/vcd/task_xml.h"

#define METADATA_TYPE "application/vnd.vmware.vcloud.metadata+xml"

enum { NIC_INDEX_MAX = 64 };

struct vcd_metadata *metadata_read(struct arena *arena, const struct xml_node *root, size_t *count)
{
	static const char element[] = "MetadataEntry";
	struct xml_node *node = xml_child(root, XML_VCLOUD, element);
	struct vcd_metadata *entries;
	size_t at = 0;

	for (*count = 0; node; node = xml_next(node, XML_VCLOUD, element))
		++*count;
	entries = arena_alloc(arena, (*count + 1) * sizeof(*entries));
	for (node = xml_child(root, XML_VCLOUD, element); node;
		node = xml_next(node, XML_VCLOUD, element)) {
		const struct xml_node *domain = xml_path(node, "Domain");

		entries[at++] = (struct vcd_metadata){
			.domain = str_or(xml_text(arena, domain), "GENERAL"),
			.visibility = str_or(xml_attr(arena, domain, "visibility"), "READWRITE"),
			.key = str_or(xml_text(arena, xml_path(node, "Key")), ""),
			.value = str_or(xml_text(arena, xml_path(node, "TypedValue/Value")), ""),
		};
	}
	return entries;
}

const char *metadata_body(struct arena *arena, const struct vcd_metadata *entries, size_t count)
{
	CLEANUP(xml_writer_free)
	struct xml_writer *xml = xml_writer_new();
	size_t len;

	xw_open(xml, "Metadata");
	xw_ns(xml, NULL, XML_VCLOUD);
	xw_ns(xml, "xsi", XML_XSI);
	for (size_t i = 0; i < count; i++) {
		xw_open(xml, "MetadataEntry");
		xw_open(xml, "Domain");
		xw_attr(xml, "visibility", entries[i].visibility);
		xw_text(xml, entries[i].domain);
		xw_close(xml);
		xw_leaf(xml, "Key", entries[i].key);
		xw_open(xml, "TypedValue");
		xw_attr(xml, "xsi:type", "MetadataStringValue");
		xw_leaf(xml, "Value", entries[i].value);
		xw_close(xml);
		xw_close(xml);
	}
	xw_close(xml);
	return xw_finish(xml, arena, &len);
}

int vcd_metadata_get(struct vcd *vcd, const char *href, struct vcd_metadata **out, size_t *count,
	struct error *err)
{
	CLEANUP(xml_free)
	struct xml_doc *doc = NULL;
	struct arena *arena = vcd_arena(vcd);
	const char *what = arena_printf(arena, "metadata of %s: read", str_last_segment(href));

	if (vcd_get_xml(vcd, VCD_SERVICE, arena_printf(arena, "%s/metadata", href), what, &doc,
		    err) < 0)
		return -1;
	*out = metadata_read(arena, xml_root(doc), count);
	return 0;
}

int vcd_metadata_set(struct vcd *vcd, const char *href, const struct vcd_metadata *entries,
	size_t count, const char **task, struct error *err)
{
	CLEANUP(xml_free)
	struct xml_doc *doc = NULL;
	struct arena *arena = vcd_arena(vcd);
	const char *what = arena_printf(arena, "metadata of %s: write", str_last_segment(href));

	if (vcd_send_xml(vcd, VCD_SERVICE, "POST", arena_printf(arena, "%s/metadata", href),
		    METADATA_TYPE, metadata_body(arena, entries, count), what, &doc, err) < 0)
		return -1;
	*task = task_href(arena, doc);
	return 0;
}

int vcd_catalog_items(struct vcd *vcd, const char *org, const char *catalog, struct vcd_ref **out,
	size_t *count, struct error *err)
{
	CLEANUP(xml_free)
	struct xml_doc *records = NULL;
	CLEANUP(xml_free)
	struct xml_doc *doc = NULL;
	struct arena *arena = vcd_arena(vcd);
	const char *what = arena_printf(arena, "catalog %s/%s: find", org, catalog);
	const char *filter = filter_and(
		arena, filter_term(arena, "name", catalog), filter_term(arena, "orgName", org));
	struct xml_node *record;
	const char *path;

	if (query_records(vcd, VCD_SERVICE, "adminCatalog", filter, what, &records, err) < 0)
		return -1;
	record = record_named(arena, records, catalog);
	if (!record)
		return error_set(
			err, ERR_GONE, "catalog %s of org %s does not exist", catalog, org);
	path = arena_printf(arena, "/api/catalog/%s",
		path_segment(arena, href_uuid(arena, xml_attr(arena, record, "href"), "")));
	if (vcd_get_xml(vcd, VCD_SERVICE, path, what, &doc, err) < 0)
		return -1;
	*out = refs_read(arena, xml_path(xml_root(doc), "CatalogItems"), "CatalogItem", count);
	return 0;
}

bool template_read(struct arena *arena, const struct xml_node *root, struct vcd_template *out)
{
	const struct xml_node *vm = xml_path(root, "Children/Vm");
	const struct xml_node *nics = xml_path(vm, "NetworkConnectionSection");
	const char *primary = xml_text(arena, xml_path(nics, "PrimaryNetworkConnectionIndex"));
	int64_t index = 0;

	if (!vm)
		return false;
	if (!primary)
		primary =
			xml_text(arena, xml_path(nics, "NetworkConnection/NetworkConnectionIndex"));
	*out = (struct vcd_template){0};
	ref_read(arena, vm, &out->vm);
	if (str_to_int(primary, 0, NIC_INDEX_MAX, &index))
		out->nic_index = (int)index;
	return *out->vm.href != '\0';
}

int vcd_template_get(
	struct vcd *vcd, const char *item_href, struct vcd_template *out, struct error *err)
{
	CLEANUP(xml_free)
	struct xml_doc *item = NULL;
	CLEANUP(xml_free)
	struct xml_doc *template = NULL;
	struct arena *arena = vcd_arena(vcd);
	const char *what = arena_printf(arena, "template %s: read", str_last_segment(item_href));
	const char *entity;

	if (vcd_get_xml(vcd, VCD_SERVICE, item_href, what, &item, err) < 0)
		return -1;
	entity = xml_attr(arena, xml_path(xml_root(item), "Entity"), "href");
	if (!entity)
		return error_set(err, ERR_INVALID, "%s: the catalog item has no template", what);
	if (vcd_get_xml(vcd, VCD_SERVICE, entity, what, &template, err) < 0)
		return -1;
	if (!template_read(arena, xml_root(template), out))
		return error_set(err, ERR_INVALID, "%s: the template has no VM", what);
	return 0;
}
