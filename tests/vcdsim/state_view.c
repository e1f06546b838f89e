/* SPDX-License-Identifier: MIT */
/*
 * What the admin port shows. "Leaves nothing behind" is judged by comparing two such texts, so they
 * are sorted and hold nothing that only passes: no finished tasks, times or shared port profiles.
 */
#include "common/clock.h"
#include "common/json.h"
#include "common/str.h"
#include "tests/vcdsim/admin.h"
#include "tests/vcdsim/edge.h"
#include "tests/vcdsim/guests.h"
#include "tests/vcdsim/objects.h"
#include "tests/vcdsim/render.h"

#include <string.h>

static int compare_texts(const void *a, const void *b)
{
	struct json_object *const *left = a, *const *right = b;

	return strcmp(json_object_to_json_string(*left), json_object_to_json_string(*right));
}

static struct json_object *sorted(struct json_object *array)
{
	json_object_array_sort(array, compare_texts);
	return array;
}

static struct json_object *view_metadata(const struct sim_vapp *vapp)
{
	struct json_object *out = json_object_new_object();

	for (const struct sim_metadata *entry = vapp->metadata; entry != NULL; entry = entry->next)
		json_object_object_add(
			out, entry->key, json_object_new_string(str_or(entry->value, "")));
	return out;
}

static struct json_object *view_vm(const struct sim_vm *vm)
{
	struct json_object *out = json_object_new_object(), *keys = json_object_new_array();

	json_set_str(out, "name", vm->name);
	json_set_str(out, "id", vm->uuid);
	json_set_str(out, "vapp", vm->vapp->name);
	json_set_str(out, "status", status_word((int)vm->status));
	json_set_bool(out, "deployed", vm->deployed);
	json_set_str(out, "ip", vm->ip);
	for (const struct sim_extra *extra = vm->extra; extra != NULL; extra = extra->next)
		json_object_array_add(keys, json_object_new_string(extra->key));
	json_set(out, "extra_keys", sorted(keys));
	return out;
}

static struct json_object *view_vapp(const struct sim_vapp *vapp)
{
	struct json_object *out = json_object_new_object();

	json_set_str(out, "name", vapp->name);
	json_set_str(out, "id", vapp->uuid);
	json_set_str(out, "vdc", vapp->vdc->name);
	json_set_str(out, "owner", vapp->owner->name);
	json_set_str(out, "description", vapp->description);
	json_set_str(out, "status", status_word(vapp_status_now(vapp)));
	json_set_int(out, "lease_deploy_s", vapp->lease_deploy_s);
	json_set_int(out, "lease_storage_s", vapp->lease_storage_s);
	json_set(out, "metadata", view_metadata(vapp));
	return out;
}

static void view_machines(struct sim *sim, struct json_object *out)
{
	struct json_object *vapps = json_object_new_array(), *vms = json_object_new_array();
	struct json_object *addresses = json_object_new_array();

	for (const struct sim_vapp *vapp = sim->vapps; vapp != NULL; vapp = vapp->next) {
		json_object_array_add(vapps, view_vapp(vapp));
		for (const struct sim_vm *vm = vapp->vms; vm != NULL; vm = vm->next) {
			json_object_array_add(vms, view_vm(vm));
			if (vm->ip[0] != '\0')
				json_object_array_add(addresses, json_object_new_string(vm->ip));
		}
	}
	json_set(out, "vapps", sorted(vapps));
	json_set(out, "vms", sorted(vms));
	json_set(out, "pool_addresses", sorted(addresses));
}

static struct json_object *used_addresses(struct sim *sim)
{
	struct json_object *out = json_object_new_array();

	for (size_t i = 0; i < json_object_array_length(sim->edges); i++) {
		struct json_object *used = edge_used(sim, json_object_array_get_idx(sim->edges, i));

		for (size_t j = 0; j < json_object_array_length(used); j++)
			json_object_array_add(out, json_copy(json_object_array_get_idx(used, j)));
		json_object_put(used);
	}
	return sorted(out);
}

static void view_tasks_and_locks(struct sim *sim, struct json_object *out)
{
	struct json_object *running = json_object_new_array(), *locks = json_object_new_array();

	for (const struct sim_task *task = sim->tasks; task != NULL; task = task->next) {
		if (task_is_final(task))
			continue;
		json_object_array_add(running, json_object_new_string(task->uuid));
		for (size_t i = 0; !task->external && i < ARRAY_LEN(task->locks); i++) {
			if (task->locks[i] != NULL)
				json_object_array_add(
					locks, json_object_new_string(task->locks[i]));
		}
	}
	json_set(out, "running_tasks", sorted(running));
	json_set(out, "locks", sorted(locks));
}

struct json_object *state_view(struct sim *sim)
{
	struct json_object *out = json_object_new_object();

	view_machines(sim, out);
	json_set(out, "entities", sorted(json_copy(sim->entities)));
	json_set(out, "nat_rules", sorted(json_copy(sim->nat_rules)));
	json_set(out, "used_addresses", used_addresses(sim));
	view_tasks_and_locks(sim, out);
	json_set_int(out, "guest_processes", guests_process_count(sim));
	json_set_int(out, "relay_sockets", relay_socket_count(sim));
	return out;
}

static void set_time(struct json_object *out, const char *name, int64_t wall_ms)
{
	char text[CLOCK_ISO_SIZE];

	if (wall_ms == 0)
		return;
	clock_iso(text, wall_ms);
	json_set_str(out, name, text);
}

struct json_object *tasks_view(struct sim *sim)
{
	struct json_object *all = json_object_new_array();

	for (const struct sim_task *task = sim->tasks; task != NULL; task = task->next) {
		struct json_object *out = json_object_new_object();

		json_set_str(out, "id", task->uuid);
		json_set_str(out, "operationName", task->operation_name);
		json_set_str(out, "operation", task->operation);
		json_set_str(out, "serviceNamespace", task->service_namespace);
		json_set_str(out, "status", task->status);
		json_set_str(out, "details", task->details);
		json_set_str(out, "owner", task->owner_name);
		json_set_str(out, "org", task->org == NULL ? NULL : task->org->name);
		json_set_str(out, "error", task->error_message);
		json_set_int(out, "progress", task->progress);
		json_set_bool(out, "external", task->external);
		set_time(out, "started", task->started_wall_ms);
		set_time(out, "ended", task->ended_wall_ms);
		json_object_array_add(all, out);
	}
	return all;
}
