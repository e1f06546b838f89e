/* SPDX-License-Identifier: MIT */
/*
 * The two big bodies: composing a vApp with all its VMs, and changing a VM's ExtraConfig. VCD
 * checks the order of elements; keep that of its schema.
 */
#include "worker/vcd/vapp.h"

#include "common/str.h"
#include "common/xml_write.h"
#include "worker/vcd/client.h"
#include "worker/vcd/query.h"
#include "worker/vcd/task_xml.h"
#include "worker/vcd/vapp_xml.h"

#include <string.h>

#define COMPOSE_TYPE "application/vnd.vmware.vcloud.composeVAppParams+xml"
#define VM_TYPE "application/vnd.vmware.vcloud.vm+xml"

/* A lease of 0 asks for "never"; an org's policy may cap it, so it is read back later. */
static void write_lease(struct xml_writer *xml)
{
	xw_open(xml, "LeaseSettingsSection");
	xw_leaf(xml, "ovf:Info", "Lease settings");
	xw_leaf(xml, "DeploymentLeaseInSeconds", "0");
	xw_leaf(xml, "StorageLeaseInSeconds", "0");
	xw_close(xml);
}

static void write_networks(struct xml_writer *xml, const struct vcd_compose *spec)
{
	xw_open(xml, "NetworkConfigSection");
	xw_leaf(xml, "ovf:Info", "Networks of the vApp");
	xw_open(xml, "NetworkConfig");
	xw_attr(xml, "networkName", spec->network_name);
	xw_open(xml, "Configuration");
	xw_open(xml, "ParentNetwork");
	xw_attr(xml, "href", spec->network_href);
	xw_close(xml);
	xw_leaf(xml, "FenceMode", "bridged");
	xw_close(xml);
	xw_close(xml);
	xw_close(xml);
}

/* One NIC with the template's primary index: another index would add a second NIC. */
static void write_nic(struct xml_writer *xml, const struct vcd_compose *spec)
{
	int index = spec->template->nic_index;

	xw_open(xml, "NetworkConnectionSection");
	xw_leaf(xml, "ovf:Info", "Network connections");
	xw_leaf_int(xml, "PrimaryNetworkConnectionIndex", index);
	xw_open(xml, "NetworkConnection");
	xw_attr(xml, "network", spec->network_name);
	xw_leaf_int(xml, "NetworkConnectionIndex", index);
	xw_leaf(xml, "IsConnected", "true");
	xw_leaf(xml, "IpAddressAllocationMode", "POOL");
	xw_leaf(xml, "NetworkAdapterType", "VMXNET3");
	xw_close(xml);
	xw_close(xml);
}

static void write_customization(struct xml_writer *xml, const struct vcd_compose_vm *vm)
{
	xw_open(xml, "GuestCustomizationSection");
	xw_leaf(xml, "ovf:Info", "Guest customization");
	xw_leaf(xml, "Enabled", "true");
	xw_leaf(xml, "AdminPasswordEnabled", "true");
	xw_leaf(xml, "AdminPasswordAuto", "true");
	xw_leaf(xml, "ResetPasswordRequired", "false");
	xw_leaf(xml, "CustomizationScript", vm->script);
	xw_leaf(xml, "ComputerName", vm->name);
	xw_close(xml);
}

static void write_ref(
	struct xml_writer *xml, const char *element, const char *type, const struct vcd_ref *ref)
{
	xw_open(xml, element);
	xw_attr(xml, "href", ref->href);
	xw_attr(xml, "id", str_empty(ref->id) ? NULL : ref->id);
	xw_attr(xml, "type", type);
	xw_attr(xml, "name", str_empty(ref->name) ? NULL : ref->name);
	xw_close(xml);
}

static void write_item(
	struct xml_writer *xml, const struct vcd_compose *spec, const struct vcd_compose_vm *vm)
{
	xw_open(xml, "SourcedItem");
	xw_attr(xml, "sourceDelete", "false");
	write_ref(xml, "Source", VM_TYPE, &spec->template->vm);
	xw_open(xml, "VmGeneralParams");
	xw_leaf(xml, "Name", vm->name);
	xw_leaf(xml, "NeedsCustomization", "true");
	/* kubeadm needs a product_uuid of each node's own. */
	xw_leaf(xml, "RegenerateBiosUuid", "true");
	xw_close(xml);
	xw_open(xml, "InstantiationParams");
	write_nic(xml, spec);
	write_customization(xml, vm);
	xw_close(xml);
	if (vm->storage_profile)
		write_ref(xml, "StorageProfile",
			"application/vnd.vmware.vcloud.vdcStorageProfile+xml", vm->storage_profile);
	if (vm->sizing_policy) {
		xw_open(xml, "ComputePolicy");
		write_ref(xml, "VmSizingPolicy", "application/json", vm->sizing_policy);
		xw_close(xml);
	}
	xw_close(xml);
}

/* VCD refuses larger bodies in words that nobody understands. */
static int check_limits(const char *what, size_t len, size_t elements, struct error *err)
{
	if (len > BODY_MAX_BYTES || elements > BODY_MAX_ELEMENTS)
		return error_set(err, ERR_INVALID,
			"%s: %zu bytes and %zu elements are too much for one call (%d, %d)", what,
			len, elements, BODY_MAX_BYTES, BODY_MAX_ELEMENTS);
	return 0;
}

int compose_body(
	struct arena *arena, const struct vcd_compose *spec, const char **out, struct error *err)
{
	CLEANUP(xml_writer_free)
	struct xml_writer *xml = xml_writer_new();
	CLEANUP(xml_free)
	struct xml_doc *doc = NULL;
	size_t len;

	xw_open(xml, "ComposeVAppParams");
	xw_ns(xml, NULL, XML_VCLOUD);
	xw_ns(xml, "ovf", XML_OVF);
	xw_attr(xml, "name", spec->name);
	xw_attr(xml, "deploy", "false");
	xw_attr(xml, "powerOn", "false");
	xw_leaf(xml, "Description", spec->description);
	xw_open(xml, "InstantiationParams");
	write_lease(xml);
	write_networks(xml, spec);
	xw_close(xml);
	for (size_t i = 0; i < spec->vm_count; i++)
		write_item(xml, spec, &spec->vms[i]);
	xw_leaf(xml, "AllEULAsAccepted", "true");
	xw_close(xml);
	*out = xw_finish(xml, arena, &len);
	doc = xml_parse(*out, len, err);
	if (!doc)
		return error_wrap(err, "vApp %s: compose", spec->name);
	return check_limits("composing the vApp", len, xml_count(xml_root(doc)), err);
}

int vcd_compose(struct vcd *vcd, struct vcd_as as, const char *vdc_uuid,
	const struct vcd_compose *spec, const char **uuid, const char **task, struct error *err)
{
	CLEANUP(xml_free)
	struct xml_doc *doc = NULL;
	struct arena *arena = vcd->arena;
	const char *path = arena_printf(
		arena, "/api/vdc/%s/action/composeVApp", path_segment(arena, vdc_uuid));
	const char *what = arena_printf(arena, "vApp %s: compose", spec->name);
	const char *body;

	if (compose_body(arena, spec, &body, err) < 0 ||
		vcd_send_xml(vcd, as, "POST", path, COMPOSE_TYPE, body, what, &doc, err) < 0)
		return -1;
	*uuid = href_uuid(arena, doc ? xml_attr(arena, xml_root(doc), "href") : NULL, "vapp-");
	*task = task_href(arena, doc);
	if (!**uuid)
		return error_set(err, ERR_TRANSIENT, "%s: the answer names no vApp", what);
	return 0;
}

/* The fetched section without what only answers carry, and with the changed keys alone. */
static void put_changes(struct xml_node *hardware, const struct vcd_extra *changes, size_t count)
{
	struct xml_node *at = xml_child(hardware, NULL, NULL);

	while (at) {
		struct xml_node *next = xml_next(at, NULL, NULL);

		if (xml_is(at, XML_VMW, "ExtraConfig") || xml_is(at, XML_VCLOUD, "Link"))
			xml_remove(at);
		at = next;
	}
	for (size_t i = 0; i < count; i++) {
		at = xml_add(hardware, XML_VMW, "ExtraConfig", NULL);
		xml_set_attr(at, XML_VMW, "key", changes[i].key);
		xml_set_attr(at, XML_VMW, "value", changes[i].value);
		xml_set_attr(at, XML_OVF, "required", "false");
	}
}

int reconfigure_body(struct arena *arena, const struct vcd_vm *vm, const struct vcd_extra *changes,
	size_t count, const char **out, struct error *err)
{
	static const char empty[] = "<Vm xmlns=\"" XML_VCLOUD "\" xmlns:ovf=\"" XML_OVF
				    "\" xmlns:vmw=\"" XML_VMW "\"/>";
	CLEANUP(xml_free)
	struct xml_doc *doc = xml_parse(empty, strlen(empty), err);
	const struct xml_node *hardware = xml_child(vm->node, XML_OVF, "VirtualHardwareSection");
	const struct xml_node *description = xml_path(vm->node, "Description");
	struct xml_node *root;
	size_t len;

	if (!doc)
		return -1;
	if (!hardware)
		return error_set(err, ERR_TRANSIENT,
			"VM %s: VCD does not show its hardware, so it cannot be changed yet",
			vm->name);
	root = xml_root(doc);
	xml_set_attr(root, NULL, "name", vm->name);
	/* A description that is left out would be emptied. */
	if (description)
		xml_add(root, XML_VCLOUD, "Description", xml_text(arena, description));
	put_changes(xml_graft(root, hardware), changes, count);
	*out = xml_serialise(arena, root, &len);
	return check_limits("changing the VM's settings", len, xml_count(root), err);
}

int vcd_vm_reconfigure(struct vcd *vcd, const struct vcd_vm *vm, const struct vcd_extra *changes,
	size_t count, const char **task, struct error *err)
{
	CLEANUP(xml_free)
	struct xml_doc *doc = NULL;
	const char *path = arena_printf(vcd->arena, "/api/vApp/vm-%s/action/reconfigureVm",
		path_segment(vcd->arena, vm->uuid));
	const char *what = arena_printf(vcd->arena, "VM %s: change ExtraConfig", vm->name);
	const char *body;

	if (reconfigure_body(vcd->arena, vm, changes, count, &body, err) < 0 ||
		vcd_send_xml(vcd, VCD_SERVICE, "POST", path, VM_TYPE, body, what, &doc, err) < 0)
		return -1;
	*task = task_href(vcd->arena, doc);
	return 0;
}
