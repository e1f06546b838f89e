/* SPDX-License-Identifier: MIT */
/* ExtraConfig by reconfigureVm and by the hardware section: given keys merge, empty values remove.
 */
#include "common/str.h"
#include "tests/vcdsim/body.h"
#include "tests/vcdsim/calls.h"
#include "tests/vcdsim/guests.h"
#include "tests/vcdsim/legacy.h"
#include "tests/vcdsim/objects.h"
#include "tests/vcdsim/render.h"

#include <string.h>

struct extra_pair {
	struct extra_pair *next;
	const char *key, *value;
};

/* What the task applies when it ends; in the simulator's kept memory. */
struct reconfigure_plan {
	struct sim_vm *vm;
	struct extra_pair *pairs;
};

static void finish_reconfigure(struct sim *sim, struct sim_task *task)
{
	const struct reconfigure_plan *plan = task->object;

	for (const struct extra_pair *pair = plan->pairs; pair != NULL; pair = pair->next)
		extra_set(sim, plan->vm, pair->key, pair->value);
}

static bool value_is_shown(const struct sim_vm *vm, const char *key, const char *value)
{
	for (const struct sim_extra *extra = vm->extra; extra != NULL; extra = extra->next) {
		if (str_eq(extra->key, key))
			return str_eq(extra_shown(vm, extra), value);
	}
	return false;
}

/* Reads the ExtraConfig elements; false after a 400 or 403. */
static bool read_pairs(struct sim *sim, const struct sim_request *req, struct sim_reply *reply,
	const struct xml_node *section, struct reconfigure_plan *plan)
{
	struct extra_pair **tail = &plan->pairs;

	for (const struct xml_node *node = xml_child(section, XML_VMW, "ExtraConfig"); node != NULL;
		node = xml_next(node, XML_VMW, "ExtraConfig")) {
		const char *key = xml_attr_ns(&sim->kept, node, XML_VMW, "key");
		const char *value = xml_attr_ns(&sim->kept, node, XML_VMW, "value");

		if (str_empty(key) || strpbrk(key, " \t\n") != NULL || value == NULL) {
			reply_error(req, reply, 400, "BAD_REQUEST",
				"Invalid ExtraConfig key \"%s\".", str_or(key, ""));
			return false;
		}
		/* Clients may send back the whole VM: what is unchanged is no change. */
		if (value_is_shown(plan->vm, key, value))
			continue;
		struct extra_pair *pair = arena_alloc(&sim->kept, sizeof(*pair));

		pair->key = key;
		pair->value = value;
		*tail = pair;
		tail = &pair->next;
	}
	if (plan->pairs == NULL || session_sees_extra(req->session))
		return true;
	reply_error(req, reply, 403, "ACCESS_TO_RESOURCE_IS_FORBIDDEN",
		"Either you need some or all of the following rights [vApp: Allow All Extra "
		"Config] to "
		"perform operations [VAPP_UPDATE_VM] for %s or the target entity is invalid.",
		plan->vm->uuid);
	return false;
}

static void start_reconfigure(struct sim *sim, const struct sim_request *req,
	struct sim_reply *reply, struct reconfigure_plan *plan)
{
	path_add(sim, "reconfigure", sim->options.task_ms);
	reply_task(req, reply,
		vapp_task(sim, req, plan->vm->vapp, plan->vm, "vappUpdateVm",
			arena_printf(req->arena, "Updating Virtual Machine %s(%s)", plan->vm->name,
				plan->vm->uuid),
			sim->options.task_ms, finish_reconfigure, plan));
}

void reconfigure_vm(struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	struct sim_vm *vm = vm_for(sim, req, reply, true);
	struct xml_node *root = vm == NULL ? NULL : body_root(req, reply, "Vm");
	struct reconfigure_plan *plan = arena_alloc(&sim->kept, sizeof(*plan));

	if (root == NULL)
		return;
	const struct xml_node *customization =
		xml_child(root, XML_VCLOUD, "GuestCustomizationSection");

	plan->vm = vm;
	if (!str_eq(xml_attr(req->arena, root, "name"), vm->name)) {
		reply_error(req, reply, 400, "BAD_REQUEST",
			"This simulator does not rename VMs: \"%s\" is \"%s\".", vm->name,
			xml_attr(req->arena, root, "name"));
		return;
	}
	if (!read_pairs(sim, req, reply, xml_child(root, XML_OVF, "VirtualHardwareSection"), plan))
		return;
	if (customization != NULL && !customization_read(sim, req, reply, customization, vm))
		return;
	start_reconfigure(sim, req, reply, plan);
}

void get_hardware(struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	struct sim_vm *vm = vm_for(sim, req, reply, false);

	if (vm == NULL)
		return;
	struct xml_writer *writer = xml_writer_new();
	size_t len;

	xw_open(writer, "ovf:VirtualHardwareSection");
	doc_namespaces(writer);
	xw_ns(writer, NULL, XML_VCLOUD);
	render_hardware(req, writer, vm);
	xw_close(writer);
	char *body = xw_finish(writer, req->arena, &len);

	xml_writer_free(&writer);
	reply_xml(req, reply, 200, TYPE_VCLOUD "virtualHardwareSection+xml", body, len);
}

void put_hardware(struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	struct sim_vm *vm = vm_for(sim, req, reply, true);
	struct xml_node *root = req->xml == NULL ? NULL : xml_root(req->xml);
	struct reconfigure_plan *plan = arena_alloc(&sim->kept, sizeof(*plan));

	if (vm == NULL)
		return;
	if (!xml_is(root, XML_OVF, "VirtualHardwareSection") ||
		xml_child(root, XML_OVF, "System") == NULL) {
		reply_error(req, reply, 400, "BAD_REQUEST",
			"Bad request - Unexpected JAXB Exception - a whole VirtualHardwareSection "
			"is "
			"expected.");
		return;
	}
	plan->vm = vm;
	if (read_pairs(sim, req, reply, root, plan))
		start_reconfigure(sim, req, reply, plan);
}
