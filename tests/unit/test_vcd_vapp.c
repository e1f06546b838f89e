/* SPDX-License-Identifier: MIT */
#include "worker/vcd/vapp_xml.h"

#include "worker/vcd/ref.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/vcd_schema.h"

/* As VCD 10.2 shows it to a system administrator: prefixes, links inside sections, foreign parts.
 */
static const char vapp_text[] =
	"<?xml version=\"1.0\" encoding=\"UTF-8\"?>"
	"<ns2:VApp xmlns:ns2=\"" XML_VCLOUD "\" xmlns:ns4=\"" XML_OVF "\" xmlns:rasd=\"" XML_RASD
	"\" xmlns:vssd=\"" XML_VSSD "\" xmlns:vmw=\"" XML_VMW "\" name=\"demo\" status=\"8\" "
	"deployed=\"false\" id=\"urn:vcloud:vapp:v0\" "
	"href=\"https://vcd.test/api/vApp/vapp-0a0a0a0a-0000-4000-8000-0000000000f0\">"
	"<ns2:Link rel=\"up\" type=\"application/vnd.vmware.vcloud.vdc+xml\" "
	"href=\"https://vcd.test/api/vdc/d1\"/>"
	"<ns2:Description>urn:vcloud:entity:cse:nativeCluster:1.0.0:c1</ns2:Description>"
	"<ns2:Tasks><ns2:Task name=\"task\" status=\"error\" href=\"https://vcd.test/api/task/t0\">"
	"<ns2:Error majorErrorCode=\"400\" minorErrorCode=\"X\" message=\"no more addresses\"/>"
	"</ns2:Task><ns2:Task name=\"task\" status=\"running\" "
	"href=\"https://vcd.test/api/task/t1\"/></ns2:Tasks>"
	"<ns2:LeaseSettingsSection><ns4:Info>l</ns4:Info>"
	"<ns2:DeploymentLeaseInSeconds>604800</ns2:DeploymentLeaseInSeconds>"
	"<ns2:StorageLeaseInSeconds>0</ns2:StorageLeaseInSeconds></ns2:LeaseSettingsSection>"
	"<ns2:Owner><ns2:User href=\"https://vcd.test/api/admin/user/u1\" name=\"alice\"/>"
	"</ns2:Owner><ns2:Children>"
	"<ns2:Vm name=\"mstr-k3f9\" status=\"4\" deployed=\"true\" needsCustomization=\"false\" "
	"href=\"https://vcd.test/api/vApp/vm-0a0a0a0a-0000-4000-8000-0000000000f1\">"
	"<ns2:Description>kept &amp; sent</ns2:Description>"
	"<ns4:VirtualHardwareSection ns4:transport=\"\"><ns4:Info>hw</ns4:Info>"
	"<ns4:System><vssd:ElementName>e</vssd:ElementName><vssd:InstanceID>0</vssd:InstanceID>"
	"</ns4:System><ns4:Item><rasd:Address>00:50</rasd:Address>"
	"<rasd:AddressOnParent>0</rasd:AddressOnParent>"
	"<rasd:Connection ns2:ipAddress=\"10.7.0.12\">net</rasd:Connection>"
	"<rasd:ElementName>nic</rasd:ElementName><rasd:InstanceID>1</rasd:InstanceID>"
	"<rasd:ResourceType>10</rasd:ResourceType></ns4:Item>"
	"<vmw:ExtraConfig ns4:required=\"false\" vmw:key=\"guestinfo.cse.phase\" "
	"vmw:value=\"v1 3 init running ab\"/>"
	"<vmw:ExtraConfig ns4:required=\"false\" vmw:key=\"empty\" vmw:value=\"\"/>"
	"<ns2:Link rel=\"edit\" href=\"https://vcd.test/x\"/></ns4:VirtualHardwareSection>"
	"<ns2:NetworkConnectionSection><ns4:Info>n</ns4:Info>"
	"<ns2:PrimaryNetworkConnectionIndex>1</ns2:PrimaryNetworkConnectionIndex>"
	"<ns2:NetworkConnection network=\"other\">"
	"<ns2:NetworkConnectionIndex>0</ns2:NetworkConnectionIndex>"
	"<ns2:IpAddress>10.9.9.9</ns2:IpAddress></ns2:NetworkConnection>"
	"<ns2:NetworkConnection network=\"net\">"
	"<ns2:NetworkConnectionIndex>1</ns2:NetworkConnectionIndex>"
	"<ns2:IpAddress>10.7.0.12</ns2:IpAddress></ns2:NetworkConnection>"
	"</ns2:NetworkConnectionSection></ns2:Vm>"
	"<ns2:Vm name=\"node-aaaa\" status=\"0\" href=\"https://vcd.test/api/vApp/vm-f2\"/>"
	"<ns2:Vm name=\"node-bbbb\" status=\"20\" href=\"https://vcd.test/api/vApp/vm-f3\"/>"
	"</ns2:Children></ns2:VApp>";

static void read_sample(struct arena *arena, struct vcd_vapp *vapp)
{
	struct error err = {0};
	struct xml_doc *doc = xml_parse(vapp_text, strlen(vapp_text), &err);

	assert_non_null(doc);
	vapp_read(arena, xml_root(doc), vapp);
	vapp->doc = doc;
}

static void test_vapp_is_read(void **state)
{
	struct arena arena = {0};
	CLEANUP(vcd_vapp_release)
	struct vcd_vapp vapp = {0};

	(void)state;
	read_sample(&arena, &vapp);
	assert_string_equal(vapp.uuid, "0a0a0a0a-0000-4000-8000-0000000000f0");
	assert_string_equal(vapp.description, "urn:vcloud:entity:cse:nativeCluster:1.0.0:c1");
	assert_string_equal(vapp.owner_urn, "urn:vcloud:user:u1");
	assert_string_equal(vapp.owner_name, "alice");
	assert_string_equal(vapp.vdc_href, "https://vcd.test/api/vdc/d1");
	assert_int_equal(vapp.status, 8);
	assert_false(vapp.deployed);
	assert_string_equal(vapp.task_href, "https://vcd.test/api/task/t1");
	assert_string_equal(vapp.task_error, "no more addresses");
	assert_int_equal(vapp.lease_deploy_s, 604800);
	assert_int_equal(vapp.lease_storage_s, 0);
	assert_int_equal(vapp.vm_count, 3);
	arena_reset(&arena);
}

static void test_vms_are_read(void **state)
{
	struct arena arena = {0};
	CLEANUP(vcd_vapp_release)
	struct vcd_vapp vapp = {0};
	struct vcd_vm *vm;

	(void)state;
	read_sample(&arena, &vapp);
	vm = vcd_vapp_vm(&vapp, "mstr-k3f9");
	assert_non_null(vm);
	assert_string_equal(vm->uuid, "0a0a0a0a-0000-4000-8000-0000000000f1");
	/* The primary connection's address, not the first one's. */
	assert_string_equal(vm->ip, "10.7.0.12");
	assert_int_equal(vm->status, VM_ON);
	assert_true(vm->deployed);
	assert_string_equal(vcd_vm_extra(vm, "guestinfo.cse.phase"), "v1 3 init running ab");
	assert_string_equal(vcd_vm_extra(vm, "empty"), "");
	assert_null(vcd_vm_extra(vm, "absent"));
	vm = vcd_vapp_vm(&vapp, "node-aaaa");
	assert_int_equal(vm->status, VM_UNRESOLVED);
	assert_string_equal(vm->ip, "");
	assert_int_equal(vm->extra_count, 0);
	assert_int_equal(vcd_vapp_vm(&vapp, "node-bbbb")->status, VM_OTHER);
	assert_null(vcd_vapp_vm(&vapp, "node-cccc"));
	arena_reset(&arena);
}

static void test_reconfigure_sends_hardware_and_changed_keys_only(void **state)
{
	static const struct vcd_extra changes[] = {
		{"guestinfo.cse.data", "a2V5"}, {"guestinfo.cse.secret", ""}};
	struct arena arena = {0};
	struct error err = {0};
	CLEANUP(vcd_vapp_release)
	struct vcd_vapp vapp = {0};
	CLEANUP(xml_free)
	struct xml_doc *doc = NULL;
	struct xml_node *hardware;
	struct xml_node *at;
	const char *body;

	(void)state;
	read_sample(&arena, &vapp);
	assert_int_equal(reconfigure_body(&arena, &vapp.vms[0], changes, 2, &body, &err), 0);
	assert_valid(body);
	doc = xml_parse(body, strlen(body), &err);
	assert_true(xml_is(xml_root(doc), XML_VCLOUD, "Vm"));
	assert_string_equal(xml_attr(&arena, xml_root(doc), "name"), "mstr-k3f9");
	assert_string_equal(
		xml_text(&arena, xml_path(xml_root(doc), "Description")), "kept & sent");
	assert_null(xml_path(xml_root(doc), "NetworkConnectionSection"));
	hardware = xml_child(xml_root(doc), XML_OVF, "VirtualHardwareSection");
	assert_non_null(xml_child(hardware, XML_OVF, "System"));
	at = xml_find(hardware, XML_RASD, "Connection");
	assert_string_equal(xml_attr_ns(&arena, at, XML_VCLOUD, "ipAddress"), "10.7.0.12");
	assert_null(xml_child(hardware, XML_VCLOUD, "Link"));
	at = xml_child(hardware, XML_VMW, "ExtraConfig");
	assert_string_equal(xml_attr_ns(&arena, at, XML_VMW, "key"), "guestinfo.cse.data");
	assert_string_equal(xml_attr_ns(&arena, at, XML_VMW, "value"), "a2V5");
	at = xml_next(at, NULL, NULL);
	assert_string_equal(xml_attr_ns(&arena, at, XML_VMW, "value"), "");
	assert_null(xml_next(at, NULL, NULL));
	/* The fetched document still has what it had. */
	assert_int_equal(vapp.vms[0].extra_count, 2);
	assert_non_null(xml_find(vapp.vms[0].node, XML_VMW, "ExtraConfig"));
	/* A VM without hardware yet cannot be changed. */
	assert_int_equal(reconfigure_body(&arena, &vapp.vms[1], changes, 2, &body, &err), -1);
	assert_int_equal(err.code, ERR_TRANSIENT);
	arena_reset(&arena);
}

static const struct vcd_template template = {
	.vm = {.name = "ubuntu",
		.href = "https://vcd.test/api/vAppTemplate/vm-t1",
		.id = "urn:vcloud:vm:t1"},
	.nic_index = 2,
};
static const struct vcd_ref storage = {
	.name = "gold", .href = "https://vcd.test/api/vdcStorageProfile/s1", .id = ""};
static const struct vcd_ref sizing = {.name = "small",
	.href = "https://vcd.test/cloudapi/1.0.0/vdcComputePolicies/urn:vcloud:vdcComputePolicy:p1",
	.id = "urn:vcloud:vdcComputePolicy:p1"};

static struct vcd_compose sample_compose(const struct vcd_compose_vm *vms, size_t count)
{
	return (struct vcd_compose){
		.name = "demo",
		.description = "urn:vcloud:entity:cse:nativeCluster:1.0.0:c1",
		.network_name = "net & co",
		.network_href = "https://vcd.test/api/network/n1",
		.template = &template,
		.vms = vms,
		.vm_count = count,
	};
}

static void test_compose_body_follows_the_schema(void **state)
{
	static const struct vcd_compose_vm vms[] = {
		{"mstr-k3f9", "#!/bin/sh\nif [ \"$1\" = a ] && [ 1 ]; then :; fi\n", &storage,
			&sizing},
		{"node-aaaa", "#!/bin/sh\n", NULL, NULL},
	};
	struct arena arena = {0};
	struct error err = {0};
	struct vcd_compose spec = sample_compose(vms, 2);
	CLEANUP(xml_free)
	struct xml_doc *doc = NULL;
	struct xml_node *item;
	const char *body;

	(void)state;
	assert_int_equal(compose_body(&arena, &spec, &body, &err), 0);
	assert_valid(body);
	doc = xml_parse(body, strlen(body), &err);
	assert_string_equal(xml_attr(&arena, xml_root(doc), "deploy"), "false");
	assert_string_equal(xml_attr(&arena, xml_root(doc), "powerOn"), "false");
	item = xml_path(xml_root(doc), "InstantiationParams/LeaseSettingsSection");
	assert_string_equal(xml_text(&arena, xml_path(item, "DeploymentLeaseInSeconds")), "0");
	item = xml_path(xml_root(doc), "SourcedItem");
	assert_string_equal(
		xml_text(&arena, xml_path(item, "VmGeneralParams/RegenerateBiosUuid")), "true");
	item = xml_path(item, "InstantiationParams");
	assert_string_equal(xml_text(&arena, xml_path(item, "NetworkConnectionSection/"
							    "PrimaryNetworkConnectionIndex")),
		"2");
	assert_string_equal(
		xml_text(&arena, xml_path(item, "GuestCustomizationSection/CustomizationScript")),
		vms[0].script);
	assert_null(xml_find(xml_root(doc), XML_VCLOUD, "NetworkAssignment"));
	arena_reset(&arena);
}

/* A hundred workers with scripts of 1 KB fit into one call, larger calls are refused by name. */
static void test_compose_body_stays_within_limits(void **state)
{
	static struct vcd_compose_vm vms[101];
	static char script[8193];
	struct arena arena = {0};
	struct error err = {0};
	struct vcd_compose spec = sample_compose(vms, ARRAY_LEN(vms));
	const char *body;

	(void)state;
	memset(script, 'x', 1024);
	for (size_t i = 0; i < ARRAY_LEN(vms); i++)
		vms[i] = (struct vcd_compose_vm){"node-aaaa", script, &storage, &sizing};
	assert_int_equal(compose_body(&arena, &spec, &body, &err), 0);
	memset(script, 'x', 8192);
	assert_int_equal(compose_body(&arena, &spec, &body, &err), -1);
	assert_int_equal(err.code, ERR_INVALID);
	arena_reset(&arena);
}

static void test_metadata_is_written_and_read(void **state)
{
	static const struct vcd_metadata entries[] = {
		{"SYSTEM", "READONLY", "cse.cluster.id", "urn:<x>"},
		{"GENERAL", "READWRITE", "cse.version", ""},
	};
	struct arena arena = {0};
	struct error err = {0};
	const char *body = metadata_body(&arena, entries, 2);
	CLEANUP(xml_free)
	struct xml_doc *doc = xml_parse(body, strlen(body), &err);
	struct vcd_metadata *read;
	size_t count;

	(void)state;
	assert_valid(body);
	read = metadata_read(&arena, xml_root(doc), &count);
	assert_int_equal(count, 2);
	assert_string_equal(read[0].domain, "SYSTEM");
	assert_string_equal(read[0].visibility, "READONLY");
	assert_string_equal(read[0].value, "urn:<x>");
	assert_string_equal(read[1].key, "cse.version");
	assert_string_equal(read[1].value, "");
	arena_reset(&arena);
}

static void test_template_and_vdc_are_read(void **state)
{
	static const char text[] =
		"<a:VAppTemplate xmlns:a=\"" XML_VCLOUD "\" xmlns:o=\"" XML_OVF
		"\"><a:Children><a:Vm name=\"ubuntu\" href=\"https://vcd.test/vm-1\">"
		"<a:NetworkConnectionSection><o:Info/>"
		"<a:PrimaryNetworkConnectionIndex>3</a:PrimaryNetworkConnectionIndex>"
		"</a:NetworkConnectionSection></a:Vm></a:Children></a:VAppTemplate>";
	static const char vdc_text[] =
		"<a:Vdc xmlns:a=\"" XML_VCLOUD "\" name=\"v\" href=\"https://vcd.test/api/vdc/d1\">"
		"<a:AvailableNetworks><a:Network name=\"n1\" href=\"h1\"/>"
		"<a:Network name=\"n2\" href=\"h2\"/></a:AvailableNetworks>"
		"<a:IsEnabled>true</a:IsEnabled><a:VdcStorageProfiles>"
		"<a:VdcStorageProfile name=\"gold\" href=\"h3\"/></a:VdcStorageProfiles></a:Vdc>";
	struct arena arena = {0};
	struct error err = {0};
	CLEANUP(xml_free)
	struct xml_doc *doc = xml_parse(text, strlen(text), &err);
	CLEANUP(xml_free)
	struct xml_doc *vdc_doc = xml_parse(vdc_text, strlen(vdc_text), &err);
	struct vcd_template out;
	struct vcd_vdc vdc;

	(void)state;
	assert_true(template_read(&arena, xml_root(doc), &out));
	assert_int_equal(out.nic_index, 3);
	assert_string_equal(out.vm.href, "https://vcd.test/vm-1");
	vdc_read(&arena, xml_root(vdc_doc), &vdc);
	assert_string_equal(vdc.urn, "urn:vcloud:vdc:d1");
	assert_int_equal(vdc.network_count, 2);
	assert_string_equal(vdc.networks[1].href, "h2");
	assert_int_equal(vdc.storage_profile_count, 1);
	assert_true(vdc.enabled);
	assert_false(template_read(&arena, xml_root(vdc_doc), &out));
	arena_reset(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vapp_is_read),
		cmocka_unit_test(test_vms_are_read),
		cmocka_unit_test(test_reconfigure_sends_hardware_and_changed_keys_only),
		cmocka_unit_test(test_compose_body_follows_the_schema),
		cmocka_unit_test(test_compose_body_stays_within_limits),
		cmocka_unit_test(test_metadata_is_written_and_read),
		cmocka_unit_test(test_template_and_vdc_are_read),
	};

	xml_startup();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
