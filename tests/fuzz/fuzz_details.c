/* SPDX-License-Identifier: MIT */
#include "tests/fuzz/fuzz.h"
#include "worker/details.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena arena = {0};
	const char *text = fuzz_text(&arena, data, size);
	struct details details, again;
	struct error err = {0};
	int read = details_decode(&details, &arena, "prod-1", text, &err);

	if (read < 0)
		FUZZ_REQUIRE(err.msg[0]);
	text = read > 0 ? details_encode(&arena, &details, &err) : NULL;
	if (text) {
		FUZZ_REQUIRE(strlen(text) <= DETAILS_MAX_BYTES && !strchr(text, '\n'));
		FUZZ_REQUIRE(details_decode(&again, &arena, "prod-1", text, &err) == 1);
		FUZZ_REQUIRE(details.op == again.op && details.claim.pass == again.claim.pass &&
			     details.revivals == again.revivals &&
			     str_eq(str_or(details.request, ""), str_or(again.request, "")));
	}
	arena_reset(&arena);
	return 0;
}
