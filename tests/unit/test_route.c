/* SPDX-License-Identifier: MIT */
/* The real rows without their handlers: matching needs none. */
#include "worker/route.h"

#include "common/str.h"
#include "tests/unit/unit.h"

#include <stdio.h>

#define ROUTE(method_, path_, version_, pace_, handler_)                                           \
	{.method = #method_, .path = (path_), .version = ROUTE_##version_, .pace = (pace_)},

static const struct route rows[] = {
#include "worker/routes.def"
};
static const struct route_table table = {.rows = rows, .count = ARRAY_LEN(rows)};

static struct arena arena;

static int forget(void **state)
{
	(void)state;
	arena_reset(&arena);
	return 0;
}

static struct request make_request(const char *method, const char *path, const char *version)
{
	return (struct request){.method = method, .path = path, .api_version = version};
}

static enum err_code find(const char *method, const char *path, const char *version)
{
	struct request request = make_request(method, path, version);
	struct error err = {0};

	return route_find(&table, &request, "35.0", &arena, &err) ? ERR_NONE : err.code;
}

/* A path the row matches: its parameters filled in. */
static const char *example(const struct route *row)
{
	const char *rest = row->path, *part;
	const char *path = "";
	size_t len;

	part = str_next(&rest, '/', &len); /* the empty one before the first slash */
	while ((part = str_next(&rest, '/', &len)))
		path = arena_printf(&arena, "%s/%.*s", path, *part == '{' ? 2 : (int)len,
			*part == '{' ? "x1" : part);
	return path;
}

static const char *version_for(const struct route *row)
{
	return row->version == ROUTE_LEGACY ? "34.0" : "35.0";
}

static void every_row_is_reachable(void **state)
{
	(void)state;
	for (size_t i = 0; i < table.count; i++) {
		const char *version = version_for(&rows[i]);
		struct request request = make_request(rows[i].method, example(&rows[i]), version);
		struct error err = {0};

		assert_ptr_equal(route_find(&table, &request, version, &arena, &err), &rows[i]);
	}
}

static void no_two_rows_of_a_method_match_one_path(void **state)
{
	(void)state;
	for (size_t i = 0; i < table.count; i++)
		for (size_t j = 0; j < table.count; j++)
			if (i != j && str_eq(rows[i].method, rows[j].method))
				assert_false(route_matches(&rows[j], example(&rows[i])));
}

static void resource_words_may_have_any_case_and_number(void **state)
{
	static const char *const paths[] = {"/api/cse/3.0/clusters/u", "/api/cse/3.0/cluster/u",
		"/api/cse/3.0/CLUSTERS/u", "/api/cse/3.0/Cluster/u"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(paths); i++)
		assert_int_equal(find("GET", paths[i], "35.0"), ERR_NONE);
	assert_int_equal(find("GET", "/api/cse/3.0/cluster/u/Config", "35.0"), ERR_NONE);
	assert_int_equal(find("POST", "/api/cse/3.0/cluster", "35.0"), ERR_NONE);
	assert_int_equal(find("GET", "/api/cse/SYSTEMS", "33.0"), ERR_NONE);
	assert_int_equal(find("GET", "/api/cse/template", "35.0"), ERR_NONE);
}

static void wrong_paths_and_methods_are_told_apart(void **state)
{
	static const char *const absent[] = {"/api/cse", "/api/cse/", "/", "", "/api/cse/3.0",
		"/api/cse/3.0/clusters/", "/api/cse/3.0/cluster/a/b/c/d",
		"/api/cse/3.0/nativeclusters/x", "/api/cse/3.0/ovdc/a/b", "/api/pks/clusters",
		"/API/cse/system", "/api/cse/system/x", "/api/cse/systemss", "api/cse/system",
		"/api/cse/3.0/cluster//config", "/api/cse/cluster/x/nfs/y",
		"/api/cse/3.0/cluster/x/configs"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(absent); i++)
		assert_int_equal(find("GET", absent[i], "35.0"), ERR_GONE);
	assert_int_equal(find("POST", "/api/cse/system", "35.0"), ERR_METHOD);
	assert_int_equal(find("PATCH", "/api/cse/3.0/cluster/u", "35.0"), ERR_METHOD);
	assert_int_equal(find("get", "/api/cse/system", "35.0"), ERR_METHOD);
	assert_int_equal(find("PUT", "/api/cse/3.0/orgvdcs", "35.0"), ERR_METHOD);
}

static void each_family_of_paths_has_its_versions(void **state)
{
	(void)state;
	assert_int_equal(find("GET", "/api/cse/system", "0.0"), ERR_NONE);
	assert_int_equal(find("GET", "/api/cse/templates", "34.0"), ERR_FORMAT);
	assert_int_equal(find("GET", "/api/cse/3.0/cluster/u", "34.0"), ERR_GONE);
	assert_int_equal(find("PATCH", "/api/cse/3.0/cluster/u", "34.0"), ERR_GONE);
	assert_int_equal(find("GET", "/api/cse/3.0/cluster/u", "0.0"), ERR_GONE);
	assert_int_equal(find("GET", "/api/cse/cluster/u", "35.0"), ERR_GONE);
	assert_int_equal(find("GET", "/api/cse/cluster/u", "34.0"), ERR_FORMAT);
	assert_int_equal(find("GET", "/api/cse/cluster/u", "36.0"), ERR_GONE);
}

static void parameters_are_decoded(void **state)
{
	struct request request = make_request(
		"DELETE", "/api/cse/3.0/cluster/urn%3Avcloud%3aentity:cse/nfs/nfsd-1", "35.0");
	struct error err = {0};

	(void)state;
	assert_non_null(route_find(&table, &request, "35.0", &arena, &err));
	assert_string_equal(request.tokens[0], "urn:vcloud:entity:cse");
	assert_string_equal(request.tokens[1], "nfsd-1");
	assert_null(request.tokens[2]);
	assert_int_equal(find("GET", "/api/cse/3.0/cluster/%zz", "35.0"), ERR_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(every_row_is_reachable, forget),
		cmocka_unit_test_teardown(no_two_rows_of_a_method_match_one_path, forget),
		cmocka_unit_test_teardown(resource_words_may_have_any_case_and_number, forget),
		cmocka_unit_test_teardown(wrong_paths_and_methods_are_told_apart, forget),
		cmocka_unit_test_teardown(each_family_of_paths_has_its_versions, forget),
		cmocka_unit_test_teardown(parameters_are_decoded, forget),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
