/* SPDX-License-Identifier: MIT */
#include "worker/vcd/vapp.h"

#include "common/str.h"
#include "common/xml_write.h"
#include "worker/vcd/client.h"
#include "worker/vcd/query.h"
#include "worker/vcd/task_xml.h"
#include "worker/vcd/vapp_xml.h"

#include <limits.h>
#include <string.h>

#define VDC_TYPE "application/vnd.vmware.vcloud.vdc+xml"
#define UNDEPLOY_TYPE "application/vnd.vmware.vcloud.undeployVAppParams+xml"

static const char *attr(struct arena *arena, const struct xml_node *node, const char *name)
{
	return str_or(xml_attr(arena, node, name), "");
}

static int64_t number(const char *text, int64_t fallback)
{
	int64_t value;

	return str_to_int(text, INT_MIN, INT_MAX, &value) ? value : fallback;
}

static bool is_true(const char *text)
{
	return str_eq(text, "true");
}

static enum vm_status vm_status_of(int64_t status)
{
	switch (status) {
	case VM_FAILED:
	case VM_UNRESOLVED:
	case VM_ON:
	case VM_OFF:
		return (enum vm_status)status;
	default:
		return VM_OTHER;
	}
}

/* The address of the primary network connection, "" while there is none. */
static const char *primary_ip(struct arena *arena, const struct xml_node *vm)
{
	const struct xml_node *section = xml_path(vm, "NetworkConnectionSection");
	const char *primary =
		str_or(xml_text(arena, xml_path(section, "PrimaryNetworkConnectionIndex")), "0");
	const struct xml_node *nic = xml_path(section, "NetworkConnection");

	for (; nic; nic = xml_next(nic, XML_VCLOUD, "NetworkConnection")) {
		if (str_eq(xml_text(arena, xml_path(nic, "NetworkConnectionIndex")), primary))
			return str_or(xml_text(arena, xml_path(nic, "IpAddress")), "");
	}
	return "";
}

static void read_extra(struct arena *arena, const struct xml_node *node, struct vcd_vm *out)
{
	const struct xml_node *hardware = xml_child(node, XML_OVF, "VirtualHardwareSection");
	const struct xml_node *at = xml_child(hardware, XML_VMW, "ExtraConfig");
	size_t count = 0;

	for (; at; at = xml_next(at, XML_VMW, "ExtraConfig"))
		count++;
	out->extra = arena_alloc(arena, (count + 1) * sizeof(*out->extra));
	for (at = xml_child(hardware, XML_VMW, "ExtraConfig"); at;
		at = xml_next(at, XML_VMW, "ExtraConfig")) {
		const char *key = xml_attr_ns(arena, at, XML_VMW, "key");

		if (key)
			out->extra[out->extra_count++] = (struct vcd_extra){
				.key = key,
				.value = str_or(xml_attr_ns(arena, at, XML_VMW, "value"), ""),
			};
	}
}

static void read_vm(struct arena *arena, struct xml_node *node, struct vcd_vm *out)
{
	*out = (struct vcd_vm){
		.href = attr(arena, node, "href"),
		.name = attr(arena, node, "name"),
		.ip = primary_ip(arena, node),
		.status = vm_status_of(number(xml_attr(arena, node, "status"), VM_OTHER)),
		.deployed = is_true(xml_attr(arena, node, "deployed")),
		.node = node,
	};
	out->uuid = href_uuid(arena, out->href, "vm-");
	read_extra(arena, node, out);
}

static void read_vms(struct arena *arena, const struct xml_node *root, struct vcd_vapp *out)
{
	struct xml_node *node = xml_path(root, "Children/Vm");

	for (; node; node = xml_next(node, XML_VCLOUD, "Vm"))
		out->vm_count++;
	out->vms = arena_alloc(arena, (out->vm_count + 1) * sizeof(*out->vms));
	out->vm_count = 0;
	for (node = xml_path(root, "Children/Vm"); node; node = xml_next(node, XML_VCLOUD, "Vm"))
		read_vm(arena, node, &out->vms[out->vm_count++]);
}

/* The running task and the failed one, should there be any. */
static void read_tasks(struct arena *arena, const struct xml_node *root, struct vcd_vapp *out)
{
	const struct xml_node *node = xml_path(root, "Tasks/Task");

	out->task_href = out->task_error = "";
	for (; node; node = xml_next(node, XML_VCLOUD, "Task")) {
		struct vcd_task task;

		task_read(arena, node, &task);
		if (!task_is_final(&task))
			out->task_href = task.href;
		else if (task.status != TASK_SUCCESS)
			out->task_error = *task.error_message ? task.error_message : task.operation;
	}
}

static const char *read_vdc_href(struct arena *arena, const struct xml_node *root)
{
	const struct xml_node *link = xml_path(root, "Link");

	for (; link; link = xml_next(link, XML_VCLOUD, "Link")) {
		if (str_eq(xml_attr(arena, link, "rel"), "up") &&
			str_eq(xml_attr(arena, link, "type"), VDC_TYPE))
			return attr(arena, link, "href");
	}
	return "";
}

void vapp_read(struct arena *arena, struct xml_node *root, struct vcd_vapp *out)
{
	const struct xml_node *lease = xml_path(root, "LeaseSettingsSection");
	const struct xml_node *owner = xml_path(root, "Owner/User");

	*out = (struct vcd_vapp){
		.href = attr(arena, root, "href"),
		.name = attr(arena, root, "name"),
		.description = str_or(xml_text(arena, xml_path(root, "Description")), ""),
		.owner_name = attr(arena, owner, "name"),
		.owner_urn = arena_printf(arena, "urn:vcloud:user:%s",
			href_uuid(arena, xml_attr(arena, owner, "href"), "")),
		.vdc_href = read_vdc_href(arena, root),
		.status = (int)number(xml_attr(arena, root, "status"), VM_OTHER),
		.deployed = is_true(xml_attr(arena, root, "deployed")),
		.lease_deploy_s =
			number(xml_text(arena, xml_path(lease, "DeploymentLeaseInSeconds")), -1),
		.lease_storage_s =
			number(xml_text(arena, xml_path(lease, "StorageLeaseInSeconds")), -1),
	};
	out->uuid = href_uuid(arena, out->href, "vapp-");
	read_tasks(arena, root, out);
	read_vms(arena, root, out);
}

int vcd_vapp_get(struct vcd *vcd, struct vcd_as as, const char *uuid, struct vcd_vapp *out,
	struct error *err)
{
	CLEANUP(xml_free)
	struct xml_doc *doc = NULL;
	struct arena *arena = vcd->arena;
	const char *path = arena_printf(arena, "/api/vApp/vapp-%s", path_segment(arena, uuid));
	const char *what = arena_printf(arena, "vApp %s: read", uuid);

	*out = (struct vcd_vapp){0};
	if (vcd_get_xml(vcd, as, path, what, &doc, err) < 0)
		return -1;
	if (!xml_is(xml_root(doc), XML_VCLOUD, "VApp"))
		return error_set(err, ERR_TRANSIENT, "%s: the answer is no vApp", what);
	vapp_read(arena, xml_root(doc), out);
	out->doc = STEAL(doc);
	return 0;
}

void vcd_vapp_release(struct vcd_vapp *vapp)
{
	xml_free(&vapp->doc);
}

struct vcd_vm *vcd_vapp_vm(const struct vcd_vapp *vapp, const char *name)
{
	for (size_t i = 0; i < vapp->vm_count; i++) {
		if (str_eq(vapp->vms[i].name, name))
			return &vapp->vms[i];
	}
	return NULL;
}

const char *vcd_vm_extra(const struct vcd_vm *vm, const char *key)
{
	for (size_t i = 0; i < vm->extra_count; i++) {
		if (str_eq(vm->extra[i].key, key))
			return vm->extra[i].value;
	}
	return NULL;
}

/* Those of that name in a place: one in a VDC, in an org any number. */
static int find_in(struct vcd *vcd, struct vcd_as as, const char *type, const char *place,
	const char *name, const char ***uuids, size_t *count, struct error *err)
{
	CLEANUP(xml_free)
	struct xml_doc *records = NULL;
	struct arena *arena = vcd->arena;
	const char *what = arena_printf(arena, "vApp %s: find", name);
	const char *filter = filter_and(arena, filter_term(arena, "name", name), place);
	struct xml_node *first, *record;
	size_t room = 0;

	*count = 0;
	if (query_records(vcd, as, type, filter, what, &records, err) < 0)
		return -1;
	first = record_named(arena, records, name);
	for (record = first; record; record = record_after(arena, record, name))
		room++;
	*uuids = arena_alloc(arena, (room + 1) * sizeof(**uuids));
	for (record = first; record; record = record_after(arena, record, name))
		(*uuids)[(*count)++] = href_uuid(arena, xml_attr(arena, record, "href"), "vapp-");
	return 0;
}

int vcd_vapp_find(struct vcd *vcd, struct vcd_as as, bool as_admin, const char *vdc_uuid,
	const char *name, const char **uuid, struct error *err)
{
	const char *vdc =
		vdc_uuid ? filter_term(vcd->arena, "vdc", vcd_href(vcd, "/api/vdc/%s", vdc_uuid))
			 : NULL;
	const char **uuids;
	size_t count;

	*uuid = "";
	if (find_in(vcd, as, as_admin ? "adminVApp" : "vApp", vdc, name, &uuids, &count, err))
		return -1;
	if (count)
		*uuid = uuids[0];
	return 0;
}

int vcd_vapp_find_in_org(struct vcd *vcd, const char *org_uuid, const char *name,
	const char ***uuids, size_t *count, struct error *err)
{
	const char *org = filter_term(vcd->arena, "org", vcd_href(vcd, "/api/org/%s", org_uuid));

	return find_in(vcd, VCD_SERVICE, "adminVApp", org, name, uuids, count, err);
}

/* Sends a request whose answer is a task. */
static int start_task(struct vcd *vcd, struct vcd_as as, const char *method, const char *path,
	const char *type, const char *body, const char *what, const char **task, struct error *err)
{
	CLEANUP(xml_free)
	struct xml_doc *doc = NULL;

	if (vcd_send_xml(vcd, as, method, path, type, body, what, &doc, err) < 0)
		return -1;
	*task = task_href(vcd->arena, doc);
	return 0;
}

int vcd_power_on(struct vcd *vcd, const char *href, const char **task, struct error *err)
{
	const char *path = arena_printf(vcd->arena, "%s/power/action/powerOn", href);
	const char *what = arena_printf(vcd->arena, "%s: power on", str_last_segment(href));

	return start_task(vcd, VCD_SERVICE, "POST", path, NULL, NULL, what, task, err);
}

static const char *undeploy_body(struct arena *arena)
{
	CLEANUP(xml_writer_free)
	struct xml_writer *xml = xml_writer_new();
	size_t len;

	xw_open(xml, "UndeployVAppParams");
	xw_ns(xml, NULL, XML_VCLOUD);
	xw_leaf(xml, "UndeployPowerAction", "powerOff");
	xw_close(xml);
	return xw_finish(xml, arena, &len);
}

int vcd_undeploy(
	struct vcd *vcd, struct vcd_as as, const char *href, const char **task, struct error *err)
{
	const char *path = arena_printf(vcd->arena, "%s/action/undeploy", href);
	const char *what = arena_printf(vcd->arena, "%s: power off", str_last_segment(href));

	*task = "";
	if (start_task(vcd, as, "POST", path, UNDEPLOY_TYPE, undeploy_body(vcd->arena), what, task,
		    err) == 0)
		return 0;
	/* What is not there or not running need not be stopped. */
	if (err->code == ERR_GONE ||
		(err->code == ERR_INVALID && strstr(vcd->fault.message, "is not running")))
		return 0;
	return -1;
}

int vcd_vapp_delete(
	struct vcd *vcd, struct vcd_as as, const char *uuid, const char **task, struct error *err)
{
	const char *path = arena_printf(
		vcd->arena, "/api/vApp/vapp-%s?force=true", path_segment(vcd->arena, uuid));
	const char *what = arena_printf(vcd->arena, "vApp %s: delete", uuid);

	return start_task(vcd, as, "DELETE", path, NULL, NULL, what, task, err);
}
