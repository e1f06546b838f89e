/* SPDX-License-Identifier: MIT */
#include "tests/vcdsim/seed.h"

#include "common/json.h"
#include "common/mem.h"
#include "common/str.h"

#include <stdio.h>

struct seed_part {
	const char *name;
	int (*load)(struct sim *sim, struct json_object *item, struct error *err);
};

/* Copies a member that must be a UUID. */
static int need_uuid(
	struct json_object *item, const char *member, char out[SIM_ID], struct error *err)
{
	const char *text;

	if (json_need_str(item, member, &text, err) != 0)
		return -1;
	if (!str_is_made_of(text, "0123456789abcdef-", SIM_ID - 1))
		return error_set(err, ERR_INVALID, "'%s' is not a UUID", text);
	snprintf(out, SIM_ID, "%s", text);
	return 0;
}

static int need_org(
	struct sim *sim, struct json_object *item, struct sim_org **out, struct error *err)
{
	const char *name;

	if (json_need_str(item, "org", &name, err) != 0)
		return -1;
	*out = find_org_named(sim, name);
	if (*out == NULL)
		return error_set(err, ERR_INVALID, "there is no org '%s'", name);
	return 0;
}

static int load_org(struct sim *sim, struct json_object *item, struct error *err)
{
	struct sim_org *org = xcalloc(1, sizeof(*org));

	org->next = sim->orgs;
	sim->orgs = org;
	if (need_uuid(item, "id", org->uuid, err) != 0)
		return -1;
	return json_need_str(item, "name", &org->name, err);
}

static void add_right_once(struct json_object *rights, const char *name)
{
	for (size_t i = 0; i < json_object_array_length(rights); i++) {
		if (str_eq(json_object_get_string(json_object_array_get_idx(rights, i)), name))
			return;
	}
	json_object_array_add(rights, json_object_new_string(name));
}

/* Every right that some role of the seed names: what the System Administrator has. */
static struct json_object *all_rights(struct sim *sim)
{
	struct json_object *roles = json_at(sim->seed, "roles"), *all = json_object_new_array();

	for (size_t i = 0; i < json_object_array_length(roles); i++) {
		struct json_object *rights = json_at(json_object_array_get_idx(roles, i), "rights");

		if (!json_object_is_type(rights, json_type_array))
			continue;
		for (size_t j = 0; j < json_object_array_length(rights); j++)
			add_right_once(
				all, json_object_get_string(json_object_array_get_idx(rights, j)));
	}
	return all;
}

/* "rights" is a list of names or the word "all". */
static int load_role(struct sim *sim, struct json_object *item, struct error *err)
{
	char uuid[SIM_ID], urn[80];
	const char *name;
	struct sim_org *org;
	struct json_object *doc, *rights = json_at(item, "rights");

	if (need_uuid(item, "id", uuid, err) != 0 || json_need_str(item, "name", &name, err) != 0 ||
		need_org(sim, item, &org, err) != 0)
		return -1;
	doc = json_object_new_object();
	snprintf(urn, sizeof(urn), "urn:vcloud:role:%s", uuid);
	json_set_str(doc, "id", urn);
	json_set_str(doc, "name", name);
	json_set_str(doc, "description", json_str(item, "description", ""));
	json_set_str(doc, "_org", org->uuid);
	json_set(doc, "_rights",
		json_object_is_type(rights, json_type_array) ? json_object_get(rights)
							     : all_rights(sim));
	json_object_array_add(sim->roles, doc);
	return 0;
}

static struct json_object *find_role(struct sim *sim, const char *name)
{
	for (size_t i = 0; i < json_object_array_length(sim->roles); i++) {
		struct json_object *role = json_object_array_get_idx(sim->roles, i);

		if (str_eq(json_str(role, "name", ""), name))
			return role;
	}
	return NULL;
}

static int load_user(struct sim *sim, struct json_object *item, struct error *err)
{
	struct sim_user *user = xcalloc(1, sizeof(*user));

	user->next = sim->users;
	sim->users = user;
	if (need_uuid(item, "id", user->uuid, err) != 0 ||
		json_need_str(item, "name", &user->name, err) != 0 ||
		json_need_str(item, "password", &user->password, err) != 0 ||
		json_need_str(item, "role", &user->role, err) != 0 ||
		need_org(sim, item, &user->org, err) != 0)
		return -1;
	struct json_object *role = find_role(sim, user->role);

	if (role == NULL)
		return error_set(err, ERR_INVALID, "there is no role '%s'", user->role);
	snprintf(user->role_uuid, SIM_ID, "%s", str_urn_uuid(json_str(role, "id", "")));
	user->rights = json_at(role, "_rights");
	return 0;
}

static int load_vdc(struct sim *sim, struct json_object *item, struct error *err)
{
	struct sim_vdc *vdc = xcalloc(1, sizeof(*vdc));

	vdc->next = sim->vdcs;
	sim->vdcs = vdc;
	vdc->storage_profiles = json_at(item, "storage_profiles");
	vdc->policies = json_at(item, "policies");
	if (need_uuid(item, "id", vdc->uuid, err) != 0 ||
		json_need_str(item, "name", &vdc->name, err) != 0)
		return -1;
	return need_org(sim, item, &vdc->org, err);
}

static void load_item_metadata(struct sim_template *template, struct json_object *values)
{
	if (values == NULL)
		return;
	json_object_object_foreach(values, key, value)
	{
		struct sim_metadata *entry = xcalloc(1, sizeof(*entry));

		*entry = (struct sim_metadata){.next = template->metadata,
			.domain = "SYSTEM",
			.visibility = "PRIVATE",
			.key = key,
			.type = "MetadataStringValue",
			.value = json_object_get_string(value)};
		template->metadata = entry;
	}
}

static int load_template(struct sim *sim, struct json_object *item, struct error *err)
{
	struct sim_template *template = xcalloc(1, sizeof(*template));

	template->next = sim->templates;
	sim->templates = template;
	template->nic_index = (int)json_int(item, "nic_index", 0);
	template->guest = json_at(item, "guest");
	load_item_metadata(template, json_at(item, "metadata"));
	if (need_uuid(item, "id", template->uuid, err) != 0 ||
		need_uuid(item, "vm_id", template->vm_uuid, err) != 0 ||
		need_uuid(item, "item_id", template->item_uuid, err) != 0 ||
		need_uuid(item, "catalog_id", template->catalog_uuid, err) != 0)
		return -1;
	if (json_need_str(item, "name", &template->name, err) != 0 ||
		json_need_str(item, "catalog", &template->catalog, err) != 0)
		return -1;
	return json_need_str(item, "catalog_org", &template->catalog_org, err);
}

static int load_part(struct sim *sim, const struct seed_part *part, struct error *err)
{
	struct json_object *items = json_at(sim->seed, part->name);

	if (!json_object_is_type(items, json_type_array))
		return error_set(err, ERR_INVALID, "%s must be a list", part->name);
	for (size_t i = 0; i < json_object_array_length(items); i++) {
		if (part->load(sim, json_object_array_get_idx(items, i), err) != 0)
			return error_wrap(err, "%s[%zu]", part->name, i);
	}
	return 0;
}

/* A list of documents as the seed has it; an empty one when it has none. */
static struct json_object *documents(struct sim *sim, const char *name)
{
	struct json_object *list = json_at(sim->seed, name);

	return list == NULL ? json_object_new_array() : json_object_get(list);
}

int seed_apply(struct sim *sim, struct error *err)
{
	static const struct seed_part parts[] = {
		{"orgs", load_org},
		{"roles", load_role},
		{"users", load_user},
		{"vdcs", load_vdc},
		{"templates", load_template},
	};

	sim->roles = json_object_new_array();
	sim->networks = documents(sim, "networks");
	sim->edges = documents(sim, "edges");
	sim->nat_rules = documents(sim, "nat_rules");
	sim->port_profiles = documents(sim, "port_profiles");
	sim->entities = documents(sim, "entities");
	sim->entity_types = documents(sim, "entity_types");
	sim->extension = json_object_get(json_at(sim->seed, "extension"));
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		if (load_part(sim, &parts[i], err) != 0)
			return -1;
	}
	return 0;
}
