/* SPDX-License-Identifier: MIT */
#include "common/json.h"
#include "tests/fuzz/fuzz.h"
#include "worker/accept.h"
#include "worker/envelope.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct config config = {.limits_message_bytes = 1 << 16,
		.limits_body_bytes = 4096,
		.limits_json_depth = 16};
	struct arena arena = {0};
	struct delivery delivery = {.body = fuzz_text(&arena, data, size), .body_len = size};
	struct envelope envelope = {.request = {.id = ""}};
	const char *version;
	struct error err = {0};

	if (envelope_decode(&envelope, &arena, &delivery, &config, &err) == 0) {
		FUZZ_REQUIRE(!str_empty(envelope.request.id) && envelope.request.method);
		(void)accept_version(&version, &arena, envelope.accept, &err);
		if (envelope_open(&envelope, &arena, &config, &err) == 0)
			FUZZ_REQUIRE(envelope.request.query);
		else
			FUZZ_REQUIRE(err.code == ERR_INVALID && err.msg[0]);
	} else {
		FUZZ_REQUIRE(err.code == ERR_INVALID && err.msg[0] && envelope.request.id);
	}
	envelope_release(&envelope);
	arena_reset(&arena);
	return 0;
}
