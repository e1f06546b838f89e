/* SPDX-License-Identifier: MIT */
/* The table of calls on vApps and VMs, their reading, and their sections. */
#include "common/str.h"
#include "tests/vcdsim/body.h"
#include "tests/vcdsim/legacy.h"
#include "tests/vcdsim/objects.h"
#include "tests/vcdsim/render.h"

#include <string.h>

enum { SCRIPT_MAX = 49000, COMPUTER_NAME_MAX = 63 };

static void get_vapp(struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	struct sim_vapp *vapp = vapp_for(sim, req, reply, false);

	if (vapp == NULL)
		return;
	struct xml_writer *writer = doc_open("VApp");

	render_vapp(req, writer, vapp);
	doc_reply(req, reply, 200, TYPE_VAPP, writer);
}

/* Name and description; of what else a body has nothing counts here. */
static void put_vapp(struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	struct sim_vapp *vapp = vapp_for(sim, req, reply, true);
	struct xml_node *root = vapp == NULL ? NULL : body_root(req, reply, "VApp");

	if (root == NULL)
		return;
	vapp->name = xml_attr(&sim->kept, root, "name");
	vapp->description = xml_text(&sim->kept, xml_child(root, XML_VCLOUD, "Description"));
	reply_task(req, reply,
		vapp_task(sim, req, vapp, NULL, "vappUpdateVm",
			arena_printf(req->arena, "Updating Virtual Application %s(%s)", vapp->name,
				vapp->uuid),
			sim->options.task_ms, NULL, NULL));
}

static void get_vm(struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	struct sim_vm *vm = vm_for(sim, req, reply, false);

	if (vm == NULL)
		return;
	struct xml_writer *writer = doc_open("Vm");

	doc_namespaces(writer);
	render_vm(req, writer, vm);
	doc_reply(req, reply, 200, TYPE_VM, writer);
}

static void get_lease(struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	struct sim_vapp *vapp = vapp_for(sim, req, reply, false);

	if (vapp == NULL)
		return;
	struct xml_writer *writer = doc_open("LeaseSettingsSection");

	doc_namespaces(writer);
	render_lease(req, writer, vapp);
	doc_reply(req, reply, 200, TYPE_VCLOUD "leaseSettingsSection+xml", writer);
}

bool lease_read(struct arena *arena, const struct xml_node *section, struct sim_vapp *vapp)
{
	const char *deploy =
		xml_text(arena, xml_child(section, XML_VCLOUD, "DeploymentLeaseInSeconds"));
	const char *storage =
		xml_text(arena, xml_child(section, XML_VCLOUD, "StorageLeaseInSeconds"));

	if (deploy != NULL && !str_to_int(deploy, 0, INT32_MAX, &vapp->lease_deploy_s))
		return false;
	return storage == NULL || str_to_int(storage, 0, INT32_MAX, &vapp->lease_storage_s);
}

static void put_lease(struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	struct sim_vapp *vapp = vapp_for(sim, req, reply, true);
	struct xml_node *root = vapp == NULL ? NULL : body_root(req, reply, "LeaseSettingsSection");

	if (root == NULL)
		return;
	if (!lease_read(req->arena, root, vapp)) {
		reply_error(req, reply, 400, "BAD_REQUEST", "A lease is a number of seconds.");
		return;
	}
	reply_task(req, reply,
		vapp_task(sim, req, vapp, NULL, "vappUpdateVm",
			arena_printf(req->arena, "Updating Virtual Application %s(%s)", vapp->name,
				vapp->uuid),
			sim->options.task_ms, NULL, NULL));
}

static void get_customization(
	struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	struct sim_vm *vm = vm_for(sim, req, reply, false);

	if (vm == NULL)
		return;
	struct xml_writer *writer = doc_open("GuestCustomizationSection");

	doc_namespaces(writer);
	render_customization(req, writer, vm);
	doc_reply(req, reply, 200, TYPE_VCLOUD "guestCustomizationSection+xml", writer);
}

bool customization_read(struct sim *sim, const struct sim_request *req, struct sim_reply *reply,
	const struct xml_node *section, struct sim_vm *vm)
{
	const char *enabled = xml_text(req->arena, xml_child(section, XML_VCLOUD, "Enabled"));
	const char *script =
		xml_text(&sim->kept, xml_child(section, XML_VCLOUD, "CustomizationScript"));
	const char *computer = xml_text(&sim->kept, xml_child(section, XML_VCLOUD, "ComputerName"));

	if (script != NULL && strlen(script) > SCRIPT_MAX) {
		reply_error(req, reply, 400, "BAD_REQUEST",
			"The customization script is longer than %d characters.", SCRIPT_MAX);
		return false;
	}
	if (computer != NULL &&
		(strlen(computer) > COMPUTER_NAME_MAX || computer[0] == '-' ||
			!str_is_made_of(computer,
				"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				"0123456789-",
				COMPUTER_NAME_MAX))) {
		reply_error(
			req, reply, 400, "BAD_REQUEST", "Invalid computer name \"%s\".", computer);
		return false;
	}
	vm->customization_enabled = str_eq(enabled, "true");
	vm->script = script;
	if (computer != NULL)
		vm->computer_name = computer;
	return true;
}

static void put_customization(
	struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	struct sim_vm *vm = vm_for(sim, req, reply, true);
	struct xml_node *root =
		vm == NULL ? NULL : body_root(req, reply, "GuestCustomizationSection");

	if (root == NULL || !customization_read(sim, req, reply, root, vm))
		return;
	reply_task(req, reply,
		vapp_task(sim, req, vm->vapp, vm, "vappUpdateVm",
			arena_printf(
				req->arena, "Updating Virtual Machine %s(%s)", vm->name, vm->uuid),
			sim->options.task_ms, NULL, NULL));
}

static void get_customization_status(
	struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	struct sim_vm *vm = vm_for(sim, req, reply, false);

	if (vm == NULL)
		return;
	struct xml_writer *writer = doc_open("GuestCustomizationStatusSection");

	xw_leaf(writer, "GuestCustStatus", vm->customized ? "GC_COMPLETE" : "GC_PENDING");
	doc_reply(req, reply, 200, TYPE_VCLOUD "guestcustomizationstatussection", writer);
}

#define EDIT "vApp: Edit Properties"
#define EDIT_VM "vApp: Edit VM Properties"
#define POWER "vApp: Power Operations"
#define MAKE "vApp: Create / Reconfigure"
#define REMOVE "vApp: Delete"
#define VAPP "/api/vApp/vapp-{id}"
#define VM "/api/vApp/vm-{id}"

const struct sim_route vapp_routes[] = {
	{"POST", "/api/vdc/{id}/action/composeVApp", ACCESS_SESSION, MAKE, compose_vapp, false},
	{"GET", VAPP, ACCESS_SESSION, NULL, get_vapp, false},
	{"PUT", VAPP, ACCESS_SESSION, EDIT, put_vapp, false},
	{"DELETE", VAPP, ACCESS_SESSION, REMOVE, vapp_delete, false},
	{"POST", VAPP "/action/recomposeVApp", ACCESS_SESSION, MAKE, recompose_vapp, false},
	{"POST", VAPP "/action/deploy", ACCESS_SESSION, POWER, vapp_deploy, false},
	{"POST", VAPP "/action/undeploy", ACCESS_SESSION, POWER, vapp_undeploy, false},
	{"POST", VAPP "/power/action/powerOn", ACCESS_SESSION, POWER, vapp_power_on, false},
	{"POST", VAPP "/power/action/powerOff", ACCESS_SESSION, POWER, vapp_power_off, false},
	{"GET", VAPP "/leaseSettingsSection", ACCESS_SESSION, NULL, get_lease, false},
	{"PUT", VAPP "/leaseSettingsSection", ACCESS_SESSION, EDIT, put_lease, false},
	{"GET", VAPP "/metadata", ACCESS_SESSION, NULL, get_vapp_metadata, false},
	{"POST", VAPP "/metadata", ACCESS_SESSION, EDIT, post_vapp_metadata, false},
	{"GET", VAPP "/metadata/{*}", ACCESS_SESSION, NULL, get_vapp_metadata_key, false},
	{"PUT", VAPP "/metadata/{*}", ACCESS_SESSION, EDIT, put_vapp_metadata_key, false},
	{"DELETE", VAPP "/metadata/{*}", ACCESS_SESSION, EDIT, delete_vapp_metadata_key, false},
	{"GET", VM, ACCESS_SESSION, NULL, get_vm, false},
	{"DELETE", VM, ACCESS_SESSION, REMOVE, delete_vm, false},
	{"POST", VM "/action/reconfigureVm", ACCESS_SESSION, EDIT_VM, reconfigure_vm, false},
	{"POST", VM "/action/deploy", ACCESS_SESSION, POWER, vm_deploy, false},
	{"POST", VM "/action/undeploy", ACCESS_SESSION, POWER, vm_undeploy, false},
	{"POST", VM "/power/action/powerOn", ACCESS_SESSION, POWER, vm_power_on, false},
	{"POST", VM "/power/action/powerOff", ACCESS_SESSION, POWER, vm_power_off, false},
	{"GET", VM "/virtualHardwareSection", ACCESS_SESSION, NULL, get_hardware, false},
	{"PUT", VM "/virtualHardwareSection", ACCESS_SESSION, EDIT_VM, put_hardware, false},
	{"GET", VM "/guestCustomizationSection", ACCESS_SESSION, NULL, get_customization, false},
	{"PUT", VM "/guestCustomizationSection", ACCESS_SESSION, EDIT_VM, put_customization, false},
	{"GET", VM "/guestcustomizationstatus", ACCESS_SESSION, NULL, get_customization_status,
		false},
	{0},
};
