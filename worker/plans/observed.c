/* SPDX-License-Identifier: MIT */
/* Turns VCD's answers into facts; pure. The calls are in look.c. */
#include "worker/plans/observed.h"

#include "common/base64.h"
#include "common/crypto.h"
#include "common/json.h"
#include "common/str.h"
#include "worker/plans/node_data.h"

#include <string.h>

static const char *const failed_phases[] = {
	[OPERATION_CREATE] = "CREATE:FAILED",
	[OPERATION_UPDATE] = "UPDATE:FAILED",
	[OPERATION_DELETE] = "DELETE:FAILED",
};

const char *operation_failed_phase(enum operation op)
{
	return failed_phases[op];
}

void observed_init(
	struct observed *seen, const struct details *details, const char *cluster, const char *task)
{
	const struct node nobody = {
		.ip = "",
		.ca_hash = "",
		.external = "",
		.report = {.error = "",
			.command = "",
			.evidence = "",
			.sans = "",
			.nodes = "",
			.kubelet = ""},
	};

	*seen = (struct observed){
		.cluster = cluster,
		.task = task,
		.vapp_uuid = str_or(details->vapp, ""),
		.want_expose = details->wanted.expose > 0,
		.untouched = details->claim.pass == 0,
		.want_workers = details->wanted.workers,
		.edge = str_or(details->edge, ""),
		.supersedes = !str_empty(details->supersedes),
		.failed_phase = details->verdict.kind ? failed_phases[details->op] : "",
		.vapp_name = "",
		.vapp_href = "",
		.vapp_error = "",
		.vapp_doubt = "",
		.control_plane = nobody,
		.ca_hash = "",
		.entity_state = "",
		.entity_phase = "",
		.entity_task = "",
		.entity_external_id = "",
		.entity_cp_name = "",
		.entity_cp_ip = "",
		.entity_name = "",
		.stronger = "",
		.marked_edge = "",
		.external = "",
	};
}

void observed_release(struct observed *seen)
{
	vcd_vapp_release(&seen->raw_vapp);
	seen->raw_vapp = (struct vcd_vapp){0};
	json_release(&seen->document);
	secret_release(&seen->mac_key);
}

static bool present(const char *value)
{
	/* A guest cannot remove a key, it can only leave a blank. */
	return value && value[strspn(value, " ")];
}

static void node_set(struct observed *seen, struct arena *arena, struct node *node,
	struct vcd_vm *vm, enum role role)
{
	const struct guest_values values = {
		.phase = vcd_vm_extra(vm, "guestinfo.cse.phase"),
		.error = vcd_vm_extra(vm, "guestinfo.cse.error"),
		.report = vcd_vm_extra(vm, "guestinfo.cse.report"),
		.kubeconfig = vcd_vm_extra(vm, "guestinfo.cse.kubeconfig"),
	};
	const char *value = vcd_vm_extra(vm, KEY_DATA);
	struct node_data data = {0};

	*node = (struct node){
		.name = vm->name,
		.ip = str_or(vm->ip, ""),
		.role = role,
		.on = vm->status == VM_ON,
		.ca_hash = "",
		.external = "",
		.has_secret = present(vcd_vm_extra(vm, KEY_SECRET)),
		.secret_left = vcd_vm_extra(vm, KEY_SECRET) != NULL,
		.vm = vm,
	};
	if (value && node_data_decode(&data, arena, value) && data.role == role &&
		str_eq(data.name, node->name) && str_eq(data.cluster, seen->cluster)) {
		node->has_data =
			str_eq(data.ip, node->ip) && present(vcd_vm_extra(vm, KEY_PROGRAM));
		node->ca_hash = data.ca_hash;
		node->external = data.external;
	}
	node->report = guest_report_read(arena, &seen->mac_key, node->name, role, &values);
}

static void ca_set(struct observed *seen, struct arena *arena, struct vcd_vm *control_plane)
{
	const char *value = vcd_vm_extra(control_plane, KEY_CA);
	const char *pem, *key = vcd_vm_extra(control_plane, KEY_MAC);
	struct error ignored;
	size_t len;

	secret_release(&seen->mac_key);
	if (present(key))
		seen->mac_key = secret_new(key, strlen(key));
	seen->has_ca = present(value);
	seen->ca_hash = "";
	pem = seen->has_ca ? base64_decode(arena, value, &len) : NULL;
	if (pem)
		seen->ca_hash = str_or(crypto_ca_hash(arena, pem, &ignored), "");
}

static void nodes_set(struct observed *seen, struct arena *arena, const struct vcd_vapp *vapp)
{
	enum role role;

	seen->worker_count = 0;
	seen->control_plane.name = NULL;
	seen->workers = arena_alloc(arena, (vapp->vm_count + 1) * sizeof(*seen->workers));
	/* The control plane first: its key is what every node's words are judged by. */
	for (size_t i = 0; i < vapp->vm_count; i++) {
		if (!vm_role(vapp->vms[i].name, &role) || role != ROLE_CONTROL_PLANE)
			continue;
		ca_set(seen, arena, &vapp->vms[i]);
		node_set(seen, arena, &seen->control_plane, &vapp->vms[i], role);
		break;
	}
	for (size_t i = 0; i < vapp->vm_count; i++) {
		seen->vapp_on |= vapp->vms[i].deployed || vapp->vms[i].status == VM_ON;
		if (vm_role(vapp->vms[i].name, &role) && role == ROLE_WORKER)
			node_set(seen, arena, &seen->workers[seen->worker_count++], &vapp->vms[i],
				role);
	}
}

void observed_set_vapp(struct observed *seen, struct arena *arena, const struct vcd_vapp *vapp)
{
	seen->seen |= SEE_VAPP;
	seen->vapp_uuid = vapp->uuid;
	seen->vapp_name = vapp->name;
	seen->vapp_href = vapp->href;
	seen->vapp_on = vapp->deployed;
	seen->vapp_error = str_or(vapp->task_error, "");
	if (!str_empty(vapp->task_href))
		seen->vapp = VAPP_BUSY;
	else
		seen->vapp = vapp->status <= 0 ? VAPP_BROKEN : VAPP_READY;
	/* An empty vApp with a failed task is what a failed compose leaves. */
	if (seen->vapp != VAPP_BUSY && seen->vapp_error[0] && vapp->vm_count == 0)
		seen->vapp = VAPP_BROKEN;
	nodes_set(seen, arena, vapp);
}

void observed_set_entity(struct observed *seen, struct json_object *document)
{
	struct json_object *workers = json_at(document, "entity.status.nodes.workers");

	seen->seen |= SEE_ENTITY;
	seen->entity_absent = false;
	seen->entity_state = json_str(document, "state", "");
	seen->entity_name = json_str(document, "name", "");
	seen->entity_external_id = json_str(document, "externalId", "");
	seen->entity_phase = json_str(document, "entity.status.phase", "");
	seen->entity_task = str_last_segment(json_str(document, "entity.status.task_href", ""));
	seen->entity_exposed = json_flag(document, "entity.status.exposed", false);
	seen->entity_expose = json_flag(document, "entity.spec.expose", false);
	seen->entity_cp_name = json_str(document, "entity.status.nodes.control_plane.name", "");
	seen->entity_cp_ip = json_str(document, "entity.status.nodes.control_plane.ip", "");
	seen->entity_workers = json_object_is_type(workers, json_type_array)
				       ? (int64_t)json_object_array_length(workers)
				       : -1;
}

void observed_set_rules(struct observed *seen, struct arena *arena, struct vcd_nat_rule *rules,
	size_t count, int64_t looks)
{
	const char *internal = seen->control_plane.name ? seen->control_plane.ip : "";
	const struct expose_view view = {
		.rules = rules,
		.rule_count = count,
		.name = nat_rule_name(arena, seen->vapp_name, seen->cluster),
		.cluster = seen->cluster,
		.internal = internal,
		.looks = looks,
	};

	seen->seen |= SEE_RULES;
	seen->rules = rules;
	seen->rule_count = count;
	seen->rule = expose_judge(&view);
	seen->our_rule = expose_rule_of(rules, count, seen->cluster);
	seen->external =
		seen->rule.state == EXPOSE_SETTLED ? str_or(seen->rule.rule->external, "") : "";
}
