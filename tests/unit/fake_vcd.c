/* SPDX-License-Identifier: MIT */
#include "tests/unit/fake_vcd.h"

#include "common/json.h"
#include "common/str.h"
#include "worker/operation.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct fake fake;

void fake_reset(void)
{
	static const char *const all[] = {"cse:nativeCluster: Full Access",
		"vApp: Create / Reconfigure", "vApp: Delete", "Organization vDC Gateway: View",
		"Organization vDC Gateway: View NAT", "Organization vDC Gateway: Configure NAT"};

	json_release(&fake.entities);
	arena_reset(&fake.arena);
	fake = (struct fake){.user = FAKE_USER,
		.org = FAKE_ORG,
		.org_name = "tenant1",
		.free_addresses = 50,
		.network_type = "NAT_ROUTED",
		.static_pool = true,
		.nsxt = true,
		.used_last = 12,
		.prepared = "1.20.4",
		.marked = "",
		.marked_vdc = "urn:vcloud:vdc:d1",
		.entities = json_object_new_array()};
	memcpy(fake.rights, all, sizeof(all));
}

struct vcd_task *fake_task(const char *uuid)
{
	for (size_t i = 0; i < fake.task_count; i++)
		if (str_eq(fake.tasks[i].uuid, uuid))
			return &fake.tasks[i];
	return NULL;
}

struct json_object *fake_entity(size_t index)
{
	return json_object_array_get_idx(fake.entities, index);
}

const char *fake_cluster(struct json_object *entity, const char *task)
{
	struct json_object *document = json_object_new_object();
	const char *urn = arena_printf(&fake.arena, FAKE_ENTITY "%08zu-0000-4000-8000-000000000000",
		json_object_array_length(fake.entities) + 1);

	json_set_str(document, "id", urn);
	json_set_str(document, "name", "lab7");
	json_set_str(document, "entityType", ENTITY_TYPE);
	json_set_str(document, "externalId", "https://vcd/api/vApp/vapp-v1");
	json_set_str(document, "state", "RESOLVED");
	json_set_str(document, "owner.name", "alice");
	json_set_str(document, "owner.id", FAKE_USER);
	json_set_str(document, "org.name", "tenant1");
	json_set_str(document, "org.id", FAKE_ORG);
	json_set(document, "entity", entity);
	json_set_str(document, "entity.status.task_href", task);
	json_object_array_add(fake.entities, document);
	return urn;
}

/* Notes one call of `requests` HTTP requests; true when it must fail. */
static bool note(const char *name, size_t requests, bool write, struct error *err)
{
	if (fake.call_count < FAKE_CALLS)
		fake.calls[fake.call_count++] = name;
	fake.requests += requests;
	fake.writes += write;
	if (!fake.fail || !str_eq(fake.fail, name))
		return false;
	fake.fail = NULL;
	error_set(err, fake.fail_code, "%s failed", name);
	return true;
}
#define READ(name, requests)                                                                       \
	do {                                                                                       \
		if (note(name, requests, false, err))                                              \
			return -1;                                                                 \
	} while (0)
/* A write may fail before or after its effect. */
#define WRITE(name, requests)                                                                      \
	bool failed_ = note(name, requests, true, err);                                            \
	if (failed_ && !fake.fail_after)                                                           \
	return -1
#define WRITTEN return failed_ ? -1 : 0

void vcd_begin(struct vcd *vcd, struct arena *arena, int64_t end_ms, int64_t mutate_until_ms)
{
	(void)vcd, (void)arena, (void)end_ms, (void)mutate_until_ms;
}

int vcd_calls(const struct vcd *vcd)
{
	(void)vcd;
	return (int)fake.requests;
}

int64_t vcd_now_ms(const struct vcd *vcd)
{
	(void)vcd;
	return 1606122000000;
}

const char *vcd_href(struct vcd *vcd, const char *path_fmt, ...)
{
	va_list args;
	char path[200];

	(void)vcd;
	va_start(args, path_fmt);
	vsnprintf(path, sizeof(path), path_fmt, args);
	va_end(args);
	return arena_printf(&fake.arena, "https://vcd%s", path);
}

int vcd_json(struct vcd *vcd, struct vcd_as as, const char *method, const char *path,
	struct json_object *body, const char *what, struct vcd_answer *answer,
	struct json_object **out, struct error *err)
{
	(void)vcd, (void)as, (void)method, (void)path, (void)body, (void)what, (void)answer;
	READ("grants", 1);
	*out = json_tokener_parse("{\"values\":[]}");
	if (fake.grant) {
		struct json_object *grant = json_object_new_object();

		json_set_str(grant, "accessLevelId", "urn:vcloud:accessLevel:FullControl");
		json_set_str(grant, "memberId", fake.grant);
		json_object_array_add(json_at(*out, "values"), grant);
	}
	return 0;
}

int vcd_session_current(
	struct vcd *vcd, struct vcd_as as, struct vcd_session *out, struct error *err)
{
	static const char *roles[] = {"urn:vcloud:role:1"};

	(void)vcd, (void)as;
	READ("session", 1);
	*out = (struct vcd_session){.user_urn = fake.user,
		.user_name = "alice",
		.org_urn = fake.org,
		.org_name = fake.org_name,
		.role_urns = roles,
		.role_count = 1};
	return 0;
}

int vcd_role_rights(struct vcd *vcd, const char *role_urn, const char ***names, size_t *count,
	struct error *err)
{
	(void)vcd, (void)role_urn;
	READ("rights", 1);
	*names = arena_alloc(&fake.arena, sizeof(fake.rights));
	for (*count = 0; fake.rights[*count]; (*count)++)
		(*names)[*count] = fake.rights[*count];
	return 0;
}

int vcd_org_find(
	struct vcd *vcd, struct vcd_as as, const char *name, const char **uuid, struct error *err)
{
	(void)vcd, (void)as;
	READ("org", 1);
	if (!str_eq(name, "tenant1"))
		return error_set(err, ERR_GONE, "organization '%s' not found", name);
	*uuid = str_urn_uuid(FAKE_ORG);
	return 0;
}

int vcd_vdc_find(struct vcd *vcd, struct vcd_as as, const char *name, const char *org_uuid,
	bool as_admin, struct vcd_vdc *out, struct error *err)
{
	static struct vcd_ref networks[] = {{"net", "https://vcd/api/network/n1", ""}};
	static struct vcd_ref profiles[] = {{"gold", "https://vcd/api/vdcStorageProfile/p1", ""}};

	(void)vcd, (void)as, (void)org_uuid, (void)as_admin;
	READ("vdc", 2);
	if (!str_eq(name, "vdc-a"))
		return error_set(err, ERR_GONE, "VDC '%s' not found", name);
	*out = (struct vcd_vdc){.uuid = "d1",
		.urn = "urn:vcloud:vdc:d1",
		.name = "vdc-a",
		.networks = networks,
		.network_count = 1,
		.storage_profiles = profiles,
		.storage_profile_count = 1,
		.enabled = true};
	return 0;
}

int vcd_vdc_sizing_policies(struct vcd *vcd, struct vcd_as as, const char *vdc_urn,
	struct vcd_ref **out, size_t *count, struct error *err)
{
	static struct vcd_ref policies[] = {{"small", "h1", "i1"}, {"large", "h2", "i2"},
		{"twin", "h3", "i3"}, {"twin", "h4", "i4"}};

	(void)vcd, (void)as, (void)vdc_urn;
	READ("sizing", 1);
	*out = policies;
	*count = ARRAY_LEN(policies);
	return 0;
}

int vcd_metadata_get(struct vcd *vcd, const char *href, struct vcd_metadata **out, size_t *count,
	struct error *err)
{
	const char *const template[][2] = {{"name", "T"}, {"revision", "1"}, {"kind", "TKGm"},
		{"os", "ubuntu"}, {"kubernetes", "TKGm"}, {"kubernetes_version", "1.20"},
		{"cni", "antrea"}, {"cni_version", "0.11"}, {"cse_prepared", fake.prepared}};
	const char *const marks[][2] = {{"cse.cluster.id", fake.marked}, {"cse.deployment", "test"},
		{"cse.edge", "urn:vcloud:gateway:g1"}, {"cse.vdc", fake.marked_vdc}};
	bool item = strstr(href, "catalogItem");

	(void)vcd;
	READ("metadata", 1);
	*count = item ? ARRAY_LEN(template) : ARRAY_LEN(marks);
	*out = arena_alloc(&fake.arena, *count * sizeof(**out));
	for (size_t i = 0; i < *count; i++)
		(*out)[i] = (struct vcd_metadata){.domain = "SYSTEM",
			.key = item ? template[i][0] : marks[i][0],
			.value = item ? template[i][1] : marks[i][1]};
	return 0;
}

int vcd_catalog_items(struct vcd *vcd, const char *org, const char *catalog, struct vcd_ref **out,
	size_t *count, struct error *err)
{
	static struct vcd_ref items[] = {{"T_rev1", "https://vcd/api/catalogItem/c1", ""}};

	(void)vcd, (void)org, (void)catalog;
	READ("catalog", 2);
	*out = items;
	*count = 1;
	return 0;
}

int vcd_template_get(
	struct vcd *vcd, const char *item_href, struct vcd_template *out, struct error *err)
{
	(void)vcd, (void)item_href;
	READ("template", 2);
	*out = (struct vcd_template){.vm = {"t", "https://vcd/api/vAppTemplate/vm-t", ""}};
	return 0;
}

int vcd_network_find(struct vcd *vcd, struct vcd_as as, const char *vdc_urn, const char *name,
	struct vcd_network *out, struct error *err)
{
	(void)vcd, (void)as, (void)vdc_urn;
	READ("network", 1);
	if (!str_eq(name, "net"))
		return error_set(err, ERR_GONE, "network '%s' not found", name);
	*out = (struct vcd_network){.urn = "urn:vcloud:network:n1",
		.name = "net",
		.type = fake.network_type,
		.edge_urn = "urn:vcloud:gateway:g1",
		.has_static_pool = fake.static_pool,
		.free_addresses = fake.free_addresses};
	return 0;
}

int vcd_edge_get(
	struct vcd *vcd, struct vcd_as as, const char *urn, struct vcd_edge *out, struct error *err)
{
	static struct vcd_ip_range range = {10, 19};

	(void)vcd, (void)as;
	READ("edge", 1);
	*out = (struct vcd_edge){
		.urn = urn, .name = "edge1", .nsxt = fake.nsxt, .ranges = &range, .range_count = 1};
	return 0;
}

int vcd_edge_used(struct vcd *vcd, struct vcd_as as, const char *urn, uint32_t **out, size_t *count,
	struct error *err)
{
	(void)vcd, (void)as, (void)urn;
	READ("used", 1);
	*count = fake.used_last - 9;
	*out = arena_alloc(&fake.arena, *count * sizeof(**out));
	for (uint32_t i = 0; i < *count; i++)
		(*out)[i] = 10 + i;
	return 0;
}

int vcd_nat_list(struct vcd *vcd, struct vcd_as as, const char *edge_urn, struct vcd_nat_rule **out,
	size_t *count, struct error *err)
{
	(void)vcd, (void)as, (void)edge_urn;
	READ("rules", 1);
	*out = arena_alloc(&fake.arena, sizeof(**out));
	(*out)[0] = (struct vcd_nat_rule){.id = "r1",
		.name = arena_printf(&fake.arena, "lab7_%s_expose_dnat", fake.marked),
		.external = "203.0.113.9",
		.internal = "192.168.0.10"};
	*count = 1;
	return 0;
}

bool ip4_parse(const char *text, uint32_t *out)
{
	*out = 0;
	return strchr(text, '.') != NULL;
}

bool task_is_final(const struct vcd_task *task)
{
	return task->status != TASK_RUNNING && task->status != TASK_QUEUED;
}

static void task_write(struct vcd_task *task, const struct vcd_task_write *write)
{
	task->status = write->status;
	task->operation = arena_strdup(&fake.arena, write->operation);
	task->details = arena_strdup(&fake.arena, write->details);
	task->error_message = arena_strdup(&fake.arena, write->error_message);
}

int vcd_task_create(struct vcd *vcd, const char *org_uuid, const char *org_name,
	const char *user_uuid, const char *user_name, const struct vcd_task_write *write,
	struct vcd_task *out, struct error *err)
{
	struct vcd_task *task = &fake.tasks[fake.task_count];

	(void)vcd, (void)org_name, (void)user_uuid, (void)user_name;
	WRITE("task_create", 1);
	fake.task_count++;
	task->uuid =
		arena_printf(&fake.arena, "%08zu-aaaa-4000-8000-000000000000", fake.task_count);
	task->href = arena_printf(&fake.arena, "https://vcd/api/task/%s", task->uuid);
	task->owner_href = arena_printf(&fake.arena, "https://vcd/api/org/%s", org_uuid);
	task_write(task, write);
	if (fake.race)
		json_set_str(fake_entity(0), "entity.status.task_href", fake.race);
	fake.race = NULL;
	*out = *task;
	WRITTEN;
}

int vcd_task_get(struct vcd *vcd, const char *uuid, struct vcd_task *out, struct error *err)
{
	const struct vcd_task *task = fake_task(uuid);

	(void)vcd;
	READ("task_get", 1);
	if (!task)
		return error_set(err, ERR_GONE, "task %s not found", uuid);
	*out = *task;
	return 0;
}

int vcd_task_put(struct vcd *vcd, const struct vcd_task *read, const struct vcd_task_write *write,
	struct vcd_task *out, struct error *err)
{
	struct vcd_task *task = fake_task(read->uuid);

	(void)vcd;
	WRITE("task_put", 1);
	task_write(task, write);
	if (out)
		*out = *task;
	WRITTEN;
}

int vcd_entity_create(struct vcd *vcd, struct vcd_as as, const char *name, const char *external_id,
	struct json_object *entity, const char **urn, struct error *err)
{
	struct json_object *document;

	(void)vcd, (void)as;
	WRITE("entity_create", 2);
	*urn = fake_cluster(json_copy(entity), json_str(entity, "status.task_href", NULL));
	document = fake_entity(json_object_array_length(fake.entities) - 1);
	json_set_str(document, "name", name);
	json_set_str(document, "externalId", external_id);
	json_set_str(document, "state", "PRE_CREATED");
	if (failed_)
		*urn = NULL;
	WRITTEN;
}

static struct json_object *entity_by_urn(const char *urn, size_t *index)
{
	for (size_t i = 0; i < json_object_array_length(fake.entities); i++) {
		*index = i;
		if (str_eq(json_str(fake_entity(i), "id", ""), urn))
			return fake_entity(i);
	}
	return NULL;
}

int vcd_entity_get(struct vcd *vcd, struct vcd_as as, const char *urn, struct json_object **out,
	struct error *err)
{
	size_t index;
	struct json_object *found = entity_by_urn(urn, &index);

	(void)vcd, (void)as;
	READ("entity_get", 1);
	if (!found)
		return error_set(err, ERR_GONE, "no access to entity");
	*out = json_copy(found);
	return 0;
}

int vcd_entity_put(
	struct vcd *vcd, struct vcd_as as, struct json_object **document, struct error *err)
{
	size_t index;

	(void)vcd, (void)as;
	WRITE("entity_put", 1);
	if (!entity_by_urn(json_str(*document, "id", ""), &index))
		return error_set(err, ERR_GONE, "no access to entity");
	json_object_array_put_idx(fake.entities, index, json_copy(*document));
	WRITTEN;
}

int vcd_entity_resolve(struct vcd *vcd, struct vcd_as as, const char *urn, struct error *err)
{
	size_t index;

	(void)vcd, (void)as;
	WRITE("entity_resolve", 1);
	if (entity_by_urn(urn, &index))
		json_set_str(fake_entity(index), "state", "RESOLVED");
	WRITTEN;
}

int vcd_entity_delete(struct vcd *vcd, struct vcd_as as, const char *urn, struct error *err)
{
	size_t index;

	(void)vcd, (void)as;
	WRITE("entity_delete", 1);
	if (!entity_by_urn(urn, &index))
		return error_set(err, ERR_GONE, "no access to entity");
	if (!str_eq(json_str(fake_entity(index), "state", ""), "RESOLVED"))
		return error_set(err, ERR_INVALID, "the entity is not resolved");
	json_object_array_del_idx(fake.entities, index, 1);
	WRITTEN;
}

int vcd_entity_find(struct vcd *vcd, struct vcd_as as, const char *key, const char *value,
	struct json_object **values, struct error *err)
{
	(void)vcd, (void)as;
	READ("entity_find", 1);
	*values = json_object_new_array();
	for (size_t i = 0; i < json_object_array_length(fake.entities); i++)
		if (str_eq(json_str(fake_entity(i), key, NULL), value))
			json_object_array_add(*values, json_copy(fake_entity(i)));
	return 0;
}

int vcd_vapp_find(struct vcd *vcd, struct vcd_as as, bool as_admin, const char *vdc_uuid,
	const char *name, const char **uuid, struct error *err)
{
	(void)vcd, (void)as, (void)as_admin, (void)name;
	READ("vapp_find", 1);
	*uuid = fake.vapp && str_eq(vdc_uuid, "d1") ? "v1" : "";
	return 0;
}

int vcd_vapp_get(struct vcd *vcd, struct vcd_as as, const char *uuid, struct vcd_vapp *out,
	struct error *err)
{
	static struct vcd_vm vm = {.name = "mstr-ab12", .ip = "192.168.0.10"};

	(void)vcd, (void)as;
	READ("vapp_get", 1);
	if (!fake.vapp || !str_eq(uuid, "v1"))
		return error_set(err, ERR_GONE, "vApp %s not found", uuid);
	vm.extra = fake.extra;
	vm.extra_count = fake.extra_count;
	*out = (struct vcd_vapp){.uuid = "v1",
		.href = "https://vcd/api/vApp/vapp-v1",
		.name = "lab7",
		.description = fake.vapp_description,
		.vms = &vm,
		.vm_count = 1};
	return 0;
}

void vcd_vapp_release(struct vcd_vapp *vapp)
{
	(void)vapp;
}

const char *vcd_vm_extra(const struct vcd_vm *vm, const char *key)
{
	for (size_t i = 0; i < vm->extra_count; i++)
		if (str_eq(vm->extra[i].key, key))
			return vm->extra[i].value;
	return NULL;
}

/* Another cluster of the name, made by somebody else at this moment. */
static void add_rival(void)
{
	size_t index = json_object_array_length(fake.entities);

	if (!fake.rival)
		return;
	fake_cluster(json_copy(json_at(fake_entity(0), "entity")), "https://vcd/api/task/rival");
	json_set_str(fake_entity(index), "id", fake.rival);
	json_set_str(fake_entity(index), "externalId", fake.rival_external);
}

int vcd_compose(struct vcd *vcd, struct vcd_as as, const char *vdc_uuid,
	const struct vcd_compose *spec, const char **uuid, const char **task, struct error *err)
{
	(void)vcd, (void)as, (void)vdc_uuid;
	WRITE("compose", 1);
	if (fake.vapp)
		return error_set(err, ERR_CONFLICT, "the vApp exists");
	add_rival();
	fake.vapp = true;
	fake.vapp_description = arena_strdup(&fake.arena, spec->description);
	fake.vapp_vms = spec->vm_count;
	*uuid = "v1";
	*task = "https://vcd/api/task/t";
	WRITTEN;
}

int vcd_vapp_delete(
	struct vcd *vcd, struct vcd_as as, const char *uuid, const char **task, struct error *err)
{
	(void)vcd, (void)as, (void)uuid;
	WRITE("vapp_delete", 1);
	if (fake.cloning)
		return error_set(err, ERR_BUSY, "the vApp is busy");
	fake.vapp = false;
	*task = "";
	WRITTEN;
}

int operation_publish(struct bus *bus, const struct config *config, struct arena *arena,
	const struct operation_message *message, int64_t delay_ms, struct error *err)
{
	(void)bus, (void)config, (void)arena, (void)message, (void)delay_ms;
	WRITE("publish", 0);
	fake.published++;
	WRITTEN;
}
