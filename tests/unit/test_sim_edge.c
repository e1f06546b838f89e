/* SPDX-License-Identifier: MIT */
#include "tests/unit/sim_cloud.h"
#include "tests/vcdsim/edge.h"

#define EDGE "/cloudapi/1.0.0/edgeGateways/urn:vcloud:gateway:0b000000-0000-4000-8000-000000000001"
#define RULES EDGE "/nat/rules"
#define NETWORKS "/cloudapi/1.0.0/orgVdcNetworks"
#define PROFILES "/cloudapi/1.0.0/applicationPortProfiles"
#define VDC "urn:vcloud:vdc:0d000000-0000-4000-8000-000000000001"

/* Rules stay disabled, so that no address of this machine is opened. */
static const char *rule(
	struct cloud *cloud, const char *name, const char *address, const char *more)
{
	return arena_printf(&cloud->arena,
		"{\"name\":\"%s\",\"enabled\":false,\"ruleType\":\"DNAT\",\"externalAddresses\":"
		"\"%s\",\"internalAddresses\":\"127.50.0.10\"%s}",
		name, address, more);
}

static void add_rule(struct cloud *cloud, const char *name, const char *address)
{
	assert_int_equal(cloud_call(cloud, "POST", RULES, rule(cloud, name, address, "")), 202);
	assert_string_equal(cloud_task_of_reply(cloud)->status, "success");
}

static int64_t uses(struct cloud *cloud, const char *address)
{
	struct json_object *values;
	int64_t count = 0;

	assert_int_equal(cloud_call(cloud, "GET", EDGE "/usedIpAddresses", NULL), 200);
	values = json_at(cloud->body, "values");
	for (size_t i = 0; i < json_object_array_length(values); i++)
		count += str_eq(
			json_str(json_object_array_get_idx(values, i), "ipAddress", ""), address);
	return count;
}

static void knows_addresses(void **state)
{
	uint32_t number;

	(void)state;
	assert_true(address_parse("127.60.0.10", &number));
	assert_int_equal(number, 0x7f3c000a);
	assert_false(address_parse("127.60.0", &number));
	assert_false(address_parse(NULL, &number));
	assert_true(address_or_network("10.0.0.0/8"));
	assert_false(address_or_network("10.0.0.0/33"));
	assert_false(address_or_network("10.0.0.0/"));
	assert_false(address_or_network("1.2.3.4,1.2.3.5"));
}

static void shows_who_uses_addresses(void **state)
{
	struct cloud *cloud = *state;

	assert_int_equal(uses(cloud, "127.60.0.2"), 1);
	assert_int_equal(uses(cloud, "127.60.0.10"), 0);
	add_rule(cloud, "one", "127.60.0.10");
	add_rule(cloud, "two", "127.60.0.10");
	assert_int_equal(uses(cloud, "127.60.0.10"), 2);
}

static void refuses_foreign_addresses_in_the_task(void **state)
{
	struct cloud *cloud = *state;
	struct sim_task *task;

	assert_int_equal(
		cloud_call(cloud, "POST", RULES, rule(cloud, "far", "127.60.0.20", "")), 202);
	task = cloud_task_of_reply(cloud);
	assert_string_equal(task->status, "error");
	assert_non_null(strstr(task->error_message, "127.60.0.20"));
	assert_int_equal(uses(cloud, "127.60.0.20"), 0);
}

static void locks_the_edge_while_a_rule_changes(void **state)
{
	struct cloud *cloud = *state;
	struct sim_task *task;

	cloud->sim.options.task_ms = 60000;
	assert_int_equal(
		cloud_call(cloud, "POST", RULES, rule(cloud, "one", "127.60.0.10", "")), 202);
	task = cloud_task_of_reply(cloud);
	assert_int_equal(
		cloud_call(cloud, "POST", RULES, rule(cloud, "two", "127.60.0.11", "")), 400);
	assert_string_equal(json_str(cloud->body, "minorErrorCode", ""), "BUSY_ENTITY");
	task->due_ms = 0;
	state_tick(&cloud->sim);
	assert_int_equal(
		cloud_call(cloud, "POST", RULES, rule(cloud, "two", "127.60.0.11", "")), 202);
}

static const char *next_page(struct cloud *cloud)
{
	const char *link = cloud->reply.link;
	size_t skip = strlen("<https://127.0.0.1:1");

	return link ? arena_strndup(&cloud->arena, link + skip, strcspn(link, ">") - skip) : NULL;
}

static void pages_rules_by_cursor(void **state)
{
	struct cloud *cloud = *state;
	const char *uri = RULES "?pageSize=2";
	int64_t pages = 0, rules = 0;

	for (int i = 0; i < 5; i++)
		add_rule(cloud, arena_printf(&cloud->arena, "r%d", i), "127.60.0.11");
	for (; uri; uri = next_page(cloud)) {
		assert_int_equal(cloud_call(cloud, "GET", uri, NULL), 200);
		rules += (int64_t)json_object_array_length(json_at(cloud->body, "values"));
		pages++;
	}
	assert_int_equal(pages, 3);
	assert_int_equal(rules, 5);
	assert_int_equal(cloud_call(cloud, "GET", RULES "?cursor=x", NULL), 400);
	assert_int_equal(cloud_call(cloud, "GET", RULES "?cursor=YQ%3D%3D", NULL), 400);
}

static void refuses_bad_rules(void **state)
{
	static const char *const bad[] = {",\"internalPort\":\"6443\"",
		",\"dnatExternalPort\":6443", ",\"dnatExternalPort\":\"70000\"",
		",\"dnatExternalPort\":\"1-2-3\"",
		",\"applicationPortProfile\":{\"id\":\"urn:vcloud:applicationPortProfile:x\"}",
		",\"enabled\":\"yes\"", ",\"name\":null", ",\"ruleType\":null"};
	struct cloud *cloud = *state;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(
			cloud_call(cloud, "POST", RULES, rule(cloud, "x", "127.60.0.10", bad[i])),
			400);
	assert_int_equal(
		cloud_call(cloud, "POST", RULES, rule(cloud, "x", "127.60.0.10,127.60.0.11", "")),
		400);
	assert_int_equal(cloud_call(cloud, "POST", RULES,
				 rule(cloud, "x", "127.60.0.10",
					 ",\"type\":\"REFLEXIVE\",\"dnatExternalPort\":\"6443\"")),
		202);
}

static void changes_and_deletes_rules(void **state)
{
	struct cloud *cloud = *state;
	const char *uri, *body, *id;

	add_rule(cloud, "one", "127.60.0.10");
	cloud_call(cloud, "GET", RULES, NULL);
	id = arena_strdup(&cloud->arena,
		json_str(json_object_array_get_idx(json_at(cloud->body, "values"), 0), "id", ""));
	uri = arena_printf(&cloud->arena, RULES "/%s", id);
	body = arena_printf(&cloud->arena, ",\"id\":\"%s\",\"version\":{\"version\":1}", id);
	assert_int_equal(cloud_call(cloud, "PUT", uri, rule(cloud, "one", "127.60.0.12", "")), 400);
	assert_int_equal(
		cloud_call(cloud, "PUT", uri, rule(cloud, "one", "127.60.0.12", body)), 202);
	assert_string_equal(cloud_task_of_reply(cloud)->status, "success");
	assert_int_equal(cloud_call(cloud, "GET", uri, NULL), 200);
	assert_int_equal(json_int(cloud->body, "version.version", 0), 2);
	assert_string_equal(json_str(cloud->body, "externalAddresses", ""), "127.60.0.12");
	assert_null(json_at(cloud->body, "_edge"));
	assert_int_equal(cloud_call(cloud, "DELETE", uri, NULL), 202);
	assert_string_equal(cloud_task_of_reply(cloud)->status, "success");
	assert_int_equal(cloud_call(cloud, "DELETE", uri, NULL), 404);
	assert_int_equal(uses(cloud, "127.60.0.12"), 0);
}

static int64_t found(struct cloud *cloud, const char *path, const char *filter)
{
	const char *uri = arena_printf(&cloud->arena, "%s?filter=%s", path, filter);

	if (cloud_call(cloud, "GET", uri, NULL) != 200)
		return -1;
	return json_int(cloud->body, "resultTotal", -2);
}

static void finds_networks(void **state)
{
	struct cloud *cloud = *state;

	assert_int_equal(
		found(cloud, NETWORKS, "name==default-organization-network;_context==" VDC), 1);
	assert_int_equal(
		found(cloud, NETWORKS, "name==default-organization-network;_context==urn:x"), 0);
	assert_int_equal(found(cloud, NETWORKS, "ownerRef.id==" VDC), 3);
	assert_int_equal(found(cloud, NETWORKS, "description==x"), -1);
	cloud_login(cloud, "dave");
	assert_int_equal(found(cloud, NETWORKS, "name==default-organization-network"), 0);
}

static const char *profile(struct cloud *cloud, const char *name, const char *ports)
{
	const char *body = arena_printf(&cloud->arena,
		"{\"name\":\"%s\",\"applicationPorts\":[{\"protocol\":\"TCP\","
		"\"destinationPorts\":[%s]}],\"contextEntityId\":\"" VDC "\"}",
		name, ports);

	assert_int_equal(cloud_call(cloud, "POST", PROFILES, body), 202);
	assert_string_equal(cloud_task_of_reply(cloud)->status, "success");
	return cloud_task_of_reply(cloud)->owner_id;
}

static int rule_with_profile(struct cloud *cloud, const char *id)
{
	const char *more = arena_printf(&cloud->arena,
		",\"dnatExternalPort\":\"6443\",\"applicationPortProfile\":{\"id\":\"%s\"}", id);
	int status = cloud_call(cloud, "POST", RULES, rule(cloud, "p", "127.60.0.10", more));

	state_tick(&cloud->sim);
	return status;
}

static void uses_profiles_of_one_port(void **state)
{
	struct cloud *cloud = *state;
	const char *one = profile(cloud, "cse-kube-api-6443", "\"6443\"");
	const char *two = profile(cloud, "two", "\"6443\",\"6444\"");

	assert_int_equal(
		found(cloud, PROFILES, "name==cse-kube-api-6443;_context==" VDC ";scope==TENANT"),
		1);
	assert_int_equal(found(cloud, PROFILES, "name==cse-kube-api-6443;_context==urn:x"), 0);
	assert_int_equal(rule_with_profile(cloud, two), 400);
	assert_int_equal(rule_with_profile(cloud, one), 202);
	assert_int_equal(
		cloud_call(cloud, "DELETE", arena_printf(&cloud->arena, PROFILES "/%s", one), NULL),
		202);
	assert_string_equal(cloud_task_of_reply(cloud)->status, "error");
	assert_int_equal(
		cloud_call(cloud, "DELETE", arena_printf(&cloud->arena, PROFILES "/%s", two), NULL),
		202);
	assert_string_equal(cloud_task_of_reply(cloud)->status, "success");
}

/* A document of the state, parsed from text, put into one of its lists. */
static void put_doc(struct json_object *list, const char *text)
{
	struct error err = {0};
	struct json_object *doc = json_parse(text, strlen(text), 32, &err);

	assert_non_null(doc);
	json_object_array_add(list, doc);
}

static void shows_networks_of_a_vdc_group_by_context_only(void **state)
{
	struct cloud *cloud = *state;

	put_doc(cloud->sim.networks,
		"{\"id\":\"urn:vcloud:network:9\",\"name\":\"group-net\",\"ownerRef\":"
		"{\"id\":\"urn:vcloud:vdcGroup:1\"},\"_vdcs\":[\"" VDC "\"],\"orgRef\":{\"id\":"
		"\"urn:vcloud:org:0e000000-0000-4000-8000-000000000001\"}}");
	assert_int_equal(found(cloud, NETWORKS, "name==group-net;_context==" VDC), 1);
	assert_int_equal(found(cloud, NETWORKS, "name==group-net;ownerRef.id==" VDC), 0);
}

static void has_the_ranges_of_all_uplinks(void **state)
{
	struct cloud *cloud = *state;
	struct json_object *edge = json_object_array_get_idx(cloud->sim.edges, 0);

	assert_false(edge_has_address(edge, "127.60.1.5"));
	put_doc(json_at(edge, "edgeGatewayUplinks"),
		"{\"uplinkName\":\"two\",\"subnets\":{\"values\":[{\"primaryIp\":\"127.60.1.2\","
		"\"ipRanges\":{\"values\":[{\"startAddress\":\"127.60.1.5\",\"endAddress\":"
		"\"127.60.1.5\"}]}}]}}");
	assert_true(edge_has_address(edge, "127.60.1.5"));
	assert_false(edge_has_address(edge, "127.60.1.6"));
	assert_false(edge_has_address(edge, "nonsense"));
	assert_int_equal(uses(cloud, "127.60.1.2"), 1);
}

static void refuses_profiles_of_other_owners(void **state)
{
	struct cloud *cloud = *state;

	put_doc(cloud->sim.port_profiles,
		"{\"id\":\"urn:vcloud:applicationPortProfile:8\",\"name\":\"x\",\"scope\":"
		"\"TENANT\","
		"\"contextEntityId\":\"urn:vcloud:vdcGroup:1\",\"usableForNAT\":true}");
	put_doc(cloud->sim.port_profiles,
		"{\"id\":\"urn:vcloud:applicationPortProfile:9\",\"name\":\"https\",\"scope\":"
		"\"SYSTEM\",\"usableForNAT\":true}");
	assert_int_equal(rule_with_profile(cloud, "urn:vcloud:applicationPortProfile:8"), 400);
	assert_int_equal(rule_with_profile(cloud, "urn:vcloud:applicationPortProfile:9"), 202);
}

static void asks_for_rights(void **state)
{
	struct cloud *cloud = *state;

	cloud_login(cloud, "carol");
	assert_int_equal(cloud_call(cloud, "GET", RULES, NULL), 403);
	cloud_login(cloud, "bob");
	assert_int_equal(cloud_call(cloud, "GET", RULES, NULL), 200);
	assert_int_equal(
		cloud_call(cloud, "POST", RULES, rule(cloud, "x", "127.60.0.10", "")), 403);
	cloud_login(cloud, "dave");
	assert_int_equal(cloud_call(cloud, "GET", RULES, NULL), 403);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, cloud_setup, cloud_teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(knows_addresses),
		TEST(shows_who_uses_addresses),
		TEST(refuses_foreign_addresses_in_the_task),
		TEST(locks_the_edge_while_a_rule_changes),
		TEST(pages_rules_by_cursor),
		TEST(refuses_bad_rules),
		TEST(changes_and_deletes_rules),
		TEST(finds_networks),
		TEST(uses_profiles_of_one_port),
		TEST(shows_networks_of_a_vdc_group_by_context_only),
		TEST(has_the_ranges_of_all_uplinks),
		TEST(refuses_profiles_of_other_owners),
		TEST(asks_for_rights),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
