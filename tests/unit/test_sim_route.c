/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"
#include "tests/vcdsim/route.h"

static void handler(struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	(void)sim;
	(void)req;
	(void)reply;
}

static const struct sim_route rows[] = {
	{"GET", "/api/vApp/vapp-{id}", ACCESS_SESSION, NULL, handler, false},
	{"GET", "/api/vApp/vm-{id}", ACCESS_SESSION, NULL, handler, false},
	{"GET", "/api/vApp/vapp-{id}/metadata/{*}", ACCESS_SESSION, NULL, handler, false},
	{"GET", "/cloudapi/1.0.0/sessions/{id}", ACCESS_SESSION, NULL, handler, false},
	{"GET", "/cloudapi/1.0.0/sessions/current", ACCESS_SESSION, NULL, handler, false},
	{"*", "/api/cse/{*}", ACCESS_SESSION, NULL, handler, false},
	{0},
};
static const struct sim_route *const tables[] = {rows, NULL};
static struct arena arena;

static const char *row_of(const char *method, const char *path, const char *tokens[SIM_TOKENS_MAX])
{
	int status;
	const struct sim_route *row = route_find(tables, method, path, &arena, tokens, &status);

	return row == NULL ? (status == 405 ? "405" : "404") : row->path;
}

static void finds_rows_and_tokens(void **state)
{
	const char *tokens[SIM_TOKENS_MAX] = {0};

	(void)state;
	assert_string_equal(row_of("GET", "/api/vApp/vapp-7", tokens), "/api/vApp/vapp-{id}");
	assert_string_equal(tokens[0], "7");
	assert_string_equal(row_of("GET", "/api/vApp/vm-8/", tokens), "/api/vApp/vm-{id}");
	assert_string_equal(tokens[0], "8");
	assert_string_equal(row_of("GET", "/api/vApp/vapp-7/metadata/SYSTEM/a%20b", tokens),
		"/api/vApp/vapp-{id}/metadata/{*}");
	assert_string_equal(tokens[1], "SYSTEM/a b");
	assert_string_equal(row_of("DELETE", "/api/cse/3.0/clusters", tokens), "/api/cse/{*}");
}

static void prefers_literal_segments(void **state)
{
	const char *tokens[SIM_TOKENS_MAX] = {0};

	(void)state;
	assert_string_equal(row_of("GET", "/cloudapi/1.0.0/sessions/current", tokens),
		"/cloudapi/1.0.0/sessions/current");
	assert_string_equal(row_of("GET", "/cloudapi/1.0.0/sessions/urn:vcloud:session:1", tokens),
		"/cloudapi/1.0.0/sessions/{id}");
	assert_string_equal(tokens[0], "urn:vcloud:session:1");
}

static void tells_404_from_405(void **state)
{
	const char *tokens[SIM_TOKENS_MAX] = {0};

	(void)state;
	assert_string_equal(row_of("POST", "/api/vApp/vm-8", tokens), "405");
	assert_string_equal(row_of("GET", "/api/vApp/vm-", tokens), "404");
	assert_string_equal(row_of("GET", "/api/vApp/disk-8", tokens), "404");
	assert_string_equal(row_of("GET", "/api/vApp/vm-8/x", tokens), "404");
	assert_string_equal(row_of("GET", "/api/vApp/vm-%zz", tokens), "404");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_rows_and_tokens),
		cmocka_unit_test(prefers_literal_segments),
		cmocka_unit_test(tells_404_from_405),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	arena_reset(&arena);
	return failed;
}
