/* SPDX-License-Identifier: MIT */
#include "worker/vcd/network_json.h"

#include "common/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct json_object *parse(const char *text)
{
	struct error err = {0};
	struct json_object *object = json_parse(text, strlen(text), 32, &err);

	if (!object)
		fail_msg("%s", err.msg);
	return object;
}

static void test_addresses(void **state)
{
	struct arena arena = {0};
	uint32_t ip = 0;

	(void)state;
	assert_true(ip4_parse("192.0.2.51", &ip));
	assert_int_equal(ip, 0xc0000233);
	assert_string_equal(ip4_text(&arena, ip), "192.0.2.51");
	assert_string_equal(ip4_text(&arena, 0xffffffff), "255.255.255.255");
	assert_false(ip4_parse("2001:db8::1", &ip));
	assert_false(ip4_parse("192.0.2.51/24", &ip));
	assert_false(ip4_parse(NULL, &ip));
	arena_reset(&arena);
}

static void test_network_counts_its_pool(void **state)
{
	struct arena arena = {0};
	CLEANUP(json_release)
	struct json_object *routed = parse(
		"{\"id\":\"urn:vcloud:network:n1\",\"name\":\"net\",\"networkType\":\"NAT_ROUTED\","
		"\"connection\":{\"routerRef\":{\"id\":\"urn:vcloud:gateway:g1\"}},"
		"\"subnets\":{\"values\":["
		"{\"gateway\":\"10.7.0.1\",\"enabled\":true,\"totalIpCount\":90,\"usedIpCount\":3,"
		"\"ipRanges\":{\"values\":[{\"startAddress\":\"10.7.0.10\","
		"\"endAddress\":\"10.7.0.99\"}]}},"
		"{\"gateway\":\"2001:db8::1\",\"totalIpCount\":1000,\"usedIpCount\":0,"
		"\"ipRanges\":{\"values\":[{\"startAddress\":\"2001:db8::2\","
		"\"endAddress\":\"2001:db8::3\"}]}}]}}");
	CLEANUP(json_release)
	struct json_object *dhcp = parse(
		"{\"id\":\"urn:vcloud:network:n2\",\"name\":\"dhcp\",\"networkType\":\"ISOLATED\","
		"\"connection\":null,\"subnets\":{\"values\":[{\"gateway\":\"10.8.0.1\","
		"\"enabled\":true,\"totalIpCount\":0,\"usedIpCount\":0,"
		"\"ipRanges\":{\"values\":[]}}]}}");
	struct vcd_network network;

	(void)state;
	network_read(&arena, routed, &network);
	assert_string_equal(network.edge_urn, "urn:vcloud:gateway:g1");
	assert_true(network.has_static_pool);
	assert_int_equal(network.free_addresses, 87);
	network_read(&arena, dhcp, &network);
	assert_string_equal(network.edge_urn, "");
	assert_false(network.has_static_pool);
	assert_int_equal(network.free_addresses, 0);
	arena_reset(&arena);
}

static void test_edge_offers_all_usable_ranges(void **state)
{
	struct arena arena = {0};
	struct error err = {0};
	CLEANUP(json_release)
	struct json_object *document = parse(
		"{\"id\":\"urn:vcloud:gateway:g1\",\"name\":\"edge\",\"edgeGatewayUplinks\":["
		"{\"connected\":true,\"subnets\":{\"values\":["
		"{\"gateway\":\"192.0.2.1\",\"enabled\":true,\"primaryIp\":\"192.0.2.50\","
		"\"ipRanges\":{\"values\":[{\"startAddress\":\"192.0.2.50\","
		"\"endAddress\":\"192.0.2.59\"},{\"startAddress\":\"192.0.2.70\","
		"\"endAddress\":\"192.0.2.70\"},{\"startAddress\":\"192.0.2.9\","
		"\"endAddress\":\"192.0.2.8\"}]}},"
		"{\"gateway\":\"198.51.100.1\",\"enabled\":false,\"ipRanges\":{\"values\":"
		"[{\"startAddress\":\"198.51.100.2\",\"endAddress\":\"198.51.100.3\"}]}}]}},"
		"{\"connected\":true,\"subnets\":{\"values\":[{\"gateway\":\"203.0.113.1\","
		"\"primaryIp\":null,\"ipRanges\":{\"values\":[{\"startAddress\":\"203.0.113.9\","
		"\"endAddress\":\"203.0.113.9\"}]}}]}},"
		"{\"connected\":false,\"subnets\":{\"values\":[{\"gateway\":\"203.0.113.1\","
		"\"ipRanges\":{\"values\":[{\"startAddress\":\"203.0.113.5\","
		"\"endAddress\":\"203.0.113.6\"}]}}]}}],"
		"\"gatewayBacking\":{\"gatewayType\":\"NSXT_BACKED\"},"
		"\"ownerRef\":{\"id\":\"urn:vcloud:vdcGroup:x\"}}");
	struct vcd_edge edge;

	(void)state;
	assert_int_equal(edge_read(&arena, document, &edge, &err), 0);
	assert_true(edge.nsxt);
	assert_string_equal(edge.owner_urn, "urn:vcloud:vdcGroup:x");
	assert_int_equal(edge.range_count, 3);
	assert_int_equal(edge.ranges[0].last - edge.ranges[0].first, 9);
	assert_string_equal(ip4_text(&arena, edge.ranges[2].first), "203.0.113.9");
	assert_int_equal(edge.reserved_count, 3);
	assert_string_equal(ip4_text(&arena, edge.reserved[1]), "192.0.2.50");
	arena_reset(&arena);
}

static void test_nat_rule_of_both_generations(void **state)
{
	struct arena arena = {0};
	CLEANUP(json_release)
	struct json_object *document =
		parse("{\"id\":\"r1\",\"name\":\"demo_expose_dnat\",\"enabled\":true,\"ruleType\":"
		      "\"DNAT\","
		      "\"externalAddresses\":\"192.0.2.51\",\"internalAddresses\":\"10.7.0.12\","
		      "\"dnatExternalPort\":\"6443\",\"applicationPortProfile\":{\"id\":\"p1\"},"
		      "\"snatDestinationAddresses\":null,\"version\":{\"version\":1}}");
	struct vcd_nat_rule rule;
	CLEANUP(json_release)
	struct json_object *old = NULL;
	CLEANUP(json_release)
	struct json_object *new = NULL;

	(void)state;
	nat_rule_read(&arena, document, &rule);
	assert_string_equal(rule.id, "r1");
	assert_string_equal(rule.type, "DNAT");
	assert_string_equal(rule.external_port, "6443");
	assert_string_equal(rule.profile_id, "p1");
	assert_true(rule.enabled);
	old = nat_rule_body(&rule, false);
	new = nat_rule_body(&rule, true);
	assert_string_equal(json_str(old, "ruleType", ""), "DNAT");
	assert_null(json_at(old, "type"));
	assert_null(json_at(old, "id"));
	assert_string_equal(json_str(old, "applicationPortProfile.id", ""), "p1");
	assert_string_equal(json_str(new, "type", ""), "DNAT");
	assert_null(json_at(new, "ruleType"));
	arena_reset(&arena);
}

#define PROFILE(id, name, protocol, ports)                                                         \
	"{\"id\":\"" id "\",\"name\":\"" name "\",\"applicationPorts\":[{\"protocol\":\"" protocol \
	"\",\"destinationPorts\":" ports "}]}"

static void test_port_profile_must_be_exactly_one_port(void **state)
{
	struct arena arena = {0};
	CLEANUP(json_release)
	struct json_object *values = parse("[" PROFILE(
		"p0", "kube", "UDP", "[\"6443\"]") "," PROFILE("p1", "kube", "TCP",
		"[\"6443\",\"6444\"]") "," PROFILE("p2", "kube", "TCP",
		"[\"443\"]") "," PROFILE("p9", "kube", "TCP", "[\"6443\"]") "," PROFILE("p5",
		"kube", "TCP", "[\"6443\"]") "," PROFILE("p3", "Kube", "TCP", "[\"6443\"]") "]");
	CLEANUP(json_release)
	struct json_object *none = parse("[]");

	(void)state;
	assert_string_equal(port_profile_pick(&arena, values, "kube", 6443), "p5");
	assert_null(port_profile_pick(&arena, values, "other", 6443));
	assert_null(port_profile_pick(&arena, none, "kube", 6443));
	arena_reset(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_network_counts_its_pool),
		cmocka_unit_test(test_edge_offers_all_usable_ranges),
		cmocka_unit_test(test_nat_rule_of_both_generations),
		cmocka_unit_test(test_port_profile_must_be_exactly_one_port),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
