/* SPDX-License-Identifier: MIT */
/* Making vApps and VMs: what is refused at once, and what fails later in the task. */
#include "common/json.h"
#include "common/mem.h"
#include "common/str.h"
#include "tests/vcdsim/body.h"
#include "tests/vcdsim/calls.h"
#include "tests/vcdsim/guests.h"
#include "tests/vcdsim/legacy.h"
#include "tests/vcdsim/objects.h"
#include "tests/vcdsim/render.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_MAX_LEN = 128, DESCRIPTION_MAX_LEN = 256, LEASE_DEFAULT_S = 604800, DELETE_MAX = 256 };

/* What the end of a compose or recompose does; lives in the simulator's kept memory. */
struct compose_plan {
	struct sim_vapp *vapp;
	bool power_on;
	struct sim_vm *gone[DELETE_MAX]; /* VMs to delete, NULL at the end */
};

/* The bare id of a reference: the last segment without its vapp-, vm- or vappTemplate- start. */
static const char *reference_id(struct arena *arena, const struct xml_node *node)
{
	static const char *const starts[] = {"vapp-", "vm-", "vappTemplate-"};
	const char *href = xml_attr(arena, node, "href");
	const char *id = str_last_segment(str_or(href, ""));

	for (size_t i = 0; i < ARRAY_LEN(starts); i++) {
		if (str_starts(id, starts[i]))
			return id + strlen(starts[i]);
	}
	return id;
}

static bool refuse(
	const struct sim_request *req, struct sim_reply *reply, const char *minor, const char *text)
{
	reply_error(req, reply, 400, minor, "%s", text);
	return false;
}

/* deploy and powerOn are true when they are not there. */
static bool wants_power(struct arena *arena, const struct xml_node *root)
{
	return !str_eq(xml_attr(arena, root, "powerOn"), "false") &&
	       !str_eq(xml_attr(arena, root, "deploy"), "false");
}

static bool read_network(struct sim *sim, const struct sim_request *req, struct sim_reply *reply,
	const struct xml_node *root, struct sim_vapp *vapp)
{
	const struct xml_node *config =
		xml_path(root, "InstantiationParams/NetworkConfigSection/NetworkConfig");
	const struct xml_node *parent = xml_path(config, "Configuration/ParentNetwork");

	if (config == NULL)
		return true;
	const char *name = xml_attr(&sim->kept, config, "networkName");
	const char *uuid = reference_id(req->arena, parent);
	struct json_object *network = find_network(sim, uuid);
	const char *owner = str_urn_uuid(json_str(network, "ownerRef.id", ""));

	if (network == NULL || !str_eq(owner, vapp->vdc->uuid)) {
		reply_no_access(req, reply, "network", uuid);
		return false;
	}
	if (!str_eq(json_str(network, "name", ""), name))
		return refuse(req, reply, "BAD_REQUEST",
			arena_printf(
				req->arena, "The VCD entity network \"%s\" does not exist.", name));
	if (xml_next(config, XML_VCLOUD, "NetworkConfig") != NULL)
		return refuse(req, reply, "BAD_REQUEST",
			"This simulator knows vApps of one network only.");
	vapp->network = name;
	snprintf(vapp->network_uuid, SIM_ID, "%s", uuid);
	return true;
}

static bool read_nic(struct sim *sim, const struct sim_request *req, struct sim_reply *reply,
	const struct xml_node *item, struct sim_vm *vm)
{
	const struct xml_node *nic =
		xml_path(item, "InstantiationParams/NetworkConnectionSection/NetworkConnection");
	const char *network = xml_attr(&sim->kept, nic, "network");
	const char *address = xml_text(req->arena, xml_child(nic, XML_VCLOUD, "IpAddress"));

	vm->ip_mode = "NONE";
	if (nic == NULL || str_eq(network, "none"))
		return true;
	if (!str_eq(network, vm->vapp->network))
		return refuse(req, reply, "BAD_REQUEST",
			arena_printf(req->arena, "The VCD entity network \"%s\" does not exist.",
				network));
	vm->network = network;
	vm->ip_mode = xml_text(&sim->kept, xml_child(nic, XML_VCLOUD, "IpAddressAllocationMode"));
	if (str_eq(vm->ip_mode, "MANUAL"))
		snprintf(vm->ip, sizeof(vm->ip), "%s", str_or(address, ""));
	return true;
}

static bool read_storage(struct sim *sim, const struct sim_request *req, struct sim_reply *reply,
	const struct xml_node *item, struct sim_vm *vm)
{
	const struct xml_node *given = xml_child(item, XML_VCLOUD, "StorageProfile");
	const char *uuid = reference_id(req->arena, given);
	struct json_object *profiles = vm->vapp->vdc->storage_profiles;

	(void)sim;
	if (given == NULL) {
		vm->storage_profile = json_str(json_object_array_get_idx(profiles, 0), "name", "");
		return true;
	}
	for (size_t i = 0; i < json_object_array_length(profiles); i++) {
		struct json_object *profile = json_object_array_get_idx(profiles, i);

		if (!str_eq(str_urn_uuid(json_str(profile, "id", "")), uuid))
			continue;
		vm->storage_profile = json_str(profile, "name", "");
		return true;
	}
	reply_no_access(req, reply, "vdcStorageProfile", uuid);
	return false;
}

static bool vm_name_is_taken(const struct sim_vapp *vapp, const char *name)
{
	for (const struct sim_vm *vm = vapp->vms; vm != NULL; vm = vm->next) {
		if (str_eq_ci(vm->name, name))
			return true;
	}
	return false;
}

/* Name, source and settings of a new VM; whatever is wrong is answered. */
static bool read_item(struct sim *sim, const struct sim_request *req, struct sim_reply *reply,
	const struct xml_node *item, struct sim_vm *vm)
{
	const struct xml_node *general = xml_child(item, XML_VCLOUD, "VmGeneralParams");
	const struct xml_node *source = xml_child(item, XML_VCLOUD, "Source");
	const struct xml_node *section =
		xml_path(item, "InstantiationParams/GuestCustomizationSection");
	const char *source_id = reference_id(req->arena, source);
	const struct xml_node *policy = xml_path(item, "ComputePolicy/VmSizingPolicy");

	vm->name = xml_text(&sim->kept, xml_child(general, XML_VCLOUD, "Name"));
	vm->template = find_template_vm(sim, source_id);
	if (vm->template == NULL) {
		reply_no_access(req, reply, "vm", source_id);
		return false;
	}
	if (str_empty(vm->name))
		vm->name = vm->template->name;
	if (strlen(vm->name) > NAME_MAX_LEN)
		return refuse(req, reply, "BAD_REQUEST", "The name of a VM is too long.");
	if (vm_name_is_taken(vm->vapp, vm->name))
		return refuse(req, reply, "BAD_REQUEST",
			arena_printf(req->arena, "There is already a VM named \"%s\".", vm->name));
	vm->computer_name = vm->name;
	vm->needs_customization = str_eq(
		xml_text(req->arena, xml_child(general, XML_VCLOUD, "NeedsCustomization")), "true");
	if (policy != NULL)
		vm->sizing_policy = keep(sim, reference_id(req->arena, policy));
	return read_nic(sim, req, reply, item, vm) && read_storage(sim, req, reply, item, vm) &&
	       (section == NULL || customization_read(sim, req, reply, section, vm));
}

static void append_vm(struct sim_vapp *vapp, struct sim_vm *vm)
{
	struct sim_vm **at = &vapp->vms;

	while (*at != NULL)
		at = &(*at)->next;
	*at = vm;
}

/* VMs that are still being made are dropped again when one of the call's items is refused. */
static void drop_unresolved(struct sim *sim, struct sim_vapp *vapp)
{
	struct sim_vm *vm = vapp->vms;

	while (vm != NULL) {
		struct sim_vm *next = vm->next;

		if (vm->status == VM_UNRESOLVED)
			vm_free(sim, vm);
		vm = next;
	}
}

static bool read_items(struct sim *sim, const struct sim_request *req, struct sim_reply *reply,
	const struct xml_node *root, struct sim_vapp *vapp)
{
	for (const struct xml_node *item = xml_child(root, XML_VCLOUD, "SourcedItem"); item != NULL;
		item = xml_next(item, XML_VCLOUD, "SourcedItem")) {
		struct sim_vm *vm = xcalloc(1, sizeof(*vm));

		vm->vapp = vapp;
		uuid_make(vm->uuid);
		if (!read_item(sim, req, reply, item, vm)) {
			free(vm);
			drop_unresolved(sim, vapp);
			return false;
		}
		append_vm(vapp, vm);
	}
	return true;
}

static bool has_policy(const struct sim_vdc *vdc, const char *policy)
{
	for (size_t i = 0; i < json_object_array_length(vdc->policies); i++) {
		if (str_eq(json_str(json_object_array_get_idx(vdc->policies, i), "id", ""), policy))
			return true;
	}
	return false;
}

/* One clone ends; false after the task was made to fail. */
static bool resolve_vm(struct sim *sim, struct sim_task *task, struct sim_vm *vm)
{
	const struct sim_vapp *vapp = vm->vapp;

	if (vm->sizing_policy != NULL && !has_policy(vapp->vdc, vm->sizing_policy)) {
		task_fail(task, "BAD_REQUEST",
			"The VM compute policy %s is not available in the organization VDC \"%s\". "
			"(throwPolicyNotAvailableException)",
			vm->sizing_policy, vapp->vdc->name);
		return false;
	}
	if (vm->network != NULL && str_eq(vm->ip_mode, "POOL") &&
		!pool_take(sim, vapp->network_uuid, vm->ip)) {
		task_fail(task, "BAD_REQUEST",
			"There are no more IP addresses available in the static IP pool of network "
			"\"%s\".",
			vm->network);
		return false;
	}
	vm->status = VM_POWERED_OFF;
	return true;
}

static void finish_compose(struct sim *sim, struct sim_task *task)
{
	const struct compose_plan *plan = task->object;
	struct sim_vapp *vapp = plan->vapp;
	bool good = task->ordered_error == NULL;

	for (size_t i = 0; good && plan->gone[i] != NULL; i++)
		vm_free(sim, plan->gone[i]);
	for (struct sim_vm *vm = vapp->vms; vm != NULL; vm = vm->next) {
		if (vm->status == VM_UNRESOLVED && good)
			good = resolve_vm(sim, task, vm);
	}
	if (vapp->status == 0)
		vapp->status = good ? 8 : -1;
	for (struct sim_vm *vm = vapp->vms; vm != NULL && good && plan->power_on; vm = vm->next)
		vm_start(sim, vm);
}

static struct sim_task *start_compose(struct sim *sim, const struct sim_request *req,
	struct sim_vapp *vapp, const struct xml_node *root, const char *name, const char *verb,
	struct compose_plan *plan)
{
	bool clones = xml_child(root, XML_VCLOUD, "SourcedItem") != NULL;
	int64_t delay_ms = clones ? sim->options.clone_ms : sim->options.task_ms;

	if (clones)
		path_add(sim, "clone", delay_ms);
	plan->vapp = vapp;
	plan->power_on = clones && wants_power(req->arena, root);
	struct sim_task *task = vapp_task(sim, req, vapp, NULL, name,
		arena_printf(
			req->arena, "%s Virtual Application %s(%s)", verb, vapp->name, vapp->uuid),
		delay_ms, finish_compose, plan);

	task->cleans_up = true;
	return task;
}

static bool check_name(struct sim *sim, const struct sim_request *req, struct sim_reply *reply,
	const struct sim_vdc *vdc, const char *name, const char *description)
{
	if (str_empty(name) || strlen(name) > NAME_MAX_LEN)
		return refuse(
			req, reply, "BAD_REQUEST", "A vApp needs a name of 1 to 128 characters.");
	if (description != NULL && strlen(description) > DESCRIPTION_MAX_LEN)
		return refuse(
			req, reply, "BAD_REQUEST", "A description is longer than 256 characters.");
	for (const struct sim_vapp *vapp = sim->vapps; vapp != NULL; vapp = vapp->next) {
		if (vapp->vdc == vdc && str_eq_ci(vapp->name, name))
			return refuse(req, reply, "DUPLICATE_NAME",
				arena_printf(
					req->arena, "The VCD entity %s already exists.", name));
	}
	return true;
}

static struct sim_vapp *new_vapp(struct sim *sim, const struct sim_request *req,
	struct sim_vdc *vdc, const struct xml_node *root)
{
	struct sim_vapp *vapp = xcalloc(1, sizeof(*vapp));

	uuid_make(vapp->uuid);
	vapp->name = xml_attr(&sim->kept, root, "name");
	vapp->description = xml_text(&sim->kept, xml_child(root, XML_VCLOUD, "Description"));
	vapp->vdc = vdc;
	vapp->owner = req->session->user;
	vapp->lease_deploy_s = vapp->lease_storage_s = LEASE_DEFAULT_S;
	vapp->next = sim->vapps;
	sim->vapps = vapp;
	return vapp;
}

static bool fill_vapp(struct sim *sim, const struct sim_request *req, struct sim_reply *reply,
	const struct xml_node *root, struct sim_vapp *vapp)
{
	const struct xml_node *lease = xml_path(root, "InstantiationParams/LeaseSettingsSection");

	if (!lease_read(req->arena, lease, vapp))
		return refuse(req, reply, "BAD_REQUEST", "A lease is a number of seconds.");
	return read_network(sim, req, reply, root, vapp) && read_items(sim, req, reply, root, vapp);
}

void compose_vapp(struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	struct sim_vdc *vdc = find_vdc(sim, req->tokens[0]);
	struct xml_node *root = body_root(req, reply, "ComposeVAppParams");

	if (root == NULL)
		return;
	if (vdc == NULL || !session_sees_org(req->session, vdc->org)) {
		reply_no_access(req, reply, "vdc", req->tokens[0]);
		return;
	}
	if (!check_name(sim, req, reply, vdc, xml_attr(req->arena, root, "name"),
		    xml_text(req->arena, xml_child(root, XML_VCLOUD, "Description"))))
		return;
	struct sim_vapp *vapp = new_vapp(sim, req, vdc, root);

	if (!fill_vapp(sim, req, reply, root, vapp)) {
		vapp_free(sim, vapp);
		return;
	}
	start_compose(sim, req, vapp, root, "vdcComposeVapp", "Composing",
		arena_alloc(&sim->kept, sizeof(struct compose_plan)));
	struct xml_writer *writer = doc_open("VApp");

	render_vapp(req, writer, vapp);
	doc_reply(req, reply, 201, TYPE_VAPP, writer);
	reply->location = href_of(req, "vApp/vapp-", vapp->uuid);
}

static bool may_delete(
	const struct sim_request *req, struct sim_reply *reply, const struct sim_vm *vm)
{
	if (!vm->deployed)
		return true;
	reply_error(req, reply, 400, "BAD_REQUEST",
		"The requested operation could not be executed on VM \"%s\". Stop the VM and try "
		"again.",
		vm->name);
	return false;
}

static bool read_deletions(struct sim *sim, const struct sim_request *req, struct sim_reply *reply,
	const struct xml_node *root, const struct sim_vapp *vapp, struct compose_plan *plan)
{
	size_t count = 0;

	for (const struct xml_node *item = xml_child(root, XML_VCLOUD, "DeleteItem"); item != NULL;
		item = xml_next(item, XML_VCLOUD, "DeleteItem")) {
		const char *uuid = reference_id(req->arena, item);
		struct sim_vm *vm = find_vm(sim, uuid);

		if (vm == NULL || vm->vapp != vapp) {
			reply_no_access(req, reply, "vm", uuid);
			return false;
		}
		if (!may_delete(req, reply, vm))
			return false;
		if (count + 1 < DELETE_MAX)
			plan->gone[count++] = vm;
	}
	return true;
}

void recompose_vapp(struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	struct sim_vapp *vapp = vapp_for(sim, req, reply, true);
	struct xml_node *root = vapp == NULL ? NULL : body_root(req, reply, "RecomposeVAppParams");
	struct compose_plan *plan = arena_alloc(&sim->kept, sizeof(*plan));

	if (root == NULL || !read_deletions(sim, req, reply, root, vapp, plan) ||
		!read_items(sim, req, reply, root, vapp))
		return;
	reply_task(req, reply,
		start_compose(sim, req, vapp, root, "vdcRecomposeVapp", "Recomposing", plan));
}

static void finish_vm_delete(struct sim *sim, struct sim_task *task)
{
	if (task->object != NULL)
		vm_free(sim, task->object);
}

void delete_vm(struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	struct sim_vm *vm = vm_for(sim, req, reply, true);

	if (vm == NULL || !may_delete(req, reply, vm))
		return;
	reply_task(req, reply,
		vapp_task(sim, req, vm->vapp, vm, "vdcDeleteVm",
			arena_printf(
				req->arena, "Deleting Virtual Machine %s(%s)", vm->name, vm->uuid),
			sim->options.task_ms, finish_vm_delete, vm));
}

static void finish_vapp_delete(struct sim *sim, struct sim_task *task)
{
	if (task->object != NULL)
		vapp_free(sim, task->object);
}

void vapp_delete(struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	struct sim_vapp *vapp = vapp_for(sim, req, reply, true);

	if (vapp == NULL)
		return;
	if (vapp->deployed && !str_eq_ci(sim_query(req, "force"), "true")) {
		reply_error(req, reply, 400, "BAD_REQUEST",
			"The requested operation could not be executed on vApp \"%s\". Stop the "
			"vApp "
			"and try again.",
			vapp->name);
		return;
	}
	reply_task(req, reply,
		vapp_task(sim, req, vapp, NULL, "vdcDeleteVapp",
			arena_printf(req->arena, "Deleting Virtual Application %s(%s)", vapp->name,
				vapp->uuid),
			sim->options.task_ms, finish_vapp_delete, vapp));
}
