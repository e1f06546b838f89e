/* SPDX-License-Identifier: MIT */
/* vApps and VMs as the legacy API shows them. */
#include "common/json.h"
#include "common/str.h"
#include "tests/vcdsim/guests.h"
#include "tests/vcdsim/objects.h"
#include "tests/vcdsim/render.h"

#define OWNED_SINCE "2021-03-04T05:06:07.089Z"

int vapp_status_now(const struct sim_vapp *vapp)
{
	size_t on = 0, all = 0;

	if (vapp->status <= 0)
		return vapp->status;
	for (const struct sim_vm *vm = vapp->vms; vm != NULL; vm = vm->next) {
		on += vm->status == VM_POWERED_ON;
		all++;
	}
	if (all == 0)
		return 1;
	return on == all ? 4 : on == 0 ? 8 : 10;
}

const char *status_word(int status)
{
	switch (status) {
	case -1:
		return "FAILED_CREATION";
	case 1:
		return "RESOLVED";
	case 4:
		return "POWERED_ON";
	case 8:
		return "POWERED_OFF";
	case 10:
		return "MIXED";
	default:
		return "UNRESOLVED";
	}
}

static const char *below(const struct sim_request *req, const char *href, const char *path)
{
	return arena_printf(req->arena, "%s/%s", href, path);
}

static bool may(const struct sim_request *req, const char *right)
{
	return session_has_right(req->session, right);
}

static void render_power_links(const struct sim_request *req, struct xml_writer *writer,
	const char *href, int status, bool deployed)
{
	if (!may(req, "vApp: Power Operations"))
		return;
	if (status == 8 || status == 10)
		render_link(
			writer, "power:powerOn", NULL, below(req, href, "power/action/powerOn"));
	if (status == 4 || status == 10)
		render_link(
			writer, "power:powerOff", NULL, below(req, href, "power/action/powerOff"));
	if (deployed)
		render_link(writer, "undeploy", TYPE_VCLOUD "undeployVAppParams+xml",
			below(req, href, "action/undeploy"));
	else
		render_link(writer, "deploy", TYPE_VCLOUD "deployVAppParams+xml",
			below(req, href, "action/deploy"));
}

/* While a task runs nothing but reading is legal. */
static void render_vapp_links(
	const struct sim_request *req, struct xml_writer *writer, const struct sim_vapp *vapp)
{
	const char *href = href_of(req, "vApp/vapp-", vapp->uuid);

	render_link(writer, "down", TYPE_METADATA, below(req, href, "metadata"));
	render_link(writer, "up", TYPE_VDC, href_of(req, "vdc/", vapp->vdc->uuid));
	if (lock_holder(req->sim, vapp->uuid) != NULL)
		return;
	render_power_links(req, writer, href, vapp_status_now(vapp), vapp->deployed);
	if (may(req, "vApp: Create / Reconfigure"))
		render_link(writer, "recompose", TYPE_VCLOUD "recomposeVAppParams+xml",
			below(req, href, "action/recomposeVApp"));
	if (may(req, "vApp: Delete") && !vapp->deployed)
		render_link(writer, "remove", NULL, href);
}

void render_lease(const struct sim_request *req, struct xml_writer *writer, struct sim_vapp *vapp)
{
	const char *href =
		below(req, href_of(req, "vApp/vapp-", vapp->uuid), "leaseSettingsSection/");

	xw_attr(writer, "href", href);
	xw_attr(writer, "type", TYPE_VCLOUD "leaseSettingsSection+xml");
	xw_leaf(writer, "ovf:Info", "Lease settings section");
	render_link(writer, "edit", TYPE_VCLOUD "leaseSettingsSection+xml", href);
	xw_leaf_int(writer, "DeploymentLeaseInSeconds", vapp->lease_deploy_s);
	xw_leaf_int(writer, "StorageLeaseInSeconds", vapp->lease_storage_s);
}

static void render_vapp_networks(
	const struct sim_request *req, struct xml_writer *writer, const struct sim_vapp *vapp)
{
	xw_open(writer, "ovf:NetworkSection");
	xw_leaf(writer, "ovf:Info", "The list of logical networks");
	if (vapp->network != NULL) {
		xw_open(writer, "ovf:Network");
		xw_attr(writer, "ovf:name", vapp->network);
		xw_leaf(writer, "ovf:Description", "");
		xw_close(writer);
	}
	xw_close(writer);
	xw_open(writer, "NetworkConfigSection");
	xw_leaf(writer, "ovf:Info", "The configuration parameters for logical networks");
	if (vapp->network != NULL) {
		xw_open(writer, "NetworkConfig");
		xw_attr(writer, "networkName", vapp->network);
		xw_open(writer, "Configuration");
		render_ref(writer, "ParentNetwork", vapp->network,
			urn_of(req, "network", vapp->network_uuid),
			href_of(req, "network/", vapp->network_uuid), NULL);
		xw_leaf(writer, "FenceMode", "bridged");
		xw_close(writer);
		xw_leaf(writer, "IsDeployed", vapp->deployed ? "true" : "false");
		xw_close(writer);
	}
	xw_close(writer);
}

static void render_owner(
	const struct sim_request *req, struct xml_writer *writer, const struct sim_vapp *vapp)
{
	xw_open(writer, "Owner");
	xw_attr(writer, "type", TYPE_VCLOUD "owner+xml");
	render_user_ref(req, writer, "User", vapp->owner);
	xw_close(writer);
}

void render_vapp(const struct sim_request *req, struct xml_writer *writer, struct sim_vapp *vapp)
{
	const struct sim_task *shown = lock_holder(req->sim, vapp->uuid);

	/* VCD keeps showing why a vApp could not be made. */
	if (shown == NULL && vapp_status_now(vapp) < 0)
		shown = failed_task(req->sim, vapp->uuid);
	doc_namespaces(writer);
	xw_attr_int(writer, "status", vapp_status_now(vapp));
	xw_attr(writer, "deployed", vapp->deployed ? "true" : "false");
	xw_attr(writer, "ovfDescriptorUploaded", "true");
	render_identity(writer, vapp->name, urn_of(req, "vapp", vapp->uuid),
		href_of(req, "vApp/vapp-", vapp->uuid), TYPE_VAPP);
	render_vapp_links(req, writer, vapp);
	xw_leaf(writer, "Description", str_or(vapp->description, ""));
	render_task_section(req, writer, shown);
	xw_open(writer, "LeaseSettingsSection");
	render_lease(req, writer, vapp);
	xw_close(writer);
	render_vapp_networks(req, writer, vapp);
	xw_leaf(writer, "DateCreated", OWNED_SINCE);
	render_owner(req, writer, vapp);
	xw_leaf(writer, "autoNature", "false");
	xw_leaf(writer, "InMaintenanceMode", "false");
	if (vapp->vms == NULL)
		return;
	xw_open(writer, "Children");
	for (struct sim_vm *vm = vapp->vms; vm != NULL; vm = vm->next) {
		xw_open(writer, "Vm");
		render_vm(req, writer, vm);
		xw_close(writer);
	}
	xw_close(writer);
}

static void render_vm_links(
	const struct sim_request *req, struct xml_writer *writer, const struct sim_vm *vm)
{
	const char *href = href_of(req, "vApp/vm-", vm->uuid);

	render_link(writer, "up", TYPE_VAPP, href_of(req, "vApp/vapp-", vm->vapp->uuid));
	if (lock_holder(req->sim, vm->uuid) != NULL ||
		lock_holder(req->sim, vm->vapp->uuid) != NULL)
		return;
	render_power_links(req, writer, href, (int)vm->status, vm->deployed);
	if (may(req, "vApp: Edit VM Properties")) {
		render_link(writer, "edit", TYPE_VM, href);
		render_link(
			writer, "reconfigureVm", TYPE_VM, below(req, href, "action/reconfigureVm"));
	}
	if (may(req, "vApp: Delete") && !vm->deployed)
		render_link(writer, "remove", NULL, href);
}

static void render_item(struct xml_writer *writer, const char *id, const char *name,
	const char *type, const char *quantity)
{
	xw_open(writer, "ovf:Item");
	xw_leaf(writer, "rasd:ElementName", name);
	xw_leaf(writer, "rasd:InstanceID", id);
	xw_leaf(writer, "rasd:ResourceType", type);
	xw_leaf(writer, "rasd:VirtualQuantity", quantity);
	xw_close(writer);
}

static void render_nic(struct xml_writer *writer, const struct sim_vm *vm)
{
	xw_open(writer, "ovf:Item");
	xw_leaf(writer, "rasd:Address", "00:50:56:01:02:03");
	xw_leaf(writer, "rasd:AddressOnParent", "0");
	xw_leaf(writer, "rasd:AutomaticAllocation", "true");
	xw_open(writer, "rasd:Connection");
	xw_attr(writer, "vcloud:ipAddressingMode", vm->ip_mode);
	xw_attr(writer, "vcloud:ipAddress", vm->ip[0] == '\0' ? NULL : vm->ip);
	xw_attr(writer, "vcloud:primaryNetworkConnection", "true");
	xw_text(writer, vm->network);
	xw_close(writer);
	xw_leaf(writer, "rasd:ElementName", "Network adapter 0");
	xw_leaf(writer, "rasd:InstanceID", "1");
	xw_leaf(writer, "rasd:ResourceSubType", "VMXNET3");
	xw_leaf(writer, "rasd:ResourceType", "10");
	xw_close(writer);
}

void render_hardware(const struct sim_request *req, struct xml_writer *writer, struct sim_vm *vm)
{
	xw_attr(writer, "ovf:transport", "");
	xw_leaf(writer, "ovf:Info", "Virtual hardware requirements");
	xw_open(writer, "ovf:System");
	xw_leaf(writer, "vssd:ElementName", "Virtual Hardware Family");
	xw_leaf(writer, "vssd:InstanceID", "0");
	xw_leaf(writer, "vssd:VirtualSystemIdentifier", vm->name);
	xw_leaf(writer, "vssd:VirtualSystemType", "vmx-15");
	xw_close(writer);
	if (vm->network != NULL)
		render_nic(writer, vm);
	render_item(writer, "4", "2 virtual CPU(s)", "3", "2");
	render_item(writer, "5", "2048 MB of memory", "4", "2048");
	if (!session_sees_extra(req->session))
		return;
	for (const struct sim_extra *extra = vm->extra; extra != NULL; extra = extra->next) {
		const char *value = extra_shown(vm, extra);

		if (value == NULL)
			continue;
		xw_open(writer, "vmw:ExtraConfig");
		xw_attr(writer, "ovf:required", "false");
		xw_attr(writer, "vmw:key", extra->key);
		xw_attr(writer, "vmw:value", value);
		xw_close(writer);
	}
}

void render_network_connection(
	struct xml_writer *writer, const char *network, const char *ip, int index, const char *mode)
{
	xw_open(writer, "NetworkConnection");
	xw_attr(writer, "network", network);
	xw_attr(writer, "needsCustomization", "false");
	xw_leaf_int(writer, "NetworkConnectionIndex", index);
	xw_leaf(writer, "IpAddress", ip);
	xw_leaf(writer, "IsConnected", "true");
	xw_leaf(writer, "MACAddress", "00:50:56:01:02:03");
	xw_leaf(writer, "IpAddressAllocationMode", mode);
	xw_leaf(writer, "NetworkAdapterType", "VMXNET3");
	xw_close(writer);
}

static void render_connections(
	const struct sim_request *req, struct xml_writer *writer, const struct sim_vm *vm)
{
	int index = vm->template == NULL ? 0 : vm->template->nic_index;

	xw_open(writer, "NetworkConnectionSection");
	xw_attr(writer, "href",
		below(req, href_of(req, "vApp/vm-", vm->uuid), "networkConnectionSection/"));
	xw_attr(writer, "type", TYPE_VCLOUD "networkConnectionSection+xml");
	xw_leaf(writer, "ovf:Info", "Specifies the available VM network connections");
	xw_leaf_int(writer, "PrimaryNetworkConnectionIndex", index);
	if (vm->network != NULL)
		render_network_connection(
			writer, vm->network, vm->ip[0] == '\0' ? NULL : vm->ip, index, vm->ip_mode);
	xw_close(writer);
}

void render_customization(
	const struct sim_request *req, struct xml_writer *writer, struct sim_vm *vm)
{
	const char *href =
		below(req, href_of(req, "vApp/vm-", vm->uuid), "guestCustomizationSection/");

	xw_attr(writer, "href", href);
	xw_attr(writer, "type", TYPE_VCLOUD "guestCustomizationSection+xml");
	xw_leaf(writer, "ovf:Info", "Specifies Guest OS Customization Settings");
	xw_leaf(writer, "Enabled", vm->customization_enabled ? "true" : "false");
	xw_leaf(writer, "ChangeSid", "false");
	xw_leaf(writer, "VirtualMachineId", vm->uuid);
	xw_leaf(writer, "JoinDomainEnabled", "false");
	xw_leaf(writer, "UseOrgSettings", "false");
	xw_leaf(writer, "AdminPasswordEnabled", "true");
	xw_leaf(writer, "AdminPasswordAuto", "true");
	if (may(req, "vApp: Manage VM Password Settings"))
		xw_leaf(writer, "AdminPassword", arena_printf(req->arena, "pw%.8s", vm->uuid));
	xw_leaf(writer, "AdminAutoLogonEnabled", "false");
	xw_leaf(writer, "AdminAutoLogonCount", "0");
	xw_leaf(writer, "ResetPasswordRequired", "false");
	xw_leaf(writer, "CustomizationScript", vm->script);
	xw_leaf(writer, "ComputerName", vm->computer_name);
	render_link(writer, "edit", TYPE_VCLOUD "guestCustomizationSection+xml", href);
}

static void render_storage(
	const struct sim_request *req, struct xml_writer *writer, const struct sim_vm *vm)
{
	const struct sim_vdc *vdc = vm->vapp->vdc;

	for (size_t i = 0; i < json_object_array_length(vdc->storage_profiles); i++) {
		struct json_object *profile = json_object_array_get_idx(vdc->storage_profiles, i);
		const char *name = json_str(profile, "name", ""),
			   *urn = json_str(profile, "id", "");

		if (str_eq(name, vm->storage_profile))
			render_ref(writer, "StorageProfile", name, urn,
				href_of(req, "vdcStorageProfile/", str_urn_uuid(urn)),
				TYPE_STORAGE);
	}
}

static void render_policy(
	const struct sim_request *req, struct xml_writer *writer, const struct sim_vm *vm)
{
	if (vm->sizing_policy == NULL)
		return;
	xw_open(writer, "ComputePolicy");
	render_ref(writer, "VmSizingPolicy", NULL, vm->sizing_policy,
		arena_printf(req->arena, "%s/cloudapi/1.0.0/vdcComputePolicies/%s",
			sim_base_url(req->sim), vm->sizing_policy),
		"application/json");
	xw_close(writer);
}

void render_vm(const struct sim_request *req, struct xml_writer *writer, struct sim_vm *vm)
{
	xw_attr(writer, "needsCustomization", vm->needs_customization ? "true" : "false");
	xw_attr(writer, "nestedHypervisorEnabled", "false");
	xw_attr(writer, "deployed", vm->deployed ? "true" : "false");
	xw_attr_int(writer, "status", (int)vm->status);
	render_identity(writer, vm->name, urn_of(req, "vm", vm->uuid),
		href_of(req, "vApp/vm-", vm->uuid), TYPE_VM);
	render_vm_links(req, writer, vm);
	xw_leaf(writer, "Description", "");
	render_task_section(req, writer, lock_holder(req->sim, vm->uuid));
	xw_open(writer, "ovf:VirtualHardwareSection");
	render_hardware(req, writer, vm);
	xw_close(writer);
	render_connections(req, writer, vm);
	xw_open(writer, "GuestCustomizationSection");
	render_customization(req, writer, vm);
	xw_close(writer);
	xw_leaf(writer, "DateCreated", OWNED_SINCE);
	xw_leaf(writer, "VAppScopedLocalId", vm->uuid);
	render_storage(req, writer, vm);
	render_policy(req, writer, vm);
}
