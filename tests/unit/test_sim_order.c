/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "common/xml.h"
#include "tests/vcdsim/body.h"

#define NS "xmlns=\"" XML_VCLOUD "\" xmlns:ovf=\"" XML_OVF "\" xmlns:vmw=\"" XML_VMW "\" "

/* Nothing when the body is taken, else the validator's text. */
static const char *verdict(const char *body)
{
	static struct error err;
	struct arena arena = {0};
	CLEANUP(xml_free)
	struct xml_doc *doc = xml_parse(body, strlen(body), &err);

	assert_non_null(doc);
	int result = order_check(&arena, xml_root(doc), &err);

	arena_reset(&arena);
	return result == 0 ? "" : err.msg;
}

static void takes_good_bodies(void **state)
{
	(void)state;
	assert_string_equal(
		verdict("<Task " NS "name=\"task\" status=\"running\"><Owner href=\"x\"/>"
			"<User href=\"y\"/><Progress>1</Progress><Details>d</Details></Task>"),
		"");
	assert_string_equal(
		verdict("<ComposeVAppParams " NS "name=\"a\"><Description/>"
			"<InstantiationParams><NetworkConfigSection><ovf:Info/>"
			"<NetworkConfig networkName=\"n\"><Configuration>"
			"<ParentNetwork href=\"h\"/><FenceMode>bridged</FenceMode>"
			"</Configuration></NetworkConfig></NetworkConfigSection>"
			"</InstantiationParams><AllEULAsAccepted>true</AllEULAsAccepted>"
			"</ComposeVAppParams>"),
		"");
	assert_string_equal(
		verdict("<Vm " NS "name=\"a\"><Description/><ovf:VirtualHardwareSection><ovf:Info/>"
			"<vmw:ExtraConfig vmw:key=\"k\" vmw:value=\"v\"/>"
			"</ovf:VirtualHardwareSection><DateCreated>x</DateCreated></Vm>"),
		"");
}

static void refuses_a_wrong_order(void **state)
{
	(void)state;
	assert_non_null(strstr(verdict("<Task " NS "name=\"task\" status=\"running\"><Progress>1"
				       "</Progress><Owner href=\"x\"/></Task>"),
		"2.4.d: Invalid content was found starting with element 'Owner'"));
	assert_non_null(strstr(verdict("<RecomposeVAppParams " NS "><SourcedItem><VmGeneralParams/>"
				       "<Source href=\"s\"/></SourcedItem></RecomposeVAppParams>"),
		"2.4.a: Invalid content was found starting with element 'VmGeneralParams'. One of "
		"'{Source}' is expected."));
	/* An element of the right name in a wrong namespace is another element. */
	assert_non_null(
		strstr(verdict("<Metadata " NS "><ovf:MetadataEntry/></Metadata>"), "2.4.d"));
}

static void refuses_missing_parts(void **state)
{
	(void)state;
	assert_non_null(strstr(verdict("<Task " NS "name=\"task\"/>"),
		"cvc-complex-type.4: Attribute 'status' must appear on element 'Task'."));
	assert_non_null(strstr(verdict("<LeaseSettingsSection " NS "/>"),
		"2.4.b: The content of element 'LeaseSettingsSection' is not complete. One of "
		"'{ovf:Info}' is expected."));
	assert_non_null(
		strstr(verdict("<Metadata " NS "><MetadataEntry><TypedValue/></MetadataEntry>"
			       "</Metadata>"),
			"'{Key}' is expected"));
}

static void knows_media_types(void **state)
{
	(void)state;
	assert_string_equal(order_media_type("Task"), "application/vnd.vmware.vcloud.task+xml");
	assert_null(order_media_type("SourcedItem"));
	assert_null(order_media_type("Nothing"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_good_bodies),
		cmocka_unit_test(refuses_a_wrong_order),
		cmocka_unit_test(refuses_missing_parts),
		cmocka_unit_test(knows_media_types),
	};

	xml_startup();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
