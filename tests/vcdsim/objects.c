/* SPDX-License-Identifier: MIT */
#include "tests/vcdsim/objects.h"

#include "common/json.h"
#include "common/str.h"
#include "tests/vcdsim/guests.h"

#include <stdlib.h>
#include <string.h>

void metadata_free(struct sim_metadata **list)
{
	while (*list != NULL) {
		struct sim_metadata *gone = *list;

		*list = gone->next;
		free(gone);
	}
}

static void task_forget(struct sim *sim, const void *object)
{
	for (struct sim_task *task = sim->tasks; task != NULL; task = task->next) {
		if (task->object == object)
			task->object = NULL;
	}
}

void vm_free(struct sim *sim, struct sim_vm *vm)
{
	struct sim_vm **at = &vm->vapp->vms;

	if (sim->guests != NULL) /* the end of the program stops the guests first */
		guest_destroy(sim, vm);
	while (*at != vm)
		at = &(*at)->next;
	*at = vm->next;
	extra_free(vm);
	task_forget(sim, vm);
	free(vm);
}

void vapp_free(struct sim *sim, struct sim_vapp *vapp)
{
	struct sim_vapp **at = &sim->vapps;

	while (vapp->vms != NULL)
		vm_free(sim, vapp->vms);
	while (*at != vapp)
		at = &(*at)->next;
	*at = vapp->next;
	metadata_free(&vapp->metadata);
	task_forget(sim, vapp);
	free(vapp);
}

struct json_object *find_network(struct sim *sim, const char *uuid)
{
	for (size_t i = 0; i < json_object_array_length(sim->networks); i++) {
		struct json_object *network = json_object_array_get_idx(sim->networks, i);

		if (str_eq(str_urn_uuid(json_str(network, "id", "")), uuid))
			return network;
	}
	return NULL;
}

struct sim_template *find_template_vm(struct sim *sim, const char *vm_uuid)
{
	struct sim_template *template = sim->templates;

	while (template != NULL && !str_eq(template->vm_uuid, vm_uuid))
		template = template->next;
	return template;
}

/* A tenant's user sees what it owns; the org's administrator sees all of the org. */
bool session_sees_vapp(const struct sim_session *session, const struct sim_vapp *vapp)
{
	if (session_is_system(session) || session->user == vapp->owner)
		return true;
	return session->user->org == vapp->vdc->org &&
	       str_eq(session->user->role, "Organization Administrator");
}

bool session_sees_extra(const struct sim_session *session)
{
	static const char *const rights[] = {"vApp: Allow All Extra Config",
		"vApp: Preserve All ExtraConfig Elements During OVF Import and Export"};

	for (size_t i = 0; i < ARRAY_LEN(rights); i++) {
		if (session_has_right(session, rights[i]))
			return true;
	}
	return false;
}

struct sim_vapp *vapp_for(
	struct sim *sim, const struct sim_request *req, struct sim_reply *reply, bool must_be_free)
{
	struct sim_vapp *vapp = find_vapp(sim, req->tokens[0]);

	if (vapp == NULL || !session_sees_vapp(req->session, vapp)) {
		reply_no_access(req, reply, "vapp", req->tokens[0]);
		return NULL;
	}
	if (must_be_free && reply_if_busy(sim, req, reply, "vapp", vapp->uuid))
		return NULL;
	return vapp;
}

struct sim_vm *vm_for(
	struct sim *sim, const struct sim_request *req, struct sim_reply *reply, bool must_be_free)
{
	struct sim_vm *vm = find_vm(sim, req->tokens[0]);

	if (vm == NULL || !session_sees_vapp(req->session, vm->vapp)) {
		reply_no_access(req, reply, "vm", req->tokens[0]);
		return NULL;
	}
	if (must_be_free && (reply_if_busy(sim, req, reply, "vm", vm->uuid) ||
				    reply_if_busy(sim, req, reply, "vapp", vm->vapp->uuid)))
		return NULL;
	return vm;
}

struct sim_task *vapp_task(struct sim *sim, const struct sim_request *req, struct sim_vapp *vapp,
	struct sim_vm *vm, const char *operation_name, const char *operation, int64_t delay_ms,
	void (*done)(struct sim *, struct sim_task *), void *object)
{
	struct sim_task *task =
		task_start(sim, req->session, operation_name, operation, delay_ms, done, object);

	task->org = vapp->vdc->org;
	task->locks[0] = keep(sim, vapp->uuid);
	if (vm != NULL) {
		task->locks[1] = keep(sim, vm->uuid);
		task->owner_href = keepf(sim, "%s/api/vApp/vm-%s", sim_base_url(sim), vm->uuid);
		task->owner_type = "application/vnd.vmware.vcloud.vm+xml";
		task->owner_name = vm->name;
		task->owner_id = keepf(sim, "urn:vcloud:vm:%s", vm->uuid);
	} else {
		task->owner_href = keepf(sim, "%s/api/vApp/vapp-%s", sim_base_url(sim), vapp->uuid);
		task->owner_type = "application/vnd.vmware.vcloud.vApp+xml";
		task->owner_name = vapp->name;
		task->owner_id = keepf(sim, "urn:vcloud:vapp:%s", vapp->uuid);
	}
	vapp->task = task;
	return task;
}
