/* SPDX-License-Identifier: MIT */
/* Names of machines and rules: no two alike, and none that comes again. */
#include "common/str.h"
#include "worker/names.h"

#include "tests/unit/unit.h"

#define URN "urn:vcloud:entity:cse:nativeCluster:1.0.0:0a0b0c0d-0000-4000-8000-000000000001"

enum { WORKERS = 100, NODES = WORKERS + 1, REQUESTS = 5000 };

/* The name a node has when nobody else is asked. */
static const char *plain_name(struct arena *arena, const char *request, unsigned node)
{
	return vm_name(arena, URN, node ? ROLE_WORKER : ROLE_CONTROL_PLANE, request,
		node ? node - 1 : 0, NULL);
}

static bool are_distinct(const char *const names[NODES])
{
	for (size_t i = 0; i < NODES; i++)
		for (size_t j = 0; j < i; j++)
			if (str_eq(names[i], names[j]))
				return false;
	return true;
}

/* Four characters are few: about one large cluster in three hundred has two nodes of one name. */
static void c16_nodes_of_one_cluster_have_different_names(void **state)
{
	size_t collisions = 0;

	(void)state;
	for (unsigned i = 0; i < REQUESTS && collisions < 3; i++) {
		struct arena arena = {0};
		const char *request = arena_printf(&arena, "request-%u", i);
		const char *plain[NODES], *names[NODES], *again[NODES];

		for (unsigned node = 0; node < NODES; node++)
			plain[node] = plain_name(&arena, request, node);
		if (!are_distinct(plain)) {
			collisions++;
			vm_names(&arena, URN, request, WORKERS, names);
			vm_names(&arena, URN, request, WORKERS, again);
			assert_true(are_distinct(names));
			for (size_t node = 0; node < NODES; node++)
				assert_string_equal(names[node], again[node]);
		}
		arena_reset(&arena);
	}
	assert_int_equal(collisions, 3);
}

/* A message that names a node of before must not reach one that was added later. */
static void c16_a_later_operation_has_names_of_its_own(void **state)
{
	struct arena arena = {0};
	const char *first[NODES], *second[NODES];

	(void)state;
	vm_names(&arena, URN, "request-a", WORKERS, first);
	vm_names(&arena, URN, "request-b", WORKERS, second);
	for (size_t i = 0; i < NODES; i++)
		assert_string_not_equal(first[i], second[i]);
	arena_reset(&arena);
}

/* What is known to VCD already is skipped, also when it is the very same node's first choice. */
static void c16_a_taken_name_is_skipped(void **state)
{
	struct arena arena = {0};
	const char *name = plain_name(&arena, "r", 1);
	const char *const taken[] = {name, NULL};
	const char *other = vm_name(&arena, URN, ROLE_WORKER, "r", 0, taken);

	(void)state;
	assert_string_not_equal(name, other);
	assert_true(str_starts(other, "node-"));
	arena_reset(&arena);
}

static void c16_rules_of_clusters_with_one_name_differ(void **state)
{
	struct arena arena = {0};

	(void)state;
	assert_true(nat_rule_is_of(nat_rule_name(&arena, "x_urn:vcloud:entity:y", URN), URN));
	assert_false(nat_rule_is_of(nat_rule_name(&arena, "lab", URN "2"), URN));
	assert_false(nat_rule_is_of(nat_rule_name(&arena, "lab", URN), URN "2"));
	assert_false(nat_rule_is_of(nat_rule_name(&arena, "lab", "x" URN), URN));
	assert_false(nat_rule_is_of(URN "_expose_dnat", URN));
	assert_string_not_equal(nat_rule_name(&arena, "lab", URN),
		nat_rule_name(&arena, "lab",
			"urn:vcloud:entity:cse:nativeCluster:1.0.0:0a0b0c0d-0000-4000-8000-2"));
	arena_reset(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(c16_nodes_of_one_cluster_have_different_names),
		cmocka_unit_test(c16_a_later_operation_has_names_of_its_own),
		cmocka_unit_test(c16_a_taken_name_is_skipped),
		cmocka_unit_test(c16_rules_of_clusters_with_one_name_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
