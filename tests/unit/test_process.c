/* SPDX-License-Identifier: MIT */
/* Memory holds tokens and keys: no dump of it may be written, and nobody may look into it. */
#include "worker/process.h"

#include <sys/prctl.h>
#include <sys/resource.h>

#include "tests/unit/unit.h"

static void nothing_of_the_memory_is_written_down(void **state)
{
	struct rlimit core = {1, 1};

	(void)state;
	process_harden();
	assert_int_equal(getrlimit(RLIMIT_CORE, &core), 0);
	assert_int_equal(core.rlim_cur, 0);
	assert_int_equal(core.rlim_max, 0);
	assert_int_equal(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0), 0);
	/* The leak check at the end looks into this very process. */
	(void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_of_the_memory_is_written_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
