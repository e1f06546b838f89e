/* SPDX-License-Identifier: MIT */
#include "worker/plans/expose.h"

#include "tests/unit/unit.h"
#include "worker/names.h"

#define URN(letter) "urn:vcloud:entity:cse:nativeCluster:1.0.0:" letter
#define NAME(letter) "tkg1_" URN(letter) "_expose_dnat"
#define INTERNAL "10.0.0.1"

static struct vcd_nat_rule rule_new(const char *id, const char *name, const char *external)
{
	return (struct vcd_nat_rule){.id = id,
		.name = name,
		.type = "DNAT",
		.external = external,
		.internal = INTERNAL,
		.external_port = "6443",
		.profile_id = "p",
		.enabled = true};
}

static struct expose_verdict judge(const struct vcd_nat_rule *rules, size_t count, int64_t looks)
{
	const struct expose_view view = {.rules = rules,
		.rule_count = count,
		.name = NAME("m"),
		.cluster = URN("m"),
		.internal = INTERNAL,
		.looks = looks};

	return expose_judge(&view);
}

static void alone_is_settled(void **state)
{
	struct vcd_nat_rule rules[] = {
		rule_new("1", NAME("x"), "192.0.2.6"), rule_new("2", NAME("m"), "192.0.2.5")};

	(void)state;
	assert_int_equal(judge(rules, 1, 0).state, EXPOSE_NONE);
	assert_int_equal(judge(rules, 2, 0).state, EXPOSE_SETTLED);
	assert_ptr_equal(judge(rules, 2, 0).rule, &rules[1]);
}

static void the_greater_cluster_moves(void **state)
{
	struct vcd_nat_rule rules[] = {
		rule_new("2", NAME("m"), "192.0.2.5"), rule_new("1", NAME("a"), "192.0.2.5")};

	(void)state;
	assert_int_equal(judge(rules, 2, 0).state, EXPOSE_YIELD);
	rules[1].name = NAME("z");
	assert_int_equal(judge(rules, 2, 0).state, EXPOSE_WAIT);
	assert_int_equal(judge(rules, 2, EXPOSE_LOOKS).state, EXPOSE_YIELD);
}

static void others_were_first(void **state)
{
	static const char *const covering[] = {
		"192.0.2.5", "192.0.2.1-192.0.2.5", "192.0.2.0/24", "0.0.0.0/0"};
	static const char *const beside[] = {
		"192.0.2.6", "192.0.2.6-192.0.2.9", "192.0.3.0/24", "", NULL, "x/y"};
	struct vcd_nat_rule rules[] = {
		rule_new("2", NAME("m"), "192.0.2.5"), rule_new("1", "web", NULL)};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(covering); i++) {
		rules[1].external = covering[i];
		assert_int_equal(judge(rules, 2, 0).state, EXPOSE_YIELD);
	}
	for (size_t i = 0; i < ARRAY_LEN(beside); i++) {
		rules[1].external = beside[i];
		assert_int_equal(judge(rules, 2, 0).state, EXPOSE_SETTLED);
	}
}

static void of_two_own_rules_the_lower_id_stays(void **state)
{
	struct vcd_nat_rule rules[] = {
		rule_new("7", NAME("m"), "192.0.2.5"), rule_new("3", NAME("m"), "192.0.2.6")};

	(void)state;
	assert_int_equal(judge(rules, 2, 0).state, EXPOSE_EXTRA);
	assert_string_equal(judge(rules, 2, 0).rule->id, "7");
}

static void a_wrong_rule_is_replaced(void **state)
{
	struct vcd_nat_rule wrong[] = {
		rule_new("1", NAME("m"), "192.0.2.5"),
		rule_new("1", NAME("m"), "192.0.2.5"),
		rule_new("1", NAME("m"), "192.0.2.5"),
		rule_new("1", NAME("m"), "192.0.2.5"),
		rule_new("1", NAME("m"), "192.0.2.5"),
		rule_new("1", NAME("m"), "192.0.2.0/24"),
	};

	(void)state;
	wrong[0].internal = "10.0.0.2";
	wrong[1].type = "SNAT";
	wrong[2].enabled = false;
	wrong[3].external_port = "443";
	wrong[4].profile_id = "";
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		assert_int_equal(judge(&wrong[i], 1, 0).state, EXPOSE_EXTRA);
}

static void a_rule_is_found_by_its_cluster(void **state)
{
	struct vcd_nat_rule rules[] = {rule_new("1", NAME("x"), "1.1.1.1"),
		rule_new("2", "urn_expose_dnat", "1.1.1.2"),
		rule_new("3", "other_" URN("m") "_expose_dnat", "1.1.1.3"),
		rule_new("4", NAME("m") "2", "1.1.1.4")};

	(void)state;
	assert_ptr_equal(expose_rule_of(rules, ARRAY_LEN(rules), URN("m")), &rules[2]);
	assert_null(expose_rule_of(rules, ARRAY_LEN(rules), URN("mm")));
}

static void another_user_of_an_address_is_found(void **state)
{
	const struct vcd_nat_rule rules[] = {
		{.name = NAME("m"), .external = "192.0.2.7"},
		{.name = "web", .external = "192.0.2.9-192.0.2.11"},
	};

	(void)state;
	assert_null(expose_other_at(rules, ARRAY_LEN(rules), URN("m"), "192.0.2.7"));
	assert_ptr_equal(
		expose_other_at(rules, ARRAY_LEN(rules), URN("n"), "192.0.2.7"), &rules[0]);
	assert_ptr_equal(
		expose_other_at(rules, ARRAY_LEN(rules), URN("m"), "192.0.2.10"), &rules[1]);
	assert_null(expose_other_at(rules, ARRAY_LEN(rules), URN("m"), "192.0.2.12"));
	assert_null(expose_other_at(rules, ARRAY_LEN(rules), URN("m"), ""));
}

static void free_addresses_are_found_around_once(void **state)
{
	struct vcd_ip_range ranges[] = {{10, 12}, {20, 20}};
	uint32_t reserved[] = {10}, used[] = {20, 99};
	const struct vcd_edge edge = {
		.ranges = ranges, .range_count = 2, .reserved = reserved, .reserved_count = 1};
	struct vcd_nat_rule rule = rule_new("1", "web", "0.0.0.11");
	struct expose_pool pool = {
		.edge = &edge, .used = used, .used_count = 2, .rules = &rule, .rule_count = 1};
	uint32_t out = 0;

	(void)state;
	for (uint32_t seed = 0; seed < 9; seed++) {
		assert_true(expose_pick(&pool, seed, &out));
		assert_int_equal(out, 12);
	}
	assert_true(expose_pick(&pool, UINT32_MAX, &out));
	pool.rule_count = pool.used_count = 0;
	assert_true(expose_pick(&pool, 3, &out)); /* the seed chooses where to begin */
	assert_int_equal(out, 20);
	ranges[0] = (struct vcd_ip_range){10, 10};
	pool.used_count = 2;
	assert_false(expose_pick(&pool, 0, &out));
}

static void a_range_may_be_all_there_is(void **state)
{
	struct vcd_ip_range all = {0, UINT32_MAX};
	const struct vcd_edge edge = {.ranges = &all, .range_count = 1};
	const struct expose_pool pool = {.edge = &edge};
	uint32_t out = 0;

	(void)state;
	assert_true(expose_pick(&pool, address_seed(URN("m")), &out));
	assert_int_equal(out, address_seed(URN("m")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(alone_is_settled),
		cmocka_unit_test(the_greater_cluster_moves),
		cmocka_unit_test(others_were_first),
		cmocka_unit_test(of_two_own_rules_the_lower_id_stays),
		cmocka_unit_test(a_wrong_rule_is_replaced),
		cmocka_unit_test(a_rule_is_found_by_its_cluster),
		cmocka_unit_test(another_user_of_an_address_is_found),
		cmocka_unit_test(free_addresses_are_found_around_once),
		cmocka_unit_test(a_range_may_be_all_there_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
