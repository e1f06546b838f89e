/* SPDX-License-Identifier: MIT */
#include "tests/fuzz/fuzz.h"
#include "worker/route.h"

/* "METHOD /path": against the program's own table. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena arena = {0};
	char *text = fuzz_text(&arena, data, size);
	char *space = strchr(text, ' ');
	struct request request = {.method = text, .path = "", .api_version = "35.0"};
	const struct route *route;
	struct error err = {0};

	if (space) {
		*space = '\0';
		request.path = space + 1;
	}
	route = route_find(route_table(), &request, "35.0", &arena, &err);
	if (route)
		FUZZ_REQUIRE(str_eq(route->method, request.method));
	else
		FUZZ_REQUIRE(err.code != ERR_NONE && err.msg[0]);
	arena_reset(&arena);
	return 0;
}
