/* SPDX-License-Identifier: MIT */
#include "tests/unit/fake_note.h"

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

void fake_meet(bool after)
{
	void (*meet)(void) = fake.meet;

	if (!meet || fake.call_count != fake.meet_at || fake.meet_after != after)
		return;
	fake.meet = NULL;
	meet();
}

bool fake_note(const char *name, size_t requests, bool write, struct error *err)
{
	if (fake.call_count < FAKE_CALLS)
		fake.calls[fake.call_count++] = name;
	fake_meet(false);
	if (fake.dead) {
		error_set(err, ERR_TRANSIENT, "the worker is dead");
		return true;
	}
	fake.requests += requests;
	fake.writes += write;
	if (!fake.fail || !str_eq(fake.fail, name))
		return false;
	if (fake.fail_skip) {
		fake.fail_skip--;
		return false;
	}
	if (fake.fail_more)
		fake.fail_more--;
	else
		fake.fail = NULL;
	fake.dead = fake.dies;
	error_set(err, fake.fail_code, "%s failed", name);
	return true;
}
bool bus_is_dead(const struct bus *bus)
{
	(void)bus;
	return fake.bus_dead || fake.dead;
}

void vcd_begin(struct vcd *vcd, struct arena *arena, int64_t end_ms, int64_t mutate_until_ms)
{
	(void)vcd, (void)arena, (void)end_ms, (void)mutate_until_ms;
}

bool vcd_sleep(struct vcd *vcd, int64_t ms)
{
	(void)vcd, (void)ms;
	return !fake.dead;
}

int vcd_calls(const struct vcd *vcd)
{
	(void)vcd;
	return (int)fake.requests;
}

bool vcd_in_doubt(const struct vcd *vcd)
{
	(void)vcd;
	return fake.in_doubt;
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

/* One page: grants of others, then that of fake.grant. */
static struct json_object *grants_page(const char *path)
{
	enum { SIZE = 128 };
	size_t number = strtoul(strstr(path, "page=") + strlen("page="), NULL, 10);
	size_t total = fake.grants_before + (fake.grant != NULL);
	struct json_object *page = json_tokener_parse("{\"values\":[]}");

	json_set_int(page, "pageCount", (int64_t)((total + SIZE - 1) / SIZE));
	for (size_t i = (number - 1) * SIZE; i < total && i < number * SIZE; i++) {
		struct json_object *grant = json_object_new_object();

		json_set_str(grant, "accessLevelId", "urn:vcloud:accessLevel:FullControl");
		json_set_str(grant, "memberId",
			i < fake.grants_before ? "urn:vcloud:user:other" : fake.grant);
		json_object_array_add(json_at(page, "values"), grant);
	}
	return page;
}

int vcd_json(struct vcd *vcd, struct vcd_as as, const char *method, const char *path,
	struct json_object *body, const char *what, struct vcd_answer *answer,
	struct json_object **out, struct error *err)
{
	(void)vcd, (void)as, (void)method, (void)body, (void)what, (void)answer;
	READ("grants", 1);
	*out = grants_page(path);
	return 0;
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
	(void)vcd, (void)org_name, (void)user_uuid, (void)user_name;
	WRITE("task_create", 1);
	struct vcd_task *task = &fake.tasks[fake.task_count++];
	task->uuid =
		arena_printf(&fake.arena, "%08zu-aaaa-4000-8000-000000000000", fake.task_count);
	task->href = arena_printf(&fake.arena, "https://vcd/api/task/%s", task->uuid);
	task->owner_href = arena_printf(&fake.arena, "https://vcd/api/org/%s", org_uuid);
	task->start_ms = 1000 + (int64_t)fake.task_count;
	task_write(task, write);
	if (fake.race)
		json_set_str(fake_entity(0), "entity.status.task_href", fake.race);
	fake.race = NULL;
	if (!failed_)
		*out = *task;
	WRITTEN;
}

int vcd_task_get(struct vcd *vcd, const char *uuid, struct vcd_task *out, struct error *err)
{
	const struct vcd_task *task;

	(void)vcd;
	READ("task_get", 1);
	task = fake_task(uuid);
	if (!task)
		return error_set(err, ERR_GONE, "task %s not found", uuid);
	*out = *task;
	return 0;
}

int vcd_task_newest(struct vcd *vcd, struct vcd_task_ref **out, size_t *count, struct error *err)
{
	(void)vcd;
	READ("tasks", 1);
	*out = arena_alloc(&fake.arena, FAKE_TASKS * sizeof(**out));
	*count = 0;
	for (size_t i = fake.task_count; i-- > 0;)
		if (!task_is_final(&fake.tasks[i]))
			(*out)[(*count)++] = (struct vcd_task_ref){.uuid = fake.tasks[i].uuid,
				.operation = fake.tasks[i].operation,
				.start_ms = fake.tasks[i].start_ms};
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
	struct json_object *found;
	size_t index;

	(void)vcd, (void)as;
	READ("entity_get", 1);
	found = entity_by_urn(urn, &index);
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

static void remove_rival(void)
{
	size_t index;

	if (entity_by_urn(fake.rival, &index))
		json_object_array_del_idx(fake.entities, index, 1);
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
	if (fake.rival_goes)
		remove_rival();
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
		.owner_urn = fake.user,
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
	json_set_str(fake_entity(index), "entity.metadata.ovdc_name", fake.rival_vdc);
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
