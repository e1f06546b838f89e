/* SPDX-License-Identifier: MIT */
#include "tests/fuzz/fuzz.h"
#include "worker/operation.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena arena = {0};
	const char *text = fuzz_text(&arena, data, size);
	struct operation_message message, again;
	struct error err = {0};

	if (operation_decode(&message, &arena, text, size, &err) == 0) {
		text = operation_encode(&arena, &message);
		FUZZ_REQUIRE(operation_decode(&again, &arena, text, strlen(text), &err) == 0);
		FUZZ_REQUIRE(str_eq(message.task, again.task) && message.pass == again.pass &&
			     message.operation == again.operation);
	} else {
		FUZZ_REQUIRE(err.msg[0]);
	}
	arena_reset(&arena);
	return 0;
}
