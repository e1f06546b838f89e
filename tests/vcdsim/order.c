/* SPDX-License-Identifier: MIT */
#include "common/str.h"
#include "common/xml.h"
#include "tests/vcdsim/body.h"

#include <string.h>

/* Sections stand in any order where the schema has its substitution group. */
#define ENTITY "VCloudExtension* Link* Description? Tasks? "

/*
 * Children in their order: `?` at most one, `*` any number, nothing: exactly one. `%` is any number
 * of sections in any order. Attributes that must be there stand in the third column.
 */
static const struct order_row {
	const char *element, *children, *attributes, *media_type;
} order_rows[] = {
	{"ComposeVAppParams",
		"VCloudExtension* Description? VAppParent? InstantiationParams? SourcedItem* "
		"CreateItem* AllEULAsAccepted?",
		"", "application/vnd.vmware.vcloud.composeVAppParams+xml"},
	{"RecomposeVAppParams",
		"VCloudExtension* Description? VAppParent? InstantiationParams? SourcedItem* "
		"CreateItem* AllEULAsAccepted? DeleteItem* ReconfigureItem*",
		"", "application/vnd.vmware.vcloud.recomposeVAppParams+xml"},
	{"SourcedItem",
		"VCloudExtension* Source VmGeneralParams? VAppScopedLocalId? InstantiationParams? "
		"NetworkAssignment* StorageProfile? VdcComputePolicy? ComputePolicy? "
		"LocalityParams? VmCapabilities?",
		"", NULL},
	{"Source", NULL, "href", NULL},
	{"DeleteItem", NULL, "href", NULL},
	{"StorageProfile", NULL, "href", NULL},
	{"ParentNetwork", NULL, "href", NULL},
	{"VmGeneralParams",
		"VCloudExtension* Name? Description? NeedsCustomization? RegenerateBiosUuid?", "",
		NULL},
	{"InstantiationParams", "VCloudExtension* %", "", NULL},
	{"NetworkConfigSection", "ovf:Info Link* NetworkConfig*", "", NULL},
	{"NetworkConfig", "VCloudExtension* Link* Description? Configuration IsDeployed?",
		"networkName", NULL},
	{"Configuration",
		"VCloudExtension* BackwardCompatibilityMode? IpScope? IpScopes? ParentNetwork? "
		"FenceMode RetainNetInfoAcrossDeployments? Features? SyslogServerSettings? "
		"RouterInfo? AdvancedNetworkingEnabled? SubInterface? DistributedInterface? "
		"GuestVlanAllowed? Connected? DualStackNetwork?",
		"", NULL},
	{"NetworkConnectionSection",
		"ovf:Info PrimaryNetworkConnectionIndex? NetworkConnection* Link*", "",
		"application/vnd.vmware.vcloud.networkConnectionSection+xml"},
	{"NetworkConnection",
		"VCloudExtension* NetworkConnectionIndex IpAddress? IpType? SecondaryIpAddress? "
		"SecondaryIpType? ExternalIpAddress? IsConnected MACAddress? "
		"IpAddressAllocationMode SecondaryIpAddressAllocationMode? NetworkAdapterType?",
		"network", NULL},
	{"GuestCustomizationSection",
		"ovf:Info Enabled? ChangeSid? VirtualMachineId? JoinDomainEnabled? UseOrgSettings? "
		"DomainName? DomainUserName? DomainUserPassword? MachineObjectOU? "
		"AdminPasswordEnabled? AdminPasswordAuto? AdminPassword? AdminAutoLogonEnabled? "
		"AdminAutoLogonCount? ResetPasswordRequired? CustomizationScript? ComputerName? "
		"Link*",
		"", "application/vnd.vmware.vcloud.guestCustomizationSection+xml"},
	{"LeaseSettingsSection",
		"ovf:Info Link* DeploymentLeaseInSeconds? StorageLeaseInSeconds? "
		"DeploymentLeaseExpiration? StorageLeaseExpiration?",
		"", "application/vnd.vmware.vcloud.leaseSettingsSection+xml"},
	{"ComputePolicy",
		"VCloudExtension* Link* VmPlacementPolicy? VmPlacementPolicyFinal? VmSizingPolicy? "
		"VmSizingPolicyFinal?",
		"", NULL},
	{"Vm",
		ENTITY "Files? VAppParent? % DateCreated? VAppScopedLocalId? ovfenv:Environment? "
		       "VmCapabilities? StorageProfile? VdcComputePolicy? ComputePolicy? "
		       "ComputePolicyCompliance* IsComputePolicyCompliant? BootOptions? Media?",
		"name", "application/vnd.vmware.vcloud.vm+xml"},
	{"VApp",
		ENTITY "Files? VAppParent? % DateCreated? Owner? autoNature? InMaintenanceMode? "
		       "Children? VAppOriginalNetworks?",
		"name", "application/vnd.vmware.vcloud.vApp+xml"},
	{"VirtualHardwareSection", "ovf:Info ovf:System? ovf:Item* Link* vmw:ExtraConfig*", "",
		"application/vnd.vmware.vcloud.virtualHardwareSection+xml"},
	{"Metadata", "VCloudExtension* Link* MetadataEntry*", "",
		"application/vnd.vmware.vcloud.metadata+xml"},
	{"MetadataEntry", "VCloudExtension* Link* Domain? Key Value? TypedValue?", "", NULL},
	{"MetadataValue", "VCloudExtension* Link* Domain? Value? TypedValue?", "",
		"application/vnd.vmware.vcloud.metadata.value+xml"},
	{"TypedValue", "VCloudExtension* Value", "xsi:type", NULL},
	{"Task",
		ENTITY "Owner? Error? User? Organization? Progress? Params? Details? VcTaskList? "
		       "Result?",
		"name status", "application/vnd.vmware.vcloud.task+xml"},
	{"Error", "TenantError?", "message majorErrorCode minorErrorCode", NULL},
	{"Result", "VCloudExtension* ResultContent? ResultReference?", "", NULL},
	{"User", NULL, "href", NULL},
	{"Organization", NULL, "href", NULL},
	{"UndeployVAppParams", "VCloudExtension* UndeployPowerAction?", "",
		"application/vnd.vmware.vcloud.undeployVAppParams+xml"},
	{"DeployVAppParams", "VCloudExtension*", "",
		"application/vnd.vmware.vcloud.deployVAppParams+xml"},
};

static const char *const sections[] = {"VirtualHardwareSection", "OperatingSystemSection",
	"NetworkConnectionSection", "GuestCustomizationSection", "RuntimeInfoSection",
	"SnapshotSection", "VmSpecSection", "LeaseSettingsSection", "StartupSection",
	"NetworkSection", "NetworkConfigSection", "ProductSection", "CustomizationSection",
	"DefaultStorageProfileSection", "DateCreatedSection", "Section"};

static const struct {
	const char *prefix, *uri;
} prefixes[] = {
	{"ovf:", XML_OVF},
	{"vmw:", XML_VMW},
	{"ovfenv:", "http://schemas.dmtf.org/ovf/environment/1"},
	{"xsi:", XML_XSI},
};

/* Cuts the prefix off *name and gives its namespace; no prefix is the legacy API's namespace. */
static const char *split_prefix(const char **name)
{
	for (size_t i = 0; i < ARRAY_LEN(prefixes); i++) {
		if (str_starts(*name, prefixes[i].prefix)) {
			*name += strlen(prefixes[i].prefix);
			return prefixes[i].uri;
		}
	}
	return XML_VCLOUD;
}

static bool is_section(const struct xml_node *node)
{
	for (size_t i = 0; i < ARRAY_LEN(sections); i++) {
		if (str_eq(xml_name(node), sections[i]))
			return true;
	}
	return false;
}

static const struct order_row *find_row(const char *element)
{
	for (size_t i = 0; i < ARRAY_LEN(order_rows); i++) {
		if (str_eq(order_rows[i].element, element))
			return &order_rows[i];
	}
	return NULL;
}

const char *order_media_type(const char *root)
{
	const struct order_row *row = find_row(root);

	return row == NULL ? NULL : row->media_type;
}

static int check_attributes(struct arena *arena, const struct xml_node *node,
	const struct order_row *row, struct error *err)
{
	const char *rest = row->attributes[0] == '\0' ? NULL : row->attributes, *start;
	size_t len;

	while ((start = str_next(&rest, ' ', &len)) != NULL) {
		const char *name = arena_strndup(arena, start, len), *local = name;
		const char *uri = strchr(name, ':') == NULL ? NULL : split_prefix(&local);
		const char *value = uri == NULL ? xml_attr(arena, node, local)
						: xml_attr_ns(arena, node, uri, local);

		if (value == NULL)
			return error_set(err, ERR_INVALID,
				"cvc-complex-type.4: Attribute '%s' must appear on element '%s'.",
				name, row->element);
	}
	return 0;
}

/* Steps over the children that one item of the model allows; false: the required one is missing. */
static bool take_item(const struct xml_node **child, const char *item, char mark)
{
	const char *uri = split_prefix(&item);
	bool taken = false;

	while (*child != NULL && (mark == '%' ? is_section(*child) : xml_is(*child, uri, item))) {
		*child = xml_next(*child, NULL, NULL);
		taken = true;
		if (mark == '?' || mark == '1')
			break;
	}
	return taken || mark != '1';
}

static int check_children(struct arena *arena, const struct xml_node *node,
	const struct order_row *row, struct error *err)
{
	const struct xml_node *child = xml_child(node, NULL, NULL);
	const char *rest = row->children, *start;
	size_t len;

	while ((start = str_next(&rest, ' ', &len)) != NULL) {
		char last = start[len - 1];
		char mark = last == '?' || last == '*' || last == '%' ? last : '1';
		const char *item = arena_strndup(arena, start, mark == '1' ? len : len - 1);

		if (take_item(&child, item, mark))
			continue;
		if (child == NULL)
			return error_set(err, ERR_INVALID,
				"cvc-complex-type.2.4.b: The content of element '%s' is not "
				"complete. One of '{%s}' is expected.",
				row->element, item);
		return error_set(err, ERR_INVALID,
			"cvc-complex-type.2.4.a: Invalid content was found starting with element "
			"'%s'. One of '{%s}' is expected.",
			xml_name(child), item);
	}
	if (child == NULL)
		return 0;
	return error_set(err, ERR_INVALID,
		"cvc-complex-type.2.4.d: Invalid content was found starting with element '%s'. No "
		"child element is expected at this point.",
		xml_name(child));
}

int order_check(struct arena *arena, const struct xml_node *node, struct error *err)
{
	const struct order_row *row = find_row(xml_name(node));

	if (row != NULL && check_attributes(arena, node, row, err) != 0)
		return -1;
	if (row != NULL && row->children != NULL && check_children(arena, node, row, err) != 0)
		return -1;
	for (const struct xml_node *child = xml_child(node, NULL, NULL); child != NULL;
		child = xml_next(child, NULL, NULL)) {
		if (order_check(arena, child, err) != 0)
			return -1;
	}
	return 0;
}
