/* SPDX-License-Identifier: MIT */
/* Power and deployment of vApps and VMs. Off is not undeployed: only undeploy gives a VM back. */
#include "common/str.h"
#include "tests/vcdsim/body.h"
#include "tests/vcdsim/calls.h"
#include "tests/vcdsim/guests.h"
#include "tests/vcdsim/legacy.h"
#include "tests/vcdsim/objects.h"

void vm_start(struct sim *sim, struct sim_vm *vm)
{
	if (vm->status == VM_POWERED_ON)
		return;
	vm->status = VM_POWERED_ON;
	vm->deployed = true;
	vm->vapp->deployed = true;
	guest_power_on(sim, vm);
	/* Whatever the guest will say, VCD shows it this much later. */
	path_add(sim, "extra_latency", sim->options.extra_latency_ms);
}

static void vm_stop(struct sim *sim, struct sim_vm *vm)
{
	if (vm->status != VM_POWERED_ON)
		return;
	guest_power_off(sim, vm);
	vm->status = VM_POWERED_OFF;
}

/* A vApp is deployed as long as one of its VMs is. */
static void vm_undeploy_now(struct sim *sim, struct sim_vm *vm)
{
	bool deployed = false;

	vm_stop(sim, vm);
	vm->deployed = false;
	for (const struct sim_vm *other = vm->vapp->vms; other != NULL; other = other->next)
		deployed = deployed || other->deployed;
	vm->vapp->deployed = deployed;
}

static void deploy_vm_now(struct sim *sim, struct sim_vm *vm)
{
	(void)sim;
	vm->deployed = true;
	vm->vapp->deployed = true;
}

typedef void vm_act_fn(struct sim *sim, struct sim_vm *vm);

static void on_each(struct sim *sim, struct sim_task *task, vm_act_fn *act)
{
	struct sim_vapp *vapp = task->object;

	for (struct sim_vm *vm = vapp == NULL ? NULL : vapp->vms; vm != NULL; vm = vm->next)
		act(sim, vm);
}

static void on_one(struct sim *sim, struct sim_task *task, vm_act_fn *act)
{
	if (task->object != NULL)
		act(sim, task->object);
}

#define ENDINGS(name, act)                                                                         \
	static void vapp_##name##_ends(struct sim *sim, struct sim_task *task)                     \
	{                                                                                          \
		on_each(sim, task, act);                                                           \
	}                                                                                          \
	static void vm_##name##_ends(struct sim *sim, struct sim_task *task)                       \
	{                                                                                          \
		on_one(sim, task, act);                                                            \
	}

ENDINGS(power_on, vm_start)
ENDINGS(power_off, vm_stop)
ENDINGS(undeploy, vm_undeploy_now)
ENDINGS(deploy, deploy_vm_now)

static void refuse_state(const struct sim_request *req, struct sim_reply *reply, const char *kind,
	const char *name, bool running)
{
	reply_error(req, reply, 400, "BAD_REQUEST",
		"The requested operation could not be executed since %s \"%s\" is %s.", kind, name,
		running ? "already running" : "not running");
}

struct vapp_power {
	const char *operation, *verb;
	void (*ends)(struct sim *, struct sim_task *);
};

static void start_vapp_power(struct sim *sim, const struct sim_request *req,
	struct sim_reply *reply, struct sim_vapp *vapp, const struct vapp_power *power)
{
	reply_task(req, reply,
		vapp_task(sim, req, vapp, NULL, power->operation,
			arena_printf(req->arena, "%s Virtual Application %s(%s)", power->verb,
				vapp->name, vapp->uuid),
			sim->options.task_ms, power->ends, vapp));
}

static void start_vm_power(struct sim *sim, const struct sim_request *req, struct sim_reply *reply,
	struct sim_vm *vm, const struct vapp_power *power)
{
	reply_task(req, reply,
		vapp_task(sim, req, vm->vapp, vm, power->operation,
			arena_printf(req->arena, "%s Virtual Machine %s(%s)", power->verb, vm->name,
				vm->uuid),
			sim->options.task_ms, power->ends, vm));
}

static bool any_on(const struct sim_vapp *vapp)
{
	for (const struct sim_vm *vm = vapp->vms; vm != NULL; vm = vm->next) {
		if (vm->status == VM_POWERED_ON)
			return true;
	}
	return false;
}

static bool all_on(const struct sim_vapp *vapp)
{
	for (const struct sim_vm *vm = vapp->vms; vm != NULL; vm = vm->next) {
		if (vm->status != VM_POWERED_ON)
			return false;
	}
	return true;
}

void vapp_power_on(struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	static const struct vapp_power power = {"vappPowerOn", "Starting", vapp_power_on_ends};
	struct sim_vapp *vapp = vapp_for(sim, req, reply, true);

	if (vapp == NULL)
		return;
	if (all_on(vapp))
		refuse_state(req, reply, "vApp", vapp->name, vapp->vms != NULL);
	else
		start_vapp_power(sim, req, reply, vapp, &power);
}

void vapp_power_off(struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	static const struct vapp_power power = {"vappPowerOff", "Stopping", vapp_power_off_ends};
	struct sim_vapp *vapp = vapp_for(sim, req, reply, true);

	if (vapp == NULL)
		return;
	if (!any_on(vapp))
		refuse_state(req, reply, "vApp", vapp->name, false);
	else
		start_vapp_power(sim, req, reply, vapp, &power);
}

void vapp_undeploy(struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	static const struct vapp_power power = {
		"vappUndeployPowerOff", "Stopping", vapp_undeploy_ends};
	struct sim_vapp *vapp = vapp_for(sim, req, reply, true);

	if (vapp == NULL || body_root(req, reply, "UndeployVAppParams") == NULL)
		return;
	if (!vapp->deployed)
		refuse_state(req, reply, "vApp", vapp->name, false);
	else
		start_vapp_power(sim, req, reply, vapp, &power);
}

static bool deploy_starts(const struct sim_request *req)
{
	return !str_eq(xml_attr(req->arena, xml_root(req->xml), "powerOn"), "false");
}

void vapp_deploy(struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	static const struct vapp_power power[] = {{"vappDeploy", "Deploying", vapp_deploy_ends},
		{"vappDeploy", "Starting", vapp_power_on_ends}};
	struct sim_vapp *vapp = vapp_for(sim, req, reply, true);

	if (vapp != NULL && body_root(req, reply, "DeployVAppParams") != NULL)
		start_vapp_power(sim, req, reply, vapp, &power[deploy_starts(req)]);
}

void vm_power_on(struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	static const struct vapp_power power = {"vappPowerOn", "Starting", vm_power_on_ends};
	struct sim_vm *vm = vm_for(sim, req, reply, true);

	if (vm == NULL)
		return;
	if (vm->status == VM_POWERED_ON)
		refuse_state(req, reply, "VM", vm->name, true);
	else
		start_vm_power(sim, req, reply, vm, &power);
}

void vm_power_off(struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	static const struct vapp_power power = {"vappPowerOff", "Stopping", vm_power_off_ends};
	struct sim_vm *vm = vm_for(sim, req, reply, true);

	if (vm == NULL)
		return;
	if (vm->status != VM_POWERED_ON)
		refuse_state(req, reply, "VM", vm->name, false);
	else
		start_vm_power(sim, req, reply, vm, &power);
}

void vm_undeploy(struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	static const struct vapp_power power = {
		"vappUndeployPowerOff", "Stopping", vm_undeploy_ends};
	struct sim_vm *vm = vm_for(sim, req, reply, true);

	if (vm == NULL || body_root(req, reply, "UndeployVAppParams") == NULL)
		return;
	if (!vm->deployed)
		refuse_state(req, reply, "VM", vm->name, false);
	else
		start_vm_power(sim, req, reply, vm, &power);
}

void vm_deploy(struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	static const struct vapp_power power[] = {{"vappDeploy", "Deploying", vm_deploy_ends},
		{"vappDeploy", "Starting", vm_power_on_ends}};
	struct sim_vm *vm = vm_for(sim, req, reply, true);

	if (vm != NULL && body_root(req, reply, "DeployVAppParams") != NULL)
		start_vm_power(sim, req, reply, vm, &power[deploy_starts(req)]);
}
