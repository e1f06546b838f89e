/* SPDX-License-Identifier: MIT */
/* What owners read when an operation is over. */
#include "worker/operation_text.h"

#include "tests/unit/unit.h"

#include <string.h>

static void a_success_tells_what_has_to_be_done(void **state)
{
	struct observed seen = {0};

	(void)state;
	assert_string_equal(
		operation_done_text(OPERATION_CREATE, &seen), "Created cluster '{name}' ({id})");
	seen.raw_vapp.lease_deploy_s = 3600;
	assert_non_null(strstr(operation_done_text(OPERATION_CREATE, &seen), "lease"));
	assert_null(strstr(operation_done_text(OPERATION_UPDATE, &seen), "lease"));
	seen.raw_vapp.lease_deploy_s = 0;
	seen.raw_vapp.lease_storage_s = 3600;
	assert_non_null(strstr(operation_done_text(OPERATION_CREATE, &seen), "lease"));
	seen.edge_lost = true;
	assert_non_null(strstr(operation_done_text(OPERATION_DELETE, &seen), "NAT rule"));
}

static void a_failure_tells_step_cause_and_remedy(void **state)
{
	struct arena arena = {0};
	struct details details = details_new("lab", OPERATION_CREATE, "r");

	(void)state;
	details.verdict = (struct details_verdict){"rollback", "join", "no node"};
	assert_string_equal(operation_cause(&arena, &details, true),
		"Step join: no node. The cluster was removed; correct the cause and send it "
		"again.");
	assert_non_null(strstr(operation_cause(&arena, &details, false), "Delete the cluster."));
	details.verdict.kind = "fail";
	assert_non_null(strstr(operation_cause(&arena, &details, true), "before you send it"));
	details.op = OPERATION_UPDATE;
	assert_non_null(strstr(operation_cause(&arena, &details, true), "send the request again"));
	arena_reset(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_success_tells_what_has_to_be_done),
		cmocka_unit_test(a_failure_tells_step_cause_and_remedy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
