/* SPDX-License-Identifier: MIT */
/* The role that the simulator's service account has must be enough for every call of the client. */
#include "common/json.h"
#include "common/mem.h"
#include "common/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum session { SERVICE, CALLER, EITHER };

static const struct {
	const char *function;
	enum session session;
	const char *method, *path, *right;
} rows[] = {
#define VCD_RIGHT(function, session, method, path, right) {#function, session, method, path, right},
#include "worker/vcd/rights.def"
#undef VCD_RIGHT
};

static struct json_object *load_seed(void)
{
	static char text[256 * 1024];
	struct error err = {0};
	static const char path[] = CSE_SOURCE_DIR "/tests/vcdsim/seed.json";
	CLEANUP(close_file)
	FILE *file = fopen(path, "re");
	struct json_object *seed;

	assert_non_null(file);
	seed = json_parse(text, fread(text, 1, sizeof(text), file), 32, &err);
	if (!seed)
		fail_msg("%s: %s", path, err.msg);
	return seed;
}

/* The rights of a role; "all" is no list. */
static struct json_object *rights_of(struct json_object *seed, const char *role)
{
	struct json_object *roles = json_at(seed, "roles");

	for (size_t i = 0; i < json_object_array_length(roles); i++) {
		struct json_object *row = json_object_array_get_idx(roles, i);

		if (str_eq(json_str(row, "name", ""), role))
			return json_at(row, "rights");
	}
	return NULL;
}

static bool has_right(struct json_object *rights, const char *right)
{
	for (size_t i = 0; i < json_object_array_length(rights); i++) {
		if (str_eq(json_object_get_string(json_object_array_get_idx(rights, i)), right))
			return true;
	}
	return false;
}

static void test_service_role_covers_every_call(void **state)
{
	CLEANUP(json_release)
	struct json_object *seed = load_seed();
	struct json_object *rights = rights_of(seed, "CSE Service Role");

	(void)state;
	assert_true(json_object_is_type(rights, json_type_array));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (rows[i].session == CALLER || !*rows[i].right)
			continue;
		if (!has_right(rights, rows[i].right))
			fail_msg("%s (%s %s) needs \"%s\"", rows[i].function, rows[i].method,
				rows[i].path, rows[i].right);
	}
	/* The role is not everything: a right of system administrators is missing. */
	assert_false(has_right(rights, "Organization: Edit Properties"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_service_role_covers_every_call),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
