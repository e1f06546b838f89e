/* SPDX-License-Identifier: MIT */
#include "common/json.h"
#include "tests/fuzz/fuzz.h"
#include "worker/cluster.h"
#include "worker/names.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena arena = {0};
	struct error err = {0};
	struct json_object *body = json_parse((const char *)data, size, 16, &err);
	struct cluster_spec spec;

	if (body && cluster_spec_read(&spec, &arena, body, &err) == 0) {
		FUZZ_REQUIRE(cluster_name_valid(spec.name) && spec.workers >= 0 &&
			     spec.workers <= 100 && spec.control_planes == 1);
		FUZZ_REQUIRE(cluster_spec_compare(&spec, &spec, &arena, &err) == 0);
		(void)cluster_drop_unknown(body);
	} else {
		FUZZ_REQUIRE(err.msg[0]);
	}
	json_release(&body);
	arena_reset(&arena);
	return 0;
}
