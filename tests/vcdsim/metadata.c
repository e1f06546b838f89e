/* SPDX-License-Identifier: MIT */
/* Metadata of vApps and catalog items: merging writes, domains, and who sees what. */
#include "common/mem.h"
#include "common/str.h"
#include "tests/vcdsim/body.h"
#include "tests/vcdsim/legacy.h"
#include "tests/vcdsim/objects.h"
#include "tests/vcdsim/render.h"

#include <stdlib.h>
#include <string.h>

/* What a task applies to a vApp's metadata when it ends. */
struct metadata_change {
	struct sim_vapp *vapp;
	struct sim_metadata *set; /* in the simulator's kept memory */
	const char *remove_domain, *remove_key;
};

struct sim_metadata *metadata_find(struct sim_metadata *list, const char *domain, const char *key)
{
	while (list != NULL && !(str_eq(list->domain, domain) && str_eq(list->key, key)))
		list = list->next;
	return list;
}

static bool is_visible(const struct sim_request *req, const struct sim_metadata *entry)
{
	return !str_eq(entry->visibility, "PRIVATE") || session_is_system(req->session);
}

static void render_typed_value(struct xml_writer *writer, const struct sim_metadata *entry)
{
	xw_open(writer, "TypedValue");
	xw_attr(writer, "xsi:type", entry->type);
	xw_leaf(writer, "Value", entry->value);
	xw_close(writer);
}

void metadata_render(const struct sim_request *req, struct sim_reply *reply,
	const struct sim_metadata *list, const char *href)
{
	struct xml_writer *writer = doc_open("Metadata");

	xw_ns(writer, "xsi", XML_XSI);
	xw_attr(writer, "type", TYPE_METADATA);
	xw_attr(writer, "href", href);
	for (; list != NULL; list = list->next) {
		if (!is_visible(req, list))
			continue;
		xw_open(writer, "MetadataEntry");
		xw_open(writer, "Domain");
		xw_attr(writer, "visibility", list->visibility);
		xw_text(writer, list->domain);
		xw_close(writer);
		xw_leaf(writer, "Key", list->key);
		render_typed_value(writer, list);
		xw_close(writer);
	}
	doc_reply(req, reply, 200, TYPE_METADATA, writer);
}

/* "SYSTEM/key" or "key" of a path. */
static const char *split_domain(const char **key)
{
	if (!str_starts(*key, "SYSTEM/"))
		return "GENERAL";
	*key += strlen("SYSTEM/");
	return "SYSTEM";
}

void metadata_render_key(const struct sim_request *req, struct sim_reply *reply,
	struct sim_metadata *list, const char *domain_and_key)
{
	const char *key = domain_and_key, *domain = split_domain(&key);
	const struct sim_metadata *entry = metadata_find(list, domain, key);

	if (entry == NULL || !is_visible(req, entry)) { /* VCD: 403, not 404 */
		reply_error(req, reply, 403, "ACCESS_TO_RESOURCE_IS_FORBIDDEN",
			"The access to the resource metadata_item with id %s is forbidden", key);
		return;
	}
	struct xml_writer *writer = doc_open("MetadataValue");

	xw_ns(writer, "xsi", XML_XSI);
	render_typed_value(writer, entry);
	doc_reply(req, reply, 200, TYPE_VCLOUD "metadata.value+xml", writer);
}

void get_vapp_metadata(struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	struct sim_vapp *vapp = vapp_for(sim, req, reply, false);

	if (vapp != NULL)
		metadata_render(req, reply, vapp->metadata,
			arena_printf(
				req->arena, "%s/metadata", href_of(req, "vApp/vapp-", vapp->uuid)));
}

void get_vapp_metadata_key(struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	struct sim_vapp *vapp = vapp_for(sim, req, reply, false);

	if (vapp != NULL)
		metadata_render_key(req, reply, vapp->metadata, req->tokens[1]);
}

static bool key_is_allowed(const char *key)
{
	return !str_empty(key) && strlen(key) <= 256 && strchr(key, ';') == NULL &&
	       strstr(key, "/../") == NULL && strstr(key, "/./") == NULL &&
	       !str_starts(key, "./") && !str_starts(key, "../") && !str_ends(key, "/.") &&
	       !str_ends(key, "/..");
}

static bool domain_is_allowed(const struct sim_metadata *entry)
{
	if (str_eq(entry->domain, "GENERAL"))
		return str_eq(entry->visibility, "READWRITE");
	return str_eq(entry->domain, "SYSTEM") &&
	       (str_eq(entry->visibility, "READONLY") || str_eq(entry->visibility, "PRIVATE"));
}

static bool type_is_allowed(const char *type)
{
	static const char *const types[] = {"MetadataStringValue", "MetadataNumberValue",
		"MetadataBooleanValue", "MetadataDateTimeValue"};
	const char *colon = type == NULL ? NULL : strchr(type, ':');

	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		if (str_eq(types[i], colon == NULL ? type : colon + 1))
			return true;
	}
	return false;
}

/* One entry of a body; NULL after a 400 or 403. */
static struct sim_metadata *read_entry(struct sim *sim, const struct sim_request *req,
	struct sim_reply *reply, const struct xml_node *node)
{
	struct arena *kept = &sim->kept;
	struct sim_metadata *entry = arena_alloc(kept, sizeof(*entry));
	const struct xml_node *domain = xml_child(node, XML_VCLOUD, "Domain");
	const struct xml_node *value = xml_child(node, XML_VCLOUD, "TypedValue");

	*entry = (struct sim_metadata){
		.domain = domain == NULL ? "GENERAL" : xml_text(kept, domain),
		.visibility = domain == NULL
				      ? "READWRITE"
				      : str_or(xml_attr(kept, domain, "visibility"), "READWRITE"),
		.key = xml_text(kept, xml_child(node, XML_VCLOUD, "Key")),
		.type = xml_attr_ns(kept, value, XML_XSI, "type"),
		.value = xml_text(kept, xml_child(value, XML_VCLOUD, "Value"))};
	if (!key_is_allowed(entry->key) || !domain_is_allowed(entry) || value == NULL ||
		!type_is_allowed(entry->type)) {
		reply_error(req, reply, 400, "BAD_REQUEST", "Invalid metadata entry '%s'.",
			str_or(entry->key, ""));
		return NULL;
	}
	if (str_eq(entry->domain, "SYSTEM") && !session_is_system(req->session)) {
		reply_error(req, reply, 403, "ACCESS_TO_RESOURCE_IS_FORBIDDEN",
			"This operation is denied.");
		return NULL;
	}
	return entry;
}

static void set_entry(struct sim_vapp *vapp, const struct sim_metadata *given)
{
	struct sim_metadata *entry = metadata_find(vapp->metadata, given->domain, given->key);

	if (entry == NULL) {
		struct sim_metadata **at = &vapp->metadata;

		while (*at != NULL)
			at = &(*at)->next;
		*at = entry = xcalloc(1, sizeof(*entry));
	}
	struct sim_metadata *next = entry->next;

	*entry = *given;
	entry->next = next;
}

static void remove_entry(struct sim_vapp *vapp, const char *domain, const char *key)
{
	struct sim_metadata *gone = metadata_find(vapp->metadata, domain, key);
	struct sim_metadata **at = &vapp->metadata;

	if (gone == NULL)
		return;
	while (*at != gone)
		at = &(*at)->next;
	*at = gone->next;
	free(gone);
}

static void apply_change(struct sim *sim, struct sim_task *task)
{
	const struct metadata_change *change = task->object;

	(void)sim;
	for (const struct sim_metadata *entry = change->set; entry != NULL; entry = entry->next)
		set_entry(change->vapp, entry);
	if (change->remove_key != NULL)
		remove_entry(change->vapp, change->remove_domain, change->remove_key);
}

static void start_change(struct sim *sim, const struct sim_request *req, struct sim_reply *reply,
	struct sim_vapp *vapp, struct metadata_change given)
{
	struct metadata_change *change = arena_alloc(&sim->kept, sizeof(*change));

	*change = given;
	change->vapp = vapp;
	reply_task(req, reply,
		vapp_task(sim, req, vapp, NULL, "metadataUpdate",
			arena_printf(req->arena, "Updating metadata for Virtual Application %s(%s)",
				vapp->name, vapp->uuid),
			sim->options.task_ms, apply_change, change));
}

void post_vapp_metadata(struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	struct sim_vapp *vapp = vapp_for(sim, req, reply, true);
	struct xml_node *root = vapp == NULL ? NULL : body_root(req, reply, "Metadata");
	struct metadata_change change = {0};

	if (root == NULL)
		return;
	for (struct xml_node *node = xml_child(root, XML_VCLOUD, "MetadataEntry"); node != NULL;
		node = xml_next(node, XML_VCLOUD, "MetadataEntry")) {
		struct sim_metadata *entry = read_entry(sim, req, reply, node);

		if (entry == NULL)
			return;
		entry->next = change.set;
		change.set = entry;
	}
	start_change(sim, req, reply, vapp, change);
}

void put_vapp_metadata_key(struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	struct sim_vapp *vapp = vapp_for(sim, req, reply, true);
	struct xml_node *root = vapp == NULL ? NULL : body_root(req, reply, "MetadataValue");

	if (root == NULL)
		return;
	const char *key = keep(sim, req->tokens[1]), *domain = split_domain(&key);
	struct xml_node *given = xml_child(root, XML_VCLOUD, "Domain");
	struct xml_node *value = xml_child(root, XML_VCLOUD, "TypedValue");
	struct sim_metadata *entry = arena_alloc(&sim->kept, sizeof(*entry));

	*entry = (struct sim_metadata){.domain = domain,
		.visibility = str_or(xml_attr(&sim->kept, given, "visibility"),
			str_eq(domain, "SYSTEM") ? "READONLY" : "READWRITE"),
		.key = key,
		.type = xml_attr_ns(&sim->kept, value, XML_XSI, "type"),
		.value = xml_text(&sim->kept, xml_child(value, XML_VCLOUD, "Value"))};
	if (value == NULL || !key_is_allowed(key) || !type_is_allowed(entry->type)) {
		reply_error(req, reply, 400, "BAD_REQUEST", "Invalid metadata entry '%s'.", key);
		return;
	}
	if (str_eq(domain, "SYSTEM") && !session_is_system(req->session)) {
		reply_error(req, reply, 403, "ACCESS_TO_RESOURCE_IS_FORBIDDEN",
			"This operation is denied.");
		return;
	}
	start_change(sim, req, reply, vapp, (struct metadata_change){.set = entry});
}

void delete_vapp_metadata_key(
	struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	struct sim_vapp *vapp = vapp_for(sim, req, reply, true);

	if (vapp == NULL)
		return;
	const char *key = keep(sim, req->tokens[1]), *domain = split_domain(&key);

	if (metadata_find(vapp->metadata, domain, key) == NULL ||
		(str_eq(domain, "SYSTEM") && !session_is_system(req->session))) {
		reply_error(req, reply, 403, "ACCESS_TO_RESOURCE_IS_FORBIDDEN",
			"The access to the resource metadata_item with id %s is forbidden", key);
		return;
	}
	start_change(sim, req, reply, vapp,
		(struct metadata_change){.remove_domain = domain, .remove_key = key});
}
